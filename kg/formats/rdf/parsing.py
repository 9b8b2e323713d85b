"""From the bytes of a file to what it states, as numbers; what may be wrong with a file."""

from __future__ import annotations

import contextlib
import re
from array import array
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.parsers import expat

import numpy as np

from kg.broken import Broken
from kg.errors import BrokenLine, DataError, UsageError
from kg.formats.rdf.terms import ITEM_ID, NAMES, SYNTAX, TYPE, oxigraph, syntax_of
from kg.tables import open_bytes

DEEPEST = 10_000
"""So deep at most may elements of RDF/XML, and triples in triples, lie in each other."""
DEEPEST_JSON = 1_000
"""So deep at most may objects and lists of JSON-LD: some thousands end the process."""
_HARMLESS = re.compile(rb"""<!ENTITY\s+[\w.-]+\s+("[^"&%<]{0,200}"|'[^'&%<]{0,200}')\s*>""")
"""An entity that stands for a short text without others in it, as Protégé writes namespaces."""
_LONGEST = 512
"""More bytes than such a declaration has."""
_CHUNK = 1 << 16
_WINDOW = 1 << 20
_QUOTE = ord('"')
_STEP = np.zeros(256, np.int8)
"""How much deeper what follows a byte of JSON lies than what stands before it."""
_STEP[list(b"{[")], _STEP[list(b"}]")] = 1, -1
_NO_SIGNS = bytes(set(range(256)) - set(b'"{[]}\n'))
_QUOTED = re.compile(rb"<<\(|\)>>|\.[ \t\r]*\n")
"""Where a triple that stands in another begins or ends, or a statement ends."""
_GROWTH = 16
"""So many times as long as it is may a part of a file become by its entities."""


