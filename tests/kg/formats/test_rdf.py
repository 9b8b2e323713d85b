"""RDF in its syntaxes, what is left out of it, what is refused, and back."""

from __future__ import annotations

import builtins
import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg.errors import DataError, UsageError
from kg.formats.rdf import FORMAT, OWN, local_name, read_rdf, write_rdf
from kg.formats.tables import Tables

pytest.importorskip("pyoxigraph")

LABEL = "<http://www.w3.org/2000/01/rdf-schema#label>"
TYPE = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>"
FACT = "<http://e/a> <http://e/next> <http://e/a> .\n"
SAME = {
    "g.nt": f"""\
<http://e/heat> {TYPE} <http://e/o#Film> .
<http://e/heat> {LABEL} "Heat"@en .
<http://e/heat> {LABEL} "Hitze"@de .
<http://e/heat> <http://e/o#director> <http://e/mann> .
<http://e/heat> <http://e/o#year> "1995" .
<http://e/heat> <http://e/o#cut> _:c .
_:c <http://e/o#of> <http://e/heat> .
""",
    "g.ttl": """\
@prefix e: <http://e/> . @prefix o: <http://e/o#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
e:heat a o:Film ; rdfs:label "Hitze"@de, "Heat"@en ; o:director e:mann ; o:year "1995" ;
  o:cut _:c . _:c o:of e:heat .
""",
    "g.rdf": """\
<?xml version="1.0"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:o="http://e/o#"
  xmlns:rdfs="http://www.w3.org/2000/01/rdf-schema#">
<o:Film rdf:about="http://e/heat"><rdfs:label xml:lang="en">Heat</rdfs:label>
<rdfs:label xml:lang="de">Hitze</rdfs:label><o:director rdf:resource="http://e/mann"/>
<o:year>1995</o:year><o:cut rdf:nodeID="c"/></o:Film>
<rdf:Description rdf:nodeID="c"><o:of rdf:resource="http://e/heat"/></rdf:Description>
</rdf:RDF>
""",
    "g.jsonld": """\
{"@context": {"o": "http://e/o#", "label": "http://www.w3.org/2000/01/rdf-schema#label"},
 "@id": "http://e/heat", "@type": "o:Film", "o:year": "1995",
 "label": [{"@value": "Heat", "@language": "en"}, {"@value": "Hitze", "@language": "de"}],
 "o:director": {"@id": "http://e/mann"},
 "o:cut": {"@id": "_:c", "o:of": {"@id": "http://e/heat"}}}
""",
}
SAME["g.nq"] = SAME["g.nt"].replace(" .\n", " <http://e/graph> .\n")
SAME["g.trig"] = SAME["g.ttl"]
SAME["g.owl"] = SAME["g.xml"] = SAME["g.rdf"]


def _file(folder: Path, text: str | bytes, name: str = "g.nt") -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def _read(folder: Path, text: str | bytes, name: str = "g.nt", **options: Any) -> Tables:
    return read_rdf(_file(folder, text, name), **options)


def _triples(tables: Tables) -> list[tuple[str, ...]]:
    assert tables.triples is not None
    return tables.triples.rows()


def _column(tables: Tables, name: str) -> dict[str, str | None]:
    assert tables.entities is not None
    return dict(tables.entities.select("entity_id", name).iter_rows())


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("zipped", [False, True])
def test_a_graph_is_the_same_in_every_syntax(tmp_path: Path, name: str, zipped: bool) -> None:
    raw = SAME[name].encode()
    file = _file(tmp_path, gzip.compress(raw) if zipped else raw, name + ".gz" * zipped)
    assert FORMAT.recognises(file)
    tables = FORMAT.read(file)
    assert _triples(tables) == [
        ("_:c", "of", "http://e/heat"),
        ("http://e/heat", "cut", "_:c"),
        ("http://e/heat", "director", "http://e/mann"),
        ("http://e/heat", "year", "year=1995"),
    ]
    assert tables.entities is not None
    assert tables.entities.rows(named=True) == [
        {"entity_id": "_:c", "type": "entity", "name": None},
        {"entity_id": "http://e/heat", "type": "Film", "name": "Heat"},
        {"entity_id": "http://e/mann", "type": "entity", "name": None},
        {"entity_id": "year=1995", "type": "year", "name": "1995"},
    ]
    assert "Left out 1 further names (other languages, other labels of the same entity)." in (
        tables.notes
    )
    assert any("names of graphs" in note for note in tables.notes) == (name == "g.nq")


