"""The notebooks run, and each .ipynb is the .py beside it, without outputs."""

from pathlib import Path

import pytest

jupytext = pytest.importorskip("jupytext", reason="needs the extra [notebook]")
nbclient = pytest.importorskip("nbclient", reason="needs the extra [notebook]")
SOURCES = sorted((Path(__file__).parents[1] / "notebooks").glob("*.py"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_pair_is_in_step_and_without_outputs(source):
    script, book = jupytext.read(source), jupytext.read(source.with_suffix(".ipynb"))
    assert [c.source for c in script.cells] == [c.source for c in book.cells]
    assert not any(cell.get("outputs") for cell in book.cells)


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_runs(source, monkeypatch, tmp_path):
    monkeypatch.setenv("QUICK", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("MPLBACKEND", "agg")
    book = jupytext.read(source)
    client = nbclient.NotebookClient(
        book, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    assert any(cell.get("outputs") for cell in book.cells)
