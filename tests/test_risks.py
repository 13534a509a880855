"""The risk register: how often, how long, under what condition, and never at another's expense."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.config.load import load
from sim.config.risk import Hit, Risk, Risks
from sim.model import LoyaltyModel
from sim.risks import RiskRegister
from sim.types import Channel

BREACH = Risk("breach", "Data breach", probability=0.3, severity=2.0,
              hits=(Hit(Channel.TRUST, -0.2), Hit(Channel.PROBLEM, -0.5)))  # fmt: skip
STRIKE = Risk("strike", "Strike", probability=0.5, severity=1.0, duration=2,
              hits=(Hit(Channel.AVAILABILITY, -0.4),))  # fmt: skip


def register(*risks: Risk, seed: int = 1, world: int = 0) -> RiskRegister:
    return RiskRegister(Risks("r", "r", risks), seed, world)


def live(register: RiskRegister, strength: dict[str, float] | None = None, n: int = 12):
    """Return the channels that are hit in each quarter, shape (n, N_CHANNELS)."""
    return np.array([register.advance(q, strength or {})[:, 0] for q in range(1, n + 1)])


def starts(risk: Risk, world: int, strength: dict[str, float] | None = None) -> set[int]:
    found = register(risk, world=world)
    live(found, strength)
    return {quarter for quarter, _ in found.events}


def test_what_is_certain_strikes_at_once_and_what_is_impossible_never():
    certain = register(replace(BREACH, probability=1.0))
    live(certain)
    assert certain.events == [(quarter, "breach") for quarter in range(1, 13)]
    for world in range(200):
        assert not live(register(replace(BREACH, probability=0.0), world=world)).any()


def test_a_hit_is_severity_times_size_on_its_channels_alone():
    [hit] = live(register(replace(BREACH, probability=1.0)), n=1)
    expected = np.zeros(len(Channel))
    expected[Channel.TRUST], expected[Channel.PROBLEM] = -0.4, -1.0
    np.testing.assert_array_equal(hit, expected)


def test_an_event_lasts_as_long_as_it_says():
    long = replace(STRIKE, duration=3)
    for world in range(40):
        found = register(long, world=world)
        hit = live(found, n=16)[:, Channel.AVAILABILITY] != 0
        expected = {q + k for q, _ in found.events for k in range(3)}
        assert {q for q in range(1, 17) if hit[q - 1]} == expected & set(range(1, 17))


@pytest.mark.parametrize("probability", [0.05, 0.3, 0.8])
def test_frequency_is_the_probability_per_year(probability):
    risk = replace(BREACH, probability=probability)
    n = 3000
    struck = np.mean([bool({1, 2, 3, 4} & starts(risk, world)) for world in range(n)])
    error = math.sqrt(probability * (1 - probability) / n)
    assert struck == pytest.approx(probability, abs=3 * error)


def test_quarters_and_risks_strike_independently():
    n = 2000
    two = (replace(BREACH, probability=0.8), replace(STRIKE, probability=0.8, duration=1))
    hit = np.array([live(register(*two, world=w), n=2) != 0 for w in range(n)])
    breach, strike = hit[:, :, Channel.TRUST], hit[:, :, Channel.AVAILABILITY]
    for one, other in [(breach[:, 0], breach[:, 1]), (breach[:, 0], strike[:, 0])]:
        assert abs(np.corrcoef(one, other)[0, 1]) < 3.5 / math.sqrt(n)


def test_without_the_lever_that_it_needs_a_risk_does_not_exist():
    needy = replace(BREACH, probability=1.0, needs="data_platform")
    assert not live(register(needy)).any()
    assert not live(register(needy), {"data_platform": 0.0, "privacy": 1.0}).any()
    assert live(register(needy), {"data_platform": 0.01})[:, Channel.TRUST].all()


def test_full_mitigation_leaves_nothing_and_half_leaves_half():
    safe = replace(BREACH, probability=1.0, mitigation={"privacy": 1.0})
    assert not live(register(safe), {"privacy": 1.0}).any()
    n = 2500
    half = {"privacy": 0.5}
    struck = np.mean([1 in starts(safe, world, half) for world in range(n)])
    assert struck == pytest.approx(0.5, abs=3 * math.sqrt(0.25 / n))


@given(st.integers(0, 10_000), st.floats(0, 1), st.floats(0, 1), st.integers(1, 4))
def test_mitigation_only_takes_events_away(world, share, strength, duration):
    """On the same world the quarters that are hit are a part of those hit without mitigation."""
    risk = replace(STRIKE, probability=0.7, duration=duration, mitigation={"training": share})
    bare = live(register(risk, world=world))[:, Channel.AVAILABILITY] != 0
    eased = live(register(risk, world=world), {"training": strength})[:, Channel.AVAILABILITY] != 0
    assert not np.any(eased & ~bare)


@given(st.integers(0, 10_000), st.floats(0, 1), st.floats(0, 1))
def test_a_rarer_risk_strikes_in_a_part_of_the_quarters(world, one, other):
    often, rare = max(one, other), min(one, other)
    assert starts(replace(BREACH, probability=rare), world) <= starts(
        replace(BREACH, probability=often), world
    )


@given(st.integers(0, 10_000))
def test_removing_a_risk_leaves_the_others_events_where_they_were(world):
    both, alone = register(BREACH, STRIKE, world=world), register(STRIKE, world=world)
    channels = live(both)
    np.testing.assert_array_equal(
        live(alone)[:, Channel.AVAILABILITY], channels[:, Channel.AVAILABILITY]
    )
    assert alone.events == [event for event in both.events if event[1] == "strike"]
    swapped = register(STRIKE, BREACH, world=world)
    np.testing.assert_array_equal(live(swapped), channels)


def test_worlds_and_seeds_differ():
    risk = replace(BREACH, probability=0.8)
    lives = {tuple(sorted(starts(risk, world))) for world in range(20)}
    assert len(lives) > 10
    other = register(risk, seed=2)
    live(other)
    assert {quarter for quarter, _ in other.events} != starts(risk, 0)


@pytest.fixture(scope="module")
def config():
    return load("retail_three_phase", ["customers=300", "burn_in=4", "quarters=3", "plan=today"])


def test_before_the_plan_begins_no_risk_strikes(config):
    """The state that plan and baseline share is today's, with or without a register."""
    never = replace(STRIKE, probability=0.0)
    quiet = LoyaltyModel(config, collect=False).burn_in()
    warned = LoyaltyModel(replace(config, risks=Risks("r", "r", (never,))), collect=False)
    for _ in range(4):
        warned.step()
        assert not warned.risk_hits.any()
    np.testing.assert_array_equal(warned.population.columns.value, quiet.population.columns.value)


def test_an_event_hits_the_focal_brand_alone_and_is_on_record(config):
    certain = replace(STRIKE, probability=1.0, duration=2)
    model = LoyaltyModel(
        replace(config, risks=Risks("r", "r", (certain,))), collect=False
    ).burn_in()
    before = model.offer.pull.copy()
    model.step()
    np.testing.assert_allclose(model.offer.pull[0] - before[0], math.log(0.6), rtol=1e-5)
    np.testing.assert_array_equal(model.offer.pull[1:], before[1:])
    assert model.records[-1].events == ("strike",)
    model.step()
    assert model.risk_hits[Channel.AVAILABILITY] == -0.4, "it goes on for a second quarter"
