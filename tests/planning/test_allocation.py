"""What a budget can be spent on: limits are kept, conflicts named, the nearest plan found."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.config.load import load
from sim.config.optimise import Optimise
from sim.config.plan import Phase, Plan
from sim.config.settings import read_settings
from sim.errors import ConfigError
from sim.planning.allocation import Limit, Space, round_off, space_of, with_budget

SPANS = (Phase("early", (1, 2)), Phase("late", (3, 8)))


def space(
    levers: int = 3, most: int = 6, *, minimum: float = 0, needs=(), apart=(), limits=()
) -> Space:
    """Make a small space with a budget and whatever else is asked for."""
    n = levers * len(SPANS)
    names = tuple("abcd"[:levers])
    plan = Plan("plan", "Plan", phases=tuple(replace(span, spend={"a": 1.0}) for span in SPANS))
    budget = Limit("budget", "the budget", np.ones(n), 0.0, float(most))
    return Space(names, SPANS, 10.0, most, (budget, *limits), np.full(levers, float(minimum)),
                 tuple(needs), tuple(apart), plan)  # fmt: skip


def settings(*arguments: str) -> Optimise:
    """Return the command's settings."""
    return read_settings(Optimise, "optimise", arguments)[0]


def weights(draw_from: st.DataObject, n: int) -> np.ndarray:
    """Draw weights between 0 and 1."""
    return np.array(draw_from.draw(st.lists(st.floats(0, 1), min_size=n, max_size=n)))


RICH = {
    "minimum": 2,
    "needs": ((1, 0),),
    "apart": (("a or c", (0, 2)),),
    "limits": (
        Limit("phases.late.most", "late at most 3", np.tile([0.0, 1.0], 3), 0.0, 3.0),
        Limit("headcount", "people", np.tile([0.7, 0.1], 3), 0.0, 2.5),
    ),
}


@given(st.data())
def test_whatever_is_proposed_obeys_every_limit(data: st.DataObject) -> None:
    made = space(**RICH)
    proposed = made.spread(weights(data, 1 + 3 + made.n_cells))
    assert made.allows(proposed)
    cells = proposed.reshape(made.shape)
    assert proposed.sum() <= made.most
    assert cells[:, 1].sum() <= 3
    totals = cells.sum(axis=1)
    assert all(total == 0 or total >= 2 for total in totals)
    assert not (totals[0] and totals[2])
    if totals[1]:
        assert totals[0]
        assert np.flatnonzero(cells[0])[0] <= np.flatnonzero(cells[1])[0]


def test_the_nearest_is_the_nearest_of_all_that_are_allowed() -> None:
    made = space(levers=2, most=4, minimum=2, needs=((1, 0),))
    allowed = [np.array(each) for each in product(range(5), repeat=4)
               if made.allows(np.array(each))]  # fmt: skip
    rng = np.random.default_rng(7)
    for _ in range(25):
        wish = rng.integers(0, 3, 4)
        wish = wish if wish.sum() <= 4 else wish // 2
        found = made.nearest(wish.astype(float))
        cost = [np.abs(each - wish).sum() + np.abs(each - wish).max() for each in allowed]
        assert np.abs(found - wish).sum() + np.abs(found - wish).max() == min(cost)


def test_a_wish_that_is_too_dear_keeps_its_proportions() -> None:
    made = space(levers=3, most=6)
    np.testing.assert_array_equal(made.nearest(np.array([2, 0, 4, 0, 6, 0.0])), [1, 0, 2, 0, 3, 0])


@given(st.data())
def test_weights_of_an_allocation_give_it_back(data: st.DataObject) -> None:
    made = space()
    allocation = made.spread(weights(data, 1 + 3 + made.n_cells))
    np.testing.assert_array_equal(made.spread(made.weights_of(allocation)), allocation)


@given(st.lists(st.floats(0, 30), min_size=1, max_size=12))
def test_rounding_keeps_the_sum(steps: list[float]) -> None:
    given_steps = np.array(steps)
    rounded = round_off(given_steps)
    assert abs(rounded.sum() - given_steps.sum()) <= 0.5 + 1e-6
    assert (np.abs(rounded - given_steps) <= 1 + 1e-6).all()


