"""How often each customer of a block will buy this quarter.

    mean = rate x season x growth x expansion x acceleration x (1 - stock)

Expansion is the inclusive value of the choice set without habit, relative to the customer's own
level, to a small power. Acceleration is the promotion that the customer would meet; part of it is
next quarter's stock. Work arrays are those of the lanes, but here every customer of the block has
one, in the order of rows.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from sim.kernels import layout as at
from sim.kernels.choice import exp32, weigh, weigh_odds
from sim.kernels.layout import NEVER
from sim.kernels.philox import INCIDENCE, log32, philox, poisson, uniform

_COUNT, _VOICE, _ATTENTION = 0, 1, 2  # what a word of a quarter decides
_HIGHEST = np.float32(80.0)  # exp(80) is still a float32


@njit(error_model="numpy")
def plan_occasions(
    columns, traits, offer, treatment, tally, block, lanes, s, start, stop, quarter, seed,
    replication,
):  # fmt: skip
    """Draw the number of occasions of rows [start, stop), who are all of segment s.

    What each brand is worth, as far as it stays all quarter, is left in `block.fixed`.
    """
    n = stop - start
    _draw(lanes.words, n, start, quarter, seed, replication)
    _find_standing(columns.tier[start:stop], columns.care[start:stop], block.standing, n)
    _hear_offer(columns, offer, treatment, block, s, start, n)
    _find_attraction(columns, block, lanes, start, n)
    tally.category[s, at.ATTRACTION] += _sum(lanes.attraction, n)
    _prepare(lanes.words[_VOICE], block, n)
    if traits.subscription:
        _look_around(columns.last_brand[start:stop], lanes.words[_ATTENTION], block, traits, n)
        return
    _accelerate(columns, traits, offer, block, lanes, s, start, n)
    _count(columns, traits, offer, block, lanes, s, start, n, quarter)


@njit
def _draw(words, n, start, quarter, seed, replication):
    count, voice, attention = words[_COUNT], words[_VOICE], words[_ATTENTION]
    for j in range(n):
        w0, w1, w2, _ = philox(start + j, quarter, INCIDENCE, 0, seed, replication)
        count[j] = w0
        voice[j] = w1
        attention[j] = w2


@njit
def _sum(numbers, n):
    total = 0.0
    for j in range(n):
        total += numbers[j]
    return total


@njit
def _worth(fixed, taste, weight_price, awareness, log_price, pull, n):
    for j in range(n):
        fixed[j] = taste[j] - weight_price[j] * log_price + pull + log32(awareness[j])


@njit
def _find_standing(tier, care, standing, n):
    for j in range(n):
        standing[j] = np.int64(tier[j]) * at.N_LEVELS + np.int64(care[j])


@njit
def _court(fixed, pull, standing, n):
    for j in range(n):
        fixed[j] += pull[standing[j]]


@njit
def _hear_offer(columns, offer, treatment, block, s, start, n):
    """Leave in `fixed` the utility that no purchase of this quarter moves."""
    fixed, taste, awareness = block.fixed, columns.taste, columns.awareness
    weight_price = columns.weight_price[start : start + n]
    log_price, pull = offer.log_price, offer.pull
    for b in range(taste.shape[0]):
        _worth(
            fixed[b], taste[b, start : start + n], weight_price,
            awareness[b, start : start + n], log_price[b, s], pull[b, s], n,
        )  # fmt: skip
    _court(fixed[0], treatment.pull[:, s], block.standing, n)


@njit
def _like(utility, fixed, value, bond, weight_value, weight_bond, n):
    for j in range(n):
        utility[j] = fixed[j] + weight_value[j] * value[j] + weight_bond[j] * bond[j]


@njit
def _find_attraction(columns, block, lanes, start, n):
    """Leave in `attraction` the inclusive value without habit, minus the customer's own level."""
    stop = start + n
    fixed, utility, value, bond = block.fixed, lanes.utility, columns.value, columns.bond
    weight_value, weight_bond = columns.weight_value[start:stop], columns.weight_bond[start:stop]
    level, attraction = columns.attraction_level[start:stop], lanes.attraction
    top, total = lanes.top, lanes.total
    for b in range(utility.shape[0]):
        _like(
            utility[b], fixed[b], value[b, start:stop], bond[b, start:stop], weight_value,
            weight_bond, n,
        )  # fmt: skip
    weigh_odds(utility, top, total, n)
    for j in range(n):
        attraction[j] = top[j] + log32(total[j]) - level[j]


