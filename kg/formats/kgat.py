"""The folder of KGAT, KGIN and KGRec: train.txt, test.txt, kg_final.txt and the lists of ids.

Everything is a number in these files: `uid i1 i2 …` a line for the events, `h r t` for the
triples. The items have the first numbers of the entities. item_list.txt (org_id remap_id
freebase_id), entity_list.txt, relation_list.txt and user_list.txt (org_id remap_id) give the ids.

Seen in what is given out: amazon-book lists an entity without an id, yelp2018 has no space between
the last two cells of its items, KGRec's mind-f has tabs in a list and says freebase_id for org_id.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from kg.errors import DataError
from kg.formats.rows import file_lines, first_bad
from kg.formats.tables import Format, Tables

BEHAVIOUR = "interaction"
ITEM_HEADER = ("org_id", "remap_id", "freebase_id")
HEADER = ("org_id", "remap_id")


# Reading


def read(folder: Path) -> Tables:
    """The folder's tables. `DataError` names the file, the line and the value that is wrong.

    Where there is no list, or a number is in none, the number itself is the id.
    """
    if not (folder / "train.txt").is_file():
        raise DataError(f"{folder} must be a folder with a file train.txt. There is none.")
    notes = ["The order in a line of train.txt is no order of time: the events have no times."]
    train = _read_events(folder / "train.txt")
    test = _read_events(folder / "test.txt")
    events = pl.concat([train, test])
    if events.height == 0:
        raise DataError(f"{folder / 'train.txt'} must hold events `user item item …`. Got none.")
    if test.height:
        notes.append(f"{test.height} of {events.height} events come from test.txt.")
    items = _read_list(folder / "item_list.txt")
    users = _read_list(folder / "user_list.txt")
    known = [column.max() for column in (events["item"], *([] if items is None else [items["n"]]))]
    count = max(int(str(number)) for number in known if number is not None) + 1
    entities, triples = _read_graph(folder, items, count, notes)
    columns = {"user_id": _names(events["user"], users, "user", notes),
               "item_id": _names(events["item"], items, "item", notes)}  # fmt: skip
    return Tables(
        events=pl.DataFrame(columns).with_columns(behaviour=pl.lit(BEHAVIOUR)),
        items=None if items is None else items.select(item_id="org_id"),
        users=None if users is None else users.select(user_id="org_id"),
        triples=triples,
        entities=entities,
        notes=tuple(notes),
    )


def _lines(file: Path) -> pl.DataFrame:
    """line, text without blanks around and with one space between; none if the file is empty."""
    text = pl.col("text").str.replace_all(r"\s+", " ").str.strip_chars(" ")
    return _raw_lines(file).with_columns(text).filter(pl.col("text") != "")


def _raw_lines(file: Path) -> pl.DataFrame:
    if not file.is_file() or file.stat().st_size == 0:
        return pl.DataFrame(schema={"line": pl.UInt32, "text": pl.String})
    return file_lines(file)


def _numbers(file: Path, lines: pl.DataFrame) -> pl.DataFrame:
    """line, number: every cell of the lines. `DataError` for what is no whole number from 0."""
    cells = lines.select("line", pl.col("text").str.split(" ")).explode("text")
    cells = cells.with_columns(pl.col("text").cast(pl.Int64, strict=False).alias("number"))
    found = first_bad(cells, ~(pl.col("number") >= 0).fill_null(False))
    if found is not None:
        raise DataError(
            f"{file}, line {found['line']}: each cell must be a whole number from 0. "
            f"Got {found['text']!r}."
        )
    return cells.select("line", "number")


def _read_events(file: Path) -> pl.DataFrame:
    """user, item: the numbers, in the order of the file."""
    cells = _numbers(file, _lines(file))
    first = pl.col("number").first().over("line").alias("user")
    rest = pl.int_range(pl.len()).over("line") > 0
    cells = cells.select(first, pl.col("number").alias("item"), rest.alias("rest"))
    return cells.filter("rest").drop("rest")


def _read_triples(file: Path) -> pl.DataFrame:
    """h, r, t: the numbers. `DataError` for a line that has not three."""
    lines = _lines(file)
    if lines.height == 0:
        raise DataError(f"{file} is empty: lines `head relation tail` are needed.")
    spaces = pl.col("text").str.count_matches(" ", literal=True).alias("spaces")
    found = first_bad(lines.with_columns(spaces), pl.col("spaces") != 2)
    if found is not None:
        raise DataError(
            f"{file}, line {found['line']}, must have 3 cells, `head relation tail`. "
            f"Got {int(str(found['spaces'])) + 1} instead."
        )
    numbers = _numbers(file, lines)["number"].to_numpy().reshape(-1, 3)
    return pl.DataFrame({name: numbers[:, place] for place, name in enumerate("hrt")})


def _read_list(file: Path) -> pl.DataFrame | None:
    """line, n (the number), org_id and, in item_list.txt, freebase_id; None if there is no file.

    An org_id may hold spaces; a row without one is left out. Raises `DataError` for a missing
    header, a line with too few cells, a number that is none, and a number or org_id that stands
    there twice.
    """
    if not file.is_file():
        return None
    lines = _raw_lines(file)
    first = str(lines["text"][0]) if lines.height else ""
    header = first.split()
    if header[:1] == ["freebase_id"]:
        header[0] = "org_id"
    if header[:2] != list(HEADER) or len(header) > 3:
        wanted = " ".join(ITEM_HEADER if file.name == "item_list.txt" else HEADER)
        raise DataError(f"{file}, line 1, must be the header `{wanted}`. Got {first[:80]!r}.")
    header = list(ITEM_HEADER[: len(header)])  # whatever the third is called
    text = pl.col("text")
    body = lines.tail(-1).filter(text.str.strip_chars() != "")
    if "\t" in first:
        whole = text.str.count_matches("\t", literal=True) == len(header) - 1
        parts = text.str.split_exact("\t", len(header) - 1).struct.rename_fields(header)
        cells = body.with_columns(pl.when(whole).then(parts).alias("cells")).unnest("cells")
        cells = cells.with_columns(pl.col(header).str.strip_chars())
        return _checked_list(file, cells.filter((pl.col("org_id") != "").fill_null(True)), header)
    if len(header) == 2:
        body = body.filter(~text.str.contains(r"^\s+\d+\s*$"))
    body = body.with_columns(text.str.replace_all(r"\s+", " ").str.strip_chars(" "))
    pattern = "^(?P<org_id>.+)" + "".join(rf" (?P<{name}>\S+)" for name in header[1:]) + "$"
    parted = _parted(text) if len(header) == 3 else text
    cells = body.with_columns(parted.str.extract_groups(pattern).alias("cells")).unnest("cells")
    return _checked_list(file, cells, header)


def _parted(text: pl.Expr) -> pl.Expr:
    """A line `id 0id` as `id 0 id`."""
    own, rest = text.str.extract(r"^(\S*\D\S*) \S+$"), text.str.extract(r"^\S+ (\S+)$")
    number = rest.str.strip_suffix(own)
    glued = rest.str.ends_with(own) & number.str.contains(r"^\d+$")
    return pl.when(glued).then(pl.format("{} {} {}", own, number, own)).otherwise(text)


def _checked_list(file: Path, cells: pl.DataFrame, header: Sequence[str]) -> pl.DataFrame:
    number = pl.col("remap_id").cast(pl.Int64, strict=False)
    cells = cells.with_columns(number.alias("n"))
    found = first_bad(cells, ~(pl.col("n") >= 0).fill_null(False))
    if found is not None:
        raise DataError(
            f"{file}, line {found['line']}, must be `{' '.join(header)}` with a whole number from "
            f"0 as remap_id. Got {str(found['text'])[:80]!r}."
        )
    for name, column in (("org_id", "org_id"), ("remap_id", "n")):
        found = first_bad(cells, ~pl.col(column).is_first_distinct())
        if found is not None:
            raise DataError(
                f"{file}, line {found['line']}: each {name} must stand there once. "
                f"Got {found[column]!r} again."
            )
    return cells.drop("text", "remap_id")


def _names(
    numbers: pl.Series, known: pl.DataFrame | None, what: str, notes: list[str]
) -> pl.Series:
    """The id of each number; one that is in no list is its own id, and noted.

    Such an id gets '#' before it where another has the same text.
    """
    own = pl.col("n").cast(pl.String)
    frame = numbers.to_frame("n")
    if known is None:
        return frame.select(own)["n"]
    both = frame.join(known.select("n", "org_id"), "n", "left", maintain_order="left")
    lacking = both.filter(pl.col("org_id").is_null())["n"].n_unique()
    if lacking:
        notes.append(f"{lacking} {what} numbers are in no list: each is its own id.")
    taken = own.is_in(known["org_id"].implode())
    own = pl.when(taken).then(pl.lit("#") + own).otherwise(own)
    return both.select(pl.col("org_id").fill_null(own))["org_id"]


def _read_graph(
    folder: Path, items: pl.DataFrame | None, count: int, notes: list[str]
) -> tuple[pl.DataFrame | None, pl.DataFrame | None]:
    """(entities, triples); an entity is what the list or a triple has, in the order of numbers.

    Those below `count` are items.
    """
    file = folder / "kg_final.txt"
    listed = _read_list(folder / "entity_list.txt")
    numbers = pl.DataFrame(schema=dict.fromkeys("hrt", pl.Int64))
    if file.is_file():
        numbers = _read_triples(file)
    else:
        notes.append("There is no kg_final.txt (it may be in an archive): no triples.")
    known = listed if listed is not None else _freebase(items)
    parts = [numbers["h"], numbers["t"].alias("h")]
    if known is not None and (listed is not None or file.is_file()):
        parts.append(known["n"].alias("h"))
    there = pl.concat(parts).unique().sort()
    if there.is_empty():
        return None, None
    columns = {"entity_id": _names(there, known, "entity", notes),
               "item_id": _names(there, items, "", []).set(there >= count, None)}  # fmt: skip
    entities = pl.DataFrame(columns)
    if not file.is_file():
        return entities, None
    relations = _read_list(folder / "relation_list.txt")
    ends = {"head": _names(numbers["h"], known, "", []),
            "relation": _names(numbers["r"], relations, "relation", notes),
            "tail": _names(numbers["t"], known, "", [])}  # fmt: skip
    return entities, pl.DataFrame(ends)


def _freebase(items: pl.DataFrame | None) -> pl.DataFrame | None:
    """n, org_id: the entities' ids that item_list.txt has, for a folder with no entity_list.txt."""
    if items is None or "freebase_id" not in items.columns:
        return None
    own = items.select("n", org_id="freebase_id")
    return own.unique("org_id", keep="first", maintain_order=True)


