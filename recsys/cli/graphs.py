"""`kgintent kg …` and `kgintent convert`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import typer

from kg.broken import Broken
from kg.building.from_table import FromTable, from_table
from kg.building.matched import Misfit, UnknownRelation, fact_place
from kg.building.triples import read_triples
from kg.catalog import Catalog
from kg.checking.diff import difference
from kg.checking.page import page
from kg.checking.report import lines, relation_lines, report
from kg.errors import DataError, UsageError
from kg.folders import check_place, kind_of, manifest, write_text
from kg.graph import KnowledgeGraph
from kg.graph_store import KIND, load_graph, save_graph
from kg.ids import Vocab
from kg.storage import load_dataset
from recsys.cli.output import say, show, stdout

if TYPE_CHECKING:
    from kg.formats.tables import Tables
    from recsys.recommender import Recommender


def graph_of_table(
    items: Path, out: Path | None, id_: str | None, relations: str | None, users: Path | None,
    user_id: str | None, user_relations: str | None, time: str | None, dry_run: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Say what each column becomes, and publish unless it is a dry run."""
    if out is None and not dry_run:
        raise UsageError("Say where the graph goes with -o, or only look at it with --dry-run.")
    if users is None and (user_id or user_relations):
        raise UsageError("--user-id and --user-relations need --users.")
    if out is not None and not dry_run:
        check_place(out, KIND)
    try:
        found = from_table(
            items, id=id_, relations=relations, users=users, user_id=user_id,
            user_relations=user_relations, time=time,
        )  # fmt: skip
    except DataError as error:  # readers know --columns, here there is an option for each table
        text = str(error).replace("--columns item_id=NAME", "--id NAME")
        raise DataError(text.replace("--columns user_id=NAME", "--user-id NAME")) from None
    if not found.made:
        raise DataError(
            f"{items} has no column that groups its items: name some with --relations. "
            + " ".join(f"{guess.column}: {guess.why}." for guess in found.guesses)
        )
    show(_rows(found), as_json)
    for guess in found.guesses:
        if guess.relation is None:
            say(f"  not used: {guess.column} ({guess.why})")
    for note in found.notes:
        say(f"  {note}.")
    graph = found.graph
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in graph.num_nodes.items())
    if dry_run or out is None:
        say(f"It would be {kinds}; {graph.num_edges:,} edges. As guessed or changed by you:")
        told = {"--id": id_, "--users": users, "--user-id": user_id, "--time": time}
        say(_command(items, found, told))
        return
    sources = {"items": items.name} | ({} if users is None else {"users": users.name})
    save_graph(out, graph, {"sources": sources, "relations": found.relations})
    own = "" if id_ is None else f" --columns {shlex.quote(f'item_id={id_}')}"
    say(f"{out}: {kinds}; {graph.num_edges:,} edges. Next: kgintent build EVENTS {items} "
        f"--graph {out} -o DATA{own}")  # fmt: skip


def _command(items: Path, found: FromTable, told: Mapping[str, object]) -> str:
    """What makes the graph that was looked at: the relations as found, options as told."""
    lists: dict[str, list[str]] = {"--relations": [], "--user-relations": []}
    for one in found.made:
        lists["--relations" if one.kind == "item" else "--user-relations"].append(str(one.relation))
    options = {name: value for name, value in told.items() if value is not None}
    options |= {name: ",".join(some) for name, some in lists.items() if some}
    words = [word for name, value in options.items() for word in (name, shlex.quote(str(value)))]
    return f"  kgintent kg from-table {shlex.quote(str(items))} -o GRAPH {' '.join(words)}"


def _rows(found: FromTable) -> list[dict[str, object]]:
    why = {guess.column: guess.why for guess in found.guesses}
    return [
        {"relation": str(one.relation), "of": one.kind, "nodes": one.nodes, "edges": one.edges,
         "rows": one.rows, "unread": one.unread, "guessed": why.get(one.relation.column, "")}
        for one in found.made
    ]  # fmt: skip


