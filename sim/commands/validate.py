"""`fidelio validate`: a market held against published regularities, and against kept-back data."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sim.calibration.fit import Fit
from sim.commands.arguments import compile_first, read_arguments, status
from sim.commands.common import console, progress_bar
from sim.commands.data import log_of, panel_of
from sim.commands.fit import show_fit
from sim.config.build import at_medians
from sim.config.calibration import DataKind, Validation
from sim.config.files import is_path, shown
from sim.config.study import Config
from sim.errors import ConfigError, DataError
from sim.report.scorecard import reading_text
from sim.report.validation import write_validation_page
from sim.store import check_folder
from sim.validation.card import Scorecard, compact, keep_card
from sim.validation.prediction import predict_log, predict_panel
from sim.validation.scorecard import score

HELP = """\
fidelio validate: a market against published regularities of markets, and against kept-back data

usage: fidelio validate market=MARKET [data=FILE kind=panel|transactions] [KEY=VALUE ...]

  market          the name or file of a market
  data            what the market should predict; the columns are those of `fidelio calibrate`
  kind            panel or transactions

{settings}

Beside a market file that `fidelio calibrate` wrote lies FILE.fit.json: what it says of features and
displays, for which a market has no setting, is used.

examples:
  fidelio validate market=online_retail
  fidelio validate market=yogurt.yaml data=data/panels_gpl/yogurt.csv kind=panel
"""


def main(arguments: Sequence[str]) -> None:
    """Try the market, predict the data, write the page, and print what held.

    Raises
    ------
    ConfigError, DataError, StoreError
        If market, data or place cannot be used.
    """
    given = read_arguments(Validation, "validate", arguments, HELP)
    if given is None:
        return
    settings, config = given
    if settings.data is not None and settings.kind not in {DataKind.PANEL, DataKind.TRANSACTIONS}:
        raise ConfigError("tells what the data are", key="kind", value=settings.kind,
                          allowed="kind=panel or kind=transactions")  # fmt: skip
    folder = Path(settings.out or time.strftime("outputs/validate/%Y-%m-%d/%H-%M-%S"))
    check_folder(folder)
    predicted = _predicted(settings, config, arguments)
    compile_first(config)
    errors = Console(stderr=True)
    with progress_bar(errors, "Worlds tried", wanted=settings.progress) as advance:
        card = score(config, replications=settings.worlds, progress=advance)
    keep_card(card)
    page = write_validation_page(card, folder, predicted.document() if predicted else None)
    show(card, predicted)
    print(f"Figures: {folder}\nPage:    {page}")


def _predicted(settings: Validation, config: Config, arguments: Sequence[str]) -> Fit | None:
    """Return how the market predicts the data, uncertain numbers at their medians; None if none."""
    if settings.data is None:
        return None
    market = at_medians(config).market
    options: dict[str, Any] = {"seed": settings.seed, "threads": settings.threads}
    known = known_numbers(arguments)
    with status(wanted=settings.progress) as say:
        say("reading")
        if settings.kind is DataKind.PANEL:
            panel = panel_of(settings, settings.data)
            return predict_panel(panel, market, known, progress=say, **options)
        log = log_of(settings, settings.data)
        return predict_log(log, market, known, progress=say, **options)


def known_numbers(arguments: Sequence[str]) -> dict[str, float]:
    """Return the estimates in FILE.fit.json beside the market file that is asked for, if any."""
    paths = [text.removeprefix("market=") for text in arguments if text.startswith("market=")]
    fits = [Path(path).with_suffix(".fit.json") for path in paths if is_path(path)]
    if not fits or not fits[-1].is_file():
        return {}
    try:
        parameters = json.loads(fits[-1].read_text("utf-8"))["parameters"]
        return {name: float(found["estimate"]) for name, found in parameters.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"{shown(fits[-1])}: is no fit; remove it or calibrate again") from None


def show(card: Scorecard, predicted: Fit | None) -> None:
    """Print what held, and how the data were predicted."""
    out = console()
    table = Table(title=card.title, title_justify="left")
    for column in ("regularity", "", "figures"):
        table.add_column(column)
    for row in compact(card)["rows"]:
        figures = "; ".join(reading_text(reading) for reading in row["readings"])
        table.add_row(row["title"], row["verdict"], figures)
    out.print(table)
    for line in card.failed:
        if line.note:
            out.print(f"Note: {line.title}: {line.note}")
    if predicted is not None:
        show_fit(predicted)
    held = len(card.judged) - len(card.failed)
    out.print(f"{held} of {len(card.judged)} published regularities hold.")
