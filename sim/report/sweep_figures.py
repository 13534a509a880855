"""Pictures of a sweep: effects of factors, indices, maps over two factors, parallel coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any, Final

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter

from sim.report.figures import (
    BASELINE,
    INK,
    LOSS,
    MUTED,
    PALE,
    PLAN,
    POINTS_PER_INCH,
    RULE,
    STYLE,
    apart,
    plot_axes,
)
from sim.report.finding import sharp_figure
from sim.report.numbers import percent
from sim.report.sweep_words import Told, factor_label, share_text, short, value_text
from sim.report.words import Words
from sim.sweep.analysis import (
    LEVELS,
    SEED,
    Crossed,
    Effect,
    Interval,
    Morris,
    Sobol,
    Surface,
    ranked,
    scaled,
)
from sim.sweep.means import I64, Means, Varied
from sim.types import F64

WIDE, HALF = 1008, 480
"""Widths of the page and of half of it, in CSS pixels."""
LABEL: Final = 10.5
DIVERGING: Final = LinearSegmentedColormap.from_list(
    "loss_gain", ["#8f3d00", LOSS, "#f3b48a", "#f6f5f3", "#8fc1e3", PLAN, "#003f66"]
)
ASCENDING: Final = LinearSegmentedColormap.from_list(
    "low_high", ["#f6efe2", "#f0c56e", "#6fb3a8", PLAN, "#0b2f4f"]
)


# --- main effects --------------------------------------------------------------------------------

COLUMNS, PANELS = 4, 12


def effects(told: Told, shown: Sequence[Effect]) -> Figure:
    """Draw the mean outcome by each factor, a panel each, on one scale."""
    shown = shown[:PANELS]
    columns = min(COLUMNS, max(len(shown), 3))
    rows = -(-len(shown) // columns)
    width, height, left = (WIDE - 62) / columns, 206, 62
    with rc_context(STYLE):
        figure = sharp_figure(WIDE, rows * height)
        low, high = _reach(shown)
        for place, effect in enumerate(shown):
            row, column = divmod(place, columns)
            ax = plot_axes(
                figure, left + column * width, WIDE - left - (column + 1) * width + 22,
                row * height + 46, (rows - row - 1) * height + 44,
            )  # fmt: skip
            ax.set_ylim(low, high)
            _draw_effect(ax, effect)
            _outcome_axis(ax, told, labelled=column == 0)
            _panel_title(ax, factor_label(effect.factor.name, 26), _explains(effect))
    return figure


def _explains(effect: Effect) -> str:
    return f"explains {share_text(effect.share)}"


def _reach(shown: Sequence[Effect]) -> tuple[float, float]:
    means = np.concatenate([effect.mean for effect in shown])
    ends = np.concatenate([means, *(np.r_[effect.low, effect.high] for effect in shown)])
    # Intervals of very few points would press everything else flat: they are cut off.
    most = float(np.ptp(means))
    low = max(float(np.nanmin(ends)), float(means.min()) - most)
    high = min(float(np.nanmax(ends)), float(means.max()) + most)
    room = 0.06 * (high - low) or abs(high) or 1.0
    return low - room, high + room


def _draw_effect(ax: Axes, effect: Effect) -> None:
    if ax.get_ylim()[0] < 0 < ax.get_ylim()[1]:
        ax.axhline(0, color=MUTED, linewidth=1, zorder=1.5)
    clear = effect.share.low > 0
    tone = PLAN if clear else BASELINE
    if not effect.labels:
        ax.fill_between(effect.at, effect.low, effect.high, color=tone, alpha=0.18, linewidth=0)
        ax.plot(effect.at, effect.mean, "o-", color=tone, linewidth=2, markersize=4)
        _factor_axis(ax, effect.factor, effect.at)
        return
    places = np.arange(len(effect.at))
    ax.vlines(places, effect.low, effect.high, color=tone, alpha=0.35, linewidth=7)
    ax.plot(places, effect.mean, "o", color=tone, markersize=6)
    ax.set_xlim(-0.6, len(places) - 0.4)
    room = 190 / len(places)
    if len(places) > PANELS:
        ax.set_xticks([])
        return
    labels = ["\n".join(wrap(label.replace("_", " "), max(int(room / 6.2), 6))[:2])
              for label in effect.labels]  # fmt: skip
    ax.set_xticks(places, labels, fontsize=LABEL - 1)


def _factor_axis(ax: Axes, factor: Varied, at: F64) -> None:
    """Mark a factor's values along the horizontal axis."""
    if factor.log:
        ax.set_xscale("log")
        ticks = _log_ticks(*np.log10(ax.get_xlim()))
        ax.xaxis.set_major_locator(FixedLocator(ticks))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.tick_params(axis="x", which="minor", size=0)
    elif len(at) <= 5:  # noqa: PLR2004  # labels of five fit
        ax.xaxis.set_major_locator(FixedLocator(at.tolist()))
    else:
        ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    ax.tick_params(axis="x", labelsize=LABEL)


