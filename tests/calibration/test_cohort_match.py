"""A market made from one firm's order log: among rivals, the firm's customers are as the log's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import sim
from sim.calibration.cohort import match_cohort
from sim.calibration.export import export_log
from sim.calibration.fit import Estimate, Fit
from sim.calibration.market_file import calibrated_market
from sim.calibration.reading import read_log
from sim.calibration.transactions import fit_transactions
from sim.kernels import layout as at
from sim.model import LoyaltyModel

SETTINGS = {
    "rate.shape": 0.5,
    "rate.mean": 0.7,
    "rate.half_life": 8.0,
    "leaving.alpha": 0.6,
    "leaving.beta": 2.0,
}
SMALL = {"customers": 10_000, "worlds": 2}
ALONE = [f"market.brands.rival_{i}.appeal=-10" for i in (1, 2, 3, 4)]
CERTAIN = ["market.weights.habit=1.46", "market.weights.price=5.25", "market.spread.taste=1.4"]


def fit_of(settings=SETTINGS, *, weeks: int = 78, joint=None) -> Fit:
    """Return what an order log of 2,000 customers may have given."""
    return Fit(
        kind="transactions",
        source="log.csv",
        n_units=2000,
        n_train=3000,
        n_test=1000,
        train_ll=-5.0,
        test_ll=None,
        parameters={path: Estimate(value, value / 10) for path, value in settings.items()},
        market={p: {"lognormal": [v, 0.1]} for p, v in settings.items() if "." in p},
        provenance=dict.fromkeys(settings, "calibrated: log.csv"),
        joint=joint or {},
        series={"tracking": {"week": list(range(1, weeks + 1))}},
    )


def study(*overrides: str):
    return sim.load("retail_three_phase", ["plan=today", *CERTAIN, *overrides])


def factor(made: Fit, path: str) -> float:
    return made.market[path]["lognormal"][0] / SETTINGS[path]


def fresh_cohort(fit: Fit, config) -> np.ndarray:
    """Return the activity of the focal brand's cohorts in worlds that no fit has seen."""
    numbers = {path: value["lognormal"][0] for path, value in fit.market.items()}
    fit = replace(fit, market=numbers, joint={})
    market = calibrated_market(fit, config.market, "mine")
    active = np.zeros(6)
    for world in range(2):
        model = LoyaltyModel(
            replace(config, market=market, customers=60_000),
            replication=world, rng=977, collect=False,
        )  # fmt: skip
        while model.running:
            model.step()
        counts = np.stack([record.cohort for record in model.records])
        first = range(4, len(counts) - 5)  # in the first year, most first-time buyers are residents
        active += [sum(counts[q + age, q] for q in first) for age in range(6)]
    return active / active[0]


@pytest.fixture(scope="module")
def matched() -> Fit:
    draws = np.random.default_rng(1).normal(size=(2, 64)) * 0.1
    joint = {path: (SETTINGS[path] * np.exp(z)).tolist()
             for path, z in zip(("rate.mean", "leaving.beta"), draws, strict=True)}  # fmt: skip
    return match_cohort(fit_of(joint=joint), study(), **SMALL)


def test_in_fresh_worlds_the_focal_cohort_is_as_the_logs(matched):
    log = np.array(matched.series["cohort_in_market"]["log"])
    chance = np.sqrt(log * (1 - log) / 10_000)  # the fewest first-time buyers of two such worlds
    shape = 0.007  # two numbers do not bend a curve of five into any form
    assert np.all(np.abs(fresh_cohort(matched, study()) - log) < 3 * chance + shape)
    as_it_was = fresh_cohort(fit_of(), study())
    assert np.abs(as_it_was - log).max() > 0.025


def test_what_the_fit_tells_of_the_match_is_what_fresh_worlds_show(matched):
    told = matched.series["cohort_in_market"]
    assert told["quarter"] == [0, 1, 2, 3, 4, 5]
    assert fresh_cohort(matched, study()) == pytest.approx(np.array(told["simulated"]), abs=0.012)
    note = matched.notes[-1]
    for path in ("rate.mean", "leaving.beta"):
        assert f"`{path}` is {factor(matched, path):.2f} times" in note
        assert matched.provenance[path].startswith(
            "calibrated: log.csv, and matched to its cohort among 5 brands"
        )
    assert matched.parameters["rate.mean"].estimate == SETTINGS["rate.mean"]


def test_distributions_and_joint_draws_keep_their_relative_spread(matched):
    before = np.random.default_rng(1).normal(size=(2, 64)) * 0.1
    for path, z in zip(("rate.mean", "leaving.beta"), before, strict=True):
        assert matched.market[path]["lognormal"][1] == 0.1
        expected = SETTINGS[path] * factor(matched, path) * np.exp(z)
        assert matched.joint[path] == pytest.approx(expected, rel=1e-12)


def test_a_brand_without_rivals_needs_what_the_log_gives():
    made = match_cohort(fit_of(), study(*ALONE), customers=5000, worlds=2)
    assert 0.75 < factor(made, "rate.mean") < 1.33
    assert 0.67 < factor(made, "leaving.beta") < 1.5


