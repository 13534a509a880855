"""The roll-out as planned and as simulated: what is built and brought out when.

Time runs in quarters from the plan's start: 0 is its first day, 1 the end of quarter 1. A piece of
work that a future never finishes, because the run ends or a gate stops it, finishes at infinity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from sim.report.figures import (
    INK,
    LEVELS,
    MUTED,
    PALE,
    PLAN,
    RULE,
    STYLE,
    new_figure,
    plot_axes,
    quarter_axis,
)
from sim.report.folder import RunFolder
from sim.report.numbers import plain
from sim.report.words import Words, readable
from sim.types import F64, WEEKS_PER_QUARTER

MOST_ROWS: Final = (25, 40)
"""Rows above which the tasks of a lever, then its waves too, are drawn as one."""
PLANNED: Final = "#b9c2ca"
TONES: Final = {"task": PLAN, "wave": "#009E73"}
ROW, WIDTH, LEFT, RIGHT, TOP, BOTTOM = 27, 980, 296, 184, 28, 40
"""Sizes of the chart in pixels: of a row, the whole, and the margins around the bars."""
ITEM_COLUMN: Final = 158
LANE: Final = 0.3
"""Height of a bar, in rows."""
STRIP: Final = 26
"""Height of a lever's cells in the picture of readiness, in pixels."""
MOST_NUMBERS: Final = 20
"""Quarters up to which a cell has room for its number."""
DARK: Final = 0.65
"""Share from which white text on the cell is easier to read."""


@dataclass(frozen=True)
class Bar:
    """A row of the chart: a piece of work of one lever, in quarters from the plan's start."""

    lever: str
    item: str
    kind: str
    """`task` or `wave`."""
    planned: tuple[float, float]
    start: float
    """Median over the futures in which the gate let it go on; infinite if most never begin it."""
    finish: tuple[float, float, float]
    """P10, P50, P90 over the same futures; infinite where it is not finished."""
    stopped: int
    """Futures in which the gate stopped it."""
    futures: int

    @property
    def late(self) -> tuple[float, ...]:
        """How much later than planned it is finished, in weeks: P10, P50, P90."""
        return tuple((finish - self.planned[1]) * WEEKS_PER_QUARTER for finish in self.finish)


def plan_shown(folder: RunFolder) -> str | None:
    """Return the best plan that has a roll-out to show, or None."""
    if folder.rollout.empty:
        return None
    known = set(folder.rollout["plan"])
    return next((plan for plan in folder.plans if plan in known), None)


def bars(folder: RunFolder, plan: str) -> list[Bar]:
    """Return the rows of the chart, lever by lever in the order in which they are to begin."""
    return folder.once(("bars", plan), lambda: _bars(folder, plan))


def _bars(folder: RunFolder, plan: str) -> list[Bar]:
    rows = folder.rollout[folder.rollout["plan"] == plan].copy()
    rows[["start", "finish"]] = rows[["start", "finish"]].fillna(np.inf)
    times = ["planned_start", "planned_finish", "start", "finish"]
    rows[times] = rows[times] / WEEKS_PER_QUARTER
    for kind, most in zip(("task", "wave"), MOST_ROWS, strict=True):
        if len(rows[["lever", "kind", "item"]].drop_duplicates()) > most:
            rows["item"] = rows["item"].where(rows["kind"] != kind, "")
    whole = rows.groupby(["lever", "kind", "item", "replication"], sort=False).agg(
        {"planned_start": "min", "planned_finish": "max", "start": "min", "finish": "max"}
    )
    found = [
        _bar(str(lever), str(item), str(kind), group, folder.stopped(plan))
        for (lever, kind, item), group in whole.groupby(["lever", "kind", "item"], sort=False)
    ]
    begin: dict[str, float] = {}
    for bar in found:
        begin[bar.lever] = min(begin.get(bar.lever, math.inf), bar.planned[0])
    return sorted(found, key=lambda bar: (begin[bar.lever], bar.lever, bar.planned))


def _bar(lever: str, item: str, kind: str, group: pd.DataFrame, stopped: set[int]) -> Bar:
    cut = np.isinf(group["finish"]) & group.index.isin(stopped, level="replication")
    went_on = group if cut.all() else group[~cut]
    low, middle, high = quantiles(went_on["finish"].to_numpy(dtype=float))
    return Bar(
        lever=lever,
        item=item,
        kind=kind,
        planned=(float(group["planned_start"].median()), float(group["planned_finish"].median())),
        start=quantiles(went_on["start"].to_numpy(dtype=float))[1],
        finish=(low, middle, high),
        stopped=int(cut.sum()),
        futures=len(group),
    )


def quantiles(values: F64) -> tuple[float, float, float]:
    """Return P10, P50, P90 of values of which some may be infinite."""
    low, middle, high = np.quantile(values, LEVELS, method="higher")
    return float(low), float(middle), float(high)


def completion(folder: RunFolder, plan: str) -> tuple[float, pd.Series[float]]:
    """Return the week in which all is to be finished, and that of every replication."""
    rows = folder.rollout[folder.rollout["plan"] == plan]
    finish = rows.assign(finish=rows["finish"].fillna(np.inf)).groupby("replication")["finish"]
    return float(rows["planned_finish"].max()), finish.max().astype(float)


