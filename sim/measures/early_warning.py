"""How good the focal brand's early warning is, against what its customers did.

A customer at yellow or red is warned. It is judged a lapse window later, lost if it bought nothing
since; who leaves the category is judged at once. Somebody whom an offer held back counts as a false
alarm, since it stayed: so precision is that of the warning itself only where nobody answers it.
Rates are over the judgements of the last four quarters, since those of a single one are few.
"""

from __future__ import annotations

import numpy as np

from sim.kernels import layout as at
from sim.measures.history import History, ratio
from sim.types import F64

KEPT, LOST = 0, 1


def warned_yellow(h: History) -> F64:
    """People at yellow: to be followed up (simulated customers)."""
    return h.focal(h.warned[..., at.YELLOW])


def warned_red(h: History) -> F64:
    """People at red: to be answered at once (simulated customers)."""
    return h.focal(h.warned[..., at.RED])


def warning_precision(h: History) -> F64:
    """Warned customers who were lost / warned customers, over the last year, 0..1."""
    warned = h.last_year(h.judged)[..., at.YELLOW :, :].sum(axis=-2)
    return h.focal(ratio(warned[..., LOST], warned.sum(axis=-1)))


def warning_recall(h: History) -> F64:
    """Lost customers who had been warned / lost customers, over the last year, 0..1."""
    lost = h.last_year(h.judged)[..., LOST]
    return h.focal(ratio(lost[..., at.YELLOW :].sum(axis=-1), lost.sum(axis=-1)))


def warning_accuracy(h: History) -> F64:
    """People warned and lost, or neither / all people judged, over the last year, 0..1."""
    judged = h.last_year(h.judged)
    right = judged[..., at.GREEN, KEPT] + judged[..., at.YELLOW :, LOST].sum(axis=-1)
    return h.focal(ratio(right, judged.sum(axis=(-1, -2))))


def warning_lead(h: History) -> F64:
    """Mean quarters of warning before a lapse is seen, over the lapses of the last year (count).

    A customer who lapsed without warning had 0.
    """
    lapsed = h.last_year(h.lead)
    return h.focal(ratio(lapsed @ np.arange(lapsed.shape[-1]), lapsed.sum(axis=-1)))