@pytest.mark.parametrize(
    ("language", "labels", "name"),
    [
        ("en", '"C"@fr|"B"|"A"@en', "A"),
        ("en", '"C"@fr|"B"|"A"@en-GB', "A"),
        ("en", '"C"@en-GB|"B"@en', "B"),
        ("de", '"C"@fr|"B"|"A"@en', "B"),
        ("de", '"C"@fr|"A"@zh|"B"@en', "B"),
        ("FR", '"C"@fr|"B"|"A"@en', "C"),
        ("en", '"  "@en|"B"@de', "B"),
    ],
)
def test_the_name_is_in_the_language_asked_for(
    tmp_path: Path, language: str, labels: str, name: str
) -> None:
    text = "".join(f"<http://e/a> {LABEL} {label} .\n" for label in labels.split("|"))
    tables = _read(tmp_path, text + FACT, language=language)
    assert _column(tables, "name") == {"http://e/a": name}


def test_language_goes_before_the_predicate_and_the_predicate_before_the_alphabet(
    tmp_path: Path,
) -> None:
    text = (
        '<http://e/a> <http://purl.org/dc/terms/title> "A" .\n'
        f'<http://e/a> {LABEL} "Z" .\n'
        '<http://e/b> <http://xmlns.com/foaf/0.1/name> "B"@en .\n'
        f'<http://e/b> {LABEL} "Y" .\n'
    )
    names = _column(_read(tmp_path, text + FACT), "name")
    assert names == {"http://e/a": "Z", "http://e/b": "B"}


def test_types_are_no_triples_and_the_first_by_name_is_taken(tmp_path: Path) -> None:
    text = f"""\
<http://e/a> {TYPE} <http://e/Work> .
<http://e/a> {TYPE} <http://e/Film> .
<http://e/b> {TYPE} <http://e/Work> .
<http://e/b> {TYPE} <http://www.w3.org/2002/07/owl#Thing> .
<http://e/c> {TYPE} <http://www.w3.org/2002/07/owl#Thing> .
<http://e/d> {TYPE} _:x .
<http://e/d> <http://www.w3.org/2002/07/owl#sameAs> <http://e/c> .
"""
    tables = _read(tmp_path, text)
    assert _triples(tables) == [("http://e/d", "sameAs", "http://e/c")]
    types = {"http://e/a": "Film", "http://e/b": "Work", "http://e/c": "Thing"}
    assert _column(tables, "type") == {**types, "http://e/d": "entity"}
    assert "1 entities have several types: the first by name was taken." in tables.notes
    assert "Left out 1 types that are blank nodes." in tables.notes


def test_blank_nodes_without_a_label_are_counted(tmp_path: Path) -> None:
    text = "<http://e/a> <http://e/p> [ <http://e/q> _:b1 ], [ <http://e/q> <http://e/z> ] ."
    first, second = (_triples(_read(tmp_path, text, "g.ttl")) for _ in range(2))
    assert first == second
    assert {end for head, _, tail in first for end in (head, tail)} == {
        "http://e/a", "http://e/z", "_:b1", "_:b2", "_:b3",
    }  # fmt: skip


