"""From the categories of the data to the intents of a taxonomy.

A category is compared as it is written, full-width forms and capitals aside; of a path
("Beauty > Hair > Shampoo") each part may be listed, and each beginning ("Beauty > Hair").
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from kg.building.hierarchy import spellings, whole
from kg.graph import KnowledgeGraph, Relation
from kg.intents.labels import NO_LABEL, IntentLabels, category_facts, item_facts, relation_named
from kg.intents.taxonomy import Taxonomy


def taxonomy_labels(
    taxonomy: Taxonomy, graph: KnowledgeGraph, relation: str | None = None
) -> IntentLabels:
    """The intents of the taxonomy on items: those that list one of an item's categories, and all
    their ancestors. Intents on no item are left out; names are the keys.

    Categories are the tails of `relation` (`UsageError` lists the relations if there is none of
    that name), else of every relation of `CATEGORY_NAMES`, else of every fact about items.
    """
    has = sparse.csr_matrix((graph.num_nodes["item"], len(taxonomy)), dtype=np.float32)
    first: Relation | None = None
    for known in _relations(graph, relation):
        takes, (heads, tails) = _takes(taxonomy, graph, known), graph.edges[known]
        shape = (has.shape[0], takes.shape[0])
        edges = sparse.csr_matrix((np.ones(len(heads), np.float32), (heads, tails)), shape=shape)
        found = edges @ takes
        has, first = has + found, first or (known if found.nnz else None)
    return labels_of(taxonomy, has, first)


def labels_of(
    taxonomy: Taxonomy, has: sparse.csr_matrix, relation: Relation | None = None
) -> IntentLabels:
    """Labels from [N_item, L] (above 0: the item has the intent), ancestors added, intents on no
    item left out.
    """
    full = ((has @ _upward(taxonomy)) > 0).astype(np.float32).tocsr()
    kept = np.flatnonzero(np.asarray(full.sum(0)).ravel() > 0)
    return IntentLabels(relation, tuple(taxonomy.keys[k] for k in kept), full[:, kept])


def categories_left(
    taxonomy: Taxonomy, graph: KnowledgeGraph, relation: str | None = None
) -> list[str]:
    """Categories of the data that no intent takes, those of most items first."""
    counts: dict[str, int] = {}
    for known in _relations(graph, relation):
        takes = _takes(taxonomy, graph, known)
        free = np.diff(takes.indptr) == 0
        found = np.bincount(graph.edges[known][1], minlength=len(free))
        for tail in np.flatnonzero(free & (found > 0)).tolist():
            name = graph.name(known[2], tail)
            if name.strip() not in NO_LABEL:
                counts[name] = max(counts.get(name, 0), int(found[tail]))
    return sorted(counts, key=lambda name: (-counts[name], name))


def categories_absent(
    taxonomy: Taxonomy, graph: KnowledgeGraph, relation: str | None = None
) -> list[str]:
    """Categories that the taxonomy lists and the data do not have, in the taxonomy's order."""
    there = {word for known in _relations(graph, relation) for name in _tails(graph, known)
             for word in spellings(name)}  # fmt: skip
    listed = [name for intent in taxonomy.intents for name in intent.categories]
    return [name for name in dict.fromkeys(listed) if whole(name) not in there]


def _relations(graph: KnowledgeGraph, relation: str | None) -> list[Relation]:
    known = item_facts(graph)
    if relation is not None:
        return [relation_named(known, relation)]
    return category_facts(known) or known


def _tails(graph: KnowledgeGraph, relation: Relation) -> Iterator[str]:
    return (graph.name(relation[2], tail) for tail in range(graph.num_nodes[relation[2]]))


def _takes(taxonomy: Taxonomy, graph: KnowledgeGraph, relation: Relation) -> sparse.csr_matrix:
    """float32 [tails, L]: 1 where the intent lists the category."""
    wanted: dict[str, list[int]] = {}
    for number, intent in enumerate(taxonomy.intents):
        for name in intent.categories:
            wanted.setdefault(whole(name), []).append(number)
    pairs = sorted({(row, number) for row, name in enumerate(_tails(graph, relation))
                    for word in spellings(name) for number in wanted.get(word, ())})  # fmt: skip
    at = np.array(pairs, np.int64).reshape(-1, 2).T
    shape = (graph.num_nodes[relation[2]], len(taxonomy))
    return sparse.csr_matrix((np.ones(at.shape[1], np.float32), (at[0], at[1])), shape=shape)


def _upward(taxonomy: Taxonomy) -> sparse.csr_matrix:
    """float32 [L, L]: 1 from each intent to itself and its ancestors."""
    out = np.eye(len(taxonomy), dtype=np.float32)
    for row, key in enumerate(taxonomy.keys):
        for above in taxonomy.ancestors(key):
            out[row, taxonomy.keys.index(above)] = 1
    return sparse.csr_matrix(out)
