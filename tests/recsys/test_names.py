"""What `recsys` lets one import: every name is found where it is said to be, and is listed."""

import ast
from pathlib import Path

import recsys


def test_every_name_is_found():
    for name in recsys.__all__:
        assert getattr(recsys, name).__name__ == name
    assert set(recsys.__all__) <= set(dir(recsys))


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(recsys.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.asname: part.module for part in block.body for alias in part.names}
    assert seen == recsys._HOMES


def test_names_that_one_looks_for():
    from recsys import DataError, KnowledgeGraph, UsageError, make_split, save_dataset

    assert issubclass(DataError, ValueError)
    assert issubclass(UsageError, ValueError)
    assert callable(make_split)
    assert callable(save_dataset)
    assert KnowledgeGraph.from_triples([("a", "by", "p")], ["a"]).num_edges == 1
