"""Categories that are written as paths: "Beauty > Hair > Shampoo", the most general first."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from dataclasses import replace

from kg.catalog import CATEGORY_NAMES, Attribute, Catalog

MARK = ">"


def folded(text: str) -> str:
    """One spelling for look-alikes: full-width forms, capitals and white space are folded."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def segments(name: str) -> list[str]:
    """The parts of a path, the most general first; a name that is no path is its only part."""
    parts = unicodedata.normalize("NFKC", name).split(MARK) if _marked(name) else [name]
    return [part.strip() for part in parts if part.strip()]


def joined(parts: list[str]) -> str:
    """The path of these parts."""
    return f" {MARK} ".join(parts)


def at_level(name: str, level: int) -> str:
    """The path cut to its first `level` parts, '' where it has fewer."""
    parts = segments(name)
    return joined(parts[:level]) if len(parts) >= level else ""


def whole(name: str) -> str:
    """The folded path: two spellings of one category are equal."""
    return joined([folded(part) for part in segments(name)])


def beginnings(name: str) -> list[str]:
    """The folded path cut to its first part, its first two parts, and so on."""
    parts = [folded(part) for part in segments(name)]
    return [joined(parts[: count + 1]) for count in range(len(parts))]


def spellings(name: str) -> list[str]:
    """What a category may be listed as, folded: each beginning of its path, and each part."""
    parts = [folded(part) for part in segments(name)]
    return list(dict.fromkeys([*beginnings(name), *parts]))


def with_paths(catalog: Catalog, names: Collection[str] = CATEGORY_NAMES) -> Catalog:
    """The same items with the attributes of these names only, the several values of a cell joined
    to one path in their order, unless some value is a path already.

    A cell "Makeup|Nails|Nail Polish" is a set to the graph; whoever asks for a level of it says
    that it is a path.
    """
    kept = [a for a in catalog.attributes if a.name in names or a.name.lower() in names]
    return replace(catalog, attributes=tuple(_as_paths(a, len(catalog)) for a in kept))


def _as_paths(attribute: Attribute, rows: int) -> Attribute:
    if any(_marked(value) for value in attribute.values.ids):
        return attribute
    cells = [[joined(cell)] if cell else [] for cell in attribute.cells(rows)]
    return Attribute.of(attribute.name, cells)


def _marked(name: str) -> bool:
    return MARK in name or "＞" in name
