"""Categories that are paths."""

import pytest

from kg.building.hierarchy import at_level, folded, segments, spellings, whole, with_paths
from kg.catalog import Catalog


def test_look_alikes_are_one():
    assert folded(" Ｈａｉｒ  Care ") == folded("HAIR CARE") == "hair care"
    assert whole("Beauty>Hair") == whole("BEAUTY  >  hair") == whole("Beauty＞Hair")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Beauty > Hair > Shampoo", ["Beauty", "Hair", "Shampoo"]),
        ("服饰＞女装", ["服饰", "女装"]),
        ("Home & Kitchen", ["Home & Kitchen"]),
        (" > a > ", ["a"]),
        (">", []),
    ],
)
def test_segments(name, parts):
    assert segments(name) == parts


def test_levels():
    path = "Beauty > Hair > Shampoo"
    assert [at_level(path, n) for n in (1, 2, 3, 4)] == ["Beauty", "Beauty > Hair", path, ""]


def test_beginnings_and_parts_are_spellings():
    assert spellings("A>B > C") == ["a", "a > b", "a > b > c", "b", "c"]
    assert spellings("Tea") == ["tea"]


def test_cells_become_paths_in_their_order():
    catalog = Catalog.of(list("abc"), attributes={
        "category": [["Makeup", "Nails", "Polish"], ["Nails"], []], "brand": [["x", "y"], [], []],
    })  # fmt: skip
    found = with_paths(catalog)
    assert found.attribute("category").cells(3) == [["Makeup > Nails > Polish"], ["Nails"], []]
    assert found.attribute("brand") is None
    assert with_paths(catalog, ("brand",)).attribute("brand").cells(3) == [["x > y"], [], []]


def test_cells_of_paths_stay_as_they_are():
    catalog = Catalog.of(["a"], attributes={"Category": [["Home > Baths", "Beauty > Baths"]]})
    assert with_paths(catalog).attributes == catalog.attributes
