"""Which words or events of a text moved a label: by leaving each out, or by gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kg.errors import UsageError, suggest
from models.intent.attribution import Attribution, Weighed, kept, spans_of
from models.intent.contract import TextClassifier
from models.intent.gradients import chain_of, integrated
from models.text.spans import Span

HOW = ("removal", "gradients")
STEPS = 64
"""Points of the integral of gradients."""


def attribute(
    classifier: TextClassifier, text: str, label: str, how: str = "removal", units: str = "words"
) -> Attribution:
    """What each piece of the text adds to the label's logit, by "removal" or "gradients".

    Raises `UsageError` for a label that was not learned and for another `how` or `units`.
    """
    if how not in HOW:
        raise UsageError(
            f"'how' to explain must be one of {', '.join(HOW)}. Got {how!r} instead."
            f"{suggest(how, list(HOW))}"
        )
    method = by_removal if how == "removal" else by_gradients
    return method(classifier, text, label, units)


def by_removal(
    classifier: TextClassifier, text: str, label: str, units: str = "words"
) -> Attribution:
    """weight_i = z(text) - z(text without piece i) for the label's logit z; any classifier.

    Erasure: Li, Monroe & Jurafsky 2016, arXiv:1612.08220. Pieces that say the same twice each
    weigh little, as the other one is still there.
    """
    column, spans = _column(classifier, label), spans_of(text, units)
    rest = [[other for other in range(len(spans)) if other != at] for at in range(len(spans))]
    texts = [text, *(kept(text, spans, numbers) for numbers in rest)]
    logits = classifier.read(texts).logits[:, column].astype(np.float64)
    weights = (logits[0] - logits[1:]).tolist()
    pieces = tuple(Weighed(start, end, text[start:end], weight)
                   for (start, end), weight in zip(spans, weights, strict=True))  # fmt: skip
    return Attribution(text, label, pieces, float(logits[0]), "removal")


def by_gradients(
    classifier: TextClassifier, text: str, label: str, units: str = "words", steps: int = STEPS
) -> Attribution:
    """Integrated gradients of the label's logit from [PAD] to each word (`gradients.integrated`).

    Of classifiers that read by BERT; needs the extra [explain]. What BERT does not read, beyond its
    `max_tokens`, weighs 0. Words that share a token are one piece.
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise UsageError(f"The 'steps' of by_gradients must be an int >= 1. Got {steps!r} instead.")
    column, spans = _column(classifier, label), spans_of(text, units)
    chain = chain_of(classifier)
    logit = float(classifier.read([text]).logits[0, column])
    if not spans:
        return Attribution(text, label, (), logit, "gradients", 0.0)
    tokens, error = integrated(chain, text, column, steps)
    return Attribution(text, label, _merged(text, spans, tokens), logit, "gradients", error)


def _merged(
    text: str, spans: Sequence[Span], tokens: Sequence[tuple[Span, float]]
) -> tuple[Weighed, ...]:
    """The weights of tokens added up by piece; pieces that one token reaches over become one.

    A token between two pieces belongs to the later one, behind the last to that.
    """
    starts, ends = np.array(spans).T
    weight = np.zeros(len(spans))
    alone = np.ones(len(spans), bool)  # not one with the piece before
    for (start, end), value in tokens:
        first = min(int(np.searchsorted(ends, start, "right")), len(spans) - 1)
        last = max(first, int(np.searchsorted(starts, end, "left")) - 1)
        weight[first] += value
        alone[first + 1 : last + 1] = False
    at = np.flatnonzero(alone)
    stop = np.append(ends[at[1:] - 1], ends[-1])
    rows = zip(starts[at].tolist(), stop.tolist(), np.add.reduceat(weight, at).tolist(),
               strict=True)  # fmt: skip
    return tuple(Weighed(start, end, text[start:end], total) for start, end, total in rows)


def _column(classifier: TextClassifier, label: str) -> int:
    if label not in classifier.labels:
        raise UsageError(
            f"The 'label' to explain must be one that was learned. Got {label!r} instead."
            f"{suggest(label, list(classifier.labels))}"
        )
    return classifier.labels.index(label)
