"""Making the scorecard of a market: every published regularity of its kind, over several worlds."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import stdtrit

from sim.config.build import at_medians, build
from sim.config.desk import Desk
from sim.config.files import folder_of, read
from sim.config.plan import Plan
from sim.config.risk import Risks
from sim.config.rivals import Rivals
from sim.config.rollout import Organisation
from sim.config.study import Config
from sim.errors import ConfigError
from sim.types import F64
from sim.validation.card import FAIL, PASS, UNTRIED, Line, Reading, Scorecard, card_key, keep_card
from sim.validation.laws import LAWS, Finding
from sim.validation.observation import World
from sim.validation.published import Law, Target, published

SEED = 1
"""Key of all draws: a card is about the market, whatever the study's seed."""
QUICK_CUSTOMERS, QUICK_WORLDS = 5_000, 4

Progress = Callable[[int, int], None]


def quick_card(config: Config) -> Scorecard:
    """Return a card of few customers and worlds, without the slow laws, and keep it."""
    card = score(config, replications=QUICK_WORLDS, customers=QUICK_CUSTOMERS, quick=True)
    keep_card(card)
    return card


def score(
    config: Config,
    *,
    replications: int = 4,
    customers: int | None = None,
    quick: bool = False,
    progress: Progress | None = None,
) -> Scorecard:
    """Return the scorecard of a configuration's market.

    Parameters
    ----------
    config
        Its market, money and levers are used, uncertain numbers at their medians; nothing else.
    replications
        Worlds that each law is looked at in.
    customers
        Simulated customers in each; as `conf/laws.yaml` says if None.
    quick
        Whether slow laws are left out.
    progress
        Called with (done, planned) after each world.

    Raises
    ------
    ConfigError
        If the market cannot be tried, for instance for want of a lever that a law asks for.
    """
    laws = published()
    customers = customers or laws.trials.customers
    study = tried(config, customers)
    chosen = [law for law in laws.laws if study.market.kind in law.kinds]
    findings: list[dict[str, Finding]] = []

    def ask(replication: int) -> dict[str, Finding]:
        world = World(study, replication)
        asked = [law.name for law in chosen if not (quick and law.slow)]
        # A brand that nobody buys has no frequency: such a figure does not exist, and fails.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return {name: LAWS[name](world, laws.trials) for name in asked}

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(ask, range(replications)):
            findings.append(found)
            if progress is not None:
                progress(len(findings), replications)
    market = study.market
    notes = laws.notes.get(market.name, {})
    lines = tuple(
        _line(law, [f[law.name] for f in findings if law.name in f], study, notes.get(law.name, ""))
        for law in chosen
    )
    series = {
        name: _mean_series([found[name].series for found in findings])
        for name in findings[0]
        if findings[0][name].series
    }
    return Scorecard(
        market.name, market.title, market.kind.value, customers, replications, quick,
        card_key(config), lines, series, tuple(brand.name for brand in market.brands),
    )  # fmt: skip


def tried(config: Config, customers: int) -> Config:
    """Return the study in which a market is tried: today's plan, rivals hold, no risks.

    Raises
    ------
    ConfigError
        If a lever is missing that a law tries.
    """
    laws = published()
    for lever in laws.levers:
        if lever not in config.lever:
            raise ConfigError("a law tries a lever that is not there", key="trials", value=lever,
                              known=config.lever)  # fmt: skip
    desk = build(Desk, read(folder_of("desk") / f"{laws.desk}.yaml"))
    today = Plan("today", "Today's plan")
    plain = replace(
        config,
        plan=today, baseline=today, plans=(), rivals=Rivals("hold", ""), risks=Risks("none", ""),
        seed=SEED,
        burn_in=laws.trials.burn_in,
        desk=desk, organisation=Organisation("unlimited", ""), customers=customers,
        quarters=laws.trials.quarters,
    )  # fmt: skip
    return at_medians(plain)


def _line(law: Law, found: Sequence[Finding], config: Config, note: str) -> Line:
    kind = config.market.kind
    readings = tuple(
        _reading(target, [f.figures[target.name] for f in found], target.bounds(kind))
        for target in law.figures
    )
    verdict = PASS if all(reading.holds for reading in readings) else FAIL
    verdict = verdict if found else UNTRIED
    return Line(law.name, law.title, law.says, law.source, verdict, readings,
                note if verdict == FAIL else "")  # fmt: skip


def _reading(
    target: Target, values: Sequence[float], bounds: tuple[float | None, float | None]
) -> Reading:
    known = np.array([value for value in values if np.isfinite(value)])
    observed = float(known.mean()) if len(known) else None
    error = _half_width(known) if len(known) > 1 else None
    return Reading(target.name, target.title, observed, error, *bounds)


def _half_width(values: F64) -> float:
    """Return the half-width of the 95% interval of a mean, by Student's t."""
    n = len(values)
    return float(stdtrit(n - 1, 0.975) * values.std(ddof=1) / n**0.5)


def _mean_series(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    def mean(name: str) -> F64:
        values: F64 = np.mean([np.asarray(series[name], np.float64) for series in found], axis=0)
        return values

    return {name: _rounded(mean(name).tolist()) for name in found[0]}


def _rounded(values: Any) -> Any:
    if isinstance(values, list):
        return [_rounded(value) for value in values]
    return float(f"{values:.4g}") if math.isfinite(values) else None
