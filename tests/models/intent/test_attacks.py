"""How much an attack changes at most, that something stays, and that the worst variant is kept."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.errors import DataError, UsageError
from models.intent.attacks import NEAR_KEYS, typo, typos, word_attack, worst
from models.intent.neighbours import Neighbours
from models.intent.pieces import words

TABLE = Neighbours(["red", "scarlet"], np.ones((2, 3), np.float32))
ATTACKS = {
    "typos": typos,
    "words": word_attack,
    "synonyms": partial(word_attack, table=TABLE),
}
LATIN = st.lists(st.sampled_from(["red", "nail", "Polish,", "a", "42", "é"]), min_size=1)
ANY = st.lists(st.text(st.sampled_from("ab 猫粮，;!ก서é1"), max_size=20) | st.text(max_size=20))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def edits(a: list[str], b: list[str]) -> int:
    """Levenshtein distance of two lists, with the exchange of neighbours as one edit."""
    d = np.zeros((len(a) + 1, len(b) + 1), int)
    d[:, 0], d[0] = np.arange(len(a) + 1), np.arange(len(b) + 1)
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            d[i, j] = min(
                d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + (a[i - 1] != b[j - 1])
            )
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                d[i, j] = min(d[i, j], d[i - 2, j - 2] + 1)
    return int(d[-1, -1])


def cut(text: str) -> list[str]:
    return [piece.text for piece in words(text)]


@pytest.mark.parametrize("name", ATTACKS)
@given(texts=ANY, seed=st.integers(0, 99), rate=st.floats(0, 1))
def test_something_stays_and_the_seed_decides(name, texts, seed, rate):
    found = ATTACKS[name](texts, rng(seed), rate)
    assert found == ATTACKS[name](texts, rng(seed), rate)
    assert [bool(text.strip()) for text in found] == [bool(text.strip()) for text in texts]


@given(LATIN, st.integers(0, 99), st.floats(0, 1))
def test_typos_change_at_most_the_rate_of_words_plus_one(row, seed, rate):
    found = typos([" ".join(row)], rng(seed), rate)[0].split(" ")
    changed = sum(a != b for a, b in zip(row, found, strict=True))
    able = sum(word != "42" for word in row)
    assert changed <= rate * len(row) + 1
    assert (changed > 0) == (rate > 0 and able > 0)


@given(st.text("我想买红色的鞋", min_size=1), st.integers(0, 99), st.floats(0, 0.3))
def test_slips_of_chinese_signs(text, seed, rate):
    found = typos([text], rng(seed), rate)[0]
    assert " " not in found
    assert set(found) <= set(text)
    assert edits(list(text), list(found)) <= 2 * (rate * len(text) + 1)


@given(st.integers(1, 30), st.integers(0, 99), st.floats(0, 1))
def test_word_attacks_change_at_most_the_rate_of_words_plus_one(n, seed, rate):
    row = [f"w{i}" for i in range(n)]
    found = cut(word_attack([" ".join(row)], rng(seed), rate)[0])
    assert edits(row, found) <= 2 * (rate * n + 1)  # overlapping exchanges count twice here
    if rate * n <= 1:
        assert edits(row, found) <= 1


def test_every_kind_of_word_attack_happens() -> None:
    found = word_attack(["red nail polish"] * 200, rng(), 0.1, table=TABLE)
    assert {"nail polish", "nail red polish", "red red nail polish", "scarlet nail polish"} <= set(
        found
    )


def test_typos_by_hand() -> None:
    assert set(NEAR_KEYS["a"]) == {"q", "w", "s", "z"}
    assert set(NEAR_KEYS["g"]) == {"f", "h", "t", "y", "v", "b"}
    seen = {typo("ab", rng(seed)) for seed in range(300)}
    assert {"ba", "a", "b", "aab", "abb", "sb", "av"} <= seen
    assert "ab" not in seen
    assert {typo("Q", rng(seed)) for seed in range(50)} == {"QQ", "W", "A"}
    assert {typo("я", rng(seed)) for seed in range(20)} == {"яя"}
    assert typos(["42 3.5", "", "  "], rng(), 1.0) == ["42 3.5", "", "  "]


def length(texts) -> np.ndarray:
    """The longer the text the surer is label 1."""
    p = np.array([min(len(text) / 20, 1) for text in texts])
    return np.stack([1 - p, p], 1)


def test_the_worst_variant_is_kept_for_each_text() -> None:
    texts, labels = ["one two three"] * 2, np.array([1, 0])
    hard = worst(texts, labels, word_attack, length, 60, rng())
    assert hard[0] == "one two"  # without the longest word label 1 is least sure
    assert hard[1] == "one two three three"
    before, after = length(texts)[[0, 1], labels], length(hard)[[0, 1], labels]
    assert (after < before).all()
    assert hard == worst(texts, labels, word_attack, length, 60, rng())
    assert worst(texts, labels, word_attack, length, 0, rng()) == texts


def test_more_tries_never_hurt_less() -> None:
    texts, labels = ["red nail polish", "blue boat"], np.array([1, 1])
    sure = [length(worst(texts, labels, typos, length, n, rng()))[:, 1] for n in (0, 1, 5, 20)]
    assert all((b <= a).all() for a, b in pairwise(sure))


def test_misuse_is_named() -> None:
    with pytest.raises(UsageError, match=r"must be in \[0, 2\)"):
        worst(["a"], np.array([2]), typos, length, 1, rng())
    with pytest.raises(UsageError, match="one label a text"):
        worst(["a"], np.array([1, 1]), typos, length, 1, rng())
    with pytest.raises(DataError, match="NaN"):
        worst(["a"], np.array([1]), typos, lambda texts: length(texts) * np.nan, 1, rng())
    with pytest.raises(UsageError, match=r"write \[text\]"):
        typos("one text", rng())
