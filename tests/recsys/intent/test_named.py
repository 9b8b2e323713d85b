"""Named intents of items: by category, by level, by text; and a shop with a taxonomy file."""

import json

import numpy as np
import pytest

from kg.build import build_graph
from kg.catalog import Catalog
from kg.events import EventLog
from kg.labels import intent_labels
from kg.taxonomy import Intent, Taxonomy
from kg.testing import planted, tiny
from models.intent import IntentConfig
from models.text import HashEncoder
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
