"""The catalogue: items with a title, a text and typed attributes; users with attributes.

An attribute is a sparse relation from rows to named values (a category, a brand, several tags).
Numbers become bands by quantile, so that each attribute can be a node of the knowledge graph; the
numbers themselves are kept beside, for those who ask for a range.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from kg import given
from kg.alike import ByValue
from kg.amounts import Amounts, read_amounts, read_known
from kg.broken import Broken
from kg.errors import BrokenLine, DataError, UsageError
from kg.events import CHINESE_ITEMS, CHINESE_USERS, EVENT_COLUMNS
from kg.ids import Vocab
from kg.tables import Table, pick_columns, place, read_cells, table_name, without_empty
from kg.vectors import Vectors

ITEM_COLUMNS: dict[str, tuple[str, ...]] = {
    "item_id": ("item_id", "item", "itemid", "id", "sku", "product_id", "productid", "movie_id",
                "movieid", "asin", "article_id", "stock_code", *CHINESE_ITEMS),
    "title": ("title", "name", "item_name", "product_name", "标题", "名称", "商品名称", "商品名",
              "商品标题", "物品名称", "产品名称",
              "標題", "名稱", "商品名稱", "商品標題", "產品名稱"),
    "text": ("text", "description", "abstract", "plot", "描述", "简介", "商品描述", "商品简介",
             "商品介绍", "商品详情", "簡介", "商品簡介", "商品介紹", "商品詳情"),
}  # fmt: skip
USER_COLUMNS: dict[str, tuple[str, ...]] = {
    "user_id": ("user_id", "user", "userid", "customer_id", "household_id", "id", *CHINESE_USERS),
}
MAX_SHARE = 0.5
"""A column with more distinct values than this share of its rows is an identifier, not a group."""


@dataclass(frozen=True, eq=False)
class Attribute(ByValue):
    """M pairs (row, value): row int64 [M] into the table, value int64 [M] into `values`."""

    name: str
    values: Vocab
    row: np.ndarray
    value: np.ndarray

    def __post_init__(self) -> None:
        if len(self.row) != len(self.value):
            raise DataError(f"Attribute {self.name!r} must have one value per row entry.")
        if self.row.size and (
            self.row.min() < 0 or self.value.min() < 0 or self.value.max() >= len(self.values)
        ):
            raise DataError(f"Attribute {self.name!r} points outside its rows or values.")

    @classmethod
    def of(cls, name: str, cells: Sequence[Sequence[str]]) -> Attribute:
        """From the list of values of each row; a row may have none or several."""
        values = Vocab.of((v for cell in cells for v in cell), name)
        row = np.repeat(np.arange(len(cells)), [len(cell) for cell in cells]).astype(np.int64)
        return cls(name, values, row, values.encode([v for cell in cells for v in cell]))

    def of_row(self, row: int) -> list[str]:
        """The values of one row."""
        return self.values.decode(self.value[self.row == row])

    def cells(self, rows: int) -> list[list[str]]:
        """The values of every row, in the row's own order."""
        out: list[list[str]] = [[] for _ in range(rows)]
        for row, value in zip(self.row.tolist(), self.value.tolist(), strict=True):
            out[row].append(self.values.ids[value])
        return out


