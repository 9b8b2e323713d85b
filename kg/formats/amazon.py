"""Amazon's reviews (2014, 2018, 2023) and metadata: a JSON object a line, gzipped or not.

Verified in public code and descriptions that quote the files: the keys of reviews and of the
metadata of 2014 (also that it holds Python literals, not JSON), 2023's parent_asin, store,
categories and bought_together, 2018's also_buy, also_view and unixReviewTime. Seen in files of
2018: that category is one list, that descriptions (and a category) hold HTML, and a brand "by", a
line break and the brand. From memory: that 2014's categories are a list of lists, each a path.
"""

from __future__ import annotations

import ast
import html
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from kg.errors import DataError, UsageError
from kg.formats.rows import check_numbers, events_frame
from kg.formats.tables import TRIPLES, Format, Tables
from kg.tables import UNREADABLE, bad_byte, open_bytes

_ENDS = (".json", ".jsonl", ".json.gz", ".jsonl.gz")
_REVIEW = ("reviewerID", "user_id", "asin", "parent_asin", "overall", "rating", "unixReviewTime",
           "timestamp")  # fmt: skip
_RELATED = ("also_buy", "also_view", "also_bought", "also_viewed", "bought_together",
            "buy_after_viewing")  # fmt: skip
_CHUNK = 1 << 26
_MARKUP = re.compile(
    r"<(script|style)\b[^>]*>.*?</\1\s*>|</?[a-z][^<>]*>|<[a-z]+\s+[\w-]+=[^<>]*$", re.S | re.I
)
"""HTML; a tag may be cut off at the end (most titles of 2018's magazines are nothing else)."""
_NOTES = (
    "The texts of the reviews are left out: a review is written after the purchase.",
    "Prices, ranks and the counts and means of ratings are left out: they are those of the day of "
    "the crawl.",
)
_LATER = ("What was bought or viewed together (also_buy and the like) is left out: it was crawled "
          "later than the reviews and tells of them.")  # fmt: skip


def _recognises(path: Path) -> bool:
    """A file of reviews, or a folder that holds one."""
    try:
        return any(_kind(file) == "reviews" for file in _files(path))
    except (DataError, UsageError):
        return False


def _files(path: Path) -> list[Path]:
    there = sorted(path.iterdir()) if path.is_dir() else [path]
    return [file for file in there if file.is_file() and file.name.endswith(_ENDS)]


def _kind(file: Path) -> str:
    """What the first line of a file is: 'reviews', 'metadata' or '' for anything else."""
    try:
        with open_bytes(file) as handle:
            line = handle.readline(1 << 20)
        keys = set(_parsed(line, file, 1))
    except (DataError, *UNREADABLE):
        return ""
    if not keys & {"asin", "parent_asin"}:
        return ""
    if keys & {"reviewerID", "user_id"}:
        return "reviews"
    return "metadata" if keys & {"title", "category", "categories", "brand", "store"} else ""


def read_amazon(path: Path, related: bool = False) -> Tables:
    """Reviews and, where they are there, metadata. `related`: also_buy and the like as triples."""
    kinds = {file: _kind(file) for file in _files(path)}
    reviews = [file for file, kind in kinds.items() if kind == "reviews"]
    for file, kind in kinds.items():
        if not kind and (not reviews or file.name.startswith("meta")):
            next(_records(file), None)  # says what is wrong, if a file is not a JSON object a line
    if not reviews:
        raise DataError(
            f"{path} must hold reviews: a .json or .jsonl file (.gz or not) whose lines have "
            "reviewerID or user_id, and asin. There is none."
        )
    events = pl.concat([_reviews(file) for file in reviews])
    metadata = [file for file, kind in kinds.items() if kind == "metadata"]
    notes = [*_NOTES, *_passed_over(kinds)]
    if not metadata:
        notes.append("There is no metadata, so there are no items: add the meta_ file.")
        return Tables(events=_by_time(events), notes=tuple(notes))
    items, triples, entities = _metadata(metadata, related, notes)
    return Tables(
        events=_by_time(events), items=items, triples=triples, entities=entities, notes=tuple(notes)
    )


