"""Profiles: attributes and vectors of people side by side; strangers and strange values are 0."""

import numpy as np
import pytest

from kg.catalog import Catalog
from kg.errors import UsageError
from kg.profiles import People
from kg.vectors import Vectors


@pytest.fixture
def people():
    cells = {"age": [["old"], ["young"], []], "likes": [["tea"], ["cake", "tea"], []]}
    users = Catalog.of(["ann", "bob", "cy"], attributes=cells, name="user")
    vector = Vectors.of("taste", ["bob"], np.array([[1.0, 2.0]]), users.ids)
    return People.of(users.with_vectors(vector))


def test_values_of_all_attributes_are_numbered_side_by_side(people):
    profiles = people.profiles
    assert people.num_values == 4
    assert profiles.offsets.tolist() == [0, 2, 5, 5]
    assert profiles.value.tolist() == [0, 3, 1, 2, 3]
    assert profiles.known.tolist() == [True, True, False]
    assert profiles.vectors["taste"].tolist() == [[0, 0], [1, 2], [0, 0]]


def test_take_keeps_order_and_knows_nothing_of_minus_one(people):
    some = people.profiles.take(np.array([1, -1, 0, 1]))
    assert np.diff(some.offsets).tolist() == [3, 0, 2, 3]
    assert some.value.tolist() == [1, 2, 3, 0, 3, 1, 2, 3]
    assert some.known.tolist() == [True, False, True, True]
    assert some.vectors["taste"][:, 0].tolist() == [1, 0, 0, 1]


def test_a_live_profile_is_the_one_of_the_table(people):
    told = people.one({"age": "young", "likes": "tea|cake", "taste": [1, 2]})
    own = people.profiles.take(np.array([1]))
    assert told.value.tolist() == own.value.tolist()
    assert told.vectors["taste"].tolist() == own.vectors["taste"].tolist()
    assert people.one({"likes": ["tea", "beer"]}).value.tolist() == [3]
    assert not people.one({"likes": "beer"}).known.any()


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"agee": "old"}, "may name age, likes, taste. Got 'agee' instead. Did you mean 'age'"),
        ({"taste": [1, 2, 3]}, "must be 2 finite numbers"),
        ({"taste": "sweet"}, "must be 2 finite numbers. Got 'sweet'"),
        ({"taste": [1, float("nan")]}, "must be 2 finite numbers"),
    ],
)
def test_a_wrong_profile_is_told(people, told, says):
    with pytest.raises(UsageError) as caught:
        people.one(told)
    assert says in str(caught.value)
