"""A plan's money against the baseline's, in the same worlds and the same future."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.config.finance import Finance
from sim.finance.cash_flow import SPEND
from sim.finance.returns import discount_factors
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


def paired(plan: F64, baseline: F64, finance: Finance) -> Paired:
    """Return a plan's money against the baseline's.

    Parameters
    ----------
    plan, baseline
        Flows of both, shape (n_worlds, n_quarters, len(FLOWS)), in currency.
    finance
        Its discount rate is taken.
    """
    names = ("net", *SPEND)
    columns = [FLOWS.index(name) for name in names]
    found = []
    for own, base in zip(plan[:, :, columns], baseline[:, :, columns], strict=True):
        with_plan, without = (dict(zip(names, flows.T, strict=True)) for flows in (own, base))
        found.append(money_outcomes(with_plan, without, finance.quarterly_rate))
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


def npv_of(net: F64, rate: float) -> F64:
    """Return the net present value of flows by quarter, shape (..., n_quarters) -> (...).

    `rate` is per quarter; the first quarter is not discounted.
    """
    value: F64 = net @ discount_factors(net.shape[-1], rate)
    return value
