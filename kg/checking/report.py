"""What is in a knowledge graph, and what is wrong with it: numbers for a person and for a script.

found = report(graph)                 # of the facts alone
found = report(data.graph, data.catalog)
found.as_dict(); lines(found)         # JSON, and sentences; `kg.checking.page` makes HTML
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from kg.building.hierarchy import folded
from kg.building.triples import UNTYPED
from kg.catalog import Catalog
from kg.graph import KnowledgeGraph, Relation

EXAMPLES, PEOPLE = 5, 200
UPWARDS = re.compile(
    r"part_?of|sub_?class|sub_?categor|sub_?property|parent|broader|is_?a$|kind_?of|belongs_?to|"
    r"instance_?of", re.IGNORECASE,
)  # fmt: skip
"""Relations that lead from a node to one above it."""
HUB = 0.5
"""A target that more than this share of all nodes of a relation's source type lead to, two of them
at least, is told: to know it tells little apart."""


@dataclass(frozen=True)
class RelationFacts:
    """Of one relation: edges, the sources and targets that have any, edges a source has in the
    mean, and the target with most of the edges: its share of them, how many sources it joins, and
    which share of all nodes of their type that is; how many sources, and targets, have 1 edge, 2 or
    3, 4 to 7, and so on doubling.
    """

    source: str
    name: str
    target: str
    events: bool
    edges: int
    sources: int
    targets: int
    mean: float
    hub: str
    hub_share: float
    hub_joins: int
    hub_joined: float
    source_degrees: tuple[int, ...] = ()
    target_degrees: tuple[int, ...] = ()

    @property
    def has_hub(self) -> bool:
        """Whether the largest target joins so many nodes that it is told (`HUB`); what leads
        upwards is meant to.
        """
        upwards = UPWARDS.fullmatch(self.name) is not None
        return not self.events and not upwards and self.hub_joins > 1 and self.hub_joined > HUB


@dataclass(frozen=True)
class NoItems:
    """Of a relation that joins items to items: how many other nodes stand at its ends, and some."""

    relation: str
    count: int
    some: tuple[str, ...]


@dataclass(frozen=True)
class GraphReport:
    """Nodes by type, relations, and what to look at:

    linked, the share of items with a fact, and some without; lonely, nodes without any edge by
    type; doubles, nodes of one type that only capitals and spaces tell apart; components of the
    facts and the share of nodes in the largest; reach, the share of user–item pairs that a path of
    up to three edges joins, by facts and by other users' events (None without events), and of how
    many users, drawn from those with events;
    texts, the share of items with a title or text (None without a catalogue); circles, of relations
    that lead upwards, such as part_of: the name, then nodes that are above themselves; no_items,
    of relations from items to items, ids of no item of the catalogue, which became nodes of the
    type "entity".
    """

    nodes: dict[str, int]
    relations: tuple[RelationFacts, ...]
    linked: float
    unlinked: tuple[str, ...]
    lonely: dict[str, int]
    doubles: tuple[tuple[str, ...], ...]
    components: int
    largest: float
    reach_by_facts: float | None
    reach_by_events: float | None
    reach_users: int
    texts: float | None
    circles: tuple[tuple[str, ...], ...] = ()
    no_items: tuple[NoItems, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As JSON may hold it."""
        return asdict(self)

    @property
    def by_size(self) -> list[RelationFacts]:
        """The relations, most edges first."""
        return sorted(self.relations, key=lambda one: -one.edges)

    @property
    def most_hub(self) -> float:
        """The largest share of a relation's edges that one node holds; 0 without facts."""
        return max((one.hub_share for one in self.relations if not one.events), default=0.0)


