"""Two small worlds for tests: `tiny`, worked out by hand, and `planted`, with a known signal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kg.building.triples import Triples
from kg.catalog import Catalog
from kg.clean import clean
from kg.errors import UsageError
from kg.events import EventLog
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
