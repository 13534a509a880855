"""When in a relationship customers are lost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim.measures.record import Record


def early_loss_share(
    records: Sequence[Record], quarters_early: int = 2, followed: int = 8
) -> float:
    """Return the share of the focal brand's losses that fall early in the relationship, 0..1.

    Parameters
    ----------
    records
        All quarters of a run, burn-in included.
    quarters_early
        A loss is early if the last purchase came within so many quarters, the first purchase's
        own included.
    followed
        Only relationships are counted that began so many quarters before the end or sooner:
        among those that began late, all losses that can have been seen yet are early ones.

    Returns
    -------
    float
        NaN if no such loss was seen.
    """
    losses = np.sum([record.losses for record in records], axis=0)
    seen = losses[: max(records[-1].lived - followed, 0)]
    total = seen.sum()
    return float(seen[:, :quarters_early].sum() / total) if total else float("nan")
