"""RecBole's and hopwise's atomic files: a folder with NAME.inter, .user, .item, .kg, .link, .net.

Cells stand between tabs, without quotes; the first line gives each column as `name:type`. A
column is found by its name, never by its place. RecBole looks for NAME.inter in the folder NAME.
Extra files with a column of type float_seq hold vectors. NAME.entity (entity_id, type, name) is
ours: RecBole passes over it unless it is asked to.

    reading    from files to tables
    links      the links between users
    writing    from tables to files, and what these cannot hold
"""

from __future__ import annotations

from pathlib import Path

from kg.formats.recbole.reading import read
from kg.formats.recbole.writing import lost, write
from kg.formats.tables import Format

__all__ = ["FORMAT", "lost", "read", "recognises", "write"]


def recognises(path: Path) -> bool:
    """Whether the folder holds a file whose name ends in .inter."""
    return path.is_dir() and any(path.glob("*.inter"))


FORMAT = Format(
    "recbole",
    "RecBole's and hopwise's atomic files: NAME.inter, .user, .item, .kg, .link and vectors; .net, "
    "links between users, is their column friends (written: NAME is that of the folder, a space "
    "inside one of several values becomes _)",
    recognises,
    read,
    write,
    lost,
    named=True,
)
