"""Do our BSARec and SASRec reach the published figures on amazon-beauty? One model, one seed.

    python benchmarks/reproduce_bsarec.py --data DIR --model bsarec --minutes 240 --out FILE.json
    python benchmarks/reproduce_bsarec.py --data DIR --model bsarec --out FILE.json --finish

DIR holds sequences.txt.gz and items.csv.gz of amazon-beauty. Leave-one-out, all items ranked, seen
ones masked; validation chooses the epoch; the test part is scored once, at the end. After every
epoch FILE.json is written anew and, where it was the best so far, FILE.safetensors: a run that was
killed can be read, and `--finish` scores its best weights on the test part.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from kg.catalog import Catalog
from kg.clean import clean
from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import Split, leave_one_out
from recsys.baselines.learned import bsarec, sasrec
from recsys.judging.evaluate import evaluate_scores

MODELS: dict[str, tuple[Any, Any]] = {
    "bsarec": (bsarec.BSARec, bsarec.DEFAULTS),
    "sasrec": (sasrec.SASRec, sasrec.DEFAULTS),
}
PUBLISHED = {
    "bsarec": {"ndcg@10": 0.0611, "hr@10": 0.1008, "by": "the authors' log, one seed, 65 epochs"},
    "sasrec": {"ndcg@10": 0.0597, "hr@10": 0.0986, "by": "CE-SCE-LLMRec, 5 seeds"},
}


def main() -> None:
    args = _arguments()
    torch.set_num_threads(args.threads)
    catalog = Catalog.read(args.data / "items.csv.gz")
    log, cleaned = clean(EventLog.read(args.data / "sequences.txt.gz"), catalog.ids)
    split = leave_one_out(log)
    kind, fitting = MODELS[args.model]
    chosen = {"seed": args.seed, "threads": args.threads, "max_minutes": args.minutes}
    own = {"learning_rate": args.learning_rate, "patience": args.patience}
    chosen |= {name: value for name, value in own.items() if value is not None}
    fitting = fitting.model_copy(update=chosen)
    model = kind.untrained(split.train, seed=args.seed)
    weights = args.out.with_suffix(".safetensors")
    if args.finish:
        result = json.loads(args.out.read_text(encoding="utf-8"))
    else:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        result = _begun(args, model, fitting, str(cleaned))
        _train(model, split, fitting, result, args.out, weights)
    if "test" in result:
        sys.exit(f"{args.out} has its test figures already: they are computed once.")
    if not result["epochs"]:
        sys.exit("No epoch was finished.")
    model.network.load_state_dict(load_file(weights))
    model.network.eval()
    result["test"] = _test(model, split)
    _write(args.out, result)
    print(json.dumps(result["test"]), args.out)


def _train(
    model: Any, split: Split, fitting: Any, result: dict[str, Any], out: Path, weights: Path
) -> None:
    started, cpu = time.perf_counter(), time.process_time()
    for report in model.train(split, fitting):
        print(report, flush=True)
        epoch = {"epoch": report.epoch, "loss": round(report.loss, 4),
                 "training_seconds": round(report.seconds, 1),
                 **{name: round(value, 5) for name, value in report.metrics.items()}}  # fmt: skip
        result["epochs"].append(epoch)
        result["seconds"] = round(time.perf_counter() - started, 1)
        result["cpu_seconds"] = round(time.process_time() - cpu, 1)
        if report.best:
            result["chosen"] = epoch
            save_file(model.network.state_dict(), weights.with_suffix(".part"))
            os.replace(weights.with_suffix(".part"), weights)
        _write(out, result)


def _begun(args: argparse.Namespace, model: Any, fitting: Any, cleaned: str) -> dict[str, Any]:
    return {
        "command": "python benchmarks/reproduce_bsarec.py " + " ".join(_shown(sys.argv[1:])),
        "protocol": "leave-one-out, full ranking, seen masked", "cleaned": cleaned,
        "model": model.name, "published": PUBLISHED[args.model],
        "config": model.config.model_dump(), "fitting": fitting.model_dump(),
        "machine": f"{platform.machine()}, {platform.system()}, python {platform.python_version()}",
        "versions": {name: version(name) for name in ("torch", "numpy", "scipy")},
        "epochs": [],
    }  # fmt: skip


def _test(model: Any, split: Split) -> dict[str, Any]:
    known, target = split.part("test")
    report = evaluate_scores(model.scores, Sequences.of(known), target, batch=1024)
    found: dict[str, Any] = {
        name: round(report.metrics[name], 5) for name in ("ndcg@10", "hr@10", "ndcg@20", "hr@20")
    }
    for name in ("ndcg@10", "hr@10"):
        found[f"{name} 95 %"] = [round(limit, 5) for limit in report.interval(name)]
    return found | {"users": report.users}


def _write(file: Path, result: dict[str, Any]) -> None:
    """All or nothing: a reader never meets half a file."""
    part = file.with_suffix(".json.part")
    part.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    os.replace(part, file)


def _shown(words: list[str]) -> list[str]:
    """The command without the folders of one machine."""
    return ["DIR" if i and words[i - 1] in {"--data", "--out"} else w for i, w in enumerate(words)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", choices=sorted(MODELS), default="bsarec")
    parser.add_argument("--minutes", type=float, default=240.0, help="of training")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--learning-rate", type=float, help="in place of the model's own")
    parser.add_argument("--patience", type=int, help="in place of 10 epochs")
    parser.add_argument("--out", type=Path, required=True, help="a .json file")
    parser.add_argument("--finish", action="store_true", help="score a run that was stopped")
    return parser.parse_args()


if __name__ == "__main__":
    main()
