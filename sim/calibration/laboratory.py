"""Tests of a lever, lived again in paired worlds at any sizes of its effects."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sim.calibration.lever_sizes import Size
from sim.calibration.lift_tests import LiftTest, Scale
from sim.config.build import Unknowns, assign, build, dump
from sim.config.lever import Lever
from sim.config.matching import LiftSettings
from sim.config.plan import Phase, Plan
from sim.config.study import Config
from sim.engines.local import LocalEngine, StoppedError
from sim.errors import ConfigError
from sim.measures.table import MEASURES
from sim.model import LoyaltyModel
from sim.types import F64

NODES = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
"""Where the response is looked at, in half-widths around its centre."""
BASE = "untested"

Progress = Callable[[int, int], None]


class Response(NamedTuple):
    """What the tests would have shown, as a line in the common factor, by test."""

    intercept: F64
    slope: F64
    chance: F64
    """Standard error by chance of the simulated worlds."""
    single: F64
    """Size of what a unit of each size moves by itself, shape (sizes, tests)."""
    bend: F64
    """Largest distance from the line as a share of its rise over the range looked at."""
    factors: F64
    effects: F64
    """What was simulated, shape (factors, tests)."""


class Laboratory:
    """Lives tests of one lever at given sizes of its effects, in paired worlds.

    Parameters
    ----------
    config
        Where the tests were made.
    lever
        What was tested.
    tests
        Spend, length, and what was looked at.
    sizes
        The lever's sizes.
    settings
        How many customers and worlds.
    progress
        Called with (done, planned) after each world.
    """

    def __init__(
        self,
        config: Config,
        lever: str,
        tests: Sequence[LiftTest],
        sizes: Sequence[Size],
        settings: LiftSettings,
        progress: Progress | None,
    ) -> None:
        self.lever, self.tests, self.sizes, self.settings = lever, tests, sizes, settings
        self.progress, self.done = progress, 0
        nothing = Plan(BASE, "No lever")
        self.config = replace(
            config,
            plan=nothing,
            baseline=nothing,
            plans=(),
            risks=replace(config.risks, register=()),
            customers=settings.customers,
            quarters=max(test.quarters for test in tests),
        )
        self.unknowns = Unknowns(self.config)

    def look(self, centre: float, width: float) -> Response:
        """Return the response over factors within a width of a centre."""
        means = np.array([size.mean for size in self.sizes])
        factors = centre + width * NODES
        steps = np.array([size.sd or abs(size.mean) for size in self.sizes])
        raised = centre * means + np.diag(steps)
        lived = self._live_all([*np.outer(factors, means), *raised])
        effects = lived.mean(axis=0)
        for test, effect in zip(self.tests, effects.T, strict=True):
            if not np.isfinite(effect).all():
                raise ConfigError(
                    f"{test.name} does not exist in every quarter and world of the test",
                    key="measure", value=test.measure, file=test.place,
                    allowed="a figure that the focal brand has without the lever, too",
                )  # fmt: skip
        along, single = effects[: len(factors)], effects[len(factors) :]
        middle = along[len(factors) // 2]
        slope = NODES @ along / (NODES @ NODES) / width
        intercept = along.mean(axis=0) - slope * centre
        off = np.abs(along - (intercept + np.outer(factors, slope))).max(axis=0)
        rise = 2.0 * width * np.abs(slope)
        chance = lived[:, len(factors) // 2].std(axis=0, ddof=1) / math.sqrt(len(lived))
        return Response(
            intercept, slope, chance,
            single=np.abs(single - middle) / steps[:, None],
            bend=np.divide(off, rise, out=np.zeros_like(off), where=rise > chance),
            factors=factors, effects=along,
        )  # fmt: skip

    def _live_all(self, cases: Sequence[F64]) -> F64:
        """Return the effects in all worlds, shape (worlds, cases, tests)."""
        engine = LocalEngine(self.config.engine.threads, self.config.customers)
        worlds = range(self.settings.worlds)
        planned = self.done + len(worlds)
        found: dict[int, F64] = {}

        def live(world: int) -> tuple[int, F64]:
            return world, self._live_in(world, cases, engine)

        for world, effects in engine.run(live, worlds):
            found[world] = effects
            self.done += 1
            if self.progress is not None:
                self.progress(self.done, planned)
        return np.array([found[world] for world in worlds])

    def _live_in(self, world: int, cases: Sequence[F64], engine: LocalEngine) -> F64:
        """Return the effects in one world, shape (cases, tests)."""
        burnt_in = LoyaltyModel(self.unknowns, replication=world, collect=False)
        burnt_in.burn_in()
        control = self._figures(burnt_in.fork(self.config.plan), engine)
        effects = np.empty((len(cases), len(self.tests)))
        relative = np.array([test.scale is Scale.RELATIVE for test in self.tests])
        # Tests of the same spend and length are one life.
        for test in dict.fromkeys((test.spend, test.quarters) for test in self.tests):
            same = [(other.spend, other.quarters) == test for other in self.tests]
            for row, case in enumerate(cases):
                treated = self._treated(burnt_in, case, *test)
                change = self._figures(treated, engine) - control
                share = np.divide(change, control, out=np.full_like(change, np.nan),
                                  where=control != 0)  # fmt: skip
                effects[row, same] = np.where(relative, share, change)[same]
        burnt_in.release()
        return effects

    def _treated(
        self, burnt_in: LoyaltyModel, case: F64, spend: float, quarters: int
    ) -> LoyaltyModel:
        """Return a fork in which all customers get the lever at these sizes."""
        drawn = burnt_in.config
        lever = _in_test(drawn.lever[self.lever], self.sizes, case)
        money = spend * drawn.market.company_customers * quarters
        plan = Plan("test", "A test", phases=(Phase("test", (1, quarters), {lever.name: money}),))
        return burnt_in.fork(plan, replace(drawn, lever={**drawn.lever, lever.name: lever}))

    def _figures(self, model: LoyaltyModel, engine: LocalEngine) -> F64:
        """Return the focal brand's figure of each test."""
        while model.running:
            if engine.stopping.is_set():
                raise StoppedError
            model.step()
        history = model.history()
        segments = [segment.name for segment in self.config.market.segments] + ["all"]
        figures = []
        for test in self.tests:
            first = last = test.quarter or test.quarters
            if test.quarter is None:
                first = 1
            chosen = (history.quarters >= first) & (history.quarters <= last)
            values = MEASURES[test.measure](history)[chosen, segments.index(test.segment), 0]
            figures.append(values.mean())
        model.release()
        return np.array(figures)


def _in_test(lever: Lever, sizes: Sequence[Size], case: F64) -> Lever:
    """Return a lever as a treated customer meets it: ready, without delay, at these sizes."""
    data = dump(lever)
    for size, value in zip(sizes, case, strict=True):
        assign(data, size.path, float(np.clip(value, size.limits.low, size.limits.high)))
    ready = {
        "tasks": [], "build_quarters": 0, "needs": [], "excludes": [], "diffusion": None,
        "reach": 1.0, "reach_by_segment": {},
    }  # fmt: skip
    return build(Lever, {**data, **ready}, f"lever.{lever.name}")
