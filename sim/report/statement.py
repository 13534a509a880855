"""The money in full: from net present value before tax to what is left, and the books by year."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.finance.risk_figures import half_width
from sim.report.figures import BASELINE, INK, LOSS, MUTED, PLAN, STYLE, new_figure, plot_axes
from sim.report.folder import RunFolder
from sim.report.numbers import DASH, HARD, MoneyUnit, known, money_unit, percent
from sim.report.words import Words, plan_title, sign_of

QUARTERS_PER_YEAR: Final = 4
MOST_YEARS: Final = 6
"""Columns of the statement; a longer horizon is told in spans of several years."""

FIGURES: Final = {
    "npv_before_tax": ("books.npv_before_tax", "books.npv_before_tax.note"),
    "npv_after_tax": ("books.npv_after_tax", "books.npv_after_tax.note"),
    "terminal_value": ("books.terminal_value", "books.terminal_value.note"),
    "npv_with_terminal_value": (
        "books.npv_with_terminal_value",
        "books.npv_with_terminal_value.note",
    ),
    "capital_spent": ("books.capital_spent", "books.capital_spent.note"),
    "running_spent": ("books.running_spent", "books.running_spent.note"),
    "peak_funding": ("books.peak_funding", "books.peak_funding.note"),
    "cash_after_tax": ("books.cash_after_tax", "books.cash_after_tax.note"),
    "cash_after_tax_nominal": ("books.cash_after_tax_nominal", "books.cash_after_tax_nominal.note"),
}
"""Figure of the summary to the words for it, and beneath it."""
SIGNED: Final = frozenset(FIGURES) - {"capital_spent", "running_spent", "peak_funding"}
ABROAD: Final = ("npv_after_tax", "terminal_value", "npv_with_terminal_value")
"""Figures that are told in the reporting currency, too."""
ROUNDING: Final = 1e-9
"""Relative difference of sums that stand for the same amount."""


@dataclass(frozen=True)
class Line:
    """One line of the statement: its words, what it sums, whether it is a sum of those above."""

    key: str
    parts: tuple[str, ...]
    total: bool = False


LINES: Final = (
    Line("books.sales", ("revenue", "membership_fees")),
    Line("books.goods", ("cost_of_goods",)),
    Line(
        "books.customers",
        ("reward_cost", "save_offer_cost", "acquisition_cost", "service_cost"),
    ),
    Line("books.points", ("points_provision",)),
    Line("books.contribution", ("contribution",), total=True),
    Line("books.running", ("lever_running", "staff")),
    Line("books.ebitda", ("ebitda",), total=True),
    Line("books.depreciation", ("depreciation", "write_off")),
    Line("books.ebit", ("ebit",), total=True),
    Line("books.tax", ("tax",)),
    Line("books.profit", ("profit",), total=True),
    Line("books.capital", ("capital_spending",)),
    Line("books.points_back", ("points_working_capital",)),
    Line("books.cash", ("free_cash_flow",), total=True),
    Line("books.present_value", ("present_value",), total=True),
)
ADDED_BACK: Final = Line("books.added_back", ("depreciation", "write_off"))
"""Shown after the profit: no money leaves when capital is written down."""


@dataclass(frozen=True)
class FigureRow:
    """One figure of a plan, or of several side by side."""

    name: str
    note: str
    cells: list[FigureCell]


@dataclass(frozen=True)
class FigureCell:
    """How one figure stands for one plan."""

    mean: str
    interval: str
    spread: str
    clear: bool


@dataclass(frozen=True)
class StatementRow:
    """One line of the statement, by year, with its sum and how sure that is."""

    name: str
    years: list[str]
    whole: str
    interval: str
    total: bool


@dataclass(frozen=True)
class Step:
    """One bar of the bridge."""

    key: str
    start: float
    end: float
    kind: str
    """`step`, `sum` for what stands on the ground, `later` and `later sum` after the horizon."""
    interval: tuple[float, float] | None = None


def has_books(run: RunFolder) -> bool:
    """Return whether the run keeps books; folders of older runs do not."""
    return not run.statement.empty and bool(run.finance.get("plans"))


def figure(run: RunFolder, plan: str, name: str) -> Mapping[str, Any]:
    """Return how a figure of a plan spreads over futures."""
    found: Mapping[str, Any] = run.finance["plans"][plan][name]
    return found


# --- words ---------------------------------------------------------------------------------------


def lead(words: Words, run: RunFolder, plan: str) -> str:
    """Say what is left of the net present value after tax, and what comes after the horizon."""
    before, after, later = (
        known(figure(run, plan, name).get("mean"))
        for name in ("npv_before_tax", "npv_after_tax", "terminal_value")
    )
    unit = money_unit([before, after, later], run.currency)
    said = words(
        "books.lead.left",
        before=unit.full(before, signed=True),
        after=unit.full(after, signed=True),
        rate=percent(run.finance["tax_rate"], 0),
    )
    return f"{said} {_later(words, run, later, unit)} {_tied(words, run, plan)}"


def _later(words: Words, run: RunFolder, later: float | None, unit: MoneyUnit) -> str:
    """Say what the customers go on to bring."""
    years = run.finance["terminal_quarters"] / QUARTERS_PER_YEAR
    if later is None or not years:
        return words("books.lead.no_later")
    return words("books.lead.later", later=unit.full(later, signed=True), years=f"{years:g}")


def _tied(words: Words, run: RunFolder, plan: str) -> str:
    peak = known(figure(run, plan, "peak_funding").get("mean"))
    if not peak:
        return words("books.lead.free")
    high = known(figure(run, plan, "peak_funding").get("p90"))
    unit = money_unit([peak, high], run.currency)
    return words("books.lead.peak", peak=unit.full(peak), high=unit.full(high))


def basis(words: Words, run: RunFolder) -> str:
    """Say in what money the section speaks."""
    rates = run.finance
    return words(
        "books.basis",
        real=percent(rates["discount_rate"], 1),
        inflation=percent(rates["inflation"], 1),
        nominal=percent(rates["nominal_rate"], 1),
        years=f"{rates['depreciation_years']:g}",
    )


# --- tables --------------------------------------------------------------------------------------


def figure_rows(words: Words, run: RunFolder) -> list[FigureRow]:
    """Return the figures of the run's plans, a row each, money of the market's currency first."""
    unit = figures_unit(run)
    rows = [_figure_row(words, run, name, unit) for name in FIGURES]
    return rows + _abroad_rows(words, run)


def figures_unit(run: RunFolder) -> MoneyUnit:
    """Choose the unit of the figures."""
    amounts = [
        known(figure(run, plan, name).get(part))
        for plan in run.finance["plans"]
        for name in FIGURES
        for part in ("mean", "p10", "p90")
    ]
    return money_unit(amounts, run.currency, extra=1)


def _figure_row(words: Words, run: RunFolder, name: str, unit: MoneyUnit) -> FigureRow:
    spreads = [figure(run, plan, name) for plan in run.plans]
    key, note = FIGURES[name]
    cells = [_cell(words, spread, unit, signed=name in SIGNED) for spread in spreads]
    return FigureRow(words(key), words(note), cells)


def _abroad_rows(words: Words, run: RunFolder) -> list[FigureRow]:
    """Return the figures in the reporting currency, none without one."""
    abroad = run.finance["reporting"]
    if abroad is None:
        return []
    currency = abroad["currency"]
    spreads = {
        name: [figure(run, plan, "reporting")[name] for plan in run.plans] for name in ABROAD
    }
    amounts = [known(s.get(part)) for found in spreads.values() for s in found
               for part in ("mean", "p10", "p90")]  # fmt: skip
    unit = money_unit(amounts, currency, extra=1)
    note = words("books.abroad.note", rate=f"{abroad['exchange_rate']:g}",
                 currency=currency, home=run.currency)  # fmt: skip
    return [
        FigureRow(
            words("books.abroad", figure=words(FIGURES[name][0]), unit=unit.name),
            note,
            [_cell(words, spread, unit, signed=True) for spread in spreads[name]],
        )
        for name in ABROAD
    ]


def _cell(words: Words, spread: Mapping[str, Any], unit: MoneyUnit, *, signed: bool) -> FigureCell:
    def span(low: str, high: str) -> str:
        ends = [known(spread.get(end)) for end in (low, high)]
        if None in ends:
            return DASH
        texts = [unit.number(end, signed=signed) for end in ends]
        return words("span", low=texts[0], high=texts[1])

    exact = _is_exact(spread)
    return FigureCell(
        unit.number(known(spread.get("mean")), signed=signed),
        words("books.exact") if exact else span("low", "high"),
        DASH if exact else span("p10", "p90"),
        clear=signed and sign_of(spread) in ("up", "down"),
    )


def _is_exact(spread: Mapping[str, Any]) -> bool:
    """Return whether a figure is the same in every future, but for rounding."""
    parts = [known(spread.get(part)) for part in ("low", "high", "p10", "p90")]
    values = [part for part in parts if part is not None]
    if len(values) < len(parts):
        return False
    return max(values) - min(values) <= ROUNDING * max(map(abs, values))


def years(run: RunFolder) -> list[tuple[int, int]]:
    """Return the first and last quarter of each column of the statement."""
    length = QUARTERS_PER_YEAR * math.ceil(run.quarters / QUARTERS_PER_YEAR / MOST_YEARS)
    return [
        (first, min(first + length - 1, run.quarters))
        for first in range(1, run.quarters + 1, length)
    ]


def year_names(words: Words, run: RunFolder) -> list[str]:
    """Return the heads of the statement's columns."""
    return [
        words(
            "books.quarter" if first == last else "books.quarters",
            first=first,
            last=last,
            space=HARD,
        )
        for first, last in years(run)
    ]


