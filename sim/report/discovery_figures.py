"""Pictures of where a plan fails: the way inwards, the limits of a region, two factors' points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Final

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MultipleLocator

from sim.planning.discovery import Restriction, Restrictions, Trajectory, within
from sim.planning.failing import Failing, Flags
from sim.report.figures import (
    BASELINE,
    INK,
    LOSS,
    MUTED,
    PALE,
    POINTS_PER_INCH,
    RULE,
    STYLE,
    plot_axes,
)
from sim.report.finding import sharp_figure
from sim.report.numbers import percent
from sim.report.sweep_words import factor_label, short, value_text
from sim.sweep.analysis import scaled
from sim.sweep.means import I64, Varied
from sim.types import F64

WIDE, HALF = 1008, 480
"""Widths of the page and of half of it, in CSS pixels."""
LABEL: Final = 10.5
DOTS, TICKS = 500, 160
"""Points that are drawn at most: of a cloud; along a bar on each side."""
SEED: Final = 1
STEPS: Final = ("#c9d0d6", "#F0E442", "#E69F00", "#56B4E9", "#0072B2", "#1c2733")
"""Colours by how many factors a box restricts: none, one, ... five or more."""


# --- the way inwards -----------------------------------------------------------------------------


def way_inwards(way: Trajectory, chosen: int, wanted: float, kept: tuple[float, float] | None
                ) -> Figure:  # fmt: skip
    """Draw coverage and density of each box, with the one that was chosen.

    Parameters
    ----------
    kept
        Coverage and density of what is left of it once limits that may be luck are gone.
    """
    with rc_context(STYLE):
        figure = sharp_figure(HALF, 360)
        ax = plot_axes(figure, 52, 24, 50, 44)
        ax.axhline(wanted, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        ax.annotate("dense enough", (0, wanted), (2, 4), textcoords="offset points", color=MUTED,
                    fontsize=LABEL)  # fmt: skip
        ax.plot(way.coverage, way.density, color=RULE, linewidth=1, zorder=2)
        places = np.minimum(way.n_factors, len(STEPS) - 1)
        for step in np.unique(places):
            own = places == step
            ax.plot(way.coverage[own], way.density[own], "o", color=STEPS[step], markersize=7,
                    markeredgecolor=MUTED, markeredgewidth=0.6, zorder=3)  # fmt: skip
        at = (float(way.coverage[chosen]), float(way.density[chosen]))
        if kept is not None:
            ax.plot(*kept, "s", color="none", markeredgecolor=LOSS, markeredgewidth=2,
                    markersize=14, zorder=4)  # fmt: skip
        ax.plot(*at, "o", color="none", markeredgecolor=INK, markeredgewidth=1.6, markersize=11,
                zorder=5)  # fmt: skip
        ax.annotate(f"box {chosen + 1}", at, (-12, -20), textcoords="offset points", ha="right",
                    fontsize=LABEL, fontweight="bold")  # fmt: skip
        ax.set_xlim(0, 1.03)
        ax.set_ylim(0, 1.05)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MultipleLocator(0.25))
            axis.set_major_formatter(FuncFormatter(lambda value, _: percent(value, 0)))
        ax.tick_params(labelsize=LABEL)
        ax.set_xlabel("coverage: of all that fail, inside", loc="right", fontsize=LABEL)
        ax.set_title("density: of those inside, failing", loc="left", fontsize=LABEL, color=MUTED)
        _step_key(figure, [*map(int, np.unique(places))])
    return figure


def _step_key(figure: Figure, steps: Sequence[int]) -> None:
    width, height = (POINTS_PER_INCH * size for size in figure.get_size_inches())
    left = 52.0
    figure.text(left / width, 1 - 15 / height, "factors limited", fontsize=LABEL, va="center",
                color=MUTED)  # fmt: skip
    left += 102
    for step in steps:
        x = left / width
        figure.add_artist(_dot(x, 1 - 15 / height, 8 / width, 8 / height, STEPS[step]))
        text = f"{step}+" if step == len(STEPS) - 1 else str(step)
        figure.text((left + 13) / width, 1 - 15 / height, text, fontsize=LABEL, va="center")
        left += 40


def _dot(x: float, y: float, width: float, height: float, tone: str) -> Rectangle:
    return Rectangle((x, y - height / 2), width, height, facecolor=tone, edgecolor=MUTED,
                     linewidth=0.6)  # fmt: skip


# --- the limits of a region ----------------------------------------------------------------------

ROW: Final = 66


def limits(failing: Failing, box: Restrictions, texts: Mapping[str, str]) -> Figure:
    """Draw each limited factor's range, what of it lies inside, and where points fail.

    Parameters
    ----------
    box
        The region's limits.
    texts
        By factor, what its limits are in words.
    """
    names = [*dict.fromkeys(one.factor for one in box)]
    by_name = {factor.name: factor for factor in failing.factors}
    left, right = 260, 60
    with rc_context(STYLE):
        figure = sharp_figure(WIDE, ROW * len(names) + 34)
        ax = plot_axes(figure, left, right, 28, 6)
        ax.grid(visible=False)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.spines["bottom"].set_visible(False)
        ax.set_xlim(0, 1)
        ax.set_ylim(-len(names) + 0.5, 0.5)
        for row, name in enumerate(names):
            own = [one for one in box if one.factor == name]
            _range(ax, -row, by_name[name], own, failing.fails)
            ax.annotate("\n".join(wrap(factor_label(name, 50), 30)[:2]), (0, -row), (-46, 3),
                        textcoords="offset points", ha="right", va="bottom", fontsize=11.5,
                        fontweight="bold", linespacing=1.05)  # fmt: skip
            ax.annotate("\n".join(wrap(texts[name], 36)[:2]), (0, -row), (-46, -1),
                        textcoords="offset points", ha="right", va="top", fontsize=LABEL,
                        color=MUTED, linespacing=1.05)  # fmt: skip
        for x, text, tone in ((left, "▌ inside the region", LOSS),
                              (left + 160, "marks above: points that fail", LOSS),
                              (left + 370, "marks below: all others", BASELINE)):  # fmt: skip
            figure.text(x / WIDE, 1 - 4 / (ROW * len(names) + 34), text, color=tone, va="top",
                        fontsize=LABEL, fontweight="bold")  # fmt: skip
    return figure


def _range(ax: Axes, y: float, factor: Varied, own: Sequence[Restriction], fails: Flags) -> None:
    """Draw a factor's range as a bar, with points above and below it."""
    places = _along(factor, factor.numbers)
    inside = np.all([one.holds(factor.numbers) for one in own], axis=0)
    if factor.is_number:
        _bar(ax, y, 0.0, 1.0, PALE)
        _bar(ax, y, *_ends(factor, own), LOSS)
        for x, value, side in ((0.0, factor.numbers.min(), "left"),
                               (1.0, factor.numbers.max(), "right")):  # fmt: skip
            ax.annotate(value_text(factor, float(value)), (x, y), (-5 if side == "left" else 5, 0),
                        textcoords="offset points", va="center", fontsize=LABEL, color=MUTED,
                        ha="right" if side == "left" else "left",
                        annotation_clip=False)  # fmt: skip
    else:
        _texts(ax, y, factor, inside)
    rng = np.random.default_rng(SEED)
    spread = places + (rng.uniform(-1, 1, len(places)) * _room(factor))
    for flags, base, tone in ((fails, 0.2, LOSS), (~fails, -0.34, BASELINE)):
        shown = np.flatnonzero(flags)
        shown = rng.choice(shown, TICKS, replace=False) if len(shown) > TICKS else shown
        ax.vlines(spread[shown], y + base, y + base + 0.14, color=tone, alpha=0.55, linewidth=0.9)


