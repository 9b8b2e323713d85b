"""BERT as 8-bit ONNX: a quarter of the size, quick on processors without bfloat16.

Dynamic quantisation: weights int8 per channel, activations scaled at run time, nothing to
calibrate (ONNX Runtime, "Quantize ONNX Models"). Needs the extra `[onnx]`.
"""

import importlib
import json
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg.errors import DataError, UsageError
from models.text.bert import BertEncoder
from models.text.encoder import Vectors
from models.text.folder import (
    FAMILY,
    content_hash,
    copy_tokenizer,
    default_prompt,
    load_model,
    load_tokenizer,
    reading_of,
    tokenizer_files,
)
from models.text.pooled import PooledEncoder
from models.text.pooling import pooled

_MODEL, _FACTS = "model.int8.onnx", "onnx.json"


def export_int8(encoder: BertEncoder, directory: str | os.PathLike[str]) -> Path:
    """Write a BERT as int8, with tokenizer and settings, into a folder for `OnnxEncoder`.

    The encoder itself stays as it is. Raises UsageError without the extra `[onnx]`, and for a
    decoder.
    """
    check_family(encoder.model)
    check_extra()
    target = Path(directory)
    target.mkdir(parents=True, exist_ok=True)
    part = target / f".{_MODEL}.part"
    part.write_bytes(int8_bytes(_pooled(encoder), ["vectors"], 512))
    os.replace(part, target / _MODEL)
    shutil.copyfile(encoder.folder / "config.json", target / "config.json")
    copy_tokenizer(encoder.folder, target)
    facts = {"dim": encoder.dim, "max_tokens": encoder.max_tokens, "source": encoder.id}
    (target / _FACTS).write_text(json.dumps(facts, indent=1), "utf-8")
    return target


class OnnxEncoder(PooledEncoder):
    """The folder that `export_int8` wrote, on `threads` processor threads (0: all)."""

    def __init__(
        self, directory: str | os.PathLike[str], *, batch_tokens: int = 2048, threads: int = 0
    ) -> None:
        needed("onnxruntime")
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
        self._session = session(folder / _MODEL, threads)
        how = reading_of(folder)
        self.id = f"onnx-int8:{content}:{how}:len{self.max_tokens}{self._prompt_id}"

    def _pool(self, ids: NDArray[np.int64], mask: NDArray[np.int64] | None) -> Vectors:
        """Pooled over real tokens, float32 [B, dim], inside the graph."""
        mask = np.ones_like(ids) if mask is None else mask
        (rows,) = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
        return np.asarray(rows, np.float32)


def _pooled(encoder: BertEncoder) -> Any:
    """The network with its pooling, as a module for `int8_bytes`."""
    import torch

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = load_model(encoder.folder)  # in float32, whatever the encoder runs in

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            states = self.bert(input_ids=input_ids, attention_mask=attention_mask)[0]  # [B, L, D]
            return pooled(states, attention_mask, encoder.pooling)

    return Pooled().eval()


def int8_bytes(network: Any, outputs: list[str], longest: int) -> bytes:
    """A module of (input_ids, attention_mask), int64 [B, L], as the content of an int8 ONNX file.

    Batch and length are left open, up to `longest`. Raises UsageError without the extra.
    """
    check_extra()
    quantization = needed("onnxruntime.quantization")
    with tempfile.TemporaryDirectory() as work:
        plain, small = Path(work) / "plain.onnx", Path(work) / "small.onnx"
        with _quiet_export():
            _export_plain(network, plain, outputs, longest)
            quantization.quantize_dynamic(
                plain, small, per_channel=True, op_types_to_quantize=["MatMul", "Gather"]
            )
        return small.read_bytes()


@contextmanager
def _quiet_export() -> Iterator[None]:
    """Without what the exporter and the quantiser say about their own internals."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _export_plain(network: Any, path: Path, outputs: list[str], longest: int) -> None:
    """As float32 ONNX."""
    import torch

    ids = torch.ones(2, 8, dtype=torch.int64)
    mask = ids.clone()  # one tensor given twice would be exported as one input
    length = torch.export.Dim("length", min=2, max=longest)
    shape = {0: torch.export.Dim("batch"), 1: length}
    torch.onnx.export(
        network, (ids, mask), path, dynamo=True, verbose=False,
        input_names=["input_ids", "attention_mask"], output_names=outputs,
        dynamic_shapes={"input_ids": shape, "attention_mask": shape},
    )  # fmt: skip


def session(file: Path, threads: int, content: bytes | None = None) -> Any:
    """An ONNX file (or its content, if read already) ready to run; DataError where it is none."""
    runtime = needed("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        return runtime.InferenceSession(
            file if content is None else content, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime has no common base for its own errors
        raise DataError(f"'{file}' cannot be loaded: {error}") from error


def check_family(network: Any) -> None:
    """UsageError unless this network of transformers is a BERT: nothing else was ever exported."""
    kind = network.config.model_type
    if kind not in FAMILY:
        raise UsageError(
            f"8-bit ONNX is made of the BERT family only ({', '.join(sorted(FAMILY))}). "
            f"Got {kind!r} instead."
        )


def check_extra() -> None:
    """UsageError unless all that the export needs is there."""
    for module in ("onnx", "onnxscript", "onnxruntime"):
        needed(module)


def needed(module: str) -> Any:
    """A module of the extra, or UsageError that names the extra."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UsageError(
            f"8-bit ONNX needs the extra [onnx]: pip install 'kgintent[onnx]' ({error})."
        ) from error
