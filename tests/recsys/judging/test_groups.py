"""By groups: who is served how well, what is shown how much, checked against counts by hand."""

import json

import numpy as np
import polars as pl
import pytest

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.clean import clean
from kg.errors import UsageError
from kg.events import EventLog
from kg.storage import Dataset
from recsys.judging import groups
from recsys.judging.as_of import as_of
from recsys.judging.groups import check_groups, item_groups, people_groups
from recsys.training.config import RunConfig
from recsys.training.fit import fit, judge
from recsys.training.settings import TrainConfig

ITEMS = 24


@pytest.fixture(scope="module")
def fitted():
    """Walkers take one item after the other, strollers any; of one person nothing is told."""
    rng = np.random.default_rng(0)
    people = [f"u{n:03}" for n in range(120)]
    rows = []
    for n, user in enumerate(people):
        start = rng.integers(ITEMS)
        walk = (start + np.arange(8)) % ITEMS if n % 2 else rng.choice(ITEMS, 8, replace=False)
        rows += [(user, f"i{item:02}", 1_700_000_000 + 60 * t) for t, item in enumerate(walk)]
    user, item, time = zip(*rows, strict=True)
    kinds = [["Big", "Red"] if n < 6 else ["Red"] if n < 20 else [] for n in range(ITEMS)]
    catalog = Catalog.of([f"i{n:02}" for n in range(ITEMS)], [f"Thing {n}" for n in range(ITEMS)],
                         None, {"kind": kinds})  # fmt: skip
    log, _ = clean(EventLog.of(user, item, behaviour="view", time=time), catalog.ids)
    users = Catalog.of(
        people[1:], ["" for _ in people[1:]], None,
        {"gait": [["walker" if n % 2 else "stroller"] for n in range(1, 120)]},
    )  # fmt: skip
    data = Dataset(log, catalog, build_graph(log, catalog, users), users)
    return fit(data, "hash", RunConfig(train=TrainConfig(max_epochs=30)), hold_out="last")


def test_who_is_served_how_well(fitted):
    rows = {
        row["group"]: row for row in people_groups(fitted.recommender, fitted.split, "test", "gait")
    }
    assert {name: row["users"] for name, row in rows.items()} == {
        "walker": 60, "stroller": 59, "(none)": 1,
    }  # fmt: skip
    report = judge(fitted.recommender, fitted.split, "test")
    ndcg, walks = (
        report.per_user["ndcg@10"],
        np.array([int(key[1:]) % 2 for key in report.ids], bool),
    )
    walker = rows["walker"]
    assert walker["ndcg@10"] == pytest.approx(ndcg[walks].mean())
    assert walker["beside others"] == pytest.approx(ndcg[walks].mean() - ndcg[~walks].mean())
    error = np.sqrt(ndcg[walks].var(ddof=1) / 60 + ndcg[~walks].var(ddof=1) / 60)
    assert walker["gain high"] - walker["gain low"] == pytest.approx(2 * 1.96 * error, rel=1e-3)
    assert walker["gain low"] > 0.1
    assert walker["p"] < 0.001
    assert rows["stroller"]["gain high"] < -0.1
    assert np.isnan(rows["(none)"]["p"])


def test_by_the_length_of_the_history(fitted):
    rows = people_groups(fitted.recommender, fitted.split, "test", "history")
    assert [(row["group"], row["users"]) for row in rows] == [("6-20 events", 120)]
    assert np.isnan(rows[0]["beside others"])  # there are no others


def test_what_is_shown_beside_what_is_taken(fitted):
    rec, split = fitted.recommender, fitted.split
    rows = {row["group"]: row for row in item_groups(rec, split, "test", "kind", k=5)}
    assert {name: row["items"] for name, row in rows.items()} == {"Red": 20, "Big": 6, "(none)": 4}
    shown = pl.concat(as_of(rec, split, "test").recommend_all(5))
    weight = 1 / np.log2(1 + shown["rank"].to_numpy())
    code = np.array([int(key[1:]) for key in shown["item_id"].to_list()])
    taken = split.test.item
    for name, members in {"Red": range(20), "Big": range(6), "(none)": range(20, 24)}.items():
        row, at = rows[name], np.isin(code, members)
        assert row["shown"] == pytest.approx(weight[at].sum() / weight.sum())
        assert row["taken"] == pytest.approx(np.isin(taken, members).mean())
        assert row["of the catalogue"] == pytest.approx(len(members) / ITEMS)
        assert row["low"] < row["shown less taken"] < row["high"]
    popular = item_groups(rec, split, "test", "popularity")
    assert sum(row["items"] for row in popular) == ITEMS
    assert sum(row["shown"] for row in popular) == pytest.approx(1)


def test_names_that_nothing_is_grouped_by(fitted):
    rec = fitted.recommender
    check_groups(rec, ["gait", "history", "kind", "popularity"])
    with pytest.raises(
        UsageError, match=r"people \(gait, history\) or of items \(kind, popula.*kind"
    ):
        check_groups(rec, ["kinds"])


def test_rare_values_are_one_group(fitted, monkeypatch):
    monkeypatch.setattr(groups, "MOST", 1)
    rows = item_groups(fitted.recommender, fitted.split, "test", "kind")
    assert {row["group"]: row["items"] for row in rows} == {"Red": 20, "(other)": 6, "(none)": 4}


def test_by_the_command_line(fitted, call, tmp_path):
    fitted.recommender.save(tmp_path / "run", hold_out="last")
    code, out, err = call("evaluate", tmp_path / "run", "--groups", "gait, kind", "--json")
    assert code == 0, err
    rows = [json.loads(line) for line in out.splitlines()]
    assert {(row["by"], row["group"]) for row in rows} == {
        *(("gait", name) for name in ("walker", "stroller", "(none)")),
        *(("kind", name) for name in ("Red", "Big", "(none)")),
    }  # fmt: skip
    code, _, err = call("evaluate", tmp_path / "run", "--groups", "gate")
    assert (code, "Did you mean 'gait'?" in err) == (2, True)
    assert call("evaluate", tmp_path / "run", "--groups", "gait", "--steering")[0] == 2
