"""What a model learned elsewhere, put into a fresh model of another domain.

Text, graph and sequence mean the same wherever the encoder is the same: the projection of the texts
(in the directions that the source's whitening found), the gates of relations of one name, the
transformer over events. Ids do not: an item's own embedding, a person's attributes. Nodes of one
type and one name ("Drama") are taken to be the same, whatever their ids, which may be numbers of
one file only. What is an id and not carried starts at zero: without training it says nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from kg.errors import UsageError
from kg.events import EventLog
from kg.graph import KnowledgeGraph
from models.recommender import IntentRecommender, ModelConfig

SIZES = ("dim", "layers", "heads")
"""Settings in which a model must be as its source is."""


@dataclass(frozen=True)
class WarmStart:
    """What was carried over, and what was not and why, each by name; `source` is a hash of the
    source's weights and whitening.
    """

    source: str
    carried: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        carried, left = (
            ", ".join(f"{name} ({how})" if how else name for name, how in told.items())
            for told in (self.carried, self.left)
        )
        return f"carried over: {carried or 'nothing'}; not: {left or 'nothing'}"


def as_source(config: ModelConfig, source: IntentRecommender) -> ModelConfig:
    """`config` with the sizes of the source wherever it does not set its own."""
    told = config.model_fields_set - ({"dim"} if config.dim == 0 else set())
    sizes = {name: getattr(source.config, name) for name in SIZES if name not in told}
    return config.model_copy(update=sizes)


@torch.no_grad()
def warm_start(
    model: IntentRecommender, source: IntentRecommender, log: EventLog, source_log: EventLog
) -> WarmStart:
    """Put into `model` what `source` learned; nothing else of it changes, and nothing of `source`.

    The logs, which each was or will be trained on, say what the kinds of events are called and
    whether times are known. `UsageError` if a size differs, or `model` was not made with the
    source's whitening (best `source.whitening.centred_on` the model's own texts).
    """
    _check(model, source)
    report = WarmStart(weights_hash(source))
    _carry_items(model, source, report)
    _carry_nodes(model, source, report)
    _carry_sequence(model, source, report)
    _carry_events(model, source, log, source_log, report)
    _carry_optional(model, source, report)
    if source_log.time is None:
        _without_times(model, report)
    return report


def weights_hash(model: IntentRecommender) -> str:
    """Of all that `warm_start` reads of a source."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode() + value.numpy().tobytes())
    digest.update(model.whitening.mean.tobytes() + model.whitening.basis.tobytes())
    return digest.hexdigest()[:16]


def same_nodes(
    graph: KnowledgeGraph, other: KnowledgeGraph, kind: str
) -> tuple[np.ndarray, np.ndarray]:
    """int64 [S], [S]: nodes of a type that have one name in both graphs, case aside.

    A name that several nodes have, in either graph, says nothing.
    """
    here, there = _by_name(graph, kind), _by_name(other, kind)
    both = sorted(here.keys() & there.keys())
    return (np.array([here[name] for name in both], np.int64),
            np.array([there[name] for name in both], np.int64))  # fmt: skip


def _by_name(graph: KnowledgeGraph, kind: str) -> dict[str, int]:
    out: dict[str, int] = {}
    double = set()
    for code in range(len(graph.vocabs[kind])):
        name = graph.name(kind, code).casefold()
        if name in out:
            double.add(name)
        out[name] = code
    return {name: code for name, code in out.items() if name not in double}


def _check(model: IntentRecommender, source: IntentRecommender) -> None:
    for name in SIZES:
        asked, has = getattr(model.config, name), getattr(source.config, name)
        if asked != has:
            raise UsageError(
                f"A model that starts from another must have its '{name}': set {name} = {has} "
                f"under [model], or leave it out. Got {asked} instead."
            )
    if not np.array_equal(model.whitening.basis, source.whitening.basis):
        raise UsageError(
            "A model that starts from another must be made with the whitening of its source "
            "(whitening=source.whitening.centred_on(…)): what it learned of texts holds in those "
            "directions only."
        )


def _carry_items(model: IntentRecommender, source: IntentRecommender, report: WarmStart) -> None:
    """The projection of texts and the gates; ids, which mean nothing elsewhere, become 0."""
    new, old = model.items, source.items
    width = old.widths[0]
    if old.content[:, :width].any():
        new.project.weight[:, :width] = old.project.weight[:, :width]
        new.text_gate.copy_(old.text_gate)
        report.carried["text"] = ""
    else:
        report.left["text"] = "the source has none"
    new.delta.weight.zero_()
    report.left["item ids"] = "they mean nothing elsewhere"
    for name in new.extra_names:
        report.left[name] = "what made these vectors is not known"
    if not new.relations:
        return
    gates, known = new.gnn.state_dict(), old.gnn.state_dict()
    same = gates.keys() & known.keys()
    new.gnn.load_state_dict(gates | {key: known[key] for key in same})
    if same:
        new.graph_gate.copy_(old.graph_gate)
        report.carried["relations"] = f"{len(same)} of {len(gates)}"
    if len(same) < len(gates):
        names = {a.relation.removeprefix("~") for a in new.relations if not _gate_keys(a.key, same)}
        report.left["relations"] = "the source lacks " + _few(sorted(names))


