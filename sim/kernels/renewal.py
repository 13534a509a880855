"""Who comes, whose purchase rate drifts, and who leaves the category.

In lanes (see `lanes`): a strip is WIDTH customers who come, or whose rate drifts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from sim.kernels.bond import stationary_bond
from sim.kernels.choice import weigh_odds
from sim.kernels.draws import draw_log_gamma
from sim.kernels.experience import logistic
from sim.kernels.instructions import compiled, fma, inlined, pick
from sim.kernels.lanes import I32, empty_rows
from sim.kernels.layout import BLOCK, EVER, F32, NEVER, WIDTH
from sim.kernels.philox import (
    BASKET,
    LEAVING,
    RATE,
    RATE_DRIFT,
    RESIDENCE,
    RESIDENT_DRIFT,
    TASTE,
    WEIGHTS,
    exp32,
    log32,
    normal32,
    philox,
    uniform32,
)

QUARTERS_PER_YEAR = 4
BEFORE_RUN = -2
RESIDENT = -1  # birth of those who were in the market before the run began
_MAX_TENANTS = 64  # newcomers tried before the last one is taken as the resident
_LOWEST_RATE = np.float32(1e-9)
_MOST_EXTREME = np.float32(20.723266)  # logit of a probability of 1e-9
_HABIT_ROUNDS = 4
_ZERO = np.float32(0.0)
_HALF = np.float32(0.5)
_ONE = np.float32(1.0)


class _Strip(NamedTuple):
    """People side by side; arrays are (WIDTH,) or (n_brands, WIDTH)."""

    favourite: I32
    first_purchase: I32
    rate: F32
    tenure: F32  # quarters in the category
    basket: F32
    weight_value: F32
    weight_bond: F32
    weight_habit: F32
    weight_price: F32
    level: F32  # inclusive value of the market's own offer
    reference: F32
    top: F32
    total: F32
    taste: F32  # (n_brands, WIDTH)
    share: F32  # (n_brands, WIDTH): of choices by taste
    habit: F32  # (n_brands, WIDTH)
    bond: F32  # (n_brands, WIDTH)
    bought: F32  # (n_brands, WIDTH): 1 if ever


@inlined
def _empty_strip(n_brands):
    row, whole, brand = empty_rows(13, 5, n_brands)
    return _Strip(
        whole[0], whole[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8], row[9],
        row[10], row[11], row[12], brand[0], brand[1], brand[2], brand[3], brand[4],
    )  # fmt: skip


@inlined
def leaving_probability(leaving_logit, delta, bond, weight_satisfaction, weight_bond, reference):
    """Return the probability to leave the category after a purchase.

    The customer's own level is Beta over customers (BG/NBD, Fader, Hardie & Lee 2005), and may show
    after the first purchase already (MBG/NBD, Batislam, Denizel & Filiztekin 2007); satisfaction
    (through the disconfirmation delta) and bond move it on the logit scale.
    """
    return logistic(leaving_logit - weight_satisfaction * delta - weight_bond * (bond - reference))


# --- the purchase rate drifts --------------------------------------------------------------------


@compiled
def drift_rates(columns, traits, s, start, stop, quarter, seed, replication):
    """Move the purchase rates of those whose turn it is: once a year, in a quarter of its own."""
    if traits.rate_persistence >= 1.0:
        return
    rows, whole, _ = empty_rows(4, 0, 0)
    rate, rho, gone, customer = rows[0], rows[1], rows[2], whole[3]
    rho[:] = np.float32(traits.rate_persistence)
    gone[:] = np.float32(1.0 - traits.rate_persistence)
    turn = start + (-quarter - start) % QUARTERS_PER_YEAR
    for first in range(turn, stop, QUARTERS_PER_YEAR * WIDTH):
        rates = columns.rate[first : min(first + QUARTERS_PER_YEAR * WIDTH, stop)]
        n = (rates.shape[0] + QUARTERS_PER_YEAR - 1) // QUARTERS_PER_YEAR
        for j in range(WIDTH):
            customer[j] = first + QUARTERS_PER_YEAR * j
            rate[j] = rates[QUARTERS_PER_YEAR * min(j, n - 1)]
        _drift(rate, rho, gone, customer, traits, s, quarter, RATE_DRIFT, seed, replication)
        for j in range(n):
            rates[QUARTERS_PER_YEAR * j] = rate[j]


@compiled
def _drift(rate, rho, gone, customer, traits, s, quarter, purpose, seed, replication):
    """Move the rates of a strip over a time over which their autocorrelation is `rho`.

    `gone` is 1 - rho, which float32 has no longer once rho is close to 1.

    Notes
    -----
    Beta-Gamma autoregression: X' = B X + G with B ~ Beta(k rho, k (1 - rho)) and
    G ~ Gamma(k (1 - rho)) keeps the Gamma(k) marginal exactly, with autocorrelation rho (Lewis,
    McKenzie & Hugus 1989).
    """
    rows, whole, _ = empty_rows(5, 0, 0)
    shape, kept, rest, fresh, refused = rows[0], rows[1], rows[2], rows[3], whole[4]
    k = np.float32(traits.rate_shape)
    scale = np.float32(traits.rate_mean[s] / traits.rate_shape)
    for j in range(WIDTH):
        shape[j] = k * rho[j]
    draw_log_gamma(kept, refused, shape, customer, quarter, purpose, 0, seed, replication)
    for j in range(WIDTH):
        shape[j] = k * gone[j]
    draw_log_gamma(rest, refused, shape, customer, quarter, purpose, 1, seed, replication)
    draw_log_gamma(fresh, refused, shape, customer, quarter, purpose, 2, seed, replication)
    for j in range(WIDTH):
        # A Beta draw is a ratio of Gammas: x / (x + y) is the logistic of ln x - ln y.
        moved = logistic(kept[j] - rest[j]) * rate[j] + exp32(fresh[j]) * scale
        rate[j] = pick(rho[j] >= _ONE, rate[j], moved)


# --- newcomers, and residents --------------------------------------------------------------------


@compiled
def renew(columns, traits, offer, block, s, start, stop, quarter, seed, replication):
    """Put a newcomer of next quarter into each place that was left."""
    gone, place, n = block.left, block.place, 0
    for j in range(stop - start):
        place[n] = j
        n += int(gone[j])
    rows, whole, _ = empty_rows(4, 0, 0)
    rate, leaving, tenure, customer = rows[0], rows[1], rows[2], whole[3]
    tenure[:] = _ZERO
    for first in range(0, n, WIDTH):
        for j in range(WIDTH):
            customer[j] = start + place[min(first + j, n - 1)]
        _arrive(rate, leaving, customer, traits, s, quarter + 2, 0, seed, replication)
        _create(
            columns, traits, offer, s, quarter + 1, customer, rate, leaving, tenure,
            min(WIDTH, n - first), seed, replication,
        )  # fmt: skip


@njit(nogil=True, cache=True, error_model="numpy")
def create_residents(columns, traits, offer, first, last, seed, replication):
    """Fill rows [first, last) with the customers who are in the market when the run begins."""
    tenants = np.empty((3, BLOCK + WIDTH), np.float32)
    waiting = np.empty(BLOCK, np.int64)
    customer = np.empty(WIDTH, np.int32)
    start = first
    while start < last:
        s = np.int64(columns.segment[start])
        stop = min(start + BLOCK, last, traits.block_start[s + 1])
        _settle_tenants(tenants, waiting, traits, s, start, stop, seed, replication)
        for p in range(stop - start, stop - start + WIDTH):
            for k in range(3):  # the last strip is filled up with somebody
                tenants[k, p] = tenants[k, 0]
        for row in range(start, stop, WIDTH):
            place = row - start
            for j in range(WIDTH):
                customer[j] = min(row + j, stop - 1)
            here = tenants[:, place : place + WIDTH]
            _create(
                columns, traits, offer, s, np.int64(RESIDENT), customer, here[0], here[1], here[2],
                min(WIDTH, stop - row), seed, replication,
            )  # fmt: skip
        start = stop


@compiled
def _arrive(rate, leaving, customer, traits, s, when, tenant, seed, replication):
    """Draw rate and logit of leaving of newcomers; `tenant` counts those tried for one place."""
    rows, whole, _ = empty_rows(4, 0, 0)
    shape, kept, rest, refused = rows[0], rows[1], rows[2], whole[3]
    scale = np.float32(traits.rate_mean[s] / traits.rate_shape)
    shape[:] = np.float32(traits.rate_shape)
    draw_log_gamma(kept, refused, shape, customer, when, RATE, tenant, seed, replication)
    for j in range(WIDTH):
        rate[j] = max(exp32(kept[j]) * scale, _LOWEST_RATE)
    shape[:] = np.float32(traits.leaving_alpha)
    draw_log_gamma(kept, refused, shape, customer, when, LEAVING, 2 * tenant, seed, replication)
    shape[:] = np.float32(traits.leaving_beta)
    draw_log_gamma(rest, refused, shape, customer, when, LEAVING, 2 * tenant + 1, seed, replication)
    for j in range(WIDTH):
        leaving[j] = min(max(kept[j] - rest[j], -_MOST_EXTREME), _MOST_EXTREME)


@inlined
def _purchases_to_leave(u, leaving_logit):
    """Return the number of purchases that a newcomer makes: Geometric, by inversion.

    ln(1 - p) = -ln(1 + e^logit), with the correction that keeps ln(1 + x) exact for small x.
    """
    x = exp32(leaving_logit)
    sum_ = _ONE + x
    log_stay = pick(sum_ > _ONE, log32(sum_) * x / (sum_ - _ONE), x)
    return max(np.ceil(log32(u) / -log_stay), _ONE)  # a uniform may round to 1


@compiled
def _settle_tenants(tenants, waiting, traits, s, start, stop, seed, replication):
    """Leave rate, logit of leaving and tenure in quarters of who holds each place in `tenants`.

    A resident is who a renewal process of `market_age` quarters has left in the place: fresh
    newcomers hold it for as long as their purchases last, so those who rarely buy or rarely leave
    are found more often (length bias). Places wait side by side for their next tenant.
    """
    rows, whole, _ = empty_rows(6, 0, 0)
    rate, leaving, shape, stay = rows[0], rows[1], rows[2], rows[3]
    customer, refused = whole[4], whole[5]
    n, when = stop - start, RESIDENT + 1
    for p in range(n):
        waiting[p] = p
        tenants[2, p] = np.float32(traits.market_age)
    for tenant in range(_MAX_TENANTS):
        still = 0
        for first in range(0, n, WIDTH):
            m = min(WIDTH, n - first)
            for j in range(WIDTH):
                customer[j] = start + waiting[first + min(j, m - 1)]
            _arrive(rate, leaving, customer, traits, s, when, tenant, seed, replication)
            for j in range(WIDTH):
                w0, _, _, _ = philox(
                    np.uint32(customer[j]), when, RESIDENCE, tenant, seed, replication
                )
                # The first purchase brought the tenant in: only the others take time.
                shape[j] = _purchases_to_leave(uniform32(w0), leaving[j]) - _ONE
            draw_log_gamma(
                stay, refused, shape, customer, when, RESIDENCE, tenant + 1, seed, replication
            )
            for j in range(m):
                p = waiting[first + j]
                quarters = exp32(stay[j]) / rate[j]
                tenants[0, p], tenants[1, p] = rate[j], leaving[j]
                if quarters < tenants[2, p]:
                    tenants[2, p] -= quarters
                    waiting[still] = p
                    still += 1
        n = still


@compiled
def _create(
    columns, traits, offer, s, birth, customer, rate, leaving, tenure, n, seed, replication
):
    """Fill the rows of the first n of `customer`, whose rate, leaving and tenure are drawn.

    A newcomer has no history: no bond, habit spread evenly, and expects what the brand is said to
    give. A resident starts where its own rate and taste would have brought it.
    """
    when = birth + 1
    strip = _empty_strip(traits.appeal.shape[0])
    for j in range(WIDTH):
        strip.rate[j], strip.tenure[j] = rate[j], tenure[j]
    _draw_basket_and_weights(strip, customer, traits, s, when, seed, replication)
    _draw_taste(strip, customer, traits, when, seed, replication)
    _choose_at_start(strip, offer, s)
    if birth == RESIDENT:
        _grow_old(strip, customer, traits, s, when, seed, replication)
    else:
        _come_new(strip)
    _write(strip, columns, traits, offer, s, birth, customer, leaving, n)


@inlined
def _lognormal(mean, sd, word):
    """Return a lognormal draw of that mean."""
    return mean * exp32(fma(sd, normal32(word), -_HALF * sd * sd))


@inlined
def _draw_basket_and_weights(strip, customer, traits, s, when, seed, replication):
    """Draw the customer's own basket and weights, lognormal around the segment's means."""
    basket, price = strip.basket, strip.weight_price
    value, bond, habit = strip.weight_value, strip.weight_bond, strip.weight_habit
    basket_mean, basket_sd = traits.basket_mean[s], np.float32(traits.basket_log_sd)
    mean, sd = traits.weights[:, s], traits.weights_log_sd
    for j in range(WIDTH):
        w0, _, _, _ = philox(np.uint32(customer[j]), when, BASKET, 0, seed, replication)
        basket[j] = _lognormal(basket_mean, basket_sd, w0)
    for j in range(WIDTH):
        w0, w1, w2, w3 = philox(np.uint32(customer[j]), when, WEIGHTS, 0, seed, replication)
        value[j] = _lognormal(mean[0], sd[0], w0)
        bond[j] = _lognormal(mean[1], sd[1], w1)
        habit[j] = _lognormal(mean[2], sd[2], w2)
        price[j] = _lognormal(mean[3], sd[3], w3)


@inlined
def _draw_taste(strip, customer, traits, when, seed, replication):
    """Draw the fixed taste for each brand: normal around the brand's appeal."""
    for b in range(strip.taste.shape[0]):
        taste, appeal, sd, which = strip.taste[b], traits.appeal[b], traits.taste_sd[b], b % 4
        for j in range(WIDTH):
            w0, w1, w2, w3 = philox(
                np.uint32(customer[j]), when, TASTE, b - which, seed, replication
            )
            word = pick(which == 0, w0, pick(which == 1, w1, pick(which == 2, w2, w3)))
            taste[j] = fma(sd, normal32(word), appeal)


