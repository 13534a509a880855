"""Risks: events that may hit the focal brand, and what makes them rarer."""

from __future__ import annotations

from dataclasses import dataclass, field

from sim.config.fields import number, numbers
from sim.config.market import check_names_differ
from sim.types import Channel


@dataclass(frozen=True, slots=True)
class Hit:
    """What an event of severity 1 does to a channel of the focal brand."""

    channel: Channel
    size: float = number(unit="as the channel", low=-10, high=10)


@dataclass(frozen=True, slots=True)
class Risk:
    """One row of the risk register."""

    name: str
    title: str
    probability: float = number(unit="per year", low=0, high=1)
    severity: float = number(unit="factor on the hits", low=0, high=10)
    quarter: int = number(
        0, unit="quarter in which it strikes, if at all; 0 for any, by chance", low=0, high=400
    )
    duration: int = number(1, unit="quarters", low=1, high=40)
    hits: tuple[Hit, ...] = ()
    needs: str = ""
    """Lever without which the risk does not exist; empty if it always does."""
    mitigation: dict[str, float] = numbers(unit="share of the probability", low=0, high=1)
    """Lever to the share of the probability that it removes at full strength."""
    dampening: dict[str, float] = numbers(unit="share of the severity", low=0, high=1)
    """Lever to the share of the severity that it removes at full strength."""


@dataclass(frozen=True, slots=True)
class Risks:
    """The risk register of a study."""

    name: str
    title: str
    register: tuple[Risk, ...] = ()
    provenance: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that names differ: a risk's draws are addressed by its name."""
        check_names_differ("register", [risk.name for risk in self.register])
