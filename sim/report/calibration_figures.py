"""Pictures of a calibration: what is real beside what the calibrated market gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from markupsafe import Markup
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
    svg,
)
from sim.report.numbers import percent, plain

REAL, SIMULATED = BASELINE, PLAN
OTHERS: Final = PLAN_COLOURS[1:]
Numbers = Sequence[float | None]
BAR: Final = 0.38
"""Height of a bar, in rows."""


def draw(figure: Figure, name: str, label: str) -> Markup:
    """Return a picture as it stands in the page."""
    return Markup(svg(figure, name, label))


def known_numbers(values: Numbers) -> list[float]:
    """Return numbers with NaN for what is not known, which is then not drawn."""
    return [np.nan if value is None else float(value) for value in values]


def pair_bars(
    names: Sequence[str], real: Numbers, simulated: Numbers, noise: float | None = None
) -> Figure:
    """Draw shares as pairs of bars, real above simulated.

    Parameters
    ----------
    names
        What each pair is of.
    real, simulated
        Shares; a missing one is left open.
    noise
        Drawn about the real one: what chance alone moves it by.
    """
    n = len(names)
    with rc_context(STYLE):
        figure = new_figure(480, 44 + 50 * n)
        ax = plot_axes(figure, 128, 56, 8, 30)
        ax.grid(visible=True, axis="x")
        ax.grid(visible=False, axis="y")
        for side, values, tone in ((-0.5, real, REAL), (0.5, simulated, SIMULATED)):
            places = np.arange(n) + side * (BAR + 0.03)
            known = known_numbers(values)
            ax.barh(places, known, height=BAR, color=tone)
            for y, value in zip(places, known, strict=True):
                _value_at(ax, value, y, percent(value), tone, shift=noise or 0.0)
        if noise:
            y = np.arange(n) - 0.5 * (BAR + 0.03)
            ax.errorbar(known_numbers(real), y, xerr=noise, fmt="none", ecolor=INK, elinewidth=1.2)
        ax.set_yticks(np.arange(n), [_short(name) for name in names], color=INK)
        ax.set_ylim(n - 0.45, -0.55)
        ax.set_xlim(left=0)
        _percent_axis(ax.xaxis)
    return figure


def _value_at(ax: Axes, value: float, y: float, text: str, tone: str, shift: float) -> None:
    if np.isfinite(value):
        ax.annotate(
            text,
            (value + shift, y),
            (6, 0),
            textcoords="offset points",
            va="center",
            color=tone,
            fontsize=11,
            fontweight="bold",
            annotation_clip=False,
        )


def _short(name: str, room: int = 18) -> str:
    return name if len(name) <= room else f"{name[: room - 1]}…"


def _percent_axis(axis: Any, n: int = 5) -> None:
    axis.set_major_locator(MaxNLocator(n, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: percent(value, 0)))


def reliability(predicted: Numbers, observed: Numbers, n: Numbers) -> Figure:
    """Draw how often what was given a probability came true; the line is as it should be."""
    with rc_context(STYLE):
        figure = new_figure(480, 330)
        ax = plot_axes(figure, 52, 20, 12, 44)
        ax.grid(visible=True, axis="both")
        ax.plot([0, 1], [0, 1], color=RULE, linewidth=1.5, zorder=1.5)
        p, often = np.array(known_numbers(predicted)), np.array(known_numbers(observed))
        count = np.maximum(np.array(known_numbers(n)), 1)
        # Two binomial standard errors about what is predicted: where chance alone would put it.
        error = 2 * np.sqrt(p * (1 - p) / count)
        ax.errorbar(p, often, yerr=error, fmt="none", ecolor="#9db8cc", elinewidth=1.6)
        ax.scatter(p, often, s=20 + 120 * np.sqrt(count / count.max()), color=PLAN, zorder=3)
        ax.set_xlim(-0.02, 1.02)
        ax.set_ylim(-0.02, 1.05)
        ax.set_xlabel("predicted", loc="right")
        ax.set_ylabel("came true", loc="top")
        _percent_axis(ax.xaxis)
        _percent_axis(ax.yaxis)
    return figure


def tracking(
    time: Numbers,
    lines: Mapping[str, Numbers],
    unit: str,
    split: float | None = None,
) -> Figure:
    """Draw counts over time, the first line real, the others predicted.

    Parameters
    ----------
    time
        Weeks.
    lines
        Name to counts; the first is real, the second this market's.
    unit
        What the time is in.
    split
        Time after which nothing was used to estimate.
    """
    with rc_context(STYLE):
        figure = new_figure(1000, 340)
        ax = plot_axes(figure, 62, 130, 24, 42)
        tones = [REAL, SIMULATED, *OTHERS]
        ends = []
        for (name, values), tone in zip(lines.items(), tones, strict=False):
            known = known_numbers(values)
            ax.plot(known_numbers(time), known, color=tone, linewidth=2, zorder=_height(tone))
            last = [value for value in known if np.isfinite(value)]
            if last:
                ends.append((last[-1], name, tone))
        if split is not None:
            ax.axvline(split, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
            ax.annotate(
                "kept back →",
                (split, 1.0),
                (6, 4),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                color=MUTED,
                fontsize=11,
            )
        ax.set_xlim(float(np.nanmin(known_numbers(time))), float(np.nanmax(known_numbers(time))))
        ax.set_ylim(bottom=0)
        ax.set_xlabel(unit, loc="right")
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
        end_labels(ax, ax.get_xlim()[1], ends)
    return figure


def columns(
    labels: Sequence[str], lines: Mapping[str, Numbers], x_label: str, *, shares: bool = False
) -> Figure:
    """Draw groups of upright bars: a histogram, or rates by quarter; the first group is real."""
    width = 0.8 / max(len(lines), 1)
    with rc_context(STYLE):
        figure = new_figure(480, 320)
        ax = plot_axes(figure, 58, 8, 34, 42)
        for i, (name, values) in enumerate(lines.items()):
            places = np.arange(len(labels)) + (i - (len(lines) - 1) / 2) * width
            tone = [REAL, SIMULATED, *OTHERS][i % (2 + len(OTHERS))]
            ax.bar(places, known_numbers(values), width=0.92 * width, color=tone, label=name)
        ax.set_xticks(np.arange(len(labels)), list(labels))
        ax.set_xlabel(x_label, loc="right")
        if shares:
            _percent_axis(ax.yaxis)
        else:
            ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
        _legend(ax, len(lines))
    return figure


def curves(x: Numbers, lines: Mapping[str, Numbers], x_label: str, y_label: str) -> Figure:
    """Draw a few lines over a number, with points; the first is real."""
    with rc_context(STYLE):
        figure = new_figure(480, 320)
        ax = plot_axes(figure, 58, 12, 34, 42)
        for i, (name, values) in enumerate(lines.items()):
            tone = [REAL, SIMULATED, *OTHERS][i % (2 + len(OTHERS))]
            ax.plot(
                known_numbers(x), known_numbers(values), "o-", color=tone, markersize=4.5,
                linewidth=2, label=name, zorder=_height(tone),
            )  # fmt: skip
        ax.set_xlabel(x_label, loc="right")
        ax.set_ylabel(y_label, loc="top")
        ax.set_ylim(bottom=0)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        _legend(ax, len(lines))
    return figure


def _height(tone: str) -> float:
    """Return what lies above what: real figures above this market's, and those above others'."""
    return {REAL: 4.0, SIMULATED: 3.0}.get(tone, 2.0)


def _legend(ax: Axes, n: int) -> None:
    ax.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=n,
        frameon=False,
        fontsize=11,
        handlelength=1.2,
        borderpad=0.2,
        columnspacing=1.4,
    )


def ranges(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw parallel ranges, each row on a scale of its own.

    Parameters
    ----------
    rows
        `name`; `outer` and `inner`, two ends each or None: what was thought before and what is
        left; `point` or None; `texts`, the outer ends in words.
    """
    n = len(rows)
    with rc_context(STYLE):
        figure = new_figure(1000, 34 + 34 * n)
        ax = plot_axes(figure, 300, 90, 8, 8)
        ax.grid(visible=False)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.spines["bottom"].set_visible(False)
        for y, row in enumerate(rows):
            _draw_range(ax, y, row)
        ax.set_xlim(0, 1)
        ax.set_ylim(n - 0.4, -0.6)
    return figure


