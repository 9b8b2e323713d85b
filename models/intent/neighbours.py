"""Words that stand near a word in an embedding table: replacements that nearly mean the same.

Near is not always the same: in a MiniLM 'monday' is near 'tuesday' and 'in' near 'of'. Where a
label rests on such a word, name it in `fixed` or ask for a higher cosine.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

from kg.errors import UsageError
from models.intent.pieces import core, is_sign
from models.text.encoder import Vectors, folded, unit_rows


class Neighbours:
    """The nearest words of each of words [V] with vectors float32 [V, D], by cosine.

    At most `most` words of a cosine of at least `least`; words of `fixed` have and are none.
    Capitals do not count.
    """

    def __init__(
        self, words: Sequence[str], vectors: Vectors, *, least: float = 0.6, most: int = 10,
        fixed: Iterable[str] = (),
    ) -> None:  # fmt: skip
        if vectors.ndim != 2 or len(vectors) != len(words):
            raise UsageError(
                f"The 'vectors' of Neighbours must be [{len(words)}, D], one row a word. "
                f"Got {list(vectors.shape)} instead."
            )
        if not -1 <= least <= 1 or most < 1:
            raise UsageError(
                f"Neighbours needs 'least' in [-1, 1] and 'most' >= 1. Got {least} and {most}."
            )
        kept = {folded(word) for word in fixed}
        at = [i for i, word in enumerate(words) if folded(word) not in kept]
        self.words = [words[i] for i in at]
        self._rows = unit_rows(np.asarray(vectors, np.float32)[at])  # [V, D]
        self._place = {folded(word): i for i, word in reversed(list(enumerate(self.words)))}
        self._least, self._most = least, most
        self._known: dict[str, list[str]] = {}

    def of(self, word: str) -> list[str]:
        """The neighbours of a word, nearest first; none for a word that is not in the table."""
        key = folded(word)
        if key not in self._known:
            self._known[key] = self._found(key) if key in self._place else []
        return self._known[key]

    def _found(self, key: str) -> list[str]:
        cosine = self._rows @ self._rows[self._place[key]]  # [V]
        near = np.flatnonzero(cosine >= self._least)
        near = near[np.argsort(-cosine[near], kind="stable")]
        others = [self.words[i] for i in near.tolist() if folded(self.words[i]) != key]
        return others[: self._most]


def whole_words(
    tokenizer: Any, weight: np.ndarray, *, among: Collection[str] | None = None, **options: Any
) -> Neighbours:
    """`Neighbours` of the input embeddings [V, D] of a transformers encoder.

    Kept is a piece whose text alone is read as that one piece and that is a word: two or more
    letters and nothing else, of a script with spaces (one Chinese sign in the place of another
    makes no word); of a word and the same behind a space, which GPT-2 tells apart, the latter. With
    `among` only these words are kept, capitals aside. The mean of all rows is taken off first: it
    is in all of them, and makes all words look near (Mu & Viswanath 2018, arXiv:1702.01417).
    `weight` is `model.get_input_embeddings().weight` as an array; the options are those of
    `Neighbours`.
    """
    by_id = {i: tokenizer.convert_tokens_to_string([p]) for p, i in tokenizer.get_vocab().items()}
    texts = {i: text for i, text in sorted(by_id.items()) if i < len(weight)}
    texts = {i: text for i, text in texts.items() if _is_word(text.strip())}
    if not texts:
        return Neighbours([], np.zeros((0, weight.shape[1]), np.float32), **options)
    read = tokenizer(list(texts.values()), add_special_tokens=False)["input_ids"]
    alone = [(i, text) for (i, text), ids in zip(texts.items(), read, strict=True) if ids == [i]]
    alone.sort(key=lambda pair: pair[1][:1].isspace())  # the later one of a word is kept
    kept = {text.strip(): i for i, text in alone}
    rows = np.asarray(weight, np.float32)[list(kept.values())]  # [V', D]
    rows = rows - (rows.mean(0) if len(rows) else np.zeros(weight.shape[1], np.float32))
    words = list(kept)
    if among is not None:
        own = {folded(word) for word in among}
        at = [number for number, word in enumerate(words) if folded(word) in own]
        words, rows = [words[number] for number in at], rows[at]
    return Neighbours(words, rows, **options)


def renamed(word: str, table: Neighbours, rng: np.random.Generator) -> str:
    """A neighbour of the word, drawn evenly, with its punctuation and first capital; or itself."""
    before, inner, after = core(word)
    near = table.of(inner)
    if not near:
        return word
    new = near[int(rng.integers(len(near)))]
    new = new[:1].upper() + new[1:] if inner[:1].isupper() else new
    return f"{before}{new}{after}"


def _is_word(text: str) -> bool:
    letters = all(unicodedata.category(sign)[0] in "LM" for sign in text)  # M: vowel signs
    return letters and len(text) > 1 and not is_sign(text)
