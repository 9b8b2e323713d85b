"""A whole classifier as one 8-bit ONNX file: encoder, pooling and head, without torch's weights.

Quantised as in `models.text.onnx`; what flows through is scaled at run time, a batch at a time, so
that answers move in the third digit with what stands beside them. Needs the extra `[onnx]`.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from torch import Tensor, nn

from kg.errors import DataError
from models.intent.contract import Reading
from models.intent.epochs import in_batches
from models.intent.settings import TextTraining
from models.intent.tuned import TextTokens, TunedClassifier, TunedNetwork
from models.text.folder import copy_tokenizer
from models.text.onnx import check_family, int8_bytes, session
from models.text.pooling import pooled

FILE = "model.onnx"
"""Inputs input_ids and attention_mask int64 [B, W], outputs logits [B, L] and vectors [B, D]."""


class OnnxClassifier:
    """The content of such a file and the tokenizer of a folder, on `threads` threads (0: all)."""

    def __init__(
        self, labels: tuple[str, ...], many: bool, folder: Path, content: bytes, max_tokens: int,
        threads: int = 0,
    ) -> None:  # fmt: skip
        self.labels, self.many, self.folder, self.content = labels, many, folder, content
        self.max_tokens = max_tokens
        self._tokens = TextTokens(folder, max_tokens)
        self._session = session(folder / FILE, threads, content)
        width = {part.name: part.shape[-1] for part in self._session.get_outputs()}
        if width.get("logits") != len(labels):
            raise DataError(
                f"{folder / FILE} must give {len(labels)} logits. Got {width.get('logits')}."
            )

    def read(self, texts: Sequence[str]) -> Reading:
        carries = np.zeros((len(texts), len(self.labels)), bool)

        def run(ids: Tensor, mask: Tensor) -> tuple[np.ndarray, np.ndarray]:
            told = {"input_ids": ids.numpy(), "attention_mask": mask.long().numpy()}
            logits, vectors = self._session.run(["logits", "vectors"], told)
            return logits, vectors

        return Reading(*in_batches(run, self._tokens(texts, carries)))

    def on_threads(self, threads: int) -> Self:
        """The same on so many processor threads."""
        return type(self)(
            self.labels, self.many, self.folder, self.content, self.max_tokens, threads
        )

    def save(self, folder: Path) -> None:
        (folder / FILE).write_bytes(self.content)
        copy_tokenizer(self.folder, folder)
        shutil.copyfile(self.folder / "config.json", folder / "config.json")  # of the tokenizer

    @classmethod
    def load(
        cls, folder: Path, labels: tuple[str, ...], many: bool, config: TextTraining | None = None
    ) -> Self:
        try:
            content = (folder / FILE).read_bytes()
        except OSError as error:
            raise DataError(f"{folder / FILE} cannot be read: {error}.") from None
        most = (config or TextTraining()).max_tokens
        return cls(labels, many, folder, content, most)


def to_onnx(model: TunedClassifier) -> OnnxClassifier:
    """A copy of a classifier of method "full"; `UsageError` without the extra or for a decoder."""
    check_family(model.network.encoder)
    content = int8_bytes(_Exported(model.network).eval(), ["logits", "vectors"], model.max_tokens)
    return OnnxClassifier(model.labels, model.many, model.folder, content, model.max_tokens)


class _Exported(nn.Module):
    """`TunedNetwork` without a question that the exporter cannot ask."""

    def __init__(self, network: TunedNetwork) -> None:
        super().__init__()
        self.encoder, self.head, self.pooling = network.encoder, network.head, network.pooling

    def forward(self, input_ids: Any, attention_mask: Any) -> tuple[Tensor, Tensor]:
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask)[0]  # [B, W, D]
        one = pooled(states, attention_mask, self.pooling)
        vector = nn.functional.normalize(one, dim=1) * math.sqrt(one.shape[1])
        return self.head(vector), vector
