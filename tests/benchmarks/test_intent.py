"""The benchmark of intents on a set of its own making: drawn shots, kept units, tables."""

import gzip
import json

import numpy as np
import pytest

SCRIPTS = ("intent",)


@pytest.fixture
def world(tmp_path):
    """snips in miniature, with a valid and a test part."""
    rng = np.random.default_rng(0)
    words = {"PlayMusic": "play the song", "GetWeather": "will it rain", "RateBook": "rate this"}
    lines = ["text,intent,split"]
    for part, count in (("train", 20), ("valid", 5), ("test", 6)):
        for name, said in words.items():
            lines += [f"{said} {rng.choice(list('abcdef'))} {n},{name},{part}"
                      for n in range(count)]  # fmt: skip
    folder = tmp_path / "data/intent-english"
    folder.mkdir(parents=True)
    with gzip.open(folder / "snips.csv.gz", "wt", encoding="utf-8") as handle:
        handle.write("\n".join(lines))
    return tmp_path


def test_shots_are_drawn_by_seed_and_the_rest_is_left(world):
    from texts import load

    task = load(world / "data", "snips", 4, 0, "test")
    assert np.bincount(task.train.code).tolist() == [4, 4, 4]
    assert len(task.rest) == 48
    assert not set(task.rest) & set(task.train.texts)
    assert load(world / "data", "snips", 4, 1, "test").train.texts != task.train.texts
    assert load(world / "data", "snips", 4, 0, "test").train.texts == task.train.texts
    assert load(world / "data", "snips", 4, 0, "valid").judged.texts == task.valid.texts
    assert (len(task.valid), len(task.judged)) == (15, 18)


def test_labels_needed_are_shares_of_those_at_random(world):
    import active

    def curve(name, *values):
        return [{"seed": 0, "strategy": name, "labels": 10 * n, "accuracy": value}
                for n, value in enumerate(values, start=1)]  # fmt: skip

    rows = active.labels_needed(
        curve("random", 0.2, 0.5, 0.4, 0.6, 0.8) + curve("margin", 0.4, 0.6, 0.9)
        + curve("typical", 0.2, 0.3)
    )  # fmt: skip
    found = {(row["strategy"], row["at"]): row["share"] for row in rows}
    assert found["random", 30] == pytest.approx(20 / 30)  # .5 had been reached before
    assert found["margin", 30] == pytest.approx(15 / 30)
    assert found["margin", 50] == pytest.approx((20 + 10 * 2 / 3) / 50)
    assert found["typical", 50] == float("inf")
    words = ["--data", str(world / "data"), "--set", "snips", "--out", str(world / "out"),
             "--rounds", "2", "--seeds", "2"]  # fmt: skip
    active.main(words)
    text = (world / "out/snips/active.md").read_text("utf-8")
    assert "| margin |" in text
    assert str(world) not in (world / "out/snips/active.json").read_text("utf-8")


def test_a_unit_is_kept_and_skipped_and_stands_in_the_table(world, capsys):
    import run
    import table

    out = world / "out"
    words = ["--data", str(world / "data"), "--set", "snips", "--part", "test", "--out", str(out)]
    for seed in "01":
        run.main([*words, "--method", "svm", "--seed", seed])
    run.main([*words, "--method", "rules", "--shots", "5", "--unlabelled", "--name", "r+self"])
    told = json.loads((out / "snips/all/svm/0-test.json").read_text("utf-8"))
    assert told["accuracy"] == 1.0
    assert told["train_texts"] == 60
    assert str(world) not in json.dumps(told)
    capsys.readouterr()
    run.main([*words, "--method", "svm", "--seed", "0"])
    assert "skipped" in capsys.readouterr().out
    table.main(["--results", str(out), "--set", "snips"])
    shown = (out / "snips/all/test.md").read_text("utf-8")
    assert "| svm | 2 | 1.0000 | 0.0000 |" in shown
    assert "| r+self | 1 |" in (out / "snips/5-shots/test.md").read_text("utf-8")
