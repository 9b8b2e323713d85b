"""Search a model's settings on validation: the defaults first, then Optuna's TPE; one seed.

    python benchmarks/accuracy/tune.py --data DIR --set amazon-beauty --protocol loo --model ease \\
        --hours 1 --out benchmarks/results/accuracy

The same budget for every model: at most 12 trials, at most 3 hours of work. A trial's score is the
validation NDCG@10 of all targets, the mean over the set's tables (--table for one of them). The
test part is never read. Stopped at any time it goes on where it was. Writes, below
OUT/SET/PROTOCOL/MODEL/tune: study.log (Optuna's journal), trials.json (every trial, also failed
ones) and best.json, which run.py takes as --params.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from data import Task, load
from fits import Params
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from protocols import folder_of
from registry import entry
from run import common_arguments, shown, unit, write_json
from threadpoolctl import threadpool_limits

from kg.errors import DataError, UsageError
from recsys.training.tune import Space, distributions, space_of

MOST_TRIALS, MOST_HOURS = 12, 3.0


def main(words: list[str] | None = None) -> None:
    args = _arguments(words)
    folder = args.out / args.set / folder_of(args.protocol) / args.model / "tune"
    folder.mkdir(parents=True, exist_ok=True)
    with threadpool_limits(args.threads):
        task = replace(load(args.data, args.set, args.protocol), cache=args.cache)
        trials = search(task, folder, args)
    done = [trial for trial in trials if trial["score"] is not None]
    if not done:
        raise DataError(f"No trial of {args.model} succeeded: see {folder / 'trials.json'}.")
    best = max(done, key=lambda trial: trial["score"])  # the earliest of equals
    told = {"command": shown("tune.py", sys.argv[1:] if words is None else words),
            "set": args.set, "protocol": args.protocol, "model": args.model, "seed": args.seed,
            "trials": len(trials), "score": best["score"], "default_score": trials[0]["score"],
            "params": best["params"]}  # fmt: skip
    write_json(folder / "best.json", told)
    print(json.dumps(told), folder / "best.json")


def search(task: Task, folder: Path, args: argparse.Namespace) -> list[dict[str, Any]]:
    """All trials, those of earlier calls too; one that does not fit the hours is not begun."""
    file, space = folder / "trials.json", entry(args.model).space
    if entry(args.model).ours:
        space = space_of(task.parts.split.train, task.graph())
    trials = json.loads(file.read_text(encoding="utf-8"))["trials"] if file.exists() else []
    study = _study(folder, args.seed + len(trials))
    while len(trials) < (min(args.trials, MOST_TRIALS) if space else 1):
        spent = sum(trial["seconds"] for trial in trials)
        longest = max((trial["seconds"] for trial in trials), default=0.0)
        if trials and spent + longest > 3600 * min(args.hours, MOST_HOURS):
            break
        asked, params = _next(study, space, trials)
        trials.append(attempt(task, params, len(trials), args))
        score = trials[-1]["score"]
        study.tell(asked, score, None if score is not None else TrialState.FAIL)
        told = {"set": task.name, "protocol": task.protocol, "model": args.model}
        spaces = {name: list(where) for name, where in space.items()}
        write_json(file, {**told, "space": spaces, "trials": trials})
        print(trials[-1], flush=True)
    return trials


def _next(
    study: optuna.Study, space: Space, trials: list[dict[str, Any]]
) -> tuple[optuna.Trial, dict[str, Any]]:
    """The defaults, then settings that were not tried: what was, costs no trial again."""
    where = distributions(space)
    asked = study.ask(where if trials else {})
    params = dict(asked.params)
    for _ in range(50):
        same = next((trial for trial in trials if trial["params"] == params), None)
        if same is None:
            break
        study.tell(asked, same["score"], None if same["score"] is not None else TrialState.FAIL)
        asked = study.ask(where)
        params = dict(asked.params)
    return asked, params


def attempt(task: Task, params: Params, number: int, args: argparse.Namespace) -> dict[str, Any]:
    """One trial; settings that the model refuses, or that do not fit in memory, are its result."""
    started = time.perf_counter()
    told: dict[str, Any] = {"number": number, "params": dict(params), "score": None}
    try:
        found, _ = unit(task, args.model, params, args.seed, "valid", args.minutes, args.threads)
        ndcg = {name: t["all"]["metrics"]["ndcg@10"] for name, t in found["tables"].items()}
        score = ndcg[args.table] if args.table else float(np.mean(list(ndcg.values())))
        told |= {"score": round(score, 6), "ndcg@10": ndcg, "epochs": found.get("epochs"),
                 "training_seconds": found["training_seconds"]}  # fmt: skip
    except (UsageError, DataError, ValueError, MemoryError) as error:
        told["error"] = f"{type(error).__name__}: {error}"
    return told | {"seconds": round(time.perf_counter() - started, 1)}


def _study(folder: Path, seed: int) -> optuna.Study:
    """The study in the folder; what a killed call had begun there has failed."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name="tune", direction="maximize", load_if_exists=True,
        storage=JournalStorage(JournalFileBackend(str(folder / "study.log"))),
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=5),
    )  # fmt: skip
    for begun in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(begun.number, state=TrialState.FAIL)
    return study


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = common_arguments(__doc__)
    parser.add_argument("--table", choices=("repeats", "new"), help="one table instead of the mean")
    parser.add_argument("--trials", type=int, default=MOST_TRIALS, help="at most 12")
    parser.add_argument("--hours", type=float, default=MOST_HOURS, help="at most 3")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
