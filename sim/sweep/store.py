"""The store of a sweep: its documents, points, known rows and parts, see `sim.sweep.layout`.

Everything is written whole or not at all, and nothing is changed once it is written. Of two parts
that hold the same shard the longer one counts, so that parts can be merged and cut without a moment
at which a row is missing or there twice.
"""

from __future__ import annotations

import dataclasses
import json
import re
import tempfile
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from hashlib import blake2b
from itertools import pairwise
from typing import Any, BinaryIO, Final, TypeVar, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sim.config.build import build
from sim.config.study import Config
from sim.errors import StoreError
from sim.sweep.layout import (
    KNOWN,
    MANIFEST,
    PARTS,
    POINT_COLUMNS,
    POINTS,
    Block,
    Unit,
    document_name,
    groups,
    part_name,
    row_schema,
    shards_in,
    table_name,
)
from sim.sweep.place import Place
from sim.sweep.tables import (
    ERROR,
    GROUP_ROWS,
    I64,
    KEYS,
    PLAN,
    REPLICATION,
    RUN,
    U64,
    DamagedError,
    Keys,
    Known,
    Points,
    read_table,
    regrouped,
    table_bytes,
    write_groups,
)

FORMAT: Final = 1
"""Form of the documents; another one is not read."""
FACTOR_TYPES: Final = ("double", "int64", "bool", "string")
READERS: Final = 8
"""Files that are read at once."""
BUCKET_ROWS: Final = 50_000
"""Known rows that are sorted in memory at once."""
KEY_BYTES: Final = 16
_GIVEN: Final = ("choice", KEYS)
"""Columns of points that are given, before the factors."""
_N_OWN: Final = len(POINT_COLUMNS)
BUCKETS: Final = 256
"""How many such heaps there may be: each is an open file."""

FAILURES: Final = pa.schema(
    [(RUN, pa.int64()), (REPLICATION, pa.int32()), (ERROR, pa.string())]
)  # fmt: skip

T = TypeVar("T")
Point = tuple[int, dict[str, Any]]
"""Which configuration a point starts from, and what it sets, by factor."""