def _ends(factor: Varied, own: Sequence[Restriction]) -> tuple[float, float]:
    ends = {one.side: float(_along(factor, np.array([one.limit]))[0]) for one in own}
    low, high = ends.get("low", 0.0), ends.get("high", 1.0)
    middle, least = (low + high) / 2, 0.012  # one value of a few still is a mark
    return min(low, middle - least), max(high, middle + least)


def _bar(ax: Axes, y: float, low: float, high: float, tone: str) -> None:
    ax.add_patch(Rectangle((low, y - 0.13), high - low, 0.26, facecolor=tone, linewidth=0,
                           alpha=1 if tone == PALE else 0.85, clip_on=False))  # fmt: skip


def _texts(ax: Axes, y: float, factor: Varied, inside: Flags) -> None:
    n = len(factor.levels)
    chosen = {int(level) for level in factor.numbers[inside]}
    for level, text in enumerate(factor.levels):
        low, high = level / n + 0.004, (level + 1) / n - 0.004
        taken = level in chosen
        _bar(ax, y, low, high, LOSS if taken else PALE)
        room = max(int(90 / n), 4)
        shown = text.replace("_", " ")
        ax.text((low + high) / 2, y, shown if len(shown) <= room else f"{shown[: room - 1]}…",
                ha="center", va="center", fontsize=LABEL, color="white" if taken else INK,
                fontweight="bold" if taken else "normal")  # fmt: skip


def _along(factor: Varied, values: F64) -> F64:
    """Return where values lie along a factor's range, from 0 to 1; texts in their own parts."""
    if not factor.is_number:
        middles: F64 = (values + 0.5) / len(factor.levels)
        return middles
    ends = scaled(factor, np.array([factor.numbers.min(), factor.numbers.max()]))
    along: F64 = (scaled(factor, values) - ends[0]) / (ends[1] - ends[0])
    return along


