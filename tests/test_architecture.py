"""What may import what, what a light import loads, and what no file may hold."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("kg", "models", "recsys")
SOURCES = sorted(path for top in PACKAGES for path in (ROOT / top).rglob("*.py"))
TEXTS = {".py", ".md", ".toml", ".txt", ".json", ".ipynb", ".yml", ".yaml", ".cfg", ""}

PICKLE = re.compile(
    r"^\s*(?:import|from)\s+(?:pickle|cPickle|dill|cloudpickle|joblib)\b"
    r"|\btorch\.(?:load|save)\s*\(|allow_pickle\s*=\s*True|weights_only\s*=\s*False",
    re.MULTILINE,
)
FAISS = re.compile(
    r"^\s*(?:import|from)\s+faiss\b|import_module\(\s*[\"']faiss|__import__\(\s*[\"']faiss",
    re.MULTILINE,
)
MACHINE_PATH = re.compile(r"(?<![\w.~$}/-])/(?:root|home|work|Users|mnt)/\w|\b[A-Z]:\\+Users\\")
INDEX = re.compile(r"--(?:extra-)?index-url|--find-links|--trusted-host|PIP_INDEX_URL")


def relative(paths: list[Path]) -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in paths]


def loaded_by(statement: str, cwd: Path) -> set[str]:
    """The modules in a fresh interpreter after the statement."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout.splitlines()[-1]))


def shipped_texts() -> Iterator[Path]:
    """The text files of the repository, without what git ignores."""
    for path in sorted(ROOT.iterdir()):
        if path.is_file() and path.suffix in TEXTS and path.name != ".git":
            yield path
    for folder in (*PACKAGES, "tests", "notebooks", "benchmarks", "docs", ".ci"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix in TEXTS and "__pycache__" not in path.parts:
                yield path


def test_imports_go_one_way():
    pytest.importorskip("importlinter", reason="import-linter comes with the extra [dev]")
    code = "from importlinter.cli import lint_imports_command as run; run()"
    options = ["--config", "pyproject.toml", "--no-cache"]
    run = subprocess.run(
        [sys.executable, "-c", code, *options],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr


def test_kg_is_light(tmp_path):
    heavy = {"torch", "torch_geometric", "transformers", "faiss", "networkx"}
    assert not loaded_by("import kg", tmp_path) & heavy


def test_all_of_kg_knows_no_torch(tmp_path):
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "kg").rglob("*.py")
        if path.name != "__init__.py"
    ]
    heavy = {"torch", "torch_geometric", "transformers", "faiss"}
    assert not loaded_by(f"import {', '.join(sorted(names))}", tmp_path) & heavy


def test_the_command_line_is_light(tmp_path):
    """`kgintent --help` must answer at once: what a command needs is imported when it runs."""
    heavy = {"torch", "torch_geometric", "transformers", "faiss", "polars", "sklearn"}
    assert not loaded_by("import recsys.cli", tmp_path) & heavy


def test_what_only_answers_waits_for_no_library_of_the_training(tmp_path):
    heavy = {"torch_geometric", "transformers", "sklearn", "scipy.optimize", "networkx", "faiss"}
    assert not loaded_by("import recsys.recommender", tmp_path) & heavy


def test_only_the_index_knows_faiss():
    users = [path for path in SOURCES if FAISS.search(path.read_text("utf-8"))]
    assert relative(users) == ["recsys/index.py"]


def test_nothing_is_pickled():
    files = [*SOURCES, *sorted((ROOT / "benchmarks").rglob("*.py"))]
    assert relative([path for path in files if PICKLE.search(path.read_text("utf-8"))]) == []


@pytest.mark.parametrize("pattern", [MACHINE_PATH, INDEX], ids=["path", "index"])
def test_no_file_names_a_machine(pattern):
    this = Path(__file__).resolve()
    found = {
        f"{path.relative_to(ROOT).as_posix()}: {match.group()}"
        for path in shipped_texts()
        if path.resolve() != this
        for match in pattern.finditer(path.read_text("utf-8", "replace"))
    }
    assert not found


def test_patterns_find_what_they_are_for():
    assert PICKLE.search("    import pickle")
    assert PICKLE.search("x = torch.load(path)")
    assert PICKLE.search("np.load(p, allow_pickle=True)")
    assert not PICKLE.search('"""JSON and npz, no pickle."""\nnp.load(p, allow_pickle=False)')
    assert FAISS.search("        import faiss")
    assert not FAISS.search('"faiss" uses IndexFlatIP')
    assert MACHINE_PATH.search('open("/' + 'home/me/data.csv")')
    assert not MACHINE_PATH.search("https://example.org/home/me and frame/work/x")


def test_packages_of_tests_do_not_shadow_ours():
    """No __init__.py below tests/: tests/kg must not become a second package `kg`."""
    assert relative(sorted((ROOT / "tests").rglob("__init__.py"))) == []


def test_the_guard_stops_a_connection(network_attempts):
    with (
        socket.socket() as client,
        pytest.raises(pytest.fail.Exception, match="must not reach the network"),
    ):
        client.connect(("192.0.2.1", 80))
    with pytest.raises(pytest.fail.Exception, match="must not reach the network"):
        socket.create_connection(("example.org", 443), timeout=1)
    assert len(network_attempts) == 2
    network_attempts.clear()


def test_the_guard_lets_loopback_through():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()
