"""Campaigns in miniature: who buys pet food redeems coupons for pet food, how often they shop or
what was popular says nothing; and nothing after a campaign's start is known.
"""

import gzip
import json
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

SCRIPTS = ("intent",)
DAY = 86_400


def write(folder, name, header, rows):
    with gzip.open(folder / f"{name}.csv.gz", "wt", encoding="utf-8") as handle:
        handle.write("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """80 households, the odd ones with pets, and 8 campaigns, the odd ones for pets."""
    folder, rng = tmp_path_factory.mktemp("journey"), np.random.default_rng(0)
    start = 1483228800  # 2017-01-01
    items = [(1, "PETS", "宠物"), (2, "BABY", "母婴"), (3, "BREAD", "面包")]
    write(folder, "items", "item_id,product_category,category_zh", items)
    lines, shown, used = [], [], []
    for user in range(1, 81):
        own = 1 if user % 2 else 2
        for basket in range(int(rng.integers(20, 80))):
            item = own if rng.random() < 0.5 else 3
            lines.append((user, item, start + int(rng.integers(250 * DAY)), user * 100 + basket))
        for campaign in range(1, 9):
            day = date(2017, 2, 10) + timedelta(days=25 * campaign)
            shown.append((user, campaign, "Type A", day, day + timedelta(days=20)))
            if rng.random() < (0.5 if campaign % 2 == user % 2 else 0.05):
                used.append((user, f"9{campaign}", campaign, day + timedelta(days=3)))
    write(folder, "interactions", "user_id,item_id,timestamp,basket_id", lines)
    write(folder, "campaign_exposures", "user_id,campaign_id,campaign_type,start_date,end_date",
          shown)  # fmt: skip
    write(folder, "coupon_redemptions", "user_id,coupon_upc,campaign_id,redemption_date", used)
    entities = [(n, "item", "x", n) for n in (1, 2, 3)]
    triples = []
    for campaign in range(1, 9):
        entities += [(10 + campaign, "coupon", f"9{campaign}", ""),
                     (20 + campaign, "campaign", campaign, "")]  # fmt: skip
        triples += [(10 + campaign, "part_of", 20 + campaign),
                    (10 + campaign, "covers", 1 if campaign % 2 else 2)]  # fmt: skip
    write(folder, "entities", "entity_id,type,name,item_id", entities)
    write(folder, "triples", "head,relation,tail", triples)
    return folder


def test_one_command_tells_what_the_intent_is_worth(data, tmp_path, capsys):
    import campaigns

    out = tmp_path / "out.json"
    campaigns.main(["--data", str(data), "--from", "2017-06-01", "--rounds", "50",
                    "--out", str(out)])  # fmt: skip
    told = json.loads(out.read_text("utf-8"))
    assert (told["rows"], told["campaigns"], told["households"]) == (320, 4, 80)
    assert told["auc"]["full"][0] > 0.75
    assert told["auc"]["intent"][0] > told["auc"]["frequency"][0] + 0.2
    value, low, high = told["auc_full_less"]["without intent"]
    assert 0 < low <= value <= high
    assert told["auc_within_campaigns"]["popularity"][0] == 0.5
    text = told["examples"][0]["text"]
    assert ("coupons for pets" in text["en"]) != ("coupons for baby" in text["en"])
    assert "宠物" in text["zh"] or "母婴" in text["zh"]
    assert "full" in capsys.readouterr().out


def test_nothing_after_the_start_is_known(data):
    import campaigns
    from campaign_data import read, rows_of

    world = read(data)
    cut = np.sort(world.start)[5]
    early = world.start[world.campaign] <= cut
    known = world.line_time < cut
    later = replace(
        world, line_category=np.where(known, world.line_category, 0),
        line_basket=np.where(known, world.line_basket, -1),
        redeemed=world.redeemed & (world.end[world.campaign] <= cut),
        redemption_user=np.where(world.redemption_time < cut, world.redemption_user, 0),
    )  # fmt: skip
    one, two = rows_of(world, 28), rows_of(later, 28)
    np.testing.assert_array_equal(one.x[early], two.x[early])
    scores = [campaigns.judged(w, rows.x, cut, 0)["full"] for w, rows in
              ((world, one), (later, two))]  # fmt: skip
    at = world.start[world.campaign] == cut
    np.testing.assert_array_equal(scores[0][at], scores[1][at])
    assert np.isnan(scores[0][~at & early]).all()


def test_the_area_with_ties_and_weights_by_hand():
    from campaigns import auc

    score, truth = np.array([0.1, 0.5, 0.5, 0.9]), np.array([False, False, True, True])
    assert auc(score, truth, np.ones(4)) == pytest.approx(3.5 / 4)
    assert auc(score, truth, np.array([0, 2, 1, 1.0])) == pytest.approx(3 / 4)
    assert np.isnan(auc(score, np.zeros(4, bool), np.ones(4)))


def test_shares_decay_by_half(data):
    from campaign_data import read, shares

    world = read(data)
    few = replace(
        world, line_user=np.array([0, 0, 0]), line_category=np.array([0, 1, 2]),
        line_time=np.array([0.0, 28 * DAY, 56 * DAY]), line_basket=np.arange(3),
    )  # fmt: skip
    own = shares(few, 56 * DAY, 28)
    np.testing.assert_allclose(own[0], [1 / 3, 2 / 3, 0])  # the third line is not yet known
    assert not own[1:].any()
