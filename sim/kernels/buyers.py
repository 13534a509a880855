"""The buyers of a block in lanes: how they get there, and what goes back into the columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.kernels.instructions import compiled, inlined, pick, reserve
from sim.kernels.lanes import I32, empty_rows
from sim.kernels.layout import F32, WIDTH

_MANY = 64  # who has as many occasions or more stands in front, in no order


class Lanes(NamedTuple):
    """A strip of buyers; arrays are (WIDTH,) or (n_brands, WIDTH)."""

    customer: I32  # row
    planned: I32  # occasions; 0 once the customer has left
    loyal: I32  # 1: under a contract and not looking around
    last: I32  # brand bought last
    chosen: I32  # brand bought at this occasion, or NEVER
    outcome: I32  # of the service
    made: I32  # purchases this quarter
    left: I32  # 1: left the category
    answer: I32  # last answer to the focal brand, CSAT in tenths; 0 for none
    complaints: I32  # complaints to the focal brand
    move: I32  # which kind of purchase this was, for the count
    word_brand: I32  # random words of the occasion, by what they decide
    word_quality: I32
    word_service: I32
    word_leaving: I32
    weight_value: F32
    weight_bond: F32
    weight_habit: F32
    leaving_logit: F32
    reference: F32  # ln of the price that is expected
    treated: F32  # quality that the focal brand adds for this customer
    top: F32  # highest utility
    total: F32  # sum of odds
    quality: F32  # of the chosen brand, like the next two
    problem: F32
    on_time: F32
    first: F32  # 1: the chosen brand has never been bought before
    its_value: F32  # value of the chosen brand: first before, then after the purchase
    its_bond: F32  # bond to the chosen brand, likewise
    delta: F32  # disconfirmation; 0 before the first purchase of the quarter
    satisfaction: F32  # CSAT 0..10
    fixed: F32  # (n_brands, WIDTH): utility that no purchase of this quarter moves
    value: F32  # (n_brands, WIDTH)
    bond: F32  # (n_brands, WIDTH)
    habit: F32  # (n_brands, WIDTH)
    utility: F32  # (n_brands, WIDTH), then odds
    content: F32  # (n_brands, WIDTH): sum of satisfaction with purchases
    unknown: F32  # (n_brands, WIDTH): 1 until the brand is bought for the first time
    counts: F32  # (n_brands, WIDTH): purchases this quarter


@inlined
def empty_lanes(n_brands):
    """Return a strip, cut from one buffer. To be called by who loops over it, see above."""
    row, whole, brand = empty_rows(31, 8, n_brands)
    return Lanes(
        whole[0], whole[1], whole[2], whole[3], whole[4], whole[5], whole[6], whole[7], whole[8],
        whole[9], whole[10], whole[11], whole[12], whole[13], whole[14], row[15], row[16], row[17],
        row[18], row[19], row[20], row[21], row[22], row[23], row[24], row[25], row[26], row[27],
        row[28], row[29], row[30], brand[0], brand[1], brand[2], brand[3], brand[4], brand[5],
        brand[6], brand[7],
    )  # fmt: skip


@compiled
def order_buyers(occasions, place, n_places):
    """Leave the places of buyers in `place`, most occasions first, and return how many buy.

    A counting sort without branches: those who do not buy are sorted behind the others, so `place`
    has room for everybody.
    """
    begin = reserve((_MANY + 2,), np.int64)
    begin[:] = 0
    for p in range(n_places):
        begin[_MANY + 1 - min(occasions[p], _MANY)] += 1
    for short in range(1, _MANY + 2):
        begin[short] += begin[short - 1]
    n_buyers = begin[_MANY]
    for p in range(n_places):
        short = _MANY - min(occasions[p], _MANY)
        place[begin[short]] = p
        begin[short] += 1
    for p in range(n_places, n_places + WIDTH):
        place[p] = 0  # the last strip is filled up with anybody
    return n_buyers


@inlined
def _take(lane, column, place):
    for j in range(WIDTH):
        lane[j] = column[place[j]]


@inlined
def _take_unknown(lane, history, place):
    for j in range(WIDTH):
        lane[j] = 1 if history[place[j]] == 0 else 0


@inlined
def _take_treated(lane, quality, standing, place):
    for j in range(WIDTH):
        lane[j] = quality[standing[place[j]]]


@inlined
def _fill(lane, number):
    for j in range(WIDTH):
        lane[j] = number


@inlined
def _put(lane, column, place, n):
    for j in range(n):
        column[place[j]] = lane[j]


@inlined
def seat(columns, treatment, block, lanes, place, n, s, start, stop):
    """Put the buyers at `place`, of rows [start, stop), in the lanes; only the first n will buy."""
    customer, planned = lanes.customer, lanes.planned
    for j in range(WIDTH):
        customer[j] = start + place[j]
    _take(planned, block.occasions, place)
    for j in range(n, WIDTH):
        planned[j] = 0
    _take(lanes.loyal, block.loyal, place)
    _take(lanes.last, columns.last_brand[start:stop], place)
    _take(lanes.weight_value, columns.weight_value[start:stop], place)
    _take(lanes.weight_bond, columns.weight_bond[start:stop], place)
    _take(lanes.weight_habit, columns.weight_habit[start:stop], place)
    _take(lanes.leaving_logit, columns.leaving_logit[start:stop], place)
    _take(lanes.reference, columns.reference_log_price[start:stop], place)
    _take_treated(lanes.treated, treatment.quality[:, s], block.standing, place)
    _fill(lanes.delta, np.float32(0.0))
    _fill(lanes.made, np.int32(0))
    _fill(lanes.left, np.int32(0))
    _fill(lanes.answer, np.int32(0))
    _fill(lanes.complaints, np.int32(0))
    for b in range(lanes.value.shape[0]):
        _take_unknown(lanes.unknown[b], columns.history[b, start:stop], place)
        _take(lanes.fixed[b], block.fixed[b], place)
        _take(lanes.value[b], columns.value[b, start:stop], place)
        _take(lanes.bond[b], columns.bond[b, start:stop], place)
        _take(lanes.habit[b], columns.habit[b, start:stop], place)
        _fill(lanes.counts[b], np.float32(0.0))


@inlined
def send_back(columns, block, lanes, place, n, start, stop):
    """Write what the quarter made of the first n lanes into the rows that they came from."""
    _put(lanes.delta, block.delta, place, n)
    _put(lanes.made, block.made, place, n)
    _put(lanes.left, block.left, place, n)
    _put(lanes.complaints, block.complaints, place, n)
    _put(lanes.last, columns.last_brand[start:stop], place, n)
    _put(lanes.reference, columns.reference_log_price[start:stop], place, n)
    answer, answers = lanes.answer, columns.satisfaction[start:stop]
    for j in range(n):
        answers[place[j]] = pick(answer[j] > 0, answer[j], np.int32(answers[place[j]]))
    for b in range(lanes.value.shape[0]):
        _put(lanes.value[b], columns.value[b, start:stop], place, n)
        _put(lanes.bond[b], columns.bond[b, start:stop], place, n)
        _put(lanes.habit[b], columns.habit[b, start:stop], place, n)
        _put(lanes.counts[b], block.counts[b], place, n)
