"""Which phase should be cut, and for whom? The sweep of `design.yaml` as tables and a figure.

    python experiments/budget_cuts/answer.py outputs/sweeps/budget_cuts

Sets each cut plan beside the full one in the same world, point by point, and takes means over
points with their 95% intervals. Writes `cuts.csv`, `contests.csv`, `firms.csv`, `segments.csv` and
`answer.png` beside this file, or into the folder given second.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from plans import CUTS, EVENLY, FULL, HERE, PHASES, PLACES, TOTAL, name_of

import sim
from sim.config.design import read_design
from sim.finance.risk_figures import half_width
from sim.report.figures import INK, MUTED, PLAN_COLOURS, STYLE
from sim.sweep.reading import Sweep

NOTHING = "today"
PLANS = {name_of(place, cut): (place, cut) for cut in CUTS for place in PLACES}
PLANS[NOTHING] = (NOTHING, TOTAL)
LARGE = max(CUTS)
MILLION = 1e6
FIFTHS = 5
SEGMENTS = ("ordinary", "young", "vip")
WORDS = {**PHASES, EVENLY: "each in proportion"}
COLOURS = dict(zip(PLACES, PLAN_COLOURS[1:], strict=False))
FIGURES = ("npv", "earned", "saved", "loyalty", "churn")
"""What a cut changes: CNY million; so of margin earned, and of spend saved; points of the
loyalty index; percentage points of yearly churn."""


# --- pairs ---------------------------------------------------------------------------------------


def paired(sweep: Sweep) -> pd.DataFrame:
    """Return what each cut changes at each point, with the point's factors.

    A row per point and plan, the plan of no programme at all included: its figures less those of
    the full plan in the same worlds, the mean over worlds.
    """
    found = sweep.sql(
        f"""SELECT cut.point, cut.plan,
            avg(cut.npv - uncut.npv) / {MILLION} AS npv,
            avg(cut.incremental_margin - uncut.incremental_margin) / {MILLION} AS earned,
            avg(uncut.spend - cut.spend) / {MILLION} AS saved,
            avg(cut.loyalty_index - uncut.loyalty_index) AS loyalty,
            100 * avg(cut.churn_annual - uncut.churn_annual) AS churn
        FROM outcomes AS cut JOIN outcomes AS uncut USING (point, replication)
        WHERE uncut.plan = '{FULL}' AND cut.plan <> '{FULL}'
            AND cut.error IS NULL AND uncut.error IS NULL
        GROUP BY cut.point, cut.plan ORDER BY cut.point, cut.plan"""
    )
    found["place"] = [PLANS[plan][0] for plan in found.plan]
    found["cut"] = [PLANS[plan][1] for plan in found.plan]
    return found.merge(sweep.points.drop(columns="run"), on="point")


def interval(values: pd.Series) -> tuple[float, float, float]:
    """Return mean, low and high end of its 95% interval; missing values are left out."""
    known = values.dropna().to_numpy(dtype=float)
    half = half_width(known)
    return known.mean(), known.mean() - half, known.mean() + half


def intervals(prefix: str, values: pd.Series) -> dict[str, float]:
    """Return the same as columns of a table."""
    mean, low, high = interval(values)
    return {prefix: mean, f"{prefix}_low": low, f"{prefix}_high": high}


def beside(pairs: pd.DataFrame, cut: int, figure: str) -> pd.DataFrame:
    """Return a figure of cuts of one size: a row per point, a column per place."""
    chosen = pairs[(pairs.cut == cut) & pairs.place.isin(PLACES)]
    return chosen.pivot_table(figure, "point", "place")[list(PLACES)]


def standings(table: pd.DataFrame) -> dict[str, str]:
    """Return how each column stands: the one with the highest mean is best.

    Another is `not told apart` from it if the 95% interval of the paired difference holds zero.
    """
    top = str(table.mean().idxmax())
    found = {top: "best"}
    for place in table.columns.drop(top):
        _, low, _ = interval(table[top] - table[place])
        found[str(place)] = "worse" if low > 0 else "not told apart"
    return found


# --- tables --------------------------------------------------------------------------------------


def cuts_table(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return what each cut changes in the mean over points; last, what no programme at all would.

    `pays` is the share of points at which the NPV rises, `lost_per_yuan` the margin that is lost
    for a yuan saved, `loyalty_per_million` the points of loyalty that a million saved costs.
    """
    rows = []
    for plan, (place, cut) in PLANS.items():
        own = pairs[pairs.plan == plan]
        row = {"cut": cut, "place": place, "points": len(own), "pays": (own.npv > 0).mean()}
        for figure in FIGURES:
            row |= intervals(figure, own[figure])
        row["lost_per_yuan"] = -own.earned.mean() / own.saved.mean()
        row["loyalty_per_million"] = -own.loyalty.mean() / own.saved.mean()
        rows.append(row)
    return pd.DataFrame(rows)


