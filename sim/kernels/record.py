"""What the company and an observer of the category can count at the end of a quarter.

In lanes (see `lanes`), a strip being WIDTH rows in a row. A sum over customers is kept as WIDTH
sums side by side, in float32, and folded at the end of the block: a block has at most BLOCK
customers, so counts are exact and money is rounded like any float32.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from sim.kernels import layout as at
from sim.kernels.experience import logistic
from sim.kernels.instructions import compiled, fma, inlined, pick, reserve
from sim.kernels.lanes import I32, empty_rows, load
from sim.kernels.layout import F32, HISTORY_SIZE, NEVER, WIDTH
from sim.kernels.philox import exp32

_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_TEN = np.float32(10.0)
_PROMOTER = np.float32(8.5)  # rounds to 9 or 10
_DETRACTOR = np.float32(6.5)  # rounds to 0..6
_LEAST_WEIGHT = np.float32(1e-6)  # of a price that somebody does not heed
_COUNTERS = 4  # histories are counted in turns, so that no count waits for the one before


class _Strip(NamedTuple):
    """Rows side by side; arrays are (WIDTH,)."""

    past: I32  # activity history with the brand
    flags: I32
    made: I32
    left: I32
    last: I32
    value: F32
    bond: F32
    habit: F32
    awareness: F32
    counts: F32
    delta: F32
    leader: F32
    basket: F32
    weight_value: F32
    weight_bond: F32
    weight_price: F32
    all_value: F32  # sum over brands
    all_bond: F32


@inlined
def _empty_strip():
    row, whole, _ = empty_rows(18, 0, 0)
    return _Strip(
        whole[0], whole[1], whole[2], whole[3], whole[4], row[5], row[6], row[7], row[8], row[9],
        row[10], row[11], row[12], row[13], row[14], row[15], row[16], row[17],
    )  # fmt: skip


@compiled
def record(columns, traits, offer, tally, block, s, start, stop, quarter):
    """Count the quarter of rows [start, stop), who are all of segment s."""
    n = stop - start
    strip = _empty_strip()
    sums = empty_rows(at.N_FLOWS, 0, 0)[0]
    _find_leaders(block.leader, start - traits.block_start[s], traits.leader_stride, n)
    _add_brands(columns.value, block.all_value, start, n)
    _add_brands(columns.bond, block.all_bond, start, n)
    for b in range(columns.value.shape[0]):
        sums[:] = _ZERO
        for first in range(start, stop, WIDTH):
            _read(strip, columns, block, b, start, first, min(first + WIDTH, stop))
            _count_attitude(strip, sums)
            _count_buyers(strip, sums, traits, offer.order_value[b, s], b)
            _count_customers(strip, sums, traits, columns.value.shape[0])
        fold(sums)
        price, usual = offer.log_price[b, s], offer.start_log_price[b, s]
        _add(sums, tally.flow[s, b], math.exp(price), math.exp(usual))
        _count_histories(
            columns.history[b, start:stop], block.left, tally.history[s, b], tally.departed[s, b]
        )
    _count_first_purchases(columns.first_purchase[start:stop], block, tally.cohort, quarter)
    _count_category(block, tally.category[s], n)


@inlined
def _find_leaders(leader, place, stride, n):
    """Mark the opinion leaders: every stride-th of the segment; the block begins at `place`."""
    leader[:n] = _ZERO
    if stride > 0:
        for j in range(-place % stride, n, stride):
            leader[j] = _ONE


@inlined
def _add_brands(column, total, start, n):
    """Leave the sum over brands of a column in `total`."""
    total[:n] = _ZERO
    for b in range(column.shape[0]):
        own = column[b, start : start + n]
        for j in range(n):
            total[j] += own[j]


@inlined
def _read(strip, columns, block, b, start, first, last):
    place, end = first - start, last - start
    load(strip.past, columns.history[b, first:last])
    load(strip.flags, columns.flags[first:last])
    load(strip.last, columns.last_brand[first:last])
    load(strip.made, block.made[place:end])
    load(strip.left, block.left[place:end])
    load(strip.value, columns.value[b, first:last])
    load(strip.bond, columns.bond[b, first:last])
    load(strip.habit, columns.habit[b, first:last])
    load(strip.awareness, columns.awareness[b, first:last])
    load(strip.counts, block.counts[b, place:end])
    load(strip.delta, block.delta[place:end])
    load(strip.leader, block.leader[place:end])
    load(strip.basket, columns.basket[first:last])
    load(strip.weight_value, columns.weight_value[first:last])
    load(strip.weight_bond, columns.weight_bond[first:last])
    load(strip.weight_price, columns.weight_price[first:last])
    load(strip.all_value, block.all_value[place:end])
    load(strip.all_bond, block.all_bond[place:end])


@inlined
def _count_attitude(strip, sums):
    """Add up what the whole segment knows, thinks and feels of the brand."""
    awareness, value, bond = strip.awareness, strip.value, strip.bond
    known, valued, bound = sums[at.AWARENESS], sums[at.VALUE], sums[at.BOND]
    for j in range(WIDTH):
        known[j] += awareness[j]
        valued[j] += value[j]
        bound[j] += bond[j]


@inlined
def _recommend(traits, value, bond, felt):
    """Return the 0..10 answer to "would you recommend it?"."""
    x = np.float32(traits.recommend_intercept)
    x = fma(np.float32(traits.recommend_value), value, x)
    x = fma(np.float32(traits.recommend_bond), bond, x)
    return _TEN * logistic(fma(np.float32(traits.recommend_experience), felt, x))


@inlined
def _count_buyers(strip, sums, traits, order_value, b):
    """Add up purchases and answers of those who bought the brand in this quarter."""
    counts, basket, flags, made = strip.counts, strip.basket, strip.flags, strip.made
    past, left = strip.past, strip.left
    log_lines = np.float32(math.log(traits.product_lines))
    purchases, goods, requirement = sums[at.PURCHASES], sums[at.GOODS], sums[at.REQUIREMENT]
    cross, new = sums[at.CROSS], sums[at.NEW_BUYERS]
    base_goods, base = sums[at.BASE_GOODS], sums[at.BASE_CUSTOMERS]
    focal = b == 0
    for j in range(WIDTH):
        bought, worth = counts[j] > _ZERO, counts[j] * basket[j] * order_value
        known = focal & ((flags[j] & np.int32(at.FLAG_BASE)) != 0)
        purchases[j] += counts[j]
        goods[j] += worth
        base_goods[j] += pick(known, worth, _ZERO)
        base[j] += pick(known & (left[j] == 0), _ONE, _ZERO)
        requirement[j] += pick(bought, np.float32(made[j]), _ZERO)
        cross[j] += pick(bought, _ONE - exp32(log_lines * (_ONE - counts[j])), _ZERO)
        new[j] += pick(bought & (past[j] == 1), _ONE, _ZERO)
    value, bond, delta, last = strip.value, strip.bond, strip.delta, strip.last
    answers, promoters, detractors = sums[at.RECOMMEND], sums[at.PROMOTERS], sums[at.DETRACTORS]
    brand = np.int32(b)
    for j in range(WIDTH):
        bought = counts[j] > _ZERO
        felt = pick(bought & (last[j] == brand), delta[j], _ZERO)
        answer = _recommend(traits, value[j], bond[j], felt)
        delta[j] = answer  # the brand bought last has been told: now what is answered
        answers[j] += pick(bought, answer, _ZERO)
        promoters[j] += pick(bought & (answer >= _PROMOTER), _ONE, _ZERO)
        detractors[j] += pick(bought & (answer < _DETRACTOR), _ONE, _ZERO)


@inlined
def _count_customers(strip, sums, traits, n_brands):
    """Add up the state of the brand's customers: who bought it within the lapse window."""
    past, left, answer, leader = strip.past, strip.left, strip.delta, strip.leader
    value, bond, habit = strip.value, strip.bond, strip.habit
    all_value, all_bond = strip.all_value, strip.all_bond
    weight_value, weight_bond = strip.weight_value, strip.weight_bond
    weight_price = strip.weight_price
    window, each_other = np.int32(traits.lapse_mask), np.float32(1.0 / (n_brands - 1))
    customers, bound, valued = sums[at.CUSTOMERS], sums[at.CUSTOMER_BOND], sums[at.CUSTOMER_VALUE]
    used, answers = sums[at.CUSTOMER_HABIT], sums[at.CUSTOMER_RECOMMEND]
    leaders, premium = sums[at.CUSTOMER_LEADERS], sums[at.CUSTOMER_PREMIUM]
    for j in range(WIDTH):
        customer = ((past[j] & window) != 0) & (left[j] == 0)
        customers[j] += pick(customer, _ONE, _ZERO)
        bound[j] += pick(customer, bond[j], _ZERO)
        used[j] += pick(customer, habit[j], _ZERO)
        answers[j] += pick(customer, answer[j], _ZERO)
        leaders[j] += pick(customer, leader[j], _ZERO)
    for j in range(WIDTH):
        customer = ((past[j] & window) != 0) & (left[j] == 0)
        liked = value[j] - (all_value[j] - value[j]) * each_other
        loved = bond[j] - (all_bond[j] - bond[j]) * each_other
        worth = weight_value[j] * liked + weight_bond[j] * loved
        valued[j] += pick(customer, logistic(value[j]), _ZERO)
        premium[j] += pick(customer, worth / max(weight_price[j], _LEAST_WEIGHT), _ZERO)


