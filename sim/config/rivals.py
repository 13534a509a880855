"""Rivals: what the other brands do."""

from __future__ import annotations

from dataclasses import dataclass, field

from sim.config.fields import number
from sim.errors import ConfigError
from sim.types import Channel, RivalKind


@dataclass(frozen=True, slots=True)
class Move:
    """What a rival changes in stated quarters."""

    channel: Channel
    size: float = number(unit="as the channel", low=-10, high=10)
    quarters: tuple[int, int] = (1, 400)
    """First and last quarter of the plan's clock."""
    every: int = number(0, unit="quarters after which it comes again; 0 for once", low=0, high=40)

    def active(self, quarter: int) -> bool:
        """Return whether the move is on in a quarter."""
        first, last = self.quarters
        if self.every:
            return quarter >= first and (quarter - first) % self.every <= last - first
        return first <= quarter <= last

    def __post_init__(self) -> None:
        """Check the order of quarters."""
        if not 1 <= self.quarters[0] <= self.quarters[1]:
            raise ConfigError(
                f"runs from quarter {self.quarters[0]} to {self.quarters[1]}",
                key="quarters",
                value=self.quarters,
                allowed="[first, last] with 1 <= first <= last",
            )


@dataclass(frozen=True, slots=True)
class Rival:
    """How one rival acts."""

    kind: RivalKind = RivalKind.HOLD
    moves: tuple[Move, ...] = ()
    """`schedule`: what it does when. `react`: its answer. `enter`: its launch."""
    trigger: float = number(
        0.05, unit="relative fall of its share against the start that calls for an answer",
        low=0, high=1,
    )  # fmt: skip
    lag: int = number(1, unit="quarters from seeing to acting", low=0, high=40)
    duration: int = number(2, unit="quarters that an answer lasts", low=1, high=40)
    pause: int = number(2, unit="quarters of rest between answers", low=0, high=40)
    levers: tuple[str, ...] = ()
    """`imitate`: levers that it copies; all that the focal brand pays for if empty."""
    fidelity: float = number(0.6, unit="share of the effect that a copy has", low=0, high=1)
    quarter: int = number(1, unit="quarter of entry", low=1, high=400)


@dataclass(frozen=True, slots=True)
class Rivals:
    """How each rival acts, by brand name; who is not named holds."""

    name: str
    title: str
    brands: dict[str, Rival] = field(default_factory=dict)
    provenance: dict[str, str] = field(default_factory=dict)
