"""Named intents from behaviour: which categories do the next events have?

    python benchmarks/intent/behaviour.py --data DIR --set movielens-small-kg --protocol time \\
        --seed 0 --out OUT

What is known of each person when the test part begins is read; what is true are the categories of
their first three events in it (by leave-one-out: of the one). Everything learns from prefixes of
what is known before, never from a test event; where the cut is one of time, from prefixes that end
where a visit does, since the test begins with a visit. Ours is `learn_intents`, as in `kgintent
train`. Beside it: the most frequent categories, those of the last item, a Markov chain over
categories, TF-IDF with a linear SVM and a GRU on the verbalised history.

Three numbers over the labels with at least 50 test positives: macro-F1 at one threshold per method
and at one per method and label, the best on the validation part, and recall@3, the share of what
is true among the three most probable (of three at most). Differences to the best of the others:
bootstrap over people.
Writes OUT/SET/PROTOCOL/SEED.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

sys.path.append(str(Path(__file__).parents[1] / "accuracy"))  # the readers of the data

from data import Task, load
from protocols import folder_of

from kg.errors import DataError
from kg.events import EventLog
from kg.folders import write_text
from kg.intents.labelled import LabelledTexts
from kg.intents.labels import IntentLabels, next_intents, with_whole_horizon
from kg.intents.recent import recent_of_users
from kg.sequences import Sequences
from kg.wording.templates import Templates
from kg.wording.verbalise import verbalise_prefixes, verbalise_users
from models.intent import IntentConfig
from models.intent.gru import fresh_gru, train_gru
from models.intent.settings import TextTraining
from models.intent.svm import fit_svm
from models.repeat import PAUSE
from models.text import BertEncoder, TextCache
from recsys.intent.signals import ENOUGH, learn_intents, with_categories
from recsys.metrics.labels import calibration_error

HORIZON, LEAST = 3, 50
Scores = dict[str, Callable[[EventLog], np.ndarray]]
"""By name: what is known of all users, to scores [U, L]."""


@dataclass(frozen=True)
class Asked:
    """Of one part: the users [n] with a next event, and what is true of them, bool [n, L]."""

    known: EventLog
    user: np.ndarray
    true: np.ndarray


def main(words: list[str] | None = None) -> None:
    args = _arguments(words)
    file = args.out / args.set / folder_of(args.protocol) / f"{args.seed}.json"
    if file.exists():
        print(f"{file} is there: skipped")
        return
    with threadpool_limits(args.threads):
        task = load(args.data, args.set, args.protocol)
        horizon = 1 if args.protocol == "loo" else HORIZON
        config = IntentConfig(horizon=horizon, level=args.level, relation=args.relation)
        told = judged(task, config, args.seed, args.cache)
    told |= {"set": args.set, "protocol": args.protocol, "seed": args.seed, "level": args.level}
    write_text(file, json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    for name, row in told["rows"].items():
        f1 = f"{row['macro_f1']:.4f} {row['macro_f1_each']:.4f}"
        print(f"{name:14s} macro-F1 {f1}  recall@3 {row['recall@3']:.4f}")


def judged(task: Task, config: IntentConfig, seed: int, cache: Path | None) -> dict[str, Any]:
    """All methods on one cut."""
    horizon = config.horizon
    rng = np.random.default_rng(seed)
    kept = TextCache(cache) if cache is not None else None
    started = time.perf_counter()
    split = task.parts.split
    graph = task.graph()
    encoder = BertEncoder()
    signals = learn_intents(encoder, split, task.parts.known, task.catalog, graph, rng, config,
                            cache=kept)  # fmt: skip
    if signals.head is None:
        raise DataError(f"{task.name} names no intents: try another --relation or --level.")
    ours = time.perf_counter() - started
    labels, head = signals.labels, signals.head
    valid = asked(split.train, split.valid, labels, horizon)
    test = asked(task.parts.known, split.test, labels, horizon)
    often = np.flatnonzero(test.true.sum(axis=0) >= LEAST)
    if not len(often):
        raise DataError(
            f"{task.name}, {task.protocol}: no label has {LEAST} positives among the "
            f"{len(test.user)} people of the test part."
        )
    methods = others(task, split.train, labels, config, rng)

    def named(known: EventLog) -> np.ndarray:
        told = signals.until(known, encoder, task.catalog, kept).valid
        return head.probabilities(told, recent_of_users(known, labels))

    methods["kgintent"] = named
    rows, found = {}, {}
    for name, score in methods.items():
        before, wanted = score(valid.known)[valid.user][:, often], valid.true[:, often]
        border, each = best_border(before, wanted), best_borders(before, wanted)
        p = score(test.known)[test.user]
        found[name] = {
            "macro_f1": p[:, often] >= border, "macro_f1_each": p[:, often] >= each,
            "recall@3": recalls(p, test.true, often),
        }  # fmt: skip
        rows[name] = {
            "macro_f1": macro_f1(test.true[:, often], found[name]["macro_f1"]),
            "macro_f1_each": macro_f1(test.true[:, often], found[name]["macro_f1_each"]),
            "recall@3": float(found[name]["recall@3"].mean()),
            "threshold": border, "thresholds": each.tolist(),
        }  # fmt: skip
        if name == "kgintent":
            rows[name]["calibration_error"] = calibration_error(test.true, p)
    return {
        "people": len(test.user), "labels": len(labels), "judged": len(often),
        "relation": labels.relation, "seconds": round(ours), "rows": rows,
        "differences": differences(test.true[:, often], found, rows, seed),
    }  # fmt: skip


def asked(known: EventLog, part: EventLog, labels: IntentLabels, horizon: int) -> Asked:
    """The people of a part and the labels of their first `horizon` events in it."""
    first = np.flatnonzero(np.diff(part.user, prepend=-1) > 0)
    true = next_intents(part, labels, first, horizon) > 0
    user = part.user[first]
    there = true.any(axis=1) & (Sequences.of(known).lengths[user] > 0)
    return Asked(known, user[there], true[there])


def others(
    task: Task, train: EventLog, labels: IntentLabels, config: IntentConfig,
    rng: np.random.Generator,
) -> Scores:  # fmt: skip
    """What the named intents have to beat, learned from 6,000 prefixes of the training events."""
    inner = np.flatnonzero((np.diff(train.user, prepend=-1) == 0) & train.has_item)
    if task.parts.split.by_time and train.time is not None:  # as `learn_intents` does
        inner = inner[train.time[inner] - train.time[inner - 1] > PAUSE]
    whole = inner[with_whole_horizon(train, inner, config.horizon)]
    inner = whole if len(whole) >= ENOUGH else inner
    ends = np.sort(rng.choice(inner, min(6000, len(inner)), replace=False))
    target = next_intents(train, labels, ends, config.horizon)
    share = target.mean(axis=0)
    chain = transitions(train, labels, ends, target, share)

    def last(known: EventLog) -> np.ndarray:
        return 1.0 * last_labels(known, labels) + 0.01 * share

    def markov(known: EventLog) -> np.ndarray:
        own = last_labels(known, labels)
        count = own.sum(axis=1, keepdims=True)
        return np.where(count > 0, own @ chain / np.maximum(count, 1), share)

    templates = Templates.for_titles(task.catalog.titles)
    told = with_categories(task.catalog)
    texts = verbalise_prefixes(train, told, ends, last=config.last, templates=templates)
    data = LabelledTexts(tuple(texts), tuple(f"{n:04d}" for n in range(len(labels))), target > 0)
    svm = fit_svm(data, TextTraining(), rng)
    gru = fresh_gru(data, TextTraining(epochs=15))
    for _ in train_gru(gru, data, TextTraining(epochs=15), rng):
        pass

    def by_text(model: Any) -> Callable[[EventLog], np.ndarray]:
        def score(known: EventLog) -> np.ndarray:
            said = verbalise_users(known, told, last=config.last, templates=templates)
            return np.asarray(model.read(said).logits)

        return score

    return {
        "most frequent": lambda known: np.tile(share, (len(known.users), 1)),
        "last": last, "markov": markov, "tf-idf + svm": by_text(svm), "gru": by_text(gru),
    }  # fmt: skip


def last_labels(known: EventLog, labels: IntentLabels) -> np.ndarray:
    """float [U, L]: those of each user's last event with an item, 0 where there is none."""
    histories = Sequences.of(known)
    out = np.zeros((len(histories), len(labels)))
    some = np.flatnonzero(histories.lengths)
    out[some] = labels.item[histories.item[histories.offsets[some + 1] - 1]].toarray()
    return out


