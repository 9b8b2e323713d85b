"""What is taken out of a BERT is what matters least, and really gone."""

from pathlib import Path

import numpy as np
import pytest
import torch

from kg.errors import UsageError
from kg.intents.labelled import LabelledTexts
from models.intent.methods import learn, restore
from models.intent.prune import importance, pruned
from models.intent.settings import TextTraining
from models.intent.tuned import TunedClassifier
from models.intent.whole import whole
from models.testing import check_text_classifier
from models.text import BertEncoder, HashEncoder
from models.text.folder import load_model
from models.text.narrow import layers_of

CONFIG = TextTraining(epochs=4, batch_size=8, max_tokens=32, learning_rate=5e-3)


def shop_texts(rows: int = 60) -> LabelledTexts:
    rng = np.random.default_rng(0)
    words = [("red", "oil")[row % 2] for row in range(rows)]
    around = rng.choice(["nail", "polish", "nails", ",", "nail polish"], (rows, 2))
    return LabelledTexts.of(
        [f"{a} {w} {b}" for w, (a, b) in zip(words, around, strict=True)], words
    )


def tuned(folder: Path, method: str = "full") -> TunedClassifier:
    model = learn(
        shop_texts(), method, BertEncoder(folder, dtype="float32"), folder, CONFIG,
        np.random.default_rng(0),
    )  # fmt: skip
    return whole(model, method)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_what_is_kept_is_really_smaller_and_comes_back(tiny_bert: Path, tmp_path: Path) -> None:
    model = tuned(tiny_bert)
    small = pruned(model, shop_texts(), rng(), heads=0.5, forward=0.25)
    for layer in layers_of(small.network.encoder):
        assert layer.attention.self.query.weight.shape == (8, 16)
        assert layer.attention.output.dense.weight.shape == (16, 8)
        assert layer.intermediate.dense.weight.shape == (8, 16)
        assert layer.output.dense.weight.shape == (16, 8)
    small.save(tmp_path)
    back = restore(tmp_path, "full", small.labels, False, CONFIG, HashEncoder(), None)
    check_text_classifier(small, shop_texts().texts[:4], back)
    vectors = BertEncoder(tmp_path, dtype="float32").encode(["red oil"])
    np.testing.assert_allclose(4 * vectors, small.read(["red oil"]).vectors, atol=1e-4)
    again = pruned(small, shop_texts(), rng(), heads=1, forward=0.5)
    assert layers_of(again.network.encoder)[0].intermediate.dense.weight.shape == (4, 16)
    assert layers_of(model.network.encoder)[0].intermediate.dense.weight.shape == (32, 16)


def test_keeping_all_changes_nothing(tiny_bert: Path, tmp_path: Path) -> None:
    model, data = tuned(tiny_bert), shop_texts()
    same = pruned(model, data, rng(), heads=1, forward=1)
    np.testing.assert_array_equal(same.read(data.texts).logits, model.read(data.texts).logits)
    same.save(tmp_path)
    from transformers import AutoModel

    AutoModel.from_pretrained(tmp_path)  # nothing that only this package could read
    assert "kept_heads" not in (tmp_path / "config.json").read_text("utf-8")


def test_heads_and_neurons_that_say_nothing_go_first(tiny_bert: Path) -> None:
    model, data = tuned(tiny_bert), shop_texts()
    first, second = layers_of(model.network.encoder)
    dead = [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31]
    with torch.no_grad():
        first.attention.output.dense.weight[:, 8:] = 0  # its second head
        second.attention.output.dense.weight[:, :8] = 0  # its first
        for layer in (first, second):
            layer.output.dense.weight[:, dead] = 0
    found = importance(model, data)
    assert found.heads.argmin(1).tolist() == [1, 0]
    np.testing.assert_array_equal(found.neurons == 0, [np.isin(np.arange(32), dead)] * 2)
    small = pruned(model, data, rng(), heads=0.5, forward=0.5)
    np.testing.assert_allclose(
        small.read(data.texts).logits, model.read(data.texts).logits, atol=1e-5
    )


def test_importance_is_what_the_loss_loses_by_a_little_less_of_a_neuron(tiny_bert: Path) -> None:
    model, data = tuned(tiny_bert), shop_texts().take([0])
    found = importance(model, data).neurons[1, 4]
    network, step = model.network, 1e-2
    ids, mask, target = model.tokens(data.texts, data.carries).batch([0])
    column = layers_of(network.encoder)[1].output.dense.weight[:, 4]
    losses = []
    with torch.no_grad():
        for factor in (1 + step, (1 - step) / (1 + step)):
            column *= factor
            losses.append(-(target * network(ids, mask)[0].log_softmax(1)).sum().item())
    assert abs(losses[0] - losses[1]) / (2 * step) == pytest.approx(found, rel=0.05, abs=1e-5)


@pytest.mark.parametrize("method", ["lora", "ia3", "frozen"])
def test_what_a_whole_copy_answers_is_the_same(method: str, tiny_bert: Path) -> None:
    encoder, data = BertEncoder(tiny_bert, max_tokens=32, dtype="float32"), shop_texts()
    model = learn(data, method, encoder, tiny_bert, CONFIG, rng())
    logits = model.read(data.texts).logits
    copied = whole(model, method)
    np.testing.assert_allclose(copied.read(data.texts).logits, logits, atol=1e-4)
    pruned(copied, data, rng())
    np.testing.assert_array_equal(model.read(data.texts).logits, logits)


def test_misuse_is_one_sentence(tiny_bert: Path) -> None:
    data = shop_texts()
    model = tuned(tiny_bert)
    for share in (0, -0.5, 1.5):
        with pytest.raises(UsageError, match=r"'heads' of pruned must be a share in \(0, 1\]"):
            pruned(model, data, rng(), heads=share)
    with pytest.raises(UsageError, match=r"'forward' of pruned must be a share in \(0, 1\]"):
        pruned(model, data, rng(), forward=float("nan"))
    for method in ("svm", "frozen"):
        other = learn(data, method, HashEncoder(), None, CONFIG, rng())
        with pytest.raises(UsageError, match=f"must be of method full, .* Got '{method}'"):
            whole(other, method)
    with pytest.raises(UsageError, match="'adapter' is not linear"):
        tuned(tiny_bert, "adapter")
    model.network.encoder.config.model_type = "albert"
    with pytest.raises(UsageError, match=r"must be one of bert, .* Got 'albert'"):
        pruned(model, data, rng())


def test_a_damaged_narrow_encoder_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    from kg.errors import DataError

    pruned(tuned(tiny_bert), shop_texts(), rng()).save(tmp_path)
    config = tmp_path / "config.json"
    text = config.read_text("utf-8")
    config.write_text(text.replace('"kept_heads": 1', '"kept_heads": 2'), "utf-8")
    with pytest.raises(DataError, match="cannot be loaded"):
        load_model(tmp_path)
