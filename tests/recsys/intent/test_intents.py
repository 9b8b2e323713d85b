"""Intent signals read the past only."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from kg.building.build import build_graph
from kg.events import EventLog
from kg.intents.recent import recent_of_users
from kg.split import leave_one_out, merged
from kg.testing import planted
from models.intent import IntentConfig
from models.text import HashEncoder
from recsys.intent import signals as module
from recsys.intent.signals import learn_intents

CONFIG = IntentConfig(epochs=1)


@pytest.fixture
def parts():
    world = planted(np.random.default_rng(0), users=30, items=60)
    return world, leave_one_out(world.log)


def learned(world, split, monkeypatch, *, texts=300, seed=1):
    """The signals, the texts of prefixes, validation and serving, and the labels of the head."""
    encoder, targets, all_texts = HashEncoder(16), [], []

    def spy_encode(encoder_, given, *rest):
        all_texts.extend(given)
        return encoder_.encode(given)

    def spy_fit(embedding, labels, *rest):
        targets.append(labels)
        return SimpleNamespace(held_loss=0.0)

    monkeypatch.setattr(module, "encode_texts", spy_encode)
    monkeypatch.setattr(module, "fit_intent_head", spy_fit)
    graph = build_graph(split.train, world.catalog)
    out = learn_intents(encoder, split, world.log, world.catalog, graph,
                        np.random.default_rng(seed), CONFIG, texts=texts)  # fmt: skip
    n, users = len(out.user), len(world.log.users)
    assert len(all_texts) == n + 2 * users
    return out, all_texts[:n], all_texts[n : n + users], all_texts[n + users :], targets[0]


def test_a_title_of_the_valid_or_test_part_is_in_no_earlier_text(parts, monkeypatch):
    world, split = parts
    titles = list(world.catalog.titles)
    # two titles that no training event has: give the held-out events of user 0 new items
    later = {"valid": split.valid, "test": split.test}
    unique = {"valid": 58, "test": 59}
    seen = np.isin(split.train.item, list(unique.values()))
    train = split.train.take(~seen)
    for name, code in unique.items():
        part = later[name]
        titles[code] = f"zanzibar{name}"
        later[name] = replace(part, item=np.where(part.user == 0, code, part.item))
    catalog = replace(world.catalog, titles=tuple(titles))
    split = replace(split, train=train, **later)
    full = whole_log(split)
    world = replace(world, log=full, catalog=catalog)
    _, prefix, valid, serve, _ = learned(world, split, monkeypatch)
    assert not [text for text in prefix + valid if "zanzibar" in text]
    assert "zanzibarvalid" in serve[0]
    assert "zanzibartest" in serve[0]


def whole_log(split) -> EventLog:
    return merged(split.before_test(), split.test)


def test_what_comes_later_changes_no_prefix_no_label_and_no_valid_vector(parts, monkeypatch):
    world, split = parts
    a, prefix, valid, serve, labels = learned(world, split, monkeypatch)
    other = replace(split, valid=shuffled(split.valid), test=shuffled(split.test))
    moved = replace(world, log=whole_log(other))
    b, prefix2, valid2, serve2, labels2 = learned(moved, other, monkeypatch)
    assert (prefix, valid) == (prefix2, valid2)
    assert serve != serve2
    np.testing.assert_array_equal(labels, labels2)
    np.testing.assert_array_equal(a.prefix, b.prefix)
    np.testing.assert_array_equal(a.valid, b.valid)


def shuffled(log: EventLog) -> EventLog:
    return replace(log, item=(log.item + 7) % len(log.items))


def test_at_says_how_many_item_events_a_prefix_has_read(parts, monkeypatch):
    world, split = parts
    out, prefix, _, _, labels = learned(world, split, monkeypatch)
    assert (np.diff(out.user) >= 0).all()
    train = split.train
    start = np.cumsum(train.user_counts()) - train.user_counts()
    for text, user, at, label in zip(prefix, out.user, out.at, labels, strict=True):
        assert 1 <= at < train.user_counts()[user]
        newest = int(train.item[start[user] + at - 1])
        following = train.item[start[user] + at : start[user] + train.user_counts()[user]][:3]
        assert world.catalog.title(newest) in text.split(";")[0]
        assert all(world.catalog.title(int(i)) + " (" not in text for i in following)
        want = out.labels.item[following].sum(0).A1 > 0 if len(following) else label * 0
        assert (label > 0).tolist() == np.asarray(want).tolist()


def test_every_user_with_two_events_is_heard_even_with_few_texts(parts, monkeypatch):
    world, split = parts
    out, *_ = learned(world, split, monkeypatch, texts=1)
    assert out.user.tolist() == np.flatnonzero(split.train.user_counts() >= 2).tolist()


def test_a_real_head_names_intents(parts):
    world, split = parts
    graph = build_graph(split.train, world.catalog)
    out = learn_intents(HashEncoder(16), split, world.log, world.catalog, graph,
                        np.random.default_rng(0), CONFIG)  # fmt: skip
    assert out.head is not None
    p = out.head.probabilities(out.serve, recent_of_users(world.log, out.labels))
    assert p.shape == (30, len(out.labels)) == (30, 6)
    assert ((p > 0) & (p < 1)).all()
    assert (out.dim, out.valid.shape, out.serve.shape) == (16, (30, 16), (30, 16))
    assert (out.valid != out.serve).any(axis=1).all()


def test_where_the_split_is_by_time_texts_end_where_a_visit_does():
    hour = 3600
    user = ["a"] * 6 + ["b"] * 3
    time = [0, hour, 48 * hour, 49 * hour, 50 * hour, 99 * hour, 0, hour, 2 * hour]
    log = EventLog.of(user, [f"i{n}" for n in range(9)], time=np.array(time))
    rng = np.random.default_rng(0)
    anywhere = module._cuts(log, 100, rng)
    assert anywhere.tolist() == [1, 2, 3, 4, 5, 7, 8]
    assert module._cuts(log, 100, rng, between=True).tolist() == [2, 5]  # b came once only
    once = log.take(np.arange(6, 9))
    assert module._cuts(once, 100, rng, between=True).tolist() == [1, 2]  # there are no others
    untimed = replace(log, time=None)
    assert module._cuts(untimed, 100, rng, between=True).tolist() == anywhere.tolist()


@pytest.mark.parametrize("by_time", [False, True])
def test_the_split_decides_where_texts_end(parts, monkeypatch, by_time):
    world, split = parts
    asked = []
    cuts = module._cuts

    def spy(train, texts, rng, between=False):
        asked.append(between)
        return cuts(train, texts, rng, between)

    monkeypatch.setattr(module, "_cuts", spy)
    learned(world, replace(split, by_time=by_time), monkeypatch)
    assert set(asked) == {by_time}


def test_the_head_without_texts_learns_from_more_positions_and_wins_where_texts_say_nothing(
    parts, monkeypatch,
):  # fmt: skip
    world, split = parts
    kept, fit = [], module.fit_intent_head

    def spy(embedding, labels, group, config, rng, recent, asked=None):
        head = fit(embedding, labels, group, config, rng, recent, asked)
        kept.append((embedding, group, asked, head))
        return head

    monkeypatch.setattr(module, "fit_intent_head", spy)
    graph = build_graph(split.train, world.catalog)
    rng = np.random.default_rng(0)
    config = IntentConfig(epochs=20)
    found = learn_intents(
        HashEncoder(16), split, world.log, world.catalog, graph, rng, config, texts=30
    )
    (told, users, every, reading), (none, more, asked, lean) = kept
    assert every is None
    assert told.any(axis=1).all()
    assert not none.any()
    assert len(more) > len(users) == asked.sum()
    assert set(more) == set(users)  # so both hold out the same ones
    assert found.head is min((reading, lean), key=lambda head: head.held_loss)
    text = np.random.default_rng(1).standard_normal((5, told.shape[1])).astype(np.float32)
    recent = np.random.default_rng(2).random((5, *lean.own.shape)).astype(np.float32)
    a, b = (lean.probabilities(x, recent) for x in (text, np.zeros_like(text)))
    assert np.array_equal(a, b)  # a text says nothing to it
    a, b = (reading.probabilities(x, recent) for x in (text, np.zeros_like(text)))
    assert not np.array_equal(a, b)


def test_what_has_not_come_yet_at_the_end_of_short_histories_does_not_count_as_not_wanted():
    """Items at random: one of 4 categories is among the next three with 1 - (3/4)³ = .578."""
    world = planted(np.random.default_rng(0), users=400, items=40, categories=4, signal=0.0,
                    events=8)  # fmt: skip
    split = leave_one_out(world.log)
    graph = build_graph(split.train, world.catalog)
    out = learn_intents(HashEncoder(8), split, world.log, world.catalog, graph,
                        np.random.default_rng(0), IntentConfig(epochs=3))  # fmt: skip
    assert out.head is not None
    p = out.head.probabilities(out.serve, recent_of_users(world.log, out.labels))
    assert p.mean() == pytest.approx(1 - 0.75**3, abs=0.03)