def contests_table(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return by how much a cut at one place is better than at another.

    `told` says whether the two can be told apart: the interval of their difference leaves out zero.
    """
    rows = []
    for cut in CUTS:
        for figure in ("npv", "loyalty"):
            table = beside(pairs, cut, figure)
            for one, other in combinations(PLACES, 2):
                mean, low, high = interval(table[one] - table[other])
                rows.append({"cut": cut, "figure": figure, "at": one, "rather_than": other,
                             "mean": mean, "low": low, "high": high,
                             "told": low > 0 or high < 0})  # fmt: skip
    return pd.DataFrame(rows)


def firms_of(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return what the firm and its market are like at each point.

    `earning` is what a firm has to lose: customers x purchases of each in a quarter x margin.
    """
    named = [factor.column for factor in read_design(str(HERE / "design.yaml")).factors]
    points = pairs.drop_duplicates("point").set_index("point")
    firms = points[[name for name in named if name != "world"]]
    return firms.assign(earning=firms.customers * firms.purchases * firms.margin)


def parts_of(values: pd.Series) -> Iterator[tuple[int, pd.Index]]:
    """Yield the points of each fifth of all, numbered from 1, by their values; none is empty."""
    fifth = np.ceil(values.rank(pct=True, method="first") * FIFTHS - 1e-9)
    for number, inside in values.groupby(fifth):
        yield int(number), inside.index


def firms_table(pairs: pd.DataFrame, cut: int = LARGE) -> pd.DataFrame:
    """Return by fifths of each factor what a cut changes in NPV, and where it is best made."""
    firms = firms_of(pairs)
    npv, earned, saved = (beside(pairs, cut, name) for name in ("npv", "earned", "saved"))
    rows = []
    for factor in firms:
        for fifth, inside in parts_of(firms[factor]):
            values = firms[factor][inside]
            standing = standings(npv.loc[inside])
            for place in PLACES:
                lost = -earned[place][inside] / saved[place][inside]
                row = {"factor": factor, "fifth": fifth, "from": values.min(), "to": values.max(),
                       "points": len(inside), "place": place,
                       "standing": standing[place]}  # fmt: skip
                rows.append(
                    row | intervals("npv", npv[place][inside]) | intervals("lost_per_yuan", lost)
                )
    return pd.DataFrame(rows)


def segments_table(sweep: Sweep) -> pd.DataFrame:
    """Return by segment what a cut changes in loyalty and in yearly churn."""
    found = sweep.sql(
        f"""SELECT cut.point, cut.plan, cut.segment,
            avg(cut.loyalty_index - uncut.loyalty_index) AS loyalty,
            100 * avg(cut.churn_annual - uncut.churn_annual) AS churn
        FROM segments AS cut JOIN segments AS uncut USING (point, replication, segment)
        WHERE uncut.plan = '{FULL}' AND cut.plan <> '{FULL}'
        GROUP BY ALL"""
    )
    rows = []
    for plan, (place, cut) in PLANS.items():
        for segment in SEGMENTS:
            own = found[(found.plan == plan) & (found.segment == segment)]
            row = {"cut": cut, "place": place, "segment": segment, "points": len(own)}
            rows.append(row | intervals("loyalty", own.loyalty) | intervals("churn", own.churn))
    return pd.DataFrame(rows)


def answer(sweep: Sweep) -> dict[str, pd.DataFrame]:
    """Return all tables by name."""
    pairs = paired(sweep)
    return {
        "cuts": cuts_table(pairs),
        "contests": contests_table(pairs),
        "firms": firms_table(pairs),
        "segments": segments_table(sweep),
    }


# --- figure --------------------------------------------------------------------------------------


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw what cuts cost, for which firms, and in which customers."""
    figure = Figure(figsize=(13.6, 5.0), layout="constrained")
    trade, size, people = figure.subplots(1, 3, width_ratios=(1.15, 1, 1))
    draw_trade(trade, tables["cuts"])
    draw_size(size, tables["firms"])
    draw_people(people, tables["segments"])
    for ax, title in (
        (trade, "What a cut does to value and loyalty"),
        (size, "What a saved yuan loses of margin"),
        (people, "Whose loyalty a cut of a million costs"),
    ):
        ax.set_title(title, loc="left", fontsize=12, color=INK)
    return figure


def draw_trade(ax: Axes, cuts: pd.DataFrame) -> None:
    """Draw both cuts of each place as a path from the full plan."""
    ax.axhline(0, color=MUTED, lw=1)
    ax.plot(0, 0, "o", color=INK)
    ax.annotate("full plan", (0, 0), (8, -16), textcoords="offset points", color=INK)
    for place in PLACES:
        own = cuts[cuts.place == place].sort_values("cut")
        colour = COLOURS[place]
        ax.plot([0, *own.loyalty], [0, *own.npv], color=colour, lw=1.5, alpha=0.6)
        ax.errorbar(own.loyalty, own.npv, own.npv - own.npv_low, own.loyalty - own.loyalty_low,
                    fmt="none", color=colour)  # fmt: skip
        for x, y, cut in zip(own.loyalty, own.npv, own.cut, strict=True):
            ax.plot(x, y, "o", color=colour, ms=4 + 5 * cut / LARGE)
    ax.set(xlabel="loyalty index, points", ylabel="NPV, CNY million")
    ax.set_xlim(right=-0.2 * ax.get_xlim()[0])  # room for the name


def draw_size(ax: Axes, firms: pd.DataFrame) -> None:
    """Draw by firms' number of customers what is lost for a yuan that is saved."""
    chosen = firms[firms.factor == "customers"]
    ax.axhline(1, color=MUTED, lw=1)
    for place in PLACES:
        own = chosen[chosen.place == place]
        middle = np.sqrt(own["from"] * own["to"])
        colour = COLOURS[place]
        ax.fill_between(middle, own.lost_per_yuan_low, own.lost_per_yuan_high, color=colour,
                        alpha=0.2, lw=0)  # fmt: skip
        ax.plot(middle, own.lost_per_yuan, "o-", color=colour, ms=5, label=WORDS[place])
    ax.set_xscale("log")
    ticks = [150_000, 300_000, 600_000, 1_200_000]
    ax.set_xticks(ticks, [f"{tick / 1000:,.0f}" for tick in ticks])
    ax.set_xticks([], minor=True)
    ax.set(xlabel="customers of the firm, thousand", ylabel="CNY lost for each CNY saved")
    ax.annotate("as much lost as saved", (0, 1), (2, 3), xycoords=("axes fraction", "data"),
                textcoords="offset points", color=MUTED, fontsize=10)  # fmt: skip
    ax.legend(frameon=False, title="cut from", alignment="left")


def draw_people(ax: Axes, segments: pd.DataFrame) -> None:
    """Draw the change in loyalty of each segment."""
    chosen = segments[segments.cut == LARGE]
    gap = 0.16
    for index, place in enumerate(PLACES):
        own = chosen[chosen.place == place].set_index("segment").loc[list(SEGMENTS)]
        x = np.arange(len(SEGMENTS)) + gap * (index - (len(PLACES) - 1) / 2)
        ax.errorbar(x, own.loyalty, own.loyalty - own.loyalty_low, fmt="o", color=COLOURS[place])
    ax.axhline(0, color=MUTED, lw=1)
    ax.set_xticks(range(len(SEGMENTS)), SEGMENTS)
    ax.set(ylabel="loyalty index, points")


# --- all of it -----------------------------------------------------------------------------------


def main(sweep: str, folder: str = str(HERE)) -> None:
    """Read, compute, write."""
    with sim.open(sweep) as opened:
        print(opened)
        tables = answer(opened)
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.round(4).to_csv(Path(folder, f"{name}.csv"), index=False, lineterminator="\n")
    print(tables["cuts"].round(3).to_string())
    with rc_context(STYLE):
        draw(tables).savefig(Path(folder, "answer.png"), dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
