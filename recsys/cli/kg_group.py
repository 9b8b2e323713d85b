"""The verbs of `kgintent kg`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recsys.cli.alone import changes_run
from recsys.cli.options import Columns, Json, K, Run

kg_app = typer.Typer(
    help="Knowledge graphs from tables, and what is in them.", no_args_is_help=True
)

Graph = Annotated[Path, typer.Argument(help="A folder of `kg from-table` or of `build`.")]


@kg_app.command("from-table")
def kg_from_table(
    items: Annotated[Path, typer.Argument(help="Items: CSV, TSV or Parquet.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="The graph folder to make.")
    ] = None,
    id_: Annotated[str | None, typer.Option("--id", help="The column of item ids.")] = None,
    relations: Annotated[
        str | None,
        typer.Option(
            help="brand,category:hierarchy(>),price:bins(5),tags:list(|),released:year; else "
            "guessed."
        ),
    ] = None,
    users: Annotated[Path | None, typer.Option(help="Users with attributes.")] = None,
    user_id: Annotated[str | None, typer.Option(help="The column of user ids.")] = None,
    user_relations: Annotated[str | None, typer.Option(help="As --relations, of users.")] = None,
    time: Annotated[
        str | None, typer.Option(help="The column that says since when an item's facts are known.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would be.")] = False,
    json: Json = False,
) -> None:
    """A graph of a table of items: each column a relation, said or guessed."""
    from recsys.cli.graphs import graph_of_table

    graph_of_table(
        items, out, id_, relations, users, user_id, user_relations, time, dry_run, json
    )  # fmt: skip


@kg_app.command("diff")
def kg_diff(
    old: Graph,
    new: Annotated[Path, typer.Argument(help="Another such folder.")],
    run: Annotated[
        Path | None, typer.Option(help="Also which lists of this run change, without training.")
    ] = None,
    users: Annotated[
        int | None, typer.Option(help="With --run: of so many people, drawn; else of all.")
    ] = None,
    k: K = 10,
    json: Json = False,
) -> None:
    """Which nodes and facts came and went from one graph to another."""
    from recsys.cli.graphs import diff_graphs

    diff_graphs(old, new, run, users, k, json)


@kg_app.command("add")
@changes_run
def kg_add(
    run: Run,
    triples: Annotated[Path, typer.Argument(help="head, relation, tail: CSV, TSV or Parquet.")],
    entities: Annotated[Path | None, typer.Option(help="Type, name, item of each id.")] = None,
) -> None:
    """Add facts to a run and publish; they are heard, and given as reasons, at once."""
    from recsys.cli.graphs import add_facts

    add_facts(run, triples, entities)


@kg_app.command("report")
def kg_report(
    graph: Graph,
    html: Annotated[Path | None, typer.Option(help="Also a page: the file to write.")] = None,
    least_linked: Annotated[
        float | None, typer.Option(help="Exit 1 if a smaller share of items has a fact.")
    ] = None,
    most_hub: Annotated[
        float | None, typer.Option(help="Exit 1 if one node holds more of a relation's edges.")
    ] = None,
    json: Json = False,
) -> None:
    """What is in a graph, and what is wrong with it."""
    from recsys.cli.graphs import report_graph

    report_graph(graph, html, least_linked, most_hub, json)


@kg_app.command("link")
def kg_link(
    items: Annotated[Path, typer.Argument(help="Items with titles: CSV, TSV or Parquet.")],
    entities: Annotated[
        Path, typer.Argument(help="Entities: a table with entity_id and name, or a plain folder.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The links: a CSV to write.")],
    review: Annotated[
        Path | None, typer.Option(help="The doubtful ones: a CSV to write and to mark.")
    ] = None,
    least: Annotated[float, typer.Option(help="Links of less confidence are doubtful.")] = 0.9,
    reviewed: Annotated[Path | None, typer.Option(help="A marked --review file.")] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Also compare by meaning: an installed package or a folder.")
    ] = None,
    apply: Annotated[
        Path | None,
        typer.Option(help="A copy of the plain folder to make, with the items in entities.csv."),
    ] = None,
    columns: Columns = None,
    json: Json = False,
) -> None:
    """Which entity is which item, by their titles."""
    from recsys.cli.linking import link_tables

    link_tables(items, entities, out, review, least, reviewed, encoder, apply, columns, json)
