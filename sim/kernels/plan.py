"""How often each customer of a block will buy this quarter.

    mean = rate x season x growth x expansion x acceleration x (1 - stock)

Expansion is the inclusive value of the choice set without habit, relative to the customer's own
level, to a small power. Acceleration is the promotion that the customer would meet; part of it is
next quarter's stock. Computed in lanes (see `lanes`); here a strip is WIDTH rows in a row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.kernels import layout as at
from sim.kernels.choice import utility_of, weigh_odds
from sim.kernels.instructions import compiled, inlined, reserve
from sim.kernels.lanes import I32, empty_rows, load, store
from sim.kernels.layout import F32, NEVER, WIDTH
from sim.kernels.philox import (
    INCIDENCE,
    MANY,
    continue_poisson,
    exp32,
    exp64,
    log32,
    philox,
    poisson,
    uniform,
)

_ZERO = np.float32(0.0)
_HIGHEST = np.float32(80.0)  # exp(80) is still a float32
_STEPS = 4  # of the Poisson sum between two looks at who has arrived
_FEW = WIDTH // 8


class _Strip(NamedTuple):
    """Rows side by side; arrays are (WIDTH,) or (n_brands, WIDTH)."""

    word_count: I32  # random words of the quarter, by what they decide
    word_voice: I32
    word_attention: I32
    last: I32  # brand bought last
    birth: I32
    standing: I32
    occasions: I32
    loyal: I32
    weight_value: F32
    weight_bond: F32
    weight_habit: F32
    weight_price: F32
    level: F32  # the customer's own inclusive value of the usual market
    reference: F32
    rate: F32
    stock: F32
    top: F32
    total: F32
    attraction: F32
    acceleration: F32
    fixed: F32  # (n_brands, WIDTH)
    awareness: F32
    value: F32
    bond: F32
    habit: F32
    utility: F32
    mean: NDArray[np.float64]  # of the Poisson draw
    chance: NDArray[np.float64]  # of the count reached
    cumulative: NDArray[np.float64]
    u: NDArray[np.float64]


@inlined
def _empty_strip(n_brands):
    row, whole, brand = empty_rows(20, 6, n_brands)
    exact = reserve((4, WIDTH), np.float64)
    return _Strip(
        whole[0], whole[1], whole[2], whole[3], whole[4], whole[5], whole[6], whole[7], row[8],
        row[9], row[10], row[11], row[12], row[13], row[14], row[15], row[16], row[17], row[18],
        row[19], brand[0], brand[1], brand[2], brand[3], brand[4], brand[5], exact[0], exact[1],
        exact[2], exact[3],
    )  # fmt: skip


@compiled
def plan_occasions(
    columns, traits, offer, treatment, tally, block, s, start, stop, quarter, seed, replication
):
    """Draw the number of occasions of rows [start, stop), who are all of segment s.

    What each brand is worth, as far as it stays all quarter, is left in `block.fixed`.
    """
    strip = _empty_strip(offer.log_price.shape[0])
    promoted = _is_promoted(offer.promotion, s)
    for first in range(start, stop, WIDTH):
        last, place = min(first + WIDTH, stop), first - start
        n = last - first
        _draw(strip, first, quarter, seed, replication)
        _read(strip, columns, first, last)
        _hear_offer(strip, offer, treatment.pull, s)
        _find_attraction(strip)
        tally.category[s, at.ATTRACTION] += _sum(strip.attraction, n)
        for b in range(strip.fixed.shape[0]):
            store(strip.fixed[b], block.fixed[b, place : place + n])
        store(strip.standing, block.standing[place : place + n])
        store(strip.word_voice, block.voice[place : place + n])
        if traits.subscription:
            _look_around(strip, traits)
        else:
            _accelerate(strip, columns, traits, offer, s, first, last, promoted)
            _find_mean(strip, traits, offer, s, quarter)
            draw_counts(
                strip.occasions,
                strip.word_count,
                strip.mean,
                strip.chance,
                strip.cumulative,
                strip.u,
            )
            _greet(strip, quarter)
            store(strip.stock, columns.stock[first:last])
        store(strip.occasions, block.occasions[place : place + n])
        store(strip.loyal, block.loyal[place : place + n])


@inlined
def _is_promoted(promotion, s):
    """Return whether any brand is on offer."""
    deepest = _ZERO
    for b in range(promotion.shape[0]):
        deepest = max(deepest, promotion[b, s])
    return deepest > _ZERO


@inlined
def _draw(strip, first, quarter, seed, replication):
    count, voice, attention = strip.word_count, strip.word_voice, strip.word_attention
    for j in range(WIDTH):
        w0, w1, w2, _ = philox(first + j, quarter, INCIDENCE, 0, seed, replication)
        count[j] = w0
        voice[j] = w1
        attention[j] = w2


@inlined
def _read(strip, columns, first, last):
    """Take rows from the columns. One occasion and nobody bound is what a contract begins with."""
    load(strip.last, columns.last_brand[first:last])
    load(strip.birth, columns.birth[first:last])
    load(strip.standing, columns.tier[first:last])
    load(strip.loyal, columns.care[first:last])
    load(strip.weight_value, columns.weight_value[first:last])
    load(strip.weight_bond, columns.weight_bond[first:last])
    load(strip.weight_habit, columns.weight_habit[first:last])
    load(strip.weight_price, columns.weight_price[first:last])
    load(strip.level, columns.attraction_level[first:last])
    load(strip.rate, columns.rate[first:last])
    load(strip.stock, columns.stock[first:last])
    for b in range(strip.fixed.shape[0]):
        load(strip.fixed[b], columns.taste[b, first:last])
        load(strip.awareness[b], columns.awareness[b, first:last])
        load(strip.value[b], columns.value[b, first:last])
        load(strip.bond[b], columns.bond[b, first:last])
    standing, care, occasions = strip.standing, strip.loyal, strip.occasions
    for j in range(WIDTH):
        standing[j] = standing[j] * np.int32(at.N_LEVELS) + care[j]
        care[j] = 0
        occasions[j] = 1


@inlined
def _hear_offer(strip, offer, pull, s):
    """Leave in `fixed` the utility that no purchase of this quarter moves."""
    weight_price, standing = strip.weight_price, strip.standing
    for b in range(strip.fixed.shape[0]):
        fixed, awareness = strip.fixed[b], strip.awareness[b]
        log_price, drawn = offer.log_price[b, s], offer.pull[b, s]
        for j in range(WIDTH):
            fixed[j] = fixed[j] - weight_price[j] * log_price + drawn + log32(awareness[j])
    fixed = strip.fixed[0]
    for j in range(WIDTH):
        fixed[j] += pull[np.uint32(standing[j]), s]


@inlined
def _find_attraction(strip):
    """Leave in `attraction` the inclusive value without habit, minus the customer's own level."""
    weight_value, weight_bond = strip.weight_value, strip.weight_bond
    for b in range(strip.fixed.shape[0]):
        utility, fixed = strip.utility[b], strip.fixed[b]
        value, bond = strip.value[b], strip.bond[b]
        for j in range(WIDTH):
            utility[j] = fixed[j] + weight_value[j] * value[j] + weight_bond[j] * bond[j]
    weigh_odds(strip.utility, strip.top, strip.total)
    top, total, level, attraction = strip.top, strip.total, strip.level, strip.attraction
    for j in range(WIDTH):
        attraction[j] = top[j] + log32(total[j]) - level[j]


