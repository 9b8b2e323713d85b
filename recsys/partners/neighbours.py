"""The linear partner: what each item of a history says of other items, added to the model's score.

Item-to-item models in closed form count pairs that a narrow vector cannot hold, and a narrow vector
knows order, text and graph, which they do not. Their scores are fused late: how far back a history
counts and how much the partner weighs are chosen on validation; a weight of 0 leaves it out.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from kg.events import EventLog
from kg.sequences import Sequences
from recsys.baselines.base import keep_best, largest_of_rows
from recsys.baselines.ease import EASE
from recsys.baselines.rp3beta import RP3beta
from recsys.index import VectorIndex

EASE_ITEMS = 12_500
"""Up to so many items EASE is inverted: 4 M² bytes and about M³ operations."""
COMMON = 3
"""EASE learns nothing of items with fewer events."""
LIKE = 10
"""An item of which nothing is said hears what so many items like it hear."""
BLOCK = 20_000_000
"""The numbers in a dense block, at most (but at least one row)."""
CACHED = 300_000
"""The same, where it is gone through several times."""
PAIRS = 5_000_000_000
"""Up to so many pairs of items are compared to find the most like; beyond, lists of near ones are
visited (a hundred times as fast, and by chance another than one of the ten)."""


class NeighbourConfig(BaseModel):
    """The linear partner of the model."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["auto", "ease", "rp3beta", "none"] = Field(
        "auto", description=f"auto: ease up to {EASE_ITEMS:,} items with events, then rp3beta."
    )
    l2: float | None = Field(
        None,
        gt=0,
        description="Ridge of EASE; None: five times the events per item, but 200 to 700.",
    )
    keeps: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (50, 200), min_length=1, description="Tried on validation: items that each item hears of."
    )
    decays: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        (1.0, 0.99, 0.95, 0.8, 0.6),
        min_length=1,
        description="Tried on validation: what an event counts for each later event of the "
        "history.",
    )


