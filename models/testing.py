"""Contracts of the parts in `models`: a new class joins one in two lines of its test.

- `check_text_encoder`: shape, length 1, empty texts, order, duplicates, odd texts
- `check_graph_layer`: value and gradient of a mean over neighbours
- `check_text_classifier`: shape, odd texts, alone as beside others, back from a folder
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from models.gnn.adjacency import Adjacency
from models.intent.contract import TextClassifier
from models.text.encoder import TextEncoder

_TEXTS = (
    "red nail polish",
    "",
    "waterproof hiking boots, size 42, for men and women who walk in the rain",
    "猫粮 无谷全价成猫粮",
    "red nail polish",
    "🐈\u200d⬛ cat \x00\x07 food \ud800",
    "oil",
)


def check_text_encoder(encoder: TextEncoder, tolerance: float = 1e-5) -> None:
    """Hold an encoder to the contract of `TextEncoder`; AssertionError names what it breaks.

    `tolerance` is how far an entry may move when other texts share the batch: 1e-5 suits
    float32, 2e-2 bfloat16 and int8.
    """
    rows = encoder.encode(_TEXTS)
    _check_rows(encoder, rows, len(_TEXTS))
    assert not rows[1].any(), "an empty text must give a zero row"
    assert np.allclose(np.linalg.norm(rows[[0, 2, 6]], axis=1), 1, atol=1e-4), "length must be 1"
    assert np.array_equal(rows, encoder.encode(_TEXTS)), "the same call must give the same rows"
    assert np.array_equal(rows[0], rows[4]), "equal texts must have equal rows"
    back = encoder.encode(_TEXTS[::-1])[::-1]
    assert np.allclose(rows, back, atol=tolerance), "order must not matter"
    for text, row in zip(_TEXTS, rows, strict=True):
        alone = encoder.encode([text])[0]
        assert np.allclose(alone, row, atol=tolerance), f"{text!r} alone must equal it in a batch"
    _check_extremes(encoder)


def _check_rows(encoder: TextEncoder, rows: np.ndarray, count: int) -> None:
    """Type, shape and finite values; rows of length 1 or 0."""
    assert rows.dtype == np.float32, f"rows must be float32, not {rows.dtype}"
    assert rows.shape == (count, encoder.dim), f"rows must be {(count, encoder.dim)}"
    assert np.isfinite(rows).all(), "rows must be finite"
    lengths = np.linalg.norm(rows, axis=1)
    assert (np.isclose(lengths, 1, atol=1e-4) | (lengths == 0)).all(), "length must be 1 or 0"


def _check_extremes(encoder: TextEncoder) -> None:
    """No text, a very long one, progress, identity and unknown share."""
    assert encoder.encode([]).shape == (0, encoder.dim), "no text must give no row"
    _check_rows(encoder, encoder.encode(["word " * 10_000, "w" * 50_000]), 2)
    heard: list[tuple[int, int]] = []
    encoder.encode(_TEXTS, lambda done, total: heard.append((done, total)))
    assert heard[-1] == (len(_TEXTS), len(_TEXTS)), "progress must end with all texts"
    assert heard == sorted(heard), "progress must never go back"
    assert isinstance(encoder.id, str), "an id must be a string"
    assert encoder.id, "an id must not be empty"
    assert 0 <= encoder.unknown_share(_TEXTS) <= 1, "the unknown share must lie in [0, 1]"
    assert encoder.unknown_share([]) == 0, "no token, no unknown token"


def check_graph_layer(layer: nn.Module, adjacency: Adjacency, scale: float = 1.0) -> None:
    """Hold a layer to `scale` times the mean over neighbours; AssertionError names what it breaks.

    Value and gradient must be those of the dense matrix, zero for a node without neighbours.
    """
    rows, columns = adjacency.forward.shape
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(columns, 3, generator=generator, requires_grad=True)
    linked = (adjacency.forward.to_dense() != 0).float()
    mean = linked / linked.sum(1, keepdim=True).clamp(min=1)
    out = layer(x, adjacency)
    assert out.shape == (rows, 3), f"the output must be {(rows, 3)}, not {tuple(out.shape)}"
    assert torch.allclose(out, scale * mean @ x, atol=1e-5), "must be the mean over neighbours"
    weight = torch.randn(rows, 3, generator=generator)
    (found,) = torch.autograd.grad((out * weight).sum(), x)
    assert torch.allclose(found, scale * mean.T @ weight, atol=1e-5), "the gradient must be dense's"


def check_text_classifier(
    model: TextClassifier, texts: Sequence[str], back: TextClassifier, tolerance: float = 1e-4
) -> None:
    """Hold a classifier to `TextClassifier`; AssertionError names what it breaks.

    `texts` are some that it has learned from; `back` is the same after `save` and `load`.
    """
    said = [*texts, "", "word " * 10_000, "猫粮 🐈\u200d⬛ \x00"]
    logits = model.read(said).logits
    assert logits.dtype == np.float32, f"logits must be float32, not {logits.dtype}"
    assert logits.shape == (len(said), len(model.labels)), "logits must be [n, L]"
    assert np.isfinite(logits).all(), "logits must be finite"
    for text, row in zip(said, logits, strict=True):
        alone = model.read([text]).logits[0]
        assert np.allclose(alone, row, atol=tolerance), f"{text!r:.40} alone must equal it beside"
    assert model.read([]).logits.shape == (0, len(model.labels)), "no text must give no row"
    assert (back.labels, back.many) == (model.labels, model.many), "labels must come back"
    assert np.allclose(back.read(said).logits, logits, atol=tolerance), "logits must come back"
