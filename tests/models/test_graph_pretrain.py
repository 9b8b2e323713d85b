"""Texts and facts that say the same learn to tell each other; where they do not, nothing can."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from kg.building.build import build_graph
from kg.catalog import Attribute
from kg.testing import planted
from models.gnn.pretrain import pretrain_graph
from models.recommender import IntentRecommender, ModelConfig
from models.text import HashEncoder


def model_of(shuffled=False, attributes=True):
    world = planted(np.random.default_rng(0), users=20, items=200)
    colours = [[name.split()[0]] for name in world.catalog.titles]  # the title's first word
    extra = (Attribute.of("colour", colours),) if attributes else ()
    catalog = replace(world.catalog, attributes=(*world.catalog.attributes, *extra))
    if not attributes:
        catalog = replace(catalog, attributes=())
    torch.manual_seed(0)
    text = HashEncoder(128).encode(catalog.full_texts())
    if shuffled:
        text = text[np.random.default_rng(1).permutation(len(text))]
    return IntentRecommender(
        build_graph(world.log, catalog), text, ModelConfig(dim=32, text_dim=24)
    ), catalog


def told(model, kind="colour"):
    """Share of items whose own node is nearest to their text among those of its type."""
    tower = model.items
    with torch.no_grad():
        text = F.normalize(tower.project_text(tower.content * tower.widths[0] ** 0.5), dim=1)
        best = (text @ F.normalize(tower.feature(kind), dim=1).T).argmax(1)
    edges = model.graph.edges[("item", kind, kind)]
    return float((best[edges[0]].numpy() == edges[1]).mean())


def test_texts_find_their_facts():
    model, _ = model_of()
    before = told(model)
    losses = pretrain_graph(model.items, 60, np.random.default_rng(0))
    assert len(losses) == 60
    assert losses[-1] < 0.7 * losses[0]
    assert told(model) > 0.8 > before


def test_what_says_nothing_about_new_items_is_not_learned_for_them():
    """Of items whose text was not there, only real texts tell the facts."""
    found = []
    gone = np.random.default_rng(2).random(200) < 0.3
    for shuffled in (False, True):
        model, _ = model_of(shuffled)
        kept = model.items.content.clone()
        model.items.content[torch.from_numpy(gone)] = 0
        pretrain_graph(model.items, 60, np.random.default_rng(0))
        model.items.content.copy_(kept)
        edges = model.graph.edges[("item", "colour", "colour")]
        with torch.no_grad():
            tower = model.items
            text = F.normalize(tower.project_text(tower.content * tower.widths[0] ** 0.5), dim=1)
            best = (text @ F.normalize(tower.feature("colour"), dim=1).T).argmax(1).numpy()
        hidden = gone[edges[0]]
        found.append(float((best[edges[0][hidden]] == edges[1][hidden]).mean()))
    assert found[0] > found[1] + 0.3


def test_only_texts_and_nodes_learn_and_a_seed_repeats_it():
    one, two = model_of()[0], model_of()[0]
    before = {name: value.clone() for name, value in one.state_dict().items()}
    for model in (one, two):
        pretrain_graph(model.items, 3, np.random.default_rng(7))
    changed = {
        name for name, value in one.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed
    assert all(
        name == "items.project.weight" or name.startswith("items.nodes.") for name in changed
    )
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name])


@pytest.mark.parametrize("lacks", ["text", "facts", "epochs"])
def test_without_texts_facts_or_epochs_nothing_happens(lacks):
    model, _ = model_of(attributes=lacks != "facts")
    if lacks == "text":
        model.items.content.zero_()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert (
        pretrain_graph(model.items, 0 if lacks == "epochs" else 3, np.random.default_rng(0)) == []
    )
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