def test_limits_that_contradict_are_named_and_no_others() -> None:
    ones, late = np.ones(6), np.tile([0.0, 1.0], 3)
    first = np.array([1.0, 1, 0, 0, 0, 0])
    made = space(limits=(
        Limit("phases.late.least", "late gets at least 5", late, 5.0, np.inf),
        Limit("limits.b.most", "b gets at most 4", ones * 0 + np.eye(6)[2], 0.0, 4.0),
        Limit("limits.a.most", "a gets at most 2", first, 0.0, 2.0),
        Limit("phases.early.least", "early gets at least 4", 1 - late, 4.0, np.inf),
    ))  # fmt: skip
    with pytest.raises(ConfigError) as told:
        made.check()
    assert told.value.problem == ("these cannot all hold: the budget; late gets at least 5; early "
                                  "gets at least 4")  # fmt: skip
    without = replace(made, limits=(made.limits[0], *made.limits[2:]))
    without.check()


def test_more_budget_is_more_steps_of_the_same_size() -> None:
    made = space(most=10)
    more = with_budget(made, 1.1)
    assert (more.most, more.step, more.budget) == (11, 10.0, 110.0)
    assert more.allows(np.array([11, 0, 0, 0, 0, 0]))
    assert not made.allows(np.array([11, 0, 0, 0, 0, 0]))


# --- the space of a study ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study():
    return load("retail_three_phase", ["customers=300", "replications=2"])


def test_what_is_allowed_can_be_lived(study) -> None:
    """Whatever the space allows passes the checks that any plan of a study passes."""
    made = space_of(study, settings("add=[alliance,subscription,community]", "minimum=300000"))
    rng = np.random.default_rng(3)
    for _ in range(25):
        allocation = made.spread(rng.random(1 + len(made.levers) + made.n_cells))
        replace(study, plan=made.plan_of(allocation, "candidate", "Candidate"))


def test_quarters_get_money_of_their_own(study) -> None:
    made = space_of(study, settings("by=quarter"))
    assert made.shape == (9, 12)
    assert made.wish_of(study.plan).sum() * made.step == pytest.approx(6.7e6)


def test_heads_are_counted_in_each_quarter(study) -> None:
    """The technology team's 1.2 million over three quarters at 100,000 pay four people."""
    made = space_of(study, settings("headcount={most: 3.5, pay: 100000}"))
    money = made.nearest(made.wish_of(study.plan))
    shares = np.array([study.lever[name].cost.staff_share for name in made.levers])
    people = (shares[:, None] * made.money(money) / made.lengths).sum(axis=0) / 100_000
    assert (people <= 3.5 + 1e-9).all()
    assert people[1] > 2.5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["budget=0"], "nothing to spend"),
        (["levers=[ai_servic]"], "did you mean 'ai_service'"),
        (["add=[comunity]"], "did you mean 'community'"),
        (["levers=[ai_service]"], "needs lever 'technology_team'"),
        (["phases={midd: {most: 1}}"], "did you mean 'mid'"),
        (["limits={trainin: {most: 1}}"], "did you mean 'training'"),
        (["limits={training: {least: 5, most: 4}}"], "is more than the most"),
        (["budget=1000000", "limits={training: {least: 2000000}}"],
         "the budget: at most 1,000,000; lever 'training' gets at least 2,000,000"),
        (["headcount={most: 1, pay: 100000}", "limits={core_team: {least: 3000000}}"],
         "at most 1 people"),
        (["first=8", "race=4"], "more than the race's 4"),
        (["sampler=cma_es", "objective=[npv,csat]"], "takes one objective"),
        (["sampler=nsga_ii"], "made for several objectives"),
        (["objective=[npv,npv]"], "named twice"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_at_once(study, arguments, said) -> None:
    with pytest.raises(ConfigError) as told:
        space_of(study, settings(*arguments))
    assert said in str(told.value)


def test_a_plan_without_phases_has_nothing_to_divide(study) -> None:
    with pytest.raises(ConfigError, match="has no phases"):
        space_of(replace(study, plan=study.baseline), settings())
