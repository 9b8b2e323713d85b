"""From a format of the field to a data folder by what `convert` says to type next."""

import re
import shlex
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from kg.formats import FORMATS
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
    (tmp_path / "there/there.taste_useremb").unlink()
    (tmp_path / "there/there.user").write_text(
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


# ---- the one command of each format, as the docs tell it ---------------------------------

DOCS = Path(__file__).parents[2] / "docs" / "data.md"
ROWS = re.findall(
    r"^\| `([\w-]+)` \|.*\| `kgintent ([^`]+)` \| read", DOCS.read_text("utf-8"), re.M
)
INTER = "user_id:token\titem_id:token\ttimestamp:float\nu\ti1\t1\nu\ti2\t2\nv\ti1\t3\n"
FACT = """@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
<http://e/heat> rdfs:label "Heat" ; <http://e/director> <http://e/mann> .
<http://e/mann> rdfs:label "M. Mann" .
"""
GRAPHML = """<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
<key id="r" for="edge" attr.name="relation" attr.type="string"/>
<key id="n" for="node" attr.name="name" attr.type="string"/>
<graph edgedefault="directed"><node id="heat"><data key="n">Heat</data></node><node id="mann"/>
<edge source="heat" target="mann"><data key="r">director</data></edge></graph></graphml>
"""
SOURCES = {
    "recbole": {"ml-100k.inter": INTER, "ml-100k.user": "user_id:token\tage:float\nu\t7\n"},
    "kgat": {"train.txt": "0 1 0 2\n1 2 0\n", "test.txt": "0 3\n", "kg_final.txt": "0 0 4\n"},
    "gorse": {"feedback.jsonl": '{"FeedbackType":"read","UserId":"u","ItemId":"i1"}\n'},
    "movielens": {
        "ratings.dat": "1::1193::5::978300760\n2::1::3::978298413\n",
        "movies.dat": "1::Toy Story (1995)::Comedy\n1193::Heat (1995)::Drama\n",
        "users.dat": "1::F::1::10::48067\n",
    },
    "mind": {
        "behaviors.tsv": "1\tU1\t11/15/2019 8:55:22 AM\tN3\tN2-1 N3-0\n",
        "news.tsv": "N2\tnews\t\tRain\t\thttps://x/y\t[]\t[]\nN3\tvideo\tcats\tA cat\t\tz\t[]\t\n",
    },
    "retailrocket": {
        "events.csv": "timestamp,visitorid,event,itemid,transactionid\n1433221332117,1,view,5,\n",
        "item_properties_part1.csv": "timestamp,itemid,property,value\n1,5,categoryid,9\n",
        "category_tree.csv": "categoryid,parentid\n9,\n",
    },
    "diginetica": {
        "train-item-views.csv": "sessionId;userId;itemId;timeframe;eventdate\n"
        "1;NA;81766;526309;2016-05-09\n",
        "products.csv": "itemId;pricelog2;product.name.tokens\n81766;10;4875,776\n",
        "product-categories.csv": "itemId;categoryId\n81766;1096\n",
    },
    "amazon": {
        "Shoes_5.json": '{"overall": 4.0, "reviewerID": "A1", "asin": "B1", '
        '"unixReviewTime": 1514764800}\n',
        "meta_Shoes.json": '{"asin": "B1", "title": "Boot", "brand": "Acme"}\n',
    },
    "rectools": "user_id,item_id,weight,datetime\nu,i1,2,2024-01-02\n",
    "ms-recommenders": "userID,itemID,rating,timestamp\nu,i1,2,1704153600\n",
    "elliot": "u\ti1\t3\t1704153600\n",
    "cornac": "u\ti1\t3\t1704153600\n",
    "librec": "u,i1,1,1704153600\n",
    "rdf": FACT,
    "graphml": GRAPHML,
}


def test_the_docs_have_a_command_for_each_format():
    assert [name for name, _ in ROWS] == list(FORMATS)


def lay(form, place, call):
    """A small source in this format at this place."""
    if form in ("graph", "data", "plain"):
        lay("rectools", Path("events.csv"), call)
        Path("items.csv").write_text("item_id,title,kind\ni1,One,a\ni2,Two,a\n")
    if form == "plain":
        place.mkdir()
        for name in ("events.csv", "items.csv"):
            Path(name).rename(place / name)
    elif form == "graph":
        words = ["kg", "from-table", "items.csv", "-o", place, "--relations", "kind"]
        assert call(*words)[0] == 0
    elif form == "data":
        assert call("build", "events.csv", "items.csv", "-o", place)[0] == 0
    elif isinstance(files := SOURCES[form], str):
        place.write_text(files)
    else:
        place.mkdir()
        for name, text in files.items():
            (place / name).write_text(text)


@pytest.mark.parametrize(("form", "command"), ROWS)
def test_the_command_of_the_docs_and_the_next_one_work(form, command, call, tmp_path, monkeypatch):
    if form == "rdf":
        pytest.importorskip("pyoxigraph")
    monkeypatch.chdir(tmp_path)
    words = shlex.split(command)
    lay(form, Path(words[1]).parent if form == "plain" else Path(words[1]), call)
    code, _, err = call(*words)
    assert code == 0, err
    if form == "plain":
        return
    told = next_command(err, "DATA")
    assert all(Path(word).exists() for word in told if "/" in word and "=" not in word), told
    if "EVENTS" in told or "ITEMS" in told or told[0] == "kg":
        assert form in ("rdf", "graphml", "graph")
        Path("EVENTS").write_text("user_id,item_id,timestamp\nu,i1,1\nv,i2,2\n")
        Path("ITEMS").write_text("item_id,title\ni1,heat\ni2,Two\n")
    code, _, err = call(*shlex.split(" ".join(told)))
    assert code == 0, err
    if told[0] == "build":
        data = load_dataset("DATA")
        assert len(data.log)
        assert data.log.ordered == (form != "kgat")


def test_a_data_folder_comes_back_as_it_was(call, tmp_path):
    """Columns of people too stand in one place alone: in their table, not among the facts."""
    (tmp_path / "e.csv").write_text(
        "user,item,time\n" + "".join(f"u{n % 3},i{n % 4},{10**9 + n}\n" for n in range(12))
    )
    (tmp_path / "i.csv").write_text(
        "item_id,title,kind,city\n"
        + "".join(f"i{n},Thing {n},k{n % 2},c{n % 3}\n" for n in range(4))
    )
    (tmp_path / "u.csv").write_text("user_id,city\nu0,Bern\nu1,Rome\nu2,Bern\n")
    (tmp_path / "t.csv").write_text("head,relation,tail\ni0,near,i1\ni0,by,Ann\n")
    first = ["build", tmp_path / "e.csv", tmp_path / "i.csv", "--users", tmp_path / "u.csv",
             "--triples", tmp_path / "t.csv", "-o", tmp_path / "one"]  # fmt: skip
    assert call(*first)[0] == 0
    code, _, err = call("convert", tmp_path / "one", tmp_path / "plain")
    assert code == 0, err
    code, _, err = call(*next_command(err, tmp_path / "two"))
    assert code == 0, err
    one, two = (load_dataset(tmp_path / name).graph.facts() for name in ("one", "two"))
    assert {r: e.shape[1] for r, e in one.edges.items()} == {
        r: e.shape[1] for r, e in two.edges.items()
    }


def test_facts_of_a_graph_that_was_given_are_told(call, tmp_path):
    (tmp_path / "e.csv").write_text("user,item,time\nu,i0,10\nu,i1,20\nv,i0,30\nv,i1,40\n")
    (tmp_path / "i.csv").write_text(
        "item_id,title,kind\n" + "".join(f"i{n},Thing {n},a > b{n % 2}\n" for n in range(4))
    )
    assert call("kg", "from-table", tmp_path / "i.csv", "--relations", "kind:hierarchy(>)",
                "-o", tmp_path / "g")[0] == 0  # fmt: skip
    assert call("build", tmp_path / "e.csv", tmp_path / "i.csv", "--graph", tmp_path / "g",
                "-o", tmp_path / "d")[0] == 0  # fmt: skip
    code, _, err = call("convert", tmp_path / "d", tmp_path / "plain")
    assert code == 0, err
    assert "The facts kind of items were made by `kg from-table`" in err
    assert not (tmp_path / "plain" / "triples.csv").exists()


def test_facts_of_triples_that_are_called_like_a_column_stay(call, tmp_path):
    (tmp_path / "e.csv").write_text("user,item,time\nu,i0,10\nu,i1,20\nv,i0,30\nv,i1,40\n")
    (tmp_path / "i.csv").write_text("item_id,title,brand\ni0,A,x\ni1,B,y\ni2,C,x\n")
    (tmp_path / "t.csv").write_text("head,relation,tail\ni0,brand,B1\nB1,part_of,B2\ni1,near,i2\n")
    assert call("build", tmp_path / "e.csv", tmp_path / "i.csv", "--triples", tmp_path / "t.csv",
                "-o", tmp_path / "d")[0] == 0  # fmt: skip
    code, _, err = call("convert", tmp_path / "d", tmp_path / "plain")
    assert code == 0, err
    assert "kg from-table" not in err
    facts = pl.read_csv(tmp_path / "plain" / "triples.csv")
    assert facts["relation"].sort().to_list() == ["brand", "near", "part_of"]