class Store:
    """A sweep that has been committed.

    Parameters
    ----------
    place
        Where it lies.
    documents
        The manifest, and a document for each extension.

    Attributes
    ----------
    blocks
        What each document added.
    n_points, n_runs
        Of the whole sweep.
    schema
        Columns of a part.
    """

    MANIFEST: Final = MANIFEST

    def __init__(self, place: Place, documents: list[dict[str, Any]]) -> None:
        self.place, self.documents = place, documents
        self.manifest = documents[0]
        self.blocks = [Block(**document["block"]) for document in documents]
        self.n_points = sum(document["points"] for document in documents)
        self.n_runs = sum(document["runs"] for document in documents)
        self.schema = part_schema(self.manifest)
        self._first_runs = np.cumsum([0, *(document["runs"] for document in documents)]).tolist()
        self._points: dict[int, Points] = {}
        self._known: dict[int, Known] = {}

    @classmethod
    def open(cls, place: Place) -> Store:
        """Read what a sweep's documents say.

        Raises
        ------
        StoreError
            If there is no sweep, a document is missing or damaged, or in a form that this version
            does not read.
        """
        names = {*place.names()}
        if MANIFEST not in names:
            raise StoreError(f"{place.url} is no sweep: it has no {MANIFEST}")
        expected = [document_name(index) for index in range(_n_documents(names))]
        for name in expected:
            if name not in names:
                raise StoreError(f"{place.url}: {name} is missing; restore it from a copy")
        return cls(place, [_read_document(place, name) for name in expected])

    @staticmethod
    def draft(place: Place, store: Store | None) -> Draft:
        """Begin a sweep, or an extension of one; nothing of it counts until it is committed.

        Raises
        ------
        StoreError
            If the place cannot be written, or holds a sweep although none was given.
        """
        return Draft(place, store)

    # --- what is swept -----------------------------------------------------------------------

    @cached_property
    def factors(self) -> dict[str, str]:
        """Columns of points that factors set, with their types.

        A number that is whole in one document and not in another is a double.
        """
        found: dict[str, str] = {}
        for document in self.documents:
            for name, kind in document["factors"].items():
                found[name] = kind if found.get(name, kind) == kind else "double"
        return found

    @cached_property
    def plans(self) -> tuple[str, ...]:
        """Names of the rows of a unit: the baseline, then each plan set against it."""
        return tuple(self.manifest["plans"])

    @property
    def replications(self) -> int:
        """Number of the last replication of any run, plus one."""
        return max(block.first_replication + block.replications for block in self.blocks)

    @cached_property
    def configurations(self) -> list[Config]:
        """What points start from: those of the manifest, then those that extensions added."""
        return [
            build(Config, each["configuration"])
            for document in self.documents
            for each in document["configurations"]
        ]

    @property
    def shards(self) -> list[int]:
        """Numbers of all shards."""
        return [shard for block in self.blocks for shard in block.shards]

    def block_of(self, shard: int) -> Block:
        """Return the block that a shard is cut from.

        Raises
        ------
        StoreError
            If there is no such shard.
        """
        return self.blocks[self._index_of(shard)]

    def points_of(self, shard: int) -> dict[int, Point]:
        """Return what each run of a shard starts from and sets."""
        units = self.block_of(shard).units_of(shard)
        return self.points_of_runs(units[0].run, units[-1].run)

    def points_of_runs(self, first: int, last: int) -> dict[int, Point]:
        """Return what runs start from and set, the last one included."""
        found: dict[int, Point] = {}
        for index, document in enumerate(self.documents):
            begin = self._first_runs[index]
            low, high = max(first, begin), min(last, begin + document["runs"] - 1)
            if low <= high:
                found |= self._points_of(index).of_runs(low, high)
        return found

    def run_keys(self) -> Iterator[Keys]:
        """Yield the keys of all runs, in order."""
        for index, document in enumerate(self.documents):
            if document["runs"]:
                yield from self._points_of(index).run_keys()

    def known_of(self, shard: int) -> dict[Unit, pa.Table]:
        """Return the rows of those units of a shard that need not be lived."""
        index = self._index_of(shard)
        if not self.documents[index]["known"]:
            return {}
        if index not in self._known:
            self._known[index] = Known(self.place, table_name(KNOWN, index), len(self.plans))
        return self._known[index].of_units(self.blocks[index].units_of(shard))

    # --- parts -------------------------------------------------------------------------------

    def write_part(self, shard: int, table: pa.Table) -> None:
        """Keep the rows of a shard; the same rows give the same bytes.

        Raises
        ------
        StoreError
            If they are not the rows of this shard, or cannot be written.
        """
        problem = self._misfit(range(shard, shard + 1), table)
        if problem:
            raise StoreError(f"shard {shard}: {problem}")
        self.place.write(part_name(shard), table_bytes(table, self.schema))

    def is_done(self, shard: int) -> bool:
        """Return whether the rows of a shard are kept, by a fresh look at the names."""
        return self.place.exists(part_name(shard)) or shard not in self.missing()

    def missing(self) -> list[int]:
        """Return the shards that are not kept; only names are looked at."""
        done = {shard for name in self.part_files() for shard in _shards(name)}
        return [shard for shard in self.shards if shard not in done]

    def part_files(self) -> list[str]:
        """Return the parts that count: those that a longer one covers are left out."""
        return _counting(self._parts())

    def failures(self) -> pa.Table:
        """Return run, replication and error of each unit that failed."""
        found = _at_once(self._failed, self.part_files())
        tables = [table.select(FAILURES.names) for table in found if table.num_rows]
        return pa.concat_tables([FAILURES.empty_table(), *tables]).combine_chunks()

    def drop_failures(self) -> list[int]:
        """Remove the shards in which a unit failed, and return their numbers.

        A part of many shards is cut into what remains before it goes.
        """
        dropped = []
        names = self.part_files()
        for name, failed in zip(names, [*_at_once(self._failed, names)], strict=True):
            if failed.num_rows:
                gone = sorted({*failed["shard"].to_pylist()})
                dropped += gone
                if len(_shards(name)) == 1:
                    self.place.remove(name)
                else:
                    self._cut(name, _without(_shards(name), gone))
        return dropped

    def compact(self, rows: int = 100_000) -> int:
        """Merge consecutive parts of blocks that are complete, and return how many files that made.

        Parameters
        ----------
        rows
            About how many rows a file is to hold.

        The files depend on `rows` only, not on what was merged before.
        """
        missing = {*self.missing()}
        made = 0
        for block in self.blocks:
            if missing.isdisjoint(block.shards):
                sizes = [(s, block.n_units_of(s) * len(self.plans)) for s in block.shards]
                wanted = [range(first, last + 1) for first, last in groups(sizes, rows)]
                self._cut_to(wanted)
                made += self._merge(wanted)
        return made

    def check(self, tell: Callable[[str], None]) -> None:
        """Read every part to its end, and remove those that are damaged.

        Parameters
        ----------
        tell
            Is told of each part that is removed, and why: its shards are missing again.

        What a longer part covers and what was left half written goes as well.
        """
        sound: set[str] = set()
        while unread := [name for name in self.part_files() if name not in sound]:
            for name, problem in zip(unread, _at_once(self._problem, unread), strict=True):
                if problem:
                    self.place.remove(name)
                    tell(f"{problem}; it was removed, its units are to be lived again")
                else:
                    sound.add(name)
        for name in self._parts():
            if name not in sound:
                self.place.remove(name)
        for folder in ("", POINTS, KNOWN, PARTS):
            self.place.remove_abandoned(folder)

    # --- inside ------------------------------------------------------------------------------

    def _index_of(self, shard: int) -> int:
        firsts = [block.first_shard for block in self.blocks]
        index = bisect_right(firsts, shard) - 1
        if index < 0 or shard not in self.blocks[index].shards:
            raise StoreError(f"{self.place.url} has no shard {shard}")
        return index

    def _points_of(self, index: int) -> Points:
        if index not in self._points:
            name = table_name(POINTS, index)
            self._points[index] = Points(self.place, name, self._first_runs[index])
        return self._points[index]

    def _parts(self) -> list[str]:
        """Return all parts of this sweep's shards; whatever else lies there is not ours."""
        found = []
        for base in self.place.names(PARTS):
            shards = shards_in(base)
            if shards and any(
                block.shards.start <= shards.start and shards.stop <= block.shards.stop
                for block in self.blocks
            ):
                found.append(f"{PARTS}/{base}")
        return found

    def _misfit(self, shards: range, table: pa.Table) -> str:
        """Return in what rows are not those of shards, or nothing."""
        if not table.schema.equals(self.schema):
            return f"has other columns than the sweep: {', '.join(table.schema.names)}"
        block = self.block_of(shards.start)
        units = [unit for shard in shards for unit in block.units_of(shard)]
        n_plans = len(self.plans)
        if table.num_rows != len(units) * n_plans:
            return f"has {table.num_rows} rows instead of {len(units) * n_plans}"
        runs, replications = np.repeat(np.array(units, np.int64), n_plans, axis=0).T
        if (
            table[PLAN].to_pylist() != [*self.plans] * len(units)
            or not np.array_equal(table[RUN].to_numpy(), runs)
            or not np.array_equal(table[REPLICATION].to_numpy(), replications)
        ):
            return "has rows of other units or plans"
        return ""

    def _read_part(self, name: str) -> pa.Table:
        table = read_table(self.place, name)
        problem = self._misfit(_shards(name), table)
        if problem:
            raise DamagedError(f"{self.place.url}/{name} {problem}")
        return table

    def _problem(self, name: str) -> str:
        """Return in what a part is damaged, or nothing."""
        try:
            self._read_part(name)
        except DamagedError as error:
            return str(error)
        return ""

    def _failed(self, name: str) -> pa.Table:
        """Return shard, run, replication and error of the units of a part that failed."""
        table = read_table(self.place, name, FAILURES.names)
        baseline = table.take(pa.array(np.arange(0, table.num_rows, len(self.plans))))
        first = _shards(name).start
        per_shard = self.block_of(first).units_per_shard
        shards = first + np.arange(baseline.num_rows) // per_shard
        whose = baseline.add_column(0, "shard", pa.array(shards, pa.int64()))
        return whose.filter(whose[ERROR].is_valid())

    def _merge(self, wanted: list[range]) -> int:
        """Put the parts of each range of shards into one, and return how many files that made."""
        parts = sorted(self._parts(), key=_place_of)
        starts = [_shards(name).start for name in parts]
        made = 0
        for shards in wanted:
            # No part lies in two ranges any more.
            within = parts[bisect_left(starts, shards.start) : bisect_left(starts, shards.stop)]
            name = _part_of(shards)
            if name not in within:
                self._write(shards, _at_once(self._read_part, _counting(within)))
                made += 1
            self._remove_others(within, name)
        return made

    def _write(self, shards: range, tables: Iterable[pa.Table]) -> None:
        """Write the part of some shards; of several by groups of rows, few of them in memory."""
        if len(shards) == 1:
            [table] = tables
            self.place.write(_part_of(shards), table_bytes(table, self.schema))
        else:
            write_groups(self.place, _part_of(shards), self.schema, tables)

    def _remove_others(self, names: list[str], but: str) -> None:
        for name in names:
            if name != but:
                self.place.remove(name)

    def _cut_to(self, wanted: list[range]) -> None:
        """Cut parts that lie in several of the ranges of shards, so that each lies in one."""
        for name in self.part_files():
            shards = _shards(name)
            pieces = [
                range(max(shards.start, each.start), min(shards.stop, each.stop))
                for each in wanted
                if each.start < shards.stop and shards.start < each.stop
            ]
            if len(pieces) > 1:
                self._cut(name, pieces)

    def _cut(self, name: str, pieces: list[range]) -> None:
        """Replace a part by parts for some ranges of its shards.

        Until it goes, it covers the pieces. What it covered before goes first, so that it does not
        come to light again.
        """
        whole = _shards(name)
        block = self.block_of(whole.start)
        table = self._read_part(name)
        covered = [each for each in self._parts() if _is_within(_shards(each), whole)]
        self._remove_others(covered, name)
        per_shard = block.units_per_shard * len(self.plans)
        for piece in pieces:
            first = (piece.start - whole.start) * per_shard
            rows = table.slice(first, len(piece) * per_shard)
            self._write(piece, [rows])
        self.place.remove(name)


