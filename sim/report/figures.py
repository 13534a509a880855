"""Pictures of a run, drawn with matplotlib and handed out as figures or inline SVG.

Colours are those of Okabe & Ito (2008), which people with any colour vision can tell apart.
Text in SVG stays text and takes the page's font, so that it can be searched and read aloud.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from io import StringIO
from pathlib import Path
from textwrap import wrap
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sim.report.folder import RunFolder, read_folder
from sim.report.numbers import MoneyUnit, known, money_unit, percent, plain
from sim.report.tables import chance_rank, top_unknowns
from sim.report.words import Words, plan_title, readable
from sim.types import F64

INK, MUTED, RULE, PALE = "#1c2733", "#5d6875", "#c9d0d6", "#f1f3f5"
BASELINE, PLAN, LOSS = "#6b747e", "#0072B2", "#D55E00"
PLAN_COLOURS: Final = (PLAN, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#D55E00")
STYLE: Final[Any] = {  # Any: only some releases of matplotlib type the keys of a style
    "font.family": ["DejaVu Sans"],
    "font.size": 12,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": "#e6eaed",
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "xtick.major.pad": 6,
    "ytick.major.size": 0,
    "svg.fonttype": "none",
    "svg.hashsalt": "fidelio",
    "lines.solid_capstyle": "round",
}
POINTS_PER_INCH: Final = 72
SHARES: Final = ("churn_annual", "share", "retention", "repeat_rate", "penetration")
QUARTERS_BEFORE: Final = 4
BLOCKS_UP_TO: Final = 160
LEVELS: Final = (0.1, 0.5, 0.9)
NEAR_EDGE: Final = 0.9
"""Place along an axis from which a centred label would leave the picture."""


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure, its size in CSS pixels at 100%."""
    return Figure(figsize=(width / POINTS_PER_INCH, height / POINTS_PER_INCH))


def plot_axes(figure: Figure, left: float, right: float, top: float, bottom: float) -> Axes:
    """Add axes with margins in CSS pixels, so that labels never depend on a font's width."""
    width, height = (POINTS_PER_INCH * size for size in figure.get_size_inches())
    return figure.add_axes(
        (
            left / width,
            bottom / height,
            (width - left - right) / width,
            (height - top - bottom) / height,
        )
    )


def svg(figure: Figure, prefix: str, label: str) -> str:
    """Return a figure as an SVG element to stand in a page.

    Parameters
    ----------
    figure
        The picture.
    prefix
        Put before every id, so that several pictures in one page do not clash.
    label
        What the picture shows, for those who do not see it.
    """
    buffer = StringIO()
    with rc_context(STYLE):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r'(?:xlink:)?href="#', f'href="#{prefix}-', text)
    text = text.replace("url(#", f"url(#{prefix}-")
    text = re.sub(r"font(?:-family)?: ?[^;\"]*'DejaVu Sans'", _without_family, text)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    view = re.search(r'viewBox="([^"]+)"', text)
    box = view.group(1) if view else ""
    head = f'<svg viewBox="{box}" role="img" aria-label="{_escape(label)}">'
    return re.sub(r"<svg[^>]*>", lambda _: head, text, count=1)


def _without_family(match: re.Match[str]) -> str:
    """Keep size and weight of a CSS font, and leave the family to the page."""
    size = re.search(r"([\d.]+)px", match.group(0))
    weight = re.search(r"\b(bold|[5-9]00)\b", match.group(0))
    parts = [f"font-size: {size.group(1)}px"] if size else []
    return "; ".join(parts + ([f"font-weight: {weight.group(1)}"] if weight else []))


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def colours(folder: RunFolder) -> dict[str, str]:
    """Return the colour of every plan; the baseline is grey."""
    found = {plan: PLAN_COLOURS[i % len(PLAN_COLOURS)] for i, plan in enumerate(folder.plans)}
    return {**found, folder.baseline: BASELINE}


