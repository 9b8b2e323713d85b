"""Images that decide taste are learned, served for new items, saved and told."""

import json
from dataclasses import replace

import numpy as np
import pytest

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.errors import UsageError
from kg.split import leave_one_out
from kg.storage import Dataset
from kg.testing import planted
from kg.vectors import Vectors
from models.recommender import ModelConfig
from recsys import Recommender
from recsys.judging.ablate import mask_parts, masked
from recsys.training.config import RunConfig
from recsys.training.fit import fit
from recsys.training.settings import TrainConfig

CONFIG = RunConfig(
    model=ModelConfig(dim=16, layers=1, dropout=0.1, max_length=12),
    train=TrainConfig(max_epochs=8, learning_rate=5e-3),
)
KINDS = 6


@pytest.fixture(scope="module")
def images():
    """[KINDS, 8], what items of one kind look like."""
    return 3 * np.random.default_rng(5).normal(size=(KINDS, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def rec(images):
    """Trained where only the image says of which kind an item is; every seventh has none."""
    world = planted(np.random.default_rng(2), users=150, categories=KINDS)
    ids = world.catalog.ids
    noise = np.random.default_rng(6).normal(0, 0.1, (len(ids), 8))
    seen = np.arange(len(ids)) % 7 > 0
    vectors = Vectors.of(
        "image", [key for key, s in zip(ids.ids, seen, strict=True) if s],
        (images[np.arange(len(ids)) % KINDS] + noise)[seen], ids,
    )  # fmt: skip
    catalog = Catalog.of(ids.ids, [f"thing {n}" for n in range(len(ids))]).with_vectors(vectors)
    log = replace(world.log, items=catalog.ids)
    data = Dataset(log, catalog, build_graph(log, catalog))
    return fit(data, "hash", CONFIG).recommender


def looks_like(images, kind=None):
    new = Catalog.of(["new"], ["thing new"])
    return new if kind is None else new.with_vectors(
        Vectors.of("image", ["new"], images[[kind]], new.ids)
    )  # fmt: skip


def scores_of_new(rec, images, kind):
    """The score of a new item of this look for each user, less that of one without a look."""
    users = [rec.log.users.ids[n] for n in range(60)]
    more = rec.with_items(looks_like(images, kind))
    bare = rec.with_items(looks_like(images))
    return np.array([
        more.explain(user, item="new").score - bare.explain(user, item="new").score
        for user in users
    ])  # fmt: skip


def test_a_new_item_is_shown_to_those_who_like_its_look(rec, images):
    last = np.array([rec.histories.items_of(u)[-1] % KINDS for u in range(60)])
    for kind in (0, 3):
        score = scores_of_new(rec, images, kind)
        assert score[last == kind].mean() > score[last != kind].mean() + 0.3


def test_parts_add_up_and_gates_tell(rec):
    told = rec.explain(rec.log.users.ids[0], item="i0001")
    assert set(told.parts) == {"text", "graph", "id", "image", "neighbours"}
    assert told.parts["image"] != 0
    assert rec.explain(rec.log.users.ids[0], item="i0007").parts["image"] == 0
    assert told.score == pytest.approx(sum(told.parts.values()))
    assert rec.model.gates()["image"] > 0


def test_the_look_can_be_masked(rec):
    split = leave_one_out(rec.log, test=False)
    other, same = masked(rec, split, "vectors image", "valid", np.random.default_rng(0))
    assert same is split
    own = rec.items
    rest = own.vectors - own.extras["image"] - own.graph_part + other.items.graph_part
    np.testing.assert_allclose(other.items.vectors, rest, atol=1e-5)
    assert not other.items.extras["image"].any()
    assert own.extras["image"].any()
    (effect,) = mask_parts(rec, split, "valid", ["vectors image"])
    assert effect.low < effect.gain < effect.high  # other lists; ids and neighbours stand in
    with pytest.raises(UsageError, match="Did you mean 'vectors image'"):
        mask_parts(rec, split, "valid", ["vectors imag"])


def test_a_saved_run_answers_the_same_and_takes_new_images(rec, images, tmp_path):
    rec = rec.with_items(looks_like(images, 2))
    rec.save(tmp_path / "run")
    back = Recommender.load(tmp_path / "run")
    user = rec.log.users.ids[4]
    assert back.recommend(user) == rec.recommend(user)
    np.testing.assert_array_equal(back.items.vectors, rec.items.vectors)
    other = Catalog.of(["other"]).with_vectors(
        Vectors.of("image", ["other"], images[[1]], Catalog.of(["other"]).ids)
    )
    one, two = (r.with_items(other).items.vectors[-1] for r in (rec, back))
    np.testing.assert_allclose(one, two, atol=1e-6)
    assert np.abs(one).max() > 0.01


def test_vectors_from_the_command_line(tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    rows = [(f"u{n // 4}", f"i{(n * 7) % 5}", n) for n in range(24)]
    (tmp_path / "events.csv").write_text(
        "user,item,time\n" + "".join(f"{u},{i},{1_700_000_000 + t}\n" for u, i, t in rows)
    )
    names = "".join(f"i{n},Thing {n}\n" for n in range(5))
    (tmp_path / "items.csv").write_text("sku,title\n" + names)
    (tmp_path / "new.csv").write_text("sku,title\nnew,New thing\n")
    (tmp_path / "image.csv").write_text("sku,x,y\ni0,1,2\ni3,4,1\ni4,0,3\ngone,9,9\n")
    np.savez(tmp_path / "new.npz", ids=np.array(["new"]), vectors=np.array([[1.0, 5.0]]))
    build = ["build", "events.csv", "items.csv", "-o", "data", "--columns", "item_id=sku"]
    code, _, err = call(*build, "--vectors", "image=image.csv")
    assert code == 0, err
    assert "image: 4 vectors of 2 numbers, 3 used, aside: 1 unknown item" in err
    assert "image,gone,4,unknown item" in (tmp_path / "data/set_aside_vectors.csv").read_text()
    assert call("train", "data", "-o", "run", "--encoder", "hash", "--max-epochs", "1")[0] == 0
    add = ["items", "add", "run", "new.csv", "--columns", "item_id=sku"]
    code, _, err = call(*add, "--vectors", "image=new.npz")
    assert code == 0, err
    _, out, _ = call("explain", "run", "--user", "u1", "--item", "new", "--json")
    assert json.loads(out)["image"] != 0
    for words, expected, told in [
        ([*build, "--vectors", "image.csv"], 2, "NAME=FILE"),
        ([*build, "--vectors", "id=image.csv"], 2, "name of vectors"),
        ([*build, "--vectors", "a=image.csv", "--vectors", "a=image.csv"], 2, "twice"),
        ([*add, "--vectors", "sound=new.npz"], 2, "sound"),
    ]:
        code, _, err = call(*words)
        assert code == expected, err
        assert told in err
