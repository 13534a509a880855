"""A run's records, stacked over quarters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.config.market import Market
from sim.kernels.layout import HISTORY_SIZE
from sim.measures.record import Record
from sim.traits import lapse_mask
from sim.types import F64, QUARTERS_PER_YEAR, Mask


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
    shape
        Of a measure: (n_quarters, n_segments + 1, n_brands).
    """

    def __init__(self, records: Sequence[Record], market: Market) -> None:
        self.market = market
        self.quarters = np.array([record.quarter for record in records])
        self._flow = np.stack([record.flow for record in records])
        self.shape = self._flow.shape[:3]
        self._category = np.stack([record.category for record in records])
        self._people = _stack([record.history for record in records])
        self._counted: dict[bytes, F64] = {}
        self.size = np.stack([record.size for record in records])[:, :, None]
        """Customers of the segment, shape (n_quarters, n_segments + 1, 1)."""
        self.trust = np.stack([record.trust for record in records])
        """Benevolence 0..1, shape as a measure."""
        self.rfm = _stack([record.rfm for record in records])
        """Focal customers by RFM class, shape (n_quarters, n_segments + 1, N_RFM)."""
        self.warned = _stack([record.warned for record in records])
        """Focal customers by warning level, shape (n_quarters, n_segments + 1, N_LEVELS)."""
        self.judged = _stack([record.judged for record in records])
        """Focal customers by the level of a lapse window ago, and whether they are lost since."""
        self.lead = _stack([record.lead for record in records])
        """Lapsed in the quarter, by quarters of warning."""
        self.tiers = _stack([record.tiers for record in records])
        """People by tier before and now, shape (n_quarters, n_segments + 1, N_TIERS, N_TIERS)."""
        self._club = _stack([record.club for record in records])
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

    def club(self, column: int) -> F64:
        """Return one column of the membership's sums as a measure of the focal brand."""
        return self.focal(self._club[..., column])

    def focal(self, values: F64) -> F64:
        """Return what only the company knows as a measure, NaN for all brands but the focal one.

        The values have shape (n_quarters, n_segments + 1).
        """
        measure = np.full((*values.shape, len(self.market.brands)), np.nan)
        measure[..., 0] = values
        return measure

    def last_year(self, sums: F64) -> F64:
        """Return sums over the last four quarters, or over as many as there are."""
        total = sums.cumsum(axis=0)
        total[QUARTERS_PER_YEAR:] = total[QUARTERS_PER_YEAR:] - total[:-QUARTERS_PER_YEAR]
        return total

    def bought(self, quarters_ago: int) -> Mask:
        """Return a mask over activity histories: bought in the quarter so long ago."""
        mask: Mask = (self._pattern >> quarters_ago & 1).astype(np.bool_)
        return mask

    def customer(self, quarters_ago: int) -> Mask:
        """Return a mask over activity histories: was a customer at the end of that quarter."""
        mask: Mask = (self._pattern >> quarters_ago & self._window).astype(np.bool_)
        return mask

    def people(self, mask: Mask) -> F64:
        """Count the people whose activity history is in a mask; shape as a measure.

        Many measures ask for the same people: they are counted once.
        """
        key = mask.tobytes()
        if key not in self._counted:
            # Not a matrix product: BLAS would start threads of its own beside the study's.
            counts = np.einsum("qsbh,h->qsb", self._people, mask.astype(np.float64))
            counts.flags.writeable = False
            self._counted[key] = counts
        return self._counted[key]

    def after(self, quarters_ago: int, values: F64) -> F64:
        """Return the values, NaN where the customers of so many quarters ago are not fully known.

        Nobody's purchases before the run are known, so being a customer then is known only if the
        whole lapse window before it has been lived.
        """
        return self.lived(quarters_ago + int(self._window).bit_length(), values)

    def lived(self, quarters: int, values: F64) -> F64:
        """Return the values, NaN until so many quarters have been lived."""
        known: F64 = np.where(self._lived >= quarters, values, np.nan)
        return known


def _stack(arrays: Sequence[NDArray[Any]]) -> F64:
    """Stack the quarters' counts as numbers that can be divided."""
    return np.stack(arrays, dtype=np.float64, casting="unsafe")


def ratio(part: F64, whole: F64) -> F64:
    """Return part / whole, NaN where the whole is 0."""
    missing = np.full(np.broadcast(part, whole).shape, np.nan)
    result: F64 = np.divide(part, whole, out=missing, where=whole != 0)
    return result
