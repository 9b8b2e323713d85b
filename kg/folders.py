"""Folders that are whole or not there: written beside, checked by sha256, swapped in by rename.

Who changes one is `alone` with it (`kg.locks`); who reads one waits for nobody, and reads again
where another state was swapped in meanwhile.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO, TypeVar

from kg.errors import DataError, UsageError
from kg.locks import alone, lock_file

MANIFEST = "manifest.json"
FORMAT = 1
WAIT, LONG_WAIT = 60.0, 600.0
"""Seconds for which somebody else may change a folder: before a change, and after long work."""
TRIES = 10
"""A folder that is another one each time is read so often."""
GAP = 2.0
"""Seconds that the two renames of a swap may lie apart."""
T = TypeVar("T")


def publish(path: str | Path, write: Callable[[Path], None], facts: Mapping[str, Any]) -> None:
    """Let `write` fill a new folder, add its manifest, then put it in the place of `path`.

    Whatever goes wrong before the swap leaves `path` as it was. Raises `UsageError` if something
    that is not ours stands there, `DataError` if it cannot be written.
    """
    target = place_of(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritten(target, error) from None
    with alone(target, LONG_WAIT):
        recover(target)
        check_place(target, facts.get("kind"))
        fresh = target.parent / f".{target.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.new"
        try:
            fresh.mkdir()
            write(fresh)
            _write_manifest(fresh, facts)
            _sync(fresh)
            _swap(fresh, target)
        except OSError as error:
            raise _unwritten(target, error) from None
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def _unwritten(target: Path, error: OSError) -> DataError:
    return DataError(f"{error.filename or target} cannot be written: {error.strerror or error}.")


@contextlib.contextmanager
def changing(path: str | Path, wait: float = WAIT) -> Iterator[None]:
    """Changes of this folder one after the other: hold this from reading it until `publish`, and no
    change that came between is lost. Readers are not kept waiting.

    Raises `DataError` if somebody else holds it for `wait` seconds.
    """
    target = place_of(path)
    if not target.parent.is_dir():  # nothing is there that could be changed
        yield
        return
    with alone(target, wait):
        yield


def place_of(path: str | Path) -> Path:
    """Where a folder of this name stands: a link is followed, so that it goes on pointing to what
    is put in its place; `.` and `..` get their names.
    """
    place = Path(path)
    if not place.is_symlink() and place.name not in ("", ".."):
        return place
    try:
        return Path(os.path.realpath(place))
    except FileNotFoundError:
        raise UsageError(
            f"{place}: the folder that you are in was replaced or is gone: go to it anew (cd)."
        ) from None


def check_place(target: Path, kind: object) -> None:
    """`UsageError` unless a folder of this kind may be published here.

    The place must be free, empty, or hold a folder of ours of the same kind: others have
    manifests too.
    """
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not _is_ours(target):
        raise UsageError(f"{target} exists and is no folder of kgintent: give another name.")
    if (found := kind_of(target)) != kind:
        raise UsageError(f"{target} is a {found} folder and would be lost: give another name.")


def check_target(target: Path, kind: object) -> None:
    """`check_place`, and `DataError` unless a folder can be made there: for before long work."""
    check_place(target, kind)
    place = next(folder for folder in place_of(target).absolute().parents if folder.exists())
    try:
        tempfile.TemporaryDirectory(dir=place).cleanup()
    except OSError as error:
        raise _unwritten(target, OSError(error.errno, error.strerror)) from None


def _is_ours(folder: Path) -> bool:
    """Whether its manifest is one of ours, and undamaged."""
    try:
        body = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return bool(body["self"] == _self_hash(body))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


@contextlib.contextmanager
def fresh_folder(path: str | Path) -> Iterator[Path]:
    """A folder to fill that takes the name `path` once it is whole, for what has no manifest.

    Raises `UsageError` if something stands there, `DataError` if it cannot be written.
    """
    target = place_of(path)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} exists and is not empty: give another name.")
    fresh = target.parent / f".{target.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.new"
    try:
        fresh.mkdir(parents=True)
        yield fresh
        _sync(fresh)
        if target.exists():
            target.rmdir()
        os.rename(fresh, target)
        _sync_directory(target.parent)
    except OSError as error:
        raise _unwritten(target, error) from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _swap(fresh: Path, target: Path) -> None:
    old = _old(target)
    if target.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.rename(target, old)
    os.rename(fresh, target)
    _sync_directory(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def _old(target: Path) -> Path:
    """Where the old state stands while the new one takes its place."""
    return target.parent / f".{target.name}.old"


def recover(path: Path) -> None:
    """What a kill left: the old folder between the two renames is put back, one that was replaced
    already and an unfinished new one, whose writer is gone, are cleared away. Nothing happens
    while somebody changes the folder, for then it is theirs.
    """
    target = place_of(path)
    unfinished = list(target.parent.glob(f".{glob.escape(target.name)}.*.new"))
    old = _old(target)
    if not unfinished and not old.exists() and not lock_file(target).exists():
        return
    with contextlib.suppress(DataError), alone(target, 0):
        for left in unfinished:
            if not _alive(left.name.split(".")[-2].partition("-")[0]):
                shutil.rmtree(left, ignore_errors=True)
        if not target.exists():
            with contextlib.suppress(OSError):
                os.rename(old, target)
        elif _is_ours(old):
            shutil.rmtree(old, ignore_errors=True)


def _alive(process: str) -> bool:
    """Whether a process of this number runs on this machine (True where it cannot be told)."""
    if os.name != "posix" or not process.isdigit():
        return True
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _write_manifest(folder: Path, facts: Mapping[str, Any]) -> None:
    files = {
        file.relative_to(folder).as_posix(): {
            "sha256": file_hash(file), "bytes": file.stat().st_size
        }
        for file in files_below(folder)
    }  # fmt: skip
    body: dict[str, Any] = {"format": FORMAT, **facts, "files": files}
    body["self"] = _self_hash(body)
    text = json.dumps(body, indent=1, ensure_ascii=False, sort_keys=True)
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def _self_hash(body: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in body.items() if key != "self"}
    text = json.dumps(rest, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@contextlib.contextmanager
def whole_path(file: Path) -> Iterator[Path]:
    """A path to write a file to that takes the place of `file` once it is whole; the folder is
    made. What killed writers of the same file left beside it is cleared away.

    Raises `UsageError` if a folder or a device is there, `DataError` if it cannot be written; then,
    as after any other error, nothing is changed.
    """
    part = file.parent / f".{file.name}.{os.getpid()}.part"
    try:
        if file.exists() and not file.is_file():  # root could put a file in the place of /dev/null
            kind = "folder" if file.is_dir() else "device or pipe"
            raise UsageError(f"{file} is a {kind}; name a file.")
        file.parent.mkdir(parents=True, exist_ok=True)
        clear_parts(file)
        yield part
        with open(part, "rb+") as handle:
            os.fsync(handle.fileno())
        os.replace(part, file)
    except OSError as error:
        raise DataError(f"{file} cannot be written: {error.strerror or error}.") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def clear_parts(file: Path) -> None:
    """Remove what `whole_path` left beside a file where its process was killed and is gone."""
    for part in file.parent.glob(f".{glob.escape(file.name)}.*.part"):
        process = part.name[len(file.name) + 2 : -len(".part")]
        if not _alive(process):
            with contextlib.suppress(OSError):
                part.unlink()


@contextlib.contextmanager
def whole_file(file: Path) -> Iterator[TextIO]:
    """A text file to write, in UTF-8, that takes the place of `file`, by `whole_path`."""
    with whole_path(file) as part, open(part, "w", encoding="utf-8") as handle:
        yield handle


def write_text(file: Path, text: str) -> None:
    """Put a text in the place of a file, by `whole_file`."""
    with whole_file(file) as handle:
        handle.write(text)


def file_hash(file: Path) -> str:
    """sha256 of a file's content, hex."""
    digest = hashlib.sha256()
    with open(file, "rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def files_below(folder: Path) -> list[Path]:
    """The files of a folder and of the folders in it, sorted."""
    return sorted(file for file in folder.rglob("*") if file.is_file())


def _sync(folder: Path) -> None:
    files = files_below(folder)
    for file in files:
        with open(file, "rb+") as handle:
            os.fsync(handle.fileno())
    for place in {folder, *(file.parent for file in files)}:
        _sync_directory(place)


def _sync_directory(folder: Path) -> None:
    if os.name == "posix":
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def kind_of(path: Path) -> str | None:
    """What kind of folder of ours a path seems to be; None for any other. Nothing is verified."""
    try:
        body = _steadily(path, lambda: json.loads((path / MANIFEST).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
    return body.get("kind") if isinstance(body, dict) else None


def manifest(path: str | Path, kind: str) -> dict[str, Any]:
    """The manifest of a folder of this kind, by its own hash; the files are not looked at.

    Raises `UsageError` if there is no such folder, `DataError` if the manifest is damaged.
    """
    folder = Path(path)
    return _steadily(folder, lambda: _manifest(folder, kind))


def verified(path: str | Path, kind: str) -> dict[str, Any]:
    """The manifest of a folder of this kind, every file of it checked by size and sha256.

    Raises as `manifest`, and `DataError` naming the file that is damaged.
    """
    folder = Path(path)
    return _steadily(folder, lambda: _verified(folder, kind))


def read_folder(
    path: str | Path, kind: str, read: Callable[[dict[str, Any]], T], *,
    besides: Collection[str] = (),
) -> T:  # fmt: skip
    """What `read` makes of the files of a folder that is `verified`, given its manifest: all of it
    of one state, for where another was swapped in meanwhile it is read again. Files `besides` may
    be damaged or missing: `read` must not look at them.

    Raises as `verified` and `read` do, and `DataError` if it is another one again and again.
    """
    folder = Path(path)
    return _steadily(folder, lambda: read(_verified(folder, kind, besides)))


def _steadily(folder: Path, read: Callable[[], T]) -> T:
    for _ in range(TRIES):
        _settle(folder)
        state = _state(folder)
        try:
            found = read()
        except Exception:  # a mixture of two states may fail in any way
            _settle(folder)
            if _state(folder) == state:
                raise
            continue
        if _state(folder) == state:
            return found
    raise DataError(f"{folder} was changed each of the {TRIES} times that it was read: try again.")


def _settle(folder: Path) -> None:
    """`recover`, and where somebody is between the two renames, wait for the second."""
    recover(folder)
    target, end = place_of(folder), time.monotonic() + GAP
    while not target.exists() and _old(target).exists() and time.monotonic() < end:
        time.sleep(0.01)
        recover(folder)


def _state(folder: Path) -> tuple[int, ...] | None:
    """Another one for each state that was published here; None where there is none."""
    try:
        told = os.stat(folder / MANIFEST)
    except OSError:
        return None
    return told.st_dev, told.st_ino, told.st_mtime_ns, told.st_size


def _manifest(folder: Path, kind: str) -> dict[str, Any]:
    if not folder.is_dir():
        if (old := _old(place_of(folder))).exists():
            raise DataError(
                f"A change of {folder} was stopped half-way, and the old state is in {old}: it is "
                "put back as soon as somebody reads it who may write there."
            )
        raise UsageError(f"There is no folder {folder}.")
    try:
        body = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        ok = body["self"] == _self_hash(body) and isinstance(body["files"], dict)
    except FileNotFoundError:
        raise DataError(
            f"{folder} has no {MANIFEST}: it is no {kind} folder, or half-written."
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"{folder / MANIFEST} is damaged: it cannot be read.") from None
    if not ok:
        raise DataError(f"{folder / MANIFEST} is damaged: its own hash does not fit.")
    if body.get("kind") != kind:
        raise UsageError(f"{folder} is a {body.get('kind')} folder; a {kind} folder is needed.")
    if body["format"] != FORMAT:
        raise DataError(f"{folder} has format {body['format']}; this version reads {FORMAT}.")
    return dict(body)


def _verified(folder: Path, kind: str, besides: Collection[str] = ()) -> dict[str, Any]:
    body = _manifest(folder, kind)
    for name, known in body["files"].items():
        if name in besides:
            continue
        file = folder / name
        if not file.is_file():
            raise DataError(f"{file} is missing from the {kind} folder.")
        if file.stat().st_size != known["bytes"] or file_hash(file) != known["sha256"]:
            raise DataError(f"{file} is damaged: its content does not fit the manifest.")
    return body
