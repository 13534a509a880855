"""What several commands print with."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PIPED_WIDTH = 200
"""Columns where no terminal says how many: a line of a table stays one line."""


def console() -> Console:
    """Return the console for standard output."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPED_WIDTH
    return Console(width=width, highlight=False)


@contextmanager
def progress_bar(
    shown_on: Console, text: str, *, wanted: bool
) -> Iterator[Callable[[int, int], None] | None]:
    """Give a function (done, planned) that moves a bar, or None."""
    if not wanted:
        yield None
        return
    columns = (TextColumn(text), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=shown_on, transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, planned: progress.update(task, completed=done, total=planned)
