"""Pictures of a stress test: tornadoes, maps of plans and shocks, cash under the worst shock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any, Final

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sim.planning.ranking import Estimate
from sim.planning.stress import Outcome
from sim.report.figures import (
    BASELINE,
    INK,
    LOSS,
    MUTED,
    PALE,
    PLAN,
    PLAN_COLOURS,
    STYLE,
    plot_axes,
)
from sim.report.finding import sharp_figure
from sim.report.numbers import MoneyUnit
from sim.report.sweep_figures import DIVERGING, HALF, WIDE
from sim.types import F64

LABEL: Final = 10.5
LEADING: Final = 12.5
"""From one line of a label to the next, in points."""
ROW: Final = 34
NAMES: Final = 262
"""Room for the names of shocks, in CSS pixels."""
SHORT_NAMES: Final = 168
DARK: Final = 0.5
"""Brightness below which text on a colour is white."""


# --- tornado -------------------------------------------------------------------------------------


def tornado(outcomes: Sequence[Outcome], money: MoneyUnit) -> Figure:
    """Draw the change of a plan's mean net present value by each shock, the largest on top."""
    with rc_context(STYLE):
        figure = sharp_figure(HALF, 40 + ROW * len(outcomes))
        ax = plot_axes(figure, SHORT_NAMES, 16, 4, 34)
        ax.grid(visible=False, axis="y")
        ax.grid(visible=True, axis="x")
        ax.set_ylim(-len(outcomes) + 0.5, 0.5)
        ax.set_yticks([])
        for place, outcome in enumerate(outcomes):
            _bar(ax, -place, outcome.change)
            _name(ax, -place, outcome.trial.blow.title if outcome.trial.blow else "")
        ax.axvline(0, color=INK, linewidth=1)
        _room(ax, [outcome.change for outcome in outcomes])
        _money_axis(ax.xaxis, money, 4)
    return figure


def _bar(ax: Axes, y: float, change: Estimate) -> None:
    tone = {1: PLAN, -1: LOSS, 0: BASELINE}[change.sign]
    ax.barh(y, change.mean, height=0.5, color=tone, linewidth=0, alpha=0.55 if not change.sign
            else 1.0)  # fmt: skip
    ax.plot([change.low, change.high], [y, y], color=INK, linewidth=1.3, solid_capstyle="butt")


def _room(ax: Axes, changes: Sequence[Estimate]) -> None:
    """Show all bars and intervals; intervals of very few worlds are cut off."""
    means = [change.mean for change in changes]
    most = max(float(np.ptp([*means, 0.0])), 1.0)
    low = max(min([0.0, *(change.low for change in changes)]), min(0.0, *means) - most)
    high = min(max([0.0, *(change.high for change in changes)]), max(0.0, *means) + most)
    ax.set_xlim(low - 0.04 * (high - low), high + 0.04 * (high - low))


def _name(ax: Axes, y: float, title: str, room: int = 25) -> None:
    _lines(ax, (0, y), shortened(title, room, 2), x=-8, xycoords=("axes fraction", "data"),
           ha="right", va="center")  # fmt: skip


def _lines(ax: Axes, at: tuple[float, float], lines: Sequence[str], *, x: float = 0, y: float = 0,
           **style: Any) -> None:  # fmt: skip
    """Write lines one below the other, around a point; `x` and `y` move them, in points.

    Each is a text of its own: the page's font is not the one that lines are aligned with here.
    """
    for place, line in enumerate(lines):
        rise = (0.5 * (len(lines) - 1) - place) * LEADING
        ax.annotate(line, at, (x, y + rise), textcoords="offset points",
                    **{"fontsize": LABEL, "annotation_clip": False, **style})  # fmt: skip


def shortened(title: str, width: int, lines: int) -> list[str]:
    """Return a title in so many lines at most, with an ellipsis where more would follow."""
    wrapped = wrap(title, width)
    if len(wrapped) > lines:
        rest = " ".join(wrapped[lines - 1 :])
        wrapped = [*wrapped[: lines - 1], rest[: width - 1].rstrip(" ,:") + "…"]
    return wrapped


def _money_axis(axis: Any, money: MoneyUnit, ticks: int) -> None:
    axis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: money.number(value)))
    axis.set_tick_params(labelsize=LABEL)


# --- maps ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Square:
    """A cell of a map.

    Attributes
    ----------
    value
        Gives the colour: NaN for none.
    text
        What stands in it.
    unsure
        Whether it is hatched: its sign is not known.
    """

    value: float
    text: str
    unsure: bool = False


def squares(
    rows: Sequence[str], columns: Sequence[str], cells: Sequence[Sequence[Square]]
) -> Figure:
    """Draw a table of squares, blue above zero and orange below, the deeper the more."""
    values = np.array([[cell.value for cell in row] for row in cells])
    most = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
    with rc_context(STYLE):
        figure = sharp_figure(WIDE, 58 + ROW * len(rows))
        ax = plot_axes(figure, NAMES, 8, 50, 8)
        for i, row in enumerate(cells):
            for j, cell in enumerate(row):
                _draw_square(ax, j, i, cell, most)
        ax.grid(visible=False)
        ax.set_xlim(-0.5, len(columns) - 0.5)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.set_xticks([])
        ax.set_yticks([])
        for i, title in enumerate(rows):
            _name(ax, i, title, 40)
        room = (WIDE - NAMES) / len(columns)
        for j, name in enumerate(columns):
            lines = _heading(name, max(int(room / 7.4), 8))
            _lines(ax, (j, 1), lines, y=8 + LEADING * len(lines) / 2, va="center", ha="center",
                   xycoords=("data", "axes fraction"), fontweight="bold")  # fmt: skip
        ax.spines["bottom"].set_visible(False)
    return figure


