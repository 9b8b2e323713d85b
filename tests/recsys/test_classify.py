"""IntentClassifier: learn, predict, judge, keep; and a user's mistakes, each one sentence."""

import json
import shutil

import numpy as np
import pytest

from kg.errors import DataError, UsageError
from kg.labelled import LabelledTexts
from models.intent.settings import TextTraining
from recsys import IntentClassifier

WANTS = {"refund": "money back please", "parcel": "where is my parcel", "size": "which size fits"}


def messages(rows=90, seed=0):
    rng = np.random.default_rng(seed)
    extra = ["hello", "thanks", "today", "now", "again"]
    names = sorted(WANTS)
    labels = [names[row % 3] for row in range(rows)]
    texts = [f"{WANTS[name]} {' '.join(rng.choice(extra, 2))}" for name in labels]
    return LabelledTexts.of(texts, labels)


def strange(rows=20, seed=1):
    rng = np.random.default_rng(seed)
    words = ["rain", "moon", "cheese", "river", "piano"]
    texts = [" ".join(rng.choice(words, 4)) for _ in range(rows)]
    known = messages()
    return LabelledTexts.of(
        [*known.texts, *texts], [*[known.labels[c] for c in known.code], *["none"] * rows]
    )


@pytest.mark.parametrize("method", ["svm", "frozen", "rules", "gru"])
def test_what_was_learned_comes_back_from_disk(method, tmp_path):
    made = IntentClassifier.fit(messages(), method, encoder="hash", config=FEW)
    made.save(tmp_path / "c")
    back = IntentClassifier.load(tmp_path / "c")
    texts = ["my parcel , where", "money back", ""]
    one, two = made.predict(texts), back.predict(texts)
    assert [r.intents[0].name for r in one[:2]] == ["parcel", "refund"]
    assert one[2].out_of_scope
    for a, b in zip(one, two, strict=True):
        assert [i.name for i in a.intents] == [i.name for i in b.intents]
        assert a.confidence == pytest.approx(b.confidence, abs=1e-5)
    assert back.evaluate(messages(seed=5))["accuracy"] > 0.95


FEW = TextTraining(epochs=8)


def test_probabilities_of_one_label_sum_to_one_and_of_several_do_not():
    p = IntentClassifier.fit(messages(), "svm").probabilities(["where is my parcel"])
    assert p.sum() == pytest.approx(1, abs=1e-5)
    both = LabelledTexts.of(
        ["red shoes", "red", "shoes", "hat"] * 15, [["red", "shoe"], ["red"], ["shoe"], []] * 15
    )
    made = IntentClassifier.fit(both, "svm")
    assert made.many
    found = made.predict(["red shoes", "a hat"])
    assert {i.name for i in found[0].intents} == {"red", "shoe"}
    assert (found[1].intents, found[1].out_of_scope) == ((), True)


def test_strangers_are_refused():
    data = strange()
    made = IntentClassifier.fit(data, "svm", out_of_scope="none")
    assert made.labels == ("parcel", "refund", "size")
    found = made.evaluate(strange(seed=9), out_of_scope="none")
    assert found["out_of_scope_texts"] == 20
    assert found["out_of_scope_auroc"] > 0.95
    assert found["out_of_scope_recall"] > 0.8
    assert found["accuracy_with_rejection"] > 0.9


def test_a_label_never_learned_is_always_missed_and_named():
    made = IntentClassifier.fit(messages(), "svm")
    test = LabelledTexts.of(["where is my parcel", "tell me a joke"], ["parcel", "joke"])
    found = made.evaluate(test)
    assert found["unknown_labels"] == ["joke"]
    assert found["accuracy"] == 0.5
    assert found["macro_recall"] == pytest.approx(1 / 4)


def test_one_example_a_label_is_enough():
    data = LabelledTexts.of(WANTS.values(), WANTS)
    made = IntentClassifier.fit(data, "frozen", encoder="hash")
    assert made.predict(["where is my parcel"])[0].intents[0].name == "parcel"


def test_a_given_validation_part_calibrates():
    wrong = messages(60)
    shuffled = LabelledTexts.of(
        wrong.texts, [wrong.labels[c] for c in np.random.default_rng(0).permutation(wrong.code)]
    )
    sure = IntentClassifier.fit(messages(), "svm", valid=messages(60, seed=3))
    unsure = IntentClassifier.fit(messages(), "svm", valid=shuffled)
    assert sure.probabilities(["money back"]).max() > 0.9
    assert unsure.probabilities(["money back"]).max() < 0.6


