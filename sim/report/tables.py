"""Rows of a report's tables, already formatted: the template only places them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final

import pandas as pd

from sim.report.folder import CASH_COSTS, RunFolder
from sim.report.numbers import (
    DASH,
    HARD,
    MoneyUnit,
    known,
    money_unit,
    percent,
    plain,
)
from sim.report.words import Words, phase_quarters, plan_title, readable, sign_of

TOP_UNKNOWNS: Final = 8
PROVENANCES: Final = ("calibrated", "literature", "evidence", "assumed")
HALF: Final = 0.5


@dataclass(frozen=True)
class Outcome:
    """How one outcome is told."""

    name: str
    group: str
    kind: str
    """`money`, `currency`, `share` (differs by points), `rate` (a percentage of its own),
    `number`; `quarter` for a point in time."""
    decimals: int = 1
    better: int = 1
    """1 if more is better, -1 if less is, 0 if neither."""


OUTCOMES: Final = (
    Outcome("npv", "money", "money"),
    Outcome("roi", "money", "rate", 0),
    Outcome("irr", "money", "rate", 0),
    Outcome("payback_quarter", "money", "quarter", better=0),
    Outcome("spend", "money", "money", better=0),
    Outcome("incremental_margin", "money", "money"),
    Outcome("loyalty_index", "loyalty", "number"),
    Outcome("churn_annual", "loyalty", "share", better=-1),
    Outcome("retention", "loyalty", "share"),
    Outcome("repeat_rate", "loyalty", "share"),
    Outcome("nps", "loyalty", "number"),
    Outcome("csat", "loyalty", "number", 2),
    Outcome("share", "market", "share"),
    Outcome("penetration", "market", "share"),
    Outcome("purchase_frequency", "market", "number", 2),
    Outcome("clv", "market", "currency", 0),
)


@dataclass(frozen=True)
class Scale:
    """Turns values of one outcome into text."""

    outcome: Outcome
    unit: MoneyUnit

    def level(self, value: float | None) -> str:
        """Format a level."""
        return self._text(value, signed=False)

    def change(self, value: float | None) -> str:
        """Format a difference, with its sign; shares differ by points."""
        if self.outcome.kind == "quarter":
            return self.level(value)
        if self.outcome.kind == "share":
            points = None if value is None else 100 * value
            return plain(points, self.outcome.decimals, signed=True)
        return self._text(value, signed=True)

    def span(self, words: Words, difference: Mapping[str, Any], *ends: str) -> str:
        """Format an interval of differences, from two keys of their distribution."""
        low, high = (known(difference.get(end)) for end in ends)
        if low is None or high is None:
            return DASH
        return words("span", low=self.change(low), high=self.change(high))

    def _text(self, value: float | None, *, signed: bool) -> str:
        if self.outcome.kind == "money":
            return self.unit.number(value, signed=signed)
        if self.outcome.kind in ("share", "rate"):
            return percent(value, self.outcome.decimals, signed=signed)
        return plain(value, self.outcome.decimals, signed=signed)


@dataclass(frozen=True)
class Glyph:
    """An interval drawn in a table cell, in percent of its width; 50 is no change."""

    mean: float
    low: float
    high: float
    p10: float
    p90: float


@dataclass(frozen=True)
class OutcomeRow:
    """One outcome of one plan against the baseline."""

    name: str
    note: str
    levels: tuple[str, str]
    difference: str
    suffix: str
    """Unit of the difference, or what it is if not a mean."""
    interval: str
    spread: str
    glyph: Glyph | None
    reading: str
    tone: str


@dataclass(frozen=True)
class Group:
    """Rows under one heading."""

    title: str
    rows: list[OutcomeRow]


def outcome_list(outcomes: Mapping[str, Any]) -> list[Outcome]:
    """Return how to tell every outcome of a summary, also those not known here."""
    told = [outcome.name for outcome in OUTCOMES]
    extra = [Outcome(name, "other", "number", 2, 0) for name in outcomes if name not in told]
    return [*(outcome for outcome in OUTCOMES if outcome.name in outcomes), *extra]


def outcome_name(words: Words, outcome: Outcome, currency: str) -> tuple[str, str]:
    """Return an outcome's name and its short explanation."""
    key = f"outcome.{outcome.name}"
    if not words.has(key):
        return readable(outcome.name), ""
    return words(key), words(f"{key}.note", currency=currency)