def report(
    graph: KnowledgeGraph, catalog: Catalog | None = None, rng: np.random.Generator | None = None
) -> GraphReport:
    """Of a graph, with its events if it has any; `rng` draws the users whose reach is measured."""
    rng = np.random.default_rng(0) if rng is None else rng
    items = len(graph.vocabs.get("item", ()))
    has = np.zeros(items, bool)
    for relation in graph.fact_relations:
        for side, kind in enumerate((relation[0], relation[2])):
            if kind == "item":
                has[graph.edges[relation][side]] = True
    without = np.flatnonzero(~has)[:EXAMPLES]
    count, largest = _components(graph)
    facts, events, asked = _reach(graph, rng)
    return GraphReport(
        nodes=graph.num_nodes,
        relations=tuple(_relation(graph, relation) for relation in sorted(graph.edges)),
        linked=float(has.mean()) if items else 0.0,
        unlinked=tuple(graph.vocabs["item"].decode(without)) if items else (),
        lonely=_lonely(graph),
        doubles=_doubles(graph),
        components=count,
        largest=largest,
        reach_by_facts=facts,
        reach_by_events=events,
        reach_users=asked,
        texts=None if catalog is None else _texts(catalog),
        circles=_circles(graph),
        no_items=_no_items(graph),
    )


def _texts(catalog: Catalog) -> float:
    """Values of columns, which are read as well, are no text of an item's own."""
    pairs = zip(catalog.titles, catalog.texts, strict=True)
    return float(np.mean([bool(title or text) for title, text in pairs]))


def _relation(graph: KnowledgeGraph, relation: Relation) -> RelationFacts:
    heads, tails = graph.edges[relation]
    counts = np.bincount(tails, minlength=1)
    total, sources = len(heads), len(np.unique(heads))
    top = int(counts.argmax())
    joins, nodes = len(np.unique(heads[tails == top])), graph.num_nodes[relation[0]]
    return RelationFacts(
        *relation, relation in graph.events, total, sources, int((counts > 0).sum()),
        total / max(sources, 1), graph.name(relation[2], top) if total else "",
        float(counts.max() / total) if total else 0.0,
        joins, joins / max(nodes, 1), _degrees(heads), _degrees(tails),
    )  # fmt: skip


def _degrees(ends: np.ndarray) -> tuple[int, ...]:
    """How many nodes stand at one of the ends 1 time, 2 or 3 times, 4 to 7 times, …"""
    count = np.unique(ends, return_counts=True)[1]
    return tuple(np.bincount(np.log2(count).astype(int)).tolist()) if count.size else ()


def _no_items(graph: KnowledgeGraph) -> tuple[NoItems, ...]:
    """Of each relation that joins items, and of which at least half of the heads and half of the
    tails are items and all others of no type: these others. Fewer items may be words, such as
    years, that happen to be an item's id.
    """
    out = []
    for name in sorted({relation[1] for relation in graph.fact_relations}):
        same = [r for r in graph.fact_relations if r[1] == name and graph.edges[r].size]
        typed = any(end not in ("item", UNTYPED) for r in same for end in (r[0], r[2]))
        if typed or ("item", name, "item") not in same:
            continue
        odd: set[int] = set()
        mostly = True
        for side in (0, 1):
            ends = {kind: [graph.edges[r][side] for r in same if r[2 * side] == kind]
                    for kind in ("item", UNTYPED)}  # fmt: skip
            counts = {kind: sum(map(len, some)) for kind, some in ends.items()}
            mostly &= counts["item"] >= counts[UNTYPED]
            odd.update(*(codes.tolist() for codes in ends[UNTYPED]))
        if odd and mostly:
            some = graph.vocabs[UNTYPED].decode(sorted(odd)[:EXAMPLES])
            out.append(NoItems(name, len(odd), tuple(some)))
    return tuple(out)


def _lonely(graph: KnowledgeGraph) -> dict[str, int]:
    touched = {kind: np.zeros(count, bool) for kind, count in graph.num_nodes.items()}
    for relation, (heads, tails) in graph.edges.items():
        touched[relation[0]][heads] = True
        touched[relation[2]][tails] = True
    found = {kind: int((~there).sum()) for kind, there in touched.items()}
    return {kind: count for kind, count in found.items() if count}


