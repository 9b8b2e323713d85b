"""From a table to a graph: what each kind of column becomes, what is guessed, what is refused."""

import gzip

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.building.columns import ColumnRelation, guess_relations, parse_relations
from kg.building.from_table import ABOVE, from_table
from kg.errors import DataError, UsageError
from kg.graph import KnowledgeGraph

TABLE = """sku,title,brand,category,price,tags,released
b2,Rain boots,Acme,Shoes > Boots,30,rain|sale,2019-04-01
a1,Trail shoe,Acme,Shoes > Sport > Running,80,sport|sale,2021
c3,Wool hat,,Hats,10,,1999-12-31T23:00:00
d4,Sun hat,Brim,Hats,20,sun,soon
"""
LINE = "brand,category:hierarchy(>),price:bins(2),tags:list(|),released:year"


@pytest.fixture
def table(tmp_path):
    file = tmp_path / "items.csv"
    file.write_text(TABLE, encoding="utf-8")
    return file


def facts(graph, relation):
    """The edges of a relation, by ids."""
    key = next(r for r in graph.edges if r[1] == relation)
    heads, tails = graph.edges[key]
    return sorted(zip(graph.vocabs[key[0]].decode(heads), graph.vocabs[key[2]].decode(tails),
                      strict=True))  # fmt: skip


def test_each_kind_of_column(table):
    found = from_table(table, id="sku", relations=LINE)
    graph = found.graph
    assert facts(graph, "brand") == [("a1", "Acme"), ("b2", "Acme"), ("d4", "Brim")]
    assert facts(graph, "tags") == [
        ("a1", "sale"), ("a1", "sport"), ("b2", "rain"), ("b2", "sale"), ("d4", "sun"),
    ]  # fmt: skip
    assert ("a1", "Shoes > Sport > Running") in facts(graph, "category")
    assert ("a1", "Shoes") in facts(graph, "category")  # its ancestors too
    assert facts(graph, ABOVE) == [
        ("Shoes > Boots", "Shoes"), ("Shoes > Sport", "Shoes"),
        ("Shoes > Sport > Running", "Shoes > Sport"),
    ]  # fmt: skip
    assert facts(graph, "price") == [("a1", "25–80"), ("b2", "25–80"), ("c3", "10–25"),
                                     ("d4", "10–25")]  # fmt: skip
    assert facts(graph, "released") == [("a1", "2021"), ("b2", "2019"), ("c3", "1999")]
    assert graph.name("item", 0) == "Trail shoe"
    assert {one.relation.name: one.unread for one in found.made}["released"] == 1  # 'soon'
    assert found.relations == LINE
    assert KnowledgeGraph.from_table(table, relations=LINE).edges.keys() == graph.edges.keys()


def test_rows_in_any_order_and_a_frame_give_the_same_graph(table):
    one = from_table(table, relations=LINE).graph
    frame = pl.read_csv(table, infer_schema=False)
    for other in (frame.reverse(), frame.sample(fraction=1, shuffle=True, seed=3)):
        again = from_table(other, relations=LINE).graph
        assert again.vocabs == one.vocabs
        assert again.names == one.names
        for relation, edges in one.edges.items():
            assert np.array_equal(again.edges[relation], edges)


def test_several_paths_in_a_cell_and_other_marks():
    frame = pl.DataFrame({"id": ["x"], "where": ["A/B|A/C"], "kinds": ["a, b"]})
    graph = from_table(frame, relations="place=where:hierarchy(/),kinds:list(,)").graph
    assert facts(graph, "place") == [("x", "A"), ("x", "A > B"), ("x", "A > C")]
    assert facts(graph, "kinds") == [("x", "a"), ("x", "b")]
    path = from_table(pl.DataFrame({"id": ["x"], "c": ["A|B"]}), relations="c:hierarchy(|)").graph
    assert facts(path, "c") == [("x", "A"), ("x", "A > B")]


def test_users_have_relations_too_and_names_do_not_collide(table, tmp_path):
    users = tmp_path / "users.csv"
    users.write_text("user_id,brand,item\nu1,Acme,x\nu2,,y\n", encoding="utf-8")
    graph = from_table(table, relations="brand", users=users, user_relations="brand,item").graph
    assert ("user", "brand", "user_brand") in graph.edges
    assert ("user", "item", "user_item") in graph.edges
    assert graph.num_nodes["user"] == 2


