"""Reading tables: whatever people save, and what is said about what they should not have saved."""

import datetime as dt
import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kg.catalog import read_catalog
from kg.errors import DataError, UsageError
from kg.events import EventLog, read_events
from kg.tables import column_names, numbers, pick_columns, read_cells, read_table, unknown_columns

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def save(content: str | bytes, name: str = "t.csv") -> Path:
        raw = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(raw)
        return tmp_path / name

    return save


SAME = [("0114709", "x, y"), ("2 b", "鞋\n靴")]


@pytest.mark.parametrize(
    "content",
    [
        'id,名称\n0114709,"x, y"\n2 b,"鞋\n靴"\n',
        '\ufeffid,名称\n0114709,"x, y"\n2 b,"鞋\n靴"\n',
        'id;名称\n0114709;x, y\n2 b;"鞋\n靴"\n',
        'id\t名称\n0114709\tx, y\n2 b\t"鞋\n靴"\n',
        ' id , 名称\n0114709,"x, y"\n\n2 b,"鞋\n靴"\n  \n,\n,\n',
        ',id,名称\n0,0114709,"x, y"\n1,2 b,"鞋\n靴"',
    ],
    ids=["comma", "bom", "semicolon", "tab", "blank lines", "pandas row numbers"],
)
def test_one_table_written_in_many_ways(write: Write, content: str) -> None:
    for path in (write(content), write(gzip.compress(content.encode()), "t.tsv.gz")):
        frame = read_table(path)
        assert frame.columns == ["id", "名称"]
        assert frame.rows() == SAME
        assert column_names(path) == ["id", "名称"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(write: Write, end: str) -> None:
    path = write(end.join(["a,b", "1,2", "3,4", ""]))
    assert read_table(path).rows() == [("1", "2"), ("3", "4")]
    assert column_names(path) == ["a", "b"]


def test_an_inch_mark_inside_a_cell_is_text(write: Write) -> None:
    assert read_table(write('id,t\n1,5" disk\n2,say "ho"\n')).rows() == [
        ("1", '5" disk'),
        ("2", 'say "ho"'),
    ]


def test_empty_cells_are_null_at_either_end(write: Write) -> None:
    assert read_table(write("a,b\n,2\n3,\n")).rows() == [(None, "2"), ("3", None)]
    assert read_table(write('a,b\n,2\n3,\n"x",y\n')).rows() == [
        (None, "2"),
        ("3", None),
        ("x", "y"),
    ]


BAD = {
    "too long": ("a,b\n1,2\n1,2,3\n", "line 3, must have 2 cells as the header has. Got 3"),
    "too short": ("a,b\n1,2\n\n3\n4,5\n", "line 4, must have 2 cells as the header has. Got 1"),
    "short after a cell of two lines": ('a,b\n1,"x\ny"\n3\n', "line 4, must have 2 cells"),
    "an open quote": ('a,b\n1,2\n3,"x\n4,5\n', "line 3, cannot be read as CSV"),
    "not UTF-8": ("a,b\n1,é\n2,é\n".encode("latin-1"), "line 2, holds the byte 0xe9.*UTF-8"),
    "not UTF-8 header": ("é,b\n1,2\n".encode("latin-1"), "line 1, holds the byte 0xe9"),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), "line 1, holds the byte 0xff"),
    "empty": (b"", "is empty"),
    "blank": ("\n  \n", "is empty"),
    "header only": ("a,b\n", "has a header and no rows"),
    "header and nothing": ("a,b\n,\n,\n", "has a header and no rows"),
    "no header": ("\na,b\n1,2\n", "line 1, must name the columns"),
    "one name twice": ("a,b, a\n1,2,3\n", "line 1: each column must have its own name. Got 'a'"),
    "cut-off gzip": (gzip.compress(b"a,b\n1,2\n" * 99)[:-9], "cannot be read: Compressed file"),
    "damaged gzip": (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03zzzz", "cannot be read"),
    "half a Parquet file": (b"PAR1abcdefgh", "not a readable Parquet file"),
}


CHINESE = "编号,名称,类别\n1,红色连衣裙,女装\n2,保温杯 500ml,家居\n3,é,厨具\n"
TAIWAN = "編號,名稱,類別\n1,紅色連身裙,女裝\n2,保溫杯 500ml,家居\n3,購物車,廚具\n"
FRENCH = "id,nom\n1,Crème brûlée\n2,Café au lait – 5 €\n3,Äpfel für Gänse\n"


