"""Labelled texts: numbers by hand, parts of a file, and every mistake a file can hold."""

import numpy as np
import polars as pl
import pytest

from kg.errors import DataError, UsageError
from kg.intents.labelled import LabelledTexts, labels_in, read_labelled


def table(tmp_path, text):
    file = tmp_path / "data.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_by_hand():
    data = LabelledTexts.of(["a", "b", "c"], ["y", ["x", "y"], []])
    assert data.labels == ("x", "y")
    np.testing.assert_array_equal(data.carries, [[0, 1], [1, 1], [0, 0]])
    assert data.many
    with pytest.raises(UsageError, match="exactly one label"):
        _ = data.code
    one = data.take([0])
    assert one.many  # as those that it was taken from
    assert one.code.tolist() == [1]
    assert one.over(["y", "z"]).carries.tolist() == [[True, False]]


def test_a_label_is_left_out_with_its_rows():
    data = LabelledTexts.of(["a", "b", "c"], ["buy", "oos", "sell"])
    left = data.without("oos")
    assert (left.texts, left.labels, left.code.tolist()) == (("a", "c"), ("buy", "sell"), [0, 1])
    assert data.without("never") is data


def test_a_few_of_each_label_are_drawn():
    data = LabelledTexts.of([str(n) for n in range(20)], ["x"] * 12 + ["y"] * 7 + ["z"])
    rows = data.few(3, np.random.default_rng(0))
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert np.bincount(data.take(rows).code).tolist() == [3, 3, 1]
    assert rows.tolist() != data.few(3, np.random.default_rng(1)).tolist()
    assert data.few(99, np.random.default_rng(0)).tolist() == list(range(20))


def test_contradictions_are_found():
    data = LabelledTexts.of(["a", "b", "a", "b", "c"], ["x", "x", "y", "x", "y"])
    assert data.contradictions() == ["a"]


def test_parts_and_several_labels_of_a_file(tmp_path):
    file = table(
        tmp_path, "t,l,s\n买鞋,shop|shoes,train\nrun,sport,dev\n,sport,test\n走,sport,test\n"
    )
    found = read_labelled(file, text="t", label="l", split="s")
    assert {name: part.texts for name, part in found.items()} == {
        "train": ("买鞋",), "valid": ("run",), "test": ("走",)
    }  # fmt: skip
    assert found["train"].labels == ("shoes", "shop")
    assert found["test"].labels == ("sport",)
    assert len(read_labelled(file, text="t", label="l")["train"]) == 3


def test_the_bar_of_a_chinese_keyboard_joins_labels(tmp_path):
    file = table(tmp_path, "\ufefftext,intent\na,退款｜发票\nb,发票 | 退款|\n")
    found = read_labelled(file)["train"]
    assert found.labels == ("发票", "退款")
    assert found.carries.all()
    assert labels_in(" a｜b|a|") == ["a", "b"]
    with pytest.raises(UsageError, match=r"as a list\. Got '退款｜发票'"):
        LabelledTexts.of(["a"], ["退款｜发票"])


def test_labels_whose_parts_are_labels_are_found():
    names = ["退款", "发票", "退款、发票", "x; y", "x", "y", "x/z", "Home, garden", "退款，发票/x"]
    found = LabelledTexts.of(names, names).joined_otherwise()
    assert sorted(found) == sorted(["退款、发票", "x; y", "退款，发票/x"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("text,intent\na,\n", "line 2: each text must have a label in column 'intent'"),
        ("text,intent\na,Buy\nb,buy\n", "Got 'Buy' and 'buy'"),
        ("text,label\na,x\n", "no column 'intent'"),
        ("text,intent,split\na,x,trian\n", "line 2: column 'split' must be train, valid or test"),
        ("text,intent\n,x\n", "must hold at least one text"),
        (b"text,intent\n\xff\xfe,x\n", "data.csv"),
        ("", "is empty"),
    ],
)
def test_mistakes_are_named(tmp_path, text, told):
    split = "split" if "split" in str(text) else None
    with pytest.raises((DataError, UsageError)) as caught:
        read_labelled(table(tmp_path, text), split=split)
    assert told in str(caught.value)


def test_texts_and_labels_from_python():
    data = LabelledTexts.of(pl.Series(["a", "b"]), pl.Series([["y"], []], dtype=pl.List(pl.String)))
    assert (data.texts, data.labels, data.carries.tolist()) == (("a", "b"), ("y",), [[1], [0]])
    frame = pl.DataFrame({"text": ["a", "b"], "intent": ["x|y", "x"]})
    assert read_labelled(frame)["train"].labels == ("x", "y")
    with pytest.raises(DataError, match="the frame, row 2: each text must have a label"):
        read_labelled(frame.with_columns(intent=pl.Series(["x", None])))


@pytest.mark.parametrize("bad", [5, float("nan"), None, "", [3], ["x", None]])
def test_labels_that_are_no_text_are_named(bad):
    with pytest.raises(UsageError, match=r"Each label must be a text .* position 1 \(from 0\)"):
        LabelledTexts.of(["a", "b"], ["x", bad])


@pytest.mark.parametrize("bad", [None, float("nan"), 7])
def test_texts_that_are_none_are_named(bad):
    with pytest.raises(UsageError, match=r"Each text must be a text. Got .* at position 0"):
        LabelledTexts.of([bad, "b"], ["x", "y"])
    with pytest.raises(UsageError, match=r"must be a column: .*Got a str"):
        LabelledTexts.of("ab", ["x", "y"])


def test_sizes_must_fit():
    with pytest.raises(UsageError, match="Each of 2 texts must have its labels"):
        LabelledTexts.of(["a", "b"], ["x"])
    with pytest.raises(UsageError, match=r"several of one text as a list\. Got 'red\|boat'"):
        LabelledTexts.of(["a"], ["red|boat"])
    with pytest.raises(UsageError, match="'carries' must be bool"):
        LabelledTexts(("a",), ("x",), np.ones((1, 1)))