# Writing


def write(tables: Tables, folder: Path) -> None:
    """All events to train.txt, an empty test.txt, kg_final.txt and the four lists.

    Raises `DataError` if there are no events with an item, or two ids become one since white
    space in an id becomes an underscore. What is left out is said by `lost`.
    """
    events = tables.events
    if events is not None and "item_id" in events.columns:
        events = events.drop_nulls(["user_id", "item_id"])
    if events is None or "item_id" not in events.columns or events.height == 0:
        raise DataError("Files for KGAT must hold events with items. Got tables without any.")
    users = _distinct([tables.users, events], "user_id")
    items = _distinct([tables.items, events, tables.entities], "item_id")
    entities = _entity_ids(tables, items)
    _write_events(events, users, items, folder)
    _write_list(folder / "user_list.txt", users)
    _write_items(folder / "item_list.txt", items, entities)
    _write_triples(tables.triples, entities, folder)
    there = entities.filter(pl.col("listed"))
    if there.height:
        _write_list(folder / "entity_list.txt", there["id"], there["n"])


def lost(tables: Tables) -> tuple[str, ...]:
    """What `write` leaves out of these tables: a sentence each."""
    said = ["White space in an id becomes an underscore."]
    for name, frame in tables.there().items():
        kept = {"events": {"user_id", "item_id"}, "items": {"item_id"}, "users": {"user_id"},
                "triples": {"head", "relation", "tail"},
                "entities": {"entity_id", "item_id"}}[name]  # fmt: skip
        rest = [column for column in frame.columns if column not in kept]
        if rest:
            said.append(f"These columns of {name} are left out: {', '.join(rest)}.")
    events = tables.events
    alone = events["item_id"].null_count() if events is not None and "item_id" in events else 0
    if alone:
        said.append(f"{alone} events without an item are left out.")
    if tables.vectors:
        said.append(f"Vectors are left out: {', '.join(tables.vectors)}.")
    return tuple(said)