def table_unit(outcomes: Iterable[Mapping[str, Any]], currency: str) -> MoneyUnit:
    """Choose one unit for all money in the outcomes of one or more plans."""
    money = [outcome.name for outcome in OUTCOMES if outcome.kind == "money"]
    amounts = [
        known((found.get(name) or {}).get("difference", {}).get(part))
        for found in outcomes
        for name in money
        for part in ("mean", "p10", "p90")
    ]
    return money_unit(amounts, currency, extra=1)


def outcome_rows(
    outcomes: Mapping[str, Any],
    currency: str,
    words: Words | None = None,
    beside: Iterable[Mapping[str, Any]] = (),
) -> list[tuple[str, str, str, str, str, str]]:
    """Return the outcomes of one plan as plain text, for a terminal.

    Parameters
    ----------
    outcomes
        As in `summary.json`.
    currency
        Of all money.
    words
        The language; English if None.
    beside
        Outcomes of plans that stand in the same table: one unit of money serves all.

    Returns
    -------
    list of tuple
        Name, baseline, plan, difference, 95% interval, P10 to P90.
    """
    unit = table_unit([outcomes, *beside], currency)
    return [
        _text_row(words or Words(), outcomes[outcome.name], Scale(outcome, unit))
        for outcome in outcome_list(outcomes)
    ]


def _text_row(
    words: Words, found: Mapping[str, Any], scale: Scale
) -> tuple[str, str, str, str, str, str]:
    outcome, difference = scale.outcome, found.get("difference") or {}
    name, _ = outcome_name(words, outcome, scale.unit.currency)
    base, mean = known(found.get("baseline")), known(difference.get("mean"))
    change = scale.change(known(difference.get("p50")) if mean is None else mean)
    if outcome.kind == "quarter" and change == DASH:
        change = words("key.payback.never").lower()
    points = f" {words('unit.points')}" if outcome.kind == "share" and mean is not None else ""
    return (
        _with_unit(name, scale),
        scale.level(base),
        DASH if base is None else scale.level(known(found.get("plan"))),
        change + points,
        scale.span(words, difference, "low", "high"),
        scale.span(words, difference, "p10", "p90"),
    )


def _with_unit(name: str, scale: Scale) -> str:
    if scale.outcome.kind not in ("money", "currency"):
        return name
    unit = scale.unit.name if scale.outcome.kind == "money" else scale.unit.currency
    return f"{name} ({unit})"


def reading(words: Words, outcome: Outcome, difference: Mapping[str, Any]) -> tuple[str, str]:
    """Say in words what a difference means, and its tone (`good`, `bad`, `open`)."""
    sign = sign_of(difference)
    if sign == "unknown":
        return "", "open"
    if sign in ("unclear", "same"):
        return words(f"reading.{sign}"), "open"
    if not outcome.better:
        return words("reading.higher" if sign == "up" else "reading.lower"), "open"
    good = (sign == "up") == (outcome.better > 0)
    return words("reading.better" if good else "reading.worse"), "good" if good else "bad"


def glyph(difference: Mapping[str, Any]) -> Glyph | None:
    """Place an interval around the middle of a cell, or None if there is none to show."""
    parts = [known(difference.get(key)) for key in ("mean", "low", "high", "p10", "p90")]
    values = [part for part in parts if part is not None]
    if len(values) < len(parts):
        return None
    reach = 1.12 * max(abs(value) for value in values)
    if not reach:
        return None
    return Glyph(*(50 + 50 * value / reach for value in values))


