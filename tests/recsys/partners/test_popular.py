"""What people get of whom nothing is known."""

import numpy as np
import pytest

from kg.clean import clean
from kg.events import EventLog
from kg.split import leave_one_out, temporal_split
from recsys.partners.popular import choose_recency, popularity


@pytest.mark.parametrize("classics", [False, True])
def test_what_people_without_a_history_get_follows_validation(classics):
    """Newcomers want what was wanted lately, or the classics while the others have moved on."""
    rng = np.random.default_rng(0)
    events = 10_000
    late = (np.arange(events) >= 5000) & (np.arange(events) < 8000)
    item = np.where(late ^ classics, rng.integers(0, 10, events), rng.integers(10, 20, events))
    if not classics:
        item[8000:] = rng.integers(0, 10, 2000)
    users = np.where(np.arange(events) < 8000, rng.integers(0, 300, events), np.arange(events))
    log = EventLog.of([f"u{n}" for n in users], [f"i{n:02d}" for n in item], time=np.arange(events))
    split = temporal_split(clean(log, log.items)[0])
    assert choose_recency(split) == (1.0 if classics else 0.1)
    counts = popularity(split.train, 1.0)
    assert counts.argsort()[::-1].tolist() == split.train.item_counts().argsort()[::-1].tolist()


def test_without_times_there_is_nothing_recent():
    split = leave_one_out(EventLog.of(["u"] * 4, list("abcd")))
    assert choose_recency(split) == 0.1
    assert popularity(split.train).tolist() == split.train.item_counts().tolist()
