"""Taxonomies: names in any language, the tree, the file, and each mistake in it once."""

import pytest

from kg.building.hierarchy import whole
from kg.errors import DataError, UsageError
from kg.intents.taxonomy import Intent, Taxonomy, describe

TEA = """
[[intent]]
key = "drinks"
name = "饮料"

[[intent]]
key = "tea"
parent = "drinks"
name.zh = "茶"
name.en = "Tea"
description.en = "Leaves and pots."
examples.en = ["green tea", "a teapot"]
categories = ["Tea", "茶叶"]

[[intent]]
key = "green"
parent = "tea"
name.en = "Green tea"
"""


def read(tmp_path, text, name="mine.toml"):
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return Taxonomy.read(file)


def test_a_file_is_read(tmp_path):
    found = read(tmp_path, TEA)
    assert found.keys == ("drinks", "tea", "green")
    assert found.intents[0] == Intent("drinks", {"zh": "饮料"})
    assert found.intents[1] == Intent(
        "tea", {"zh": "茶", "en": "Tea"}, {"en": "Leaves and pots."},
        {"en": ("green tea", "a teapot")}, ("Tea", "茶叶"), "drinks",
    )  # fmt: skip
    assert found.languages == ["en", "zh"]
    assert read(tmp_path, b"\xef\xbb\xbf" + TEA.encode()) == found  # as Windows saves it


def test_by_key_or_by_any_name(tmp_path):
    found = read(tmp_path, TEA)
    for word in ("tea", "TEA", " Tea", "茶", "ＴＥＡ"):
        assert found.find(word).key == "tea"
    with pytest.raises(UsageError, match=r"'gren tea' is not known.*Did you mean 'Green tea'"):
        found.find("gren tea")


def test_names_fall_back_to_english_and_then_to_what_there_is(tmp_path):
    found = read(tmp_path, TEA)
    assert [found.name("tea", code) for code in ("zh", "en", "de")] == ["茶", "Tea", "Tea"]
    assert (found.name("drinks", "en"), found.name("green", "zh")) == ("饮料", "Green tea")


def test_ancestors_nearest_first(tmp_path):
    found = read(tmp_path, TEA)
    assert found.ancestors("green") == ("tea", "drinks")
    assert found.ancestors("drinks") == ()


def test_descriptions_are_one_text_each(tmp_path):
    found = read(tmp_path, TEA)
    assert describe(found) == ["饮料", "Tea. Leaves and pots. green tea, a teapot", "Green tea"]
    assert describe(Taxonomy.bundled(), "zh")[5].startswith("旅游。想出门旅行：景点")


def test_plain_values_give_the_same_taxonomy(tmp_path):
    for one in (read(tmp_path, TEA), Taxonomy.bundled()):
        assert Taxonomy.parse(one.as_dict(), "here") == one