def _passed_over(kinds: dict[Path, str]) -> list[str]:
    other = [file.name for file, kind in kinds.items() if not kind]
    return [f"Neither reviews nor metadata, so left out: {', '.join(other)}."] if other else []


# Lines


def _chunks(file: Path) -> Iterator[tuple[int, list[bytes]]]:
    """Some lines at a time, with the number of the first."""
    start = 1
    try:
        with open_bytes(file) as handle:
            while lines := handle.readlines(_CHUNK):
                yield start, lines
                start += len(lines)
    except UNREADABLE as error:
        raise DataError(f"{file} cannot be read: {error}.") from None
    if start == 1:
        raise DataError(f"{file} is empty: at least one line is needed.")


def _records(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The number and the object of each line that is not blank."""
    for start, lines in _chunks(file):
        for number, line in enumerate(lines, start):
            if line.strip():
                yield number, _parsed(line, file, number)


def _parsed(line: bytes, file: Path, number: int) -> dict[str, Any]:
    """An object in JSON or, as in 2014, in Python's own notation."""
    try:
        text = line.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise bad_byte(file, number, line[error.start]) from None
    try:
        found = json.loads(text)
    except ValueError:
        try:
            found = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            found = None
    if not isinstance(found, dict):
        raise DataError(
            f"{file}, line {number}, must be one JSON object. Got {text[:60]!r} instead."
        )
    return found


# Reviews


def _reviews(file: Path) -> pl.DataFrame:
    """user_id, item_id, value, time as text; `DataError` names the line of what is no number."""
    parts = [_chunk(lines, start, file) for start, lines in _chunks(file)]
    frame = pl.concat(parts)
    for name, column in (("rating", "value"), ("time", "time")):
        check_numbers(frame, column, file, name)
    return frame.drop("line")


def _chunk(lines: list[bytes], start: int, file: Path) -> pl.DataFrame:
    frame = _quickly(lines)
    if frame is None:  # Python literals, or a broken line, which this names
        rows = [
            [number, *(_text(found.get(key)) for key in _REVIEW)]
            for number, line in enumerate(lines, start)
            if line.strip()
            for found in (_parsed(line, file, number),)
        ]
        schema = {"line": pl.Int64, **dict.fromkeys(_REVIEW, pl.String)}
        frame = pl.DataFrame(rows, schema=schema, orient="row")
    else:
        numbers = [number for number, line in enumerate(lines, start) if line.strip()]
        frame = frame.with_columns(pl.Series("line", numbers, pl.Int64))
    return frame.select(
        "line",
        pl.coalesce("reviewerID", "user_id").alias("user_id"),
        pl.coalesce("parent_asin", "asin").alias("item_id"),
        pl.coalesce("overall", "rating").alias("value"),
        pl.coalesce("unixReviewTime", "timestamp").alias("time"),
    )


def _quickly(lines: list[bytes]) -> pl.DataFrame | None:
    """The keys of reviews by polars, or None where it fails or counts other lines than we do."""
    schema = dict.fromkeys(_REVIEW, pl.String)
    try:
        frame = pl.read_ndjson(io.BytesIO(b"".join(lines)), schema=schema)
    except pl.exceptions.PolarsError:
        return None
    return frame if frame.height == sum(1 for line in lines if line.strip()) else None


def _text(value: object) -> str | None:
    """A number as polars writes it from JSON: 5.0 is '5'."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return None if value is None else str(value)


def _by_time(frame: pl.DataFrame) -> pl.DataFrame:
    """The events, oldest first (2023 tells milliseconds, of which the order stays)."""
    time = pl.col("time").cast(pl.Float64).cast(pl.Int64, strict=False)
    seconds = pl.when(time.abs() >= 10**11).then(time // 1000).otherwise(time)
    frame = frame.with_columns(seconds.cast(pl.String).alias("timestamp"))
    return events_frame(frame.sort(time, maintain_order=True, nulls_last=True), "review")


# Metadata


def _metadata(
    files: list[Path], related: bool, notes: list[str]
) -> tuple[pl.DataFrame, pl.DataFrame | None, pl.DataFrame | None]:
    """Items, and with `related` the triples between them and their entities."""
    rows: dict[str, tuple[str | None, ...]] = {}
    pairs: dict[tuple[str, str, str], None] = {}
    twice, seen = 0, False
    for file in files:
        for number, found in _records(file):
            item = _words(found.get("parent_asin") or found.get("asin"))
            if item is None:
                raise DataError(f"{file}, line {number}, must have an asin. Got {list(found)[:8]}.")
            twice += item in rows
            rows.setdefault(item, (item, *_facts(found)))
            linked = list(_links(found))
            seen = seen or bool(linked)
            if related:
                pairs.update(dict.fromkeys((item, name, other) for name, other in linked))
    if twice:
        notes.append(f"Items that stand twice in the metadata: {twice:,}; the first line counts.")
    if seen and not related:
        notes.append(_LATER)
    names = ("item_id", "title", "text", "brand", "category")
    items = pl.DataFrame(list(rows.values()), schema=dict.fromkeys(names, pl.String), orient="row")
    return (items, *_graph(pairs)) if pairs else (items, None, None)


def _facts(found: dict[str, Any]) -> tuple[str | None, ...]:
    """title, text, brand, category."""
    brand = found.get("brand") or found.get("store")
    brand = _words(re.sub(r"^\s*by\s*\n", "", brand) if isinstance(brand, str) else brand)
    return (
        _words(found.get("title")),
        _words(found.get("description")),
        brand.replace("|", "/") if brand else None,
        _category(found.get("category") or found.get("categories")),
    )


def _words(value: object) -> str | None:
    """Text on one line, of a text or a list of them, without HTML, its entities written out."""
    parts = value if isinstance(value, list) else [value]
    text = " ".join(str(part) for part in parts if part is not None)
    return " ".join(_MARKUP.sub(" ", html.unescape(text)).split()) or None


def _category(value: object) -> str | None:
    """Paths "Books > History", several joined by '|'."""
    names: list[Any] = value if isinstance(value, list) else [value]
    paths = names if all(isinstance(name, list) for name in names) else [names]
    written = (" > ".join(part for part in map(_step, path) if part) for path in paths)
    return "|".join(dict.fromkeys(path for path in written if path)) or None


def _step(value: object) -> str | None:
    """One name of a path, which must not hold the marks of paths and lists."""
    text = _words(value)
    return text.replace(">", "/").replace("|", "/") if text else None


def _links(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Relations to other items: keys of their own, or (2014) keys of 'related'."""
    nested = found.get("related")
    for source in (found, nested if isinstance(nested, dict) else {}):
        for name in _RELATED:
            others = source.get(name)
            for other in others if isinstance(others, list) else ():
                if isinstance(other, str) and other.strip():
                    yield name, other.strip()


def _graph(pairs: dict[tuple[str, str, str], None]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Triples, and their ends declared as items: some are none of the catalogue."""
    schema = dict.fromkeys(TRIPLES, pl.String)
    triples = pl.DataFrame(list(pairs), schema=schema, orient="row")
    ends = pl.concat([triples["head"], triples["tail"]]).unique(maintain_order=True)
    entities = pl.DataFrame({"entity_id": ends, "type": ["item"] * len(ends), "item_id": ends})
    return triples, entities


FORMAT = Format(
    "amazon",
    "Amazon reviews of 2014, 2018 or 2023 and their metadata, a JSON object a line",
    _recognises,
    read_amazon,
)
