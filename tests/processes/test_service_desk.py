"""The service desk: queueing theory's closed forms, the curve and its file, the desk of a plan."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import diags_array
from scipy.sparse.linalg import expm_multiply

from sim.config.build import build
from sim.config.desk import Desk
from sim.config.files import config_root
from sim.errors import ConfigError
from sim.kernels import philox
from sim.processes import service_desk
from sim.processes.service_desk import (
    LOADS,
    ServiceDesk,
    ServiceLevelCurve,
    service_level_curve,
    waiting_times,
)

FOREVER = 1e9
N_WORLDS = 20
SHIPPED = ["call_15s", "written_24h"]


def desk_of(agents, patience, promise, handling=1.0):
    return Desk("desk", "A desk", agents, handling, patience, promise)


def shipped(name):
    text = (config_root() / "conf" / "desk" / f"{name}.yaml").read_text("utf-8")
    return build(Desk, yaml.safe_load(text), "desk")


# --- closed forms --------------------------------------------------------------------------------


def erlang_c(agents, load):
    """Probability of waiting in M/M/c, from Erlang's B by recursion."""
    offered, blocked = agents * load, 1.0
    for k in range(1, agents + 1):
        blocked = offered * blocked / (k + offered * blocked)
    return blocked / (1.0 - load * (1.0 - blocked))


def erlang_a(desk, load, n_lined=1000):
    """M/M/c+M: shares that give up, are served at once, are served within the promise.

    The first two from the stationary birth-death chain. For the third, who finds k people in line
    moves up at rate c mu + k theta (one is served, or one of those before gives up) and gives up
    itself at rate theta: a chain with served as its absorbing state.
    """
    c, mu, theta = desk.agents, 1 / desk.handling, 1 / desk.patience
    arrival = load * c * mu
    n = np.arange(1, c + n_lined)
    death = np.minimum(n, c) * mu + np.maximum(n - c, 0) * theta
    log_weight = np.concatenate([[0.0], np.cumsum(np.log(arrival / death))])
    weight = np.exp(log_weight - log_weight.max())
    stationary = weight / weight.sum()
    assert stationary[-1] < 1e-9, "the line is cut too short for this case"
    line = np.arange(n_lined)
    gives_up = theta * (stationary[c:] * line).sum() / arrival
    up = c * mu + line * theta
    chain = diags_array([np.append(0.0, -up - theta), up], offsets=[0, -1]).tocsr()
    served = expm_multiply(chain * desk.promise, np.eye(1, n_lined + 1)[0])[1:]
    at_once = stationary[:c].sum()
    return gives_up, at_once, at_once + (stationary[c:] * served).sum()


