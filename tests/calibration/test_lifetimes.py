"""The field's models of a customer base, against what their authors published and against sums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import gammaln
from scipy.stats import beta as beta_distribution

from sim.calibration.lifetimes import (
    BGNBD,
    FIELD,
    NBD,
    ParetoNBD,
    Spending,
    beta_nodes,
    collect,
    fit_gamma_gamma,
    name_gamma_gamma,
)

CDNOW = Path(__file__).parents[2] / "data" / "cdnow" / "cdnow_sample.csv"
SPLIT = 272
PARETO = np.array([0.553, 10.578, 0.606, 11.669])
"""Estimates for CDNOW by Fader & Hardie (2005)."""
BG = np.array([0.243, 4.414, 0.793, 2.426])
"""Estimates for CDNOW by Fader, Hardie & Lee (2005)."""
POINTS = {"NBD": np.array([0.385, 12.07]), "BG/NBD": BG, "Pareto/NBD": PARETO}


@pytest.fixture(scope="module")
def cdnow():
    """Return the histories of CDNOW's customers up to day 272."""
    log = pd.read_csv(CDNOW)
    days = log[log["day"] <= SPLIT].groupby("id")["day"]
    first, last, n = days.min(), days.max(), days.size()
    return collect(
        (n - 1).to_numpy(float),
        ((last - first) / 7).to_numpy(),
        ((SPLIT - first) / 7).to_numpy(),
    )


@pytest.mark.parametrize(
    ("model", "log_likelihood", "published"),
    [(BGNBD(), -9582.4, BG), (ParetoNBD(), -9595.0, PARETO)],
    ids=["BG/NBD", "Pareto/NBD"],
)
def test_cdnow_gives_the_published_estimates(cdnow, model, log_likelihood, published):
    found = model.fit(cdnow)
    assert found.log_likelihood == pytest.approx(log_likelihood, abs=0.1)
    named = model.describe(found)
    for (name, estimate), value in zip(named.items(), published, strict=True):
        assert estimate.estimate == pytest.approx(value, rel=0.003), name


def test_cells_stand_for_their_customers(cdnow):
    assert cdnow.n.sum() == len(cdnow.cell) == 2357
    assert len(cdnow.n) < 1100
    assert cdnow.x[cdnow.cell].sum() == 2457


@pytest.mark.parametrize("at", [PARETO, PARETO[[2, 3, 0, 1]], np.array([1.0, 5.0, 2.0, 5.0])])
@pytest.mark.parametrize(("x", "recency", "age"), [(0, 0, 30), (3, 20.5, 30), (150, 99, 100)])
def test_pareto_likelihood_is_the_integral_over_the_time_of_leaving(at, x, recency, age):
    r, alpha, s, beta = at

    def orders(time):
        log = gammaln(r + x) - gammaln(r) + r * np.log(alpha) - (r + x) * np.log(alpha + time)
        return np.exp(log - shift)

    shift = gammaln(r + x) - gammaln(r) - (r + x) * np.log(alpha + recency)
    stays = orders(age) * (beta / (beta + age)) ** s
    leaves, _ = quad(
        lambda t: orders(t) * s / beta * (beta / (beta + t)) ** (s + 1), recency, age, epsrel=1e-10
    )
    seen = collect(np.array([float(x)]), np.array([recency / 1]), np.array([float(age)]))
    expected = np.log(stays + leaves) + shift
    assert ParetoNBD().log_likelihood(at, seen)[0] == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("model", FIELD, ids=lambda m: m.name)
def test_a_new_customer_is_one_with_an_empty_history(model):
    nobody = collect(np.zeros(1), np.zeros(1), np.zeros(1))
    at = POINTS[model.name]
    for horizon in (1.0, 39.0, 200.0):
        assert model.ahead(at, nobody, horizon)[0] == pytest.approx(
            float(model.repeats(at, np.array([horizon]))[0]), rel=1e-8
        )


@pytest.mark.parametrize("model", FIELD, ids=lambda m: m.name)
def test_active_in_short_times_adds_up_to_repeats(model):
    at = POINTS[model.name]
    edges = np.linspace(0.0, 60.0, 60_001)
    active = model.active(at, edges[:-1], edges[1:]).sum()
    assert active == pytest.approx(float(model.repeats(at, np.array([60.0]))[0]), rel=1e-3)


@pytest.mark.parametrize("model", [NBD(), BGNBD()], ids=lambda m: m.name)
def test_chances_of_repeats_add_up_to_their_mean(model):
    at, age = POINTS[model.name], np.array([26.0])
    tails = [float(model.at_least(at, n, age)[0]) for n in range(1, 400)]
    assert sum(tails) == pytest.approx(float(model.repeats(at, age)[0]), rel=1e-6)
    assert tails[0] == pytest.approx(float(model.active(at, np.zeros(1), age)[0]), rel=1e-9)
    assert model.at_least(at, 0, age)[0] == 1.0


@pytest.mark.parametrize(("a", "b"), [(0.05, 0.3), (0.8, 2.4), (0.5, 4000.0), (1e-4, 1e4)])
def test_beta_nodes_have_the_moments_of_the_beta(a, b):
    p, weight = beta_nodes(a, b, 32)
    assert weight.sum() == pytest.approx(1.0)
    for n in (1, 2, 5):
        moment = beta_distribution(a, b).moment(n)
        assert weight @ p**n == pytest.approx(moment, rel=1e-6)


def test_gamma_gamma_recovers_what_made_the_amounts():
    rng = np.random.default_rng(5)
    p, q, gamma, n = 4.0, 3.5, 20.0, 4000
    orders = 1.0 + rng.poisson(2.0, n)
    mean = rng.gamma(p * orders) / orders / rng.gamma(q, 1.0 / gamma, n)
    found = fit_gamma_gamma(Spending(orders, mean))
    errors = np.sqrt(np.diag(found.covariance))
    assert np.all(np.abs(found.at - np.log([p, q, gamma])) < 2.5 * errors)
    assert np.all(errors < 0.2)


def test_gamma_gamma_does_not_depend_on_the_currency():
    rng = np.random.default_rng(6)
    orders = 1.0 + rng.poisson(2.0, 500)
    mean = rng.gamma(4.0 * orders) / orders / rng.gamma(3.5, 0.05, 500)
    here = name_gamma_gamma(fit_gamma_gamma(Spending(orders, mean)).at)
    there = name_gamma_gamma(fit_gamma_gamma(Spending(orders, mean * 1e4)).at)
    assert there["mean"] == pytest.approx(1e4 * here["mean"], rel=1e-4)
    assert there["sd_ln_between"] == pytest.approx(here["sd_ln_between"], rel=1e-4)
