"""Few new weights in a frozen encoder: LoRA, AdaLoRA and IA³ by `peft`, and bottleneck adapters."""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from kg.errors import UsageError
from models.intent.settings import TextTraining

QUERY_VALUE = {
    "albert": ("query", "value"), "bert": ("query", "value"), "camembert": ("query", "value"),
    "deberta": ("in_proj",), "deberta-v2": ("query_proj", "value_proj"),
    "distilbert": ("q_lin", "v_lin"), "electra": ("query", "value"), "ernie": ("query", "value"),
    "modernbert": ("Wqkv",), "mpnet": ("attn.q", "attn.v"), "roberta": ("query", "value"),
    "xlm-roberta": ("query", "value"),
    "bloom": ("query_key_value",), "falcon": ("query_key_value",), "gpt2": ("c_attn",),
    "gpt_neox": ("query_key_value",), "phi3": ("qkv_proj",),
    **dict.fromkeys(
        ("gemma", "gemma2", "gemma3_text", "gpt_neo", "gptj", "granite", "llama", "mistral", "olmo",
         "olmo2", "opt", "phi", "qwen2", "qwen3", "smollm3", "stablelm", "starcoder2"),
        ("q_proj", "v_proj"),
    ),
}  # fmt: skip
"""Names of the layers of a family that make queries and values."""
KEY_VALUE_FORWARD = {"bert", "camembert", "electra", "ernie", "roberta", "xlm-roberta"}
"""Families whose layers are called key, value and output.dense."""


class Bottleneck(nn.Module):
    """h + U gelu(D h), U zero at the beginning, D of width `middle`.

    After the feed-forward part of each layer: Pfeiffer et al. 2020, arXiv:2005.00247, of the
    adapters by Houlsby et al. 2019, arXiv:1902.00751.
    """

    def __init__(self, width: int, middle: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(width, middle), nn.Linear(middle, width)
        nn.init.normal_(self.down.weight, std=1 / math.sqrt(width))
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(zero)

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + self.up(nn.functional.gelu(self.down(hidden)))


def adapted(encoder: Any, method: str, config: TextTraining, updates: int = 1) -> Any:
    """The encoder with its weights frozen and new ones of `method` in it.

    `updates` is how many are to come, for AdaLoRA's budget. Raises `UsageError` where the method
    does not know this family of encoders, or `peft` is missing.
    """
    encoder.requires_grad_(False)
    if method == "adapter":
        return _with_bottlenecks(encoder, config.bottleneck)
    return _with_peft(encoder, method, config, updates)


def _with_bottlenecks(encoder: Any, middle: int) -> Any:
    width = encoder.config.hidden_size
    for layer in _layers(encoder):
        layer.bottleneck = Bottleneck(width, middle)
        layer.register_forward_hook(_through_bottleneck)
    return encoder


def _through_bottleneck(layer: Any, _: Any, out: Any) -> Any:
    """A layer's output, a tensor or a tuple that begins with it, through its bottleneck."""
    if isinstance(out, tuple):
        return (layer.bottleneck(out[0]), *out[1:])
    return layer.bottleneck(out)


def _layers(encoder: Any) -> nn.ModuleList:
    """The longest list of modules: the encoder's layers."""
    lists = [part for part in encoder.modules() if isinstance(part, nn.ModuleList)]
    if not lists:
        raise UsageError(
            f"The method 'adapter' needs an encoder of layers. Got {type(encoder).__name__}."
        )
    return max(lists, key=len)


def _with_peft(encoder: Any, method: str, config: TextTraining, updates: int) -> Any:
    peft = _peft(method)
    kind = encoder.config.model_type
    if kind not in QUERY_VALUE or (method == "ia3" and kind not in KEY_VALUE_FORWARD):
        known = sorted(KEY_VALUE_FORWARD if method == "ia3" else QUERY_VALUE)
        raise UsageError(
            f"The method {method!r} must meet an encoder of {', '.join(known)}. Got {kind!r}: "
            f"take 'adapter' or 'full'."
        )
    targets, turned = list(QUERY_VALUE[kind]), kind == "gpt2"  # whose weights lie transposed
    if method == "lora":
        made = peft.LoraConfig(
            r=config.rank, lora_alpha=config.alpha, target_modules=targets, fan_in_fan_out=turned
        )
    elif method == "adalora":
        made = peft.AdaLoraConfig(
            init_r=config.rank + config.rank // 2, target_r=config.rank, lora_alpha=config.alpha,
            tinit=updates // 10, tfinal=updates // 3, deltaT=max(1, updates // 100),
            total_step=max(updates, 1), target_modules=targets, fan_in_fan_out=turned,
        )  # fmt: skip
    else:
        made = peft.IA3Config(
            target_modules=["key", "value", "output.dense"], feedforward_modules=["output.dense"]
        )
    with warnings.catch_warnings():  # of peft's about a name that transformers will change
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        return peft.get_peft_model(encoder, made)


def _peft(method: str) -> Any:
    try:
        import peft
    except ImportError:
        raise UsageError(
            f"The method {method!r} needs the extra [peft]: pip install 'kgintent[peft]'."
        ) from None
    return peft


def new_weights(encoder: Any) -> dict[str, Tensor]:
    """The weights that `adapted` put in, by their names."""
    return {
        name: part for name, part in encoder.state_dict().items()
        if any(mark in name for mark in (".bottleneck.", "lora_", "ia3_"))
    }  # fmt: skip


def merged(encoder: Any) -> Any:
    """An encoder of the original build that computes the same; `UsageError` for bottlenecks."""
    if hasattr(encoder, "merge_and_unload"):
        return encoder.merge_and_unload()
    if any(isinstance(part, Bottleneck) for part in encoder.modules()):
        raise UsageError(
            "An 'adapter' is not linear and cannot be merged into the encoder: only 'lora', "
            "'adalora' and 'ia3' can."
        )
    return encoder


def share_budget(encoder: Any, update: int) -> None:
    """AdaLoRA's own step after update number `update`: ranks go where they matter.

    Zhang et al. 2023, arXiv:2303.10512.
    """
    base = getattr(encoder, "base_model", None)
    if base is not None and hasattr(base, "update_and_allocate"):
        base.update_and_allocate(update)


def regulariser(encoder: Any) -> Tensor | None:
    """Half of AdaLoRA's penalty on factors that are not orthogonal: the mean of |PᵀP - I| and
    |QQᵀ - I| over the layers; None for other methods.
    """
    base = getattr(encoder, "base_model", None)
    if base is None or not hasattr(base, "update_and_allocate"):
        return None
    found = []
    for name, part in encoder.named_parameters():
        if "lora_A" in name or "lora_B" in name:
            square = part @ part.T if "lora_A" in name else part.T @ part
            found.append(torch.linalg.norm(square - torch.eye(len(square), device=square.device)))
    return torch.stack(found).mean() / 2 if found else None