def test_ten_intents_of_daily_life_come_along():
    found = Taxonomy.read("everyday")
    assert [intent.names["zh"] for intent in found.intents] == (
        ["购物", "娱乐", "学习", "健身", "美食", "旅游", "科技", "电影", "音乐", "书籍"]
    )
    for intent in found.intents:
        assert set(intent.names) == set(intent.description) == set(intent.examples) == {"en", "zh"}
        assert all(len(set(texts)) >= 5 for texts in intent.examples.values())
        assert {name.isascii() for name in intent.categories} == {True, False}
    listed = [whole(name) for intent in found.intents for name in intent.categories]
    assert len(listed) == len(set(listed))
    assert not {"汽车用品", "医药保健", "建材", "工业品"} & set(listed)  # as the file says


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty: at least one [[intent]]"),
        (" \n", "is empty"),
        ("# nothing\n", "there is no intent: at least one [[intent]]"),
        ("intent = []", "there is no intent"),
        ("[intent]\nkey = 'a'\n", "'intent' must be tables that begin with [[intent]]"),
        ("[[intent]]\nkey = \n", "is not TOML"),
        (b"[[intent]]\nname = '\xff'\n", "line 2, holds the byte 0xff, which is not UTF-8"),
        ("[[intents]]\nkey = 'a'\n", "the key 'intents' is not known. Did you mean 'intent'?"),
        (
            "[[intent]]\nkey = 'a'\nname = 'A'\ncategorys = []\n",
            "the key 'categorys' of intent 1 ('a') is not known. Did you mean 'categories'?",
        ),
        ("[[intent]]\nkey = 'a'\n", "intent 1 ('a') must have 'name'"),
        ("[[intent]]\nname = 'A'\n", "intent 1 must have 'key'"),
        ("[[intent]]\nkey = 'a'\nname = ' '\n", "'a' must have a name"),
        ("[[intent]]\nkey = 'a'\nname = 3\n", "intent 1 ('a'): 'name' must be a text, or one per"),
        ("[[intent]]\nkey = 'a'\nname.zh = 3\n", "'name' must be a text, or one per language"),
        ("[[intent]]\nkey = 'a'\nname.Chinese = '甲'\n", "such as en or zh. Got 'Chinese'"),
        (
            "[[intent]]\nkey = 'a'\nname = 'A'\ncategories = 'x'\n",
            "'categories' must be a list of texts. Got 'x' instead",
        ),
        ("[[intent]]\nkey = 'a'\nname = 'A'\ncategories = ['']\n", "category of the intent 'a'"),
        (TEA + "[[intent]]\nkey = 'tea'\nname = 'Brew'\n", "Got 'tea' more than once"),
        (
            TEA + "[[intent]]\nkey = 'grün'\nname = 'GREEN  tea'\n",
            "'Green tea' of 'green' and 'GREEN  tea' of 'grün' differ only in how they are written",
        ),
        (TEA + "[[intent]]\nkey = 'brew'\nname = '茶'\n", "'茶' of 'brew' are the same"),
        (
            TEA + "[[intent]]\nkey = 'black'\nname = 'Black tea'\nparent = 'teas'\n",
            "The parent of the intent 'black' must be the key of an intent. Got 'teas' instead. "
            "Did you mean 'tea'?",
        ),
        (
            TEA.replace('key = "drinks"', 'key = "drinks"\nparent = "green"'),
            "go round in a circle: drinks → green → tea → drinks.",
        ),
    ],
)
def test_a_mistake_is_named_with_its_file(tmp_path, text, says):
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    assert says in str(caught.value)
    assert str(tmp_path / "mine.toml") in str(caught.value)


def test_neither_a_file_nor_one_that_comes_along(tmp_path):
    with pytest.raises(UsageError, match=r"evryday, and .* everyday\. Did you mean 'everyday'"):
        Taxonomy.read("evryday")
    with pytest.raises(UsageError, match="is a folder"):
        Taxonomy.read(tmp_path)


def test_an_intent_and_a_taxonomy_check_themselves():
    with pytest.raises(DataError, match="key of an intent must not be empty"):
        Intent(" ", {"en": "A"})
    with pytest.raises(DataError, match="at least one intent"):
        Taxonomy(())
    with pytest.raises(DataError, match="in a circle: a → a"):
        Taxonomy((Intent("a", {"en": "A"}, parent="a"),))


@pytest.mark.parametrize(
    ("key", "names"),
    [
        (
            "shopping",
            "服饰内衣 个护化妆 美妆护肤 美妆个护 家居家装 家居厨具 母婴玩具 女装 口红 面霜",
        ),
        ("shopping", "鞋靴箱包 礼品箱包 珠宝 钟表 积木 床上用品 厨具 宠物生活 女裝 美妝 居家生活"),
        (
            "technology",
            "家用电器 大家电 手机通讯 手机数码 数码电器 电脑办公 电脑、办公 耳机 3C 手機 家電",
        ),
        ("food", "食品饮料 食品生鲜 生鲜水果 酒类 茶叶 坚果 飲料 零食"),
        ("fitness", "运动户外 运动健康 運動"),
        ("books", "图书音像 圖書"),
        ("films", "电影票 電影"),
    ],
)
def test_departments_of_chinese_shops_have_a_place_in_the_bundled_one(key, names):
    found = Taxonomy.read("everyday")
    listed = {whole(name) for name in found.find(key).categories}
    assert [name for name in names.split() if whole(name) not in listed] == []
