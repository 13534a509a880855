"""Lanes: the buyers of a block, side by side, in the order of how often they will buy.

A lane is a buyer's row in the work arrays below. Lane 0 has the most occasions ahead, so that those
who live through occasion k are always the first n lanes, without gaps:

    occasion          0    1    2    3
    lane 0, row 417   x    x    x    x
    lane 1, row 402   x    x    x
    lane 2, row 430   x    x
    lane 3, row 405   x
    lane 4, row 411   x
    n                 5    3    2    1

All first occasions are lived through before all second ones. A phenomenon is a plain loop over
lanes, free of branches, that LLVM turns into vector instructions: 8 or 16 customers at a time. For
that, `n` is rounded up to whole vectors (`padded`). A lane that does not buy (padding, or somebody
who has left) gets the brand NEVER, and state changes only in lanes that have bought. Customer x
brand arrays are brand-major here too.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sim.kernels.layout import F32

WIDTH = 32  # lanes in one turn of a vector loop
_MANY = 64  # who has as many occasions or more stands in front, in no order


class Lanes(NamedTuple):
    """Buyers of one block; arrays are (n_lanes,) or (n_brands, n_lanes)."""

    place: NDArray[np.int64]  # row minus the first row of the block
    customer: NDArray[np.uint32]  # row
    planned: NDArray[np.int32]  # occasions; 0 once the customer has left
    loyal: NDArray[np.int32]  # 1: under a contract and not looking around
    last: NDArray[np.int32]  # brand bought last
    weight_value: F32
    weight_bond: F32
    weight_habit: F32
    leaving_logit: F32
    reference: F32  # ln of the price that is expected
    fixed: F32  # (n_brands, n_lanes): utility that no purchase of this quarter moves
    value: F32  # (n_brands, n_lanes)
    bond: F32  # (n_brands, n_lanes)
    habit: F32  # (n_brands, n_lanes)
    unknown: NDArray[
        np.int32
    ]  # (n_brands, n_lanes): 1 until the brand is bought for the first time
    treated: F32  # quality that the focal brand adds for this customer
    words: NDArray[np.uint32]  # (4, n_lanes): random words of the occasion
    utility: F32  # (n_brands, n_lanes), then odds
    top: F32  # highest utility
    total: F32  # sum of odds
    chosen: NDArray[np.int32]  # brand bought, or NEVER
    quality: F32  # of the chosen brand, like the next two
    problem: F32
    on_time: F32
    first: NDArray[np.int32]  # 1: the chosen brand has never been bought before
    its_value: F32  # value of the chosen brand: first before, then after the purchase
    its_bond: F32  # bond to the chosen brand, likewise
    outcome: NDArray[np.int32]  # of the service
    delta: F32  # disconfirmation; 0 before the first purchase of the quarter
    satisfaction: F32  # CSAT 0..10
    made: NDArray[np.int32]  # purchases this quarter
    left: NDArray[np.int32]  # 1: left the category
    attraction: F32  # inclusive value minus the customer's own level
    acceleration: F32  # share by which promotions raise the number of occasions


@njit
def _integers(n_lanes):
    return np.zeros(n_lanes, np.int32)


@njit
def _numbers(n_lanes):
    return np.zeros(n_lanes, np.float32)


@njit
def _per_brand(n_brands, n_lanes):
    return np.zeros((n_brands, n_lanes), np.float32)


@njit
def empty_lanes(n_brands, n_lanes):
    """Return lanes for blocks of up to `n_lanes` customers, a multiple of WIDTH."""
    return Lanes(
        np.zeros(n_lanes, np.int64),
        np.zeros(n_lanes, np.uint32),
        _integers(n_lanes),
        _integers(n_lanes),
        _integers(n_lanes),
        _numbers(n_lanes),
        _numbers(n_lanes),
        _numbers(n_lanes),
        _numbers(n_lanes),
        _numbers(n_lanes),
        _per_brand(n_brands, n_lanes),
        _per_brand(n_brands, n_lanes),
        _per_brand(n_brands, n_lanes),
        _per_brand(n_brands, n_lanes),
        np.zeros((n_brands, n_lanes), np.int32),
        _numbers(n_lanes),
        np.zeros((4, n_lanes), np.uint32),
        _per_brand(n_brands, n_lanes),
        _numbers(n_lanes),
        _numbers(n_lanes),
        _integers(n_lanes),
        _numbers(n_lanes),
        _numbers(n_lanes),
        _numbers(n_lanes),
        _integers(n_lanes),
        _numbers(n_lanes),
        _numbers(n_lanes),
        _integers(n_lanes),
        _numbers(n_lanes),
        _numbers(n_lanes),
        _integers(n_lanes),
        _integers(n_lanes),
        _numbers(n_lanes),
        _numbers(n_lanes),
    )


@njit(inline="always")
def padded(n):
    """Return n rounded up to whole turns of a vector loop."""
    return (n + WIDTH - 1) // WIDTH * WIDTH


@njit
def _take(lane, column, place, n):
    for j in range(n):
        lane[j] = column[place[j]]


@njit
def _put(lane, column, place, n):
    for j in range(n):
        column[place[j]] = lane[j]


@njit
def _take_unknown(lane, history, place, n):
    for j in range(n):
        lane[j] = 1 if history[place[j]] == 0 else 0


@njit
def _take_treated(lane, quality, standing, place, n):
    for j in range(n):
        lane[j] = quality[standing[place[j]]]


@njit
def _fill(lane, number, first, last):
    for j in range(first, last):
        lane[j] = number


@njit
def order_buyers(occasions, place, n_places):
    """Leave the places of buyers in `place`, most occasions first, and return how many buy."""
    begin = np.zeros(_MANY + 1, np.int64)  # by how many occasions short of _MANY
    for p in range(n_places):
        begin[_MANY - min(occasions[p], _MANY)] += 1
    n = 0
    for short in range(_MANY):
        size = begin[short]
        begin[short] = n
        n += size
    for p in range(n_places):
        short = _MANY - min(occasions[p], _MANY)
        if short < _MANY:
            place[begin[short]] = p
            begin[short] += 1
    return n


@njit
def line_up(columns, treatment, block, lanes, s, start, stop):
    """Put the buyers of rows [start, stop) in lanes, most occasions first; return how many."""
    place, planned, customer = lanes.place, lanes.planned, lanes.customer
    n = order_buyers(block.occasions, place, stop - start)
    for j in range(n):
        customer[j] = start + place[j]
    _take(planned, block.occasions, place, n)
    _fill(planned, 0, n, padded(n))
    _take(lanes.loyal, block.loyal, place, n)
    _take(lanes.last, columns.last_brand[start:stop], place, n)
    _take(lanes.weight_value, columns.weight_value[start:stop], place, n)
    _take(lanes.weight_bond, columns.weight_bond[start:stop], place, n)
    _take(lanes.weight_habit, columns.weight_habit[start:stop], place, n)
    _take(lanes.leaving_logit, columns.leaving_logit[start:stop], place, n)
    _take(lanes.reference, columns.reference_log_price[start:stop], place, n)
    _take_treated(lanes.treated, treatment.quality[:, s], block.standing, place, n)
    for b in range(lanes.value.shape[0]):
        _take_unknown(lanes.unknown[b], columns.history[b, start:stop], place, n)
        _take(lanes.fixed[b], block.fixed[b], place, n)
        _take(lanes.value[b], columns.value[b, start:stop], place, n)
        _take(lanes.bond[b], columns.bond[b, start:stop], place, n)
        _take(lanes.habit[b], columns.habit[b, start:stop], place, n)
    _fill(lanes.delta, 0, 0, n)
    _fill(lanes.made, 0, 0, n)
    _fill(lanes.left, 0, 0, n)
    return n


@njit
def send_back(columns, block, lanes, n, start, stop):
    """Write what the quarter made of the first n lanes into the rows that they came from."""
    place = lanes.place
    _fill(block.delta, 0, 0, stop - start)
    _fill(block.made, 0, 0, stop - start)
    _fill(block.left, 0, 0, stop - start)
    _put(lanes.delta, block.delta, place, n)
    _put(lanes.made, block.made, place, n)
    _put(lanes.left, block.left, place, n)
    _put(lanes.last, columns.last_brand[start:stop], place, n)
    _put(lanes.reference, columns.reference_log_price[start:stop], place, n)
    for b in range(lanes.value.shape[0]):
        _put(lanes.value[b], columns.value[b, start:stop], place, n)
        _put(lanes.bond[b], columns.bond[b, start:stop], place, n)
        _put(lanes.habit[b], columns.habit[b, start:stop], place, n)
