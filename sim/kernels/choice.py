"""Which brand: multinomial logit with loyalty, reference price and awareness."""

from __future__ import annotations

import numpy as np
from numba import njit

_LOG2E = np.float32(1.4426950408889634)
_LN2_HIGH = np.float32(0.693359375)  # ln 2 in two parts, so that r keeps all its bits
_LN2_LOW = np.float32(-2.12194440e-4)


@njit(inline="always")
def exp32(x):
    """Return exp(x) in float32 for x <= 88, by a polynomial; relative error below 3e-7.

    Notes
    -----
    2^n times a degree-6 Taylor polynomial on |r| <= ln2 / 2 (Cody & Waite 1980). No library call,
    so the same bits come out everywhere and LLVM can vectorise a loop over brands.
    """
    x = max(np.float32(x), np.float32(-87.0))
    n = np.floor(x * _LOG2E + np.float32(0.5))
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    p = np.float32(1.0 / 720.0)
    p = p * r + np.float32(1.0 / 120.0)
    p = p * r + np.float32(1.0 / 24.0)
    p = p * r + np.float32(1.0 / 6.0)
    p = p * r + np.float32(0.5)
    p = p * r + np.float32(1.0)
    p = p * r + np.float32(1.0)
    return p * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)


@njit(inline="always")
def price_loss(log_paid, reference_log_price, gain_factor):
    """Return the felt loss of paying more than expected; a gain counts `gain_factor` of a loss.

    Kahneman & Tversky (1979); gain_factor is 1/2 where losses loom twice as large.
    """
    gap = log_paid - reference_log_price
    return gap if gap > 0.0 else gain_factor * gap


@njit(inline="always")
def choose(utility, share, u):
    """Return the chosen brand for a uniform u, and leave exp(utility - highest) in `share`.

    Multinomial logit (McFadden 1974) by inversion in brand order: brand 0, the focal one, owns the
    first part of the unit interval, so a better focal offer takes buyers and never loses one.
    """
    n_brands = utility.shape[0]
    top = utility[0]
    for b in range(1, n_brands):
        top = max(top, utility[b])
    total = np.float32(0.0)
    for b in range(n_brands):
        share[b] = exp32(utility[b] - top)
        total += share[b]
    target = np.float32(u) * total
    cumulative = np.float32(0.0)
    for b in range(n_brands - 1):
        cumulative += share[b]
        if target < cumulative:
            return b
    return n_brands - 1


@njit(inline="always")
def inclusive_value(utility):
    """Return ln sum exp(utility): what the whole choice set is worth to a customer."""
    n_brands = utility.shape[0]
    top = utility[0]
    for b in range(1, n_brands):
        top = max(top, utility[b])
    total = np.float32(0.0)
    for b in range(n_brands):
        total += exp32(utility[b] - top)
    return top + np.log(total)