def _log_ticks(low: float, high: float) -> list[float]:
    """Return decades between two logarithms; 1, 2 and 5 of each if there are few."""
    decades = range(int(np.floor(low)), int(np.ceil(high)) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5)):
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        inside = [tick for tick in ticks if 10**low <= tick <= 10**high]
        if len(inside) > 2:  # noqa: PLR2004  # two ends and something between
            return inside
    return inside if len(inside) > 1 else np.geomspace(10**low, 10**high, 5)[1:-1].tolist()


def _outcome_axis(ax: Axes, told: Told, *, labelled: bool) -> None:
    ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    ax.tick_params(axis="y", labelsize=LABEL)
    number = FuncFormatter(lambda value, _: told.number(value))
    ax.yaxis.set_major_formatter(number if labelled else NullFormatter())


def _panel_title(ax: Axes, title: str, note: str) -> None:
    at = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "bottom"}
    ax.annotate(title, (0, 1), (0, 21), fontweight="bold", fontsize=12, **at)  # type: ignore[arg-type]
    ax.annotate(note, (0, 1), (0, 6), color=MUTED, fontsize=LABEL, **at)  # type: ignore[arg-type]


# --- indices -------------------------------------------------------------------------------------


def sobol(words: Words, found: Sobol) -> Figure:
    """Draw each factor's first-order and total index with their intervals."""
    order = np.argsort([-one.value for one in found.total], kind="stable")[:PANELS]
    with rc_context(STYLE):
        figure = sharp_figure(HALF, 52 + 46 * len(order))
        ax = plot_axes(figure, 156, 42, 34, 18)
        _bars_axis(ax, len(order))
        for y, j in enumerate(order):
            _bar(ax, -y + 0.17, found.first[j], PLAN, percent(max(found.first[j].value, 0), 0))
            _bar(ax, -y - 0.17, found.total[j], "#56B4E9", percent(found.total[j].value, 0))
            _bar_name(ax, -y, found.names[j])
        ends = [max(one.high, one.value) for one in (*found.first, *found.total)]
        ax.set_xlim(0, 1.06 * max(ends))
        ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(value, 0)))
        key(figure, [(words("mark.alone"), PLAN), (words("mark.with_others"), "#56B4E9")])
    return figure


def second(found: Sobol) -> Figure:
    """Draw the second-order indices as a table of squares."""
    order = np.argsort([-one.value for one in found.total], kind="stable")[:8]
    names = [found.names[j] for j in order]
    n = len(names)
    with rc_context(STYLE):
        figure = sharp_figure(HALF, 52 + 46 * n)
        ax = plot_axes(figure, 156, 12, 34, 18)
        _squares_axis(ax, [factor_label(name, 22) for name in names], n)
        most = max((one.value for one in found.second.values()), default=0) or 1.0
        for i, row in enumerate(names):
            for j, column in enumerate(names[:i]):
                pair = found.second.get((row, column)) or found.second[column, row]
                strength = max(pair.value, 0) / most if pair.low > 0 else 0.0
                face = ASCENDING(0.15 + 0.6 * strength) if pair.low > 0 else PALE
                ax.add_patch(_square(j, i, face))
                ax.text(j, i, percent(max(pair.value, 0), 0), ha="center", va="center",
                        fontsize=LABEL, color=INK if strength < 0.7 else "white",  # noqa: PLR2004
                        alpha=1 if pair.low > 0 else 0.6)  # fmt: skip
            ax.text(i, i, str(i + 1), ha="center", va="center", color=MUTED, fontweight="bold")
    return figure


def _square(x: float, y: float, face: Any) -> Rectangle:
    return Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=face, linewidth=0)


def _squares_axis(ax: Axes, names: Sequence[str], n: int) -> None:
    ax.grid(visible=False)
    ax.set_xlim(-0.5, n - 0.5)
    ax.set_ylim(n - 0.5, -0.5)
    ax.set_xticks([])
    ax.set_yticks(range(n), [f"{name}  {i + 1}" for i, name in enumerate(names)], fontsize=LABEL)
    ax.tick_params(axis="y", labelcolor=INK)
    ax.spines["bottom"].set_visible(False)


