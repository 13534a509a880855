"""The emotional bond, 0..1: built by good experiences and stimuli, lost to bad ones and time."""

from __future__ import annotations

import numpy as np
from numba import njit

# In float32, so that arithmetic takes the precision of the arguments.
_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)


@njit(inline="always")
def feel(bond, delta, gain, negativity):
    """Return the bond after a purchase with disconfirmation delta."""
    gained = gain * delta * (_ONE - bond)
    lost = negativity * gain * delta * bond
    bond += gained if delta > _ZERO else lost
    return min(max(bond, _ZERO), _ONE)


@njit(inline="always")
def end_quarter(bond, stimulus, decay):
    """Return the bond after a quarter's stimulus (below 0: an affront) and decay."""
    return max(bond + stimulus * (1.0 - bond), 0.0) * (1.0 - decay)


@njit(inline="always")
def stationary_bond(purchases, gain, negativity, noise, decay):
    """Return the bond at which gains from `purchases` a quarter balance losses and decay.

    Solves E = (E + g (1 - E) - negativity g E)(1 - decay) with
    g = gain * purchases * E[max(delta, 0)], where delta ~ Normal(0, noise) has
    E[max(delta, 0)] = noise / sqrt(2 pi).
    """
    g = min(gain * purchases * noise * 0.3989422804014327, 1.0)
    if g == 0.0:
        return 0.0
    keep = 1.0 - decay
    return keep * g / (1.0 - keep * max(1.0 - (1.0 + negativity) * g, 0.0))
