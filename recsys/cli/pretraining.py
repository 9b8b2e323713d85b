"""`kgintent encoder pretrain`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from kg.checking.reading import Reading
from kg.dates import UNDATED, dates
from kg.folders import file_hash
from kg.split import make_split
from kg.storage import load_dataset
from kg.tables import pick_columns, read_table
from models.intent.pretrain import Examples, PretrainConfig, pretrain, twins
from recsys.cli.encoding import lines_of
from recsys.cli.leaking import checked_hold_out
from recsys.cli.output import say
from recsys.intent.pretraining import examples_of
from recsys.training.config import read_settings_file

TABLES = (".csv", ".tsv", ".parquet")
COLUMNS = {"text": ("text", "sentence", "utterance", "message"),
           "time": ("time", "timestamp", "date", "at")}  # fmt: skip


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
        texts, reading = _texts(source)
        return Examples(texts=texts, pairs=twins(texts), reading=reading)
    data = load_dataset(source)
    split = make_split(data.log, checked_hold_out(hold_out))
    known = data.graph.known_at(split.cut)
    found = examples_of(split.train, data.catalog, known, np.random.default_rng(seed))
    read = Reading.of_events(source.name, data.log, split.train, len(found.texts))
    return replace(found, reading=read)


def _texts(source: Path) -> tuple[list[str], Reading]:
    """The lines of a file, or the column `text` of a table, which may have one of times."""
    if source.suffix not in TABLES:
        texts = [line for line in lines_of(source) if line.strip()]
        return texts, Reading(source.name, file_hash(source), len(texts), len(texts))
    frame = read_table(source)
    roles = pick_columns(frame, COLUMNS, {}, needed=("text",), where=str(source))
    told = frame[roles["text"]].str.strip_chars().fill_null("") != ""
    texts = frame[roles["text"]].filter(told).to_list()
    since = np.full(len(frame), UNDATED)
    if "time" in roles:
        since = dates(frame[roles["time"]], str(source))
    since = since[told.to_numpy()]
    known = since[since != UNDATED]
    until = int(known.max()) if known.size else None
    undated = len(texts) - known.size
    return texts, Reading(source.name, file_hash(source), len(texts), undated, until)
