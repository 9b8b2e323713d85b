"""A run on disk, opened by a verb and put back in its place."""

from __future__ import annotations

from pathlib import Path

from kg.folders import manifest
from recsys.cli.output import say
from recsys.recommender import Recommender
from recsys.reindex import WORN, reindexed, worn


def publish(rec: Recommender, run: Path, **facts: object) -> None:
    """A new state of a run in its old place, keeping what the manifest says of its making, but for
    `facts`, which it says from now on.
    """
    old = manifest(run, "run")
    kept = {key: old[key] for key in ("hold_out", "trained", "indexed", "facts_told") if key in old}
    rec.save(run, **(kept | facts))


def publish_items(rec: Recommender, run: Path) -> None:
    """The same after items came or went: with a new index if the old one has missed many of them,
    as good as the old one was asked to be.
    """
    if worn(rec) > WORN:
        from recsys.index_plan import IndexConfig

        told = manifest(run, "run").get("indexed", {})
        rec, choice = reindexed(rec, IndexConfig(**told))
        say(f"The index is made anew ({choice.kind}): many items came or went since.")
    publish(rec, run)
