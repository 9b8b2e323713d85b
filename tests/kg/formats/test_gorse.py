"""Gorse's dump: what each field becomes, the way back, each mistake with its line."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.errors import DataError
from kg.formats.gorse import FORMAT, lost
from kg.formats.tables import Named, Tables
from kg.times import to_seconds

FEEDBACK = """\
{"FeedbackType":"buy","UserId":"u","ItemId":"i1","Value":1,"Timestamp":"2024-01-02T03:04:05.5Z","Comment":"ok"}

{"FeedbackType":"read","UserId":7,"ItemId":"i/2","Value":2.5,"Timestamp":"0001-01-01T00:00:00Z","Labels":null}
{"FeedbackType":"read","UserId":"é \\"x\\"","ItemId":"i1"}
"""
ITEMS = """\
{"ItemId":"i1","IsHidden":false,"Categories":["shoe","a|b"],"Timestamp":"2023-01-01T00:00:00Z","Labels":{"brand":"Nik|e","price":3.50,"new":true,"tags":["red","big"],"size":{"eu":42},"embedding":[0.5,-1],"title":"Shoe | 5","text":"own"},"Comment":"A red shoe\\nfor running"}
{"ItemId":"i2","IsHidden":true,"Categories":null,"Timestamp":"0001-01-01T00:00:00Z","Labels":{"embedding":[3,1e-3],"ids":[1,5]},"Comment":""}
{"ItemId":"i3","Labels":["old","cheap"]}
{"ItemId":"i4","Labels":{"ids":[2]}}
"""  # noqa: E501
USERS = """\
{"UserId":"u","Labels":{"gender":"f","taste":[1,2,3],"category":"x"},"Comment":"likes shoes","Subscribe":null}
{"UserId":"v","Labels":null,"Comment":""}
"""  # noqa: E501


def test_times_as_go_prints_them(tmp_path):
    """Gorse's import takes them, and a build reads what they become."""
    row = '{"FeedbackType":"buy","UserId":"u","ItemId":"i","Timestamp":"%s"}\n'
    times = ("2024-01-02 03:04:05.25 +0200 CEST", "0001-01-01 00:00:00 +0000 UTC", "2024-01-03")
    found = FORMAT.read(
        folder(
            tmp_path,
            feedback="".join(row % time for time in times),
            items='{"ItemId":"i","Timestamp":"2022-01-01 00:00:01 +0000 UTC"}\n',
        )
    )
    read = found.events["timestamp"].to_list()
    assert read == ["2024-01-02T03:04:05.25+0200", None, "2024-01-03"]
    assert to_seconds(found.events["timestamp"], "events")[0] == 1704157445
    assert found.items["timestamp"].to_list() == ["2022-01-01T00:00:01+0000"]


def folder(path, **texts):
    for name, text in texts.items():
        (path / f"{name}.jsonl").write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def sample(path):
    return folder(path, feedback=FEEDBACK, items=ITEMS, users=USERS)


def test_feedback_becomes_events(tmp_path):
    path = sample(tmp_path)
    assert FORMAT.recognises(path)
    found = FORMAT.read(path)
    assert found.events.columns == ["user_id", "item_id", "behaviour", "timestamp", "value"]
    assert found.events.rows() == [
        ("u", "i1", "buy", "2024-01-02T03:04:05.5Z", "1"),
        ("7", "i/2", "read", None, "2.5"),
        ('é "x"', "i1", "read", None, None),
    ]
    assert "Of feedback.jsonl these were left out: Comment." in found.notes


def test_items_with_their_labels(tmp_path):
    found = FORMAT.read(sample(tmp_path))
    rows = {row["item_id"]: {name: cell for name, cell in row.items() if cell is not None}
            for row in found.items.iter_rows(named=True)}  # fmt: skip
    assert found.items.columns[:3] == ["item_id", "title", "text"]
    assert rows["i1"] == {
        "item_id": "i1", "title": "Shoe | 5", "text": "A red shoe\nfor running",
        "category": "shoe|a/b", "timestamp": "2023-01-01T00:00:00Z", "brand": "Nik/e",
        "price": "3.5", "new": "true", "tags": "red|big", "size.eu": "42", "labels.text": "own",
    }  # fmt: skip
    assert rows["i2"] == {"item_id": "i2", "ids": "1|5"}
    assert rows["i3"] == {"item_id": "i3", "labels": "old|cheap"}
    assert rows["i4"] == {"item_id": "i4", "ids": "2"}
    assert "1 hidden items were kept like the others." in found.notes
    assert any(note.startswith("The numbers of ids have several lengths") for note in found.notes)


