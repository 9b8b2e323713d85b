"""BERT as 8-bit ONNX: a quarter of the size, quick on processors without bfloat16.

Dynamic quantisation: weights int8 per channel, activations scaled at run time, nothing to
calibrate (ONNX Runtime, "Quantize ONNX Models"). Needs the extra `[onnx]`.
"""

import importlib
import json
import os
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg.errors import DataError, UsageError
from models.text.bert import BertEncoder
from models.text.encoder import Vectors
from models.text.folder import (
    PROMPT_FILE,
    content_hash,
    default_prompt,
    load_model,
    load_tokenizer,
    tokenizer_files,
)
from models.text.pooled import PooledEncoder

_MODEL, _FACTS = "model.int8.onnx", "onnx.json"


def export_int8(encoder: BertEncoder, directory: str | os.PathLike[str]) -> Path:
    """Write a BERT as int8, with tokenizer and settings, into a folder for `OnnxEncoder`.

    The encoder itself stays as it is. Raises UsageError without the extra `[onnx]`.
    """
    for module in ("onnx", "onnxscript"):
        _needed(module)
    quantization = _needed("onnxruntime.quantization")
    target = Path(directory)
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target) as work:
        plain, small = Path(work) / "plain.onnx", Path(work) / _MODEL
        with warnings.catch_warnings():  # the exporter warns about its own internals
            warnings.simplefilter("ignore")
            _export_plain(encoder, plain)
        quantization.quantize_dynamic(
            plain, small, per_channel=True, op_types_to_quantize=["MatMul", "Gather"]
        )
        os.replace(small, target / _MODEL)
    prompt = encoder.folder / PROMPT_FILE
    for path in (encoder.folder / "config.json", prompt, *tokenizer_files(encoder.folder)):
        if path.is_file():
            shutil.copyfile(path, target / path.name)
    facts = {"dim": encoder.dim, "max_tokens": encoder.max_tokens, "source": encoder.id}
    (target / _FACTS).write_text(json.dumps(facts, indent=1), "utf-8")
    return target


class OnnxEncoder(PooledEncoder):
    """The folder that `export_int8` wrote, on `threads` processor threads (0: all)."""

    def __init__(
        self, directory: str | os.PathLike[str], *, batch_tokens: int = 2048, threads: int = 0
    ) -> None:
        runtime = _needed("onnxruntime")
        folder = Path(directory)
        try:
            facts = json.loads((folder / _FACTS).read_text("utf-8"))
            self.dim = int(facts["dim"])
            tokenizer, most = load_tokenizer(folder), int(facts["max_tokens"])
            super().__init__(tokenizer, most, batch_tokens, default_prompt(folder))
            content = content_hash([folder / _MODEL, *tokenizer_files(folder)])
        except (OSError, TypeError, KeyError) as error:
            raise DataError(
                f"'{folder}' must be a folder written by export_int8: {error!r}."
            ) from error
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self._session = runtime.InferenceSession(
                folder / _MODEL, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime has no common base for its own errors
            raise DataError(f"'{folder / _MODEL}' cannot be loaded: {error}") from error
        self.id = f"onnx-int8:{content}:mean:len{self.max_tokens}{self._prompt_id}"

    def _pool(self, ids: NDArray[np.int64], mask: NDArray[np.int64] | None) -> Vectors:
        """Mean over real tokens, float32 [B, dim], computed inside the graph."""
        mask = np.ones_like(ids) if mask is None else mask
        (rows,) = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
        return np.asarray(rows, np.float32)


def _export_plain(encoder: BertEncoder, path: Path) -> None:
    """The network with its pooling as float32 ONNX, batch and length left open."""
    import torch

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = load_model(encoder.folder)  # in float32, whatever the encoder runs in

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            hidden = self.bert(input_ids=input_ids, attention_mask=attention_mask)[0]  # [B, L, D]
            weight = attention_mask.unsqueeze(-1).float()  # [B, L, 1]
            return (hidden * weight).sum(1) / weight.sum(1)

    ids = torch.ones(2, 8, dtype=torch.int64)
    mask = ids.clone()  # one tensor given twice would be exported as one input
    length = torch.export.Dim("length", min=2, max=512)
    shape = {0: torch.export.Dim("batch"), 1: length}
    torch.onnx.export(
        Pooled().eval(), (ids, mask), path, dynamo=True, verbose=False,
        input_names=["input_ids", "attention_mask"], output_names=["vectors"],
        dynamic_shapes={"input_ids": shape, "attention_mask": shape},
    )  # fmt: skip


def _needed(module: str) -> Any:
    """A module of the extra, or UsageError that names the extra."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UsageError(
            f"8-bit ONNX encoders need the extra [onnx]: pip install 'kgintent[onnx]' ({error})."
        ) from error
