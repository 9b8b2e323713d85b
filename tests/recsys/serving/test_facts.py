"""Other facts, the same weights: what is heard of them, by whom, and what stays as it was."""

from dataclasses import replace

import numpy as np
import pytest

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.errors import UsageError
from kg.graph import KnowledgeGraph
from kg.ids import Vocab
from kg.storage import Dataset
from kg.testing import planted
from recsys.recommender import Recommender
from recsys.serving.changes import changed_relations, list_changes, lists, some_users
from recsys.serving.facts import unheard, with_graph
from recsys.training.config import RunConfig
from recsys.training.fit import fit

CONFIG = RunConfig(
    model={"dim": 16, "layers": 1, "text_dim": 16}, train={"max_epochs": 3}, options={"seed": 5}
)
CATEGORY = ("item", "category", "category")


@pytest.fixture(scope="module")
def rec():
    world = planted(np.random.default_rng(3), users=40, items=24)
    data = Dataset(world.log, world.catalog, build_graph(world.log, world.catalog))
    found = fit(data, "hash", CONFIG).recommender
    gates = found.model.items.gnn
    for conv in (*gates.to_items.values(), *gates.to_neighbours.values()):
        conv.gate.data.fill_(2.0)  # three epochs hardly open them
    facts = found.model.graph.facts()
    return with_graph(found, facts)


def moved(facts, items, to):
    """The facts with these items in one category alone."""
    rows = facts.vocabs["item"].encode(items)
    heads, tails = facts.edges[CATEGORY]
    keep = ~np.isin(heads, rows)
    vocabs = {**facts.vocabs, "category": Vocab.of({*facts.vocabs["category"].ids, to}, "category")}
    old = vocabs["category"].encode(facts.vocabs["category"].ids)
    new = np.full(len(rows), vocabs["category"].encode([to])[0])
    edges = np.stack([np.append(heads[keep], rows), np.append(old[tails[keep]], new)])
    return KnowledgeGraph(vocabs, {CATEGORY: np.unique(edges, axis=1)})


def shuffled(facts):
    """The same facts by other numbers, as another file would have them."""
    ids = facts.vocabs["item"].ids
    vocabs = {**facts.vocabs, "item": Vocab.of([*ids, "0-before", "z-after"], "item")}
    heads, tails = facts.edges[CATEGORY]
    return KnowledgeGraph(vocabs, {CATEGORY: np.stack([vocabs["item"].encode(ids)[heads], tails])})


def test_the_own_facts_by_other_numbers_change_nothing(rec):
    facts = rec.model.graph.facts()
    again = with_graph(rec, shuffled(facts))
    np.testing.assert_allclose(again.items.vectors, rec.items.vectors, atol=1e-6)
    assert lists(again, 5) == lists(rec, 5)
    (all_, *others), items = list_changes(rec, facts, shuffled(facts), k=5)
    assert (all_.changed, all_.reordered, all_.overlap, others, items) == (0, 0, 1.0, [], [])


def test_a_moved_item_hears_its_new_neighbours(rec):
    facts = rec.model.graph.facts()
    ids = rec.items.ids
    before = rec.items.graph_part.copy()
    cells = rec.catalog.attribute("category").cells(24)
    code = next(c for c in range(24) if cells[c] != ["beauty"])
    mates = [c for c in range(24) if cells[c] == ["beauty"]]
    other = with_graph(rec, moved(facts, [ids[code]], "beauty"))

    def near(some):
        part = some.items.graph_part
        return float(np.linalg.norm(part[code] - part[mates].mean(0)))

    assert near(other) < near(rec) / 10  # one category: all hear the same
    np.testing.assert_array_equal(rec.items.graph_part, before)
    assert rec.model.graph.edges[CATEGORY].tolist() == facts.edges[CATEGORY].tolist()


def test_a_node_that_training_did_not_know_says_what_its_items_are_like(rec):
    facts = rec.model.graph.facts()
    ids = rec.items.ids[:3]
    other = with_graph(rec, moved(facts, ids, "brand-new"))
    part = other.items.graph_part[:3]
    np.testing.assert_allclose(part, np.broadcast_to(part[0], part.shape), atol=1e-6)
    tower = rec.model.items
    gates = tower.gnn.to_items["category>~category>item"].gate * tower.graph_gate
    told = tower.gnn.to_neighbours["item>category>category"].gate * tower.feature("item")[:3]
    np.testing.assert_allclose(part[0], (gates * told.mean(0)).detach().numpy(), atol=1e-5)


