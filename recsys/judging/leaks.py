"""Whether a trained run knows what comes after its cut: its graph, its whitening, its encoder.

A whitening is the mean and the spread of texts: fitted on the items of later too, it has seen them.
What it was fitted on is not asked but found out: the run keeps the texts' vectors, and the items of
the training part give one mean and unit variances, others do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kg.checking.leakage import Leak, leaks, reading_leaks
from kg.checking.reading import Reading, read_readings, readings_of
from kg.split import HoldOut, Split, make_split
from models.whitening import Whitening
from recsys.recommender import Recommender
from recsys.serving.live import as_learned

CHECK = "whitening"
CLOSE, ALIKE = 1e-6, 1e-3
"""How far the means, and the variances, of one fit on the same vectors may be apart."""


def run_leaks(
    rec: Recommender, hold_out: HoldOut, trained: Mapping[str, Any], facts_told: int | None = None
) -> list[Leak]:
    """What is found in a run of this hold-out; `trained` and `facts_told` as its manifest says.
    Items and events that came since the training are no part of it, and what may be one of the
    facts that came since is only told.
    """
    rec = as_learned(rec)
    split = make_split(rec.log, hold_out)
    if trained.get("again"):
        split = split.refitted()
    found = [
        *(
            _told_since(leak, facts_told)
            for leak in leaks(rec.model.graph, split, rec.catalog, rec.model.features.users)
        ),
        *_whitenings(rec, split, own="from" not in trained),
        *reading_leaks(_readings(rec, trained), split, rec.log),
    ]
    return sorted(found, key=lambda leak: not leak.refused)


def _told_since(leak: Leak, facts_told: int | None) -> Leak:
    """A leak that may be what `kgintent kg add` told the run, which does not keep which facts these
    were: a training leaves facts of later out, and of others no more came than were told.
    """
    if not leak.refused or facts_told is None:
        return leak
    few = leak.check == "facts of people" and leak.count <= facts_told
    if leak.check != "dated facts" and not few:
        return leak
    what = f"{leak.what}; the run was told facts ({facts_told:,} new) since its training"
    return replace(leak, what=what, refused=False)


def _readings(rec: Recommender, trained: Mapping[str, Any]) -> list[Reading]:
    if "read" in trained:
        return readings_of(trained["read"])
    name = getattr(rec.encoder, "name", None)
    return read_readings(Path(name)) if name else []


def _whitenings(rec: Recommender, split: Split, own: bool) -> Iterator[Leak]:
    if rec.forgotten:
        told = (f"the whitening cannot be compared with the training part, of which "
                f"{rec.forgotten:,} people were taken out since")  # fmt: skip
        yield Leak(CHECK, told, False, rec.forgotten)
        return
    rows, features = np.flatnonzero(split.train.item_counts()), rec.model.features
    vectors = {"texts": (rec.items.text[: rec.items.trained], rows)}
    vectors |= {name: (x, rows) for name, x in features.items.items()}
    if features.people is not None:
        met = rec.log.users.decode(np.unique(split.train.user[split.train.has_item]))
        people = features.people.ids.encode(met, missing="negative")
        known = features.people.profiles.vectors.items()
        vectors |= {f"user {name}": (x, people[people >= 0]) for name, x in known}
    for name, (x, some) in vectors.items():
        whitening = rec.model.whitening if name == "texts" else features.whitening[name]
        fitted_here = own or name != "texts"
        leak = whitening_leak(
            name, whitening, x, some, rec.model.config.text_dim, own=fitted_here
        )  # fmt: skip
        if leak is not None:
            yield leak


def whitening_leak(
    name: str, whitening: Whitening, vectors: np.ndarray, rows: np.ndarray, dim: int, *,
    own: bool = True,
) -> Leak | None:  # fmt: skip
    """Whether a whitening of the vectors float32 [N, T] was not fitted on the `rows` int64 [M] of
    the training part; `own` False: its spread is that of another run, and only the mean is asked.
    """
    right = Whitening.fit(vectors, rows, dim) if own else whitening.centred_on(vectors, rows)
    same = float(np.linalg.norm(whitening.mean - right.mean)) <= CLOSE
    if same and own:
        spread, wanted = (_variances(one, vectors, rows) for one in (whitening, right))
        apart = np.abs(spread - wanted) if len(spread) == len(wanted) else np.ones(1)
        same = float(apart.max(initial=0)) <= ALIKE
    if same:
        return None
    known = np.asarray(vectors.any(1))
    later = int(known.sum() - known[rows].sum())
    what = (f"the whitening of {name} was not fitted on the training part alone: {later:,} of "
            f"{int(known.sum()):,} are met only later, or never")  # fmt: skip
    return Leak(CHECK, what, True, later)


def _variances(whitening: Whitening, vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """float64 [d], sorted: how far the training part spreads in each direction."""
    told = rows[vectors[rows].any(1)]
    if len(told) == 0:
        return np.zeros(whitening.dim)
    return np.sort(whitening.apply(vectors[told]).astype(np.float64).var(0))
