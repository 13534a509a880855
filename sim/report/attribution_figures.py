"""Pictures of an explanation: shares with their intervals, steps from nothing to all, pairs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any, Final

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
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
    RULE,
    STYLE,
    new_figure,
    plot_axes,
)
from sim.report.numbers import plain
from sim.report.sweep_figures import DIVERGING
from sim.report.sweep_words import Told

HALF: Final = 480
WIDE: Final = 1008
LABEL: Final = 11.5
NAMES: Final = 146
"""Room for names, in CSS pixels."""
UNTOLD: Final = "#b9c2ca"
"""Tone of what cannot be told from zero."""
TONES: Final = {1: PLAN, -1: LOSS, 0: UNTOLD}
DARK: Final = 0.5


@dataclass(frozen=True)
class Bar:
    """A bar: what it stands for, and how long it is."""

    name: str
    size: Estimate


def shares(told: Told, bars: Sequence[Bar]) -> Figure:
    """Draw a bar for each share, with its interval; grey where it cannot be told from zero."""
    with rc_context(STYLE):
        figure, ax = _rows([bar.name for bar in bars])
        ends = [end for bar in bars for end in (bar.size.low, bar.size.high, bar.size.mean, 0.0)]
        _amounts(ax, told, ends, room=0.2)
        for row, bar in enumerate(bars):
            tone = TONES[bar.size.sign * told.better]
            ax.barh(-row, bar.size.mean, height=0.56, color=tone, linewidth=0)
            _interval(ax, -row, bar.size)
            _say(ax, -row, bar.size, signed(told, bar.size.mean))
    return figure


def steps(told: Told, parts: Sequence[Bar], total: Bar) -> Figure:
    """Draw how parts add up to a total, each beginning where the one before ended."""
    with rc_context(STYLE):
        figure, ax = _rows([*(bar.name for bar in parts), total.name])
        ends = np.concatenate([[0.0], np.cumsum([bar.size.mean for bar in parts])])
        _amounts(ax, told, [*ends.tolist(), total.size.low, total.size.high], room=0.24)
        for row, bar in enumerate(parts):
            tone = TONES[bar.size.sign * told.better]
            start, end = ends[row], ends[row + 1]
            ax.barh(-row, end - start, left=start, height=0.56, linewidth=0, color=tone)
            ax.plot([end, end], [-row - 0.28, -row - 0.72], color=MUTED, linewidth=0.8)
            _beside(ax, -row, (start, end), signed(told, bar.size.mean))
        last = -len(parts)
        ax.barh(last, total.size.mean, height=0.56, color=INK, linewidth=0)
        ax.plot([total.size.low, total.size.high], [last, last], color=MUTED, linewidth=1.6)
        _beside(ax, last, (total.size.low, total.size.high, total.size.mean, 0.0),
                signed(told, total.size.mean), bold=True)  # fmt: skip
    return figure


def money(told: Told, names: Sequence[str], put_in: Sequence[float], earned: Sequence[Estimate]
          ) -> Figure:  # fmt: skip
    """Draw for each player what was put into it and, below, what it earned with its interval."""
    with rc_context(STYLE):
        figure, ax = _rows(names, height=44, top=34)
        ends = [0.0, *put_in]
        for one in earned:
            ends += [one.low, one.high]
        _amounts(ax, told, ends, room=0.2)
        for row, (own, one) in enumerate(zip(put_in, earned, strict=True)):
            pays = int(one.low > own) - int(one.high < own)
            ax.barh(-row + 0.19, own, height=0.3, color=BASELINE, linewidth=0)
            ax.barh(-row - 0.19, one.mean, height=0.3, linewidth=0, color=TONES[pays])
            _interval(ax, -row - 0.19, one)
            _beside(ax, -row + 0.19, (0.0, own), told.number(own))
            _say(ax, -row - 0.19, one, told.number(one.mean))
        _key(figure, [("put in", BASELINE), ("earned, and surely more", PLAN),
                      ("surely less", LOSS), ("cannot be told", UNTOLD)])  # fmt: skip
    return figure


def ends(told: Told, bars: Sequence[Bar], alone: Sequence[float], last: Sequence[float]) -> Figure:
    """Draw for each player what it adds alone, on average and last in, on one line."""
    with rc_context(STYLE):
        figure, ax = _rows([bar.name for bar in bars], top=34)
        shown = [value for value in (*alone, *last) if np.isfinite(value)]
        _amounts(ax, told, [*shown, *(bar.size.mean for bar in bars)], room=0.06)
        for row, (bar, first, end) in enumerate(zip(bars, alone, last, strict=True)):
            places = [value for value in (first, bar.size.mean, end) if np.isfinite(value)]
            ax.plot([min(places), max(places)], [-row, -row], color=RULE, linewidth=2.2, zorder=2)
            ax.plot(first, -row, "o", mfc="white", mec=BASELINE, mew=1.6, markersize=8, zorder=3)
            ax.plot(end, -row, "s", color=BASELINE, markersize=7.5, zorder=3)
            ax.plot(bar.size.mean, -row, "D", color=PLAN, markersize=7.5, zorder=4)
        _key(figure, [("\N{WHITE CIRCLE} alone", BASELINE),
                      ("\N{BLACK DIAMOND} on average: its share", PLAN),
                      ("\N{BLACK SQUARE} last in", BASELINE)])  # fmt: skip
    return figure


def pairs(
    told: Told,
    names: Sequence[str],
    found: Mapping[tuple[int, int], Estimate],
    bound: Collection[tuple[int, int]],
) -> Figure:
    """Draw by how much each two earn more together than apart, as a triangle of squares.

    Parameters
    ----------
    bound
        Pairs of which one needs the other: they are not coloured, for apart they cannot be.
    """
    n = len(names)
    free = [abs(one.mean) for pair, one in found.items() if pair not in bound and one.sign]
    most = max(free, default=0.0) or 1.0
    norm, square = TwoSlopeNorm(0, -most, most), min(84, (WIDE - 200) / max(n - 1, 1))
    with rc_context(STYLE):
        width = 170 + square * (n - 1) + 24
        figure = new_figure(max(width, HALF), 20 + 46 * (n - 1) + 56)
        ax = plot_axes(figure, 170, max(width, HALF) - width + 24, 12, 64)
        ax.grid(visible=False)
        ax.spines["bottom"].set_visible(False)
        for (i, j), one in found.items():
            face, tone = _square(told, norm, one)
            text, edge = signed(told, one.mean), "white"
            if (i, j) in bound:
                face, tone, edge, text = "white", INK if one.sign else MUTED, RULE, f"{text}\nneeds"
            ax.add_patch(Rectangle((i - 0.47, j - 1.46), 0.94, 0.92, facecolor=face,
                                   edgecolor=edge, linewidth=1))  # fmt: skip
            ax.text(i, j - 1, text, ha="center", va="center", fontsize=LABEL - 0.5, color=tone,
                    linespacing=1.1)  # fmt: skip
        ax.set_xlim(-0.5, n - 1.5)
        ax.set_ylim(n - 1.5, -0.5)
        room = max(int(square / 6.4), 6)
        ax.set_xticks(range(n - 1), [_short(name, room, 2) for name in names[:-1]],
                      fontsize=LABEL - 1)  # fmt: skip
        ax.set_yticks(range(n - 1), [_short(name, 22, 2) for name in names[1:]], fontsize=LABEL)
        ax.tick_params(labelcolor=INK)
    return figure


def _square(told: Told, norm: TwoSlopeNorm, one: Estimate) -> tuple[Any, str]:
    """Return the colours of a square and of the number in it."""
    if not one.sign:
        return PALE, MUTED
    face = DIVERGING(norm(told.better * one.mean))
    return face, "white" if np.dot(face[:3], (0.3, 0.59, 0.11)) < DARK else INK


def signed(told: Told, value: float) -> str:
    """Format a change as it stands beside a bar: a number with its sign."""
    return plain(value / told.divisor, told.decimals, signed=True)


def _rows(names: Sequence[str], height: float = 34, top: float = 10) -> tuple[Figure, Axes]:
    """Return axes with a row for each name, the first one at the top."""
    figure = new_figure(HALF, top + height * len(names) + 34)
    ax = plot_axes(figure, NAMES, 14, top, 30)
    ax.grid(visible=False, axis="y")
    ax.grid(visible=True, axis="x")
    ax.set_ylim(-len(names) + 0.45, 0.55)
    ax.set_yticks([])
    ax.tick_params(labelsize=LABEL)
    for row, name in enumerate(names):
        ax.annotate(_short(name, 22, 2), (0, -row), (-8, 0), xycoords=ax.get_yaxis_transform(),
                    textcoords="offset points", ha="right", va="center", fontsize=LABEL,
                    linespacing=1.05)  # fmt: skip
    return figure, ax


def _amounts(ax: Axes, told: Told, ends: Sequence[float], room: float) -> None:
    """Lay out the axis of amounts, with room for the numbers beside bars, and mark zero."""
    low, high = min(*ends, 0.0), max(*ends, 0.0)
    reach = (high - low) or 1.0
    low -= room * reach * (low < 0)
    high += room * reach * (high > 0 or low >= 0)
    ax.set_xlim(low, high)
    ax.axvline(0, color=INK, linewidth=1, zorder=1.5)
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    ticks = np.abs(np.diff(ax.get_xticks())[:1]) / told.divisor
    decimals = next((d for d in range(5) if np.allclose(ticks, np.round(ticks, d), rtol=1e-3)), 5)
    ax.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: plain(value / told.divisor, decimals))
    )


def _interval(ax: Axes, y: float, size: Estimate) -> None:
    ax.plot([size.low, size.high], [y, y], color=INK, linewidth=1.3, solid_capstyle="butt")


def _say(ax: Axes, y: float, size: Estimate, text: str) -> None:
    _beside(ax, y, (size.low, size.high, size.mean, 0.0), text)


def _beside(ax: Axes, y: float, ends: Sequence[float], text: str, *, bold: bool = False) -> None:
    """Write a text beyond the end of a bar that lies farther from zero."""
    low, high = min(ends), max(ends)
    right = ends[-1] >= ends[0] if len(ends) == 2 else high >= -low  # noqa: PLR2004  # a step's way
    ax.annotate(text, (high if right else low, y), (5 if right else -5, 0),
                textcoords="offset points", ha="left" if right else "right", va="center",
                fontsize=LABEL, annotation_clip=False, zorder=5,
                fontweight="bold" if bold else "normal",
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.6},
                )  # fmt: skip


def _key(figure: Figure, items: Sequence[tuple[str, str]]) -> None:
    """Write what colours stand for along the top."""
    width, height = (72 * size for size in figure.get_size_inches())
    left = 12.0
    for text, tone in items:
        figure.text(left / width, 1 - 8 / height, text, color=tone, fontweight="bold",
                    fontsize=LABEL, va="top")  # fmt: skip
        left += 7.0 * len(text) + 16


def _short(name: str, width: int, lines: int) -> str:
    return "\n".join(wrap(name, width, max_lines=lines, placeholder="…"))
