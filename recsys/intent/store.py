"""An intent classifier on disk: a folder that is whole or not there, under hashes, no pickle.

manifest.json       hashes, method, encoder, versions
intent.json         labels, settings, calibration, thresholds
scope.safetensors   where the labels' texts lie, if that tells strangers best
and what the method itself keeps: words and weights, or for "full" a whole encoder
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from kg.errors import DataError
from kg.folders import publish, read_folder
from models.intent.calibrate import Calibration
from models.intent.methods import restore
from models.intent.scope import Nearness, Scope
from models.intent.settings import TUNED, TextTraining
from models.intent.tuned import checked_base
from models.intent.zeroshot import METHOD as ZERO_SHOT
from models.tensors import load_tensors, save_tensors
from recsys.encoders import LazyEncoder
from recsys.intent.classify import ENCODER, IntentClassifier

KIND = "intent"
FILE, SCOPE = "intent.json", "scope.safetensors"
KEPT = ("texts", "labels", "compressed", "kept_back", "columns", "out_of_scope")
"""What a classifier tells about itself that is read back."""
VERSIONS = ("kgintent", "torch", "transformers", "numpy", "scikit-learn")


def save_classifier(made: IntentClassifier, path: str | Path) -> None:
    """Publish it at `path`; errors as those of `kg.folders.publish`."""

    def write(folder: Path) -> None:
        made.model.save(folder)
        if (near := made.scope.near) is not None:
            save_tensors(folder / SCOPE, {"means": near.means, "basis": near.basis})
        text = json.dumps(_plain(made), ensure_ascii=False, indent=1)
        (folder / FILE).write_text(text, encoding="utf-8")

    facts = {"method": made.method, "many": made.many, "encoder": made.encoder,
             "versions": {name: version(name) for name in VERSIONS}, **made.facts}  # fmt: skip
    publish(path, write, {"kind": KIND, **facts})


def _plain(made: IntentClassifier) -> dict[str, Any]:
    return {
        "method": made.method, "labels": list(made.labels), "many": made.many,
        "config": made.config.model_dump(), "threshold": made.threshold,
        "calibration": [made.calibration.scale, made.calibration.shift],
        "scope": None if np.isneginf(made.scope.threshold) else made.scope.threshold,
        "by": made.scope.by, "encoder": made.encoder, "base": dict(made.base),
    }  # fmt: skip


def load_classifier(path: str | Path, encoder: str | Path | None = None) -> IntentClassifier:
    """From such a folder; see `IntentClassifier.load`."""
    folder = Path(path)
    return read_folder(folder, KIND, lambda facts: _restored(folder, facts, encoder))


def _restored(
    folder: Path, facts: dict[str, Any], encoder: str | Path | None
) -> IntentClassifier:  # fmt: skip
    try:
        told: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
        config = TextTraining(**told["config"])
        method, labels, many = told["method"], tuple(told["labels"]), told["many"]
        calibration = Calibration(many, *told["calibration"])
        limit = float("-inf") if told["scope"] is None else told["scope"]
        threshold, known, name = told["threshold"], dict(told["base"]), told["encoder"]
        by = told["by"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / FILE} is of another version: {error!r}.") from None
    where = str(encoder) if encoder is not None and name is not None else name
    changed = [known[one] for one in known if one in TUNED and one != "full"]
    base = checked_base(where, changed[0]) if changed else None
    lazy = LazyEncoder(where or ENCODER, known.get("frozen") or known.get(ZERO_SHOT))
    model = restore(folder, method, labels, many, config, lazy, base)
    near = None
    if by == "nearness":
        near = Nearness(**load_tensors(folder / SCOPE, {"means": (-1, -1), "basis": (-1, -1)}))
    kept: dict[str, Any] = {key: facts[key] for key in KEPT if key in facts}
    return IntentClassifier(
        model, method, config, calibration, Scope(limit, by, near), threshold, where, known, kept
    )
