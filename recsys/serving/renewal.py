"""Items that are told again: those that say what the run knows already keep their row.

A feed that comes every night says of most items what it said the night before. Such a row is not
stored again, and a trained item keeps the id part that it has learned, which a replaced one loses.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kg.catalog import Catalog
from models.recommender import IntentRecommender
from recsys.serving.items import ItemStore

CLOSE = 0.01
"""Vectors of one text differ by no more of their length, in whichever batch it was encoded."""


def renewed(
    store: ItemStore, model: IntentRecommender, catalog: Catalog, new: Catalog, text: np.ndarray
) -> ItemStore:
    """The store with the items of `new`, text float32 [M, T]; `catalog` is that of the training.

    An item that is unchanged keeps its row, and may be answered again if it was removed; any other
    gets a new row, which hides an older one of its id. What is out of stock stays so.
    """
    added = store.added(model, model.graph, new, text)
    same = unchanged(store, added, catalog, new)
    if not same.any():
        return added
    kept = np.concatenate([np.ones(len(store), bool), ~same])
    back = [store.code(new.ids.ids[row]) for row in np.flatnonzero(same).tolist()]
    return added.only(np.flatnonzero(kept)).shown_again(back)


def unchanged(store: ItemStore, added: ItemStore, catalog: Catalog, new: Catalog) -> np.ndarray:
    """bool [M]: what the last rows of `added`, the items of `new`, say is what `store` knows.

    Compared are titles, texts (of items added before, whose texts are not kept, their vectors),
    attributes, numbers and named vectors. Of a column of numbers the numbers count, for bands are
    those of one table; a column that the training left out as an identifier says nothing of its
    items.
    """
    old = store.find(new.ids.ids)
    late = np.arange(len(store), len(added))
    same = (old >= 0) & ((old < store.trained) | _close(added.text, old, late))
    for part in added.extras.values():
        same &= _close(part, old, late)
    for numbers in added.numbers.values():
        same &= (numbers[old] == numbers[late]) | np.isnan(numbers[[old, late]]).all(0)
    banded = {*store.numbers} & {*new.numbers}
    trained = _cells(catalog, old[same & (old < store.trained)])

    def alike(row: int) -> bool:
        code, at = int(old[row]), int(late[row])
        if added.titles[code] != added.titles[at]:
            return False
        if code < store.trained:
            cells: Mapping = trained.get(code, {})
            known, passed = catalog.texts[code] == new.texts[row], {*banded, *catalog.ignored}
        else:
            cells = added.told.get(code, {})
            known, passed = {*added.facts.get(at, ())} <= {*added.facts.get(code, ())}, banded
        return known and _filled(cells, passed) == _filled(added.told.get(at, {}), passed)

    same[same] = [alike(row) for row in np.flatnonzero(same).tolist()]
    return same


def _close(vectors: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """bool [M]: whether these rows [M] are the same but for how they were computed."""
    apart = np.linalg.norm(vectors[one] - vectors[other], axis=1)
    return np.asarray(apart <= CLOSE * np.linalg.norm(vectors[one], axis=1))


def _cells(catalog: Catalog, rows: np.ndarray) -> dict[int, dict[str, list[str]]]:
    """By row, of these alone: the values of its attributes."""
    out: dict[int, dict[str, list[str]]] = {}
    for a in catalog.attributes:
        at = np.isin(a.row, rows)
        for row, value in zip(a.row[at].tolist(), a.value[at].tolist(), strict=True):
            out.setdefault(row, {}).setdefault(a.name, []).append(a.values.ids[value])
    return out


def _filled(cells: Mapping, passed: set[str]) -> dict[str, set[str]]:
    """The values by name of an attribute, without empty cells and names that are `passed` over."""
    return {name: set(some) for name, some in cells.items() if some and name not in passed}
