"""Texts cut into batches of equal length: a padded token costs as much as a real one."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_MIXED = 256  # padded tokens up to which lengths may be mixed: below it a call costs more than pads


def length_batches(
    lengths: NDArray[np.int64], batch_tokens: int
) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Yield (positions int64 [B], longest length), shortest texts first.

    All texts of a batch have the same length, so it needs no padding and no attention mask; only
    a batch of at most 256 padded tokens mixes lengths (a handful of texts: one call, not many).
    A batch holds at most `batch_tokens` tokens, or one text.
    """
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        first, end = int(lengths[order[start]]), start + 1
        while end < len(order):
            longest = int(lengths[order[end]])
            padded = (end - start + 1) * longest
            if padded > (batch_tokens if longest == first else min(_MIXED, batch_tokens)):
                break
            end += 1
        yield order[start:end], int(lengths[order[end - 1]])
        start = end


def padded_ids(
    rows: list[list[int]], width: int, pad: int
) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    """Token ids int64 [B, width] and mask int64 [B, width], or no mask where nothing is padded."""
    if all(len(row) == width for row in rows):
        return np.array(rows, np.int64), None
    ids = np.full((len(rows), width), pad, np.int64)
    mask = np.zeros((len(rows), width), np.int64)
    for at, row in enumerate(rows):
        ids[at, : len(row)] = row
        mask[at, : len(row)] = 1
    return ids, mask
