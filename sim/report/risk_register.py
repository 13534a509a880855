"""The risk register against what happened: how often each risk struck, and what an event costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sim.finance.risk_figures import t_quantile
from sim.report.figures import INK, LOSS, MUTED, PLAN, STYLE, apart, new_figure, plot_axes
from sim.report.folder import RunFolder
from sim.report.numbers import DASH, MoneyUnit, money_unit, percent, plain
from sim.report.tables import parameter_value
from sim.report.words import Words, in_sentence, plan_title, readable
from sim.types import F64

ENOUGH: Final = 5
"""Futures that a risk must have hit before its cost is estimated."""
BOUNDED: Final = ("triangular", "uniform")
"""Distributions that are stated by their ends."""
MARKED: Final = 2
"""Risks of known cost from which a picture says more than the table."""


@dataclass(frozen=True)
class Impact:
    """What one event does to the discounted net cash of a plan, in currency."""

    mean: float
    low: float
    high: float


def impacts(folder: RunFolder, plan: str) -> dict[str, Impact]:
    """Estimate what an event of each risk does to a plan's discounted net cash.

    Returns
    -------
    dict
        By risk; those that struck too few futures, or never without another, are left out. Empty
        where the run does not tell how the plan fares without events.

    Notes
    -----
    In every future the plan is lived with and without events; the difference is theirs alone and
    exactly 0 where none strikes. So it is regressed on the number of events of each risk by
    ordinary least squares through the origin. Single events differ in what they do, hence standard
    errors that allow for it: HC1 of MacKinnon & White (1985), whose n counts futures with events,
    since the others teach nothing. Intervals are 95%, Student's t; a risk's degrees of freedom are
    the futures that it struck, less one.
    """
    harm = folder.harm(plan)
    if harm is None:
        return {}
    counts = pd.DataFrame(
        {name: folder.event_counts(plan, name).reindex(harm.index) for name in risk_names(folder)}
    )
    counts = counts.loc[:, counts.any()]
    counts = counts[counts.any(axis=1)]
    cost = np.asarray(harm[counts.index], dtype=np.float64)
    slopes, errors = through_origin(counts.to_numpy(dtype=np.float64), cost)
    found = {}
    for name, slope, error in zip(counts, slopes, errors, strict=True):
        hit = int((counts[name] > 0).sum())
        if hit >= ENOUGH and np.isfinite(error):
            half = t_quantile(hit - 1) * error
            found[str(name)] = Impact(float(slope), float(slope - half), float(slope + half))
    return found


def through_origin(design: F64, values: F64) -> tuple[F64, F64]:
    """Fit ordinary least squares without a constant.

    Parameters
    ----------
    design
        Shape (n, k).
    values
        Shape (n,).

    Returns
    -------
    tuple
        Slopes and their HC1 standard errors, shape (k,) each. NaN where the columns cannot be told
        apart, or nothing is left over to judge the errors by.
    """
    inverse = np.linalg.pinv(design)
    # The projection on the row space has 1 on its diagonal just where a slope is determined.
    told = np.isclose(np.diag(inverse @ design), 1.0)
    spare = len(values) - int(np.linalg.matrix_rank(design)) if len(values) else 0
    slopes = inverse @ values
    scale = len(values) / spare if spare > 0 else np.nan
    errors = np.sqrt(scale * (inverse**2 @ (values - design @ slopes) ** 2))
    return np.where(told, slopes, np.nan), np.where(told, errors, np.nan)


def risk_names(folder: RunFolder) -> list[str]:
    """Return the risks of the register, in its order."""
    return [str(risk["name"]) for risk in folder.risks]


@dataclass(frozen=True)
class RiskCell:
    """How one plan fares with one risk."""

    struck: str
    events: str
    impact: str
    interval: str
    product: str
    clear: bool
    """Whether the interval leaves out zero."""


@dataclass(frozen=True)
class RiskRow:
    """One risk under the baseline and under one or more plans."""

    title: str
    note: str
    probability: str
    duration: str
    baseline: str
    cells: list[RiskCell]


@dataclass(frozen=True)
class RiskTable:
    """The register, the costliest risk first."""

    unit: MoneyUnit
    rows: list[RiskRow]
    totals: list[tuple[str, str]]
    """What all events together cost, mean and P10: of the baseline, then of each plan. Empty in a
    folder that does not tell it; then no row has a known impact."""


def risk_table(words: Words, folder: RunFolder) -> RiskTable | None:
    """Return the risk table of a run, or None if it has no register or tells no events."""
    if not folder.risks or "risk" not in folder.events:
        return None
    found = {plan: impacts(folder, plan) for plan in folder.plans}
    amounts = [
        abs(part)
        for known in found.values()
        for impact in known.values()
        for part in (impact.mean, impact.low, impact.high)
    ]
    totals = [harm_of_all(folder, plan) for plan in (folder.baseline, *folder.plans)]
    amounts += [abs(part) for total in totals if total for part in total]
    unit = money_unit(amounts, folder.currency, extra=1)
    order = sorted(folder.risks, key=lambda risk: _rank(folder, risk, found[folder.plans[0]]))
    return RiskTable(
        unit,
        [_risk_row(words, folder, risk, found, unit) for risk in order],
        [
            (unit.number(mean, signed=True), unit.number(low, signed=True))
            for mean, low in (total for total in totals if total)
        ],
    )


def harm_of_all(folder: RunFolder, plan: str) -> tuple[float, float] | None:
    """Return mean and P10 over futures of what all events together do to a plan's net cash."""
    harm = folder.harm(plan)
    if harm is None:
        return None
    return float(harm.mean()), float(harm.quantile(0.1, interpolation="lower"))


