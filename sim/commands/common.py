"""What several commands print with."""

from __future__ import annotations

import shutil
import sys

from rich.console import Console

PIPED_WIDTH = 200
"""Columns where no terminal says how many: a line of a table stays one line."""


def console() -> Console:
    """Return the console for standard output."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPED_WIDTH
    return Console(width=width, highlight=False)