@njit
def _prepare(word, block, n):
    """Open the block's notes: one occasion, nobody bound, nothing bought."""
    occasions, loyal, counts, voice = block.occasions, block.loyal, block.counts, block.voice
    complaints = block.complaints
    for j in range(n):
        occasions[j] = 1
        loyal[j] = False
        complaints[j] = 0
        voice[j] = uniform(word[j])
    for b in range(counts.shape[0]):
        for j in range(n):
            counts[b, j] = 0


@njit
def _look_around(last_brand, word, block, traits, n):
    """Tell who stays under the contract without looking at other brands."""
    loyal = block.loyal
    for j in range(n):
        loyal[j] = last_brand[j] != NEVER and uniform(word[j]) >= traits.attention


@njit
def _meet_promotion(acceleration, odds, promotion, n):
    for j in range(n):
        acceleration[j] += odds[j] * promotion


@njit(error_model="numpy")
def _accelerate(columns, traits, offer, block, lanes, s, start, n):
    """Leave in `acceleration` the promotion that the customer would meet, times its pull."""
    stop = start + n
    acceleration, total = lanes.acceleration, lanes.total
    for j in range(n):
        acceleration[j] = np.float32(0.0)
    promotion, log_price = offer.promotion, offer.log_price
    utility, fixed = lanes.utility, block.fixed
    promoted = False
    for b in range(utility.shape[0]):
        promoted = promoted or promotion[b, s] > 0.0
    if not promoted:
        return
    value, bond, habit = columns.value, columns.bond, columns.habit
    weight_value, weight_bond = columns.weight_value[start:stop], columns.weight_bond[start:stop]
    weight_habit = columns.weight_habit[start:stop]
    reference = columns.reference_log_price[start:stop]
    for b in range(utility.shape[0]):
        weigh(
            utility[b], fixed[b], value[b, start:stop], bond[b, start:stop], habit[b, start:stop],
            reference, weight_value, weight_bond, weight_habit, traits.weight_reference[s],
            log_price[b, s], traits.gain_factor, n,
        )  # fmt: skip
    weigh_odds(utility, lanes.top, total, n)
    for b in range(utility.shape[0]):
        _meet_promotion(acceleration, utility[b], promotion[b, s], n)
    power = np.float32(traits.acceleration)
    for j in range(n):
        acceleration[j] *= power / total[j]


@njit(error_model="numpy")
def _count(columns, traits, offer, block, lanes, s, start, n, quarter):
    """Draw the number of occasions, and fill the stock."""
    stop = start + n
    rate, stock = columns.rate[start:stop], columns.stock[start:stop]
    birth, word, occasions = columns.birth[start:stop], lanes.words[_COUNT], block.occasions
    acceleration, attraction = lanes.acceleration, lanes.attraction
    power, shift = np.float32(traits.expansion_power), offer.attraction_shift[s]
    factor, payback = np.float64(offer.rate_factor[s]), traits.payback
    for j in range(n):
        attraction[j] = exp32(min(power * (attraction[j] - shift), _HIGHEST))
    for j in range(n):
        extra = np.float64(acceleration[j])
        mean = rate[j] * factor * attraction[j] * (1.0 + extra) * (1.0 - stock[j])
        stock[j] = min(payback * extra, 1.0)
        # A newcomer arrives with a purchase, at a time uniform over the quarter: half remains.
        new = birth[j] == quarter
        occasions[j] = poisson(0.5 * mean if new else mean, uniform(word[j])) + (1 if new else 0)
