"""Lines that cannot be read are left out and kept, if the caller says so; else they are refused."""

import gzip
import re

import polars as pl
import pytest

from kg.broken import Broken
from kg.building.triples import read_triples
from kg.catalog import read_catalog
from kg.errors import BrokenLine, DataError, UsageError
from kg.events import read_events
from kg.formats import convert, read_any
from kg.ids import Vocab

ITEMS = Vocab.of(["a", "b", "c"], "item")
TRIPLES = """head,relation,tail,since
a,made_by,acme,2024-01-01
b,made_by

b,made_by,acme,2024-01-02
,made_by,acme,2024-01-03
c,made_by,acme,soon
c,made_by,"acme
and sons",2024-01-04
a,made_by,acme,2024-01-05,more
"""
FACTS = b"""<http://e/a> <http://e/by> <http://e/x> .
<http://e/b> <http://e/by> .
<http://e/b> <http://e/by> "not closed .
<http://e/b> <http://e/by> <http://e/x> .

# a remark
<http://e/c> <http://e/by> "\xff" .
<http://e/c> <http://e/by> <http://e/y> .
"""


def test_of_a_table_of_triples_the_lines_are_those_of_the_file(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text(TRIPLES)
    broken = Broken()
    found = read_triples(file, ITEMS, broken=broken)
    assert sum(edges.shape[1] for edges in found.edges.values()) == 3
    told = broken.frame()
    assert told["line"].to_list() == [3, 6, 7, 10]
    assert told["why"].to_list() == [
        "must have 4 cells as the header has",
        "'head' must not be empty",
        "'since' must be a date (2024-05-31, ISO 8601) or UTC seconds",
        "must have 4 cells as the header has",
    ]
    assert told["text"].to_list()[2] == "c,made_by,acme,soon"
    assert f"4 broken lines were left out, first {file}, line 3: must have 4 cells" in str(broken)


def test_without_being_asked_the_first_is_refused(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text(TRIPLES)
    with pytest.raises(BrokenLine, match=r"t\.csv, line 3, must have 4 cells .* Got 2 instead"):
        read_triples(file, ITEMS)


def test_ends_that_are_not_declared_are_left_out(tmp_path):
    triples, entities = tmp_path / "t.csv", tmp_path / "e.csv"
    triples.write_text("head,relation,tail\n1,by,2\n1,by,3\n4,by,2\n")
    entities.write_text("entity_id,type,item_id\n1,item,a\n2,maker,\n2,maker\n")
    broken = Broken()
    found = read_triples(triples, ITEMS, entities=entities, broken=broken)
    assert {relation: edges.shape[1] for relation, edges in found.edges.items()} == {
        ("item", "by", "maker"): 1
    }
    told = [(file[-5:], line) for file, line, *_ in broken.frame().iter_rows()]
    assert told == [("e.csv", 4), ("t.csv", 3), ("t.csv", 4)]


def test_a_table_of_which_nothing_is_left_is_refused():
    frame = pl.DataFrame({"head": ["", ""], "relation": ["by", "by"], "tail": ["x", "y"]})
    with pytest.raises(DataError, match="no triple that can be read: 2 broken lines"):
        read_triples(frame, ITEMS, broken=Broken())


def test_events_and_items_with_another_number_of_cells(tmp_path):
    events, items = tmp_path / "e.csv", tmp_path / "i.csv"
    events.write_text("user,item,time\nu,a,10\nu,b\nu,c,30\n")
    items.write_text("item_id,title\na,One\n,Two\nb,Two,and more\nc,Three\nc,Four\n")
    broken = Broken()
    log = read_events(events, broken=broken).log
    assert (len(log), log.row.tolist()) == (2, [1, 2])
    with pytest.raises(DataError, match=r"i\.csv, line 6: each item id must stand once"):
        read_catalog(items, broken=broken)
    assert [line for _, line, *_ in broken.frame().iter_rows()] == [3, 3, 4]
    items.write_text(items.read_text().replace("c,Four\n", ""))
    assert read_catalog(items, broken=Broken()).catalog.ids.ids == ("a", "c")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'b,by,"acme', "unexpected end of data"),
        (b'b,by,"acme" inc', "',' expected after"),
        (b"b,by,caf\xe9", "must be UTF-8"),
        (b"b,by", "must have 3 cells"),
        (b"b,by,", "'tail' must not be empty"),
    ],
)
def test_a_line_of_a_table_is_left_out_and_those_after_it_are_read(tmp_path, line, why):
    file = tmp_path / "t.csv"
    long = b"c,by," + b"y" * 300_000
    file.write_bytes(
        b"head,relation,tail\r\na,by,x\r\n" + line + b"\r\n\r\n" + long + b"\r\na,by,\r\n"
    )
    with pytest.raises(BrokenLine, match=r"t\.csv, line 3"):
        read_triples(file, ITEMS)
    broken = Broken()
    found = read_triples(file, ITEMS, broken=broken)
    assert sum(edges.shape[1] for edges in found.edges.values()) == 2
    told = broken.frame()
    assert told["line"].to_list() == [3, 6]
    assert why in told["why"][0]
    assert told["text"][0] == line.decode("utf-8", "replace")


