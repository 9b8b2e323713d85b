"""The models by name, and where a search for their settings may look.

A new row is one line here. (Not called models.py: that is a package of this repository.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from data import Task
from fits import Fitted, Params, kgintent, plain, trained

from kg.errors import UsageError
from recsys.training.tune import SPACE, Space


@dataclass(frozen=True)
class Entry:
    """`learned`: trained by epochs that validation chooses from, so that the test part is scored
    with these weights; the others are fitted again to train and validation before it.
    """

    fit: Callable[[Task, Params, int, float | None, int], Fitted]
    space: Space
    learned: bool = False
    ours: bool = False


FITS: dict[str, Any] = {"learning_rate": ("log", 2e-4, 5e-3)}
WIDE: dict[str, Any] = {"dim": ("choice", 64, 128)}
SHAPE = WIDE | {"dropout": ("float", 0.1, 0.6), "max_length": ("choice", 50, 100, 200)}
REGISTRY: dict[str, Entry] = {
    "popularity": Entry(plain("popularity:Popularity"), {}),
    "recent-popularity": Entry(plain("popularity:RecentPopularity"), {"days": ("log", 1, 180)}),
    "personal-frequency": Entry(plain("personal:PersonalFrequency"), {
        "decay": ("choice", 0.95, 0.98, 0.99, 0.995, 0.999, 1.0),
        "half_life_days": ("choice", None, 30, 90, 180, 365, 730)}),
    "tifu-knn": Entry(plain("tifu_knn:TIFUKNN"), {
        "neighbours": ("int", 50, 900), "alpha": ("float", 0.0, 1.0),
        "group_size": ("int", 2, 20), "r_b": ("float", 0.5, 1.0), "r_g": ("float", 0.3, 1.0)}),
    "item-knn": Entry(plain("item_knn:ItemKNN"), {
        "neighbours": ("int", 20, 500), "shrink": ("log", 0.1, 1000.0)}),
    "rp3beta": Entry(plain("rp3beta:RP3beta"), {
        "alpha": ("float", 0.2, 1.6), "beta": ("float", 0.0, 0.8),
        "neighbours": ("int", 20, 500)}),
    "session-knn": Entry(plain("session_knn:SessionKNN"), {
        "neighbours": ("int", 50, 1000), "sample": ("int", 500, 5000), "last": ("int", 3, 50)}),
    "ease": Entry(plain("ease:EASE"), {"l2": ("log", 1.0, 5000.0)}),
    "ials": Entry(plain("ials:IALS", seeded=True), {
        "dim": ("choice", 64, 128, 256), "regularisation": ("log", 3e-4, 0.1),
        "unobserved_weight": ("log", 0.003, 1.0)}),
    "text-knn": Entry(plain("text_knn:TextKNN", text=True), {
        "last": ("int", 1, 50), "how": ("choice", "mean", "max")}),
    "bpr-mf": Entry(trained("bpr_mf:BPRMF", "BPRConfig"), FITS | WIDE | {
        "power": ("float", 0.0, 1.0), "l2": ("log", 1e-5, 1e-1)}, learned=True),
    "lightgcn": Entry(trained("lightgcn:LightGCN", "LightGCNConfig"), FITS | WIDE | {
        "layers": ("int", 1, 4), "loss": ("choice", "bpr", "softmax"),
        "l2": ("log", 1e-6, 1e-2)}, learned=True),
    "sasrec": Entry(trained("sasrec:SASRec", "SASRecConfig"), FITS | SHAPE, learned=True),
    "bsarec": Entry(trained("bsarec:BSARec", "BSARecConfig"), FITS | SHAPE | {
        "alpha": ("choice", 0.1, 0.3, 0.5, 0.7, 0.9), "cutoff": ("choice", 1, 3, 5, 7, 9)},
        learned=True),
    "kgin": Entry(trained("kgin:KGIN", "KGINConfig", graph=True), FITS | WIDE | {
        "hops": ("int", 1, 3), "l2": ("log", 1e-6, 1e-3)}, learned=True),
    # and recsys.training.tune.space_of:
    "kgintent": Entry(kgintent, SPACE, learned=True, ours=True),
}  # fmt: skip


def entry(name: str) -> Entry:
    """`UsageError` names the models there are."""
    if name not in REGISTRY:
        raise UsageError(f"Unknown model {name!r}. There are: {', '.join(REGISTRY)}.")
    return REGISTRY[name]
