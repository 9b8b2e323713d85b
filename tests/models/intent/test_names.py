"""Names of labels as examples: taken where they mean what the texts mean, else left."""

import numpy as np
import pytest

from models.intent.contract import one_hot
from models.intent.names import names_help, spoken

LABELS, WIDTH = 8, 32


def test_a_label_is_said_as_words():
    names = ("card_arrival", "card-arrival", "CardArrival", "购物", "17", "_")
    told = [spoken(name) for name in names]
    assert told == ["card arrival", "card arrival", "card arrival", "购物", "", ""]


@pytest.mark.parametrize("each", [1, 2, 5])
def test_names_help_only_where_they_lie_with_the_texts_of_their_labels(each):
    helped = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        centre = rng.normal(size=(LABELS, WIDTH))
        code = np.arange(each * LABELS) % LABELS
        noise = rng.normal(size=(each * LABELS, WIDTH)) * 1.5
        x = (centre[code] + noise).astype(np.float32)
        carries, called = one_hot(code, LABELS), np.eye(LABELS, dtype=bool)
        named = (centre + rng.normal(size=centre.shape)).astype(np.float32)
        others = np.roll(named, 1, axis=0), rng.normal(size=named.shape).astype(np.float32)
        helped.append([names_help(names, called, x, carries, False, np.random.default_rng(0))
                       for names in (named, *others)])  # fmt: skip
    right, moved, drawn = np.array(helped).sum(axis=0)
    assert (right, moved) == (5, 0)
    assert drawn <= 1


def test_nothing_is_said_of_several_labels_with_one_text_each():
    eye = np.eye(3, dtype=bool)
    x = np.eye(3, 4, dtype=np.float32)
    assert names_help(x, eye, x, eye, False, np.random.default_rng(0))
    assert not names_help(x, eye, x, eye, True, np.random.default_rng(0))
