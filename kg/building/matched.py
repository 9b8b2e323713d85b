"""Triples in the terms of a graph that is there: its relations, its node types, its nodes.

Who adds facts to a graph writes words: that `directed_by` joins items and people, and which of the
people "ann lee" is, the graph knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import polars as pl

from kg.building.triples import ENTITY_COLUMNS, TRIPLE_COLUMNS, UNTYPED, Triples
from kg.dates import UNDATED, distinct
from kg.errors import DataError, UsageError, suggest
from kg.graph import KnowledgeGraph, Relation
from kg.ids import Vocab
from kg.tables import Table, pick_columns, place, read_table, table_name

Fact = tuple[str, str, str]
"""Head, relation and tail."""


class UnknownRelation(UsageError):
    """The relation of this fact is none of the graph's."""

    def __init__(self, message: str, fact: Fact) -> None:
        super().__init__(message)
        self.fact = fact


class Misfit(DataError):
    """This fact does not fit the relation of its name."""

    def __init__(self, message: str, fact: Fact) -> None:
        super().__init__(message)
        self.fact = fact


def matched(triples: Triples, graph: KnowledgeGraph) -> KnowledgeGraph:
    """The same facts along relations of `graph`, new nodes among them; items as `triples` number
    them.

    A node is the one of that type and id or, capitals aside, of that name, else a new one. The type
    of an end that no file declares is that which the relation leads to. Raises `UsageError` for a
    relation that the graph has no fact of, naming the nearest, and `DataError` where an end is of
    another type than all facts of its relation, or is no item where it must be one; `fact_place`
    finds the line of either.
    """
    return _Matching(triples, graph).facts()


def fact_place(error: UnknownRelation | Misfit, file: Table, entities: Table | None) -> str:
    """'FILE, line L' of the first triple in these tables that is the fact of the error."""
    frame, where = read_table(file), table_name(file, "the triples")
    called: dict[str, str] = {}
    if entities is not None:
        table = read_table(entities)
        names = pick_columns(table, ENTITY_COLUMNS, {}, needed=("entity_id",), where=str(entities))
        if "item_id" in names:
            called = dict(zip(*_cells(table, names, ("entity_id", "item_id")), strict=True))
    roles = pick_columns(frame, TRIPLE_COLUMNS, {}, needed=_ENDS, where=where)
    rows = zip(*_cells(frame, roles, _ENDS), strict=True)
    for row, (head, name, tail) in enumerate(rows, 1):
        if (called.get(head) or head, name, called.get(tail) or tail) == error.fact:
            return place(where, row)
    return where


_ENDS = ("head", "relation", "tail")


def _cells(frame: pl.DataFrame, roles: Mapping[str, str], wanted: tuple[str, ...]) -> list[list]:
    return [frame[roles[role]].str.strip_chars().fill_null("").to_list() for role in wanted]


