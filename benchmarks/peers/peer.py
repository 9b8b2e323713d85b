"""What the scripts of all peers share. Knows numpy and the CSV files of export.py, nothing else:
it runs in each peer's own environment, where this package is not.

A `Run` keeps the record of one training. Its rules, one for every peer: seconds are those of
training alone, validation is timed apart; the epoch of the highest validation NDCG@10 (all items
ranked, seen ones masked) gives the weights; --minutes bounds one call, and the next call goes on.
"""

from __future__ import annotations

import argparse
import csv
import ctypes
import gzip
import json
import os
import platform
import re
import resource
import time
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import numpy as np

LENGTH = 100
"""Items of a written list."""

Lists = dict[str, list[str]]
"""User to recommended items, best first."""


@dataclass(frozen=True)
class Data:
    """The exported split. A peer reads of the test part only whom to recommend to."""

    folder: Path

    @cached_property
    def items(self) -> list[str]:
        return [row["item"] for row in _rows(self.folder / "items.csv")]

    @cached_property
    def train(self) -> list[tuple[str, str, int]]:
        return self._events("train")

    @cached_property
    def valid(self) -> list[tuple[str, str, int]]:
        return self._events("valid")

    @cached_property
    def test_users(self) -> list[str]:
        return list(dict.fromkeys(row["user"] for row in _rows(self.folder / "test.csv")))

    def known(self, part: str) -> list[tuple[str, str, int]]:
        """What is known when a part begins: (user, item, order)."""
        return self.train if part == "valid" else self.train + self.valid

    def users(self, part: str) -> list[str]:
        return list(dict.fromkeys(e[0] for e in self.valid)) if part == "valid" else self.test_users

    def histories(self, part: str) -> dict[str, list[str]]:
        """User to items, oldest first."""
        found: dict[str, list[str]] = {}
        for user, item, _ in sorted(self.known(part), key=lambda event: event[2]):
            found.setdefault(user, []).append(item)
        return found

    def facts(self) -> list[tuple[str, str, str]]:
        return [(r["head"], r["relation"], r["tail"]) for r in _rows(self.folder / "facts.csv")]

    def _events(self, part: str) -> list[tuple[str, str, int]]:
        found = _rows(self.folder / f"{part}.csv")
        return [(row["user"], row["item"], int(row["order"])) for row in found]


def ndcg(lists: Lists, events: list[tuple[str, str, int]], k: int = 10) -> float:
    """Mean NDCG@k over the users of `events`; who got no list counts as 0."""
    wanted: dict[str, set[str]] = {}
    for user, item, _ in events:
        wanted.setdefault(user, set()).add(item)
    gain = 1 / np.log2(np.arange(k) + 2)
    total = 0.0
    for user, items in wanted.items():
        hits = [gain[i] for i, item in enumerate(lists.get(user, ())[:k]) if item in items]
        total += sum(hits) / gain[: len(items)].sum()
    return total / max(len(wanted), 1)


@dataclass
class Run:
    """One peer model on one set: OUT/SET/NAME/peer.json, valid.csv.gz, test.csv.gz, weights.

    `curve` rows are [epoch, seconds of training so far, validation NDCG@10, and of these seconds
    those that the processor worked]: with one thread and a processor of one's own they are equal.
    """

    args: argparse.Namespace
    name: str
    settings: dict
    packages: tuple[str, ...]
    patches: tuple[str, ...] = ()
    patience: int | None = None
    curve: list[list] = field(default_factory=list)
    validation_seconds: float = 0.0
    stopped: str = ""
    started: float = field(default_factory=time.perf_counter)
    longest: float = 0.0
    peak: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data = Data(self.args.split)
        if self.file.exists():
            told = json.loads(self.file.read_text(encoding="utf-8"))
            if told["settings"] != json.loads(json.dumps(self.settings)):
                raise SystemExit(f"{self.file} has other settings: delete its folder, or go on.")
            self.curve, self.validation_seconds = told["curve"], told["validation_seconds"]
            self.peak = told["peak_memory_mb"]

    @property
    def folder(self) -> Path:
        return self.args.out / self.args.split.name / self.name

    @property
    def file(self) -> Path:
        return self.folder / "peer.json"

    @property
    def epochs(self) -> int:
        return len(self.curve)

    @property
    def best(self) -> list:
        """The curve's row of the best epoch, the earliest of equals."""
        judged = [row for row in self.curve if row[2] is not None]
        return max(judged, key=lambda row: row[2]) if judged else [0, 0.0, None, 0.0]

    @property
    def left(self) -> bool:
        """May another epoch begin? It should be over within --minutes of this call."""
        if self.epochs >= self.settings["epochs"]:
            self.stopped = "all epochs"
        elif self.patience and self.epochs - self.best[0] >= self.patience:
            self.stopped = f"no better epoch in {self.patience}"
        else:
            spent = time.perf_counter() - self.started
            self.stopped = "" if spent + self.longest <= 60 * self.args.minutes else "minutes"
        return not self.stopped

    def begin(self) -> None:
        """The training of an epoch begins."""
        self._clocks = [(time.perf_counter(), time.process_time())]

    def end(self) -> None:
        """It is over; validation begins."""
        self._clocks.append((time.perf_counter(), time.process_time()))

    def add(self, lists: Lists | None) -> bool:
        """The record of an epoch, `lists` None if it was not validated; True if the best so far."""
        (began, cpu_began), (ended, cpu_ended) = self._clocks
        seconds, cpu, validation = ended - began, cpu_ended - cpu_began, time.perf_counter() - ended
        self.longest = max(self.longest, seconds + validation)
        score = None if lists is None else round(ndcg(lists, self.data.valid), 6)
        last = self.curve[-1] if self.curve else [0, 0.0, None, 0.0]
        row = [last[0] + 1, round(last[1] + seconds, 2), score, round(last[3] + cpu, 2)]
        self.curve.append(row)
        self.validation_seconds += validation
        cost = f"{seconds:.1f} s, {cpu:.1f} of the processor, validation {validation:.1f} s"
        print(f"{self.name} epoch {self.epochs}  NDCG@10 {score}  {cost}", flush=True)
        return self.best[0] == self.epochs

    def save(self) -> None:
        """Write peer.json, whole or not at all."""
        self.peak = max(self.peak, peak_memory_mb())
        wall, cpu = (np.diff([0.0, *(row[i] for row in self.curve)]) for i in (1, 3))
        told = {
            "peer": self.name, "set": self.args.split.name, "seed": self.args.seed,
            "settings": self.settings, "patches": list(self.patches), "threads": self.args.threads,
            "keep_memory": self.args.keep_memory,
            "minutes": self.args.minutes, "stopped": self.stopped, "epochs": self.epochs,
            "best_epoch": self.best[0], "valid_ndcg@10": self.best[2],
            "seconds_to_best": self.best[1], "cpu_seconds_to_best": self.best[3],
            "training_seconds": self.curve[-1][1] if self.curve else 0.0,
            "seconds_per_epoch": round(float(np.median(wall)), 3) if self.curve else None,
            "cpu_seconds_per_epoch": round(float(np.median(cpu)), 3) if self.curve else None,
            "validation_seconds": round(self.validation_seconds, 2), "peak_memory_mb": self.peak,
            "curve": self.curve, "versions": {name: version(name) for name in self.packages},
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, "
                       f"python {platform.python_version()}",
        }  # fmt: skip
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        part.replace(self.file)

    def write(self, part: str, lists: Lists) -> None:
        """PART.csv.gz: user, item; a user's rows from best to worst."""
        file = self.folder / f"{part}.csv.gz"
        with gzip.open(file, "wt", encoding="utf-8", newline="", compresslevel=5) as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(("user", "item"))
            for user in self.data.users(part):
                writer.writerows((user, item) for item in lists.get(user, ())[:LENGTH])


