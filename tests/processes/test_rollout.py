"""The roll-out: precedence, people, waves, delay, stop; how ready each lever is by when."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.config.fields import Uncertain
from sim.config.lever import Lever
from sim.config.plan import Phase, Plan
from sim.config.rollout import Organisation, Rollout, Task, Team, Wave
from sim.processes.rollout import RollOut, Work, most_likely, planned_schedule

SEGMENTS = ["ordinary", "vip"]
FREE = Organisation("free", "Nobody waits")
FIRM = Organisation("firm", "Four at work", (Team("execution", 4),))


def lever(name: str, *tasks: Task, needs: tuple[str, ...] = (), build: int = 0) -> Lever:
    return Lever(name, name, half_saturation=1.0, tasks=tasks, needs=needs, build_quarters=build)


def task(name: str, weeks: float, *needs: str, people: int = 1) -> Task:
    return Task(name, "execution", weeks, people, needs)


def plan(paid: dict[str, int], *waves: Wave, preparation: float = 0.0) -> Plan:
    """Return a plan that pays for each lever from the given quarter on."""
    phases = tuple(Phase(name, (first, 40), {name: 1.0}) for name, first in paid.items())
    return Plan("p", "p", phases=phases, rollout=Rollout(preparation, waves))


def roll_out(plan: Plan, *levers: Lever, organisation: Organisation = FREE) -> RollOut:
    return RollOut(plan, {lever.name: lever for lever in levers}, organisation, SEGMENTS)


def live(rollout: RollOut, n: int = 4, delays: dict[int, float] | None = None) -> dict:
    """Return lever to readiness, shape (n, n_segments)."""
    quarters = [rollout.advance(q, (delays or {}).get(q, 0.0)) for q in range(1, n + 1)]
    return {name: np.array([ready[name] for ready in quarters]) for name in rollout.levers}


def times(work: list[Work]) -> dict[str, tuple[float, float]]:
    return {item.name: (item.start, item.finish) for item in work}


# --- tasks and people ----------------------------------------------------------------------------


def test_a_task_begins_when_all_that_it_needs_is_done():
    app = lever("app", task("ship", 1.0, "code", "design"), task("code", 5.0, "brief"),
                task("design", 2.0, "brief"), task("brief", 3.0))  # fmt: skip
    rollout = roll_out(plan({"app": 1}), app)
    live(rollout, 1)
    assert times(rollout.log) == {
        "brief": (0.0, 3.0), "code": (3.0, 8.0), "design": (3.0, 5.0), "ship": (8.0, 9.0),
    }  # fmt: skip


def test_tasks_wait_for_money_preparation_and_needed_levers():
    early, late = lever("early", task("a", 4.0)), lever("late", task("b", 4.0))
    rollout = roll_out(plan({"early": 1, "late": 3}, preparation=6.0), early, late)
    live(rollout)
    assert times(rollout.log) == {"a": (6.0, 10.0), "b": (26.0, 30.0)}
    needing = lever("late", task("b", 4.0), needs=("early",))
    rollout = roll_out(plan({"late": 1, "early": 2}), early, needing)
    live(rollout)
    assert times(rollout.log) == {"a": (13.0, 17.0), "b": (17.0, 21.0)}


def test_two_tasks_that_need_the_whole_team_run_one_after_the_other():
    app = lever("app", task("a", 5.0, people=4), task("b", 3.0, people=4))
    rollout = roll_out(plan({"app": 1}), app, organisation=FIRM)
    live(rollout)
    assert times(rollout.log) == {"a": (0.0, 5.0), "b": (5.0, 8.0)}
    free = roll_out(plan({"app": 1}), app)
    live(free)
    assert times(free.log) == {"a": (0.0, 5.0), "b": (0.0, 3.0)}


def test_who_asks_first_is_served_first_and_a_large_task_is_not_overtaken():
    first = lever("first", task("long", 6.0, people=3), task("large", 2.0, people=4))
    second = lever("second", task("small", 1.0, people=1))
    rollout = roll_out(plan({"second": 1, "first": 1}), first, second, organisation=FIRM)
    live(rollout)
    assert times(rollout.log) == {"small": (0.0, 1.0), "long": (0.0, 6.0), "large": (6.0, 8.0)}
    rollout = roll_out(plan({"first": 1, "second": 1}), first, second, organisation=FIRM)
    live(rollout)
    assert times(rollout.log) == {"long": (0.0, 6.0), "large": (6.0, 8.0), "small": (8.0, 9.0)}


def test_waves_take_people_too():
    waves = (Wave("all", 1.0, weeks=2.0, team="execution", people=4),)
    levers = [lever(name, task(name, 4.0)) for name in "ab"]
    rollout = roll_out(plan({"a": 1, "b": 1}, *waves), *levers, organisation=FIRM)
    live(rollout, 1)
    waves_done = [(work.start, work.finish) for work in rollout.log if work.kind == "wave"]
    assert waves_done == [(4.0, 6.0), (6.0, 8.0)]


def test_work_that_needs_nobody_waits_for_nobody():
    app = lever("app", task("all", 9.0, people=4), Task("deliver", "", 3.0))
    rollout = roll_out(plan({"app": 1}), app, organisation=FIRM)
    live(rollout, 1)
    assert times(rollout.log) == {"all": (0.0, 9.0), "deliver": (0.0, 3.0)}


def test_work_that_is_not_finished_has_no_finish():
    rollout = roll_out(plan({"app": 1}), lever("app", task("a", 13.0), task("b", 14.0)))
    rollout.advance(1)
    assert times(rollout.log)["a"] == (0.0, 13.0)
    assert times(rollout.log)["b"][0] == 0.0
    assert math.isnan(times(rollout.log)["b"][1])
    rollout.advance(2)
    assert times(rollout.log)["b"] == (0.0, 14.0)


# --- delay ---------------------------------------------------------------------------------------


def test_delay_lengthens_only_what_begins_in_its_quarter():
    app = lever("app", task("a", 10.0), task("b", 10.0, "a"), task("c", 10.0, "b"))
    waves = (Wave("all", 1.0, weeks=4.0),)
    rollout = roll_out(plan({"app": 1}, *waves), app)
    live(rollout, 5, delays={2: 0.5})
    assert times(rollout.log) == {
        "a": (0.0, 10.0), "b": (10.0, 20.0), "c": (20.0, 35.0), "all": (35.0, 39.0),
    }  # fmt: skip


def test_what_begins_with_a_quarter_has_that_quarters_delay():
    app = lever("app", task("a", 13.0), task("b", 4.0, "a"))
    rollout = roll_out(plan({"app": 1}), app)
    live(rollout, 2, delays={2: 1.0})
    assert times(rollout.log) == {"a": (0.0, 13.0), "b": (13.0, 21.0)}


@pytest.mark.parametrize(("delay", "finish"), [(-0.5, 5.0), (-1.0, 0.0), (-3.0, 0.0)])
def test_work_may_be_hastened_but_never_ends_before_it_begins(delay, finish):
    rollout = roll_out(plan({"app": 1}), lever("app", task("a", 10.0)))
    live(rollout, 1, delays={1: delay})
    assert times(rollout.log) == {"a": (0.0, finish)}


# --- readiness -----------------------------------------------------------------------------------


@pytest.mark.parametrize("build", range(7))
@pytest.mark.parametrize("first", [1, 3])
@pytest.mark.parametrize("preparation", [0.0, 13.0])
def test_without_tasks_or_waves_a_lever_grows_by_equal_steps_exactly(build, first, preparation):
    rollout = roll_out(plan({"app": first}, preparation=preparation), lever("app", build=build))
    started = max(first, 2) if preparation else first
    steps = [max(min((q - started + 1) / (build + 1), 1.0), 0.0) for q in range(1, 11)]
    np.testing.assert_array_equal(live(rollout, 10)["app"], np.column_stack([steps, steps]))


def test_growth_that_begins_inside_a_quarter_is_weighted_by_time():
    rollout = roll_out(plan({"app": 1}, preparation=9.75), lever("app", build=1))
    np.testing.assert_array_equal(live(rollout, 3)["app"][:, 0], [0.125, 0.625, 1.0])


def test_without_waves_a_built_lever_is_everywhere_at_once():
    rollout = roll_out(plan({"app": 1}), lever("app", task("a", 16.25)))
    expected = [[0.0, 0.0], [0.75, 0.75], [1.0, 1.0]]
    np.testing.assert_array_equal(live(rollout, 3)["app"], expected)


def test_a_wave_counts_from_the_week_in_which_it_arrives():
    """Week 3.25 built; pilot there in 6.5, region in 13 + 3.25, rest not before quarter 4."""
    waves = (
        Wave("pilot", 0.0, {"vip": 0.5}, weeks=3.25),
        Wave("region", 0.5, weeks=9.75),
        Wave("rest", 0.25, {"vip": 0.0}, quarter=4, weeks=6.5),
    )
    rollout = roll_out(plan({"app": 1}, *waves), lever("app", task("a", 3.25)))
    expected = [[0.0, 0.25], [0.375, 0.875], [0.5, 1.0], [0.625, 1.0], [0.75, 1.0]]
    np.testing.assert_array_equal(live(rollout, 5)["app"], expected)
    assert times(rollout.log) == {
        "a": (0.0, 3.25), "pilot": (3.25, 6.5), "region": (6.5, 16.25), "rest": (39.0, 45.5),
    }  # fmt: skip


def test_one_wave_for_all_that_takes_no_time_is_no_wave():
    levers = [lever("built", task("a", 5.0)), lever("grown", build=2)]
    paid = {"built": 1, "grown": 2}
    waved = live(roll_out(plan(paid, Wave("all", 1.0, weeks=0.0), preparation=4.0), *levers))
    plain = live(roll_out(plan(paid, preparation=4.0), *levers))
    for name in paid:
        np.testing.assert_array_equal(waved[name], plain[name])


def test_waves_bring_out_what_there_is_of_a_growing_lever():
    rollout = roll_out(plan({"app": 1}, Wave("half", 0.5, weeks=6.5)), lever("app", build=1))
    np.testing.assert_array_equal(live(rollout, 3)["app"][:, 0], [0.125, 0.5, 0.5])


def test_a_plan_without_money_rolls_out_nothing():
    rollout = roll_out(Plan("p", "p"), lever("app", task("a", 1.0)))
    assert rollout.advance(1) == {}
    assert rollout.log == []


# --- stop ----------------------------------------------------------------------------------------


def test_stop_cancels_what_has_not_begun_and_keeps_what_has_arrived():
    waves = (Wave("pilot", 0.25, weeks=6.0), Wave("rest", 0.75, quarter=2, weeks=2.0))
    levers = [
        lever("out", task("a", 1.0)),
        lever("busy", task("b", 20.0), task("c", 1.0, "b")),
        lever("later", task("d", 1.0)),
        lever("growing", build=3),
    ]
    rollout = roll_out(plan({"out": 1, "busy": 1, "growing": 1, "later": 2}, *waves), *levers)
    before = rollout.advance(1)
    rollout.stop()
    after = live_on(rollout, 2, 6)
    assert {(work.lever, work.name) for work in rollout.log} == {
        ("out", "a"), ("out", "pilot"), ("busy", "b"), ("growing", "pilot"),
    }  # fmt: skip
    assert before["out"][0] < 0.25
    for ready in after:
        np.testing.assert_array_equal(ready["out"], [0.25, 0.25])
        np.testing.assert_array_equal(ready["growing"], [0.0625, 0.0625])
        assert not ready["busy"].any()
        assert not ready["later"].any()
    assert times(rollout.log)["b"] == (0.0, 20.0)


def test_stop_lets_a_wave_that_has_begun_arrive():
    waves = (Wave("pilot", 0.5, weeks=16.25), Wave("rest", 0.5))
    rollout = roll_out(plan({"app": 1}, *waves), lever("app"))
    rollout.advance(1)
    rollout.stop()
    ready = [float(quarter["app"][0]) for quarter in live_on(rollout, 2, 4)]
    assert ready == [0.375, 0.5, 0.5]


def test_stop_sends_home_those_who_wait_for_people():
    app = lever("app", task("a", 20.0, people=4), task("b", 1.0, people=4))
    rollout = roll_out(plan({"app": 1}), app, organisation=FIRM)
    rollout.advance(1)
    rollout.stop()
    live_on(rollout, 2, 4)
    assert times(rollout.log) == {"a": (0.0, 20.0)}


def live_on(rollout: RollOut, first: int, last: int) -> list[dict]:
    return [rollout.advance(quarter) for quarter in range(first, last + 1)]


# --- the plan ------------------------------------------------------------------------------------


def test_the_planned_schedule_takes_most_likely_times_and_the_critical_path():
    weeks = Uncertain("triangular", (1.0, 4.0, 20.0))
    app = lever("app", task("a", weeks, people=4), task("b", 3.0, people=4),
                task("c", 1.0, "a", "b"))  # fmt: skip
    made = planned_schedule(plan({"app": 2}, Wave("all", 1.0, weeks=2.0)), {"app": app})
    assert made == [
        Work("app", "a", "task", 13.0, 17.0),
        Work("app", "b", "task", 13.0, 16.0),
        Work("app", "c", "task", 17.0, 18.0),
        Work("app", "all", "wave", 18.0, 20.0),
    ]
    rollout = roll_out(plan({"app": 1}), app)
    live(rollout)
    assert times(rollout.log)["a"] == (0.0, float(weeks))


def test_the_most_likely_value():
    assert most_likely(Uncertain("triangular", (0.0, 1.0, 8.0))) == 1.0
    assert most_likely(Uncertain("uniform", (2.0, 4.0))) == 3.0
    assert most_likely(5.0) == 5.0


# --- any network ---------------------------------------------------------------------------------

N_QUARTERS = 12
DURATIONS = st.one_of(st.integers(0, 26).map(float), st.floats(0.0, 30.0))


@st.composite
def tasks_of(draw):
    names = [f"t{i}" for i in range(draw(st.integers(0, 4)))]
    made = []
    for i, name in enumerate(names):
        needs = draw(st.sets(st.sampled_from(names[:i]))) if i else ()
        people = draw(st.integers(1, 4))
        made.append(Task(name, "execution", draw(DURATIONS), people, tuple(sorted(needs))))
    return tuple(draw(st.permutations(made)))


@st.composite
def programmes(draw):
    """Draw a plan with its levers; needs point to levers before, given in any order."""
    names = [f"l{i}" for i in range(draw(st.integers(1, 4)))]
    levers = {}
    for i, name in enumerate(names):
        needs = draw(st.sets(st.sampled_from(names[:i]))) if i else ()
        build = draw(st.integers(0, 3))
        levers[name] = lever(name, *draw(tasks_of()), needs=tuple(sorted(needs)), build=build)
    waves = tuple(
        Wave(f"w{k}", share, {"vip": vip}, quarter, weeks, team, people)
        for k, (share, vip, quarter, weeks, team, people) in enumerate(
            draw(
                st.lists(
                    st.tuples(
                        st.floats(0.0, 0.33), st.floats(0.0, 0.33), st.integers(1, 8), DURATIONS,
                        st.sampled_from(["", "execution"]), st.integers(1, 4),
                    ),
                    max_size=3,
                )
            )
        )
    )  # fmt: skip
    paid = {name: draw(st.integers(1, 6)) for name in draw(st.permutations(names))}
    return plan(paid, *waves, preparation=draw(st.sampled_from([0.0, 5.5, 20.0]))), levers


class Reference:
    """The schedule by recursion over what each piece of work needs; nobody waits for people."""

    def __init__(self, plan: Plan, levers: dict[str, Lever], delays: dict[int, float]) -> None:
        self.plan, self.levers, self.delays = plan, levers, delays
        self.work: set[Work] = set()
        self.arrivals = {name: self.waves_of(name) for name in levers}

    def first_week(self, name: str) -> float:
        return max(13.0 * (self.plan.first_quarter(name) - 1), self.plan.rollout.preparation)

    def finish(self, name: str, item: Task | Wave, start: float, kind: str) -> float:
        quarter = int(start // 13) + 1
        finish = start + item.weeks * (1.0 + self.delays.get(quarter, 0.0))
        self.work.add(Work(name, item.name, kind, start, finish))
        return finish

    def task_done(self, name: str, task: Task) -> float:
        siblings = {other.name: other for other in self.levers[name].tasks}
        start = max(
            self.first_week(name),
            *(self.task_done(name, siblings[need]) for need in task.needs),
            *(self.built(need) for need in self.levers[name].needs if self.levers[need].tasks),
            0.0,
        )
        return self.finish(name, task, start, "task")

    def built(self, name: str) -> float:
        done = [self.task_done(name, task) for task in self.levers[name].tasks]
        return max([self.first_week(name), *done])

    def waves_of(self, name: str) -> list[tuple[float, np.ndarray]]:
        free, arrived = self.built(name), []
        for wave in self.plan.rollout.waves:
            start = max(free, 13.0 * (wave.quarter - 1))
            free = self.finish(name, wave, start, "wave")
            share = [wave.segments.get(segment, wave.share) for segment in SEGMENTS]
            arrived.append((free, np.array(share)))
        return arrived if self.plan.rollout.waves else [(free, np.ones(len(SEGMENTS)))]

    def at(self, name: str, week: float) -> np.ndarray:
        """Return the readiness at one moment."""
        lever = self.levers[name]
        if lever.tasks:
            level = float(week >= self.built(name))
        else:
            quarters = math.floor((week - self.first_week(name)) / 13) + 1
            level = min(max(quarters / (lever.build_quarters + 1), 0.0), 1.0)
        covered = [share for arrival, share in self.arrivals[name] if arrival <= week]
        return level * np.sum(covered, axis=0) if covered else np.zeros(len(SEGMENTS))

    def ready(self, name: str, quarter: int) -> np.ndarray:
        """Return the mean over a quarter, from the values between the moments of change."""
        begin, end = 13.0 * (quarter - 1), 13.0 * quarter
        first, steps = self.first_week(name), self.levers[name].build_quarters + 1
        changes = [week for week, _ in self.arrivals[name]]
        changes += [first + 13.0 * step for step in range(steps)]
        knots = sorted({begin, end, *(week for week in changes if begin < week < end)})
        pieces = [(b - a) * self.at(name, (a + b) / 2) for a, b in pairwise(knots)]
        return np.sum(pieces, axis=0) / 13.0


@given(programmes(), st.dictionaries(st.integers(1, N_QUARTERS), st.floats(0.0, 1.5), max_size=4))
def test_any_roll_out_without_waiting_is_the_recursion(programme, delays):
    plan, levers = programme
    reference = Reference(plan, levers, delays)
    rollout = roll_out(plan, *levers.values())
    ready = live(rollout, N_QUARTERS, delays)
    end = 13.0 * N_QUARTERS
    begun = {work for work in reference.work if work.start < end}
    assert {work[:4] for work in rollout.log} == {work[:4] for work in begun}
    finished = {work for work in begun if work.finish <= end}
    assert {work for work in rollout.log if not math.isnan(work.finish)} == finished
    for name in levers:
        expected = [reference.ready(name, quarter) for quarter in range(1, N_QUARTERS + 1)]
        np.testing.assert_allclose(ready[name], expected, rtol=0, atol=1e-12)


@given(programmes())
def test_the_planned_schedule_is_the_recursion(programme):
    plan, levers = programme
    made = planned_schedule(plan, levers)
    assert len(made) == len(set(made))
    assert set(made) == Reference(plan, levers, {}).work
    assert [work.start for work in made] == sorted(work.start for work in made)


@given(programmes())
def test_readiness_lies_between_0_and_1_and_never_falls(programme):
    plan, levers = programme
    for ready in live(roll_out(plan, *levers.values(), organisation=FIRM), N_QUARTERS).values():
        assert np.all((ready >= 0.0) & (ready <= 1.0))
        assert np.all(np.diff(ready, axis=0) >= -1e-12)


@given(programmes())
def test_people_never_do_two_things_at_once_and_all_work_gets_done(programme):
    plan, levers = programme
    planned = {work[:3]: work for work in planned_schedule(plan, levers)}
    rollout = roll_out(plan, *levers.values(), organisation=FIRM)
    live(rollout, 80)
    done = {work[:3]: work for work in rollout.log}
    assert done.keys() == planned.keys()
    waves = {wave.name: wave for wave in plan.rollout.waves}
    people = {
        key: waves[key[1]] if key[2] == "wave" else next(
            task for task in levers[key[0]].tasks if task.name == key[1]
        )
        for key in done
    }  # fmt: skip
    for key, work in done.items():
        assert work.start >= planned[key].start
        assert math.isfinite(work.finish)
        at_work = [
            people[other].people
            for other, theirs in done.items()
            if people[other].team == "execution" and theirs.start <= work.start < theirs.finish
        ]
        assert sum(at_work) <= 4


@given(programmes())
def test_with_people_for_all_nobody_waits(programme):
    plan, levers = programme
    crowd = Organisation("crowd", "Enough for all", (Team("execution", 1000),))
    rollout = roll_out(plan, *levers.values(), organisation=crowd)
    live(rollout, 80)
    assert set(rollout.log) == set(planned_schedule(plan, levers))


@given(programmes(), st.integers(1, 6))
def test_a_stop_changes_nothing_before_it_and_begins_nothing_after_it(programme, last):
    plan, levers = programme
    going, stopped = (roll_out(plan, *levers.values(), organisation=FIRM) for _ in range(2))
    for quarter in range(1, last + 1):
        ours, theirs = going.advance(quarter), stopped.advance(quarter)
        assert all(np.array_equal(ours[name], theirs[name]) for name in levers)
    begun = [work[:4] for work in stopped.log]
    stopped.stop()
    live_on(stopped, last + 1, 80)
    assert [work[:4] for work in stopped.log] == begun
    assert all(math.isfinite(work.finish) for work in stopped.log)


def test_two_roll_outs_are_the_same():
    app = lever("app", task("a", 3.3, people=3), task("b", 4.4, people=2), task("c", 1.1, "a"))
    made = [roll_out(plan({"app": 1}), app, organisation=FIRM) for _ in range(2)]
    for rollout in made:
        live(rollout)
    assert made[0].log == made[1].log
