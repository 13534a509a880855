"""Who holds which tier at the plan's start and end, and who moves between tiers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.report.folder import RunFolder
from sim.report.numbers import DASH, percent, plain
from sim.report.words import Words, readable
from sim.types import F64


@dataclass(frozen=True)
class TierRow:
    """One tier, averages over futures."""

    name: str
    members: tuple[str, str]
    share: tuple[str, str]
    moved: tuple[str, str, str]
    """Up, down and out, in a year, as shares of the tier's members."""


def plan_with_tiers(folder: RunFolder) -> str | None:
    """Return the best plan under which there are members, or None."""
    if folder.tiers.empty:
        return None
    known = set(folder.tiers["plan"])
    return next((plan for plan in folder.plans if plan in known), None)


def flows(folder: RunFolder, plan: str) -> F64:
    """Return moves of real customers, averaged over futures: quarters x tier before x tier now."""
    rows = folder.tiers[(folder.tiers["plan"] == plan) & (folder.tiers["segment"] == "all")]
    n_tiers = 1 + max(int(rows[["from_tier", "to_tier"]].max().max()), len(_told(folder, plan)))
    table = np.zeros((folder.quarters, n_tiers, n_tiers))
    at = tuple(rows[key].to_numpy(dtype=int) for key in ("quarter", "from_tier", "to_tier"))
    np.add.at(table, (at[0] - 1, at[1], at[2]), rows["customers"].to_numpy(dtype=float))
    return table / folder.replications


def tier_rows(words: Words, folder: RunFolder) -> list[TierRow]:
    """Return a row per tier, the lowest first; empty if there is no membership."""
    plan = plan_with_tiers(folder)
    if plan is None:
        return []
    table = flows(folder, plan)
    start, end = table[0].sum(axis=1), table[-1].sum(axis=0)
    names = tier_names(words, folder, plan, len(start))
    return [
        TierRow(
            name=names[tier],
            members=(plain(float(start[tier])), plain(float(end[tier]))),
            share=(_share(start, tier), _share(end, tier)),
            moved=_moved(table, tier),
        )
        for tier in range(1, len(start))
    ]


def _share(people: F64, tier: int) -> str:
    members = float(people[1:].sum())
    return percent(float(people[tier]) / members, 0) if members else ""


def _moved(table: F64, tier: int) -> tuple[str, str, str]:
    """Return moves out of a tier in a year, over the people who were in it."""
    quarters_lived = float(table[:, tier].sum())
    if not quarters_lived:
        return DASH, DASH, DASH
    up, down = table[:, tier, tier + 1 :].sum(), table[:, tier, 1:tier].sum()
    out = table[:, tier, 0].sum()
    yearly = [4.0 * float(moves) / quarters_lived for moves in (up, down, out)]
    highest, lowest = tier == table.shape[1] - 1, tier == 1
    return (
        DASH if highest else percent(yearly[0], 0),
        DASH if lowest else percent(yearly[1], 0),
        percent(yearly[2], 0),
    )


def tier_names(words: Words, folder: RunFolder, plan: str, n_tiers: int) -> list[str]:
    """Return the name of every tier; number 0 is for who is no member."""
    told = _told(folder, plan)
    names = [readable(str(tier.get("name", ""))) for tier in told]
    numbered = [words("tier.number", n=n) for n in range(1, n_tiers)]
    return ["", *(names if len(names) == n_tiers - 1 else numbered)]


def _told(folder: RunFolder, plan: str) -> list[Mapping[str, Any]]:
    """Return the tiers of the membership that a plan pays for, lowest first."""
    rules = [lever.get("membership") for lever in folder.paid_levers(plan).values()]
    return next((rule.get("tiers") or [] for rule in rules if rule), [])
