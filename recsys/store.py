"""A run on disk: a folder that is whole or not there, every file under a hash, no pickle.

manifest.json       hashes, encoder, sizes, configuration, versions
model.safetensors   weights, whitening, item parts, intent embeddings
data.json, .npz     events, catalogue and facts, as `kgintent build` made them
run.json            configuration, added and removed items, names of intents, the taxonomy
index.faiss         the index (absent until `kgintent index`, or where FAISS is not installed)
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file
from scipy import sparse

from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.folders import publish, read_folder
from kg.graph import KnowledgeGraph
from kg.intents.labels import IntentLabels
from kg.intents.taxonomy import Taxonomy
from kg.schema import Behaviour
from kg.searches import query_texts
from kg.storage import Dataset, read_dataset, write_dataset
from kg.vectors import Vectors
from kg.wording.paths import PathIndex
from kg.wording.templates import Templates
from models.features import Features, Queries
from models.intent import IntentConfig, IntentHead
from models.recommender import IntentRecommender, ModelConfig
from models.tensors import save_tensors
from models.text import TextEncoder
from models.whitening import Whitening
from recsys.encoders import LazyEncoder, same_encoder
from recsys.index import Probe, VectorIndex
from recsys.intent.signals import IntentSignals
from recsys.partners import Partners
from recsys.partners.factors import FactorConfig, Factors
from recsys.partners.habits import HabitConfig, HabitNetwork, Habits
from recsys.partners.neighbours import NeighbourConfig, Neighbours
from recsys.partners.trend import Trend
from recsys.recommender import Recommender
from recsys.retrieval import indexed_vectors
from recsys.serving.answers import NotHeard
from recsys.serving.items import ItemStore
from recsys.serving.live import heard

KIND, INDEX = "run", "index.faiss"
COLUMNS = ("user", "item", "behaviour", "time", "value")
LINKS = ("data", "indices", "indptr")


def save_run(rec: Recommender, path: str | Path, facts: Mapping[str, Any]) -> None:
    """Publish the recommender at `path`; `facts` go into the manifest."""

    def write(folder: Path) -> None:
        model = rec.model
        data = Dataset(rec.learned, rec.catalog, model.graph, model.features.users, rec.declined)
        write_dataset(folder, data)
        save_tensors(folder / "model.safetensors", _tensors(rec))
        text = json.dumps(_plain(rec), ensure_ascii=False)
        (folder / "run.json").write_text(text, encoding="utf-8")
        if rec.index.backend == "faiss":
            rec.index.save(folder / INDEX)

    publish(path, write, {"kind": KIND, **_facts(rec), **facts})


def _facts(rec: Recommender) -> dict[str, Any]:
    names = ("kgintent", "torch", "torch-geometric", "transformers", "faiss-cpu", "numpy")
    return {
        "encoder": rec.encoder.id if rec.encoder is not None else None,
        "dim": rec.model.config.dim, "metric": "inner product", "items": len(rec.items),
        "users": len(rec.log.users), "events": len(rec.log),
        "versions": {name: _version(name) for name in names},
    }  # fmt: skip


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:  # FAISS may be absent, or come from elsewhere than PyPI
        return None


def _tensors(rec: Recommender) -> dict[str, np.ndarray]:
    out = {f"model/{k}": v.numpy() for k, v in rec.model.state_dict().items()}
    out |= {
        "whitening/mean": rec.model.whitening.mean,
        "whitening/basis": rec.model.whitening.basis,
        "whitening/longest": np.array([rec.model.whitening.longest]),
    }
    out["counts"] = rec.model.items.counts.numpy().astype(np.int64)
    for name in ("text_part", "graph_part", "id_part", "text"):
        out[f"items/{name}"] = getattr(rec.items, name)
    out |= {f"items/extra/{name}": part for name, part in rec.items.extras.items()}
    if rec.base is not None:
        out |= {f"log/{name}": getattr(rec.log, name) for name in COLUMNS
                if getattr(rec.log, name) is not None}  # fmt: skip
    if rec.index.kind != "exact":
        out["index/moved"], out["index/hidden"] = rec.index.moved, rec.index.hidden
    out |= {f"items/number/{name}": some for name, some in rec.items.numbers.items()}
    if rec.model.searches is not None:
        out["searches"] = rec.model.searches.queries.vectors
    for name, whitening in rec.model.features.whitening.items():
        out[f"features/mean/{name}"] = whitening.mean
        out[f"features/basis/{name}"] = whitening.basis
        out[f"features/longest/{name}"] = np.array([whitening.longest])
    for number, relation in enumerate(sorted(rec.model.graph.events)):
        out[f"events/{number}"] = rec.model.graph.edges[relation]
    if (near := rec.partners.neighbours) is not None:
        links = near.whole
        out |= {f"links/{name}": getattr(links, name) for name in LINKS}
    if (factors := rec.partners.factors) is not None:
        out |= {"factors/known": factors.known, "factors/vectors": factors.vectors}
    if (habits := rec.partners.habits) is not None:
        out |= {f"habits/{k}": v.numpy() for k, v in habits.network.state_dict().items()}
        out["item_facts"] = habits.facts
    if rec.intent is not None:
        out["intent/serve"] = rec.intent.serve
        out["intent/valid"] = rec.intent.valid
        if rec.intent.head is not None:
            out |= {f"head/{k}": v.numpy() for k, v in rec.intent.head.state_dict().items()}
        item = rec.intent.labels.item.tocoo()
        out["labels/pairs"] = np.stack([item.row, item.col]).astype(np.int64)
    return out


def _plain(rec: Recommender) -> dict[str, Any]:
    trained = rec.items.trained
    hidden = np.flatnonzero(rec.items.hidden).tolist()
    encoder = rec.encoder
    return {
        "model": rec.model.config.model_dump(),
        "intent_dim": rec.model.intent_dim,
        "behaviours": rec.model.sequence.behaviour.num_embeddings,
        "encoder": {"name": _name_of(encoder), "id": encoder.id if encoder else None},
        "templates": rec.intent.templates.as_dict() if rec.intent is not None else {},
        "last": rec.intent.last if rec.intent is not None else 0,
        "labels": list(rec.intent.labels.names) if rec.intent is not None else [],
        "label_relation": rec.intent.labels.relation if rec.intent is not None else None,
        **_plain_taxonomy(rec.intent),
        "added": {"ids": rec.items.ids[trained:], "titles": rec.items.titles[trained:]},
        "facts": [[c, r, n] for c, many in rec.items.facts.items() for r, n in many],
        "partners": _plain_partners(rec.partners),
        "texts": {str(code): text for code, text in rec.items.texts.items()},
        "told": {str(code): cells for code, cells in rec.items.told.items()},
        **_plain_log(rec),
        "hidden": hidden,
        "absent": np.flatnonzero(rec.items.absent).tolist(),
        "unknown": np.flatnonzero(rec.items.unknown).tolist(),
        "index": {"kind": rec.index.kind, "probe": asdict(rec.index.probe)},
        "events": sorted(rec.model.graph.events),
        "forgotten": rec.forgotten,
    }


def _name_of(encoder: TextEncoder | None) -> str | None:
    """By what an encoder can be loaded again; None for one that was given as it is."""
    return encoder.name if isinstance(encoder, LazyEncoder) else None


def _plain_log(rec: Recommender) -> dict[str, Any]:
    """What the log says now, where events came since the training; its columns are tensors."""
    if rec.base is None:
        return {}
    log = rec.log
    kinds = [[b.name, b.weight, b.en, b.zh] for b in log.behaviours]
    people = log.users.ids[len(rec.base.users) :]
    return {"log": {"users": people, "items": len(log.items), "behaviours": kinds,
                    "query": log.query}}  # fmt: skip


def _log(plain: Mapping[str, Any], tensors: Mapping[str, np.ndarray], base: EventLog,
         store: ItemStore) -> EventLog:  # fmt: skip
    """The log of now; `base` if no event came since."""
    if "log" not in plain:
        return base
    told, columns = plain["log"], {name: tensors.get(f"log/{name}") for name in COLUMNS}
    users = base.users.extended(tuple(told["users"]))
    items = base.items.extended(store.ids[len(base.items) : told["items"]])
    if store.trained < len(store):  # runs of before have later rows in their logs
        item = tensors["log/item"]
        columns["item"] = np.where(item >= 0, store.first[item], -1)
    query = None if told["query"] is None else tuple(told["query"])
    kinds = tuple(Behaviour(*kind) for kind in told["behaviours"])
    return EventLog(users, items, kinds, **columns, query=query, ordered=base.ordered)  # type: ignore[arg-type]


def _plain_taxonomy(intent: IntentSignals | None) -> dict[str, Any]:
    if intent is None or intent.taxonomy is None:
        return {}
    return {"taxonomy": intent.taxonomy.as_dict()}


def _plain_partners(partners: Partners) -> dict[str, Any]:
    near, habits, trend = partners.neighbours, partners.habits, partners.trend
    factors = partners.factors
    return {
        "recent": partners.recent,
        "mixed": partners.mixed,
        "trend": None if trend is None else asdict(trend),
        "neighbours": None if near is None else _plain_of(near, "decay", "weight", "keep"),
        "factors": None if factors is None else _plain_of(factors, "weight", "seed"),
        "habits": None if habits is None else _plain_of(habits, "now", "period", "weight", "seed"),
    }


def _plain_of(partner: Neighbours | Habits | Factors, *names: str) -> dict[str, Any]:
    return {n: getattr(partner, n) for n in names} | {"config": partner.config.model_dump()}


def load_run(path: str | Path, encoder: TextEncoder | None = None) -> Recommender:
    """The recommender that was saved. `DataError` names the part that is damaged."""
    return open_run(path, encoder)[0]


def load_unindexed(path: str | Path) -> Recommender:
    """The same with an exact index of its vectors, whatever became of the one that was saved."""
    folder = Path(path)

    def read(told: dict[str, Any]) -> Recommender:
        kept = {name: file for name, file in told["files"].items() if name != INDEX}
        return _read_run(folder, {**told, "files": kept}, None)

    return read_folder(folder, KIND, read, besides=(INDEX,))


def open_run(
    path: str | Path, encoder: TextEncoder | None = None
) -> tuple[Recommender, dict[str, Any]]:
    """The same, with what the manifest of this very state says."""
    folder = Path(path)
    try:
        return read_folder(folder, KIND, lambda told: (_read_run(folder, told, encoder), told))
    except DataError as error:
        if INDEX not in str(error):
            raise
        raise DataError(f"{error} `kgintent index {folder}` makes it anew.") from None


def _read_run(
    folder: Path, manifest: Mapping[str, Any], encoder: TextEncoder | None
) -> Recommender:  # fmt: skip
    data = read_dataset(folder)
    try:
        plain = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "model.safetensors")
        model = _model(plain, tensors, _trained_graph(plain, tensors, data.graph), data)
        store = _store(plain, tensors, data)
        log = _log(plain, tensors, data.log, store)
        intent = _intent(plain, tensors, len(data.catalog))
        partners = _partners(plain["partners"], tensors, len(data.catalog))
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise DataError(f"{folder} cannot be read: {error}.") from None
    _check_encoder(folder, encoder, **plain["encoder"])
    if encoder is None and plain["encoder"]["name"]:
        encoder = LazyEncoder(plain["encoder"]["name"], plain["encoder"]["id"],
                              store.text.shape[1])  # fmt: skip
    vectors = indexed_vectors(store, partners, log)
    index = _index(folder, manifest, plain, vectors, tensors)
    graph = data.graph.with_events(data.log)
    base = None if log is data.log else data.log
    return Recommender(model, log, data.catalog, store, index, heard(log, model, data.log),
                       encoder, intent, PathIndex.of(graph), partners, base,
                       plain.get("forgotten", 0), data.declined)  # fmt: skip


def _check_encoder(
    folder: Path, given: TextEncoder | None, name: str | None, id: str | None
) -> None:
    """`UsageError` for an encoder whose vectors mean something else than those of the run; a
    warning where the run had one that only its maker can give.
    """
    if given is not None and id is not None and not same_encoder(given.id, id):
        raise UsageError(
            f"{folder} was made with the encoder {id}: give that one. Got {given.id} instead."
        )
    if given is None and name is None and id is not None:
        warnings.warn(
            f"{folder} was made with an encoder that was given as it is ({id}): without "
            "Recommender.load(…, encoder=…) no text and no history that is told live is read.",
            NotHeard, stacklevel=4,
        )  # fmt: skip


def _index(
    folder: Path, manifest: Mapping[str, Any], plain: Mapping[str, Any], vectors: np.ndarray,
    tensors: Mapping[str, np.ndarray],
) -> VectorIndex:  # fmt: skip
    """The one that was saved, or, if none was, an exact one of these vectors. Runs of before do not
    say what was hidden when it was made.
    """
    if INDEX not in manifest["files"]:
        return VectorIndex(vectors)
    made = plain.get("index", {"kind": "exact", "probe": {}})
    return VectorIndex.load(folder / INDEX, vectors, made["kind"], Probe(**made["probe"]),
                            tensors.get("index/moved"), tensors.get("index/hidden"))  # fmt: skip


def _part(tensors: Mapping[str, np.ndarray], prefix: str) -> dict[str, torch.Tensor]:
    size = len(prefix) + 1
    return {k[size:]: torch.from_numpy(v) for k, v in tensors.items() if k.startswith(prefix + "/")}


def _trained_graph(
    plain: dict[str, Any], tensors: dict[str, np.ndarray], facts: KnowledgeGraph
) -> KnowledgeGraph:
    """The facts with the events that the model was trained on (not those of the full log)."""
    events = {(r[0], r[1], r[2]): tensors[f"events/{n}"] for n, r in enumerate(plain["events"])}
    return replace(facts, edges={**facts.edges, **events}, events=frozenset(events))


def _whitening(tensors: dict[str, np.ndarray], place: str, name: str = "") -> Whitening:
    """Runs of before have no bound."""
    longest = tensors.get(f"{place}/longest{name}", np.array([np.inf]))
    mean, basis = (tensors[f"{place}/{part}{name}"] for part in ("mean", "basis"))
    return Whitening(mean, basis, float(longest[0]))


def _model(
    plain: dict[str, Any], tensors: dict[str, np.ndarray], graph: KnowledgeGraph, data: Dataset
) -> IntentRecommender:
    names = [key.removeprefix("features/mean/") for key in tensors if "features/mean/" in key]
    whitening = {n: _whitening(tensors, "features", f"/{n}") for n in names}
    items = replace(data.catalog, vectors=_used(data, tensors))
    queries = None
    if "searches" in tensors:
        queries = Queries(query_texts(data.log), tensors["searches"])
    model = IntentRecommender(
        graph, tensors["items/text"][: len(tensors["counts"])], ModelConfig(**plain["model"]),
        behaviours=plain["behaviours"], intent_dim=plain["intent_dim"], counts=tensors["counts"],
        whitening=_whitening(tensors, "whitening"),
        features=Features.of(items, data.users, queries, whitening),
    )  # fmt: skip
    weights = _part(tensors, "model")
    if model.state_dict().keys() - weights.keys():
        raise ValueError("it is of an earlier version of kgintent, train it again")
    model.load_state_dict(weights)
    return model.eval()


def _store(plain: dict[str, Any], tensors: dict[str, np.ndarray], data: Dataset) -> ItemStore:
    total = len(tensors["items/text"])
    hidden, absent, unknown = np.zeros((3, total), bool)
    hidden[plain["hidden"]] = True
    absent[plain.get("absent", [])] = True
    unknown[plain.get("unknown", [])] = True
    told = {
        int(code): {name: tuple(values) for name, values in cells.items()}
        for code, cells in plain.get("told", {}).items()
    }
    facts: dict[int, tuple] = {}
    for code, relation, node in plain["facts"]:
        facts[code] = (*facts.get(code, ()), (tuple(relation), node))
    return ItemStore(
        data.catalog.ids.ids + tuple(plain["added"]["ids"]),
        data.catalog.titles + tuple(plain["added"]["titles"]),
        tensors["items/text_part"], tensors["items/graph_part"], tensors["items/id_part"],
        tensors["items/text"], hidden, len(data.catalog), facts,
        {v.name: tensors[f"items/extra/{v.name}"] for v in _used(data, tensors)},
        {key.removeprefix("items/number/"): tensors[key] for key in tensors
         if key.startswith("items/number/")},
        told, absent, unknown, {int(code): text for code, text in plain.get("texts", {}).items()},
    )  # fmt: skip


def _used(data: Dataset, tensors: Mapping[str, np.ndarray]) -> tuple[Vectors, ...]:
    """The vectors of the catalogue that the model was trained with."""
    return tuple(v for v in data.catalog.vectors if f"items/extra/{v.name}" in tensors)


def _partners(plain: dict[str, Any], tensors: dict[str, np.ndarray], items: int) -> Partners:
    if "mixed" not in plain:
        raise ValueError("it is of an earlier version of kgintent, train it again")
    near, habits, trend = plain["neighbours"], plain["habits"], plain["trend"]
    found = Partners(float(plain["recent"]), float(plain["mixed"]))
    if trend is not None:
        found = replace(found, trend=Trend(tuple(trend["shares"]), tuple(trend["weights"])))
    if near is not None:
        arrays = tuple(tensors[f"links/{name}"] for name in LINKS)
        shape = (len(arrays[2]) - 1, len(tensors["items/text"]))
        links = sparse.csr_matrix(arrays, shape=shape)
        config = NeighbourConfig(**near.pop("config"))
        found = replace(found, neighbours=Neighbours(links, config=config, **near))
    if (factors := plain["factors"]) is not None:
        asked = FactorConfig(**factors.pop("config"))
        known, vectors = tensors["factors/known"], tensors["factors/vectors"]
        found = replace(found, factors=Factors(known, vectors, config=asked, **factors))
    if habits is not None:
        set_up = HabitConfig(**habits.pop("config"))
        weights = _part(tensors, "habits")
        network = HabitNetwork(len(weights["mean"]), set_up.habit_dim)
        network.load_state_dict(weights)
        network.eval().requires_grad_(False)
        facts = tensors["item_facts"]
        found = replace(found, habits=Habits(network, facts, config=set_up, **habits))
    return found


def _intent(
    plain: dict[str, Any], tensors: dict[str, np.ndarray], items: int
) -> IntentSignals | None:
    if "intent/serve" not in tensors:
        return None
    serve = tensors["intent/serve"]
    names = tuple(plain["labels"])
    head = None
    shape = (items, len(names))
    matrix = sparse.csr_matrix(shape, dtype=np.float32)
    if "labels/pairs" in tensors:
        row, col = tensors["labels/pairs"]
        matrix = sparse.csr_matrix((np.ones(len(row), np.float32), (row, col)), shape=shape)
    if "head/scale" in tensors:
        weights = _part(tensors, "head")
        hidden = len(weights["net.0.bias"])
        recent = len(weights.get("own", ()))
        head = IntentHead(serve.shape[1], len(names), IntentConfig(hidden=hidden), recent)
        head.load_state_dict(weights)
    relation = plain["label_relation"]
    labels = IntentLabels(tuple(relation) if relation else None, names, matrix)
    none = np.zeros(0, np.int64)
    return IntentSignals(
        serve[:0], none, none, tensors["intent/valid"], serve, labels, head,
        Templates(**plain["templates"]), plain["last"],
        Taxonomy.parse(plain["taxonomy"], "run.json") if "taxonomy" in plain else None,
    )  # fmt: skip
