"""The files of one finished run, read once and asked in the words of a report.

A report never sees a model: everything it says comes from `summary.json`, `manifest.json`,
`outcomes.parquet`, `measures.parquet` and `cash_flow.parquet`, and from the tables of EXTRA and
`scorecard.json` where the run has them: folders of older runs do not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from sim.errors import StoreError
from sim.types import F64

Made = TypeVar("Made")

CASH_COSTS = (
    "cost_of_goods",
    "reward_cost",
    "save_offer_cost",
    "acquisition_cost",
    "service_cost",
    "lever_capital",
    "lever_running",
    "staff",
)
"""Signed cost columns of the cash flow, in the order of an income statement."""
EXTRA = ("rollout", "events", "without_risks", "decisions", "levers", "tiers", "statement")
"""Tables that a folder may lack; they are then empty, without columns."""


@dataclass(frozen=True)
class Phase:
    """One phase of a plan: when it runs and what it is to spend on each lever."""

    name: str
    first: int
    last: int
    spend: Mapping[str, float]

    @property
    def total(self) -> float:
        """Planned spend of the phase over all levers."""
        return sum(self.spend.values())


@dataclass(frozen=True)
class RunFolder:
    """The content of a run folder, of one plan (`run`) or of several (`compare`)."""

    path: Path
    summary: Mapping[str, Any]
    manifest: Mapping[str, Any]
    outcomes: pd.DataFrame
    measures: pd.DataFrame
    cash_flow: pd.DataFrame
    rollout: pd.DataFrame = field(default_factory=pd.DataFrame)
    """What was built and brought out when, in weeks from the plan's start; empty if nothing was."""
    events: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Risk events by quarter; without columns in a folder that does not tell them."""
    without_risks: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Net cash of every plan in the same futures if no event strikes; empty without a register."""
    decisions: pd.DataFrame = field(default_factory=pd.DataFrame)
    """What reviews and gates decided, a row each time; empty if no plan has either."""
    levers: pd.DataFrame = field(default_factory=pd.DataFrame)
    """How ready each lever was, by quarter and segment."""
    tiers: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Moves between tiers of the membership, 0 for who is no member; empty if there is none."""
    statement: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Profit, tax and cash after tax by quarter; empty in folders of older runs."""

    scorecard: Mapping[str, Any] = field(default_factory=dict)
    """Which published regularities the market shows; empty if it was not asked."""

    _made: dict[tuple[str, ...], Any] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def once(self, key: tuple[str, ...], make: Callable[[], Made]) -> Made:
        """Return what is asked for several times but made once; nobody may change it."""
        if key not in self._made:
            self._made[key] = make()
        found: Made = self._made[key]
        return found

    @property
    def is_comparison(self) -> bool:
        """Whether several plans were run side by side."""
        return "plans" in self.summary

    @property
    def baseline(self) -> str:
        """Name of the plan that every other one is measured against."""
        return str(self.summary["baseline"])

    @property
    def plans(self) -> list[str]:
        """Names of the plans under question; in a comparison, best mean NPV first."""
        if not self.is_comparison:
            return [str(self.summary["plan"])]
        names = [name for name in self.summary["plans"] if name != self.baseline]
        return sorted(names, key=self._negative_npv)

    def _negative_npv(self, plan: str) -> float:
        mean = self.difference(plan, "npv").get("mean")
        return float("inf") if mean is None else -float(mean)

    @property
    def quarters(self) -> int:
        """Length of the horizon."""
        return int(self.summary["quarters"])

    @property
    def replications(self) -> int:
        """Number of paired possible worlds."""
        return int(self.summary["replications"])

    @property
    def currency(self) -> str:
        """Code of the currency of every money figure."""
        return str(self.summary["currency"])

    @property
    def configuration(self) -> Mapping[str, Any]:
        """The resolved configuration of the run."""
        found = self.manifest.get("configuration")
        return found if isinstance(found, Mapping) else {}

    @property
    def discount_rate(self) -> float:
        """Annual discount rate."""
        return float(self._part("finance").get("discount_rate") or 0.0)

    @property
    def focal_brand(self) -> str:
        """Name of the company's own brand: the first of the market."""
        brands = self._part("market").get("brands") or []
        return str(brands[0]["name"] if brands else self.measures["brand"].iloc[0])

    @property
    def segments(self) -> list[str]:
        """Customer segments in the order of the files, without the whole market."""
        return [str(name) for name in self.measures["segment"].unique() if name != "all"]

    def _part(self, key: str) -> Mapping[str, Any]:
        found = self.configuration.get(key)
        return found if isinstance(found, Mapping) else {}

    def result(self, plan: str) -> Mapping[str, Any]:
        """Return outcomes and risk figures of one plan."""
        found = self.summary["plans"][plan] if self.is_comparison else self.summary
        return found if isinstance(found, Mapping) else {}

    def outcome(self, plan: str, name: str) -> Mapping[str, Any]:
        """Return `{"baseline", "plan", "difference"}` of one outcome, empty if absent."""
        found = self.result(plan).get("outcomes", {}).get(name)
        return found if isinstance(found, Mapping) else {}

    def difference(self, plan: str, name: str) -> Mapping[str, Any]:
        """Return the distribution of one outcome's difference to the baseline."""
        found = self.outcome(plan, name).get("difference")
        return found if isinstance(found, Mapping) else {}

    def definition(self, plan: str) -> Mapping[str, Any]:
        """Return a plan as it was configured, empty where the manifest does not hold it."""
        candidates = [self.configuration.get("plan"), self.configuration.get("baseline")]
        candidates += _members(self.configuration.get("plans"))
        for candidate in candidates:
            if isinstance(candidate, Mapping) and candidate.get("name") == plan:
                return candidate
        return {}

    def title(self, plan: str) -> str | None:
        """Return a plan's own title, if it has one."""
        own = self.result(plan).get("title") if self.is_comparison and plan in self.plans else None
        return own or self.definition(plan).get("title")

    def phases(self, plan: str) -> list[Phase]:
        """Return the phases of a plan in order."""
        return [
            Phase(
                name=str(phase.get("name", "")),
                first=int(phase["quarters"][0]),
                last=int(phase["quarters"][-1]),
                spend={str(k): float(v) for k, v in (phase.get("spend") or {}).items()},
            )
            for phase in self.definition(plan).get("phases") or []
        ]

    def paid_levers(self, plan: str) -> dict[str, Mapping[str, Any]]:
        """Return the configuration of the levers that a plan pays for, by name."""
        known = self._part("lever")
        paid = dict.fromkeys(name for phase in self.phases(plan) for name in phase.spend)
        return {name: known[name] for name in paid if isinstance(known.get(name), Mapping)}

    @property
    def risks(self) -> list[Mapping[str, Any]]:
        """Rows of the risk register, as configured."""
        found = self._part("risks").get("register") or []
        return [risk for risk in found if isinstance(risk, Mapping)]

    def event_counts(self, plan: str, risk: str) -> pd.Series[float]:
        """Return how often a risk struck within the horizon, a value per replication."""
        worlds = self.replicated(plan, "npv").index
        rows = self.events[(self.events["plan"] == plan) & (self.events["risk"] == risk)]
        counts = rows[rows["quarter"] >= 1].groupby("replication").size()
        return counts.reindex(worlds, fill_value=0).astype(float)

    def replicated(self, plan: str, outcome: str) -> pd.Series[float]:
        """Return one outcome of a plan, a value per replication (missing ones as NaN)."""
        rows = self.outcomes[self.outcomes["plan"] == plan]
        values = rows.drop_duplicates("replication").set_index("replication")[outcome]
        return values.astype(float)

    def payback_quantile(self, plan: str, share: float) -> int | None:
        """Return the quarter by which a share of all futures have paid a plan back, or None."""
        quarters = self.replicated(plan, "payback_quarter").fillna(np.inf)
        quarter = float(np.quantile(quarters, share, method="higher"))
        return int(np.ceil(quarter)) if np.isfinite(quarter) else None

    def levels(self, plan: str, measure: str, segment: str = "all") -> pd.DataFrame:
        """Return a measure of the focal brand: a row per quarter, a column per replication."""

        def found() -> pd.DataFrame:
            rows = self.measures
            chosen = (rows["plan"] == plan) & (rows["segment"] == segment)
            rows = rows[chosen & (rows["brand"] == self.focal_brand)]
            grouped = rows.groupby(["quarter", "replication"], observed=True)[measure]
            return grouped.mean().unstack("replication").astype(float)

        return self.once(("levels", plan, measure, segment), found)

    def average(self, plan: str, measure: str, segment: str = "all") -> float:
        """Return a measure of the focal brand in the last quarter, averaged over replications."""
        last = self.levels(plan, measure, segment).loc[self.quarters].to_numpy(dtype=float)
        known = last[~np.isnan(last)]
        return float(known.mean()) if len(known) else float("nan")

    def incremental(self, plan: str, column: str = "net") -> pd.DataFrame:
        """Return plan minus baseline of a cash-flow column: quarters x replications."""
        return self.cash(plan, column) - self.cash(self.baseline, column)

    def cash(self, plan: str, column: str) -> pd.DataFrame:
        """Return a cash-flow column of a plan itself: quarters x replications; 0 if not told."""
        return self.once(("cash", plan, column), lambda: _by_quarter(self.cash_flow, plan, column))

    def booked(self, plan: str, line: str) -> pd.DataFrame:
        """Return plan minus baseline of a line of the statement: quarters x replications."""

        def found(name: str) -> pd.DataFrame:
            return self.once(
                ("booked", name, line), lambda: _by_quarter(self.statement, name, line)
            )

        return found(plan) - found(self.baseline)

    @property
    def finance(self) -> Mapping[str, Any]:
        """The money in full: rates, and each plan's figures; empty in folders of older runs."""
        found = self.summary.get("finance")
        return found if isinstance(found, Mapping) else {}

    def harm(self, plan: str) -> pd.Series[float] | None:
        """Return what all risk events together do to a plan's discounted net cash.

        Returns
        -------
        Series or None
            A value per replication, in currency: the plan as it was lived less the plan in the
            same future without any event. Exactly 0 where nothing struck; None if not told.
        """
        if self.without_risks.empty or plan not in set(self.without_risks["plan"]):
            return None
        change = self.cash(plan, "net") - _by_quarter(self.without_risks, plan, "net")
        return change.mul(self._discount(change), axis=0).sum()

    def stopped(self, plan: str) -> set[int]:
        """Return the replications in which a plan's gate said stop."""
        if self.decisions.empty:
            return set()
        rows = self.decisions[self.decisions["plan"] == plan]
        stop = (rows["kind"] == "gate") & (rows["name"] == "stop")
        return {int(replication) for replication in rows.loc[stop, "replication"]}

    def _discount(self, cash: pd.DataFrame) -> F64:
        quarter = cash.index.to_numpy(dtype=float)
        factors: F64 = (1.0 + self.discount_rate) ** ((1.0 - quarter) / 4.0)
        return factors

    def cumulative_cash(self, plan: str) -> pd.DataFrame:
        """Return the discounted incremental cash flow, added up from quarter 1.

        Notes
        -----
        Quarter 1 is not discounted: quarter t is divided by (1 + annual rate)^((t - 1) / 4).
        """
        net = self.incremental(plan)
        return net.mul(self._discount(net), axis=0).cumsum()

    def payback_on_average(self, plan: str) -> int | None:
        """Return the quarter from which the average cumulative cash flow stays positive.

        Returns
        -------
        int or None
            None if it ends below zero, or never was below.
        """
        below = self.cumulative_cash(plan).mean(axis=1) < 0
        if not below.any() or below.iloc[-1]:
            return None
        return int(below.index[below].max()) + 1


