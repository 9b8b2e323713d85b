"""Folders: whole or refused, swapped in one step, never over what is not ours."""

import os
import subprocess
import sys

import numpy as np
import pytest

from kg import folders
from kg.errors import DataError, UsageError
from kg.folders import MANIFEST, publish, verified, write_text


def writer(text: str):
    def write(folder):
        (folder / "a.txt").write_text(text, encoding="utf-8")
        (folder / "b.bin").write_bytes(bytes(range(256)) * 3)

    return write


def content(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture
def ours(tmp_path):
    publish(tmp_path / "f", writer("old"), {"kind": "data", "note": "Notiz 注", "share": 0.25})
    return tmp_path / "f"


def test_what_is_published_is_verified(ours):
    body = verified(ours, "data")
    assert (body["note"], body["share"], sorted(body["files"])) == ("Notiz 注", 0.25,
                                                                   ["a.txt", "b.bin"])  # fmt: skip
    publish(ours, writer("new"), {"kind": "data"})
    assert (ours / "a.txt").read_text() == "new"
    assert verified(ours, "data")["kind"] == "data"
    assert [p.name for p in ours.parent.iterdir()] == ["f"]
    with pytest.raises(UsageError, match="data folder"):
        verified(ours, "run")


def test_every_truncation_and_bit_flip_is_refused_by_name(ours):
    rng = np.random.default_rng(0)
    names = ["a.txt", "b.bin", MANIFEST]
    for trial in range(50):
        file = ours / names[trial % 3]
        whole = file.read_bytes()
        broken = bytearray(whole)
        if rng.random() < 0.5:
            broken = broken[: rng.integers(len(whole))]
        else:
            broken[rng.integers(len(whole))] ^= 1 << int(rng.integers(8))
        file.write_bytes(broken)
        with pytest.raises(DataError, match=file.name.replace(".", r"\.")):
            verified(ours, "data")
        file.write_bytes(whole)
    for name in names:
        whole = (ours / name).read_bytes()
        (ours / name).unlink()
        with pytest.raises(DataError, match=name.replace(".", r"\.")):
            verified(ours, "data")
        (ours / name).write_bytes(whole)
    verified(ours, "data")


@pytest.mark.parametrize("text", ["[]", "null", '"x"', '{"files": 1}', "{}"])
def test_a_manifest_of_another_shape_is_refused(ours, text):
    (ours / MANIFEST).write_text(text)
    with pytest.raises(DataError, match="manifest"):
        verified(ours, "data")


def test_a_kill_between_the_two_renames_is_recovered(ours, monkeypatch):
    before, real = content(ours), os.rename

    def second_rename_never_happens(source, target):
        if str(source).endswith(".new"):
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(folders.os, "rename", second_rename_never_happens)
    with pytest.raises(KeyboardInterrupt):
        publish(ours, writer("new"), {"kind": "data"})
    monkeypatch.undo()
    assert not ours.exists()
    verified(ours, "data")
    assert content(ours) == before
    publish(ours, writer("new"), {"kind": "data"})
    assert [p.name for p in ours.parent.iterdir()] == ["f"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_a_failing_writer_leaves_the_old_folder_and_nothing_else(ours, error):
    before = content(ours)

    def write(folder):
        (folder / "a.txt").write_text("half")
        raise error("no space left")

    with pytest.raises(DataError if error is OSError else error):
        publish(ours, write, {"kind": "data"})
    assert content(ours) == before
    assert [p.name for p in ours.parent.iterdir()] == ["f"]


@pytest.mark.parametrize("name", ["thesis.txt", MANIFEST])
def test_a_foreign_folder_is_never_overwritten(tmp_path, name):
    foreign = tmp_path / "f"
    foreign.mkdir()
    (foreign / name).write_text('{"name": "a web extension has a manifest.json too"}')
    before = content(foreign)
    with pytest.raises(UsageError, match="another name"):
        publish(foreign, writer("new"), {"kind": "data"})
    assert content(foreign) == before
    plain = tmp_path / "file"
    plain.write_text("mine")
    with pytest.raises(UsageError, match="another name"):
        publish(plain, writer("new"), {"kind": "data"})
    assert plain.read_text() == "mine"


def test_a_folder_of_ours_of_another_kind_is_not_overwritten(ours):
    with pytest.raises(UsageError, match="data folder"):
        publish(ours, writer("new"), {"kind": "checkpoint"})
    assert (ours / "a.txt").read_text() == "old"


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "f").mkdir()
    publish(tmp_path / "f", writer("new"), {"kind": "data"})
    verified(tmp_path / "f", "data")


def test_what_a_killed_writer_left_is_cleared_away_and_a_living_one_is_left_alone(ours):
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    dead = ours.parent / f".f.{gone.pid}-0123abcd.new"
    living = ours.parent / f".f.{os.getpid()}-0123abcd.new"
    for folder in (dead, living):
        folder.mkdir()
        (folder / "a.txt").write_text("half")
    publish(ours, writer("new"), {"kind": "data"})
    assert sorted(p.name for p in ours.parent.iterdir()) == [living.name, "f"]


def test_a_text_is_whole_or_not_there(tmp_path, monkeypatch):
    file = tmp_path / "new" / "a.txt"
    write_text(file, "one")

    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match=r"a\.txt cannot be written: No space left"):
        write_text(file, "two")
    assert file.read_text() == "one"
    assert list(file.parent.iterdir()) == [file]