def _circles(graph: KnowledgeGraph) -> tuple[tuple[str, ...], ...]:
    """The relation, then some of the nodes that lie above themselves, of each circle."""
    out: list[tuple[str, ...]] = []
    for source, name, target in graph.fact_relations:
        if source != target or not UPWARDS.search(name):
            continue
        heads, tails = graph.edges[source, name, target]
        size = len(graph.vocabs[source])
        matrix = _incidence(np.stack([heads, tails]), (size, size))
        part = connected_components(matrix, connection="strong")[1]
        in_circle = (np.bincount(part, minlength=1)[part] > 1) | (matrix.diagonal() > 0)
        for number in np.unique(part[in_circle]).tolist():
            nodes = np.flatnonzero(part == number)[:EXAMPLES].tolist()
            out.append((name, *(graph.name(source, node) for node in nodes)))
    return tuple(out)


def _doubles(graph: KnowledgeGraph) -> tuple[tuple[str, ...], ...]:
    """The type, then the names; items and users, of whom two may be called alike, left out."""
    out: list[tuple[str, ...]] = []
    for kind, vocab in graph.vocabs.items():
        if kind in ("item", "user"):
            continue
        same: dict[str, list[str]] = defaultdict(list)
        for code in range(len(vocab)):
            name = graph.name(kind, code)
            same[folded(name)].append(name)
        out += [(kind, *names) for names in same.values() if len(names) > 1]
    return tuple(out)


def _places(graph: KnowledgeGraph) -> tuple[dict[str, int], int]:
    """The first place of each type when all nodes stand in one row, and their number."""
    first, total = {}, 0
    for kind, count in graph.num_nodes.items():
        first[kind] = total
        total += count
    return first, total


def _components(graph: KnowledgeGraph) -> tuple[int, float]:
    """How many parts the facts fall into, a node without an edge left out, and how much of the
    rest the largest has.
    """
    first, total = _places(graph)
    ends = [
        np.stack([edges[0] + first[relation[0]], edges[1] + first[relation[2]]])
        for relation, edges in graph.edges.items()
        if relation not in graph.events
    ]
    if not ends:
        return 0, 0.0
    pairs = np.concatenate(ends, axis=1)
    if not pairs.size:
        return 0, 0.0
    matrix = sparse.coo_matrix((np.ones(pairs.shape[1], bool), tuple(pairs)), shape=(total, total))
    label = connected_components(matrix, directed=False)[1][np.unique(pairs)]
    counts = np.bincount(label)
    return int((counts > 0).sum()), float(counts.max() / counts.sum())


def _reach(
    graph: KnowledgeGraph, rng: np.random.Generator
) -> tuple[float | None, float | None, int]:
    """Of the pairs of some users and all items the share that user–item–node–item joins, or one or
    two facts between items, and that user–item–user–item does; pairs with an event of their own
    count as joined. Then the number of these users.
    """
    items, users = len(graph.vocabs.get("item", ())), len(graph.vocabs.get("user", ()))
    met = sparse.csr_matrix((users, items), dtype=bool)
    for source, name, target in graph.events:
        if (source, target) == ("user", "item"):
            met = met + _incidence(graph.edges[(source, name, target)], (users, items))
    some = np.flatnonzero(np.diff(met.indptr))
    if not len(some):
        return None, None, 0
    some = np.sort(rng.choice(some, min(PEOPLE, len(some)), replace=False))
    own = sparse.csr_matrix(met[some])
    facts = [
        _incidence(edges if r[0] == "item" else edges[::-1],
                   (items, len(graph.vocabs[r[2] if r[0] == "item" else r[0]])))
        for r, edges in graph.edges.items()
        if r not in graph.events and (r[0] == "item") != (r[2] == "item")
    ]  # fmt: skip
    near = own
    for matrix in facts:
        near = near + (own @ matrix) @ matrix.T
    between = [edges for r, edges in graph.edges.items() if r[0] == r[2] == "item"]
    if between:
        ends = np.hstack([*between, *(edges[::-1] for edges in between)])
        joined = _incidence(ends, (items, items))
        near = near + own @ joined + (own @ joined) @ joined
    others = own + (own @ met.T) @ met
    pairs = len(some) * items
    return near.nnz / pairs, others.nnz / pairs, len(some)


