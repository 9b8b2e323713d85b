"""The item tower: a new item gets what an untrained one in the graph has."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import sparse

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.graph import KnowledgeGraph
from kg.ids import Vocab
from kg.testing import tiny
from models.gnn import Adjacency
from models.gnn.adjacency import to_csr
from models.items import ItemTower
from models.recommender import IntentRecommender, ModelConfig
from models.text import HashEncoder
from recsys.serving.items import ItemStore

COLD = 5  # i6: "Camping {Stove}", outdoor, made by m2, no event


@pytest.fixture
def world():
    return tiny()


def tiny_model(world, **settings):
    torch.manual_seed(0)
    graph = build_graph(world.log, world.catalog, triples=world.triples)
    text = HashEncoder(16).encode(world.catalog.full_texts())
    model = IntentRecommender(graph, text, ModelConfig(dim=8, text_dim=4, **settings), behaviours=4)
    with torch.no_grad():
        for name, value in model.items.named_parameters():
            value.copy_(torch.randn_like(value) if "gate" not in name else 0.8 + 0 * value)
    return model.eval(), text


@pytest.mark.parametrize("user_edges", [False, True])
def test_a_new_item_gets_the_vector_of_an_untrained_twin(world, user_edges):
    model, text = tiny_model(world, user_edges=user_edges)
    assert model.items.counts[COLD] == 0
    twin = Catalog.of(
        ["new"], ["Camping {Stove}"], ["A small gas stove"],
        {"category": [["outdoor"]], "made_by": [["m2"]]},
    )  # fmt: skip
    store = ItemStore.of(model, world.catalog, text)
    new = store.added(model, model.graph, twin, text[[COLD]])
    for part in ("text_part", "graph_part", "id_part"):
        old, got = getattr(store, part)[COLD], getattr(new, part)[-1]
        np.testing.assert_allclose(got, old, atol=1e-5, err_msg=part)
        assert part == "id_part" or np.abs(got).max() > 0.01
    np.testing.assert_array_equal(new.vectors[:-1], store.vectors)


def test_edges_and_text_of_a_new_item_are_heard(world):
    model, text = tiny_model(world)
    parts = model.items.new_items(torch.from_numpy(model.whitening.apply(text[:1])), [])
    assert not parts.graph.any()
    assert not parts.id.any()
    torch.testing.assert_close(parts.text[0], model.items().text[0].detach())
    one = to_csr(sparse.csr_matrix(np.array([[0.0, 1.0]], np.float32)))
    maker = Adjacency("maker", "~made_by", "item", one, one)
    with_maker = model.items.new_items(torch.zeros(1, model.whitening.dim), [maker])
    assert with_maker.graph.abs().max() > 0.01
    assert not with_maker.text.any()


def test_id_share(world):
    model, _ = tiny_model(world, warm_count=3.0)
    share = model.items.id_share(torch.tensor([0.0, 3.0, 27.0]))
    torch.testing.assert_close(share, torch.tensor([0.0, 0.5, 0.9]))
    parts = model.items()
    assert not parts.id[COLD].any()
    assert parts.id[0].any()
    torch.testing.assert_close(parts.vector, parts.text + parts.graph + parts.id)


def test_ids_are_hidden_in_training_only(world):
    model, _ = tiny_model(world, id_dropout=0.5)
    warm = model.items.counts > 0
    model.train()
    hidden = torch.stack([~model.items().id[warm].any(1) for _ in range(50)]).float()
    assert 0.3 < hidden.mean() < 0.7
    assert ((hidden.mean(1) > 0) & (hidden.mean(1) < 1)).float().mean() > 0.8  # each by itself
    model.eval()
    assert model.items().id[warm].any(1).all()


@pytest.mark.parametrize("user_edges", [False, True])
def test_some_items_alone_are_as_among_all(world, user_edges):
    extra = {("item", "sequel_of", "item"): np.array([[0, 2, 0], [1, 1, 4]]),
             ("maker", "from", "land"): np.array([[0, 1], [1, 1]])}  # fmt: skip
    land = Vocab(("north", "south"), "land")
    graph = build_graph(world.log, world.catalog, triples=world.triples)
    assert "maker" in graph.vocabs
    graph = KnowledgeGraph({**graph.vocabs, "land": land}, {**graph.edges, **extra},
                           events=graph.events)  # fmt: skip
    text = HashEncoder(16).encode(world.catalog.full_texts())
    config = ModelConfig(dim=8, text_dim=4, user_edges=user_edges)
    torch.manual_seed(1)
    tower = IntentRecommender(graph, text, config, behaviours=4).items.eval()
    rows = torch.tensor([0, 1, 3, COLD])
    weight = torch.randn(len(rows), 8)
    for part in ("text", "graph", "id"):
        gradients = []
        for made in (getattr(tower(), part)[rows], getattr(tower(rows), part)):
            tower.zero_grad()
            (made * weight).sum().backward()
            gradients.append({n: p.grad.clone() for n, p in tower.named_parameters()
                              if p.grad is not None})  # fmt: skip
        full, few = getattr(tower(), part)[rows], getattr(tower(rows), part)
        torch.testing.assert_close(few, full, rtol=0, atol=1e-6)
        assert full.abs().max() > 1e-4, part
        assert any(grad.abs().max() > 1e-5 for grad in gradients[1].values())
        for name, grad in gradients[0].items():
            want = torch.zeros_like(grad) if name not in gradients[1] else gradients[1][name]
            torch.testing.assert_close(grad, want, rtol=0, atol=1e-6, msg=f"{part}: {name}")


def test_any_name_of_a_node_type_will_do():
    names = ("type", "a.b", "items", "of x", "a%2Eb")
    vocabs = {name: Vocab(("one", "two"), name) for name in names}
    items = Vocab(("i", "j"), "item")
    edges = {("item", name, name): np.array([[0, 1], [1, 0]]) for name in names}
    graph = KnowledgeGraph({**vocabs, "item": items}, edges)
    model = IntentRecommender(
        graph, np.eye(2, dtype=np.float32), ModelConfig(dim=4), counts=np.ones(2, np.int64)
    )
    assert isinstance(model.items, ItemTower)
    assert set(model.items.states()) == {"item", *names}
    model.items().vector.sum().backward()
    assert all(table.weight.grad is not None for table in model.items.nodes.values())
    assert len(model.items.nodes) == len(names)


def planted_tower() -> tuple[ItemTower, torch.Tensor]:
    """60 items of which the last two have no event, δ a linear function of the content, and that
    function of each content.
    """
    torch.manual_seed(0)
    text = torch.randn(60, 4)
    text[-1] = 0
    counts = torch.full((60,), 6)
    counts[-2:] = 0
    tower = ItemTower(text, counts, [], {"item": 60}, dim=8, dropout=0.0, id_dropout=0.5,
                      warm_count=2.0)  # fmt: skip
    torch.nn.init.normal_(tower.project.weight)
    wanted = tower.project(tower.content).detach() @ torch.randn(8, 8)
    with torch.no_grad():
        tower.delta.weight.copy_(wanted)
    return tower.eval(), wanted


def test_after_training_a_new_item_has_the_id_that_goes_with_its_content():
    tower, wanted = planted_tower()
    before = tower().id
    assert not before[-2:].any()
    tower.expect()
    found = tower().id.detach()
    torch.testing.assert_close(found[:-2], before[:-2].detach())  # trained items keep their own
    torch.testing.assert_close(found[-2], wanted[-2], rtol=0.05, atol=0.05)
    assert not found[-1].any()  # nothing is known of it
    scale = tower.widths[0] ** -0.5
    later = tower.new_items(tower.content[-2:] / scale, [])
    torch.testing.assert_close(later.id, found[-2:])
    torch.testing.assert_close(tower(torch.tensor([58, 3])).id.detach(), found[[58, 3]])
    assert not tower.train()().id[-2:].any()  # training is as it was


def test_where_content_says_nothing_of_ids_none_is_expected():
    tower, wanted = planted_tower()
    with torch.no_grad():
        tower.delta.weight.copy_(wanted[torch.randperm(60)])
    tower.expect()
    assert not tower().id[-2:].any()


def test_parts_of_a_run_stand_as_the_model_has_them_whatever_their_order():
    torch.manual_seed(0)
    text, counts = torch.randn(30, 4), torch.full((30,), 3)
    counts[-1] = 0
    tower = ItemTower(
        text, counts, [], {"item": 30}, dim=4, dropout=0.0, id_dropout=0.0, warm_count=2.0,
        extras={"sound": torch.randn(30, 3), "image": torch.randn(30, 5)},
    ).eval()  # fmt: skip
    tower.expect_weight.normal_()
    parts = tower()
    extras = {name: x.detach().numpy() for name, x in sorted(parts.extras.items())}
    assert list(extras) != list(tower.extra_names)
    store = ItemStore(
        tuple(f"i{n}" for n in range(30)), ("",) * 30, parts.text.detach().numpy(),
        parts.graph.detach().numpy(), parts.id.detach().numpy(), text.numpy(),
        np.zeros(30, bool), 30, {}, extras,
    )  # fmt: skip
    found = store.expected(SimpleNamespace(items=tower))
    np.testing.assert_allclose(found[-1], parts.id[-1].detach().numpy(), rtol=1e-5)
