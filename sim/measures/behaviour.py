"""What customers do: buyers, shares, repeat, retention and churn."""

from __future__ import annotations

import numpy as np

from sim.kernels import layout as at
from sim.measures.history import History, ratio
from sim.types import F64, QUARTERS_PER_YEAR


def buyers(h: History) -> F64:
    """People who bought the brand in the quarter (simulated customers)."""
    return h.people(h.bought(0))


def penetration(h: History) -> F64:
    """Buyers / customers of the segment."""
    return ratio(buyers(h), h.size)


def purchases(h: History) -> F64:
    """Purchases of the brand (count, simulated customers)."""
    return h.flow(at.PURCHASES)


def revenue(h: History) -> F64:
    """Money paid for the brand (currency, simulated customers)."""
    return h.flow(at.REVENUE)


def share(h: History) -> F64:
    """Brand's purchases / category's purchases."""
    return ratio(purchases(h), h.category(at.CATEGORY_PURCHASES))


def share_of_requirements(h: History) -> F64:
    """Brand's purchases / all category purchases of the brand's buyers of the quarter."""
    return ratio(purchases(h), h.flow(at.REQUIREMENT))


def purchase_frequency(h: History) -> F64:
    """Purchases per buyer and quarter."""
    return ratio(purchases(h), buyers(h))


def order_value(h: History) -> F64:
    """Revenue / purchases (currency)."""
    return ratio(revenue(h), purchases(h))


def customers(h: History) -> F64:
    """People who bought the brand within the lapse window (contract: who have one)."""
    return h.people(h.customer(0))


def repeat_rate(h: History) -> F64:
    """Share of last quarter's buyers who bought the brand again this quarter (Ehrenberg 1988)."""
    return ratio(h.people(h.bought(1) & h.bought(0)), h.people(h.bought(1)))


def retention(h: History) -> F64:
    """Share of last quarter's customers who still are customers."""
    kept = ratio(h.people(h.customer(1) & h.customer(0)), h.people(h.customer(1)))
    return h.after(1, kept)


def churn(h: History) -> F64:
    """1 - retention: customers of last quarter who lapsed (contract: left) this quarter."""
    return 1.0 - retention(h)


def churn_annual(h: History) -> F64:
    """Share of the customers of a year ago who no longer are customers.

    With a lapse window of a year: bought in the year before, and nothing in the year since.
    """
    then = h.customer(QUARTERS_PER_YEAR)
    lost = 1.0 - ratio(h.people(then & h.customer(0)), h.people(then))
    return h.after(QUARTERS_PER_YEAR, lost)


def new_buyers(h: History) -> F64:
    """People who bought the brand for the first time ever (simulated customers)."""
    return h.flow(at.NEW_BUYERS)


def won_back(h: History) -> F64:
    """Lapsed customers who bought again (simulated customers)."""
    returned = h.people(h.bought(0) & ~h.customer(1)) - new_buyers(h)
    return h.after(1, np.maximum(returned, 0.0))


def activity(h: History) -> F64:
    """Mean over customers of the share of the last four quarters in which they bought, 0..1."""
    year = range(QUARTERS_PER_YEAR)
    active = np.stack([h.people(h.customer(0) & h.bought(quarters_ago)) for quarters_ago in year])
    return h.lived(QUARTERS_PER_YEAR, ratio(active.mean(axis=0), customers(h)))


def cross_purchase(h: History) -> F64:
    """Return the expected share of buyers of more than one product line: mean of 1 - K^(1 - n).

    n purchases spread over K equally bought product lines.
    """
    return ratio(h.flow(at.CROSS), buyers(h))