def lead(words: Words, folder: RunFolder, plan: str) -> str:
    """Say when all is finished, against the plan, and how often the gate stopped it."""
    planned, finish = completion(folder, plan)
    cut = np.isinf(finish) & finish.index.isin(folder.stopped(plan))
    quarter = max(math.ceil(planned / WEEKS_PER_QUARTER), 1)
    week = words("rollout.planned", week=plain(planned), quarter=quarter)
    late = np.asarray(finish[~cut], dtype=np.float64) - planned
    if cut.all():
        return words("rollout.lead.stopped.all", planned=week, n=len(finish))
    if cut.any():
        said = words("rollout.lead.stopped", planned=week, k=int(cut.sum()), n=len(finish))
        return _lead_of_others(words, said, late)
    if np.isinf(quantiles(late)[1]):
        unfinished = int(np.isinf(late).sum())
        return words("rollout.lead.unfinished", planned=week, k=unfinished, n=len(late))
    said = words("rollout.lead", planned=week, late=_late(words, quantiles(late)[1]))
    return _lead_of_spread(words, said, late)


def _lead_of_others(words: Words, said: str, late: F64) -> str:
    """Go on with the futures that the gate let go on."""
    middle = quantiles(late)[1]
    if np.isinf(middle):
        return _lead_of_spread(words, said, late)
    others = words("rollout.lead.others", late=_late(words, middle))
    return _lead_of_spread(words, f"{said} {others}", late)


def _lead_of_spread(words: Words, said: str, late: F64) -> str:
    low, _, high = quantiles(late)
    if np.isinf(high):
        unfinished = int(np.isinf(late).sum())
        return f"{said} {words('rollout.lead.some', k=unfinished, n=len(late))}"
    first, last = _late(words, low), _late(words, high)
    spread = words("rollout.lead.spread", low=first, high=last)
    return said if first == last else f"{said} {spread}"


def _late(words: Words, weeks: float) -> str:
    if abs(weeks) < 0.5:  # noqa: PLR2004
        return words("rollout.in_time")
    key, size = "rollout.late" if weeks > 0 else "rollout.early", plain(abs(weeks))
    return words(f"{key}.one" if size == "1" else key, n=size)


def ends(words: Words, folder: RunFolder, plan: str) -> str:
    """Tell in words when each piece is finished in the middle future."""
    told = []
    for bar in bars(folder, plan):
        item = f"{readable(bar.lever)}, {readable(bar.item) or words(f'rollout.{bar.kind}')}"
        key = "alt.gantt.end" if math.isfinite(bar.finish[1]) else "alt.gantt.never"
        if 2 * bar.stopped >= bar.futures:
            told.append(words("alt.gantt.stopped", item=item, k=bar.stopped, n=bar.futures))
        else:
            told.append(words(key, item=item, quarter=plain(bar.finish[1], 1)))
    return ", ".join(told)


def gantt(words: Words, folder: RunFolder, plan: str) -> Figure:
    """Draw planned bars above simulated ones, a row for each piece of work."""
    found = bars(folder, plan)
    with rc_context(STYLE):
        figure = new_figure(WIDTH, TOP + BOTTOM + ROW * len(found))
        ax = plot_axes(figure, LEFT, RIGHT, TOP, BOTTOM)
        last = _last_quarter(folder, found)
        ax.grid(visible=True, axis="x")
        ax.grid(visible=False, axis="y")
        ax.set_yticks([])
        ax.set_ylim(len(found) - 0.5, -0.5)
        quarter_axis(ax, 0, last)
        ax.set_xlabel(words("mark.quarter"), loc="right")
        _write(ax, -0.95, words("rollout.head"), RIGHT, ha="right", color=MUTED)
        above = ""
        for y, bar in enumerate(found):
            _draw_bar(ax, y, bar, last)
            _write_row(ax, words, y, bar, name_lever=bar.lever != above)
            above = bar.lever
    return figure


def _last_quarter(folder: RunFolder, found: list[Bar]) -> int:
    """Return the end of the time axis: a little after the last finish, at most the horizon."""
    ends = [end for bar in found for end in (bar.planned[1], *bar.finish)]
    known = max(end for end in ends if math.isfinite(end))
    return min(math.ceil(known) + any(math.isinf(end) for end in ends), folder.quarters) or 1


def _draw_bar(ax: Axes, y: float, bar: Bar, last: float) -> None:
    """Draw the planned bar, below it the middle future, and the spread of its end."""
    first, end = bar.planned
    ax.barh(y - 0.17, max(min(end, last) - first, 0.03), left=first, height=LANE, color=PLANNED)
    if bar.stopped == bar.futures:
        return
    low, middle, high = (min(value, last) for value in bar.finish)
    if bar.start < last:
        ax.barh(y + 0.17, max(middle - bar.start, 0.03), left=bar.start, height=LANE,
                color=TONES[bar.kind])  # fmt: skip
    ax.plot([low, high], [y + 0.17] * 2, color=INK, linewidth=1.4, solid_capstyle="butt")
    caps = [end for end in bar.finish[::2] if end <= last]
    ax.plot(caps, [y + 0.17] * len(caps), "|", color=INK, markersize=8, mew=1.4, clip_on=False)
    if bar.finish[2] > last:
        ax.plot([last], [y + 0.17], ">", color=INK, markersize=5, clip_on=False)


