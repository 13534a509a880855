"""What `run` and `compare` share: live the study, keep its files, tell the reader."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from sim.config.study import Config
from sim.errors import Interrupted
from sim.model import LoyaltyModel
from sim.report import write_page
from sim.report.tables import outcome_rows
from sim.result import Result
from sim.store import write_run
from sim.study import StudyResult, run_study


def carry_out(config: Config, folder: Path, command_line: str) -> None:
    """Live the study, write its folder, print the figures and where they are.

    Raises
    ------
    ConfigError, StoreError
        As the study and the store do.
    Interrupted
        If the user stopped it; what was finished is written and named.
    """
    console = Console(stderr=True)
    write_run(folder, {}, {})  # an unwritable folder is found before an hour of work, not after
    compile_kernels(config, console)
    with progress_bar(console, config.engine.progress) as advance:
        try:
            result = run_study(config, advance)
        except KeyboardInterrupt:
            raise Interrupted("stopped before two worlds were finished; nothing to keep") from None
    Result(result, command_line).save(folder)
    report = write_page(folder) if config.report.page else None
    show(result, folder, report)
    if result.interrupted:
        raise Interrupted(
            f"stopped; the {len(result.replications)} finished worlds are in {folder}"
        )


def compile_kernels(config: Config, console: Console) -> None:
    """Bring the compiled loops in, telling the reader where it takes a while the first time."""
    with console.status("Preparing the engine (the first time takes up to a minute) ..."):
        model = LoyaltyModel(config, collect=False)
        model.step()


@contextmanager
def progress_bar(console: Console, wanted: bool) -> Iterator[Any]:
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
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=None)
        yield lambda done, planned: progress.update(bar, completed=done, total=planned)


def show(result: StudyResult, folder: Path, report: Path | None) -> None:
    """Print the outcomes and where the files are."""
    console = Console()
    summary = result.summary()
    for name in result.plans:
        part = summary["plans"][name] if "plans" in summary else summary
        table = Table(title=f"{name} against {result.baseline}", title_justify="left")
        for column in ("", "baseline", "plan", "difference", "95% interval", "P10 to P90"):
            table.add_column(column, justify="left" if not column else "right")
        for row in outcome_rows(part["outcomes"], result.config.market.currency):
            table.add_row(*row)
        console.print(table)
    for text in result.warnings:
        console.print(f"Note: {text}")
    console.print(f"Results: {folder}", soft_wrap=True)
    if report is not None:
        console.print(f"Report:  {report}", soft_wrap=True)
