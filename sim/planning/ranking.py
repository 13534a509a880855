"""How sure a figure of a plan is, and whether plans can be told apart at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy import special

from sim.finance.risk_figures import CONFIDENCE, MIN_FOR_SPREAD, half_width
from sim.types import F64


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over worlds with its 95% interval (Student's t), and how worlds spread."""

    mean: float
    low: float
    high: float
    p10: float
    p50: float
    p90: float
    n: int

    @property
    def sign(self) -> int:
        """1 or -1 if the interval of the mean is clear of zero, else 0."""
        return int(self.low > 0) - int(self.high < 0)


def estimate(values: F64) -> Estimate:
    """Return the mean of a figure over worlds, shape (n_worlds,), and how sure it is.

    All is NaN where a value is missing; one world has no interval: its ends are infinite.
    """
    if not len(values) or np.isnan(values).any():
        return Estimate(*(float("nan"),) * 6, n=len(values))
    mean, half = float(values.mean()), half_width(values)
    p10, p50, p90 = (float(q) for q in np.quantile(values, (0.1, 0.5, 0.9)))
    return Estimate(mean, mean - half, mean + half, p10, p50, p90, len(values))


def told_apart(values: F64) -> npt.NDArray[np.bool_]:
    """Return which plans differ, from figures in the same worlds.

    Parameters
    ----------
    values
        Shape (n_plans, n_worlds).

    Returns
    -------
    Shape (n_plans, n_plans), symmetric; False on the diagonal.

    Notes
    -----
    Paired t tests of all pairs; Holm's (1979) step-down procedure keeps the chance of any wrong
    difference at 5%. Plans that differ by the same amount in every world differ for sure.
    """
    n_plans = len(values)
    pairs = list(combinations(range(n_plans), 2))
    chances = np.array([_chance(values[a] - values[b]) for a, b in pairs])
    apart = np.zeros((n_plans, n_plans), dtype=bool)
    for step, place in enumerate(np.argsort(chances, kind="stable")):
        if chances[place] > (1.0 - CONFIDENCE) / (len(pairs) - step):
            break
        a, b = pairs[place]
        apart[a, b] = apart[b, a] = True
    return apart


def _chance(differences: F64) -> float:
    """Return how likely differences as large are if there is none: the p-value of a t test."""
    n = len(differences)
    if np.ptp(differences) == 0:
        return 1.0 if n == 0 or differences[0] == 0 else 0.0
    if n < MIN_FOR_SPREAD or np.isnan(differences).any():
        return 1.0
    error = differences.std(ddof=1) / np.sqrt(n)
    return float(2.0 * special.stdtr(n - 1, -abs(differences.mean() / error)))


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a plan stands among others: on one place if it can be told apart, else on several."""

    name: str
    rank_from: int
    """Best place that it may have, from 1."""
    rank_to: int
    """Worst one."""
    tied: tuple[str, ...]
    """Plans that it cannot be told apart from."""


def standings(names: Sequence[str], values: F64, best_is: int = 1) -> list[Standing]:
    """Return where each plan stands, the best mean first.

    Parameters
    ----------
    names, values
        Plans, and a figure of each in the same worlds, shape (n_plans, n_worlds).
    best_is
        1 if more is better, else -1.
    """
    means, apart = values.mean(axis=1) * best_is, told_apart(values)
    found = []
    for own in np.argsort(-means, kind="stable"):
        ahead = int((apart[own] & (means > means[own])).sum())
        behind = int((apart[own] & (means < means[own])).sum())
        tied = tuple(n for other, n in enumerate(names) if other != own and not apart[own, other])
        found.append(Standing(names[own], ahead + 1, len(names) - behind, tied))
    return found
