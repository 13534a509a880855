"""How sure a figure is: textbook intervals, quantiles with missing values, two layers apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from sim.finance.risk_figures import (
    Spread,
    describe,
    half_width,
    layers,
    probability_of_loss,
    rank_correlation,
    t_quantile,
    tail_mean,
)

NO_TWINS = (np.empty(0), np.empty(0))


def spread(*values: float, missing_is: float = -math.inf) -> Spread:
    return describe(np.array(values, dtype=np.float64), NO_TWINS, missing_is=missing_is)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60).filter(lambda v: np.ptp(v) > 1e-3))
def test_the_interval_is_students(values):
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    assert half_width(np.array(values)) == pytest.approx((high - low) / 2, rel=1e-9)
    found = spread(*values)
    assert found["low"] == pytest.approx(low, rel=1e-9, abs=1e-6)
    assert found["high"] == pytest.approx(high, rel=1e-9, abs=1e-6)


def test_equal_values_are_known_exactly_and_one_value_is_not_known_at_all():
    assert half_width(np.full(9, 0.1)) == 0.0
    assert half_width(np.array([5.0])) == math.inf
    assert half_width(np.empty(0)) == math.inf
    alone = spread(5.0)
    assert alone["mean"] == 5.0
    assert alone["low"] is None
    assert alone["high"] is None
    assert alone["p50"] == 5.0


def test_intervals_cover_the_mean_as_often_as_they_say():
    draws = np.random.default_rng(3).gamma(4.0, size=(2000, 24))
    covered = [abs(row.mean() - 4.0) <= half_width(row) for row in draws]
    error = math.sqrt(0.95 * 0.05 / len(draws))
    assert np.mean(covered) == pytest.approx(0.95, abs=3 * error + 0.01)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_quantiles_are_numpys_linear_ones(values):
    found = spread(*values)
    expected = np.quantile(values, [0.1, 0.5, 0.9])
    np.testing.assert_allclose([found["p10"], found["p50"], found["p90"]], expected, atol=1e-6)


def test_a_figure_that_is_missing_once_has_no_mean():
    found = spread(1, 2, math.nan)
    for key in ("mean", "low", "high", "chance_sd", "ignorance_sd"):
        assert found[key] is None, key


def test_payback_never_reached_lies_beyond_the_highest():
    paid = [3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    found = spread(*paid, *[math.nan] * 5, missing_is=math.inf)  # 11 values: ranks 1, 5, 9
    assert found["p10"] == 4.0
    assert found["p50"] == 8.0
    assert found["p90"] is None


def test_no_rate_of_return_lies_below_the_lowest():
    known = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    found = spread(*known, *[math.nan] * 5, missing_is=-math.inf)
    assert found["p10"] is None
    assert found["p50"] == 0.1
    assert found["p90"] == 0.5


def test_a_quantile_between_a_number_and_a_missing_one_is_missing():
    found = spread(1.0, math.nan, missing_is=math.inf)
    assert found["p50"] is None
    assert spread(math.nan, math.nan)["p50"] is None


def test_chance_and_ignorance_are_told_apart():
    rng = np.random.default_rng(5)
    n, m, chance, ignorance = 4000, 1000, 2.0, 3.0
    parameter = rng.normal(10.0, ignorance, n)
    values = parameter + rng.normal(0.0, chance, n)
    again = parameter[:m] + rng.normal(0.0, chance, m)
    found_chance, found_ignorance = layers(values, (values[:m], again))
    # Half a squared difference of twins is chance^2 times a chi-square of one degree of freedom.
    chance_error = chance**2 * math.sqrt(2.0 / m)
    total_error = (chance**2 + ignorance**2) * math.sqrt(2.0 / n)
    assert found_chance**2 == pytest.approx(chance**2, abs=4 * chance_error)
    assert found_ignorance**2 == pytest.approx(
        ignorance**2, abs=4 * math.hypot(chance_error, total_error)
    )


def test_only_chance_or_only_ignorance():
    rng = np.random.default_rng(6)
    values = rng.normal(0.0, 2.0, 2000)
    chance, ignorance = layers(values, (values[:500], values[:500].copy()))
    assert chance == 0.0
    assert ignorance == pytest.approx(values.std(ddof=1))
    chance, ignorance = layers(values, (values[:1000], rng.normal(0.0, 2.0, 1000)))
    assert chance == pytest.approx(2.0, rel=0.1)
    assert ignorance < 0.9, "what twins explain is not ignorance"


def test_without_twins_the_layers_are_not_known():
    assert layers(np.arange(5.0), NO_TWINS) == (None, None)
    missing = np.array([math.nan, 1.0])
    assert layers(np.arange(5.0), (missing, missing[::-1])) == (None, None)


def test_a_loss_is_below_zero_and_zero_is_none():
    assert probability_of_loss(np.array([-1.0, 0.0, 1.0, 2.0])) == 0.25
    assert probability_of_loss(np.zeros(4)) == 0.0


@pytest.mark.parametrize(
    ("n", "worst"), [(1, 1), (19, 1), (20, 1), (21, 2), (64, 4), (100, 5), (140, 7)]
)
def test_the_tail_is_the_worst_twentieth_at_least_one(n, worst):
    npvs = np.random.default_rng(n).permutation(np.arange(1.0, n + 1.0))
    assert tail_mean(npvs) == np.arange(1.0, worst + 1.0).mean()


@pytest.mark.parametrize("degrees", [1, 2, 7, 63, 5000])
def test_the_quantile_is_students(degrees):
    assert t_quantile(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=1e-12)


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(-1e6, 1e6)), min_size=2, max_size=40))
def test_rank_correlation_is_spearmans_ties_included(pairs):
    first, second = np.array(pairs, dtype=np.float64).T
    assume(np.ptp(first) > 0 and np.ptp(second) > 0)
    expected = stats.spearmanr(first, second).statistic
    assert rank_correlation(first, second) == pytest.approx(expected, abs=1e-12)
