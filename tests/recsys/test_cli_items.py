"""The command line on items and the index: filters, stock, building, auditing, damage."""

import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.errors import DataError, UsageError
from kg.folders import changing
from kg.storage import Dataset
from kg.testing import planted
from recsys import Recommender
from recsys.cli import indexing
from recsys.training.config import RunConfig
from recsys.training.fit import fit
from recsys.training.settings import TrainConfig


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of 120 items with a category and a price."""
    world = planted(np.random.default_rng(1), users=40, items=120, events=8)
    kinds = world.catalog.attribute("category").cells(120)
    catalog = Catalog.of(world.catalog.ids.ids, world.catalog.titles, None, {"category": kinds},
                         numbers={"price": np.arange(120.0)})  # fmt: skip
    data = Dataset(world.log, catalog, build_graph(world.log, catalog))
    run = tmp_path_factory.mktemp("runs") / "a"
    fit(data, "hash", RunConfig(train=TrainConfig(max_epochs=1))).recommender.save(run)
    return run, kinds


@pytest.fixture
def run(made, tmp_path):
    shutil.copytree(made[0], tmp_path / "a")
    return tmp_path / "a"


def rows(call, *words):
    code, out, err = call(*words)
    assert code == 0, err
    return [json.loads(line) for line in out.splitlines()], err


def sentence(call, code, *words):
    found, out, err = call(*words)
    assert (found, out) == (code, ""), err
    return err


USER = ("--user", "u00003")
HISTORY = ("--history", "i0001")


def test_filters_on_the_command_line(call, run, made):
    kind = made[1][5][0]
    found, _ = rows(call, "recommend", run, *USER, "--where", f"category={kind}", "--where",
                    "price=..59.5", "-k", 5)  # fmt: skip
    ids = [int(row["item"][1:]) for row in found]
    assert found
    assert all(n < 60 and made[1][n] == [kind] for n in ids)
    spelled, _ = rows(call, "recommend", run, *USER, "--where", f"category={kind}", "--where",
                      "price=..￥59.5", "-k", 5)  # fmt: skip
    assert spelled == found
    found, err = rows(call, "recommend", run, *USER, "--only", "i0001,i0002", "-k", 5)
    assert {row["item"] for row in found} <= {"i0001", "i0002"}
    assert "of the 5 items asked for" in err
    assert "Warning" not in err
    file = run.parent / "ids.txt"
    file.write_text("i0001\n\ni0007\n", encoding="utf-8")
    found, _ = rows(call, "similar", run, "--item", "i0000", "--only", f"@{file}", "-k", 2)
    assert {row["item"] for row in found} == {"i0001", "i0007"}
    code, out, _ = call("recommend", run, "--all", "-k", 3, "--where", "price=100..")
    assert code == 0
    assert {int(line.split(",")[1][1:]) >= 100 for line in out.split()[1:]} == {True}
    found, _ = rows(call, "recommend", run, *USER, "-k", 6, "--at-most", "category=1")
    assert len({made[1][int(row["item"][1:])][0] for row in found}) == len(found) == 6


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--where", "price"), "NAME=VALUE"),
        (("--where", "prise=1..2"), "Did you mean 'price'"),
        (("--where", "category=x"), "No item of this run has category 'x'"),
        (("--where", "price=1..2", "--where", "price=3.."), "must stand once"),
        (("--only", "i9999"), "'i9999' is not known"),
        (("--diversity", "3"), "must be a number in [0, 1]"),
        (("--at-most", "category=two"), "must be counts such as category=2"),
        (("--at-most", "category=0"), "counts >= 1"),
    ],
)
def test_mistakes_in_filters_are_sentences(call, run, words, said):
    assert said in sentence(call, 2, "recommend", run, *USER, *words)


def test_all_lists_may_be_steered_and_spread_as_one_is(call, run):
    wish = ("--at-most", "category=1", "--diversity", "0.2", "-k", 4)
    code, out, err = call("recommend", run, "--all", *wish, "--json")
    assert code == 0, err
    lists = pl.read_ndjson(out.encode()).rows_by_key("user_id", named=True)
    assert len(lists) == len(Recommender.load(run).log.users)
    own = rows(call, "recommend", run, *USER, *wish)[0]
    told = lists[USER[1]]
    assert [row["item_id"] for row in told] == [row["item"] for row in own]
    assert [row["rank"] for row in told] == list(range(1, len(own) + 1))
    assert "counts >= 1" in sentence(call, 2, "recommend", run, "--all", "--at-most", "category=0")


def test_files_of_ids_that_cannot_be_read_are_named(call, run):
    assert "UTF-8" in sentence(call, 2, "recommend", run, *USER, "--only", f"@{made_bad(run)}")
    assert "nowhere" in sentence(call, 1, "recommend", run, *USER, "--only", "@nowhere.txt")


def made_bad(run):
    file = run.parent / "bad.txt"
    file.write_bytes(b"i0001\n\xff\xfe\n")
    return file


def test_stock_from_a_table_and_from_options(call, run):
    (first, *_), _ = rows(call, "recommend", run, *USER, "-k", 1)
    file = run.parent / "stock.csv"
    pl.DataFrame({"sku": [first["item"], "i0001"], "库存": ["0", "12"]}).write_csv(file)
    assert "1 of 120 out of stock" in sentence(call, 0, "items", "stock", run, file)
    found, _ = rows(call, "recommend", run, *USER, "-k", 100)
    assert first["item"] not in {row["item"] for row in found}
    sentence(call, 0, "items", "stock", run, "--in", first["item"])
    assert rows(call, "recommend", run, *USER, "-k", 1)[0] == [first]


def test_the_columns_of_a_stock_table_can_be_named(call, run):
    file = run.parent / "stock.csv"
    file.write_text("Artikelnummer,Lieferbar\ni0001,0\n", encoding="utf-8")
    assert "--columns item_id=NAME" in sentence(call, 1, "items", "stock", run, file)
    words = ("--columns", "item_id=Artikelnummer,in_stock=Lieferbar")
    assert "1 of 120 out" in sentence(call, 0, "items", "stock", run, file, *words)
    assert "needs a FILE" in sentence(call, 2, "items", "stock", run, "--out", "i0001", *words)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ("sku,stock\ni0001,maybe\n", "line 2: column 'stock' must be yes, no or a number"),
        ("sku,price\ni0001,3\n", "in_stock"),
        ("sku,stock\ni0001,1\ni0001,0\n", "in stock in one row and not in another"),
        ("sku,stock\ni7777,1\n", "none of its items can be used: 1 not known ('i7777')"),
        ("", "empty"),
    ],
)
def test_mistakes_in_stock_change_nothing(call, run, cells, said):
    file = run.parent / "stock.csv"
    file.write_text(cells, encoding="utf-8")
    before = (run / "manifest.json").read_bytes()
    code, out, err = call("items", "stock", run, file)
    assert code in (1, 2)
    assert said in err
    assert out == ""
    assert (run / "manifest.json").read_bytes() == before


def test_what_a_stock_table_says_of_other_items_is_left_out(call, run):
    """An item that was removed, and some that nobody knows, keep no other one in stock."""
    sentence(call, 0, "items", "remove", run, "--item", "i0004")
    file = run.parent / "stock.csv"
    cells = ["i0004,3", "i0001,0", "x1,1", "x2,0", "x3,0", "x4,1", "i0002,1"]
    file.write_text("\n".join(["sku,stock", *cells]), encoding="utf-8")
    said = sentence(call, 0, "items", "stock", run, file)
    assert "left out: 4 not known ('x1', 'x2', 'x3', …), 1 removed ('i0004'; `items add`" in said
    assert "2 items told of, 1 of 119 out of stock" in said
    found, _ = rows(call, "recommend", run, *USER, "-k", 119)
    assert not {"i0001", "i0004"} & {row["item"] for row in found}
    before = (run / "manifest.json").read_bytes()  # an id that was typed is still a mistake
    assert "'x1' is not known" in sentence(call, 2, "items", "stock", run, file, "--out", "x1")
    assert "was removed" in sentence(call, 2, "items", "stock", run, file, "--in", "i0004")
    assert (run / "manifest.json").read_bytes() == before


def test_stock_needs_something_and_not_both(call, run):
    assert "Say what is in stock" in sentence(call, 2, "items", "stock", run)
    both = ("--in", "i0001", "--out", "i0001")
    assert "Got both of 'i0001'" in sentence(call, 2, "items", "stock", run, *both)


def test_the_index_is_built_and_audited(call, run):
    pytest.importorskip("faiss")
    assert "exact search: 120 vectors" in sentence(call, 0, "index", run)
    (audit,), _ = rows(call, "index", "audit", run)
    assert audit["recall"] == 1
    assert audit["kind"] == "exact"
    (choice,), err = rows(call, "index", "build", run, "--kind", "ivf", "--recall", "0.9", "--json")
    assert choice["kind"] == "ivf"
    assert choice["recall"] >= 0.9
    assert "A query visits" in err
    (audit,), _ = rows(call, "index", "audit", run, "--recall", "0.5", "--json")
    assert len(audit["curve"]) == 9
    code, _, err = call("index", "audit", run, "--p99", "0.000001")
    assert code == 1
    assert "more than 1e-06" in err
    assert Recommender.load(run).index.kind == "ivf"


def test_many_new_items_make_the_index_anew_as_it_was_asked_for(call, run):
    pytest.importorskip("faiss")
    sentence(call, 0, "index", "build", run, "--kind", "ivf")
    file = run.parent / "new.csv"
    pl.DataFrame({"sku": [f"n{n}" for n in range(80)], "title": ["New"] * 80}).write_csv(file)
    assert "made anew (ivf)" in sentence(call, 0, "items", "add", run, file)
    index = Recommender.load(run).index
    assert (index.kind, index.built) == ("ivf", 200)


@pytest.mark.parametrize("kind", ["exact", "ivf", "pq", "hnsw"])
def test_a_run_answers_after_each_kind_and_a_damaged_index_is_made_anew(call, run, kind):
    sentence(call, 0, "index", "build", run, "--kind", kind)
    before, _ = rows(call, "recommend", run, "--user", "u00003", "-k", 5)
    assert len(before) == 5
    (run / "index.faiss").write_bytes((run / "index.faiss").read_bytes() + b"x")
    told = sentence(call, 1, "recommend", run, "--user", "u00003")
    assert "index.faiss is damaged" in told
    assert f"`kgintent index {run}` makes it anew" in told
    sentence(call, 0, "index", "build", run, "--kind", kind)
    after, _ = rows(call, "recommend", run, "--user", "u00003", "-k", 5)
    assert [row["item"] for row in after] == [row["item"] for row in before]
    (run / "index.faiss").unlink()
    assert "index.faiss is missing" in sentence(call, 1, "recommend", run, "--user", "u00003")
    sentence(call, 0, "index", run)
    (run / "data.npz").write_bytes(b"")
    assert "data.npz is damaged" in sentence(call, 1, "index", run)


def test_the_audit_of_an_index_that_compares_all_draws_nothing_and_says_so(call, run):
    plot = run.parent / "c.svg"
    (audit,), err = rows(call, "index", "audit", run, "--plot", plot, "--recall", "0.99")
    assert (audit["kind"], audit["recall"]) == ("exact", 1)
    assert "c.svg: nothing was drawn" in err
    assert not plot.exists()
    code, out, err = call("index", "audit", run, "--plot", plot, "--p99", "0.000001")
    assert code == 1
    assert json.loads(out)["kind"] == "exact"
    assert "more than 1e-06" in err
    assert "'c.pdf'" in sentence(call, 2, "index", "audit", run, "--plot", run.parent / "c.pdf")


def new_items(run, first, count):
    file = run.parent / f"new{first}.csv"
    ids = [f"n{n}" for n in range(first, first + count)]
    pl.DataFrame({"sku": ids, "title": ["New"] * count}).write_csv(file)
    return file


def test_an_index_that_chose_itself_chooses_anew_when_the_run_outgrows_its_kind(
    call, run, monkeypatch
):
    pytest.importorskip("faiss")
    width = Recommender.load(run).index.vectors.shape[1]
    monkeypatch.setattr("recsys.index_plan.EXACT", 0.95 * 130 * width)  # up to 130 items
    asked = shutil.copytree(run, run.parent / "asked")
    sentence(call, 0, "index", "build", asked, "--kind", "exact")
    for at, (first, count) in enumerate([(0, 10), (10, 10), (20, 10)]):
        file = new_items(run, first, count)
        said = sentence(call, 0, "items", "add", run, file)
        assert ("made anew (ivf): 140 vectors" in said) == (at == 1)
        assert ("made anew" in said) == (at == 1)
        assert "made anew" not in sentence(call, 0, "items", "add", asked, file)
    index = Recommender.load(run).index
    assert (index.kind, index.built, len(index)) == ("ivf", 140, 150)
    assert Recommender.load(asked).index.kind == "exact"
    monkeypatch.setattr("recsys.index_plan.CODED", 155 * width)  # short codes from here on
    assert "made anew (pq)" in sentence(call, 0, "items", "add", run, new_items(run, 30, 5))


def test_a_kind_that_was_too_weak_is_not_tried_at_each_change(call, run, monkeypatch):
    pytest.importorskip("faiss")
    width = Recommender.load(run).index.vectors.shape[1]
    monkeypatch.setattr("recsys.index_plan.EXACT", 0.95 * 125 * width)
    monkeypatch.setattr("recsys.index_plan.enough", lambda found, config: False)
    said = sentence(call, 0, "items", "add", run, new_items(run, 0, 10))
    assert "made anew (exact)" in said
    assert "were the most that ivf found" in said
    assert "made anew" not in sentence(call, 0, "items", "add", run, new_items(run, 10, 10))


def test_what_is_sold_out_makes_the_index_anew_once(call, run):
    pytest.importorskip("faiss")
    sentence(call, 0, "index", "build", run, "--kind", "ivf")
    file = run.parent / "stock.csv"
    ids = Recommender.load(run).items.ids
    pl.DataFrame({"sku": ids[:50], "stock": [0] * 50}).write_csv(file)
    assert "made anew (ivf)" in sentence(call, 0, "items", "stock", run, file)
    assert "made anew" not in sentence(call, 0, "items", "stock", run, "--out", ids[60])
    assert "made anew" not in sentence(call, 0, "items", "stock", run, "--in", ids[0])
    found, _ = rows(call, "recommend", run, *USER, "-k", 120)
    assert {row["item"] for row in found} & {*ids[:50], ids[60]} == {ids[0]}
    assert Recommender.load(run).index.kind == "ivf"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--kind", "tree"), "--kind"),
        (("--recall", "2"), "--recall"),
        (("-k", "0"), "--k"),
        (("--kind", "hnsw"), "of about one length"),
    ],
)
def test_mistakes_in_building_are_sentences(call, run, words, said, monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr("recsys.index.EVEN", 1.0)  # no vectors are as even as that
    assert said in sentence(call, 2, "index", "build", run, *words)


def test_two_hundred_damages_are_refused_by_name(made, tmp_path):
    """A byte turned, an end cut off, a file gone or of another run, the manifest included."""
    rng = np.random.default_rng(0)
    run = tmp_path / "a"
    shutil.copytree(made[0], run)
    rec = Recommender.load(run)
    rec.without_items(["i0001"]).save(tmp_path / "b")
    names = sorted(path.name for path in run.iterdir())
    whole = {name: (run / name).read_bytes() for name in names}
    refused = 0
    for number in range(200):
        name = names[number % len(names)]
        damaged, other = bytearray(whole[name]), (tmp_path / "b" / name).read_bytes()
        how = number // len(names) % 4
        if how == 0 or (how == 3 and other == whole[name]):
            damaged[int(rng.integers(len(damaged)))] ^= int(rng.integers(1, 256))
        elif how == 1:
            del damaged[int(rng.integers(len(damaged))) :]
        elif how == 3:
            damaged = other
        (run / name).unlink() if how == 2 else (run / name).write_bytes(damaged)
        with pytest.raises((DataError, UsageError)) as caught:
            Recommender.load(run)
        assert name in str(caught.value) or "manifest" in str(caught.value), (name, caught.value)
        refused += 1
        (run / name).write_bytes(whole[name])
    assert refused == 200
    assert Recommender.load(run).recommend("u00003", k=3) == rec.recommend("u00003", k=3)


def test_what_the_graph_does_not_know_of_new_items_is_told(call, run, made):
    file = run.parent / "new.csv"
    kinds = [made[1][0][0], "never seen"]
    pl.DataFrame({"sku": ["n1", "n2"], "title": ["New", "Newer"], "category": kinds,
                  "colour": ["red", "red"]}).write_csv(file)  # fmt: skip
    err = sentence(call, 0, "items", "add", run, file)
    assert "1 of category, 2 of colour" in err
    found, _ = rows(call, "recommend", run, *USER, "--where", "colour=red", "-k", 2)
    assert {row["item"] for row in found} == {"n1", "n2"}
    pl.DataFrame({"sku": ["n3"], "title": [""]}).write_csv(file)
    assert "have no text, no fact" in sentence(call, 0, "items", "add", run, file)


def feed(made, file, **changed):
    """The table that the run was trained with, ids to other titles."""
    catalog = Recommender.load(made[0]).catalog
    titles = dict(zip(catalog.ids.ids, catalog.titles, strict=True)) | changed
    pl.DataFrame({
        "sku": catalog.ids.ids, "title": list(titles.values()),
        "category": ["|".join(cell) for cell in made[1]], "price": np.arange(120.0),
    }).write_csv(file)  # fmt: skip


def test_an_unchanged_feed_is_not_stored_again(call, run, made):
    file = run.parent / "feed.csv"
    before = rows(call, "recommend", run, *USER, "-k", 20)[0]
    feed(made, file)
    for _ in range(2):
        err = sentence(call, 0, "items", "add", run, file)
        assert "0 new, 0 replaced, 120 unchanged, 120 in all" in err
    rec = Recommender.load(run)
    assert len(rec.items) == 120
    assert rows(call, "recommend", run, *USER, "-k", 20)[0] == before  # no id part was lost
    feed(made, file, i0007="Another Title")
    assert "0 new, 1 replaced, 119 unchanged, 120 in all" in sentence(
        call, 0, "items", "add", run, file
    )
    assert "0 replaced, 120 unchanged" in sentence(call, 0, "items", "add", run, file)
    assert len(Recommender.load(run).items) == 121
    assert "120 items in this run" in sentence(call, 2, "similar", run, "--item", "zzz")
    assert "1 of 120 out of stock" in sentence(call, 0, "items", "stock", run, "--out", "i0003")
    told = sentence(call, 0, "items", "remove", run, "--item", "i0004")
    assert "1 removed, 119 in all" in told
    told = sentence(call, 0, "items", "remove", run, "--item", "i0004")
    assert "0 removed (1 removed before), 119 in all" in told
    kind = made[1][7][0]
    alike = sum(cell == [kind] for number, cell in enumerate(made[1]) if number != 4)
    asked = ("--history", "i0007", "--where", f"category={kind}", "-k", 100)
    said = rows(call, "recommend", run, *asked)[1]
    assert f"leaves {alike} of 119" in said
    assert "0 new, 0 replaced, 120 unchanged, 120 in all" in sentence(
        call, 0, "items", "add", run, file
    )
    everything = {row["item"] for row in rows(call, "recommend", run, *HISTORY, "-k", 119)[0]}
    assert "i0004" in everything  # is back
    assert "i0003" not in everything  # is still sold out
    sentence(call, 0, "items", "stock", run, "--in", "i0003")
    everything = {row["item"] for row in rows(call, "recommend", run, *HISTORY, "-k", 119)[0]}
    assert "i0003" in everything


@pytest.mark.parametrize(
    ("told", "same"),
    [
        ({}, True),
        ({"title": ["Other"]}, False),
        ({"text": ["a longer text of it"]}, False),
        ({"colour": ["blue"]}, False),
        ({"price": [4.0]}, False),
        ({"colour": [None]}, True),
    ],
)
def test_an_added_item_is_unchanged_if_all_of_it_is(call, run, made, told, same):
    file = run.parent / "new.csv"
    table = {"sku": ["n1"], "title": ["Lamp"], "text": ["a lamp"], "colour": ["red"],
             "category": [made[1][0][0]], "price": [3.5]}  # fmt: skip
    pl.DataFrame(table).write_csv(file)
    assert "1 new, 0 replaced, 0 unchanged, 121" in sentence(call, 0, "items", "add", run, file)
    pl.DataFrame(table | told).write_csv(file)
    said = "0 new, 0 replaced, 1 unchanged, 121" if same else "0 new, 1 replaced, 0 unchanged, 121"
    assert said in sentence(call, 0, "items", "add", run, file)


def test_an_item_of_which_nothing_is_known_is_told_each_time(call, run):
    file = run.parent / "new.csv"
    for price in (3, 3, 4):
        pl.DataFrame({"sku": ["n1"], "title": [""], "price": [price]}).write_csv(file)
        assert "have no text, no fact" in sentence(call, 0, "items", "add", run, file)
        assert Recommender.load(run).items.unknown[-1]


def test_events_that_are_left_out_can_be_given_again(call, run):
    """Here those of an item that comes later."""
    (run.parent / "events.csv").write_text(
        "user,item,event,time\nu00003,i0009,view,1700000000\nu00003,n7,view,1700000001\n",
        encoding="utf-8",
    )
    aside = run.parent / "aside.csv"
    add, file = ("events", "add", run), run.parent / "events.csv"
    before = (run / "manifest.json").read_bytes()
    for wrong in (file, run.parent):
        assert "a file to make, other than" in sentence(call, 2, *add, file, "--set-aside", wrong)
    assert (run / "manifest.json").read_bytes() == before
    err = sentence(call, 0, *add, file, "--set-aside", aside)
    assert "1 unknown item" in err
    (left,) = pl.read_csv(aside).iter_rows(named=True)
    assert (left["user"], left["item"], left["reason"]) == ("u00003", "n7", "unknown item")
    (run.parent / "new.csv").write_text("item_id,title\nn7,Bell\n", encoding="utf-8")
    sentence(call, 0, "items", "add", run, run.parent / "new.csv")
    left = run.parent / "left.csv"
    assert "1 kept, kept aside: none" in sentence(call, 0, *add, aside, "--set-aside", left)
    assert pl.read_csv(left).is_empty()


def test_an_empty_cell_says_nothing_of_the_stock(call, run):
    file = run.parent / "stock.csv"
    file.write_text("sku,stock\ni0001,0\ni0002,\ni0003,\n", encoding="utf-8")
    sentence(call, 0, "items", "stock", run, "--out", "i0003")
    err = sentence(call, 0, "items", "stock", run, file)
    assert "2 empty cells of 'stock' say nothing ('i0002', 'i0003')" in err
    rec = Recommender.load(run)
    assert [bool(rec.items.absent[rec.items.code(f"i000{n}")]) for n in (1, 2, 3)] == [
        True, False, True,
    ]  # fmt: skip


def test_columns_that_no_vector_hears_of_cost_an_item_nothing(call, run, made):
    """Here those that only filters see, and one that is empty in every row."""
    file, user = run.parent / "feed.csv", ("--user", USER[1])
    feed(made, file)
    before = rows(call, "recommend", run, *user, "-k", 30)[0]
    table = pl.read_csv(file).with_columns(
        seen=pl.Series([f"day {n % 3}" for n in range(120)]), in_stock=pl.lit("no"),
        category=pl.lit(None, pl.String),
    )  # fmt: skip
    table.write_csv(file)
    err = sentence(call, 0, "items", "add", run, file)
    assert "in_stock is no more than a column here: `kgintent items stock" in err
    assert "120 of seen" in err
    assert "keep what the file has no column for: category" in err
    assert rows(call, "recommend", run, *user, "-k", 30)[0] == before
    code, out, _ = call("recommend", run, *user, "-k", 30, "--where", "seen=day 1", "--json")
    assert code == 0
    assert all(int(line["item"][1:]) % 3 == 1 for line in map(json.loads, out.splitlines()))
    assert "0 replaced, 120 unchanged" in sentence(call, 0, "items", "add", run, file)
    rec = Recommender.load(run)
    assert rec.facets.allowed({"category": made[1][0][0]}).any()
    table.with_columns(seen=pl.lit("day 9")).write_csv(file)
    sentence(call, 0, "items", "add", run, file)
    assert Recommender.load(run).facets.allowed({"seen": "day 9"}).sum() == 120
    with pytest.raises(UsageError, match="has seen 'day 1'"):
        Recommender.load(run).facets.allowed({"seen": "day 1"})


# ---- several at once, and links ----------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("items", "add", "items.csv"), ("items", "remove", "--item", "i0001"),
        ("items", "stock", "--out", "i0001"), ("events", "add", "events.csv"),
        ("events", "remove", "--user", "u00003"), ("kg", "add", "facts.csv"), ("index",),
    ],
)  # fmt: skip
def test_nobody_else_changes_a_run_from_reading_it_to_its_new_state(
    call, run, made, monkeypatch, words
):
    monkeypatch.chdir(run.parent)
    (run.parent / "items.csv").write_text("item_id,title\nn1,New\n", encoding="utf-8")
    (run.parent / "events.csv").write_text(
        "user,item,event,time\nu00003,i0009,view,1700000000\n", encoding="utf-8"
    )
    (run.parent / "facts.csv").write_text(
        f"head,relation,tail\ni0001,category,{made[1][2][0]}\n", encoding="utf-8"
    )
    told = []

    def change():
        with changing(run.absolute(), 0):
            pass

    def load(path, real=Recommender.load):
        with ThreadPoolExecutor(1) as pool:  # another process would be told the same
            told.append(pool.submit(change).exception())
        return real(path)

    monkeypatch.setattr(Recommender, "load", load)
    real = indexing.load_unindexed
    monkeypatch.setattr(indexing, "load_unindexed", lambda path: load(path, real))
    place = 1 if words == ("index",) else 2
    code, _, err = call(*words[:place], "a", *words[place:])
    assert code == 0, err
    assert ["is being changed by another process" in str(one) for one in told] == [True]
    change()
    assert not list(run.parent.glob(".a.*"))


def test_a_run_is_changed_through_a_link(call, run):
    link = run.parent / "current"
    link.symlink_to(run.name)
    for item in ("i0001", "i0002"):
        sentence(call, 0, "items", "stock", link, "--out", item)
    assert link.is_symlink()
    assert Recommender.load(run).items.absent.sum() == 2
    assert not list(run.parent.glob(".*"))


def test_a_column_of_numbers_stays_one(call, run, made):
    """One cell that is no number is that of one item, and told."""
    file = run.parent / "feed.csv"
    feed(made, file)
    lines = file.read_text(encoding="utf-8").splitlines()
    lines[3] = lines[3].rpartition(",")[0] + ",on request"
    file.write_text("\n".join(lines), encoding="utf-8")
    err = sentence(call, 0, "items", "add", run, file)
    assert "price: 1 of 120 cells cannot be read as numbers, such as 'on request' in row 3" in err
    assert "0 new, 1 replaced, 119 unchanged" in err
    found = Recommender.load(run).facets.allowed({"price": (None, 4)})
    assert np.flatnonzero(found).tolist() == [0, 1, 3, 4]
    feed(made, file)
    assert "1 replaced, 119 unchanged" in sentence(call, 0, "items", "add", run, file)
    assert Recommender.load(run).facets.allowed({"price": (None, 4)}).sum() == 5


def test_what_a_feed_has_no_column_for_stays(call, run, made):
    file = run.parent / "feed.csv"
    before = [row["item"] for row in rows(call, "recommend", run, *USER, "-k", 30)[0]]
    file.write_text("sku,price\ni0001,5.5\ni0002,6.5\nn1,7\n", encoding="utf-8")
    err = sentence(call, 0, "items", "add", run, file)
    assert "known items keep what the file has no column for: title, category" in err
    assert "('n1' first) have no text" in err
    assert "1 new, 2 replaced, 0 unchanged, 121 in all" in err
    after = [row["item"] for row in rows(call, "recommend", run, *USER, "-k", 30)[0]]
    assert after == before
    assert "0 new, 0 replaced, 3 unchanged" in sentence(call, 0, "items", "add", run, file)
    file.write_text("sku,name\ni0001,Renamed\n", encoding="utf-8")
    err = sentence(call, 0, "items", "add", run, file)
    assert "no column for: category, price" in err
    where = ("--where", f"category={made[1][1][0]}", "--where", "price=5..6")
    (found,), _ = rows(call, "similar", run, "--item", "i0000", *where, "-k", 1)
    assert (found["item"], found["title"]) == ("i0001", "Renamed")


def test_facts_of_few_rows_are_facts(call, run):
    """Of 30 brands in 30 rows, none would be one, were the column not known."""
    file = run.parent / "feed.csv"
    told = {"sku": [f"n{n}" for n in range(30)], "title": ["New"] * 30}
    pl.DataFrame({**told, "brand": ["Acme", "Zeta"] * 15}).write_csv(file)
    sentence(call, 0, "items", "add", run, file)
    pl.DataFrame({**told, "brand": [f"Brand {n}" for n in range(30)]}).write_csv(file)
    assert "0 new, 30 replaced" in sentence(call, 0, "items", "add", run, file)
    (found,), _ = rows(call, "recommend", run, *HISTORY, "--where", "brand=Brand 7", "-k", 1)
    assert found["item"] == "n7"


def test_a_table_of_stock_adds_no_items(call, run):
    file = run.parent / "stock.csv"
    before = (run / "manifest.json").read_bytes()
    for name in ("in_stock", "库存"):
        file.write_text(f"sku,{name}\ni0001,0\nx,3\n", encoding="utf-8")
        said = sentence(call, 2, "items", "add", run, file)
        assert f"says only what is in stock ({name}): `kgintent items stock` reads it" in said
    assert (run / "manifest.json").read_bytes() == before


def test_ids_that_lost_their_zeros_are_told(call, run):
    file = run.parent / "new.csv"
    for ids in ("0012", "0013"), ("0012", "13"):
        pl.DataFrame({"sku": ids, "title": ["Lamp", "Tent"]}).write_csv(file)
        err = sentence(call, 0, "items", "add", run, file)
    assert "1 id is known but for zeros in front, such as '13' beside '0013'" in err
    assert f"items remove {run} --item 13` takes one out" in err
    assert "1 new, 0 replaced, 1 unchanged, 123 in all" in err
    file.write_text("sku,stock\n13,0\n12,0\n", encoding="utf-8")
    err = sentence(call, 0, "items", "stock", run, file)
    assert "1 not known ('12'; 1 id is known but for zeros in front, such as '12' beside" in err


def test_facts_that_are_numbers_in_one_feed_stay_facts(call, run):
    """Here categories; as sizes are, of which one feed holds 36 and 38 and the next S."""
    file = run.parent / "feed.csv"
    for cell in ("36", "S"):
        pl.DataFrame({"sku": ["n1"], "title": ["Shirt"], "category": [cell]}).write_csv(file)
        assert "cannot be read" not in sentence(call, 0, "items", "add", run, file)
    (found,), _ = rows(call, "recommend", run, *HISTORY, "--where", "category=S", "-k", 1)
    assert found["item"] == "n1"


def test_ids_with_commas_are_quoted_or_stand_in_a_file(call, run):
    file = run.parent / "new.csv"
    file.write_text('sku,title\n"a,b",New lamp\n', encoding="utf-8")
    sentence(call, 0, "items", "add", run, file)
    (run.parent / "ids.txt").write_text("i0001\na,b\n", encoding="utf-8")
    told = []
    for history in ('i0001,"a,b"', f"@{run.parent / 'ids.txt'}"):
        code, out, err = call("recommend", run, "--history", history, "-k", 3)
        assert code == 0, err
        told.append(out)
    assert told[0] == told[1]
    assert call("recommend", run, "--history", 'i0001\n"a,b"', "-k", 3)[1] == told[0]
    assert "'a' is not known" in sentence(call, 2, "recommend", run, "--history", "i0001,a,b")


def test_a_removed_item_is_not_explained(call, run):
    sentence(call, 0, "items", "remove", run, "--item", "i0001")
    said = sentence(call, 2, "explain", run, "--user", "u00003", "--item", "i0001")
    assert "The item 'i0001' was removed" in said


def test_lists_of_everybody_without_an_item_are_told(call, run):
    ids = ",".join(Recommender.load(run).items.ids)
    words = [word for key in ids.split(",") for word in ("--item", key)]
    sentence(call, 0, "items", "remove", run, *words)
    code, _, err = call("recommend", run, "--all", "-k", 3)
    assert code == 0
    assert "lists hold fewer than the 3 items asked for" in err


def test_events_of_tomorrow_are_told_by_their_time(call, run):
    file = run.parent / "e.csv"
    lines = "".join(f"u00003,i000{n},view,4000000000\n" for n in range(5))
    file.write_text(f"user,item,event,time\n{lines}u00003,nope,view,4000000000\n", encoding="utf-8")
    told = sentence(call, 1, "events", "add", run, file)
    assert "5 impossible time (such as 2096-10-02" in told
    assert "must be the same ids" not in told


def test_two_hundred_corruptions_are_two_hundred_refusals(call, run):
    """Of all files of a run, its approximate index among them: by name, before FAISS reads it."""
    sentence(call, 0, "index", "build", run, "--kind", "ivf")
    rng, files = np.random.default_rng(0), sorted(p for p in run.iterdir() if p.is_file())
    assert {"index.faiss", "model.safetensors", "run.json"} <= {file.name for file in files}
    for trial in range(200):
        file = files[trial % len(files)]
        whole = file.read_bytes()
        broken = bytearray(whole)
        at = int(rng.integers(len(whole)))
        match trial % 4:
            case 0:
                broken[at] ^= 1 << int(rng.integers(8))
            case 1:
                broken = broken[:at]
            case 2:
                broken += rng.bytes(17)
            case _:
                broken[at : at + 64] = bytes(64) if any(broken[at : at + 64]) else b"\\xff" * 64
        file.write_bytes(broken)
        with pytest.raises(DataError, match=re.escape(file.name)):
            Recommender.load(run)
        file.write_bytes(whole)
    Recommender.load(run)
