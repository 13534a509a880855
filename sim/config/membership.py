"""A membership: tiers by trailing spend, points, incentives and fees."""

from __future__ import annotations

from dataclasses import dataclass

from sim.config.fields import number
from sim.config.market import check_names_differ
from sim.errors import ConfigError

MAX_TIERS = 8


@dataclass(frozen=True, slots=True)
class Tier:
    """A rank that a member holds by what it has spent lately."""

    name: str
    spend: float = number(unit="currency of trailing yearly spend from which it holds", low=0)
    earning: float = number(0.0, unit="value of points per currency spent", low=0, high=1)
    quality: float = number(0.0, unit="logit of delivered quality at full strength", low=-5, high=5)
    pull: float = number(0.0, unit="logit of choice at full strength", low=-5, high=5)
    stimulus: float = number(0.0, unit="push to the bond per quarter", low=-1, high=1)
    incentive: float = number(0.0, unit="currency per member and quarter", low=0)


@dataclass(frozen=True, slots=True)
class Membership:
    """The rules of a membership; points are a debt until they are redeemed or expire."""

    tiers: tuple[Tier, ...]
    redemption: float = number(
        0.4, unit="share of the points of a member who buys, per quarter", low=0, high=1
    )
    salience: float = number(
        0.5, unit="share of the worth of points that counts in the choice", low=0, high=1
    )
    """A point is money back later: to a member it is a price cut of `earning` times this."""
    expiry: float = number(0.05, unit="share of the points per quarter", low=0, high=1)
    incentive_cap: float = number(
        0.2, unit="incentives as a share of the lifetime value of a tier's members", low=0, high=1
    )
    fee: float = number(0.0, unit="currency that a member pays per quarter", low=0)
    partner_share: float = number(
        0.0, unit="share of points and incentives that partners of a coalition pay", low=0, high=1
    )

    def __post_init__(self) -> None:
        """Check the number, names and order of tiers."""
        if not 1 <= len(self.tiers) <= MAX_TIERS:
            raise ConfigError(
                f"{len(self.tiers)} tiers", key="tiers", allowed=f"1 to {MAX_TIERS} tiers"
            )
        check_names_differ("tiers", [tier.name for tier in self.tiers])
        spends = [tier.spend for tier in self.tiers]
        for below, tier in zip(self.tiers, self.tiers[1:], strict=False):
            if tier.spend <= below.spend:
                raise ConfigError(
                    f"begins at {tier.spend:g}, not above '{below.name}' at {below.spend:g}",
                    key=f"tiers.{tier.name}.spend",
                    value=spends,
                    allowed="tiers in order of rising spend",
                )
