"""A lever: one kind of loyalty measure that money can move."""

from __future__ import annotations

from dataclasses import dataclass, field

from sim.config.fields import number, numbers
from sim.config.membership import Membership
from sim.config.rollout import Task, check_tasks
from sim.config.warning import SaveOffer
from sim.errors import ConfigError
from sim.types import Channel, Touchpoint


@dataclass(frozen=True, slots=True)
class Cost:
    """How the money put into a lever is booked, and what the lever costs beside it."""

    capital_share: float = number(0.0, unit="share of spend that is capital", low=0, high=1)
    staff_share: float = number(0.0, unit="share of spend that is staff", low=0, high=1)
    upkeep: float = number(0.0, unit="share of the built stock per quarter", low=0, high=1)
    reward_rate: float = number(0.0, unit="share of reached customers' revenue", low=0, high=1)
    per_member: float = number(0.0, unit="currency per reached customer and quarter", low=0)

    def __post_init__(self) -> None:
        """Check that no more is booked than was spent."""
        booked = self.capital_share + self.staff_share
        if booked > 1:
            raise ConfigError(
                f"capital_share and staff_share sum to {booked:g}",
                value=booked,
                allowed="a sum of 1 or less; the rest is running cost",
            )


@dataclass(frozen=True, slots=True)
class Effect:
    """What customers feel of a lever at full strength."""

    channel: Channel
    size: float = number(unit="as the channel", low=-10, high=10)
    segments: dict[str, float] = numbers(unit="factor on the size", low=-10, high=10)
    """Factor on the size for a segment; 1 where none is given."""
    touchpoint: Touchpoint | None = None
    """Where it is felt; everywhere if not given."""
    without: tuple[str, ...] = ()
    """Levers that undo it: it acts as far as the strongest of them is missing."""


@dataclass(frozen=True, slots=True)
class Diffusion:
    """How a lever spreads among those whom it can reach: Bass (1969)."""

    innovation: float = number(0.03, unit="share per quarter who join of their own", low=0, high=1)
    imitation: float = number(0.4, unit="share per quarter who follow all others", low=0, high=5)


@dataclass(frozen=True, slots=True)
class Lever:
    """One kind of loyalty measure."""

    name: str
    title: str
    half_saturation: float = number(unit="currency per reached customer", low=1e-9)
    carry_over: float = number(0.5, unit="share of the stock kept per quarter", low=0, high=1)
    hill: float = number(1.0, unit="exponent", low=0.1, high=10)
    build_quarters: int = number(
        0, unit="quarters from first spend to full readiness", low=0, high=40
    )
    reach: float = number(1.0, unit="share of a segment", low=0, high=1)
    reach_by_segment: dict[str, float] = numbers(unit="share of the segment", low=0, high=1)
    cost: Cost = field(default_factory=Cost)
    effects: tuple[Effect, ...] = ()
    tasks: tuple[Task, ...] = ()
    """Work that builds it; where there is none, `build_quarters` says how long it takes."""
    needs: tuple[str, ...] = ()
    """Levers that the plan must pay for no later than this one."""
    excludes: tuple[str, ...] = ()
    """Levers that the same plan must not pay for."""
    strengthens: dict[str, float] = numbers(unit="relative gain", low=-1, high=10)
    """Relative gain of another lever's effects at this one's full strength; below 0, a loss."""
    sameness: float = number(
        0.0, unit="share of the effect lost to a rival's exact copy", low=0, high=1
    )
    diffusion: Diffusion | None = None
    """How its reach grows; at once if not given."""
    membership: Membership | None = None
    save_offer: SaveOffer | None = None
    evidence: tuple[str, ...] = ()
    """Rows of the evidence table that the sizes rest on."""
    provenance: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that tasks can be put in an order, and that no lever is needed and excluded."""
        check_tasks(self.tasks, "tasks")
        for name in self.excludes:
            if name in self.needs:
                raise ConfigError(
                    f"lever '{name}' is both needed and excluded", key="excludes", value=name,
                    allowed="needs and excludes that do not share a lever",
                )  # fmt: skip
