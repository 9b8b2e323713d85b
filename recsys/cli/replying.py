"""`kgintent intent reply`: messages to answers, questions and handovers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kg.errors import UsageError
from kg.tables import existing_file, read_table
from recsys.cli.intent import texts_of
from recsys.cli.output import lines_wanted, show
from recsys.intent.classify import IntentClassifier
from recsys.intent.service import Desk


def reply_messages(
    folder: Path, answers: Path, texts: Sequence[str], file: Path | None, column: str,
    told: Sequence[str], close: float, least: float, language: str | None, encoder: str | None,
    json: bool,
) -> None:  # fmt: skip
    """A row a message: what is said, and why."""
    if bool(texts) == (file is not None):
        raise UsageError("Say what to answer: --text (repeatable) or a FILE, one of them.")
    given = facts_of(told)
    desk = Desk(IntentClassifier.load(folder, encoder), answers, close=close, least=least)
    said = list(texts) if file is None else texts_of(file, column)
    own = [{} for _ in said] if file is None else _columns(file, column, len(said))
    lines = lines_wanted(json)
    rows: list[dict[str, Any]] = []
    for message, facts in zip(said, own, strict=True):
        found = desk.reply(message, given | facts, language)
        if lines:
            rows.append({"message": message, **found.as_dict()})
        else:
            sure = round(found.confidence, 4)
            rows.append({"message": message[:60], "kind": found.kind, "reply": found.text,
                         "confidence": sure, "reason": found.reason})  # fmt: skip
    show(rows, json)


def facts_of(told: Sequence[str]) -> dict[str, str]:
    """'amount=12 €' as {name: value}; `UsageError` for one without a name or '='."""
    out = {}
    for pair in told:
        name, mark, value = pair.partition("=")
        if not mark or not name.strip().isidentifier():
            raise UsageError(f"--fact must be NAME=VALUE. Got {pair!r} instead.")
        out[name.strip()] = value
    return out


def _columns(file: Path, column: str, count: int) -> list[dict[str, Any]]:
    """The filled cells of each row beside the message; none for lines of a .txt."""
    if existing_file(file).suffix == ".txt":
        return [{} for _ in range(count)]
    rows = read_table(file).drop(column).to_dicts()
    return [{name: cell for name, cell in row.items() if cell is not None} for row in rows]
