"""Make the plans of the experiment: the shipped programme with less money, by phase.

    python experiments/budget_cuts/plans.py

Writes `plans/*.yaml` from `conf/plan/three_phase.yaml`; a test fails when the two drift apart. A
cut scales what each lever of a phase gets, and takes none away: levers that others need stay.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from sim.config.load import load
from sim.config.plan import Plan

HERE = Path(__file__).parent
FULL = "three_phase"
CUTS = (500_000, 1_000_000)
"""What is taken, in CNY; the second is nearly all of the first phase."""
TOTAL = 6_700_000
"""What the whole programme may spend."""
EVENLY = "evenly"
PHASES = {"short": "phase 1", "mid": "phase 2", "long": "phase 3"}
PLACES = (*PHASES, EVENLY)
"""Where a cut may fall: a phase, or all of them in proportion to their money."""


def name_of(place: str, cut: int) -> str:
    """Return the name of the plan with a cut, in thousands."""
    return f"cut_{place}_{cut // 1000}"


def scaled(spend: dict[str, float], total: float) -> dict[str, int]:
    """Return what each lever gets of a total in whole CNY, in the proportions that it had."""
    share = total / sum(spend.values())
    found = {lever: round(amount * share) for lever, amount in spend.items()}
    largest = max(found, key=found.__getitem__)
    found[largest] += round(total) - sum(found.values())
    return found


def cut_plan(full: Plan, place: str, cut: int) -> dict[str, object]:
    """Return a plan less a cut, as YAML has it."""
    money = {phase.name: sum(phase.spend.values()) for phase in full.phases}
    if place == EVENLY:
        share = 1 - cut / sum(money.values())
        left = {name: round(amount * share) for name, amount in money.items()}
        left["long"] += round(sum(money.values())) - cut - sum(left.values())
        where = "all phases in proportion"
    else:
        left = {name: amount - cut * (name == place) for name, amount in money.items()}
        where = PHASES[place]
    return {
        "name": name_of(place, cut),
        "title": f"CNY {cut:,} less, from {where}",
        "phases": [
            {
                "name": phase.name,
                "quarters": list(phase.quarters),
                "spend": scaled(phase.spend, left[phase.name]),
            }
            for phase in full.phases
        ],
        "provenance": {"phases": f"assumed: {FULL}, scaled by experiments/budget_cuts/plans.py"},
    }


def plan_files() -> dict[str, str]:
    """Return the text of each plan's file, by the file's name."""
    full = load("retail_three_phase", [f"plan={FULL}"]).plan
    files = {}
    for cut in CUTS:
        for place in PLACES:
            text = yaml.safe_dump(cut_plan(full, place, cut), sort_keys=False, width=100)
            files[f"{name_of(place, cut)}.yaml"] = f"# made by plans.py\n{text}"
    return files


def main() -> None:
    """Write all of them."""
    folder = HERE / "plans"
    folder.mkdir(exist_ok=True)
    for name, text in plan_files().items():
        (folder / name).write_text(text, encoding="utf-8")
        print(folder / name)


if __name__ == "__main__":
    main()
