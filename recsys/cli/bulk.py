"""`kgintent recommend --all`: every user in one streaming pass."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from kg.errors import UsageError
from kg.folders import whole_file
from recsys.cli.output import say
from recsys.recommender import Recommender


def write_all(
    rec: Recommender, out: Path | None, k: int, filter_seen: bool | None, filters: dict[str, Any]
) -> None:
    """user_id,item_id,score,rank as CSV, to a file (renamed when whole) or to stdout."""
    started = time.perf_counter()
    frames = rec.recommend_all(k, filter_seen=filter_seen, **filters)
    if out is None:
        for number, frame in enumerate(frames):
            sys.stdout.write(frame.write_csv(include_header=number == 0))
        return
    if out.is_dir():
        raise UsageError(f"{out} is a folder; name a file.")
    with whole_file(out) as handle:
        for number, frame in enumerate(frames):
            handle.write(frame.write_csv(include_header=number == 0))
    seconds = time.perf_counter() - started
    users = len(rec.log.users)
    say(f"{out}: {users:,} users in {seconds:.1f} s ({users / seconds:,.0f} a second).")
