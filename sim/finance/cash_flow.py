"""The cash flow of the focal brand, quarter by quarter, in the market's currency."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sim.config.finance import Finance
from sim.config.plan import Plan
from sim.errors import ConfigError
from sim.kernels import layout as at
from sim.measures import behaviour
from sim.measures.history import History
from sim.measures.record import Record
from sim.types import F64, QUARTERS_PER_YEAR

COMPONENTS = (
    "revenue",
    "cost_of_goods",
    "reward_cost",
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
) -> pd.DataFrame:
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
    """
    begun = history.quarters >= 1
    delivered = [record.delivered for record in records if record.quarter >= 1]
    by_segment = history.flow(at.REVENUE)[begun, :-1, 0] * scale
    goods = history.flow(at.GOODS)[begun, -1, 0] * scale
    people = behaviour.customers(history)[begun, :, 0] * scale
    contacts = history.flow(at.CONTACTS)[begun, -1, 0] * scale
    newcomers = behaviour.new_buyers(history)[begun, -1, 0] * scale

    def of(name: str) -> F64:
        return np.array([getattr(quarter, name) for quarter in delivered], dtype=np.float64)

    members = (of("member_cost") * people[:, :-1]).sum(axis=1)
    table = pd.DataFrame(
        {
            "quarter": history.quarters[begun],
            "phase": [plan.phase_of(int(q)) for q in history.quarters[begun]],
            "revenue": by_segment.sum(axis=1),
            "cost_of_goods": -(1.0 - finance.gross_margin) * goods,
            "reward_cost": -(of("reward_rate") * by_segment).sum(axis=1),
            "acquisition_cost": -finance.acquisition_cost * newcomers,
            "service_cost": -(
                finance.keeping_cost / QUARTERS_PER_YEAR * people[:, -1]
                + finance.contact_cost * contacts
            ),
            "lever_capital": -of("capital"),
            "lever_running": -(of("running") + members),
            "staff": -of("staff"),
        }
    )
    table["net"] = table[list(COMPONENTS)].sum(axis=1)
    return table
