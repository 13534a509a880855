"""What a purchase teaches: delivered quality, service problems, disconfirmation, satisfaction."""

from __future__ import annotations

import numpy as np
from numba import njit

from sim.kernels.choice import exp32

NO_PROBLEM = 0
SILENT = 1
ANSWERED = 2
LATE = 3

# In float32, so that arithmetic takes the precision of the arguments.
_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_STEEP = np.float32(80.0)  # exp(80) is still a float32


@njit(inline="always")
def logistic(x):
    """Return 1 / (1 + exp(-x)) in float32."""
    return _ONE / (_ONE + exp32(min(np.float32(-x), _STEEP)))


@njit(inline="always")
def service_outcome(u, problem, complaint, on_time):
    """Return NO_PROBLEM, SILENT, ANSWERED or LATE.

    One uniform serves three nested questions: given u < p, u / p is again uniform. So more timely
    service turns late answers into timely ones and touches nobody else.
    """
    complained = problem * complaint
    answer = ANSWERED if u < complained * on_time else LATE
    answer = answer if u < complained else SILENT
    return answer if u < problem else NO_PROBLEM


@njit(inline="always")
def service_loss(outcome, loss, repair, late_factor):
    """Return the quality lost to a problem: repaired in part if answered in time, more if late."""
    lost = loss * (_ONE - repair) if outcome == ANSWERED else loss
    lost = loss * late_factor if outcome == LATE else lost
    return lost if outcome != NO_PROBLEM else _ZERO


@njit(inline="always")
def learn_value(value, delta, learning, negativity):
    """Return perceived value after a disconfirmation delta (Oliver 1980); bad news counts more."""
    step = learning * delta
    return value + (negativity * step if delta < _ZERO else step)


@njit(inline="always")
def first_lesson(learning, negativity, first_experience):
    """Return learning and negativity of the first purchase of a brand.

    It teaches `first_experience` times as much as a later one, but no more than there is to learn:
    bad news must not carry value beyond what was delivered, unless any bad purchase does.
    """
    share = min(learning * first_experience, 1.0)
    most = max(learning * negativity, 1.0)
    return share, negativity if share * negativity <= most else most / share
