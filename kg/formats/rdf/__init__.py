"""RDF: N-Triples, N-Quads, Turtle, TriG, RDF/XML and JSON-LD, zipped or not, through pyoxigraph.

IRIs and blank nodes are entities, literals are attributes: a node per value, so that two films of
1994 meet. A class becomes the `type`, a label the `name`. Nothing is fetched, no XML entity but
a short text is expanded, and whatever is left out is said in `Tables.notes`.

    terms      IRIs and names
    parsing    from bytes to what a file states; what may be wrong with it
    reading    from that to tables
    writing    from tables to graph.nt
"""

from __future__ import annotations

from pathlib import Path

from kg.formats.facts import not_facts
from kg.formats.rdf.reading import read_rdf
from kg.formats.rdf.terms import OWN, RDF, WRITTEN, local_name, syntax_of
from kg.formats.rdf.writing import write_rdf
from kg.formats.tables import Format
from kg.tables import UNREADABLE, open_bytes

__all__ = ["FORMAT", "OWN", "local_name", "read_rdf", "write_rdf"]


def _recognises(path: Path) -> bool:
    if path.is_dir():
        return (path / WRITTEN).is_file()
    if not path.is_file() or syntax_of(path) is None:
        return False
    return ".xml" not in [end.lower() for end in path.suffixes[-2:]] or _is_rdf_xml(path)


def _is_rdf_xml(file: Path) -> bool:
    try:
        with open_bytes(file) as handle:
            return RDF.encode() in handle.read(65536)
    except UNREADABLE:
        return False


FORMAT = Format(
    "rdf",
    "an RDF file (.nt .nq .ttl .trig .rdf .owl .xml .jsonld, or zipped), or graph.nt in a folder",
    _recognises,
    read_rdf,
    write_rdf,
    not_facts,
    facts_only=True,
    skips=True,
)
