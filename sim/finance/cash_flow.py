"""The cash flow of the focal brand, quarter by quarter, in the market's currency."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.config.finance import Finance
from sim.config.plan import Plan
from sim.errors import ConfigError
from sim.kernels import layout as at
from sim.levers import LeverQuarter
from sim.measures import behaviour
from sim.measures.columns import Table
from sim.measures.history import History
from sim.measures.record import Record
from sim.types import F64, QUARTERS_PER_YEAR

COMPONENTS = (
    "revenue",
    "membership_fees",
    "cost_of_goods",
    "reward_cost",
    "save_offer_cost",
    "acquisition_cost",
    "service_cost",
    "lever_capital",
    "lever_running",
    "staff",
)
"""Columns that sum to `net`; money in is positive, money out negative."""

SPEND = ("lever_capital", "lever_running", "staff")
"""What the plan itself costs."""


def customer_scale(history: History) -> float:
    """Return how many real customers a simulated one stands for.

    The company's stated customers over the simulated focal customers when the plan begins.

    Raises
    ------
    ConfigError
        If the burn-in leaves no focal customer.
    """
    begun = history.quarters <= 0
    simulated = behaviour.customers(history)[begun, -1, 0]
    if not len(simulated) or simulated[-1] <= 0:
        raise ConfigError(
            "leaves the focal brand without a single customer when the plan begins",
            key="burn_in",
            allowed="a longer burn-in or more simulated customers",
        )
    return float(history.market.company_customers / simulated[-1])


def cash_flow(
    history: History, records: list[Record], plan: Plan, finance: Finance, scale: float
) -> Table:
    """Return a row per quarter of the plan with the columns of COMPONENTS, and their sum `net`.

    Parameters
    ----------
    history, records
        The run, stacked and as it was recorded.
    plan
        Names the phases.
    finance
        Margins and unit costs.
    scale
        Real customers per simulated one.

    Notes
    -----
    Goods cost (1 - gross margin) of their usual price, so a discount comes out of the margin.

    Points cost money when they are redeemed. Those outstanding are a debt, `points_liability`,
    which is in no sum; the part of it that members will redeem is paid off in the last quarter, so
    that no plan looks good for leaving a debt behind. Partners of a coalition pay their share.
    """
    begun = history.quarters >= 1
    delivered = [record.delivered for record in records if record.delivered is not None]
    by_segment = history.flow(at.REVENUE)[begun, :-1, 0] * scale
    goods = history.flow(at.GOODS)[begun, -1, 0] * scale
    people = behaviour.customers(history)[begun, :, 0] * scale
    contacts = history.flow(at.CONTACTS)[begun, -1, 0] * scale
    newcomers = behaviour.new_buyers(history)[begun, -1, 0] * scale

    def of(name: str) -> F64:
        return np.array([getattr(quarter, name) for quarter in delivered], dtype=np.float64)

    members = (of("member_cost") * people[:, :-1]).sum(axis=1)
    club = club_money(records, delivered, scale)
    flows = {
        "revenue": by_segment.sum(axis=1),
        "membership_fees": club.fees,
        "cost_of_goods": -(1.0 - finance.gross_margin) * goods,
        "reward_cost": -(of("reward_rate") * by_segment).sum(axis=1) - club.rewards,
        "save_offer_cost": -club.rescues,
        "acquisition_cost": -finance.acquisition_cost * newcomers,
        "service_cost": -(
            finance.keeping_cost / QUARTERS_PER_YEAR * people[:, -1]
            + finance.contact_cost * contacts
        ),
        "lever_capital": -of("capital"),
        "lever_running": -(of("running") + members),
        "staff": -of("staff"),
    }
    quarters = history.quarters[begun]
    return {
        "quarter": quarters,
        "phase": np.array([plan.phase_of(int(quarter)) for quarter in quarters]),
        **flows,
        "net": np.sum([flows[name] for name in COMPONENTS], axis=0),
        "points_liability": club.liability,
    }


def segment_cash(history: History, records: list[Record], finance: Finance, scale: float) -> F64:
    """Return the cash that each segment's customers bring, before what the plan itself costs.

    Parameters
    ----------
    history, records, finance, scale
        As for `cash_flow`.

    Returns
    -------
    Shape (n_quarters, n_segments): the part of `net` that is not of SPEND. Summed over segments it
    is the same to rounding.
    """
    begun = history.quarters >= 1
    delivered = [record.delivered for record in records if record.delivered is not None]
    revenue = history.flow(at.REVENUE)[begun, :-1, 0] * scale
    goods = history.flow(at.GOODS)[begun, :-1, 0] * scale
    contacts = history.flow(at.CONTACTS)[begun, :-1, 0] * scale
    rewards = np.array([quarter.reward_rate for quarter in delivered]) * revenue
    clubs = [club_money(records, delivered, scale, segment)
             for segment in range(revenue.shape[1])]  # fmt: skip
    club = np.stack([each.fees - each.rewards - each.rescues for each in clubs], axis=1)
    cash: F64 = (
        revenue
        - (1.0 - finance.gross_margin) * goods
        - rewards
        - finance.keeping_cost
        / QUARTERS_PER_YEAR
        * (behaviour.customers(history)[begun, :-1, 0] * scale)
        - finance.contact_cost * contacts
        - finance.acquisition_cost * (behaviour.new_buyers(history)[begun, :-1, 0] * scale)
        + club
    )
    return cash


class ClubMoney(NamedTuple):
    """What members and warned customers bring and cost, in currency, shape (n_quarters,) each."""

    fees: F64
    rewards: F64
    rescues: F64
    liability: F64


def club_money(
    records: list[Record], delivered: list[LeverQuarter], scale: float, segment: int = -1
) -> ClubMoney:
    """Return the money of the membership and of the offers against leaving.

    Parameters
    ----------
    records
        The run as it was recorded; quarters of the plan are taken.
    delivered
        What the levers gave in each of them.
    scale
        Real customers per simulated one.
    segment
        Index of the segment whose members are meant; -1 for all.
    """
    lived = [record for record in records if record.quarter >= 1]
    club = np.stack([record.club[segment] for record in lived]) * scale
    tiers = np.stack([record.tiers[segment].sum(axis=0) for record in lived]) * scale
    promises = [quarter.promise for quarter in delivered]
    own = 1.0 - np.array([promise.partner_share for promise in promises])
    incentives = np.array([p.incentive @ n for p, n in zip(promises, tiers, strict=True)])
    points = club[:, at.REDEEMED].copy()
    points[-1] += club[-1, at.POINTS] * _redeemed_in_the_end(lived[-1].club[-1] * scale)
    levels = np.array([promise.rescue_cost for promise in promises])
    return ClubMoney(
        fees=np.array([promise.fee for promise in promises]) * tiers[:, 1:].sum(axis=1),
        rewards=own * (points + incentives),
        rescues=(
            levels[:, at.YELLOW] * club[:, at.CARED_YELLOW]
            + levels[:, at.RED] * club[:, at.CARED_RED]
        ),
        liability=own * club[:, at.POINTS],
    )


def _redeemed_in_the_end(club: F64) -> float:
    """Return the share of outstanding points that will be redeemed if all goes on as now."""
    gone = club[at.REDEEMED] + club[at.EXPIRED]
    return float(club[at.REDEEMED] / gone) if gone > 0 else 0.0
