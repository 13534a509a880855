"""Own time of a run's parts: timers around functions where they are looked up, by group.

A part counts its own time, less that of the parts which it calls, so that all add up to the time of
the outermost one. It holds for one thread at a time: where a thread waits for another, the waiting
one's parts are outer parts of the working one's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any, NamedTuple

import sim.model
import sim.study
from sim.model import LoyaltyModel
from sim.phases import PHASES, Phase
from sim.processes.rollout import RollOut
from sim.processes.service_desk import ServiceDesk

KERNEL = "kernel: compiled loops"
CHUNKS = "around the kernel: chunks and tallies"
SIMPY = "SimPy: roll-out and service desk"
LEVERS = "levers, policies, offer"
MEASURES = "measures and tables"
MODELS = "models: made and copied"
LOADING = "start: compiled loops loaded"
REST = "rest"
WHOLE = (LOADING,)
"""Groups whose parts keep the time of what they call."""
REPLICATION_GROUPS = (KERNEL, CHUNKS, SIMPY, LEVERS, MEASURES, MODELS, REST)

Place = tuple[Any, str, str]
"""Where a function is looked up, its name, and the group that its own time goes to."""

REPLICATION: tuple[Place, ...] = (
    (sim.model, "create_residents", KERNEL),
    (sim.model, "live_quarter", KERNEL),
    (LoyaltyModel, "_create_residents", CHUNKS),
    (RollOut, "__init__", SIMPY),
    (RollOut, "advance", SIMPY),
    (sim.study, "planned_schedule", SIMPY),
    (ServiceDesk, "__init__", SIMPY),
    (ServiceDesk, "on_time", SIMPY),
    (LoyaltyModel, "__init__", MODELS),
    (LoyaltyModel, "fork", MODELS),
    (LoyaltyModel, "release", MODELS),
    (sim.study, "_live_plan", MEASURES),
    (sim.study, "_live_without_risks", MEASURES),
    (sim.study, "money_outcomes", MEASURES),
    (sim.study, "_step_until", REST),
)
"""The parts of a replication."""
PHASE_GROUPS = {"customers": CHUNKS, "observation": MEASURES}
"""Groups of the quarter's phases; the others are levers, policies and offer."""


@contextmanager
def patched(place: Any, name: str, value: Any) -> Iterator[None]:
    """Let a name stand for another value for a while."""
    before = getattr(place, name)
    setattr(place, name, value)
    try:
        yield
    finally:
        setattr(place, name, before)


class Part(NamedTuple):
    """A timed function and the group that its own time goes to."""

    group: str
    name: str


class Stopwatch:
    """Own time of each part in seconds, and how often it was called."""

    def __init__(self) -> None:
        self.seconds: dict[Part, float] = {}
        self.calls: dict[Part, int] = {}
        self._inside: list[float] = []
        """For each part that is running: the time of the parts that it called."""
        self._whole = False
        """Whether a part is running that keeps the time of the parts which it calls."""

    def add(self, part: Part, seconds: float, calls: int = 1) -> None:
        """Count time, of one call or of several that were measured elsewhere."""
        self.seconds[part] = self.seconds.get(part, 0.0) + seconds
        self.calls[part] = self.calls.get(part, 0) + calls

    def timed(
        self, part: Part, function: Callable[..., Any], *, whole: bool = False
    ) -> Callable[..., Any]:
        """Return the same function under this watch.

        With `whole` its time is that of all it calls, other parts included.
        """

        @wraps(function)
        def call(*arguments: Any, **keywords: Any) -> Any:
            if self._whole:
                return function(*arguments, **keywords)
            self._inside.append(0.0)
            self._whole = whole
            began = time.perf_counter()
            try:
                return function(*arguments, **keywords)
            finally:
                taken = time.perf_counter() - began
                self._whole = False
                self.add(part, taken - self._inside.pop())
                if self._inside:
                    self._inside[-1] += taken

        return call

    @contextmanager
    def watching(self, places: Sequence[Place] = REPLICATION) -> Iterator[None]:
        """Put the timers around functions and the quarter's phases, and take them away again."""
        with ExitStack() as stack:
            for place, name, group in places:
                function = getattr(place, name)
                part = Part(group, getattr(function, "__qualname__", name))
                timer = self.timed(part, function, whole=group in WHOLE)
                stack.enter_context(patched(place, name, timer))
            stack.enter_context(patched(sim.model, "PHASES", tuple(map(self._phase, PHASES))))
            yield

    def _phase(self, phase: Phase) -> Phase:
        group = PHASE_GROUPS.get(phase.name, LEVERS)
        return phase._replace(run=self.timed(Part(group, phase.name), phase.run))

    def of(self, group: str) -> float:
        """Return the seconds of a group."""
        return sum(seconds for part, seconds in self.seconds.items() if part.group == group)

    def calls_of(self, name: str) -> int:
        """Return how often a function was called, by its qualified name or its phase's."""
        return sum(calls for part, calls in self.calls.items() if part.name == name)

    @property
    def groups(self) -> list[str]:
        """All groups, the one that took most first."""
        return sorted({part.group for part in self.seconds}, key=lambda group: -self.of(group))

    def rows(self) -> list[dict[str, Any]]:
        """Return a row per part, ready for a file."""
        return [
            {**part._asdict(), "seconds": seconds, "calls": self.calls[part]}
            for part, seconds in self.seconds.items()
        ]

    @property
    def total(self) -> float:
        """Seconds of all parts."""
        return sum(self.seconds.values())
