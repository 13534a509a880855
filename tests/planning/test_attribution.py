"""Who earns it: coalitions that can be lived, mechanisms that are frozen, shares that add up."""

from dataclasses import replace
from itertools import chain, combinations

import numpy as np
import pytest

from sim.config.build import at_medians
from sim.config.explain import Explain, Players
from sim.config.lever import Effect, Lever
from sim.config.load import load
from sim.config.plan import Phase
from sim.config.settings import read_settings
from sim.engines.local import LocalEngine
from sim.errors import ConfigError
from sim.model import LoyaltyModel
from sim.planning.attribution import (
    NPV,
    Game,
    crossed_estimate,
    explain,
    games_of,
    money_game,
    shares_of,
)
from sim.planning.coalitions import Grant, Player, grants_of, largest_part, plan_with, players_of
from sim.planning.lives import Lives
from sim.planning.mechanisms import Mechanism, freeze, frozen_future
from sim.study import Task, run_replication
from sim.types import Channel

BEGIN = {"core_team": 300_000.0, "data_platform": 500_000.0, "membership_tiers": 300_000.0}
GO_ON = {"technology_team": 1_200_000.0, "multichannel": 400_000.0, "training": 200_000.0}


def settings(*given):
    return read_settings(Explain, "explain", list(given))[0]


@pytest.fixture(scope="module")
def full():
    """The shipped plan of nine levers in three phases."""
    return load("retail_three_phase", ["customers=300", "replications=3"])


@pytest.fixture(scope="module")
def config(full):
    """A small study of six levers in two phases; two of them need another one."""
    phases = (Phase("begin", (1, 1), BEGIN), Phase("go_on", (2, 4), GO_ON))
    return replace(full, quarters=6, plan=replace(full.plan, phases=phases))


@pytest.fixture(scope="module")
def lives(config):
    return Lives(config)


@pytest.fixture(scope="module")
def found(config, lives):
    return explain(config, settings(), lives)


def subsets(items):
    return chain.from_iterable(combinations(items, size) for size in range(len(items) + 1))


# --- coalitions ----------------------------------------------------------------------------------


def test_every_coalition_is_a_plan_that_can_be_lived(full):
    """The plan with nine levers has 512 coalitions, of which 180 differ."""
    game = money_game(full, Players.LEVERS, players_of(full, Players.LEVERS), settings())
    assert game.orders is None
    assert len(game.place) == 512
    assert len(game.cases) == 180
    for case in game.cases:
        assert case.config.plan.name == "three_phase"  # under its name: the same draws


def test_the_largest_part_holds_every_part_that_can_stand(config):
    plan, levers = config.plan, config.lever
    every = grants_of(plan)
    standing = [
        {*part} for part in map(frozenset, subsets(every))
        if largest_part(part, plan, levers) == part
    ]  # fmt: skip
    assert len(standing) < 2 ** len(every)
    for part in map(frozenset, subsets(every)):
        largest = largest_part(part, plan, levers)
        assert largest in standing
        assert largest == set().union(*(each for each in standing if each <= part))


def test_a_lever_whose_need_comes_later_does_not_stand(config):
    plan = replace(
        config.plan,
        phases=(
            Phase("first", (1, 2), {"membership_tiers": 1.0, "data_platform": 1.0}),
            Phase("second", (3, 4), {"membership_tiers": 1.0, "data_platform": 1.0}),
        ),
    )
    late = frozenset(grants_of(plan)) - {Grant("data_platform", "first")}
    assert largest_part(late, plan, config.lever) == {
        Grant("membership_tiers", "second"), Grant("data_platform", "second"),
    }  # fmt: skip


def test_a_plan_with_all_its_money_is_the_plan_itself(config):
    assert plan_with(config.plan, frozenset(grants_of(config.plan))) is config.plan


