"""Lifetime value against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from histories import make_history, make_market, make_record, ours
from hypothesis import given
from hypothesis import strategies as st

from sim.kernels import layout as at
from sim.measures.history import History
from sim.measures.lifetime_value import (
    focal_lifetime_value,
    lifetime_value,
    present_lifetime_value,
)

N = 1000.0


def geometric(earned: float, survival: float, quarters: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what N people pay who each pay `earned` a quarter while they last, and who is left."""
    begun = N * survival ** np.arange(quarters)
    return earned * begun, begun * survival


@given(st.floats(0.01, 0.1), st.integers(1, 40))
def test_people_who_never_leave_are_a_perpetuity(rate, quarters):
    revenue, active = geometric(3.0, 1.0, quarters)
    found = lifetime_value(revenue, np.zeros(quarters), active, 0.3, rate, N)
    assert found == pytest.approx(3.0 * (1 + rate) / rate)


@pytest.mark.parametrize("quarters", [1, 2, 4, 12, 40])
@pytest.mark.parametrize("survival", [0.6, 0.9, 0.98])
def test_constant_margin_and_survival_are_a_geometric_series(survival, quarters):
    """m (1 + d) / (1 + d - r), whatever the horizon: the tail is what a longer run would show."""
    rate = 0.024
    revenue, active = geometric(3.0, survival, quarters)
    found = lifetime_value(revenue, np.zeros(quarters), active, 0.3, rate, N)
    assert found == pytest.approx(3.0 * (1 + rate) / (1 + rate - survival))


def test_people_who_are_all_gone_have_no_tail():
    revenue, active = np.array([200.0, 110.0]), np.array([10.0, 0.0])
    found = lifetime_value(revenue, np.zeros(2), active, 0.3, 0.10, 100.0)
    assert found == pytest.approx((200.0 + 100.0) / 100.0)


def test_goods_cost_their_usual_price():
    # 80 paid for goods of 100 at a margin of 25%: 5 are earned, not 20.
    revenue, goods, gone = np.array([80.0]), np.array([100.0]), np.array([0.0])
    assert lifetime_value(revenue, goods, gone, 0.25, 0.02, 1.0) == pytest.approx(5.0)


def test_nobody_is_worth_no_number():
    assert math.isnan(lifetime_value(np.ones(4), np.ones(4), np.ones(4), 0.3, 0.02, 0.0))


def test_the_group_is_who_was_a_customer_when_the_plan_began():
    def quarter(number: int, revenue: float, left: float):
        flow = {at.CUSTOMERS: 10.0, at.BASE_REVENUE: revenue, at.BASE_GOODS: revenue,
                at.BASE_CUSTOMERS: left, at.REVENUE: 1e6}  # fmt: skip
        return make_record({"...x": 10}, flow, quarter=number)

    run = History([quarter(-1, 9e9, 9.0), quarter(0, 9e9, 9.0), quarter(1, 400.0, 8.0),
                   quarter(2, 330.0, 0.0)], make_market())  # fmt: skip
    assert ours(run.flow(at.CUSTOMERS)) == 10.0
    assert focal_lifetime_value(run, 0.5, 0.10) == pytest.approx((200.0 + 165.0 / 1.1) / 10.0)


def test_a_quarter_that_goes_on_for_ever_is_a_geometric_series():
    """Eight of ten stay and pay 100 for goods of 100 at a margin of 30%: 3.75 a head, r = .8."""
    run = make_history({".xx": 8, "x....": 2}, {at.REVENUE: 100.0, at.GOODS: 100.0})
    found = ours(present_lifetime_value(run, 0.3, 0.02))
    assert found == pytest.approx(3.75 * 1.02 / (1.02 - 0.8))
    assert found == pytest.approx(sum(3.75 * (0.8 / 1.02) ** k for k in range(500)))
