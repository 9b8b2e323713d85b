"""Sums over ragged groups, where a padded matrix would be mostly empty."""

from __future__ import annotations

import torch
from torch import Tensor


def segment_logsumexp(values: Tensor, segment: Tensor, segments: int) -> Tensor:
    """log sum exp of the values [E] of each segment int64 [E]: [S], -inf for an empty one."""
    top = values.new_full((segments,), -torch.inf)
    top = top.scatter_reduce(0, segment, values.detach(), "amax")
    held = (values - top[segment]).exp()
    total = values.new_zeros(segments).index_add(0, segment, held)
    empty = total == 0
    return torch.where(empty, -torch.inf, torch.where(empty, 1, total).log() + top)