def test_equal_literals_meet_in_one_node_whatever_their_datatype(tmp_path: Path) -> None:
    text = """\
<http://e/a> <http://e/genre> "Drama" .
<http://e/b> <http://e/genre> " Drama "@en .
<http://e/b> <http://e/genre> "" .
<http://e/c> <http://e/genre> <http://e/Drama> .
"""
    tables = _read(tmp_path, text)
    tails = [tail for _, _, tail in _triples(tables)]
    assert tails == ["genre=Drama", "genre=Drama", "http://e/Drama"]
    assert "Left out 1 empty literals." in tables.notes


@pytest.mark.parametrize(("rows", "different", "kept"), [(20, 10, 20), (20, 11, 0), (19, 19, 19)])
def test_a_predicate_whose_values_mostly_differ_is_left_out(
    tmp_path: Path, rows: int, different: int, kept: int
) -> None:
    text = "".join(f'<http://e/{n}> <http://e/isbn> "{n % different}" .\n' for n in range(rows))
    tables = _read(tmp_path, text + text + FACT)  # said twice: counted once
    assert len(_triples(tables)) == kept + 1
    said = [note for note in tables.notes if "isbn" in note and "literals" in note]
    assert (said == []) == (kept > 0)
    assert kept or "Left out 20 literals" in said[0]


def test_long_literals_are_left_out_and_an_id_is_shortened(tmp_path: Path) -> None:
    text = "".join(f'<http://e/a> <http://e/plot> "{"x" * n}" .\n' for n in (200, 201))
    tables = _read(tmp_path, text)
    assert [tail for _, _, tail in _triples(tables)] == ["plot=" + "x" * 200]
    assert "Left out 1 literals of more than 200 characters: plot 1." in tables.notes
    more = _read(tmp_path, text.replace("x" * 201, "y" * 201), max_literal=300)
    assert _column(more, "name")["plot=" + "y" * 200] == "y" * 201


def test_predicates_with_one_local_name_stay_apart(tmp_path: Path) -> None:
    text = """\
<http://e/a> <http://purl.org/dc/terms/subject> <http://e/s> .
<http://e/a> <http://e/x#subject> <http://e/s> .
<http://e/a> <http://f/x#subject> "s" .
<http://e/a> <http://e/x_subject> <http://e/s> .
<http://e/a> <urn:kgintent:subject> <http://e/s> .
"""
    tables = _read(tmp_path, text)
    assert [(relation, tail) for _, relation, tail in _triples(tables)] == [
        ("dcterms_subject", "http://e/s"),
        ("subject", "http://e/s"),
        ("x_subject", "http://e/s"),
        ("x_subject_2", "http://e/s"),
        ("x_subject_3", "x_subject_3=s"),
    ]


@pytest.mark.parametrize(
    ("iri", "name"),
    [
        ("http://e/o#Film", "Film"),
        ("http://e/o/Film/", "Film"),
        ("urn:isbn:12", "12"),
        ("http://e", "e"),
        (f"{OWN}directed%20by", "directed by"),
        (f"{OWN}http%3A%2F%2Fx", "http://x"),
        ("#", "#"),
    ],
)
def test_local_name(iri: str, name: str) -> None:
    assert local_name(iri) == name


def test_only_what_we_encoded_is_decoded(tmp_path: Path) -> None:
    text = """\
<urn:kgintent:a%20b> <http://e/p> <urn:kgintent:a+b> .
<urn:kgintent:%ff> <http://e/p> <urn:kgintent:%c3%a9> .
<urn:kgintent:http%3A%2F%2Fe> <http://e/p> <http://e> .
"""
    tables = _read(tmp_path, text)
    assert set(_column(tables, "type")) == {
        "a b", "urn:kgintent:a+b", "urn:kgintent:%ff", "urn:kgintent:%c3%a9",
        "urn:kgintent:http%3A%2F%2Fe", "http://e",
    }  # fmt: skip


