"""A rival's settings, searched on validation: the defaults first, then drawn ones.

At most 12 trials or 10 CPU minutes each, whatever ends first; a trial that is not likely to fit
is not begun. Always in the rehearsal of seed 0 (see `worlds.load_world`), for all seeds. Settings
are chosen twice, for lists of cold items and for lists of all (NDCG@20), since what ranks cold
items best among themselves need not know how they compare with warm ones. Every trial is kept. Ours
has its defaults.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import siblings  # noqa: F401
from contents import KINDS, Contents
from judge import judge
from rivals import RIVALS, Space
from units import write_json
from worlds import World

from kg.errors import DataError, UsageError

TRIALS, MINUTES = 12, 10.0
WANTED = ("cold", "all")
"""The views that settings are chosen for."""


def settings(
    rehearsal: Callable[[], tuple[World, Contents]], name: str, file: Path,
    trials: int = TRIALS, minutes: float = MINUTES,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """The chosen settings by view, from `file` if it is there; else it is written."""
    if not file.exists():
        world, contents = rehearsal()
        found = search(world, name, contents, trials, minutes)
        chosen = {view: _best(found, view) for view in WANTED}
        where = {"set": world.name, "protocol": world.protocol, "method": name}
        space = {key: list(value) for key, value in RIVALS[name].space.items()}
        write_json(file, {**where, "space": space, "chosen": chosen, "trials": found})
    return dict(json.loads(file.read_text(encoding="utf-8"))["chosen"])


def search(
    world: World, name: str, contents: Contents, trials: int, minutes: float
) -> list[dict[str, Any]]:
    """All trials, also those that failed."""
    rival, found = RIVALS[name], []
    rng = np.random.default_rng([0, 3])
    if rival.content:  # made for all alike, so it is no work of a trial
        for kind in KINDS:
            contents.of_kind(kind, np.flatnonzero(world.known.item_counts()))
    began = time.process_time()
    tried = [{}] + [drawn(rival.space, rng) for _ in range(trials - 1)] if rival.space else [{}]
    for number, params in enumerate(tried):
        if params in tried[:number]:
            continue
        longest = max((trial["seconds"] for trial in found), default=0.0)
        if found and time.process_time() - began + longest > 60 * minutes:
            break
        started = time.process_time()
        told: dict[str, Any] = {"params": params}
        try:
            model = rival.fit(world, contents, params, 0)
            means = judge(model.scores, world)[0]
            told |= {view: means[view]["ndcg@20"] for view in WANTED}
        except (UsageError, DataError, MemoryError, np.linalg.LinAlgError) as error:
            told["error"] = f"{type(error).__name__}: {error}"
        found.append(told | {"seconds": round(time.process_time() - started, 1)})
        print(name, found[-1], flush=True)
    return found


def drawn(space: Space, rng: np.random.Generator) -> dict[str, Any]:
    """One setting of each: of the choices evenly, of a range evenly in its logarithm."""
    out: dict[str, Any] = {}
    for key, (kind, *ends) in space.items():
        if kind == "choice":
            out[key] = ends[rng.integers(len(ends))]
        elif kind == "int":
            out[key] = int(np.exp(rng.uniform(np.log(ends[0]), np.log(ends[1] + 1))))
        else:
            out[key] = float(f"{np.exp(rng.uniform(*np.log(ends))):.4g}")
    return out


def _best(trials: list[dict[str, Any]], view: str) -> dict[str, Any]:
    done = [trial for trial in trials if trial.get(view) is not None]
    if not done:
        raise DataError(f"No trial succeeded: {trials[0].get('error')}")
    return dict(max(done, key=lambda trial: trial[view])["params"])  # the earliest of equals