def outcome_row(
    words: Words, folder: RunFolder, plan: str, outcome: Outcome, unit: MoneyUnit
) -> OutcomeRow:
    """Return the row of one outcome."""
    found, difference = folder.outcome(plan, outcome.name), folder.difference(plan, outcome.name)
    if outcome.kind == "quarter":
        return _payback_row(words, folder, plan, outcome)
    scale = Scale(outcome, unit)
    base, level = known(found.get("baseline")), known(found.get("plan"))
    mean, median = (known(difference.get(key)) for key in ("mean", "p50"))
    said, tone = reading(words, outcome, difference)
    suffix = words("unit.points") if outcome.kind == "share" and mean is not None else ""
    if mean is None and median is not None:
        suffix = words("unit.median")
    name, note = outcome_name(words, outcome, folder.currency)
    return OutcomeRow(
        name=name if outcome.kind == "currency" else _with_unit(name, scale),
        note=note,
        levels=(DASH, DASH) if base is None else (scale.level(base), scale.level(level)),
        difference=scale.change(median if mean is None else mean),
        suffix=suffix,
        interval=scale.span(words, difference, "low", "high"),
        spread=scale.span(words, difference, "p10", "p90"),
        glyph=glyph(difference),
        reading=said,
        tone=tone,
    )


def _payback_row(words: Words, folder: RunFolder, plan: str, outcome: Outcome) -> OutcomeRow:
    name, note = outcome_name(words, outcome, folder.currency)
    reached = int(folder.replicated(plan, outcome.name).notna().sum())
    said = words("reading.reached", k=reached, n=folder.replications)
    low, high = (payback_text(words, folder, plan, share) for share in (0.1, 0.9))
    return OutcomeRow(
        name=name,
        note=note,
        levels=(DASH, DASH),
        difference=payback_text(words, folder, plan, HALF),
        suffix="",
        interval=DASH,
        spread=words("span", low=low, high=high) if reached else DASH,
        glyph=None,
        reading=said if reached else words("reading.never", quarters=folder.quarters),
        tone="open",
    )


def payback_text(words: Words, folder: RunFolder, plan: str, share: float) -> str:
    """Tell the quarter by which a share of all futures have paid a plan back."""
    quarter = folder.payback_quantile(plan, share)
    return words("key.payback.never").lower() if quarter is None else str(quarter)


def outcome_groups(words: Words, folder: RunFolder) -> list[Group]:
    """Return the table baseline, plan, difference of a run."""
    plan, baseline = folder.plans[0], plan_title(folder, folder.baseline)
    outcomes = folder.result(plan)["outcomes"]
    unit = table_unit([outcomes], folder.currency)
    rows = [
        (outcome.group, outcome_row(words, folder, plan, outcome, unit))
        for outcome in outcome_list(outcomes)
    ]
    groups = [
        Group(
            words(f"group.{key}", baseline=baseline), [row for group, row in rows if group == key]
        )
        for key in ("money", "loyalty", "market", "other")
    ]
    return [group for group in groups if group.rows]


@dataclass(frozen=True)
class Tile:
    """One key figure."""

    label: str
    value: str
    unit: str
    note: str
    tone: str = "open"


def key_figures(words: Words, folder: RunFolder) -> list[Tile]:
    """Return the strip of key figures of a run."""
    plan = folder.plans[0]
    unit = money_unit(
        [known(folder.difference(plan, "npv").get(part)) for part in ("mean", "p10", "p90")],
        folder.currency,
    )
    return [
        _return_tile(words, folder, Outcome("npv", "money", "money"), unit),
        _return_tile(words, folder, Outcome("roi", "money", "rate", 0), unit),
        payback_tile(words, folder, plan),
        _level_tile(words, folder, Outcome("churn_annual", "loyalty", "share", better=-1)),
        _level_tile(words, folder, Outcome("loyalty_index", "loyalty", "number")),
        risk_tile(words, folder, plan),
    ]


def _return_tile(words: Words, folder: RunFolder, outcome: Outcome, unit: MoneyUnit) -> Tile:
    plan = folder.plans[0]
    difference = folder.difference(plan, outcome.name)
    mean = known(difference.get("mean"))
    value = mean if mean is not None else known(folder.outcome(plan, outcome.name).get("plan"))
    scale = Scale(outcome, unit)
    low, high = (scale.change(known(difference.get(key))) for key in ("p10", "p90"))
    return Tile(
        label=words(f"key.{outcome.name}"),
        value=scale.change(value),
        unit=unit.name if outcome.kind == "money" and value is not None else "",
        note="" if DASH in (low, high) else words("key.range", low=low, high=high),
        tone=reading(words, outcome, difference)[1],
    )


