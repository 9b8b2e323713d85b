"""What helps? A run without one of its parts, and with one that is there but says nothing.

    text      the items' text vectors are zero, for the graph that reads them too (intents read
              titles, and are a part of their own)
    graph     no facts: nothing comes from the neighbours of an item
    intent    no embedding of the verbalised history in the query
    sequence  each history in a random order, at the times that were there: a bag of items
    id        no id of its own: an item is its content
    neighbours  no linear partner beside the model (masked only: the training is the same)
    factors     no factorisation beside the model (masked only)
    trend       what is taken lately adds nothing (masked only)
    relation X  no fact of relation X, in either direction: which relation pays?

Masked: the trained model without the part when it answers, which says how far it leans on it.
Retrained: the same data, settings and seed without the part, which says what it is worth, for the
other parts can stand in (the neighbours are chosen anew on validation, as in any training). Two
controls are retrained with a part that says nothing: texts shuffled across items, and tails of
facts permuted within their relation. A part is worth its words only where the run beats its control
as well. The same run with another seed shows what luck in training does; the intervals and p values
are about the users alone.

Where people meet items again, two kinds of lists are judged: `repeats`, in which those compete too,
and `new`, without them. Elsewhere the lists are `new`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.func import functional_call

from kg.controls import permuted_tails, unordered
from kg.errors import DataError, UsageError, suggest
from kg.events import EventLog
from kg.folders import write_text
from kg.sequences import Sequences
from kg.split import Split
from kg.storage import Dataset
from recsys.judging.compare import Part
from recsys.judging.evaluate import SCORE, EvalReport
from recsys.metrics.buckets import ITEM_BUCKETS, USER_BUCKETS, within
from recsys.metrics.significance import holm, paired_bootstrap
from recsys.recommender import Recommender
from recsys.retrieval import index_of
from recsys.training.config import RunConfig
from recsys.training.fit import Fitted, Ingredients, fit, forget, judge

BESIDE = ("neighbours", "factors", "trend", "habits")
PARTS = ("text", "graph", "intent", "sequence", "id", *BESIDE)
SHUFFLED, PERMUTED, RESEEDED = "text shuffled", "tails permuted", "another seed"
CONTROLS = {"text": SHUFFLED, "graph": PERMUTED}
RELATION = "relation "
"""Before the name of a relation, as a part."""
NEVER_WARM = 1e12
"""k of s(n) = n / (n + k): no count of events makes an id's share more than nothing."""


@dataclass(frozen=True)
class Effect:
    """What the whole run gains over one without `part`: NDCG@10 of the run less `value`, in lists
    of one kind.

    The 95 % interval and the p of "no difference" (not yet for being one of several) are by paired
    bootstrap over `users`. `by` and `bucket` say where only targets on items with so many training
    events, or users with so long a history, are looked at.
    """

    part: str
    how: str
    lists: str
    users: int
    value: float
    gain: float
    low: float
    high: float
    p: float
    by: str = ""
    bucket: str = ""


@dataclass(frozen=True, eq=False)
class Judged:
    """A model's report on a part, in lists of one kind, and, where asked for, on the targets of
    each bucket of items.

    history int64 [users]: the events of each user before the part begins.
    """

    report: EvalReport
    by_item: dict[str, EvalReport]
    history: np.ndarray


# ---- masked at inference -----------------------------------------------------------------


def masked(
    rec: Recommender, split: Split, name: str, part: Part, rng: np.random.Generator
) -> tuple[Recommender, Split]:
    """The trained model without one of `PARTS`, and the split it is to be judged on."""
    if name == "sequence":
        return rec, _unordered_before(split, part, rng)
    if name == "intent":
        return replace(rec, intent=None), split
    if name in BESIDE:
        return rec.beside(rec.partners.without(name)), split
    store = rec.items
    none = np.zeros_like(store.text_part)
    if name == "text":
        tower, graph = rec.model.items.eval(), store.graph_part.copy()
        with torch.inference_mode():  # the same weights on items of which no text is known
            content = tower.content.clone()
            content[:, : tower.widths[0]] = 0
            bare = functional_call(tower, {"content": content}, ())
        graph[: store.trained] = bare.graph.numpy()
        store = replace(store, text_part=none, graph_part=graph)
    elif name == "graph":
        store = replace(store, graph_part=none)
    elif name == "id":
        store = replace(store, id_part=none)
    elif name.removeprefix(RELATION) in relations_of(rec):
        graph = store.graph_part.copy()
        graph[: store.trained] = _graph_without(rec, name.removeprefix(RELATION))
        store = replace(store, graph_part=graph)
    else:
        raise _unknown(name, [*PARTS, *(RELATION + one for one in relations_of(rec))])
    return replace(rec, items=store, index=index_of(store, rec.partners, rec.log)), split


def relations_of(rec: Recommender) -> list[str]:
    """The names of the relations of facts that the run's graph has."""
    graph = rec.model.graph
    return list(dict.fromkeys(r[1] for r in graph.fact_relations if graph.edges[r].size))


