"""How a fit is told on the terminal."""

from __future__ import annotations

from rich.table import Table

from sim.calibration.fit import Fit
from sim.commands.common import console


def show_fit(fit: Fit) -> None:
    """Print how well it fits and predicts, the estimates, and what the reader has to know."""
    out = console()
    out.print(f"\n{fit.source}: {fit.n_units:,} units, {fit.n_train:,} for estimation, "
              f"{fit.n_test:,} kept back")  # fmt: skip
    if fit.models:
        out.print(_models(fit))
    if fit.parameters:
        out.print(_estimates(fit))
    for title, figures in (("Closed loop", fit.closed_loop), ("Holdout", fit.holdout)):
        if figures:
            plain = {
                name: value for name, value in figures.items() if isinstance(value, int | float)
            }
            out.print(f"{title}: " + ", ".join(f"{n} {v:.4g}" for n, v in plain.items()))
    for reason, count in fit.left_out.items():
        out.print(f"Left out: {count:,} ({reason})")
    for note in fit.notes:
        out.print(f"Note: {note}")


def _models(fit: Fit) -> Table:
    table = Table(title="Log-likelihood", title_justify="left")
    for column in ("", "estimation", "kept back"):
        table.add_column(column, justify="right" if column else "left")
    ours = {"train_ll": fit.train_ll, "test_ll": fit.test_ll}
    for name, model in {**fit.models, "this market": ours}.items():
        table.add_row(name, *(_cell(model.get(part)) for part in ("train_ll", "test_ll")))
    return table


def _estimates(fit: Fit) -> Table:
    table = Table(title="Estimates", title_justify="left")
    for column in ("", "estimate", "s.e."):
        table.add_column(column, justify="right" if column else "left")
    for name, (estimate, se) in fit.parameters.items():
        table.add_row(name, _cell(estimate), _cell(se))
    return table


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
