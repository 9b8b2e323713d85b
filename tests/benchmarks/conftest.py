"""What the tests of several scripts need."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module", autouse=True)
def siblings(request: pytest.FixtureRequest) -> Iterator[None]:
    """The scripts in a module's `SCRIPTS` folders, importable as they import each other."""
    folders = [ROOT / name for name in getattr(request.module, "SCRIPTS", ())]
    names = [file.stem for folder in folders for file in folder.glob("*.py")]
    with pytest.MonkeyPatch.context() as patch:
        for folder in folders:
            patch.syspath_prepend(str(folder))
        for name in names:
            patch.delitem(sys.modules, name, raising=False)
        yield
        for name in names:
            sys.modules.pop(name, None)
