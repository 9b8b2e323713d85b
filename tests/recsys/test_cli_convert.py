"""From a format of the field to a data folder by what `convert` says to type next."""

import shlex

import numpy as np
import pytest

from kg.storage import load_dataset


@pytest.fixture
def plain(tmp_path):
    """A plain folder in which everything has vectors, users too."""
    folder = tmp_path / "plain"
    folder.mkdir()
    rows = [(f"u{n % 4}", f"i{n % 5}", 10**9 + n) for n in range(20)]
    (folder / "events.csv").write_text(
        "user_id,item_id,timestamp\n" + "".join(f"{u},{i},{t}\n" for u, i, t in rows)
    )
    (folder / "items.csv").write_text(
        "item_id,title,kind\n" + "".join(f"i{n},Thing {n},k{n % 2}\n" for n in range(5))
    )
    (folder / "users.csv").write_text("user_id,age\nu0,old\nu1,young\n")
    rng = np.random.default_rng(0)
    image, taste = (rng.normal(size=(n, 3)).astype(np.float32) for n in (5, 2))
    np.savez(folder / "image.npz", ids=[f"i{n}" for n in range(5)], vectors=image)
    np.savez(folder / "user-taste.npz", ids=["u0", "u1"], vectors=taste)
    return folder


def next_command(err, out):
    """The words of the command that the last line tells, with OUT in the place of DATA."""
    line = err.splitlines()[-1]
    assert line.startswith("Next: kgintent ")
    return [*shlex.split(line.removeprefix("Next: kgintent "))[:-1], str(out)]


@pytest.mark.parametrize("form", ["plain", "recbole", "gorse"])
def test_vectors_of_users_and_items_travel_both_ways(plain, call, tmp_path, form):
    code, _, err = call("convert", plain, tmp_path / "there", "--to", form)
    assert code == 0, err
    code, _, err = call("convert", tmp_path / "there", tmp_path / "back")
    assert code == 0, err
    words = next_command(err, tmp_path / "d")
    assert [word for word in words if word.startswith("--")].count("--user-vectors") == 1
    code, _, err = call(*words)
    assert code == 0, err
    data = load_dataset(tmp_path / "d")
    for name, table, file in (
        ("image", data.catalog, "image"),
        ("taste", data.users, "user-taste"),
    ):
        (found,) = (one for one in table.vectors if one.name == name)
        with np.load(plain / f"{file}.npz") as was:
            assert table.ids.decode(found.row) == was["ids"].tolist()
            np.testing.assert_allclose(found.values, was["vectors"], rtol=1e-6)
    code, _, err = call("convert", tmp_path / "d", tmp_path / "again", "--to", form)
    assert code == 0, err
    assert "vectors image, user:taste" in err


def test_a_column_of_vectors_in_a_user_file_of_recbole(plain, call, tmp_path):
    code, _, err = call("convert", plain, tmp_path / "there", "--to", "recbole")
    assert code == 0, err
    (tmp_path / "there/data.taste_useremb").unlink()
    (tmp_path / "there/data.user").write_text(
        "user_id:token\tmood:float_seq\nu0\t0.5 1\nu3\t2 -1\n"
    )
    code, _, err = call("convert", tmp_path / "there", tmp_path / "back")
    assert code == 0, err
    assert call(*next_command(err, tmp_path / "d"))[0] == 0
    people = load_dataset(tmp_path / "d").users
    (mood,) = people.vectors
    assert dict(zip(people.ids.decode(mood.row), mood.values.tolist(), strict=True)) == {
        "u0": [0.5, 1.0], "u3": [2.0, -1.0],
    }  # fmt: skip
