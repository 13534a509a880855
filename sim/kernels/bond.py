"""The emotional bond, 0..1: built by good experiences and stimuli, lost to bad ones and time."""

from __future__ import annotations

import numpy as np

from sim.kernels.instructions import inlined, pick

# In float32, so that arithmetic takes the precision of the arguments.
_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_DENSITY = np.float32(0.3989422804014327)  # 1 / sqrt(2 pi)


@inlined
def feel(bond, delta, gain, negativity):
    """Return the bond after a purchase with disconfirmation delta."""
    gained = gain * delta * (_ONE - bond)
    lost = negativity * gain * delta * bond
    bond += pick(delta > _ZERO, gained, lost)
    return min(max(bond, _ZERO), _ONE)


@inlined
def end_quarter(bond, stimulus, decay):
    """Return the bond after a quarter's stimulus (below 0: an affront) and decay."""
    return max(bond + stimulus * (_ONE - bond), _ZERO) * (_ONE - decay)


@inlined
def stationary_bond(purchases, gain, negativity, noise, decay):
    """Return the bond at which gains from `purchases` a quarter balance losses and decay.

    Solves E = (E + g (1 - E) - negativity g E)(1 - decay) with
    g = gain * purchases * E[max(delta, 0)], where delta ~ Normal(0, noise) has
    E[max(delta, 0)] = noise / sqrt(2 pi).
    """
    g = min(gain * purchases * noise * _DENSITY, _ONE)
    keep = _ONE - decay
    bond = keep * g / (_ONE - keep * max(_ONE - (_ONE + negativity) * g, _ZERO))
    return pick(g > _ZERO, bond, _ZERO)
