"""What a firm would have observed: it is what happened, and the truth beside it is true."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import sim
from sim.calibration import export
from sim.calibration.export import (
    DAYS_PER_QUARTER,
    draw_moments,
    export_log,
    export_panel,
    place_in_time,
)
from sim.calibration.reading import read_log, read_panel
from sim.errors import ConfigError, DataError, StoreError
from sim.kernels import layout as at
from sim.model import LoyaltyModel

ALL = 700
"""Customers, all of whom are watched."""


@pytest.fixture(scope="module")
def config():
    """Return a busy market: rivals discount and feature, the focal brand promotes."""
    return sim.load(
        "retail_three_phase",
        ["rivals=price_variation", "plan=promotion_first", f"customers={ALL}", "quarters=12"],
    )


@pytest.fixture(scope="module")
def lived(config):
    """Return the market after all its quarters, as nobody watched it."""
    model = LoyaltyModel(config)
    while model.running:
        model.step()
    return model


@pytest.fixture(scope="module")
def panel(config):
    return export_panel(config, ALL, burn_in=True)


@pytest.fixture(scope="module")
def log(config):
    return export_log(config, ALL, burn_in=True)


def quarters_of(days: pd.Series) -> pd.Series:
    """Return the quarter of the plan that each day is in."""
    return days // DAYS_PER_QUARTER + 1


def test_a_panel_of_everybody_holds_every_purchase(panel, lived):
    names = [brand.name for brand in lived.config.market.brands]
    observed = panel.observed
    found = pd.crosstab(quarters_of(observed["day"]), observed["choice"])[names]
    counted = {r.quarter: r.flow[-1, :, at.PURCHASES] for r in lived.records}
    assert found.index.tolist() == sorted(counted)
    np.testing.assert_array_equal(found.to_numpy(), [counted[q] for q in found.index])


def test_a_log_of_everybody_holds_all_revenue(log, lived):
    first = pd.Timestamp(log.truth["first_day"])
    days = (pd.to_datetime(log.observed["date"]) - first).dt.days
    found = log.observed["amount"].groupby(quarters_of(days)).sum()
    counted = {r.quarter: r.flow[-1, 0, at.REVENUE] for r in lived.records}
    np.testing.assert_allclose(found, [counted[q] for q in found.index], rtol=1e-5)


def test_prices_and_features_are_those_of_the_quarter(panel):
    observed, market = panel.observed, panel.truth["market"]
    assert panel.truth["feature_logit"] == pytest.approx(0.5)
    by_quarter = observed.groupby(quarters_of(observed["day"]))
    rival = next(b for b in market["brands"] if b["name"] == "rival_1")
    usual = market["basket"] * rival["price"]
    for quarter, rows in by_quarter:
        on = quarter >= 1 and quarter % 2 == 1
        np.testing.assert_allclose(rows["price.rival_1"], usual * (0.8 if on else 1.0), rtol=1e-5)
        featured = quarter in {2, 3, 6, 7, 10, 11}
        np.testing.assert_allclose(rows["feat.rival_1"], featured, rtol=1e-5)
    promoted = by_quarter["price.focal"].first()
    assert promoted.loc[1:].min() < promoted.loc[:0].min(), "the plan's discount shows"


def test_households_are_followed_from_coming_to_leaving(panel, lived):
    observed, units = panel.observed, panel.units.set_index("hid")
    assert observed["hid"].is_monotonic_increasing
    for _, rows in observed.groupby("hid"):
        assert rows["seq"].tolist() == list(range(1, len(rows) + 1))
        assert rows["day"].is_monotonic_increasing
    day = observed.groupby("hid")["day"]
    first, last = day.min(), day.max()
    purchases = day.size().reindex(units.index, fill_value=0)
    np.testing.assert_array_equal(units["purchases"], purchases)
    came, left = units["entered"].dropna(), units["left"].dropna()
    np.testing.assert_array_equal(first[came.index], came)
    np.testing.assert_array_equal(last[left.index], left)
    n_left = sum(r.category[-1, at.LEFT] for r in lived.records)
    # Who comes in after the last quarter has not been there yet.
    assert len(left) == n_left
    assert len(units) == ALL + n_left - lived.records[-1].category[-1, at.LEFT]
    assert len(came) == len(units) - ALL > 100


def test_the_truth_about_households_is_the_markets(panel, lived):
    """Who is there at the end stands in the model's columns."""
    columns, stayed = lived.population.columns, panel.units[panel.units["left"].isna()]
    for name, column in {"basket": columns.basket, "weight.price": columns.weight_price,
                         "taste.rival_2": columns.taste[2]}.items():  # fmt: skip
        there = column[columns.birth <= lived.state.quarter - 1]
        np.testing.assert_array_equal(np.sort(stayed[name]), np.sort(there))
    assert panel.truth["market"]["weights"]["habit"] == lived.config.market.weights.habit
    leaving = 1 / (1 + np.exp(-columns.leaving_logit[columns.birth <= lived.state.quarter - 1]))
    np.testing.assert_allclose(np.sort(stayed["leaving"]), np.sort(leaving), rtol=1e-5)