class _Matching:
    def __init__(self, triples: Triples, graph: KnowledgeGraph) -> None:
        self.triples, self.graph = triples, graph
        self.known = [r for r in graph.fact_relations if graph.edges[r].size]
        self.called: dict[str, dict[str, str]] = {}
        self.names: dict[str, dict[str, str]] = {}

    def facts(self) -> KnowledgeGraph:
        found: dict[Relation, list[tuple[str, str, int]]] = {}
        for relation, index in self.triples.edges.items():
            fits = self._fits(relation)
            ends = (self._ids(relation[2 * side], index[side]) for side in (0, 1))
            times = self.triples.edge_time.get(relation, np.full(index.shape[1], UNDATED)).tolist()
            for head, tail, time in zip(*ends, times, strict=True):
                fit = self._fit(relation, fits, head, tail)
                ends_ = (
                    self._node(fit[0], relation[0], head),
                    self._node(fit[2], relation[2], tail),
                )
                found.setdefault(fit, []).append((*ends_, time))
        return self._graph(found)

    def _fits(self, relation: Relation) -> list[Relation]:
        """Relations of the graph that facts of this name and these types may belong to."""
        source, name, target = relation
        same = [r for r in self.known if r[1] == name]
        if not same:
            names = list(dict.fromkeys(r[1] for r in self.known))
            raise UnknownRelation(
                f"The relation {name!r} is none that this run was trained with, so nothing can be "
                f"heard along it before a new training.{suggest(name, names)} Its relations: "
                f"{', '.join(names) or 'none'}.", self._first(relation),
            )  # fmt: skip
        if relation in same:
            return [relation]
        open_ = (UNTYPED, "item")  # a word that happens to be an item's id may be a node's as well
        fits = [r for r in same if r[0] == source and (target in open_ or r[2] == target)]
        if not fits:
            raise Misfit(self._misfit(relation, same), self._first(relation))
        return fits

    def _misfit(self, relation: Relation, same: list[Relation]) -> str:
        (source, name, target), (head, _, tail) = relation, self._first(relation)
        if source == UNTYPED and any(r[0] == "item" for r in same):
            return (
                f"Facts {name!r} begin at items. Got {head!r} instead, which is none of this run."
            )
        ends = " or ".join(f"{r[0]} and {r[2]}" for r in same)
        return (
            f"The relation {name!r} joins {ends} in this run. Got {source} {head!r} and {target} "
            f"{tail!r} instead."
        )

    def _first(self, relation: Relation) -> Fact:
        index = self.triples.edges[relation]
        head, tail = (self._ids(relation[2 * n], index[n, :1])[0] for n in (0, 1))
        return head, relation[1], tail

    def _fit(self, relation: Relation, fits: list[Relation], head: str, tail: str) -> Relation:
        """That in which the tail is known, else the first that may lead to a new node."""
        if len(fits) == 1 and (fits[0] == relation or fits[0][2] != "item"):
            return fits[0]
        for fit in fits:
            if self._known(fit[2], tail) is not None:
                return fit
        for fit in fits:
            if fit[2] != "item":
                return fit
        raise Misfit(
            f"The relation {relation[1]!r} leads to items in this run. Got {tail!r} instead, which "
            "is none.", (head, relation[1], tail),
        )  # fmt: skip

    def _node(self, kind: str, declared: str, key: str) -> str:
        """The id of a node, told by the id (and perhaps the name) that the triples have for it."""
        if kind == "item":
            return key
        name = self._names.get(declared, {}).get(key, key)
        found = self._known(kind, key)
        if found is None and name != key:  # two of one name may be two: only ids that are names
            other = self._known(kind, name)
            found = other if other is not None and other.casefold() == name.casefold() else None
        if found is None:
            found = key
            self.names.setdefault(kind, {})[key] = name
            self.called[kind].setdefault(key.casefold(), key)
        return found

    def _known(self, kind: str, word: str) -> str | None:
        if kind == "item":
            return word if word in self.triples.vocabs["item"] else None
        if kind not in self.called:
            ids = self.graph.vocabs[kind].ids
            by = {self.graph.name(kind, code).casefold(): key for code, key in enumerate(ids)}
            self.called[kind] = by | {key.casefold(): key for key in ids}
        return word if word in self.graph.vocabs[kind] else self.called[kind].get(word.casefold())

    def _ids(self, kind: str, codes: np.ndarray) -> list[str]:
        return self.triples.vocabs[kind].decode(codes)

    @cached_property
    def _names(self) -> Mapping[str, Mapping[str, str]]:
        triples = self.triples
        return {
            kind: dict(zip(triples.vocabs[kind].ids, called, strict=True))
            for kind, called in triples.names.items()
        }

    def _graph(self, found: Mapping[Relation, list[tuple[str, str, int]]]) -> KnowledgeGraph:
        members: dict[str, set[str]] = {"item": set(self.triples.vocabs["item"].ids)}
        for relation, rows in found.items():
            for side in (0, 1):
                members.setdefault(relation[2 * side], set()).update(str(row[side]) for row in rows)
        vocabs = {kind: Vocab.of(keys, kind) for kind, keys in members.items()}
        edges: dict[Relation, np.ndarray] = {}
        times: dict[Relation, np.ndarray] = {}
        for relation, rows in found.items():
            ends = [vocabs[relation[2 * n]].encode([row[n] for row in rows]) for n in (0, 1)]
            seconds = np.array([row[2] for row in rows], np.int64)
            dated = seconds if (seconds != UNDATED).any() else None
            edges[relation], time = distinct(np.stack(ends), dated)
            if time is not None:
                times[relation] = time
        names = {
            kind: tuple(self.names.get(kind, {}).get(key, "") for key in vocab.ids)
            for kind, vocab in vocabs.items() if kind != "item"
        }  # fmt: skip
        return KnowledgeGraph(vocabs, edges, names, edge_time=times)
