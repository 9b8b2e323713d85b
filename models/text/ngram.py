"""Character n-grams hashed to signed vectors: no vocabulary, so no unknown words.

The fall-back for languages the BERT at hand cannot read, Chinese among them. Nearness is shared
spelling, not meaning. Hashing with signs keeps inner products unbiased: Weinberger et al. 2009,
"Feature Hashing for Large Scale Multitask Learning", arXiv:0902.2206; several signed places per
gram make it a sparse random projection, which is kinder to small widths.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from models.text.encoder import (
    CJK_SIGN,
    Progress,
    Vectors,
    checked_dim,
    checked_texts,
    folded,
    unit_rows,
)

_RUN = re.compile(r"\w+|[^\w\s]+")
_PLACES = 4  # signed entries a gram
_REMEMBERED = 500_000  # grams whose hash is kept, to bound memory


class NgramEncoder:
    """Sum over the grams of a text of sqrt(count) times the gram's signed places."""

    def __init__(self, dim: int = 256) -> None:
        self.dim = checked_dim(dim, "NgramEncoder")
        self.id = f"ngram:{dim}:v1"
        self._known: dict[str, tuple[NDArray[np.int64], Vectors]] = {}

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """float32 [n, dim], rows of length 1, zero where there is no token."""
        texts = checked_texts(texts, "NgramEncoder.encode")
        rows = np.zeros((len(texts), self.dim), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for gram, count in Counter(grams(text)).items():
                place, sign = self._places(gram)
                np.add.at(row, place, sign * np.float32(count**0.5))
        if progress:
            progress(len(texts), len(texts))
        return unit_rows(rows)

    def unknown_share(self, texts: Sequence[str]) -> float:
        """0: every gram has its places."""
        return 0.0

    def _places(self, gram: str) -> tuple[NDArray[np.int64], Vectors]:
        """Places int64 [4] and signs float32 [4] of a gram, from its hash."""
        if gram not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            digest = hashlib.blake2b(gram.encode(), digest_size=4 * _PLACES).digest()
            drawn = np.frombuffer(digest, "<u4").astype(np.int64)
            signs = np.where(drawn & 1, 1.0, -1.0).astype(np.float32)
            self._known[gram] = ((drawn >> 1) % self.dim, signs)
        return self._known[gram]


def grams(text: str) -> Iterator[str]:
    """Character n-grams of each token: 1-3 where it holds CJK signs, else 2-4 of '<token>'.

    >>> list(grams("猫粮"))
    ['猫', '粮', '猫粮']
    >>> list(grams("Ox"))
    ['<o', 'ox', 'x>', '<ox', 'ox>', '<ox>']
    """
    for token in _RUN.findall(folded(text)):
        if CJK_SIGN.search(token):
            sizes = range(1, 4)
        else:
            token, sizes = f"<{token}>", range(2, 5)
        for size in sizes:
            for start in range(len(token) - size + 1):
                yield token[start : start + size]
