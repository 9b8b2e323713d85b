"""One run's settings as TOML: [model], [train], [intent], [neighbours], [factors], [trend],
[habits], [options]."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kg.errors import UsageError, suggest
from kg.tables import existing_file
from models.intent import IntentConfig
from models.recommender import ModelConfig
from recsys.partners.factors import FactorConfig
from recsys.partners.habits import HabitConfig
from recsys.partners.neighbours import NeighbourConfig
from recsys.partners.trend import TrendConfig
from recsys.training.settings import RunOptions, TrainConfig

Settings = TypeVar("Settings", bound=BaseModel)


class RunConfig(BaseModel):
    """Everything that `kgintent train -c FILE` reads; what is left out has its default."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    model: ModelConfig = Field(default_factory=ModelConfig)
    train: TrainConfig = Field(default_factory=TrainConfig)
    intent: IntentConfig = Field(default_factory=IntentConfig)
    neighbours: NeighbourConfig = Field(default_factory=NeighbourConfig)
    factors: FactorConfig = Field(default_factory=FactorConfig)
    trend: TrendConfig = Field(default_factory=TrendConfig)
    habits: HabitConfig = Field(default_factory=HabitConfig)
    options: RunOptions = Field(default_factory=RunOptions)

    @classmethod
    def read(cls, path: str | Path) -> RunConfig:
        """From TOML; `UsageError` names an unknown key and the nearest known one."""
        return read_settings_file(path, cls)

    def to_toml(self) -> str:
        """What was set, as a TOML file that `read` takes; what was left out stays out."""
        lines: list[str] = []
        for section, values in self.model_dump(exclude_unset=True, exclude_none=True).items():
            told = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
            lines += [f"[{section}]", *told, ""]
        return "\n".join(lines)


def read_settings_file(path: str | Path, kind: type[Settings]) -> Settings:
    """Settings of this kind from TOML; `UsageError` as `RunConfig.read`."""
    file = existing_file(path)
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not TOML: {error}.") from None
    try:
        return kind(**raw)
    except ValidationError as error:
        raise UsageError(f"{file}: {_told(error, kind)}") from None


def _told(error: ValidationError, kind: type[BaseModel]) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = _known_keys(first["loc"], kind)
        near = suggest(str(first["loc"][-1]), known)
        place = "".join(f" in [{part}]" for part in first["loc"][:-1])
        return f"the key {where!r} is not known.{near} Known{place}: {', '.join(known) or 'none'}."
    return f"{where}: {first['msg']}. Got {first['input']!r} instead."


def _known_keys(where: tuple[int | str, ...], kind: type[BaseModel]) -> list[str]:
    if len(where) == 1:
        return list(kind.model_fields)
    inner = kind.model_fields[str(where[0])].annotation
    return (
        list(inner.model_fields) if isinstance(inner, type) and issubclass(inner, BaseModel) else []
    )
