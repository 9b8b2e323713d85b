"""Which named intents each item carries: those of training, and those added since.

Trained items carry what intents were learned from (`IntentSignals.labels`). An added item carries
what its categories say; where it has none, or where an intent lists none, what its text is near to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import sparse

from kg.building.hierarchy import beginnings, joined, segments, spellings, whole
from kg.errors import UsageError, suggest
from kg.graph import KnowledgeGraph, Relation
from kg.intents.categories import categories_left
from kg.intents.labels import category_facts, item_facts
from kg.intents.taxonomy import Taxonomy
from models.intent import zero_shot
from models.text.encoder import unit_rows
from recsys.intent.named import RIVALS, likeliest, listing_none
from recsys.intent.signals import IntentSignals
from recsys.serving.items import ItemStore

FEW = 20
"""So many names, at most, are all listed where one is not known."""


@dataclass(frozen=True, eq=False)
class Carried:
    """L named intents of N items: `item`, csr float32 [N, L], 1 where the item carries the intent.

    `names` [L] are what to call them, `texts` [L] what an encoder reads of each, `words` every name
    in every language to its number. The first intents are those of the head, in its order; those
    that follow were on no item in training.
    """

    names: tuple[str, ...]
    texts: tuple[str, ...]
    words: dict[str, int]
    item: sparse.csr_matrix

    @classmethod
    def of(
        cls, intent: IntentSignals | None, items: ItemStore, graph: KnowledgeGraph, language: str
    ) -> Carried:
        """`language`: that of the names, where a taxonomy has several."""
        if intent is None:
            return cls((), (), {}, sparse.csr_matrix((len(items), 0), dtype=np.float32))
        labels, taxonomy = intent.labels, intent.taxonomy
        keys = labels.names
        names = texts = keys
        if taxonomy is not None:
            keys = (*keys, *(key for key in taxonomy.keys if key not in keys))
            names = tuple(taxonomy.name(key, language) for key in keys)
            texts = tuple(taxonomy.find(key).text(language) for key in keys)
        known = labels.item.copy()
        known.resize(items.trained, len(keys))
        added = _of_added(known, keys, labels.relation, taxonomy, items, graph)
        item = sparse.vstack([known, added], format="csr")
        return cls(names, texts, _words(keys, taxonomy), sparse.csr_matrix(item))

    def __len__(self) -> int:
        return len(self.names)

    def of_item(self, code: int) -> tuple[str, ...]:
        """The names of what one item carries."""
        ends = slice(self.item.indptr[code], self.item.indptr[code + 1])
        return tuple(self.names[number] for number in sorted(self.item.indices[ends].tolist()))

    def members(self, numbers: Sequence[int]) -> np.ndarray:
        """bool [N]: the item carries one of these intents at least."""
        out = np.zeros(self.item.shape[0], bool)
        for number in numbers:
            ends = slice(self._columns.indptr[number], self._columns.indptr[number + 1])
            out[self._columns.indices[ends]] = True
        return out

    @cached_property
    def _columns(self) -> sparse.csc_matrix:
        return self.item.tocsc()

    def find(self, word: str) -> int | None:
        """The number of the intent of this name in any language; capitals do not matter."""
        exact = self.words.get(word)
        return self.words.get(whole(word)) if exact is None else exact

    def number(self, word: str, where: str) -> int:
        """As `find`; `UsageError` for a stranger, said of the parameter `where`."""
        found = self.find(word)
        if found is not None:
            return found
        if not len(self):
            raise UsageError(
                f"The '{where}' of Recommender.recommend needs named intents, and this run has "
                "none: neither categories of its items nor a taxonomy named any in training."
            )
        few = ", ".join(self.names) if len(self) <= FEW else f"{len(self)} intents"
        raise UsageError(
            f"The '{where}' of Recommender.recommend must be named intents of this run: {few}. "
            f"Got {word!r} instead.{self.near(word)}"
        )

    def near(self, word: str) -> str:
        """' Did you mean 'x'?' for the nearest name, or an empty string."""
        return suggest(word, [*self.names, *self.words])


def also_carrying(
    intent: IntentSignals, graph: KnowledgeGraph, facts: KnowledgeGraph
) -> IntentSignals:
    """Trained items carry what new facts of theirs say too; `facts` number items as training did,
    and their other nodes are in `graph`, which calls them by their names.
    """
    labels, taxonomy = intent.labels, intent.taxonomy
    told: dict[int, list[str]] = {}
    for relation in _speaking(graph, labels.relation, taxonomy is not None):
        kind = relation[2]
        if relation in facts.edges:
            node = graph.vocabs[kind].encode(facts.vocabs[kind].ids)
            for item, tail in facts.edges[relation].T.tolist():
                told.setdefault(item, []).append(graph.name(kind, int(node[tail])))
    carried = _with_ancestors(
        _by_categories(list(told.values()), labels.names, taxonomy), labels.names, taxonomy
    )
    item = labels.item.tolil(copy=True)
    for code, numbers in zip(told, carried, strict=True):
        for number in numbers:
            item[code, number] = 1
    return replace(intent, labels=replace(labels, item=item.tocsr()))


def _with_ancestors(
    carried: list[set[int]], keys: Sequence[str], taxonomy: Taxonomy | None
) -> list[set[int]]:
    if taxonomy is None:
        return carried
    above = [{keys.index(up) for up in taxonomy.ancestors(key) if up in keys} for key in keys]
    return [numbers.union(*(above[n] for n in numbers)) for numbers in carried]


def _words(keys: Sequence[str], taxonomy: Taxonomy | None) -> dict[str, int]:
    """Every name, as written and folded, to its number; one that is exactly so comes first."""
    out: dict[str, int] = {}
    for fold in (str, whole):
        for number, key in enumerate(keys):
            told = () if taxonomy is None else taxonomy.find(key).names.values()
            for word in (key, *told):
                out.setdefault(fold(word), number)
    return out


def _of_added(
    known: sparse.csr_matrix, keys: Sequence[str], relation: Relation | None,
    taxonomy: Taxonomy | None, items: ItemStore, graph: KnowledgeGraph,
) -> sparse.csr_matrix:  # fmt: skip
    """float32 [N - trained, L], what added items carry, ancestors in a taxonomy included."""
    speaking = _speaking(graph, relation, taxonomy is not None)
    told = [
        [graph.name(r[2], node) for r, node in items.facts.get(code, ()) if r in speaking]
        for code in range(items.trained, len(items))
    ]
    carried = _by_categories(told, keys, taxonomy)
    trained, added = items.text[: items.trained], items.text[items.trained :]
    silent = [row for row, names in enumerate(told) if not names]
    for row, numbers in zip(silent, _by_text(known, trained, added[silent]), strict=True):
        carried[row] |= numbers
    if taxonomy is not None and (by_text := _of_no_category(taxonomy, keys)) and speaking:
        rivals = _left_over(taxonomy, speaking, graph, items.trained)
        spoken = [row for row, names in enumerate(told) if names]
        near = _by_text(sparse.hstack([known, rivals]).tocsr(), trained, added[spoken])
        for row, numbers in zip(spoken, near, strict=True):
            carried[row] |= numbers & by_text
    carried = _with_ancestors(carried, keys, taxonomy)
    pairs = [(row, number) for row, numbers in enumerate(carried) for number in numbers]
    at = np.array(pairs, np.int64).reshape(-1, 2).T
    shape = (len(told), len(keys))
    return sparse.csr_matrix((np.ones(at.shape[1], np.float32), (at[0], at[1])), shape=shape)


def _speaking(graph: KnowledgeGraph, relation: Relation | None, several: bool) -> list[Relation]:
    """The facts that name intents: those of `relation`, and where they may come from `several`,
    those like it; none where texts did.
    """
    if relation is None or not several:
        return [] if relation is None else [relation]
    known = item_facts(graph)
    kinds = category_facts(known) or known
    return kinds if relation in kinds else [relation]


def _by_categories(
    told: Sequence[Sequence[str]], keys: Sequence[str], taxonomy: Taxonomy | None
) -> list[set[int]]:
    """The intents of items by the names [of each] of their categories: those that list one, or,
    without a taxonomy, are called like one, or like the beginning of a path.

    The several categories of an item may also be one path (`kg.building.hierarchy.with_paths`).
    """
    by_word: dict[str, set[int]] = {}
    for number, key in enumerate(keys):
        for word in taxonomy.find(key).categories if taxonomy is not None else (key,):
            by_word.setdefault(whole(word), set()).add(number)
    out = []
    for names in told:
        if taxonomy is None:
            path = joined([part for name in names for part in segments(name)])
            said = [word for name in (*names, path) for word in beginnings(name)]
        else:
            said = [word for name in names for word in spellings(name)]
        out.append(set().union(*(by_word.get(word, ()) for word in said)))
    return out


def _of_no_category(taxonomy: Taxonomy, keys: Sequence[str]) -> set[int]:
    """The intents that trained items have by their texts, where others list categories."""
    none = listing_none(taxonomy)
    return {keys.index(key) for key, without in zip(taxonomy.keys, none, strict=True) if without}


def _left_over(
    taxonomy: Taxonomy, speaking: Sequence[Relation], graph: KnowledgeGraph, trained: int
) -> sparse.csr_matrix:
    """float32 [trained, C], the items of categories that no intent lists: see `RIVALS`."""
    left = categories_left(taxonomy, graph)[:RIVALS]
    pairs = [np.empty((2, 0), np.int64)]
    for relation in speaking:
        names = [graph.name(relation[2], node) for node in range(graph.num_nodes[relation[2]])]
        column = np.array([left.index(name) if name in left else -1 for name in names], np.int64)
        heads, tails = graph.edges[relation]
        there = (column[tails] >= 0) & (heads < trained)
        pairs.append(np.stack([heads[there], column[tails[there]]]))
    at = np.unique(np.concatenate(pairs, axis=1), axis=1)
    ones = np.ones(at.shape[1], np.float32)
    return sparse.csr_matrix((ones, (at[0], at[1])), shape=(trained, len(left)))


def _by_text(known: sparse.csr_matrix, trained: np.ndarray, added: np.ndarray) -> list[set[int]]:
    """The intents of items [M] by their encoder vectors float32 [M, T]: those whose items in
    training, float32 [N, T], are nearest on average (`zero_shot`, in the place of descriptions).
    """
    out: list[set[int]] = [set() for _ in added]
    having = np.flatnonzero(np.asarray(known.sum(0)).ravel() > 0)
    told = added.any(1)
    if len(having) < 2 or not told.any() or not trained.any():
        return out
    middles = unit_rows(known[:, having].T @ unit_rows(trained))
    mean = trained[trained.any(1)].mean(0)
    kept = likeliest(zero_shot(added[told], middles, mean=mean))
    for row, chosen in zip(np.flatnonzero(told).tolist(), kept, strict=True):
        out[row] = set(having[chosen].tolist())
    return out
