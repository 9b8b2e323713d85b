"""Vectors out of a run: the right ones, under the right ids, in files that others read."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.errors import DataError, UsageError
from kg.storage import Dataset
from kg.testing import planted
from kg.vectors import read_vectors
from recsys.export import ENDS, item_vectors, user_vectors, write_vectors
from recsys.serving.queries import query_of
from recsys.training.config import RunConfig
from recsys.training.fit import fit


@pytest.fixture(scope="module")
def rec():
    world = planted(np.random.default_rng(0), users=30, items=20)
    data = Dataset(world.log, world.catalog, build_graph(world.log, world.catalog))
    config = RunConfig(model={"dim": 16, "layers": 1, "text_dim": 16}, train={"max_epochs": 1})
    return fit(data, "hash", config, hold_out="none").recommender


def test_their_product_is_the_score_of_the_network(rec):
    items, vectors = item_vectors(rec)
    users, queries = user_vectors(rec)
    assert items == list(rec.items.ids)
    assert users == list(rec.log.users.ids)
    query, _ = query_of(rec, users[3], None)
    assert queries[3] == pytest.approx(query[0], abs=1e-5)
    parts = rec.items.text_part + rec.items.graph_part + rec.items.id_part
    assert queries[3] @ vectors[5] == pytest.approx(float(query[0] @ parts[5]), abs=1e-5)


def test_new_items_are_there_and_removed_ones_are_not(rec):
    more = rec.with_items(Catalog.of(["brand new"], ["A thing"])).without_items([rec.items.ids[0]])
    ids, vectors = item_vectors(more)
    assert "brand new" in ids
    assert rec.items.ids[0] not in ids
    assert len(ids) == len(vectors) == len(rec.items)


def test_npz_is_what_build_reads(rec, tmp_path):
    ids, vectors = item_vectors(rec)
    write_vectors(tmp_path / "deep" / "v.npz", ids, vectors)
    found, report = read_vectors("own", tmp_path / "deep" / "v.npz", rec.catalog.ids)
    assert report.used == len(ids)
    assert found.values == pytest.approx(vectors)
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["v.npz"]


def test_safetensors_holds_its_ids_too(rec, tmp_path):
    ids, vectors = user_vectors(rec)
    ids[0] = 'a "quoted", 茶'
    write_vectors(tmp_path / "v.safetensors", ids, vectors)
    found = load_file(tmp_path / "v.safetensors")
    assert np.array_equal(found["vectors"], vectors)
    assert json.loads(bytes(found["ids"])) == ids
    assert [p.name for p in tmp_path.iterdir()] == ["v.safetensors"]


@pytest.mark.parametrize("end", ENDS)
def test_a_kill_at_any_time_leaves_the_old_file_or_the_new_one(tmp_path, monkeypatch, end):
    file = tmp_path / f"v{end}"
    write_vectors(file, ["a"], np.zeros((1, 2), np.float32))
    before = file.read_bytes()

    def killed(*args):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        patch.setattr(Path, "unlink", lambda *args, **named: None)  # nor is anything cleared away
        patch.setattr(os, "getpid", lambda: 2**22 + 1)  # a number that no process has
        with pytest.raises(SystemExit):
            write_vectors(file, ["b"], np.ones((1, 2), np.float32))
    left = [p.name for p in tmp_path.iterdir() if p != file]
    assert (left, file.read_bytes()) == ([f".{file.name}.{2**22 + 1}.part"], before)
    write_vectors(file, ["b"], np.ones((1, 2), np.float32))
    assert list(tmp_path.iterdir()) == [file]
    assert file.read_bytes() != before


def test_where_it_cannot_go(rec, tmp_path):
    with pytest.raises(UsageError, match=r"must end in \.npz or \.safetensors"):
        write_vectors(tmp_path / "v.csv", ["a"], np.zeros((1, 2), np.float32))
    (tmp_path / "f").write_text("x")
    with pytest.raises(DataError, match="cannot be written"):
        write_vectors(tmp_path / "f" / "v.npz", ["a"], np.zeros((1, 2), np.float32))
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_the_verb(call, tmp_path, rec):
    rec.save(tmp_path / "run")
    for of in ("items", "users"):
        code, _, err = call("export", tmp_path / "run", "-o", tmp_path / f"{of}.npz", "--of", of)
        assert code == 0, err
        with np.load(tmp_path / f"{of}.npz") as arrays:
            assert len(arrays["ids"]) == len(arrays["vectors"]) > 0
    code, _, err = call("export", tmp_path / "run", "-o", tmp_path / "x.npz", "--of", "people")
    assert code == 2
    assert "items or users" in err
