"""Baselines: what a new model has to beat, each in one file.

The idea: no training loop, no tuning to hide behind. Each class is fitted in one call and frozen;
`scores(histories)` gives every item a number, so all of them are evaluated by the same function.

    base         Baseline: the protocol
    popularity   Popularity, RecentPopularity: the same list for everybody
    item_knn     ItemKNN: items touched by the same people
    ease         EASE: a linear regression between items, in closed form
    text_knn     TextKNN: items with a similar text; knows items that nobody touched yet
"""

from recsys.baselines.base import Baseline
from recsys.baselines.ease import EASE
from recsys.baselines.item_knn import ItemKNN
from recsys.baselines.popularity import Popularity, RecentPopularity
from recsys.baselines.text_knn import TextKNN

__all__ = ["Baseline", "Popularity", "RecentPopularity", "ItemKNN", "EASE", "TextKNN"]
