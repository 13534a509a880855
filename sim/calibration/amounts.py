"""What an order is worth: its mean, and how much customers differ in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sim.calibration.customer_base import FEWEST, CustomerBase
from sim.calibration.estimation import describe
from sim.calibration.fit import Estimate, Fit
from sim.calibration.lifetimes import Spending, fit_gamma_gamma, name_gamma_gamma
from sim.calibration.observed import Integers
from sim.config.market import Market
from sim.types import F64


@dataclass(frozen=True)
class Amounts:
    """What an order is worth, and how customers differ in it."""

    basket: Estimate | None = None
    """Mean order and its standard error, customers being independent."""
    spread: Estimate | None = None
    model: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()


def estimate_amounts(base: CustomerBase) -> Amounts:
    """Estimate the mean order and how much customers differ; gamma-gamma is the field's model."""
    if base.spending is None or base.repeat_spending is None:
        return Amounts(notes=("The log has no amounts: order values are the market's own.",))
    notes = []
    unit, amount = base.spending
    paid = amount > 0
    if not paid.all():
        notes.append(
            f"{int(np.sum(~paid))} of {len(paid)} orders for estimation have an amount of 0 or "
            "less; they count as orders, and their amounts are left out."
        )
    unit, amount = unit[paid], amount[paid]
    if len(amount) < FEWEST:
        notes.append(
            f"{len(amount)} orders have an amount above 0: order values are the market's own."
        )
        return Amounts(notes=tuple(notes))
    mean = float(amount.mean())
    positive = unit, amount
    deviation = np.bincount(unit, amount - mean, minlength=base.n)
    basket = Estimate(mean, float(np.sqrt(np.sum(deviation**2))) / len(amount))
    unit, amount = base.repeat_spending
    unit, amount = unit[amount > 0], amount[amount > 0]
    orders = np.bincount(unit, minlength=base.n)
    some = orders > 0
    if some.sum() < FEWEST:
        notes.append(
            f"{int(some.sum())} customers have repeat orders with an amount above 0: how much "
            "customers differ in order value is the market's own."
        )
        return Amounts(basket, notes=tuple(notes))
    means = np.bincount(unit, amount, minlength=base.n)[some] / orders[some]
    if np.ptp(means) <= 1e-9 * mean:
        notes.append(f"All customers spend {mean:g} per order: they do not differ.")
        return Amounts(basket, notes=tuple(notes))
    found = fit_gamma_gamma(Spending(orders[some].astype(float), means))
    named = describe(found, name_gamma_gamma)
    model = {
        "n_customers": int(some.sum()),
        "train_ll": found.log_likelihood / float(some.sum()),
        "parameters": {name: e._asdict() for name, e in named.items()},
    }
    return Amounts(basket, spread_of_orders(*positive), model, tuple(notes))


def spread_of_orders(unit: Integers, amount: F64) -> Estimate:
    """Return how much customers differ: the sd over customers of the ln of an order.

    Parameters
    ----------
    unit
        Shape (n_orders,): whose order it is.
    amount
        Shape (n_orders,): above 0.

    Notes
    -----
    The engine's customers are lognormal. The variance of customers' means, less what their orders'
    own variance makes of it, and its large-sample error (Burdick & Graybill 1992, Confidence
    Intervals on Variance Components, section 3.3).
    """
    ln = np.log(amount)
    n = np.bincount(unit)
    mean, n = np.bincount(unit, ln)[n > 0] / n[n > 0], n[n > 0]
    free = max(len(ln) - len(n), 1)
    within = max(float(np.sum(ln**2) - np.sum(n * mean**2)), 0.0) / free
    part = within * float(np.mean(1.0 / n))
    of_means = float(mean.var(ddof=1))
    variance = max(of_means - part, 0.0)
    error = float(np.sqrt(2.0 * (of_means**2 / (len(n) - 1) + part**2 / free)))
    sd = float(np.sqrt(variance))
    return Estimate(sd, error / (2.0 * sd) if sd > 0.0 else None)


def spread_over_segments(fit: Fit, market: Market) -> Fit:
    """Return the fit with the order value that a market's segments turn into the one estimated.

    Segments state their order values as ratios; an order is of a segment as often as that buys.
    """
    if "basket" not in fit.market:
        return fit
    weight = np.array([segment.share * segment.rate for segment in market.segments])
    ratio = float(weight @ [segment.basket for segment in market.segments] / weight.sum())
    stated = fit.market["basket"]
    if isinstance(stated, Mapping):
        [(form, numbers)] = stated.items()
        basket: Any = {form: [number / ratio for number in numbers]}
    else:
        basket = stated / ratio
    return replace(fit, market={**fit.market, "basket": basket})
