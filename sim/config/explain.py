"""Settings of `fidelio explain`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sim.config.fields import number
from sim.config.planning import Planning
from sim.errors import ConfigError


class Players(Enum):
    """Among whom a plan's effect is shared out."""

    LEVERS = "levers"
    PHASES = "phases"
    SEGMENTS = "segments"
    """Cash is parted by whose it is: no game is needed."""
    MECHANISMS = "mechanisms"
    """Value, bond, habit and selection, through which customers answer."""


@dataclass(frozen=True, slots=True)
class Explain(Planning):
    """What `fidelio explain` shares out, among whom, and how exactly."""

    players: tuple[Players, ...]
    outcomes: tuple[str, ...]
    coalitions: int = number(unit="coalitions that are all lived", low=2, high=65_536)
    permutations: int = number(unit="orders, each with its reverse", low=16, high=100_000)

    def __post_init__(self) -> None:
        """Check that there is somebody to share among, and that orders come in pairs."""
        if not self.players:
            raise ConfigError(
                "nobody to share among", key="players", value=[],
                allowed=", ".join(kind.value for kind in Players),
            )  # fmt: skip
        if self.permutations % 2:
            raise ConfigError(
                f"{self.permutations} is odd, and each order comes with its reverse",
                key="permutations", value=self.permutations, allowed="an even number",
            )  # fmt: skip
