"""`kgintent recommend`: who asks, what the list is steered by, and what it then holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from kg.errors import UsageError
from kg.searches import Search
from recsys.answers import Recommendation, intent_mix
from recsys.cli.bulk import write_all
from recsys.cli.output import columns_of, say, show
from recsys.recommender import Recommender


class Steering(NamedTuple):
    """--intent, --avoid and --quota as they were given."""

    intent: list[str] | None
    avoid: list[str] | None
    quota: str | None

    @property
    def asked(self) -> bool:
        """Whether one of them was."""
        return any(told is not None for told in self)

    def wishes(self) -> dict[str, Any]:
        """The arguments of `Recommender.recommend`."""
        quota: Any = self.quota
        if quota is not None and quota != "auto":
            told = columns_of(quota, "--quota")
            quota = {name: _number(name, value) for name, value in told.items()}
        return {"intent": self.intent, "avoid": self.avoid, "intent_quota": quota}


def recommend_all(
    run: Path, who: tuple[str | None, ...], steering: Steering, out: Path | None, k: int,
    filter_seen: bool | None,
) -> None:  # fmt: skip
    """Every user, unsteered."""
    if any(told is not None for told in who):
        raise UsageError("Say one of --all and who it is (--user, --history, …).")
    if steering.asked:
        raise UsageError("--intent, --avoid and --quota are for one person, not for --all.")
    write_all(Recommender.load(run), out, k, filter_seen)


def recommend_one(
    run: Path, user: str | None, history: list[str] | None, profile: str | None,
    search: str | None, steering: Steering, out: Path | None, k: int, filter_seen: bool | None,
    json: bool,
) -> None:  # fmt: skip
    """One list; steered, with the intents of each item, and with their mix on stderr."""
    if out is not None:
        raise UsageError("-o needs --all.")
    wishes = steering.wishes()
    rec = Recommender.load(run)
    past: list[Any] | None = history
    if search is not None:
        if user is not None:
            raise UsageError("--search goes with --history or stands alone, not with --user.")
        past = [*(past or []), Search(search)]
    told = None if profile is None else columns_of(profile, "--profile")
    found = rec.recommend(user, history=past, profile=told, k=k, filter_seen=filter_seen, **wishes)
    rows: list[dict[str, Any]] = [
        {"item": r.item, "title": r.title, "score": r.score} for r in found
    ]
    if steering.asked:
        rows = [row | {"intents": ", ".join(r.intents)} for row, r in zip(rows, found, strict=True)]
        _tell(rec, steering, found)
    show(rows, json)


def _tell(rec: Recommender, steering: Steering, found: list[Recommendation]) -> None:
    """How many items belong to what was asked for, and the mix of the list."""
    words = steering.intent or []
    numbers = [number for word in words if (number := rec.carried.find(word)) is not None]
    names = {rec.carried.names[number] for number in numbers}
    if names:
        having = sum(not names.isdisjoint(r.intents) for r in found)
        rest = "" if having == len(found) else "; the others are the nearest to them by text"
        say(f"{having} of {len(found)} carry {' or '.join(sorted(names))}{rest}.")
    for word in words if not names else ():
        say(f"{word!r} is no named intent: what is near to it by text.{rec.carried.near(word)}")
    mix = ", ".join(f"{name} {share:.0%}" for name, share in intent_mix(found).items())
    say(f"The list holds: {mix or 'no named intent'}.")


def _number(name: str, text: str) -> float:
    """A count where it is written as a whole number, else a share."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    raise UsageError(
        f"--quota must be shares or counts such as Drama=0.5,Comedy=0.3 or auto. "
        f"Got {name}={text} instead."
    )
