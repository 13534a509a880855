"""Calibration on order logs: CDNOW, a panel of store visits, and logs of a naive simulator."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import binom, gammaln
from scipy.stats import gamma

from sim.calibration.customer_base import looks_like_panel, take_customers
from sim.calibration.forecast import count_repeats, look_ahead, track
from sim.calibration.incidence import (
    WEEKS_PER_QUARTER,
    Form,
    Grid,
    Likelihood,
    Parameters,
    make_calendar,
    settle_rates,
    transitions,
)
from sim.calibration.observed import Log
from sim.calibration.transactions import fit_transactions
from sim.errors import ConfigError, DataError

DATA = Path(__file__).parents[2] / "data"
TRUE = {
    "rate.shape": 0.6,
    "rate.mean": 1.2,
    "rate.half_life": 4.0,
    "leaving.alpha": 0.6,
    "leaving.beta": 4.0,
}


def make_log(table: pd.DataFrame, split: int, end: int | None = None, **settings) -> Log:
    """Put a table of customer, day and, perhaps, amount into a log; a day's orders are one."""
    table = table.groupby(["customer", "day"], as_index=False).sum()
    names, unit = np.unique(table["customer"], return_inverse=True)
    return Log(
        source="orders.csv",
        customers=names.astype(str),
        first=np.concatenate([[0], np.cumsum(np.bincount(unit))]),
        day=table["day"].to_numpy(np.int64),
        amount=table["amount"].to_numpy(float) if "amount" in table else None,
        split=split,
        end=int(table["day"].max()) if end is None else end,
        **settings,
    )


def simulate(n, days, seed, true=TRUE, acquired=180, novelty=0.0, season=(1, 1, 1, 1), boost=None):
    """Make orders day by day, as naively as the model's words.

    `boost` is a factor on the rate of customers who come on day 91 or later.
    """
    rng = np.random.default_rng(seed)
    k, scale = true["rate.shape"], true["rate.mean"] / true["rate.shape"] / (365.25 / 4)
    kept = 0.5 ** (1 / (3 * true["rate.half_life"]))
    rate = rng.gamma(k, scale, n)
    leaving = rng.beta(true["leaving.alpha"], true["leaving.beta"], n)
    entry = rng.integers(0, acquired, n)
    factor = np.where(entry > 90, boost or 1.0, 1.0)
    there = rng.random(n) > leaving
    months = (np.datetime64("2001-01-01") + np.arange(days)).astype("M8[M]").astype(int)
    customers, when = [np.arange(n)], [entry]
    for day in range(1, days):
        if months[day] != months[day - 1]:
            rate = rng.beta(k * kept, k * (1 - kept), n) * rate + rng.gamma(
                k * (1 - kept), scale, n
            )
        age = (day - entry) / 7
        today = rate * factor * season[months[day] % 12 // 3] * (1 + novelty * np.exp(-age / 5))
        buys = np.flatnonzero(there & (age > 0) & (rng.random(n) < today))
        customers.append(buys)
        when.append(np.full(len(buys), day))
        there[buys] = rng.random(len(buys)) > leaving[buys]
    return pd.DataFrame({"customer": np.concatenate(customers), "day": np.concatenate(when)})


@pytest.fixture(scope="module")
def cdnow():
    table = pd.read_csv(DATA / "cdnow" / "cdnow_sample.csv")
    return table.rename(columns={"id": "customer", "usd": "amount"})


@pytest.fixture(scope="module")
def cdnow_fit(cdnow):
    return fit_transactions(make_log(cdnow, 272))


# The log that the field knows ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "predicted", "mape", "rmse", "r"),
    [("BG/NBD", 1653, 0.0263, 1.608, 0.626), ("Pareto/NBD", 1666, 0.0131, 1.603, 0.630)],
)
def test_cdnow_by_the_field(cdnow_fit, model, predicted, mape, rmse, r):
    found = cdnow_fit.models[model]["holdout"]
    assert found["actual"] == 1882
    assert found["predicted"] == pytest.approx(predicted, abs=1.0)
    assert found["cumulative_mape"] == pytest.approx(mape, abs=0.0001)
    assert found["rmse"] == pytest.approx(rmse, abs=0.001)
    assert found["r"] == pytest.approx(r, abs=0.001)


