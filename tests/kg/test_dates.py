"""Dated facts keep their dates through every step, and what is dated later is not learned from."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from kg.building.build import build_graph
from kg.building.from_table import from_table
from kg.building.joined import merged, renumbered
from kg.checking.leakage import leaks, refuse
from kg.dates import UNDATED, dates, distinct
from kg.errors import DataError, UsageError
from kg.formats import FORMATS, convert, read_any
from kg.graph import KnowledgeGraph
from kg.graph_store import load_graph, save_graph
from kg.ids import Vocab
from kg.split import leave_one_out, temporal_split
from kg.storage import Dataset, load_dataset, save_dataset
from kg.testing import START, tiny

BY = ("item", "made_by", "maker")
HOUR = 3600


@pytest.fixture
def world():
    """The makers of i1 (known from the start), i2 (hour 3), i4 (hour 20), i5 and i6 (no date)."""
    made = tiny()
    times = np.array([START, START + 3 * HOUR, START + 20 * HOUR, UNDATED, UNDATED])
    return replace(made, triples=replace(made.triples, edge_time={BY: times}))


@pytest.fixture
def graph(world):
    return build_graph(world.log, world.catalog, triples=world.triples)


def dated(graph):
    """Facts (item id, maker id, seconds)."""
    heads, tails = graph.edges[BY]
    ids = (graph.vocabs["item"].decode(heads), graph.vocabs["maker"].decode(tails))
    return set(zip(*ids, graph.edge_time[BY].tolist(), strict=True))


def test_the_earliest_known_date_of_equal_edges():
    ends = np.array([[1, 0, 1, 1], [0, 0, 0, 2]])
    edges, time = distinct(ends, np.array([50, UNDATED, 20, UNDATED]))
    assert edges.tolist() == [[0, 1, 1], [0, 0, 2]]
    assert time.tolist() == [UNDATED, 20, UNDATED]
    assert distinct(ends)[1] is None
    none, time = distinct(np.zeros((2, 0), np.int64), np.zeros(0, np.int64))
    assert (none.shape, len(time)) == ((2, 0), 0)


def test_dates_of_a_column_without_any():
    assert dates(pl.Series("d", [None, " "]), "x").tolist() == [UNDATED, UNDATED]


def test_a_graph_has_a_date_for_each_edge(graph):
    with pytest.raises(DataError, match="one date per edge"):
        replace(graph, edge_time={BY: np.zeros(2, np.int64)})
    kept = {r: e for r, e in graph.edges.items() if r != BY}
    assert replace(graph, edges=kept, events=frozenset()).edge_time == {}


def test_what_was_known_at_a_second(graph):
    known = graph.known_at(START + 3 * HOUR)
    assert {item for item, _, _ in dated(known)} == {"i1", "i2", "i5", "i6"}
    assert known.edges.keys() == graph.edges.keys()
    assert dated(graph.known_at(START + 2 * HOUR)) == dated(known) - {
        ("i2", "m1", START + 3 * HOUR)
    }
    assert graph.known_at(None) is graph


def test_numbers_and_unions_keep_dates(graph):
    facts = graph.facts()
    ids = Vocab.of([*facts.vocabs["item"].ids, "i0"][1:], "item")
    moved, _ = renumbered(facts, {"item": ids})
    assert dated(moved) == {one for one in dated(graph) if one[0] != "i1"}
    bare = KnowledgeGraph(facts.vocabs, {BY: facts.edges[BY]})
    assert dated(merged(bare, facts)) == dated(graph)  # a date is better than none
    later = replace(facts, edge_time={BY: np.full(5, START + 4 * HOUR)})
    both = {(item, maker): time for item, maker, time in dated(merged(facts, later))}
    assert both["i1", "m1"] == START
    assert both["i4", "m2"] == START + 4 * HOUR
    assert both["i5", "m2"] == START + 4 * HOUR
    assert merged(bare, bare).edge_time == {}


def test_folders_networks_and_tables_give_the_dates_back(tmp_path, world, graph):
    save_graph(tmp_path / "g", graph, {})
    assert dated(load_graph(tmp_path / "g")) == dated(graph)
    data = Dataset(world.log, world.catalog, graph)
    save_dataset(tmp_path / "d", data, {})
    back = load_dataset(tmp_path / "d")
    assert dated(back.graph) == dated(graph)
    assert back.fingerprint == data.fingerprint
    assert replace(data, graph=graph.known_at(0)).fingerprint != data.fingerprint
    undated = replace(data, graph=replace(graph, edge_time={}))
    assert undated.fingerprint != data.fingerprint
    again = KnowledgeGraph.from_networkx(graph.to_networkx())
    assert dated(again) == dated(graph)
    assert list(again.edge_time) == [BY]
    convert(tmp_path / "d", tmp_path / "plain")
    frame = read_any(tmp_path / "plain").triples
    assert frame.columns == ["head", "relation", "tail", "timestamp"]
    assert set(frame["timestamp"]) == {None, *(str(t) for _, _, t in dated(graph) if t != UNDATED)}
    assert "Left out: the dates of facts." in FORMATS["rdf"].left_out(read_any(tmp_path / "d"))
    assert FORMATS["plain"].left_out(read_any(tmp_path / "d")) == ()


def test_a_folder_made_before_there_were_dates_loads(tmp_path, graph):
    bare = replace(graph, edge_time={})
    save_graph(tmp_path / "g", bare, {})
    with np.load(tmp_path / "g" / "graph.npz") as stored:
        assert not [name for name in stored.files if "time" in name]
    assert load_graph(tmp_path / "g").edge_time == {}


def test_a_table_with_a_column_of_times():
    frame = pl.DataFrame({"sku": ["b", "a", "c"], "brand": ["x", "y", "x"],
                          "listed": ["2024-01-02", "2024-01-01", None]})  # fmt: skip
    graph = from_table(frame, relations="brand", time="listed").graph
    brand = ("item", "brand", "brand")
    heads = graph.vocabs["item"].decode(graph.edges[brand][0])
    first = 1_704_067_200  # 2024-01-01
    days = dict(zip(heads, graph.edge_time[brand].tolist(), strict=True))
    assert days == {"a": first, "b": first + 86400, "c": UNDATED}
    made = from_table(frame, time="listed")
    assert all(guess.column != "listed" for guess in made.guesses)
    with pytest.raises(UsageError, match=r"no column 'list' \(asked for in --time\)"):
        from_table(frame, time="list")
    bad = frame.with_columns(listed=pl.Series(["2024-01-02", "soon", None]))
    with pytest.raises(DataError, match="row 2: 'listed' must be a date"):
        from_table(bad, time="listed")


def test_the_cut_is_the_last_training_event(world):
    split = temporal_split(world.log, test=0.2, valid=0.2)
    assert split.cut == split.train.time.max() < split.valid.time.min()
    bare = replace(world.log, time=None)
    assert leave_one_out(bare).cut is None


def test_dated_facts_after_the_cut_are_refused_and_undated_ones_told(world, graph):
    split = temporal_split(world.log, test=0.2, valid=0.2)
    whole = graph.with_events(split.train)
    late, bare = leaks(whole, split, world.catalog)
    assert (late.check, late.refused, late.count) == ("dated facts", True, 1)
    assert late.examples == ("'i4' – 'm2' of 2023-11-15",)
    assert (bare.check, bare.refused, bare.count) == ("facts without a date", False, 2)
    with pytest.raises(DataError, match="dated after the last training event"):
        refuse([late])
    known = leaks(graph.known_at(split.cut).with_events(split.train), split, world.catalog)
    assert [one.check for one in known] == ["facts without a date"]


def test_facts_of_people_are_not_told_where_they_have_dates(world, graph):
    split = leave_one_out(world.log)
    whole = graph.facts().with_events(split.train)
    pairs = np.unique(
        np.stack([split.train.user, split.train.item])[:, split.train.has_item], axis=1
    )
    for name in ("wishes", "also_viewed"):
        liked = ("user", name, "item")
        edges = {("item", "category", "category"): whole.edges["item", "category", "category"]}
        bare = replace(whole, edges={**edges, liked: pairs}, events=frozenset(), edge_time={})
        assert leaks(bare, split, world.catalog)
        times = np.full(pairs.shape[1], START)
        assert leaks(replace(bare, edge_time={liked: times}), split, world.catalog) == []


def test_dates_that_nothing_can_be_compared_with_are_told(world, graph):
    split = leave_one_out(replace(world.log, time=None))
    found = leaks(graph.with_events(split.train), split, world.catalog)
    assert [(one.check, one.refused) for one in found][:1] == [("dated facts", False)]
