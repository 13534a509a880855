"""The words of the page of a sweep, and how its outcomes and factors are told."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from sim.report.figures import parameter_label
from sim.report.numbers import HARD, MINUS, MoneyUnit, known, money_unit, percent, plain
from sim.report.words import ENGLISH, Words, in_sentence, readable
from sim.sweep.analysis import LITTLE, Effect, Interval, Surface
from sim.sweep.means import Chance, Counts, Varied

SWEEP: Final[Mapping[str, str]] = {
    "kind.sweep": "Sweep report",
    "fact.points": "{n} points",
    "fact.futures": "{n} simulated futures of each",
    "fact.plan": "plan {plan} against {baseline}",
    "fact.plan.alone": "plan {plan}",
    # The verdict
    "headline.zero": "{plan} has a positive {outcome} at {k} of {n} points. The mean runs from "
    "{worst} at the worst point to {best} at the best.",
    "headline.range": "Over {n} points, {outcome} of {plan} runs from {low} to {high}.",
    "headline.one": "At the only point that is shown, {outcome} of {plan} is {mean}.",
    "headline.same": "At all {n} points, {outcome} of {plan} is {mean}.",
    "note.unfinished": "This sweep is not finished: {done} of {units} futures are there. Shown are "
    "the {shown} points of {points} that have all of theirs.",
    "note.failed": "{failed} of {points} points are left out because a future of theirs failed.",
    "note.without": "{n} points are left out because {outcome} does not exist in any of their "
    "futures.",
    "note.partly": "At {n} points {outcome} exists in some futures only; their mean is over those.",
    "note.constant": "Not shown, for they do not vary: {names}.",
    # Main effects
    "section.effects": "What decides",
    "effects.unclear": "No factor can be told from chance: the share of the differences that each "
    "explains may be nothing.",
    "effects.bins": "{factor} decides most: from its lowest to its highest {part} the mean "
    "{outcome} {moves} from {first} to {last}.",
    "effects.levels": "{factor} decides most: from {low} to {high} the mean {outcome} {moves} from "
    "{first} to {last}.",
    "effects.bend": "{factor} decides most: the mean {outcome} is {top} near {top_at} and {bottom} "
    "near {bottom_at}.",
    "effects.texts": "{factor} decides most: the mean {outcome} is {top} with {top_at} and "
    "{bottom} with {bottom_at}.",
    "effects.screened": "The effects above compare like with like. Over all points, whatever else "
    "differs: {sentence}",
    "moves.up": "rises",
    "moves.down": "falls",
    "figure.effects": "Mean {outcome} by each factor",
    "figure.effects.unit": "{unit}; all panels share one scale; shaded or barred: 95% interval of "
    "the mean",
    "figure.effects.caption": "Every panel shows the mean over all points with that value of the "
    "factor, whatever the others are. Factors with more than 12 values are cut into up to ten "
    "parts with equally many points. Those that explain most come first.",
    "figure.effects.more": "Of {n} factors the {shown} that explain most are drawn; the table has "
    "all.",
    "column.factor": "factor",
    "column.from": "lowest",
    "column.to": "highest",
    "column.at_low": "mean there",
    "column.at_high": "mean there ",
    "column.share": "explains of the differences",
    "effects.share": "The shares in the table are first-order indices, estimated from the points "
    "as they are (the correlation ratio, less what chance gives it), with a bootstrapped 95% "
    "interval. Only where factors were varied independently of each other do such shares add up.",
    # Sobol
    "section.sobol": "Alone and together",
    "sobol.lead": "{factor} accounts for {total} of the differences, {first} of them by itself. "
    "What factors do only together makes {together} in all.",
    "sobol.wide": "The intervals are wide: more base samples or more futures of each point would "
    "narrow them.",
    "figure.sobol": "Sobol indices",
    "figure.sobol.unit": "share of the variance between points; lines are 95% intervals",
    "figure.sobol.caption": "Alone: what would go if the factor were known. With others: what "
    "would remain if all others were known. From {n} base samples; intervals are bootstrapped. "
    "Both are of means over futures; {noise}.",
    "sobol.noise": "of the differences between these, {noise} are luck that is left, which counts "
    "as done together",
    "sobol.exact": "with one future of each point, its luck counts as done together",
    "figure.second": "Interplay of pairs",
    "figure.second.unit": "second-order Sobol indices, share of the variance; grey: may be nothing",
    "sobol.none": "Too few base samples are complete for Sobol indices.",
    "sobol.left": "{n} base samples are left out whole, since a point of each is missing: the "
    "indices need all points of a sample.",
    "mark.alone": "alone",
    "mark.with_others": "with others",
    # Morris
    "section.morris": "What matters at all",
    "morris.lead": "{factor} moves {outcome} most: by {size} on average when it goes over its "
    "whole range and all else stays.",
    "figure.morris": "Mean size of the effect",
    "figure.morris.unit": "{unit} over the factor's whole range (μ*); lines are 95% intervals",
    "figure.morris.caption": "From {n} trajectories. A factor near zero can be left as it is.",
    "figure.spread": "Size and unevenness of the effect",
    "figure.spread.unit": "{unit}",
    "figure.spread.caption": "A factor near or above the line bends, or depends on others; one far "
    "below acts the same everywhere.",
    "mark.mu_star": "mean size of the effect, μ*",
    "mark.sigma": "its standard deviation, σ",
    "morris.none": "Too few trajectories are complete for elementary effects.",
    "morris.left": "{n} trajectories are left out whole, since a point of each is missing.",
    # Surfaces
    "section.surfaces": "Two factors together",
    "surfaces.lead": "{x} and {y} together foretell {r2} of the differences between points.",
    "surfaces.zero": "The thick line is where {outcome} turns from loss to gain.",
    "surfaces.all_gain": "Over the whole map the smoothed {outcome} is positive.",
    "surfaces.all_loss": "Over the whole map the smoothed {outcome} is negative.",
    "surfaces.weak": "No two factors together foretell more than {r2} of the differences: the maps "
    "show little.",
    "figure.surfaces": "{outcome} over two factors",
    "figure.surfaces.unit": "{unit}, smoothed; dots are points of the design with their own mean",
    "figure.surfaces.caption": "Polynomials, fitted by least squares; the share that is foretold "
    "is cross-validated (of points that the fit has not seen). All other factors were varied too, "
    "which is why dots differ from the map. At most {dots} points are drawn.",
    "surface.told": "foretells {r2}, degree {degree}",
    "surface.told.facet": "{level}: foretells {r2}",
    "figure.facets": "The first map by {factor}",
    "section.crossed": "The two strongest factors, level by level",
    "crossed.lead": "The mean {outcome} is best, {high}, with {best}, and worst, {low}, with "
    "{worst}.",
    "figure.crossed": "{row} and {column}",
    "figure.crossed.unit": "mean {outcome}, {unit}",
    "mark.zero": "zero",
    # Parallel coordinates
    "section.parallel": "All factors at once",
    "parallel.lead": "Each line is a point; follow the best tenth (blue) and the worst tenth "
    "(orange) from the outcome back to the factors.",
    "parallel.told": "{factor} parts them most: its middle value is {best} among the best tenth "
    "and {worst} among the worst.",
    "parallel.told.texts": "{factor} parts them most: {level} stands at {best} of the best tenth "
    "and at {worst} of the worst.",
    "figure.parallel": "Factors and {outcome}, point by point",
    "figure.parallel.unit": "each axis runs from the lowest to the highest value; the last is the "
    "outcome, {unit}",
    "figure.parallel.caption": "{shown} of {n} points, drawn by lot. Values that many points share "
    "are spread a little, so that lines do not hide each other.",
    "figure.parallel.all": "All {n} points. Values that many points share are spread a little, so "
    "that lines do not hide each other.",
    "mark.best": "best tenth",
    "mark.worst": "worst tenth",
    "mark.rest": "all others",
    # Points
    "section.points": "Best and worst points",
    "points.lead": "The best point is number {best} with {high}, the worst number {worst} with "
    "{low}.",
    "points.noise": "After ± the standard error of a mean over {n} futures. The best of many "
    "points is in part the luckiest: live it again with more replications before trusting it.",
    "points.exact": "With one future of each point nothing tells luck from merit: the best of many "
    "points is in part the luckiest.",
    "column.point": "point",
    "group.best": "Best",
    "group.worst": "Worst",
    # How sure
    "section.sure": "Luck, failures and cost",
    "chance.lead": "Of the differences between single futures, {between} come from what was "
    "varied, {shared} from luck that all points of a future share, and {own} from luck of their "
    "own. All figures above are means over futures; of the differences between these means, "
    "{noise} are luck still, which no factor explains.",
    "chance.none": "With one future of each point, luck cannot be told from what was varied.",
    "failures.none": "No future failed.",
    "failures.some": "{units} futures failed, in {points} points. `fidelio sweep resume=SWEEP "
    "retry=true` lives them again.",
    "column.failure": "message",
    "column.units": "futures",
    "column.points": "points",
    "column.example": "for example point",
    "cost": "One future took {each} when a few were tried; the {units} of this sweep make about "
    "{total} of one core.",
    "footer.sweep": "Made by Fidelio from the files of one sweep. Tables and pictures lie beside "
    "this page: {files}.",
}  # fmt: skip

PARTS: Final = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 6: "sixth", 7: "seventh",
                8: "eighth", 9: "ninth", 10: "tenth"}  # fmt: skip
MONEY: Final = ("npv", "spend", "incremental_margin", "clv")
SHARES: Final = ("roi", "irr", "churn_annual", "retention", "repeat_rate", "share", "penetration")
LESS_IS_BETTER: Final = ("churn_annual", "payback_quarter", "spend")
ABOUT_ZERO: Final = ("npv", "roi", "irr", "incremental_margin")
"""Outcomes for which zero parts gain from loss."""


def words() -> Words:
    """Return the words of this page."""
    return Words({**ENGLISH, **SWEEP})


# --- outcomes and factors ------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """How an outcome is told.

    Attributes
    ----------
    better
        1 if more is better, else -1.
    about_zero
        Whether zero parts gain from loss.
    """

    name: str
    title: str
    unit: str
    divisor: float
    decimals: int
    better: int
    about_zero: bool
    money: MoneyUnit | None = None

    def number(self, value: float | None) -> str:
        """Format a value without its unit, as on an axis."""
        if value is None or not math.isfinite(value):
            return plain(None)
        return plain(value / self.divisor, self.decimals)

    def full(self, value: float | None) -> str:
        """Format a value with its unit, as in a sentence."""
        if self.money is not None:
            return self.money.full(value)
        if self.name in SHARES:
            return percent(value, self.decimals)
        return self.number(value)

    @property
    def noun(self) -> str:
        """What it is called within a sentence."""
        return self.title if self.title.isupper() else self.title[:1].lower() + self.title[1:]


def told(outcome: str, values: Iterable[float], currency: str) -> Told:
    """Choose how an outcome is told, so that values of this size can be told apart.

    Parameters
    ----------
    outcome
        Its name.
    values
        Means that are to be shown.
    currency
        Code of money.
    """
    finite = np.array([value for value in values if math.isfinite(value)] or [0.0])
    text = Words()
    title = text(f"outcome.{outcome}") if text.has(f"outcome.{outcome}") else readable(outcome)
    better = -1 if outcome in LESS_IS_BETTER else 1
    zero, reach = outcome in ABOUT_ZERO, float(np.ptp(finite))
    if outcome in MONEY:
        money = money_unit(np.abs(finite).tolist(), currency, extra=1)
        decimals = max(money.decimals, _decimals(reach / money.divisor))
        money = MoneyUnit(currency, money.word, decimals)
        return Told(outcome, title, money.name, money.divisor, decimals, better, zero, money)
    divisor = 0.01 if outcome in SHARES else 1.0
    unit = "%" if outcome in SHARES else ""
    return Told(outcome, title, unit, divisor, _decimals(reach / divisor), better, zero)


def _decimals(reach: float) -> int:
    """Return decimals that tell a twentieth of a reach; three at most."""
    return int(np.clip(math.ceil(-math.log10(reach / 20)), 0, 3)) if reach > 0 else 1


def factor_label(name: str, room: int = 30) -> str:
    """Return what a factor is called: its column in words."""
    named = name.replace(".*", "")
    return parameter_label(named, room) if "." in named else readable(named)


SIZES: Final = ((1e9, "bn"), (1e6, "M"), (1e4, "k"))


def short(value: float) -> str:
    """Format a factor's value in three digits: 0.05, 120, 25k, 2.5M."""
    if not math.isfinite(value):
        return plain(None)
    size, letter = next(((s, w) for s, w in SIZES if abs(value) >= 0.99999 * s), (1.0, ""))
    scaled = value / {"k": 1e3}.get(letter, size)
    digits = f"{scaled:.3g}" if abs(scaled) < 1000 else f"{scaled:.0f}"  # noqa: PLR2004
    return digits.replace("-", MINUS) + letter