@inlined
def fold(sums):
    """Leave the sum of each row in its first lane, by halves."""
    half = WIDTH // 2
    while half > 0:
        for k in range(sums.shape[0]):
            for j in range(half):
                sums[k, j] += sums[k, half + j]
        half //= 2


@compiled
def _add(sums, flow, price, usual):
    """Add the sums of a block to a brand's flow; goods are sold at `price`, worth `usual`."""
    goods, base_goods = np.float64(sums[at.GOODS, 0]), np.float64(sums[at.BASE_GOODS, 0])
    flow[at.REVENUE] += goods * price
    flow[at.BASE_REVENUE] += base_goods * price
    sums[at.GOODS, 0] = goods * usual
    sums[at.BASE_GOODS, 0] = base_goods * usual
    for k in range(at.N_FLOWS):
        flow[k] += sums[k, 0]


@compiled
def _count_histories(history, left, living, departed):
    """Count people by activity history, those who left apart."""
    counted = reserve((_COUNTERS, HISTORY_SIZE), np.int32)
    counted[:] = 0
    for j in range(history.shape[0]):
        counted[j % _COUNTERS, history[j] % HISTORY_SIZE] += 1
    for k in range(_COUNTERS):
        for past in range(HISTORY_SIZE):
            living[past] += counted[k, past]
    for j in range(history.shape[0]):
        if left[j]:
            living[history[j] % HISTORY_SIZE] -= 1
            departed[history[j] % HISTORY_SIZE] += 1


@inlined
def _count_first_purchases(first_purchase, block, cohort, quarter):
    """Note when buyers bought the focal brand first, and count them by that quarter."""
    bought = block.counts[0]
    for k in range(block.n_buyers[0]):
        j = block.place[k]
        if bought[j] > 0:
            if first_purchase[j] == NEVER:
                first_purchase[j] = quarter
            if first_purchase[j] >= 0:
                cohort[first_purchase[j]] += 1


@inlined
def _count_category(block, category, n):
    """Count purchases, buyers and leavers of the category."""
    purchases, buyers, left = 0, 0, 0
    made, gone = block.made, block.left
    for j in range(n):
        purchases += made[j]
        buyers += 1 if made[j] > 0 else 0
        left += 1 if gone[j] else 0
    category[at.CATEGORY_PURCHASES] += purchases
    category[at.CATEGORY_BUYERS] += buyers
    category[at.LEFT] += left