def arguments(doc: str, models: list[str]) -> argparse.Namespace:
    """What every peer is told; `doc` is the docstring of the script."""
    parser = argparse.ArgumentParser(description=doc.split("\n")[0])
    parser.add_argument("--split", type=Path, required=True, help="FOLDER/SET of export.py")
    parser.add_argument("--model", choices=models, required=True)
    parser.add_argument("--minutes", type=float, default=90.0, help="longest time of this call")
    parser.add_argument("--epochs", type=int, help="fewer epochs than the settings say")
    parser.add_argument("--override", type=json.loads, default={}, help="JSON of other settings")
    parser.add_argument("--speed", action="store_true", help="train only: no validation, no lists")
    parser.add_argument("--keep-memory", action="store_true", help="see keep_memory in peer.py")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(args.threads)  # before torch is imported
    if args.keep_memory:
        keep_memory()
    args.split, args.out = args.split.resolve(), args.out.resolve()
    return args


def keep_weights(file: Path, net, optimizer=None) -> None:
    """A torch module's tensors, and what its optimiser holds of each, as arrays: whole or not."""
    told = {f"net/{name}": np.asarray(x) for name, x in net.state_dict().items()}
    held = optimizer.state_dict()["state"] if optimizer is not None else {}
    for number, slots in held.items():
        told |= {f"optimizer/{number}/{name}": np.asarray(x) for name, x in slots.items()}
    part = file.with_name(f".{file.name}")
    np.savez(part, **told)
    part.replace(file)


def take_weights(file: Path, net, optimizer=None) -> None:
    """What `keep_weights` kept, into a module and an optimiser of the same make."""
    import torch

    weights: dict = {}
    held: dict[int, dict] = {}
    with np.load(file) as told:
        for key in told.files:
            kind, _, name = key.partition("/")
            if kind == "net":
                weights[name] = torch.from_numpy(told[key])
            else:
                number, _, slot = name.partition("/")
                held.setdefault(int(number), {})[slot] = torch.from_numpy(told[key])
    net.load_state_dict(weights)
    if optimizer is not None:
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": held, "param_groups": groups})


def peak_memory_mb() -> int:
    """Of this process. Linux' ru_maxrss would tell that of the process which started it, too."""
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))
        if found:
            return int(found[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def keep_memory() -> None:
    """glibc keeps freed memory instead of handing each large tensor back to the system.

    No peer does this itself. It changes no number but time: a third to a half of it on a CPU, for
    the tensors of hundreds of megabytes that RecTools makes and drops at every step.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(-4, 0)  # M_MMAP_MAX: nothing is mapped apart
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: the heap's end is not given back


def settings_of(args: argparse.Namespace, known: dict[str, dict]) -> dict:
    """The settings recommended for this set, with what the command says otherwise."""
    name = args.split.name
    if name not in known and not args.override:
        raise SystemExit(f"No settings for {name!r}, only for {', '.join(known)}: --override.")
    found = {**known.get(name, {}), **args.override}
    return found | ({"epochs": args.epochs} if args.epochs else {})


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
