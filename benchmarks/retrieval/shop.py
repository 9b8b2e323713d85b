"""A large shop from its CSV files to an answer, by the commands of the README and no other word.

    python benchmarks/retrieval/shop.py --out OUT [--items 250000] [--events 1000000]
        [--users 100000] [--encoder hash] [--max-epochs 3] [--folder DIR]

The shop is drawn: 400 kinds in 20 departments, 3,000 brands, titles of words that go with the kind;
a person likes three kinds, and within a kind a few items are taken most of the time. Timed are
`kgintent build`, `train`, `recommend`, `items add`, `index audit`, each as a process of its own,
with its peak memory. What is known is in OUT after each of them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "accuracy"))

from units import shown, versions, write_json

KINDS, BRANDS, WORDS, START = 400, 3000, 5000, 1_700_000_000


def main(words: list[str] | None = None) -> None:
    args = _arguments(words)
    command = shown("shop.py", sys.argv[1:] if words is None else words, "retrieval",
                    ("--out", "--folder"))  # fmt: skip
    told: dict[str, Any] = {
        "items": args.items, "events": args.events, "users": args.users, "encoder": args.encoder,
        "max_epochs": args.max_epochs, "seed": args.seed, "threads": args.threads,
        "command": command, "versions": versions(), "steps": {},
    }  # fmt: skip
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        write_shop(folder, args.items, args.events, args.users, np.random.default_rng(args.seed))
        for step, asked in steps(folder, args).items():
            told["steps"][step] = timed(asked, args.threads)
            write_json(args.out, told)
            print(step, told["steps"][step], flush=True)


def steps(folder: Path, args: argparse.Namespace) -> dict[str, list[str]]:
    """By name the words after `kgintent`."""
    data, run = str(folder / "data"), str(folder / "run")
    epochs = [] if args.max_epochs is None else ["--max-epochs", str(args.max_epochs)]
    return {
        "build": ["build", str(folder / "events.csv"), str(folder / "items.csv"), "-o", data],
        "train": ["train", data, "-o", run, "--encoder", args.encoder, *epochs],
        "recommend": ["recommend", run, "--user", "u1", "-k", "10"],
        "add": ["items", "add", run, str(folder / "new.csv")],
        "audit": ["index", "audit", run],
    }


def timed(words: list[str], threads: int) -> dict[str, Any]:
    """Seconds, peak memory and the last lines of what it said; its words if it failed."""
    started = time.perf_counter()
    room = os.environ | {"OMP_NUM_THREADS": str(threads)}
    with tempfile.TemporaryFile("w+") as heard:
        program = [sys.executable, "-m", "recsys.cli", *words]
        process = subprocess.Popen(program, stdout=heard, stderr=subprocess.STDOUT, env=room)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        heard.seek(0)
        said = heard.read().strip().splitlines()
    if process.returncode:
        raise SystemExit("\n".join(said[-20:]))
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1), "peak_mb": used.ru_maxrss // 1024,
        "said": [line for line in said[-3:] if "/" not in line],
    }  # fmt: skip


def write_shop(
    folder: Path, items: int, events: int, users: int, rng: np.random.Generator
) -> None:  # fmt: skip
    """items.csv, events.csv and new.csv, a hundred items that came later."""
    kind, brand = rng.integers(0, KINDS, items + 100), rng.integers(0, BRANDS, items + 100)
    word = (kind[:, None] * 13 + rng.integers(0, 40, (items + 100, 5))) % WORDS
    price = rng.lognormal(3, 1, items + 100)
    head = "item_id,title,category,brand,price"
    rows = [
        f"i{n},{' '.join(f'w{w}' for w in word[n])} {n},Dept {kind[n] // 20} > Kind {kind[n]},"
        f"Brand {brand[n]},{price[n]:.2f}"
        for n in range(items + 100)
    ]
    _write(folder / "items.csv", head, rows[:items])
    _write(folder / "new.csv", head, rows[items:])
    order = np.argsort(kind[:items], kind="stable")
    start = np.searchsorted(kind[order], np.arange(KINDS + 1))
    user = rng.integers(0, users, events)
    liked = rng.integers(0, KINDS, (users, 3))[user, rng.integers(0, 3, events)]
    place = (rng.random(events) ** 3 * (start[liked + 1] - start[liked])).astype(int)
    item = order[np.minimum(start[liked] + place, items - 1)]
    how = rng.choice(["view", "cart", "purchase"], events, p=[0.8, 0.12, 0.08])
    when = START + np.sort(rng.integers(0, 90 * 86_400, events))
    rows = [f"u{u},i{i},{h},{t}" for u, i, h, t in zip(user, item, how, when, strict=True)]
    _write(folder / "events.csv", "user_id,item_id,event,timestamp", rows)


def _write(file: Path, head: str, rows: list[str]) -> None:
    with open(file, "w", encoding="utf-8") as lines:
        lines.write(head + "\n")
        lines.writelines(row + "\n" for row in rows)


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--items", type=int, default=250_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--encoder", default="hash")
    parser.add_argument("--max-epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where the files of the shop may stand a while")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
