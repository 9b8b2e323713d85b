"""Other people's files: read into `Tables`, and written from them.

    tables = read_any("ml-1m")                          # the format is recognised
    convert("ml-1m", "plain")                           # what `kgintent build` takes
    convert("plain", "atomic", to="recbole")

A new format is a `Format` in a module of its own and a line in `FORMATS`.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from kg.broken import Broken
from kg.errors import BrokenLine, DataError, UsageError, suggest
from kg.folders import fresh_folder, place_of
from kg.formats import (
    amazon,
    gorse,
    graphml,
    kgat,
    mind,
    movielens,
    own,
    presets,
    rdf,
    recbole,
    sessions,
)
from kg.formats.facts import column_facts
from kg.formats.tables import (
    Format,
    Named,
    Tables,
    looks_plain,
    read_plain,
    with_items,
    write_plain,
)

__all__ = ["FORMATS", "PLAIN", "Format", "Named", "Tables", "convert", "detected", "read_any"]

PLAIN = Format(
    "plain",
    "events.csv, items.csv, users.csv, triples.csv, entities.csv and NAME.npz, as build takes "
    "them, or one table of triples",
    looks_plain,
    read_plain,
    write_plain,
    dated=True,
    skips=True,
)
FORMATS: dict[str, Format] = {
    form.name: form
    for form in (
        PLAIN, recbole.FORMAT, kgat.FORMAT, gorse.FORMAT, movielens.FORMAT, mind.FORMAT,
        *sessions.FORMATS, amazon.FORMAT, *presets.FORMATS, rdf.FORMAT, graphml.FORMAT,
        *own.FORMATS,
    )
}  # fmt: skip


def detected(path: str | Path) -> Format:
    """The format that a path is in; `UsageError` where none, or more than one, recognises it.

    The plain form, whose files others have too, is what no other format recognises.
    """
    place = _there(path)
    others = [form for form in FORMATS.values() if form is not PLAIN]
    found = [form for form in others if form.recognises(place)]
    if not found and PLAIN.recognises(place):
        return PLAIN
    if len(found) == 1:
        return found[0]
    names = ", ".join(form.name for form in found) or "none of " + ", ".join(FORMATS)
    raise UsageError(
        f"The format of {place} must be told: it looks like {names}. Name it (--from)."
    )


def _there(path: str | Path) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise UsageError(
            f"Formats are read from the path of a file or folder. Got {type(path).__name__} "
            "instead: a frame is read by EventLog.read, Catalog.read or read_triples."
        )
    if not (place := Path(path)).exists():
        raise UsageError(f"There is nothing at {place}.")
    return place


def form_named(name: str) -> Format:
    """`UsageError` lists the names if there is none like this."""
    if name not in FORMATS:
        raise UsageError(
            f"A format must be one of {', '.join(FORMATS)}. Got {name!r} instead."
            f"{suggest(name, list(FORMATS))}"
        )
    return FORMATS[name]


def read_any(path: str | Path, form: str | None = None, *, broken: Broken | None = None) -> Tables:
    """The tables at a path, in this format, or in the one it is recognised as.

    Lines that cannot be read go to `broken`, if given; `UsageError` where the format is not one
    that can go on after such a line.
    """
    place = _there(path)
    reads = detected(place) if form is None else form_named(form)
    if broken is not None and not reads.skips:
        able = ", ".join(one.name for one in FORMATS.values() if one.skips)
        raise UsageError(
            f"Broken lines can be left out of these formats alone: {able}. {place} is in the "
            f"format {reads.name}."
        )
    try:
        tables = reads.read(place) if broken is None else reads.read(place, broken=broken)
    except BrokenLine as error:
        if reads.skips:
            raise
        raise DataError(str(error)) from None
    empty: dict[str, Any] = {
        name: None for name, frame in tables.there().items() if frame.is_empty()
    }
    if "events" in empty:
        raise DataError(f"{place} must hold events that can be used. None remains. "
                        f"{' '.join(tables.notes)}")  # fmt: skip
    return replace(tables, **empty)  # a table without a row is none


def convert(
    source: str | Path, out: str | Path, form: str | None = None, to: str = "plain",
    *, broken: Broken | None = None,
) -> Tables:  # fmt: skip
    """Read `source` and write it in another format to a new folder, whole or not at all.

    The plain form has the items of the events where the source has no table of items; formats that
    hold facts alone have the columns of items as facts. Returned is what was written. `broken` as
    in `read_any`; what it holds is written beside, to set_aside_lines.csv.
    """
    target = form_named(to)
    if target.write is None:
        writable = ", ".join(name for name, one in FORMATS.items() if one.write is not None)
        raise UsageError(f"The format {to!r} can only be read. These can be written: {writable}.")
    tables = read_any(source, form, broken=broken)
    if target is PLAIN:
        tables = with_items(tables)
    if target.facts_only:
        tables = column_facts(tables)
    called = [place_of(out).name] if target.named else []  # `folder` has a name for the time
    with fresh_folder(out) as folder:
        target.write(tables, folder, *called)
        if broken is not None:
            broken.save(folder)
    return tables
