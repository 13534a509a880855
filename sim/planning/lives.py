"""Plans lived in many worlds and futures, on an engine, each once: what was lived is kept.

A life is known by its content: the plan, what the future changes, the study, the world, and the
version of the model. So a command that is stopped goes on where it was, and what one asks for again
(another budget, one more future) costs only what is new.
"""

from __future__ import annotations

import functools
import hashlib
import math
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from sim.config.study import Config
from sim.engines.engine import Engine
from sim.errors import EngineError
from sim.planning.future import Case, Future
from sim.planning.life import FLOWS, LEVEL_NAMES, Item, Life, Row, by_life
from sim.planning.work import Known, LiveItems, Task, part_names, read_part, write_part
from sim.sweep.content import KEY_SIZE, ContentKeys, code_files, code_version
from sim.sweep.place import Place
from sim.types import F64

LIMIT: Final = 600.0
"""Seconds that one task may take, unless the caller says otherwise."""
TASK_SECONDS: Final = 10.0
"""About what a task should take: what is lost if the work is stopped."""
LIFE_SECONDS: Final = 0.004
CUSTOMER_SECONDS: Final = 0.5e-6
"""About what a life takes beside its customers, and a customer's quarter: only sizes tasks."""
IDLE_ROUNDS: Final = 3
"""How often in a row an engine may give back all tasks undone before that is an error."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Lived:
    """What came of some cases in some worlds, in the order asked for.

    Attributes
    ----------
    cases, worlds
        What was asked for.
    flows
        Shape (n_cases, n_worlds, n_quarters, len(FLOWS)), in currency; money out is negative.
    levels
        Shape (n_cases, n_worlds, n_segments + 1, len(LEVEL_NAMES)), the whole market last.
    segment_net
        Shape (n_cases, n_worlds, n_quarters, n_segments): cash that each segment's customers bring,
        before what the plan itself costs.
    rates
        Shape (n_cases, n_worlds): discount rate per quarter, which may be drawn with the world.
    """

    cases: tuple[Case, ...]
    worlds: tuple[int, ...]
    flows: F64
    levels: F64
    segment_net: F64
    rates: F64

    def flow(self, case: int, name: str) -> F64:
        """Return one of FLOWS of a case, shape (n_worlds, n_quarters)."""
        flow: F64 = self.flows[case, :, :, FLOWS.index(name)]
        return flow

    def net(self, case: int) -> F64:
        """Return the net cash of a case, shape (n_worlds, n_quarters)."""
        return self.flow(case, "net")

    def level(self, case: int, name: str, segment: int = -1) -> F64:
        """Return one of LEVEL_NAMES of a case, in the whole market or a segment, (n_worlds,)."""
        level: F64 = self.levels[case, :, segment, LEVEL_NAMES.index(name)]
        return level


class Lives:
    """What is known of one study's lives, and how more are lived.

    Parameters
    ----------
    config
        The study: what happens before a plan begins is its own in every future.
    place
        Where lives are kept; in memory only if None.
    engine
        Entered; None to live here, one after the other.
    limit
        Seconds that a task may take, which is cut for about TASK_SECONDS.

    Raises
    ------
    StoreError
        If the place cannot be read or written.
    """

    def __init__(
        self,
        config: Config,
        place: Place | None = None,
        engine: Engine | None = None,
        limit: float = LIMIT,
    ) -> None:
        if engine is not None and place is None:
            raise ValueError("an engine's workers need a place to keep what they lived")
        self.config, self.place, self.engine, self.limit = config, place, engine, limit
        self.remarks: list[str] = []
        """What a reader should know of how it went: parts that were not whole."""
        self._keys = ContentKeys(config)
        self._futures: dict[int, tuple[Future, ContentKeys]] = {}
        self._life = Life(config)
        self._known: dict[Known, Row] = {}
        if place is not None:
            place.create()
            self._read(part_names(place))

    def live(
        self, cases: Sequence[Case], worlds: Sequence[int], progress: Progress | None = None
    ) -> Lived:
        """Return what comes of each case in each world; what is not known yet is lived.

        Parameters
        ----------
        cases, worlds
            All pairs are wanted.
        progress
            Called with (lives done, lives asked for).

        Raises
        ------
        ConfigError
            If a plan does not fit its future, or a future the study.
        EngineError
            If a life cannot be lived, or the engine cannot go on.
        StoreError
            If lives cannot be kept.
        """
        for future in {id(case.future): case.future for case in cases}.values():
            future.check(self.config)
        keys = [self.key(case) for case in cases]
        wanted = dict(zip(keys, cases, strict=True))
        tasks = self._tasks(wanted, worlds)
        n_all = len(wanted) * len(worlds)
        done = n_all - sum(len(task.keys) for task in tasks)
        for lived in (0, *self._carry_out(tasks, wanted)):
            done += lived
            if progress is not None:
                progress(done, n_all)
        rows = [[self._known[key, world] for world in worlds] for key in keys]
        return Lived(
            cases=tuple(cases),
            worlds=tuple(worlds),
            flows=np.array([[row.flows for row in own] for own in rows]),
            levels=np.array([[row.levels for row in own] for own in rows]),
            segment_net=np.array([[row.segments for row in own] for own in rows]),
            rates=np.array([[row.rate[0] for row in own] for own in rows]),
        )

    def key(self, case: Case) -> bytes:
        """Return the key of a case's content: the same for cases that give the same.

        Raises
        ------
        ConfigError
            If the plan does not fit the future.
        """
        plan, future = case.plan, case.future
        if id(future) not in self._futures:
            self._futures[id(future)] = (future, ContentKeys(future.config))
        (own,) = self._futures[id(future)][1].keys(case.config)
        (study,) = self._keys.keys(replace(self.config, plan=plan, baseline=plan, plans=()))
        window = struct.pack("<2i", *(future.quarters or (0, 0)))
        content = b"".join([_code(), study, own, window])
        return hashlib.blake2b(content, digest_size=KEY_SIZE).digest()

    # --- what is to be lived ---------------------------------------------------------------------

    def _tasks(self, wanted: Mapping[bytes, Case], worlds: Sequence[int]) -> list[Task]:
        """Return the lives that are not known in tasks of a fair size, of one world each."""
        groups = by_life(wanted)
        missing = {
            world: [own for group in groups
                    if (own := [key for key in group if (key, world) not in self._known])]
            for world in worlds
        }  # fmt: skip
        lives = sum(map(len, missing.values()))
        most = self._lives_of_a_task(lives, len(worlds)) if lives else 1
        return [
            Task(world, tuple(key for group in groups[first : first + most] for key in group))
            for world, groups in missing.items()
            for first in range(0, len(groups), most)
        ]

    def _lives_of_a_task(self, lives: int, worlds: int) -> int:
        """Return how many lives a task has: about TASK_SECONDS, and some task for every worker."""
        config = self.config
        each = LIFE_SECONDS + CUSTOMER_SECONDS * config.customers * config.quarters
        fitting = max(int(TASK_SECONDS / each), 1)
        workers = self.engine.workers if self.engine is not None else 1
        shared = math.ceil(lives / workers) if worlds < 2 * workers else lives
        return min(fitting, shared)

    # --- living it -------------------------------------------------------------------------------

    def _carry_out(self, tasks: Sequence[Task], wanted: Mapping[bytes, Case]) -> Iterator[int]:
        """Live tasks; when one is done and its rows are known, yield how many lives it had."""
        if self.engine is not None and self.place is not None:
            yield from self._on_engine(self.engine, self.place, tasks, wanted)
            return
        for task in tasks:
            cases = [(wanted[key].plan, wanted[key].future) for key in task.keys]
            rows = self._life(Item(task.world, cases))
            if self.place is not None:
                write_part(self.place, task, rows)
            self._known.update(zip(task.lives, rows, strict=True))
            yield len(rows)

    def _on_engine(
        self, engine: Engine, place: Place, tasks: Sequence[Task], wanted: Mapping[bytes, Case]
    ) -> Iterator[int]:
        work = LiveItems.of(self.config, place.url, self.limit, tasks, wanted)
        left, idle = list(range(len(tasks))), 0
        while left:
            said, before = "", len(left)
            for done in engine.run(work, left):
                if done.fatal:
                    raise EngineError(done.error)
                said = said or done.error
                if not done.error:
                    self._read([tasks[done.task].file])
                    yield len(tasks[done.task].keys)
            left = [n for n in left if any(life not in self._known for life in tasks[n].lives)]
            idle = idle + 1 if len(left) == before else 0
            if left and idle == IDLE_ROUNDS:
                raise EngineError(f"{len(left)} tasks came back undone {idle} times: {said}")

    def _read(self, names: Sequence[str]) -> None:
        """Learn what parts hold; one that is not whole is removed, to be lived again."""
        assert self.place is not None
        shape = self.config.quarters, len(self.config.market.segments)
        for name in names:
            lives = read_part(self.place, name, shape)
            if lives is None:
                self.remarks.append(f"{name} was not whole; what it held is lived again")
                self.place.remove(name)
            else:
                self._known.update(lives)


@functools.cache
def _code() -> bytes:
    """Return the version of the model, as a part of keys."""
    return code_version(code_files()).encode()
