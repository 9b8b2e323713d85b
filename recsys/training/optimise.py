"""From gradients to weights: learning rate, clipping, the optimiser's step, the moving average."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from models.device import AUTO, checked_device
from recsys.training.settings import RunOptions, TrainConfig


class Schedule:
    """The share of the learning rate that an update gets; `update` counts from 0.

    It rises in a line to 1 over the warmup, (u + 1) / W. After that it is 1, or falls over the
    planned updates that are left, of which a share p is done: 1 - p (linear) or (1 + cos πp) / 2
    (cosine; Loshchilov and Hutter 2017, without restarts). Beyond the planned ones it is 0.
    """

    def __init__(self, config: TrainConfig, planned: int) -> None:
        self.kind, self.planned = config.schedule, planned
        share = config.warmup < 1
        self.warmup = round(config.warmup * planned) if share else int(config.warmup)

    def __call__(self, update: int) -> float:
        if update < self.warmup:
            return (update + 1) / self.warmup
        if self.kind == "constant":
            return 1.0
        done = min((update - self.warmup) / max(self.planned - self.warmup, 1), 1.0)
        return 1 - done if self.kind == "linear" else (1 + math.cos(math.pi * done)) / 2


class MovingAverage:
    """Weights as their exponential moving average over the updates, which follows fast at first.

    The decay of update n is min(`decay`, (1 + n) / (10 + n)); 0: the weights as they are.
    """

    def __init__(self, parameters: Iterable[Parameter], decay: float) -> None:
        self.parameters, self.decay = list(parameters), decay
        self.weights = [p.data for p in self.parameters]
        self.average = [w.clone() for w in self.weights] if decay else []

    def follow(self, update: int) -> None:
        """A step towards the weights after update number `update`, counted from 1."""
        if self.decay:
            decay = min(self.decay, (1 + update) / (10 + update))
            torch._foreach_lerp_(self.average, self.weights, 1 - decay)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """The parameters are the average, and afterwards their own again."""
        if not self.decay:
            yield
            return
        self._put(self.average)
        try:
            yield
        finally:
            self._put(self.weights)

    def _put(self, weights: list[Tensor]) -> None:
        for parameter, value in zip(self.parameters, weights, strict=True):
            parameter.data = value


class Updates:
    """Updates of the weights, each from the gradients of one group of losses."""

    def __init__(
        self, parameters: Iterable[Parameter], config: TrainConfig, planned: int
    ) -> None:  # fmt: skip
        self.parameters, self.config = list(parameters), config
        self.optimiser = _optimiser(self.parameters, config)
        self.schedule = Schedule(config, planned)
        self.average = MovingAverage(self.parameters, config.average)
        self.done = 0
        self._tables: dict[Parameter, Tensor] = {}
        """Zeros like each table whose gradient is sparse: made once, not at every step."""

    def add(self, loss: Tensor, share: float = 1.0) -> None:
        """Add the gradients of a loss that makes up this share of its group's."""
        (loss if share == 1 else loss * share).backward()

    def apply(self) -> None:
        """One update with the gradients that were added, of which nothing is left."""
        read = self._spread()
        clip_gradients(self.parameters, self.config.clip)
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * self.schedule(self.done)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        for parameter, rows in read.items():
            self._tables[parameter].index_fill_(0, rows, 0.0)
        self.done += 1
        self.average.follow(self.done)

    def _spread(self) -> dict[Parameter, Tensor]:
        """Sparse gradients as whole tables, which is what the optimisers take, and their rows."""
        read: dict[Parameter, Tensor] = {}
        for parameter in self.parameters:
            grad = parameter.grad
            if grad is None or not grad.is_sparse:
                continue
            if parameter not in self._tables:
                self._tables[parameter] = torch.zeros_like(parameter)
            read[parameter] = grad._indices()[0]
            parameter.grad = self._tables[parameter].index_add_(
                0, read[parameter], grad._values().to(parameter.dtype)
            )
        return read

    def state(self) -> dict[str, object]:
        """Everything a resume needs but the weights."""
        average = {str(n): value for n, value in enumerate(self.average.average)}
        return {"steps": self.done, "average": average, "optimiser": self.optimiser.state_dict()}

    def restore(self, state: dict) -> None:
        """Take up a saved state; the weights themselves must be loaded in place."""
        for n, value in enumerate(self.average.average):
            value.copy_(state["average"][str(n)])
        self.done = state["steps"]
        self.optimiser.load_state_dict(state["optimiser"])


def clip_gradients(parameters: Iterable[Parameter], most: float) -> None:
    """Scale all gradients so that their norm together is at most `most`; leave small ones alone."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    if norm > most:
        torch._foreach_mul_(gradients, most / (norm + 1e-6))


@contextlib.contextmanager
def sparse_gradients(module: nn.Module) -> Iterator[None]:
    """Its embeddings give gradients of the rows that were read; one of every row is mostly zeros,
    and to make it anew at every step costs more than the rest of a large table.
    """
    tables = [m for m in module.modules() if isinstance(m, nn.Embedding)]
    before = [table.sparse for table in tables]
    for table in tables:
        table.sparse = True
    try:
        yield
    finally:
        for table, sparse in zip(tables, before, strict=True):
            table.sparse = sparse


def _optimiser(parameters: list[Parameter], config: TrainConfig) -> torch.optim.Optimizer:
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimiser == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=0.9, weight_decay=decay)
    return torch.optim.AdamW(
        parameters, lr=rate, betas=(0.9, 0.98), weight_decay=decay, fused=True
    )  # fmt: skip


@contextlib.contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """torch takes deterministic algorithms only, where wanted; afterwards as it was before."""
    if not wanted:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled()
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned)


def learning_device(options: RunOptions) -> str:
    """Where networks learn, 'auto' settled; `UsageError` for what torch does not have."""
    if options.deterministic and options.device == AUTO:
        return "cpu"
    return checked_device(options.device, "RunOptions")


def short_products(options: RunOptions) -> bool:
    """Whether matrices are multiplied in bfloat16, 'auto' settled for where networks learn."""
    if options.precision == "auto":
        if learning_device(options) != "cpu":
            return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
        from models.text.bert import bfloat16_pays

        return bfloat16_pays()
    return options.precision == "bfloat16"
