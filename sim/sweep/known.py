"""Rows that other sweeps hold already, found by the keys of their content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sim.sweep.layout import Block, shards_in
from sim.sweep.store import Draft, Store
from sim.sweep.tables import ERROR, I64, PLAN, REPLICATION, RUN, Keys, opened

Documents = Sequence[Mapping[str, Any]]


def find_known(
    draft: Draft, block: Block, others: Sequence[Store], documents: Documents
) -> Iterator[pa.Table]:
    """Yield rows of a draft's units that sweeps hold already, with the draft's numbers of runs.

    A unit is known if each of its plans was lived without error in the same replication, in
    whichever sweep. The baseline's row comes with that of the first plan, whose key it is part of.

    Parameters
    ----------
    draft
        What is put together; the sweep that it extends is searched, too.
    block
        Units that are wanted. Memory: a byte for each row that they will have, and 50 bytes for
        each key of their runs.
    others
        Sweeps to search. Those of another version of the model, or of which other columns are kept,
        are passed over.
    documents
        Of the sweep with the draft: they say which version, columns and plans.

    Raises
    ------
    StoreError
        If a sweep cannot be read.
    """
    if not block.units:
        return
    stores = {store.place.url: store for store in others}
    stores.pop(draft.place.url, None)
    donors = [*([draft.store] if draft.store else []), *stores.values()]
    wanted = _Wanted.of(draft, block, documents[0])
    matches = [
        (store, wanted.matches(store)) for store in donors if _fit(store.documents, documents)
    ]
    held = np.zeros((block.units, len(documents[0]["plans"])), bool)
    for store, match in matches:
        for found in _found(store, match, block, [RUN, REPLICATION, PLAN, ERROR]):
            held[found.units, found.labels] = True
    held &= held.all(axis=1, keepdims=True)
    for store, match in matches:
        for found in _found(store, match, block, None):
            yield found.taken(held, block)


def _fit(theirs: Documents, ours: Documents) -> bool:
    """Return whether rows of one sweep can stand in another one."""
    present = {_versions(ours)[-1]}
    return {*_versions(theirs)} == present and theirs[0]["columns"] == ours[0]["columns"]


def _versions(documents: Documents) -> list[str]:
    """Return the versions of the model that documents state, the present one last."""
    return [document["code"]["version"] for document in documents if "code" in document]


def _labels(manifest: Mapping[str, Any]) -> I64:
    """Return which of a unit's rows each of a run's keys is of."""
    config = manifest["configurations"][0]["configuration"]
    plans = [plan["name"] for plan in config["plans"] or [config["plan"]]]
    return np.array([manifest["plans"].index(plan) for plan in plans], np.int64)


class _Matches(NamedTuple):
    """Which rows of a sweep are wanted, for which run and plan; arrays of the same length."""

    codes: I64
    """Run and row of its units in the sweep that has them: `run * n_rows + row`, ascending."""
    runs: I64
    """Run that wants it, counted from the block's first one."""
    labels: I64
    """Row of the unit that wants it."""


class _Entries(NamedTuple):
    """A row per key of some runs."""

    keys: Any
    """16 bytes each."""
    runs: I64
    positions: I64
    """Which of the run's keys it is."""

    @classmethod
    def of(cls, run_keys: Iterable[Keys]) -> _Entries:
        first, entries = 0, [cls(np.empty(0, "S16"), _EMPTY, _EMPTY)]
        for keys in run_keys:
            runs = np.arange(first, first + len(keys.lengths))
            before = np.cumsum(keys.lengths) - keys.lengths
            positions = np.arange(len(keys.values)) - before.repeat(keys.lengths)
            values = np.ascontiguousarray(keys.values).view("S16").ravel()
            entries.append(cls(values, runs.repeat(keys.lengths), positions))
            first += len(runs)
        return cls(*map(np.concatenate, zip(*entries, strict=True)))

    def chosen(self, rows: Any) -> _Entries:
        return _Entries(self.keys[rows], self.runs[rows], self.positions[rows])


