"""What flows return: sums by hand, known roots, and payback as an accountant reads it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.config.finance import Finance
from sim.finance.returns import discount_factors, irr, npv, payback_quarter, roi


def flows(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def flows_with_roots(*rates: float) -> np.ndarray:
    """Return flows whose NPV is zero at exactly these quarterly rates."""
    return np.poly([1.0 / (1.0 + rate) for rate in rates])[::-1].copy()


def yearly(rate: float) -> float:
    return (1.0 + rate) ** 4 - 1.0


def test_the_first_flow_is_not_discounted():
    # -1000 + 550 / 1.1 + 605 / 1.21 = -1000 + 500 + 500
    assert npv(flows(-1000, 550, 605), 0.10) == pytest.approx(0.0, abs=1e-9)
    assert npv(flows(-1000, 0, 0), 0.10) == -1000
    assert npv(flows(1, 2, 3), 0.0) == 6
    np.testing.assert_allclose(discount_factors(3, 0.25), [1.0, 0.8, 0.64])


def test_a_year_of_quarterly_discounting_is_the_yearly_rate():
    money = Finance(name="f", title="f", gross_margin=0.3, discount_rate=0.10, keeping_cost=12)
    assert npv(flows(0, 0, 0, 0, 110), money.quarterly_rate) == pytest.approx(100.0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.floats(0, 0.5))
def test_npv_is_additive_and_a_later_flow_is_worth_less(values, rate):
    given_flows = np.array(values)
    doubled = npv(given_flows + given_flows[::-1], rate)
    parts = npv(given_flows, rate) + npv(given_flows[::-1], rate)
    assert doubled == pytest.approx(parts, rel=1e-9, abs=1e-6)
    later = npv(np.concatenate([[0.0], given_flows]), rate)
    assert later * (1.0 + rate) == pytest.approx(npv(given_flows, rate), rel=1e-9, abs=1e-6)


@pytest.mark.parametrize(
    ("given_flows", "expected"),
    [
        (flows(-100, 110), yearly(0.10)),
        (flows(-1000, 550, 605), yearly(0.10)),
        (flows(-100, 0, 0, 0, 150), 0.5),  # a year later half as much again
        (flows(-100, 0, 0, 0, 80), -0.2),  # a loss has a negative rate
        (flows(0, 0, -100, 110), yearly(0.10)),  # waiting changes no rate
        (flows(100, -110), yearly(0.10)),  # a loan taken
        (flows(-100, 10, 10, 110), yearly(0.10)),  # a bond at par
    ],
)
def test_irr_of_known_cases_is_per_year(given_flows, expected):
    assert irr(given_flows) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("given_flows", [flows(-100, 100), flows(-60, -40, 100)])
def test_money_that_comes_back_to_the_cent_returns_zero(given_flows):
    assert irr(given_flows) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    "given_flows", [flows(-100, -5), flows(3, 4, 5), flows(0, 0, 0), flows(-100, 0), flows(-7)]
)
def test_flows_of_one_sign_have_no_rate(given_flows):
    assert irr(given_flows) is None


def test_two_signs_do_not_make_a_rate():
    # 1 - 2x + 2x^2 has no real root
    assert irr(flows(1, -2, 2)) is None


@pytest.mark.parametrize(
    ("rates", "nearest"),
    [((0.10, 0.60), 0.10), ((-0.02, 0.50), -0.02), ((0.02, -0.30), 0.02), ((-0.01, 0.04), -0.01)],
)
def test_of_several_rates_the_one_nearest_to_zero_counts(rates, nearest):
    assert irr(flows_with_roots(*rates)) == pytest.approx(yearly(nearest), abs=1e-9)


@given(st.floats(1, 1e7), st.lists(st.floats(0.01, 1e7), min_size=1, max_size=20))
def test_an_investment_is_worth_nothing_at_its_own_rate(spent, returns):
    invested = np.array([-spent, *returns])
    rate = irr(invested)
    if rate is None:  # it lies beyond a loss of 95% or a gain of 10,000% a quarter
        assert not npv(invested, -0.95) > 0 > npv(invested, 100.0)
        return
    quarterly = (1.0 + rate) ** 0.25 - 1.0
    size = np.abs(invested) @ discount_factors(len(invested), quarterly)
    assert npv(invested, quarterly) == pytest.approx(0.0, abs=1e-6 * size)


def test_roi_is_gain_over_spend_and_does_not_exist_without_spend():
    assert roi(150.0, 100.0) == 0.5
    assert roi(0.0, 100.0) == -1.0
    assert roi(-50.0, 100.0) == -1.5
    assert roi(150.0, 0.0) is None
    assert roi(150.0, -10.0) is None, "a plan that saves money has no return on spend"


@pytest.mark.parametrize(
    ("given_flows", "rate", "quarter"),
    [
        (flows(-100, 50, 60), 0.0, 3),
        (flows(-100, 100), 0.0, 2),  # to the cent counts
        (flows(-100, 60, 60), 0.10, 3),
        (flows(-100, 50, 55), 0.10, None),  # 45.5 + 45.5: discounting moves it out of sight
        (flows(-100, 50, 40), 0.0, None),  # never
        (flows(-100, 150, -80, 20, 20), 0.0, 5),  # up in 2, under again in 3, for good in 5
        (flows(-100, 150, -80, 20), 0.0, None),  # and if it ends under water, never
        (flows(50, -100, 80), 0.0, 3),  # debts made later count as well
        (flows(10, 20, 30), 0.0, 1),  # never under water
        (flows(0, 0, 0), 0.0, None),
    ],
)
def test_payback_is_the_quarter_from_which_the_sum_stays_above_zero(given_flows, rate, quarter):
    assert payback_quarter(given_flows, rate) == quarter
