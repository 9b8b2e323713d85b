"""The settings of a training: what is learned from, and on what machine."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class TrainConfig(BaseModel):
    """How the model learns; nothing about the machine."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    max_epochs: int = Field(
        100, ge=0, description="0: no training, for a model that starts from another."
    )
    patience: int = Field(10, ge=1, description="Epochs without a better validation score.")
    max_minutes: float | None = Field(None, gt=0, description="Stop after this training time.")
    refit: bool | None = Field(
        None,
        description="Train once more, on the validation events too, for as many epochs as were "
        "best; None: where validation is a period of time, the latest that is known.",
    )
    graph_epochs: int = Field(
        0,
        ge=0,
        description="Before the first event is read: times that items' texts and facts learn to "
        "tell each other (masked facts, contrast); 0: off. Not for a training that starts from "
        "another run.",
    )
    optimiser: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0)
    schedule: Literal["constant", "linear", "cosine"] = Field(
        "constant",
        description="The learning rate after the warmup: as it is, or down to 0 over what is left "
        "of the planned updates (those of `max_epochs` epochs), in a line or half a cosine.",
    )
    warmup: float = Field(
        0.0,
        ge=0,
        description="In the first updates the learning rate rises in a line; below 1: the share of "
        "the planned updates that do so; from 1: their number.",
    )
    weight_decay: float = Field(0.0, ge=0)
    batch_targets: int = Field(
        0,
        ge=0,
        description="Moments a step, each with the items that came next; 0: a 256th of them, 512 "
        "to 8,192 events or 64 to 2,048 ends of visits.",
    )
    accumulate: int = Field(
        1,
        ge=1,
        description="Steps whose gradients make one update, that of their mean loss: as a batch of "
        "so many times the targets, in less memory.",
    )
    target: Literal["next", "visit", "period", "auto"] = Field(
        "auto",
        description="next: the next event; visit: the items of the next visit, asked when one "
        "ends; period: those of as much time as the validation part has; auto: period where the "
        "split is by time, for then nothing of a visit is known when it begins, and people come "
        "back (a tenth of those with two events). Searches are asked for the next event in all.",
    )
    loss: Literal["auto", "full", "sampled"] = Field(
        "auto",
        description="auto: full softmax up to 5,000 items (12,500 where the ends of visits are "
        "asked), then sampled.",
    )
    behaviour_power: float = Field(
        0.0,
        ge=0,
        le=5,
        description="0: every target counts alike; 1: as much as its behaviour is strong (view 1, "
        "cart 2.5, purchase 3); between them its power.",
    )
    behaviour_weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        {}, description="How much targets of a behaviour count, by its name; overrules the power."
    )
    next_behaviour: float = Field(
        0.0, ge=0, description="Weight of a loss for the kind of the next event; 0: off."
    )
    next_intent: float = Field(
        0.0, ge=0, description="Weight of a loss for the next item's named intents; 0: off."
    )
    negatives: int = Field(500, ge=1, description="Shared negatives of the sampled softmax.")
    average: float = Field(
        0.998,
        ge=0,
        lt=1,
        description="Weights are judged and served as their moving average over "
        "the updates, of this decay; 0: as they are.",
    )
    clip: float = Field(5.0, gt=0, description="Largest norm of the gradient of an update.")

    @field_validator("warmup")
    @classmethod
    def _share_or_number(cls, warmup: float) -> float:
        if warmup >= 1 and warmup != int(warmup):
            raise ValueError("warmup must be a share below 1, or a whole number of updates")
        return warmup

    @property
    def planned(self) -> bool:
        """Whether the learning rate of an update depends on how many are planned."""
        return self.schedule != "constant" or 0 < self.warmup < 1


class RunOptions(BaseModel):
    """The machine's side: seed, threads and numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    seed: int = Field(0, ge=0, lt=2**31)
    threads: int = Field(0, ge=0, description="Threads of torch; 0: as torch chooses.")
    precision: Literal["float32", "bfloat16", "auto"] = Field(
        "float32",
        description="Products of matrices in training; weights, norms and softmax stay float32. "
        "auto: bfloat16 where this processor multiplies it natively and gains, so results depend "
        "on the machine.",
    )
    device: str = Field(
        "auto",
        description="Where networks learn, by torch's name (cpu, cuda, cuda:1); auto: on a CUDA "
        "card if torch sees one. A recommender serves on the processor; a text classifier stays "
        "where it learned, until it is saved.",
    )
    deterministic: bool = Field(
        False,
        description="torch refuses what may differ from run to run: same seed and same threads on "
        "the same machine, same weights bit for bit; with device auto it learns on the processor.",
    )