def shown_lines(run: RunFolder, plan: str) -> list[Line]:
    """Return the lines of the statement; those of points only where there are any."""
    shown = []
    for line in LINES:
        if line.parts[0].startswith("points") and not _by_quarter(run, plan, line).any(axis=None):
            continue
        shown.append(line)
        if line.key == "books.profit":
            shown.append(ADDED_BACK)
    return shown


def statement_rows(words: Words, run: RunFolder, plan: str) -> list[StatementRow]:
    """Return the statement of a plan against the baseline, averages over futures."""
    unit = statement_unit(run, plan)
    rows = []
    for line in shown_lines(run, plan):
        amounts = _by_quarter(run, plan, line)
        whole = amounts.sum()
        mean, half = float(whole.mean()), half_width(whole.to_numpy(dtype=float))
        known_well = math.isfinite(half)
        ends = [unit.number(mean + sign * half, signed=True) for sign in (-1, 1)]
        rows.append(
            StatementRow(
                name=words(line.key),
                years=[
                    unit.number(float(amounts.loc[first:last].sum().mean()))
                    for first, last in years(run)
                ],
                whole=unit.number(mean),
                interval=words("span", low=ends[0], high=ends[1]) if known_well else DASH,
                total=line.total,
            )
        )
    return rows


def statement_unit(run: RunFolder, plan: str) -> MoneyUnit:
    """Choose the unit of the statement."""
    sizes = [
        abs(float(_by_quarter(run, plan, line).sum().mean())) for line in shown_lines(run, plan)
    ]
    return money_unit(sizes, run.currency, extra=1)


