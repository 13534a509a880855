"""A run's records, stacked over quarters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim.config.market import Market
from sim.kernels.layout import HISTORY_SIZE
from sim.measures.record import Record
from sim.traits import lapse_mask
from sim.types import F64, Mask


class History:
    """The quarters of a run, ready for measures.

    Parameters
    ----------
    records
        Records in order of quarter.
    market
        Names of brands and segments, and what makes somebody a customer.

    Attributes
    ----------
    quarters
        Shape (n_quarters,): quarter of the plan, 0 and below in burn-in.
    """

    def __init__(self, records: Sequence[Record], market: Market) -> None:
        self.market = market
        self.quarters = np.array([record.quarter for record in records])
        self._flow = np.stack([record.flow for record in records])
        self._category = np.stack([record.category for record in records])
        self._people = np.stack([record.history for record in records])
        self.size = np.stack([record.size for record in records])[:, :, None]
        """Customers of the segment, shape (n_quarters, n_segments + 1, 1)."""
        self.trust = np.stack([record.trust for record in records])
        """Benevolence 0..1, shape as a measure."""
        self._lived = np.array([record.lived for record in records])[:, None, None]
        self._pattern = np.arange(HISTORY_SIZE)
        self._window = lapse_mask(market)

    def flow(self, column: int) -> F64:
        """Return one column of the sums, see `kernels.layout`; shape as a measure."""
        values: F64 = self._flow[..., column]
        return values

    def category(self, column: int) -> F64:
        """Return one column of the category's sums, shape (n_quarters, n_segments + 1, 1)."""
        values: F64 = self._category[..., column, None]
        return values

    def bought(self, quarters_ago: int) -> Mask:
        """Return a mask over activity histories: bought in the quarter so long ago."""
        mask: Mask = (self._pattern >> quarters_ago & 1).astype(np.bool_)
        return mask

    def customer(self, quarters_ago: int) -> Mask:
        """Return a mask over activity histories: was a customer at the end of that quarter."""
        mask: Mask = (self._pattern >> quarters_ago & self._window).astype(np.bool_)
        return mask

    def people(self, mask: Mask) -> F64:
        """Count the people whose activity history is in a mask; shape as a measure."""
        counts: F64 = self._people[..., mask].sum(axis=-1).astype(np.float64)
        return counts

    def after(self, quarters_ago: int, values: F64) -> F64:
        """Return the values, NaN where the customers of so many quarters ago are not fully known.

        Nobody's purchases before the run are known, so being a customer then is known only if the
        whole lapse window before it has been lived.
        """
        needed = quarters_ago + int(self._window).bit_length()
        known: F64 = np.where(self._lived >= needed, values, np.nan)
        return known


def ratio(part: F64, whole: F64) -> F64:
    """Return part / whole, NaN where the whole is 0."""
    part, whole = np.broadcast_arrays(part, whole)
    result: F64 = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole != 0)
    return result
