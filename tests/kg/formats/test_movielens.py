"""MovieLens in its three forms."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kg.catalog import Catalog
from kg.clean import clean
from kg.errors import DataError
from kg.events import EventLog
from kg.formats.movielens import FORMAT
from kg.formats.tables import Tables, read_plain, write_plain

OLD = {
    "u.data": "196\t242\t3\t881250949\n186\t1\t5\t891717742\n",
    "u.item": (
        "1|Toy Story (1995)|01-Jan-1995||http://us.imdb.com/M/title-exact?Toy%20Story%20(1995)"
        "|0|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0\n"
        "242|Misérables, Les (1995)|01-Jan-1995||http://us.imdb.com/x"
        "|0|0|0|0|0|0|0|0|1|0|0|0|1|0|0|0|0|0|0\n"
        "1412|Land Far Away (1995) (V)|01-Jan-1995||"
        "|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0\n"
        "267|unknown||||1|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0\n"
    ),
    "u.user": "186|39|F|executive|00000\n196|49|M|writer|55105\n",
}
DAT = {
    "ratings.dat": "1::1193::5::978300760\n2::1::3::978298413\n",
    "movies.dat": (
        "1::Toy Story (1995)::Animation|Children's|Comedy\n"
        "1193::Misérables, Les (1995)::Drama\n2000::(1999)::(no genres listed)\n"
    ),
    "users.dat": "1::F::1::10::48067\n2::M::56::16::70072\n",
}
CSV = {
    "ratings.csv": "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n1,3,0.5,964981247\n",
    "movies.csv": (
        "movieId,title,genres\n1,Toy Story (1995),Adventure|Animation\n"
        '3,"American President, The (1995) ",Comedy\n7,Babylon 5,(no genres listed)\n'
    ),
    "tags.csv": "userId,movieId,tag,timestamp\n2,60756,funny,1445714994\n",
    "links.csv": "movieId,imdbId,tmdbId\n1,0114709,862\n",
}

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def save(files: dict[str, str], **changed: str | None) -> Path:
        folder = tmp_path / "ml"
        folder.mkdir()
        for name, text in {**files, **{k.replace("_", "."): v for k, v in changed.items()}}.items():
            if text is not None:
                code = "latin-1" if "é" in text else "utf-8"
                (folder / name).write_bytes(text.encode(code))
        return folder

    return save


def rows(tables: Tables, name: str) -> list[dict[str, str]]:
    return tables.there()[name].rows(named=True)


def test_ml_100k(make: Make) -> None:
    tables = FORMAT.read(make(OLD))
    assert rows(tables, "events") == [
        {"user_id": "196", "item_id": "242", "behaviour": "rate", "timestamp": "881250949",
         "value": "3"},
        {"user_id": "186", "item_id": "1", "behaviour": "rate", "timestamp": "891717742",
         "value": "5"},
    ]  # fmt: skip
    assert rows(tables, "items") == [
        {"item_id": "1", "title": "Toy Story", "year": "1995",
         "genres": "Animation|Children's|Comedy"},
        {"item_id": "242", "title": "Misérables, Les", "year": "1995", "genres": "Drama|Musical"},
        {"item_id": "1412", "title": "Land Far Away", "year": "1995", "genres": None},
        {"item_id": "267", "title": "unknown", "year": None, "genres": None},
    ]  # fmt: skip
    assert rows(tables, "users") == [
        {"user_id": "186", "age": "39", "gender": "F", "occupation": "executive"},
        {"user_id": "196", "age": "49", "gender": "M", "occupation": "writer"},
    ]
    assert any("zip" in note for note in tables.notes)


@pytest.mark.parametrize("code", ["latin-1", "utf-8"])
def test_ml_1m(make: Make, code: str) -> None:
    folder = make(DAT)
    (folder / "movies.dat").write_bytes(DAT["movies.dat"].encode(code))
    tables = FORMAT.read(folder)
    assert rows(tables, "events")[0] == {
        "user_id": "1", "item_id": "1193", "behaviour": "rate", "timestamp": "978300760",
        "value": "5",
    }  # fmt: skip
    assert rows(tables, "items") == [
        {"item_id": "1", "title": "Toy Story", "year": "1995",
         "genres": "Animation|Children's|Comedy"},
        {"item_id": "1193", "title": "Misérables, Les", "year": "1995", "genres": "Drama"},
        {"item_id": "2000", "title": "(1999)", "year": "1999", "genres": None},
    ]  # fmt: skip
    assert rows(tables, "users") == [
        {"user_id": "1", "age": "under 18", "gender": "F", "occupation": "K-12 student"},
        {"user_id": "2", "age": "56+", "gender": "M", "occupation": "self-employed"},
    ]


def test_ml_10m_has_tags_and_no_users(make: Make) -> None:
    changed = {"users_dat": None, "tags_dat": "15::4973::excellent!::1215184630\n"}
    tables = FORMAT.read(make(DAT, **changed))
    assert tables.users is None
    assert [note for note in tables.notes if "tags.dat" in note and "left out" in note]
    assert not [note for note in tables.notes if "zip" in note]


def test_ml_latest(make: Make) -> None:
    tables = FORMAT.read(make(CSV))
    assert rows(tables, "events")[1] == {
        "user_id": "1", "item_id": "3", "behaviour": "rate", "timestamp": "964981247",
        "value": "0.5",
    }  # fmt: skip
    assert rows(tables, "items") == [
        {"item_id": "1", "title": "Toy Story", "year": "1995", "genres": "Adventure|Animation"},
        {"item_id": "3", "title": "American President, The", "year": "1995", "genres": "Comedy"},
        {"item_id": "7", "title": "Babylon 5", "year": None, "genres": None},
    ]
    assert tables.users is None
    assert tables.triples is None
    assert [name for name in ("tags.csv", "links.csv") if any(name in n for n in tables.notes)] == [
        "tags.csv",
        "links.csv",
    ]


def test_recognised_by_ratings_and_films_together(make: Make, tmp_path: Path) -> None:
    assert not FORMAT.recognises(tmp_path / "gone")
    assert not FORMAT.recognises(tmp_path)
    folder = make(CSV)
    assert FORMAT.recognises(folder)
    (folder / "ratings.csv").write_text("user,item,rating\n1,2,3\n")
    assert not FORMAT.recognises(folder)
    for files in (OLD, DAT):
        for name in ("u.data", "u.item", "ratings.dat", "movies.dat"):
            if name in files:
                (folder / name).write_text("x")
        assert FORMAT.recognises(folder)
        for name in files:
            (folder / name).unlink(missing_ok=True)
    assert not FORMAT.recognises(folder / "movies.csv")


@pytest.mark.parametrize(
    ("files", "name", "text", "message"),
    [
        (OLD, "u.data", None, "must hold u.data, ratings.dat or ratings.csv"),
        (OLD, "u.item", None, "must hold a file u.item .movielens."),
        (OLD, "u.data", "", "u.data is empty"),
        (OLD, "u.data", "1\t2\t3\n", "u.data, line 1, must have 4 cells .* Got 3 instead"),
        (OLD, "u.data", "1\t2\t3\t4\n1\t2\tx\t4\n", "line 2: the rating must be a number. Got 'x'"),
        (OLD, "u.item", "1|Toy Story (1995)|0\n", "u.item, line 1, must have 24 cells"),
        (OLD, "u.user", "1|39|F\n", "u.user, line 1, must have 5 cells"),
        (DAT, "movies.dat", None, "must hold a file movies.dat"),
        (DAT, "ratings.dat", "1::2::3::soon\n", "the timestamp must be a number. Got 'soon'"),
        (DAT, "users.dat", "1::F::1::10\n", "users.dat, line 1, must have 5 cells"),
        (CSV, "movies.csv", None, "must hold a file movies.csv"),
        (CSV, "movies.csv", "", "movies.csv is empty"),
        (CSV, "ratings.csv", "userId,movieId,rating\n1,2,3\n", "must name the column 'timestamp'"),
        (CSV, "ratings.csv", "userId,movieId,rating,timestamp\n1,2,x,3\n", "line 2: .* Got 'x'"),
        (CSV, "ratings.csv", "userId,movieId,rating,timestamp\n1,2,3\n", "line 2, must have 4"),
    ],
)
def test_mistakes_are_named(
    make: Make, files: dict[str, str], name: str, text: str | None, message: str
) -> None:
    folder = make(files, **{name.replace(".", "_"): text})
    with pytest.raises(DataError, match=message) as caught:
        FORMAT.read(folder)
    assert str(folder) in str(caught.value)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "u.data").write_text(OLD["u.data"])
    with pytest.raises(DataError, match="must hold"):
        FORMAT.read(tmp_path / "u.data")


@pytest.mark.parametrize("files", [OLD, DAT, CSV], ids=["100k", "1m", "latest"])
def test_the_plain_form_survives_and_is_taken(
    make: Make, tmp_path: Path, files: dict[str, str]
) -> None:
    tables = FORMAT.read(make(files))
    write_plain(tables, tmp_path)
    again = read_plain(tmp_path).there()
    assert list(again) == list(tables.there())
    for name, frame in tables.there().items():
        assert again[name].equals(frame), name
    catalog = Catalog.read(tmp_path / "items.csv")
    log, report = clean(EventLog.read(tmp_path / "events.csv"), catalog.ids)
    assert (report.kept, report.reasons) == (2, {})
    assert [behaviour.name for behaviour in log.behaviours] == ["rating"]
    assert {attribute.name for attribute in catalog.attributes} == {"year", "genres"}
