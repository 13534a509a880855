"""What the focal brand promises single customers: a membership by tier, offers by warning level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sim.config.lever import Lever
from sim.config.membership import Membership
from sim.config.warning import Rescue, SaveOffer
from sim.kernels.layout import N_LEVELS, N_TIERS, RED, YELLOW, Treatment
from sim.traits import no_treatment
from sim.types import F32, F64


@dataclass(frozen=True, slots=True)
class Promise:
    """What single customers get in a quarter, and what each costs.

    Attributes
    ----------
    treatment
        As the compiled loop takes it.
    incentive
        Shape (N_TIERS,): currency per member and quarter, by tier.
    fee
        Currency that a member pays per quarter.
    partner_share
        Share of redeemed points and incentives that partners pay.
    rescue_cost
        Shape (N_LEVELS,): currency per customer who is made an offer, by warning level.
    """

    treatment: Treatment
    incentive: F64
    fee: float
    partner_share: float
    rescue_cost: F64


class Segments(NamedTuple):
    """What a promise has to know of the segments; arrays of shape (n_segments,)."""

    shares: F64
    """Share of the market's customers."""
    price_weights: F64
    """Logit per ln(price), by which points count in the choice."""


def no_promise(n_segments: int, money_line: float = 0.0) -> Promise:
    """Return a promise of nothing."""
    treatment = no_treatment(n_segments, money_line)
    return Promise(treatment, np.zeros(N_TIERS), 0.0, 0.0, np.zeros(N_LEVELS))


def make_promise(
    levers: Mapping[str, Lever],
    felt: Mapping[str, float],
    reached: Mapping[str, F64],
    warned: tuple[float, float],
    member_margin: F64 | None,
    money_line: float,
    segments: Segments,
) -> Promise:
    """Return what the levers with a membership or save offers promise in a quarter.

    Parameters
    ----------
    levers
        The plan's levers by name.
    felt
        Lever to its strength as customers feel it.
    reached
        Lever to the share of each segment that it has reached, shape (n_segments,).
    warned
        Shares of the brand's customers who are yellow and red.
    member_margin
        Shape (N_TIERS,): last quarter's gross margin per member, in currency; None if unknown.
    money_line
        Trailing yearly spend above which a customer spends more than most.
    segments
        Their shares and weights.
    """
    promise = no_promise(len(segments.shares), money_line)
    for name, lever in levers.items():
        if lever.membership is not None and reached[name].any():
            promise = _with_membership(
                promise,
                lever.membership,
                felt[name],
                reached[name],
                member_margin,
                segments.price_weights,
            )
        if lever.save_offer is not None:
            able = felt[name] * float(reached[name] @ segments.shares)
            promise = _with_rescue(promise, lever.save_offer, able, warned)
    return promise


def _with_membership(
    promise: Promise,
    membership: Membership,
    felt: float,
    reached: F64,
    member_margin: F64 | None,
    price_weights: F64,
) -> Promise:
    """Add tiers and points.

    Points work as a price cut of what they are worth, as far as that counts in the choice.

    Incentives are cut where they would cost more than `incentive_cap` of the lifetime value of a
    tier's members. Incentives and margin are both earned for as long as a member stays, so the
    shares of lifetime value and of the quarterly margin are the same.
    """
    tiers = membership.tiers
    incentive = np.zeros(N_TIERS)
    paid = np.ones(N_TIERS)
    for rank, tier in enumerate(tiers, start=1):
        limit = np.inf if member_margin is None else membership.incentive_cap * member_margin[rank]
        incentive[rank] = min(tier.incentive * felt, max(limit, 0.0))
        if tier.incentive * felt > 0:
            paid[rank] = incentive[rank] / (tier.incentive * felt)
    treatment = promise.treatment
    for column, name in ((treatment.pull, "pull"), (treatment.quality, "quality"),
                         (treatment.stimulus, "stimulus")):  # fmt: skip
        for rank, tier in enumerate(tiers, start=1):
            if benefit := getattr(tier, name):
                first = rank * N_LEVELS
                column[first : first + N_LEVELS] += benefit * felt * paid[rank]
    for rank, tier in enumerate(tiers, start=1):
        worth = -np.log1p(-tier.earning * membership.salience)
        treatment.pull[rank * N_LEVELS : (rank + 1) * N_LEVELS] += price_weights * worth
    earning = np.zeros(N_TIERS, dtype=np.float32)
    earning[1 : len(tiers) + 1] = [tier.earning for tier in tiers]
    return Promise(
        treatment=treatment._replace(
            enrolment=_f32(np.clip(reached, 0.0, 1.0)),
            tier_from=_f32([tier.spend for tier in tiers]),
            earning=earning,
            redemption=float(membership.redemption),
            expiry=float(membership.expiry),
        ),
        incentive=incentive,
        fee=float(membership.fee),
        partner_share=float(membership.partner_share),
        rescue_cost=promise.rescue_cost,
    )


def _with_rescue(
    promise: Promise, offer: SaveOffer, able: float, warned: tuple[float, float]
) -> Promise:
    """Add offers to the warned; those in red come first, as far as the capacity goes.

    `able` is the part of the capacity that is there: the lever's strength times its reach.
    """
    treatment, cost = promise.treatment, promise.rescue_cost.copy()
    coverage = np.zeros(N_LEVELS)
    left = float(offer.capacity * able)
    rescues: tuple[tuple[int, Rescue, float], ...] = (
        (RED, offer.red, warned[1]),
        (YELLOW, offer.yellow, warned[0]),
    )
    for level, rescue, share in rescues:
        coverage[level] = min(left / share, 1.0) if share > 0 else min(left, 1.0)
        left = max(left - share, 0.0)
        cost[level] = rescue.cost
        treatment.pull[level::N_LEVELS] += rescue.pull
        treatment.quality[level::N_LEVELS] += rescue.quality
        treatment.stimulus[level::N_LEVELS] += rescue.stimulus
    return Promise(
        treatment=treatment._replace(coverage=_f32(coverage)),
        incentive=promise.incentive,
        fee=promise.fee,
        partner_share=promise.partner_share,
        rescue_cost=cost,
    )


def _f32(values: object) -> F32:
    return np.asarray(values, dtype=np.float32)
