"""What a warm start carries over, exactly, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.clean import clean
from kg.errors import UsageError
from kg.events import EventLog
from kg.testing import tiny
from models.features import Features, Queries
from models.recommender import IntentRecommender, ModelConfig
from models.text import HashEncoder
from models.transfer import as_source, same_nodes, warm_start, weights_hash

CONFIG = ModelConfig(dim=8, text_dim=6, max_length=10, repeats=True)


def made(world, config=CONFIG, width=16, **more):
    graph = build_graph(world.log, world.catalog, triples=world.triples)
    text = HashEncoder(width).encode(world.catalog.full_texts())
    kinds = len(world.log.behaviours)
    torch.manual_seed(more.pop("seed", 0))
    return IntentRecommender(graph, text, config, behaviours=kinds, **more)


@pytest.fixture
def source():
    """A model of the tiny world in which no number is as it was made."""
    model = made(tiny(), intent_dim=5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))
    return model.eval()


def other_world():
    """Other items and people; a category 'Beauty' (of tiny: 'beauty') and one nobody knows."""
    items = [f"x{n}" for n in range(7)]
    texts = ["red polish", "dry cream", "blue tent", "rope", "gas stove", "green pan", "knife"]
    cells = [["Beauty"], ["Beauty"], ["camping"], ["camping"], [], ["camping"], ["camping"]]
    catalog = Catalog.of(items, texts, None, {"category": cells, "colour": [["red"]] * 7})
    users = [f"p{n % 4}" for n in range(20)]
    log = EventLog.of(users, [items[n * n % 7] for n in range(20)],
                      behaviour=["purchase", "borrow"] * 10, time=np.arange(20))  # fmt: skip
    log = clean(log, catalog.ids)[0]
    return replace(tiny(), log=log, catalog=catalog, triples=None)


def centred(source, world):
    text = HashEncoder(16).encode(world.catalog.full_texts())
    return source.whitening.centred_on(text, np.arange(len(text)))


def started(source, config=CONFIG, **more):
    world = other_world()
    model = made(world, config, whitening=centred(source, world), seed=1, **more)
    return model, warm_start(model, source, world.log, tiny().log)


def test_what_is_carried_equals_the_source(source):
    before = weights_hash(source)
    model, report = started(source, intent_dim=5)
    assert weights_hash(source) == before == report.source
    new, old = model.state_dict(), source.state_dict()
    same = [key for key in new if key.startswith(("sequence.", "repeat.", "intent"))]
    same += ["items.project.weight", "items.text_gate", "items.graph_gate"]
    same += [key for key in new if "category" in key and key.endswith(".gate")]
    same.remove("sequence.behaviour.weight")
    assert len([key for key in same if "gate" in key]) == 5  # text, graph, intent, two relations
    for key in same:
        assert torch.equal(new[key], old[key]), key
    parts = {"text", "relations", "nodes of the same name", "transformer", "kinds of events"}
    assert set(report.carried) == parts | {"gaps of time", "intent", "repeats"}


def test_kinds_of_events_go_by_name_and_others_are_a_mean(source):
    model, report = started(source)
    names = [b.name for b in other_world().log.behaviours]
    known = [b.name for b in tiny().log.behaviours]
    rows, learned = model.sequence.behaviour.weight, source.sequence.behaviour.weight
    assert torch.equal(rows[names.index("purchase")], learned[known.index("purchase")])
    assert torch.equal(rows[names.index("borrow")], learned.mean(0))
    assert report.carried["kinds of events"] == "purchase"
    assert report.left["kinds of events"].startswith("borrow ")


def test_ids_and_strange_nodes_say_nothing_and_nodes_of_one_name_are_one(source):
    model, report = started(source)
    assert not model.items.delta.weight.any()
    here = model.graph.vocabs["category"].encode(["Beauty"])[0]
    there = source.graph.vocabs["category"].encode(["beauty"])[0]
    table, learned = model.items.feature("category"), source.items.feature("category")
    assert torch.equal(table[here], learned[there])
    assert not table[1 - here].any()
    assert not model.items.feature("colour").any()
    assert report.carried["nodes of the same name"] == "1 of 3"
    assert "colour" in report.left["relations"]
    with torch.inference_mode():
        assert not model.eval().items().id.any()


def test_numbers_of_two_files_are_not_one_node_if_their_names_differ():
    """Entity files number their nodes anew: what counts is what a node is called."""
    one = build_graph(tiny().log, tiny().catalog, triples=tiny().triples)
    two = replace(one, names={"maker": ("Fells", "Elsewhere")})
    assert [x.tolist() for x in same_nodes(one, two, "maker")] == [[1], [0]]
    twice = replace(one, names={"maker": ("Fells", "fells")})
    assert [x.tolist() for x in same_nodes(one, twice, "maker")] == [[], []]


@pytest.mark.parametrize("length", [4, 10, 13])
def test_biases_of_distances_are_cut_or_go_on_as_they_end(source, length):
    model, _ = started(source, CONFIG.model_copy(update={"max_length": length}))
    for block, old in zip(model.sequence.blocks, source.sequence.blocks, strict=True):
        kept = min(length, 10)
        assert torch.equal(block.distance[:, :kept], old.distance[:, :kept])
        assert torch.equal(block.distance[:, kept:], old.distance[:, -1:].expand(-1, length - kept))


def test_a_source_without_times_teaches_no_gaps(source):
    world = other_world()
    model = made(world, whitening=source.whitening)
    report = warm_start(model, source, world.log, replace(tiny().log, time=None))
    gaps = source.sequence.gap.weight
    assert torch.equal(model.sequence.gap.weight, gaps[:1].expand(len(gaps), -1))
    assert torch.equal(model.repeat.elapsed, source.repeat.elapsed[:1].expand(16))
    assert "gaps of time" in report.left


def test_parts_that_one_of_them_lacks_are_left(source):
    model, report = started(source, CONFIG.model_copy(update={"repeats": False}), intent_dim=4)
    assert model.repeat is None
    assert "width 5" in report.left["intent"]
    assert not model.intent_gate
    said = str(report)
    assert "\n" not in said
    assert "item ids (they mean nothing elsewhere)" in said


def test_searches_carry_over_and_profiles_and_other_vectors_do_not():
    world, encoder = tiny(), HashEncoder(16)
    people = Catalog.of(world.log.users.ids, attributes={"age": [["old"]] * 6}, name="user")
    image = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    told = Features({"image": image}, people, Queries.of(world.log, encoder.encode))
    config = CONFIG.model_copy(update={"searches": True})
    source = made(world, config, features=told)
    with torch.no_grad():
        for parameter in source.parameters():
            parameter.add_(torch.randn_like(parameter))
    model = made(world, config, features=told, whitening=source.whitening, seed=1)
    fresh = made(world, config, features=told, whitening=source.whitening, seed=1).state_dict()
    report = warm_start(model, source, world.log, world.log)
    new, old = model.state_dict(), source.state_dict()
    assert torch.equal(new["searches.gate"], old["searches.gate"])
    width = model.items.widths[0]
    text, rest = new["items.project.weight"].tensor_split([width], 1)
    assert torch.equal(text, old["items.project.weight"][:, :width])
    assert torch.equal(rest, fresh["items.project.weight"][:, width:])
    assert torch.equal(new["items.extra_gates"], fresh["items.extra_gates"])
    assert all(torch.equal(new[key], fresh[key]) for key in new if key.startswith("people."))
    assert {"profiles", "image"} <= report.left.keys()


def test_every_part_of_the_model_is_known_to_the_transfer(source):
    """A new part must say in models/transfer.py whether it means anything on other data."""
    parts = {key.partition(".")[0] for key in source.state_dict()}
    assert parts <= {"items", "sequence", "repeat", "intent", "intent_gate"}


@pytest.mark.parametrize("change", [{"dim": 16}, {"layers": 1}, {"heads": 4}])
def test_other_sizes_are_named(source, change):
    ((name, value),) = change.items()
    with pytest.raises(UsageError, match=rf"set {name} = .*Got {value} instead"):
        started(source, CONFIG.model_copy(update=change))


def test_another_whitening_is_refused(source):
    world = other_world()
    with pytest.raises(UsageError, match="the whitening of its source"):
        warm_start(made(world), source, world.log, tiny().log)


def test_sizes_follow_the_source_unless_they_are_set(source):
    found = as_source(ModelConfig(layers=3, dropout=0.1), source)
    assert (found.dim, found.layers, found.heads, found.dropout) == (8, 3, 2, 0.1)
    assert as_source(ModelConfig(dim=64), source).dim == 64
    assert as_source(ModelConfig(dim=0), source).dim == 8
