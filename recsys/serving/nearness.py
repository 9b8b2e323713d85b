"""How near items are to a vector: one's own text, an item, an intent."""

from __future__ import annotations

import numpy as np

from models.text.encoder import unit_rows


def cosines(space: np.ndarray, query: np.ndarray) -> np.ndarray:
    """float32 [N] of vectors [N, D] to one [D]; -inf for a vector of zeros: nothing is known."""
    norms = np.linalg.norm(space, axis=1) * np.linalg.norm(query)
    dots = space @ query
    return np.divide(
        dots, norms, out=np.full(len(space), -np.inf, np.float32), where=norms > 0
    ).astype(np.float32)


def near_members(space: np.ndarray, member: np.ndarray) -> np.ndarray:
    """float32 [N]: the cosine of each vector [N, D] to the mean direction of those of the members,
    bool [N], both less the mean of all; -inf where nothing is known of an item, or of all members.

    The mean is taken away because the vectors of an encoder have a direction in common that says
    nothing (Mu and Viswanath, All-but-the-Top, ICLR 2018, the first of their steps).
    """
    told = np.asarray(space.any(1))
    if not (told & member).any():
        return np.full(len(space), -np.inf, np.float32)
    unit = unit_rows(space)
    centred = (unit - unit[told].mean(0)) * told[:, None]
    return cosines(centred, unit_rows(centred)[told & member].mean(0))
