"""Cutting texts of many scripts, putting them together again, and what may move where."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.errors import UsageError
from models.intent.pieces import changes, core, crop, drop, joined, swap, taken, words

SEEDS = st.integers(0, 2**32 - 1)
RATES = st.floats(0, 1)


def cut(text: str) -> list[str]:
    return [piece.text for piece in words(text)]


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("don't buy C++, please", ["don't", "buy", "C++,", "please"]),
        ("买，《红色》3.5号iPhone壳", ["买，《", "红", "色》", "3.5", "号", "iPhone", "壳"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("서울 날씨", ["서울", "날씨"]),
        ("กำ 1", ["ก", "ำ", "1"]),
        ("がか\u3099", ["が", "か\u3099"]),  # a mark stays on its sign
        (" \n", []),
    ],
)
def test_pieces_by_hand(text: str, want: list[str]) -> None:
    assert cut(text) == want


@given(st.text())
def test_no_sign_is_lost(text: str) -> None:
    assert joined(words(text)) == text.strip() or not words(text)
    assert "".join(cut(text)) == "".join(text.split())


def test_gaps_stay_where_they_were() -> None:
    pieces = words("红色 iPhone 壳")
    assert joined(taken(pieces, [1, 0, 2, 3])) == "色红 iPhone 壳"
    assert joined(taken(pieces, [0, 2, 1, 3])) == "红iPhone 色 壳"
    assert joined(taken(pieces, [0, 0, 3])) == "红红 壳"
    assert joined(taken(words("a猫b"), [0, 2])) == "a b"  # they would become one word
    assert joined(taken(words("red nail"), [0, 0, 1])) == "red red nail"


def test_core_and_its_punctuation() -> None:
    assert core("(C++),") == ("(", "C", "++),")
    assert core("don't") == ("", "don't", "")
    assert core("...") == ("...", "", "")


@given(st.integers(0, 40), RATES, SEEDS)
def test_orders(count: int, rate: float, seed: int) -> None:
    most = changes(count, rate)
    assert most <= min(count, rate * count + 1)
    assert most > 0 or rate == 0 or count == 0
    kept, part, turned = (
        move(count, np.random.default_rng(seed), rate) for move in (drop, crop, swap)
    )
    assert kept == sorted(set(kept))
    assert len(kept) == len(part) == count - min(most, max(count - 1, 0))
    assert part == list(range(part[0], part[0] + len(part))) if count else part == []
    assert sorted(turned) == list(range(count))
    assert kept == drop(count, np.random.default_rng(seed), rate)


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_wrong_rate_is_named(rate: float) -> None:
    with pytest.raises(UsageError, match=r"'rate' of changed words must be in \[0, 1\]"):
        changes(5, rate)
