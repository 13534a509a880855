"""The roll-out: when tasks and waves begin and end, and how much of each segment has what by then.

A lever's tasks begin with its first money, after the preparation and after the tasks of the levers
that it needs; each takes people of its team and some weeks. A built lever is brought out in waves,
one after the other, or at once where the plan has none. Who asks a team for people first gets them
first: a large task is not overtaken by small ones. Of those who ask at the same moment, the lever
comes first that the plan pays for first.

A lever without tasks waits for no other and grows by equal steps over its `build_quarters`; waves
bring out what there is of it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from simpy import Container, Environment, Event, Process

from sim.config.fields import Uncertain
from sim.config.lever import Lever
from sim.config.plan import Plan
from sim.config.rollout import Organisation, Task, Wave, waited_for
from sim.types import F64, WEEKS_PER_QUARTER

Kind: TypeAlias = Literal["task", "wave"]
Steps: TypeAlias = Generator[Event, Any, bool]
"""A process of SimPy that returns whether it came to its end; a cancelled one does not."""


class Work(NamedTuple):
    """A task or wave of one lever: begun, and perhaps finished."""

    lever: str
    name: str
    kind: Kind
    start: float
    """Weeks since the plan began."""
    finish: float
    """Weeks since the plan began; NaN if it is not finished."""


class RollOut:
    """The roll-out of one plan in one world, quarter by quarter.

    Parameters
    ----------
    plan
        Which levers are paid for, from when; its preparation and waves.
    levers
        All known levers by name.
    organisation
        The teams; without any, nobody waits for people. What `check_rollout` raises on must not
        come here: such tasks would wait forever.
    segments
        Names of the market's segments.
    weeks
        How a duration, which may be uncertain, becomes a number of weeks.
    """

    def __init__(
        self,
        plan: Plan,
        levers: Mapping[str, Lever],
        organisation: Organisation,
        segments: Sequence[str],
        weeks: Callable[[float], float] = float,
    ) -> None:
        self.plan, self.weeks = plan, weeks
        self.levers = {name: levers[name] for name in plan.levers}
        self.env = Environment()
        self.delay = 0.0
        """Relative lengthening of what begins now."""
        self.stopped = False
        self._begun: list[Work] = []
        self._row = {name: row for row, name in enumerate(self.levers)}
        self._level = [0.0] * len(self.levers)
        self._covered = np.zeros((len(self.levers), len(segments)))
        """Share of each segment that arrived waves cover."""
        self._out = np.zeros_like(self._covered)
        """Level x covered at this moment."""
        self._missed = np.zeros_like(self._covered)
        """What of `_out` is new in this quarter, by the part of the quarter that went without."""
        self._quarter_began = 0.0
        self._shares = [
            np.array([wave.segments.get(s, wave.share) for s in segments], dtype=np.float64)
            for wave in plan.rollout.waves
        ]
        self._teams = {
            team.name: Container(self.env, capacity=team.people, init=team.people)
            for team in organisation.teams
        }
        # Dates are set at week 0, where no sum of weeks has been rounded yet.
        self._start = {name: self.env.timeout(self._first_week(name)) for name in self.levers}
        self._opening = [
            self.env.timeout(float(WEEKS_PER_QUARTER * (wave.quarter - 1)))
            for wave in plan.rollout.waves
        ]
        self._waits = waited_for(plan, self.levers)
        self._tasks = {
            (lever.name, task.name): self.env.process(self._do_task(lever, task))
            for lever in self.levers.values()
            for task in lever.tasks
        }
        self._built = {name: self.env.process(self._build(name)) for name in self._waits}
        for lever in self.levers.values():
            self.env.process(self._bring_out(lever))

    def advance(self, quarter: int, delay: float = 0.0) -> dict[str, F64]:
        """Live one quarter and return how ready each lever is for each segment.

        Parameters
        ----------
        quarter
            Quarter of the plan, from 1, in order.
        delay
            Relative lengthening of the tasks and waves that begin in this quarter.

        Returns
        -------
        dict
            Lever to shape (n_segments,): level x share of the segment that arrived waves cover,
            0..1, averaged over the weeks of the quarter. The level of a lever with tasks is 0 and,
            once built, 1; that of others (k + 1) / (build_quarters + 1), at most 1, in the k-th
            quarter after the first.
        """
        self.delay = delay
        self._quarter_began = float(WEEKS_PER_QUARTER * (quarter - 1))
        self._missed[:] = 0.0
        self.env.run(until=WEEKS_PER_QUARTER * quarter)
        ready = np.clip(self._out - self._missed, 0.0, 1.0)
        return {name: ready[row] for name, row in self._row.items()}

    def covered(self, name: str) -> F64:
        """Return the share of each segment to which a lever has been brought by now, 0..1."""
        covered: F64 = np.clip(self._covered[self._row[name]], 0.0, 1.0)
        return covered

    def stop(self) -> None:
        """Cancel what has not begun; what has begun comes to its end, what has arrived stays.

        A lever without tasks stays at the level that it has reached.
        """
        self.stopped = True

    @property
    def log(self) -> list[Work]:
        """Tasks and waves that have begun, in that order."""
        now = self.env.now
        return [
            work if work.finish <= now else work._replace(finish=np.nan) for work in self._begun
        ]

    # --- processes ---------------------------------------------------------------------------

    def _do_task(self, lever: Lever, task: Task) -> Steps:
        yield self._start[lever.name]
        before: list[Process] = [self._built[need] for need in self._waits[lever.name]]
        before += [self._tasks[lever.name, need] for need in task.needs]
        for process in before:
            if not (yield process):
                return False
        return (yield from self._do(lever, task, "task"))

    def _build(self, name: str) -> Steps:
        for task in self.levers[name].tasks:
            if not (yield self._tasks[name, task.name]):
                return False
        return True

    def _bring_out(self, lever: Lever) -> Steps:
        yield self._start[lever.name]
        if not lever.tasks:
            self.env.process(self._grow(lever))
        elif (yield self._built[lever.name]):
            self._change(lever, level=1.0)
        else:
            return False
        if not self._shares:
            self._change(lever, covered=1.0)
        waves = self.plan.rollout.waves
        for wave, opening, share in zip(waves, self._opening, self._shares, strict=True):
            yield opening
            if not (yield from self._do(lever, wave, "wave")):
                return False
            self._change(lever, covered=share)
        return True

    def _grow(self, lever: Lever) -> Steps:
        n_steps = lever.build_quarters + 1
        for step in range(1, n_steps + 1):
            if self.stopped:
                return False
            self._change(lever, level=step / n_steps)
            yield self.env.timeout(WEEKS_PER_QUARTER)
        return True

    def _do(self, lever: Lever, item: Task | Wave, kind: Kind) -> Steps:
        """Do a task or wave once its people are free, unless the roll-out was stopped before."""
        team = self._teams[item.team] if self._teams and item.team else None
        if team is not None:
            yield team.get(item.people)
        goes = not self.stopped
        if goes:
            duration = self.weeks(item.weeks) * max(1.0 + self.delay, 0.0)
            start = float(self.env.now)
            self._begun.append(Work(lever.name, item.name, kind, start, start + duration))
            yield self.env.timeout(duration)
        if team is not None:
            team.put(item.people)
        return goes

    # --- bookkeeping -------------------------------------------------------------------------

    def _first_week(self, name: str) -> float:
        """Return the week in which a lever has money and the preparation is over."""
        paid = float(WEEKS_PER_QUARTER * ((self.plan.first_quarter(name) or 1) - 1))
        return max(paid, self.weeks(self.plan.rollout.preparation))

    def _change(self, lever: Lever, level: float | None = None, covered: float | F64 = 0.0) -> None:
        """Set a lever's level, cover more of the segments, and note what the quarter has missed."""
        row = self._row[lever.name]
        if level is not None:
            self._level[row] = level
        self._covered[row] += covered
        out = self._level[row] * self._covered[row]
        elapsed = (self.env.now - self._quarter_began) / WEEKS_PER_QUARTER
        self._missed[row] += (out - self._out[row]) * elapsed
        self._out[row] = out


def planned_schedule(plan: Plan, levers: Mapping[str, Lever]) -> list[Work]:
    """Return every task and wave of a plan as planned, in the order in which they begin.

    Each takes its most likely time, nothing is late, and nobody waits for people: the schedule of
    the critical path method (Kelley & Walker 1959).
    """
    nobody_waits = Organisation("unlimited", "As many people as are needed")
    rollout = RollOut(plan, levers, nobody_waits, (), most_likely)
    rollout.env.run()
    return rollout.log


def most_likely(number: float) -> float:
    """Return the mode of a triangular number, the median of another that is not known exactly."""
    if isinstance(number, Uncertain) and number.form == "triangular":
        return number.parameters[1]
    return float(number)
