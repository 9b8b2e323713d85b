"""`kgintent build`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from kg.broken import Broken
from kg.building.build import build_graph
from kg.building.joined import renumbered
from kg.building.triples import UNTYPED, read_triples
from kg.catalog import ITEM_COLUMNS, USER_COLUMNS, Catalog, read_catalog
from kg.clean import CleanConfig, clean
from kg.errors import DataError, UsageError, suggest
from kg.events import EVENT_COLUMNS, EventLog, read_events
from kg.graph import KnowledgeGraph
from kg.graph_store import load_graph
from kg.ids import Vocab, but_for_zeros, zeros_told
from kg.storage import Dataset, save_dataset
from kg.tables import column_names, unknown_columns
from kg.vectors import read_vectors
from recsys.cli.output import columns_of, say
from recsys.cli.told import (
    say_event_columns,
    say_events,
    say_item_columns,
    say_ratings,
    say_table,
)


def build_folder(
    events: Path, items: Path, out: Path, users: Path | None, triples: Path | None,
    entities: Path | None, triple_ids: str | None, columns: str | None, no_time: bool,
    no_order: bool, least_value: float | None, vectors: list[str], user_vectors: list[str],
    graph: Path | None, skip_broken: bool,
) -> None:  # fmt: skip
    """Read, clean, join, publish; every step is told."""
    if triple_ids not in (None, "item"):
        raise UsageError(f"--triple-ids must be 'item' if given. Got {triple_ids!r} instead.")
    if entities is not None and triples is None:
        raise UsageError("--entities needs --triples.")
    made = load_graph(graph) if graph is not None else None
    mapping = columns_of(columns)
    _check_mapping(mapping, events, items, users)
    broken = Broken() if skip_broken else None
    table = read_catalog(items, columns=mapping, broken=broken)
    say_item_columns(items, table)
    catalog, aside = with_vectors(table.catalog, vectors, mapping, broken)
    read = read_events(events, columns=mapping, use_time=not no_time, ordered=not no_order,
                       broken=broken)  # fmt: skip
    say_event_columns(events, read, not no_time)
    rules = CleanConfig(least_value=least_value)
    log, report = clean(read.log, catalog.ids, rules, written=read.times)
    say(f"{events}: {report}")
    say_events(log)
    if least_value is None:
        say_ratings(log, read.roles.get("value", ""))
    people, more = _people(users, user_vectors, log, mapping, broken)
    facts = None
    if triples is not None:
        facts = read_triples(
            triples, catalog.ids, entities=entities,
            triple_ids="item" if triple_ids == "item" else None, broken=broken,
        )  # fmt: skip
        lost = ", ".join(f"{n:,} {why}" for why, n in facts.dropped.items())
        say(f"{triples}: {sum(e.shape[1] for e in facts.edges.values()):,} facts"
            + (f"; left out: {lost}" if lost else ""))  # fmt: skip
        heads = [edges[0] for r, edges in facts.edges.items() if r[0] == UNTYPED]
        if heads:  # tails may be any number
            said = facts.vocabs[UNTYPED].decode(np.unique(np.concatenate(heads)))
            _say_alike(said, catalog.ids)
    if made is not None:
        made, told = _known(made, catalog.ids, log.users, f"{graph}", f"{items}")
        say(told)
    whole = build_graph(log, catalog, people, facts, made)
    sources = {"events": events.name, "items": items.name}
    data = Dataset(log, catalog, whole, people, report.declined)
    if broken is not None:
        say(broken.told(out))
    save_dataset(out, data, {"sources": sources}, report, pl.concat([aside, more]), broken)
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in whole.num_nodes.items())
    say(f"{out}: {kinds}; {whole.num_edges:,} edges of {len(whole.edges)} relations.")
    say(f"Next: kgintent train {out} -o runs/a")


def _known(
    graph: KnowledgeGraph, items: Vocab, users: Vocab, name: str, file: str
) -> tuple[KnowledgeGraph, str]:
    """The graph by the ids of the files, and a sentence on what of it they lack; `DataError` if
    that is every fact about an item, or every fact.
    """
    known = {"item": items, "user": users}
    found, strange = renumbered(graph, known)
    left = ""
    for kind, count in strange.items():
        unknown = [key for key in graph.vocabs[kind].ids if key not in known[kind]]
        pairs = but_for_zeros(unknown, known[kind].ids)
        hint = f" ({zeros_told(pairs)})" if pairs else ""
        left += f"; {count:,} {kind}s of it are in no file{hint}"
    facts = graph.facts()
    about_items = _of_items(facts) and not _of_items(found)
    if about_items or (facts.num_edges and not found.num_edges):
        kind = "item" if about_items else "user"
        theirs, ours = (
            f"{vocab.ids[0]!r}" if len(vocab) else "none"
            for vocab in (graph.vocabs.get(kind, Vocab((), kind)), known[kind])
        )
        where = file if about_items else "the log"
        raise DataError(
            f"{name}: no fact{' about an item' if about_items else ''} is left{left}. The graph's "
            f"{kind}s ({theirs} first) and those of {where} ({ours} first) must have the same ids."
        )
    return found, f"{name}: {found.num_edges:,} facts in place of the attributes{left}"


def _of_items(graph: KnowledgeGraph) -> int:
    """Edges that end at an item."""
    return sum(edges.shape[1] for r, edges in graph.edges.items() if "item" in (r[0], r[2]))


def _say_alike(ids: Sequence[str], known: Vocab) -> None:
    """Ids that are none of those that are known, but nearly."""
    if pairs := but_for_zeros([key for key in ids if key not in known], known.ids):
        say(f"  {zeros_told(pairs)}.")


def _people(
    users: Path | None,
    options: list[str],
    log: EventLog,
    columns: dict[str, str],
    broken: Broken | None,
) -> tuple[Catalog | None, pl.DataFrame]:
    """The table of users with their vectors; without a file it has the people of the log."""
    people = None
    if users is not None:
        table = read_catalog(users, columns=columns, kind="user", broken=broken)
        people = table.catalog
        there = int((log.users.encode(people.ids.ids, missing="negative") >= 0).sum())
        say_table(users, table, f"{len(people):,} users, {there:,} of them in the events")
        _say_alike(people.ids.ids, log.users)
    if not options:
        return people, _NONE
    people = people or Catalog.of(log.users.ids, name="user")
    return with_vectors(people, options, columns, broken)


_NONE = pl.DataFrame(
    schema={"vectors": pl.String, "id": pl.String, "row": pl.Int64, "reason": pl.String}
)


def with_vectors(
    table: Catalog, options: list[str], columns: dict[str, str], broken: Broken | None = None
) -> tuple[Catalog, pl.DataFrame]:
    """The items (or users) with the vectors of these NAME=FILE options, and the rows set aside."""
    aside = [_NONE]
    spellings = ITEM_COLUMNS["item_id"] if table.ids.name == "item" else USER_COLUMNS["user_id"]
    for name, file in _named_files(options):
        found, report = read_vectors(name, file, table.ids, spellings=spellings, columns=columns,
                                     broken=broken)  # fmt: skip
        say(f"{file}: {name}: {report}")
        table = table.with_vectors(found)
        aside.append(report.aside)
    return table, pl.concat(aside)


def _named_files(options: list[str]) -> list[tuple[str, Path]]:
    out: dict[str, Path] = {}
    for option in options:
        name, mark, file = option.partition("=")
        if not (mark and name.strip() and file.strip()):
            raise UsageError(f"Vectors are given as NAME=FILE. Got {option!r} instead.")
        if name.strip() in out:
            raise UsageError(f"Each name of vectors must stand once. Got {name.strip()!r} twice.")
        out[name.strip()] = Path(file.strip())
    return list(out.items())


def _check_mapping(mapping: dict[str, str], events: Path, items: Path, users: Path | None) -> None:
    """A column that no file has is a mistake; so is a role that no reader takes. One that is nearly
    called like a role may be meant.
    """
    if not mapping or events.name.endswith((".txt", ".txt.gz")):
        return
    of_items = column_names(items)
    of_users = column_names(users) if users is not None else []
    unknown_columns(mapping, column_names(events), of_items, of_users)
    roles = [*EVENT_COLUMNS, *ITEM_COLUMNS, *USER_COLUMNS]
    for role, name in mapping.items():
        if role not in roles and name not in [*of_items, *of_users]:
            raise UsageError(
                f"The option --columns has {role}={name}: {role!r} is no role of events, and only "
                f"a column of {items.name} can be renamed.{suggest(role, roles)}"
            )
        if role not in roles:
            spelled = next((r for r in ("title", "text") if role.lower() in ITEM_COLUMNS[r]), role)
            if hint := suggest(spelled, roles, 0.75):
                say(f"--columns {role}={name} makes facts called {role!r} of this column.{hint}")