def test_cdnow_by_the_engines_model(cdnow_fit):
    found = cdnow_fit.holdout
    assert found["predicted"] == pytest.approx(1882, rel=0.10)
    assert found["cumulative_mape"] <= 0.02
    assert found["rmse"] <= 1.61
    assert found["r"] >= 0.62
    real = [1, 0.222, 0.177, 0.171, 0.163, 0.127]
    assert found["active_by_quarter_actual"] == pytest.approx(real, abs=0.0006)
    assert found["active_by_quarter"] == pytest.approx(real, abs=0.03)
    assert found["active_given_history"][:3] == [None] * 3
    assert found["active_given_history"][3:] == pytest.approx(real[3:], abs=0.03)


def test_cdnow_prefers_the_engines_model_before_and_after_the_split(cdnow_fit):
    for model in ("NBD", "BG/NBD", "Pareto/NBD"):
        assert cdnow_fit.train_ll > cdnow_fit.models[model]["train_ll"]
        assert cdnow_fit.test_ll > cdnow_fit.models[model]["test_ll"]


def test_the_form_is_chosen_by_akaikes_criterion(cdnow_fit):
    tried = cdnow_fit.models["fidelio"]["tried"]
    assert len(tried) == 3
    aic = {name: 2 * t["parameters"] - 2 * t["log_likelihood"] for name, t in tried.items()}
    assert {name: t["aic"] for name, t in tried.items()} == pytest.approx(aic)
    assert min(aic, key=aic.get) == "rates + leaving + drift + novelty"


def test_what_comes_after_the_split_does_not_move_the_estimates(cdnow, cdnow_fit):
    known = cdnow[cdnow["day"] <= 272]
    again = fit_transactions(make_log(known, 272))
    assert again.market == cdnow_fit.market
    assert again.holdout is None
    assert again.test_ll is None


def test_threads_do_not_move_the_estimates(cdnow):
    log = make_log(cdnow[cdnow["customer"] < 4000], 272, 545)
    assert fit_transactions(log, threads=1).document() == fit_transactions(log).document()


def test_settings_have_errors_and_joint_draws(cdnow_fit):
    assert set(cdnow_fit.market) == {
        "rate.shape", "rate.mean", "rate.half_life", "leaving.alpha", "leaving.beta", "basket",
        "spread.basket",
    }  # fmt: skip
    assert set(cdnow_fit.provenance) == set(cdnow_fit.market)
    assert set(cdnow_fit.joint) == set(TRUE)
    for path, draws in cdnow_fit.joint.items():
        median, error = cdnow_fit.market[path]["lognormal"]
        assert len(draws) == 64
        assert np.mean(np.log(draws)) == pytest.approx(np.log(median), abs=0.2 * error)
        assert np.std(np.log(draws)) == pytest.approx(error, rel=0.2)
    together = np.corrcoef(np.log([cdnow_fit.joint[p] for p in ("leaving.alpha", "leaving.beta")]))
    assert together[0, 1] > 0.5


def test_the_fit_is_plain_data(cdnow_fit):
    document = json.loads(json.dumps(cdnow_fit.document(), allow_nan=False))
    tracking = document["series"]["tracking"]
    assert {len(column) for column in tracking.values()} == {78}
    assert tracking["actual"][-1] == 2457 + 1882
    repeats = document["series"]["repeats"]
    for name in ("actual", "fidelio", "NBD", "BG/NBD"):
        assert sum(repeats[name]) == pytest.approx(2357, rel=1e-3), name
    assert document["holdout"]["noise"]["actual"] == pytest.approx(94, rel=0.15)