@pytest.mark.parametrize("end", [b"4,\xe5\xa5", b"4,caf\xe9\n5,x\n"])
def test_one_bad_line_of_utf8_is_to_be_mended_not_converted(write: Write, end: bytes) -> None:
    path = write(CHINESE.encode().rstrip(b"\n") + b"\n" + end)
    with pytest.raises(DataError, match=r"not UTF-8, as what stands around it is: mend that line"):
        read_table(path)


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (
            CHINESE.encode("gb18030"),
            "It seems to be GBK: .*`iconv -f gb18030 -t utf-8 .*t.csv > NEW`",
        ),
        (("id,name\n" + "1,plain\n" * 5000 + "2,茶叶\n").encode("gbk"), "It seems to be GBK"),
        (TAIWAN.encode("big5"), "It seems to be Big5: .*`iconv -f big5 -t utf-8 .*t.csv > NEW`"),
        (FRENCH.encode("cp1252"), "Windows-1252: .*`iconv -f cp1252 -t utf-8 .*t.csv > NEW`"),
        ("id,n\n1,Äpfel\n".encode("latin-1"), "Windows-1252: .*`iconv -f cp1252 -t utf-8"),
        (
            CHINESE.encode("utf-16"),
            "UTF-16: .*`iconv -f utf-16 -t utf-8 .*t.csv > NEW`.*, or in Excel as CSV UTF-8",
        ),
        (b"\xfe\xff" + CHINESE.encode("utf-16-be"), "UTF-16"),
        ("id,n\n1,Привет мир\n".encode("cp1251"), "Save the file .*`iconv -f ENCODING -t utf-8"),
    ],
    ids=[
        "gbk",
        "far below",
        "big5",
        "french",
        "german",
        "utf-16",
        "big end first",
        "russian",
    ],
)
def test_the_command_that_makes_utf8_of_the_file_is_told(
    write: Write, content: bytes, advice: str
) -> None:
    path = write(content)
    with pytest.raises(DataError, match=f"t.csv, line .*not UTF-8\\. .*{advice}"):
        read_table(path)
    zipped = write(gzip.compress(content), "t.csv.gz")
    with pytest.raises(DataError, match=r"`gzip -dc .*t\.csv\.gz \| iconv -f \S+ -t utf-8 > NEW`"):
        read_table(zipped)


def test_a_header_that_is_not_utf8_has_no_names(write: Write) -> None:
    with pytest.raises(DataError, match=r"line 1, .*It seems to be GBK"):
        column_names(write(CHINESE.encode("gbk")))


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_named_with_its_line(write: Write, case: str) -> None:
    content, message = BAD[case]
    path = write(content)
    with pytest.raises(DataError, match=f"(?s)t.csv.*{message}"):
        read_table(path)


