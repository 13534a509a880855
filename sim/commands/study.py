"""What `run` and `compare` share: live the study, keep its files, tell the reader."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sim import report
from sim.commands.common import console, progress_bar
from sim.config.study import Config
from sim.errors import Interrupted
from sim.report.decisions import gate_verdict
from sim.report.folder import read_folder
from sim.report.tables import outcome_rows
from sim.report.words import Words, verdict
from sim.result import Result
from sim.store import write_run
from sim.study import COMPILING, StudyResult, compile_kernels, run_study
from sim.validation.card import Scorecard, find_card


def carry_out(config: Config, folder: Path) -> None:
    """Live the study, write its folder, print the figures and where they are.

    Raises
    ------
    ConfigError, StoreError
        As the study and the store do.
    Interrupted
        If the user stopped it; what was finished is written and named.
    """
    errors = Console(stderr=True)
    write_run(folder, {}, {})  # an unwritable folder is found before an hour of work, not after
    compile_kernels(config, partial(errors.print, COMPILING, soft_wrap=True))
    with progress_bar(errors, "Worlds lived", wanted=config.engine.progress) as advance:
        try:
            result = run_study(config, advance)
        except KeyboardInterrupt:
            raise Interrupted("stopped before two worlds were finished; nothing to keep") from None
    card = market_card(config, errors) if config.report.scorecard else None
    Result(result).save(folder, card)
    page = write_report(folder) if config.report.page else None
    show(result, folder, page)
    if result.interrupted:
        raise Interrupted(
            f"stopped; the {len(result.replications)} finished worlds are in {folder}"
        )


def market_card(config: Config, errors: Console) -> Scorecard:
    """Return the scorecard of the market, the kept one or a quick one that is made now."""
    card = find_card(config)
    if card is not None:
        return card
    errors.print(f"Trying {config.market.name} on published regularities, once ...", soft_wrap=True)
    # What asks the market brings SciPy with it, which a run of a known market need not wait for.
    made: Scorecard = import_module("sim.validation.scorecard").quick_card(config)
    return made


def write_report(folder: Path) -> Path:
    """Write the page of a run; what draws it is imported now, so that no world waits."""
    return report.write_page(folder)


def show(result: StudyResult, folder: Path, page: Path | None) -> None:
    """Print the verdict, the outcomes and where the files are."""
    out = console()
    summary = result.summary()
    words = Words()
    run = read_folder(folder)
    said = verdict(words, run)
    gates = [line for plan in run.plans if (line := gate_verdict(words, run, plan))]
    lines = (said.headline, said.interval, *gates, said.market)
    out.print("", *(line for line in lines if line), "", sep="\n")
    out.print(_comparison(summary) if "plans" in summary else _single(summary))
    for text in result.warnings:
        out.print(f"Note: {text}")
    out.print(f"Results: {folder}", soft_wrap=True)
    if page is not None:
        out.print(f"Report:  {page}", soft_wrap=True)


def _single(summary: dict[str, Any]) -> Table:
    table = Table(title=f"{summary['plan']} against {summary['baseline']}", title_justify="left")
    for column in ("", "baseline", "plan", "difference", "95% interval", "P10 to P90"):
        table.add_column(column, justify="right" if column else "left")
    for row in outcome_rows(summary["outcomes"], summary["currency"]):
        table.add_row(*row)
    return table


def _comparison(summary: dict[str, Any]) -> Table:
    """Return the difference that each plan makes, a column per plan."""
    title = f"Difference to {summary['baseline']}"
    table = Table(title=title, title_justify="left")
    for column in ("", summary["baseline"], *summary["plans"]):
        table.add_column(column, justify="right" if column else "left")
    outcomes = [plan["outcomes"] for plan in summary["plans"].values()]
    plans = [outcome_rows(each, summary["currency"], beside=outcomes) for each in outcomes]
    for rows in zip(*plans, strict=True):
        name, baseline = rows[0][:2]
        table.add_row(name, baseline, *(difference for _, _, _, difference, _, _ in rows))
    best = [f"{plan['probability_best']:.0%}" for plan in summary["plans"].values()]
    table.add_row("Best in so many worlds", "", *best)
    return table
