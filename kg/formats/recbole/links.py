"""NAME.net: links between users, here a column of users that holds the ids of others."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from kg.errors import DataError
from kg.formats.atomic import read_atomic

FRIENDS = "friends"
ENDS = ("source_id", "target_id")
"""As RecBole's social library calls them; others are taken by their place."""


def with_friends(file: Path, users: pl.DataFrame | None, notes: list[str]) -> pl.DataFrame | None:
    """The users, of which those that link to others have their ids joined by '|' (`FRIENDS`)."""
    if not file.is_file():
        return users
    atomic = read_atomic(file)
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
    links = atomic.frame.select(user_id=ends[0], other=ends[1]).drop_nulls().unique()
    if bad := links.filter(pl.col("other").str.contains("|", literal=True)).height:
        notes.append(f"{bad:,} links of {file.name} were left out: '|' stands in the id.")
    links = links.filter(~pl.col("other").str.contains("|", literal=True)).sort("other")
    joined = links.group_by("user_id", maintain_order=True).agg(pl.col("other").str.join("|"))
    joined = joined.rename({"other": FRIENDS}).sort("user_id")
    said = f"{links.height:,} links between users ({file.name}) became their column {FRIENDS}"
    notes.append(f"{said}: a link has one direction.")
    if users is None:
        return joined
    return users.join(joined, "user_id", "full", coalesce=True, maintain_order="left_right")


def friends_of(users: pl.DataFrame, known: pl.Series) -> pl.DataFrame | None:
    """source, target of the column `FRIENDS`; None where it is not there or holds other than ids
    that are `known`.
    """
    if FRIENDS not in users.columns:
        return None
    links = users.select("user_id", pl.col(FRIENDS).str.split("|")).explode(FRIENDS).drop_nulls()
    if links.is_empty() or not links[FRIENDS].is_in(known.implode()).all():
        return None
    return links.rename({"user_id": ENDS[0], FRIENDS: ENDS[1]})
