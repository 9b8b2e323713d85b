"""The search for settings: the base first, kept as it goes, the same when it is stopped."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from kg.building.build import build_graph
from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.storage import Dataset
from kg.testing import planted
from models.text import HashEncoder
from recsys.training.config import RunConfig
from recsys.training.tune import (
    SPACE,
    Trial,
    best_of,
    proposed,
    read_trials,
    search_settings,
    settings_of,
    space_of,
)

pytest.importorskip("optuna", reason="comes with the extra [tune]")
QUICK = RunConfig(train={"max_epochs": 1}, model={"layers": 1})


def small() -> Dataset:
    world = planted(np.random.default_rng(3), users=20, items=16)
    return Dataset(world.log, world.catalog, build_graph(world.log, world.catalog))


def search(folder, trials, base=QUICK, **more):
    return list(search_settings(small(), "hash", folder, base, trials=trials, **more))


def untimed(trials):
    return [replace(trial, seconds=0.0) for trial in trials]


def test_a_stopped_search_goes_on_as_if_it_had_not(tmp_path):
    whole = search(tmp_path / "whole", 3)
    first = search(tmp_path / "parts", 2)
    assert whole[0].params["learning_rate"] == 1e-3
    assert len({json.dumps(trial.params) for trial in whole}) == 3
    second = search(tmp_path / "parts", 3)
    assert untimed(first + second) == untimed(whole)
    assert read_trials(tmp_path / "parts") == first + second
    assert search(tmp_path / "parts", 3) == []


def test_best_settings_are_a_configuration_that_keeps_the_base(tmp_path):
    trials = search(tmp_path, 2)
    best = RunConfig.read(tmp_path / "best.toml")
    assert best == settings_of(QUICK, best_of(trials).params)
    assert (best.model.layers, best.train.max_epochs) == (1, 1)
    assert best.train.max_minutes is None  # the time left to the search is no setting


def test_a_limit_of_the_trials_is_no_setting(tmp_path):
    base = RunConfig(model={"layers": 1})
    trials = search(tmp_path, 2, base, max_epochs=1)
    assert [trial.epochs for trial in trials] == [1, 1]
    assert RunConfig.read(tmp_path / "best.toml").train.max_epochs == 100
    assert "max_epochs" not in (tmp_path / "best.toml").read_text(encoding="utf-8")
    with pytest.raises(UsageError, match="another settings"):  # other trials would not compare
        search(tmp_path, 3, base, max_epochs=2)


def test_the_best_settings_are_there_whenever_there_are_trials(tmp_path):
    search(tmp_path, 2)
    best = tmp_path / "best.toml"
    right = best.read_text(encoding="utf-8")
    best.unlink()
    assert search(tmp_path, 2) == []
    assert best.read_text(encoding="utf-8") == right
    best.write_text("[train]\n", encoding="utf-8")  # that of earlier trials
    assert search(tmp_path, 2) == []
    assert best.read_text(encoding="utf-8") == right


def test_who_searches_where_somebody_does_is_refused_at_once(tmp_path):
    folder = tmp_path / "new" / "search"
    one = search_settings(small(), "hash", folder, QUICK, trials=3)
    other = search_settings(small(), "hash", folder, QUICK, trials=3)
    first = next(one)
    with pytest.raises(DataError, match=r"search is being searched by another process"):
        next(other)
    with pytest.raises(DataError, match="is being searched by another process"):
        search_settings(small(), "hash", folder, QUICK, trials=3)
    second = next(one)
    one.close()
    assert [p.name for p in folder.parent.iterdir()] == ["search"]
    (third,) = search(folder, 3)
    assert read_trials(folder) == [first, second, third]


def test_what_a_killed_search_left_keeps_nobody_out(tmp_path):
    folder = tmp_path / "search"
    folder.mkdir()
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    (folder / f".search.json.{gone.pid}.part").write_text("{")
    (tmp_path / ".search.lock").touch()
    assert len(search(folder, 1)) == 1
    assert {p.name for p in folder.glob(".*")} == set()


def test_weights_of_tasks_are_searched_where_there_are_such_tasks(tmp_path):
    data = small()
    several = data.log
    one = replace(several, behaviour=np.zeros_like(several.behaviour))
    bare = replace(data.graph, edges={}, events=frozenset())
    assert set(space_of(several, data.graph)) - set(SPACE) == {
        "behaviour_power", "next_behaviour", "next_intent"
    }  # fmt: skip
    assert set(space_of(one, data.graph)) - set(SPACE) == {"next_intent"}
    assert dict(space_of(one, bare)) == dict(SPACE)
    trial = search(tmp_path, 2)[1]
    assert set(trial.params) == set(space_of(several, data.graph))
    assert settings_of(QUICK, trial.params).train.next_intent == trial.params["next_intent"]


def test_texts_are_encoded_once(tmp_path, monkeypatch):
    read, encode = [], HashEncoder.encode

    def counted(self, texts, progress=None):
        read.extend(texts)
        return encode(self, texts, progress)

    monkeypatch.setattr(HashEncoder, "encode", counted)
    search(tmp_path, 3)
    assert len(read) == len(set(read))


def test_every_proposal_lies_in_the_space_and_follows_the_scores():
    rng = np.random.default_rng(0)
    done: list[Trial] = []
    for number in range(30):
        params = proposed(done, seed=1)
        assert params == proposed(done, seed=1)
        assert set(params) == set(SPACE)
        for name, (kind, *ends) in SPACE.items():
            inside = (
                params[name] in ends if kind == "choice" else ends[0] <= params[name] <= ends[1]
            )
            assert inside, (name, params[name])
        score = None if number % 7 == 3 else 1 - params["dropout"] + 0.01 * rng.random()
        done.append(Trial(number, params, score))
    early, late = ([t.params["dropout"] for t in part] for part in (done[:5], done[-10:]))
    assert np.mean(late) < np.mean(early)


def test_a_base_outside_of_the_space_is_tried_too():
    own = {"dim": 32, "dropout": 0.9, "learning_rate": 1e-3}
    assert set(proposed([Trial(0, own, 0.5)], seed=0)) == set(SPACE)


def test_settings_that_fail_are_kept_and_not_the_best(tmp_path):
    base = RunConfig(train={"max_epochs": 1}, model={"heads": 3, "dim": 66, "layers": 1})
    trials = search(tmp_path, 2, base)  # 3 heads divide neither 64 nor 128
    assert trials[1].score is None
    assert "heads (3) must divide" in trials[1].error
    assert best_of(trials) is trials[0]
    assert read_trials(tmp_path) == trials


def test_what_does_not_fit_the_hours_is_not_begun(tmp_path):
    assert len(search(tmp_path, 5, hours=1e-9)) == 1
    assert search(tmp_path, 5, hours=1e-9) == []


def test_another_search_or_a_foreign_folder_is_refused(tmp_path):
    folder = tmp_path / "search"
    search(folder, 1)
    with pytest.raises(UsageError, match="another settings"):
        search(folder, 2, RunConfig())
    with pytest.raises(UsageError, match="another hold_out"):
        search(folder, 2, hold_out="last")
    data = small()
    log = data.log.take(np.arange(len(data.log) - 1))
    with pytest.raises(UsageError, match="another data"):
        search_settings(replace(data, log=log), "hash", folder, QUICK)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds no search"):
        search(tmp_path, 1)
    (folder / "trials.jsonl").write_text('{"number": 0')
    with pytest.raises(DataError, match=r"trials\.jsonl"):
        search(folder, 2)


def test_without_validation_there_is_no_search(tmp_path):
    world = planted(np.random.default_rng(0), users=5, items=8, events=1)
    data = Dataset(world.log, world.catalog, build_graph(world.log, world.catalog))
    with pytest.raises(DataError, match="nothing to validate on"):
        search_settings(data, "hash", tmp_path / "search")
    assert not (tmp_path / "search").exists()
    log = EventLog.of(["a", "a"], ["x", "y"])
    catalog = replace(world.catalog, ids=log.items, titles=("", ""), texts=("", ""), attributes=())
    with pytest.raises(DataError, match="nothing to learn from"):
        list(search_settings(Dataset(log, catalog, build_graph(log, catalog)), "hash",
                             tmp_path / "search", QUICK))  # fmt: skip


def test_without_the_extra_one_sentence_names_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"pip install 'kgintent\[tune\]'"):
        search(tmp_path, 1)
