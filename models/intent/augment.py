"""Label-preserving changes of texts and of behaviour sequences: more examples where labels are few.

Each move takes rows, a generator and the rate of words to change. A row is a text, whose words
move (Wei & Zou 2019, "EDA", arXiv:1901.11196), or a list of phrases in the order of
`kg.wording.verbalise`, whose events move (Xie et al. 2022, "CL4SRec", arXiv:2010.14395). `MOVES`
names them for settings; `event_drop` and its like cut a verbalised text at its separators first.

    more = augmented(texts, ["drop", "swap", "mask"], np.random.default_rng(0))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from kg.errors import UsageError, suggest
from models.intent.attacks import typos
from models.intent.neighbours import Neighbours, renamed
from models.intent.pieces import Piece, core, crop, drop, joined, some, swap, taken, words
from models.intent.settings import TextTraining
from models.text.encoder import checked_texts

Row = TypeVar("Row", str, list[str])
Move = Callable[[Sequence[str], np.random.Generator, float], list[str]]
Order = Callable[[int, np.random.Generator, float], list[int]]
Translate = Callable[[Sequence[str]], Sequence[str]]

SEPARATORS = ("; ", "，")  # those of `kg.wording.templates`


def dropped(rows: Sequence[Row], rng: np.random.Generator, rate: float = 0.1) -> list[Row]:
    """Each row without some of its words or events; one always stays."""
    return _ordered(rows, rng, rate, drop)


def swapped(rows: Sequence[Row], rng: np.random.Generator, rate: float = 0.1) -> list[Row]:
    """Each row with some neighbours exchanged."""
    return _ordered(rows, rng, rate, swap)


def cropped(rows: Sequence[Row], rng: np.random.Generator, rate: float = 0.1) -> list[Row]:
    """One unbroken part of each row, shorter by the rate."""
    return _ordered(rows, rng, rate, crop)


def masked(
    rows: Sequence[Row], rng: np.random.Generator, rate: float = 0.1, mask: str = "[MASK]"
) -> list[Row]:
    """Each row with `mask` in the place of some words or events."""
    out = []
    for row in _checked(rows):
        pieces = _cut(row)
        for at in some(len(pieces), rng, rate):
            pieces[at] = Piece(pieces[at].gap, mask)
        out.append(_whole(row, pieces))
    return out


def synonyms(
    texts: Sequence[str], rng: np.random.Generator, rate: float = 0.1, *, table: Neighbours
) -> list[str]:
    """Each text with some of the words that have neighbours in the table replaced by one of them.

    As a move with a name: `{**MOVES, "synonyms": partial(synonyms, table=table)}`; settings that
    name it have its table made by `models.intent.moves`.
    """
    return [_renamed(text, rng, rate, table) for text in _checked(texts)]


def mixed(
    vectors: np.ndarray, labels: np.ndarray, rng: np.random.Generator, alpha: float = 0.2
) -> tuple[np.ndarray, np.ndarray]:
    """Rows λ_i x_i + (1 - λ_i) x_π(i) of vectors [n, D], and of labels [n, L] with the same λ, π.

    λ_i ~ Beta(alpha, alpha), π a permutation (Zhang et al. 2018, "mixup", arXiv:1710.09412; there
    one λ for all rows). Types are kept, whole numbers become float32.
    """
    if alpha <= 0 or len(vectors) != len(labels):
        raise UsageError(
            f"mixed needs alpha > 0 and as many vectors as label rows. Got alpha {alpha}, "
            f"{len(vectors)} vectors and {len(labels)} label rows."
        )
    share = rng.beta(alpha, alpha, (len(vectors), 1))  # [n, 1]
    other = rng.permutation(len(vectors))
    return _mix(vectors, share, other), _mix(labels, share, other)


def back_translated(texts: Sequence[str], there: Translate, back: Translate) -> list[str]:
    """back(there(texts)): said once more by two translators (Sennrich et al. 2016,
    arXiv:1511.06709). A text that comes back empty stays as it was."""
    texts = checked_texts(texts, "back_translated")
    found = list(back(list(there(texts))))
    if len(found) != len(texts):
        raise UsageError(
            f"'there' and 'back' of back_translated must give one text for each. "
            f"Got {len(found)} for {len(texts)}."
        )
    return [new if new.strip() else old for old, new in zip(texts, found, strict=True)]


def on_events(move: Callable[..., list[list[str]]], separator: str | None = None) -> Move:
    """A move of phrases as a move of verbalised texts, cut at the separator and joined again.

    None: at '; ' where the text has one, else at '，'. A title that holds the separator is cut too.
    """

    def moved(texts: Sequence[str], rng: np.random.Generator, rate: float = 0.1) -> list[str]:
        cuts = [separator or SEPARATORS[SEPARATORS[0] not in text] for text in _checked(texts)]
        rows = move([text.split(cut) for text, cut in zip(texts, cuts, strict=True)], rng, rate)
        found = [cut.join(row) for row, cut in zip(rows, cuts, strict=True)]
        pairs = zip(texts, found, strict=True)
        return [new if new.strip() and old.strip() else old for old, new in pairs]

    return moved


MOVES: Mapping[str, Move] = {
    "drop": dropped,
    "swap": swapped,
    "crop": cropped,
    "mask": masked,
    "typos": typos,
    "event_drop": on_events(dropped),
    "event_swap": on_events(swapped),
    "event_crop": on_events(cropped),
    "event_mask": on_events(masked),
}


def augmented(
    texts: Sequence[str],
    names: Sequence[str],
    rng: np.random.Generator,
    rate: float = 0.1,
    moves: Mapping[str, Move] = MOVES,
) -> list[str]:
    """One changed text for each, by one of the named moves, drawn evenly for each text.

    No text that held something comes back empty. `UsageError` names a move that is not known.
    """
    texts = checked_texts(texts, "augmented")
    for name in names:
        if name not in moves:
            raise UsageError(
                f"The 'names' of augmented must be among {', '.join(moves)}. Got {name!r} "
                f"instead.{suggest(name, list(moves))}"
            )
    if not names:
        return texts
    choice = rng.integers(len(names), size=len(texts))
    for number, name in enumerate(names):
        at = np.flatnonzero(choice == number).tolist()
        found = moves[name]([texts[i] for i in at], rng, rate)
        for i, text in zip(at, found, strict=True):
            texts[i] = text if text.strip() else texts[i]
    return texts


def half_moved(
    texts: Sequence[str], config: TextTraining, rng: np.random.Generator,
    moves: Mapping[str, Move] = MOVES,
) -> list[str]:  # fmt: skip
    """The texts, each with a chance of a half by one of the moves that the settings name."""
    moved = augmented(texts, config.augment, rng, config.augment_rate, moves)
    at = rng.random(len(moved)) < 0.5
    return [new if change else old for new, old, change in zip(moved, texts, at, strict=True)]


def _checked(rows: Sequence[Row]) -> Sequence[Row]:
    if isinstance(rows, str):
        raise UsageError(f"A move takes a sequence of texts. Got one, {rows[:40]!r}: write [text].")
    return rows


def _cut(row: str | list[str]) -> list[Piece]:
    return words(row) if isinstance(row, str) else [Piece("", phrase) for phrase in row]


def _whole(row: Row, pieces: list[Piece]) -> Row:
    """The row of the pieces, of the type of `row`, which itself comes back if there are none."""
    if not pieces:
        return row
    return joined(pieces) if isinstance(row, str) else [piece.text for piece in pieces]


def _ordered(rows: Sequence[Row], rng: np.random.Generator, rate: float, order: Order) -> list[Row]:
    out = []
    for row in _checked(rows):
        pieces = _cut(row)
        out.append(_whole(row, taken(pieces, order(len(pieces), rng, rate))))
    return out


def _renamed(text: str, rng: np.random.Generator, rate: float, table: Neighbours) -> str:
    pieces = words(text)
    able = [i for i, piece in enumerate(pieces) if table.of(core(piece.text)[1])]
    wanted = len(some(len(pieces), rng, rate))
    for at in rng.permutation(able)[:wanted].tolist():
        pieces[at] = Piece(pieces[at].gap, renamed(pieces[at].text, table, rng))
    return _whole(text, pieces)


def _mix(rows: np.ndarray, share: np.ndarray, other: np.ndarray) -> np.ndarray:
    kind = rows.dtype if rows.dtype.kind == "f" else np.dtype(np.float32)
    return (share * rows + (1 - share) * rows[other]).astype(kind)
