"""Who hears of it when a training does something else than was asked for.

A command tells everything on stderr. In Python nobody listens unless `say` is given, and yet what
changes a result (another encoder, facts left out) must not pass in silence: it is a warning then.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable

Say = Callable[[str], None]
_OURS = ("kg.", "models.", "recsys.")


class Otherwise(UserWarning):
    """A training does what the data ask for in place of what was asked for."""


def silent(text: str) -> None:
    """Nobody hears of what only passes the time."""


def noticed(say: Say | None) -> Say:
    """`say`, or a warning where there is none."""
    return _warn if say is None else say


def _warn(text: str) -> None:
    """As of the line outside of these packages that asked for it."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals["__name__"].startswith(_OURS):
        level, frame = level + 1, frame.f_back
    warnings.warn(text.strip(), Otherwise, stacklevel=level)
