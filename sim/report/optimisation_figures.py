"""Pictures of an optimisation: budget maps, what changed, plans beside each other, the search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sim.planning.ranking import Estimate
from sim.report.figures import (
    BASELINE,
    INK,
    LOSS,
    MUTED,
    PALE,
    PLAN,
    PLAN_COLOURS,
    STYLE,
    apart,
    new_figure,
    plot_axes,
)
from sim.report.numbers import MoneyUnit, plain
from sim.report.sweep_figures import ASCENDING
from sim.types import F64

WIDE, HALF = 1008, 480
"""Widths of the page and of half of it, in CSS pixels."""
LABEL: Final = 10.5
NAMES_WIDE: Final = 190
NUMBERS_UP_TO: Final = 6
"""Spans of a map up to which each square has its number."""
DARK: Final = 0.62
"""Part of the largest sum from which a square's number is white."""
CLOSE: Final = 0.05
"""Part of a picture's range within which two labels would overlap."""
CORNERS: Final = ((8, 8), (8, -9), (-8, 8), (-8, -9))
"""Where labels of points that lie close go, in turn."""
ROW: Final = 30

Number = Callable[[float], str]


class Spot(NamedTuple):
    """A plan in the picture of two goals."""

    name: str
    x: Estimate
    y: Estimate
    member: bool


def maps(
    levers: Sequence[str], spans: Sequence[str], sides: Mapping[str, F64], unit: MoneyUnit
) -> Figure:
    """Draw what each lever gets when, as squares, before and after.

    Parameters
    ----------
    levers, spans
        Names of rows and columns.
    sides
        Title to currency, shape (n_levers, n_spans) each.
    unit
        In which money is told.
    """
    height = 62 + ROW * (len(levers) + 1) + 8
    room = (WIDE - NAMES_WIDE) / len(sides)
    most = max(float(money.max()) for money in sides.values()) or 1.0
    with rc_context(STYLE):
        figure = new_figure(WIDE, height)
        for place, (title, money) in enumerate(sides.items()):
            left = NAMES_WIDE + place * room
            ax = plot_axes(figure, left, WIDE - left - room + 26, 62, 8)
            _map(ax, money, most, unit)
            ax.annotate(title, (0, 1), (0, 42), xycoords="axes fraction", fontweight="bold",
                        textcoords="offset points", fontsize=12, va="bottom")  # fmt: skip
            _span_names(ax, spans)
            if place == 0:
                for row, lever in enumerate((*levers, "All")):
                    ax.annotate(lever, (0, row), (-10, 0), xycoords=("axes fraction", "data"),
                                textcoords="offset points", ha="right", va="center", fontsize=11.5,
                                fontweight="bold" if row == len(levers) else "normal")  # fmt: skip
    return figure


def _map(ax: Axes, money: F64, most: float, unit: MoneyUnit) -> None:
    n_levers, n_spans = money.shape
    ax.set_xlim(-0.5, n_spans + 0.75)
    ax.set_ylim(n_levers + 0.5, -0.5)
    ax.grid(visible=False)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines["bottom"].set_visible(False)
    numbers = n_spans <= NUMBERS_UP_TO
    for row in range(n_levers):
        for column in range(n_spans):
            amount = float(money[row, column])
            strength = amount / most
            face = ASCENDING(0.06 + 0.8 * strength) if amount > 0 else PALE
            ax.add_patch(Rectangle((column - 0.47, row - 0.44), 0.94, 0.88, facecolor=face,
                                   linewidth=0))  # fmt: skip
            if numbers and amount > 0:
                tone = "white" if strength > DARK else INK
                ax.text(column, row, unit.number(amount), ha="center", va="center",
                        fontsize=LABEL, color=tone)  # fmt: skip
        total = float(money[row].sum())
        ax.text(n_spans + 0.7, row, unit.number(total) if total else plain(None), ha="right",
                va="center", fontsize=LABEL, color=INK if total else MUTED)  # fmt: skip
    if numbers:
        for column in range(n_spans):
            ax.text(column, n_levers, unit.number(float(money[:, column].sum())), ha="center",
                    va="center", fontsize=LABEL, color=MUTED)  # fmt: skip
    ax.text(n_spans + 0.7, n_levers, unit.number(float(money.sum())), ha="right", va="center",
            fontsize=LABEL, fontweight="bold")  # fmt: skip