def _level_tile(words: Words, folder: RunFolder, outcome: Outcome) -> Tile:
    plan = folder.plans[0]
    found, difference = folder.outcome(plan, outcome.name), folder.difference(plan, outcome.name)
    scale = Scale(outcome, money_unit([], folder.currency))
    mean = known(difference.get("mean"))
    baseline, level = (known(found.get(key)) for key in ("baseline", "plan"))
    return Tile(
        label=words(f"key.{outcome.name}"),
        value=scale.change(mean),
        unit="" if mean is None else words("amount.points", n="").strip(),
        note=words("key.levels", baseline=scale.level(baseline), plan=scale.level(level)),
        tone=reading(words, outcome, difference)[1],
    )


def payback_tile(words: Words, folder: RunFolder, plan: str) -> Tile:
    """Tell the quarter by which half of all futures have paid the plan back."""
    quarters = folder.replicated(plan, "payback_quarter")
    median = folder.payback_quantile(plan, HALF)
    note = words(
        "key.payback.share",
        quarters=folder.quarters,
        k=int(quarters.notna().sum()),
        n=len(quarters),
    )
    if median is None:
        return Tile(words("key.payback_quarter"), words("key.payback.never"), "", note)
    value = words("key.payback.quarter", space=HARD, n=median)
    return Tile(words("key.payback_quarter"), value, "", note)


def risk_tile(words: Words, folder: RunFolder, plan: str) -> Tile:
    """Tell how often a plan loses money, and how much in the worst futures."""
    result = folder.result(plan)
    worst = known(result.get("cvar_5"))
    risk = known(result.get("probability_of_loss"))
    cvar = money_unit([worst], folder.currency).full(worst)
    tone = "bad" if risk is not None and risk > HALF else "open"
    return Tile(
        words("key.risk"), percent(risk, 0), "", words("key.risk.note", cvar=cvar), tone=tone
    )


def plan_tiles(words: Words, folder: RunFolder) -> list[Tile]:
    """Return a strip with one tile per compared plan, best first."""
    amounts = [
        known(folder.difference(plan, "npv").get(part))
        for plan in folder.plans
        for part in ("mean", "low", "high")
    ]
    unit = money_unit(amounts, folder.currency)
    return [_plan_tile(words, folder, plan, unit) for plan in folder.plans]


def _plan_tile(words: Words, folder: RunFolder, plan: str, unit: MoneyUnit) -> Tile:
    result, npv = folder.result(plan), folder.difference(plan, "npv")
    low, high = (unit.number(known(npv.get(key)), signed=True) for key in ("low", "high"))
    lines = [
        words("key.interval", low=low, high=high),
        words("key.best", share=percent(known(result.get("probability_best")), 0)),
        words("key.loss", share=percent(known(result.get("probability_of_loss")), 0)),
    ]
    return Tile(
        label=plan_title(folder, plan),
        value=unit.number(known(npv.get("mean")), signed=True),
        unit=unit.name,
        note="\n".join(lines),
        tone={"up": "good", "down": "bad"}.get(sign_of(npv), "open"),
    )


@dataclass(frozen=True)
class SideCell:
    """One plan's value of one outcome in the side-by-side table."""

    level: str
    difference: str
    clear: bool
    tone: str


@dataclass(frozen=True)
class SideRow:
    """One outcome of all plans."""

    name: str
    note: str
    baseline: str
    cells: list[SideCell]


def side_by_side(words: Words, folder: RunFolder) -> list[SideRow]:
    """Return the outcomes of all compared plans, a row per outcome."""
    outcomes = [folder.result(plan)["outcomes"] for plan in folder.plans]
    unit = table_unit(outcomes, folder.currency)
    return [_side_row(words, folder, outcome, unit) for outcome in outcome_list(outcomes[0])]


def _side_row(words: Words, folder: RunFolder, outcome: Outcome, unit: MoneyUnit) -> SideRow:
    name, note = outcome_name(words, outcome, folder.currency)
    base = known(folder.outcome(folder.plans[0], outcome.name).get("baseline"))
    scale = Scale(outcome, unit)
    return SideRow(
        name=name,
        note=note,
        baseline=scale.level(base),
        cells=[_side_cell(words, folder, plan, scale) for plan in folder.plans],
    )


