"""Timers: own times add up, and a watched run finds what an unwatched one does."""

from __future__ import annotations

import time

import pytest

import sim.model
import sim.study
from benchmarks import watched
from benchmarks.stopwatch import (
    KERNEL,
    LOADING,
    REPLICATION,
    REPLICATION_GROUPS,
    REST,
    Part,
    Stopwatch,
)
from sim.config.load import load
from sim.engines.local import LocalEngine
from sim.study import Task, run_replication


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that stands still unless it is moved."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def passing(clock, seconds, *inner):
    def work():
        clock[0] += seconds
        for call in inner:
            call()

    return work


def test_a_part_counts_its_own_time_less_that_of_the_parts_inside(clock):
    watch = Stopwatch()
    inner = watch.timed(Part(KERNEL, "inner"), passing(clock, 3.0))
    outer = watch.timed(Part(REST, "outer"), passing(clock, 1.0, inner, inner))
    outer()
    assert watch.seconds == {Part(KERNEL, "inner"): 6.0, Part(REST, "outer"): 1.0}
    assert watch.calls_of("inner") == 2
    assert watch.total == clock[0]


def test_a_whole_part_keeps_the_time_of_what_it_calls(clock):
    watch = Stopwatch()
    inner = watch.timed(Part(KERNEL, "inner"), passing(clock, 3.0))
    loading = watch.timed(Part(LOADING, "loading"), passing(clock, 1.0, inner), whole=True)
    watch.timed(Part(REST, "outer"), passing(clock, 2.0, loading, inner))()
    assert (watch.of(LOADING), watch.of(KERNEL), watch.of(REST)) == (4.0, 3.0, 2.0)


def test_a_part_that_fails_is_counted_and_leaves_the_others_right(clock):
    watch = Stopwatch()

    def fail():
        clock[0] += 3.0
        raise ValueError

    inner = watch.timed(Part(KERNEL, "inner"), fail)

    def outer():
        clock[0] += 1.0
        with pytest.raises(ValueError):  # noqa: PT011 - raised above
            inner()

    watch.timed(Part(REST, "outer"), outer)()
    assert (watch.of(KERNEL), watch.of(REST)) == (3.0, 1.0)


def test_a_watched_replication_is_the_same_and_the_timers_are_gone_after_it():
    config = load("retail_three_phase", ["customers=500", "risks=retail"])
    engine = LocalEngine(1, config.customers)
    names = [(place, name) for place, name, _ in (*watched.COMMAND, *REPLICATION)]
    before = [getattr(place, name) for place, name in names]
    phases = sim.model.PHASES
    watch = Stopwatch()
    with watch.watching((*watched.COMMAND, *REPLICATION)):
        seen = sim.study.run_replication(config, Task(0, 0), engine)
    unseen = run_replication(config, Task(0, 0), engine)
    for name, result in unseen.plans.items():
        assert seen.plans[name].cash_flow.equals(result.cash_flow)
    assert [getattr(place, name) for place, name in names] == before
    assert sim.model.PHASES is phases
    assert all(watch.of(group) > 0 for group in REPLICATION_GROUPS)
    assert watch.calls_of("create_residents") == 1
