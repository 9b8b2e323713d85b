"""What every reader must give, whatever the format, and what it says of files that are broken."""

import gzip
import io
import json
import re
import shutil
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kg.building.build import build_graph
from kg.building.from_table import from_table
from kg.errors import DataError, UsageError
from kg.formats import FORMATS, read_any
from kg.formats.tables import read_plain, write_plain
from kg.graph_store import save_graph
from kg.storage import Dataset, save_dataset
from kg.testing import check_rows, check_tables, tiny


def _json_lines(*rows: dict) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _npz(**arrays: object) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


GENRES = "|".join(["0"] * 18)
SAMPLES: dict[str, tuple[dict[str, str | bytes], str]] = {
    "plain": (
        {
            "events.csv": "user_id,item_id,behaviour,timestamp,value,query\n"
            "u,i1,view,1700000000,,\nu,,search,1700000050,,red shoe\nv,i2,buy,1700000100,2.5,\n",
            "items.csv": 'item_id,title,text,kind\ni1,"Shoe, red",,a|b\ni2,Hat,A hat,a\n',
            "users.csv": "user_id,age\nu,old\nv,young\n",
            "triples.csv": "head,relation,tail,timestamp\ne1,by,e2,1600000000\n",
            "entities.csv": "entity_id,type,name,item_id\ne1,item,,i1\ne2,firm,Acme,\n",
            "image.npz": _npz(ids=["i1", "i2"], vectors=np.eye(2, dtype=np.float32)),
        },
        "",
    ),
    "recbole": (
        {
            "x.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
            "u\ti1\t3\t1700000000\nv\ti2\t\t1700000001.5\n",
            "x.item": "item_id:token\ttitle:token_seq\tkind:token_seq\tv:float_seq\n"
            "i1\tA shoe\ta b\t1 2\ni2\tHat\t\t3 -1e-3\n",
            "x.user": "user_id:token\tage:token\nu\t7\nv\t8\n",
            "x.kg": "head_id:token\trelation_id:token\ttail_id:token\nm1\tby\tm2\n",
            "x.link": "item_id:token\tentity_id:token\ni1\tm1\n",
            "x.net": "source_id:token\ttarget_id:token\nu\tv\n",
            "x.ent": "ent_id:token\te:float_seq\nm1\t1 2\nm2\t3 4\n",
            "x.useremb": "uid:token\tw:float_seq\nu\t1\n",
        },
        r"1 links between users .* became their column friends",
    ),
    "kgat": (
        {
            "train.txt": "0 1 0 2\n1 2 0\n",
            "test.txt": "0 3\n",
            "kg_final.txt": "0 0 4\n1 0 4\n",
            "item_list.txt": "org_id remap_id freebase_id\ni0 0 m.0\ni1 1 m.1\ni2 2 m.2\n",
            "entity_list.txt": "org_id remap_id\nm.0 0\nm.1 1\nm.2 2\nm.3 3\nm.4 4\n",
            "relation_list.txt": "org_id remap_id\nby 0\n",
            "user_list.txt": "org_id remap_id\nann 0\nbo 1\n",
        },
        r"1 item numbers are in no list",
    ),
    "gorse": (
        {
            "feedback.jsonl": _json_lines(
                {"FeedbackType": "read", "UserId": "u", "ItemId": "i1", "Comment": "fine",
                 "Timestamp": "2024-01-02T03:04:05Z", "Value": 1},
                {"FeedbackType": "buy", "UserId": "v", "ItemId": "i2", "Timestamp": "2024-01-03"},
            ),
            "items.jsonl": _json_lines(
                {"ItemId": "i1", "IsHidden": True, "Categories": ["a", "b"], "Comment": "Shoe",
                 "Timestamp": "2024-01-01", "Labels": {"brand": "N", "e": [0.5, 1]}},
                {"ItemId": "i2", "Labels": {"e": [1, 2], "title": "Hat"}},
            ),
            "users.jsonl": _json_lines({"UserId": "u", "Labels": {"age": "7"}}),
        },
        r"feedback\.jsonl these were left out: Comment",
    ),
    "movielens": (
        {
            "ratings.csv": "userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n"
            "2,7,4,851866703\n",
            "movies.csv": 'movieId,title,genres\n31,"Heat, The (1995)",Action|Crime\n'
            "7,Up (2009),(no genres listed)\n",
            "tags.csv": "userId,movieId,tag,timestamp\n1,31,boring,1\n",
        },
        r"tags in tags\.csv are left out",
    ),
    "movielens-100k": (
        {
            "u.data": "196\t242\t3\t881250949\n186\t302\t3\t891717742\n",
            "u.item": f"242|Kolya (1996)|24-Jan-1997||http://x|1|{GENRES}\n"
            f"302|L.A. Confidential (1997)|||http://x|0|1|{GENRES[2:]}\n",
            "u.user": "196|49|M|writer|55105\n186|39|F|executive|00000\n",
        },
        r"release dates .* left out",
    ),
    "movielens-1m": (
        {
            "ratings.dat": "1::1193::5::978300760\n2::1::3::978298413\n",
            "movies.dat": "1::Toy Story (1995)::Comedy|Drama\n1193::Heat (1995)::Drama\n",
            "users.dat": "1::F::1::10::48067\n2::M::56::16::70072\n",
        },
        r"zip codes are left out",
    ),
    "mind": (
        {
            "behaviors.tsv": "1\tU1\t11/15/2019 8:55:22 AM\tN3\tN2-1 N3-0\n"
            "2\tU2\t11/15/2019 9:55:22 PM\t\tN3-1\n",
            "news.tsv": "N2\tnews\tworld\tRain\tIt rains.\thttps://x/y\t"
            '[{"Label": "Rain", "Type": "C", "WikidataId": "Q1"}]\t[]\n'
            "N3\tvideo\tcats\tA cat\t\tz\t[]\t\n",
        },
        r"shown and not clicked \(-0\) is left out",
    ),
    "retailrocket": (
        {
            "events.csv": "timestamp,visitorid,event,itemid,transactionid\n"
            "1433221332117,1,view,5,\n1433224214164,1,transaction,5,7\n1433221332999,2,view,6,\n",
            "item_properties_part1.csv": "timestamp,itemid,property,value\n"
            "1435402800000,5,categoryid,9\n1435402800000,6,available,1\n",
            "category_tree.csv": "categoryid,parentid\n9,8\n8,\n",
        },
        r"transaction ids are left out",
    ),
    "diginetica": (
        {
            "train-item-views.csv": "sessionId;userId;itemId;timeframe;eventdate\n"
            "1;NA;81766;526309;2016-05-09\n2;77;81767;1;2016-05-10\n",
            "train-purchases.csv": "sessionId;userId;timeframe;eventdate;ordernumber;itemId\n"
            "2;77;900;2016-05-10;1;81767\n",
            "train-queries.csv": "queryId;sessionId;userId;timeframe;duration;eventdate;"
            "searchstring.tokens;categoryId;items;is.test\n"
            "5;2;77;700;3;2016-05-10;12,34;0;1,2;FALSE\n6;2;77;800;3;2016-05-10;;9;1;FALSE\n",
            "train-clicks.csv": "queryId;timeframe;itemId\n5;750;81766\n9;1;81766\n",
            "products.csv": "itemId;pricelog2;product.name.tokens\n81766;10;4875,776\n81767;9;1\n",
            "product-categories.csv": "itemId;categoryId\n81766;1096\n",
        },
        r"Clicks on unknown queries are left out: 1 of 2",
    ),
    "amazon": (
        {
            "Shoes_5.json": _json_lines(
                {"overall": 4.0, "reviewerID": "A1", "asin": "B1", "unixReviewTime": 1514764800},
                {"overall": 5.0, "reviewerID": "A2", "asin": "B2", "unixReviewTime": 1514764801},
            ),
            "meta_Shoes.json": _json_lines(
                {"asin": "B1", "title": "Boot &amp; more", "brand": "Acme", "also_buy": ["B2"],
                 "category": ["Shoes", "Boots"]},
                {"asin": "B2", "title": "Hat"},
            ),
        },
        r"texts of the reviews are left out",
    ),
    "rectools": (
        {"e.csv": "user_id,item_id,weight,datetime\nu,i1,2,2024-01-02\nv,i2,,2024-01-03\n"},
        r"weights are kept as values",
    ),
    "ms-recommenders": (
        {"e.csv": "userID,itemID,rating,timestamp\n1,7,2,1704153600\n2,8,3.5,1704153601\n"},
        "",
    ),
    "elliot": ({"e.tsv": "u\ti1\t3\t1704153600\nv\ti2\t2.5\t1704153601\n"}, ""),
    "cornac": ({"uirt.txt": "u\ti1\t3\t1704153600\nv\ti2\t2.5\t1704153601\n"}, ""),
    "librec": ({"e.csv": "u,i1,1,1704153600\nv,i2,0,1704153601\n"}, "third cell is kept"),
    "rdf": (
        {
            "g.ttl": '@prefix : <http://e/> . @prefix s: <http://schema.org/> .\n'
            ':heat a :Film ; s:name "Heat"@en, "Hitze"@de ; :by :mann ; :year "1995" .\n'
            ':up a :Film ; :by [ s:name "Docter" ] ; :year "2009" .\n'
        },
        r"Left out 1 further names",
    ),
    "graphml": (
        {
            "g.graphml": '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n'
            '<key id="r" for="edge" attr.name="relation" attr.type="string"/>\n'
            '<key id="n" for="node" attr.name="name" attr.type="string"/>\n'
            '<key id="x" for="node" attr.name="size" attr.type="int"/>\n'
            '<graph edgedefault="directed"><node id="heat"><data key="n">Heat</data>\n'
            '<data key="x">7</data></node><node id="mann"/>\n'
            '<edge source="heat" target="mann"><data key="r">by</data></edge></graph></graphml>\n'
        },
        r"Left out the attributes of nodes .*: size",
    ),
}  # fmt: skip
OWN = ("graph", "data")
NAMES = [*SAMPLES, *OWN]


