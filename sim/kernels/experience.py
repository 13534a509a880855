"""What a purchase teaches: delivered quality, service problems, disconfirmation, satisfaction."""

from __future__ import annotations

import math

from numba import njit

NO_PROBLEM = 0
SILENT = 1
ANSWERED = 2
LATE = 3


@njit(inline="always")
def logistic(x):
    """Return 1 / (1 + exp(-x))."""
    return 1.0 / (1.0 + math.exp(-x))


@njit(inline="always")
def service_outcome(u, problem, complaint, on_time):
    """Return NO_PROBLEM, SILENT, ANSWERED or LATE.

    One uniform serves three nested questions: given u < p, u / p is again uniform. So more timely
    service turns late answers into timely ones and touches nobody else.
    """
    if u >= problem:
        return NO_PROBLEM
    complained = problem * complaint
    if u >= complained:
        return SILENT
    return ANSWERED if u < complained * on_time else LATE


@njit(inline="always")
def service_loss(outcome, loss, repair, late_factor):
    """Return the quality lost to a problem: repaired in part if answered in time, more if late."""
    if outcome == NO_PROBLEM:
        return 0.0
    if outcome == ANSWERED:
        return loss * (1.0 - repair)
    return loss * late_factor if outcome == LATE else loss


@njit(inline="always")
def learn_value(value, delta, learning, negativity):
    """Return perceived value after a disconfirmation delta (Oliver 1980); bad news counts more."""
    step = learning * delta
    return value + (negativity * step if delta < 0.0 else step)
