"""Settings of calibration by target figures and by lift tests."""

from __future__ import annotations

from dataclasses import dataclass

from sim.config.fields import number


@dataclass(frozen=True, slots=True)
class Free:
    """A number of the market that the targets are to tell, and where it may lie.

    With `low` and `high` the prior is uniform between them. With `by` it is uniform around the
    market's number, with `times` it is log-uniform from that fraction to that multiple of it; both
    give way to a distribution that the market states. With none of them the market has to state
    one.
    """

    path: str
    """Below `market`. `brands.*` stands for the brands that targets name."""
    low: float | None = number(None, unit="as the number")
    high: float | None = number(None, unit="as the number")
    by: float | None = number(None, unit="as the number", low=1e-9)
    times: float | None = number(None, unit="ratio", low=1.000001, high=1e6)


@dataclass(frozen=True, slots=True)
class Matching:
    """How markets are sought."""

    free: tuple[Free, ...]
    members: int = number(64, unit="markets of the set", low=2, high=10_000)
    first: int = number(128, unit="markets spread over the ranges, at least", low=8, high=100_000)
    wave: int = number(64, unit="markets of each wave after it", low=8, high=100_000)
    waves: int = number(8, unit="waves after the first at most", low=0, high=100)
    search: int = number(
        128, unit="markets tried for the closest one if none fits", low=0, high=100_000
    )
    customers: int = number(5000, unit="simulated customers", low=100, high=10_000_000)
    worlds: int = number(12, unit="worlds that each market is lived in", low=2, high=10_000)
    threshold: float = number(3.0, unit="standard errors off that still fit", low=0.5, high=10)
    discrepancy: float = number(
        0.01, unit="share of a figure by which the model itself may be off", low=0, high=1
    )
    tolerance: float = number(
        0.05, unit="share of a figure, its se if no other is stated", low=1e-6, high=1
    )


@dataclass(frozen=True, slots=True)
class LiftSettings:
    """How the tests are lived again."""

    customers: int = number(8000, unit="simulated customers", low=100, high=10_000_000)
    worlds: int = number(16, unit="paired worlds", low=2, high=10_000)
    prior_sd: float = number(
        0.5, unit="sd, as a share, of a size that is stated without a distribution", low=0, high=10
    )