def report_graph(
    path: Path, html: Path | None, least_linked: float | None, most_hub: float | None, as_json: bool
) -> None:
    """Tell, draw if asked to, and leave with 1 where a limit of the user's is not kept."""
    for option, limit in (("--least-linked", least_linked), ("--most-hub", most_hub)):
        if limit is not None and not 0 <= limit <= 1:
            raise UsageError(f"{option} must be a share in [0, 1]. Got {limit:g} instead.")
    graph, catalog = _graph_at(path)
    found = report(graph, catalog)
    told = [*relation_lines(found), *lines(found)]
    if as_json:
        told = [json.dumps(found.as_dict(), ensure_ascii=False)]
    with stdout() as out:
        out.writelines(f"{line}\n" for line in told)
    if html is not None:
        write_text(html, page(found, path.name))
        say(f"{html}: the report as a page")
    wrong = []
    if least_linked is not None and found.linked < least_linked:
        items = found.nodes.get("item", 0)
        wrong.append(f"only {found.linked:.1%} of the items have a fact "
                     f"({round(found.linked * items):,} of {items:,})")  # fmt: skip
    if most_hub is not None and found.most_hub > most_hub:
        wrong.append(f"one node holds {found.most_hub:.1%} of a relation's edges")
    for line in wrong:
        say(f"kgintent: {path}: {line}")
    if wrong:
        raise typer.Exit(1)


def diff_graphs(
    old: Path, new: Path, run: Path | None, users: int | None, k: int, as_json: bool
) -> None:
    """A row for each node type, relation and dates of one that changed; all of them with --json.
    Of a run also how its lists change; it is read, and asked for, before anything is told.
    """
    if users is not None and run is None:
        raise UsageError("--users needs --run.")
    asked = None if run is None else _asked(run, users, k)
    one, other = _graph_at(old)[0], _graph_at(new)[0]
    found = difference(one, other)
    show([asdict(change) for change in found if as_json or change.differs], as_json)
    every = {(change.what == "nodes", change.name) for change in found}
    changed = {(change.what == "nodes", change.name) for change in found if change.differs}
    say(f"{len(every - changed)} of {len(every)} node types and relations are as they were.")
    for change in found:
        if change.what == "dates" and change.differs:
            say(f"  {change.name}: {change.changed:,} facts have another date, {change.added:,} "
                f"have one now, {change.removed:,} have none any more")  # fmt: skip
    if run is not None and asked is not None:
        _diff_lists(one, other, run, *asked, k, as_json)


def _asked(run: Path, users: int | None, k: int) -> tuple[Recommender, list[str] | None]:
    """The run and the people whose lists of k are compared, None: everybody."""
    from recsys.recommender import Recommender
    from recsys.serving.answers import check_k
    from recsys.serving.changes import some_users

    check_k(k, "recommend")
    rec = Recommender.load(run)
    return rec, None if users is None else some_users(rec, users, np.random.default_rng(0))


def _diff_lists(
    old: KnowledgeGraph, new: KnowledgeGraph, run: Path, rec: Recommender,
    people: list[str] | None, k: int, as_json: bool,
) -> None:  # fmt: skip
    from recsys.serving.changes import list_changes
    from recsys.serving.facts import unheard

    for relation in dict.fromkeys(r for graph in (old, new) for r in unheard(rec, graph)):
        say(f"  not heard, for {run} was not trained with it: {' – '.join(relation)}")
    by_facts, by_item = list_changes(rec, old, new, k, people)
    show([asdict(one) for one in by_facts], as_json)
    show([asdict(one) for one in by_item], as_json)
    told = by_facts[0]
    say(f"{run}: {told.changed:,} of {told.users:,} lists of {k} hold other items, "
        f"{told.reordered:,} only another order; {told.overlap:.1%} of a list stays.")  # fmt: skip


