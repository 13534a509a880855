"""The loyalty index: 40% behaviour, 35% attitude, 25% potential; each part 0..100."""

from __future__ import annotations

import numpy as np

from sim.kernels import layout as at
from sim.measures import attitude, behaviour
from sim.measures.history import History, ratio
from sim.types import F64

WEIGHTS = {"behaviour": 0.40, "attitude": 0.35, "potential": 0.25}


def behaviour_part(h: History) -> F64:
    """Mean of repeat rate, cross-purchase and willingness to recommend, 0..100."""
    recommend = ratio(h.flow(at.CUSTOMER_RECOMMEND), 10.0 * h.flow(at.CUSTOMERS))
    return 100.0 * _mean(behaviour.repeat_rate(h), behaviour.cross_purchase(h), recommend)


def attitude_part(h: History) -> F64:
    """Mean of trust, association (logistic of perceived value) and emotion (bond), 0..100."""
    return 100.0 * _mean(attitude.trust(h), attitude.value(h), attitude.bond(h))


def potential_part(h: History) -> F64:
    """Mean of influence, leader activity and inheritance, 0..100.

    Influence is the positive share of opinions, leader activity the share of the opinion leaders
    among customers who spoke well of the brand this quarter, inheritance the habit that is handed
    on.
    """
    leaders = ratio(h.flow(at.ACTIVE_LEADERS), h.flow(at.CUSTOMER_LEADERS))
    return 100.0 * _mean(attitude.positive_opinions(h), leaders, attitude.habit(h))


def loyalty_index(h: History) -> F64:
    """0.40 behaviour + 0.35 attitude + 0.25 potential, 0..100."""
    return (
        WEIGHTS["behaviour"] * behaviour_part(h)
        + WEIGHTS["attitude"] * attitude_part(h)
        + WEIGHTS["potential"] * potential_part(h)
    )


def _mean(*parts: F64) -> F64:
    """Average the parts that exist; NaN where none does."""
    stacked = np.stack(parts)
    known = ~np.isnan(stacked)
    return ratio(np.where(known, stacked, 0.0).sum(axis=0), known.sum(axis=0).astype(np.float64))
