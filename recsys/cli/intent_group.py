"""The verbs of `kgintent intent`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from recsys.cli.options import ENCODER, METHOD, Device, Encoder, Json, K

Precision = Literal["auto", "float32", "bfloat16"]
intent_app = typer.Typer(help="Texts to named intents.", no_args_is_help=True)

Classifier = Annotated[Path, typer.Argument(help="A folder, as `kgintent intent train` makes it.")]
Texts = Annotated[Path, typer.Argument(help="A table with a text and its intent in each row.")]
TextColumn = Annotated[str, typer.Option("--text", help="The column of the texts.")]
LabelColumn = Annotated[str, typer.Option("--label", help="That of the intents, several by '|'.")]
SplitColumn = Annotated[str | None, typer.Option("--split", help="That of train, valid, test.")]
Strange = Annotated[
    str | None, typer.Option("--out-of-scope", help="The label of texts without an intent.")
]
Base = Annotated[str | None, typer.Option("--encoder", help="Where its encoder lies now.")]


@intent_app.command("train")
def intent_train(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Tables with a text and its intent in each row; or a taxonomy (TOML, or "
            "everyday): intents by their descriptions, without a label."
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder to make.")],
    text: TextColumn = "text",
    label: LabelColumn = "intent",
    split: SplitColumn = None,
    method: Annotated[
        str,
        typer.Option(
            help="full, lora, adalora, adapter, ia3, frozen, svm, gru or rules; or several that "
            "read together, as frozen+svm."
        ),
    ] = METHOD,
    encoder: Encoder = ENCODER,
    out_of_scope: Strange = None,
    unlabelled: Annotated[
        Path | None, typer.Option(help="More texts: a table (its --text) or lines of a .txt.")
    ] = None,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="Settings, TOML.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Overrides the file.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1)] = 0,
    precision: Annotated[
        Precision, typer.Option(help="Of the products while BERT learns; auto: as pays here.")
    ] = "auto",
    device: Device = None,
) -> None:
    """Learn intents from texts that carry them."""
    from recsys.cli.intent import train_intents

    train_intents(
        files,
        out,
        text,
        label,
        split,
        method,
        encoder,
        out_of_scope,
        unlabelled,
        config,
        epochs,
        seed,
        precision,
        device or "auto",
    )


@intent_app.command("predict")
def intent_predict(
    folder: Classifier,
    file: Annotated[Path | None, typer.Argument(help="A table, or lines of a .txt.")] = None,
    text: Annotated[list[str] | None, typer.Option(help="A text; may be repeated.")] = None,
    column: Annotated[str, typer.Option(help="The column of the texts in FILE.")] = "text",
    k: K = 3,
    encoder: Base = None,
    json: Json = False,
) -> None:
    """What each text wants, or that it is none of the intents."""
    from recsys.cli.intent import predict_intents

    predict_intents(folder, text or [], file, column, k, encoder, json)


@intent_app.command("explain")
def intent_explain(
    folder: Classifier,
    text: Annotated[str, typer.Option(help="What to explain.")],
    label: Annotated[str | None, typer.Option(help="An intent; else the most probable.")] = None,
    how: Annotated[
        str, typer.Option(help="removal (each word left out in turn) or gradients (of BERT).")
    ] = "removal",
    events: Annotated[
        bool, typer.Option("--events", help="Events of a told behaviour in place of words.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Also a picture: the file to write.")] = None,
    encoder: Base = None,
    json: Json = False,
) -> None:
    """Which words or events speak for an intent of a text, and which against it."""
    from recsys.cli.intent import explain_intent

    explain_intent(folder, text, label, how, events, html, encoder, json)


@intent_app.command("evaluate")
def intent_evaluate(
    folder: Classifier,
    file: Texts,
    text: TextColumn = "text",
    label: LabelColumn = "intent",
    split: SplitColumn = None,
    part: Annotated[str, typer.Option(help="Which rows of --split: train, valid, test.")] = "test",
    out_of_scope: Strange = None,
    encoder: Base = None,
    json: Json = False,
) -> None:
    """Accuracy, precision, recall, F1, calibration; with --out-of-scope also of refusing."""
    from recsys.cli.intent import evaluate_intents

    evaluate_intents(folder, file, text, label, split, part, out_of_scope, encoder, json)


@intent_app.command("reply")
def intent_reply(
    folder: Classifier,
    answers: Annotated[Path, typer.Argument(help="Answers by intent, TOML.")],
    file: Annotated[
        Path | None, typer.Argument(help="Messages: a table (its other columns are facts) or .txt.")
    ] = None,
    text: Annotated[list[str] | None, typer.Option(help="A message; may be repeated.")] = None,
    column: Annotated[str, typer.Option(help="The column of the messages in FILE.")] = "text",
    fact: Annotated[list[str] | None, typer.Option(help="NAME=VALUE; may be repeated.")] = None,
    close: Annotated[float, typer.Option(help="Two intents nearer than this are asked.")] = 0.2,
    least: Annotated[float, typer.Option(help="Below this probability: to a person.")] = 0.5,
    language: Annotated[str | None, typer.Option(help="Else by the letters: en or zh.")] = None,
    encoder: Base = None,
    json: Json = False,
) -> None:
    """Answer messages, ask which of two intents is meant, or hand over to a person.

    The classifier must be one of one intent a text.
    """
    from recsys.cli.replying import reply_messages

    reply_messages(
        folder, answers, text or [], file, column, fact or [], close, least, language, encoder, json
    )


@intent_app.command("label")
def intent_label(
    folder: Classifier,
    pool: Annotated[Path, typer.Argument(help="Texts: a table, or lines of a .txt.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The CSV of labels.")],
    column: Annotated[str, typer.Option(help="The column of the texts in POOL.")] = "text",
    k: K = 20,
    strategy: Annotated[
        str | None,
        typer.Option(
            help="random, least_confident, margin, entropy, core_set, badge, typical or "
            "margin_diverse; else the last, or margin for a method without an encoder."
        ),
    ] = None,
    encoder: Base = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1)] = 0,
) -> None:
    """Ask for the labels that teach most: here on a terminal, else in a CSV to fill in.

    Several intents of one text are joined by '|'.
    """
    from recsys.cli.labelling import label_texts

    label_texts(folder, pool, column, out, k, strategy, encoder, seed)


@intent_app.command("curve")
def intent_curve(
    file: Texts,
    text: TextColumn = "text",
    label: LabelColumn = "intent",
    split: SplitColumn = None,
    strategy: Annotated[list[str] | None, typer.Option(help="Repeatable.")] = None,
    start: Annotated[int, typer.Option(min=2, help="Labels at the beginning.")] = 50,
    step: Annotated[int, typer.Option(min=1, help="Labels more a round.")] = 50,
    rounds: Annotated[int, typer.Option(min=0)] = 5,
    encoder: Encoder = ENCODER,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1)] = 0,
    json: Json = False,
) -> None:
    """Accuracy by number of labels, chosen by strategies, on texts that are labelled already.

    Each text must have one intent.
    """
    from recsys.cli.labelling import show_curve

    names = strategy or ["random", "margin_diverse"]
    show_curve(file, text, label, split, names, start, step, rounds, encoder, seed, json)


@intent_app.command("rules")
def intent_rules(folder: Classifier, json: Json = False) -> None:
    """Print the whole of a classifier of method rules."""
    from recsys.cli.intent import show_rules

    show_rules(folder, json)


@intent_app.command("merge")
def intent_merge(
    folder: Classifier,
    out: Annotated[Path, typer.Option("-o", "--out", help="The encoder's new folder.")],
    encoder: Base = None,
) -> None:
    """Make an encoder of what a classifier learned, for `train --encoder`."""
    from recsys.cli.intent import merge_intents

    merge_intents(folder, out, encoder)


@intent_app.command("compress")
def intent_compress(
    folder: Classifier,
    file: Annotated[
        Path,
        typer.Argument(
            help="The table that taught it, with the same --split and --seed: the small one learns "
            "from it, and what `train` kept back of it (its valid rows, else a share) judges."
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder to make.")],
    how: Annotated[
        list[str],
        typer.Option(help="prune, distil, int8 or onnx; repeatable: one after the other."),
    ],
    text: TextColumn = "text",
    label: LabelColumn = "intent",
    split: SplitColumn = None,
    heads: Annotated[float, typer.Option(help="prune: share of heads to keep.")] = 0.5,
    forward: Annotated[float, typer.Option(help="prune: share of neurons to keep.")] = 0.5,
    layers: Annotated[
        int | None, typer.Option(help="distil: layers to keep; else half of them.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Of learning from what it was; else as fits.")
    ] = None,
    unlabelled: Annotated[
        Path | None, typer.Option(help="More texts to learn its answers on: a table or a .txt.")
    ] = None,
    out_of_scope: Strange = None,
    encoder: Base = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1)] = 0,
    json: Json = False,
) -> None:
    """Make a classifier small; accuracy, size and time before and after."""
    from recsys.cli.compressing import compress_intents

    compress_intents(
        folder, file, out, how, text, label, split, heads, forward, layers, epochs, unlabelled,
        out_of_scope, encoder, seed, json,
    )  # fmt: skip
