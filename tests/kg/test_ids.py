"""Vocab: external ids to dense numbers and back."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.errors import DataError, UsageError
from kg.ids import Vocab, but_for_zeros, zeros_told

KEYS = st.lists(st.text(min_size=1, max_size=6), max_size=30)


@given(KEYS, st.randoms())
def test_every_id_comes_back_and_the_order_of_the_input_does_not_matter(
    keys: list[str], dice: random.Random
) -> None:
    vocab = Vocab.of(keys)
    shuffled = [*keys, *keys[:3]]
    dice.shuffle(shuffled)
    assert Vocab.of(shuffled) == vocab
    assert vocab.decode(vocab.encode(keys)) == keys
    assert list(vocab.ids) == sorted(set(keys))


def test_numbers_follow_the_sorted_ids() -> None:
    vocab = Vocab.of(["b", "10", "a", "9", "鞋"])
    assert vocab.ids == ("10", "9", "a", "b", "鞋")
    assert vocab.encode(["鞋", "10"]).tolist() == [4, 0]
    assert vocab.encode(["鞋"]).dtype == np.int64
    assert len(vocab) == 5
    assert "9" in vocab
    assert 9 not in vocab  # ids are text


def test_whole_numbers_are_read_as_their_text() -> None:
    vocab = Vocab.of([7, "07", np.int64(8)])
    assert vocab.ids == ("07", "7", "8")
    assert vocab.encode([7, 8]).tolist() == [1, 2]


def test_a_stranger_is_an_error_that_names_the_nearest_or_minus_one() -> None:
    vocab = Vocab.of(["boots", "shoes"], "item")
    with pytest.raises(UsageError, match=r"The item 'shoe' is not known.*Did you mean 'shoes'\?"):
        vocab.encode(["boots", "shoe"])
    assert vocab.encode(["shoe", "boots"], missing="negative").tolist() == [-1, 0]


def test_an_empty_vocabulary_knows_nobody() -> None:
    empty = Vocab.of([])
    assert len(empty) == 0
    assert empty.encode([]).shape == (0,)
    assert empty.decode([]) == []
    with pytest.raises(UsageError, match="not known"):
        empty.encode(["a"])


@pytest.mark.parametrize(
    ("ids", "rule"),
    [(("a", "a"), "unique"), (("", "a"), "must not be empty"), (("b", "a"), "sorted")],
)
def test_a_vocabulary_checks_itself(ids: tuple[str, ...], rule: str) -> None:
    with pytest.raises(DataError, match=rule):
        Vocab(ids)


@pytest.mark.parametrize("number", [-1, 2])
def test_a_number_outside_is_refused(number: int) -> None:
    with pytest.raises(IndexError, match=r"\[0, 2\)"):
        Vocab.of(["a", "b"]).decode([number])


def test_ids_that_lost_their_zeros_are_found() -> None:
    known = ["00012", "0", "7", "a07", "13"]
    pairs = but_for_zeros(["12", "000", "13", "007", "a7", "99"], known)
    assert pairs == [("000", "0"), ("007", "7"), ("12", "00012")]
    assert zeros_told(pairs).startswith("3 ids are known but for zeros in front, such as '000'")
    assert but_for_zeros(["a", "12 "], known) == []
    pairs = but_for_zeros(["102.0", "7", "x.0"], ["102", "7.0", "7", "x"])
    assert ("102.0", "102") in pairs
    assert "known but for a '.0', such as '102.0' beside '102'" in zeros_told(pairs[:1])