def value_text(factor: Varied, value: float) -> str:
    """Format a value of a factor: a number, or the text that it stands for."""
    if not factor.is_number:
        return factor.levels[round(value)].replace("_", " ")
    reach = float(np.ptp(factor.numbers))
    # Digits that are nothing beside the factor's range only make a column hard to read.
    return short(value if factor.log else round(value, 2 - math.floor(math.log10(reach))))


def quoted_label(name: str) -> str:
    """Return what a factor is called within a sentence."""
    return in_sentence(factor_label(name))


# --- sentences -----------------------------------------------------------------------------------


def share_text(share: Interval) -> str:
    """Format a share of the variance."""
    value = known(share.value)
    return percent(None if value is None else min(max(value, 0.0), 1.0), 0)


def effect_sentence(text: Words, told: Told, effect: Effect) -> str:
    """Say what the factor that explains most does to the outcome."""
    if not effect.share.low > 0:
        return text("effects.unclear")
    top, bottom = int(np.argmax(effect.mean)), int(np.argmin(effect.mean))
    first, last = float(effect.mean[0]), float(effect.mean[-1])
    facts = {"factor": quoted_label(effect.factor.name), "outcome": told.noun}
    if effect.labels or abs(last - first) < 0.5 * np.ptp(effect.mean):
        return text(
            "effects.texts" if effect.labels else "effects.bend",
            top=told.full(float(effect.mean[top])),
            bottom=told.full(float(effect.mean[bottom])),
            top_at=value_text(effect.factor, float(effect.at[top])),
            bottom_at=value_text(effect.factor, float(effect.at[bottom])),
            **facts,
        )
    ends = {"first": told.full(first), "last": told.full(last),
            "moves": text("moves.up" if last > first else "moves.down")}  # fmt: skip
    if effect.binned:
        return text("effects.bins", part=PARTS[len(effect.at)], **facts, **ends)
    low, high = short(float(effect.at[0])), short(float(effect.at[-1]))
    return text("effects.levels", low=low, high=high, **facts, **ends)


