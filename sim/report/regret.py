"""The page of `fidelio regret`: what each choice would forgo, and what it is worth to know more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd

from sim.config.regret import Regret
from sim.config.study import Config
from sim.planning.future import AS_PLANNED, Future
from sim.planning.pilot import PilotLife
from sim.planning.ranking import Estimate, estimate
from sim.planning.regret import (
    LESS_IS_BETTER,
    Criterion,
    Knowledge,
    Mixture,
    Payoffs,
    Worst,
    clairvoyance,
    criteria,
    gaps,
    knowledge,
    regret_matrix,
    targets_met,
    worst_futures,
)
from sim.report import regret_figures as figures
from sim.report.calibration import Row, Section, TableView
from sim.report.finding import Drawn, Finding
from sim.report.numbers import MoneyUnit, money_unit, percent, plain
from sim.report.words import in_sentence, listed, readable
from sim.sweep.analysis import Interval
from sim.types import F64, QUARTERS_PER_YEAR, Against

AVERAGES: Final = ("expected", "max_regret", "expected_regret", "worst", "share_met")
SPREADS: Final = ("cvar", "p10", "p50", "p90")
TITLES: Final = {
    "expected": "Expected NPV",
    "max_regret": "Largest regret",
    "expected_regret": "Average regret",
    "share_met": "Targets met",
    "cvar": "Worst 5%",
    "worst": "Worst future",
    "hurwicz": "Hurwicz",
    "p10": "P10",
    "p50": "P50",
    "p90": "P90",
}
"""Criterion to the head of its column."""
RULES: Final = {
    "expected": ("earns most on average", "who counts the average only"),
    "max_regret": ("would be least regretted", "who has to answer for the choice afterwards"),
    "worst": ("has the best worst future", "who wants to be sure of a least amount"),
    "cvar": ("loses least in the worst 5%", "who could not stand a very bad outcome"),
    "share_met": ("is most often good enough", "who has targets to meet"),
    "hurwicz": ("is best by Hurwicz's rule", "who weighs the best future against the worst"),
}
"""Criterion to what its pick does, and whom it suits."""
PERCENTS: Final = ("share_met",)
RATIOS: Final = ("roi", "irr", "churn_annual", "retention", "repeat_rate", "share", "penetration")
AMOUNTS: Final = ("npv", "spend", "peak_funding", "worst_quarter", "clv")
ABBREVIATED: Final = {
    "npv": "NPV", "roi": "ROI", "irr": "IRR", "nps": "NPS", "csat": "CSAT",
    "clv": "lifetime value", "churn_annual": "annual churn",
}  # fmt: skip
"""Outcome to what it is called in a sentence, where that is not its name."""
STRIP: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
PILOT_COLUMNS: Final = {
    "waiting": "Waiting",
    "deciding": "Deciding",
    "worth": "In all",
    "stopping_worth": "Stop always",
}
"""What is told of a pilot, with the head of its column."""
MOST_NAMES: Final = 3
"""Names that a sentence lists; of more it says how many."""


@dataclass(frozen=True)
class Compared:
    """What was lived.

    Attributes
    ----------
    futures
        What may come; the first `n_answers` are what rivals may do, and the first of all is what is
        planned.
    payoffs
        What the choices earn, doing nothing last.
    outcomes
        Outcome to shape (n_choices, n_futures, n_worlds).
    settings
        What was asked.
    pilots
        Plans that were tried with a pilot.
    """

    config: Config
    futures: Sequence[Future]
    n_answers: int
    payoffs: Payoffs
    outcomes: Mapping[str, F64]
    settings: Regret
    pilots: Sequence[PilotLife]


class RegretReport:
    """Choices weighed against futures: what the page, the files and the terminal show.

    Parameters
    ----------
    found
        What was lived.
    """

    def __init__(self, found: Compared) -> None:
        self.found, self.payoffs = found, found.payoffs
        self.currency = found.config.market.currency
        baseline = found.config.baseline
        idle = "Doing nothing" if not baseline.phases else readable(baseline.name)
        self.choices = [*map(readable, self.payoffs.choices[:-1]), idle]
        self.futures = [_future(name) for name in self.payoffs.futures]

    # --- figures -----------------------------------------------------------------------------

    @cached_property
    def criteria(self) -> dict[str, Criterion]:
        """Choices by each criterion, by name."""
        met = targets_met(self.found.outcomes, self.found.settings.targets)
        made = criteria(self.payoffs, met, self.found.settings.optimism)
        return {criterion.name: criterion for criterion in made}

    @cached_property
    def worst(self) -> list[Worst]:
        """Of all futures, the one in which each choice earns least."""
        return worst_futures(self.payoffs)

    @cached_property
    def worst_answers(self) -> list[Worst]:
        """Of what rivals may do, what hurts each choice most."""
        return worst_futures(self.payoffs, range(self.found.n_answers))

    @cached_property
    def questions(self) -> dict[str, Knowledge]:
        """What one might learn, the most valuable first after the whole answer."""
        everything = range(len(self.futures))
        made = {"Which future comes": knowledge(self.payoffs, [[one] for one in everything])}
        single = {}
        for place in everything if len(self.futures) > 2 else ():  # noqa: PLR2004
            rest = [other for other in everything if other != place]
            if 0 < self.payoffs.weights[place] < 1:
                planned = self.payoffs.futures[place] == AS_PLANNED
                title = "all goes as planned" if planned else f"it will be {self.future(place)}"
                title = f"Whether {title}"
                single[title] = knowledge(self.payoffs, [[place], rest])
        return made | dict(sorted(single.items(), key=lambda item: -item[1].value.value))

    @cached_property
    def clairvoyance(self) -> Interval:
        """What it would be worth to foresee everything, luck too."""
        return clairvoyance(self.payoffs)

    @cached_property
    def unit(self) -> MoneyUnit:
        """In which money is told."""
        return money_unit(self.payoffs.means.ravel().tolist(), self.currency, extra=1)

    @property
    def n_years(self) -> float:
        """Length of the horizon."""
        return self.found.config.quarters / QUARTERS_PER_YEAR

    # --- words -------------------------------------------------------------------------------

    def choice(self, place: int) -> str:
        """Return a choice as it stands in a sentence."""
        last = place == len(self.choices) - 1
        return "doing nothing" if last and not self.found.config.baseline.phases else in_sentence(
            self.choices[place])  # fmt: skip

    def future(self, place: int) -> str:
        """Return a future as it stands in a sentence."""
        return in_sentence(self.futures[place])

    def names(self, places: Sequence[int]) -> str:
        """Return choices as a sentence lists them."""
        if len(places) > MOST_NAMES:
            return f"{len(places)} of the {len(self.choices)} choices"
        listed = [self.choice(place) for place in places]
        return " and ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)

    def money(self, one: Interval | Estimate) -> str:
        """Return an amount with its interval."""
        value = _value(one)
        ends = f"{self.unit.number(one.low)} to {self.unit.number(one.high)}"
        return f"{self.unit.full(value)} ({ends})"

    @property
    def headline(self) -> str:
        """What is said first: what one would least regret, or that it cannot be told."""
        regret = self.criteria["max_regret"]
        picks = regret.picks
        if len(picks) > 1:
            return f"{_capital(self.names(picks))} cannot be told apart by their largest regret."
        (pick,) = picks
        largest = regret.values[pick]
        if largest.value == 0 < largest.high:
            return (
                f"One would least regret {self.choice(pick)}: in no future can it be told that "
                f"another choice is better, and by at most {self.unit.full(largest.high)}."
            )
        if largest.value == 0:
            return (
                f"One would never regret {self.choice(pick)}: in none of the futures is another "
                "choice better on average."
            )
        return (
            f"One would least regret {self.choice(pick)}: in the future that suits it worst it is "
            f"{self.money(largest)} behind the best choice there."
        )

    @property
    def tone(self) -> str:
        """Colour of the headline: whether there is one pick, and whether it is to do something."""
        picks = self.criteria["max_regret"].picks
        if len(picks) > 1:
            return ""
        return "bad" if picks[0] == len(self.choices) - 1 else "good"

    @property
    def remarks(self) -> list[str]:
        """What else is said first."""
        return [self._expected_remark(), self._agreement(), self._worth_remark()]

    def _expected_remark(self) -> str:
        expected, also = self.criteria["expected"], ""
        if len(expected.picks) > 1:
            also = " either" if len(self.criteria["max_regret"].picks) > 1 else ""
            return f"By expected NPV, {self.names(expected.picks)} cannot be told apart{also}."
        (pick,) = expected.picks
        if self._is_idle(pick):
            return "Every plan costs more than it brings on average over the futures."
        told = self.money(expected.values[pick])
        return f"The highest expected NPV has {self.choice(pick)}, {told}."

    def _agreement(self) -> str:
        rules = [self.criteria[name] for name in RULES if name in self.criteria]
        common = sorted(set.intersection(*(set(rule.picks) for rule in rules)))
        if common and all(rule.picks == (common[0],) for rule in rules):
            return f"All {len(rules)} criteria pick {self.choice(common[0])}."
        if len(common) == 1:
            return (
                f"Only {self.choice(common[0])} may be first by all {len(rules)} criteria; by some "
                "of them it cannot be told from others."
            )
        if common:
            return f"{_capital(self.names(common))} may be first by all {len(rules)} criteria."
        return "No choice can be first by all criteria: it depends on what one wants to be sure of."

    def _worth_remark(self) -> str:
        whole = next(iter(self.questions.values())).value
        if whole.high <= 0:
            return "To know beforehand which future comes is worth nothing: it changes no choice."
        if whole.low <= 0:
            return (
                "To know beforehand which future comes may be worth nothing, and at most "
                f"{self.unit.full(whole.high)}."
            )
        return (
            "To know beforehand which future comes would be worth up to "
            f"{self.money(whole)}, {self.unit.full(whole.value / self.n_years)} a year."
        )

    def facts(self) -> Iterator[str]:
        """Yield what stands under the title."""
        config = self.found.config
        yield f"{len(self.choices)} choices"
        yield f"{len(self.futures)} futures"
        yield f"{plain(self.payoffs.n_worlds)} worlds, the same in each"
        yield f"{plain(config.customers)} simulated customers"
        yield f"{config.quarters} quarters"

    # --- parts of the page -------------------------------------------------------------------

    def finding(self) -> Finding:
        """Return the page."""
        return Finding(
            kind="Regret",
            title=self.found.config.title,
            facts=list(self.facts()),
            headline=self.headline,
            tone=self.tone,
            remarks=self.remarks,
            parts=list(self.parts()),
            tables=self.tables(),
            documents={"regret": self.document()},
        )

    def parts(self) -> Iterator[tuple[Section, list[Drawn]]]:
        """Yield each section with its pictures."""
        yield self._matrix()
        yield self._rules(), []
        yield self._averages()
        yield self._spreads(), []
        if self.found.n_answers > 1:
            yield self._answers(), []
        yield self._knowing()
        if self.found.pilots:
            yield self._pilots()
        yield self._futures(), []
        yield self._sure(), []

    def _matrix(self) -> tuple[Section, list[Drawn]]:
        regret = regret_matrix(self.payoffs)
        best = regret.argmin(axis=0)
        winners = sorted(set(best.tolist()))
        if len(winners) == 1:
            lead = f"In every future {self.choice(winners[0])} has the highest mean."
        else:
            told = [f"{self.choice(one)} in {int((best == one).sum())}" for one in winners]
            lead = f"Of {len(best)} futures, the highest mean has {listed(told)}."
        bounds = gaps(self.payoffs)
        clear = sum(
            all(bounds.low[own, top, place] > 0 for own in range(len(self.choices)) if own != top)
            for place, top in enumerate(best)
        )
        lead += f" It is told from all others in {clear or 'none'} of them."
        caption = (
            "Regret is the mean NPV of the best choice in that future less that of the choice in "
            "the row. Bold: clear of zero, all squares taken together. The best of several means "
            "that are not known exactly is a little too good, so these regrets are a little too "
            "large; the tables below correct for it."
        )
        sure = bounds.low.max(axis=1) > 0
        drawn = Drawn(
            "regret", figures.matrix(self.unit, self.choices, self.futures, self.payoffs.means,
                                     regret, sure),
            "What each choice would forgo in each future",
            f"regret, and mean NPV against the baseline, {self.unit.name}", caption,
        )  # fmt: skip
        return Section("What one would regret", lead, wide=True), [drawn]

    def _rules(self) -> Section:
        rows = []
        for name, (does, whom) in RULES.items():
            rule = self.criteria.get(name)
            if rule is None:
                continue
            best = max(rule.picks, key=lambda place: rule.best_is * rule.values[place].value)
            others = [place for place in rule.picks if place != best]
            rows.append(Row(_capital(does), [
                self.choices[best], self.cell(rule, best),
                "yes" if not others else f"not from {self.names(others)}",
            ], note=f"for one {whom}", strong=not others))  # fmt: skip
        columns = ["The choice that …", "is", "with", "told from the others"]
        lead = self._agreement()
        caption = (
            "A choice is named alone only where the difference to every other one is too large for "
            f"chance. {self._targets_sentence()} Average regret ranks as expected NPV does: the "
            "two add up to the same amount for every choice."
        )
        return Section("What each criterion picks", lead,
                       TableView(columns, rows, frozenset({"is", "told from the others"})),
                       caption=caption)  # fmt: skip

    def _targets_sentence(self) -> str:
        told = []
        for name, target in self.found.settings.targets.items():
            bound = "at most" if name in LESS_IS_BETTER else "at least"
            told.append(f"{_outcome(name)} {bound} {self._target(name, target)}")
        return f"Good enough is: {listed(told)}."

    def _target(self, name: str, target: float) -> str:
        if name in AMOUNTS:
            return "0" if target == 0 else money_unit([target], self.currency, 1).full(target)
        return percent(target) if name in RATIOS else plain(target, 1)

    def cell(self, criterion: Criterion, place: int) -> str:
        """Return a value of a criterion with its interval."""
        one = criterion.values[place]
        if criterion.name in PERCENTS:
            return f"{percent(one.value, 0)} ({plain(100 * one.low)} to {plain(100 * one.high)})"
        return self.span(one)

    def span(self, one: Interval | Estimate) -> str:
        """Return an amount without its unit, with its interval unless it is known exactly."""
        number, value = self.unit.number, _value(one)
        if one.low == one.high:
            return number(value)
        return f"{number(value)} ({number(one.low)} to {number(one.high)})"

    @property
    def average_table(self) -> TableView:
        """Choices by averages, regrets and targets, the best expected NPV first."""
        return self._table(AVERAGES)

    def _table(self, names: Sequence[str]) -> TableView:
        shown = [self.criteria[name] for name in names]
        order = np.argsort([-one.value for one in self.criteria["expected"].values], kind="stable")
        rows = []
        for place in map(int, order):
            first, last = self.criteria["expected"].ranks[place]
            note = f"place {first}" if first == last else f"place {first} to {last}"
            best = frozenset(j for j, one in enumerate(shown) if place in one.picks)
            rows.append(Row(self.choices[place], [self.cell(one, place) for one in shown],
                            note=note, best=best))  # fmt: skip
        return TableView(["Choice", *(TITLES[name] for name in names)], rows)

    def _averages(self) -> tuple[Section, list[Drawn]]:
        once = np.full((1, self.payoffs.n_worlds), 1 / self.payoffs.n_worlds)
        quantiles = Mixture(self.payoffs).quantiles(STRIP, once)[0]
        expected, regret = self.criteria["expected"], self.criteria["max_regret"]
        drawn = [
            Drawn("strips", figures.strips(self.unit, self.choices, quantiles,
                                           [one.value for one in expected.values]),
                  "What may come of each choice",
                  f"NPV over futures by weight and worlds, {self.unit.name}",
                  "Line: 90% of what may come; bar: half of it; mark: the middle; dot: the mean."),
            Drawn("trade_off", figures.trade(self.unit, self.choices, expected.values,
                                             regret.values),
                  "What one expects, and what one might regret",
                  f"with 95% intervals, {self.unit.name}",
                  "To the right: earns more on average. Higher up: less to regret."),
        ]  # fmt: skip
        worst = self.worst[expected.picks[0]]
        lead = (
            f"{self.unit.name}, with 95% intervals. Bold figures are of choices that may be the "
            "first by that criterion."
        )
        if not self._is_idle(expected.picks[0]):
            lead += (
                f" The worst future for {self.choice(expected.picks[0])} is "
                f"{self.future(worst.future)}{self._alike(worst)}."
            )
        caption = (
            "The place under a name is by expected NPV. Largest regret: in the future where it is "
            f"largest. Worst future: mean NPV where it is least. {self._targets_sentence()} Doing "
            "nothing has an NPV of 0 by definition."
        )
        section = Section("Choices side by side", lead, self.average_table, caption=caption)
        return section, drawn

    def _is_idle(self, place: int) -> bool:
        return place == len(self.choices) - 1

    def _alike(self, worst: Worst) -> str:
        if not worst.also:
            return ""
        also = [self.future(place) for place in worst.also]
        told = listed(also) if len(also) <= MOST_NAMES else f"{len(also)} others"
        return f", which cannot be told from {told}"

    def _spreads(self) -> Section:
        cvar = self.criteria["cvar"]
        lead = f"In the worst 5% of futures and worlds, {self.names(cvar.picks)} " + (
            "cannot be told apart." if len(cvar.picks) > 1 else "loses least."
        )
        caption = (
            f"{self.unit.name}, with 95% intervals. Worst 5%: mean NPV there. P10: one outcome of "
            "ten is lower; P50: the middle; P90: one of ten is higher."
        )
        names = [*SPREADS, *(["hurwicz"] if "hurwicz" in self.criteria else [])]
        if self.found.settings.optimism is not None:
            share = percent(self.found.settings.optimism, 0)
            caption += f" Hurwicz: mean NPV of the best future, by {share}, and of the worst one."
        return Section("How far it may go wrong", lead, self._table(names), caption=caption)

    def _answers(self) -> Section:
        planned = self.payoffs.futures.index(AS_PLANNED)
        npv = self.payoffs.npv
        rows = []
        for place, worst in enumerate(self.worst_answers[:-1]):
            lost = estimate(npv[place, worst.future] - npv[place, planned])
            also = [self.futures[one] for one in worst.also]
            rows.append(Row(self.choices[place], [
                self.futures[worst.future],
                ", ".join(also) if len(also) <= MOST_NAMES else f"{len(also)} others",
                self.span(worst.npv),
                self.unit.number(self.payoffs.means[place, planned]),
                self.span(lost),
            ]))  # fmt: skip
        sure = [worst.npv.value for worst in self.worst_answers]
        best = int(np.argmax(sure))
        lead = (
            "If rivals saw what is chosen and gave the answer that hurts it most, "
            f"{self.choice(best)} would keep most"
            + (": 0, as no plan does better then." if self._is_idle(best)
               else f": {self.money(self.worst_answers[best].npv)}.")
        )  # fmt: skip
        columns = ["Plan", "Worst answer", "not told from", "NPV then", "as planned", "difference"]
        caption = (
            f"Mean NPV against doing nothing under the same answer, {self.unit.name}, with 95% "
            "intervals. Where no other answer is named, the worst one is told from all. What "
            "rivals earn by an answer is not counted: they may not want to give it."
        )
        return Section("The answer of rivals that hurts most", lead,
                       TableView(columns, rows, frozenset({"Worst answer", "not told from"})),
                       caption=caption)  # fmt: skip

    def _knowing(self) -> tuple[Section, list[Drawn]]:
        rows = []
        for title, known in self.questions.items():
            one = known.value
            best = sorted({self.choices[place] for place in known.best})
            same = len(best) == 1
            changes = f"the same: {best[0]}" if same else self._would_choose(known)
            rows.append(Row(title, [
                self.span(one), self.unit.number(one.value / self.n_years), changes,
            ], strong=one.low > 0))  # fmt: skip
        everything = self.clairvoyance
        lead = self._worth_remark()
        if everything.high > 0:
            lead += (
                " Were everything known, the customers' behaviour and each world's luck too, it "
                f"would be worth {self.money(everything)}: a bound that no study can reach."
            )
        caption = (
            f"{self.unit.name} of today, with 95% intervals. It is what the best choice in each "
            "case earns more than the best choice for all; a study that tells it for sure is worth "
            "no more, and one that may err is worth less."
        )
        columns = ["To know beforehand", "is worth up to", "a year", "what one would choose"]
        table = TableView(columns, rows, frozenset({"what one would choose"}))
        section = Section("What it would be worth to know", lead, table, caption=caption, wide=True)
        values = [known.value for known in self.questions.values()]
        if max(one.high for one in values) <= 0:
            return section, []
        drawn = Drawn("knowing", figures.worth(self.unit, list(self.questions), values),
                      "Worth of knowing beforehand", self.unit.name,
                      "Line: 95% interval. Pale: may be worth nothing.")  # fmt: skip
        return section, [drawn]

    def _would_choose(self, known: Knowledge) -> str:
        told = []
        for name, place in zip(known.payoffs.futures, known.best, strict=True):
            single = name in self.payoffs.futures
            told.append(f"{_future(name) if single else 'otherwise'}: {self.choices[place]}")
        return "; ".join(told)

    # --- a pilot -----------------------------------------------------------------------------

    def _pilots(self) -> tuple[Section, list[Drawn]]:
        weights = self.payoffs.weights
        rows, parts, shares = [], [], []
        names = [readable(pilot.name) for pilot in self.found.pilots]
        for name, pilot in zip(names, self.found.pilots, strict=True):
            own = {key: estimate(weights @ getattr(pilot, key))
                   for key in (*PILOT_COLUMNS, "at_best")}  # fmt: skip
            kinds = {key: float(value.mean()) for key, value in pilot.decisions(weights).items()}
            shares.append(kinds)
            parts.append({"waiting": _interval(own["waiting"]),
                          "deciding": _interval(own["deciding"]),
                          "in all": _interval(own["worth"])})  # fmt: skip
            right = kinds["stopped_rightly"] + kinds["went_on_rightly"]
            stops = kinds["stopped_rightly"] + kinds["stopped_wrongly"]
            rows.append(Row(name, [
                *(self.span(own[key]) for key in PILOT_COLUMNS),
                self.unit.number(own["at_best"].mean), percent(stops, 0), percent(right, 0),
            ], note=f"decided after quarter {pilot.after}",
                strong=own["worth"].sign != 0))  # fmt: skip
        lead = " ".join(self._pilot_sentence(pilot) for pilot in self.found.pilots)
        columns = ["Plan", *PILOT_COLUMNS.values(), "at best", "stops", "right"]
        caption = (
            f"{self.unit.name}, with 95% intervals, over futures by weight. Waiting: what it adds, "
            "or costs, that the others are reached later. Deciding: what the right to stop adds. "
            "Stop always: what it would add to stop whatever the pilot shows. At best: what "
            "deciding would add were every decision right, luck foreseen. A decision is right if "
            f"the other one would have earned less in the same world. {self._condition_sentence()}"
        )
        section = Section("A pilot first?", lead, TableView(columns, rows), caption=caption)
        return section, [
            Drawn("pilot_worth", figures.pilot_worth(self.unit, names, parts),
                  "What a pilot adds", f"NPV with it less NPV without it, {self.unit.name}"),
            Drawn("pilot_decisions", figures.decisions(names, shares), "What is decided after it",
                  "share of futures, by weight, and worlds"),
        ]  # fmt: skip

    def _pilot_sentence(self, pilot: PilotLife) -> str:
        weights = self.payoffs.weights
        worth = estimate(weights @ pilot.worth)
        name = in_sentence(readable(pilot.name))
        if worth.sign < 0:
            lost = Interval(-worth.mean, -worth.high, -worth.low)
            return f"For {name} a pilot costs {self.money(lost)} more than it saves."
        if worth.sign == 0:
            return f"For {name} it cannot be told whether a pilot saves more than it costs."
        said = f"For {name} a pilot saves {self.money(worth)} more than it costs"
        told = estimate(weights @ (pilot.gated - pilot.stopping)).sign
        if told > 0:
            return f"{said}."
        if told < 0:
            return f"{said}, but to stop whatever it shows would save still more."
        return f"{said}; to stop whatever it shows may save as much."

    def _condition_sentence(self) -> str:
        settings = self.found.settings.pilot
        if settings is None:
            return ""
        told = []
        for one in settings.conditions:
            bounds = [f"{word} {value:g}" for word, value in
                      (("at least", one.at_least), ("at most", one.at_most))
                      if value is not None]  # fmt: skip
            of = "" if one.segment == "all" else f" of {one.segment}"
            change = one.against is Against.START and not one.over
            against = f" over {one.over}" if one.over else ""
            against += ", as a change against the start," if change else ""
            told.append(f"{_outcome(one.measure)}{of}{against} is {' and '.join(bounds)}")
        return f"A plan goes on if {listed(told)}, unless it has a gate of its own."

    # --- what may come, and how sure it is ---------------------------------------------------

    def _futures(self) -> Section:
        rows = []
        for place, future in enumerate(self.found.futures):
            weight = percent(float(self.payoffs.weights[place]), 0)
            kind = "rivals" if place < self.found.n_answers else "shock"
            cells = [future.title, "" if place == 0 else kind, weight]
            rows.append(Row(self.futures[place], cells))
        return Section(
            "What may come", "Every choice was lived in each of these, in the same worlds.",
            TableView(["Future", "what comes", "kind", "weight"], rows,
                      frozenset({"what comes", "kind"})),
        )  # fmt: skip

    def _sure(self) -> Section:
        n = self.payoffs.n_worlds
        lead = (
            f"All figures come from the same {plain(n)} worlds, so choices differ by what they do "
            "and not by luck. Whole worlds were drawn again a thousand times for the intervals."
        )
        caption = (
            "Regret and the worth of knowing are largest values of means that are not known "
            "exactly, which are too large on average. So what is best was chosen on one half of "
            "the worlds and measured on the other, over many halves; on average that is a little "
            "too small, and less the more worlds there are. Their intervals hold for all choices "
            "and futures at once, and are wide for it. More worlds (replications=) make everything "
            "surer."
        )
        return Section("How sure this is", lead, caption=caption)

    # --- files -------------------------------------------------------------------------------

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return what goes into CSV files, by name."""
        found = {"npv_by_future": self._means(), "criteria": self._criteria_table(),
                 "knowledge": self._knowledge_table(), "worlds": self._worlds()}  # fmt: skip
        if self.found.pilots:
            found["pilots"] = self._pilot_table()
        return found

    def _means(self) -> pd.DataFrame:
        regret = regret_matrix(self.payoffs)
        rows = []
        for i, j in np.ndindex(regret.shape):
            one = estimate(self.payoffs.npv[i, j])
            rows.append({"choice": self.payoffs.choices[i], "future": self.payoffs.futures[j],
                         "weight": self.payoffs.weights[j], "npv": one.mean, "low": one.low,
                         "high": one.high, "p10": one.p10, "p50": one.p50, "p90": one.p90,
                         "regret": regret[i, j]})  # fmt: skip
        return pd.DataFrame(rows)

    def _criteria_table(self) -> pd.DataFrame:
        return pd.DataFrame([
            {"criterion": name, "choice": choice, "value": one.value, "low": one.low,
             "high": one.high, "rank_from": first, "rank_to": last}
            for name, criterion in self.criteria.items()
            for choice, one, (first, last) in zip(self.payoffs.choices, criterion.values,
                                                  criterion.ranks, strict=True)
        ])  # fmt: skip

    def _knowledge_table(self) -> pd.DataFrame:
        rows = [{"question": title, "value": known.value.value, "low": known.value.low,
                 "high": known.value.high, "choices": self._would_choose(known)}
                for title, known in self.questions.items()]  # fmt: skip
        everything = self.clairvoyance
        rows.append({"question": "Everything, luck too", "value": everything.value,
                     "low": everything.low, "high": everything.high, "choices": ""})  # fmt: skip
        return pd.DataFrame(rows)

    def _worlds(self) -> pd.DataFrame:
        index = pd.MultiIndex.from_product(
            [self.payoffs.choices, self.payoffs.futures, range(self.payoffs.n_worlds)],
            names=["choice", "future", "world"],
        )
        wanted = dict.fromkeys(("npv", *self.found.settings.targets))
        columns = {name: self.found.outcomes[name].ravel() for name in wanted}
        return pd.DataFrame(columns, index=index).reset_index()

    def _pilot_table(self) -> pd.DataFrame:
        rows = []
        for pilot in self.found.pilots:
            for j, future in enumerate(self.payoffs.futures):
                row: dict[str, Any] = {"plan": pilot.name, "future": future}
                for key in ("plain", "gated", "going_on", "stopping", "worth", "waiting",
                            "deciding"):  # fmt: skip
                    one = estimate(getattr(pilot, key)[j])
                    row |= {key: one.mean, f"{key}_low": one.low, f"{key}_high": one.high}
                only = np.zeros(len(self.futures))
                only[j] = 1.0
                row |= {key: float(value.mean()) for key, value in pilot.decisions(only).items()}
                rows.append(row)
        return pd.DataFrame(rows)

    def document(self) -> dict[str, Any]:
        """Return what a program would ask."""
        weights = dict(zip(self.payoffs.futures, self.payoffs.weights.tolist(), strict=True))
        return {
            "scenario": self.found.config.scenario,
            "currency": self.currency,
            "worlds": self.payoffs.n_worlds,
            "customers": self.found.config.customers,
            "command": self.found.config.command,
            "choices": list(self.payoffs.choices),
            "weights": weights,
            "targets": dict(self.found.settings.targets),
            "picks": {name: [self.payoffs.choices[place] for place in one.picks]
                      for name, one in self.criteria.items() if name in RULES},
            "headline": self.headline,
            "remarks": self.remarks,
        }  # fmt: skip


def _value(one: Interval | Estimate) -> float:
    return one.value if isinstance(one, Interval) else one.mean


def _interval(one: Estimate) -> Interval:
    return Interval(one.mean, one.low, one.high)


def _future(name: str) -> str:
    """Return what a future is called; of shocks that strike together, each."""
    return readable(name.replace("+", "_and_"))


def _outcome(name: str) -> str:
    return ABBREVIATED.get(name, name.replace("_", " "))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
