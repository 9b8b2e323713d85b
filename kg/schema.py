"""Behaviours: what a person can do with an item, how much it says, and how it reads as text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kg.errors import DataError


@dataclass(frozen=True)
class Behaviour:
    """One kind of event.

    `weight` is its strength beside a view (1.0); `phrases` gives its verb per language. A phrase
    may use {item}, {query} and {value}; a bare verb means "verb {item}".
    """

    name: str
    weight: float = 1.0
    en: str = ""
    zh: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            raise DataError("A behaviour must have a name.")
        if not self.weight >= 0:
            raise DataError(
                f"The weight of behaviour {self.name!r} must be >= 0. Got {self.weight} instead."
            )

    def phrase(self, language: str) -> str:
        """The template in this language; a behaviour without one is written by its own name."""
        verb = {"en": self.en, "zh": self.zh}.get(language) or self.name
        if "{" in verb:
            return verb
        return verb + ("{item}" if language == "zh" else " {item}")


BEHAVIOURS: tuple[Behaviour, ...] = (
    Behaviour("view", 1.0, "viewed", "浏览"),
    Behaviour("click", 1.0, "clicked", "点击"),
    Behaviour("read", 1.0, "read", "阅读"),
    Behaviour("watch", 1.5, "watched", "观看"),
    Behaviour("listen", 1.5, "listened to", "收听"),
    Behaviour("play", 1.5, "played", "体验"),  # songs, films and games alike
    Behaviour("search", 1.0, "searched '{query}'", "搜索“{query}”"),
    Behaviour("favourite", 2.0, "favourited", "收藏"),
    Behaviour("follow", 2.0, "followed", "关注"),
    Behaviour("subscribe", 2.0, "subscribed to", "订阅"),
    Behaviour("cart", 2.5, "added {item} to the cart", "加购{item}"),
    Behaviour("rating", 1.5, "rated {item} {value}", "评价{item} {value}分"),
    Behaviour("purchase", 3.0, "bought", "购买"),
)

_OTHER_NAMES = {
    "viewed": "view", "pv": "view", "visit": "view", "detail": "view",
    "clicked": "click", "bought": "purchase", "buy": "purchase", "order": "purchase",
    "transaction": "purchase", "purchased": "purchase", "addtocart": "cart",
    "add_to_cart": "cart", "basket": "cart", "fav": "favourite", "favorite": "favourite",
    "like": "favourite", "wishlist": "favourite", "query": "search", "searched": "search",
    "rate": "rating", "rated": "rating", "watched": "watch",
    "listened": "listen", "played": "play",
    "浏览": "view", "点击": "click", "购买": "purchase", "搜索": "search", "收藏": "favourite",
    "加购": "cart", "关注": "follow", "订阅": "subscribe", "阅读": "read", "观看": "watch",
    "评价": "rating", "收听": "listen", "播放": "play",
}  # fmt: skip


TAKEN_BACK = frozenset({
    "return", "returned", "refund", "refunded", "cancel", "cancelled", "canceled", "cancellation",
    "remove_from_cart", "remove_from_wishlist", "unlike", "unliked", "dislike", "disliked",
    "unfavourite", "unfavorite", "unfollow", "unsubscribe", "not_interested", "not_relevant",
    "uninterested", "ignore", "ignored", "dismiss", "dismissed", "thumbs_down", "downvote",
    "downvoted", "hide", "hidden", "skip", "skipped", "block", "blocked", "mute", "muted",
    "reject", "rejected", "show_less", "see_less",
    "退货", "退款", "取消", "取消订单", "取消收藏", "取消关注", "移出购物车", "不喜欢", "不感兴趣",
    "踩", "忽略", "隐藏", "屏蔽", "跳过", "拉黑", "关闭推荐",
})  # fmt: skip
"""Names of events that are no sign of a liking: what was done is undone, or said no to."""

DECLINED = frozenset({
    "dislike", "disliked", "not_interested", "not_relevant", "uninterested", "dismiss", "dismissed",
    "thumbs_down", "downvote", "downvoted", "hide", "hidden", "block", "blocked", "mute", "muted",
    "reject", "rejected", "show_less", "see_less", "不喜欢", "不感兴趣", "踩", "隐藏", "屏蔽",
    "拉黑", "关闭推荐",
})  # fmt: skip
"""Those of them that ask not to be shown the item again (`kg.declined`)."""

SHOWN = frozenset({
    "impression", "impressions", "item_impression", "product_impression",
    "ad_impression", "list_impression", "view_item_list", "view_promotion", "exposure",
    "exposures", "exposed", "expose", "show", "shown", "display", "displayed", "曝光", "展示",
    "展现",
})  # fmt: skip
"""Names of events that say what somebody was shown, not what they did about it."""


def says_no(behaviour: Behaviour) -> bool:
    """Whether an event of this name is one of `TAKEN_BACK`; capitals and the mark between words do
    not matter.
    """
    return _bare(behaviour.name) in _NO


def declines(behaviour: Behaviour) -> bool:
    """Whether an event of this name is one of `DECLINED`, as in `says_no`."""
    return _bare(behaviour.name) in _NEVER


def says_shown(behaviour: Behaviour) -> bool:
    """Whether an event of this name is one of `SHOWN`, as in `says_no`."""
    return _bare(behaviour.name) in _SEEN


def _bare(name: str) -> str:
    """Without capitals and what stands between words: 'thumbsDown' is 'thumbs-down'."""
    return re.sub(r"[\W_]+", "", name.lower())


_NO, _NEVER, _SEEN = ({_bare(name) for name in names} for names in (TAKEN_BACK, DECLINED, SHOWN))


def behaviour_named(name: str, own: tuple[Behaviour, ...] = ()) -> Behaviour:
    """The behaviour of this name: the user's own first, then ours and their usual spellings.

    A name that nobody knows becomes a behaviour of weight 1 that reads as its own name.
    """
    key = name.strip().lower()
    key = _OTHER_NAMES.get(key, key)
    for behaviour in (*own, *BEHAVIOURS):
        if behaviour.name == key or behaviour.name == name:
            return behaviour
    return Behaviour(name.strip())
