"""A search for settings on validation: the defaults first, then Optuna's TPE (extra [tune]).

Only `split.valid` is ever looked at. The folder of a search holds search.json (what is searched
on), trials.jsonl (a line per trial, written as it ends) and best.toml, which `RunConfig.read` and
`kgintent train -c` take. The same call on the same folder goes on where it was: each proposal
depends on the seed and the trials before it alone, so a search that was stopped tries what one in
a single call would have tried. One process at a time searches in a folder.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.folders import clear_parts, place_of, write_text
from kg.graph import KnowledgeGraph
from kg.intents.labels import intent_labels
from kg.locks import Busy, locked
from kg.storage import Dataset
from recsys.notices import Say, silent

if TYPE_CHECKING:  # torch is loaded by the trials, not by who only reads the space
    from kg.split import HoldOut
    from kg.wording.templates import Templates
    from models.text import TextEncoder
    from recsys.training.config import RunConfig

Space = Mapping[str, tuple]
"""Name to (kind, low, high), kind int, float or log (a float by its logarithm), or to
("choice", a, b, …)."""

SPACE: Space = {
    "learning_rate": ("log", 2e-4, 5e-3),
    "dim": ("choice", 64, 128),
    "dropout": ("float", 0.1, 0.6),
    "max_length": ("choice", 50, 100, 200),
    "item_dropout": ("float", 0.0, 0.4),
    "id_dropout": ("float", 0.0, 0.7),
    "warm_count": ("log", 0.5, 20.0),
}
"""The settings of `ModelConfig` and `TrainConfig` that every search looks through."""
SEVERAL_BEHAVIOURS: Space = {
    "behaviour_power": ("float", 0.0, 2.0),
    "next_behaviour": ("float", 0.0, 0.5),
}
"""And where there are several behaviours: how much more the strong ones count, and the next one."""
NAMED_INTENTS: Space = {"next_intent": ("float", 0.0, 0.5)}
"""And where nodes of the graph name intents."""


def space_of(log: EventLog, graph: KnowledgeGraph) -> Space:
    """What a search over these training events looks through."""
    kinds = len(np.unique(log.behaviour[log.has_item]))
    named = intent_labels(graph.facts(), min_items=1).relation is not None
    return {
        **SPACE, **(SEVERAL_BEHAVIOURS if kinds > 1 else {}), **(NAMED_INTENTS if named else {})
    }  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """Settings tried, and what validation said: NDCG@10 at the best epoch, None with an error."""

    number: int
    params: dict[str, Any]
    score: float | None
    hit_rate: float | None = None
    epochs: int = 0
    best_epoch: int = 0
    seconds: float = 0.0
    error: str | None = None

    def __str__(self) -> str:
        told = "  ".join(f"{name} {value:g}" for name, value in self.params.items())
        found = f"ndcg@10 {self.score:.4f}" if self.score is not None else f"failed: {self.error}"
        return (
            f"trial {self.number:2d}  {found}  {told}  {self.epochs} epochs  {self.seconds:.0f} s"
        )


def search_settings(
    data: Dataset,
    encoder: str | Path | TextEncoder,
    folder: str | Path,
    base: RunConfig | None = None,
    *,
    trials: int = 12,
    hours: float = 3.0,
    max_epochs: int | None = None,
    hold_out: HoldOut = "none",
    templates: Templates | None = None,
    cache: Path | None = None,
    say: Say | None = None,
    progress: Callable[[str], Callable[[int, int], None]] | None = None,
) -> Iterator[Trial]:
    """Try settings until there are `trials` in the folder, or `hours` of work are spent.

    Yields each new trial once it is kept; the first is `base` itself. A trial that would not fit
    in what is left, judged by the longest so far, is not begun; one that turns out longer ends its
    training there. `max_epochs` limits the trials alone, in the place of what `base` says: the best
    settings do not hold it. Texts are encoded once, into `cache` (FOLDER/texts if none is given).
    Raises at once: `UsageError` where the folder belongs to another search, `DataError` without
    validation; and `DataError`, at once or by the first step, where somebody else is searching.
    """
    from kg.split import make_split
    from recsys.training.config import RunConfig
    from recsys.training.fit import resolved

    _optuna()
    if trials < 1 or not hours > 0:
        raise UsageError(f"'trials' must be >= 1, 'hours' > 0. Got {trials} and {hours} instead.")
    base, place = base or RunConfig(), Path(folder)
    tried = base if max_epochs is None else settings_of(base, {"max_epochs": max_epochs})
    split = make_split(data.log, hold_out)
    if not split.valid.has_item.any():
        raise DataError("There is nothing to validate on: the split holds no validation event.")
    space = space_of(split.train, data.graph)
    own = _own(base.model_copy(update={"model": resolved(base.model, split)}), space)
    told = {
        "data": data.fingerprint, "encoder": str(getattr(encoder, "id", encoder)),
        "hold_out": hold_out,
        "seed": base.options.seed, "space": {name: list(ends) for name, ends in space.items()},
        "settings": tried.model_dump(exclude={"options"}, exclude_defaults=True),
        "templates": templates.as_dict() if templates is not None else None,
    }  # fmt: skip
    with _searching(place):
        _claim(place, told)

    def attempt(settings: RunConfig, first: bool) -> dict[str, Any]:
        from recsys.judging.evaluate import SCORE
        from recsys.training.fit import fit, judge
        from recsys.training.train import best_of

        limits = {"refit": False, "max_epochs": tried.train.max_epochs}  # judged on validation
        once = settings.train.model_copy(update=limits)
        settings = settings.model_copy(update={"train": once})
        fitted = fit(
            data, encoder, settings, hold_out=hold_out, templates=templates,
            cache=cache or place / "texts", say=say if first else silent,
            progress=progress if first else None,
        )  # fmt: skip
        best = best_of(fitted.reports)
        if best is None:
            raise DataError("There is nothing to learn from: no user has two training events.")
        found = judge(fitted.recommender, fitted.split, "valid").metrics  # with its neighbours
        return {"score": round(found[SCORE], 6), "hit_rate": round(found["hr@10"], 6),
                "epochs": len(fitted.reports), "best_epoch": best.epoch}  # fmt: skip

    return _trials(place, base, own, space, attempt, trials, 3600 * hours)


@contextlib.contextmanager
def _searching(place: Path) -> Iterator[None]:
    """Nobody else searches in this folder meanwhile. A killed search holds nothing."""
    target = place_of(place)
    target.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(target, 0))
        except Busy:
            raise DataError(
                f"{place} is being searched by another process: the same command goes on once that "
                "one is done or stopped."
            ) from None
        yield


def _trials(
    place: Path, base: RunConfig, own: dict[str, Any], space: Space,
    attempt: Callable[[RunConfig, bool], dict[str, Any]], most: int, seconds: float,
) -> Iterator[Trial]:  # fmt: skip
    with _searching(place):
        done = read_trials(place)
        if done:  # a kill may have come between the two files
            _write_best(place, base, done)
        first = True
        while len(done) < most:
            spent = sum(trial.seconds for trial in done)
            longest = max((trial.seconds for trial in done), default=0.0)
            if spent >= seconds or spent + longest > seconds:
                break
            params = proposed(done, base.options.seed, space) if done else own
            done.append(_tried(len(done), params, base, attempt, first, (seconds - spent) / 60))
            lines = [json.dumps(asdict(trial), ensure_ascii=False) for trial in done]
            write_text(place / "trials.jsonl", "\n".join(lines) + "\n")
            _write_best(place, base, done)
            first = False
            yield done[-1]


def _write_best(place: Path, base: RunConfig, done: Sequence[Trial]) -> None:
    write_text(place / "best.toml", settings_of(base, best_of(done).params).to_toml())


def _tried(
    number: int, params: dict[str, Any], base: RunConfig,
    attempt: Callable[[RunConfig, bool], dict[str, Any]], first: bool, minutes: float,
) -> Trial:  # fmt: skip
    """One trial. What fails is kept as failed, but for the base settings: without those, nothing
    works.
    """
    started = time.perf_counter()
    told: dict[str, Any] = {"score": None}
    try:
        settings = settings_of(base, params)
        most = min(minutes, settings.train.max_minutes or minutes)
        train = settings.train.model_copy(update={"max_minutes": most})
        told = attempt(settings.model_copy(update={"train": train}), first)
    except (ValueError, MemoryError, RuntimeError) as error:  # settings refused, memory full
        if number == 0:
            raise
        told["error"] = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return Trial(number, params, seconds=round(time.perf_counter() - started, 1), **told)


def proposed(trials: Sequence[Trial], seed: int, space: Space = SPACE) -> dict[str, Any]:
    """The next settings to try, given all before; the same for the same trials and seed.

    Tree-structured Parzen estimator (Bergstra et al. 2011), the first five at random.
    """
    optuna = _optuna()
    where = distributions(space)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed + len(trials), n_startup_trials=5),
    )
    state = optuna.trial.TrialState
    for trial in trials:
        inside = {k: v for k, v in trial.params.items() if k in space and _lies_in(v, space[k])}
        study.add_trial(optuna.trial.create_trial(
            state=state.FAIL if trial.score is None else state.COMPLETE, params=inside,
            distributions={name: where[name] for name in inside}, value=trial.score,
        ))  # fmt: skip
    found = study.ask(where).params
    return {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in found.items()}


def distributions(space: Space) -> dict[str, Any]:
    """A space in Optuna's words; integers over a wide range are drawn by their logarithm."""
    kinds = _optuna().distributions
    out: dict[str, Any] = {}
    for name, (kind, *ends) in space.items():
        if kind == "choice":
            out[name] = kinds.CategoricalDistribution(ends)
        elif kind == "int":
            wide = ends[0] > 0 and ends[1] >= 20 * ends[0]
            out[name] = kinds.IntDistribution(*ends, log=wide)
        else:
            out[name] = kinds.FloatDistribution(*ends, log=kind == "log")
    return out


