"""Lanes: buyers side by side, in the order of how often they will buy.

The buyers of a block are sorted by their number of occasions, most first, and cut into strips of
WIDTH. A strip lives through all its occasions before the next strip begins:

                     lane   0    1    2    3   ...  31
    strip 0   row         417  402  430   88        12      a customer stays in its lane
              occasion 0    x    x    x    x         x
              occasion 1    x    x    x    x         x
              occasion 2    x    x    x    .         .      lane 0 has the most ahead, so a strip
              occasion 3    x    .    .    .         .      is done when lane 0 is
    strip 1   row         405  411   ...                    a dot buys nothing: its brand is NEVER

A phenomenon is a plain loop over the WIDTH lanes, free of branches, that LLVM turns into a few
vector instructions: 16 customers at a time where the processor has AVX-512, 8 with AVX2. Three
things make that work, and hold for every loop over lanes:

- WIDTH is a constant of the compilation: no loop has a rest to do.
- All rows of a strip are cut from one buffer that the calling function itself has made, so LLVM
  sees that they do not overlap. This asks that all functions between are compiled into one:
  `forceinline`. The rows of a strip stay in the first-level cache.
- State changes only in lanes that have bought; what concerns the brand chosen is picked from all
  brands and put back by comparing, brand by brand, never by an address that differs between lanes.

Customer x brand rows are brand-major, as in the columns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.kernels.instructions import inlined, reserve
from sim.kernels.layout import WIDTH

I32 = NDArray[np.int32]


@inlined
def empty_rows(n_rows, n_per_brand, n_brands):
    """Return room for rows that do not depend on the brand, the same as integers, and for others.

    They have shape (n_rows, WIDTH) twice, and (n_per_brand, n_brands, WIDTH).
    """
    rows = reserve((n_rows, WIDTH), np.float32)
    return rows, rows.view(np.int32), reserve((n_per_brand, n_brands, WIDTH), np.float32)


@inlined
def load(lane, column):
    """Take a strip's rows of a column, at most WIDTH, into lanes; lanes without a row get 0."""
    for j in range(column.shape[0]):
        lane[j] = column[j]
    for j in range(column.shape[0], WIDTH):
        lane[j] = 0


@inlined
def store(lane, column):
    """Write lanes into a strip's rows of a column, at most WIDTH."""
    for j in range(column.shape[0]):
        column[j] = lane[j]