def lead(words: Words, folder: RunFolder) -> str:
    """Say what all events together cost the best plan, and what they would cost the baseline."""
    plan = folder.plans[0]
    total, usual = harm_of_all(folder, plan), harm_of_all(folder, folder.baseline)
    if total is None or usual is None or not folder.events["quarter"].ge(1).any():
        return ""
    unit = money_unit([*total, *usual], folder.currency)
    mean, low = total
    said = [words("risk.lead", plan=in_sentence(plan_title(folder, plan)),
                  mean=told(words, unit, mean))]  # fmt: skip
    if low < 0:
        said.append(words("risk.lead.worst", low=unit.full(-low)))
    if plan != folder.baseline:
        baseline = in_sentence(plan_title(folder, folder.baseline))
        cost = told(words, unit, usual[0])
        said.append(words("risk.lead.baseline", baseline=baseline, mean=cost))
    return " ".join(said)


def told(words: Words, unit: MoneyUnit, amount: float) -> str:
    """Tell a change of net cash as what it costs or brings."""
    key = "risk.costs" if amount < 0 else "risk.brings" if amount > 0 else "risk.nothing"
    return words(key, money=unit.full(abs(amount)))


def _rank(folder: RunFolder, risk: Mapping[str, Any], found: Mapping[str, Impact]) -> float:
    """Return what a risk costs on average; those of unknown cost come last, rarest at the end."""
    name, events = str(risk["name"]), _mean_events(folder, folder.plans[0], risk)
    return events * found[name].mean if name in found else 1e18 - events


def _mean_events(folder: RunFolder, plan: str, risk: Mapping[str, Any]) -> float:
    return float(folder.event_counts(plan, str(risk["name"])).mean())


def struck_share(folder: RunFolder, plan: str, risk: str) -> float:
    """Return the share of futures in which a risk struck at least once."""
    return float((folder.event_counts(plan, risk) > 0).mean())


def _risk_row(
    words: Words,
    folder: RunFolder,
    risk: Mapping[str, Any],
    found: Mapping[str, Mapping[str, Impact]],
    unit: MoneyUnit,
) -> RiskRow:
    name = str(risk["name"])
    softens = {**(risk.get("mitigation") or {}), **(risk.get("dampening") or {})}
    levers = words.join([readable(lever) for lever in softens])
    return RiskRow(
        title=str(risk.get("title") or readable(name)),
        note=words("risk.mitigation", levers=levers) if levers else "",
        probability=_probability(words, risk.get("probability")),
        duration=_duration(words, folder, risk.get("duration")),
        baseline=percent(struck_share(folder, folder.baseline, name), 0),
        cells=[_risk_cell(words, folder, plan, risk, found[plan], unit) for plan in folder.plans],
    )


def _duration(words: Words, folder: RunFolder, value: object) -> str:
    """Format how many quarters an event lasts; one that outlasts the run, in words."""
    if isinstance(value, int | float) and value >= folder.quarters:
        return words("risk.to_the_end")
    return parameter_value(value)


