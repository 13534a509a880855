"""How much work a shard is, found by a trial."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sim.engines.isolated import Isolated
from sim.errors import ConfigError, EngineError
from sim.sweep.layout import Unit
from sim.sweep.rows import Row
from sim.sweep.work import Living

TRIAL_POINTS, TRIAL_SECONDS = 12, 3.0
"""A trial lives so many points, or as many as it can in so many seconds, two at least."""
SHARDS_PER_WORKER = 30
"""At least, so that no worker idles for long at the end."""


class Trial(NamedTuple):
    """What a trial found."""

    seconds: float
    """Of a unit."""
    units: list[Unit]
    lived: list[list[Row]]
    """What came of them, so that they need not be lived again."""


def try_units(
    documents: Sequence[Mapping[str, Any]],
    points: Mapping[int, tuple[int, Mapping[str, Any]]],
    replication: int,
    limit: float,
) -> Trial:
    """Live a few units and return what one costs.

    Parameters
    ----------
    documents
        Of the sweep.
    points
        Runs to try: number of the configuration, and what the point sets in it.
    replication
        In which world.
    limit
        Seconds that one unit may take.

    Raises
    ------
    ConfigError
        If every one of them fails, with the first one's error.
    EngineError
        If the model cannot be brought in.
    """
    isolated = Isolated(Living(documents), limit)
    units = [Unit(run, replication) for run in points]
    answers, seconds = [], []
    try:
        began = last = time.perf_counter()
        for answer in isolated.map((*points[unit.run], replication) for unit in units):
            now = time.perf_counter()
            answers.append(answer)
            seconds.append(now - last)
            last = now
            if len(answers) > 1 and now - began > TRIAL_SECONDS + seconds[0]:
                break
    except RuntimeError as error:
        raise EngineError(str(error)) from None
    finally:
        isolated.close()
    failed = [answer.error for answer in answers if answer.error]
    if len(failed) == len(answers):
        raise ConfigError(f"none of {len(answers)} points that were tried can be lived; the first "
                          f"one: {failed[0]}", key="design")  # fmt: skip
    kept = [(unit, answer.value) for unit, answer in zip(units, answers, strict=False)
            if not answer.error]  # fmt: skip
    warm = seconds[1:] or seconds  # the first one waited for the process to begin
    return Trial(sum(warm) / len(warm), *map(list, zip(*kept, strict=True)))


def units_per_shard(units: int, seconds: float, workers: int, wanted: float) -> int:
    """Return how many units a shard should have.

    Parameters
    ----------
    units
        Of the block.
    seconds
        That one unit takes.
    workers
        Units that are lived at once.
    wanted
        Seconds that a shard should take, less where there are few units.
    """
    by_time = max(int(wanted / max(seconds, 1e-6)), 1)
    by_number = math.ceil(units / (workers * SHARDS_PER_WORKER))
    return max(min(by_time, by_number), 1)
