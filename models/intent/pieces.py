"""A text as the pieces that may move: words where a script has spaces, single signs elsewhere.

Punctuation stays with the word or sign it touches. A piece knows the white space before it, so
that a changed text is put together as it was written: no space appears between two Chinese signs,
and two words never run together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from kg.errors import UsageError
from models.text.encoder import CJK

HANGUL = "\uac00-\ud7af"  # Korean is written with spaces, so its words move
UNSPACED = CJK.replace(HANGUL, "") + "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai ... Khmer
_PIECE = re.compile(rf"(\s*)([^\w\s]*[{UNSPACED}][^\w\s]*|[^\s{UNSPACED}]+)")
_UNSPACED = re.compile(f"[{UNSPACED}]")
_CORE = re.compile(r"(\W*)(.*?)(\W*)", re.DOTALL)


class Piece(NamedTuple):
    """A word or sign, and the white space before it."""

    gap: str
    text: str


def words(text: str) -> list[Piece]:
    """The pieces of a text, in order; none for white space alone."""
    return [Piece(gap, word) for gap, word in _PIECE.findall(text)]


def is_sign(word: str) -> bool:
    """Whether a piece is one sign of a script without spaces, such as Chinese."""
    return _UNSPACED.search(word) is not None


def core(word: str) -> tuple[str, str, str]:
    """(punctuation before, the word itself, punctuation after)."""
    before, inner, after = _CORE.fullmatch(word).groups()  # type: ignore[union-attr]
    return before, inner, after


def joined(pieces: Sequence[Piece]) -> str:
    """The text of the pieces without white space at its ends; words that would touch get a space.

    >>> joined([Piece("", "a"), Piece("", "b")]), joined([Piece("", "猫"), Piece("", "粮")])
    ('a b', '猫粮')
    """
    out = [piece.text for piece in pieces[:1]]
    for before, piece in pairwise(pieces):
        touching = not piece.gap and not is_sign(before.text) and not is_sign(piece.text)
        out += [" " if touching else piece.gap, piece.text]
    return "".join(out)


def taken(pieces: Sequence[Piece], order: Sequence[int]) -> list[Piece]:
    """The pieces at these positions [m]: texts in the new order, gaps where they stood.

    Positions may be missing (dropped), out of order (swapped) and there twice (repeated).
    """
    places = zip(sorted(order), order, strict=True)
    return [Piece(pieces[place].gap, pieces[at].text) for place, at in places]


def changes(count: int, rate: float) -> int:
    """How many of `count` pieces to change: round(rate · count), at least 1 unless the rate is 0.

    Never more than rate · count + 1. The at-least-one rule is that of EDA (Wei & Zou 2019,
    arXiv:1901.11196).
    """
    if not 0 <= rate <= 1:
        raise UsageError(f"The 'rate' of changed words must be in [0, 1]. Got {rate} instead.")
    return min(count, max(1, round(rate * count))) if rate else 0


def drop(count: int, rng: np.random.Generator, rate: float) -> list[int]:
    """The positions [m], sorted, that stay when some of `count` are dropped; one always stays."""
    gone = min(changes(count, rate), max(count - 1, 0))
    return sorted(rng.choice(count, count - gone, replace=False).tolist()) if count else []


def swap(count: int, rng: np.random.Generator, rate: float) -> list[int]:
    """The positions [count] with some neighbours exchanged."""
    order = list(range(count))
    pairs = min(changes(count, rate), max(count - 1, 0))
    if pairs:
        for at in rng.choice(count - 1, pairs, replace=False).tolist():
            order[at], order[at + 1] = order[at + 1], order[at]
    return order


def crop(count: int, rng: np.random.Generator, rate: float) -> list[int]:
    """The positions [m] of one unbroken part, as long as what `drop` leaves."""
    gone = min(changes(count, rate), max(count - 1, 0))
    start = int(rng.integers(gone + 1))
    return list(range(start, start + count - gone))


def some(count: int, rng: np.random.Generator, rate: float) -> list[int]:
    """Positions [changes(count, rate)] to change, drawn evenly."""
    return rng.choice(count, changes(count, rate), replace=False).tolist() if count else []
