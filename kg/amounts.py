"""Numbers as people write them: 1299, 1,299.00, 1.299,00 €, $1299, 1 299, ￥1，299起, 1.2万元."""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from kg.widths import narrow

_SIGNS = {  # by the one that stands for all
    "€": ("EUR", "欧元", "歐元"), "$": ("USD", "US$", "美元", "美金"), "£": ("GBP", "英镑", "英鎊"),
    "¥": ("￥", "CNY", "RMB", "CN¥", "元", "块", "人民币", "人民幣"),
    "HK$": ("HKD", "港币", "港幣", "港元"),
    "NT$": ("NTD", "TWD", "台币", "台幣", "新台币", "新台幣"),
}  # fmt: skip
_OTHERS = ("CHF", "JPY", "SEK", "NOK", "DKK", "PLN", "CZK", "円", "zł", "kr.", "kr")
_SAME = {other: sign for sign, others in _SIGNS.items() for other in others}
_WORDS = sorted({*_SIGNS, *_SAME, *_OTHERS}, key=lambda word: (-len(word), word))
_SIGN = rf"(?:{'|'.join(map(re.escape, _WORDS))}|\p{{Sc}})"
_MANY = r"\s*[万萬]"
_END = rf"\s*{_SIGN}?\s*起?$"  # 起: from this price on
_SPACED = "^[+-]?\\d{1,3}(?:[ '’\u00a0\u202f]\\d{3})+(?:[.,]\\d+)?$"
_POINT = r"^[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?$"  # 1,299.00
_COMMA = r"^[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+)?$"  # 1.299,00
_THOUSANDS = r"^[+-]?[1-9]\d{0,2}\.\d{3}$"  # 1.299 may be meant so


@dataclass(frozen=True)
class Amounts:
    """The numbers of a column, Float64 with null where a cell is empty, or None where some cell
    is no number; whether they are money; and a sentence on what is doubtful or keeps them from
    being numbers ('': nothing).
    """

    values: pl.Series | None
    money: bool = False
    note: str = ""


def read_amounts(text: pl.Series) -> Amounts:
    """Of cells [n] without white space around them, null where empty.

    A sign of one currency, marks between thousands and 起 ("from") are passed over, 万 is ten
    thousand; whether the decimals stand behind a point or a comma is judged by the whole column,
    and where both readings would do and differ, the column is no numbers. Cells 'nan' are empty.
    """
    plain = narrow(text).cast(pl.Float64, strict=False)
    if plain.null_count() == text.null_count():
        if plain.is_infinite().any():
            return Amounts(None)
        return Amounts(plain.fill_nan(None), False, _doubt(narrow(text)))
    point, comma, signs = _readings(text)
    if len(signs) > 1:
        return Amounts(None, True, f"amounts in {' and '.join(signs)} are not read as numbers")
    least = min(point.null_count(), comma.null_count()) - text.null_count()
    if least:
        return Amounts(None, bool(signs), _strangers(text, point, comma, least))
    if point.null_count() == comma.null_count() and not point.equals(comma):
        odd = int((point != comma).fill_null(False).arg_max() or 0)
        both = f"{text[odd]!r} may be {point[odd]:g} or {comma[odd]:g}"
        return Amounts(None, bool(signs), f"{both}, so that the column is not read as numbers: "
                       "write decimals behind a point and nothing between thousands")  # fmt: skip
    whole = point if point.null_count() == text.null_count() else comma
    return Amounts(whole, bool(signs))


def read_known(text: pl.Series) -> Amounts:
    """As `read_amounts`, of a column that is known to hold numbers: a cell that is none, may be
    two, or is of another currency than most is null, and counted in the note.
    """
    found = read_amounts(text)
    if found.values is not None:
        return found
    plain = narrow(text).cast(pl.Float64, strict=False)
    plain = plain.set(plain.is_infinite().fill_null(False), None).fill_nan(None)
    point, comma, signs = _readings(text)
    first, other = (point, comma) if point.null_count() <= comma.null_count() else (comma, point)
    values = first.fill_null(other).fill_null(plain)
    if point.null_count() == comma.null_count():
        values = values.set((point != comma).fill_null(False), None)
    if len(signs) > 1:
        own = _signs(narrow(text))
        values = values.set((own != own.drop_nulls().mode().sort()[0]).fill_null(False), None)
    return Amounts(values, bool(signs), _lost(text, values))


def _lost(text: pl.Series, values: pl.Series) -> str:
    """How many cells are no number, and the first of them; '' if all are."""
    lost = values.is_null() & text.is_not_null()
    if not lost.any():
        return ""
    row, filled = int(lost.arg_max() or 0), len(text) - text.null_count()
    return (f"{lost.sum():,} of {filled:,} cells cannot be read as numbers, such as {text[row]!r} "
            f"in row {row + 1}: unknown for these items")  # fmt: skip


def _signs(text: pl.Series) -> pl.Series:
    """The sign of currency of each cell, as one of its spellings; null: none."""
    before = text.str.extract(rf"^[+-]?({_SIGN})\s*[+-]?\d", 1)
    after = text.str.extract(rf"\d(?:{_MANY})?\s*({_SIGN})\s*起?$", 1)
    return before.fill_null(after).replace(_SAME)


def _readings(text: pl.Series) -> tuple[pl.Series, pl.Series, list[str]]:
    """Float64 each: the cells with decimals behind a point, and behind a comma (null: not of this
    form); and the signs of currency.
    """
    text = narrow(text)
    signs = _signs(text).drop_nulls().unique().sort().to_list()
    bare = text.str.replace(rf"^([+-]?){_SIGN}\s*", "${1}").str.replace(_END, "")
    many = bare.str.contains(_MANY + "$").fill_null(False)
    bare = bare.str.replace(_MANY + "$", "")
    packed = bare.str.replace_all("[ '’\u00a0\u202f]", "")
    bare = packed.zip_with(bare.str.contains(_SPACED).fill_null(False), bare)
    return _read(bare, many, _POINT, ","), _read(bare, many, _COMMA, "."), signs


def _read(bare: pl.Series, many: pl.Series, form: str, between: str) -> pl.Series:
    """Float64, null where a cell is not of this form with this mark between thousands; ten thousand
    times as much where `many`.
    """
    fits = bare.set(~bare.str.contains(form).fill_null(False), None)
    packed = fits.str.replace_all(between, "", literal=True).str.replace(",", ".", literal=True)
    return packed.zip_with(~many, packed + "e4").cast(pl.Float64, strict=False)


def _strangers(text: pl.Series, point: pl.Series, comma: pl.Series, least: int) -> str:
    """What keeps a column of numbers, but for less than half of its cells, from being one."""
    filled = len(text) - text.null_count()
    if 2 * least >= filled:
        return ""
    best = point if point.null_count() <= comma.null_count() else comma
    first = text.filter(best.is_null() & text.is_not_null())[0]
    verb = "is" if least == 1 else "are"
    return (f"{least:,} of {filled:,} cells {verb} no number, such as {first!r}, so that the "
            "column is not read as numbers: leave such cells empty to have them")  # fmt: skip


def _doubt(text: pl.Series) -> str:
    """Where every point stands before three digits, it may be meant as a mark of thousands."""
    pointed = text.filter(text.str.contains(".", literal=True).fill_null(False))
    if len(pointed) == 0 or not pointed.str.contains(_THOUSANDS).all():
        return ""
    return (f"{pointed[0]!r} is read as {float(pointed[0]):g}: write nothing between thousands "
            "if more is meant")  # fmt: skip
