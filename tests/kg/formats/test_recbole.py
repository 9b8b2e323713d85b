"""RecBole's atomic files: what each cell becomes, the way back, each mistake with its line."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.errors import DataError
from kg.formats import convert, read_any
from kg.formats.recbole import FORMAT, lost
from kg.formats.tables import Named, Tables, write_plain

INTER = (
    "item_id:token\tuser_id:token\ttimestamp:float\trating:float\n"  # columns are found by name
    "242\t196\t881250949\t3\n"
    "0302\t186\t891717742\t\n"
    "242\t186\tnan\t4.5\n"
)
ITEM = (
    "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\tv:float_seq\n"
    "242\tKolya\t1996\tComedy\t0.5 1\n"
    '0302\t"L.A. Confidential\t1997\tCrime Film-Noir  Mystery\t\n'
    "9\tToy Story|2\t\t\t-2 1e-3\n"
)
USER = "user_id:token\tage:token\toccupation:token\n196\t49\twriter\n186\t39\tex ecutive\n"
KG = "head_id:token\ttail_id:token\trelation_id:token\nm.1\tm.9\tfilm.genre\nm.2\tm.9\tfilm.genre\n"
LINK = "item_id:token\tentity_id:token\n242\tm.1\n9\tm.7\n0302\tm.1\n"
ENT = "ent_id:token\tent_emb:float_seq\nm.9\t1 2 3\nm.1\t4 5 6\n"
USEREMB = "uid:token\tuser_emb:float_seq\n196\t1.5\n"
NET = "source_id:token\ttarget_id:token\n196\t186\n"


def folder(path, name="ml", **files):
    path = path / name
    path.mkdir(parents=True)
    for suffix, text in files.items():
        file = path / f"ml.{suffix.replace('_', '.')}"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def sample(path):
    return folder(path, inter=INTER, item=ITEM, user=USER, kg=KG, link=LINK, ent=ENT,
                  useremb=USEREMB, net=NET, test_item="item_id:token\n242\n",
                  feat1CLS=b"\x00\xff\x01")  # fmt: skip


def test_every_cell_of_a_folder(tmp_path):
    path = sample(tmp_path)
    assert FORMAT.recognises(path)
    found = FORMAT.read(path)
    assert found.events.columns == ["user_id", "item_id", "timestamp", "value"]
    assert found.events.rows() == [
        ("196", "242", "881250949", "3"),
        ("186", "0302", "891717742", None),
        ("186", "242", None, "4.5"),
    ]
    assert found.items.columns == ["item_id", "title", "release_year", "class"]
    assert found.items.rows() == [
        ("242", "Kolya", "1996", "Comedy"),
        ("0302", '"L.A. Confidential', "1997", "Crime|Film-Noir|Mystery"),
        ("9", "Toy Story|2", None, None),
    ]
    assert found.users.columns == ["user_id", "age", "occupation", "friends"]
    assert found.users.rows() == [
        ("196", "49", "writer", "186"), ("186", "39", "ex ecutive", None),
    ]  # fmt: skip
    assert found.triples.columns == ["head", "relation", "tail"]
    assert found.triples.rows() == [("m.1", "film.genre", "m.9"), ("m.2", "film.genre", "m.9")]
    assert found.entities.columns == ["entity_id", "item_id"]
    assert found.entities.rows() == [("m.1", "242"), ("m.9", None), ("m.2", None), ("m.7", "9")]


def test_vectors_of_items_users_and_entities_that_are_items(tmp_path):
    found = FORMAT.read(sample(tmp_path)).vectors
    assert set(found) == {"v", "ent_emb", "user:user_emb"}
    assert found["v"].ids == ("242", "9")
    np.testing.assert_array_equal(found["v"].values, np.float32([[0.5, 1], [-2, 1e-3]]))
    assert found["ent_emb"].ids == ("242",)
    np.testing.assert_array_equal(found["ent_emb"].values, np.float32([[4, 5, 6]]))
    assert found["user:user_emb"].ids == ("196",)
    assert found["user:user_emb"].values.dtype == np.float32


def test_what_was_left_out_is_said(tmp_path):
    notes = "\n".join(FORMAT.read(sample(tmp_path)).notes)
    assert "1 links between users (ml.net) became their column friends" in notes
    assert "1 lines of ml.link were left out" in notes
    assert "1 vectors of ent_emb were left out" in notes
    assert "ml.feat1CLS was left out: its first line does not name columns as name:type." in notes
    assert (
        "ml.test.item was left out: of files .item ml.item alone is read, not one of a part (test)."
    ) in notes


def test_links_between_users_travel_both_ways(tmp_path):
    rows = ("7\t196", "196\t186", "196\t7", "196\t186", "\t7", "7\t7")
    net = "a:token\tb:token\tw:float\n" + "".join(f"{row}\t1\n" for row in rows)
    found = FORMAT.read(folder(tmp_path, inter=INTER, user=USER, net=net))
    assert dict(found.users.select("user_id", "friends").iter_rows()) == {
        "196": "186|7", "186": None, "7": "196",
    }  # fmt: skip
    assert "2 links of ml.net were left out: an end is empty" in "".join(found.notes)
    assert "Columns of ml.net were left out: w." in found.notes
    (tmp_path / "out").mkdir()
    FORMAT.write(found, tmp_path / "out", "ml")
    assert (tmp_path / "out" / "ml.net").read_text().splitlines() == [
        "source_id:token\ttarget_id:token", "196\t186", "196\t7", "7\t196",
    ]  # fmt: skip
    assert "friends" not in (tmp_path / "out" / "ml.user").read_text()
    again = FORMAT.read(tmp_path / "out")
    assert again.users.sort("user_id").equals(found.users.sort("user_id"))


def test_links_without_a_table_of_users_and_friends_who_are_none(tmp_path):
    found = FORMAT.read(folder(tmp_path, inter=INTER, net=NET))
    assert found.users.rows() == [("196", "186")]
    one = replace(found, users=found.users.with_columns(friends=pl.lit("186|unknown")))
    (tmp_path / "most").mkdir()
    FORMAT.write(one, tmp_path / "most", "ml")  # one that is no user does not unmake the rest
    assert "196\tunknown" in (tmp_path / "most" / "ml.net").read_text()
    for text in ("", "source_id:token\ttarget_id:token\n"):
        none = FORMAT.read(folder(tmp_path / f"none{len(text)}", inter=INTER, user=USER, net=text))
        assert "ml.net holds no links between users." in none.notes
    strangers = replace(found, users=found.users.with_columns(friends=pl.lit("Ann|Ben")))
    (tmp_path / "out").mkdir()
    FORMAT.write(strangers, tmp_path / "out", "ml")
    assert not (tmp_path / "out" / "ml.net").exists()
    assert "friends:token_seq" in (tmp_path / "out" / "ml.user").read_text()
    text = USER.replace("age:token", "friends:token")
    own = FORMAT.read(folder(tmp_path, "own", inter=INTER, user=text, net=NET))
    assert "the users have a column friends already" in "".join(own.notes)
    with pytest.raises(DataError, match=r"ml\.net, line 1, must name two columns of users"):
        FORMAT.read(folder(tmp_path, "one", inter=INTER, net="source_id:token\n196\n"))


def test_why_a_file_is_passed_over(tmp_path):
    more = {"feats": "item_id:token\tsize:float\n242\t1\n", "bare": "v:float_seq\n1 2\n",
            "itememb": "iid:token\tv:float_seq\n242\t1\n"}  # fmt: skip
    found = FORMAT.read(folder(tmp_path, inter=INTER, **more))
    assert found.notes == (
        "ml.bare was left out: its vectors have no column of ids (token).",
        "ml.feats was left out: it has no vectors (float_seq). Its columns: item_id, size.",
    )


def test_nothing_is_said_of_no_vectors(tmp_path):
    vectors = "ent_id:token\tent_emb:float_seq\nm.1\t4 5 6\n"
    found = FORMAT.read(folder(tmp_path, inter=INTER, kg=KG, link=LINK, ent=vectors))
    assert found.vectors["ent_emb"].ids == ("242",)
    assert "ent_emb" not in "".join(found.notes)


def test_only_the_events_are_needed_and_other_columns_are_named(tmp_path):
    text = "session_id:token\tartist_id:token\tweight:float\n1\ta\t2\n\ta\t3\n"
    found = FORMAT.read(folder(tmp_path, "lastfm", inter=text))
    assert found.events.rows() == [("1", "a")]
    assert found.items is found.users is found.triples is found.entities is None
    notes = "\n".join(found.notes)
    assert "session_id of ml.inter was read as user_id" in notes
    assert "artist_id of ml.inter was read as item_id" in notes
    assert "left out: weight" in notes
    assert "1 events without user or item" in notes


def test_without_links_no_entity_is_an_item(tmp_path):
    found = FORMAT.read(folder(tmp_path, inter=INTER, kg=KG, ent=ENT))
    assert found.entities.columns == ["entity_id"]
    assert not found.vectors
    assert "no ml.link" in found.notes[0]


def test_parts_of_a_benchmark_are_joined_in_the_order_of_time(tmp_path):
    head = "user_id:token\titem_id:token\n"
    parts = {"test_inter": f"{head}u\tc\n", "train_inter": f"{head}u\ta\nu\tb\n"}
    found = FORMAT.read(folder(tmp_path, "any", **parts))
    assert found.events["item_id"].to_list() == ["a", "b", "c"]
    assert "2 rows of ml.train.inter, 1 rows of ml.test.inter" in found.notes[0]
    whole = FORMAT.read(folder(tmp_path / "whole", "ml", inter=INTER, **parts))
    assert whole.events.height == 3
    assert whole.events["user_id"][0] == "196"
    assert "ml.train.inter, ml.test.inter: left out" in whole.notes[0]


SEQUENTIAL = "user_id:token\titem_id_list:token_seq\titem_id:token\n"


def test_a_history_and_its_next_item_become_events_in_order(tmp_path):
    parts = {
        "train_inter": SEQUENTIAL + "u\ta b a\tc\nu\ta b\ta\nu\ta\tb\nw\tx\ty\n",
        "valid_inter": SEQUENTIAL + "u\ta b a c\td\n",
        "test_inter": SEQUENTIAL + "u\ta b a c d\te\nnew\t\tz\n",
    }
    events = FORMAT.read(folder(tmp_path, **parts)).events
    assert events.rows() == [
        *(("u", item, str(place)) for place, item in enumerate("abacde")),
        ("w", "x", "0"),
        ("w", "y", "1"),
        ("new", "z", "0"),
    ]


@pytest.mark.parametrize("backwards", [False, True])
def test_histories_that_are_cut_at_a_greatest_length(tmp_path, backwards):
    items = [f"i{n}" for n in range(12)]
    rows = [f"u\t{' '.join(items[max(0, n - 4) : n])}\t{items[n]}\n" for n in range(1, 11)]
    last = f"u\t{' '.join(items[7:11])}\t{items[11]}\n"
    train = SEQUENTIAL + "".join(rows[::-1] if backwards else rows)
    parts = {"train_inter": train, "test_inter": SEQUENTIAL + last}
    events = FORMAT.read(folder(tmp_path, **parts)).events
    assert events["item_id"].to_list() == items
    assert events["timestamp"].to_list() == [str(n) for n in range(12)]


def test_the_text_of_unisrec_is_the_items_text(tmp_path):
    text = "item_id:token\ttext:token_seq\nz\tA long  text\n242\tcheap\n"
    found = FORMAT.read(folder(tmp_path, inter=INTER, item=ITEM, text=text)).items
    assert found.columns[:3] == ["item_id", "title", "text"]
    assert found.select("item_id", "text").rows() == [
        ("242", "cheap"), ("0302", None), ("9", None), ("z", "A long  text")
    ]  # fmt: skip


# There and back


def written(tables, path):
    path.mkdir()
    FORMAT.write(tables, path)
    return FORMAT.read(path)


def frame(**columns):
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def same(left, right):
    assert set(left.there()) == set(right.there())
    for name, table in left.there().items():
        assert right.there()[name].columns == table.columns
        assert right.there()[name].rows() == table.rows()
    assert set(left.vectors) == set(right.vectors)
    for name, vectors in left.vectors.items():
        assert right.vectors[name].ids == vectors.ids
        np.testing.assert_array_equal(right.vectors[name].values, vectors.values)


FULL = Tables(
    events=frame(user_id=["u", "u", "v"], item_id=["a", None, "007"],
                 behaviour=["view", "search", "buy"], timestamp=["5", "6.5", None],
                 value=["1", None, "2.50"], query=[None, "red shoe", None]),
    items=frame(item_id=["a", "007"], title=['The "best" | shoe', None], text=["#1", "it's"],
                category=["shoe|red", "hat"], price=["3.50", None], year=["1999", "2001"]),
    users=frame(user_id=["u", "v"], likes=["a|b", None]),
    triples=frame(head=["e1", "e1"], relation=["made of", "is"], tail=["e2", "e3"]),
    entities=frame(entity_id=["lone", "e1", "e2", "e3"], type=["t", None, "x", "x"],
                   name=["a b", None, None, "ü"], item_id=[None, "a", None, "007"]),
    vectors={"image": Named(("a", "b"), np.float32([[0.1, -1e-20], [3, 1 / 3]])),
             "user:taste": Named(("v",), np.float32([[7.25]]))},
)  # fmt: skip


def test_there_and_back(tmp_path):
    same(FULL, written(FULL, tmp_path / "x"))
    names = {file.name for file in (tmp_path / "x").iterdir()}
    assert names == {"x.inter", "x.item", "x.user", "x.kg", "x.link", "x.entity",
                     "x.image_itememb", "x.taste_useremb"}  # fmt: skip
    first = (tmp_path / "x" / "x.item").read_text().split("\n")
    assert first[0] == ("item_id:token\ttitle:token_seq\ttext:token_seq\tcategory:token_seq\t"
                        "price:float\tyear:token")  # fmt: skip
    assert first[1] == 'a\tThe "best" | shoe\t#1\tshoe red\t3.50\t1999'
    inter = (tmp_path / "x" / "x.inter").read_text().split("\n")
    assert inter[0] == ("user_id:token\titem_id:token\tbehaviour:token\tquery:token_seq\t"
                        "rating:float\ttimestamp:float")  # fmt: skip


@pytest.mark.parametrize(
    "name", ["ml", "ml-1.0", "a b", "x.test", ".x", "train", "[a]*", "x.inter", "é"]
)
def test_recbole_finds_what_is_written(tmp_path, monkeypatch, name):
    """It opens NAME/NAME.inter, whatever the folder is called while it is filled."""
    (tmp_path / "plain").mkdir()
    write_plain(FULL, tmp_path / "plain")
    convert(tmp_path / "plain", tmp_path / name, to="recbole")
    names = {file.name.removeprefix(f"{name}.") for file in (tmp_path / name).iterdir()}
    assert names == {"inter", "item", "user", "kg", "link", "entity", "image_itememb",
                     "taste_useremb"}  # fmt: skip
    same(FULL, read_any(tmp_path / name))
    monkeypatch.chdir(tmp_path / name)
    same(FULL, read_any("."))


def test_the_parts_of_a_folder_that_is_called_as_one_of_them(tmp_path):
    parts = {"train_inter": INTER, "test_inter": INTER}
    assert FORMAT.read(folder(tmp_path, "ml.train", **parts)).events.height == 6


def test_what_is_changed_on_the_way_is_said(tmp_path):
    tables = Tables(
        events=frame(user_id=["u"], item_id=["a\tb"], timestamp=["2024-01-01T00:00:10Z"]),
        items=frame(item_id=["a\tb"], **{"the kind:x": ["Sci Fi|x"]}),
    )
    found = written(tables, tmp_path / "x")
    assert found.events.rows() == [("u", "a b", "1704067210")]
    assert found.items.columns == ["item_id", "the_kind_x"]
    assert found.items.rows() == [("a b", "Sci_Fi|x")]
    assert "1 cells of items (the kind:x)" in lost(tables)[1]
    tables = Tables(tables.events, items=frame(item_id=["a"], kind=["x|y"]))
    assert len(lost(tables)) == 1  # no space stands inside a value


def test_ends_that_are_items_are_linked_to_themselves(tmp_path):
    triples = frame(head=["a", "b"], relation=["r", "r"], tail=["x", "x"])
    found = written(Tables(FULL.events, triples=triples), tmp_path / "x")
    assert found.entities.rows() == [("a", "a"), ("x", None), ("b", None)]


CELL = st.text(min_size=1).filter(lambda text: not set(text) & set("\t\r\n"))
VALUE = st.text(min_size=1).filter(lambda text: text.split() == [text] and "|" not in text)


@given(st.lists(CELL, min_size=1, max_size=6, unique=True), st.data())
def test_odd_ids_survive(tmp_path_factory, ids, data):
    several = st.lists(VALUE, min_size=1).map("|".join) | st.none()
    column = data.draw(st.lists(several, min_size=len(ids), max_size=len(ids)))
    title = data.draw(st.lists(CELL | st.none(), min_size=len(ids), max_size=len(ids)))
    tables = Tables(
        events=frame(user_id=ids, item_id=ids[::-1], behaviour=title),
        items=frame(item_id=ids, title=title, tag=column),
        triples=frame(head=ids, relation=ids, tail=ids[::-1]),
        entities=frame(entity_id=ids, item_id=ids[::-1]),
        vectors={"v": Named(tuple(ids), np.arange(len(ids), dtype=np.float32)[:, None])},
    )
    same(tables, written(tables, tmp_path_factory.mktemp("odd") / "x"))
    assert len(lost(tables)) == 1


# Mistakes


@pytest.mark.parametrize(
    ("suffix", "text", "message"),
    [
        ("inter", "", r"ml\.inter is empty"),
        ("inter", "\n\n", r"ml\.inter is empty"),
        ("inter", "user_id:token\titem_id:token\n", r"ml\.inter must have .* one row below"),
        ("inter", "user_id\titem_id\nu\ti\n", r"ml\.inter, line 1.* name:type.* 'user_id'"),
        ("inter", "user_id:token,item_id:text\nu,i\n", r"ml\.inter, line 1.*name:type"),
        ("inter", "u1\ti1\t5\n", r"ml\.inter, line 1.*name:type"),
        ("inter", "user_id:token\trating:float\nu\t1\n", r"ml\.inter, line 1.*'item_id'"),
        ("inter", "user_id:token\tuser_id:token\nu\t1\n", r"line 1.*own name.*'user_id'"),
        ("inter", INTER + "\n1\t2\t3\n", r"ml\.inter, line 6, must have 4 cells.* Got 3"),
        ("inter", INTER + "1\t2\t3\t4\t5\n", r"ml\.inter, line 5, must have 4 cells.* Got 5"),
        ("inter", INTER + "1\t2\t3\tgood\n", r"ml\.inter, line 5: rating must be .*'good'"),
        ("inter", INTER + "1\t2\tinf\t4\n", r"ml\.inter, line 5: timestamp must be .*'inf'"),
        ("inter", INTER.encode() + b"1\t\xff\t3\t4\n", r"ml\.inter, line 5, holds the byte 0xff"),
        ("item", ITEM + "242\tagain\t\t\t\n", r"ml\.item, line 5: each item_id .*'242' again"),
        ("item", ITEM + "\tnone\t\t\t\n", r"ml\.item, line 5: item_id must not be empty"),
        ("item", ITEM + "1\t\t\t\t1 2 3\n", r"ml\.item, line 5: v must hold 2 numbers.* Got 3"),
        ("item", ITEM + "1\t\t\t\t1 x\n", r"ml\.item, line 5: v must be numbers.*'x'"),
        ("user", USER + "186\t1\t\n", r"ml\.user, line 4: each user_id .*'186' again"),
        ("kg", KG + "a\t\tr\n", r"ml\.kg, line 4: head, relation and tail"),
        ("link", "item:token\tentity_id:token\n1\t2\n", r"ml\.link, line 1.*'item_id'"),
    ],
)
def test_each_mistake_is_named(tmp_path, suffix, text, message):
    path = folder(tmp_path, **({"inter": INTER} | {suffix: text}))
    with pytest.raises(DataError, match=message):
        FORMAT.read(path)


def test_a_folder_must_hold_one_data_set(tmp_path):
    path = folder(tmp_path, "any", inter=INTER)
    (path / "other.inter").write_text(INTER)
    with pytest.raises(DataError, match=r"one data set\. Got ml, other"):
        FORMAT.read(path)
    with pytest.raises(DataError, match=r"NAME\.inter"):
        FORMAT.read(tmp_path)
    assert not FORMAT.recognises(tmp_path)


def test_a_name_with_a_dot_and_a_bar_in_a_value(tmp_path):
    path = tmp_path / "ml"
    path.mkdir()
    (path / "ml.core.inter").write_text(INTER)
    (path / "ml.core.item").write_text("item_id:float\ttags:token_seq\n242\ta|b c\n")
    found = FORMAT.read(path)
    assert found.items.rows() == [("242", "a/b|c")]
    assert found.notes == ("In tags of ml.core.item a '|' inside a value became '/'.",)


def test_an_entity_that_is_two_items_is_written_once(tmp_path):
    entities = frame(entity_id=["e", "e"], item_id=["a", "007"])
    found = written(Tables(FULL.events, entities=entities), tmp_path / "x")
    assert found.entities.rows() == [("e", "a")]
    assert "1 lines of x.link were left out" in found.notes[0]


def test_what_cannot_be_written_is_told(tmp_path):
    with pytest.raises(DataError, match="must hold events"):
        FORMAT.write(Tables(items=FULL.items), tmp_path)
    bad = Tables(frame(user_id=["u"], item_id=["a"], value=["much"]))
    with pytest.raises(DataError, match=r"value must be a number.*'much'"):
        FORMAT.write(bad, tmp_path)
    twins = frame(item_id=["a"], **{"x y": ["1"], "x:y": ["2"]})
    values = {"a/b": Named(("a",), np.float32([[1]])), "a_b": Named(("a",), np.float32([[1]]))}
    (tmp_path / "v").mkdir()
    with pytest.raises(DataError, match=r"both be written to v\.a_b_itememb"):
        FORMAT.write(Tables(FULL.events, vectors=values), tmp_path / "v")
    with pytest.raises(DataError, match="both be called 'x_y:token'"):
        FORMAT.write(Tables(FULL.events, items=twins), tmp_path)