@dataclass
class Found:
    """What a file states, as numbers: the dicts number texts in the order in which they come.

    edges     head, predicate, tail; one after the other, as in all of these arrays
    literals  head, predicate, value
    labels    head, the predicate's place in `NAMES`, language, value
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
        if predicate != TYPE:
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
        elif predicate == ITEM_ID:
            self.items.extend((head, self._value(value)))
        elif predicate == TYPE:
            self.odd["types that are literals"] += 1
        elif len(value) > self.max_literal:
            self.long[predicate] += 1
        else:  # stripped, since whoever reads the table of triples strips its ids
            code = self.predicates.setdefault(predicate, len(self.predicates))
            self.literals.extend((head, code, self._value(value.strip())))

    def _value(self, value: str) -> int:
        return self.values.setdefault(value, len(self.values))


_NAME_RANK = {iri: rank for rank, iri in enumerate(NAMES)}


def read_into(found: Found, file: Path, max_triples: int, broken: Broken | None = None) -> None:
    """What the file states; to `broken`, if given, go the lines that cannot be read."""
    ox = oxigraph()
    syntax = syntax_of(file)
    if broken is not None and syntax not in BY_LINES:
        raise UsageError(
            f"{file}: broken lines can be left out where each statement has a line of its own, as "
            f"in N-Triples and N-Quads ({', '.join(_ends(BY_LINES))}). Got {file.name!r} instead."
        )
    if syntax == "RDF_XML":
        _check_xml(file)
    elif syntax == "JSON_LD":
        _check_json(file)
    else:
        _check_quoted(file)
    with open_bytes(file) as handle:
        if handle.peek(3)[:3] == b"\xef\xbb\xbf":
            handle.read(3)
        # Relative IRIs need a base, and the whole path would differ from machine to machine. Dumps
        # of the wild hold IRIs that are not quite valid (lenient).
        base = f"file:///{quote(file.name)}"
        form = getattr(ox.RdfFormat, str(syntax))
        try:
            if syntax in BY_LINES:
                quads = _by_lines(handle, file, _Reader(ox, form, base), broken)
            else:
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


BY_LINES = ("N_TRIPLES", "N_QUADS")
"""Syntaxes in which a broken line says nothing of the next."""


def _ends(syntaxes: Collection[str]) -> list[str]:
    return [end for end, name in SYNTAX.items() if name in syntaxes]


@dataclass(frozen=True)
class _Reader:
    """Reads whole statements."""

    ox: Any
    form: Any
    base: str

    def read(self, text: bytes) -> list[Any]:
        """The quads; `SyntaxError` or `MemoryError` as pyoxigraph has it, and where a `<` without
        its end has taken in the next line, which is not for the lenient to forgive.
        """
        found = list(self.ox.parse(text, self.form, base_iri=self.base, lenient=True))
        if _OPEN.search(text) and any(_torn(iri) for quad in found for iri in self._iris(quad)):
            raise SyntaxError("an IRI must end in its line")
        return found

    def _iris(self, quad: Any) -> Iterator[str]:
        for term in (quad.subject, quad.predicate, quad.object, quad.graph_name):
            if type(term) is self.ox.NamedNode:
                yield term.value
            elif type(term) is self.ox.Literal:
                yield term.datatype.value


def _torn(iri: str) -> bool:
    return "\n" in iri or "\r" in iri


_OPEN = re.compile(rb"<[^>\r\n]*[\r\n]")


def _by_lines(handle: Any, file: Path, reader: _Reader, broken: Broken | None) -> Iterator[Any]:
    """The quads of lines that stand alone, a part of the file at a time. Of a part that cannot be
    read each line is read by itself: one that cannot goes to `broken`, or is a `BrokenLine`.
    """
    before = 0
    for lines in _parts(handle):
        try:
            yield from reader.read(b"".join(lines))
        except (SyntaxError, MemoryError):
            for number, line in enumerate(lines, before + 1):
                try:
                    yield from reader.read(line)
                except SyntaxError as error:
                    _left_out(file, number, _complaint(error), line, broken)
                except MemoryError:
                    _left_out(file, number, _TOO_LONG, line, broken)
        before += len(lines)


def _parts(handle: Any) -> Iterator[list[bytes]]:
    """The lines, a part at a time; of one that is too long more than the parser can take."""
    rest, more = b"", True
    while more:
        chunk = handle.read(_WINDOW)
        more = bool(chunk)
        if more and len(rest) > LONGEST_LINE and b"\n" not in chunk and b"\r" not in chunk:
            continue  # more of a line that is left out anyway
        text = rest + chunk
        cut = max(text.rfind(b"\n"), text.rfind(b"\r")) + 1 if more else len(text)
        if more and cut == len(text) and text.endswith(b"\r"):  # its \n may be next
            cut = max(text.rfind(b"\n", 0, cut - 1), text.rfind(b"\r", 0, cut - 1)) + 1
        rest = text[cut:]
        if lines := text[:cut].splitlines(keepends=True):
            yield lines


LONGEST_LINE = 1 << 24
"""More bytes than the parser takes for one statement."""
_TOO_LONG = "a statement must be no longer than 16 MiB"


def _left_out(file: Path, line: int, why: str, text: bytes, broken: Broken | None) -> None:
    got = text[:_SHOWN_BYTES].decode("utf-8", "replace").strip()
    if broken is None:
        short = got if len(got) <= 100 else f"{got[:100]}…"
        raise BrokenLine(f"{file}, line {line:,}: {why}. Got {short!r}.")
    broken.add(file, line, why, got)


_SHOWN_BYTES = 100_000


def _collect(found: Found, quads: Iterator[Any], ox: Any) -> None:
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


def _check_xml(file: Path) -> None:
    """`DataError` where an XML entity is declared that is more than a short text, for a few of them
    can expand to gigabytes, and where elements lie in each other deeper than `DEEPEST`: the time
    goes with the square.
    """
    line, before, depth, more, longest = 1, b"", 0, True, 0
    with open_bytes(file) as handle:
        while more:
            chunk = handle.read(_CHUNK)
            more = bool(chunk)
            window = before + chunk
            # The end waits for what follows it, for a declaration may go on there.
            done = max(len(window) - _LONGEST, 0) if more else len(window)
            longest = max(longest, _check_entities(window, done, line, file))
            if chunk.count(b"&") * longest > _GROWTH * _CHUNK:
                raise DataError(
                    f"{file}, from line {line:,} on: XML entities must not make the text more than "
                    f"{_GROWTH} times as long. Write them out (for instance as N-Triples)."
                )
            depth += _opened(chunk)
            if depth > DEEPEST and (deep := _deep_line(file)):
                raise DataError(
                    f"{file}, line {deep:,}: elements of RDF/XML must not lie in each other more "
                    f"than {DEEPEST:,} deep. Write it out as N-Triples."
                )
            depth = min(depth, DEEPEST)
            line += window.count(b"\n", 0, done)
            before = window[done:]


def _check_json(file: Path) -> None:
    """`DataError` where objects and lists lie in each other deeper than `DEEPEST_JSON`: the parser
    calls itself for each of them, until there is no stack left.
    """
    line, before, depth, quoted, more = 1, b"", 0, 0, True
    with open_bytes(file) as handle:
        while more:
            chunk = handle.read(_WINDOW)
            more = bool(chunk)
            window = before + chunk
            # A backslash at the end waits for what it escapes.
            cut = len(window) - (len(window) - len(window.rstrip(b"\\"))) % 2
            window, before = window[:cut], window[cut:]
            text = window.replace(b"\\\\", b"").replace(b'\\"', b"")
            text = text.translate(None, _NO_SIGNS)
            signs = np.frombuffer(text, np.uint8)
            quotes = quoted + np.cumsum(signs == _QUOTE)
            depths = depth + np.cumsum(_STEP[signs] * (quotes % 2 == 0), dtype=np.int64)
            if signs.size and depths.max() > DEEPEST_JSON:
                line += text.count(b"\n", 0, int(np.argmax(depths > DEEPEST_JSON)))
                raise DataError(
                    f"{file}, line {line:,}: objects and lists of JSON-LD must not lie in each "
                    f"other more than {DEEPEST_JSON:,} deep. Write it out as N-Triples."
                )
            if signs.size:
                depth, quoted = int(depths[-1]), int(quotes[-1]) % 2
            line += text.count(b"\n")


def _check_quoted(file: Path) -> None:
    """`DataError` where triples stand in triples, <<( … )>>, deeper than `DEEPEST`, for the same
    reason. What looks so in the literals of one statement is counted too.
    """
    line, before, depth, more = 1, b"", 0, True
    with open_bytes(file) as handle:
        while more:
            chunk = handle.read(_WINDOW)
            more = bool(chunk)
            window = before + chunk
            done = max(len(window) - 2, 0) if more else len(window)
            for found in _QUOTED.finditer(window) if depth or b"<<(" in window else ():
                if found.start() >= done:
                    break
                depth = max(depth + (1 if found[0] == b"<<(" else -1), 0)
                if found[0][:1] == b".":
                    depth = 0
                if depth > DEEPEST:
                    line += window.count(b"\n", 0, found.start())
                    raise DataError(
                        f"{file}, line {line:,}: triples must not stand in each other more than "
                        f"{DEEPEST:,} deep. Write them out one by one."
                    )
            line += window.count(b"\n", 0, done)
            before = window[done:]


def _check_entities(window: bytes, done: int, line: int, file: Path) -> int:
    """The length of the longest text that is declared before `done`; the window begins in this
    line.
    """
    longest, place = 0, window.find(b"<!ENTITY")
    while 0 <= place < done:
        found = _HARMLESS.match(window, place)
        if not found:
            at = line + window.count(b"\n", 0, place)
            raise DataError(
                f"{file}, line {at:,}: RDF/XML must not declare entities (<!ENTITY) other than "
                "short texts, since they could expand without end. "
                "Write them out (for instance as N-Triples)."
            )
        longest = max(longest, len(found[1]))
        place = window.find(b"<!ENTITY", place + 1)
    return longest


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
    what = _complaint(error)
    line = error.lineno or (_xml_line(file) if syntax_of(file) == "RDF_XML" else None)
    if line is None:
        return DataError(f"{file} cannot be read: {what}.")
    with open_bytes(file) as handle:
        text = next(islice(handle, line - 1, None), b"").decode("utf-8", "replace").strip()
    got = text if len(text) <= 100 else f"{text[:100]}…"
    return DataError(f"{file}, line {line:,}: {what}. Got {got!r}.")


def _complaint(error: SyntaxError) -> str:
    return re.sub(r"^Parser error [^:]*: ", "", error.msg).rstrip(".")


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
