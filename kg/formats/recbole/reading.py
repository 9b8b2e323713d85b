"""From a folder of atomic files to tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from kg.errors import DataError
from kg.formats.atomic import LINE, TYPES, Atomic, read_atomic, values_of, vectors_of
from kg.formats.recbole.links import with_friends
from kg.formats.rows import first_bad
from kg.formats.tables import EVENTS, Named, Tables
from kg.tables import UNREADABLE, open_bytes

TITLES = ("title", "movie_title", "item_title", "book_title", "name", "item_name")
TEXTS = ("text", "description")
ROLES = {"rating": "value", "behavior": "behaviour"}
"""Other names of the columns of events."""
PARTS = ("train", "valid", "validation", "test")
OWN = ("inter", "user", "item", "kg", "link", "net", "entity", "text")
_BOM = b"\xef\xbb\xbf"


def _is_user(name: str) -> bool:
    return name in ("uid", "u_id") or name.startswith("user")


def _is_entity(name: str) -> bool:
    return name in ("eid", "head_id", "tail_id") or name.startswith("ent")


def read(folder: Path) -> Tables:
    """The folder's tables. `DataError` names the file, the line and the value that is wrong."""
    stem = _stem(folder)
    notes: list[str] = []
    events, user, item = _read_events(folder, stem, notes)
    entities, triples = _read_graph(folder, stem, item, notes)
    vectors: dict[str, Named] = {}
    items = _read_rows(folder / f"{stem}.item", item, "item_id", vectors, notes)
    users = _read_rows(folder / f"{stem}.user", user, "user_id", vectors, notes)
    users = with_friends(folder / f"{stem}.net", users, notes)
    items = _with_text(folder / f"{stem}.text", item, items)
    _read_extra(folder, stem, entities, vectors, notes)
    return Tables(events, items, users, triples, entities, vectors, tuple(notes))


def _stem(folder: Path) -> str:
    """NAME of the folder's NAME.inter or NAME.PART.inter."""
    files = sorted(folder.glob("*.inter")) if folder.is_dir() else []
    if not files:
        raise DataError(f"{folder} must be a folder with a file NAME.inter. There is none.")
    own = folder.absolute().name
    stems = {_without_part(file.stem) for file in files}
    if (
        own in stems
        or [file.stem for file in files] == [own]
        or (len(stems) > 1 and all(stem.startswith(f"{own}.") for stem in stems))
    ):
        return own
    if len(stems) > 1:
        raise DataError(
            f"{folder} must hold the files of one data set. Got {', '.join(sorted(stems))}."
        )
    return stems.pop()


def _without_part(stem: str) -> str:
    name, dot, part = stem.rpartition(".")
    return name if dot and part in PARTS else stem


def _inter_files(folder: Path, stem: str, notes: list[str]) -> list[Path]:
    """NAME.inter alone, or else the parts in the order of time."""
    whole = folder / f"{stem}.inter"
    parts = [file for file in folder.glob("*.inter") if file.name.startswith(f"{stem}.")]
    parts = [file for file in parts if file != whole]
    order = {part: place for place, part in enumerate(PARTS)}
    parts.sort(key=lambda file: (order.get(file.stem.rpartition(".")[2], 1), file.name))
    if not whole.is_file():
        return parts
    if parts:
        names = ", ".join(file.name for file in parts)
        notes.append(f"{names}: left out, since {whole.name} holds the whole.")
    return [whole]


