"""The chart of the roll-out shows what the table of work says."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sim.report import rollout
from sim.report.folder import RunFolder, read_folder
from sim.report.words import Words

Writer = Callable[..., Path]
COLUMNS = ["lever", "item", "kind", "planned_start", "planned_finish", "start", "finish"]
NEVER = float("nan")


@pytest.fixture
def worked(run_folder: Writer) -> Callable[..., RunFolder]:
    """Return a function that makes a run of these rows, the same or a list of them per future."""

    def make(*futures: list[tuple]) -> RunFolder:
        rows = [("three_phase", r, *row) for r, future in enumerate(futures) for row in future]
        table = pd.DataFrame(rows, columns=["plan", "replication", *COLUMNS])
        run = read_folder(run_folder(replications=4))
        return replace(run, rollout=table, decisions=run.decisions[:0])

    return make


def work(item: str, planned: tuple, real: tuple, lever: str = "ai", kind: str = "task") -> tuple:
    return (lever, item, kind, *planned, *real)


def test_a_bar_spans_median_start_to_median_finish_in_quarters(worked: Callable) -> None:
    run = worked(*([work("a", (0, 13), (float(k), 13.0 + 2 * k))] for k in range(11)))
    (bar,) = rollout.bars(run, "three_phase")
    assert bar.planned == (0, 1)
    assert bar.start == 5 / 13
    assert bar.finish == pytest.approx((15 / 13, 23 / 13, 31 / 13))
    assert bar.late == pytest.approx((2, 10, 18))


def test_work_that_is_not_finished_has_no_finish(worked: Callable) -> None:
    finished = [work("a", (0, 13), (0, 14))]
    stopped = [work("a", (0, 13), (0, NEVER))]
    (rare,) = rollout.bars(worked(*[finished] * 6, *[stopped] * 4), "three_phase")
    assert rare.finish == (14 / 13, 14 / 13, math.inf)
    run = worked(*[finished] * 4, *[stopped] * 6)
    (usual,) = rollout.bars(run, "three_phase")
    assert math.isinf(usual.finish[1])
    assert "in 6 of 10 futures something is not finished" in rollout.lead(
        Words(), run, "three_phase"
    )


def test_work_that_never_begins_is_drawn_as_planned_only(worked: Callable) -> None:
    run = worked([work("a", (0, 13), (0, 13)), work("b", (13, 20), (NEVER, NEVER))])
    never = rollout.bars(run, "three_phase")[1]
    assert math.isinf(never.start)
    text = rollout.gantt(Words(), run, "three_phase").axes[0].texts
    assert "not finished" in [part.get_text() for part in text]


def passed(run: RunFolder, stopped: set[int]) -> RunFolder:
    """Return the run with a gate that stopped these of ten futures."""
    names = ["stop" if r in stopped else "go" for r in range(10)]
    rows = {"plan": "three_phase", "replication": range(10), "quarter": 5, "kind": "gate"}
    return replace(run, decisions=pd.DataFrame(rows | {"name": names, "amount": 0.0}))


@pytest.mark.parametrize("n_stopped", [3, 6, 10])
def test_work_that_the_gate_stopped_is_told_from_work_that_is_late(
    worked: Callable, n_stopped: int
) -> None:
    stopped = [work("a", (0, 13), (0, 14)), work("b", (13, 20), (14, NEVER))]
    went_on = [work("a", (0, 13), (0, 14)), work("b", (13, 20), (14, 24))]
    run = worked(*[stopped] * n_stopped, *[went_on] * (10 - n_stopped))
    run = passed(run, set(range(n_stopped)))
    done, cut = rollout.bars(run, "three_phase")
    assert (done.stopped, cut.stopped) == (0, n_stopped)
    if n_stopped < 10:
        assert cut.late == pytest.approx((4, 4, 4))
    shown = {part.get_text() for part in rollout.gantt(Words(), run, "three_phase").axes[0].texts}
    told = f"stopped by the gate in {n_stopped} of 10"
    assert (told in shown) == (n_stopped >= 5)
    assert "not finished" not in shown
    lead = rollout.lead(Words(), run, "three_phase")
    assert ("in all 10 futures" if n_stopped == 10 else f"In {n_stopped} of 10") in lead
    assert ("one of the others the last piece is finished 4 weeks late" in lead) == (n_stopped < 10)


def test_work_that_is_open_for_another_reason_is_not_blamed_on_the_gate(worked: Callable) -> None:
    run = passed(worked(*[[work("a", (0, 13), (0, NEVER))]] * 10), {0, 1})
    (bar,) = rollout.bars(run, "three_phase")
    assert bar.stopped == 2
    assert math.isinf(bar.finish[1])
    assert "In 8 of 8 futures something is not finished" in rollout.lead(
        Words(), run, "three_phase"
    )


def test_readiness_is_an_average_over_customers(run_folder: Writer) -> None:
    run = read_folder(run_folder(replications=4))
    table = rollout.readiness(run, "three_phase")
    people = [run.average("today", "customers", name) for name in run.segments]
    # Of the data platform each segment has its own quarter: 2, 3 and 4.
    expected = np.cumsum(people) / sum(people)
    np.testing.assert_allclose(table.loc["data_platform", 2:4], expected)
    assert table.shape == (9, run.quarters)
    assert len(rollout.ready_strip(Words(), run, "three_phase").axes[0].texts) == 9 * 12 + 9


def test_a_run_that_tells_no_readiness_has_no_picture_of_it(run_folder: Writer) -> None:
    run = read_folder(run_folder(replications=4, whole=False))
    assert rollout.readiness(run, "three_phase").empty


@pytest.mark.parametrize(
    ("n_tasks", "n_levers", "kinds"),
    [(3, 5, {"a0", "a1", "a2", "pilot", "all"}), (4, 5, {"", "pilot", "all"}), (3, 15, {""})],
)
def test_many_rows_are_drawn_as_fewer(
    worked: Callable, n_tasks: int, n_levers: int, kinds: set[str]
) -> None:
    rows = [
        work(f"a{k}", (k, k + 1), (k, k + 2), lever=f"lever_{n}")
        for n in range(n_levers)
        for k in range(n_tasks)
    ]
    rows += [
        work(name, (9, 10), (9, 12), lever=f"lever_{n}", kind="wave")
        for n in range(n_levers)
        for name in ("pilot", "all")
    ]
    found = rollout.bars(worked(rows), "three_phase")
    assert {bar.item for bar in found} == kinds
    assert len(found) <= max(rollout.MOST_ROWS)
    build = [bar for bar in found if bar.kind == "task" and not bar.item]
    for bar in build:
        assert np.array(bar.planned) * 13 == pytest.approx((0, n_tasks))
        assert bar.finish[1] * 13 == pytest.approx(n_tasks + 1)


def test_levers_stand_in_the_order_in_which_they_begin(worked: Callable) -> None:
    run = worked(
        [
            work("x", (30, 40), (30, 41), lever="late"),
            work("y", (5, 9), (5, 9), lever="early"),
            work("z", (50, 60), (50, 61), lever="early", kind="wave"),
        ]
    )
    assert [bar.item for bar in rollout.bars(run, "three_phase")] == ["y", "z", "x"]


@pytest.mark.parametrize(
    ("late", "said"),
    [
        ([0.0] * 5, "the last piece is finished in time."),
        ([4.0] * 5, "the last piece is finished 4 weeks late."),
        ([1.0] * 5, "the last piece is finished 1 week late."),
        ([-2.0] * 5, "the last piece is finished 2 weeks early."),
        ([0.0, 0.0, 3.0, 9.0, 9.0], "between in time and 9 weeks late"),
    ],
)
def test_the_lead_tells_the_last_finish(worked: Callable, late: list[float], said: str) -> None:
    run = worked(
        *([work("a", (0, 10), (0, 2)), work("b", (10, 26), (10, 26 + weeks))] for weeks in late)
    )
    text = rollout.lead(Words(), run, "three_phase")
    assert "week 26 (quarter 2)" in text
    assert said in text


def test_old_folders_and_plans_without_work_have_no_chart(run_folder: Writer) -> None:
    assert rollout.plan_shown(read_folder(run_folder(replications=4, whole=False))) is None
    assert rollout.plan_shown(read_folder(run_folder("today", replications=4))) is None
