"""What was predicted of an order log's customers, beside what they did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sim.calibration.customer_base import CustomerBase
from sim.calibration.forecast import count_repeats, look_ahead, track
from sim.calibration.incidence import WEEK, Calendar, Likelihood, Parameters, make_calendar
from sim.calibration.lifetimes import NBD, Histories, Lifetime
from sim.calibration.observed import Integers
from sim.kernels.philox import draw_uniform
from sim.types import F64

OURS = "fidelio"
"""Name of the engine's own model beside the field's."""
PENETRATION = (4, 13, 26, 52)
"""Weeks over which a panel's penetration is compared."""
BOOTSTRAPS = 200
"""Resamples of the customers."""
EMPTY = float(np.exp(-1.0))
"""Chance that a resample leaves a customer out."""
RESAMPLING = 1025
"""Purpose of the bootstrap's random numbers, far from those of the engine."""


@dataclass(frozen=True)
class Forecast:
    """What a model says of the customers."""

    ahead: F64
    """(n,) orders after the split, given history."""
    cumulative: F64
    """(n_weeks,) orders after entry up to the end of each week, history unseen."""
    active: F64
    """(n_quarters,) customers with an order in each quarter, history unseen."""
    active_given: F64 | None = None
    """(n_quarters after the split,) the same given history."""


@dataclass(frozen=True)
class Truth:
    """What the customers did."""

    ahead: F64
    week_ends: Integers
    cumulative: F64
    quarters: tuple[str, ...]
    bounds: Integers
    """(n_quarters + 1,)."""
    come: F64
    """(n_quarters,) customers who had come by the quarter's end."""
    buyer: NDArray[np.bool_]
    """(n, n_quarters) whether a customer ordered in the quarter, the first order included."""
    tested: NDArray[np.bool_]
    """(n_weeks,) whether the week ends after the split."""

    @property
    def active(self) -> F64:
        """Customers with an order in each quarter."""
        return np.asarray(self.buyer.sum(axis=0), float)


def observe(base: CustomerBase, calendar: Calendar) -> Truth:
    """Collect what the customers did."""
    log = base.log
    n_quarters = len(calendar.names)
    ends = [int(calendar.bounds[np.flatnonzero(calendar.of_name == k)[-1] + 1])
            for k in range(n_quarters)]  # fmt: skip
    bounds = np.array([calendar.bounds[0], *ends])
    buyer = np.zeros((base.n, n_quarters), bool)
    buyer[base.unit, np.searchsorted(bounds, base.day) - 1] = True
    if not base.panel:
        buyer[np.arange(base.n), np.searchsorted(bounds, base.entry) - 1] = True
    week_ends = np.arange(6, log.end + 1, 7)
    return Truth(
        ahead=base.orders(log.split, log.end),
        week_ends=week_ends,
        cumulative=np.searchsorted(np.sort(base.day), week_ends, side="right").astype(float),
        quarters=calendar.names,
        bounds=bounds,
        come=np.searchsorted(np.sort(base.entry), bounds[1:], side="right").astype(float),
        buyer=buyer,
        tested=week_ends > log.split,
    )


def forecast_ours(
    base: CustomerBase, likelihood: Likelihood, point: Parameters, truth: Truth
) -> Forecast:
    """Let the engine's model predict."""
    log = base.log
    weekly = make_calendar(base.before, [log.split, log.end], log.origin, weekly=True)
    tracked = track(likelihood, point, weekly)
    sums = np.concatenate([[0.0], np.cumsum(tracked.repeats)])
    at_ends = sums[np.searchsorted(weekly.bounds, truth.week_ends)]
    if log.end == log.split:
        return Forecast(np.zeros(base.n), at_ends, tracked.active)
    ahead = look_ahead(likelihood, point, likelihood.calendar)
    cell, n = likelihood.watch.cell, likelihood.watch.n
    return Forecast(ahead.orders[cell], at_ends, tracked.active, n @ ahead.active)


def forecast_field(
    base: CustomerBase, model: Lifetime, at: F64, seen: Histories, truth: Truth
) -> Forecast:
    """Let one of the field's models predict."""
    days, n = np.unique(base.entry, return_counts=True)
    age = np.maximum(truth.week_ends[:, None] - days, 0) / WEEK
    active = np.zeros(len(truth.quarters))
    for k, (start, stop) in enumerate(zip(truth.bounds[:-1], truth.bounds[1:], strict=True)):
        before = days <= start
        chance = model.active(at, (start - days[before]) / WEEK, (stop - days[before]) / WEEK)
        active[k] = n[before] @ chance + n[(days > start) & (days <= stop)].sum()
    horizon = (base.log.end - base.log.split) / WEEK
    return Forecast(model.ahead(at, seen, horizon)[seen.cell], model.repeats(at, age) @ n, active)


