"""Pictures of what decides: curves over assumptions, their shares, the screening."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from textwrap import wrap
from typing import Final

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from sim.planning.flip import CELLS, Flip, Response
from sim.planning.sensitivity import WORLD
from sim.report.figures import (
    BASELINE,
    INK,
    LOSS,
    MUTED,
    PLAN,
    POINTS_PER_INCH,
    RULE,
    STYLE,
    apart,
    plot_axes,
)
from sim.report.finding import sharp_figure
from sim.report.numbers import percent
from sim.report.sweep_figures import key
from sim.report.sweep_words import Told, short
from sim.sweep.analysis import Interval, Morris, Sobol

WIDE, HALF = 1008, 480
"""Widths of the page and of half of it, in CSS pixels."""
LABEL: Final = 10.5
COLUMNS, PANELS = 4, 12
GROUND: Final = 0.24
"""Share of a panel's height, at its foot, in which the density stands."""
TOTAL: Final = "#56B4E9"
NAMED: Final = 8
"""Dots of the screening that have a name."""
LEAST_NAMED: Final = 0.1
"""Size of an effect, beside the largest, from which its dot has one."""


# --- curves --------------------------------------------------------------------------------------


def curves(
    told: Told, response: Response, outcome: int, shown: Sequence[Flip], labels: Mapping[str, str]
) -> Figure:
    """Draw the expected outcome over each assumption, where it changes its sign, and the density.

    Parameters
    ----------
    told
        How the outcome is told.
    response, outcome
        The curves, and which of their outcomes.
    shown
        What to draw, in order; no more than PANELS are.
    labels
        What each assumption is called, by path.
    """
    shown = shown[:PANELS]
    places = {one.path: place for place, one in enumerate(response.assumptions)}
    columns = min(COLUMNS, max(len(shown), 2))
    rows = -(-len(shown) // columns)
    width, height, left = (WIDE - 62) / columns, 236, 62
    low, high = _reach(response, outcome, [places[flip.assumption.path] for flip in shown])
    with rc_context(STYLE):
        figure = sharp_figure(WIDE, rows * height)
        for number, flip in enumerate(shown):
            row, column = divmod(number, columns)
            ax = plot_axes(
                figure, left + column * width, WIDE - left - (column + 1) * width + 22,
                row * height + 58, (rows - row - 1) * height + 34,
            )  # fmt: skip
            ax.set_ylim(low, high)
            _draw_curve(ax, told, response, outcome, places[flip.assumption.path], flip)
            _outcome_axis(ax, told, labelled=column == 0)
            _panel_title(ax, labels[flip.assumption.path], _note(flip))
    return figure


def _reach(response: Response, outcome: int, places: Sequence[int]) -> tuple[float, float]:
    """Return the ends of the common scale: all curves, zero, and the density's ground below."""
    own = response.curves[places, :, outcome]
    bands = [response.band(place, outcome) for place in places]
    most = float(np.ptp(own)) or 1.0
    low = max(min(float(band[0].min()) for band in bands), float(own.min()) - most)
    high = min(max(float(band[1].max()) for band in bands), float(own.max()) + most)
    low, high = min(low, 0.0), max(high, 0.0)
    room = 0.06 * (high - low) or 1.0
    return low - room - (high - low + 2 * room) * GROUND / (1 - GROUND), high + room


def _draw_curve(
    ax: Axes, told: Told, response: Response, outcome: int, place: int, flip: Flip
) -> None:
    at, mean = response.at[place], response.curves[place, :, outcome]
    low, high = response.band(place, outcome)
    _draw_density(ax, at, (mean < 0) != (response.overall[outcome] < 0))
    ax.axhline(0, color=MUTED, linewidth=1, zorder=1.5)
    ax.fill_between(at, low, high, color=PLAN, alpha=0.18, linewidth=0)
    ax.plot(at, mean, color=PLAN, linewidth=2)
    ax.set_xlim(at[0], at[-1])
    if flip.value is not None:
        ends = np.clip([flip.low, flip.high], at[0], at[-1])
        ax.plot(ends, [0, 0], color=LOSS, linewidth=4, alpha=0.45, solid_capstyle="butt")
        ax.plot([flip.value] * 2, [ax.get_ylim()[0], 0], color=LOSS, linewidth=1.2)
        ax.plot([flip.value], [0], "o", color=LOSS, markersize=7, zorder=4)
    ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    ax.tick_params(axis="x", labelsize=LABEL)


def _draw_density(ax: Axes, at: np.ndarray, changed: np.ndarray) -> None:
    """Fill the density of an assumption at the foot of its panel, coloured where the sign flips."""
    dense = np.gradient((np.arange(CELLS) + 0.5) / CELLS, at)
    foot, top = ax.get_ylim()
    height = foot + dense / dense.max() * 0.85 * GROUND * (top - foot)
    ax.fill_between(at, foot, height, color=RULE, linewidth=0, zorder=1)
    ax.fill_between(at, foot, height, where=changed, color=LOSS, alpha=0.55, linewidth=0, zorder=1)


def _note(flip: Flip) -> str:
    if flip.value is None:
        return "flips nowhere" if not flip.possible else "flips nowhere, perhaps"
    return f"flips {'above' if flip.above else 'below'} {short(flip.value)}"


def _outcome_axis(ax: Axes, told: Told, *, labelled: bool) -> None:
    foot, top = ax.get_ylim()
    ticks = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(foot, top)
    ground = foot + 0.9 * GROUND * (top - foot)
    ax.set_yticks([tick for tick in ticks if ground <= tick <= top])
    ax.tick_params(axis="y", labelsize=LABEL)
    number = FuncFormatter(lambda value, _: told.number(value))
    ax.yaxis.set_major_formatter(number if labelled else NullFormatter())


def _panel_title(ax: Axes, title: str, note: str) -> None:
    at = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "bottom"}
    text = "\n".join(wrap(title, 33)[:2])
    ax.annotate(text, (0, 1), (0, 19), fontweight="bold", fontsize=11, linespacing=1.05, **at)  # type: ignore[arg-type]
    ax.annotate(note, (0, 1), (0, 4), color=MUTED, fontsize=LABEL, **at)  # type: ignore[arg-type]


