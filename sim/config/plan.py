"""A plan: what the focal brand spends on which lever, in which quarters."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from sim.config.fields import Uncertain, number
from sim.config.market import check_names_differ
from sim.config.rollout import Rollout
from sim.errors import ConfigError
from sim.types import Against

LARGEST_BUDGET = 1e15


def check_budget(amount: float, key: str) -> None:
    """Raise ConfigError if an amount is no budget; what is decided is never a distribution."""
    if isinstance(amount, Uncertain):
        raise ConfigError("is a distribution, but a budget is decided", key=key, allowed="a number")
    if not 0 <= amount < LARGEST_BUDGET:
        raise ConfigError(
            f"{amount:g} is no budget",
            key=key,
            value=amount,
            allowed="0 or more, in the market's currency",
        )


@dataclass(frozen=True, slots=True)
class Phase:
    """A run of quarters with a budget per lever, spread evenly over them."""

    name: str
    quarters: tuple[int, int]
    """First and last quarter, counted from 1."""
    spend: dict[str, float] = field(default_factory=dict)
    """Lever to currency over the whole phase."""

    def __post_init__(self) -> None:
        """Check the order of quarters and the sign of the money."""
        first, last = self.quarters
        if not 1 <= first <= last:
            raise ConfigError(
                f"runs from quarter {first} to {last}",
                key="quarters",
                value=self.quarters,
                allowed="[first, last] with 1 <= first <= last",
            )
        for lever, amount in self.spend.items():
            check_budget(amount, f"spend.{lever}")

    @property
    def length(self) -> int:
        """Number of quarters."""
        return self.quarters[1] - self.quarters[0] + 1


@dataclass(frozen=True, slots=True)
class Condition:
    """What a measure of the focal brand must be; at least one of the two bounds is given."""

    measure: str
    segment: str = "all"
    against: Against = Against.LEVEL
    over: str = ""
    """Segment whose level is the unit: 1.2 of it is 20% above. Empty for the measure's own unit."""
    at_least: float | None = number(None, unit="as the measure, or relative")
    at_most: float | None = number(None, unit="as the measure, or relative")

    def __post_init__(self) -> None:
        """Check that there is a bound."""
        if self.at_least is None and self.at_most is None:
            raise ConfigError("has no bound", key="at_least", allowed="at_least or at_most")

    def holds(self, level: float) -> bool:
        """Return whether a level is within the bounds; one that does not exist is not."""
        low = -math.inf if self.at_least is None else self.at_least
        high = math.inf if self.at_most is None else self.at_most
        return low <= level <= high


@dataclass(frozen=True, slots=True)
class Rule:
    """Money that moves between levers in a quarter when all conditions hold."""

    name: str
    when: tuple[Condition, ...]
    source: str = ""
    """Lever that gives; empty to take from all others by their size."""
    target: str = ""
    """Lever that gets; empty to save the money."""
    share: float = number(0.25, unit="share of what the source has left", low=0, high=1)


@dataclass(frozen=True, slots=True)
class Review:
    """Monitor, diagnose, adjust: every so many quarters, rules on measures move what is left."""

    rules: tuple[Rule, ...] = ()
    every: int = number(1, unit="quarters", low=1, high=40)

    def __post_init__(self) -> None:
        """Check that names differ."""
        check_names_differ("rules", [rule.name for rule in self.rules])


@dataclass(frozen=True, slots=True)
class Gate:
    """Go or stop: where a condition fails, waves and money that are still to come are cancelled."""

    after: int = number(unit="quarter at whose end it is decided", low=1, high=400)
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What the focal brand does; a plan without phases goes on as today."""

    name: str
    title: str
    description: str = ""
    phases: tuple[Phase, ...] = ()
    overhead: float = number(0.0, unit="currency per quarter outside the levers", low=0)
    rollout: Rollout = field(default_factory=Rollout)
    """Waves in which the levers reach the customers; all of them at once if none is given."""
    review: Review | None = None
    gate: Gate | None = None
    provenance: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that phase names differ, and that the overhead is money."""
        check_budget(self.overhead, "overhead")
        check_names_differ("phases", [phase.name for phase in self.phases])

    @property
    def levers(self) -> tuple[str, ...]:
        """Levers that get money, in the order in which they first do."""
        phases = sorted(self.phases, key=lambda phase: phase.quarters)
        funded = [lever for phase in phases for lever, amount in phase.spend.items() if amount > 0]
        return tuple(dict.fromkeys(funded))

    @property
    def conditions(self) -> dict[str, tuple[Condition, ...]]:
        """What the review and the gate look at, by path within the plan."""
        rules = self.review.rules if self.review else ()
        found = {f"review.rules.{rule.name}.when": rule.when for rule in rules}
        return found | ({"gate.conditions": self.gate.conditions} if self.gate else {})

    def first_quarter(self, lever: str) -> int | None:
        """Return the quarter in which a lever first gets money, or None."""
        quarters = [phase.quarters[0] for phase in self.phases if phase.spend.get(lever, 0) > 0]
        return min(quarters, default=None)

    def spend_in(self, lever: str, quarter: int) -> float:
        """Return what the lever gets in a quarter, in currency."""
        return sum(
            phase.spend.get(lever, 0.0) / phase.length
            for phase in self.phases
            if phase.quarters[0] <= quarter <= phase.quarters[1]
        )

    def phase_of(self, quarter: int) -> str:
        """Return the names of the phases that a quarter lies in, joined by '+', or ''."""
        inside = [p.name for p in self.phases if p.quarters[0] <= quarter <= p.quarters[1]]
        return "+".join(inside)
