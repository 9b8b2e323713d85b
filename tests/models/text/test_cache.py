"""The cache on disk: what is kept, and what can go wrong with a disk."""

import os
import signal
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from kg.errors import UsageError
from models.text import HashEncoder, TextCache, encode_texts
from models.text.encoder import Progress, Vectors

TEXTS = ["red", "blue shoe", "", "red", "猫粮", "\ud800"]


class Counting(HashEncoder):
    """Remembers what it was asked to encode."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(8, seed)
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        self.asked += texts
        return super().encode(texts, progress)


def test_nothing_is_encoded_twice(tmp_path: Path) -> None:
    first, again = Counting(), Counting()
    rows = encode_texts(first, TEXTS, TextCache(tmp_path / "new"))
    assert len(first.asked) == 5  # the duplicate once
    assert np.array_equal(rows, encode_texts(first, TEXTS))
    kept = TextCache(tmp_path / "new")
    assert np.array_equal(rows, encode_texts(again, TEXTS, kept))
    assert again.asked == []
    encode_texts(again, [*TEXTS, "more"], kept)
    assert again.asked == ["more"]


def test_another_encoder_has_its_own_vectors(tmp_path: Path) -> None:
    cache, other = TextCache(tmp_path), Counting(seed=1)
    rows = encode_texts(Counting(), TEXTS, cache)
    assert not np.allclose(rows, encode_texts(other, TEXTS, cache))
    assert len(other.asked) == 5


def test_progress_counts_kept_texts_as_done(tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    encode_texts(Counting(), TEXTS[:2], TextCache(tmp_path))
    encode_texts(Counting(), TEXTS, TextCache(tmp_path), lambda *now: heard.append(now))
    assert heard == [(6, 6)]


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text", "shape"])
def test_a_damaged_shard_is_named_and_encoded_anew(tmp_path: Path, damage: str) -> None:
    rows = encode_texts(Counting(), TEXTS, TextCache(tmp_path))
    (shard,) = tmp_path.glob("*.npz")
    data = bytearray(shard.read_bytes())
    if damage == "shape":
        np.savez(shard, keys=np.zeros((2, 3), np.uint8), vectors=np.zeros((1, 8), np.float32))
    else:
        data[data.index(rows[0].tobytes())] ^= 1
        shard.write_bytes({"cut": data[:200], "flip": data, "empty": b"", "text": b"hi"}[damage])
    again = Counting()
    with pytest.warns(RuntimeWarning, match=f"{shard.name}' is damaged"):
        assert np.array_equal(rows, encode_texts(again, TEXTS, TextCache(tmp_path)))
    assert len(again.asked) == 5


def test_a_full_disk_warns_once_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("models.text.shards.os.replace", full)
    cache = TextCache(tmp_path)
    with pytest.warns(RuntimeWarning, match="No space left") as caught:
        rows = encode_texts(Counting(), TEXTS, cache)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encode_texts(Counting(), ["one more"], cache)
    assert np.array_equal(rows, encode_texts(Counting(), TEXTS))
    assert list(tmp_path.iterdir()) == []  # nothing half-written stays


def test_a_folder_that_cannot_be_made_warns(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", "utf-8")
    with pytest.warns(RuntimeWarning, match="cannot be written"):
        encode_texts(Counting(), TEXTS, TextCache(tmp_path / "file" / "cache"))


def test_many_small_shards_become_one(tmp_path: Path) -> None:
    cache = TextCache(tmp_path)
    texts = [f"text {i}" for i in range(70)]
    for text in texts:
        encode_texts(Counting(), [text], cache)
    assert len(list(tmp_path.glob("*.npz"))) == 70
    again = Counting()
    encode_texts(again, texts, TextCache(tmp_path))
    encode_texts(again, texts, TextCache(tmp_path))
    assert len(list(tmp_path.glob("*.npz"))) == 1
    assert again.asked == []


def test_what_was_saved_survives_kill_9(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import os, signal, sys
        from models.text import HashEncoder, TextCache, encode_texts
        cache = TextCache(sys.argv[1])
        encode_texts(HashEncoder(8), ["kept"], cache)
        os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        encode_texts(HashEncoder(8), ["lost"], cache)
    """)
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], env=env, check=False)
    assert done.returncode == -signal.SIGKILL
    again = Counting()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encode_texts(again, ["kept", "lost"], TextCache(tmp_path))
    assert again.asked == ["lost"]


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        ([[1.0, 2.0], [3.0, 4.0]], None),  # lists and float64 are taken as they are meant
        (np.ones((2, 3)), r"must give vectors of the shape \[2, 2\].*Got \[2, 3\]"),
        (None, r"Got \[\]|Got \[0\]"),
        ([[1.0, np.nan], [1.0, 1.0]], "must give finite vectors"),
    ],
)
def test_vectors_of_a_users_own_encoder_are_looked_at(vectors, said, cached, tmp_path) -> None:
    class Own:
        dim, id = 2, "own"

        def encode(self, texts: object, progress: object = None) -> object:
            return vectors

        def unknown_share(self, texts: object) -> float:
            return 0.0

    cache = TextCache(tmp_path) if cached else None
    if said is None:
        found = encode_texts(Own(), ["a", "b"], cache)
        assert found.dtype == np.float32
        assert found.tolist() == vectors
    else:
        with pytest.raises(UsageError, match=said):
            encode_texts(Own(), ["a", "b"], cache)