@dataclass(frozen=True, eq=False)
class Neighbours:
    """links: sparse float32 [N, M], what item i (row) says of item j; the items that came after the
    fit have columns only, the newest of them in `late`, float32 [N, L], beside it.

    A history says x = h @ links, h_i = decay^(events after the last one of i). weight · log(1 + z)
    is added to the model's score, z >= 0 being x in units of its standard deviation over the items:
    the logarithm, as the model's score is one of a probability.
    """

    links: sparse.csr_matrix
    decay: float
    weight: float
    keep: int
    config: NeighbourConfig
    late: sparse.csr_matrix | None = None
    _kept: dict[str, sparse.csr_matrix] = field(default_factory=dict, repr=False)

    @property
    def whole(self) -> sparse.csr_matrix:
        """float32 [N, M + L]: `links` and `late` as one."""
        if self.late is None:
            return self.links
        return sparse.hstack([self.links, self.late], format="csr")

    def refit(
        self, log: EventLog, content: np.ndarray, lent: np.ndarray | None = None
    ) -> Neighbours:
        """The same settings, with the links of this log; `content` as in `heard`. `lent` [N] is the
        share of what is said of items like it that each item hears beside what is said of itself.
        """
        own = links(log, self.config, self.keep)
        found = replace(self, links=heard(own, content, self.keep), late=None, _kept={})
        if lent is None:
            return found
        said = np.bincount(own.indices, minlength=len(lent)) > 0  # the others hear all of it anyway
        rows = np.flatnonzero((lent > 0) & said)
        return found._lent(rows, lent[rows], content) if len(rows) else found

    def _lent(self, rows: np.ndarray, share: np.ndarray, content: np.ndarray) -> Neighbours:
        by_item = self.links[:, : self.links.shape[0]].T.tocsr()
        others = np.ones(by_item.shape[0], np.float32)
        others[rows[rows < len(others)]] = 0
        others = sparse.diags_array(others) @ by_item
        others.eliminate_zeros()
        others = sparse.csr_matrix(others)
        given = proxies(others, nearest_said(others, content, rows), rows, self.keep)
        given = (given @ sparse.diags_array(share.astype(np.float32))).tocoo()
        shape = self.links.shape
        more = sparse.csr_matrix((given.data, (given.row, rows[given.col])), shape)
        return replace(self, links=sparse.csr_matrix(self.links + more), _kept={})

    def with_items(self, content: np.ndarray, again: np.ndarray | None = None) -> Neighbours:
        """Links to new items too, `keep` to each at most; `content` float32 [M, D] of all items,
        the new ones last. What was there is not computed again, but for those `again` int64 [R]
        that were not fitted, which say nothing themselves.
        """
        again = np.zeros(0, np.int64) if again is None else again
        if len(again):
            says = np.zeros(len(content), bool)
            says[: self.links.shape[0]] = np.diff(self.links.indptr) > 0
            again = again[~says[again]]
        if len(again):
            all_of_it = np.ones(len(again), np.float32)
            found = self._unsaid(again)._lent(again, all_of_it, content)
            return found.with_items(content)
        there = self.links.shape[1] + (0 if self.late is None else self.late.shape[1])
        new = np.arange(there, len(content))
        if not len(new):
            return self
        if "by item" not in self._kept:
            self._kept["by item"] = self.links[:, : self.links.shape[0]].T.tocsr()
        by_item = self._kept["by item"]  # [N, N]: what is said of each fitted item
        block = proxies(by_item, nearest_said(by_item, content, new), new, self.keep)
        blocks = [block] if self.late is None else [self.late, block]
        return replace(self, late=sparse.hstack(blocks, format="csr"))

    def _unsaid(self, rows: np.ndarray) -> Neighbours:
        """Nothing said of these items int64 [R]."""
        links = self.whole
        others = np.ones(links.shape[1], np.float32)
        others[rows] = 0
        links = sparse.csr_matrix(links @ sparse.diags_array(others))
        links.eliminate_zeros()
        return replace(self, links=links, late=None, _kept={})

    def scores(self, histories: Sequences) -> sparse.csr_matrix:
        """float32 [U, M], what is added to the score of each item."""
        told = self._history(histories)
        said = (told @ self.links).tocsr()  # [U, N]
        if self.late is not None:
            said = sparse.hstack([said, told @ self.late], format="csr")
        row = np.repeat(np.arange(len(histories)), np.diff(said.indptr))
        fitted = self.links.shape[0]  # later items change nothing for the others
        own = np.where(said.indices < fitted, said.data, 0)
        sums = [np.bincount(row, own**power, minlength=len(histories)) for power in (1, 2)]
        mean, square = sums[0] / fitted, sums[1] / fitted
        spread = np.sqrt(np.maximum(square - mean**2, 0))[row]
        z = np.divide(said.data, spread, out=np.zeros_like(said.data), where=spread > 0)
        said.data = (self.weight * np.log1p(np.maximum(z, 0))).astype(np.float32)
        said.eliminate_zeros()
        return said

    def source(self, one: Sequences, code: int) -> int | None:
        """Which item of a history says most for this item; None where none does."""
        told, width = self._history(one), self.links.shape[1]
        of = self.links if code < width else self.late
        at = code if code < width else code - width
        if told.nnz == 0 or of is None or at >= of.shape[1]:
            return None
        share = told.data * of[told.indices, at].toarray().reshape(-1)
        return int(told.indices[share.argmax()]) if share.max() > 0 else None

    def _history(self, histories: Sequences) -> sparse.csr_matrix:
        """float32 [U, N] over the items that were fitted: those that came later say nothing."""
        return last_visits(histories, self.decay)[:, : self.links.shape[0]]


def last_visits(histories: Sequences, decay: float) -> sparse.csr_matrix:
    """float32 [U, N]: decay^(events after it) at the last event of each item of a history."""
    row = histories.row
    after = histories.offsets[1:][row] - 1 - np.arange(len(row))
    key = row * histories.num_items + histories.item
    _, place = np.unique(key[::-1], return_index=True)
    last = len(key) - 1 - place
    weight = np.power(decay, after[last]).astype(np.float32)
    shape = (len(histories), histories.num_items)
    return sparse.csr_matrix((weight, (row[last], histories.item[last])), shape=shape)


def links(log: EventLog, config: NeighbourConfig, keep: int) -> sparse.csr_matrix:
    """float32 [N, N], at most `keep` entries in a column; without events there are none."""
    counts = log.item_counts()
    shape = (len(counts), len(counts))
    common = np.flatnonzero(counts >= COMMON)
    if len(common) < 2:
        return sparse.csr_matrix(shape, dtype=np.float32)
    kind = config.kind
    if kind == "auto":
        kind = "ease" if len(common) <= EASE_ITEMS else "rp3beta"
    if kind == "rp3beta":
        return RP3beta.fit(log, neighbours=keep).weights
    few = log.take(log.has_item & (counts[log.item] >= COMMON))
    l2 = config.l2 or float(np.clip(5 * len(few) / len(common), 200, 700))
    model = EASE.fit(few, l2)
    return _largest(model.known, model.weights, keep, shape)


