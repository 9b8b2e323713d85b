"""The bundled sample: MovieLens latest-small with film facts, so that a demo needs no download.

610 people, 9,742 films, 100,836 ratings from 1996 to 2018, and who directed, wrote and played.
Not for commercial use: see CREDITS.md and LICENSE-movielens.txt beside the files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kg.building.triples import Triples, read_triples
from kg.catalog import Catalog
from kg.clean import clean
from kg.errors import DataError
from kg.events import EventLog

_FILES = {
    "events": "events.parquet",
    "items": "items.parquet",
    "triples": "triples.parquet",
    "entities": "entities.parquet",
    "licence": "LICENSE-movielens.txt",
    "credits": "CREDITS.md",
}


@dataclass(frozen=True)
class Sample:
    """A log numbered by its catalogue (behaviour "rating"), and facts about the items."""

    log: EventLog
    catalog: Catalog
    triples: Triples


def sample_files() -> dict[str, Path]:
    """The files of the sample by role: events, items, triples, entities, licence, credits.

    `DataError` names one that the installation lacks.
    """
    folder = Path(__file__).parent / "movielens_small"
    files = {role: folder / name for role, name in _FILES.items()}
    for role, file in files.items():
        if not file.exists():
            raise DataError(f"The bundled sample lacks its {role} file {file}: install again.")
    return files


def load_movielens_small() -> Sample:
    """The sample, read and cleaned; all 100,836 ratings are kept."""
    files = sample_files()
    catalog = Catalog.read(files["items"])
    log, _ = clean(EventLog.read(files["events"]), catalog.ids)
    return Sample(log, catalog, read_triples(files["triples"], catalog.ids,
                                             entities=files["entities"]))  # fmt: skip
