"""Which entity of a knowledge graph is which item, by what they are called.

Titles are compared folded: case, width and punctuation do not matter, "Matrix, The" is "The
Matrix", and scripts without spaces are compared sign by sign. A link is accepted only if it is
sure enough and nothing else comes near; what is doubtful goes to a person, as a table to mark.

    exact   equal titles (and years) that nobody else on either side has; confidence 1
    fuzzy   1 - edits / longer length, or less where years, numbers or words say another thing
    text    near in meaning to an encoder; made by `recsys.linking`

Blocking: names are indexed by their runs of three signs (two where they hold Chinese or
Japanese), and an item meets the `NEAREST` names with which its `RARE` rarest runs are shared,
runs of more than `COMMON` names not counted. One wrong sign breaks three runs, so what may be
missed is a title of few signs with an error (less than the threshold anyway) and one whose every
run is common or broken. Equal titles are found without it. Other spellings of one sign
(traditional and simplified Chinese, é and e) are edits like others.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from kg.errors import DataError, UsageError
from kg.folders import write_text
from kg.hierarchy import folded
from kg.tables import pick_columns, read_table
from kg.triples import ENTITY_COLUMNS

HOW = ("exact", "fuzzy", "text")
PERSON = "person"
"""How a link was found that someone marked in the table for review."""
LEAST, MARGIN, WORTH = 0.9, 0.05, 0.6
OTHER_YEAR = OTHER_NUMBER = 0.7
ONE_YEAR = 0.96
"""Only one of the two says a year: less than `MARGIN` behind one that agrees, so both are told."""
OTHER_WORD = 0.85
ALIKE = 0.7
"""Words at least so similar may be one word with an error."""
RARER = 10
"""So many times rarer than the word itself may an error be that stands in several titles."""
RARE, COMMON, NEAREST = 12, 2000, 30
SHOWN = 3
"""Candidates of an item that a person sees."""
COLUMNS = ("item_id", "title", "entity_id", "name", "confidence", "how")
_SCHEMA = {name: pl.Float64 if name == "confidence" else pl.String for name in COLUMNS}
_ROWS = 500  # items whose shared runs are counted at once
_CLOSE = 1e-9


# What is compared


@dataclass(frozen=True)
class Titled:
    """n ids, each once, and what each is called ('': nothing)."""

    ids: tuple[str, ...]
    titles: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.ids) != len(self.titles):
            raise DataError(
                f"There must be a title per id ({len(self.ids)}). Got {len(self.titles)} instead."
            )
        if len(set(self.ids)) != len(self.ids):
            twice = Counter(self.ids).most_common(1)[0][0]
            raise DataError(f"Each id to link must stand once. Got {twice!r} more than once.")

    def __len__(self) -> int:
        return len(self.ids)


_YEAR = re.compile(r"\s*[(\[](1[89]\d\d|20\d\d)(?: film)?[)\]]$")
_ARTICLE = re.compile(r"(.+), (the|an?|les?|la|el|los|las|il|der|die|das)")
_CJK = "\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_SIGN = re.compile(f"[{_CJK}]")
_BESIDE_SIGN = re.compile(rf"(?<=[{_CJK}]) | (?=[{_CJK}])")
_COUNTED = (
    (2, "ii iii iv v vi vii viii ix x"),
    (1, "one two three four five six seven eight nine ten"),
    (1, "first second third fourth fifth sixth seventh eighth ninth tenth"),
)
_VALUE = {word: str(n) for first, words in _COUNTED for n, word in enumerate(words.split(), first)}
_NUMBER = re.compile(rf"\d+|[一二三四五六七八九十上下]|\b(?:{'|'.join(_VALUE)})\b")


class _Signs(dict[int, str]):
    """What becomes of a sign: an apostrophe goes, other punctuation parts words."""

    def __missing__(self, code: int) -> str:
        kind = unicodedata.category(chr(code))
        gone = chr(code) in "'’ʼ" or kind == "Cf"
        self[code] = "" if gone else " " if kind[0] in "PZC" else chr(code)
        return self[code]


_SIGNS = _Signs()


def stem(title: str) -> tuple[str, int]:
    """The title as it is compared, and the year in brackets at its end (0: none)."""
    text, year = folded(title), 0
    hit = _YEAR.search(text)
    if hit and hit.start() > 0:
        text, year = text[: hit.start()], int(hit[1])
    if article := _ARTICLE.fullmatch(text):
        text = f"{article[2]} {article[1]}"
    plain = " ".join(text.translate(_SIGNS).split())
    return _BESIDE_SIGN.sub("", plain) or text, year


def numbers(text: str) -> tuple[str, ...]:
    """The numbers that a stem holds, sorted: 'part ii', 'part two' and 'part 2' hold the same."""
    found = _NUMBER.findall(text)
    return tuple(sorted(_VALUE.get(word, word.lstrip("0") or "0") for word in found))


@dataclass(frozen=True)
class _Keys:
    """n stems and their years, int64 [n]."""

    stems: list[str]
    years: np.ndarray

    @classmethod
    def of(cls, titled: Titled) -> _Keys:
        pairs = [stem(title) for title in titled.titles]
        return cls([text for text, _ in pairs], np.array([year for _, year in pairs], np.int64))

    def own(self) -> dict[tuple[str, int], int]:
        """The places of those that nobody else can be taken for, by stem and year.

        One without a year can be taken for each of its name.
        """
        keys = list(zip(self.stems, self.years.tolist(), strict=True))
        named, dated = Counter(self.stems), Counter(keys)
        return {
            key: place
            for place, key in enumerate(keys)
            if key[0] and (dated[key] if key[1] else named[key[0]]) == 1
        }


# Candidates


@dataclass(frozen=True, eq=False)
class Candidates:
    """P pairs: item and entity int64 [P], places in the two `Titled`; confidence float64 [P] in
    [0, 1]; how int64 [P], places in `HOW`. No pair stands twice.
    """

    item: np.ndarray
    entity: np.ndarray
    confidence: np.ndarray
    how: np.ndarray

    @classmethod
    def of(cls, pairs: np.ndarray, confidence: np.ndarray, how: str) -> Candidates:
        """Of pairs [2, P] found in one way."""
        kind = np.full(pairs.shape[1], HOW.index(how))
        return cls(pairs[0], pairs[1], confidence.astype(np.float64), kind)

    def __len__(self) -> int:
        return len(self.item)

    def joined(self, other: Candidates) -> Candidates:
        """Both; of a pair that stands in both, what is said here."""
        parts = zip(self._arrays(), other._arrays(), strict=True)
        item, entity, confidence, how = (np.concatenate(part) for part in parts)
        _, first = np.unique(np.stack([item, entity]), axis=1, return_index=True)
        return Candidates(item[first], entity[first], confidence[first], how[first])

    def ranked(self) -> tuple[Candidates, np.ndarray]:
        """By item, the surest first (ties by entity); and the place int64 [P] within the item."""
        order = np.lexsort((self.entity, -self.confidence, self.item))
        sorted_ = Candidates(*(array[order] for array in self._arrays()))
        begins = np.searchsorted(sorted_.item, sorted_.item)
        return sorted_, np.arange(len(self)) - begins

    def where(self, kept: np.ndarray) -> Candidates:
        """Those of a mask bool [P]."""
        return Candidates(*(array[kept] for array in self._arrays()))

    def _arrays(self) -> tuple[np.ndarray, ...]:
        return self.item, self.entity, self.confidence, self.how


def candidates(
    items: Titled, entities: Titled, *, worth: float = WORTH, fuzzy: bool = True
) -> Candidates:
    """Pairs whose confidence is at least `worth`; an item with an exact one has only that.

    Without `fuzzy`, only pairs of equal stems; with it, `UsageError` if rapidfuzz is missing.
    """
    if fuzzy:
        _rapidfuzz()
    a, b = _Keys.of(items), _Keys.of(entities)
    exact = _exact(a, b)
    rest = np.setdiff1d(np.arange(len(items)), exact[0])
    pairs = _equal_stems(a, b, rest)
    if fuzzy:
        pairs = np.unique(np.concatenate([pairs, _near(a, b, rest)], axis=1), axis=1)
    confidence = _confidence(a, b, pairs, worth) if fuzzy else _agreement(a, b, pairs)
    kept = confidence >= worth - _CLOSE
    found = Candidates.of(pairs[:, kept], confidence[kept], "fuzzy")
    return Candidates.of(exact, np.ones(exact.shape[1]), "exact").joined(found)


def _rapidfuzz() -> Any:
    try:
        import rapidfuzz.distance
        import rapidfuzz.process
    except ImportError:
        raise UsageError(
            "Titles that are spelled differently are compared by the package rapidfuzz, which is "
            "not installed: pip install 'kgintent[link]'."
        ) from None
    return rapidfuzz


def _pairs(found: Sequence[tuple[int, int]]) -> np.ndarray:
    return np.array(found, np.int64).reshape(-1, 2).T


def _exact(a: _Keys, b: _Keys) -> np.ndarray:
    """Pairs int64 [2, P] of equal stem and year that are the only ones of both sides."""
    mine, theirs = a.own(), b.own()
    return _pairs([(place, theirs[key]) for key, place in mine.items() if key in theirs])


def _equal_stems(a: _Keys, b: _Keys, rest: np.ndarray) -> np.ndarray:
    """Pairs int64 [2, P] of equal stems, whatever their years; at most `NEAREST` an item."""
    called: dict[str, list[int]] = {}
    for place, text in enumerate(b.stems):
        if text:
            called.setdefault(text, []).append(place)
    return _pairs([(i, e) for i in rest.tolist() for e in called.get(a.stems[i], [])[:NEAREST]])


def _runs(text: str) -> set[str]:
    """The runs of three signs of a stem, of two where it holds scripts without spaces."""
    length, padded = (2 if _SIGN.search(text) else 3), f" {text} "
    return {padded[at : at + length] for at in range(len(padded) - length + 1)} if text else set()


def _near(a: _Keys, b: _Keys, rest: np.ndarray) -> np.ndarray:
    """Pairs int64 [2, P] that share rare runs, at most `NEAREST` an item; see the module."""
    known: dict[str, int] = {}
    lists = [[known.setdefault(run, len(known)) for run in _runs(text)] for text in b.stems]
    names = _sparse(lists, len(known))
    spread = np.bincount(names.indices, minlength=len(known))
    rare = [_rarest(a.stems[i], known, spread) for i in rest.tolist()]
    wanted, columns = _sparse(rare, len(known)), names.T.tocsr()
    # A run that few names have says more, as in tf-idf.
    wanted.data = np.log1p(len(b.stems) / np.maximum(spread, 1))[wanted.indices].astype(np.float32)
    found = [np.empty((2, 0), np.int64)]
    for start in range(0, len(rest), _ROWS):
        row, entity = _best(wanted[start : start + _ROWS] @ columns)
        found.append(np.stack([rest[start + row], entity]))
    return np.concatenate(found, axis=1)


def _rarest(text: str, known: dict[str, int], spread: np.ndarray) -> list[int]:
    runs = sorted(known[run] for run in _runs(text) if run in known)
    runs = [run for run in runs if spread[run] <= COMMON]
    return sorted(runs, key=spread.__getitem__)[:RARE]


def _sparse(lists: Sequence[Sequence[int]], width: int) -> sparse.csr_matrix:
    """float32 [rows, width] with a 1 at each number of each row's list."""
    ends = np.cumsum([0, *(len(row) for row in lists)])
    places = np.fromiter((place for row in lists for place in row), np.int64, int(ends[-1]))
    ones = np.ones(len(places), np.float32)
    return sparse.csr_matrix((ones, places, ends), shape=(len(lists), width))


