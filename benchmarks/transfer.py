"""Does a model start better with what it learned on other data? Warm against scratch, by data.

    python benchmarks/transfer.py --data DIR --source movielens-1m --target movielens-small-kg \\
        --fractions 0 0.01 0.1 1 --seeds 0 1 2 --part test --cache DIR --runs DIR --out OUT

The source is trained once (kept in RUNS, with its checkpoint) on its own training part, its epoch
chosen on its own validation part. Then, for each fraction and seed:

- What is known of the target are the training and validation events of that fraction of its
  users, drawn by the seed, the smaller within the larger; facts and texts are those of all items.
- Warm and scratch have the settings that the whole target would decide and the sizes of the source;
  they differ in where the weights (and the whitening) come from, and in that warm may stay there.
- All users who have a target in the part are scored, with their real histories as input.

At fraction 0 nothing is trained: warm is zero-shot, scratch is an untrained model in the source's
whitening, text-kNN is what text alone gives, popularity has nothing to count. Units that are there
are skipped. The table compares each arm with scratch of its fraction by a paired bootstrap over
users, each user's mean over seeds, p by Holm.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

sys.path.append(str(Path(__file__).parent / "accuracy"))
from data import SOURCES, Task, load
from fits import Scores, scorer, sorted_out, texts_of, told
from judging import judge
from protocols import folder_of
from results import Row, rows_of
from run import read_params, shown, versions, write_arrays, write_json

from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import Split, merged
from models.recommender import IntentRecommender, ModelConfig
from models.transfer import as_source, warm_start, weights_hash
from recsys.baselines import Popularity, TextKNN
from recsys.metrics.significance import holm, paired_bootstrap
from recsys.partners import Partners
from recsys.partners.choose import choose_partners
from recsys.partners.factors import FactorConfig
from recsys.partners.habits import HabitConfig
from recsys.partners.neighbours import NeighbourConfig
from recsys.partners.popular import choose_recency
from recsys.partners.trend import TrendConfig
from recsys.recommender import Recommender
from recsys.training.fit import resolved
from recsys.training.settings import RunOptions, TrainConfig
from recsys.training.train import train

ARMS = ("scratch", "warm", "popularity", "text-knn")
FOLDERS = ("--data", "--out", "--cache", "--runs", "--params", "--source-params")
ALONE = {"kind": "none"}
"""No linear partner beside the model, unless --params says so: it has nothing to carry over."""


@dataclass(frozen=True)
class Target:
    """The task, what of it is known (both logs may be empty), and its texts float32 [N, T]."""

    task: Task
    train: EventLog
    valid: EventLog
    text: np.ndarray

    @property
    def learn(self) -> EventLog:
        """What a baseline in closed form is fitted to; before the test with validation events."""
        return self.train if self.task.learn is self.task.parts.split.train else merged(
            self.train, self.valid)  # fmt: skip


def main(words: list[str] | None = None) -> None:
    args = _arguments(words)
    torch.set_num_threads(args.threads)
    with threadpool_limits(args.threads):
        protocol = args.protocol or SOURCES[args.target].protocols[0]
        task = replace(load(args.data, args.target, protocol), cache=args.cache)
        if args.part == "test":
            task = replace(task, learn=task.parts.known)
        place = args.out / f"{args.source}-to-{args.target}" / folder_of(protocol)
        command = shown("transfer.py", sys.argv[1:] if words is None else words, "", FOLDERS)
        params = ALONE | read_params(args.params)
        source = _Later(lambda: pretrained(args))
        text = texts_of(task, {})
        for fraction in args.fractions:
            for seed in args.seeds:
                known = part_of(task, text, fraction, seed)
                for arm in args.arms:
                    file = place / arm / f"{fraction:g}-{seed}-{args.part}.json"
                    if file.exists() or (arm == "popularity" and fraction == 0):
                        continue
                    found, arrays = unit(known, arm, source, params, seed, args)
                    file.parent.mkdir(parents=True, exist_ok=True)
                    write_arrays(file.with_suffix(".npz"), arrays)
                    about = {"command": command, "source": args.source, "arm": arm,
                             "fraction": fraction, "seed": seed, "part": args.part}  # fmt: skip
                    write_json(file, about | found)
                    print(file, _short(found), flush=True)
    table = "\n".join(tables(place, args.part))
    (place / f"{args.part}.md").write_text(table + "\n", encoding="utf-8")
    print(table)


class _Later:
    """The source, loaded or trained when an arm needs it."""

    def __init__(self, make: Callable[[], Recommender]) -> None:
        self._make, self._made = make, None

    def __call__(self) -> Recommender:
        self._made = self._made or self._make()
        return self._made


def pretrained(args: argparse.Namespace) -> Recommender:
    """The source from RUNS, or trained into it; Ctrl-C keeps its checkpoint."""
    params = read_params(args.source_params)
    protocol = SOURCES[args.source].protocols[0]
    of = json.dumps([params, protocol, args.source_seed, args.source_minutes, args.source_epochs])
    folder = args.runs / f"{args.source}-{hashlib.sha256(of.encode()).hexdigest()[:8]}"
    if folder.exists():
        return Recommender.load(folder)
    task = replace(load(args.data, args.source, protocol), cache=args.cache)
    split, text = task.parts.split, texts_of(task, {})
    shape, training, _ = sorted_out(params, ModelConfig, TrainConfig, NeighbourConfig)
    training |= _limits(args.source_epochs, args.source_minutes)
    torch.manual_seed(args.source_seed)
    model = IntentRecommender(task.graph(), text, resolved(ModelConfig(**shape), split),
                              behaviours=len(split.train.behaviours))  # fmt: skip
    checkpoint = folder.with_name(folder.name + ".training")
    options = RunOptions(seed=args.source_seed, threads=args.threads)
    reports = []
    for report in train(model, split, TrainConfig(**training), options, checkpoint=checkpoint,
                        resume=checkpoint.exists()):  # fmt: skip
        reports.append(report)
        print(f"{args.source}: {report}", flush=True)
    rec = Recommender.from_model(model, split.train, task.catalog, text)
    rec.save(folder, trained=told(reports))
    shutil.rmtree(checkpoint, ignore_errors=True)
    return rec


def part_of(task: Task, text: np.ndarray, fraction: float, seed: int) -> Target:
    """What is known where only this fraction of the target's users is (at least one, but at 0)."""
    split = task.parts.split
    users = np.random.default_rng([seed, 3]).permutation(np.unique(split.train.user))
    kept = users[: int(np.ceil(fraction * len(users)))]
    train, valid = (log.take(np.isin(log.user, kept)) for log in (split.train, split.valid))
    return Target(task, train, valid, text)