def test_noise_is_that_of_resampled_customers(cdnow_fit):
    noise, n = cdnow_fit.holdout["noise"], cdnow_fit.n_units
    share = np.array(cdnow_fit.holdout["active_by_quarter_actual"])
    expected = np.sqrt(share * (1 - share) / n)
    assert noise["active_by_quarter"] == pytest.approx(expected, rel=0.2, abs=1e-9)


# A panel that was there before --------------------------------------------------------------------


@pytest.fixture(scope="module")
def trips():
    table = pd.read_csv(DATA / "complete_journey" / "trips.csv")
    table = table.rename(columns={"hid": "customer", "spend": "amount"})
    return make_log(table, 181)


def test_a_panel_and_a_cohort_are_told_apart(trips, cdnow):
    assert looks_like_panel(trips)
    assert not looks_like_panel(make_log(cdnow, 272))
    for seed, acquired in enumerate((30, 90, 180, 360)):
        table = simulate(400, 365, seed, acquired=acquired)
        assert not looks_like_panel(make_log(table, 300)), acquired


def test_store_visits_give_the_penetration_of_other_times(trips):
    fit = fit_transactions(trips)
    table = fit.holdout["penetration"]
    assert table["weeks"] == [4, 13, 26, 52]
    assert table["nbd"] == pytest.approx(table["observed"], abs=0.035)
    assert table["nbd"] == pytest.approx(table["observed_mean"], abs=0.035)
    assert table["fidelio"] == pytest.approx(table["observed"], abs=0.035)
    assert "leaving.alpha" not in fit.market
    assert fit.holdout["rmse"] < fit.models["NBD"]["holdout"]["rmse"]
    n_none = sum(trips.day[trips.first[:-1]] > 181)
    assert any(f"{n_none} who first order after the split" in note for note in fit.notes)


# The model's parts against sums -------------------------------------------------------------------


@pytest.fixture(scope="module")
def some():
    """Return a base of simulated customers, with its calendar and watch to day 272."""
    base = take_customers(make_log(simulate(2000, 365, 3), 272, 364), False)
    calendar = make_calendar(-1, [272, 364], "")
    return base, calendar, base.watch(calendar, 272, np.arange(base.n))


POINT = Parameters(shape=0.6, mean=1.2, alpha=0.6, beta=4.0, half_life=4.0, season=np.ones(4))


def test_months_are_the_calendars():
    calendar = make_calendar(-1, [272, 545], "")
    ends = calendar.bounds[1:][[k in {2, 5} for k in range(len(calendar.bounds) - 1)]]
    assert list(ends) == [89, 180]
    assert {272, 364, 545} <= set(calendar.bounds)
    assert calendar.names == (*(f"year 1 Q{k}" for k in range(1, 5)), "year 2 Q1", "year 2 Q2")
    leap = make_calendar(-1, [100], "2024-01-01")
    assert list(leap.bounds) == [-1, 30, 59, 90, 100]
    assert list(leap.quarter) == [0, 0, 0, 1]
    late = make_calendar(-1, [40], "2019-11-16")
    assert list(late.bounds) == [-1, 14, 40]
    assert list(late.begins) == [False, True]


def test_the_filter_is_the_closed_form_where_rates_hardly_drift(some):
    _, calendar, watch = some
    likelihood = Likelihood(watch, calendar, Form(drift=True))
    still = Parameters(**{**vars(POINT), "half_life": 1e6, "novelty": 0.7, "fade": 5.0})
    filtered = likelihood.branches(still)
    closed = settle_rates(still, watch, calendar)
    for found, expected in zip(filtered, closed, strict=True):
        assert found == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (2, 0), (0, 3), (5, 1), (8, 9)])