def apart(positions: Sequence[float], gap: float) -> list[float]:
    """Move label positions apart until neighbours are at least `gap` from each other."""
    if not len(positions):
        return []
    order = np.argsort(positions)
    moved = np.asarray(positions, dtype=float)[order]
    for _ in range(100):
        overlap = gap - np.diff(moved)
        if (overlap <= 1e-9 * gap).all():
            break
        push = np.maximum(overlap, 0.0) / 2
        moved[:-1] -= push
        moved[1:] += push
    result = np.empty_like(moved)
    result[order] = moved
    return [float(value) for value in result]


def end_labels(
    ax: Axes, x: float, ends: Sequence[tuple[float, str, str]], size: float = 12, lines: int = 1
) -> None:
    """Write (value, text, colour) beside the ends of lines, without overlap."""
    low, high = ax.get_ylim()
    height = ax.get_position().height * ax.get_figure().get_figheight() * POINTS_PER_INCH  # type: ignore[union-attr]
    gap = (high - low) * size * 1.25 * lines / height
    places = apart([value for value, _, _ in ends], gap)
    for place, (_, text, colour) in zip(places, ends, strict=True):
        ax.annotate(
            text,
            (x, place),
            (6, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            fontsize=size,
            fontweight="bold",
            annotation_clip=False,
            linespacing=1.15,
        )


def quarter_axis(ax: Axes, first: int, last: int) -> None:
    """Mark quarters, each year's last one by number."""
    step = 4 if last > 6 else 1  # noqa: PLR2004
    ticks = [t for t in range(0, last + 1, step) if t >= first]
    if not ticks or last - ticks[-1] >= step / 2:
        ticks.append(last)
    ax.set_xticks(ticks, [str(t) if t else "0" for t in ticks])
    ax.set_xlim(first, last)


def _y_numbers(ax: Axes, text: Callable[[float], str], n: int = 5) -> None:
    ax.yaxis.set_major_locator(MaxNLocator(n, min_n_ticks=3, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))


def _axis_decimals(ax: Axes, divisor: float) -> int:
    low, high = ax.get_ylim()
    reach = (high - low) / divisor
    return 0 if reach > 4 else 1 if reach > 0.4 else 2  # noqa: PLR2004


# ------------------------------------------------------------------ measures over time


def level_text(measure: str, value: float, decimals: int = 1) -> str:
    """Format a level of a measure."""
    return percent(value, decimals) if measure in SHARES else plain(value, decimals)


def draw_trend(ax: Axes, words: Words, folder: RunFolder, measure: str) -> None:
    """Draw a measure of the focal brand over time for all plans, with bands if there are two."""
    tones = colours(folder)
    shown = [folder.baseline, *(p for p in reversed(folder.plans) if p != folder.baseline)]
    first = 1 - QUARTERS_BEFORE
    levels = {plan: folder.levels(plan, measure).loc[first:] for plan in shown}
    for plan, values in levels.items():
        _draw_line(ax, values, tones[plan], band=not folder.is_comparison)
    start = min(int(values.index.min()) for values in levels.values())
    quarter_axis(ax, start, folder.quarters)
    _mark_before(ax, words, start)
    ax.margins(y=0.12)
    ax.set_xlabel(words("mark.quarter"), loc="right")
    scale = 0.01 if measure in SHARES else 1.0
    decimals = _axis_decimals(ax, scale)
    _y_numbers(ax, lambda value: level_text(measure, value, decimals))
    ends = [
        (float(values.iloc[-1].mean()), _end_text(folder, measure, plan, values), tones[plan])
        for plan, values in levels.items()
    ]
    end_labels(ax, folder.quarters, ends, lines=1 if folder.is_comparison else 3)


def _draw_line(ax: Axes, values: pd.DataFrame, colour: str, *, band: bool) -> None:
    quarter = values.index.to_numpy(dtype=float)
    if band:
        low, high = values.quantile(0.1, axis=1), values.quantile(0.9, axis=1)
        ax.fill_between(quarter, low, high, color=colour, alpha=0.16, linewidth=0)
    mean = values.mean(axis=1)
    ax.plot(quarter, mean, color=colour, linewidth=2.2)
    ax.plot(quarter[-1:], mean.iloc[-1:], "o", color=colour, markersize=5, clip_on=False)


def _end_text(folder: RunFolder, measure: str, plan: str, values: pd.DataFrame) -> str:
    value = level_text(measure, float(values.iloc[-1].mean()))
    return value if folder.is_comparison else f"{short_name(plan)}\n{value}"


def short_name(plan: str) -> str:
    """Return a plan's name in at most two short lines, to stand beside a line."""
    lines = wrap(readable(plan), width=12, max_lines=2, placeholder="…")
    return "\n".join(lines)


def _mark_before(ax: Axes, words: Words, first: int) -> None:
    if first >= 0:
        return
    ax.axvspan(first, 0, color=PALE, zorder=0, linewidth=0)
    ax.text(
        first / 2,
        1.0,
        words("mark.before"),
        transform=ax.get_xaxis_transform(),
        ha="center",
        va="bottom",
        color=MUTED,
        fontsize=11,
    )


def trend(words: Words, folder: RunFolder, measure: str) -> Figure:
    """Draw a measure over time."""
    with rc_context(STYLE):
        figure = new_figure(312, 244)
        right = 52 if folder.is_comparison else 86
        draw_trend(plot_axes(figure, 42, right, 20, 40), words, folder, measure)
    return figure


# ------------------------------------------------------------------ money


def amounts_unit(folder: RunFolder, values: Iterable[float]) -> MoneyUnit:
    """Return the unit for money in a picture."""
    return money_unit(values, folder.currency)


def draw_cash(ax: Axes, words: Words, folder: RunFolder) -> None:
    """Draw cumulative discounted incremental cash flow, with payback if there is one plan."""
    sums = {plan: folder.cumulative_cash(plan) for plan in reversed(folder.plans)}
    unit = cash_unit(folder)
    tones = colours(folder)
    for plan, values in sums.items():
        start = pd.DataFrame(0.0, index=[0], columns=values.columns)
        tone = PLAN if not folder.is_comparison else tones[plan]
        whole = pd.concat([start, values]) / unit.divisor
        _draw_line(ax, whole, tone, band=not folder.is_comparison)
    ax.axhline(0, color=INK, linewidth=1, zorder=1.5)
    quarter_axis(ax, 0, folder.quarters)
    ax.set_xlabel(words("mark.quarter"), loc="right")
    _widen_if_flat(ax)
    ax.margins(y=0.12)
    decimals = _axis_decimals(ax, 1.0)
    _y_numbers(ax, lambda value: plain(value, decimals))
    ends = [
        (
            float(values.iloc[-1].mean()) / unit.divisor,
            unit.number(float(values.iloc[-1].mean()), signed=True),
            tones[plan] if folder.is_comparison else PLAN,
        )
        for plan, values in sums.items()
    ]
    end_labels(ax, folder.quarters, ends)
    if not folder.is_comparison:
        _mark_phases(ax, folder)
        _mark_payback(ax, words, folder, unit)


def cash_unit(folder: RunFolder) -> MoneyUnit:
    """Return the unit of the picture of cumulative cash."""
    ends = [
        float(size)
        for plan in folder.plans
        for size in folder.cumulative_cash(plan).mean(axis=1).abs()
    ]
    return amounts_unit(folder, ends)


def _widen_if_flat(ax: Axes) -> None:
    low, high = ax.get_ylim()
    if high - low < 0.2:  # noqa: PLR2004
        ax.set_ylim(-1, 1)


def _mark_phases(ax: Axes, folder: RunFolder) -> None:
    for i, phase in enumerate(folder.phases(folder.plans[0]), 1):
        start, end = phase.first - 1, min(phase.last, folder.quarters)
        if i % 2:
            ax.axvspan(start, end, color=PALE, zorder=0, linewidth=0)
        ax.text(
            (start + end) / 2,
            1.02,
            str(i),
            transform=ax.get_xaxis_transform(),
            ha="center",
            va="bottom",
            fontsize=11,
            color=MUTED,
        )


def _mark_payback(ax: Axes, words: Words, folder: RunFolder, unit: MoneyUnit) -> None:
    quarter = folder.payback_on_average(folder.plans[0])
    if quarter is None:
        return
    mean = folder.cumulative_cash(folder.plans[0]).mean(axis=1)
    value = float(mean.loc[quarter]) / unit.divisor
    ax.plot([quarter], [value], "o", markersize=9, mfc="white", mec=PLAN, mew=2, zorder=5)
    left = quarter > folder.quarters / 2
    ax.annotate(
        words("mark.payback", n=quarter),
        (quarter, value),
        (-9, 9) if left else (9, -14),
        textcoords="offset points",
        ha="right" if left else "left",
        color=INK,
        fontweight="bold",
        fontsize=12,
    )


def cumulative_cash(words: Words, folder: RunFolder) -> Figure:
    """Draw cumulative incremental cash flow."""
    with rc_context(STYLE):
        figure = new_figure(480, 310)
        draw_cash(plot_axes(figure, 40, 52, 22, 38), words, folder)
    return figure


def npv_values(folder: RunFolder, plan: str) -> F64:
    """Return the known net present values of a plan, in currency."""
    values: F64 = np.asarray(folder.replicated(plan, "npv").dropna(), dtype=np.float64)
    return values


def histogram_edges(values: F64) -> F64:
    """Return bin edges of a round width, of which one is zero."""
    low, high = float(values.min()), float(values.max())
    n_bins = min(max(round(2.2 * len(values) ** 0.5), 6), 30)
    width = _round_up((high - low) / n_bins)
    first, last = np.floor(low / width), np.floor(high / width) + 1
    edges: F64 = width * np.arange(first, last + 1)
    return edges


def _round_up(size: float) -> float:
    power = 10.0 ** np.floor(np.log10(size))
    return float(power * next(step for step in (1, 2, 2.5, 5, 10) if step * power >= size * 0.999))


def draw_npv(ax: Axes, words: Words, folder: RunFolder) -> None:
    """Draw the distribution of NPV of one plan: losses in orange, one block per future."""
    values = npv_values(folder, folder.plans[0])
    unit = amounts_unit(folder, np.abs(values))
    ax.grid(visible=False)
    ax.set_yticks([])
    if not len(values) or not np.ptp(values):
        _draw_one_value(ax, words, values, unit)
        return
    edges = histogram_edges(values)
    _draw_blocks(ax, values / unit.divisor, edges / unit.divisor)
    _mark_quantiles(ax, values / unit.divisor, unit)
    _mark_zero(ax, words, edges / unit.divisor)
    _count_sides(ax, words, values)


def _draw_one_value(ax: Axes, words: Words, values: F64, unit: MoneyUnit) -> None:
    value = float(values[0]) if len(values) else 0.0
    ax.set_xlim(value / unit.divisor - 1, value / unit.divisor + 1)
    ax.set_ylim(0, 1)
    ax.axvline(value / unit.divisor, color=INK, linewidth=2, ymax=0.75)
    label = words("mark.same") if not value else unit.number(value, signed=True)
    ax.text(value / unit.divisor, 0.8, label, ha="center", va="bottom", fontweight="bold")
    ax.set_xticks([value / unit.divisor], [unit.number(value)])


def _draw_blocks(ax: Axes, values: F64, edges: F64) -> None:
    counts, _ = np.histogram(values, edges)
    middles, width = (edges[:-1] + edges[1:]) / 2, edges[1] - edges[0]
    tones = [LOSS if middle < 0 else PLAN for middle in middles]
    ax.bar(middles, counts, width=0.94 * width, color=tones, linewidth=0)
    if len(values) <= BLOCKS_UP_TO:
        for line in range(1, int(counts.max())):
            ax.axhline(line, color="white", linewidth=1.3)
    top = float(counts.max())
    ax.set_ylim(-0.24 * top, 1.22 * top)
    ax.spines["bottom"].set_position(("data", 0))
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(value, _decimals(edges))))
    ax.tick_params(axis="x", pad=0.24 * _height_in_points(ax) / 1.46 + 4)


