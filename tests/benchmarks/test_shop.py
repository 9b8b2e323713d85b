"""The drawn shop of `benchmarks/retrieval/shop.py`, and how a step is timed."""

import numpy as np
import pytest

from kg.catalog import Catalog
from kg.clean import clean
from kg.events import EventLog

SCRIPTS = ("retrieval", "accuracy")


@pytest.fixture
def shop():
    import shop

    return shop


def test_the_files_are_a_shop(shop, tmp_path):
    shop.write_shop(tmp_path, 3000, 2000, 60, np.random.default_rng(0))
    items, later = (Catalog.read(tmp_path / name) for name in ("items.csv", "new.csv"))
    log, report = clean(EventLog.read(tmp_path / "events.csv"), items.ids)
    assert (len(items), len(later), report.kept) == (3000, 100, 2000)
    assert not set(items.ids.ids) & set(later.ids.ids)
    kinds = items.attribute("category").cells(3000)
    met = {(u, kinds[i][-1]) for u, i in zip(log.user.tolist(), log.item.tolist(), strict=True)}
    assert len(met) <= 3 * len(log.users)  # of a person's three kinds
    again = tmp_path / "again"
    again.mkdir()
    shop.write_shop(again, 3000, 2000, 60, np.random.default_rng(0))
    assert (again / "events.csv").read_bytes() == (tmp_path / "events.csv").read_bytes()


def test_a_step_is_timed_and_a_failed_one_says_why(shop, tmp_path):
    told = shop.timed(["--version"], 1)
    assert 0 < told["seconds"] < 60
    assert told["peak_mb"] > 10
    with pytest.raises(SystemExit, match="There is no file"):
        shop.timed(["build", str(tmp_path / "no_such.csv"), "x.csv", "-o", "y"], 1)
