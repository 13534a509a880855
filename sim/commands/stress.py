"""`fidelio stress`: what could go wrong: plans under shocks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from sim.commands.arguments import split_arguments, status
from sim.commands.common import console
from sim.commands.planning import open_lives, output_folder, study_of, watch
from sim.config.stress import Covenant, Stress
from sim.config.study import Config
from sim.errors import ConfigError
from sim.planning.future import AS_PLANNED
from sim.planning.stress import StressTest, live_test, make_stress_test
from sim.report.stress import StressReport, write_stress_page

HELP = """\
fidelio stress: what could go wrong: plans under shocks, against today's plan under the same shock

usage: fidelio stress scenario=SCENARIO [plans=[PLAN, ...]] [shocks=[SHOCK, ...]] [KEY=VALUE ...]

  plans           names or paths; the one of the scenario if none is given
  shocks          names (fidelio list shocks), paths, A+B for several at once, or all
  by_phase        true: each shock that can be timed also strikes in each phase of a plan alone
  covenants       what lenders or owners ask for: [{{payback_by: 10}}], see conf/stress.yaml

{settings}

Whatever else is given is of the study, as with `fidelio run`: customers=2000 replications=100.
It writes stress.html, its pictures as SVG and PNG, its tables as CSV and stress.json.

examples:
  fidelio stress scenario=retail_three_phase
  fidelio stress scenario=retail_three_phase plans=[three_phase,service_first] by_phase=true
  fidelio stress scenario=retail_three_phase shocks=[demand_down,demand_down+price_war]
  fidelio stress scenario=retail_three_phase "covenants=[{{opening: 5000000, cash_at_least: 0}}]"
"""
NAME = "stress"


def main(arguments: Sequence[str]) -> None:
    """Live plans under shocks, write the page, and print what is left of each plan.

    Raises
    ------
    ConfigError, StoreError, EngineError
        If the settings, the shocks or the folder cannot be used, or a life cannot be lived.
    Interrupted
        If the user stopped it; what was lived is kept.
    """
    given = split_arguments(Stress, NAME, arguments, HELP)
    if given is None:
        return
    settings, overrides, folders = given
    config = study_of(overrides, folders)
    check_covenants(settings.covenants, config)
    test = make_stress_test(config, settings.shocks, folders, by_phase=settings.by_phase)
    folder = output_folder(settings.out, NAME)
    with open_lives(settings, config, folder) as lives, watch(settings) as seen:
        result = live_test(test, lives, config.replications, seen)
    with status(wanted=settings.progress) as say:
        say("drawing")
        report = StressReport(result, settings.covenants)
        page = write_stress_page(report, folder)
    show(report, test, folder, page)


def check_covenants(covenants: Sequence[Covenant], config: Config) -> None:
    """Raise ConfigError if a covenant looks beyond the study's last quarter."""
    for place, covenant in enumerate(covenants):
        due = covenant.payback_by
        if due is not None and due > config.quarters:
            raise ConfigError(
                f"{due} lies beyond quarter {config.quarters}, with which the study ends",
                key=f"covenants.{place}.payback_by", value=due,
                allowed=f"1 to {config.quarters}; or a longer study with quarters=...",
            )  # fmt: skip


def show(report: StressReport, test: StressTest, folder: Path, page: Path) -> None:
    """Print the headline, what is left of each plan under each shock, and where things are."""
    out = console()
    out.print(report.headline)
    for remark in (*report.remarks(), *test.remarks):
        out.print(remark)
    table = Table(title=f"net present value against today's plan, {report.money.name}",
                  title_justify="left")  # fmt: skip
    table.add_column("shock")
    for plan in test.plans:
        table.add_column(plan.name, justify="right")
    for shock in (AS_PLANNED, *report.shocks):
        cells = [report.npv_text(plan.name, shock) for plan in test.plans]
        table.add_row(shock, *cells)
    out.print(table)
    out.print("Mean over worlds (its 95% interval); the plan is told apart from today's plan where "
              "0 lies outside.")  # fmt: skip
    print(f"Tables:  {folder}\nPage:    {page}")
