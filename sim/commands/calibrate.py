"""`fidelio calibrate`: a market file from what a firm has observed."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from sim.calibration.amounts import spread_over_segments
from sim.calibration.cohort import match_cohort
from sim.calibration.fit import Fit
from sim.calibration.lever_sizes import lever_text
from sim.calibration.lift import fit_lift
from sim.calibration.lift_tests import read_lift_tests
from sim.calibration.market_file import calibrated_market, market_text
from sim.calibration.panel import fit_panel
from sim.calibration.targets import fit_targets, read_targets
from sim.calibration.transactions import fit_transactions
from sim.commands.arguments import compile_first, read_arguments, status
from sim.commands.common import progress_bar
from sim.commands.data import log_of, panel_of
from sim.commands.fit import show_fit
from sim.config.calibration import Calibration, DataKind
from sim.config.study import Config
from sim.errors import ConfigError
from sim.report.calibration import write_calibration_page
from sim.store import check_folder, write_run, write_text

HELP = """\
fidelio calibrate: a market from what a firm has observed

usage: fidelio calibrate data=FILE kind=KIND out=MARKET.yaml [KEY=VALUE ...]

  data            CSV or Parquet, or the name of shipped data
  kind            panel          choices of households among brands, with prices
                  transactions   orders of a firm's customers
                  targets        figures that the market should show: shares, churn, NPS, ...
                  lift           results of tests: what a lever moved
  out             the market file, the page and FILE.fit.json beside it; of lift tests the folder
                  that goes to --config-dir
  holdout         what is kept back for the test: a share, or the last date for estimation
  columns         {{customer: client_no, date: booked_on}}: what columns are called in the file
  focal           the panel's brand whose plans are to be studied
  market          what gives all that the data cannot: the name or file of a market

{settings}

The market file is taken by every command: fidelio run market=MARKET.yaml
What the files must look like: docs/calibration.md

examples:
  fidelio calibrate data=data/panels_gpl/yogurt.csv kind=panel out=yogurt.yaml
  fidelio calibrate data=data/cdnow/cdnow_sample.csv kind=transactions holdout=272 out=music.yaml
  fidelio calibrate data=figures.yaml kind=targets market=online_retail out=mine.yaml
"""


def main(arguments: Sequence[str]) -> None:
    """Read the data, fit, write what they give, and print what came out.

    Raises
    ------
    DataError, ConfigError, StoreError
        If data, settings or place cannot be used.
    """
    given = read_arguments(Calibration, "calibrate", arguments, HELP)
    if given is None:
        return
    settings, config = given
    command = shlex.join(["fidelio", "calibrate", *arguments])
    if settings.kind is DataKind.LIFT:
        calibrate_levers(settings, config, command)
        return
    out = Path(settings.out or "market.yaml")
    check_folder(out.parent)
    fit, focal = FITS[settings.kind](settings, config)
    market = calibrated_market(fit, config.market, out.stem, focal)
    write_text(out, market_text(market, [command, "", *fit.notes]))
    show(fit, out, out.with_suffix(""))


def show(fit: Fit, out: Path, beside: Path) -> None:
    """Write figures and page, print the fit and where all is."""
    write_run(beside.parent, {}, {f"{beside.name}.fit": fit.document()})
    page = write_calibration_page(fit, Path(f"{beside}.html"))
    show_fit(fit)
    print(f"Result:  {out}\nFigures: {beside}.fit.json\nPage:    {page}")


def calibrate_panel(settings: Calibration, _: Config) -> tuple[Fit, str]:
    """Fit a panel; the brand to be studied is the one asked for, or the one that sells most."""
    panel = panel_of(settings, settings.data)
    focal = settings.focal or panel.brands[int(np.argmax(np.bincount(panel.chosen)))]
    if focal not in panel.brands:
        raise ConfigError("no such brand in the data", key="focal", value=focal, known=panel.brands)
    with status(wanted=settings.progress) as say:
        return fit_panel(panel, seed=settings.seed, threads=settings.threads, progress=say), focal


def calibrate_log(settings: Calibration, config: Config) -> tuple[Fit, None]:
    """Fit an order log, and have the focal brand's customers among rivals do as the log's."""
    log = log_of(settings, settings.data)
    if log.amount is not None:
        log = replace(log, amount=log.amount * settings.exchange)
    with status(wanted=settings.progress) as say:
        say("models of buying, leaving and spending")
        fit = fit_transactions(log, seed=settings.seed, threads=settings.threads)
    fit = spread_over_segments(fit, config.market)
    compile_first(config)
    with bar("Markets lived", settings) as advance:
        return match_cohort(fit, seeded(config, settings), progress=advance), None


def calibrate_targets(settings: Calibration, config: Config) -> tuple[Fit, None]:
    """Find the markets that show what is asked for."""
    targets = read_targets(settings.data)
    compile_first(config)
    with bar("Markets lived", settings) as advance:
        fit = fit_targets(targets, seeded(config, settings), settings.targets,
                          source=settings.data, progress=advance)  # fmt: skip
    return fit, None


FITS: Mapping[DataKind, Callable[[Calibration, Config], tuple[Fit, str | None]]] = {
    DataKind.PANEL: calibrate_panel,
    DataKind.TRANSACTIONS: calibrate_log,
    DataKind.TARGETS: calibrate_targets,
}
"""What each kind of data is fitted by; with it the brand that is to be the focal one."""


def calibrate_levers(settings: Calibration, config: Config, command: str) -> None:
    """Update every lever that was tested, and write it where `--config-dir` finds it."""
    tests = read_lift_tests(settings.data)
    folder = Path(settings.out or "tested")
    check_folder(folder / "lever")
    compile_first(config)
    for name in dict.fromkeys(test.lever for test in tests):
        with bar(f"Worlds lived for {name}", settings) as advance:
            found = fit_lift(tests, name, seeded(config, settings), settings.lift,
                             source=settings.data, progress=advance)  # fmt: skip
        heading = [command, "", *found.fit.notes]
        out = write_text(folder / "lever" / f"{name}.yaml", lever_text(found.lever, heading))
        show(found.fit, out, folder / name)
    print(f"With it: fidelio run --config-dir {folder} ...")


def seeded(config: Config, settings: Calibration) -> Config:
    """Return the study with the calibration's own seed and threads."""
    engine = replace(config.engine, threads=settings.threads)
    return replace(config, seed=settings.seed, engine=engine)


def bar(text: str, settings: Calibration) -> AbstractContextManager[Any]:
    """Return a bar of what is lived."""
    return progress_bar(Console(stderr=True), text, wanted=settings.progress)
