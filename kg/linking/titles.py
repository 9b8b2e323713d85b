"""What is compared: titles folded, with their years and numbers."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

import numpy as np

from kg.building.hierarchy import folded
from kg.errors import DataError


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
SIGN = re.compile(f"[{_CJK}]")
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
class Keys:
    """n stems and their years, int64 [n]."""

    stems: list[str]
    years: np.ndarray

    @classmethod
    def of(cls, titled: Titled) -> Keys:
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
