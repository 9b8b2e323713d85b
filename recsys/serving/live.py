"""Events that came since the training: histories, new people, what is popular, warmer items.

Nothing is trained: the network reads the longer histories, people who are new are known by their
events alone, an item without training events gets a part for those that it has now
(`recsys.serving.warmup`), popularity and trend count all. What stands beside the network in closed
form (neighbours, factors, habits) is fitted anew on request, in seconds.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from kg.clean import CleanReport, clean
from kg.errors import DataError
from kg.events import EventLog
from kg.sequences import Sequences
from kg.wording.verbalise import verbalise_users
from models.recommender import IntentRecommender
from recsys.intent.signals import IntentSignals
from recsys.recommender import Recommender
from recsys.serving.titles import told_titles
from recsys.serving.warmup import refitted, warmed

HELD = "already in the run"
"""Why an event is kept aside that the run has heard of before."""
SAME = ("user", "item", "behaviour", "time", "query")
"""Events that are alike in all of these are one, as `kg.clean` has it."""


def with_events(
    rec: Recommender, new: EventLog, *, refit: bool = False
) -> tuple[Recommender, CleanReport]:
    """The recommender with these events too, and what of them was kept aside (unknown items,
    events without a time, those that the run holds already). `refit`: what stands in closed form
    beside the network learns of them.

    Without times a repetition may be meant, so that all are counted. Where nothing is new the run
    stays as it is. Items that somebody turned down are left out of their lists from now on. A
    behaviour that the training had not is read as its commonest one. Raises
    `DataError` if the events of the run have times and these have not, or if none can be used.
    """
    if rec.log.time is not None and new.time is None and len(new):
        raise DataError("The new events must be like the old ones, which have times.")
    learned = rec.learned
    items = rec.log.items.extended(rec.items.ids[len(rec.log.items) :])
    kept, report = clean(new, items, least=0)
    kept, report = _unheard(rec.log, kept, report)
    declined = rec.declined.joined(report.declined)
    if len(declined) > len(rec.declined):
        log = replace(rec.log, items=items)
        base = learned if len(items) > len(learned.items) else rec.base
        rec = replace(rec, log=log, base=base, declined=declined)
    if len(kept) == 0:
        return rec, report
    log = replace(rec.log, items=items).joined(kept)
    found = replace(
        rec, log=log, base=learned, histories=heard(log, rec.model, learned),
        items=warmed(rec.items, rec.model, log),
    )  # fmt: skip
    if rec.intent is not None:
        changed = log.users.encode(kept.users.ids)
        found = replace(found, intent=_read(found, rec.intent, np.sort(changed)))
    partners = rec.partners
    if refit:
        partners = refitted(partners, found.items, rec.model, log)
    return found.beside(partners.with_items(found.items.content_of_events)), report


def _unheard(
    log: EventLog, kept: EventLog, report: CleanReport
) -> tuple[EventLog, CleanReport]:  # fmt: skip
    """The events that `log` does not hold, and the report with the others kept aside."""
    if log.time is None or kept.time is None:
        return kept, report
    theirs = log.users.encode(kept.users.ids, missing="negative")
    old = _keys(log.take(np.isin(log.user, theirs[theirs >= 0])))
    found = _keys(kept).with_row_index("at").join(old, on=SAME, how="semi")["at"].to_numpy()
    held = np.isin(np.arange(len(kept)), found)
    if not held.any():
        return kept, report
    assert kept.row is not None
    aside = kept.take(held).to_frame().with_columns(row=kept.row[held], reason=pl.lit(HELD))
    report = replace(
        report, kept=report.kept - int(held.sum()), reasons=report.reasons | {HELD: len(aside)},
        aside=pl.concat([report.aside, aside]),
    )  # fmt: skip
    return kept.take(~held), report


def _keys(log: EventLog) -> pl.DataFrame:
    """What is compared of events, by external ids; no text is the empty one."""
    frame = log.to_frame()
    if "query" not in frame.columns:
        frame = frame.with_columns(query=pl.lit(""))
    return frame.select(SAME)


def as_learned(rec: Recommender) -> Recommender:
    """The recommender without the events that came since, as it is to be judged."""
    if rec.base is None:
        return rec
    part, new = rec.items.id_part.copy(), rec.items.events_in_training(rec.model) == 0
    part[new] = rec.items.expected(rec.model)[new]
    found = replace(rec, log=rec.base, base=None, histories=Sequences.of(rec.base),
                    items=rec.items.with_ids(part, np.zeros(len(part), bool)))  # fmt: skip
    return found.beside(rec.partners)


def heard(log: EventLog, model: IntentRecommender, learned: EventLog) -> Sequences:
    """The histories as the model can read them: behaviours that it knows, and no row of a person in
    its tables for somebody who came later.
    """
    usual = int(np.bincount(learned.behaviour[learned.has_item], minlength=1).argmax())
    known = log.behaviour < model.sequence.behaviour.num_embeddings
    histories = Sequences.of(replace(log, behaviour=np.where(known, log.behaviour, usual)))
    who = np.arange(len(log.users))
    return replace(histories, who=np.where(who < len(learned.users), who, -1))


def _read(rec: Recommender, old: IntentSignals, changed: np.ndarray) -> IntentSignals:
    """With what BERT reads of the people int64 [C] who did something; of a run without its encoder
    new people have nothing, and old ones what they had.
    """
    serve = np.zeros((len(rec.log.users), old.serve.shape[1]), np.float32)
    serve[: len(old.serve)] = old.serve
    if rec.encoder is not None and old.dim:
        theirs = rec.log.take(np.isin(rec.log.user, changed))
        told = told_titles(rec.catalog, rec.items, rec.model.graph)
        texts = verbalise_users(theirs, told, last=old.last, templates=old.templates)
        serve[changed] = rec.encoder.encode([texts[row] for row in changed.tolist()])
    return replace(old, serve=serve)
