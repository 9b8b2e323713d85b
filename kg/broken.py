"""Lines that cannot be read, left out if the caller says so: each is kept with its place and why.

broken = Broken()
read_triples("facts.csv", items, broken=broken)
print(broken)                                       # how many, and the first
broken.frame()                                      # file, line, why, text
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

FILE = "set_aside_lines.csv"
"""What the lines are kept in, in the folder that is made of the rest."""
_SHOWN = 100


@dataclass
class Broken:
    """Given to a reader it collects what would be a `DataError` otherwise."""

    rows: list[tuple[str, int, str, str]] = field(default_factory=list)

    def add(self, file: str | Path, line: int, why: str, text: str) -> None:
        """A line of this file (of a frame: a row) that is left out."""
        self.rows.append((str(file), line, why.rstrip("."), text))

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        if not self.rows:
            return "no line was broken"
        file, line, why, text = min(self.rows, key=lambda row: row[:2])
        got = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        many = "1 broken line was" if len(self) == 1 else f"{len(self):,} broken lines were"
        return f"{many} left out, first {file}, line {line:,}: {why}. Got {got!r}"

    def told(self, folder: Path) -> str:
        """A sentence, with where all of them are kept."""
        return f"{self}." + (f" All are in {folder}/{FILE}." if self else "")

    def save(self, folder: Path) -> None:
        """Into a file of this folder, if there are any."""
        if self:
            self.frame().write_csv(folder / FILE)

    def frame(self) -> pl.DataFrame:
        """file, line, why, text; by file and line."""
        names = ("file", "line", "why", "text")
        kinds = dict(zip(names, (pl.String, pl.Int64, pl.String, pl.String), strict=True))
        return pl.DataFrame(sorted(self.rows), schema=kinds, orient="row")
