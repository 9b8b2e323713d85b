"""Texts that carry labels: queries, messages or verbalised behaviour, and what each one wants."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from kg import given
from kg.alike import ByValue
from kg.errors import DataError, UsageError
from kg.tables import Table, pick_columns, place, read_table, table_name

PARTS = {"train": "train", "valid": "valid", "validation": "valid", "val": "valid", "dev": "valid",
         "test": "test"}  # fmt: skip
SEVERAL = "|"
"""Stands between the labels of one cell; read as `WIDE`, that of a Chinese keyboard, too."""
WIDE = "｜"
_OTHERWISE = re.compile("[、,，;；/／]")
"""What else people write between them."""


@dataclass(frozen=True, eq=False)
class LabelledTexts(ByValue):
    """n texts and L labels, sorted by name; `carries` bool [n, L], row by row as the texts.

    A text may carry several labels, or none. `several` says whether it is so among the texts that
    these were taken from; None: as these say. Raises `UsageError` where the sizes do not fit and
    for a label with a '|' or '｜', which join several in a cell of a table and here are a list, and
    `DataError` for two labels that only capitals or spaces tell apart.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    carries: np.ndarray
    several: bool | None = None

    def __post_init__(self) -> None:
        if self.carries.shape != (len(self.texts), len(self.labels)) or self.carries.dtype != bool:
            raise UsageError(
                f"'carries' must be bool [{len(self.texts)}, {len(self.labels)}]: texts by labels. "
                f"Got {self.carries.dtype} {list(self.carries.shape)} instead."
            )
        seen: dict[str, str] = {}
        for name in self.labels:
            if SEVERAL in name or WIDE in name:
                raise UsageError(
                    f"A label must not hold {SEVERAL!r} or {WIDE!r}, which join labels in the "
                    f"cells of a table: give several of one text as a list. Got {name!r} instead."
                )
            twin = seen.setdefault(" ".join(name.casefold().split()), name)
            if twin != name:
                raise DataError(
                    f"Two labels must differ by more than capitals and spaces. "
                    f"Got {twin!r} and {name!r}: write them alike."
                )

    @classmethod
    def of(cls, texts: Iterable[str], labels: Iterable[str | Iterable[str]]) -> LabelledTexts:
        """Texts with one label each, or with an iterable of labels each (empty: it has none).

        Raises `UsageError` if there are not as many of both, and naming the place of a text or of
        a label that is no text.
        """
        said = tuple(given.cells(texts, "The texts of LabelledTexts.of"))
        for at, text in enumerate(said):
            if not isinstance(text, str):
                raise UsageError(
                    f"Each text must be a text. Got {text!r} at position {at} (from 0) instead: "
                    "leave the row out."
                )
        rows = [
            _labels_of(row, at)
            for at, row in enumerate(given.cells(labels, "The labels of LabelledTexts.of"))
        ]
        if len(said) != len(rows):
            raise UsageError(
                f"Each of {len(said)} texts must have its labels. Got {len(rows)} rows."
            )
        return cls._numbered(said, rows)

    @classmethod
    def _numbered(cls, texts: tuple[str, ...], rows: list[set[str]]) -> LabelledTexts:
        names = tuple(sorted(set().union(*rows)))
        column = {name: number for number, name in enumerate(names)}
        carries = np.zeros((len(texts), len(names)), bool)
        for row, found in enumerate(rows):
            carries[row, [column[name] for name in found]] = True
        return cls(texts, names, carries)

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def many(self) -> bool:
        """Whether some text, of these or of those that they were taken from, carries not exactly
        one label.
        """
        return self._uneven if self.several is None else self.several

    @property
    def _uneven(self) -> bool:
        return bool((self.carries.sum(axis=1) != 1).any())

    @property
    def code(self) -> np.ndarray:
        """int64 [n]: the number of each text's label; `UsageError` unless each has just one."""
        if self._uneven:
            raise UsageError("A text has one code only where each text carries exactly one label.")
        return self.carries.argmax(axis=1)

    def take(self, rows: Sequence[int] | np.ndarray) -> LabelledTexts:
        """These rows (numbers or a mask), all labels kept."""
        at = np.arange(len(self))[np.asarray(rows)]
        texts = tuple(self.texts[row] for row in at)
        return LabelledTexts(texts, self.labels, self.carries[at], self.many)

    def over(self, labels: Sequence[str]) -> LabelledTexts:
        """The same texts over other labels: those not among them are no longer carried."""
        column = {name: number for number, name in enumerate(self.labels)}
        carries = np.zeros((len(self), len(labels)), bool)
        for number, name in enumerate(labels):
            if name in column:
                carries[:, number] = self.carries[:, column[name]]
        return LabelledTexts(self.texts, tuple(labels), carries, self.many)

    def and_(self, more: LabelledTexts) -> LabelledTexts:
        """Both, over the labels of both."""
        names = tuple(sorted({*self.labels, *more.labels}))
        rows = [part.over(names).carries for part in (self, more)]
        several = self.many or more.many
        return LabelledTexts(self.texts + more.texts, names, np.concatenate(rows), several)

    def without(self, label: str) -> LabelledTexts:
        """Without the rows that carry this label, and without the label."""
        if label not in self.labels:
            return self
        kept = self.take(~self.carries[:, self.labels.index(label)])
        return kept.over([name for name in kept.labels if name != label])

    def few(self, each: int, rng: np.random.Generator) -> np.ndarray:
        """int64, ascending: `each` rows of each label, drawn, or all it has; for `take`."""
        order = rng.permutation(len(self))
        rank = np.zeros(len(self), np.int64)
        seen = np.zeros(len(self.labels), np.int64)
        for row, code in zip(order, self.code[order], strict=True):
            rank[row] = seen[code]
            seen[code] += 1
        return np.flatnonzero(rank < each)

    def contradictions(self) -> list[str]:
        """Texts that stand here more than once and do not always carry the same labels."""
        first: dict[str, bytes] = {}
        found: dict[str, None] = {}
        for text, row in zip(self.texts, self.carries, strict=True):
            if first.setdefault(text, row.tobytes()) != row.tobytes():
                found[text] = None
        return list(found)

    def joined_otherwise(self) -> list[str]:
        """Labels that seem to be several: parted at a comma, semicolon, slash or 、 each part is a
        label too.
        """
        return [name for name in self.labels if self._seems_several(name)]

    def _seems_several(self, name: str) -> bool:
        parts = {part.strip() for part in _OTHERWISE.split(name)} - {""}
        return len(parts) > 1 and parts <= set(self.labels)


