"""Worlds in which one thing says nothing any more and all else stays: controls for ablations.

A part that helps as much in its control as with the truth helps as a regulariser, not by what it
says.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kg.events import EventLog
from kg.graph import KnowledgeGraph


def permuted_tails(
    graph: KnowledgeGraph, rng: np.random.Generator, rounds: int = 30
) -> KnowledgeGraph:
    """Facts about nobody: in each fact relation the tails are exchanged between edges at random.

    Every node keeps its number of edges in every relation, no edge is there twice, and no node is
    linked to itself that was not. Events stay. Each of the `rounds` pairs all edges of a relation
    and exchanges the tails of a pair where the two new edges are not there yet (Maslov and Sneppen,
    Specificity and stability in topology of protein networks, 2002; pairs that would collide with
    each other are left as they are). A relation whose edges all end in one node cannot change.
    """
    edges = dict(graph.edges)
    for relation in graph.fact_relations:
        tails = len(graph.vocabs[relation[2]])
        loops = relation[0] != relation[2]  # numbers of two types may be equal
        edges[relation] = _exchanged(edges[relation], tails, loops, rng, rounds)
    return replace(graph, edges=edges, edge_time={})


def _exchanged(
    index: np.ndarray, tails: int, loops: bool, rng: np.random.Generator, rounds: int
) -> np.ndarray:
    """int64 [2, E] with the degrees of `index` [2, E], sorted."""
    head, tail = index[0], index[1].copy()
    half = len(head) // 2
    for _ in range(rounds):
        order = rng.permutation(len(head))
        a, b = order[:half], order[half : 2 * half]
        new_head, new_tail = np.concatenate([head[a], head[b]]), np.concatenate([tail[b], tail[a]])
        new = new_head * tails + new_tail
        _, at, count = np.unique(new, return_inverse=True, return_counts=True)
        bad = np.isin(new, head * tails + tail) | (count[at] > 1)
        if not loops:
            bad |= new_head == new_tail
        good = ~(bad[:half] | bad[half:])
        tail[a[good]], tail[b[good]] = tail[b[good]], tail[a[good]]
    return np.unique(np.stack([head, tail]), axis=1)


def unordered(log: EventLog, rng: np.random.Generator) -> EventLog:
    """Each user's events in a random order, at the times that were there: the same bag of events.

    What is left of accuracy is not due to the order (Klenitskiy et al., Does it look sequential?
    2024).
    """
    order = np.lexsort((rng.random(len(log)), log.user))
    return replace(replace(log, time=None).take(order), time=log.time)
