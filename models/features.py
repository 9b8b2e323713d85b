"""What a model may know beyond texts and the graph: any number of named vectors.

All of it is optional, costs nothing when it is absent, and adds exactly nothing where one item or
person lacks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from kg.catalog import Catalog
from kg.errors import DataError, UsageError
from models.whitening import Whitening


@dataclass(frozen=True)
class Features:
    """items: float32 [N, W] of every item by name, a row of zeros where one is missing.

    `whitening` of each is fitted on the items seen in training and kept with the run.
    """

    items: Mapping[str, np.ndarray] = field(default_factory=dict)
    whitening: Mapping[str, Whitening] = field(default_factory=dict)

    @classmethod
    def of(cls, catalog: Catalog, whitening: Mapping[str, Whitening] | None = None) -> Features:
        """The vectors of a catalogue; without `whitening` the model fits its own."""
        items = {v.name: v.dense(len(catalog)) for v in catalog.vectors}
        return cls(items, whitening or {})

    def fitted(self, train_items: np.ndarray, dim: int) -> Features:
        """With a whitening of at most `dim` directions for each vector that has none yet.

        train_items int64 [M]: the items that occur in training.
        """
        fitted = {
            name: self.whitening.get(name) or Whitening.fit(x, train_items, dim)
            for name, x in self.items.items()
        }
        return replace(self, whitening=fitted)

    def whitened(self) -> dict[str, Tensor]:
        """float32 [N, W'] by name."""
        return {name: torch.from_numpy(self.whitening[name].apply(x))
                for name, x in self.items.items()}  # fmt: skip

    def of_new(self, new: Catalog) -> dict[str, Tensor]:
        """The whitened vectors of new items, float32 [M, W'] by name; any name may be lacking.

        `UsageError` for a name that training did not know, `DataError` for another width.
        """
        out: dict[str, Tensor] = {}
        for vectors in new.vectors:
            if vectors.name not in self.items:
                known = ", ".join(self.items) or "none"
                raise UsageError(
                    f"New items may have the vectors that training had ({known}). "
                    f"Got {vectors.name!r} instead."
                )
            width = self.items[vectors.name].shape[1]
            if vectors.width != width:
                raise DataError(
                    f"The vectors {vectors.name!r} must have {width} numbers, as in training. "
                    f"Got {vectors.width} instead."
                )
            whitened = self.whitening[vectors.name].apply(vectors.dense(len(new)))
            out[vectors.name] = torch.from_numpy(whitened)
        return out
