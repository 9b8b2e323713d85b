"""The graph layer against dense matrices."""

import numpy as np
import pytest
import torch
from scipy import sparse

from kg.building.build import build_graph
from kg.graph import KnowledgeGraph
from kg.ids import Vocab
from kg.testing import tiny
from models.gnn import Adjacency, RelationalConv, RelationalGNN, adjacencies
from models.gnn.adjacency import mean_adjacency
from models.testing import check_graph_layer


def random_graph(rng: np.random.Generator, order: np.ndarray | None = None) -> KnowledgeGraph:
    codes = rng.choice(7 * 5, 14, replace=False)
    edges = np.stack([codes // 5, codes % 5])
    if order is not None:
        edges = edges[:, order]
    vocabs = {"item": Vocab(tuple(f"i{n}" for n in range(7)), "item"),
              "kind": Vocab(tuple(f"k{n}" for n in range(5)), "kind")}  # fmt: skip
    return KnowledgeGraph(vocabs, {("item", "is", "kind"): edges})


def test_relational_conv_keeps_the_contract():
    for adjacency in adjacencies(random_graph(np.random.default_rng(0))):
        check_graph_layer(RelationalConv(0.7), adjacency, scale=0.7)


def test_the_contract_notices_a_sum_in_place_of_a_mean():
    class Wrong(torch.nn.Module):
        def forward(self, x, adjacency):
            return (adjacency.forward.to_dense() != 0).float() @ x

    with pytest.raises(AssertionError):
        check_graph_layer(Wrong(), adjacencies(random_graph(np.random.default_rng(0)))[0])


def test_the_gate_gets_the_dense_gradient():
    adjacency = adjacencies(random_graph(np.random.default_rng(1)))[0]
    conv, x = RelationalConv(0.5), torch.randn(7, 3)
    conv(x, adjacency).square().sum().backward()
    dense = (adjacency.forward.to_dense() @ x).square().sum() * 2 * 0.5
    assert conv.gate.grad.item() == pytest.approx(dense.item(), rel=1e-5)


def test_edge_order_does_not_matter():
    order = np.random.default_rng(5).permutation(14)
    plain = adjacencies(random_graph(np.random.default_rng(0)))
    mixed = adjacencies(random_graph(np.random.default_rng(0), order))
    for a, b in zip(plain, mixed, strict=True):
        assert a.key == b.key
        assert torch.equal(a.forward.to_dense(), b.forward.to_dense())
        assert torch.equal(a.backward.to_dense(), b.forward.to_dense().T)


def test_both_directions_and_user_edges_only_when_asked():
    world = tiny()
    graph = build_graph(world.log, world.catalog, triples=world.triples)
    facts = {a.key for a in adjacencies(graph, user_edges=False)}
    assert facts == {"item>category>category", "category>~category>item",
                     "item>made_by>maker", "maker>~made_by>item"}  # fmt: skip
    more = {a.key for a in adjacencies(graph)} - facts
    assert "user>purchase>item" in more
    assert "item>~purchase>user" in more


def test_names_with_dots_stay_apart():
    none = torch.zeros(1, 1).to_sparse_csr()
    keys = {Adjacency("a", name, "item", none, none).key for name in ("b.c", "b_c", "b%2Ec")}
    assert len(keys) == 3
    assert not any("." in key for key in keys)


def test_two_steps_by_hand():
    relations = adjacencies(random_graph(np.random.default_rng(2)))
    gnn = RelationalGNN(relations)
    states = {"item": torch.randn(7, 3), "kind": torch.randn(5, 3)}
    there, back = (a.forward.to_dense() for a in relations)
    if there.shape != (5, 7):
        there, back = back, there
    want = 0.3 * back @ (states["kind"] + 0.3 * there @ states["item"])
    torch.testing.assert_close(gnn(states, relations), want)
    assert not RelationalGNN([])(states, []).any()


def test_facts_between_items_are_listened_to():
    items = Vocab(("a", "b", "c"), "item")
    graph = KnowledgeGraph({"item": items}, {("item", "sequel_of", "item"): np.array([[0], [1]])})
    relations = adjacencies(graph)
    x = torch.eye(3)
    gnn = RelationalGNN(relations)
    out = gnn({"item": x}, relations)
    gates = {key: conv.gate.item() for key, conv in gnn.to_items.items()}
    assert torch.allclose(out[1], gates["item>sequel_of>item"] * x[0])
    assert torch.allclose(out[0], gates["item>~sequel_of>item"] * x[1])
    assert not out[2].any()


@pytest.mark.parametrize("rows", [[2], [0, 1, 2, 3], [3, 1]])
def test_the_edges_into_some_targets_are_those_of_the_matrix(rows):
    edges = np.array([[1, 0, 1, 1], [0, 0, 0, 0], [0, 1, 0, 0], [1, 1, 1, 1]], np.float32)
    adjacency = mean_adjacency("a", "r", "b", sparse.csr_matrix(edges))
    near = adjacency.into(torch.tensor(rows))
    assert near.sources.tolist() == sorted(set(near.sources.tolist()))
    x = torch.randn(4, 5)
    found = RelationalConv(1.0).among(x[near.sources], near)
    torch.testing.assert_close(found, adjacency.forward.to_dense()[rows] @ x)
