"""What an encoder read from after the cut is refused, what nobody can know is told."""

from dataclasses import replace

import numpy as np
import pytest

from kg.checking.leakage import reading_leaks
from kg.checking.reading import (
    FILE,
    Reading,
    encoder_readings,
    log_hash,
    read_readings,
    write_readings,
)
from kg.errors import DataError, UsageError
from kg.split import leave_one_out, temporal_split
from kg.testing import tiny


@pytest.fixture
def log():
    return tiny().log


def judged(one, split, log):
    return [leak.refused for leak in reading_leaks([one], split, log)]


def test_by_date(log):
    split = temporal_split(log, test=0.2, valid=0.2)
    for until, found in ((split.cut, []), (split.cut + 1, [True])):
        assert judged(Reading("texts.csv", "0", 5, 0, until), split, log) == found
    (leak,) = reading_leaks([Reading("texts.csv", "0", 5, 0, split.cut + 60)], split, log)
    assert leak.check == "pretraining"
    assert "texts.csv up to 2023-11-15 02:14" in leak.what
    assert "the last training event is of 2023-11-15 02:13" in leak.what


def test_texts_without_a_date_are_told(log):
    split = temporal_split(log)
    assert judged(Reading("lines.txt", "0", 5, 5), split, log) == [False]
    assert judged(Reading("texts.csv", "0", 5, 2, split.cut), split, log) == [False]
    timeless = replace(log, time=None)
    dated = Reading("texts.csv", "0", 5, 0, 10**9)
    assert judged(dated, leave_one_out(timeless), timeless) == [False]


@pytest.mark.parametrize("timed", [True, False])
def test_events_of_the_same_log(log, timed):
    log = log if timed else replace(log, time=None)
    none, last = leave_one_out(log, test=False), leave_one_out(log)
    all_but_one = Reading.of_events("shop", log, none.train, 9)
    all_but_two = Reading.of_events("shop", log, last.train, 9)
    assert judged(all_but_one, none, log) == []
    assert judged(all_but_two, last, log) == []
    assert judged(all_but_one, last, log) == [True]
    other = log.take(np.arange(len(log) - 1))
    assert log_hash(other) != log_hash(log)
    assert judged(replace(all_but_one, sha256=log_hash(other)), none, log) == [False] * (not timed)


def test_a_folder_keeps_them(tmp_path, log):
    assert read_readings(tmp_path) == []
    some = [Reading.of_events("shop", log, log, 9), Reading("行.txt", "0", 5, 5)]
    write_readings(tmp_path, some)
    assert read_readings(tmp_path) == some
    (tmp_path / FILE).write_text('[{"source": "x"}]', encoding="utf-8")
    with pytest.raises(DataError, match=r"reading\.json cannot be read"):
        read_readings(tmp_path)


def test_an_encoder_that_is_nowhere_is_told(tmp_path):
    for name in ("hash", "ngram", "numpy", str(tmp_path)):
        assert encoder_readings(name) == []
    with pytest.raises(UsageError, match=r"named 'ngarm'.*Did you mean 'ngram'\?"):
        encoder_readings("ngarm")
    beside = tmp_path / "encoder"
    beside.mkdir()
    (beside / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match=r"Did you mean '.*encoder'"):
        encoder_readings(str(tmp_path / "encodr"))
    for name in ("nosuch", "", "a b"):
        with pytest.raises(UsageError, match="No folder and no installed package"):
            encoder_readings(name)
