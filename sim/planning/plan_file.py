"""A plan as the text of a file that `fidelio run plan=FILE` takes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, Final

import yaml  # type: ignore[import-untyped]

from sim.config.build import dump
from sim.config.plan import Plan

WIDTH: Final = 110
KEPT: Final = ("name", "title", "phases")
"""What stands in the file also if it is empty."""


def plan_text(plan: Plan, heading: Sequence[str]) -> str:
    """Return a plan as YAML; what is as by default is left out.

    Parameters
    ----------
    plan
        The plan.
    heading
        Lines of comment at its top.
    """
    usual = dump(Plan(plan.name, plan.title))
    data = {name: value for name, value in dump(plan).items()
            if name in KEPT or value != usual[name]}  # fmt: skip
    lines = [f"# {part}" for line in heading for part in textwrap.wrap(line, WIDTH - 2)]
    for name, value in data.items():
        if name == "phases" and value:
            lines += ["phases:", *(f"  - {_flow(phase)}" for phase in value)]
        elif name == "provenance":
            lines += ["provenance:", *(f"  {key}: {_flow(text)}" for key, text in value.items())]
        else:
            lines.append(f"{name}: {_flow(value)}")
    return "\n".join(lines) + "\n"


def _flow(value: Any) -> str:
    """Return a value on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True,
                          width=10**6)  # fmt: skip
    return str(text).removesuffix("\n").removesuffix("\n...")
