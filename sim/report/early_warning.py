"""How good the early warning is, and what the offers that answer it save."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from sim.report.folder import RunFolder
from sim.report.numbers import DASH, percent, plain
from sim.report.words import Words, plan_title

WARNING_ROWS: Final = (
    "warned_yellow",
    "warned_red",
    "warning_precision",
    "warning_recall",
    "warning_accuracy",
    "warning_lead",
)
COUNTED: Final = ("warned_yellow", "warned_red")


@dataclass(frozen=True)
class WarningRow:
    """One measure of the warning, without and with the plans' offers."""

    name: str
    note: str
    baseline: str
    cells: list[str]


def plans_that_save(folder: RunFolder) -> list[str]:
    """Return the plans that answer warnings with offers, as far as the run measured warnings."""
    if not set(WARNING_ROWS) <= set(folder.measures.columns):
        return []
    return [
        plan
        for plan in folder.plans
        if any(lever.get("save_offer") for lever in folder.paid_levers(plan).values())
    ]


def warning_rows(words: Words, folder: RunFolder) -> list[WarningRow]:
    """Return the table of the early warning; empty if no plan makes offers."""
    plans = plans_that_save(folder)
    if not plans:
        return []
    rows = [
        WarningRow(
            words(f"warning.{measure}"),
            words(f"warning.{measure}.note"),
            _level(folder, folder.baseline, measure),
            [_level(folder, plan, measure) for plan in plans],
        )
        for measure in WARNING_ROWS
    ]
    saved = [_saved(words, folder, plan) for plan in plans]
    note = words("warning.saved.note", baseline=plan_title(folder, folder.baseline))
    return [*rows, WarningRow(words("warning.saved"), note, DASH, saved)]


def _level(folder: RunFolder, plan: str, measure: str) -> str:
    value = folder.average(plan, measure)
    if measure in COUNTED:
        return plain(value)
    return plain(value, 1) if measure == "warning_lead" else percent(value, 0)


def saved_share(folder: RunFolder, plan: str) -> tuple[float, float, float]:
    """Return P10, P50, P90 over futures of the share of warned customers whom a plan keeps.

    Of those warned customers who leave under the baseline, in the last year: 1 - the share of the
    warned who leave under the plan / the same share under the baseline. NaN if nobody leaves.
    """
    lost, usual = (
        folder.levels(name, "warning_precision").loc[folder.quarters].to_numpy(dtype=float)
        for name in (plan, folder.baseline)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        saved = 1.0 - lost / np.where(usual > 0, usual, np.nan)
    known = saved[~np.isnan(saved)]
    if not len(known):
        return (float("nan"),) * 3
    low, middle, high = np.quantile(known, (0.1, 0.5, 0.9))
    return float(low), float(middle), float(high)


def _saved(words: Words, folder: RunFolder, plan: str) -> str:
    low, middle, high = saved_share(folder, plan)
    if np.isnan(middle):
        return DASH
    span = words("span", low=percent(low, 0), high=percent(high, 0))
    return words("warning.saved.value", middle=percent(middle, 0), span=span)