def test_the_filter_is_the_sum_over_what_a_month_keeps(first, second):
    """Two months share a part U of the rate: V + U before, U + G after, all three Gamma."""
    days = [0, *range(1, 1 + first), *range(35, 35 + second)]
    names = np.arange(30).repeat(len(days))
    table = pd.DataFrame({"customer": names, "day": np.tile(days, 30)})
    base = take_customers(make_log(table, 58, 58), False)
    calendar = make_calendar(-1, [58], "")
    watch = base.watch(calendar, 58, np.arange(30))
    found, _ = Likelihood(watch, calendar, Form(drift=True)).branches(POINT)
    k, rate, kept = POINT.shape, 1 / POINT.scale, POINT.kept
    weeks = np.array([30, 28]) / 7

    def term(shape, n, time):
        log = gammaln(shape + n) - gammaln(shape)
        return np.exp(log + shape * np.log(rate) - (shape + n) * np.log(rate + time))

    total = sum(
        binom(first, i) * binom(second, j)
        * term(k * kept, i + j, weeks.sum())
        * term(k * (1 - kept), first - i, weeks[0])
        * term(k * (1 - kept), second - j, weeks[1])
        for i in range(first + 1)
        for j in range(second + 1)
    )  # fmt: skip
    assert found[0] == pytest.approx(np.log(total), abs=2e-3)


def test_drift_keeps_the_gamma_distribution_and_has_its_half_life():
    grid = Grid(np.concatenate([[0.0], 1e-5 * np.exp(0.15 * np.arange(100))]), 0.15)
    move, weights = transitions(grid, POINT), grid.weights(POINT.shape, POINT.scale)
    for test in (np.ones_like(grid.rate), grid.rate, np.exp(-20.0 * grid.rate)):
        assert weights @ (move @ test) == pytest.approx(weights @ test, rel=1e-4)
    assert weights @ grid.rate == pytest.approx(POINT.mean / WEEKS_PER_QUARTER, rel=1e-5)
    value = grid.rate
    for _ in range(12):  # the half-life: 4 quarters
        value = move @ value
    centre = POINT.mean / WEEKS_PER_QUARTER
    known = grid.rate < 20 * centre
    assert (value - centre)[known] == pytest.approx(0.5 * (grid.rate - centre)[known], abs=1e-4)


def test_grid_weights_are_those_of_the_gamma():
    grid = Grid(np.concatenate([[0.0], 1e-5 * np.exp(0.15 * np.arange(100))]), 0.15)
    for shape in (0.05, 0.6, 5.0):
        weights = grid.weights(shape, 0.1)
        for n, time in ((0, 10.0), (3, 30.0), (12, 40.0)):
            log = gammaln(shape + n) - gammaln(shape) - n * np.log(time + 10.0)
            log += shape * np.log(10.0 / (time + 10.0))
            with np.errstate(under="ignore"):
                value = weights @ (grid.rate**n * np.exp(-grid.rate * time))
            assert value == pytest.approx(np.exp(log), rel=1e-3)
    assert gamma(0.6, scale=0.1).mean() == pytest.approx(grid.weights(0.6, 0.1) @ grid.rate)


def test_what_is_expected_of_a_cohort_is_what_a_simulator_does(some):
    base, calendar, watch = some
    likelihood = Likelihood(watch, calendar, Form(drift=True))
    n, n_runs = base.n, 8
    seen, active, counts = [], [], []
    for seed in range(n_runs):
        table = simulate(n, 365, 100 + seed)
        again = take_customers(make_log(table, 364, 364), False)
        seen.append([len(again.day), np.sum(again.day > 272)])
        active.append([len(np.unique(table["customer"][table["day"].between(a + 1, b)]))
                       for a, b in ((180, 272), (272, 364))])  # fmt: skip
        x = np.bincount(again.unit, minlength=n)
        counts.append(np.bincount(np.minimum(x, 3), minlength=4))
    tracked = track(likelihood, POINT, calendar)
    late = calendar.bounds[1:] > 272
    expected = [tracked.repeats.sum(), tracked.repeats[late].sum()]
    for mean, values in ((expected, seen), (tracked.active[2:], active),
                         (count_repeats(likelihood, POINT, calendar, 3), counts)):  # fmt: skip
        error = np.std(values, axis=0) / np.sqrt(n_runs) + 0.002 * np.asarray(mean)
        assert np.all(np.abs(np.mean(values, axis=0) - mean) < 3.5 * error)


