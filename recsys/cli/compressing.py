"""`kgintent intent compress`: a classifier made small, beside what it was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kg.errors import DataError
from models.intent.distil import Teaching
from models.intent.folds import divided
from recsys.cli.intent import claim, labelled_of, options_of, tell, texts_of
from recsys.cli.output import say, show
from recsys.intent.classify import IntentClassifier
from recsys.intent.compress import check_how, compressed, costs
from recsys.training.settings import RunOptions


def compress_intents(
    folder: Path, file: Path, out: Path, how: Sequence[str], text: str, label: str,
    split: str | None, heads: float, forward: float, layers: int | None, epochs: int | None,
    unlabelled: Path | None, out_of_scope: str | None, encoder: str | None, seed: int, json: bool,
) -> None:  # fmt: skip
    """Each step of `how` on what the one before left; publish the last; a row for each."""
    claim(out)
    for step in how:
        check_how(step)
    parts = labelled_of(file, text, label, split)
    if "train" not in parts:
        raise DataError(f"{file} must have train rows in column {split!r}. Got none.")
    made = IntentClassifier.load(folder, encoder)
    _, checked, _ = divided(
        parts["train"], parts.get("valid"), out_of_scope, made.config, np.random.default_rng(seed)
    )
    if not len(checked):
        raise DataError(f"{file} must have texts to compare on: valid rows, or more. Got none.")
    found = {"before": made}
    for step in how:
        say(f"  {step}")
        made = compressed(
            made, step, parts["train"], valid=parts.get("valid"),
            unlabelled=() if unlabelled is None else texts_of(unlabelled, text, "--text"),
            out_of_scope=out_of_scope, heads=heads, forward=forward, layers=layers,
            teaching=Teaching(epochs=epochs or 0), options=RunOptions(seed=seed, precision="auto"),
            on_epoch=tell,
        )  # fmt: skip
        found[step if step not in found else f"{step} again"] = made
    made.save(out)
    rows = costs(found, checked)
    show(rows, json)
    unseen = "valid" in parts or all(one.facts.get("kept_back") for one in found.values())
    what = "kept back" if unseen else "that it may have learned"
    again = {"text": text, "label": label}
    if split is not None:
        part = next(name for name in ("test", "valid", "train") if name in parts)
        again |= {"split": split} | ({} if part == "test" else {"part": part})
    if out_of_scope is not None:
        again["out-of-scope"] = out_of_scope
    say(f"{out}: {rows[-1]['MB']:.1f} MB. Accuracy is that of {len(checked):,} texts {what}. "
        f"Next: kgintent intent evaluate {out} {file}{options_of(again)}")  # fmt: skip
