"""Full-width forms, as East Asian keyboards write them: １，２９９ is 1,299."""

from __future__ import annotations

import polars as pl

_WIDE = [*map(chr, range(0xFF01, 0xFF5F)), "\u3000", "￥"]
_NARROW = [*map(chr, range(0x21, 0x7F)), " ", "¥"]
_ANY = "[\uff01-\uff5e\u3000￥]"


def narrow(text: pl.Series) -> pl.Series:
    """The cells with ASCII in place of its full-width forms, the ideographic space and ￥ too.

    Not NFKC, which makes 102 of 10².
    """
    if not text.str.contains(_ANY).any():
        return text
    return text.str.replace_many(_WIDE, _NARROW)
