"""`kgintent train`."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

from kg.checking.reading import encoder_readings
from kg.errors import DataError, UsageError
from kg.folders import LONG_WAIT, changing, check_target, kind_of
from kg.intents.taxonomy import Taxonomy
from kg.storage import Dataset, load_dataset
from kg.wording.templates import Templates
from recsys.cli.leaking import checked_hold_out, data_leaks, refuse_leaks
from recsys.cli.output import Stopped, bars, say
from recsys.index_plan import IndexConfig
from recsys.recommender import Recommender
from recsys.reindex import reindexed
from recsys.serving.forgotten import forgotten
from recsys.store import KIND, open_run
from recsys.training.config import RunConfig
from recsys.training.fit import fit, forget
from recsys.training.train import NEW, EpochReport, best_of


def train_run(
    data: Path, out: Path, config: Path | None, encoder: str, templates: str | None,
    taxonomy: str | None, hold_out: str, max_epochs: int | None, seed: int | None,
    device: str | None, accept: list[str], resume: bool, source: Path | None,
) -> None:  # fmt: skip
    """Train and publish; Ctrl-C keeps the state in OUT.training and says how to go on."""
    held = checked_hold_out(hold_out)
    least = 0 if source is not None else 1
    settings = read_settings(config, max_epochs, seed, device, least=least)
    phrases = Templates.named(templates) if templates is not None else None
    named = Taxonomy.read(taxonomy) if taxonomy is not None else None
    checkpoint = out.with_name(out.name + ".training")
    check_target(out, KIND)  # told before hours of training, not after
    if resume and not checkpoint.exists():
        raise UsageError(f"There is nothing to resume: {checkpoint} does not exist.")
    if checkpoint.exists() and not resume:
        say(f"{checkpoint} is of a training that was stopped: --resume would go on from there; "
            "this one starts anew and writes over it.")  # fmt: skip
    dataset = load_dataset(data)
    found = data_leaks(dataset, held, encoder)
    for leak in found:
        say(f"  {leak}")
    refuse_leaks(found, accept)
    lost = _lost(out, dataset)
    if lost:  # told before hours of training, and again if it has become other things meanwhile
        _say_lost(out, data, lost)
    start = Recommender.load(source) if source is not None else None
    started = time.perf_counter()
    try:
        fitted = fit(
            dataset, encoder, settings, hold_out=held, templates=phrases, taxonomy=named,
            cache=data.parent / f"{data.name}.texts", checkpoint=checkpoint, resume=resume,
            start=start, say=say, progress=bars(), on_epoch=lambda report: say(str(report)),
        )  # fmt: skip
    except KeyboardInterrupt:
        if checkpoint.exists():
            raise Stopped(
                f"Stopped; the weights so far are kept in {checkpoint}, and the same command with "
                "--resume goes on from there (--max-epochs N ends it soon)."
            ) from None
        raise Stopped(
            "Stopped before the first epoch was done: nothing is kept yet, the same command begins "
            "anew."
        ) from None
    seconds = time.perf_counter() - started
    best = best_of(fitted.reports)
    trained = {
        "epochs": sum(r.epoch > 0 for r in fitted.reports), "best_epoch": best.epoch if best else 0,
        "valid": best.metrics if best else {}, "seconds": round(seconds, 1),
        "again": sum(r.epoch > 0 for r in fitted.again), "config": settings.model_dump(),
        "read": [asdict(one) for one in encoder_readings(encoder)],
    }  # fmt: skip
    if source is not None and fitted.start is not None:
        trained["from"] = {"run": source.resolve().name, **asdict(fitted.start)}
    rec, choice = reindexed(fitted.recommender)
    if choice.kind != "exact" or choice.tried:
        say(f"index: {choice.told(IndexConfig())}")
    with changing(out, LONG_WAIT):
        if (late := _lost(out, dataset)) and late != lost:
            _say_lost(out, data, late)
        rec.save(out, hold_out=hold_out, trained=trained)
    forget(checkpoint)
    say(f"{out}: trained in {seconds:.0f} s{_kept(best)}. Next: kgintent recommend {out} --user "
        f"{dataset.log.users.ids[0]}")  # fmt: skip


def _lost(out: Path, dataset: Dataset) -> list[str]:
    """What a run that stands at this place was told since its training and the data lack."""
    if kind_of(out) != KIND:
        return []
    try:
        old, told = open_run(out)
    except DataError:  # damaged, or of another version: nothing could be told of it
        return []
    return forgotten(old, dataset, told.get("facts_told", 0))


def _say_lost(out: Path, data: Path, lost: list[str]) -> None:
    say(f"  {out}: a run stands there and will be replaced. What it was told since its training "
        f"and {data} lacks is lost, unless you build from it or tell it again:")  # fmt: skip
    for line in lost:
        say(f"    {line}")


def _kept(best: EpochReport | None) -> str:
    """Which epoch was kept, in the words of the lines that were told of each."""
    if best is None or not best.metrics:
        return ""
    judged = "the mean of both ndcg@10" if NEW in best.metrics else "ndcg@10"
    return f", epoch {best.epoch} was best (the last *: by {judged})"


def read_settings(
    config: Path | None,
    max_epochs: int | None,
    seed: int | None,
    device: str | None = None,
    *,
    least: int = 1,
) -> RunConfig:
    """The file, or the defaults, with what the command line overrides; `least` epochs."""
    settings = RunConfig.read(config) if config is not None else RunConfig()
    epochs = settings.train.max_epochs if max_epochs is None else max_epochs
    if epochs < least:
        where = f"{config}: train.max_epochs" if max_epochs is None else "--max-epochs"
        raise UsageError(f"{where} must be >= {least}. Got {epochs} instead.")
    if max_epochs is not None:
        update = settings.train.model_copy(update={"max_epochs": max_epochs})
        settings = settings.model_copy(update={"train": update})
    if seed is not None:
        if not 0 <= seed < 2**31:
            raise UsageError(f"--seed must be in [0, 2^31). Got {seed} instead.")
        options = settings.options.model_copy(update={"seed": seed})
        settings = settings.model_copy(update={"options": options})
    if device is not None:
        options = settings.options.model_copy(update={"device": device})
        settings = settings.model_copy(update={"options": options})
    return settings
