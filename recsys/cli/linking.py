"""`kgintent kg link`."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import polars as pl

from kg.building.triples import ENTITY_COLUMNS
from kg.catalog import Catalog
from kg.errors import DataError, UsageError
from kg.folders import fresh_folder, write_text
from kg.formats.tables import NEEDED
from kg.linking import HOW, PERSON, Links, Titled, link, read_entities, read_review
from kg.tables import pick_columns, read_table
from recsys.cli.output import bars, columns_of, say, show


def link_tables(
    items: Path, entities: Path, out: Path, review: Path | None, least: float,
    reviewed: Path | None, encoder: str | None, apply: Path | None, columns: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Link, write, and say how many of what; nothing is written after a mistake."""
    _check_places(items, entities, out, review, reviewed, apply)
    mapping = columns_of(columns)
    catalog = Catalog.read(items, columns=mapping)
    if not any(catalog.titles):
        raise DataError(f"{items} has no titles: a column title or name is compared.")
    mine, theirs = Titled(catalog.ids.ids, catalog.titles), read_entities(entities, mapping)
    taken = read_review(reviewed, mine, theirs) if reviewed is not None else None
    links = _linked(mine, theirs, encoder, least)
    if taken is not None:
        links = links.with_reviewed(taken)
    write_text(out, links.table().write_csv(float_precision=4))
    if review is not None and links.review.height:
        links.write_review(review)
    if apply is not None:
        _apply(links, entities, apply)
    show([_counts(mine, theirs, links)], as_json)
    _tell(links, out, review)


def _check_places(
    items: Path, entities: Path, out: Path, review: Path | None, reviewed: Path | None,
    apply: Path | None,
) -> None:  # fmt: skip
    if review is not None and review.exists():
        raise UsageError(
            f"{review} exists and may hold someone's marks: give another name for --review, or "
            "hand it back with --reviewed."
        )
    read = [file for file in (items, entities, reviewed) if file is not None]
    for file, option in ((out, "-o"), (review, "--review")):
        if file is None:
            continue
        if any(_same(file, other) for other in read) or (
            file is out and review is not None and _same(out, review)
        ):
            raise UsageError(
                f"{file} is another file of this call: give another name for {option}."
            )
        if entities.is_dir() and _of_plain(file, entities):
            raise UsageError(
                f"{file} is a name that {entities} has for its own tables: give another name for "
                f"{option}."
            )
    if apply is None:
        return
    if not entities.is_dir():
        raise UsageError(f"--apply needs a plain folder as ENTITIES. Got {entities} instead.")
    copy, source = apply.resolve(), entities.resolve()
    if copy.is_relative_to(source):
        raise UsageError(f"{apply} lies in {entities}, which is copied: give another name.")
    for file in (out, review):
        if file is not None and file.resolve().is_relative_to(copy):
            raise UsageError(f"{file} lies in {apply}, which --apply makes: give another name.")
    if apply.exists() and (not apply.is_dir() or any(apply.iterdir())):
        raise UsageError(f"{apply} exists and is not empty: give another name for --apply.")


def _same(one: Path, other: Path) -> bool:
    """Whether both are one file, however it is reached."""
    if one.resolve() == other.resolve():
        return True
    return one.exists() and other.exists() and one.samefile(other)


def _of_plain(file: Path, folder: Path) -> bool:
    """Whether a file of this name would be a table, or vectors, of the plain folder."""
    name = file.resolve().name.lower()
    there = file.resolve().parent == folder.resolve()
    return there and (name.partition(".")[0] in NEEDED or name.endswith(".npz"))


def _linked(items: Titled, entities: Titled, encoder: str | None, least: float) -> Links:
    if encoder is None:
        return link(items, entities, least)
    from models.text import fallback_encoder, load_encoder
    from recsys.linking import link_with_text

    found, why = fallback_encoder(load_encoder(encoder), [*items.titles, *entities.titles])
    if why is not None:
        say(f"  {why}")
    return link_with_text(items, entities, found, least, progress=bars()("titles"))


def _counts(items: Titled, entities: Titled, links: Links) -> dict[str, object]:
    ways = Counter(links.accepted["how"].to_list())
    return {
        "items": len(items), "entities": len(entities), "accepted": links.accepted.height,
        **{way: ways[way] for way in (*HOW, PERSON)},
        "review": links.review["item_id"].n_unique(), "none": len(links.none),
    }  # fmt: skip


def _tell(links: Links, out: Path, review: Path | None) -> None:
    doubtful = links.review["item_id"].n_unique()
    say(f"{out}: {links.accepted.height:,} links; {doubtful:,} items are doubtful, "
        f"{len(links.none):,} have no candidate.")  # fmt: skip
    if doubtful and review is not None:
        say(f"{review}: put an x into `take`, then run this again with --reviewed {review}")
    elif doubtful:
        say("  --review FILE writes the doubtful ones into a table to mark.")
    elif review is not None:
        say(f"  Nothing is doubtful: {review} was not written.")


def _apply(links: Links, folder: Path, out: Path) -> None:
    """A copy of the plain folder whose entities.csv says the item of each linked entity; an
    item_id that stood there stays.
    """
    file = folder / "entities.csv"
    table = read_table(file)
    roles = pick_columns(table, ENTITY_COLUMNS, {}, needed=("entity_id",), where=str(file))
    key, old = roles["entity_id"], roles.get("item_id")
    pairs = links.accepted.select(pl.col("entity_id").alias(key), "item_id").rename(
        {"item_id": _NEW}
    )
    table = table.with_columns(pl.col(key).str.strip_chars())
    table = table.join(pairs, on=key, how="left", maintain_order="left")
    known = pl.coalesce(pl.col(old).replace("", None), _NEW) if old else pl.col(_NEW)
    with fresh_folder(out) as fresh:
        shutil.copytree(folder, fresh, dirs_exist_ok=True)
        table.with_columns(known.alias(old or "item_id")).drop(_NEW).write_csv(
            fresh / "entities.csv"
        )
    say(f"{out}: a copy of {folder} with the items in entities.csv")


_NEW = "\x00item"
