"""Published regularities that come out of the model without being put in.

Targets and sources: docs/model.md. Keys are fixed, so a failure is a change of the model.
"""

from __future__ import annotations

import numpy as np
import pytest

import sim
from sim.measures.table import MEASURES
from sim.model import LoyaltyModel

CDNOW_ACTIVE = np.array([1, 0.222, 0.177, 0.171, 0.163, 0.127])
"""Share of CDNOW's first-quarter cohort of 1997 that bought in that and the next five quarters."""


CENTRAL = ["market.weights.habit=1.46", "market.weights.price=5.25", "market.spread.taste=1.4"]
"""The market's own estimates, without their standard errors."""


def lived(*overrides: str, quarters: int = 12) -> LoyaltyModel:
    """Return a model that has lived burn-in and some quarters under today's plan."""
    asked = ["plan=today", f"quarters={quarters}", *CENTRAL, *overrides]
    config = sim.load("retail_three_phase", asked)
    model = LoyaltyModel(config, collect=False)
    while model.running:
        model.step()
    return model


@pytest.fixture(scope="module")
def retail() -> LoyaltyModel:
    return lived("customers=60000")


def bought_within_a_year(model: LoyaltyModel) -> np.ndarray:
    """Return who bought which brand in the last four quarters, shape (n_brands, n_customers)."""
    return (model.population.columns.history & 0b1111) > 0


def focal(model: LoyaltyModel, measure: str) -> np.ndarray:
    return MEASURES[measure](model.history())[:, -1, 0]


def test_the_focal_cohort_stays_active_as_cdnows_did(retail: LoyaltyModel) -> None:
    counts = np.stack([record.cohort for record in retail.records])
    first = range(4, len(counts) - 5)  # in the first year, most first-time buyers are residents
    active = np.array([sum(counts[q + age, q] for q in first) for age in range(6)])
    assert np.abs(active / active[0] - CDNOW_ACTIVE).max() < 0.04


def test_double_jeopardy(retail: LoyaltyModel) -> None:
    """Small brands have far fewer buyers, who buy a little less often."""
    history = retail.history()
    share, penetration, frequency = (
        MEASURES[name](history)[-4:, -1, :].mean(axis=0)
        for name in ("share", "penetration", "purchase_frequency")
    )
    assert np.corrcoef(share, penetration)[0, 1] > 0.9
    assert np.all(np.diff(penetration) < 0)
    assert np.all(np.diff(frequency) < 0.05 * frequency[:-1])
    spread = {"penetration": np.ptp(np.log(penetration)), "frequency": np.ptp(np.log(frequency))}
    assert spread["penetration"] > 3 * spread["frequency"]


def test_duplication_of_purchase(retail: LoyaltyModel) -> None:
    """Buyers of any brand buy another in proportion to its penetration: b(j|i) = D b(j)."""
    bought = bought_within_a_year(retail).astype(float)
    penetration = bought.mean(axis=1)
    given = bought @ bought.T / bought.sum(axis=1)[:, None]
    off = ~np.eye(len(penetration), dtype=bool)
    duplication = (given / penetration)[off]
    assert duplication.std() / duplication.mean() < 0.20


def test_share_of_requirements_is_modest_over_a_year(retail: LoyaltyModel) -> None:
    """In a repertoire market, few of those who buy often enough are solely loyal."""
    bought = bought_within_a_year(retail)
    several = bought[:, bought.sum(axis=0) > 0]
    solely = (several.sum(axis=0) == 1) & several[0]
    assert 0.1 < solely.sum() / several[0].sum() < 0.9


def test_retention_of_a_cohort_rises_with_tenure(retail: LoyaltyModel) -> None:
    """Heterogeneity alone: those who stayed so far are those who stay."""
    counts = np.stack([record.cohort for record in retail.records])
    first = range(4, 10)
    active = np.array([sum(counts[q + age, q] for q in first) for age in range(10)], dtype=float)
    kept = active[1:] / active[:-1]
    assert kept[0] < kept[1:4].mean() < kept[4:].mean() + 0.02


def test_a_price_cut_lifts_then_dips_and_leaves_nothing() -> None:
    """A 20% cut for one quarter: a bump near 70%, a dip that pays part of it back, zero later."""
    move = "{kind: schedule, moves: [{channel: discount, size: 0.2, quarters: [1, 1]}]}"
    size = ["customers=120000"]
    with_cut = lived(*size, f"rivals.brands={{rival_1: {move}}}", quarters=6)
    without = lived(*size, quarters=6)
    sold = [MEASURES["purchases"](model.history())[-6:, -1, :] for model in (with_cut, without)]
    brand = sold[0][:, 1] / sold[1][:, 1] - 1
    category = sold[0].sum(axis=1) / sold[1].sum(axis=1) - 1
    assert 0.45 < brand[0] < 1.10
    assert 0.02 < category[0] < 0.35
    assert brand[1] < 0.02 + brand[0] * 0.15
    assert category[1] < 0
    assert abs(brand[5]) < 0.05


def test_loyalty_erodes_when_nothing_is_done_and_expectations_rise(retail: LoyaltyModel) -> None:
    index = focal(retail, "loyalty_index")[-13:]
    yearly = (index[-1] / index[0]) ** (1 / 3) - 1
    assert -0.035 < yearly < -0.015


def test_most_report_satisfaction_but_fewer_come_back(retail: LoyaltyModel) -> None:
    assert focal(retail, "satisfaction")[-1] > 7
    assert focal(retail, "churn_annual")[-1] > 0.3


def test_a_subscription_market_is_markedly_more_loyal(retail: LoyaltyModel) -> None:
    config = sim.load(None, ["market=mobile_telecom", "plan=today", "customers=20000"])
    telecom = LoyaltyModel(config, collect=False)
    while telecom.running:
        telecom.step()
    last = telecom.records[-1]
    assert last.category[-1, 0] == 20_000  # everybody pays the bill of one provider
    assert focal(telecom, "churn_annual")[-1] < focal(retail, "churn_annual")[-1] / 2
