"""From what a file states to tables of triples and entities."""

from __future__ import annotations

import re
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from kg.broken import Broken
from kg.errors import DataError, UsageError
from kg.formats.rdf.parsing import Found, read_into
from kg.formats.rdf.terms import (
    EVERYTHING,
    OWN,
    SYNTAX,
    WRITTEN,
    decoded,
    local_name,
    short_names,
    syntax_of,
)
from kg.formats.tables import Tables
from kg.tables import UNREADABLE, existing_file, pick_columns, read_table

_ID_LENGTH = 200
_MANY = 20
"""From so many literals on, a predicate whose values mostly differ is an identifier or a text."""
_NAMELIKE = re.compile(r"(has[_-]?)?(full[_-]?)?(name|title|label|fn)", re.I)
"""Local names of predicates of people's own making that name what has no label."""
_RANDOM = re.compile(r"_:[a-f][0-9a-f]{23,31}")
"""The label that pyoxigraph draws for a blank node without one."""


def read_rdf(
    path: str | Path,
    *,
    language: str = "en",
    max_literal: int = 200,
    max_triples: int = 50_000_000,
    links: Path | None = None,
    broken: Broken | None = None,
) -> Tables:
    """The triples and entities of an RDF file, or of the graph.nt in a folder; sorted.

    `language` is that of the names. Literals of more than `max_literal` characters are left out.
    `links` is a table of entity_id and item_id (RecBole's .link too) that says which entity is
    which item; an entity may be named in it by the last part of its IRI.
    Raises `DataError` for a file that is broken, empty, larger than `max_triples`, nested too
    deeply, declares XML entities or names a remote JSON-LD context, and where no triple remains.
    Of N-Triples and N-Quads the broken lines go to `broken`, if given, and the rest is read.
    """
    file = _graph_file(Path(path))
    found = Found(max_literal)
    try:
        read_into(found, file, max_triples, broken)
    except UNREADABLE as error:
        raise DataError(f"{file} cannot be read: {str(error).rstrip('.')}.") from None
    if not found.nodes:
        why = f": {broken}" if broken else ": at least one is needed"
        raise DataError(f"{file} holds no triple{why}.")
    return _tables(found, file, language, links)


def _graph_file(path: Path) -> Path:
    file = path / WRITTEN if (path / WRITTEN).is_file() else path
    if file.is_file() and file.stat().st_size == 0:
        raise DataError(f"{file} is empty: at least one triple is needed.")
    existing_file(file)
    if syntax_of(file) is None:
        raise UsageError(
            f"{file}: the name of an RDF file must end in {', '.join(SYNTAX)} (or one of them and "
            f".gz). Got {file.name!r} instead."
        )
    return file


def _tables(found: Found, file: Path, language: str, links: Path | None) -> Tables:
    notes: list[str] = []
    labelled = syntax_of(file) in ("N_TRIPLES", "N_QUADS")
    ids = pl.Series("entity_id", _ids(found.nodes, labelled), dtype=pl.String)
    values = pl.Series("value", list(found.values), dtype=pl.String)
    edges = _frame(found.edges, "head", "predicate", "tail").unique()
    literals, own = _grouping(found, notes)
    relations = _relation_names(found, edges, literals)
    attributes = literals.select(
        "head",
        relation=relations.gather(literals["predicate"]),
        name=values.gather(literals["value"]),
    ).with_columns(tail=pl.col("relation") + "=" + pl.col("name").str.slice(0, _ID_LENGTH))
    triples = pl.concat([
        pl.DataFrame([ids.gather(edges["head"]).alias("head"),
                      relations.gather(edges["predicate"]).alias("relation"),
                      ids.gather(edges["tail"]).alias("tail")]),
        attributes.select(ids.gather(attributes["head"]).alias("head"), "relation", "tail"),
    ]).unique().sort("head", "relation", "tail")  # fmt: skip
    entities = _entities(found, ids, values, language, own, notes)
    _note_shortened(found, relations, notes)
    entities = _with_attributes(entities, attributes)
    entities = _with_items(entities, found, ids, values, links, notes)
    notes += [f"Left out {n:,} {what}." for what, n in sorted(found.odd.items())]
    if triples.is_empty():
        lost = "".join(f" {note}" for note in notes if note.startswith("Left out"))
        raise DataError(
            f"{file} must hold triples between entities or with values that several share. None "
            f"remains beside names, types and ids of items.{lost}"
        )
    return Tables(triples=triples, entities=entities, notes=tuple(notes))


def _frame(flat: array[int], *columns: str) -> pl.DataFrame:
    table = np.frombuffer(flat, dtype=np.int64).reshape(-1, len(columns))
    return pl.DataFrame({name: table[:, n] for n, name in enumerate(columns)})


