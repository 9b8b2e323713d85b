"""One after the other: an advisory lock on a file beside what is changed.

The system frees it when the process that holds it ends, however that ends; a file that is left has
no meaning. Where a file system knows no locks, nobody is kept apart.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

from kg.errors import DataError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

PAUSE = 0.05
"""Seconds from one try to the next."""
_TAKEN = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
"""What a system says of a lock that is somebody else's; anything else means that it has none."""
_HELD: ContextVar[frozenset[str]] = ContextVar("held", default=frozenset())


class Busy(DataError):
    """Somebody else holds the lock."""


def lock_file(target: Path) -> Path:
    """The file that is locked while the folder `target` is changed; it goes with the lock."""
    return target.parent / f".{target.name}.lock"


@contextlib.contextmanager
def alone(target: Path, wait: float) -> Iterator[None]:
    """Nobody else is `alone` with this folder meanwhile; who is already may ask again.

    Raises as `locked`.
    """
    key = os.path.realpath(lock_file(target))
    if key in _HELD.get():
        yield
        return
    with locked(target, wait):
        token = _HELD.set(_HELD.get() | {key})
        try:
            yield
        finally:
            _HELD.reset(token)


@contextlib.contextmanager
def locked(target: Path, wait: float) -> Iterator[None]:
    """The lock itself, which nobody gets twice: for a generator, whose context is its caller's.

    Raises `Busy` if it is somebody else's for `wait` seconds, `DataError` if no file can be made
    beside the folder.
    """
    file = lock_file(target)
    number = _taken(file, target, wait)
    try:
        yield
    finally:
        _free(file, number)


def _taken(file: Path, target: Path, wait: float) -> int:
    """The number of the open file, locked."""
    end = time.monotonic() + wait
    while True:
        try:
            number = _opened(file)
        except OSError as error:
            why = error.strerror or error
            raise DataError(f"{target} cannot be written: {why} ({file.name}).") from None
        if _locked(number) and _stands(file, number):
            return number
        os.close(number)
        if time.monotonic() >= end:
            raise Busy(
                f"{target} is being changed by another process, for {wait:g} seconds already: "
                "nothing was changed; try again when that one is done."
            )
        time.sleep(PAUSE)


def _opened(file: Path) -> int:
    try:
        return os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:
        if not file.exists():
            raise
        return os.open(file, os.O_RDONLY)  # somebody else's: to be locked it need not be written


def _locked(number: int) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _TAKEN
    return True


def _stands(file: Path, number: int) -> bool:
    """Whether the file of this name is still the one that was opened: the last holder took its own
    away.
    """
    try:
        return os.path.samestat(os.stat(file), os.fstat(number))
    except OSError:
        return False


def _free(file: Path, number: int) -> None:
    if sys.platform == "win32":  # where an open file cannot be taken away
        os.close(number)
        with contextlib.suppress(OSError):
            file.unlink()
        return
    with contextlib.suppress(OSError):
        file.unlink()
    os.close(number)
