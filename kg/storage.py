"""A built data folder: events, catalogue, users and graph as JSON and npz, no pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import polars as pl

from kg.broken import Broken
from kg.catalog import Attribute, Catalog
from kg.clean import CleanReport
from kg.declined import Declined
from kg.errors import DataError
from kg.events import EventLog
from kg.folders import publish, read_folder
from kg.graph import KnowledgeGraph
from kg.graph_store import pack_graph, unpack_graph
from kg.ids import Vocab
from kg.schema import Behaviour
from kg.vectors import Vectors

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Dataset:
    """What `kgintent build` makes: a cleaned log, the catalogue, the facts about both, and perhaps
    a table of users, and what people turned down. Raises `DataError` unless log, catalogue and
    graph number the same items.
    """

    log: EventLog
    catalog: Catalog
    graph: KnowledgeGraph
    users: Catalog | None = None
    declined: Declined = field(default_factory=Declined)

    def __post_init__(self) -> None:
        items, known = self.catalog.ids.ids, self.graph.vocabs.get("item")
        if self.log.items.ids != items:
            raise DataError(
                "The log and the catalogue of a Dataset must number the same items: call "
                f"clean(log, catalog.ids) first. Got {len(self.log.items):,} and {len(items):,} "
                "items, which are not the same."
            )
        if known is None or known.ids != items:
            raise DataError(
                "The graph and the catalogue of a Dataset must number the same items: call "
                f"build_graph(log, catalog). Got {len(known or ()):,} and {len(items):,} items, "
                "which are not the same."
            )

    @property
    def fingerprint(self) -> str:
        """sha256, hex, over events, texts and facts: equal where a training sees the same."""
        digest, log = hashlib.sha256(), self.log
        facts = self.graph.facts()
        columns = [log.user, log.item, log.behaviour, log.time]
        words = [log.users.ids, log.items.ids, log.query or (), self.catalog.full_texts()]
        for relation in facts.fact_relations:
            columns.append(facts.edges[relation])
            if relation in facts.edge_time:
                columns.append(facts.edge_time[relation])
            words.append(relation)
        for column in columns:
            digest.update(b"-" if column is None else column.tobytes())
        digest.update(json.dumps(words).encode())
        return digest.hexdigest()


def save_dataset(
    path: str | Path,
    data: Dataset,
    facts: Mapping[str, Any] | None = None,
    report: CleanReport | None = None,
    vectors_aside: pl.DataFrame | None = None,
    broken: Broken | None = None,
) -> None:
    """Publish `data` as a folder; `facts` say how it was made. What cleaning kept aside goes to
    `set_aside.csv` in it, rows of vector files that are not used to `set_aside_vectors.csv`, lines
    that could not be read to `set_aside_lines.csv`.
    """

    def write(folder: Path) -> None:
        write_dataset(folder, data)
        if report is not None and len(report.aside):
            report.aside.write_csv(folder / "set_aside.csv")
        if vectors_aside is not None and len(vectors_aside):
            vectors_aside.write_csv(folder / "set_aside_vectors.csv")
        if broken is not None:
            broken.save(folder)

    publish(path, write, {"kind": "data", **(facts or {})})


def load_dataset(path: str | Path) -> Dataset:
    """The folder, verified; `DataError` names a part that is damaged."""
    return read_folder(path, "data", lambda _: read_dataset(Path(path)))


def write_dataset(folder: Path, data: Dataset) -> None:
    """data.json and data.npz in an existing folder."""
    meta: dict[str, Any] = {}
    arrays: Arrays = {}
    meta["log"] = _pack_log(data.log, arrays)
    meta["catalog"] = _pack_catalog(data.catalog, arrays)
    if data.users is not None:
        meta["users"] = _pack_catalog(data.users, arrays, "users.")
    meta["graph"] = _pack_graph(data.graph, data.catalog.titles, arrays)
    if data.declined:
        meta["declined"] = data.declined.as_dict()
    text = json.dumps(meta, ensure_ascii=False)
    (folder / "data.json").write_text(text, encoding="utf-8")
    np.savez_compressed(folder / "data.npz", allow_pickle=False, **arrays)


def read_dataset(folder: Path) -> Dataset:
    """The inverse of `write_dataset`."""
    try:
        meta = json.loads((folder / "data.json").read_text(encoding="utf-8"))
        with np.load(folder / "data.npz", allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        catalog = _unpack_catalog(meta["catalog"], arrays)
        log = _unpack_log(meta["log"], arrays, catalog.ids)
        graph = _unpack_graph(meta["graph"], arrays, catalog, log.users)
        users = meta.get("users")
        people = None if users is None else _unpack_catalog(users, arrays, "user", "users.")
        return Dataset(log, catalog, graph, people, Declined.told(meta.get("declined")))
    except (OSError, KeyError, ValueError, TypeError, BadZipFile) as error:
        raise DataError(f"{folder} holds no readable data: {error}.") from None


def _pack_log(log: EventLog, arrays: Arrays) -> dict[str, Any]:
    for name in ("user", "item", "behaviour", "time", "value", "row"):
        column = getattr(log, name)
        if column is not None:
            arrays[f"log.{name}"] = column
    kinds = [[b.name, b.weight, b.en, b.zh] for b in log.behaviours]
    query = list(log.query) if log.query is not None and any(log.query) else None
    told = {"users": log.users.ids, "behaviours": kinds, "query": query}
    return told if log.ordered else told | {"ordered": False}


def _unpack_log(meta: dict[str, Any], arrays: Arrays, items: Vocab) -> EventLog:
    query = meta["query"]
    return EventLog(
        Vocab(tuple(meta["users"]), "user"), items,
        tuple(Behaviour(*kind) for kind in meta["behaviours"]),
        arrays["log.user"], arrays["log.item"], arrays["log.behaviour"], arrays.get("log.time"),
        arrays.get("log.value"), None if query is None else tuple(query), arrays.get("log.row"),
        meta.get("ordered", True),
    )  # fmt: skip


def _pack_catalog(catalog: Catalog, arrays: Arrays, prefix: str = "") -> dict[str, Any]:
    for number, attribute in enumerate(catalog.attributes):
        arrays[f"{prefix}attribute.{number}"] = np.stack([attribute.row, attribute.value])
    for number, vectors in enumerate(catalog.vectors):
        arrays[f"{prefix}vectors.{number}.row"] = vectors.row
        arrays[f"{prefix}vectors.{number}.values"] = vectors.values
    for number, values in enumerate(catalog.numbers.values()):
        arrays[f"{prefix}numbers.{number}"] = values
    return {
        "ids": catalog.ids.ids, "titles": catalog.titles, "texts": catalog.texts,
        "attributes": [[a.name, a.values.ids] for a in catalog.attributes],
        "ignored": catalog.ignored, "vectors": [v.name for v in catalog.vectors],
        "numbers": list(catalog.numbers),
    }  # fmt: skip


def _unpack_catalog(
    meta: dict[str, Any], arrays: Arrays, kind: str = "item", prefix: str = ""
) -> Catalog:
    attributes = tuple(
        Attribute(name, Vocab(tuple(values), name), *arrays[f"{prefix}attribute.{number}"])
        for number, (name, values) in enumerate(meta["attributes"])
    )
    vectors = tuple(
        Vectors(
            name,
            arrays[f"{prefix}vectors.{number}.row"],
            arrays[f"{prefix}vectors.{number}.values"],
        )
        for number, name in enumerate(meta.get("vectors", ()))
    )
    names = enumerate(meta.get("numbers", ()))
    numbers = {name: arrays[f"{prefix}numbers.{number}"] for number, name in names}
    return Catalog(Vocab(tuple(meta["ids"]), kind), tuple(meta["titles"]), tuple(meta["texts"]),
                   attributes, tuple(meta["ignored"]), vectors, numbers)  # fmt: skip


def _pack_graph(graph: KnowledgeGraph, titles: tuple[str, ...], arrays: Arrays) -> dict[str, Any]:
    told = pack_graph(graph, arrays, elsewhere=("item", "user"))
    if told["names"].get("item") == titles:  # the catalogue has them
        del told["names"]["item"]
    return told


def _unpack_graph(
    meta: dict[str, Any], arrays: Arrays, catalog: Catalog, users: Vocab
) -> KnowledgeGraph:
    vocabs, edges, names, times = unpack_graph(meta, arrays)
    ids = {**vocabs, "item": catalog.ids, "user": users}
    return KnowledgeGraph(ids, edges, {"item": catalog.titles} | names, edge_time=times)
