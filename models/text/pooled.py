"""What encoders that read token by token share: tokens, batches of equal length, one row a text."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg.errors import UsageError
from models.text.batches import length_batches, padded_ids
from models.text.encoder import Progress, Vectors, checked_texts, unit_rows
from models.text.spans import Span, token_spans

_CHUNK = 65_536  # texts tokenised at a time, to bound memory


class PooledEncoder:
    """`encode` and `unknown_share` over a tokenizer and a `_pool` that a subclass supplies."""

    dim: int
    id: str

    def __init__(
        self, tokenizer: Any, max_tokens: int, batch_tokens: int, prompt: str = ""
    ) -> None:
        """`tokenizer` is a transformers fast tokenizer; both limits count tokens.

        `prompt` is put before every text that is encoded and is pooled with it, as in training.
        """
        limits = (("max_tokens", max_tokens, 3), ("batch_tokens", batch_tokens, 1))
        for name, value, least in limits:
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise UsageError(
                    f"The '{name}' parameter of {type(self).__name__} must be an int >= {least}. "
                    f"Got {value!r} instead."
                )
        # The Rust tokenizer itself: set once here, it can be read by several threads at a time.
        self._tokens = tokenizer.backend_tokenizer
        self._tokens.no_padding()
        self._tokens.no_truncation()
        self.prompt = prompt
        self._nothing = self._ids([prompt])[0]  # what a text without a token of its own becomes
        if max_tokens <= len(self._nothing):
            raise UsageError(
                f"The 'max_tokens' parameter of {type(self).__name__} must be an int >= "
                f"{len(self._nothing) + 1}, to leave room behind {prompt!r}. "
                f"Got {max_tokens} instead."
            )
        self._tokens.enable_truncation(max_length=max_tokens)
        self._special = int(tokenizer.num_special_tokens_to_add())
        self._pad = int(tokenizer.pad_token_id or 0)
        self._unknown = tokenizer.unk_token_id
        self.max_tokens, self.batch_tokens = max_tokens, batch_tokens

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """float32 [n, dim], rows of length 1; a text without a token of its own is a zero row.

        Equal texts are encoded once. `progress` hears (texts done, texts in all) after each batch.
        """
        texts = checked_texts(texts, f"{type(self).__name__}.encode")
        distinct = list(dict.fromkeys(texts))
        rows = np.zeros((len(distinct), self.dim), np.float32)
        done = len(texts) - len(distinct)
        for start in range(0, len(distinct), _CHUNK):
            chunk = self._ids([self.prompt + text for text in distinct[start : start + _CHUNK]])
            lengths = np.array([len(ids) for ids in chunk], np.int64)
            for at, width in length_batches(lengths, self.batch_tokens):
                if width > self._special:
                    ids, mask = padded_ids([chunk[i] for i in at], width, self._pad)
                    rows[start + at] = self._pool(ids, mask)
                done += len(at)
                if progress:
                    progress(done, len(texts))
            rows[start : start + len(chunk)][[ids == self._nothing for ids in chunk]] = 0
        place = {text: i for i, text in enumerate(distinct)}
        return unit_rows(rows)[[place[text] for text in texts]]

    def unknown_share(self, texts: Sequence[str]) -> float:
        """Share of [UNK] among the tokens that the texts themselves make; 0 for no tokens.

        The prompt is no part of it: its words are known, and would hide those that are not.
        """
        texts = checked_texts(texts, f"{type(self).__name__}.unknown_share")
        if self._unknown is None:
            return 0.0
        rows = self._ids(texts)
        total = sum(max(len(ids) - self._special, 0) for ids in rows)
        around = self._ids([""])[0].count(self._unknown)  # GPT-2 has one token for EOS and [UNK]
        unknown = sum(max(ids.count(self._unknown) - around, 0) for ids in rows)
        return unknown / total if total else 0.0

    def spans(self, text: str) -> tuple[list[int], list[Span | None]]:
        """Token ids of a text behind the prompt, and its characters in each: `token_spans`."""
        return token_spans(self._tokens, text, self.prompt)

    def _ids(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text, special tokens included, cut at `max_tokens`."""
        return [encoding.ids for encoding in self._tokens.encode_batch_fast(texts)]

    @property
    def _prompt_id(self) -> str:
        """The part of `id` that the prompt makes; none without one."""
        return f":prompt={self.prompt!r}" if self.prompt else ""

    def _pool(self, ids: NDArray[np.int64], mask: NDArray[np.int64] | None) -> Vectors:
        """Ids [B, L], mask [B, L] (none: no padding) to what is pooled, float32 [B, dim]."""
        raise NotImplementedError
