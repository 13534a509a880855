"""The quarter, in order, as data.

1. environment   season, growth, expectations
2. risks         events of this quarter
3. brands        rivals move, then the focal brand follows its plan: roll-out and levers
4. service desk  people and machine meet the contacts of the quarter before
5. offer         policies and risks become what customers are offered
6. customers     occasions, word of mouth, bond, tiers, warnings, renewal: the compiled loop
7. observation   measures and money are counted
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sim.kernels import layout as at
from sim.offer import environment, make_offer, next_trust
from sim.types import F64, Channel

if TYPE_CHECKING:
    from sim.model import LoyaltyModel


class Phase(NamedTuple):
    """One step of the quarter."""

    name: str
    run: Callable[[LoyaltyModel], None]


def see_environment(model: LoyaltyModel) -> None:
    """Set the times of this quarter."""
    model.times = environment(model.config.market, model.plan_quarter, model.carried)


def meet_risks(model: LoyaltyModel) -> None:
    """Draw this quarter's events; levers mitigate with the strength that they had last quarter."""
    delivered = model.focal_policy.delivered
    strength = delivered.strength if delivered else {}
    model.risk_hits = model.risks.advance(model.plan_quarter, strength)


def let_brands_act(model: LoyaltyModel) -> None:
    """Rivals first, then the focal brand."""
    for brand in reversed(model.brands):
        brand.act()
    delivered = model.focal_policy.delivered
    if delivered is None:
        model.treatment = model.no_treatment()
    else:
        model.delivered[model.plan_quarter] = delivered
        model.treatment = delivered.treatment


def staff_desk(model: LoyaltyModel) -> None:
    """See how many complaints the focal brand answers in time; before the plan, as many as ever."""
    if model.plan_quarter < 1:
        return
    channels = model.brands[0].channels + model.risk_hits
    model.product.on_time[0] = model.desk.on_time(
        model.state.contacts[-1],
        model.usual_contacts(),
        channels[Channel.CAPACITY],
        channels[Channel.AUTOMATION],
    )


def compose_offer(model: LoyaltyModel) -> None:
    """Bring product, policies, risks, trust and reputation together."""
    channels = np.stack([brand.channels for brand in model.brands])
    channels[0] += model.risk_hits
    channels[0, Channel.TRUST] += model.risk_hits[Channel.TRUST] * (privacy_concern(model) - 1.0)
    bond = model.config.market.bond
    model.state.trust = next_trust(
        model.state.trust, bond.trust, bond.trust_recovery, channels[:, Channel.TRUST]
    )
    model.offer = make_offer(
        model.product,
        channels,
        model.state.trust,
        bond.trust,
        model.times,
        model.state.reputation,
        model.state.attraction_shift,
    )


def privacy_concern(model: LoyaltyModel) -> F64:
    """Return how much each segment minds a breach of its trust, shape (n_segments,)."""
    return np.array([segment.privacy for segment in model.config.market.segments])


def let_customers_live(model: LoyaltyModel) -> None:
    """Run the compiled loop over all customers."""
    model.live_quarter()


def observe(model: LoyaltyModel) -> None:
    """Keep the quarter's sums, and what the next quarter starts from."""
    record = model.take_record()
    model.note_contacts(record)
    size = np.maximum(record.size[:-1], 1.0)  # a segment may be too small for a single customer
    value = record.flow[:-1, :, at.VALUE] / size[:, None]
    model.state.reputation = np.ascontiguousarray(value.T, dtype=np.float32)
    if model.plan_quarter < 1:
        shift = record.category[:-1, at.ATTRACTION] / size
        model.state.attraction_shift = shift.astype(np.float32)


PHASES = (
    Phase("environment", see_environment),
    Phase("risks", meet_risks),
    Phase("brands", let_brands_act),
    Phase("service desk", staff_desk),
    Phase("offer", compose_offer),
    Phase("customers", let_customers_live),
    Phase("observation", observe),
)
