"""`kgintent kg link` in one process."""

import json

import polars as pl
import pytest

from kg.formats.rdf import read_rdf

pytest.importorskip("rapidfuzz")

ITEMS = """item_id,title
01,Heat (1995)
02,The Shawshank Redemption (1994)
03,Rocky II (1979)
04,Zebra crossing
"""
ENTITIES = """entity_id,type,name
http://e/heat,film,Heat (1995 film)
http://e/shaw,film,"Shawshenk Redemption, The"
http://e/rocky3,film,Rocky III (1979)
http://e/mann,person,Michael Mann
"""


@pytest.fixture
def world(tmp_path):
    """items.csv and a plain folder `plain`."""
    (tmp_path / "items.csv").write_text(ITEMS, "utf-8")
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "entities.csv").write_text(ENTITIES, "utf-8")
    (plain / "triples.csv").write_text("head,relation,tail\nhttp://e/heat,by,http://e/mann\n")
    return tmp_path


@pytest.fixture
def run(call, world):
    """`kg link` of the world with further words; gives exit code, the rows told, and stderr."""

    def go(*words, entities="plain"):
        out = ("-o", world / "links.csv")
        code, told, err = call(
            "kg", "link", world / "items.csv", world / entities, *out, *words, "--json"
        )
        return code, [json.loads(line) for line in told.splitlines()], err

    return go


def mistake(answer, code):
    assert answer[0] == code, answer
    assert answer[1] == []
    (told,) = [line for line in answer[2].splitlines() if line.startswith("kgintent: ")]
    return told


def rows(file):
    return pl.read_csv(file, infer_schema=False).rows()


LINKED = [("http://e/heat", "01", "1.0000", "exact"), ("http://e/shaw", "02", "0.9200", "fuzzy")]


def test_links_and_a_review_that_comes_back(run, world):
    review = world / "review.csv"
    code, told, err = run("--review", review)
    assert code == 0, err
    assert told == [{"items": 4, "entities": 4, "accepted": 2, "exact": 1, "fuzzy": 1, "text": 0,
                     "person": 0, "review": 1, "none": 1}]  # fmt: skip
    found = rows(world / "links.csv")
    assert [row[:2] + row[3:] for row in found] == [row[:2] + row[3:] for row in LINKED]
    assert float(found[1][2]) == pytest.approx(23 / 24 * 0.96, abs=1e-4)
    assert [row[0] for row in rows(review)] == ["03"]

    text = review.read_text("utf-8")
    review.write_text(text.replace(',""\n', ",x\n"), "utf-8")
    code, told, err = run("--reviewed", review)
    assert code == 0, err
    assert (told[0]["accepted"], told[0]["person"], told[0]["review"]) == (3, 1, 0)
    assert ("http://e/rocky3", "03", "1.0000", "person") in rows(world / "links.csv")


def test_marks_of_a_person_are_not_overwritten(run, world):
    review = world / "review.csv"
    assert run("--review", review)[0] == 0
    before = review.read_bytes()
    assert "--reviewed" in mistake(run("--review", review), 2)
    assert review.read_bytes() == before


@pytest.mark.parametrize("option", ["-o", "--review"])
@pytest.mark.parametrize(
    "name",
    ["plain/entities.csv", "plain/triples.csv", "plain/../plain/entities.csv", "plain/Users.tsv",
     "plain/entities.csv.gz", "plain/image.npz", "to/entities.csv", "again.csv"],
)  # fmt: skip
def test_what_is_read_is_not_written_over(run, world, option, name):
    (world / "to").symlink_to(world / "plain")
    (world / "again.csv").symlink_to(world / "items.csv")
    files = (world / "items.csv", *sorted((world / "plain").iterdir()))
    before = {file: file.read_bytes() for file in files}
    if option == "-o":
        told = mistake(run("-o", world / name), 2)
    else:
        (world / "plain" / "triples.csv").unlink()  # a review that exists is refused anyway
        del before[world / "plain" / "triples.csv"]
        told = mistake(run("--review", world / name), 2)
    assert name in told
    assert {file: file.read_bytes() for file in before} == before
    assert not (world / "links.csv").exists()


def test_a_copy_is_made_beside_its_folder_and_the_links(run, world):
    assert "lies in" in mistake(run("--apply", world / "plain" / "linked"), 2)
    made = world / "made"
    assert "lies in" in mistake(run("-o", made / "links.csv", "--apply", made), 2)
    assert "lies in" in mistake(run("--review", made / "review.csv", "--apply", made), 2)
    assert not made.exists()
    made.mkdir()
    (made / "x").touch()
    assert "not empty" in mistake(run("--apply", made), 2)
    assert not (world / "links.csv").exists()


