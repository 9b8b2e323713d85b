"""What items can be filtered by: the facts about them, their numbers, and their ids.

    facets.allowed(where={"brand": ["Acme", "Zeta"], "price": (10, 50)}, without=["sku-7"])

A filter says which items may be in an answer, before the search: a list of those that remain is
searched to its end, so that one that leaves ten items gives ten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np

from kg.building.hierarchy import beginnings, whole
from kg.catalog import furthest
from kg.errors import UsageError, suggest
from kg.graph import KnowledgeGraph, Relation
from recsys.serving.answers import check_many
from recsys.serving.items import Fact, ItemStore

Where = Mapping[str, Any]
"""A name of a fact or of a column of numbers, to a value, several of which one must hold, or (of
numbers) a pair (least, most) in which None is open."""


@dataclass(frozen=True, eq=False)
class Facets:
    """Facts of the `graph` about the trained of the `items`, what the others were added with."""

    graph: KnowledgeGraph
    items: ItemStore

    def allowed(
        self,
        where: Where | None = None,
        only: Sequence[object] | None = None,
        without: Sequence[object] | None = None,
    ) -> np.ndarray | None:
        """bool [N]: the items of `only` (if given) that hold all of `where` and are not `without`;
        None where nothing was asked. `UsageError` for a name, a value or an id that is not known.
        """
        if where is None and only is None and without is None:
            return None
        out = np.ones(len(self.items), bool)
        if only is not None:
            out[:] = False
            out[self._codes(only, "only")] = True
        for name, wanted in _conditions(where).items():
            out &= self._range(name, wanted) if _is_range(wanted) else self._having(name, wanted)
        if without is not None:
            out[self._codes(without, "without")] = False
        return out

    def _codes(self, keys: Sequence[object], name: str) -> np.ndarray:
        return np.array([self.items.code(key) for key in check_many(keys, name)], np.int64)

    @cached_property
    def _relations(self) -> dict[str, list[Relation]]:
        """By name: the relations that leave an item, those that come from events excepted."""
        out: dict[str, list[Relation]] = {}
        for relation in self.graph.fact_relations:
            if relation[0] == "item":
                out.setdefault(relation[1], []).append(relation)
        return out

    @cached_property
    def _spelled(self) -> dict[str, dict[str, list[int]]]:
        """By type of node: its ids, names and the beginnings of its paths, folded, to nodes."""
        kinds = {relation[2] for many in self._relations.values() for relation in many}
        out: dict[str, dict[str, list[int]]] = {kind: {} for kind in kinds}
        for kind, words in out.items():
            for node, key in enumerate(self.graph.vocabs[kind].ids):
                for word in {*beginnings(self.graph.name(kind, node)), whole(key)}:
                    words.setdefault(word, []).append(node)
        return out

    @cached_property
    def _added(self) -> dict[str, dict[str, list[int]]]:
        """By name of an attribute: its values, folded, to the added items that hold them."""
        out: dict[str, dict[str, list[int]]] = {}
        for code, cells in self.items.told.items():
            for name, values in cells.items():
                for word in {word for value in values for word in beginnings(value)}:
                    out.setdefault(name, {}).setdefault(word, []).append(code)
        return out

    @cached_property
    def _late(self) -> dict[Fact, list[int]]:
        """The facts of added items, to those that have them."""
        out: dict[Fact, list[int]] = {}
        for code, facts in self.items.facts.items():
            for fact in facts:
                out.setdefault(fact, []).append(code)
        return out

    @property
    def names(self) -> list[str]:
        """All that `where` knows."""
        return sorted({*self._relations, *self._added, *self.items.numbers})

    def _having(self, name: str, wanted: object) -> np.ndarray:
        """bool [N]: holds one of these values, or one below it where values are paths."""
        if name not in self._relations and name not in self._added:
            return self._equal(name, wanted)
        out = np.zeros(len(self.items), bool)
        for value in _values(wanted):
            word, known = whole(str(value)), False
            for relation in self._relations.get(name, ()):
                nodes = self._spelled[relation[2]].get(word, [])
                known |= bool(nodes)
                edges = self.graph.edges[relation]
                out[self._current(edges[0][np.isin(edges[1], nodes)])] = True
                out[[code for n in nodes for code in self._late.get((relation, n), ())]] = True
            late = self._added.get(name, {}).get(word, [])
            out[late] = True
            if not known and not late:
                raise self._unknown_value(name, value)
        return out

    def values(self, name: str, codes: np.ndarray) -> list[set[str]]:
        """What each of these items [M] holds of a fact, as ids of nodes or as it was added; of
        paths, the furthest.
        """
        if name not in self._relations and name not in self._added:
            raise self._unknown(name)
        out: dict[int, set[str]] = {int(code): set() for code in codes}
        for relation in self._relations.get(name, ()):
            head, tail = self.graph.edges[relation]
            at = np.isin(head, self._current(np.asarray(codes)[codes < self.items.trained]))
            keys = self.graph.vocabs[relation[2]].ids
            for code, node in zip(head[at].tolist(), tail[at].tolist(), strict=True):
                out[code].add(whole(keys[node]))
        for code, own in out.items():
            own |= {whole(value) for value in self.items.told.get(code, {}).get(name, ())}
            own |= {
                whole(self.graph.vocabs[relation[2]].ids[node])
                for relation, node in self.items.facts.get(code, ())
                if relation[1] == name
            }
        return [set(furthest(out[int(code)])) for code in codes]

    def longest(self, at_most: Mapping[str, int]) -> int:
        """How many items a list may hold at most under such caps, as far as the values that there
        are tell: an item without one is under no cap.
        """
        for name in at_most:
            if name not in self._values_in_all:
                held = self.values(name, np.flatnonzero(self.items.living))
                self._values_in_all[name] = len(set().union(*held)) if all(held) else -1
        told = [self._values_in_all[name] * most for name, most in at_most.items()]
        return min((most for most in told if most >= 0), default=len(self.items))

    @cached_property
    def _values_in_all(self) -> dict[str, int]:
        """By name of a fact, filled as it is asked for: how many values the items have in all; -1
        where an item has none.
        """
        return {}

    def _current(self, codes: np.ndarray) -> np.ndarray:
        """Those of trained items that were not replaced since: newer rows tell of themselves."""
        return codes[self.items.newest[codes] == codes]

    def _range(self, name: str, wanted: Any) -> np.ndarray:
        if name not in self.items.numbers:
            raise self._unknown(name, numbers=True)
        low, high = wanted
        if low is not None and high is not None and low > high:
            raise UsageError(f"The range of {name!r} must not be empty. Got {low:g} to {high:g}.")
        number = self.items.numbers[name]
        out = ~np.isnan(number)
        if low is not None:
            out &= number >= low
        if high is not None:
            out &= number <= high
        return out

    def _equal(self, name: str, wanted: object) -> np.ndarray:
        if name not in self.items.numbers:
            raise self._unknown(name)
        try:
            values = [float(value) for value in _values(wanted)]  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise UsageError(
                f"The column {name!r} holds numbers: ask for one, or for a range. Got {wanted!r}."
            ) from None
        return np.isin(self.items.numbers[name], values)

    def _unknown(self, name: str, numbers: bool = False) -> UsageError:
        names = sorted(self.items.numbers) if numbers else self.names
        kind = "columns of numbers" if numbers else "facts or columns of numbers of this run"
        hint = suggest(name, names)
        if numbers and not hint:
            hint = " Which cells keep a column from being numbers is said by `kgintent build`."
        return UsageError(
            f"The 'where' of a filter must name {kind}: {', '.join(names) or 'there are none'}. "
            f"Got {name!r} instead.{hint}"
        )

    def _unknown_value(self, name: str, value: object) -> UsageError:
        kinds = [relation[2] for relation in self._relations.get(name, ())]
        known = [self.graph.name(kind, n) for kind in kinds
                 for n in range(min(len(self.graph.vocabs[kind]), 20_000))]  # fmt: skip
        return UsageError(f"No item of this run has {name} {value!r}.{suggest(str(value), known)}")


def _conditions(where: Where | None) -> Where:
    if where is None:
        return {}
    if not isinstance(where, Mapping) or not where:
        raise UsageError(
            "The 'where' of a filter must be a mapping of names to values or ranges. "
            f"Got {where!r} instead."
        )
    return where


def _is_range(wanted: object) -> bool:
    """A pair of numbers, of which one may be None."""
    return (
        isinstance(wanted, tuple) and len(wanted) == 2 and wanted != (None, None)
        and all(end is None or (isinstance(end, Real) and not isinstance(end, bool))
                for end in wanted)
    )  # fmt: skip


def _values(wanted: object) -> Iterable[object]:
    if isinstance(wanted, list | tuple | set | frozenset):
        if not wanted:
            raise UsageError("A filter must ask for at least one value. Got none.")
        return wanted
    return [wanted]
