"""KGIN: hops and users against dense formulas, the contract, the signal."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.errors import DataError
from kg.sequences import Sequences
from kg.testing import tiny
from recsys.baselines.learned.fitting import FitConfig
from recsys.baselines.learned.kgin import KGIN, KGINConfig, KGINNetwork, fact_adjacencies
from recsys.testing import check_recommender

SMALL = KGINConfig(dim=16, negatives=30)


def quick(epochs: int = 3, seed: int = 0) -> FitConfig:
    return FitConfig(max_epochs=epochs, learning_rate=2e-2, batch=256, seed=seed)


@pytest.fixture(scope="module")
def little():
    """The tiny world: facts item-category and item-maker, and its log."""
    made = tiny()
    return made.log, build_graph(made.log, made.catalog, triples=made.triples)


@pytest.mark.parametrize("negatives", [0, 5])
def test_contract(little, negatives):
    log, graph = little
    config = SMALL.model_copy(update={"negatives": negatives})
    check_recommender(KGIN.fit(log, graph, config, quick()), log)


@pytest.mark.parametrize("negatives", [0, 30])
def test_contract_planted_and_beats_popularity(world, negatives):
    config = SMALL.model_copy(update={"negatives": negatives})
    model = KGIN.fit(world.split, world.graph, config, quick(8))
    check_recommender(model, world.split.train)
    assert world.ndcg(model) > 1.5 * world.popularity()


def test_same_seed_same_scores(world, assert_seeded):
    assert_seeded(lambda seed: KGIN.fit(world.split.train, world.graph, SMALL, quick(2, seed)))


def test_adjacencies_are_one_mean_over_all_facts(little):
    _, graph = little
    near = fact_adjacencies(graph)
    assert all("user" not in (a.source, a.target) for a in near)
    total = sum(a.forward.to_dense().sum(1) for a in near if a.target == "item")
    torch.testing.assert_close(total, torch.ones(8))  # every item has a category
    maker = next(a for a in near if (a.target, a.source) == ("item", "maker"))
    assert maker.forward.to_dense()[0].tolist() == [0.5, 0.0]  # i1: one category, one maker
    torch.testing.assert_close(maker.backward.to_dense(), maker.forward.to_dense().T)


def test_hops_are_the_dense_ones(little):
    _, graph = little
    torch.manual_seed(0)
    network = KGINNetwork(graph, KGINConfig(dim=4, hops=2)).eval()
    states = {k: x.detach() for k, x in zip(network.kinds, network.node, strict=True)}
    wanted = [states["item"]]
    for _ in range(2):
        told = {kind: torch.zeros_like(x) for kind, x in states.items()}
        for near in network.adjacencies:
            gate = network.relation[near.key].gate.detach()
            told[near.target] += near.forward.to_dense() @ (states[near.source] * gate)
        states = {kind: F.normalize(x) for kind, x in told.items()}
        wanted.append(states["item"])
    for a, b in zip(network(), wanted, strict=True):
        torch.testing.assert_close(a.detach(), b, rtol=1e-4, atol=1e-6)


def test_users_mix_intents(little):
    _, graph = little
    torch.manual_seed(0)
    network = KGINNetwork(graph, KGINConfig(dim=4, intents=3)).eval()
    means = [torch.randn(5, 4), torch.randn(5, 4)]
    with torch.no_grad():
        relations = torch.stack([conv.gate for conv in network.relation.values()])
        intents = network.mixture.softmax(1) @ relations
        user = total = means[0]
        for mean in means:
            share = torch.softmax(user @ network.intent.T, 1)
            gate = torch.stack([sum(s * i for s, i in zip(row, intents, strict=True))
                                for row in share])  # fmt: skip
            user = F.normalize(mean + mean * gate)
            total = total + user
        torch.testing.assert_close(network.users(means), total)


def test_relations_and_intents_learn(little):
    log, graph = little
    first = KGIN.untrained(log, graph, SMALL, seed=1)
    model = KGIN.fit(log, graph, SMALL, quick(2, seed=1))
    before, after = first.network.state_dict(), model.network.state_dict()
    assert [name for name in before if torch.equal(before[name], after[name])] == []


def test_only_facts_are_read(little):
    log, graph = little
    histories = Sequences.of(log)
    with_events, without = (
        KGIN.fit(log, g, SMALL, quick(2)).scores(histories) for g in (graph, graph.facts())
    )
    np.testing.assert_array_equal(with_events, without)


def test_a_graph_without_facts_leaves_the_items_alone(little):
    log, _ = little
    bare = build_graph(log, tiny().catalog)
    bare = type(bare)(bare.vocabs, {r: bare.edges[r] for r in bare.events}, {}, bare.events)
    check_recommender(KGIN.fit(log, bare, SMALL, quick(2)), log)


def test_a_kind_of_node_may_have_any_name(little):
    log, _ = little
    facts = {name: [["x"]] * 8 for name in ("values", "type", "a.b", "forward")}
    catalog = Catalog.of(list(log.items.ids), [""] * 8, [""] * 8, facts)
    model = KGIN.fit(log, build_graph(log, catalog), SMALL, quick(1))
    assert sorted(model.network.kinds) == ["a.b", "forward", "item", "type", "values"]


def test_a_graph_of_other_items_is_refused(little, world):
    with pytest.raises(DataError, match="must number the same items"):
        KGIN.fit(little[0], world.graph)
