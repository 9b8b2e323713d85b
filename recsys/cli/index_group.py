"""The verbs of `kgintent index`: alone it builds, `audit` tells what the index is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from recsys.cli.alone import changes_run
from recsys.cli.options import Json, Run, Seed


class _Builds(TyperGroup):
    """`kgintent index RUN` is `kgintent index build RUN`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            args = ["build", *args]
        return super().parse_args(ctx, args)


index_app = typer.Typer(
    cls=_Builds, no_args_is_help=True, help="Build the index of a run (index RUN), or audit it."
)


@index_app.command("build")
@changes_run
def index_build(
    run: Run,
    kind: Annotated[str, typer.Option(help="auto, or one of exact, ivf, pq, hnsw.")] = "auto",
    recall: Annotated[
        float, typer.Option(help="The share of the exact answers it has to find.")
    ] = 0.99,
    k: Annotated[int, typer.Option("-k", help="Among so many first answers.")] = 10,
    changing: Annotated[
        float, typer.Option(help="The share of items that come or change until the next build.")
    ] = 0.05,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Choose, tune and build the index of a run, and publish it in place (also: index RUN)."""
    from recsys.cli.indexing import build_index

    build_index(run, kind, recall, k, changing, seed or 0, json)


@index_app.command("audit")
def index_audit(
    run: Run,
    k: Annotated[int, typer.Option("-k", help="Recall among so many first answers.")] = 10,
    sample: Annotated[int, typer.Option(help="So many people's queries.")] = 1000,
    least: Annotated[
        float | None, typer.Option("--recall", help="Exit code 1 if it finds less.")
    ] = None,
    most: Annotated[
        float | None, typer.Option("--p99", help="Exit code 1 if it takes more milliseconds.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Recall by time, an .svg file.")] = None,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """What the index finds of the exact answers, how fast, and what that costs in NDCG@10."""
    from recsys.cli.indexing import audit

    audit(run, k, sample, least, most, plot, seed or 0, json)
