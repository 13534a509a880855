"""A pilot before the full roll-out: how it is made of a plan, and what it is worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sim.config.load import load
from sim.config.plan import Condition, Gate
from sim.config.regret import PilotSettings
from sim.config.study import Config
from sim.errors import ConfigError
from sim.planning.future import as_planned
from sim.planning.lives import Lives
from sim.planning.pilot import PilotLife, live_pilots, pilot_of
from sim.planning.rival_answers import answers_of
from sim.types import Against

CONDITION = Condition("share", against=Against.START, at_least=0.0)
WORLDS = range(4)


@pytest.fixture(scope="module")
def config() -> Config:
    return load("retail_three_phase", ["customers=300", "burn_in=4"])


@pytest.fixture(scope="module")
def lives(config) -> Lives:
    return Lives(config)


def settings(**changes: object) -> PilotSettings:
    return replace(PilotSettings(conditions=(CONDITION,)), **changes)


class TestMaking:
    def test_everybody_at_once_only_adds_the_gate(self, config):
        pilot = pilot_of(config.plan, settings(), config)
        assert pilot.going_on == pilot.plain == config.plan
        assert pilot.gated == replace(config.plan, gate=Gate(4, (CONDITION,)))

    def test_a_segment_goes_first_and_the_others_wait(self, config):
        pilot = pilot_of(config.plan, settings(segment="vip", share=0.6, after=3), config)
        first, rest = pilot.gated.rollout.waves
        assert (first.quarter, first.share, first.segments) == (1, 0.0, {"vip": 0.6})
        assert (rest.quarter, rest.share, rest.segments) == (4, 1.0, {"vip": pytest.approx(0.4)})
        assert pilot.plain == config.plan

    def test_a_share_of_all_goes_first(self, config):
        pilot = pilot_of(config.plan, settings(share=0.2), config)
        assert [wave.share for wave in pilot.gated.rollout.waves] == [0.2, 0.8]

    def test_all_ways_bear_the_plans_name_so_draws_are_shared(self, config):
        pilot = pilot_of(config.plan, settings(segment="vip"), config)
        assert {way.name for way in pilot.ways} == {config.plan.name}

    def test_a_gate_of_ones_own_is_kept(self):
        config = load("pilot_first", ["customers=300"])
        pilot = pilot_of(config.plan, settings(after=2), config)
        assert pilot.gated == config.plan
        assert pilot.plain == pilot.going_on == replace(config.plan, gate=None)

    def test_a_plan_that_is_over_has_none(self, config):
        assert pilot_of(config.baseline, settings(), config) is None
        short = replace(config.plan, phases=config.plan.phases[:1])
        assert pilot_of(short, settings(after=1), config) is None

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"after": 12}, "pilot.after: .*nothing is left to decide"),
            ({"segment": "vips"}, "did you mean 'vip'"),
            ({"conditions": (replace(CONDITION, segment="nobody"),)}, "nobody"),
        ],
    )
    def test_what_does_not_fit_is_said(self, config, changes, said):
        with pytest.raises(ConfigError, match=said):
            pilot_of(config.plan, settings(**changes), config)

    def test_a_pilot_needs_something_to_decide_by(self):
        with pytest.raises(ConfigError, match="nothing to decide by"):
            PilotSettings(conditions=())


class TestLiving:
    def test_a_gate_goes_one_way_or_the_other(self, config, lives):
        futures = [as_planned(config), *answers_of(config, ["price_war"])]
        (own,) = live_pilots(lives, [config.plan], settings(), futures, WORLDS)
        np.testing.assert_array_equal(own.going_on, own.plain)  # nobody waits
        np.testing.assert_array_equal(own.gated, np.where(own.stopped, own.stopping, own.going_on))
        assert own.stopped.any()
        assert not own.stopped.all()

    @pytest.mark.parametrize(("bound", "stops"), [(-1.0, False), (1e6, True)])
    def test_a_condition_that_is_clear_decides_alike_everywhere(self, config, lives, bound, stops):
        clear = settings(conditions=(replace(CONDITION, at_least=bound),))
        (own,) = live_pilots(lives, [config.plan], clear, [as_planned(config)], WORLDS)
        assert (own.stopped == stops).all()

    def test_waiting_costs_where_most_are_reached_later(self, config, lives):
        later = settings(share=0.1, conditions=(replace(CONDITION, at_least=-1.0),))
        (own,) = live_pilots(lives, [config.plan], later, [as_planned(config)], WORLDS)
        assert (own.waiting != 0).all()
        np.testing.assert_array_equal(own.worth, own.waiting)  # it never stops


def test_what_a_pilot_is_worth_and_how_it_decides():
    table = {
        "plain": [[1.0, 1.0, -4.0, -4.0]],
        "going_on": [[0.0, 0.0, -5.0, -5.0]],
        "stopping": [[-1.0, -1.0, -1.0, -1.0]],
        "gated": [[0.0, -1.0, -1.0, -5.0]],
    }
    own = PilotLife("plan", 4, **{name: np.array(value) for name, value in table.items()},
                    stopped=np.array([[False, True, True, False]]))  # fmt: skip
    assert own.worth.tolist() == [[-1.0, -2.0, 3.0, -1.0]]
    assert own.waiting.tolist() == [[-1.0] * 4]
    assert own.deciding.tolist() == [[0.0, -1.0, 4.0, 0.0]]
    assert own.at_best.tolist() == [[0.0, 0.0, 4.0, 4.0]]
    np.testing.assert_allclose(own.worth, own.waiting + own.deciding)
    shares = {name: share.mean() for name, share in own.decisions(np.ones(1)).items()}
    assert shares == dict.fromkeys(
        ("stopped_rightly", "stopped_wrongly", "went_on_rightly", "went_on_wrongly"), 0.25
    )
