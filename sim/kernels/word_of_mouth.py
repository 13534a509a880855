"""Who listens to whom: a small-world graph that is computed, never stored."""

from __future__ import annotations

from numba import njit

from sim.kernels.philox import uniform


@njit(inline="always")
def is_leader(customer, start, stride):
    """Return whether the customer is an opinion leader: every stride-th of the segment's block."""
    return stride > 0 and (customer - start) % stride == 0


@njit(inline="always")
def neighbour(customer, slot, word, start, stop, n_customers, rewiring, stride, leader_attention):
    """Return the customer whose opinion `customer` reads in place `slot`.

    Notes
    -----
    Watts & Strogatz (1998): a ring, here within the segment's block (homophily), whose edges are
    rewired with probability `rewiring`. A rewired edge goes to an opinion leader of the segment
    with probability `leader_attention` (leaders have more listeners), else to anyone in the market.
    The word depends on customer and slot only, so the graph stays the same all run.
    """
    size = stop - start
    u = uniform(word)
    if u >= rewiring or size < 2:
        step = slot // 2 + 1
        offset = step if slot % 2 == 0 else -step
        return start + (customer - start + offset) % size
    u /= rewiring
    if stride > 0 and u < leader_attention:
        n_leaders = (size + stride - 1) // stride
        return start + stride * min(int(u / leader_attention * n_leaders), n_leaders - 1)
    u = (u - leader_attention) / (1.0 - leader_attention) if stride > 0 else u
    return min(int(u * n_customers), n_customers - 1)
