"""An encoder that reads the words of a shop before anybody labels one: tasks that need no labels.

    mask      a token that was hidden is told from the others (Devlin et al. 2019,
              arXiv:1810.04805: 15 % of the tokens, of which 80 % become [MASK], 10 % another one)
    pairs     two texts that belong together are nearer than those of other pairs; a text and
              itself under another dropout (Gao et al. 2021, "SimCSE", arXiv:2104.08821), a
              behaviour sequence and the item that came next, an item and what the graph says of it
    order     are these events in the order in which they happened?

The weights go on from where they are, with a small learning rate, and are saved as a folder that
`BertEncoder` and every tuned classifier take.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from kg.checking.reading import Reading, read_readings, write_readings
from kg.errors import UsageError
from kg.folders import fresh_folder
from models.device import checked_device, drawing
from models.intent.epochs import slope
from models.intent.tuned import TextTokens
from models.text.folder import find_folder, load_model, pooling_of, save_encoder
from models.text.pooling import pooled, width_of

Task = Callable[[np.ndarray, np.random.Generator], Tensor]
"""The loss on these rows of the task's own examples, int64 [B]."""
HIDDEN = 0.15


class PretrainConfig(BaseModel):
    """How long and how fast."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    epochs: int = Field(1, ge=1, description="Times that each example is read.")
    batch_size: int = Field(32, ge=2)
    learning_rate: float = Field(5e-5, gt=0)
    head_rate: float = Field(1e-3, gt=0, description="Learning rate of what the tasks add.")
    warmup: float = Field(0.1, ge=0, lt=1)
    weight_decay: float = Field(0.01, ge=0)
    clip: float = Field(1.0, gt=0)
    temperature: float = Field(0.05, gt=0, description="pairs: of the softmax over the batch.")
    words: bool = Field(True, description="Whether the word embeddings learn as well.")
    max_tokens: int = Field(64, ge=3)


@dataclass(frozen=True)
class Examples:
    """What there is to learn from; a task without examples is left out.

    texts for `mask`; pairs of texts for `pairs`; sequences, each a list of phrases in the order in
    which `joined` puts them into one text, for `order`, where those whose phrases are all alike are
    left out: they have one order only. `reading` says whence they are.
    """

    texts: Sequence[str] = ()
    pairs: Sequence[tuple[str, str]] = ()
    sequences: Sequence[Sequence[str]] = ()
    joined: Callable[[Sequence[str]], str] = field(default="; ".join)
    reading: Reading | None = None


@dataclass(frozen=True)
class PretrainReport:
    """After each tenth of the steps: how many are done of how many, the mean loss of each task
    since the last report, and seconds in all."""

    step: int
    of: int
    losses: dict[str, float]
    seconds: float


class _Reader(nn.Module):
    """The encoder with what the tasks need beside it."""

    def __init__(self, folder: Path, config: PretrainConfig) -> None:
        super().__init__()
        self.encoder = load_model(folder).train()
        self.pooling = pooling_of(folder)
        width = width_of(self.encoder.config)
        words = self.encoder.get_input_embeddings()
        words.requires_grad_(config.words)
        self.transform = nn.Sequential(nn.Linear(width, words.embedding_dim), nn.GELU(),
                                       nn.LayerNorm(words.embedding_dim))  # fmt: skip
        self.bias = nn.Parameter(torch.zeros(words.num_embeddings))
        self.in_order = nn.Linear(width, 1)

    def states(self, ids: Tensor, mask: Tensor) -> Tensor:
        """[B, W, D]."""
        return self.encoder(input_ids=ids, attention_mask=mask.long()).last_hidden_state

    def vectors(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Pooled from the tokens, of length 1, [B, D]."""
        return F.normalize(pooled(self.states(ids, mask), mask, self.pooling), dim=1)

    def tokens(self, states: Tensor) -> Tensor:
        """Logits [K, V] of hidden tokens from their states [K, D], tied to the word embeddings."""
        words = self.encoder.get_input_embeddings().weight
        return self.transform(states) @ words.T + self.bias


