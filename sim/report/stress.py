"""The page of `fidelio stress`: plans under shocks, in words, pictures and tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from sim.config.build import dump
from sim.config.plan import Plan
from sim.config.stress import Covenant
from sim.planning.future import AS_PLANNED
from sim.planning.ranking import Estimate, Standing, estimate
from sim.planning.stress import Breach, Outcome, Result, breaches, phases_in_time
from sim.report import stress_figures as figures
from sim.report.calibration import Row, Section, TableView
from sim.report.finding import Drawn, Finding, write_finding
from sim.report.numbers import DASH, MoneyUnit, money_unit, percent, plain
from sim.report.words import in_sentence, listed

NAME: Final = "stress"
TO: Final = " to "
UNTOUCHED: Final = "not touched"
FEW: Final = 10
"""Worlds below which the page says that they are few."""


class StressReport:
    """A stress test as the page, the files and the terminal show it.

    Parameters
    ----------
    result
        What was lived.
    covenants
        What plans must keep to.
    """

    def __init__(self, result: Result, covenants: Sequence[Covenant] = ()) -> None:
        self.result, self.covenants = result, covenants
        self.test, self.plans = result.test, result.plans
        self.titles = {plan.name: plan.title for plan in self.test.plans}
        self.shocks = {blow.name: blow.title for blow in self.test.blows}
        sizes = [abs(end) for outcome in result.outcomes.values()
                      for end in (outcome.npv.mean, outcome.change.mean)]  # fmt: skip
        self.currency = self.test.config.market.currency
        self.money: MoneyUnit = money_unit(sizes, self.currency, extra=1)
        """Of tables and pictures."""
        self.said: MoneyUnit = money_unit(sizes, self.currency)
        """Of sentences."""

    @cached_property
    def breaches(self) -> list[Breach]:
        """How often plans break covenants."""
        return breaches(self.result, self.covenants)

    @cached_property
    def active(self) -> list[str]:
        """Plans that move any money against the baseline."""
        return [plan for plan in self.plans
                if any(self.result.outcomes[plan, shock].money.net.any()
                       for shock in (AS_PLANNED, *self.shocks))]  # fmt: skip

    @cached_property
    def standings(self) -> list[Standing]:
        """Plans by their net present value under their own worst shock; those that move money."""
        return self.result.robustness(self.active) if self.active else []

    # --- words -------------------------------------------------------------------------------

    @property
    def headline(self) -> str:
        """What is said first."""
        if not self.active:
            return "None of the plans does anything that today's plan does not"
        if len(self.active) == 1:
            return self._alone(self.active[0])
        top = self.standings[0]
        worst = self.result.worst(top.name)
        under = f"under its worst shock, {in_sentence(worst.trial.title)}"
        if not top.tied:
            return (f"{self._title(top.name)} is the most robust: {under}, it "
                    f"{self._ends(worst.npv)}")  # fmt: skip
        others = listed([self._title(name) for name in top.tied])
        return (f"No plan is the most robust for sure: {self._title(top.name)} cannot be told "
                f"apart from {others} under their worst shocks")  # fmt: skip

    def _alone(self, plan: str) -> str:
        planned, worst = self.result.outcomes[plan, AS_PLANNED], self.result.worst(plan)
        return (f"{self._title(plan)} {self._ends(planned.npv)} as planned; under the worst "
                f"shock, {in_sentence(worst.trial.title)}, it {self._ends(worst.npv)}")  # fmt: skip

    def _ends(self, npv: Estimate) -> str:
        """Say what is earned or lost, and whether that is sure."""
        if not npv.sign:
            return (f"may earn or lose ({self.said.full(npv.low)}{TO}"
                    f"{self.said.number(npv.high)})")  # fmt: skip
        verb = "earns" if npv.sign > 0 else "loses"
        return f"{verb} {self.said.full(abs(npv.mean))} against today's plan"

    def _title(self, plan: str) -> str:
        return in_sentence(self.titles[plan])

    @property
    def tone(self) -> str:
        """Colour of the headline: of the best plan under its worst shock."""
        if not self.standings:
            return ""
        sign = self.result.worst(self.standings[0].name).npv.sign
        return {1: "good", -1: "bad", 0: ""}[sign]

    def remarks(self) -> Iterator[str]:
        """Yield what else is to be said first."""
        for plan in self.active:
            own = [self.result.outcomes[plan, shock] for shock in self.shocks]
            ahead = sum(outcome.npv.sign > 0 for outcome in own)
            behind = sum(outcome.npv.sign < 0 for outcome in own)
            yield (f"{self._title(plan)} earns more than today's plan under {plain(ahead)} of "
                   f"{plain(len(own))} shocks, less under {plain(behind)}, and cannot be told "
                   f"apart from it under {plain(len(own) - ahead - behind)}.")  # fmt: skip
        idle = [self._title(plan) for plan in self.plans if plan not in self.active]
        if idle and self.active:
            yield f"{listed(idle)}: does what today's plan does, whatever happens; its value is 0."
        for shock, title in self.shocks.items():
            if self.active and not any(_moves(self.result.outcomes[plan, shock])
                                       for plan in self.active):  # fmt: skip
                yield f"{in_sentence(title)} moves none of these figures."
        yield from self._unspent()
        if self.result.worlds < FEW:
            yield f"{plain(self.result.worlds)} worlds are few: take 64 or more to decide on it."

    def _unspent(self) -> Iterator[str]:
        """Yield what lies beyond the last quarter if plans are late, and so is not spent."""
        for blow in self.test.blows:
            if not any(part.plan.delay for part in blow.parts) or blow.is_combination:
                continue
            left = {plan: money for plan in self.active
                    if (money := _late(self.result.outcomes[plan, blow.name])) > 0}  # fmt: skip
            if left:
                unit = money_unit(left.values(), self.currency)
                each = [f"{unit.full(money)} of {self._title(plan)}"
                        for plan, money in left.items()]  # fmt: skip
                yield (f"{in_sentence(blow.title)}: {listed(each)} would come after the last "
                       "quarter and so is not spent.")  # fmt: skip

    def facts(self) -> Iterator[str]:
        """Yield what stands under the title."""
        yield f"{plain(len(self.plans))} plan{'s' * (len(self.plans) > 1)}"
        yield f"{plain(len(self.shocks))} shock{'s' * (len(self.shocks) > 1)}"
        yield f"{plain(self.result.worlds)} common worlds"
        yield f"{plain(self.test.config.quarters)} quarters"
        yield f"{plain(self.test.config.customers)} simulated customers"

    # --- parts of the page -------------------------------------------------------------------

    def finding(self) -> Finding:
        """Return the page."""
        return Finding(
            kind="Stress test",
            title=self.test.config.title,
            facts=list(self.facts()),
            headline=self.headline,
            tone=self.tone,
            remarks=list(self.remarks()),
            parts=list(self.parts()),
            tables=self.tables(),
            documents={NAME: self.document()},
        )

    def parts(self) -> Iterator[tuple[Section, list[Drawn]]]:
        """Yield each section with its pictures."""
        yield self._memo(), []
        yield self._map()
        yield self._tornadoes()
        yield self._cash()
        for plan in self.active:
            yield self._values(plan), []
            yield self._funding(plan), []
        if interactions := self._combinations():
            yield interactions, []
        for covenant in self.covenants if self.active else ():
            yield self._covenant(covenant), []
        if self.result.phased:
            yield self._phases()
        yield self._notes(), []

    def _memo(self) -> Section:
        rows = [Row("As planned", [self.npv_text(plan, AS_PLANNED) for plan in self.plans],
                    strong=True, best=self._clear(AS_PLANNED))]  # fmt: skip
        rows += [Row(title, [self.npv_text(plan, shock) for plan in self.plans],
                     note=self._note(shock), best=self._clear(shock))
                 for shock, title in self.shocks.items()]  # fmt: skip
        return Section(
            "The table for the memo",
            f"Net present value against today's plan, {self.money.name}: mean over worlds and its "
            "95% interval. Today's plan meets the same shock.",
            TableView([self._first, *self.titles.values()], rows),
            caption="Figures in bold are clear of zero: there the plan earns surely more, or less, "
            "than today's plan. Each interval stands for itself: of twenty such cells that were "
            "zero in truth, one would be bold by chance.",
        )

    _first: Final = "shock"

    def _clear(self, shock: str) -> frozenset[int]:
        return frozenset(place for place, plan in enumerate(self.plans)
                         if self.result.outcomes[plan, shock].npv.sign)  # fmt: skip

    def npv_text(self, plan: str, shock: str) -> str:
        """Return the net present value of a plan under a shock, with its interval."""
        outcome = self.result.outcomes[plan, shock]
        if outcome.trial.future is None:
            return UNTOUCHED
        return self._sure(outcome.npv)

    def _sure(self, value: Estimate, *, signed: bool = False) -> str:
        number = self.money.number
        mean = number(value.mean, signed=signed)
        if value.low == value.high:
            return mean
        return f"{mean} ({number(value.low, signed=signed)}{TO}{number(value.high, signed=signed)})"

    def _note(self, shock: str) -> str:
        blow = next(blow for blow in self.test.blows if blow.name == shock)
        return blow.story

    def _map(self) -> tuple[Section, list[Drawn]]:
        names = [AS_PLANNED, *self.shocks]
        cells = [[self._square(self.result.outcomes[plan, shock]) for plan in self.plans]
                 for shock in names]  # fmt: skip
        drawn = Drawn(
            "stress_map",
            figures.squares(["As planned", *self.shocks.values()], [*self.titles.values()], cells),
            "Net present value of each plan under each shock",
            f"{self.money.name}, mean over worlds, against today's plan under the same shock",
            "Blue earns, orange loses. Hatched: the plan cannot be told apart from today's plan.",
        )
        return Section("Plans and shocks at a glance", wide=True), [drawn]

    def _square(self, outcome: Outcome) -> figures.Square:
        if outcome.trial.future is None:
            return figures.Square(float("nan"), UNTOUCHED)
        npv = outcome.npv
        idle = npv.low == npv.high == 0
        return figures.Square(npv.mean, self.money.number(npv.mean), not npv.sign and not idle)

    def _tornadoes(self) -> tuple[Section, list[Drawn]]:
        lead = []
        drawn = []
        for plan in self.active:
            outcomes = self.result.sorted_by_change(plan)
            drawn.append(Drawn(
                f"tornado_{plan}", figures.tornado(outcomes, self.money), self.titles[plan],
                f"change of mean net present value, {self.money.name}, with its 95% interval",
            ))  # fmt: skip
            sure = [outcome for outcome in outcomes if outcome.change.sign < 0]
            if sure:
                lead.append(f"{in_sentence(sure[0].trial.title)} costs {self._title(plan)} most: "
                            f"{self.said.full(-sure[0].change.mean)}.")  # fmt: skip
            else:
                lead.append(f"No shock surely costs {self._title(plan)} anything.")
        caption = (
            "Grey bars cannot be told apart from zero. A shock is compared world by world with the "
            "same world without it, so these intervals are narrower than those of the values. A "
            "plan that loses may lose less when there is less business to lose on."
        )
        return Section("What each shock does to each plan", " ".join(lead), caption=caption), drawn

    def _cash(self) -> tuple[Section, list[Drawn]]:
        worst = [(self.titles[plan], self.result.worst(plan)) for plan in self.active]
        drawn = [Drawn(
            "stress_cash", figures.cash(worst, self.money), "Cash so far, by quarter",
            f"{self.money.name}, against today's plan, not discounted: mean over worlds; the band "
            "holds 8 of 10 worlds",
        )] if worst else []  # fmt: skip
        return Section("Cash under the worst shock", wide=True), drawn

    def _values(self, plan: str) -> Section:
        columns = [self._first, "value", "change", "8 of 10 worlds", "middle", "loses in",
                   "worst 5%"]  # fmt: skip

        def cells(outcome: Outcome) -> list[str]:
            number, npv = self.money.number, outcome.npv
            planned = outcome.trial.blow is None
            return [
                self._sure(npv),
                DASH if planned else self._sure(outcome.change, signed=True),
                f"{number(npv.p10)}{TO}{number(npv.p90)}",
                number(npv.p50),
                percent(outcome.loss, 0),
                number(outcome.tail),
            ]

        return Section(
            f"{self.titles[plan]}: what it is worth",
            f"Net present value in {self.money.name}, against today's plan under the same shock.",
            TableView(columns, self._rows(plan, len(columns) - 1, cells, marked=True)),
            caption="Value: mean over worlds with its 95% interval, bold where that is clear of "
            "zero; change: against the plan without the shock, world by world. 8 of 10 worlds: "
            "from the 10th to the 90th percentile; middle: the median. Loses in: share of worlds "
            "with a value below 0. Worst 5%: mean of the worst twentieth of worlds, at least one.",
        )

    def _funding(self, plan: str) -> Section:
        columns = [self._first, "spent", "ROI", "pays back", "median quarter", "peak funding",
                   "worst quarter"]  # fmt: skip

        def cells(outcome: Outcome) -> list[str]:
            money, number = outcome.money, self.money.number
            sure = np.isfinite(outcome.payback)
            return [
                number(float(money.spend.mean())),
                percent(float(np.mean(money.roi)), 0),
                percent(outcome.paid_back, 0),
                f"Q{plain(np.ceil(outcome.payback))}" if sure else DASH,
                self._sure(estimate(money.peak_funding)),
                self._sure(estimate(money.worst_quarter)),
            ]

        return Section(
            f"{self.titles[plan]}: funding and payback",
            f"{self.money.name} where nothing else is said, against today's plan under the same "
            "shock, not discounted.",
            TableView(columns, self._rows(plan, len(columns) - 1, cells)),
            caption="Spent: what the plan itself costs. Pays back: share of worlds in which the "
            "plan has paid back, discounted, by the last quarter; median quarter: where more than "
            "half of them do. Peak funding: the most that has to be put in before it comes back; "
            "worst quarter: cash of the leanest quarter; both are means with their 95% intervals.",
        )

    def _rows(
        self, plan: str, width: int, cells: Callable[[Outcome], Sequence[str]], *,
        marked: bool = False,
    ) -> list[Row]:  # fmt: skip
        """Return a row for the plan as planned and under each shock."""
        rows = []
        for name in (AS_PLANNED, *self.shocks):
            outcome, planned = self.result.outcomes[plan, name], name == AS_PLANNED
            title = self.shocks.get(name, "As planned")
            if outcome.trial.future is None:
                rows.append(Row(title, [UNTOUCHED, *[DASH] * (width - 1)]))
                continue
            note = outcome.trial.title.removeprefix(title).removeprefix(": ")
            clear = marked and outcome.npv.sign != 0
            rows.append(Row(title, list(cells(outcome)), strong=planned,
                            note="" if planned else _parts(outcome) or note,
                            best=frozenset({0} if clear else ())))  # fmt: skip
        return rows

    def _combinations(self) -> Section | None:
        found = self.result.interactions()
        shown = [each for each in found if each.outcome.trial.plan.name in self.active]
        if not shown:
            return None
        words = {1: "milder than the sum", -1: "worse than the sum", 0: "cannot be told apart"}
        rows = [
            Row(each.outcome.trial.title,
                [self.titles[each.outcome.trial.plan.name],
                 self._sure(each.outcome.change, signed=True), self._sure(each.parts, signed=True),
                 self._sure(each.beyond, signed=True), words[each.beyond.sign]],
                note=_parts(each.outcome))
            for each in shown
        ]  # fmt: skip
        columns = ["combination", "plan", "change together", "sum of the parts", "beyond the sum",
                   "so it is"]  # fmt: skip
        return Section(
            "Combinations",
            f"Change of mean net present value, {self.money.name}, by shocks that strike together, "
            "and the sum of what each does alone in the same worlds.",
            TableView(columns, rows, words=frozenset({"plan", "so it is"})),
            caption="Milder than the sum: one shock leaves less for the next one to take. Worse: "
            "one takes away what would have answered the other.",
        )

    def _covenant(self, covenant: Covenant) -> Section:
        own = {(b.outcome.trial.shock, b.outcome.trial.plan.name): b
               for b in self.breaches if b.covenant is covenant}  # fmt: skip
        rows = []
        for shock in (AS_PLANNED, *self.shocks):
            found = [own[shock, plan] for plan in self.active]
            if any(breach.share for breach in found):
                rows.append(Row(self.shocks.get(shock, "As planned"), [*map(_breach_text, found)],
                                strong=shock == AS_PLANNED))  # fmt: skip
        title = f"Covenant: {self.covenant_text(covenant)}"
        if not rows:
            return Section(title, "Every plan keeps it in every world, under every shock.")
        return Section(
            title,
            "Share of worlds that break it, and when: the median quarter of the first breach.",
            TableView([self._first, *(self.titles[plan] for plan in self.active)], rows),
            caption="In brackets: the 95% interval of the chance of a breach. Shocks under which "
            "no plan breaks it are left out. The earliest breach is in covenants.csv.",
        )

    def covenant_text(self, covenant: Covenant) -> str:
        """Return what a covenant asks for, in words."""

        def full(amount: float) -> str:
            return money_unit([amount], self.currency).full(amount) if amount else "zero"

        if covenant.cash_at_least is not None:
            opening, least = full(covenant.opening), full(covenant.cash_at_least)
            return f"cash that opens at {opening} never falls below {least}"
        if covenant.yearly_spend_at_most is not None:
            return f"at most {full(covenant.yearly_spend_at_most)} spent in a year"
        return f"paid back by quarter {plain(covenant.payback_by)}"

    def _phases(self) -> tuple[Section, list[Drawn]]:
        phases = [(plan, phase.name) for plan in self.test.plans if plan.name in self.active
                  for phase in phases_in_time(self.test.config, plan)]  # fmt: skip
        shocks = [shock for shock in self.shocks
                  if any(key[1] == shock for key in self.result.phased)]  # fmt: skip
        cells = [[self._phase_square(plan.name, shock, phase) for plan, phase in phases]
                 for shock in shocks]  # fmt: skip
        columns = [f"{plan.title}\n{phase}" for plan, phase in phases]
        drawn = Drawn(
            "stress_phases",
            figures.squares([self.shocks[shock] for shock in shocks], columns, cells),
            "Change of mean net present value by a shock in one phase alone",
            self.money.name,
            "Hatched: cannot be told apart from no change. An event comes in the first quarter of "
            "the phase, and lasts as long as it lasts; all else holds in the phase's quarters.",
        )
        return Section("When it hurts", self._when(), wide=True), [drawn]

    def _when(self) -> str:
        sure = [one for one in self.result.phased.values()
                if one.change.sign < 0 and one.trial.plan.name in self.active]  # fmt: skip
        if not sure:
            return "No shock in a single phase surely costs any plan anything."
        worst = min(sure, key=lambda outcome: outcome.change.mean)
        return (f"The costliest is {in_sentence(worst.trial.title)} in phase "
                f"{in_sentence(worst.trial.phase)} of {self._title(worst.trial.plan.name)}: "
                f"{self.said.full(-worst.change.mean)}.")  # fmt: skip

    def _phase_square(self, plan: str, shock: str, phase: str) -> figures.Square:
        outcome = self.result.phased.get((plan, shock, phase))
        if outcome is None:
            return figures.Square(float("nan"), DASH)
        change = outcome.change
        return figures.Square(change.mean, self.money.number(change.mean, signed=True),
                              not change.sign)  # fmt: skip

    def _notes(self) -> Section:
        rows = [Row(_bare(remark), []) for remark in self.test.remarks]
        table = TableView(["what does not strike, and why"], rows) if rows else None
        return Section(
            "How it was done",
            "Each plan was lived under each shock in the same worlds: the same customers, the same "
            "luck and the same draw of every number that is not known exactly. The quarters before "
            "the plan are the same in all of them.",
            table,
        )

    # --- files -------------------------------------------------------------------------------

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return what goes into CSV files, by name; money is in currency, times in quarters."""
        outcomes = self.result.outcomes.values()
        found = {
            "memo": self._memo_table(),
            "outcomes": pd.DataFrame([_record(outcome) for outcome in outcomes]),
            "cash": pd.concat([_cash_table(outcome) for outcome in outcomes], ignore_index=True),
        }
        if self.covenants:
            found["covenants"] = pd.DataFrame([self._breach_record(one) for one in self.breaches])
        if self.result.phased:
            records = [_record(outcome) for outcome in self.result.phased.values()]
            found["phases"] = pd.DataFrame(records)
        return found

    def _memo_table(self) -> pd.DataFrame:
        rows = []
        for shock in (AS_PLANNED, *self.shocks):
            row: dict[str, Any] = {"shock": shock, "title": self.shocks.get(shock, "As planned")}
            for plan in self.plans:
                npv = self.result.outcomes[plan, shock].npv
                row |= {f"{plan}_npv": npv.mean, f"{plan}_low": npv.low, f"{plan}_high": npv.high}
            rows.append(row)
        return pd.DataFrame(rows)

    def _breach_record(self, breach: Breach) -> dict[str, Any]:
        trial, interval = breach.outcome.trial, breach.interval
        return {
            "covenant": self.covenant_text(breach.covenant),
            "plan": trial.plan.name, "shock": trial.shock, "share": breach.share,
            "share_low": interval.low, "share_high": interval.high,
            "first_quarter": breach.first, "median_quarter": breach.usual,
        }  # fmt: skip

    def document(self) -> dict[str, Any]:
        """Return what was tried, and in what study."""
        config = self.test.config
        return {
            "study": config.command,
            "scenario": config.scenario,
            "seed": config.seed,
            "worlds": self.result.worlds,
            "customers": config.customers,
            "quarters": config.quarters,
            "plans": self.plans,
            "shocks": [
                {"name": blow.name, "title": blow.title, "story": blow.story,
                 "parts": [dump(part) for part in blow.parts]}
                for blow in self.test.blows
            ],
            "covenants": [dump(covenant) for covenant in self.covenants],
            "headline": self.headline,
            "remarks": [*self.remarks(), *self.test.remarks],
        }  # fmt: skip