def test_misuse_is_told_from_bad_data(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no file .*nowhere\.csv"):
        read_table(tmp_path / "nowhere.csv")
    with pytest.raises(UsageError, match="is a folder; a file is needed"):
        read_table(tmp_path)
    with pytest.raises(UsageError, match="There is no file"):
        column_names(tmp_path / "nowhere.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path / ("x" * 5000))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(write: Write) -> None:
    path = write("a,b\n1,2\n")
    path.chmod(0)
    with pytest.raises(DataError, match="cannot be read"):
        read_table(path)


def test_parquet_types_as_pandas_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    shanghai = pl.Datetime("ns", "Asia/Shanghai")
    moments = [dt.datetime(2024, 1, 1, 0, 0), None]
    pl.DataFrame(
        {
            "number": [7, None],
            "float_id": [10.0, float("nan")],
            "price": [1.5, 2.0],
            "flag": [True, False],
            "kind": pl.Series(["b", "0114709"], dtype=pl.Categorical),
            "naive": pl.Series(moments, dtype=pl.Datetime("us")),
            "zoned": pl.Series(moments, dtype=pl.Datetime("ns", "UTC")).cast(shanghai),
            "day": [dt.date(2024, 2, 29), None],
            "tags": [["a", "b"], []],
            "codes": pl.Series([[1, 2], None], dtype=pl.Array(pl.Int8, 2)),
            "nothing": pl.Series([None, None], dtype=pl.Null),
            "__index_level_0__": [5, 9],
        }
    ).write_parquet(path)
    frame = read_table(path)
    assert set(frame.dtypes) == {pl.String}
    assert frame.row(0, named=True) == {
        "number": "7", "float_id": "10", "price": "1.5", "flag": "true", "kind": "b",
        "naive": "2024-01-01T00:00:00", "zoned": "2024-01-01T00:00:00", "day": "2024-02-29",
        "tags": "a|b", "codes": "1|2", "nothing": None,
    }  # fmt: skip
    second = frame.row(1, named=True)
    assert second["price"] == "2.0"  # beside 1.5 it is no id
    assert second["kind"] == "0114709"
    assert {k for k, v in second.items() if v is None} == {
        "number", "float_id", "naive", "zoned", "day", "tags", "codes", "nothing",
    }  # fmt: skip
    assert column_names(path) == frame.columns


def test_parquet_is_known_by_its_content_and_may_be_gzipped(tmp_path: Path) -> None:
    plain = tmp_path / "t.parquet"
    pl.DataFrame({"a": ["x"]}).write_parquet(plain)
    zipped = tmp_path / "other.bin"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_table(zipped).rows() == [("x",)]
    assert column_names(zipped) == ["a"]


def test_a_parquet_type_that_is_no_cell_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"ok": [1], "gone": [dt.timedelta(1)]}).write_parquet(path)
    with pytest.raises(DataError, match=r"t.parquet: column 'gone' must hold text.*Duration"):
        read_table(path)
    frame, odd = read_cells(path, ["ok"])
    assert frame.rows() == [("1",)]
    assert odd == {"gone": "Duration(time_unit='us')"}
    with pytest.raises(DataError, match=r"column 'gone' must hold text.*Duration"):
        read_cells(path, ["gone"])


