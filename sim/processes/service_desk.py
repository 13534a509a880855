"""How many contacts the service desk answers in time: a queue with people who give up.

Contacts arrive at random (Poisson), `agents` people serve them in the order of arrival; handling
times and the patience of those who wait are exponential. This is Palm's M/M/c+M queue, "Erlang A".
A contact is answered in time if its turn comes within the promise, before its patience ends.

The share in time depends only on the desk and its load, so it is simulated once per desk for a grid
of loads, kept, and interpolated from then on. The model never meets the queue itself.

Garnett, Mandelbaum & Reiman (2002), "Designing a call center with impatient customers", MSOM 4(3).
Brown et al. (2005), "Statistical analysis of a telephone call center", JASA 100, shows how far the
assumptions carry for real calls.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import math
import os
import tempfile
import threading
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import simpy
from numpy.typing import ArrayLike

from sim.config.desk import Desk
from sim.config.files import cache_folder
from sim.kernels import philox
from sim.types import F64

# Constants of the method, not of any desk.
LOADS = (
    0.0, 0.2, 0.4, 0.55, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2, 1.3, 1.4, 1.5, 1.6,
    1.75, 2.0, 2.5, 3.0,
)  # fmt: skip
"""Loads at which a curve is simulated: close together where queues form."""
CONTACTS = 40_000
"""Contacts that count at each load."""
WARM_UP = 4_000
"""Contacts before them, which do not: the desk starts near its steady state, not in it."""

_GAP, _HANDLING, _PATIENCE, _BEGUN = range(4)
"""What a draw is for: the entity of its address; the contact (or agent) is the counter."""

_ONE_AT_A_TIME = threading.Lock()


# --- the queue -----------------------------------------------------------------------------------


def waiting_times(desk: Desk, load: float, n_contacts: int, replication: int = 0) -> F64:
    """Return how long each contact waits until it is served, shape (n_contacts,), in minutes.

    Those who give up before have infinity. Contacts are in the order of arrival.

    Parameters
    ----------
    desk
        The desk; its promise does not matter here.
    load
        Arrivals per minute x mean handling time / agents, above 0. Above 1 somebody must give up.
    n_contacts
        Contacts to simulate.
    replication
        Word of the draws' addresses. The same one at two loads means the same handling times and
        patience, and the same gaps between arrivals but for their scale.

    Notes
    -----
    The desk starts where a fluid would settle: min(load, 1) of the agents are busy, and those who
    come first have waited w such that just enough give up, exp(-w / patience) = 1 / load. Draws are
    scaled to their stated means, so that the realised load is the stated one: this halves the
    standard error.
    """
    gaps = _exponentials(n_contacts, _GAP, desk.handling / (load * desk.agents), replication)
    handling = _exponentials(n_contacts, _HANDLING, desk.handling, replication)
    patience = _exponentials(n_contacts, _PATIENCE, desk.patience, replication)
    begun = _exponentials(desk.agents, _BEGUN, desk.handling, replication)
    n_busy = round(min(load, 1.0) * desk.agents)
    opening = desk.patience * math.log(max(load, 1.0))

    world = simpy.Environment()
    line: deque[tuple[int, float]] = deque()
    bells: deque[simpy.Event] = deque()
    waits = np.full(n_contacts, np.inf)

    def customers() -> Generator[simpy.Event, None, None]:
        for contact, gap in enumerate(gaps):
            yield world.timeout(gap)
            line.append((contact, world.now))
            if bells:
                bells.popleft().succeed()

    def agent(free_at: float) -> Generator[simpy.Event, None, None]:
        yield world.timeout(free_at)
        while True:
            while not line:
                bells.append(world.event())
                yield bells[-1]
            contact, arrived = line.popleft()
            waited = world.now - arrived
            # Those who gave up are met only here; to take them out earlier would change no turn.
            if waited <= patience[contact]:
                waits[contact] = waited
                yield world.timeout(handling[contact])

    world.process(customers())
    for number, remaining in enumerate(begun):
        world.process(agent(opening + (remaining if number < n_busy else 0.0)))
    world.run()
    return waits


def service_level(desk: Desk, load: float) -> float:
    """Return the share of contacts answered in time at a load per agent, simulated.

    Those who give up count as not answered. Without load nobody waits: 1. The standard error is
    below 0.0075 for a hotline of 40 people. It grows with the contacts that arrive while one waits:
    four people with a promise of 30 handling times have 0.004 down to a level of 0.7, and 0.03
    where the promise is about to fail for all.
    """
    if load <= 0.0:
        return 1.0
    waits = waiting_times(desk, load, WARM_UP + CONTACTS)[WARM_UP:]
    return float(np.mean(waits <= desk.promise))


def _exponentials(n: int, entity: int, mean: float, replication: int) -> list[float]:
    """Return n exponential draws of exactly this mean; a list, SimPy takes them one by one."""
    uniforms = np.empty(n)
    philox.draw_uniforms(entity, 0, philox.DESK, 0, replication, uniforms)
    draws = -np.log(uniforms)
    scaled: list[float] = (draws * (mean / draws.mean())).tolist()
    return scaled


# --- the curve -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class ServiceLevelCurve:
    """Share of contacts answered in time against the load per agent; it never rises."""

    loads: F64
    """Rising from 0."""
    levels: F64
    """Share in time at each, from 1 at load 0."""

    def level(self, load: ArrayLike) -> F64:
        """Return the share in time at loads, shape as given; infinite load gives 0.

        Between the simulated loads it is a straight line. Beyond the last one everybody is always
        busy and answers no more per minute, so the share falls as 1 / load.
        """
        load = np.asarray(load, dtype=np.float64)
        last = self.loads[-1]
        inside = np.interp(load, self.loads, self.levels)
        return np.asarray(inside * (last / np.maximum(load, last)), dtype=np.float64)

    def load_at(self, level: float) -> float:
        """Return the highest load at which the share in time is still `level`.

        A level below that of the last simulated load gives the last load.
        """
        k = int(np.searchsorted(-self.levels, -level, side="right")) - 1
        if k == len(self.levels) - 1:
            return float(self.loads[-1])
        (above, below), (low, high) = self.levels[k : k + 2], self.loads[k : k + 2]
        return float(low + (high - low) * (above - level) / (above - below))


def service_level_curve(desk: Desk) -> ServiceLevelCurve:
    """Return the curve of a desk: from memory, from the user's cache folder, or simulated.

    A curve lies in `fidelio/desk-HASH.json` beside the compiled kernels; the hash is of the desk's
    numbers and of the code that simulates it. A file that cannot be used is made anew. If nothing
    can be written, the curve lives as long as the process.
    """
    with _ONE_AT_A_TIME:
        return _curve(desk.agents, float(desk.handling), float(desk.patience), float(desk.promise))


@functools.cache
def _curve(agents: int, handling: float, patience: float, promise: float) -> ServiceLevelCurve:
    numbers = {
        "agents": agents, "handling": handling, "patience": patience, "promise": promise,
    }  # fmt: skip
    path = cache_folder() / f"desk-{_digest(numbers)}.json"
    levels = _read(path)
    if levels is None:
        desk = Desk("", "", agents, handling, patience, promise)
        levels = _falling([service_level(desk, load) for load in LOADS])
        _write(path, {**numbers, "loads": LOADS, "levels": levels})
    return ServiceLevelCurve(np.array(LOADS), np.array(levels))


def _falling(levels: Sequence[float]) -> list[float]:
    """Return the nearest levels that never rise (least squares; pool adjacent violators)."""
    pools: list[tuple[float, int]] = []
    for level in levels:
        mean, n = level, 1
        while pools and pools[-1][0] < mean:
            other, m = pools.pop()
            mean, n = (mean * n + other * m) / (n + m), n + m
        pools.append((mean, n))
    return [mean for mean, n in pools for _ in range(n)]


# --- on disk -------------------------------------------------------------------------------------


def _digest(numbers: dict[str, Any]) -> str:
    """Return a name for the curve, which changes with the code, like that of the kernels' cache."""
    sources = [Path(__file__), Path(philox.__file__)]
    text = json.dumps(numbers, sort_keys=True).encode()
    return hashlib.sha256(b"".join([text, *(s.read_bytes() for s in sources)])).hexdigest()[:16]


