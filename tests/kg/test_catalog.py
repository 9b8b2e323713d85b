"""Catalog: ids, titles, texts and the columns that group."""

import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from kg.catalog import Attribute, Catalog, ancestry, furthest, read_catalog
from kg.errors import DataError, UsageError
from kg.ids import Vocab


def save(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


def wide(tmp_path: Path, name: str, cells: list[str]) -> Catalog:
    rows = "".join(f"i{n},{cell}\n" for n, cell in enumerate(cells))
    return Catalog.read(save(tmp_path / "items.csv", f"item_id,{name}\n{rows}"))


def test_a_small_catalogue_by_hand(tmp_path: Path) -> None:
    path = save(
        tmp_path / "items.csv",
        "sku,标题,描述,genres,year\n"
        '007,靴子,"防水, 轻便",Drama|Comedy|Drama,1999\n'
        "0 1,,,,2001\n"
        "b,Boots,,Comedy,1999\n",
    )
    catalog = Catalog.read(path)
    assert catalog.ids.ids == ("0 1", "007", "b")
    assert catalog.titles == ("", "靴子", "Boots")
    assert catalog.texts == ("", "防水, 轻便", "")
    assert [catalog.title(code) for code in range(3)] == ["0 1", "靴子", "Boots"]
    genres, year = catalog.attribute("genres"), catalog.attribute("year")
    assert genres is not None
    assert year is not None
    assert genres.values.ids == ("Comedy", "Drama")
    assert genres.cells(3) == [[], ["Drama", "Comedy"], ["Comedy"]]
    assert genres.of_row(1) == ["Drama", "Comedy"]
    assert year.cells(3) == [["2001"], ["1999"], ["1999"]]
    assert catalog.attribute("price") is None
    assert catalog.full_texts() == ["", "靴子. 防水, 轻便. Drama, Comedy", "Boots. Comedy"]


@pytest.mark.parametrize("count", [30, 300])
def test_whole_numbers_that_hardly_repeat_are_an_identifier(tmp_path: Path, count: int) -> None:
    catalog = wide(tmp_path, "imdb", [f"{100000 + 7 * n:07d}" for n in range(count)])
    assert catalog.ignored == ("imdb",)
    assert catalog.attributes == ()


@pytest.mark.parametrize("count", [30, 300])
def test_prices_with_decimals_become_bands(tmp_path: Path, count: int) -> None:
    catalog = wide(tmp_path, "price", [f"{n + 0.5}" for n in range(count)])
    price = catalog.attribute("price")
    assert price is not None
    assert catalog.ignored == ()
    assert len(price.values) == 5
    assert np.bincount(price.value).tolist() == [count // 5] * 5


def test_bands_are_named_by_their_limits_and_hold_what_they_say(tmp_path: Path) -> None:
    catalog = wide(tmp_path, "price", [*[f"{n}.5" for n in range(25)], "", "nan"])
    price = catalog.attribute("price")
    assert price is not None
    # quantiles of 0.5 … 24.5: every fifth of the way is 4.8
    assert set(price.values.ids) == {"0.5–5.3", "5.3–10.1", "10.1–14.9", "14.9–19.7", "19.7–24.5"}
    for row, cell in enumerate(price.cells(len(catalog))):
        number = catalog.ids.ids[row].removeprefix("i")
        if int(number) >= 25:
            assert cell == []
        else:
            low, high = (float(limit) for limit in cell[0].split("–"))
            assert low <= int(number) + 0.5 <= high


def test_many_whole_numbers_that_repeat_become_bands_unless_called_an_id(tmp_path: Path) -> None:
    cells = [str(n // 3) for n in range(900)]  # 300 numbers, each three times
    grams = wide(tmp_path, "grams", cells).attribute("grams")
    assert grams is not None
    assert len(grams.values) == 5
    for name in ("maker_id", "makerId", "maker ID"):
        maker = wide(tmp_path, name, cells).attribute(name)
        assert maker is not None
        assert len(maker.values) == 300
    paid = wide(tmp_path, "paid", cells).attribute("paid")
    assert paid is not None
    assert len(paid.values) == 5


def test_a_text_that_hardly_repeats_is_ignored_and_so_is_an_empty_column(tmp_path: Path) -> None:
    rows = "".join(f"i{n},code {n},{'ab'[n % 2]},\n" for n in range(30))
    catalog = Catalog.read(save(tmp_path / "items.csv", f"item_id,code,brand,gone\n{rows}"))
    assert catalog.ignored == ("code", "gone")
    assert [a.name for a in catalog.attributes] == ["brand"]


def test_in_a_short_table_nothing_is_taken_for_an_identifier(tmp_path: Path) -> None:
    catalog = wide(tmp_path, "colour", [f"c{n}" for n in range(20)])
    assert catalog.attribute("colour") is not None
    assert wide(tmp_path, "colour", [f"c{n}" for n in range(21)]).ignored == ("colour",)


def test_a_column_that_is_asked_for_is_kept_under_its_new_name(tmp_path: Path) -> None:
    rows = "".join(f"i{n},{n + 1000},old\n" for n in range(30))
    path = save(tmp_path / "items.csv", f"item_id,shelf,place\n{rows}")
    assert Catalog.read(path).ignored == ("shelf",)
    catalog = Catalog.read(path, columns={"place": "shelf"})
    place = catalog.attribute("place")
    assert place is not None
    assert place.of_row(0) == ["1000"]
    assert catalog.ignored == ("place",)  # the column that had the name


def test_categories_that_are_paths_are_each_of_their_beginnings(tmp_path: Path) -> None:
    paths = [f"Home > Garden>Kind {n}" for n in range(30)]
    catalog = wide(tmp_path, "category", [*paths, "Home＞Bath|Toys"])
    category = catalog.attribute("category")
    assert category is not None
    assert catalog.ignored == ()
    of = dict(zip(catalog.ids.ids, category.cells(31), strict=True))
    assert of["i7"] == ["Home", "Home > Garden", "Home > Garden > Kind 7"]
    assert of["i30"] == ["Home", "Home > Bath", "Toys"]
    assert catalog.full_texts()[catalog.ids.ids.index("i30")] == "Home > Bath, Toys"
    assert wide(tmp_path, "notes", paths).ignored == ("notes",)  # of categories only
    few = wide(tmp_path, "category", ["Home > Bath", "Toys", "Cars", ">3"]).attribute("category")
    assert few is not None
    assert few.values.ids == (">3", "Cars", "Home", "Home > Bath", "Toys")
    codes = [f"c{n}" for n in range(30)]
    assert wide(tmp_path, "category", [*codes, "a > b"]).ignored == ("category",)


def test_beginnings_and_the_furthest_of_paths() -> None:
    assert ancestry("A>B > C") == ["A", "A > B", "A > B > C"]
    assert ancestry("A/B", "/") == ["A", "A > B"]
    assert furthest(["A", "A > B", "AB", "C > D"]) == ["A > B", "AB", "C > D"]


def test_what_programs_write_for_nothing_is_empty(tmp_path: Path) -> None:
    path = save(
        tmp_path / "items.csv",
        "item_id,title,colour,price\nNULL,null,red,1\nb,Bell,None,n/a\nc,none,NA,2.5\n",
    )
    file = read_catalog(path)
    assert file.catalog.ids.ids == ("NULL", "b", "c")  # ids stay as they are
    assert file.catalog.titles == ("", "Bell", "none")
    colour = file.catalog.attribute("colour")
    assert colour is not None
    assert colour.values.ids == ("NA", "red")
    np.testing.assert_array_equal(file.catalog.numbers["price"], [1, np.nan, 2.5])
    assert file.notes == (
        "3 cells that read None, n/a, null are taken as empty: title, colour, price",
    )


def test_prices_are_numbers_as_they_are_written(tmp_path: Path) -> None:
    rows = "".join(f"i{n},{n},{n:02d} €,{1000 + 37 * n},{1000 + 37 * n}\n" for n in range(10, 50))
    path = save(tmp_path / "items.csv", f"sku,a,cost,Preis,code\n{rows}".replace(" €", ".5 €"))
    file = read_catalog(path)
    assert {a.name: len(a.values) for a in file.catalog.attributes} == {"cost": 5, "Preis": 5}
    assert file.unused == dict.fromkeys(("a", "code"), "whole numbers that hardly repeat")
    assert file.catalog.numbers["cost"].tolist() == [n + 0.5 for n in range(10, 50)]
    assert sorted(file.catalog.numbers) == ["Preis", "a", "code", "cost"]
    priced = Catalog.read(path, columns={"price": "code"}).attribute("price")
    assert priced is not None
    assert len(priced.values) == 5


def test_a_table_says_what_was_made_of_it(tmp_path: Path) -> None:
    rows = "".join(f"i{n},T {n},{n},{'?' if n == 3 else n}\n" for n in range(30))
    file = read_catalog(save(tmp_path / "items.csv", f"sku,Name,text,stock\n{rows}"))
    assert file.roles == {"item_id": "sku", "title": "Name", "text": "text"}
    assert file.unused == {"stock": "nearly one value a row"}
    assert file.notes[0].startswith("stock: 1 of 30 cells is no number, such as '?'")


def test_columns_are_named_and_those_of_the_events_passed_over(tmp_path: Path) -> None:
    path = save(tmp_path / "items.csv", "sku,name,cat,at,item\n1,Boots,shoes,today,x\n")
    both = {"user": "who", "item": "what", "behaviour": "how", "time": "at",
            "item_id": "sku", "title": "name", "category": "cat"}  # fmt: skip
    catalog = Catalog.read(path, columns=both)
    assert catalog.ids.ids == ("1",)
    assert catalog.titles == ("Boots",)
    assert [a.name for a in catalog.attributes] == ["category", "at", "item"]
    with pytest.raises(DataError, match=r"no column 'nom' \(asked for as 'title'\)"):
        Catalog.read(path, columns={**both, "title": "nom"})


def test_users_may_have_a_catalogue_too(tmp_path: Path) -> None:
    path = save(tmp_path / "users.csv", "user_id,name,age\nu2,Li,30\nu1,An,40\n")
    users = Catalog.read(path, kind="user", columns={"title": "name"})
    assert users.ids == Vocab(("u1", "u2"), "user")
    assert [a.name for a in users.attributes] == ["name", "age"]
    with pytest.raises(UsageError, match=r"must be 'item' or 'user'\. Got 'shop'"):
        Catalog.read(path, kind="shop")


def test_bad_ids_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"items.csv, line 4: each item id must stand once. Got 'a'"
    ):
        Catalog.read(save(tmp_path / "items.csv", "item_id\nb\na\n a \n"))
    with pytest.raises(DataError, match=r"items.csv, line 3: column 'item_id' must not be empty"):
        Catalog.read(save(tmp_path / "items.csv", "item_id,title\na,x\n,y\n"))
    with pytest.raises(DataError, match=r"no column for 'item_id'.*Its columns: name"):
        Catalog.read(save(tmp_path / "items.csv", "name\na\n"))


def test_zeros_stay_and_whole_floats_of_parquet_lose_their_point(tmp_path: Path) -> None:
    path = tmp_path / "items.csv.gz"
    path.write_bytes(gzip.compress(b"item_id\n0114709\n1.0\n"))
    assert Catalog.read(path).ids.ids == ("0114709", "1.0")
    parquet = tmp_path / "items.parquet"
    pl.DataFrame({"item_id": [1.0, 2.0], "tags": [["a", "b"], ["a"]]}).write_parquet(parquet)
    catalog = Catalog.read(parquet)
    tags = catalog.attribute("tags")
    assert catalog.ids.ids == ("1", "2")
    assert tags is not None
    assert tags.cells(2) == [["a", "b"], ["a"]]


def test_a_catalogue_from_columns_is_sorted_with_all_that_belongs_to_it() -> None:
    catalog = Catalog.of(["b", "a"], ["B", "A"], ["text b", ""], {"brand": [["x"], []]})
    assert catalog.ids.ids == ("a", "b")
    assert catalog.titles == ("A", "B")
    assert catalog.texts == ("", "text b")
    assert catalog.attributes[0].cells(2) == [[], ["x"]]


def test_a_catalogue_checks_itself() -> None:
    with pytest.raises(DataError, match=r"column 'titles' .* per id \(2\). Got 1"):
        Catalog.of(["a", "b"], ["A"])
    with pytest.raises(DataError, match=r"column 'brand' .* per id \(1\). Got 0"):
        Catalog.of(["a"], attributes={"brand": []})
    with pytest.raises(DataError, match="one title and one text per id"):
        Catalog(Vocab(("a",)), (), ("",))
    with pytest.raises(DataError, match="beyond the catalogue"):
        Catalog(Vocab(("a",)), ("",), ("",), (Attribute.of("brand", [[], ["x"]]),))
    with pytest.raises(DataError, match="points outside"):
        Attribute("brand", Vocab(("x",)), np.array([0]), np.array([1]))
    with pytest.raises(DataError, match="one value per row"):
        Attribute("brand", Vocab(("x",)), np.array([0]), np.array([0, 0]))


@pytest.mark.parametrize(
    ("header", "category"),
    [
        ("商品编号,商品名称,商品描述,类目", "类目"),
        ("商品ID,商品标题,简介,分类", "分类"),
        ("货号,名称,描述,品类", "品类"),
        ("商品編號,商品名稱,商品簡介,類別", "類別"),
    ],
)
def test_chinese_headers_are_found(tmp_path: Path, header: str, category: str) -> None:
    file = tmp_path / "items.csv"
    file.write_text(f"{header},品牌\n001,连衣裙,红色,服饰 > 女装,某牌\n", encoding="utf-8")
    found = read_catalog(file)
    assert list(found.roles.values()) == header.split(",")[:3]
    told = found.catalog.attribute(category)
    assert told is not None
    assert told.values.ids == ("服饰", "服饰 > 女装")
    assert found.catalog.full_texts() == ["连衣裙. 红色. 服饰 > 女装. 某牌"]


@pytest.mark.parametrize("name", ["店铺ID", "店铺id", "品牌编号", "門店編號", "ID", "brand_id"])
def test_numbers_of_a_column_called_an_id_are_no_bands(tmp_path: Path, name: str) -> None:
    rows = "".join(f"i{n},{n % 250 * 7}\n" for n in range(600))
    file = tmp_path / "items.csv"
    file.write_text(f"item,{name}\n{rows}", encoding="utf-8")
    told = Catalog.read(file).attribute(name)
    assert told is not None
    assert len(told.values) == 250


def test_lists_are_identifiers_only_if_their_values_hardly_repeat(tmp_path: Path) -> None:
    """As many different values as rows, and each stands in three cells: they group."""
    circles = [f"p{n}|p{(n + 1) % 60}|p{(n + 2) % 60}" for n in range(60)]
    assert wide(tmp_path, "friends", circles).attribute("friends") is not None
    alone = [f"p{3 * n}|p{3 * n + 1}|p{3 * n + 2}" for n in range(60)]
    assert wide(tmp_path, "friends", alone).attribute("friends") is None
