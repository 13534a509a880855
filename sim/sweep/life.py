"""One unit of a sweep: a point's configuration, lived in one world, as rows of a part."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from sim.config.build import Unknowns, build
from sim.config.design import Factor, make_design
from sim.config.edit import Editor
from sim.config.study import Config
from sim.engines.local import LocalEngine
from sim.errors import ConfigError
from sim.finance.cash_flow import COMPONENTS
from sim.measures.columns import Table
from sim.measures.table import MEASURES
from sim.study import (
    LEVELS,
    OUTCOMES,
    Groundwork,
    Task,
    compile_kernels,
    level_outcome,
    run_replication,
)
from sim.sweep.rows import Row

TABLES = ("measures", "cash_flow")
"""What a sweep needs of a study's tables."""
MONEY = (*COMPONENTS, "net")


def check_columns(quarters: Sequence[str], segments: Sequence[str]) -> None:
    """Raise ConfigError if a name is none that can be kept by quarter or by segment."""
    asked = (("quarterly", quarters, (*MONEY, *MEASURES)), ("segmental", segments, LEVELS))
    for key, names, known in asked:
        for name in names:
            if name not in known:
                raise ConfigError(
                    f"'{name}' cannot be kept", key=key, value=name, known=sorted(known)
                )


def plan_names(config: Config) -> list[str]:
    """Return the plans of a unit's rows: the baseline, then those that are set against it."""
    plans = config.plans or (config.plan,)
    return list(dict.fromkeys([config.baseline.name, *(plan.name for plan in plans)]))


@dataclass
class Life:
    """Lives units; what units of one point share is found once.

    Parameters
    ----------
    configurations
        What points start from.
    factors
        What points set.
    quarters, segments
        What is kept by quarter and by segment.
    """

    configurations: Sequence[Config]
    factors: Sequence[Factor]
    quarters: Sequence[str]
    segments: Sequence[str]
    _editors: dict[int, tuple[Editor, Unknowns]] = field(default_factory=dict, repr=False)
    _last: tuple[Any, Groundwork] | None = field(default=None, repr=False)

    @classmethod
    def of(cls, documents: Sequence[Mapping[str, Any]]) -> Life:
        """Return what lives the units of a sweep with these documents."""
        first = documents[0]
        made = [each for document in documents for each in document["configurations"]]
        return cls(
            configurations=[build(Config, each["configuration"]) for each in made],
            factors=make_design(first["design"]).factors,
            quarters=first["columns"]["quarters"],
            segments=first["columns"]["segments"],
        )

    @cached_property
    def _measures(self) -> tuple[str, ...]:
        """Columns of the table of measures that are kept."""
        by_quarter = [name for name in self.quarters if name in MEASURES]
        return (*by_quarter, *(LEVELS[name] for name in self.segments))

    def begin(self) -> None:
        """Bring in the compiled loops; what is there by then no collection looks at again."""
        compile_kernels(self.configurations[0], lambda: None)
        gc.collect()
        gc.freeze()

    def __call__(self, choice: int, values: Mapping[str, Any], replication: int) -> list[Row]:
        """Live a unit and return a row per plan, the baseline first.

        Parameters
        ----------
        choice
            Number of the configuration that the point starts from.
        values
            What the point sets in it, by factor.
        replication
            Which world.

        Raises
        ------
        ConfigError
            If the point makes no configuration that can be lived.
        """
        groundwork = self._groundwork(choice, values)
        config = groundwork.config
        task = Task(replication, replication)
        engine = LocalEngine(1, config.customers)
        lived = run_replication(groundwork, task, engine, TABLES, self._measures)
        names = [segment.name for segment in config.market.segments]
        shape = (-1, len(names) + 1, len(config.market.brands))
        rows: list[Row] = []
        for plan in plan_names(config):
            outcomes, tables = lived.plans[plan].outcomes, lived.plans[plan].tables
            rows.append(
                [
                    *(outcomes[name] for name in OUTCOMES),
                    *(_quarterly(tables, name) for name in self.quarters),
                    names,
                    *(_segmental(tables["measures"], name, shape) for name in self.segments),
                ]
            )
        return rows

    def _groundwork(self, choice: int, values: Mapping[str, Any]) -> Groundwork:
        point = (choice, tuple(values.items()))
        if self._last is None or self._last[0] != point:
            if choice not in self._editors:
                base = self.configurations[choice]
                edited = Editor(base, self.factors)
                self._editors[choice] = (edited, Unknowns(edited.config))
            editor, unknowns = self._editors[choice]
            config = editor.edit(values)
            self._last = (point, Groundwork(config, unknowns.after(config)))
        return self._last[1]


def _quarterly(tables: Mapping[str, Table], name: str) -> np.ndarray:
    """Return what is kept by quarter, over the quarters of the plan, shape (n_quarters,)."""
    money, measures = tables["cash_flow"], tables["measures"]
    if name in money:
        return np.asarray(money[name], dtype=np.float64)
    chosen = (measures["quarter"] >= 1) & (measures["segment"] == "all")
    focal = measures["brand"] == measures["brand"][0]
    return np.asarray(measures[name][chosen & focal], dtype=np.float64)


def _segmental(measures: Table, outcome: str, shape: tuple[int, int, int]) -> np.ndarray:
    """Return an outcome of the focal brand in each segment, shape (n_segments,)."""
    values = np.asarray(measures[LEVELS[outcome]], dtype=np.float64).reshape(shape)[:, :-1, 0]
    quarters = measures["quarter"].reshape(shape)[:, 0, 0]
    return np.array([level_outcome(outcome, one, quarters) for one in values.T])
