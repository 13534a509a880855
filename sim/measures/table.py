"""All measures by name, and the long table of a run."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
import pandas as pd

from sim.measures import attitude, behaviour, early_warning, loyalty_index, membership, rfm
from sim.measures.columns import Table
from sim.measures.history import History
from sim.types import F64

Measure = Callable[[History], F64]

MEASURES: dict[str, Measure] = {
    "customers": behaviour.customers,
    "buyers": behaviour.buyers,
    "penetration": behaviour.penetration,
    "purchases": behaviour.purchases,
    "revenue": behaviour.revenue,
    "share": behaviour.share,
    "share_of_requirements": behaviour.share_of_requirements,
    "purchase_frequency": behaviour.purchase_frequency,
    "order_value": behaviour.order_value,
    "repeat_rate": behaviour.repeat_rate,
    "retention": behaviour.retention,
    "churn": behaviour.churn,
    "churn_annual": behaviour.churn_annual,
    "new_buyers": behaviour.new_buyers,
    "won_back": behaviour.won_back,
    "cross_purchase": behaviour.cross_purchase,
    "activity": behaviour.activity,
    "satisfaction": attitude.satisfaction,
    "effort": attitude.effort,
    "nps": attitude.nps,
    "positive_opinions": attitude.positive_opinions,
    "problem_rate": attitude.problem_rate,
    "trust": attitude.trust,
    "bond": attitude.bond,
    "value": attitude.value,
    "price_premium": attitude.price_premium,
    "habit": attitude.habit,
    "awareness": attitude.awareness,
    "loyalty_index": loyalty_index.loyalty_index,
    "rfm_important_value": rfm.important_value,
    "rfm_important_develop": rfm.important_develop,
    "rfm_important_keep": rfm.important_keep,
    "rfm_important_win_back": rfm.important_win_back,
    "rfm_general_value": rfm.general_value,
    "rfm_general_develop": rfm.general_develop,
    "rfm_general_keep": rfm.general_keep,
    "rfm_general_win_back": rfm.general_win_back,
    "warned_yellow": early_warning.warned_yellow,
    "warned_red": early_warning.warned_red,
    "warning_precision": early_warning.warning_precision,
    "warning_recall": early_warning.warning_recall,
    "warning_accuracy": early_warning.warning_accuracy,
    "warning_lead": early_warning.warning_lead,
    "members": membership.members,
    "points": membership.points,
    "redeemed": membership.redeemed,
    "expired": membership.expired,
}
"""Name to measure; its unit and formula stand in the function's docstring."""


def measure_table(history: History, scale: float) -> pd.DataFrame:
    """Return a row per quarter x segment x brand and a column per measure, as a data frame.

    Parameters
    ----------
    history
        The run.
    scale
        Real customers per simulated one: counts and money are given for real customers.
    """
    return pd.DataFrame(measure_columns(history, scale))


def measure_columns(
    history: History, scale: float, names: Collection[str] = tuple(MEASURES)
) -> Table:
    """Return the columns of `measure_table`, or those of these measures only."""
    segments = [segment.name for segment in history.market.segments] + ["all"]
    brands = [brand.name for brand in history.market.brands]
    n_quarters, n_segments, n_brands = len(history.quarters), len(segments), len(brands)
    table: Table = {
        "quarter": np.repeat(history.quarters, n_segments * n_brands),
        "segment": np.tile(np.repeat(segments, n_brands), n_quarters),
        "brand": np.tile(brands, n_quarters * n_segments),
    }
    for name, measure in MEASURES.items():
        if name in names:
            values = measure(history).ravel()
            table[name] = values * scale if name in COUNTS else values
    return table


COUNTS = (
    "customers",
    "buyers",
    "purchases",
    "revenue",
    "new_buyers",
    "won_back",
    *(name for name in MEASURES if name.startswith(("rfm_", "warned_"))),
    "members",
    "points",
    "redeemed",
    "expired",
)
"""Measures that grow with the number of simulated customers."""
