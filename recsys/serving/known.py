"""What a run knows of the items that a table tells again: an update changes what it names.

A feed may hold prices alone, or names alone. What it has no column for stays as it was: title and
text, values and numbers, named vectors, and facts that came otherwise (triples, `kg add`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kg.catalog import TEXT_ATTRIBUTES, Attribute, Catalog, furthest
from kg.graph import KnowledgeGraph, Relation
from recsys.serving.items import ItemStore, match_attributes

Cells = Mapping[str, Sequence[str]]
"""By name of an attribute: the values of one item."""
_BAND = re.compile(r"(-?\d[\d.]*(?:e[+-]?\d+)?)–(-?\d[\d.]*(?:e[+-]?\d+)?)")


@dataclass(frozen=True)
class Completed:
    """A `table` of M items, and `items`: with what the run knows of them where it has no column.

    old int64 [M]: the numbers of the items in the run, -1 for new ones; `was` [M] are the values
    that they had. `facts` int64 [2, E] (row, node) are those that they had, `edges` those that they
    have; `extras` by name of vectors the rows and parts float32 [R, D] that stay. `same` bool [M]:
    what is read of the item is what was read of it. `kept` names what stays of any item.
    """

    table: Catalog
    items: Catalog
    old: np.ndarray
    was: tuple[Cells, ...]
    facts: Mapping[Relation, np.ndarray]
    edges: Mapping[Relation, np.ndarray]
    extras: Mapping[str, tuple[np.ndarray, np.ndarray]]
    same: np.ndarray
    kept: tuple[str, ...]


def completed(store: ItemStore, catalog: Catalog, graph: KnowledgeGraph, new: Catalog) -> Completed:
    """The items of `new` beside what `store` knows; `catalog` is that of the training.

    A title or a text that no row of the table has is one that it does not name.
    """
    new, old = in_bands(graph, new), store.find(new.ids.ids)
    named = {a.name for a in new.attributes} | {*new.numbers}
    was = _was(store, catalog, old)
    titles = _column(store.titles, old)
    texts = store.texts_of(catalog, old)
    items = replace(
        new, titles=new.titles if any(new.titles) else titles,
        texts=new.texts if any(new.texts) else texts,
        attributes=new.attributes + _other_values(was, named),
        numbers={**new.numbers, **_other_numbers(store, old, named)},
    )  # fmt: skip
    facts, extras = _facts(store, graph, old), _extras(store, new, old)
    kept = {r: e for r, e in facts.items() if r[1] not in named}
    edges = {**match_attributes(graph, new), **kept}
    same = _same(items, was, titles, texts)
    names = [
        *(["title"] if any(titles) and not any(new.titles) else []),
        *(["text"] if any(texts) and not any(new.texts) else []),
        *(a.name for a in items.attributes if a.name not in named),
        *(n for n, some in items.numbers.items() if n not in named and not np.isnan(some).all()),
        *(relation[1] for relation in kept), *extras,
    ]  # fmt: skip
    return Completed(new, items, old, was, facts, edges, extras, same & (old >= 0),
                     tuple(dict.fromkeys(names)))  # fmt: skip


def _other_values(was: Sequence[Cells], named: Collection[str]) -> tuple[Attribute, ...]:
    """The attributes [M] that a table does not name."""
    names = dict.fromkeys(name for one in was for name in one if name not in named)
    return tuple(Attribute.of(name, [list(one.get(name, ())) for one in was]) for name in names)


def _other_numbers(
    store: ItemStore, old: np.ndarray, named: Collection[str]
) -> dict[str, np.ndarray]:
    """By column that a table does not name: float64 [M]."""
    return {
        name: np.where(old >= 0, column[old], np.nan)
        for name, column in store.numbers.items() if name not in named
    }  # fmt: skip


def in_bands(graph: KnowledgeGraph, new: Catalog) -> Catalog:
    """With each number as the band of the graph that it lies in, or next to, where the graph has
    bands of it: those of a table of few rows would be others.
    """
    by_name = {r[1]: r for r in graph.fact_relations if r[0] == "item"}
    attributes = {a.name: a for a in new.attributes}
    for name, column in new.numbers.items():
        bands = _bands(graph.vocabs[by_name[name][2]].ids) if name in by_name else []
        if bands:
            at = np.searchsorted([low for low, _ in bands], column, side="right") - 1
            cells = [
                [] if np.isnan(value) else [bands[max(place, 0)][1]]
                for value, place in zip(column.tolist(), at.tolist(), strict=True)
            ]
            attributes[name] = Attribute.of(name, cells)
    return replace(new, attributes=tuple(attributes.values()))


def _bands(ids: Sequence[str]) -> list[tuple[float, str]]:
    """Where each band begins, in order; none unless all of these are bands."""
    found = [_BAND.fullmatch(key) for key in ids]
    return sorted((float(hit[1]), hit[0]) for hit in found if hit) if all(found) else []


def _column(told: Sequence[str], at: np.ndarray) -> tuple[str, ...]:
    return tuple(told[code] if code >= 0 else "" for code in at.tolist())


def _was(store: ItemStore, catalog: Catalog, old: np.ndarray) -> tuple[Cells, ...]:
    """What each of these rows int64 [M] of the run was told with; nothing of -1."""
    trained = cells_of(catalog, old[(old >= 0) & (old < store.trained)])
    return tuple(
        {**(trained.get(code, {}) if code < store.trained else {}), **store.told.get(code, {})}
        for code in old.tolist()
    )


def cells_of(catalog: Catalog, rows: np.ndarray) -> dict[int, dict[str, list[str]]]:
    """By row, of these alone: the values of its attributes."""
    out: dict[int, dict[str, list[str]]] = {}
    for a in catalog.attributes:
        at = np.isin(a.row, rows)
        for row, value in zip(a.row[at].tolist(), a.value[at].tolist(), strict=True):
            out.setdefault(row, {}).setdefault(a.name, []).append(a.values.ids[value])
    return out


def _facts(store: ItemStore, graph: KnowledgeGraph, old: np.ndarray) -> dict[Relation, np.ndarray]:
    """int64 [2, E] (row, node): the facts of these items [M], whoever told them."""
    row_of = {code: row for row, code in enumerate(old.tolist()) if code >= 0}
    pairs: dict[Relation, list[tuple[int, int]]] = {}
    for relation in graph.fact_relations:
        if relation[0] == "item":
            edges = graph.edges[relation]
            there = edges[:, np.isin(edges[0], old[old < store.trained])]
            pairs[relation] = [(row_of[head], node) for head, node in there.T.tolist()]
    for code, row in row_of.items():
        for relation, node in store.facts.get(code, ()):
            pairs.setdefault(relation, []).append((row, node))
    return {r: np.array(some, np.int64).T for r, some in sorted(pairs.items()) if some}


def _extras(
    store: ItemStore, new: Catalog, old: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By name of vectors: the rows of `new` that have none but had one, and their parts."""
    told = {vectors.name: vectors.row for vectors in new.vectors}
    known, out = np.flatnonzero(old >= 0), {}
    for name, parts in store.extras.items():
        rows = np.setdiff1d(known, told.get(name, known[:0]))
        rows = rows[parts[old[rows]].any(1)]
        if len(rows):
            out[name] = (rows, parts[old[rows]])
    return out


def _same(
    items: Catalog, was: Sequence[Cells], titles: Sequence[str], texts: Sequence[str]
) -> np.ndarray:
    """bool [M]: title, text and the values that are read with them are those that were."""
    now = {a.name: a.cells(len(was)) for a in items.attributes if a.name in TEXT_ATTRIBUTES}
    none: list[list[str]] = [[]] * len(was)

    def alike(row: int) -> bool:
        if (items.titles[row], items.texts[row]) != (titles[row], texts[row]):
            return False
        names = {*now, *(name for name in was[row] if name in TEXT_ATTRIBUTES)}
        return all(
            {*furthest(now.get(name, none)[row])} == {*furthest(was[row].get(name, ()))}
            for name in names
        )

    return np.array([alike(row) for row in range(len(was))], bool)
