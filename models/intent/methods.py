"""The methods by name: how each learns, and how it is read back from a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import get_args

import numpy as np

from kg.errors import UsageError, suggest
from kg.intents.labelled import LabelledTexts
from models.device import drawing
from models.intent.augment import Move
from models.intent.blend import SIGN, BlendedClassifier, parts_of
from models.intent.contract import TextClassifier
from models.intent.epochs import TextEpoch
from models.intent.frozen import FrozenClassifier, fit_frozen
from models.intent.gru import GruClassifier, fresh_gru, train_gru
from models.intent.int8 import Int8Classifier
from models.intent.moves import made_moves, ready_moves
from models.intent.rules import RulesClassifier, fit_rules
from models.intent.settings import TUNED, Method, TextTraining
from models.intent.svm import SvmClassifier, fit_svm
from models.intent.tuned import TunedClassifier, fresh_tuned, train_tuned
from models.intent.zeroshot import METHOD as ZERO_SHOT
from models.intent.zeroshot import ZeroShotClassifier
from models.text import TextEncoder

OnEpoch = Callable[[TextEpoch], None]


def checked_methods(method: str) -> tuple[str, ...]:
    """The names that "+" joins in it; `UsageError` for one that is not known, or twice the same."""
    names = tuple(method.split(SIGN))
    known = list(get_args(Method))
    for name in names:
        if name not in known:
            raise UsageError(
                f"The 'method' of an intent classifier must be one of {', '.join(known)}, or some "
                f"of them joined by {SIGN!r}. Got {method!r} instead.{suggest(name, known)}"
            )
    if len(set(names)) < len(names):
        raise UsageError(f"The methods joined in 'method' must differ. Got {method!r} instead.")
    return names


def learn(
    data: LabelledTexts,
    method: str,
    encoder: TextEncoder,
    folder: Path | None,
    config: TextTraining,
    rng: np.random.Generator,
    *,
    moves: Mapping[str, Move] | None = None,
    bfloat16: bool = False,
    device: str = "cpu",
    on_epoch: OnEpoch | None = None,
) -> TextClassifier:
    """A classifier of these texts.

    `encoder` reads for "frozen"; `folder` is where the encoder lies that a tuned method changes,
    or that has the words of synonyms. `moves` are those of `made_moves`, made anew unless given.
    Of methods joined by "+" each learns for itself, and all count alike. A network learns on the
    `device` and stays there.
    """
    moves = made_moves(config, method) if moves is None else moves
    if SIGN in method:
        parts = {
            name: learn(data, name, encoder, folder, config, rng, moves=moves, bfloat16=bfloat16,
                        device=device, on_epoch=on_epoch)
            for name in checked_methods(method)
        }  # fmt: skip
        return BlendedClassifier(parts)
    if method == "svm":
        return fit_svm(data, config, rng)
    if method == "rules":
        return fit_rules(data, config, rng)
    if method == "frozen":
        return fit_frozen(encoder, data, config, rng)
    with drawing(int(rng.integers(2**31)), device):
        model: GruClassifier | TunedClassifier
        if method == "gru":
            model = fresh_gru(data, config)
            model.network.to(device)
            moves = ready_moves(moves, config, data.texts, folder, among=model.words)
            epochs = train_gru(model, data, config, rng, moves=moves)
        else:
            assert folder is not None, "a tuned method needs the folder of its encoder"
            model = fresh_tuned(folder, method, data, config, rng)
            words = model.network.to(device).words()
            moves = ready_moves(moves, config, data.texts, folder, words)
            epochs = train_tuned(model, data, config, rng, moves=moves, bfloat16=bfloat16)
        for report in epochs:
            if on_epoch:
                on_epoch(report)
    return model


def move(model: TextClassifier, device: str) -> None:
    """Its networks and encoder, or those of the methods in it, onto a device."""
    for part in parts_of(model):
        if isinstance(part, GruClassifier | TunedClassifier):
            part.network.to(device)
        elif isinstance(part, FrozenClassifier | ZeroShotClassifier) and hasattr(
            part.encoder, "to"
        ):
            part.encoder.to(device)


def restore(
    folder: Path, method: str, labels: tuple[str, ...], many: bool, config: TextTraining,
    encoder: TextEncoder, base: Path | None,
) -> TextClassifier:  # fmt: skip
    """What `save` of a classifier of this method left in the folder."""
    if SIGN in method:
        parts = {
            name: restore(folder / name, name, labels, many, config, encoder, base)
            for name in method.split(SIGN)
        }
        return BlendedClassifier.load(folder, labels, many, parts)
    if method == "frozen":
        return FrozenClassifier.load(folder, labels, many, encoder)
    if method == ZERO_SHOT:
        return ZeroShotClassifier.load(folder, labels, many, encoder)
    if method in TUNED:
        return TunedClassifier.load(folder, labels, many, method, base, config)
    if method == "int8":
        return Int8Classifier.load(folder, labels, many, config=config)
    if method == "onnx":
        from models.intent.onnx import OnnxClassifier

        return OnnxClassifier.load(folder, labels, many, config)
    kinds: dict[str, type[SvmClassifier] | type[RulesClassifier] | type[GruClassifier]] = {
        "svm": SvmClassifier, "rules": RulesClassifier, "gru": GruClassifier,
    }  # fmt: skip
    kind = kinds[method]
    return kind.load(folder, labels, many)
