"""Settings of `fidelio sensitivity`."""

from __future__ import annotations

from dataclasses import dataclass

from sim.config.fields import number
from sim.config.planning import Planning
from sim.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity(Planning):
    """Settings of `fidelio sensitivity`."""

    outcome: str
    plans: tuple[str, ...] | None
    """Plans, each against the baseline; the one of the configuration if None."""
    replications: int = number(unit="worlds of each point", low=1, high=1_000_000)
    trajectories: int = number(unit="trajectories of the screening", low=8, high=1_000_000)
    samples: int = number(unit="base samples of the indices, a power of two", low=16, high=2**20)
    share: float = number(unit="share of the largest effect", low=0, high=1)
    most: int = number(unit="assumptions that are kept", low=1, high=40)

    def __post_init__(self) -> None:
        """Check what the design of the indices needs."""
        if self.samples & (self.samples - 1):
            below = 1 << (self.samples.bit_length() - 1)
            raise ConfigError(
                f"{self.samples:,} base samples are no power of two, which Sobol's sequence needs",
                key="samples", value=self.samples, allowed=f"{below:,} or {2 * below:,}",
            )  # fmt: skip