@dataclass(frozen=True, eq=False)
class Catalog(ByValue):
    """N items (or users): ids, a title and a text each (empty: none), attributes, and perhaps
    named vectors of some of them. `numbers` float64 [N] by column, NaN where a row has none.
    """

    ids: Vocab
    titles: tuple[str, ...]
    texts: tuple[str, ...]
    attributes: tuple[Attribute, ...] = ()
    ignored: tuple[str, ...] = ()
    vectors: tuple[Vectors, ...] = ()
    numbers: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (len(self.ids) == len(self.titles) == len(self.texts)):
            raise DataError("A Catalog must have one title and one text per id.")
        for attribute in self.attributes:
            if attribute.row.size and attribute.row.max() >= len(self.ids):
                raise DataError(f"Attribute {attribute.name!r} names a row beyond the catalogue.")
        names = [vectors.name for vectors in self.vectors]
        if len(set(names)) != len(names):
            raise DataError(f"Each name of vectors must stand once. Got {', '.join(names)}.")
        for vectors in self.vectors:
            if vectors.row.size and vectors.row[-1] >= len(self.ids):
                raise DataError(f"Vectors {vectors.name!r} name a row beyond the catalogue.")
        for name, values in self.numbers.items():
            if values.shape != (len(self.ids),):
                raise DataError(f"The numbers {name!r} of a Catalog must be one per id.")

    def __len__(self) -> int:
        return len(self.ids)

    def attribute(self, name: str) -> Attribute | None:
        """The attribute of this name, or None."""
        return next((a for a in self.attributes if a.name == name), None)

    def with_vectors(self, *vectors: Vectors) -> Catalog:
        """The same rows with these vectors too."""
        return replace(self, vectors=self.vectors + vectors)

    def title(self, code: int) -> str:
        """What to call the item: its title, or its id."""
        return self.titles[code] or self.ids.ids[code]

    def full_texts(self) -> list[str]:
        """What the text encoder reads per item: title, text, then categories and brand.

        An item with nothing to read gives the empty text.
        """
        parts = [[t, x] for t, x in zip(self.titles, self.texts, strict=True)]
        for attribute in self.attributes:
            if attribute.name in TEXT_ATTRIBUTES:
                for row, cell in enumerate(attribute.cells(len(self))):
                    parts[row].append(", ".join(furthest(cell)))
        return [". ".join(p for p in part if p) for part in parts]

    @classmethod
    def of(
        cls,
        ids: Iterable[object],
        titles: Iterable[object] | None = None,
        texts: Iterable[object] | None = None,
        attributes: Mapping[str, Iterable[object]] | None = None,
        *,
        name: str = "item",
        ignored: tuple[str, ...] = (),
        numbers: Mapping[str, Iterable[object]] | None = None,
    ) -> Catalog:
        """A catalogue from columns (`kg.given`: lists, arrays or Series, by position), sorted by
        id. A cell of an attribute is a list of values, or one value; missing cells are empty.

        Raises `DataError` naming the first empty or repeated id, a column of another length, or the
        place of what is no number.
        """
        keys = given.ids(ids, f"The ids of a Catalog of {name}s")
        label = "The column {!r} of a Catalog".format
        words = {key: None if column is None else given.texts(column, label(key))
                 for key, column in (("titles", titles), ("texts", texts))}  # fmt: skip
        cells = {key: given.lists(column, label(key)) for key, column in (attributes or {}).items()}
        told = {key: given.numbers(column, label(key)) for key, column in (numbers or {}).items()}
        for column_name, column in (*words.items(), *cells.items(), *told.items()):
            if column is not None and len(column) != len(keys):
                raise DataError(
                    f"{label(column_name)} must have one entry per id ({len(keys)}). "
                    f"Got {len(column)} instead."
                )
        vocab = Vocab.of(keys, name)
        if len(vocab) != len(keys):
            twice = next(key for key, count in Counter(keys).items() if count > 1)
            raise DataError(f"Each {name} id must stand once. Got {twice!r} more than once.")
        order = sorted(range(len(keys)), key=keys.__getitem__)

        def sort(column: list[str | None] | None) -> tuple[str, ...]:
            return tuple((column[i] or "") if column is not None else "" for i in order)

        built = tuple(Attribute.of(key, [rows[i] for i in order]) for key, rows in cells.items())
        sorted_numbers = {key: column[order] for key, column in told.items()}
        return cls(vocab, sort(words["titles"]), sort(words["texts"]), built, ignored, (),
                   sorted_numbers)  # fmt: skip

    @classmethod
    def read(
        cls,
        path: Table,
        *,
        columns: Mapping[str, str] | None = None,
        kind: str = "item",
    ) -> Catalog:
        """Items (or, with kind="user", users) from CSV, TSV or Parquet, gzipped or not, or from a
        frame of polars or pandas.

        `columns` maps a role (item_id, title, text) to a column name; any other role, such as
        `category=cat`, renames an attribute and keeps it whatever it holds. Roles of other files
        (user, time, …) are passed over. Cells may hold several values joined by '|'; a category
        that is a path ("Home > Garden") is each of its beginnings. Cells of `NULLS` are empty.
        """
        return read_catalog(path, columns=columns, kind=kind).catalog


@dataclass(frozen=True)
class CatalogFile:
    """A table as it was read: which column plays which role ({role: column}), the columns that
    nothing is made of ({column: why}), and sentences on cells that were not taken as they stand.
    """

    catalog: Catalog
    roles: Mapping[str, str]
    unused: Mapping[str, str]
    notes: tuple[str, ...]