def morris(words: Words, told: Told, found: Morris) -> Figure:
    """Draw the mean size of each factor's elementary effects."""
    order = np.argsort([-one.value for one in found.mu_star], kind="stable")[:PANELS]
    with rc_context(STYLE):
        figure = sharp_figure(HALF, 34 + 34 * len(order))
        ax = plot_axes(figure, 156, 58, 4, 26)
        _bars_axis(ax, len(order))
        for y, j in enumerate(order):
            one = found.mu_star[j]
            _bar(ax, -y, one, PLAN, told.number(one.value), thick=0.42)
            _bar_name(ax, -y, found.names[j])
        ax.set_xlim(0, 1.02 * max(one.high for one in found.mu_star))
        ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: told.number(value)))
    return figure


NAMED: Final = 0.15
"""Size of an effect, beside the largest, from which its dot has a name."""


def spread(words: Words, told: Told, found: Morris) -> Figure:
    """Draw mean size and standard deviation of each factor's elementary effects."""
    sizes = np.array([one.value for one in found.mu_star])
    with rc_context(STYLE):
        figure = sharp_figure(HALF, max(34 + 34 * min(len(sizes), PANELS), 300))
        ax = plot_axes(figure, 58, 22, 30, 44)
        end_x = 1.3 * (float(sizes.max()) or 1.0)
        end_y = 1.25 * max(float(found.sigma.max()), 0.25 * end_x)
        ax.plot([0, end_y], [0, end_y], color=RULE, linewidth=1.5, zorder=1)
        ax.plot(sizes, found.sigma, "o", color=PLAN, markersize=7)
        ax.set_xlim(0, end_x)
        ax.set_ylim(0, end_y)
        named = np.argsort(-sizes, kind="stable")[:8]
        named = named[sizes[named] > NAMED * sizes.max()]
        per_unit = ax.get_position().height * figure.get_figheight() * POINTS_PER_INCH / end_y
        heights = apart([float(found.sigma[j]) for j in named], 0.055 * end_y)
        for j, height in zip(named, heights, strict=True):
            right = sizes[j] < 0.62 * end_x
            ax.annotate(
                factor_label(found.names[j], 22), (sizes[j], found.sigma[j]),
                (16 if right else -16, (height - found.sigma[j]) * per_unit),
                textcoords="offset points", ha="left" if right else "right", va="center",
                fontsize=LABEL, arrowprops={"arrowstyle": "-", "color": RULE, "shrinkB": 5},
            )  # fmt: skip
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
            axis.set_major_formatter(FuncFormatter(lambda value, _: told.number(value)))
        ax.set_xlabel(words("mark.mu_star"), loc="right", fontsize=LABEL)
        ax.set_title(words("mark.sigma"), loc="left", fontsize=LABEL, color=MUTED)
    return figure


def _bars_axis(ax: Axes, n: int) -> None:
    ax.grid(visible=False, axis="y")
    ax.grid(visible=True, axis="x")
    ax.set_ylim(-n + 0.45, 0.55)
    ax.set_yticks([])
    ax.tick_params(labelsize=LABEL)


def _bar(ax: Axes, y: float, one: Interval, tone: str, text: str, thick: float = 0.3) -> None:
    ax.barh(y, max(one.value, 0), height=thick, color=tone, linewidth=0)
    low, high = max(one.low, 0), max(one.high, 0)
    ax.plot([low, high], [y, y], color=INK, linewidth=1.3, solid_capstyle="butt")
    ax.annotate(text, (max(high, one.value, 0), y), (5, 0), textcoords="offset points",
                va="center", fontsize=LABEL, annotation_clip=False)  # fmt: skip


def _bar_name(ax: Axes, y: float, name: str) -> None:
    ax.annotate("\n".join(wrap(factor_label(name, 34), 21)[:2]), (0, y), (-8, 0),
                textcoords="offset points", ha="right", va="center", fontsize=LABEL,
                linespacing=1.05)  # fmt: skip


def key(figure: Figure, items: Sequence[tuple[str, str]], left: float = 156) -> None:
    """Write what colours stand for along the top."""
    width, height = (POINTS_PER_INCH * size for size in figure.get_size_inches())
    for text, tone in items:
        figure.text(left / width, 1 - 10 / height, text, color=tone, fontweight="bold",
                    fontsize=LABEL + 0.5, va="top")  # fmt: skip
        left += 8.2 * len(text) + 22