def test_damage_is_refused_by_name(tmp_path):
    made = IntentClassifier.fit(messages(), "svm")
    made.save(tmp_path / "c")
    for file in sorted((tmp_path / "c").iterdir()):
        shutil.copytree(tmp_path / "c", tmp_path / "d")
        raw = bytearray((tmp_path / "d" / file.name).read_bytes())
        raw[len(raw) // 2] ^= 1
        (tmp_path / "d" / file.name).write_bytes(raw)
        with pytest.raises(DataError, match=file.name):
            IntentClassifier.load(tmp_path / "d")
        shutil.rmtree(tmp_path / "d")


def test_misuse_is_one_sentence(tmp_path):
    with pytest.raises(UsageError, match=r"must be one of full, lora.*Did you mean 'lora'"):
        IntentClassifier.fit(messages(), "lore")
    with pytest.raises(DataError, match="at least two labels"):
        IntentClassifier.fit(LabelledTexts.of(["a", "b"], ["x", "x"]), "svm")
    with pytest.raises(UsageError, match="'out_of_scope' must be a label"):
        IntentClassifier.fit(messages(), "svm", out_of_scope="sizes")
    made = IntentClassifier.fit(messages(), "svm")
    with pytest.raises(UsageError, match=r"'k' of IntentClassifier\.predict"):
        made.predict(["a"], k=0)
    with pytest.raises(UsageError, match="must be a sequence of str"):
        made.predict("a")
    with pytest.raises(UsageError, match="changes no encoder"):
        made.save_encoder(tmp_path / "e")
    with pytest.raises(UsageError, match="There is no folder"):
        IntentClassifier.load(tmp_path / "no")


# The command line


def rows_of(out):
    return [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def file(tmp_path):
    train, test = strange(), strange(seed=7)
    lines = ["text,intent,split"]
    for part, data in (("train", train), ("test", test)):
        lines += [f"{t},{data.labels[c]},{part}"
                  for t, c in zip(data.texts, data.code, strict=True)]  # fmt: skip
    path = tmp_path / "messages.csv"
    path.write_text("\n".join(lines), "utf-8")
    return path


def test_from_a_file_to_answers(call, file, tmp_path):
    out = tmp_path / "c"
    words = ("--split", "split", "--out-of-scope", "none")
    code, _, err = call("intent", "train", file, "-o", out, "--method", "rules", *words)
    assert code == 0, err
    assert "3 intents from 110 texts by rules" in err
    code, told, _ = call("intent", "predict", out, "--text", "money back", "--text", "", "--json")
    first, second = rows_of(told)
    assert (code, first["intents"][0]["intent"]) == (0, "refund")
    assert second["out_of_scope"]
    code, told, _ = call("intent", "evaluate", out, file, *words, "--json")
    (row,) = rows_of(told)
    assert row["accuracy"] > 0.9
    assert row["out_of_scope_texts"] == 20
    lines = tmp_path / "lines.txt"
    lines.write_text("where is my parcel\n包裹在哪里\n", "utf-8")
    code, told, _ = call("intent", "predict", out, lines, "--json")
    assert [row["text"] for row in rows_of(told)] == ["where is my parcel", "包裹在哪里"]
    code, told, _ = call("intent", "rules", out, "--json")
    assert {"intent", "term", "weight"} == set(rows_of(told)[0])


def test_mistakes_on_the_command_line(call, file, tmp_path):
    out = tmp_path / "c"
    for words, code, told in [
        (["train", file, "-o", out, "--method", "swm"], 2, "must be one of"),
        (["train", tmp_path / "no.csv", "-o", out], 2, "There is no file"),
        (["train", file, "-o", out, "--label", "intend"], 1, "no column 'intend'"),
        (["predict", tmp_path, "--text", "a"], 1, "manifest.json"),
        (["predict", out], 2, "Say what to read"),
    ]:
        found, _, err = call("intent", *words)
        assert (found, told in err) == (code, True), err
        assert not out.exists()
    call("intent", "train", file, "-o", out, "--method", "svm")
    found, _, err = call("intent", "rules", out)
    assert (found, "only 'rules' can be printed" in err) == (2, True)
    found, _, err = call("intent", "evaluate", out, file, "--split", "split", "--part", "valid")
    assert (found, "has no valid rows; it has test, train" in err) == (2, True)
    config = tmp_path / "t.toml"
    config.write_text("epoch = 3\n", "utf-8")
    found, _, err = call("intent", "train", file, "-o", out, "-c", config)
    assert (found, "Did you mean 'epochs'" in err) == (2, True)
