"""What customers feel and say: each measure from sums that can be divided in the head."""

from __future__ import annotations

import math

import numpy as np
import pytest
from histories import make_history, ours

from sim.kernels import layout as at
from sim.measures import attitude
from sim.measures.table import MEASURES

# Ten people buy, twenty are customers.
PEOPLE = {"...x": 10, "..x.": 10}
FLOW = {
    at.PURCHASES: 40.0, at.SATISFACTION: 300.0, at.EFFORT: 100.0,
    at.PROMOTERS: 6.0, at.DETRACTORS: 1.0,
    at.PROBLEMS: 8.0, at.CONTACTS: 5.0, at.LATE_ANSWERS: 2.0,
    at.POSITIVE_WEIGHT: 9.0, at.NEGATIVE_WEIGHT: 3.0,
    at.CUSTOMERS: 20.0, at.CUSTOMER_BOND: 5.0, at.CUSTOMER_VALUE: 12.0, at.CUSTOMER_HABIT: 8.0,
    at.AWARENESS: 15.0, at.CUSTOMER_PREMIUM: 20.0 * math.log(1.22),
}  # fmt: skip
EXPECTED = {
    "satisfaction": 7.5,
    "effort": 2.5,
    "nps": 50.0,
    "positive_opinions": 0.75,
    "problem_rate": 0.2,
    # Three of eight problems were answered in time, so 35 of 40 occasions went well: 0.875.
    "trust": (0.875 + 0.8) / 2,
    "bond": 0.25,
    "value": 0.6,
    "habit": 0.4,
    "price_premium": 0.22,
    "awareness": 0.75,
}


@pytest.mark.parametrize("name", EXPECTED)
def test_by_hand(name):
    assert ours(MEASURES[name](make_history(PEOPLE, FLOW))) == pytest.approx(EXPECTED[name])


@pytest.mark.parametrize("name", [name for name in EXPECTED if name != "awareness"])
def test_nobody_to_ask_is_no_answer(name):
    run = make_history({"....": 20})
    assert math.isnan(ours(MEASURES[name](run)))


def test_nps_runs_from_all_detractors_to_all_promoters():
    def nps(promoters: float, detractors: float) -> float:
        flow = {at.PROMOTERS: promoters, at.DETRACTORS: detractors}
        return ours(attitude.nps(make_history({"...x": 10}, flow)))

    assert nps(10, 0) == 100.0
    assert nps(0, 10) == -100.0
    assert nps(5, 5) == 0.0


def test_a_market_without_people_has_no_measure_and_warns_of_nothing():
    empty = make_history({})
    with np.errstate(all="raise"):
        for name, measure in MEASURES.items():
            value = ours(measure(empty))
            assert math.isnan(value) or value == 0, name