# --- maps ----------------------------------------------------------------------------------------

DOTS: Final = 300


def maps(told: Told, means: Means, shown: Sequence[tuple[str, Surface]]) -> Figure:
    """Draw surfaces side by side, each under its title, with points and the line of zero."""
    columns = max(len(shown), 2)
    width = (WIDE - 86) / columns
    height = min(0.86 * width, 330) + 92
    with rc_context(STYLE):
        figure = sharp_figure(WIDE, height)
        norm, tones = _tones(told, means, [surface for _, surface in shown])
        for column, (note, surface) in enumerate(shown):
            left = 58 + column * width
            ax = plot_axes(figure, left, WIDE - left - width + 62, 40, 52)
            _draw_map(ax, told, means, surface, norm, tones)
            ax.annotate(note, (0, 1), (0, 8), xycoords="axes fraction", color=MUTED,
                        textcoords="offset points", fontsize=LABEL)  # fmt: skip
        end = 58 + len(shown) * width - 34
        _scale(figure, told, norm, tones, end)
    return figure


def _tones(told: Told, means: Means, shown: Sequence[Surface]) -> tuple[Normalize, Colormap]:
    """Return colours for these values: around zero where zero parts gain from loss."""
    everything = np.concatenate([surface.values.ravel() for surface in shown])
    points = np.concatenate([means.mean[surface.shown] for surface in shown])
    low, high = np.quantile(points, (0.02, 0.98))
    low, high = min(float(low), everything.min()), max(float(high), everything.max())
    if told.about_zero and low < 0 < high:
        most = max(-low, high)
        return TwoSlopeNorm(0, -most, most), DIVERGING
    tones = ASCENDING if told.better > 0 else ASCENDING.reversed()
    return Normalize(low, high if high > low else low + 1), tones


def _draw_map(
    ax: Axes, told: Told, means: Means, surface: Surface, norm: Normalize, tones: Colormap
) -> None:
    x, y = surface.x, surface.y
    ax.grid(visible=False)
    ax.spines["bottom"].set_visible(False)
    ax.pcolormesh(surface.at_x, surface.at_y, surface.values, shading="gouraud", norm=norm,
                  cmap=tones, rasterized=True)  # fmt: skip
    levels = MaxNLocator(7, steps=[1, 2, 5, 10]).tick_values(
        float(surface.values.min()) / told.divisor, float(surface.values.max()) / told.divisor
    )
    levels = levels[np.abs(levels) > 1e-9 * np.abs(levels).max()] * told.divisor
    lines = ax.contour(surface.at_x, surface.at_y, surface.values, levels, colors=INK,
                       linewidths=0.7, alpha=0.55)  # fmt: skip
    ax.clabel(lines, fmt=told.number, fontsize=8.5, colors=INK)
    if told.about_zero and surface.values.min() < 0 < surface.values.max():
        ax.contour(surface.at_x, surface.at_y, surface.values, [0.0], colors=INK, linewidths=2.6)
    ax.set_xlim(surface.at_x[0], surface.at_x[-1])
    ax.set_ylim(surface.at_y[0], surface.at_y[-1])
    _draw_dots(ax, means, surface, norm, tones)
    _factor_axis(ax, x, _few(x))
    _vertical(ax, y)
    ax.set_xlabel(factor_label(x.name), loc="right", fontsize=LABEL, color=INK)
    ax.set_ylabel(factor_label(y.name), loc="top", fontsize=LABEL, color=INK, labelpad=4)


def _draw_dots(ax: Axes, means: Means, surface: Surface, norm: Normalize, tones: Colormap) -> None:
    places = surface.shown
    if len(places) > DOTS:
        places = np.random.default_rng(SEED).choice(places, DOTS, replace=False)
    x, y = (factor.numbers[places] for factor in (surface.x, surface.y))
    inside = (x >= surface.at_x[0]) & (x <= surface.at_x[-1])
    inside &= (y >= surface.at_y[0]) & (y <= surface.at_y[-1])
    ax.scatter(x[inside], y[inside], c=means.mean[places][inside], norm=norm, cmap=tones, s=11,
               edgecolors="white", linewidths=0.5, zorder=3)  # fmt: skip


def _few(factor: Varied) -> F64:
    """Return the levels of a factor that has few, for its ticks; else as many as have no label."""
    levels = np.unique(factor.numbers)
    return levels if len(levels) <= LEVELS else np.arange(10.0)