# Items


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("entity_id,item_id\nhttp://e/heat,7\nhttp://e/none,8\n", "links.csv"),
        ("item_id:token\tentity_id:token\n7\theat\n8\tnone\n", "ml.link"),
    ],
)
def test_links_say_which_entity_is_which_item(tmp_path: Path, table: str, name: str) -> None:
    links = _file(tmp_path, table, name)
    tables = _read(tmp_path, SAME["g.nt"], links=links)
    items = {key: item for key, item in _column(tables, "item_id").items() if item is not None}
    assert items == {"http://e/heat": "7"}
    assert any("links 1 entities that the graph lacks" in note for note in tables.notes)
    assert not any("No entity is linked" in note for note in tables.notes)


def test_the_last_part_of_an_iri_links_only_where_one_entity_has_it(tmp_path: Path) -> None:
    links = _file(tmp_path, "entity_id,item_id\na,1\nb,2\nhttp://f/a,3\nhttp://f/a,4\n", "l.csv")
    text = """\
<http://e/a> <http://e/p> <http://f/a> .
<http://e/a> <http://e/p> <http://e/b> .
<http://e/a> <http://e/path> "c/b" .
"""
    tables = _read(tmp_path, text, links=links)
    assert _column(tables, "item_id") == {
        "http://e/a": None, "http://e/b": "2", "http://f/a": "3", "path=c/b": None,
    }  # fmt: skip
    assert any("1 more items" in note for note in tables.notes)


def test_what_is_called_item_without_being_one_is_not_dropped_later(tmp_path: Path) -> None:
    text = f"""\
<http://e/a> {TYPE} <http://e/item> .
<http://e/b> {TYPE} <http://e/item> .
<http://e/b> <urn:kgintent:item_id> "7" .
<http://e/b> <http://e/item> "x" .
"""
    tables = _read(tmp_path, text)
    types = {"http://e/a": "entity_item", "http://e/b": "item", "item=x": "entity_item"}
    assert _column(tables, "type") == types


# What is refused


BOMB = """\
<?xml version="1.0"?>
<!DOCTYPE rdf:RDF [<!ENTITY a "aaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:e="http://e/">
<rdf:Description rdf:about="http://e/x"><e:p>&b;</e:p></rdf:Description></rdf:RDF>
"""
PROTEGE = """\
<?xml version="1.0"?>
<!DOCTYPE rdf:RDF [
    <!ENTITY e "http://e/" >
    <!ENTITY rdf "http://www.w3.org/1999/02/22-rdf-syntax-ns#" >
]>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:e="http://e/">
<e:Film rdf:about="&e;heat"><e:director rdf:resource="&e;mann"/></e:Film></rdf:RDF>
"""
LATER = "<!--" + "x" * (2**16 - 4 - PROTEGE.index("<!ENTITY rdf") - 20) + "-->"
"""Puts the second entity onto the border between two chunks."""


@pytest.mark.parametrize("before", ["", LATER])
def test_entities_that_stand_for_a_namespace_are_expanded(tmp_path: Path, before: str) -> None:
    text = PROTEGE.replace("<!DOCTYPE", f"{before}<!DOCTYPE")
    tables = read_rdf(_file(tmp_path, text, "g.owl"))
    assert tables.triples is not None
    assert tables.triples.rows() == [("http://e/heat", "director", "http://e/mann")]
    assert _column(tables, "type")["http://e/heat"] == "Film"