def _best(shared: sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Row and column int64 [P] of the `NEAREST` largest entries of each row."""
    kept = []
    for start, end in itertools.pairwise(shared.indptr.tolist()):
        best = np.arange(start, end)
        if end - start > NEAREST:  # sorting them all would cost ten times the rest
            best = start + np.argpartition(-shared.data[start:end], NEAREST)[:NEAREST]
        kept.append(best)
    row = np.repeat(np.arange(shared.shape[0]), [len(best) for best in kept])
    return row, shared.indices[np.concatenate(kept)].astype(np.int64)


# Confidence


def _confidence(a: _Keys, b: _Keys, pairs: np.ndarray, worth: float) -> np.ndarray:
    """float64 [P] of pairs [2, P]: the similarity of the stems, cut by what contradicts."""
    fuzz = _rapidfuzz()
    mine, theirs = [a.stems[i] for i in pairs[0]], [b.stems[e] for e in pairs[1]]
    osa = fuzz.distance.OSA.normalized_similarity
    similar = np.zeros(0)
    if mine:
        similar = fuzz.process.cpdist(mine, theirs, scorer=osa, dtype=np.float64).reshape(-1)
    kept = np.flatnonzero(similar >= worth - _CLOSE)
    out = np.zeros(len(similar))
    out[kept] = similar[kept] * _agreement(a, b, pairs[:, kept])
    used = Counter(word for text in (*a.stems, *b.stems) for word in set(text.split()))
    for at in np.flatnonzero((out >= worth - _CLOSE) & (similar < 1)).tolist():
        if _other_word(mine[at], theirs[at], osa, used):
            out[at] = min(out[at], similar[at] * OTHER_WORD)  # a number is a word: not cut twice
    return out


def _agreement(a: _Keys, b: _Keys, pairs: np.ndarray) -> np.ndarray:
    """float64 [P]: 1, or less where the years or the numbers of a pair [2, P] differ."""
    mine, theirs = a.years[pairs[0]], b.years[pairs[1]]
    year = np.where((mine > 0) & (theirs > 0), OTHER_YEAR, ONE_YEAR)
    counted = [numbers(a.stems[i]) == numbers(b.stems[e]) for i, e in pairs.T.tolist()]
    return np.where(mine == theirs, 1.0, year) * np.where(counted, 1.0, OTHER_NUMBER)


def _other_word(one: str, other: str, similarity: Any, used: Counter[str]) -> bool:
    """Whether a word of either has none like it in the other: a long title hides its edits.

    Words that both stand in several titles about as often (wire, fire) are no errors of each
    other.
    """
    left, right = one.split(), other.split()
    mine = [word for word in left if word not in right]
    theirs = [word for word in right if word not in left]
    if "".join(left) == "".join(right):
        return False
    like = [
        [similarity(word, near) >= ALIKE and _error(used[word], used[near]) for near in theirs]
        for word in mine
    ]
    return not (all(map(any, like)) and all(map(any, zip(*like, strict=True))) and mine and theirs)


def _error(one: int, other: int) -> bool:
    """Whether of words in so many titles one may be an error of the other."""
    return min(one, other) < 2 or RARER * min(one, other) <= max(one, other)


def agreement(items: Titled, entities: Titled, pairs: np.ndarray) -> np.ndarray:
    """float64 [P]: 1, or less where years or numbers of the pairs int64 [2, P] contradict."""
    return _agreement(_Keys.of(items), _Keys.of(entities), pairs)


# Decision


@dataclass(frozen=True, eq=False)
class Links:
    """What is linked, tables with the columns `COLUMNS`.

    accepted  one row per item and per entity
    review    up to `SHOWN` rows per item that is not accepted, the surest first
    none      the items of no candidate
    """

    accepted: pl.DataFrame
    review: pl.DataFrame
    none: tuple[str, ...]

    def table(self) -> pl.DataFrame:
        """entity_id, item_id, confidence, how of what is accepted, sorted."""
        kept = self.accepted.select("entity_id", "item_id", "confidence", "how")
        return kept.sort("entity_id", "item_id")

    def write_review(self, file: str | Path) -> None:
        """The table for a person, with an empty column `take` to mark; `DataError` if it cannot
        be written.
        """
        rows = self.review.with_columns(take=pl.lit(""))
        # The mark at the start tells a spreadsheet that the file is UTF-8.
        write_text(Path(file), "\ufeff" + rows.write_csv(float_precision=4, quote_style="always"))

    def with_reviewed(self, taken: pl.DataFrame) -> Links:
        """With the links of `read_review`, which outweigh what was accepted: an item that loses
        its entity to them goes to review.
        """
        fresh = self.accepted.join(taken, on="item_id", how="anti")
        kept = fresh.join(taken, on="entity_id", how="anti")
        lost = fresh.join(kept, on="item_id", how="anti")
        review = pl.concat([self.review.join(taken, on="item_id", how="anti"), lost])
        told = set(taken["item_id"])
        none = tuple(item for item in self.none if item not in told)
        return replace(self, accepted=pl.concat([kept, taken]), review=review, none=none)


def link(
    items: Titled,
    entities: Titled,
    least: float = LEAST,
    *,
    margin: float = MARGIN,
    worth: float = WORTH,
    fuzzy: bool = True,
) -> Links:
    """Which entity each item is, by titles alone; see the module, `candidates` and `decide`."""
    found = candidates(items, entities, worth=worth, fuzzy=fuzzy)
    return decide(items, entities, found, least, margin=margin)


def decide(
    items: Titled, entities: Titled, found: Candidates, least: float = LEAST, *,
    margin: float = MARGIN,
) -> Links:  # fmt: skip
    """What is accepted of the candidates.

    That is the best one of an item if its confidence is at least `least` and it is exact or
    `margin` ahead of the second; not if other items claim its entity, unless it alone is exact.
    Raises `UsageError` unless 0 < least <= 1 and 0 <= margin <= 1.
    """
    if not (0 < least <= 1 and 0 <= margin <= 1):
        raise UsageError(
            f"Linking needs 0 < least <= 1 and 0 <= margin <= 1. Got {least:g} and {margin:g}."
        )
    found, place = found.ranked()
    sure = (place == 0) & (found.confidence >= least - _CLOSE)
    exact = found.how == HOW.index("exact")
    sure &= exact | (found.confidence - _second(found, place) >= margin - _CLOSE)
    claims = np.bincount(found.entity[sure], minlength=len(entities))
    sure &= exact | (claims[found.entity] == 1)
    open_ = ~np.isin(found.item, found.item[sure]) & (place < SHOWN)
    none = np.setdiff1d(np.arange(len(items)), found.item)
    accepted, review = (_frame(items, entities, found.where(kept)) for kept in (sure, open_))
    return Links(accepted, review, tuple(items.ids[i] for i in none))


def _second(found: Candidates, place: np.ndarray) -> np.ndarray:
    """float64 [P]: of a ranked table, the confidence that comes next in the same item, or 0."""
    follows = np.append(place[1:] > 0, False)
    return np.where(follows, np.append(found.confidence[1:], 0.0), 0.0)


def _frame(items: Titled, entities: Titled, found: Candidates) -> pl.DataFrame:
    mine, theirs = found.item.tolist(), found.entity.tolist()
    columns = (
        [items.ids[i] for i in mine], [items.titles[i] for i in mine],
        [entities.ids[e] for e in theirs], [entities.titles[e] for e in theirs],
        found.confidence, [HOW[code] for code in found.how],
    )  # fmt: skip
    return pl.DataFrame(dict(zip(COLUMNS, columns, strict=True)), schema=_SCHEMA)


# Files


def read_entities(path: str | Path) -> Titled:
    """Entities of a table with entity_id and name, or of a plain folder's entities.csv.

    Raises `UsageError` if there is no such file, `DataError` naming the row of an id that is
    empty or stands twice.
    """
    file = Path(path) / "entities.csv" if Path(path).is_dir() else Path(path)
    table = read_table(file)
    roles = pick_columns(table, ENTITY_COLUMNS, {}, needed=("entity_id", "name"), where=str(file))
    ids = _cells(table, roles["entity_id"])
    seen: set[str] = set()
    for row, key in enumerate(ids, 1):
        if not key or key in seen:
            raise DataError(
                f"{file}, row {row}: each entity id must be there and stand once. Got {key!r}."
            )
        seen.add(key)
    return Titled(tuple(ids), tuple(_cells(table, roles["name"])))


def read_review(file: str | Path, items: Titled, entities: Titled) -> pl.DataFrame:
    """The links that a person marked with x, yes or 1, with the columns `COLUMNS`; confidence 1.

    Empty, no and 0 mean: not this one. Raises `DataError` naming the row of another mark, of an
    id that is not known, and of an item or an entity that is marked twice.
    """
    table = read_table(file)
    wanted = {name: (name,) for name in ("item_id", "entity_id", "take")}
    roles = pick_columns(table, wanted, {}, needed=tuple(wanted), where=str(file))
    cells = (_cells(table, roles[name]) for name in wanted)
    titles, names = (dict(zip(t.ids, t.titles, strict=True)) for t in (items, entities))
    taken = [
        (item, titles[item], entity, names[entity], 1.0, PERSON)
        for item, entity in _taken(zip(*cells, strict=True), titles, names, str(file))
    ]
    return pl.DataFrame(taken, schema=_SCHEMA, orient="row")


def _taken(
    rows: Iterator[tuple[str, str, str]], titles: dict[str, str], names: dict[str, str], where: str
) -> Iterator[tuple[str, str]]:
    """The marked pairs, checked."""
    seen: set[tuple[str, str]] = set()
    for row, (item, entity, mark) in enumerate(rows, 1):
        for kind, key, known in (("item", item, titles), ("entity", entity, names)):
            if key not in known:
                raise DataError(f"{where}, row {row}: there is no {kind} {key!r} in its table.")
        if folded(mark) in ("", "no", "0"):
            continue
        if folded(mark) not in ("x", "yes", "1"):
            raise DataError(
                f"{where}, row {row}: take must be x, yes or 1, or empty. Got {mark!r} instead."
            )
        for end in (("item", item), ("entity", entity)):
            if end in seen:
                raise DataError(
                    f"{where}, row {row}: each {end[0]} must be taken once. Got {end[1]!r} again."
                )
            seen.add(end)
        yield item, entity


def _cells(table: pl.DataFrame, column: str) -> list[str]:
    return table[column].str.strip_chars().fill_null("").to_list()
