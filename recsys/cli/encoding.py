"""`kgintent encoder import`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from kg.tables import bad_byte, existing_file
from models.text.imported import import_encoder
from recsys.cli.output import say


def import_folder(source: str, out: Path, keep: list[Path]) -> None:
    """Write the folder and say what it holds."""
    files = [existing_file(file) for file in keep]  # all are asked for before any is read
    texts = chain.from_iterable(lines_of(file) for file in files) if files else None
    made = import_encoder(source, out, texts)
    kept = f"{made.pieces:,} of {made.all:,} pieces kept" if files else f"{made.pieces:,} pieces"
    say(f"{made.folder}: {kept}, {made.bytes / 1e6:,.0f} MB, weights rounded to 4 bit.")
    say(f"Next: kgintent train DATA -o RUN --encoder {made.folder}")


def lines_of(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, which may begin with a byte order mark; `DataError` names the
    first one that is not.
    """
    file = existing_file(path)
    with file.open("rb") as handle:
        for number, line in enumerate(handle, start=1):
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8").strip("\r\n")
            except UnicodeDecodeError as error:
                raise bad_byte(file, number, line[error.start]) from None
