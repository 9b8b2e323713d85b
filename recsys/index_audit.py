"""How much an index finds of what is there, how fast, in how much room, and what that costs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kg.errors import DataError, UsageError
from kg.folders import whole_file
from recsys.index import Probe, VectorIndex
from recsys.index_plan import EFFORTS, TIMED, Tried, measured, query_times, recalls
from recsys.recommender import Recommender
from recsys.reindex import sample_queries
from recsys.serving.live import heard


@dataclass(frozen=True)
class IndexAudit:
    """Recall@k beside an exact search of the same queries, with half the width of its 95 %
    interval; milliseconds of one query; bytes of the vectors and of what FAISS holds beside them;
    NDCG@10 for each user's last event (`ndcg_users` of them) by this index and by exact search.

    The last event may have been learned from: only the difference of the two says something.
    """

    kind: str
    items: int
    width: int
    fresh: float
    hidden: float
    queries: int
    k: int
    recall: float
    interval: float
    p50: float
    p99: float
    exact_p50: float
    exact_p99: float
    vector_bytes: int
    faiss_bytes: int
    ndcg_users: int
    ndcg: float
    ndcg_exact: float
    curve: tuple[Tried, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def audit_index(
    rec: Recommender, *, k: int = 10, sample: int = 1000, seed: int = 0, curve: bool = True
) -> IndexAudit:
    """The index of `rec`, asked what `sample` of its users ask; with what less and more effort
    would find (`curve`). `UsageError` for a sample or k below 1, `DataError` without a history.
    """
    for name, value in (("k", k), ("sample", sample)):
        if value < 1:
            raise UsageError(f"The {name!r} of audit_index must be at least 1. Got {value}.")
    queries = sample_queries(rec, sample, np.random.default_rng(seed))
    if not len(queries):
        raise DataError("An index is audited by what people ask, and nobody here has a history.")
    index, shown = rec.index, rec.items.shown
    truth = index.exact(queries, k, shown)
    shares = recalls(index.search(queries, k, shown), truth)
    ours = query_times(lambda query: index.search(query, k, shown), queries[:TIMED])
    flat = VectorIndex(index.vectors)
    plain = query_times(lambda query: flat.search(query, k, shown), queries[:TIMED])
    ndcg, exact, users = _ndcg(rec, sample, seed)
    return IndexAudit(
        index.kind, len(index), index.vectors.shape[1], index.fresh,
        float(rec.items.hidden.mean()), len(queries), k, float(shares.mean()),
        float(1.96 * shares.std() / np.sqrt(len(shares))), *ours, *plain, index.vectors.nbytes,
        index.bytes_of_faiss, users, ndcg, exact, _curve(rec, queries, k) if curve else (),
    )  # fmt: skip


def _curve(rec: Recommender, queries: np.ndarray, k: int) -> tuple[Tried, ...]:
    """Recall and time by effort; nothing for an index that compares all."""
    index = rec.index
    if index.kind == "exact":
        return ()
    truth = index.exact(queries, k)
    probes = [Probe(effort, index.probe.spare) for effort in EFFORTS]
    return tuple(measured(index.probing(probe), queries, truth) for probe in probes)


def _ndcg(rec: Recommender, sample: int, seed: int) -> tuple[float, float, int]:
    """NDCG@10 of the last event after what was before it: by the index, by exact search; users."""
    lengths = rec.histories.lengths
    rows = np.flatnonzero(lengths >= 2)
    rows = np.sort(np.random.default_rng(seed).permutation(rows)[:sample])
    if not len(rows):
        return 0.0, 0.0, 0
    last = rec.histories.item[rec.histories.offsets[rows + 1] - 1]
    ends = np.setdiff1d(np.arange(len(rec.histories.item)), rec.histories.offsets[rows + 1] - 1)
    known = rec.log.take(rec.log.has_item).take(ends)
    before = replace(rec, log=known, histories=heard(known, rec.model, rec.learned))
    exact = replace(before, index=VectorIndex(rec.index.vectors, "exact"))
    values = [
        np.concatenate([_gains(one, rows[at : at + 256], last[at : at + 256])
                        for at in range(0, len(rows), 256)]).mean()
        for one in (before, exact)
    ]  # fmt: skip
    return float(values[0]), float(values[1]), len(rows)


def _gains(rec: Recommender, rows: np.ndarray, last: np.ndarray) -> np.ndarray:
    """float [B]: 1 / log2(1 + rank) of these items in the first ten, 0 outside."""
    hits = rec.found_for(rows, 10)
    place = hits.index == rec.items.newest[last][:, None]
    return np.where(place.any(1), 1 / np.log2(2 + place.argmax(1)), 0.0)


def check_plot(path: Path) -> None:
    """`UsageError` for a picture that would be no SVG file."""
    if path.suffix.lower() != ".svg":
        raise UsageError(f"The plot of an index must be an .svg file. Got {path.name!r} instead.")


def save_curve(audit: IndexAudit, path: Path) -> None:
    """The curve as a picture, an SVG file; needs matplotlib."""
    check_plot(path)
    if not audit.curve:
        raise UsageError("An index that compares all has no curve: nothing was drawn.")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError("--plot needs matplotlib: `pip install 'kgintent[notebook]'`.") from None
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot([one.effort for one in audit.curve], [one.recall for one in audit.curve], "o-")
    for one in audit.curve:
        axes.annotate(f"{one.p50:.1f} ms", (one.effort, one.recall), textcoords="offset points",
                      xytext=(4, -10), fontsize=8)  # fmt: skip
    axes.axhline(audit.recall, linestyle=":", label="as it is set")
    visits = "nodes" if audit.kind == "hnsw" else "lists"
    axes.set(xlabel=f"{visits} that a query visits (and its median time)",
             ylabel=f"recall@{audit.k}", title=f"{audit.kind}, {audit.items:,} items")  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.legend(loc="lower right")
    with whole_file(path) as handle:
        figure.savefig(handle, format="svg")
