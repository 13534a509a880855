"""Runs written by hand: a few people whose quarters can be read, and the sums that they leave."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sim.config.market import Brand, Market, Segment
from sim.kernels import layout as at
from sim.measures.history import History
from sim.measures.record import Record, empty_tally, with_total
from sim.types import MarketKind

People = Mapping[str, int]


def make_market(**change) -> Market:
    """Return a market of two brands and one segment, with the changes given."""
    usual = {"name": "m", "title": "m", "currency": "EUR", "company_customers": 1000,
             "basket": 10.0, "brands": (Brand("ours"), Brand("theirs")),
             "segments": (Segment("people", share=1.0),)}  # fmt: skip
    return Market(**(usual | change))


SUBSCRIPTION = make_market(kind=MarketKind.SUBSCRIPTION)


def table_of(people: People) -> np.ndarray:
    """Count people by activity history; '..x.' reads from the oldest quarter to the present one."""
    counts = np.zeros(at.HISTORY_SIZE, dtype=np.int64)
    for life, n in people.items():
        counts[int(life.replace("x", "1").replace(".", "0"), 2)] += n
    return counts


def make_record(
    people: People = {},  # noqa: B006  never written to
    flow: Mapping[int, float] = {},
    *,
    quarter: int = 1,
    lived: int = 20,
    trust: float = 0.8,
    market: Market | None = None,
    n_quarters: int = 20,
    **sums: np.ndarray,
) -> Record:
    """Return a quarter in which brand 0 has these people and sums; the rival has none.

    Parameters
    ----------
    sums
        Of the only segment, by their name in `Record`: club, tiers, rfm, warned, judged, lead,
        losses; zeros where none are given.
    """
    market = market or make_market()
    n_brands, n_segments = len(market.brands), len(market.segments)
    history = np.zeros((n_segments, n_brands, at.HISTORY_SIZE), dtype=np.int64)
    history[0, 0] = table_of(people)
    flows = np.zeros((n_segments, n_brands, at.N_FLOWS))
    category = np.zeros((n_segments, at.N_CATEGORY))
    for column, value in flow.items():
        flows[0, 0, column] = value
    category[0, at.CATEGORY_PURCHASES] = 2.0 * flow.get(at.PURCHASES, 0.0)
    size = np.zeros(n_segments)
    size[0] = history[0, 0].sum()
    empty = empty_tally(n_segments, n_brands, n_quarters)
    for name, values in sums.items():
        column = getattr(empty, name)
        column[...] = values
    return Record(
        quarter=quarter, lived=lived, size=with_total(size), flow=with_total(flows),
        category=with_total(category), history=with_total(history),
        switching=with_total(empty.switching), cohort=empty.cohort, losses=empty.losses,
        club=with_total(empty.club), tiers=with_total(empty.tiers),
        tier_revenue=with_total(empty.tier_revenue), rfm=with_total(empty.rfm),
        warned=with_total(empty.warned), judged=with_total(empty.judged),
        lead=with_total(empty.lead),
        trust=np.full((n_segments + 1, n_brands), trust), delivered=None, events=(),
    )  # fmt: skip


def make_history(*args, market: Market | None = None, **kwargs) -> History:
    """Return a run of one quarter, as `make_record` describes it."""
    market = market or make_market()
    return History([make_record(*args, market=market, **kwargs)], market)


def ours(values: np.ndarray) -> float:
    """Return a measure of the focal brand in the whole market, in the last quarter."""
    return float(values[-1, -1, 0])