def test_some_households_are_some_of_all(config, panel):
    some = export_panel(config, 60, burn_in=True)
    assert len(some.units) == 60 + some.units["entered"].notna().sum()
    own, whole = (
        e.observed.merge(e.units[["hid", "basket", "taste.focal"]]).drop(columns="hid")
        for e in (some, panel)
    )
    assert len(own.merge(whole)) == len(own) > 300


def test_an_export_of_one_world_is_always_the_same(config, panel):
    again = export_panel(config, ALL, burn_in=True)
    pd.testing.assert_frame_equal(again.observed, panel.observed)
    pd.testing.assert_frame_equal(again.units, panel.units)
    other = export_panel(config, ALL, burn_in=True, world=1)
    assert len(other.observed) != len(panel.observed)


def test_who_buys_more_often_than_the_log_is_long_loses_nothing(config, panel, monkeypatch):
    monkeypatch.setattr(export, "FIRST_SLOTS", 1)
    again = export_panel(config, ALL, burn_in=True)
    assert again.observed.groupby(["hid", "day"]).size().max() > 1
    pd.testing.assert_frame_equal(again.observed, panel.observed)


def test_without_burn_in_the_plans_first_day_is_the_first(config, panel):
    short = export_panel(config, ALL)
    later = panel.observed[panel.observed["day"] >= 0]
    assert len(short.observed) == len(later)
    assert short.observed["day"].min() == 0
    assert short.truth["observed_days"] == [0, 12 * DAYS_PER_QUARTER - 1]


def test_newcomers_alone_have_no_past(config):
    found = export_panel(config, ALL, newcomers=True)
    assert found.units["entered"].notna().all()
    assert found.units["purchases"].min() >= 1
    assert found.observed["hid"].nunique() == len(found.units) > 50


def test_occasions_of_a_quarter_are_a_poisson_process():
    """Given their number, they are uniform order statistics, also if some were forgone."""
    n, many = 4000, 5
    bought = np.full((n, 8), at.NEVER, np.int8)
    bought[:, :many] = 1
    bought[::2, 2:many] = at.FORGONE
    moments = draw_moments(np.arange(n), 8, 3, 1, 0)
    times = place_in_time(bought, moments, np.zeros(n, bool), np.ones(n))
    assert np.all(np.diff(times[:, :many], axis=1) > 0)
    assert np.all(times[:, many:] == 1)
    for k in range(many):
        assert stats.kstest(times[:, k], stats.beta(k + 1, many - k).cdf).pvalue > 0.005