def _read_events(
    folder: Path, stem: str, notes: list[str]
) -> tuple[pl.DataFrame, str, str]:  # fmt: skip
    """The events, and the names that users and items have in the files."""
    parts = [read_atomic(file) for file in _inter_files(folder, stem, notes)]
    user = _id_column(parts[0], "user_id", ("session_id", "uid"), (), notes)
    item = _id_column(parts[0], "item_id", ("iid",), (user,), notes)
    for part in parts:
        part.need(user, item)
    if len(parts) > 1:
        counts = ", ".join(f"{part.frame.height} rows of {part.file.name}" for part in parts)
        notes.append(f"The parts were joined, which row is of which is lost: {counts}.")
    if f"{item}_list" in parts[0].types:
        frame = _unfolded(parts, user, item, notes)
    else:
        frame = pl.concat([_event_rows(part, user, item, notes) for part in parts], how="diagonal")
    there = [name for name in EVENTS if name in frame.columns]
    frame = frame.select(there)
    query = pl.col("query").is_not_null() if "query" in there else pl.lit(False)
    kept = frame.filter(pl.col("user_id").is_not_null() & (pl.col("item_id").is_not_null() | query))
    if kept.height < frame.height:
        notes.append(f"{frame.height - kept.height} events without user or item were left out.")
    return kept, user, item


def _id_column(
    atomic: Atomic, usual: str, others: Sequence[str], taken: Sequence[str], notes: list[str]
) -> str:
    """The column of the ids: by its usual name, or else the only other one that ends in _id."""
    free = [name for name in atomic.types if name not in taken]
    known = next((name for name in (usual, *others) if name in free), None)
    ends = [name for name in atomic.of_type("token") if name in free and name.endswith("_id")]
    if known is None and len(ends) == 1 and usual == "item_id":
        known = ends[0]
    if known is None:
        atomic.need(usual)
    if known != usual:
        notes.append(f"{known} of {atomic.file.name} was read as {usual}.")
    return known or usual


def _event_rows(part: Atomic, user: str, item: str, notes: list[str]) -> pl.DataFrame:
    names = {user: "user_id", item: "item_id"}
    for name in part.types:
        role = ROLES.get(name, name)
        if role in EVENTS and name not in names and role not in names.values():
            names[name] = role
    rest = [name for name in part.types if name not in names]
    if rest:
        notes.append(f"Columns of {part.file.name} were left out: {', '.join(rest)}.")
    return part.frame.select(pl.col(name).alias(role) for name, role in names.items())


def _unfolded(parts: Sequence[Atomic], user: str, item: str, notes: list[str]) -> pl.DataFrame:
    """Events from rows of a history and the item after it; the timestamp is the place, from 0.

    A user's rows are taken from the shortest history on, and of each only what the row before
    does not have. Histories cut at a greatest length are put in the order in which each row's
    last item is the one that the row before asked for.
    """
    rows = pl.concat([_history_rows(part, number, user, item) for number, part in enumerate(parts)])
    rows = rows.filter(pl.col("user").is_not_null())
    first = rows.select("user").unique(maintain_order=True).with_row_index("who")
    rows = rows.join(first, on="user").sort("who", "part", "length", "order")
    known = pl.col("length").shift(1).over("who").add(1).fill_null(0)
    new = pl.col("history").list.slice(known)
    long = rows.select("user", new.list.concat(pl.concat_list("target")).alias("item_id"))
    long = long.explode("item_id").drop_nulls()
    place = pl.int_range(pl.len()).over("user").cast(pl.String)
    notes.append(
        f"{rows.height} rows of a history and the item after it became {long.height} events; "
        "the timestamp is the place in the user's order."
    )
    return long.select(pl.col("user").alias("user_id"), "item_id", place.alias("timestamp"))


def _history_rows(part: Atomic, number: int, user: str, item: str) -> pl.DataFrame:
    """part, user, history (list), target, length, and order: the row's place, as time runs."""
    words = pl.col(f"{item}_list").fill_null("").str.strip_chars(" ").str.replace_all(" +", " ")
    words = (
        pl.when(words == "").then(pl.lit([], pl.List(pl.String))).otherwise(words.str.split(" "))
    )
    rows = part.frame.select(
        pl.lit(number).alias("part"),
        pl.col(user).alias("user"),
        words.alias("history"),
        pl.col(item).alias("target"),
    ).with_columns(pl.col("history").list.len().cast(pl.Int64).alias("length"))
    last, target = pl.col("history").list.last(), pl.col("target")
    same = (pl.col("user") == pl.col("user").shift(1)) & (
        pl.col("length") == pl.col("length").shift(1)
    )
    votes = rows.select(
        forward=(same & (last == target.shift(1))).sum(),
        back=(same & (target == last.shift(1))).sum(),
    ).row(0)
    sign = -1 if votes[1] > votes[0] else 1
    return rows.with_columns((pl.int_range(pl.len()) * sign).alias("order"))


