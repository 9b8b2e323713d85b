"""Facts on the command line: which lists change with them, since when they are known, and what
a run, or its encoder, must not know.
"""

import json
import shutil
import sys

import numpy as np
import polars as pl
import pytest

from kg.testing import planted
from recsys.cli import main, training
from recsys.recommender import Recommender

EVENTS, ITEMS = "events.csv", "items.csv"


def rows_of(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with events.csv, items.csv, the data folder `data` and the run `run`."""
    folder = tmp_path_factory.mktemp("facts")
    made = planted(np.random.default_rng(3), users=30, items=24)
    made.log.to_frame().write_csv(folder / EVENTS)
    catalog = made.catalog
    cells = [cell[0] for cell in catalog.attribute("category").cells(len(catalog))]
    frame = {"item_id": catalog.ids.ids, "title": catalog.titles, "category": cells}
    pl.DataFrame(frame).write_csv(folder / ITEMS)
    patch = pytest.MonkeyPatch()
    for words in (
        ["build", folder / EVENTS, folder / ITEMS, "-o", folder / "data"],
        ["train", folder / "data", "-o", folder / "run", "--encoder", "hash", "--max-epochs", "2"],
    ):
        patch.setattr(sys, "argv", ["kgintent", *map(str, words)])
        with pytest.raises(SystemExit) as caught:
            main()
        assert not caught.value.code
    patch.undo()
    return folder


def test_which_lists_of_a_run_change_with_the_facts(world, call, tmp_path):
    items = pl.read_csv(world / ITEMS, infer_schema=False)
    half = pl.when(pl.int_range(pl.len()) < 12).then(pl.lit("beauty")).otherwise("category")
    items.with_columns(half.alias("category")).write_csv(tmp_path / "new.csv")
    for name, table in (("old", world / ITEMS), ("new", tmp_path / "new.csv")):
        code, _, err = call("kg", "from-table", table, "-o", tmp_path / name,
                            "--relations", "category")  # fmt: skip
        assert code == 0, err
    words = ["kg", "diff", tmp_path / "old", tmp_path / "new", "--run", world / "run", "-k", "5"]
    code, out, err = call(*words, "--json")
    assert code == 0, err
    rows = {(row["what"], row.get("name")): row for row in rows_of(out)}
    told = rows["lists", "all facts"]
    assert told["users"] == 30
    assert 0 <= told["overlap"] <= 1
    assert rows["lists by relation", "category"]["changed"] == told["changed"]
    assert f"{told['changed']} of 30 lists of 5" in err
    code, out, err = call("kg", "diff", tmp_path / "old", world / "data", "--run", world / "run",
                          "--users", "4", "--json")  # fmt: skip
    assert code == 0, err
    (told,) = (row for row in rows_of(out) if row["what"] == "lists")
    assert (told["users"], told["changed"], told["overlap"]) == (4, 0, 1.0)
    code, _, err = call("kg", "diff", tmp_path / "old", tmp_path / "new", "--users", "4")
    assert (code, "--users needs --run" in err) == (2, True)
    for more, says in (
        (("--users", "0"), "must be >= 1"), (("--users", "-1"), "must be >= 1"),
        (("-k", "0"), "must be an int in [1,"), (("--run", world / "data"), "run"),
    ):  # fmt: skip
        code, out, err = call(*words, *more)
        assert (code in (1, 2), out, says in err) == (True, "", True), (more, err)
        assert "as they were" not in err


def test_dates_that_moved_are_told(world, call, tmp_path):
    items = pl.read_csv(world / ITEMS, infer_schema=False)
    for name, day in (("old", "2024-05-01"), ("new", "2024-05-02")):
        items.with_columns(day=pl.lit(day)).write_csv(tmp_path / f"{name}.csv")
        code, _, err = call("kg", "from-table", tmp_path / f"{name}.csv", "-o", tmp_path / name,
                            "--relations", "category", "--time", "day")  # fmt: skip
        assert code == 0, err
    code, out, err = call("kg", "diff", tmp_path / "old", tmp_path / "new", "--json")
    assert code == 0, err
    (told,) = (row for row in rows_of(out) if row["what"] == "dates")
    assert (told["changed"], told["kept"]) == (24, 0)
    assert "2 of 3 node types and relations are as they were" in err
    assert "item – category – category: 24 facts have another date" in err
    code, _, err = call("kg", "diff", tmp_path / "old", tmp_path / "old")
    assert (code, "3 of 3 node types" in err, "another date" in err) == (0, True, False)


def test_facts_of_later_are_not_learned_from(world, call, tmp_path):
    frame = pl.read_csv(world / EVENTS)
    times = frame["time"].sort()
    ids = pl.read_csv(world / ITEMS, infer_schema=False)["item_id"].to_list()
    early, late = int(times[10]), int(times[-2])
    rows = [f"{item},made_by,acme,{late if n % 2 else early}" for n, item in enumerate(ids)]
    file = tmp_path / "t.csv"
    file.write_text("\n".join(["head,relation,tail,known_since", *rows]), encoding="utf-8")
    words = ["build", world / EVENTS, world / ITEMS, "--triples", file, "-o", tmp_path / "d"]
    code, _, err = call(*words)
    assert code == 0, err
    code, _, err = call("check-leakage", tmp_path / "d", "--hold-out", "time")
    assert code == 0, err
    assert "12 facts dated after the last training event are not learned from" in err
    code, _, err = call("train", tmp_path / "d", "-o", tmp_path / "r", "--encoder", "hash",
                        "--hold-out", "time", "--max-epochs", "1")  # fmt: skip
    assert code == 0, err
    assert err.count("12 facts dated after") == 1
    rec = Recommender.load(tmp_path / "r")
    relation = ("item", "made_by", "entity")
    assert rec.model.graph.edges[relation].shape == (2, 12)
    assert set(rec.model.graph.edge_time[relation].tolist()) == {early}
    assert rec.items.graph_part[0].any()
    file.write_text(file.read_text("utf-8").replace(str(early), "soon", 1), encoding="utf-8")
    code, _, err = call(*words)
    assert (code, "t.csv, line 2: 'known_since' must be a date" in err) == (1, True), err


def test_facts_are_added_to_a_run_on_disk(world, call, tmp_path):
    run, file = tmp_path / "run", tmp_path / "more.csv"
    shutil.copytree(world / "run", run)
    ids = pl.read_csv(world / ITEMS, infer_schema=False)["item_id"].to_list()
    (tmp_path / "new.csv").write_text("item_id,title\nzither,Zither\n", encoding="utf-8")
    assert call("items", "add", run, tmp_path / "new.csv")[0] == 0
    file.write_text(
        f"head,relation,tail\nzither,category,boats\n{ids[3]},category,boats\n", encoding="utf-8"
    )
    code, _, err = call("kg", "add", run, file)
    assert code == 0, err
    assert "2 of 2 facts were new" in err
    code, out, err = call("explain", run, "--history", ids[3], "--item", "zither", "--json")
    assert code == 0, err
    assert "boats" in rows_of(out)[0]["reason"]
    code, _, err = call("kg", "add", run, file)
    assert (code, "0 of 2 facts were new" in err) == (0, True)
    manifest = json.loads((run / "manifest.json").read_text("utf-8"))
    assert manifest["trained"]["epochs"] == 2
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    file.write_text(f"head,relation,tail\n{ids[3]},categry,boats\n", encoding="utf-8")
    code, _, err = call("kg", "add", run, file)
    assert (code, "Did you mean 'category'?" in err) == (2, True), err
    assert f"{file}, line 2: The relation 'categry'" in err
    rows = f"{ids[3]},category,boats\nnope,category,boats\n"
    file.write_text(f"head,relation,tail\n{rows}", encoding="utf-8")
    code, _, err = call("kg", "add", run, file)
    told = f"{file}, line 3: Facts 'category' begin at items. Got 'nope' instead"
    assert (code, told in err) == (1, True), err
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


# ---- what is lost by training anew -------------------------------------------------------


def test_a_training_tells_what_the_run_in_its_place_was_told_and_the_data_lack(
    world, call, tmp_path, monkeypatch
):
    run, told = tmp_path / "run", []
    shutil.copytree(world / "run", run)
    ids = pl.read_csv(world / ITEMS, infer_schema=False)["item_id"].to_list()
    known = pl.read_csv(world / EVENTS, infer_schema=False)

    def write(name, text):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    train = ("train", world / "data", "-o", run, "--encoder", "hash", "--max-epochs", "1")
    for words in (
        ("items", "remove", run, "--item", ids[0]),
        ("items", "stock", run, "--out", ids[1]),
        ("items", "add", run, write("i.csv", f"item_id,title\nzither,Zither\n{ids[2]},Other\n")),
        ("events", "add", run, write("e.csv", "user,item,behaviour,time\n" + "".join(
            f"{known['user'][0]},{ids[n]},view,{int(known['time'].max()) + n}\n" for n in (4, 5)
        ))),
        ("kg", "add", run, write("f.csv", f"head,relation,tail\n{ids[3]},category,boats\n")),
    ):  # fmt: skip
        code, _, err = call(*words)
        assert code == 0, err
    real = Recommender.save

    def save(rec, path, **facts):
        told.append(Recommender.load(path).items.absent.sum())
        real(rec, path, **facts)

    monkeypatch.setattr(Recommender, "save", save)
    code, _, err = call(*train)
    assert (code, told) == (0, [1]), err
    lines = [line.strip() for line in err.splitlines()]
    at = next(n for n, line in enumerate(lines) if "a run stands there" in line)
    assert lines[at + 1 : at + 7] == [
        f"1 removed items, in answers again: {ids[0]}",
        f"1 items out of stock, in answers again: {ids[1]}",
        "1 items that were added: zither",
        f"1 items that were replaced, as they are in the data: {ids[2]}",
        "2 events that were added",
        "up to 1 facts that were added",
    ]
    assert not any("in answers again" in line for line in lines[at + 7 :])  # told once
    code, _, err = call(*train)  # the new one was told nothing
    assert (code, "stands there" in err) == (0, False), err


def test_what_a_run_is_told_while_another_is_trained_for_its_place(
    world, call, tmp_path, monkeypatch
):
    run, real = shutil.copytree(world / "run", tmp_path / "run"), training.reindexed

    def sold_out_meanwhile(rec):
        Recommender.load(run).with_stock({rec.items.ids[1]: False}).save(run)
        return real(rec)

    monkeypatch.setattr(training, "reindexed", sold_out_meanwhile)
    code, _, err = call("train", world / "data", "-o", run, "--encoder", "hash",
                        "--max-epochs", "1")  # fmt: skip
    assert code == 0, err
    assert "1 items out of stock, in answers again" in err.partition("epoch ")[2]


def test_what_the_data_hold_by_now_is_not_lost(world, call, tmp_path):
    run, data = tmp_path / "run", tmp_path / "data"
    shutil.copytree(world / "run", run)
    known = pl.read_csv(world / EVENTS, infer_schema=False)
    items = pl.read_csv(world / ITEMS, infer_schema=False)
    more = items.head(1).with_columns(item_id=pl.lit("zither"))
    more.write_csv(tmp_path / "i.csv")
    new = known.tail(1).with_columns(item=pl.lit("zither"))
    new.write_csv(tmp_path / "e.csv")
    pl.concat([known, new]).write_csv(tmp_path / EVENTS)
    pl.concat([items, more]).write_csv(tmp_path / ITEMS)
    for words in (
        ("items", "add", run, tmp_path / "i.csv"),
        ("events", "add", run, tmp_path / "e.csv"),
        ("build", tmp_path / EVENTS, tmp_path / ITEMS, "-o", data),
        ("train", data, "-o", run, "--encoder", "hash", "--max-epochs", "1"),
    ):
        code, _, err = call(*words)
        assert (code, "stands there" in err) == (0, False), err
    assert "zither" in Recommender.load(run).catalog.ids


# ---- check-leakage of runs and encoders --------------------------------------------------


def test_a_run_is_checked_as_it_was_trained(world, call, tmp_path):
    code, _, err = call("check-leakage", world / "run")
    assert (code, "nothing refused" in err) == (0, True), err
    code, _, err = call("train", world / "data", "-o", tmp_path / "r", "--encoder", "hash",
                        "--hold-out", "time", "--max-epochs", "1")  # fmt: skip
    assert code == 0, err
    assert "Once more" in err  # on the validation events too
    code, _, err = call("check-leakage", tmp_path / "r")
    assert code == 0, err
    rec = Recommender.load(tmp_path / "r")
    made = json.loads((tmp_path / "r/manifest.json").read_text("utf-8"))
    lie = {**made["trained"], "again": 0}  # as if the validation events were not learned from
    rec.save(tmp_path / "lie", hold_out="time", trained=lie)
    code, out, err = call("check-leakage", tmp_path / "lie", "--json")
    assert code == 1
    assert "edges" in {row["check"] for row in rows_of(out) if row["refused"]}
    code, _, err = call("check-leakage", tmp_path / "r", "--hold-out", "last")
    assert (code, "was trained with --hold-out time" in err) == (2, True)
    code, _, err = call("check-leakage", tmp_path / "r", "--encoder", "hash")
    assert (code, "an encoder of its own" in err) == (2, True)


def test_facts_that_a_run_was_told_since_its_training_are_no_refusal(world, call, tmp_path):
    ids = pl.read_csv(world / ITEMS, infer_schema=False)["item_id"].to_list()
    file, run = tmp_path / "t.csv", tmp_path / "r"
    file.write_text(f"head,relation,tail,time\n{ids[0]},made_by,X,1000000000\n", encoding="utf-8")
    code, _, err = call("build", world / EVENTS, world / ITEMS, "--triples", file,
                        "-o", tmp_path / "d")  # fmt: skip
    assert code == 0, err
    code, _, err = call("train", tmp_path / "d", "-o", run, "--encoder", "hash", "--hold-out",
                        "time", "--max-epochs", "1")  # fmt: skip
    assert code == 0, err
    file.write_text(f"head,relation,tail,time\n{ids[1]},made_by,X,2026-11-01\n", encoding="utf-8")
    code, _, err = call("kg", "add", run, file)
    assert code == 0, err
    code, out, err = call("check-leakage", run, "--json")
    assert code == 0, err
    (row,) = rows_of(out)
    assert (row["check"], row["refused"]) == ("dated facts", False)
    assert "the run was told facts (1 new) since its training" in row["what"]
    rec = Recommender.load(run)
    rec.save(tmp_path / "other", hold_out="time", trained={"again": 1})  # nothing was told since
    assert call("check-leakage", tmp_path / "other")[0] == 1


def test_what_is_misspelled_is_told_and_what_is_refused_ends_with_a_stop(world, call, tmp_path):
    data, run = world / "data", tmp_path / "r"
    for words in (["check-leakage", data], ["train", data, "-o", run]):
        code, _, err = call(*words, "--encoder", "ngarm")
        assert (code, "Did you mean 'ngram'?" in err) == (2, True), err
        code, _, err = call(*words, "--accept", "statistic")
        assert (code, "Did you mean 'statistics'?" in err) == (2, True), err
        assert "whitening or pretraining" in err
    assert not run.exists()
    ids = pl.read_csv(world / ITEMS, infer_schema=False)["item_id"].to_list()
    file = tmp_path / "t.csv"
    file.write_text(f"head,relation,tail\n{ids[0]},also_bought,{ids[1]}\n", encoding="utf-8")
    code, _, err = call("build", world / EVENTS, world / ITEMS, "--triples", file,
                        "-o", tmp_path / "d")  # fmt: skip
    assert code == 0, err
    code, _, err = call("check-leakage", tmp_path / "d")
    assert (code, "is not known. Leave out what knows it" in err) == (1, True), err


def test_an_encoder_that_has_read_the_future_is_refused(world, call, tmp_path, make_bert):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "music", "guitar", "viewed"]
    bert = make_bert(words, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                     intermediate_size=16)  # fmt: skip
    data, held = world / "data", ["--hold-out", "last"]

    def pretrained(source, name, *more):
        words = ["encoder", "pretrain", source, "-o", tmp_path / name, "--encoder", bert]
        code, _, err = call(*words, "--task", "mask", "--epochs", "1", *more)
        assert code == 0, err
        return tmp_path / name

    right, late = pretrained(data, "right", *held), pretrained(data, "late")
    code, _, err = call("check-leakage", data, *held, "--encoder", right)
    assert code == 0, err
    words = ["check-leakage", data, *held, "--encoder"]
    code, out, err = call(*words, late, "--json")
    assert (code, [row["check"] for row in rows_of(out)]) == (1, ["pretraining"]), err
    train = ["train", data, *held, "--max-epochs", "1", "--encoder", late, "-o", tmp_path / "r"]
    code, _, err = call(*train)
    assert (code, (tmp_path / "r").exists()) == (1, False)
    code, _, err = call(*train, "--accept", "pretraining")
    assert code == 0, err
    code, out, _ = call("check-leakage", tmp_path / "r", "--json")
    assert (code, [row["check"] for row in rows_of(out)]) == (1, ["pretraining"])
    dated = tmp_path / "texts.csv"
    dated.write_text("text,time\nred guitar,2019-01-01\nmusic,2019-01-02\n", encoding="utf-8")
    code, out, _ = call(*words, pretrained(dated, "old"), "--json")
    assert (code, out) == (0, "")
    dated.write_text("text,time\nred guitar,2019-01-01\nmusic,2039-01-02\n", encoding="utf-8")
    code, out, _ = call(*words, pretrained(dated, "new"), "--json")
    assert (code, "2039-01-02" in rows_of(out)[0]["what"]) == (1, True)
    lines = tmp_path / "lines.txt"
    lines.write_text("red guitar\nmusic\n", encoding="utf-8")
    code, out, _ = call(*words, pretrained(lines, "bare"), "--json")
    assert (code, [row["refused"] for row in rows_of(out)]) == (0, [False])
