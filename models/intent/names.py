"""What the labels are called, as one more example of each: much where there are few."""

from __future__ import annotations

import re

import numpy as np

from models.intent.folds import FOLDS, fifths
from models.intent.linear import fit_linear, loss_of

FEW = 20
"""Up to so many texts a label its name is tried."""


def spoken(label: str) -> str:
    """A label as one would say it: 'card_arrival', 'card-arrival' and 'CardArrival' 'card arrival'.

    What has no letter in it says nothing.
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.sub(r"[\W_]+", " ", label)).strip().casefold()
    return words if any(sign.isalpha() for sign in words) else ""


def names_help(
    names: np.ndarray, called: np.ndarray, x: np.ndarray, carries: np.ndarray, many: bool,
    rng: np.random.Generator,
) -> bool:  # fmt: skip
    """Whether names [K, D] that are called bool [K, L], learned beside the texts x [n, D], make
    those of another fifth more probable: 'card_arrival' says something, 'L7' does not.

    Where each label has one text only, whether the names alone say more of them than that any
    label is as likely.
    """
    fold = fifths(carries, rng)
    if (fold < 0).all():
        told = loss_of(*fit_linear(names, called, many), x, carries, many)
        return not many and told < np.log(carries.shape[1])
    gain, one, other = 0.0, None, None
    for number in range(FOLDS):
        if not (judged := fold == number).any():
            continue
        rest, theirs = x[~judged], carries[~judged]
        one = fit_linear(rest, theirs, many, start=one)
        other = fit_linear(
            np.concatenate([rest, names]), np.concatenate([theirs, called]), many,
            start=other or one,
        )  # fmt: skip
        less, more = (loss_of(*found, x[judged], carries[judged], many) for found in (other, one))
        gain += (more - less) * judged.sum()
    return bool(gain > 0)
