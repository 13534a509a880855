"""Which brand: multinomial logit with loyalty, reference price and awareness."""

from __future__ import annotations

import numpy as np
from numba import njit

from sim.kernels.philox import uniform

_ZERO = np.float32(0.0)
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
    return gap if gap > _ZERO else gain_factor * gap


@njit(error_model="numpy")
def weigh(
    utility, fixed, value, bond, habit, reference, weight_value, weight_bond, weight_habit,
    weight_reference, log_paid, gain_factor, n,
):  # fmt: skip
    """Leave in `utility` what one brand is worth to each of n lanes; arrays are of that brand."""
    weight_reference, gain_factor = np.float32(weight_reference), np.float32(gain_factor)
    for j in range(n):
        utility[j] = (
            fixed[j]
            + weight_value[j] * value[j]
            + weight_bond[j] * bond[j]
            + weight_habit[j] * habit[j]
            - weight_reference * price_loss(log_paid, reference[j], gain_factor)
        )


@njit(error_model="numpy")
def weigh_odds(utility, top, total, n):
    """Turn utilities into odds, exp(utility - highest), for n lanes.

    `utility` has shape (n_brands, n_lanes). The highest utility of each lane is left in `top`, the
    sum of its odds in `total`.
    """
    n_brands = utility.shape[0]
    for j in range(n):
        top[j] = utility[0, j]
        total[j] = _ZERO
    for b in range(1, n_brands):
        own = utility[b]
        for j in range(n):
            top[j] = max(top[j], own[j])
    for b in range(n_brands):
        own = utility[b]
        for j in range(n):
            own[j] = exp32(own[j] - top[j])
            total[j] += own[j]


@njit(error_model="numpy")
def choose(utility, word, top, total, chosen, n):
    """Leave the brand that each of n lanes chooses with its random word in `chosen`.

    Multinomial logit (McFadden 1974) by inversion in brand order: brand 0, the focal one, owns the
    first part of the unit interval, so a better focal offer takes buyers and never loses one.
    Utilities become odds; `top` and `total` are work arrays.
    """
    weigh_odds(utility, top, total, n)
    target, cumulative = total, top
    for j in range(n):
        target[j] = np.float32(uniform(word[j])) * total[j]
        cumulative[j] = _ZERO
        chosen[j] = np.int32(0)
    for b in range(utility.shape[0] - 1):
        odds = utility[b]
        for j in range(n):
            cumulative[j] += odds[j]
            chosen[j] += np.int32(1) if target[j] >= cumulative[j] else np.int32(0)


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