PAD = "x" * (2**20 - len("<!---->\n") - BOMB.index("<!ENTITY") - 3)
REFUSED = {
    "broken": ("g.nt", SAME["g.nt"].replace('"Hitze"@de', ""), r"g\.nt, line 3: .* Got '<http"),
    "broken ttl": ("g.ttl", "@prefix e: <http://e/> .\n\ne:a e:p .\n", r"g\.ttl, line 3: "),
    "broken xml": ("g.rdf", SAME["g.rdf"].replace("</o:year>", "</o:yeer>"), r"g\.rdf, line 6: "),
    "broken json": ("g.jsonld", '{"@id": "http://e/a",\n"http://e/p": [}', r"g\.jsonld, line 2: "),
    "bad byte": ("g.nt", b'<a:b> <a:b> <a:b> .\n<a:b> <a:b> "\xff" .\n', r"line 2: .*UTF-8"),
    "bad byte xml": ("g.rdf", SAME["g.rdf"].encode().replace(b"1995", b"\xff"), r"line 6: .*UTF-8"),
    "latin 1": ("g.rdf", SAME["g.rdf"].replace('"?>', '" encoding="latin-1"?>'), "UTF-8"),
    "bomb": ("g.rdf", BOMB, r"g\.rdf, line 3: .*<!ENTITY"),
    "bomb between two chunks": ("g.owl", f"<!--{PAD}-->\n{BOMB}", r"g\.owl, line 4: .*<!ENTITY"),
    "many entities": (
        "g.rdf",
        BOMB.replace('"&a;&a;&a;&a;&a;&a;&a;&a;"', '"b"')
        .replace("aaaaaaaaaa", "a" * 100)
        .replace("&b;", "&a;" * 100_000),
        r"from line 1 on: XML entities must not make the text more than 16 times as long",
    ),
    "long entity": ("g.rdf", BOMB.replace("aaaaaaaaaa", "a" * 201), r"line 2: .*<!ENTITY"),
    "file": ("g.rdf", BOMB.replace('"aaaaaaaaaa"', 'SYSTEM "/etc/x"'), r"line 2: .*<!ENTITY"),
    "zipped bomb": ("g.rdf.gz", gzip.compress(BOMB.encode()), r"line 3: .*<!ENTITY"),
    "cut gzip": ("g.nt.gz", gzip.compress(SAME["g.nt"].encode())[:-9], "cannot be read: Compress"),
    "empty": ("g.nt", "", "is empty"),
    "nothing": ("g.ttl", "@prefix e: <http://e/> .\n", "holds no triple"),
    "zipped nothing": ("g.nt.gz", gzip.compress(b""), "holds no triple"),
    "context": (
        "g.jsonld",
        '{"@context": ["https://schema.org/", {}], "@id": "http://e/a", "name": "x"}',
        r"remote JSON-LD @context \(https://schema.org/\), which is not fetched",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_file_is_refused_with_its_line(tmp_path: Path, case: str) -> None:
    name, content, message = REFUSED[case]
    file = _file(tmp_path, content, name)
    with pytest.raises(DataError, match=message) as caught:
        read_rdf(file)
    assert str(file) in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_a_line_number_has_thousands(tmp_path: Path) -> None:
    text = "<a:b> <a:b> <a:b> .\n" * 1233 + "<a:b> <a:b> .\n"
    with pytest.raises(DataError, match=r"g\.nt, line 1,234: "):
        _read(tmp_path, text)


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    assert len(_triples(_read(tmp_path, b"\xef\xbb\xbf" + SAME["g.nt"].encode()))) == 4


def test_relative_iris_are_of_the_file(tmp_path: Path) -> None:
    tables = _read(tmp_path, "<#a> <http://e/p> <b> .", "my g.ttl")
    assert _triples(tables) == [("file:///my%20g.ttl#a", "p", "file:///b")]


def test_the_limit_counts_every_triple(tmp_path: Path) -> None:
    assert len(_triples(_read(tmp_path, SAME["g.nt"], max_triples=7))) == 4
    with pytest.raises(DataError, match=r"at most 6 triples \(max_triples\)"):
        _read(tmp_path, SAME["g.nt"], max_triples=6)


def test_misuse(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"must end in \.nt, .* Got 'g\.csv'"):
        _read(tmp_path, "a,b\n", "g.csv")
    with pytest.raises(UsageError, match="There is no file"):
        read_rdf(tmp_path / "none.nt")
    with pytest.raises(UsageError, match="folder"):
        read_rdf(tmp_path)
    with pytest.raises(UsageError, match="no"):
        write_rdf(Tables(), tmp_path)


def test_without_pyoxigraph_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name == "pyoxigraph":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(UsageError, match=r"pip install 'kgintent\[rdf\]'"):
        _read(tmp_path, SAME["g.nt"])


def test_other_xml_is_not_recognised(tmp_path: Path) -> None:
    assert FORMAT.recognises(_file(tmp_path, SAME["g.rdf"], "a.xml"))
    assert not FORMAT.recognises(_file(tmp_path, "<a><b/></a>", "b.xml"))
    assert not FORMAT.recognises(_file(tmp_path, b"\x1f\x8bnot gzip", "c.xml.gz"))
    assert not FORMAT.recognises(tmp_path)
    assert not FORMAT.recognises(tmp_path / "none.nt")


# Back


def _table(columns: tuple[str, ...], *rows: tuple[str | None, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")


def test_written_and_read_again(tmp_path: Path) -> None:
    triples = _table(
        ("head", "relation", "tail"),
        ("12", "directed by", "http://e/mann"),
        ("12", "genre", "genre=Drama"),
        ("http://e/mann", "http://e/o#born", "_:x"),
        ("_:bad label", "a:b", "urn:kgintent:z"),
        ("12", "http://www.w3.org/1999/02/22-rdf-syntax-ns#type", "é\n%"),
    )
    entities = _table(
        ("entity_id", "type", "name", "item_id"),
        ("12", "item", 'Heat "1995"\n', "ml-7"),
        ("_:bad label", "b/c", None, None),
        ("_:x", None, None, None),
        ("alone", None, None, None),
        ("genre=Drama", "genre", "Drama", None),
        ("http://e/mann", "Person", "Mann", None),
        ("urn:kgintent:z", "entity", None, None),
        ("é\n%", "entity", None, None),
    )
    write_rdf(Tables(triples=triples, entities=entities), tmp_path)
    assert FORMAT.recognises(tmp_path)
    again = FORMAT.read(tmp_path)
    local = triples.with_columns(pl.col("relation").replace("http://e/o#born", "born"))
    assert again.triples is not None
    assert again.triples.equals(local.sort(pl.all()))
    assert again.entities is not None
    assert again.entities.equals(entities.with_columns(pl.col("type").fill_null("entity")))
    (note,) = again.notes
    assert "the IRIs of 1 predicates" in note
    assert "born is http://e/o#born" in note
    text = (tmp_path / "graph.nt").read_text(encoding="utf-8")
    assert "<urn:kgintent:12> <urn:kgintent:directed%20by> <http://e/mann> ." in text


def test_without_entities_the_items_are_marked(tmp_path: Path) -> None:
    triples = _table(("head", "relation", "tail"), ("7", "genre", "Drama"))
    items = _table(("item_id", "title"), ("7", "Heat"), ("8", "Alien"))
    write_rdf(Tables(triples=triples, items=items), tmp_path)
    again = read_rdf(tmp_path)
    assert _triples(again) == [("7", "genre", "Drama")]
    assert _column(again, "item_id") == {"7": "7", "Drama": None}


def test_triples_alone_without_items(tmp_path: Path) -> None:
    write_rdf(Tables(triples=_table(("head", "relation", "tail"), ("i1", "by", "x"))), tmp_path)
    again = read_rdf(tmp_path)
    assert _triples(again) == [("i1", "by", "x")]
    assert _column(again, "type") == {"i1": "entity", "x": "entity"}


def test_where_no_triple_remains_it_is_told_why(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"g\.nt must hold triples .* None remains beside names"):
        _read(tmp_path, f'<http://e/a> {LABEL} "A" .\n')
    text = "".join(f'<http://e/{n}> <http://e/isbn> "{n}" .\n' for n in range(30))
    with pytest.raises(DataError, match=r"g\.nt must .* Left out 30 literals .*: isbn 30\."):
        _read(tmp_path, text)


def test_iris_that_become_names_are_told(tmp_path: Path) -> None:
    text = (
        "<http://e/a> <http://dbpedia.org/ontology/director> <http://e/b> .\n"
        f"<http://e/a> {TYPE} <http://e/o#Film> .\n"
        f"<http://e/a> <{OWN}made%20by> <http://e/c> .\n"
    )
    (note,) = [note for note in _read(tmp_path, text).notes if "IRIs" in note]
    assert note == (
        "Left out the IRIs of 2 predicates and classes, of which the last part is the name: "
        "director is http://dbpedia.org/ontology/director, …."
    )
    write_rdf(_read(tmp_path, text), tmp_path)
    assert not [note for note in read_rdf(tmp_path).notes if "IRIs" in note]


def test_an_empty_cell_is_not_written(tmp_path: Path) -> None:
    triples = _table(("head", "relation", "tail"), ("a", "r", "b"), ("a", "r", None))
    with pytest.raises(DataError, match="triples, row 2: 'tail' must not be empty"):
        write_rdf(Tables(triples=triples), tmp_path)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
ID = TEXT | TEXT.map("http://e/{}".format) | TEXT.map("_:{}".format) | TEXT.map("urn:{}".format)
NAME = st.none() | TEXT.filter(lambda text: bool(text.strip()))
LINKS = st.lists(st.tuples(ID, TEXT.map("r{}".format), ID), min_size=1, max_size=6, unique=True)


@settings(max_examples=60, deadline=None)
@given(links=LINKS, data=st.data())
def test_any_ids_and_names_come_back(
    tmp_path_factory: pytest.TempPathFactory, links: list[tuple[str, str, str]], data: Any
) -> None:
    folder = tmp_path_factory.mktemp("rdf")
    ids = sorted({end for head, _, tail in links for end in (head, tail)})
    names = {key: data.draw(NAME) for key in ids}
    wanted = _table(("head", "relation", "tail"), *links)
    entities = _table(("entity_id", "name"), *names.items())
    write_rdf(Tables(triples=wanted, entities=entities), folder)
    again = read_rdf(folder)
    # 'r://x' is an IRI, and comes back as its local name
    plain = [row for row in links if "://" not in row[1]]
    assert set(plain) <= set(_triples(again))
    assert len(_triples(again)) == len(links)
    assert set(_column(again, "type")) == set(ids)
    if any(names.values()):
        assert _column(again, "name") == names


def test_elements_that_lie_too_deep_are_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("kg.formats.rdf.parsing.DEEPEST", 40)
    head = '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:e="http://e/">'
    inner = '<rdf:Description rdf:about="http://e/y"/>'

    def nested(depth: int, more: str = "") -> Path:
        body = "<rdf:Description><e:p>\n" * depth + inner + "</e:p></rdf:Description>" * depth
        file = tmp_path / "deep.rdf"
        file.write_text(f"{head}{more}{body}</rdf:RDF>", encoding="utf-8")
        return file

    assert FORMAT.read(nested(10)).triples is not None
    wide = "<!-- " + "<br>" * 100 + " -->"  # looks deep and is not
    assert FORMAT.read(nested(10, wide + "\n" * 70_000)).triples is not None
    file = nested(30, "\n" * 70_000)  # the opening half ends a part of what is read at once
    file.write_text(file.read_text("utf-8").replace(inner, inner + " " * 70_000), "utf-8")
    with pytest.raises(DataError, match=r"deep\.rdf, line 70,020: elements .* more than 40 deep"):
        FORMAT.read(file)


@pytest.mark.parametrize(
    ("start", "end"), [('{"@id":"http://a",\n"http://p":', "}"), ('{"http://p":\n', "}")]
)
def test_json_that_lies_too_deep_is_refused(tmp_path: Path, start: str, end: str) -> None:
    """Some thousand objects in each other end the process in the parser."""

    def nested(depth: int, before: str = "") -> Path:
        text = before + start * depth + '{"@id": "http://b"}' + end * depth
        return _file(tmp_path, text, "deep.jsonld")

    assert FORMAT.read(nested(999)).triples is not None
    for depth in (1000, 6000, 60_000):
        with pytest.raises(DataError, match=r"deep\.jsonld, line 1,001: .* more than 1,000 deep"):
            FORMAT.read(nested(depth))
    with pytest.raises(DataError, match=r"deep\.jsonld, line 3,001: .* more than 1,000 deep"):
        FORMAT.read(nested(6000, "\n" * 2000))


@pytest.mark.parametrize("window", [1, 2, 3, 7, 1 << 20])
def test_brackets_in_texts_of_json_are_not_deep(tmp_path: Path, monkeypatch, window: int) -> None:
    monkeypatch.setattr("kg.formats.rdf.parsing._WINDOW", window)
    monkeypatch.setattr("kg.formats.rdf.parsing.DEEPEST_JSON", 3)
    odd = ["[[[[", '"{{{{', "\\[[[[", '\\"[[[[', '\\\\"[[[[', "]" * 9, "\\", '"\\"']
    objects = [
        {"@id": f"http://e/{n}", "http://e/t": text, "http://e/p": {"@id": "e:x"}}
        for n, text in enumerate(odd)
    ]
    assert len(_triples(_read(tmp_path, json.dumps(objects), "wide.jsonld"))) == 2 * len(odd)
    objects[-1]["http://e/p"] = {"http://e/p": {"@id": "e:x"}}
    with pytest.raises(DataError, match=r"line 1: objects .* more than 3 deep"):
        _read(tmp_path, json.dumps(objects), "wide.jsonld")


def test_what_looks_like_a_triple_in_texts_of_many_statements_is_not_deep(tmp_path: Path) -> None:
    line = '<http://x/{}> <http://x/says> "std::cout <<(a1) " .\n'
    file = _file(tmp_path, "".join(line.format(n) for n in range(10_050)), "code.nt")
    assert read_rdf(file).triples is not None or read_rdf(file).entities is not None


@pytest.mark.parametrize("name", ["deep.nt", "deep.ttl"])
def test_triples_that_stand_too_deep_in_triples_are_refused(tmp_path: Path, name: str) -> None:
    def nested(depth: int) -> str:
        start = "<http://e/a> <http://e/p> " + "<<( <http://e/a> <http://e/p> " * depth
        return FACT + start + "<http://e/b>" + " )>>" * depth + " .\n"

    assert _triples(_read(tmp_path, nested(50), name)) == [("http://e/a", "next", "http://e/a")]
    with pytest.raises(DataError, match=rf"{name}, line 2: triples must not .* 10,000 deep"):
        _read(tmp_path, nested(100_000), name)


def test_a_statement_without_end_is_no_traceback(tmp_path: Path) -> None:
    file = tmp_path / "huge.nt"
    with open(file, "w") as handle:
        handle.write('<http://e/x> <http://e/p> "' + "A" * 18_000_000 + '" .\n')
    with pytest.raises(
        DataError, match=r"huge\.nt, line 1: a statement must be no longer than 16 MiB"
    ):
        FORMAT.read(file)


def test_names_of_a_vocabulary_of_its_own(tmp_path: Path) -> None:
    """A predicate called hasTitle, whose values mostly differ, names what has no label."""
    lines = [f'<http://e/f{n}> <http://e/hasTitle> "Film {n}" .' for n in range(30)]
    lines += [f'<http://e/f{n}> <http://e/code> "c{n}" .' for n in range(30)]
    lines += ['<http://e/f3> <http://www.w3.org/2000/01/rdf-schema#label> "Heat" .']
    lines += [f"<http://e/f{n}> <http://e/next> <http://e/f{n + 1}> ." for n in range(29)]
    tables = read_rdf(_file(tmp_path, "\n".join(lines) + "\n", "g.nt"))
    names = _column(tables, "name")
    assert names["http://e/f4"] == "Film 4"
    assert names["http://e/f3"] == "Heat"
    assert "Names were taken from hasTitle, where there is no label." in tables.notes
    assert any("Left out 31 literals" in note and "code 30, hasTitle 1" in note
               for note in tables.notes)  # fmt: skip