def read_catalog(
    path: Table, *, columns: Mapping[str, str] | None = None, kind: str = "item",
    facts: Collection[str] = (), numbers: Collection[str] = (), broken: Broken | None = None,
) -> CatalogFile:  # fmt: skip
    """As `Catalog.read`, with what was made of the file. Lines that have another number of cells,
    or no id, go to `broken`, if given.

    Columns that are known by name to hold `facts` or `numbers` do so whatever a few rows look like:
    a cell of numbers that is none is empty, and told.
    """
    if kind not in ("item", "user"):
        raise UsageError(f"The kind of a Catalog must be 'item' or 'user'. Got {kind!r} instead.")
    wanted = ITEM_COLUMNS if kind == "item" else USER_COLUMNS
    mapping = dict(columns or {})
    main = {role: name for role, name in mapping.items() if role in wanted}
    own = [name for role, name in mapping.items() if role in main or role not in _ROLES]
    frame, odd = read_cells(path, own, broken)
    where = table_name(path)
    key = f"{kind}_id"
    roles = pick_columns(frame, wanted, main, needed=(key,), where=where)
    renamed = {n: r for r, n in mapping.items() if r not in _ROLES and n in frame.columns}
    rows = np.arange(1, frame.height + 1)
    if broken is not None:
        frame, rows = without_empty(frame, [roles[key]], where, broken)
    keys = frame[roles[key]].str.strip_chars()
    ids = keys.fill_null("").to_list()
    if "" in ids:
        raise BrokenLine(
            f"{place(where, ids.index('') + 1)}: column {roles[key]!r} must not be empty."
        )
    if not (once := keys.is_first_distinct()).all():
        row = int(np.flatnonzero(~once.to_numpy())[0])
        line = place(where, int(rows[row]))
        raise DataError(f"{line}: each {kind} id must stand once. Got {ids[row]!r} again.")
    frame, said = without_nulls(frame, roles[key])
    found = _columns(frame, set(roles.values()), renamed, facts, numbers)
    found.unused |= {name: f"of the type {kind.partition('(')[0]}" for name, kind in odd.items()}
    text = {role: frame[name].fill_null("").to_list() for role, name in roles.items()}
    try:
        catalog = Catalog.of(ids, text.get("title"), text.get("text"), found.cells, name=kind,
                             ignored=tuple(renamed.get(name, name) for name in found.unused),
                             numbers=found.numbers)  # fmt: skip
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    return CatalogFile(catalog, roles, found.unused, (*said, *found.notes))


NULLS = ("NULL", "Null", "null", "NaN", "nan", "None", "N/A", "n/a", "#N/A", "<NA>")
"""What programs write where they know nothing: such a cell is empty. 'NA' may be a country, and
'none' an answer."""


def without_nulls(frame: pl.DataFrame, key: str) -> tuple[pl.DataFrame, list[str]]:
    """Cells without white space around them, null for `NULLS` beside the ids; a sentence of it."""
    cells, counts, words = [], {}, set()
    for column in frame:
        text = column.str.strip_chars().replace("", None)
        empty = text.is_in(NULLS).fill_null(False)
        if column.name != key and empty.any():
            counts[column.name] = int(empty.sum())
            words |= set(text.filter(empty).unique())
            text = text.set(empty, None)
        cells.append(text)
    if not counts:
        return pl.DataFrame(cells), []
    return pl.DataFrame(cells), [
        f"{sum(counts.values()):,} cells that read {', '.join(sorted(words))} are taken as empty: "
        + ", ".join(counts)
    ]


CATEGORY_NAMES = ("category", "categories", "in_category", "genre", "genres", "has_genre",
                  "department", "in_department", "product_category", "类别", "类目",
                  "分类", "品类", "商品类别", "商品类目", "商品分类",
                  "類別", "類目", "分類", "品類", "商品類別", "商品類目", "商品分類")  # fmt: skip
"""Attributes and relations that say what kind of thing an item is, the likeliest first."""
TEXT_ATTRIBUTES = (*CATEGORY_NAMES, "brand", "品牌")
_ROLES = {*EVENT_COLUMNS, *ITEM_COLUMNS, *USER_COLUMNS}
FEW_ROWS = 20
"""Up to so many filled rows nothing is taken for an identifier."""
CALLED_ID = re.compile(r"(^|[_\W\u4e00-\u9fff])(id|ID|Id)$|[a-z]I[Dd]$|(编|編)(号|號|码|碼)$")
CALLED_PRICE = re.compile(r"price|preis|prix|precio|prezzo|cost|价|價", re.IGNORECASE)
PATH = r"\S\s*[>＞]\s*\S"
"""A cell that is a path of categories."""
MANY_NUMBERS = 200
"""A column of numbers with more distinct values than this becomes bands."""


