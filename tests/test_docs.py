"""Every command and snippet of the README, then of docs/, runs on the files that they show."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
VERBS = {"build", "train", "recommend", "similar", "intents", "explain", "items", "evaluate",
         "tune", "doctor", "intent", "kg", "convert", "check-leakage"}  # fmt: skip

ALL = """
import json, sys
from recsys.cli import main
for words in json.loads(sys.argv[1]):
    sys.argv = words
    try:
        main()
    except SystemExit as end:
        assert not end.code, words
"""
"""One process for all commands: torch is loaded once, not twenty times."""


def blocks(kind: str) -> list[tuple[str, str]]:
    """(the line before, the content) of each fenced block of this kind."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    return re.findall(rf"([^\n]*)\n\n?```{kind}\n(.*?)```", text, re.S)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    for before, content in blocks("csv") + blocks("toml"):
        name = re.search(r"`([\w.]+\.(csv|toml))`", before)
        assert name, f"a csv or toml block must follow a line that names its file, not {before!r}"
        (folder / name[1]).write_text(content, encoding="utf-8")
    return folder


def run(command: list[str], folder: Path) -> str:
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.slow
def test_every_command_runs(folder):
    lines = [line for _, block in blocks("bash") for line in block.splitlines()]
    commands = [shlex.split(line, comments=True) for line in lines if line.startswith("kgintent ")]
    commands = [words for words in commands if words[1] != "demo"]  # takes minutes
    missing = VERBS - {words[1] for words in commands}
    assert not missing, f"the README shows no {missing}"
    run([sys.executable, "-c", ALL, json.dumps(commands)], folder)
    assert (folder / "recs.csv").read_text().startswith("user_id,item_id,score,rank\n")


@pytest.mark.slow
def test_every_snippet_runs(folder):
    snippets = [content for _, content in blocks("python")]
    assert snippets
    for snippet in snippets:
        assert "shoe9" in run([sys.executable, "-c", snippet], folder)


def test_every_page_that_is_linked_is_there():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:)([^)#]*)(?:#[^)]*)?\)", text):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
        for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]*)\)", text):
            heads = re.findall(r"^#+ (.+)$", (page.parent / target).read_text("utf-8"), re.M)
            slugs = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
            assert anchor in slugs, f"{page.name} links to {target}#{anchor}"
