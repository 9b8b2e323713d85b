"""The moves that a training's settings name, ready before its first step: `augment.MOVES`, and two
that need more than a text:

    synonyms          words in the place of words that stand near them in an encoder's embeddings
    back_translation  the text as two translators say it again, each text translated once
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from torch import nn

from kg.errors import UsageError, suggest
from models.intent.augment import MOVES, Move, Translate, back_translated, synonyms
from models.intent.blend import SIGN
from models.intent.neighbours import Neighbours, whole_words
from models.intent.settings import EPOCHS, TextTraining
from models.intent.translate import seq2seq
from models.text.encoder import checked_texts
from models.text.folder import load_model, load_tokenizer

SYNONYMS, BACK = "synonyms", "back_translation"


class BackTranslation:
    """A move that keeps what it translated: a text comes back as it did the first time."""

    def __init__(self, there: Translate, back: Translate) -> None:
        self._there, self._back = there, back
        self._known: dict[str, str] = {}

    def __call__(
        self, texts: Sequence[str], rng: np.random.Generator | None = None, rate: float = 0.1
    ) -> list[str]:
        """Neither the generator nor the rate matters."""
        texts = checked_texts(texts, BACK)
        fresh = [text for text in dict.fromkeys(texts) if text not in self._known]
        found = back_translated(fresh, self._there, self._back)
        self._known.update(zip(fresh, found, strict=True))
        return [self._known[text] for text in texts]


def made_moves(config: TextTraining, method: str) -> Mapping[str, Move]:
    """What can be made before anything is read: all but the synonyms.

    Raises `UsageError` for a move that is not known, for any move of a method that reads its texts
    once, and where the translators are not named; `DataError` for a folder that holds none.
    """
    if not config.augment:
        return MOVES
    if not set(method.split(SIGN)) & set(EPOCHS):
        raise UsageError(
            f"'augment' changes texts anew each epoch and must meet a method that has epochs "
            f"({', '.join(EPOCHS)}). Got {method!r}: take one of these or no 'augment'."
        )
    known = (*MOVES, SYNONYMS, BACK)
    for name in config.augment:
        if name not in known:
            raise UsageError(
                f"The moves of 'augment' must be among {', '.join(known)}. Got {name!r} "
                f"instead.{suggest(name, list(known))}"
            )
    if BACK not in config.augment:
        return MOVES
    there, back = config.translate_there, config.translate_back
    if there is None or back is None:
        raise UsageError(
            f"The move '{BACK}' needs two folders of translators: 'translate_there' into another "
            f"language and 'translate_back' out of it. Got {there!r} and {back!r}."
        )
    most = config.max_tokens
    return {**MOVES, BACK: BackTranslation(seq2seq(there, max_tokens=most),
                                           seq2seq(back, max_tokens=most))}  # fmt: skip


def ready_moves(
    moves: Mapping[str, Move], config: TextTraining, texts: Sequence[str],
    folder: Path | None, words: nn.Embedding | None = None, among: Collection[str] | None = None,
) -> Mapping[str, Move]:  # fmt: skip
    """`made_moves` with the synonyms, if the settings name them; `texts` are translated now.

    Synonyms are those of the encoder in `folder`, whose embeddings `words` are read from there
    unless given; `among` says which words may take the place of others.
    """
    if BACK in config.augment:
        moves[BACK](texts, np.random.default_rng(0), config.augment_rate)
    if SYNONYMS not in config.augment:
        return moves
    assert folder is not None, "synonyms need the folder of an encoder"
    table = _table(folder, words, among)
    return {**moves, SYNONYMS: partial(synonyms, table=table)}


def _table(folder: Path, words: nn.Embedding | None, among: Collection[str] | None) -> Neighbours:
    words = load_model(folder).get_input_embeddings() if words is None else words
    weight = words.weight.float().numpy(force=True)  # [V, D]
    return whole_words(load_tokenizer(folder), weight, among=among)