def _read(path: Path) -> list[float] | None:
    """Return the levels that a file holds, or None if it is not there or is no curve."""
    try:
        document = json.loads(path.read_text("utf-8"))
        levels = [float(level) for level in document["levels"]]
        usable = document["loads"] == list(LOADS) and len(levels) == len(LOADS)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    falls = levels == sorted(levels, reverse=True)
    return levels if usable and falls and levels[0] == 1.0 and levels[-1] >= 0.0 else None


def _write(path: Path, document: dict[str, Any]) -> None:
    """Write beside the target and rename, so that another process never meets half a file."""
    with contextlib.suppress(OSError):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(document, file)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)


# --- the desk of a plan --------------------------------------------------------------------------


class ServiceDesk:
    """The focal brand's desk in one run: today's share in time, and what moves it.

    Its load today is the one at which the desk keeps its promise as often as the brand's `on_time`
    says.
    """

    def __init__(self, desk: Desk, on_time: float) -> None:
        self.curve = service_level_curve(desk)
        self.usual_on_time = float(on_time)
        self.usual_load = self.curve.load_at(self.usual_on_time)

    def load(
        self,
        contacts: float,
        usual_contacts: float,
        capacity: ArrayLike = 0.0,
        automation: ArrayLike = 0.0,
    ) -> F64:
        """Return the load of the people at the desk; parameters as in `on_time`.

        Without usual contacts there is nothing to compare with: volume then counts as unchanged.
        Without people the load is infinite.
        """
        volume = contacts / usual_contacts if usual_contacts > 0.0 else 1.0
        left = 1.0 - np.clip(np.asarray(automation, dtype=np.float64), 0.0, 1.0)
        work, people = np.broadcast_arrays(
            self.usual_load * volume * left, 1.0 + np.asarray(capacity, dtype=np.float64)
        )
        load: F64 = np.full(work.shape, np.inf)
        np.divide(work, people, out=load, where=people > 0.0)
        return load

    def on_time(
        self,
        contacts: float,
        usual_contacts: float,
        capacity: ArrayLike = 0.0,
        automation: ArrayLike = 0.0,
    ) -> F64:
        """Return the share of contacts answered in time.

        Parameters
        ----------
        contacts
            Contacts of the whole desk in this quarter.
        usual_contacts
            The same under today's offer.
        capacity
            Relative change of the number of people, a number or shape (n_segments,); -1 or less
            leaves nobody.
        automation
            Share of contacts that a machine answers at once, a number or shape (n_segments,).

        Returns
        -------
        F64
            Share in time, 0..1, of the common shape of `capacity` and `automation`.

        Notes
        -----
        load = today's load x contacts / usual contacts x (1 - automation) / (1 + capacity)
        people = on_time + curve(load) - curve(today's load), within [0, 1]
        share = automation + (1 - automation) people

        Counting from the stated `on_time` makes unchanged inputs return it to the last bit, even
        where the curve does not reach it.
        """
        load = self.load(contacts, usual_contacts, capacity, automation)
        change = self.curve.level(load) - self.curve.level(self.usual_load)
        people = np.clip(self.usual_on_time + change, 0.0, 1.0)
        machine = np.clip(np.asarray(automation, dtype=np.float64), 0.0, 1.0)
        return np.asarray(machine + (1.0 - machine) * people, dtype=np.float64)
