"""An item that is told anew is the same item: what was learned of it stays, and counts once."""

from dataclasses import replace

import numpy as np
import pytest

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.events import EventLog
from kg.storage import Dataset
from kg.testing import planted
from recsys import Recommender
from recsys.partners.factors import FactorConfig, Factors
from recsys.partners.neighbours import NeighbourConfig, Neighbours, heard, links
from recsys.partners.trend import Trend
from recsys.training.config import RunConfig
from recsys.training.fit import fit
from recsys.training.settings import TrainConfig


@pytest.fixture(scope="module")
def rec():
    """80 people and 60 items, everything beside the model."""
    world = planted(np.random.default_rng(1), users=80, items=60, events=12)
    data = Dataset(world.log, world.catalog, build_graph(world.log, world.catalog))
    config = RunConfig(train=TrainConfig(max_epochs=2))
    found = fit(data, "hash", config).recommender
    near, content = NeighbourConfig(), found.items.content
    said = heard(links(found.log, near, 50), content, 50)
    partners = replace(
        found.partners, mixed=1.0, trend=Trend((0.1,), (1.0,)),
        neighbours=Neighbours(said, 0.9, 1.0, 50, near),
        factors=Factors.fit(found.log, content, FactorConfig(factor_dim=8), 0),
    )  # fmt: skip
    return found.beside(partners)


@pytest.fixture(scope="module")
def key(rec):
    """The item that most people met."""
    return rec.items.ids[int(rec.log.item_counts().argmax())]


def table(key, title="Quite another thing", kind="toys"):
    return Catalog.of([key], [title], [f"{title}, new"], {"category": [[kind]]})


def events(rec, people, items):
    log = rec.log
    time = int(log.time.max()) + 60 * (1 + np.arange(len(people)))
    return EventLog.of(people, items, behaviour=[log.behaviours[rec.usual].name] * len(people),
                       time=time)  # fmt: skip


def without(rec, key):
    """Some people who did not meet the item."""
    code = rec.log.items.encode([key])[0]
    met = {*rec.log.user[rec.log.item == code].tolist()}
    return [user for row, user in enumerate(rec.log.users.ids) if row not in met][:5]


def told(rec, item, **asked):
    return rec.explain(item=item, **asked).parts


def assert_alike(one, other, items, near=1e-4):
    """The same lists, and the same parts of these items for some people."""
    for user in one.log.users.ids[:5]:
        for item in items:
            assert told(one, item, user=user) == pytest.approx(
                told(other, item, user=user), abs=near
            )
        first, second = one.recommend(user, k=5), other.recommend(user, k=5)
        assert [r.score for r in first] == pytest.approx([r.score for r in second], abs=near)


def test_what_was_learned_of_an_item_stays(rec, key):
    found = rec.with_items(table(key))
    for user in without(rec, key):
        before, after = told(rec, key, user=user), told(found, key, user=user)
        for name in {*before} - {"text", "graph"}:
            assert after[name] == pytest.approx(before[name], abs=1e-5), name
        assert before["neighbours"] or before["factors"]
    code = rec.items.code(key)
    assert rec.items.id_part[code].any()
    np.testing.assert_array_equal(
        found.items.id_part[found.items.code(key)], rec.items.id_part[code]
    )
    assert found.recommend(history=[], k=60)[0].item == rec.recommend(history=[], k=60)[0].item


def test_the_item_says_of_others_what_it_said(rec, key):
    found = rec.with_items(table(key))
    other = next(r.item for r in rec.recommend(history=[key], k=5))
    before, after = (told(one, other, history=[key]) for one in (rec, found))
    assert before["neighbours"]
    assert before["factors"]
    for name in ("neighbours", "factors", "trend"):
        assert after[name] == pytest.approx(before[name], abs=1e-5)


