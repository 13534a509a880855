"""The service desk of the focal brand: people, patience and a promise."""

from __future__ import annotations

from dataclasses import dataclass, field

from sim.config.fields import number


@dataclass(frozen=True, slots=True)
class Desk:
    """A queue of contacts: agents, handling time, patience, and the promised time of an answer.

    Times count while the desk is open. Its load today is the one at which it keeps its promise as
    often as the focal brand's `on_time` says.
    """

    name: str
    title: str
    agents: int = number(unit="people at work at one time", low=1, high=5000)
    handling: float = number(unit="minutes per contact, mean", low=0.01, high=100_000)
    patience: float = number(unit="minutes until a waiting customer gives up, mean", low=0.01)
    promise: float = number(unit="minutes of waiting until an answer is late", low=0)
    provenance: dict[str, str] = field(default_factory=dict)