def surface_sentence(text: Words, told: Told, best: Surface) -> str:
    """Say what the best map shows, and where the outcome turns from loss to gain."""
    if best.r2 < LITTLE:
        return text("surfaces.weak", r2=percent(max(best.r2, 0.0), 0))
    said = text("surfaces.lead", x=quoted_label(best.x.name), y=quoted_label(best.y.name),
                r2=percent(best.r2, 0))  # fmt: skip
    if not told.about_zero:
        return said
    low, high = float(best.values.min()), float(best.values.max())
    key = "zero" if low < 0 < high else "all_gain" if low >= 0 else "all_loss"
    return f"{said} {text(f'surfaces.{key}', outcome=told.noun)}"


def chance_sentence(text: Words, chance: Chance) -> str:
    """Say how much of the differences is luck."""
    if chance.between is None:
        return text("chance.none")
    parts = {name: percent(getattr(chance, name), 0) for name in ("between", "shared", "own")}
    return text("chance.lead", **parts, noise=small_percent(chance.noise))


def small_percent(share: float | None) -> str:
    """Format a share that may be less than one percent."""
    if share is not None and 0 < share < 0.01:  # noqa: PLR2004  # one percent
        return "less than 1%"
    return percent(share, 0)


def notes(text: Words, told: Told, counts: Counts, constant: Iterable[str]) -> list[str]:
    """Say what is not shown, and why."""
    said = []
    if counts.done < counts.units:
        said.append(text("note.unfinished", done=plain(counts.done), units=plain(counts.units),
                         shown=plain(counts.shown), points=plain(counts.points)))  # fmt: skip
    if counts.failed:
        said.append(text("note.failed", failed=plain(counts.failed), points=plain(counts.points)))
    if counts.without:
        said.append(text("note.without", n=plain(counts.without), outcome=told.noun))
    if counts.partly:
        said.append(text("note.partly", n=plain(counts.partly), outcome=told.noun))
    if names := [quoted_label(name) for name in constant]:
        said.append(text("note.constant", names=text.join(names)))
    return said


TIMES: Final = ((86_400 * 2, 86_400, "days"), (3600 * 2, 3600, "hours"), (120, 60, "minutes"))
"""Seconds from which a time is told in that unit."""


def time_text(seconds: float) -> str:
    """Format a time in the unit that suits it."""
    for least, size, name in TIMES:
        if seconds >= least:
            return f"{plain(seconds / size)}{HARD}{name}"
    return f"{plain(seconds, 0 if seconds >= 10 else 2)}{HARD}s"  # noqa: PLR2004
