"""The cash flow against the customers who made it: their purchases, added up one by one.

The sums of the engine are left aside. Who bought what is read from the log of occasions, and paid
for with the customer's own order at the price of the customer's segment.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sim
from sim.config.plan import Phase, Plan
from sim.finance.cash_flow import SPEND, cash_flow, customer_scale, segment_cash
from sim.kernels import layout as at
from sim.model import LoyaltyModel
from sim.result import Result
from sim.study import run_study

N_SLOTS = 128
CENT = 0.005
NEVER = -(10**6)
SMALL = ["customers=600", "quarters=4", "burn_in=5", "engine.progress=false"]
ROUND = ["market.basket=100", "market.spread.basket=0", "market.segments.vip.basket=1"]
PLAN = Plan(
    "mixed", "Points and a sale", overhead=700.0,
    phases=(Phase("only", (1, 4), {"data_platform": 2e6, "membership_tiers": 4e6,
                                   "promotion": 2e6}),),
)  # fmt: skip


class Told:
    """A market that was lived, its cash flow, and what its customers did, a row per quarter."""

    def __init__(self, overrides: Sequence[str], plan: Plan | None = None) -> None:
        config = sim.load("retail_three_phase", [*SMALL, "plan=today", *overrides])
        self.config = config if plan is None else replace(config, plan=plan)
        self.model = LoyaltyModel(self.config, observe=N_SLOTS, collect=False)
        self.last_focal = np.full(len(self.model.population), NEVER)
        self.gone: list[int] = []
        rows = []
        while self.model.running:
            rows.append(self.quarter())
        self.customers = pd.DataFrame(rows[-self.config.quarters :])
        history = self.model.history()
        self.finance, self.scale = self.model.config.finance, customer_scale(history)
        given = (self.model.records, self.model.plan, self.finance, self.scale)
        self.cash = pd.DataFrame(cash_flow(history, *given))
        self.by_segment = segment_cash(history, self.model.records, self.finance, self.scale)

    def quarter(self) -> dict[str, float]:
        """Live a quarter, and add up what each customer did in it."""
        columns = self.model.population.columns
        # Who leaves is followed at once by somebody else: these are the buyers' own columns.
        basket, segment = columns.basket.astype(float), columns.segment.copy()
        birth, new = columns.birth.copy(), columns.history[0] == 0
        self.model.step()
        assert not (columns.bought[-1] >= 0).any(), "the log is too short"
        offer, n_bought = self.model.offer, (columns.bought == 0).sum(axis=0)
        orders = n_bought * basket * offer.order_value[0].astype(float)[segment]
        price, usual = (
            np.exp(log_price[0].astype(float))[segment]
            for log_price in (offer.log_price, offer.start_log_price)
        )
        self.last_focal[n_bought > 0] = self.model.records[-1].quarter
        left = columns.birth != birth
        self.gone += self.last_focal[left].tolist()
        self.last_focal[left] = NEVER
        since = self.model.records[-1].quarter - self.config.market.lapse_window
        seen = np.concatenate([self.last_focal, self.gone])  # nobody says that he has left
        return {
            "paid": float((orders * price).sum()),
            "worth": float((orders * usual).sum()),
            "newcomers": int((new & (n_bought > 0)).sum()),
            "customers": int((seen > since).sum()),
            "points": float(columns.points.sum(dtype=float)),
        }


@pytest.fixture(scope="module")
def today() -> Told:
    """Every order is worth 100 at a price of 1, so that no sum is rounded."""
    return Told(ROUND)


@pytest.fixture(scope="module")
def mixed() -> Told:
    """The market's own orders, and a plan with points and discounts."""
    return Told([], PLAN)


def test_money_is_that_of_the_customers_to_the_cent(today):
    told, finance, scale = today.customers, today.finance, today.scale
    lived = [record for record in today.model.records if record.quarter >= 1]
    complaints = np.array([record.flow[-1, 0, at.CONTACTS] for record in lived])
    kept = finance.keeping_cost / 4 * told.customers + finance.contact_cost * complaints
    expected = {
        "revenue": told.paid * scale,
        "cost_of_goods": -(1.0 - finance.gross_margin) * told.worth * scale,
        "acquisition_cost": -finance.acquisition_cost * told.newcomers * scale,
        "service_cost": -kept * scale,
    }
    for name, values in expected.items():
        assert (today.cash[name] != 0).all(), f"{name} is not tried"
        np.testing.assert_allclose(today.cash[name], values, rtol=0, atol=CENT, err_msg=name)


