"""`fidelio explain`: which lever, phase, segment and mechanism earns what a plan earns."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from sim.commands.arguments import read_arguments
from sim.commands.common import console
from sim.commands.planning import open_lives, output_folder, watch
from sim.config.explain import Explain, Players
from sim.planning.attribution import (
    NPV,
    Division,
    Explanation,
    checked_outcomes,
    explain,
)
from sim.report.attribution import (
    NOUNS,
    PAYS,
    explanation_finding,
    headline,
    interval,
    name_of,
    order_of,
    scale_of,
    total_sentence,
)
from sim.report.attribution_figures import signed
from sim.report.finding import write_finding

HELP = """\
fidelio explain: which lever, phase, segment and mechanism earns what a plan earns

usage: fidelio explain [scenario=NAME] [plan=NAME] [KEY=VALUE ...]

  players         among whom it is shared out: levers, phases, segments, mechanisms
  outcomes        what is shared out beside npv: churn_annual, loyalty_index, nps, share, ...
  coalitions      up to so many are all lived, and shares are exact
  permutations    orders that are drawn where there are more, an even number

{settings}

Whatever else is given is of the study, as with `fidelio run`: replications=32 customers=5000
It writes explain.html, its pictures as SVG and PNG, its tables as CSV and its figures as JSON.

examples:
  fidelio explain scenario=retail_three_phase
  fidelio explain scenario=retail_three_phase players=[levers] outcomes=[npv,nps] replications=32
"""


def main(arguments: Sequence[str]) -> None:
    """Share out what the plan earns, write the page, and print who earns it.

    Raises
    ------
    ConfigError
        If a setting cannot be used, or there is nothing to share out.
    EngineError, StoreError
        If a life cannot be lived, or the folder not be used.
    Interrupted
        If the user stopped it; what was lived is kept.
    """
    given = read_arguments(Explain, "explain", arguments, HELP)
    if given is None:
        return
    settings, config = given
    checked_outcomes(config, settings)
    folder = output_folder(settings.out, "explain")
    with open_lives(settings, config, folder) as lives, watch(settings) as seen:
        found = explain(config, settings, lives, seen)
    page = write_finding(explanation_finding(found), folder, "explain")
    show(found)
    print(f"Figures: {folder}\nPage:    {page}")


def show(found: Explanation) -> None:
    """Print what is shared out, and who has which share of it."""
    out = console()
    out.print(headline(found))
    out.print(total_sentence(found))
    for remark in found.remarks:
        out.print(remark)
    for kind, division in found.divisions.items():
        out.print(shares_table(found, kind, division))
    if found.split is not None:
        out.print(segment_table(found))


def shares_table(found: Explanation, kind: Players, division: Division) -> Table:
    """Return the shares of a kind of players as the terminal shows them."""
    table = Table()
    table.add_column(NOUNS[kind][0])
    scales = {name: scale_of(found, name, shares.shares)
              for name, shares in division.outcomes.items()}  # fmt: skip
    for name, scale in scales.items():
        unit = f", {scale.unit}" if scale.unit else ""
        table.add_column(f"{name}{unit}", justify="right")
        table.add_column("95%", justify="right")
        if name == NPV and kind is not Players.MECHANISMS:
            table.add_column("")
    outcomes = division.outcomes
    for i in order_of(outcomes[NPV]):
        cells = []
        for name, scale in scales.items():
            size = outcomes[name].shares[i]
            cells += [signed(scale, size.mean), interval(scale, size)]
            if name == NPV and kind is not Players.MECHANISMS:
                cells.append(PAYS[size.sign])
        table.add_row(name_of(kind, division.names[i]), *cells)
    return table


def segment_table(found: Explanation) -> Table:
    """Return the cash of each segment as the terminal shows it."""
    split = found.split
    assert split is not None  # the caller looked
    scale = scale_of(found, NPV, [*split.cash, split.spent, split.total])
    table = Table()
    table.add_column("segment")
    table.add_column(f"cash, {scale.unit}", justify="right")
    table.add_column("95%", justify="right")
    rows = [*zip(split.names, split.cash, strict=True), ("what the plan costs", split.spent),
            ("the whole plan", split.total)]  # fmt: skip
    for name, size in rows:
        table.add_row(name.replace("_", " "), signed(scale, size.mean), interval(scale, size))
    return table