def _distinct(frames: Sequence[pl.DataFrame | None], column: str) -> pl.Series:
    """The ids of a column of several tables, each once, in the order of their first place."""
    known = [frame[column] for frame in frames if frame is not None and column in frame.columns]
    return pl.concat(known).drop_nulls().unique(maintain_order=True)


def _numbered(ids: pl.Series) -> pl.DataFrame:
    """id, n: the place of each id."""
    return pl.DataFrame({"id": ids, "n": np.arange(len(ids))})


def _entity_ids(tables: Tables, items: pl.Series) -> pl.DataFrame:
    """id, n, listed: item i's entity has the number i; listed: it is an entity of the tables.

    An item without an entity keeps its number free, under its own id.
    """
    ends = [] if tables.triples is None else [tables.triples["head"], tables.triples["tail"]]
    own = {}
    if tables.entities is None:
        there = pl.concat([pl.Series([], dtype=pl.String), *ends]).unique(maintain_order=True)
        own = {name: name for name in there.filter(there.is_in(items.implode()))}
    else:
        ends = [tables.entities["entity_id"], *(end.alias("entity_id") for end in ends)]
        there = pl.concat(ends).unique(maintain_order=True)
        if "item_id" in tables.entities.columns:
            links = tables.entities.select("item_id", "entity_id").drop_nulls()
            own = dict(links.unique("item_id", keep="first").iter_rows())
    first: dict[str, str] = {}  # item by its entity; an entity of two items is the first one's
    for item in items:
        if item in own:
            first.setdefault(own[item], item)
    ids = [own.get(item) if first.get(own.get(item, "")) == item else None for item in items]
    ids += [name for name in there if name not in first]
    frame = pl.DataFrame({"id": pl.Series(ids, dtype=pl.String), "n": np.arange(len(ids))})
    return frame.with_columns(pl.col("id").is_not_null().alias("listed"))


