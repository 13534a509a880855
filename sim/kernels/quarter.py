"""One quarter in the life of the customers, phenomenon by phenomenon, a block of them at a time.

    plan_occasions   how often each buys, given what the market offers
    shop             each occasion's choice and experience
    speak, listen    opinions voiced, and those of the quarter before read
    settle           bond, awareness and activity history at the end of the quarter
    record           what the company and an observer of the category can count
    relate           what the focal brand keeps of each customer: spend, tier, points, warning
    renew            newcomers take the places of those who left

A block (up to 1024 customers of one segment) stays in the second-level cache while every phenomenon
passes over it. The occasions are planned in `plan` and lived through in `shop`, in lanes. Each
function takes its columns out of their tuples once, before its loop: reading them inside the loop
would cost a reference count per access, which measured 70% of the time. Customers are independent
within a quarter, so any range of them may run on any thread.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from sim.kernels import layout as at
from sim.kernels.bond import end_quarter
from sim.kernels.experience import logistic
from sim.kernels.lanes import empty_lanes
from sim.kernels.layout import NEVER
from sim.kernels.philox import RATE_DRIFT, READING, philox
from sim.kernels.plan import plan_occasions
from sim.kernels.relationship import relate
from sim.kernels.renewal import (
    QUARTERS_PER_YEAR,
    RESIDENT,
    create_customer,
    drift_rate,
)
from sim.kernels.shop import shop
from sim.kernels.word_of_mouth import is_leader, neighbour

BLOCK = 1024
_VALENCE_SCALE = 127.0
_WHOLE = np.float32(1.0)
_LEAST_WEIGHT = 1e-6  # of a price that somebody does not heed


@njit(nogil=True, cache=True, error_model="numpy")
def create_residents(columns, traits, offer, first, last, seed, replication):
    """Fill rows [first, last) with the customers who are in the market when the run begins."""
    n_brands = traits.appeal.shape[0]
    share = np.empty(n_brands, np.float32)
    scratch = np.empty(n_brands, np.float32)
    resident = np.int64(RESIDENT)  # a quarter's type: one compilation serves newcomers too
    for i in range(first, last):
        create_customer(columns, traits, offer, i, resident, seed, replication, share, scratch)


@njit(nogil=True, cache=True, error_model="numpy")
def live_quarter(
    columns, traits, offer, treatment, tally, next_brand, next_valence, first, last, quarter, seed,
    replication,
):  # fmt: skip
    """Take customers [first, last) through one quarter; add what they did to `tally`.

    `next_brand` and `next_valence` receive the opinions that will be read next quarter.
    """
    n_brands = traits.appeal.shape[0]
    block = at.Block(
        np.empty((n_brands, BLOCK), np.float32),
        np.empty(BLOCK, np.int64),
        np.empty(BLOCK, np.bool_),
        np.empty((n_brands, BLOCK), np.int64),
        np.empty(BLOCK, np.int32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.bool_),
        np.empty(BLOCK, np.int32),
        np.empty(BLOCK, np.float64),
        np.empty(BLOCK, np.int64),
        np.empty(BLOCK, np.float64),
        np.empty(BLOCK, np.float64),
    )
    lanes = empty_lanes(n_brands, BLOCK)
    start = first
    while start < last:
        s = np.int64(columns.segment[start])
        stop = min(start + BLOCK, last, traits.block_start[s + 1])
        _drift_rates(columns, traits, start, stop, quarter, seed, replication)
        plan_occasions(
            columns, traits, offer, treatment, tally, block, lanes, s, start, stop, quarter, seed,
            replication,
        )  # fmt: skip
        shop(
            columns, traits, offer, treatment, tally, block, lanes, s, start, stop, quarter, seed,
            replication,
        )  # fmt: skip
        _speak(columns, traits, offer, tally, block, start, stop, next_brand, next_valence)
        _listen(columns, traits, start, stop, seed, replication)
        _settle(columns, traits, offer, treatment, block, start, stop)
        _record(columns, traits, offer, tally, block, start, stop, quarter)
        relate(
            columns, traits, offer, treatment, tally, block, s, start, stop, quarter, seed,
            replication,
        )  # fmt: skip
        _renew(columns, traits, offer, block, start, stop, quarter, seed, replication)
        start = stop


@njit(error_model="numpy")
def _drift_rates(columns, traits, start, stop, quarter, seed, replication):
    """Move the purchase rates of those whose turn it is: once a year, in a quarter of its own."""
    rate, segment, rate_mean = columns.rate, columns.segment, traits.rate_mean
    shape, persistence = traits.rate_shape, traits.rate_persistence
    for i in range(start, stop):
        if (i + quarter) % QUARTERS_PER_YEAR == 0:
            mean = rate_mean[segment[i]]
            rate[i] = drift_rate(
                rate[i], mean, shape, persistence, i, quarter, RATE_DRIFT, seed, replication
            )


@njit(error_model="numpy")
def _speak(columns, traits, offer, tally, block, start, stop, next_brand, next_valence):
    """Voice an opinion of the last purchase, to be read by the neighbours next quarter."""
    segment, last_brand, flow = columns.segment, columns.last_brand, tally.flow
    block_start, made, delta, voice = traits.block_start, block.made, block.delta, block.voice
    voiced = offer.voice
    for i in range(start, stop):
        place, s = i - start, segment[i]
        next_brand[i] = NEVER
        next_valence[i] = 0
        b = last_brand[i]
        if made[place] == 0 or voice[place] >= voiced[b, s]:
            continue
        next_brand[i] = b
        next_valence[i] = np.int8(round(_VALENCE_SCALE * math.tanh(delta[place])))
        leader = is_leader(i, block_start[s], traits.leader_stride)
        audience = traits.leader_weight if leader else 1.0
        if delta[place] >= 0.0:
            flow[s, b, at.POSITIVE_WEIGHT] += audience
            flow[s, b, at.ACTIVE_LEADERS] += 1.0 if leader else 0.0
        else:
            flow[s, b, at.NEGATIVE_WEIGHT] += audience


@njit(error_model="numpy")
def _listen(columns, traits, start, stop, seed, replication):
    """Read the neighbours' opinions of last quarter; bad news and leaders weigh more."""
    segment, block_start = columns.segment, traits.block_start
    opinion_brand, opinion_valence = columns.opinion_brand, columns.opinion_valence
    value, bond, awareness = columns.value, columns.bond, columns.awareness
    stride, n_customers = traits.leader_stride, segment.shape[0]
    for i in range(start, stop):
        s = segment[i]
        w0, w1, w2, w3 = np.uint32(0), np.uint32(0), np.uint32(0), np.uint32(0)
        for slot in range(traits.neighbours):
            if slot % 4 == 0:
                w0, w1, w2, w3 = philox(i, 0, READING, slot // 4, seed, replication)
            j = neighbour(
                i, slot, w0, block_start[s], block_start[s + 1], n_customers, traits.rewiring,
                stride, traits.leader_attention,
            )  # fmt: skip
            w0, w1, w2 = w1, w2, w3
            b = opinion_brand[j]
            if b == NEVER or j == i:
                continue
            valence = opinion_valence[j] / _VALENCE_SCALE
            weight = traits.negativity if valence < 0.0 else 1.0
            if is_leader(j, block_start[segment[j]], stride):
                weight *= traits.leader_weight
            heard = min(traits.reading_awareness * weight, 1.0)
            awareness[b, i] += heard * (1.0 - awareness[b, i])
            value[b, i] += traits.reading_value * weight * valence
            push = traits.reading_bond * weight * valence
            moved = bond[b, i] + push * (1.0 - bond[b, i] if push > 0.0 else bond[b, i])
            bond[b, i] = min(max(moved, 0.0), 1.0)


@njit(error_model="numpy")
def _settle(columns, traits, offer, treatment, block, start, stop):
    """Let the quarter's talk, stimuli and decay act, and write the quarter into the history."""
    segment, bond, awareness = columns.segment, columns.bond, columns.awareness
    value, buzz, courting, standing = columns.value, offer.buzz, treatment.stimulus, block.standing
    history, floor = columns.history, traits.awareness_floor
    stimulus, reached, counts = offer.stimulus, offer.awareness, block.counts
    kept = 1.0 - traits.awareness_decay
    for b in range(bond.shape[0]):
        for i in range(start, stop):
            s, bought = segment[i], counts[b, i - start] > 0
            value[b, i] += buzz[b, s]
            push = stimulus[b, s]
            if b == 0:
                push = min(max(push + courting[standing[i - start], s], -_WHOLE), _WHOLE)
            bond[b, i] = end_quarter(bond[b, i], push, traits.bond_decay)
            known = np.float32(1.0) if bought else awareness[b, i]
            known = floor[b] + (known - floor[b]) * kept
            awareness[b, i] = known + reached[b, s] * (1.0 - known)
            past = history[b, i]
            ever = (past & at.EVER) | ((past << 1) & at.EVER)
            history[b, i] = ((past << 1) & (at.EVER - 1)) | ever | (1 if bought else 0)


@njit(error_model="numpy")
def _record(columns, traits, offer, tally, block, start, stop, quarter):
    """Count what the company and the observer of the category can see at the end of the quarter."""
    segment, flags, first_purchase = columns.segment, columns.flags, columns.first_purchase
    value, bond, habit, awareness = columns.value, columns.bond, columns.habit, columns.awareness
    history, last_brand, block_start = columns.history, columns.last_brand, traits.block_start
    flow, category, cohort = tally.flow, tally.category, tally.cohort
    living, departed = tally.history, tally.departed
    counts, made, last_delta, left = block.counts, block.made, block.delta, block.left
    basket, order_value = columns.basket, offer.order_value
    weight_value, weight_bond = columns.weight_value, columns.weight_bond
    weight_price, each_other = columns.weight_price, 1.0 / (value.shape[0] - 1)
    price, start_price = np.exp(offer.log_price), np.exp(offer.start_log_price)
    window = at.HISTORY_SIZE - 1
    s = segment[start]
    for b in range(value.shape[0]):
        known, valued, bound = 0.0, 0.0, 0.0
        for i in range(start, stop):
            known += awareness[b, i]
            valued += value[b, i]
            bound += bond[b, i]
        flow[s, b, at.AWARENESS] += known
        flow[s, b, at.VALUE] += valued
        flow[s, b, at.BOND] += bound
    for i in range(start, stop):
        place = i - start
        leader = is_leader(i, block_start[s], traits.leader_stride)
        all_value, all_bond = 0.0, 0.0
        for b in range(value.shape[0]):
            all_value += value[b, i]
            all_bond += bond[b, i]
        for b in range(value.shape[0]):
            past = history[b, i]
            if left[place]:
                departed[s, b, past & window] += 1
            else:
                living[s, b, past & window] += 1
            if not past & traits.lapse_mask:
                continue
            bought = counts[b, place]
            felt = last_delta[place] if bought > 0 and b == last_brand[i] else 0.0
            recommend = 10.0 * logistic(
                traits.recommend_intercept
                + traits.recommend_value * value[b, i]
                + traits.recommend_bond * bond[b, i]
                + traits.recommend_experience * felt
            )
            if bought > 0:
                goods = bought * basket[i] * order_value[b, s]
                flow[s, b, at.PURCHASES] += bought
                flow[s, b, at.REVENUE] += goods * price[b, s]
                flow[s, b, at.GOODS] += goods * start_price[b, s]
                if b == 0 and flags[i] & at.FLAG_BASE:
                    flow[s, b, at.BASE_REVENUE] += goods * price[b, s]
                    flow[s, b, at.BASE_GOODS] += goods * start_price[b, s]
                flow[s, b, at.REQUIREMENT] += made[place]
                flow[s, b, at.RECOMMEND] += recommend
                flow[s, b, at.PROMOTERS] += 1.0 if recommend >= 8.5 else 0.0  # rounds to 9, 10
                flow[s, b, at.DETRACTORS] += 1.0 if recommend < 6.5 else 0.0  # rounds to 0..6
                flow[s, b, at.CROSS] += 1.0 - traits.product_lines ** (1.0 - bought)
                flow[s, b, at.NEW_BUYERS] += 1.0 if past == 1 else 0.0
            if not left[place]:
                flow[s, b, at.CUSTOMERS] += 1.0
                flow[s, b, at.CUSTOMER_BOND] += bond[b, i]
                flow[s, b, at.CUSTOMER_VALUE] += logistic(value[b, i])
                flow[s, b, at.CUSTOMER_HABIT] += habit[b, i]
                flow[s, b, at.CUSTOMER_RECOMMEND] += recommend
                flow[s, b, at.CUSTOMER_LEADERS] += 1.0 if leader else 0.0
                liked = value[b, i] - (all_value - value[b, i]) * each_other
                loved = bond[b, i] - (all_bond - bond[b, i]) * each_other
                worth = weight_value[i] * liked + weight_bond[i] * loved
                flow[s, b, at.CUSTOMER_PREMIUM] += worth / max(weight_price[i], _LEAST_WEIGHT)
        if counts[0, place] > 0:
            if first_purchase[i] == NEVER:
                first_purchase[i] = quarter
            if first_purchase[i] >= 0:
                cohort[first_purchase[i]] += 1
        category[s, at.CATEGORY_PURCHASES] += made[place]
        category[s, at.CATEGORY_BUYERS] += 1.0 if made[place] > 0 else 0.0
        category[s, at.LEFT] += 1.0 if left[place] else 0.0
        if flags[i] & at.FLAG_BASE and not left[place]:
            flow[s, 0, at.BASE_CUSTOMERS] += 1.0


@njit(error_model="numpy")
def _renew(columns, traits, offer, block, start, stop, quarter, seed, replication):
    """Put a newcomer of next quarter into each place that was left."""
    n_brands = traits.appeal.shape[0]
    share = np.empty(n_brands, np.float32)
    scratch = np.empty(n_brands, np.float32)
    left = block.left
    for i in range(start, stop):
        if left[i - start]:
            create_customer(
                columns, traits, offer, i, quarter + 1, seed, replication, share, scratch
            )