@dataclass
class _Columns:
    """What is made of the columns that play no role."""

    cells: dict[str, list[list[str]]] = field(default_factory=dict)
    numbers: dict[str, np.ndarray] = field(default_factory=dict)
    unused: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def _columns(
    frame: pl.DataFrame, used: set[str], renamed: Mapping[str, str],
    facts: Collection[str] = (), numbers: Collection[str] = (),
) -> _Columns:  # fmt: skip
    """Values of each row and float64 [N] of columns that are numbers, NaN where a cell is empty;
    why nothing is made of a column; what is doubtful. The cells have no white space around them.
    Of a column that is known to be `numbers` and no `facts`, nothing but the numbers is made.
    """
    out = _Columns()
    for column in frame.columns:
        if column in used:
            continue
        asked = column in renamed
        if not asked and column in renamed.values():
            out.unused[column] = "another column has this name"
            continue
        name = renamed.get(column, column)
        known = name in numbers
        amounts = (read_known if known else read_amounts)(frame[column])
        if amounts.note:
            out.notes.append(f"{column}: {amounts.note}")
        if amounts.values is not None and (known or amounts.values.null_count() < len(frame)):
            out.numbers[name] = amounts.values.to_numpy().astype(float)
        if known and name not in facts:
            continue
        cells = _cells(frame[column], amounts, name, keep=asked or name in facts)
        if isinstance(cells, str):
            out.unused[column] = cells
        else:
            out.cells[name] = cells
    return out


def _cells(text: pl.Series, amounts: Amounts, name: str, *, keep: bool) -> list[list[str]] | str:
    """The values of each row; why not, for an empty column or (unless `keep`) an identifier.

    Many numbers become bands, unless the column is called an id (manufacturer_id): then equal
    numbers are one thing. Whole numbers that hardly repeat are an identifier, prices are not. A
    category that is a path is each of its beginnings too.
    """
    filled, plain = text.len() - text.null_count(), amounts.values
    if plain is not None and plain.null_count() < len(plain):
        numbers = plain.drop_nulls()
        lonely = filled > FEW_ROWS and numbers.n_unique() > MAX_SHARE * filled
        price = amounts.money or CALLED_PRICE.search(f"{text.name} {name}") is not None
        whole = bool((numbers % 1 == 0).all()) and not price
        if lonely and whole and not keep:
            return "whole numbers that hardly repeat"
        many = numbers.n_unique() > MANY_NUMBERS
        if not CALLED_ID.search(text.name) and (many or (lonely and not whole)):
            return _bands(plain)
        text = text.set(plain.is_null(), None)
    cells = [
        list(dict.fromkeys(part.strip() for part in cell.split("|") if part.strip()))
        for cell in text.fill_null("").to_list()
    ]
    if name.lower() in CATEGORY_NAMES:
        cells = [_beginnings(cell) for cell in cells]
        keep |= 2 * int(text.str.contains(PATH).sum()) > filled  # many leaves, but few beginnings
    distinct = len({value for cell in cells for value in cell})
    if distinct == 0:
        return "empty"
    told = sum(map(len, cells))  # of lists each value counts: a circle of friends is no identifier
    lonely = filled > FEW_ROWS and distinct > MAX_SHARE * told
    return "nearly one value a row" if lonely and not keep else cells


def _beginnings(cell: list[str]) -> list[str]:
    """The values of a cell, of paths each beginning."""
    if not any(re.search(PATH, value) for value in cell):
        return cell
    return list(dict.fromkeys(v for path in cell for v in ancestry(path)))


def ancestry(path: str, mark: str = ">") -> list[str]:
    """The beginnings of a path, each written with ' > ': "A>B" gives "A", "A > B". '＞' is '>'."""
    if mark in (">", "＞"):
        path, mark = path.replace("＞", ">"), ">"
    parts = [part for part in map(str.strip, path.split(mark)) if part]
    return [" > ".join(parts[: depth + 1]) for depth in range(len(parts))]


def furthest(values: Iterable[str]) -> list[str]:
    """Those that are the beginning of no other one."""
    every = list(values)
    return [v for v in every if not any(other.startswith(f"{v} > ") for other in every)]


def _bands(plain: pl.Series, count: int = 5) -> list[list[str]]:
    """Numbers with many values, as `quantile_bands`."""
    values = plain.to_numpy().astype(float)
    return [[name] if name else [] for name in quantile_bands(values, count)]


def quantile_bands(values: np.ndarray, count: int) -> list[str]:
    """The band of each number [n], '' for NaN: at most `count` of them that hold as many numbers
    each, named by their limits.
    """
    known = ~np.isnan(values)
    if not known.any():
        return [""] * len(values)
    edges = np.unique(np.quantile(values[known], np.linspace(0, 1, count + 1)))
    band = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, max(len(edges) - 2, 0))
    names = [f"{a:g}–{b:g}" for a, b in itertools.pairwise(edges)] or [f"{edges[0]:g}"]
    return [names[int(b)] if ok else "" for b, ok in zip(band, known, strict=True)]