@inlined
def _choose_at_start(strip, offer, s):
    """Leave the inclusive value of the market's own offer in `level`, choice shares in `share`."""
    weight_value, weight_price = strip.weight_value, strip.weight_price
    top, total, level, reference = strip.top, strip.total, strip.level, strip.reference
    for b in range(strip.taste.shape[0]):
        taste, share = strip.taste[b], strip.share[b]
        value, log_price = offer.start_value[b, s], offer.start_log_price[b, s]
        pull = offer.start_pull[b, s]
        for j in range(WIDTH):
            liked = fma(weight_value[j], value, taste[j])
            share[j] = fma(-weight_price[j], log_price, liked) + pull
    weigh_odds(strip.share, top, total)
    for j in range(WIDTH):
        level[j] = top[j] + log32(total[j])
        reference[j] = _ZERO
    for b in range(strip.taste.shape[0]):
        share, log_price = strip.share[b], offer.start_log_price[b, s]
        for j in range(WIDTH):
            share[j] /= total[j]
            reference[j] = fma(share[j], log_price, reference[j])


@inlined
def _come_new(strip):
    """Leave what a newcomer has: nothing."""
    even = _ONE / np.float32(strip.habit.shape[0])
    for b in range(strip.habit.shape[0]):
        habit, bond, bought = strip.habit[b], strip.bond[b], strip.bought[b]
        for j in range(WIDTH):
            habit[j], bond[j], bought[j] = even, _ZERO, _ZERO
    favourite, first_purchase = strip.favourite, strip.first_purchase
    for j in range(WIDTH):
        favourite[j] = NEVER
        first_purchase[j] = NEVER


