"""A few words a label, each with its weight, and nothing else: the model that can be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
from scipy import sparse

from kg.intents.labelled import LabelledTexts
from models.intent.contract import Reading
from models.intent.folds import held_out
from models.intent.linear import balanced_weights, choose_strength, fit_linear
from models.intent.settings import TextTraining
from models.tensors import load_tensors, load_words, save_tensors, save_words
from models.text.encoder import TOKEN, Vectors, folded

TERMS, FILE = "terms.json", "rules.safetensors"
A_LABEL = 20
"""Terms that speak for or against one label."""
MAX_TERMS = 20_000


class RulesClassifier:
    """z_l = b_l + the weights of those of the label's terms that stand in the text.

    A term is a word, or two words in a row; where no spaces part words, a sign or two.
    """

    def __init__(
        self, labels: tuple[str, ...], many: bool, terms: list[str], weight: Vectors, bias: Vectors
    ) -> None:
        """T terms: weight [L, T], at most `A_LABEL` entries a label not 0; bias [L]."""
        self.labels, self.many, self.terms = labels, many, terms
        self.weight, self.bias = weight, bias
        self._column = {term: number for number, term in enumerate(terms)}

    def read(self, texts: Sequence[str]) -> Reading:
        x = _counts([terms_of(text) for text in texts], self._column)
        logits = np.asarray(x @ self.weight.T + self.bias, np.float32)
        return Reading(logits, known=x.getnnz(axis=1) > 0)

    def table(self) -> list[tuple[str, str, float]]:
        """(label, term, weight) of the whole model, the strongest first within each label."""
        rows = []
        for label, weights in zip(self.labels, self.weight, strict=True):
            at = np.flatnonzero(weights)
            order = at[np.argsort(-np.abs(weights[at]), kind="stable")]
            rows += [(label, self.terms[term], float(weights[term])) for term in order.tolist()]
        return rows

    def save(self, folder: Path) -> None:
        save_words(folder / TERMS, self.terms)
        save_tensors(folder / FILE, {"weight": self.weight, "bias": self.bias})

    @classmethod
    def load(cls, folder: Path, labels: tuple[str, ...], many: bool) -> Self:
        terms = load_words(folder / TERMS)
        shapes = {"weight": (len(labels), len(terms)), "bias": (len(labels),)}
        return cls(labels, many, terms, **load_tensors(folder / FILE, shapes))


def terms_of(text: str) -> set[str]:
    """The words of a text and its pairs of neighbours, folded.

    >>> sorted(terms_of("Lost my CARD"))
    ['card', 'lost', 'lost my', 'my', 'my card']
    """
    words = TOKEN.findall(folded(text))
    return set(words) | {f"{a} {b}" for a, b in pairwise(words)}


def fit_rules(
    data: LabelledTexts, config: TextTraining, rng: np.random.Generator
) -> RulesClassifier:
    """The terms of a label are those that tell most of it; their weights are a ridge regression."""
    said = [terms_of(text) for text in data.texts]
    often = Counter(term for terms in said for term in terms)
    known = sorted(term for term, count in often.most_common(MAX_TERMS) if count > 1) or [
        *sorted(often)
    ]
    x = _counts(said, {term: number for number, term in enumerate(known)})
    chosen = _telling(x, data.carries)  # bool [L, T]
    used = np.flatnonzero(chosen.any(axis=0))
    rows, mask = x[:, used].toarray(), chosen[:, used]
    weight = balanced_weights(data.carries) if config.class_weights else None
    held = held_out(data.carries, 0.1, rng)
    strength = choose_strength(rows, data.carries, data.many, held, weight, mask)
    w, b = fit_linear(rows, data.carries, data.many, strength, weight=weight, mask=mask)
    return RulesClassifier(data.labels, data.many, [known[term] for term in used.tolist()], w, b)


def _counts(said: Sequence[set[str]], column: dict[str, int]) -> sparse.csr_matrix:
    """float32 [n, T]: 1 where the text has the term."""
    at = [sorted(column[term] for term in terms if term in column) for terms in said]
    indptr = np.cumsum([0, *(len(row) for row in at)])
    indices = np.array([term for row in at for term in row], np.int64)
    ones = np.ones(len(indices), np.float32)
    return sparse.csr_matrix((ones, indices, indptr), shape=(len(said), len(column)))


def _telling(x: sparse.csr_matrix, carries: np.ndarray) -> np.ndarray:
    """bool [L, T]: each label's `A_LABEL` terms of the largest |log ratio| · count of its texts.

    The log-count ratio r = log( (1 + n_lt) / (2 + n_l) ) - log( (1 + m_lt) / (2 + m_l) ), n of the
    texts with the label, m of those without (Wang & Manning 2012), times sqrt(n_lt + m_lt).
    """
    y = carries.astype(np.float32)
    total = np.asarray(x.sum(axis=0)).reshape(1, -1)  # [1, T]
    own = np.asarray(x.T @ y).T  # [L, T]
    sizes = y.sum(axis=0)[:, None]
    inside = np.log1p(own) - np.log(2 + sizes)
    outside = np.log1p(total - own) - np.log(2 + len(carries) - sizes)
    value = np.abs(inside - outside) * np.sqrt(total) * (own > 0)
    keep = min(A_LABEL, value.shape[1])
    best = np.argsort(-value, axis=1, kind="stable")[:, :keep]
    out = np.zeros(value.shape, bool)
    np.put_along_axis(out, best, True, axis=1)
    return out & (value > 0)