def test_users_and_vectors(tmp_path):
    found = FORMAT.read(sample(tmp_path))
    assert found.users.columns == ["user_id", "text", "gender", "category"]
    assert found.users.rows() == [("u", "likes shoes", "f", "x"), ("v", None, None, None)]
    assert set(found.vectors) == {"embedding", "user:taste"}
    assert found.vectors["embedding"].ids == ("i1", "i2")
    np.testing.assert_array_equal(
        found.vectors["embedding"].values, np.float32([[0.5, -1], [3, 1e-3]])
    )
    assert found.vectors["embedding"].values.dtype == np.float32
    assert found.vectors["user:taste"].values.tolist() == [[1, 2, 3]]


def test_a_part_is_enough(tmp_path):
    found = FORMAT.read(folder(tmp_path, items=ITEMS))
    assert found.events is None
    assert found.users is None
    assert found.items.height == 4


def test_a_line_that_only_python_reads_is_still_read(tmp_path):
    text = FEEDBACK + '{"FeedbackType":"x","UserId":"u","ItemId":"i1","Labels":{"a":NaN}}\n'
    found = FORMAT.read(folder(tmp_path, feedback=text))
    assert found.events["behaviour"].to_list() == ["buy", "read", "read", "x"]
    assert found.events["value"].to_list() == ["1", "2.5", None, None]


# There and back


def frame(**columns):
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


FULL = Tables(
    events=frame(user_id=["u", "v"], item_id=["a", "b"], behaviour=["view", "buy"],
                 timestamp=["2024-01-01T00:00:00Z", None], value=["3", None]),
    items=frame(item_id=["a", "b"], title=["A | 1", None], text=["x\ny", "é"],
                category=["shoe|red", None], timestamp=["2020-01-01", None],
                tag=["p q|r", "s"], year=["1999", None], labels=["n", None]),
    users=frame(user_id=["u", "w"], text=["hi", None], likes=["a|b", "c"]),
    vectors={"image": Named(("a", "b"), np.float32([[0.1, -1e-20], [3, 1 / 3]])),
             "user:taste": Named(("w",), np.float32([[7.25]]))},
)  # fmt: skip


def same(left, right):
    assert set(left.there()) == set(right.there())
    for name, table in left.there().items():
        assert right.there()[name].columns == table.columns
        assert right.there()[name].rows() == table.rows()
    assert set(left.vectors) == set(right.vectors)
    for name, vectors in left.vectors.items():
        assert right.vectors[name].ids == vectors.ids
        np.testing.assert_array_equal(right.vectors[name].values, vectors.values)


def written(tables, path):
    path.mkdir()
    FORMAT.write(tables, path)
    return FORMAT.read(path)


def test_there_and_back(tmp_path):
    same(FULL, written(FULL, tmp_path / "x"))
    lines = (tmp_path / "x" / "items.jsonl").read_text(encoding="utf-8").splitlines()
    first = json.loads(lines[0])
    assert list(first) == ["ItemId", "IsHidden", "Categories", "Timestamp", "Labels", "Comment"]
    assert first["Categories"] == ["shoe", "red"]
    assert first["Labels"]["tag"] == ["p q", "r"]
    assert first["Labels"]["title"] == "A | 1"
    assert json.loads(lines[1])["Labels"]["tag"] == ["s"]
    feedback = (tmp_path / "x" / "feedback.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(feedback[0]) == {
        "FeedbackType": "view", "UserId": "u", "ItemId": "a", "Value": 3,
        "Timestamp": "2024-01-01T00:00:00Z",
    }  # fmt: skip


def test_what_is_changed_on_the_way(tmp_path):
    tables = Tables(
        events=frame(user_id=["u", "u"], item_id=["a/b", None], timestamp=["1704067210", "5"],
                     query=[None, "q"], value=["1", "2.5"]),
        items=frame(item_id=["a/b"]),
        triples=frame(head=["a"], relation=["b"], tail=["c"]),
        vectors={"image": Named(("new",), np.float32([[1]]))},
    )  # fmt: skip
    found = written(tables, tmp_path / "x")
    assert found.events.rows() == [("u", "a/b", "interaction", "2024-01-01T00:00:10Z", "1")]
    assert found.items["item_id"].to_list() == ["a/b", "new"]
    assert found.vectors["image"].ids == ("new",)
    said = "\n".join(lost(tables))
    assert "1 events without an item" in said
    assert "query" in said
    assert "triples" in said
    assert "1 of item_id hold a '/'" in said


