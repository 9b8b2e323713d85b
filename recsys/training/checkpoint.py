"""A training's state on disk, as safetensors and JSON, written beside and renamed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from kg.errors import DataError, UsageError
from kg.folders import publish, read_folder
from models.tensors import save_tensors


def save_checkpoint(folder: Path, state: dict[str, Any], fingerprint: str) -> None:
    """Weights, best weights and the optimiser's tensors; the rest as JSON."""
    tensors = {f"now/{k}": v for k, v in state["weights"].items()}
    tensors |= {f"best/{k}": v for k, v in state["best_weights"].items()}
    tensors |= {f"average/{k}": v for k, v in state["average"].items()}
    slots = state["optimiser"]["state"]
    for number, slot in slots.items():
        for name, value in slot.items():
            if value is not None:
                tensors[f"slot/{number}/{name}"] = torch.as_tensor(value)
    plain = {k: state[k] for k in ("best", "best_epoch", "epochs", "seconds", "steps")}
    plain["groups"] = state["optimiser"]["param_groups"]
    plain["fingerprint"] = fingerprint

    def write(into: Path) -> None:
        save_tensors(
            into / "state.safetensors", {k: v.numpy(force=True) for k, v in tensors.items()}
        )
        (into / "state.json").write_text(json.dumps(plain), encoding="utf-8")

    publish(folder, write, {"kind": "checkpoint"})


def load_checkpoint(folder: Path, fingerprint: str) -> dict[str, Any]:
    """The state as `save_checkpoint` got it. `UsageError` if it belongs to another training."""
    plain, tensors = read_folder(folder, "checkpoint", lambda _: _stored(folder))
    if plain["fingerprint"] != fingerprint:
        raise UsageError(
            f"{folder} belongs to a training with other data, settings or seed: "
            "resume with the same ones, or remove that folder."
        )
    slots: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("slot/"):
            _, number, name = key.split("/", 2)
            slots.setdefault(int(number), {})[name] = value
    return {
        **plain,
        "weights": {k[4:]: v for k, v in tensors.items() if k.startswith("now/")},
        "average": {k[8:]: v for k, v in tensors.items() if k.startswith("average/")},
        "best_weights": {k[5:]: v for k, v in tensors.items() if k.startswith("best/")},
        "optimiser": {"state": slots, "param_groups": plain["groups"]},
    }


def _stored(folder: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    try:
        plain = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        return plain, load_file(folder / "state.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise DataError(f"{folder} cannot be read: {error}.") from None