def test_orders_of_any_size_add_up_but_for_the_rounding_of_single_ones(mixed):
    """The engine keeps money of a customer in float32, which has seven digits."""
    told, scale = mixed.customers, mixed.scale
    np.testing.assert_allclose(mixed.cash.revenue, told.paid * scale, rtol=1e-6)
    goods = -(1.0 - mixed.finance.gross_margin) * told.worth * scale
    np.testing.assert_allclose(mixed.cash.cost_of_goods, goods, rtol=1e-6)
    assert (told.paid < told.worth).any(), "no discount is tried"


def test_points_owed_are_those_on_the_customers_accounts(mixed):
    owed = mixed.cash.points_liability
    assert owed.iloc[-1] > 0
    np.testing.assert_allclose(owed, mixed.customers.points * mixed.scale, rtol=1e-5)


@pytest.mark.parametrize("told", ["today", "mixed"])
def test_segments_sum_to_the_whole(told, request):
    lived = request.getfixturevalue(told)
    spent = lived.cash[list(SPEND)].sum(axis=1)
    whole = lived.by_segment.sum(axis=1)
    np.testing.assert_allclose(whole, lived.cash.net - spent, rtol=0, atol=CENT)


# --- the books of a study ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result() -> Result:
    """A study whose discount rate and tax are not known exactly."""
    return Result(
        run_study(
            sim.load(
                "retail_three_phase",
                [*SMALL, "customers=300", "replications=3", "plan=membership_upgrade",
                 "plan.phases=[{name: all, quarters: [1, 4], spend: {data_platform: 1e6, "
                 "membership_tiers: 3e6}}]", "plan.rollout.waves=[]",
                 "finance.discount_rate={uniform:[0.02,0.30]}",
                 "finance.accounting.tax_rate={uniform:[0.1,0.4]}",
                 "finance.accounting.reporting={currency: USD, exchange_rate: 0.14, "
                 "inflation: 0.05}"],
            )
        )
    )  # fmt: skip


def test_the_books_begin_with_the_npv_of_the_study_in_every_world(result):
    plan = result.study.plans[0]
    found = result.accounts.figures(plan)
    assert np.ptp([finance.discount_rate for finance in result.accounts.finances]) > 0
    assert np.ptp([finance.accounting.tax_rate for finance in result.accounts.finances]) > 0
    np.testing.assert_allclose(found["npv_before_tax"], result.study.values(plan, "npv"), rtol=1e-9)
    spent = found["capital_spent"] + found["running_spent"]
    np.testing.assert_allclose(spent, result.study.values(plan, "spend"), rtol=1e-9)


def test_the_figures_of_a_plan_make_a_bridge(result):
    found = result.accounts.figures(result.study.plans[0])
    before = found["margin"] + found["running"] + found["capital"]
    np.testing.assert_allclose(found["npv_before_tax"], before, rtol=0, atol=CENT)
    after = found["npv_before_tax"] + found["tax"]
    np.testing.assert_allclose(found["npv_after_tax"], after, rtol=0, atol=CENT)
    assert (found["peak_funding"] > 0).all()
    whole = found["npv_after_tax"] + found["terminal_value"]
    np.testing.assert_allclose(found["npv_with_terminal_value"], whole)
    abroad = result.accounts.reported(result.study.plans[0])
    for name, values in abroad.items():  # at purchasing power parity
        np.testing.assert_allclose(values, 0.14 * found[name], rtol=1e-9, err_msg=name)


def test_the_baseline_against_itself_is_nothing(result):
    found = result.accounts.figures(result.study.baseline)
    assert all(not values.any() for values in found.values())


def test_the_statement_that_is_kept_reconciles_to_the_cash_flow(result, tmp_path: Path):
    folder = result.save(tmp_path / "run")
    whose = ["plan", "replication", "quarter"]
    kept = pd.read_parquet(folder / "statement.parquet").set_index(whose)
    cash = pd.read_parquet(folder / "cash_flow.parquet").set_index(whose)
    assert kept.index.equals(cash.index)
    left = kept.free_cash_flow - kept.tax
    np.testing.assert_allclose(left, cash.net, rtol=0, atol=CENT)
    money = json.loads((folder / "summary.json").read_text())["finance"]
    plan = money["plans"][result.study.plans[0]]
    assert plan["npv_after_tax"]["low"] < plan["npv_after_tax"]["mean"]
    assert plan["reporting"]["npv_after_tax"]["mean"] is not None
    assert money["reporting"]["currency"] == "USD"
    assert money["tax_rate"] == pytest.approx(0.25)