def test_what_is_expected_given_histories_averages_to_what_happens():
    log = make_log(simulate(20_000, 365, 9), 272, 364)
    base = take_customers(log, False)
    calendar = make_calendar(-1, [272, 364], "")
    watch = base.watch(calendar, 272, np.arange(base.n))
    ahead = look_ahead(Likelihood(watch, calendar, Form(drift=True)), POINT, calendar)
    actual = base.orders(272, 364)
    x = np.minimum(base.orders(-1, 272), 4)
    for n in range(5):
        who = x == n
        error = actual[who].std() / np.sqrt(who.sum())
        assert abs(ahead.orders[watch.cell][who].mean() - actual[who].mean()) < 4 * error
        share = (actual[who] > 0).mean()
        error = np.sqrt(share * (1 - share) / who.sum())
        assert abs(ahead.active[watch.cell][who, 0].mean() - share) < 4 * error


def test_nobody_is_expected_to_order_more_than_its_rate(some):
    """Without drift and with leaving known to be rare, the future is the NBD's."""
    _, calendar, watch = some
    point = Parameters(shape=0.6, mean=1.2, alpha=0.01, beta=9000.0, season=np.ones(4))
    ahead = look_ahead(Likelihood(watch, calendar, Form()), point, calendar)
    time = (272 - watch.entry) / 7
    nbd = (0.6 + watch.orders) / (1 / point.scale + time) * (364 - 272) / 7
    assert ahead.orders == pytest.approx(nbd, rel=5e-3)


# Recovery -----------------------------------------------------------------------------------------


def z_scores(fit, true):
    return {
        path: np.log(fit.market[path]["lognormal"][0] / value) / fit.market[path]["lognormal"][1]
        for path, value in true.items()
    }


def test_known_parameters_are_recovered():
    fit = fit_transactions(make_log(simulate(3000, 450, 11), 360, 449))
    assert all(abs(z) < 2 for z in z_scores(fit, TRUE).values())
    assert max(fit.market[path]["lognormal"][1] for path in TRUE) < 0.6
    assert fit.holdout["predicted"] == pytest.approx(fit.holdout["actual"], rel=0.1)


@pytest.mark.slow
def test_known_parameters_are_recovered_19_times_of_20():
    z = []
    for seed in range(8):
        novelty = float(seed % 2)
        fit = fit_transactions(make_log(simulate(3000, 450, 50 + seed, novelty=novelty), 360, 449))
        z += z_scores(fit, TRUE).values()
        assert ("novelty" in fit.parameters) == bool(novelty)
    assert np.mean(np.abs(z) < 2) >= 0.9  # 40 of them: 38 expected, 36 is within chance


@pytest.mark.slow
def test_seasons_are_recovered():
    season = np.array([1.3, 0.8, 0.7, 1.2])
    table = simulate(2500, 730, 21, acquired=365, season=season)
    fit = fit_transactions(make_log(table, 640, 729))
    for k in range(4):
        found = fit.parameters[f"rate.season.{k + 1}"]
        assert abs(found.estimate - season[k]) < 3 * found.se
        assert found.se < 0.06
    assert np.mean(fit.market["rate.season"]) == pytest.approx(1.0)


def test_a_cohort_that_is_different_is_found_and_others_are_not():
    alike = fit_transactions(make_log(simulate(1500, 365, 31), 300, 364))
    assert alike.models["fidelio"]["cohorts"]["p_value"] > 0.01
    table = simulate(1500, 365, 31, boost=2.5)
    found = fit_transactions(make_log(table, 300, 364)).models["fidelio"]["cohorts"]
    assert found["p_value"] < 1e-4
    assert found["rate_factor"][1] / found["rate_factor"][0] == pytest.approx(2.5, rel=0.4)