def _by_quarter(run: RunFolder, plan: str, line: Line) -> pd.DataFrame:
    """Return a line of the statement: quarters x replications."""
    first, *others = (run.booked(plan, part) for part in line.parts)
    total = sum(others, first)
    return -total if line is ADDED_BACK else total


# --- picture -------------------------------------------------------------------------------------


def steps(run: RunFolder, plan: str) -> list[Step]:
    """Return the bars of the bridge from the customers' margin to what is left, means."""

    def mean(name: str) -> float:
        return known(figure(run, plan, name).get("mean")) or 0.0

    def ends(name: str) -> tuple[float, float] | None:
        low, high = (known(figure(run, plan, name).get(end)) for end in ("low", "high"))
        return None if low is None or high is None else (low, high)

    margin, running = mean("margin"), mean("margin") + mean("running")
    before, after = mean("npv_before_tax"), mean("npv_after_tax")
    bars = [
        Step("bridge.margin", 0.0, margin, "step"),
        Step("bridge.running", margin, running, "step"),
        Step("bridge.capital", running, before, "step"),
        Step("bridge.before", 0.0, before, "sum", ends("npv_before_tax")),
        Step("bridge.tax", before, after, "step"),
        Step("bridge.after", 0.0, after, "sum", ends("npv_after_tax")),
    ]
    if known(figure(run, plan, "terminal_value").get("mean")) is None:
        return bars
    whole = mean("npv_with_terminal_value")
    return [
        *bars,
        Step("bridge.later", after, whole, "later"),
        Step("bridge.whole", 0.0, whole, "later sum", ends("npv_with_terminal_value")),
    ]


