"""What one quarter leaves behind: sums by segment and brand, the source of every measure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.kernels import layout as at
from sim.kernels.layout import HISTORY_SIZE, Tally
from sim.levers import LeverQuarter
from sim.types import F64


@dataclass(frozen=True, slots=True)
class Record:
    """Sums of one quarter, in simulated customers. The last segment row is the whole market.

    Attributes
    ----------
    quarter
        Quarter of the plan; 0 and below are burn-in.
    lived
        Quarters lived so far, this one included: a measure that looks back needs enough of them.
    size
        Shape (n_segments + 1,): customers.
    flow
        Shape (n_segments + 1, n_brands, N_FLOWS), see `kernels.layout`.
    category
        Shape (n_segments + 1, N_CATEGORY).
    history
        Shape (n_segments + 1, n_brands, HISTORY_SIZE): people by activity history, those who have
        left the category included, since the company cannot see that they have.
    switching
        Shape (n_segments + 1, n_brands, n_brands): purchases by last and present brand.
    cohort
        Shape (n_quarters,): focal buyers by the quarter of their first focal purchase.
    club
        Shape (n_segments + 1, N_CLUB): points, offers against leaving and spend, see
        `kernels.layout`.
    tiers
        Shape (n_segments + 1, N_TIERS, N_TIERS): the focal brand's customers and members by tier
        before and now.
    tier_revenue
        Shape (n_segments + 1, N_TIERS): focal revenue by tier before, in currency.
    rfm
        Shape (n_segments + 1, N_RFM): focal customers by recency, frequency and money.
    warned
        Shape (n_segments + 1, N_LEVELS): focal customers by warning level.
    judged
        Shape (n_segments + 1, N_LEVELS, 2): focal customers of a lapse window ago, and those who
        leave the category now, by the level that they had and by whether they are lost.
    lead
        Shape (n_segments + 1, WARNING_QUARTERS + 1): focal customers who have lapsed now, by the
        quarters for which they had been warned.
    losses
        Shape (n_quarters, n_quarters): focal customers lost, by the quarter of their first focal
        purchase and the quarters from it to the last one.
    trust
        Shape (n_segments + 1, n_brands): benevolence.
    delivered
        What the focal levers gave and cost; None in burn-in.
    events
        Risk events that struck this quarter.
    """

    quarter: int
    lived: int
    size: F64
    flow: F64
    category: F64
    history: NDArray[np.int64]
    switching: NDArray[np.int64]
    cohort: NDArray[np.int64]
    club: F64
    tiers: NDArray[np.int64]
    tier_revenue: F64
    rfm: NDArray[np.int64]
    warned: NDArray[np.int64]
    judged: NDArray[np.int64]
    lead: NDArray[np.int64]
    losses: NDArray[np.int64]
    trust: F64
    delivered: LeverQuarter | None
    events: tuple[str, ...]


def with_total(by_segment: NDArray[Any]) -> NDArray[Any]:
    """Append the sum over the first axis as the row of the whole market."""
    return np.concatenate([by_segment, by_segment.sum(axis=0, keepdims=True)])


def age_departed(departed: NDArray[np.int64]) -> NDArray[np.int64]:
    """Let a quarter pass for those who have left: their history shifts and nothing is added.

    Shape (..., HISTORY_SIZE); histories that become empty are dropped.
    """
    aged = np.zeros_like(departed)
    half = HISTORY_SIZE // 2
    # h -> (h << 1) mod 2^8: both halves of the table land on the even histories.
    aged[..., 0::2] = departed[..., :half] + departed[..., half:]
    aged[..., 0] = 0
    return aged


def empty_tally(n_segments: int, n_brands: int, n_quarters: int) -> Tally:
    """Return a tally of zeros."""

    def counts(*shape: int) -> NDArray[np.int64]:
        return np.zeros(shape, dtype=np.int64)

    return Tally(
        flow=np.zeros((n_segments, n_brands, at.N_FLOWS)),
        category=np.zeros((n_segments, at.N_CATEGORY)),
        history=counts(n_segments, n_brands, HISTORY_SIZE),
        departed=counts(n_segments, n_brands, HISTORY_SIZE),
        switching=counts(n_segments, n_brands, n_brands),
        cohort=counts(n_quarters),
        club=np.zeros((n_segments, at.N_CLUB)),
        tiers=counts(n_segments, at.N_TIERS, at.N_TIERS),
        tier_revenue=np.zeros((n_segments, at.N_TIERS)),
        rfm=counts(n_segments, at.N_RFM),
        warned=counts(n_segments, at.N_LEVELS),
        judged=counts(n_segments, at.N_LEVELS, 2),
        lead=counts(n_segments, at.WARNING_QUARTERS + 1),
        losses=counts(n_quarters, n_quarters),
    )


def add_tallies(tallies: Iterable[Tally]) -> Tally:
    """Add chunk tallies in their order, so that the sum does not depend on who finished first.

    Each is let go once it is added, so that the tallies of a large population need little memory.
    """
    remaining = iter(tallies)
    sums: list[Any] = [column.copy() for column in next(remaining)]
    for tally in remaining:
        for total, column in zip(sums, tally, strict=True):
            np.add(total, column, out=total)
    return Tally(*sums)
