"""What moves an outcome of a sweep: laws of estimators, and points that are left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from SALib.sample import morris as morris_sampler
from SALib.sample import sobol as sobol_sampler

from sim.errors import ConfigError, StoreError
from sim.sweep.analysis import (
    bins_of,
    crossed,
    explained,
    facets,
    fit_surface,
    main_effects,
    morris_of,
    point_table,
    ranked,
    sobol_of,
    surfaces,
)
from sim.sweep.means import Means, Varied, read_means

Frame = pd.DataFrame
Model = Callable[[np.ndarray], np.ndarray]


class Tables:
    """A sweep whose tables are frames: it answers SQL as an open sweep does."""

    def __init__(self, points: Frame, outcomes: Frame, documents: Sequence[Mapping[str, Any]]):
        self.documents = documents
        self._connection = duckdb.connect()
        self._connection.register("points", points)
        self._connection.register("outcomes", outcomes)

    def sql(self, text: str) -> Frame:
        return self._connection.sql(text).df()


def sweep(
    factors: Mapping[str, Any],
    npv: np.ndarray,
    kind: str = "random",
    base: int | None = None,
    described: Mapping[str, Mapping[str, Any]] | None = None,
) -> Tables:
    """Return a sweep of one plan and today's; npv is (points,) or (points, replications)."""
    npv = npv.reshape(len(npv), -1)
    n, replications = npv.shape
    points = pd.DataFrame({"point": np.arange(n), "run": np.arange(n), **factors})
    rows = pd.DataFrame(
        {
            "point": np.repeat(np.arange(n), replications),
            "run": np.repeat(np.arange(n), replications),
            "replication": np.tile(np.arange(replications), n),
            "plan": "new",
            "error": None,
            "npv": npv.ravel(),
            "roi": 0.1,
        }
    )
    rows["error"] = rows["error"].astype(object)
    outcomes = pd.concat([rows.assign(plan="today", npv=0.0), rows], ignore_index=True)
    return Tables(points, outcomes, [manifest(factors, n, replications, kind, base, described)])


def manifest(
    factors: Mapping[str, Any],
    n: int,
    replications: int,
    kind: str = "random",
    base: int | None = None,
    described: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    given = [
        {"key": f"some.{name}", "name": name, "values": [], "levels": None,
         **(described or {}).get(name, {})}
        for name in factors
    ]  # fmt: skip
    return {
        "points": n,
        "block": {"first_run": 0, "runs": n, "replications": replications},
        "plans": ["today", "new"],
        "columns": {"outcomes": ["npv", "roi"]},
        "design": {"kind": kind, "seed": 1, "points": base or n, "factors": given},
    }


def broken(made: Tables, where: str) -> Tables:
    """Return the sweep with failed units."""
    points, outcomes = made.sql("from points"), made.sql("from outcomes")
    failed = outcomes.eval(where).to_numpy(bool)
    message = "plan.spend: " + outcomes["point"].astype(str) + ".5 is out of range"
    outcomes["error"] = message.where(failed, None).astype(object)
    outcomes.loc[failed, ["npv", "roi"]] = np.nan
    return Tables(points, outcomes, made.documents)


def problem(n: int) -> dict[str, Any]:
    return {"num_vars": n, "names": [f"x{i}" for i in range(n)], "bounds": [[0.0, 1.0]] * n}


def saltelli(model: Model, n: int, base: int = 1024) -> tuple[Tables, np.ndarray]:
    inputs = sobol_sampler.sample(problem(n), base, calc_second_order=True, seed=7)
    values = model(inputs)
    return sweep({f"x{i}": inputs[:, i] for i in range(n)}, values, "saltelli", base), values


def morris(model: Model, n: int, base: int = 40) -> Tables:
    inputs = morris_sampler.sample(problem(n), base, num_levels=4, seed=7)
    return sweep({f"x{i}": inputs[:, i] for i in range(n)}, model(inputs), "morris", base)


def ishigami(inputs: np.ndarray) -> np.ndarray:
    x = np.pi * (2 * inputs - 1)
    return np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])


# --- Sobol ---------------------------------------------------------------------------------------


