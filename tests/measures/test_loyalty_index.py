"""The loyalty index: three parts of three, each 0..100, weighted to one."""

from __future__ import annotations

import math

import pytest
from histories import make_history, ours
from hypothesis import given
from hypothesis import strategies as st

from sim.kernels import layout as at
from sim.measures.loyalty_index import (
    WEIGHTS,
    attitude_part,
    behaviour_part,
    loyalty_index,
    potential_part,
)

# Four of ten bought again; ten customers in all.
PEOPLE = {"..x.": 6, "..xx": 4}
FLOW = {
    at.PURCHASES: 8.0, at.CROSS: 2.0, at.CUSTOMERS: 10.0, at.CUSTOMER_RECOMMEND: 60.0,
    at.CUSTOMER_VALUE: 6.0, at.CUSTOMER_BOND: 3.0, at.CUSTOMER_HABIT: 4.0,
    at.PROBLEMS: 2.0, at.CONTACTS: 0.0, at.LATE_ANSWERS: 0.0,
    at.POSITIVE_WEIGHT: 3.0, at.NEGATIVE_WEIGHT: 1.0,
    at.CUSTOMER_LEADERS: 2.0, at.ACTIVE_LEADERS: 1.0,
}  # fmt: skip


def test_weights_are_those_of_the_evidence_and_sum_to_one():
    assert WEIGHTS == {"behaviour": 0.40, "attitude": 0.35, "potential": 0.25}
    assert math.fsum(WEIGHTS.values()) == 1.0


def test_each_part_by_hand():
    run = make_history(PEOPLE, FLOW, trust=0.85)
    # Repeat 4/10, cross-purchase 2/4, recommendation 6 of 10.
    assert ours(behaviour_part(run)) == pytest.approx(100 * (0.4 + 0.5 + 0.6) / 3)
    # Trust is the mean of 6/8 and .85, association 6/10, emotion 3/10.
    assert ours(attitude_part(run)) == pytest.approx(100 * (0.8 + 0.6 + 0.3) / 3)
    # Good opinions 3/4, active leaders 1/2, habit 4/10.
    assert ours(potential_part(run)) == pytest.approx(100 * (0.75 + 0.5 + 0.4) / 3)
    assert ours(loyalty_index(run)) == pytest.approx(
        0.40 * ours(behaviour_part(run))
        + 0.35 * ours(attitude_part(run))
        + 0.25 * ours(potential_part(run))
    )


def test_what_does_not_exist_is_left_out_of_its_part():
    # No leader among the customers: the other two are averaged.
    run = make_history(PEOPLE, {**FLOW, at.CUSTOMER_LEADERS: 0.0, at.ACTIVE_LEADERS: 0.0})
    assert ours(potential_part(run)) == pytest.approx(100 * (0.75 + 0.4) / 2)
    # Nobody bought last quarter: nothing to repeat.
    run = make_history({"...x": 4, ".x..": 6}, FLOW)
    assert ours(behaviour_part(run)) == pytest.approx(100 * (0.5 + 0.6) / 2)


def test_a_brand_without_customers_has_no_index():
    assert math.isnan(ours(loyalty_index(make_history({"....": 5}))))


def test_the_best_of_all_brands_has_100_and_the_worst_0():
    best = {
        at.PURCHASES: 10.0, at.CROSS: 10.0, at.CUSTOMERS: 10.0, at.CUSTOMER_RECOMMEND: 100.0,
        at.CUSTOMER_VALUE: 10.0, at.CUSTOMER_BOND: 10.0, at.CUSTOMER_HABIT: 10.0,
        at.POSITIVE_WEIGHT: 3.0, at.CUSTOMER_LEADERS: 2.0, at.ACTIVE_LEADERS: 2.0,
    }  # fmt: skip
    assert ours(loyalty_index(make_history({"..xx": 10}, best, trust=1.0))) == pytest.approx(100.0)
    worst = {
        at.PURCHASES: 1.0, at.PROBLEMS: 1.0, at.CUSTOMERS: 10.0, at.NEGATIVE_WEIGHT: 3.0,
        at.CUSTOMER_LEADERS: 2.0,
    }  # fmt: skip
    run = make_history({"..x.": 10, "...x": 1}, worst, trust=0.0)
    assert ours(loyalty_index(run)) == 0.0


def shares(n: int):
    return st.lists(st.floats(0, 1), min_size=n, max_size=n)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), shares(9))
def test_every_part_stays_between_0_and_100(again, lapsing, fresh, share):
    """Whatever people do, as long as no sum exceeds what it is a sum over."""
    buyers, people = again + fresh, again + lapsing + fresh
    problems, contacts = share[0] * buyers, share[0] * share[1] * buyers
    flow = {
        at.PURCHASES: buyers, at.CROSS: share[2] * buyers, at.CUSTOMERS: people,
        at.CUSTOMER_RECOMMEND: 10 * share[3] * people, at.CUSTOMER_VALUE: share[4] * people,
        at.CUSTOMER_BOND: share[5] * people, at.CUSTOMER_HABIT: share[6] * people,
        at.PROBLEMS: problems, at.CONTACTS: contacts, at.LATE_ANSWERS: share[7] * contacts,
        at.POSITIVE_WEIGHT: share[8] * buyers, at.NEGATIVE_WEIGHT: (1 - share[8]) * buyers,
        at.CUSTOMER_LEADERS: people, at.ACTIVE_LEADERS: share[8] * people,
    }  # fmt: skip
    run = make_history({"..xx": again, "..x.": lapsing, "...x": fresh}, flow)
    for part in (behaviour_part, attitude_part, potential_part, loyalty_index):
        value = ours(part(run))
        assert math.isnan(value) or -1e-9 <= value <= 100 + 1e-9
