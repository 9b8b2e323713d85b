"""Encoders without weights, and how texts are cut into batches."""

import numpy as np
import pytest

from kg.errors import UsageError
from models.testing import check_text_encoder
from models.text import HashEncoder, NgramEncoder, TextEncoder
from models.text.batches import length_batches, padded_ids
from models.text.ngram import grams


@pytest.mark.parametrize("encoder", [HashEncoder(), HashEncoder(8, seed=5), NgramEncoder()])
def test_contract(encoder: TextEncoder) -> None:
    check_text_encoder(encoder)
    assert isinstance(encoder, TextEncoder)


def test_hash_vectors_are_pinned_and_depend_on_the_seed() -> None:
    row = HashEncoder(dim=4).encode(["nail polish"])[0]
    assert np.array_equal(row, HashEncoder(dim=4).encode(["Polish NAIL"])[0])  # a bag of words
    assert not np.allclose(row, HashEncoder(dim=4, seed=1).encode(["nail polish"])[0])
    assert HashEncoder(4).id != HashEncoder(4, seed=1).id


def test_shared_words_are_nearer_than_none() -> None:
    near, same, far = HashEncoder(256).encode(["red shoe", "blue shoe", "garden hose"])
    assert near @ same > 0.3 > abs(near @ far)


def test_ngrams_find_chinese_words_inside_words() -> None:
    food, cat_food, shoe = NgramEncoder().encode(["猫粮", "无谷全价成猫粮", "轻便跑步鞋"])
    assert food @ cat_food > 0.3 > abs(food @ shoe)


def test_ngrams_forgive_a_typo() -> None:
    right, wrong, other = NgramEncoder().encode(["shampoo", "shampo", "lipstick"])
    assert right @ wrong > 0.6 > abs(right @ other)


def test_grams_by_hand() -> None:
    assert list(grams("猫粮")) == ["猫", "粮", "猫粮"]
    assert list(grams("Ox!")) == [
        "<o", "ox", "x>", "<ox", "ox>", "<ox>", "<!", "!>", "<!>",
    ]  # fmt: skip


@pytest.mark.parametrize("bad", ["one string", b"bytes", ["ok", 3], [None]])
def test_not_a_list_of_str_is_misuse(bad: list[str]) -> None:
    with pytest.raises(UsageError, match=r"'texts' parameter of HashEncoder\.encode"):
        HashEncoder().encode(bad)


@pytest.mark.parametrize("dim", [0, -1, 2.5, True])
def test_dim_must_be_positive(dim: int) -> None:
    with pytest.raises(UsageError, match="'dim' parameter of NgramEncoder"):
        NgramEncoder(dim)


def test_batches_hold_every_text_once_without_padding() -> None:
    lengths = np.random.default_rng(0).integers(3, 60, size=5000)
    batches = list(length_batches(lengths, 1024))
    assert sorted(np.concatenate([at for at, _ in batches])) == list(range(5000))
    for at, width in batches:
        assert len(at) * width <= 1024
        assert lengths[at].max() == width
        assert lengths[at].min() == width or len(at) * width <= 256


def test_a_handful_of_texts_is_one_batch() -> None:
    assert len(list(length_batches(np.array([5, 9, 7]), 8192))) == 1


def test_padded_ids() -> None:
    ids, mask = padded_ids([[1, 2], [3]], 2, pad=9)
    assert ids.tolist() == [[1, 2], [3, 9]]
    assert mask is not None
    assert mask.tolist() == [[1, 1], [1, 0]]
    assert padded_ids([[1, 2]], 2, pad=9)[1] is None
