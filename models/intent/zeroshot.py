"""Named intents without a single label: how near a text is to what each intent is said to be."""

from __future__ import annotations

import numpy as np

from kg.errors import UsageError
from models.text.encoder import unit_rows

TEMPERATURE = 0.1


def zero_shot(
    text: np.ndarray,
    intent: np.ndarray,
    *,
    mean: np.ndarray | None = None,
    temperature: float = TEMPERATURE,
) -> np.ndarray:
    """float32 [n, L], p(l | text) = softmax over l of cos(t - m, i_l - mean(i)) / temperature.

    text [n, T] and intent [L, T] are vectors of one encoder; intents from their descriptions
    (`kg.intents.taxonomy.describe`). The means are taken away because the vectors of an encoder
    such as e5 share a direction that says nothing (all cosines lie in .7 to .9) and would drown
    what tells intents apart (Mu and Viswanath, All-but-the-Top, ICLR 2018, the first of their
    steps). `mean` m [T] is that of many texts, of the kind that is asked; without it the mean of
    the intents stands for it. The probabilities are not calibrated: the temperature decides how
    sure they look. A text without a vector (zero) gives 1 / L everywhere; L must be at least 2.
    """
    text, intent = np.asarray(text, np.float32), np.asarray(intent, np.float32)
    if text.ndim != 2 or intent.ndim != 2 or text.shape[1] != intent.shape[1]:
        raise UsageError(
            "zero_shot needs vectors [n, T] and [L, T] of one width. "
            f"Got {list(text.shape)} and {list(intent.shape)} instead."
        )
    if len(intent) < 2:
        raise UsageError(f"zero_shot needs at least 2 intents. Got {len(intent)} instead.")
    if not temperature > 0:
        raise UsageError(
            f"The 'temperature' of zero_shot must be above 0. Got {temperature} instead."
        )
    middle = intent.mean(0)
    told = text.any(1, keepdims=True)
    asked = unit_rows((text - (middle if mean is None else mean)) * told)
    cosine = asked @ unit_rows(intent - middle).T  # [n, L]
    raised = np.exp((cosine - cosine.max(1, keepdims=True, initial=-1.0)) / temperature)
    return (raised / raised.sum(1, keepdims=True)).astype(np.float32)
