"""The focal brand's membership: who belongs, what it owes them, who moves between tiers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim.config.market import Market
from sim.kernels import layout as at
from sim.measures.columns import Table, from_rows
from sim.measures.history import History
from sim.measures.record import Record
from sim.types import F64


def members(h: History) -> F64:
    """People who hold a tier of the membership at the quarter's end (simulated customers)."""
    return h.focal(h.tiers[..., 1:].sum(axis=(-1, -2)))


def points(h: History) -> F64:
    """Value of points neither redeemed nor expired at the quarter's end (currency): a debt."""
    return h.club(at.POINTS)


def redeemed(h: History) -> F64:
    """Value of points redeemed in the quarter (currency)."""
    return h.club(at.REDEEMED)


def expired(h: History) -> F64:
    """Value of points that expired in the quarter (currency)."""
    return h.club(at.EXPIRED)


def tier_table(records: Sequence[Record], market: Market, scale: float) -> Table:
    """Return who held which tier before and after each quarter of the plan.

    Parameters
    ----------
    records
        Records in order of quarter; those of burn-in are passed over.
    market
        Names of segments.
    scale
        Real customers per simulated one.

    Returns
    -------
    Table
        Columns quarter, segment, from_tier, to_tier, customers (real ones). Tiers are numbers, 0
        for who is no member; flows of nobody have no row. Empty if nobody ever is a member.
    """
    segments = [segment.name for segment in market.segments] + ["all"]
    lived = [record for record in records if record.quarter >= 1]
    columns = ["quarter", "segment", "from_tier", "to_tier", "customers"]
    if not any(record.tiers.reshape(-1, at.N_TIERS**2)[:, 1:].any() for record in lived):
        return from_rows(columns, [])
    flows = np.stack([record.tiers for record in lived])
    quarter, segment, before, after = np.nonzero(flows)
    given = (
        np.array([record.quarter for record in lived])[quarter],
        np.array(segments)[segment],
        before,
        after,
        scale * flows[quarter, segment, before, after],
    )
    return dict(zip(columns, given, strict=True))
