"""The verbs of `kgintent items`: what a run recommends, without training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recsys.cli.alone import changes_run
from recsys.cli.options import Columns, ItemVectors, Run

items_app = typer.Typer(
    help="Add or remove items of a run, or say what is in stock.", no_args_is_help=True
)


@items_app.command("add")
@changes_run
def items_add(
    run: Run,
    file: Annotated[Path, typer.Argument(help="Items, with the columns of the item table.")],
    columns: Columns = None,
    vectors: ItemVectors = None,
) -> None:
    """Add items (or change them) and publish; they are recommendable at once. Of an item that is
    there, what the file has no column for stays as it was.
    """
    from recsys.cli.adding import read_items, say_added
    from recsys.cli.building import with_vectors
    from recsys.cli.output import columns_of, say
    from recsys.cli.runs import publish_items
    from recsys.recommender import Recommender
    from recsys.serving.adding import with_items

    rec = Recommender.load(run)
    mapping = columns_of(columns)
    new, aside = with_vectors(read_items(rec, file, mapping), vectors or [], mapping)
    others = rec.items.find(aside.filter(reason="unknown item")["id"].to_list()) >= 0
    if others.any():
        say(f"  {others.sum():,} of these vectors are of items of the run that {file} does not "
            "name: to renew them, give a table of their ids alone.")  # fmt: skip
    found, told = with_items(rec, new)
    publish_items(found, run)
    say_added(run, rec, found, new, told)


@items_app.command("remove")
@changes_run
def items_remove(
    run: Run, item: Annotated[list[str], typer.Option(help="An item id; may be repeated.")]
) -> None:
    """Remove items from every answer and publish."""
    from recsys.cli.output import say
    from recsys.cli.runs import publish_items
    from recsys.recommender import Recommender

    before = Recommender.load(run)
    rec = before.without_items(item)
    publish_items(rec, run)
    left = int(rec.items.living.sum())
    gone = int(before.items.living.sum()) - left
    again = len(set(item)) - gone
    more = f" ({again:,} removed before)" if again else ""
    say(f"{run}: {gone:,} removed{more}, {left:,} in all.")


@items_app.command("stock")
@changes_run
def items_stock(
    run: Run,
    file: Annotated[
        Path | None,
        typer.Argument(help="Items with a column in_stock (or stock): yes, no or how many."),
    ] = None,
    out: Annotated[list[str] | None, typer.Option("--out", help="An id that is sold out.")] = None,
    back: Annotated[list[str] | None, typer.Option("--in", help="An id that is back.")] = None,
    columns: Columns = None,
) -> None:
    """Items that are sold out in no answer until they are back; publish. Those of the file that
    the run has not are left out, and told.
    """
    from recsys.cli.output import columns_of, say
    from recsys.cli.runs import publish_items
    from recsys.cli.stock import stock_flags, usable_flags
    from recsys.recommender import Recommender

    typed = [*(out or []), *(back or [])]
    flags = stock_flags(file, out or [], back or [], columns_of(columns))
    rec = Recommender.load(run)
    flags, left = usable_flags(flags, rec.items, typed, file)
    rec = rec.with_stock(flags)
    publish_items(rec, run)
    if left:
        say(f"  left out: {left}")
    gone = int(rec.items.absent.sum())
    say(
        f"{run}: {len(flags):,} items told of, {gone:,} of {rec.items.living.sum():,} out of stock."
    )
