"""What `kgintent build` says of the files that it reads."""

import re

import polars as pl
import pytest

ITEMS = "item,title\na,Anvil\nb,Bell\n"


@pytest.fixture
def build(call, tmp_path):
    """Builds of these events and items; gives stderr of what must work."""

    def run(events, items=ITEMS, *options, code=0):
        (tmp_path / "events.csv").write_text(events, encoding="utf-8")
        (tmp_path / "items.csv").write_text(items, encoding="utf-8")
        files = [tmp_path / "events.csv", tmp_path / "items.csv"]
        found, _, err = call("build", *files, "-o", tmp_path / "data", *options)
        assert found == code, err
        return err

    return run


def test_the_columns_and_the_span_are_told(build):
    events = "who,item,Aktion,at\nu,a,buy,2024-01-02 10:00\nu,b,view,2024-03-04\n"
    err = build(events, ITEMS, "--columns", "user=who")
    assert "user <- who, item <- item, time <- at, behaviour <- none; not used: Aktion\n" in err
    assert "behaviour: view 2; times: 2024-01-02 … 2024-03-04\n" in err
    err = build(events, ITEMS, "--columns", "user=who,behaviour=Aktion", "--no-time")
    assert "behaviour <- Aktion, time <- none (--no-time); not used: at\n" in err
    assert "behaviour: purchase 1, view 1\n" in err
    err = build(events.replace("at\n", "Datum\n"), ITEMS, "--columns", "user=who")
    assert "time <- none (rows are taken in file order); not used: Aktion, Datum\n" in err


@pytest.mark.parametrize(
    ("cell", "read"),
    [
        ("46090.5875", "1970-01-01 12:48:10"),  # a day of Excel
        ("492849", "1970-01-06 16:54:09"),  # hours since 1970
        ("03112026", "1970-02-06 00:27:06"),
    ],
)
def test_times_that_are_hardly_meant_so_are_told(build, cell, read):
    err = build(f"user,item,time\nu,a,{cell}\nv,b,{cell}\n")
    assert f"Most times lie before 1990 or more than a year ahead. '{cell}' in row 1" in err
    assert f"was read as {read}" in err
    assert "Most times" not in build(
        "user,item,time\nu,a,2024-01-02\nv,b,2024-01-02\nv,a,1970-01-02\n"
    )


def test_a_time_that_cannot_be_read_is_kept_as_it_was_written(build, tmp_path):
    err = build("user,item,time\nu,a,2024-01-02\nu,b,03.01.2024 15:00\nv,b,2024-01-04\n")
    assert "1 no time (such as '03.01.2024 15:00' in row 2)" in err
    told = (tmp_path / "data" / "set_aside.csv").read_text(encoding="utf-8")
    assert told.splitlines()[1] == "u,b,view,03.01.2024 15:00,2,no time"


def test_the_columns_of_items_are_told_and_that_there_is_nothing_to_read(build):
    events = "user,item\nu,a\n"
    assert "item_id <- item, title <- title, text <- none\n" in build(events)
    items = ITEMS.replace("title", "Bezeichnung")
    err = build(events, items)
    assert "title <- none (items are called by their ids and have no text; --columns title=" in err
    for name in ("itle", "titel", "name"):
        err = build(events, items, "--columns", f"{name}=Bezeichnung")
        assert f"makes facts called {name!r} of this column. Did you mean 'title'?" in err
    assert "Did you mean" not in build(events, items, "--columns", "texture=Bezeichnung")


def test_what_is_not_used_or_doubtful_is_told(build):
    rows = "".join(
        f"i{n},code {n},,{'n/a' if n else 'red'},{n},{n}{'x' * (n < 2)}\n" for n in range(30)
    )
    err = build("user,item\nu,i0\n", f"item,code,gone,colour,price,size\n{rows}")
    assert "not used, nearly one value a row: code, size\n" in err
    assert "not used, empty: gone\n" in err
    assert "  29 cells that read n/a are taken as empty: colour.\n" in err
    assert "  size: 2 of 30 cells are no number, such as '0x', so that" in err
    assert "attributes: colour (1), price (5)\n" in err


def test_ratings_are_told_to_count_unless_low_ones_are_left_out(build):
    events = "user,item,rating\nu,a,5\nu,b,1\nv,a,4\n"
    err = build(events)
    assert "rating (1 to 5): an event counts whatever its value; --least-value X" in err
    err = build(events, ITEMS, "--least-value", "4")
    assert "3 events read, 2 kept, kept aside: 1 low value" in err
    assert "counts whatever" not in err
    assert "counts whatever" not in build(events.replace("rating", "quantity"))


