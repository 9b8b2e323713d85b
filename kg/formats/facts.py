"""Columns of items as facts, for the formats that hold nothing else of an item."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from kg.building.from_table import from_table
from kg.dates import UNDATED
from kg.formats.tables import Tables
from kg.graph import KnowledgeGraph

_KEPT = ("item_id", "title", "text")


def column_facts(tables: Tables) -> Tables:
    """The tables with each column of items (but title and text) as facts in its place.

    What a column becomes is guessed as `kgintent kg from-table` does; values are entities
    COLUMN:VALUE. A column that says nothing stays a column. An item keeps its entity; without one
    it is item:ID, or its id where the facts that are there name items by their ids. `Tables.notes`
    says which columns became what.
    """
    items, given = tables.items, tables.triples
    if items is None or not set(items.columns) - {*_KEPT}:
        return tables
    made = from_table(items, id="item_id")
    if not made.relations:
        return tables
    triples, entities = facts(made.graph)
    assert triples is not None
    assert entities is not None
    called = _entities_of(tables)
    rows = [triples.with_columns(_renamed(triples[end], called) for end in ("head", "tail"))]
    known = [entities.with_columns(_renamed(entities["entity_id"], called))]
    if given is not None:
        rows.insert(0, given)
    if tables.entities is not None:
        known.insert(0, tables.entities)
    note = f"Columns of items became facts, as kg from-table makes them: {made.relations}."
    return replace(
        tables,
        items=items.drop(one.relation.column for one in made.made),
        triples=pl.concat(rows, how="diagonal").unique(maintain_order=True),
        entities=pl.concat(known, how="diagonal").unique("entity_id", maintain_order=True),
        notes=(*tables.notes, note, *(f"{told}." for told in made.notes)),
    )


def not_facts(tables: Tables) -> tuple[str, ...]:
    """What a format of facts alone leaves out of these tables: one sentence, or none."""
    said = [name for name in ("events", "users") if getattr(tables, name) is not None]
    if tables.items is not None:
        rest = tables.items.drop("item_id", "title", strict=False)
        said += [f"{column} of items" for column in rest.columns if rest[column].count()]
    said += [f"vectors {name}" for name in tables.vectors]
    return (f"Left out: {', '.join(said)}.",) if said else ()


def _entities_of(tables: Tables) -> dict[str, str]:
    """What is called item:ID in the facts of columns is called so in those that are there."""
    items, entities = tables.items, tables.entities
    assert items is not None
    if entities is not None and "item_id" in entities.columns:
        links = entities.select("item_id", "entity_id").drop_nulls().unique("item_id", keep="first")
        return {f"item:{item}": entity for item, entity in links.iter_rows()}
    if tables.triples is not None and entities is None:
        return {f"item:{item}": item for item in items["item_id"].drop_nulls()}
    return {}


def _renamed(column: pl.Series, called: dict[str, str]) -> pl.Series:
    return column.replace(called) if called else column


def facts(graph: KnowledgeGraph) -> tuple[pl.DataFrame | None, pl.DataFrame | None]:
    """Triples between entities called TYPE:ID, and these entities; None, None without edges."""
    if not graph.edges:
        return None, None
    called = {kind: [f"{kind}:{key}" for key in vocab.ids] for kind, vocab in graph.vocabs.items()}
    parts = []
    for relation in sorted(graph.edges):
        (source, name, target), (heads, tails) = relation, graph.edges[relation]
        one, other = (pl.Series(called[kind], dtype=pl.String) for kind in (source, target))
        part = pl.DataFrame({"head": one.gather(heads), "tail": other.gather(tails)})
        part = part.select("head", pl.lit(name).alias("relation"), "tail")
        if graph.edge_time:
            part = part.with_columns(timestamp=_seconds(graph.edge_time.get(relation), len(part)))
        parts.append(part)
    used = {end for relation in graph.edges for end in (relation[0], relation[2])}
    kinds = [
        text_frame({
            "entity_id": called[kind], "type": [kind] * len(vocab),
            "name": [graph.name(kind, code) for code in range(len(vocab))],
            "item_id": vocab.ids if kind == "item" else [""] * len(vocab),
        })
        for kind, vocab in graph.vocabs.items() if kind in used
    ]  # fmt: skip
    return pl.concat(parts), pl.concat(kinds)


def _seconds(time: np.ndarray | None, rows: int) -> pl.Series:
    """UTC seconds as text, null where a fact has no date."""
    known = np.full(rows, UNDATED) if time is None else time
    text = [None if second == UNDATED else str(second) for second in known.tolist()]
    return pl.Series(text, dtype=pl.String)


def text_frame(columns: dict) -> pl.DataFrame:
    """Columns of text, '' as null."""
    frame = pl.DataFrame({name: pl.Series(list(c), dtype=pl.String) for name, c in columns.items()})
    return frame.with_columns(pl.all().replace("", None))