def _span_names(ax: Axes, spans: Sequence[str]) -> None:
    few = len(spans) <= NUMBERS_UP_TO
    for column, span in enumerate(spans):
        ax.annotate(span if few else span.rpartition(" ")[2], (column, 1), (0, 8),
                    xycoords=("data", "axes fraction"), textcoords="offset points", ha="center",
                    va="bottom", fontsize=LABEL, color=MUTED)  # fmt: skip
    ax.annotate("All", (len(spans) + 0.7, 1), (0, 8), xycoords=("data", "axes fraction"),
                textcoords="offset points", ha="right", va="bottom", fontsize=LABEL,
                color=MUTED)  # fmt: skip


def changes(levers: Sequence[str], before: F64, after: F64, unit: MoneyUnit) -> Figure:
    """Draw each lever's money before and after, shape (n_levers,), most gained first."""
    order = np.argsort(before - after, kind="stable")
    with rc_context(STYLE):
        figure = new_figure(HALF, 64 + ROW * len(levers))
        ax = plot_axes(figure, NAMES_WIDE - 20, 64, 30, 34)
        ax.set_ylim(len(levers) - 0.5, -0.5)
        ax.set_yticks([])
        ax.grid(visible=True, axis="x")
        ax.grid(visible=False, axis="y")
        most = float(max(before.max(), after.max(), 1.0))
        ax.set_xlim(0, 1.03 * most)
        for row, place in enumerate(order):
            old, new = float(before[place]), float(after[place])
            tone = PLAN if new > old else LOSS if new < old else BASELINE
            ax.plot([old, new], [row, row], color=tone, linewidth=4, alpha=0.35, zorder=1.5)
            ax.plot(old, row, "o", color="white", markeredgecolor=BASELINE, markeredgewidth=1.8,
                    markersize=7, clip_on=False)  # fmt: skip
            ax.plot(new, row, "o", color=tone, markersize=7.5, clip_on=False)
            _left_name(ax, row, levers[place])
            ax.annotate(unit.number(new - old, signed=True), (1, row), (10, 0), ha="left",
                        xycoords=("axes fraction", "data"), textcoords="offset points",
                        va="center", fontsize=LABEL, color=tone)  # fmt: skip
        _money_axis(ax, unit)
        _key(ax, [("your plan", BASELINE, "white"), ("best plan", PLAN, PLAN)])
    return figure


def _left_name(ax: Axes, row: float, name: str, *, strong: bool = False) -> None:
    ax.annotate(name, (0, row), (-12, 0), xycoords=("axes fraction", "data"), ha="right",
                textcoords="offset points", va="center", fontsize=11.5,
                fontweight="bold" if strong else "normal")  # fmt: skip


def _money_axis(ax: Axes, unit: MoneyUnit) -> None:
    ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: unit.number(value)))


