"""What `run` and `compare` share: live the study, keep its files, tell the reader."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from sim import report
from sim.commands.common import console
from sim.config.study import Config
from sim.errors import Interrupted
from sim.report.decisions import gate_verdict
from sim.report.folder import read_folder
from sim.report.tables import outcome_rows
from sim.report.words import Words, verdict
from sim.result import Result
from sim.store import write_run
from sim.study import COMPILING, StudyResult, compile_kernels, run_study


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
    with progress_bar(errors, config.engine.progress) as advance:
        try:
            result = run_study(config, advance)
        except KeyboardInterrupt:
            raise Interrupted("stopped before two worlds were finished; nothing to keep") from None
    Result(result).save(folder)
    page = write_report(folder) if config.report.page else None
    show(result, folder, page)
    if result.interrupted:
        raise Interrupted(
            f"stopped; the {len(result.replications)} finished worlds are in {folder}"
        )


def write_report(folder: Path) -> Path:
    """Write the page of a run; what draws it is imported now, so that no world waits."""
    return report.write_page(folder)


@contextmanager
def progress_bar(errors: Console, wanted: bool) -> Iterator[Any]:
    """Give a function (done, planned) that moves a bar, or None."""
    if not wanted:
        yield None
        return
    columns = (
        TextColumn("Worlds lived"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as progress:
        bar = progress.add_task("", total=None)
        yield lambda done, planned: progress.update(bar, completed=done, total=planned)


def show(result: StudyResult, folder: Path, page: Path | None) -> None:
    """Print the verdict, the outcomes and where the files are."""
    out = console()
    summary = result.summary()
    words = Words()
    run = read_folder(folder)
    said = verdict(words, run)
    gates = [line for plan in run.plans if (line := gate_verdict(words, run, plan))]
    out.print("", *(line for line in (said.headline, said.interval, *gates) if line), "", sep="\n")
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
