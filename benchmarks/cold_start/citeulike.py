"""citeulike-a with the cold split of its files: articles known by tags and citations alone.

An article is called by its five most usual tags, and the next ten are its text. Tags are an
attribute; so are citations, with the cited article as a value, and an article cites itself: so the
graph joins it with those that cite it, and a new article can name what it cites.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from kg.catalog import Catalog
from kg.events import EventLog
from kg.split import Split
from kg.tables import read_table

NAME = "citeulike-a-coldstart"
CALLED, READ = 5, 15
"""So many tags name an article at most, and so many are read in all."""


def read(folder: Path) -> tuple[Split, Catalog, np.ndarray]:
    """The parts (validation and test: those of warm and cold items together), the catalogue, and
    which items are cold, bool [N].
    """
    frame = read_table(folder / "interactions.csv.gz")
    columns = {"user": "user_id", "item": "item_id"}
    log = EventLog.read(folder / "interactions.csv.gz", columns=columns, ordered=False)
    label = frame["split"].to_numpy()[log.row - 1]
    catalog = _catalog(folder, log.items.ids)
    log = replace(log, items=catalog.ids)
    parts = [log.take(np.isin(label, names)) for names in
             (["train"], ["warm_valid", "cold_valid"], ["warm_test", "cold_test"])]  # fmt: skip
    cold = np.zeros(len(catalog), bool)
    cold[log.item[np.isin(label, ["cold_valid", "cold_test"])]] = True
    return Split(*parts), catalog, cold


def _catalog(folder: Path, ids: tuple[str, ...]) -> Catalog:
    place = {key: row for row, key in enumerate(ids)}
    names = dict(read_table(folder / "tags.csv.gz").select("tag_id", "tag").rows())
    tags: list[list[str]] = [[] for _ in ids]
    for item, tag in read_table(folder / "item_tags.csv.gz").select("item_id", "tag_id").rows():
        tags[place[item]].append(names[tag])
    cites = [[key] for key in ids]
    for item, other in read_table(folder / "citations.csv.gz").rows():
        cites[place[item]].append(other)
    cites = [cell if len(cell) > 1 else [] for cell in cites]
    often: dict[str, int] = {}
    for cell in tags:
        for tag in cell:
            often[tag] = often.get(tag, 0) + 1
    usual = [sorted(set(cell), key=lambda tag: (-often[tag], tag)) for cell in tags]
    titles = [", ".join(cell[:CALLED]) for cell in usual]
    texts = [", ".join(cell[CALLED:READ]) for cell in usual]
    return Catalog.of(ids, titles, texts, {"tag": tags, "cites": cites})
