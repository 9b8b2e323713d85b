"""What an encoder has read before it came to a run, kept in its folder.

A text from after the cut may tell what people go on to do, and an encoder that has read it knows
(`kg.checking.leakage`).
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kg.errors import DataError, UsageError, suggest
from kg.events import EventLog
from kg.folders import write_text

FILE = "reading.json"
BUILT_IN = ("hash", "ngram")
"""Encoders that have read nothing."""


@dataclass(frozen=True)
class Reading:
    """One pretraining: the name of the file or data folder, how many texts, and how many of them
    without a date; `until`, the second of the newest, None where no date is known. `sha256` is
    that of the file, or that of the folder's log (`log_hash`), of which so many `events` were read.
    """

    source: str
    sha256: str
    texts: int
    undated: int = 0
    until: int | None = None
    events: int | None = None

    @classmethod
    def of_events(cls, source: str, log: EventLog, train: EventLog, texts: int) -> Reading:
        """Of the part `train` of a log."""
        until = None if train.time is None else int(train.time.max())
        return cls(source, log_hash(log), texts, 0, until, len(train))


def log_hash(log: EventLog) -> str:
    """sha256, hex, of who did what with which item, and when."""
    digest = hashlib.sha256()
    for column in (log.user, log.item, log.behaviour, log.time):
        digest.update(b"-" if column is None else column.tobytes())
    digest.update(json.dumps([log.users.ids, log.items.ids, log.query or ()]).encode())
    return digest.hexdigest()


def write_readings(folder: Path, readings: Sequence[Reading]) -> None:
    """Put them into an encoder's folder."""
    text = json.dumps([asdict(one) for one in readings], indent=1, ensure_ascii=False)
    write_text(folder / FILE, text + "\n")


def read_readings(folder: Path) -> list[Reading]:
    """Those of an encoder's folder; none where it was not pretrained here. `DataError` where the
    file cannot be read.
    """
    file = folder / FILE
    if not file.is_file():
        return []
    try:
        return readings_of(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{file} cannot be read: {error}.") from None


def encoder_readings(name: str) -> list[Reading]:
    """What an encoder has read, by its name: a folder, an installed package or one of `BUILT_IN`.
    Nothing is known of what others trained. `UsageError` where there is none of this name: what it
    has read cannot be said.
    """
    folder = Path(name)
    if name and folder.is_dir():
        return read_readings(folder)
    if name in BUILT_IN or _installed(name):
        return []
    packages = (path.parents[1].name.replace("_", "-") for root in sys.path
                for path in Path(root).glob("*/model/config.json"))  # fmt: skip
    beside = (str(path.parent) for path in folder.parent.glob("*/config.json"))
    raise UsageError(
        f"No folder and no installed package is named {name!r}: give an encoder's folder or "
        f"package, {' or '.join(BUILT_IN)}.{suggest(name, [*BUILT_IN, *packages, *beside])}"
    )


def _installed(name: str) -> bool:
    """Whether a package of this name is there; whether it holds an encoder says who loads it."""
    package = name.replace("-", "_")
    return package.isidentifier() and importlib.util.find_spec(package) is not None


def readings_of(told: Sequence[dict[str, Any]]) -> list[Reading]:
    """From what JSON holds of them."""
    return [Reading(**one) for one in told]
