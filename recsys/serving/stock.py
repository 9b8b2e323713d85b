"""What is said of an item's being in stock: yes, no, or how many there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kg.errors import UsageError

YES = ("yes", "true", "y", "t", "in stock", "in_stock", "instock", "available", "有货", "是")
NO = ("no", "false", "n", "f", "out of stock", "out_of_stock", "sold out", "缺货", "否")


def in_stock(said: object) -> bool | None:
    """Whether an item is there, by a bool, a number or a word; None for what says neither."""
    word = str(said).strip().casefold()
    if word in YES or word in NO:
        return word in YES
    try:
        count = float(word)
    except ValueError:
        return None
    return None if count != count else count > 0


def stock_told(flags: Mapping[Any, object]) -> dict[str, bool]:
    """By id, for what was said of each; `UsageError` for what says neither yes nor no."""
    if not hasattr(flags, "items"):
        raise UsageError(
            "with_stock needs a mapping of ids to True or False. "
            f"Got a {type(flags).__name__} instead."
        )
    out: dict[str, bool] = {}
    for key, said in flags.items():
        there = in_stock(said)
        if there is None:
            raise UsageError(
                f"What with_stock is told of an item must be True or False, yes, no or a number. "
                f"Got {said!r} of {str(key)!r} instead."
            )
        out[str(key)] = there
    return out
