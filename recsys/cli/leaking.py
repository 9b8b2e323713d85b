"""`kgintent check-leakage`."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import cast

from kg.checking.leakage import Leak, check_accepted, leaks, reading_leaks, refuse
from kg.checking.reading import encoder_readings
from kg.errors import DataError, UsageError, check_one_of
from kg.folders import kind_of
from kg.split import HOLD_OUTS, HoldOut, make_split
from kg.storage import Dataset, load_dataset
from recsys.cli.output import say, show


def report_leaks(
    place: Path, hold_out: str | None, encoder: str | None, accept: list[str], as_json: bool
) -> None:
    """A row for each leak of a data folder or a run; `DataError` if one is refused."""
    held = None if hold_out is None else checked_hold_out(hold_out)
    check_accepted(accept)
    if kind_of(place) == "run":
        if encoder is not None:
            raise UsageError("A run has an encoder of its own: leave --encoder out.")
        found = _of_run(place, held)
    else:
        dataset = load_dataset(place)
        if later := dataset.graph.later_than(make_split(dataset.log, held or "none").cut):
            say(f"  {later:,} facts dated after the last training event are not learned from")
        found = data_leaks(dataset, held or "none", encoder)
    if found or as_json:
        show([asdict(leak) for leak in found], as_json)
    refuse_leaks(found, accept)
    say(f"{place}: {len(found)} warnings, nothing refused.")


def _of_run(place: Path, held: HoldOut | None) -> list[Leak]:
    from recsys.judging.leaks import run_leaks  # torch, which a data folder does not need
    from recsys.store import open_run

    rec, told = open_run(place)
    own = checked_hold_out(told.get("hold_out") or held or "none")
    if held is not None and held != own:
        raise UsageError(f"{place} was trained with --hold-out {own}. Got {held!r} instead.")
    return run_leaks(rec, own, told.get("trained") or {}, told.get("facts_told"))


def data_leaks(dataset: Dataset, held: HoldOut, encoder: str | None = None) -> list[Leak]:
    """What a training on this data, by texts of this encoder, would learn from the future."""
    split = make_split(dataset.log, held)
    graph = dataset.graph.known_at(split.cut).with_events(split.train)
    found = leaks(graph, split, dataset.catalog, dataset.users)
    readings = [] if encoder is None else encoder_readings(encoder)
    found += reading_leaks(readings, split, dataset.log)
    return sorted(found, key=lambda leak: not leak.refused)


def refuse_leaks(found: list[Leak], accept: list[str]) -> None:
    """`kg.checking.leakage.refuse`, and what can be done about it."""
    try:
        refuse(found, accept)
    except DataError as error:
        checks = dict.fromkeys(
            leak.check for leak in found if leak.refused and leak.check not in accept
        )
        options = " ".join(f"--accept {shlex.quote(check)}" for check in checks)
        raise DataError(
            f"{error} Leave out what knows it (a column, facts, the encoder) or, if you know "
            f"better, pass over the check: {options}."
        ) from None


def checked_hold_out(word: str) -> HoldOut:
    """The word of --hold-out; `UsageError` for another one."""
    check_one_of(word, HOLD_OUTS, "--hold-out")
    return cast(HoldOut, word)
