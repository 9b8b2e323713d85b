"""A classifier made small by one call or one command, and what that costs."""

import json
import shlex

import numpy as np
import pytest

from kg.errors import DataError, UsageError
from kg.intents.labelled import LabelledTexts
from models.intent.distil import Teaching
from models.intent.settings import TextTraining
from recsys import IntentClassifier, compressed, costs
from recsys.intent.compress import bytes_on_disk

CONFIG = TextTraining(epochs=6, batch_size=8, max_tokens=32, learning_rate=5e-3)
QUICK = Teaching(epochs=4, learning_rate=2e-3, head_rate=5e-3)
AROUND = ["nail", "polish", "nails", ","]


@pytest.fixture(scope="module")
def bert(make_bert):
    """A BERT of 50,000 random numbers, of 4 layers of 4 heads."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "oil", *AROUND]
    return make_bert(
        words, hidden_size=32, num_hidden_layers=4, num_attention_heads=4, intermediate_size=64
    )


def texts(rows=80, seed=0):
    rng = np.random.default_rng(seed)
    words = [("red", "oil")[row % 2] for row in range(rows)]
    around = rng.choice(AROUND, (rows, 4))
    return LabelledTexts.of(
        [" ".join([*some[:2], word, *some[2:]]) for word, some in zip(words, around, strict=True)],
        words,
    )


def strange(rows=20):
    known = texts()
    return LabelledTexts.of(
        [*known.texts, *[f"nail , {'nail ' * (row % 4)}" for row in range(rows)]],
        [*[known.labels[code] for code in known.code], *["none"] * rows],
    )


@pytest.fixture(scope="module")
def made(bert):
    return IntentClassifier.fit(texts(), "full", encoder=bert, config=CONFIG)


@pytest.mark.parametrize("how", ["prune", "distil", "int8"])
def test_each_is_smaller_answers_as_well_and_comes_back(how, made, tmp_path):
    heard = []
    small = compressed(made, how, texts(), teaching=QUICK, on_epoch=heard.append)
    assert len(heard) == (0 if how == "int8" else 4)
    assert small.method == ("int8" if how == "int8" else "full")
    assert bytes_on_disk(small) < 0.9 * bytes_on_disk(made)
    assert small.evaluate(texts(seed=5))["accuracy"] > 0.9
    assert made.evaluate(texts(seed=5))["accuracy"] > 0.9
    small.save(tmp_path / "c")
    back = IntentClassifier.load(tmp_path / "c")
    said = texts(6, seed=7).texts
    np.testing.assert_allclose(back.probabilities(said), small.probabilities(said), atol=1e-4)
    assert back.facts["compressed"] == [how]
    assert back.calibration == small.calibration


def test_steps_follow_one_another_down_to_onnx(made, tmp_path):
    for module in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(module, reason="needs the extra [onnx]")
    half = compressed(made, "prune", texts(), teaching=QUICK)
    half.save(tmp_path / "half")
    half = compressed(IntentClassifier.load(tmp_path / "half"), "distil", texts(), teaching=QUICK)
    small = compressed(half, "onnx", texts())
    small.save(tmp_path / "small")
    back = IntentClassifier.load(tmp_path / "small")
    assert (back.method, back.encoder) == ("onnx", None)
    assert back.facts["compressed"] == ["prune", "distil", "onnx"]
    assert back.evaluate(texts(seed=5))["accuracy"] > 0.9
    with pytest.raises(UsageError, match=r"must be of method full, .* Got 'onnx'"):
        compressed(back, "distil", texts())


@pytest.mark.parametrize("how", ["distil", "int8"])
def test_of_methods_that_read_together_the_one_with_an_encoder_is_made_small(how, bert, tmp_path):
    both = IntentClassifier.fit(texts(), "frozen+svm", encoder=bert, config=CONFIG)
    small = compressed(both, how, texts(), teaching=QUICK)
    assert small.method == {"distil": "full+svm", "int8": "int8+svm"}[how]
    assert bytes_on_disk(small) < 0.9 * bytes_on_disk(both)
    small.save(tmp_path / "c")
    back = IntentClassifier.load(tmp_path / "c")
    some = texts(12, seed=5)
    np.testing.assert_allclose(
        small.probabilities(some.texts), back.probabilities(some.texts), atol=1e-6
    )
    assert back.evaluate(some)["accuracy"] > 0.9
    with pytest.raises(UsageError, match=r"one encoder\. Got 'svm\+rules', with 0"):
        compressed(IntentClassifier.fit(texts(), "svm+rules"), how, texts())


def test_what_has_learned_all_texts_keeps_its_calibration(bert, made):
    """It would take itself for surer than it is of texts that it has not learned."""
    cheap = IntentClassifier.fit(texts(), "frozen+svm", encoder=bert, config=CONFIG)
    small = compressed(cheap, "int8", texts())
    assert (cheap.facts["kept_back"], small.calibration) == (0, cheap.calibration)
    assert small.model.weights == cheap.model.weights
    told = compressed(cheap, "int8", texts(), valid=texts(40, seed=3))
    assert told.model.weights != cheap.model.weights
    assert made.facts["kept_back"] == 8
    assert compressed(made, "int8", texts()).calibration != made.calibration
    student = compressed(
        IntentClassifier.fit(texts(), "frozen", encoder=bert, config=CONFIG), "distil", texts(),
        teaching=QUICK,
    )  # fmt: skip
    assert student.facts["kept_back"] == 8  # which it has not learned


def test_frozen_ones_become_whole_and_strangers_are_still_refused(bert):
    made = IntentClassifier.fit(
        strange(), "frozen", encoder=bert, config=TextTraining(hidden=5), out_of_scope="none"
    )
    small = compressed(made, "int8", strange(), out_of_scope="none")
    assert small.config.hidden == 0
    found = small.evaluate(strange(), out_of_scope="none")
    assert found["accuracy"] > 0.9
    before = made.evaluate(strange(), out_of_scope="none")
    assert found["out_of_scope_auroc"] == pytest.approx(before["out_of_scope_auroc"], abs=0.05)
    assert found["out_of_scope_auroc"] > 0.7


def test_costs_are_told_of_all_on_the_same_texts(made):
    small = compressed(made, "distil", texts(), layers=1, teaching=QUICK)
    before, after = costs({"before": made, "small": small}, texts(20, seed=5))
    assert list(before) == ["classifier", "accuracy", "MB", "ms_alone", "ms_of_32"]
    assert after["MB"] < before["MB"]
    assert all(row[key] > 0 for row in (before, after) for key in list(row)[1:])
    with pytest.raises(DataError, match="at least one text"):
        costs({"before": made}, texts(0))


def test_a_lora_is_as_large_as_the_encoder_it_needs(bert, made):
    pytest.importorskip("peft", reason="needs the extra [peft]")
    lora = IntentClassifier.fit(texts(), "lora", encoder=bert, config=CONFIG)
    assert bytes_on_disk(lora) > 0.9 * bytes_on_disk(made)
    hashed = IntentClassifier.fit(texts(), "frozen", encoder="hash")
    assert bytes_on_disk(hashed) < bytes_on_disk(made)


def test_misuse_is_one_sentence(made):
    with pytest.raises(UsageError, match=r"one of prune, .*Got 'distill' instead.*'distil'"):
        compressed(made, "distill", texts())
    svm = IntentClassifier.fit(texts(), "svm")
    with pytest.raises(UsageError, match=r"must be of method full, .* Got 'svm'"):
        compressed(svm, "prune", texts())
    with pytest.raises(UsageError, match=r"in \[1, 4\], as its teacher has\. Got 5"):
        compressed(made, "distil", texts(), layers=5)


def test_the_command_prints_each_step_and_publishes_the_last(made, call, tmp_path):
    made.save(tmp_path / "c")
    data = texts()
    lines = [f"{text.replace(',', '.')},{data.labels[code]}"
             for text, code in zip(data.texts, data.code, strict=True)]  # fmt: skip
    file = tmp_path / "t.csv"
    file.write_text("\n".join(["text,intent", *lines]), "utf-8")
    more = tmp_path / "more.txt"
    more.write_text("nail red polish\noil , nails\n", "utf-8")
    words = ["intent", "compress", tmp_path / "c", file, "-o", tmp_path / "small"]
    code, told, err = call(*words, "--how", "distil", "--how", "int8", "--layers", 2,
                           "--epochs", 2, "--unlabelled", more, "--json")  # fmt: skip
    assert code == 0, err
    rows = [json.loads(line) for line in told.splitlines()]
    assert [row["classifier"] for row in rows] == ["before", "distil", "int8"]
    assert rows[0]["MB"] > rows[1]["MB"] > rows[2]["MB"]
    assert "epoch 2/2" in err
    assert "that of 8 texts kept back" in err
    assert err.endswith(f"Next: kgintent intent evaluate {tmp_path / 'small'} {file}\n")
    assert IntentClassifier.load(tmp_path / "small").facts["compressed"] == ["distil", "int8"]
    code, _, err = call(*words, "--how", "halve")
    assert (code, "must be one of prune, distil, int8, onnx" in err) == (2, True)
    code, _, err = call(*words, "--how", "prune", "--heads", 0)
    assert (code, "'heads' of pruned must be a share in (0, 1]" in err) == (2, True)
    lone = tmp_path / "lone.csv"
    lone.write_text("text,intent\nred,red\noil,oil\n", "utf-8")
    words[3] = lone
    code, _, err = call(*words, "--how", "int8")
    assert (code, "must have texts to compare on" in err) == (1, True)


def test_the_command_that_is_told_next_works(bert, call, tmp_path):
    IntentClassifier.fit(texts(), "frozen", encoder=bert, config=CONFIG).save(tmp_path / "c")
    data, file, out = strange(), tmp_path / "t.csv", tmp_path / "small"
    lines = [
        f"{text.replace(',', '.')},{data.labels[code]},{('train', 'valid')[row % 2]}"
        for row, (text, code) in enumerate(zip(data.texts, data.code, strict=True))
    ]
    file.write_text("\n".join(["内容,意图,一 部", *lines]), "utf-8")
    words = ("intent", "compress", tmp_path / "c", file, "-o", out, "--how", "int8")
    named = ("--text", "内容", "--label", "意图", "--out-of-scope", "none")
    code, _, err = call(*words, *named)
    assert (code, "of 8 texts that it may have learned" in err) == (0, True), err
    assert shlex.split(err)[-7:] == [str(file), *named]
    code, _, err = call(*words, *named, "--split", "一 部")
    assert (code, "of 40 texts kept back" in err) == (0, True), err
    told = shlex.split(err.rpartition("kgintent ")[2])
    assert "valid" in told  # there are no test rows
    code, found, err = call(*told, "--json")
    assert (code, json.loads(found)["out_of_scope_texts"]) == (0, 10), err
