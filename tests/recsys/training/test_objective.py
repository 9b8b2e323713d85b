"""Which moments are asked: ends of visits only where there are some."""

import numpy as np

from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import temporal_split
from recsys.training.objective import target_periods
from recsys.training.settings import TrainConfig

DAY = 86400


def split_of(people: int, visits: int):
    """Each of `people` makes so many visits of three events, a day apart, all on other days."""
    place = np.arange(people * visits * 3)
    visit = place // 3
    user = visit % people
    time = 10**9 + visit * DAY + place % 3
    return temporal_split(EventLog.of(user, place % 7, time=time))


def test_what_follows_a_visit_is_asked_where_people_come_back():
    back, sessions = split_of(10, 9), split_of(90, 1)
    for split, expected in ((back, True), (sessions, False)):
        histories = Sequences.of(split.train)
        found = target_periods(TrainConfig(), split, histories)
        assert (found is not None) == expected
        assert target_periods(TrainConfig(target="next"), split, histories) is None
        asked = target_periods(TrainConfig(target="period"), split, histories)
        assert asked is not None  # who asks for it gets it
        assert (asked[0] < asked[1]).any() == expected