def _side_cell(words: Words, folder: RunFolder, plan: str, scale: Scale) -> SideCell:
    name = scale.outcome.name
    if scale.outcome.kind == "quarter":
        return SideCell(payback_text(words, folder, plan, HALF), "", clear=False, tone="open")
    found, difference = folder.outcome(plan, name), folder.difference(plan, name)
    mean = known(difference.get("mean"))
    clear = sign_of(difference) in ("up", "down")
    tone = reading(words, scale.outcome, difference)[1]
    if known(found.get("baseline")) is None:
        value = mean if mean is not None else known(difference.get("p50"))
        return SideCell(scale.change(value), "", clear, tone)
    return SideCell(scale.level(known(found.get("plan"))), scale.change(mean), clear, tone)


@dataclass(frozen=True)
class PairRow:
    """The difference in NPV between two plans."""

    names: str
    mean: str
    interval: str
    spread: str
    glyph: Glyph | None
    reading: str
    tone: str


def pair_unit(folder: RunFolder) -> MoneyUnit:
    """Choose the unit of the table of pairs."""
    pairs = [pair["npv_difference"] for pair in folder.summary.get("pairwise", [])]
    amounts = [known(pair.get(part)) for pair in pairs for part in ("mean", "p10", "p90")]
    return money_unit(amounts, folder.currency, extra=1)


def pair_rows(words: Words, folder: RunFolder) -> list[PairRow]:
    """Return the table of pairs of plans, each told from the better one's side."""
    scale = Scale(Outcome("npv", "money", "money"), pair_unit(folder))
    return [_pair_row(words, folder, pair, scale) for pair in folder.summary.get("pairwise", [])]


