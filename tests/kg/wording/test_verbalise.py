"""Behaviour as text: the sentences by hand, and no look past the prefix."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.catalog import Catalog
from kg.clean import clean
from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.testing import planted, tiny
from kg.wording.templates import Phrase, Templates
from kg.wording.verbalise import (
    prefix_lengths,
    verbalise_items,
    verbalise_prefixes,
    verbalise_users,
)


def rated(title: str, value: float) -> str:
    catalog = Catalog.of(["a"], [title])
    log = EventLog.of(["u"], ["a"], behaviour="rating", value=np.array([value]))
    return verbalise_users(clean(log, catalog.ids)[0], catalog)[0]


def test_users_in_english() -> None:
    world = tiny()
    texts = verbalise_users(world.log, world.catalog)
    assert texts[0] == "bought Nail Polish; searched 'red nail polish'; viewed Red Lipstick"
    assert texts[1] == "bought Rain Jacket; added Rain Jacket to the cart; viewed Trail Shoes"
    assert len(texts) == 6


def test_users_in_chinese_oldest_first() -> None:
    catalog = Catalog.of(["a", "b", "c"], ["商品A", "商品B", "商品C"])
    log = EventLog.of(["u"] * 3, ["a", "b", "c"], behaviour=["click", "view", "purchase"])
    texts = verbalise_users(
        clean(log, catalog.ids)[0], catalog, templates=Templates("zh", newest_first=False)
    )
    assert texts == ["点击商品A，浏览商品B，购买商品C"]


def test_what_is_played_may_be_a_song_a_film_or_a_game() -> None:
    catalog = Catalog.of(["a", "b", "c"], ["Yesterday", "Heat", "Chess"])
    kinds = ["listened", "watched", "play"]
    log = clean(EventLog.of(["u"] * 3, ["a", "b", "c"], behaviour=kinds), catalog.ids)[0]
    assert [kind.name for kind in log.behaviours] == ["listen", "play", "watch"]
    texts = verbalise_users(log, catalog)
    assert texts == ["played Chess; watched Heat; listened to Yesterday"]
    texts = verbalise_users(log, catalog, templates=Templates("zh"))
    assert texts == ["体验Chess，观看Heat，收听Yesterday"]


def test_last_keeps_the_newest_and_a_user_without_events_is_empty() -> None:
    world = tiny()
    log = world.log.take(world.log.user != 3)
    texts = verbalise_users(log, world.catalog, last=1)
    assert texts[0] == "bought Nail Polish"
    assert texts[3] == ""


def test_prefixes_read_only_what_came_before() -> None:
    world = tiny()
    texts = verbalise_prefixes(world.log, world.catalog, np.arange(6), last=2)
    assert texts == [
        "",
        "viewed Red Lipstick",
        "searched 'red nail polish'; viewed Red Lipstick",
        "",
        "viewed Trail Shoes",
        "added Rain Jacket to the cart; viewed Trail Shoes",
    ]


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_a_prefix_text_does_not_depend_on_later_events(seed: int, last: int) -> None:
    world = planted(np.random.default_rng(seed), users=4, items=9, categories=3, events=5)
    ends = np.random.default_rng(seed).integers(0, len(world.log), 7)
    texts = verbalise_prefixes(world.log, world.catalog, ends, last=last)
    before = prefix_lengths(world.log)
    for end, text in zip(ends.tolist(), texts, strict=True):
        index = np.arange(end - before[end], end)
        alone = verbalise_users(world.log.take(index), world.catalog, last=last)
        assert alone[world.log.user[end]] == text


@given(st.text(), st.text())
def test_braces_in_titles_and_queries_are_only_text(title: str, query: str) -> None:
    phrase = Phrase.parse("search", "searched '{query}' near {item}")
    assert phrase.fill("<" + title, "<" + query, 1.0) == f"searched '<{query}' near <{title}"


def test_braces_in_a_title() -> None:
    world = tiny()
    assert verbalise_items([5], world.catalog) == "viewed Camping {Stove}"
    assert rated("{value} {x!r:>9}", 3.0) == "rated {value} {x!r:>9} 3"


def test_a_rating_shows_its_value() -> None:
    assert rated("Heat", 4.0) == "rated Heat 4"
    assert rated("Heat", 3.5) == "rated Heat 3.5"
    assert rated("Heat", float("nan")) == "rated Heat"


def test_a_missing_value_or_item_leaves_no_hole() -> None:
    chinese = Phrase.parse("rating", "评价{item} {value}分")
    assert chinese.fill("电影", "", 4.0) == "评价电影 4分"
    assert chinese.fill("电影", "", None) == "评价电影"
    assert Phrase.parse("r", "gave {value} stars to {item}").fill("X", "", None) == (
        "gave stars to X"
    )
    assert Phrase.parse("search", "searched '{query}'").fill("X", "", None) == "searched 'X'"
    assert Phrase.parse("view", "viewed {item}").fill("", "", None) == ""


def test_titles_are_cut() -> None:
    catalog = Catalog.of(["a", "b"], ["x" * 200, "two\n lines"])
    assert verbalise_items([0], catalog) == "viewed " + "x" * 79 + "…"
    assert verbalise_items([1], catalog) == "viewed two lines"


def test_items_with_own_behaviours_and_decoration() -> None:
    world = tiny()
    templates = Templates(
        phrases={"bought": "purchased", "juggle": "juggled {item}"},
        separator=" | ", opening="Shopper: ", closing=".",
    )  # fmt: skip
    text = verbalise_items(
        [0, 6], world.catalog, behaviour=["juggle", "purchase"], templates=templates
    )
    assert text == "Shopper: purchased Teapot | juggled Red Lipstick."
    assert verbalise_items([], world.catalog, templates=templates) == ""


def test_templates_from_toml(tmp_path) -> None:
    file = tmp_path / "words.toml"
    file.write_text(
        'language = "zh"\nnewest_first = false\n[phrases]\nview = "看了{item}"\n', "utf-8"
    )
    templates = Templates.read(file)
    assert templates == Templates("zh", {"view": "看了{item}"}, newest_first=False)
    assert verbalise_items([6, 0], tiny().catalog, templates=templates) == (
        "看了Teapot，看了Red Lipstick"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('seperator = "|"', "separator"),
        ('[phrases]\nview = "saw {itm}"', r"\{itm\} instead. Did you mean 'item'"),
        ('[phrases]\nview = "saw {item!r}"', r"phrase of 'view'"),
        ('[phrases]\nview = "saw {item"', "broken"),
        ("[phrases]\nview = 3", "a table of texts"),
        ('language = "fr"', "'en' or 'zh'"),
        ('newest_first = "yes"', "of type bool"),
        ("title_length = 0", ">= 1"),
        ("language = ", "not readable TOML"),
    ],
)
def test_a_wrong_template_file_is_named(tmp_path, text: str, told: str) -> None:
    file = tmp_path / "words.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(DataError, match=told) as caught:
        Templates.read(file)
    assert str(file) in str(caught.value)


def test_misuse_is_refused() -> None:
    world = tiny()
    with pytest.raises(UsageError, match="'last'"):
        verbalise_users(world.log, world.catalog, last=0)
    with pytest.raises(UsageError, match=r"'ends'.* Got 15"):
        verbalise_prefixes(world.log, world.catalog, np.array([3, 15]))
    with pytest.raises(UsageError, match="one behaviour per item"):
        verbalise_items([1, 2], world.catalog, behaviour=["view"])
    with pytest.raises(UsageError, match="Item codes"):
        verbalise_items([-1], world.catalog)
    with pytest.raises(DataError, match="number the same items"):
        verbalise_users(EventLog.of(["u"], ["i1"]), world.catalog)


def test_many_users_do_not_take_minutes() -> None:
    world = planted(np.random.default_rng(0), users=2000, items=60, events=8)
    start = time.perf_counter()
    assert len(verbalise_users(world.log, world.catalog)) == 2000
    assert time.perf_counter() - start < 5


def test_searches_in_a_live_history():
    world = tiny()
    text = verbalise_items(
        [0, -1, 1], world.catalog, behaviour=["view", "search", "view"], query=["", "red", ""]
    )
    assert text == "viewed Nail Polish; searched 'red'; viewed Red Lipstick"
    with pytest.raises(UsageError, match=r"must be in \[0"):
        verbalise_items([-1], world.catalog)
