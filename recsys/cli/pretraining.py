"""`kgintent encoder pretrain`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kg.storage import load_dataset
from models.intent.pretrain import Examples, PretrainConfig, pretrain, twins
from recsys.cli.encoding import lines_of
from recsys.cli.output import say
from recsys.cli.training import checked_hold_out
from recsys.config import read_settings_file
from recsys.fit import make_split
from recsys.pretraining import examples_of


def pretrain_folder(
    source: Path, out: Path, tasks: list[str], encoder: str, hold_out: str, config: Path | None,
    epochs: int | None, seed: int,
) -> None:  # fmt: skip
    """Learn from a data folder's training part, or from lines of text; write the encoder."""
    settings = PretrainConfig() if config is None else read_settings_file(config, PretrainConfig)
    if epochs is not None:
        settings = PretrainConfig(**settings.model_dump() | {"epochs": epochs})
    examples = _examples(source, hold_out, seed)
    say(f"{source}: {len(examples.texts):,} texts, {len(examples.pairs):,} pairs, "
        f"{len(examples.sequences):,} sequences")  # fmt: skip
    for report in pretrain(encoder, examples, tasks, out, settings, seed=seed):
        losses = ", ".join(f"{name} {loss:.4f}" for name, loss in report.losses.items())
        say(f"  step {report.step:,}/{report.of:,}  {losses}  {report.seconds:.0f} s")
    say(f"{out}: an encoder. Next: kgintent train DATA -o RUN --encoder {out}")


def _examples(source: Path, hold_out: str, seed: int) -> Examples:
    if not source.is_dir():
        texts = [line for line in lines_of(source) if line.strip()]
        return Examples(texts=texts, pairs=twins(texts))
    data = load_dataset(source)
    split = make_split(data.log, checked_hold_out(hold_out))
    known = data.graph.known_at(split.cut)
    return examples_of(split.train, data.catalog, known, np.random.default_rng(seed))