def _height_in_points(ax: Axes) -> float:
    figure = ax.get_figure()
    inches = figure.get_figheight() if isinstance(figure, Figure) else 1.0
    return ax.get_position().height * inches * POINTS_PER_INCH


def _decimals(edges: F64) -> int:
    return 0 if np.ptp(edges) >= 5 else 1  # noqa: PLR2004


def _mark_quantiles(ax: Axes, values: F64, unit: MoneyUnit) -> None:
    """Draw P10, P50 and P90 on a ruler under the bars."""
    low, middle, high = (float(q) for q in np.quantile(values, LEVELS))
    at = 0.32 * ax.get_ylim()[0]
    ax.plot([low, high], [at, at], color=INK, linewidth=2.4, zorder=4)
    ax.plot([middle], [at], "o", color="white", mec=INK, mew=2, markersize=7, zorder=5)
    places = apart([low, middle, high], 0.13 * (ax.get_xlim()[1] - ax.get_xlim()[0]))
    for place, value, name in zip(places, (low, middle, high), ("P10", "P50", "P90"), strict=True):
        ax.annotate(
            f"{name} {unit.number(value * unit.divisor)}",
            (place, at),
            (0, -7),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=12,
            fontweight="bold",
        )


def _mark_zero(ax: Axes, words: Words, edges: F64) -> None:
    low, high = float(edges[0]), float(edges[-1])
    if low <= 0 <= high or min(abs(low), abs(high)) < 0.5 * (high - low):
        ax.set_xlim(min(low, 0), max(high, 0))
        ax.margins(x=0.03)
        ax.plot([0, 0], [0, 1.05 * ax.get_ylim()[1] / 1.22], color=INK, linewidth=1.4, zorder=4)
        place = (0 - ax.get_xlim()[0]) / np.ptp(ax.get_xlim())
        ha = "right" if place > NEAR_EDGE else "left" if place < 1 - NEAR_EDGE else "center"
        ax.text(0, 1.08 * ax.get_ylim()[1] / 1.22, words("mark.break_even"), ha=ha, fontsize=12)
        return
    left = low > 0
    text = f"← {words('mark.break_even')}" if left else f"{words('mark.break_even')} →"
    ax.text(
        0.0 if left else 1.0,
        0.98,
        text,
        transform=ax.transAxes,
        ha="left" if left else "right",
        va="top",
        fontsize=12,
        color=MUTED,
    )


