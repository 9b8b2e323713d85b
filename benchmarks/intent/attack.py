"""One classifier against texts as careless or hostile people write them.

    python benchmarks/intent/attack.py --data DIR --set banking77 --method full --name plain \
        --out benchmarks/results/intent --part test
    python benchmarks/intent/attack.py … --name typos+fgm --params FILE

Learns as run.py does, then reads the part as it is, with a slip of the finger in a tenth of the
words and one more (`typos`), with as many words left out, repeated or exchanged (`words`), and each
text as the worst of TRIES such variants by the probability of its true label. Writes
OUT/SET/attacks/NAME/SEED-PART.json. What a training that knows of attacks wins back is
(attacked, trained so - attacked, plain) / (clean, plain - attacked, plain): `recovered` prints it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from run import arguments, shown, versions
from texts import Task, load
from threadpoolctl import threadpool_limits

from kg.folders import write_text
from models.device import device_name
from models.intent.attacks import Attack, typos, word_attack, worst
from models.intent.settings import TextTraining
from recsys import IntentClassifier, RunOptions
from recsys.training.optimise import learning_device

TRIES, DRAWS = 5, 3
ATTACKS: dict[str, Attack] = {"typos": typos, "words": word_attack}


def main(words: list[str] | None = None) -> None:
    args = arguments(__doc__, words)
    name = args.name or args.method
    folder = args.out / args.set / "attacks"
    file = folder / name / f"{args.seed}-{args.part}.json"
    if not file.exists():
        params = json.loads(args.params.read_text("utf-8")) if args.params else {}
        options = RunOptions(seed=args.seed, precision=args.precision)
        with threadpool_limits(args.threads):
            task = load(args.data, args.set, args.shots, args.seed, args.part)
            made = IntentClassifier.fit(
                task.train, args.method, valid=task.valid, out_of_scope=task.strange,
                encoder=args.encoder, config=TextTraining(**{"validation": 0.03} | params),
                options=options, cache=args.cache,
            )  # fmt: skip
            told = attacked(made, task)
        told |= {
            "set": args.set, "method": args.method, "name": name, "seed": args.seed,
            "part": args.part, "params": params, "tries": TRIES, "draws": DRAWS,
            "device": device_name(learning_device(options)), "versions": versions(),
            "command": " ".join(["attack.py", *shown(words)]),
        }  # fmt: skip
        write_text(file, json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    recovered(folder, args.part)


def attacked(made: IntentClassifier, task: Task) -> dict[str, Any]:
    """Accuracy on the texts as they are and under each attack, the draws' mean and the worst."""
    judged = task.judged
    if task.strange is not None:
        judged = judged.without(task.strange)
    truth = judged.over(made.labels).carries.argmax(axis=1)
    texts = list(judged.texts)

    def right(said: list[str]) -> float:
        return float((made.probabilities(said).argmax(axis=1) == truth).mean())

    found: dict[str, Any] = {"texts": len(texts), "clean": right(texts)}
    for name, attack in ATTACKS.items():
        draws = [right(attack(texts, np.random.default_rng(seed))) for seed in range(DRAWS)]
        rng = np.random.default_rng(DRAWS)
        hard = worst(texts, truth, attack, made.probabilities, TRIES, rng)
        found[name] = {"mean": float(np.mean(draws)), "draws": draws, "worst": right(hard)}
    return found


def recovered(folder: Path, part: str) -> None:
    """Of what attacks take from the row "plain", the share that each other row wins back."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for file in sorted(folder.glob(f"*/*-{part}.json")):
        rows.setdefault(file.parent.name, []).append(json.loads(file.read_text("utf-8")))
    if "plain" not in rows:
        return

    def mean(name: str, *keys: str) -> float:
        values = []
        for unit in rows[name]:
            value: Any = unit
            for key in keys:
                value = value[key]
            values.append(value)
        return float(np.mean(values))

    clean = mean("plain", "clean")
    for name in rows:
        line = [f"{name:24} clean {mean(name, 'clean'):.4f}"]
        for attack in ATTACKS:
            for how in ("mean", "worst"):
                here, plain = mean(name, attack, how), mean("plain", attack, how)
                share = (here - plain) / (clean - plain) if clean > plain else float("nan")
                line.append(f"{attack} {how} {here:.4f} ({share:+.2f})")
        print("  ".join(line))


if __name__ == "__main__":
    main(sys.argv[1:])
