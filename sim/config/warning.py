"""Early warning: a score from what a company can see, and the offers that answer it."""

from __future__ import annotations

from dataclasses import dataclass, field

from sim.config.fields import number
from sim.errors import ConfigError


@dataclass(frozen=True, slots=True)
class EarlyWarning:
    """Weights of the score, logistic(intercept + sum of weight x sign), and where levels begin."""

    intercept: float = number(-2.5, unit="logit", low=-20, high=20)
    overdue: float = number(
        1.0, unit="logit per own purchase interval without purchase", low=0, high=20
    )
    frequency: float = number(0.0, unit="logit less for who buys in every quarter", low=0, high=20)
    trend: float = number(1.0, unit="logit per relative fall of spend", low=0, high=20)
    dissatisfaction: float = number(
        1.0, unit="logit from full satisfaction to none", low=0, high=20
    )
    complaint: float = number(0.5, unit="logit for a complaint this quarter", low=0, high=20)
    prior: float = number(
        1.0, unit="quarters without purchase added to a customer's record", low=0, high=40
    )
    yellow: float = number(0.5, unit="score from which a customer is yellow", low=0, high=1)
    red: float = number(0.75, unit="score from which a customer is red", low=0, high=1)

    def __post_init__(self) -> None:
        """Check the order of the levels."""
        if self.yellow > self.red:
            raise ConfigError(
                f"begins at {self.yellow:g}, above red at {self.red:g}",
                key="yellow",
                value=self.yellow,
                allowed="a score below that of red",
            )


@dataclass(frozen=True, slots=True)
class Rescue:
    """What a warned customer gets at full strength of the lever, and what it costs."""

    pull: float = number(0.0, unit="logit of choice", low=-5, high=5)
    quality: float = number(0.0, unit="logit of delivered quality", low=-5, high=5)
    stimulus: float = number(0.0, unit="push to the bond", low=-1, high=1)
    cost: float = number(0.0, unit="currency per customer reached", low=0)


@dataclass(frozen=True, slots=True)
class SaveOffer:
    """Offers by warning level, and how many the company can make in a quarter."""

    yellow: Rescue = field(default_factory=Rescue)
    red: Rescue = field(default_factory=Rescue)
    capacity: float = number(1.0, unit="share of all customers per quarter", low=0, high=1)