def _largest(
    known: np.ndarray, weights: np.ndarray, keep: int, shape: tuple[int, int]
) -> sparse.csr_matrix:
    """Of each column of `weights` [M, M] the `keep` of largest size, some columns at a time; no
    zeros, which say nothing.
    """
    step, parts = max(1, BLOCK // len(known)), []
    for start in range(0, len(known), step):
        columns = weights[:, start : start + step].T
        best = keep_best(np.abs(columns), keep).tocoo()
        parts.append((known[best.col], known[start + best.row], columns[best.row, best.col]))
    row, col, value = (np.concatenate(part) for part in zip(*parts, strict=True))
    found = sparse.csr_matrix((value, (row, col)), shape=shape)
    found.eliminate_zeros()
    return found


Near = tuple[np.ndarray, np.ndarray, sparse.csr_matrix | None]
"""What `likeness` returns."""


def nearest_said(
    by_item: sparse.csr_matrix, content: np.ndarray, rows: np.ndarray | None = None
) -> Near:
    """`likeness` of these rows, or of all of which nothing is said, to the items of which `by_item`
    [<= M, N] says something.
    """
    told = np.zeros(len(content), bool)
    told[: by_item.shape[0]] = np.diff(by_item.indptr) > 0
    return likeness(content, told, rows)


def heard(
    found: sparse.csr_matrix, content: np.ndarray, keep: int, near: Near | None = None
) -> sparse.csr_matrix:
    """`found` [N, <= M] with a column for each of M items: of those that no item says anything of,
    new ones above all, what is said of the items most like them.

    That is the mean of the columns of the `LIKE` nearest of the others, each times its cosine (0 if
    negative), of which the `keep` largest entries stay; `content` float32 [M, D] are the item
    vectors without the ids. `near` is `nearest_said`, if it is known.
    """
    out, by_item = found.copy(), found.T.tocsr()
    out.resize((found.shape[0], len(content)))
    near = nearest_said(by_item, content) if near is None else near
    given = proxies(by_item, near, near[1], keep).tocoo()
    at = (given.row, near[1][given.col])
    return sparse.csr_matrix(out + sparse.csr_matrix((given.data, at), shape=out.shape))


def proxies(
    by_item: sparse.csr_matrix, near: Near, new: np.ndarray, keep: int
) -> sparse.csr_matrix:
    """float32 [N, C], a column for each of the C `new` items int64, as in `heard`, from the rows of
    `by_item` [<= M, N]; of each the `keep` entries of largest size.
    """
    warm, cold, alike = near
    if alike is None:
        return sparse.csr_matrix((by_item.shape[1], len(new)), dtype=np.float32)
    step, out = max(1, CACHED // (LIKE * keep)), []
    for start in range(0, len(cold), step):
        some = alike[start : start + step]
        used, at = np.unique(some.indices, return_inverse=True)
        mean = sparse.csr_matrix((some.data, at, some.indptr), (some.shape[0], len(used)))
        said = sparse.csr_matrix(mean @ by_item[warm[used]])
        out.append(largest_of_rows(said, keep, signed=False))
    rows = sparse.vstack(out).tocoo()
    place = np.searchsorted(new, cold)  # those without a content have an empty column
    shape = (by_item.shape[1], len(new))
    return sparse.csr_matrix((rows.data.astype(np.float32), (rows.col, place[rows.row])), shape)


def likeness(content: np.ndarray, told: np.ndarray, rows: np.ndarray | None = None) -> Near:
    """Of M items with `content` float32 [M, D]: those of which something is `told` (bool [M]), W,
    and the C others (or `rows`, ascending), both int64 and only with a content that is not zero;
    and float32 [C, W], for each other the cosines of its `LIKE` nearest of the former (0 if
    negative) by their number; None where there are none.
    """
    norm = np.linalg.norm(content, axis=1)
    warm = np.flatnonzero(told & (norm > 0))
    cold = np.flatnonzero(~told) if rows is None else rows
    cold = cold[norm[cold] > 0]
    if len(warm) == 0 or len(cold) == 0:
        return warm, cold, None
    unit = content / np.maximum(norm, 1e-12)[:, None]
    k = min(LIKE, len(warm))
    many = len(warm) * len(cold) > PAIRS
    near = VectorIndex(unit[warm], kind="ivf" if many else "exact").search(unit[cold], k)
    shape, ends = (len(cold), len(warm)), np.arange(len(cold) + 1) * k
    values = np.maximum(near.score, 0).ravel() / k
    alike = sparse.csr_matrix((values.astype(np.float32), near.index.ravel(), ends), shape)
    alike.eliminate_zeros()
    alike.sort_indices()
    return warm, cold, alike


def strongest(found: sparse.csr_matrix, keep: int) -> sparse.csr_matrix:
    """Of each column the `keep` entries of largest size (ties: the smaller row)."""
    return sparse.csr_matrix(largest_of_rows(found.T.tocsr(), keep, signed=False).T)
