"""Taxonomies that come with kgintent, one TOML file each (`kg.intents.taxonomy` reads them).

`everyday`: shopping, entertainment, learning, fitness, food, travel, technology, films, music,
books, in Chinese and English. Copy the file to make one of your own.
"""

from __future__ import annotations

from pathlib import Path


def bundled_files() -> dict[str, Path]:
    """The files by name."""
    return {file.stem: file for file in sorted(Path(__file__).parent.glob("*.toml"))}
