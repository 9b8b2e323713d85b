"""Taking a part away takes that part away, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import recsys.judging.retrain
from kg.building.build import build_graph
from kg.catalog import Attribute, Catalog
from kg.errors import DataError, UsageError
from kg.sequences import Sequences
from kg.storage import Dataset
from kg.testing import planted
from kg.wording.verbalise import verbalise_prefixes, verbalise_users
from recsys.intent.signals import with_categories
from recsys.judging.ablate import (
    BESIDE,
    PARTS,
    RELATION,
    _graph_without,
    lacking,
    mask_parts,
    masked,
    relations_of,
)
from recsys.judging.as_of import EarlierTexts, before
from recsys.judging.effects import bucket_table, effect_table, effects, judged
from recsys.judging.retrain import (
    PERMUTED,
    RESEEDED,
    SHUFFLED,
    retrain,
    retrain_parts,
    shuffled_text,
)
from recsys.metrics.significance import holm
from recsys.partners.factors import FactorConfig, Factors
from recsys.partners.neighbours import NeighbourConfig, Neighbours, links
from recsys.serving.items import ItemStore
from recsys.training.config import RunConfig
from recsys.training.fit import fit, judge

TRAINED = [name for name in PARTS if name not in BESIDE]
CONFIG = RunConfig(
    model={"dim": 16, "layers": 1, "text_dim": 16}, train={"max_epochs": 2}, options={"seed": 5}
)


@pytest.fixture(scope="module")
def fitted():
    world = planted(np.random.default_rng(3), users=40, items=24)
    data = Dataset(world.log, world.catalog, build_graph(world.log, world.catalog))
    found = fit(data, "hash", CONFIG, hold_out="last")
    config = NeighbourConfig()
    partner = Neighbours(links(world.log, config, 50), 1.0, 1.0, 50, config)
    content = found.recommender.items.content
    factors = Factors.fit(world.log, content, FactorConfig(factor_dim=4), 0)
    beside = replace(found.recommender.partners, neighbours=partner, factors=factors)
    found = replace(found, recommender=found.recommender.beside(beside))
    with torch.no_grad():  # two epochs hardly open it
        found.recommender.model.intent_gate.fill_(1.0)
    return found


def without(fitted, name):
    return masked(fitted.recommender, fitted.split, name, "test", np.random.default_rng(0))


def ndcg(rec, split):
    return judge(rec, split, "test").per_user["ndcg@10"]


# ---- masked ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRAINED)
def test_a_masked_part_changes_the_answer_and_not_the_run(fitted, name):
    rec = fitted.recommender
    before = rec.items.vectors.copy(), ndcg(rec, fitted.split)
    other, split = without(fitted, name)
    histories = Sequences.of(split.before_test())
    told = None if other.intent is None else other.intent.valid
    asked = other.model.encode_histories(histories, torch.from_numpy(other.items.vectors), told)
    own = rec.model.encode_histories(
        Sequences.of(fitted.split.before_test()), torch.from_numpy(before[0]), rec.intent.valid
    )
    assert not np.allclose(asked @ other.items.vectors.T, own @ before[0].T, atol=1e-4)
    np.testing.assert_array_equal(rec.items.vectors, before[0])
    np.testing.assert_array_equal(ndcg(rec, fitted.split), before[1])


def test_without_neighbours_the_scores_are_those_of_the_model_alone(fitted):
    other, split = without(fitted, "neighbours")
    assert other.partners.neighbours is None
    np.testing.assert_array_equal(other.index.vectors, fitted.recommender.index.vectors)
    assert not np.array_equal(ndcg(other, split), ndcg(fitted.recommender, fitted.split))


def test_without_factors_the_index_holds_the_model_alone(fitted):
    other, split = without(fitted, "factors")
    assert other.partners.factors is None
    np.testing.assert_array_equal(other.index.vectors, fitted.recommender.items.vectors)
    assert not np.array_equal(ndcg(other, split), ndcg(fitted.recommender, fitted.split))


def test_masked_parts_of_items_are_zero(fitted):
    own = fitted.recommender.items
    graph, _ = without(fitted, "graph")
    np.testing.assert_array_equal(graph.items.vectors, own.text_part + own.id_part)
    bare, _ = without(fitted, "id")
    np.testing.assert_array_equal(bare.items.vectors, own.text_part + own.graph_part)


def test_masked_text_is_hidden_from_the_graph_too(fitted):
    rec = fitted.recommender
    other, _ = without(fitted, "text")
    assert not other.items.text_part.any()
    assert not np.allclose(other.items.graph_part, rec.items.graph_part, atol=1e-5)
    kept = rec.model.items.content.clone()
    rec.model.items.content.zero_()
    with torch.inference_mode():
        parts = rec.model.items()
    rec.model.items.content.copy_(kept)
    np.testing.assert_allclose(other.items.vectors, parts.vector.numpy(), atol=1e-6)


def test_a_masked_order_keeps_the_events_and_the_targets(fitted):
    _, split = without(fitted, "sequence")
    known, target = split.part("test")
    old, wanted = fitted.split.part("test")
    assert target is wanted
    assert not np.array_equal(known.item, old.item)
    one, other = Sequences.of(known), Sequences.of(old)
    for user in range(len(one)):
        assert sorted(one.items_of(user)) == sorted(other.items_of(user))
    valid = masked(fitted.recommender, fitted.split, "sequence", "valid", np.random.default_rng(0))
    assert valid[1].valid is fitted.split.valid


def texts_of(rec, log, ends=None):
    """What BERT reads of each history in `log`, or of what came before these events of it."""
    how = {"last": rec.intent.last, "templates": rec.intent.templates}
    told = with_categories(rec.catalog)
    if ends is None:
        return rec.encoder.encode(verbalise_users(log, told, **how))
    return rec.encoder.encode(verbalise_prefixes(log, told, ends, **how))


def test_a_masked_order_is_none_in_the_texts_either(fitted):
    rec = fitted.recommender
    for part in ("valid", "test"):
        other, split = masked(rec, fitted.split, "sequence", part, np.random.default_rng(0))
        known, target = split.part(part)
        users = np.unique(target.user)
        np.testing.assert_allclose(other.intent.valid[users], texts_of(rec, known)[users])
        assert not np.allclose(other.intent.valid[users], rec.intent.valid[users])
    bare = replace(rec, encoder=None)
    with pytest.warns(EarlierTexts):
        masked(bare, fitted.split, "sequence", "test", np.random.default_rng(0))


def test_unknown_parts_are_named(fitted):
    with pytest.raises(UsageError, match=r"Got 'txt' instead\. Did you mean 'text'"):
        without(fitted, "txt")
    with pytest.raises(UsageError, match="text shuffled"):
        retrain(fitted.recommender, "nothing", CONFIG, fitted.split)


# ---- items that nobody has taken ---------------------------------------------------------


COLD = [3, 9, 14]


@pytest.fixture(scope="module")
def cold():
    """A run in which some items have no event, and get an id and neighbours by their content."""
    world = planted(np.random.default_rng(3), users=40, items=24)
    log = world.log.take(~np.isin(world.log.item, COLD))
    found = fit(Dataset(log, world.catalog, build_graph(log, world.catalog)), "hash", CONFIG,
                hold_out="last")  # fmt: skip
    rec, split = found.recommender, found.split
    with torch.no_grad():  # so little teaches nothing
        rec.model.items.expect_weight.normal_()
        rec.model.items.expect_base.normal_()
    items = ItemStore.of(rec.model, rec.catalog, rec.items.text)
    known = split.before_test()
    near = Neighbours(links(known, NeighbourConfig(), 50), 1.0, 1.0, 50, NeighbourConfig())
    factors = Factors.fit(known, items.content, FactorConfig(factor_dim=4), 0)
    beside = replace(rec.partners, neighbours=near, factors=factors).refit(known, items.content)
    return replace(found, recommender=replace(rec, items=items).beside(beside))


@pytest.mark.parametrize("name", ["text", "graph", RELATION + "category"])
def test_what_is_guessed_of_an_item_is_guessed_from_what_is_left(cold, name):
    rec = cold.recommender
    own, (other, _) = rec.items, without(cold, name)
    left, warm = other.items, np.setdiff1d(np.arange(len(own)), COLD)
    np.testing.assert_array_equal(left.id_part[warm], own.id_part[warm])
    expected = left.expected(rec.model)[COLD]
    np.testing.assert_allclose(left.id_part[COLD], expected, atol=1e-6)
    assert not np.allclose(expected, own.id_part[COLD], atol=1e-3)
    factors, before = other.partners.factors.vectors, rec.partners.factors.vectors
    np.testing.assert_allclose(factors[warm], before[warm], atol=1e-6)
    assert not np.allclose(factors[COLD], before[COLD], atol=1e-6)


def test_of_an_item_without_any_content_nothing_is_guessed(cold):
    rec, split = cold.recommender, cold.split
    for name in ("text", "graph"):
        rec, _ = masked(rec, split, name, "test", np.random.default_rng(0))
    assert not rec.items.vectors[COLD].any()
    assert not rec.partners.factors.vectors[COLD].any()
    assert rec.partners.neighbours.links[:, COLD].nnz == 0


# ---- effects -----------------------------------------------------------------------------


def test_gains_are_differences_of_means_on_the_same_users(fitted):
    rec, split = fitted.recommender, fitted.split
    found = mask_parts(rec, split, "test", ["graph", "id"], buckets=True)
    rows = effect_table(found)
    assert [(row["part"], row["how"], row["users"]) for row in rows] == [
        ("graph", "masked", 40), ("id", "masked", 40)
    ]  # fmt: skip
    whole = ndcg(rec, split).mean()
    for row in rows:
        other = ndcg(*without(fitted, row["part"])).mean()
        assert row["ndcg@10"] == pytest.approx(other, abs=1e-6)
        assert row["gain"] == pytest.approx(whole - other, abs=2e-6)
        assert row["low"] <= row["gain"] <= row["high"]
    raw = np.array([effect.p for effect in found if not effect.by])
    assert [row["p"] for row in rows] == pytest.approx(holm(raw).tolist())
    for part in ("graph", "id"):  # one target each, so users of items and of histories sum up
        some = [row for row in bucket_table(found) if row["part"] == part]
        for by in ("item", "user"):
            mine = [row for row in some if row["by"] == by]
            assert sum(row["users"] for row in mine) == 40
            total = sum(row["users"] * row["gain"] for row in mine) / 40
            gain = next(row["gain"] for row in rows if row["part"] == part)
            assert total == pytest.approx(gain, abs=2e-6)


def test_a_run_gains_nothing_over_itself(fitted):
    counts = fitted.split.train.item_counts()
    rec = before(fitted.recommender, fitted.split, "test")
    whole = judged(rec, fitted.split, "test", counts, True)
    for effect in effects("nothing", "masked", whole, whole):
        assert (effect.gain, effect.low, effect.high, effect.p) == (0, 0, 0, 1)


def test_parts_that_are_not_there_are_known(fitted):
    rec = fitted.recommender
    assert set(lacking(rec)) == {"trend", "habits"}
    store = replace(
        rec.items,
        text=np.zeros_like(rec.items.text),
        graph_part=np.zeros_like(rec.items.graph_part),
    )
    assert set(lacking(replace(rec, items=store, intent=None))) == {
        "text",
        "graph",
        "intent",
        "trend",
        "habits",
    }


# ---- retrained ---------------------------------------------------------------------------


def test_shuffled_texts_are_the_same_texts_elsewhere():
    rng = np.random.default_rng(0)
    text = rng.standard_normal((50, 4)).astype(np.float32)
    text[::7] = 0
    out = shuffled_text(text, rng)
    assert not out[::7].any()
    rows = np.flatnonzero(text.any(1))
    assert (out[rows] != text[rows]).any(1).mean() > 0.8
    np.testing.assert_array_equal(
        out[rows][np.lexsort(out[rows].T)], text[rows][np.lexsort(text[rows].T)]
    )


def test_a_retrained_run_is_the_run_but_for_the_part(fitted):
    rec = fitted.recommender
    earlier = CONFIG.model_copy(update={"options": CONFIG.options.model_copy(update={"seed": 4})})
    same = retrain(rec, RESEEDED, earlier, fitted.split)  # the seed after 4 is that of the run
    np.testing.assert_array_equal(same.recommender.items.vectors, rec.items.vectors)
    names = (*TRAINED, SHUFFLED, PERMUTED)
    found = {name: retrain(rec, name, CONFIG, fitted.split) for name in names}
    items = {name: one.recommender.items for name, one in found.items()}
    assert not items["text"].text_part.any()
    assert not items["graph"].graph_part.any()
    assert np.abs(items["id"].id_part).max() < 1e-9
    assert np.abs(rec.items.id_part).max() > 1e-3
    assert found["intent"].recommender.intent is None
    train, own = found["sequence"].split.train, fitted.split.train
    assert not np.array_equal(train.item, own.item)
    np.testing.assert_array_equal(train.item_counts(), own.item_counts())
    told = found["sequence"].intents
    start = np.searchsorted(train.user, told.user)
    np.testing.assert_allclose(told.prefix, texts_of(rec, train, start + told.at))
    np.testing.assert_allclose(told.valid, texts_of(rec, train))
    assert (told.at == fitted.intents.at).all()
    assert not np.allclose(told.prefix, fitted.intents.prefix)
    relation = ("item", "category", "category")
    true = rec.model.graph.edges[relation]
    assert not np.array_equal(found[PERMUTED].recommender.model.graph.edges[relation], true)
    np.testing.assert_array_equal(
        np.sort(items[SHUFFLED].text, axis=0), np.sort(rec.items.text, axis=0)
    )
    for name in ("text", "graph", "id", "sequence"):  # what the run knows stays all it knows
        assert found[name].recommender.log is rec.log


def test_retraining_goes_on_where_it_was(fitted, tmp_path, monkeypatch):
    rec, split = fitted.recommender, fitted.split

    def start(config=CONFIG):
        return retrain_parts(rec, split, "test", config, tmp_path / "a", ["text", "id"])

    steps = start()
    first = next(steps)
    steps.close()
    count = []
    monkeypatch.setattr(
        recsys.judging.retrain, "fit", lambda *a, **k: count.append(1) or fit(*a, **k)
    )
    found = list(start())
    assert found[0] == first
    assert [one[0].part for one in found] == ["text", "id", SHUFFLED, RESEEDED]
    assert [one[0].how for one in found] == ["retrained", "retrained", "control", "retrained"]
    assert len(count) == 3
    assert list(start()) == found
    assert len(count) == 3
    assert [p.name for p in (tmp_path / "a").iterdir() if p.suffix == ".training"] == []
    other = CONFIG.model_copy(update={"train": CONFIG.train.model_copy(update={"clip": 1.0})})
    with pytest.raises(UsageError, match="another run"):
        next(start(other))
    (tmp_path / "a" / "results.json").write_text("{")
    with pytest.raises(DataError, match=r"results\.json cannot be read"):
        next(start())


def test_what_is_retrained_is_judged_on_the_run_s_own_users(fitted, tmp_path):
    (found, *_) = retrain_parts(
        fitted.recommender, fitted.split, "valid", CONFIG, tmp_path, ["sequence"]
    )
    assert found[0].users == len(np.unique(fitted.split.valid.user))
    assert {effect.by for effect in found} == {"", "item", "user"}


# ---- relations ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def coloured():
    """A run whose items have a category and some a colour."""
    world = planted(np.random.default_rng(3), users=40, items=24)
    colours = [["red"] if n % 3 == 0 else ["blue"] if n % 3 == 1 else [] for n in range(24)]
    catalog = replace(
        world.catalog, attributes=(*world.catalog.attributes, Attribute.of("colour", colours))
    )
    data = Dataset(world.log, catalog, build_graph(world.log, catalog))
    return fit(data, "hash", CONFIG, hold_out="last")


def without_relation(fitted, name):
    return masked(fitted.recommender, fitted.split, RELATION + name, "test", None)


def test_without_a_relation_items_hear_the_others_only(coloured):
    fitted, rec = coloured, coloured.recommender
    names = relations_of(rec)
    assert names == ["category", "colour"]
    whole = rec.items.graph_part
    for name in names:
        other, split = without_relation(fitted, name)
        left = other.items.graph_part
        assert split is fitted.split
        assert not np.array_equal(left, whole)
        assert other.items.text_part is rec.items.text_part
        graph = rec.model.graph
        touched = np.zeros(len(whole), bool)
        for relation in graph.fact_relations:
            if relation[1] == name and relation[0] == "item":
                touched[graph.edges[relation][0]] = True
        assert np.allclose(left[~touched], whole[~touched], atol=1e-6)  # who has no such fact
    assert np.array_equal(rec.items.graph_part, whole)


def test_without_all_relations_nothing_is_left(coloured):
    rec = coloured.recommender
    tower = rec.model.items
    every = tower.relations
    try:
        tower.relations = []
        left = _graph_without(rec, "none of them")
    finally:
        tower.relations = every
    assert not left.any()
    assert np.allclose(_graph_without(rec, "none"), rec.items.graph_part, atol=1e-6)


def test_a_run_is_trained_again_without_one_relation(coloured):
    fitted = coloured
    name = relations_of(fitted.recommender)[0]
    again = retrain(fitted.recommender, RELATION + name, CONFIG, fitted.split)
    graph = again.recommender.model.graph
    assert name not in {relation[1] for relation in graph.edges}
    assert set(relations_of(again.recommender)) == set(relations_of(fitted.recommender)) - {name}
    with pytest.raises(UsageError, match=f"Did you mean '{RELATION}{name}'"):
        retrain(fitted.recommender, RELATION + name + "x", CONFIG, fitted.split)


def test_relations_have_effects_by_bucket(coloured):
    fitted = coloured
    names = [RELATION + name for name in relations_of(fitted.recommender)]
    found = mask_parts(fitted.recommender, fitted.split, "test", names, buckets=True)
    assert {effect.part for effect in found} == set(names)
    assert {effect.by for effect in found} == {"", "item", "user"}
    assert all(effect.low <= effect.gain <= effect.high for effect in found)


def test_items_added_since_are_no_part_of_it(fitted):
    rec, split = fitted.recommender, fitted.split
    new = Catalog.of(["new1", "new2"], ["A new thing", "Another"])
    more = rec.with_items(new)
    assert len(more.items) == len(rec.items) + 2
    assert more.items.of_training().ids == rec.items.ids
    names = [*PARTS, *(RELATION + name for name in relations_of(rec))]
    names = [name for name in names if name not in lacking(rec)]
    assert mask_parts(more, split, "test", names) == mask_parts(rec, split, "test", names)
