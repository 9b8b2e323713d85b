"""RDF: N-Triples, N-Quads, Turtle, TriG, RDF/XML and JSON-LD, zipped or not, through pyoxigraph.

IRIs and blank nodes are entities, literals are attributes: a node per value, so that two films of
1994 meet. A class becomes the `type`, a label the `name`. Nothing is fetched, no XML entity is
expanded, and whatever is left out is said in `Tables.notes`.
"""

from __future__ import annotations

import contextlib
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote
from xml.parsers import expat

import numpy as np
import polars as pl

from kg.errors import DataError, UsageError
from kg.formats.tables import Format, Tables
from kg.tables import UNREADABLE, existing_file, open_bytes, pick_columns, read_table

SYNTAX = {".nt": "N_TRIPLES", ".nq": "N_QUADS", ".ttl": "TURTLE", ".trig": "TRIG",
          ".rdf": "RDF_XML", ".owl": "RDF_XML", ".xml": "RDF_XML",
          ".jsonld": "JSON_LD"}  # fmt: skip
"""pyoxigraph's name of the syntax, by the end of the file's name (before '.gz')."""
WRITTEN = "graph.nt"
OWN = "urn:kgintent:"
"""Before ids that are no IRIs, which are percent-encoded after it; reading takes it off again."""

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_RDFS = "http://www.w3.org/2000/01/rdf-schema#"
_OWL = "http://www.w3.org/2002/07/owl#"
_TYPE = f"{_RDF}type"
_ITEM_ID = f"{OWN}item_id"
_NAMES = (f"{_RDFS}label", "http://www.w3.org/2004/02/skos/core#prefLabel",
          "http://schema.org/name", "https://schema.org/name", "http://xmlns.com/foaf/0.1/name",
          "http://purl.org/dc/terms/title", "http://purl.org/dc/elements/1.1/title")  # fmt: skip
_EVERYTHING = {f"{_OWL}Thing", f"{_OWL}NamedIndividual", f"{_RDFS}Resource"}
"""Classes that say nothing: the type only of what has no other."""
_PREFIX = {_RDF: "rdf", _RDFS: "rdfs", _OWL: "owl", "http://www.w3.org/2004/02/skos/core#": "skos",
           "http://schema.org/": "schema", "https://schema.org/": "schema",
           "http://xmlns.com/foaf/0.1/": "foaf", "http://purl.org/dc/terms/": "dcterms",
           "http://purl.org/dc/elements/1.1/": "dc", "http://dbpedia.org/ontology/": "dbo",
           "http://dbpedia.org/property/": "dbp",
           "http://www.wikidata.org/prop/direct/": "wdt"}  # fmt: skip
_ID_LENGTH = 200
DEEPEST = 10_000
"""So deep at most may elements of RDF/XML lie in each other."""
_MANY = 20
"""From so many literals on, a predicate whose values mostly differ is an identifier or a text."""
_RANDOM = re.compile(r"_:[a-f][0-9a-f]{23,31}")
"""The label that pyoxigraph draws for a blank node without one."""


# Reading


def read_rdf(
    path: str | Path,
    *,
    language: str = "en",
    max_literal: int = 200,
    max_triples: int = 50_000_000,
    links: Path | None = None,
) -> Tables:
    """The triples and entities of an RDF file, or of the graph.nt in a folder; sorted.

    `language` is that of the names. Literals of more than `max_literal` characters are left out.
    `links` is a table of entity_id and item_id (RecBole's .link too) that says which entity is
    which item; an entity may be named in it by the last part of its IRI.
    Raises `DataError` for a file that is broken, empty, larger than `max_triples`, declares XML
    entities or names a remote JSON-LD context.
    """
    file = _graph_file(Path(path))
    found = _Found(max_literal)
    try:
        _read_into(found, file, max_triples)
    except UNREADABLE as error:
        raise DataError(f"{file} cannot be read: {str(error).rstrip('.')}.") from None
    if not found.nodes:
        raise DataError(f"{file} holds no triple: at least one is needed.")
    return _tables(found, language, links, _syntax(file) in ("N_TRIPLES", "N_QUADS"))


