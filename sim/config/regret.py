"""Settings of `fidelio regret`."""

from __future__ import annotations

from dataclasses import dataclass

from sim.config.fields import number, numbers
from sim.config.plan import Condition
from sim.config.planning import Planning
from sim.errors import ConfigError


@dataclass(frozen=True, slots=True)
class PilotSettings:
    """A pilot before the full roll-out, and what must be so for the plan to go on after it."""

    conditions: tuple[Condition, ...]
    segment: str = "all"
    """Whose customers take part: a segment, or `all`."""
    share: float = number(1.0, unit="share of them that takes part", low=0.01, high=1)
    after: int | None = number(
        None, unit="quarter at whose end it is decided; null: a third of the horizon",
        low=1, high=400,
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Check that there is something to decide by."""
        if not self.conditions:
            raise ConfigError("names nothing to decide by", key="conditions",
                              allowed="one condition or more")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Regret(Planning):
    """What `fidelio regret` sets against what."""

    answers: tuple[str, ...]
    """What rivals may do: files of conf/rivals/, or paths."""
    shocks: tuple[str, ...]
    """What else may come: files of conf/shock/, or paths."""
    pilot: PilotSettings | None
    """None: no plan is tried with a pilot."""
    weights: dict[str, float] = numbers(unit="any; only how they compare counts", low=0, high=1e9)
    """Future to how much it counts; all alike if empty."""
    targets: dict[str, float] = numbers(unit="as the outcome")
    """Outcome to what is good enough."""
    optimism: float | None = number(
        None, unit="weight of a plan's best future in Hurwicz's criterion", low=0, high=1
    )