def turned(difference: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the distribution of the opposite difference."""
    opposite = {"mean": "mean", "low": "high", "high": "low", "p10": "p90", "p50": "p50"}
    opposite["p90"] = "p10"
    values = {key: known(difference.get(other)) for key, other in opposite.items()}
    return {key: None if value is None else -value for key, value in values.items()}


def _pair_row(words: Words, folder: RunFolder, pair: Mapping[str, Any], scale: Scale) -> PairRow:
    plan, other, found = pair["plan"], pair["other"], pair["npv_difference"]
    if (known(found.get("mean")) or 0.0) < 0:
        plan, other, found = other, plan, turned(found)
    sign = sign_of(found)
    ahead = words("reading.ahead", plan=plan_title(folder, plan))
    unclear = words("reading.same" if sign == "same" else "reading.unclear")
    return PairRow(
        names=words("pair", plan=plan_title(folder, plan), other=plan_title(folder, other)),
        mean=scale.change(known(found.get("mean"))),
        interval=scale.span(words, found, "low", "high"),
        spread=scale.span(words, found, "p10", "p90"),
        glyph=glyph(found),
        reading=ahead if sign == "up" else unclear,
        tone="good" if sign == "up" else "open",
    )


@dataclass(frozen=True)
class SpendCell:
    """Planned spend, with the length of its bar in percent of the largest."""

    text: str
    bar: float


@dataclass(frozen=True)
class SpendTable:
    """Planned spend by lever: columns are phases of one plan, or plans."""

    unit: MoneyUnit
    columns: list[tuple[str, str]]
    rows: list[tuple[str, list[SpendCell]]]
    totals: list[str]


def spend_by_phase(words: Words, folder: RunFolder) -> SpendTable | None:
    """Return planned spend by lever and phase, or None if the plan has no phases."""
    phases = folder.phases(folder.plans[0])
    columns = [
        (f"{i} {readable(phase.name)}", phase_quarters(words, phase.first, phase.last))
        for i, phase in enumerate(phases, 1)
    ]
    spends = [phase.spend for phase in phases]
    return _spend_table(folder, columns, spends)


def spend_by_plan(folder: RunFolder) -> SpendTable | None:
    """Return planned spend by lever and plan, or None if no plan spends."""
    columns = [(plan_title(folder, plan), "") for plan in folder.plans]
    spends: list[Mapping[str, float]] = [_whole_spend(folder, plan) for plan in folder.plans]
    return _spend_table(folder, columns, spends)


def _whole_spend(folder: RunFolder, plan: str) -> dict[str, float]:
    total: dict[str, float] = {}
    for phase in folder.phases(plan):
        for lever, amount in phase.spend.items():
            total[lever] = total.get(lever, 0.0) + amount
    return total


def _spend_table(
    folder: RunFolder, columns: list[tuple[str, str]], spends: list[Mapping[str, float]]
) -> SpendTable | None:
    levers = list(dict.fromkeys(lever for spend in spends for lever in spend))
    if not levers:
        return None
    totals = [sum(spend.values()) for spend in spends]
    unit = money_unit([sum(totals)], folder.currency, extra=1)
    largest = max(amount for spend in spends for amount in spend.values()) or 1.0
    rows = [
        (
            readable(lever),
            [
                SpendCell(
                    unit.number(spend[lever]) if lever in spend else "",
                    100 * spend.get(lever, 0.0) / largest,
                )
                for spend in spends
            ],
        )
        for lever in levers
    ]
    return SpendTable(unit, columns, rows, [unit.number(total) for total in totals])


@dataclass(frozen=True)
class SegmentRow:
    """How one segment differs between the two plans at the end of the horizon."""

    name: str
    customers: str
    churn: tuple[str, str, str]
    index: tuple[str, str, str]
    revenue: str
    spread: str


def segment_rows(words: Words, folder: RunFolder) -> list[SegmentRow]:
    """Return a row per segment; none if the market has a single one."""
    segments = folder.segments
    return [_segment_row(words, folder, name) for name in segments] if len(segments) > 1 else []


def _segment_row(words: Words, folder: RunFolder, segment: str) -> SegmentRow:
    plan = folder.plans[0]
    churn = Scale(Outcome("churn_annual", "", "share"), money_unit([], ""))
    index = Scale(Outcome("loyalty_index", "", "number"), money_unit([], ""))
    people = folder.average(plan, "customers", segment)
    everyone = sum(folder.average(plan, "customers", name) for name in folder.segments)
    revenue = _revenue_change(folder, segment)
    low, high = (percent(float(revenue.quantile(q)), signed=True) for q in (0.1, 0.9))
    return SegmentRow(
        name=readable(segment),
        customers=percent(people / everyone if everyone else None, 0),
        churn=_last_levels(folder, churn, segment),
        index=_last_levels(folder, index, segment),
        revenue=percent(float(revenue.mean()), signed=True),
        spread=words("span", low=low, high=high),
    )


def _last_levels(folder: RunFolder, scale: Scale, segment: str) -> tuple[str, str, str]:
    means = [
        folder.average(plan, scale.outcome.name, segment)
        for plan in (folder.baseline, folder.plans[0])
    ]
    return scale.level(means[0]), scale.level(means[1]), scale.change(means[1] - means[0])


def _revenue_change(folder: RunFolder, segment: str) -> pd.Series[float]:
    before, after = (
        folder.levels(plan, "revenue", segment).loc[1:].sum()
        for plan in (folder.baseline, folder.plans[0])
    )
    return after / before.where(before != 0) - 1.0


@dataclass(frozen=True)
class CashRow:
    """One quarter of the incremental cash flow."""

    quarter: int
    phase: str
    cells: list[str]


CASH_PARTS: Final = {
    "column.extra_revenue": ("revenue", "membership_fees"),
    "column.cost_of_goods": ("cost_of_goods",),
    "column.rewards": ("reward_cost", "save_offer_cost", "acquisition_cost", "service_cost"),
    "column.programme": ("lever_capital", "lever_running", "staff"),
}
CASH_LINES: Final = ("revenue", "membership_fees", *CASH_COSTS)
"""Columns of the cash flow that sum to its net."""
CASH_COLUMNS: Final = (
    *CASH_PARTS,
    "column.net",
    "column.net_p10",
    "column.net_p50",
    "column.net_p90",
    "column.cumulative",
)


def cash_unit(folder: RunFolder, plan: str) -> MoneyUnit:
    """Choose the unit of the cash-flow table."""
    sizes = [folder.incremental(plan, column).mean(axis=1) for column in CASH_LINES]
    largest = max(float(size.abs().max()) for size in sizes)
    return money_unit([largest], folder.currency, extra=1)


def cash_rows(folder: RunFolder) -> list[CashRow]:
    """Return the incremental cash flow of a run by quarter, not discounted.

    Where the plan's members hold points, a last column tells what those are worth under the plan.
    """
    plan = folder.plans[0]
    unit, net = cash_unit(folder, plan), folder.incremental(plan)
    columns = [
        sum((folder.incremental(plan, part).mean(axis=1) for part in parts), 0.0 * net.mean(axis=1))
        for parts in CASH_PARTS.values()
    ]
    columns += [net.mean(axis=1), *(net.quantile(q, axis=1) for q in (0.1, 0.5, 0.9))]
    columns.append(net.mean(axis=1).cumsum())
    if owes_points(folder):
        columns.append(folder.cash(plan, "points_liability").mean(axis=1))
    return [
        CashRow(
            int(quarter),
            phase_of(folder, int(quarter)),
            [unit.number(float(column[quarter])) for column in columns],
        )
        for quarter in net.index
    ]


def owes_points(folder: RunFolder) -> bool:
    """Return whether members hold points under the plan."""
    return bool(folder.cash(folder.plans[0], "points_liability").to_numpy().any())


def phase_of(folder: RunFolder, quarter: int) -> str:
    """Name the phase that a quarter belongs to, or nothing."""
    names = [
        readable(phase.name)
        for phase in folder.phases(folder.plans[0])
        if phase.first <= quarter <= phase.last
    ]
    return ", ".join(names)


@dataclass(frozen=True)
class ProvenancePart:
    """The share of parameters that rest on one kind of source."""

    kind: str
    name: str
    note: str
    count: int
    share: float
    text: str


def provenance_parts(words: Words, folder: RunFolder) -> list[ProvenancePart]:
    """Return the kinds of source, surest first; empty if the manifest holds none."""
    counts = {kind: int(n) for kind, n in (folder.manifest.get("provenance") or {}).items()}
    total = sum(counts.values())
    return [
        ProvenancePart(
            kind=kind,
            name=words(f"provenance.{kind}"),
            note=words(f"provenance.{kind}.note"),
            count=counts[kind],
            share=100 * counts[kind] / total,
            text=percent(counts[kind] / total, 0),
        )
        for kind in PROVENANCES
        if counts.get(kind)
    ]


def parameter_value(value: object) -> str:
    """Format a parameter's value, of whatever type."""
    if value is None:
        return DASH
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int | float):
        return DASH if known(value) is None else f"{value:g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{readable(k)} {parameter_value(v)}" for k, v in value.items())
    return " … ".join(parameter_value(v) for v in value) if isinstance(value, list) else str(value)