def _count_sides(ax: Axes, words: Words, values: F64) -> None:
    losses, n = int((values < 0).sum()), len(values)
    if losses:
        _corner(ax, words("mark.loses", k=losses, n=n), LOSS, left=True)
    if losses < n:
        _corner(ax, words("mark.gains", k=n - losses, n=n), PLAN, left=False)


def _corner(ax: Axes, text: str, colour: str, *, left: bool) -> None:
    ax.text(
        0.0 if left else 1.0,
        0.86,
        text,
        transform=ax.transAxes,
        ha="left" if left else "right",
        va="top",
        color=colour,
        fontweight="bold",
    )


def npv_histogram(words: Words, folder: RunFolder) -> Figure:
    """Draw the distribution of net present value over replications."""
    with rc_context(STYLE):
        figure = new_figure(480, 310)
        draw_npv(plot_axes(figure, 8, 8, 8, 26), words, folder)
    return figure


# ------------------------------------------------------------------ several plans


def npv_unit(folder: RunFolder) -> MoneyUnit:
    """Return the unit of the picture of distributions."""
    return amounts_unit(folder, [abs(v) for p in folder.plans for v in npv_values(folder, p)])


def draw_ridges(ax: Axes, words: Words, folder: RunFolder) -> None:
    """Draw the distribution of NPV of each plan above the next, best on top."""
    values = {plan: npv_values(folder, plan) for plan in folder.plans}
    everything = np.concatenate(list(values.values()))
    unit = npv_unit(folder)
    reach = max(float(np.ptp(everything)), 1e-9)
    low, high = min(float(everything.min()), 0.0), max(float(everything.max()), 0.0)
    grid = np.linspace(low - 0.08 * reach, high + 0.08 * reach, 300)
    tones, n = colours(folder), len(folder.plans)
    for i, plan in enumerate(folder.plans):
        _draw_ridge(ax, values[plan], grid, n - 1 - i, tones[plan], unit)
        ax.annotate(
            plan_title(folder, plan),
            (0, n - 1 - i + 0.66),
            xycoords=("axes fraction", "data"),
            color=tones[plan],
            fontweight="bold",
            va="bottom",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
    ax.axvline(0, color=INK, linewidth=1.2, zorder=1.5, ymax=0.96)
    ax.set_yticks([])
    ax.grid(visible=False)
    ax.set_ylim(-0.22, n)
    ax.set_xlim(grid[0] / unit.divisor, grid[-1] / unit.divisor)
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: plain(value, _decimals(grid / unit.divisor)))
    )
    ax.annotate(
        words("mark.break_even"),
        (0, 1.0),
        xycoords=("data", "axes fraction"),
        ha="center",
        va="bottom",
        fontsize=12,
    )


