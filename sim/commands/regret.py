"""`fidelio regret`: the plan one would least regret, whatever the future turns out to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from rich.table import Table

from sim.commands.arguments import split_arguments, status
from sim.commands.common import console
from sim.commands.planning import open_lives, output_folder, study_of, watch
from sim.config.plan import Plan
from sim.config.regret import Regret
from sim.config.study import Config
from sim.errors import ConfigError
from sim.planning.future import Future, as_planned
from sim.planning.lives import Lives
from sim.planning.pilot import PilotLife, live_pilots, pilot_of
from sim.planning.regret import Payoffs, check_targets, live_choices, shares_of
from sim.planning.rival_answers import answers_of
from sim.planning.shocks import futures_of
from sim.report.finding import write_finding
from sim.report.regret import Compared, RegretReport
from sim.study import check_measures
from sim.types import F64

HELP = """\
fidelio regret: the plan one would least regret, whatever the future turns out to be

usage: fidelio regret scenario=SCENARIO [plans=[PLAN, ...]] [KEY=VALUE ...]

  plans           what can be chosen, beside going on with the baseline
  answers         what rivals may do
  shocks          what else may come; A+B for both at once
  weights         how much each future counts, {{as_planned: 3, price_war: 1, ...}}
  targets         what is good enough, {{npv: 0, churn_annual: 0.6}}
  optimism        for Hurwicz's criterion
  pilot           a pilot before the full roll-out: pilot.after=3 pilot.segment=vip, or pilot=null

{settings}

Whatever else is given is of the study, as with `fidelio run`: customers=2000 replications=100.
It writes regret.html, its pictures as SVG and PNG, its tables as CSV and regret.json.

examples:
  fidelio regret scenario=retail_three_phase plans=[three_phase,service_first,promotion_first]
  fidelio regret scenario=retail_three_phase plans=[three_phase,service_first] shocks=[demand_down]
  fidelio regret scenario=pilot_first plans=[pilot_first,everywhere_at_once] pilot.segment=vip
"""
NAME = "regret"


def main(arguments: Sequence[str]) -> None:
    """Live plans in all futures, weigh them, and write the page.

    Raises
    ------
    ConfigError, StoreError, EngineError
        If the settings, the futures or the folder cannot be used, or a life cannot be lived.
    Interrupted
        If the user stopped it; what was lived is kept.
    """
    given = split_arguments(Regret, NAME, arguments, HELP)
    if given is None:
        return
    settings, overrides, folders = given
    config = study_of(overrides, folders)
    plans = plans_of(config)
    answers, shocks = futures_asked_for(config, settings, folders)
    futures = [*answers, *shocks]
    weights = shares_of(settings.weights, [future.name for future in futures])
    check_targets(settings.targets)
    if settings.pilot is not None:
        check_pilots(config, settings, plans, futures)
    folder = output_folder(settings.out, NAME)
    with open_lives(settings, config, folder) as lives:
        outcomes, pilots = live_all(lives, settings, plans, futures)
    names = (*(plan.name for plan in plans), config.baseline.name)
    payoffs = Payoffs(names, tuple(f.name for f in futures), outcomes["npv"], weights)
    with status(wanted=settings.progress) as say:
        say("weighing")
        report = RegretReport(
            Compared(config, futures, len(answers), payoffs, outcomes, settings, pilots)
        )
        page = write_finding(report.finding(), folder, NAME)
    show(report, folder, page)


# --- what is asked -------------------------------------------------------------------------------


def plans_of(config: Config) -> list[Plan]:
    """Return what can be chosen beside the baseline.

    Raises
    ------
    ConfigError
        If that is nothing, or two plans have one name.
    """
    plans = [plan for plan in config.plans or (config.plan,) if plan != config.baseline]
    names = [plan.name for plan in plans]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError("named twice", key="plans", value=name, allowed="each plan once")
        if name == config.baseline.name:
            raise ConfigError("has the baseline's name but is another plan", key="plans",
                              value=name, allowed="a name of its own")  # fmt: skip
    if not plans:
        raise ConfigError(
            f"leaves nothing to choose: the only plan is the baseline, {config.baseline.name}",
            key="plans", allowed="one plan or more beside the baseline",
        )  # fmt: skip
    return plans


def futures_asked_for(
    config: Config, settings: Regret, folders: Sequence[str | Path]
) -> tuple[list[Future], list[Future]]:
    """Return what rivals may do, beginning with what is planned, and what else may come.

    An answer in which rivals do what they do as planned is no future of its own.

    Raises
    ------
    ConfigError
        If one does not exist or cannot be used, or two have one name.
    """
    planned = as_planned(config)
    answers = [future for future in answers_of(config, settings.answers, folders)
               if future.config.rivals.brands != config.rivals.brands]  # fmt: skip
    shocks = futures_of(config, settings.shocks, folders)
    taken = {planned.name}
    for future in chain(answers, shocks):
        if future.name in taken:
            raise ConfigError(
                "is the name of two futures, an answer of rivals and a shock", key="shocks",
                value=future.name, allowed="one of them: leave the other out of answers or shocks",
            )  # fmt: skip
        taken.add(future.name)
    return [planned, *answers], shocks


def check_pilots(
    config: Config, settings: Regret, plans: Sequence[Plan], futures: Sequence[Future]
) -> None:
    """Raise ConfigError if a pilot cannot be made of a plan, or looks at what does not exist."""
    assert settings.pilot is not None
    for plan in plans:
        pilot = pilot_of(plan, settings.pilot, config)
        if pilot is not None:
            check_measures_of(pilot.gated, config)
    for future in futures:
        future.check(config)


def check_measures_of(plan: Plan, config: Config) -> None:
    """Raise ConfigError if a plan's gate looks at a measure that does not exist."""
    check_measures(replace(config, plan=plan, baseline=plan, plans=()))


# --- living it -----------------------------------------------------------------------------------


def live_all(
    lives: Lives, settings: Regret, plans: Sequence[Plan], futures: Sequence[Future]
) -> tuple[dict[str, F64], list[PilotLife]]:
    """Live the plans, then those with a pilot."""
    worlds = range(lives.config.replications)
    with watch(settings) as seen:
        outcomes = live_choices(lives, plans, futures, worlds, seen)
    if settings.pilot is None:
        return outcomes, []
    with watch(settings, "Pilots lived") as seen:
        return outcomes, live_pilots(lives, plans, settings.pilot, futures, worlds, seen)


# --- what the reader is told ---------------------------------------------------------------------


def show(report: RegretReport, folder: Path, page: Path) -> None:
    """Print the headline, the choices by each criterion, and where the page is."""
    out = console()
    out.print(report.headline)
    for remark in report.remarks:
        out.print(remark)
    table = Table()
    view = report.average_table
    table.add_column("choice")
    for column in view.columns[1:]:
        table.add_column(column, justify="right")
    for row in view.rows:
        table.add_row(row.name, *row.cells)
    out.print(table)
    print(f"Figures: {folder}\nPage:    {page}")
