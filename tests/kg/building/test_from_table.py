"""From a table to a graph: what each kind of column becomes, what is guessed, what is refused."""

import gzip

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.building.columns import ColumnRelation, guess_relations, parse_relations
from kg.building.from_table import ABOVE, from_table
from kg.catalog import Catalog
from kg.dates import UNDATED
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
        ("title:bins(3)", "line 2: column 'title' must be a number. Got 'Rain boots'"),
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


def shop(cells, name="price"):
    """A frame of ids, titles and this column."""
    ids = [f"s{n:03d}" for n in range(len(cells))]
    titles = [f"T {n}" for n in range(len(cells))]
    return pl.DataFrame({"sku": ids, "title": titles, name: cells})


def test_cells_that_say_nothing_are_no_nodes(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text(
        "sku,title,brand,price,day,kind\n"
        "NULL,null,NULL,5,2020-01-01,a>b\n"
        "s2,B,Nike,NaN,N/A,n/a\n"
        "s3,C,N/A,7,2021-01-01,a>c\n"
        "s4,D, nan ,8,2021-01-01,a\n"
        "s5,E,Acme,,2021-01-01,a\n", encoding="utf-8",
    )  # fmt: skip
    line = "brand,price:bins(2),kind:hierarchy(>)"
    for told in (line, None):
        made = from_table(file, relations=told, time="day")
        assert facts(made.graph, "brand") == [("s2", "Nike"), ("s5", "Acme")]
        assert {value for _, value in facts(made.graph, "price")} <= {"5", "7", "8", "5–7", "7–8"}
        assert len(facts(made.graph, "price")) == 3
        assert made.graph.vocabs["item"].ids == ("NULL", "s2", "s3", "s4", "s5")  # an id is an id
        assert made.graph.names["item"] == ("", "B", "C", "D", "E")
        assert made.notes == (
            "7 cells that read N/A, NULL, NaN, n/a, nan, null are taken as empty: "
            "title, brand, price, day, kind",
        )
        dates = made.graph.edge_time[("item", "brand", "brand")]
        assert dates.tolist() == [UNDATED, 1_609_459_200]
    users = pl.DataFrame({"user_id": ["u", "v"], "town": ["None", "Ulm"]})
    made = from_table(file, relations=line, users=users, user_relations="town")
    assert facts(made.graph, "town") == [("v", "Ulm")]
    assert "the users: 1 cells that read None are taken as empty: town" in made.notes


@pytest.mark.parametrize(
    "write", ["€{:.2f}".format, "{:,.2f} EUR".format, "￥{:.2f}起".format, "{:.2f}".format]
)
def test_prices_are_the_numbers_that_build_reads(write):
    values = np.random.default_rng(0).uniform(1, 3000, 60)
    frame = shop([write(value) for value in values])
    bands = Catalog.read(frame).attribute("price")
    assert bands is not None
    for line in (None, "price:bins(5)"):
        made = from_table(frame, relations=line)
        assert str(made.made[0].relation) == "price:bins(5)"
        assert made.graph.vocabs["price"].ids == bands.values.ids
        pairs = np.stack([bands.row, bands.value])
        order = np.lexsort(pairs[::-1])
        assert np.array_equal(made.graph.edges[("item", "price", "price")], pairs[:, order])


def test_whole_prices_are_no_identifier():
    frame = shop([str(100 + 7 * n) for n in range(60)])
    assert str(from_table(frame).made[0].relation) == "price:bins(5)"
    with_sign = shop([f"{100 + 7 * n} €" for n in range(60)], "what")
    assert str(from_table(with_sign).made[0].relation) == "what:bins(5)"
    assert not from_table(shop([str(100 + 7 * n) for n in range(60)], "ean")).made


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        (["€5", "on request", "6"], "row 2: column 'price' must be a number. Got 'on request'"),
        (["5", "inf"], "row 2: .* Got 'inf'"),
        (["€5", "€6", "$6"], r"row 3: .* Got '\$6' instead \(amounts in .* are not read"),
        (["1,299", "899"], r"row 1: .* Got '1,299' instead \('1,299' may be 1299 or 1.299"),
        (["1.299,00", "1,299.00"], "row 1: .* Got '1.299,00'"),
    ],
)
def test_bins_of_what_is_no_number_are_refused(cells, says):
    with pytest.raises(DataError, match=says):
        from_table(shop(cells), relations="price:bins(2)")


def test_what_is_doubtful_in_numbers_is_told():
    frame = shop(["1.299", "2.500"])
    assert from_table(frame, relations="price:bins(2)").notes[0].startswith("price: '1.299' is")
    assert len(from_table(frame).notes) == 1
    mixed = shop([f"{sign}{n}" for n in range(30) for sign in "€$"])
    assert from_table(mixed).notes == ("price: amounts in $ and € are not read as numbers",)


@pytest.mark.parametrize("line", [None, "cat:hierarchy(>)", "cat:hierarchy(＞)", "cat:hierarchy()"])
def test_a_wide_mark_is_a_mark(line):
    cells = ["A＞B", "A ＞ C", "A>C", "A > B＞D"]
    graph = from_table(shop(cells, "cat"), relations=line).graph
    assert graph.vocabs["cat"].ids == ("A", "A > B", "A > B > D", "A > C")
    category = Catalog.read(shop(cells, "category")).attribute("category")
    assert category is not None
    assert category.values.ids == graph.vocabs["cat"].ids


def test_wide_digits_are_the_same_year():
    graph = from_table(shop(["2021", "２０２１", "2021-03-04"], "y"), relations="y:year").graph
    assert graph.vocabs["y"].ids == ("2021",)


def test_nothing_in_brackets_is_what_is_usual():
    assert parse_relations("tags:list(),c:hierarchy(),p:bins(),y:year()") == parse_relations(
        "tags:list,c:hierarchy,p:bins,y:year"
    )
    assert [str(one) for one in parse_relations("tags:list()")] == ["tags:list(|)"]


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
