"""What a plan's gate and reviews decided on the way: how often, and how much money it moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sim.report.folder import RunFolder
from sim.report.numbers import DASH, MoneyUnit, known, money_unit, percent, plain
from sim.report.words import Words, in_sentence, plan_title, readable


@dataclass(frozen=True)
class RuleRow:
    """One rule of a review."""

    name: str
    when: str
    moves: str
    acted: str
    """Share of futures in which it acted at least once."""
    times: str
    """Per future."""
    each: str
    """Money moved each time, average."""
    whole: str
    """Money moved per future, average."""


def plans_that_decide(folder: RunFolder) -> list[str]:
    """Return the plans of which a gate or a review decided something."""
    known_plans = set() if folder.decisions.empty else set(folder.decisions["plan"])
    return [plan for plan in folder.plans if plan in known_plans]


def rows_of(folder: RunFolder, plan: str, kind: str) -> pd.DataFrame:
    """Return the decisions of a plan's reviews or of its gate."""
    rows = folder.decisions
    return rows if rows.empty else rows[(rows["plan"] == plan) & (rows["kind"] == kind)]


def title(words: Words, folder: RunFolder) -> str:
    """Name what decided something."""
    plans = plans_that_decide(folder)
    kinds = set(folder.decisions.loc[folder.decisions["plan"].isin(plans), "kind"])
    key = "both" if len(kinds) > 1 else kinds.pop()
    return words(f"section.decisions.{key}")


def gate_verdict(words: Words, folder: RunFolder, plan: str) -> str:
    """Say in one sentence how often a plan's gate stopped it; nothing if it has none."""
    passed = rows_of(folder, plan, "gate")
    if passed.empty:
        return ""
    stopped, n = len(folder.stopped(plan)), len(passed)
    name = in_sentence(plan_title(folder, plan))
    key = "gate.never" if not stopped else "gate.always" if stopped == n else "gate.some"
    return words(key, plan=name, k=stopped, n=n)


def gate_lead(words: Words, folder: RunFolder, plan: str) -> str:
    """Tell what a gate looks at, how often it stopped the plan and what a stop saved."""
    said = gate_verdict(words, folder, plan)
    if not said:
        return ""
    gate = folder.definition(plan).get("gate") or {}
    conditions = [condition(words, each) for each in gate.get("conditions") or []]
    if conditions:
        asks = words("gate.asks", quarter=gate.get("after"), conditions=words.join(conditions))
        said = f"{asks} {said}"
    passed = rows_of(folder, plan, "gate")
    saved = passed.loc[passed["name"] == "stop", "amount"].astype(float)
    if saved.empty:
        return said
    money = money_unit([float(saved.mean())], folder.currency).full(float(saved.mean()))
    return f"{said} {words('gate.saved', money=money)}"


def review_lead(words: Words, folder: RunFolder, plan: str) -> str:
    """Say how often a plan is reviewed."""
    every = int((folder.definition(plan).get("review") or {}).get("every") or 1)
    return words("review.lead" if every == 1 else "review.lead.every", n=every)


def review_unit(folder: RunFolder, plan: str) -> MoneyUnit:
    """Choose the unit of the table of rules."""
    moved = rows_of(folder, plan, "review").groupby("name")["amount"].sum() / folder.replications
    return money_unit([float(amount) for amount in moved], folder.currency, extra=1)


def rule_rows(words: Words, folder: RunFolder, plan: str) -> list[RuleRow]:
    """Return a row per rule of a plan's review, also those that never acted."""
    rules = (folder.definition(plan).get("review") or {}).get("rules") or []
    rows, unit = rows_of(folder, plan, "review"), review_unit(folder, plan)
    return [_rule_row(words, folder, rule, rows, unit) for rule in rules] if len(rows) else []


def _rule_row(
    words: Words, folder: RunFolder, rule: Mapping[str, Any], rows: pd.DataFrame, unit: MoneyUnit
) -> RuleRow:
    acted = rows[rows["name"] == rule["name"]]
    amounts, n = acted["amount"].astype(float), folder.replications
    when = [condition(words, each) for each in rule.get("when") or []]
    return RuleRow(
        name=readable(str(rule["name"])),
        when=words("rule.when", conditions=words.join(when)),
        moves=_moves(words, rule),
        acted=percent(acted["replication"].nunique() / n, 0),
        times=plain(len(acted) / n, 1),
        each=unit.number(float(amounts.mean())) if len(acted) else DASH,
        whole=unit.number(float(amounts.sum()) / n),
    )


def _moves(words: Words, rule: Mapping[str, Any]) -> str:
    source, target = (readable(str(rule.get(key) or "")) for key in ("source", "target"))
    return words(
        "rule.moves",
        share=percent(known(rule.get("share")), 0),
        source=source or words("rule.all_others"),
        target=target or words("rule.savings"),
    )


def line(words: Words, folder: RunFolder, plan: str) -> str:
    """Tell in a line what the gate and the reviews of a plan decided."""
    said = [gate_lead(words, folder, plan)]
    unit = review_unit(folder, plan).name if rule_rows(words, folder, plan) else ""
    said += [
        words("review.line", rule=in_sentence(row.name), acted=row.acted, times=row.times,
              money=row.whole, unit=unit)
        for row in rule_rows(words, folder, plan)
    ]  # fmt: skip
    return " ".join(part for part in said if part)


def condition(words: Words, stated: Mapping[str, Any]) -> str:
    """Tell a condition on a measure in words."""
    bounds = [
        _bound(words, stated, key, bound)
        for key in ("at_least", "at_most")
        if (bound := known(stated.get(key))) is not None
    ]
    return words("when", measure=_subject(words, stated), bounds=words.join(bounds))


def _subject(words: Words, stated: Mapping[str, Any]) -> str:
    measure = str(stated["measure"])
    keys = (f"{group}.{measure}" for group in ("measure", "outcome"))
    name = next((words(key) for key in keys if words.has(key)), readable(measure))
    segment = str(stated.get("segment") or "all")
    if segment == "all":
        return name.lower()
    return words("when.of", measure=name.lower(), segment=in_sentence(readable(segment)))


def _bound(words: Words, stated: Mapping[str, Any], key: str, bound: float) -> str:
    if stated.get("over"):
        other = in_sentence(readable(str(stated["over"])))
        same = "same" if bound == 1.0 else "times"
        return words(f"when.{key}.{same}", n=f"{bound:g}", other=other)
    if stated.get("against") == "start":
        fallen = bound < 0 or (bound == 0 and key == "at_most")
        return words(f"when.{key}.{'fallen' if fallen else 'risen'}", n=percent(abs(bound), 0))
    return words(f"when.{key}", n=f"{bound:g}")
