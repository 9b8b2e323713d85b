"""The benchmark of transfer end to end on two small made-up sets of one kind of text."""

import gzip
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from kg.testing import planted
from models.text import HashEncoder

FOLDER = Path(__file__).parents[2] / "benchmarks"


def write(folder: Path, users: int, items: int, seed: int) -> None:
    """A planted world in the layout of amazon-beauty."""
    world = planted(np.random.default_rng(seed), users=users, items=items, events=8)
    folder.mkdir(parents=True)
    by_user = world.log.item.reshape(users, -1)
    lines = [f"u{n} " + " ".join(world.catalog.ids.decode(row)) for n, row in enumerate(by_user)]
    rows = zip(world.catalog.ids.ids, world.catalog.titles, strict=True)
    table = ["item_id,title,brand", *(f"{key},{title},b" for key, title in rows)]
    for name, told in (("sequences.txt.gz", lines), ("items.csv.gz", table)):
        with gzip.open(folder / name, "wt", encoding="utf-8") as out:
            out.write("\n".join(told) + "\n")


@pytest.fixture
def transfer(monkeypatch):
    """The script, which imports the modules of the accuracy benchmark."""
    names = [file.stem for file in (FOLDER / "accuracy").glob("*.py")] + ["transfer"]
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setattr(sys, "path", [*sys.path])
    import transfer

    encoder = HashEncoder(32)
    monkeypatch.setattr(
        transfer, "texts_of", lambda task, facts: encoder.encode(task.catalog.full_texts())
    )
    yield transfer
    for name in names:
        sys.modules.pop(name, None)


def test_every_unit_once_and_a_table(transfer, tmp_path, capsys):
    write(tmp_path / "data" / "movielens-1m", 40, 30, 0)
    write(tmp_path / "data" / "amazon-beauty", 30, 24, 1)
    (tmp_path / "small.json").write_text(json.dumps({"dim": 8, "layers": 1}))
    words = ["--data", tmp_path / "data", "--source", "movielens-1m", "--target", "amazon-beauty",
             "--fractions", 0, 0.2, 1, "--seeds", 0, 1, "--epochs", 2, "--source-epochs", 2,
             "--source-params", tmp_path / "small.json", "--runs", tmp_path / "runs",
             "--out", tmp_path / "out"]  # fmt: skip
    transfer.main([str(word) for word in words])
    place = tmp_path / "out" / "movielens-1m-to-amazon-beauty" / "loo"
    files = sorted(file.relative_to(place).as_posix() for file in place.glob("*/*.json"))
    fractions = {"popularity": (0.2, 1)}
    wanted = [f"{arm}/{fraction}-{seed}-valid.json" for arm in transfer.ARMS
              for fraction in fractions.get(arm, (0, 0.2, 1)) for seed in (0, 1)]  # fmt: skip
    assert files == sorted(wanted)
    units = {name: json.loads((place / name).read_text()) for name in files}
    assert [units[f"warm/{f}-0-valid.json"]["users"] for f in ("0", "0.2", "1")] == [0, 6, 30]
    assert {unit["tables"]["new"]["all"]["users"] for unit in units.values()} == {30}
    assert "epochs" not in units["warm/0-0-valid.json"]  # nothing was trained
    assert "text" in units["warm/0-0-valid.json"]["carried"]
    assert units["scratch/1-0-valid.json"]["epochs"] == 2
    for unit in units.values():
        assert unit["command"].startswith("python benchmarks/transfer.py --data DIR --source ")
        assert str(tmp_path) not in unit["command"]
    table = capsys.readouterr().out
    assert table.count("| warm | 2 |") == 3
    before = {name: (place / name).stat().st_mtime_ns for name in files}
    transfer.main([str(word) for word in words])
    assert before == {name: (place / name).stat().st_mtime_ns for name in files}
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_the_users_of_a_smaller_fraction_are_among_those_of_a_larger(transfer, tmp_path):
    write(tmp_path / "amazon-beauty", 30, 24, 1)
    task = transfer.load(tmp_path, "amazon-beauty", "loo")
    few, many = (transfer.part_of(task, np.zeros((24, 2)), f, 0).train for f in (0.1, 0.5))
    other = transfer.part_of(task, np.zeros((24, 2)), 0.1, 1).train
    assert len(set(few.user)) == 3
    assert set(few.user) < set(many.user)
    assert set(few.user) != set(other.user)
