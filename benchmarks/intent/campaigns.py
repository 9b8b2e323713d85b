"""Who redeems a coupon of a campaign? Intents of what was bought against frequency and popularity.

    python benchmarks/intent/campaigns.py --data DIR/complete-journey --out campaigns.json

A row is a household and a campaign that it was exposed to; true where it redeemed a coupon of it.
Each campaign from --from on is judged by a logistic regression that learned from the campaigns
that had ended before it began, and everything a row says was known on the day before it begins:

intent      cosine of the household's purchases by category (decayed, --half-life days) with the
            categories of the campaign's products, and the share of the purchases in these
frequency   log(1 + baskets of the last 56 days)
popularity  share that redeemed in ended campaigns of the same type
habit       log(1 + coupons that the household redeemed before)

AUC over all rows and within campaigns (mean by rows), 95 % intervals by a bootstrap of households.
Exposure was not random: this says who redeems among those who were chosen, not what a campaign
causes. The sentence of a row names the category in which purchases and campaign agree most.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from campaign_data import COLUMNS, DAY, Rows, World, read, rows_of, seconds
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from kg.folders import write_text
from recsys.intent.replies import filled

MODELS = {
    "full": ("intent", "frequency", "popularity", "habit"),
    "without intent": ("frequency", "popularity", "habit"),
    "without habit": ("intent", "frequency", "popularity"),
    "intent": ("intent",), "frequency": ("frequency",), "popularity": ("popularity",),
    "habit": ("habit",),
}  # fmt: skip
TEXTS = {
    "en": "Campaign {campaign} has coupons for {intent}, {share} of what you bought lately.",
    "zh": "{campaign}号活动有{intent}的优惠券，您最近买的有{share}是这类商品。",
}


def main(words: list[str] | None = None) -> None:
    args = _arguments(words)
    world = read(args.data)
    rows = rows_of(world, args.half_life)
    history = world.line_time.min() + 28 * DAY  # before, next to nothing was known of purchases
    first = float(seconds(pl.Series([args.since]))[0])
    scores = judged(world, rows.x, first, history)
    told = table(world, scores, args.rounds, args.seed)
    told |= {"from": args.since, "half_life": args.half_life, "rounds": args.rounds,
             "seed": args.seed, "examples": examples(world, rows, scores["full"])}  # fmt: skip
    write_text(args.out, json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    for name, (value, low, high) in told["auc"].items():
        print(f"{name:<16} AUC {value:.4f} ({low:.4f}–{high:.4f}), within campaigns "
              f"{told['auc_within_campaigns'][name][0]:.4f}")  # fmt: skip


def judged(world: World, x: np.ndarray, first: float, history: float) -> dict[str, np.ndarray]:
    """By model float [R]: a probability for rows of campaigns that begin at `first` or later, else
    nan. Learned from rows of campaigns that had ended and began at `history` or later.
    """
    out = {name: np.full(len(x), np.nan) for name in MODELS}
    for campaign in np.flatnonzero(world.start >= first):
        now, rows = world.start[campaign], world.campaign == campaign
        ended = world.end[world.campaign] <= now
        learn = ended & (world.start[world.campaign] >= history)
        for name, parts in MODELS.items():
            at = [column for part in parts for column in COLUMNS[part]]
            scaler = StandardScaler().fit(x[learn][:, at])
            model = LogisticRegression().fit(scaler.transform(x[learn][:, at]),
                                             world.redeemed[learn])  # fmt: skip
            out[name][rows] = model.predict_proba(scaler.transform(x[rows][:, at]))[:, 1]
    return out


def auc(score: np.ndarray, truth: np.ndarray, weight: np.ndarray) -> float:
    """P(a true row scores higher than a false one), ties half, rows by weight; nan without both."""
    _, group = np.unique(score, return_inverse=True)
    yes, no = (np.bincount(group, weight * mask) for mask in (truth, ~truth))
    below = np.cumsum(no) - no / 2
    total = yes.sum() * no.sum()
    return float(yes @ below / total) if total else float("nan")


def table(world: World, scores: dict[str, np.ndarray], rounds: int, seed: int) -> dict[str, Any]:
    """AUC by model, and the full model less each other one, with 95 % intervals."""
    rows = np.flatnonzero(~np.isnan(scores["full"]))
    user, truth, group = world.user[rows], world.redeemed[rows], world.campaign[rows]
    size, rng = len(world.households), np.random.default_rng(seed)
    weights = [np.ones(size)]
    exposed = np.unique(user)
    for _ in range(rounds):
        drawn = rng.choice(exposed, len(exposed))
        weights.append(np.bincount(drawn, minlength=size).astype(float))

    def over_all(score: np.ndarray, weight: np.ndarray) -> float:
        return auc(score, truth, weight)

    def within(score: np.ndarray, weight: np.ndarray) -> float:
        found = [(auc(score[at], truth[at], weight[at]), weight[at].sum())
                 for at in (group == campaign for campaign in np.unique(group))]  # fmt: skip
        kept = np.array([pair for pair in found if not np.isnan(pair[0])])
        return float(np.average(kept[:, 0], weights=kept[:, 1]))

    out: dict[str, Any] = {"rows": len(rows), "households": len(exposed),
                           "redeemed": int(truth.sum()),
                           "campaigns": len(np.unique(group))}  # fmt: skip
    kinds: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
        "auc": over_all, "auc_within_campaigns": within,
    }  # fmt: skip
    for kind, measure in kinds.items():
        drawn = {name: np.array([measure(score[rows], weight[user]) for weight in weights])
                 for name, score in scores.items()}  # fmt: skip
        out[kind] = {name: _interval(values) for name, values in drawn.items()}
        out[f"{kind}_full_less"] = {
            name: _interval(drawn["full"] - values) for name, values in drawn.items()
            if name != "full"
        }  # fmt: skip
    return out


def _interval(values: np.ndarray) -> list[float]:
    """[value, low, high]: the first of the values is that of the data."""
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return [round(float(value), 4) for value in (values[0], low, high)]


def sentences(world: World, rows: Rows, row: int) -> dict[str, str]:
    """What is said to the household of a row, by language; nothing where no category agrees."""
    if rows.matched[row] < 0:
        return {}
    facts = {"campaign": world.campaigns[world.campaign[row]], "share": f"{rows.share[row]:.0%}"}
    names = world.categories[rows.matched[row]]
    told = zip(TEXTS.items(), names, strict=True)
    return {language: filled(text, facts | {"intent": name.lower()})
            for (language, text), name in told if name}  # fmt: skip


def examples(world: World, rows: Rows, score: np.ndarray) -> list[dict[str, Any]]:
    """The likeliest row of each of the five campaigns with the likeliest ones."""
    likely = np.flatnonzero(~np.isnan(score))
    likely = likely[np.argsort(-score[likely], kind="stable")]
    _, first = np.unique(world.campaign[likely], return_index=True)
    return [
        {"household": world.households[world.user[row]],
         "campaign": world.campaigns[world.campaign[row]],
         "probability": round(float(score[row]), 4), "redeemed": bool(world.redeemed[row]),
         "text": sentences(world, rows, row)}
        for row in likely[np.sort(first)[:5]].tolist()
    ]  # fmt: skip


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--from", dest="since", default="2017-08-01")
    parser.add_argument("--half-life", type=float, default=28)
    parser.add_argument("--rounds", type=int, default=1000, help="Of the bootstrap.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
