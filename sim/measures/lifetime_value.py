"""What a customer of today is worth: discounted margin over the horizon and a tail beyond it."""

from __future__ import annotations

import numpy as np

from sim.kernels import layout as at
from sim.measures import behaviour
from sim.measures.history import History, ratio
from sim.types import F64, QUARTERS_PER_YEAR


def lifetime_value(
    revenue: F64, goods: F64, active: F64, margin: float, quarterly_rate: float, customers: float
) -> float:
    """Return the lifetime value per customer of a group, in currency; NaN for an empty group.

    Parameters
    ----------
    revenue, goods
        Shape (n_quarters,): what the group paid, and its purchases at usual prices.
    active
        Shape (n_quarters,): members of the group still in the category at the end of the quarter.
    margin
        Gross margin at usual prices, a share.
    quarterly_rate
        Discount rate per quarter.
    customers
        Size of the group at the start.

    Notes
    -----
    sum_t m_t / (1 + d)^(t-1) + tail. The tail keeps the last year's margin per head m and the
    group's own quarterly survival r of that year for ever: the n who are left are worth
    n m / (1 + d - r) in money of the last quarter (Gupta, Lehmann & Stuart 2004).
    """
    if customers <= 0:
        return float("nan")
    earned = revenue - (1.0 - margin) * goods
    discount = (1.0 + quarterly_rate) ** -np.arange(len(earned), dtype=np.float64)
    last = min(QUARTERS_PER_YEAR, len(earned))
    began = np.concatenate([[customers], active[:-1]])[-last:]  # members as each quarter began
    if began[0] > 0:
        survival = (active[-1] / began[0]) ** (1.0 / last)
        per_head = earned[-last:].sum() / began.sum()
    else:
        survival = per_head = 0.0
    tail = per_head * active[-1] / (1.0 + quarterly_rate - survival)
    return float((earned @ discount + tail * discount[-1]) / customers)


def present_lifetime_value(h: History, margin: float, quarterly_rate: float) -> F64:
    """Return what a customer is worth if this quarter's margin and retention went on, in currency.

    Shape as a measure. Rivals' customers are valued at the focal brand's gross margin.

    Notes
    -----
    m (1 + d) / (1 + d - r), with m the margin per customer and r the retention of the quarter
    (Gupta, Lehmann & Stuart 2004).
    """
    earned = behaviour.revenue(h) - (1.0 - margin) * h.flow(at.GOODS)
    per_customer = ratio(earned, behaviour.customers(h))
    growth = 1.0 + quarterly_rate
    return per_customer * growth / (growth - behaviour.retention(h))


def focal_lifetime_value(h: History, margin: float, quarterly_rate: float) -> float:
    """Return the lifetime value, in currency, of the focal customers of the plan's beginning."""
    plan = h.quarters >= 1
    began = h.flow(at.CUSTOMERS)[h.quarters == 0, -1, 0]
    return lifetime_value(
        h.flow(at.BASE_REVENUE)[plan, -1, 0],
        h.flow(at.BASE_GOODS)[plan, -1, 0],
        h.flow(at.BASE_CUSTOMERS)[plan, -1, 0],
        margin,
        quarterly_rate,
        float(began.sum()),
    )
