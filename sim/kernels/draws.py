"""Gamma draws in lanes: the same draws as `philox.gamma`, to float32 rounding, side by side."""

from __future__ import annotations

import math

import numpy as np

from sim.kernels.instructions import compiled, fma, pick
from sim.kernels.layout import WIDTH
from sim.kernels.philox import gamma, log32, normal32, philox, uniform32

_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_TINY = np.float32(1e-30)
_NOTHING = np.float32(-1e30)  # ln of a draw whose shape is 0


@compiled
def draw_log_gamma(log_draw, refused, shape, entity, quarter, purpose, stream, seed, replication):
    """Leave the logarithm of a Gamma(shape, scale 1) draw for each lane's entity in `log_draw`.

    All rows have WIDTH lanes; `refused` is a work row of integers. A logarithm, because draws of a
    small shape are smaller than float32 can hold. Compiled once, not inlined: it is long.

    Notes
    -----
    The first try of Marsaglia & Tsang (2000) is accepted in 95 lanes of 100; the others draw on
    alone. The test is written so that nothing cancels: d (1 - v + ln v), not d - d v + d ln v.
    """
    for j in range(WIDTH):
        w0, w1, w2, _ = philox(
            np.uint32(entity[j]), quarter, purpose, stream << 16, seed, replication
        )
        boosted = shape[j] < _ONE
        d = shape[j] + pick(boosted, _ONE, _ZERO) - np.float32(1.0 / 3.0)
        x = normal32(w0)
        root = fma(x, _ONE / np.sqrt(np.float32(9.0) * d), _ONE)
        v = root * root * root
        log_v = log32(max(v, _TINY))
        limit = fma(d, _ONE - v + log_v, np.float32(0.5) * x * x)
        accepted = (v > _ZERO) & (log32(uniform32(w1)) < limit)
        boost = pick(boosted, log32(uniform32(w2)) / max(shape[j], _TINY), _ZERO)
        log_draw[j] = max(log32(d) + log_v + boost, _NOTHING)
        refused[j] = np.int32(~accepted)
    for j in range(WIDTH):
        if refused[j] != 0 and shape[j] > _ZERO:
            drawn = gamma(
                np.float64(shape[j]), np.uint32(entity[j]), quarter, purpose, stream, seed,
                replication,
            )  # fmt: skip
            log_draw[j] = np.float32(math.log(drawn)) if drawn > 0.0 else _NOTHING
