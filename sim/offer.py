"""From channels to the offer: what each brand's policy, risks and the times make of its product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sim.config.market import Market
from sim.config.rivals import Rival, Rivals
from sim.kernels.layout import Offer
from sim.traits import dimensions, start_value
from sim.types import DIMENSIONS, F32, F64, QUARTERS_PER_YEAR, Channel, RivalKind

_FLOOR = 1e-3
_DIMENSIONS = list(DIMENSIONS)
_OUT_OF_REACH = 1e-9
"""Availability of what is nowhere to be had: small enough that nobody ever buys it."""


class Environment(NamedTuple):
    """The times, the same for every plan."""

    rate_factor: float
    """Season x growth."""
    expectation: float
    """By how much customers expect more than at the start, g_t, in logit units."""


STEADY = Environment(1.0, 0.0)
"""What a market carries over that has been the same from the start."""


def environment(market: Market, plan_quarter: int, carried: Environment = STEADY) -> Environment:
    """Return the environment of a quarter; quarter 1 is the plan's first.

    `carried` is what other times before left behind, see `carried_over`.
    """
    season = market.rate.season[(plan_quarter - 1) % QUARTERS_PER_YEAR]
    return Environment(
        season * _growth(market, plan_quarter) * carried.rate_factor,
        market.expectation_drift * max(plan_quarter, 0) + carried.expectation,
    )


def carried_over(
    before: Market, after: Market, plan_quarter: int, carried: Environment = STEADY
) -> Environment:
    """Return what is left of one market's times where another's begin in a quarter.

    Growth and expectations go on from the level that they have reached: only what they grow by
    from now on is the new market's.
    """
    reached = _growth(before, plan_quarter) / _growth(after, plan_quarter)
    drifted = before.expectation_drift - after.expectation_drift
    return Environment(
        carried.rate_factor * reached, carried.expectation + drifted * max(plan_quarter - 1, 0)
    )


def _growth(market: Market, plan_quarter: int) -> float:
    return float((1.0 + market.rate.growth) ** ((plan_quarter - 1) / QUARTERS_PER_YEAR))


class Product:
    """What brands are before anybody acts: arrays of shape (n_brands, n_segments) by name."""

    def __init__(self, market: Market, rivals: Rivals | None = None) -> None:
        n_segments = len(market.segments)

        def spread(values: Sequence[float]) -> F64:
            column = np.array(values, dtype=np.float64)[:, None]
            return np.repeat(column, n_segments, axis=1)

        brands = market.brands
        self.log_price = np.log(spread([b.price for b in brands]))
        self.log_availability = np.log(spread([b.availability for b in brands]))
        self.problem = spread([b.problem for b in brands])
        self.on_time = spread([b.on_time for b in brands])
        self.dimensions, self.weights = dimensions(market)
        self.start_value = start_value(market)
        to_come = [
            rivals is not None and rivals.brands.get(b.name, Rival()).kind is RivalKind.ENTER
            for b in brands
        ]
        self.start_pull = _f32(np.log(np.where(spread(to_come), _OUT_OF_REACH, 1.0)))
        """ln availability when residents formed their habits; far below 0 for a brand to come."""
        self.start_log_price = _f32(self.log_price)
        self.voice = float(market.word_of_mouth.voice)
        self.negativity = float(market.learning.negativity)


def make_offer(
    product: Product,
    channels: F64,
    trust: F64,
    start_trust: float,
    times: Environment,
    reputation: F32,
    attraction_shift: F32,
) -> Offer:
    """Return the offer of a quarter.

    Parameters
    ----------
    product
        The brands as they are.
    channels
        Shape (n_brands, N_CHANNELS, n_segments): what policies and risks change.
    trust
        Shape (n_brands, n_segments): benevolence 0..1. It scales stimuli: who is not trusted cannot
        court (commitment-trust theory, Morgan & Hunt 1994).
    start_trust
        Benevolence at which a stimulus works in full.
    times
        Season, growth and expectations.
    reputation
        Shape (n_brands, n_segments): the value that a newcomer expects.
    attraction_shift
        Shape (n_segments,): mean attraction at the end of burn-in.
    """
    delivered = product.dimensions[:, :, None] + channels[:, _DIMENSIONS, :]
    quality = np.einsum("bds,sd->bs", delivered, product.weights)
    discount = _within(channels[:, Channel.DISCOUNT], 0.0, 0.95)
    cut = np.log1p(-discount)
    price = np.maximum(1.0 + channels[:, Channel.PRICE], 0.05)
    availability = np.maximum(1.0 + channels[:, Channel.AVAILABILITY], _OUT_OF_REACH)
    stimulus = channels[:, Channel.STIMULUS]
    courted = np.where(stimulus > 0, stimulus * trust / max(start_trust, _FLOOR), stimulus)
    voice = product.voice * (1.0 + channels[:, Channel.VOICE])
    buzz = channels[:, Channel.BUZZ]
    return Offer(
        log_price=_f32(product.log_price + np.log(price) + cut),
        promotion=_f32(-cut),
        pull=_f32(channels[:, Channel.FEATURE] + product.log_availability + np.log(availability)),
        quality=_f32(quality + channels[:, Channel.MATCH] - times.expectation),
        problem=_f32(_within(product.problem * (1.0 - channels[:, Channel.PROBLEM]), 0.0, 1.0)),
        on_time=_f32(_more_on_time(product.on_time, channels[:, Channel.ON_TIME])),
        stimulus=_f32(_within(courted, -1.0, 1.0)),
        awareness=_f32(_within(channels[:, Channel.AWARENESS], 0.0, 1.0)),
        order_value=_f32(np.maximum(1.0 + channels[:, Channel.ORDER_VALUE], _FLOOR)),
        voice=_f32(_within(voice, 0.0, 1.0)),
        buzz=_f32(np.where(buzz < 0, product.negativity * buzz, buzz)),
        reputation=reputation,
        start_value=product.start_value,
        start_log_price=product.start_log_price,
        start_pull=product.start_pull,
        rate_factor=np.full(product.weights.shape[0], times.rate_factor, dtype=np.float32),
        attraction_shift=attraction_shift,
    )


def _more_on_time(on_time: F64, change: F64) -> F64:
    """Turn a share of late answers into timely ones, or of timely ones into late ones."""
    moved = np.where(change > 0, on_time + (1.0 - on_time) * change, on_time * (1.0 + change))
    return _within(moved, 0.0, 1.0)


def next_trust(trust: F64, start_trust: float, recovery: float, change: F64) -> F64:
    """Return benevolence after a quarter's change and its slow return to where it started."""
    moved = trust + change
    return _within(moved + recovery * (start_trust - moved), 0.0, 1.0)


def _within(values: F64, low: float, high: float) -> F64:
    """Return the values cut off at both ends, as `np.clip` does, which takes longer for a few."""
    return np.minimum(np.maximum(values, low), high)


def _f32(values: F64 | F32) -> F32:
    return np.ascontiguousarray(values, dtype=np.float32)
