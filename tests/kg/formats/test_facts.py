"""Columns of items as facts, where a format holds nothing else of an item."""

import polars as pl
import pytest

from kg.errors import UsageError
from kg.formats import FORMATS, convert, read_any
from kg.formats.facts import column_facts
from kg.formats.tables import Tables, write_plain

FACTS = [form.name for form in FORMATS.values() if form.facts_only]


def items(**more):
    columns = {"item_id": ["a", "b", "c"], "title": ["Red", "Blue", "灰"], **more}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


@pytest.mark.parametrize("to", FACTS)
def test_a_shop_without_facts_has_those_of_its_columns(tmp_path, to):
    events = pl.DataFrame({"user_id": ["u", "v"], "item_id": ["a", "c"]})
    shop = Tables(events, items(kind=["Pen", "Pen", "Ink"], tags=["x|y", "y", "x"]))
    (tmp_path / "shop").mkdir()
    write_plain(shop, tmp_path / "shop")
    written = convert(tmp_path / "shop", tmp_path / "out", to=to)
    assert "kind,tags:list(|)" in " ".join(written.notes)
    assert not any("kind" in said for said in FORMATS[to].left_out(written))
    found = read_any(tmp_path / "out")
    assert found.triples is not None
    assert set(found.triples.select("head", "relation", "tail").iter_rows()) == {
        ("item:a", "kind", "kind:Pen"), ("item:b", "kind", "kind:Pen"),
        ("item:c", "kind", "kind:Ink"), ("item:a", "tags", "tags:x"), ("item:a", "tags", "tags:y"),
        ("item:b", "tags", "tags:y"), ("item:c", "tags", "tags:x"),
    }  # fmt: skip
    own = found.entities.drop_nulls("item_id").select("entity_id", "item_id")
    assert {("item:a", "a"), ("item:c", "c")} <= set(own.iter_rows())


def test_an_item_keeps_the_entity_it_has():
    triples = pl.DataFrame({"head": ["m.1"], "relation": ["by"], "tail": ["m.9"]})
    entities = pl.DataFrame({"entity_id": ["m.1", "m.9"], "item_id": ["a", None]})
    made = column_facts(Tables(None, items(kind=["Pen", "Pen", "Ink"]), None, triples, entities))
    assert set(made.triples.iter_rows()) == {
        ("m.1", "by", "m.9"), ("m.1", "kind", "kind:Pen"), ("item:b", "kind", "kind:Pen"),
        ("item:c", "kind", "kind:Ink"),
    }  # fmt: skip
    assert made.entities["entity_id"].is_unique().all()


def test_facts_that_name_items_by_their_ids_go_on_doing_so():
    triples = pl.DataFrame({"head": ["a"], "relation": ["by"], "tail": ["Ann"]})
    made = column_facts(Tables(None, items(kind=["Pen", "Ink", None]), None, triples))
    assert set(made.triples.iter_rows()) == {
        ("a", "by", "Ann"),
        ("a", "kind", "kind:Pen"),
        ("b", "kind", "kind:Ink"),
    }


def test_what_is_no_fact_is_told(tmp_path):
    events = pl.DataFrame({"user_id": ["u"], "item_id": ["a"]})
    shop = column_facts(
        Tables(events, items(text=["long", None, None], kind=["Pen"] * 3, by=["x", "y", "x"]))
    )
    assert FORMATS["rdf"].left_out(shop) == ("Left out: events, text of items, kind of items.",)


def test_a_table_of_titles_has_no_facts(tmp_path):
    (tmp_path / "shop").mkdir()
    write_plain(Tables(None, items()), tmp_path / "shop")
    with pytest.raises(UsageError, match="have none"):
        convert(tmp_path / "shop", tmp_path / "out", to="rdf")
    assert not (tmp_path / "out").exists()
