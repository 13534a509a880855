"""What a firm has observed, read as the settings of a command say."""

from __future__ import annotations

from typing import Any

from sim.calibration.observed import Log, Panel
from sim.calibration.reading import read_log, read_panel
from sim.config.calibration import Calibration, Validation


def panel_of(settings: Calibration | Validation, path: str) -> Panel:
    """Return the panel in a file."""
    return read_panel(path, min_occasions=settings.min_occasions, **_reading(settings))


def log_of(settings: Calibration | Validation, path: str) -> Log:
    """Return the order log in a file."""
    return read_log(path, **_reading(settings))


def _reading(settings: Calibration | Validation) -> dict[str, Any]:
    """Return what panels and logs are read alike by."""
    return {
        "columns": settings.columns,
        "holdout": settings.holdout,
        "date_format": settings.date_format,
    }
