"""What is usual for items of this kind: the mean popularity of its categories, or of one's own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from kg.errors import UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from recsys.baselines.base import history_matrix, training_matrix


@dataclass(frozen=True, eq=False)
class KindPopularity:
    """score_j = mean over the kinds c of item j of m_c p_c; a warm item's own events count too.

    m_c is the mean of the training events of the warm items of kind c. p_c is 1 or, if `personal`,
    the share of the history's entries in kind c, plus 1 / C (C kinds): an empty history gets the
    usual order. A warm item has half of that and half of its own events in place of m_c. Items
    without a kind and without events are -inf.

    kinds: sparse float32 [N, C], the rows of items with a kind sum to 1. usual: float32 [C].
    counts: float32 [N].
    """

    kinds: sparse.csr_matrix
    usual: np.ndarray
    counts: np.ndarray
    personal: bool
    name: str = "popularity of the kind"

    @classmethod
    def fit(cls, kinds: sparse.csr_matrix, log: EventLog, personal: bool = False) -> KindPopularity:
        """`kinds` [N, C], above 0 where an item is of a kind."""
        if kinds.shape[0] != len(log.items):
            raise UsageError(
                f"The 'kinds' of KindPopularity.fit must be [{len(log.items)}, C]. "
                f"Got {list(kinds.shape)} instead."
            )
        training_matrix(log)
        counts = log.item_counts().astype(np.float32)
        member = sparse.csr_matrix(kinds > 0, dtype=np.float32)
        warm = member.T @ (counts > 0).astype(np.float32)
        usual = (member.T @ counts) / np.maximum(warm, 1)
        each = np.maximum(np.asarray(member.sum(axis=1)).ravel(), 1)
        shares = sparse.csr_matrix(sparse.diags(1 / each) @ member, dtype=np.float32)
        return cls(shares, usual.astype(np.float32), counts, personal)

    def scores(self, histories: Sequences) -> np.ndarray:
        """float32 [U, N]."""
        own = history_matrix(histories, len(self.counts))
        many = self.kinds.shape[1]
        taste = np.ones((len(histories), many), np.float32)
        if self.personal:
            met = np.asarray((own @ self.kinds).todense())
            taste = met / np.maximum(met.sum(axis=1, keepdims=True), 1) + np.float32(1 / many)
        usual = np.asarray((self.kinds @ (taste * self.usual).T).T)  # [U, N]
        liked = np.asarray((self.kinds @ taste.T).T)
        no_kind = np.diff(self.kinds.indptr) == 0
        liked[:, no_kind] = 1
        warm = self.counts > 0
        out = np.where(warm, (usual + liked * self.counts) / 2, usual).astype(np.float32)
        out[:, no_kind & ~warm] = -np.inf
        return out
