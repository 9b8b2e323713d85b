"""Items that are told again: those that say what the run knows already keep their row.

A feed that comes every night says of most items what it said the night before. Such a row is not
stored again, nor one whose numbers alone are others, such as a price within its band, or what
stands in columns that the graph has no relation for: no vector hears of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from kg.catalog import TEXT_ATTRIBUTES, Catalog
from kg.graph import KnowledgeGraph
from models.recommender import IntentRecommender
from recsys.serving.items import ItemStore
from recsys.serving.known import Completed, cells_of

CLOSE = 0.01
"""Vectors of one text differ by no more of their length, in whichever batch it was encoded."""


def renewed(
    store: ItemStore, model: IntentRecommender, catalog: Catalog, known: Completed, text: np.ndarray
) -> tuple[ItemStore, np.ndarray, np.ndarray]:
    """The store with the items of a table, text float32 [M, T], and bool [M] twice: those that are
    as they were, and those that were there with another content; `catalog` is that of the training.

    An item that is unchanged, or but for its numbers, keeps its row, and may be answered again if
    it was removed; another gets a new row, or the one that it got before. What is out of stock
    stays so.
    """
    added = store.added(model, model.graph, known.items, text, known.edges, known.extras)
    unheard = _unheard(model.graph, known.items)
    stays, same = unchanged(store, added, catalog, known, unheard)
    late = known.old >= store.trained
    over = np.flatnonzero(~stays & late)
    found = added.overwritten(known.old[over], len(store) + over) if len(over) else added
    kept = np.concatenate([np.ones(len(store), bool), ~(stays | late)])
    back = known.old[stays]
    found = found.only(np.flatnonzero(kept)).shown_again(back, store.absent[back])
    rows = np.flatnonzero(stays & ~same)
    if len(rows):
        found = _with_numbers(found, added, known.old[rows], len(store) + rows, unheard)
    return found, same, ~stays & (known.old >= 0)


def _unheard(graph: KnowledgeGraph, new: Catalog) -> set[str]:
    """Attributes that no relation of the graph is called by, and that no text is read with."""
    heard = {relation[1] for relation in graph.fact_relations if relation[0] == "item"}
    return {a.name for a in new.attributes} - heard - {*TEXT_ATTRIBUTES}


def unchanged(
    store: ItemStore, added: ItemStore, catalog: Catalog, known: Completed, unheard: set[str]
) -> tuple[np.ndarray, np.ndarray]:
    """bool [M]: what the last rows of `added`, the items of a table, say is what `store` knows but
    perhaps for numbers and the attributes `unheard`; and: these included.

    Compared are titles, texts, attributes, numbers and named vectors. Of a column of numbers the
    numbers count, for bands are those of one table, and where they differ the facts that came of
    them; a column that the training left out as an identifier says nothing of its items.
    """
    old, new = known.old, known.items
    late = np.arange(len(store), len(added))
    same = old >= 0
    texts = store.texts_of(catalog, old)
    for part in added.extras.values():
        same &= close(part[old], part[late])
    equal = np.ones(len(old), bool)
    for numbers in added.numbers.values():
        equal &= (numbers[old] == numbers[late]) | np.isnan(numbers[[old, late]]).all(0)
    banded = {*store.numbers} & {*new.numbers}
    trained = cells_of(catalog, old[same & (old < store.trained)])

    def alike(row: int) -> bool:
        code, at = int(old[row]), int(late[row])
        if (added.titles[code], texts[row]) != (added.titles[at], new.texts[row]):
            return False
        if code < store.trained:
            cells: Mapping = {**trained.get(code, {}), **added.told.get(code, {})}
            told, passed = True, {*banded, *catalog.ignored}
        else:
            cells = added.told.get(code, {})
            told, passed = {*added.facts.get(at, ())} <= {*added.facts.get(code, ())}, banded
        now = added.told.get(at, {})
        if _filled(cells, passed) != _filled(now, passed):
            equal[row] = False
            passed = {*passed, *unheard}
        return told and _filled(cells, passed) == _filled(now, passed)

    moved = _moved(known, banded) & ~equal
    same[same] = [alike(row) for row in np.flatnonzero(same).tolist()]
    return same & ~moved, same & equal


def _moved(known: Completed, names: set[str]) -> np.ndarray:
    """bool [M]: other facts came of these columns of numbers than before."""
    out = np.zeros(len(known.old), bool)
    for relation in {*known.edges, *known.facts}:
        if relation[1] in names:
            now, was = (
                {*map(tuple, edges[relation].T.tolist())} if relation in edges else set()
                for edges in (known.edges, known.facts)
            )
            out[[row for row, _ in now ^ was]] = True
    return out


def _with_numbers(
    found: ItemStore, added: ItemStore, codes: np.ndarray, late: np.ndarray, unheard: set[str]
) -> ItemStore:
    """With the numbers and the attributes `unheard` that the rows `late` int64 [R] of `added` have
    for the items `codes` [R].
    """
    numbers = {name: column.copy() for name, column in found.numbers.items()}
    for name, column in numbers.items():
        column[codes] = added.numbers[name][late]
    told = {**found.told}
    for code, at in zip(codes.tolist(), late.tolist(), strict=True):
        names = unheard | ({*numbers} if code >= found.trained else set())
        kept = {name: cell for name, cell in told.get(code, {}).items() if name not in names}
        told[code] = kept | {n: cell for n, cell in added.told.get(at, {}).items() if n in names}
    return replace(found, numbers=numbers, told=told)


def close(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """bool [M]: whether these vectors [M, W] are the same but for how they were computed."""
    apart = np.linalg.norm(one - other, axis=1)
    return np.asarray(apart <= CLOSE * np.linalg.norm(one, axis=1))


def _filled(cells: Mapping, passed: set[str]) -> dict[str, set[str]]:
    """The values by name of an attribute, without empty cells and names that are `passed` over."""
    return {name: set(some) for name, some in cells.items() if some and name not in passed}