def test_a_sample_of_many_customers_gives_nearly_the_same():
    log = make_log(simulate(6000, 365, 41), 300, 364)
    fit = fit_transactions(log, sample=3000)
    assert all(abs(z) < 2.5 for z in z_scores(fit, TRUE).values())
    assert any("3000 of 6000 customers" in note for note in fit.notes)
    assert fit.n_units == 6000


# What users bring ---------------------------------------------------------------------------------


def test_customers_who_never_come_back_are_refused(cdnow):
    log = make_log(cdnow.groupby("customer").head(1), 272, 545)
    with pytest.raises(DataError, match=r"none of 2357 customers came back by day 272"):
        fit_transactions(log)


def test_orders_of_one_day_are_refused(cdnow):
    log = make_log(cdnow.groupby("customer").head(1).assign(day=3), 3)
    with pytest.raises(DataError, match=r"orders\.csv: all 2357 orders are on one day"):
        fit_transactions(log)


def test_nine_customers_are_refused_and_ten_are_warned_of(cdnow):
    names = cdnow["customer"].unique()
    with pytest.raises(DataError, match="9 customers; allowed: at least 10"):
        fit_transactions(make_log(cdnow[cdnow["customer"].isin(names[:9])], 272, 545))
    fit = fit_transactions(make_log(cdnow[cdnow["customer"].isin(names[:10])], 272, 545))
    assert any("Only 10 customers" in note for note in fit.notes)


def test_a_split_before_anybody_came_back_is_refused(cdnow):
    with pytest.raises(DataError, match="none of 125 customers came back by day 5"):
        fit_transactions(make_log(cdnow, 5))


def test_an_unknown_kind_of_customers_is_refused(cdnow):
    with pytest.raises(ConfigError, match="did you mean 'cohort'"):
        fit_transactions(make_log(cdnow, 272), customers="cohrt")


@pytest.mark.parametrize(
    ("amount", "note"),
    [
        (None, "The log has no amounts"),
        (0.0, "1109 of 1109 orders for estimation have an amount of 0 or less"),
        (5.0, "All customers spend 5 per order"),
    ],
)
def test_amounts_that_tell_nothing_are_said(cdnow, amount, note):
    table = cdnow[cdnow["customer"] < 5000].drop(columns="amount")
    if amount is not None:
        table = table.assign(amount=amount)
    fit = fit_transactions(make_log(table, 272, 545))
    assert any(note in line for line in fit.notes)
    assert "spread.basket" not in fit.market
    assert ("basket" in fit.market) == (amount == 5.0)
    assert "rate.shape" in fit.market


def test_customers_who_come_after_the_split_are_counted(cdnow):
    late = pd.DataFrame({"customer": [90_001, 90_002], "day": [300, 400], "amount": [1.0, 2.0]})
    early = cdnow[cdnow["customer"] < 4000]
    fit = fit_transactions(make_log(pd.concat([early, late]), 272, 545))
    assert fit.n_units == early["customer"].nunique()
    assert fit.holdout["actual"] == np.sum(early["day"] > 272)
    assert any(note.startswith("2 customers first order after the split") for note in fit.notes)


def test_a_parameter_that_the_data_do_not_tell_is_said():
    clock = [(i, i % 28 + 7 * k) for i in range(300) for k in range(50)]
    fit = fit_transactions(make_log(pd.DataFrame(clock, columns=["customer", "day"]), 200))
    assert any("rate.shape" in note and "end of its range" in note for note in fit.notes)


def test_leaving_is_said_to_count_switching(cdnow_fit):
    assert any("goes to a rival looks like one who left" in note for note in cdnow_fit.notes)
