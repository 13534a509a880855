"""Members, points and the table of moves between tiers."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from histories import make_history, make_market, make_record, ours

from sim.kernels import layout as at
from sim.measures import membership
from sim.measures.columns import n_rows
from sim.measures.membership import tier_table


def moves(**counts: int) -> np.ndarray:
    """Return a table of moves; `from0to2=5` are five people."""
    table = np.zeros((at.N_TIERS, at.N_TIERS), dtype=np.int64)
    for name, n in counts.items():
        before, after = name.removeprefix("from").split("to")
        table[int(before), int(after)] = n
    return table


def test_members_hold_a_tier_now():
    run = make_history(tiers=moves(from0to0=50, from0to1=5, from1to1=20, from2to1=3, from2to0=4))
    assert ours(membership.members(run)) == 5 + 20 + 3
    assert math.isnan(float(membership.members(run)[-1, -1, 1]))


def test_points_are_read_from_the_books():
    club = np.zeros(at.N_CLUB)
    club[[at.POINTS, at.REDEEMED, at.EXPIRED, at.ISSUED]] = 900.0, 40.0, 7.0, 55.0
    run = make_history(club=club)
    assert ours(membership.points(run)) == 900.0
    assert ours(membership.redeemed(run)) == 40.0
    assert ours(membership.expired(run)) == 7.0


def test_the_table_holds_moves_of_the_plan_in_real_customers():
    market = make_market()
    quarters = [
        make_record(quarter=q, market=market, tiers=moves(from0to1=q + 5, from1to2=1))
        for q in (-1, 0, 1, 2)
    ]
    table = pd.DataFrame(tier_table(quarters, market, scale=10.0))
    assert list(table.columns) == ["quarter", "segment", "from_tier", "to_tier", "customers"]
    assert set(table["quarter"]) == {1, 2}
    assert set(table["segment"]) == {"people", "all"}
    joined = table[(table.segment == "all") & (table.from_tier == 0) & (table.to_tier == 1)]
    assert joined.set_index("quarter")["customers"].to_dict() == {1: 60.0, 2: 70.0}
    assert len(table) == 2 * 2 * 2, "moves of nobody need no row"


def test_a_brand_without_members_has_no_table():
    market = make_market()
    outsiders = make_record(market=market, tiers=moves(from0to0=9))
    assert n_rows(tier_table([outsiders], market, 1.0)) == 0
    assert n_rows(tier_table([], market, 1.0)) == 0


def test_the_last_member_who_leaves_is_still_a_move():
    market = make_market()
    table = tier_table([make_record(market=market, tiers=moves(from1to0=9))], market, 1.0)
    assert table["customers"].sum() == 2 * 9
