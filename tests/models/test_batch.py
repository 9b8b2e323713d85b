"""Batches: each next item once, padding at the end, gaps, windows."""

import itertools
from collections import Counter

import numpy as np
import pytest

from kg.clean import clean
from kg.events import EventLog
from kg.ids import Vocab
from kg.sequences import Sequences
from models.batch import (
    GAP_EDGES,
    NUM_GAPS,
    groups_per_epoch,
    history_batches,
    moments,
    pad,
    training_batches,
    training_groups,
)


def ragged(lengths, *, timed=False, rng=None) -> Sequences:
    """Items count up through the whole array, so that each event has its own item."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    total = int(offsets[-1])
    time = np.cumsum(rng.integers(0, 9999, total)) if timed else None
    return Sequences(offsets, np.arange(total), np.arange(total) % 3, time, total)


def pairs_of(batches) -> Counter:
    seen: Counter = Counter()
    for batch in batches:
        moment = batch.item[batch.target][batch.wanted.row]
        seen.update(zip(moment.tolist(), batch.wanted.item.tolist(), strict=True))
    return seen


@pytest.mark.parametrize("targets", [1, 3, 100])
def test_every_next_item_pair_of_short_histories_once(targets):
    lengths = [0, 1, 2, 5, 3, 1, 6, 0, 4]
    sequences = ragged(lengths)
    want = Counter()
    for u in range(len(lengths)):
        items = sequences.items_of(u).tolist()
        want.update(itertools.pairwise(items))
    rng = np.random.default_rng(0)
    assert pairs_of(training_batches(sequences, 5, targets, rng)) == want


def test_padding_stands_at_the_end_and_users_are_named():
    sequences = ragged([2, 4, 3])
    (batch,) = training_batches(sequences, 10, 10, np.random.default_rng(0))
    mask = batch.mask.numpy()
    assert (np.diff(mask.astype(int), axis=1) <= 0).all()
    assert (mask == batch.target.numpy()).all()
    assert dict(zip(batch.user.tolist(), mask.sum(1).tolist(), strict=True)) == {0: 1, 1: 3, 2: 2}
    for row, user in enumerate(batch.user.tolist()):
        items = sequences.items_of(user)
        assert batch.item[row][mask[row]].tolist() == items[:-1].tolist()


def test_a_long_history_gives_one_window_of_neighbours():
    sequences = ragged([30])
    starts = set()
    for seed in range(40):
        (batch,) = training_batches(sequences, 4, 8, np.random.default_rng(seed))
        assert batch.item.shape == (1, 4)
        start = int(batch.item[0, 0])
        assert batch.item[0].tolist() == list(range(start, start + 4))
        assert batch.wanted.item.tolist() == list(range(start + 1, start + 5))
        assert moments(batch, sequences).tolist() == list(range(start, start + 4))
        assert batch.start.tolist() == [start]
        starts.add(start)
    assert 25 in starts  # the last window
    assert len(starts) > 5  # and random ones


@pytest.mark.parametrize("targets", [8, 40])
def test_batches_hold_about_the_same_number_of_targets(targets):
    rng = np.random.default_rng(2)
    sequences = ragged(rng.integers(0, 12, 300))
    sizes = [int(b.target.sum()) for b in training_batches(sequences, 8, targets, rng)]
    assert sum(sizes) == np.clip(sequences.lengths - 1, 0, 8).sum()
    assert all(targets - 8 < size < targets + 8 for size in sizes[:-1] if size != min(sizes))
    assert max(sizes) < targets + 8


def test_nobody_with_two_events_gives_no_batch():
    assert list(training_batches(ragged([1, 0, 1]), 5, 10, np.random.default_rng(0))) == []


def test_an_epoch_is_decided_by_its_generator():
    sequences = ragged([9, 2, 7, 5, 12])

    def epoch(seed):
        batches = training_batches(sequences, 4, 2, np.random.default_rng(seed))
        return [batch.item.tolist() for batch in batches]

    assert epoch(1) == epoch(1)
    assert any(epoch(1) != epoch(seed) for seed in range(2, 6))


def test_gap_buckets():
    steps = [0, 59, 60, 3599, 3600, 86400, 7 * 86400, 30 * 86400, 180 * 86400, 10**9]
    time = np.concatenate([[5], 5 + np.cumsum(steps)])
    n = len(time)
    zeros = np.zeros(n, np.int64)
    sequences = Sequences(np.array([0, n]), zeros, zeros, time, 1)
    one = np.array([0])
    gap = pad(sequences, one, one, np.array([n]))["gap"][0]
    assert gap.tolist() == [0, 1, 1, 2, 2, 3, 4, 5, 6, 7, 7]
    assert gap.max() < NUM_GAPS == len(GAP_EDGES) + 2
    later = pad(sequences, one, one + 3, np.array([n]))["gap"][0]
    assert later.tolist() == gap[3:].tolist()  # a window's first event knows the event before it
    untimed = Sequences(np.array([0, n]), zeros, zeros, None, 1)
    assert not pad(untimed, one, one, np.array([n]))["gap"].any()


def test_a_gap_never_reaches_into_another_user():
    rng = np.random.default_rng(3)
    sequences = ragged([3, 4, 2], timed=True, rng=rng)
    for rows, batch in history_batches(sequences, 10, 10):
        assert not batch.gap[:, 0].any()
        for row, user in enumerate(rows.tolist()):
            ((_, alone),) = history_batches(sequences.take(np.array([user])), 10, 1)
            length = alone.gap.shape[1]
            assert batch.gap[row, :length].tolist() == alone.gap[0].tolist()


def test_history_batches_cover_every_user_with_the_last_events():
    sequences = ragged([0, 7, 2, 3])
    seen = {}
    for rows, batch in history_batches(sequences, 3, 2):
        for row, user in enumerate(rows.tolist()):
            seen[user] = batch.item[row][batch.mask[row]].tolist()
    assert seen == {u: sequences.items_of(u)[-3:].tolist() for u in range(4)}
    empty = ragged([0, 0])
    assert sum(len(rows) for rows, _ in history_batches(empty, 3, 5)) == 2
    assert not any(batch.mask.any() for _, batch in history_batches(empty, 3, 5))
    assert list(training_batches(empty, 3, 5, np.random.default_rng(0))) == []


def test_what_comes_after_each_visit():
    time = np.array([0, 1, 100, 101, 102, 500, 0, 1])
    item = np.array([0, 1, 2, 3, 2, 5, 6, 7])
    sequences = Sequences(np.array([0, 6, 8]), item, np.arange(8) % 2, time, 8)
    rng = np.random.default_rng(0)
    (batch,) = training_batches(sequences, 10, 100, rng, sequences.periods(50))
    assert moments(batch, sequences).tolist() == [1, 4]  # ends of visits
    wanted = batch.wanted
    assert wanted.row.tolist() == [0, 0, 1]
    assert wanted.item.tolist() == [2, 3, 5]  # what comes twice is wanted once
    assert wanted.behaviour.tolist() == [0, 1, 1]
    assert wanted.share.tolist() == [0.5, 0.5, 1]
    (longer,) = training_batches(sequences, 10, 100, rng, sequences.periods(50, 499))
    assert longer.wanted.item.tolist() == [2, 3, 5, 5]


def test_a_search_is_asked_for_the_event_after_it_and_not_for_a_period():
    events = [  # user, item, query, time
        ("u", "", "blue", 0), ("u", "a", "", 1), ("u", "", "red", 2), ("u", "b", "", 3),
        ("u", "", "blue", 900), ("u", "c", "", 901), ("u", "d", "", 902), ("u", "", "red", 903),
        ("v", "c", "", 0), ("v", "", "red", 1),
    ]  # fmt: skip
    user, item, query, time = zip(*events, strict=True)
    kinds = ["search" if text else "view" for text in query]
    log = EventLog.of(user, item, query=query, behaviour=kinds, time=10**9 + np.array(time))
    whole = Sequences.of(clean(log, Vocab(("a", "b", "c", "d"), "item"))[0])
    sequences, periods = whole.interleaved(np.array([0, 1])), whole.periods(50)
    batches = list(training_batches(sequences, 10, 100, np.random.default_rng(0), periods))
    found = [
        (int(place), sorted(batch.wanted.item[batch.wanted.row == row].tolist()))
        for batch in batches for row, place in enumerate(moments(batch, sequences))
    ]  # fmt: skip
    assert found == [(-1, [0]), (0, [1]), (1, [2, 3]), (1, [2])]


def test_every_visit_is_asked_about_as_often_whatever_the_batches():
    rng = np.random.default_rng(1)
    sequences = ragged(rng.integers(0, 9, 200), timed=True, rng=rng)
    periods = sequences.periods(5000)
    sizes = []
    for batch in training_batches(sequences, 20, 16, rng, periods):
        sizes.append(int(batch.target.sum()))
        at = moments(batch, sequences)
        assert (periods[0][at] < periods[1][at]).all()
    assert sum(sizes) == (periods[0] < periods[1]).sum()
    assert max(sizes) < 16 + 8


def test_a_group_of_small_batches_is_one_large_batch():
    sequences = ragged([2, 3, 3, 4, 6, 6, 7, 9, 12, 2, 5])

    def taken(batches):  # whose history and from where, which tells its targets
        return sorted(n for b in batches for n in (b.user * 100 + b.start).tolist())

    small = list(training_groups(sequences, 5, 4, np.random.default_rng(0), parts=3))
    large = list(training_groups(sequences, 5, 12, np.random.default_rng(0)))
    assert max(len(group) for group in small) > 1
    assert [taken(group) for group in small] == [taken(group) for group in large]
    assert (
        len(large)
        == groups_per_epoch(sequences, 5, 12)
        == groups_per_epoch(sequences, 5, 4, parts=3)
    )
    assert groups_per_epoch(sequences, 5, 4) == sum(len(group) for group in small)