def test_relations_that_training_did_not_know_are_not_heard_and_told(rec):
    facts = rec.model.graph.facts()
    strange = ("item", "colour", "colour")
    edges = {**facts.edges, strange: np.stack([np.arange(24), np.arange(24) % 2])}
    more = KnowledgeGraph({**facts.vocabs, "colour": Vocab(("blue", "red"), "colour")}, edges)
    assert unheard(rec, more) == [strange]
    assert changed_relations(rec, facts, more) == []
    np.testing.assert_allclose(with_graph(rec, more).items.vectors, rec.items.vectors, atol=1e-6)


def test_which_lists_change_and_by_which_relation(rec):
    facts = rec.model.graph.facts()
    ids = rec.items.ids
    new = moved(facts, ids[:8], "beauty")
    (all_, alone), items = list_changes(rec, facts, new, k=5)
    first, last = lists(with_graph(rec, facts), 5), lists(with_graph(rec, new), 5)
    changed = [user for user in first if set(first[user]) != set(last[user])]
    assert (all_.what, all_.users, all_.changed) == ("lists", 40, len(changed))
    assert changed
    overlap = np.mean([len(set(first[user]) & set(last[user])) / 5 for user in first])
    assert all_.overlap == pytest.approx(overlap, abs=1e-4)
    assert replace(alone, what="lists", name="all facts") == all_  # the only relation there is
    for one in items:
        counted = [sum(one.item in items for items in some.values()) for some in (first, last)]
        assert [one.before, one.after] == counted
        assert (one.after > one.before) == (one.what == "rises")
    few = some_users(rec, 7, np.random.default_rng(0))
    assert list_changes(rec, facts, new, k=5, users=few)[0][0].users == 7


def test_added_items_hear_the_new_facts_too(rec):
    new = Catalog.of(["zither"], ["Zither"], attributes={"category": [["music"]]})
    more = rec.with_items(new)
    facts = rec.model.graph.facts()
    same = with_graph(more, facts)  # the graph says nothing of it: it keeps its own
    np.testing.assert_allclose(same.items.vectors, more.items.vectors, atol=1e-6)
    vocab = Vocab.of([*facts.vocabs["item"].ids, "zither"], "item")
    node = facts.vocabs["category"].encode(["garden"])
    heads, tails = facts.edges[CATEGORY]
    row = vocab.encode(facts.vocabs["item"].ids)
    edges = np.stack([np.append(row[heads], vocab.encode(["zither"])), np.append(tails, node)])
    told = with_graph(more, KnowledgeGraph({**facts.vocabs, "item": vocab}, {CATEGORY: edges}))
    garden = Catalog.of(["zither"], ["Zither"], attributes={"category": [["garden"]]})
    direct = rec.with_items(garden)
    np.testing.assert_allclose(told.items.graph_part, direct.items.graph_part, atol=1e-6)
    assert told.items.facts == direct.items.facts


@pytest.mark.parametrize("user_edges", [False, True])
def test_a_run_that_listens_to_events_hears_the_same_ones(user_edges):
    world = planted(np.random.default_rng(3), users=20, items=12)
    data = Dataset(world.log, world.catalog, build_graph(world.log, world.catalog))
    config = CONFIG.model_copy(
        update={"model": CONFIG.model.model_copy(update={"user_edges": user_edges})}
    )
    found = fit(data, "hash", config, hold_out="last").recommender
    again = with_graph(found, found.model.graph.facts())
    np.testing.assert_allclose(again.items.vectors, found.items.vectors, atol=1e-6)
    assert again.model.graph.events == found.model.graph.events
    states = found.model.state_dict(), again.model.state_dict()
    assert states[0].keys() == states[1].keys()
    assert all(np.array_equal(states[0][name], states[1][name]) for name in states[0])


# ---- with_facts --------------------------------------------------------------------------


