"""How far a person is with what they want: browsing, comparing or buying.

A rule, not a model: it can be read, and it says something only where a log has the behaviours
that it looks for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from kg.errors import UsageError
from kg.intents.labels import IntentLabels
from kg.schema import behaviour_named

Stage = Literal["browsing", "comparing", "buying"]
BUYING = frozenset({"cart", "checkout", "purchase"})
LOOKING = frozenset({"view", "click"})
LAST = 3
"""So many newest events may hold the step to buy."""
LOOKED = 8
"""So many newest events are looked at for things compared."""


def stage(
    behaviours: Sequence[str], items: Sequence[int] = (), labels: IntentLabels | None = None
) -> Stage:
    """The stage after these events, oldest first; `items` are their codes (-1: none).

    buying     a cart, checkout or purchase among the last 3 events
    comparing  else, among the last 8: a favourite, or views or clicks of two different items that
               share a label
    browsing   else
    """
    if len(items) not in (0, len(behaviours)):
        raise UsageError(
            f"stage needs one item per behaviour ({len(behaviours)}) or none. Got {len(items)}."
        )
    names = [behaviour_named(name).name for name in behaviours]
    if BUYING.intersection(names[-LAST:]):
        return "buying"
    pairs = zip(names[-LOOKED:], list(items)[-LOOKED:], strict=False)
    looked = {item for name, item in pairs if name in LOOKING}
    if "favourite" in names[-LOOKED:] or _share(looked, labels):
        return "comparing"
    return "browsing"


def _share(items: set[int], labels: IntentLabels | None) -> bool:
    """Whether two of these items have a label in common; an item without labels has none."""
    if labels is None:
        return False
    known = [item for item in items if 0 <= item < labels.item.shape[0]]
    counts = Counter(label for item in known for label in labels.of_item(item))
    return max(counts.values(), default=0) > 1