def assert_close(desk, load, shares, n_contacts=4000):
    """The mean over independent worlds is within 4 standard errors of each expected share."""
    worlds = [
        waiting_times(desk, load, n_contacts, replication)[n_contacts // 5 :]
        for replication in range(N_WORLDS)
    ]
    for tell, expected in shares:
        found = np.array([np.mean(tell(waits)) for waits in worlds])
        error = found.std(ddof=1) / np.sqrt(N_WORLDS)
        assert 0 < error < 0.012
        assert abs(found.mean() - expected) < 4 * error


@pytest.mark.parametrize(
    ("agents", "load", "promise"), [(1, 0.6, 0.5), (4, 0.8, 0.25), (25, 0.9, 0.1)]
)
def test_with_endless_patience_the_desk_is_erlang_c(agents, load, promise):
    waits = erlang_c(agents, load)
    in_time = 1 - waits * np.exp(-agents * (1 - load) * promise)
    shares = [(lambda w: w == 0, 1 - waits), (lambda w: w <= promise, in_time)]
    assert_close(desk_of(agents, FOREVER, promise), load, shares, n_contacts=6000)


@pytest.mark.parametrize(
    ("agents", "patience", "promise", "load"),
    [(1, 2.0, 0.8, 0.7), (5, 1.0, 0.3, 1.0), (5, 4.0, 1.0, 1.3), (40, 0.4, 0.03, 0.95)],
)
def test_with_some_patience_the_desk_is_erlang_a(agents, patience, promise, load):
    desk = desk_of(agents, patience, promise)
    gives_up, at_once, in_time = erlang_a(desk, load)
    shares = [(np.isinf, gives_up), (lambda w: w == 0, at_once), (lambda w: w <= promise, in_time)]
    assert_close(desk, load, shares)


def test_erlang_a_without_people_giving_up_is_erlang_c():
    """The two expected values are derived apart; where they meet they must agree."""
    gives_up, at_once, _ = erlang_a(desk_of(5, FOREVER, 1.0), 0.8)
    assert gives_up == pytest.approx(0, abs=1e-8)
    assert at_once == pytest.approx(1 - erlang_c(5, 0.8), abs=1e-6)


@pytest.mark.parametrize(
    ("name", "up_to", "standard_error"),
    [("call_15s", 3.0, 0.0075), ("written_24h", 1.4, 0.004), ("written_24h", 3.0, 0.03)],
)
def test_the_curve_of_a_shipped_desk_is_erlang_as(name, up_to, standard_error):
    """Within 4 standard errors; those are what a dozen other worlds of the same length show."""
    desk = shipped(name)
    loads = [load for load in LOADS if 0 < load <= up_to]
    exact = [erlang_a(desk, load)[2] for load in loads]
    error = service_level_curve(desk).level(loads) - exact
    assert np.abs(error).max() < 4 * standard_error


# --- the queue -----------------------------------------------------------------------------------


def test_the_same_world_gives_the_same_waits_and_another_does_not():
    desk = desk_of(3, 1.0, 0.5)
    first = waiting_times(desk, 1.1, 500, replication=1)
    np.testing.assert_array_equal(first, waiting_times(desk, 1.1, 500, replication=1))
    assert not np.array_equal(first, waiting_times(desk, 1.1, 500, replication=2))


def test_time_has_no_unit_of_its_own():
    """Minutes or hours: the same contacts wait, as long in the one as in the other."""
    minutes = waiting_times(desk_of(3, 1.0, 0.5, handling=2.0), 1.1, 1000)
    hours = waiting_times(desk_of(3, 0.25, 0.1, handling=0.5), 1.1, 1000)
    np.testing.assert_allclose(minutes, 4 * hours, rtol=1e-9, atol=1e-9)


def test_a_line_of_draws_begins_with_the_single_draw():
    short, long = np.empty(3), np.empty(50)
    philox.draw_uniforms(7, 2, philox.DESK, 1, 5, short)
    philox.draw_uniforms(7, 2, philox.DESK, 1, 5, long)
    assert short[0] == philox.draw_uniform(7, 2, philox.DESK, 1, 5)
    np.testing.assert_array_equal(short, long[:3])
    assert np.unique(long).size == long.size


# --- the curve -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED)
def test_the_curve_falls_from_one(name):
    curve = service_level_curve(shipped(name))
    levels = curve.level(np.linspace(0, 20, 2001))
    assert levels[0] == 1.0
    assert np.all(np.diff(levels) <= 0)
    assert np.all(levels >= 0)
    assert curve.level(np.inf) == 0.0


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("on_time", [0.7, 0.8])
def test_at_the_shipped_levels_a_shipped_desk_feels_every_contact(name, on_time):
    """A tenth more or fewer contacts moves the share in time by 3 points or more."""
    curve = service_level_curve(shipped(name))
    load = curve.load_at(on_time)
    assert curve.level(0.9 * load) > on_time + 0.03
    assert curve.level(1.1 * load) < on_time - 0.03


def test_more_people_at_the_same_load_answer_more_in_time():
    """Pooling: twice the contacts for twice the people is better, while the desk can follow."""
    for load in (0.6, 0.8, 0.95):
        shares = [
            np.mean(waiting_times(desk_of(agents, 3.0, 0.2), load, 20_000) <= 0.2)
            for agents in (2, 6, 18)
        ]
        assert shares == sorted(shares)
        assert shares[0] < shares[2] - 0.1


@given(st.floats(0, 1))
def test_load_at_undoes_level_inside_the_grid(level):
    curve = ServiceLevelCurve(np.array([0, 0.5, 1, 2, 3.0]), np.array([1, 1, 0.6, 0.6, 0.2]))
    load = curve.load_at(level)
    assert 0.5 <= load <= 3.0
    assert curve.level(load) == pytest.approx(max(level, 0.2), abs=1e-12)
    if load < 3:
        assert curve.level(load + 1e-3) < level


def test_beyond_the_grid_a_busy_desk_answers_no_more():
    curve = ServiceLevelCurve(np.array([0.0, 3.0]), np.array([1.0, 0.3]))
    np.testing.assert_allclose(curve.level([3.0, 6.0, 30.0]), [0.3, 0.15, 0.03])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_pooling_makes_levels_fall_and_keeps_their_sum(levels):
    made = service_desk._falling(levels)
    assert np.all(np.diff(made) <= 1e-12)
    assert sum(made) == pytest.approx(sum(levels))
    if levels == sorted(levels, reverse=True):
        assert made == levels


# --- the file ------------------------------------------------------------------------------------


def forget():
    service_desk._curve.cache_clear()


@pytest.fixture
def simulated(monkeypatch, tmp_path):
    """An empty cache, and the loads that have been simulated since."""
    asked = []

    def level(desk, load):
        asked.append(load)
        return 1.0 / (1.0 + load) ** desk.agents

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(service_desk, "service_level", level)
    forget()
    yield asked
    forget()


def test_a_curve_is_simulated_once_and_read_afterwards(simulated, tmp_path):
    first = service_level_curve(desk_of(2, 1.0, 0.5))
    assert simulated == list(LOADS)
    assert service_level_curve(desk_of(2, 1.0, 0.5)) is first
    forget()
    again = service_level_curve(dataclasses.replace(desk_of(2, 1.0, 0.5), name="other", title=""))
    assert again is not first
    np.testing.assert_array_equal(again.levels, first.levels)
    assert len(simulated) == len(LOADS)
    [file] = (tmp_path / "fidelio").iterdir()
    assert file.name.startswith("desk-")
    assert json.loads(file.read_text())["agents"] == 2


@pytest.mark.parametrize(
    "change", [{"agents": 3}, {"handling": 1.5}, {"patience": 2.0}, {"promise": 0.4}]
)
def test_a_desk_with_another_number_has_its_own_curve(simulated, tmp_path, change):
    service_level_curve(desk_of(2, 1.0, 0.5))
    service_level_curve(dataclasses.replace(desk_of(2, 1.0, 0.5), **change))
    assert len(simulated) == 2 * len(LOADS)
    assert len(list((tmp_path / "fidelio").iterdir())) == 2


def broken(text):
    document = json.loads(text)
    yield ""
    yield text[: len(text) // 2]
    yield "[]"
    yield json.dumps({**document, "levels": document["levels"][:-1]})
    yield json.dumps({**document, "levels": document["levels"][::-1]})
    yield json.dumps({**document, "levels": [2.0, *document["levels"][1:]]})
    yield json.dumps({**document, "levels": [*document["levels"][:-1], float("nan")]})
    yield json.dumps({**document, "levels": None})
    yield json.dumps({**document, "loads": [0.0]})


def test_a_broken_file_is_made_anew(simulated, tmp_path):
    curve = service_level_curve(desk_of(2, 1.0, 0.5))
    [file] = (tmp_path / "fidelio").iterdir()
    whole = file.read_text()
    for text in broken(whole):
        simulated.clear()
        forget()
        file.write_text(text)
        again = service_level_curve(desk_of(2, 1.0, 0.5))
        assert simulated == list(LOADS), text
        np.testing.assert_array_equal(again.levels, curve.levels)
        assert file.read_text() == whole


def test_without_a_folder_to_write_to_there_is_still_a_curve(simulated, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr(service_desk.tempfile, "gettempdir", lambda: str(tmp_path / "nowhere"))
    assert service_level_curve(desk_of(2, 1.0, 0.5)).levels[0] == 1.0
    assert simulated == list(LOADS)


# --- the desk of a plan --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def desk():
    return ServiceDesk(shipped("written_24h"), 0.7)


@given(st.floats(0, 1), st.floats(1e-6, 1e9), st.sampled_from(SHIPPED))
def test_where_nothing_changes_the_share_is_the_stated_one_exactly(on_time, contacts, name):
    service = ServiceDesk(shipped(name), on_time)
    assert service.on_time(contacts, contacts) == on_time
    zeros = np.zeros(3)
    assert service.on_time(contacts, contacts, zeros, zeros).tolist() == [on_time] * 3


@pytest.mark.parametrize("on_time", [0.4, 0.7, 0.95])
def test_inside_the_curve_the_share_is_the_curves(on_time):
    service = ServiceDesk(shipped("call_15s"), on_time)
    assert service.curve.level(service.usual_load) == pytest.approx(on_time, abs=1e-12)
    share = service.on_time(120.0, 100.0, capacity=0.5)
    assert share == pytest.approx(service.curve.level(service.usual_load * 1.2 / 1.5))


def test_load_is_volume_over_people(desk):
    load = desk.load(300.0, 200.0, np.array([0.0, 0.5]), np.array([0.2, 0.0]))
    np.testing.assert_allclose(load, desk.usual_load * np.array([1.2, 1.0]))


@given(
    st.floats(0, 1), st.floats(0, 1e4), st.floats(-2, 5), st.floats(0, 1),
    st.floats(0, 1e4), st.floats(0, 3), st.floats(0, 0.5),
)  # fmt: skip
def test_help_never_hurts(on_time, contacts, capacity, automation, more, hired, machines):
    service = ServiceDesk(shipped("written_24h"), on_time)
    share = service.on_time(contacts, 1000.0, capacity, automation)
    assert 0.0 <= share <= 1.0
    assert service.on_time(contacts + more, 1000.0, capacity, automation) <= share
    assert service.on_time(contacts, 1000.0, capacity + hired, automation) >= share
    assert service.on_time(contacts, 1000.0, capacity, automation + machines) >= share - 1e-12


def test_what_the_machine_answers_is_in_time_and_frees_people(desk):
    share = desk.on_time(100.0, 100.0, automation=np.array([0.0, 0.3, 1.0]))
    people = desk.curve.level(0.7 * desk.usual_load)
    np.testing.assert_allclose(share, [0.7, 0.3 + 0.7 * people, 1.0])
    assert share[1] > 0.3 + 0.7 * 0.7 + 0.05


def test_nobody_at_the_desk_answers_nobody(desk):
    share = desk.on_time(100.0, 100.0, np.array([-1.0, -3.0]), np.array([0.0, 0.25]))
    np.testing.assert_allclose(share, [0.0, 0.25], atol=1e-12)


def test_without_usual_contacts_the_volume_counts_as_unchanged(desk):
    assert desk.on_time(50.0, 0.0) == 0.7
    assert desk.on_time(0.0, 0.0) == 0.7
    assert desk.on_time(0.0, 100.0) == pytest.approx(1.0)


# --- configuration -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_desk_states_every_source(name):
    desk = shipped(name)
    assert desk.name == name
    assert set(desk.provenance) == {"agents", "handling", "patience", "promise"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"agents": 0}, "desk.agents: 0 is out of range; allowed: 1 to 5,000 (people at work"),
        ({"agents": 2.5}, "desk.agents: 2.5 is no whole number"),
        ({"handling": 0}, "desk.handling: 0 is out of range"),
        ({"patience": -1}, "desk.patience: -1 is out of range"),
        ({"promise": -1}, "desk.promise: -1 is out of range"),
        ({"promises": 1}, "desk.promises: no such setting; did you mean 'promise'?"),
    ],
)
def test_a_desk_that_cannot_be_is_one_clear_error(change, message):
    data = {"name": "a", "title": "A", "agents": 2, "handling": 1, "patience": 1, "promise": 1}
    with pytest.raises(ConfigError) as caught:
        build(Desk, data | change, "desk")
    assert message in str(caught.value)
