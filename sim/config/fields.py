"""How a field says its unit and range, and how a number says that it is not known exactly."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from sim.config.distributions import FORMS
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


class Uncertain(float):
    """A number that is not known exactly: its float value is the median of its distribution.

    Written in YAML as `{triangular: [0, 0.1, 0.3]}`, `{uniform: [0, 1]}`, `{normal: [mean, sd]}`,
    `{lognormal: [median, log_sd]}` or `{beta: [a, b]}`.
    """

    form: str
    parameters: tuple[float, ...]

    def __new__(cls, form: str, parameters: tuple[float, ...]) -> Uncertain:
        """Make the number, or raise ConfigError if form or parameters make no distribution."""
        if form not in FORMS:
            raise ConfigError("no such distribution", value=form, known=FORMS)
        family = FORMS[form]
        n_given, n_taken = len(parameters), len(family.parameters)
        problem = ""
        if n_given != n_taken:
            problem = f"{form} takes {n_taken} numbers, not {n_given}"
        elif not all(map(math.isfinite, parameters)) or not family.valid(*parameters):
            problem = f"{list(parameters)} is not {family.needs}"
        if problem:
            raise ConfigError(problem, value=parameters, allowed=family.allowed(form))
        made = super().__new__(cls, family.quantile(0.5, *parameters))
        made.form, made.parameters = form, parameters
        return made

    def __getnewargs__(self) -> tuple[str, tuple[float, ...]]:  # type: ignore[override]
        """Let a pickle or a copy carry the distribution, not only its median."""
        return self.form, self.parameters

    def __eq__(self, other: object) -> bool:
        """Return whether another is the same distribution; a plain number is its median at most."""
        if isinstance(other, Uncertain):
            return (self.form, self.parameters) == (other.form, other.parameters)
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        """Return the opposite of equality, which `float` would answer by the median."""
        return not self == other

    def __hash__(self) -> int:
        """Return the median's: what is equal has the same."""
        return super().__hash__()

    def support(self) -> tuple[float, float]:
        """Return the lowest and highest value that can be drawn."""
        return FORMS[self.form].support(*self.parameters)

    def quantile(self, u: float, low: float = -math.inf, high: float = math.inf) -> float:
        """Return the u-quantile of the distribution, truncated to [low, high]."""
        family, known = FORMS[self.form], self.parameters
        below, above = family.cdf(low, *known), family.cdf(high, *known)
        return min(max(family.quantile(below + u * (above - below), *known), low), high)

    def as_yaml(self) -> dict[str, list[float]]:
        """Return the form in which configuration writes it."""
        return {self.form: list(self.parameters)}
