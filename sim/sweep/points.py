"""The points of a design, each with what it starts from and the keys of its results."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from sim.config.design import Design
from sim.config.edit import Editor
from sim.config.study import Config
from sim.errors import ConfigError
from sim.sweep.content import ContentKeys
from sim.sweep.design import Sampling
from sim.sweep.layout import POINT_COLUMNS

Compose = Callable[[Mapping[str, str]], Config]
"""Return the configuration in which groups were chosen so: `{"rivals": "hold"}`."""

MAX_CONFIGURATIONS = 1_000
"""Combinations of choices: each is composed, and kept in the manifest, whole."""


class Points:
    """The points of a design over the configurations that its choices make.

    Parameters
    ----------
    design
        What varies.
    sampling
        Its points.
    configurations
        The configurations, by the choices that make them: a name per factor that chooses.
    """

    def __init__(
        self,
        design: Design,
        sampling: Sampling,
        configurations: Mapping[tuple[str, ...], Config],
    ) -> None:
        self.design = replace(design, factors=sampling.factors)
        self.sampling, self.configurations = sampling, configurations
        self._chosen = list(sampling.choices)
        self._numbers = {names: number for number, names in enumerate(configurations)}
        self._makers = [
            (Editor(config, sampling.factors), ContentKeys(config))
            for config in configurations.values()
        ]

    @property
    def factors(self) -> list[tuple[str, pa.DataType]]:
        """Columns of the factors with their types."""
        return list(self.sampling.columns.items())

    def documents(self) -> list[dict[str, Any]]:
        """Return the choices that make each configuration, in the order of their numbers."""
        return [dict(zip(self._chosen, names, strict=True)) for names in self.configurations]

    def batches(self, first_choice: int = 0) -> Iterator[pa.RecordBatch]:
        """Yield the points: number of the configuration, keys of the results, factors.

        A point that makes no configuration has keys too; it will fail where it is lived.

        Parameters
        ----------
        first_choice
            Number that the sweep gives the first of the configurations.
        """
        head = [POINT_COLUMNS.field("choice"), POINT_COLUMNS.field("keys")]
        schema = pa.schema([*head, *(pa.field(*factor) for factor in self.factors)])
        for batch in self.sampling.batches():
            columns = {name: _plain(batch[name]) for name in self.sampling.columns}
            choices, keys = [], []
            for row in zip(*columns.values(), strict=True):
                values = dict(zip(columns, row, strict=True))
                choice = self._numbers[tuple(values.pop(name) for name in self._chosen)]
                choices.append(first_choice + choice)
                keys.append(self._keys(choice, values))
            yield pa.record_batch([choices, keys, *columns.values()], schema=schema)

    def _keys(self, choice: int, values: Mapping[str, Any]) -> list[bytes]:
        editor, content = self._makers[choice]
        try:
            return content.keys(editor.edit(values))
        except ConfigError as error:
            plans = editor.config.plans or (editor.config.plan,)
            said = [repr((plan.name, choice, sorted(values.items()), str(error))) for plan in plans]
            return [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in said]


def configurations_of(sampling: Sampling, compose: Compose) -> dict[tuple[str, ...], Config]:
    """Return the configuration for each combination of a design's choices.

    Raises
    ------
    ConfigError
        If there are more than MAX_CONFIGURATIONS, or one cannot be composed.
    """
    choices = sampling.choices
    combinations = list(itertools.product(*choices.values()))
    if len(combinations) > MAX_CONFIGURATIONS:
        raise ConfigError(
            f"{' x '.join(choices)} make {len(combinations):,} configurations", key="factors",
            allowed=f"{MAX_CONFIGURATIONS:,} combinations of choices",
        )  # fmt: skip
    group = {factor.column: factor.key for factor in sampling.factors}
    groups = [group[column] for column in choices]
    return {names: compose(dict(zip(groups, names, strict=True))) for names in combinations}


def _plain(column: Any) -> list[Any]:
    """Return a column as plain Python values, which configuration checks the types of."""
    return column.tolist() if hasattr(column, "tolist") else list(column)