def _write_events(
    events: pl.DataFrame, users: pl.Series, items: pl.Series, folder: Path
) -> None:  # fmt: skip
    numbers = pl.DataFrame({
        "user": _place(events["user_id"], _numbered(users)),
        "item": _place(events["item_id"], _numbered(items)),
    })  # fmt: skip
    lines = numbers.group_by("user").agg(pl.col("item").cast(pl.String).str.join(" "))
    lines = lines.sort("user").select(pl.format("{} {}", "user", "item"))
    _save(folder / "train.txt", lines)
    (folder / "test.txt").write_bytes(b"")


def _write_triples(triples: pl.DataFrame | None, entities: pl.DataFrame, folder: Path) -> None:
    if triples is None or triples.height == 0:
        return
    relations = triples["relation"].unique(maintain_order=True)
    cells = [_place(triples["head"], entities), _place(triples["relation"], _numbered(relations)),
             _place(triples["tail"], entities)]  # fmt: skip
    frame = pl.DataFrame([cell.alias(str(place)) for place, cell in enumerate(cells)])
    _save(folder / "kg_final.txt", frame.select(pl.format("{} {} {}", "0", "1", "2")))
    _write_list(folder / "relation_list.txt", relations)


def _place(ids: pl.Series, numbered: pl.DataFrame) -> pl.Series:
    """The number of each id."""
    known = numbered.drop_nulls("id").select("id", "n")
    return ids.to_frame("id").join(known, "id", "left", maintain_order="left")["n"]


def _write_list(file: Path, ids: pl.Series, numbers: pl.Series | None = None) -> None:
    frame = pl.DataFrame({"id": _plain(ids, file), "n": _numbered(ids)["n"] if numbers is None
                          else numbers})  # fmt: skip
    _save(file, frame.select(pl.format("{} {}", "id", "n")), " ".join(HEADER))


def _write_items(file: Path, items: pl.Series, entities: pl.DataFrame) -> None:
    own = entities["id"].head(len(items)).fill_null(items).str.replace_all(r"\s", "_")
    frame = _numbered(_plain(items, file)).with_columns(own.alias("own"))
    _save(file, frame.select(pl.format("{} {} {}", "id", "n", "own")), " ".join(ITEM_HEADER))


def _plain(ids: pl.Series, file: Path) -> pl.Series:
    """The ids with an underscore for each white space; `DataError` where two become one."""
    plain = ids.str.replace_all(r"\s", "_")
    if plain.n_unique() < len(plain):
        twice = plain.filter(plain.is_duplicated())[0]
        raise DataError(
            f"{file.name}: two ids would both be {twice!r}, since white space in an id becomes "
            "an underscore."
        )
    return plain


def _save(file: Path, lines: pl.DataFrame, header: str | None = None) -> None:
    """The header and one column of lines."""
    with open(file, "wb") as handle:
        handle.write(b"" if header is None else f"{header}\n".encode())
        lines.write_csv(handle, include_header=False, quote_style="never")


def recognises(path: Path) -> bool:
    """Whether the folder has a train.txt and a knowledge graph or the list of its items."""
    others = ("kg_final.txt", "item_list.txt")
    return (path / "train.txt").is_file() and any((path / name).is_file() for name in others)


FORMAT = Format(
    "kgat",
    "KGAT, KGIN, KGRec: train.txt, test.txt, kg_final.txt and lists of ids "
    "(written: all events to train.txt, white space in an id becomes _)",
    recognises,
    read,
    write,
    lost,
    bags=True,
    facts_only=True,
)
