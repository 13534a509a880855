"""What one quarter leaves behind: sums by segment and brand, the source of every measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def empty_tally(
    n_segments: int, n_brands: int, n_quarters: int, n_flows: int, n_category: int
) -> Tally:
    """Return a tally of zeros."""
    return Tally(
        flow=np.zeros((n_segments, n_brands, n_flows)),
        category=np.zeros((n_segments, n_category)),
        history=np.zeros((n_segments, n_brands, HISTORY_SIZE), dtype=np.int64),
        departed=np.zeros((n_segments, n_brands, HISTORY_SIZE), dtype=np.int64),
        switching=np.zeros((n_segments, n_brands, n_brands), dtype=np.int64),
        cohort=np.zeros(n_quarters, dtype=np.int64),
    )


def add_tallies(tallies: list[Tally]) -> Tally:
    """Add chunk tallies in their order, so that the sum does not depend on who finished first."""
    sums: list[Any] = [np.zeros_like(column) for column in tallies[0]]
    for tally in tallies:
        for total, column in zip(sums, tally, strict=True):
            np.add(total, column, out=total)
    return Tally(*sums)