def test_guesses_are_said_with_their_reasons():
    rows = 60
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({
        "id": [f"i{n}" for n in range(rows)],
        "brand": [f"b{n % 5}" for n in range(rows)],
        "marke": [f"m{n % 5}" for n in range(rows)],
        "path": [f"A > B{n % 3}" for n in range(rows)],
        "tags": [f"t{n % 4}|t{n % 3}" for n in range(rows)],
        "price": [f"{x:.2f}" for x in rng.uniform(1, 99, rows)],
        "day": [f"2020-01-{1 + n % 28:02d}" for n in range(rows)],
        "ean": [str(4000000000000 + n) for n in range(rows)],
        "maker_id": [str(n % 7) for n in range(rows)],
        "about": [f"{n} " + "word " * 20 for n in range(rows)],
        "code": [f"x-{n}" for n in range(rows)],
        "shop": ["one"] * rows, "void": [None] * rows,
    }, schema_overrides={"void": pl.String})  # fmt: skip
    told = {guess.column: guess for guess in guess_relations(frame, ["id"])}
    kinds = {name: g.relation and str(g.relation) for name, g in told.items()}
    assert kinds == {
        "brand": "brand", "marke": None, "path": "path:hierarchy(>)", "tags": "tags:list(|)",
        "price": "price:bins(5)", "day": "day:year", "ean": None, "maker_id": "maker_id",
        "about": None, "code": None, "shop": None, "void": None,
    }  # fmt: skip
    assert told["marke"].why == "says what brand says"
    assert told["void"].why == "empty"
    line = from_table(frame).relations
    assert (
        from_table(frame, relations=line).graph.edges.keys() == from_table(frame).graph.edges.keys()
    )


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("brnd", "Did you mean 'brand'"),
        ("brand:hierachy(>)", "Did you mean 'hierarchy'"),
        ("price:bins(1)", r"\[2, 100\]"),
        ("price:bins(many)", r"\[2, 100\]"),
        ("brand(5)", r"no column 'brand\(5\)'"),
        ("released:year(2)", "nothing in brackets"),
        ("brand,brand", "'brand' twice"),
        ("", "at least one column"),
        ("title:bins(3)", "row 1: column 'title' must be a number"),
    ],
)
def test_a_line_that_does_not_fit(table, line, says):
    with pytest.raises((DataError, UsageError), match=says):
        from_table(table, relations=line)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sku,brand\na,x\na,y\n", "line 3: each item must stand once. Got 'a' again"),
        ("sku,brand\na,x\n,y\n", "line 3: column 'sku' must not be empty"),
        ("name,brand\na,x\n", "no column for 'item_id'"),
        ("sku,brand\n", "no rows"),
        ("", "is empty"),
    ],
)
def test_a_table_that_does_not_fit(tmp_path, text, says):
    file = tmp_path / "t.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=says):
        from_table(file, relations="brand")


def test_gzip_and_chinese(tmp_path):
    file = tmp_path / "t.csv.gz"
    file.write_bytes(gzip.compress("商品,名称,类别\n甲,雨靴,鞋 > 靴子\n乙,帽子,帽\n".encode()))
    graph = from_table(file, relations="类别:hierarchy(>)").graph
    assert facts(graph, "类别") == [("乙", "帽"), ("甲", "鞋"), ("甲", "鞋 > 靴子")]
    assert set(graph.names["item"]) == {"雨靴", "帽子"}


NAME = st.text(st.characters(blacklist_characters="=:(),\x00", blacklist_categories=["Cs", "Cc"]),
               min_size=1).map(str.strip).filter(bool)  # fmt: skip
RELATION = st.one_of(
    st.builds(ColumnRelation, NAME),
    st.builds(lambda n, m: ColumnRelation(n, "list", m), NAME, st.sampled_from("|;,/ ")),
    st.builds(lambda n, m: ColumnRelation(n, "hierarchy", m), NAME, st.sampled_from([">", "::"])),
    st.builds(lambda n, b: ColumnRelation(n, "bins", "", b), NAME, st.integers(2, 100)),
    st.builds(lambda n, c: ColumnRelation(n, "year", "", 0, c), NAME, NAME),
)  # fmt: skip


@given(st.lists(RELATION, min_size=1, max_size=5, unique_by=lambda one: one.name))
def test_a_line_that_was_written_is_read_back(relations):
    assert parse_relations(",".join(map(str, relations))) == tuple(relations)
