"""The data sets by name: cleaned events, the catalogue, facts; and the task of a protocol.

    task = load(Path("DIR"), "online-retail-ii", "time")      # DIR/online-retail-ii/*.csv.gz

What a set's README warns of is dealt with here and nowhere else: a customer who is no person, facts
and prices that come from the whole period, dates that are missing. `protocols` makes the parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from protocols import Parts, make_parts

from kg.building.build import build_graph
from kg.building.triples import Triples, read_triples
from kg.catalog import Catalog
from kg.clean import clean
from kg.errors import UsageError, suggest
from kg.events import EventLog
from kg.graph import KnowledgeGraph
from kg.schema import behaviour_named
from kg.tables import read_table
from kg.times import NO_TIME

COLUMNS = {"user": "user_id", "item": "item_id", "time": "timestamp"}
FILM = ("has_tag",)  # tags may be later than the test part


@dataclass(frozen=True)
class Source:
    """How a folder is read, and what can be asked of it.

    `one_behaviour` names the events of a file that has no column for it, `nobody` a user to leave
    out. `future` attributes and `skip` relations know the whole period or a person. `doubled`
    attributes are texts only: the triples hold the same facts for the graph. Where not `ordered` a
    history is a bag.
    """

    events: str = "interactions.csv.gz"
    columns: Mapping[str, str] = field(default_factory=lambda: dict(COLUMNS))
    one_behaviour: str = ""
    nobody: str = ""
    skip: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ("loo", "time", "rolling")
    tables: tuple[str, ...] = ("new",)
    ordered: bool = True


SEQUENCES = Source("sequences.txt.gz", {}, protocols=("loo",))
SHOP = Source(one_behaviour="purchase", protocols=("time", "rolling", "loo"),
              tables=("repeats", "new"))  # fmt: skip
SOURCES: dict[str, Source] = {
    "amazon-beauty": replace(SEQUENCES, doubled=("brand", "categories")),
    "movielens-1m": replace(SEQUENCES, skip=FILM, doubled=("genres", "year")),
    "movielens-100k": Source(columns=COLUMNS | {"value": "rating"}, skip=FILM,
                             doubled=("genres", "year", "countries")),
    "movielens-small-kg": Source(columns=COLUMNS | {"value": "rating"}, skip=FILM,
                                 doubled=("genres", "year")),
    "lastfm-kg": Source("ratings.csv.gz", {"user": "user_id", "item": "item_id"},
                        protocols=("given",), ordered=False),
    "online-retail-ii": replace(SHOP, columns=COLUMNS | {"value": "quantity"}, nobody="1",
                                skip=("in_price_band",), future=("median_price",),
                                doubled=("category",)),
    "complete-journey": replace(
        SHOP, columns=COLUMNS | {"value": "quantity"},
        skip=("covers", "campaign_type", "part_of"), future=("category_zh", "department_zh"),
        doubled=("product_type", "brand", "manufacturer_id")),
    "retailrocket-mb": Source(columns=COLUMNS | {"behaviour": "behaviour"}, protocols=("given",)),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Task:
    """What a model is given. `learn` is what a model in closed form is fitted to: the training
    part, and before the test is scored train and validation. Trained models get `parts.split`, and
    where they are to be trained `again`, `learn` after it, for as many epochs as were best.
    """

    name: str
    protocol: str
    tables: tuple[str, ...]
    parts: Parts
    learn: EventLog
    catalog: Catalog
    triples: Triples | None
    doubled: tuple[str, ...]
    cleaned: str
    again: bool = False
    cache: Path | None = None

    def graph(self, log: EventLog | None = None) -> KnowledgeGraph:
        """Facts, and the events of `log`, the training part without it; no fact twice."""
        kept = tuple(a for a in self.catalog.attributes if a.name not in self.doubled)
        if self.triples is None:
            kept = self.catalog.attributes
        bare = replace(self.catalog, attributes=kept)
        return build_graph(log or self.parts.split.train, bare, triples=self.triples)


def load(data: Path, name: str, protocol: str) -> Task:
    """Read DIR/name and cut it; `UsageError` for an unknown set or a protocol it cannot have."""
    if name not in SOURCES:
        raise UsageError(f"Unknown set {name!r}: {', '.join(SOURCES)}.{suggest(name, SOURCES)}")
    source = SOURCES[name]
    if protocol.partition(":")[0] not in source.protocols:
        raise UsageError(
            f"{name} can be cut by: {', '.join(source.protocols)}. Got {protocol!r} instead."
        )
    folder = data / name
    log, label = _events(folder, source)
    catalog = _catalog(folder, source, log)
    log, report = clean(log, catalog.ids)
    parts = make_parts(log, protocol, None if label is None else label[log.row - 1])
    triples = read_facts(folder, source, catalog)
    return Task(name, protocol, source.tables, parts, parts.split.train, catalog, triples,
                source.doubled, str(report))  # fmt: skip


def _events(folder: Path, source: Source) -> tuple[EventLog, np.ndarray | None]:
    """The log and, by row of the file, the part that the file itself gives an event."""
    file = folder / source.events
    log = EventLog.read(file, columns=source.columns, ordered=source.ordered)
    if source.one_behaviour:
        log = replace(log, behaviours=(behaviour_named(source.one_behaviour, ()),))
    if source.nobody:
        log = log.take(log.user != log.users.encode([source.nobody], missing="negative")[0])
    if not file.name.endswith(".csv.gz"):
        return log, None
    frame = read_table(file)
    if "label" in frame.columns:  # 0: sampled, nobody listened; and the order tells who listened
        log = _shuffled(log.take((frame["label"] == "1").to_numpy()[log.row - 1]))
    if log.time is not None and (undated := log.time == NO_TIME).any():
        last = np.where(undated, log.time.max() + 1, log.time)
        order = np.lexsort((last, log.user))
        log = replace(replace(log, time=None).take(order), time=last[order])
    return log, frame["split"].to_numpy() if "split" in frame.columns else None


def _shuffled(log: EventLog) -> EventLog:
    """Each user's events in an order that says nothing."""
    return log.take(np.lexsort((np.random.default_rng(0).random(len(log)), log.user)))


def _catalog(folder: Path, source: Source, log: EventLog) -> Catalog:
    file = folder / "items.csv.gz"
    if not file.exists():
        return Catalog.of(log.items.ids)
    catalog = Catalog.read(file, columns={"item_id": "item_id", "title": "title"})
    kept = tuple(a for a in catalog.attributes if a.name not in source.future)
    return replace(catalog, attributes=kept)


def read_facts(folder: Path, source: Source, catalog: Catalog) -> Triples | None:
    """The triples of a set, those about items of the catalogue; None where it has no file."""
    file, entities = folder / "triples.csv.gz", folder / "entities.csv.gz"
    if not file.exists():
        return None
    if entities.exists():
        return read_triples(file, catalog.ids, entities=entities, skip_relations=source.skip)
    return read_triples(file, catalog.ids, triple_ids="item", skip_relations=source.skip)
