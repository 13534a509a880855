"""Published regularities of consumer markets and what is tried to see them: `conf/laws.yaml`."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from sim.config.build import build
from sim.config.fields import number, numbers
from sim.config.files import config_root, read
from sim.types import MarketKind


@dataclass(frozen=True, slots=True)
class Target:
    """What one figure of a law must be; without bounds it is shown and not judged."""

    name: str
    title: str
    low: float | None = number(None, unit="as the figure")
    high: float | None = number(None, unit="as the figure")
    kinds: tuple[MarketKind, ...] = tuple(MarketKind)
    """Kinds of market in which the bounds hold."""

    def bounds(self, kind: MarketKind) -> tuple[float | None, float | None]:
        """Return the bounds in a market of that kind."""
        return (self.low, self.high) if kind in self.kinds else (None, None)


@dataclass(frozen=True, slots=True)
class Law:
    """A published regularity."""

    name: str
    title: str
    says: str
    """The target in words."""
    source: str
    figures: tuple[Target, ...]
    kinds: tuple[MarketKind, ...] = tuple(MarketKind)
    slow: bool = False
    """Whether it is left out of a quick scorecard."""


@dataclass(frozen=True, slots=True)
class Trials:
    """What is tried on a market to see what follows."""

    advertising: str
    """Lever that is advertising."""
    customers: int = number(unit="simulated customers", low=100, high=10_000_000)
    burn_in: int = number(unit="quarters lived before anything is counted", low=6, high=100)
    quarters: int = number(unit="quarters lived after them", low=9, high=100)
    price: float = number(unit="relative change of a price, up and down", low=0.001, high=0.5)
    cut: float = number(unit="share of the price, for one quarter", low=0.001, high=0.9)
    feature: float = number(unit="logit, for the quarter of a campaign", low=0, high=5)
    awareness: float = number(unit="share of the unaware whom a campaign tells", low=0, high=1)
    burst: float = number(unit="relative rise of the advertising lever's budget", low=0.01, high=10)
    households: int = number(unit="households of the panel on which choice is estimated", low=50,
                             high=100_000)  # fmt: skip
    purchases: float = number(unit="of a buyer in the window in which requirements are seen", low=1)
    discount: float = number(unit="discount rate of customer value, per year", low=0, high=1)
    programme: dict[str, float] = numbers(unit="currency per company's customer and year", low=0)
    """Lever to money: a loyalty programme."""


@dataclass(frozen=True, slots=True)
class Laws:
    """Content of `conf/laws.yaml`."""

    desk: str
    """Service desk that all markets are tried with."""
    trials: Trials
    laws: tuple[Law, ...]
    finance: dict[str, str] = field(default_factory=dict)
    """Shipped market to the money that goes with it."""
    notes: dict[str, dict[str, str]] = field(default_factory=dict)
    """Market to law to why it does not hold there."""

    @property
    def levers(self) -> tuple[str, ...]:
        """Levers that are tried."""
        return (*self.trials.programme, self.trials.advertising)


@cache
def published() -> Laws:
    """Return the laws of `conf/laws.yaml`."""
    return build(Laws, read(config_root() / "conf" / "laws.yaml"))
