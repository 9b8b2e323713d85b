"""The accuracy benchmark end to end on two small made-up sets, each in the layout of a real one."""

import gzip
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kg.errors import UsageError

FOLDER = Path(__file__).parents[2] / "benchmarks" / "accuracy"
SCRIPTS = ("accuracy",)
MODELS = ("popularity", "ease", "personal-frequency")
DAY = 86400


def write(file: Path, lines: list[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(file, "wt", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")


def make_shop(folder: Path) -> None:
    """40 customers with a favourite shelf who buy again, and customer 1, who is no person."""
    rng = np.random.default_rng(0)
    items = [f"{i},{10_000 + i},THING {i},shelf {i % 4},{i}.5" for i in range(1, 33)]
    write(folder / "items.csv.gz", ["item_id,stock_code,title,category,median_price", *items])
    events = []
    for user in range(1, 41):
        first = 297 if user > 38 else 0  # two customers are new in the last tenth
        for visit in np.sort(rng.integers(first, 300, 9)).tolist():
            shelf = rng.integers(1, 33, 5)
            near = np.unique(np.where(rng.random(5) < 0.7, shelf // 4 * 4 + user % 4 + 1, shelf))
            stamp = 1_600_000_000 + visit * DAY + user
            events += [f"{user},{min(i, 32)},{stamp},{stamp},2,1.0" for i in near.tolist()]
    order = rng.permutation(len(events))
    head = "user_id,item_id,timestamp,basket_id,quantity,price"
    write(folder / "interactions.csv.gz", [head, *(events[i] for i in order)])
    entities = [f"{i},item,THING {i + 1},{i + 1}" for i in range(32)]
    entities += ["32,colour,RED,", "33,price_band,cheap,"]
    write(folder / "entities.csv.gz", ["entity_id,type,name,item_id", *entities])
    facts = [f"{i},{'has_colour,32' if i % 2 else 'in_price_band,33'}" for i in range(32)]
    write(folder / "triples.csv.gz", ["head,relation,tail", *facts])


def make_sequences(folder: Path) -> None:
    """30 users on a round of 25 items; nobody twice at the same."""
    rng = np.random.default_rng(1)
    lines = []
    for user in range(30):
        start, length = rng.integers(0, 25), rng.integers(5, 12)
        lines.append(f"u{user} " + " ".join(f"i{(start + k) % 25}" for k in range(length)))
    write(folder / "sequences.txt.gz", lines)
    items = [f"i{i},title {i},brand {i % 3},{'abcde'[i // 5]}|{'vw'[i % 2]}" for i in range(25)]
    write(folder / "items.csv.gz", ["item_id,title,brand,categories", *items])


def call(script: str, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FOLDER / script), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def words(data: Path, out: Path, name: str, protocol: str, model: str, part: str, *more: object):
    return [*map(str, ("--data", data, "--set", name, "--protocol", protocol, "--model", model,
                       "--part", part, "--out", out, *more))]  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The data folder, and the results of all models: one in a process of its own."""
    import run

    root = tmp_path_factory.mktemp("accuracy")
    data, out = root / "data", root / "out"
    make_shop(data / "online-retail-ii")
    make_sequences(data / "amazon-beauty")
    first, *others = MODELS
    done = call("run.py", *words(data, out, "online-retail-ii", "time", first, "test"))
    assert done.returncode == 0, done.stderr
    for model in others:
        run.main(words(data, out, "online-retail-ii", "time", model, "test"))
    for model, seed in (("ease", 0), ("ease", 1), ("popularity", 0)):
        run.main(words(data, out, "amazon-beauty", "loo", model, "valid", "--seed", seed))
    return data, out


def told(out: Path, name: str, protocol: str, model: str, unit: str) -> dict:
    return json.loads((out / name / protocol / model / f"{unit}.json").read_text())


def test_new_recommends_nothing_known_and_repeats_does(world):
    for model in MODELS:
        tables = told(world[1], "online-retail-ii", "time", model, "0-test")["tables"]
        assert tables["new"]["known_share@10"] == 0
        assert tables["repeats"]["known_share@10"] > 0
        assert tables["new"]["all"]["targets"] < tables["repeats"]["all"]["targets"]
    known = told(world[1], "online-retail-ii", "time", "personal-frequency", "0-test")
    assert known["tables"]["repeats"]["known_share@10"] > 0.9  # own items first


def test_buckets_sum_up(world):
    for model in MODELS:
        result = told(world[1], "online-retail-ii", "time", model, "0-test")
        for table in ("repeats", "new"):
            for target in ("all", "first"):
                found = result["tables"][table][target]
                users = found["by user's history"].values()
                assert sum(row["users"] for row in users) == found["users"]
                total = sum(row["users"] * (row["ndcg@10"] or 0) for row in users)
                assert total / found["users"] == pytest.approx(
                    found["metrics"]["ndcg@10"], abs=2e-6
                )
                for bucket in ("by user's history", "by item's train count"):
                    pairs = sum(row["targets"] for row in found[bucket].values())
                    assert pairs == found["targets"]
    sequence = told(world[1], "amazon-beauty", "loo", "ease", "0-valid")["tables"]["new"]["all"]
    users = sum(row["users"] for row in sequence["by item's train count"].values())
    assert users == sequence["users"] == 30  # one target each


def test_unit_says_what_it_cost_and_no_folder_of_this_machine(world):
    file = world[1] / "online-retail-ii" / "time" / "ease" / "0-test.json"
    result = json.loads(file.read_text())
    assert str(world[0]) not in file.read_text()
    assert "--data DIR" in result["command"]
    assert result["training_seconds"] > 0
    assert result["peak_memory_mb"] > 20
    assert "torch" in result["versions"]
    assert len(result["versions"].get("commit", "0" * 12).rstrip("+")) == 12
    assert result["users"] == 39  # without customer 1
    with np.load(file.with_suffix(".npz")) as arrays:
        mean = arrays["new/all/ndcg@10"].mean()
    assert mean == pytest.approx(result["tables"]["new"]["all"]["metrics"]["ndcg@10"], abs=1e-6)


def test_a_unit_that_is_there_is_skipped(world, tmp_path, capsys):
    import run

    data, out = world
    file = out / "amazon-beauty" / "loo" / "popularity" / "0-valid.json"
    before = file.stat().st_mtime_ns
    again = words(data, out, "amazon-beauty", "loo", "popularity", "valid")
    run.main(again)
    said = capsys.readouterr().out
    assert "skipped" in said
    assert "OTHERS" not in said
    (tmp_path / "p.json").write_text('{"params": {"x": 1}}')
    run.main([*again, "--params", str(tmp_path / "p.json")])
    assert "OTHERS" in capsys.readouterr().out
    assert file.stat().st_mtime_ns == before


def test_tables_show_all_models(world):
    _, out = world
    done = call("table.py", "--results", out, "--set", "online-retail-ii", "--protocol", "time")
    assert done.returncode == 0, done.stderr
    folder = out / "online-retail-ii" / "time"
    written = (folder / "test.md").read_text()
    assert written.strip() == done.stdout.strip()
    for heading in ("repeats, all", "repeats, first", "new, all", "new, first"):
        part = written.partition(f"## {heading} ")[2].partition("\n## ")[0]
        for model in MODELS:
            assert part.count(f"| {model} |") == 3  # the scores and two kinds of buckets
        assert part.count("| the best baseline |") == 1
    assert (folder / "test.png").read_bytes().startswith(b"\x89PNG")


def test_a_unit_without_its_values_is_told_apart(world, tmp_path):
    import shutil

    out = tmp_path / "out"
    shutil.copytree(world[1], out)
    place = out / "online-retail-ii" / "time"
    (place / "ease" / "0-test.npz").unlink()
    words = ["--results", out, "--set", "online-retail-ii", "--protocol", "time"]
    done = call("table.py", *words)
    assert done.returncode == 0, done.stderr
    told = json.loads((place / "ease" / "0-test.json").read_text())["tables"]["new"]["all"]
    assert "| ease |" not in done.stdout
    assert "- ease, seed 0: repeats" in done.stdout
    assert f"new {told['metrics']['ndcg@10']:.4f}" in done.stdout
    for file in place.glob("*/*.npz"):
        file.unlink()
    assert "No results of the test part" in call("table.py", *words).stderr


def test_learned_models_are_trained_again_but_by_leave_one_out(world, tmp_path):
    import run

    params = tmp_path / "params.json"
    params.write_text('{"max_epochs": 2, "dim": 8}')
    units = {}
    for name, protocol, part in (
        ("online-retail-ii", "time", "test"),
        ("online-retail-ii", "time", "valid"),
        ("amazon-beauty", "loo", "test"),
    ):
        run.main(words(world[0], tmp_path, name, protocol, "bpr-mf", part, "--params", params))
        units[protocol, part] = told(tmp_path, name, protocol, "bpr-mf", f"0-{part}")
    assert units["time", "test"]["again_seconds"] > 0
    assert units["time", "valid"]["again_seconds"] is None  # its events must stay unknown
    assert units["loo", "test"]["again_seconds"] is None
    assert units["time", "test"]["curve"][0][:2] == units["time", "valid"]["curve"][0][:2]


def test_people_other_than_before_are_refused(tmp_path):
    from run import keep_arrays

    from kg.errors import DataError

    values = {"new/all/ndcg@10": np.array([0.0, 0.5]), "new/all/history": np.array([3, 4])}
    file = tmp_path / "ease" / "0-test.json"
    file.parent.mkdir()
    keep_arrays(file, values | {"new/all/user": np.array([1, 2])})
    with np.load(file.with_suffix(".npz")) as kept:
        assert list(kept) == ["new/all/ndcg@10"]
    with pytest.raises(DataError, match="other people"):
        keep_arrays(file, values | {"new/all/user": np.array([1, 3])})


def test_headline_sets_our_model_beside_the_best_baseline(world, monkeypatch, capsys):
    import headline
    import registry

    _, out = world
    where = ["online-retail-ii/time/repeats", "online-retail-ii/time/new"]
    with pytest.raises(UsageError, match="no row of our own model"):
        headline.main(["--results", str(out), "--tables", where[0]])
    ours = replace(registry.REGISTRY["popularity"], ours=True)
    monkeypatch.setitem(registry.REGISTRY, "popularity", ours)
    headline.main(["--results", str(out), "--tables", *where])
    text = capsys.readouterr().out
    assert text.strip() == (out / "headline.md").read_text().strip()
    for row, table in zip(text.splitlines()[2:4], ("repeats", "new"), strict=True):
        cells = [cell.strip() for cell in row.split("|")]
        units = {model: told(out, "online-retail-ii", "time", model, "0-test") for model in MODELS}
        scores = {
            model: unit["tables"][table]["all"]["metrics"]["ndcg@10"]
            for model, unit in units.items()
        }
        best = max(("ease", "personal-frequency"), key=lambda model: scores[model])
        assert cells[5] == f"{best} {scores[best]:.4f} (default)"
        assert cells[6] == f"{scores['popularity'] / scores[best]:.2f}"
    assert (out / "headline.png").read_bytes().startswith(b"\x89PNG")


def test_ablation_judges_both_kinds_of_lists_on_the_test_part(world, tmp_path):
    import ablate
    import data

    from recsys.training.config import RunConfig

    task = data.load(world[0], "online-retail-ii", "time")
    config = RunConfig(model={"dim": 8, "layers": 1}, train={"max_epochs": 1})
    *_, (found, absent) = ablate.ablated(task, config, ["id", "factors"], tmp_path / "a", "hash")
    assert {(e.part, e.how, e.lists) for e in found if e.part == "id"} == {
        ("id", how, lists) for how in ("masked", "retrained") for lists in ("repeats", "new")
    }
    judged = told(world[1], "online-retail-ii", "time", "popularity", "0-test")["tables"]
    for effect in found:
        if not effect.by:
            assert effect.users == judged[effect.lists]["all"]["users"]
    assert ("factors" in absent) == ("factors" not in {e.part for e in found})


def test_steering_is_judged_on_the_test_part(world, tmp_path, monkeypatch):
    import data
    import steering

    from recsys.training.config import RunConfig

    quick = RunConfig(model={"dim": 8, "layers": 1}, train={"max_epochs": 1})
    judged = steering.judged
    monkeypatch.setattr(steering, "judged", lambda task, config: judged(task, quick, "hash"))
    words = ["--data", world[0], "--set", "amazon-beauty", "--protocol", "loo", "--out", tmp_path]
    steering.main([*map(str, words)])
    told = json.loads((tmp_path / "amazon-beauty/loo/steering/0.json").read_text())
    task = data.load(world[0], "amazon-beauty", "loo")
    rows = {row["lists"]: row for row in told["rows"]}
    assert {"unsteered", "recent popularity", "next intent"} <= set(rows)
    assert rows["unsteered"]["users"] == len(np.unique(task.parts.split.test.user))
    assert rows["next intent"]["match@10"] > rows["unsteered"]["match@10"]
    assert told["intents"] > 0
    assert told["lists"] == told["intents"] * steering.ASKED
    assert 0 < told["steered_share"] <= 1


def test_what_helps_is_bold_only_beyond_chance_and_another_seed(tmp_path):
    import what_helps

    def effect(part, how, gain, p, lists="new", by=""):
        named = {"part": part, "how": how, "lists": lists, "users": 9, "value": 0.1 - gain}
        return named | {"gain": gain, "low": gain, "high": gain, "p": p, "by": by, "bucket": ""}

    rows = [
        effect("text", "masked", 0.05, 0.0001), effect("text", "retrained", 0.02, 0.001),
        effect("id", "retrained", 0.004, 0.001), effect("graph", "retrained", -0.02, 0.2),
        effect("text shuffled", "control", 0.01, 0.03), effect("trend", "masked", 0.03, 0.0001),
        effect("another seed", "retrained", -0.005, 0.6),
        effect("id", "retrained", 9, 0, by="item"),
    ]  # fmt: skip
    file = tmp_path / "lastfm-kg" / "given" / "ablation.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"effects": rows}))
    what_helps.main(["--results", str(tmp_path), "--sets", "lastfm-kg/given"])
    lines = (tmp_path / "what_helps.md").read_text().splitlines()
    cells = {line.split("|")[1].strip(): line.split("|")[2].strip() for line in lines[2:]}
    assert cells["*(NDCG@10 of the whole run)*"] == "0.1000"
    assert cells["text"] == "**+0.0200 (+20%)**"
    assert cells["trend"] == "**+0.0300 (+30%)**"
    assert cells["id"] == "+0.0040 (+4%)"  # less than another seed
    assert cells["graph"] == "-0.0200 (-20%)"
    assert cells["text, beside text shuffled"] == "+0.0100 (+10%)"  # .03 is one of six tests
    assert cells["sequence"] == "–"


def test_a_row_says_where_its_settings_came_from(world, tmp_path):
    import results

    rows = results.rows_of(
        results.read_units(world[1] / "amazon-beauty", "loo", "valid"), "new", "all"
    )
    assert {row.settings for row in rows} == {"default"}
    found = replace(rows[0], units=[{"settings": "searched"}, {"settings": "default"}])
    assert found.settings == "default and searched"
    place, unit = tmp_path / "0-test.json", {"command": "run.py --params DIR", "params": {"l2": 3}}
    assert results._settings(place, unit) == "given"
    (tmp_path / "tune").mkdir()
    (tmp_path / "tune" / "best.json").write_text(json.dumps({"params": {"l2": 3}}))
    assert results._settings(place, unit) == "searched"
    assert results._settings(place, unit | {"params": {"l2": 4}}) == "given"


def test_table_takes_seeds_together(world):
    import results

    units = results.read_units(world[1] / "amazon-beauty", "loo", "valid")
    assert {name: len(found) for name, found in units.items()} == {"ease": 2, "popularity": 1}
    rows = {row.model: row for row in results.rows_of(units, "new", "all")}
    assert len(rows["ease"].user) == 30
    one = units["ease"][0][0]["tables"]["new"]["all"]["metrics"]["ndcg@10"]
    assert rows["ease"].ndcg.mean() == pytest.approx(one, abs=1e-6)  # EASE knows no seed
    assert results.compared(list(rows.values()))[0] in rows


def test_known_users_are_those_with_a_history(world):
    import results

    units = results.read_units(world[1] / "online-retail-ii", "time", "test")
    for row in results.rows_of(units, "new", "all", known=True):
        told_ = row.units[0]
        strangers = told_["by user's history"]["0"]["users"]
        assert strangers > 0
        assert len(row.user) == told_["users"] - strangers
        assert row.recall.max() <= 1


def test_lists_equal_the_package_s_own_evaluation(world):
    import data
    import judging
    from registry import entry

    from kg.sequences import Sequences
    from recsys.judging.evaluate import evaluate_scores

    task = data.load(world[0], "online-retail-ii", "time")
    fitted = entry("ease").fit(task, {"l2": 3.0}, 0, None, 1)
    known, part = task.parts.of("valid")
    histories = Sequences.of(known)
    users = np.unique(part.user)
    for mask in (False, True):
        index = judging.top_lists(fitted.scores, histories, users, mask, batch=7)
        ours = judging.measure(index, users, part)
        theirs = evaluate_scores(
            lambda own, mask=mask: fitted.scores(own, not mask), histories, part, filter_seen=mask
        )
        for name in judging.SHOWN:
            np.testing.assert_allclose(ours.per_user[name], theirs.per_user[name])
    assert not set(task.graph().edges) & {("item", "in_price_band", "price_band")}
    assert "median_price" not in {a.name for a in task.catalog.attributes}


def test_targets_leave_out_what_the_user_had():
    import protocols

    from kg.clean import clean
    from kg.events import EventLog

    user = ["a", "a", "a", "a", "a", "b"]
    item = ["x", "y", "x", "z", "z", "x"]
    time = np.array([1, 2, 10, 11, 12, 12]) * DAY
    log = EventLog.of(user, item, time=time)
    log = clean(log, log.items)[0]
    known, part = log.take(log.time < 10 * DAY), log.take(log.time >= 10 * DAY)
    new = protocols.targets("time", part, known, "new")
    decoded = [
        (log.users.ids[u], log.items.ids[i])
        for u, i in zip(new["all"].user, new["all"].item, strict=True)
    ]
    assert decoded == [("a", "z"), ("a", "z"), ("b", "x")]
    assert new["first"].time.tolist() == [11 * DAY, 12 * DAY]
    repeats = protocols.targets("time", part, known, "repeats")
    assert len(repeats["all"]) == 4
    assert repeats["first"].time.tolist() == [10 * DAY, 12 * DAY]
    assert set(protocols.targets("loo", part, known, "new")) == {"all"}


def test_cuts_roll_without_a_look_ahead():
    import protocols

    from kg.events import EventLog

    rng = np.random.default_rng(2)
    log = EventLog.of(rng.integers(0, 9, 200).astype(str), rng.integers(0, 9, 200).astype(str),
                      time=rng.integers(1, 10**6, 200))  # fmt: skip
    tested = []
    for i in range(1, 6):
        parts = protocols.make_parts(log, f"rolling:{i}/5")
        split = parts.split
        assert split.train.time.max() < split.valid.time.min()
        assert split.valid.time.max() < split.test.time.min()
        assert len(parts.known) == len(split.train) + len(split.valid)
        tested += split.test.row.tolist()
    assert len(tested) == len(set(tested)) == 100
    for wrong in ("rolling:0/5", "rolling:6/5", "rolling:x", "weekly"):
        with pytest.raises(UsageError, match="rolling:i/n"):
            protocols.make_parts(log, wrong)


def test_last_purchase_is_validation_where_the_file_has_none():
    import protocols

    from kg.events import EventLog

    behaviour = ["view", "view", "purchase", "view", "purchase", "view", "purchase"]
    log = EventLog.of(
        ["a"] * 7, ["x", "y", "x", "z", "y", "w", "v"], behaviour=behaviour,
        time=np.arange(1, 8) * DAY,
    )  # fmt: skip
    label = np.array(["train"] * 6 + ["test"])
    parts = protocols.make_parts(log, "given", label)
    names = lambda part: [log.items.ids[i] for i in part.item]  # noqa: E731
    assert names(parts.split.valid) == ["y"]
    assert names(parts.split.train) == ["x", "x", "z"]  # no view of y, nothing after its purchase
    assert names(parts.known) == ["x", "y", "x", "z", "y", "w"]
    assert names(parts.split.test) == ["v"]


def test_search_goes_on_where_it_was(world, tmp_path):
    pytest.importorskip("optuna", reason="comes with the extra [tune]")
    import run
    import tune

    told_ = words(world[0], tmp_path, "amazon-beauty", "loo", "ease", "valid")
    search = [word for word in told_ if word not in ("--part", "valid")]
    tune.main([*search, "--trials", "2"])
    folder = tmp_path / "amazon-beauty" / "loo" / "ease" / "tune"
    two = json.loads((folder / "trials.json").read_text())["trials"]
    tune.main([*search, "--trials", "4"])
    four = json.loads((folder / "trials.json").read_text())["trials"]
    assert four[:2] == two
    assert [trial["number"] for trial in four] == [0, 1, 2, 3]
    assert two[0]["params"] == {}
    assert len({json.dumps(trial["params"]) for trial in four}) == 4
    best = json.loads((folder / "best.json").read_text())
    assert best["score"] == max(trial["score"] for trial in four)
    run.main([*told_, "--params", str(folder / "best.json")])
    again = told(tmp_path, "amazon-beauty", "loo", "ease", "0-valid")
    assert again["tables"]["new"]["all"]["metrics"]["ndcg@10"] == best["score"]


def test_misuse_is_one_sentence(world):
    import data
    import fits
    import registry
    from pydantic import BaseModel

    class Config(BaseModel):
        dim: int = 1

    with pytest.raises(UsageError, match=r"amazon-beauty can be cut by: loo\. Got 'time'"):
        data.load(world[0], "amazon-beauty", "time")
    with pytest.raises(UsageError, match="Unknown set"):
        data.load(world[0], "amazon-buty", "loo")
    with pytest.raises(UsageError, match="Unknown model 'eas'"):
        registry.entry("eas")
    with pytest.raises(UsageError, match=r"Unknown parameter 'dmi'.*dim"):
        fits.sorted_out({"dmi": 1}, Config)


def test_people_without_a_history_get_the_same_list_from_every_model():
    import run

    from kg.sequences import Sequences

    histories = Sequences(np.array([0, 1, 1]), np.array([2]), np.array([0]), None, 3)
    own = np.arange(6, dtype=np.float32).reshape(2, 3)
    found = run.alike_for_strangers(lambda part, mixed: own, np.array([7.0, 8.0, 9.0]))
    assert found(histories, False).tolist() == [[0, 1, 2], [7, 8, 9]]
    assert own[1].tolist() == [3, 4, 5]