def _gate_keys(key: str, same: set[str]) -> bool:
    return f"to_items.{key}.gate" in same or f"to_neighbours.{key}.gate" in same


def _carry_nodes(model: IntentRecommender, source: IntentRecommender, report: WarmStart) -> None:
    """Embeddings of nodes of the same type and name; the others become 0."""
    new, old = model.items, source.items
    carried, total = 0, 0
    for kind in new.node_types:
        table = new.feature(kind)
        total += len(table)
        learned = torch.zeros_like(table)
        if kind in old.node_types:
            here, there = same_nodes(model.graph, source.graph, kind)
            learned[here] = old.feature(kind)[there]
            carried += len(here)
        table.copy_(learned)
    if carried:
        report.carried["nodes of the same name"] = f"{carried:,} of {total:,}"
    elif total:
        report.left["nodes"] = "no two have one name"


def _carry_sequence(model: IntentRecommender, source: IntentRecommender, report: WarmStart) -> None:
    """The transformer; biases of distances that the source never saw are those of its farthest."""
    new, old = model.sequence, source.sequence
    for name in ("norm", "blocks"):
        given, own = getattr(old, name).state_dict(), getattr(new, name).state_dict()
        fitted = {
            key: _as_long(value, own[key].shape[1]) if key.endswith("distance") else value
            for key, value in given.items()
        }
        getattr(new, name).load_state_dict(fitted)
    report.carried["transformer"] = f"{len(new.blocks)} block" + "s" * (len(new.blocks) > 1)


def _as_long(distance: Tensor, length: int) -> Tensor:
    """[H, length] of [H, L]: cut, or its last column repeated."""
    more = max(length - distance.shape[1], 0)
    return F.pad(distance[None], (0, more), mode="replicate")[0, :, :length]


def _carry_events(
    model: IntentRecommender, source: IntentRecommender, log: EventLog, source_log: EventLog,
    report: WarmStart,
) -> None:  # fmt: skip
    """What an event adds to its item: its kind, by name (of others the mean of the source's), and
    the gap of time before it.
    """
    names, known = [b.name for b in log.behaviours], [b.name for b in source_log.behaviours]
    rows, learned = model.sequence.behaviour.weight, source.sequence.behaviour.weight
    for code, name in enumerate(names):
        found = learned[known.index(name)] if name in known else learned[: len(known)].mean(0)
        rows[code] = found
    if same := [name for name in names if name in known]:
        report.carried["kinds of events"] = _few(same)
    if others := [name for name in names if name not in known]:
        report.left["kinds of events"] = f"{_few(others)} as the mean of the source's"
    model.sequence.gap.load_state_dict(source.sequence.gap.state_dict())
    report.carried["gaps of time"] = ""


def _carry_optional(model: IntentRecommender, source: IntentRecommender, report: WarmStart) -> None:
    """Parts that either model may lack."""
    if model.intent_dim:
        if model.intent_dim == source.intent_dim:
            model.intent.load_state_dict(source.intent.state_dict())
            model.intent_gate.copy_(source.intent_gate)
            report.carried["intent"] = ""
        else:
            report.left["intent"] = f"the source's has width {source.intent_dim}"
    if model.repeat is not None:
        if source.repeat is not None:
            model.repeat.load_state_dict(source.repeat.state_dict())
            report.carried["repeats"] = ""
        else:
            report.left["repeats"] = "the source does not count them"
    if model.searches is not None:
        if source.searches is not None:
            model.searches.gate.copy_(source.searches.gate)
            report.carried["searches"] = ""
        else:
            report.left["searches"] = "the source reads none"
    if model.people is not None:
        report.left["profiles"] = "their values mean nothing elsewhere"


def _without_times(model: IntentRecommender, report: WarmStart) -> None:
    """Row 0, "no time known", is all that such a source learned of time: it stands for any gap,
    for the other rows are as they were made.
    """
    model.sequence.gap.weight.copy_(model.sequence.gap.weight[:1].clone())
    if "repeats" in report.carried and model.repeat is not None:
        model.repeat.elapsed.fill_(model.repeat.elapsed[0].clone())
    del report.carried["gaps of time"]
    report.left["gaps of time"] = "the source has no times"


def _few(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