def parameter_rows(words: Words, folder: RunFolder) -> list[tuple[str, str, str, str, str]]:
    """Return parameter, value, kind of source, its name and the source of every parameter."""
    return [
        (
            str(row["parameter"]),
            parameter_value(row.get("value")),
            kind := str(row.get("provenance") or ""),
            words(f"provenance.{kind}") if kind in PROVENANCES else DASH,
            str(row.get("source") or DASH),
        )
        for row in folder.manifest.get("provenance_rows") or []
    ]


def chance_rank(folder: RunFolder) -> float:
    """Return the rank correlation that chance alone shows somewhere, once in twenty reports.

    The normal approximation sd = 1 / sqrt(n - 1), over all the parameters looked at (Bonferroni).
    """
    looked_at = max(len(folder.manifest.get("uncertain") or []), 1)
    quantile = NormalDist().inv_cdf(1.0 - 0.025 / looked_at)
    return float(quantile / math.sqrt(max(folder.replications - 1, 1)))


def top_unknowns(folder: RunFolder) -> list[tuple[str, float]]:
    """Return the uncertain parameters that move NPV most, strongest first."""
    pairs = [
        (str(row["parameter"]), known(row.get("npv_correlation")))
        for row in folder.manifest.get("uncertain") or []
    ]
    found = [(name, value) for name, value in pairs if value is not None]
    return sorted(found, key=lambda pair: -abs(pair[1]))[:TOP_UNKNOWNS]