# --- shares --------------------------------------------------------------------------------------


def indices(found: Sobol, order: Sequence[str], labels: Mapping[str, str]) -> Figure:
    """Draw first-order and total indices as dots with their intervals, luck at the end.

    Parameters
    ----------
    found
        The indices; those of the world are luck.
    order
        Assumptions from the top down; the world follows.
    labels
        What each assumption is called, by path; the world's too.
    """
    rows = [found.names.index(name) for name in (*order, WORLD)]
    with rc_context(STYLE):
        figure = sharp_figure(HALF, 66 + 38 * len(rows))
        ax = plot_axes(figure, 178, 56, 34, 28)
        _rows_axis(ax, len(rows))
        ends = [end for one in (*found.first, *found.total) for end in (one.value, one.high)]
        ax.set_xlim(min(0.0, max(-0.05, min(one.low for one in found.first))), 1.05 * max(ends))
        for y, j in enumerate(rows):
            luck = found.names[j] == WORLD
            _dot(ax, -y + 0.16, found.first[j], BASELINE if luck else PLAN, "o")
            _dot(ax, -y - 0.16, found.total[j], RULE if luck else TOTAL, "D")
            share = percent(min(max(found.total[j].value, 0.0), 1.0), 0)
            ax.annotate(share, (1, -y), (6, 0), xycoords=("axes fraction", "data"),
                        textcoords="offset points", va="center", fontsize=LABEL,
                        color=MUTED if luck else INK)  # fmt: skip
            _row_name(ax, -y, labels[found.names[j]], MUTED if luck else INK)
        ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(value, 0)))
        key(figure, [("● alone", PLAN), ("◆ with others", TOTAL)], 178)
    return figure


def worth(told: Told, names: Sequence[str], values: Sequence[Interval], most: float) -> Figure:
    """Draw what knowing each assumption is worth as bars with intervals.

    Parameters
    ----------
    told
        How the outcome is told.
    names, values
        Of the assumptions, in the order of the rows.
    most
        What knowing all at once is worth: a line.
    """
    with rc_context(STYLE):
        figure = sharp_figure(HALF, 66 + 34 * len(names))
        ax = plot_axes(figure, 178, 56, 34, 28)
        _rows_axis(ax, len(names))
        for y, (name, one) in enumerate(zip(names, values, strict=True)):
            ax.barh(-y, one.value, height=0.42, color=PLAN, linewidth=0)
            ax.plot([one.low, one.high], [-y, -y], color=INK, linewidth=1.3)
            ax.annotate(told.number(one.value), (1, -y), (6, 0),
                        xycoords=("axes fraction", "data"), textcoords="offset points",
                        va="center", fontsize=LABEL)  # fmt: skip
            _row_name(ax, -y, name, INK)
        ends = [most, *(one.high for one in values)]
        ax.set_xlim(0, 1.05 * max(ends) or 1.0)
        ax.axvline(most, color=LOSS, linewidth=1.4)
        ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: told.number(value)))
        key(figure, [("one alone", PLAN), ("all at once", LOSS)], 178)
    return figure


