"""A bidirectional GRU over words of its own: what a network learns from these texts alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from kg.intents.labelled import LabelledTexts
from models.intent.augment import MOVES, Move, half_moved
from models.intent.contract import Reading
from models.intent.epochs import TextEpoch, Tokens, read_tokens, train_epochs
from models.intent.objectives import make_step
from models.intent.settings import RATES, TextTraining
from models.tensors import load_tensors, load_words, save_tensors, save_words
from models.text.encoder import TOKEN, folded

WORDS, FILE = "words.json", "gru.safetensors"
WIDTH = 128
MAX_WORDS = 30_000


class GruNetwork(nn.Module):
    """Word ids [B, W] -> logits [B, L] and vectors [B, 2·WIDTH], the largest over the places.

    Cho et al. 2014, arXiv:1406.1078. Id 0 is padding, 1 a word never met in training.
    """

    def __init__(self, words: int, labels: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words + 2, WIDTH, padding_idx=0)
        self.gru = nn.GRU(WIDTH, WIDTH, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(max(dropout, 0.3))
        self.head = nn.Linear(2 * WIDTH, labels)

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        vector = self.vector(ids, mask)
        return self.logits(vector), vector

    def vector(self, ids: Tensor, mask: Tensor) -> Tensor:
        """float32 [B, 2·WIDTH]."""
        lengths = mask.sum(1).clamp(min=1).cpu()  # where torch wants them, whatever the device
        packed = nn.utils.rnn.pack_padded_sequence(
            self.dropout(self.embedding(ids)), lengths, batch_first=True, enforce_sorted=False
        )
        states, _ = nn.utils.rnn.pad_packed_sequence(
            self.gru(packed)[0], batch_first=True, padding_value=-2.0, total_length=ids.shape[1]
        )  # a state lies in [-1, 1]
        return states.amax(1).float()

    def logits(self, vector: Tensor) -> Tensor:
        """float32 [B, L]."""
        return self.head(self.dropout(vector)).float()

    def words(self) -> nn.Embedding:
        """That of the words."""
        return self.embedding


class GruClassifier:
    """A `GruNetwork` with its words."""

    def __init__(
        self, labels: tuple[str, ...], many: bool, words: list[str], network: GruNetwork
    ) -> None:
        self.labels, self.many, self.words, self.network = labels, many, words, network
        self._number = {word: number for number, word in enumerate(words, start=2)}

    def read(self, texts: Sequence[str]) -> Reading:
        carries = np.zeros((len(texts), len(self.labels)), bool)
        tokens = self.tokens(texts, carries)
        known = np.array([any(word > 1 for word in words) for words in tokens.ids], bool)
        return Reading(*read_tokens(self.network, tokens), known=known)

    def tokens(self, texts: Sequence[str], carries: np.ndarray) -> Tokens:
        """Texts as word ids, cut at 200."""
        split = (TOKEN.findall(folded(text))[:200] or [""] for text in texts)
        return Tokens([[self._number.get(word, 1) for word in words] for words in split], carries)

    def save(self, folder: Path) -> None:
        save_words(folder / WORDS, self.words)
        parts = {k: v.numpy(force=True) for k, v in self.network.state_dict().items()}
        save_tensors(folder / FILE, parts)

    @classmethod
    def load(cls, folder: Path, labels: tuple[str, ...], many: bool) -> Self:
        words = load_words(folder / WORDS)
        network = GruNetwork(len(words), len(labels), 0.0)
        shapes = {name: tuple(part.shape) for name, part in network.state_dict().items()}
        found = load_tensors(folder / FILE, shapes)
        network.load_state_dict({name: torch.from_numpy(part) for name, part in found.items()})
        return cls(labels, many, words, network.eval())


def fresh_gru(data: LabelledTexts, config: TextTraining) -> GruClassifier:
    """Untrained, with the words that stand in at least two texts, the most frequent first."""
    often = Counter(word for text in data.texts for word in set(TOKEN.findall(folded(text))))
    ranked = sorted(often.items(), key=lambda pair: (-pair[1], pair[0]))[:MAX_WORDS]
    words = [word for word, count in ranked if count > 1] or [word for word, _ in ranked]
    network = GruNetwork(len(words), len(data.labels), config.dropout)
    return GruClassifier(data.labels, data.many, words, network)


def train_gru(
    model: GruClassifier, data: LabelledTexts, config: TextTraining, rng: np.random.Generator,
    *, moves: Mapping[str, Move] = MOVES,
) -> Iterator[TextEpoch]:  # fmt: skip
    """Train in place; `moves` holds those that the settings name."""
    tokens = model.tokens(data.texts, data.carries)
    learn = make_step(model.network, data.carries, data.many, config, rng)
    rate = config.learning_rate or RATES["gru"]
    groups = [{"params": list(model.network.parameters()), "lr": rate}]

    def fresh() -> Tokens:
        return model.tokens(half_moved(data.texts, config, rng, moves), data.carries)

    yield from train_epochs(
        model.network, tokens, learn, groups, config, rng,
        fresh=fresh if config.augment else None,
    )  # fmt: skip
