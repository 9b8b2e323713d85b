"""Which characters of a text each of its tokens is."""

from __future__ import annotations

from typing import Any

Span = tuple[int, int]
"""Characters of a text from `start` up to `end`, which is not one of them."""


def token_spans(tokens: Any, text: str, prompt: str = "") -> tuple[list[int], list[Span | None]]:
    """Token ids [W] of prompt and text, and the characters of the text that each token is.

    None stands for special tokens and those of the prompt. `tokens` is the fast tokenizer itself
    (`backend_tokenizer`), whose offsets are those of the text as it was written, whatever it folds.
    """
    found = tokens.encode(prompt + text)
    begin, spans = len(prompt), []
    for special, (start, end) in zip(found.special_tokens_mask, found.offsets, strict=True):
        own = not special and end > begin
        spans.append((max(start - begin, 0), end - begin) if own else None)
    return list(found.ids), spans
