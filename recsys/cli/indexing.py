"""`kgintent index` and `kgintent index audit`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer
from pydantic import ValidationError

from kg.errors import UsageError
from recsys.cli.output import lines_wanted, say, show
from recsys.cli.runs import publish
from recsys.index_audit import IndexAudit, audit_index, check_plot, save_curve
from recsys.index_plan import Choice, IndexConfig
from recsys.recommender import Recommender
from recsys.reindex import reindexed
from recsys.store import load_unindexed


def build_index(
    run: Path, kind: str, recall: float, k: int, changing: float, seed: int, json: bool
) -> None:
    """The choice is told with its reason, and kept with the run."""
    config = _config(kind=kind, recall=recall, k=k, changing=changing)
    rec, choice = reindexed(load_unindexed(run), config, seed)
    publish(rec, run, indexed=config.model_dump(), indexed_items=len(rec.items))
    if json:
        show([_row(choice)], True)
    say(f"{run}: {choice.told(config)}")


def _config(**told: Any) -> IndexConfig:
    try:
        return IndexConfig(**told)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"--{first['loc'][0]}: {first['msg']}. Got {first['input']!r}.") from None


def _row(choice: Choice) -> dict[str, Any]:
    row: dict[str, Any] = {"kind": choice.kind, "reason": choice.reason, "queries": choice.queries}
    return row | (asdict(choice.tried[-1]) if choice.tried and choice.kind != "exact" else {})


def audit(
    run: Path, k: int, sample: int, least: float | None, most: float | None, plot: Path | None,
    seed: int, json: bool,
) -> None:  # fmt: skip
    """A table (or JSON), a picture if it was asked for, and exit code 1 below a threshold."""
    if least is not None and not 0 < least <= 1:
        raise UsageError(f"--recall must be a share in (0, 1]. Got {least} instead.")
    if plot is not None:
        check_plot(plot)
    found = audit_index(Recommender.load(run), k=k, sample=sample, seed=seed)
    if lines_wanted(json):
        show([found.as_dict()], True)
    else:
        show([{"": name, "value": value} for name, value in _lines(found)], False)
        show([asdict(one) for one in found.curve], False, "by effort")
    if plot is not None and found.curve:
        save_curve(found, plot)
    elif plot is not None:
        say(f"{plot}: nothing was drawn, for an index that compares all has no curve.")
    failed = []
    if least is not None and found.recall < least:
        failed.append(f"recall@{k} {found.recall:.4f} is below {least}")
    if most is not None and found.p99 > most:
        failed.append(f"99 of 100 queries take up to {found.p99:.2f} ms, more than {most}")
    if failed:
        say("; ".join(failed) + ".")
        raise typer.Exit(1)


def _lines(found: IndexAudit) -> list[tuple[str, str]]:
    mb = 1e6
    return [
        ("index", f"{found.kind}, {found.items:,} items of {found.width} numbers"),
        ("not read by FAISS yet", f"{found.fresh:.1%}"),
        ("in no answer", f"{found.hidden:.1%}"),
        (f"recall@{found.k}", f"{found.recall:.4f} ± {found.interval:.4f} "
                              f"({found.queries:,} people's queries)"),
        ("a query, ms", f"{found.p50:.2f} (median), {found.p99:.2f} (99 of 100)"),
        ("by exact search", f"{found.exact_p50:.2f}, {found.exact_p99:.2f}"),
        ("memory, MB", f"{found.vector_bytes / mb:.1f} vectors, {found.faiss_bytes / mb:.1f} FAISS'"
                       " own"),
        ("NDCG@10 of last events", f"{found.ndcg:.4f}, by exact search {found.ndcg_exact:.4f} "
                                   f"({found.ndcg_users:,} people)"),
    ]  # fmt: skip
