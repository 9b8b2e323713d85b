"""Behaviours: what a person can do with an item, how much it says, and how it reads as text."""

from __future__ import annotations

import re
from collections.abc import Mapping
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
    Behaviour("checkout", 2.5, "began to check out {item}", "结算"),
    Behaviour("rating", 1.5, "rated {item} {value}", "评价{item} {value}分"),
    Behaviour("purchase", 3.0, "bought", "购买"),
)

OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "view": (
        "viewed", "pv", "page_view", "screen_view", "visit", "visited", "browse", "browsed",
        "detail", "detail_view", "view_detail", "detail_page_view", "product_detail_view",
        "view_item", "viewed_item", "item_view", "item_viewed", "view_product", "viewed_product",
        "product_view", "product_viewed", "view_content", "content_view",
        "浏览", "浏览商品", "商品浏览", "浏览详情", "查看", "查看商品", "查看详情", "访问", "瀏覽",
        "瀏覽商品", "商品瀏覽", "查看詳情", "檢視", "造訪", "訪問",
    ),
    "click": (
        "clicked", "tap", "tapped", "item_click", "product_click", "product_clicked", "click_item",
        "click_product", "select_item", "select_content", "clickthrough",
        "点击", "点击商品", "商品点击", "點擊", "點擊商品", "點選",
    ),
    "read": ("阅读", "閱讀"),
    "watch": ("watched", "观看", "觀看"),
    "listen": ("listened", "收听", "收聽"),
    "play": ("played", "播放"),
    "search": (
        "searched", "query", "site_search", "product_search", "products_searched",
        "search_submitted", "view_search_results",
        "搜索", "检索", "查询", "搜尋", "搜寻", "檢索", "查詢",
    ),
    "favourite": (
        "favourited", "favorite", "favorited", "fav", "like", "liked", "love", "loved", "thumbs_up",
        "upvote", "upvoted", "bookmark", "bookmarked", "save", "saved", "collect", "collected",
        "wishlist", "wishlisted", "add_to_wishlist", "added_to_wishlist",
        "product_added_to_wishlist", "add_to_favourites", "add_to_favorites",
        "收藏", "收藏商品", "加收藏", "加入收藏", "添加收藏", "点赞", "赞", "喜欢", "加入心愿单",
        "點讚", "按讚", "讚", "喜歡", "加入願望清單", "加入心願單",
    ),
    "follow": ("followed", "关注", "關注", "追蹤"),
    "subscribe": ("subscribed", "订阅", "訂閱"),
    "cart": (
        "add_to_cart", "added_to_cart", "add_cart", "cart_add", "cart_addition", "product_added",
        "product_added_to_cart", "carted", "basket", "add_to_basket", "added_to_basket",
        "add_to_bag", "added_to_bag",
        "加购", "加购物车", "加入购物车", "添加购物车", "添加到购物车", "放入购物车", "购物车",
        "加车", "加購", "加購物車", "加入購物車", "添加到購物車", "放入購物車", "購物車",
    ),
    "checkout": (
        "begin_checkout", "start_checkout", "checkout_started", "initiate_checkout",
        "initiated_checkout", "proceed_to_checkout", "add_shipping_info", "add_payment_info",
        "payment_info_entered", "payment_info_submitted",
        "结算", "去结算", "结账", "立即购买", "結算", "去結算", "結帳", "立即購買",
    ),
    "rating": (
        "rate", "rated", "review", "reviewed",
        "评价", "评分", "打分", "评论", "評價", "評分", "評論",
    ),
    "purchase": (
        "purchased", "purchase_complete", "buy", "bought", "order", "ordered", "order_placed",
        "placed_order", "place_order", "order_completed", "checkout_completed", "transaction",
        "sold", "pay", "paid", "payment", "conversion", "in_app_purchase",
        "购买", "已购买", "买", "下单", "提交订单", "订单", "支付", "支付成功", "付款", "付款成功",
        "成交", "交易", "复购", "回购", "購買", "已購買", "買", "下單", "提交訂單", "訂單", "復購",
        "回購",
    ),
}  # fmt: skip
"""What else a behaviour is called in logs, tools and shops, by its name; capitals and the marks
between words do not matter.
"""


TAKEN_BACK = frozenset({
    "return", "returned", "refund", "refunded", "cancel", "cancelled", "canceled", "cancellation",
    "order_cancelled", "order_canceled", "order_refunded", "remove_from_cart", "removed_from_cart",
    "remove_from_wishlist", "product_removed", "product_removed_from_wishlist", "unlike", "unliked",
    "dislike", "disliked", "unfavourite", "unfavorite", "unfollow", "unsubscribe", "not_interested",
    "not_relevant", "uninterested", "ignore", "ignored", "dismiss", "dismissed", "thumbs_down",
    "downvote", "downvoted", "hide", "hidden", "skip", "skipped", "block", "blocked", "mute",
    "muted", "reject", "rejected", "show_less", "see_less",
    "退货", "退款", "取消", "取消订单", "取消收藏", "取消关注", "取消点赞", "移出购物车",
    "删除购物车", "不喜欢", "不感兴趣", "踩", "忽略", "隐藏", "屏蔽", "跳过", "拉黑", "关闭推荐",
    "退貨", "取消訂單", "取消關注", "取消點讚", "移出購物車", "刪除購物車", "不喜歡", "不感興趣",
    "隱藏", "跳過", "封鎖", "關閉推薦",
})  # fmt: skip
"""Names of events that are no sign of a liking: what was done is undone, or said no to."""

DECLINED = frozenset({
    "dislike", "disliked", "not_interested", "not_relevant", "uninterested", "dismiss", "dismissed",
    "thumbs_down", "downvote", "downvoted", "hide", "hidden", "block", "blocked", "mute", "muted",
    "reject", "rejected", "show_less", "see_less",
    "不喜欢", "不感兴趣", "踩", "隐藏", "屏蔽", "拉黑", "关闭推荐", "不喜歡", "不感興趣", "隱藏",
    "封鎖", "關閉推薦",
})  # fmt: skip
"""Those of them that ask not to be shown the item again (`kg.declined`)."""

SHOWN = frozenset({
    "impression", "impressions", "item_impression", "product_impression", "ad_impression",
    "list_impression", "view_item_list", "view_promotion", "exposure", "exposures", "exposed",
    "expose", "show", "shown", "display", "displayed",
    "曝光", "展示", "展现", "展現",
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
_USUAL = {_bare(other): name for name, others in OTHER_NAMES.items() for other in (name, *others)}


def behaviour_named(name: str, own: tuple[Behaviour, ...] = ()) -> Behaviour:
    """The behaviour of this name: the user's own first, then ours and their `OTHER_NAMES`; capitals
    and the marks between words do not matter, unless two of the user's own differ in nothing else.

    A name that nobody knows becomes a behaviour of weight 1 that reads as its own name.
    """
    name = name.strip()
    bare = _bare(name)
    exact = next((kind for kind in own if kind.name == name), None)
    if exact is not None or not bare:  # such as a thumb
        return exact or Behaviour(name)
    usual = _USUAL.get(bare)
    for key in (bare, _bare(usual or "")):
        if key and (found := next((kind for kind in own if _bare(kind.name) == key), None)):
            return found
    return next((kind for kind in BEHAVIOURS if kind.name == usual), Behaviour(name))
