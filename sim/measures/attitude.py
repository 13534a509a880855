"""What customers feel and say: satisfaction, effort, recommendation, trust, bond."""

from __future__ import annotations

import numpy as np

from sim.kernels import layout as at
from sim.measures.behaviour import buyers
from sim.measures.history import History, ratio
from sim.types import F64


def satisfaction(h: History) -> F64:
    """CSAT: mean over occasions of 10 logistic(intercept + slope x disconfirmation), 0..10."""
    return ratio(h.flow(at.SATISFACTION), h.flow(at.PURCHASES))


def effort(h: History) -> F64:
    """Return the customer effort score, 0..10: mean over occasions.

    A score for what service was needed and how it was answered, and for the focal brand what
    touchpoints that do not fit together cost: `journey.effort` x their weighted sd of quality.
    """
    return ratio(h.flow(at.EFFORT), h.flow(at.PURCHASES))


def nps(h: History) -> F64:
    """Net promoter score: share of buyers answering 9-10 minus share answering 0-6, -100..100."""
    return 100.0 * ratio(h.flow(at.PROMOTERS) - h.flow(at.DETRACTORS), buyers(h))


def positive_opinions(h: History) -> F64:
    """Positive share of the opinions voiced this quarter, weighted by audience, 0..1."""
    positive, negative = h.flow(at.POSITIVE_WEIGHT), h.flow(at.NEGATIVE_WEIGHT)
    return ratio(positive, positive + negative)


def problem_rate(h: History) -> F64:
    """Service problems per purchase."""
    return ratio(h.flow(at.PROBLEMS), h.flow(at.PURCHASES))


def trust(h: History) -> F64:
    """Mean of competence (occasions without an unanswered problem) and benevolence, 0..1.

    The two parts of trust: doing it well, and meaning it well.
    """
    answered = h.flow(at.CONTACTS) - h.flow(at.LATE_ANSWERS)
    competence = 1.0 - ratio(h.flow(at.PROBLEMS) - answered, h.flow(at.PURCHASES))
    return 0.5 * (competence + h.trust)


def bond(h: History) -> F64:
    """Mean emotional bond of customers, 0..1."""
    return ratio(h.flow(at.CUSTOMER_BOND), h.flow(at.CUSTOMERS))


def value(h: History) -> F64:
    """Mean over customers of logistic(perceived value), 0..1."""
    return ratio(h.flow(at.CUSTOMER_VALUE), h.flow(at.CUSTOMERS))


def price_premium(h: History) -> F64:
    """Price premium that perceived value and bond would bear, as a share of the usual price.

    exp(mean over customers of the ln(price) that would cost the brand as much choice as its value
    and bond bring it) - 1: a level for comparing plans, not a price to charge.
    """
    return np.exp(ratio(h.flow(at.CUSTOMER_PREMIUM), h.flow(at.CUSTOMERS))) - 1.0


def habit(h: History) -> F64:
    """Mean habit of customers, 0..1."""
    return ratio(h.flow(at.CUSTOMER_HABIT), h.flow(at.CUSTOMERS))


def awareness(h: History) -> F64:
    """Mean awareness over the segment, 0..1."""
    return ratio(h.flow(at.AWARENESS), h.size)