def _graph_file(path: Path) -> Path:
    file = path / WRITTEN if (path / WRITTEN).is_file() else path
    if file.is_file() and file.stat().st_size == 0:
        raise DataError(f"{file} is empty: at least one triple is needed.")
    existing_file(file)
    if _syntax(file) is None:
        raise UsageError(
            f"The name of an RDF file must end in {', '.join(SYNTAX)} (or one of them and .gz). "
            f"Got {file.name!r} instead."
        )
    return file


def _syntax(file: Path) -> str | None:
    ends = [end.lower() for end in file.suffixes]
    if ends[-1:] == [".gz"]:
        ends.pop()
    return SYNTAX.get(ends[-1]) if ends else None


def _oxigraph() -> Any:
    try:
        import pyoxigraph
    except ImportError:
        raise UsageError(
            "RDF needs the package pyoxigraph, which is not installed: pip install 'kgintent[rdf]'."
        ) from None
    return pyoxigraph


@dataclass
class _Found:
    """What a file states, as numbers: the dicts number texts in the order in which they come.

    edges     head, predicate, tail; one after the other, as in all of these arrays
    literals  head, predicate, value
    labels    head, the predicate's place in `_NAMES`, language, value
    types     head, class
    items     head, value
    long      literals of more than `max_literal` characters, by predicate
    odd       what else was left out, by reason
    """

    max_literal: int
    nodes: dict[str, int] = field(default_factory=dict)
    predicates: dict[str, int] = field(default_factory=dict)
    values: dict[str, int] = field(default_factory=dict)
    languages: dict[str, int] = field(default_factory=dict)
    classes: dict[str, int] = field(default_factory=dict)
    edges: array[int] = field(default_factory=lambda: array("q"))
    literals: array[int] = field(default_factory=lambda: array("q"))
    labels: array[int] = field(default_factory=lambda: array("q"))
    types: array[int] = field(default_factory=lambda: array("q"))
    items: array[int] = field(default_factory=lambda: array("q"))
    long: Counter[str] = field(default_factory=Counter)
    odd: Counter[str] = field(default_factory=Counter)

    def link(self, head: int, predicate: str, tail: str) -> None:
        """An object that is an IRI or a blank node."""
        if predicate != _TYPE:
            nodes, predicates = self.nodes, self.predicates
            code = predicates.setdefault(predicate, len(predicates))
            self.edges.extend((head, code, nodes.setdefault(tail, len(nodes))))
        elif tail.startswith("_:"):
            self.odd["types that are blank nodes"] += 1
        else:
            self.types.extend((head, self.classes.setdefault(tail, len(self.classes))))

    def literal(self, head: int, predicate: str, value: str, language: str) -> None:
        """An object that is a literal."""
        if not value.strip():
            self.odd["empty literals"] += 1
        elif predicate in _NAME_RANK:
            spoken = self.languages.setdefault(language, len(self.languages))
            self.labels.extend((head, _NAME_RANK[predicate], spoken, self._value(value)))
        elif predicate == _ITEM_ID:
            self.items.extend((head, self._value(value)))
        elif predicate == _TYPE:
            self.odd["types that are literals"] += 1
        elif len(value) > self.max_literal:
            self.long[predicate] += 1
        else:  # stripped, since whoever reads the table of triples strips its ids
            code = self.predicates.setdefault(predicate, len(self.predicates))
            self.literals.extend((head, code, self._value(value.strip())))

    def _value(self, value: str) -> int:
        return self.values.setdefault(value, len(self.values))


_NAME_RANK = {iri: rank for rank, iri in enumerate(_NAMES)}


def _read_into(found: _Found, file: Path, max_triples: int) -> None:
    ox = _oxigraph()
    syntax = _syntax(file)
    if syntax == "RDF_XML":
        _check_xml(file)
    with open_bytes(file) as handle:
        if handle.peek(3)[:3] == b"\xef\xbb\xbf":
            handle.read(3)
        # Relative IRIs need a base, and the whole path would differ from machine to machine. Dumps
        # of the wild hold IRIs that are not quite valid (lenient).
        base = f"file:///{quote(file.name)}"
        form = getattr(ox.RdfFormat, str(syntax))
        try:
            quads = ox.parse(handle, form, base_iri=base, lenient=True)
            _collect(found, islice(quads, max_triples), ox)
            more = next(quads, None) is not None
        except SyntaxError as error:
            raise _broken(file, error) from None
        except MemoryError as error:  # one statement outgrows what the parser may hold
            raise DataError(
                f"{file} holds a statement that is too long to read: {str(error).rstrip('.')}."
            ) from None
    if more:
        raise DataError(
            f"{file} must hold at most {max_triples:,} triples (max_triples). It holds more."
        )


