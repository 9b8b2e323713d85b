"""Named tensors on disk as safetensors; a full disk is an `OSError` like any other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save_file


@contextlib.contextmanager
def disk_errors(path: Path, kind: type[Exception]) -> Iterator[None]:
    """A library's own error of this kind while writing `path`, as an `OSError` that names it."""
    try:
        yield
    except kind as error:
        raise OSError(None, str(error), str(path)) from None


def save_tensors(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Write them all. Raises `OSError` if that fails."""
    with disk_errors(path, SafetensorError):
        save_file({k: np.asarray(v, order="C") for k, v in tensors.items()}, path)
