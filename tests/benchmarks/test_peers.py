"""The outside peers' part of the benchmark on a small made-up set; no peer is imported."""

import argparse
import ast
import csv
import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kg.errors import DataError, UsageError

ROOT = Path(__file__).parents[2] / "benchmarks"
SCRIPTS = ("accuracy", "peers")
OURS = {"export", "score", "speed"}  # run in this package's environment
USERS, ITEMS = 30, 25


def write(file: Path, lines: list[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(file, "wt", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(the data folder, the exported split): users on a round of items, nobody twice at one."""
    import export

    root = tmp_path_factory.mktemp("peers")
    rng, lines = np.random.default_rng(1), []
    for user in range(USERS):
        start, length = rng.integers(0, ITEMS), rng.integers(5, 12)
        items = " ".join(f"i{(start + k) % ITEMS}" for k in range(length))
        lines.append(f"u{user} {items}")
    folder = root / "data" / "amazon-beauty"
    write(folder / "sequences.txt.gz", lines)
    rows = [f"i{i},title {i},brand {i % 3},a|b" for i in range(ITEMS)]
    write(folder / "items.csv.gz", ["item_id,title,brand,categories", *rows])
    export.main(["--data", str(root / "data"), "--set", "amazon-beauty", "--out", str(root / "s")])
    return root / "data", root / "s" / "amazon-beauty"


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def histories(data: Path) -> dict[str, list[str]]:
    with gzip.open(data / "amazon-beauty" / "sequences.txt.gz", "rt") as lines:
        return {row[0]: row[1:] for row in map(str.split, lines)}


def test_exported_parts_are_the_file_s_own_order_cut_before_the_last_two(world):
    data, split = world
    whole: dict[str, list[tuple[int, str, str]]] = {}
    for part in ("train", "valid", "test"):
        for row in rows_of(split / f"{part}.csv"):
            event = (int(row["order"]), part, row["item"])
            whole.setdefault(row["user"], []).append(event)
    for user, items in histories(data).items():
        events = sorted(whole[user])
        assert [item for _, _, item in events] == items
        cut = ["train"] * (len(items) - 2) + ["valid", "test"]
        assert [part for _, part, _ in events] == cut
        assert [order for order, _, _ in events] == list(range(len(items)))
    assert len(rows_of(split / "items.csv")) == ITEMS
    told = json.loads((split / "about.json").read_text())
    assert told["events"] == {"train": sum(map(len, histories(data).values())) - 2 * USERS,
                              "valid": USERS, "test": USERS}  # fmt: skip


def test_exported_facts_name_no_user(world):
    facts = rows_of(world[1] / "facts.csv")
    assert {row["relation"] for row in facts} == {"brand", "categories"}
    kinds = {end.partition(":")[0] for row in facts for end in (row["head"], row["tail"])}
    assert "user" not in kinds
    assert {row["head"] for row in facts} == {f"item:i{i}" for i in range(ITEMS)}


def test_a_set_with_repeats_is_not_exported(world, tmp_path):
    from dataclasses import replace

    import data
    import export

    task = data.load(world[0], "amazon-beauty", "loo")
    with pytest.raises(UsageError, match="table 'new' alone"):
        export.export(replace(task, tables=("repeats", "new")), tmp_path)


def write_peer(folder: Path, lists: dict[str, list[str]], part: str = "test") -> None:
    told = {"peer": "made-up", "seed": 0, "settings": {"k": 1}, "training_seconds": 1.5,
            "seconds_per_epoch": 0.5, "peak_memory_mb": 7}  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "peer.json").write_text(json.dumps(told))
    rows = [f"{user},{item}" for user, items in lists.items() for item in items]
    write(folder / f"{part}.csv.gz", ["user,item", *rows])


def score(world, peers: Path, out: Path, part: str = "test") -> None:
    import score

    score.main(["--data", str(world[0]), "--peers", str(peers), "--set", "amazon-beauty",
                "--peer", "made-up", "--part", part, "--out", str(out)])  # fmt: skip


def test_a_peer_is_judged_as_our_own_models_are(world, tmp_path, capsys):
    """The lists of a model of ours, handed in as a peer's, get that model's numbers."""
    import data
    import judging
    import run
    import table
    from registry import entry

    from kg.sequences import Sequences

    task = data.load(world[0], "amazon-beauty", "loo")
    fitted = entry("ease").fit(task, {}, 0, None, 1)
    known = Sequences.of(task.parts.split.train)
    everybody = np.arange(len(known))
    index = judging.top_lists(fitted.scores, known, everybody, True)
    users, items = task.parts.split.train.users.ids, task.parts.split.train.items.ids
    lists = {users[u]: [items[i] for i in row if i >= 0] for u, row in enumerate(index.tolist())}
    write_peer(tmp_path / "peers" / "amazon-beauty" / "made-up", lists, "valid")
    out = tmp_path / "out"
    score(world, tmp_path / "peers", out, "valid")
    run.main(["--data", str(world[0]), "--set", "amazon-beauty", "--protocol", "loo",
              "--model", "ease", "--out", str(out)])  # fmt: skip
    found = {}
    for name in ("made-up", "ease"):
        file = out / "amazon-beauty" / "loo" / name / "0-valid.json"
        found[name] = json.loads(file.read_text())
        assert str(tmp_path) not in file.read_text()
    assert found["made-up"]["tables"] == found["ease"]["tables"]
    assert found["made-up"]["tables"]["new"]["all"]["metrics"]["ndcg@10"] > 0
    assert found["made-up"]["seconds_per_epoch"] == 0.5
    table.main(["--results", str(out), "--set", "amazon-beauty", "--protocol", "loo",
                "--part", "valid"])  # fmt: skip
    assert capsys.readouterr().out.count("| made-up |") == 3


def test_the_test_part_is_scored_once_and_a_missing_list_is_a_miss(world, tmp_path, capsys):
    folder = tmp_path / "peers" / "amazon-beauty" / "made-up"
    targets = {user: [items[-1]] for user, items in histories(world[0]).items()}
    half = dict(list(targets.items())[: USERS // 2])
    write_peer(folder, half)
    score(world, tmp_path / "peers", tmp_path / "out")
    file = tmp_path / "out" / "amazon-beauty" / "loo" / "made-up" / "0-test.json"
    metrics = json.loads(file.read_text())["tables"]["new"]["all"]["metrics"]
    assert metrics["ndcg@10"] == metrics["hr@10"] == 0.5
    write_peer(folder, targets)
    score(world, tmp_path / "peers", tmp_path / "out")
    assert "skipped" in capsys.readouterr().out
    again = json.loads(file.read_text())["tables"]["new"]["all"]["metrics"]
    assert again == metrics


def test_lists_that_break_the_rules_are_refused(world, tmp_path):
    user, items = next(iter(histories(world[0]).items()))
    folder = tmp_path / "amazon-beauty" / "made-up"
    for wrong, error in (({user: [items[0]]}, DataError), ({user: ["i99"]}, UsageError),
                         ({"nobody": ["i1"]}, UsageError)):  # fmt: skip
        write_peer(folder, wrong)
        with pytest.raises(error, match=r"what that user had|not known"):
            score(world, tmp_path, tmp_path / "out")
    write_peer(folder, {user: [items[-2]]}, "valid")  # known only when the test part begins
    score(world, tmp_path, tmp_path / "out", "valid")


def test_ndcg_of_the_peers_is_the_package_s(world):
    import peer

    from recsys.metrics import RANKING

    rng = np.random.default_rng(0)
    lists = {str(u): [str(i) for i in rng.permutation(30)[:20]] for u in range(40)}
    events = [(str(u), str(i), 0) for u in range(40) for i in rng.permutation(30)[: 1 + u % 4]]
    hits = np.array([[(u, i, 0) in set(events) for i in lists[u]] for u in lists])
    relevant = np.array([sum(e[0] == u for e in events) for u in lists])
    ours = RANKING["ndcg"](hits, relevant, 10).mean()
    assert peer.ndcg(lists, events) == pytest.approx(ours)
    assert peer.ndcg({}, events) == 0  # no list is a miss, not left out of the mean


def test_a_run_keeps_its_best_epoch_and_goes_on_where_it_was(world, tmp_path):
    import peer

    def made(epochs: int, minutes: float = 10.0) -> peer.Run:
        told = argparse.Namespace(split=world[1], out=tmp_path, seed=0, threads=1, speed=False,
                                  minutes=minutes, keep_memory=False)  # fmt: skip
        return peer.Run(told, "made-up", {"epochs": epochs}, ("numpy",), patience=2)

    def epoch(run: peer.Run, good: bool) -> bool:
        run.begin()
        run.end()
        lists = {user: [item] if good else [] for user, item, _ in run.data.valid}
        better = run.add(lists)
        run.save()
        return better

    first = made(9)
    assert first.left
    assert [epoch(first, False), epoch(first, True), epoch(first, True)] == [True, True, False]
    assert first.left
    second = made(9)
    assert second.epochs == 3
    assert second.best[0] == 2
    assert second.best[2] == 1.0
    epoch(second, False)
    assert not second.left
    assert "in 2" in second.stopped
    with pytest.raises(SystemExit, match="other settings"):
        made(4)
    told = json.loads(second.file.read_text())
    assert told["best_epoch"] == 2
    assert told["epochs"] == 4
    assert len(told["curve"]) == 4
    second.write("valid", {user: ["i1", "i2"] for user in second.data.users("valid")})
    with gzip.open(second.folder / "valid.csv.gz", "rt") as lines:
        assert len(list(lines)) == 1 + 2 * USERS


def test_scripts_of_peers_know_nothing_of_this_package():
    """They run where it is not installed; and this package's tests where no peer is."""
    for file in (ROOT / "peers").glob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        names = {node.module if isinstance(node, ast.ImportFrom) else alias.name
                 for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)
                 for alias in node.names}  # fmt: skip
        tops = {str(name).partition(".")[0] for name in names}
        if file.stem not in OURS:
            assert not tops & {"kg", "models", "recsys", "data", "run"}, file.name
        else:
            assert not tops & {"rectools", "recbole", "lenskit"}, file.name


def test_ratios_are_of_the_same_round():
    import speed

    def row(seconds: float, peak: int) -> dict[str, float]:
        return {"seconds": seconds, "peak_memory_mb": peak}

    rounds = [{"rectools-sasrec": row(s, 300), "kgintent": row(s / r, 100)}
              for s, r in ((10, 2), (100, 3), (1, 5))]  # fmt: skip
    found = speed.ratios(rounds)
    assert found == {"rectools-sasrec / kgintent": {"seconds": 3, "peak_memory_mb": 3}}
    assert "| rectools-sasrec | 10.0 | 300.0 |" in speed.table(rounds)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells it there")
def test_peak_memory_is_not_that_of_the_process_which_started_it():
    import peer

    held = np.ones(60_000_000)  # 480 MB
    code = f"import sys; sys.path.append({str(ROOT / 'peers')!r}); import peer; "
    child = subprocess.run([sys.executable, "-c", code + "print(peer.peak_memory_mb())"],
                           capture_output=True, text=True, check=True)  # fmt: skip
    assert peer.peak_memory_mb() > held.nbytes // 2**20
    assert 10 < int(child.stdout) < 300


def test_weights_kept_and_taken_go_on_as_if_never_stopped(tmp_path):
    import peer
    import torch

    def step(net, optimiser):
        optimiser.zero_grad()
        net(torch.ones(2, 3)).square().sum().backward()
        optimiser.step()

    torch.manual_seed(0)
    net, other = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    optimiser = torch.optim.Adam(net.parameters(), lr=0.1)
    step(net, optimiser)
    peer.keep_weights(tmp_path / "state.npz", net, optimiser)
    assert [file.name for file in tmp_path.iterdir()] == ["state.npz"]
    again = torch.optim.Adam(other.parameters(), lr=0.1)
    peer.take_weights(tmp_path / "state.npz", other, again)
    step(net, optimiser)
    step(other, again)
    torch.testing.assert_close(other.state_dict(), net.state_dict(), rtol=0, atol=0)
