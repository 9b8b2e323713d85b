"""`recommend --all` and `intents --all`: every user in one streaming pass."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from kg.folders import whole_file
from recsys.cli.output import say, stdout
from recsys.recommender import Recommender


def write_all(
    rec: Recommender, out: Path | None, k: int, filter_seen: bool | None, filters: dict[str, Any],
    json: bool,
) -> None:  # fmt: skip
    """user_id, item_id, score, rank of every user."""
    frames = rec.recommend_all(k, filter_seen=filter_seen, **filters)
    write_frames(frames, out, json, len(rec.log.users))


def write_frames(frames: Iterable[pl.DataFrame], out: Path | None, json: bool, users: int) -> None:
    """CSV or JSON lines, to a file (whole or not) or to stdout, of so many users."""
    started = time.perf_counter()
    parts = (_text(frame, json, first=number == 0) for number, frame in enumerate(frames))
    with whole_file(out) if out is not None else stdout() as handle:
        for part in parts:
            handle.write(part)
    if out is None:
        return
    seconds = time.perf_counter() - started
    say(f"{out}: {users:,} users in {seconds:.1f} s ({users / seconds:,.0f} a second).")


def _text(frame: pl.DataFrame, json: bool, *, first: bool) -> str:
    return frame.write_ndjson() if json else frame.write_csv(include_header=first)
