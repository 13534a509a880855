"""What is said of tasks, teams and waves that cannot be."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from sim.config.build import build
from sim.config.files import choices, config_root
from sim.config.lever import Lever
from sim.config.plan import Phase, Plan
from sim.config.rollout import (
    Organisation,
    Rollout,
    Task,
    Team,
    Wave,
    check_rollout,
    find_circle,
    waited_for,
)
from sim.errors import ConfigError

FIRM = Organisation("firm", "Firm", (Team("execution", 4), Team("technology", 2)))
SEGMENTS = ["ordinary", "vip"]


def lever(name: str, *tasks: Task, needs: tuple[str, ...] = ()) -> Lever:
    return Lever(name, name, half_saturation=1.0, tasks=tasks, needs=needs)


def plan(*names: str, waves: tuple[Wave, ...] = ()) -> Plan:
    phases = (Phase("all", (1, 4), dict.fromkeys(names, 100.0)),)
    return Plan("p", "p", phases=phases, rollout=Rollout(waves=waves))


def check(plan: Plan, *levers: Lever, organisation: Organisation = FIRM) -> None:
    check_rollout(plan, {lever.name: lever for lever in levers}, organisation, SEGMENTS, "plan")


@pytest.mark.parametrize(
    ("cls", "data", "message"),
    [
        (
            Lever,
            {"tasks": [{"name": "a", "team": "t", "weeks": 1, "needs": ["c"]},
                       {"name": "b", "team": "t", "weeks": 1, "needs": ["a"]},
                       {"name": "c", "team": "t", "weeks": 1, "needs": ["b"]}]},
            "x.tasks: tasks wait for each other in a circle: a -> c -> b -> a; "
            "allowed: tasks that can be put in an order",
        ),
        (
            Lever,
            {"tasks": [{"name": "a", "team": "t", "weeks": 1, "needs": ["a"]}]},
            "x.tasks: tasks wait for each other in a circle: a -> a; "
            "allowed: tasks that can be put in an order",
        ),
        (
            Lever,
            {"tasks": [{"name": "design", "team": "t", "weeks": 1},
                       {"name": "build", "team": "t", "weeks": 1, "needs": ["desing"]}]},
            "x.tasks.build.needs: task 'build' needs task 'desing', which is not there; "
            "did you mean 'design'?",
        ),
        (
            Lever,
            {"tasks": [{"name": "a", "team": "t", "weeks": 1, "people": 0}]},
            "x.tasks.a.people: 0 is out of range; allowed: 1 to 10,000 (people of the team)",
        ),
        (
            Lever,
            {"tasks": [{"name": "a", "team": "t", "weeks": -1}]},
            "x.tasks.a.weeks: -1 is out of range; allowed: 0 to 1,000 (weeks)",
        ),
        (
            Organisation,
            {"teams": [{"name": "support", "people": 0}]},
            "x.teams.support.people: 0 is out of range; allowed: 1 to 1,000,000 (people)",
        ),
        (
            Organisation,
            {"teams": [{"name": "support", "people": 2.5}]},
            "x.teams.support.people: 2.5 is no whole number; allowed: 1 to 1,000,000 (people)",
        ),
        (
            Organisation,
            {"teams": [{"name": "a", "people": 1}, {"name": "a", "people": 2}]},
            "x.teams: named twice: a; allowed: each name once",
        ),
        (
            Plan,
            {"rollout": {"waves": [{"name": "pilot", "share": 0.3, "segments": {"vip": 0.9}},
                                   {"name": "rest", "share": 0.7, "segments": {"vip": 0.2}}]}},
            "x.rollout.waves: waves bring vip to 1.1; "
            "allowed: shares that sum to 1 or less over the waves",
        ),
        (
            Plan,
            {"rollout": {"waves": [{"name": "pilot", "share": 0.6},
                                   {"name": "rest", "share": 0.6}]}},
            "x.rollout.waves: waves bring every segment to 1.2; "
            "allowed: shares that sum to 1 or less over the waves",
        ),
        (
            Plan,
            {"rollout": {"waves": [{"name": "pilot", "share": 1.2}]}},
            "x.rollout.waves.pilot.share: 1.2 is out of range; "
            "allowed: 0 to 1 (share of every segment)",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named_with_its_path(cls, data, message):
    usual = {"name": "x", "title": "x"} | ({"half_saturation": 1.0} if cls is Lever else {})
    with pytest.raises(ConfigError) as caught:
        build(cls, usual | data, "x")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("task", "key", "message"),
    [
        (
            Task("code", "technologie", 1.0),
            "lever.app.tasks.code.team",
            "'technologie' is no team of organisation 'firm'; did you mean 'technology'?",
        ),
        (
            Task("code", "technology", 1.0, people=3),
            "lever.app.tasks.code.people",
            "3 people would never be free: team 'technology' of organisation 'firm' has 2; "
            "allowed: 1 to 2 (people)",
        ),
    ],
)
def test_a_task_that_no_team_can_do(task, key, message):
    with pytest.raises(ConfigError) as caught:
        check(plan("app"), lever("app", task))
    assert (caught.value.key, str(caught.value)) == (key, f"{key}: {message}")
    check(plan("app"), lever("app", task), organisation=Organisation("free", "No teams"))
    check(plan("other"), lever("app", task), lever("other"))


@pytest.mark.parametrize(
    ("wave", "message"),
    [
        (
            Wave("pilot", 0.1, team="support"),
            "plan.rollout.waves.pilot.team: 'support' is no team of organisation 'firm'; "
            "known: execution, technology",
        ),
        (
            Wave("pilot", 0.1, team="execution", people=5),
            "plan.rollout.waves.pilot.people: 5 people would never be free: "
            "team 'execution' of organisation 'firm' has 4; allowed: 1 to 4 (people)",
        ),
        (
            Wave("pilot", 0.1, segments={"vips": 0.5}),
            "plan.rollout.waves.pilot.segments.vips: no such segment in this market; "
            "did you mean 'vip'?",
        ),
    ],
)
def test_a_wave_that_cannot_be_brought_out(wave, message):
    with pytest.raises(ConfigError) as caught:
        check(plan("app", waves=(wave,)), lever("app"))
    assert str(caught.value) == message


def test_what_fits_passes():
    waves = (Wave("pilot", 0.2, {"vip": 1.0}, team="execution", people=4), Wave("rest", 0.0))
    tasks = (Task("code", "technology", 3.0, people=2), Task("wait", "", 2.0, needs=("code",)))
    check(plan("app", waves=waves), lever("app", *tasks))


def test_levers_that_wait_for_each_others_tasks():
    a = lever("a", Task("t", "execution", 1.0), needs=("b",))
    b = lever("b", Task("t", "execution", 1.0), needs=("a",))
    with pytest.raises(ConfigError) as caught:
        check(plan("a", "b"), a, b)
    assert str(caught.value) == (
        "lever.a.needs: levers wait for each other's tasks in a circle: a -> b -> a; "
        "allowed: levers that can be put in an order"
    )
    # Without tasks nobody waits.
    check(plan("a", "b"), a, replace(b, tasks=()))


def test_only_levers_with_tasks_wait_and_are_waited_for():
    task = Task("t", "execution", 1.0)
    levers = {
        "a": lever("a", task, needs=("b", "c", "unpaid")),
        "b": lever("b", task),
        "c": lever("c", needs=("b",)),
        "unpaid": lever("unpaid", task),
    }
    assert waited_for(plan("a", "b", "c"), levers) == {"a": ("b",), "b": ()}


@pytest.mark.parametrize(
    ("needs", "circle"),
    [
        ({}, []),
        ({"a": ("b", "c"), "b": ("c",), "c": ()}, []),
        ({"a": ("b",), "b": ("c",), "c": ("b",)}, ["b", "c", "b"]),
        ({"a": (), "b": ("b",)}, ["b", "b"]),
    ],
)
def test_circles(needs, circle):
    assert find_circle(needs) == circle


@pytest.mark.parametrize("name", choices("organisation"))
def test_a_shipped_organisation_has_the_published_mix(name):
    """Beside technology: strategy 5-8%, execution 40-45%, support 50-55% (E320)."""
    file = config_root() / "conf" / "organisation" / f"{name}.yaml"
    people = build(Organisation, yaml.safe_load(file.read_text("utf-8"))).people
    if name == "unlimited":
        assert people == {}
        return
    total = sum(n for team, n in people.items() if team != "technology")
    bands = {"strategy": (0.05, 0.08), "execution": (0.40, 0.45), "support": (0.50, 0.55)}
    for team, (low, high) in bands.items():
        assert low <= people[team] / total <= high
    if name == "retail":
        assert people["technology"] == 5 + 3 + 2


@pytest.mark.parametrize("name", choices("organisation"))
def test_every_shipped_organisation_can_build_every_shipped_lever(name):
    folder = config_root() / "conf"
    files = sorted((folder / "lever").glob("*.yaml"))
    levers = [build(Lever, yaml.safe_load(file.read_text("utf-8"))) for file in files]
    file = folder / "organisation" / f"{name}.yaml"
    organisation = build(Organisation, yaml.safe_load(file.read_text("utf-8")))
    check(plan(*(lever.name for lever in levers)), *levers, organisation=organisation)
