"""The settings of a text classifier's training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Method = Literal["full", "lora", "adalora", "ia3", "adapter", "frozen", "svm", "gru", "rules"]
TUNED = ("full", "lora", "adalora", "ia3", "adapter")
"""The methods that change what BERT does; the others leave it as it is, or do not ask it."""
READERS = (*TUNED, "frozen")
"""The methods that read by an encoder."""
CHEAP = ("frozen", "svm", "rules")
"""Those that learn within seconds: once more from all texts when the calibration is known."""
DEFAULT = "frozen+svm"
"""Meanings and words together: seconds to learn, and better than either on what was measured."""
SMALL = ("int8", "onnx")
"""What is not learned, but made of a classifier that was."""


class TextTraining(BaseModel):
    """How a text classifier learns; nothing about the machine."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    epochs: int = Field(0, ge=0, description="0: about 2,500 steps, in 3 to 40 epochs.")
    batch_size: int = Field(32, ge=1, description="Texts a step.")
    accumulate: int = Field(1, ge=1, description="Batches whose gradients make one update.")
    learning_rate: float | None = Field(
        None, gt=0, description="Of BERT or what is added to it; None: as fits the method."
    )
    head_rate: float = Field(5e-3, gt=0, description="Learning rate of the head.")
    warmup: float = Field(0.1, ge=0, lt=1, description="Share of the updates; then down to 0.")
    weight_decay: float = Field(0.01, ge=0)
    clip: float = Field(1.0, gt=0, description="Largest norm of the gradient of an update.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Of the vector that the head reads.")
    hidden: int = Field(0, ge=0, description="Width of a hidden layer of the head; 0: none.")
    words: bool = Field(False, description="full: whether the word embeddings learn as well.")
    rank: int = Field(8, ge=1, description="lora, adalora: rank of a change (adalora: at the end).")
    alpha: float = Field(16.0, gt=0, description="lora, adalora: scale of a change, over the rank.")
    bottleneck: int = Field(48, ge=1, description="adapter: width of its middle.")
    class_weights: bool = Field(False, description="Rare labels count as much as frequent ones.")
    smoothing: float = Field(0.0, ge=0, lt=1, description="Label smoothing, where one is meant.")
    consistency: float = Field(
        0.0, ge=0, description="Weight of two readings with other dropout agreeing (R-Drop)."
    )
    contrast: float = Field(
        0.0, ge=0, description="Weight of texts of one label being near (supervised contrast)."
    )
    mixup: float = Field(0.0, ge=0, description="Mixing two texts: α of the shares; 0: off.")
    adversarial: Literal["none", "fgm", "pgd", "freelb"] = Field(
        "none", description="Also learn from the worst small change of the words' embeddings."
    )
    epsilon: float = Field(0.5, gt=0, description="adversarial: length of that change, a text.")
    augment: tuple[str, ...] = Field(
        (),
        description="Moves (`models.intent.moves`) of half the texts, anew each epoch: drop, swap, "
        "crop, mask, each also as event_drop and so on, typos, synonyms, back_translation.",
    )
    translate_there: str | None = Field(
        None, description="back_translation: folder of a translator into another language."
    )
    translate_back: str | None = Field(None, description="And of one out of it.")
    augment_rate: float = Field(0.1, gt=0, le=1, description="Share of the words that move.")
    rounds: int = Field(
        4, ge=0, description="Times that unlabelled texts, if there are, are labelled and learned: "
        "the surest 40 % of them at first, 90 % at last.",
    )  # fmt: skip
    gate: float = Field(
        0.5, ge=0, lt=1, description="Below this probability such a label is never believed."
    )
    max_tokens: int = Field(64, ge=3, description="Longer texts are cut.")
    validation: float = Field(
        0.1, ge=0, lt=0.5, description="Held out for calibration where the file has no valid part."
    )


EPOCHS = (*TUNED, "gru")
"""The methods that go through their texts in epochs."""
_HEARD: dict[str, tuple[str, ...]] = {
    "hidden": TUNED, "head_rate": TUNED, "max_tokens": TUNED, "words": ("full",),
    "rank": ("lora", "adalora"), "alpha": ("lora", "adalora"), "bottleneck": ("adapter",),
} | dict.fromkeys(
    ("epochs", "batch_size", "accumulate", "learning_rate", "warmup", "weight_decay", "clip",
     "dropout", "smoothing", "consistency", "contrast", "mixup", "adversarial", "epsilon"), EPOCHS,
)  # fmt: skip
"""The methods that hear of a setting; of those that are not here all do, or another check tells."""


def unheard(config: TextTraining, methods: Sequence[str]) -> list[str]:
    """The settings that someone gave and none of the methods hears."""
    given = config.model_dump(exclude_defaults=True).keys() & config.model_fields_set
    return sorted(name for name in given & _HEARD.keys() if not {*methods} & {*_HEARD[name]})


RATES = {"full": 1e-4, "lora": 2e-3, "adalora": 5e-3, "ia3": 1e-2, "adapter": 1e-3, "gru": 2e-3}
"""Learning rates where the settings name none."""
