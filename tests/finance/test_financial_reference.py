"""NPV, IRR and payback against numpy-financial, an implementation that is not ours."""

from __future__ import annotations

import numpy as np
import numpy_financial as npf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.finance.returns import irr, npv, payback_quarter

AMOUNTS = st.floats(-1e7, 1e7).map(lambda amount: round(amount, 2))
FLOWS = st.lists(AMOUNTS, min_size=1, max_size=40).map(np.array)
INVESTMENTS = st.tuples(
    st.lists(st.floats(1e3, 1e7), min_size=1, max_size=6),
    st.lists(st.floats(1e3, 1e7), min_size=1, max_size=24),
).map(lambda parts: np.concatenate([-np.array(parts[0]), parts[1]]))


@given(FLOWS, st.floats(-0.5, 1.0))
def test_npv(flows, rate):
    size = np.abs(flows) @ (1.0 + rate) ** -np.arange(len(flows))
    assert npv(flows, rate) == pytest.approx(npf.npv(rate, flows), rel=1e-9, abs=1e-12 * size)


@given(INVESTMENTS)
def test_irr_of_an_investment_is_the_quarterly_one_compounded(flows):
    """One change of sign means one rate (Descartes), so both must find the same."""
    found, quarterly = irr(flows), float(npf.irr(flows))
    if found is None:  # numpy-financial looks further than a loss of 95% a quarter
        assert not -0.95 < quarterly < 100.0
        return
    assert found == pytest.approx((1.0 + quarterly) ** 4 - 1.0, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("rates", [(0.04, 0.30), (-0.05, 0.20), (0.02, 0.10, 0.45)])
def test_of_several_rates_ours_is_the_one_nearest_to_zero(rates):
    """Several changes of sign may mean several rates, and no rule makes one of them right.

    We take the one nearest to zero. Theirs is one of them, too, but which is not said.
    """
    flows = np.poly([1.0 / (1.0 + rate) for rate in rates])[::-1].copy()
    assert irr(flows) == pytest.approx((1.0 + min(rates, key=abs)) ** 4 - 1.0, abs=1e-9)
    theirs = float(npf.irr(flows))
    assert min(abs(theirs - rate) for rate in rates) < 1e-6


@given(FLOWS, st.floats(0.0, 0.2))
def test_payback_is_where_their_npv_of_what_came_so_far_stays_positive(flows, rate):
    so_far = np.array([npf.npv(rate, flows[: n + 1]) for n in range(len(flows))])
    sure = np.abs(so_far) > 1e-9 * np.abs(flows).sum()  # not a question of rounding
    found = payback_quarter(flows, rate)
    if not flows.any() or not sure.all():
        return
    under = [quarter for quarter, value in enumerate(so_far, 1) if value < 0]
    if under and under[-1] == len(flows):
        assert found is None
    else:
        assert found == (under[-1] + 1 if under else 1)


@given(st.floats(1e3, 1e7), st.integers(1, 40), st.floats(1e-4, 0.2))
def test_a_loan_repaid_in_equal_parts_is_worth_what_was_lent(lent, n, rate):
    part = -float(npf.pmt(rate, n, lent))
    flows = np.array([lent, *[-part] * n])
    assert npv(flows, rate) == pytest.approx(0.0, abs=1e-8 * lent)
