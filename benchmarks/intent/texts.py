"""The sets of labelled texts, and how each is read; `DIR` holds a folder per source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kg.intents.labelled import LabelledTexts, read_labelled
from models.intent.folds import held_out

VALID = 0.1
"""Share of the train rows that are validation where the file has no valid part."""


@dataclass(frozen=True)
class Source:
    """A file, its column of labels, the label of texts out of scope, one that is never trained."""

    file: str
    label: str = "intent"
    out_of_scope: str | None = None
    unseen: str | None = None
    most: int = 1_000_000


SOURCES = {
    "banking77": Source("intent-english/banking77.csv.gz"),
    "clinc150": Source("intent-english/clinc150.csv.gz", out_of_scope="oos"),
    "hwu64": Source("intent-english/hwu64.csv.gz"),
    "snips": Source("intent-english/snips.csv.gz"),
    "bitext": Source("intent-english/bitext_customer_service.csv.gz"),
    "zh-queries": Source("intent-chinese/search_query_domain.csv.gz", "domain", unseen="health",
                         most=20_000),
    "zh-reviews": Source("intent-chinese/shopping_reviews_10cat.csv.gz", "category", most=20_000),
    "zh-news": Source("intent-chinese/thucnews_titles_20k.csv.gz", "topic", most=20_000),
}  # fmt: skip


@dataclass(frozen=True)
class Task:
    """What is learned from, calibrated on (None: on what is kept back of `train`) and judged on;
    `strange` is the label out of scope, of which `train` holds no rows unless the file does. `rest`
    are the train texts that few shots left.
    """

    train: LabelledTexts
    valid: LabelledTexts | None
    judged: LabelledTexts
    strange: str | None
    rest: tuple[str, ...] = ()


def load(data: Path, name: str, shots: int, seed: int, part: str) -> Task:
    """`shots` rows of each label are drawn from the train rows by the seed (0: all of them).

    Part "valid" of a file that has none is the same tenth of its train rows for every seed, and
    nothing is learned from it; before the test is judged there is no such part.
    """
    source = SOURCES[name]
    parts = read_labelled(data / source.file, label=source.label, split="split")
    train, valid = parts["train"], parts.get("valid")
    if part == "valid" and valid is None:
        held = held_out(train.carries, VALID, np.random.default_rng(0))
        train, valid = train.take(~held), train.take(held)
    rng = np.random.default_rng([seed, 1])
    if len(train) > source.most:
        train = train.take(np.sort(rng.choice(len(train), source.most, replace=False)))
    rest: tuple[str, ...] = ()
    if shots:
        if source.out_of_scope is not None:
            train = train.without(source.out_of_scope)
        rows = train.few(shots, rng)
        left = np.setdiff1d(np.arange(len(train)), rows)
        rest = tuple(train.texts[row] for row in left)
        train = train.take(rows)
    judged = parts["test"] if part == "test" else valid
    assert judged is not None, "part valid has just been made"
    return Task(train, valid, judged, source.out_of_scope or source.unseen, rest)
