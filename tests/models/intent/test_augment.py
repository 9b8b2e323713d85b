"""The moves by hand and by property: what is kept, never empty, the same under the same seed."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.errors import UsageError
from kg.wording.templates import Templates
from models.intent.augment import (
    MOVES,
    augmented,
    back_translated,
    cropped,
    dropped,
    masked,
    mixed,
    on_events,
    swapped,
    synonyms,
)
from models.intent.neighbours import Neighbours
from models.intent.pieces import words

TABLE = Neighbours(["red", "scarlet"], np.ones((2, 3), np.float32))
ALL = {**MOVES, "synonyms": partial(synonyms, table=TABLE)}
TEXTS = st.lists(st.text(st.sampled_from("ab 猫粮，;!ก서é"), max_size=20) | st.text(max_size=20))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def signs(text: str) -> str:
    return "".join(text.split())


def is_part(small: str, large: str) -> bool:
    """Whether the signs of one stand in the other in this order."""
    rest = iter(large)
    return all(sign in rest for sign in small)


@pytest.mark.parametrize("name", sorted(ALL))
@given(texts=TEXTS, seed=st.integers(0, 99), rate=st.floats(0, 1))
def test_a_move_keeps_the_number_empties_nothing_and_repeats_itself(name, texts, seed, rate):
    found = ALL[name](texts, rng(seed), rate)
    assert len(found) == len(texts)
    assert [bool(text) for text in found] == [bool(text) for text in texts]
    assert found == ALL[name](texts, rng(seed), rate)
    if rate == 0:
        assert [signs(text) for text in found] == [signs(text) for text in texts]


@given(TEXTS, st.integers(0, 99), st.floats(0, 1))
def test_signs_are_dropped_or_moved_never_made(texts, seed, rate):
    for move in (dropped, cropped):
        for text, new in zip(texts, move(texts, rng(seed), rate), strict=True):
            assert is_part(signs(new), signs(text))
    for text, new in zip(texts, swapped(texts, rng(seed), rate), strict=True):
        assert sorted(signs(new)) == sorted(signs(text))


def test_by_hand() -> None:
    assert dropped(["red nail polish"], rng(), 1.0)[0] in {"red", "nail", "polish"}
    assert swapped(["red nail", "红色"], rng(), 0.1) == ["nail red", "色红"]
    assert masked(["red nail", "红色"], rng(), 1.0) == ["[MASK] [MASK]", "[MASK] [MASK]"]
    assert masked(["红色的"], rng(1), 0.1, mask="某")[0].count("某") == 1
    assert cropped(["a b c d"], rng(), 0.5)[0] in {"a b", "b c", "c d"}


def test_no_space_appears_between_chinese_signs() -> None:
    for seed in range(20):
        for name in ("drop", "swap", "crop"):
            assert " " not in ALL[name](["我想买一双红色的鞋，谢谢"], rng(seed), 0.3)[0]


def test_events_of_lists_and_of_texts_move_alike() -> None:
    phrases = ["bought Nail Polish", "searched 'red'", "viewed Lipstick", "viewed Soap"]
    text = Templates().join(phrases[::-1])
    for move in (dropped, swapped, cropped, masked):
        row = move([phrases], rng(3), 0.3)[0]
        assert on_events(move)([text], rng(3), 0.3) == ["; ".join(row)]
        assert row != phrases
        assert set(row) <= {*phrases, "[MASK]"}
    chinese = Templates("zh").join(["浏览红鞋", "购买猫粮"])
    assert ALL["event_swap"]([chinese], rng(), 0.5) == ["浏览红鞋，购买猫粮"]
    assert dropped([[], ["viewed Soap"]], rng(), 1.0) == [[], ["viewed Soap"]]


def test_synonyms_replace_what_has_neighbours_and_nothing_else() -> None:
    texts = ["a Red, nail", "blue nail"]
    assert synonyms(texts, rng(), 0.1, table=TABLE) == ["a Scarlet, nail", "blue nail"]
    found = synonyms(["red red red red"], rng(), 0.5, table=TABLE)[0].split()
    assert sorted(found) == ["red", "red", "scarlet", "scarlet"]


def test_augmented_draws_among_the_names() -> None:
    texts = ["one two three four"] * 60
    found = augmented(texts, ["drop", "mask"], rng())
    short = [text for text in found if len(words(text)) == 3]
    hidden = [text for text in found if "[MASK]" in text]
    assert len(short) + len(hidden) == 60
    assert 15 < len(short) < 45
    assert augmented(texts, [], rng()) == texts == ["one two three four"] * 60
    empty = {"nothing": lambda texts, rng, rate: [""] * len(texts)}
    assert augmented(["a"], ["nothing"], rng(), moves=empty) == ["a"]


def test_misuse_is_named() -> None:
    with pytest.raises(UsageError, match=r"Got 'drp' instead\. Did you mean 'drop'"):
        augmented(["a"], ["drp"], rng())
    with pytest.raises(UsageError, match=r"write \[text\]"):
        dropped("a text", rng())
    with pytest.raises(UsageError, match="alpha > 0"):
        mixed(np.ones((2, 2)), np.ones((2, 1)), rng(), 0)
    with pytest.raises(UsageError, match="Got 1 for 2"):
        back_translated(["a", "b"], list, lambda texts: texts[:1])


@given(st.integers(1, 20), st.integers(0, 99), st.floats(0.05, 5))
def test_mixed_rows_and_labels_share_their_weights(n, seed, alpha):
    rows = rng(seed).normal(size=(n, 3)).astype(np.float32)
    labels = np.eye(n, dtype=np.int64)  # row i of the labels tells the weights
    x, y = mixed(rows, labels, rng(seed), alpha)
    assert (x.dtype, y.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(y.sum(1), 1, atol=1e-6)
    assert ((y > 0).sum(1) <= 2).all()
    np.testing.assert_allclose(x, y @ rows, atol=1e-5)


def test_back_translation_and_texts_that_come_back_empty() -> None:
    there, back = (lambda texts: [t.upper() for t in texts]), (lambda texts: [t[:3] for t in texts])
    assert back_translated(["abcd", "", "   x"], there, back) == ["ABC", "", "   x"]
