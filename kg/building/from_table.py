"""From a table of items (and one of users) to a knowledge graph.

    made = from_table("items.csv", relations="brand, category:hierarchy(>), price:bins(5)")
    made.graph.num_nodes

What each column becomes is said by `kg.building.columns`, or guessed; `FromTable` tells what came
of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from kg.amounts import read_amounts, read_known
from kg.building.columns import ColumnRelation, Guess, guess_relations, parse_relations
from kg.building.hierarchy import MARK
from kg.catalog import ITEM_COLUMNS, USER_COLUMNS, ancestry, quantile_bands, without_nulls
from kg.dates import dates
from kg.errors import DataError, UsageError, suggest
from kg.graph import KnowledgeGraph, Relation
from kg.ids import Vocab
from kg.tables import Table, pick_columns, place, read_table, table_name
from kg.times import NO_TIME, to_seconds
from kg.widths import narrow

ABOVE = "part_of"
"""From a node of a hierarchy to the one above it."""


@dataclass(frozen=True)
class Made:
    """What one column became: nodes and edges, rows with an edge, and cells that say nothing."""

    relation: ColumnRelation
    kind: str
    nodes: int
    edges: int
    rows: int
    unread: int


@dataclass(frozen=True)
class FromTable:
    """The graph, what each column became, what was guessed of the columns (none if told), and
    sentences on cells that were not taken as they stand.
    """

    graph: KnowledgeGraph
    made: tuple[Made, ...]
    guesses: tuple[Guess, ...]
    notes: tuple[str, ...] = ()

    @property
    def relations(self) -> str:
        """The line that makes the same graph of the items again."""
        return ",".join(str(one.relation) for one in self.made if one.kind == "item")


def from_table(
    items: Table,
    *,
    id: str | None = None,
    relations: str | Sequence[ColumnRelation] | None = None,
    users: Table | None = None,
    user_id: str | None = None,
    user_relations: str | Sequence[ColumnRelation] | None = None,
    time: str | None = None,
) -> FromTable:
    """The graph of these tables: CSV, TSV or Parquet files, or frames of polars or pandas.

    `id` names the column of item ids, unless it is called as usual (item_id, sku, …); `relations`
    what the others become (`kg.building.columns`), guessed unless told. Titles become the names of
    items. `time` names the column that says since when the facts of a row of items are known. Cells
    are read as `kg.catalog` reads them: those of its `NULLS` are empty, and amounts of money are
    numbers.
    Raises `UsageError` for a column that is not there, `DataError` for an empty or repeated id, for
    a cell of bins that is no number, with its line, and for a time that is none.
    """
    vocabs: dict[str, Vocab] = {}
    names: dict[str, tuple[str, ...]] = {}
    edges: dict[Relation, np.ndarray] = {}
    times: dict[Relation, np.ndarray] = {}
    made: list[Made] = []
    guesses: list[Guess] = []
    notes: list[str] = []
    tables = [("item", items, id, relations)]
    if users is not None:
        tables.append(("user", users, user_id, user_relations))
    for kind, table, key, told in tables:
        frame, where = read_table(table), table_name(table, f"the {kind}s")
        roles = _roles(frame, kind, key, where)
        frame, said = without_nulls(frame, roles[f"{kind}_id"])
        notes += said if users is None else [f"{where}: {one}" for one in said]
        codes, vocabs[kind] = _numbered(frame[roles[f"{kind}_id"]], kind, where)
        if "title" in roles:
            names[kind] = _in_order(frame[roles["title"]], codes)
        since = None
        if kind == "item" and time is not None:
            _check_column(time, "--time", frame, where)
            since = dates(frame[time], where)[np.argsort(codes)]
        if told is None:
            found = guess_relations(frame, [*roles.values(), *([time] if time else [])])
            guesses += found
            notes += [f"{guess.column}: {guess.note}" for guess in found if guess.note]
            wanted: Sequence[ColumnRelation] = [g.relation for g in found if g.relation]
        else:
            wanted = parse_relations(told) if isinstance(told, str) else told
        for relation in wanted:
            one, note = _add(relation, kind, frame, codes, vocabs, edges, where)
            made.append(one)
            notes += [f"{relation.column}: {note}"] if note else []
        if since is not None:
            times = {r: since[index[0]] for r, index in edges.items() if r[0] == "item"}
    graph = KnowledgeGraph(vocabs, edges, names, edge_time=times)
    return FromTable(graph, tuple(made), tuple(guesses), tuple(dict.fromkeys(notes)))


def _roles(frame: pl.DataFrame, kind: str, key: str | None, where: str) -> dict[str, str]:
    wanted = ITEM_COLUMNS if kind == "item" else USER_COLUMNS
    own = {} if key is None else {f"{kind}_id": key}
    return pick_columns(frame, wanted, own, needed=(f"{kind}_id",), where=where)


def _numbered(column: pl.Series, kind: str, where: str) -> tuple[np.ndarray, Vocab]:
    """The number of each row int64 [n], and the ids."""
    ids = column.str.strip_chars().fill_null("")
    if (empty := np.flatnonzero((ids == "").to_numpy())).size:
        raise DataError(
            f"{place(where, int(empty[0]) + 1)}: column {column.name!r} must not be empty."
        )
    if (again := np.flatnonzero((~ids.is_first_distinct()).to_numpy())).size:
        row = int(again[0])
        raise DataError(
            f"{place(where, row + 1)}: each {kind} must stand once. Got {ids[row]!r} again."
        )
    vocab = Vocab.of(ids.to_list(), kind)
    return vocab.encode(ids.to_list()), vocab


def _in_order(column: pl.Series, codes: np.ndarray) -> tuple[str, ...]:
    """The cells by the numbers of their rows, '' for an empty one."""
    cells = column.str.strip_chars().fill_null("").to_list()
    return tuple(cells[row] for row in np.argsort(codes).tolist())


def _add(
    relation: ColumnRelation, kind: str, frame: pl.DataFrame, codes: np.ndarray,
    vocabs: dict[str, Vocab], edges: dict[Relation, np.ndarray], where: str,
) -> tuple[Made, str]:  # fmt: skip
    """The nodes and edges of one column into `vocabs` and `edges`; what is doubtful in it."""
    _check_column(relation.column, "--relations", frame, where)
    pairs, unread, note = _pairs(relation, frame[relation.column], where)
    target = relation.name
    while target in vocabs:  # called like a node type that is there
        target = f"{kind}_{target}"
    vocabs[target] = vocab = Vocab.of(pairs["value"].unique().to_list(), target)
    ends = np.stack([codes[pairs["row"].to_numpy()], vocab.encode(pairs["value"].to_list())])
    edges[(kind, relation.name, target)] = ends = np.unique(ends, axis=1)
    if relation.kind == "hierarchy":
        upwards = _upwards(vocab)
        if upwards.size:
            edges[(target, ABOVE, target)] = upwards
    made = Made(relation, kind, len(vocab), ends.shape[1], len(np.unique(ends[0])), unread)
    return made, note


def _check_column(name: str, option: str, frame: pl.DataFrame, where: str) -> None:
    if name not in frame.columns:
        raise UsageError(
            f"{where} has no column {name!r} (asked for in {option})."
            f"{suggest(name, frame.columns)} Its columns: {', '.join(frame.columns)}."
        )


def _pairs(relation: ColumnRelation, cells: pl.Series, where: str) -> tuple[pl.DataFrame, int, str]:
    """row and value of each edge, how many filled cells gave none, and what is doubtful in them."""
    note = ""
    rows = pl.DataFrame({"row": np.arange(len(cells)), "cell": cells}).drop_nulls()
    if relation.kind == "bins":
        found, note = _banded(rows, cells, relation.bands, where)
    elif relation.kind == "year":
        found = _years(rows)
    else:
        table = rows.select(pl.col("cell").unique())
        values = [_values(relation, cell) for cell in table["cell"].to_list()]
        cut = table.with_columns(pl.Series("value", values, dtype=pl.List(pl.String)))
        found = rows.join(cut, on="cell").explode("value").drop_nulls().select("row", "value")
    return found, len(rows) - found["row"].n_unique(), note


def _values(relation: ColumnRelation, cell: str) -> list[str]:
    """The nodes that a cell names."""
    if relation.kind == "list":
        return [part for part in map(str.strip, cell.split(relation.mark)) if part]
    if relation.kind == "value":
        return [cell]
    out: list[str] = []
    for path in cell.split("|") if relation.mark != "|" else [cell]:
        out += ancestry(path, relation.mark)
    return list(dict.fromkeys(out))


def _upwards(vocab: Vocab) -> np.ndarray:
    """int64 [2, E]: from each path to the one that it goes on from."""
    pairs = [(path, path.rpartition(f" {MARK} ")[0]) for path in vocab.ids]
    pairs = [(path, above) for path, above in pairs if above]
    if not pairs:
        return np.zeros((2, 0), np.int64)
    return np.stack([vocab.encode([p for p, _ in pairs]), vocab.encode([a for _, a in pairs])])


def _banded(
    rows: pl.DataFrame, cells: pl.Series, bands: int, where: str
) -> tuple[pl.DataFrame, str]:
    """The quantile band of each number, and what is doubtful in how they are written."""
    amounts = read_amounts(cells)
    if amounts.values is None:
        known = read_known(cells).values
        assert known is not None
        lost = known.is_null() & cells.is_not_null()
        row = int((lost if lost.any() else cells.is_not_null()).arg_max() or 0)
        why = f" ({amounts.note})" if amounts.note else ""
        raise DataError(
            f"{place(where, row + 1)}: column {cells.name!r} must be a number. "
            f"Got {cells[row]!r} instead{why}."
        )
    values = amounts.values.to_numpy().astype(float)[rows["row"].to_numpy()]
    found = pl.Series("value", quantile_bands(values, bands), dtype=pl.String)
    return rows.select("row").with_columns(found.replace("", None)).drop_nulls(), amounts.note


def _years(rows: pl.DataFrame) -> pl.DataFrame:
    """The year of each date that can be read; four digits are a year."""
    plain = narrow(rows["cell"]).str.extract(r"^(\d{4})$")
    seconds = np.full(len(rows), NO_TIME)
    dated = np.flatnonzero(plain.is_null().to_numpy())
    if dated.size:
        with contextlib.suppress(DataError):  # none can be read: counted as such
            seconds[dated] = to_seconds(rows["cell"][dated], "the table")
    stamps = pl.Series(np.where(seconds == NO_TIME, 0, seconds) * 1_000_000).cast(pl.Datetime("us"))
    years = stamps.dt.year().cast(pl.String).set(pl.Series(seconds == NO_TIME), None)
    value = plain.zip_with(plain.is_not_null(), years)
    return rows.select("row").with_columns(value.alias("value")).drop_nulls()
