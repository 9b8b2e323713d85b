"""The verbs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from recsys.cli.encoder_group import encoder_app
from recsys.cli.events_group import events_app
from recsys.cli.index_group import index_app
from recsys.cli.intent_group import intent_app
from recsys.cli.items_group import items_app
from recsys.cli.kg_group import kg_app
from recsys.cli.options import (
    ENCODER,
    Accept,
    Columns,
    Config,
    Device,
    Encoder,
    History,
    HoldOut,
    Intents,
    ItemVectors,
    Json,
    K,
    MaxEpochs,
    Only,
    Phrases,
    Run,
    Seed,
    SkipBroken,
    User,
    Where,
    Without,
)
from recsys.cli.output import ids_of, skippable

app = typer.Typer(
    name="kgintent",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: rich alone would cost half of the start
    help="Recommendations that know what the user wants now: BERT, a knowledge graph, FAISS.",
)
app.add_typer(index_app, name="index")
app.add_typer(items_app, name="items")
app.add_typer(events_app, name="events")
app.add_typer(intent_app, name="intent")
app.add_typer(encoder_app, name="encoder")
app.add_typer(kg_app, name="kg")


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"kgintent {version('kgintent')}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Which one this is.")
    ] = False,
) -> None:
    """Nothing to do before a verb."""


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
    least_value: Annotated[
        float | None, typer.Option(help="Leave out events of a lower value (a rating).")
    ] = None,
    vectors: ItemVectors = None,
    user_vectors: Annotated[
        list[str] | None, typer.Option(help="NAME=FILE: vectors of users; repeatable.")
    ] = None,
    graph: Annotated[
        Path | None, typer.Option(help="A graph of `kg from-table`, in place of the attributes.")
    ] = None,
    skip_broken: SkipBroken = False,
) -> None:
    """Read, clean and join events, items and facts into a data folder."""
    from recsys.cli.building import build_folder

    with skippable(skip_broken):
        build_folder(
            events, items, out, users, triples, entities, triple_ids, columns, no_time, no_order,
            least_value, vectors or [], user_vectors or [], graph, skip_broken,
        )  # fmt: skip


@app.command("check-leakage")
def check_leakage(
    data: Annotated[Path, typer.Argument(help="A data folder of `kgintent build`, or a run.")],
    hold_out: Annotated[
        str | None, typer.Option(help="none, last or time; of a run: as it was trained.")
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Also what this encoder has read before.")
    ] = None,
    accept: Accept = None,
    json: Json = False,
) -> None:
    """Whether facts, tables or texts know what comes after the cut; exit 1 if it is sure."""
    from recsys.cli.leaking import report_leaks

    report_leaks(data, hold_out, encoder, accept or [], json)


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="A file or folder in a format of the field.")],
    out: Annotated[Path, typer.Argument(help="The folder to make.")],
    form: Annotated[str | None, typer.Option("--from", help="Its format, if not seen.")] = None,
    to: Annotated[str, typer.Option("--to", help="plain: the files that build takes.")] = "plain",
    skip_broken: SkipBroken = False,
) -> None:
    """From one format of the field to another; docs/data.md lists them."""
    from recsys.cli.graphs import convert_files

    with skippable(skip_broken):
        convert_files(source, out, form, to, skip_broken)


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
    device: Device = None,
    accept: Accept = None,
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
        data, out, config, encoder, templates, taxonomy, hold_out, max_epochs, seed, device,
        accept or [], resume, start,
    )  # fmt: skip


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
def recommend(
    run: Run,
    user: User = None,
    history: History = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Every user, in one pass: CSV, or --json.")
    ] = False,
    profile: Annotated[
        str | None, typer.Option(help="What is known of the person: NAME=VALUE|VALUE,…")
    ] = None,
    search: Annotated[
        str | None, typer.Option(help="A search text as the newest event of --history.")
    ] = None,
    k: K = 10,
    out: Annotated[Path | None, typer.Option("-o", help="A file for --all.")] = None,
    with_seen: Annotated[
        bool | None,
        typer.Option("--with-seen/--without-seen", help="Items met before; else the data decide."),
    ] = None,
    intent: Annotated[
        list[str] | None,
        typer.Option(help="Only items of this named intent, or near to this text; repeatable."),
    ] = None,
    avoid: Annotated[
        list[str] | None, typer.Option(help="No item of this named intent; repeatable.")
    ] = None,
    quota: Annotated[
        str | None, typer.Option(help="Intents in shares or counts: Drama=0.5,Comedy=0.3; or auto.")
    ] = None,
    where: Where = None,
    only: Only = None,
    without: Without = None,
    diversity: Annotated[
        float, typer.Option(help="0 to 1: mind what is like what stands above it.")
    ] = 0.0,
    at_most: Annotated[
        str | None, typer.Option(help="So many items with one value of a fact: category=2,brand=3.")
    ] = None,
    json: Json = False,
) -> None:
    """The best items for a user, a history, or every user."""
    from recsys.cli.answering import Filters, Steering, recommend_all, recommend_one, wished

    filter_seen = None if with_seen is None else not with_seen
    steering = Steering(intent, avoid, quota)
    wishes = wished(steering, Filters(where, only, without), diversity, at_most)
    if all_:
        who = (user, history, profile, search)
        return recommend_all(run, who, wishes, out, k, filter_seen, json)
    return recommend_one(
        run, user, ids_of(history), profile, search, steering, wishes, out, k, filter_seen, json
    )


@app.command()
def similar(
    run: Run,
    item: Annotated[str | None, typer.Option(help="An item id.")] = None,
    text: Annotated[str | None, typer.Option(help="Any text.")] = None,
    k: K = 10,
    where: Where = None,
    only: Only = None,
    without: Without = None,
    json: Json = False,
) -> None:
    """Items like an item, or like a text."""
    from recsys.cli.answering import Filters
    from recsys.cli.output import show

    filters = Filters(where, only, without).wishes()
    found = _load(run).similar(item, text=text, k=k, **filters)
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
    by: Annotated[
        str, typer.Option(help="probability, or difference: from what is usual, above it only.")
    ] = "probability",
    all_: Annotated[
        bool, typer.Option("--all", help="Every user, in one pass: CSV, or --json.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="With --all: a file in place of stdout.")
    ] = None,
    json: Json = False,
) -> None:
    """What the user wants now, by name and probability, and how far they are with it."""
    from kg.errors import UsageError
    from recsys.cli.bulk import write_frames
    from recsys.cli.output import say, show

    if all_ and (user is not None or history is not None):
        raise UsageError("Say one of --all and who it is (--user, --history).")
    if out is not None and not all_:
        raise UsageError("-o needs --all.")
    rec, past = _load(run), ids_of(history)
    if all_:
        frames = rec.intents_all(k, language=language, by=by)
        return write_frames(frames, out, json, len(rec.log.users))
    found = rec.intents(user, history=past, k=k, language=language, by=by)
    stage = rec.stage(user, history=past)
    if not found:
        say("No intents: this run has no categories, or the history is empty.")
    rows = [
        {"intent": i.name, "probability": i.probability, "usual": i.usual, "stage": stage}
        for i in found
    ]
    return show(rows, json)


@app.command()
def explain(
    run: Run,
    item: Annotated[str, typer.Option(help="An item id.")],
    user: User = None,
    history: History = None,
    json: Json = False,
) -> None:
    """Why this item for this user."""
    from recsys.cli.output import lines_wanted, show

    e = _load(run).explain(user, item=item, history=ids_of(history))
    near = f"{e.nearest_text[0]} ({e.nearest_text[1]:.2f})" if e.nearest_text else ""
    row = {"item": e.item, "title": e.title, "reason": e.reason, "more": " | ".join(e.paths[1:]),
           "nearest_text": near, "score": e.score, **e.parts}  # fmt: skip
    if lines_wanted(json):
        show([row], True)
    else:
        show([{"": key, "value": value} for key, value in row.items()], False)


@app.command()
def export(
    run: Run,
    out: Annotated[Path, typer.Option("-o", "--out", help="FILE.npz or FILE.safetensors.")],
    of: Annotated[str, typer.Option(help="items or users.")] = "items",
) -> None:
    """Vectors of a run: their inner product is the network's score."""
    from kg.errors import UsageError
    from recsys.cli.output import say
    from recsys.export import item_vectors, user_vectors, write_vectors

    if of not in ("items", "users"):
        raise UsageError(f"--of must be items or users. Got {of!r} instead.")
    ids, vectors = (item_vectors if of == "items" else user_vectors)(_load(run))
    write_vectors(out, ids, vectors)
    say(f"{out}: {len(ids):,} {of}, {vectors.shape[1]} numbers each.")


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
    ablate_relations: Annotated[
        bool,
        typer.Option("--ablate-relations", help="Without each relation of the graph: which pays."),
    ] = False,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Also trained without them, and the controls.")
    ] = False,
    buckets: Annotated[
        bool, typer.Option("--buckets", help="Also by item's and by user's number of events.")
    ] = False,
    texts: Annotated[
        Path | None, typer.Option(help="Texts encoded before: DATA.texts, for --retrain.")
    ] = None,
    steering: Annotated[
        bool, typer.Option("--steering", help="What quotas and wishes by intent do to the lists.")
    ] = False,
    groups: Annotated[
        str | None,
        typer.Option(
            help="By groups: columns of the table of users, or history; facts of items, or "
            "popularity; joined by commas."
        ),
    ] = None,
    on: Annotated[
        Path | None, typer.Option(help="Events that came after the run: its lists, judged by them.")
    ] = None,
    beside: Annotated[
        Path | None, typer.Option(help="With --on: another run, for the people whom both know.")
    ] = None,
    columns: Columns = None,
    json: Json = False,
) -> None:
    """Held-out accuracy beside popularity, item-kNN, EASE and text-kNN, same users, same rule;
    with --ablate or --retrain: of the run without its parts; with --steering: of steered lists;
    with --groups: who is served how well, and what is shown how much; with --on: by later events.
    """
    from kg.errors import UsageError
    from recsys.cli.judging import ablate_run, group_run, judge_on, judge_run, steer_run

    ablated = ablate is not None or ablate_relations or retrain
    asked = {"--on": on is not None, "--groups": groups is not None, "--steering": steering,
             "--ablate": ablated}  # fmt: skip
    if len(told := [name for name, is_told in asked.items() if is_told]) > 1:
        raise UsageError(f"{told[0]} and {told[1]} are asked one by one.")
    if (buckets or texts is not None) and not ablated:
        raise UsageError("--buckets and --texts need --ablate, --ablate-relations or --retrain.")
    if (beside is not None or columns is not None) and on is None:
        raise UsageError("--beside and --columns need --on.")
    if on is not None:
        return judge_on(run, on, columns, beside, json)
    if groups is not None:
        return group_run(run, [name.strip() for name in groups.split(",")], json)
    if steering:
        return steer_run(run, json)
    if ablated:
        return ablate_run(run, ablate, ablate_relations, retrain, buckets, texts, json)
    return judge_run(run, json)


@app.command()
def doctor(json: Json = False) -> None:
    """Versions, encoder, FAISS, threads: what is here and what is missing."""
    from recsys.cli.health import examine
    from recsys.cli.output import show

    show(examine(), json)