def _draw_ridge(
    ax: Axes, values: F64, grid: F64, base: float, colour: str, unit: MoneyUnit
) -> None:
    x = grid / unit.divisor
    ax.axhline(base, color=RULE, linewidth=0.8, zorder=1)
    heights = base + 0.62 * density(values, grid)
    ax.fill_between(x, base, heights, where=(x >= 0).tolist(), color=colour, alpha=0.45, lw=0)
    ax.fill_between(x, base, heights, where=(x <= 0).tolist(), color=LOSS, alpha=0.45, lw=0)
    ax.plot(x, heights, color=INK, linewidth=0.8)
    low, middle, high = (float(q) / unit.divisor for q in np.quantile(values, LEVELS))
    ax.plot([low, high], [base - 0.07] * 2, color=INK, linewidth=2.2)
    ax.plot([middle], [base - 0.07], "o", color="white", mec=INK, mew=1.8, markersize=6, zorder=5)


def density(values: F64, grid: F64) -> F64:
    """Return a smooth density, scaled to a height of one.

    Notes
    -----
    Gaussian kernels with Silverman's (1986) bandwidth, at least one step of the grid.
    """
    spread = min(float(values.std()), float(np.ptp(np.quantile(values, (0.25, 0.75)))) / 1.34)
    width = max(0.9 * spread * len(values) ** -0.2, float(grid[1] - grid[0]))
    heights = np.exp(-0.5 * ((grid[:, None] - values) / width) ** 2).sum(axis=1)
    scaled: F64 = heights / heights.max()
    return scaled