def test_links_may_lie_beside_the_tables_of_a_folder(run, world):
    for _ in range(2):
        code, _, err = run("-o", world / "plain" / "links.csv")
        assert code == 0, err
    assert len(rows(world / "plain" / "links.csv")) == 2


def test_nothing_doubtful_writes_no_review(run, world):
    (world / "items.csv").write_text("item_id,title\n01,Heat (1995)\n", "utf-8")
    code, told, err = run("--review", world / "review.csv")
    assert (code, told[0]["review"]) == (0, 0)
    assert "not written" in err
    assert not (world / "review.csv").exists()


def test_the_threshold_is_the_users(run):
    assert run("--least", "0.95")[1][0]["accepted"] == 1
    assert "least" in mistake(run("--least", "2"), 2)


def test_apply_makes_a_copy_with_the_items(run, world):
    file = world / "plain" / "entities.csv"
    before = file.read_bytes()
    assert run("--apply", world / "applied")[0] == 0
    made = pl.read_csv(world / "applied" / "entities.csv", infer_schema=False)
    assert made["item_id"].to_list() == ["01", "02", None, None]
    assert made.drop("item_id").equals(pl.read_csv(file, infer_schema=False))
    triples = "triples.csv"
    assert (world / "applied" / triples).read_text() == (world / "plain" / triples).read_text()
    assert file.read_bytes() == before
    assert "exists" in mistake(run("--apply", world / "applied"), 2)
    assert "plain folder" in mistake(run("--apply", world / "b", entities="plain/entities.csv"), 2)


def test_apply_keeps_what_stood_there(run, world):
    (world / "plain" / "entities.csv").write_text(
        "entity_id,item_id,name\nhttp://e/heat,04,Heat (1995)\nx,,Rocky II (1979)\n", "utf-8"
    )
    assert run("--apply", world / "applied")[0] == 0
    assert rows(world / "applied" / "entities.csv") == [
        ("http://e/heat", "04", "Heat (1995)"), ("x", "03", "Rocky II (1979)")
    ]  # fmt: skip


def test_an_encoder_finds_more(run, world):
    (world / "items.csv").write_text("item_id,title\n01,Mann Michael\n", "utf-8")
    assert run()[1][0]["accepted"] == 0
    code, told, err = run("--encoder", "hash")
    assert code == 0, err
    assert (told[0]["accepted"], told[0]["text"]) == (1, 1)


def test_rdf_takes_the_links(run, world):
    pytest.importorskip("pyoxigraph")
    graph = world / "g.nt"
    graph.write_text("<http://e/heat> <http://e/by> <http://e/mann> .\n", "utf-8")
    assert run()[0] == 0
    entities = read_rdf(graph, links=world / "links.csv").entities
    assert dict(entities.select("entity_id", "item_id").iter_rows()) == {
        "http://e/heat": "01", "http://e/mann": None
    }  # fmt: skip


def test_mistakes_are_one_sentence_and_write_nothing(run, world):
    assert "no file" in mistake(run(entities="nowhere"), 2)
    (world / "bad.csv").write_text("item_id,entity_id,take\n01,http://e/heat,perhaps\n", "utf-8")
    assert "bad.csv, line 2" in mistake(run("--reviewed", world / "bad.csv"), 1)
    assert "another file" in mistake(run("--review", world / "links.csv"), 2)
    (world / "items.csv").write_text("item_id\n01\n", "utf-8")
    assert "title" in mistake(run(), 1)
    assert not (world / "links.csv").exists()


def test_columns_can_be_named(run, world):
    (world / "items.csv").write_text(ITEMS.replace("item_id,title", "Nummer,Titel"), "utf-8")
    told = ENTITIES.replace("entity_id,type,name", "uri,type,label")
    (world / "theirs.csv").write_text(told, "utf-8")
    code, _, err = run(entities="theirs.csv")
    assert code == 1
    assert "--columns item_id=NAME" in err
    words = ("--columns", "item_id=Nummer,title=Titel,entity_id=uri,name=label")
    code, (row,), err = run(*words, entities="theirs.csv")
    assert code == 0, err
    assert (row["items"], row["entities"]) == (4, 4)
    assert row["accepted"] >= 1
