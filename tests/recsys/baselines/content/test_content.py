"""Rivals for cold start: the contract, cold items told from others, formulas by hand."""

import numpy as np
import pytest
import torch
from scipy import sparse

from kg.errors import DataError, UsageError
from kg.sequences import Sequences
from kg.testing import planted, tiny
from recsys.baselines.content.base import Factors, Linear
from recsys.baselines.content.clcrec import CLCRec, _contrast
from recsys.baselines.content.dropout_net import DropoutNet
from recsys.baselines.content.heater import Heater
from recsys.baselines.content.kind import KindPopularity
from recsys.baselines.content.random_list import RandomList
from recsys.baselines.content.ridge_ease import RidgeEASE
from recsys.baselines.content.ridge_ials import RidgeIALS
from recsys.baselines.ease import EASE
from recsys.judging.evaluate import evaluate_scores
from recsys.testing import check_recommender


def seeded(fit, **settings):
    def fitted(content, log, seed=0, **other):
        return fit(content, log, np.random.default_rng(seed), **settings | other)

    return fitted


LEARNED = {
    "RidgeIALS": seeded(RidgeIALS.fit, dim=16),
    "DropoutNet": seeded(DropoutNet.fit, dim=16, hidden=32, steps=150, rate=5e-3),
    "Heater": seeded(Heater.fit, dim=16, steps=60, rate=2e-2),
    "CLCRec": seeded(CLCRec.fit, dim=16, steps=50, rate=2e-2),
}
NETWORKS = ("DropoutNet", "Heater", "CLCRec")
FITS = {"RidgeEASE": lambda content, log, seed=0: RidgeEASE.fit(content, log)} | LEARNED


@pytest.fixture(scope="module")
def world():
    """A planted log without the events of every fifth item, those events, and content [N, T]: the
    kind of each item, with noise. One cold item has no content.
    """
    made = planted(np.random.default_rng(0), users=120, items=60, events=12)
    kinds = made.catalog.attribute("category").value
    rng = np.random.default_rng(1)
    content = (np.eye(6)[kinds] + 0.1 * rng.standard_normal((60, 6))).astype(np.float32)
    content[0] = 0
    cold = np.arange(60) % 5 == 0
    held = cold[made.log.item]
    return made.log.take(~held), made.log.take(held), content, cold, kinds


@pytest.mark.parametrize("name", FITS)
def test_contract_and_cold_items_are_told_apart(world, name):
    log, held, content, cold, _ = world
    model = FITS[name](content, log)
    check_recommender(model, log)

    def among_cold(histories):
        return np.where(cold, model.scores(histories), -np.inf)

    floor = RandomList.fit(log, np.random.default_rng(0))
    random = evaluate_scores(lambda h: np.where(cold, floor.scores(h), -np.inf),
                             Sequences.of(log), held, ks=(3,))  # fmt: skip
    found = evaluate_scores(among_cold, Sequences.of(log), held, ks=(3,))
    assert found.metrics["ndcg@3"] > 1.5 * random.metrics["ndcg@3"]
    scores = model.scores(Sequences.of(log))
    assert np.isneginf(scores[:, 0]).all()  # no event and no content
    assert np.isfinite(scores[:, 1:]).all()


@pytest.mark.parametrize("name", FITS)
def test_same_seed_same_scores_and_no_history_is_popularity(world, name):
    log, _, content, cold, _ = world
    none = Sequences.single(np.zeros(0, np.int64), 60)
    quick = {"steps": 3} if name in NETWORKS else {}
    first, again = (FITS[name](content, log, 3, **quick) for _ in range(2))
    histories = Sequences.of(log)
    np.testing.assert_array_equal(first.scores(histories), again.scores(histories))
    counts = log.item_counts().astype(np.float32)
    np.testing.assert_array_equal(first.scores(none)[0], np.where(cold, -np.inf, counts))
    if name in LEARNED:
        other = FITS[name](content, log, 4, **quick).scores(histories)
        assert not np.array_equal(first.scores(histories), other)


@pytest.mark.parametrize("name", FITS)
def test_misuse_is_named(world, name):
    log, _, content, _, _ = world
    with pytest.raises(UsageError, match=rf"of {name}.fit must be \[60, T\].* Got \[59, 6\]"):
        FITS[name](content[1:], log)
    with pytest.raises(DataError, match=f"{name} needs at least one item with both"):
        FITS[name](np.zeros_like(content), log)


