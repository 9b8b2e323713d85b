"""Names of facts that are known to come from what people did: what they bought together, sales.

A name is read without its spelling: `salesRank`, `sales rank` and `sales-rank` are sales_rank.
"""

from __future__ import annotations

import re

from kg.building.hierarchy import folded

_CHOSEN = re.compile(
    r"also_?(bought|buy|viewed|view)|(bought|buy)_?(together|after)|frequently_?(bought|together)|"
    r"customers?_(who|also)|co_?(purchase|view|click)|"
    r"[还還也又][买買看]|也?会买|[购購][买買]了|一起[购購]?[买買]|(共同|一同)[购購][买買]|看了又看"
)  # fmt: skip
"""Relations between items that other people's choices made."""
_DONE = "sales|sold|clicks|views|purchases|orders|reviews|ratings|likes|votes|downloads"
_COUNTED = f"{_DONE}|plays|buyers|customers|users|events|interactions"
_MIDDLE = "median|mean|avg|average"
_USED = re.compile(
    rf"(^|_)(tags?|ratings?|popularity|reviews?|{_DONE}|best_?sellers?|"
    r"(sales?|popularity|best_?sellers?)_?rank(ing)?|rating_(value|score)|\w+_counts?|num_\w+)$|"
    rf"(^|_)(n|nr|no|number_of|count_of|total)_({_COUNTED})($|_)|"
    rf"(^|_)({_MIDDLE})_\w+|\w_({_MIDDLE})$|"
    r"[销銷][量售][额額量]?$|[销銷][量售][额額量]|月[销銷]|已售|售出|[卖賣]出|成交|[热熱暢畅][销銷賣卖]|"
    r"([购購][买買]|下[单單]|付款|[浏瀏][览覽]|[点點][击擊]|收藏|加[购購]|[评評][论論价價]|"
    r"播放|下[载載]|[关關]注)(次?[数數]|量|人[数數])|"
    r"[评評]分|好[评評]率?|[评評][论論价價]$|均[价價值]|平均|中位|人[气氣]|[热熱]度|流行度|"
    r"[标標][签簽籤]|[排榜][名单單行]"
)  # fmt: skip
"""Facts that are known to come from use: tags of users, means over a period, counts."""


def spelled(name: str) -> str:
    """The words of a name, small, joined by _: `averageRating` and `average rating` are one. A
    point stays: `film.film.rating` of Freebase is of another kind.
    """
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^\w.]+", "_", folded(apart))


def chosen(name: str) -> bool:
    """Whether a relation of this name is what people chose."""
    return _CHOSEN.search(spelled(name)) is not None


def used(name: str) -> bool:
    """Whether a fact of this name may come from use."""
    return _USED.search(spelled(name)) is not None