def _graph_without(rec: Recommender, relation: str) -> np.ndarray:
    """float32 [N, D]: what the graph adds to each item of the training, one relation left out."""
    tower = rec.model.items.eval()
    every = tower.relations
    try:
        tower.relations = [a for a in every if a.relation.removeprefix("~") != relation]
        with torch.inference_mode():
            return tower().graph.numpy()
    finally:
        tower.relations = every


def mask_parts(
    rec: Recommender, split: Split, part: Part, names: Sequence[str] = PARTS, *,
    buckets: bool = False, seed: int = 0,
) -> list[Effect]:  # fmt: skip
    """The gain of the run over itself without each of these parts, on the same users."""
    counts, known = split.train.item_counts(), split.part(part)[0]
    rec = _refitted(rec, known)
    whole = judged(rec, split, part, counts, buckets, refit=False)
    out: list[Effect] = []
    for name in names:
        other, on = masked(rec, split, name, part, np.random.default_rng([seed, 2]))
        without = judged(other, on, part, counts, buckets, refit=False)
        out += effects(name, "masked", whole, without)
    return out


def _unordered_before(split: Split, part: Part, rng: np.random.Generator) -> Split:
    """A split of which all that is known before `part` is in a random order."""
    known, _ = split.part(part)
    none = split.valid.take(np.zeros(0, np.int64))
    valid = none if part == "test" else split.valid
    return replace(split, train=unordered(known, rng), valid=valid)


# ---- retrained ---------------------------------------------------------------------------


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
    "sequence": lambda made, rng: replace(
        made, split=replace(made.split, train=unordered(made.split.train, rng))
    ),
    "id": lambda made, rng: replace(
        made, model=made.model.model_copy(update={"warm_count": NEVER_WARM})
    ),
    SHUFFLED: lambda made, rng: replace(made, text=shuffled_text(made.text, rng)),
    PERMUTED: lambda made, rng: replace(made, graph=permuted_tails(made.graph, rng)),
    RESEEDED: lambda made, rng: made,
}


def _dropping(relation: str, made: Ingredients, rng: np.random.Generator) -> Ingredients:
    """The graph without the facts of one relation."""
    graph = made.graph
    kept = {r: e for r, e in graph.edges.items() if r in graph.events or r[1] != relation}
    return replace(made, graph=replace(graph, edges=kept))


def retrain(rec: Recommender, name: str, config: RunConfig, split: Split, **how: Any) -> Fitted:
    """A run made as `rec` was, but for one of `PARTS`, a control, or its seed.

    `config` and `split` are those of the run (see `make_split`), with the validation part that the
    run chose by, also where it learned from that in the end; `how` goes to `fit` (cache,
    checkpoint, resume, say, progress, on_epoch).
    """
    change = _CHANGES.get(name)
    if change is None and (relation := name.removeprefix(RELATION)) in relations_of(rec):
        change = partial(_dropping, relation)
    if change is None:
        known = [*_CHANGES, *(RELATION + one for one in relations_of(rec))]
        raise _unknown(name, known)
    if not split.valid.has_item.any():
        raise UsageError(
            "The 'split' of retrain must have a validation part: give it that of make_split, not "
            "that of a run which has learned from its validation events."
        )
    encoder = getattr(rec.encoder, "name", None)
    if encoder is None:
        raise UsageError("To train a run again, the name of its encoder must be known.")
    seed = config.options.seed
    if name == RESEEDED:
        options = config.options.model_copy(update={"seed": (seed + 1) % 2**31})
        config = config.model_copy(update={"options": options})
    return fit(
        Dataset(rec.log, rec.catalog, rec.model.graph.facts(), rec.model.features.users),
        encoder, config, split=split,
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
    whole = judged(rec, split, part, counts, buckets)
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
                rec, name, config, split, cache=cache or place / "texts", checkpoint=state,
                resume=state.exists(), **how,
            )  # fmt: skip
            on = fitted.split
            if name == "sequence":
                on = _unordered_before(on, part, np.random.default_rng([config.options.seed, 3]))
            kind = "control" if name in CONTROLS.values() else "retrained"
            other = judged(fitted.recommender, on, part, counts, buckets)
            done[name] = effects(name, kind, whole, other)
            rows = {key: [asdict(effect) for effect in found] for key, found in done.items()}
            write_text(place / "results.json", json.dumps({"of": of, "effects": rows}, indent=1))
            forget(state)
        yield done[name]


def _with_controls(rec: Recommender, names: Sequence[str]) -> list[str]:
    facts = any(rec.model.graph.edges[r].size for r in rec.model.graph.fact_relations)
    controls = [CONTROLS[name] for name in names if name in CONTROLS]
    trained = [name for name in names if name not in BESIDE]
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


# ---- judged and compared -----------------------------------------------------------------


