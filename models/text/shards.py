"""One shard of the text cache: an npz file that is there whole or not at all.

keys uint8 [n, 32] (a sha256 a text) and vectors float32 [n, dim]. It is written beside its place,
fsynced and renamed; npz carries a CRC, so a damaged one is noticed, named and passed over. No
pickle is read.
"""

import contextlib
import os
import time
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.text.encoder import Vectors

_STALE = 3600  # seconds after which a half-written file belongs to no living writer


def write_shard(path: Path, rows: dict[bytes, Vectors]) -> None:
    """Write {key of 32 bytes: vector [dim]}; OSError where the disk is full or read-only."""
    temporary = path.with_name(f".{path.stem}.part")
    try:
        with temporary.open("wb") as file:
            keys = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, 32)
            np.savez(file, keys=keys, vectors=np.stack(list(rows.values())))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_shard(path: Path, known: dict[bytes, Vectors]) -> bool:
    """Add a shard's vectors to `known`; one that is not whole is named in a warning, and False."""
    try:
        with np.load(path, allow_pickle=False) as shard:
            keys, vectors = _checked(shard["keys"], shard["vectors"])
    except Exception as error:  # a damaged zip raises a dozen types, MemoryError among them
        if path.exists():  # else another process has merged it away
            warnings.warn(
                f"The text cache shard '{path}' is damaged ({error}); its texts are encoded anew. "
                "The file can be deleted.",
                RuntimeWarning,
                stacklevel=2,
            )
        return False
    known.update(zip((key.tobytes() for key in keys), vectors, strict=True))
    return True


def sweep_parts(directory: Path) -> None:
    """Remove what a killed writer left more than an hour ago."""
    for path in directory.glob(".*.part"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _STALE:
                path.unlink()


def _checked(keys: NDArray[np.uint8], vectors: Vectors) -> tuple[NDArray[np.uint8], Vectors]:
    """The two arrays, or ValueError where their shapes or types do not fit."""
    fits = keys.ndim == vectors.ndim == 2 and keys.shape == (len(vectors), 32)
    if not fits or keys.dtype != np.uint8 or vectors.dtype != np.float32:
        raise ValueError(f"keys {keys.dtype} {keys.shape}, vectors {vectors.dtype} {vectors.shape}")
    return keys, vectors