def _collect(found: _Found, quads: Iterator[Any], ox: Any) -> None:
    iri, blank, literal, default = ox.NamedNode, ox.BlankNode, ox.Literal, ox.DefaultGraph
    nodes = found.nodes
    for quad in quads:
        subject, value = quad.subject, quad.object
        text = subject.value if type(subject) is iri else f"_:{subject.value}"
        head = nodes.setdefault(text, len(nodes))
        kind = type(value)
        if kind is iri:
            found.link(head, quad.predicate.value, value.value)
        elif kind is literal:
            found.literal(head, quad.predicate.value, value.value, value.language or "")
        elif kind is blank:
            found.link(head, quad.predicate.value, f"_:{value.value}")
        else:
            found.odd["statements about statements"] += 1
        if type(quad.graph_name) is not default:
            found.odd["names of graphs"] += 1


# What may be wrong with a file


def _check_xml(file: Path) -> None:
    """`DataError` where an XML entity is declared, for a few of them can expand to gigabytes, and
    where elements lie in each other deeper than `DEEPEST`: the time goes with the square.
    """
    line, before, depth = 1, b"", 0
    with open_bytes(file) as handle:
        while chunk := handle.read(1 << 16):
            window = before + chunk
            place = window.find(b"<!ENTITY")
            if place >= 0:
                line += window.count(b"\n", 0, place)
                raise DataError(
                    f"{file}, line {line:,}: RDF/XML must not declare entities (<!ENTITY), which "
                    "could expand without end. Write them out (for instance as N-Triples)."
                )
            depth += _opened(chunk)
            if depth > DEEPEST and (deep := _deep_line(file)):
                raise DataError(
                    f"{file}, line {deep:,}: elements of RDF/XML must not lie in each other more "
                    f"than {DEEPEST:,} deep. Write it out as N-Triples."
                )
            depth = min(depth, DEEPEST)
            before = window[-7:]
            line += window.count(b"\n") - before.count(b"\n")


def _opened(chunk: bytes) -> int:
    """About how many elements more are open after this part of a file than before it: what stands
    in comments is counted too.
    """
    closed = 2 * chunk.count(b"</") + chunk.count(b"/>")
    return chunk.count(b"<") - closed - chunk.count(b"<!") - chunk.count(b"<?")