def test_it_is_told_where_no_behaviour_is_a_step_to_buy(build):
    rows = "user,item,event\nu,a,浏览\nu,b,{}\n"
    err = build(rows.format("抢购"))
    assert (
        "None of them is a cart, checkout or purchase: `intents` will not say buying. Not " in err
    )
    assert "Not known by name: 抢购.\n" in err
    err = build(rows.format("收藏"))
    assert "will not say buying.\n" in err
    for name in ("加入购物车", "下單", "Begin Checkout"):
        assert "None of them" not in build(rows.format(name))


# ---- a graph that was made before --------------------------------------------------------


@pytest.fixture
def graph(call, tmp_path):
    """The graph folder of a table of items."""

    def run(text, *options):
        (tmp_path / "table.csv").write_text(text, encoding="utf-8")
        words = ("kg", "from-table", tmp_path / "table.csv", "-o", tmp_path / "graph", *options)
        code, _, err = call(*words)
        assert code == 0, err
        return tmp_path / "graph", err

    return run


EVENTS = "user,item,time\nu,1,2024-01-02\nv,2,2024-01-03\nv,3,2024-01-04\n"
NUMBERED = "item_id,title\n1,A\n2,B\n3,C\n"


def test_a_graph_of_other_ids_is_refused(build, graph, tmp_path):
    kinds = ("--relations", "brand,kind:hierarchy(>)")
    table = "item_id,brand,kind\n01,x,a>b\n02,x,a>c\n03,y,a\n"
    folder, _ = graph(table, *kinds)
    err = build(EVENTS, NUMBERED, "--graph", folder, code=1)  # part_of alone would be left
    assert "3 items of it are in no file (3 ids are known but for zeros in front, such as '01'" in (
        err
    )
    assert "no fact about an item is left" in err
    assert "The graph's items ('01' first) and those of" in err
    assert "items.csv ('1' first) must have the same ids" in err
    assert not (tmp_path / "data").exists()
    folder, _ = graph("item_id,brand\na,x\nb,x\nc,y\n", "--relations", "brand")
    err = build(EVENTS, NUMBERED, "--graph", folder, code=1)
    assert "3 items of it are in no file. The graph's items ('a' first)" in err


def test_zeros_in_front_of_ids_of_a_graph_are_told(build, graph):
    folder, _ = graph("item_id,brand\n1,x\n02,x\nz,y\n", "--relations", "brand")
    err = build(EVENTS, NUMBERED, "--graph", folder)
    assert "1 facts in place of the attributes; 2 items of it are in no file (1 id is known" in err
    folder, _ = graph("item_id,brand\n1,x\nz,y\n", "--relations", "brand")
    err = build(EVENTS, NUMBERED, "--graph", folder)
    assert "; 1 items of it are in no file\n" in err


def test_cells_of_a_table_that_are_taken_as_empty_are_told(graph):
    _, err = graph("item_id,brand\n1,NULL\n2,x\n3,N/A\n", "--relations", "brand")
    assert "2 cells that read N/A, NULL are taken as empty: brand.\n" in err
    assert ": 3 item, 1 brand; 1 edges" in err


def test_broken_lines_are_left_out_if_asked(call, tmp_path):
    (tmp_path / "e.csv").write_text("user,item,time\nu,a,10\nu,b\nv,b,20\nv,a,30\nu,c,40\n")
    (tmp_path / "i.csv").write_text("item_id,title\na,One\nb,Two\nc,Three\n")
    (tmp_path / "t.csv").write_text("head,relation,tail\na,by,acme\nb,by\n")
    words = ["build", tmp_path / "e.csv", tmp_path / "i.csv", "--triples", tmp_path / "t.csv",
             "-o", tmp_path / "d"]  # fmt: skip
    code, _, err = call(*words)
    assert code == 1
    assert re.search(r"e\.csv, line 3, must have 3 cells.*--skip-broken leaves out", err)
    assert not (tmp_path / "d").exists()
    code, _, err = call(*words, "--skip-broken")
    assert code == 0, err
    assert "2 broken lines were left out" in err
    kept = pl.read_csv(tmp_path / "d" / "set_aside_lines.csv")
    assert kept["text"].to_list() == ["u,b", "b,by"]
