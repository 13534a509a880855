"""Who comes and who goes: stationary rates, leaving, newcomers without a history."""

# ruff: noqa: PLW0108 - the lambda is what Numba keeps on disk; what it wraps is always inlined.

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numba import njit
from scipy import special, stats
from worlds import FIVE, make_market, make_scene, shake

from sim.config.market import Bond, Brand, ChoiceWeights, Leaving, Rate, Segment, Spread
from sim.kernels import renewal
from sim.kernels.layout import LEFT, PURCHASES
from sim.kernels.philox import RATE, gamma
from sim.kernels.quarter import create_residents
from sim.kernels.renewal import NEVER, RESIDENT
from sim.types import N_CHANNELS, Channel

leaving_of = njit(cache=True)(
    lambda x, d, e, s, w, r: renewal.leaving_probability(x, d, e, s, w, r)
)


@njit(cache=True)
def drift(columns, traits, n, quarter):
    """Let a year go by: everybody's rate moves once."""
    for q in range(quarter, quarter + renewal.QUARTERS_PER_YEAR):
        renewal.drift_rates(columns, traits, 0, 0, n, q, 1, 0)


@njit(cache=True)
def fresh_rates(n, shape, mean):
    """Return Gamma rates."""
    rates = np.empty(n, np.float32)
    for i in range(n):
        rates[i] = gamma(shape, i, 0, RATE, 0, 1, 0) * mean / shape
    return rates


def rates_over_time(n, shape, mean, rho, steps):
    """Return rates at the start and after each year, shape (steps + 1, n)."""
    scene = make_scene(n, make_market(segments=(Segment("all", share=1.0),)))
    traits = scene.traits._replace(
        rate_shape=shape, rate_mean=np.array([mean], np.float32), rate_persistence=rho
    )
    columns = scene.population.columns
    columns.rate[:] = fresh_rates(n, shape, mean)
    rates = [columns.rate.copy()]
    for step in range(steps):
        drift(columns, traits, n, 4 * step)
        rates.append(columns.rate.copy())
    return np.array(rates)


@pytest.mark.parametrize(("shape", "rho"), [(0.243, 0.7), (0.6, 0.7071), (0.6, 0.1), (4.4, 0.9)])
def test_drift_keeps_the_gamma_law_and_has_the_stated_autocorrelation(shape, rho):
    n, mean = 20_000, 2.5
    rates = rates_over_time(n, shape, mean, rho, 3)
    for row in rates:
        assert stats.kstest(row, stats.gamma(shape, scale=mean / shape).cdf).pvalue > 0.01
    x, y = ((row - mean) / (mean / np.sqrt(shape)) for row in (rates[2], rates[3]))
    error = np.std(x * y - rho * (x**2 + y**2) / 2) / np.sqrt(n)  # influence of one customer
    assert abs(np.corrcoef(x, y)[0, 1] - rho) < 4 * error


def test_a_rate_with_persistence_one_stays():
    rates = rates_over_time(100, 0.6, 2.5, 1.0, 1)
    np.testing.assert_array_equal(rates[0], rates[1])


def test_satisfaction_and_bond_keep_customers():
    base = leaving_of(-2.0, 0.0, 0.1, 0.5, 0.5, 0.1)
    assert base == pytest.approx(1 / (1 + np.exp(2.0)))
    assert leaving_of(-2.0, 1.0, 0.1, 0.5, 0.5, 0.1) < base
    assert leaving_of(-2.0, 0.0, 0.9, 0.5, 0.5, 0.1) < base


@pytest.fixture(scope="module")
def newcomers():
    """Return a scene in which everybody leaves after the first purchase, and the newcomers."""
    brands = tuple(replace(b, taste=0.5 * k) for k, b in enumerate(FIVE, start=1))
    scene = make_scene(20_000, make_market(brands=brands))
    columns = scene.population.columns
    shake(scene.population, np.random.default_rng(1))
    columns.stock[:] = 0.0
    columns.leaving_logit[:] = 60.0
    columns.rate[:] = 50.0
    tally = scene.live(scene.offer(), 4)[0]
    return scene, tally, columns.birth == 5


def test_a_newcomer_has_no_history(newcomers):
    scene, tally, new = newcomers
    columns = scene.population.columns
    assert new.sum() == tally.category[:, LEFT].sum() > 19_000
    assert np.all(columns.bond[:, new] == 0)
    assert np.all(columns.history[:, new] == 0)
    assert np.all(columns.stock[new] == 0)
    assert np.all(columns.last_brand[new] == NEVER)
    assert np.all(columns.first_purchase[new] == NEVER)
    for name in (
        "flags", "trailing_spend", "points", "tier", "satisfaction", "warnings", "care",
    ):  # fmt: skip
        assert np.all(getattr(columns, name)[new] == 0), name
    np.testing.assert_allclose(columns.habit[:, new], 1 / 5, rtol=1e-6)
    np.testing.assert_array_equal(columns.awareness[:, new], np.float32(0.6))
    s = columns.segment[new]
    np.testing.assert_array_equal(columns.value[:, new], scene.offer().reputation[:, s])


