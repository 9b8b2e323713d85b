"""Named vectors in the item tower: a missing one adds nothing, absent ones cost nothing."""

import numpy as np
import pytest
import torch

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.errors import DataError, UsageError
from kg.testing import tiny
from kg.vectors import Vectors
from models.features import Features
from models.recommender import IntentRecommender, ModelConfig
from models.text import HashEncoder
from recsys.serving.items import ItemStore

HAVE = ["i1", "i2", "i4", "i6", "i7"]
LACK = [2, 4, 7]


def with_images(catalog, ids=HAVE, width=6, name="image"):
    values = np.random.default_rng(3).normal(2, 3, (len(ids), width)).astype(np.float32)
    return catalog.with_vectors(Vectors.of(name, ids, values, catalog.ids))


def model_of(catalog, world=None, seed=0):
    world = world or tiny()
    graph = build_graph(world.log, catalog, triples=world.triples)
    text = HashEncoder(16).encode(catalog.full_texts())
    torch.manual_seed(seed)
    config = ModelConfig(dim=8, text_dim=4)
    features = Features.of(catalog)
    return IntentRecommender(graph, text, config, behaviours=4, features=features).eval(), text


def test_a_missing_vector_adds_exactly_nothing_and_a_known_one_is_heard():
    model, _ = model_of(with_images(tiny().catalog))
    parts = model.items()
    assert not parts.extras["image"][LACK].any()
    assert (parts.extras["image"].abs().amax(1) > 1e-4).sum() == len(HAVE)
    whole = parts.text + parts.graph + parts.id + parts.extras["image"]
    torch.testing.assert_close(parts.vector, whole)
    shut = model.items.extra_gates
    with torch.no_grad():
        shut.zero_()
    assert not model.items().extras["image"].any()
    assert model.gates()["image"] == 0


def test_without_vectors_the_model_is_the_one_it_was():
    model, _ = model_of(tiny().catalog)
    assert model.items.extra_gates is None
    assert not any("extra" in name for name in model.state_dict())
    assert "image" not in model.gates()
    assert model.items().extras == {}


def test_some_items_alone_are_as_among_all_with_vectors():
    catalog = with_images(with_images(tiny().catalog), ["i3", "i8"], 3, "sound")
    tower = model_of(catalog)[0].items
    rows = torch.tensor([0, 2, 5, 7])
    weight = torch.randn(4, 8)
    gradients = []
    for made in (tower().vector[rows], tower(rows).vector):
        tower.zero_grad()
        (made * weight).sum().backward()
        gradients.append(tower.project.weight.grad.clone())
    torch.testing.assert_close(tower(rows).vector, tower().vector[rows], rtol=0, atol=1e-6)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0, atol=1e-6)
    assert gradients[0][:, -2:].any()


def test_a_new_item_gets_the_vectors_of_an_untrained_twin():
    catalog = with_images(tiny().catalog)
    model, text = model_of(catalog)
    own = catalog.vectors[0].dense(8)[5:6]
    twin = Catalog.of(
        ["new", "bare"], ["Camping {Stove}"] * 2, ["A small gas stove"] * 2,
        {"category": [["outdoor"]] * 2, "made_by": [["m2"]] * 2},
    )  # fmt: skip
    twin = twin.with_vectors(Vectors.of("image", ["new"], own, twin.ids))
    store = ItemStore.of(model, catalog, text)
    new = store.added(model, model.graph, twin, text[[5, 5]])
    np.testing.assert_allclose(new.vectors[-1], store.vectors[5], atol=1e-6)
    assert not new.extras["image"][-2].any()
    np.testing.assert_allclose(new.text_part[-2], store.text_part[5], atol=1e-6)


def test_new_items_with_strange_vectors_are_refused():
    catalog = with_images(tiny().catalog)
    model, text = model_of(catalog)
    store = ItemStore.of(model, catalog, text)
    new = Catalog.of(["new"])
    with pytest.raises(UsageError, match=r"had \(image\). Got 'sound'"):
        store.added(model, model.graph, with_images(new, ["new"], 6, "sound"), text[:1])
    with pytest.raises(DataError, match=r"must have 6 numbers, as in training\. Got 5"):
        store.added(model, model.graph, with_images(new, ["new"], 5), text[:1])
