"""Data to stdout, talk to stderr."""

from __future__ import annotations

import contextlib
import csv
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from kg.errors import BrokenLine, DataError, UsageError


class Stopped(Exception):
    """Ctrl-C, with a sentence on how to go on."""


def say(text: str) -> None:
    """Talk."""
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def skippable(skipped: bool) -> Iterator[None]:
    """Of a verb with --skip-broken: a line that it would leave out is told with how to."""
    try:
        yield
    except BrokenLine as error:
        hint = "" if skipped else " --skip-broken leaves out such lines, and keeps them beside."
        raise DataError(f"{error}{hint}") from None


@contextlib.contextmanager
def stdout() -> Iterator[TextIO]:
    """Where data go: all that is written has left at the end, or an `OSError` is raised.

    `sys.stdout` alone does neither: unbuffered (PYTHONUNBUFFERED) it takes a write that a full disk
    cut short for a whole one, buffered it finds out when Python ends.
    """
    real = sys.__stdout__
    if real is None or sys.stdout is not real:  # somebody else's, such as a test's or a notebook's
        yield sys.stdout
        return
    real.flush()
    with open(real.fileno(), "w", encoding=real.encoding, errors=real.errors, closefd=False) as out:
        yield out


def lines_wanted(as_json: bool) -> bool:
    """Whether stdout takes JSON lines: with --json or when piped, all that there is to say."""
    return as_json or not sys.stdout.isatty()


def _as_json(row: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: what is not known is null."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }


def show(rows: Sequence[dict[str, Any]], as_json: bool, title: str = "") -> None:
    """Rows as a table on a terminal, as JSON lines with --json or when piped."""
    if lines_wanted(as_json):
        with stdout() as out:
            for row in rows:
                out.write(json.dumps(_as_json(row), ensure_ascii=False, allow_nan=False) + "\n")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None)
    for name in rows[0] if rows else ():
        table.add_column(name, justify="right" if isinstance(rows[0][name], float) else "left")
    for row in rows:
        table.add_row(*(f"{v:.4f}" if isinstance(v, float) else str(v) for v in row.values()))
    Console().print(table)


def bars() -> Callable[[str], Callable[[int, int], None]]:
    """Progress of texts on stderr: a bar on a terminal, a line each quarter elsewhere."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    if not sys.stderr.isatty():
        return _plain
    from rich.console import Console

    bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                   console=Console(stderr=True))  # fmt: skip

    def start(name: str) -> Callable[[int, int], None]:
        task = bar.add_task(f"reading {name}", total=None)

        def step(done: int, total: int) -> None:
            bar.start()  # not before: texts that are cached call no step, and would not stop it
            bar.update(task, completed=done, total=total)
            if done >= total:
                bar.stop()

        return step

    return start


def _plain(name: str) -> Callable[[int, int], None]:
    told = [-1]

    def step(done: int, total: int) -> None:
        quarter = 4 * done // max(total, 1)
        if quarter > told[0]:
            told[0] = quarter
            say(f"  reading {name}: {done:,} of {total:,}")

    return step


def ids_of(text: str | None) -> list[str] | None:
    """Ids joined by commas, one that holds a comma in double quotes; or those of @FILE, one a line.
    None for None.
    """
    if text is None:
        return None
    if not text.startswith("@"):
        try:
            rows = list(csv.reader(text.splitlines(), skipinitialspace=True))
        except csv.Error as error:
            raise UsageError(f"Ids must be joined by commas: {error}. Got {text!r}.") from None
        return [key.strip() for row in rows for key in row if key.strip()]
    try:
        lines = Path(text[1:]).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise UsageError(f"{text[1:]} must be a text in UTF-8, one id a line.") from None
    return [line.strip() for line in lines if line.strip()]


def columns_of(text: str | None, option: str = "--columns") -> dict[str, str]:
    """'user=who,item=what' as {role: column}, for the option of this name."""
    out: dict[str, str] = {}
    for part in (text or "").split(","):
        if not part.strip():
            continue
        role, mark, name = part.partition("=")
        if not mark or not role.strip() or not name.strip():
            raise UsageError(
                f"{option} must be role=NAME pairs joined by commas. Got {part!r} instead."
            )
        out[role.strip()] = name.strip()
    return out