def transitions(
    train: EventLog, labels: IntentLabels, ends: np.ndarray, target: np.ndarray, share: np.ndarray
) -> np.ndarray:
    """float [L, L]: P(next label | label of the last item), towards the shares by 5 events."""
    before = train.item[ends - 1]
    own = labels.item[np.maximum(before, 0)].toarray() * (before >= 0)[:, None]
    return (own.T @ target + 5 * share) / (own.sum(axis=0)[:, None] + 5)


def best_border(scores: np.ndarray, true: np.ndarray) -> float:
    """The threshold of the highest macro-F1, of 60 quantiles of the scores."""
    borders = np.unique(np.quantile(scores, np.linspace(0.3, 0.999, 60)))
    values = [macro_f1(true, scores >= border) for border in borders]
    return float(borders[int(np.argmax(values))])


def best_borders(scores: np.ndarray, true: np.ndarray) -> np.ndarray:
    """float [L], a threshold for each label, by its own F1."""
    pairs = zip(scores.T, true.T, strict=True)
    return np.array([best_border(own[:, None], wanted[:, None]) for own, wanted in pairs])


def macro_f1(true: np.ndarray, said: np.ndarray, weight: np.ndarray | None = None) -> float:
    """The mean over labels of 2 TP / (2 TP + FP + FN); rows count `weight` [n] times."""
    w = np.ones(len(true)) if weight is None else weight
    both, either = w @ (true & said), w @ true + w @ said
    return float(np.divide(2 * both, either, out=np.zeros(len(both)), where=either > 0).mean())