def pretrain(
    encoder: str | Path, examples: Examples, tasks: Sequence[str], out: str | Path,
    config: PretrainConfig | None = None, *, seed: int = 0, device: str = "auto",
) -> Iterator[PretrainReport]:  # fmt: skip
    """Learn, then write the encoder's folder at `out`, whole; stopped before, nothing is written.

    It learns on the `device`, "auto": on a CUDA card if torch sees one. Raises `UsageError` for an
    unknown task, one without examples, a tokenizer without [MASK] where "mask" is asked for, a
    place that is taken, and a device that torch does not have.
    """
    device = checked_device(device, "pretrain")
    config, rng = config or PretrainConfig(), np.random.default_rng(seed)
    folder = find_folder(encoder)
    with fresh_folder(out) as fresh, drawing(int(rng.integers(2**31)), device):
        reader = _Reader(folder, config).to(device)
        made = _tasks(reader, folder, examples, tasks, config)
        yield from _steps(reader, made, config, rng)
        reader.encoder.cpu().eval()
        save_encoder(reader.encoder, folder, fresh)
        if examples.reading is not None:
            write_readings(fresh, [*read_readings(folder), examples.reading])


def _tasks(
    reader: _Reader, folder: Path, examples: Examples, names: Sequence[str], config: PretrainConfig
) -> dict[str, tuple[int, Task]]:
    """Name to how many examples there are, and the loss on some of them."""
    read = TextTokens(folder, config.max_tokens)
    sequences = [told for told in map(list, examples.sequences) if len(set(told)) > 1]
    known: dict[str, tuple[int, Task]] = {
        "mask": (len(examples.texts), _masking(reader, read, examples.texts)),
        "pairs": (len(examples.pairs), _pairing(reader, read, examples.pairs, config.temperature)),
        "order": (len(sequences), _ordering(reader, read, sequences, examples.joined)),
    }
    for name in names:
        if name not in known:
            raise UsageError(f"A task must be one of {', '.join(known)}. Got {name!r} instead.")
        if known[name][0] < 2:
            found = known[name][0]
            raise UsageError(f"The task {name!r} needs at least two examples. Got {found}.")
    if not names:
        raise UsageError(f"Name at least one task: {', '.join(known)}.")
    return {name: known[name] for name in dict.fromkeys(names)}


