"""Names of behaviours: the user's own first, then those of shops, tools and languages."""

import re
from pathlib import Path

import pytest

from kg.schema import (
    BEHAVIOURS,
    OTHER_NAMES,
    SHOWN,
    TAKEN_BACK,
    Behaviour,
    behaviour_named,
    declines,
    says_no,
    says_shown,
)

DOCS = Path(__file__).parents[2] / "docs" / "data.md"


@pytest.mark.parametrize(
    ("known", "names"),
    [
        ("cart", "加入购物车 加购物车 加入購物車 add_to_cart Add-to-Cart addToCart ProductAdded"),
        ("checkout", "checkout begin_checkout Checkout_Started InitiateCheckout 去结算 結帳"),
        ("purchase", "下单 支付 付款 成交 購買 ordered paid Order_Completed purchase-complete"),
        ("view", "瀏覽 view_item Product_Viewed PV detail-page-view"),
        ("click", "點擊 select_item product_click"),
        ("favourite", "点赞 add_to_wishlist AddToWishlist Bookmark 加入收藏"),
        ("search", "搜尋 view_search_results Search"),
        ("rating", "評價 评分 rated"),
        ("follow", "關注 followed"),
    ],
)
def test_a_behaviour_is_known_by_its_usual_names(known: str, names: str) -> None:
    for name in names.split():
        assert behaviour_named(name).name == known, name
        assert behaviour_named(name.replace("_", " ")).name == known, name


def test_ones_own_behaviour_comes_first_whatever_stands_between_its_words() -> None:
    own = (Behaviour("add-to-cart", 9.0), Behaviour("purchase", 7.0), Behaviour("Buy", 5.0))
    assert behaviour_named("Add to cart", own).weight == 9.0
    assert behaviour_named("ordered", own).weight == 7.0  # a usual name of one's own
    assert behaviour_named("buy", own).weight == 5.0
    twins = (Behaviour("tap-in", 2.0), Behaviour("tapin", 3.0))
    assert [behaviour_named(name, twins).weight for name in ("tapin", "tap-in")] == [3.0, 2.0]


@pytest.mark.parametrize("name", ["👍", "?", "--", "加单", "reorder"])
def test_what_nobody_knows_keeps_its_name(name: str) -> None:
    assert behaviour_named(f" {name} ", (Behaviour("!", 9.0),)) == Behaviour(name)


def test_no_name_means_two_things() -> None:
    told = [name for names in OTHER_NAMES.values() for name in names]
    assert len({behaviour_named(name).name for name in told}) == len(OTHER_NAMES)
    for name, names in OTHER_NAMES.items():
        assert all(behaviour_named(other).name == name for other in (name, *names))
    for name in (*told, *(kind.name for kind in BEHAVIOURS)):
        assert not says_no(Behaviour(name)), name
        assert not says_shown(Behaviour(name)), name


@pytest.mark.parametrize("name", ["退貨", "取消訂單", "移出購物車", "Product Removed", "不感興趣"])
def test_what_is_taken_back_is_known_in_traditional_characters_too(name: str) -> None:
    assert says_no(Behaviour(name))
    assert declines(Behaviour(name)) == (name == "不感興趣")
    assert not {name} & SHOWN
    assert TAKEN_BACK


def test_the_documentation_lists_the_names() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) \| (.*) \|$", DOCS.read_text("utf-8"), re.MULTILINE)
    assert {name: float(weight) for name, weight, _ in rows} == {
        kind.name: kind.weight for kind in BEHAVIOURS
    }
    for name, _, others in rows:
        assert others.split(", ") == list(OTHER_NAMES[name])
