"""First light: leave-one-out, full ranking, seen items masked, selection on validation only.

    python benchmarks/first_light.py --data DIR --set amazon-beauty --minutes 15
    python benchmarks/first_light.py --data DIR --set movielens-1m --minutes 40

DIR holds the folders amazon-beauty and movielens-1m with sequences.txt.gz and items.csv.gz. Text
encoding is timed apart. Beside other work set GOMP_SPINCOUNT=3000, or use --threads 1. The test
part is scored once, after training, with the weights that validation chose.
Writes benchmarks/results/first_light_SET.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from kg.build import build_graph
from kg.catalog import Catalog
from kg.clean import clean
from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import leave_one_out
from models.recommender import IntentRecommender, ModelConfig
from models.text import BertEncoder, TextCache, encode_texts
from recsys.evaluate import evaluate_queries
from recsys.train import RunOptions, TrainConfig, train

SETTINGS = {
    "amazon-beauty": (ModelConfig(), TrainConfig(patience=10, max_epochs=150)),
    "movielens-1m": (
        ModelConfig(dim=128, max_length=200, dropout=0.2),
        TrainConfig(patience=8, max_epochs=150),
    ),
}


def main() -> None:
    args = _arguments()
    torch.set_num_threads(args.threads)
    folder = args.data / args.set
    catalog = Catalog.read(folder / "items.csv.gz")
    log, cleaned = clean(EventLog.read(folder / "sequences.txt.gz"), catalog.ids)
    split = leave_one_out(log)
    graph = build_graph(split.train, catalog)
    started = time.perf_counter()
    text = encode_texts(BertEncoder(), catalog.full_texts(), TextCache(args.cache))
    encoding = time.perf_counter() - started
    model_config, train_config = SETTINGS[args.set]
    train_config = train_config.model_copy(update={"max_minutes": args.minutes})
    torch.manual_seed(args.seed)
    model = IntentRecommender(graph, text, model_config)
    history = []
    options = RunOptions(seed=args.seed, threads=args.threads)
    for report in train(model, split, train_config, options):
        print(report, flush=True)
        history.append([report.epoch, round(report.loss, 4), round(report.seconds, 2),
                        round(report.metrics["ndcg@10"], 5)])  # fmt: skip
    result = {
        "command": "python benchmarks/first_light.py " + " ".join(_shown(sys.argv[1:])),
        "set": args.set, "protocol": "leave-one-out, full ranking, seen masked",
        "cleaned": str(cleaned), "seed": args.seed, "threads": args.threads,
        "text_seconds": round(encoding, 1),
        "training_seconds": round(sum(row[2] for row in history), 1),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "test": _test(model, split), "gates": model.gates(), "epochs": history,
        "model": model_config.model_dump(), "train": train_config.model_dump(),
        "machine": f"{platform.machine()}, {platform.system()}, python {platform.python_version()}",
        "versions": {n: version(n) for n in ("torch", "torch-geometric", "transformers", "numpy")},
    }  # fmt: skip
    args.out.mkdir(parents=True, exist_ok=True)
    file = args.out / f"first_light_{args.set}.json"
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result["test"]), file)


def _test(model: IntentRecommender, split) -> dict[str, object]:  # type: ignore[no-untyped-def]
    histories = Sequences.of(split.before_test())
    with torch.inference_mode():
        items = model.items().vector
    queries = model.encode_histories(histories, items)
    report = evaluate_queries(queries, items.numpy(), histories, split.test)
    names = ("ndcg@10", "hr@10", "ndcg@20", "hr@20", "coverage@10")
    found: dict[str, object] = {name: round(report.metrics[name], 5) for name in names}
    found["ndcg@10 95 %"] = [round(x, 5) for x in report.interval("ndcg@10")]
    found["users"] = int(np.size(report.user))
    return found


def _shown(words: list[str]) -> list[str]:
    """The command without the folders of one machine."""
    hidden = {"--data", "--cache", "--out"}
    return ["DIR" if i and words[i - 1] in hidden else word for i, word in enumerate(words)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--set", choices=sorted(SETTINGS), required=True)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cache", type=Path, default=Path(".cache/texts"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
