"""Which column of a table becomes which relation of the graph, as one line of text.

    brand, category:hierarchy(>), price:bins(5), tags:list(|), released:year, maker=brand_id

`name=column:kind`, joined by commas; without a name the relation is called like its column. What
a cell means is its kind:

    (none)          one node
    list(MARK)      several, with this mark between them ('|' unless told)
    hierarchy(MARK) a path, the most general first ('>' unless told): the item is linked to each
                    ancestor, and every node to the one above it by 'part_of'; several paths of a
                    cell are joined by '|'
    bins(N)         a number, as one of N bands that hold as many items each (5 unless told)
    year            the year of a date
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import polars as pl

from kg.amounts import Amounts, read_amounts
from kg.catalog import CALLED_ID, CALLED_PRICE, FEW_ROWS, MANY_NUMBERS, MAX_SHARE, PATH
from kg.errors import UsageError, suggest

Kind = Literal["value", "list", "hierarchy", "bins", "year"]
MARKS = {"list": "|", "hierarchy": ">"}
BANDS = 5
_ENTRY = re.compile(r"(?:([^=:(),]+)=)?([^:(),]+|[^:]+?)(?::([^:(]*)(?:\((.*)\))?)?")


@dataclass(frozen=True)
class ColumnRelation:
    """A column, what its cells mean, and what the relation is called."""

    column: str
    kind: Kind = "value"
    mark: str = ""
    bands: int = 0
    called: str = ""

    @property
    def name(self) -> str:
        """Of the relation."""
        return self.called or self.column

    def __str__(self) -> str:
        inside = {"list": self.mark, "hierarchy": self.mark, "bins": str(self.bands)}
        kind = "" if self.kind == "value" else f":{self.kind}"
        end = f"({inside[self.kind]})" if self.kind in inside else ""
        return f"{self.called}={self.column}{kind}{end}" if self.called else (
            f"{self.column}{kind}{end}")  # fmt: skip


def parse_relations(text: str) -> tuple[ColumnRelation, ...]:
    """The relations of such a line; `UsageError` names the entry that is not understood."""
    found = tuple(_parsed(entry) for entry in _entries(text))
    if not found:
        raise UsageError("--relations must name at least one column. Got none.")
    names = [relation.name for relation in found]
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise UsageError(f"Each relation must have its own name. Got {twice!r} twice.")
    return found


def _entries(text: str) -> list[str]:
    """Cut at the commas that stand in no brackets."""
    out, depth, begin = [], 0, 0
    for at, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            out.append(text[begin:at])
            begin = at + 1
    return [entry.strip() for entry in [*out, text[begin:]] if entry.strip()]


def _parsed(entry: str) -> ColumnRelation:
    hit = _ENTRY.fullmatch(entry)
    if hit is None:
        raise UsageError(
            f"An entry of --relations must read NAME=COLUMN:KIND(…), of which NAME= and :KIND may "
            f"be left out. Got {entry!r} instead."
        )
    called, column, kind, inside = ((part or "").strip() for part in hit.groups())
    kinds = [one for one in get_args(Kind) if one != "value"]
    if kind and kind not in kinds:
        raise UsageError(
            f"The kind of {column!r} in --relations must be one of {', '.join(kinds)}. "
            f"Got {kind!r} instead.{suggest(kind, kinds)}"
        )
    if kind in MARKS:
        mark = hit.group(4) or MARKS[kind]  # as it stands: a blank may be the mark
        return ColumnRelation(column, "list" if kind == "list" else "hierarchy", mark, 0, called)
    if kind == "bins":
        if inside and not (inside.isdigit() and 2 <= int(inside) <= 100):
            raise UsageError(f"bins({inside}) of {column!r} must be a number in [2, 100].")
        return ColumnRelation(column, "bins", "", int(inside or BANDS), called)
    if inside:
        raise UsageError(f"{kind or 'A plain column'} takes nothing in brackets. Got {entry!r}.")
    return ColumnRelation(column, "year" if kind == "year" else "value", "", 0, called)


@dataclass(frozen=True)
class Guess:
    """What a column seems to be: a relation, or None with the reason why not; `note` says what is
    doubtful in its numbers.
    """

    column: str
    relation: ColumnRelation | None
    why: str
    note: str = ""


LONG = 60
"""Cells of more letters than this, on average, are texts."""
_LIST_MARKS = ("|", ";")
_DATE = r"^\d{4}[-/]\d{1,2}([-/]\d{1,2}([T ].*)?)?$"


def guess_relations(frame: pl.DataFrame, used: Sequence[str]) -> list[Guess]:
    """One guess for each column of text that plays no other role (`used`)."""
    found = [_guess(frame[name]) for name in frame.columns if name not in used]
    plain = [g.column for g in found if g.relation is not None and g.relation.kind == "value"]
    out = []
    for guess in found:
        before = plain[: plain.index(guess.column)] if guess.column in plain else []
        twin = next((name for name in before if _alike(frame[name], frame[guess.column])), None)
        if twin is not None:
            guess = replace(guess, relation=None, why=f"says what {twin} says")
        out.append(guess)
    return out


def _alike(one: pl.Series, other: pl.Series) -> bool:
    """Whether two columns group the rows in nearly the same way, as translations do."""
    pairs = pl.DataFrame({"a": one, "b": other}).drop_nulls()
    counts = pairs["a"].n_unique(), pairs["b"].n_unique()
    return bool(
        min(counts) > 2 and min(counts) >= 0.9 * max(counts)
        and pairs.n_unique() <= 1.02 * max(counts)
    )  # fmt: skip


def _guess(column: pl.Series) -> Guess:
    text = column.str.strip_chars().replace("", None).drop_nulls()
    name, filled = column.name, len(text)
    if filled == 0:
        return Guess(name, None, "empty")
    distinct = text.n_unique()
    if distinct == 1:
        return Guess(name, None, "the same in every row")
    amounts = read_amounts(text)
    if amounts.values is not None and amounts.values.null_count() < filled:
        return replace(_of_numbers(name, amounts, distinct), note=amounts.note)
    return replace(_of_words(name, text, distinct), note=amounts.note)


def _of_words(name: str, text: pl.Series, distinct: int) -> Guess:
    filled = len(text)
    lonely = filled > FEW_ROWS and distinct > MAX_SHARE * filled
    if _share(text, _DATE) > 0.9:
        return Guess(name, ColumnRelation(name, "year"), "dates")
    if _share(text, PATH) > 0.5:
        return Guess(name, ColumnRelation(name, "hierarchy", ">"), "paths with '>'")
    for mark in _LIST_MARKS:
        if text.str.contains(mark, literal=True).any():
            cut = text.str.split(mark).list.eval(pl.element().str.strip_chars()).explode()
            if cut.n_unique() <= MAX_SHARE * len(cut) or filled <= FEW_ROWS:
                return Guess(name, ColumnRelation(name, "list", mark), f"lists with {mark!r}")
    if int(text.str.len_chars().sum()) > LONG * filled:
        return Guess(name, None, "long texts")
    if lonely:
        return Guess(name, None, "nearly one value a row")
    return Guess(name, ColumnRelation(name), f"{distinct:,} values")


def _of_numbers(name: str, amounts: Amounts, distinct: int) -> Guess:
    """As `kg.catalog` takes a column of numbers: whole ones that hardly repeat are an identifier,
    unless they are prices.
    """
    assert amounts.values is not None
    numbers = amounts.values.drop_nulls()
    filled, different = len(numbers), numbers.n_unique()
    lonely = filled > FEW_ROWS and different > MAX_SHARE * filled
    price = amounts.money or CALLED_PRICE.search(name) is not None
    whole = bool((numbers % 1 == 0).all()) and not price
    years = whole and bool(numbers.is_between(1800, 2200).all()) and "year" in name.lower()
    if years or (CALLED_ID.search(name) and not lonely):
        return Guess(name, ColumnRelation(name), f"{distinct:,} values")
    if lonely and whole:
        return Guess(name, None, "whole numbers that hardly repeat")
    if lonely or different > MANY_NUMBERS:
        return Guess(name, ColumnRelation(name, "bins", "", BANDS), "many numbers")
    return Guess(name, ColumnRelation(name), f"{distinct:,} numbers")


def _share(text: pl.Series, pattern: str) -> float:
    """Of the cells that the pattern is found in."""
    return int(text.str.contains(pattern).sum()) / len(text)