def test_rules_that_move_money_of_who_is_not_there_are_dropped():
    plan = load("retail_three_phase", ["plan=reviewed_course"]).plan
    kept = frozenset(grant for grant in grants_of(plan) if grant.lever != "immersive")
    names = [rule.name for rule in plan_with(plan, kept).review.rules]
    assert names == ["no_rooms_without_need"]
    assert plan_with(plan, frozenset()).review is None


def test_money_is_discounted_over_the_quarters_of_its_phase(config):
    rate = config.finance.quarterly_rate
    by_name = {player.name: player for player in players_of(config, Players.LEVERS)}
    assert by_name["core_team"].money == pytest.approx(300_000)
    spread = sum((1 + rate) ** -quarter for quarter in (1, 2, 3)) / 3
    assert by_name["training"].money == pytest.approx(200_000 * spread)
    both = [sum(p.money for p in players_of(config, kind))
            for kind in (Players.LEVERS, Players.PHASES)]  # fmt: skip
    assert both[0] == pytest.approx(both[1])


# --- mechanisms ----------------------------------------------------------------------------------

RICH = "membership_upgrade"


@pytest.fixture(scope="module")
def burnt_in():
    config = load(
        "retail_three_phase",
        ["customers=400", f"plan={RICH}", "market.rate.expansion=0", "market.rate.acceleration=0"],
    )
    return LoyaltyModel(at_medians(config), collect=False).burn_in()


def lived(burnt_in, plan, frozen=(), quarters=4):
    """Return the columns after some quarters of a plan with mechanisms frozen."""
    config = freeze(burnt_in.config, frozen) if frozen else burnt_in.config
    model = burnt_in.fork(plan, config)
    for _ in range(quarters):
        model.step()
    return model.population.columns


STATES = {Mechanism.VALUE: "value", Mechanism.BOND: "bond", Mechanism.HABIT: "habit"}


@pytest.mark.parametrize("mechanism", STATES)
def test_a_frozen_state_stays_to_the_bit(burnt_in, mechanism):
    before = getattr(burnt_in.population.columns, STATES[mechanism]).copy()
    birth = burnt_in.population.columns.birth.copy()
    for frozen in ((mechanism,), tuple(Mechanism)):
        after = lived(burnt_in, burnt_in.plan, frozen)
        stayed = after.birth == birth
        np.testing.assert_array_equal(
            getattr(after, STATES[mechanism])[:, stayed], before[:, stayed]
        )
    free = lived(burnt_in, burnt_in.plan, tuple(m for m in Mechanism if m is not mechanism))
    stayed = free.birth == birth
    assert (getattr(free, STATES[mechanism])[:, stayed] != before[:, stayed]).any()


def test_without_selection_who_leaves_does_not_depend_on_the_plan(burnt_in):
    """Where plans do not change how often anybody buys."""
    better = replace(
        burnt_in.plan, phases=(Phase("all", (1, 4), {"service_experience": 9e7}),), rollout=replace(
            burnt_in.plan.rollout, waves=()),
    )  # fmt: skip
    today = burnt_in.config.baseline
    frozen = [lived(burnt_in, plan, (Mechanism.SELECTION,), 8).birth for plan in (better, today)]
    np.testing.assert_array_equal(*frozen)
    free = [lived(burnt_in, plan, quarters=8).birth for plan in (better, today)]
    assert (free[0] != free[1]).any()


def test_freezing_nothing_is_the_future_as_planned(config):
    future = frozen_future(config, ())
    assert future.config is config
    assert future.name == "as_planned"


def test_freezing_bond_silences_whatever_courts_it(config):
    frozen = freeze(config, (Mechanism.BOND,))
    for lever in frozen.lever.values():
        assert all(e.size == 0 for e in lever.effects if e.channel is Channel.STIMULUS)
        assert len(lever.effects) == len(config.lever[lever.name].effects)
    tiers = frozen.lever["membership_tiers"].membership.tiers
    assert all(tier.stimulus == 0 for tier in tiers)
    assert any(tier.pull > 0 for tier in tiers)
    offer = frozen.lever["save_offer"].save_offer
    assert offer.red.stimulus == offer.yellow.stimulus == 0


