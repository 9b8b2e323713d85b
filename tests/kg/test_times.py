"""Times as people write them, to UTC seconds. 2024-01-02T03:04:05Z is 1704164645."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.errors import DataError
from kg.times import NO_TIME, spelled, to_seconds

AT = 1704164645


def seconds(*cells: str | None) -> list[int]:
    return to_seconds(pl.Series("at", cells, dtype=pl.String), "events.csv").tolist()


@pytest.mark.parametrize(
    "cell",
    [
        "1704164645",
        "1704164645.9",
        " 1704164645 ",
        "1704164645000",
        "1704164645000000",
        "1704164645000000000",
        "2024-01-02T03:04:05",
        "2024-01-02 03:04:05",
        "2024-01-02T03:04:05Z",
        "2024-01-02T03:04:05.678Z",
        "2024-01-02 03:04:05 UTC",
        "2024-01-02T11:04:05+08:00",
        "2024-01-02T11:04:05+0800",
        "2024-01-02 11:04:05 +0800",
        "2024-01-02T11:04:05+08",
        "2024-01-01T23:34:05-03:30",
        "2024-01-02T11:04:05 +0800",
        "2024/01/02 03:04:05",
        "2024/1/2 3:04:05",
        "2024.01.02 03:04:05",
        "2024年1月2日 03:04:05",
        "2024年01月02日03:04:05",
        "20240102030405",
        "2024年1月2日3时4分5秒",
        "2024年1月2日 3時4分5秒",
        "2024年1月2日 03点04分05秒",
        "2024/1/2 上午 3:04:05",
        "2024/1/2 上午3:04:05",
        "2024-01-02 3:04:05 AM",
        "2024-01-02 3:04:05a.m.",
        "2024-01-02 11:04:05 AM +0800",
        "2024-01-02 03：04：05",
        "２０２４／０１／０２　０３：０４：０５",
        "１７０４１６４６４５",
    ],
)
def test_one_moment_written_in_many_ways(cell: str) -> None:
    assert seconds(cell) == [AT]


@pytest.mark.parametrize(
    "cell",
    [
        "2024-01-02",
        "2024/01/02",
        "2024.1.2",
        "2024年1月2日",
        "20240102",
        "202401020000",
        "2024-01-02T00:00",
        "2024-01-02 12:00 AM",
        "2024年1月2日0时",
        "2024年1月2日0点整",
    ],
)
def test_a_day_is_its_first_second(cell: str) -> None:
    assert seconds(cell) == [AT - (3 * 3600 + 4 * 60 + 5)]


@pytest.mark.parametrize(
    ("cell", "hour"),
    [
        ("2024/1/2 下午 8:03", 20),
        ("2024年1月2日 下午8时3分", 20),
        ("2024-01-02 8:03 PM", 20),
        ("2024-01-02 12:03 pm", 12),
        ("2024-01-02 下午 0:03", 12),
        ("2024-01-02 上午 12:03", 0),
        ("2024-01-02 20:03 PM", 20),
        ("2024年1月2日8时3分", 8),
    ],
)
def test_the_half_of_the_day_is_read(cell: str, hour: int) -> None:
    day = AT - (3 * 3600 + 4 * 60 + 5)
    assert seconds(cell, "2024-01-02 20:03") == [day + hour * 3600 + 180, day + 20 * 3600 + 180]


def test_no_hour_of_the_afternoon_is_in_the_morning() -> None:
    assert seconds("2024-01-02 14:00 AM", "2024-01-02 03:04:05") == [int(NO_TIME), AT]


def test_the_median_judges_the_unit_of_a_whole_column() -> None:
    assert seconds("1704164645000", "1704164646000", "5") == [AT, AT + 1, 0]
    assert seconds("0", "1", "2") == [0, 1, 2]


def test_eight_digits_are_days_only_if_all_of_them_are() -> None:
    assert seconds("19700102", "19700103") == [86400, 2 * 86400]
    assert seconds("19700102", "19709999") == [19700102, 19709999]
    assert seconds("202401020304", "nan", "202401020305") == [AT - 5, int(NO_TIME), AT + 55]
    assert seconds("202401020304", "202413020304") == [202401020, 202413020]  # milliseconds


@pytest.mark.parametrize("cell", ["03/11/2026 14:05", "03.11.2026", "11/03/2026 2:05 PM"])
def test_the_form_to_write_is_named_and_no_order_of_day_and_month_guessed(cell: str) -> None:
    with pytest.raises(DataError, match=rf"Got '{cell}' in row 2 .*such as 2026-11-03 14:05"):
        seconds("", cell)


def test_a_moment_is_spelled_of_any_year() -> None:
    assert spelled(AT) == "2024-01-02 03:04:05"
    assert spelled(2**53).startswith("285428")


def test_cells_that_cannot_be_read_have_no_time() -> None:
    no = int(NO_TIME)
    assert seconds("1704164645", "soon", None, "", "nan", "inf", "1704164646") == [
        AT, no, no, no, no, no, AT + 1,
    ]  # fmt: skip
    assert seconds("2024-01-02T03:04:05", "2024-13-02", "2024-02-30", "", "tomorrow") == [
        AT, no, no, no, no,
    ]  # fmt: skip


def test_formats_may_be_mixed_in_a_column() -> None:
    assert seconds("2024-01-02 03:04:05", "2024/01/02", "2024-01-02T03:04Z") == [
        AT, AT - 11045, AT - 5,
    ]  # fmt: skip


def test_before_1970_and_far_future_are_read_as_they_stand() -> None:
    assert seconds("-5", "-6") == [-5, -6]
    assert seconds("1969-12-31T23:59:59Z") == [-1]
    assert seconds("2100-01-01") == [4102444800]


@pytest.mark.parametrize("cells", [("soon", "later"), ("", ""), (None,), ("nan", "inf")])
def test_a_column_without_any_time_is_an_error_that_says_what_to_do(
    cells: tuple[str | None, ...],
) -> None:
    with pytest.raises(DataError, match=r"events.csv: column 'at' must hold epoch.*--no-time"):
        seconds(*cells)


@given(st.datetimes(), st.integers(-14 * 60, 14 * 60))
def test_iso_times_with_a_zone_agree_with_python(moment, minutes: int) -> None:  # type: ignore[no-untyped-def]
    from datetime import UTC, datetime, timedelta, timezone

    written = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert seconds(written.isoformat()) == [int((written - epoch).total_seconds())]


@given(st.lists(st.one_of(st.none(), st.text(max_size=12), st.floats().map(str)), min_size=1))
def test_whatever_stands_there_gives_int64_or_a_data_error(cells: list[str | None]) -> None:
    column = pl.Series("at", cells, dtype=pl.String)
    try:
        out = to_seconds(column, "x")
    except DataError:
        return
    assert out.dtype == "int64"
    assert len(out) == len(cells)
