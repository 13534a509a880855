"""What a purchase teaches: delivered quality, service problems, disconfirmation, satisfaction."""

from __future__ import annotations

import numpy as np

from sim.kernels.instructions import inlined, pick
from sim.kernels.philox import exp32

NO_PROBLEM = 0
SILENT = 1
ANSWERED = 2
LATE = 3

# In float32, so that arithmetic takes the precision of the arguments.
_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_STEEP = np.float32(80.0)  # exp(80) is still a float32


@inlined
def logistic(x):
    """Return 1 / (1 + exp(-x)) in float32."""
    return _ONE / (_ONE + exp32(min(np.float32(-x), _STEEP)))


@inlined
def service_outcome(u, problem, complaint, on_time):
    """Return NO_PROBLEM, SILENT, ANSWERED or LATE.

    One uniform serves three nested questions: given u < p, u / p is again uniform. So more timely
    service turns late answers into timely ones and touches nobody else.
    """
    complained = problem * complaint
    answer = pick(u < complained * on_time, ANSWERED, LATE)
    answer = pick(u < complained, answer, SILENT)
    return pick(u < problem, answer, NO_PROBLEM)


@inlined
def service_loss(outcome, loss, repair, late_factor):
    """Return the quality lost to a problem: repaired in part if answered in time, more if late."""
    lost = pick(outcome == ANSWERED, loss * (_ONE - repair), loss)
    lost = pick(outcome == LATE, loss * late_factor, lost)
    return pick(outcome != NO_PROBLEM, lost, _ZERO)


@inlined
def learn_value(value, delta, learning, negativity):
    """Return perceived value after a disconfirmation delta (Oliver 1980); bad news counts more."""
    step = learning * delta
    return value + pick(delta < _ZERO, negativity * step, step)


@inlined
def first_lesson(learning, negativity, first_experience):
    """Return learning and negativity of the first purchase of a brand.

    It teaches `first_experience` times as much as a later one, but no more than there is to learn:
    bad news must not carry value beyond what was delivered, unless any bad purchase does.
    """
    share = min(learning * first_experience, 1.0)
    most = max(learning * negativity, 1.0)
    return share, negativity if share * negativity <= most else most / share
