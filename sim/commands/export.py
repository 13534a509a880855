"""`fidelio export`: what a firm would have observed in a simulated market, with the truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sim.calibration.export import export_log, export_panel
from sim.commands.arguments import compile_first, read_arguments
from sim.config.calibration import Export, Observed
from sim.store import check_folder, check_table

HELP = """\
fidelio export: what a firm would have observed in a simulated market, with the truth beside it

usage: fidelio export kind=panel|transactions out=FILE [KEY=VALUE ...]

  kind            panel          choices of households among all brands, with prices
                  transactions   orders of one brand's customers
  out             FILE.csv or FILE.parquet; FILE.units and FILE.truth.json go beside it

{settings}

What is lived is a study's plan: scenario=, market=, plan=, rivals=, customers=, quarters= ...
Prices of a panel move only if somebody moves them: rivals=price_variation.

examples:
  fidelio export kind=panel out=panel.csv plan=today rivals=price_variation customers=5000
  fidelio export kind=transactions out=orders.parquet scenario=retail_three_phase newcomers=true
"""


def main(arguments: Sequence[str]) -> None:
    """Live one plan in one world, and write what was to be seen of it.

    Raises
    ------
    ConfigError, DataError, StoreError
        If settings cannot be used, nobody bought, or the place cannot be written.
    """
    given = read_arguments(Export, "export", arguments, HELP)
    if given is None:
        return
    settings, config = given
    out = Path(settings.out)
    check_table(out)
    check_folder(out.parent)
    compile_first(config)
    watched: dict[str, Any] = {
        "households": settings.households,
        "world": settings.world,
        "burn_in": settings.burn_in,
        "newcomers": settings.newcomers,
    }
    if settings.kind is Observed.PANEL:
        made = export_panel(config, **watched)
    else:
        made = export_log(config, brand=settings.brand, start=settings.start, **watched)
    files = made.save(out)
    n_units = made.observed.iloc[:, 0].nunique()
    print(f"{len(made.observed):,} purchases by {n_units:,} households")
    for file in files:
        print(file)
