"""What is judged: the run as it stood before the part, and none that has learned from it."""

import warnings
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.errors import UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import leave_one_out, make_split, temporal_split
from kg.storage import Dataset
from kg.testing import planted
from kg.wording.verbalise import verbalise_users
from recsys.baselines import Popularity, RP3beta
from recsys.encoders import LazyEncoder
from recsys.intent.signals import with_categories
from recsys.judging.ablate import mask_parts
from recsys.judging.as_of import ChosenBy, EarlierTexts, as_of
from recsys.judging.compare import compare
from recsys.judging.steering import steering_report
from recsys.partners.factors import FactorConfig, Factors
from recsys.partners.neighbours import NeighbourConfig, Neighbours, links
from recsys.training.config import RunConfig
from recsys.training.fit import fit, judge

SMALL = {"dim": 16, "layers": 1, "text_dim": 16}


def trained(hold_out, refit=None, kinds=24):
    made = planted(np.random.default_rng(3), users=40, items=24)
    log = replace(made.log, item=made.log.item % kinds)
    data = Dataset(log, made.catalog, build_graph(log, made.catalog))
    config = RunConfig(model=SMALL, train={"max_epochs": 2, "refit": refit})
    return fit(data, "hash", config, hold_out=hold_out)


def with_partners(fitted):
    """With neighbours and factors, fitted to the whole log, as what is served has them."""
    rec, config = fitted.recommender, NeighbourConfig()
    near = Neighbours(links(rec.log, config, 50), 1.0, 1.0, 50, config)
    factors = Factors.fit(rec.log, rec.items.content, FactorConfig(factor_dim=4), 0)
    beside = replace(rec.partners, neighbours=near, factors=factors)
    with torch.no_grad():  # two epochs hardly open it
        rec.model.intent_gate.fill_(1.0)
    return replace(fitted, recommender=rec.beside(beside))


@pytest.fixture(scope="module")
def fitted():
    return with_partners(trained("last"))


def own_ndcg(rec, target):
    """NDCG@10 of `recommend_all`, by hand, by external id."""
    frame = pl.concat(list(rec.recommend_all(k=10)))
    lists = dict(frame.group_by("user_id", maintain_order=True).agg("item_id").iter_rows())
    found = {}
    for user, items in target.to_frame().group_by("user").agg("item").iter_rows():
        got = [1 / np.log2(rank + 2) for rank, key in enumerate(lists[user]) if key in set(items)]
        best = sum(1 / np.log2(rank + 2) for rank in range(min(10, len(set(items)))))
        found[user] = sum(got) / best
    return found


@pytest.mark.parametrize("part", ["valid", "test"])
def test_the_lists_that_are_judged_can_be_had(fitted, part):
    report = judge(fitted.recommender, fitted.split, part)
    rec = as_of(fitted.recommender, fitted.split, part)
    own = own_ndcg(rec, fitted.split.part(part)[1])
    assert set(own) == set(report.ids)
    np.testing.assert_allclose([own[key] for key in report.ids], report.per_user["ndcg@10"])
    user = report.ids[0]
    first = next(rec.recommend_all(k=3)).filter(pl.col("user_id") == user)["item_id"].to_list()
    assert [one.item for one in rec.recommend(user, k=3)] == first


def test_where_people_meet_items_again_too():
    fitted = with_partners(trained("time", kinds=8))
    assert fitted.recommender.repeats
    rec = as_of(fitted.recommender, fitted.split, "test")
    report = judge(fitted.recommender, fitted.split, "test")
    own = own_ndcg(rec, fitted.split.test)
    np.testing.assert_allclose([own[key] for key in report.ids], report.per_user["ndcg@10"])


def test_what_is_served_knows_the_test_events_and_what_is_judged_does_not(fitted):
    rec, test = fitted.recommender, fitted.split.test
    served = own_ndcg(rec, test)
    assert not any(served.values())  # masked, for they are known
    before = as_of(rec, fitted.split, "test")
    assert len(before.log) == len(rec.log) - len(test)
    assert (before.partners.neighbours.links != rec.partners.neighbours.links).nnz > 0


class Counting:
    """The encoder of a run, and the texts that it has read."""

    def __init__(self, inner):
        self.inner, self.texts = inner, []
        self.dim, self.id, self.unknown_share = inner.dim, inner.id, inner.unknown_share

    def encode(self, texts, progress=None):
        self.texts += texts
        return self.inner.encode(texts, progress)


def told(rec, log):
    """The text of each user's history in `log`."""
    told = with_categories(rec.catalog)
    return verbalise_users(log, told, last=rec.intent.last, templates=rec.intent.templates)


def test_intents_have_read_what_is_known_when_the_part_begins(fitted):
    rec, split = fitted.recommender, fitted.split
    now, then = (rec.encoder.encode(told(rec, log)) for log in (split.before_test(), split.train))
    assert (now != then).any(1).sum() > 30
    np.testing.assert_allclose(as_of(rec, split, "valid").intent.serve, then)
    np.testing.assert_allclose(as_of(rec, split, "test").intent.serve, now)
    whole = judge(rec, split, "test").per_user["ndcg@10"]
    known = replace(rec, intent=replace(rec.intent, valid=now))
    np.testing.assert_array_equal(judge(known, split, "test").per_user["ndcg@10"], whole)


