"""Which brand: multinomial logit with loyalty, reference price and awareness."""

from __future__ import annotations

import numpy as np

from sim.kernels.instructions import fma, inlined, pick
from sim.kernels.layout import WIDTH
from sim.kernels.philox import exp32, uniform32

_ZERO = np.float32(0.0)


@inlined
def price_loss(log_paid, reference_log_price, gain_factor):
    """Return the felt loss of paying more than expected; a gain counts `gain_factor` of a loss.

    Kahneman & Tversky (1979); gain_factor is 1/2 where losses loom twice as large.
    """
    gap = log_paid - reference_log_price
    return pick(gap > _ZERO, gap, gain_factor * gap)


@inlined
def utility_of(
    fixed, value, bond, habit, log_paid, reference, weight_value, weight_bond, weight_habit,
    weight_reference, gain_factor,
):  # fmt: skip
    """Return what a brand is worth to a customer at an occasion."""
    liked = fma(weight_value, value, fma(weight_bond, bond, fma(weight_habit, habit, fixed)))
    return fma(-weight_reference, price_loss(log_paid, reference, gain_factor), liked)


@inlined
def weigh_odds(utility, top, total):
    """Turn utilities into odds, exp(utility - highest), lane by lane.

    `utility` has shape (n_brands, n_lanes). The highest utility of each lane is left in `top`, the
    sum of its odds in `total`; both have WIDTH lanes.
    """
    n_brands = utility.shape[0]
    for j in range(WIDTH):
        top[j] = utility[0, j]
        total[j] = _ZERO
    for b in range(1, n_brands):
        own = utility[b]
        for j in range(WIDTH):
            top[j] = max(top[j], own[j])
    for b in range(n_brands):
        own = utility[b]
        for j in range(WIDTH):
            own[j] = exp32(own[j] - top[j])
            total[j] += own[j]


@inlined
def choose(utility, word, top, total, chosen):
    """Leave the brand that each lane chooses with its random word in `chosen`.

    Multinomial logit (McFadden 1974) by inversion in brand order: brand 0, the focal one, owns the
    first part of the unit interval, so a better focal offer takes buyers and never loses one.
    Utilities become odds; `top` and `total` are work arrays.
    """
    weigh_odds(utility, top, total)
    target, cumulative = total, top
    for j in range(WIDTH):
        target[j] = uniform32(np.uint32(word[j])) * total[j]
        cumulative[j] = _ZERO
        chosen[j] = np.int32(0)
    for b in range(utility.shape[0] - 1):
        odds = utility[b]
        for j in range(WIDTH):
            cumulative[j] += odds[j]
            chosen[j] += np.int32(target[j] >= cumulative[j])