def apart(rec):
    """An item that is not in the category 'music', and one that is."""
    cells = rec.catalog.attribute("category").cells(24)
    other = next(code for code in range(24) if cells[code] != ["music"])
    return rec.items.ids[other], rec.items.ids[cells.index(["music"])]


def same_answers(one, other):
    for user in one.log.users.ids[:5]:
        first, second = one.recommend(user, k=24), other.recommend(user, k=24)
        assert [r.item for r in first] == [r.item for r in second]
        np.testing.assert_allclose([r.score for r in first], [r.score for r in second], atol=2e-6)


def test_a_new_fact_is_heard_and_given_as_a_reason_and_the_old_run_stays(rec, tmp_path):
    item, mate = apart(rec)
    code = rec.items.code(item)
    before = rec.items.vectors.copy()
    more = rec.with_facts([(item, "category", "Music")])
    np.testing.assert_array_equal(rec.items.vectors, before)
    assert not np.allclose(more.items.graph_part[code], rec.items.graph_part[code], atol=1e-4)
    facts = rec.model.graph.facts()
    both = {**facts.edges}
    music = facts.vocabs["category"].encode(["music"])
    both[CATEGORY] = np.concatenate([facts.edges[CATEGORY], [[code], music]], axis=1)
    direct = with_graph(rec, KnowledgeGraph(facts.vocabs, both))
    np.testing.assert_allclose(more.items.vectors, direct.items.vectors, atol=1e-6)
    shared = "same category: music"
    assert not any(shared in path for path in rec.explain(history=[mate], item=item).paths)
    assert any(shared in path for path in more.explain(history=[mate], item=item).paths)
    assert "music" not in rec.carried.of_item(code)
    assert "music" in more.carried.of_item(code)
    more.save(tmp_path / "run")
    back = Recommender.load(tmp_path / "run", rec.encoder)
    np.testing.assert_array_equal(back.items.vectors, more.items.vectors)
    same_answers(back, more)
    assert back.explain(history=[mate], item=item) == more.explain(history=[mate], item=item)
    again = back.with_facts([(item, "category", "music")])  # known by now
    np.testing.assert_allclose(again.items.vectors, more.items.vectors, atol=1e-6)


def test_a_new_tail_joins_the_items_that_have_it(rec, tmp_path):
    one, other = rec.items.ids[2], rec.items.ids[9]
    more = rec.with_facts([(one, "category", "boats"), (other, "category", "boats")])
    assert "boats" in more.model.graph.vocabs["category"].ids
    (path, *_) = more.explain(history=[one], item=other).paths
    assert "boats" in path
    more.save(tmp_path / "run")
    same_answers(Recommender.load(tmp_path / "run", rec.encoder), more)
    third = more.with_items(Catalog.of(["z"], ["Z"], attributes={"category": [["boats"]]}))
    assert third.items.graph_part[-1].any()  # items added later find the new node


def test_facts_of_items_added_since(rec, tmp_path):
    started = rec.with_items(Catalog.of(["zither"], ["Zither"]))
    more = started.with_facts([("zither", "category", "music")])
    direct = rec.with_items(
        Catalog.of(["zither"], ["Zither"], attributes={"category": [["music"]]})
    )
    np.testing.assert_allclose(more.items.graph_part, direct.items.graph_part, atol=1e-6)
    assert "music" in more.carried.of_item(24)
    _, mate = apart(rec)
    assert any(": music" in path for path in more.explain(history=[mate], item="zither").paths)
    more.save(tmp_path / "run")
    back = Recommender.load(tmp_path / "run", rec.encoder)
    same_answers(back, more)
    twice = back.with_facts([("zither", "category", "boats"), ("zither", "category", "music")])
    assert len(twice.items.facts[24]) == 2
    assert [twice.model.graph.name(r[2], node) for r, node in twice.items.facts[24]] == [
        "music", "boats",
    ]  # fmt: skip


def test_an_unknown_relation_names_the_nearest(rec):
    with pytest.raises(UsageError, match=r"'categry' .* Did you mean 'category'\?"):
        rec.with_facts([(rec.items.ids[0], "categry", "music")])
