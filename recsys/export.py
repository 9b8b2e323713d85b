"""Vectors out of a run, for whoever searches or learns with tools of their own.

    ids, vectors = item_vectors(rec)
    write_vectors(Path("items.npz"), ids, vectors)

The inner product of a user's and an item's vector is the network's score; what stands beside it
(neighbours, factors, trend, habits) is not in them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kg.errors import UsageError
from kg.folders import whole_path
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
    `vectors` and `ids` (uint8: the bytes of a JSON list, `json.loads(bytes(found["ids"]))`); whole
    or not there.

    Raises `UsageError` for another ending, `DataError` where it cannot be written.
    """
    if file.suffix not in ENDS:
        raise UsageError(f"The file of vectors must end in {' or '.join(ENDS)}. Got {file.name!r}.")
    with whole_path(file) as part:
        if file.suffix == ".npz":
            with open(part, "wb") as handle:  # to a path savez would add .npz
                np.savez(handle, allow_pickle=False, ids=np.array(ids, dtype=str), vectors=vectors)
        else:  # not in the metadata, which must be short
            told = np.frombuffer(json.dumps(list(ids)).encode(), np.uint8)
            save_tensors(part, {"vectors": vectors, "ids": told})