@inlined
def _grow_old(strip, customer, traits, s, when, seed, replication):
    """Leave the rate, habit, bond and purchases that a tenure brings."""
    tenure, rate, rho, gone = strip.tenure, strip.rate, strip.top, strip.total
    log_rho = np.float32(np.log(max(traits.rate_persistence, 1e-30)) / QUARTERS_PER_YEAR)
    for j in range(WIDTH):
        rho[j], gone[j] = _decay(tenure[j] * log_rho)
    _drift(rate, rho, gone, customer, traits, s, when, RESIDENT_DRIFT, seed, replication)
    _grow_habit(strip)
    favourite, first_purchase = strip.favourite, strip.first_purchase
    gain, decay = np.float32(traits.bond_gain), np.float32(traits.bond_decay)
    negativity, noise = np.float32(traits.negativity), np.float32(traits.noise)
    top = strip.top
    for j in range(WIDTH):
        top[j], favourite[j] = _ZERO, 0
    for b in range(strip.habit.shape[0]):
        habit, bond, bought = strip.habit[b], strip.bond[b], strip.bought[b]
        for j in range(WIDTH):
            bond[j] = stationary_bond(rate[j] * habit[j], gain, negativity, noise, decay)
            w0, _, _, _ = philox(np.uint32(customer[j]), when, BASKET, 1 + b, seed, replication)
            ever = _ONE - exp32(-habit[j] * fma(rate[j], tenure[j], _ONE))
            bought[j] = pick(uniform32(w0) < ever, _ONE, _ZERO)
            favourite[j] = pick(habit[j] > top[j], np.int32(b), favourite[j])
            top[j] = max(top[j], habit[j])
    bought = strip.bought[0]
    for j in range(WIDTH):
        first_purchase[j] = pick(bought[j] > _ZERO, np.int32(BEFORE_RUN), np.int32(NEVER))


