"""An intent classifier made small: pruned, distilled, or of 8-bit weights; and what that costs.

small = compressed(made, "distil", data, layers=3)
costs({"before": made, "distil": small}, test)
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from kg.errors import DataError, UsageError, suggest
from kg.folders import files_below
from kg.intents.labelled import LabelledTexts
from models.device import drawing
from models.intent.blend import SIGN, BlendedClassifier
from models.intent.contract import TextClassifier
from models.intent.distil import Teaching, student, taught
from models.intent.folds import divided
from models.intent.int8 import to_int8
from models.intent.methods import OnEpoch, move
from models.intent.prune import pruned
from models.intent.settings import READERS, SMALL
from models.intent.tuned import TunedClassifier
from models.intent.whole import whole
from models.text.encoder import checked_texts
from models.text.folder import find_folder
from recsys.intent.classify import IntentClassifier
from recsys.training.optimise import learning_device, short_products
from recsys.training.settings import RunOptions

HOW = ("prune", "distil", "int8", "onnx")
RECOVERY = 3
"""Epochs after pruning, where the settings leave their number open."""
_ROUNDS, _BATCH = 7, 32


def compressed(
    made: IntentClassifier,
    how: str,
    data: LabelledTexts,
    *,
    valid: LabelledTexts | None = None,
    unlabelled: Sequence[str] = (),
    out_of_scope: str | None = None,
    heads: float = 0.5,
    forward: float = 0.5,
    layers: int | None = None,
    teaching: Teaching | None = None,
    options: RunOptions | None = None,
    on_epoch: OnEpoch | None = None,
) -> IntentClassifier:
    """A smaller classifier of the same intents; `made` stays as it is.

    Where methods read together it is the one with an encoder that is made small, and the others
    stay beside it.

    "prune" keeps the shares `heads` and `forward` of each layer's heads and neurons, "distil" so
    many `layers` (None: half); both then learn what `made` answers. "int8" has 8-bit weights for
    torch, "onnx" for ONNX Runtime (extra `[onnx]`); nothing can follow these two. Calibrated anew
    on `valid`, or on the share of `data` that `fit` kept back under the same seed; where it has
    learned that too, it keeps its calibration. Raises `UsageError` for an unknown `how` and for a
    method without an encoder to make small.
    """
    check_how(how)
    options, teaching = options or RunOptions(), teaching or Teaching()
    rng = np.random.default_rng(options.seed)
    train, checked, strangers = divided(data, valid, out_of_scope, made.config, rng)
    old, part = _with_encoder(made)
    model = whole(part, old)
    move(model, "cpu")
    if how in SMALL:
        small = _remade(made, old, _in_8_bits(model, how), how)
        unseen = valid is not None or bool(made.facts.get("kept_back"))
        return small.recalibrated(train, checked, strangers) if unseen else small
    if how == "prune":
        model = pruned(model, train, rng, heads=heads, forward=forward)
        teaching = teaching.model_copy(update={"epochs": teaching.epochs or RECOVERY})
    else:
        model = student(model, layers)
    more = [text for text in checked_texts(unlabelled, "compressed") if text.strip()]
    device = learning_device(options)
    for one in (model, part):
        move(one, device)
    with drawing(int(rng.integers(2**31)), device):
        for report in taught(
            model, part, train, more, made.config, teaching, rng,
            bfloat16=short_products(options),
        ):  # fmt: skip
            if on_epoch:
                on_epoch(report)
    small = _remade(made, old, model, how)
    if part is not made.model and valid is None and not made.facts.get("kept_back"):
        return small  # what stands beside the student has learned the share kept back
    facts = {**small.facts, "kept_back": 0 if valid is not None else len(checked)}
    return replace(small.recalibrated(train, checked, strangers), facts=facts)


def check_how(how: str) -> None:
    """`UsageError` unless this can be done here."""
    if how not in HOW:
        raise UsageError(
            f"The 'how' of compressed must be one of {', '.join(HOW)}. "
            f"Got {how!r} instead.{suggest(how, list(HOW))}"
        )
    if how == "onnx":
        from models.text.onnx import check_extra

        check_extra()


def _in_8_bits(model: TunedClassifier, how: str) -> TextClassifier:
    if how == "int8":
        return to_int8(model)
    from models.intent.onnx import to_onnx

    return to_onnx(model)


def _with_encoder(made: IntentClassifier) -> tuple[str, TextClassifier]:
    """The method that reads by an encoder and its model; of no blend with two of them."""
    if not isinstance(made.model, BlendedClassifier):
        return made.method, made.model
    found = [(name, part) for name, part in made.model.parts.items() if name in READERS]
    if len(found) != 1:
        raise UsageError(
            f"What is compressed must read by one encoder. Got {made.method!r}, with {len(found)}."
        )
    return found[0]


def _remade(made: IntentClassifier, old: str, model: Any, how: str) -> IntentClassifier:
    """Around another model in the place of the one of method `old`, which reads as many tokens as
    the encoder of `made` did.
    """
    config = made.config.model_copy(update={"max_tokens": model.max_tokens})
    small = how in SMALL
    new = how if small else "full"
    scope = made.scope
    if old == "frozen":
        config = config.model_copy(update={"hidden": 0})
        if scope.near is not None:  # a network's vectors are of length sqrt(D)
            width = scope.near.basis.shape[1]
            near = replace(scope.near, basis=scope.near.basis / np.float32(math.sqrt(width)))
            scope = replace(scope, near=near)
    steps = [*made.facts.get("compressed", ()), how]
    names = [new if name == old else name for name in made.method.split(SIGN)]
    if isinstance(made.model, BlendedClassifier):
        model = made.model.with_part(old, new, model)
    return replace(
        made, model=model, method=SIGN.join(names), config=config,
        encoder=None if small else made.encoder, base={}, scope=scope,
        facts={**made.facts, "compressed": steps},
    )  # fmt: skip


def costs(
    made: Mapping[str, IntentClassifier], data: LabelledTexts, out_of_scope: str | None = None
) -> list[dict[str, Any]]:
    """A row each: accuracy on these texts, megabytes on disk, milliseconds a text.

    A text is asked for alone or among 32, on one thread: the median of several calls after one
    that is not counted, all classifiers in turn. Milliseconds are those of the processor, which
    other work on the machine hardly stretches; with nothing beside it the clock says the same.
    """
    if not len(data):
        raise DataError("There must be at least one text to compare classifiers on. Got none.")
    texts = [data.texts[i % len(data)] for i in range(_BATCH)]
    alone: dict[str, list[float]] = {name: [] for name in made}
    among: dict[str, list[float]] = {name: [] for name in made}
    with _one_thread(made) as models:
        for number in range(_ROUNDS + 1):
            for name, model in models.items():
                one = [_seconds(model, [text]) for text in texts]
                several = _seconds(model, texts) / len(texts)
                if number:
                    alone[name] += one
                    among[name].append(several)
    return [
        {"classifier": name, "accuracy": one.evaluate(data, out_of_scope)["accuracy"],
         "MB": bytes_on_disk(one) / 1e6, "ms_alone": 1000 * median(alone[name]),
         "ms_of_32": 1000 * median(among[name])}
        for name, one in made.items()
    ]  # fmt: skip


def _seconds(model: TextClassifier, texts: Sequence[str]) -> float:
    started = time.process_time()
    model.read(texts)
    return time.process_time() - started


@contextmanager
def _one_thread(made: Mapping[str, IntentClassifier]) -> Iterator[dict[str, Any]]:
    """Their models, on the processor; torch and ONNX Runtime on one thread inside."""
    for one in made.values():
        one.to("cpu")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield {
            name: one.model.on_threads(1) if hasattr(one.model, "on_threads") else one.model
            for name, one in made.items()
        }
    finally:
        torch.set_num_threads(before)


def bytes_on_disk(made: IntentClassifier) -> int:
    """Of its folder, and of the encoder that it reads with where that lies elsewhere."""
    with tempfile.TemporaryDirectory() as work:
        made.save(Path(work) / "c")
        files = files_below(Path(work) / "c")
        elsewhere = set(made.method.split(SIGN)) & set(READERS) - {"full"}
        if elsewhere and made.encoder not in (None, "hash", "ngram"):
            files += [file for file in find_folder(str(made.encoder)).iterdir() if file.is_file()]
        return sum(file.stat().st_size for file in files)