def _by_quarter(table: pd.DataFrame, plan: str, column: str) -> pd.DataFrame:
    rows = table[table["plan"] == plan]
    values = rows[column] if column in rows else pd.Series(0.0, index=rows.index)
    grouped = values.groupby([rows["quarter"], rows["replication"]], observed=True)
    return grouped.mean().unstack("replication").astype(float)


def _members(plans: object) -> list[Any]:
    if isinstance(plans, Mapping):
        return [{"name": name, **plan} for name, plan in plans.items() if isinstance(plan, Mapping)]
    return list(plans) if isinstance(plans, Iterable) else []


def read_folder(path: Path) -> RunFolder:
    """Read a run folder.

    Raises
    ------
    StoreError
        If one of its files is missing or damaged.
    """
    try:
        return RunFolder(
            path=path,
            summary=_read_json(path / "summary.json"),
            manifest=_read_json(path / "manifest.json"),
            outcomes=pd.read_parquet(path / "outcomes.parquet"),
            measures=pd.read_parquet(path / "measures.parquet"),
            cash_flow=pd.read_parquet(path / "cash_flow.parquet"),
            **{name: _read_if_there(path / f"{name}.parquet") for name in EXTRA},
            scorecard=_read_json(card) if (card := path / "scorecard.json").exists() else {},
        )
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} is not the folder of a finished run: {error}") from error


def _read_if_there(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path) if path.exists() else pd.DataFrame()


def _read_json(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text, parse_constant=lambda _: None)
    return content
