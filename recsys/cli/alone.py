"""Verbs that change a run, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any


def changes_run(verb: Callable[..., None]) -> Callable[..., None]:
    """The verb, during which nobody else changes its `run`: what it reads is what it replaces."""

    @wraps(verb)
    def one_after_the_other(run: Path, **told: Any) -> None:
        from kg.folders import changing, manifest

        manifest(run, "run")
        import recsys.cli.runs  # noqa: F401 (takes seconds for which nobody should have to wait)

        with changing(run):
            verb(run=run, **told)

    return one_after_the_other
