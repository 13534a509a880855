"""Profit and cash after tax, quarter by quarter: the books of a plan.

All amounts are in prices of quarter 1, positive for money in. The books themselves are kept in the
money of their day, as a firm keeps them, and brought back to prices of quarter 1: capital is
written down at what was paid for it, so inflation makes depreciation worth less.

Every line is proportional to the flows. So the statement of a difference between two plans is the
difference of their statements.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np

from sim.config.finance import Finance
from sim.finance.returns import discount_factors
from sim.types import F64, QUARTERS_PER_YEAR

Flows: TypeAlias = Mapping[str, F64]
"""Columns of a cash flow by name; all have the same shape (..., n_quarters)."""

MARGIN_LINES = (
    "revenue",
    "membership_fees",
    "cost_of_goods",
    "reward_cost",
    "points_provision",
    "save_offer_cost",
    "acquisition_cost",
    "service_cost",
)
"""Lines that sum to `contribution`: what customers bring, points charged when they are earned."""
RUNNING_LINES = ("lever_running", "staff")
"""What the plan costs as it runs; with the contribution they sum to `ebitda`."""
LINES = (
    *MARGIN_LINES,
    "contribution",
    *RUNNING_LINES,
    "ebitda",
    "depreciation",
    "write_off",
    "ebit",
    "tax",
    "profit",
    "capital_spending",
    "points_working_capital",
    "free_cash_flow",
    "present_value",
)
"""Lines of a statement in their order."""


def statement(flows: Flows, finance: Finance) -> dict[str, F64]:
    """Return the books of a plan, or of the difference between two, by quarter.

    Parameters
    ----------
    flows
        The columns COMPONENTS and `points_liability` of a cash flow, in constant prices.
    finance
        Rates of discount, tax and inflation, and how long capital lasts.

    Returns
    -------
    LINES, and `book_value` (capital not yet written down, before the write-off), `price_level`
    (prices over those of quarter 1) and `discount_factor` (real). All have the shape of the flows.

    Notes
    -----
    Capital is written down in equal parts over its life, from the quarter in which it is spent.
    What is left at the horizon is written off there: software and fittings of a plan that is over
    are worth nothing to anybody else.

    A loss lowers the tax of its own quarter, since the firm as a whole earns: what is looked at is
    what a plan adds to it.

    Points are charged when they are earned, at face value less the partners' share, and released
    when they expire; they take cash when they are redeemed. The difference is working capital. In
    the last quarter the cash flow settles them, so none are left. There are none when the plan
    begins.
    """
    books = finance.accounting
    prices = growth(books.inflation, flows["revenue"].shape[-1])
    rise = _rise(flows["points_liability"] * prices) / prices
    capital = -flows["lever_capital"] * prices
    depreciation = _written_down(capital, QUARTERS_PER_YEAR * books.depreciation_years)
    book_value = np.cumsum(capital - depreciation, axis=-1)
    found = {name: flows[name] for name in MARGIN_LINES if name != "points_provision"}
    found["points_provision"] = -rise
    found["contribution"] = _total(found, MARGIN_LINES)
    found |= {name: flows[name] for name in RUNNING_LINES}
    found["ebitda"] = _total(found, ("contribution", *RUNNING_LINES))
    found["depreciation"] = -depreciation / prices
    found["write_off"] = _only_last(-book_value / prices)
    found["ebit"] = _total(found, ("ebitda", "depreciation", "write_off"))
    found["tax"] = -books.tax_rate * found["ebit"]
    found["profit"] = found["ebit"] + found["tax"]
    found["capital_spending"] = flows["lever_capital"]
    found["points_working_capital"] = rise
    found["free_cash_flow"] = (
        found["profit"]
        - (found["depreciation"] + found["write_off"])
        + found["capital_spending"]
        + found["points_working_capital"]
    )
    discount = discount_factors(len(prices), finance.quarterly_rate)
    found["present_value"] = found["free_cash_flow"] * discount
    ordered = {name: found[name] for name in LINES}
    shape = flows["revenue"].shape
    return ordered | {
        "book_value": book_value / prices,
        "price_level": np.broadcast_to(prices, shape),
        "discount_factor": np.broadcast_to(discount, shape),
    }


def terminal_value(contribution: F64, persistence: F64 | float, finance: Finance) -> F64:
    """Return what customers bring after the horizon, after tax, discounted to quarter 1.

    Parameters
    ----------
    contribution
        Line of a statement, shape (..., n_quarters): of the difference between two plans.
    persistence
        Share of that margin which is left a year later, shape (...) or a number; where the
        configuration gives one, that counts.
    finance
        Tax, discount rate and how many quarters count.

    Returns
    -------
    Shape (...): with m the quarterly mean of the year's contribution, s the quarterly persistence,
    d the quarterly discount factor and K the quarters that count,
    m (1 - tax) d^(n-1) [ s d + (s d)^2 + ... + (s d)^K ].

    Notes
    -----
    The year is the one before the last quarter, since that one settles the points. A margin that
    shrinks by the same share each year is the customer base valuation of Gupta & Lehmann (2005).
    """
    return _beyond(contribution, persistence, finance, 1.0)


def reported(
    books: Mapping[str, F64], persistence: F64 | float, finance: Finance
) -> tuple[F64, F64]:
    """Return the NPV after tax and the terminal value in the reporting currency, shape (...) each.

    Nominal cash is changed at the rate of its quarter and discounted at the nominal rate of that
    currency, (1 + discount rate) (1 + its inflation) - 1. At purchasing power parity that is the
    NPV in the market's currency, changed at the rate of quarter 1.

    Parameters
    ----------
    books
        A statement of the difference between two plans.
    persistence
        As for `terminal_value`.
    finance
        With a reporting currency.
    """
    inflation, abroad = finance.accounting.inflation, finance.accounting.reporting
    assert abroad is not None
    drift = abroad.yearly_drift(inflation)
    appreciation = (1.0 + inflation) * (1.0 + drift) / (1.0 + abroad.inflation) - 1.0
    real = growth(appreciation, books["present_value"].shape[-1])
    npv = (books["present_value"] * real).sum(axis=-1)
    later = _beyond(books["contribution"], persistence, finance, 1.0 + appreciation)
    return abroad.exchange_rate * npv, abroad.exchange_rate * later


def growth(rate: float, n_quarters: int) -> F64:
    """Return (1 + yearly rate)^((t - 1) / 4) for quarters t = 1..n, shape (n_quarters,)."""
    levels: F64 = (1.0 + rate) ** (np.arange(n_quarters) / QUARTERS_PER_YEAR)
    return levels


def _beyond(
    contribution: F64, persistence: F64 | float, finance: Finance, appreciation: float
) -> F64:
    """Return the terminal value if the currency it is told in gains so much a year on this one."""
    books, n = finance.accounting, contribution.shape[-1]
    year = contribution[..., max(n - 1 - QUARTERS_PER_YEAR, 0) : max(n - 1, 1)]
    given = books.terminal.persistence
    left = np.asarray(persistence if given is None else given)
    discount = (appreciation / (1.0 + finance.discount_rate)) ** (1.0 / QUARTERS_PER_YEAR)
    kept = left ** (1.0 / QUARTERS_PER_YEAR) * discount
    powers = kept[..., None] ** np.arange(1, books.terminal.quarters + 1)
    margin = (1.0 - books.tax_rate) * year.mean(axis=-1)
    worth: F64 = margin * discount ** (n - 1) * powers.sum(axis=-1)
    return worth


def _written_down(capital: F64, life: float) -> F64:
    """Return what is written down in each quarter of capital spent, both of shape (..., n)."""
    n = capital.shape[-1]
    age = np.arange(n) - np.arange(n)[:, None]
    share = np.where(age >= 0, np.clip(life - age, 0.0, 1.0) / life, 0.0)
    return capital @ share


def _rise(owed: F64) -> F64:
    """Return by how much a debt grows in each quarter, from nothing and to nothing."""
    owed = owed.copy()
    owed[..., -1] = 0.0
    return np.diff(owed, axis=-1, prepend=0.0)


def _only_last(values: F64) -> F64:
    found = np.zeros_like(values)
    found[..., -1] = values[..., -1]
    return found


def _total(lines: Mapping[str, F64], names: tuple[str, ...]) -> F64:
    total: F64 = np.sum([lines[name] for name in names], axis=0)
    return total
