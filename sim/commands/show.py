"""`fidelio show`: what decides an outcome of a sweep, as a page, pictures, tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from sim.commands.arguments import status
from sim.commands.common import console
from sim.config.settings import read_settings, settings_help
from sim.config.show import Show
from sim.errors import ConfigError
from sim.report.sweep import SweepReport, share_with_interval, write_sweep_page
from sim.report.sweep_words import factor_label, share_text, value_text
from sim.sweep.means import read_means
from sim.sweep.reading import open_sweep

HELP = """\
fidelio show: what decides an outcome of a sweep, in words, pictures and tables

usage: fidelio show SWEEP [KEY=VALUE ...]

  SWEEP           the folder of a sweep, or where fsspec finds it; it need not be finished
  outcome         what is shown: npv, roi, churn_annual, ...
  plan            whose
  factors         [NAME, ...]: only these
  out             folder of the page

{settings}

It writes sweep.html, its pictures as SVG and PNG and its tables as CSV.

examples:
  fidelio show outputs/sweeps/budgets
  fidelio show outputs/sweeps/budgets outcome=churn_annual plan=three_phase
"""


def main(arguments: Sequence[str]) -> None:
    """Read the sweep, analyse it, write the page, and print what decides.

    Raises
    ------
    ConfigError, StoreError
        If the sweep has no such outcome, plan or factor; nothing to show; or a place cannot be
        read or written.
    """
    if {"-h", "--help"} & {*arguments}:
        print(HELP.format(settings=settings_help(Show, "show")), end="")
        return
    given, settings = read_given(arguments)
    folder = Path(settings.out) if settings.out else default_folder(given, "show")
    with status(wanted=True) as say:
        say("reading")
        with open_sweep(given) as sweep:
            means = read_means(sweep, settings.outcome, settings.plan, settings.factors)
        say("analysing")
        report = SweepReport(means)
        page = write_sweep_page(report, folder)
    show(report)
    print(f"Figures: {folder}\nPage:    {page}")


def read_given(arguments: Sequence[str]) -> tuple[str, Show]:
    """Return the sweep's place and the settings that follow it.

    Raises
    ------
    ConfigError
        If there is no sweep, or a setting cannot be used.
    """
    if not arguments or arguments[0].startswith("-") or _is_setting(arguments[0]):
        raise ConfigError("the folder of a sweep comes first",
                          allowed="fidelio show SWEEP [KEY=VALUE ...]")  # fmt: skip
    given, *rest = arguments
    settings, others = read_settings(Show, "show", rest)
    if others:
        key = others[0].partition("=")[0]
        raise ConfigError("is a setting of a study, not of what is shown", key=key,
                          allowed=", ".join(Show.__dataclass_fields__))  # fmt: skip
    return given, settings


def _is_setting(text: str) -> bool:
    return text.partition("=")[0] in Show.__dataclass_fields__ and "=" in text


def default_folder(given: str, name: str) -> Path:
    """Return where a page of a sweep goes: beside its data if they lie on this machine."""
    scheme, _, path = given.rpartition("://")
    if scheme in {"", "file", "local"}:
        return Path(path, name)
    return Path("outputs", name, path.rstrip("/").rpartition("/")[2])


def show(report: SweepReport) -> None:
    """Print the headline, what is not shown, and how much each factor explains."""
    out = console()
    out.print(report.headline)
    for remark in report.remarks:
        out.print(remark)
    if not report.effects:
        return
    say = report.told
    table = Table()
    table.add_column("factor")
    indices = indices_of(report)
    for column in ("lowest", f"mean {say.noun}", "highest", f"mean {say.noun}", "explains",
                   *indices):  # fmt: skip
        table.add_column(column, justify="right")
    for effect in report.effects:
        ends = (0, len(effect.at) - 1)
        values = [text for place in ends
                  for text in (value_text(effect.factor, float(effect.at[place])),
                               say.full(float(effect.mean[place])))]  # fmt: skip
        name = factor_label(effect.factor.name, 60)
        own = [column.get(effect.factor.name, "") for column in indices.values()]
        table.add_row(name, *values, share_with_interval(effect), *own)
    out.print(table)


def indices_of(report: SweepReport) -> dict[str, dict[str, str]]:
    """Return the indices of a design that is made for them: by heading, each factor's."""
    if found := report.sobol:
        both = {"S1": found.first, "ST": found.total}
        return {name: dict(zip(found.names, map(share_text, of), strict=True))
                for name, of in both.items()}  # fmt: skip
    if screened := report.morris:
        sizes = (report.told.full(one.value) for one in screened.mu_star)
        return {"μ*": dict(zip(screened.names, sizes, strict=True))}
    return {}
