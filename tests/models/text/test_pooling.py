"""What becomes of the states of a text's tokens: by hand, as a folder says, and for decoders."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from kg.errors import DataError, UsageError
from models.testing import check_text_encoder
from models.text import BertEncoder, load_encoder
from models.text.folder import DECODERS, load_tokenizer, pooling_of, reading_of
from models.text.onnx import export_int8
from models.text.pooling import places_of, pooled, width_of

WORDS = ["red", " red", " nail", " polish", " oil"]
OWN = {"gpt_neo": {"attention_types": [[["global", "local"], 1]]}, "gptj": {"rotary_dim": 4}}
TEXTS = ["red nail polish", "oil", "red", "red oil, red nail oil"]
MODES = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens",
         "lasttoken")  # fmt: skip


@pytest.fixture(scope="module")
def decoder(make_decoder: Callable[..., Path]) -> Path:
    return make_decoder("gpt2", WORDS)


def with_pooling(folder: Path, copy: Path, *modes: str) -> Path:
    """A copy that says what is pooled, as sentence-transformers wrote it until version 5."""
    shutil.copytree(folder, copy)
    (copy / "1_Pooling").mkdir()
    body = {"word_embedding_dimension": 16, "include_prompt": True,
            **{f"pooling_mode_{mode}": mode in modes for mode in MODES}}  # fmt: skip
    (copy / "1_Pooling/config.json").write_text(json.dumps(body), "utf-8")
    return copy


def with_config(folder: Path, copy: Path, **body: object) -> Path:
    """A copy with some more in its tokenizer_config.json."""
    shutil.copytree(folder, copy)
    file = copy / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | body), "utf-8")
    return copy


def with_template(folder: Path, copy: Path, *around: str) -> Path:
    """A copy whose tokenizer puts these around a text, which is '$A'."""
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing

    shutil.copytree(folder, copy)
    tokens = Tokenizer.from_file(str(copy / "tokenizer.json"))
    special = [(word, tokens.token_to_id(word)) for word in around if word != "$A"]
    tokens.post_processor = TemplateProcessing(single=list(around), special_tokens=special)
    tokens.save(str(copy / "tokenizer.json"))
    return copy


def test_by_hand() -> None:
    states = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [9.0, 9.0]], [[5.0, 4.0]] * 3])
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    for how, first in (("mean", [2.0, 4.0]), ("cls", [1.0, 2.0]), ("last", [3.0, 6.0])):
        assert pooled(states, mask, how).tolist() == [first, [5.0, 4.0]]
        assert pooled(states, mask.bool(), how).tolist() == [first, [5.0, 4.0]]
    assert pooled(states[:1, :2], None, "mean").tolist() == [[2.0, 4.0]]
    assert pooled(states, None, "last").tolist() == [[9.0, 9.0], [5.0, 4.0]]
    assert pooled(states.bfloat16(), None, "cls").dtype == torch.float32


@pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen3"])
def test_contract(kind: str, make_decoder: Callable[..., Path]) -> None:
    folder = make_decoder(kind, WORDS)
    check_text_encoder(BertEncoder(folder, dtype="float32"))
    check_text_encoder(BertEncoder(folder, dtype="bfloat16"), 2e-2)


@pytest.mark.parametrize("kind", sorted(DECODERS))
def test_a_decoder_is_read_at_its_last_token(kind: str, make_decoder: Callable[..., Path]) -> None:
    from transformers import AutoModel, AutoTokenizer

    folder = make_decoder(kind, WORDS, **OWN.get(kind, {}))
    encoder = BertEncoder(folder, dtype="float32", max_tokens=32)
    tokenizer, model = (of.from_pretrained(folder) for of in (AutoTokenizer, AutoModel))
    for text, row in zip(TEXTS, encoder.encode(TEXTS), strict=True):
        ids = torch.tensor([[*tokenizer(text)["input_ids"], tokenizer.eos_token_id]])
        with torch.no_grad():
            states = model.eval()(input_ids=ids).last_hidden_state[0]
            others = model(input_ids=torch.cat([ids, ids[:, :1]], 1)).last_hidden_state[0]
        want = states[-1].numpy()
        assert np.allclose(row, want / np.linalg.norm(want), atol=1e-5)
        assert np.allclose(others[:-1], states, atol=1e-5), "what comes later must not be seen"


def test_widths_and_places() -> None:
    from transformers import BloomConfig, GPT2Config, OPTConfig

    assert width_of(OPTConfig(hidden_size=32, word_embed_proj_dim=16)) == 16
    assert width_of(GPT2Config(n_embd=24)) == 24
    assert places_of(GPT2Config(n_positions=77)) == 77
    assert places_of(BloomConfig()) > 10**6


def test_a_projecting_opt_has_the_width_of_its_vectors(make_decoder: Callable[..., Path]) -> None:
    encoder = BertEncoder(make_decoder("opt", WORDS, word_embed_proj_dim=8))
    assert encoder.encode(["red"]).shape == (1, encoder.dim) == (1, 8)


def test_bytes_are_never_unknown_though_eos_is_called_so(decoder: Path) -> None:
    encoder = BertEncoder(decoder)
    assert encoder.unknown_share(["red nail", "猫 oil", ""]) == 0


def test_what_comes_before_a_text_stays_when_it_is_closed(decoder: Path, tmp_path: Path) -> None:
    """As in e5-mistral: tokenizer.json opens a text only, the settings ask for EOS."""
    opened = with_template(decoder, tmp_path / "a", "!", "$A")
    tokens = load_tokenizer(opened).backend_tokenizer
    found = tokens.encode("red nail")
    assert found.tokens == ["!", "red", "Ġnail", "<|endoftext|>"]
    assert found.special_tokens_mask == [1, 0, 0, 1]
    assert found.offsets[1:3] == [(0, 3), (3, 8)]
    tokens.enable_truncation(max_length=3)
    assert tokens.encode("red nail oil").tokens == ["!", "red", "<|endoftext|>"]
    told = with_pooling(opened, tmp_path / "b", "lasttoken")
    assert load_tokenizer(told).backend_tokenizer.encode("red").tokens == ["!", "red"]
    asked = with_config(told, tmp_path / "c", add_eos_token=True)
    assert load_tokenizer(asked).backend_tokenizer.encode("red").tokens[-1] == "<|endoftext|>"
    ids = {reading_of(folder) for folder in (opened, told, asked)}
    assert ids == {"last+eos", "last"}


def test_a_text_that_is_closed_already_gets_no_second_end(decoder: Path, tmp_path: Path) -> None:
    """As in Qwen3-Embedding, which closes by another token than the one called EOS."""
    folder = with_template(decoder, tmp_path / "a", "$A", "!")
    assert load_tokenizer(folder).backend_tokenizer.encode("red").tokens == ["red", "!"]
    no_eos = with_config(decoder, tmp_path / "b", eos_token=None)
    assert load_tokenizer(no_eos).backend_tokenizer.encode("red").tokens == ["red"]


def test_a_folder_says_what_is_pooled(tiny_bert: Path, tmp_path: Path) -> None:
    plain = BertEncoder(tiny_bert, dtype="float32")
    mean, cls, last = (
        BertEncoder(with_pooling(tiny_bert, tmp_path / mode, mode), dtype="float32")
        for mode in ("mean_tokens", "cls_token", "lasttoken")
    )
    assert mean.id == plain.id
    assert {cls.id, last.id} == {plain.id.replace("mean", how) for how in ("cls", "last")}
    for how, encoder in (("mean", mean), ("cls", cls), ("last", last)):
        check_text_encoder(encoder)
        ids = torch.tensor([encoder.spans("red nail")[0]])
        with torch.no_grad():
            states = encoder.model(input_ids=ids).last_hidden_state[0]
        want = {"mean": states.mean(0), "cls": states[0], "last": states[-1]}[how].numpy()
        assert np.allclose(encoder.encode(["red nail"])[0], want / np.linalg.norm(want), atol=1e-5)


@pytest.mark.parametrize(
    ("body", "how"),
    [
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode": ["lasttoken"]}, "last"),
        ({"pooling_mode": "mean", "include_prompt": True}, "mean"),
        ({}, "mean"),
    ],
)
def test_the_newer_form_of_the_file(tiny_bert: Path, tmp_path: Path, body: dict, how: str) -> None:
    folder = with_pooling(tiny_bert, tmp_path / "a")
    (folder / "1_Pooling/config.json").write_text(json.dumps(body), "utf-8")
    assert pooling_of(folder) == how


def test_other_poolings_are_refused(tiny_bert: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1_Pooling/config\.json' must be one .* Got max_tokens"):
        BertEncoder(with_pooling(tiny_bert, tmp_path / "a", "max_tokens"))
    folder = with_pooling(tiny_bert, tmp_path / "b", "cls_token", "mean_tokens")
    with pytest.raises(DataError, match="Got cls_token, mean_tokens instead"):
        BertEncoder(folder)
    (folder / "1_Pooling/config.json").write_text('{"pooling_mode": 3}', "utf-8")
    with pytest.raises(DataError, match="Got 3 instead"):
        BertEncoder(folder)


def test_eight_bit_onnx_of_a_decoder_is_refused(decoder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"BERT family only .* Got 'gpt2'"):
        export_int8(BertEncoder(decoder), tmp_path / "a")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("mode", ["cls_token", "lasttoken"])
def test_eight_bit_onnx_pools_as_the_folder_says(
    mode: str, tiny_bert: Path, tmp_path: Path
) -> None:
    for module in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(module)
    bert = BertEncoder(with_pooling(tiny_bert, tmp_path / "a", mode), dtype="float32")
    small = load_encoder(export_int8(bert, tmp_path / "b"))
    texts = ["red nail polish", "oils, oil", "red"]
    assert ((small.encode(texts) * bert.encode(texts)).sum(1) > 0.98).all()
    assert f":{bert.pooling}:" in small.id
