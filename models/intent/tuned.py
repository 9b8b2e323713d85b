"""BERT that learns the task: all of its weights, or few new ones put in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from kg.errors import DataError, UsageError
from kg.intents.labelled import LabelledTexts
from models.intent.adapters import adapted, merged, new_weights, regulariser, share_budget
from models.intent.augment import MOVES, Move, half_moved
from models.intent.contract import Reading
from models.intent.epochs import TextEpoch, Tokens, planned_epochs, read_tokens, train_epochs
from models.intent.objectives import make_step
from models.intent.settings import RATES, TextTraining
from models.tensors import load_tensors, save_tensors
from models.text.encoder import checked_texts
from models.text.folder import (
    content_hash,
    default_prompt,
    find_folder,
    load_model,
    load_tokenizer,
    model_files,
    pooling_of,
    reading_of,
    save_encoder,
)
from models.text.pooling import places_of, pooled, width_of
from models.text.spans import Span, token_spans

FILE = "tuned.safetensors"
"""The head, and the new weights of the encoder unless all of it learned."""


class TunedNetwork(nn.Module):
    """Token ids [B, W] -> logits [B, L] and the vectors [B, D] that the head reads.

    A vector is pooled from the last hidden states as `pooling` says (`models.text.pooling`) and
    scaled to length sqrt(D). `hidden` > 0 puts a layer of this width and GELU before the last one.
    Both are float32, also where autocast has matrices multiplied in bfloat16.
    """

    def __init__(
        self, encoder: Any, labels: int, config: TextTraining, pooling: str = "mean"
    ) -> None:
        super().__init__()
        self.encoder, self.pooling = encoder, pooling
        width = width_of(encoder.config)
        self.dropout = nn.Dropout(config.dropout)
        layers: list[nn.Module] = []
        if config.hidden:
            layers = [nn.Linear(width, config.hidden), nn.GELU(), nn.Dropout(config.dropout)]
        self.last = nn.Linear(config.hidden or width, labels)
        self.head = nn.Sequential(*layers, self.last)

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        vector = self.vector(ids, mask)
        return self.logits(vector), vector

    def logits(self, vector: Tensor) -> Tensor:
        """float32 [B, L]."""
        return self.head(self.dropout(vector)).float()

    def words(self) -> nn.Embedding:
        """That of the encoder."""
        return self.encoder.get_input_embeddings()

    def vector(self, ids: Tensor, mask: Tensor) -> Tensor:
        """float32 [B, D]."""
        real = None if bool(mask.all()) else mask.long()
        states = self.encoder(input_ids=ids, attention_mask=real).last_hidden_state  # [B, W, D]
        one = pooled(states, mask, self.pooling).float()
        return nn.functional.normalize(one, dim=1) * math.sqrt(one.shape[1])


class TextTokens:
    """The tokenizer of a folder: texts as token ids behind the encoder's prompt, special tokens
    included, cut at `max_tokens`.
    """

    def __init__(self, folder: Path, max_tokens: int) -> None:
        self._prompt = default_prompt(folder)
        self.tokenizer = load_tokenizer(folder)
        self._tokens = self.tokenizer.backend_tokenizer
        self._tokens.enable_truncation(max_length=max_tokens)
        self._tokens.no_padding()

    def __call__(self, texts: Sequence[str], carries: np.ndarray) -> Tokens:
        """Of n texts, with what they carry [n, L]."""
        said = [self._prompt + text for text in checked_texts(texts, "TunedClassifier")]
        ids = [found.ids for found in self._tokens.encode_batch_fast(said)]
        return Tokens(ids, carries, int(self.tokenizer.pad_token_id or 0))

    def spans(self, text: str) -> tuple[list[int], list[Span | None]]:
        """Token ids of a text, and its characters in each: `token_spans`."""
        return token_spans(self._tokens, text, self._prompt)


class TunedClassifier:
    """A `TunedNetwork` with its tokenizer and the folder of the encoder that it began with."""

    def __init__(
        self, labels: tuple[str, ...], many: bool, method: str, folder: Path,
        network: TunedNetwork, max_tokens: int,
    ) -> None:  # fmt: skip
        self.labels, self.many, self.method = labels, many, method
        self.folder, self.network, self.max_tokens = folder, network, max_tokens
        self.tokens = TextTokens(folder, max_tokens)

    def read(self, texts: Sequence[str]) -> Reading:
        carries = np.zeros((len(texts), len(self.labels)), bool)
        return Reading(*read_tokens(self.network, self.tokens(texts, carries)))

    def spans(self, text: str) -> tuple[list[int], list[Span | None]]:
        """Token ids of a text as in `tokens`, and its characters in each: `token_spans`."""
        return self.tokens.spans(text)

    def save(self, folder: Path) -> None:
        parts = {f"head.{k}": v for k, v in self.network.head.state_dict().items()}
        if self.method == "full":
            save_encoder(self.network.encoder, self.folder, folder)
        else:
            parts |= new_weights(self.network.encoder)
        save_tensors(folder / FILE, {name: part.numpy(force=True) for name, part in parts.items()})

    @classmethod
    def load(
        cls, folder: Path, labels: tuple[str, ...], many: bool, method: str = "full",
        base: Path | None = None, config: TextTraining | None = None,
    ) -> Self:  # fmt: skip
        """`base` is the folder of the encoder it began with; method "full" holds its own."""
        config = config or TextTraining()
        home = folder if method == "full" or base is None else base
        encoder = load_model(home)
        if method != "full":
            encoder = adapted(encoder, method, config)
        network = TunedNetwork(encoder, len(labels), config, pooling_of(home))
        head = {f"head.{k}": v for k, v in network.head.state_dict().items()}
        wanted = head | ({} if method == "full" else new_weights(encoder))
        found = load_tensors(folder / FILE, {k: tuple(v.shape) for k, v in wanted.items()})
        with torch.no_grad():
            for name, part in wanted.items():  # state_dict() shares its memory with the weights
                part.copy_(torch.from_numpy(found[name]))
        return cls(labels, many, method, home, network.eval(), config.max_tokens)

    def merge(self, folder: Path) -> None:
        """Put an encoder that computes the same into this folder, as transformers loads it.

        `UsageError` for method "adapter". The classifier itself is of no use afterwards.
        """
        save_encoder(merged(self.network.encoder), self.folder, folder)


def fresh_tuned(
    name_or_dir: str | Path, method: str, data: LabelledTexts, config: TextTraining,
    rng: np.random.Generator,
) -> TunedClassifier:  # fmt: skip
    """Before its first step: the last layer of the head is 0.

    A head that began with a regression on the untouched vectors would fit the few training texts
    at once and leave the encoder little to learn: on ten examples a label of banking77 it was right
    of .857 of other texts, one that begins at 0 of .863 (a trial, one seed).

    Raises `UsageError` for an encoder that is not there or cannot take the method, or a
    `max_tokens` beyond its places.
    """
    folder = find_folder(name_or_dir)
    encoder = load_model(folder)
    places = places_of(encoder.config)
    if config.max_tokens > places:
        raise UsageError(
            f"'max_tokens' must be at most {places} for '{folder}'. Got {config.max_tokens}."
        )
    torch.manual_seed(int(rng.integers(2**31)))
    if method == "full":
        let_learn(encoder, config.words)
    else:
        updates = _updates(len(data), config)
        encoder = adapted(encoder, method, config, updates)
    network = TunedNetwork(encoder, len(data.labels), config, pooling_of(folder))
    nn.init.zeros_(network.last.weight)
    nn.init.zeros_(network.last.bias)
    return TunedClassifier(data.labels, data.many, method, folder, network, config.max_tokens)


def let_learn(encoder: Any, words: bool = False) -> None:
    """All of its weights, those of the words only if asked; a pooler is no part of the answers."""
    encoder.requires_grad_(True)
    encoder.get_input_embeddings().requires_grad_(words)
    if (pooler := getattr(encoder, "pooler", None)) is not None:
        pooler.requires_grad_(False)


def _updates(rows: int, config: TextTraining) -> int:
    epochs = config.epochs or planned_epochs(rows, config.batch_size)
    return epochs * -(-rows // (config.batch_size * config.accumulate))


def train_tuned(
    model: TunedClassifier, data: LabelledTexts, config: TextTraining, rng: np.random.Generator,
    *, moves: Mapping[str, Move] = MOVES, bfloat16: bool = False,
) -> Iterator[TextEpoch]:  # fmt: skip
    """Train in place; `moves` holds those that the settings name."""
    network = model.network
    tokens = model.tokens(data.texts, data.carries)
    rate = config.learning_rate or RATES[model.method]
    inside = [part for part in network.encoder.parameters() if part.requires_grad]
    groups = [
        {"params": inside, "lr": rate},
        {"params": list(network.head.parameters()), "lr": config.head_rate},
    ]
    learn = make_step(
        network, data.carries, data.many, config, rng, lambda: regulariser(network.encoder)
    )

    def fresh() -> Tokens:
        return model.tokens(half_moved(data.texts, config, rng, moves), data.carries)

    yield from train_epochs(
        network, tokens, learn, groups, config, rng, bfloat16=bfloat16,
        fresh=fresh if config.augment else None,
        after=lambda update: share_budget(network.encoder, update),
    )  # fmt: skip


def base_hash(name_or_dir: str | Path) -> str:
    """The content of an encoder's folder, 16 hex digits, and how it is pooled unless that is the
    mean; `DataError` without weights.
    """
    folder = find_folder(name_or_dir)
    how = reading_of(folder)
    return content_hash(model_files(folder)) + ("" if how == "mean" else f":{how}")


def checked_base(name_or_dir: str | Path, known: str) -> Path:
    """The encoder's folder; `DataError` unless it holds what the new weights were learned in."""
    folder = find_folder(name_or_dir)
    found = base_hash(folder)
    if found != known:
        raise DataError(
            f"The encoder {str(name_or_dir)!r} must be the one these weights were learned in "
            f"({known}). Got {found} instead: name the right one with --encoder."
        )
    return folder
