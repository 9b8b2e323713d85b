"""Where a network learns: on the processor, or on a graphics card that torch sees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kg.errors import UsageError

if TYPE_CHECKING:
    import torch

AUTO = "auto"


def checked_device(name: str, where: str) -> str:
    """A device of this torch build by name; "auto" is the first CUDA card, else the processor.

    `where` says for the error whose parameter it is. `UsageError` for a device that torch cannot
    put a tensor on.
    """
    import torch

    if name == AUTO:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=name).sum().item()  # "meta" has no numbers
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"The 'device' parameter of {where} must name a device of this torch build. "
            f"Got {name!r} instead ({reason})."
        ) from error
    return name


def device_name(device: str) -> str:
    """A device as people call it: that of a card by its name."""
    import torch

    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def device_of(network: torch.nn.Module) -> torch.device:
    """Where the weights of a network lie."""
    return next(network.parameters()).device


@contextmanager
def drawing(seed: int, device: Any = "cpu") -> Iterator[None]:
    """Inside, torch draws from this seed; afterwards its generators go on as if nothing had been.

    `device` is where the draws are made, beside the processor.
    """
    import torch

    place = torch.device(device)
    cards = [place] if place.type == "cuda" else []
    with torch.random.fork_rng(devices=cards):
        torch.manual_seed(seed)
        yield
