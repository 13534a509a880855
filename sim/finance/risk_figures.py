"""How sure a figure is: intervals, quantiles, probability of loss, two layers of uncertainty.

`scipy.stats` has some of it ready, but takes a second to import.
"""

from __future__ import annotations

import math
from typing import TypedDict

import numpy as np
import pandas as pd
from scipy import special

from sim.types import F64

CONFIDENCE = 0.95
TAIL = 0.05
MIN_FOR_SPREAD = 2  # replications; one alone says nothing of how far they lie apart


class Spread(TypedDict):
    """How a difference spreads over replications; None where it does not exist.

    `low` and `high` bound the 95% interval of the mean, p10..p90 are quantiles over replications,
    the standard deviations part luck of the draw from ignorance of parameters.
    """

    mean: float | None
    low: float | None
    high: float | None
    p10: float | None
    p50: float | None
    p90: float | None
    chance_sd: float | None
    ignorance_sd: float | None


def half_width(values: F64) -> float:
    """Return the half-width of the 95% interval of the mean (Student's t); 0 if all are equal."""
    n = len(values)
    if n < MIN_FOR_SPREAD:
        return math.inf
    if np.ptp(values) == 0:
        return 0.0
    return t_quantile(n - 1) * float(values.std(ddof=1)) / math.sqrt(n)


def t_quantile(degrees: int) -> float:
    """Return how many standard errors reach from the middle of a 95% interval to its end.

    Student's t with so many degrees of freedom.
    """
    return float(special.stdtrit(degrees, 0.5 + CONFIDENCE / 2))


def describe(values: F64, twins: tuple[F64, F64], *, missing_is: float) -> Spread:
    """Return the spread of a figure over replications.

    Parameters
    ----------
    values
        Shape (n,): one value per replication, NaN where it does not exist.
    twins
        Two arrays of shape (m,): the same parameter draws in two worlds. Half their mean squared
        difference estimates the variance by chance; the rest of the variance is ignorance.
    missing_is
        +inf if a missing value lies beyond the highest (payback never reached), -inf if below the
        lowest (no rate of return); quantiles that fall on it are None, and so is any mean.
    """
    missing = np.isnan(values)
    ranked = np.sort(np.where(missing, missing_is, values))
    p10, p50, p90 = (_quantile(ranked, q) for q in (0.10, 0.50, 0.90))
    if missing.any() or not len(values):
        return Spread(
            mean=None,
            low=None,
            high=None,
            p10=p10,
            p50=p50,
            p90=p90,
            chance_sd=None,
            ignorance_sd=None,
        )
    mean, half = float(values.mean()), half_width(values)
    chance, ignorance = layers(values, twins)
    known = math.isfinite(half)
    return Spread(
        mean=mean,
        low=mean - half if known else None,
        high=mean + half if known else None,
        p10=p10,
        p50=p50,
        p90=p90,
        chance_sd=chance,
        ignorance_sd=ignorance,
    )


def layers(values: F64, twins: tuple[F64, F64]) -> tuple[float | None, float | None]:
    """Return (chance sd, ignorance sd), None where there are no twins to tell them apart."""
    first, second = twins
    both = ~(np.isnan(first) | np.isnan(second))
    if not both.any():
        return None, None
    chance = float(np.mean((first[both] - second[both]) ** 2) / 2.0)
    total = float(values.var(ddof=1)) if len(values) > 1 else chance
    return math.sqrt(chance), math.sqrt(max(total - chance, 0.0))


def probability_of_loss(npvs: F64) -> float:
    """Return the share of replications with an NPV below 0."""
    return float(np.mean(npvs < 0))


def tail_mean(npvs: F64) -> float:
    """Return CVaR: the mean NPV of the worst 5% of replications, at least one, in currency."""
    worst = max(math.ceil(TAIL * len(npvs)), 1)
    return float(np.sort(npvs)[:worst].mean())


def rank_correlation(first: F64, second: F64) -> float:
    """Return Spearman's rank correlation of two series that vary, shape (n,) each.

    Equal values share the mean of their ranks.
    """
    ranks = np.array([pd.Series(values).rank() for values in (first, second)])
    return float(np.corrcoef(ranks)[0, 1])


def _quantile(ranked: F64, q: float) -> float | None:
    """Return a linear quantile of sorted values, None where it touches a missing one."""
    if not len(ranked):
        return None
    position = q * (len(ranked) - 1)
    below, above = ranked[math.floor(position)], ranked[math.ceil(position)]
    if not (math.isfinite(below) and math.isfinite(above)):
        return None
    return float(below + (position - math.floor(position)) * (above - below))
