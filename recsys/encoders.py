"""The encoder of a run, loaded when a text must really be read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from kg.errors import UsageError
from models.text import TextCache, TextEncoder, encode_texts, load_encoder
from models.text.encoder import Progress, Vectors

PLACE = "KGINTENT_ENCODER"
"""The environment variable that says where the folder of an encoder lies, if it was moved."""


class LazyEncoder:
    """An encoder by name; loading is put off until the first text, and its id is then checked.

    `known_id` is the id of the encoder that a run was made with: another one is refused, because
    its vectors mean something else. The number format (bf16 or not) may differ. A folder is known
    by its whole path, whatever directory a later command runs in; one that lies elsewhere by now
    is looked for where `PLACE` says.
    """

    def __init__(
        self, name: str, known_id: str | None = None, dim: int | None = None, device: str = "cpu"
    ) -> None:
        self.name, self._device = _whole(name), device
        self._known_id, self._dim = known_id, dim
        self._inner: TextEncoder | None = None
        self._cache: TextCache | None = None

    @contextmanager
    def remembering(self, cache: TextCache) -> Iterator[Self]:
        """Within this block no text is read twice: its vector is kept in the cache."""
        self._cache = cache
        try:
            yield self
        finally:
            self._cache = None

    def to(self, device: str) -> None:
        """Read there from now on."""
        if self._device != device and self._inner is not None:
            self._known_id, self._dim, self._inner = self.id, self.dim, None
        self._device = device

    @property
    def inner(self) -> TextEncoder:
        """The encoder itself."""
        if self._inner is None:
            found = self._loaded()
            if self._known_id is not None and not same_encoder(found.id, self._known_id):
                raise UsageError(
                    f"The encoder {self.name!r} is {found.id}, but the run was made with "
                    f"{self._known_id}: use the same weights."
                )
            self._inner = found
        return self._inner

    def _loaded(self) -> TextEncoder:
        """From where it lies now; `UsageError` if a run's encoder is not where it was. What else is
        wrong with one that is there (an extra that it needs) is told as it is.
        """
        try:
            return load_encoder(self.name, self._device)
        except UsageError:
            if self._known_id is None or Path(self.name).is_dir():
                raise
        if elsewhere := os.environ.get(PLACE):
            return load_encoder(elsewhere, self._device)
        raise UsageError(
            f"The encoder of this run, {self.name}, is not there any more: put it back, or name "
            f"where it lies now by the environment variable {PLACE}."
        )

    @property
    def dim(self) -> int:
        return self._dim if self._dim is not None else self.inner.dim

    @property
    def id(self) -> str:
        return self._known_id if self._known_id is not None else self.inner.id

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        if self._cache is None:
            return self.inner.encode(texts, progress)
        return encode_texts(self.inner, texts, self._cache, progress)

    def unknown_share(self, texts: Sequence[str]) -> float:
        return self.inner.unknown_share(texts)


def _whole(name: str) -> str:
    """A folder's whole path; the name of a package and other names as they are."""
    return str(Path(name).resolve()) if Path(name).is_dir() else name


def named_or_given(encoder: object, device: str = "cpu") -> TextEncoder:
    """An encoder by its name or folder, loaded when it must read; one that is given is itself, and
    stays where it is. `UsageError` for what is neither.
    """
    if isinstance(encoder, str | os.PathLike):
        return LazyEncoder(os.fspath(encoder), device=device)
    if isinstance(encoder, TextEncoder) and not isinstance(encoder, type):
        return encoder
    raise UsageError(
        "The encoder must be a name, a folder, or an object with dim, id, encode and "
        f"unknown_share. Got {encoder!r:.80} instead."
    )


def same_encoder(one: str, other: str) -> bool:
    """Whether encoders of these ids give vectors that mean the same."""
    return _content(one) == _content(other)


def _content(encoder_id: str) -> str:
    return encoder_id.removesuffix(":bf16").removesuffix(":fp32")
