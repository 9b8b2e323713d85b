"""Trained again without a part, or with one that says nothing: see `recsys.judging.ablate`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kg.checking.controls import permuted_tails, unordered
from kg.errors import DataError, UsageError
from kg.folders import write_text
from kg.split import Part, Split
from kg.storage import Dataset
from models.text import TextCache
from recsys.encoders import LazyEncoder
from recsys.judging.ablate import (
    PARTS,
    RELATION,
    masked_only,
    relations_of,
    unknown_part,
    unordered_before,
)
from recsys.judging.as_of import before
from recsys.judging.effects import Effect, effects, judged
from recsys.judging.evaluate import SCORE
from recsys.recommender import Recommender
from recsys.training.config import RunConfig
from recsys.training.fit import Fitted, Ingredients, fit, forget

SHUFFLED, PERMUTED, RESEEDED = "text shuffled", "tails permuted", "another seed"
CONTROLS = {"text": SHUFFLED, "graph": PERMUTED}
NEVER_WARM = 1e12
"""k of s(n) = n / (n + k): no count of events makes an id's share more than nothing."""


def shuffled_text(text: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """float32 [N, T]: each text at another item's place; items without one (zeros) stay so."""
    rows = np.flatnonzero(text.any(1))
    out = text.copy()
    out[rng.permutation(rows)] = text[rows]
    return out


def _without_facts(made: Ingredients) -> Ingredients:
    graph = replace(made.graph, edges={r: made.graph.edges[r] for r in made.graph.events})
    return replace(made, graph=graph, model=made.model.model_copy(update={"user_edges": False}))


_CHANGES: dict[str, Callable[[Ingredients, np.random.Generator], Ingredients]] = {
    "text": lambda made, rng: replace(made, text=np.zeros_like(made.text)),
    "graph": lambda made, rng: _without_facts(made),
    "intent": lambda made, rng: replace(made, intents=None),
    "id": lambda made, rng: replace(
        made, model=made.model.model_copy(update={"warm_count": NEVER_WARM})
    ),
    SHUFFLED: lambda made, rng: replace(made, text=shuffled_text(made.text, rng)),
    PERMUTED: lambda made, rng: replace(made, graph=permuted_tails(made.graph, rng)),
    RESEEDED: lambda made, rng: made,
}


def _unordered(
    rec: Recommender, cache: Path | None, made: Ingredients, rng: np.random.Generator
) -> Ingredients:
    """Each history in a random order, and read by BERT in that order: a text of the true one would
    name what comes later in the other.
    """
    train, intents = unordered(made.split.train, rng), made.intents
    if intents is not None:
        assert rec.encoder is not None, "without an encoder nothing is trained"
        texts = TextCache(cache) if cache is not None else None
        intents = intents.reordered(train, rec.encoder, rec.catalog, texts)
    return replace(made, split=replace(made.split, train=train), intents=intents)


def _dropping(relation: str, made: Ingredients, rng: np.random.Generator) -> Ingredients:
    """The graph without the facts of one relation."""
    graph = made.graph
    kept = {r: e for r, e in graph.edges.items() if r in graph.events or r[1] != relation}
    return replace(made, graph=replace(graph, edges=kept))


def retrain(
    rec: Recommender, name: str, config: RunConfig, split: Split, *, cache: Path | None = None,
    **how: Any,
) -> Fitted:  # fmt: skip
    """A run made as `rec` was, but for one of `PARTS`, a control, or its seed.

    `config` and `split` are those of the run (see `make_split`), with the validation part that the
    run chose by, also where it learned from that in the end; `cache` and `how` go to `fit`
    (checkpoint, resume, say, progress, on_epoch).
    """
    change = _CHANGES.get(name)
    if name == "sequence":
        change = partial(_unordered, rec, cache)
    elif change is None and (relation := name.removeprefix(RELATION)) in relations_of(rec):
        change = partial(_dropping, relation)
    if change is None:
        known = ["sequence", *_CHANGES, *(RELATION + one for one in relations_of(rec))]
        raise unknown_part(name, known)
    if not split.valid.has_item.any():
        raise UsageError(
            "The 'split' of retrain must have a validation part: give it that of make_split, not "
            "that of a run which has learned from its validation events."
        )
    encoder = rec.encoder.name if isinstance(rec.encoder, LazyEncoder) else rec.encoder
    if encoder is None:
        raise UsageError("To train a run again, its encoder is needed: load it with encoder=….")
    seed = config.options.seed
    if name == RESEEDED:
        options = config.options.model_copy(update={"seed": (seed + 1) % 2**31})
        config = config.model_copy(update={"options": options})
    return fit(
        Dataset(rec.log, rec.catalog, rec.model.graph.facts(), rec.model.features.users),
        encoder, config, split=split, cache=cache,
        templates=rec.intent.templates if rec.intent is not None else None,
        taxonomy=rec.intent.taxonomy if rec.intent is not None else None,
        change=lambda made: change(made, np.random.default_rng([seed, 2])), **how,
    )  # fmt: skip


def retrain_parts(
    rec: Recommender, split: Split, part: Part, config: RunConfig, folder: str | Path,
    names: Sequence[str] = PARTS, *, buckets: bool = True, cache: Path | None = None, **how: Any,
) -> Iterator[list[Effect]]:  # fmt: skip
    """Each part retrained without it, the controls of these parts, and another seed.

    Yields the effects of one after the other, those that FOLDER/results.json holds at once: the
    same call goes on where it was stopped, within a training too. `split` and `how` as in
    `retrain`.
    """
    place, counts = Path(folder), split.train.item_counts()
    cache = cache or place / "texts"
    texts = TextCache(cache)
    whole = judged(before(rec, split, part, texts), split, part, counts, buckets)
    of = {"data": Dataset(rec.log, rec.catalog, rec.model.graph).fingerprint, "part": part,
          "events": [len(split.train), len(split.valid), len(split.test)],
          "seed": config.options.seed, "buckets": buckets,
          "settings": config.model_dump(exclude={"options"}, exclude_defaults=True),
          "whole": {kind: round(one.report.metrics[SCORE], 6) for kind, one in whole.items()},
          }  # fmt: skip
    done = _read(place / "results.json", of)
    for name in _with_controls(rec, names):
        if name not in done:
            state = place / f"{name.replace(' ', '-')}.training"
            fitted = retrain(
                rec, name, config, split, cache=cache, checkpoint=state, resume=state.exists(),
                **how,
            )  # fmt: skip
            again, on = fitted.recommender, fitted.split
            if name == "sequence":
                rng = np.random.default_rng([config.options.seed, 3])
                again, on = unordered_before(again, on, part, rng, texts)
            kind = "control" if name in CONTROLS.values() else "retrained"
            other = judged(before(again, on, part, texts), on, part, counts, buckets)
            done[name] = effects(name, kind, whole, other)
            rows = {key: [asdict(effect) for effect in found] for key, found in done.items()}
            write_text(place / "results.json", json.dumps({"of": of, "effects": rows}, indent=1))
            forget(state)
        yield done[name]


def _with_controls(rec: Recommender, names: Sequence[str]) -> list[str]:
    facts = any(rec.model.graph.edges[r].size for r in rec.model.graph.fact_relations)
    controls = [CONTROLS[name] for name in names if name in CONTROLS]
    trained = [name for name in names if not masked_only(name)]
    return [*trained, *(c for c in controls if facts or c != PERMUTED), RESEEDED]


def _read(file: Path, of: dict[str, Any]) -> dict[str, list[Effect]]:
    if not file.exists():
        return {}
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        same = known["of"] == json.loads(json.dumps(of))
        found = {k: [Effect(**row) for row in rows] for k, rows in known["effects"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file} cannot be read: {error}.") from None
    if not same:
        raise UsageError(f"{file} holds results of another run: remove {file.parent}.")
    return found