def test_the_more_rivals_get_the_more_often_the_category_is_bought():
    few = fit_of(weeks=26)  # one quarter after the first: the rate alone is matched
    alone, strong = (
        match_cohort(few, study(*changed), customers=5000, worlds=1)
        for changed in (ALONE, ["market.brands.focal.appeal=0"])
    )
    assert factor(strong, "rate.mean") > 1.3 * factor(alone, "rate.mean")


@pytest.mark.parametrize(("weeks", "quarters"), [(26, 1), (39, 2)])
def test_one_or_two_quarters_tell_the_rate_alone(weeks, quarters):
    made = match_cohort(fit_of(weeks=weeks), study(), customers=5000, worlds=1)
    assert len(made.series["cohort_in_market"]["quarter"]) == 1 + quarters
    assert made.market["leaving.beta"] == {"lognormal": [SETTINGS["leaving.beta"], 0.1]}
    assert factor(made, "rate.mean") != 1.0
    assert "`leaving` is the log's own" in made.notes[-1]


def test_customers_who_bought_before_the_log_began_order_as_often_among_rivals():
    settings = {"rate.shape": 1.0, "rate.mean": 3.0}
    made = match_cohort(fit_of(settings), study(), **SMALL)
    mean, beta = made.market["rate.mean"]["lognormal"][0], made.market["leaving.beta"]
    config = study("customers=20000", f"market.rate.mean={mean}", "market.rate.shape=1.0",
                   f"market.leaving.beta={beta}", "seed=977")  # fmt: skip
    model = LoyaltyModel(config, collect=False)
    while model.running:
        model.step()
    year = model.records[8:12]  # later, the market's customers expect more and buy less
    within_a_year = np.arange(at.HISTORY_SIZE) & 0b1111 > 0
    buyers = year[-1].history[-1, 0, within_a_year].sum()
    orders = sum(record.flow[-1, 0, at.PURCHASES] for record in year) / 4 / buyers
    in_the_log = 3.0 / (1.0 - 1.0 / (1.0 + 4 * 3.0))  # NBD of shape 1, over a year
    assert orders == pytest.approx(in_the_log, rel=0.06)
    leaves, before = 0.793 / (0.793 + beta), 0.793 / (0.793 + 7.0)
    assert mean * leaves == pytest.approx(0.716 * before, rel=1e-3)
    assert "as many leave in a quarter as in online_retail" in made.notes[-1]


def test_a_contract_market_is_left_as_it_is_with_a_note():
    config = sim.load(None, ["market=mobile_telecom", "plan=today"])
    made = match_cohort(fit_of(), config)
    assert made.market == fit_of().market
    assert "not matched" in made.notes[-1]
    assert "contracts" in made.notes[-1]


def test_a_brand_that_nobody_buys_is_left_as_it_is_with_a_note():
    config = study("market.brands.focal.appeal=-10")
    made = match_cohort(fit_of(), config, customers=2000, worlds=1)
    assert made.market == fit_of().market
    assert "focal has hardly any first-time buyers" in made.notes[-1]


@pytest.mark.slow
def test_a_cohort_out_of_reach_is_said_to_be_missed():
    """The engine has no first month in which customers order thirty times as often."""
    burst = SETTINGS | {"novelty": 30.0, "fade": 4.0}
    made = match_cohort(fit_of(burst), study(), customers=4000, worlds=2)
    told = made.series["cohort_in_market"]
    assert np.abs(np.subtract(told["log"], told["simulated"])).max() > 0.025
    assert "more than chance" in made.notes[-1]


@pytest.mark.slow
def test_the_categorys_leaving_comes_back_from_one_brands_log(tmp_path):
    """The log of a brand takes who went to a rival for gone; the match takes that out again."""
    config = study("customers=20000", "quarters=4")
    path = tmp_path / "log.csv"
    export_log(config, 20_000, burn_in=True, newcomers=True).observed.to_csv(path, index=False)
    fit = fit_transactions(read_log(path, holdout="2025-06-30"))
    made = match_cohort(fit, study())
    truth = 0.793 / (0.793 + 7.0)
    own, matched = (
        alpha / (alpha + beta)
        for alpha, beta in (
            (f.market["leaving.alpha"]["lognormal"][0], f.market["leaving.beta"]["lognormal"][0])
            for f in (fit, made)
        )
    )
    assert own > 1.3 * truth
    assert matched == pytest.approx(truth, rel=0.2)


def test_results_do_not_depend_on_the_number_of_threads():
    one, two = (
        match_cohort(fit_of(weeks=26), study(f"engine.threads={n}"), customers=4000, worlds=1)
        for n in (1, 2)
    )
    assert one == two


def test_an_interrupt_passes_on():
    done = []

    def interrupt(n: int, planned: int) -> None:
        done.append((n, planned))
        if n == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        match_cohort(fit_of(), study(), customers=2000, worlds=1, progress=interrupt)
    assert [n for n, _ in done] == [1, 2, 3]
    assert all(planned >= 3 for _, planned in done)
