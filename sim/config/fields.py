"""How a field says its unit and range, and how a number says that it is not known exactly."""

from __future__ import annotations

import dataclasses
import math
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import stats

from sim.errors import ConfigError


def number(
    default: Any = dataclasses.MISSING,
    *,
    unit: str,
    low: float = -math.inf,
    high: float = math.inf,
) -> Any:
    """Declare a numeric field with its unit and its inclusive range.

    Without a default the field must be given. The value may be a number or a distribution, see
    `Uncertain`.
    """
    return dataclasses.field(default=default, metadata={"unit": unit, "low": low, "high": high})


def numbers(*, unit: str, low: float = -math.inf, high: float = math.inf) -> Any:
    """Declare a mapping of names to numbers, empty by default; unit and range are each number's."""
    metadata = {"unit": unit, "low": low, "high": high}
    return dataclasses.field(default_factory=dict, metadata=metadata)


def _triangular(low: float, mode: float, high: float) -> Any:
    return stats.triang((mode - low) / (high - low), low, high - low)


_FORMS: dict[str, tuple[tuple[str, ...], Any]] = {
    "triangular": (("low", "mode", "high"), _triangular),
    "uniform": (("low", "high"), lambda low, high: stats.uniform(low, high - low)),
    "normal": (("mean", "sd"), stats.norm),
    "lognormal": (("median", "log_sd"), lambda m, s: stats.lognorm(s, scale=m)),
    "beta": (("a", "b"), stats.beta),
}
FORMS = {form: f"{form}: [{', '.join(names)}]" for form, (names, _) in _FORMS.items()}
"""How configuration writes each distribution."""


@lru_cache(maxsize=4096)
def _truncated(
    form: str, parameters: tuple[float, ...], low: float, high: float
) -> tuple[Any, float, float]:
    """Return a frozen distribution and its probabilities at low and high; kept, for it is slow."""
    frozen = _FORMS[form][1](*parameters)
    return frozen, float(frozen.cdf(low)), float(frozen.cdf(high))


class Uncertain(float):
    """A number that is not known exactly: its float value is the median of its distribution.

    Written in YAML as `{triangular: [0, 0.1, 0.3]}`, `{uniform: [0, 1]}`, `{normal: [mean, sd]}`,
    `{lognormal: [median, log_sd]}` or `{beta: [a, b]}`.
    """

    form: str
    parameters: tuple[float, ...]

    def __new__(cls, form: str, parameters: tuple[float, ...]) -> Uncertain:
        """Make the number, or raise ConfigError if form or parameters make no distribution."""
        if form not in _FORMS:
            raise ConfigError("no such distribution", value=form, known=_FORMS)
        names, make = _FORMS[form]
        allowed = f"{form}: [{', '.join(names)}]"
        if len(parameters) != len(names):
            raise ConfigError(
                f"{form} takes {len(names)} numbers, not {len(parameters)}", allowed=allowed
            )
        spread_out = form not in ("triangular", "uniform") or parameters[0] < parameters[-1]
        if list(parameters) != sorted(parameters) and form == "triangular":
            spread_out = False
        if not spread_out:
            raise ConfigError(
                f"{list(parameters)} is not in rising order", value=parameters, allowed=allowed
            )
        median = float(make(*parameters).median())
        if not math.isfinite(median):
            raise ConfigError(f"{list(parameters)} makes no distribution", allowed=allowed)
        made = super().__new__(cls, median)
        made.form, made.parameters = form, parameters
        return made

    def __getnewargs__(self) -> tuple[str, tuple[float, ...]]:  # type: ignore[override]
        """Let a pickle or a copy carry the distribution, not only its median."""
        return self.form, self.parameters

    def support(self) -> tuple[float, float]:
        """Return the lowest and highest value that can be drawn."""
        low, high = _FORMS[self.form][1](*self.parameters).support()
        return float(low), float(high)

    def quantile(self, u: float, low: float = -math.inf, high: float = math.inf) -> float:
        """Return the u-quantile of the distribution, truncated to [low, high]."""
        frozen, below, above = _truncated(self.form, self.parameters, low, high)
        return float(np.clip(frozen.ppf(below + u * (above - below)), low, high))

    def as_yaml(self) -> dict[str, list[float]]:
        """Return the form in which configuration writes it."""
        return {self.form: list(self.parameters)}