def test_indices_of_the_ishigami_function_are_those_in_closed_form() -> None:
    made, _ = saltelli(lambda u: ishigami(u[:, :3]) + 0 * u[:, 3], 4)
    found = sobol_of(read_means(made))
    assert found is not None
    a, b = 7.0, 0.1
    first = 0.5 * (1 + b * np.pi**4 / 5) ** 2
    second, both = a**2 / 8, b**2 * np.pi**8 * (1 / 18 - 1 / 50)
    total = first + second + both
    for intervals, wanted in ((found.first, (first, second, 0, 0)),
                              (found.total, (first + both, second, both, 0))):  # fmt: skip
        for interval, value in zip(intervals, wanted, strict=True):
            assert interval.low - 0.01 <= value / total <= interval.high + 0.01
            assert interval.value == pytest.approx(value / total, abs=0.04)
    assert found.second["x0", "x2"].value == pytest.approx(both / total, abs=0.06)
    assert found.second["x0", "x1"].low <= 0 <= found.second["x0", "x1"].high
    assert (found.samples, found.left_out) == (1024, 0)


def test_a_sum_has_the_squares_of_its_weights_as_indices_and_no_interplay() -> None:
    weights = np.array([4.0, 2.0, 1.0, 0.0])
    made, _ = saltelli(lambda u: 1e6 * (u @ weights - 30), 4)
    found = sobol_of(read_means(made))
    assert found is not None
    wanted = weights**2 / (weights**2).sum()
    assert [one.value for one in found.first] == pytest.approx(wanted, abs=0.02)
    assert [one.value for one in found.total] == pytest.approx(wanted, abs=0.02)
    assert found.first[3].low <= 0 <= found.first[3].high
    assert all(one.low - 0.01 <= 0 <= one.high + 0.01 for one in found.second.values())


def test_a_base_sample_with_a_failed_point_is_left_out_whole() -> None:
    made, values = saltelli(lambda u: ishigami(u[:, :3]), 3, base=256)
    size = 2 * 3 + 2
    means = read_means(broken(made, f"point in [0, 3, {5 * size + 2}]"))
    found = sobol_of(means)
    assert found is not None
    assert (found.samples, found.left_out) == (254, 2)
    assert (means.counts.failed, means.counts.shown) == (3, 256 * size - 3)
    kept = np.delete(values.reshape(-1, size), [0, 5], axis=0)
    alone = sobol_of(read_means(sweep({f"x{i}": np.arange(kept.size) / kept.size for i in range(3)},
                                      kept.ravel(), "saltelli", 254)))  # fmt: skip
    assert alone is not None
    assert alone.first == found.first


def test_an_outcome_that_never_moves_has_no_indices() -> None:
    made, _ = saltelli(lambda u: np.full(len(u), 3.0), 2, base=16)
    means = read_means(made)
    assert sobol_of(means) is None
    assert surfaces(means, main_effects(means)) == []
    assert all(np.isnan(effect.share.value) for effect in main_effects(means))


def test_other_designs_have_no_indices() -> None:
    x = np.linspace(0, 1, 100)
    means = read_means(sweep({"x": x}, x))
    assert sobol_of(means) is None
    assert morris_of(means) is None


# --- Morris --------------------------------------------------------------------------------------


def test_elementary_effects_of_a_sum_are_its_weights_without_spread() -> None:
    weights = np.array([4.0, -2.0, 0.0])
    found = morris_of(read_means(morris(lambda u: u @ weights, 3)))
    assert found is not None
    assert [one.value for one in found.mu_star] == pytest.approx([4, 2, 0])
    assert found.mu == pytest.approx(weights)
    assert found.sigma == pytest.approx(0, abs=1e-9)


def test_interplay_shows_as_spread_and_a_trajectory_that_lacks_a_point_is_left_out() -> None:
    made = morris(lambda u: 10 * u[:, 0] * u[:, 1] + u[:, 2], 3)
    found = morris_of(read_means(broken(made, "point == 6")))
    assert found is not None
    assert (found.trajectories, found.left_out) == (39, 1)
    assert found.sigma[0] > 1
    assert found.sigma[2] == pytest.approx(0, abs=1e-9)
    assert found.mu_star[2].value == pytest.approx(1)


