"""Characters and words counted, and a linear support vector machine: the yardstick of any text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

from kg.intents.labelled import LabelledTexts
from models.intent.contract import Reading
from models.intent.settings import TextTraining
from models.tensors import load_tensors, load_words, save_tensors, save_words
from models.text.encoder import CJK_SIGN, Vectors, folded

TERMS, FILE = "terms.json", "svm.safetensors"
MOST, LEAST = 50_000_000, 20_000
"""Weights of a classifier (200 MB) and terms that it has at least, if there are so many."""


class SvmClassifier:
    """z_l = w_l · tfidf(text) + b_l, each label against all others (Fan et al. 2008, LIBLINEAR).

    Terms are character n-grams inside words: 2 to 5, or 1 to 3 where the texts are Chinese,
    Japanese or Korean, whose words no spaces part.
    """

    def __init__(
        self, labels: tuple[str, ...], many: bool, terms: list[str], idf: Vectors,
        weight: Vectors, bias: Vectors, low: int, high: int,
    ) -> None:  # fmt: skip
        """T terms: idf [T], weight [L, T], bias [L]; n-grams from `low` to `high`."""
        self.labels, self.many, self.terms = labels, many, terms
        self.idf, self.weight, self.bias = idf, weight, bias
        self.ngrams = (low, high)
        self._vectorizer = _vectorizer(low, high, vocabulary=terms)
        self._vectorizer.idf_ = idf.astype(np.float64)

    def read(self, texts: Sequence[str]) -> Reading:
        if not len(texts):
            return Reading(np.zeros((0, len(self.labels)), np.float32), known=np.zeros(0, bool))
        x = self._vectorizer.transform(texts)
        logits = np.asarray(x @ self.weight.T + self.bias, np.float32)
        return Reading(logits, known=x.getnnz(axis=1) > 0)

    def save(self, folder: Path) -> None:
        save_words(folder / TERMS, self.terms)
        save_tensors(
            folder / FILE,
            {"idf": self.idf, "weight": self.weight, "bias": self.bias,
             "ngrams": np.array(self.ngrams)},
        )  # fmt: skip

    @classmethod
    def load(cls, folder: Path, labels: tuple[str, ...], many: bool) -> Self:
        terms = load_words(folder / TERMS)
        count, size = len(labels), len(terms)
        shapes = {"idf": (size,), "weight": (count, size), "bias": (count,), "ngrams": (2,)}
        parts = load_tensors(folder / FILE, shapes)
        low, high = parts.pop("ngrams").tolist()
        return cls(labels, many, terms, **parts, low=low, high=high)


def fit_svm(data: LabelledTexts, config: TextTraining, rng: np.random.Generator) -> SvmClassifier:
    """C = 1; nothing is drawn but the order in which LIBLINEAR goes through the texts.

    With very many labels the most frequent terms are kept: about `MOST` weights in all.
    """
    low, high = (1, 3) if _unspaced(data.texts) else (2, 5)
    most = max(MOST // max(len(data.labels), 1), LEAST)
    vectorizer = _vectorizer(low, high, max_features=most)
    x = sparse.csr_matrix(vectorizer.fit_transform(data.texts))
    terms = [str(term) for term in vectorizer.get_feature_names_out()]
    weight, bias = _one_against_the_rest(x, data, config, int(rng.integers(2**31)))
    idf = vectorizer.idf_.astype(np.float32)
    return SvmClassifier(data.labels, data.many, terms, idf, weight, bias, low, high)


def _one_against_the_rest(
    x: sparse.csr_matrix, data: LabelledTexts, config: TextTraining, seed: int
) -> tuple[Vectors, Vectors]:
    """weight [L, T] and bias [L]; a label that all or no texts carry has the constant 1 or -1."""
    weight = np.zeros((len(data.labels), x.shape[1]), np.float32)
    bias = np.full(len(data.labels), -1.0, np.float32)
    balanced = "balanced" if config.class_weights else None
    for label, carried in enumerate(data.carries.T):
        if carried.any() and not carried.all():
            machine = LinearSVC(class_weight=balanced, random_state=seed).fit(x, carried)
            weight[label], bias[label] = machine.coef_[0], machine.intercept_[0]
        elif carried.any():
            bias[label] = 1.0
    return weight, bias


def _vectorizer(low: int, high: int, **terms: Any) -> TfidfVectorizer:
    return TfidfVectorizer(
        analyzer="char_wb", ngram_range=(low, high), preprocessor=folded, lowercase=False,
        sublinear_tf=True, dtype=np.float32, **terms,
    )  # fmt: skip


def _unspaced(texts: Sequence[str]) -> bool:
    """Whether a fifth of the signs belong to scripts without spaces."""
    sample = "".join(texts[:: max(1, len(texts) // 2000)])
    return 5 * len(CJK_SIGN.findall(sample)) > len(sample)
