"""The page of a run, made from the files of its folder and from nothing else."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.report.figures import headline_figure
    from sim.report.page import write_page

# Imported when first asked for, so that no world waits for Matplotlib.
_HOME = {"headline_figure": "sim.report.figures", "write_page": "sim.report.page"}

__all__ = ["headline_figure", "write_page"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sim.report' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)
