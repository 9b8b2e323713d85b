"""Candidates of an encoder beside those of the spelling."""

import numpy as np
import pytest

from kg.linking import Titled, link
from models.text import HashEncoder
from recsys.linking import link_with_text, text_candidates

pytest.importorskip("rapidfuzz")

ITEMS = Titled(
    ("a", "b", "c", "d", "e"),
    ("Heat (1995)", "Lipstick in matte red", "Quiet garden tea (2001)", "Zebra", ""),
)
ENTITIES = Titled(
    ("1", "2", "3", "4"),
    ("Heat (1995)", "Red matte lipstick in", "Tea garden quiet (1980)", ""),
)


class Counting(HashEncoder):
    """Remembers what it read."""

    def encode(self, texts, progress=None):
        self.read = [*getattr(self, "read", ()), *texts]
        return super().encode(texts, progress)


def test_text_finds_what_the_spelling_does_not():
    plain = link(ITEMS, ENTITIES)
    assert plain.accepted["item_id"].to_list() == ["a"]
    links = link_with_text(ITEMS, ENTITIES, HashEncoder())
    found = links.accepted.select("item_id", "entity_id", "how").rows()
    assert found == [("a", "1", "exact"), ("b", "2", "text")]
    assert links.accepted["confidence"].to_list() == pytest.approx([1, 1])


def test_another_year_cuts_the_cosine():
    links = link_with_text(ITEMS, ENTITIES, HashEncoder())
    (row,) = links.review.rows()
    assert row[0] == "c"
    assert row[2] == "3"
    assert row[4] == pytest.approx(0.7)
    assert links.none == ("d", "e")


def test_the_cosine_does_not_raise_what_the_spelling_says():
    items = Titled(("a",), ("waterproof hiking boots for men with a soft and warm lining",))
    names = Titled(("1",), ("waterproof hiking boots for women with a soft and warm lining",))
    spelled = link(items, names).review["confidence"][0]
    assert text_candidates(items, names, HashEncoder()).confidence[0] > spelled
    links = link_with_text(items, names, HashEncoder())
    assert links.accepted.height == 0
    assert links.review["confidence"].to_list() == [spelled]
    assert links.review["how"].to_list() == ["fuzzy"]


def test_items_with_an_exact_entity_are_not_asked_about():
    encoder = Counting()
    link_with_text(ITEMS, ENTITIES, encoder)
    assert encoder.read.count("heat") == 1  # the entity's


def test_confidence_is_the_cosine():
    encoder = HashEncoder()
    found = text_candidates(ITEMS, ENTITIES, encoder, worth=0)
    a, b = encoder.encode(["zebra"])[0], encoder.encode(["red matte lipstick in"])[0]
    at = (found.item == 3) & (found.entity == 1)
    assert found.confidence[at] == pytest.approx(max(0, float(a @ b)), abs=1e-6)
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all()
    assert np.unique(found.item).size == 5


def test_nothing_to_ask():
    links = link_with_text(Titled(("a",), ("Heat",)), Titled(("1",), ("Heat",)), HashEncoder())
    assert links.accepted["how"].to_list() == ["exact"]
    assert link_with_text(ITEMS, Titled((), ()), HashEncoder()).none == ITEMS.ids