def test_who_is_judged_and_did_more_since_is_read_once(fitted):
    rec, split = fitted.recommender, fitted.split
    some = split.test.user % 2 == 0
    split = replace(
        split, test=split.test.take(some), valid=split.valid.take(split.valid.user % 3 != 0)
    )
    users = [user for user in np.unique(split.test.user).tolist() if user % 3 != 0]
    known = told(rec, split.before_test())
    for ask in (judge, compare, steering_report):
        encoder = Counting(rec.encoder)
        ask(replace(rec, encoder=encoder), split, "test")
        assert encoder.texts == [known[user] for user in users]
        encoder.texts.clear()
        ask(replace(rec, encoder=encoder), fitted.split, "valid")
        assert not encoder.texts


def test_without_an_encoder_intents_stay_and_that_is_told(fitted):
    rec = replace(fitted.recommender, encoder=None)
    with pytest.warns(EarlierTexts, match="as they were when validation began.*encoder=…"):
        found = as_of(rec, fitted.split, "test")
    np.testing.assert_array_equal(found.intent.serve, rec.intent.valid)
    gone = replace(rec, encoder=LazyEncoder("/nowhere/bert", "bert:0"))
    with pytest.warns(EarlierTexts, match="/nowhere/bert, is not there any more"):
        judge(gone, fitted.split, "test")


def test_nothing_that_came_since_is_judged(fitted):
    rec, split = fitted.recommender, fitted.split
    whole = judge(rec, split, "test")
    log = rec.log
    new = EventLog.of(
        [log.users.ids[0]], [log.items.ids[0]], time=np.array([int(log.time.max()) + 9])
    )
    later = rec.with_items(Catalog.of(["new1"], ["A new thing"])).with_events(new)
    later = later.without_items([log.items.ids[3]])
    assert judge(later, split, "test").metrics == whole.metrics
    own = own_ndcg(as_of(later, split, "test"), split.test)
    np.testing.assert_allclose([own[key] for key in whole.ids], whole.per_user["ndcg@10"])


def test_a_run_that_has_learned_from_the_part_is_refused():
    fitted = trained("none", refit=True)
    split = make_split(fitted.recommender.log, "last")
    with pytest.raises(UsageError, match=r"not known yet when the test part .* \(\d+ pairs"):
        judge(fitted.recommender, split, "test")
    for ask in (as_of, compare, mask_parts, steering_report):
        with pytest.raises(UsageError, match="learned from"):
            ask(fitted.recommender, split, "test")
    with pytest.raises(UsageError, match=r"no validation part left.*hold_out='last'"):
        judge(fitted.recommender, fitted.split, "valid")
    with pytest.raises(UsageError, match=r"no event with an item in its test part"):
        judge(fitted.recommender, fitted.split, "test")


def test_a_run_that_was_chosen_by_the_part_is_told():
    fitted = trained("none", refit=False)  # chosen by the last event of each
    split = leave_one_out(fitted.recommender.log)
    with pytest.warns(ChosenBy, match="no test score"):
        judge(fitted.recommender, split, "test")


def test_a_run_on_its_own_split_is_judged_without_a_word():
    for hold_out in ("last", "time"):
        fitted = trained(hold_out)
        with warnings.catch_warnings():
            warnings.simplefilter("error", ChosenBy)
            judge(fitted.recommender, fitted.split, "test")
            if hold_out == "time":
                assert fitted.again
                again = temporal_split(fitted.recommender.log).refitted()
                judge(fitted.recommender, again, "test")


def test_a_split_of_another_log_is_refused(fitted):
    log = fitted.recommender.log
    other = EventLog.of(["q1"] * 3, log.items.ids[:3])
    with pytest.raises(UsageError, match="split of the log that it was trained with"):
        judge(fitted.recommender, leave_one_out(other), "test")


def test_an_own_model_stands_in_the_comparison(fitted):
    class Mine:
        name = "mine"

        def __init__(self, log):
            self.log, self.inner = log, Popularity.fit(log)

        def scores(self, histories):
            return self.inner.scores(histories)

    rows = {row["model"]: row for row in compare(
        fitted.recommender, fitted.split, "test", [Mine, RP3beta.fit]
    )}  # fmt: skip
    assert rows["mine"]["ndcg@10"] == rows["popularity"]["ndcg@10"]
    assert len(rows) == len(compare(fitted.recommender, fitted.split, "test")) + 2
    with pytest.raises(UsageError, match=r"such as \[Popularity\.fit\]"):
        compare(fitted.recommender, fitted.split, "test", [Mine(fitted.split.before_test())])
    for wrong, told in ((lambda log: None, "Got None"), (lambda log: Sequences.of(log), "name")):
        with pytest.raises(UsageError, match=told):
            compare(fitted.recommender, fitted.split, "test", [wrong])
