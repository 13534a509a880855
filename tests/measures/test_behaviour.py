"""Buyers, customers, repeat, retention and churn, counted over people who stand on the page."""

from __future__ import annotations

import math

import numpy as np
import pytest
from histories import SUBSCRIPTION, make_history, make_market, ours

from sim.config.load import load
from sim.kernels import layout as at
from sim.measures import behaviour
from sim.model import LoyaltyModel

#         bought:  now, a quarter ago (qa), 2 qa ...         a customer: buys within 4 quarters
PEOPLE = {
    ".......x": 5,  # now                                    now
    "......x.": 4,  # 1 qa                                   now and last quarter
    "......xx": 3,  # 1 qa and now                           now and last quarter
    "....x...": 2,  # 3 qa                                   now and last quarter
    "...x....": 1,  # 4 qa                                   last quarter, lapsed in this one
    "..x....x": 6,  # 5 qa and now                           now, a year ago, not in between
    "x.......": 7,  # 7 qa                                   a year ago
    "........": 10,  # never
}
FLOW = {
    at.PURCHASES: 28.0, at.REVENUE: 700.0, at.REQUIREMENT: 40.0, at.NEW_BUYERS: 2.0, at.CROSS: 3.5,
}  # fmt: skip


@pytest.fixture
def run():
    return make_history(PEOPLE, FLOW)


def test_buyers_and_customers(run):
    assert ours(behaviour.buyers(run)) == 5 + 3 + 6
    assert ours(behaviour.customers(run)) == 5 + 4 + 3 + 2 + 6
    assert ours(behaviour.penetration(run)) == 14 / 38


def test_ratios_of_purchases(run):
    assert ours(behaviour.share(run)) == 0.5  # the category bought 56
    assert ours(behaviour.share_of_requirements(run)) == 28 / 40
    assert ours(behaviour.purchase_frequency(run)) == 28 / 14
    assert ours(behaviour.order_value(run)) == 700 / 28
    assert ours(behaviour.cross_purchase(run)) == 3.5 / 14


def test_repeat_is_of_last_quarters_buyers(run):
    assert ours(behaviour.repeat_rate(run)) == 3 / (4 + 3)


def test_retention_is_of_last_quarters_customers(run):
    assert ours(behaviour.retention(run)) == (4 + 3 + 2) / (4 + 3 + 2 + 1)
    assert ours(behaviour.churn(run)) == pytest.approx(1 / 10)


def test_annual_churn_is_of_the_customers_of_a_year_ago(run):
    assert ours(behaviour.churn_annual(run)) == pytest.approx((1 + 7) / (1 + 6 + 7))


def test_first_time_buyers_are_not_won_back(run):
    # Eleven buy now who were no customers last quarter; two of them for the first time ever.
    assert ours(behaviour.new_buyers(run)) == 2
    assert ours(behaviour.won_back(run)) == 5 + 6 - 2


def test_activity_is_the_share_of_the_last_four_quarters_with_a_purchase(run):
    # Of twenty customers only the three who bought in two quarters were active in more than one.
    assert ours(behaviour.activity(run)) == (17 * 0.25 + 3 * 0.5) / 20
    assert ours(behaviour.activity(make_history({"xxxxxxxx": 7}))) == 1.0
    assert math.isnan(ours(behaviour.activity(make_history({"xxxx": 7}, lived=3))))


def test_a_shorter_window_makes_fewer_customers():
    run = make_history(PEOPLE, market=make_market(lapse_quarters=2))
    assert ours(behaviour.customers(run)) == 5 + 4 + 3 + 6
    # Of the customers of last quarter (1 or 2 qa), all seven bought within two quarters.
    assert ours(behaviour.retention(run)) == 1.0
    # Of those of a year ago (4 or 5 qa) six bought again.
    assert ours(behaviour.churn_annual(run)) == pytest.approx(1 / 7)


def test_a_contract_lasts_one_quarter():
    run = make_history(PEOPLE, FLOW, market=SUBSCRIPTION)
    assert ours(behaviour.customers(run)) == ours(behaviour.buyers(run)) == 14
    assert ours(behaviour.retention(run)) == 3 / 7
    assert ours(behaviour.churn_annual(run)) == 1.0  # one had a contract 4 qa, and has none now
    assert ours(behaviour.won_back(run)) == 5 + 6 - 2


def test_the_rival_nobody_buys_from_has_no_rates(run):
    rival = np.array([behaviour.repeat_rate(run), behaviour.purchase_frequency(run)])[:, -1, -1, 1]
    assert np.isnan(rival).all()
    assert behaviour.share(run)[-1, -1, 1] == 0.0


@pytest.mark.parametrize(
    ("market", "measure", "needed"),
    [
        (make_market(), behaviour.retention, 5),  # a window of four quarters, one quarter ago
        (make_market(), behaviour.churn, 5),
        (make_market(), behaviour.churn_annual, 8),
        (make_market(), behaviour.won_back, 5),
        (make_market(lapse_quarters=2), behaviour.churn_annual, 6),
        (SUBSCRIPTION, behaviour.retention, 2),
        (SUBSCRIPTION, behaviour.churn_annual, 5),
        (SUBSCRIPTION, behaviour.won_back, 2),
    ],
)
def test_what_looks_back_exists_only_when_the_past_was_lived(market, measure, needed):
    early = make_history(PEOPLE, FLOW, market=market, lived=needed - 1)
    assert math.isnan(ours(measure(early)))
    in_time = make_history(PEOPLE, FLOW, market=market, lived=needed)
    assert not math.isnan(ours(measure(in_time)))


@pytest.mark.parametrize("kind", ["repertoire", "subscription"])
def test_customers_are_kept_new_or_won_back(kind):
    """Over any quarter: customers = retention x customers before + new + won back."""
    given = ["customers=1500", "burn_in=6", "quarters=4", "plan=today", "market.leaving.beta=3"]
    config = load("retail_three_phase", [*given, f"market.kind={kind}"])
    model = LoyaltyModel(config, collect=False)
    while model.running:
        model.step()
    h = model.history()
    customers = behaviour.customers(h)
    kept = behaviour.retention(h)[1:] * customers[:-1]
    expected = kept + behaviour.new_buyers(h)[1:] + behaviour.won_back(h)[1:]
    known = h.quarters[1:] > 0
    np.testing.assert_allclose(customers[1:][known], expected[known])
    assert np.all(behaviour.new_buyers(h)[1:][known][:, -1, 0] > 0)
    left = sum(record.category[-1, at.LEFT] for record in model.records)
    assert left > 100, "those who left the category must be counted as lapsed"
