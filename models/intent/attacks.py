"""Texts as careless or hostile people write them: does the intent survive?

`typos` and `word_attack` change at most rate · words + 1 words of a text and leave at least one;
a change is one edit: a word altered, left out, repeated or exchanged with its neighbour. `worst`
searches among such variants for the one that hurts most, asking only for probabilities (black
box; as in Morris et al. 2020, "TextAttack", arXiv:2005.05909).

    hard = worst(texts, labels, typos, predict, tries=20, rng=np.random.default_rng(0))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kg.errors import DataError, UsageError
from models.intent.neighbours import Neighbours, renamed
from models.intent.pieces import Piece, changes, is_sign, joined, taken, words
from models.text.encoder import checked_texts

Attack = Callable[[Sequence[str], np.random.Generator], list[str]]
Predict = Callable[[Sequence[str]], np.ndarray]
Typo = Callable[[str, int, np.random.Generator], str]

_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")  # each row stands half a key further right
_AT = {key: (row, 2 * column + row) for row, keys in enumerate(_KEYS)
       for column, key in enumerate(keys)}  # fmt: skip
NEAR_KEYS = {
    key: [other for other, (r, x) in _AT.items()
          if abs(r - row) + abs(x - at) <= 2 and other != key]
    for key, (row, at) in _AT.items()
}  # fmt: skip


def typos(texts: Sequence[str], rng: np.random.Generator, rate: float = 0.1) -> list[str]:
    """Each text with a slip in some of its words: one letter exchanged, left out, doubled or,
    on a Latin keyboard, hit beside its key (Belinkov & Bisk 2018, arXiv:1711.02173).

    In scripts without spaces a sign is left out or exchanged with the next; words without a letter,
    such as numbers, stay.
    """
    return [_mistyped(text, rng, rate) for text in checked_texts(texts, "typos")]


def word_attack(
    texts: Sequence[str],
    rng: np.random.Generator,
    rate: float = 0.1,
    *,
    table: Neighbours | None = None,
) -> list[str]:
    """Each text with some words left out, repeated, exchanged with the next or, with a table,
    replaced by a neighbour of it (Jin et al. 2020, "TextFooler", arXiv:1907.11932)."""
    return [_reworded(text, rng, rate, table) for text in checked_texts(texts, "word_attack")]


def worst(
    texts: Sequence[str],
    labels: np.ndarray,
    attack: Attack,
    predict: Predict,
    tries: int,
    rng: np.random.Generator,
) -> list[str]:
    """For each text the variant with the lowest probability of its true label.

    Among the text itself and `tries` attacks on it, the earlier one if equal. labels int64 [n];
    `predict` gives probabilities [n, L].
    """
    best = checked_texts(texts, "worst")
    labels = np.asarray(labels)
    lowest = _true_probability(predict(best), labels)  # [n]
    for _ in range(tries):
        tried = attack(texts, rng)
        found = _true_probability(predict(tried), labels)
        better = found < lowest
        best = [new if take else old for old, new, take in zip(best, tried, better, strict=True)]
        lowest = np.where(better, found, lowest)
    return best


def _true_probability(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The probability [n] of each row's label; `DataError` or `UsageError` for what is not one."""
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1]:
        raise UsageError(
            f"worst needs one label a text and probabilities [n, L]. "
            f"Got {list(labels.shape)} and {list(probabilities.shape)}."
        )
    if labels.size and (labels.min() < 0 or labels.max() >= probabilities.shape[1]):
        raise UsageError(
            f"The 'labels' of worst must be in [0, {probabilities.shape[1]}). "
            f"Got {labels.min()} to {labels.max()}."
        )
    if np.isnan(probabilities).any():
        raise DataError("The probabilities that 'predict' gives to worst must not be NaN.")
    return probabilities[np.arange(len(labels)), labels]


def _mistyped(text: str, rng: np.random.Generator, rate: float) -> str:
    pieces = words(text)
    able = [at for at, piece in enumerate(pieces) if _letters(piece.text)]
    order = list(range(len(pieces)))
    for at in rng.permutation(able)[: changes(len(pieces), rate)].tolist():
        if not is_sign(word := pieces[at].text):
            pieces[at] = Piece(pieces[at].gap, typo(word, rng))
        elif not (rng.integers(2) and _exchanged(order, at)):
            _left_out(order, at)
    return joined(taken(pieces, order)) if pieces else text


def _reworded(
    text: str, rng: np.random.Generator, rate: float, table: Neighbours | None
) -> str:  # fmt: skip
    pieces = words(text)
    order = list(range(len(pieces)))
    for at in rng.permutation(len(pieces))[: changes(len(pieces), rate)].tolist():
        kind = int(rng.integers(3 if table is None else 4))
        if kind == 0:
            _left_out(order, at)
        elif kind == 1:
            _exchanged(order, at)
        elif kind == 2:
            order.insert(order.index(at), at)
        elif table is not None:
            pieces[at] = Piece(pieces[at].gap, renamed(pieces[at].text, table, rng))
    return joined(taken(pieces, order)) if pieces else text


def _left_out(order: list[int], at: int) -> None:
    """Without `at`, unless it is the last one."""
    if len(order) > 1:
        order.remove(at)


def _exchanged(order: list[int], at: int) -> bool:
    """`at` and the next one change places, if there is a next one."""
    place = order.index(at)
    if place + 1 == len(order):
        return False
    order[place : place + 2] = order[place : place + 2][::-1]
    return True


def typo(word: str, rng: np.random.Generator) -> str:
    """The word with one slip; it differs from the word and keeps at least one letter."""
    place = int(rng.choice(_letters(word)))
    tried = [TYPOS[i](word, place, rng) for i in rng.permutation(len(TYPOS)).tolist()]
    return next(new for new in tried if new != word and _letters(new))


def _letters(word: str) -> list[int]:
    return [place for place, sign in enumerate(word) if sign.isalpha()]


def _transposed(word: str, place: int, rng: np.random.Generator) -> str:
    pair = word[place : place + 2]
    return word[:place] + pair[::-1] + word[place + 2 :] if pair.isalpha() else word


def _deleted(word: str, place: int, rng: np.random.Generator) -> str:
    return word[:place] + word[place + 1 :]


def _doubled(word: str, place: int, rng: np.random.Generator) -> str:
    return word[: place + 1] + word[place:]


def _misplaced(word: str, place: int, rng: np.random.Generator) -> str:
    """A neighbouring key for a letter of a Latin keyboard, capitals kept; else the word itself."""
    near = NEAR_KEYS.get(word[place].lower())
    if not near:
        return word
    key = near[int(rng.integers(len(near)))]
    return word[:place] + (key.upper() if word[place].isupper() else key) + word[place + 1 :]


TYPOS: tuple[Typo, ...] = (_transposed, _deleted, _doubled, _misplaced)
