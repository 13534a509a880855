"""Every task comes out exactly once, and what a worker raises is told, not thrown."""

from __future__ import annotations

import threading
import time

import pytest

from sim.engines.processes import ProcessEngine
from sim.errors import StoreError


class Noted:
    """Notes which thread did which task."""

    def __init__(self, raises=None):
        self.raises, self.done = raises or {}, {}

    def __call__(self, task):
        if task in self.raises:
            raise self.raises[task]
        time.sleep(0.01)
        self.done[task] = threading.get_ident()
        return task * task

    def is_done(self, task):
        return task in self.done


def test_every_task_comes_out_once_from_as_many_threads_as_asked():
    work = Noted()
    with ProcessEngine(3) as engine:
        done = list(engine.run(work, range(20)))
    assert {each.task: each.value for each in done} == {n: n * n for n in range(20)}
    assert len(done) == 20
    assert len(set(work.done.values())) == 3


def test_what_a_worker_raises_comes_out_with_its_task():
    work = Noted({3: ValueError("odd"), 4: StoreError("disk full")})
    with ProcessEngine(2) as engine:
        done = {each.task: each for each in engine.run(work, range(6))}
    assert done[3].error == "ValueError: odd"
    assert not done[3].fatal
    assert done[4].error == "disk full"
    assert done[4].fatal
    assert sorted(work.done) == [0, 1, 2, 5]


def test_leaving_early_begins_no_further_task():
    work = Noted()
    with ProcessEngine(2) as engine:
        next(engine.run(work, range(100_000)))
    assert len(work.done) < 1000


@pytest.mark.parametrize("workers", [0, 5])
def test_no_workers_means_one_per_core(workers):
    import os

    assert ProcessEngine(workers).workers == (workers or os.cpu_count())