def write_stress_page(report: StressReport, folder: str | Path) -> Path:
    """Write the page, its pictures and tables into a folder, and return the page.

    Raises
    ------
    StoreError
        If the folder cannot be written.
    """
    return write_finding(report.finding(), folder, NAME)


def _record(outcome: Outcome) -> dict[str, Any]:
    """Return a row of a table of outcomes."""
    trial, npv, change = outcome.trial, outcome.npv, outcome.change
    roi, money = outcome.money.roi, outcome.money
    return {
        "plan": trial.plan.name, "shock": trial.shock, "title": trial.title,
        "phase": trial.phase, "touched": trial.future is not None,
        "npv_mean": npv.mean, "npv_low": npv.low, "npv_high": npv.high,
        "npv_p10": npv.p10, "npv_p50": npv.p50, "npv_p90": npv.p90,
        "change_mean": change.mean, "change_low": change.low, "change_high": change.high,
        "roi_mean": float(roi.mean()) if np.isfinite(roi).all() else None,
        "paid_back": outcome.paid_back, "payback_quarter": outcome.payback,
        "peak_funding": float(money.peak_funding.mean()),
        "worst_quarter": float(money.worst_quarter.mean()),
        "spend": float(money.spend.mean()),
        "probability_of_loss": outcome.loss, "cvar_5": outcome.tail, "worlds": npv.n,
    }  # fmt: skip