def test_linear_is_a_ridge_regression_with_a_free_base():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 3)).astype(np.float32)
    y = (x @ [[1.0], [2.0], [0.0]] + 5).astype(np.float32)
    np.testing.assert_allclose(Linear.fit(x, y, 1e-6)(x), y, atol=1e-3)
    flat = Linear.fit(x, y, 1e9)
    np.testing.assert_allclose(flat(x), np.full_like(y, y.mean()), atol=1e-3)
    half, doubled = Linear.fit(x, y, 1.0), Linear.fit(2 * x, y, 1.0)  # the scale means nothing
    np.testing.assert_allclose(half(x), doubled(2 * x), rtol=1e-4)
    with pytest.raises(UsageError, match=r"must be above 0\. Got 0"):
        Linear.fit(x, y, 0)


def test_ridge_ease_leaves_ease_as_it_is_and_regresses_its_columns(world):
    log, _, content, cold, _ = world
    histories = Sequences.of(log)
    model, ease = RidgeEASE.fit(content, log, 0.5, 20.0, boost=2.0), EASE.fit(log, 20.0)
    scores = model.scores(histories)
    np.testing.assert_array_equal(scores[:, ~cold], ease.scores(histories)[:, ~cold])
    known = ease.known
    columns = Linear.fit(content[known], ease.weights.T, 0.5)(content[[5]])  # [1, M]
    x = histories.matrix().toarray()[:, known]
    np.testing.assert_allclose(scores[:, 5], 2 * x @ columns[0], rtol=1e-3, atol=1e-5)


def test_boost_is_for_new_items_alone(world):
    log, _, content, cold, _ = world
    one, two = (RidgeIALS.fit(content, log, np.random.default_rng(0), dim=8, boost=b)
                for b in (1.0, 3.0))  # fmt: skip
    new = cold & (content != 0).any(1)
    np.testing.assert_allclose(two.items[new], 3 * one.items[new], rtol=1e-5)
    np.testing.assert_array_equal(two.items[~cold], one.items[~cold])


def test_factors_of_a_history_are_those_of_ials(world):
    log = world[0]
    factors = Factors.fit(log, np.random.default_rng(0), 8, 0.01)
    user, empty = factors.users(Sequences.of(log))
    wanted = factors.model.scores(Sequences.of(log))[:, factors.model.known]
    np.testing.assert_allclose((user @ factors.items.T)[~empty], wanted[~empty], rtol=1e-4)


def test_random_list_is_a_new_order_for_each_history(world):
    log = world[0]
    model = RandomList.fit(log, np.random.default_rng(0))
    check_recommender(model, log)
    scores = model.scores(Sequences.of(log))
    assert len({tuple(row.argsort()[:5]) for row in scores}) > 100


def test_kind_popularity_by_hand():
    log = tiny().log  # categories: i1-i3, i4-i6, i7-i8; i6 is cold
    kinds = sparse.csr_matrix(np.repeat(np.eye(3), [3, 3, 2], axis=0))
    counts = [2, 2, 2, 2, 3, 0, 2, 1]  # i5: view, cart, purchase
    np.testing.assert_array_equal(log.item_counts(), counts)
    model = KindPopularity.fit(kinds, log)
    check_recommender(model, log)
    score = model.scores(Sequences.single(np.array([6]), 8))[0]
    usual = [2, 2, 2, 2.5, 2.5, 2.5, 1.5, 1.5]  # i6 counts for nothing in the mean of its kind
    np.testing.assert_allclose(score, [(2 + 2) / 2, 2, 2, 2.25, 2.75, 2.5, 1.75, 1.25])
    own = KindPopularity.fit(kinds, log, personal=True)
    check_recommender(own, log)
    score = own.scores(Sequences.single(np.array([6]), 8))[0]
    taste = np.repeat([1 / 3, 1 / 3, 4 / 3], [3, 3, 2])
    half = (np.array(usual) + counts) / 2
    np.testing.assert_allclose(
        score, taste * np.where(np.array(counts) > 0, half, usual), rtol=1e-6
    )
    with pytest.raises(UsageError, match=r"must be \[8, C\]. Got \[7, 3\]"):
        KindPopularity.fit(kinds[:7], log)


def test_contrast_is_a_softmax_without_the_same_item():
    anchor, items = torch.eye(2), torch.tensor([[1.0, 0], [0, 1], [1, 0], [0, 0.5]])
    same = torch.tensor([[True, False], [False, False]])  # the first drawn one is item 0 again
    found = _contrast(anchor, items, same, 0.5)
    first = -np.log(np.exp(2) / (np.exp(2) + np.exp(0)))
    second = -np.log(np.exp(2) / (np.exp(2) + np.exp(0) + np.exp(1)))
    np.testing.assert_allclose(found, [first, second], rtol=1e-6)
