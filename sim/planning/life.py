"""The life of plans in one world under several futures, from one burnt-in state."""

from __future__ import annotations

import gc
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final, NamedTuple

import numpy as np

from sim.config.build import Unknowns
from sim.config.finance import Finance
from sim.config.plan import Plan
from sim.config.study import Config
from sim.errors import EngineError
from sim.finance.cash_flow import COMPONENTS, cash_flow, customer_scale, segment_cash
from sim.measures.columns import Table
from sim.measures.history import History
from sim.measures.lifetime_value import focal_lifetime_value
from sim.measures.table import MEASURES
from sim.model import LoyaltyModel, draw_parameters
from sim.planning.future import Case, Future
from sim.study import LEVELS, compile_kernels, level_outcome
from sim.types import F64

FLOWS: Final = (*COMPONENTS, "net", "points_liability")
"""Columns of the money that is kept of a life, by quarter."""
LEVEL_NAMES: Final = (*LEVELS, "clv")
"""Outcomes of a life that take no baseline; `clv` is of all customers only."""
WORLDS_KEPT: Final = 256 * 2**20
"""Bytes of burnt-in worlds that a process keeps for when they are asked for again."""


class Row(NamedTuple):
    """What is kept of a life.

    Attributes
    ----------
    flows
        Shape (n_quarters, len(FLOWS)), in currency.
    levels
        Shape (n_segments + 1, len(LEVEL_NAMES)), the whole market last.
    segments
        Shape (n_quarters, n_segments): cash of each segment's customers, in currency.
    rate
        Discount rate per quarter, shape (1,): it may be drawn with the world.
    """

    flows: F64
    levels: F64
    segments: F64
    rate: F64


class Item(NamedTuple):
    """What is to be lived at once: some plans in one world."""

    world: int
    cases: Sequence[tuple[Plan, Future]]
    """Those that differ in finance only stand together."""


