"""Figures of known runs, kept in golden.json, so that no change moves a result unseen.

    python tests/test_golden.py

writes the file anew. A change that moves results says so in CHANGELOG.md, marked **results**.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import sim
from sim.study import run_study

GOLDEN = Path(__file__).with_name("golden.json")
SIZE = ["customers=3000", "replications=4", "engine.progress=false"]
RUNS = {
    "retail_three_phase": ("retail_three_phase", []),
    "retail_service_first_with_risks": (
        "retail_three_phase",
        ["plan=service_first", "risks=retail", "rivals=yearly_sale"],
    ),
    "mobile_telecom": (None, ["market=mobile_telecom", "plan=service_first"]),
}
TOLERANCE = 1e-6
"""Rounding of another processor or library; a single customer's other choice moves more."""


def figures(name: str) -> dict[str, float | None]:
    """Return mean levels and mean differences of a run's outcomes; None where there is none."""
    scenario, overrides = RUNS[name]
    summary = run_study(sim.load(scenario, [*SIZE, *overrides])).summary()
    levels = {name: found["plan"] for name, found in summary["outcomes"].items()}
    differences = {
        f"{name} difference": found["difference"]["mean"]
        for name, found in summary["outcomes"].items()
    }
    return levels | differences


@pytest.mark.parametrize("name", RUNS)
def test_results_are_those_that_were_kept(name: str) -> None:
    kept = json.loads(GOLDEN.read_text())[name]
    found = figures(name)
    assert found.keys() == kept.keys()
    for outcome, value in kept.items():
        expected = value if value is None else pytest.approx(value, rel=TOLERANCE)
        assert found[outcome] == expected, outcome


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps({name: figures(name) for name in RUNS}, indent=1) + "\n")
