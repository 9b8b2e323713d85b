"""A BERT of 20,000 random numbers in a folder: the folder path without any download."""

from collections.abc import Callable
from pathlib import Path

import pytest

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "nail", "polish", "oil", "##s", ","]


@pytest.fixture(scope="session")
def tiny_bert(make_bert: Callable[..., Path]) -> Path:
    return make_bert(
        WORDS, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