TEXT = st.text(min_size=1)
VALUE = TEXT.filter(lambda text: "|" not in text)


@given(st.lists(TEXT, min_size=1, max_size=5, unique=True), st.data())
def test_odd_texts_survive(tmp_path_factory, ids, data):
    size = {"min_size": len(ids), "max_size": len(ids)}
    title = data.draw(st.lists(TEXT, **size))
    tag = data.draw(st.lists(st.lists(VALUE, min_size=1).map("|".join), **size))
    tables = Tables(
        events=frame(user_id=ids, item_id=ids[::-1], behaviour=title),
        items=frame(item_id=ids, title=title, text=title, category=tag, tag=tag),
        users=frame(user_id=ids, tag=tag),
    )
    same(tables, written(tables, tmp_path_factory.mktemp("odd") / "x"))


# Mistakes


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("feedback", "", r"feedback\.jsonl is empty"),
        ("items", "\n \n", r"items\.jsonl is empty"),
        ("feedback", FEEDBACK + '{"FeedbackType":"x",\n', r"feedback\.jsonl, line 5, must be a JS"),
        ("feedback", FEEDBACK + "[1]\n", r"feedback\.jsonl, line 5, must be a JSON.*'\[1\]'"),
        ("feedback", FEEDBACK + '{"FeedbackType":"x","UserId":"u"}\n',
         r"feedback\.jsonl, line 5: ItemId must be there"),
        ("feedback", FEEDBACK + '{"FeedbackType":"x","UserId":"","ItemId":"a"}\n',
         r"feedback\.jsonl, line 5: UserId must be there"),
        ("feedback", '{"FeedbackType":"x","UserId":"u","ItemId":"a","Value":"much"}\n',
         r"feedback\.jsonl, line 1: Value must be a number\. Got 'much'"),
        ("feedback", FEEDBACK.encode() + b'{"UserId":"\xff"}\n',
         r"feedback\.jsonl, line 5, holds the byte 0xff"),
        ("feedback", '{"FeedbackType":"x","UserId":"\\ud800","ItemId":"a"}\n',
         r"feedback\.jsonl, line 1, must hold whole characters"),
        ("items", ITEMS + "{'ItemId': 1}\n", r"items\.jsonl, line 5, must be a JSON object"),
        ("items", ITEMS + "17\n", r"items\.jsonl, line 5, must be a JSON object.*'17'"),
        ("items", ITEMS + '{"Comment":"x"}\n', r"items\.jsonl, line 5: ItemId must be there"),
        ("items", ITEMS + '{"ItemId":"i2"}\n', r"items\.jsonl, line 5: each ItemId .*'i2' again"),
        ("items", '{"ItemId":"a","Labels":{"v":[1e39]}}\n', r"items\.jsonl, line 1: the numbers"),
        ("items", '{"ItemId":"a","Labels":{"v":[NaN]}}\n', r"items\.jsonl, line 1: the numbers"),
        ("users", "[" * 100_000, r"users\.jsonl, line 1, must be a JSON object"),
        ("users", USERS + '{"UserId":"u"}\n', r"users\.jsonl, line 3: each UserId .*'u' again"),
    ],
)  # fmt: skip
def test_each_mistake_is_named(tmp_path, name, text, message):
    with pytest.raises(DataError, match=message):
        FORMAT.read(folder(tmp_path, **{name: text}))


def test_nothing_to_read_or_write(tmp_path):
    assert not FORMAT.recognises(tmp_path)
    with pytest.raises(DataError, match=r"feedback\.jsonl, items\.jsonl or"):
        FORMAT.read(tmp_path)
    with pytest.raises(DataError, match="must hold events, items or users"):
        FORMAT.write(Tables(), tmp_path)
    both = Tables(items=frame(item_id=["a"], v=["1"]), vectors={"v": FULL.vectors["image"]})
    with pytest.raises(DataError, match="both be the label 'v'"):
        FORMAT.write(both, tmp_path)
    bad = Tables(frame(user_id=["u"], item_id=["a"], value=["much"]))
    with pytest.raises(DataError, match=r"value must be a number.*'much'"):
        FORMAT.write(bad, tmp_path)
