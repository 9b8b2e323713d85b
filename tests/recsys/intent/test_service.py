"""A desk that answers, asks or hands over, and never says half a sentence."""

import json
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from kg.errors import DataError, UsageError
from kg.intents.labelled import LabelledTexts
from models.intent.scope import Scope
from recsys import Desk, IntentClassifier, coverage
from recsys.intent.classify import RecognisedIntent, Recognition
from recsys.intent.replies import Answers

FILE = """
question.en = "Do you mean {first} or {second}?"

[answers.refund]
text = "We pay {amount} back within {days} days."
followup.en = "your money"
followup.zh = "退款"

[answers.parcel]
text.en = "It is on its way."
text.zh = "包裹在路上。"
"""


@dataclass
class Told:
    """A classifier that says what it is told to: {message: {intent: probability}}."""

    said: dict[str, dict[str, float]]
    labels: tuple[str, ...] = ("parcel", "refund", "size")
    many: bool = False
    strange: tuple[str, ...] = field(default=())

    def predict(self, texts, k):
        out = []
        for text in texts:
            order = sorted(self.said[text].items(), key=lambda pair: -pair[1])[:k]
            intents = tuple(RecognisedIntent(*pair) for pair in order)
            out.append(Recognition(text, intents, order[0][1], text in self.strange))
        return out


@pytest.fixture
def answers(tmp_path):
    path = tmp_path / "answers.toml"
    path.write_text(FILE, "utf-8")
    return path


def desk(answers, **settings):
    said = {
        "money": {"refund": 0.9, "parcel": 0.06, "size": 0.04},
        "money or parcel": {"refund": 0.5, "parcel": 0.45, "size": 0.05},
        "钱还是包裹": {"refund": 0.46, "parcel": 0.44, "size": 0.1},
        "eh": {"refund": 0.4, "parcel": 0.2, "size": 0.4},
        "hm": {"refund": 0.45, "parcel": 0.15, "size": 0.1},
        "moon": {"refund": 0.9, "parcel": 0.1},
        "size": {"size": 0.95, "refund": 0.05},
        "包裹": {"parcel": 0.9, "refund": 0.1},
        "退款": {"refund": 0.9, "parcel": 0.1},
    }
    return Desk(Told(said, strange=("moon",)), answers, **settings)


FACTS = {"amount": "{12} €", "days": 3}


@pytest.mark.parametrize(
    ("message", "facts", "kind", "text", "reason"),
    [
        ("money", FACTS, "answer", "We pay {12} € back within 3 days.", "probable to 0.90"),
        ("money", {"amount": "12 €"}, "handover", "I am passing this on", "lacks days"),
        ("money", {"amount": " ", "days": None}, "handover", "I am passing", "lacks amount, days"),
        ("money or parcel", FACTS, "question", "Do you mean your money or parcel?", "are close"),
        ("钱还是包裹", FACTS, "question", "您是想问退款还是parcel？", "are close"),
        ("hm", FACTS, "handover", "I am passing", "0.45 only, below 0.50"),
        ("eh", FACTS, "question", "Do you mean your money or size?", "are close"),
        ("moon", FACTS, "handover", "I am passing", "none of the intents"),
        ("size", FACTS, "handover", "I am passing", "no answer to 'size' in 'en'"),
        ("包裹", {}, "answer", "包裹在路上。", "probable to 0.90"),
        ("退款", FACTS, "handover", "我请同事来处理这个问题。", "no answer to 'refund' in 'zh'"),
    ],
)
def test_each_kind_of_reply(answers, message, facts, kind, text, reason):
    found = desk(answers).reply(message, facts)
    assert found.kind == kind
    assert found.text.startswith(text)
    assert reason in found.reason
    assert "{first}" not in found.text


def test_the_confidence_is_that_of_what_is_said(answers):
    one = desk(answers)
    assert one.reply("money", FACTS).confidence == pytest.approx(0.9)
    assert one.reply("money or parcel").confidence == pytest.approx(0.95)
    assert [i.name for i in one.reply("money or parcel").intents] == ["refund", "parcel"]


