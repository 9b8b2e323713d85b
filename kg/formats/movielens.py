"""MovieLens as GroupLens gives it out: ml-100k, ml-1m and ml-10m, ml-latest, ml-20m to ml-32m.

Verified: ml-1m's columns and codes in its licence file (which is its README), ml-100k's columns
in copies of its README and of `u.item`, the header of ratings.csv and the words "(no genres
listed)" in public code. From memory: that ml-10m has no users, the header of links.csv.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from kg.errors import DataError
from kg.formats.rows import (
    bare_table,
    check_numbers,
    events_frame,
    headed_table,
    header_of,
    member,
)
from kg.formats.tables import Format, Tables, check_ids
from kg.tables import numbers

_RATING = ("user_id", "item_id", "rating", "timestamp")
_GENRES = (
    "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama",
    "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller",
    "War", "Western",
)  # fmt: skip
_ITEM = ("item_id", "title", "released", "video", "url", "unknown", *_GENRES)
_OCCUPATIONS = (
    "other", "academic/educator", "artist", "clerical/admin", "college/grad student",
    "customer service", "doctor/health care", "executive/managerial", "farmer", "homemaker",
    "K-12 student", "lawyer", "programmer", "retired", "sales/marketing", "scientist",
    "self-employed", "technician/engineer", "tradesman/craftsman", "unemployed", "writer",
)  # fmt: skip
_AGES = {"1": "under 18", "18": "18-24", "25": "25-34", "35": "35-44", "45": "45-49",
         "50": "50-55", "56": "56+"}  # fmt: skip
_YEAR = r"\s*\((\d{4})\)\s*(?:\(V\)\s*)?$"
"""(V) stands behind the year of one film of ml-100k, which went straight to video."""
_ZIP = "The users' zip codes are left out: with age and occupation they may identify a person."
_TAGS = ("The tags in {} are left out: people gave them while they used the site, so they carry "
         "times and may tell of later events.")  # fmt: skip


def _recognises(path: Path) -> bool:
    """A folder with the ratings and the films of one of the three forms."""
    if not path.is_dir():
        return False
    pairs = (("u.data", "u.item"), ("ratings.dat", "movies.dat"))
    if any((path / one).is_file() and (path / two).is_file() for one, two in pairs):
        return True
    rated = header_of(path / "ratings.csv")
    return rated >= {"userId", "movieId", "rating"} and (path / "movies.csv").is_file()


def _read(folder: Path) -> Tables:
    """The form whose file of ratings is in the folder."""
    for name, read in (("u.data", _read_100k), ("ratings.dat", _read_dat),
                       ("ratings.csv", _read_csv)):  # fmt: skip
        if (folder / name).is_file():
            return read(folder)
    raise DataError(f"{folder} must hold u.data, ratings.dat or ratings.csv (movielens).")


def _read_100k(folder: Path) -> Tables:
    films = _bare_ids(member(folder, "u.item", "movielens"), "|", _ITEM)
    flags = [pl.when(pl.col(genre) == "1").then(pl.lit(genre)) for genre in _GENRES]
    films = films.with_columns(pl.concat_str(flags, separator="|", ignore_nulls=True)
                               .alias("genres"))  # fmt: skip
    notes = ["The films' release dates and IMDb addresses are left out."]
    users = None
    if (folder / "u.user").is_file():
        names = ("user_id", "age", "gender", "occupation", "zip")
        people = _bare_ids(folder / "u.user", "|", names)
        users = people.select("user_id", "age", "gender", "occupation")
        notes.append(_ZIP)
    rated = _rated(folder / "u.data", "\t")
    return Tables(events=rated, items=_films(films), users=users, notes=tuple(notes))


def _read_dat(folder: Path) -> Tables:
    names = ("item_id", "title", "genres")
    films = _bare_ids(member(folder, "movies.dat", "movielens"), "::", names)
    notes = [_TAGS.format("tags.dat")] if (folder / "tags.dat").is_file() else []
    users = None
    if (folder / "users.dat").is_file():  # ml-10m has none
        users = _people(folder / "users.dat")
        notes.append(_ZIP)
    rated = _rated(folder / "ratings.dat", "::")
    return Tables(events=rated, items=_films(films), users=users, notes=tuple(notes))


def _read_csv(folder: Path) -> Tables:
    films = headed_table(member(folder, "movies.csv", "movielens"), ("movieId", "title", "genres"))
    check_ids(films, ("movieId",), folder / "movies.csv")
    file = folder / "ratings.csv"
    rated = headed_table(file, ("userId", "movieId", "rating", "timestamp"))
    for name in ("rating", "timestamp"):
        numbers(rated[name], str(file))
    rated.columns = ["user_id", "item_id", "value", "timestamp"]
    notes = []
    if (folder / "tags.csv").is_file():
        notes.append(_TAGS.format("tags.csv"))
    if (folder / "links.csv").is_file():
        notes.append("links.csv is left out: the films' ids at IMDb and TMDB are no facts.")
    films = films.rename({"movieId": "item_id"})
    return Tables(events=events_frame(rated, "rate"), items=_films(films), notes=tuple(notes))


def _bare_ids(file: Path, mark: str, names: Sequence[str]) -> pl.DataFrame:
    """A table whose first cell is an id that stands once."""
    frame = bare_table(file, mark, names, latin=True)
    check_ids(frame, names[:1], file)
    return frame


def _rated(file: Path, mark: str) -> pl.DataFrame:
    frame = bare_table(file, mark, _RATING, latin=True)
    for name in ("rating", "timestamp"):
        check_numbers(frame, name, file)
    return events_frame(frame.rename({"rating": "value"}), "rate")


def _films(frame: pl.DataFrame) -> pl.DataFrame:
    """item_id, title without its year, year, genres (null: none or unknown)."""
    bare = pl.col("title").str.replace(_YEAR, "").str.strip_chars()
    return frame.select(
        "item_id",
        pl.when(bare == "").then(pl.col("title")).otherwise(bare).alias("title"),
        pl.col("title").str.extract(_YEAR, 1).alias("year"),
        pl.col("genres").replace({"(no genres listed)": None, "": None}),
    )


def _people(file: Path) -> pl.DataFrame:
    """The users of ml-1m, whose ages and occupations are codes; an unknown code stays."""
    frame = _bare_ids(file, "::", ("user_id", "gender", "age", "occupation", "zip"))
    occupations = {str(code): name for code, name in enumerate(_OCCUPATIONS)}
    return frame.select(
        "user_id", pl.col("age").replace(_AGES), "gender", pl.col("occupation").replace(occupations)
    )


FORMAT = Format(
    "movielens",
    "a MovieLens folder: u.data, ratings.dat or ratings.csv with its films",
    _recognises,
    _read,
)
