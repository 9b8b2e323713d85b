"""An encoder by name, and the fall-back for a language the encoder cannot read."""

from pathlib import Path

import pytest

from kg.errors import UsageError
from models.text import BertEncoder, HashEncoder, NgramEncoder, fallback_encoder, load_encoder


def test_names() -> None:
    assert isinstance(load_encoder("hash"), HashEncoder)
    assert isinstance(load_encoder("ngram"), NgramEncoder)
    with pytest.raises(UsageError, match="no-such-model"):
        load_encoder("no-such-model")


def test_a_folder_is_a_bert(tiny_bert: Path) -> None:
    assert isinstance(load_encoder(tiny_bert), BertEncoder)


def test_known_words_keep_the_encoder(tiny_bert: Path) -> None:
    encoder = BertEncoder(tiny_bert)
    assert fallback_encoder(encoder, ["red nail polish"] * 5) == (encoder, None)
    assert fallback_encoder(encoder, []) == (encoder, None)


def test_unknown_words_bring_ngrams_and_a_sentence(tiny_bert: Path) -> None:
    texts = ["red nail polish", "无谷猫粮"] * 3000
    encoder, sentence = fallback_encoder(BertEncoder(tiny_bert), texts)
    assert isinstance(encoder, NgramEncoder)
    assert sentence is not None
    assert "57%" in sentence  # 4 of 7 tokens
    assert "2,000 texts" in sentence


def test_the_limit_is_the_callers(tiny_bert: Path) -> None:
    bert = BertEncoder(tiny_bert)
    assert fallback_encoder(bert, ["red oil 猫"], limit=0.5)[0] is bert
    assert fallback_encoder(bert, ["red oil 猫"], limit=0.3)[0] is not bert
