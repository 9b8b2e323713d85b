"""Triples: which id is an item, which is an entity, and what is said when it cannot be known."""

from pathlib import Path

import polars as pl
import pytest

from kg.building.triples import Triples, read_triples
from kg.dates import UNDATED
from kg.errors import DataError
from kg.ids import Vocab

ITEMS = Vocab(("12", "7", "9"), "item")


def save(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def triples(tmp_path: Path, text: str, entities: str | None = None, **rest: object) -> Triples:
    path = save(tmp_path / "triples.csv", "head,relation,tail\n" + text)
    where = None
    if entities is not None:
        where = save(tmp_path / "entities.csv", "entity_id,type,name,item_id\n" + entities)
    return read_triples(path, ITEMS, entities=where, **rest)  # type: ignore[arg-type]


def facts(found: Triples) -> set[tuple[str, ...]]:
    """Every triple with its types and external ids."""
    return {
        (source, head, relation, target, tail)
        for (source, relation, target), index in found.edges.items()
        for head, tail in zip(
            found.vocabs[source].decode(index[0]),
            found.vocabs[target].decode(index[1]),
            strict=True,
        )
    }


def test_ids_that_match_items_are_items_and_others_are_entities(tmp_path: Path) -> None:
    found = triples(tmp_path, "7,made_by,acme\n12,made_by,acme\n7,like,9\n7,like,9\n")
    assert facts(found) == {
        ("item", "7", "made_by", "entity", "acme"),
        ("item", "12", "made_by", "entity", "acme"),
        ("item", "7", "like", "item", "9"),
    }
    assert found.vocabs["item"] is ITEMS
    assert found.edges[("item", "like", "item")].tolist() == [[1], [2]]  # told twice, held once
    assert found.names == {"entity": ("acme",)}
    assert found.dropped == {}


def test_plain_numbers_that_could_be_both_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the id '500' is a plain number that is no item, while"):
        triples(tmp_path, "7,made_by,500\n")
    found = triples(tmp_path, "7,made_by,500\n", triple_ids="item")
    assert facts(found) == {("item", "7", "made_by", "entity", "500")}


def test_no_item_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"no head or tail is an item id\. Heads such as 'm7' must be item ids such as '12'",
    ):
        triples(tmp_path, "m7,made_by,acme\n")


def test_entity_12_is_not_item_12(tmp_path: Path) -> None:
    found = triples(tmp_path, "0,by,12\n1,by,12\n", "0,film,Heat,12\n1,film,Up,7\n12,person,Ann,\n")
    assert facts(found) == {
        ("item", "12", "by", "person", "12"),
        ("item", "7", "by", "person", "12"),
    }
    assert found.names == {"person": ("Ann",)}


def test_an_undeclared_entity_names_its_line_in_the_file(tmp_path: Path) -> None:
    text = "0,skip,0\n0,by,1\n0,by,99\n"
    with pytest.raises(
        DataError, match=r"triples.csv, line 4: the tail must be declared in .* Got '99'"
    ):
        triples(tmp_path, text, "0,film,,12\n1,person,Ann,\n", skip_relations=("skip",))


def test_items_that_the_catalogue_lacks_are_dropped_and_counted(tmp_path: Path) -> None:
    declared = "0,film,,12\n1,film,,404\n2,item,,\n3,person,,\n"
    found = triples(tmp_path, "0,by,3\n1,by,3\n2,by,3\n", declared)
    assert facts(found) == {("item", "12", "by", "person", "3")}
    assert found.dropped == {"item not in the catalogue": 2}


def test_an_item_without_an_item_id_is_the_item_of_its_own_id(tmp_path: Path) -> None:
    """As in GraphML: <node id="7"> of type item, beside one that the catalogue lacks."""
    found = triples(tmp_path, "7,by,x\n404,by,x\n", "7,item,,\n404,item,,\nx,firm,X,\n")
    assert facts(found) == {("item", "7", "by", "firm", "x")}
    assert found.dropped == {"item not in the catalogue": 1}


def test_ids_beside_linked_ones_are_items_where_they_can_mean_nothing_else(tmp_path: Path) -> None:
    ids = Vocab(("7", "s1", "s2"), "item")
    path = save(tmp_path / "t.csv", "head,relation,tail\ns1,by,x\ns2,by,x\n7,by,x\ne,by,x\n")
    declared = "entity_id,type,item_id\ns1,item,\ns2,item,\n7,item,\ne,item,s2\nx,firm,\n"
    found = read_triples(path, ids, entities=save(tmp_path / "e.csv", declared))
    # the entity e is item s2, and 7 may number entities
    assert facts(found) == {("item", "s1", "by", "firm", "x"), ("item", "s2", "by", "firm", "x")}
    assert found.dropped == {"item not in the catalogue": 2}


