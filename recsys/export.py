"""Vectors out of a run, for whoever searches or learns with tools of their own.

    ids, vectors = item_vectors(rec)
    write_vectors(Path("items.npz"), ids, vectors)

The inner product of a user's and an item's vector is the network's score; what stands beside it
(neighbours, factors, trend, habits) is not in them.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kg.errors import DataError, UsageError
from kg.folders import write_text
from models.tensors import save_tensors
from recsys.recommender import Recommender
from recsys.serving.queries import queries_of_users

ENDS = (".npz", ".safetensors")


def item_vectors(rec: Recommender) -> tuple[list[str], np.ndarray]:
    """Ids [n] and float32 [n, D] of the items that answers may hold, new ones too."""
    shown = np.flatnonzero(~rec.items.hidden)
    return [rec.items.ids[code] for code in shown.tolist()], rec.items.vectors[shown]


def user_vectors(rec: Recommender) -> tuple[list[str], np.ndarray]:
    """Ids [n] and float32 [n, D] of the users of the log, after all that they did."""
    users = rec.log.users.ids
    return list(users), queries_of_users(rec, np.arange(len(users)))[0]


def write_vectors(file: Path, ids: Sequence[str], vectors: np.ndarray) -> None:
    """An .npz of `ids` and `vectors`, as `build --vectors` reads them, or a .safetensors of
    `vectors` with the ids in FILE.ids.json; whole or not there.

    Raises `UsageError` for another ending, `DataError` where it cannot be written.
    """
    if file.suffix not in ENDS:
        raise UsageError(f"The file of vectors must end in {' or '.join(ENDS)}. Got {file.name!r}.")
    part = file.with_name(f".{os.getpid()}.{file.name}")  # savez wants the name to end in .npz
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".npz":
            np.savez(part, allow_pickle=False, ids=np.array(ids, dtype=str), vectors=vectors)
        else:
            save_tensors(part, {"vectors": vectors})
            write_text(file.with_name(f"{file.name}.ids.json"), json.dumps(list(ids)))
        os.replace(part, file)
    except OSError as error:
        raise DataError(f"{file} cannot be written: {error.strerror or error}.") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