def test_structs_that_nobody_asked_for_are_left_out_and_told(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({
        "user": ["u"], "item": ["a"], "ctx": [{"os": "x"}], "many": [[{"os": "x"}]],
    }).write_parquet(path)  # fmt: skip
    file = read_events(path)
    assert len(file.log) == 1
    assert file.unused == ("ctx (Struct)", "many (List)")
    with pytest.raises(DataError, match="column 'ctx' must hold text"):
        read_events(path, columns={"time": "ctx"})
    table = read_catalog(path, columns={"time": "ctx"})  # a role of events
    assert table.unused == {"ctx": "of the type Struct", "many": "of the type List"}
    with pytest.raises(DataError, match="column 'ctx' must hold text"):
        read_catalog(path, columns={"place": "ctx"})


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("t.jsonl", b'{"user": "u", "item": "a"}\n', "JSON"),
        ("t.json", b'\xef\xbb\xbf[\n {"user": "u"}]', "JSON"),
        ("t.xlsx", b"PK\x03\x04rest", "a spreadsheet"),
        ("t.xls", b"\xd0\xcf\x11\xe0rest", "a spreadsheet"),
        ("t.csv.zip", b"PK\x03\x04rest", "a zip archive"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, name: str, content: bytes, what: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    for read in (read_table, column_names):
        with pytest.raises(DataError, match=f"^[^:]*{name} holds {what}, which is not read.*CSV"):
            read(path)


def test_numbers_names_the_row() -> None:
    got = numbers(pl.Series("v", ["1.5", " 2 ", "", None, "nan"]), "f.csv")
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, np.array([1.5, 2, np.nan, np.nan, np.nan], np.float32))
    for bad in ("many", "inf", "1e300"):
        with pytest.raises(DataError, match=rf"f.csv, row 2: column 'v' .*Got '{bad}'"):
            numbers(pl.Series("v", ["1", bad]), "f.csv")


def test_numbers_names_the_line_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    file.write_text('v,w\n1,"two\nlines"\n\nmany,x\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"f.csv, line 5: column 'v' .*Got 'many'"):
        numbers(read_table(file)["v"], str(file))
    with gzip.open(tmp_path / "f.csv.gz", "wb") as handle:
        handle.write(b"v,w\n1,x\nmany,x\n")
    with pytest.raises(DataError, match=r"f.csv.gz, line 3: column 'v'"):
        numbers(read_table(tmp_path / "f.csv.gz")["v"], str(tmp_path / "f.csv.gz"))
    pl.DataFrame({"v": ["1", "many"]}).write_parquet(tmp_path / "f.parquet")
    with pytest.raises(DataError, match=r"f.parquet, row 2: column 'v'"):
        numbers(read_table(tmp_path / "f.parquet")["v"], str(tmp_path / "f.parquet"))


WANTED = {"user": ("user", "user_id"), "item": ("item", "sku")}


def pick(mapping: dict[str, str], *columns: str) -> dict[str, str]:
    frame = pl.DataFrame({name: ["x"] for name in columns})
    return pick_columns(frame, WANTED, mapping, needed=("user", "item"), where="f.csv")


def test_roles_are_guessed_by_the_first_usual_spelling_or_given() -> None:
    assert pick({}, "SKU", "User_ID", "user") == {"user": "user", "item": "SKU"}
    assert pick({"item": "user_id"}, "user_id", "user") == {"user": "user", "item": "user_id"}


def test_a_column_given_to_one_role_is_not_guessed_for_another() -> None:
    with pytest.raises(DataError, match="no column for 'user'"):
        pick({"item": "user"}, "user", "b")


def test_roles_of_other_files_are_passed_over() -> None:
    given_to_both = {"item_id": "sku", "title": "nowhere"}
    assert pick(given_to_both, "user", "sku") == {"user": "user", "item": "sku"}


def test_a_missing_column_names_those_that_are_there() -> None:
    with pytest.raises(DataError, match=r"f.csv has no column for 'item'.*item=NAME.*: user, name"):
        pick({}, "user", "name")
    with pytest.raises(DataError, match=r"no column 'skuu' \(asked for as 'item'\).*'sku'\?.*user"):
        pick({"item": "skuu"}, "user", "sku")


def test_a_column_that_stands_in_no_file_is_misuse() -> None:
    mapping = {"user": "who", "category": "cat"}
    assert unknown_columns(mapping, ["who", "what"], ["sku", "cat"]) is None
    with pytest.raises(UsageError, match=r"Got category='cat'.*'cats'\?.*who, what, sku, cats"):
        unknown_columns(mapping, ["who", "what"], ["sku", "cats"])


T = TypeVar("T")


def told_or(read: Callable[[Path], T], path: Path) -> T | None:
    """What is read, or None after an error of ours that names the file; others get through."""
    try:
        return read(path)
    except (UsageError, DataError) as error:
        told = str(error)
    assert path.name in told
    return None


PIECES = st.lists(
    st.sampled_from(
        [b"user,item,time\n", b"user_id\titem_id\n", b"u,i,1\n", b'"', b"\n", b"\r", b",", b";",
         b"\t", b"\x00", b"\xff", b"\xef\xbb\xbf", b"PAR1", b"1e999,", b"a b c\n", b"2024-01-01",
         b"9" * 20, "商品,".encode(), b" "]
    ) | st.binary(max_size=8), max_size=30,
).map(b"".join)  # fmt: skip


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    PIECES,
    st.sampled_from(["t.csv", "t.parquet", "t.txt", "t"]),
    st.sampled_from(["plain", "gzip", "cut"]),
)
def test_any_bytes_are_a_table_or_a_told_error(
    tmp_path: Path, raw: bytes, name: str, wrapped: str
) -> None:
    path = tmp_path / name
    zipped = gzip.compress(raw, mtime=0)
    path.write_bytes({"plain": raw, "gzip": zipped, "cut": zipped[:-5]}[wrapped])
    frame = told_or(read_table, path)
    if frame is not None:
        assert frame.height > 0
        assert set(frame.dtypes) == {pl.String}
        assert column_names(path) == frame.columns
    log = told_or(EventLog.read, path)
    assert log is None or len(log) > 0


def test_a_cut_off_parquet_file_is_a_told_error(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"user": ["u", "v"], "item": [1, 2]}).write_parquet(path)
    raw = path.read_bytes()
    assert len(EventLog.read(path)) == 2
    for length in range(1, len(raw), 7):
        path.write_bytes(raw[:length])
        with pytest.raises(DataError, match=r"t\.parquet is not a readable Parquet file"):
            EventLog.read(path)


CELLS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\x00"), max_size=6
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.just("id"), CELLS, CELLS), min_size=1, max_size=8))
def test_whatever_csv_writes_is_read_back(tmp_path: Path, rows: list[tuple[str, str, str]]) -> None:
    import csv

    path = tmp_path / "t.csv"
    with open(path, "w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([("a", "b", "c"), *rows])
    assert read_table(path).fill_null("").rows() == rows
