"""Named intents of items: by category, by level, by text; and a shop with a taxonomy file."""

import json

import numpy as np
import pytest

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.events import EventLog
from kg.intents.labels import intent_labels
from kg.intents.taxonomy import Intent, Taxonomy
from kg.testing import planted, tiny
from models.intent import IntentConfig
from models.text import HashEncoder
from recsys import Recommender
from recsys.intent.named import graph_labels, named_labels, text_labels

TOML = """
[[intent]]
key = "leisure"
name.zh = "休闲"
name.en = "Leisure"

[[intent]]
key = "music"
parent = "leisure"
name.zh = "音乐"
name.en = "Music"
categories = ["乐器", "唱片"]

[[intent]]
key = "food"
name.zh = "美食"
name.en = "Food"
categories = ["茶叶", "咖啡"]
"""
ITEMS = """item_id,title,category
a,红木吉他,乐器
b,小提琴,乐器
c,爵士唱片,唱片
d,龙井茶,茶叶
e,普洱茶,茶叶
f,咖啡豆,咖啡
g,棉袜,服饰
"""


@pytest.fixture
def world():
    return tiny()


def test_without_a_taxonomy_the_graph_names_them(world):
    graph = build_graph(world.log, world.catalog)
    found = graph_labels(graph, world.catalog, world.log, IntentConfig())
    usual = intent_labels(graph.facts(), min_items=1)
    assert found.names == usual.names == ("beauty", "kitchen", "outdoor")
    assert (found.item != usual.item).nnz == 0


def test_a_level_reads_lists_of_categories_from_the_top_down():
    cells = [["Makeup", "Nails"], ["Makeup", "Face"], ["Makeup", "Nails", "Polish"], ["Makeup"]]
    catalog = Catalog.of(list("abcd"), attributes={"categories": cells})
    log = EventLog.of(["u"] * 4, list("abcd"))
    graph = build_graph(log, catalog)
    assert graph_labels(graph, catalog, log, IntentConfig(level=1)).names == ("Makeup",)
    found = graph_labels(graph, catalog, log, IntentConfig(level=2))
    assert found.names == ("Makeup > Face", "Makeup > Nails")
    assert found.item.toarray().tolist() == [[0, 1], [1, 0], [0, 1], [0, 0]]


def test_by_category_and_what_does_not_fit_is_said(world):
    mine = Taxonomy((
        Intent("looks", {"en": "Looks"}, categories=("beauty", "hair")),
        Intent("away", {"en": "Away"}, categories=("outdoor",)),
    ))  # fmt: skip
    said = []
    graph = build_graph(world.log, world.catalog)
    found = named_labels(mine, graph, world.catalog, HashEncoder(), "en", say=said.append)
    assert found.names == ("looks", "away")
    assert said == [
        "Intents by category: 2 of 2 intents on 6 of 8 items.",
        "  Categories that no intent lists: kitchen.",
        "  Listed categories that no item has: hair.",
    ]


def test_where_no_category_fits_the_texts_speak():
    made = planted(np.random.default_rng(0), users=3, items=24, categories=4)
    kinds = ("beauty", "outdoor", "kitchen", "garden")
    mine = Taxonomy((
        Intent("all", {"en": "Everything"}),
        *(Intent(k[:3], {"en": f"{k} things"}, {"en": f"for {k} in {k}"}, parent="all")
          for k in kinds),
    ))  # fmt: skip
    said = []
    graph = build_graph(made.log, made.catalog)
    found = named_labels(mine, graph, made.catalog, HashEncoder(256), "en", say=said.append)
    assert said[0].startswith("The taxonomy lists no category of these items")
    assert found.names == ("all", "bea", "out", "kit", "gar")
    truth = [found.names.index(kinds[n % 4][:3]) for n in range(24)]
    assert found.item.toarray()[np.arange(24), truth].mean() > 0.9
    each = found.item.toarray()
    assert (each[:, 1:].sum(1) <= 2).all()
    assert (each[:, 0] == (each[:, 1:].sum(1) > 0)).all()  # the ancestor comes along


