"""What moved a label, where one word decides it: both methods must find that word."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from kg.errors import UsageError
from kg.intents.labelled import LabelledTexts
from models.intent.attribute import attribute, by_gradients, by_removal
from models.intent.attribution import Attribution, Weighed, deletion_curve, kept, spans_of
from models.intent.gradients import chain_of
from models.intent.methods import learn
from models.intent.picture import shown, told
from models.intent.settings import TextTraining
from models.text import BertEncoder, HashEncoder

CONFIG = TextTraining(epochs=10, batch_size=8, max_tokens=32, learning_rate=5e-3)
METHODS = ["full", "lora", "adapter", "frozen"]


def planted(rows: int = 80) -> LabelledTexts:
    """With "red" the label is red, without it is other, whatever stands around."""
    rng = np.random.default_rng(0)
    around = ["nail", "polish", "nails", ",", "oil"]
    texts = []
    for row in range(rows):
        words = rng.choice(around, 4).tolist()
        if row % 2 == 0:
            words[rng.integers(4)] = "red"
        texts.append(" ".join(words))
    return LabelledTexts.of(texts, [("red", "other")[row % 2] for row in range(rows)])


def learned(method: str, folder: Path, dtype: str = "float32"):
    encoder = BertEncoder(folder, dtype=dtype)
    if method == "lora":
        pytest.importorskip("peft", reason="comes with the extra [peft]")
    return learn(planted(), method, encoder, folder, CONFIG, np.random.default_rng(0))


@pytest.fixture
def captum():
    return pytest.importorskip("captum", reason="comes with the extra [explain]")


def top(found: Attribution) -> str:
    return found.pieces[found.ranked[0]].text


@pytest.mark.parametrize("method", [*METHODS, "svm", "gru", "rules"])
def test_removal_puts_the_deciding_word_first(method: str, tiny_bert: Path) -> None:
    model = learned(method, tiny_bert)
    for text in ("nail polish red nails", "red nail ,", "polish , nails red"):
        assert top(by_removal(model, text, "red")) == "red"
    found = by_removal(model, "nail red polish", "other")
    assert found.pieces[found.ranked[-1]].text == "red"


@pytest.mark.parametrize("method", METHODS)
def test_gradients_do_so_too_and_add_up(method: str, tiny_bert: Path, captum) -> None:
    model = learned(method, tiny_bert)
    text = "nail polish red nails"
    found = by_gradients(model, text, "red", steps=100)
    assert top(found) == "red"
    assert [text[piece.start : piece.end] for piece in found.pieces] == text.split()
    ids, spans = chain_of(model).spans(text)
    hidden = [0 if span else number for number, span in zip(ids, spans, strict=True)]
    both = logits_of(model, [ids, hidden])
    moved = both[0] - both[1]
    assert sum(piece.weight for piece in found.pieces) == pytest.approx(moved, abs=0.02)
    assert found.error == pytest.approx(abs(sum(p.weight for p in found.pieces) - moved), abs=1e-3)
    assert found.logit == pytest.approx(both[0], abs=1e-3)


def logits_of(model, rows: list[list[int]]) -> list[float]:
    import torch

    with torch.no_grad():
        logits = chain_of(model).logits(torch.tensor(rows))
    return logits[:, model.labels.index("red")].tolist()


@pytest.mark.parametrize("how", ["removal", "gradients"])
def test_removing_the_top_words_is_faster_than_any(how: str, tiny_bert: Path, captum) -> None:
    model, rng = learned("full", tiny_bert), np.random.default_rng(1)
    top_area, any_area = [], []
    for text in planted().texts[:20:2]:  # with "red"
        found = attribute(model, text, "red", how)
        top_area.append(deletion_curve(model, found, found.ranked)[1:].mean())
        order = rng.permutation(len(found.pieces)).tolist()
        any_area.append(deletion_curve(model, found, order)[1:].mean())
    assert np.mean(top_area) < np.mean(any_area) - 0.1


def test_more_steps_leave_less_error(tiny_bert: Path, captum) -> None:
    model = learned("full", tiny_bert)
    few, many = (by_gradients(model, "nail red", "red", steps=steps).error for steps in (2, 60))
    assert few is not None
    assert many is not None
    assert many < max(few, 1e-5)


def test_a_frozen_encoder_in_another_format_is_explained_all_the_same(
    tiny_bert: Path, captum
) -> None:
    model = learned("frozen", tiny_bert, "bfloat16")
    assert top(by_gradients(model, "nail red polish", "red")) == "red"


def test_the_prompt_is_no_part_of_the_text(tiny_bert: Path, tmp_path: Path, captum) -> None:
    folder = tmp_path / "prompted"
    shutil.copytree(tiny_bert, folder)
    told = '{"prompts": {"q": "oil: "}, "default_prompt_name": "q"}'
    (folder / "config_sentence_transformers.json").write_text(told, "utf-8")
    for method in ("full", "frozen"):
        model = learned(method, folder)
        found = by_gradients(model, "nail red", "red")
        assert [(p.start, p.end, p.text) for p in found.pieces] == [(0, 4, "nail"), (5, 8, "red")]
        ids, spans = model.spans("red") if method == "full" else model.encoder.spans("red")
        assert len(ids) == len(spans) == 5  # [CLS] oil : red [SEP]
        assert spans == [None, None, None, (0, 3), None]


def test_words_that_are_not_read_weigh_nothing(tiny_bert: Path, captum) -> None:
    found = by_gradients(learned("full", tiny_bert), "red " * 40, "red")
    assert len(found.pieces) == 40
    assert [bool(piece.weight) for piece in found.pieces] == [True] * 30 + [False] * 10


def test_tokens_are_added_up_by_word_and_words_of_one_token_joined(tiny_bert: Path) -> None:
    from models.intent.attribute import _merged

    text = "nails, 猫粮 x"
    spans = spans_of(text)
    assert [text[a:b] for a, b in spans] == ["nails,", "猫", "粮", "x"]
    tokens = [((0, 4), 1.0), ((4, 5), 0.5), ((5, 6), 0.25), ((6, 9), 2.0), ((9, 9), 4.0),
              ((10, 11), 8.0)]  # fmt: skip
    assert _merged(text, spans, tokens) == (
        Weighed(0, 6, "nails,", 1.75), Weighed(7, 9, "猫粮", 2.0), Weighed(10, 11, "x", 12.0),
    )  # fmt: skip


def test_events_are_cut_at_the_separators_and_left_out_with_them(tiny_bert: Path) -> None:
    text = "viewed red nail; bought oil; viewed nail"
    spans = spans_of(text, "events")
    assert [text[a:b] for a, b in spans] == ["viewed red nail", "bought oil", "viewed nail"]
    assert kept(text, spans, [1, 2]) == "bought oil; viewed nail"
    assert kept(text, spans, [0, 2]) == "viewed red nail; viewed nail"
    zh = "购买猫粮，浏览猫"
    spans = spans_of(zh, "events")
    assert [zh[a:b] for a, b in spans] == ["购买猫粮", "浏览猫"]
    assert kept(zh, spans, [1]) == "浏览猫"
    found = by_removal(learned("frozen", tiny_bert), text, "red", "events")
    assert top(found) == "viewed red nail"
    assert kept("a  b猫c", spans_of("a  b猫c"), [0, 1, 3]) == "a  b c"


@pytest.mark.parametrize("text", ["", "   "])
def test_a_text_of_nothing_has_no_pieces(text: str, tiny_bert: Path, captum) -> None:
    model = learned("full", tiny_bert)
    for how in ("removal", "gradients"):
        found = attribute(model, text, "red", how)
        assert found.pieces == ()
        assert "<table>" in shown(found)


def test_misuse_is_one_sentence(tiny_bert: Path, captum) -> None:
    model = learned("frozen", tiny_bert)
    with pytest.raises(UsageError, match=r"one that was learned\. Got 'rde'.*mean 'red'"):
        by_removal(model, "red", "rde")
    with pytest.raises(UsageError, match="'how' to explain must be one of removal, gradients"):
        attribute(model, "red", "red", "gradient")
    with pytest.raises(UsageError, match="'units' of an explanation must be one of words, events"):
        by_removal(model, "red", "red", "word")
    with pytest.raises(UsageError, match="'steps' of by_gradients must be an int >= 1"):
        by_gradients(model, "red", "red", steps=0)
    hashed = learn(planted(), "frozen", HashEncoder(), None, CONFIG, np.random.default_rng(0))
    with pytest.raises(UsageError, match=r"by BERT alone\. Got FrozenClassifier: take 'removal'"):
        by_gradients(hashed, "red", "red")


def test_without_captum_the_extra_is_named(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = learned("frozen", tiny_bert)
    for name in ("captum", "captum.attr"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(UsageError, match=r"needs the extra \[explain\]"):
        by_gradients(model, "red", "red")


# The picture


class Page(HTMLParser):
    """What a browser would show, and the titles of its marks."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.titles: list[str] = []
        self.seen = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.titles += [value for name, value in attrs if name == "title"]

    def handle_data(self, data):
        self.seen += data


