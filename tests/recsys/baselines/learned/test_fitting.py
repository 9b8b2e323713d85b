"""The loop keeps the best weights, stops when it should and leaves torch as it was."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import Split
from models.device import drawing
from recsys.baselines.learned.fitting import (
    FitConfig,
    TrainedItems,
    as_split,
    run_epochs,
    threads,
)


class Counter(nn.Module):
    """A weight that grows by about the learning rate in each step."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    @property
    def epoch(self) -> int:
        return round(self.weight.item())

    def steps(self, rng):
        yield -self.weight

    def scores(self, histories: Sequences) -> np.ndarray:
        """Item b is first at epochs 3 and 4, else last of three."""
        value = 1.0 if self.epoch in (3, 4) else -1.0
        return np.tile(np.array([0.0, value, 0.5], np.float32), (len(histories), 1))


def split_of(valid: bool = True) -> Split:
    log = EventLog.of(["u", "u", "v"], ["a", "b", "c"], time=np.array([1, 2, 1]))
    held = np.array([False, valid, False])
    return Split(log.take(~held), log.take(held), log.take(np.zeros(3, bool)))


def run(counter: Counter, split: Split, **settings):
    config = FitConfig(learning_rate=1.0, **settings)
    return run_epochs(counter, counter.steps, counter.scores, split, config)


def test_early_stop_keeps_the_best_weights():
    counter = Counter()
    reports = list(run(counter, split_of(), patience=4))
    assert [r.epoch for r in reports] == [1, 2, 3, 4, 5, 6, 7]
    assert [r.epoch for r in reports if r.best] == [1, 3]  # a tie with epoch 3 is not better
    assert counter.epoch == 3
    assert not counter.training
    assert reports[2].metrics["ndcg@10"] == 1.0


def test_break_keeps_the_best_weights():
    counter = Counter()
    for report in run(counter, split_of()):
        if report.epoch == 6:
            break
    assert counter.epoch == 3


def test_without_validation_the_last_epoch_counts():
    counter = Counter()
    reports = list(run(counter, split_of(valid=False), max_epochs=5, patience=2))
    assert len(reports) == 5
    assert all(report.best and report.metrics == {} for report in reports)
    assert counter.epoch == 5


def test_minutes_end_the_training():
    assert len(list(run(Counter(), split_of(), max_minutes=1e-9))) == 1


def test_nothing_to_learn_from_gives_no_report():
    counter = Counter()
    config = FitConfig()
    assert list(run_epochs(counter, lambda rng: iter(()), counter.scores, split_of(), config)) == []
    assert not counter.training


def test_torch_is_left_as_it_was():
    torch.manual_seed(5)
    before, count = torch.get_rng_state(), torch.get_num_threads()
    for _ in run(Counter(), split_of(), max_epochs=2, threads=2):
        assert torch.get_num_threads() == count
        assert torch.equal(torch.get_rng_state(), before)
    with threads(2), drawing(1):
        torch.rand(3)
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == count
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("bad", [{"max_epochs": 0}, {"learning_rate": 0}, {"epochs": 3}])
def test_settings_that_do_not_fit_are_refused(bad):
    with pytest.raises(ValidationError):
        FitConfig(**bad)


def cold_log() -> EventLog:
    """Items a, c, d have events, b is known to the vocabulary only."""
    log = EventLog.of(["u", "u", "v", "w"], ["a", "c", "d", "b"], time=np.array([1, 2, 1, 1]))
    return log.take(log.user < 2)


def test_trained_items_number_what_has_events():
    items = TrainedItems.of(cold_log())
    assert items.known.tolist() == [0, 2, 3]
    histories = Sequences(
        np.array([0, 3, 3, 4]), np.array([1, 3, 0, 1]), np.zeros(4, np.int64), np.arange(4), 4
    )
    known = items.encode(histories)
    assert known.offsets.tolist() == [0, 2, 2, 2]
    assert known.item.tolist() == [2, 0]
    assert known.time.tolist() == [1, 2]
    assert known.num_items == 3
    with pytest.raises(UsageError, match=r"the 4 items .* Got 7 instead"):
        items.encode(Sequences.single(np.array([0]), 7))


def test_scores_are_inner_products_of_known_items():
    items = TrainedItems.of(cold_log())
    query, vectors = torch.tensor([[1.0, 2.0], [9.0, 9.0]]), torch.eye(3)[:, :2]
    bias = torch.tensor([0.5, 0.0, -1.0])
    scores = items.scores(query, vectors, np.array([False, True]), bias)
    assert scores.dtype == np.float32
    assert scores.tolist() == [[1.5, -np.inf, 2.0, -1.0], [1.0, -np.inf, 1.0, 1.0]]


def test_a_bare_log_is_a_split_without_validation():
    log = cold_log()
    split = as_split(log)
    assert split.train is log
    assert len(split.valid) == len(split.test) == 0
    assert as_split(split) is split
    searches = EventLog.of(["u", "v"], [None, "a"], query=["shoes", ""], behaviour="search")
    with pytest.raises(DataError, match="at least one event with an item"):
        as_split(searches.take(~searches.has_item))
