"""What a worker does of a planner's lives: it has a task lived in its own process, and keeps it."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sim.config.plan import Plan
from sim.config.study import Config
from sim.engines.isolated import Isolated, mine
from sim.errors import EngineError
from sim.planning.future import Case, Future
from sim.planning.life import FLOWS, LEVEL_NAMES, Item, Life, Row
from sim.sweep.content import KEY_SIZE
from sim.sweep.place import Place, open_place

FOLDER: Final = "parts"
KEPT_FUTURES: Final = 64
"""Futures that a process keeps for when they are asked for again."""

Known = tuple[bytes, int]
"""A life: the key of its content, and its world."""
Parcel = tuple[int, Sequence[tuple[Plan, str]], Mapping[str, bytes]]
"""An item as it is sent: a world, plans with their futures' names, and the futures, pickled."""

_SCHEMA: Final = pa.schema(
    [
        ("key", pa.binary(KEY_SIZE)),
        ("world", pa.int64()),
        ("flows", pa.list_(pa.float64())),
        ("levels", pa.list_(pa.float64())),
        ("segments", pa.list_(pa.float64())),
        ("rate", pa.list_(pa.float64())),
    ]
)


# --- parts ---------------------------------------------------------------------------------------


class Task(NamedTuple):
    """Lives of one world that are lived together and kept in one part."""

    world: int
    keys: tuple[bytes, ...]

    @property
    def lives(self) -> list[Known]:
        """Each of its lives."""
        return [(key, self.world) for key in self.keys]

    @property
    def file(self) -> str:
        """Name of its part."""
        content = b"".join([str(self.world).encode(), *self.keys])
        return f"{FOLDER}/{hashlib.blake2b(content, digest_size=KEY_SIZE).hexdigest()}.parquet"


def part_names(place: Place) -> list[str]:
    """Return the names of all parts at a place; leftovers of lost writers are removed."""
    place.remove_abandoned(FOLDER)
    return [f"{FOLDER}/{name}" for name in place.names(FOLDER) if name.endswith(".parquet")]


def write_part(place: Place, task: Task, rows: Sequence[Row]) -> None:
    """Keep what came of a task.

    Raises
    ------
    StoreError
        If the place cannot be written.
    """
    columns: list[Any] = [list(task.keys), [task.world] * len(rows)]
    columns += [[np.ravel(row[index]) for row in rows] for index in range(len(Row._fields))]
    made = [pa.array(column, each.type) for column, each in zip(columns, _SCHEMA, strict=True)]
    buffer = io.BytesIO()
    table = pa.Table.from_arrays(made, schema=_SCHEMA)
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    place.write(task.file, buffer.getvalue())


def read_part(place: Place, name: str, shape: tuple[int, int]) -> dict[Known, Row] | None:
    """Return the lives of a part, or None if it is not whole.

    Parameters
    ----------
    place, name
        Where it lies.
    shape
        (n_quarters, n_segments) of the study.

    Raises
    ------
    StoreError
        If it cannot be read.
    """
    n_quarters, n_segments = shape
    shapes = (
        (n_quarters, len(FLOWS)), (n_segments + 1, len(LEVEL_NAMES)), (n_quarters, n_segments),
        (1,),
    )  # fmt: skip
    try:
        data = io.BytesIO(place.read(name))
        table = pq.read_table(data, page_checksum_verification=True)
        columns = [np.stack([*table[field].to_numpy()]).reshape(-1, *form)
                   for field, form in zip(Row._fields, shapes, strict=True)]  # fmt: skip
        keys, worlds = table["key"].to_pylist(), table["world"].to_pylist()
    except (pa.ArrowException, OSError, ValueError, KeyError):
        return None
    lives = zip(keys, worlds, strict=True)
    return dict(zip(lives, map(Row, *columns), strict=True))


# --- the work ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LiveItems:
    """The work of an engine, see `sim.engines.engine.Work`; a task is a number of `tasks`.

    Attributes
    ----------
    study
        The study's configuration, pickled.
    url
        Where parts are kept.
    limit
        Seconds that a task may take.
    tasks
        What is to be lived, by key.
    plans
        Key to the plan and the name, in `futures`, of the future.
    futures
        Each future, pickled.
    """

    study: bytes
    url: str
    limit: float
    tasks: Sequence[Task]
    plans: Mapping[bytes, tuple[Plan, str]]
    futures: Mapping[str, bytes]

    @classmethod
    def of(
        cls, study: Config, url: str, limit: float, tasks: Sequence[Task],
        cases: Mapping[bytes, Case],
    ) -> LiveItems:  # fmt: skip
        """Return the work of tasks whose keys stand for these cases."""
        keys = {key for task in tasks for key in task.keys}
        own = {key: case for key, case in cases.items() if key in keys}
        pickled = {id(case.future): case.future for case in own.values()}
        futures = {each: pickle.dumps(future) for each, future in pickled.items()}
        names = {each: _digest(data) for each, data in futures.items()}
        return cls(
            study=pickle.dumps(study),
            url=url,
            limit=limit,
            tasks=tasks,
            plans={key: (case.plan, names[id(case.future)]) for key, case in own.items()},
            futures={names[each]: data for each, data in futures.items()},
        )

    def __call__(self, number: int) -> int:
        """Live a task, keep its part, and return how many lives it had.

        Raises
        ------
        EngineError
            If a life cannot be lived.
        StoreError
            If the part cannot be written.
        """
        task = self.tasks[number]
        cases = [self.plans[key] for key in task.keys]
        futures = {name: self.futures[name] for _, name in cases}
        living = mine(
            f"{self.url} {_digest(self.study)} {self.limit}",
            lambda: Isolated(Living(self.study), self.limit),
        )
        (answer,) = living.map([(task.world, cases, futures)])
        if answer.error:
            raise EngineError(answer.error)
        write_part(open_place(self.url), task, answer.value)
        return len(task.keys)

    def is_done(self, number: int) -> bool:
        """Return whether a task's part is kept."""
        return open_place(self.url).exists(self.tasks[number].file)


class Living:
    """Lives parcels of one study in a process of its own.

    Parameters
    ----------
    study
        The study's configuration, pickled.
    """

    def __init__(self, study: bytes) -> None:
        self.study = study
        self._futures: dict[str, Future] = {}
        self._life: Life | None = None

    def begin(self) -> None:
        """Bring in the model and its compiled loops."""
        self._life = Life(pickle.loads(self.study))
        self._life.begin()

    def __call__(self, parcel: Parcel) -> list[Row]:
        """Live a parcel and return a row per plan.

        Raises
        ------
        EngineError
            If a life cannot be lived.
        """
        assert self._life is not None  # `begin` came first
        world, plans, pickled = parcel
        return self._life(Item(world, [*self._cases(plans, pickled)]))

    def _cases(
        self, plans: Sequence[tuple[Plan, str]], pickled: Mapping[str, bytes]
    ) -> Iterable[tuple[Plan, Future]]:
        for plan, name in plans:
            if name not in self._futures:
                if len(self._futures) >= KEPT_FUTURES:
                    self._futures.clear()
                self._futures[name] = pickle.loads(pickled[name])
            yield plan, self._futures[name]


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=KEY_SIZE).hexdigest()
