"""One quarter in the life of the customers, phenomenon by phenomenon, a block of them at a time.

    drift_rates      whose purchase rate changes
    plan_occasions   how often each buys, given what the market offers
    shop             each occasion's choice and experience
    speak, listen    opinions voiced, and those of the quarter before read
    settle           bond, awareness and activity history at the end of the quarter
    record           what the company and an observer of the category can count
    relate           what the focal brand keeps of each customer: spend, tier, points, warning
    renew            newcomers take the places of those who left

A block (up to BLOCK customers of one segment) stays in the second-level cache while every
phenomenon passes over it; inside, customers are computed side by side (see `lanes`). Customers are
independent within a quarter, so any range of them may run on any thread.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from sim.kernels.layout import BLOCK, empty_block
from sim.kernels.plan import plan_occasions
from sim.kernels.record import record
from sim.kernels.relationship import relate
from sim.kernels.renewal import create_residents, drift_rates, renew
from sim.kernels.settle import settle
from sim.kernels.shop import shop
from sim.kernels.word_of_mouth import listen, speak

__all__ = ["create_residents", "live_quarter"]


@njit(nogil=True, cache=True, error_model="numpy")
def live_quarter(
    columns, traits, offer, treatment, tally, next_brand, next_valence, first, last, quarter, seed,
    replication,
):  # fmt: skip
    """Take customers [first, last) through one quarter; add what they did to `tally`.

    `next_brand` and `next_valence` receive the opinions that will be read next quarter.
    """
    block = empty_block(traits.appeal.shape[0])
    start = first
    while start < last:
        s = np.int64(columns.segment[start])
        stop = min(start + BLOCK, last, traits.block_start[s + 1])
        drift_rates(columns, traits, s, start, stop, quarter, seed, replication)
        plan_occasions(
            columns, traits, offer, treatment, tally, block, s, start, stop, quarter, seed,
            replication,
        )  # fmt: skip
        shop(
            columns, traits, offer, treatment, tally, block, s, start, stop, quarter, seed,
            replication,
        )  # fmt: skip
        speak(columns, traits, offer, tally, block, s, start, stop, next_brand, next_valence)
        listen(columns, traits, s, start, stop, seed, replication)
        settle(columns, traits, offer, treatment, block, s, start, stop)
        record(columns, traits, offer, tally, block, s, start, stop, quarter)
        relate(
            columns, traits, offer, treatment, tally, block, s, start, stop, quarter, seed,
            replication,
        )  # fmt: skip
        renew(columns, traits, offer, block, s, start, stop, quarter, seed, replication)
        start = stop