def _vertical(ax: Axes, factor: Varied) -> None:
    levels = _few(factor)
    if factor.log:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(FixedLocator(_log_ticks(*np.log10(ax.get_ylim()))))
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.tick_params(axis="y", which="minor", size=0)
    elif len(levels) <= 5:  # noqa: PLR2004  # labels of five fit
        ax.yaxis.set_major_locator(FixedLocator(levels.tolist()))
    else:
        ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    ax.tick_params(axis="y", labelsize=LABEL)


def _scale(figure: Figure, told: Told, norm: Normalize, tones: Colormap, left: float) -> None:
    """Draw the scale of colours at the right."""
    ax = plot_axes(figure, left, WIDE - left - 13, 40, 52)
    low, high = float(norm.vmin or 0), float(norm.vmax or 0)
    values = np.linspace(low, high, 128)
    ax.pcolormesh([0, 1], values, np.stack([values, values], axis=1), norm=norm, cmap=tones,
                  shading="gouraud", rasterized=True)  # fmt: skip
    ax.grid(visible=False)
    ax.spines["bottom"].set_visible(False)
    ax.set_xticks([])
    ax.set_ylim(low, high)
    ax.yaxis.tick_right()
    ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: told.number(value)))
    ax.tick_params(axis="y", labelsize=LABEL)


def cross(told: Told, found: Crossed) -> Figure:
    """Draw the mean outcome by two factors as a table of squares."""
    rows, columns = found.mean.shape
    with rc_context(STYLE):
        figure = sharp_figure(WIDE, 66 + 34 * rows)
        ax = plot_axes(figure, 170, 40, 8, 56)
        finite = found.mean[np.isfinite(found.mean)]
        low, high = float(finite.min()), float(finite.max())
        around = told.about_zero and low < 0 < high
        most = max(-low, high)
        norm = TwoSlopeNorm(0, -most, most) if around else Normalize(low, high or low + 1)
        tones = DIVERGING if around else ASCENDING
        for i in range(rows):
            for j in range(columns):
                value = float(found.mean[i, j])
                face = tones(norm(value)) if np.isfinite(value) else PALE
                ax.add_patch(_square(j, i, face))
                dark = np.isfinite(value) and np.dot(face[:3], (0.3, 0.59, 0.11)) < 0.5  # noqa: PLR2004
                ax.text(j, i, told.number(value), ha="center", va="center", fontsize=LABEL,
                        color="white" if dark else INK)  # fmt: skip
        ax.grid(visible=False)
        ax.set_xlim(-0.5, columns - 0.5)
        ax.set_ylim(rows - 0.5, -0.5)
        ax.set_yticks(range(rows), _labels(found.row, found.row_labels), fontsize=LABEL)
        ax.set_xticks(range(columns), _labels(found.column, found.column_labels), fontsize=LABEL)
        ax.tick_params(labelcolor=INK)
        ax.spines["bottom"].set_visible(False)
        ax.set_xlabel(factor_label(found.column.name), loc="right", fontsize=LABEL, color=INK)
    return figure


def _labels(factor: Varied, given: tuple[str, ...] | F64) -> list[str]:
    return [label.replace("_", " ") if isinstance(label, str) else short(float(label))
            for label in given]  # fmt: skip


# --- parallel coordinates ------------------------------------------------------------------------

AXES: Final = 9
MIDDLE, ENDS = 1200, 80
"""Lines drawn at most: of the points between the tenths, and of each tenth."""