@pytest.mark.parametrize("rate", [1e-200, 0.3, 2.5, 20.0])
def test_a_newcomer_comes_at_any_time_and_then_buys_at_its_rate(rate):
    """Of who comes at a uniform time and buys from then on, the counts tell the times."""
    n, rng = 5000, np.random.default_rng(1)
    counts = 1 + rng.poisson(rate * (1.0 - rng.random(n)))
    bought = np.where(np.arange(60) < counts[:, None], 1, at.NEVER).astype(np.int8)
    moments = draw_moments(np.arange(n), 60, 3, 1, 0)
    times = place_in_time(bought, moments, np.ones(n, bool), np.full(n, rate))
    first = times[:, 0]
    assert stats.kstest(first, "uniform").pvalue > 0.01
    late = first > 0.7
    expected = np.sum(rate * (1 - first[late]))
    assert abs(np.sum(counts[late] - 1) - expected) < 4 * np.sqrt(expected) + 1
    later = ((times - first[:, None]) / (1 - first[:, None]))[:, 1:][bought[:, 1:] == 1]
    assert len(later) < 50 or stats.kstest(later, "uniform").pvalue > 0.01


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_what_is_written_can_be_calibrated(panel, log, tmp_path, ending):
    """Nothing is lost on the way but households of a single purchase, which tell no habit."""
    files = panel.save(tmp_path / f"panel.{ending}")
    assert [f.name for f in files] == [
        f"panel.{ending}", f"panel.units.{ending}", "panel.truth.json",
    ]  # fmt: skip
    read = read_panel(files[0], min_occasions=2)
    sizes = panel.observed.groupby("hid").size()
    assert len(read.chosen) == sizes[sizes > 1].sum()
    assert read.n_units == (sizes > 1).sum()
    truth = json.loads(files[2].read_text())
    assert [brand["name"] for brand in truth["market"]["brands"]] == list(read.brands)
    files = log.save(tmp_path / f"log.{ending}")
    orders = read_log(files[0])
    assert len(orders.day) == len(log.observed)
    assert not sum(orders.left_out.values())
    np.testing.assert_allclose(orders.amount.sum(), log.observed["amount"].sum())


def test_bad_requests_are_told(config, panel, tmp_path):
    with pytest.raises(ConfigError, match="households: asks for 701 households of 700 customers"):
        export_panel(config, ALL + 1)
    with pytest.raises(ConfigError, match="no such brand: rival_9; did you mean 'rival_"):
        export_log(config, 10, brand="rival_9")
    with pytest.raises(ConfigError, match="start: is no date; allowed: a date as YYYY-MM-DD"):
        export_log(config, 10, start="31.12.2024")
    with pytest.raises(StoreError, match=r"panel\.xlsx: a table ends in \.csv or \.parquet"):
        panel.save(tmp_path / "panel.xlsx")
    (tmp_path / "taken").touch()
    with pytest.raises(StoreError, match="cannot write"):
        panel.save(tmp_path / "taken" / "panel.csv")
    assert [f.name for f in tmp_path.iterdir()] == ["taken"]


def test_a_market_in_which_nobody_buys_has_no_panel(config):
    rate = replace(config.market.rate, mean=1e-4, shape=100.0)
    still = replace(config, market=replace(config.market, rate=rate))
    with pytest.raises(DataError, match="nobody of the 5 households"):
        export_panel(still, 5)


def test_under_a_contract_everybody_decides_once_a_quarter():
    config = sim.load(None, ["market=mobile_telecom", "plan=today", "customers=300", "quarters=4"])
    made = export_panel(config, 300)
    per_quarter = made.observed.groupby(["hid", quarters_of(made.observed["day"])]).size()
    assert per_quarter.max() == 1
    assert len(made.observed) == 4 * 300


def test_what_was_uncertain_stands_in_the_truth_as_it_was_lived():
    config = sim.load(
        "retail_three_phase",
        ["plan=today", "customers=200", "market.weights.price={uniform:[3,6]}"],
    )
    found = [export_panel(config, 20, world=world).truth["market"]["weights"]["price"]
             for world in (0, 1)]  # fmt: skip
    assert all(3 <= price <= 6 for price in found)
    assert found[0] != found[1]


def test_a_model_that_is_asked_keeps_the_last_quarters_purchases(config):
    model = LoyaltyModel(config, observe=20).burn_in()
    twin = model.fork(config.baseline)
    for each in (model, twin):
        each.step()
        bought = each.population.columns.bought
        assert bought.shape == (20, ALL)
        counted = each.records[-1].category[-1, at.CATEGORY_PURCHASES]
        assert np.count_nonzero(bought >= 0) == counted > 0
    assert model.customers[3].bought.shape == (20,)
    assert LoyaltyModel(config).population.columns.bought.size == 0