def _cash_table(outcome: Outcome) -> pd.DataFrame:
    """Return a plan's cash by quarter under a shock."""
    net, total = outcome.money.net, outcome.money.cumulative
    low, high = np.quantile(total, (0.1, 0.9), axis=0)
    return pd.DataFrame({
        "plan": outcome.trial.plan.name, "shock": outcome.trial.shock,
        "quarter": np.arange(1, net.shape[1] + 1), "net_mean": net.mean(axis=0),
        "cumulative_mean": total.mean(axis=0), "cumulative_p10": low, "cumulative_p90": high,
    })  # fmt: skip


def _moves(outcome: Outcome) -> bool:
    return bool((outcome.money.npv != outcome.planned.npv).any())


def _parts(outcome: Outcome) -> str:
    """Name the parts of a combination that do not touch the plan."""
    missed = outcome.trial.missed
    return f"without {listed([*missed])}" if missed and outcome.trial.future else ""


def _breach_text(breach: Breach) -> str:
    if not breach.share:
        return "0%"
    low, high = (plain(100 * end) for end in (breach.interval.low, breach.interval.high))
    return f"{percent(breach.share, 0)} ({low}{TO}{high}), Q{plain(breach.usual)}"


def _late(outcome: Outcome) -> float:
    """Return what of a plan's budget a delay puts after the last quarter, in currency."""
    future = outcome.trial.future
    return _budget(outcome.trial.plan) - _budget(future.config.plan) if future else 0.0


def _budget(plan: Plan) -> float:
    return float(sum(amount for phase in plan.phases for amount in phase.spend.values()))


def _bare(remark: str) -> str:
    return remark.rstrip(".")
