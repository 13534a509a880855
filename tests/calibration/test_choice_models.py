"""Choice models against a naive reference, and the laws that predictions and simulations obey."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sim.calibration.choice import (
    LEAST_PRICE,
    Chooser,
    Form,
    Sample,
    draw_normals,
    earlier_counts,
    estimate_choice,
    fit_household_dirichlet,
    fit_shares,
    limit_prices,
    place_draws,
    see_occasions,
    sum_up,
)
from sim.calibration.observed import Panel

N_BRANDS, N_ATTRIBUTES = 3, 2


def make_panel(n_households=7, n_rows=6, seed=0) -> Panel:
    """Return choices at random, with prices and attributes at random."""
    rng = np.random.default_rng(seed)
    n = n_households * n_rows
    first = np.arange(0, n + 1, n_rows)
    price = np.exp(0.3 * rng.normal(size=(n, N_BRANDS)))
    return Panel(
        source="made.csv",
        brands=("a", "b", "c"),
        attributes=("feat", "disp"),
        chosen=rng.integers(0, N_BRANDS, n),
        price=price / price.mean(),
        price_unit=1.0,
        x=rng.random((n, N_BRANDS, N_ATTRIBUTES)),
        first=first,
        first_test=first[:-1] + n_rows - 2,
    )


PANEL = make_panel()
FORMS = {
    "alike": Form(N_BRANDS, N_ATTRIBUTES, 1, random=False, lived=False),
    "field": Form(N_BRANDS, N_ATTRIBUTES, 1, random=True, lived=False),
    "lived": Form(N_BRANDS, N_ATTRIBUTES, 1, random=True, lived=True),
}


def parameters(form: Form):
    """Return some parameters that are nothing special."""
    rng = np.random.default_rng(5)
    at = form.prior.mean + 0.3 * rng.normal(size=len(form.prior.mean))
    at[N_BRANDS - 1 + N_ATTRIBUTES] = 1.7
    return at


def logit(u):
    p = np.exp(u - u.max())
    return p / p.sum()


def naive_probabilities(data, natural, lived, z, i):
    """Return a household's probability of each brand on each row, given its deviations `z`.

    As the model is written in words, one draw, one row, one brand at a time.
    """
    appeal, weights = natural[:N_BRANDS], natural[N_BRANDS : N_BRANDS + N_ATTRIBUTES]
    habit, smoothing, price, price_sd = natural[5:9]
    taste_sd, habit_sd, settled = natural[9:12], natural[12], natural[13]
    own = appeal + taste_sd * z[:N_BRANDS]
    price_weight = price + price_sd * z[N_BRANDS]
    if lived:
        price_weight = np.exp(price_weight)
    habit_weight = habit * np.exp(habit_sd * z[N_BRANDS + 1])
    usual = own + data.usual_x @ weights - price_weight * data.usual_price
    at_rest = logit(usual)
    for _ in range(4):
        at_rest = logit(usual + habit * at_rest)
    h = settled * at_rest + (1 - settled) * data.shares
    out = []
    for row in range(data.first[i], data.first[i + 1]):
        u = own + data.x[row] @ weights + habit_weight * h - price_weight * data.price[row]
        out.append(logit(u))
        h = smoothing * h + (1 - smoothing) * np.eye(N_BRANDS)[data.chosen[row]]
    return np.array(out)


def naive_likelihoods(data, natural, lived, sample, until):
    """Return each household's simulated log-likelihood of its rows before `until`."""
    out = []
    for i in range(data.n_households):
        rows = slice(data.first[i], until[i])
        ll = sample.ln_weight[i].copy()
        for r in range(len(ll)):
            p = naive_probabilities(data, natural, lived, sample.z[i, :, r], i)
            p = p[: until[i] - data.first[i]]
            ll[r] += np.sum(np.log(p[np.arange(len(p)), data.chosen[rows]]))
        out.append(np.log(np.mean(np.exp(ll))))
    return np.array(out)


def some_sample(data, n_draws=4) -> Sample:
    rng = np.random.default_rng(9)
    shape = (data.n_households, N_BRANDS + 2, n_draws)
    return Sample(rng.normal(size=shape), 0.1 * rng.normal(size=(shape[0], n_draws)))


@pytest.mark.parametrize("name", FORMS)
def test_the_likelihood_is_that_of_the_naive_reference(name):
    form, data = FORMS[name], see_occasions(PANEL, ln_price=FORMS[name].lived)
    natural, sample = form.natural(parameters(form))[0], some_sample(data)
    for until in (data.first_test, data.first[1:]):
        fast = sum_up(data, natural, form.lived, sample, until, 2).ll
        assert fast == pytest.approx(
            naive_likelihoods(data, natural, form.lived, sample, until), rel=1e-12
        )


