"""What `kgintent items add` reads, and what it says of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kg.catalog import Catalog, read_catalog
from kg.errors import UsageError
from kg.ids import but_for_zeros, zeros_told
from recsys.cli.output import say
from recsys.cli.stock import COLUMNS as STOCK
from recsys.cli.told import say_unused
from recsys.recommender import Recommender
from recsys.serving.adding import Added
from recsys.serving.answers import tell_unknown


def read_items(rec: Recommender, file: Path, columns: Mapping[str, str]) -> Catalog:
    """The items of a table; a column that the run knows as facts or numbers is read as such.

    Numbers that came since the training count only where it had no facts of this name: of sizes,
    one feed may hold numbers alone. `UsageError` for a table of nothing but what is in stock.
    """
    trained = {r[1] for r in rec.model.graph.fact_relations if r[0] == "item"}
    trained |= {attribute.name for attribute in rec.catalog.attributes}
    facts = trained.union(*rec.items.told.values())
    numbers = {*rec.catalog.numbers} | ({*rec.items.numbers} - trained)
    found = read_catalog(file, columns=columns, facts=facts, numbers=numbers)
    new = found.catalog
    said = {a.name for a in new.attributes} | {*new.numbers} | {*found.unused}
    strange = said - facts - {*rec.items.numbers}
    if said == strange and {*found.roles} == {"item_id"} and _of_stock(said):
        raise UsageError(
            f"{file} says only what is in stock ({', '.join(sorted(said))}): "
            "`kgintent items stock` reads it."
        )
    say_unused(found)
    return new


def _of_stock(columns: set[str]) -> bool:
    return bool(columns) and all(name.lower() in STOCK["in_stock"] for name in columns)


def say_added(run: Path, rec: Recommender, found: Recommender, new: Catalog, told: Added) -> None:
    """What became of the items of a table, and what of them may be a mistake."""
    tell_unknown(new.ids.ids, told.silent)
    if told.unmatched:
        counts = ", ".join(f"{count:,} of {name}" for name, count in told.unmatched.items())
        say(f"  values that the graph does not know, so that only filters see them: {counts}")
    said = {a.name for a in new.attributes} | {*new.numbers}
    for name in sorted(name for name in said if _of_stock({name})):
        say(f"  {name} is no more than a column here: `kgintent items stock {run} FILE` reads what "
            "is in stock")  # fmt: skip
    if told.kept:
        say(f"  known items keep what the file has no column for: {', '.join(told.kept)}")
    strange = rec.items.find(new.ids.ids) < 0
    fresh = [key for key, new_one in zip(new.ids.ids, strange.tolist(), strict=True) if new_one]
    if pairs := but_for_zeros(fresh, rec.items.ids):
        say(f"  {zeros_told(pairs)}. These articles now stand in lists twice: `kgintent items "
            f"remove {run} --item {pairs[0][0]}` takes one out.")  # fmt: skip
    say(f"{run}: {told.new:,} new, {told.replaced:,} replaced, {told.unchanged:,} unchanged, "
        f"{found.items.living.sum():,} in all.")  # fmt: skip
