"""Seconds per epoch and peak memory of RecTools' and RecBole's SASRec and of our model, in turns.

    python benchmarks/peers/speed.py --data DIR --split FOLDER/amazon-beauty --home HOME \\
        --rounds 3 --out benchmarks/results

Same width (64), depth (2), heads (2), length (50) and targets per step, one thread, one process at
a time, training alone. In every round each model trains an epoch in a fresh process; a ratio is the
median over rounds of the peer's seconds by ours in the same round. Seconds are told as the clock
and as the processor's, which other work on the machine does not stretch. Memory is the process's
peak. The models:

    rectools-sasrec      128 sequences a step, full softmax      (RecTools' default loss)
    rectools-sasrec-ss   the same with 256 sampled negatives per target
    recbole-sasrec       as many targets a step, full softmax    (RecBole's default loss)
    kgintent             our defaults: texts, facts, 500 shared negatives
    kgintent-full        our model with full softmax, as the two peers with theirs

Writes OUT/speed_SET.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "accuracy"))
from data import Task, load
from run import shown, versions, write_json

HERE = Path(__file__).parent
WIDTH, DEPTH, HEADS, LENGTH, SEQUENCES = 64, 2, 2, 50, 128
OURS = ("kgintent", "kgintent-full")
RECTOOLS = {"n_factors": WIDTH, "n_blocks": DEPTH, "n_heads": HEADS, "session_max_len": LENGTH,
            "batch_size": SEQUENCES}  # fmt: skip
RECBOLE = {"hidden_size": WIDTH, "n_layers": DEPTH, "n_heads": HEADS,
           "MAX_ITEM_LIST_LENGTH": LENGTH}  # fmt: skip
MODELS = ("rectools-sasrec", "rectools-sasrec-ss", "recbole-sasrec", *OURS)
FOLDERS = ("--data", "--split", "--home", "--out", "--cache")


def main(words: list[str] | None = None) -> None:
    args = _arguments(words)
    if args.ours:
        print(json.dumps(trained(args)))
        return
    about = json.loads((args.split / "about.json").read_text(encoding="utf-8"))
    each = (about["events"]["train"] - about["users"]) / about["users"]
    args.targets = round(SEQUENCES * each)
    texts(load(args.data, args.split.name, "loo"), args.cache)  # once, to disk
    rounds: list[dict[str, dict]] = []
    for _ in range(args.rounds):
        rounds.append({})
        for name in args.model or MODELS:
            rounds[-1][name] = one(name, args)
            print(len(rounds), name, rounds[-1][name], flush=True)
    command = shown("speed.py", sys.argv[1:] if words is None else words, "peers", FOLDERS)
    told = {"command": command, "set": args.split.name, "targets_per_step": args.targets,
            "width": WIDTH, "depth": DEPTH, "heads": HEADS, "length": LENGTH, "threads": 1,
            "keep_memory": args.keep_memory, "rounds": rounds, "ratios": ratios(rounds),
            "versions": versions(), "machine": f"{platform.machine()}, {os.cpu_count()} cores, "
            f"{platform.system()}, python {platform.python_version()}"}  # fmt: skip
    args.out.mkdir(parents=True, exist_ok=True)
    write_json(args.out / f"speed_{args.split.name}.json", told)
    print("\n".join(table(rounds)))


def one(name: str, args: argparse.Namespace) -> dict:
    """An epoch of this model in a process of its own: its seconds, the processor's, peak MB."""
    if name in OURS:
        command = [sys.executable, __file__, "--ours", name, "--targets", str(args.targets)]
        command += ["--data", args.data, "--split", args.split, "--cache", args.cache]
        return json.loads(_said(command + ["--keep-memory"] * args.keep_memory).splitlines()[-1])
    peer, _, model = name.partition("-")
    own = RECTOOLS if peer == "rectools" else {**RECBOLE, "train_batch_size": args.targets}
    with tempfile.TemporaryDirectory() as folder:
        command = [args.home / peer / "bin" / "python", HERE / f"{peer}_peer.py", "--split",
                   args.split, "--model", model, "--epochs", "1", "--speed", "--out", folder,
                   "--override", json.dumps(own)]  # fmt: skip
        _said(command + ["--keep-memory"] * args.keep_memory)
        told = json.loads((Path(folder) / args.split.name / name / "peer.json").read_text("utf-8"))
    return {"seconds": told["seconds_per_epoch"], "cpu_seconds": told["cpu_seconds_per_epoch"],
            "peak_memory_mb": told["peak_memory_mb"]}  # fmt: skip


def trained(args: argparse.Namespace) -> dict:
    """Our model for one epoch, in this process."""
    import torch
    from peer import keep_memory, peak_memory_mb

    from models.recommender import IntentRecommender, ModelConfig
    from recsys.training.settings import RunOptions, TrainConfig
    from recsys.training.train import train

    if args.keep_memory:
        keep_memory()
    torch.set_num_threads(1)
    task = load(args.data, args.split.name, "loo")
    split = task.parts.split
    split = replace(split, valid=split.valid.take(np.zeros(0, np.int64)))  # no validation
    shape = ModelConfig(dim=WIDTH, layers=DEPTH, heads=HEADS, max_length=LENGTH)
    loss = "full" if args.ours == "kgintent-full" else "auto"
    config = TrainConfig(max_epochs=1, batch_targets=args.targets, loss=loss)
    torch.manual_seed(0)
    model = IntentRecommender(task.graph(), texts(task, args.cache), shape)
    epochs = train(model, split, config, RunOptions(seed=0, threads=1))
    began, cpu = time.perf_counter(), time.process_time()
    next(epochs)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {"seconds": round(seconds, 3), "cpu_seconds": round(cpu, 3),
            "peak_memory_mb": peak_memory_mb()}  # fmt: skip


def texts(task: Task, cache: Path) -> np.ndarray:
    from models.text import BertEncoder, TextCache, encode_texts

    return encode_texts(BertEncoder(), task.catalog.full_texts(), TextCache(cache))


def ratios(rounds: list[dict[str, dict]]) -> dict[str, dict[str, float]]:
    """'PEER / OURS' to the median over rounds of each figure of the one by that of the other."""
    names = list(rounds[0])
    return {
        f"{peer} / {ours}": {
            key: round(float(np.median([r[peer][key] / r[ours][key] for r in rounds])), 2)
            for key in rounds[0][peer]
        }
        for ours in names if ours in OURS
        for peer in names if peer not in OURS
    }  # fmt: skip


def table(rounds: list[dict[str, dict]]) -> list[str]:
    """Markdown: medians, then ratios."""
    lines = ["| model | s/epoch | of the processor | peak MB |", "| --- | --- | --- | --- |"]
    for name, first in rounds[0].items():
        cells = [f"{np.median([r[name][key] for r in rounds]):,.1f}" for key in first]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines + [f"{pair}: {found}" for pair, found in ratios(rounds).items()]


def _said(command: list[object]) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False,
                          env={**os.environ, "OMP_NUM_THREADS": "1"})  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="holds a folder per data set")
    parser.add_argument("--split", type=Path, required=True, help="FOLDER/SET of export.py")
    parser.add_argument("--home", type=Path, help="the environments of make_env.py")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", choices=MODELS, action="append", help="without it all of them")
    parser.add_argument("--keep-memory", action="store_true", help="see keep_memory in peer.py")
    parser.add_argument("--cache", type=Path, default=Path(".cache/texts"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--ours", choices=OURS, help=argparse.SUPPRESS)  # a call of itself
    parser.add_argument("--targets", type=int, help=argparse.SUPPRESS)
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
