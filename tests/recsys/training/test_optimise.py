"""What turns gradients into weights: schedules, accumulation, averages, numbers."""

import contextlib
import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn import Parameter

from kg.building.build import build_graph
from kg.clean import clean
from kg.errors import UsageError
from kg.events import EventLog
from kg.split import Split, leave_one_out
from kg.testing import World, planted
from models.recommender import IntentRecommender, ModelConfig
from models.text import HashEncoder
from recsys.training.objective import Objective
from recsys.training.optimise import MovingAverage, Schedule, Updates, sparse_gradients
from recsys.training.settings import RunOptions, TrainConfig
from recsys.training.train import train

STILL = ModelConfig(
    dim=16, layers=1, dropout=0.0, item_dropout=0.0, id_dropout=0.0, text_dim=16, max_length=12
)
"""Nothing is dropped, so that nothing is drawn."""


@pytest.fixture(scope="module")
def world() -> World:
    return planted(np.random.default_rng(0), users=60)


@pytest.fixture(scope="module")
def split(world) -> Split:
    return leave_one_out(world.log)


def fresh(world: World, split: Split) -> IntentRecommender:
    torch.manual_seed(0)
    text = HashEncoder(32).encode(world.catalog.full_texts())
    graph = build_graph(split.train, world.catalog, triples=world.triples)
    return IntentRecommender(graph, text, STILL, behaviours=len(split.train.behaviours))


def trained(world: World, split: Split, *settings, **more) -> dict[str, torch.Tensor]:
    model = fresh(world, split)
    list(train(model, split, *settings, **more))
    return model.state_dict()


def far(a, b) -> float:
    return max(float((a[name] - b[name]).abs().max()) for name in a)


@pytest.mark.parametrize(
    ("settings", "want"),
    [
        ({}, [1, 1, 1, 1, 1, 1, 1, 1, 1]),
        ({"warmup": 2}, [1 / 2, 1, 1, 1, 1, 1, 1, 1, 1]),
        ({"schedule": "linear"}, [1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8, 0]),
        ({"schedule": "linear", "warmup": 0.5},
         [1 / 4, 2 / 4, 3 / 4, 1, 1, 3 / 4, 2 / 4, 1 / 4, 0]),
        ({"schedule": "cosine", "warmup": 4.0},
         [1 / 4, 2 / 4, 3 / 4, 1, 1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2, 0]),
        ({"schedule": "linear", "warmup": 100}, [(n + 1) / 100 for n in range(9)]),
    ],
)  # fmt: skip
def test_the_rate_of_each_of_eight_planned_updates_and_the_one_after(settings, want):
    schedule = Schedule(TrainConfig(**settings), 8)
    assert [schedule(n) for n in range(9)] == pytest.approx(want)


def test_a_warmup_of_one_and_a_half_updates_is_refused():
    with pytest.raises(ValidationError, match="whole number"):
        TrainConfig(warmup=1.5)


def test_the_step_is_that_of_the_schedule():
    weight = Parameter(torch.zeros(1))
    config = TrainConfig(optimiser="sgd", learning_rate=1.0, schedule="linear", average=0.0)
    updates = Updates([weight], config, 4)
    seen = []
    for _ in range(3):
        before = weight.item()
        updates.optimiser.state.clear()  # no momentum
        updates.add(-weight.sum(), 0.25)
        updates.add(-weight.sum(), 0.75)
        updates.apply()
        seen.append(weight.item() - before)
    assert seen == pytest.approx([1, 0.75, 0.5])


def test_the_average_follows_by_hand_and_gives_the_weights_back():
    weight = Parameter(torch.zeros(1))
    average = MovingAverage([weight], 0.5)
    want = 0.0
    for n in range(1, 12):
        with torch.no_grad():
            weight.fill_(n)
        average.follow(n)
        decay = min(0.5, (1 + n) / (10 + n))
        want = decay * want + (1 - decay) * n
    with average.in_place():
        assert weight.item() == pytest.approx(want)
    assert weight.item() == 11


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_accumulated_steps_are_one_step_of_a_larger_batch(world, power):
    kinds = np.where(np.arange(len(world.log)) % 3 == 0, "purchase", "view")
    users = [f"u{n}" for n in world.log.user]
    items = [world.log.items.ids[n] for n in world.log.item]
    log = EventLog.of(users, items, behaviour=kinds.tolist())
    split = leave_one_out(clean(log, world.catalog.ids)[0])

    def after(targets: int, accumulate: int) -> dict[str, torch.Tensor]:
        config = TrainConfig(
            max_epochs=2, optimiser="sgd", learning_rate=0.5, loss="full", average=0.9,
            schedule="cosine", warmup=0.1, clip=0.05, behaviour_power=power,
            batch_targets=targets, accumulate=accumulate,
        )  # fmt: skip
        return trained(world, split, config)

    large = after(120, 1)
    assert far(after(30, 4), large) < 1e-5 < 1e-3 < far(after(30, 1), large)