class Draft:
    """A sweep or an extension that is being put together; it does not count until `commit`.

    Parameters
    ----------
    place
        Where the sweep lies, or is to lie.
    store
        The sweep that is extended; None for a new one.

    Attributes
    ----------
    n_points, n_runs
        New ones.
    first_run
        Number of the first new run.
    schema
        Columns of the points.
    """

    def __init__(self, place: Place, store: Store | None) -> None:
        self.place, self.store = place, store
        self.index = len(store.documents) if store else 0
        self.first_point = store.n_points if store else 0
        self.first_run = store.n_runs if store else 0
        self.n_points = self.n_runs = 0
        self.schema: pa.Schema = POINT_COLUMNS
        place.create()
        if document_name(self.index) in place.names():
            raise StoreError(f"{place.url} is a sweep already, or is being extended")
        place.remove(self._points_name)
        place.remove(self._known_name)
        self._known = _Heap()

    def add_points(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Add all points of the draft, number them and find their runs.

        A point with keys that are new gets a new run; one whose keys were met before, in this draft
        or in the sweep, shares that run.

        Parameters
        ----------
        batches
            Columns `choice` and `keys`, see `POINT_COLUMNS`, and a column per factor.

        Raises
        ------
        StoreError
            If a column has a type that factors do not have, or another one than in the sweep; if
            points cannot be written.
        """
        if self.n_points:
            raise StoreError("a draft takes its points at once")
        digests = [_digests(keys) for keys in self.store.run_keys()] if self.store else []
        heap = _Heap()
        for batch in batches:
            if batch.num_rows:
                self._check_columns(batch.schema, first=heap.is_empty)
                heap.add(pa.Table.from_batches([batch]))
                digests.append(_digests(Keys.of(pa.chunked_array([batch.column(KEYS)]))))
        if heap.is_empty:
            return
        runs = _runs(digests)[self.first_run :]
        self.n_points = len(runs)
        self.n_runs = int(runs.max(initial=self.first_run - 1)) + 1 - self.first_run
        numbered = self._numbered(regrouped(heap.tables()), runs)
        write_groups(self.place, self._points_name, self.schema, numbered)

    def sample_runs(self, n: int) -> dict[int, Point]:
        """Return what n runs start from and set, the first one, the last, evenly between.

        They are new ones; the sweep's, if the draft adds no points but worlds.
        """
        found: dict[int, Point] = {}
        if self.n_points:
            first, size = self.first_run, self.n_runs
            of_runs = Points(self.place, self._points_name, first).of_runs if size else None
        else:
            first, size = 0, self.first_run
            of_runs = self.store.points_of_runs if self.store else None
        if of_runs:
            chosen = np.linspace(first, first + size - 1, min(n, size)).round()
            for run in np.unique(chosen).astype(np.int64).tolist():
                found |= of_runs(run, run)
        return found

    def run_keys(self) -> Iterator[Keys]:
        """Yield the keys of the runs of the sweep and the draft, in order."""
        if self.store:
            yield from self.store.run_keys()
        if self.n_runs:
            yield from Points(self.place, self._points_name, self.first_run).run_keys()

    def add_known(self, tables: Iterable[pa.Table]) -> None:
        """Add rows that need not be lived, in `row_schema`, in any order.

        Of a row that is added twice the first one counts; units that failed, and those of other
        blocks, are left out.

        Raises
        ------
        StoreError
            If there is no room for them on this machine.
        """
        for table in tables:
            self._known.add(table)

    def commit(self, document: Mapping[str, Any], block: Block) -> Store:
        """Write what is asked for; from now on the draft counts.

        Parameters
        ----------
        document
            `configurations` that it adds; for a new sweep `plans`, the names of a unit's rows, and
            `columns` (outcomes, quarters, segments); whatever else is to be kept.
        block
            Its units.

        Raises
        ------
        StoreError
            If the block does not follow on what there is, known rows do not make whole units, or
            something cannot be written.
        """
        self._check_block(block)
        manifest = self.store.manifest if self.store else document
        n_known = self._write_known(block, manifest)
        whole = {
            "format": FORMAT,
            "index": self.index,
            **document,
            "factors": {field.name: str(field.type) for field in [*self.schema][_N_OWN:]},
            "points": self.n_points,
            "runs": self.n_runs,
            "known": n_known,
            "block": dataclasses.asdict(block),
        }
        text = json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        self.place.write(document_name(self.index), text.encode())
        return Store.open(self.place)

    # --- inside ------------------------------------------------------------------------------

    @property
    def _points_name(self) -> str:
        return table_name(POINTS, self.index)

    @property
    def _known_name(self) -> str:
        return table_name(KNOWN, self.index)

    def _check_columns(self, given: pa.Schema, *, first: bool) -> None:
        own = [field for field in given if field.name not in POINT_COLUMNS.names]
        if first:
            self.schema = pa.schema([*POINT_COLUMNS, *own])
        expected = [*[POINT_COLUMNS.field(name) for name in _GIVEN], *[*self.schema][_N_OWN:]]
        if not given.equals(pa.schema(expected)):
            raise StoreError(f"points have the columns {given}, not {pa.schema(expected)}")
        held = self.store.factors if self.store else {}
        for field in own:
            kinds = {str(field.type), held.get(field.name, str(field.type))}
            if not kinds <= {*FACTOR_TYPES} or (len(kinds) > 1 and kinds != {"double", "int64"}):
                raise StoreError(f"factor {field.name}: cannot keep {' beside '.join(kinds)}")

    def _numbered(self, tables: Iterable[pa.Table], runs: I64) -> Iterator[pa.Table]:
        """Yield points with their numbers and runs before them."""
        first = 0
        for table in tables:
            end = first + table.num_rows
            numbers = pa.array(np.arange(self.first_point + first, self.first_point + end))
            columns = [numbers, pa.array(runs[first:end]), *table.columns]
            yield pa.Table.from_arrays(columns, schema=self.schema)
            first = end

    def _check_block(self, block: Block) -> None:
        last = self.store.blocks[-1].shards.stop if self.store else block.first_shard
        n_runs = self.first_run + self.n_runs
        if block.first_shard != last or not 0 <= block.first_run <= n_runs - block.runs:
            raise StoreError(f"{block} does not follow on {last} shards and {n_runs} runs")

    def _write_known(self, block: Block, manifest: Mapping[str, Any]) -> int:
        """Write the known rows of a block's units, sorted, and return how many there are."""
        schema, plans = part_schema(manifest), tuple(manifest["plans"])
        n_rows = 0

        def counted() -> Iterator[pa.Table]:
            nonlocal n_rows
            for table in self._known.by_runs():
                chosen = _of_block(table.cast(schema), block, plans)
                n_rows += chosen.num_rows
                yield chosen

        write_groups(self.place, self._known_name, schema, counted())
        if not n_rows:
            self.place.remove(self._known_name)
        return n_rows


class _Heap:
    """Tables that need not fit in memory, put aside in a file that is gone with its process."""

    def __init__(self) -> None:
        self._file: BinaryIO | None = None
        self._writer: Any = None
        self._waiting: list[pa.Table] = []
        self._n_waiting = 0
        self._runs: list[I64] = []

    @property
    def is_empty(self) -> bool:
        """Whether nothing was put aside."""
        return not self._waiting and self._file is None

    def add(self, table: pa.Table) -> None:
        """Put a table aside; small ones wait for others, since each costs something."""
        self._waiting.append(table)
        self._n_waiting += table.num_rows
        if RUN in table.column_names:
            self._runs.append(table[RUN].to_numpy())
        if self._n_waiting >= GROUP_ROWS:
            self._write()

    def _write(self) -> None:
        table = pa.concat_tables(self._waiting).combine_chunks()
        with _spilling():
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115  # kept open
                self._writer = pa.ipc.new_stream(self._file, table.schema)
            self._writer.write_table(table)
        self._waiting, self._n_waiting = [], 0

    def tables(self) -> Iterator[pa.Table]:
        """Yield what was put aside, in order; nothing can be added any more."""
        if self._waiting:
            self._write()
        if self._file is None:
            return
        with _spilling():
            self._writer.close()
            self._file.seek(0)
        with pa.ipc.open_stream(self._file) as reader:
            for batch in reader:
                yield pa.Table.from_batches([batch])

    def by_runs(self) -> Iterator[pa.Table]:
        """Yield the rows in tables that follow each other by runs and fit in memory."""
        if not self._runs:
            return
        runs = np.sort(np.concatenate(self._runs))
        size = max(BUCKET_ROWS, -(-len(runs) // BUCKETS))
        edges = runs[size::size]
        heaps = [_Heap() for _ in range(len(edges) + 1)]
        for table in self.tables():
            bucket = np.searchsorted(edges, table[RUN].to_numpy(), side="right")
            for number in np.unique(bucket):
                heaps[number].add(table.filter(pa.array(bucket == number)))
        for heap in heaps:
            found = [*heap.tables()]
            if found:
                yield pa.concat_tables(found)


def part_schema(manifest: Mapping[str, Any]) -> pa.Schema:
    """Return the columns of a sweep's parts."""
    return row_schema(**{name: tuple(names) for name, names in manifest["columns"].items()})


def _n_documents(names: Iterable[str]) -> int:
    """Return how many documents there must be for the last one that is there."""
    found = [re.fullmatch(r"extension-(\d{4,})\.json", name) for name in names]
    return max((int(match[1]) for match in found if match), default=0) + 1


def _read_document(place: Place, name: str) -> dict[str, Any]:
    try:
        document = json.loads(place.read(name))
    except ValueError as error:
        raise StoreError(f"{place.url}/{name} is damaged: {error}") from error
    given = document.get("format") if isinstance(document, dict) else None
    if given != FORMAT:
        raise StoreError(
            f"{place.url}/{name} is in format {given}; this version of Fidelio reads {FORMAT}"
        )
    return cast(dict[str, Any], document)


def _at_once(work: Callable[[str], T], names: Iterable[str]) -> Iterator[T]:
    """Yield what reading files gives, in order: elsewhere, each read is mostly waiting."""
    pool = ThreadPoolExecutor(READERS)
    try:
        yield from pool.map(work, names)
    finally:
        pool.shutdown(cancel_futures=True)


# --- names of parts ------------------------------------------------------------------------------


def _shards(name: str) -> range:
    return shards_in(name) or range(0)


def _part_of(shards: range) -> str:
    return part_name(shards.start, shards.stop - 1 if len(shards) > 1 else None)


def _place_of(name: str) -> tuple[int, int]:
    """Return what sorts parts by their shards, a longer one before those it covers."""
    return _shards(name).start, -_shards(name).stop


def _is_within(shards: range, others: range) -> bool:
    return others.start <= shards.start and shards.stop <= others.stop


def _counting(names: Iterable[str]) -> list[str]:
    """Return those parts that no longer one covers, in the order of their shards."""
    counting, end = [], 0
    for name in sorted(names, key=_place_of):
        if _shards(name).stop > end:
            counting.append(name)
            end = _shards(name).stop
    return counting


def _without(shards: range, gone: Iterable[int]) -> list[range]:
    """Return what is left of a range without some of it, given in order."""
    pieces, start = [], shards.start
    for shard in (*gone, shards.stop):
        if shard > start:
            pieces.append(range(start, shard))
        start = shard + 1
    return pieces


# --- runs and known rows -------------------------------------------------------------------------


def _digests(keys: Keys) -> U64:
    """Return 16 bytes for all keys of each point, shape (n, 2)."""
    if (keys.lengths == 1).all():
        return keys.values
    raw = keys.values.tobytes()
    ends = KEY_BYTES * np.cumsum(keys.lengths)
    rows = (raw[begin:end] for begin, end in pairwise([0, *ends.tolist()]))
    digests = (
        row if len(row) == KEY_BYTES else blake2b(row, digest_size=KEY_BYTES).digest()
        for row in rows
    )
    return np.frombuffer(b"".join(digests), np.uint64).reshape(-1, 2)


def _runs(digests: list[U64]) -> I64:
    """Return the run of each point: they are numbered as they first occur, shape (n,).

    The list is emptied on the way, so that no point takes more than some 40 bytes.
    """
    low, high = (np.concatenate([each[:, column] for each in digests]) for column in (0, 1))
    digests.clear()
    order: I64 = np.lexsort((low, high))
    is_new = np.ones(len(order), bool)
    is_new[1:] = high[order[1:]] != high[order[:-1]]
    del high
    is_new[1:] |= low[order[1:]] != low[order[:-1]]
    del low
    # The sort is stable: the first of equals is the one that occurs first.
    first = np.empty(len(order), np.int64)
    first[order] = np.repeat(order[is_new], np.diff(np.flatnonzero(np.append(is_new, True))))
    del order, is_new
    numbers = np.cumsum(first == np.arange(len(first))) - 1
    runs: I64 = numbers[first]
    return runs


def _of_block(table: pa.Table, block: Block, plans: tuple[str, ...]) -> pa.Table:
    """Return the rows of a block's units that did not fail, sorted, each once.

    Raises
    ------
    StoreError
        If some plans of a unit are missing.
    """
    table = table.filter(table[ERROR].is_null())
    runs, replications = table[RUN].to_numpy(), table[REPLICATION].to_numpy().astype(np.int64)
    plan = pc.index_in(table[PLAN], pa.array(plans)).to_numpy()
    order = np.lexsort([plan, replications, runs])
    codes = np.stack([runs, replications, plan], axis=1)[order]
    chosen = np.ones(len(order), bool)
    chosen[1:] = (codes[1:] != codes[:-1]).any(axis=1)
    last_run, last = block.first_run + block.runs, block.first_replication + block.replications
    chosen &= (codes[:, 0] >= block.first_run) & (codes[:, 0] < last_run)
    chosen &= (codes[:, 1] >= block.first_replication) & (codes[:, 1] < last)
    codes = codes[chosen].reshape(-1, 3)
    whole = np.arange(len(codes)) % len(plans) == codes[:, 2]
    first = codes[:: len(plans), :2].repeat(len(plans), axis=0)[: len(codes)]
    if len(codes) % len(plans) or not whole.all() or (codes[:, :2] != first).any():
        raise StoreError("known rows lack some plans of a unit")
    return table.take(pa.array(order[chosen]))


@contextmanager
def _spilling() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise StoreError(f"cannot put rows aside in {tempfile.gettempdir()}: {reason}") from error
