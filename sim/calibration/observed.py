"""What a firm has observed, as arrays: a household panel, an order log.

Units (households, customers) are numbered 0.. in the order of their first row; the rows of one unit
are neighbours, in the order of time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sim.types import F64

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Panel:
    """Choices of households among brands, with what each brand cost when they chose."""

    source: str
    """The file, as messages name it."""
    brands: tuple[str, ...]
    attributes: tuple[str, ...]
    """What is known of a brand on an occasion beside its price: `feat`, `disp`."""
    chosen: Integers
    """(n_rows,) number of the brand bought."""
    price: F64
    """(n_rows, n_brands), as a ratio to the mean over rows and brands."""
    price_unit: float
    """That mean, in the file's unit."""
    x: F64
    """(n_rows, n_brands, n_attributes)."""
    first: Integers
    """(n_units + 1,) first row of each household."""
    first_test: Integers
    """(n_units,) first row that is kept back for the test."""
    day: Integers | None = None
    """(n_rows,) days since the file's first; None if the file has no dates."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Reason to the number of rows that were not used."""
    notes: tuple[str, ...] = ()
    """What the reader of the file has to say of it."""

    @property
    def n_units(self) -> int:
        """Number of households."""
        return len(self.first) - 1

    @property
    def train(self) -> NDArray[np.bool_]:
        """(n_rows,) whether a row is for estimation."""
        rows = np.arange(len(self.chosen))
        mask: NDArray[np.bool_] = rows < np.repeat(self.first_test, np.diff(self.first))
        return mask


@dataclass(frozen=True)
class Log:
    """Orders of one firm's customers; those of one customer on one day are one row."""

    source: str
    """The file, as messages name it."""
    customers: NDArray[np.str_]
    """(n_units,) as the file names them."""
    first: Integers
    """(n_units + 1,) first row of each customer."""
    day: Integers
    """(n_rows,) days since the file's first."""
    amount: F64 | None
    """(n_rows,) money; None if the file has none."""
    split: int
    """Last day that is for estimation; the days after it are kept back for the test."""
    end: int
    """Last day that was observed."""
    origin: str = ""
    """Date of day 0, YYYY-MM-DD; empty if the file counts days."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Reason to the number of rows that were not used."""
    notes: tuple[str, ...] = ()
    """What the reader of the file has to say of it."""

    @property
    def n_units(self) -> int:
        """Number of customers."""
        return len(self.first) - 1
