"""The cold-start benchmark on small made-up sets, each in the layout of a real one."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kg.errors import UsageError
from kg.sequences import Sequences
from kg.testing import planted
from models.text import HashEncoder

SCRIPTS = ("accuracy", "cold_start")


def write(file: Path, lines: list[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(file, "wt", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")


def make_films(folder: Path) -> None:
    """The planted world as movielens-small-kg: a genre and a director of each film."""
    world = planted(np.random.default_rng(0), users=80, items=60, events=12)
    log, catalog = world.log, world.catalog
    kinds = [cell[0] for cell in catalog.attribute("category").cells(60)]
    rows = zip(log.user.tolist(), log.item.tolist(), log.time.tolist(), strict=True)
    write(folder / "interactions.csv.gz", ["user_id,item_id,rating,timestamp",
                                           *(f"{u},{i},4.0,{t}" for u, i, t in rows)])  # fmt: skip
    films = [f"{i},{title},{kinds[i]}" for i, title in enumerate(catalog.titles)]
    write(folder / "items.csv.gz", ["item_id,title,genres", *films])
    names = sorted(set(kinds))
    entities = [f"{i},movie,{title},{i}" for i, title in enumerate(catalog.titles)]
    entities += [f"{100 + n},genre,{name}," for n, name in enumerate(names)]
    entities += [f"{200 + n},person,Director {n}," for n in range(30)]
    write(folder / "entities.csv.gz", ["entity_id,type,name,item_id", *entities])
    facts = [f"{i},has_genre,{100 + names.index(kinds[i])}" for i in range(60)]
    facts += [f"{i},directed_by,{200 + i // 2}" for i in range(60)]
    write(folder / "triples.csv.gz", ["head,relation,tail", *facts])


def make_shop(folder: Path) -> None:
    """40 customers over 300 days; things 25 to 32 come in the second half."""
    rng = np.random.default_rng(1)
    things = [f"{i},THING {i},shelf {i % 4}" for i in range(1, 33)]
    write(folder / "items.csv.gz", ["item_id,title,category", *things])
    events = []
    for user in range(2, 42):
        for day in np.sort(rng.integers(0, 300, 10)).tolist():
            most = 33 if day > 160 else 25
            for item in np.unique(rng.integers(1, most, 4)).tolist():
                events.append(f"{user},{item},{1_600_000_000 + day * 86400 + user},1")
    write(folder / "interactions.csv.gz", ["user_id,item_id,timestamp,quantity", *events])
    entities = [f"{i},item,THING {i + 1},{i + 1}" for i in range(32)]
    entities += [f"{40 + n},category,shelf {n}," for n in range(4)]
    write(folder / "entities.csv.gz", ["entity_id,type,name,item_id", *entities])
    facts = [f"{i},in_category,{40 + (i + 1) % 4}" for i in range(32)]
    write(folder / "triples.csv.gz", ["head,relation,tail", *facts])


def make_articles(folder: Path) -> None:
    """10 warm articles, 2 cold of validation (p10, p11) and 2 of the test (p12, p13)."""
    rng = np.random.default_rng(2)
    rows = []
    for user in range(20):
        mine = rng.permutation(10)[:6].tolist()
        names = ["train"] * 4 + ["warm_valid", "warm_test"]
        rows += [f"{user},p{item},{name}" for item, name in zip(mine, names, strict=True)]
        rows += [f"{user},p{10 + user % 2},cold_valid", f"{user},p{12 + user % 2},cold_test"]
    write(folder / "interactions.csv.gz", ["user_id,item_id,split", *rows])
    write(folder / "tags.csv.gz", ["tag_id,tag", "1,bayes", "2,graph", "3,rare one"])
    tags = [f"p{i},{1 + i % 2}" for i in range(13)] + ["p0,3"]
    write(folder / "item_tags.csv.gz", ["item_id,tag_id", *tags])
    write(folder / "citations.csv.gz", ["item_id,cites_item_id", "p0,p12", "p12,p0"])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cold")
    make_films(root / "movielens-small-kg")
    make_shop(root / "online-retail-ii")
    make_articles(root / "citeulike-a-coldstart")
    return root


ASKED = [("movielens-small-kg", "own"), ("online-retail-ii", "time"),
         ("online-retail-ii", "first-seen"), ("citeulike-a-coldstart", "given")]  # fmt: skip


@pytest.fixture(params=[(*one, part) for one in ASKED for part in ("test", "valid")],
                ids=lambda one: "-".join(one))  # fmt: skip
def world(request, data):
    from worlds import load_world

    name, protocol, part = request.param
    return load_world(data, name, protocol, 0, part)


def test_nothing_that_is_learned_from_knows_a_cold_item(world):
    cold = {key for key, gone in zip(world.catalog.ids.ids, world.cold, strict=True) if gone}
    warm, graph = world.warm, world.warm.graph()
    assert cold
    assert not cold & set(warm.catalog.ids.ids)
    assert len(warm.catalog) == len(world.catalog) - len(cold)
    assert graph.vocabs["item"] == warm.catalog.ids
    for log in (warm.learn, warm.parts.split.train, warm.parts.split.valid):
        assert log.items == warm.catalog.ids
    for kind, vocab in graph.vocabs.items():  # no node is there for the sake of a cold item
        if kind not in ("item", "user"):
            ends = [e[1] for r, e in graph.edges.items() if r[2] == kind]
            ends += [e[0] for r, e in graph.edges.items() if r[0] == kind]
            assert set(np.concatenate(ends).tolist()) == set(range(len(vocab)))
    assert not world.cold[world.known.item].any()
    assert len(world.known) == len(warm.learn)


def test_targets_are_new_and_later_than_the_history(world):
    histories, target = world.questions()
    assert world.cold[target.item].any()
    assert not world.cold[target.item].all()
    met = Sequences.of(world.met)
    assert len(met.unmet(target)) == len(target)
    assert (histories.lengths[target.user] > 0).all()
    if target.time is not None:
        last = np.array([histories.time[histories.offsets[u] : histories.offsets[u + 1]].max()
                         for u in target.user])  # fmt: skip
        assert (last <= target.time).all()
    if world.protocol in ("time", "first-seen"):
        assert world.known.time.max() < target.time.min()


def test_added_items_bring_their_text_and_the_facts_that_the_graph_can_know(world):
    from recsys.serving.items import match_attributes

    graph, rows = world.warm.graph(), np.flatnonzero(world.cold)
    new = world.cold_catalog()
    assert new.ids.ids == tuple(world.catalog.ids.decode(rows))
    assert new.full_texts() == [world.catalog.full_texts()[row] for row in rows.tolist()]
    found = match_attributes(graph, new)
    assert found
    for relation, (row, node) in found.items():
        kind = relation[2]
        pairs = {(rows[r], graph.vocabs[kind].ids[n]) for r, n in zip(row, node, strict=True)}
        item, code = world.facts.edges[relation]
        names = world.facts.vocabs[kind].ids
        truth = {(i, names[c]) for i, c in zip(item, code, strict=True)
                 if world.cold[i] and names[c] in graph.vocabs[kind]}  # fmt: skip
        assert pairs == truth


def test_one_of_each_ten_items_of_like_popularity():
    from worlds import one_of_each

    counts = np.concatenate([np.zeros(7, int), np.random.default_rng(0).permutation(100) + 1])
    drawn = [one_of_each(counts, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()
    assert sorted((counts[drawn[2]] - 1) // 10) == list(range(10))


def test_own_order_cuts_each_user():
    from worlds import own_order

    from kg.events import EventLog

    users = ["a"] * 2 + ["b"] * 5 + ["c"] * 20
    log = EventLog.of(users, [f"i{n}" for n in range(27)], time=np.arange(27))
    split = own_order(log)
    sizes = [part.user_counts().tolist() for part in (split.train, split.valid, split.test)]
    assert sizes == [[2, 3, 14], [0, 1, 2], [0, 1, 4]]
    assert split.test.time.tolist() == [6, 23, 24, 25, 26]
    assert own_order(log, test=False).valid.time.tolist() == [6, 25, 26]


def test_first_seen_items_were_met_by_nobody(data):
    from worlds import load_world

    world = load_world(data, "online-retail-ii", "first-seen")
    cold = [key for key, gone in zip(world.catalog.ids.ids, world.cold, strict=True) if gone]
    assert cold == [str(n) for n in range(25, 33)]
    assert not world.cold[world.met.item].any()


def test_articles_are_called_by_tags_and_join_what_they_cite(data):
    from worlds import load_world

    world = load_world(data, "citeulike-a-coldstart")
    place = {key: n for n, key in enumerate(world.catalog.ids.ids)}
    assert world.catalog.titles[place["p0"]] == "bayes, rare one"
    new = world.cold_catalog()
    cites = [set(cell) for cell in new.attribute("cites").cells(4)]
    assert cites == [set(), set(), {"p0", "p12"}, set()]
    valid = load_world(data, "citeulike-a-coldstart", part="valid")
    np.testing.assert_array_equal(valid.cold, world.cold)
    assert len(valid.split.test) == 40
    met = Sequences.of(world.met)  # validation pairs leave the lists of the test
    assert met.lengths.sum() == 20 * 6


def test_misuse_is_named(data):
    from worlds import load_world

    with pytest.raises(UsageError, match="Unknown set 'amazon'"):
        load_world(data, "amazon")
    with pytest.raises(UsageError, match=r"can be asked by: own\. Got 'time'"):
        load_world(data, "movielens-small-kg", "time")


# ---- judging -----------------------------------------------------------------------------------


def test_a_perfect_and_an_upside_down_model(data):
    from judge import judge
    from worlds import load_world

    world = load_world(data, "movielens-small-kg")
    truth = Sequences.of(world.split.test).matrix().toarray().astype(np.float32)

    def known(histories):
        return truth[histories.who]

    best, arrays = judge(known, world)
    worst, _ = judge(lambda histories: -known(histories), world)
    late, _ = judge(lambda histories: known(histories) - 9 * world.cold, world)
    early, _ = judge(lambda histories: known(histories) + 9 * world.cold, world)
    for view in ("cold", "all", "warm in all", "warm alone"):
        assert best[view]["recall@20"] == pytest.approx(1)
    assert best["cold in all"]["recall@20"] == pytest.approx(1)
    assert worst["all"]["ndcg@20"] < 0.1
    assert late["warm loss"] == late["cold share of lists"] == 0
    assert early["warm loss"] > 0.1
    assert early["warm alone"] == late["warm alone"] == best["warm alone"]
    assert best["cold"]["users"] == len(arrays["cold/user"])
    assert best["all"]["targets"] == best["cold"]["targets"] + best["warm in all"]["targets"]


def test_buckets_hold_each_cold_target_once(data):
    from judge import buckets_of, judge
    from worlds import load_world

    world = load_world(data, "movielens-small-kg")
    rng = np.random.default_rng(0)
    told, _ = judge(lambda h: rng.random((len(h), 60)), world, buckets_of(world))
    for rows in told["by"].values():
        assert sum(row["targets"] for row in rows.values()) == told["cold"]["targets"]
    assert told["by"]["facts"]["1-2"]["targets"] == told["cold"]["targets"]


# ---- ours --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ours(data):
    from ours import Training, trained, with_cold
    from worlds import load_world

    world = load_world(data, "movielens-small-kg")
    rec, facts = trained(world.warm, Training(epochs=2, encoder="hash"), None)
    assert facts["epochs"] == 2
    return world, rec, with_cold(rec, world.cold_catalog())[0]


def test_scores_are_those_that_recommend_ranks_by(ours):
    from ours import scorer

    world, _, rec = ours
    histories, _ = world.questions()
    scores = scorer(rec, world.catalog)(histories)
    scores[histories.row, histories.item] = -np.inf
    for user in (0, 7, 33):
        answers = rec.recommend(user=world.known.users.ids[user], k=12, filter_seen=True)
        order = np.argsort(-scores[user], kind="stable")[:12]
        assert [one.item for one in answers] == world.catalog.ids.decode(order)
        np.testing.assert_allclose([one.score for one in answers], scores[user, order], rtol=1e-4)


def test_with_items_leaves_the_scores_of_warm_items_alone(ours):
    from ours import scorer

    world, warm, rec = ours
    histories, _ = world.questions()
    after = scorer(rec, world.catalog)(histories)[:, ~world.cold]
    own = replace(histories, item=np.cumsum(~world.cold)[histories.item] - 1,
                  num_items=len(world.warm.catalog))  # fmt: skip
    before = scorer(warm, world.warm.catalog)(own)
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5)


def test_variants_mask_parts_of_added_items_only(ours):
    from ours import VARIANTS, lacking, scorer

    world, warm, rec = ours
    new = rec.items.trained
    histories, _ = world.questions()
    whole = scorer(rec, world.catalog)(histories)
    for name, part in (("kgintent-text", "graph_part"), ("kgintent-graph", "text_part")):
        one = lacking(warm, rec, VARIANTS[name])
        assert not getattr(one.items, part)[new:].any()
        np.testing.assert_array_equal(getattr(one.items, part)[:new],
                                      getattr(rec.items, part)[:new])  # fmt: skip
        scores = scorer(one, world.catalog)(histories)
        np.testing.assert_allclose(scores[:, ~world.cold], whole[:, ~world.cold], rtol=1e-5)
        assert not np.allclose(scores[:, world.cold], whole[:, world.cold])
    same = lacking(warm, rec, ())
    np.testing.assert_array_equal(scorer(same, world.catalog)(histories), whole)


# ---- scripts -----------------------------------------------------------------------------------


def words(data: Path, out: Path, *more: object, name: str = "movielens-small-kg") -> list[str]:
    places = ("--data", data, "--out", out, "--runs", out / "runs", "--cache", out / "texts")
    return [*map(str, (*places, "--set", name, "--encoder", "hash", "--epochs", 1, *more))]


@pytest.fixture
def hashed(monkeypatch):
    """Texts by a quick encoder for the rivals too."""
    import cold_users
    import contents

    encoder = HashEncoder(64)
    for module in (contents, cold_users):
        monkeypatch.setattr(module, "texts_of",
                            lambda task, told: _told(encoder, task, told))  # fmt: skip


def _told(encoder, task, told):
    told["text_seconds"] = 0.0
    return encoder.encode(task.catalog.full_texts())


def test_every_unit_once_and_a_table(data, tmp_path, capsys, hashed):
    import run
    import table

    out = tmp_path / "out"
    for method in ("random", "text-knn-mean", "ridge-ials"):
        run.main(words(data, out, "--method", method, "--trials", 2))
    for seed in (0, 1):
        run.main(words(data, out, "--method", "kgintent", "--seed", seed))
    place = out / "movielens-small-kg" / "own"
    units = {file.relative_to(place).as_posix() for file in place.glob("*/*-test.json")}
    variants = ("kgintent", "kgintent-graph", "kgintent-text", "kgintent-vectors")
    rivals = ("random", "ridge-ials", "text-knn-mean")
    assert units == {*(f"{name}/{seed}-test.json" for name in variants for seed in (0, 1)),
                     *(f"{name}/0-test.json" for name in rivals)}  # fmt: skip
    found = json.loads((place / "ridge-ials" / "0-test.json").read_text())
    search = json.loads((place / "ridge-ials" / "search.json").read_text())
    assert found["params"] == search["chosen"]
    assert [bool(trial["params"]) for trial in search["trials"]] == [False, True]
    assert str(tmp_path) not in (place / "kgintent" / "0-test.json").read_text()
    capsys.readouterr()
    run.main(words(data, out, "--method", "kgintent"))
    assert "skipped" in capsys.readouterr().out
    table.main(["--results", str(out), "--set", "movielens-small-kg"])
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("| kgintent | 2 | 0.") and "±" in line for line in lines)
    assert (place / "test.md").exists()


def test_a_trained_run_is_taken_again(data, tmp_path, hashed):
    import run

    run.main(words(data, tmp_path / "a", "--method", "kgintent", "--runs", tmp_path / "runs"))
    run.main(words(data, tmp_path / "b", "--method", "kgintent", "--runs", tmp_path / "runs"))
    first, again = (
        json.loads((tmp_path / name / "movielens-small-kg/own/kgintent/0-test.json").read_text())
        for name in "ab"
    )
    assert again["loaded"]
    for view in ("cold", "all", "warm alone"):
        assert again[view] == first[view]


def test_warm_up_gives_each_cold_item_its_first_events(data):
    import warm_up
    from worlds import load_world

    world = load_world(data, "movielens-small-kg")
    place = warm_up.places(world, 0)
    whole = world.split.before_test()
    for n in (0, 2, 500):
        later = warm_up.with_events(world, place, n)
        counts = later.known.item_counts()
        expected = np.minimum(whole.item_counts(), n)
        np.testing.assert_array_equal(counts[world.cold], expected[world.cold])
        np.testing.assert_array_equal(counts[~world.cold], whole.item_counts()[~world.cold])
        assert (later.cold == (world.cold & (counts == 0))).all()
        assert len(later.warm.catalog) == (~later.cold).sum()
    two = warm_up.with_events(world, place, 2)
    for item in np.flatnonzero(world.cold & ~two.cold).tolist():
        given = np.sort(two.known.time[two.known.item == item])
        first = np.sort(whole.time[whole.item == item])[: len(given)]
        np.testing.assert_array_equal(given, first)


def test_warm_up_script(data, tmp_path, capsys, hashed):
    import warm_up

    told = {}
    for way in ("ease", "retrained", "live", "ridge-ials"):
        counts = (0, 5)
        warm_up.main(words(data, tmp_path, "--way", way, "--counts", *counts))
        for n in counts:
            file = tmp_path / f"movielens-small-kg/own/{way}/0-{n}-test.json"
            told[way, n] = json.loads(file.read_text())["cold"]
    assert told["ease", 0]["ndcg@20"] == 0  # no event, no score
    assert told["ease", 5]["ndcg@20"] > 0
    assert len({(row["users"], row["targets"]) for row in told.values()}) == 1
    assert told["live", 0] == told["retrained", 0]
    assert told["live", 5] != told["live", 0]
    capsys.readouterr()
    warm_up.main(words(data, tmp_path, "--table"))
    assert "| retrained | 0." in capsys.readouterr().out


def test_cold_users_are_in_no_training_and_are_told_apart(data):
    import cold_users

    for part in ("test", "valid"):
        people = cold_users.held_out(data, "movielens-small-kg", "own", 0, part)
        many = len(people.users)
        assert many == (8 if part == "test" else 7)
        assert not np.isin(people.task.learn.user, people.users).any()
        assert people.histories(3).lengths.tolist() == [3] * many
        first = people.histories(5)
        pairs = set(zip(people.users[first.row].tolist(), first.item.tolist(), strict=True))
        targets = set(zip(people.target.user.tolist(), people.target.item.tolist(), strict=True))
        assert not pairs & targets
        assert len(targets) == many * 7  # 12 events each, nobody takes an item twice


def test_cold_users_script(data, tmp_path, capsys, hashed):
    import cold_users

    cold_users.main(words(data, tmp_path))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| method | query | 1 events | 2 events | 3 events | 5 events |"
    rows = {line.split(" | ")[0].strip("| ") for line in lines[2:]}
    assert rows >= {"kgintent", "kgintent-search", "text-knn", "session-knn", "popularity"}
    told = json.loads((tmp_path / "movielens-small-kg/own/0-test.json").read_text())
    assert set(told["params"]) == {"text-knn", "session-knn"}


def test_queries_lose_a_word_and_swap_two(data):
    import cold_users

    people = cold_users.held_out(data, "movielens-small-kg", "own", 0, "test")
    queries = cold_users.made_queries(people, np.random.default_rng(0))
    titles = [people.task.catalog.title(code) for code in people.histories(1).item.tolist()]
    for query, title in zip(queries, titles, strict=True):
        assert len(query.split()) == len(title.split()) - 1
        assert set(query.split()) < set(title.split())
        assert query not in title