# --- shares --------------------------------------------------------------------------------------


def test_shares_sum_to_the_whole_in_every_world(found):
    for kind, division in found.divisions.items():
        for outcome, shares in division.outcomes.items():
            game = division.game
            assert shares.by_world.shape == (len(game.players), 3)
            whole = sum(one.mean for one in shares.shares) + shares.apart.mean
            assert whole == pytest.approx(shares.total.mean, rel=1e-9, abs=1e-9), (kind, outcome)
    assert {*found.divisions} == {Players.LEVERS, Players.PHASES, Players.MECHANISMS}


def test_all_kinds_of_players_share_out_the_same(found):
    totals = {kind: d.outcomes[NPV].total for kind, d in found.divisions.items()}
    assert len({*totals.values()}) == 1
    assert found.split.total == totals[Players.LEVERS]


def test_what_is_shared_out_is_what_a_study_finds(config, found):
    results = [run_replication(config, Task(world, world), LocalEngine(1, config.customers))
               for world in range(3)]  # fmt: skip
    npv = [one.plans["three_phase"].outcomes["npv"] for one in results]
    assert found.split.total.mean == pytest.approx(np.mean(npv), rel=1e-9)
    churn = [one.plans["three_phase"].outcomes["churn_annual"]
             - one.plans["today"].outcomes["churn_annual"] for one in results]  # fmt: skip
    total = found.divisions[Players.LEVERS].outcomes["churn_annual"].total
    assert total.mean == pytest.approx(np.mean(churn), abs=1e-12)


def test_nobody_is_worth_exactly_nothing(found):
    for kind in (Players.LEVERS, Players.PHASES):
        for shares in found.divisions[kind].outcomes.values():
            assert shares.apart.mean == shares.apart.low == shares.apart.high == 0


def test_who_lacks_what_it_needs_adds_nothing_alone(found):
    division = found.divisions[Players.LEVERS]
    for place, player in enumerate(division.game.players):
        if player.needs:
            assert division.outcomes[NPV].alone[place].mean == 0
    assert {p.name for p in division.game.players if p.needs} == {
        "membership_tiers", "multichannel",
    }  # fmt: skip


def test_what_only_rounding_makes_is_nothing():
    """Prices that no sum of halves holds: pairs of who only adds up have exactly nothing."""
    prices = np.array([1e7 / 3, -1e6 / 7, 1e-3 / 9])
    members = (np.arange(8)[:, None] >> np.arange(3)) & 1
    players = tuple(Player(name) for name in "abc")
    game = Game(Players.LEVERS, players, (), (), {c: c for c in range(8)})
    shares = shares_of(game, NPV, np.repeat((members @ prices)[:, None], 4, axis=1))
    assert {one.mean for one in shares.pairs.values()} == {0.0}
    assert [one.mean for one in shares.shares] == pytest.approx(prices.tolist(), rel=1e-4)


def test_segments_and_costs_sum_to_the_npv(found):
    split = found.split
    whole = sum(one.mean for one in split.cash) + split.spent.mean
    assert whole == pytest.approx(split.total.mean, rel=1e-9)
    assert split.spent.mean < 0


def test_nothing_is_lived_again_for_an_outcome_more(config, lives, found):
    done = []
    again = explain(config, settings("outcomes=[nps]"), lives,
                    lambda now, planned: done.append((now, planned)))  # fmt: skip
    assert {now == planned for now, planned in done} == {True}
    assert again.outcomes == ("npv", "nps")
    before, after = (one.divisions[Players.LEVERS].outcomes[NPV].shares for one in (found, again))
    assert before == after