def _draw_range(ax: Axes, y: int, row: Mapping[str, Any]) -> None:
    low, high = row["outer"]
    width = (high - low) or 1.0

    def place(value: float) -> float:
        return float((value - low) / width)

    ax.plot([0, 1], [y, y], color="#dfe5e9", linewidth=9, solid_capstyle="butt")
    if row.get("inner"):
        ax.plot([place(v) for v in row["inner"]], [y, y], color=PLAN, linewidth=9, alpha=0.75,
                solid_capstyle="butt")  # fmt: skip
    if row.get("point") is not None:
        ax.plot([place(row["point"])], [y], "o", color="white", mec=INK, mew=1.6, markersize=7)
    for x, text, side in ((0, row["texts"][0], "right"), (1, row["texts"][1], "left")):
        ax.annotate(
            text, (x, y), (-8 if side == "right" else 8, 0), textcoords="offset points",
            ha=side, va="center", color=MUTED, fontsize=11, annotation_clip=False,
        )  # fmt: skip
    ax.annotate(
        row["name"], (0, y), (-292, 0), textcoords="offset points", ha="left", va="center",
        fontsize=12, annotation_clip=False,
    )  # fmt: skip


def densities(beliefs: Mapping[str, tuple[float, float]], x_label: str) -> Figure:
    """Draw normal densities: what is believed before tests, what they say, what is believed after.

    Parameters
    ----------
    beliefs
        `before`, `tests`, `after` to mean and standard deviation.
    x_label
        What they are of.
    """
    tones = {"before": REAL, "tests": OTHERS[2], "after": PLAN}
    narrow = [belief for name, belief in beliefs.items() if name != "tests"] or [*beliefs.values()]
    ends = [mean + sd * k for mean, sd in narrow for k in (-3.5, 3.5)]
    with rc_context(STYLE):
        figure = new_figure(480, 270)
        ax = plot_axes(figure, 8, 8, 34, 44)
        x = np.linspace(min(ends), max(ends), 300)
        for name, (mean, sd) in beliefs.items():
            height = np.exp(-0.5 * ((x - mean) / sd) ** 2) / sd
            ax.fill_between(x, 0, height, color=tones[name], alpha=0.22, linewidth=0)
            ax.plot(x, height, color=tones[name], linewidth=2, label=name)
        ax.axvline(0, color=INK, linewidth=1)
        ax.set_yticks([])
        ax.grid(visible=False)
        ax.set_ylim(bottom=0)
        ax.set_xlabel(x_label, loc="right")
        _legend(ax, len(beliefs))
    return figure