def test_a_file_of_another_encoding_is_not_cut_down(tmp_path):
    """Leaving out each line with an accent would be no mending."""
    rows = "".join(f"a,by,caf\xe9 {n}\na,by,bar {n}\n" for n in range(50))
    (tmp_path / "t.csv").write_bytes(f"head,relation,tail\n{rows}".encode("latin-1"))
    with pytest.raises(DataError, match="seems to be Windows-1252"):
        read_triples(tmp_path / "t.csv", ITEMS, broken=Broken())


def test_a_table_of_broken_lines_alone_says_so(tmp_path):
    (tmp_path / "t.csv").write_text("head,relation,tail\na,by\nb\n")
    with pytest.raises(DataError, match="no rows that can be read: 2 broken lines"):
        read_triples(tmp_path / "t.csv", ITEMS, broken=Broken())


@pytest.mark.parametrize("zipped", [False, True])
def test_of_n_triples_each_line_stands_alone(tmp_path, zipped):
    file = tmp_path / ("g.nt.gz" if zipped else "g.nt")
    file.write_bytes(gzip.compress(FACTS, mtime=0) if zipped else FACTS)
    with pytest.raises(BrokenLine, match=r", line 2: .*object"):
        read_any(file)
    broken = Broken()
    tables = convert(file, tmp_path / "out", broken=broken)
    assert tables.triples is not None
    assert sorted(tables.triples.select("head", "tail").rows()) == [
        ("http://e/a", "http://e/x"), ("http://e/b", "http://e/x"), ("http://e/c", "http://e/y"),
    ]  # fmt: skip
    assert broken.frame()["line"].to_list() == [2, 3, 7]
    kept = pl.read_csv(tmp_path / "out" / "set_aside_lines.csv")
    assert kept["line"].to_list() == [2, 3, 7]
    assert kept["text"][0] == "<http://e/b> <http://e/by> ."


def test_broken_lines_far_into_a_file_have_their_line(tmp_path):
    lines = [f"<http://e/{n}> <http://e/by> <http://e/x{n % 7}> .\n" for n in range(90_000)]
    lines[70_001] = "<http://e/b> <http://e/by> .\n"
    lines[89_999] = "nothing\n"
    (tmp_path / "g.nt").write_text("".join(lines))
    broken = Broken()
    tables = read_any(tmp_path / "g.nt", broken=broken)
    assert tables.triples is not None
    assert tables.triples.height == 89_998
    assert broken.frame()["line"].to_list() == [70_002, 90_000]


@pytest.mark.parametrize(
    "line", ["<http://e/a", "<http://e/2> <http://e/by", "<http://e/2> <http://e/by>",
             "<http://e/2> <http://e/by> <http://e/x>", '<http://e/2> <http://e/by> "x'],
)  # fmt: skip
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["g.nt", "g.nq"])
def test_a_line_that_is_cut_takes_in_nothing_of_the_next(tmp_path, line, end, name):
    sound = "<http://e/{}> <http://e/by> <http://e/x> ."
    file = tmp_path / name
    file.write_text(end.join([sound.format(1), line, sound.format(3), ""]), newline="")
    with pytest.raises(BrokenLine, match=rf"{name}, line 2: .*Got '{re.escape(line)}'"):
        read_any(file)
    broken = Broken()
    tables = read_any(file, broken=broken)
    assert tables.triples is not None
    assert tables.triples["head"].to_list() == ["http://e/1", "http://e/3"]
    assert [(n, text) for _, n, _, text in broken.frame().iter_rows()] == [(2, line)]