def _heading(name: str, width: int) -> list[str]:
    """Return a column's name in two lines; where it has two, each is kept to one."""
    lines = name.split("\n")
    kept = 2 if len(lines) == 1 else 1
    return [part for line in lines for part in shortened(line, width, kept)]


def _draw_square(ax: Axes, x: int, y: int, cell: Square, most: float) -> None:
    known = np.isfinite(cell.value)
    # By the root: one plan that loses a lot would leave all others without colour.
    depth = np.sign(cell.value) * np.sqrt(abs(cell.value) / most) if known else 0.0
    face = DIVERGING(0.5 + 0.5 * 0.92 * depth) if known else PALE
    dark = known and float(np.dot(face[:3], (0.3, 0.59, 0.11))) < DARK
    ax.add_patch(
        Rectangle(
            (x - 0.485, y - 0.455), 0.97, 0.91, facecolor=face, linewidth=0,
            hatch="////" if cell.unsure else None, edgecolor=(1, 1, 1, 0.75),
        )
    )  # fmt: skip
    if cell.unsure:  # text on hatching needs a quiet ground
        ax.text(x, y, cell.text, ha="center", va="center", fontsize=LABEL, color="none",
                bbox={"facecolor": face, "linewidth": 0, "pad": 2.5})  # fmt: skip
    ax.text(x, y, cell.text, ha="center", va="center", fontsize=LABEL,
            color="white" if dark else INK)  # fmt: skip


# --- cash ----------------------------------------------------------------------------------------

COLUMNS: Final = 2


def cash(shown: Sequence[tuple[str, Outcome]], money: MoneyUnit) -> Figure:
    """Draw each plan's cash so far against the baseline, as planned and under its worst shock.

    Parameters
    ----------
    shown
        Title of the plan, and what came of it under its worst shock.
    money
        Unit of the axes.
    """
    columns = min(len(shown), COLUMNS)
    rows, height, left = -(-len(shown) // columns), 262, 62
    width = (WIDE - left) / columns
    with rc_context(STYLE):
        figure = sharp_figure(WIDE, rows * height)
        for place, (title, outcome) in enumerate(shown):
            row, column = divmod(place, columns)
            ax = plot_axes(
                figure, left + column * width, WIDE - left - (column + 1) * width + 40,
                row * height + 50, (rows - row - 1) * height + 40,
            )  # fmt: skip
            _draw_cash(ax, outcome, PLAN_COLOURS[place % len(PLAN_COLOURS)])
            _money_axis(ax.yaxis, money, 5)
            _panel_title(ax, title, f"worst: {outcome.trial.title}", width)
    return figure


def _draw_cash(ax: Axes, outcome: Outcome, tone: str) -> None:
    planned, struck = outcome.planned.cumulative, outcome.money.cumulative
    quarters = np.arange(1, planned.shape[1] + 1)
    low, high = np.quantile(struck, (0.1, 0.9), axis=0)
    ax.axhline(0, color=MUTED, linewidth=1, zorder=1.5)
    ax.fill_between(quarters, low, high, color=tone, alpha=0.16, linewidth=0)
    ax.plot(quarters, planned.mean(axis=0), "--", color=BASELINE, linewidth=2)
    ax.plot(quarters, struck.mean(axis=0), color=tone, linewidth=2.4)
    ax.set_xlim(1, max(len(quarters), 2))
    ends: list[tuple[F64, str, str]] = [(planned, "planned", BASELINE), (struck, "struck", tone)]
    upper = planned.mean(axis=0)[-1] >= struck.mean(axis=0)[-1]
    for (flow, text, colour), above in zip(ends, (upper, not upper), strict=True):
        ax.annotate(text, (1, float(flow.mean(axis=0)[-1])), (-4, 6 if above else -6),
                    xycoords=("axes fraction", "data"), textcoords="offset points", ha="right",
                    va="bottom" if above else "top", color=colour, fontsize=LABEL,
                    fontweight="bold",
                    path_effects=[withStroke(linewidth=3, foreground="white")])  # fmt: skip
    ax.xaxis.set_major_locator(MaxNLocator(min(len(quarters), 6), integer=True, min_n_ticks=1))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"Q{value:.0f}"))
    ax.tick_params(axis="x", labelsize=LABEL)


def _panel_title(ax: Axes, title: str, note: str, width: float) -> None:
    at = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "bottom"}
    room = int(width / 6.6)
    ax.annotate(shortened(title, room, 1)[0], (0, 1), (0, 23), fontweight="bold", fontsize=12, **at)  # type: ignore[arg-type]
    ax.annotate(shortened(note, room, 1)[0], (0, 1), (0, 8), color=MUTED, fontsize=LABEL, **at)  # type: ignore[arg-type]
