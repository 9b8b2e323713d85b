"""What the data decide of the settings."""

import numpy as np
import pytest

from kg.events import EventLog
from kg.split import Split
from models.recommender import ModelConfig
from recsys.fit import resolved


def split(users, each, items):
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(users), each)
    log = EventLog.of(user, rng.integers(0, items, len(user)))
    none = log.take(np.zeros(0, np.int64))
    return Split(log, none, none)


@pytest.mark.parametrize(
    ("users", "each", "items", "dropout", "length"),
    [(50, 10, 50, 0.5, 50), (50, 120, 60, 0.4, 120), (50, 400, 60, 0.2, 200)],
)
def test_dropout_and_length_follow_the_data(users, each, items, dropout, length):
    found = resolved(ModelConfig(), split(users, each, items))
    assert (found.dropout, found.max_length) == (dropout, length)
    assert found.id_dropout == 0.6
    assert found.repeats  # so few items are met again and again
    assert (found.dim, resolved(ModelConfig(repeats=False), split(users, each, items)).dim) == (
        64,
        128,
    )


def test_what_is_set_stays():
    config = ModelConfig(
        dim=8, dropout=0.0, id_dropout=0.0, max_length=7, repeats=False, searches=True
    )
    assert resolved(config, split(50, 400, 60)) == config
