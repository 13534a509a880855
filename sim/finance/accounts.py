"""The books of every plan of a study, and what they come to against the baseline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sim.config.finance import Finance
from sim.finance import risk_figures
from sim.finance.cash_flow import COMPONENTS
from sim.finance.statement import LINES, RUNNING_LINES, reported, statement, terminal_value
from sim.types import F64


@dataclass(frozen=True)
class Accounts:
    """The books of a study's plans.

    Attributes
    ----------
    plans
        Names of all plans, the baseline among them.
    baseline
        Its name.
    finances
        The finance of each world, shape (n_worlds,): what it does not know exactly is drawn anew in
        each.
    net
        Cash before tax, shape (n_plans, n_worlds, n_quarters), in prices of quarter 1.
    books
        Lines of the statement by name, of the same shape.
    persistence
        Share of its customers that each plan kept over the last year, shape (n_plans, n_worlds).
    """

    plans: tuple[str, ...]
    baseline: str
    finances: tuple[Finance, ...]
    net: F64
    books: Mapping[str, F64]
    persistence: F64

    def table(self) -> pd.DataFrame:
        """Return the statements: a row per plan x replication x quarter, each plan's own."""
        n_plans, n_worlds, n_quarters = self.net.shape
        whose = {
            "plan": np.repeat(self.plans, n_worlds * n_quarters),
            "replication": np.tile(np.repeat(np.arange(n_worlds), n_quarters), n_plans),
            "quarter": np.tile(np.arange(1, n_quarters + 1), n_plans * n_worlds),
        }
        return pd.DataFrame({**whose, **{name: line.ravel() for name, line in self.books.items()}})

    def figures(self, plan: str) -> dict[str, F64]:
        """Return what a plan comes to against the baseline, by name, shape (n_worlds,) each.

        In currency and prices of quarter 1. Discounted: `margin`, `running` and `capital`, which
        sum to `npv_before_tax` and with `tax` to `npv_after_tax`; `terminal_value`, and
        `npv_with_terminal_value`. Not discounted: `capital_spent`, `running_spent`, `peak_funding`
        (how far below zero the sum of cash before tax falls), `cash_after_tax`, and
        `cash_after_tax_nominal` in the money of its day.
        """
        net, books = self._net(plan), self._against(plan)
        discount = self.books["discount_factor"][0]
        capital = books["capital_spending"]
        running = sum(books[name] for name in RUNNING_LINES)
        lines = {
            "margin": (net - running - capital) * discount,
            "running": running * discount,
            "capital": capital * discount,
            "npv_before_tax": net * discount,
            "tax": books["tax"] * discount,
            "npv_after_tax": books["present_value"],
            "capital_spent": -capital,
            "running_spent": -running,
            "cash_after_tax": books["free_cash_flow"],
            "cash_after_tax_nominal": books["free_cash_flow"] * self.books["price_level"][0],
        }
        found = {name: line.sum(axis=-1) for name, line in lines.items()}
        later = np.array(
            [
                terminal_value(books["contribution"][world], kept, finance)
                for world, (kept, finance) in enumerate(self._worlds(plan))
            ]
        )
        return found | {
            "terminal_value": later,
            "npv_with_terminal_value": found["npv_after_tax"] + later,
            "peak_funding": np.maximum(-np.cumsum(net, axis=-1).min(axis=-1), 0.0),
        }

    def reported(self, plan: str) -> dict[str, F64]:
        """Return figures in the reporting currency, by name, shape (n_worlds,) each.

        `npv_after_tax`, `terminal_value` and `npv_with_terminal_value`; empty without such a
        currency.
        """
        if self.finances[0].accounting.reporting is None:
            return {}
        books = self._against(plan)
        pairs = np.array(
            [
                reported({name: line[world] for name, line in books.items()}, kept, finance)
                for world, (kept, finance) in enumerate(self._worlds(plan))
            ]
        )
        npv, later = pairs.T
        return {
            "npv_after_tax": npv, "terminal_value": later, "npv_with_terminal_value": npv + later,
        }  # fmt: skip

    def summary(self) -> dict[str, Any]:
        """Return how the figures of each plan spread over worlds, by plan."""
        shown = [plan for plan in self.plans if plan != self.baseline] or [self.baseline]
        return {
            plan: {
                **{name: _spread(values) for name, values in self.figures(plan).items()},
                "reporting": {name: _spread(v) for name, v in self.reported(plan).items()},
            }
            for plan in shown
        }

    def _worlds(self, plan: str) -> Iterator[tuple[F64, Finance]]:
        """Yield the share of its customers that a plan keeps in each world, and its finance."""
        return zip(self.persistence[self.plans.index(plan)], self.finances, strict=True)

    def _net(self, plan: str) -> F64:
        own, base = self.plans.index(plan), self.plans.index(self.baseline)
        net: F64 = self.net[own] - self.net[base]
        return net

    def _against(self, plan: str) -> dict[str, F64]:
        """Return the lines of the statement of the difference that a plan makes."""
        own, base = self.plans.index(plan), self.plans.index(self.baseline)
        return {name: self.books[name][own] - self.books[name][base] for name in LINES}


def rates(finance: Finance) -> dict[str, Any]:
    """Return what the figures rest on: tax, prices, discount, time, and the second currency."""
    books = finance.accounting
    abroad = books.reporting
    told = abroad and {
        "currency": abroad.currency,
        "exchange_rate": abroad.exchange_rate,
        "inflation": abroad.inflation,
        "drift": abroad.yearly_drift(books.inflation),
    }
    return {
        "tax_rate": books.tax_rate,
        "depreciation_years": books.depreciation_years,
        "inflation": books.inflation,
        "discount_rate": finance.discount_rate,
        "nominal_rate": finance.nominal_rate,
        "terminal_quarters": books.terminal.quarters,
        "terminal_persistence": books.terminal.persistence,
        "reporting": told,
    }


def open_accounts(
    cash: pd.DataFrame, baseline: str, finances: Sequence[Finance], persistence: F64
) -> Accounts:
    """Keep the books of a study.

    Parameters
    ----------
    cash
        The table `cash_flow` of a study: a row per plan x replication x quarter, in that order.
    baseline
        The plan that the others are set against.
    finances
        One for each replication.
    persistence
        Share of its customers that each plan kept over the last year, shape (n_plans, n_worlds), in
        the order of the table.
    """
    plans = tuple(dict.fromkeys(cash["plan"]))
    shape = (len(plans), len(finances), -1)
    flows = {
        name: cash[name].to_numpy(np.float64).reshape(shape)
        for name in (*COMPONENTS, "points_liability", "net")
    }
    by_world = [
        statement({name: flow[:, world] for name, flow in flows.items()}, finance)
        for world, finance in enumerate(finances)
    ]
    books = {name: np.stack([each[name] for each in by_world], axis=1) for name in by_world[0]}
    return Accounts(plans, baseline, tuple(finances), flows["net"], books, persistence)


def _spread(values: F64) -> dict[str, float | None]:
    """Return mean, 95% interval and quantiles; None where a world lacks the figure."""
    none = values[:0]
    spread = risk_figures.describe(values, (none, none), missing_is=-np.inf)
    return {
        "mean": spread["mean"], "low": spread["low"], "high": spread["high"],
        "p10": spread["p10"], "p50": spread["p50"], "p90": spread["p90"],
    }  # fmt: skip
