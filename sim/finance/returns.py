"""What a series of cash flows returns: NPV, IRR, ROI, discounted payback."""

from __future__ import annotations

import numpy as np

from sim.types import F64, QUARTERS_PER_YEAR

_RATES = np.concatenate([np.linspace(-0.95, 0.0, 20), np.geomspace(1e-3, 100.0, 40)])


def npv(flows: F64, rate: float) -> float:
    """Return the net present value of quarterly flows, the first undiscounted, in their currency.

    `rate` is per quarter. Agrees with `numpy_financial.npv(rate, flows)`.
    """
    return float(flows @ discount_factors(len(flows), rate))


def discount_factors(n_quarters: int, rate: float) -> F64:
    """Return (1 + rate)^-(t-1) for quarters t = 1..n, shape (n_quarters,)."""
    factors: F64 = (1.0 + rate) ** -np.arange(n_quarters, dtype=np.float64)
    return factors


def irr(flows: F64) -> float | None:
    """Return the internal rate of return per year, or None if no rate makes the NPV zero.

    The quarterly root nearest to zero, compounded over four quarters.
    """
    if not flows.any():
        return None
    signs = np.sign([npv(flows, rate) for rate in _RATES])
    brackets = np.flatnonzero(signs[:-1] * signs[1:] < 0)
    roots = [float(rate) for rate in _RATES[signs == 0]]
    roots += [_root(flows, float(_RATES[k]), float(_RATES[k + 1])) for k in brackets]
    if not roots:
        return None
    return float((1.0 + min(roots, key=abs)) ** QUARTERS_PER_YEAR - 1.0)


def _root(flows: F64, low: float, high: float) -> float:
    """Return the rate between two at which the NPV changes its sign, to the last bit.

    By bisection: `scipy.optimize` needs fewer steps, but half a second to import.
    """
    rises = npv(flows, low) < 0.0
    while low < (middle := (low + high) / 2.0) < high:
        if (npv(flows, middle) < 0.0) == rises:
            low = middle
        else:
            high = middle
    return middle


def roi(margin: float, spend: float) -> float | None:
    """Return (margin - spend) / spend, or None if nothing was spent."""
    return (margin - spend) / spend if spend > 0 else None


def payback_quarter(flows: F64, rate: float) -> float | None:
    """Return the quarter from which the discounted cumulative flow stays at or above zero, or None.

    None as well if no money moved, so that there was nothing to pay back.
    """
    cumulative = np.cumsum(flows * discount_factors(len(flows), rate))
    under = np.flatnonzero(cumulative < 0)
    if not flows.any() or (len(under) and under[-1] == len(flows) - 1):
        return None
    return float(under[-1] + 2) if len(under) else 1.0