def _probability(words: Words, value: object) -> str:
    """Format a stated probability; one that is not known exactly by its two ends."""
    if isinstance(value, int | float):
        return percent(value, 0)
    stated = value if isinstance(value, Mapping) else {}
    ends = next((stated[key] for key in BOUNDED if key in stated), None)
    if ends is None:
        return parameter_value(value)
    return words("span", low=percent(ends[0], 0), high=percent(ends[-1], 0))


def _risk_cell(
    words: Words,
    folder: RunFolder,
    plan: str,
    risk: Mapping[str, Any],
    found: Mapping[str, Impact],
    unit: MoneyUnit,
) -> RiskCell:
    name, events = str(risk["name"]), _mean_events(folder, plan, risk)
    struck = percent(struck_share(folder, plan, name), 0)
    if name not in found:
        hit = int((folder.event_counts(plan, name) > 0).sum())
        key = "risk.too_few" if hit < ENOUGH else "risk.never_alone"
        return RiskCell(struck, plain(events, 2), DASH, words(key), DASH, clear=False)
    impact = found[name]
    low, high = (unit.number(end, signed=True) for end in (impact.low, impact.high))
    return RiskCell(
        struck=struck,
        events=plain(events, 2),
        impact=unit.number(impact.mean, signed=True),
        interval=words("span", low=low, high=high),
        product=unit.number(events * impact.mean, signed=True),
        clear=not impact.low <= 0 <= impact.high,
    )


def risk_map(words: Words, folder: RunFolder, unit: MoneyUnit) -> Figure | None:
    """Draw probability against impact under the best plan, or nothing if few costs are known."""
    plan = folder.plans[0]
    found = impacts(folder, plan)
    if len(found) < MARKED:
        return None
    titles = {str(risk["name"]): str(risk.get("title") or "") for risk in folder.risks}
    points = [
        (struck_share(folder, plan, name), impact, titles[name] or readable(name))
        for name, impact in found.items()
    ]
    with rc_context(STYLE):
        figure = new_figure(980, 290)
        ax = plot_axes(figure, 52, 300, 12, 42)
        _draw_points(ax, points, unit)
        ax.axhline(0, color=INK, linewidth=1, zorder=1.5)
        ax.set_xlim(0, min(1.15 * max(share for share, _, _ in points), 1.0))
        ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(value, 0)))
        ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        ax.yaxis.set_major_formatter(
            FuncFormatter(lambda value, _: plain(value, 0 if np.ptp(ax.get_ylim()) > 4 else 1))  # noqa: PLR2004
        )
        ax.set_xlabel(words("figure.risk_map.x"), loc="right")
        _name_points(ax, points, unit)
    return figure


def _draw_points(ax: Axes, points: list[tuple[float, Impact, str]], unit: MoneyUnit) -> None:
    for share, impact, _ in points:
        low, mean, high = (part / unit.divisor for part in (impact.low, impact.mean, impact.high))
        tone = LOSS if high < 0 else PLAN if low > 0 else MUTED
        ax.plot([share, share], [low, high], color=tone, linewidth=2)
        ax.plot([share], [mean], "o", color=tone, markersize=9)


def _name_points(ax: Axes, points: list[tuple[float, Impact, str]], unit: MoneyUnit) -> None:
    """Write names at the right edge in the order of their points, with a thin line to each."""
    low, high = ax.get_ylim()
    right = ax.get_xlim()[1]
    places = apart([impact.mean / unit.divisor for _, impact, _ in points], (high - low) / 13)
    for place, (share, impact, title) in zip(places, points, strict=True):
        ax.plot([share, right], [impact.mean / unit.divisor, place], color=MUTED, linewidth=0.6,
                clip_on=False, zorder=1)  # fmt: skip
        ax.annotate(title if len(title) <= 52 else f"{title[:51]}…", (right, place), (6, 0),  # noqa: PLR2004
                    textcoords="offset points", va="center", annotation_clip=False)  # fmt: skip


def map_ends(words: Words, folder: RunFolder, unit: MoneyUnit) -> str:
    """Tell the points of the picture in words."""
    plan = folder.plans[0]
    ends = [
        words("alt.end", plan=readable(name), value=unit.full(impact.mean))
        for name, impact in impacts(folder, plan).items()
    ]
    return words("alt.risk_map", plan=plan_title(folder, plan), ends=", ".join(ends))