def npv_ridges(words: Words, folder: RunFolder) -> Figure:
    """Draw the distributions of net present value of several plans."""
    with rc_context(STYLE):
        figure = new_figure(480, 70 + 88 * len(folder.plans))
        draw_ridges(plot_axes(figure, 8, 8, 26, 28), words, folder)
    return figure


# ------------------------------------------------------------------ how sure


def layers(words: Words, folder: RunFolder) -> Figure | None:
    """Draw the two layers of uncertainty of NPV, or nothing if they were not told apart."""
    npv = folder.difference(folder.plans[0], "npv")
    parts = [known(npv.get(key)) for key in ("ignorance_sd", "chance_sd")]
    sizes = [part for part in parts if part is not None]
    if len(sizes) < len(parts) or not sum(sizes):
        return None
    unit = money_unit(sizes, folder.currency)
    names = [words("mark.ignorance"), words("mark.luck")]
    with rc_context(STYLE):
        figure = new_figure(480, 116)
        ax = plot_axes(figure, 4, 70, 4, 4)
        _bare(ax)
        for y, (name, size, tone) in enumerate(
            zip(names, sizes, ("#E69F00", "#56B4E9"), strict=True)
        ):
            ax.barh(-y - 0.16, size, height=0.36, color=tone)
            ax.text(0, -y + 0.1, name, va="bottom", fontsize=12)
            ax.annotate(
                unit.number(size),
                (size, -y - 0.16),
                (6, 0),
                textcoords="offset points",
                va="center",
                fontweight="bold",
            )
        ax.set_ylim(-1.5, 0.6)
        ax.set_xlim(0, max(sizes))
    return figure