THINGS = [("red running shoes", "Shoes"), ("blue running shoes", "Shoes"), ("rain boots", "Shoes"),
          ("red coffee maker", "Kitchen"), ("small coffee maker", "Kitchen"),
          ("red frying pan", "Kitchen"), ("chef knife", "Kitchen"), ("lawn mower", "Garden"),
          ("garden hose", "Garden"), ("toy train", "Toys")]  # fmt: skip
MIXED = Taxonomy((
    Intent("all", {"en": "Everything"}),
    Intent("shoes", {"en": "Shoes"}, {"en": "shoes and boots"}, categories=("Shoes",),
           parent="all"),
    Intent("coffee", {"en": "Coffee"}, {"en": "coffee maker"}),
    Intent("cars", {"en": "Cars"}, {"en": "tyres"}),
    Intent("wine", {"en": "Wine"}, {"en": "coffee maker"}, categories=("Wine",)),
))  # fmt: skip


def test_an_intent_without_categories_lies_by_texts_beside_those_by_category():
    catalog = Catalog.of(
        range(len(THINGS)), [title for title, _ in THINGS],
        attributes={"category": [[kind] for _, kind in THINGS]},
    )  # fmt: skip
    log = EventLog.of(["u"] * len(THINGS), range(len(THINGS)))
    said = []
    graph = build_graph(log, catalog)
    found = named_labels(MIXED, graph, catalog, HashEncoder(4096), "en", say=said.append)
    assert found.names == ("all", "shoes", "coffee")  # "all" by what is below it
    assert found.relation == ("item", "category", "category")
    titled = {title: found.of_item(code) for code, (title, _) in enumerate(THINGS)}
    assert titled["red coffee maker"] == titled["small coffee maker"] == ["coffee"]
    assert titled["rain boots"] == ["all", "shoes"]
    assert not titled["lawn mower"] + titled["red frying pan"] + titled["toy train"]
    assert said[0] == "Intents by category: 2 of 5 intents on 3 of 10 items."
    assert said[-2:] == [
        "  By the nearness of texts: Coffee (2 items).",
        "  Intents that no item has: Cars, Wine.",
    ]


def test_one_intent_or_no_text_gives_no_label():
    one = Taxonomy((Intent("music", {"en": "Music"}),))
    songs = Catalog.of(["a", "b"], ["a song of music", ""])
    assert len(text_labels(one, songs, HashEncoder(), "en")) == 0
    two = Taxonomy((Intent("music", {"en": "Music"}), Intent("food", {"en": "Food"})))
    found = text_labels(two, songs, HashEncoder(), "en")
    assert found.of_item(0) == ["music"]
    assert found.of_item(1) == []


@pytest.fixture
def shop(tmp_path):
    """events.csv, items.csv and mine.toml of a small Chinese shop."""
    rng = np.random.default_rng(0)
    pools = ("abc", "def")
    lines = [
        f"u{user},{pools[user % 2][item]},{'加购' if user == 0 and n == 3 else '浏览'},"
        f"{1_700_000_000 + n}"
        for user in range(16) for n, item in enumerate(rng.integers(0, 3, 4))
    ]  # fmt: skip
    (tmp_path / "events.csv").write_text("user,item,行为,time\n" + "\n".join(lines) + "\n", "utf-8")
    (tmp_path / "items.csv").write_text(ITEMS, "utf-8")
    (tmp_path / "mine.toml").write_text(TOML, "utf-8")
    return tmp_path


