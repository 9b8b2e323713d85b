"""A run as it stood before a part of its split, which is how it is judged.

What a run serves knows the whole log: what stands beside the network in closed form is fitted to
the held-out events as well, and its histories hold them. Before it is asked about a part, all that
goes back to what was known then. The weights of the network do not: whether they have learned from
the part's own events is looked up in the graph that the run was trained with.
"""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import torch

from kg.declined import Declined
from kg.errors import UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import Part, Split
from kg.wording.paths import PathIndex
from models.text import TextCache
from recsys.judging.evaluate import EvalReport, evaluate_rows
from recsys.partners import scorer
from recsys.recommender import Recommender
from recsys.retrieval import index_of
from recsys.serving.live import as_learned


class ChosenBy(UserWarning):
    """A run is judged on events by which it may have been chosen."""


class EarlierTexts(UserWarning):
    """A run is judged by intents that have read less than is known."""


def as_of(rec: Recommender, split: Split, part: Part) -> Recommender:
    """The run as `judge` asks it about a part of its split: histories and what BERT reads of them,
    popularity and all that is fitted in closed form as they were when that part begins, the items
    those of the training, all of them in stock. Its lists (`recommend_all`, `recommend` of a user)
    are those that are judged.

    Raises `UsageError` for a split of another log, for a part without events, and where the run has
    learned from the events of that part; a `ChosenBy` warning tells where it may have been chosen
    by them, and `EarlierTexts` where BERT cannot read.
    """
    check_judged(rec, split, part)
    known, _ = split.part(part)
    rec = before(rec, split, part, everyone=True)
    shown = np.zeros(len(rec.items), bool)
    items = replace(rec.items, hidden=shown, absent=shown, unknown=shown)
    intent = rec.intent
    return replace(
        rec, log=known, items=items, index=index_of(items, rec.partners, known),
        histories=Sequences.of(known), paths=PathIndex.of(rec.model.graph.with_events(known)),
        intent=None if intent is None else replace(intent, serve=intent.valid),
    )  # fmt: skip


def before(
    rec: Recommender, split: Split, part: Part, cache: TextCache | None = None, *,
    everyone: bool = False,
) -> Recommender:  # fmt: skip
    """The run with all that `report_on` asks of it as it was when this part begins: partners fitted
    to what is known then, intents that have read it (of those who have an item in the part; of
    `everyone`, if asked), and no events and items that came since the training: nobody is judged by
    them.
    """
    rec, (known, target) = as_learned(rec), split.part(part)
    items = rec.items.of_training()
    partners = rec.partners.refit(known, items.content)
    rec = replace(rec, items=items, partners=partners, declined=Declined())
    if part == "valid":
        return rec  # intents were read then
    grown = np.unique(split.valid.user)  # of the others nothing more is known
    return retold(rec, known, grown if everyone else np.intersect1d(grown, wanting(target)), cache)


def wanting(target: EventLog) -> np.ndarray:
    """int64 [R], ascending: who has an item in these events."""
    return np.unique(target.user[target.has_item])


def retold(
    rec: Recommender, known: EventLog, users: np.ndarray, cache: TextCache | None = None
) -> Recommender:
    """The run with intents that have read the histories of these users int64 [R] in `known`; where
    the encoder cannot read, as it is, and an `EarlierTexts` warning tells.
    """
    if rec.intent is None or not rec.intent.dim or len(users) == 0:
        return rec
    try:
        if rec.encoder is None:
            raise UsageError("The run was loaded without its encoder: load it with encoder=….")
        intent = rec.intent.until(known, rec.encoder, rec.catalog, cache, users=users)
    except UsageError as error:
        warnings.warn(
            "Intents are of the histories as they were when validation began, for the encoder of "
            f"this run cannot read them again. {error}",
            EarlierTexts, stacklevel=4,
        )  # fmt: skip
        return rec
    return replace(rec, intent=intent)


def report_on(
    rec: Recommender, known: EventLog, target: EventLog, filter_seen: bool | None = None
) -> EvalReport:
    """Metrics on the events `target` of a run that is as it was `before` them, with all that is
    `known` then.
    """
    filter_seen = not rec.repeats if filter_seen is None else filter_seen
    histories = Sequences.of(known)
    told = rec.intent.valid if rec.intent is not None else None
    vectors = rec.items.vectors
    queries = rec.model.encode_histories(histories, torch.from_numpy(vectors), told)
    mixed = not filter_seen
    rows = scorer(rec.model, rec.partners, known, histories, queries, vectors, mixed=mixed)
    return evaluate_rows(rows, histories, target, filter_seen=filter_seen)


def check_judged(rec: Recommender, split: Split, part: Part) -> None:
    """What `as_of` raises and warns of."""
    known, target = split.part(part)
    log = rec.learned
    if (log.users.ids, log.items.ids) != (known.users.ids, known.items.ids):
        raise UsageError(
            "A run is judged on a split of the log that it was trained with. Got a split of a log "
            f"of {len(known.users):,} users and {len(known.items):,} items in place of "
            f"{len(log.users):,} and {len(log.items):,}, or of others."
        )
    if not target.has_item.any():
        raise UsageError(_missing(split, part))
    if later := _learned_beside(rec, known):
        raise UsageError(
            f"The run has learned from events that are not known yet when the {_NAMES[part]} part "
            f"of this split begins ({later:,} pairs of a user and an item), so that a score on it "
            f"would say nothing. Judge a run on its own split (Fitted.split); {_TEST}"
        )
    if part == "test" and _learned_beside(rec, split.train):
        warnings.warn(
            "The run has learned from the validation part of this split: unless it was trained "
            "once more with it (refit), it held out something else, was chosen by the events of "
            "this test part, and what follows is no test score. Judge a run on its own split "
            "(Fitted.split).",
            ChosenBy, stacklevel=3,
        )  # fmt: skip


_NAMES: dict[Part, str] = {"valid": "validation", "test": "test"}
_TEST = "for a test part: fit(…, hold_out='last') or 'time', then 'test'."


def _missing(split: Split, part: Part) -> str:
    """Why there is nothing to judge by."""
    if part == "valid" and split.lasting is not None:
        return (
            "There is no validation part left: the run was trained once more, with its validation "
            f"events too (refit), as where that part is a period of time; {_TEST}"
        )
    return f"This split holds no event with an item in its {_NAMES[part]} part; {_TEST}"


def _learned_beside(rec: Recommender, known: EventLog) -> int:
    """How many pairs of a user and an item the graph of the training has from events, but `known`
    has not.
    """
    (user, item), n = rec.model.graph.met(), len(known.items)
    told = known.user[known.has_item] * n + known.item[known.has_item]
    return int((~np.isin(np.unique(user * n + item), told)).sum())
