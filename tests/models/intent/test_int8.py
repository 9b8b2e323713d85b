"""8-bit weights, by torch and as ONNX, say what the float32 ones say."""

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from kg.errors import DataError, UsageError
from kg.intents.labelled import LabelledTexts
from models.intent.int8 import Int8Classifier, to_int8
from models.intent.methods import learn, restore
from models.intent.prune import pruned
from models.intent.settings import TextTraining
from models.intent.tuned import TunedClassifier
from models.intent.whole import whole
from models.testing import check_text_classifier
from models.text import BertEncoder, HashEncoder

CONFIG = TextTraining(epochs=6, batch_size=8, max_tokens=32, learning_rate=5e-3)
AROUND = ["nail", "polish", "nails", ","]
TEXTS = [f"{a} {w} {b}" for w in ("red", "oil") for a in AROUND for b in AROUND]
DATA = LabelledTexts.of(TEXTS, ["red"] * 16 + ["oil"] * 16)


def tuned(folder: Path, method: str = "full") -> TunedClassifier:
    encoder = BertEncoder(folder, max_tokens=32, dtype="float32")
    model = learn(DATA, method, encoder, folder, CONFIG, np.random.default_rng(0))
    return whole(model, method)


def needs_onnx() -> None:
    for module in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(module, reason="needs the extra [onnx]")


def agrees(small, model) -> None:
    one, other = small.read(TEXTS), model.read(TEXTS)
    spread = np.abs(other.logits).max()
    assert np.abs(one.logits - other.logits).max() < 0.1 * spread
    assert (one.logits.argmax(1) == other.logits.argmax(1)).mean() > 0.95
    assert ((one.vectors * other.vectors).sum(1) / 16 > 0.98).all()


@pytest.mark.parametrize("narrow", [False, True])
def test_torch_int8_agrees_and_comes_back(narrow: bool, tiny_bert: Path, tmp_path: Path) -> None:
    model = tuned(tiny_bert)
    if narrow:
        model = pruned(model, DATA, np.random.default_rng(0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small = to_int8(model)
    agrees(small, model)
    small.save(tmp_path)
    assert {f.suffix for f in tmp_path.iterdir()} <= {".json", ".txt", ".safetensors"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        back = restore(tmp_path, "int8", small.labels, False, CONFIG, HashEncoder(), None)
    assert isinstance(back, Int8Classifier)
    check_text_classifier(small, TEXTS[:3], back, tolerance=0.2)
    np.testing.assert_allclose(back.read(TEXTS).logits, small.read(TEXTS).logits, atol=1e-5)


def test_torch_int8_is_not_trained_and_not_compressed_again(
    tiny_bert: Path, tmp_path: Path
) -> None:
    small = to_int8(tuned(tiny_bert))
    with pytest.raises(UsageError, match="cannot be trained any more"):
        small.merge(tmp_path)
    with pytest.raises(UsageError, match=r"must be of method full, .* Got 'int8'"):
        whole(small, "int8")


def test_a_damaged_int8_folder_is_refused_by_name(tiny_bert: Path, tmp_path: Path) -> None:
    to_int8(tuned(tiny_bert)).save(tmp_path)
    whole_file = (tmp_path / "int8.safetensors").read_bytes()
    (tmp_path / "int8.safetensors").write_bytes(whole_file[:100])
    with pytest.raises(DataError, match=r"int8\.safetensors cannot be read"):
        restore(tmp_path, "int8", DATA.labels, False, CONFIG, HashEncoder(), None)
    (tmp_path / "config.json").write_text("{", "utf-8")
    with pytest.raises(DataError, match=r"config\.json cannot be used"):
        restore(tmp_path, "int8", DATA.labels, False, CONFIG, HashEncoder(), None)


@pytest.mark.parametrize("method", ["full", "lora", "frozen"])
def test_onnx_agrees_and_comes_back_without_weights_of_torch(
    method: str, tiny_bert: Path, tmp_path: Path
) -> None:
    needs_onnx()
    from models.intent.onnx import to_onnx

    model = tuned(tiny_bert, method)
    if method == "lora":
        model = pruned(model, DATA, np.random.default_rng(0))
    small = to_onnx(model)
    agrees(small, model)
    small.save(tmp_path)
    assert not list(tmp_path.glob("*.safetensors"))
    back = restore(tmp_path, "onnx", small.labels, False, CONFIG, HashEncoder(), None)
    check_text_classifier(small, TEXTS[:3], back, tolerance=0.2)
    np.testing.assert_array_equal(back.read(TEXTS).logits, small.on_threads(1).read(TEXTS).logits)
    with pytest.raises(DataError, match=r"model\.onnx must give 3 logits\. Got 2"):
        restore(tmp_path, "onnx", ("a", "b", "c"), False, CONFIG, HashEncoder(), None)
    (tmp_path / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(DataError, match="cannot be loaded"):
        restore(tmp_path, "onnx", small.labels, False, CONFIG, HashEncoder(), None)
    (tmp_path / "model.onnx").unlink()
    with pytest.raises(DataError, match=r"model\.onnx cannot be read"):
        restore(tmp_path, "onnx", small.labels, False, CONFIG, HashEncoder(), None)


def test_the_missing_extra_is_one_sentence(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.intent.onnx import to_onnx

    model = tuned(tiny_bert)
    for name in ("onnx", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError, match=r"needs the extra \[onnx\]"):
        to_onnx(model)
    (tmp_path / "model.onnx").write_bytes(b"")
    for file in ("vocab.txt", "config.json", "tokenizer.json", "tokenizer_config.json"):
        if (tiny_bert / file).is_file():
            (tmp_path / file).write_bytes((tiny_bert / file).read_bytes())
    with pytest.raises(UsageError, match=r"needs the extra \[onnx\]"):
        restore(tmp_path, "onnx", model.labels, False, CONFIG, HashEncoder(), None)