def test_drawn_orders_sum_to_the_whole_and_know_how_unsure_they_are(config, lives, found):
    drawn = explain(config, settings("players=[levers]", "coalitions=4", "permutations=64"), lives)
    division = drawn.divisions[Players.LEVERS]
    assert not division.is_exact
    shares = division.outcomes[NPV]
    whole = sum(one.mean for one in shares.shares)
    assert whole == pytest.approx(shares.total.mean, rel=1e-9)
    assert shares.pairs == {}
    exact = found.divisions[Players.LEVERS].outcomes[NPV]
    for own, true in zip(shares.shares, exact.shares, strict=True):
        assert abs(own.mean - true.mean) <= (own.high - own.low) + 1e-6  # twice half the interval


def with_levers(config, **made):
    """Return a study whose plan pays for levers made here, all at once, and for training."""
    levers = {**config.lever, **made}
    spend = {**dict.fromkeys(made, 100_000.0), "training": 200_000.0}
    plan = replace(config.plan, phases=(Phase("all", (1, 2), spend),))
    return replace(config, lever=levers, plan=plan)


def test_equal_levers_have_equal_shares_and_an_idle_one_only_its_cost(config):
    feature = Effect(Channel.FEATURE, 0.5)
    twin = Lever("twin", "A twin", half_saturation=0.4, effects=(feature,))
    made = {"twin_a": replace(twin, name="twin_a"), "twin_b": replace(twin, name="twin_b"),
            "idle": replace(twin, name="idle", effects=())}  # fmt: skip
    study = with_levers(config, **made)
    division = explain(study, settings("players=[levers]"), Lives(study)).divisions[Players.LEVERS]
    place = {name: i for i, name in enumerate(division.names)}
    for shares in division.outcomes.values():
        np.testing.assert_array_equal(
            shares.by_world[place["twin_a"]], shares.by_world[place["twin_b"]]
        )
    assert (division.outcomes["loyalty_index"].by_world[place["idle"]] == 0).all()
    assert (division.outcomes["loyalty_index"].by_world[place["twin_a"]] != 0).any()
    idle = division.outcomes[NPV].shares[place["idle"]]
    assert idle.mean == pytest.approx(-division.game.players[place["idle"]].money)
    assert idle.high < 0


def test_the_interval_over_orders_and_worlds_covers():
    """Contributions of order and world, and what is neither, by a random effects model."""
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(400):
        values = (
            2.0 + rng.normal(0, 1, (10, 1)) + rng.normal(0, 2, (1, 12)) + rng.normal(0, 1, (10, 12))
        )
        one = crossed_estimate(values)
        covered += one.low <= 2.0 <= one.high
    assert 0.92 <= covered / 400 <= 0.995


# --- what cannot be explained --------------------------------------------------------------------


def check(config, given, match, **fields):
    with pytest.raises(ConfigError, match=match) as caught:
        explain(config, settings(*given), Lives(config))
    for name, value in fields.items():
        assert getattr(caught.value, name) == value
    return caught.value


def test_a_plan_that_spends_nothing_is_refused(config):
    check(replace(config, plan=config.baseline), [], "pays for no lever", key="plan")


def test_a_plan_that_is_the_baseline_is_refused(config):
    twin = replace(config.plan, name="today", title="As today")
    check(replace(config, baseline=twin), [], "does what the baseline does", key="plan")


def test_an_unknown_outcome_is_refused_with_the_nearest_name(config):
    error = check(config, ["outcomes=[churn_anual]"], "no such outcome", key="outcomes")
    assert error.nearest == "churn_annual"


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ("permutations=17", "an even number"),
        ("permutations=14", "out of range"),
        ("players=[]", "nobody to share among"),
        ("players=[lever]", "did you mean 'levers'"),
        ("coalitions=1", "out of range"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(given, match):
    with pytest.raises(ConfigError, match=match):
        settings(given)


def test_phases_of_a_plan_with_one_are_not_shared_among(config):
    plan = replace(config.plan, phases=config.plan.phases[:1])
    games = games_of(replace(config, plan=plan), settings("players=[phases,levers]"))
    assert [game.kind for game in games] == [Players.LEVERS]