def test_a_resumed_schedule_takes_the_same_steps_and_its_epochs_are_fixed(world, split, tmp_path):
    settings = {"accumulate": 2, "batch_targets": 60, "schedule": "cosine", "warmup": 0.2}
    config = TrainConfig(max_epochs=4, **settings)
    whole = trained(world, split, config)
    for report in train(fresh(world, split), split, config, checkpoint=tmp_path / "c"):
        if report.epoch == 2:
            break
    with pytest.raises(UsageError, match="other data, settings or seed"):
        trained(world, split, TrainConfig(max_epochs=6, **settings), checkpoint=tmp_path / "c",
                resume=True)  # fmt: skip
    rest = trained(world, split, config, checkpoint=tmp_path / "c", resume=True)
    assert far(rest, whole) == 0


def test_without_a_schedule_a_run_may_be_prolonged(world, split, tmp_path):
    whole = trained(world, split, TrainConfig(max_epochs=3, warmup=4))
    trained(world, split, TrainConfig(max_epochs=1, warmup=4), checkpoint=tmp_path / "c")
    longer = trained(world, split, TrainConfig(max_epochs=3, warmup=4), checkpoint=tmp_path / "c",
                     resume=True)  # fmt: skip
    assert far(longer, whole) == 0


@pytest.mark.parametrize("loss", ["full", "sampled"])
def test_short_products_change_little_and_keep_weights_whole(world, split, tmp_path, loss):
    config = TrainConfig(max_epochs=2, loss=loss, next_intent=0.5)
    exact = trained(world, split, config, checkpoint=tmp_path / "c")
    short = trained(world, split, config, RunOptions(precision="bfloat16"))
    assert {value.dtype for value in short.values()} == {torch.float32}
    assert 0 < far(exact, short) < 0.1
    with pytest.raises(UsageError, match="other data, settings or seed"):
        trained(world, split, config, RunOptions(precision="bfloat16"),
                checkpoint=tmp_path / "c", resume=True)  # fmt: skip


@pytest.mark.parametrize(("pays", "want"), [(True, "bfloat16"), (False, "float32")])
def test_auto_is_what_pays_on_the_machine(world, split, monkeypatch, pays, want):
    monkeypatch.setattr("models.text.bert.bfloat16_pays", lambda: pays)
    config = TrainConfig(max_epochs=1)
    auto = trained(world, split, config, RunOptions(precision="auto"))
    assert far(auto, trained(world, split, config, RunOptions(precision=want))) == 0


def test_deterministic_runs_are_equal_bit_for_bit_and_leave_torch_as_it_was(world, split):
    config = TrainConfig(max_epochs=2, loss="sampled", negatives=30)
    options = RunOptions(seed=3, threads=1, deterministic=True)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        for _ in train(fresh(world, split), split, config, options):
            assert torch.is_deterministic_algorithms_warn_only_enabled()  # the caller's own
    finally:
        torch.use_deterministic_algorithms(False)
    ends = []
    for _ in range(2):
        model = fresh(world, split)
        for _ in train(model, split, config, options):
            assert not torch.are_deterministic_algorithms_enabled()
        ends.append(model.state_dict())
    assert far(*ends) == 0


@pytest.mark.parametrize("wanted", [True, False])
def test_a_failing_deterministic_run_leaves_torch_as_it_was(world, split, monkeypatch, wanted):
    def fails(*_):
        assert torch.are_deterministic_algorithms_enabled() == wanted
        raise MemoryError

    monkeypatch.setattr(Objective, "loss", fails)
    with pytest.raises(MemoryError):
        trained(world, split, TrainConfig(), RunOptions(deterministic=wanted))
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("clip", [0.1, 1e6])
def test_sparse_gradients_take_the_same_steps(clip):
    ends = []
    for sparse in (True, False):
        torch.manual_seed(0)
        table = torch.nn.Embedding(9, 3)
        updates = Updates(table.parameters(), TrainConfig(clip=clip, weight_decay=0.1), 3)
        for rows in ([1, 4, 4], [0, 8], [4, 2]):
            with sparse_gradients(table) if sparse else contextlib.nullcontext():
                for share in (0.25, 0.75):
                    updates.add((table(torch.tensor(rows)) ** 2).sum(), share)
            assert table.weight.grad.is_sparse == sparse
            if not sparse:
                torch.nn.utils.clip_grad_norm_(table.parameters(), clip)
            updates.apply()
        assert not table.sparse
        ends.append(table.weight.detach())
    torch.testing.assert_close(*ends, rtol=0, atol=1e-7)