def add_facts(run: Path, file: Path, entities: Path | None) -> None:
    """Tell a run more facts and publish it."""
    from recsys.cli.runs import publish
    from recsys.recommender import Recommender
    from recsys.serving.facts import with_triples

    rec = Recommender.load(run)
    ids = Vocab.of(rec.items.ids, "item")
    triples = read_triples(file, ids, entities=entities, triple_ids="item")
    try:
        found, told = with_triples(rec, triples)
    except (UnknownRelation, Misfit) as error:
        kind = UsageError if isinstance(error, UsageError) else DataError
        raise kind(f"{fact_place(error, file, entities)}: {error}") from None
    before = manifest(run, "run").get("facts_told", 0)
    publish(found, run, facts_told=before + told["new"])
    left = dict(triples.dropped)
    if told["left out"]:
        left["end at an item added since the training"] = told["left out"]
    lost = "; left out: " + ", ".join(f"{n:,} {why}" for why, n in left.items()) if left else ""
    every = sum(edges.shape[1] for edges in triples.edges.values())
    say(f"{run}: {told['new']:,} of {every:,} facts were new{lost}. Give them to the next "
        "`kgintent build` as well (--triples).")  # fmt: skip


def _graph_at(path: Path) -> tuple[KnowledgeGraph, Catalog | None]:
    """Of a folder of either kind; the events of a data folder are in it."""
    kind = kind_of(path)
    if kind is None:
        raise UsageError(f"{path} is no folder of `kg from-table` or of `build`.")
    if kind == KIND:
        return load_graph(path), None
    data = load_dataset(path)
    return data.graph.with_events(data.log), data.catalog


def convert_files(source: Path, out: Path, form: str | None, to: str, skip_broken: bool) -> None:
    """Read, write, and say what was found, what was lost, and what to type next."""
    from kg.formats import FORMATS, convert, detected

    broken = Broken() if skip_broken else None
    tables = convert(source, out, form, to, broken=broken)
    told = ", ".join(f"{len(frame):,} rows of {name}" for name, frame in tables.there().items())
    if tables.vectors:
        told += f", vectors {', '.join(tables.vectors)}"
    say(f"{source}: {told}")
    for note in (*tables.notes, *FORMATS[to].left_out(tables)):
        say(f"  {note}")
    if broken is not None:
        say(f"  {broken.told(out)}")
    if to != "plain":
        say(f"{out}: in the format {to}")
        return
    bags = (detected(source) if form is None else FORMATS[form]).bags
    say(f"Next: kgintent {_next_command(out, tables, bags)}")


def _names_items(entities: pl.DataFrame | None) -> bool:
    """Whether the entities say which of them are items, as build reads it."""
    if entities is None:
        return False
    typed = "type" in entities.columns and bool((entities["type"] == "item").any())
    return "item_id" in entities.columns or typed


def _next_command(out: Path, tables: Tables, bags: bool) -> str:
    """What makes a data folder of plain tables, EVENTS and ITEMS where these have none."""
    from kg.formats.tables import vector_file

    there = tables.there()
    entities = tables.entities
    if "items" not in there and not _names_items(entities):
        if entities is not None and "name" in entities.columns:
            return f"kg link ITEMS {out} -o links.csv --apply {out}-linked"
        return f"build EVENTS ITEMS --triples {out}/triples.csv -o DATA"
    parts = [f"{out}/{n}.csv" if n in there else n.upper() for n in ("events", "items")]
    for name in ("users", "triples", "entities"):
        if name in there and (name != "entities" or "triples" in there):
            parts.append(f"--{name} {out}/{name}.csv")
    for name in tables.vectors:
        option = "--user-vectors" if name.startswith("user:") else "--vectors"
        parts.append(f"{option} {name.removeprefix('user:')}={out}/{vector_file(name)}")
    if bags:
        parts.append("--no-order")
    return f"build {' '.join(parts)} -o DATA"