def _room(factor: Varied) -> float:
    """Return how far marks of one value are spread, so that they can be told apart."""
    if not factor.is_number:
        return 0.4 / len(factor.levels)
    distinct = len(np.unique(factor.numbers))
    return 0.02 if distinct < len(factor.numbers) / 10 else 0.0


# --- two factors ---------------------------------------------------------------------------------


def pair(failing: Failing, box: Restrictions, x: Varied, y: Varied) -> Figure:
    """Draw points over two factors, those that fail in colour, with the region's limits.

    Points that another limit of the region leaves out are faint.
    """
    columns = {factor.name: factor.numbers for factor in failing.factors}
    others = tuple(one for one in box if one.factor not in {x.name, y.name})
    near = within(columns, others)
    rng = np.random.default_rng(SEED)
    shown = np.arange(len(failing))
    if len(shown) > DOTS:
        shown = np.sort(rng.choice(shown, DOTS, replace=False))
    with rc_context(STYLE):
        figure = sharp_figure(HALF, 360)
        ax = plot_axes(figure, 74, 20, 50, 46)
        ax.grid(visible=False)
        across, up = (_along(f, f.numbers) + rng.uniform(-1, 1, len(failing)) * _room(f)
                      for f in (x, y))  # fmt: skip
        _cloud(ax, across, up, shown, near, failing.fails)
        low_x, high_x = _sides(x, box)
        low_y, high_y = _sides(y, box)
        ax.add_patch(Rectangle((low_x, low_y), high_x - low_x, high_y - low_y, facecolor=LOSS,
                               alpha=0.09, linewidth=0, zorder=1))  # fmt: skip
        ax.add_patch(Rectangle((low_x, low_y), high_x - low_x, high_y - low_y, facecolor="none",
                               edgecolor=LOSS, linewidth=1.8, zorder=4))  # fmt: skip
        ax.set_xlim(-0.04, 1.04)
        ax.set_ylim(-0.04, 1.04)
        _ticks(ax, x, vertical=False)
        _ticks(ax, y, vertical=True)
        ax.set_xlabel(factor_label(x.name, 44), loc="right", fontsize=LABEL, color=INK)
        ax.set_title(factor_label(y.name, 44), loc="left", fontsize=LABEL, color=INK)
        for at, text, tone in ((74, "● fails", LOSS), (134, "○ does not", BASELINE),
                               (222, "▭ the region", LOSS)):  # fmt: skip
            figure.text(at / HALF, 1 - 15 / 360, text, color=tone, fontsize=LABEL, va="center",
                        fontweight="bold")  # fmt: skip
    return figure


def _cloud(ax: Axes, x: F64, y: F64, shown: I64, near: Flags, fails: Flags) -> None:
    for faint in (True, False):
        for failed in (False, True):
            own = shown[(near[shown] != faint) & (fails[shown] == failed)]
            ax.scatter(
                x[own], y[own], s=17, alpha=0.16 if faint else 0.85, zorder=2 if faint else 3,
                facecolors=LOSS if failed else "white", edgecolors=LOSS if failed else BASELINE,
                linewidths=0.8,
            )  # fmt: skip


def _sides(factor: Varied, box: Restrictions) -> tuple[float, float]:
    """Return between what a region lies along an axis; of texts, around those that are inside."""
    own = [one for one in box if one.factor == factor.name]
    if not own:
        return -0.03, 1.03
    if factor.is_number:
        ends = {one.side: float(_along(factor, np.array([one.limit]))[0]) for one in own}
        room = _room(factor) * 1.4
        return ends.get("low", 0.0) - 0.01 - room, ends.get("high", 1.0) + 0.01 + room
    n = len(factor.levels)
    return min(own[0].levels) / n + 0.01, (max(own[0].levels) + 1) / n - 0.01


def _ticks(ax: Axes, factor: Varied, *, vertical: bool) -> None:
    set_ticks = ax.set_yticks if vertical else ax.set_xticks
    if not factor.is_number:
        places = (np.arange(len(factor.levels)) + 0.5) / len(factor.levels)
        room = 10 if vertical else max(int(60 / len(factor.levels)), 6)
        texts = ["\n".join(wrap(level.replace("_", " "), room)[:2]) for level in factor.levels]
        set_ticks(places.tolist(), texts, fontsize=LABEL)
        return
    distinct = np.unique(factor.numbers)
    if len(distinct) <= 6:  # noqa: PLR2004  # labels of six fit
        values = distinct
    elif factor.log:
        values = np.geomspace(distinct[0], distinct[-1], 5)
    else:
        values = np.linspace(distinct[0], distinct[-1], 5)
    set_ticks(_along(factor, values).tolist(), [_tick(factor, float(v)) for v in values],
              fontsize=LABEL)  # fmt: skip


def _tick(factor: Varied, value: float) -> str:
    reach = float(np.ptp(factor.numbers))
    digits = 2 - int(np.floor(np.log10(reach)))
    return short(float(f"{value:.2g}") if factor.log else round(value, digits))