def _bare(ax: Axes) -> None:
    ax.grid(visible=False)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines["bottom"].set_visible(False)


def ranks(folder: RunFolder) -> Figure | None:
    """Draw the rank correlation of NPV with the uncertain parameters that move it most."""
    found = top_unknowns(folder)
    if not found:
        return None
    with rc_context(STYLE):
        figure = new_figure(480, 20 + 34 * len(found))
        ax = plot_axes(figure, 4, 4, 4, 4)
        _bare(ax)
        ax.set_xlim(-1.05, 1.05)
        ax.set_ylim(-len(found) + 0.4, 0.75)
        ax.axvline(0, color=RULE, linewidth=1.2)
        for y, (name, value) in enumerate(found):
            _draw_rank(ax, -y, name, value, clear=abs(value) > chance_rank(folder))
    return figure


def _draw_rank(ax: Axes, y: float, name: str, value: float, *, clear: bool) -> None:
    tone = (PLAN if value >= 0 else LOSS) if clear else MUTED_BAR
    side = 1 if value >= 0 else -1
    ax.plot([0, value], [y, y], color=tone, linewidth=5, solid_capstyle="butt")
    ax.annotate(
        plain(value, 2, signed=True),
        (value, y),
        (7 * side, 0),
        textcoords="offset points",
        va="center",
        ha="left" if side > 0 else "right",
        color=tone if clear else MUTED,
        fontweight="bold" if clear else "normal",
    )
    ax.annotate(
        parameter_label(name),
        (0, y),
        (-8 * side, 0),
        textcoords="offset points",
        va="center",
        ha="right" if side > 0 else "left",
    )


MUTED_BAR: Final = "#b8c0c6"
CONTAINERS: Final = {"lever", "market", "segments", "brands", "effects", "weights", "size"}
"""Parts of a parameter's path that only say where it stands, not which it is."""
NESTED: Final = {"tasks", "rollout", "waves", "membership", "tiers", "save_offer", "register"}
"""The same, unless they are the first part that is told: some levers have such names."""


def parameter_label(name: str, room: int = 38) -> str:
    """Turn a path into a label: `lever.privacy.effects.trust.size` is "Privacy, trust"."""
    told = [part for part in name.split(".") if part not in CONTAINERS] or [name]
    parts = told[:1] + [part for part in told[1:] if part not in NESTED]
    text = ", ".join([readable(parts[0]), *(part.replace("_", " ") for part in parts[1:])])
    return text if len(text) <= room else f"…{text[-room:].partition(' ')[2]}"


# ------------------------------------------------------------------ one picture of a result


def headline_figure(folder: Path) -> Figure:
    """Draw a result in one row: cash flow, churn and the distribution of NPV.

    Parameters
    ----------
    folder
        A finished run of one plan or of several.
    """
    run, words = read_folder(folder), Words()
    with rc_context(STYLE):
        figure = new_figure(1180, 350)
        for left, draw, key, unit in _headline_parts(words, run):
            ax = figure.add_axes((left, 0.13, 0.245, 0.66))
            draw(ax)
            top = ax.get_position().y1
            figure.text(left - 0.025, top + 0.135, words(key), fontweight="bold", fontsize=13)
            figure.text(left - 0.025, top + 0.08, unit, color=MUTED, fontsize=10)
    return figure


def _headline_parts(
    words: Words, run: RunFolder
) -> list[tuple[float, Callable[[Axes], None], str, str]]:
    npv = draw_ridges if run.is_comparison else draw_npv
    title = "figure.ridges" if run.is_comparison else "figure.npv"
    money = cash_unit(run).name
    return [
        (0.035, lambda ax: draw_cash(ax, words, run), "figure.cash", money),
        (
            0.375,
            lambda ax: draw_trend(ax, words, run, "churn_annual"),
            "figure.churn_annual",
            words("figure.churn_annual.unit"),
        ),
        (0.745, lambda ax: npv(ax, words, run), title, money),
    ]
