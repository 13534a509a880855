"""Who listens to whom, and what talk does. The small-world graph is computed, never stored."""

from __future__ import annotations

import math

import numpy as np

from sim.kernels import layout as at
from sim.kernels.instructions import compiled, inlined, pick, reserve
from sim.kernels.layout import NEVER, WIDTH
from sim.kernels.philox import READING, philox, uniform

_VALENCE_SCALE = 127.0
_WORDS = 4  # a draw's words serve as many readings


@inlined
def is_leader(customer, start, stride):
    """Return whether the customer is an opinion leader: every stride-th of the segment's block."""
    return stride > 0 and (customer - start) % stride == 0


@inlined
def ring_offset(slot, size):
    """Return how far along a segment of `size` customers the reading `slot` looks, 0 .. size - 1.

    Slots look to the right and to the left in turn, one step farther each time.
    """
    step = slot // 2 + 1
    return (step if slot % 2 == 0 else -step) % size


@inlined
def neighbour(place, offset, u, start, size, n_customers, rewiring, stride, leader_attention):
    """Return the customer whose opinion is read by the one at `place` of a segment.

    `u` is the uniform of customer and slot, so the graph stays the same all run. Free of branches.

    Notes
    -----
    Watts & Strogatz (1998): a ring, here within the segment (homophily), whose edges are rewired
    with probability `rewiring`. A rewired edge goes to an opinion leader of the segment with
    probability `leader_attention` (leaders have more listeners), else to anyone in the market.
    """
    beside = place + offset
    beside = start + pick(beside >= size, beside - size, beside)
    v = u / rewiring
    heeded = pick(stride > 0, leader_attention, 0.0)
    n_leaders = np.int32((size + stride - 1) // max(stride, 1))
    rank = np.int32(v / heeded * n_leaders)
    leader = start + stride * pick(rank < n_leaders, rank, n_leaders - np.int32(1))
    anyone = np.int32((v - heeded) / (1.0 - heeded) * n_customers)
    anyone = pick(anyone < n_customers, anyone, n_customers - np.int32(1))
    far = pick(v < heeded, np.int32(leader), anyone)
    return pick((u >= rewiring) | (size < 2), np.int32(beside), far)


@compiled
def speak(columns, traits, offer, tally, block, s, start, stop, next_brand, next_valence):
    """Voice an opinion of the last purchase, to be read by the neighbours next quarter."""
    last_brand, flow = columns.last_brand[start:stop], tally.flow[s]
    made, delta, voice = block.made, block.delta, block.voice
    begin, voiced = traits.block_start[s], offer.voice[:, s]
    brands, valences = next_brand[start:stop], next_valence[start:stop]
    brands[:] = NEVER
    valences[:] = 0
    for k in range(block.n_buyers[0]):
        j = block.place[k]
        b = last_brand[j]
        if made[j] == 0 or uniform(voice[j]) >= voiced[b]:
            continue
        brands[j] = b
        valences[j] = np.int8(round(_VALENCE_SCALE * math.tanh(delta[j])))
        leader = is_leader(start + np.int64(j), begin, traits.leader_stride)
        audience = traits.leader_weight if leader else 1.0
        if delta[j] >= 0.0:
            flow[b, at.POSITIVE_WEIGHT] += audience
            flow[b, at.ACTIVE_LEADERS] += 1.0 if leader else 0.0
        else:
            flow[b, at.NEGATIVE_WEIGHT] += audience


@compiled
def listen(columns, traits, s, start, stop, seed, replication):
    """Read the neighbours' opinions of last quarter."""
    opinion_brand, n_customers = columns.opinion_brand, np.int32(columns.segment.shape[0])
    begin, size = traits.block_start[s], traits.block_start[s + 1] - traits.block_start[s]
    words = reserve((_WORDS, WIDTH), np.uint32)
    target = reserve((WIDTH,), np.int32)
    for first in range(start, stop, WIDTH):
        for slot in range(traits.neighbours):
            if slot % _WORDS == 0:
                _draw(words, first, slot // _WORDS, seed, replication)
            _look(target, words[slot % _WORDS], first, ring_offset(slot, size), begin, size,
                  n_customers, traits)  # fmt: skip
            for j in range(min(WIDTH, stop - first)):
                heard = target[j]
                if opinion_brand[heard] != NEVER and heard != first + j:
                    _hear(columns, traits, first + j, heard)


@inlined
def _draw(words, first, counter, seed, replication):
    w0, w1, w2, w3 = words[0], words[1], words[2], words[3]
    for j in range(WIDTH):
        w0[j], w1[j], w2[j], w3[j] = philox(first + j, 0, READING, counter, seed, replication)


@inlined
def _look(target, word, first, offset, begin, size, n_customers, traits):
    """Leave in `target` whom each of the rows from `first` on reads."""
    rewiring, stride = traits.rewiring, np.int32(traits.leader_stride)
    attention, size, begin = traits.leader_attention, np.int32(size), np.int32(begin)
    place, offset = np.int32(first) - begin, np.int32(offset)
    for j in range(WIDTH):
        target[j] = neighbour(
            place + np.int32(j), offset, uniform(word[j]), begin, size, n_customers, rewiring,
            stride, attention,
        )  # fmt: skip


@inlined
def _hear(columns, traits, i, heard):
    """Let an opinion move awareness, value and bond of i; bad news and leaders weigh more."""
    b = columns.opinion_brand[heard]
    value, bond, awareness = columns.value, columns.bond, columns.awareness
    valence = columns.opinion_valence[heard] / _VALENCE_SCALE
    weight = traits.negativity if valence < 0.0 else 1.0
    if is_leader(heard, traits.block_start[columns.segment[heard]], traits.leader_stride):
        weight *= traits.leader_weight
    told = min(traits.reading_awareness * weight, 1.0)
    awareness[b, i] += told * (1.0 - awareness[b, i])
    value[b, i] += traits.reading_value * weight * valence
    push = traits.reading_bond * weight * valence
    moved = bond[b, i] + push * (1.0 - bond[b, i] if push > 0.0 else bond[b, i])
    bond[b, i] = min(max(moved, 0.0), 1.0)
