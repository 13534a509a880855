"""From the market's configuration to the numbers that kernels take."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from sim.config.market import Market
from sim.kernels.layout import N_LEVELS, N_TIERS, Traits, Treatment
from sim.types import DIMENSIONS, F32, F64, QUARTERS_PER_YEAR, MarketKind

_RAREST = 2**31
"""Largest distance between opinion leaders: fewer than one in any population."""


def make_traits(market: Market, block_start: NDArray[np.int64]) -> Traits:
    """Return the market as arrays and plain numbers; every distribution must be realised before."""
    segments, talk, survey = market.segments, market.word_of_mouth, market.survey
    warning = market.warning
    spread, service, learning = market.spread, market.service, market.learning
    subscription = market.kind is MarketKind.SUBSCRIPTION
    weights = {
        name: [getattr(market.weights, name) * getattr(s.weights, name) for s in segments]
        for name in ("value", "bond", "habit", "price", "reference")
    }
    return Traits(
        subscription=subscription,
        attention=float(market.subscription.attention),
        switching_cost=float(market.subscription.switching_cost) if subscription else 0.0,
        rate_shape=float(market.rate.shape),
        rate_mean=_f32([market.rate.mean * s.rate for s in segments]),
        rate_persistence=0.5 ** (QUARTERS_PER_YEAR / market.rate.half_life),
        expansion_power=float(market.rate.expansion),
        acceleration=float(market.rate.acceleration),
        payback=float(market.rate.payback),
        market_age=market.leaving.market_age,
        leaving_alpha=float(market.leaving.alpha),
        leaving_beta=float(market.leaving.beta),
        leaving_satisfaction=float(market.leaving.satisfaction),
        leaving_bond=float(market.leaving.bond),
        leaving_bond_reference=float(market.leaving.bond_reference),
        appeal=_f32([brand.appeal for brand in market.brands]),
        taste_sd=_f32([spread.taste * brand.taste for brand in market.brands]),
        basket_log_sd=float(spread.basket),
        basket_mean=_f32([market.basket * s.basket for s in segments]),
        weights=_f32([weights[name] for name in ("value", "bond", "habit", "price")]),
        weights_log_sd=_f32([spread.value, spread.bond, spread.habit, spread.price]),
        weight_reference=_f32(weights["reference"]),
        reference_smoothing=float(learning.reference_smoothing),
        gain_factor=float(learning.gain_factor),
        habit_smoothing=float(learning.habit_smoothing),
        learning=float(learning.rate),
        first_experience=float(market.journey.first_experience),
        negativity=float(learning.negativity),
        noise=float(learning.noise),
        problem_loss=float(service.loss),
        complaint=float(service.complaint),
        repair=float(service.repair),
        late_factor=float(service.late_factor),
        effort=_f32(
            [
                service.effort_smooth,
                service.effort_silent,
                service.effort_answered,
                service.effort_late,
            ]
        ),
        bond_gain=float(market.bond.gain),
        bond_decay=float(market.bond.decay),
        neighbours=talk.neighbours,
        rewiring=float(talk.rewiring),
        leader_stride=min(round(1.0 / talk.leader_share), _RAREST) if talk.leader_share > 0 else 0,
        leader_attention=float(talk.leader_attention),
        leader_weight=float(talk.leader_weight),
        reading_awareness=float(talk.awareness),
        reading_value=float(talk.value),
        reading_bond=float(talk.bond),
        awareness_floor=_f32([brand.awareness for brand in market.brands]),
        awareness_decay=float(talk.awareness_decay),
        survey_intercept=float(survey.satisfaction_intercept),
        survey_slope=float(survey.satisfaction_slope),
        recommend_intercept=float(survey.recommend_intercept),
        recommend_value=float(survey.recommend_value),
        recommend_bond=float(survey.recommend_bond),
        recommend_experience=float(survey.recommend_experience),
        lapse_mask=lapse_mask(market),
        product_lines=float(survey.product_lines),
        score=_f32(
            [
                warning.intercept,
                warning.overdue,
                warning.frequency,
                warning.trend,
                warning.dissatisfaction,
                warning.complaint,
                warning.prior,
            ]
        ),
        score_levels=_f32([warning.yellow, warning.red]),
        lapse_window=market.lapse_window,
        block_start=block_start,
    )


def no_treatment(n_segments: int, money_line: float = 0.0) -> Treatment:
    """Return what a company does for single customers that does nothing for any of them."""
    by_standing = np.zeros((N_TIERS * N_LEVELS, n_segments), dtype=np.float32)
    return Treatment(
        pull=by_standing,
        quality=by_standing.copy(),
        stimulus=by_standing.copy(),
        enrolment=np.zeros(n_segments, dtype=np.float32),
        tier_from=np.zeros(0, dtype=np.float32),
        earning=np.zeros(N_TIERS, dtype=np.float32),
        redemption=0.0,
        expiry=0.0,
        coverage=np.zeros(N_LEVELS, dtype=np.float32),
        money_line=money_line,
    )


def lapse_mask(market: Market) -> int:
    """Return the bits of the activity history that make somebody a customer."""
    return int((1 << market.lapse_window) - 1)


def expected_loss(market: Market, problem: F32, on_time: F32) -> F32:
    """Return the quality that service problems cost on average, shape as given, in logit units.

    The mean over outcomes of `kernels.experience.service_loss`.
    """
    service = market.service
    answered = service.complaint * on_time
    late = service.complaint * (1.0 - on_time)
    silent = 1.0 - service.complaint
    mean = answered * (1.0 - service.repair) + late * service.late_factor + silent
    result: F32 = (problem * service.loss * mean).astype(np.float32)
    return result


def dimensions(market: Market) -> tuple[F64, F64]:
    """Return brands' quality, shape (n_brands, 4), and segments' weights, shape (n_segments, 4)."""
    names = [dimension.name.lower() for dimension in DIMENSIONS]
    quality = [[getattr(brand.quality, name) for name in names] for brand in market.brands]
    weights = [[getattr(s.dimensions, name) for name in names] for s in market.segments]
    return np.array(quality, dtype=np.float64), np.array(weights, dtype=np.float64)


def start_value(market: Market) -> F32:
    """Return the perceived value at which delivered quality, on average, teaches nothing new.

    Shape (n_brands, n_segments), logit units. Bad surprises move value more than good ones, so it
    settles below mean quality: at the point where E[max(d, 0)] = negativity E[max(-d, 0)] for
    d ~ Normal(m, noise), the offset -m is found by bisection.
    """
    quality, weights = dimensions(market)
    problem = np.array([[b.problem] for b in market.brands], dtype=np.float32)
    on_time = np.array([[b.on_time] for b in market.brands], dtype=np.float32)
    delivered = quality @ weights.T - expected_loss(market, problem, on_time)
    gap = _negativity_gap(float(market.learning.noise), float(market.learning.negativity))
    return _f32(delivered - gap)


@functools.lru_cache(maxsize=64)  # asked several times for each world
def _negativity_gap(noise: float, negativity: float) -> float:
    """Return by how much value settles below mean quality because bad news counts more."""
    if noise == 0.0 or negativity == 1.0:
        return 0.0
    low, high = 0.0, 4.0 * noise
    for _ in range(60):
        middle = 0.5 * (low + high)
        z = middle / noise
        density = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
        gains = noise * (density + z * 0.5 * math.erfc(-z / math.sqrt(2.0)))
        losses = noise * (density - z * 0.5 * math.erfc(z / math.sqrt(2.0)))
        low, high = (middle, high) if gains < negativity * losses else (low, middle)
    return 0.5 * (low + high)


def _f32(values: object) -> F32:
    return np.asarray(values, dtype=np.float32)