def _read_rows(
    file: Path, key: str, new: str, vectors: dict[str, Named], notes: list[str]
) -> pl.DataFrame | None:
    """Items or users: the id, then for items title and text, then the attributes."""
    if not file.is_file():
        return None
    atomic = read_atomic(file)
    key = key if key in atomic.types else new
    atomic.need(key)
    atomic.unique(key)
    prefix = "user:" if new == "user_id" else ""
    for name in atomic.of_type("float_seq"):
        vectors[prefix + name] = vectors_of(atomic, name, key)
    names = {key: new}
    if new == "item_id":
        for role, spellings in (("title", TITLES), ("text", TEXTS)):
            found = next((name for name in spellings if name in atomic.types), None)
            names |= {} if found is None else {found: role}
    rest = {name: name for name, kind in atomic.types.items()
            if name not in (*names, *names.values()) and kind != "float_seq"}  # fmt: skip
    for name in rest:
        if (
            atomic.types[name] == "token_seq"
            and atomic.frame[name].str.contains("|", literal=True).any()
        ):
            notes.append(f"In {name} of {file.name} a '|' inside a value became '/'.")
    return atomic.frame.select(
        values_of(atomic, name, role).alias(role) for name, role in (names | rest).items()
    )


def _with_text(file: Path, item: str, items: pl.DataFrame | None) -> pl.DataFrame | None:
    """The items with the text of UniSRec's NAME.text, where there is none yet."""
    if not file.is_file() or (items is not None and "text" in items.columns):
        return items
    atomic = read_atomic(file)
    key = item if item in atomic.types else "item_id"
    atomic.need(key, "text")
    atomic.unique(key)
    text = atomic.frame.select(pl.col(key).alias("item_id"), "text")
    if items is None:
        return text
    both = items.join(text, "item_id", "full", coalesce=True, maintain_order="left_right")
    first = [name for name in ("item_id", "title", "text") if name in both.columns]
    return both.select(*first, pl.exclude(first))


def _read_graph(
    folder: Path, stem: str, item: str, notes: list[str]
) -> tuple[pl.DataFrame | None, pl.DataFrame | None]:
    """(entities, triples) of .kg, .link and .entity."""
    triples = links = None
    known: list[pl.Series] = []
    entity, kg, link = (folder / f"{stem}.{name}" for name in ("entity", "kg", "link"))
    details = read_atomic(entity) if entity.is_file() else None
    if details is not None:
        details.need("entity_id")
        details.unique("entity_id")
        known.append(details.frame["entity_id"])
    if kg.is_file():
        triples = _read_triples(kg)
        ends = triples.select(pl.concat_list("head", "tail").alias("id")).explode("id")
        known.append(ends["id"])
    if link.is_file():
        links = _read_links(link, item, notes)
        known.append(links["entity_id"])
    if not known:
        return None, None
    ids = pl.concat([column.alias("entity_id") for column in known])
    entities = pl.DataFrame(ids.unique(maintain_order=True))
    if details is not None:
        there = [name for name in ("entity_id", "type", "name") if name in details.types]
        entities = entities.join(details.frame.select(there), "entity_id", "left",
                                 maintain_order="left")  # fmt: skip
    if links is not None:
        entities = entities.join(links, "entity_id", "left", maintain_order="left")
    elif triples is not None:
        notes.append(f"There is no {link.name}: no entity is known to be an item.")
    return entities, triples


