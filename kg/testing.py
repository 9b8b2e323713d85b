"""Two small worlds for tests: `tiny`, worked out by hand, and `planted`, with a known signal; and
what every format must give (`check_tables`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from kg.building.triples import Triples, read_triples
from kg.catalog import Catalog
from kg.clean import clean
from kg.errors import UsageError
from kg.events import EventLog
from kg.formats.tables import EVENTS, TRIPLES, Tables, read_plain, with_items, write_plain
from kg.ids import Vocab

START = 1_700_000_000
"""The first second of both worlds (14 November 2023)."""


@dataclass(frozen=True)
class World:
    """A log numbered by its catalogue, and perhaps extra facts."""

    log: EventLog
    catalog: Catalog
    triples: Triples | None = None


_ITEMS = (
    ("i1", "Red Lipstick", "A matte lipstick", "beauty"),
    ("i2", "Nail Polish", "Polish that dries fast", "beauty"),
    ("i3", "Hand Cream", "Cream for dry hands", "beauty"),
    ("i4", "Trail Shoes", "Shoes for muddy paths", "outdoor"),
    ("i5", "Rain Jacket", "A waterproof jacket", "outdoor"),
    ("i6", "Camping {Stove}", "A small gas stove", "outdoor"),  # braces must not break a phrase
    ("i7", "Teapot", "A teapot for two", "kitchen"),
    ("i8", "Chef Knife", "A sharp knife", "kitchen"),
)
_EVENTS = (  # user, item, behaviour, hours after START, query
    ("u1", "i1", "view", 0, ""),
    ("u1", "", "search", 1, "red nail polish"),
    ("u1", "i2", "purchase", 2, ""),
    ("u2", "i4", "view", 1, ""),
    ("u2", "i5", "cart", 3, ""),
    ("u2", "i5", "purchase", 4, ""),
    ("u3", "i1", "view", 2, ""),
    ("u3", "i2", "view", 5, ""),
    ("u3", "i3", "purchase", 6, ""),
    ("u4", "i7", "view", 3, ""),
    ("u4", "i8", "purchase", 7, ""),
    ("u5", "i4", "view", 4, ""),
    ("u5", "i5", "view", 8, ""),
    ("u5", "i7", "purchase", 9, ""),
    ("u6", "i3", "view", 10, ""),
)  # nobody touches i6: the cold item
_MAKERS = (("i1", "m1"), ("i2", "m1"), ("i4", "m2"), ("i5", "m2"), ("i6", "m2"))


def tiny() -> World:
    """6 users, 8 items (i6 is cold), 3 categories, 15 events, 2 makers; readable at a glance."""
    ids, titles, texts, categories = (list(column) for column in zip(*_ITEMS, strict=True))
    catalog = Catalog.of(ids, titles, texts, {"category": [[name] for name in categories]})
    users, items, behaviours, hours, queries = zip(*_EVENTS, strict=True)
    log = EventLog.of(
        users, items, behaviour=behaviours, query=queries,
        time=START + 3600 * np.array(hours, np.int64),
    )  # fmt: skip
    makers = Vocab(("m1", "m2"), "maker")
    made_by = np.stack([catalog.ids.encode(i for i, _ in _MAKERS),
                        makers.encode(m for _, m in _MAKERS)])  # fmt: skip
    triples = Triples(
        {("item", "made_by", "maker"): made_by}, {"maker": makers, "item": catalog.ids},
        {"maker": ("Aurora", "Fells")}, {},
    )  # fmt: skip
    return World(clean(log, catalog.ids)[0], catalog, triples)


_WORDS = (
    ("beauty", "lipstick cream perfume mascara"),
    ("outdoor", "tent boots jacket rope"),
    ("kitchen", "pan knife kettle teapot"),
    ("garden", "spade seeds hose pot"),
    ("music", "guitar drum violin flute"),
    ("office", "pen stapler folder lamp"),
    ("sport", "ball racket glove helmet"),
    ("toys", "puzzle robot doll kite"),
)
_COLOURS = ("red", "blue", "green", "white", "black")
SWITCH = 0.2
"""Chance that a user of the planted world turns to the other of two favourite categories."""


def planted(
    rng: np.random.Generator,
    *,
    users: int = 200,
    items: int = 60,
    categories: int = 6,
    signal: float = 1.0,
    events: int = 12,
) -> World:
    """Users who want one category at a time: what a model can learn is exactly `signal`.

    Each user has two favourite categories and is in one of them; before each event the user
    turns to the other with chance `SWITCH`. With chance `signal` the item comes from the current
    category, else from all items; an item is not taken twice while others are left. With
    signal=0 the next item depends on nothing. Titles and texts name the category in words.
    """
    if not (2 <= categories <= items and 0 <= signal <= 1 and users >= 1 and events >= 1):
        raise UsageError(
            "planted needs 2 <= categories <= items, signal in [0, 1], users and events >= 1. "
            f"Got categories={categories}, items={items}, signal={signal}, users={users}, "
            f"events={events}."
        )
    kinds = np.arange(items) % categories
    drawn = np.stack([_history(rng, kinds, categories, signal, events) for _ in range(users)])
    times = START + np.sort(rng.integers(0, 30 * 86400, (users, events)), axis=1)
    strong = rng.random((users, events)) < 0.2
    catalog = _planted_catalog(kinds)
    log = EventLog.of(
        [f"u{number:05d}" for number in range(users) for _ in range(events)],
        [_item_id(number) for number in drawn.ravel().tolist()],
        behaviour=np.where(strong, "purchase", "view").ravel().tolist(),
        time=times.ravel(),
    )
    return World(clean(log, catalog.ids)[0], catalog)


def _history(
    rng: np.random.Generator, kinds: np.ndarray, categories: int, signal: float, events: int
) -> np.ndarray:
    """int64 [events], the items of one user."""
    here, other = rng.choice(categories, 2, replace=False)
    left = np.ones(len(kinds), bool)
    out = np.zeros(events, np.int64)
    for step in range(events):
        if rng.random() < SWITCH:
            here, other = other, here
        follows = rng.random() < signal
        pools = ((kinds == here) & left, (kinds == other) & left) if follows else ()
        pool = next((p for p in (*pools, left) if p.any()), np.ones(len(kinds), bool))
        out[step] = rng.choice(np.flatnonzero(pool))
        left[out[step]] = False
    return out


def _item_id(number: int) -> str:
    return f"i{number:04d}"


def _planted_catalog(kinds: np.ndarray) -> Catalog:
    names, titles, texts = [], [], []
    for number, kind in enumerate(kinds.tolist()):
        name, words = _WORDS[kind % len(_WORDS)]
        if kind >= len(_WORDS):
            name = f"{name}{kind // len(_WORDS) + 1}"
        thing = words.split()[number // len(_WORDS) % 4]
        colour = _COLOURS[number % len(_COLOURS)]
        names.append(name)
        titles.append(f"{colour} {name} {thing} {number}")
        texts.append(f"A {thing} for {name}, in {colour}. See also: {words}.")
    ids = [_item_id(number) for number in range(len(kinds))]
    return Catalog.of(ids, titles, texts, {"category": [[name] for name in names]})


def check_tables(tables: Tables, folder: Path) -> None:
    """`AssertionError` unless tables are what every reader must give; the plain form is written
    into the folder, which must be empty, and read as `kgintent build` reads it.
    """
    check_rows(tables)
    there = tables.there()
    for note in tables.notes:
        assert re.fullmatch(r"[^\n]+\.", note), f"a note is a sentence: {note!r}"
        assert not re.search(r"(^|[,:(] |In )0 \w", note), f"nothing is no news: {note!r}"
    if (events := tables.events) is not None:
        assert events.columns == [name for name in EVENTS if name in events.columns]
        known = [name for name in ("item_id", "query") if name in events.columns]
        assert not events["user_id"].null_count()
        assert events.select(pl.any_horizontal(pl.col(known).is_not_null()).all()).item()
    write_plain(tables, folder)
    again = read_plain(folder)
    assert again.there().keys() == there.keys()
    for name, frame in there.items():
        assert again.there()[name].equals(frame), f"the plain form keeps the table {name}"
    assert {name: one.ids for name, one in again.vectors.items()} == {
        name: one.ids for name, one in tables.vectors.items()
    }
    _check_build(with_items(tables), folder)


def check_rows(tables: Tables) -> None:
    """The part of `check_tables` that holds of a damaged source too, where it is read at all: only
    events may lack cells, for `build` counts and keeps them aside.
    """
    there = tables.there()
    assert there, "a reader gives tables"
    for name, frame in there.items():
        assert frame.height, f"the table {name} is left out where it has no row"
        assert not any((frame[one] == "").any() for one in frame.columns), f"empty: null ({name})"
    for name, key in (("items", "item_id"), ("users", "user_id"), ("entities", "entity_id")):
        if name in there:
            ids = there[name][key]
            assert not ids.null_count(), f"{key} of {name} is never empty"
            assert ids.is_unique().all(), f"{key} of {name} stands once"
    if tables.triples is not None:
        assert not any(tables.triples[name].null_count() for name in TRIPLES)
    for name, vectors in tables.vectors.items():
        assert vectors.values.shape[:1] == (len(vectors.ids),) == (len(set(vectors.ids)),), name
        assert vectors.values.dtype == np.float32


def _check_build(tables: Tables, folder: Path) -> None:
    """What `build` keeps of the plain form: events of known items at times that can be."""
    items = Vocab((), "item")
    if tables.items is not None:
        tables.items.write_csv(folder / "items.csv")
        items = Catalog.read(folder / "items.csv").ids
        assert set(items.ids) == set(tables.items["item_id"])
    if tables.events is not None and tables.items is not None:
        timed = "timestamp" in tables.events.columns
        log = EventLog.read(folder / "events.csv", use_time=timed)
        kept, report = clean(log, items)
        assert len(kept), report
        assert set(report.reasons) <= {"unknown item", "duplicate"}, report
    if tables.triples is not None and len(items):
        entities = folder / "entities.csv" if tables.entities is not None else None
        read_triples(folder / "triples.csv", items, entities=entities, triple_ids="item")
