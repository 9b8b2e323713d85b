"""Entities for items by what their titles mean, where the spelling does not find them.

A cosine is no probability: "men's" is near "women's" to most encoders. So a pair that the
spelling found keeps what the spelling says of it, years and numbers cut here too, and an item
with an exact entity is not asked about.
"""

from __future__ import annotations

import numpy as np

from kg.linking import (
    HOW,
    LEAST,
    MARGIN,
    WORTH,
    Candidates,
    Links,
    Titled,
    agreement,
    candidates,
    decide,
    stem,
)
from models.text import TextCache, TextEncoder, encode_texts
from models.text.encoder import Progress
from recsys.index import VectorIndex

NEAREST = 5


def text_candidates(
    items: Titled,
    entities: Titled,
    encoder: TextEncoder,
    *,
    worth: float = WORTH,
    cache: TextCache | None = None,
    progress: Progress | None = None,
) -> Candidates:
    """The `NEAREST` entities of each item whose confidence is at least `worth`: the cosine of the
    titles without their years, less where years or numbers differ.

    Every item is compared with every entity, by FAISS where it is there.
    """
    texts = [stem(title)[0] for title in (*items.titles, *entities.titles)]
    vectors = encode_texts(encoder, texts, cache, progress)
    mine, theirs = vectors[: len(items)], vectors[len(items) :]
    hits = VectorIndex(theirs).search(mine, NEAREST)
    row, place = np.nonzero(hits.mask)
    pairs = np.stack([row, hits.index[row, place]])
    cosine = np.clip(hits.score[row, place].astype(np.float64), 0, 1)
    confidence = cosine * agreement(items, entities, pairs)
    kept = confidence >= worth
    return Candidates.of(pairs[:, kept], confidence[kept], "text")


def link_with_text(
    items: Titled,
    entities: Titled,
    encoder: TextEncoder,
    least: float = LEAST,
    *,
    margin: float = MARGIN,
    worth: float = WORTH,
    cache: TextCache | None = None,
    progress: Progress | None = None,
) -> Links:
    """As `kg.linking.link`, with the candidates of an encoder too."""
    spelled = candidates(items, entities, worth=worth)
    exact = set(spelled.item[spelled.how == HOW.index("exact")].tolist())
    rest = np.array([i for i in range(len(items)) if i not in exact], np.int64)
    asked = Titled(*(tuple(column[i] for i in rest) for column in (items.ids, items.titles)))
    near = text_candidates(asked, entities, encoder, worth=worth, cache=cache, progress=progress)
    meant = Candidates(rest[near.item], near.entity, near.confidence, near.how)
    return decide(items, entities, spelled.joined(meant), least, margin=margin)
