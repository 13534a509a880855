"""Settings of `fidelio stress`: shocks, and what lenders or owners ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sim.config.fields import Uncertain, number
from sim.config.planning import Planning
from sim.errors import ConfigError

ALL: Final = "all"
"""Stands for every shock that is shipped or lies in a folder of one's own."""
ASKED: Final = ("cash_at_least", "yearly_spend_at_most", "payback_by")
"""What a covenant may ask for."""


@dataclass(frozen=True, slots=True)
class Covenant:
    """What a plan must keep to, quarter by quarter; it asks for one thing."""

    opening: float = number(0.0, unit="currency, cash when the plan begins", low=-1e15, high=1e15)
    cash_at_least: float | None = number(
        None, unit="currency, opening cash and cash against the baseline so far",
        low=-1e15, high=1e15,
    )  # fmt: skip
    yearly_spend_at_most: float | None = number(
        None, unit="currency a year that the plan itself costs", low=0, high=1e15
    )
    payback_by: int | None = number(None, unit="quarter, discounted", low=1, high=400)

    def __post_init__(self) -> None:
        """Check that one thing is asked for, in numbers that are known."""
        asked = [name for name in ASKED if getattr(self, name) is not None]
        if len(asked) != 1:
            raise ConfigError(
                f"{' and '.join(asked)} are asked for" if asked else "asks for nothing",
                key=asked[1] if asked else "", allowed=f"one of {', '.join(ASKED)}",
            )  # fmt: skip
        if self.opening and self.cash_at_least is None:
            raise ConfigError("is of a covenant on cash", key="opening", value=self.opening,
                              allowed="with cash_at_least")  # fmt: skip
        for name in ("opening", *asked):
            if isinstance(getattr(self, name), Uncertain):
                raise ConfigError("is a distribution, but a covenant is agreed on", key=name,
                                  allowed="a number")  # fmt: skip

    @property
    def kind(self) -> str:
        """What it asks for: one of ASKED."""
        return next(name for name in ASKED if getattr(self, name) is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stress(Planning):
    """What `fidelio stress` tries."""

    shocks: tuple[str, ...]
    """Names, paths, several with `+` between; `all` for every one."""
    by_phase: bool
    """Whether each shock that can be timed also strikes in each phase of a plan alone."""
    covenants: tuple[Covenant, ...]

    def __post_init__(self) -> None:
        """Check that there is a shock, and none twice."""
        if not self.shocks:
            raise ConfigError("is empty", key="shocks", allowed="[NAME, ...], or [all]")
        for name in self.shocks:
            if self.shocks.count(name) > 1:
                raise ConfigError(f"'{name}' stands twice", key="shocks", value=name,
                                  allowed="each once")  # fmt: skip
