"""KGAT's folder: numbers become ids, the lists are used, each mistake is named with its line."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.errors import DataError
from kg.formats.kgat import FORMAT, lost
from kg.formats.tables import Named, Tables

FILES = {
    "train": "0 1 0 2\n\n1\n2 0\n",  # a blank line, and a user without items
    "test": "0 3\n1 1 \n",
    "kg_final": "0 0 4\n5 1 1\n3 0 4\n",
    "item_list": (
        "org_id remap_id freebase_id\n152949 0 m.0f7jpbw\n64981 2 m.0mbpxv\n"
        "154518 1 m.0v1_6dj\nA B 3 m.x\n"
    ),
    "entity_list": (
        "org_id remap_id\nm.0f7jpbw 0\nm.0v1_6dj 1\nm.0mbpxv 2\nm.x 3\nm.rock 4\nm.q 5\n"
    ),
    "relation_list": (
        "org_id remap_id\nhttp://rdf.freebase.com/ns/music.recording.artist 1\n"
        "http://rdf.freebase.com/ns/common.topic.notable_types 0\n"
    ),
    "user_list": "org_id remap_id\n16063 0\n23 1\n7 2\nsilent 3\n",
}


def folder(path, *names, **changed):
    path = path / "last-fm"
    path.mkdir()
    for name, text in ({name: FILES[name] for name in names or FILES} | changed).items():
        if text is not None:
            data = text if isinstance(text, bytes) else text.encode()
            (path / f"{name}.txt").write_bytes(data)
    return path


def test_with_the_lists_every_number_becomes_its_id(tmp_path):
    path = folder(tmp_path)
    assert FORMAT.recognises(path)
    found = FORMAT.read(path)
    assert found.events.columns == ["user_id", "item_id", "behaviour"]
    assert found.events.rows() == [
        ("16063", "154518", "interaction"),
        ("16063", "152949", "interaction"),
        ("16063", "64981", "interaction"),
        ("7", "152949", "interaction"),
        ("16063", "A B", "interaction"),
        ("23", "154518", "interaction"),
    ]
    assert found.items.rows() == [("152949",), ("64981",), ("154518",), ("A B",)]
    assert found.users["user_id"].to_list() == ["16063", "23", "7", "silent"]
    kind, artist = ("common.topic.notable_types", "music.recording.artist")
    assert found.triples.columns == ["head", "relation", "tail"]
    assert found.triples.rows() == [
        ("m.0f7jpbw", f"http://rdf.freebase.com/ns/{kind}", "m.rock"),
        ("m.q", f"http://rdf.freebase.com/ns/{artist}", "m.0v1_6dj"),
        ("m.x", f"http://rdf.freebase.com/ns/{kind}", "m.rock"),
    ]
    assert found.entities.columns == ["entity_id", "item_id"]
    assert found.entities.rows() == [
        ("m.0f7jpbw", "152949"), ("m.0v1_6dj", "154518"), ("m.0mbpxv", "64981"), ("m.x", "A B"),
        ("m.rock", None), ("m.q", None),
    ]  # fmt: skip
    assert any("no order of time" in note for note in found.notes)
    assert "2 of 6 events come from test.txt." in found.notes


def test_lists_as_they_are_given_out(tmp_path):
    """An entity without an id, cells without a space between them, tabs and another header."""
    kgat = folder(
        tmp_path,
        item_list="org_id remap_id freebase_id\n64-1 0 64-1\nyd_9 10yd_9\nA1 2 A1\nb c 3 b\n",
        entity_list="org_id remap_id\n64-1 0\nyd_9 10\n 2\nm.x 3\nm.rock 4\nm.q 5\n",
    )
    found = FORMAT.read(kgat)
    assert found.items.rows() == [("64-1",), ("yd_9",), ("A1",), ("b c",)]
    assert ("yd_9", "yd_9") in found.entities.rows()
    (tmp_path / "mind").mkdir()
    mind = folder(
        tmp_path / "mind",
        item_list="org_id\tremap_id\tfreebase_id\nN1\t0\tElizabeth II\nN2\t1\tbelly fat\n"
        "N3\t2\tX\nN4\t3\tY\n",
        entity_list='freebase_id remap_id\n"Elizabeth II" 0\nX 2\n',
    )
    found = FORMAT.read(mind)
    assert found.items.rows() == [("N1",), ("N2",), ("N3",), ("N4",)]
    assert found.entities.rows()[0] == ('"Elizabeth II"', "N1")
    (mind / "item_list.txt").write_text("org_id\tremap_id\tfreebase_id\nN1\t0\n")
    with pytest.raises(DataError, match=r"item_list\.txt, line 2, must be `org_id remap"):
        FORMAT.read(mind)


def test_without_lists_the_numbers_are_the_ids(tmp_path):
    found = FORMAT.read(folder(tmp_path, "train", "test", "kg_final"))
    assert found.events.rows()[:2] == [("0", "1", "interaction"), ("0", "0", "interaction")]
    assert found.items is None
    assert found.users is None
    assert found.triples.rows() == [("0", "0", "4"), ("5", "1", "1"), ("3", "0", "4")]
    # item 2 stands in no triple: it is no entity; 4 and 5 lie above the items
    assert found.entities.rows() == [("0", "0"), ("1", "1"), ("3", "3"), ("4", None), ("5", None)]


def test_without_a_list_of_entities_the_items_list_names_theirs(tmp_path):
    found = FORMAT.read(folder(tmp_path, entity_list=None, relation_list=None, user_list=None))
    assert found.triples.rows()[1] == ("5", "1", "m.0v1_6dj")
    assert found.entities.rows()[3:] == [("m.x", "A B"), ("4", None), ("5", None)]
    assert "2 entity numbers are in no list: each is its own id." in found.notes


def test_a_number_that_is_in_no_list_never_takes_the_id_of_another(tmp_path):
    text = "org_id remap_id freebase_id\n3 0 a\n9 1 b\n10 2 c\n"
    found = FORMAT.read(folder(tmp_path, item_list=text))
    assert found.events["item_id"].to_list() == ["9", "3", "10", "3", "#3", "9"]
    assert any(note.startswith("1 item numbers") for note in found.notes)


def test_a_folder_whose_graph_is_still_in_its_archive(tmp_path):
    found = FORMAT.read(folder(tmp_path, kg_final=None, test=None))
    assert found.triples is None
    assert found.entities.height == 6
    assert found.events.height == 4
    assert any("no kg_final.txt" in note for note in found.notes)


# There and back


def frame(**columns):
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


FULL = Tables(
    events=frame(user_id=["u", "u", "w"], item_id=["b", "a", "b"],
                 behaviour=["interaction"] * 3),
    items=frame(item_id=["a", "b", "c"]),
    users=frame(user_id=["v", "u", "w"]),
    triples=frame(head=["e2", "x", "e1"], relation=["s", "r", "s"], tail=["x", "e1", "lone"]),
    entities=frame(entity_id=["e1", "e2", "x", "y", "lone"],
                   item_id=["a", "c", None, None, None]),
)  # fmt: skip


def same(left, right):
    assert set(left.there()) == set(right.there())
    for name, table in left.there().items():
        assert right.there()[name].columns == table.columns
        assert right.there()[name].rows() == table.rows()


def written(tables, path):
    path.mkdir()
    FORMAT.write(tables, path)
    return FORMAT.read(path)


def test_there_and_back(tmp_path):
    same(FULL, written(FULL, tmp_path / "x"))
    texts = {file.stem: file.read_text() for file in (tmp_path / "x").iterdir()}
    assert texts == {
        "train": "1 1 0\n2 1\n",
        "test": "",
        "kg_final": "2 0 3\n3 1 0\n0 0 5\n",  # c is item 2 and so entity 2; b has none: 1 is free
        "item_list": "org_id remap_id freebase_id\na 0 e1\nb 1 b\nc 2 e2\n",
        "entity_list": "org_id remap_id\ne1 0\ne2 2\nx 3\ny 4\nlone 5\n",
        "relation_list": "org_id remap_id\ns 0\nr 1\n",
        "user_list": "org_id remap_id\nv 0\nu 1\nw 2\n",
    }


def test_ends_that_are_items_have_the_items_numbers(tmp_path):
    triples = frame(head=["b", "z"], relation=["r", "r"], tail=["z", "a"])
    found = written(Tables(FULL.events, FULL.items, triples=triples), tmp_path / "x")
    assert found.triples.rows() == triples.rows()
    assert found.entities.rows() == [("a", "a"), ("b", "b"), ("z", None)]
    assert (tmp_path / "x" / "kg_final.txt").read_text() == "1 0 3\n3 0 0\n"


def test_an_entity_that_is_two_items_is_the_first_ones(tmp_path):
    entities = frame(entity_id=["e", "e", "f"], item_id=["a", "b", None])
    triples = frame(head=["e"], relation=["r"], tail=["f"])
    found = written(Tables(FULL.events, FULL.items, None, triples, entities), tmp_path / "x")
    assert found.triples.rows() == [("e", "r", "f")]
    assert found.entities.rows() == [("e", "a"), ("f", None)]


IDS = st.lists(st.text(min_size=1).filter(lambda text: text.split() == [text]),
               min_size=1, max_size=5, unique=True)  # fmt: skip


@given(IDS, IDS)
def test_odd_ids_survive(tmp_path_factory, items, users):
    events = frame(user_id=sorted(users * len(items), key=users.index), item_id=items * len(users),
                   behaviour=["interaction"] * len(items) * len(users))  # fmt: skip
    tables = Tables(
        events, frame(item_id=items), frame(user_id=users),
        triples=frame(head=items, relation=items, tail=items[::-1]),
        entities=frame(entity_id=items, item_id=items),
    )  # fmt: skip
    same(tables, written(tables, tmp_path_factory.mktemp("odd") / "x"))


def test_what_is_lost_is_said(tmp_path):
    tables = Tables(
        events=frame(user_id=["u v", "u v"], item_id=["a\tb", None], timestamp=["1", "2"]),
        items=frame(item_id=["a\tb"], title=["T"]),
        vectors={"image": Named(("a",), pl.DataFrame([[1.0]]).to_numpy())},
    )
    found = written(tables, tmp_path / "x")
    assert found.events.rows() == [("u_v", "a_b", "interaction")]
    said = "\n".join(lost(tables))
    assert "columns of events are left out: timestamp." in said
    assert "columns of items are left out: title." in said
    assert "1 events without an item are left out." in said
    assert "Vectors are left out: image." in said


def test_what_cannot_be_written_is_told(tmp_path):
    events = frame(user_id=["u", "u"], item_id=["a b", "a_b"])
    with pytest.raises(DataError, match=r"item_list\.txt: two ids would both be 'a_b'"):
        FORMAT.write(Tables(events), tmp_path)
    for none in (None, frame(user_id=["u"]), frame(user_id=["u"], item_id=[None])):
        with pytest.raises(DataError, match="must hold events with items"):
            FORMAT.write(Tables(none), tmp_path)


# Mistakes


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("train", "0 1\n\n2 x 3\n", r"train\.txt, line 3: each cell .*whole number.*'x'"),
        ("train", "0 1\n2 -1\n", r"train\.txt, line 2: each cell .*'-1'"),
        ("train", "0 1\n2 1.5\n", r"train\.txt, line 2: each cell .*'1\.5'"),
        ("train", b"0 1\n2 \xe9\n", r"train\.txt, line 2, holds the byte 0xe9"),
        ("test", "0 1\nu 2\n", r"test\.txt, line 2: each cell .*'u'"),
        ("kg_final", "", r"kg_final\.txt is empty"),
        ("kg_final", "0 1 2\n0 1\n", r"kg_final\.txt, line 2, must have 3 cells.* Got 2"),
        ("kg_final", "0 1 2\n0 1 2 3\n", r"kg_final\.txt, line 2, must have 3 cells.* Got 4"),
        ("kg_final", "0 1 2\n0 is 2\n", r"kg_final\.txt, line 2: each cell .*'is'"),
        ("item_list", "", r"item_list\.txt, line 1, must be the header `org_id remap_id freebase"),
        ("item_list", "152949 0 m.0f7jpbw\n", r"item_list\.txt, line 1, must be the header"),
        ("item_list", FILES["item_list"] + "152949 9 m.y\n",
         r"item_list\.txt, line 6: each org_id must stand there once\. Got '152949' again"),
        ("item_list", FILES["item_list"] + "new 3 m.y\n",
         r"item_list\.txt, line 6: each remap_id must stand there once\. Got 3 again"),
        ("user_list", "org_id remap_id\nu\n", r"user_list\.txt, line 2, must be .*Got 'u'"),
        ("entity_list", "org_id remap_id\nm x\n", r"entity_list\.txt, line 2, must be .*'m x'"),
        ("relation_list", "a 0\n", r"relation_list\.txt, line 1, must be the header `org_id remap"),
    ],
)  # fmt: skip
def test_each_mistake_is_named(tmp_path, name, text, message):
    with pytest.raises(DataError, match=message):
        FORMAT.read(folder(tmp_path, **{name: text}))


def test_numbers_without_a_list_may_be_large(tmp_path):
    found = FORMAT.read(folder(tmp_path, "kg_final", train="76561197970982479 9000000000000\n"))
    assert found.events.rows() == [("76561197970982479", "9000000000000", "interaction")]
    assert found.entities.height == 5


def test_a_folder_without_events(tmp_path):
    with pytest.raises(DataError, match=r"with a file train\.txt"):
        FORMAT.read(tmp_path)
    assert not FORMAT.recognises(tmp_path)
    with pytest.raises(DataError, match=r"train\.txt must hold events"):
        FORMAT.read(folder(tmp_path, train="1\n", test="\n"))
