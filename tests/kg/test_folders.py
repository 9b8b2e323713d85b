"""Folders: whole or refused, swapped in one step, never over what is not ours."""

import errno
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from kg import folders
from kg.errors import DataError, UsageError
from kg.folders import MANIFEST, changing, kind_of, publish, read_folder, verified, write_text


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


# ---- several at once ---------------------------------------------------------------------


def elsewhere(call, *words):
    """What the call gives, or the error that it raises, in a thread that holds no lock."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(call, *words)
        return future.exception() or future.result()


def change(folder, wait=60.0):
    with changing(folder, wait):
        pass


def test_changes_from_several_processes_are_made_one_after_the_other(ours):
    publish(ours, lambda folder: (folder / "n.txt").write_text(""), {"kind": "data"})
    code = f"""if True:
        import sys, time
        from pathlib import Path
        from kg.folders import changing, publish
        run = Path({str(ours)!r})
        for _ in range(4):
            with changing(run):
                text = (run / "n.txt").read_text() + sys.argv[1]
                time.sleep(0.02)
                publish(run, lambda f: (f / "n.txt").write_text(text), {{"kind": "data"}})
    """
    every = [subprocess.Popen([sys.executable, "-c", code, name]) for name in "abc"]
    assert [one.wait() for one in every] == [0, 0, 0]
    assert sorted((ours / "n.txt").read_text()) == list("aaaabbbbcccc")
    assert [p.name for p in ours.parent.iterdir()] == ["f"]


def test_a_change_waits_for_another_says_so_and_a_kill_frees_it(ours):
    code = f"""if True:
        import time
        from kg.folders import changing
        with changing({str(ours)!r}):
            print("held", flush=True)
            time.sleep(600)
    """
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(DataError, match=r"being changed by another process, for 0\.2 s"):
            change(ours, 0.2)
        assert verified(ours, "data")["kind"] == "data"  # a reader waits for nobody
        other.kill()
    verified(ours, "data")
    assert [p.name for p in ours.parent.iterdir()] == ["f"]
    change(ours, 0)


def test_where_there_are_no_locks_nobody_is_kept_apart(ours, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def none(number, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with changing(ours):
        assert elsewhere(change, ours, 0) is None
        publish(ours, writer("new"), {"kind": "data"})
    assert (ours / "a.txt").read_text() == "new"


def test_a_place_where_nothing_can_be_written_is_named(ours, monkeypatch):
    real = os.open

    def refused(path, flags, *more, **named):
        if flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(DataError, match=r"f cannot be written: Permission denied \(\.f\.lock\)"):
        change(ours)
    assert verified(ours, "data")["kind"] == "data"  # to read it nothing need be written
    monkeypatch.setattr(folders, "GAP", 0.1)
    ours.rename(ours.parent / ".f.old")  # what a kill between the renames leaves
    with pytest.raises(DataError, match=r"stopped half-way, and the old state is in .*\.f\.old"):
        verified(ours, "data")


def test_who_changes_a_folder_may_publish_it_and_others_may_not(ours, monkeypatch):
    monkeypatch.setattr(folders, "LONG_WAIT", 0.1)
    monkeypatch.chdir(ours.parent)
    with changing("f"):
        told = elsewhere(publish, ours, writer("theirs"), {"kind": "data"})
        assert isinstance(told, DataError)
        publish(ours, writer("new"), {"kind": "data"})
    assert (ours / "a.txt").read_text() == "new"
    publish(ours, writer("newer"), {"kind": "data"})


def test_what_is_read_is_of_one_state(ours):
    seen = []

    def read(body):
        first = (ours / "a.txt").read_text()
        if not seen:  # a writer comes between
            elsewhere(publish, ours, writer("new"), {"kind": "data", "note": "n"})
        seen.append((body.get("note"), first, (ours / "a.txt").read_text()))
        if len(set(seen[-1][1:])) > 1:
            raise AttributeError("a mixture")
        return seen[-1]

    assert read_folder(ours, "data", read) == ("n", "new", "new")
    assert seen[0] == ("Notiz 注", "old", "new")
    with pytest.raises(ZeroDivisionError):  # an error of one state is an error
        read_folder(ours, "data", lambda body: 1 / 0)
    with pytest.raises(DataError, match="each of the 10 times"):
        read_folder(ours, "data", lambda _: publish(ours, writer("other"), {"kind": "data"}))


def test_a_swap_while_files_are_checked_is_no_damage(ours, monkeypatch):
    real, done = folders.file_hash, []

    def slow(file):
        if not done:
            done.append(1)
            elsewhere(publish, ours, writer("longer than before"), {"kind": "data"})
        return real(file)

    monkeypatch.setattr(folders, "file_hash", slow)
    verified(ours, "data")
    assert (ours / "a.txt").read_text() == "longer than before"


def test_a_reader_between_the_two_renames_leaves_them_to_the_writer(ours, monkeypatch):
    real, found = os.rename, []
    with ThreadPoolExecutor(2) as pool:

        def rename(source, target):
            real(source, target)
            if str(target).endswith(".old"):
                found.extend([pool.submit(verified, ours, "data"), pool.submit(kind_of, ours)])
                time.sleep(0.3)

        monkeypatch.setattr(folders.os, "rename", rename)
        publish(ours, writer("new"), {"kind": "data", "note": "new"})
        assert found[0].result()["note"] == "new"
        assert found[1].result() == "data"
    assert (ours / "a.txt").read_text() == "new"
    assert [p.name for p in ours.parent.iterdir()] == ["f"]


def test_the_replaced_folder_that_a_kill_left_is_cleared_away_by_a_reader(ours, monkeypatch):
    real = folders.shutil.rmtree

    def killed(path, **how):
        if str(path).endswith(".old") and path.exists():
            raise KeyboardInterrupt
        real(path, **how)

    monkeypatch.setattr(folders.shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        publish(ours, writer("new"), {"kind": "data"})
    monkeypatch.undo()
    assert sorted(p.name for p in ours.parent.iterdir()) == [".f.old", "f"]
    verified(ours, "data")
    assert (ours / "a.txt").read_text() == "new"
    assert [p.name for p in ours.parent.iterdir()] == ["f"]


# ---- other names of a place --------------------------------------------------------------


def test_a_link_goes_on_pointing_to_what_is_put_in_its_place(ours):
    link = ours.parent / "elsewhere" / "current"
    link.parent.mkdir()
    link.symlink_to("../f")
    for text in ("new", "newer"):
        publish(link, writer(text), {"kind": "data"})
        assert link.is_symlink()
        assert (ours / "a.txt").read_text() == text
    with changing(link):
        assert isinstance(elsewhere(change, ours, 0.1), DataError)
    verified(link, "data")
    assert [p.name for p in link.parent.iterdir()] == ["current"]
    assert sorted(p.name for p in ours.parent.iterdir()) == ["elsewhere", "f"]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere the folder one is in cannot be moved")
def test_the_folder_that_one_is_in_is_replaced_and_then_it_is_said_that_it_was(ours, monkeypatch):
    monkeypatch.chdir(ours)
    verified(".", "data")
    publish(".", writer("new"), {"kind": "data"})
    assert (ours / "a.txt").read_text() == "new"
    with pytest.raises(UsageError, match="was replaced or is gone"):
        verified(".", "data")
    monkeypatch.chdir(ours)
    verified(".", "data")


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


def test_what_a_killed_writer_of_a_file_left_is_cleared_away_by_the_next_one(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    dead, living = f".a[1].txt.{gone.pid}.part", f".a[1].txt.{os.getppid()}.part"
    others = [f".b.txt.{gone.pid}.part", f".a[1].txt.mine.{gone.pid}.part", ".a[1].txt.mine.part"]
    for name in (dead, living, *others):
        (tmp_path / name).write_text("half")
    write_text(tmp_path / "a[1].txt", "whole")
    assert {p.name for p in tmp_path.iterdir()} == {"a[1].txt", living, *others}


@pytest.mark.skipif(os.name != "posix", reason="where there are pipes with a name")
def test_a_folder_or_a_device_is_not_replaced_by_a_file(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")  # as /dev/null, which root could replace
    for name in ("folder", "pipe"):
        with pytest.raises(UsageError, match=f"is a .*{name}.*name a file"):
            write_text(tmp_path / name, "text")
    assert (tmp_path / "pipe").is_fifo()
    assert {p.name for p in tmp_path.iterdir()} == {"folder", "pipe"}
