"""What somebody was after lately: the labels of their last events, the newer the heavier."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from kg.errors import UsageError
from kg.events import EventLog
from kg.intents.labels import IntentLabels
from kg.wording.verbalise import checked_positions, prefix_lengths

DECAYS = (0.5, 0.8, 0.95)
"""What an event counts for each later one: the last few, some ten, a longer habit."""
LAST = 60
"""So many events are looked at."""


def recent_intents(
    items: np.ndarray,
    begin: np.ndarray,
    stop: np.ndarray,
    labels: sparse.csr_matrix,
    decays: tuple[float, ...] = DECAYS,
) -> np.ndarray:
    """float32 [n, R, L]: Σ_j d^(stop - 1 - j) y_l(item_j) / Σ_j d^(stop - 1 - j), j of the window.

    `items` int64 [E] are codes, oldest first, and window n is begin:stop, int64 [n] each, of which
    the last `LAST` events count; y is a row of `labels`, csr float32 [N, L], 1 where the item has
    label l. A code beyond its rows takes its place and has none. An empty window is all 0.
    """
    begin = np.maximum(begin, stop - LAST)
    if (begin > stop).any() or (len(stop) and (begin.min() < 0 or stop.max() > len(items))):
        raise UsageError(f"Each window must be a range within [0, {len(items)}].")
    length = stop - begin
    row = np.repeat(np.arange(len(stop)), length)
    at = np.arange(len(row)) - np.repeat(np.cumsum(length) - length, length) + begin[row]
    known = (items >= 0) & (items < labels.shape[0])
    each = labels[np.where(known, items, 0)].multiply(known[:, None]).tocsr()  # [E, L]
    out = np.zeros((len(stop), len(decays), labels.shape[1]), np.float32)
    for number, decay in enumerate(decays):
        weight = np.power(decay, stop[row] - 1 - at)
        total = np.maximum(np.bincount(row, weight, len(stop)), 1e-12)
        shape = (len(stop), len(items))
        windows = sparse.csr_matrix((weight / total[row], (row, at)), shape=shape)
        out[:, number] = (windows @ each).toarray()
    return out


def recent_before(log: EventLog, labels: IntentLabels, ends: np.ndarray) -> np.ndarray:
    """float32 [n, R, L] from the same user's events strictly before each position e of `ends`.

    Searches without an item have no place among them.
    """
    ends = checked_positions(log, ends)
    return _of_items(log, ends - prefix_lengths(log)[ends], ends, labels)


def recent_of_users(log: EventLog, labels: IntentLabels) -> np.ndarray:
    """float32 [U, R, L] from all events of each user of the log."""
    stop = np.cumsum(log.user_counts())
    return _of_items(log, stop - log.user_counts(), stop, labels)


def _of_items(
    log: EventLog, begin: np.ndarray, stop: np.ndarray, labels: IntentLabels
) -> np.ndarray:
    """The windows begin:stop of all events, among those with an item."""
    place = np.concatenate([[0], np.cumsum(log.has_item)])
    return recent_intents(log.item[log.has_item], place[begin], place[stop], labels.item)