class Life:
    """Lives items of one study; burnt-in worlds are kept for the next item.

    Parameters
    ----------
    study
        The configuration that says what happens before the plan.
    """

    def __init__(self, study: Config) -> None:
        self.study = study
        self._unknowns: Unknowns | None = None
        self._worlds: OrderedDict[int, LoyaltyModel] = OrderedDict()
        self._futures: dict[int, tuple[Config, Unknowns]] = {}

    def begin(self) -> None:
        """Bring in the compiled loops; what is there by then no collection looks at again."""
        compile_kernels(self.study, lambda: None)
        gc.collect()
        gc.freeze()

    def __call__(self, item: Item) -> list[Row]:
        """Live an item and return a row per case.

        Raises
        ------
        EngineError
            If a plan cannot be lived; it is named with its future and world.
        """
        burnt_in = self._world(item.world)
        rows: list[Row] = []
        for _, alike in groupby(item.cases, key=lambda case: _life_of(*case)):
            cases = [Case(*one) for one in alike]
            plan, future = cases[0].plan, cases[0].future
            try:
                rows += self._live(burnt_in, cases, item.world)
            except Exception as error:
                raise EngineError(
                    f"plan '{plan.name}' in the future '{future.name}', world {item.world}: {error}"
                ) from error
        return rows

    def _world(self, world: int) -> LoyaltyModel:
        """Return a world as it is when the plan begins."""
        if world not in self._worlds:
            if self._unknowns is None:
                self._unknowns = Unknowns(self.study)
            model = LoyaltyModel(self._unknowns, replication=world, collect=False)
            self._worlds[world] = model.burn_in()
            most = max(WORLDS_KEPT // model.population.nbytes, 1)
            while len(self._worlds) > most:
                self._worlds.popitem(last=False)[1].release()
        self._worlds.move_to_end(world)
        return self._worlds[world]

    def _live(self, burnt_in: LoyaltyModel, cases: Sequence[Case], world: int) -> Iterator[Row]:
        """Live cases of one life once and yield what is kept of it under the finance of each."""
        every = [draw_parameters(self._after(case), self.study.seed, world).config
                 for case in cases]  # fmt: skip
        drawn, window = every[0], cases[0].future.quarters
        start = drawn if window is None or window[0] == 1 else burnt_in.config
        model = burnt_in.fork(drawn.plan, _with_market_of(drawn, start))
        while model.running:
            if window is not None:
                if model.plan_quarter == window[0] != 1:
                    model.turn(drawn)
                elif model.plan_quarter == window[1] + 1:
                    model.turn(burnt_in.config)
            model.step()
        history = model.history()
        kept = kept_levels(history)
        for config in every:
            yield self._row(model, history, kept, config.finance, burnt_in.config.finance, window)
        model.release()

    def _after(self, case: Case) -> Unknowns:
        """Return what is uncertain in a case; what it shares with its future is found once."""
        known = self._futures.get(id(case.future.config))
        if known is None:
            known = (case.future.config, Unknowns(case.future.config))
            self._futures = {**dict([*self._futures.items()][-31:]), id(case.future.config): known}
        return known[1].after(case.config)

    def _row(
        self, model: LoyaltyModel, history: History, kept: F64, finance: Finance, usual: Finance,
        window: tuple[int, int] | None,
    ) -> Row:  # fmt: skip
        """Return what is kept of a life, its money by one finance, or by two in their quarters."""
        scale = customer_scale(history)
        flows = _stacked(cash_flow(history, model.records, model.plan, finance, scale))
        segments = segment_cash(history, model.records, finance, scale)
        if window is not None and finance != usual:
            quarters = np.arange(1, len(flows) + 1)
            outside = ((quarters < window[0]) | (quarters > window[1]))[:, None]
            planned = _stacked(cash_flow(history, model.records, model.plan, usual, scale))
            flows = np.where(outside, planned, flows)
            segments = np.where(
                outside, segment_cash(history, model.records, usual, scale), segments
            )
        # What holds for a time only says nothing of the price of time.
        rate = (finance if window is None else usual).quarterly_rate
        levels = kept.copy()
        value = focal_lifetime_value(history, finance.gross_margin, rate)
        levels[-1, LEVEL_NAMES.index("clv")] = value
        return Row(flows, levels, segments, np.array([rate]))


def by_life(cases: Mapping[bytes, Case]) -> list[list[bytes]]:
    """Return the keys of cases, those together whose life is the same: only their finance differs.

    Of the finance, the gross margin is felt by customers: incentives are capped by it.
    """
    groups: list[tuple[tuple[object, ...], list[bytes]]] = []
    for key, case in cases.items():
        life = _life_of(case.plan, case.future)
        own = next((keys for known, keys in groups if known == life), None)
        if own is None:
            groups.append((life, [key]))
        else:
            own.append(key)
    return [keys for _, keys in groups]


def _life_of(plan: Plan, future: Future) -> tuple[object, ...]:
    """Return what makes the life of a plan in a future."""
    config = future.config
    return (
        plan, future.quarters, config.finance.gross_margin, config.market, config.rivals,
        config.risks, config.desk, config.organisation, config.lever,
    )  # fmt: skip


def kept_levels(history: History) -> F64:
    """Return each level outcome of the focal brand by segment, the whole market last.

    Shape (n_segments + 1, len(LEVEL_NAMES)); `clv` is left NaN.
    """
    n_rows = history.shape[1]
    levels = np.full((n_rows, len(LEVEL_NAMES)), np.nan)
    for column, (name, measure) in enumerate(LEVELS.items()):
        values = MEASURES[measure](history)[:, :, 0]
        levels[:, column] = [level_outcome(name, one, history.quarters) for one in values.T]
    return levels


def _stacked(flows: Table) -> F64:
    return np.stack([flows[name] for name in FLOWS], axis=1)


def _with_market_of(config: Config, other: Config) -> Config:
    """Return a configuration with the market and finance of another one."""
    if config.market is other.market and config.finance is other.finance:
        return config
    return replace(config, market=other.market, finance=other.finance)
