"""`kgintent intent …`: texts to intents."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from itertools import chain
from pathlib import Path
from typing import Any

from kg.errors import DataError, UsageError, suggest
from kg.folders import check_target, files_below, kind_of, manifest, write_text
from kg.intents.labelled import LabelledTexts, read_labelled
from kg.intents.taxonomies import bundled_files
from kg.intents.taxonomy import Taxonomy
from kg.tables import existing_file, read_table
from models.intent.epochs import TextEpoch
from models.intent.moves import BACK
from models.intent.picture import shown, told
from models.intent.rules import RulesClassifier
from models.intent.settings import TextTraining
from recsys.cli.encoding import lines_of
from recsys.cli.options import METHOD
from recsys.cli.output import lines_wanted, say, show
from recsys.intent.classify import IntentClassifier
from recsys.intent.store import KIND
from recsys.training.config import read_settings_file
from recsys.training.settings import RunOptions

USUAL = {"text": "text", "label": "intent"}
"""The columns that `intent train` reads unless told others, by its options."""


def train_intents(
    files: list[Path], out: Path, text: str, label: str, split: str | None, method: str,
    encoder: str, out_of_scope: str | None, unlabelled: Path | None, config: Path | None,
    epochs: int | None, seed: int, precision: Any, device: str,
) -> None:  # fmt: skip
    """Learn from all files together and publish; of a taxonomy there is nothing to learn."""
    claim(out)
    if any(_is_taxonomy(file) for file in files):
        told = (config, epochs, split, out_of_scope)
        if len(files) > 1 or method != METHOD or any(one is not None for one in told):
            raise UsageError(
                "A taxonomy is read by itself and learns nothing: leave out other files, --method, "
                "--config, --epochs, --split and --out-of-scope. --unlabelled may name some texts "
                "of the kind that is asked."
            )
        _describe_intents(files[0], out, text, encoder, unlabelled)
        return
    read = [_told(file, text, label, split) for file in files]
    parts = {name: reduce(LabelledTexts.and_, [part[name] for part in read if name in part])
             for name in dict.fromkeys(chain.from_iterable(read))}  # fmt: skip
    if "train" not in parts:
        raise DataError(f"{files[0]} must have train rows in column {split!r}. Got none.")
    data = parts["train"]
    settings = TextTraining() if config is None else read_settings_file(config, TextTraining)
    if epochs is not None:
        settings = settings.model_copy(update={"epochs": epochs})
    _warn(data)
    if unseen := sorted({*parts["valid"].labels} - {*data.labels} if "valid" in parts else ()):
        say(f"  in valid rows alone, so never learned: {', '.join(unseen[:10])}")
    if BACK in settings.augment:
        say("  each text is translated there and back before the first epoch")
    made = IntentClassifier.fit(
        data, method, valid=parts.get("valid"), out_of_scope=out_of_scope, encoder=encoder,
        unlabelled=() if unlabelled is None else texts_of(unlabelled, text, "--text"),
        config=settings, options=RunOptions(seed=seed, precision=precision, device=device),
        cache=out.with_name(f"{out.name}.texts"), on_epoch=tell, say=lambda line: say(f"  {line}"),
    )  # fmt: skip
    columns = {"text": text, "label": label} | ({} if split is None else {"split": split})
    made = replace(made, facts={**made.facts, "columns": columns})  # `intent label` writes such
    made.save(out)
    size = sum(part.stat().st_size for part in files_below(out)) / 1e6
    more = f" and {made.facts['believed']:,} believed ones" if unlabelled is not None else ""
    say(f"{out}: {len(made.labels)} intents from {len(data):,} texts{more} by {method}, "
        f"{size:.1f} MB. Next: "
        f"kgintent intent predict {out} --text '{data.texts[0][:40]}'")  # fmt: skip


def _is_taxonomy(file: Path) -> bool:
    return file.suffix == ".toml" or (str(file) in bundled_files() and not file.exists())


def _describe_intents(
    file: Path, out: Path, text: str, encoder: str, unlabelled: Path | None
) -> None:
    taxonomy = Taxonomy.read(str(file))
    asked = () if unlabelled is None else texts_of(unlabelled, text, "--text")
    made = IntentClassifier.described(
        taxonomy, asked, encoder=encoder, say=lambda line: say(f"  {line}")
    )
    made.save(out)
    say(f"{out}: {len(made.labels)} intents by what {file} says of them; no label was learned, and "
        f"the probabilities are not calibrated. Next: kgintent intent predict {out} --text TEXT, "
        f"or kgintent intent label {out} POOL -o labels.csv")  # fmt: skip


def claim(out: Path) -> None:
    """`check_target` for a classifier, before long work; one that it would replace is told."""
    check_target(out, KIND)
    if kind_of(out) == KIND:
        try:
            labels = f" of {manifest(out, KIND)['labels']} intents"
        except (DataError, KeyError):  # of another version: replaced all the same
            labels = ""
        say(f"  {out}: a classifier{labels} stands there and will be replaced")


def predict_intents(
    folder: Path, texts: list[str], file: Path | None, column: str, k: int, encoder: str | None,
    json: bool,
) -> None:  # fmt: skip
    """A row a text: its intents, or that it is out of scope."""
    if bool(texts) == (file is not None):
        raise UsageError("Say what to read: --text (repeatable) or a FILE, one of them.")
    said = texts if file is None else texts_of(file, column)
    made = IntentClassifier.load(folder, encoder)
    lines = lines_wanted(json)
    rows: list[dict[str, Any]] = []
    for found in made.predict(said, k):
        best = [{"intent": i.name, "probability": round(i.probability, 4)} for i in found.intents]
        if lines:
            rows.append({"text": found.text, "intents": best, "out_of_scope": found.out_of_scope,
                         "confidence": found.confidence})  # fmt: skip
        else:
            named = ", ".join(f"{i['intent']} {i['probability']:.2f}" for i in best)
            scope = "out of scope" if found.out_of_scope else ""
            rows.append({"text": found.text[:60], "intents": named, "": scope})
    show(rows, json)


def explain_intent(
    folder: Path, text: str, label: str | None, how: str, events: bool, html: Path | None,
    encoder: str | None, json: bool,
) -> None:  # fmt: skip
    """What each word or event adds to an intent: lines on a terminal, else JSON; maybe HTML."""
    made = IntentClassifier.load(folder, encoder)
    found = made.explain(text, label, how, "events" if events else "words")
    if html is not None:
        write_text(html, shown(found))
        say(f"{html}: the picture.")
    if lines_wanted(json):
        show([found.as_dict()], True)
    else:
        print(told(found))


def evaluate_intents(
    folder: Path, file: Path, text: str, label: str, split: str | None, part: str,
    out_of_scope: str | None, encoder: str | None, json: bool,
) -> None:  # fmt: skip
    """Accuracy, precision, recall, F1 and calibration on one part of a file."""
    parts = _told(file, text, label, split)
    name = part if split is not None else "train"
    if name not in parts:
        raise UsageError(f"{file} has no {part} rows; it has {', '.join(sorted(parts))}.")
    found = IntentClassifier.load(folder, encoder).evaluate(parts[name], out_of_scope)
    if unknown := found["unknown_labels"]:
        say(f"  never learned, so always missed: {', '.join(unknown)}")
    if lines_wanted(json):
        show([found], True)
    else:
        show([{"": key, "value": value} for key, value in found.items()
              if key != "unknown_labels"], False)  # fmt: skip


def show_rules(folder: Path, json: bool) -> None:
    """The whole of a classifier of method rules: each label's terms and their weights."""
    made = IntentClassifier.load(folder)
    if not isinstance(made.model, RulesClassifier):
        raise UsageError(f"{folder} is of method {made.method!r}: only 'rules' can be printed.")
    rows = [{"intent": a, "term": b, "weight": round(c, 4)} for a, b, c in made.model.table()]
    show(rows, json)