def _key(
    ax: Axes, items: Sequence[tuple[str, str, str]], per_row: int = 9, mark: str = "●"
) -> None:
    """Name colours above a picture: text, tone of the mark, and its face; the first is round."""
    rows = -(-len(items) // per_row)
    lift = 12 if rows == 1 else 44
    left = 0.0 if rows == 1 else -60.0
    for place, (text, edge, face) in enumerate(items):
        if place and place % per_row == 0:
            left, lift = -60.0, lift - 17
        sign = "○" if face == "white" else mark if place else "●"
        ax.annotate(sign, (0, 1), (left, lift), color=edge, xycoords="axes fraction",
                    textcoords="offset points", va="center", fontsize=12)  # fmt: skip
        ax.annotate(text, (0, 1), (left + 15, lift), xycoords="axes fraction", color=MUTED,
                    textcoords="offset points", va="center", fontsize=LABEL)  # fmt: skip
        left += 34 + 6.0 * len(text)


def beside(names: Sequence[str], figures: Sequence[Estimate], number: Number) -> Figure:
    """Draw a figure of each plan with its 95% interval, the first one marked."""
    with rc_context(STYLE):
        figure = new_figure(HALF, 44 + 34 * len(names))
        ax = plot_axes(figure, NAMES_WIDE - 20, 64, 8, 34)
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.set_yticks([])
        ax.grid(visible=True, axis="x")
        ax.grid(visible=False, axis="y")
        ends = [end for one in figures for end in (one.low, one.high, one.mean)
                if np.isfinite(end)]  # fmt: skip
        low, high = min(*ends, 0.0), max(*ends, 0.0)
        room = 0.05 * (high - low) or 1.0
        ax.set_xlim(low - room if low < 0 else low, high + room)
        if low < 0 < high:
            ax.axvline(0, color=MUTED, linewidth=1, zorder=1.5)
        for row, (name, one) in enumerate(zip(names, figures, strict=True)):
            tone = PLAN if row == 0 else BASELINE
            ax.plot([one.low, one.high], [row, row], color=tone, linewidth=7, alpha=0.3,
                    solid_capstyle="butt")  # fmt: skip
            ax.plot(one.mean, row, "o", color=tone, markersize=8)
            _left_name(ax, row, name, strong=row == 0)
            ax.annotate(number(one.mean), (1, row), (10, 0), xycoords=("axes fraction", "data"),
                        textcoords="offset points", va="center", fontsize=LABEL,
                        color=tone if row == 0 else INK)  # fmt: skip
        ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    return figure


def search(path: F64, stages: Sequence[tuple[int, str]], fresh: Estimate, number: Number) -> Figure:
    """Draw the best plan so far after each evaluation, and the fresh figure at the end.

    Parameters
    ----------
    path
        By evaluation, in the race's worlds, shape (n,); not finite before the first race.
    stages
        Evaluation at which each stage begins, and what it is called.
    fresh
        The best plan in worlds that the search never used.
    number
        Formats a figure.
    """
    with rc_context(STYLE):
        figure = new_figure(HALF, 300)
        ax = plot_axes(figure, 62, 84, 26, 46)
        known = np.flatnonzero(np.isfinite(path))
        shown = path[known]
        # Where it all began may lie so far down that the end would be a flat line.
        floor = float(np.quantile(shown, 0.02))
        ax.step(known + 1, shown, where="post", color=PLAN, linewidth=2.2)
        end = len(path)
        ax.errorbar([1.035 * end], [fresh.mean], [[fresh.mean - fresh.low],
                    [fresh.high - fresh.mean]], fmt="o", color=INK, elinewidth=2, capsize=4,
                    markersize=6)  # fmt: skip
        ends = [floor, float(shown.max()), fresh.low, fresh.high]
        finite = [value for value in ends if np.isfinite(value)]
        room = 0.08 * (max(finite) - min(finite)) or 1.0
        ax.set_ylim(min(finite) - room, max(finite) + 1.8 * room)
        ax.set_xlim(0, 1.06 * end)
        gap = 14 / 228 * float(np.ptp(ax.get_ylim()))
        places = apart([float(shown[-1]), fresh.mean], gap)
        for (text, tone), at in zip((("search", PLAN), ("fresh", INK)), places, strict=True):
            value = float(shown[-1]) if text == "search" else fresh.mean
            ax.annotate(f"{text} {number(value)}", (1, at), (6, 0), color=tone, fontsize=LABEL,
                        xycoords=("axes fraction", "data"), textcoords="offset points",
                        va="center")  # fmt: skip
        free = 0.0  # where the next name may begin, in evaluations
        for first, name in stages:
            ax.axvline(first, color="#c9d0d6", linewidth=0.8, zorder=0.5)
            if first >= free:
                ax.annotate(name, (first, 1), (3, 10), xycoords=("data", "axes fraction"),
                            textcoords="offset points", fontsize=LABEL - 0.5,
                            color=MUTED)  # fmt: skip
                free = first + (5.6 * len(name) + 10) / (HALF - 146) * 1.06 * end
        ax.set_xlabel("plans tried")
        ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    return figure


def pareto(
    cloud: F64, spots: Sequence[Spot], axes: tuple[str, str], numbers: tuple[Number, Number]
) -> Figure:
    """Draw plans in the plane of two goals.

    Parameters
    ----------
    cloud
        What the search tried, in the race's worlds, shape (n, 2).
    spots
        Plans in fresh worlds, with their intervals.
    axes, numbers
        What the axes are called, and how their numbers are told.
    """
    with rc_context(STYLE):
        figure = new_figure(HALF, 410)
        ax = plot_axes(figure, 68, 34, 52, 52)
        ax.grid(visible=True, axis="both")
        means = np.array([[spot.x.mean, spot.y.mean] for spot in spots])
        low, high = means.min(axis=0), means.max(axis=0)
        size = np.where(high > low, high - low, 1.0)
        near = (np.abs(cloud - (low + high) / 2) <= 1.1 * size).all(axis=1)
        ax.plot(*cloud[near].T, "o", color="#c9d0d6", markersize=4, zorder=1.2)
        ax.axhline(0, color="#c9d0d6", linewidth=1, zorder=1)
        ax.axvline(0, color="#c9d0d6", linewidth=1, zorder=1)
        members = [spot for spot in spots if spot.member]
        others = [spot for spot in spots if not spot.member]
        tones = dict(zip([s.name for s in others], (INK, *PLAN_COLOURS[1:]), strict=False))
        for spot in spots:
            tone = PLAN if spot.member else tones[spot.name]
            ax.plot([spot.x.low, spot.x.high], [spot.y.mean] * 2, color=tone, linewidth=1.4,
                    alpha=0.3)  # fmt: skip
            ax.plot([spot.x.mean] * 2, [spot.y.low, spot.y.high], color=tone, linewidth=1.4,
                    alpha=0.3)  # fmt: skip
            ax.plot(spot.x.mean, spot.y.mean, "o" if spot.member else "D", color=tone,
                    markersize=7 if spot.member else 6)  # fmt: skip
        placed: list[tuple[float, float]] = []
        for spot in members:
            at = ((spot.x.mean - low[0]) / size[0], (spot.y.mean - low[1]) / size[1])
            near_by = sum(abs(at[0] - x) < CLOSE and abs(at[1] - y) < CLOSE for x, y in placed)
            placed.append(at)
            way = CORNERS[near_by % len(CORNERS)]
            ax.annotate(spot.name, (spot.x.mean, spot.y.mean), way, color=PLAN, va="center",
                        textcoords="offset points", fontsize=LABEL,
                        ha="left" if way[0] > 0 else "right")  # fmt: skip
        _key(ax, [("best plan and choices", PLAN, PLAN),
                  *((spot.name, tones[spot.name], INK) for spot in others)], per_row=3,
             mark="◆")  # fmt: skip
        ax.margins(0.12)
        ax.annotate(axes[1], (0, 1), (-60, 8), xycoords="axes fraction", color=MUTED,
                    textcoords="offset points", fontsize=LABEL)  # fmt: skip
        ax.set_xlabel(axes[0], fontsize=LABEL)
        for axis, number in ((ax.xaxis, numbers[0]), (ax.yaxis, numbers[1])):
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
            axis.set_major_formatter(FuncFormatter(lambda value, _, told=number: told(value)))
    return figure
