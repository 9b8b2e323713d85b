"""NAME.net: links between users, here a column of users that holds the ids of others."""

from __future__ import annotations

import itertools
from pathlib import Path

import polars as pl

from kg.errors import DataError
from kg.formats.atomic import Atomic, read_atomic
from kg.tables import open_bytes

FRIENDS = "friends"
ENDS = ("source_id", "target_id")
"""As RecBole's social library calls them; others are taken by their place."""


def with_friends(file: Path, users: pl.DataFrame | None, notes: list[str]) -> pl.DataFrame | None:
    """The users, of which those that link to others have their ids joined by '|' (`FRIENDS`)."""
    if not file.is_file():
        return users
    atomic = _read(file)
    if atomic is None:
        notes.append(f"{file.name} holds no links between users.")
        return users
    tokens = atomic.of_type("token")
    ends = ENDS if set(ENDS) <= set(tokens) else tuple(tokens[:2])
    if len(ends) != 2:
        raise DataError(
            f"{file}, line 1, must name two columns of users, such as source_id:token and "
            f"target_id:token. Got {', '.join(atomic.types)} instead."
        )
    if users is not None and FRIENDS in users.columns:
        count = f"{atomic.frame.height:,} links between users ({file.name})"
        notes.append(f"{count} were left out: the users have a column {FRIENDS} already.")
        return users
    every = atomic.frame.select(user_id=ends[0], other=ends[1])
    odd = pl.col("other").str.contains("|", literal=True) | (pl.col("user_id") == pl.col("other"))
    links = every.drop_nulls().filter(~odd).unique().sort("other")
    lost = every.height - every.drop_nulls().filter(~odd).height
    if lost:
        notes.append(f"{lost:,} links of {file.name} were left out: an end is empty, holds '|', or "
                     "is the user's own.")  # fmt: skip
    if rest := [name for name in atomic.types if name not in ends]:
        notes.append(f"Columns of {file.name} were left out: {', '.join(rest)}.")
    if links.is_empty():
        return users
    joined = links.group_by("user_id", maintain_order=True).agg(pl.col("other").str.join("|"))
    joined = joined.rename({"other": FRIENDS}).sort("user_id")
    said = f"{links.height:,} links between users ({file.name}) became their column {FRIENDS}"
    notes.append(f"{said}: a link has one direction.")
    if users is None:
        return joined
    return users.join(joined, "user_id", "full", coalesce=True, maintain_order="left_right")


def _read(file: Path) -> Atomic | None:
    """None where there is no row."""
    with open_bytes(file) as handle:
        rows = sum(1 for line in itertools.islice(handle, 2) if line.strip())
    return read_atomic(file) if rows > 1 else None


def friends_of(users: pl.DataFrame, known: pl.Series) -> pl.DataFrame | None:
    """source, target of the column `FRIENDS`; None where it is not there or mostly holds other than
    ids that are `known`.
    """
    if FRIENDS not in users.columns:
        return None
    links = users.select("user_id", pl.col(FRIENDS).str.split("|")).explode(FRIENDS).drop_nulls()
    if links.is_empty() or 2 * links[FRIENDS].is_in(known.implode()).sum() < links.height:
        return None
    return links.rename({"user_id": ENDS[0], FRIENDS: ENDS[1]})
