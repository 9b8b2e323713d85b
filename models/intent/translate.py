"""A translator from a local folder: one half of `augment.back_translated`. Nothing is downloaded.

there, back = seq2seq("opus-en-de"), seq2seq("opus-de-en", rng=np.random.default_rng(0))
again = back_translated(texts, there, back)
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from kg.errors import DataError, UsageError
from models.text.encoder import checked_texts
from models.text.folder import quiet, weight_files


class Seq2Seq:
    """Texts to texts by an encoder-decoder (T5, BART, Marian, ...), loaded at the first call."""

    def __init__(
        self, folder: str | os.PathLike[str], rng: np.random.Generator | None = None, *,
        beams: int = 4, prefix: str = "", source: str = "", target: str = "",
        max_tokens: int = 64, batch: int = 32,
    ) -> None:  # fmt: skip
        if min(beams, max_tokens, batch) < 1:
            raise UsageError(
                f"seq2seq needs 'beams', 'max_tokens' and 'batch' >= 1. "
                f"Got {beams}, {max_tokens} and {batch}."
            )
        self.folder, self._rng, self._beams = Path(folder), rng, beams
        self._prefix, self._source, self._target = prefix, source, target
        self._max_tokens, self._batch = max_tokens, batch
        if not (self.folder / "config.json").is_file():
            raise DataError(
                f"A translator's folder must hold config.json, *.safetensors and a tokenizer. "
                f"'{folder}' has no config.json."
            )
        weight_files(self.folder)

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """One text each, in order; '' for a text of white space."""
        texts = checked_texts(texts, "seq2seq")
        told = [i for i, text in enumerate(texts) if text.strip()]
        told.sort(key=lambda i: len(texts[i]))  # equal lengths together: less padding
        out = [""] * len(texts)
        for start in range(0, len(told), self._batch):
            part = told[start : start + self._batch]
            found = self._translated([self._prefix + texts[i] for i in part])
            for i, text in zip(part, found, strict=True):
                out[i] = text
        return out

    def _translated(self, texts: list[str]) -> list[str]:
        """The texts of one batch [B]; a given generator makes it sample, and seeds torch."""
        import torch

        tokenizer, model = self._loaded
        places = getattr(model.config, "max_position_embeddings", None) or self._max_tokens + 1
        most = min(self._max_tokens, places - 1)  # the decoder's first token takes a place too
        given = tokenizer(
            texts, return_tensors="pt", padding=True, truncation=True, max_length=most
        )
        kept = {name: given[name] for name in ("input_ids", "attention_mask")}  # [B, T]
        how: dict[str, Any] = {"do_sample": self._rng is not None, "num_beams": self._beams}
        if self._rng is not None:
            how["num_beams"] = 1
        if self._target:
            how["forced_bos_token_id"] = self._code(tokenizer)
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            if self._rng is not None:
                torch.manual_seed(int(self._rng.integers(2**31)))
            ids = model.generate(**kept, max_new_tokens=most, **how)
        return [text.strip() for text in tokenizer.batch_decode(ids, skip_special_tokens=True)]

    def _code(self, tokenizer: Any) -> int:
        """The id of the target language."""
        code = tokenizer.convert_tokens_to_ids(self._target)
        if code in (None, tokenizer.unk_token_id):
            raise UsageError(
                f"The 'target' of seq2seq must be a token of '{self.folder}'. "
                f"Got {self._target!r} instead."
            )
        return int(code)

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        """(tokenizer, model) of the folder, every weight accounted for, or `DataError`."""
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

        options = {"src_lang": self._source} if self._source else {}
        with quiet():
            try:
                tokenizer = AutoTokenizer.from_pretrained(
                    self.folder, local_files_only=True, **options
                )
                model, report = AutoModelForSeq2SeqLM.from_pretrained(
                    self.folder, local_files_only=True, use_safetensors=True,
                    output_loading_info=True,
                )  # fmt: skip
            except Exception as error:  # transformers raises whatever its parsers raise
                raise DataError(f"No translator loads from '{self.folder}': {error}") from error
        if report["missing_keys"]:
            raise DataError(
                f"The weights in '{self.folder}' must fill the whole network. "
                f"{len(report['missing_keys'])} tensors are missing, "
                f"the first is {min(report['missing_keys'])!r}."
            )
        return tokenizer, model.eval()


def seq2seq(
    folder: str | os.PathLike[str], rng: np.random.Generator | None = None, **options: Any
) -> Seq2Seq:
    """A translator from a local transformers folder, with safetensors only.

    Without a generator it searches with `beams`, with one it samples. `prefix` is for T5
    ('translate English to German: '), `source` and `target` are language codes for NLLB and mBART.
    """
    return Seq2Seq(folder, rng, **options)