def merge_intents(folder: Path, out: Path, encoder: str | None) -> None:
    """The encoder with what it learned, as a folder that `--encoder` takes."""
    IntentClassifier.load(folder, encoder).save_encoder(out)
    say(f"{out}: an encoder. Next: kgintent train DATA -o RUN --encoder {out}")


def _told(file: Path, text: str, label: str, split: str | None) -> dict[str, LabelledTexts]:
    """The labelled rows of a file; how many have no text, or no intent, is said."""
    parts = labelled_of(file, text, label, split, skip=True)
    rows, every = sum(len(part) for part in parts.values()), texts_of(file, text)
    said = sum(bool(one.strip()) for one in every)
    for left, what in ((said - rows, "an intent"), (len(every) - said, "a text")):
        if left:
            say(f"  {file}: {left:,} rows without {what} are left out.")
    return parts


def labelled_of(
    file: Path, text: str, label: str, split: str | None, skip: bool = False
) -> dict[str, LabelledTexts]:
    """`read_labelled`, by the columns that --text, --label and --split name."""
    named = {"--text": text, "--label": label} | ({} if split is None else {"--split": split})
    try:
        return read_labelled(file, text=text, label=label, split=split, skip=skip)
    except DataError:  # of a column: the option that names another one is told
        _check_columns(file, read_table(file).columns, named)
        raise


def options_of(told: Mapping[str, str]) -> str:
    """' --text NAME …' for a command to type: these options, but the columns read anyway."""
    return "".join(f" --{option} {shlex.quote(name)}" for option, name in told.items()
                   if name != USUAL.get(option))  # fmt: skip


def texts_of(file: Path, column: str, option: str = "--column") -> list[str]:
    """The texts of a table's column, or of a .txt file's lines; `option` names the column."""
    if existing_file(file).suffix == ".txt":
        return list(lines_of(file))
    frame = read_table(file)
    _check_columns(file, frame.columns, {option: column})
    return frame[column].fill_null("").to_list()


def _check_columns(file: Path, there: Sequence[str], named: Mapping[str, str]) -> None:
    """`DataError` for columns that a table lacks, with the options that say which to take."""
    absent = {option: name for option, name in named.items() if name not in there}
    if absent:
        none = " and no column ".join(repr(name) for name in absent.values())
        options = " ".join(f"{option} NAME" for option in absent)
        near = "".join(suggest(name, list(there)) for name in absent.values())
        more = " …" if len(there) > 20 else ""
        raise DataError(
            f"{file} has no column {none}: say which with {options}.{near} "
            f"Its columns: {', '.join(there[:20])}{more}."
        )


def _warn(data: LabelledTexts) -> None:
    count = data.carries.sum(axis=0)
    lone = [name for name, n in zip(data.labels, count.tolist(), strict=True) if n == 1]
    if lone:
        say(f"  only one example each: {', '.join(lone[:10])}{' …' if len(lone) > 10 else ''}")
    if twice := data.contradictions():
        say(f"  {len(twice):,} texts stand there with different labels, e.g. {twice[0][:60]!r}")
    if joined := data.joined_otherwise():
        some = ", ".join(map(repr, joined[:10])) + (" …" if len(joined) > 10 else "")
        say(f"  each of these is one intent: {some}; if several are meant, join them by |")


def tell(report: TextEpoch) -> None:
    say(f"  epoch {report.number}/{report.of}  loss {report.loss:.4f}  {report.seconds:.0f} s")