def recalls(p: np.ndarray, true: np.ndarray, often: np.ndarray) -> np.ndarray:
    """float [n]: of what is true among the judged labels, the share in the first three."""
    some, wanted = p[:, often], true[:, often]
    best = np.argsort(-some, axis=1, kind="stable")[:, :3]
    hits = np.take_along_axis(wanted, best, axis=1).sum(axis=1)
    return hits / np.clip(wanted.sum(axis=1), 1, 3)


def differences(
    true: np.ndarray, found: dict[str, Any], rows: dict[str, Any], seed: int, rounds: int = 2000
) -> dict[str, Any]:
    """Ours minus the best of the others, by each number, with a 95 % interval over people."""
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(true), np.full(len(true), 1 / len(true)), size=rounds)
    out = {}
    for key in ("macro_f1", "macro_f1_each", "recall@3"):
        rival = max((n for n in rows if n != "kgintent"), key=lambda n: rows[n][key])

        def value(name: str, w: np.ndarray, key: str = key) -> float:
            if key == "recall@3":
                return float(w @ found[name][key] / w.sum())
            return macro_f1(true, found[name][key], w)

        gaps = [value("kgintent", w) - value(rival, w) for w in weights]
        low, high = np.percentile(gaps, [2.5, 97.5])
        gap = rows["kgintent"][key] - rows[rival][key]
        out[key] = {"rival": rival, "difference": gap, "low": float(low), "high": float(high)}
    return out


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--set", required=True)
    parser.add_argument("--protocol", required=True, help="time, loo")
    parser.add_argument("--level", type=int, help="Of a hierarchy of categories.")
    parser.add_argument("--relation", help="The fact about items that names intents.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
