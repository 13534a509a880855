"""The page of `fidelio optimise`: where money should go, how sure that is, what more is worth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Final

import numpy as np
import pandas as pd

from sim.config.optimise import By, Optimise
from sim.config.plan import Plan
from sim.config.study import Config
from sim.planning.goals import Goal
from sim.planning.judgement import BEST, EQUAL, GREEDY, SOURCES, YOURS, Verdict
from sim.planning.ranking import Estimate, told_apart
from sim.report import optimisation_figures as figures
from sim.report.calibration import Row, Section, TableView
from sim.report.finding import Drawn, Finding
from sim.report.numbers import DASH, money_unit, percent, plain
from sim.report.words import in_sentence, listed, readable
from sim.types import F64

MONEY: Final = ("npv", "incremental_margin", "spend", "cvar_5", "peak_funding", "worst_quarter")
SHARES: Final = ("roi", "probability_of_loss")
POINTS: Final = ("churn_annual", "retention", "repeat_rate", "share", "penetration")
"""Shares of customers or purchases, told as percentage points more or less than today."""
NAMES: Final = {
    "npv": "NPV",
    "roi": "Return on spending",
    "incremental_margin": "Margin gained",
    "spend": "Spending",
    "payback_quarter": "Payback, quarters",
    "cvar_5": "NPV of the worst 5%",
    "probability_of_loss": "Probability of loss",
    "peak_funding": "Peak funding",
    "worst_quarter": "Worst quarter",
    "churn_annual": "Yearly churn",
    "loyalty_index": "Loyalty index",
    "clv": "Customer lifetime value",
    "nps": "NPS",
    "csat": "CSAT",
}
PLANS: Final = {
    BEST: "Best plan",
    YOURS: "Your plan",
    EQUAL: "Equal split",
    SOURCES: "The sources' split",
    GREEDY: "Greedy rule",
}
RULES: Final = {
    YOURS: "as it is, with its own budget",
    EQUAL: "the same for every lever in every quarter",
    SOURCES: "groups of levers as the sources recommend",
    GREEDY: "each part of the budget where it brings most at the moment",
}
FEW: Final = 30
"""Fresh worlds below which a mean of the worst twentieth rests on one world or two."""


class Optimisation:
    """What the page, the files and the terminal show of an optimisation.

    Parameters
    ----------
    verdict
        What was found, judged in fresh worlds.
    config, settings
        The study, and what was asked.
    named
        The best plan and those of a Pareto set, as their files have them.
    """

    def __init__(
        self, verdict: Verdict, config: Config, settings: Optimise, named: Mapping[str, Plan]
    ) -> None:
        self.verdict, self.config, self.settings, self.named = verdict, config, settings, named
        self.goal = verdict.goals[0]
        self.currency = config.market.currency
        levels = [abs(verdict.figure(name, "npv").mean) for name in verdict.judged]
        self.unit = money_unit([*levels, verdict.space.budget], self.currency, extra=1)

    # --- words -------------------------------------------------------------------------------

    def goal_name(self, goal: str) -> str:
        """Return what a goal is called in text."""
        return NAMES.get(goal, readable(goal))

    def head(self, goal: str) -> str:
        """Return what a goal is called at the head of a column, with its unit."""
        unit = self.unit.name if goal in MONEY else "points" if goal in POINTS else ""
        return f"{self.goal_name(goal)}, {unit}" if unit else self.goal_name(goal)

    def plan_name(self, name: str) -> str:
        """Return what a plan is called."""
        return PLANS.get(name, f"Choice {name.rpartition('_')[2]}")

    def number(self, goal: str, value: float, *, signed: bool = False) -> str:
        """Return a goal's figure as text, without a currency's name."""
        if not math.isfinite(value):
            return DASH
        if goal in MONEY:
            return self.unit.number(value, signed=signed)
        if goal in SHARES:
            return percent(value, 0 if abs(value) >= 1 else 1, signed=signed)
        if goal in POINTS:
            return plain(100 * value, 2, signed=True)
        return plain(value, 1 if abs(value) >= 10 else 2, signed=signed)  # noqa: PLR2004

    def full(self, goal: str, value: float, *, signed: bool = False) -> str:
        """Return a goal's figure as text, money with its currency."""
        if goal in MONEY:
            return self.unit.full(value, signed=signed)
        unit = " points" if goal in POINTS else ""
        return self.number(goal, value, signed=signed) + unit

    def with_interval(self, goal: str, one: Estimate, *, signed: bool = False) -> str:
        """Return a figure and its 95% interval as text."""
        ends = (self.number(goal, end, signed=signed) for end in (one.low, one.high))
        interval = " to ".join(ends) if math.isfinite(one.high - one.low) else "interval unknown"
        return f"{self.number(goal, one.mean, signed=signed)} ({interval})"

    @property
    def gain(self) -> Estimate:
        """How much better the best plan is than the user's in the first goal; more is better."""
        return _turned(self.verdict.gain(YOURS, self.goal.name), self.goal)

    @property
    def headline(self) -> str:
        """The answer in a sentence."""
        name, gain = self.goal.name, self.verdict.gain(YOURS, self.goal.name)
        title = self.goal_name(name)
        if self.gain.sign == 0:
            told = self.full(name, gain.mean, signed=True)
            return ("No better use of this budget was found that can be told from your plan: "
                    f"{title} differs by {told}.")  # fmt: skip
        if self.gain.sign < 0:
            return (f"Your plan is better than all that was found within these limits: by "
                    f"{self.full(name, abs(gain.mean))} in {title}.")  # fmt: skip
        best = self.verdict.figure(BEST, name)
        return (f"Spent otherwise, {self._sum} gives {title} of {self.full(name, best.mean)}: "
                f"{self.full(name, gain.mean, signed=True)} against your plan.")  # fmt: skip

    @property
    def _sum(self) -> str:
        spent = float(self.best_money.sum())
        return self.unit.full(spent) if spent else "nothing at all"

    @property
    def tone(self) -> str:
        """How the page marks its headline."""
        return "good" if self.gain.sign > 0 else "bad" if self.gain.sign < 0 else ""

    def remarks(self) -> list[str]:
        """Return what is to be said beside the headline."""
        verdict, name = self.verdict, self.goal.name
        worlds = plain(self.config.replications)
        gain = verdict.gain(YOURS, name)
        found = [
            f"In {worlds} fresh worlds that the search never used; the 95% interval of the "
            f"difference is {self.full(name, gain.low, signed=True)} to "
            f"{self.full(name, gain.high, signed=True)}.",
            self._rest_of_budget(),
            self._optimism(),
        ]
        if not verdict.space.allows_money(self.your_money):
            found.append("Your plan as it is does not keep to the limits that were set here.")
        if any(goal.tail for goal in verdict.goals) and self.config.replications < FEW:
            found.append(f"{worlds} worlds say little of the worst 5%: give more replications.")
        return [text for text in found if text]

    def _rest_of_budget(self) -> str:
        left = self.verdict.space.budget - float(self.best_money.sum())
        if left < self.verdict.space.step / 2:
            return "It spends the whole budget."
        return (f"{self.unit.full(left)} of the budget stay unspent: nothing was found that they "
                "would pay for.")  # fmt: skip

    def _optimism(self) -> str:
        name, gap = self.goal.name, self.verdict.optimism()
        own = self.goal.figure(self.verdict.found.best.values[:, 0])
        return (f"The search itself saw {self.full(name, own)}: it is "
                f"{self.full(name, abs(gap.mean))} "
                f"{'above' if gap.mean > 0 else 'below'} the fresh figure"
                + ("." if abs(gap.mean) > (gap.high - gap.low) / 2
                   else ", which is within chance."))  # fmt: skip

    # --- money -------------------------------------------------------------------------------

    @property
    def best_money(self) -> F64:
        """The best plan's money by lever and span, in currency."""
        allocation = self.verdict.best.allocation
        assert allocation is not None
        return self.verdict.space.money(allocation)

    @property
    def your_money(self) -> F64:
        """The user's plan's money by the same levers and spans, in currency."""
        space = self.verdict.space
        money: F64 = space.wish_of(self.config.plan).reshape(space.shape) * space.step
        return money

    @property
    def levers(self) -> list[str]:
        """The levers' names in words."""
        return [readable(lever) for lever in self.verdict.space.levers]

    @property
    def spans(self) -> list[str]:
        """The spans' names in words."""
        return [readable(span.name) for span in self.verdict.space.spans]

    # --- the page ----------------------------------------------------------------------------

    def finding(self) -> Finding:
        """Return all that is written."""
        study, space = self.config, self.verdict.space
        facts = [
            f"{plain(len(self.verdict.found.trials))} plans tried",
            f"{plain(space.n_cells)} sums of money, in steps of {self.unit.full(space.step)}",
            f"{plain(study.customers)} simulated customers",
            f"{plain(study.quarters)} quarters",
            f"{plain(study.replications)} fresh worlds",
        ]
        return Finding(
            kind="Budget",
            title=f"Best use of {self.unit.full(space.budget)}: {study.plan.title}",
            facts=facts,
            headline=self.headline,
            tone=self.tone,
            remarks=self.remarks(),
            parts=list(self._parts()),
            tables=self.tables(),
            documents={"optimise": self.document()},
        )

    def _parts(self) -> Iterator[tuple[Section, Sequence[Drawn]]]:
        yield self._where()
        yield self._changed()
        yield self._rules()
        yield self._besides(), []
        if self.verdict.n_objectives > 1:
            yield self._trade()
        yield self._more_money()
        yield self._searched()

    def _where(self) -> tuple[Section, list[Drawn]]:
        picture = Drawn(
            "budget_map",
            figures.maps(self.levers, self.spans,
                         {"Your plan": self.your_money, "Best plan": self.best_money}, self.unit),
            "Money by lever and " + ("phase" if self.settings.by is By.PHASE else "quarter"),
            self.unit.name,
        )  # fmt: skip
        lead = ("Each square is a sum that the search could choose. The best plan is the one that "
                "was best in the search, not the luckiest of the fresh worlds.")  # fmt: skip
        return Section("Where the money goes", lead, wide=True), [picture]

    def _changed(self) -> tuple[Section, list[Drawn]]:
        before, after = self.your_money.sum(axis=1), self.best_money.sum(axis=1)
        rows = [
            Row(self.levers[place], [
                self.unit.number(before[place]) if before[place] else DASH,
                self.unit.number(after[place]) if after[place] else DASH,
                self.unit.number(after[place] - before[place], signed=True),
                self._when(self.best_money[place]),
            ])
            for place in np.argsort(before - after, kind="stable")
        ]  # fmt: skip
        rows.append(Row("All levers", [
            self.unit.number(before.sum()), self.unit.number(after.sum()),
            self.unit.number(after.sum() - before.sum(), signed=True), "",
        ], strong=True))  # fmt: skip
        columns = ["Lever", "Your plan", "Best plan", "Change", "When it is paid for"]
        picture = Drawn("changes", figures.changes(self.levers, before, after, self.unit),
                        "What changed, lever by lever", self.unit.name)  # fmt: skip
        return Section("What changed against your plan", self._change_lead(before, after),
                       TableView(columns, rows,
                                 words=frozenset({"When it is paid for"}))), [picture]  # fmt: skip

    def _when(self, money: F64) -> str:
        if not money.any():
            return "never"
        spans = [(self.spans[j], float(money[j])) for j in np.flatnonzero(money)]
        if len(spans) > 4:  # noqa: PLR2004  # as many as fit on a line
            return f"{spans[0][0]} to {spans[-1][0]}, {len(spans)} of {len(self.spans)}"
        return ", ".join(f"{name} {self.unit.number(amount)}" for name, amount in spans)

    def _change_lead(self, before: F64, after: F64) -> str:
        gone = [self.levers[i] for i in np.flatnonzero((before > 0) & (after == 0))]
        new = [self.levers[i] for i in np.flatnonzero((before == 0) & (after > 0))]
        said = []
        if gone:
            said.append(f"Nothing is spent any more on {listed([*map(in_sentence, gone)])}.")
        if new:
            said.append(f"New are {listed([*map(in_sentence, new)])}.")
        most = int(np.argmax(after - before))
        if after[most] > before[most]:
            said.append(f"Most is added to {in_sentence(self.levers[most])}.")
        return " ".join(said) or "It spends on every lever what your plan does."

    def comparison(self) -> TableView:
        """Return the plans beside each other in the fresh worlds, by the objectives."""
        goal, verdict = self.goal.name, self.verdict
        shown = [each.name for each in verdict.goals[: verdict.n_objectives]]
        columns = ["Plan", "On levers", *map(self.head, shown),
                   f"Best plan's lead in {self.goal_name(goal)}"]  # fmt: skip
        apart = self._apart()
        rows = []
        for name, judged in verdict.judged.items():
            cells = [self.with_interval(each, verdict.figure(name, each)) for each in shown]
            lead = self.with_interval(goal, verdict.gain(name, goal), signed=True)
            lead = DASH if name == BEST else lead if apart[name] else f"{lead}, not told apart"
            money = sum(sum(phase.spend.values()) for phase in judged.plan.phases)
            rows.append(Row(self.plan_name(name), [self.unit.number(money), *cells, lead],
                            strong=name == BEST))  # fmt: skip
        return TableView(columns, rows)

    def _besides(self) -> Section:
        """Return what the plans do beside the objectives."""
        verdict = self.verdict
        shown = [each.name for each in verdict.goals[verdict.n_objectives :]]
        rows = [Row(self.plan_name(name),
                    [self.with_interval(goal, verdict.figure(name, goal)) for goal in shown],
                    strong=name == BEST) for name in verdict.judged]  # fmt: skip
        caption = ("Mean over the fresh worlds with its 95% interval, against today's plan. "
                   "Spending holds the upkeep of what was built, too.")  # fmt: skip
        return Section("What else they do", "", TableView(["Plan", *map(self.head, shown)], rows),
                       caption=caption)  # fmt: skip

    def _apart(self) -> dict[str, bool]:
        """Return of each plan whether it differs from the best in the first goal.

        The user's plan and the rules are tested together, plans of a Pareto set among themselves.
        """
        names = list(self.verdict.judged)
        if self.goal.tail:
            return {name: self.verdict.gain(name, self.goal.name).sign != 0 for name in names}
        found: dict[str, bool] = {}
        for group in (self.verdict.members, (BEST, *self._others())):
            values = np.array([self.verdict.judged[name].values[:, 0] for name in group])
            found |= dict(zip(group, told_apart(values)[0].tolist(), strict=True))
        return found

    def _others(self) -> list[str]:
        """Return the names of the user's plan and of the rules."""
        return [name for name in self.verdict.judged if name not in self.verdict.members]

    def _rules(self) -> tuple[Section, list[Drawn]]:
        name = self.goal.name
        names = list(self.verdict.judged)
        apart = self._apart()
        beaten = [self.plan_name(other) for other in self._others() if apart[other]
                  and _turned(self.verdict.gain(other, name), self.goal).mean > 0]  # fmt: skip
        equal = [self.plan_name(other) for other in self._others() if not apart[other]]
        said = [f"Better than {listed([*map(in_sentence, beaten)])}." if beaten else ""]
        said += [f"Not to be told apart from {listed([*map(in_sentence, equal)])} in "
                 f"{plain(self.config.replications)} worlds." if equal else ""]  # fmt: skip
        picture = Drawn(
            "beside", figures.beside([self.plan_name(other) for other in names],
                                     [self.verdict.figure(other, name) for other in names],
                                     partial(self.number, name)),
            f"{self.goal_name(name)} in the fresh worlds", self._unit_of(name),
            "Bars are 95% intervals of each figure alone. Differences in the same worlds, in the "
            "table, are surer than the bars suggest.",
        )  # fmt: skip
        caption = ("Mean over the fresh worlds with its 95% interval, against today's plan. "
                   "Differences are told apart by paired tests, 5% over all pairs (Holm). "
                   + " ".join(f"{PLANS[other]}: {text}." for other, text in RULES.items()
                              if other in names))  # fmt: skip
        return Section("Beside your plan and simple rules", " ".join(filter(None, said)),
                       self.comparison(), caption=caption), [picture]  # fmt: skip

    def _unit_of(self, goal: str) -> str:
        return self.unit.name if goal in MONEY else "against today's plan"

    def _trade(self) -> tuple[Section, list[Drawn]]:
        """Return the plans of the Pareto set, pair by pair of goals with the first one."""
        verdict = self.verdict
        raced = [trial for trial in verdict.found.trials if trial.worlds == self.settings.race]
        goals = verdict.goals[: verdict.n_objectives]
        seen = np.array([[goal.figure(trial.values[:, place]) for place, goal in enumerate(goals)]
                         for trial in (verdict.found.best, *raced)])  # fmt: skip
        first = self.goal.name
        shown = [*verdict.members, *self._others()]
        pictures = []
        for place, goal in enumerate(goals[1:], 1):
            spots = [
                figures.Spot(_short(self.plan_name(name)), _reversed(verdict.gain(name, first)),
                             _reversed(verdict.gain(name, goal.name)), name in verdict.members)
                for name in shown
            ]  # fmt: skip
            numbers = (partial(self.number, first, signed=True),
                       partial(self.number, goal.name, signed=True))  # fmt: skip
            pictures.append(Drawn(
                f"pareto_{goal.name}",
                figures.pareto((seen[1:] - seen[0])[:, [0, place]], spots,
                               (self.head(first), self.head(goal.name)), numbers),
                f"{self.goal_name(first)} and {self.goal_name(goal.name)}",
                "against the best plan, in the same fresh worlds; bars are 95% intervals",
                "Numbers are the choices. Grey: plans tried, as the search saw them. Diamonds: "
                "your plan and simple rules.",
            ))  # fmt: skip
        n = len(verdict.members)
        lead = (f"{plain(len(verdict.found.front))} of the plans tried were in the search not "
                f"beaten by another in every objective; {plain(n)} of them, from end to end, are "
                "shown. The best plan of this page is the one nearest to the best of each."
                )  # fmt: skip
        return Section("What must be given up for what", lead), pictures

    def _more_money(self) -> tuple[Section, list[Drawn]]:
        verdict, shadow = self.verdict, self.verdict.shadow
        goals = list(dict.fromkeys((self.goal.name, "npv")))
        rows = []
        for side, sign in (("less", -1), ("more", 1)):
            budget = verdict.space.budget * (1 + sign * shadow.share)
            changes = [self.with_interval(goal, verdict.side(side, goal), signed=True)
                       for goal in goals]  # fmt: skip
            rows.append(Row(f"{percent(shadow.share, 0)} {side}",
                            [self.unit.full(budget), self.unit.full(self._spent(side)),
                             *changes]))  # fmt: skip
        heads = [f"{self.head(goal)}, against the best plan" for goal in goals]
        columns = ["Budget", "Allowed", "Spent", *heads]
        caption = ("Each budget's best plan was looked for again, near the best plan, and judged "
                   "in the same fresh worlds.")  # fmt: skip
        return Section("What more money is worth", self._price_lead(), TableView(columns, rows),
                       caption=caption), []  # fmt: skip

    def _spent(self, side: str) -> float:
        judged = getattr(self.verdict.shadow, side)
        return float(self.verdict.space.money(judged.allocation).sum())

    def _price_lead(self) -> str:
        price = self.verdict.price()
        less = self.verdict.side("less")
        if float(self.best_money.sum()) < self.verdict.space.budget - self.verdict.space.step / 2:
            free = ", and a little less costs nothing" if less.mean == 0 else ""
            return ("The best plan leaves money unspent, so a little more budget is worth "
                    f"nothing{free}.")  # fmt: skip
        head = (f"One more {self.currency} of budget adds {plain(price.mean, 2)} to the NPV "
                f"(95% interval {plain(price.low, 2)} to {plain(price.high, 2)}), its own cost "
                "already taken off. ")  # fmt: skip
        if price.sign > 0:
            tail = "More budget pays for itself."
        elif price.sign < 0:
            tail = "The last money does not pay for itself."
        else:
            tail = "Whether more budget pays for itself cannot be told."
        if less.sign > 0:
            tail += " Spending less is better."
        elif less.sign == 0:
            tail += " Spending less is not clearly worse."
        return head + tail

    def _searched(self) -> tuple[Section, list[Drawn]]:
        found, name = self.verdict.found, self.goal.name
        counts = pd.Series([_stage(trial.origin) for trial in found.trials])
        stages = [(int(np.flatnonzero(counts == stage)[0]), stage) for stage in counts.unique()]
        raced = sum(trial.worlds == self.settings.race for trial in found.trials)
        stage = _stage(found.best.origin)
        origin = "starting points" if stage == "start" else stage
        lead = (f"{plain(len(found.trials))} plans were tried in {plain(self.settings.first)} "
                f"worlds, the promising in up to {plain(self.settings.race)}: {plain(raced)} went "
                f"all the way. The best one came from the {origin}.")  # fmt: skip
        caption = (
            "The best plan so far in the worlds of the search: optimistic, since the best of many "
            "is partly the luckiest. The dot is the best plan in fresh worlds."
        )
        picture = Drawn(
            "search", figures.search(found.path, stages, self.verdict.figure(BEST, name),
                                     partial(self.number, name)),
            "Best so far, as the search saw it", self.head(name), caption,
        )  # fmt: skip
        heads = self.settings.headcount
        limits = [limit.text for limit in self.verdict.space.limits if limit.key != "headcount"]
        limits += [f"at most {heads.most:g} people in any quarter"] if heads else []
        rest = f"Limits: {'; '.join(limits)}."
        return Section("How it was found", lead, caption=rest), [picture]

    # --- files -------------------------------------------------------------------------------

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return what goes into CSV files, by name."""
        space, verdict = self.verdict.space, self.verdict
        trials = pd.DataFrame([
            {"trial": number, "origin": trial.origin, "worlds": trial.worlds,
             **{goal.name: goal.figure(trial.values[:, place])
                for place, goal in enumerate(verdict.goals[: verdict.n_objectives])},
             **dict(zip(space.weight_names()[1 + len(space.levers):],
                        (trial.allocation * space.step).tolist(), strict=True))}
            for number, trial in enumerate(verdict.found.trials, 1)
        ])  # fmt: skip
        compared = pd.DataFrame([
            {"plan": name, "goal": goal.name, **asdict(verdict.figure(name, goal.name)),
             **{f"best_less_plan_{key}": value
                for key, value in asdict(verdict.gain(name, goal.name)).items()
                if key in ("mean", "low", "high")}}
            for name in verdict.judged for goal in verdict.goals
        ])  # fmt: skip
        money = pd.DataFrame([
            {"lever": lever, "span": span.name, "your_plan": self.your_money[i, j],
             "best_plan": self.best_money[i, j]}
            for i, lever in enumerate(space.levers) for j, span in enumerate(space.spans)
        ])  # fmt: skip
        return {"trials": trials, "compared": compared, "money": money}

    def document(self) -> dict[str, object]:
        """Return the answer for programs."""
        verdict = self.verdict
        return {
            "objectives": [goal.name for goal in verdict.goals[: verdict.n_objectives]],
            "budget": verdict.space.budget,
            "spent": float(self.best_money.sum()),
            "evaluations": len(verdict.found.trials),
            "plans": {name: plan.name for name, plan in self.named.items()},
            "figures": {name: {goal.name: _json(verdict.figure(name, goal.name))
                               for goal in verdict.goals} for name in verdict.judged},
            "best_less_plan": {name: {goal.name: _json(verdict.gain(name, goal.name))
                                      for goal in verdict.goals} for name in verdict.judged},
            "optimism": _json(verdict.optimism()),
            "price_of_budget": _json(verdict.price()),
        }  # fmt: skip


def _json(one: Estimate) -> dict[str, float | None]:
    return {key: value if math.isfinite(value) else None for key, value in asdict(one).items()}


def _turned(one: Estimate, goal: Goal) -> Estimate:
    """Return a difference so that more is better."""
    if goal.best_is > 0:
        return one
    return _reversed(one)


def _reversed(one: Estimate) -> Estimate:
    """Return a difference seen from the other side."""
    return Estimate(-one.mean, -one.high, -one.low, -one.p90, -one.p50, -one.p10, one.n)


def _stage(origin: str) -> str:
    return origin if origin in ("sampler", "refinement", "greedy rule") else "start"


def _short(name: str) -> str:
    return name.removeprefix("Choice ")