def _ids(nodes: Mapping[str, int], labelled: bool) -> list[str]:
    """The ids in the order of their numbers: ours decoded, blank nodes without a label counted."""
    ids = []
    counted = 0
    for node in nodes:
        if not labelled and _RANDOM.fullmatch(node):
            counted += 1
            while f"_:b{counted}" in nodes:
                counted += 1
            node = f"_:b{counted}"
        elif node.startswith(OWN):
            own = decoded(node)
            node = node if own in nodes else own
        ids.append(node)
    return ids


def _grouping(found: Found, notes: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The literals that group things, not the texts and identifiers; and of these the names
    (head, value) of what has no label.
    """
    literals = _frame(found.literals, "head", "predicate", "value").unique()
    counts = literals.group_by("predicate").agg(pl.len(), pl.col("value").n_unique().alias("own"))
    each = counts.filter((pl.col("len") >= _MANY) & (2 * pl.col("own") > pl.col("len")))
    names = list(found.predicates)
    called = [code for code in each["predicate"] if _NAMELIKE.fullmatch(local_name(names[code]))]
    own = literals.filter(pl.col("predicate").is_in(called)).join(
        _frame(found.labels, "head", "predicate", "language", "value"), on="head", how="anti"
    )
    if own.height:
        listed = ", ".join(sorted({local_name(names[code]) for code in own["predicate"].unique()}))
        notes.append(f"Names were taken from {listed}, where there is no label.")
    spare = literals.join(each, on="predicate", how="semi")
    left = spare.join(own, on=["head", "predicate", "value"], how="anti")
    counted = left.group_by("predicate").len().iter_rows()
    unlike = {names[code]: n for code, n in counted}
    _note_left_out(notes, unlike, "whose predicate nearly never says the same (identifiers, texts)")
    _note_left_out(notes, found.long, f"of more than {found.max_literal:,} characters")
    return literals.join(each, on="predicate", how="anti"), own.select("head", "value")


def _note_left_out(notes: list[str], counts: Mapping[str, int], what: str) -> None:
    if counts:
        most = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        listed = ", ".join(f"{local_name(iri)} {n:,}" for iri, n in most[:10])
        rest = " …" if len(most) > 10 else ""
        notes.append(f"Left out {sum(counts.values()):,} literals {what}: {listed}{rest}.")


def _relation_names(found: Found, edges: pl.DataFrame, literals: pl.DataFrame) -> pl.Series:
    """A name for each predicate's number; empty for one that the graph does not use."""
    used = set(edges["predicate"].unique()) | set(literals["predicate"].unique())
    named = short_names([iri for iri, code in found.predicates.items() if code in used])
    return pl.Series("relation", [named.get(iri, "") for iri in found.predicates], dtype=pl.String)


def _note_shortened(found: Found, relations: pl.Series, notes: list[str]) -> None:
    """Names stand for predicates and classes, and writing RDF makes IRIs of ours of them."""
    named = dict(zip(found.predicates, relations, strict=True))
    named |= {iri: local_name(iri) for iri in found.classes}
    named = {iri: name for iri, name in named.items() if name and not iri.startswith(OWN)}
    short = [(iri, name) for iri, name in named.items() if name != iri]
    if short:
        iri, name = min(short)
        notes.append(
            f"Left out the IRIs of {len(short):,} predicates and classes, of which the last part "
            f"is the name: {name} is {iri}{', …' if len(short) > 1 else ''}."
        )


def _entities(
    found: Found,
    ids: pl.Series,
    values: pl.Series,
    language: str,
    own: pl.DataFrame,
    notes: list[str],
) -> pl.DataFrame:
    """One row for each node, by number: entity_id, type, name."""
    head = pl.int_range(pl.len(), dtype=pl.Int64).alias("head")
    nodes = pl.DataFrame({"entity_id": ids}).with_columns(head)
    nodes = nodes.join(_types(found, notes), on="head", how="left", maintain_order="left")
    own = own.select("head", name=values.gather(own["value"])).sort("head", "name")
    own = own.unique("head", keep="first", maintain_order=True)
    names = pl.concat([_names(found, values, language, notes), own])
    nodes = nodes.join(names, on="head", how="left", maintain_order="left")
    return nodes.select("entity_id", pl.col("type").fill_null("entity"), "name")


def _types(found: Found, notes: list[str]) -> pl.DataFrame:
    """head, type: the first class by name."""
    said = _frame(found.types, "head", "class").unique()
    names = pl.Series("type", [local_name(iri) for iri in found.classes], dtype=pl.String)
    empty = pl.Series("empty", [iri in EVERYTHING for iri in found.classes], dtype=pl.Boolean)
    said = said.select("head", names.gather(said["class"]), empty.gather(said["class"])).unique()
    several = said.filter(~pl.col("empty"))["head"]
    several = several.filter(several.is_duplicated())
    if several.len():
        notes.append(
            f"{several.n_unique():,} entities have several types: the first by name was taken."
        )
    first = said.sort("head", "empty", "type").unique("head", keep="first", maintain_order=True)
    return first.select("head", "type")


def _names(found: Found, values: pl.Series, language: str, notes: list[str]) -> pl.DataFrame:
    """head, name: by language, then by the predicate's place in `NAMES`, then by alphabet."""
    labels = _frame(found.labels, "head", "predicate", "language", "value").unique()
    order = {tag: n for n, tag in enumerate(sorted(found.languages, key=_preference(language)))}
    rank = pl.Series("rank", [order[tag] for tag in found.languages], dtype=pl.Int64)
    labels = labels.select(
        "head", "predicate", rank.gather(labels["language"]), values.gather(labels["value"])
    ).sort("head", "rank", "predicate", "value")
    first = labels.unique("head", keep="first", maintain_order=True)
    if labels.height > first.height:
        notes.append(
            f"Left out {labels.height - first.height:,} further names (other languages, "
            "other labels of the same entity)."
        )
    return first.select("head", name="value")


def _preference(language: str) -> Any:
    """A sort key: the language itself, its regions, no language, the others by tag."""
    wanted = language.lower()

    def key(tag: str) -> tuple[int, str]:
        if tag.lower() == wanted:
            return 0, tag
        if tag.lower().startswith(f"{wanted}-"):
            return 1, tag
        return (2 if not tag else 3), tag

    return key


def _with_attributes(entities: pl.DataFrame, attributes: pl.DataFrame) -> pl.DataFrame:
    """With a node for each value; one that is an entity already keeps what it was."""
    nodes = attributes.select("tail", "relation", "name").unique().sort("tail", "name")
    nodes = nodes.select(entity_id="tail", type="relation", name="name")
    both = pl.concat([entities, nodes])
    return both.unique("entity_id", keep="first", maintain_order=True).sort("entity_id")


def _with_items(
    entities: pl.DataFrame, found: Found, ids: pl.Series, values: pl.Series,
    links: Path | None, notes: list[str],
) -> pl.DataFrame:  # fmt: skip
    """With item_id where something says which entity is which item."""
    said = _frame(found.items, "head", "value")
    pairs = pl.DataFrame([ids.gather(said["head"]).alias("entity_id"),
                          values.gather(said["value"]).alias("item_id")])  # fmt: skip
    pairs = pairs.sort("entity_id", "item_id")
    if links is not None:
        pairs = pl.concat([_links(ids, links, notes), pairs])
    pairs = pairs.unique("entity_id", keep="first", maintain_order=True)
    entities = entities.join(pairs, on="entity_id", how="left", maintain_order="left")
    if not pairs.height:
        notes.append("No entity is linked to an item: a table of entity_id, item_id would do it.")
    # What is of type "item" is an item of the catalogue to whoever reads the table.
    stray = (pl.col("type") == "item") & pl.col("item_id").is_null()
    entities = entities.with_columns(
        type=pl.when(stray).then(pl.lit("entity_item")).otherwise("type")
    )
    return entities.drop(c for c in ("name", "item_id") if not entities[c].count())


def _links(ids: pl.Series, file: Path, notes: list[str]) -> pl.DataFrame:
    """entity_id, item_id of the entities that are there; the strangers are noted."""
    table = read_table(file)
    wanted = {role: (role, f"{role}:token", role[:-3]) for role in ("entity_id", "item_id")}
    roles = pick_columns(table, wanted, {}, needed=("entity_id", "item_id"), where=str(file))
    pairs = table.select(pl.col(name).str.strip_chars().alias(role) for role, name in roles.items())
    pairs = pairs.drop_nulls()
    pairs = pairs.unique().join(_spellings(ids), on="entity_id", how="left")
    lost = pairs.filter(pl.col("id").is_null())["entity_id"].unique().sort()
    if lost.len():
        notes.append(f"{file} links {lost.len():,} entities that the graph lacks ({lost[0]}, …).")
    pairs = pairs.drop_nulls().select(entity_id="id", item_id="item_id").sort(pl.all())
    first = pairs.unique("entity_id", keep="first", maintain_order=True)
    if pairs.height > first.height:
        notes.append(
            f"{file} links {pairs.height - first.height:,} more items to entities that are an item "
            "already: the first item by id was taken."
        )
    return first


def _spellings(ids: pl.Series) -> pl.DataFrame:
    """entity_id, id: each id in full, and by its last part where only one has it."""
    short = ids.str.extract(r"([^/#]+)[/#]?$").alias("entity_id")
    frame = pl.DataFrame([short, ids.alias("id")]).drop_nulls()
    whole = pl.DataFrame([ids.alias("entity_id"), ids.alias("id")])
    frame = frame.filter(~pl.col("entity_id").is_duplicated())
    return pl.concat([whole, frame.join(whole, on="entity_id", how="anti")])