@pytest.mark.parametrize("name", FORMS)
def test_the_gradient_is_that_of_the_naive_reference(name):
    form, data = FORMS[name], see_occasions(PANEL, ln_price=FORMS[name].lived)
    at, sample = parameters(form), some_sample(data)

    def naive(at):
        natural = form.natural(at)[0]
        return naive_likelihoods(data, natural, form.lived, sample, data.first_test).sum()

    natural, slopes = form.natural(at)
    fast = sum_up(data, natural, form.lived, sample, data.first_test, 2).gradient
    steps = 1e-5 * np.eye(len(at))
    slow = [(naive(at + s) - naive(at - s)) / 2e-5 for s in steps]
    assert fast.sum(axis=0) @ slopes == pytest.approx(slow, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("name", ["field", "lived"])
def test_draws_that_are_placed_give_what_many_draws_from_the_prior_give(name):
    form, data = FORMS[name], see_occasions(PANEL, ln_price=FORMS[name].lived)
    natural = form.natural(parameters(form))[0]
    placed = place_draws(data, natural, form.lived, draw_normals(data, 512, 1), 2)
    many = draw_normals(data, 2**16, 2)
    prior = Sample(many, np.zeros((data.n_households, many.shape[2])))
    a, b = (
        sum_up(data, natural, form.lived, sample, data.first_test, 2).ll
        for sample in (placed, prior)
    )
    assert a == pytest.approx(b, abs=0.02)


@pytest.mark.parametrize("name", FORMS)
def test_predictions_of_a_households_rows_multiply_to_its_likelihood(name):
    form, data = FORMS[name], see_occasions(PANEL, ln_price=FORMS[name].lived)
    natural = form.natural(parameters(form))[0]
    chooser = Chooser(data, natural, form.lived, form.random, n_draws=64)
    p = chooser.predict()
    sample = chooser.sample()
    whole = sum_up(data, natural, form.lived, sample, data.first[1:], 2).ll
    none = np.log(np.mean(np.exp(sample.ln_weight), axis=1))  # of no row at all
    each = np.log(p[np.arange(len(p)), data.chosen])
    assert np.add.reduceat(each, data.first[:-1]) == pytest.approx(whole - none, rel=1e-10)
    assert p.sum(axis=1) == pytest.approx(1)


def test_on_the_first_row_kept_back_the_closed_loop_is_the_prediction_one_step_ahead():
    form, data = FORMS["lived"], see_occasions(PANEL, ln_price=True)
    chooser = Chooser(data, form.natural(parameters(form))[0], True, True, n_draws=64)
    simulated, rows, n = chooser.simulate(20_000), data.first_test, 20_000
    often = np.stack([(simulated[rows] == b).mean(axis=1) for b in range(N_BRANDS)], axis=1)
    p = chooser.predict()[rows]
    assert np.all(np.abs(often - p) < 4.5 * np.sqrt(p * (1 - p) / n))


def test_before_the_part_kept_back_a_simulation_has_the_real_choices_and_real_ones_feed_nothing():
    form, data = FORMS["lived"], see_occasions(PANEL, ln_price=True)
    natural = form.natural(parameters(form))[0]
    simulated = Chooser(data, natural, True, True, n_draws=32).simulate(50)
    assert np.all(simulated[~data.test] == data.chosen[~data.test, None])
    other = data.chosen.copy()
    other[data.test] = (other[data.test] + 1) % N_BRANDS
    again = Chooser(replace(data, chosen=other), natural, True, True, n_draws=32).simulate(50)
    assert np.array_equal(again[data.test], simulated[data.test])


def test_threads_change_nothing():
    form, data = FORMS["lived"], see_occasions(PANEL, ln_price=True)
    a, b = (estimate_choice(data, form, draws=(16,), seed=1, threads=threads) for threads in (1, 3))
    assert np.array_equal(a.found.at, b.found.at)
    assert np.array_equal(a.chooser.predict(), b.chooser.predict())


def test_the_order_of_brands_changes_nothing():
    order = np.array([2, 0, 1])
    panel = make_panel(40, 8)
    turned = replace(
        panel,
        brands=tuple(panel.brands[b] for b in order),
        chosen=np.argsort(order)[panel.chosen],
        price=panel.price[:, order],
        x=panel.x[:, order],
    )
    lls = []
    for p in (panel, turned):
        data = see_occasions(p, ln_price=False)
        form = replace(FORMS["alike"], base=int(np.argmax(data.shares)))
        lls.append(estimate_choice(data, form).found.log_likelihood)
    assert lls[0] == pytest.approx(lls[1], abs=1e-4)


def test_a_price_near_zero_counts_as_a_stated_part_of_the_brands_median():
    price = np.array([[1.0, 2.0], [1.1, 2.0], [0.001, 2.0], [0.9, 0.5]])
    limited, n = limit_prices(price)
    assert n == 2
    assert limited[2, 0] == pytest.approx(LEAST_PRICE * np.median(price[:, 0]))
    assert limited[3, 1] == pytest.approx(LEAST_PRICE * 2.0)
    others = [[0, 0], [0, 1], [1, 0], [1, 1], [2, 1], [3, 0]]
    assert all(limited[i, j] == price[i, j] for i, j in others)


def test_shares_are_those_of_the_part_for_estimation_and_never_0():
    panel = replace(PANEL, chosen=np.where(PANEL.chosen == 2, 0, PANEL.chosen))
    panel.chosen[~panel.train] = 2
    shares = fit_shares(panel)
    n = np.bincount(panel.chosen[panel.train], minlength=3)
    assert n[2] == 0
    assert shares == pytest.approx((n + 0.5) / (n.sum() + 1.5))


def test_a_household_dirichlet_predicts_from_what_the_household_bought_before():
    panel = make_panel(60, 8)
    loyal = np.repeat(np.random.default_rng(1).integers(0, 3, 60), 8)
    panel = replace(panel, chosen=np.where(np.arange(480) % 8 < 6, loyal, panel.chosen))
    a, p = fit_household_dirichlet(panel)
    row = panel.first[3] + 5
    before = np.bincount(panel.chosen[panel.first[3] : row], minlength=3)
    assert earlier_counts(panel)[row] == pytest.approx(before)
    assert p[row] == pytest.approx((a + before) / (a.sum() + 5))
    assert a.sum() < 1  # nearly all buy one brand
