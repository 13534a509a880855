"""Synthetic run folders, so that reports are tested without a model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

QUARTERS, BURN_IN = 12, 8
RATE = 0.10
BRANDS = ("Marea", "Corvo", "Lind", "Osso", "Tamar")
SEGMENTS = ("all", "value seekers", "regulars", "high-end")
PHASES = (
    {
        "name": "Foundation",
        "quarters": [1, 1],
        "spend": {"team": 300e3, "data_platform": 500e3, "membership": 300e3},
    },
    {
        "name": "Build-up",
        "quarters": [2, 4],
        "spend": {
            "technology_team": 1.2e6,
            "ai_service": 800e3,
            "multichannel": 400e3,
            "training": 200e3,
        },
    },
    {
        "name": "Deepening",
        "quarters": [5, 12],
        "spend": {"tamper_proof_points": 2e6, "immersive": 1e6},
    },
)
TITLES = {
    "today": "Today's plan",
    "three_phase": "Three-phase loyalty plan",
    "service_first": "Service first",
    "promotion_first": "Promotion first",
}
EFFECTS = {"today": 0.0, "three_phase": 1.0, "service_first": 0.85, "promotion_first": -0.35}
LEVELS = {
    "churn_annual": (0.385, 0.012, -0.031),
    "retention": (0.742, 0.010, 0.018),
    "repeat_rate": (0.468, 0.011, 0.021),
    "loyalty_index": (46.2, 1.1, 3.4),
    "nps": (12.4, 1.5, 5.1),
    "csat": (7.31, 0.06, 0.22),
    "share": (0.231, 0.006, 0.011),
    "penetration": (0.182, 0.005, 0.008),
    "purchase_frequency": (1.94, 0.04, 0.05),
    "clv": (312.0, 14.0, 21.0),
}
MEASURES = ("churn_annual", "retention", "repeat_rate", "loyalty_index", "nps", "share")
WARNINGS = {
    "warned_yellow": (2_400.0, 60.0, -150.0),
    "warned_red": (900.0, 40.0, -120.0),
    "warning_precision": (0.62, 0.015, -0.14),
    "warning_recall": (0.71, 0.02, 0.0),
    "warning_accuracy": (0.84, 0.01, -0.02),
    "warning_lead": (1.8, 0.1, 0.0),
}
TIERS = ("member", "silver", "gold")
LEVERS = {name: {"name": name, "title": name} for phase in PHASES for name in phase["spend"]}
LEVERS["membership"]["membership"] = {
    "tiers": [{"name": name, "spend": 500.0 * i} for i, name in enumerate(TIERS)]
}
LEVERS["training"]["save_offer"] = {"yellow": {"pull": 0.2}, "red": {"pull": 0.5}}
RISKS = (
    {"name": "data_breach", "title": "Customer data are stolen", "probability": 0.05,
     "duration": 2, "mitigation": {"data_platform": 0.8}},
    {"name": "market_shift", "title": "Demand turns to what the brand does not offer",
     "probability": 0.30, "duration": 2, "mitigation": {}},
    {"name": "technology_failure", "title": "Systems fail or come late", "duration": 1,
     "probability": {"triangular": [0.1, 0.2, 0.3]}, "mitigation": {"technology_team": 0.68}},
    {"name": "storm", "title": "A storm of bad reviews", "probability": 0.12, "duration": 1,
     "mitigation": {"training": 0.3}, "dampening": {"ai_service": 0.2}},
)  # fmt: skip
LOSSES = {"data_breach": -2.2e6, "market_shift": -0.9e6, "technology_failure": -0.5e6}
"""What an event takes from the revenue of its quarter."""
WORK = {
    "team": ("hire",),
    "data_platform": ("choose vendor", "load data", "connect shops"),
    "membership": ("write rules", "build app"),
    "technology_team": ("hire",),
    "ai_service": ("collect dialogues", "train model", "link to desk"),
    "multichannel": ("shared basket", "shared stock"),
    "training": ("write course",),
    "tamper_proof_points": ("ledger", "audit"),
    "immersive": ("scan products", "build showroom"),
}
"""Tasks by lever; each lever then goes to the customers in two waves."""
CASH_SHAPES = {
    "revenue": lambda t: 2.9e6 * (1 - np.exp(-t / 4.5)),
    "cost_of_goods": lambda t: -1.5e6 * (1 - np.exp(-t / 4.5)),
    "membership_fees": lambda t: 0.03e6 * t / 12,
    "reward_cost": lambda t: -0.12e6 * np.ones_like(t),
    "save_offer_cost": lambda t: -0.01e6 * t / 12,
    "acquisition_cost": lambda t: 0.02e6 * t / 12,
    "service_cost": lambda t: -0.05e6 * np.ones_like(t),
    "lever_capital": lambda t: -np.where(t == 1, 0.9e6, np.where(t < 5, 0.6e6, 0.2e6)),
    "lever_running": lambda t: -0.22e6 * np.ones_like(t),
    "staff": lambda t: -0.12e6 * np.ones_like(t),
}
DECIDING = {
    "gate": {"after": 4, "conditions": [
        {"measure": "value", "segment": "high-end", "against": "level", "over": "regulars",
         "at_least": 1.0, "at_most": None}]},
    "review": {"every": 1, "rules": [
        {"name": "mend_service", "source": "immersive", "target": "training", "share": 0.5,
         "when": [{"measure": "csat", "segment": "all", "against": "start", "over": "",
                   "at_least": None, "at_most": -0.02}]},
        {"name": "save_the_rest", "source": "", "target": "", "share": 0.1,
         "when": [{"measure": "retention", "segment": "all", "against": "level", "over": "",
                   "at_least": None, "at_most": 0.5}]}]},
}  # fmt: skip
"""What the three-phase plan decides by."""
Money = dict[str, pd.DataFrame]


def describe(values: pd.Series) -> dict[str, float | None]:
    """Summarise differences as a run does; a value that is missing is never reached."""
    filled = values.fillna(np.inf).to_numpy(float)
    quantiles = np.quantile(filled, (0.1, 0.5, 0.9), method="higher")
    p10, p50, p90 = (float(q) if np.isfinite(q) else None for q in quantiles)
    found = dict.fromkeys(("mean", "low", "high", "chance_sd", "ignorance_sd"))
    if np.isfinite(filled).all():
        mean, sd = float(filled.mean()), float(filled.std())
        half = 1.96 * sd / np.sqrt(filled.size)
        found = {
            "mean": mean,
            "low": mean - half,
            "high": mean + half,
            "chance_sd": 0.45 * sd,
            "ignorance_sd": 0.89 * sd,
        }
    return {**found, "p10": p10, "p50": p50, "p90": p90}


class World:
    """Draws everything that a run folder holds."""

    def __init__(self, plans: list[str], replications: int, gain: float, seed: int = 7) -> None:
        self.rng = np.random.default_rng(seed)
        self.plans = plans
        self.replications = replications
        self.strength = {
            plan: EFFECTS[plan] * np.maximum(self.rng.normal(1, 0.45, replications), -0.5)
            for plan in plans
        }
        self.gain = gain
        self.struck = self.events()
        self.worlds = self.rng.normal(size=(len(LEVELS), replications))

    def cash_flow(self) -> pd.DataFrame:
        quarter = np.arange(1, QUARTERS + 1)
        frames = []
        for plan in self.plans:
            for r in range(self.replications):
                columns = {
                    name: self._cash(name, shape(quarter.astype(float)), plan, r)
                    for name, shape in CASH_SHAPES.items()
                }
                columns["revenue"] = columns["revenue"] + self._lost(plan, r)
                frame = pd.DataFrame(
                    {"plan": plan, "replication": r, "quarter": quarter, "phase": ""} | columns
                )
                owed = 4e4 * quarter if plan == "three_phase" else 0.0 * quarter
                frames.append(frame.assign(net=sum(columns.values()), points_liability=owed))
        return pd.concat(frames, ignore_index=True)

    def without_risks(self, cash: pd.DataFrame) -> pd.DataFrame:
        """Give back what events took."""
        table = cash[["plan", "replication", "quarter", "net"]].copy()
        ends = table.groupby(["plan", "replication"], sort=False).indices
        for (plan, r), rows in ends.items():
            table.loc[rows, "net"] -= self._lost(plan, r)
        return table

    def decisions(self) -> pd.DataFrame:
        """Let a gate stop the plan in every third future, and one rule act in every second."""
        rows = [
            row
            for plan in self.plans
            if plan == "three_phase"
            for r in range(self.replications)
            for row in (
                (plan, r, 3, "review", "mend_service", 2e5),
                (plan, r, 5, "gate", "stop" if r % 3 == 0 else "go", 3e6 * (r % 3 == 0)),
            )
            if row[3] == "gate" or r % 2 == 0
        ]
        names = ["plan", "replication", "quarter", "kind", "name", "amount"]
        return pd.DataFrame(rows, columns=names)

    def levers(self) -> pd.DataFrame:
        """Let every lever come to one segment after the other, a quarter each."""
        rows = [
            (plan, r, quarter, lever, segment, 0.0,
             float(quarter > phase["quarters"][0] + i), 1.0)
            for plan in self.plans
            if plan != "today"
            for r in range(self.replications)
            for quarter in range(1, QUARTERS + 1)
            for phase in PHASES
            for lever in phase["spend"]
            for i, segment in enumerate(SEGMENTS[1:])
        ]  # fmt: skip
        names = ["plan", "replication", "quarter", "lever", "segment", "spend", "ready", "strength"]
        return pd.DataFrame(rows, columns=names)

    def _cash(self, name: str, shape: np.ndarray, plan: str, r: int) -> np.ndarray:
        today = 20e6 if name == "revenue" else -1.5e6
        if plan == "today":
            return np.full(QUARTERS, today)
        felt = self.strength[plan][r] * self.gain if name in ("revenue", "cost_of_goods") else 1.0
        return today + shape * felt

    def _lost(self, plan: str, r: int) -> np.ndarray:
        lost = np.zeros(QUARTERS)
        rows = self.struck[(self.struck["plan"] == plan) & (self.struck["replication"] == r)]
        for quarter, risk in zip(rows["quarter"], rows["risk"], strict=True):
            lost[quarter - 1] += LOSSES.get(risk, 0.0)
        return lost

    def events(self) -> pd.DataFrame:
        """Draw events: the same for every plan, but rarer where a plan guards against them."""
        rng = np.random.default_rng(3)
        chance = {"data_breach": 0.05, "market_shift": 0.08, "technology_failure": 0.05}
        draws = rng.random((self.replications, QUARTERS, len(RISKS)))
        rows = [
            (plan, r, t + 1, risk["name"])
            for plan in self.plans
            for r in range(self.replications)
            for t in range(QUARTERS)
            for k, risk in enumerate(RISKS)
            if draws[r, t, k]
            < chance.get(risk["name"], 0.001)
            * (1.0 if plan == "today" else 1 - max(risk["mitigation"].values(), default=0.0))
        ]
        return pd.DataFrame(rows, columns=["plan", "replication", "quarter", "risk"])

    def rollout(self) -> pd.DataFrame:
        """Lay tasks and waves one after the other; the last lever is stopped in some futures."""
        rng = np.random.default_rng(5)
        first = {name: 13.0 * (phase["quarters"][0] - 1) for phase in PHASES
                 for name in phase["spend"]}  # fmt: skip
        rows = []
        for plan in self.plans:
            levers = {"today": []}.get(plan, list(WORK)[: 4 if plan == "service_first" else None])
            for r in range(self.replications):
                for lever in levers:
                    planned = real = first[lever] / 2
                    items = [(task, "task", 5.0) for task in WORK[lever]]
                    for item, kind, weeks in [*items, ("pilot", "wave", 3.0), ("all", "wave", 6.0)]:
                        took = weeks * rng.triangular(0.8, 1.1, 2.2)
                        stopped = lever == "immersive" and kind == "wave" and r % 3 == 0
                        end = np.nan if stopped else real + took
                        start = np.nan if stopped and item == "all" else real
                        rows.append((plan, r, lever, item, kind, planned, planned + weeks,
                                     start, end))  # fmt: skip
                        planned, real = planned + weeks, real + took
        times = ["planned_start", "planned_finish", "start", "finish"]
        return pd.DataFrame(rows, columns=["plan", "replication", "lever", "item", "kind", *times])

    def tiers(self) -> pd.DataFrame:
        """Let a fixed share of each tier move up, down or out in every quarter."""
        move = np.array([[0.90, 0.10, 0, 0], [0.03, 0.90, 0.07, 0], [0.01, 0.06, 0.88, 0.05],
                         [0.005, 0, 0.055, 0.94]])  # fmt: skip
        rows = []
        for plan in self.plans:
            for r in range(self.replications if plan not in ("today", "promotion_first") else 0):
                people = np.array([20_000.0, 0, 0, 0])
                for quarter in range(1, QUARTERS + 1):
                    flows = people[:, None] * move
                    rows += [
                        (plan, r, quarter, segment, before, now, part * flows[before, now])
                        for segment, part in (("all", 1.0), ("regulars", 0.4))
                        for before, now in zip(*np.nonzero(flows), strict=True)
                    ]
                    people = flows.sum(axis=0)
        names = ["plan", "replication", "quarter", "segment", "from_tier", "to_tier", "customers"]
        return pd.DataFrame(rows, columns=names)

    def measures(self) -> pd.DataFrame:
        quarter = np.arange(1 - BURN_IN, QUARTERS + 1)
        index = pd.MultiIndex.from_product(
            [self.plans, range(self.replications), quarter, BRANDS, SEGMENTS],
            names=["plan", "replication", "quarter", "brand", "segment"],
        )
        frame = index.to_frame(index=False)
        ramp = np.clip(frame["quarter"], 0, None) / QUARTERS
        felt = sum(
            (frame["plan"] == plan) * strength[frame["replication"]]
            for plan, strength in self.strength.items()
        )
        shown = {name: LEVELS[name] for name in MEASURES} | WARNINGS
        for i, (name, (level, spread, effect)) in enumerate(shown.items()):
            world = self.worlds[i % len(LEVELS)][frame["replication"]] * spread
            shift = frame["segment"].map(dict(zip(SEGMENTS, (0, 2, 0, -3), strict=True))) * spread
            wave = 0.25 * spread * np.sin(frame["quarter"] + frame["replication"])
            frame[name] = level + world + shift + wave + felt * effect * ramp**1.3
        frame.loc[frame["quarter"] < 5 - BURN_IN, "churn_annual"] = np.nan
        frame["customers"] = frame["segment"].map(
            dict(zip(SEGMENTS, (20_000, 9_000, 8_000, 3_000), strict=True))
        )
        frame["revenue"] = frame["customers"] * 1000 * (1 + 0.08 * felt * ramp)
        return frame

    def outcomes(self, baseline: str, cash: pd.DataFrame) -> pd.DataFrame:
        frames = []
        for plan in self.plans:
            frame = pd.DataFrame({"plan": plan, "replication": range(self.replications)})
            frames.append(frame.assign(**self._money(plan, baseline, cash), **self._levels(plan)))
        return pd.concat(frames, ignore_index=True)

    def _levels(self, plan: str) -> dict[str, np.ndarray]:
        return {
            name: level + self.worlds[i] * spread + effect * self.strength[plan]
            for i, (name, (level, spread, effect)) in enumerate(LEVELS.items())
        }

    def _money(self, plan: str, baseline: str, cash: pd.DataFrame) -> dict[str, np.ndarray]:
        net = cash.pivot_table(index="quarter", columns=["plan", "replication"], values="net")
        extra = (net[plan] - net[baseline]).to_numpy()
        factor = (1 + RATE) ** (-np.arange(QUARTERS) / 4)
        total = np.cumsum(extra * factor[:, None], axis=0)
        spend = 0.0 if plan == baseline else 6.7e6
        paid = np.where(total[-1] > 0, 1 + QUARTERS - (total > 0).sum(axis=0), np.nan)
        npv = total[-1]
        return {
            "npv": npv,
            "roi": npv / spend if spend else np.full_like(npv, np.nan),
            "irr": npv / 25e6 if spend else np.full_like(npv, np.nan),
            "payback_quarter": paid,
            "spend": np.full_like(npv, spend),
            "incremental_margin": npv + spend,
        }


def summarise(frame: pd.DataFrame, plan: str, baseline: str) -> dict[str, Any]:
    """Return the outcomes and risk figures of one plan."""
    plan_rows = frame[frame["plan"] == plan].set_index("replication")
    base_rows = frame[frame["plan"] == baseline].set_index("replication")
    outcomes = {}
    for name in frame.columns[2:]:
        level = name in LEVELS
        change = plan_rows[name] - base_rows[name] if level else plan_rows[name]
        outcomes[name] = {
            "baseline": base_rows[name].mean() if level else None,
            "plan": None if plan_rows[name].isna().any() else plan_rows[name].mean(),
            "difference": describe(change),
        }
    npv = np.sort(plan_rows["npv"].to_numpy())
    return {
        "outcomes": outcomes,
        "probability_of_loss": float((npv < 0).mean()),
        "cvar_5": float(npv[: max(1, npv.size // 20)].mean()),
    }


def manifest(command: str, plans: list[str]) -> dict[str, Any]:
    """Return a manifest as a run writes it."""
    phased = [
        {"name": plan, "title": TITLES[plan], "phases": list(PHASES) if plan != "today" else []}
        | (DECIDING if plan == "three_phase" else {})
        for plan in plans
    ]
    effects = [
        ("lever.membership.effect.bond", 0.52),
        ("lever.ai_service.effect.functional", 0.41),
        ("market.switching_cost", -0.33),
        ("lever.data_platform.carry", 0.18),
        ("customer.price_sensitivity", -0.12),
        ("lever.training.half_saturation", -0.05),
    ]
    kinds = ("calibrated", "literature", "evidence", "assumed")
    return {
        "command": command,
        "configuration": {
            "finance": {"discount_rate": RATE},
            "quarters": QUARTERS,
            "lever": deepcopy(LEVERS),
            "risks": {"name": "retail", "register": list(RISKS)},
            "market": {"brands": [{"name": name} for name in BRANDS], "segments": []},
            "baseline": {"name": "today", "title": TITLES["today"], "phases": []},
            **({"plan": phased[-1]} if len(plans) <= 2 else {"plans": phased}),
        },
        "hash": "9f2c4e17ab03d55e",
        "versions": {"fidelio": "0.1.0", "python": "3.11.7", "numpy": "2.4.6"},
        "seed": 20240601,
        "seconds": 41.7,
        "peak_memory_mib": 312.4,
        "provenance": {"assumed": 31, "evidence": 14, "literature": 22, "calibrated": 18},
        "provenance_rows": [
            {
                "parameter": f"market.parameter_{i}",
                "value": "triangular 0 … 0.12 … 0.28" if i % 7 == 0 else 0.1 * i,
                "provenance": kinds[i % 4],
                "source": ("cdnow/cdnow_sample.csv", "Guadagni & Little 1983", "E212", None)[i % 4],
            }
            for i in range(85)
        ],
        "uncertain": [
            {
                "parameter": name,
                "value": "triangular 0 … 0.12 … 0.28",
                "provenance": "evidence",
                "npv_correlation": correlation,
            }
            for name, correlation in effects
        ],
        "warnings": ["Bond still drifts by 0.4 points a quarter at the end of the burn-in."],
        "notes": [
            {
                "title": "Why the simulated churn is not the published 35% a year",
                "text": "The published figure counts customers who closed an account. Here a "
                "customer has churned after four quarters without a purchase, and the mix of "
                "new and long-standing customers differs.",
            }
        ],
    }


def write_run(
    folder: Path,
    plans: list[str],
    *,
    baseline: str = "today",
    replications: int = 64,
    gain: float = 1.0,
    whole: bool = True,
    change: Callable[[dict[str, Any], dict[str, Any]], None] | None = None,
) -> Path:
    """Write a run folder: of one plan if `plans` has one, else a comparison.

    One that is not whole lacks the tables that a folder may lack, like those of old runs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    everyone = [baseline, *(plan for plan in plans if plan != baseline)]
    world = World(everyone, replications, gain)
    cash = world.cash_flow()
    outcomes = world.outcomes(baseline, cash)
    head = {
        "scenario": "retail_three_phase",
        "title": "A mid-size online retailer and four rivals",
        "baseline": baseline,
        "replications": replications,
        "customers": 20_000,
        "quarters": QUARTERS,
        "seed": 20240601,
        "currency": "CNY",
    }
    if len(plans) == 1:
        body = {"plan": plans[0], **summarise(outcomes, plans[0], baseline)}
        command = "fidelio run scenario=retail_three_phase"
    else:
        body = comparison(outcomes, plans, baseline)
        command = f"fidelio compare scenario=retail_three_phase 'plans=[{','.join(plans)}]'"
    summary, about = {**head, **body}, manifest(command, everyone)
    if change is not None:
        change(summary, about)
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    (folder / "manifest.json").write_text(json.dumps(about), encoding="utf-8")
    outcomes.to_parquet(folder / "outcomes.parquet")
    cash.to_parquet(folder / "cash_flow.parquet")
    world.measures().to_parquet(folder / "measures.parquet")
    if whole:
        world.rollout().to_parquet(folder / "rollout.parquet")
        world.struck.to_parquet(folder / "events.parquet")
        world.tiers().to_parquet(folder / "tiers.parquet")
        world.without_risks(cash).to_parquet(folder / "without_risks.parquet")
        world.decisions().to_parquet(folder / "decisions.parquet")
        world.levers().to_parquet(folder / "levers.parquet")
    return folder


def comparison(outcomes: pd.DataFrame, plans: list[str], baseline: str) -> dict[str, Any]:
    """Return the part of a comparison's summary that depends on its plans."""
    npv = outcomes.pivot_table(index="replication", columns="plan", values="npv")[plans]
    best = npv.idxmax(axis=1).value_counts(normalize=True)
    found: Mapping[str, Any] = {
        plan: {
            "title": TITLES[plan],
            **summarise(outcomes, plan, baseline),
            "probability_best": float(best.get(plan, 0.0)),
        }
        for plan in plans
    }
    pairs = [
        {"plan": a, "other": b, "npv_difference": describe(npv[a] - npv[b])}
        for i, a in enumerate(plans)
        for b in plans[i + 1 :]
    ]
    return {"plans": found, "pairwise": pairs}


@pytest.fixture
def run_folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes the folder of `fidelio run`."""

    def write(plan: str = "three_phase", **changes: Any) -> Path:
        return write_run(tmp_path / "run", [plan], **changes)

    return write


@pytest.fixture
def compare_folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes the folder of `fidelio compare`."""

    def write(plans: list[str] | None = None, **changes: Any) -> Path:
        return write_run(tmp_path / "compare", plans or list(TITLES), **changes)

    return write
