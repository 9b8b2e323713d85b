"""The installed distribution: who owns the packages, what they carry, what their tables say."""

import ast
import importlib
import json
import re
from importlib.metadata import distribution, distributions, packages_distributions, version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("kg", "models", "recsys")
# "    name   what it is", "    name/  what it is" and "- `name`: what it is"
ENTRY = re.compile(r"^(?:    (\w+)(?:/ *| {2,})(?=\S)|- `(\w+)/?`: )", re.MULTILINE)


def folder_of(package: str) -> Path:
    file = importlib.import_module(package).__file__
    assert file, f"{package} has no __init__.py"
    return Path(file).parent


def all_packages() -> list[str]:
    """Every package with its dots, below the three."""
    found = []
    for top in PACKAGES:
        folder = folder_of(top)
        for init in sorted(folder.rglob("__init__.py")):
            found.append(".".join((top, *init.parent.relative_to(folder).parts)))
    return found


def table(package: str) -> list[str]:
    """The names in the table of contents of a package's docstring."""
    text = importlib.import_module(package).__doc__ or ""
    return [first or second for first, second in ENTRY.findall(text)]


def is_editable() -> bool:
    origin = json.loads(distribution("kgintent").read_text("direct_url.json") or "{}")
    return bool(origin.get("dir_info", {}).get("editable"))


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_has_one_owner(package):
    """`models` is a name that others could take too: then one would overwrite the other."""
    owners = set(packages_distributions().get(package, ()))
    if is_editable():  # an editable install lists no file of ours, only a path to the checkout
        assert owners <= {"kgintent"}
        assert folder_of(package) == ROOT / package
    else:
        assert owners == {"kgintent"}


def test_kgintent_is_installed_under_that_name():
    assert "kgintent" in {found.metadata["Name"] for found in distributions()}
    commands = distribution("kgintent").entry_points.select(group="console_scripts")
    assert {command.name: command.value for command in commands} == {"kgintent": "recsys.cli:main"}


@pytest.mark.parametrize("package", PACKAGES)
def test_types_are_announced(package):
    assert (folder_of(package) / "py.typed").is_file()


def test_the_sample_comes_with_its_licence():
    names = {path.name for path in (folder_of("kg") / "datasets" / "movielens_small").iterdir()}
    assert {"events.parquet", "items.parquet", "LICENSE-movielens.txt", "CREDITS.md"} <= names


@pytest.mark.parametrize("package", all_packages())
def test_table_of_contents_names_only_what_exists(package):
    folder = folder_of(package)
    gone = [
        name
        for name in table(package)
        if not (folder / f"{name}.py").is_file() and not (folder / name / "__init__.py").is_file()
    ]
    assert not gone, f"the docstring of {package} names {gone}"


@pytest.mark.parametrize("package", PACKAGES)
def test_table_of_contents_names_each_folder(package):
    folder = folder_of(package)
    inner = {init.parent.name for init in folder.glob("*/__init__.py")}
    assert inner <= set(table(package))


@pytest.mark.parametrize("package", PACKAGES)
def test_each_module_says_what_it_is_for(package):
    folder = folder_of(package)
    silent = [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*.py"))
        if path.name != "__main__.py"
        and not (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").strip()
    ]
    assert not silent, f"no docstring in {silent}"


def test_version_is_that_of_the_changelog():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    newest = re.search(r"^## \[?(\d+\.\d+\.\d+\S*?)\]?(?:\s|$)", text, re.MULTILINE)
    assert newest, "CHANGELOG.md has no entry"
    assert newest.group(1) == version("kgintent")