def _batch(reader: _Reader, read: TextTokens, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """ids int64 and mask bool [B, W], where the reader is."""
    tokens, place = read(texts, np.zeros((len(texts), 0))), reader.bias.device
    ids, mask, _ = tokens.batch(range(len(tokens)))
    return ids.to(place), mask.to(place)


def _masking(reader: _Reader, read: TextTokens, texts: Sequence[str]) -> Task:
    tokenizer = read.tokenizer
    special = torch.tensor(sorted(tokenizer.all_special_ids))
    hidden_as, size = tokenizer.mask_token_id, len(tokenizer)

    def loss(rows: np.ndarray, rng: np.random.Generator) -> Tensor:
        if hidden_as is None:
            raise UsageError(
                f"The task 'mask' needs a [MASK] that '{tokenizer.name_or_path}' does not have."
            )
        ids, mask = _batch(reader, read, [texts[row] for row in rows])
        able = mask & ~torch.isin(ids, special.to(ids.device))
        chosen = able & (torch.from_numpy(rng.random(ids.shape)) < HIDDEN).to(ids.device)
        if not chosen.any():
            return reader.bias.sum() * 0
        how = torch.from_numpy(rng.random(ids.shape)).to(ids.device)
        drawn = torch.from_numpy(rng.integers(size, size=ids.shape)).to(ids.device)
        shown = torch.where(chosen & (how < 0.8), hidden_as, ids)
        shown = torch.where(chosen & (how >= 0.9), drawn, shown)
        return F.cross_entropy(reader.tokens(reader.states(shown, mask)[chosen]), ids[chosen])

    return loss


def _pairing(
    reader: _Reader, read: TextTokens, pairs: Sequence[tuple[str, str]], temperature: float
) -> Task:
    def loss(rows: np.ndarray, rng: np.random.Generator) -> Tensor:
        one = reader.vectors(*_batch(reader, read, [pairs[row][0] for row in rows]))
        other = reader.vectors(*_batch(reader, read, [pairs[row][1] for row in rows]))
        known = {text: n for n, text in enumerate(dict.fromkeys(pairs[row][1] for row in rows))}
        name = torch.tensor([known[pairs[row][1]] for row in rows], device=one.device)
        itself = torch.eye(len(rows), dtype=torch.bool, device=one.device)
        twin = (name[:, None] == name) & ~itself
        scores = (one @ other.T / temperature).masked_fill(twin, -1e9)  # the same text again
        right = torch.arange(len(rows), device=one.device)
        return (F.cross_entropy(scores, right) + F.cross_entropy(scores.T, right)) / 2

    return loss


def _ordering(
    reader: _Reader, read: TextTokens, sequences: Sequence[list[str]],
    joined: Callable[[Sequence[str]], str],
) -> Task:  # fmt: skip
    def loss(rows: np.ndarray, rng: np.random.Generator) -> Tensor:
        true = rng.random(len(rows)) < 0.5
        texts = [
            joined(sequences[row] if kept else _moved(sequences[row], rng))
            for row, kept in zip(rows, true, strict=True)
        ]
        vectors = reader.vectors(*_batch(reader, read, texts))
        logits = reader.in_order(vectors * vectors.shape[1] ** 0.5)[:, 0]
        target = torch.from_numpy(true.astype(np.float32)).to(logits.device)
        return F.binary_cross_entropy_with_logits(logits, target)

    return loss


def _moved(events: list[str], rng: np.random.Generator) -> list[str]:
    """Phrases, of which two or more differ, in an order that reads otherwise."""
    while True:
        moved = [events[i] for i in rng.permutation(len(events))]
        if moved != events:
            return moved


def _steps(
    reader: _Reader, tasks: dict[str, tuple[int, Task]], config: PretrainConfig,
    rng: np.random.Generator,
) -> Iterator[PretrainReport]:  # fmt: skip
    """One batch of each task makes a step, until the task of most examples has read them all."""
    most = max(count for count, _ in tasks.values())
    total = config.epochs * -(-most // config.batch_size)
    learned = [part for part in reader.parameters() if part.requires_grad]
    inside = {id(part) for part in reader.encoder.parameters()}
    groups = [
        {"params": [part for part in learned if (id(part) in inside) == own], "lr": rate}
        for own, rate in ((True, config.learning_rate), (False, config.head_rate))
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, slope(total, config.warmup))
    rows = {name: _endless(count, config.batch_size, rng) for name, (count, _) in tasks.items()}
    started, sums, told = time.perf_counter(), dict.fromkeys(tasks, 0.0), 0
    for step in range(1, total + 1):
        for name, (_, task) in tasks.items():
            loss = task(next(rows[name]), rng)
            loss.backward()
            sums[name] += loss.item()
        torch.nn.utils.clip_grad_norm_(learned, config.clip)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        if step == total or step * 10 // total > told * 10 // total:
            means = {name: value / (step - told) for name, value in sums.items()}
            yield PretrainReport(step, total, means, time.perf_counter() - started)
            sums, told = dict.fromkeys(tasks, 0.0), step


def _endless(count: int, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Batches of at most `size` rows, all rows once before any comes again."""
    while True:
        order = rng.permutation(count)
        for begin in range(0, count, size):
            yield order[begin : begin + size]


def twins(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Each different text with itself."""
    return [(text, text) for text in dict.fromkeys(texts) if text.strip()]
