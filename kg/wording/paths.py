"""Short paths through the graph, as reasons: "because you rated Heat: both directed by M. Mann".

A path leads from an item of the history over one shared node to the item that is explained, or a
fact joins the two ("Geometry requires Algebra"), which says most. A rare node (a director) says
more than a hub (a language), a recent item more than an old one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from kg.catalog import Catalog
from kg.errors import UsageError
from kg.graph import KnowledgeGraph, Relation
from kg.wording.reasons import reasons_in, shared, stated, verb_of

DECAY = 0.9
"""How much less an item of the history counts for each later one."""
MIN_PEOPLE = 2
"""One other person is a coincidence, and may be recognised."""
LONGEST = 200
"""Older items would weigh less than 1e-9 and are not looked at."""
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Path:
    """source –relation– node –relation– item; item and node codes as in the graph.

    For people (node_type "user") `node` is None and `people` says how many chose both items; no
    single person is named. Otherwise `people` is 0. Where a fact joins the two items (node_type
    "item") `node` is the one that it begins at.
    """

    source: int
    item: int
    relation: str
    node_type: str
    node: int | None
    node_name: str
    score: float
    people: int = 0

    def sentence(
        self, catalog: Catalog, graph: KnowledgeGraph, verb: str | None = None, language: str = "en"
    ) -> str:
        """The reason in plain English, or Chinese ('zh'); `verb` ("bought") defaults to that of the
        graph's only behaviour.
        """
        words = reasons_in(language)
        verb = verb or _verb(graph, language) or words.chose
        if self.node is None:
            also = catalog.title(self.item)
            told = words.people.format(people=self.people, verb=verb, also=also)
        elif self.node_type == "item":
            other = self.item if self.node == self.source else self.source
            ends = catalog.title(self.node), catalog.title(other)
            told = stated(self.relation, *ends, language)
        else:
            told = shared(self.relation, self.node_name, language)
        return words.because.format(verb=verb, title=catalog.title(self.source), told=told)


def _verb(graph: KnowledgeGraph, language: str) -> str:
    names = {relation[1] for relation in graph.events}
    return verb_of(names.pop(), language) if len(names) == 1 else ""


@dataclass(frozen=True)
class PathIndex:
    """What explanations look up, built once per graph.

    facts: csr [N_item, C], a column per (relation, node) that at least two items share;
    `columns` int64 [2, C] gives each column's relation (in `relations`) and node code, `degree`
    int64 [C] its items. joined: csr [N_item, N_item] by the name of a relation between items.
    chosen: csr [N_item, N_user], 1 where the user has an event with the item.
    """

    graph: KnowledgeGraph
    relations: tuple[Relation, ...]
    facts: sparse.csr_matrix
    columns: np.ndarray
    degree: np.ndarray
    joined: Mapping[str, sparse.csr_matrix]
    chosen: sparse.csr_matrix

    @classmethod
    def of(cls, graph: KnowledgeGraph) -> PathIndex:
        """The index of a graph with node type "item"; facts are read from either end."""
        relations = tuple(
            r for r in graph.fact_relations
            if (r[0] == "item") != (r[2] == "item") and "user" not in r  # never name a person
        )  # fmt: skip
        items, nodes, sizes = _sides(graph, relations)
        base = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        column = [node + start for node, start in zip(nodes, base, strict=False)]
        all_facts = _binary(items, column, (graph.num_nodes["item"], int(base[-1])))
        degree = np.asarray(all_facts.sum(axis=0)).ravel().astype(np.int64)
        keep = np.flatnonzero(degree >= 2)  # a node of one item connects nothing
        kind = np.searchsorted(base, keep, side="right") - 1
        columns = np.stack([kind, keep - base[kind]])
        facts = all_facts.tocsc()[:, keep].tocsr()
        shape = (graph.num_nodes["item"],) * 2
        joined = {r[1]: _binary([graph.edges[r][0]], [graph.edges[r][1]], shape)
                  for r in graph.fact_relations if r[0] == r[2] == "item"}  # fmt: skip
        return cls(graph, relations, facts, columns, degree[keep], joined, _chosen(graph))

    def telling(self, told: Mapping[int, Iterable[tuple[Relation, int]]]) -> PathIndex:
        """With these facts (relation that leaves the item, node) in the place of those that some
        items have, by code.
        """
        column = {at: n for n, at in enumerate(zip(*self.columns.tolist(), strict=True))}
        kind = {relation: n for n, relation in enumerate(self.relations)}
        pairs = [
            (item, column[at]) for item, facts in told.items() for relation, node in facts
            if (at := (kind.get(relation, -1), node)) in column
        ]  # fmt: skip
        stays = np.ones(self.facts.shape[0])
        stays[list(told)] = 0
        row, place = np.array(pairs, np.int64).reshape(-1, 2).T
        facts = sparse.diags_array(stays) @ self.facts + _binary([row], [place], self.facts.shape)
        facts.eliminate_zeros()
        return replace(self, facts=sparse.csr_matrix(facts))

    def paths(
        self, history: np.ndarray, item: int, limit: int = 3, skip: frozenset[str] = NOTHING
    ) -> list[Path]:
        """See `explain_paths`."""
        sources, recency = _recent(np.asarray(history, np.int64), item, len(self.facts.indptr) - 1)
        if len(sources) == 0 or limit < 1:
            return []
        found = self._joined(sources, recency, item, skip)
        found += self._by_facts(sources, recency, item, skip)
        if "user" not in skip:
            found += self._by_people(sources, recency, item)
        found.sort(key=lambda p: (-p.score, p.relation, p.node_name, p.source))
        return _distinct(found, limit)

    def _joined(
        self, sources: np.ndarray, recency: np.ndarray, item: int, skip: frozenset[str]
    ) -> list[Path]:
        """One path for each fact between a source and the item, whichever it begins at."""
        out: list[Path] = []
        for name, matrix in self.joined.items():
            if name in skip:
                continue
            for at, source in enumerate(sources.tolist()):
                heads = [
                    head
                    for head, tail in ((item, source), (source, item))
                    if tail in matrix.indices[matrix.indptr[head] : matrix.indptr[head + 1]]
                ]
                out += [Path(source, item, name, "item", head, "", float(recency[at]))
                        for head in heads]  # fmt: skip
        return out

    def _by_facts(
        self, sources: np.ndarray, recency: np.ndarray, item: int, skip: frozenset[str]
    ) -> list[Path]:
        mine = self.facts.indices[self.facts.indptr[item] : self.facts.indptr[item + 1]]
        rows = self.facts[sources]
        at = np.repeat(np.arange(len(sources)), np.diff(rows.indptr))
        common = np.isin(rows.indices, mine)
        out: list[Path] = []
        for row, column in zip(at[common].tolist(), rows.indices[common].tolist(), strict=True):
            kind, node = self.columns[:, column].tolist()
            head, name, tail = self.relations[kind]
            if name in skip:
                continue
            type_ = tail if head == "item" else head
            score = recency[row] / np.log2(1 + self.degree[column])
            out.append(Path(int(sources[row]), item, name, type_, node,
                            self.graph.name(type_, node), float(score)))  # fmt: skip
        return out

    def _by_people(self, sources: np.ndarray, recency: np.ndarray, item: int) -> list[Path]:
        """One path per source over all shared users; cosine of the two items, busy users less.

        score = recency · Σ_shared 1 / log2(1 + degree(user)) / sqrt(n_source · n_item).
        """
        mine = np.zeros(self.chosen.shape[1], bool)
        own = self.chosen.indices[self.chosen.indptr[item] : self.chosen.indptr[item + 1]]
        mine[own] = True
        rows = self.chosen[sources]
        at = np.repeat(np.arange(len(sources)), np.diff(rows.indptr))
        common = mine[rows.indices]
        people = np.bincount(at[common], minlength=len(sources))
        weight = np.bincount(at[common], rows.data[common], minlength=len(sources))
        size = np.sqrt(np.maximum(np.diff(rows.indptr) * max(len(own), 1), 1))
        return [
            Path(int(sources[row]), item, "chosen with", "user", None, "",
                 float(recency[row] * weight[row] / size[row]), int(people[row]))
            for row in np.flatnonzero(people >= MIN_PEOPLE).tolist()
        ]  # fmt: skip


def explain_paths(
    graph: KnowledgeGraph | PathIndex,
    history: np.ndarray,
    item: int,
    limit: int = 3,
    skip: frozenset[str] = NOTHING,
) -> list[Path]:
    """The best paths from history items int64 [L] (oldest first) to `item`, best first.

    score = 0.9^age / log2(1 + items at the node), age 0 for the newest item; 0.9^age where a fact
    joins both items. Each node gives one path, each such fact one, and people one. `skip` names
    relations to leave out ("user" leaves out the people). Give a `PathIndex` where many are wanted.
    `UsageError` for a code that is no item.
    """
    index = graph if isinstance(graph, PathIndex) else PathIndex.of(graph)
    return index.paths(history, item, limit, skip)


def _sides(
    graph: KnowledgeGraph, relations: tuple[Relation, ...]
) -> tuple[list[np.ndarray], list[np.ndarray], list[int]]:
    """Items, other nodes, and the number of other nodes, per relation."""
    items, nodes, sizes = [], [], []
    for relation in relations:
        forward = relation[0] == "item"
        edges = graph.edges[relation]
        items.append(edges[0 if forward else 1])
        nodes.append(edges[1 if forward else 0])
        sizes.append(len(graph.vocabs[relation[2 if forward else 0]]))
    return items, nodes, sizes


def _binary(
    rows: list[np.ndarray], columns: list[np.ndarray], shape: tuple[int, int]
) -> sparse.csr_matrix:
    row = np.concatenate([np.zeros(0, np.int64), *rows])
    column = np.concatenate([np.zeros(0, np.int64), *columns])
    matrix = sparse.csr_matrix((np.ones(len(row)), (row, column)), shape=shape)
    matrix.data[:] = 1.0  # the constructor sums repeated pairs
    return matrix


def _chosen(graph: KnowledgeGraph) -> sparse.csr_matrix:
    """csr [N_item, N_user]; each entry is 1 / log2(1 + items of the user)."""
    user, item = graph.met()
    users = graph.num_nodes.get("user", 0)
    shape = (graph.num_nodes["item"], users)
    matrix = _binary([item], [user], shape)
    busy = np.bincount(matrix.indices, minlength=users)
    matrix.data = 1.0 / np.log2(1.0 + busy[matrix.indices])
    return matrix


def _recent(history: np.ndarray, item: int, items: int) -> tuple[np.ndarray, np.ndarray]:
    """Distinct history items, newest first and without `item`, and 0.9^age of each."""
    codes = np.append(history, item)
    if codes.min() < 0 or codes.max() >= items:
        bad = int(codes[(codes < 0) | (codes >= items)][0])
        raise UsageError(f"Item codes must be in [0, {items}). Got {bad} instead.")
    newest = history[::-1][:LONGEST]
    first = np.sort(np.unique(newest, return_index=True)[1])
    first = first[newest[first] != item]
    return newest[first], DECAY ** first.astype(float)


def _distinct(paths: list[Path], limit: int) -> list[Path]:
    """The first `limit` paths with different nodes, or different items that a fact joins."""
    best: dict[tuple[str, int | None], Path] = {}
    for path in paths:
        at = path.source if path.node_type == "item" else path.node
        best.setdefault((path.node_type, at), path)
    return list(best.values())[:limit]
