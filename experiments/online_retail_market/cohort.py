"""Does the market keep customers as long as real ones stayed? Simulated cohorts beside CDNOW's.

    python experiments/online_retail_market/cohort.py

Lives today's plan in many worlds, follows the focal brand's first-time buyers quarter by quarter
and sets them beside the active shares that `estimate.py` measured; writes `cohort.svg`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

import sim

HERE = Path(__file__).parent
QUARTERS = 6
SETTLED = -4
"""First cohort that counts: before, many first-time buyers are residents whose past is drawn."""


def active_shares(cohorts: pd.DataFrame) -> pd.DataFrame:
    """Return the active share by age, a row per replication.

    Parameters
    ----------
    cohorts
        Columns replication, first_quarter, age, buyers.
    """
    last = cohorts.first_quarter.max() - QUARTERS + 1
    followed = cohorts[cohorts.first_quarter.between(SETTLED, last) & (cohorts.age < QUARTERS)]
    buyers = followed.pivot_table("buyers", "replication", "age", aggfunc="sum")
    return buyers.div(buyers[0], axis=0)


def draw(simulated: pd.DataFrame, real: np.ndarray) -> Figure:
    """Draw both curves, the simulated one with the band of its worlds."""
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    ax = figure.subplots()
    ages = np.arange(1, QUARTERS)
    again = simulated[ages]
    ax.fill_between(
        ages, again.quantile(0.1), again.quantile(0.9), color="#0072B2", alpha=0.2, lw=0
    )
    ax.plot(ages, again.mean(), color="#0072B2", marker="o")
    ax.plot(ages, real[1:], color="#D55E00", marker="s", ls="--")
    for text, y, shift, colour in (
        ("simulated, band from P10 to P90 of the worlds", again[2].mean(), 14, "#0072B2"),
        ("CDNOW, customers of early 1997", real[2], -36, "#D55E00"),
    ):
        ax.annotate(text, (2, y), (0, shift), textcoords="offset points", color=colour)
    ax.set(
        xlabel="quarters since the first purchase",
        ylabel="share of the cohort that buys",
        ylim=(0, 0.3),
        xticks=ages,
    )
    ax.set_title("First-time buyers who buy again", loc="left")
    ax.spines[["top", "right"]].set_visible(False)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    return figure


def main() -> None:
    """Live, compare, draw."""
    real = json.loads((HERE / "estimates.json").read_text())["purchasing"]["active_by_quarter"]
    config = sim.load(
        "retail_three_phase",
        ["plan=today", "customers=20000", "replications=32", "engine.progress=false"],
    )
    simulated = active_shares(sim.simulate(config).cohort)
    table = pd.DataFrame({"real": real, "simulated": simulated.mean(), "sd": simulated.std()})
    table["points apart"] = 100 * (table.simulated - table.real)
    print(table.round(3).to_string())
    with rc_context({"svg.hashsalt": "cohort"}):  # the same figure gives the same file
        draw(simulated, np.array(real)).savefig(HERE / "cohort.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
