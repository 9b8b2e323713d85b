"""Mistakes at the command line: one sentence, the exit code, nothing half-written."""

import sys

import pytest

from recsys.cli import main

EVENTS = "user,item,event,time\n" + "".join(
    f"u{u},i{(u + t) % 5},view,2024-01-0{t + 1}T10:00:00\n" for u in range(6) for t in range(4)
)
ITEMS = "item_id,title,category\n" + "".join(f"i{n},thing {n},kind {n % 2}\n" for n in range(5))


@pytest.fixture
def shop(tmp_path, monkeypatch):
    (tmp_path / "events.csv").write_text(EVENTS)
    (tmp_path / "items.csv").write_text(ITEMS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def kgintent(monkeypatch, capfd):
    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kgintent", *words])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return run


@pytest.mark.parametrize(
    ("content", "said", "code"),
    [
        (b"", "empty", 1),
        (b"user,item\n", "no rows", 1),
        (b"a,b\n1,2\n", "no column for 'user'", 1),
        (b"user,item\nu,i1\nu,caf\xe9\n", "line 3", 1),
        (b"user,item,time\nu,i1,4102444800\n", "No valid event", 1),
        (b"user,item\nu,nothing\n", "No valid event", 1),
    ],
)
def test_bad_events_name_the_fault_and_write_nothing(shop, kgintent, content, said, code):
    (shop / "bad.csv").write_bytes(content)
    before = sorted(p.name for p in shop.iterdir())
    got, _, err = kgintent("build", "bad.csv", "items.csv", "-o", "data")
    assert (got, said in err) == (code, True), err
    assert sorted(p.name for p in shop.iterdir()) == before


def test_the_whole_path_and_its_mistakes(shop, kgintent):
    assert kgintent("build", "events.csv", "items.csv", "-o", "data")[0] == 0
    train = ("train", "data", "-o", "run", "--encoder", "hash", "--max-epochs", "2")
    assert kgintent(*train)[0] == 0
    code, out, _ = kgintent("recommend", "run", "--user", "u0", "-k", "3", "--with-seen")
    assert (code, out.count('"item"')) == (0, 3)
    for words, said in [
        (("recommend", "run", "--user", "u99"), "u99"),
        (("recommend", "run", "--user", "u0", "-k", "0"), "[1, 1000]"),
        (("recommend", "run", "--user", "u0", "--history", "i1"), "not both"),
        (("explain", "run", "--user", "u0", "--item", "zz"), "zz"),
        (("items", "remove", "run", "--item", "zz"), "zz"),
        (("recommend", "nowhere", "--user", "u0"), "nowhere"),
        (("train", "run", "-o", "x", "--encoder", "hash"), "data folder is needed"),
        (("train", "data", "-o", "x", "--encoder", "no-such-encoder"), "no-such-encoder"),
    ]:
        code, _, err = kgintent(*words)
        assert (code, said in err) == (2, True), (words, err)
    (shop / "new.csv").write_text("item_id,title,category\nn1,thing new,kind 1\n")
    assert kgintent("items", "add", "run", "new.csv")[0] == 0
    assert kgintent("items", "remove", "run", "--item", "i0")[0] == 0
    assert kgintent("recommend", "run", "--all", "-k", "9", "-o", "recs.csv")[0] == 0
    recs = (shop / "recs.csv").read_text()
    assert recs.startswith("user_id,item_id,score,rank\n")
    assert ",n1," in recs
    assert ",i0," not in recs
    assert kgintent("evaluate", "run")[0] == 0


def test_damage_is_refused_by_name(shop, kgintent):
    kgintent("build", "events.csv", "items.csv", "-o", "data")
    kgintent("train", "data", "-o", "run", "--encoder", "hash", "--max-epochs", "1")
    for name in sorted(p.name for p in (shop / "run").iterdir()):
        file = shop / "run" / name
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]))
        code, _, err = kgintent("recommend", "run", "--user", "u0")
        assert (code, name in err) == (1, True), err
        file.write_bytes(whole)
    assert kgintent("recommend", "run", "--user", "u0")[0] == 0


def test_an_unknown_setting_names_the_nearest(shop, kgintent):
    kgintent("build", "events.csv", "items.csv", "-o", "data")
    (shop / "run.toml").write_text("[train]\nlerning_rate = 1\n")
    code, _, err = kgintent("train", "data", "-o", "run", "-c", "run.toml", "--encoder", "hash")
    assert (code, "learning_rate" in err) == (2, True)
    assert not (shop / "run").exists()


def test_a_foreign_folder_is_left_alone(shop, kgintent):
    (shop / "mine").mkdir()
    (shop / "mine" / "thesis.txt").write_text("years of work")
    code, _, err = kgintent("build", "events.csv", "items.csv", "-o", "mine")
    assert (code, "another name" in err) == (2, True)
    assert (shop / "mine" / "thesis.txt").read_text() == "years of work"


def test_ctrl_c_keeps_the_best_weights_and_resume_goes_on(shop, kgintent, monkeypatch):
    import recsys.cli.training as training

    kgintent("build", "events.csv", "items.csv", "-o", "data")
    told = training.say

    def stop_after_two(text: str) -> None:
        told(text)
        if text.startswith("epoch   2"):
            raise KeyboardInterrupt

    words = ("train", "data", "-o", "run", "--encoder", "hash", "--max-epochs", "4")
    monkeypatch.setattr(training, "say", stop_after_two)
    code, _, err = kgintent(*words)
    assert (code, "--resume" in err) == (130, True), err
    assert not (shop / "run").exists()
    monkeypatch.setattr(training, "say", told)
    code, _, err = kgintent(*words, "--resume")
    assert (code, "epoch   1" in err, "epoch   4" in err) == (0, False, True), err
    assert kgintent("recommend", "run", "--user", "u0")[0] == 0
    assert not (shop / "run.training").exists()
