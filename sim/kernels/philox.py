"""Philox-4x32-10: every random number is a pure function of its address.

An address is (entity, quarter, purpose, counter) under the key (seed, replication). Nothing is
stored and nothing is advanced, so a draw never depends on thread, order or on what another plan
drew: the common random numbers of the paired comparison come from here.

Salmon, Moraes, Dror & Shaw (2011), "Parallel random numbers: as easy as 1, 2, 3", SC11.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from sim.kernels.instructions import fma, inlined, pick

# Purposes: the third word of an address. A new phenomenon takes a new number; none is ever reused.
INCIDENCE = 0
OCCASION = 1
READING = 2
RATE_DRIFT = 3
TASTE = 4
RATE = 5
LEAVING = 6
WEIGHTS = 7
BASKET = 8
RESIDENCE = 9
PARAMETER = 10
RISK = 11
RESIDENT_DRIFT = 12
ENROLMENT = 13
CARE = 14
ROLLOUT = 15
DESK = 16
SAMPLING = 17
MOMENT = 18

_M0 = np.uint64(0xD2511F53)
_M1 = np.uint64(0xCD9E8D57)
_W0 = np.uint32(0x9E3779B9)
_W1 = np.uint32(0xBB67AE85)
_SHIFT = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_2_POW_MINUS_32 = 1.0 / 4294967296.0
MANY = 60.0  # a mean whose exp(-mean) is still well inside float32
_HALF_WORD = np.uint32(0x80000000)
_SQRT_HALF = np.float32(0.70710678)
_LN2_HIGH_64 = 6.93147180369123816490e-01
_LN2_LOW_64 = 1.90821492927058770002e-10
_SQRT_2 = np.float32(1.4142135623730951)
_LOG2E = np.float32(1.4426950408889634)
_LN2_HIGH = np.float32(0.693359375)  # ln 2 in two parts
_LN2_LOW = np.float32(-2.12194440e-4)


@inlined
def philox(c0, c1, c2, c3, k0, k1):
    """Return four 32-bit words for the counter (c0, c1, c2, c3) under the key (k0, k1)."""
    x0, x1, x2, x3 = np.uint32(c0), np.uint32(c1), np.uint32(c2), np.uint32(c3)
    a, b = np.uint32(k0), np.uint32(k1)
    for _ in range(10):
        p0 = _M0 * np.uint64(x0)
        p1 = _M1 * np.uint64(x2)
        y0 = np.uint32(np.uint32(p1 >> _SHIFT) ^ x1 ^ a)
        y2 = np.uint32(np.uint32(p0 >> _SHIFT) ^ x3 ^ b)
        x1 = np.uint32(p1 & _LOW)
        x3 = np.uint32(p0 & _LOW)
        x0, x2 = y0, y2
        a = np.uint32(a + _W0)
        b = np.uint32(b + _W1)
    return x0, x1, x2, x3


@inlined
def uniform(word):
    """Return a float64 in the open interval (0, 1) from a 32-bit word."""
    return (np.float64(word) + 0.5) * _2_POW_MINUS_32


@inlined
def exp32(x):
    """Return exp(x) in float32 for x <= 88, by a polynomial; relative error below 3e-7.

    Notes
    -----
    2^n times a degree-6 Taylor polynomial on |r| <= ln2 / 2 (Cody & Waite 1980). No library call,
    so the same bits come out everywhere and LLVM can vectorise a loop over it.
    """
    x = max(np.float32(x), np.float32(-87.0))
    n = np.floor(fma(x, _LOG2E, np.float32(0.5)))
    r = fma(n, -_LN2_LOW, fma(n, -_LN2_HIGH, x))
    p = np.float32(1.0 / 720.0)
    p = fma(p, r, np.float32(1.0 / 120.0))
    p = fma(p, r, np.float32(1.0 / 24.0))
    p = fma(p, r, np.float32(1.0 / 6.0))
    p = fma(p, r, np.float32(0.5))
    p = fma(p, r, np.float32(1.0))
    p = fma(p, r, np.float32(1.0))
    return p * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)


@inlined
def exp64(x):
    """Return exp(x) for -700 <= x <= 0, like `exp32`; relative error below 1e-15.

    Where probabilities are summed up to one, what float32 loses of the first would be missing at
    the end.
    """
    n = np.floor(x * 1.4426950408889634 + 0.5)
    r = (x - n * _LN2_HIGH_64) - n * _LN2_LOW_64
    p = 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return p * np.int64((np.int64(np.int32(n)) + 1023) << 52).view(np.float64)


@inlined
def log32(x):
    """Return ln x in float32 for normal numbers x > 0; relative error below 3e-7.

    Notes
    -----
    The polynomial of Cephes' logf (Moshier 1989) on [sqrt(1/2), sqrt(2)). No library call, like
    `exp32`.
    """
    bits = np.float32(x).view(np.int32)
    e = np.int32((bits >> np.int32(23)) - np.int32(126))
    m = np.int32((bits & np.int32(0x007FFFFF)) | np.int32(0x3F000000)).view(np.float32)
    small = m < _SQRT_HALF
    e -= np.int32(small)
    r = pick(small, m + m, m) - np.float32(1.0)
    z = r * r
    p = np.float32(7.0376836292e-2)
    p = fma(p, r, np.float32(-1.1514610310e-1))
    p = fma(p, r, np.float32(1.1676998740e-1))
    p = fma(p, r, np.float32(-1.2420140846e-1))
    p = fma(p, r, np.float32(1.4249322787e-1))
    p = fma(p, r, np.float32(-1.6668057665e-1))
    p = fma(p, r, np.float32(2.0000714765e-1))
    p = fma(p, r, np.float32(-2.4999993993e-1))
    p = fma(p, r, np.float32(3.3333331174e-1))
    n = np.float32(e)
    p = fma(n, _LN2_LOW, r * z * p)
    return fma(n, _LN2_HIGH, r + fma(np.float32(-0.5), z, p))


@inlined
def _central(w):
    """Return sqrt(2) erfinv(x) / x for w = -ln(1 - x^2) < 5."""
    w -= np.float32(2.5)
    p = np.float32(2.81022636e-08)
    p = fma(p, w, np.float32(3.43273939e-07))
    p = fma(p, w, np.float32(-3.5233877e-06))
    p = fma(p, w, np.float32(-4.39150654e-06))
    p = fma(p, w, np.float32(0.00021858087))
    p = fma(p, w, np.float32(-0.00125372503))
    p = fma(p, w, np.float32(-0.00417768164))
    p = fma(p, w, np.float32(0.246640727))
    return fma(p, w, np.float32(1.50140941))


@inlined
def _tail(w):
    """Return sqrt(2) erfinv(x) / x for w = -ln(1 - x^2) >= 5."""
    w = np.sqrt(w) - np.float32(3.0)
    p = np.float32(-0.000200214257)
    p = fma(p, w, np.float32(0.000100950558))
    p = fma(p, w, np.float32(0.00134934322))
    p = fma(p, w, np.float32(-0.00367342844))
    p = fma(p, w, np.float32(0.00573950773))
    p = fma(p, w, np.float32(-0.0076224613))
    p = fma(p, w, np.float32(0.00943887047))
    p = fma(p, w, np.float32(1.00167406))
    return fma(p, w, np.float32(2.83297682))


@inlined
def _normal_over_x(w):
    """Return sqrt(2) erfinv(x) / x for w = -ln(1 - x^2)."""
    return _SQRT_2 * pick(w < np.float32(5.0), _central(w), _tail(w))


@inlined
def uniform32(word):
    """Return `uniform(word)` in float32."""
    return (np.float32(word) + np.float32(0.5)) * np.float32(_2_POW_MINUS_32)


@inlined
def normal32(word):
    """Return `normal(uniform(word))` in float32, free of branches for loops over lanes.

    Counted from the nearer end of the unit interval, u keeps its precision in both tails.
    """
    upper = word >= _HALF_WORD
    t = uniform32(np.int32(pick(upper, ~word, word)))
    w = -log32(np.float32(4.0) * t * (np.float32(1.0) - t))
    z = _normal_over_x(w) * fma(np.float32(-2.0), t, np.float32(1.0))
    return pick(upper, z, -z)


@njit
def normal(u):
    """Return the standard normal quantile of u in (0, 1).

    Notes
    -----
    sqrt(2) erfinv(2u - 1) with the single-precision polynomials of Giles (2010), "Approximating the
    erfinv function", GPU Computing Gems 2; absolute error below 1.1e-6 for |z| < 5.
    """
    x = 2.0 * u - 1.0
    w = np.float32(-math.log((1.0 - x) * (1.0 + x)))
    return x * np.float64(_normal_over_x(w))


@njit
def poisson(mean, u):
    """Return the Poisson(mean) quantile of u by inversion: monotone in both, so plans stay coupled.

    For large means the sum starts 12 standard deviations below, where nothing has been lost yet.
    """
    if mean <= 0.0:
        return 0
    reach = 12.0 * math.sqrt(mean) + 24.0
    n = max(int(mean - reach), 0)
    p = math.exp(n * math.log(mean) - mean - math.lgamma(n + 1.0)) if n > 0 else math.exp(-mean)
    cumulative = p
    limit = int(mean + reach)
    while u > cumulative and n < limit:
        n += 1
        p *= mean / n
        cumulative += p
    return n


@njit
def continue_poisson(mean, u, n, p, cumulative):
    """Return the Poisson(mean) quantile of u, where the sum up to count n is `cumulative` < u.

    `p` is the probability of n. For means below MANY.
    """
    limit = int(mean + 12.0 * math.sqrt(mean) + 24.0)
    while u > cumulative and n < limit:
        n += 1
        p *= mean / n
        cumulative += p
    return n


@njit
def gamma(shape, entity, quarter, purpose, stream, seed, replication):
    """Return a Gamma(shape, scale 1) draw at an address; `stream` parts several draws at one.

    Notes
    -----
    Marsaglia & Tsang (2000), "A simple method for generating gamma variables", ACM TOMS 26(3), with
    their boost U^(1/shape) below shape 1. Rejected tries advance the counter inside the stream
    only.
    """
    if shape <= 0.0:
        return 0.0
    d = (shape if shape >= 1.0 else shape + 1.0) - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    attempt = 0
    while True:
        counter = (stream << 16) + attempt
        w0, w1, w2, _ = philox(entity, quarter, purpose, counter, seed, replication)
        x = normal(uniform(w0))
        v = (1.0 + c * x) ** 3
        attempt += 1
        if v <= 0.0:
            continue
        if math.log(uniform(w1)) < 0.5 * x * x + d - d * v + d * math.log(v):
            draw = d * v
            return draw if shape >= 1.0 else draw * uniform(w2) ** (1.0 / shape)


@njit(cache=True)
def draw_uniform(entity, quarter, purpose, seed, replication):
    """Return the uniform (0, 1) draw at an address, for callers outside the kernels."""
    word, _, _, _ = philox(entity, quarter, purpose, 0, seed, replication)
    return uniform(word)


@njit(cache=True)
def draw_uniforms(entity, quarter, purpose, seed, replication, out):
    """Fill `out`, shape (n,), with the uniforms of an entity's counters from 0 on.

    The first is `draw_uniform`, so a longer array begins with the shorter one.
    """
    for counter in range(len(out)):
        word, _, _, _ = philox(entity, quarter, purpose, counter, seed, replication)
        out[counter] = uniform(word)