def drawn(means: Means, better: int) -> dict[str, I64]:
    """Return the places of the points that are drawn: the worst tenth, the best, the rest."""
    order = ranked(means, better)
    tenth = max(len(order) // 10, 1)
    rng = np.random.default_rng(SEED)
    parts = {"rest": (order[tenth:-tenth], MIDDLE), "worst": (order[-tenth:], ENDS),
             "best": (order[:tenth], ENDS)}  # fmt: skip
    return {
        name: rng.choice(places, most, replace=False) if len(places) > most else places
        for name, (places, most) in parts.items()
    }


def parallel(words: Words, told: Told, means: Means, shown: Sequence[Effect]) -> Figure:
    """Draw each point as a line over the factors and on to the outcome.

    Parameters
    ----------
    shown
        Effects, strongest first: the strongest factor stands next to the outcome.
    """
    factors = [effect.factor for effect in shown[:AXES]][::-1]
    heights = np.column_stack([*(_heights(factor) for factor in factors), _outcome_heights(means)])
    tones = {"best": PLAN, "worst": LOSS, "rest": BASELINE}
    with rc_context(STYLE):
        figure = sharp_figure(WIDE, 410)
        ax = plot_axes(figure, 60, 96, 76, 34)
        parts = drawn(means, told.better)
        _bundle(ax, heights[parts["rest"]], [BASELINE] * len(parts["rest"]), 0.6)
        ends = np.concatenate([parts["worst"], parts["best"]])
        colours = [LOSS] * len(parts["worst"]) + [PLAN] * len(parts["best"])
        mixed = np.random.default_rng(SEED).permutation(len(ends))  # neither hides the other
        _bundle(ax, heights[ends[mixed]], [colours[i] for i in mixed], 0.9)
        ax.set_xlim(0, len(factors))
        ax.set_ylim(-0.02, 1.02)
        ax.grid(visible=False)
        ax.spines["bottom"].set_visible(False)
        ax.set_xticks([])
        ax.set_yticks([])
        for place, factor in enumerate(factors):
            _draw_axis(ax, place, factor_label(factor.name, 34), _marks(factor))
        _draw_axis(ax, len(factors), told.title, _outcome_marks(told, means), right=True)
        key(figure, [(words(f"mark.{name}"), tone) for name, tone in tones.items()], left=60)
    return figure


def _bundle(ax: Axes, heights: F64, colours: Sequence[str], thick: float) -> None:
    """Draw lines over all axes, the more of them the fainter; shape of heights (n, axes)."""
    lines = [np.column_stack([np.arange(len(line)), line]) for line in heights]
    alpha = float(np.clip(150 / max(len(lines), 1), 0.12, 0.75))
    ax.add_collection(LineCollection(lines, colors=colours, alpha=alpha, linewidths=thick,
                                     rasterized=True))  # fmt: skip


def _heights(factor: Varied) -> F64:
    """Return where each point's value lies along its axis, spread where many share one."""
    own = scaled(factor, factor.numbers)
    low, high = float(own.min()), float(own.max())
    distinct = len(np.unique(own[:2000]))
    shared = distinct < min(len(own), 2000) / 10
    room = min(0.3 / max(distinct - 1, 1), 0.05) if shared else 0.0
    spread = np.random.default_rng(SEED).uniform(-room, room, len(own))
    heights: F64 = np.clip((own - low) / (high - low) + spread, -0.02, 1.02)
    return heights


def _outcome_ends(means: Means) -> tuple[float, float]:
    low, high = float(means.mean.min()), float(means.mean.max())
    return low, high if high > low else low + 1


def _outcome_heights(means: Means) -> F64:
    low, high = _outcome_ends(means)
    heights: F64 = (means.mean - low) / (high - low)
    return heights


def _marks(factor: Varied) -> list[tuple[float, str]]:
    own = scaled(factor, factor.numbers)
    low, high = float(own.min()), float(own.max())
    levels = np.unique(factor.numbers)
    if len(levels) <= 6:  # noqa: PLR2004  # labels of six fit
        return [(float((scaled(factor, levels)[i] - low) / (high - low)),
                 value_text(factor, float(level)))
                for i, level in enumerate(levels)]  # fmt: skip
    return [(0.0, value_text(factor, float(levels[0]))),
            (1.0, value_text(factor, float(levels[-1])))]  # fmt: skip


def _outcome_marks(told: Told, means: Means) -> list[tuple[float, str]]:
    low, high = _outcome_ends(means)
    marks = [(0.0, told.number(low)), (1.0, told.number(high))]
    zero = -low / (high - low)
    return [*marks, (zero, "0")] if told.about_zero and 0.05 < zero < 0.95 else marks  # noqa: PLR2004


def _draw_axis(
    ax: Axes, x: float, name: str, marks: Sequence[tuple[float, str]], *, right: bool = False
) -> None:
    ax.plot([x, x], [0, 1], color=INK, linewidth=1.1, zorder=4, clip_on=False)
    ax.annotate("\n".join(wrap(name, 15)[:3]), (x, 1), (0, 12), textcoords="offset points",
                ha="center", va="bottom", fontsize=LABEL, fontweight="bold" if right else "normal",
                linespacing=1.05, annotation_clip=False)  # fmt: skip
    for height, text in marks:
        ax.annotate(
            text if len(text) < 16 else f"{text[:14]}…",  # noqa: PLR2004
            (x, height), (5 if right else -5, 0), textcoords="offset points",
            ha="left" if right else "right", va="center", fontsize=9.5, color=INK, zorder=5,
            annotation_clip=False,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.82, "pad": 0.8},
        )  # fmt: skip