def form_of(name: str):
    return FORMATS.get(name) or FORMATS[name.partition("-")[0]]


def lay(name: str, place: Path) -> Path:
    """A sample of this format in a folder; the path that is read: its one file, or the folder."""
    if name == "graph":
        frame = pl.DataFrame({"sku": ["a", "b"], "title": ["Boots", "Hat"], "brand": ["x", "x"]})
        save_graph(place / "graph", from_table(frame, relations="brand").graph, {})
        return place / "graph"
    if name == "data":
        world = tiny()
        graph = build_graph(world.log, world.catalog, triples=world.triples)
        save_dataset(place / "data", Dataset(world.log, world.catalog, graph), {})
        return place / "data"
    files, _ = SAMPLES[name]
    for file, text in files.items():
        (place / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    return place / next(iter(files)) if len(files) == 1 else place


def test_there_is_a_sample_of_every_format() -> None:
    assert {form_of(name).name for name in NAMES} == set(FORMATS)


CUT_OFF = gzip.compress(b"a" * 99, mtime=0)[:20]


@pytest.mark.parametrize("name", NAMES)
def test_what_every_reader_gives(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    source, form = lay(name, tmp_path / "in"), form_of(name)
    assert form.recognises(source) or name in ("plain", "elliot", "cornac", "librec")
    tables = form.read(source)
    if name not in OWN:
        assert re.search(SAMPLES[name][1], "\n".join(tables.notes))
    check_tables(tables, tmp_path / "out")
    again = form.read(source)
    assert again.notes == tables.notes
    for key, frame in tables.there().items():
        assert again.there()[key].equals(frame)


@pytest.mark.parametrize("name", NAMES)
def test_a_path_that_is_not_what_it_should_be_is_named(tmp_path: Path, name: str) -> None:
    form = form_of(name)
    (tmp_path / "empty").mkdir()
    empty = tmp_path / "bare"
    empty.write_bytes(b"")
    binary = tmp_path / "binary"
    binary.write_bytes(bytes(range(256)) * 9)
    for path in (tmp_path / "empty", tmp_path / "none", empty, binary):
        assert not form.recognises(path)
        with pytest.raises((DataError, UsageError), match=re.escape(str(path))):
            form.read(path)


@pytest.mark.parametrize(
    ("name", "file", "old", "new", "message"),
    [
        ("plain", "image.npz", "", b"PK", r"image\.npz is no readable \.npz"),
        ("plain", "image.npz", "", _npz(ids=["a"]), r"image\.npz must hold .*'vectors'"),
        ("plain", "image.npz", "", _npz(ids=["a"], vectors=[[1], [2]]), r"npz: 'vectors' must"),
        ("plain", "items.csv", "i2", "i1", r"items\.csv, line 3: each item_id .* 'i1' again"),
        ("plain", "users.csv", "v,", ",", r"users\.csv, line 3: the user_id must not be empty"),
        ("plain", "triples.csv", "by", "", r"triples\.csv, line 2: the relation must not be empty"),
        ("recbole", "x.useremb", "", CUT_OFF, r"x\.useremb cannot be read"),
        ("movielens", "movies.csv", "7,Up", "31,Up", r"movies\.csv, line 3: each movieId .*'31'"),
        ("movielens-100k", "u.item", "302|", "242|", r"u\.item, line 2: each item_id .*'242'"),
        ("movielens-100k", "u.user", "196|", "|", r"u\.user, line 1: the user_id must not be"),
        ("movielens-1m", "movies.dat", "1193::", "1::", r"movies\.dat, line 2: each item_id"),
        ("movielens-1m", "users.dat", "2::", "1::", r"users\.dat, line 2: each user_id .*'1'"),
        ("mind", "news.tsv", "N3", "N2", r"news\.tsv, line 2: each item_id .*'N2' again"),
        ("diginetica", "products.csv", "81767", "81766", r"products\.csv, line 3: each itemId"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(
    tmp_path: Path, name: str, file: str, old: str, new: str | bytes, message: str
) -> None:
    source, form = lay(name, tmp_path), form_of(name)
    whole = (tmp_path / file).read_bytes()
    raw = new if isinstance(new, bytes) else whole.decode().replace(old, new).encode()
    (tmp_path / file).write_bytes(raw)
    with pytest.raises(DataError, match=message):
        form.read(source)


def test_no_event_that_can_be_used_is_an_error(tmp_path: Path) -> None:
    source = lay("mind", tmp_path)
    text = "1\tU1\t11/15/2019 8:55:22 AM\t\tN2-0 N3-0\n"
    (tmp_path / "behaviors.tsv").write_text(text)
    with pytest.raises(DataError, match=rf"{re.escape(str(source))} must hold events .*clicked"):
        read_any(source)


def test_tables_without_a_row_are_none(tmp_path: Path) -> None:
    source = lay("kgat", tmp_path)
    (tmp_path / "user_list.txt").write_text("org_id remap_id\n")
    (tmp_path / "item_list.txt").write_text("org_id remap_id \\\ni0 0 m.0\n")  # odd, and read
    tables = read_any(source)
    assert tables.users is None
    assert tables.items.rows() == [("i0",)]


def test_an_event_without_an_item_makes_no_item(tmp_path: Path) -> None:
    source = lay("retailrocket", tmp_path)
    for file, row in (("events.csv", "1433221332999,3,view,,\n"),
                      ("item_properties_part1.csv", "1,,categoryid,9\n")):  # fmt: skip
        with open(tmp_path / file, "a") as handle:
            handle.write(row)
    tables = read_any(source)
    assert tables.items["item_id"].to_list() == ["5", "6"]
    assert not tables.triples["head"].null_count()


ODD = [
    b"\x00", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xed\xa0\x80", b"\xff", b"\xf0\x9f\x92\xa9",
    b"\xc2\x85", b"\r", b"\n", b"\n\n", b"\t", b" ", b'"', b"'", b"\\", b"|", b"::", b",", b";",
    b":", b"{", b"}", b"[[", b"]", b"<", b">", b"&x;", b"NaN", b"-inf", b"1e400", b"9" * 30, b"-1",
    b"0", b"\\ud800", b"null", b"NA",
]  # fmt: skip
"""What stands in files of the wild and should not."""


@st.composite
def broken(draw: st.DrawFn, raw: bytes) -> bytes:
    """The bytes of a file with some of them dropped, doubled, moved or put in."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, max(len(raw) - 1, 0)))
        end = min(start + draw(st.integers(1, 12)), len(raw))
        lines = raw.splitlines(keepends=True) or [b""]
        line = draw(st.integers(0, len(lines) - 1))
        cells = re.split(rb"([\t,;|:\n ]+)", raw)
        cell = draw(st.integers(0, len(cells) // 2)) * 2
        odd = draw(st.sampled_from(ODD))
        raw = draw(st.sampled_from([
            raw[:start] + raw[end:],
            raw[:end] + raw[start:],
            raw[:start] + odd + raw[start:],
            raw[:start] + odd + raw[end:],
            raw[:start],
            b"".join(lines[:line] + lines[line + 1 :]),
            b"".join([*lines[: line + 1], *lines[line:]]),
            b"".join(sorted(lines)),
            b"".join([*cells[:cell], *cells[cell + 1 :]]),
            b"".join([*cells[:cell], odd, *cells[cell + 1 :]]),
            gzip.compress(raw, 1, mtime=0),
            gzip.compress(raw, 1, mtime=0)[: start + 11],
        ]))  # fmt: skip
    return raw


@pytest.mark.parametrize("name", NAMES)
def test_a_broken_file_is_read_or_named(tmp_path: Path, name: str) -> None:
    """No other error, whatever the bytes are, and what is read can be written."""
    source, form = lay(name, tmp_path), form_of(name)
    whole = {file: file.read_bytes() for file in sorted(tmp_path.rglob("*")) if file.is_file()}

    @settings(
        max_examples=15, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.data())
    def run(data: st.DataObject) -> None:
        file = data.draw(st.sampled_from(list(whole)))
        file.write_bytes(data.draw(broken(whole[file])))
        try:
            form.recognises(source)
            tables = read_any(source, form.name)
        except (DataError, UsageError) as error:
            if str(file) not in str(error) and str(source) not in str(error):
                raise AssertionError(f"{file} is not named: {error}") from None
        else:
            check_rows(tables)
            target = Path(tempfile.mkdtemp(dir=tmp_path.parent))
            write_plain(tables, target)
            read_plain(target)
            shutil.rmtree(target)
        finally:
            file.write_bytes(whole[file])

    run()