def bridge_unit(run: RunFolder, plan: str) -> MoneyUnit:
    """Choose the unit of the bridge."""
    return money_unit(
        [abs(size) for step in steps(run, plan) for size in (step.start, step.end)], run.currency
    )


def bridge(words: Words, run: RunFolder, plan: str) -> Figure:
    """Draw how the customers' margin becomes what is left after tax."""
    bars, unit = steps(run, plan), bridge_unit(run, plan)
    with rc_context(STYLE):
        drawn = new_figure(1000, 330)
        ax = plot_axes(drawn, 8, 8, 12, 52)
        for place, bar in enumerate(bars):
            _draw_step(ax, place, bar, unit)
        for place, bar in enumerate(bars[:-1]):
            ax.plot([place + 0.34, place + 0.66], [bar.end / unit.divisor] * 2, color=MUTED, lw=0.9)
        ax.axhline(0, color=INK, linewidth=1)
        _mark_later(ax, words, bars)
        ax.set_xticks(range(len(bars)), [words(bar.key) for bar in bars])
        ax.tick_params(axis="x", labelcolor=INK)
        ax.set_xlim(-0.5, len(bars) - 0.5)
        low, high = ax.get_ylim()
        room = 0.16 * ((high - low) or 1.0)
        ax.set_ylim(low - room, high + room)
        ax.set_yticks([])
        ax.grid(visible=False)
        ax.spines["bottom"].set_visible(False)
    return drawn


def _draw_step(ax: Axes, place: int, bar: Step, unit: MoneyUnit) -> None:
    start, end = bar.start / unit.divisor, bar.end / unit.divisor
    whole = bar.kind.endswith("sum")
    tone = BASELINE if whole else PLAN if end >= start else LOSS
    look: dict[str, Any] = {"color": tone}
    if bar.kind.startswith("later"):
        look = {"facecolor": "white", "edgecolor": tone, "hatch": "///", "linewidth": 1.4}
    ax.bar(place, end - start, bottom=start, width=0.68, **look)
    low, high = sorted((start, end))
    if bar.interval is not None:
        ends = [value / unit.divisor for value in bar.interval]
        ax.plot([place, place], ends, color=INK, linewidth=2, zorder=4)
        low, high = min(low, *ends), max(high, *ends)
    above = end >= start
    ax.annotate(
        unit.number(bar.end - bar.start, signed=True),
        (place, high if above else low),
        (0, 4 if above else -4),
        textcoords="offset points",
        ha="center",
        va="bottom" if above else "top",
        fontweight="bold" if whole else "normal",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        zorder=5,
    )


def _mark_later(ax: Axes, words: Words, bars: Sequence[Step]) -> None:
    """Set what comes after the horizon apart."""
    later = [place for place, bar in enumerate(bars) if bar.kind.startswith("later")]
    if not later:
        return
    ax.axvline(later[0] - 0.5, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    ax.annotate(
        words("bridge.apart"),
        (later[0] - 0.46, 1.0),
        xycoords=("data", "axes fraction"),
        va="top",
        color=MUTED,
    )


def bridge_words(words: Words, run: RunFolder, plan: str) -> str:
    """Say what the bridge shows, for those who do not see it."""
    unit = bridge_unit(run, plan)
    ends = [
        words(
            "alt.end",
            plan=words(bar.key).replace("\n", " "),
            value=unit.full(bar.end - bar.start, signed=True),
        )
        for bar in steps(run, plan)
    ]
    return words("alt.bridge", plan=plan_title(run, plan), ends=", ".join(ends))
