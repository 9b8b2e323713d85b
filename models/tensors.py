"""Named tensors and words on disk, without pickle; a full disk is an `OSError` like any other."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from kg.errors import DataError


@contextlib.contextmanager
def disk_errors(path: Path, kind: type[Exception]) -> Iterator[None]:
    """A library's own error of this kind while writing `path`, as an `OSError` that names it."""
    try:
        yield
    except kind as error:
        raise OSError(None, str(error), str(path)) from None


def save_tensors(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Write them all. Raises `OSError` if that fails."""
    path.touch()
    mode = path.stat().st_mode
    with disk_errors(path, SafetensorError):
        save_file({k: np.asarray(v, order="C") for k, v in tensors.items()}, path)
    path.chmod(mode)  # safetensors makes it the owner's alone


def load_tensors(path: Path, shapes: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """The tensors of these names; `DataError` unless each has its shape (-1: any size)."""
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from None
    for name, shape in shapes.items():
        size = list(found[name].shape) if name in found else None
        if size is None or not _fits(size, shape):
            raise DataError(
                f"{path} must hold {name!r} of shape {list(shape)}. Got {size} instead."
            )
    return {name: found[name] for name in shapes}


def _fits(found: Sequence[int], wanted: Sequence[int]) -> bool:
    return len(found) == len(wanted) and all(
        b in (-1, a) for a, b in zip(found, wanted, strict=True)
    )


def save_words(path: Path, words: Sequence[str]) -> None:
    """A list of words, in its order, as JSON."""
    path.write_text(json.dumps(list(words), ensure_ascii=False), encoding="utf-8")


def load_words(path: Path) -> list[str]:
    """The list that `save_words` left; `DataError` for anything else."""
    try:
        words = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise DataError(f"{path} must be a JSON list of words.")
    return words
