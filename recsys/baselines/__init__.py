"""Baselines: what a new model has to beat, each in one file.

The idea: no training loop, no tuning to hide behind. Each class is fitted in one call and frozen;
`scores(histories)` gives every item a number, so all of them are evaluated by the same function.

    base         Baseline: the protocol
    popularity   Popularity, RecentPopularity: the same list for everybody
    personal     PersonalFrequency: what this person touched often and lately, for buying again
    item_knn     ItemKNN: items touched by the same people
    rp3beta      RP3beta: a walk user, item, user, item, with a brake on popular items
    session_knn  SessionKNN: past histories that share most with the last events, for short ones
    tifu_knn     TIFUKNN: own baskets and those of people with alike ones, for buying again
    ease         EASE: a linear regression between items, in closed form
    ials         IALS: matrix factorisation by least squares in turns
    text_knn     TextKNN: items with a similar text; knows items that nobody touched yet
    content      a folder of those that learn what such items are worth
    learned      a folder of those that are trained by epochs
"""

from recsys.baselines.base import Baseline
from recsys.baselines.ease import EASE
from recsys.baselines.ials import IALS
from recsys.baselines.item_knn import ItemKNN
from recsys.baselines.personal import PersonalFrequency
from recsys.baselines.popularity import Popularity, RecentPopularity
from recsys.baselines.rp3beta import RP3beta
from recsys.baselines.session_knn import SessionKNN
from recsys.baselines.text_knn import TextKNN
from recsys.baselines.tifu_knn import TIFUKNN

__all__ = [
    "Baseline", "Popularity", "RecentPopularity", "PersonalFrequency", "ItemKNN", "RP3beta",
    "SessionKNN", "TIFUKNN", "EASE", "IALS", "TextKNN",
]  # fmt: skip
