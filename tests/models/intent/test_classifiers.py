"""Every method of the text classifiers, on texts that a few words tell apart."""

import json
import shutil
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from kg.errors import DataError, UsageError
from kg.intents.labelled import LabelledTexts
from models.intent.adapters import adapted
from models.intent.methods import learn, restore
from models.intent.rules import RulesClassifier, terms_of
from models.intent.settings import TUNED, Method, TextTraining
from models.intent.svm import fit_svm
from models.intent.tuned import TunedClassifier, base_hash, checked_base
from models.testing import check_text_classifier
from models.text import BertEncoder, HashEncoder
from models.text.folder import load_model

METHODS = [*get_args(Method), "frozen+svm", "full+rules"]
CONFIG = TextTraining(epochs=4, batch_size=8, max_tokens=32, learning_rate=5e-3)


def shop_texts(rows: int = 60) -> LabelledTexts:
    """ "red" wants polish, "oil" wants oil, whatever stands around."""
    rng = np.random.default_rng(0)
    around = ["nail", "polish", "nails", ",", "nail polish"]
    texts, labels = [], []
    for row in range(rows):
        word = ("red", "oil")[row % 2]
        before, after = rng.choice(around, 2)
        texts.append(f"{before} {word} {after}")
        labels.append(word)
    return LabelledTexts.of(texts, labels)


def several_texts() -> LabelledTexts:
    """Each of three words is a label of its own; some texts have none of them."""
    words = ("red", "oil", "polish")
    cases = list(product((0, 1), repeat=3)) * 10
    texts = [" ".join(["nail", *(w for w, on in zip(words, case, strict=True) if on)])
             for case in cases]  # fmt: skip
    labels = [[w for w, on in zip(words, case, strict=True) if on] for case in cases]
    return LabelledTexts.of(texts, labels)


def learned(data: LabelledTexts, method: str, folder: Path, config: TextTraining = CONFIG):
    return learn(
        data, method, BertEncoder(folder, dtype="float32"), folder, config,
        np.random.default_rng(0),
    )  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_contract_and_that_it_learns(method: str, tiny_bert: Path, tmp_path: Path) -> None:
    data = shop_texts()
    model = learned(data, method, tiny_bert)
    model.save(tmp_path)
    back = restore(
        tmp_path, method, data.labels, False, CONFIG, BertEncoder(tiny_bert, dtype="float32"),
        tiny_bert,
    )  # fmt: skip
    check_text_classifier(model, data.texts[:4], back)
    fresh = ["polish red nails", "nails oil , nail"]
    assert model.read(fresh).logits.argmax(1).tolist() == [1, 0]
    assert not [f for f in tmp_path.rglob("*") if f.suffix in (".bin", ".pt", ".pkl")]


@pytest.mark.parametrize("method", ["full", "frozen", "svm", "gru", "rules", "frozen+svm"])
def test_several_labels_are_told_each_by_itself(method: str, tiny_bert: Path) -> None:
    data = several_texts()
    config = CONFIG.model_copy(update={"epochs": 40})
    model = learned(data, method, tiny_bert, config)
    assert model.many
    logits = model.read(["nail red polish", "nail", "nail oil"]).logits
    assert data.labels == ("oil", "polish", "red")
    np.testing.assert_array_equal(logits > 0, [[0, 1, 1], [0, 0, 0], [1, 0, 0]])