def _incidence(edges: np.ndarray, shape: tuple[int, int]) -> sparse.csr_matrix:
    ones = np.ones(edges.shape[1], bool)
    return sparse.csr_matrix((ones, (edges[0], edges[1])), shape=shape)


TOLD = 30
"""Relations in a report for people."""


def short(name: str) -> str:
    """In one line, of at most 60 characters."""
    plain = " ".join(name.split())
    return plain if len(plain) <= 60 else f"{plain[:60]}…"


def _several(kind: str) -> str:
    return f"{kind[:-1]}ies" if re.search("[^aeiou]y$", kind) else f"{kind}s"


def relation_lines(found: GraphReport) -> list[str]:
    """A line for each relation, most edges first: edges, edges a node has, the largest target."""
    out = []
    ordered = found.by_size
    for one in ordered[:TOLD]:
        line = f"{one.source} – {short(one.name)} – {one.target}: {one.edges:,} edges, "
        line += f"{one.mean:.1f} for each of {one.sources:,}, to {one.targets:,} nodes"
        if one.events:
            line += " (events)"
        elif one.edges:
            line += f", {one.hub_share:.0%} of them to {short(one.hub)!r}"
        out.append(line)
    if rest := ordered[TOLD:]:
        edges = sum(one.edges for one in rest)
        out.append(f"and {len(rest):,} more relations of {edges:,} edges (--json has all)")
    return out


def lines(found: GraphReport) -> list[str]:
    """The report in sentences, what is wrong among them."""
    some = f", such as {', '.join(found.unlinked)}" if found.unlinked else ""
    out = [f"{found.linked:.1%} of {found.nodes.get('item', 0):,} items have a fact"
           + (f"; those without{some}" if found.linked < 1 else "")]  # fmt: skip
    out += [f"{count:,} nodes of type {kind} have no edge" for kind, count in found.lonely.items()]
    for one in found.relations:
        if one.has_hub:
            what = "nothing" if one.hub_joined == 1 and one.targets == 1 else "little"
            out.append(
                f"{short(one.name)}: {one.hub_joins:,} of the {_several(one.source)} "
                f"({one.hub_joined:.0%}) lead to {short(one.hub)!r}, which tells {what} apart"
            )
    for odd in found.no_items:
        some = ", ".join(odd.some) + (", …" if odd.count > len(odd.some) else "")
        out.append(f"{odd.relation} joins items, but {odd.count:,} of its ends are none of the "
                   f"catalogue and became nodes of the type {UNTYPED}: {some}")  # fmt: skip
    if found.doubles:
        kind, *names = found.doubles[0]
        out.append(f"{len(found.doubles):,} groups of nodes are called alike, such as {kind}: "
                   f"{' / '.join(short(name) for name in names[:EXAMPLES])}")  # fmt: skip
    if found.circles:
        name, *names = found.circles[0]
        out.append(f"{len(found.circles):,} times {name} leads in a circle, such as through "
                   f"{', '.join(names)}")  # fmt: skip
    out.append(f"the facts fall into {found.components:,} parts; the largest has "
               f"{found.largest:.1%} of the linked nodes")  # fmt: skip
    if found.reach_by_facts is not None and found.reach_by_events is not None:
        out.append(f"a path of up to three edges joins a user with {found.reach_by_facts:.1%} of "
                   f"the items by facts, {found.reach_by_events:.1%} by others' events (the mean "
                   f"of {found.reach_users:,} users)")  # fmt: skip
    if found.texts is not None:
        out.append(f"{found.texts:.1%} of the items have a title or text")
    return out
