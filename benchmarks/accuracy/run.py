"""One unit: one model, one seed, one data set cut one way, scored on one part.

    python benchmarks/accuracy/run.py --data DIR --set amazon-beauty --protocol loo \\
        --model ease --seed 0 --part test --params best.json --out benchmarks/results/accuracy

--part valid: fitted to the training events, scored on validation; look at this as often as you
like. --part test: scored once, with histories of all that is known before the test part. The rule,
for every model alike: a model without epochs (all of recsys.baselines but its folder `learned`) is
fitted again to train and validation with the same settings, and one trained by epochs is trained
again on both, for as many epochs as validation chose; but by leave-one-out it keeps the weights
that validation chose, as in the literature. A unit whose JSON is there is skipped, so a stopped
batch goes on where it was.

Writes OUT/SET/PROTOCOL/MODEL/SEED-PART.json, .npz beside it with the values per user, and once for
all models OUT/SET/PROTOCOL/people-PART.npz: who these users are, by number, and how long their
histories.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from data import SOURCES, Task, load
from fits import Fitted, Params, Scores
from judging import judge
from protocols import folder_of
from registry import REGISTRY, entry
from threadpoolctl import threadpool_limits
from units import shown, versions, write_arrays, write_json

from kg.errors import DataError
from kg.sequences import Sequences
from models.device import device_name
from recsys.partners.popular import choose_recency, popularity
from recsys.training.optimise import learning_device
from recsys.training.settings import RunOptions

PEOPLE = ("/user", "/history")
"""What is the same for every model, by the ends of the names."""


def main(words: list[str] | None = None) -> None:
    args = _arguments(words)
    folder = args.out / args.set / folder_of(args.protocol) / args.model
    file = folder / f"{args.seed}-{args.part}.json"
    params = read_params(args.params)
    if file.exists():
        same = json.loads(file.read_text(encoding="utf-8"))["params"] == params
        print(f"{file} is there: skipped{'' if same else ' (ITS SETTINGS ARE OTHERS)'}")
        return
    with threadpool_limits(args.threads):
        task = replace(load(args.data, args.set, args.protocol), cache=args.cache)
        result, arrays = unit(
            task, args.model, params, args.seed, args.part, args.minutes, args.threads
        )
    told = {"command": shown("run.py", sys.argv[1:] if words is None else words), **result}
    folder.mkdir(parents=True, exist_ok=True)
    keep_arrays(file, arrays)
    write_json(file, told)  # last: where it is, the unit is whole
    for table, found in result["tables"].items():
        means = "  ".join(f"{k} {v:.4f}" for k, v in found["all"]["metrics"].items())
        print(f"{args.model} {args.part} {table}: {means}  {file}")


def unit(
    task: Task, name: str, params: Params, seed: int, part: str, minutes: float | None,
    threads: int,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:  # fmt: skip
    """Fit and judge: what the JSON says, and the arrays per user."""
    known, events = task.parts.of(part)
    if part == "test":
        task = replace(task, learn=known, again=task.protocol != "loo")
    fitted: Fitted = entry(name).fit(task, params, seed, minutes, threads)
    recent = choose_recency(task.parts.split)
    scores = alike_for_strangers(fitted.scores, popularity(known, recent))
    counts = task.parts.split.train.item_counts()
    started = time.perf_counter()
    tables, arrays = judge(scores, task.tables, task.protocol, known, events, counts)
    facts = {k: round(v, 3) if isinstance(v, float) else v for k, v in fitted.facts.items()}
    return {
        "set": task.name, "protocol": task.protocol, "model": name, "seed": seed, "part": part,
        "params": dict(params), "tables": tables, **facts,
        "judging_seconds": round(time.perf_counter() - started, 1),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "events": {n: len(getattr(task.parts.split, n)) for n in ("train", "valid", "test")},
        "users": len(known.users), "items": len(known.items), "cleaned": task.cleaned,
        "threads": threads, "minutes": minutes, "versions": versions(),
        "device": device_name(learning_device(RunOptions())),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, "
                   f"python {platform.python_version()}",
    }, arrays  # fmt: skip


def alike_for_strangers(scores: Scores, popular: np.ndarray) -> Scores:
    """The same scores, but people without a history get what is `popular` [N], whatever a model
    would say: nobody knows anything of them, and the models shall differ in what they know.
    """

    def found(histories: Sequences, mixed: bool) -> np.ndarray:
        told = np.array(scores(histories, mixed))
        told[histories.lengths == 0] = popular
        return told

    return found


def read_params(file: Path | None) -> dict[str, Any]:
    """Settings from a JSON object, or from its `params` (the best.json of tune.py)."""
    if file is None:
        return {}
    found = json.loads(file.read_text(encoding="utf-8"))
    return dict(found.get("params", found))


def keep_arrays(file: Path, arrays: dict[str, np.ndarray]) -> None:
    """Beside the `file` of a unit the values per user; who they are, once for all models.

    `DataError` where the unit was scored on other people than those of before.
    """
    people = {k: v.astype(np.int32) for k, v in arrays.items() if k.endswith(PEOPLE)}
    values = {k: v.astype(np.float32) for k, v in arrays.items() if k not in people}
    shared = people_file(file)
    if not shared.exists():
        write_arrays(shared, people)
    with np.load(shared) as known:
        other = [k for k in people if k not in known or not np.array_equal(known[k], people[k])]
    if other:
        raise DataError(f"{shared} is of other people: {', '.join(other)}.")
    write_arrays(file.with_suffix(".npz"), values)


def people_file(file: Path) -> Path:
    """Who was scored, for the JSON of a unit."""
    return file.parent.parent / f"people-{file.stem.partition('-')[2]}.npz"


def common_arguments(doc: str) -> argparse.ArgumentParser:
    """What run.py and tune.py are both told; `doc` is the docstring of the script."""
    parser = task_arguments(doc)
    parser.add_argument("--model", choices=list(REGISTRY), required=True)
    parser.add_argument("--minutes", type=float, help="longest training of a fit")
    return parser


def task_arguments(doc: str) -> argparse.ArgumentParser:
    """What every script is told that trains on a data set."""
    parser = argparse.ArgumentParser(description=doc.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="holds a folder per data set")
    parser.add_argument("--set", choices=list(SOURCES), required=True)
    parser.add_argument("--protocol", required=True, help="loo, time, rolling:i/n, given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path(".cache/texts"))
    parser.add_argument("--out", type=Path, required=True)
    return parser


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = common_arguments(__doc__)
    parser.add_argument("--part", choices=("valid", "test"), default="valid")
    parser.add_argument("--params", type=Path, help="JSON of settings; without it the defaults")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
