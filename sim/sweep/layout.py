"""What lies where in a sweep's store, and which shard holds which of its units.

    SWEEP/manifest.json                    what is swept; written once
    SWEEP/extension-0001.json ...          what was added later, each written once
    SWEEP/points/0000.parquet ...          the points of the sweep, and of each extension
    SWEEP/known/0000.parquet ...           rows that need not be lived: from the trial, other sweeps
    SWEEP/parts/shard-000012.parquet       what the units of one shard gave
    SWEEP/parts/shards-000000-000099.parquet    the same of many shards, after compaction

A *point* is one row of the design. A *run* is a point that is lived: points that come to the same
configuration are one run. A *unit* is one run in one replication: all its plans and the baseline,
in one world. A unit gives a row per plan, baseline first. A *shard* is units that one worker lives
in a row, and the smallest thing that is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

MANIFEST = "manifest.json"
POINTS, KNOWN, PARTS = "points", "known", "parts"

_SHARD = re.compile(r"shards?-(\d{6,})(?:-(\d{6,}))?\.parquet")


class Unit(NamedTuple):
    """One run in one replication."""

    run: int
    replication: int


@dataclass(frozen=True, slots=True)
class Block:
    """Runs x replications that are added to a sweep at once, cut into shards.

    Units are numbered run by run: unit u is run `first_run + u // replications` in replication
    `first_replication + u % replications`.
    """

    first_shard: int
    first_run: int
    runs: int
    first_replication: int
    replications: int
    units_per_shard: int

    @property
    def units(self) -> int:
        """Number of units."""
        return self.runs * self.replications

    @property
    def shards(self) -> range:
        """Numbers of the block's shards."""
        return range(self.first_shard, self.first_shard - (-self.units // self.units_per_shard))

    def units_of(self, shard: int) -> list[Unit]:
        """Return the units of one of the block's shards, in the order in which they are lived."""
        first = (shard - self.first_shard) * self.units_per_shard
        last = min(first + self.units_per_shard, self.units)
        return [self._unit(number) for number in range(first, last)]

    def n_units_of(self, shard: int) -> int:
        """Return the number of units of one of the block's shards."""
        first = (shard - self.first_shard) * self.units_per_shard
        return min(self.units_per_shard, self.units - first)

    def _unit(self, number: int) -> Unit:
        run, replication = divmod(number, self.replications)
        return Unit(self.first_run + run, self.first_replication + replication)


def document_name(index: int) -> str:
    """Return the file of the sweep itself (0), or of its n-th extension."""
    return f"extension-{index:04}.json" if index else MANIFEST


def table_name(folder: str, index: int) -> str:
    """Return the file of points or of known rows that came with a document."""
    return f"{folder}/{index:04}.parquet"


def part_name(first: int, last: int | None = None) -> str:
    """Return the file of a shard, or of a run of shards, the last one included."""
    if last is None:
        return f"{PARTS}/shard-{first:06}.parquet"
    return f"{PARTS}/shards-{first:06}-{last:06}.parquet"


def shards_in(name: str) -> range | None:
    """Return the shards that a file of `parts/` holds, or None if it is no part."""
    match = _SHARD.fullmatch(name.rpartition("/")[2])
    if match is None:
        return None
    first = int(match[1])
    return range(first, int(match[2] or first) + 1)


# --- rows ----------------------------------------------------------------------------------------

QUARTERLY, BY_SEGMENT = "quarter.", "segment."
"""Prefixes of columns that hold a list: a value per quarter of the plan, or per segment."""
SEGMENT_NAMES = "segments"
"""The column that says which segments these are, in order."""


def row_schema(outcomes: tuple[str, ...], quarters: tuple[str, ...], segments: tuple[str, ...]
               ) -> pa.Schema:  # fmt: skip
    """Return the columns of a part: a row per run x replication x plan, in that order.

    Parameters
    ----------
    outcomes
        One number per row; null where it does not exist, or if the unit failed.
    quarters
        A list per row: the focal brand over the quarters of the plan, money or a measure.
    segments
        A list per row: an outcome in each segment.

    A unit that failed has one row per plan too, with its `error` and nulls.
    """
    numbers = pa.list_(pa.float64())
    return pa.schema(
        [
            ("run", pa.int64()),
            ("replication", pa.int32()),
            ("plan", pa.string()),
            ("error", pa.string()),
            *((name, pa.float64()) for name in outcomes),
            *((f"{QUARTERLY}{name}", numbers) for name in quarters),
            (SEGMENT_NAMES, pa.list_(pa.string())),
            *((f"{BY_SEGMENT}{name}", numbers) for name in segments),
        ]
    )


POINT_COLUMNS = pa.schema(
    [
        ("point", pa.int64()),
        ("run", pa.int64()),
        ("choice", pa.int32()),
        ("keys", pa.list_(pa.binary(16))),
    ]
)
"""Columns of a table of points before its factors: the point's number; its run; which of the
manifest's configurations it starts from; for each plan the key of its results, see
`sim.sweep.content`. A factor's column is a double, a 64-bit integer, a boolean or a text."""


def groups(shards: list[tuple[int, int]], rows: int) -> Iterator[tuple[int, int]]:
    """Yield first and last shard of runs of shards that hold about so many rows together.

    Parameters
    ----------
    shards
        Number of each shard and its number of rows, in order; a gap ends a group.
    rows
        Rows of a group: it ends with the shard that reaches them.
    """
    first, held, before = -1, 0, -2
    for shard, own in shards:
        if first >= 0 and (shard != before + 1 or held >= rows):
            yield first, before
            first, held = -1, 0
        if first < 0:
            first = shard
        held, before = held + own, shard
    if first >= 0:
        yield first, before
