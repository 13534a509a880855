"""Settings of `fidelio discover`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sim.config.fields import number
from sim.errors import ConfigError


class By(Enum):
    """By what a point is judged."""

    MEAN = "mean"
    """The mean over its worlds."""
    WORLD = "world"
    """The share of its worlds that fail."""


@dataclass(frozen=True, slots=True)
class Discover:
    """When a point of a sweep fails, and how regions in which many do are looked for."""

    outcome: str
    plan: str | None
    """The first one that is not the baseline if None."""
    against: str | None
    """The difference to this plan counts, world by world; the outcome itself if None."""
    factors: tuple[str, ...]
    """Columns of the factors that may describe a region; all if empty."""
    by: By
    out: str | None
    """Folder of the page; `discover` in the sweep's own folder if None."""
    progress: bool
    fails_below: float | None = number(unit="as the outcome")
    fails_above: float | None = number(unit="as the outcome")
    target: float | None = number(unit="as the outcome")
    """A point fails on its worse side."""
    share: float = number(unit="share of a point's worlds", low=0.001, high=1)
    density: float | None = number(unit="share of a region's points", low=0, high=1)
    box: int | None = number(unit="number of a box, from 1", low=1)
    regions: int = number(unit="regions at most", low=1, high=5)
    smallest: float = number(unit="share of the points", low=0.01, high=0.5)
    resamples: int = number(unit="samples of the points", low=10, high=1000)

    def __post_init__(self) -> None:
        """Check that at most one threshold is given, and one way to choose a box."""
        given = [name for name in ("fails_below", "fails_above", "target")
                 if getattr(self, name) is not None]  # fmt: skip
        if len(given) > 1:
            raise ConfigError(f"is given with {given[0]}", key=given[1],
                              allowed="one of fails_below, fails_above, target")  # fmt: skip
        if self.box is not None and self.density is not None:
            raise ConfigError("is given with density", key="box", value=self.box,
                              allowed="one of density, box")  # fmt: skip
        if self.against is not None and self.against == self.plan:
            raise ConfigError("is the plan itself", key="against", value=self.against,
                              allowed="another plan of the sweep")  # fmt: skip
