"""A run on disk, opened by a verb and put back in its place."""

from __future__ import annotations

from pathlib import Path

from kg.folders import manifest
from recsys.cli.output import say
from recsys.index_plan import IndexConfig
from recsys.recommender import Recommender
from recsys.reindex import WORN, outgrown, reindexed, worn

KEPT = ("hold_out", "trained", "indexed", "indexed_items", "facts_told")
"""What the manifest says of a run's making. `indexed`: the `IndexConfig` that was asked for, if it
was; `indexed_items`: of so many rows the index was chosen, if that was not at the training."""


def publish(rec: Recommender, run: Path, **facts: object) -> None:
    """A new state of a run in its old place, keeping what the manifest says of its making, but for
    `facts`, which it says from now on.
    """
    old = manifest(run, "run")
    kept = {key: old[key] for key in KEPT if key in old}
    rec.save(run, **(kept | facts))


def publish_items(rec: Recommender, run: Path) -> None:
    """The same after items came or went: with a new index if the old one has missed many of them or
    another kind is due by now, as good as the old one was asked to be.
    """
    told = manifest(run, "run")
    config = IndexConfig(**told.get("indexed", {}))
    many = worn(rec) > WORN
    if not many and not outgrown(rec, config, told.get("indexed_items", rec.items.trained)):
        publish(rec, run)
        return
    rec, choice = reindexed(rec, config)
    why = "many items came or went since" if many else choice.reason
    say(f"The index is made anew ({choice.kind}): {why}.")
    publish(rec, run, indexed_items=len(rec.items))