@inlined
def _decay(x):
    """Return exp(x) and 1 - exp(x) for x <= 0; the second by its series where it is small."""
    kept, series = exp32(x), _ONE
    for n in range(8, 1, -1):
        series = fma(series * x, np.float32(1.0 / n), _ONE)
    return kept, pick(x > -_HALF, -x * series, _ONE - kept)


@inlined
def _grow_habit(strip):
    """Leave the habit that repeats itself: H = softmax(ln taste share + wH H)."""
    weight, total = strip.weight_habit, strip.total
    for b in range(strip.habit.shape[0]):
        habit, share = strip.habit[b], strip.share[b]
        for j in range(WIDTH):
            habit[j] = share[j]
    for _ in range(_HABIT_ROUNDS):
        for j in range(WIDTH):
            total[j] = _ZERO
        for b in range(strip.habit.shape[0]):
            habit, share = strip.habit[b], strip.share[b]
            for j in range(WIDTH):
                habit[j] = share[j] * exp32(weight[j] * habit[j])
                total[j] += habit[j]
        for b in range(strip.habit.shape[0]):
            habit = strip.habit[b]
            for j in range(WIDTH):
                habit[j] /= total[j]


@compiled
def _write(strip, columns, traits, offer, s, birth, customer, leaving, n):
    """Fill the rows of the first n of a strip."""
    _put(columns.rate, strip.rate, customer, n)
    _put(columns.leaving_logit, leaving, customer, n)
    _put(columns.basket, strip.basket, customer, n)
    _put(columns.weight_value, strip.weight_value, customer, n)
    _put(columns.weight_bond, strip.weight_bond, customer, n)
    _put(columns.weight_habit, strip.weight_habit, customer, n)
    _put(columns.weight_price, strip.weight_price, customer, n)
    _put(columns.attraction_level, strip.level, customer, n)
    _put(columns.reference_log_price, strip.reference, customer, n)
    _put(columns.last_brand, strip.favourite, customer, n)
    _put(columns.first_purchase, strip.first_purchase, customer, n)
    _fill(columns.birth, birth, customer, n)
    for column in (columns.stock, columns.trailing_spend, columns.points):
        _fill(column, _ZERO, customer, n)
    for column in (columns.flags, columns.tier, columns.satisfaction, columns.care):
        _fill(column, 0, customer, n)
    _fill(columns.warnings, 0, customer, n)
    for b in range(strip.habit.shape[0]):
        _put(columns.taste[b], strip.taste[b], customer, n)
        _put(columns.habit[b], strip.habit[b], customer, n)
        _put(columns.bond[b], strip.bond[b], customer, n)
        _fill(columns.value[b], offer.reputation[b, s], customer, n)
        _fill(columns.awareness[b], traits.awareness_floor[b], customer, n)
        history, bought = columns.history[b], strip.bought[b]
        for j in range(n):
            history[customer[j]] = EVER if bought[j] > _ZERO else 0


@inlined
def _put(column, lane, customer, n):
    for j in range(n):
        column[np.uint32(customer[j])] = lane[j]


@inlined
def _fill(column, number, customer, n):
    for j in range(n):
        column[np.uint32(customer[j])] = number
