"""A plan's money against the baseline's, in the same worlds and the same future."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.finance.cash_flow import SPEND
from sim.planning.life import FLOWS
from sim.study import MONEY, money_outcomes
from sim.types import F64


@dataclass(frozen=True)
class Paired:
    """Money of a plan against the baseline; shape (n_worlds,) unless stated.

    Attributes
    ----------
    net
        Incremental cash, shape (n_worlds, n_quarters), in currency.
    npv, spend, margin
        In currency.
    roi, irr, payback_quarter
        NaN where there is none.
    """

    net: F64
    npv: F64
    roi: F64
    irr: F64
    payback_quarter: F64
    spend: F64
    margin: F64

    @property
    def cumulative(self) -> F64:
        """Incremental cash up to each quarter, undiscounted, shape (n_worlds, n_quarters)."""
        total: F64 = self.net.cumsum(axis=1)
        return total

    @property
    def peak_funding(self) -> F64:
        """The most that has to be put in before it comes back, 0 or more."""
        peak: F64 = -np.minimum(self.cumulative.min(axis=1), 0.0)
        return peak

    @property
    def worst_quarter(self) -> F64:
        """Incremental cash of the quarter with the least."""
        worst: F64 = self.net.min(axis=1)
        return worst


def paired(plan: F64, baseline: F64, rates: F64) -> Paired:
    """Return a plan's money against the baseline's.

    Parameters
    ----------
    plan, baseline
        Flows of both, shape (n_worlds, n_quarters, len(FLOWS)), in currency.
    rates
        Discount rate per quarter in each world, shape (n_worlds,).
    """
    names = ("net", *SPEND)
    columns = [FLOWS.index(name) for name in names]
    found = []
    for own, base, rate in zip(plan[:, :, columns], baseline[:, :, columns], rates, strict=True):
        with_plan, without = (dict(zip(names, flows.T, strict=True)) for flows in (own, base))
        found.append(money_outcomes(with_plan, without, float(rate)))
    by_name = {name: np.array([each[name] for each in found]) for name in MONEY}
    return Paired(
        net=plan[:, :, FLOWS.index("net")] - baseline[:, :, FLOWS.index("net")],
        npv=by_name["npv"],
        roi=by_name["roi"],
        irr=by_name["irr"],
        payback_quarter=by_name["payback_quarter"],
        spend=by_name["spend"],
        margin=by_name["incremental_margin"],
    )


def npv_of(net: F64, rates: F64) -> F64:
    """Return the net present value of flows by quarter, shape (..., n_quarters) -> (...).

    Parameters
    ----------
    net
        Flows; the first quarter is not discounted.
    rates
        Discount rate per quarter, of a shape that fits what the last axis of `net` leaves.
    """
    quarters = np.arange(net.shape[-1], dtype=np.float64)
    value: F64 = (net * (1.0 + rates[..., None]) ** -quarters).sum(axis=-1)
    return value