def test_skipped_relations_are_counted(tmp_path: Path) -> None:
    found = triples(tmp_path, "7,by,acme\n7,hidden,x\n", skip_relations=("hidden",))
    assert facts(found) == {("item", "7", "by", "entity", "acme")}
    assert found.dropped == {"skipped relation": 1}
    nothing = triples(tmp_path, "7,hidden,x\n", skip_relations=("hidden",))
    assert nothing.edges == {}
    assert nothing.dropped == {"skipped relation": 1}


def test_types_may_be_left_out_and_user_is_not_theirs(tmp_path: Path) -> None:
    found = triples(tmp_path, "0,by,1\n0,seen_by,2\n", "0,,,12\n1,,Ann,\n2,user,Bo,\n")
    assert set(found.edges) == {
        ("item", "by", "entity"),
        ("item", "seen_by", "entity_user"),
    }
    assert "user" not in found.vocabs


@pytest.mark.parametrize(
    ("text", "declared", "rule"),
    [
        ("7,,acme\n", None, "triples.csv, line 2: 'relation' must not be empty"),
        ("7,by,a\n7,by,\n", None, "triples.csv, line 3: 'tail' must not be empty"),
        ("0,by,1\n", "0,film,,12\n0,film,,7\n", "entities.csv, line 3: .* once. Got '0' again"),
        ("0,by,1\n", "0,film,,12\n,x,y,\n", "entities.csv, line 3: the entity id must not be"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, text: str, declared: str | None, rule: str) -> None:
    with pytest.raises(DataError, match=rule):
        triples(tmp_path, text, declared)


DATED = """head,relation,tail,since
7,by,acme,2024-05-01
7,by,acme,2023-01-01
12,by,acme,
9,like,7,1700000000
"""


def test_a_column_of_times_dates_the_facts(tmp_path: Path) -> None:
    found = read_triples(save(tmp_path / "t.csv", DATED), ITEMS)
    by, like = ("item", "by", "entity"), ("item", "like", "item")
    assert found.edges[by].tolist() == [[0, 1], [0, 0]]
    first = 1_672_531_200  # 2023-01-01: of a fact that is told twice the earlier day
    assert found.edge_time[by].tolist() == [UNDATED, first]
    assert triples(tmp_path, "7,by,acme\n").edge_time == {}
    text = DATED.replace("1700000000", "2023-11-14T22:13:20Z")
    again = read_triples(save(tmp_path / "t.csv", text), ITEMS)
    assert again.edge_time[like].tolist() == [1_700_000_000]


@pytest.mark.parametrize("bad", ["soon", "2024", "2024-13-01", "-"])
def test_a_date_that_is_none_is_named_with_its_line(tmp_path: Path, bad: str) -> None:
    path = save(tmp_path / "t.csv", DATED.replace("2023-01-01", bad))
    rule = rf"t\.csv, line 3: 'since' must be a date .* Got '{bad}' instead"
    with pytest.raises(DataError, match=rule):
        read_triples(path, ITEMS)


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    text = 'head,relation,tail\n7,by,"two\nlines"\n\n7,,acme\n'
    with pytest.raises(DataError, match=r"t\.csv, line 5: 'relation' must not be empty"):
        read_triples(save(tmp_path / "t.csv", text), ITEMS)
    frame = pl.DataFrame({"head": ["7", "7"], "relation": ["by", ""], "tail": ["a", "b"]})
    frame.write_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"t\.parquet, row 2: 'relation' must not be empty"):
        read_triples(tmp_path / "t.parquet", ITEMS)


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        ("7,by", "line 90213, must have 3 cells as the header has. Got 2"),
        ("7,by,", "line 90213: 'tail' must not be empty"),
        (b"7,by,\xff", "line 90213, holds the byte 0xff, which is not UTF-8"),
    ],
)
def test_a_broken_triple_of_a_large_file_is_named(tmp_path: Path, bad, rule: str) -> None:
    lines = [b"head,relation,tail", *(f"7,by,m{n % 99}".encode() for n in range(99_999))]
    lines[90_212] = bad.encode() if isinstance(bad, str) else bad
    (tmp_path / "t.csv").write_bytes(b"\n".join(lines))
    with pytest.raises(DataError, match=rf"t\.csv, {rule}"):
        read_triples(tmp_path / "t.csv", ITEMS)
