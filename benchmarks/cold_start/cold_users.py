"""People of whom nothing was known: after 1, 2, 3 and 5 events, and after one search alone.

    python benchmarks/cold_start/cold_users.py --data DIR --set amazon-beauty --seed 0 \\
        --out benchmarks/results/cold_users

One in ten of the people with more than five events, drawn over the range of how many they have, is
held out: no event of theirs is in a training. Their first k events are told to a model that is
already there, and it must say what follows the fifth: up to ten events with new items. The targets
are the same for every k, the first five items leave every list. What others did is known as it is
in `run.py`; by time it ends before the test part, though a held-out person's own events may be
earlier: others' later events are known then.

The search: nobody in these sets searches, so a query is made of the title of the first item, a word
dropped and two neighbours swapped (seeded). It stands in place of the first event, the targets are
as before. It reads the item's own title, which no real searcher does.

    kgintent          k events: `recommend`, as for any history; a query: `similar(text=…)`
    kgintent-search   `recommend(history=[Search(query)])`
    kgintent-intent   `recommend(history=[], intent=query)`
    text-knn          mean cosine of whitened texts; a query: that of the query
    session-knn       no use for a query: popularity then
    popularity

The settings of session-knn and text-knn are the best of a few on another tenth of the people, who
are those that --part valid asks.
Writes OUT/SET/PROTOCOL/SEED-PART.json and .npz; --table prints the table of the seeds there.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import siblings  # noqa: F401
from contents import DIRECTIONS
from data import SOURCES, Task, load
from fits import texts_of
from judge import K, measured
from ours import Training, scorer, trained
from protocols import Parts
from run import HIDDEN, set_arguments
from threadpoolctl import threadpool_limits
from units import shown, versions, write_arrays, write_json
from worlds import SETS, cut, one_of_each

from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.searches import Search
from kg.sequences import Sequences
from kg.split import Split, merged
from models.text import TextCache
from models.whitening import Whitening
from recsys.baselines import Popularity, SessionKNN, TextKNN
from recsys.judging.evaluate import top_k
from recsys.metrics.significance import paired_bootstrap
from recsys.recommender import Recommender

FIRST, FOLLOWING = 5, 10
KNOWN = (1, 2, 3, 5)
RIVALS = ("text-knn", "session-knn", "popularity")
NEAR = tuple({"neighbours": n, "last": last} for n in (50, 100, 300, 1000) for last in (3, 10))
READ = tuple({"last": 5, "how": how} for how in ("mean", "max"))
Lists = dict[str, np.ndarray]
"""By method, int64 [U, 20]."""


@dataclass(frozen=True, eq=False)
class People:
    """Who is held out (users int64 [U], ascending), the task without them, and their events in
    order: `first` the first five of each, `target` what follows.
    """

    task: Task
    users: np.ndarray
    first: EventLog
    target: EventLog

    def histories(self, k: int) -> Sequences:
        """The first k events of each held-out person, [U]."""
        return Sequences.of(self.until(k)).take(self.users)

    def until(self, k: int) -> EventLog:
        return self.first.take(places(self.first) < k)


def held_out(data: Path, name: str, protocol: str, seed: int, part: str) -> People:
    """`part` valid: a second tenth, with both away from the training."""
    whole = load(data, name, SOURCES[name].protocols[0])
    log = merged(whole.parts.known, whole.parts.split.test)
    counts = log.user_counts() * (log.user_counts() > FIRST)
    gone = one_of_each(counts, np.random.default_rng([seed, 4]))
    asked = gone
    if part == "valid":
        asked = one_of_each(counts * ~gone, np.random.default_rng([seed, 5]))
    split = cut(log, protocol)
    away = gone | asked
    parts = [p.take(~away[p.user]) for p in (split.train, split.valid, split.test)]
    kept = Split(*parts, by_time=split.by_time)
    known = kept.before_test()
    task = replace(
        whole, protocol=protocol, parts=Parts(kept, known), learn=known, again=split.by_time
    )
    own = log.take(asked[log.user])
    place = places(own)
    first, later = own.take(place < FIRST), own.take(place >= FIRST)
    target = Sequences.of(first).unmet(later.take(places(later) < FOLLOWING))
    users = np.unique(target.user)
    some = np.zeros(len(log.users), bool)
    some[users] = True
    return People(task, users, first.take(some[first.user]), target)


def places(log: EventLog) -> np.ndarray:
    """int64 [E]: how many events of the same user come before."""
    return np.arange(len(log)) - np.searchsorted(log.user, log.user)


# ---- lists -----------------------------------------------------------------------------------


def best(people: People, scores: np.ndarray) -> np.ndarray:
    """int64 [U, 20] of scores float32 [U, N], without the first five items."""
    scores, own = np.array(scores, np.float32), people.histories(FIRST)
    scores[own.row, own.item] = -np.inf
    return top_k(scores, K).index


def rival_lists(people: People, text: np.ndarray, chosen: dict[str, Any], k: int) -> Lists:
    """After k events."""
    log, own = people.task.learn, people.histories(k)
    models = {"text-knn": TextKNN.fit(text, log, **chosen["text-knn"]),
              "session-knn": SessionKNN.fit(log, **chosen["session-knn"]),
              "popularity": Popularity.fit(log)}  # fmt: skip
    return {name: best(people, model.scores(own)) for name, model in models.items()}


def our_lists(people: People, rec: Recommender, cache: Path | None, k: int) -> Lists:
    """After k events, by the same scores as `recommend` ranks by."""
    told, log = None, people.until(k)
    if rec.intent is not None and rec.encoder is not None:
        kept = TextCache(cache) if cache is not None else None
        told = rec.intent.until(log, rec.encoder, people.task.catalog, kept).valid
    scores = scorer(rec, people.task.catalog, told)
    return {"kgintent": best(people, scores(people.histories(k)))}


def query_lists(
    people: People, rec: Recommender, text: np.ndarray, whitening: Whitening, seed: int
) -> Lists:
    """After the query alone; the first five items are left out of longer lists."""
    queries = made_queries(people, np.random.default_rng([seed, 7]))
    own, more = people.histories(FIRST), K + FIRST
    asked = {
        "kgintent": lambda query: rec.similar(text=query, k=more),
        "kgintent-search": lambda query: rec.recommend(history=[Search(query)], k=more),
        "kgintent-intent": lambda query: rec.recommend(history=[], intent=query, k=more),
    }
    out = {name: np.full((len(queries), K), -1) for name in asked}
    for row, query in enumerate(queries):
        for name, ask in asked.items():
            codes = rec.log.items.encode([answer.item for answer in ask(query)])
            codes = codes[~np.isin(codes, own.items_of(row))][:K]
            out[name][row, : len(codes)] = codes
    assert rec.encoder is not None
    vectors = whitening.apply(rec.encoder.encode(queries))
    unit = [x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
            for x in (vectors, text)]  # fmt: skip
    popular = Popularity.fit(people.task.learn).scores(people.histories(0))
    rivals = {"text-knn": unit[0] @ unit[1].T, "session-knn": popular, "popularity": popular}
    return out | {name: best(people, scores) for name, scores in rivals.items()}


def made_queries(people: People, rng: np.random.Generator) -> list[str]:
    """Of the title of each one's first item: a word dropped where there are three, two neighbours
    swapped where there are two.
    """
    catalog, own, out = people.task.catalog, people.histories(1), []
    for code in own.item.tolist():
        words = catalog.title(code).split()
        if len(words) > 2:
            del words[rng.integers(len(words))]
        if len(words) > 1:
            at = rng.integers(len(words) - 1)
            words[at], words[at + 1] = words[at + 1], words[at]
        out.append(" ".join(words))
    return out


# ---- the unit --------------------------------------------------------------------------------


def chosen_settings(args: argparse.Namespace, cache: Path | None) -> dict[str, Any]:
    """The best of a few on the second tenth, mean NDCG@20 over the numbers of events."""
    people = held_out(args.data, args.set, args.protocol, args.seed, "valid")
    text = white(people.task, cache)[0]
    log = people.task.learn

    def judged(fit: Any, params: dict[str, Any]) -> float:
        model = fit(params)
        found = [measured(best(people, model.scores(people.histories(k))), people.users,
                          people.target)[0]["ndcg@20"] for k in KNOWN]  # fmt: skip
        return float(np.mean(found))

    return {
        "text-knn": max(READ, key=lambda p: judged(lambda q: TextKNN.fit(text, log, **q), p)),
        "session-knn": max(NEAR, key=lambda p: judged(lambda q: SessionKNN.fit(log, **q), p)),
    }


def white(task: Task, cache: Path | None) -> tuple[np.ndarray, Whitening]:
    """Whitened texts float32 [N, T] of all items, and what whitens others."""
    text = texts_of(replace(task, cache=cache), {})
    whitening = Whitening.fit(text, np.flatnonzero(task.learn.item_counts()), DIRECTIONS)
    return whitening.apply(text), whitening


def unit(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """All methods, all k and the query; p of ours against the best of the others."""
    chosen = chosen_settings(args, args.cache)
    people = held_out(args.data, args.set, args.protocol, args.seed, args.part)
    text, whitening = white(people.task, args.cache)
    how = Training(args.seed, args.threads, args.epochs, args.encoder, args.cache)
    rec, facts = trained(people.task, how, _place(args))
    lists = {"query": query_lists(people, rec, text, whitening, args.seed)}
    for k in KNOWN:
        found = our_lists(people, rec, args.cache, k) | rival_lists(people, text, chosen, k)
        lists[f"{k} events"] = found
    told: dict[str, Any] = {"params": chosen, "people": len(people.users), **facts, "known": {}}
    arrays = {"user": people.users.astype(np.int32)}
    for known, found in lists.items():
        rows = {name: measured(index, people.users, people.target)
                for name, index in found.items()}  # fmt: skip
        arrays |= {f"{known}/{name}": values["ndcg@20"] for name, (_, values) in rows.items()}
        told["known"][known] = {name: means for name, (means, _) in rows.items()}
    return told, arrays


def _place(args: argparse.Namespace) -> Path:
    short = "" if args.epochs is None else f"-{args.epochs}-epochs"
    return Path(args.runs / args.set / f"{args.protocol}-users" / f"{args.seed}-{args.part}{short}")


def main(words: list[str] | None = None) -> None:
    args = _arguments(words)
    args.protocol = args.protocol or SETS[args.set].protocols[0]
    if args.protocol not in ("own", "time"):
        raise UsageError(f"Cold users need an order of events. Got {args.protocol!r} instead.")
    folder = args.out / args.set / args.protocol
    file = folder / f"{args.seed}-{args.part}.json"
    if args.table:
        print("\n".join(table(folder, args.part)))
        return
    if file.exists():
        print(f"{file} is there: skipped")
        return
    with threadpool_limits(args.threads):
        told, arrays = unit(args)
    command = shown("cold_users.py", sys.argv[1:] if words is None else words, "cold_start", HIDDEN)
    about = {"command": command, "set": args.set, "protocol": args.protocol, "seed": args.seed,
             "part": args.part}  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    write_arrays(file.with_suffix(".npz"), arrays)
    write_json(file, about | told | {"versions": versions()})
    print("\n".join(table(folder, args.part)))


def table(folder: Path, part: str) -> list[str]:
    """Markdown: NDCG@20 by method and what is known, the mean over people of all seeds; p of a
    paired bootstrap of `kgintent` against the best of the others.
    """
    units = []
    for file in sorted(folder.glob(f"*-{part}.json")):
        with np.load(file.with_suffix(".npz")) as arrays:
            units.append(dict(arrays))
    if not units:
        raise DataError(f"No results of the {part} part in {folder}.")
    known = ["query", *(f"{k} events" for k in KNOWN)]
    names = list(dict.fromkeys(key.partition("/")[2] for key in units[0] if "/" in key))

    def values(what: str, name: str) -> np.ndarray | None:
        found = [unit[f"{what}/{name}"] for unit in units if f"{what}/{name}" in unit]
        return np.concatenate(found).astype(np.float64) if found else None

    lines = [f"| method | {' | '.join(known)} |", "|" + " --- |" * (len(known) + 1)]
    for name in names:
        rows = [values(what, name) for what in known]
        cells = ["–" if row is None else f"{row.mean():.4f}" for row in rows]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    cells = []
    for what in known:
        rivals = [x for x in (values(what, name) for name in RIVALS) if x is not None]
        ours, best_rival = values(what, "kgintent"), max(rivals, key=lambda x: x.mean())
        assert ours is not None
        p = paired_bootstrap(ours, best_rival, np.random.default_rng(0)).p
        cells.append(f"{ours.mean() / max(best_rival.mean(), 1e-12):.2f} (p {p:.4f})")
    lines.append(f"| kgintent to the best of the others | {' | '.join(cells)} |")
    return lines


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = set_arguments(__doc__)
    parser.add_argument("--table", action="store_true", help="only print what is there")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