def score(forecast: Forecast, truth: Truth) -> dict[str, Any]:
    """Set a forecast beside what happened."""
    predicted, actual = forecast.ahead, truth.ahead
    real = truth.cumulative[truth.tested]
    gap = np.abs(forecast.cumulative[truth.tested] - real)
    varied = predicted.std() > 0 and actual.std() > 0
    return {
        "actual": float(actual.sum()),
        "predicted": float(predicted.sum()),
        "cumulative_mape": float(np.mean(gap / np.maximum(real, 1.0))) if len(real) else None,
        "rmse": float(np.sqrt(np.mean((predicted - actual) ** 2))),
        "r": float(np.corrcoef(predicted, actual)[0, 1]) if varied else None,
        "quarters": list(truth.quarters),
        "active_by_quarter": (forecast.active / truth.come).tolist(),
        "active_by_quarter_actual": (truth.active / truth.come).tolist(),
    }


@njit(cache=True, nogil=True, error_model="numpy")
def _draw_weights(seed, number, out):  # type: ignore[no-untyped-def]
    """Write how many times each customer is in a resample: Poisson(1)."""
    for i in range(len(out)):
        left = draw_uniform(i, number, RESAMPLING, seed, 0) - EMPTY
        k, chance = 0, EMPTY
        while left > 0.0 and chance > 0.0:
            k += 1
            chance /= k
            left -= chance
        out[i] = k


def measure_noise(
    base: CustomerBase, forecast: Forecast, truth: Truth, seed: int
) -> dict[str, Any]:
    """Return how much the holdout's figures would vary with other customers of the same kind.

    Standard deviations over resamples of the customers; `cumulative_mape` is the error of a model
    that knows the truth but for the chance of who is in the sample.
    """
    week = np.searchsorted(truth.week_ends, base.day)
    came = np.asarray(base.entry[:, None] <= truth.bounds[1:], float)
    buyer = np.asarray(truth.buyer, float)
    error = forecast.ahead - truth.ahead
    weight = np.empty(base.n)
    scores, active = np.empty((BOOTSTRAPS, 4)), np.empty((BOOTSTRAPS, len(truth.quarters)))
    real = truth.cumulative[truth.tested]
    for b in range(BOOTSTRAPS):
        _draw_weights(seed, b, weight)
        weight *= base.n / weight.sum()
        both = np.cov(forecast.ahead, truth.ahead, aweights=weight)
        size = np.sqrt(both[0, 0] * both[1, 1])
        weeks = np.bincount(week, weight[base.unit], minlength=len(truth.week_ends) + 1)
        gap = np.abs(np.cumsum(weeks)[: len(truth.tested)][truth.tested] - real)
        scores[b] = (
            weight @ truth.ahead,
            np.sqrt(weight @ error**2 / base.n),
            both[0, 1] / size if size > 0 else 0.0,
            np.mean(gap / np.maximum(real, 1.0)) if len(real) else 0.0,
        )
        active[b] = (weight @ buyer) / np.maximum(weight @ came, 1.0)
    sd = scores.std(axis=0)
    return {
        "actual": float(sd[0]),
        "rmse": float(sd[1]),
        "r": float(sd[2]),
        "cumulative_mape": float(scores[:, 3].mean()),
        "active_by_quarter": active.std(axis=0).tolist(),
    }


def measure_penetration(
    base: CustomerBase, likelihood: Likelihood, point: Parameters, nbd: F64
) -> dict[str, list[float]]:
    """Return a panel's penetration, observed and predicted; see `PENETRATION`.

    `observed` is of the log's first weeks, `observed_mean` the mean over all such stretches that
    the log has. A last stretch that the log ends up to a week short of counts as whole.
    """
    rows: dict[str, list[float]] = {
        "weeks": [], "observed": [], "observed_mean": [], "nbd": [], OURS: [],
    }  # fmt: skip
    length = base.log.end + 1
    for weeks in PENETRATION:
        days = min(7 * weeks, length)
        if 7 * weeks > length + 7:
            break
        number = base.day // days
        pairs = np.unique(np.column_stack([number, base.unit]), axis=0)[:, 0]
        shares = np.bincount(pairs)[: length // days] / base.n
        calendar = make_calendar(-1, [days - 1], base.log.origin)
        counts = count_repeats(likelihood, point, calendar, 1)
        by_nbd = float(NBD().active(nbd, np.zeros(1), np.array([days / WEEK]))[0])
        values = (weeks, shares[0], shares.mean(), by_nbd, counts[1] / base.n)
        for column, value in zip(rows.values(), values, strict=True):
            column.append(float(value))
    return rows