def _read_triples(file: Path) -> pl.DataFrame:
    atomic = read_atomic(file)
    names = {"head_id": "head", "relation_id": "relation", "tail_id": "tail"}
    atomic.need(*names)
    found = first_bad(atomic.frame, pl.any_horizontal(pl.col(*names).is_null()))
    if found is not None:
        raise DataError(f"{file}, line {found[LINE]}: head, relation and tail must not be empty.")
    return atomic.frame.select(pl.col(name).alias(new) for name, new in names.items())


def _read_links(file: Path, item: str, notes: list[str]) -> pl.DataFrame:
    """entity_id, item_id: of several items of an entity the first."""
    atomic = read_atomic(file)
    key = item if item in atomic.types else "item_id"
    atomic.need(key, "entity_id")
    links = atomic.frame.select("entity_id", pl.col(key).alias("item_id")).drop_nulls()
    once = links.unique("entity_id", keep="first", maintain_order=True)
    if once.height < links.height:
        notes.append(
            f"{links.height - once.height} lines of {file.name} were left out: "
            "their entity is another item already."
        )
    return once


def _read_extra(
    folder: Path,
    stem: str,
    entities: pl.DataFrame | None,
    vectors: dict[str, Named],
    notes: list[str],
) -> None:
    """The vectors of the other files of this stem; what holds none is named in the notes."""
    for file in sorted(folder.glob("*.*")):
        suffix = file.name.removeprefix(f"{stem}.")
        if suffix == file.name or suffix in OWN or suffix.endswith(".inter") or file.is_dir():
            continue
        atomic = read_atomic(file) if _has_header(file) else None
        columns = [] if atomic is None else atomic.of_type("float_seq")
        keys = [] if atomic is None else atomic.of_type("token")
        if atomic is None or not columns or not keys:
            notes.append(f"{file.name} was left out: {_why_not(atomic, suffix, stem)}.")
            continue
        atomic.unique(keys[0])
        for column in columns:
            _add(vectors, column, keys[0], vectors_of(atomic, column, keys[0]), entities, notes)


def _why_not(atomic: Atomic | None, suffix: str, stem: str) -> str:
    """Why a file that is none of `OWN` and no vectors of ids is passed over."""
    part, _, kind = suffix.rpartition(".")
    if atomic is None:
        return "its first line does not name columns as name:type"
    if part and kind in OWN:
        return f"of files .{kind} {stem}.{kind} alone is read, not one of a part ({part})"
    if not atomic.of_type("float_seq"):
        return f"it has no vectors (float_seq). Its columns: {', '.join(atomic.types)}"
    return "its vectors have no column of ids (token)"


def _has_header(file: Path) -> bool:
    """Whether the first line is one of names and types (some of these files are binary)."""
    try:
        with open_bytes(file) as handle:
            first = handle.readline(1 << 16)
    except UNREADABLE as error:
        raise DataError(f"{file} cannot be read: {error}.") from None
    cells = first.removeprefix(_BOM).strip().split(b"\t")
    return all(cell.rpartition(b":")[2].decode("latin-1") in TYPES and b":" in cell
               for cell in cells)  # fmt: skip


def _add(
    vectors: dict[str, Named],
    column: str,
    key: str,
    found: Named,
    entities: pl.DataFrame | None,
    notes: list[str],
) -> None:
    """Put vectors of users, items or entities (those that are items) under their name."""
    if _is_user(key):
        vectors[f"user:{column}"] = found
    elif not _is_entity(key):
        vectors[column] = found
    elif entities is not None and "item_id" in entities.columns:
        known = entities.drop_nulls("item_id").select("entity_id", "item_id")
        own = dict(known.iter_rows())
        rows = [row for row, name in enumerate(found.ids) if name in own]
        vectors[column] = Named(tuple(own[found.ids[row]] for row in rows), found.values[rows])
        if len(rows) < len(found.ids):
            notes.append(
                f"{len(found.ids) - len(rows)} vectors of {column} were left out: their entity is "
                "no item."
            )
    else:
        notes.append(f"{column} was left out: its ids are entities, none of them an item.")