def test_a_line_without_end_is_left_out_by_itself(tmp_path):
    sound = "<http://e/{}> <http://e/by> <http://e/x> .\n"
    text = '<http://e/2> <http://e/by> "' + "A" * 36_000_000 + '" .\n'
    (tmp_path / "g.nt").write_text(sound.format(1) + text + sound.format(3) + "odd\n")
    broken = Broken()
    tables = read_any(tmp_path / "g.nt", broken=broken)
    assert tables.triples is not None
    assert tables.triples["head"].to_list() == ["http://e/1", "http://e/3"]
    assert broken.frame()["line"].to_list() == [2, 4]


def test_where_a_line_says_something_of_the_next_it_is_refused(tmp_path):
    (tmp_path / "g.ttl").write_text("<http://e/a> <http://e/by> .\n")
    with pytest.raises(UsageError, match=r"as in N-Triples and N-Quads \(\.nt, \.nq\)"):
        read_any(tmp_path / "g.ttl", broken=Broken())
    (tmp_path / "r.csv").write_text("userID,itemID,rating,timestamp\nu,i,1\n")
    with pytest.raises(UsageError, match=r"these formats alone: plain, rdf"):
        read_any(tmp_path / "r.csv", "ms-recommenders", broken=Broken())
    with pytest.raises(DataError, match="must have 4 cells") as caught:
        read_any(tmp_path / "r.csv", "ms-recommenders")
    assert not isinstance(caught.value, BrokenLine)


def test_a_row_of_several_lines_gives_up_its_first_alone(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text('head,relation,tail\na,"by,x\nb,by,y\nc,by,"19"" wide"\na,by,z\n')
    broken = Broken()
    found = read_triples(file, ITEMS, broken=broken)
    assert sum(edges.shape[1] for edges in found.edges.values()) == 3
    assert broken.frame()["line"].to_list() == [2]
    file.write_text('"head"x,relation,tail\na,by,x\nb,by,"c" d\n')
    with pytest.raises(DataError, match="line 1, cannot be read as a header") as caught:
        read_triples(file, ITEMS, broken=Broken())
    assert not isinstance(caught.value, BrokenLine)


def test_marks_of_inches_take_in_no_rows(tmp_path):
    file = tmp_path / "i.csv"
    rows = ["1,a,z", '2,"19" monitor",z', "3,t,z", "4,t,z", '5,"20" tv",z', "6,u,z"]
    file.write_text("\n".join(["item_id,title,x", *rows, ""]))
    with pytest.raises(BrokenLine, match=r"i\.csv, line 3"):
        read_catalog(file)
    broken = Broken()
    assert read_catalog(file, broken=broken).catalog.ids.ids == ("1", "3", "4", "6")
    assert broken.frame()["text"].to_list() == [rows[1], rows[4]]


def test_a_cell_around_a_line_that_is_no_utf8_goes_as_a_whole(tmp_path):
    file = tmp_path / "i.csv"
    good = "".join(f"{n},t{n}\n" for n in range(40))
    file.write_bytes(f"item_id,title\n{good}".encode() + b'x,"one\ntw\xffo\nthree"\ny,last\n')
    broken = Broken()
    ids = read_catalog(file, broken=broken).catalog.ids.ids
    assert "x" not in ids
    assert "y" in ids
    assert {42, 43} <= set(broken.frame()["line"].to_list())


def test_many_broken_lines_take_no_time_squared(tmp_path):
    file = tmp_path / "t.csv"
    lines = [f'i{n}","Title {n}' if n % 3 else f"a,by,t{n}" for n in range(9_000)]
    file.write_text("head,relation,tail\n" + "\n".join(lines) + "\n")
    broken = Broken()
    found = read_triples(file, ITEMS, broken=broken)
    assert sum(edges.shape[1] for edges in found.edges.values()) == 3_000
    assert len(broken) == 6_000


def test_lines_that_end_in_a_carriage_return_alone(tmp_path):
    sound = "<http://e/{}> <http://e/by> <http://e/x> ."
    text = "\r".join([sound.format(1), "<http://e/2", sound.format(3), ""])
    (tmp_path / "g.nt").write_text(text, newline="")
    broken = Broken()
    tables = read_any(tmp_path / "g.nt", broken=broken)
    assert tables.triples is not None
    assert tables.triples["head"].to_list() == ["http://e/1", "http://e/3"]
    assert broken.frame()["line"].to_list() == [2]
    many = "\r".join(sound.format(n) for n in range(400_000)) + "\r"
    (tmp_path / "g.nt").write_text(many, newline="")
    assert len(many) > 1 << 24
    tables = read_any(tmp_path / "g.nt")
    assert tables.triples is not None
    assert tables.triples.height == 400_000