def test_indices_do_not_depend_on_which_factors_are_asked_for() -> None:
    screening, indices = morris(lambda u: u @ [4.0, -2.0, 1.0], 3), saltelli(ishigami, 3, 64)[0]
    asked = {"factors": ["x1"]}
    alone, every = (morris_of(read_means(screening, **more)) for more in (asked, {}))
    assert alone is not None
    assert every is not None
    assert (alone.names, alone.mu_star) == (("x1",), every.mu_star[1:2])
    one, all_of_them = (sobol_of(read_means(indices, **more)) for more in (asked, {}))
    assert one is not None
    assert all_of_them is not None
    assert (one.names, one.total, one.second) == (("x1",), all_of_them.total[1:2], {})


def test_choices_have_elementary_effects_too() -> None:
    inputs = morris_sampler.sample(problem(2), 20, num_levels=4, seed=3)
    rivals = np.where(inputs[:, 1] < 0.5, "hold", "match")
    made = sweep({"x": inputs[:, 0], "rivals": rivals}, inputs[:, 0] + 3 * (inputs[:, 1] >= 0.5),
                 "morris", 20, {"rivals": {"values": ["hold", "match"]}})  # fmt: skip
    found = morris_of(read_means(made))
    assert found is not None
    # A step of two thirds of the range always changes the choice.
    assert found.mu == pytest.approx([1, 3 / (2 / 3)])


# --- main effects --------------------------------------------------------------------------------


def independent(n: int = 20_000) -> np.ndarray:
    return np.random.default_rng(5).random((n, 4))


def test_the_share_of_a_factor_is_its_first_order_index() -> None:
    u = independent()
    made = sweep({"strong": u[:, 0], "weak": u[:, 1], "none": u[:, 2]}, 3 * u[:, 0] + u[:, 1])
    found = {effect.factor.name: effect for effect in main_effects(read_means(made))}
    assert list(found) == ["strong", "weak", "none"]
    assert found["strong"].share.value == pytest.approx(0.9, abs=0.02)
    assert found["weak"].share.value == pytest.approx(0.1, abs=0.02)
    assert found["none"].share.low <= 0 <= found["none"].share.high
    assert found["none"].share.value == pytest.approx(0, abs=0.003)


def test_bins_hold_equal_numbers_and_their_means_are_those_of_the_points() -> None:
    u = independent(1000)
    [effect] = main_effects(read_means(sweep({"x": u[:, 0]}, 2 * u[:, 0])))
    assert effect.binned
    assert effect.n.tolist() == [100] * 10
    assert effect.mean == pytest.approx(2 * effect.at)
    assert (effect.low < effect.mean).all()


def test_levels_and_texts_are_not_put_into_bins() -> None:
    rivals = np.array(["match", "hold", "match", "hold", "cut", "cut"] * 4)
    price = np.repeat([0.9, 1.1], 12)
    made = sweep({"rivals": rivals, "price": price, "open": price > 1}, price,
                 described={"rivals": {"values": ["hold", "match", "cut"]}})  # fmt: skip
    found = {e.factor.name: e for e in main_effects(read_means(made))}
    assert found["rivals"].labels == ("hold", "match", "cut")
    assert found["price"].at.tolist() == [0.9, 1.1]
    assert found["open"].labels == ("no", "yes")
    assert found["price"].share.value == pytest.approx(1)


def test_the_interval_of_a_mean_covers_it_as_often_as_it_says() -> None:
    rng, hits, tries = np.random.default_rng(8), 0, 300
    x = np.tile([0.0, 1.0], 10)
    means = read_means(sweep({"x": x}, x))
    for _ in range(tries):
        [effect] = main_effects(replace(means, mean=x + rng.normal(size=20)))
        hits += int(effect.low[1] <= 1 <= effect.high[1])
    assert hits / tries == pytest.approx(0.95, abs=0.03)


