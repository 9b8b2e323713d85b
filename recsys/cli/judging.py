"""`kgintent evaluate`: the run beside what anyone would try first, or without its parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kg.errors import DataError, UsageError, suggest
from kg.events import EventLog
from kg.split import HoldOut, Part, Split, make_split
from models.text import TextCache
from recsys.cli.output import Stopped, bars, columns_of, lines_wanted, say, show
from recsys.judging.ablate import (
    PARTS,
    PROFILE,
    RELATION,
    USER_VECTORS,
    VECTORS,
    lacking,
    mask_parts,
    relations_of,
)
from recsys.judging.compare import SHOWN, compare
from recsys.judging.effects import Effect, bucket_table, effect_table
from recsys.judging.evaluate import SCORE
from recsys.judging.groups import check_groups, item_groups, known_groups, people_groups
from recsys.judging.later import Later, judge_later
from recsys.judging.retrain import retrain_parts
from recsys.judging.steering import steering_report
from recsys.recommender import Recommender
from recsys.serving.live import as_learned
from recsys.store import open_run
from recsys.training.config import RunConfig


def judge_run(run: Path, json: bool) -> None:
    """The part that the run held out: test if there is one, else validation."""
    rec, split, part, _ = _held_out(run)
    rows = compare(rec, split, part)
    rule = "those met before too" if rec.repeats else "those met before masked"
    show(rows, json, f"{part} part, all items ranked, {rule}")


def group_run(run: Path, names: list[str], json: bool) -> None:
    """The run by groups of people and of items: a table for each name."""
    rec, split, part, _ = _held_out(run)
    check_groups(rec, names)
    names, people = list(dict.fromkeys(names)), known_groups(rec)[0]
    of_people = [name for name in names if name in people]
    of_items = [name for name in names if name not in people]
    rows = people_groups(rec, split, part, *of_people) if of_people else []
    rows += item_groups(rec, split, part, *of_items) if of_items else []
    for name in names:
        of = (SCORE, "people") if name in people else ("places in lists", "items")
        title = f"{part} part; {of[0]} by {name} of {of[1]}"
        show([row for row in rows if row["by"] == name], json, title)


def judge_on(run: Path, file: Path, columns: str | None, other: Path | None, json: bool) -> None:
    """The lists that a run serves, by events that came after it; beside those of another run, for
    the people whom both know.
    """
    runs = {
        str(path): Recommender.load(path) for path in (run, *([] if other is None else [other]))
    }
    later = {}
    for name, rec in runs.items():
        others = [one for key, one in runs.items() if key != name]
        new = EventLog.read(
            file, columns=columns_of(columns), use_time=rec.log.time is not None,
            ordered=rec.log.ordered, own=rec.log.behaviours,
        )  # fmt: skip
        later[name] = found = Later.of(rec, new, others[0] if others else None)
        say(f"{name}: {found.cleaned}; {found.old:,} not after the last event, {found.strangers:,} "
            f"of people whom it does not know; {len(found.target):,} to judge by.")  # fmt: skip
        if rec.log.time is None:
            say("  without times nobody can tell events that the run has learned: all are counted")
    both = set.intersection(*(set(one.people) for one in later.values()))
    if not both:
        raise DataError(f"The runs know nobody in common who did something in {file}.")
    reports = {name: judge_later(rec, later[name], both) for name, rec in runs.items()}
    whole = reports[str(run)]
    rows = []
    for name, report in reports.items():
        row = {"run": name, "users": report.users, **{m: report.metrics[m] for m in SHOWN}}
        if other is not None:
            gain = report.gain(whole)
            row |= {"gain": gain.difference, "95 %": f"{gain.low:+.4f} {gain.high:+.4f}"}
            row["p"] = gain.p
        rows.append(row)
    what = f"gain: {SCORE} above that of {run}" if other is not None else "as it serves now"
    show(rows, json, f"{file}; {what}")


def steer_run(run: Path, json: bool) -> None:
    """Lists with quotas, of the intent of the next event, and others, beside the unsteered ones."""
    rec, split, part, _ = _held_out(run)
    say("next intent is an oracle: it knows an intent of the event that it is judged by.")
    show(steering_report(rec, split, part), json, f"{part} part; gain over unsteered, p by Holm")


def ablate_run(
    run: Path, parts: str | None, relations: bool, again: bool, buckets: bool, texts: Path | None,
    json: bool,
) -> None:  # fmt: skip
    """The run without each part, or each relation of its graph: masked, and with `again`
    retrained, beside the controls.
    """
    names = [] if relations and parts is None else _parts(parts)
    if texts is not None and not again:
        raise UsageError("--texts needs --retrain.")
    rec, split, part, told = _held_out(run)
    if relations:
        names += [RELATION + name for name in relations_of(rec)]
    for name, why in lacking(rec).items():
        if name in names:
            say(f"  {name}: {why}, so there is nothing to take away.")
            names.remove(name)
    if not names:
        raise DataError(f"{run} has none of these parts.")
    if not again:
        found = mask_parts(rec, split, part, names, buckets=buckets)
    else:
        config, folder = _settings(run, told), run.with_name(run.name + ".ablation")
        read = texts or folder / "texts"
        found = mask_parts(rec, split, part, names, buckets=buckets, cache=TextCache(read))
        whole = make_split(rec.log, told.get("hold_out", "none"))
        found += _retrained(rec, whole, part, config, folder, names, read)
    _show(found, part, buckets, json)


def _held_out(run: Path) -> tuple[Recommender, Split, Part, dict[str, Any]]:
    """The run as it was trained, what it is judged on, and its manifest."""
    rec, told = open_run(run)
    rec = as_learned(rec)
    hold_out: HoldOut = told.get("hold_out", "none")
    split = make_split(rec.log, hold_out)
    how = "time" if split.by_time else "last"
    if (trained := told.get("trained", {})).get("again"):
        split = split.refitted()
        if not split.test.has_item.any():
            score = trained.get("valid", {}).get(SCORE, float("nan"))
            raise DataError(
                f"{run} has learned from all events, the validation part too, where {SCORE} was "
                f"{score:.4f} before. For a test score: train --hold-out {how}."
            )
    part: Part = "test" if split.test.has_item.any() else "valid"
    if not (split.valid.has_item.any() or split.test.has_item.any()):
        raise DataError(f"{run} has nothing to evaluate on: no user has two events.")
    if part == "valid":
        say(
            "Validation events (used to choose the epoch and more). For a test score: "
            f"train --hold-out {how}."
        )
    return rec, split, part, told


def _parts(words: str | None) -> list[str]:
    """In the order given, each once; all without a word."""
    names = list(PARTS) if words is None else [word.strip() for word in words.split(",")]
    for name in names:
        if name not in (*PARTS, PROFILE) and not name.startswith((VECTORS, USER_VECTORS)):
            raise UsageError(
                f"--ablate takes {', '.join((*PARTS, PROFILE))}, {VECTORS}NAME and "
                f"{USER_VECTORS}NAME, joined by commas. "
                f"Got {name!r} instead.{suggest(name, list(PARTS))}"
            )
    return list(dict.fromkeys(names))


def _settings(run: Path, told: dict[str, Any]) -> RunConfig:
    """What the run was trained with."""
    trained = told.get("trained", {})
    if "config" not in trained:
        raise UsageError(
            f"{run} does not say with which settings it was trained: "
            "--retrain needs a run of `kgintent train`."
        )
    if "from" in trained:
        raise UsageError(
            f"{run} was started from the run {trained['from']['run']!r}, which is not kept in it: "
            "--retrain needs a run trained from scratch."
        )
    try:
        return RunConfig(**trained["config"])
    except (ValidationError, TypeError):
        raise DataError(f"{run} was trained with settings that this version lacks.") from None


def _retrained(
    rec: Recommender, split: Split, part: Part, config: RunConfig, folder: Path, names: list[str],
    texts: Path,
) -> list[Effect]:  # fmt: skip
    out: list[Effect] = []
    try:
        for effects in retrain_parts(
            rec, split, part, config, folder, names, cache=texts, say=say,
            progress=bars(), on_epoch=lambda report: say(f"  {report}"),
        ):  # fmt: skip
            out += effects
            for one in [effect for effect in effects if not effect.by]:
                told = f"{SCORE} {one.value:.4f}, gain {one.gain:+.4f}"
                say(f"{one.part}, {one.how}, {one.lists} lists: {told}")
    except KeyboardInterrupt:
        raise Stopped(
            f"Stopped; what is done is kept in {folder}, and the same command goes on."
        ) from None
    return out


def _show(found: list[Effect], part: Part, buckets: bool, json: bool) -> None:
    """Gains as tables on a terminal, as JSON lines elsewhere."""
    rows = effect_table(found)
    more = bucket_table(found) if buckets else []
    if lines_wanted(json):
        return show([*rows, *more], True)
    title = f"{part} part; gain: {SCORE} of the whole run less that of the row"
    show([_short(row) for row in rows], False, title)
    return show([_short(row) for row in more], False) if more else None


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """What fits on a terminal."""
    out = {key: row[key] for key in ("part", "how", "lists")}
    if "by" in row:
        out |= {"events": f"{row['by']}s {row['bucket']}", "users": row["users"]}
    out |= {SCORE: row[SCORE], "gain": row["gain"], "95 %": f"{row['low']:+.4f} {row['high']:+.4f}"}
    return out | ({"p (Holm)": row["p"]} if "p" in row else {})
