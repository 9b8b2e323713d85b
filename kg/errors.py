"""The two kinds of mistake that a person can repair.

`UsageError` is misuse (a wrong option, an id that is not there): the command line exits with 2.
`DataError` is a file or folder that does not hold what it must: it exits with 1.
Each message says what, where, the rule, and the value found.
"""

from __future__ import annotations

from collections.abc import Sequence


class UsageError(ValueError):
    """The call is wrong: another argument would make it right."""


class DataError(ValueError):
    """The data are wrong: another file, or a mended one, would make it right."""


class BrokenLine(DataError):
    """A line cannot be read that may be left out: the reader takes a `kg.broken.Broken`."""


def check_one_of(name: object, known: Sequence[str], what: str) -> None:
    """`UsageError` unless the name is one of these: a typo must not choose something else."""
    if not isinstance(name, str) or name not in known:
        raise UsageError(
            f"{what} must be {', '.join(known[:-1])} or {known[-1]}. Got {name!r} instead."
            f"{suggest(str(name), list(known))}"
        )


def suggest(name: str, known: list[str], least: float = 0.6) -> str:
    """' Did you mean 'x'?' for the nearest known name that is `least` alike, or an empty string."""
    import difflib

    near = difflib.get_close_matches(name, known, n=1, cutoff=least)
    return f" Did you mean {near[0]!r}?" if near else ""
