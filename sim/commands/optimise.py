"""`fidelio optimise`: the best use of a budget over levers and time."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from sim.commands.arguments import read_arguments
from sim.commands.common import console
from sim.commands.planning import open_lives, output_folder, watch
from sim.config.build import configuration_hash, dump
from sim.config.optimise import Optimise
from sim.config.plan import Plan
from sim.config.study import Config
from sim.errors import ConfigError, StoreError
from sim.planning.allocation import space_of
from sim.planning.goals import Bench, goals_named
from sim.planning.judgement import BEST, Verdict, bench_goals, evaluation, judge
from sim.planning.optimiser import Search
from sim.planning.plan_file import plan_text
from sim.planning.yardsticks import starting_points
from sim.report.finding import write_finding
from sim.report.optimisation import Optimisation
from sim.store import write_run, write_text

HELP = """\
fidelio optimise: spend a budget better over levers and time

usage: fidelio optimise [KEY=VALUE ...]

It takes the plan of a study, and looks for the division of its money over levers and phases that is
best in an objective, or in several. What it finds is judged in fresh worlds, beside simple rules.

{settings}

All else is of the study: scenario=..., market=..., plan=..., customers=..., replications=...
(fresh worlds in which the plans are judged).

examples:
  fidelio optimise scenario=retail_three_phase objective=npv
  fidelio optimise scenario=retail_three_phase objective=[npv,loyalty_index,cvar_5] budget=5000000
  fidelio optimise plan=three_phase add=[community,save_offer] minimum=100000 \\
      "limits={{training: {{most: 400000}}}}" "headcount={{most: 12, pay: 60000}}"
"""
LISTS: Final = ("objective", "levers", "add")
"""Settings that are lists, and may be given as one name."""
SEARCH: Final = "search"
"""Name of the document that says what a folder's search is of."""
ASIDE: Final = ("out", "engine", "progress", "workers", "limit", "slurm", "dask", "ray")
"""Settings that move no result."""


def main(arguments: Sequence[str]) -> None:
    """Search, judge what is found, write plans and page, and print the comparison.

    Raises
    ------
    FidelioError
        If a setting cannot be used, limits contradict each other, a life cannot be lived, or a
        folder not be written.
    Interrupted
        If the user stopped it; what was lived is kept.
    """
    given = read_arguments(Optimise, "optimise", [_listed(text) for text in arguments], HELP)
    if given is None:
        return
    settings, config = given
    goals, space = goals_named(settings.objective), space_of(config, settings)
    folder = output_folder(settings.out, "optimise")
    command = shlex.join(["fidelio", "optimise", *arguments])
    check_same_search(folder, settings, config)
    with open_lives(settings, config, folder) as lives:
        bench = Bench(lives, bench_goals(goals))
        evaluate = evaluation(bench, space, len(goals))
        with watch(settings, "Plans tried") as seen:
            search = Search(space, evaluate, goals, settings, seen)
            found = search.run(starting_points(space, config.plan, settings.groups))
        with watch(settings, "Judged in fresh worlds") as seen:
            bench.progress = seen
            verdict = judge(bench, search, found, config.plan, settings)
    named = named_plans(verdict, config, command)
    report = Optimisation(verdict, config, settings, named)
    write_plans(named, verdict, folder, command)
    page = write_finding(report.finding(), folder, "optimise")
    show(report)
    print(f"Plan:    {folder / 'plan.yaml'}\nFigures: {folder}\nPage:    {page}")


def _listed(text: str) -> str:
    """Return an argument with the brackets of a list that has one name."""
    key, sign, value = text.partition("=")
    single = sign and key in LISTS and value and value != "null" and not value.startswith("[")
    return f"{key}=[{value}]" if single else text


def check_same_search(folder: Path, settings: Optimise, config: Config) -> None:
    """Raise ConfigError if a folder is of a search with other settings; note what this one is.

    Raises
    ------
    ConfigError
        If it says so, and which setting is another one.
    StoreError
        If the folder cannot be read or written.
    """
    own = {name: value for name, value in dump(settings).items() if name not in ASIDE}
    now: dict[str, Any] = {"settings": own, "study": configuration_hash(config)}
    file = folder / f"{SEARCH}.json"
    if file.exists():
        before = _read(file)
        for name, value in own.items():
            if before.get("settings", {}).get(name) != json.loads(json.dumps(value)):
                raise ConfigError(
                    f"{folder} holds a search with another {name}", key=name, value=value,
                    allowed=f"{before.get('settings', {}).get(name)}, as there; or another out=...",
                )  # fmt: skip
        if before.get("study") != now["study"]:
            raise ConfigError(
                f"{folder} holds a search of another study", key="out", value=str(folder),
                allowed="the same study; or another folder",
            )  # fmt: skip
    write_run(folder, {}, {SEARCH: now})


def _read(file: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot read {file}: {error}") from error
    if not isinstance(found, dict):
        raise StoreError(f"{file} holds no search")
    return found


def named_plans(verdict: Verdict, config: Config, command: str) -> dict[str, Plan]:
    """Return the best plan and those of the Pareto set under names of their own.

    All but the phases is the user's plan's, with its sources.
    """
    kept = {path: source for path, source in config.plan.provenance.items()
            if not path.startswith("phases")}  # fmt: skip
    said = f"assumed: found by {command}"
    named = {}
    for member in verdict.members:
        end = "optimised" if member == BEST else member
        named[member] = replace(
            verdict.judged[member].plan,
            name=f"{config.plan.name}_{end}",
            title=f"{config.plan.title}, {'optimised' if member == BEST else readable(member)}",
            description="Found by fidelio optimise for " + ", ".join(goals_of(verdict)) + ".",
            provenance={**kept, "phases": said},
        )
    return named


def goals_of(verdict: Verdict) -> list[str]:
    """Return the names of the objectives."""
    return [goal.name for goal in verdict.goals[: verdict.n_objectives]]


def readable(member: str) -> str:
    """Return the name of a plan of the Pareto set as text: pareto_3 is choice 3."""
    return f"choice {member.rpartition('_')[2]}"


def write_plans(named: Mapping[str, Plan], verdict: Verdict, folder: Path, command: str) -> None:
    """Write the best plan to plan.yaml and those of a Pareto set to plans/NAME.yaml.

    Raises
    ------
    StoreError
        If a file cannot be written.
    """
    for member, plan in named.items():
        npv = verdict.figure(member, "npv")
        heading = [
            f"Found by: {command}",
            f"In {npv.n} worlds that the search never used its NPV is {npv.mean:,.0f} (95% "
            f"interval {npv.low:,.0f} to {npv.high:,.0f}).",
        ]
        file = folder / "plan.yaml" if member == BEST else folder / "plans" / f"{plan.name}.yaml"
        if member != BEST:
            file.parent.mkdir(exist_ok=True)
        write_text(file, plan_text(plan, heading))


def show(report: Optimisation) -> None:
    """Print the headline, and the plans beside each other."""
    out = console()
    out.print(report.headline, soft_wrap=True)
    for remark in report.remarks():
        out.print(remark, soft_wrap=True)
    view = report.comparison()
    table = Table()
    table.add_column("plan")
    for column in view.columns[1:]:
        table.add_column(column, justify="right")
    for row in view.rows:
        table.add_row(row.name, *row.cells)
    out.print(table)
