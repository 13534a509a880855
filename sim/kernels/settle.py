"""The end of a quarter: talk, stimuli and decay act, and the quarter goes into the history."""

from __future__ import annotations

import numpy as np

from sim.kernels import layout as at
from sim.kernels.bond import end_quarter
from sim.kernels.instructions import compiled, inlined, pick

_ONE = np.float32(1.0)


@compiled
def settle(columns, traits, offer, treatment, block, s, start, stop):
    """Close the quarter for rows [start, stop), who are all of segment s."""
    n = stop - start
    kept = np.float32(1.0 - traits.awareness_decay)
    for b in range(columns.bond.shape[0]):
        counts = block.counts[b]
        _hear_buzz(columns.value[b, start:stop], offer.buzz[b, s], n)
        bond, stimulus = columns.bond[b, start:stop], offer.stimulus[b, s]
        if b == 0:
            courting = treatment.stimulus[:, s]
            _court(bond, stimulus, courting, block.standing, np.float32(traits.bond_decay), n)
        else:
            _feel(bond, stimulus, np.float32(traits.bond_decay), n)
        awareness = columns.awareness[b, start:stop]
        _notice(awareness, counts, traits.awareness_floor[b], kept, offer.awareness[b, s], n)
        _remember(columns.history[b, start:stop], counts, n)


@inlined
def _hear_buzz(value, buzz, n):
    """Let talk about the brand move everybody's perceived value."""
    if buzz != np.float32(0.0):
        for j in range(n):
            value[j] += buzz


@inlined
def _feel(bond, push, decay, n):
    for j in range(n):
        bond[j] = end_quarter(bond[j], push, decay)


@inlined
def _court(bond, stimulus, courting, standing, decay, n):
    """As `_feel`, with what the focal brand adds for a customer of this standing."""
    for j in range(n):
        push = min(max(stimulus + courting[standing[j]], -_ONE), _ONE)
        bond[j] = end_quarter(bond[j], push, decay)


@inlined
def _notice(awareness, counts, floor, kept, reached, n):
    """Let buyers know the brand, others forget part of it, and the brand make itself known."""
    for j in range(n):
        known = pick(counts[j] > 0, _ONE, awareness[j])
        known = floor + (known - floor) * kept
        awareness[j] = known + reached * (_ONE - known)


@inlined
def _remember(history, counts, n):
    for j in range(n):
        past = np.int32(history[j])
        ever = (past | (past << 1)) & np.int32(at.EVER)
        bought = np.int32(counts[j] > 0)
        history[j] = np.uint16(((past << 1) & np.int32(at.EVER - 1)) | ever | bought)
