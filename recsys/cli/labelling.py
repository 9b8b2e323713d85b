"""`kgintent intent label` and `intent curve`: which texts to label next, and what it gains."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kg.errors import DataError, UsageError, suggest
from kg.folders import whole_file
from kg.intents.labelled import SEVERAL, labels_in, read_labelled
from kg.tables import BYTE_ORDER_MARK
from models.intent.active import STRATEGIES
from recsys.cli.intent import USUAL, labelled_of, options_of, texts_of
from recsys.cli.output import say, show
from recsys.intent.classify import IntentClassifier, RecognisedIntent
from recsys.intent.curves import checked_strategy, label_curves, usual_strategy

GUESSES = 3
"""So many a text, where it has one intent."""


def label_texts(
    folder: Path, pool: Path, column: str, out: Path, k: int, strategy: str | None,
    encoder: str | None, seed: int,
) -> None:  # fmt: skip
    """Ask for the k texts that teach most: on a terminal one by one, else by a file to fill in.

    The columns are called as in the table that taught the classifier, so that both teach together.
    """
    if strategy is not None:
        checked_strategy(strategy)
    asked = sys.stdin.isatty() and sys.stdout.isatty()
    if not asked and out.exists():
        raise UsageError(f"{out} exists, and what was filled in would be lost: give another name.")
    made = IntentClassifier.load(folder, encoder)
    columns = {**USUAL, "text": column, **made.facts.get("columns", {})}
    known = _labelled_in(out, columns) if out.exists() else set()
    texts = [t for t in dict.fromkeys(texts_of(pool, column)) if t.strip() and t not in known]
    if not texts:
        raise DataError(f"{pool} has no text that is not labelled in {out} already.")
    reading = made.model.read(texts)
    p = made.calibration.probabilities(reading.logits)
    chosen = strategy or usual_strategy(reading.vectors is not None)
    at = STRATEGIES[chosen](p, reading.vectors, min(k, len(texts)), np.random.default_rng(seed))
    most = len(made.labels) if made.many else GUESSES
    said = made.predict([texts[i] for i in at.tolist()], most)
    found = [(one.text, one.intents) for one in said]
    if asked:
        _ask(found, made, out, columns)
        return
    with whole_file(out) as handle:
        handle.write(BYTE_ORDER_MARK)
        rows = csv.writer(handle)
        rows.writerow(_header(columns))
        for text, guesses in found:
            rows.writerow(_row(text, guesses, "", columns, made.many))
    several = f" (several intents joined by {SEVERAL})" if made.many else ""
    say(f"{out}: {len(found)} texts. Fill in the column {columns['label']}{several}, then: "
        f"kgintent intent train LABELLED.csv {out} -o NEW{options_of(columns)}")  # fmt: skip


def _labelled_in(out: Path, columns: Mapping[str, str]) -> set[str]:
    parts = read_labelled(out, text=columns["text"], label=columns["label"], skip=True)
    return set(parts["train"].texts)


def _header(columns: Mapping[str, str]) -> list[str]:
    split = [columns["split"]] if "split" in columns else []
    return [columns["text"], "guess", "probability", columns["label"], *split]


def _row(
    text: str, guesses: Sequence[RecognisedIntent], label: str, columns: Mapping[str, str],
    many: bool,
) -> list[str]:  # fmt: skip
    """As the header; where parts are told apart, what is labelled is to be learned."""
    best = guesses if many else guesses[:1]
    names = SEVERAL.join(guess.name for guess in best)
    sure = SEVERAL.join(f"{guess.probability:.3f}" for guess in best)
    return [text, names, sure, label, *(["train"] if "split" in columns else [])]


def _ask(
    found: list[tuple[str, tuple[RecognisedIntent, ...]]], made: IntentClassifier, out: Path,
    columns: Mapping[str, str],
) -> None:  # fmt: skip
    several = f", several joined by {SEVERAL} (1{SEVERAL}2)" if made.many else ""
    say(f"A number takes a guess, a name any intent{several}, Enter passes, q ends.")
    done = 0
    for number, (text, guesses) in enumerate(found, start=1):
        say(f"\n{number}/{len(found)}  {text}")
        say("  " + "  ".join(f"{n}: {g.name} ({g.probability:.2f})"
                             for n, g in enumerate(guesses, start=1)))  # fmt: skip
        answer = _answer(guesses, made.labels, made.many)
        if answer is None:
            break
        if answer:
            _append(out, _row(text, guesses, answer, columns, made.many), _header(columns))
            done += 1
    say(f"{out}: {done} more labels.")


def _answer(guesses: Sequence[RecognisedIntent], labels: tuple[str, ...], many: bool) -> str | None:
    """A label, or where `many` several joined; '' to pass, None to end."""
    numbered = {str(n): guess.name for n, guess in enumerate(guesses, start=1)}
    before = None
    while True:
        said = input("> ").strip()
        if said == "q":
            return None
        names = [numbered.get(part, part) for part in (labels_in(said) if many else [said])]
        answer = SEVERAL.join(dict.fromkeys(names))
        unknown = [name for name in names if name and name not in labels]
        if not unknown or said == before:
            return answer
        before = said
        say(f"  {unknown[0]!r} is no intent that was learned.{suggest(unknown[0], list(labels))} "
            f"To add it all the same, say it again.")  # fmt: skip


def _append(out: Path, row: Sequence[str], header: Sequence[str]) -> None:
    """One row more, on disk before the next question."""
    fresh = not out.exists()
    with open(out, "a", encoding="utf-8", newline="") as handle:
        rows = csv.writer(handle)
        if fresh:
            handle.write(BYTE_ORDER_MARK)
            rows.writerow(header)
        rows.writerow(row)
        handle.flush()
        os.fsync(handle.fileno())


def show_curve(
    file: Path, text: str, label: str, split: str | None, strategies: list[str], start: int,
    step: int, rounds: int, encoder: str, seed: int, json: bool,
) -> None:  # fmt: skip
    """Accuracy by number of labels, a regression on frozen vectors, of each strategy.

    Learned from the train rows, judged on the valid rows, or on a fifth of the train rows that is
    kept back.
    """
    for name in strategies:
        checked_strategy(name)
    parts = labelled_of(file, text, label, split)
    data = parts["train"]
    held = parts.get("valid")
    if held is None:
        aside = np.random.default_rng(seed).random(len(data)) < 0.2
        data, held = data.take(~aside), data.take(aside)
    rows = label_curves(
        data, held, strategies, start=start, step=step, rounds=rounds, encoder=encoder, seed=seed,
        cache=file.with_name(f"{file.stem}.texts"),
    )  # fmt: skip
    show(rows, json)
