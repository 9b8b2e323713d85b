"""The words of a reason, in English and in Chinese; any other language is told in English.

A relation is called as the graph calls it, an item by its title: those are in the language of the
data already.
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
    """'both directed by X' for relations to a maker or player, 'same genre: X' for attributes."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", relation).lower().split("_")
    if len(words) > 1 and words[0] in ("has", "in", "is"):
        words = words[1:]
    said = " ".join(words)
    if language == "zh":
        return CHINESE.same.format(word=said, name=name)
    if words[-1] == "by" and len(words) > 1:
        done = words[0].endswith(("ed", "en")) or words[0] in ("made", "sold", "shot", "built")
        return f"both {said} {name}" if done else f"both with {said} {name}"
    if words[0].endswith("ing") and len(words) == 1:
        return f"both {said} {name}"
    return ENGLISH.same.format(word=said, name=name)