def unit(
    known: Target, arm: str, source: Callable[[], Recommender], params: dict[str, Any], seed: int,
    args: argparse.Namespace,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:  # fmt: skip
    """Fit and judge: what the JSON says, and the arrays per user."""
    task, started = known.task, time.perf_counter()
    if arm in ("popularity", "text-knn"):
        scores, facts = baseline(known, arm), {}
    else:
        scores, facts = fitted(known, source(), arm == "warm", params, seed, args)
    seconds = time.perf_counter() - started
    history, events = task.parts.of(args.part)
    counts = task.parts.split.train.item_counts()
    found, arrays = judge(scores, task.tables, task.protocol, history, events, counts)
    return {
        "set": task.name, "protocol": task.protocol, "params": params, "tables": found, **facts,
        "events": {"train": len(known.train), "valid": len(known.valid), "part": len(events)},
        "users": len(np.unique(known.train.user)), "fitting_seconds": round(seconds, 1),
        "threads": args.threads, "versions": versions(),
    }, arrays  # fmt: skip


def baseline(known: Target, arm: str) -> Scores:
    """Fitted to the events that are known; text-kNN needs none."""
    model: Any
    if arm == "popularity":
        model = Popularity.fit(known.learn)
    elif known.learn.has_item.any():
        model = TextKNN.fit(known.text, known.learn)
    else:
        has = known.text.any(1)
        unit = np.where(has[:, None], known.text - known.text[has].mean(0), 0).astype(np.float32)
        unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
        model = TextKNN(unit, has, np.zeros(len(has), np.float32), 20, "mean")
    return lambda histories, mixed: model.scores(histories)


def fitted(
    known: Target, source: Recommender, warm: bool, params: dict[str, Any], seed: int,
    args: argparse.Namespace,
) -> tuple[Scores, dict[str, Any]]:  # fmt: skip
    """The model of this package, started from the source or not, and trained on what is known."""
    task, facts = known.task, {}
    shape, training, near = sorted_out(params, ModelConfig, TrainConfig, NeighbourConfig)
    config = resolved(as_source(ModelConfig(**shape), source.model), task.parts.split)
    rows = np.flatnonzero(known.train.item_counts())
    space = source.model.whitening.centred_on(known.text, rows)
    torch.manual_seed(seed)
    model = IntentRecommender(
        task.graph().with_events(known.train), known.text, config,
        behaviours=len(known.train.behaviours),
        whitening=space if warm or not len(known.train) else None,
    )  # fmt: skip
    start = ""
    if warm:
        report = warm_start(model, source.model, known.train, source.log)
        start, facts["carried"], facts["left"] = report.source, report.carried, report.left
    partners = Partners()
    if len(known.train):
        split = Split(known.train, known.valid, task.parts.split.test, task.parts.split.by_time)
        settings = TrainConfig(**training | _limits(args.epochs, args.minutes))
        options = RunOptions(seed=seed, threads=args.threads)
        reports = list(train(model, split, settings, options, start=start))
        facts |= told(reports)
        partners = _partners(model, split, known, near, seed)
    with torch.inference_mode():
        items = model.eval().items().vector
    facts |= {"gates": model.gates(), "source_weights": weights_hash(source.model)}
    return scorer(model, items, partners, known.learn), facts


def _partners(
    model: IntentRecommender, split: Split, known: Target, near: dict[str, Any], seed: int
) -> Partners:
    """The neighbours alone: the rest would blur what is taken over from the source."""
    with torch.inference_mode():
        parts = model.eval().items()
    queries = model.encode_histories(Sequences.of(split.train), parts.vector)
    rng = np.random.default_rng([seed, 2])
    found = choose_partners(
        model, split, queries, NeighbourConfig(**near), TrendConfig(lately=()),
        HabitConfig(windows=0), FactorConfig(factor_dim=0), choose_recency(split), rng,
    )  # fmt: skip
    return found.refit(known.learn, (parts.vector - parts.id).numpy())


def _limits(epochs: int, minutes: float | None) -> dict[str, Any]:
    return {"max_epochs": epochs} | ({"max_minutes": minutes} if minutes else {})


# ---- the table ---------------------------------------------------------------------------


def tables(place: Path, part: str) -> list[str]:
    """Markdown of all units of one part, a section per table and target."""
    units: dict[str, dict[str, list[Any]]] = {}
    for file in sorted(place.glob(f"*/*-{part}.json")):
        with np.load(file.with_suffix(".npz")) as arrays:
            one = json.loads(file.read_text(encoding="utf-8")), dict(arrays)
        units.setdefault(f"{one[0]['fraction']:g}", {}).setdefault(one[0]["arm"], []).append(one)
    if not units:
        return []
    first = next(iter(next(iter(units.values())).values()))[0][0]
    lines = [f"# {first['source']} to {first['set']}, {first['protocol']}, {part} part", ""]
    for table, found in first["tables"].items():
        for target in [name for name in found if name != "known_share@10"]:
            by_fraction = {f: rows_of(units[f], table, target) for f in sorted(units, key=float)}
            lines += [f"## {table}, {target} targets", "", *_section(by_fraction), ""]
    return lines


def _section(by_fraction: dict[str, list[Row]]) -> list[str]:
    told, tests = [], []
    for fraction, rows in by_fraction.items():
        scratch = next((row for row in rows if row.model == "scratch"), None)
        for row in rows:
            if scratch is not None and row is not scratch:
                tests.append(paired_bootstrap(row.ndcg, scratch.ndcg, np.random.default_rng(0)))
            told.append((fraction, row, len(tests) - 1 if row is not scratch else -1))
    p = holm(np.array([test.p for test in tests])) if tests else []
    lines = ["| users known | model | seeds | NDCG@10 | 95 % | HR@10 | difference to scratch "
             "| p (Holm) | best epoch |", "|---|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for fraction, row, at in told:
        mean, compared = row.ndcg.mean(), " | "
        if at >= 0 and tests:
            test = tests[at]
            compared = (f"{test.difference:+.4f} [{test.low:+.4f}, {test.high:+.4f}] "
                        f"| {p[at]:.4f}")  # fmt: skip
        epoch = row.mean("best_epoch")
        lines.append(
            f"| {float(fraction):.0%} | {row.model} | {len(row.units)} | {mean:.4f} | "
            f"{mean - row.half:.4f}–{mean + row.half:.4f} | {row.hr.mean():.4f} | {compared} | "
            f"{'' if epoch is None else f'{epoch:.1f}'} |"
        )
    return lines


def _short(found: dict[str, Any]) -> str:
    return "; ".join(f"{table} {rows['all']['metrics']['ndcg@10']:.4f}"
                     for table, rows in found["tables"].items())  # fmt: skip


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="holds a folder per data set")
    parser.add_argument("--source", choices=list(SOURCES), required=True)
    parser.add_argument("--target", choices=list(SOURCES), required=True)
    parser.add_argument("--protocol", help="of the target; without it the set's first")
    parser.add_argument("--fractions", type=float, nargs="+", default=[0, 0.01, 0.1, 1])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--part", choices=("valid", "test"), default="valid")
    parser.add_argument("--params", type=Path, help="JSON of settings for warm and scratch")
    parser.add_argument("--epochs", type=int, default=100, help="at most, of warm and scratch")
    parser.add_argument("--minutes", type=float, help="longest training of an arm")
    parser.add_argument("--source-params", type=Path, help="JSON of settings of the source")
    parser.add_argument("--source-epochs", type=int, default=100, help="at most")
    parser.add_argument("--source-minutes", type=float, help="longest training of the source")
    parser.add_argument("--source-seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path(".cache/texts"))
    parser.add_argument("--runs", type=Path, default=Path(".cache/sources"), help="trained sources")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
