"""What a verbalised history says of items."""

from kg.catalog import Catalog
from recsys.intent.signals import with_categories


def test_titles_name_the_end_of_a_path_and_not_each_of_its_beginnings():
    cells = [["Home", "Home > Garden", "Home > Garden > Rakes"], ["Toys", "Cars"], []]
    catalog = Catalog.of(["a", "b", "c"], ["Rake", "Truck", "Nail"], attributes={"genres": cells})
    assert with_categories(catalog).titles == (
        "Rake (Home > Garden > Rakes)", "Truck (Toys, Cars)", "Nail",
    )  # fmt: skip
