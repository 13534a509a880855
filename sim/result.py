"""The Python face: simulate a configuration, look at the result, keep it."""

from __future__ import annotations

import functools
import platform
import resource
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sim import report
from sim.config.build import assign, build, configuration_hash, dump, parameters
from sim.config.finance import Finance
from sim.config.study import Config
from sim.finance.accounts import Accounts, open_accounts, rates
from sim.report.words import LANGUAGES, Words
from sim.store import write_run, write_text
from sim.study import TABLES, Progress, StudyResult, run_study
from sim.validation.card import Scorecard, compact, find_card

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LIBRARIES = ("fidelio", "numpy", "numba", "mesa", "pandas", "scipy", "hydra-core", "matplotlib")


class Result:
    """What a study found.

    Attributes
    ----------
    study
        The replications themselves.
    """

    def __init__(self, study: StudyResult) -> None:
        self.study = study

    @property
    def measures(self) -> pd.DataFrame:
        """A row per plan x replication x quarter x segment x brand, a column per measure."""
        return self.study.measures

    @property
    def cash_flow(self) -> pd.DataFrame:
        """A row per plan x replication x quarter, money by component in currency, signed."""
        return self.study.cash_flow

    @property
    def outcomes(self) -> pd.DataFrame:
        """A row per plan x replication, a column per outcome; money against the baseline."""
        return self.study.outcomes

    @property
    def cohort(self) -> pd.DataFrame:
        """How many of each quarter's first-time focal buyers buy in the quarters after."""
        return self.study.table("cohort")

    @functools.cached_property
    def accounts(self) -> Accounts:
        """The books of every plan: profit, tax, cash after tax, what comes after the horizon."""
        study = self.study
        plans = dict.fromkeys((*study.plans, study.baseline))
        return open_accounts(
            study.cash_flow,
            study.baseline,
            [drawn_finance(study.config, r.parameters) for r in study.replications],
            np.array([1.0 - study.values(plan, "churn_annual") for plan in plans]),
        )

    def summary(self) -> dict[str, Any]:
        """Return the outcomes with intervals, and the money in full, as in `summary.json`."""
        money = {**rates(self.study.config.finance), "plans": self.accounts.summary()}
        return {**self.study.summary(), "finance": money}

    def save(self, folder: str | Path, card: Scorecard | None = None) -> Path:
        """Write tables and documents into a folder and return it.

        Parameters
        ----------
        folder
            Where to; it is made if need be.
        card
            The market's scorecard; if not given, the one that is kept, and none if there is none.

        Raises
        ------
        StoreError
            If the folder cannot be written.
        """
        target = Path(folder)
        tables = {name: self.study.table(name) for name in TABLES}
        tables["outcomes"] = self.study.outcomes
        tables["statement"] = self.accounts.table()
        documents = {"summary": self.summary(), "manifest": manifest(self.study)}
        config = self.study.config
        card = card or (find_card(config) if config.report.scorecard else None)
        if card is not None:
            documents["scorecard"] = compact(card)
        write_run(target, tables, documents)
        return target

    def plot(self) -> Figure:
        """Return cash flow, churn and NPV in one picture."""
        with tempfile.TemporaryDirectory() as folder:
            return report.headline_figure(self.save(folder))

    def to_html(self, path: str | Path) -> Path:
        """Write the report as one page and return its path.

        Raises
        ------
        StoreError
            If the page cannot be written.
        """
        with tempfile.TemporaryDirectory() as folder:
            page = report.write_page(self.save(folder))
            return write_text(Path(path), page.read_text("utf-8"))


def simulate(config: Config, progress: Progress | None = None) -> Result:
    """Live a study and return what it found.

    Parameters
    ----------
    config
        From `sim.load`.
    progress
        Called with (done, planned) after each replication.

    Raises
    ------
    ConfigError
        If the configuration contradicts itself.
    """
    return Result(run_study(config, progress))


def drawn_finance(config: Config, drawn: Mapping[str, float]) -> Finance:
    """Return the finance of a world, given the numbers that were drawn for it, by path."""
    own = {path: value for path, value in drawn.items() if path.startswith("finance.")}
    if not own:
        return config.finance
    data = dump(config.finance)
    for path, value in own.items():
        assign(data, path.removeprefix("finance."), value)
    return build(Finance, data, "finance")


def manifest(result: StudyResult) -> dict[str, Any]:
    """Return what is needed to repeat the study and to know what it rests on."""
    config = result.config
    rows = [row for row in parameters(config) if _matters(row.path, config)]
    sources = {row.path: row for row in rows}
    kinds = [row.kind.value for row in rows]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "command": config.command,
        "configuration": dump(config),
        "hash": configuration_hash(config),
        "versions": {
            "python": platform.python_version(),
            **{library: _version(library) for library in LIBRARIES},
        },
        "seed": config.seed,
        "seconds": round(result.seconds, 3),
        "peak_memory_mib": round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1),
        "interrupted": result.interrupted,
        "provenance": {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)},
        "provenance_rows": [
            {
                "parameter": row.path,
                "value": dump(row.value),
                "provenance": row.kind.value,
                "source": row.source,
            }
            for row in rows
        ],
        "uncertain": [
            {
                **row,
                "value": dump(row["value"]),
                "provenance": sources[row["parameter"]].kind.value,
            }
            for row in result.uncertain()
            if row["parameter"] in sources
        ],
        "warnings": list(result.warnings),
        "notes": notes(result),
    }


def _version(library: str) -> str | None:
    """Return an installed version; a source tree on the path, without installation, has none."""
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def _matters(path: str, config: Config) -> bool:
    """Whether a parameter can move the answer: a lever that nobody pays for cannot."""
    parts = path.split(".")
    paid = {lever for plan in config.every_plan.values() for lever in plan.levers}
    return parts[0] != "lever" or parts[1] in paid


def notes(result: StudyResult) -> list[dict[str, str]]:
    """Return what the reader should know besides: published figures, and why they differ."""
    words = Words(LANGUAGES["en"])
    focal = result.config.market.focal.name
    table = result.measures
    chosen = (table.plan == result.baseline) & (table.brand == focal) & (table.segment == "all")
    last = table[chosen & (table.quarter == result.config.quarters)]
    found = []
    for mark in result.config.market.benchmarks:
        simulated = float(last[mark.measure].mean())
        key = f"outcome.{mark.measure}"
        name = words(key) if words.has(key) else mark.measure
        found.append(
            {
                "title": f"{name}: {simulated:.3g} here, {mark.value:.3g} published",
                "text": f"{mark.note} ({mark.source})",
            }
        )
    return found