def test_points_that_were_drawn_together_do_not_feign_certainty() -> None:
    """Thirty copies of ten points know no more than ten points."""
    rng = np.random.default_rng(2)
    values, bins = np.repeat(rng.normal(size=10), 30), np.repeat(np.arange(10) % 2, 30)
    alone = explained(values[::30], bins[::30], np.arange(10))
    together = explained(values, bins, np.repeat(np.arange(10), 30))
    feigned = explained(values, bins, np.arange(300))
    assert together.high - together.low > 0.5 * (alone.high - alone.low)
    assert feigned.high - feigned.low < 0.5 * (together.high - together.low)


def test_equal_values_are_never_in_two_bins() -> None:
    numbers = np.concatenate([np.zeros(500), np.arange(1, 101)])
    bins, binned = bins_of(Varied("x", numbers), 600)
    assert binned
    assert len(set(bins[numbers == 0])) == 1


# --- surfaces ------------------------------------------------------------------------------------


def test_a_quadratic_is_found_again_with_its_interplay() -> None:
    u = independent(2000)
    means = read_means(sweep({"a": u[:, 0], "b": u[:, 1], "c": u[:, 2]},
                             u[:, 0] * u[:, 1] - 0.3 + 0.01 * u[:, 2]))  # fmt: skip
    best = surfaces(means, main_effects(means))[0]
    assert {best.x.name, best.y.name} == {"a", "b"}
    assert best.degree == 2
    assert best.r2 == pytest.approx(1, abs=0.01)
    wanted = best.at_x[None, :] * best.at_y[:, None] - 0.295
    assert best.values == pytest.approx(wanted, abs=0.005)


def test_pure_chance_is_not_foretold() -> None:
    u = independent(500)
    noise = np.random.default_rng(4).normal(size=500)
    means = read_means(sweep({"a": u[:, 0], "b": u[:, 1]}, noise))
    assert all(fit.r2 < 0.03 for fit in surfaces(means, main_effects(means)))


def test_a_factor_on_two_levels_gets_no_curve() -> None:
    u = independent(400)
    a = np.where(u[:, 0] < 0.5, 1.0, 2.0)
    means = read_means(sweep({"a": a, "b": u[:, 1]}, a + u[:, 1] ** 2))
    fit = fit_surface(means, means.factor("a"), means.factor("b"), np.arange(400))
    assert fit.r2 == pytest.approx(1, abs=0.01)
    assert np.ptp(np.diff(fit.values, n=2, axis=1)) == pytest.approx(0, abs=1e-9)


def test_logarithmic_factors_are_fitted_on_their_scale() -> None:
    u = independent(500)
    a = 10 ** (3 * u[:, 0])
    means = read_means(sweep({"a": a, "b": u[:, 1]}, np.log10(a) + u[:, 1],
                             described={"a": {"scale": "log"}}))  # fmt: skip
    fit = fit_surface(means, means.factor("a"), means.factor("b"), np.arange(500))
    assert fit.degree == 1
    assert fit.at_x[30] == pytest.approx(10**1.5, rel=0.1)


def test_facets_show_each_level_and_a_cross_table_every_pair() -> None:
    u = independent(400)
    rivals = np.where(u[:, 2] < 0.5, "hold", "match")
    npv = u[:, 0] + u[:, 1] - 1.0 * (rivals == "match")
    means = read_means(sweep({"a": u[:, 0], "b": u[:, 1], "rivals": rivals}, npv))
    by = facets(means, surfaces(means, main_effects(means))[0], means.factor("rivals"))
    assert list(by) == ["hold", "match"]
    assert (by["hold"].values - by["match"].values) == pytest.approx(1, abs=0.01)
    effects = {effect.factor.name: effect for effect in main_effects(means)}
    table = crossed(means, effects["rivals"], effects["a"])
    assert table.mean.shape == (2, 10)
    first = (rivals == "hold") & (bins_of(means.factor("a"), len(means))[0] == 0)
    assert table.mean[0, 0] == pytest.approx(npv[first].mean())


# --- what is read --------------------------------------------------------------------------------


