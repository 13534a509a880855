"""Pictures of a market's scorecard: what it shows beside what was published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sim.report.figures import (
    BASELINE,
    INK,
    MUTED,
    PLAN,
    PLAN_COLOURS,
    RULE,
    STYLE,
    end_labels,
    new_figure,
    plot_axes,
)
from sim.report.numbers import percent, plain

HERE, EXPECTED = PLAN, BASELINE
Series = Mapping[str, Any]


def jeopardy(brands: Sequence[str], series: Series) -> Figure:
    """Draw each brand's buyers and how often they buy, on the line that a Dirichlet expects."""
    with rc_context(STYLE):
        figure, ax = _panel()
        order = np.argsort(series["penetration_expected"])
        line = (np.asarray(series[name])[order]
                for name in ("penetration_expected", "frequency_expected"))  # fmt: skip
        ax.plot(*line, color=EXPECTED, linewidth=2, zorder=2)
        ax.plot(series["penetration"], series["frequency"], "o", color=HERE, markersize=8, zorder=3)
        for b, side in _sides(series).items():
            ax.annotate(
                brands[b],
                (series["penetration"][b], series["frequency"][b]),
                (0, 10 * side),
                textcoords="offset points",
                ha="center",
                va="bottom" if side > 0 else "top",
                fontsize=11,
            )
        ax.set_xlim(0, 1.15 * max(series["penetration"]))
        ax.set_ylim(0, 1.25 * max(series["frequency"]))
        _percent(ax.xaxis)
        ax.set_xlabel("buyers in a year, share of people", loc="right")
        ax.set_ylabel("purchases per buyer", loc="top")
    return figure


NEAR = 0.08
"""Share of the axis within which two labels would meet."""


def _sides(series: Series) -> dict[int, int]:
    """Return for each brand whether its label stands above (1) or below (-1) its dot.

    Away from the line, and not on the same side as a neighbour's next to it.
    """
    sides: dict[int, int] = {}
    before, room = -np.inf, NEAR * max(series["penetration"])
    for b in np.argsort(series["penetration"]).tolist():
        side = 1 if series["frequency"][b] >= series["frequency_expected"][b] else -1
        place = series["penetration"][b]
        if place - before < room and side == list(sides.values())[-1]:
            side = -side
        sides[b], before = side, place
    return sides


def purchases(series: Series) -> Figure:
    """Draw how many people buy the category how often in a year, with the NBD's expectation."""
    with rc_context(STYLE):
        figure, ax = _panel()
        times = np.asarray(series["purchases"])
        ax.bar(times, series["people"], width=0.8, color=HERE, linewidth=0)
        ax.plot(times, series["people_expected"], "o", color="white", mec=INK, mew=1.6,
                markersize=6.5, zorder=4)  # fmt: skip
        ax.set_xticks(times, [*(plain(n) for n in times[:-1]), f"{plain(times[-1])}+"])
        _percent(ax.yaxis)
        ax.set_xlabel("purchases of the category in a year", loc="right")
    return figure


def growth(brands: Sequence[str], series: Series) -> Figure:
    """Draw how buyers grow with the window, with what the NBD foresees from one quarter."""
    with rc_context(STYLE):
        figure, ax = _panel(right=84)
        ends = []
        for b, name in enumerate(brands):
            tone = PLAN_COLOURS[b % len(PLAN_COLOURS)]
            seen = series["penetration"][b]
            ax.plot(series["quarters"], series["penetration_expected"][b], color=tone, linewidth=2)
            ax.plot(series["quarters"], seen, "o", color=tone, markersize=6.5)
            ends.append((seen[-1], name, tone))
        ax.set_ylim(bottom=0)
        ax.set_xticks(series["quarters"], [plain(q) for q in series["quarters"]])
        _percent(ax.yaxis)
        ax.set_xlabel("quarters", loc="right")
        end_labels(ax, series["quarters"][-1], ends, size=11)
    return figure


def retention(series: Series) -> Figure:
    """Draw the share of a cohort that is still there, and of those, the share that stays on."""
    with rc_context(STYLE):
        figure, ax = _panel(right=96)
        active = np.asarray(series["active"], dtype=float)
        quarters = np.arange(len(active))
        kept = active[1:] / active[:-1]
        ax.plot(quarters, active, "o-", color=HERE, linewidth=2, markersize=5)
        ax.plot(quarters[1:], kept, "o-", color=EXPECTED, linewidth=2, markersize=5)
        ax.set_ylim(0, 1.08 * max(1.0, kept.max()))
        _percent(ax.yaxis)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_xlabel("quarters since the first purchase", loc="right")
        end_labels(ax, quarters[-1], [(active[-1], "still there", HERE),
                                      (kept[-1], "stays on", EXPECTED)], size=11)  # fmt: skip
    return figure


def promotion(series: Series) -> Figure:
    """Draw what a cut of one quarter adds to the brand's and to the category's sales."""
    with rc_context(STYLE):
        figure, ax = _panel()
        brand = np.asarray(series["brand"], dtype=float)[:SHOWN]
        category = np.asarray(series["category"], dtype=float)[:SHOWN]
        quarters = np.arange(1, len(brand) + 1)
        for values, side, tone in ((brand, -0.2, HERE), (category, 0.2, EXPECTED)):
            ax.bar(quarters + side, values, width=0.38, color=tone, linewidth=0)
        ax.axhline(0, color=RULE, linewidth=1)
        labels = (
            (0.8, brand[0], HERE, "center"),
            (1.03, category[0], EXPECTED, "left"),
            (2.2, category[1], EXPECTED, "center"),
        )
        for place, value, tone, align in labels:
            above = value >= 0
            ax.annotate(
                percent(value, 0, signed=True),
                (place, value),
                (0, 4 if above else -4),
                textcoords="offset points",
                ha=align,
                va="bottom" if above else "top",
                color=tone,
                fontsize=11,
                fontweight="bold",
            )
        ax.set_xticks(quarters)
        ax.margins(y=0.14)
        _percent(ax.yaxis)
        ax.set_xlabel("quarter; the cut is in the first", loc="right")
    return figure


SHOWN = 8
"""Quarters of a promotion that are drawn."""


def programme(series: Series) -> Figure:
    """Draw how a loyalty programme moves what people do and what they answer."""
    with rc_context(STYLE):
        figure, ax = _panel(right=76)
        ends = []
        for name, label, tone in (("behaviour", "share", HERE), ("attitude", "answer", EXPECTED)):
            values = np.asarray(series[name], dtype=float)
            ax.plot(np.arange(1, len(values) + 1), values, "o-", color=tone, linewidth=2,
                    markersize=5)  # fmt: skip
            ends.append((values[-1], label, tone))
        ax.axhline(0, color=RULE, linewidth=1)
        _percent(ax.yaxis, 1)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_xlabel("quarter of the programme", loc="right")
        end_labels(ax, len(values), ends, size=11)
    return figure


def _panel(right: float = 12) -> tuple[Figure, Axes]:
    figure = new_figure(480, 320)
    ax = plot_axes(figure, 52, right, 24, 42)
    ax.tick_params(labelcolor=MUTED)
    return figure, ax


def _percent(axis: Any, places: int = 0) -> None:
    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: percent(value, places)))