def _lies_in(value: Any, where: tuple) -> bool:
    """A base of the user's own may lie outside of the space."""
    kind, *ends = where
    return value in ends if kind == "choice" else ends[0] <= value <= ends[1]


def settings_of(base: RunConfig, params: Mapping[str, Any]) -> RunConfig:
    """The base with these settings, each in the section that knows it."""
    from recsys.training.settings import TrainConfig

    told = base.model_dump(exclude_unset=True)
    for name, value in params.items():
        section = "train" if name in TrainConfig.model_fields else "model"
        told.setdefault(section, {})[name] = value
    return type(base)(**told)


def read_trials(folder: str | Path) -> list[Trial]:
    """The trials of a search so far."""
    file = Path(folder) / "trials.jsonl"
    if not file.exists():
        return []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        return [Trial(**json.loads(line)) for line in lines]
    except (ValueError, TypeError) as error:
        raise DataError(f"{file} cannot be read: {error}.") from None


def best_of(trials: Sequence[Trial]) -> Trial:
    """The trial of the highest score, the earliest of equals."""
    return max(trials, key=lambda trial: -1.0 if trial.score is None else trial.score)


def _own(base: RunConfig, space: Space) -> dict[str, Any]:
    """The values of what is searched that the base stands for, the data's say included."""
    both = base.model.model_dump() | base.train.model_dump()
    return {name: both[name] for name in space}


def _claim(place: Path, told: dict[str, Any]) -> None:
    """Say in a new folder what is searched there; in an old one, check that it is the same."""
    file = place / "search.json"
    told = json.loads(json.dumps(told))
    if not file.exists():
        clear_parts(file)  # of a search that was killed before it could say what it is
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise UsageError(f"{place} exists and holds no search: give another name.")
        place.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps(told, indent=1, ensure_ascii=False) + "\n")
        return
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        other = sorted(key for key in told if known.get(key) != told[key])
    except (ValueError, AttributeError):
        raise DataError(f"{file} is damaged: it cannot be read.") from None
    if other:
        raise UsageError(
            f"{place} holds a search with another {', '.join(other)}: search with the same, "
            "or give another name."
        )


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise UsageError(
            "A search for settings needs the extra [tune]: pip install 'kgintent[tune]'."
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
