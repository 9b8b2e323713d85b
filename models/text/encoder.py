"""What a text encoder is, and the smallest one: seeded random vectors, one a token."""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from kg.errors import UsageError

Progress = Callable[[int, int], None]  # (texts done, texts in all)
Vectors = NDArray[np.float32]

CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
CJK_SIGN = re.compile(rf"[{CJK}]")
TOKEN = re.compile(rf"[{CJK}]|[^\W{CJK}]+|[^\w\s]")  # scripts without spaces: each sign a token


@runtime_checkable
class TextEncoder(Protocol):
    """Texts to vectors. Join it to the contract: `models.testing.check_text_encoder`."""

    @property
    def dim(self) -> int:
        """Width of a vector."""

    @property
    def id(self) -> str:
        """Identity of the content: it changes whenever the vectors would."""

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """float32 [n, dim]: rows of length 1; a text without a single token is a zero row."""

    def unknown_share(self, texts: Sequence[str]) -> float:
        """Share of the tokens, in [0, 1], that mean nothing to this encoder."""


def checked_texts(texts: Sequence[str], where: str) -> list[str]:
    """The texts as a list, lone surrogates replaced by '?' because they cannot be written as UTF-8.

    Raises UsageError when `texts` is one bare string or holds something that is not a string.
    """
    if isinstance(texts, str | bytes):
        raise UsageError(
            f"The 'texts' parameter of {where} must be a sequence of str, not one string. "
            f"Got {texts[:40]!r} instead; write [text]."
        )
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise UsageError(
                f"The 'texts' parameter of {where} must hold only str. "
                f"Got {type(text).__name__} ({text!r:.40}) at position {position} instead."
            )
    return [t if t.isascii() else t.encode("utf-8", "replace").decode("utf-8") for t in texts]


def checked_dim(dim: int, where: str) -> int:
    """The width, or UsageError unless it is a positive int."""
    if isinstance(dim, bool) or not isinstance(dim, int) or dim < 1:
        raise UsageError(
            f"The 'dim' parameter of {where} must be an int >= 1. Got {dim!r} instead."
        )
    return dim


def folded(text: str) -> str:
    """One spelling for look-alikes: full-width forms, ligatures and capitals are folded."""
    return unicodedata.normalize("NFKC", text).casefold()


def unit_rows(rows: Vectors) -> Vectors:
    """Each row [n, dim] divided by its length; a zero row stays zero."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 0).astype(np.float32)


class HashEncoder:
    """Sum of one seeded random vector per token: no weights, no meaning, always the same.

    Two texts are near when they share tokens. For tests and demos, not for users.
    """

    def __init__(self, dim: int = 64, seed: int = 0) -> None:
        self.dim = checked_dim(dim, "HashEncoder")
        self.id = f"hash:{dim}:{seed}"
        self._seed = str(seed).encode()
        self._known: dict[str, Vectors] = {}

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """float32 [n, dim], rows of length 1, zero where there is no token."""
        texts = checked_texts(texts, "HashEncoder.encode")
        rows = np.zeros((len(texts), self.dim), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for token in TOKEN.findall(folded(text)):
                row += self._vector(token)
        if progress:
            progress(len(texts), len(texts))
        return unit_rows(rows)

    def unknown_share(self, texts: Sequence[str]) -> float:
        """0: every token has a vector."""
        return 0.0

    def _vector(self, token: str) -> Vectors:
        """float32 [dim], drawn from a generator seeded with the token."""
        if token not in self._known:
            digest = hashlib.blake2b(token.encode(), key=self._seed[:64], digest_size=8).digest()
            generator = np.random.default_rng(int.from_bytes(digest, "little"))
            self._known[token] = generator.standard_normal(self.dim, dtype=np.float32)
        return self._known[token]