def _rows_axis(ax: Axes, n: int) -> None:
    ax.grid(visible=False, axis="y")
    ax.grid(visible=True, axis="x")
    ax.set_ylim(-n + 0.4, 0.6)
    ax.set_yticks([])
    ax.tick_params(labelsize=LABEL)


def _dot(ax: Axes, y: float, one: Interval, tone: str, marker: str) -> None:
    ax.plot([one.low, one.high], [y, y], color=tone, linewidth=2, solid_capstyle="butt")
    ax.plot([one.value], [y], marker, color=tone, markersize=6.5)


def _row_name(ax: Axes, y: float, name: str, tone: str) -> None:
    """Write a name in one line or two before its row, each a text that ends at the axis."""
    lines = wrap(name, 27)[:2]
    for number, line in enumerate(lines):
        drop = 6.5 * (len(lines) - 1 - 2 * number)
        ax.annotate(line, (0, y), (-8, drop), color=tone, xycoords=("axes fraction", "data"),
                    textcoords="offset points", ha="right", va="center",
                    fontsize=LABEL)  # fmt: skip


# --- screening -----------------------------------------------------------------------------------


def screening(
    told: Told, found: Morris, kept: Sequence[str], label: Callable[[str], str]
) -> Figure:
    """Draw mean size and standard deviation of elementary effects, kept assumptions apart.

    Parameters
    ----------
    told
        How the outcome is told.
    found
        The elementary effects; those of the world are luck and drawn as a line.
    kept
        Assumptions that were kept.
    label
        What an assumption is called.
    """
    own = [place for place, name in enumerate(found.names) if name != WORLD]
    sizes = np.array([found.mu_star[place].value for place in own])
    spreads, names = found.sigma[own], [found.names[place] for place in own]
    is_kept = np.array([name in kept for name in names])
    with rc_context(STYLE):
        figure = sharp_figure(WIDE, 400)
        ax = plot_axes(figure, 62, 40, 40, 46)
        end_x = 1.25 * (float(sizes.max()) or 1.0)
        end_y = 1.2 * max(float(spreads.max()), 0.25 * end_x)
        ax.plot([0, min(end_x, end_y)], [0, min(end_x, end_y)], color=RULE, linewidth=1.5, zorder=1)
        ax.plot(sizes[~is_kept], spreads[~is_kept], "o", color=BASELINE, alpha=0.6, markersize=6)
        ax.plot(sizes[is_kept], spreads[is_kept], "o", color=PLAN, markersize=8)
        ax.set_xlim(0, end_x)
        ax.set_ylim(0, end_y)
        _name_dots(ax, figure, names, sizes, spreads, label)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
            axis.set_major_formatter(FuncFormatter(lambda value, _: told.number(value)))
        ax.set_xlabel("mean size of the effect, μ*", loc="right", fontsize=LABEL)
        ax.set_title("its standard deviation, σ", loc="left", fontsize=LABEL, color=MUTED)
        key(figure, [("kept", PLAN), ("left out", BASELINE)], 240)
    return figure


def _name_dots(
    ax: Axes, figure: Figure, names: Sequence[str], sizes: np.ndarray, spreads: np.ndarray,
    label: Callable[[str], str],
) -> None:  # fmt: skip
    """Name the dots of the largest effects, their names moved apart."""
    (_, end_x), (_, end_y) = ax.get_xlim(), ax.get_ylim()
    named = np.argsort(-sizes, kind="stable")[:NAMED]
    named = named[sizes[named] > LEAST_NAMED * sizes.max()]
    per_unit = ax.get_position().height * figure.get_figheight() * POINTS_PER_INCH / end_y
    heights = apart([float(spreads[place]) for place in named], 0.05 * end_y)
    for place, height in zip(named, heights, strict=True):
        right = sizes[place] < 0.62 * end_x
        ax.annotate(
            label(names[place]), (sizes[place], spreads[place]),
            (16 if right else -16, (height - spreads[place]) * per_unit),
            textcoords="offset points", ha="left" if right else "right", va="center",
            fontsize=LABEL, arrowprops={"arrowstyle": "-", "color": RULE, "shrinkB": 5},
        )  # fmt: skip
