"""`kgintent tune`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from kg.storage import load_dataset
from kg.wording.templates import Templates
from recsys.cli.leaking import checked_hold_out
from recsys.cli.options import ENCODER
from recsys.cli.output import Stopped, bars, lines_wanted, say, show
from recsys.cli.training import read_settings
from recsys.training.tune import Trial, best_of, read_trials, search_settings


def tune_settings(
    data: Path, out: Path, config: Path | None, encoder: str, templates: str | None,
    hold_out: str, trials: int, hours: float, max_epochs: int | None, seed: int | None, json: bool,
) -> None:  # fmt: skip
    """Search, tell each trial, show all of them; Ctrl-C keeps those that are done."""
    held = checked_hold_out(hold_out)
    base = read_settings(config, None, seed)
    read_settings(config, max_epochs, seed)  # what is wrong with --max-epochs
    phrases = Templates.named(templates) if templates is not None else None
    search = search_settings(
        load_dataset(data), encoder, out, base, trials=trials, hours=hours, max_epochs=max_epochs,
        hold_out=held, templates=phrases, cache=data.parent / f"{data.name}.texts", say=say,
        progress=bars(),
    )  # fmt: skip
    try:
        for trial in search:
            say(str(trial))
    except KeyboardInterrupt:
        done = len(read_trials(out))
        raise Stopped(
            f"Stopped; {done} trial{'' if done == 1 else 's'} of {trials} kept in {out}, and the "
            "same command goes on."
        ) from None
    found = read_trials(out)
    best = best_of(found)
    rows = [_row(trial, trial is best) for trial in found]
    if lines_wanted(json):
        show(rows, True)
    else:  # a column per setting would not fit
        show([_short(row, trial) for row, trial in zip(rows, found, strict=True)], False,
             "NDCG@10 on validation")  # fmt: skip
    if len(found) < trials:
        say(f"{trials - len(found)} trials did not fit in {hours:g} hours: --hours gives more.")
    told = {"--encoder": (encoder, ENCODER), "--templates": (templates, None),
            "--hold-out": (hold_out, "none")}  # fmt: skip
    same = [word for name, (value, usual) in told.items() if value not in (usual, None)
            for word in (name, value)]  # fmt: skip
    command = ["kgintent", "train", data, "-o", "RUN", "-c", out / "best.toml", *same]
    say(f"Next: {shlex.join(map(str, command))}")


def _row(trial: Trial, best: bool) -> dict[str, Any]:
    score = trial.score if trial.score is not None else trial.error
    return {"trial": trial.number, "ndcg@10": score, "best": "*" if best else "", **trial.params,
            "epochs": trial.epochs, "seconds": trial.seconds}  # fmt: skip


def _short(row: dict[str, Any], trial: Trial) -> dict[str, Any]:
    settings = ", ".join(f"{name} {value:g}" for name, value in trial.params.items())
    return {"trial": f"{trial.number} {row['best']}", "ndcg@10": row["ndcg@10"],
            "settings": settings, "epochs": trial.epochs}  # fmt: skip
