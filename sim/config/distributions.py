"""The distributions that configuration can write, with closed forms where there are any.

`scipy.stats` would do, but takes longer to import than a small study takes to run.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from scipy import special


class Form(NamedTuple):
    """One family of distributions; functions take the value or probability, then the parameters."""

    parameters: tuple[str, ...]
    valid: Callable[..., bool]
    needs: str
    """What valid parameters are, in words."""
    support: Callable[..., tuple[float, float]]
    cdf: Callable[..., float]
    quantile: Callable[..., float]

    def allowed(self, name: str) -> str:
        """Return how configuration writes it."""
        return f"{name}: [{', '.join(self.parameters)}]"


def _triangular_cdf(x: float, low: float, mode: float, high: float) -> float:
    if x <= low:
        return 0.0
    if x >= high:
        return 1.0
    if x < mode:
        return (x - low) ** 2 / ((high - low) * (mode - low))
    return 1.0 - (high - x) ** 2 / ((high - low) * (high - mode)) if high > mode else 1.0


def _triangular_quantile(u: float, low: float, mode: float, high: float) -> float:
    width = high - low
    if u * width < mode - low:
        return low + math.sqrt(u * width * (mode - low))
    return high - math.sqrt((1.0 - u) * width * (high - mode))


def _uniform_cdf(x: float, low: float, high: float) -> float:
    return min(max((x - low) / (high - low), 0.0), 1.0)


def _normal_cdf(x: float, mean: float, sd: float) -> float:
    return float(special.ndtr((x - mean) / sd))


def _lognormal_cdf(x: float, median: float, log_sd: float) -> float:
    return _normal_cdf(math.log(x / median), 0.0, log_sd) if 0.0 < x < math.inf else float(x > 0.0)


def _beta_cdf(x: float, a: float, b: float) -> float:
    return float(special.betainc(a, b, min(max(x, 0.0), 1.0)))


FORMS: dict[str, Form] = {
    "triangular": Form(
        ("low", "mode", "high"),
        lambda low, mode, high: low <= mode <= high and low < high,
        "in rising order",
        lambda low, mode, high: (low, high),
        _triangular_cdf,
        _triangular_quantile,
    ),
    "uniform": Form(
        ("low", "high"),
        lambda low, high: low < high,
        "in rising order",
        lambda low, high: (low, high),
        _uniform_cdf,
        lambda u, low, high: low + u * (high - low),
    ),
    "normal": Form(
        ("mean", "sd"),
        lambda mean, sd: sd > 0.0,
        "a mean and an sd above 0",
        lambda mean, sd: (-math.inf, math.inf),
        _normal_cdf,
        lambda u, mean, sd: mean + sd * float(special.ndtri(u)),
    ),
    "lognormal": Form(
        ("median", "log_sd"),
        lambda median, log_sd: median > 0.0 and log_sd > 0.0,
        "two numbers above 0",
        lambda median, log_sd: (0.0, math.inf),
        _lognormal_cdf,
        lambda u, median, log_sd: median * math.exp(log_sd * float(special.ndtri(u))),
    ),
    "beta": Form(
        ("a", "b"),
        lambda a, b: a > 0.0 and b > 0.0,
        "two numbers above 0",
        lambda a, b: (0.0, 1.0),
        _beta_cdf,
        lambda u, a, b: float(special.betaincinv(a, b, u)),
    ),
}
