"""Integrated gradients of a label's logit on the word embeddings of BERT, by captum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kg.errors import UsageError
from models.intent.adversarial import perturbed
from models.intent.contract import TextClassifier
from models.intent.frozen import FrozenClassifier
from models.intent.tuned import TunedClassifier
from models.text import BertEncoder
from models.text.folder import load_model
from models.text.pooling import pooled
from models.text.spans import Span

BUDGET = 8192
"""Tokens read at a time."""


@dataclass(frozen=True)
class Chain:
    """From a text to logits with nothing between that has no gradient.

    `words` is the table of embeddings, `logits` turns ids [B, W] into [B, L], `spans` is
    `models.text.spans.token_spans` of the tokenizer, `nothing` the id of [PAD] or of
    what stands for it.
    """

    words: nn.Embedding
    logits: Callable[[Tensor], Tensor]
    spans: Callable[[str], tuple[list[int], list[Span | None]]]
    nothing: int


def chain_of(classifier: TextClassifier) -> Chain:
    """The chain of a tuned BERT, or of a frozen one and its linear layer; else `UsageError`."""
    if isinstance(classifier, TunedClassifier):
        return _tuned(classifier)
    if isinstance(classifier, FrozenClassifier):
        encoder = getattr(classifier.encoder, "inner", classifier.encoder)  # one loaded late
        if isinstance(encoder, BertEncoder):
            return _frozen(classifier, encoder)
    raise UsageError(
        f"Explaining by 'gradients' must meet a classifier that reads by BERT alone. "
        f"Got {type(classifier).__name__}: take 'removal'."
    )


def _tuned(classifier: TunedClassifier) -> Chain:
    network = classifier.network.eval()

    def logits(ids: Tensor) -> Tensor:
        return network(ids, torch.ones_like(ids, dtype=torch.bool))[0]

    nothing = _nothing(network.encoder.config)
    return Chain(network.words(), logits, classifier.spans, nothing)


def _frozen(classifier: FrozenClassifier, encoder: BertEncoder) -> Chain:
    """In float32 on the CPU, whatever the encoder reads in."""
    plain = encoder.dtype == "float32" and encoder.device == "cpu"
    network = encoder.model if plain else load_model(encoder.folder)
    mean, spread, weight, bias = (
        torch.from_numpy(part)
        for part in (classifier.mean, classifier.spread, classifier.weight, classifier.bias)
    )

    def logits(ids: Tensor) -> Tensor:
        states = network(input_ids=ids).last_hidden_state  # [B, W, D]
        vector = nn.functional.normalize(pooled(states, None, encoder.pooling), dim=1)
        return ((vector - mean) / spread) @ weight.T + bias

    nothing = _nothing(network.config)
    return Chain(network.get_input_embeddings(), logits, encoder.spans, nothing)


def _nothing(config: Any) -> int:
    """The id of [PAD], of EOS for a decoder without one; else 0."""
    for name in ("pad_token_id", "eos_token_id"):
        if (found := getattr(config, name, None)) is not None:
            return int(found[0] if isinstance(found, list) else found)
    return 0


def integrated(
    chain: Chain, text: str, column: int, steps: int
) -> tuple[list[tuple[Span, float]], float]:
    """What each token adds to logit number `column`, and the completeness error.

    a_i = (e_i - p) · ∫_0^1 ∂z/∂e_i (p + t (e - p)) dt for the embeddings e of the text's tokens and
    p that of [PAD], by `steps` points of Gauss and Legendre; special tokens, the prompt and places
    stay as they are (Sundararajan et al. 2017, arXiv:1703.01365). The error is
    |Σ a_i - (z(e) - z(p))|, which is 0 in the limit.
    """
    found, spans = chain.spans(text)
    place = chain.words.weight.device
    ids = torch.tensor([found], device=place)  # [1, W]
    own = torch.tensor([[span is not None for span in spans]], device=place)
    with torch.no_grad():
        away = chain.words.weight[chain.nothing] - chain.words.weight[ids]
        away = away * own.unsqueeze(-1)  # [1, W, D]: p - e

    def logit(delta: Tensor) -> Tensor:
        with perturbed(chain.words, delta):
            return chain.logits(ids.expand(len(delta), -1))[:, column]

    with torch.enable_grad():
        share, error = _captum().IntegratedGradients(logit).attribute(
            torch.zeros_like(away), baselines=away, n_steps=steps,
            internal_batch_size=max(1, BUDGET // len(found)), return_convergence_delta=True,
        )  # fmt: skip
    total = share.sum(-1)[0].tolist()  # [W]
    told = [(span, value) for span, value in zip(spans, total, strict=True) if span is not None]
    return told, abs(float(error))


def _captum() -> Any:
    try:
        import captum.attr
    except ImportError:
        raise UsageError(
            "Explaining by 'gradients' needs the extra [explain]: pip install 'kgintent[explain]'."
        ) from None
    return captum.attr
