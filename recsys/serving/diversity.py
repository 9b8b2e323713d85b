"""Lists that are less alike: from more answers than asked for, those that add something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kg.errors import UsageError
from models.text.encoder import unit_rows

POOL = 10
"""So many times k answers are looked at, but at least a hundred."""


@dataclass(frozen=True)
class Spread:
    """`diversity` in [0, 1]: how much a list minds what is like what it has; `at_most`: by name of
    a fact, how many items with the same value it may hold.
    """

    diversity: float = 0.0
    at_most: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, diversity: object, at_most: object) -> Spread | None:
        """None if nothing is asked for; `UsageError` for what is no share and no count."""
        if (
            isinstance(diversity, bool) or not isinstance(diversity, int | float)
            or not 0 <= diversity <= 1
        ):  # fmt: skip
            raise UsageError(
                "The 'diversity' of Recommender.recommend must be a number in [0, 1]. "
                f"Got {diversity!r} instead."
            )
        caps = {} if at_most is None else at_most
        if not isinstance(caps, Mapping) or not all(
            isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in caps.values()
        ):
            raise UsageError(
                "The 'at_most' of Recommender.recommend must map names of facts to counts >= 1. "
                f"Got {at_most!r} instead."
            )
        return cls(float(diversity), caps) if diversity or caps else None

    def pool(self, k: int) -> int:
        """How many answers it chooses k from."""
        return max(POOL * k, 100)

    def chosen(
        self, scores: np.ndarray, vectors: np.ndarray, values: Mapping[str, list[set[str]]], k: int
    ) -> list[int]:
        """Places in a list of scores float32 [M], highest first: at most k of them, taken one by
        one by the largest (1 - d) s - d max_j cos(v, v_j) over those taken before, s the score
        scaled so that it is in [0, 1] within the first `pool(k)`, as far as the caps on `values`
        (by fact and place) allow.

        Maximal marginal relevance: Carbonell and Goldstein, SIGIR 1998.
        """
        first = scores[: self.pool(k)]
        width = float(np.ptp(first)) if len(first) else 0.0
        good = (scores - first.min()) / width if width > 0 else np.zeros(len(scores))
        unit = unit_rows(vectors) if self.diversity else vectors
        near = np.zeros(len(scores))
        left = np.ones(len(scores), bool)
        sharing = {name: _places(values[name]) for name in self.at_most}
        counts: Counter[tuple[str, str]] = Counter()
        out: list[int] = []
        while len(out) < k and left.any():
            gain = (1 - self.diversity) * good - self.diversity * near
            place = int(np.where(left, gain, -np.inf).argmax())
            left[place] = False
            out.append(place)
            for name, most in self.at_most.items():
                for value in values[name][place]:
                    counts[name, value] += 1
                    if counts[name, value] == most:
                        left[sharing[name][value]] = False
            if self.diversity:
                near = np.maximum(near, unit @ unit[place])
        return out


def _places(values: Sequence[set[str]]) -> dict[str, list[int]]:
    """Where each value stands."""
    out: dict[str, list[int]] = {}
    for place, some in enumerate(values):
        for value in some:
            out.setdefault(value, []).append(place)
    return out
