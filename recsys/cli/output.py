"""Data to stdout, talk to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any


class Stopped(Exception):
    """Ctrl-C, with a sentence on how to go on."""


def say(text: str) -> None:
    """Talk."""
    print(text, file=sys.stderr, flush=True)


def lines_wanted(as_json: bool) -> bool:
    """Whether stdout takes JSON lines: with --json or when piped, all that there is to say."""
    return as_json or not sys.stdout.isatty()


def show(rows: Sequence[dict[str, Any]], as_json: bool, title: str = "") -> None:
    """Rows as a table on a terminal, as JSON lines with --json or when piped."""
    if lines_wanted(as_json):
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
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


def columns_of(text: str | None, option: str = "--columns") -> dict[str, str]:
    """'user=who,item=what' as {role: column}, for the option of this name."""
    from kg.errors import UsageError

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
