"""Searches as events of a sequence: the text of a query in the space of the items' texts."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from kg.sequences import Sequences
from models.batch import Batch
from models.features import Queries
from models.items import ItemTower
from models.whitening import Whitening


class SearchEvents(nn.Module):
    """g · P x of the whitened text x of a search, with the projection P of the items' texts.

    So a search for "rain boots" stands where an item of that text would stand, without its place
    in the graph and its id. g is a learned gate.
    """

    vectors: Tensor

    def __init__(self, queries: Queries, whitening: Whitening) -> None:
        super().__init__()
        self.queries, self.whitening = queries, whitening
        vectors = torch.from_numpy(whitening.apply(queries.vectors))
        self.register_buffer("vectors", vectors, persistent=False)
        self.gate = nn.Parameter(torch.tensor(1.0))
        self._last: tuple[tuple[str, ...], np.ndarray] = ((), np.zeros(0, np.int64))

    def interleaved(self, histories: Sequences) -> Sequences:
        """Items and searches in one sequence; searches for texts that are not known left out."""
        if histories.searches is None:
            return histories
        texts = histories.searches.texts
        if self._last[0] is not texts:  # parts of one log share their texts
            self._last = texts, self.queries.texts.encode(texts, missing="negative")
        return histories.interleaved(self._last[1])

    def forward(self, batch: Batch, items: ItemTower) -> Tensor | None:
        """float32 [B, L, D], zeros at item events; None for a batch without searches."""
        if batch.query is None:
            return None
        known = self.vectors if batch.search is None else batch.search
        row, column = torch.nonzero(batch.query >= 0, as_tuple=True)
        texts, at = torch.unique(batch.query[row, column], return_inverse=True)
        told = self.gate * items.project_text(known[texts])
        out = told.new_zeros((*batch.query.shape, told.shape[1]))
        return out.index_put((row, column), told[at])
