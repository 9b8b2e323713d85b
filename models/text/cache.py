"""Vectors on disk: no text is encoded twice, whatever stops the program in between.

The folder holds shards (`models.text.shards`), each of one encoder and some thousand texts. The
name of a shard starts with a hash of the encoder's id, so only the shards asked for are read.
"""

import contextlib
import hashlib
import os
import uuid
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kg.errors import UsageError
from models.text.encoder import Progress, TextEncoder, Vectors, checked_texts
from models.text.shards import read_shard, sweep_parts, write_shard

_CHUNK = 4096  # texts between two saves: what kill -9 can cost
_MANY = 64  # shards of one encoder from which they are merged into one


class TextCache:
    """A folder of shards; several processes may share it, the worst being a vector kept twice.

    None keeps vectors in memory only.
    """

    def __init__(self, directory: str | os.PathLike[str] | None) -> None:
        self.directory = None if directory is None else Path(directory)
        self._known: dict[str, dict[bytes, Vectors]] = {}
        self._writes = directory is not None

    def get(self, encoder_id: str, texts: Sequence[str]) -> list[Vectors | None]:
        """For each text its vector float32 [dim], or none."""
        known = self._loaded(encoder_id)
        return [known.get(_key(encoder_id, text)) for text in texts]

    def put(self, encoder_id: str, texts: Sequence[str], vectors: Vectors) -> None:
        """Keep vectors [n, dim]; where the disk refuses, warn once and keep them in memory only."""
        fresh = {_key(encoder_id, text): row for text, row in zip(texts, vectors, strict=True)}
        self._loaded(encoder_id).update(fresh)
        if fresh and self._writes:
            try:
                self._write(encoder_id, fresh)
            except OSError as error:
                self._writes = False
                warnings.warn(
                    f"The text cache '{self.directory}' cannot be written ({error}); "
                    "going on without saving.",
                    RuntimeWarning,
                    stacklevel=2,
                )

    def _loaded(self, encoder_id: str) -> dict[bytes, Vectors]:
        """Every vector of one encoder, read from its shards at the first call."""
        if encoder_id not in self._known:
            known: dict[bytes, Vectors] = {}
            if self.directory is None:
                return self._known.setdefault(encoder_id, known)
            paths = sorted(self.directory.glob(f"{_prefix(encoder_id)}-*.npz"))
            whole = [path for path in paths if read_shard(path, known)]
            self._known[encoder_id] = known
            if len(whole) >= _MANY:
                self._merge(encoder_id, whole)
        return self._known[encoder_id]

    def _merge(self, encoder_id: str, shards: list[Path]) -> None:
        """One shard in place of many; a crash in between leaves both, which is harmless."""
        with contextlib.suppress(OSError):  # a tidier folder is no reason to fail
            self._write(encoder_id, self._known[encoder_id])
            for path in shards:
                path.unlink(missing_ok=True)

    def _write(self, encoder_id: str, rows: dict[bytes, Vectors]) -> None:
        """One more shard, under a name no other process will choose."""
        assert self.directory is not None, "memory writes nothing"
        self.directory.mkdir(parents=True, exist_ok=True)
        sweep_parts(self.directory)
        write_shard(self.directory / f"{_prefix(encoder_id)}-{uuid.uuid4().hex}.npz", rows)


def encode_texts(
    encoder: TextEncoder,
    texts: Sequence[str],
    cache: TextCache | None = None,
    progress: Progress | None = None,
) -> Vectors:
    """float32 [n, dim]: only what the cache lacks is encoded, and saved as it comes.

    `UsageError` for an encoder whose vectors have another shape, or are not finite.
    """
    texts = checked_texts(texts, "encode_texts")
    if cache is None:
        return _vectors(encoder, texts, progress)
    rows = np.zeros((len(texts), encoder.dim), np.float32)
    missing: dict[str, list[int]] = {}
    for at, (text, found) in enumerate(zip(texts, cache.get(encoder.id, texts), strict=True)):
        if found is not None and found.shape == (encoder.dim,):
            rows[at] = found
        else:
            missing.setdefault(text, []).append(at)
    todo = sorted(missing, key=len)  # like lengths together, for the batches of the encoder
    for start in range(0, len(todo), _CHUNK):
        chunk = todo[start : start + _CHUNK]
        before = len(texts) - len(todo) + start
        vectors = _vectors(encoder, chunk, _shifted(progress, before, len(texts)))
        cache.put(encoder.id, chunk, vectors)
        for text, vector in zip(chunk, vectors, strict=True):
            rows[missing[text]] = vector
    return rows


def _vectors(encoder: TextEncoder, texts: Sequence[str], progress: Progress | None) -> Vectors:
    """What the encoder gives, which may be one of a user's own."""
    told, wanted = encoder.encode(texts, progress), (len(texts), encoder.dim)
    try:
        found = np.asarray(told, np.float32)
    except (TypeError, ValueError):
        found = np.zeros(0, np.float32)
    if found.shape != wanted:
        raise UsageError(
            f"The encoder {encoder.id!r} must give vectors of the shape {list(wanted)} for "
            f"{len(texts)} texts and its dim of {encoder.dim}. Got {list(found.shape)} instead."
        )
    if not np.isfinite(found).all():
        row = int(np.flatnonzero(~np.isfinite(found).all(axis=1))[0])
        raise UsageError(
            f"The encoder {encoder.id!r} must give finite vectors; "
            f"it does not of {texts[row]!r:.60}."
        )
    return found


def _shifted(progress: Progress | None, before: int, total: int) -> Progress | None:
    """Progress of one chunk told as progress of the whole."""
    return None if progress is None else lambda done, _: progress(before + done, total)


def _prefix(encoder_id: str) -> str:
    """Start of the file names of one encoder."""
    return hashlib.sha256(encoder_id.encode()).hexdigest()[:16]


def _key(encoder_id: str, text: str) -> bytes:
    """sha256, 32 bytes, of encoder id and text; the NUL keeps their border unambiguous."""
    return hashlib.sha256(f"{encoder_id}\0{text}".encode("utf-8", "replace")).digest()
