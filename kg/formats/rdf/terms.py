"""IRIs and names: what stands for what, here and in files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from kg.errors import UsageError

SYNTAX = {".nt": "N_TRIPLES", ".nq": "N_QUADS", ".ttl": "TURTLE", ".trig": "TRIG",
          ".rdf": "RDF_XML", ".owl": "RDF_XML", ".xml": "RDF_XML",
          ".jsonld": "JSON_LD"}  # fmt: skip
"""pyoxigraph's name of the syntax, by the end of the file's name (before '.gz')."""
WRITTEN = "graph.nt"
OWN = "urn:kgintent:"
"""Before ids that are no IRIs, which are percent-encoded after it; reading takes it off again."""
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_RDFS = "http://www.w3.org/2000/01/rdf-schema#"
_OWL = "http://www.w3.org/2002/07/owl#"
TYPE = f"{RDF}type"
ITEM_ID = f"{OWN}item_id"
NAMES = (f"{_RDFS}label", "http://www.w3.org/2004/02/skos/core#prefLabel",
          "http://schema.org/name", "https://schema.org/name", "http://xmlns.com/foaf/0.1/name",
          "http://purl.org/dc/terms/title", "http://purl.org/dc/elements/1.1/title")  # fmt: skip
EVERYTHING = {f"{_OWL}Thing", f"{_OWL}NamedIndividual", f"{_RDFS}Resource"}
"""Classes that say nothing: the type only of what has no other."""
_PREFIX = {RDF: "rdf", _RDFS: "rdfs", _OWL: "owl", "http://www.w3.org/2004/02/skos/core#": "skos",
           "http://schema.org/": "schema", "https://schema.org/": "schema",
           "http://xmlns.com/foaf/0.1/": "foaf", "http://purl.org/dc/terms/": "dcterms",
           "http://purl.org/dc/elements/1.1/": "dc", "http://dbpedia.org/ontology/": "dbo",
           "http://dbpedia.org/property/": "dbp",
           "http://www.wikidata.org/prop/direct/": "wdt"}  # fmt: skip


def oxigraph() -> Any:
    try:
        import pyoxigraph
    except ImportError:
        raise UsageError(
            "RDF needs the package pyoxigraph, which is not installed: pip install 'kgintent[rdf]'."
        ) from None
    return pyoxigraph


def decoded(iri: str) -> str:
    """What `encoded` made this of; the IRI itself where it is not made so."""
    text = unquote(iri.removeprefix(OWN))
    return text if text and iri == encoded(text) else iri


def encoded(text: str) -> str:
    return OWN + quote(text, safe="")


def local_name(iri: str) -> str:
    """What comes after the last # or / (of a URN: the last colon); ids of ours are decoded."""
    if iri.startswith(OWN):
        return decoded(iri).removeprefix(OWN) or iri
    return re.split(r"[#/]" if re.search(r"[#/]", iri) else ":", iri.rstrip("#/:"))[-1] or iri


def short_names(iris: Sequence[str]) -> dict[str, str]:
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


def is_iri(text: str) -> bool:
    if text.startswith(OWN) or ":" not in text:
        return False
    try:
        oxigraph().NamedNode(text)
    except ValueError:
        return False
    return True


def syntax_of(file: Path) -> str | None:
    ends = [end.lower() for end in file.suffixes]
    if ends[-1:] == [".gz"]:
        ends.pop()
    return SYNTAX.get(ends[-1]) if ends else None