def _deep_line(file: Path) -> int:
    """The line of the first element that lies too deep; 0 if there is none."""
    parser, depth, line = expat.ParserCreate(), 0, 0

    def begins(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, line
        depth += 1
        if depth > DEEPEST and not line:
            line = parser.CurrentLineNumber

    def ends(name: str) -> None:
        nonlocal depth
        depth -= 1

    parser.StartElementHandler, parser.EndElementHandler = begins, ends
    with contextlib.suppress(expat.ExpatError), open_bytes(file) as handle:
        parser.ParseFile(handle)
    return line


def _broken(file: Path, error: SyntaxError) -> DataError:
    """The parser's complaint with the line that it is about."""
    if "LoadDocumentCallback" in error.msg:
        return DataError(
            f"{file} names a remote JSON-LD @context{_context_of(file)}, which is not fetched: "
            "write the context itself into the file, or convert it to N-Triples."
        )
    what = re.sub(r"^Parser error [^:]*: ", "", error.msg).rstrip(".")
    line = error.lineno or (_xml_line(file) if _syntax(file) == "RDF_XML" else None)
    if line is None:
        return DataError(f"{file} cannot be read: {what}.")
    with open_bytes(file) as handle:
        text = next(islice(handle, line - 1, None), b"").decode("utf-8", "replace").strip()
    got = text if len(text) <= 100 else f"{text[:100]}…"
    return DataError(f"{file}, line {line:,}: {what}. Got {got!r}.")


def _context_of(file: Path) -> str:
    with open_bytes(file) as handle:
        head = handle.read(65536).decode("utf-8", "replace")
    hit = re.search(r'"@(?:context|import)"\s*:\s*\[?\s*"([^"]*)"', head)
    return f" ({hit[1]})" if hit else ""


def _xml_line(file: Path) -> int | None:
    """The first line that is no XML: pyoxigraph does not say it."""
    parser = expat.ParserCreate()
    try:
        with open_bytes(file) as handle:
            parser.ParseFile(handle)
    except expat.ExpatError as error:
        return error.lineno
    return None


# From numbers to tables


def _tables(found: _Found, language: str, links: Path | None, labelled: bool) -> Tables:
    notes: list[str] = []
    ids = pl.Series("entity_id", _ids(found.nodes, labelled), dtype=pl.String)
    values = pl.Series("value", list(found.values), dtype=pl.String)
    edges = _frame(found.edges, "head", "predicate", "tail").unique()
    literals = _grouping(found, notes)
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
    entities = _entities(found, ids, values, language, notes)
    entities = _with_attributes(entities, attributes)
    entities = _with_items(entities, found, ids, values, links, notes)
    notes += [f"Left out {n:,} {what}." for what, n in sorted(found.odd.items())]
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
            own = _decoded(node)
            node = node if own in nodes else own
        ids.append(node)
    return ids


def _decoded(iri: str) -> str:
    """What `_encoded` made this of; the IRI itself where it is not made so."""
    text = unquote(iri.removeprefix(OWN))
    return text if text and iri == _encoded(text) else iri


def _encoded(text: str) -> str:
    return OWN + quote(text, safe="")


def _grouping(found: _Found, notes: list[str]) -> pl.DataFrame:
    """The literals that group things: not the texts, not the identifiers."""
    literals = _frame(found.literals, "head", "predicate", "value").unique()
    counts = literals.group_by("predicate").agg(pl.len(), pl.col("value").n_unique().alias("own"))
    each = counts.filter((pl.col("len") >= _MANY) & (2 * pl.col("own") > pl.col("len")))
    names = list(found.predicates)
    unlike = {names[code]: n for code, n in each.select("predicate", "len").iter_rows()}
    _note_left_out(notes, unlike, "whose predicate nearly never says the same (identifiers, texts)")
    _note_left_out(notes, found.long, f"of more than {found.max_literal:,} characters")
    return literals.join(each, on="predicate", how="anti")


def _note_left_out(notes: list[str], counts: Mapping[str, int], what: str) -> None:
    if counts:
        most = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        listed = ", ".join(f"{local_name(iri)} {n:,}" for iri, n in most[:10])
        rest = " …" if len(most) > 10 else ""
        notes.append(f"Left out {sum(counts.values()):,} literals {what}: {listed}{rest}.")


def local_name(iri: str) -> str:
    """What comes after the last # or / (of a URN: the last colon); ids of ours are decoded."""
    if iri.startswith(OWN):
        return _decoded(iri).removeprefix(OWN) or iri
    return re.split(r"[#/]" if re.search(r"[#/]", iri) else ":", iri.rstrip("#/:"))[-1] or iri


def _relation_names(found: _Found, edges: pl.DataFrame, literals: pl.DataFrame) -> pl.Series:
    """A name for each predicate's number; empty for one that the graph does not use."""
    used = set(edges["predicate"].unique()) | set(literals["predicate"].unique())
    named = _short_names([iri for iri, code in found.predicates.items() if code in used])
    return pl.Series("relation", [named.get(iri, "") for iri in found.predicates], dtype=pl.String)


def _short_names(iris: Sequence[str]) -> dict[str, str]:
    """Local names; where several IRIs share one, with the namespace before it, all different.

    Names of ours stay as they are: they are no shortened IRIs.
    """
    shared = Counter(local_name(iri) for iri in iris)
    taken = {name for name, n in shared.items() if n == 1}
    taken |= {local_name(iri) for iri in iris if iri.startswith(OWN)}
    names = {}
    for iri in sorted(iris):
        name = local_name(iri)
        if shared[name] > 1 and not iri.startswith(OWN):
            stem = name = f"{_prefix(iri)}_{name}"
            number = 1
            while name in taken:
                number += 1
                name = f"{stem}_{number}"
            taken.add(name)
        names[iri] = name
    return names


def _prefix(iri: str) -> str:
    space = iri[: len(iri.rstrip("#/:")) - len(local_name(iri))]
    return _PREFIX.get(space) or local_name(space)


def _entities(
    found: _Found, ids: pl.Series, values: pl.Series, language: str, notes: list[str]
) -> pl.DataFrame:
    """One row for each node, by number: entity_id, type, name."""
    head = pl.int_range(pl.len(), dtype=pl.Int64).alias("head")
    nodes = pl.DataFrame({"entity_id": ids}).with_columns(head)
    nodes = nodes.join(_types(found, notes), on="head", how="left", maintain_order="left")
    names = _names(found, values, language, notes)
    nodes = nodes.join(names, on="head", how="left", maintain_order="left")
    return nodes.select("entity_id", pl.col("type").fill_null("entity"), "name")


def _types(found: _Found, notes: list[str]) -> pl.DataFrame:
    """head, type: the first class by name."""
    said = _frame(found.types, "head", "class").unique()
    names = pl.Series("type", [local_name(iri) for iri in found.classes], dtype=pl.String)
    empty = pl.Series("empty", [iri in _EVERYTHING for iri in found.classes], dtype=pl.Boolean)
    said = said.select("head", names.gather(said["class"]), empty.gather(said["class"])).unique()
    several = said.filter(~pl.col("empty"))["head"]
    several = several.filter(several.is_duplicated())
    if several.len():
        notes.append(
            f"{several.n_unique():,} entities have several types: the first by name was taken."
        )
    first = said.sort("head", "empty", "type").unique("head", keep="first", maintain_order=True)
    return first.select("head", "type")


def _names(found: _Found, values: pl.Series, language: str, notes: list[str]) -> pl.DataFrame:
    """head, name: by language, then by the predicate's place in `_NAMES`, then by alphabet."""
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
    entities: pl.DataFrame, found: _Found, ids: pl.Series, values: pl.Series,
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


# Writing


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
        frame = pl.DataFrame({"entity_id": known, "type": ["item"] * known.len(), "item_id": known})
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
    literal = _oxigraph().Literal
    # The type that is read where none is said keeps an entity that stands in no triple.
    typed = entities.with_columns(pl.col("type").replace("", None).fill_null("entity"))
    for column, predicate, term in (
        ("type", _TYPE, _predicate),
        ("name", _NAMES[0], lambda text: str(literal(text))),
        ("item_id", _ITEM_ID, lambda text: str(literal(text))),
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
    return f"<{key}>" if _is_iri(key) else f"<{_encoded(key)}>"


def _predicate(name: str) -> str:
    """The name of a relation or a type as a term: 'a:b' is a name, 'http://a/b' an IRI."""
    whole = ("://" in name or name.startswith("urn:")) and _is_iri(name) and name != _TYPE
    return f"<{name}>" if whole else f"<{_encoded(name)}>"


def _is_iri(text: str) -> bool:
    if text.startswith(OWN) or ":" not in text:
        return False
    try:
        _oxigraph().NamedNode(text)
    except ValueError:
        return False
    return True


# The format


def _recognises(path: Path) -> bool:
    if path.is_dir():
        return (path / WRITTEN).is_file()
    if not path.is_file() or _syntax(path) is None:
        return False
    return ".xml" not in [end.lower() for end in path.suffixes[-2:]] or _is_rdf_xml(path)


def _is_rdf_xml(file: Path) -> bool:
    try:
        with open_bytes(file) as handle:
            return _RDF.encode() in handle.read(65536)
    except UNREADABLE:
        return False


FORMAT = Format(
    "rdf",
    "an RDF file (.nt .nq .ttl .trig .rdf .owl .xml .jsonld, or zipped), or graph.nt in a folder",
    _recognises,
    read_rdf,
    write_rdf,
)
