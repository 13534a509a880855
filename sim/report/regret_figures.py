"""Pictures of regret: choices against futures, how their money spreads, what a pilot decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Final

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sim.report.figures import (
    BASELINE,
    INK,
    LOSS,
    MUTED,
    PLAN,
    PLAN_COLOURS,
    POINTS_PER_INCH,
    STYLE,
    apart,
    new_figure,
    plot_axes,
)
from sim.report.numbers import MoneyUnit, percent, plain
from sim.report.sweep_figures import ASCENDING, HALF, WIDE
from sim.sweep.analysis import Interval
from sim.types import F64, Mask

TEXT: Final = 11
DARK: Final = 0.55
"""Brightness of a square below which its text is white."""
DECISIONS: Final = {
    "stopped_rightly": ("stops, rightly", "#009E73"),
    "stopped_wrongly": ("stops, wrongly", LOSS),
    "went_on_rightly": ("goes on, rightly", "#56B4E9"),
    "went_on_wrongly": ("goes on, wrongly", "#E69F00"),
}
"""Kind of decision to how it is called and coloured."""


def colours_of(n_plans: int) -> list[str]:
    """Return the colour of each plan, and grey for doing nothing at the end."""
    return [PLAN_COLOURS[place % len(PLAN_COLOURS)] for place in range(n_plans)] + [BASELINE]


# --- choices against futures ---------------------------------------------------------------------


def matrix(
    unit: MoneyUnit, choices: Sequence[str], futures: Sequence[str], npv: F64, regret: F64,
    sure: Mask,
) -> Figure:  # fmt: skip
    """Draw mean NPV and regret of every choice in every future as squares.

    Parameters
    ----------
    unit
        In which money is written.
    choices, futures
        Names of rows and columns.
    npv, regret
        Means, shape (n_choices, n_futures).
    sure
        Whether a regret is clear of zero, shape (n_choices, n_futures).
    """
    rows, columns = regret.shape
    most = float(regret.max()) or 1.0
    with rc_context(STYLE):
        room = max(int((WIDE - 180) / columns / 7.2), 8)
        heads = ["\n".join(wrap(name, room)[:3]) for name in futures]
        top = 14 + 16 * max(head.count("\n") + 1 for head in heads)
        figure = new_figure(WIDE, top + 4 + 52 * rows)
        ax = plot_axes(figure, 176, 4, top, 4)
        ax.grid(visible=False)
        ax.set_xlim(-0.5, columns - 0.5)
        ax.set_ylim(rows - 0.5, -0.5)
        for i in range(rows):
            for j in range(columns):
                face = ASCENDING(0.9 * regret[i, j] / most)
                tone = "white" if np.dot(face[:3], (0.3, 0.59, 0.11)) < DARK else INK
                ax.add_patch(Rectangle((j - 0.49, i - 0.47), 0.98, 0.94, facecolor=face, lw=0))
                best = regret[i, j] == 0
                ax.text(j, i - 0.14, "best" if best else unit.number(regret[i, j]), color=tone,
                        ha="center", va="center", fontsize=13,
                        fontweight="bold" if best or sure[i, j] else "normal")  # fmt: skip
                ax.text(j, i + 0.24, f"earns {unit.number(npv[i, j])}", color=tone, ha="center",
                        va="center", fontsize=9.5)  # fmt: skip
        ax.set_yticks(range(rows), ["\n".join(wrap(name, 24)[:2]) for name in choices])
        ax.set_xticks(range(columns), heads)
        ax.xaxis.tick_top()
        ax.tick_params(labelcolor=INK, labelsize=TEXT)
        ax.spines["bottom"].set_visible(False)
    return figure


# --- how money spreads, and what regret goes with it ---------------------------------------------


def strips(
    unit: MoneyUnit, choices: Sequence[str], quantiles: F64, expected: Sequence[float]
) -> Figure:
    """Draw the spread of NPV over futures and worlds for each choice.

    Parameters
    ----------
    quantiles
        5, 25, 50, 75 and 95 of a hundred, shape (n_choices, 5).
    expected
        Means.
    """
    n = len(choices)
    tones = colours_of(n - 1)
    with rc_context(STYLE):
        figure = new_figure(HALF, 46 + 54 * n)
        ax = plot_axes(figure, 6, 12, 6, 30)
        _money_axis(ax, unit)
        _bare_rows(ax, n)
        for place, own in enumerate(quantiles):
            low, first, middle, third, high = own
            y, tone = -place - 0.12, tones[place]
            ax.plot([low, high], [y, y], color=tone, linewidth=2)
            ax.plot([first, third], [y, y], color=tone, linewidth=11, alpha=0.5,
                    solid_capstyle="butt")  # fmt: skip
            ax.plot([middle], [y], "|", color=INK, markersize=15, markeredgewidth=2)
            ax.plot([expected[place]], [y], "o", color="white", mec=INK, mew=1.6, markersize=6)
            _row_name(ax, -place + 0.27, choices[place], tone)
        ax.axvline(0, color=MUTED, linewidth=1, zorder=1.5)
    return figure


def trade(
    unit: MoneyUnit, choices: Sequence[str], expected: Sequence[Interval],
    regret: Sequence[Interval],
) -> Figure:  # fmt: skip
    """Draw expected NPV against largest regret with the intervals of both."""
    tones = colours_of(len(choices) - 1)
    with rc_context(STYLE):
        figure = new_figure(HALF, max(46 + 54 * len(choices), 330))
        ax = plot_axes(figure, 62, 16, 30, 46)
        ax.grid(visible=True, axis="both")
        for one, other, tone in zip(expected, regret, tones, strict=True):
            ax.plot([one.low, one.high], [other.value] * 2, color=tone, linewidth=2, alpha=0.6)
            ax.plot([one.value] * 2, [other.low, other.high], color=tone, linewidth=2, alpha=0.6)
            ax.plot([one.value], [other.value], "o", color=tone, markersize=9, mec="white")
        ax.margins(0.14, 0.1)
        low, high = ax.get_ylim()
        ax.set_ylim(high, min(low, -0.06 * high))
        _money_axis(ax, unit)
        _money_axis(ax, unit, of=ax.yaxis)
        ax.tick_params(labelsize=TEXT)
        ax.set_title("largest regret; less is higher up", loc="left", fontsize=TEXT, color=MUTED)
        ax.set_xlabel("expected NPV", loc="right", fontsize=TEXT)
        _name_dots(figure, ax, choices, expected, regret, tones)
    return figure


def _name_dots(
    figure: Figure, ax: Axes, choices: Sequence[str], expected: Sequence[Interval],
    regret: Sequence[Interval], tones: Sequence[str],
) -> None:  # fmt: skip
    """Write names beside the dots of a cloud, moved apart where they would overlap."""
    left, right = ax.get_xlim()
    low, high = sorted(ax.get_ylim())
    height = ax.get_position().height * figure.get_figheight() * POINTS_PER_INCH
    per_unit = height / (high - low)
    places = apart([one.value for one in regret], 16 / per_unit)
    for name, one, other, place, tone in zip(choices, expected, regret, places, tones, strict=True):
        to_right = one.value < (left + right) / 2
        ax.annotate(
            name, (one.value, other.value),
            (9 if to_right else -9, 9 - (place - other.value) * per_unit),
            textcoords="offset points", ha="left" if to_right else "right", va="center",
            color=tone, fontweight="bold", fontsize=TEXT - 0.5, annotation_clip=False,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.75},
        )  # fmt: skip


# --- the value of knowing ------------------------------------------------------------------------


def worth(unit: MoneyUnit, questions: Sequence[str], values: Sequence[Interval]) -> Figure:
    """Draw what it is worth to know the answer to some questions, with intervals."""
    with rc_context(STYLE):
        figure = new_figure(WIDE, 40 + 34 * len(questions))
        ax = plot_axes(figure, 260, 130, 4, 30)
        _money_axis(ax, unit)
        _bare_rows(ax, len(questions))
        for place, (name, one) in enumerate(zip(questions, values, strict=True)):
            ax.barh(-place, one.value, height=0.5, color=PLAN if one.low > 0 else "#9cc6e0", lw=0)
            ax.plot([one.low, one.high], [-place] * 2, color=INK, linewidth=1.4)
            told = f"{unit.number(one.value)} ({unit.number(one.low)} to {unit.number(one.high)})"
            ax.annotate(told, (one.high, -place), (6, 0), textcoords="offset points", va="center",
                        fontsize=TEXT, annotation_clip=False)  # fmt: skip
            ax.annotate(name, (0, -place), (-8, 0), textcoords="offset points", ha="right",
                        va="center", fontsize=TEXT, annotation_clip=False)  # fmt: skip
        ax.set_xlim(0, 1.02 * max(*(one.high for one in values), 1e-9))
    return figure


# --- a pilot -------------------------------------------------------------------------------------


def pilot_worth(
    unit: MoneyUnit, plans: Sequence[str], parts: Sequence[Mapping[str, Interval]]
) -> Figure:
    """Draw what a pilot adds to each plan: by waiting, by deciding, in all; with intervals."""
    tones = (BASELINE, "#56B4E9", PLAN)
    n_lines = len(parts[0])
    with rc_context(STYLE):
        figure = new_figure(HALF, 34 + (34 + 24 * n_lines) * len(plans))
        ax = plot_axes(figure, 150, 14, 6, 28)
        _money_axis(ax, unit)
        height = n_lines + 1.4
        _bare_rows(ax, 1)
        ax.set_ylim(-height * len(plans) + 0.5, 1.0)
        for place, (plan, own) in enumerate(zip(plans, parts, strict=True)):
            top = -height * place
            ax.annotate(plan, (0, top + 0.25), (-144, 0), xycoords=("axes fraction", "data"),
                        textcoords="offset points", fontweight="bold", fontsize=TEXT, va="center",
                        annotation_clip=False)  # fmt: skip
            for line, ((name, one), tone) in enumerate(zip(own.items(), tones, strict=True)):
                y = top - 0.85 - line
                ax.plot([one.low, one.high], [y, y], color=tone, linewidth=3)
                ax.plot([one.value], [y], "o", color=tone, markersize=8)
                ax.annotate(name, (0, y), (-8, 0), xycoords=("axes fraction", "data"),
                            textcoords="offset points", fontsize=TEXT - 0.5, ha="right",
                            va="center", color=MUTED, annotation_clip=False)  # fmt: skip
        ax.axvline(0, color=INK, linewidth=1.2, zorder=1.5)
        low, high = ax.get_xlim()
        ax.set_xlim(min(low, -0.05 * (high - low)), max(high, 0.05 * (high - low)))
    return figure


def decisions(plans: Sequence[str], shares: Sequence[Mapping[str, float]]) -> Figure:
    """Draw how often each plan's gate stops it or lets it go on, rightly and wrongly."""
    n = len(plans)
    with rc_context(STYLE):
        figure = new_figure(HALF, 62 + 62 * n)
        ax = plot_axes(figure, 6, 12, 48, 6)
        _bare_rows(ax, n)
        ax.grid(visible=False)
        ax.set_xlim(0, 1)
        ax.set_xticks([])
        ax.spines["bottom"].set_visible(False)
        for place, (plan, own) in enumerate(zip(plans, shares, strict=True)):
            left = 0.0
            for kind, (_, tone) in DECISIONS.items():
                ax.barh(-place - 0.12, own[kind], left=left, height=0.42, color=tone, lw=0)
                if own[kind] > 0.08:  # noqa: PLR2004  # room for two digits
                    middle = left + own[kind] / 2
                    ax.text(middle, -place - 0.12, percent(own[kind], 0), color="white",
                            ha="center", va="center", fontweight="bold", fontsize=TEXT)  # fmt: skip
                left += own[kind]
            _row_name(ax, -place + 0.27, plan, INK)
        for place, (name, tone) in enumerate(DECISIONS.values()):
            row, column = divmod(place, 2)
            x, y = (10 + 170 * column) / HALF, 1 - (12 + 18 * row) / (62 + 62 * n)
            figure.text(x, y, f"■ {name}", color=tone, fontweight="bold", fontsize=TEXT,
                        va="center")  # fmt: skip
    return figure


# --- axes ----------------------------------------------------------------------------------------


def _money_axis(ax: Axes, unit: MoneyUnit, of: Axis | None = None) -> None:
    """Mark amounts along the horizontal axis, or along another one."""
    axis = of or ax.xaxis

    def told(value: float, _: object) -> str:
        low, high = axis.get_view_interval()
        wide = abs(high - low) / unit.divisor > 4  # noqa: PLR2004  # steps of 1 or more
        return plain(value / unit.divisor, 0 if wide else max(unit.decimals, 1))

    axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(told))
    axis.set_tick_params(labelsize=TEXT)


def _bare_rows(ax: Axes, n: int) -> None:
    """Make room for rows from 0 downwards, with no marks at their side."""
    ax.grid(visible=False, axis="y")
    ax.grid(visible=True, axis="x")
    ax.set_ylim(-n + 0.45, 0.55)
    ax.set_yticks([])


def _row_name(ax: Axes, y: float, name: str, tone: str) -> None:
    ax.annotate(name, (0, y), xycoords=("axes fraction", "data"), color=tone, fontweight="bold",
                fontsize=TEXT, va="center",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8})  # fmt: skip