def _write_row(ax: Axes, words: Words, y: float, bar: Bar, *, name_lever: bool) -> None:
    if name_lever:
        start, end = -LEFT / _width(ax), 1 + RIGHT / _width(ax)
        ax.axhline(y - 0.5, start, end, color=RULE, linewidth=0.8, clip_on=False)
        _write(ax, y, _short(readable(bar.lever)), -LEFT, fontweight="bold")
    item = readable(bar.item) or words(f"rollout.{bar.kind}")
    _write(ax, y, _short(item), ITEM_COLUMN - LEFT, color=MUTED)
    _write(ax, y, _row_text(words, bar), RIGHT, ha="right")


def _row_text(words: Words, bar: Bar) -> str:
    """Tell how late a piece is, or why it mostly is not finished."""
    if 2 * bar.stopped >= bar.futures:
        return words("rollout.stopped", k=bar.stopped, n=bar.futures)
    low, middle, high = (plain(weeks, signed=True) for weeks in bar.late)
    if math.isinf(bar.late[1]):
        return words("rollout.unfinished")
    if math.isinf(bar.late[2]):
        return words("rollout.weeks.some", middle=middle, low=low)
    return words("rollout.weeks", middle=middle, low=low, high=high)


def _write(ax: Axes, y: float, text: str, offset: float, **look: Any) -> None:
    """Write so many pixels right of the axes' left edge, or of their right edge if so aligned."""
    side = 1 if look.get("ha") == "right" else 0
    ax.annotate(
        text,
        (side, y),
        (offset, 0),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        va="center",
        annotation_clip=False,
        **look,
    )


def _width(ax: Axes) -> float:
    return WIDTH * ax.get_position().width


def _short(text: str, room: int = 20) -> str:
    return text if len(text) <= room else f"{text[: room - 1].rstrip()}…"


# ------------------------------------------------------------------ readiness


def readiness(folder: RunFolder, plan: str) -> pd.DataFrame:
    """Return how ready each lever was, 0..1: levers x quarters, average customer and future."""
    if folder.levers.empty:
        return pd.DataFrame()
    rows = folder.levers[(folder.levers["plan"] == plan) & (folder.levers["quarter"] >= 1)]
    people = {name: folder.average(folder.baseline, "customers", name) for name in folder.segments}
    ready = rows.groupby(["lever", "quarter", "segment"], sort=False)["ready"].mean()
    weights = ready.index.get_level_values("segment").map(people).to_numpy(dtype=float)
    keys = ["lever", "quarter"]
    summed, whole = (
        part.groupby(keys, sort=False).sum() for part in (ready * weights, 0.0 * ready + weights)
    )
    table: pd.DataFrame = (summed / whole).unstack("quarter")
    return table


def ready_strip(words: Words, folder: RunFolder, plan: str) -> Figure:
    """Draw a row per lever and a cell per quarter, the darker the readier."""
    table = readiness(folder, plan)
    n_levers, n_quarters = table.shape
    with rc_context(STYLE):
        figure = new_figure(WIDTH, STRIP * n_levers + BOTTOM)
        ax = plot_axes(figure, ITEM_COLUMN, 0, 0, BOTTOM)
        ax.grid(visible=False)
        ax.spines["bottom"].set_visible(False)
        ax.set_xlim(0.5, n_quarters + 0.5)
        ax.set_ylim(n_levers - 0.5, -0.5)
        ax.set_xticks(range(1, n_quarters + 1), [str(quarter) for quarter in table.columns])
        ax.set_yticks([])
        ax.set_xlabel(words("mark.quarter"), loc="right")
        for y, (lever, cells) in enumerate(table.iterrows()):
            _write(ax, y, _short(readable(str(lever))), -ITEM_COLUMN, fontweight="bold")
            _draw_cells(ax, y, cells.to_numpy(dtype=float))
    return figure


def _draw_cells(ax: Axes, y: float, cells: F64) -> None:
    quarters = range(1, len(cells) + 1)
    shades = [mix(PALE, PLAN, share) for share in cells]
    ax.bar(quarters, 0.88, width=0.96, bottom=y - 0.44, color=shades)
    if len(cells) > MOST_NUMBERS:
        return
    for quarter, share in zip(quarters, cells, strict=True):
        colour = "white" if share > DARK else INK
        ax.text(quarter, y, plain(100 * share), ha="center", va="center", fontsize=11, color=colour)


def mix(light: str, dark: str, share: float) -> tuple[float, float, float]:
    """Return the colour so far on the way from a light one to a dark one."""
    first, last = np.array(to_rgb(light)), np.array(to_rgb(dark))
    red, green, blue = first + min(max(share, 0.0), 1.0) * (last - first)
    return float(red), float(green), float(blue)
