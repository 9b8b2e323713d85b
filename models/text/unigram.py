"""The tokenizer of XLM-R built from pieces and scores, and its vocabulary cut to what is used.

Unigram (Kudo 2018, arXiv:1804.10959) finds the most likely way to cut a text into pieces. Before
it, characters are unified as SentencePiece's `nmt_nfkc` does: control characters go, invisible and
odd spaces become spaces, the rest is NFKC; only the wide tilde of Chinese titles stays as it is.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

_GONE = "[\x00-\x08\x0b\x0e-\x1f\x7f\x8f\x9f]"
_SPACE = "[\t\n\x0c\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]"
_TILDE, _STAND_IN = "～", "\U000f0000"  # a private character, which NFKC leaves alone
_CHUNK = 65_536


def unigram_tokenizer(
    pieces: list[str], scores: NDArray[np.float32], special: dict[str, int]
) -> Any:
    """A `tokenizers.Tokenizer` that gives <s> text </s>; `special` has the ids bos, eos, unk, …"""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

    vocabulary = [(piece, float(score)) for piece, score in zip(pieces, scores, strict=True)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, special["unk"], False))
    tokenizer.normalizer = _normalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    bos, eos = pieces[special["bos"]], pieces[special["eos"]]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=[bos, "$A", eos],
        pair=[bos, "$A", eos, eos, "$B", eos],
        special_tokens=[(bos, special["bos"]), (eos, special["eos"])],
    )
    named = [AddedToken(pieces[i], normalized=False) for i in sorted(special.values())]
    tokenizer.add_special_tokens(named)
    return tokenizer


def _normalizer() -> Any:
    """`nmt_nfkc`, then runs of spaces made one."""
    from tokenizers import Regex
    from tokenizers.normalizers import NFKC, Replace, Sequence

    return Sequence(
        [
            Replace(Regex(_GONE), ""),
            Replace(Regex(_SPACE), " "),
            Replace(_TILDE, _STAND_IN),
            NFKC(),
            Replace(_STAND_IN, _TILDE),
            Replace(Regex(" {2,}"), " "),
        ]
    )


def used_pieces(
    tokenizer: Any,
    texts: Iterable[str],
    pieces: list[str],
    scores: NDArray[np.float32],
    special: dict[str, int],
) -> NDArray[np.int64]:
    """Sorted ids of the pieces to keep, int64 [K], so that the texts are cut as they were.

    Kept are the pieces in them, every piece of one character (none becomes unknown), the special
    ones, and the least likely one: what an unknown character costs is counted from its score.
    """
    keep = {i for i, piece in enumerate(pieces) if len(piece) == 1}
    keep |= {*special.values(), int(scores.argmin())}
    for chunk in _chunks(texts):
        for encoding in tokenizer.encode_batch_fast(chunk, add_special_tokens=False):
            keep.update(encoding.ids)
    return np.array(sorted(keep), np.int64)


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Lists of up to 65,536 texts, to bound memory."""
    left = iter(texts)
    while chunk := list(islice(left, _CHUNK)):
        yield chunk