def odd() -> Attribution:
    text = "退款 <script>alert(1)</script> & \x1b[31mnow\u202e"
    spans = spans_of(text)
    weights = np.linspace(-1, 2, len(spans)).tolist()
    pieces = [Weighed(a, b, text[a:b], w) for (a, b), w in zip(spans, weights, strict=True)]
    return Attribution(text, "refund & co", tuple(pieces), 1.5, "removal")


def test_the_page_escapes_and_needs_nothing_else() -> None:
    found = odd()
    page = Page(shown(found))
    assert "script" not in page.tags
    assert "<script>alert(1)</script> &" in page.seen
    assert "退款" in page.seen
    assert page.titles == [f"{piece.weight:+.4f}" for piece in found.pieces]
    assert not re.search(r"https?:|src=|@import|url\(", shown(found))
    assert "\x1b" not in shown(found) + told(found)
    assert "\u202e" not in shown(found) + told(found)
    assert 'lang="zh"' in shown(found)


def test_lines_for_a_terminal_begin_with_the_strongest() -> None:
    lines = told(odd()).splitlines()
    assert lines[0] == "refund & co: logit 1.500, by removal"
    assert lines[1].split()[0] == "+2.000"
    assert len(lines) == 1 + len(odd().pieces)


def test_plain_values_for_json() -> None:
    plain = odd().as_dict()
    assert plain["pieces"][0] == {"start": 0, "end": 1, "text": "退", "weight": -1.0}
    assert {"text", "label", "pieces", "logit", "method", "error"} == set(plain)