@inlined
def _sum(numbers, n):
    total = 0.0
    for j in range(n):
        total += numbers[j]
    return total


@inlined
def _look_around(strip, traits):
    """Tell who stays under the contract without looking at other brands."""
    last, word, loyal, attention = strip.last, strip.word_attention, strip.loyal, traits.attention
    for j in range(WIDTH):
        stays = (last[j] != NEVER) & (uniform(np.uint32(word[j])) >= attention)
        loyal[j] = np.int32(stays)


@inlined
def _accelerate(strip, columns, traits, offer, s, first, last, promoted):
    """Leave in `acceleration` the promotion that the customer would meet, times its pull."""
    acceleration, total, reference = strip.acceleration, strip.total, strip.reference
    for j in range(WIDTH):
        acceleration[j] = _ZERO
    if not promoted:
        return
    weight_value, weight_bond = strip.weight_value, strip.weight_bond
    weight_habit = strip.weight_habit
    weight_reference = np.float32(traits.weight_reference[s])
    gain_factor = np.float32(traits.gain_factor)
    load(reference, columns.reference_log_price[first:last])
    for b in range(strip.fixed.shape[0]):
        utility, fixed, value = strip.utility[b], strip.fixed[b], strip.value[b]
        bond, habit, log_paid = strip.bond[b], strip.habit[b], offer.log_price[b, s]
        load(habit, columns.habit[b, first:last])
        for j in range(WIDTH):
            utility[j] = utility_of(
                fixed[j], value[j], bond[j], habit[j], log_paid, reference[j], weight_value[j],
                weight_bond[j], weight_habit[j], weight_reference, gain_factor,
            )  # fmt: skip
    weigh_odds(strip.utility, strip.top, total)
    for b in range(strip.fixed.shape[0]):
        odds, promotion = strip.utility[b], offer.promotion[b, s]
        for j in range(WIDTH):
            acceleration[j] += odds[j] * promotion
    power = np.float32(traits.acceleration)
    for j in range(WIDTH):
        acceleration[j] *= power / total[j]


