"""`fidelio list`: what is shipped, one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from sim.commands.common import console
from sim.config.files import folder_of, read
from sim.errors import ConfigError

KINDS = {
    "scenarios": "scenario",
    "markets": "market",
    "plans": "plan",
    "levers": "lever",
    "rivals": "rivals",
    "risks": "risks",
    "finance": "finance",
    "desks": "desk",
    "organisations": "organisation",
    "designs": "design",
    "shocks": "shock",
}
"""What can be listed, and the group that it lies in."""
FIRST = ("scenarios", "markets", "plans", "levers")
"""What is listed if nothing is asked for."""

HELP = f"""\
usage: fidelio list [{"|".join(KINDS)}]

Lists what is shipped, one line each: name and title; for a plan also its total spend, for a lever
the rows of evidence that it rests on. Without an argument: {", ".join(FIRST)}.
"""


def main(arguments: Sequence[str]) -> None:
    """Print the tables of the kinds asked for.

    Raises
    ------
    ConfigError
        If there is no such kind.
    """
    if {"-h", "--help"} & {*arguments}:
        print(HELP, end="")
        return
    for kind in arguments:
        if kind not in KINDS:
            raise ConfigError(f"nothing to list by the name of {kind}", value=kind, known=KINDS)
    out = console()
    for kind in arguments or FIRST:
        out.print(table(kind))


def table(kind: str) -> Table:
    """Return the table of one kind."""
    made = Table(title=kind, title_justify="left", title_style="bold", box=None, pad_edge=False)
    made.add_column("name", style="cyan", no_wrap=True)
    made.add_column("title", no_wrap=True, overflow="ellipsis")
    heading, describe = MORE.get(kind, ("", None))
    if describe:
        made.add_column(heading, no_wrap=True, justify="right" if kind == "plans" else "left")
    for file in files(kind):
        data = read(file)
        row = [file.stem, str(data.get("title", ""))]
        made.add_row(*(Text(cell) for cell in [*row, *([describe(data)] if describe else [])]))
    return made


def files(kind: str) -> list[Path]:
    """Return the shipped files of a kind, by name."""
    return sorted(folder_of(KINDS[kind]).glob("*.yaml"))


def _spend(plan: Mapping[str, Any]) -> str:
    """Return what all phases of a plan put into levers, in the market's currency."""
    amounts = [
        amount for phase in plan.get("phases") or [] for amount in phase.get("spend", {}).values()
    ]
    about = "~" if any(isinstance(amount, Mapping) for amount in amounts) else ""
    return f"{about}{sum(_amount(amount) for amount in amounts):,.0f}"


def _amount(amount: Any) -> float:
    if not isinstance(amount, Mapping):
        return float(amount)
    from sim.config.fields import Uncertain

    [(form, parameters)] = amount.items()
    return float(Uncertain(form, tuple(parameters)))


def _evidence(lever: Mapping[str, Any]) -> str:
    return " ".join(map(str, lever.get("evidence") or []))


MORE: dict[str, tuple[str, Callable[[Mapping[str, Any]], str]]] = {
    "plans": ("total spend", _spend),
    "levers": ("evidence", _evidence),
}
"""A third column: its heading, and what stands in it."""
