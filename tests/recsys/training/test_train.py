"""Training on planted worlds: it learns what is there, and nothing that is not."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from kg.building.build import build_graph
from kg.clean import clean
from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import Split, leave_one_out, temporal_split
from kg.testing import World, planted, tiny
from models.recommender import IntentRecommender, ModelConfig
from models.text import HashEncoder
from recsys.baselines import Popularity
from recsys.judging.evaluate import EvalReport, evaluate_queries, evaluate_rows, evaluate_scores
from recsys.training.settings import RunOptions, TrainConfig
from recsys.training.train import train

SMALL = ModelConfig(dim=16, layers=1, dropout=0.1, text_dim=16, max_length=12)


def model_of(world: World, split: Split, config: ModelConfig = SMALL) -> IntentRecommender:
    torch.manual_seed(0)
    graph = build_graph(split.train, world.catalog, triples=world.triples)
    text = HashEncoder(32).encode(world.catalog.full_texts())
    return IntentRecommender(graph, text, config, behaviours=len(split.train.behaviours))


def small_world(users=60, signal=1.0):
    world = planted(np.random.default_rng(0), users=users, signal=signal)
    return world, leave_one_out(world.log)


def weights(model):
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def equal(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def report_of(model, split: Split) -> EvalReport:
    histories = Sequences.of(split.train)
    with torch.inference_mode():
        items = model.items().vector
    queries = model.encode_histories(histories, items)
    return evaluate_queries(queries, items.numpy(), histories, split.valid, ks=(10,))


def gain_over_popularity(signal: float) -> np.ndarray:
    """Per user, NDCG@10 of the trained model less that of popularity."""
    world, split = small_world(250, signal)
    model = model_of(world, split)
    for _ in train(model, split, TrainConfig(max_epochs=12, learning_rate=5e-3)):
        pass
    popular = Popularity.fit(split.train)
    base = evaluate_scores(popular.scores, Sequences.of(split.train), split.valid, ks=(10,))
    return report_of(model, split).per_user["ndcg@10"] - base.per_user["ndcg@10"]


def test_a_planted_signal_is_learned():
    gain = gain_over_popularity(1.0)
    assert gain.mean() > 0.1
    assert gain.mean() > 4 * gain.std() / np.sqrt(len(gain))


def test_where_nothing_is_to_be_learned_nothing_is_won():
    gain = gain_over_popularity(0.0)
    assert gain.mean() < max(0.05, 2 * gain.std() / np.sqrt(len(gain)))


@pytest.mark.parametrize("loss", ["full", "sampled"])
def test_same_seed_same_weights_and_the_loss_falls(loss):
    world, split = small_world()
    config = TrainConfig(max_epochs=4, loss=loss, negatives=30, learning_rate=5e-3)
    ends = []
    for seed in (0, 0, 1):
        model = model_of(world, split)
        torch.manual_seed(seed + len(ends))  # the caller's randomness must not matter
        reports = list(train(model, split, config, RunOptions(seed=seed)))
        assert [r.epoch for r in reports] == [1, 2, 3, 4]
        assert reports[-1].loss < reports[0].loss
        ends.append(weights(model))
    assert equal(ends[0], ends[1])
    assert not equal(ends[0], ends[2])


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_a_resumed_run_equals_one_that_was_never_stopped(tmp_path, optimiser):
    world, split = small_world()
    config = TrainConfig(max_epochs=4, optimiser=optimiser, learning_rate=5e-3)
    whole = model_of(world, split)
    told = list(train(whole, split, config))
    first = model_of(world, split)
    for report in train(first, split, config, checkpoint=tmp_path / "c"):
        if report.epoch == 2:
            break
    second = model_of(world, split)
    with torch.no_grad():  # a resume must not lean on what the new model starts with
        second.items.delta.weight.add_(1)
    rest = list(train(second, split, config, checkpoint=tmp_path / "c", resume=True))
    assert [r.epoch for r in rest] == [3, 4]
    assert [(r.loss, r.metrics, r.best) for r in rest] == [
        (r.loss, r.metrics, r.best) for r in told[2:]
    ]
    assert equal(weights(second), weights(whole))


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    world, split = small_world()
    config = TrainConfig(max_epochs=1)
    list(train(model_of(world, split), split, config, checkpoint=tmp_path / "c"))

    def resume(split=split, config=config, **options):
        model = model_of(world, split)
        run = train(model, split, config, RunOptions(**options), checkpoint=tmp_path / "c",
                    resume=True)  # fmt: skip
        return list(run)

    assert resume() == []
    with pytest.raises(UsageError, match="other data, settings or seed"):
        resume(seed=1)
    with pytest.raises(UsageError, match="other data, settings or seed"):
        resume(config=TrainConfig(max_epochs=1, learning_rate=0.1))
    train_part = split.train
    item = train_part.item.copy()
    item[[0, 1]] = item[[1, 0]]  # as many events, the same sum
    other = Split(replace(train_part, item=item), split.valid, split.test)
    with pytest.raises(UsageError, match="other data, settings or seed"):
        resume(split=other)
    with pytest.raises(UsageError, match="checkpoint folder"):
        next(train(model_of(world, split), split, config, resume=True))


def test_a_graph_that_knows_the_future_is_refused():
    world, split = small_world()
    none = split.valid.take(np.zeros(0, np.int64))
    leaked = model_of(world, Split(world.log, none, none))
    with pytest.raises(DataError, match=r"split\.train"):
        next(train(leaked, split))


def test_a_graph_that_lacks_training_events_is_refused():
    world, split = small_world()
    half = split.train.take(split.train.user < 2)
    with pytest.raises(DataError, match=r"split\.train"):
        next(train(model_of(world, Split(half, split.valid, split.test)), split))


def test_break_keeps_the_best_weights():
    world, split = small_world()
    model = model_of(world, split)
    best, after, scores = None, None, []
    for report in train(model, split, TrainConfig(average=0, max_epochs=30, learning_rate=0.05)):
        scores.append(report.metrics["ndcg@10"])
        assert report.best == (scores[-1] > max(scores[:-1], default=-1))
        if report.best:
            best = weights(model)
        elif report.epoch > 2:
            after = weights(model)
            break
    assert best is not None
    assert after is not None
    assert not equal(best, after)
    assert equal(weights(model), best)
    assert not model.training
    assert report_of(model, split).metrics["ndcg@10"] == pytest.approx(max(scores))


def test_patience_ends_a_run_and_without_validation_the_last_epoch_is_best():
    world, split = small_world()
    config = TrainConfig(max_epochs=40, patience=2, learning_rate=0.05)
    reports = list(train(model_of(world, split), split, config))
    assert len(reports) < 40
    assert [r.best for r in reports[-3:]] == [True, False, False]
    blind = replace(split, valid=split.valid.take(np.zeros(len(split.valid), bool)))
    model = model_of(world, blind)
    reports = list(train(model, blind, TrainConfig(max_epochs=3)))
    assert [(r.best, r.metrics) for r in reports] == [(True, {})] * 3


def test_a_validation_part_of_searches_only_is_like_none():
    world, split = small_world()
    valid = replace(split.valid, item=np.full(len(split.valid), -1))
    reports = list(train(model_of(world, split), replace(split, valid=valid),
                         TrainConfig(max_epochs=2)))  # fmt: skip
    assert [r.metrics for r in reports] == [{}, {}]


@pytest.mark.parametrize("events", [1, 2])
def test_one_user_and_one_item_do_not_crash(events):
    catalog = planted(np.random.default_rng(0), users=1, items=2, categories=2).catalog
    log = EventLog.of(["u"] * events, ["i0000"] * events)
    log = replace(log, items=catalog.ids)
    none = log.take(np.zeros(events, bool))
    split = Split(log, none, none)
    model = model_of(World(log, catalog), split)
    reports = list(train(model, split, TrainConfig(max_epochs=2)))
    assert len(reports) == (2 if events == 2 else 0)
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())
    assert not model.training


def test_a_model_for_fewer_kinds_of_events_is_refused_at_once():
    catalog = tiny().catalog
    log = EventLog.of(["a", "a", "a"], ["i1", "i2", "i3"], behaviour=["view", "cart", "purchase"])
    split = leave_one_out(clean(log, catalog.ids)[0])
    model = IntentRecommender(
        build_graph(split.train, catalog), np.zeros((len(catalog), 4), np.float32), SMALL
    )
    with pytest.raises(UsageError, match="behaviours"):
        train(model, split, TrainConfig())


def test_the_average_of_the_weights_is_served_and_training_goes_on_with_its_own():
    world, split = small_world()
    plain = TrainConfig(max_epochs=3, average=0.0)
    own = model_of(world, split)
    for _ in train(own, split, plain):
        pass
    slow = model_of(world, split)
    start = {k: v.clone() for k, v in slow.state_dict().items()}
    losses = [r.loss for r in train(slow, split, plain.model_copy(update={"average": 0.9999}))]
    assert losses == [r.loss for r in train(model_of(world, split), split, plain)]
    moved = sum(float((v - start[k]).abs().sum()) for k, v in slow.state_dict().items())
    far = sum(float((v - start[k]).abs().sum()) for k, v in own.state_dict().items())
    assert 0 < moved < far  # the average lags behind


def test_where_the_split_is_by_time_the_target_is_the_period_after_a_visit():
    catalog = tiny().catalog
    users = [f"u{n % 8}" for n in range(96)]
    items = [catalog.ids.ids[(n * 5 + n // 7) % len(catalog)] for n in range(96)]
    time = np.arange(96) + np.arange(96) // 16 * 10**5  # visits of two events
    log = clean(EventLog.of(users, items, time=time), catalog.ids)[0]

    def losses(split: Split, target: str) -> list[float]:
        torch.manual_seed(0)
        model = IntentRecommender(
            build_graph(split.train, catalog), np.eye(len(catalog), dtype=np.float32), SMALL
        )
        config = TrainConfig(max_epochs=2, target=target)
        return [report.loss for report in train(model, split, config)]

    by_time, last = temporal_split(log, valid=0.4), leave_one_out(log)
    assert by_time.by_time
    assert not last.by_time
    told = {target: losses(by_time, target) for target in ("auto", "next", "visit", "period")}
    assert told["auto"] == told["period"]
    assert len({tuple(loss) for loss in told.values()}) == 3
    assert losses(last, "auto") == losses(last, "next") != losses(last, "visit")


def test_where_all_scores_are_too_many_some_people_judge_an_epoch(monkeypatch):
    """The same ones at every epoch, and of another seed others."""
    world, split = small_world()
    module = importlib.import_module("recsys.training.train")
    monkeypatch.setattr(module, "SCORED", 0)
    monkeypatch.setattr(module, "JUDGED", 20)
    seen = []
    whole = evaluate_rows

    def heard(rows, histories, target, **more):
        seen.append(np.unique(target.user).tolist())
        return whole(rows, histories, target, **more)

    monkeypatch.setattr(module, "evaluate_rows", heard)
    for seed in (0, 1):
        settings = TrainConfig(max_epochs=2), RunOptions(seed=seed)
        reports = list(train(model_of(world, split), split, *settings))
        assert all("ndcg@10" in report.metrics for report in reports)
    assert {len(users) for users in seen} == {20}
    assert seen[:1] + seen[2:3] == seen[1::2]
    assert seen[0] != seen[2]


def test_an_epoch_is_judged_by_the_histories_of_those_who_are_asked():
    """The same as when everybody's is encoded."""
    world, split = small_world()
    some = split.valid.take(split.valid.user % 3 == 0)
    part = replace(split, valid=some)
    model = model_of(world, part)
    (told,) = train(model, part, TrainConfig(max_epochs=1))
    np.testing.assert_allclose(told.metrics["ndcg@10"], report_of(model, part).metrics["ndcg@10"])