def judged(
    rec: Recommender, split: Split, part: Part, counts: np.ndarray, buckets: bool, *,
    refit: bool = True,
) -> dict[str, Judged]:  # fmt: skip
    """On a part of a split, by the kind of lists; `counts` int64 [N] are the training events of
    each item; `refit`: the partners are fitted to what is known before that part first.
    """
    known, target = split.part(part)
    target = target.take(target.has_item)
    if refit:
        rec = _refitted(rec, known)
    histories = Sequences.of(known)
    kinds = {"repeats" if rec.repeats else "new": target}
    if rec.repeats and len(np.unique((fresh := histories.unmet(target)).user)) > 1:
        kinds["new"] = fresh
    return {
        lists: _judged(rec, split, part, wanted, lists == "new", histories, counts, buckets)
        for lists, wanted in kinds.items()
    }


def _judged(
    rec: Recommender, split: Split, part: Part, target: EventLog, new: bool, histories: Sequences,
    counts: np.ndarray, buckets: bool,
) -> Judged:  # fmt: skip
    def report_on(some: EventLog) -> EvalReport:
        on = replace(split, test=some) if part == "test" else replace(split, valid=some)
        return judge(rec, on, part, new, refit=False)

    report, by_item = report_on(target), {}
    for name, ends in ITEM_BUCKETS.items() if buckets else ():
        some = target.take(within(counts[target.item], ends))
        if len(some):
            by_item[name] = report_on(some)
    return Judged(report, by_item, histories.lengths[report.user])


def _refitted(rec: Recommender, known: EventLog) -> Recommender:
    """The run with partners fitted to what is known before a part begins, and without the items
    that were added since it was trained: nobody is judged by them.
    """
    items = rec.items.of_training()
    return replace(rec, items=items, partners=rec.partners.refit(known, items.content))


def effects(
    part: str, how: str, whole: dict[str, Judged], other: dict[str, Judged]
) -> list[Effect]:
    """In each kind of lists the effect on all users, then on each bucket with two users or more."""
    out = []
    for lists, judged_whole in whole.items():
        out += _effects((part, how, lists), judged_whole, other[lists])
    return out


def _effects(name: tuple[str, str, str], whole: Judged, other: Judged) -> list[Effect]:
    a, b = whole.report.per_user[SCORE], other.report.per_user[SCORE]
    out = [_effect(name, a, b)]
    if not whole.by_item:
        return out
    for bucket, report in whole.by_item.items():
        if report.users > 1:
            one, two = report.per_user[SCORE], other.by_item[bucket].per_user[SCORE]
            out.append(_effect(name, one, two, "item", bucket))
    for bucket, ends in USER_BUCKETS.items():
        keep = within(whole.history, ends)
        if keep.sum() > 1:
            out.append(_effect(name, a[keep], b[keep], "user", bucket))
    return out


def _effect(
    name: tuple[str, str, str], whole: np.ndarray, other: np.ndarray, by: str = "", bucket: str = ""
) -> Effect:
    found = paired_bootstrap(whole, other, np.random.default_rng(0))
    gain, low, high, p = (round(x, 6) for x in found)
    value = round(float(other.mean()), 6)
    return Effect(*name, len(whole), value, gain, low, high, p, by, bucket)


def effect_table(found: Sequence[Effect]) -> list[dict[str, Any]]:
    """A row per effect on all users; p by Holm's method for being as many as are here."""
    overall = [effect for effect in found if not effect.by]
    adjusted = holm(np.array([effect.p for effect in overall])).tolist()
    return [
        {"part": e.part, "how": e.how, "lists": e.lists, "users": e.users, SCORE: e.value,
         "gain": e.gain, "low": e.low, "high": e.high, "p": round(p, 6)}
        for e, p in zip(overall, adjusted, strict=True)
    ]  # fmt: skip


def bucket_table(found: Sequence[Effect]) -> list[dict[str, Any]]:
    """A row per effect on a bucket: where a part helps. Intervals only, for there are many."""
    return [
        {"part": e.part, "how": e.how, "lists": e.lists, "by": e.by, "bucket": e.bucket,
         "users": e.users, SCORE: e.value, "gain": e.gain, "low": e.low, "high": e.high}
        for e in found if e.by
    ]  # fmt: skip


def lacking(rec: Recommender) -> dict[str, str]:
    """The parts that a run does not have, and why."""
    out = {}
    if not rec.items.text.any():
        out["text"] = "no item has a text"
    if not rec.items.graph_part.any():
        out["graph"] = "the graph holds no facts"
    if rec.intent is None or not rec.model.intent_dim:
        out["intent"] = "histories were not read"
    if not rec.model.config.ordered:
        out["sequence"] = "histories have no order"
    partners = rec.partners
    if partners.neighbours is None:
        out["neighbours"] = "they were switched off, or did not help on validation"
    if partners.factors is None:
        out["factors"] = "they were switched off, or did not surely help on validation"
    if partners.habits is None:
        out["habits"] = (
            "people do not meet items again here, the split is not by time, they were "
            "switched off, or did not help on validation"
        )
    if partners.trend is None:
        out["trend"] = "times are not known, it was switched off, or did not help on validation"
    return out


def _unknown(name: str, known: Sequence[str]) -> UsageError:
    return UsageError(
        f"The part must be one of: {', '.join(known)}. Got {name!r} instead."
        f"{suggest(name, list(known))}"
    )