class _Wanted(NamedTuple):
    """The keys that a block looks for, ascending, its runs counted from the first one."""

    entries: _Entries
    labels: I64

    @classmethod
    def of(cls, draft: Draft, block: Block, manifest: Mapping[str, Any]) -> _Wanted:
        entries = _Entries.of(draft.run_keys())
        runs = entries.runs - block.first_run
        own = _Entries(entries.keys, runs, entries.positions).chosen(
            (runs >= 0) & (runs < block.runs)
        )
        return cls(own.chosen(np.argsort(own.keys, kind="stable")), _labels(manifest))

    def matches(self, store: Store) -> _Matches:
        """Return what a sweep has of it; of runs with the same key the first one."""
        there, n_rows = _Entries.of(store.run_keys()), len(store.plans)
        there = there.chosen(np.unique(there.keys, return_index=True)[1])
        first = np.searchsorted(self.entries.keys, there.keys, side="left")
        last = np.searchsorted(self.entries.keys, there.keys, side="right")
        ours, theirs = _spread(first, last)
        wanted, found = self.entries.chosen(ours), there.chosen(theirs)
        codes = found.runs * n_rows + _labels(store.manifest)[found.positions]
        labels = self.labels[wanted.positions]
        baseline = wanted.positions == 0
        codes = np.concatenate([codes, found.runs[baseline] * n_rows])
        runs = np.concatenate([wanted.runs, wanted.runs[baseline]])
        labels = np.concatenate([labels, np.zeros(baseline.sum(), np.int64)])
        order = np.argsort(codes, kind="stable")
        return _Matches(codes[order], runs[order], labels[order])


class _Found(NamedTuple):
    """Rows of a part that are wanted; one may be wanted several times."""

    table: pa.Table
    rows: I64
    units: I64
    """Unit that wants it, counted from the block's first one."""
    labels: I64

    def taken(self, held: npt.NDArray[np.bool_], block: Block) -> pa.Table:
        """Return those rows that are still marked, as rows of the block, and unmark them."""
        codes = self.units * held.shape[1] + self.labels
        marked = np.flatnonzero(held.ravel()[codes])
        chosen = marked[np.unique(codes[marked], return_index=True)[1]]
        held[self.units[chosen], self.labels[chosen]] = False
        runs = block.first_run + self.units[chosen] // block.replications
        table = self.table.take(pa.array(self.rows[chosen]))
        return table.set_column(0, self.table.schema.field(RUN), pa.array(runs))


def _found(
    store: Store, matches: _Matches, block: Block, columns: list[str] | None
) -> Iterator[_Found]:
    """Yield what is wanted of a sweep's parts; those without any of it are not opened."""
    plans = pa.array(store.plans)
    for name in store.part_files():
        if not _has_any(store, name, matches):
            continue
        with opened(store.place, name) as file:
            for group in range(file.num_row_groups):
                yield _found_in(file.read_row_group(group, columns), plans, matches, block)


def _found_in(table: pa.Table, plans: pa.Array, matches: _Matches, block: Block) -> _Found:
    rows = pc.index_in(table[PLAN], plans).to_numpy().astype(np.int64)
    codes = table[RUN].to_numpy() * len(plans) + rows
    worlds = table[REPLICATION].to_numpy().astype(np.int64) - block.first_replication
    usable = table[ERROR].is_null().to_numpy() & (worlds >= 0) & (worlds < block.replications)
    first = np.searchsorted(matches.codes, codes, side="left")
    last = np.searchsorted(matches.codes, codes, side="right")
    at, own = _spread(first, np.where(usable, last, first))
    units = matches.runs[at] * block.replications + worlds[own]
    return _Found(table, own, units, matches.labels[at])


def _has_any(store: Store, name: str, matches: _Matches) -> bool:
    shards = shards_in(name) or range(0)
    block, n_rows = store.block_of(shards.start), len(store.plans)
    first = block.units_of(shards[0])[0].run
    last = block.units_of(shards[-1])[-1].run
    begin, end = np.searchsorted(matches.codes, [first * n_rows, (last + 1) * n_rows])
    return bool(begin < end)


def _spread(first: I64, last: I64) -> tuple[I64, I64]:
    """Return every number of the ranges [first, last), and the range that each is of."""
    lengths = last - first
    ranges = np.arange(len(lengths)).repeat(lengths)
    within = np.arange(len(ranges)) - (np.cumsum(lengths) - lengths).repeat(lengths)
    return first.repeat(lengths) + within, ranges


_EMPTY: I64 = np.empty(0, np.int64)
