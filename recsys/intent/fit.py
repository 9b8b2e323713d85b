"""How an `IntentClassifier` learns: what teaches, what calibrates, what is believed unlabelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kg.errors import DataError, UsageError, suggest
from kg.intents.labelled import LabelledTexts
from kg.intents.taxonomy import Taxonomy, describe
from kg.wording.templates import Templates
from models.intent.augment import Move
from models.intent.calibrate import Calibration
from models.intent.contract import TextClassifier
from models.intent.folds import apart, crossed_readings, divided
from models.intent.methods import OnEpoch, checked_methods, learn
from models.intent.moves import SYNONYMS, made_moves
from models.intent.scope import Scope
from models.intent.selftrain import shares, sure_labels
from models.intent.settings import CHEAP, READERS, TUNED, TextTraining, unheard
from models.intent.tuned import base_hash
from models.intent.zeroshot import METHOD, ZeroShotClassifier
from models.text import TextCache
from models.text.choose import READS_MORE, unknown_words
from models.text.encoder import checked_texts
from models.text.folder import find_folder
from recsys.encoders import LazyEncoder
from recsys.intent.classify import IntentClassifier
from recsys.notices import Say
from recsys.training.optimise import learning_device, short_products
from recsys.training.settings import RunOptions

FEW = 3000
"""Up to so many texts the cheap methods are calibrated on all of them, by fifths."""


def fit_classifier(
    data: LabelledTexts, method: str, valid: LabelledTexts | None, unlabelled: Sequence[str],
    out_of_scope: str | None, encoder: str | Path, config: TextTraining, options: RunOptions,
    cache: str | Path | None, on_epoch: OnEpoch | None, say: Say,
) -> IntentClassifier:  # fmt: skip
    """See `IntentClassifier.fit`."""
    names = checked_methods(method)
    if deaf := unheard(config, names):
        settings = "setting changes" if len(deaf) == 1 else "settings change"
        say(f"the {settings} nothing for the method {method}: {', '.join(deaf)}")
    _check(data, out_of_scope)
    moves = made_moves(config, method)
    rng = np.random.default_rng(options.seed)
    train, checked, strangers = divided(data, valid, out_of_scope, config, rng)
    tuned = [name for name in names if name in TUNED]
    folder = find_folder(encoder) if tuned or SYNONYMS in config.augment else None
    more = [text for text in checked_texts(unlabelled, "unlabelled") if text.strip()]
    whole, _ = apart(data, out_of_scope)
    cheap, device = set(names) <= set(CHEAP), learning_device(options)
    crossed = valid is None and cheap and 0 < len(data) <= FEW and config.validation > 0
    own = whole if crossed else train
    with LazyEncoder(str(encoder), device=device).remembering(TextCache(cache)) as lazy:
        if set(names) & set(READERS):  # the copy for tuned ones alone is not kept
            _warn(lazy if "frozen" in names else LazyEncoder(str(encoder)), data.texts, say)
        teacher = _Teacher(
            lazy, folder, config, rng, moves, short_products(options), device, on_epoch, more
        )

        def checking(
            by: str, believed: LabelledTexts | None, first: IntentClassifier | None = None
        ) -> IntentClassifier:
            model = teacher.learned(own, by, believed)
            name = str(encoder) if set(names) & set(READERS) else None
            made = IntentClassifier(
                model, by, config, Calibration(model.many), Scope(), encoder=name
            )
            if not crossed:
                return made.recalibrated(train, checked, strangers)

            def again(part: LabelledTexts) -> TextClassifier:
                if first is None:
                    return teacher.learned(part, by, None)
                alone = first.with_model(teacher.learned(part, first.method, None))
                return teacher.learned(part, by, teacher.believed(part, alone))

            rows, reading, fold = crossed_readings(whole, again, rng)
            return made.recalibrated(whole, rows, strangers, reading, fold)

        first = believed = None
        if more and config.rounds:
            first = checking("frozen" if tuned or "frozen" in names else method, None)
            believed = teacher.believed(own, first)
        made = checking(method, believed, first)
        if cheap and len(whole) > len(own):
            made = made.with_model(teacher.learned(whole, method, believed))
        base = {name: base_hash(encoder) for name in tuned}
        if "frozen" in names:
            base["frozen"] = lazy.id
    kept_back = 0 if valid is not None or cheap else len(checked)  # cheap methods learn all of them
    facts: dict[str, object] = {
        "texts": len(data), "labels": len(made.labels), "believed": len(believed or ()),
        "kept_back": kept_back,
    }  # fmt: skip
    if out_of_scope is not None:
        facts["out_of_scope"] = out_of_scope
    return replace(made, base=base, facts=facts)


def described(
    taxonomy: Taxonomy, texts: Sequence[str], encoder: str | Path, language: str | None, say: Say
) -> IntentClassifier:
    """See `IntentClassifier.described`."""
    if len(taxonomy) < 2:
        raise UsageError(f"There must be at least two intents to tell apart. Got {len(taxonomy)}.")
    asked = [text for text in checked_texts(texts, "texts") if text.strip()]
    if language is None:
        language = Templates.for_titles(asked or describe(taxonomy)).language
    order = np.argsort(taxonomy.keys)
    labels, told = (tuple(some[n] for n in order.tolist())
                    for some in (taxonomy.keys, describe(taxonomy, language)))  # fmt: skip
    with LazyEncoder(str(encoder)).remembering(TextCache(None)) as lazy:
        _warn(lazy, (*told, *asked), say)
        intents = lazy.encode(told)
        mean = (lazy.encode(asked) if asked else intents).mean(axis=0)
        model = ZeroShotClassifier(labels, lazy, intents, mean)
        base = {METHOD: lazy.id}
    facts = {"texts": 0, "labels": len(labels)}
    return IntentClassifier(model, METHOD, TextTraining(), Calibration(False), Scope(),
                            encoder=str(encoder), base=base, facts=facts)  # fmt: skip


@dataclass(frozen=True)
class _Teacher:
    """What every model of one fit is learned with; `more` are the unlabelled texts."""

    lazy: LazyEncoder
    folder: Path | None
    config: TextTraining
    rng: np.random.Generator
    moves: Mapping[str, Move]
    bfloat16: bool
    device: str
    on_epoch: OnEpoch | None
    more: Sequence[str]

    def learned(
        self, part: LabelledTexts, by: str, believed: LabelledTexts | None
    ) -> TextClassifier:
        """A model of these texts, and of those believed."""
        part = part if believed is None else part.and_(believed)
        return learn(
            part, by, self.lazy, self.folder, self.config, self.rng, moves=self.moves,
            bfloat16=self.bfloat16, device=self.device, on_epoch=self.on_epoch,
        )  # fmt: skip

    def believed(self, part: LabelledTexts, first: IntentClassifier) -> LabelledTexts:
        """What comes of all rounds for one who has the labels of this part only."""
        guess, believed = first, None
        for share in shares(self.config.rounds):
            if believed is not None:
                guess = guess.with_model(self.learned(part, first.method, believed))
            p = guess.probabilities(self.more)
            rows, carries = sure_labels(p, guess.many, share, self.config.gate)
            texts = tuple(self.more[row] for row in rows)
            believed = LabelledTexts(texts, guess.labels, carries)
        assert believed is not None, "there is a round"
        return believed


def check_given(
    data: object, valid: object, encoder: object, config: object, options: object
) -> None:
    """`UsageError` for arguments of `IntentClassifier.fit` that are something else."""
    texts = "LabelledTexts, such as LabelledTexts.of(texts, labels)"
    for name, value, kinds, rule in (
        ("data", data, LabelledTexts, texts),
        ("valid", valid, LabelledTexts | None, texts),
        ("encoder", encoder, str | Path, "the name or the folder of an encoder, not itself"),
        ("config", config, TextTraining | None, "a TextTraining, such as TextTraining(epochs=5)"),
        ("options", options, RunOptions | None, "RunOptions, such as RunOptions(seed=1)"),
    ):
        if not isinstance(value, kinds):
            raise UsageError(
                f"The '{name}' of IntentClassifier.fit must be {rule}. "
                f"Got {type(value).__name__} instead."
            )


def _warn(encoder: LazyEncoder, texts: Sequence[str], say: Say) -> None:
    """Say so where the encoder does not read the language of the texts."""
    if (unknown := unknown_words(encoder.inner, texts)) is not None:
        say(f"{unknown}, which then tells them apart by hardly more than their length: "
            f"name {READS_MORE}.")  # fmt: skip


def _check(data: LabelledTexts, out_of_scope: str | None) -> None:
    if out_of_scope is not None and out_of_scope not in data.labels:
        raise UsageError(
            f"'out_of_scope' must be a label of the training texts. Got {out_of_scope!r} instead."
            f"{suggest(out_of_scope, list(data.labels))}"
        )
    labels = [name for name in data.labels if name != out_of_scope]
    if len(labels) < 2:
        raise DataError(
            f"There must be at least two labels to tell apart. Got {', '.join(labels) or 'none'}."
        )