def labels_in(cell: str) -> list[str]:
    """The labels of one cell, as they stand there, each once: 'a|b' are two."""
    parts = (part.strip() for part in cell.replace(WIDE, SEVERAL).split(SEVERAL))
    return [part for part in dict.fromkeys(parts) if part]


def _labels_of(row: Any, at: int) -> set[str]:
    found = [row] if isinstance(row, str) or not isinstance(row, Iterable) else list(row)
    for label in found:
        if not isinstance(label, str) or not label.strip():
            raise UsageError(
                f"Each label must be a text that is not empty. Got {label!r} at position {at} "
                "(from 0) instead: write numbers as texts ('5'), and [] for a text without a label."
            )
    return set(found)


def read_labelled(
    path: Table, *, text: str = "text", label: str = "intent", split: str | None = None,
    skip: bool = False,
) -> dict[str, LabelledTexts]:  # fmt: skip
    """Labelled texts of a table (CSV, TSV, Parquet or a frame) by part: "train" and maybe "valid"
    and "test".

    `text`, `label`, `split` name columns; without `split` all rows are "train". Several labels of
    one cell are joined by '|' or '｜'. Parts may know different labels. Rows without a text are
    left out, and with `skip` those without a label.
    Raises `UsageError` for no such file or column, `DataError` for a part of another name, for a
    row without a label and for a file that cannot be read.
    """
    frame, where = read_table(path), table_name(path)
    wanted = {"text": text, "label": label} | ({} if split is None else {"split": split})
    columns = pick_columns(
        frame, {role: (name,) for role, name in wanted.items()}, wanted,
        needed=tuple(wanted), where=where,
    )  # fmt: skip
    part = _parts(frame, columns.get("split"), where)
    texts = frame[columns["text"]].str.strip_chars().fill_null("").to_list()
    cells = frame[columns["label"]].fill_null("").to_list()
    found: dict[str, tuple[list[str], list[set[str]]]] = {}
    for row, (said, cell, name) in enumerate(zip(texts, cells, part, strict=True), start=1):
        if not said or (skip and not cell.strip()):
            continue
        labels = set(labels_in(cell))
        if not labels:
            raise DataError(
                f"{place(where, row)}: each text must have a label in column {label!r}. "
                f"Got none for {said[:40]!r}."
            )
        into = found.setdefault(name, ([], []))
        into[0].append(said)
        into[1].append(labels)
    if not found:
        what = "labelled text" if skip else "text"
        raise DataError(f"{where}, column {text!r}, must hold at least one {what}. Got none.")
    return {name: LabelledTexts._numbered(tuple(t), rows) for name, (t, rows) in found.items()}


def _parts(frame: pl.DataFrame, column: str | None, where: str) -> list[str]:
    if column is None:
        return ["train"] * frame.height
    names = frame[column].fill_null("").str.strip_chars().to_list()
    for row, name in enumerate(names, start=1):
        if name.lower() not in PARTS:
            raise DataError(
                f"{place(where, row)}: column {column!r} must be train, valid or test. "
                f"Got {name!r} instead."
            )
    return [PARTS[name.lower()] for name in names]
