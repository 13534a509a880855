"""What a purchase teaches: nested service outcomes, disconfirmation, and the bond."""

# ruff: noqa: PLW0108 - the lambda is what Numba keeps on disk; what it wraps is always inlined.

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from sim.kernels import bond, experience
from sim.kernels.experience import ANSWERED, LATE, NO_PROBLEM, SILENT

chance = st.floats(0, 1)

outcome_of = njit(cache=True)(lambda u, p, c, t: experience.service_outcome(u, p, c, t))
loss_of = njit(cache=True)(lambda o, x, r, f: experience.service_loss(o, x, r, f))
learn = njit(cache=True)(lambda v, d, e, n: experience.learn_value(v, d, e, n))
lesson_of = njit(cache=True)(lambda e, n, f: experience.first_lesson(e, n, f))
feel = njit(cache=True)(lambda e, d, g, n: bond.feel(e, d, g, n))
end_quarter = njit(cache=True)(lambda e, s, d: bond.end_quarter(e, s, d))
stationary = njit(cache=True, error_model="numpy")(
    lambda m, g, n, z, d: bond.stationary_bond(m, g, n, z, d)
)


def test_service_outcomes_have_the_nested_probabilities():
    problem, complaint, on_time = 0.3, 0.4, 0.75
    outcomes = [
        outcome_of(u, problem, complaint, on_time) for u in (np.arange(10_000) + 0.5) / 10_000
    ]
    share = np.bincount(outcomes, minlength=4) / 10_000
    assert share[NO_PROBLEM] == pytest.approx(0.7, abs=1e-3)
    assert share[SILENT] == pytest.approx(0.3 * 0.6, abs=1e-3)
    assert share[ANSWERED] == pytest.approx(0.3 * 0.4 * 0.75, abs=1e-3)
    assert share[LATE] == pytest.approx(0.3 * 0.4 * 0.25, abs=1e-3)


@given(chance, chance, chance, chance, chance)
def test_more_timely_service_only_turns_late_answers_into_timely_ones(u, problem, complaint, a, b):
    slow, fast = sorted([a, b])
    before, after = (outcome_of(u, problem, complaint, t) for t in (slow, fast))
    assert before == after or (before, after) == (LATE, ANSWERED)


@given(chance, chance, chance, chance, chance)
def test_fewer_problems_never_make_one(u, a, b, complaint, on_time):
    few, many = sorted([a, b])
    if outcome_of(u, many, complaint, on_time) == NO_PROBLEM:
        assert outcome_of(u, few, complaint, on_time) == NO_PROBLEM


def test_a_timely_answer_repairs_and_a_late_one_doubles():
    losses = [loss_of(o, 1.5, 0.8, 2.0) for o in (NO_PROBLEM, SILENT, ANSWERED, LATE)]
    assert losses == pytest.approx([0.0, 1.5, 0.3, 3.0])


@given(st.floats(-3, 3), st.floats(0, 3), st.floats(0, 1), st.floats(1, 5))
def test_bad_news_counts_negativity_times_good_news(value, delta, learning, negativity):
    up = learn(value, delta, learning, negativity) - value
    down = learn(value, -delta, learning, negativity) - value
    assert up == pytest.approx(learning * delta, abs=1e-12)
    assert down == pytest.approx(-negativity * up, abs=1e-12)


@given(chance, st.floats(1, 10))
def test_a_first_experience_like_any_other_teaches_exactly_the_same(learning, negativity):
    assert lesson_of(learning, negativity, 1.0) == (learning, negativity)


@given(st.floats(0.001, 0.5), st.floats(1, 10), st.floats(0, 20))
def test_a_first_experience_teaches_more_but_never_beyond_what_was_delivered(
    learning, negativity, first
):
    share, weight = lesson_of(learning, negativity, first)
    assert share == min(learning * first, 1.0)
    whole = max(1.0, learning * negativity)
    assert share * weight == pytest.approx(min(share * negativity, whole), rel=1e-12)


@given(chance, st.floats(-20, 20), chance, st.floats(1, 5))
def test_the_bond_stays_in_its_range_and_follows_the_sign_of_delta(start, delta, gain, negativity):
    end = feel(start, delta, gain, negativity)
    assert 0.0 <= end <= 1.0
    assert (end - start) * delta >= 0.0


@given(chance, st.floats(-1, 1), chance)
def test_the_bond_stays_in_its_range_over_a_quarter_end(start, stimulus, decay):
    assert 0.0 <= end_quarter(start, stimulus, decay) <= 1.0


def test_quarter_end_is_stimulus_then_decay():
    assert end_quarter(0.5, 0.2, 0.1) == pytest.approx((0.5 + 0.2 * 0.5) * 0.9)
    assert end_quarter(0.1, -0.9, 0.1) == 0.0


@given(st.floats(0, 20), st.floats(0, 0.3), st.floats(1, 3), st.floats(0, 2), st.floats(0.001, 0.5))
def test_the_stationary_bond_is_a_fixed_point(purchases, gain, negativity, noise, decay):
    """Mean gains and losses of a quarter's purchases, then decay, lead back to it."""
    level = stationary(purchases, gain, negativity, noise, decay)
    g = gain * purchases * noise / np.sqrt(2 * np.pi)
    assert 0.0 <= level <= 1.0
    if (1 + negativity) * g <= 1:
        again = (level + g * (1 - level) - negativity * g * level) * (1 - decay)
        assert again == pytest.approx(level, abs=1e-6)  # float32


def test_more_purchases_bind_more():
    levels = [stationary(m, 0.05, 2.0, 0.5, 0.04) for m in (0.0, 0.5, 1, 2, 4, 8)]
    assert levels[0] == 0.0
    assert np.all(np.diff(levels) > 0)


def test_where_nothing_is_gained_and_nothing_decays_there_is_no_bond():
    assert stationary(2.0, 0.0, 2.0, 0.5, 0.0) == 0.0