def test_events_that_come_later_are_those_of_one_item(rec, key, tmp_path):
    """Whichever of the two the run hears of first."""
    came = events(rec, ["u00001", "u00002", "new"], [key, key, key])
    for refit in (False, True):
        first = rec.with_items(table(key)).with_events(came, refit=refit)
        second = rec.with_events(came, refit=refit).with_items(table(key))
        first.save(tmp_path / f"run{refit}")
        for one in (first, Recommender.load(tmp_path / f"run{refit}")):
            assert one.log.item_counts().sum() == len(rec.log) + 3
            # items that few met hear what is said of those like them, of now or of then
            assert_alike(one, second, [key, "i0003", "i0007"], near=0.02 if refit else 1e-4)


def test_a_new_item_told_again_is_as_if_told_once(rec):
    once = rec.with_items(table("new", "Red drum", "music"))
    twice = rec.with_items(table("new", "Blue train", "toys")).with_items(
        table("new", "Red drum", "music")
    )
    assert_alike(once, twice, ["new", "i0003"])
    came = events(rec, ["u00001", "u00002", "u00003"], ["new"] * 3)
    first = rec.with_items(table("new", "Blue train", "toys")).with_events(came)
    late = first.with_items(table("new", "Red drum", "music"))
    assert_alike(once.with_events(came), late, ["new", "i0003"])


def test_an_item_without_an_event_hears_what_items_like_it_hear(rec):
    """One of the training: nothing stays of what was said of its old content."""
    silent = rec.items.ids[5]
    log = rec.log.take(rec.log.item != 5)
    data = Dataset(log, rec.catalog, build_graph(log, rec.catalog))
    bare = fit(data, "hash", RunConfig(train=TrainConfig(max_epochs=1))).recommender
    near = NeighbourConfig()
    said = heard(links(log, near, 50), bare.items.content, 50)
    factors = Factors.fit(log, bare.items.content, FactorConfig(factor_dim=8), 0)
    partners = replace(bare.partners, mixed=1.0, factors=factors, trend=None,
                       neighbours=Neighbours(said, 0.9, 1.0, 50, near))  # fmt: skip
    bare = bare.beside(partners)
    kind = bare.catalog.attribute("category").cells(60)[7][0]
    title = bare.catalog.titles[7]
    again = bare.with_items(table(silent, title, kind))
    new = bare.with_items(table("new", title, kind))
    for user in bare.log.users.ids[:5]:
        one, other = told(again, silent, user=user), told(new, "new", user=user)
        for name in ("factors", "neighbours"):
            assert one[name] == pytest.approx(other[name], abs=0.05), name
        was = told(bare, silent, user=user)
        assert one["factors"] != pytest.approx(was["factors"], abs=1e-6)
    assert again.similar(silent, k=1)[0].item == new.similar("new", k=1)[0].item


def test_reasons_are_of_the_facts_of_now(rec, key):
    """An item that moved to another category is no more a reason for its old one."""
    kinds = dict(zip(rec.items.ids, rec.catalog.attribute("category").cells(60), strict=True))
    old = kinds[key][0]
    new = next(kind for cells in kinds.values() for kind in cells if kind != old)
    found = rec.with_items(table(key, "Quite another thing", new))
    same = next(item for item, cells in kinds.items() if cells == [old] and item != key)
    other = next(item for item, cells in kinds.items() if cells == [new])
    for asked, reason in ((same, False), (other, True)):
        for one, of in ((key, asked), (asked, key)):
            paths = found.explain(history=[one], item=of).paths
            assert any("category" in path or new in path for path in paths) == reason
    assert "Quite another thing" in found.explain(history=[key], item=other).reason


def test_nightly_news_of_the_same_items_take_no_more_rows(rec, key):
    found, sizes = rec, []
    for night in range(4):
        rows = Catalog.of([key, "new"], [f"Name of night {night}", f"New {night}"])
        found = found.with_items(rows)
        sizes.append(len(found.items))
        assert found.items.title(found.items.code(key)) == f"Name of night {night}"
        assert found.items.title(found.items.code("new")) == f"New {night}"
    assert sizes == [62] * 4
    once = rec.with_items(Catalog.of([key, "new"], ["Name of night 3", "New 3"]))
    np.testing.assert_allclose(found.items.vectors, once.items.vectors, atol=1e-5)
    assert_alike(found, once, [key, "new", "i0003"])
