"""From tables to graph.nt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from kg.errors import DataError, UsageError
from kg.formats.rdf.terms import ITEM_ID, NAMES, TYPE, WRITTEN, encoded, is_iri, oxigraph
from kg.formats.tables import Tables


def write_rdf(tables: Tables, folder: Path) -> None:
    """graph.nt of the triples and entities; events, users, vectors and texts are left out.

    Ids that are no IRIs, and names of relations and types, are written behind `OWN`, from which
    `read_rdf` takes them back. An entity that is an item has its item_id as a literal.
    Raises `UsageError` if there are no triples, `DataError` for an empty cell.
    """
    if tables.triples is None:
        raise UsageError("RDF holds triples, and these tables have none: nothing can be written.")
    for role in ("head", "relation", "tail"):
        _no_gap(tables.triples[role], "triples")
    entities = _described(tables)
    _no_gap(entities["entity_id"], "entities")
    ends = [tables.triples["head"], tables.triples["tail"], entities["entity_id"]]
    node = {key: _node(key) for key in pl.concat([end.rename("id") for end in ends]).unique()}
    lines = [_statements(tables.triples, node), *_descriptions(entities, node)]
    with open(folder / WRITTEN, "w", encoding="utf-8", newline="\n") as handle:
        for series in lines:
            for start in range(0, series.len(), 100_000):
                handle.write("".join(series.slice(start, 100_000).to_list()))


def _no_gap(column: pl.Series, table: str) -> None:
    gaps = np.flatnonzero((column.fill_null("") == "").to_numpy())
    if gaps.size:
        raise DataError(
            f"The table {table}, row {int(gaps[0]) + 1}: {column.name!r} must not be empty."
        )


def _described(tables: Tables) -> pl.DataFrame:
    """entity_id, type, name, item_id; without entities, the ends that are items."""
    frame = tables.entities
    if frame is None:
        triples, items = tables.triples, tables.items
        assert triples is not None
        ends = pl.concat([triples["head"], triples["tail"].alias("head")]).unique()
        known = (
            ends.filter(ends.is_in(items["item_id"].implode()))
            if items is not None
            else ends.clear()
        )
        frame = pl.DataFrame({"entity_id": known, "item_id": known})
        frame = frame.with_columns(pl.lit("item").alias("type"))
    blank = [pl.lit(None, dtype=pl.String).alias(column)
             for column in ("type", "name", "item_id") if column not in frame.columns]  # fmt: skip
    return frame.with_columns(blank)


def _statements(triples: pl.DataFrame, node: Mapping[str, str]) -> pl.Series:
    relation = {key: _predicate(key) for key in triples["relation"].unique()}
    return triples.select(
        pl.format(
            "{} {} {} .\n",
            pl.col("head").replace_strict(node, return_dtype=pl.String),
            pl.col("relation").replace_strict(relation, return_dtype=pl.String),
            pl.col("tail").replace_strict(node, return_dtype=pl.String),
        )
    ).to_series()


def _descriptions(entities: pl.DataFrame, node: Mapping[str, str]) -> Iterable[pl.Series]:
    literal = oxigraph().Literal
    # The type that is read where none is said keeps an entity that stands in no triple.
    typed = entities.with_columns(pl.col("type").replace("", None).fill_null("entity"))
    for column, predicate, term in (
        ("type", TYPE, _predicate),
        ("name", NAMES[0], lambda text: str(literal(text))),
        ("item_id", ITEM_ID, lambda text: str(literal(text))),
    ):
        there = typed.filter(pl.col(column).fill_null("") != "")
        terms = {text: term(text) for text in there[column].unique()}
        subject = there["entity_id"].replace_strict(node, return_dtype=pl.String)
        value = there[column].replace_strict(terms, return_dtype=pl.String)
        yield subject + f" <{predicate}> " + value + " .\n"


def _node(key: str) -> str:
    """The id as a term of N-Triples."""
    if re.fullmatch(r"_:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_-])?", key):
        return key
    return f"<{key}>" if is_iri(key) else f"<{encoded(key)}>"


def _predicate(name: str) -> str:
    """The name of a relation or a type as a term: 'a:b' is a name, 'http://a/b' an IRI."""
    whole = ("://" in name or name.startswith("urn:")) and is_iri(name) and name != TYPE
    return f"<{name}>" if whole else f"<{encoded(name)}>"