def test_a_shop_with_one_taxonomy_file(shop, call):
    data, run = shop / "data", shop / "run"
    words = ["--encoder", "ngram", "--max-epochs", "1"]
    code, _, err = call("build", shop / "events.csv", shop / "items.csv", "-o", data)
    assert code == 0, err
    code, _, err = call("train", data, "-o", run, *words, "--taxonomy", shop / "mine.toml")
    assert code == 0, err
    assert "Intents by category: 3 of 3 intents on 6 of 7 items." in err
    assert "Categories that no intent lists: 服饰." in err

    def rows(*more):
        code, out, err = call("intents", run, *more)
        assert code == 0, err
        return [json.loads(line) for line in out.splitlines()]

    found = rows("--user", "u0")
    assert {row["intent"] for row in found} == {"休闲", "音乐", "美食"}
    assert {row["stage"] for row in found} == {"buying"}
    english = rows("--history", "a,b", "--language", "en")
    assert {row["intent"] for row in english} == {"Leisure", "Music", "Food"}
    assert {row["stage"] for row in english} == {"comparing"}
    assert {row["stage"] for row in rows("--history", "a,d")} == {"browsing"}
    (shop / "new.csv").write_text("item_id,title,category\nh,二胡,乐器\n", "utf-8")
    assert call("items", "add", run, shop / "new.csv")[0] == 0
    assert {row["intent"] for row in rows("--history", "h,a")} == {"休闲", "音乐", "美食"}

    code, out, err = call("intents", run, "--user", "u0", "--language", "fr")
    assert (code, out) == (2, "")
    assert "en, zh. Got 'fr'" in err
    code, _, err = call("train", data, "-o", shop / "b", *words, "--taxonomy", "evryday")
    assert code == 2
    assert "Did you mean 'everyday'?" in err
    (shop / "mine.toml").write_text(TOML.replace("parent", "parents"), "utf-8")
    code, _, err = call("train", data, "-o", shop / "b", *words, "--taxonomy", shop / "mine.toml")
    assert code == 1
    assert "mine.toml: the key 'parents' of intent 2 ('music') is not known" in err
    assert not (shop / "b").exists()


def test_an_added_item_has_by_its_text_what_lists_no_category(tmp_path, call):
    rows = [f"{code},{title},{kind}" for code, (title, kind) in enumerate(THINGS)]
    head = "item_id,title,category\n"
    (tmp_path / "items.csv").write_text(head + "\n".join(rows) + "\n", "utf-8")
    events = [f"u{user},{(user + n) % len(THINGS)},{n}" for user in range(12) for n in range(4)]
    (tmp_path / "e.csv").write_text("user,item,time\n" + "\n".join(events) + "\n", "utf-8")
    told = "".join(f'[[intent]]\nkey = "{key}"\nname = "{key}"\n{more}\n' for key, more in [
        ("shoes", 'categories = ["Shoes"]'), ("coffee", 'description = "coffee maker"')
    ])  # fmt: skip
    (tmp_path / "mine.toml").write_text(told, "utf-8")
    more = ["a,large coffee maker,Kitchen", "b,large lawn mower,Garden", "c,old boots,Shoes"]
    (tmp_path / "new.csv").write_text(head + "\n".join(more) + "\n", "utf-8")
    data, run = tmp_path / "data", tmp_path / "run"
    for words in [
        ("build", tmp_path / "e.csv", tmp_path / "items.csv", "-o", data),
        ("train", data, "-o", run, "--encoder", "hash", "--max-epochs", 1,
         "--taxonomy", tmp_path / "mine.toml"),
        ("items", "add", run, tmp_path / "new.csv"),
    ]:  # fmt: skip
        code, _, err = call(*words)
        assert code == 0, err
    rec = Recommender.load(run)
    carried = [rec.carried.of_item(code) for code in range(len(rec.items))]
    assert carried[len(THINGS) :] == [("coffee",), (), ("shoes",)]


def test_a_run_without_a_taxonomy_holds_none(shop, call):
    data, run = shop / "data", shop / "run"
    call("build", shop / "events.csv", shop / "items.csv", "-o", data)
    code, _, err = call("train", data, "-o", run, "--encoder", "ngram", "--max-epochs", "1")
    assert code == 0, err
    assert "Intents by" not in err
    assert "taxonomy" not in json.loads((run / "run.json").read_text("utf-8"))
    code, _, err = call("intents", run, "--user", "u0", "--language", "en")
    assert code == 2
    assert "this run has none" in err
