"""Who comes, whose purchase rate drifts, and who leaves the category."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from sim.kernels.bond import stationary_bond
from sim.kernels.choice import exp32, inclusive_value
from sim.kernels.experience import logistic
from sim.kernels.layout import EVER, NEVER
from sim.kernels.philox import (
    BASKET,
    LEAVING,
    RATE,
    RESIDENCE,
    RESIDENT_DRIFT,
    TASTE,
    WEIGHTS,
    beta,
    gamma,
    normal,
    philox,
    uniform,
)

QUARTERS_PER_YEAR = 4
BEFORE_RUN = -2
RESIDENT = -1  # birth of those who were in the market before the run began
_MAX_TENANTS = 64  # newcomers tried before the last one is taken as the resident
_SMALLEST = 1e-9


@njit(inline="always")
def leaving_probability(leaving_logit, delta, bond, weight_satisfaction, weight_bond, reference):
    """Return the probability to leave the category after a purchase.

    The customer's own level is Beta over customers (BG/NBD, Fader, Hardie & Lee 2005), and may show
    after the first purchase already (MBG/NBD, Batislam, Denizel & Filiztekin 2007); satisfaction
    (through the disconfirmation delta) and bond move it on the logit scale.
    """
    return logistic(leaving_logit - weight_satisfaction * delta - weight_bond * (bond - reference))


@njit
def drift_rate(rate, mean, shape, rho, customer, quarter, purpose, seed, replication):
    """Return the purchase rate after a time over which its autocorrelation is rho.

    Notes
    -----
    Beta-Gamma autoregression: X' = B X + G with B ~ Beta(k rho, k (1 - rho)) and
    G ~ Gamma(k (1 - rho)) keeps the Gamma(k) marginal exactly, with autocorrelation rho (Lewis,
    McKenzie & Hugus 1989).
    """
    if rho >= 1.0:
        return rate
    new = shape * (1.0 - rho)
    kept = beta(shape * rho, new, customer, quarter, purpose, 0, seed, replication)
    fresh = gamma(new, customer, quarter, purpose, 2, seed, replication)
    return kept * rate + fresh * mean / shape


@njit
def _settle_tenant(traits, mean, customer, when, resident, seed, replication):
    """Return (rate, leaving probability, tenure in quarters) of who holds this place.

    A newcomer is a fresh draw. A resident is who a renewal process of `market_age` quarters has
    left in the place: fresh newcomers hold it for as long as their purchases last, so those who
    rarely buy or rarely leave are found more often (length bias).
    """
    remaining = float(traits.market_age)
    rate, leaving = 0.0, 0.0
    for tenant in range(_MAX_TENANTS):
        draw = gamma(traits.rate_shape, customer, when, RATE, tenant, seed, replication)
        rate = max(draw * mean / traits.rate_shape, _SMALLEST)
        leaving = beta(
            traits.leaving_alpha, traits.leaving_beta, customer, when, LEAVING, tenant, seed,
            replication,
        )  # fmt: skip
        leaving = min(max(leaving, _SMALLEST), 1.0 - _SMALLEST)
        if not resident:
            return rate, leaving, 0.0
        w0, _, _, _ = philox(customer, when, RESIDENCE, tenant, seed, replication)
        purchases = math.ceil(math.log(uniform(w0)) / math.log1p(-leaving))
        # The first of them brought the tenant in: only the others took time.
        stay = gamma(purchases - 1, customer, when, RESIDENCE, tenant + 1, seed, replication) / rate
        if stay >= remaining:
            return rate, leaving, remaining
        remaining -= stay
    return rate, leaving, remaining


@njit
def _draw_weights(columns, traits, i, s, when, seed, replication):
    """Draw the customer's own weights, lognormal around the segment's with the same mean."""
    words = philox(i, when, WEIGHTS, 0, seed, replication)
    targets = (
        columns.weight_value,
        columns.weight_bond,
        columns.weight_habit,
        columns.weight_price,
    )
    for k in range(4):
        sd = traits.weights_log_sd[k]
        z = normal(uniform(words[k]))
        targets[k][i] = traits.weights[k, s] * math.exp(sd * z - 0.5 * sd * sd)


@njit
def _draw_taste(columns, traits, i, when, seed, replication):
    """Draw the fixed taste for each brand: normal around the brand's appeal."""
    n_brands = traits.appeal.shape[0]
    for first in range(0, n_brands, 4):
        words = philox(i, when, TASTE, first, seed, replication)
        for k in range(min(4, n_brands - first)):
            z = normal(uniform(words[k]))
            columns.taste[first + k, i] = traits.appeal[first + k] + traits.taste_sd * z


