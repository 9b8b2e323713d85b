"""The bundled sample: complete, small, credited, and free of what must not be in it."""

import numpy as np
import pytest

from kg.building.build import build_graph
from kg.datasets import Sample, load_movielens_small, sample_files
from kg.tables import read_table


@pytest.fixture(scope="module")
def sample() -> Sample:
    return load_movielens_small()


def test_counts(sample: Sample) -> None:
    assert len(sample.log) == 100_836
    assert len(sample.log.users) == 610
    assert len(sample.catalog) == 9742
    assert sum(edges.shape[1] for edges in sample.triples.edges.values()) == 66_862
    assert not sample.triples.dropped
    assert sample.log.items is sample.catalog.ids


def test_events_are_ratings_in_time(sample: Sample) -> None:
    assert [b.name for b in sample.log.behaviours] == ["rating"]
    assert sample.log.time is not None
    assert sample.log.value is not None
    assert (sample.log.value.min(), sample.log.value.max()) == (0.5, 5.0)
    same = np.diff(sample.log.user) == 0
    assert (np.diff(sample.log.time)[same] >= 0).all()
    assert (sample.log.time // 86400).min() == 9584  # 29 March 1996


def test_items_have_titles_genres_and_years(sample: Sample) -> None:
    code = sample.catalog.ids.encode(["1"])[0]
    assert sample.catalog.title(int(code)) == "Toy Story (1995)"
    assert [a.name for a in sample.catalog.attributes] == ["genres", "year"]
    assert sample.catalog.attributes[0].of_row(int(code)) == [
        "Adventure", "Animation", "Children", "Comedy", "Fantasy"
    ]  # fmt: skip
    assert not sample.catalog.ignored


def test_no_tags_and_nothing_twice(sample: Sample) -> None:
    relations = {relation for _, relation, _ in sample.triples.edges}
    assert len(relations) == 12
    assert not relations & {"has_tag", "has_genre", "release_year"}
    assert set(sample.triples.vocabs) == {"item", "person", "company", "language", "country"}
    entities = read_table(sample_files()["entities"])
    assert set(entities["type"].to_list()) == {"movie", "person", "company", "language", "country"}


def test_it_builds_a_graph_with_names(sample: Sample) -> None:
    graph = build_graph(sample.log, sample.catalog, triples=sample.triples)
    people, films = graph.edges["item", "directed_by", "person"][::-1]
    heat = sample.catalog.titles.index("Heat (1995)")
    assert [graph.name("person", p) for p in people[films == heat].tolist()] == ["Michael Mann"]


def test_small_and_licensed() -> None:
    files = sample_files()
    folder = files["events"].parent
    assert set(folder.iterdir()) == set(files.values())
    assert sum(file.stat().st_size for file in folder.iterdir()) < 3_000_000
    licence = files["licence"].read_text("utf-8")
    assert "University of Minnesota" in licence
    assert "same license conditions" in licence
    credit = files["credits"].read_text("utf-8")
    for told in ("10.1145/2827872", "GroupLens", "WikiMovies", "CC BY 3.0", "DBpedia", "CC BY-SA",
                 "Not for commercial use", "What was changed"):  # fmt: skip
        assert told in credit