def test_newcomers_differ_as_the_market_says(newcomers):
    """Rates Gamma, leaving Beta, tastes normal; weights and baskets lognormal, of given mean."""
    scene, _, new = newcomers
    columns, market = scene.population.columns, scene.market
    ordinary = new & (columns.segment == 0)
    rate, leaving = market.rate, market.leaving
    assert stats.kstest(
        columns.rate[ordinary], stats.gamma(rate.shape, scale=rate.mean / rate.shape).cdf
    ).pvalue > 0.01  # fmt: skip
    p = 1 / (1 + np.exp(-columns.leaving_logit[new].astype(np.float64)))
    assert stats.kstest(p, stats.beta(leaving.alpha, leaving.beta).cdf).pvalue > 0.01
    for b, brand in enumerate(market.brands):
        law = stats.norm(brand.appeal, market.spread.taste * brand.taste)
        assert stats.kstest(columns.taste[b, new], law.cdf).pvalue > 0.005
    for values, mean, sd in (
        (columns.weight_price[ordinary], 4.5, market.spread.price),
        (columns.weight_habit[ordinary], 2.0, market.spread.habit),
        (columns.basket[ordinary], market.basket, market.spread.basket),
    ):
        law = stats.lognorm(sd, scale=mean * np.exp(-sd * sd / 2))
        assert stats.kstest(values, law.cdf).pvalue > 0.005


def test_a_newcomer_arrives_with_a_purchase(newcomers):
    scene, _, new = newcomers
    columns = scene.population.columns
    columns.rate[:] = 0.0
    columns.leaving_logit[:] = -60.0
    scene.traits = scene.traits._replace(rate_persistence=1.0)
    scene.live(scene.offer(), 5)
    assert np.all(columns.last_brand[new] != NEVER)
    assert np.all((columns.history[:, new] & 1).sum(axis=0) == 1)


def test_residents_are_those_whom_renewal_left():
    """Length bias: residents buy less often and leave less readily than newcomers, of any age."""
    market = make_market(leaving=Leaving(alpha=0.8, beta=3.0, market_age=40), spread=Spread())
    columns = make_scene(20_000, market).population.columns
    p = 1 / (1 + np.exp(-columns.leaving_logit))
    assert np.all(columns.birth == RESIDENT)
    assert p.mean() < 0.8 * 0.8 / 3.8
    ordinary = columns.segment == 0
    assert columns.rate[ordinary].mean() < 0.95 * market.rate.mean


def test_in_a_market_without_age_residents_are_like_newcomers():
    market = make_market(leaving=Leaving(market_age=0), rate=Rate(shape=0.6))
    columns = make_scene(20_000, market).population.columns
    rate = columns.rate[columns.segment == 0]
    assert stats.kstest(rate, stats.gamma(0.6, scale=2.5 / 0.6).cdf).pvalue > 0.01


def test_residents_have_no_past_with_a_brand_that_is_yet_to_come():
    """It is out of their reach, then nobody buys it, and once it is there it is bought."""
    scene = make_scene(2000)
    start_pull = np.zeros(scene.shape, np.float32)
    start_pull[0] = -40.0
    create_residents(
        scene.population.columns, scene.traits, scene.offer(start_pull=start_pull), 0, 2000, 1, 0
    )
    columns = scene.population.columns
    assert columns.habit[0].max() < 1e-9
    assert not columns.history[0].any()
    assert np.all(columns.first_purchase == NEVER)
    assert np.all(columns.last_brand != 0)
    worth = columns.weight_value * scene.offer().start_value[1, 0]  # alike, at a price of 1
    others = special.logsumexp(columns.taste[1:].astype(np.float64), axis=0) + worth
    np.testing.assert_allclose(columns.attraction_level, others, atol=1e-4)
    n_brands, n_segments = scene.shape
    nowhere = np.zeros((n_brands, N_CHANNELS, n_segments))
    nowhere[0, Channel.AVAILABILITY] = -1.0
    for quarter in range(4):
        tally = scene.live(scene.offer(1, nowhere), quarter)[0]
        assert tally.flow[:, 0, PURCHASES].sum() == 0
        assert tally.flow[:, 1:, PURCHASES].sum() > 1000
    assert scene.live(scene.offer(), 4)[0].flow[:, 0, PURCHASES].sum() > 100


@pytest.mark.parametrize("price", [0.01, 0.1, 1.0, 10.0, 100.0])
def test_the_usual_attraction_is_finite_at_any_price(price):
    """ln sum exp(utility), also where exp(utility) itself leaves float32."""
    market = make_market(
        brands=(Brand("near", price=price), Brand("far", price=1.2 * price)),
        segments=(Segment("all", share=1.0, weights=ChoiceWeights(price=30.0)),),
    )
    scene = make_scene(200, market)
    columns, offer = scene.population.columns, scene.offer()
    utility = (
        columns.taste.astype(np.float64)
        + columns.weight_value * offer.start_value[:, :1]
        - columns.weight_price * offer.start_log_price[:, :1]
    )
    exact = special.logsumexp(utility, axis=0)
    np.testing.assert_allclose(columns.attraction_level, exact, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bond", [Bond(gain=0.0, decay=0.0), Bond(gain=0.0), Bond(decay=0.0)])
def test_residents_have_a_bond_also_where_nothing_builds_or_wears_it(bond):
    columns = make_scene(200, make_market(bond=bond)).population.columns
    assert np.all((columns.bond >= 0) & (columns.bond <= 1))