@njit
def _attraction_at_start(columns, traits, offer, i, s, share):
    """Return the inclusive value of the market's own offer, leaving choice shares in `share`."""
    n_brands = share.shape[0]
    for b in range(n_brands):
        share[b] = (
            columns.taste[b, i]
            + columns.weight_value[i] * offer.start_value[b, s]
            - columns.weight_price[i] * offer.start_log_price[b, s]
            + offer.start_pull[b, s]
        )
    level = inclusive_value(share)
    for b in range(n_brands):
        share[b] = exp32(share[b] - level)
    return level


@njit
def _grow_habit(columns, traits, i, taste_share, scratch):
    """Leave in `scratch` the habit that repeats itself: H = softmax(ln taste share + wH H)."""
    n_brands = taste_share.shape[0]
    for b in range(n_brands):
        scratch[b] = taste_share[b]
    for _ in range(4):
        total = 0.0
        for b in range(n_brands):
            scratch[b] = taste_share[b] * math.exp(columns.weight_habit[i] * scratch[b])
            total += scratch[b]
        for b in range(n_brands):
            scratch[b] /= total


@njit
def create_customer(columns, traits, offer, i, birth, seed, replication, share, scratch):
    """Fill row `i` with a newcomer of quarter `birth`, or with a resident if birth is RESIDENT.

    A newcomer has no history: no bond, habit spread evenly, and expects what the brand is said to
    give. A resident starts where its own rate and taste would have brought it.
    `share` and `scratch` are float32 work arrays of length n_brands.
    """
    s = columns.segment[i]
    n_brands = traits.appeal.shape[0]
    when = birth + 1
    resident = birth == RESIDENT
    rate, leaving, tenure = _settle_tenant(
        traits, traits.rate_mean[s], i, when, resident, seed, replication
    )
    if resident:
        rho = traits.rate_persistence ** (tenure / QUARTERS_PER_YEAR)
        mean, shape = traits.rate_mean[s], traits.rate_shape
        rate = drift_rate(rate, mean, shape, rho, i, when, RESIDENT_DRIFT, seed, replication)
    columns.rate[i] = rate
    columns.leaving_logit[i] = math.log(leaving) - math.log1p(-leaving)
    w0, _, _, _ = philox(i, when, BASKET, 0, seed, replication)
    sd = traits.basket_log_sd
    columns.basket[i] = traits.basket_mean[s] * math.exp(sd * normal(uniform(w0)) - 0.5 * sd * sd)
    _draw_weights(columns, traits, i, s, when, seed, replication)
    _draw_taste(columns, traits, i, when, seed, replication)
    columns.attraction_level[i] = _attraction_at_start(columns, traits, offer, i, s, share)
    columns.stock[i] = 0.0
    columns.last_brand[i] = NEVER
    columns.birth[i] = birth
    columns.first_purchase[i] = NEVER
    columns.flags[i] = 0
    columns.trailing_spend[i] = 0.0
    columns.points[i] = 0.0
    columns.tier[i] = 0
    columns.satisfaction[i] = 0
    columns.warnings[i] = 0
    columns.care[i] = 0
    reference = 0.0
    if resident:
        _grow_habit(columns, traits, i, share, scratch)
    for b in range(n_brands):
        columns.value[b, i] = offer.reputation[b, s]
        columns.bond[b, i] = 0.0
        columns.habit[b, i] = 1.0 / n_brands
        columns.awareness[b, i] = traits.awareness_floor[b]
        columns.history[b, i] = 0
        reference += share[b] * offer.start_log_price[b, s]
    columns.reference_log_price[i] = reference
    if resident:
        _remember_past(columns, traits, i, rate, tenure, when, scratch, seed, replication)


@njit
def _remember_past(columns, traits, i, rate, tenure, when, habit, seed, replication):
    """Give a resident the habit, bond, awareness and purchases of its tenure."""
    n_brands = habit.shape[0]
    favourite = 0
    for b in range(n_brands):
        favourite = b if habit[b] > habit[favourite] else favourite
        columns.habit[b, i] = habit[b]
        columns.bond[b, i] = stationary_bond(
            rate * habit[b], traits.bond_gain, traits.negativity, traits.noise, traits.bond_decay
        )
        w0, _, _, _ = philox(i, when, BASKET, 1 + b, seed, replication)
        bought = 1.0 - math.exp(-habit[b] * (1.0 + rate * tenure))
        if uniform(w0) < bought:
            columns.history[b, i] = np.uint16(EVER)
            if b == 0:
                columns.first_purchase[i] = BEFORE_RUN
    columns.last_brand[i] = favourite
