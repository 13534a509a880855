"""`fidelio discover`: where in a sweep a plan fails, in words, as a page, pictures, tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from sim.commands.arguments import status
from sim.commands.common import console
from sim.commands.show import default_folder
from sim.config.discover import Discover
from sim.config.settings import read_settings, settings_help
from sim.errors import ConfigError, Interrupted
from sim.planning.discovery import Rule, check_package, discover
from sim.planning.failing import Question, Threshold, read_failing
from sim.planning.failure_tree import grow
from sim.report.discovery import DiscoveryReport, units_of
from sim.report.finding import write_finding
from sim.report.sweep_words import ABOUT_ZERO, LESS_IS_BETTER
from sim.sweep.reading import open_sweep

HELP = """\
fidelio discover: the region of a sweep's factors where a plan loses money or misses a target

usage: fidelio discover SWEEP [KEY=VALUE ...]

  SWEEP           the folder of a sweep, or where fsspec finds it; it need not be finished
  outcome         what is judged: npv, roi, churn_annual, ...
  plan, against   whose; and a plan that it must not be worse than
  fails_below, fails_above, target
                  what must not be missed: one of the three; 0 where that parts gain from loss
  by              mean: a point fails if its mean does; world: if the share of its worlds does

{settings}

It needs pip install 'fidelio[discovery]'. It writes discover.html, discovery.json, its pictures as
SVG and PNG and its tables as CSV.

examples:
  fidelio discover outputs/sweeps/market_and_money
  fidelio discover outputs/sweeps/market_and_money outcome=churn_annual target=0.3
  fidelio discover outputs/sweeps/market_and_money by=world share=0.25
  fidelio discover outputs/sweeps/market_and_money plan=three_phase against=service_first
"""


def main(arguments: Sequence[str]) -> None:
    """Read the sweep, find where the plan fails, write the page, and print the regions.

    Raises
    ------
    ConfigError, StoreError
        If the sweep has no such outcome, plan or factor; too little to tell a region by; or a
        place cannot be read or written.
    Interrupted
        If the user stopped it.
    """
    if {"-h", "--help"} & {*arguments}:
        print(HELP.format(settings=settings_help(Discover, "discover")), end="")
        return
    given, settings = read_given(arguments)
    question = question_of(settings)
    check_package()
    folder = Path(settings.out) if settings.out else default_folder(given, "discover")
    rule = Rule(settings.density, settings.box, settings.regions, settings.smallest,
                settings.resamples)  # fmt: skip
    try:
        with status(wanted=settings.progress) as say:
            say("reading")
            with open_sweep(given) as sweep:
                failing = read_failing(sweep, question)
            found = discover(failing, rule, say)
            say("growing a tree")
            tree = grow(found.failing, settings.smallest)
            report = DiscoveryReport(found, tree, units_of(failing.means.documents[0]))
            page = write_finding(report.finding(), folder, "discover")
    except KeyboardInterrupt:
        raise Interrupted("stopped; nothing was written. The same command begins anew") from None
    show(report)
    print(f"Figures: {folder}\nPage:    {page}")


def read_given(arguments: Sequence[str]) -> tuple[str, Discover]:
    """Return the sweep's place and the settings that follow it.

    Raises
    ------
    ConfigError
        If there is no sweep, or a setting cannot be used.
    """
    first = arguments[0] if arguments else "-"
    if first.startswith("-") or first.partition("=")[0] in Discover.__dataclass_fields__:
        raise ConfigError("the folder of a sweep comes first",
                          allowed="fidelio discover SWEEP [KEY=VALUE ...]")  # fmt: skip
    settings, others = read_settings(Discover, "discover", arguments[1:])
    if others:
        raise ConfigError("is a setting of a study, not of what is looked for",
                          key=others[0].partition("=")[0],
                          allowed=", ".join(Discover.__dataclass_fields__))  # fmt: skip
    return first, settings


def question_of(settings: Discover) -> Question:
    """Return when a point fails.

    Raises
    ------
    ConfigError
        If no threshold is given and 0 says nothing of the outcome.
    """
    return Question(settings.outcome, settings.plan, _threshold(settings), settings.against,
                    settings.by, settings.share, settings.factors)  # fmt: skip


def _threshold(settings: Discover) -> Threshold:
    if settings.fails_below is not None:
        return Threshold(settings.fails_below, below=True)
    if settings.fails_above is not None:
        return Threshold(settings.fails_above, below=False)
    below = settings.outcome not in LESS_IS_BETTER
    if settings.target is not None:
        return Threshold(settings.target, below)
    if settings.against is None and settings.outcome not in ABOUT_ZERO:
        raise ConfigError(f"is missing: 0 says nothing of {settings.outcome}", key="target",
                          allowed="target=, fails_below= or fails_above=")  # fmt: skip
    return Threshold(0.0, below)


def show(report: DiscoveryReport) -> None:
    """Print the headline, what is to be known about it, and each region with its limits."""
    out = console()
    out.print(report.headline)
    for remark in report.remarks:
        out.print(remark)
    for number, region in enumerate(report.found.regions):
        table = Table(title=report.region_title(number), title_justify="left")
        table.add_column("fails where")
        for column in report.limit_columns[1:]:
            table.add_column(column, justify="right")
        for row in report.limit_rows(region):
            table.add_row(row.name, *row.cells)
        out.print(table)
