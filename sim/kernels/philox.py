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

_M0 = np.uint64(0xD2511F53)
_M1 = np.uint64(0xCD9E8D57)
_W0 = np.uint32(0x9E3779B9)
_W1 = np.uint32(0xBB67AE85)
_SHIFT = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_2_POW_MINUS_32 = 1.0 / 4294967296.0
_HALF_WORD = np.uint32(0x80000000)
_SQRT_HALF = np.float32(0.70710678)
_LN2_HIGH = np.float32(0.693359375)  # ln 2 in two parts
_LN2_LOW = np.float32(-2.12194440e-4)


@njit(inline="always")
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


@njit(inline="always")
def uniform(word):
    """Return a float64 in the open interval (0, 1) from a 32-bit word."""
    return (np.float64(word) + 0.5) * _2_POW_MINUS_32


@njit(inline="always")
def _central(w):
    """Return sqrt(2) erfinv(x) / x for w = -ln(1 - x^2) < 5."""
    w -= 2.5
    p = 2.81022636e-08
    p = 3.43273939e-07 + p * w
    p = -3.5233877e-06 + p * w
    p = -4.39150654e-06 + p * w
    p = 0.00021858087 + p * w
    p = -0.00125372503 + p * w
    p = -0.00417768164 + p * w
    p = 0.246640727 + p * w
    p = 1.50140941 + p * w
    return 1.4142135623730951 * p


@njit(inline="always")
def _tail(w):
    """Return sqrt(2) erfinv(x) / x for w = -ln(1 - x^2) >= 5."""
    w = math.sqrt(w) - 3.0
    p = -0.000200214257
    p = 0.000100950558 + p * w
    p = 0.00134934322 + p * w
    p = -0.00367342844 + p * w
    p = 0.00573950773 + p * w
    p = -0.0076224613 + p * w
    p = 0.00943887047 + p * w
    p = 1.00167406 + p * w
    p = 2.83297682 + p * w
    return 1.4142135623730951 * p


@njit
def normal(u):
    """Return the standard normal quantile of u in (0, 1).

    Notes
    -----
    sqrt(2) erfinv(2u - 1) with the single-precision polynomials of Giles (2010), "Approximating the
    erfinv function", GPU Computing Gems 2; absolute error below 5e-7 for |x| < 5.
    """
    x = 2.0 * u - 1.0
    w = -math.log((1.0 - x) * (1.0 + x))
    return x * (_central(w) if w < 5.0 else _tail(w))


@njit(inline="always")
def log32(x):
    """Return ln x in float32 for normal numbers x > 0; relative error below 3e-7.

    Notes
    -----
    The polynomial of Cephes' logf (Moshier 1989) on [sqrt(1/2), sqrt(2)). No library call, like
    `exp32`, so that LLVM can vectorise a loop over it.
    """
    bits = np.float32(x).view(np.int32)
    e = np.int32((bits >> np.int32(23)) - np.int32(126))
    m = np.int32((bits & np.int32(0x007FFFFF)) | np.int32(0x3F000000)).view(np.float32)
    small = m < _SQRT_HALF
    e = np.int32(e - np.int32(1)) if small else e
    r = (m + m if small else m) - np.float32(1.0)
    z = r * r
    p = np.float32(7.0376836292e-2)
    p = p * r + np.float32(-1.1514610310e-1)
    p = p * r + np.float32(1.1676998740e-1)
    p = p * r + np.float32(-1.2420140846e-1)
    p = p * r + np.float32(1.4249322787e-1)
    p = p * r + np.float32(-1.6668057665e-1)
    p = p * r + np.float32(2.0000714765e-1)
    p = p * r + np.float32(-2.4999993993e-1)
    p = p * r + np.float32(3.3333331174e-1)
    n = np.float32(e)
    return r + (r * z * p + n * _LN2_LOW - np.float32(0.5) * z) + n * _LN2_HIGH


@njit(inline="always")
def normal32(word):
    """Return `normal(uniform(word))` in float32, free of branches for loops over lanes.

    Counted from the nearer end of the unit interval, u keeps its precision in both tails.
    """
    upper = word >= _HALF_WORD
    nearer = np.int32(~word if upper else word)
    t = (np.float32(nearer) + np.float32(0.5)) * np.float32(_2_POW_MINUS_32)
    w = -log32(np.float32(4.0) * t * (np.float32(1.0) - t))
    z = np.float32(_central(w) if w < np.float32(5.0) else _tail(w))
    z *= np.float32(1.0) - np.float32(2.0) * t
    return z if upper else -z


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


@njit
def beta(a, b, entity, quarter, purpose, stream, seed, replication):
    """Return a Beta(a, b) draw at an address, as a ratio of two Gamma draws."""
    x = gamma(a, entity, quarter, purpose, 2 * stream, seed, replication)
    y = gamma(b, entity, quarter, purpose, 2 * stream + 1, seed, replication)
    return x / (x + y) if x + y > 0.0 else 0.0


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