@inlined
def _find_mean(strip, traits, offer, s, quarter):
    """Leave in `mean` the expected number of occasions, and fill the stock."""
    attraction, acceleration, rate = strip.attraction, strip.acceleration, strip.rate
    stock, birth, mean = strip.stock, strip.birth, strip.mean
    power, shift = np.float32(traits.expansion_power), offer.attraction_shift[s]
    factor, payback = np.float64(offer.rate_factor[s]), traits.payback
    for j in range(WIDTH):
        attraction[j] = exp32(min(power * (attraction[j] - shift), _HIGHEST))
    for j in range(WIDTH):
        extra = np.float64(acceleration[j])
        m = rate[j] * factor * attraction[j] * (1.0 + extra) * (1.0 - stock[j])
        stock[j] = min(payback * extra, 1.0)
        # A newcomer arrives with a purchase, at a time uniform over the quarter: half remains.
        mean[j] = 0.5 * m if birth[j] == quarter else m


@inlined
def draw_counts(counts, word, mean, chance, cumulative, u):
    """Draw a Poisson count for each lane, by inversion; the last three rows are for work.

    All lanes add up together as long as many of them have not arrived; the others go on alone.
    """
    for j in range(WIDTH):
        u[j] = uniform(np.uint32(word[j]))
        chance[j] = exp64(max(-mean[j], -MANY))
        cumulative[j] = chance[j]
        counts[j] = 0
    reached, missing = 0, WIDTH
    while missing > _FEW:
        missing = 0
        for k in range(reached + 1, reached + _STEPS + 1):
            share = 1.0 / k
            for j in range(WIDTH):
                counts[j] += np.int32(u[j] > cumulative[j])
                chance[j] *= mean[j] * share
                cumulative[j] += chance[j]
        reached += _STEPS
        for j in range(WIDTH):
            missing += int((u[j] > cumulative[j]) & (mean[j] < MANY))
    for j in range(WIDTH):
        if mean[j] >= MANY:
            counts[j] = poisson(mean[j], u[j])
        elif u[j] > cumulative[j]:
            counts[j] = continue_poisson(mean[j], u[j], reached, chance[j], cumulative[j])


@inlined
def _greet(strip, quarter):
    """Give newcomers the purchase that brings them."""
    occasions, birth = strip.occasions, strip.birth
    for j in range(WIDTH):
        occasions[j] += np.int32(birth[j] == quarter)
