"""The verbs of `kgintent events`: what people did since a run was trained, and who is forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recsys.cli.alone import changes_run
from recsys.cli.options import Columns, Run

events_app = typer.Typer(
    help="What people did since a run was trained, or whose events are to go, without training.",
    no_args_is_help=True,
)


@events_app.command("add")
@changes_run
def events_add(
    run: Run,
    file: Annotated[Path, typer.Argument(help="Events, with the columns of the event table.")],
    columns: Columns = None,
    refit: Annotated[
        bool, typer.Option(help="Neighbours, factors and habits learn of them (seconds).")
    ] = True,
    set_aside: Annotated[
        Path | None,
        typer.Option(help="A CSV file to make of what was kept aside, with the reasons."),
    ] = None,
) -> None:
    """Add events and publish: histories, new people, popularity, items that warm up."""
    from kg.errors import UsageError
    from kg.events import EventLog
    from kg.folders import whole_file
    from recsys.cli.output import columns_of, say
    from recsys.cli.runs import publish_items
    from recsys.recommender import Recommender
    from recsys.serving.live import with_events

    if set_aside is not None and (set_aside.is_dir() or set_aside.resolve() == file.resolve()):
        raise UsageError(f"--set-aside must be a file to make, other than {file}. Got {set_aside}.")
    rec = Recommender.load(run)
    log = EventLog.read(
        file, columns=columns_of(columns), use_time=rec.log.time is not None,
        ordered=rec.log.ordered, own=rec.log.behaviours,
    )  # fmt: skip
    found, report = with_events(rec, log, refit=refit)
    if found is not rec:
        publish_items(found, run)
    say(f"{file}: {report}")
    if set_aside is not None:
        with whole_file(set_aside) as handle:
            handle.write(report.aside.write_csv())
    if rec.log.time is None:
        say("  without times nobody can tell events that the run holds already: all are counted")
    say(f"{run}: {len(found.log):,} events of {len(found.log.users):,} people, "
        f"{len(found.log.users) - len(rec.log.users):,} of them new.")  # fmt: skip


@events_app.command("remove")
@changes_run
def events_remove(
    run: Run,
    user: Annotated[list[str], typer.Option(help="A user id; may be repeated.")],
    refit: Annotated[
        bool, typer.Option(help="Neighbours, factors and habits are fitted anew without them.")
    ] = True,
) -> None:
    """Forget people: their events, profiles and ids leave the run; publish."""
    from recsys.cli.output import say
    from recsys.cli.runs import publish_items
    from recsys.recommender import Recommender

    rec = Recommender.load(run)
    found = rec.without_users(user, refit=refit)
    publish_items(found, run)
    say(f"{run}: {len(set(user)):,} people removed with {len(rec.log) - len(found.log):,} events, "
        f"{len(found.log):,} events of {len(found.log.users):,} people are left.")  # fmt: skip
    say("  The weights keep what they learned of them: only a training on data that were built "
        "without them takes that back.")  # fmt: skip
