"""A tuned BERT with 8-bit weights by torch: a quarter of the size, on disk as in memory.

Dynamic quantisation: the weights of linear layers are int8 with one scale an output, those of the
words uint8 with one a word; what flows through is scaled at run time, a batch at a time, so that
answers move in the third digit with what stands beside them. Nothing is calibrated, and the head
stays as it is.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from kg.errors import DataError, UsageError
from models.intent.settings import TextTraining
from models.intent.tuned import TunedClassifier, TunedNetwork
from models.tensors import load_tensors, save_tensors
from models.text.folder import copy_tokenizer, pooling_of, quiet
from models.text.narrow import bare_model

FILE = "int8.safetensors"


class Int8Classifier(TunedClassifier):
    """A `TunedClassifier` whose encoder is quantised; it can be asked, and learns no more."""

    def save(self, folder: Path) -> None:
        self.network.encoder.config.save_pretrained(folder)
        copy_tokenizer(self.folder, folder)
        parts = {f"head.{k}": v for k, v in self.network.head.state_dict().items()}
        parts |= _parts(self.network.encoder)
        save_tensors(folder / FILE, {name: part.numpy() for name, part in parts.items()})

    @classmethod
    def load(
        cls, folder: Path, labels: tuple[str, ...], many: bool, method: str = "int8",
        base: Path | None = None, config: TextTraining | None = None,
    ) -> Self:  # fmt: skip
        config = config or TextTraining()
        try:
            with quiet():
                encoder = quantised(bare_model(folder))
        except Exception as error:  # transformers raises whatever its parsers raise
            raise DataError(f"{folder / 'config.json'} cannot be used: {error}") from error
        network = TunedNetwork(encoder, len(labels), config, pooling_of(folder)).eval()
        head = {f"head.{k}": v for k, v in network.head.state_dict().items()}
        wanted = head | _parts(encoder)
        found = load_tensors(folder / FILE, {k: tuple(v.shape) for k, v in wanted.items()})
        _fill(network, {name: torch.from_numpy(part) for name, part in found.items()})
        return cls(labels, many, "int8", folder, network, config.max_tokens)

    def merge(self, folder: Path) -> None:
        raise UsageError("An encoder of 8-bit weights cannot be trained any more: merge the one "
                         "it was made of.")  # fmt: skip


def to_int8(model: TunedClassifier) -> Int8Classifier:
    """A copy of a classifier of method "full" with 8-bit weights."""
    network = copy.deepcopy(model.network)
    network.encoder = quantised(network.encoder)
    return Int8Classifier(
        model.labels, model.many, "int8", model.folder, network.eval(), model.max_tokens
    )


def quantised(encoder: Any) -> Any:
    """The encoder with 8-bit linear layers and words, in place."""
    from torch.ao import quantization

    words = encoder.get_input_embeddings()
    (name,) = [name for name, part in encoder.named_modules() if part is words]
    how = {
        nn.Linear: quantization.per_channel_dynamic_qconfig,
        name: quantization.float_qparams_weight_only_qconfig,
    }
    with _quiet_torch():
        return quantization.quantize_dynamic(encoder.eval(), how, inplace=True)


def _parts(encoder: Any) -> dict[str, Tensor]:
    """All weights by name; of a quantised one, w = (int8 - zero) scale row by row, these three."""
    parts: dict[str, Tensor] = {}
    for name, part in encoder.named_modules():
        if callable(getattr(part, "weight", None)):
            weight = part.weight()
            parts |= {
                f"{name}.int8": weight.int_repr(),
                f"{name}.scale": weight.q_per_channel_scales(),
                f"{name}.zero": weight.q_per_channel_zero_points(),
            }
            if callable(getattr(part, "bias", None)) and part.bias() is not None:
                parts[f"{name}.bias"] = part.bias().detach()
    return parts | {name: part.detach() for name, part in encoder.named_parameters()}


def _fill(network: TunedNetwork, found: dict[str, Tensor]) -> None:
    encoder = network.encoder
    join: Any = torch._make_per_channel_quantized_tensor
    with torch.no_grad(), _quiet_torch():
        for name, part in [*network.head.named_parameters(prefix="head"),
                           *encoder.named_parameters()]:  # fmt: skip
            part.copy_(found[name])
        for name, part in encoder.named_modules():
            if callable(getattr(part, "weight", None)):
                whole, scale, zero = (found[f"{name}.{key}"] for key in ("int8", "scale", "zero"))
                weight = join(whole, scale, zero, 0)
                if callable(getattr(part, "bias", None)):
                    part.set_weight_bias(weight, found.get(f"{name}.bias"))
                else:
                    part.set_weight(weight)


@contextmanager
def _quiet_torch() -> Iterator[None]:
    """Without torch's notices that these functions will move to another package."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.ao.quantization is deprecated")
        warnings.filterwarnings("ignore", message="torch.quantize_per_tensor")
        yield