def test_the_same_seed_gives_the_same_classifier(tiny_bert: Path) -> None:
    data = shop_texts()
    one, two = (learned(data, "lora", tiny_bert).read(data.texts).logits for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_an_svm_of_many_labels_keeps_the_frequent_terms(monkeypatch) -> None:
    data = shop_texts()
    whole = fit_svm(data, CONFIG, np.random.default_rng(0))
    monkeypatch.setattr("models.intent.svm.MOST", 80)
    monkeypatch.setattr("models.intent.svm.LEAST", 5)
    small = fit_svm(data, CONFIG, np.random.default_rng(0))
    assert len(small.terms) == 40 < len(whole.terms)
    assert "nail" in small.terms
    assert small.read(["polish red nails", "nail oil"]).logits.argmax(1).tolist() == [1, 0]


def test_torchs_own_generator_is_left_alone(tiny_bert: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    learned(shop_texts(), "lora", tiny_bert)
    assert torch.rand(1) == expected


@pytest.mark.parametrize("method", ["lora", "adalora", "ia3", "adapter"])
def test_few_weights_learn_and_the_rest_stays(method: str, tiny_bert: Path) -> None:
    before = {k: v.clone() for k, v in load_model(tiny_bert).state_dict().items()}
    model = learned(shop_texts(), method, tiny_bert)
    assert isinstance(model, TunedClassifier)
    after = model.network.encoder.state_dict()
    found = 0
    for name, value in after.items():
        plain = name.removeprefix("base_model.model.").replace(".base_layer", "")
        if plain in before:
            found += 1
            assert torch.equal(value, before[plain]), name
    assert found == len(before)


@pytest.mark.parametrize("method", ["lora", "adalora", "ia3"])
def test_a_merged_encoder_computes_the_same(method: str, tiny_bert: Path, tmp_path: Path) -> None:
    data = shop_texts()
    model = learned(data, method, tiny_bert, CONFIG.model_copy(update={"learning_rate": 0.05}))
    assert isinstance(model, TunedClassifier)
    vectors = model.read(data.texts).vectors
    assert vectors is not None
    model.merge(tmp_path)
    rows = BertEncoder(tmp_path, dtype="float32").encode(data.texts)
    np.testing.assert_allclose(rows * np.sqrt(16), vectors, atol=1e-4)
    untouched = BertEncoder(tiny_bert, dtype="float32").encode(data.texts)
    assert np.abs(rows - untouched).max() > 1e-3


def test_the_prompt_of_an_encoder_is_read_and_goes_with_it(tiny_bert: Path, tmp_path: Path) -> None:
    folder = tmp_path / "prompted"
    shutil.copytree(tiny_bert, folder)
    told = {"prompts": {"query": "polish: "}, "default_prompt_name": "query"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(told), "utf-8")
    model = learned(shop_texts(), "lora", folder)
    assert isinstance(model, TunedClassifier)
    vectors = model.read(["red oil"]).vectors
    (tmp_path / "merged").mkdir()
    model.merge(tmp_path / "merged")
    rows = BertEncoder(tmp_path / "merged", dtype="float32").encode(["red oil"])
    np.testing.assert_allclose(4 * rows, vectors, atol=1e-4)


def test_bottlenecks_cannot_be_merged(tiny_bert: Path, tmp_path: Path) -> None:
    model = learned(shop_texts(), "adapter", tiny_bert)
    assert isinstance(model, TunedClassifier)
    with pytest.raises(UsageError, match="'adapter' is not linear"):
        model.merge(tmp_path)


@pytest.mark.parametrize("method", TUNED[1:])
def test_new_weights_change_nothing_at_first(method: str, tiny_bert: Path) -> None:
    ids = torch.tensor([[2, 5, 6, 3]])
    plain = load_model(tiny_bert)(input_ids=ids).last_hidden_state
    changed = adapted(load_model(tiny_bert), method, CONFIG).eval()
    torch.testing.assert_close(changed(input_ids=ids).last_hidden_state, plain)


def test_another_encoder_is_refused_by_its_content(tiny_bert: Path, tmp_path: Path) -> None:
    known = base_hash(tiny_bert)
    assert checked_base(tiny_bert, known) == tiny_bert
    with pytest.raises(DataError, match="must be the one these weights were learned in"):
        checked_base(tiny_bert, "0" * 16)


def test_more_tokens_than_the_encoder_has_places(tiny_bert: Path) -> None:
    with pytest.raises(UsageError, match="'max_tokens' must be at most 64"):
        learned(shop_texts(), "lora", tiny_bert, CONFIG.model_copy(update={"max_tokens": 65}))


def test_rules_can_be_read_and_added_up_by_hand() -> None:
    data = shop_texts()
    model = learn(data, "rules", HashEncoder(), None, CONFIG, np.random.default_rng(0))
    assert isinstance(model, RulesClassifier)
    table = model.table()
    assert max(sum(label == name for label, _, _ in table) for name in data.labels) <= 20
    said = terms_of("nail red polish")
    sums = {name: float(bias) for name, bias in zip(data.labels, model.bias, strict=True)}
    for label, term, weight in table:
        sums[label] += weight * (term in said)
    logits = model.read(["nail red polish"]).logits[0]
    np.testing.assert_allclose([sums[name] for name in data.labels], logits, atol=1e-5)
    assert table[0][1].split()[0] in ("oil", "red", "nail", "polish", ",")


def test_a_damaged_file_is_refused_by_name(tmp_path: Path) -> None:
    data = shop_texts()
    learn(data, "svm", HashEncoder(), None, CONFIG, np.random.default_rng(0)).save(tmp_path)
    (tmp_path / "terms.json").write_text('["only", "two"]', "utf-8")
    with pytest.raises(DataError, match=r"svm\.safetensors must hold 'idf' of shape \[2\]"):
        restore(tmp_path, "svm", data.labels, False, CONFIG, HashEncoder(), None)