def test_chance_is_told_from_what_factors_do() -> None:
    rng = np.random.default_rng(3)
    n, replications = 400, 25
    point, world = rng.normal(size=n), np.linspace(-3, 3, replications)
    world = world / world.std(ddof=1)
    npv = point[:, None] + 1.0 * world + 0.5 * rng.normal(size=(n, replications))
    chance = read_means(sweep({"x": point}, npv)).chance
    total = 1 + 1 + 0.25
    assert chance.between == pytest.approx(1 / total, abs=0.05)
    assert chance.shared == pytest.approx(1 / total, abs=0.05)
    assert chance.own == pytest.approx(0.25 / total, abs=0.05)
    assert chance.noise == pytest.approx(0.25 / 25, abs=0.005)


def test_with_one_replication_nothing_is_said_of_chance() -> None:
    chance = read_means(sweep({"x": np.arange(9.0)}, np.arange(9.0))).chance
    assert (chance.between, chance.noise) == (None, None)


def test_points_are_shown_when_all_their_replications_are_there() -> None:
    npv = np.arange(40.0).reshape(10, 4)
    made = sweep({"x": np.arange(10.0)}, npv)
    outcomes = made.sql("from outcomes where not (point = 2 and replication = 3)")
    means = read_means(broken(Tables(made.sql("from points"), outcomes, made.documents),
                              "point == 7 and replication == 1"))  # fmt: skip
    assert means.points.tolist() == [0, 1, 3, 4, 5, 6, 8, 9]
    assert means.mean[0] == pytest.approx(1.5)
    counts = means.counts
    assert (counts.points, counts.shown, counts.open, counts.failed) == (10, 8, 1, 1)
    assert (counts.units, counts.done) == (40, 39)


def test_an_extension_of_replications_that_is_under_way_hides_no_point() -> None:
    made = sweep({"x": np.arange(10.0)}, np.arange(80.0).reshape(10, 8))
    first = dict(made.documents[0], block={"first_run": 0, "runs": 10, "replications": 4})
    more = {"points": 0, "block": {"first_run": 0, "runs": 10, "replications": 4}}
    outcomes = made.sql("from outcomes where replication < 4 or point < 3")
    means = read_means(Tables(made.sql("from points"), outcomes, [first, more]))
    assert len(means) == 10


def test_failures_are_grouped_by_what_they_say() -> None:
    made = broken(sweep({"x": np.arange(10.0)}, np.arange(20.0).reshape(10, 2)), "point in [2, 5]")
    [failure] = read_means(made).failures
    assert (failure.units, failure.points, failure.example) == (4, 2, 2)
    assert failure.message.startswith("plan.spend: ")


def test_the_best_points_come_first() -> None:
    means = read_means(sweep({"x": np.array([3.0, 1.0, 2.0])}, np.array([3.0, 1.0, 2.0])))
    assert means.points[ranked(means, 1)].tolist() == [0, 2, 1]
    assert means.points[ranked(means, -1)].tolist() == [1, 2, 0]
    assert point_table(means, ranked(means, 1))["x"].tolist() == [3, 2, 1]


def test_factors_can_be_chosen_and_those_that_do_not_vary_are_named() -> None:
    made = sweep({"x": np.arange(9.0), "y": np.ones(9), "z": np.arange(9.0)}, np.arange(9.0))
    means: Means = read_means(made, factors=["y", "x"])
    assert [factor.name for factor in means.factors] == ["x"]
    assert means.constant == ("y",)


@pytest.mark.parametrize(
    ("asked", "nearest"),
    [
        ({"outcome": "npw"}, "npv"),
        ({"plan": "todya"}, "today"),
        ({"factors": ["prise"]}, "price"),
    ],
)
def test_a_name_that_the_sweep_has_not_is_one_error(asked: dict[str, Any], nearest: str) -> None:
    made = sweep({"price": np.arange(9.0)}, np.arange(9.0))
    with pytest.raises(ConfigError, match=f"did you mean '{nearest}'"):
        read_means(made, **asked)


def test_a_sweep_without_a_complete_point_is_one_error() -> None:
    made = sweep({"x": np.arange(9.0)}, np.arange(9.0))
    nothing = Tables(made.sql("from points"), made.sql("from outcomes limit 0"), made.documents)
    with pytest.raises(StoreError, match="nothing to show yet: none of the 9 points"):
        read_means(nothing)
    with pytest.raises(StoreError, match="9 of 9 failed"):
        read_means(broken(made, "point >= 0"))
