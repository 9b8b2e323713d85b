"""What a unit leaves behind: a JSON and arrays, whole or not there, and what made them.

No script, so that the scripts of other folders, which have names like those here, can import it.
"""

from __future__ import annotations

import json
import os
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from kg.folders import write_text

PACKAGES = ("kgintent", "torch", "torch-geometric", "transformers", "numpy", "scipy", "polars")
FOLDERS = ("--data", "--out", "--cache", "--params")


def write_json(file: Path, told: dict[str, Any]) -> None:
    """Whole or not there, its folder made where there is none."""
    write_text(file, json.dumps(told, indent=1, ensure_ascii=False) + "\n")


def write_arrays(file: Path, arrays: dict[str, np.ndarray]) -> None:
    part = file.with_name(f".{os.getpid()}.{file.name}")  # savez wants the name to end in .npz
    np.savez_compressed(part, **arrays)
    part.replace(file)


def shown(
    script: str, words: list[str], folder: str = "accuracy", hidden: tuple[str, ...] = FOLDERS
) -> str:
    """The command without the folders of one machine."""
    told = ["DIR" if i and words[i - 1] in hidden else word for i, word in enumerate(words)]
    return " ".join([f"python {Path('benchmarks', folder, script).as_posix()}", *told])


def versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found | commit()


def commit() -> dict[str, str]:
    """Of the code that runs, with a + where it was changed since; nothing outside of a checkout."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True,
                              text=True, check=True).stdout.strip()  # fmt: skip
        changed = subprocess.run([*git, "diff", "HEAD", "--quiet"], capture_output=True).returncode
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"commit": head + "+" * (changed != 0)}
