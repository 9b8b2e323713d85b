"""Explanations by hand in the tiny world, and against networkx in planted ones."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.building.build import build_graph
from kg.building.triples import Triples
from kg.catalog import Catalog
from kg.errors import UsageError
from kg.events import EventLog
from kg.graph import KnowledgeGraph
from kg.ids import Vocab
from kg.testing import planted, tiny
from kg.wording.paths import PathIndex, explain_paths
from kg.wording.reasons import CHINESE, ENGLISH, shared, verb_of


def tiny_graph() -> tuple[KnowledgeGraph, Catalog]:
    world = tiny()
    return build_graph(world.log, world.catalog, triples=world.triples), world.catalog


def test_tiny_by_hand() -> None:
    graph, catalog = tiny_graph()
    found = explain_paths(graph, np.array([0, 3]), 1)  # lipstick, then shoes; why nail polish?
    start = "because you chose Red Lipstick: "
    assert [path.sentence(catalog, graph) for path in found] == [
        start + "both made by Aurora",
        start + "2 people who chose it also chose Nail Polish",
        start + "same category: beauty",
    ]
    # two items by Aurora; u1 has 2 items and u3 has 3, both items have 2 people; 3 are beauty
    people = (1 / np.log2(1 + 2) + 1 / np.log2(1 + 3)) / np.sqrt(2 * 2)
    expected = [0.9 / np.log2(1 + 2), 0.9 * people, 0.9 / np.log2(1 + 3)]
    assert [path.score for path in found] == pytest.approx(expected)
    assert [path.node for path in found] == [0, None, 0]
    assert [path.people for path in found] == [0, 2, 0]


def test_a_cold_item_is_explained_by_its_facts() -> None:
    graph, catalog = tiny_graph()
    found = explain_paths(graph, np.array([4]), 5)
    assert [path.sentence(catalog, graph, "bought") for path in found] == [
        "because you bought Rain Jacket: same category: outdoor",
        "because you bought Rain Jacket: both made by Fells",
    ]  # three items at either node: a tie, by the relation's name
    assert [path.score for path in found] == pytest.approx([0.5, 0.5])  # 1 / log2(1 + 3)


def test_recent_items_count_more_and_the_item_itself_nothing() -> None:
    graph, _ = tiny_graph()
    new = explain_paths(graph, np.array([7, 0, 4, 3]), 5, limit=9, skip=frozenset({"user"}))
    assert [p.source for p in new] == [3, 3]
    old = explain_paths(graph, np.array([3, 0, 0, 5]), 5, skip=frozenset({"user", "made_by"}))
    assert [(p.source, p.relation) for p in old] == [(3, "category")]
    assert old[0].score == pytest.approx(0.9**3 * 0.5)
    assert explain_paths(graph, np.array([5]), 5) == []
    assert explain_paths(graph, np.array([], np.int64), 5) == []
    assert explain_paths(graph, np.array([3]), 5, limit=0) == []


def test_a_rare_node_beats_a_hub() -> None:
    ids = [f"i{n:02d}" for n in range(40)]
    catalog = Catalog.of(ids, attributes={
        "language": [["English"]] * 40,
        "starring": [["Al Pacino"] if n < 2 else [] for n in range(40)],
    })  # fmt: skip
    log = EventLog(catalog.ids, catalog.ids, (), *(np.zeros(0, np.int64) for _ in range(3)))
    graph = build_graph(log, catalog)
    found = explain_paths(graph, np.array([0]), 1)
    assert [p.node_name for p in found] == ["Al Pacino", "English"]
    assert found[0].sentence(catalog, graph) == "because you chose i00: both starring Al Pacino"


@pytest.mark.parametrize(
    ("relation", "told"),
    [
        ("directed_by", "both directed by X"),
        ("written_by", "both written by X"),
        ("made_by", "both made by X"),
        ("music_by", "both with music by X"),
        ("starring", "both starring X"),
        ("directedBy", "both directed by X"),
        ("genres", "same genres: X"),
        ("has_genre", "same genre: X"),
        ("in_language", "same language: X"),
        ("release_year", "same release year: X"),
        ("类别", "same 类别: X"),
    ],
)
def test_relations_read_as_english(relation: str, told: str) -> None:
    assert shared(relation, "X") == told


@pytest.mark.parametrize(
    ("relation", "word"),
    [
        ("category", "类别"),
        ("categories", "类别"),
        ("product_category", "类别"),
        ("in_category", "类别"),
        ("has_genre", "类型"),
        ("genres", "类型"),
        ("Brand", "品牌"),
        ("price", "价格"),
        ("tags", "标签"),
        ("author", "作者"),
        ("directedBy", "导演"),
        ("release_year", "发行年份"),
        ("colour", "颜色"),
        ("material", "材质"),
        ("series", "系列"),
        ("dress", "dress"),
        ("功效", "功效"),
    ],
)
def test_what_items_share_has_a_chinese_name(relation: str, word: str) -> None:
    assert shared(relation, "X", "zh") == f"相同的{word}：X"


def test_reasons_in_chinese() -> None:
    graph, catalog = tiny_graph()
    found = explain_paths(graph, np.array([0, 3]), 1)
    assert [path.sentence(catalog, graph, language="zh") for path in found] == [
        "因为你选择过“Red Lipstick”：相同的制造商：Aurora",
        "因为你选择过“Red Lipstick”：2人选择过它，也选择过“Nail Polish”",
        "因为你选择过“Red Lipstick”：相同的类别：beauty",
    ]
    assert shared("类别", "美妆", "zh") == "相同的类别：美妆"
    assert [verb_of(name, "zh") for name in ("购买", "加购", "评价")] == ["购买", "加购", "评价"]
    assert [verb_of(name, "en") for name in ("购买", "cart")] == ["bought", "added"]
    assert [verb_of("play", "en"), verb_of("play", "zh")] == ["played", "体验"]
    assert all(vars(CHINESE).values())
    assert vars(CHINESE).keys() == vars(ENGLISH).keys()


def test_the_verb_is_that_of_the_only_behaviour() -> None:
    catalog = Catalog.of(
        ["a", "b"], ["Heat (1995)", "Ronin"], attributes={"genre": [["Crime"]] * 2}
    )
    log = EventLog.of(["u", "v"], ["a", "b"], behaviour="rating", value=np.ones(2))
    graph = build_graph(log, catalog)
    (path,) = explain_paths(graph, np.array([0]), 1)
    assert path.sentence(catalog, graph) == "because you rated Heat (1995): same genre: Crime"


def test_facts_are_read_from_either_end_and_no_person_is_named() -> None:
    items, users = Vocab(("a", "b"), "item"), Vocab(("u",), "user")
    both = np.array([[0, 0], [0, 1]])
    graph = KnowledgeGraph(
        {"item": items, "user": users, "shelf": Vocab(("s",), "shelf")},
        {("shelf", "holding", "item"): both, ("user", "likes", "item"): both},
    )
    (path,) = explain_paths(graph, np.array([0]), 1)
    assert (path.relation, path.node_type, path.node) == ("holding", "shelf", 0)


def test_a_fact_between_two_items_comes_before_what_they_share() -> None:
    catalog = Catalog.of(
        ["a", "g", "t"], ["Algebra", "Geometry", "Trigonometry"],
        attributes={"track": [["Maths"]] * 3},
    )  # fmt: skip
    log = EventLog(catalog.ids, catalog.ids, (), *(np.zeros(0, np.int64) for _ in range(3)))
    facts = Triples.of([("g", "requires", "a"), ("t", "requires", "g"), ("t", "requires", "a")],
                       catalog.ids)  # fmt: skip
    graph = build_graph(log, catalog, triples=facts)
    found = explain_paths(graph, np.array([0, 1]), 2, limit=9)
    start = "because you chose Algebra: "
    assert [path.sentence(catalog, graph) for path in found] == [
        "because you chose Geometry: Trigonometry requires Geometry",
        start + "Trigonometry requires Algebra",
        "because you chose Geometry: same track: Maths",
    ]
    assert [path.score for path in found] == pytest.approx([1, 0.9, 0.5])
    (back,) = explain_paths(graph, np.array([2]), 1, limit=1)  # the other way round
    assert back.sentence(catalog, graph) == (
        "because you chose Trigonometry: Trigonometry requires Geometry"
    )
    told = found[0].sentence(catalog, graph, language="zh")
    assert told == "因为你选择过“Geometry”：“Trigonometry” requires “Geometry”"
    (left,) = explain_paths(graph, np.array([2]), 1, skip=frozenset({"requires"}))
    assert left.relation == "track"


def test_one_shared_person_is_no_reason() -> None:
    graph, _ = tiny_graph()
    assert not [p for p in explain_paths(graph, np.array([6]), 7) if p.node is None]


@given(st.integers(0, 10_000))
def test_against_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    world = planted(rng, users=8, items=10, categories=3, events=4)
    graph = build_graph(world.log, world.catalog)
    history, item = rng.integers(0, 10, 5), int(rng.integers(0, 10))
    index = PathIndex.of(graph)
    kind = dict(graph.edges["item", "category", "category"].T.tolist())
    size = np.bincount(list(kind.values()))
    best: dict[int, float] = {}
    for age, source in enumerate(history[::-1].tolist()):
        if source != item and kind[source] == kind[item]:
            score = 0.9**age / np.log2(1 + size[kind[item]])
            best[kind[item]] = max(best.get(kind[item], 0.0), score)
    found = explain_paths(index, history, item, limit=20)
    facts = [p for p in found if p.node is not None]
    assert {p.node: pytest.approx(p.score) for p in facts} == best
    for path in (p for p in found if p.node is None):
        users = [set(world.log.user[world.log.item == i].tolist()) for i in (path.source, item)]
        assert path.people == len(users[0] & users[1]) >= 2
    assert found == sorted(found, key=lambda p: -p.score)


def test_ten_explanations_are_quick() -> None:
    world = planted(np.random.default_rng(0), users=300, items=200, events=20)
    index = PathIndex.of(build_graph(world.log, world.catalog))
    start = time.perf_counter()
    for item in range(10):
        explain_paths(index, np.arange(100, 150), item)
    assert time.perf_counter() - start < 1


def test_a_stranger_is_refused() -> None:
    graph, _ = tiny_graph()
    with pytest.raises(UsageError, match=r"\[0, 8\)\. Got 8"):
        explain_paths(graph, np.array([1]), 8)
    with pytest.raises(UsageError, match="Got -1"):
        explain_paths(graph, np.array([-1]), 2)
