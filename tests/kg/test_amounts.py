"""Numbers as people write them; what is doubtful is told."""

import polars as pl
import pytest

from kg.amounts import read_amounts, read_known


def amounts(*cells: str | None):  # type: ignore[no-untyped-def]
    return read_amounts(pl.Series("price", cells, dtype=pl.String))


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (("12", "1.5", "nan", None), [12, 1.5, None, None]),
        (("129,00 €", "1.299,00 €", None), [129, 1299, None]),
        (("1,299.00", "899.00"), [1299, 899]),
        (("$1299", "$5.5", "US"), None),
        (("$1299", "$5.5", "7"), [1299, 5.5, 7]),
        (("EUR 5", "6,5 €", "-€ 3"), [5, 6.5, -3]),
        (("￥1,299.5", "¥3", "4元"), [1299.5, 3, 4]),
        (("1 299,00", "1\u00a0299\u00a0000,5"), [1299, 1299000.5]),
        (("1'299.00", "5"), [1299, 5]),
        (("1.299.000", "5"), [1299000, 5]),
        (("9,5", "12"), [9.5, 12]),
        (("￥１，２９９．００", "￥1，299.00", "８９９", "1\u3000299"), [1299, 1299, 899, 1299]),
        (("１２", "５．５"), [12, 5.5]),
        (("NT$1,299.5", "新台幣 5", "6 TWD"), [1299.5, 5, 6]),
        (("HK$ 1,299.00", "5港元", "7"), [1299, 5, 7]),
        (("US$5", "$6.5", "7美元"), [5, 6.5, 7]),
        (("人民币5", "6人民币", "RMB 7", "8 元", "9块"), [5, 6, 7, 8, 9]),
        (("￥1299起", "899元起", "7 起"), [1299, 899, 7]),
        (("1.13万", "9800", "￥3萬", "1.25 万元起"), [11300, 9800, 30000, 12500]),
        (("10²", "5"), None),
        (("一起", "5"), None),
        (("1万2", "5"), None),
        (("万", "元"), None),
        (("1,2,3", "4"), None),
        (("2024-01-02", "12:30"), None),
        (("5", "inf"), None),
        ((None, None), [None, None]),
    ],
)
def test_a_column_is_read_as_a_whole(
    cells: tuple[str | None, ...], values: list[float] | None
) -> None:
    found = amounts(*cells).values
    assert (None if found is None else found.to_list()) == values


def test_money_is_known_by_its_sign() -> None:
    assert amounts("5 €", "6").money
    assert not amounts("5", "6").money


@pytest.mark.parametrize(
    ("cells", "read", "note"),
    [
        (("1.299", "899"), True, "'1.299' is read as 1.299: write nothing between thousands"),
        (("899", "1,299"), False, "'1,299' may be 1299 or 1.299"),
        (("1.299 €", "899 €"), False, "'1.299 €' may be 1.299 or 1299"),
        (("5", "$6", "7 €"), False, "amounts in $ and €"),
        (("NT$5", "HK$6", "￥7"), False, "amounts in HK$ and NT$ and ¥ are not read"),
        (("1.299万", "5万"), False, "'1.299万' may be 12990 or 1.299e+07"),
        (
            ("12,5", "13", "ask"),
            False,
            "1 of 3 cells is no number, such as 'ask', so that the column "
            "is not read as numbers: leave such cells empty",
        ),
        (("0.125", "0.250"), True, ""),
        (("1.299", "899.5"), True, ""),
        (("red", "blue", "5"), False, ""),
    ],
)
def test_what_is_doubtful_is_told(cells: tuple[str, ...], read: bool, note: str) -> None:
    found = amounts(*cells)
    assert (found.values is not None) is read
    assert found.note.startswith(note)
    assert bool(found.note) is bool(note)


@pytest.mark.parametrize(
    ("cells", "values", "note"),
    [
        (("12,50", "on request", None), [12.5, None, None], "1 of 2 cells cannot be read"),
        (("12.5", "ask", "x"), [12.5, None, None], "2 of 3 cells cannot be read as numbers, such"),
        (("899", "1,299"), [899, None], "1 of 2 cells cannot be read as numbers, such as '1,299'"),
        (("$5", "6 €", "$7", "8"), [5, None, 7, 8], "1 of 4 cells cannot be read as numbers, such"),
        (("1e5", "3", "inf"), [1e5, 3, None], "1 of 3 cells cannot be read"),
        (("1.299,00", "12.50", "x"), [1299, 12.5, None], "1 of 3 cells"),
        (
            ("￥１２", "1.5万元", "面议"),
            [12, 15000, None],
            "1 of 3 cells cannot be read as numbers",
        ),
        (
            ("￥5", "HK$6", "7元"),
            [5, None, 7],
            "1 of 3 cells cannot be read as numbers, such as 'HK",
        ),
        (("5", "6"), [5, 6], ""),
    ],
)
def test_what_is_known_to_be_numbers_stays_so(
    cells: tuple[str | None, ...], values: list[float | None], note: str
) -> None:
    found = read_known(pl.Series("price", cells, dtype=pl.String))
    assert found.values is not None
    assert found.values.to_list() == values
    assert found.note.startswith(note)
    assert bool(found.note) is bool(note)
