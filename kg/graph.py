"""The knowledge graph: typed nodes, typed edges, arrays only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kg import given
from kg.alike import ByValue
from kg.dates import distinct
from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.ids import Vocab
from kg.times import NO_TIME

if TYPE_CHECKING:
    import networkx

Relation = tuple[str, str, str]
"""(source type, relation, target type)."""


@dataclass(frozen=True, eq=False)
class KnowledgeGraph(ByValue):
    """Nodes per type and edges int64 [2, E] per (source, relation, target).

    `names` holds what to call a node where its id says nothing to a person. `events` names the
    relations that come from the event log: they are the ones that a cut-off time must bound.
    `edge_time` int64 [E] says when the facts of some relations came to be known (`kg.dates`).
    """

    vocabs: Mapping[str, Vocab]
    edges: Mapping[Relation, np.ndarray]
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    events: frozenset[Relation] = frozenset()
    edge_time: Mapping[Relation, np.ndarray] = field(default_factory=dict)
    _called: dict[str, dict[str, int]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        for relation, index in self.edges.items():
            source, _, target = relation
            if index.ndim != 2 or len(index) != 2:
                raise DataError(
                    f"Edges of {relation} must have the shape [2, E]. Got {index.shape} instead."
                )
            for ends, kind in ((index[0], source), (index[1], target)):
                if kind not in self.vocabs:
                    raise DataError(f"Relation {relation} names the unknown node type {kind!r}.")
                outside = ends[(ends < 0) | (ends >= len(self.vocabs[kind]))]
                if outside.size:
                    raise DataError(
                        f"Edges of {relation} must point to nodes in [0, {len(self.vocabs[kind])})"
                        f" of type {kind!r}. Got {int(outside[0])} instead."
                    )
        for kind, names in self.names.items():
            if kind in self.vocabs and len(names) != len(self.vocabs[kind]):
                raise DataError(f"There must be one name per node of type {kind!r}.")
        if not self.events <= self.edges.keys():
            raise DataError("Every event relation of a graph must be one of its relations.")
        dated = {r: time for r, time in self.edge_time.items() if r in self.edges}
        object.__setattr__(self, "edge_time", dated)
        for relation, time in dated.items():
            if time.shape != self.edges[relation].shape[1:]:
                raise DataError(f"There must be one date per edge of {relation}.")

    @property
    def num_nodes(self) -> dict[str, int]:
        """Nodes per type."""
        return {kind: len(vocab) for kind, vocab in self.vocabs.items()}

    @property
    def num_edges(self) -> int:
        """Edges of all relations."""
        return sum(index.shape[1] for index in self.edges.values())

    @property
    def fact_relations(self) -> list[Relation]:
        """Relations that state facts (do not come from events), in a fixed order."""
        return sorted(relation for relation in self.edges if relation not in self.events)

    def met(self) -> np.ndarray:
        """int64 [2, E], user and item of all relations that come from events."""
        pairs = [self.edges[relation] for relation in sorted(self.events)]
        return np.concatenate([*pairs, np.zeros((2, 0), np.int64)], axis=1)

    def name(self, kind: str, code: int) -> str:
        """What to call this node."""
        known = self.names.get(kind)
        return (known[code] if known else "") or self.vocabs[kind].ids[code]

    def called(self, kind: str) -> Mapping[str, int]:
        """The nodes of a type by id and by name, capitals aside; ids come before names."""
        if kind not in self._called:
            ids = self.vocabs[kind].ids
            names = {self.name(kind, n).casefold(): n for n in range(len(ids))}
            self._called[kind] = names | {key.casefold(): n for n, key in enumerate(ids)}
        return self._called[kind]

    def facts(self) -> KnowledgeGraph:
        """The same graph without a single event."""
        kept = {r: e for r, e in self.edges.items() if r not in self.events}
        return replace(self, edges=kept, events=frozenset())

    def known_at(self, cut: int | None) -> KnowledgeGraph:
        """Without the facts that are dated after this second; None: all of them."""
        if cut is None:
            return self
        kept = {relation: time <= cut for relation, time in self.edge_time.items()}
        edges = {r: e[:, kept[r]] if r in kept else e for r, e in self.edges.items()}
        times = {relation: self.edge_time[relation][keep] for relation, keep in kept.items()}
        return replace(self, edges=edges, edge_time=times)

    def later_than(self, cut: int | None) -> int:
        """How many facts `known_at` leaves out."""
        return self.num_edges - self.known_at(cut).num_edges

    def with_events(self, log: EventLog) -> KnowledgeGraph:
        """The facts with the user–item edges of this log, one relation per behaviour.

        Raises `DataError` if the log numbers other items, or other users than the facts do.
        """
        if log.items != self.vocabs["item"]:
            raise DataError(
                "The log and the graph must number the same items: call "
                "clean(log, catalog.ids) before building the graph."
            )
        edges = {r: e for r, e in self.edges.items() if r not in self.events}
        if self.vocabs.get("user", log.users) != log.users and any("user" in r[::2] for r in edges):
            raise DataError(
                "The graph holds facts about users, so the log must number the same users."
            )
        events: set[Relation] = set()
        for code, behaviour in enumerate(log.behaviours):
            of_kind = (log.behaviour == code) & log.has_item
            if of_kind.any():
                relation = ("user", behaviour.name, "item")
                pairs = np.stack([log.user[of_kind], log.item[of_kind]])
                edges[relation] = np.unique(pairs, axis=1)
                events.add(relation)
        vocabs = {**self.vocabs, "user": log.users}
        dated = {r: time for r, time in self.edge_time.items() if r not in events}
        return replace(self, vocabs=vocabs, edges=edges, events=frozenset(events), edge_time=dated)

    @classmethod
    def from_table(cls, items: Any, **told: Any) -> KnowledgeGraph:
        """Of a table of items; see `kg.building.from_table`, which also tells what came of it."""
        from kg.building.from_table import from_table

        return from_table(items, **told).graph

    @classmethod
    def from_triples(
        cls, triples: Iterable[Sequence[object]] | given.Frame, items: Vocab | Iterable[object]
    ) -> KnowledgeGraph:
        """Of rows (head, relation, tail), or a frame with these columns and maybe a time. An end
        that is one of `items` (a `Catalog`'s ids) is an item, any other an "entity".
        """
        from kg.building.triples import Triples

        known = items if isinstance(items, Vocab) else Vocab.of(given.ids(items, "items"), "item")
        made = Triples.of(triples, known)
        return cls(made.vocabs, made.edges, made.names, edge_time=made.edge_time)

    def to_networkx(self) -> networkx.MultiDiGraph:
        """A MultiDiGraph: nodes (type, id) with `name`, edges keyed by relation, `time` of those
        that have a date.
        """
        import networkx as nx

        graph = nx.MultiDiGraph()
        for kind, vocab in self.vocabs.items():
            for code, key in enumerate(vocab.ids):
                graph.add_node((kind, key), type=kind, name=self.name(kind, code))
        for relation, index in self.edges.items():
            source, name, target = relation
            heads, tails = (
                self.vocabs[source].decode(index[0]),
                self.vocabs[target].decode(index[1]),
            )
            times = self.edge_time.get(relation, np.full(len(heads), NO_TIME)).tolist()
            for head, tail, time in zip(heads, tails, times, strict=True):
                graph.add_edge(
                    (source, head), (target, tail), key=name, event=relation in self.events,
                    **({} if time == NO_TIME else {"time": time}),
                )  # fmt: skip
        return graph

    @classmethod
    def from_networkx(cls, graph: networkx.MultiDiGraph) -> KnowledgeGraph:
        """The inverse of `to_networkx`: nodes are pairs (type, id); the relation of an edge is its
        attribute `relation`, or its key; its `time` is a moment or UTC seconds.

        Raises `UsageError` for a graph of another kind, `DataError` naming a node that is no such
        pair, two whose ids are written alike (1 and '1'), or an edge that names no relation.
        """
        if not (graph.is_directed() and graph.is_multigraph()):
            raise UsageError(
                "KnowledgeGraph.from_networkx needs a MultiDiGraph whose edge keys name the "
                f"relations. Got a {type(graph).__name__} instead."
            )
        ends, called = _nodes(graph)
        vocabs = {kind: Vocab.of(keys, kind) for kind, keys in called.items()}
        pairs: dict[Relation, list[tuple[str, str]]] = {}
        events: set[Relation] = set()
        times: dict[Relation, list[int]] = {}
        for head, tail, key, data in graph.edges(keys=True, data=True):
            (source, a), (target, b) = ends[head], ends[tail]
            relation = (source, _relation(head, tail, key, data), target)
            pairs.setdefault(relation, []).append((a, b))
            times.setdefault(relation, []).append(_since(head, tail, data.get("time")))
            if data.get("event"):
                events.add(relation)
        edges = {
            r: np.stack(
                [vocabs[r[0]].encode([a for a, _ in p]), vocabs[r[2]].encode([b for _, b in p])]
            )
            for r, p in pairs.items()
        }
        found = {r: distinct(index, np.array(times[r], np.int64)) for r, index in edges.items()}
        edges = {r: index for r, (index, _) in found.items()}
        dated = {r: t for r, (_, t) in found.items() if t is not None and (t != NO_TIME).any()}
        names = {kind: tuple(called[kind][key] for key in v.ids) for kind, v in vocabs.items()}
        return cls(vocabs, edges, names, frozenset(events), dated)


def _nodes(
    graph: networkx.MultiDiGraph,
) -> tuple[dict[Any, tuple[str, str]], dict[str, dict[str, str]]]:
    """Type and id of each node, as text, and by type what each id is called."""
    of_kind: dict[str, list[Any]] = {}
    for node in graph.nodes:
        if not (isinstance(node, tuple) and len(node) == 2):
            raise DataError(f"A node must be a pair (type, id). Got {node!r} instead.")
        of_kind.setdefault(str(node[0]), []).append(node)
    ends: dict[Any, tuple[str, str]] = {}
    names: dict[str, dict[str, str]] = {}
    for kind, nodes in of_kind.items():
        keys = given.ids([node[1] for node in nodes], f"The ids of the nodes of type {kind!r}")
        first: dict[str, Any] = {}
        for key, node in zip(keys, nodes, strict=True):
            if (twin := first.setdefault(key, node)) is not node:
                raise DataError(
                    f"Ids are text, so that nodes must differ as text. Got {twin!r} and {node!r}."
                )
            ends[node] = (kind, key)
        called = given.texts([graph.nodes[node].get("name") for node in nodes], "The names")
        names[kind] = {key: name or key for key, name in zip(keys, called, strict=True)}
    return ends, names


def _relation(head: Any, tail: Any, key: Any, data: Mapping[str, Any]) -> str:
    """The name of an edge's relation; a key that networkx has counted is none."""
    name = data.get("relation", None if isinstance(key, int) else key)
    if given.is_missing(name) or not str(name).strip():
        raise DataError(
            f"The edge from {head!r} to {tail!r} must name its relation, by its key or by an "
            f"attribute 'relation'. Got the key {key!r}."
        )
    return str(name)


def _since(head: Any, tail: Any, time: Any) -> int:
    if given.is_missing(time):
        return int(NO_TIME)
    return int(given.seconds([time], f"The time of the edge from {head!r} to {tail!r}")[0])
