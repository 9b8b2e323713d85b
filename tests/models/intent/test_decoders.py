"""Text classifiers on GPT-style decoders, and on a BERT that is read at its first token."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kg.errors import DataError, UsageError
from kg.intents.labelled import LabelledTexts
from models.intent.attribute import by_gradients
from models.intent.distil import student
from models.intent.int8 import to_int8
from models.intent.methods import learn, restore
from models.intent.onnx import to_onnx
from models.intent.pretrain import Examples, PretrainConfig, pretrain, twins
from models.intent.settings import TextTraining
from models.intent.tuned import TunedClassifier, base_hash, checked_base
from models.intent.whole import whole
from models.testing import check_text_classifier
from models.text import BertEncoder

WORDS = ["red", " red", " nail", "nail", " oil", "oil", " polish"]
CONFIG = TextTraining(epochs=20, batch_size=8, max_tokens=16, learning_rate=5e-3, head_rate=2e-2)
KINDS = ["gpt2", "llama", "qwen2"]


@pytest.fixture(scope="module")
def folders(make_decoder: Callable[..., Path]) -> dict[str, Path]:
    return {kind: make_decoder(kind, WORDS) for kind in KINDS}


def shop_texts(rows: int = 60) -> LabelledTexts:
    """ "red" wants polish, "oil" wants oil, whatever stands around."""
    rng = np.random.default_rng(0)
    words = [("red", "oil")[row % 2] for row in range(rows)]
    around = ["nail", "polish", "nail polish"]
    texts = [f"{rng.choice(around)} {word} {rng.choice(around)}" for word in words]
    return LabelledTexts.of(texts, words)


def learned(method: str, folder: Path, config: TextTraining = CONFIG):
    encoder = BertEncoder(folder, dtype="float32", max_tokens=config.max_tokens)
    return learn(shop_texts(), method, encoder, folder, config, np.random.default_rng(0))


def at_first_token(folder: Path, copy: Path) -> Path:
    shutil.copytree(folder, copy)
    (copy / "1_Pooling").mkdir()
    (copy / "1_Pooling/config.json").write_text(json.dumps({"pooling_mode": "cls"}), "utf-8")
    return copy


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["frozen", "full", "lora", "adalora", "adapter"])
def test_contract_and_that_it_learns(
    method: str, kind: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    model = learned(method, folders[kind])
    model.save(tmp_path)
    encoder = BertEncoder(folders[kind], dtype="float32", max_tokens=16)
    back = restore(tmp_path, method, model.labels, False, CONFIG, encoder, folders[kind])
    check_text_classifier(model, shop_texts().texts[:4], back)
    assert model.read(["polish red nail", "nail oil nail"]).logits.argmax(1).tolist() == [1, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_merged_decoder_computes_the_same(
    kind: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    model = learned("lora", folders[kind])
    assert isinstance(model, TunedClassifier)
    texts = shop_texts().texts[:9]
    vectors = model.read(texts).vectors
    model.merge(tmp_path)
    merged = BertEncoder(tmp_path, dtype="float32", max_tokens=16)
    np.testing.assert_allclose(4 * merged.encode(texts), vectors, atol=1e-4)
    assert ":last+eos:" in merged.id


def test_ia3_and_what_makes_a_bert_small_are_refused(folders: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match=r"'ia3' must meet an encoder of .* Got 'llama'"):
        learned("ia3", folders["llama"])
    model = whole(learned("full", folders["llama"]), "full")
    with pytest.raises(UsageError, match=r"made smaller must be one of .* Got 'llama'"):
        student(model)
    with pytest.raises(UsageError, match=r"BERT family only .* Got 'llama'"):
        to_onnx(model)


@pytest.mark.parametrize("kind", KINDS)
def test_eight_bits_say_the_same(kind: str, folders: dict[str, Path], tmp_path: Path) -> None:
    model = learned("frozen", folders[kind])
    small = to_int8(whole(model, "frozen"))
    small.save(tmp_path)
    back = restore(tmp_path, "int8", model.labels, False, CONFIG, model.encoder, None)
    texts = shop_texts().texts
    assert (small.read(texts).logits.argmax(1) == model.read(texts).logits.argmax(1)).all()
    np.testing.assert_allclose(back.read(texts).logits, small.read(texts).logits, atol=1e-4)


@pytest.mark.parametrize("method", ["frozen", "lora"])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_add_up_to_the_logit(method: str, kind: str, folders: dict[str, Path]) -> None:
    model = learned(method, folders[kind])
    found = by_gradients(model, "polish red nail", "red", steps=128)
    assert [piece.text for piece in found.pieces] == ["polish", "red", "nail"]
    assert max(abs(piece.weight) for piece in found.pieces) > 0.05
    assert found.error is not None
    assert found.error < 0.05 * max(1, abs(found.logit))


def test_pairs_teach_a_decoder(folders: dict[str, Path], tmp_path: Path) -> None:
    texts = shop_texts().texts
    config = PretrainConfig(batch_size=8, max_tokens=16)
    *_, last = pretrain(
        folders["qwen2"], Examples(pairs=twins(texts)), ["pairs"], tmp_path / "new", config
    )
    assert np.isfinite(last.losses["pairs"])
    new, old = (BertEncoder(f, dtype="float32") for f in (tmp_path / "new", folders["qwen2"]))
    assert np.abs(new.encode(texts) - old.encode(texts)).max() > 1e-4
    with pytest.raises(UsageError, match=r"needs a \[MASK\]"):
        list(pretrain(folders["qwen2"], Examples(texts), ["mask"], tmp_path / "no", config))


@pytest.mark.parametrize("method", ["full", "lora"])
def test_the_pooling_of_a_folder_is_learned_with_and_goes_along(
    method: str, tiny_bert: Path, tmp_path: Path
) -> None:
    folder = at_first_token(tiny_bert, tmp_path / "cls")
    model = learned(method, folder)
    assert isinstance(model, TunedClassifier)
    (tmp_path / "saved").mkdir()
    model.save(tmp_path / "saved")
    assert all(part.is_file() for part in (tmp_path / "saved").iterdir())  # our folders are flat
    base = BertEncoder(folder, dtype="float32")
    back = restore(tmp_path / "saved", method, model.labels, False, CONFIG, base, folder)
    check_text_classifier(model, shop_texts().texts[:4], back)
    texts, vectors = ["red oil"], model.read(["red oil"]).vectors
    (tmp_path / "merged").mkdir()
    model.merge(tmp_path / "merged")
    merged = BertEncoder(tmp_path / "merged", dtype="float32")
    assert ":cls:" in merged.id
    np.testing.assert_allclose(4 * merged.encode(texts), vectors, atol=1e-4)


def test_new_weights_are_not_read_behind_another_pooling(tiny_bert: Path, tmp_path: Path) -> None:
    folder = at_first_token(tiny_bert, tmp_path / "cls")
    assert base_hash(folder) == base_hash(tiny_bert) + ":cls"
    with pytest.raises(DataError, match="must be the one these weights were learned in"):
        checked_base(folder, base_hash(tiny_bert))
