"""Choice: multinomial logit by inversion in brand order, and the felt loss of a price."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numba import njit
from scipy import special

from sim.kernels import choice
from sim.kernels.layout import WIDTH
from sim.kernels.philox import exp32

# Float32 arithmetic on utilities of up to 20 logits.
ROUNDING = 1e-5

loss_of = njit(cache=True)(lambda gap, factor: choice.price_loss(gap, 0.0, factor))

utilities = hnp.arrays(np.float32, st.integers(2, 16), elements=st.floats(-20, 20, width=32))
uniforms = st.floats(1e-9, 1 - 1e-9)


@njit(cache=True)
def exps(x):
    """Return the kernel's exp of each."""
    y = np.empty_like(x)
    for k in range(len(x)):
        y[k] = exp32(x[k])
    return y


@njit(cache=True)
def choose_in_lanes(utility, words):
    """Return (brand, odds) of the kernel's choice in each lane."""
    odds, chosen = utility.copy(), np.empty(WIDTH, np.int32)
    choice.choose(odds, words, np.empty(WIDTH, np.float32), np.empty(WIDTH, np.float32), chosen)
    return chosen, odds


@njit(cache=True)
def weigh_in_lanes(utility):
    """Return (highest utility, sum of odds) of each lane."""
    top, total = np.empty(WIDTH, np.float32), np.empty(WIDTH, np.float32)
    choice.weigh_odds(utility.copy(), top, total)
    return top, total


def choose(utility, u):
    """Return (brand, choice probabilities); all lanes do the same."""
    words = np.full(WIDTH, u * 2**32, np.uint32)
    chosen, odds = choose_in_lanes(np.repeat(utility[:, None], WIDTH, axis=1), words)
    assert np.all(chosen == chosen[0])
    return chosen[0], odds[:, 0] / odds[:, 0].sum()


def test_exp32_is_exp_with_relative_error_below_3e_7():
    x = np.linspace(-87, 88, 1_000_001).astype(np.float32)
    exact = np.exp(x.astype(np.float64))
    assert np.abs(exps(x) / exact - 1).max() < 3e-7


def test_exp32_of_zero_is_one_and_of_little_is_almost_nothing():
    far = exps(np.array([0, -88, -1e4, -1e30], dtype=np.float32))
    assert far[0] == 1.0
    assert np.all((far[1:] > 0) & (far[1:] < 2e-38))


@given(utilities)
def test_shares_are_logit_probabilities(utility):
    _, share = choose(utility, 0.5)
    np.testing.assert_allclose(share, special.softmax(utility.astype(np.float64)), atol=1e-6)


@given(utilities, uniforms)
def test_choice_is_inversion_in_brand_order(utility, u):
    edges = np.cumsum(special.softmax(utility.astype(np.float64)))
    b, _ = choose(utility, u)
    assert u < edges[b] + ROUNDING or b == len(utility) - 1
    assert b == 0 or u >= edges[b - 1] - ROUNDING


@given(utilities, uniforms, st.floats(-50, 50, width=32))
def test_only_differences_of_utility_matter(utility, u, shift):
    edges = np.cumsum(special.softmax(utility.astype(np.float64)))
    on_edge = np.abs(edges[:-1] - u).min() < 10 * ROUNDING
    assert on_edge or choose(utility, u)[0] == choose(utility + np.float32(shift), u)[0]


@given(utilities, uniforms, st.floats(0, 10, width=32))
def test_a_better_focal_offer_moves_nobody_away_from_it(utility, u, gain):
    """A focal buyer stays; anybody else moves towards brand 0 in brand order or not at all."""
    better = utility.copy()
    better[0] += np.float32(gain)
    edges = np.cumsum(special.softmax(utility.astype(np.float64)))
    on_edge = np.abs(edges[:-1] - u).min() < ROUNDING
    assert on_edge or choose(better, u)[0] <= choose(utility, u)[0]


def test_shares_of_many_uniforms_are_the_probabilities():
    utility = np.array([0.8, 0.4, 0.0, -0.4, -0.8], dtype=np.float32)
    chosen = [choose(utility, u)[0] for u in (np.arange(10_000) + 0.5) / 10_000]
    share = np.bincount(chosen, minlength=5) / 10_000
    np.testing.assert_allclose(share, special.softmax(utility), atol=1.5e-4)


def test_the_last_brand_catches_a_uniform_that_rounds_to_one():
    assert choose(np.zeros(3, np.float32), 1 - 1e-10)[0] == 2


@given(utilities)
def test_inclusive_value_is_log_sum_exp(utility):
    exact = special.logsumexp(utility.astype(np.float64))
    top, total = weigh_in_lanes(np.repeat(utility[:, None], WIDTH, axis=1))
    assert top[0] + np.log(total[0]) == pytest.approx(exact, rel=1e-6, abs=2e-6)


def test_a_gain_counts_for_less_than_a_loss():
    assert loss_of(0.2, 0.5) == 0.2
    assert loss_of(-0.2, 0.5) == -0.1
    assert loss_of(0.0, 0.5) == 0.0
