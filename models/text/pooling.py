"""From the states of a text's tokens to one vector: their mean, the first one or the last one.

The mean is that of Reimers & Gurevych 2019, "Sentence-BERT", arXiv:1908.10084. A decoder's token
sees only what stands before it, so that its last one alone has seen all: Wang et al. 2024,
arXiv:2401.00368. Which one a folder wants, `models.text.folder.pooling_of` says.
"""

from typing import Any


def pooled(states: Any, mask: Any | None, how: str) -> Any:
    """float32 [B, D] of the last hidden states [B, W, D] and a mask [B, W], padding behind.

    `how` is "mean", "cls" (the first token) or "last"; without a mask every token is real.
    """
    import torch

    if how == "cls":
        return states[:, 0].float()
    if how == "last":
        if mask is None:
            return states[:, -1].float()
        at = (mask.long().sum(1) - 1).clamp(min=0)  # [B]
        return states[torch.arange(at.shape[0], device=at.device), at].float()
    if mask is None:
        return states.mean(1, dtype=torch.float32)
    weight = mask.unsqueeze(-1).float()  # [B, W, 1]
    return (states.float() * weight).sum(1) / weight.sum(1)


def width_of(config: Any) -> int:
    """D of the last hidden states; some OPT project them to another width at the end."""
    return int(getattr(config, "word_embed_proj_dim", None) or config.hidden_size)


def places_of(config: Any) -> int:
    """How many tokens a network can read at a time; 2^31 where it does not number them."""
    return int(getattr(config, "max_position_embeddings", None) or 2**31)
