"""The words of a reason, in English and in Chinese; any other language is told in English.

A relation is called as the graph calls it, an item by its title: those are in the language of the
data already. Usual English names of what items share (category, brand) have Chinese ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kg.schema import behaviour_named


@dataclass(frozen=True)
class Reasons:
    """Templates of one language; {title}, {verb}, {people}, {also}, {told}, {word}, {name}, {head},
    {tail} and {cosine} are filled in. `…_alike` is for items that nobody has met yet.
    """

    because: str
    people: str
    same: str
    fact: str
    chose: str
    met: str
    again: str
    text: str
    went_on: str
    went_on_alike: str
    unknown: str
    history: str
    history_alike: str
    profile: str
    profile_alike: str
    popular: str
    unmet: str


ENGLISH = Reasons(
    because="because you {verb} {title}: {told}",
    people="{people} people who {verb} it also {verb} {also}",
    same="same {word}: {name}",
    fact="{head} {word} {tail}",
    chose="chose",
    met="met",
    again="because you come back to it",
    text="its text is close to {title} (similarity {cosine:.2f})",
    went_on="people who met {title} went on to it",
    went_on_alike="people who met {title} went on to items like it",
    unknown="nothing is known of it yet",
    history="people with a history like yours went on to it",
    history_alike="people with a history like yours went on to items like it",
    profile="people with a profile like yours chose it",
    profile_alike="people with a profile like yours chose items like it",
    popular="popular with everyone",
    unmet="nobody has met it yet",
)
CHINESE = Reasons(
    because="因为你{verb}过“{title}”：{told}",
    people="{people}人{verb}过它，也{verb}过“{also}”",
    same="相同的{word}：{name}",
    fact="“{head}” {word} “{tail}”",
    chose="选择",
    met="接触",
    again="因为你会一再选择它",
    text="文字与“{title}”相近（相似度 {cosine:.2f}）",
    went_on="接触过“{title}”的人随后也选择了它",
    went_on_alike="接触过“{title}”的人随后选择了与它相似的物品",
    unknown="对它还一无所知",
    history="与你经历相似的人随后也选择了它",
    history_alike="与你经历相似的人随后选择了与它相似的物品",
    profile="与你资料相似的人选择了它",
    profile_alike="与你资料相似的人选择了与它相似的物品",
    popular="大家都喜欢",
    unmet="还没有人接触过它",
)


_IN_CHINESE = {
    "category": "类别", "subcategory": "子类别", "department": "部门", "type": "类型",
    "kind": "种类", "class": "类别", "group": "分组", "topic": "主题",
    "theme": "主题", "subject": "主题",
    "brand": "品牌", "make": "品牌", "manufacturer": "制造商", "maker": "制造商",
    "made by": "制造商",
    "vendor": "卖家", "seller": "卖家", "sold by": "卖家", "supplier": "供应商", "shop": "店铺",
    "store": "店铺", "model": "型号", "series": "系列", "collection": "系列", "line": "系列",
    "price": "价格", "price band": "价位", "price range": "价位", "price level": "价位",
    "discount": "折扣", "rating": "评分", "tag": "标签", "label": "标签", "keyword": "关键词",
    "feature": "特点", "style": "风格", "season": "季节", "occasion": "场合", "use": "用途",
    "colour": "颜色", "color": "颜色", "material": "材质", "fabric": "面料", "pattern": "图案",
    "size": "尺码", "shape": "形状", "weight": "重量", "flavour": "口味", "flavor": "口味",
    "taste": "口味", "scent": "香型", "ingredient": "成分", "gender": "性别", "age": "年龄",
    "age group": "年龄段", "country": "国家", "origin": "产地", "country of origin": "产地",
    "region": "地区", "province": "省份", "city": "城市", "location": "地点", "place": "地点",
    "cuisine": "菜系", "language": "语言", "year": "年份", "release year": "发行年份",
    "released": "发行年份", "decade": "年代", "format": "格式", "platform": "平台",
    "genre": "类型", "author": "作者", "written by": "作者", "writer": "编剧",
    "publisher": "出版社",
    "published by": "出版社", "director": "导演", "directed by": "导演", "actor": "演员",
    "cast": "演员", "starring": "主演", "producer": "制片人", "produced by": "制片人",
    "studio": "制片公司", "artist": "艺人", "singer": "歌手", "performed by": "演唱者",
    "album": "专辑", "composer": "作曲", "composed by": "作曲", "music by": "配乐",
    "developer": "开发商", "developed by": "开发商", "teacher": "教师", "part of": "系列",
}  # fmt: skip


def _chinese(said: str) -> str:
    """The Chinese of a relation's usual English name ('product category', 'tags'), or itself."""
    name = re.sub("^(product|item) ", "", said)
    one = re.sub("ies$", "y", name).removesuffix("s")
    return next((_IN_CHINESE[word] for word in (name, one) if word in _IN_CHINESE), said)


def reasons_in(language: str) -> Reasons:
    """Those of a language, 'zh' or 'en'."""
    return CHINESE if language == "zh" else ENGLISH


def verb_of(behaviour: str, language: str) -> str:
    """'bought', '购买': what a person did, without the item."""
    known = behaviour_named(behaviour)
    return (known.zh if language == "zh" else known.en).split("{")[0].strip()


def stated(relation: str, head: str, tail: str, language: str = "en") -> str:
    """'Geometry requires Algebra': a fact between two items, by their titles."""
    word = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", relation).lower().replace("_", " ")
    return reasons_in(language).fact.format(head=head, word=word, tail=tail)


def shared(relation: str, name: str, language: str = "en") -> str:
    """'both directed by X' for relations to a maker or player, 'same genre: X' for attributes; in
    Chinese '相同的类型：X'.
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", relation).lower().split("_")
    if len(words) > 1 and words[0] in ("has", "in", "is"):
        words = words[1:]
    said = " ".join(words)
    if language == "zh":
        return CHINESE.same.format(word=_chinese(said), name=name)
    if words[-1] == "by" and len(words) > 1:
        done = words[0].endswith(("ed", "en")) or words[0] in ("made", "sold", "shot", "built")
        return f"both {said} {name}" if done else f"both with {said} {name}"
    if words[0].endswith("ing") and len(words) == 1:
        return f"both {said} {name}"
    return ENGLISH.same.format(word=said, name=name)