def test_settings_decide(answers):
    assert desk(answers, close=0).reply("money or parcel", FACTS).kind == "answer"
    assert desk(answers, least=0.95).reply("money", FACTS).kind == "handover"
    assert desk(answers).reply("包裹", language="en").text == "It is on its way."
    strict = desk(answers, least=0.96)
    assert strict.reply("money or parcel", FACTS).kind == "handover"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty: at least one .answers.INTENT. with a text"),
        ("x = 1", "has no answers"),
        ("[answers.refund]\ntxt = 'a'", "key 'txt' of 'refund' is not known. Did you mean 'text'"),
        ("[answers.refund]\nfollowup = 'a'", "answer 'refund' must have 'text'"),
        ("[answers]\nrefund = 'a'", "answers.refund. must be a table with a text"),
        ("[answers.refund]\ntext = 3", "'text' of 'refund' must be a text, or one per"),
        ("[answers.refund]\ntext = 'a {'", "the text of 'refund' is broken"),
        ("[answers.refund]\ntext = 'a {b.c} '", r"may have places such as .*Got \{b.c\}"),
        ("[answers.refund]\ntext = 'a {} '", r"may have places such as .*Got \{\}"),
        ("[answers.refund]\ntext = 'a {x:>3}'", r"Got \{x:>3\}"),
        ("question = 'What?'\n[answers.refund]\ntext = 'a'", "question must have {first} and"),
        ("handover = 'Oh {x}'\n[answers.refund]\ntext = 'a'", "handover must have no place for"),
        ("[answers.refund]\ntext = 'a'\nfollowup = '{x}'", "followup of 'refund' must have no"),
        ("[answers.refund", "is not TOML"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(tmp_path, text, told):
    path = tmp_path / "a.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(DataError, match=told):
        Answers.read(path)


def test_misuse_is_one_sentence(answers, tmp_path):
    with pytest.raises(UsageError, match=r"'close' of a Desk must be a share in \[0, 1\]"):
        desk(answers, close=2)
    with pytest.raises(UsageError, match=r"'least' of a Desk must be a share in \[0, 1\]"):
        desk(answers, least=True)
    with pytest.raises(UsageError, match="one intent a text"):
        Desk(Told({}, many=True), answers)
    with pytest.raises(DataError, match=r"answers.refund\] must name an intent.*mean 'refunds'"):
        Desk(Told({}, labels=("parcel", "refunds")), answers)
    with pytest.raises(UsageError, match="There is no file"):
        Desk(Told({}), tmp_path / "no.toml")


def test_coverage_by_hand(answers):
    data = LabelledTexts.of(
        ["money", "包裹", "money or parcel", "hm", "moon", "size"],
        ["refund", "refund", "refund", "size", "none", "size"],
    )
    rows = coverage(desk(answers), data, [0.0, 0.5, 0.95, 1.0])
    assert [row["answered"] for row in rows] == [3 / 6, 2 / 6, 0, 0]
    assert [row["right"] for row in rows] == [1 / 3, 1 / 2, None, None]
    assert [row["asked"] for row in rows] == [1 / 6, 1 / 6, 1 / 6, 0]
    for row in rows:
        assert row["answered"] + row["asked"] + row["handed_over"] == pytest.approx(1)


# With a classifier that has learned


def messages(rows=120, seed=0):
    rng = np.random.default_rng(seed)
    words = {"refund": "money back please", "parcel": "where is my parcel", "size": "which size"}
    extra = ["hello", "thanks", "today", "now", "again"]
    names = [sorted(words)[row % 3] for row in range(rows)]
    return LabelledTexts.of([f"{words[n]} {' '.join(rng.choice(extra, 2))}" for n in names], names)


def with_noise(seed):
    """A third of the texts are words of all intents and carry any of them."""
    rng, clean = np.random.default_rng(seed), messages(80, seed)
    mixed = ["money", "parcel", "size", "now", "is"]
    texts = [*clean.texts, *(" ".join(rng.choice(mixed, 3)) for _ in range(40))]
    labels = [clean.labels[c] for c in clean.code] + rng.choice(clean.labels, 40).tolist()
    return LabelledTexts.of(texts, labels)


def test_more_certainty_answers_less_and_better(answers):
    made = IntentClassifier.fit(with_noise(0), "svm", valid=with_noise(1))
    rows = coverage(Desk(replace(made, scope=Scope()), answers), with_noise(2))
    assert len(rows) == 21
    share = [row["answered"] for row in rows]
    assert share == sorted(share, reverse=True)
    right = [row["right"] for row in rows if row["answered"] > 0.2]
    assert right[-1] > right[0] + 0.05


@pytest.fixture
def saved(tmp_path):
    IntentClassifier.fit(messages(), "rules").save(tmp_path / "c")
    return tmp_path / "c"


def rows_of(out):
    return [json.loads(line) for line in out.splitlines()]


def test_replies_on_the_command_line(call, saved, answers, tmp_path):
    words = ("intent", "reply", saved, answers)
    code, out, err = call(*words, "--text", "my money back please", "--fact", "amount=1 €",
                          "--fact", "days=2", "--json")  # fmt: skip
    assert code == 0, err
    (row,) = rows_of(out)
    assert (row["kind"], row["text"]) == ("answer", "We pay 1 € back within 2 days.")
    assert row["intents"][0]["name"] == "refund"
    table = tmp_path / "m.csv"
    table.write_text("text,amount,days\nmoney back please,5 €,9\nmoney back please,,9\n", "utf-8")
    code, out, _ = call(*words, table, "--json")
    one, two = rows_of(out)
    assert (one["kind"], two["kind"]) == ("answer", "handover")
    assert one["text"] == "We pay 5 € back within 9 days."
    assert two["reason"] == "the answer to 'refund' lacks amount"
    lines = tmp_path / "m.txt"
    lines.write_text("where is my parcel\n", "utf-8")
    code, out, _ = call(*words, lines)
    assert rows_of(out)[0]["text"] == "It is on its way."
    assert out == call(*words, lines, "--json")[1]


def test_mistakes_on_the_command_line(call, saved, answers, tmp_path):
    words = ("intent", "reply", saved, answers)
    table = tmp_path / "m.csv"
    table.write_text("text\nmoney\n", "utf-8")
    bad = tmp_path / "bad.toml"
    bad.write_text("[answers.refnd]\ntext = 'a'\n", "utf-8")
    for more, code, told in [
        ((), 2, "Say what to answer"),
        (("--text", "a", "--fact", "amount"), 2, "--fact must be NAME=VALUE"),
        (("--text", "a", "--close", "3"), 2, "'close' of a Desk"),
        ((table, "--column", "t"), 1, "has no column 't'"),
    ]:
        found, _, err = call(*words, *more)
        assert (found, told in err) == (code, True), err
    found, _, err = call("intent", "reply", saved, bad, "--text", "a")
    assert (found, "Did you mean 'refund'" in err) == (1, True), err


def test_explaining_from_python_and_on_the_command_line(call, saved, tmp_path):
    made = IntentClassifier.load(saved)
    found = made.explain("hello parcel")
    assert (found.label, found.pieces[found.ranked[0]].text) == ("parcel", "parcel")
    assert made.explain("hello parcel", "size").label == "size"
    html = tmp_path / "why.html"
    words = ("intent", "explain", saved, "--text", "hello parcel")
    code, out, err = call(*words, "--html", html, "--json")
    assert (code, f"{html}: the picture." in err) == (0, True)
    (row,) = rows_of(out)
    assert row == made.explain("hello parcel").as_dict()
    assert "<h1>What speaks for parcel</h1>" in html.read_text("utf-8")
    code, out, _ = call("intent", "explain", saved, "--text", "viewed size; bought parcel",
                        "--label", "size", "--events")  # fmt: skip
    (row,) = rows_of(out)
    assert [piece["text"] for piece in row["pieces"]] == ["viewed size", "bought parcel"]
    for more, told in [
        (("--label", "sizes"), "Did you mean 'size'"),
        (("--how", "gradients"), "reads by BERT"),
        (("--how", "removing"), "must be one of removal, gradients"),
    ]:
        code, _, err = call(*words, *more)
        assert (code, told in err) == (2, True), err
