"""The rivals by name: how each is fitted, and where the search for its settings looks.

A new rival is one line here. Each is fitted to the events of a world and to what is written of
all items; ours are in `ours`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from contents import KINDS, Contents, bag_of
from worlds import World

from recsys.baselines.base import Baseline
from recsys.baselines.content.clcrec import CLCRec
from recsys.baselines.content.dropout_net import DropoutNet
from recsys.baselines.content.heater import Heater
from recsys.baselines.content.kind import KindPopularity
from recsys.baselines.content.random_list import RandomList
from recsys.baselines.content.ridge_ease import RidgeEASE
from recsys.baselines.content.ridge_ials import RidgeIALS
from recsys.baselines.text_knn import TextKNN

Params = Mapping[str, Any]
Space = Mapping[str, tuple[Any, ...]]
"""As in accuracy/registry.py: ("log", low, high), ("int", low, high), ("choice", …)."""


@dataclass(frozen=True)
class Rival:
    """`content`: its first argument is what is written of items; `seeded`: it draws."""

    make: Callable[..., Baseline]
    space: Space
    content: bool = True
    seeded: bool = True
    kinds: bool = False

    def fit(self, world: World, contents: Contents, params: Params, seed: int) -> Baseline:
        """Fitted to what is known; nothing of a cold item but what is written of it."""
        settings, first = dict(params), []
        if self.content:
            warm = np.flatnonzero(world.known.item_counts())
            first.append(contents.of_kind(settings.pop("content", KINDS[0]), warm))
        if self.kinds:
            first.append(bag_of(world.facts, world.set.kind))
        rng = (np.random.default_rng([seed, 2]),) if self.seeded else ()
        return self.make(*first, world.known, *rng, **settings)


WRITTEN: Space = {"content": ("choice", *KINDS)}
RIDGE: Space = WRITTEN | {"l2": ("log", 0.01, 100.0), "boost": ("log", 0.5, 8.0)}
FACTORS: Space = {"dim": ("choice", 64, 128), "regularisation": ("log", 1e-3, 0.03)}
STEPS: Space = {"steps": ("choice", 500, 1000, 2000), "rate": ("log", 3e-4, 5e-3)}


def _text_knn(how: str) -> Callable[..., Baseline]:
    return lambda content, log, last=20: TextKNN.fit(content, log, last, how)  # type: ignore[arg-type]


RIVALS: dict[str, Rival] = {
    "random": Rival(RandomList.fit, {}, content=False),
    "kind-popularity": Rival(KindPopularity.fit, {"personal": ("choice", False, True)},
                             content=False, seeded=False, kinds=True),
    "text-knn-mean": Rival(_text_knn("mean"), WRITTEN | {"last": ("int", 1, 200)}, seeded=False),
    "text-knn-max": Rival(_text_knn("max"), WRITTEN | {"last": ("int", 1, 200)}, seeded=False),
    "ridge-ease": Rival(RidgeEASE.fit, RIDGE | {"ease_l2": ("log", 10.0, 2000.0)}, seeded=False),
    "ridge-ials": Rival(RidgeIALS.fit, RIDGE | FACTORS),
    "dropout-net": Rival(DropoutNet.fit, WRITTEN | FACTORS | STEPS | {
        "dropout": ("choice", 0.3, 0.5, 0.7, 0.9)}),
    "heater": Rival(Heater.fit, WRITTEN | FACTORS | STEPS | {
        "alpha": ("log", 0.003, 3.0), "swap": ("choice", 0.3, 0.5, 0.8)}),
    "clcrec": Rival(CLCRec.fit, WRITTEN | STEPS | {
        "dim": ("choice", 64, 128), "share": ("choice", 0.1, 0.3, 0.5, 0.7),
        "temperature": ("choice", 0.1, 0.2, 0.5, 1.0)}),
}  # fmt: skip
