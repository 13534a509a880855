"""What a worker does: it has the units of a shard lived in a process of its own, keeps their rows.

Imported where work is sent from and where it is done, so it brings in nothing heavy: the model is
imported in the process that lives units.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from sim.engines.isolated import Answer, Isolated, mine
from sim.sweep.layout import Unit
from sim.sweep.place import open_place
from sim.sweep.rows import Row, table_of
from sim.sweep.store import Store

Item = tuple[int, Mapping[str, Any], int]
"""What is to be lived: number of the configuration, what the point sets in it, replication."""


class Report(NamedTuple):
    """What became of a shard."""

    units: int
    lived: int
    """Units that were not known before."""
    failed: int
    seconds: float


class Living:
    """Lives units of a sweep; what that takes is brought in where it begins.

    Parameters
    ----------
    documents
        Of the sweep: its manifest, and its extensions.
    """

    def __init__(self, documents: Sequence[Mapping[str, Any]]) -> None:
        self.documents = documents
        self._live: Any = None

    def begin(self) -> None:
        """Bring in the model and its compiled loops."""
        from sim.sweep.life import Life  # noqa: PLC0415  # a worker's own process would not need it

        self._live = Life.of(self.documents)
        self._live.begin()

    def __call__(self, item: Item) -> list[Row]:
        """Live a unit and return a row per plan.

        Raises
        ------
        ConfigError
            If the point makes no configuration that can be lived.
        """
        rows: list[Row] = self._live(*item)
        return rows


class LiveShard:
    """The work of a sweep, see `sim.engines.engine.Work`; a shard's number is the task.

    Parameters
    ----------
    url
        Of the sweep.
    limit
        Seconds that one unit may take.
    documents
        How many documents the sweep has: a worker that knows another number reads them again.
    """

    def __init__(self, url: str, limit: float, documents: int) -> None:
        self.url, self.limit, self.documents = url, limit, documents

    def __call__(self, shard: int) -> Report:
        """Live what is not known of a shard and keep its rows.

        Raises
        ------
        StoreError
            If the sweep cannot be read or written.
        """
        began = time.perf_counter()
        store = self._store()
        units = store.block_of(shard).units_of(shard)
        known = store.known_of(shard)
        new = [unit for unit in units if unit not in known]
        answers = list(self._answers(store, shard, new))
        lived = [answer.error or answer.value for answer in answers]
        table = table_of(store.schema, store.plans, new, lived)
        store.write_part(shard, _in_order(table, units, new, known))
        failed = sum(bool(answer.error) for answer in answers)
        return Report(len(units), len(new), failed, time.perf_counter() - began)

    def is_done(self, shard: int) -> bool:
        """Return whether a shard's rows are kept."""
        return self._store().is_done(shard)

    def _store(self) -> Store:
        key = (self.url, self.documents)
        if key not in _STORES:
            _STORES.clear()
            _STORES[key] = Store.open(open_place(self.url))
        return _STORES[key]

    def _answers(self, store: Store, shard: int, units: Sequence[Unit]) -> Iterator[Answer]:
        if not units:
            return iter(())
        points = store.points_of(shard)
        living = mine(
            f"{self.url} {self.documents} {self.limit}",
            lambda: Isolated(Living(store.documents), self.limit),
        )
        return living.map((*points[unit.run], unit.replication) for unit in units)


_STORES: dict[tuple[str, int], Store] = {}
"""The store that this process works for."""


def _in_order(
    table: pa.Table, units: Sequence[Unit], new: Sequence[Unit], known: Mapping[Unit, pa.Table]
) -> pa.Table:
    """Return the rows of new and known units in the order of all units."""
    if not known:
        return table
    n_plans = next(iter(known.values())).num_rows
    at = {unit: number for number, unit in enumerate([*new, *known])}
    rows = np.array([at[unit] for unit in units])[:, None] * n_plans + np.arange(n_plans)
    return pa.concat_tables([table, *known.values()]).take(rows.ravel()).combine_chunks()
