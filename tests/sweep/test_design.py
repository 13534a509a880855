"""The points of designs: the laws of each kind, and what is told if a design does not fit."""

from __future__ import annotations

import csv
import functools
import io
import itertools
import math
import tracemalloc
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from SALib.sample import morris as salib_morris
from SALib.sample import sobol as salib_sobol
from scipy.stats import qmc

from sim.config.build import Unknowns
from sim.config.design import make_design, read_design
from sim.config.edit import Editor
from sim.config.fields import Uncertain
from sim.config.files import choices
from sim.config.load import load
from sim.errors import ConfigError
from sim.sweep.axes import make_axis
from sim.sweep.design import Sampling, check_goes_on

RIVALS = {"key": "rivals", "values": ["hold", "price_war", "imitators"]}
MARGIN = {"key": "finance.gross_margin", "name": "margin", "low": 0.2, "high": 0.3}
PURCHASES = {"key": "market.rate.mean", "name": "purchases", "low": 0.5, "high": 1.0}
UNIT = {"key": "market.rate.payback", "name": "unit", "low": 0, "high": 1}
"""A factor whose values are the coordinates themselves."""
OTHER_UNIT = {"key": "market.rate.acceleration", "name": "other", "low": 0, "high": 1}
BUDGET = {"key": "plan.phases.*.spend.*", "name": "budget", "apply": "times"}
DRAWN = ("random", "latin_hypercube", "sobol", "saltelli", "morris")
MIXED = (RIVALS, MARGIN, PURCHASES, {"key": "customers", "low": 1000, "high": 1999})


@pytest.fixture(scope="module")
def base():
    return load("retail_three_phase")


@functools.cache
def loaded(scenario, *settings):
    return load(scenario, settings)


def design(*factors, kind="random", points=16, **more):
    if kind in {"grid", "csv"}:
        points = None
    data = {"name": "d", "kind": kind, "points": points, "factors": list(factors), **more}
    return make_design({key: value for key, value in data.items() if value is not None}, "d.yaml")


def together(batches):
    """Return batches as one, with texts as arrays too."""
    held = list(batches)
    return {name: np.concatenate([np.asarray(batch[name]) for batch in held]) for name in held[0]}


def points(sampling, **how):
    return together(sampling.batches(**how))


def kinds(tmp_path):
    """Return a design of every kind over the same factors."""
    levels = [{**factor, "levels": 4} if "low" in factor else factor for factor in MIXED]
    table = tmp_path / "points.csv"
    rows = "\n".join(f"hold,0.2{n},0.5{n},10{n:02}" for n in range(57))
    table.write_text(f"rivals,finance.gross_margin,purchases,customers\n{rows}\n")
    listed = [{"key": MARGIN["key"], "name": "margin"},
              {"key": PURCHASES["key"], "name": "purchases"}]  # fmt: skip
    made = {kind: design(*MIXED, kind=kind, seed=3) for kind in DRAWN}
    return made | {
        "grid": design(*levels, kind="grid"),
        "csv": design(*listed, kind="csv", file=str(table)),
    }


# --- batches -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*DRAWN, "grid", "csv"])
@pytest.mark.parametrize(("size", "first"), [(1, 0), (7, 0), (5, 13), (100, 9), (16, 16)])
def test_pieces_of_any_size_from_any_point_are_the_same_points(base, tmp_path, kind, size, first):
    sampling = Sampling(kinds(tmp_path)[kind], base)
    first = min(first, sampling.n_points - 1)
    whole = points(sampling)
    assert all(len(column) == sampling.n_points for column in whole.values())
    pieces = list(sampling.batches(size=size, first=first))
    assert [len(piece["rivals"]) for piece in pieces[:-1]] == [size] * (len(pieces) - 1)
    for name, column in together(pieces).items():
        np.testing.assert_array_equal(column, whole[name][first:])


@pytest.mark.parametrize("kind", [*DRAWN, "grid", "csv"])
def test_columns_have_the_types_of_what_they_set(base, tmp_path, kind):
    sampling = Sampling(kinds(tmp_path)[kind], base)
    assert sampling.columns == {
        "rivals": pa.string(), "margin": pa.float64(), "purchases": pa.float64(),
        "customers": pa.int64(),
    }  # fmt: skip
    for batch in sampling.batches():
        assert {name: pa.array(column).type for name, column in batch.items()} == sampling.columns


@pytest.mark.parametrize("kind", DRAWN)
def test_a_seed_gives_its_points_again_and_another_one_others(base, kind):
    one, again, other = (
        points(Sampling(design(*MIXED, kind=kind, seed=seed), base)) for seed in (3, 3, 4)
    )
    for name, column in one.items():
        np.testing.assert_array_equal(column, again[name])
    assert any(not np.array_equal(column, other[name]) for name, column in one.items())


@pytest.mark.parametrize("kind", ["random", "sobol", "saltelli", "morris", "grid", "csv"])
def test_memory_does_not_grow_with_the_number_of_points(base, tmp_path, kind):
    def peak(n):
        more = {}
        if kind == "csv":
            more["file"] = str(tmp_path / f"{n}.csv")
            lines = (f"0.2{i},0.5{i}\n" for i in range(n))
            (tmp_path / f"{n}.csv").write_text("finance.gross_margin,market.rate.mean\n"
                                               + "".join(lines))  # fmt: skip
        factors = [{**MARGIN, "levels": 64}, {**PURCHASES, "levels": n // 64}]
        factors = {"grid": factors, "csv": []}.get(kind, [MARGIN, PURCHASES])
        sampling = Sampling(design(*factors, kind=kind, points=n, **more), base)
        tracemalloc.start()
        assert sum(len(next(iter(batch.values()))) for batch in sampling.batches(256)) >= n
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    few = 1024
    peak(few)  # what is made once
    assert peak(8 * few) < 1.3 * peak(few) + 100_000


def test_a_latin_hypercube_holds_eight_bytes_for_each_number_of_its_points(base):
    n, factors = 100_000, [MARGIN, PURCHASES, UNIT, OTHER_UNIT]
    sampling = Sampling(design(*factors, kind="latin_hypercube", points=n), base)
    tracemalloc.start()
    for _ in sampling.batches(1024):
        pass
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert used < 8 * n * (len(factors) + 4)  # one factor is being laid, in three columns


# --- kinds ---------------------------------------------------------------------------------------


def test_a_grid_is_the_product_with_the_last_factor_fastest(base):
    values = [["hold", "price_war"], [0.2, 0.25, 0.3], [1000, 2000]]
    keys = ["rivals", "finance.gross_margin", "customers"]
    factors = [{"key": key, "values": list(each)} for key, each in zip(keys, values, strict=True)]
    made = points(Sampling(design(*factors, kind="grid"), base))
    rows = list(zip(*(made[key].tolist() for key in keys), strict=True))
    assert rows == list(itertools.product(*values))


def test_levels_of_a_grid_reach_both_ends_evenly_on_their_scale(base):
    factors = [{**MARGIN, "levels": 5}, {**PURCHASES, "levels": 4, "scale": "log"},
               {"key": "customers", "low": 1000, "high": 1005, "levels": 3}]  # fmt: skip
    made = points(Sampling(design(*factors, kind="grid"), base))
    np.testing.assert_allclose(np.unique(made["margin"]), [0.2, 0.225, 0.25, 0.275, 0.3])
    logs = np.log(np.unique(made["purchases"]))
    np.testing.assert_allclose(np.diff(logs), np.log(2) / 3)
    assert (made["purchases"].min(), made["purchases"].max()) == (0.5, 1.0)
    assert np.unique(made["customers"]).tolist() == [1000, 1002, 1005]


def test_levels_of_a_distribution_are_the_middles_of_equal_parts(base):
    known = Uncertain("triangular", (0.1, 0.2, 0.4))
    factor = {"key": MARGIN["key"], "distribution": known.as_yaml(), "levels": 4}
    made = points(Sampling(design(factor, kind="grid"), base))
    expected = [known.quantile(u) for u in (0.125, 0.375, 0.625, 0.875)]
    np.testing.assert_array_equal(made[MARGIN["key"]], expected)


@pytest.mark.parametrize("kind", ["random", "sobol"])
def test_a_sequence_goes_on_as_if_it_had_been_longer(base, kind):
    long = points(Sampling(design(*MIXED, kind=kind, points=40), base))
    short = Sampling(design(*MIXED, kind=kind, points=10), base)
    second = short.extended(13)
    third = second.extended(17)
    assert (second.n_points, third.n_points) == (13, 17)
    parts = [points(each) for each in (short, second, third)]
    for name, column in long.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), column)
    again = points(short.extended(17, before=23))
    np.testing.assert_array_equal(again["margin"], parts[2]["margin"])


def test_a_latin_hypercube_and_each_further_one_fill_every_part_once(base):
    n = 50
    first = Sampling(design(UNIT, OTHER_UNIT, kind="latin_hypercube", points=n), base)
    cubes = [first, first.extended(n), first.extended(n).extended(n)]
    seen = []
    for cube in cubes:
        made = points(cube)
        for column in made.values():
            assert sorted(np.floor(column * n).astype(int)) == list(range(n))
        seen.append(made["unit"].tolist())
    assert len({tuple(each) for each in seen}) == 3
    both = points(first)
    assert abs(np.corrcoef(both["unit"], both["other"])[0, 1]) < 0.5


@pytest.mark.parametrize("kind", ["saltelli", "morris", "grid", "csv"])
def test_a_complete_design_says_how_to_add_to_it(base, tmp_path, kind):
    made = kinds(tmp_path)[kind]
    with pytest.raises(ConfigError, match="is complete; allowed: extend=SWEEP design=MORE"):
        Sampling(made, base).extended(8)
    with pytest.raises(ConfigError, match=r"d\.yaml: points: a design of kind"):
        check_goes_on(made)


def test_there_is_an_end_to_extending(base):
    with pytest.raises(ConfigError, match=r"points: 100,000,000 points after 16; allowed"):
        Sampling(design(MARGIN), base).extended(100_000_000)


def test_a_sobol_sequence_is_that_of_scipy(base):
    made = points(Sampling(design(UNIT, OTHER_UNIT, kind="sobol", points=64, seed=9), base), size=5)
    expected = qmc.Sobol(2, rng=9).random(64)
    np.testing.assert_array_equal(np.stack([made["unit"], made["other"]], 1), expected)


def problem(n):
    return {"num_vars": n, "names": [str(i) for i in range(n)], "bounds": [[0.0, 1.0]] * n}


def test_a_saltelli_design_is_that_of_salib(base):
    sampling = Sampling(design(UNIT, OTHER_UNIT, kind="saltelli", points=64, seed=9), base)
    made = points(sampling, size=17)
    expected = salib_sobol.sample(problem(2), 64, seed=9)
    assert sampling.n_points == len(expected) == 64 * 6
    np.testing.assert_array_equal(np.stack([made["unit"], made["other"]], 1), expected)


@pytest.mark.parametrize("levels", [4, 6])
def test_a_morris_design_is_that_of_salib(base, levels):
    unit, other = ({**factor, "levels": levels} for factor in (UNIT, OTHER_UNIT))
    sampling = Sampling(design(unit, other, kind="morris", points=30, seed=9), base)
    made = points(sampling, size=17)
    expected = salib_morris.sample(problem(2), 30, num_levels=levels, seed=9)
    assert sampling.n_points == len(expected) == 30 * 3
    np.testing.assert_allclose(np.stack([made["unit"], made["other"]], 1), expected, atol=1e-15)


def test_a_trajectory_moves_one_factor_at_a_time_and_every_factor_once(base):
    made = points(Sampling(design(*MIXED, kind="morris", points=20), base))
    width = len(MIXED) + 1
    rows = list(zip(*(made[name].tolist() for name in made), strict=True))
    for start in range(0, len(rows), width):
        steps = itertools.pairwise(rows[start : start + width])
        moved = [[a != b for a, b in zip(before, after, strict=True)] for before, after in steps]
        assert all(sum(step) == 1 for step in moved)
        assert all(sum(step[place] for step in moved) == 1 for place in range(len(MIXED)))


# --- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [
    Uncertain("normal", (0.9, 0.3)), Uncertain("lognormal", (0.9, 0.5)), Uncertain("beta", (2, 3)),
    Uncertain("triangular", (0.1, 0.2, 1.0)), Uncertain("uniform", (0.3, 0.5)),
])  # fmt: skip
@pytest.mark.parametrize("kind", ["random", "sobol", "latin_hypercube", "saltelli"])
def test_a_distribution_is_cut_to_the_range_of_its_field(base, form, kind):
    """As `Unknowns` draws it for a replication: a margin is a share, 0 to 1."""
    follows = {"key": MARGIN["key"], "name": "margin", "distribution": form.as_yaml()}
    drawn = points(Sampling(design(follows, PURCHASES, kind=kind, points=64), base))
    even = points(Sampling(design({**MARGIN, "low": 0, "high": 1}, PURCHASES, kind=kind,
                                  points=64), base))  # fmt: skip
    expected = [form.quantile(u, 0.0, 1.0) for u in even["margin"]]
    np.testing.assert_array_equal(drawn["margin"], expected)
    np.testing.assert_array_equal(drawn["purchases"], even["purchases"])


def test_a_factor_without_values_follows_the_configuration(base):
    factors = [{"key": "market.weights.price"}, {"key": "market.spread.taste", "name": "taste"}]
    drawn = points(Sampling(design(*factors), base))
    even = points(Sampling(design(UNIT, OTHER_UNIT), base))
    known = Unknowns(base).numbers
    for name, path, at in [("market.weights.price", "market.weights.price", "unit"),
                           ("taste", "market.spread.taste", "other")]:  # fmt: skip
        number, low, high = known[path]
        np.testing.assert_array_equal(
            drawn[name], [number.quantile(u, low, high) for u in even[at]]
        )


def test_the_first_point_of_a_sequence_has_a_value_in_a_distribution_without_ends(base):
    follows = {"key": "finance.keeping_cost", "distribution": {"normal": [120, 3]}}
    [factor] = design(follows).factors
    low, middle, high = make_axis(factor, base).at(np.array([0.0, 0.5, 1.0]))
    assert middle == pytest.approx(120.0)
    assert middle - low == pytest.approx(high - middle)
    assert 120 + 3 * 6 < high < 120 + 3 * 7


def test_whole_numbers_of_a_range_are_equally_likely(base):
    factor = {"key": "market.word_of_mouth.neighbours", "name": "n", "low": 1, "high": 8}
    column = points(Sampling(design(factor, kind="sobol", points=1024), base))["n"]
    assert column.dtype == np.int64
    assert np.unique(column, return_counts=True)[1].tolist() == [128] * 8


def test_listed_values_are_equal_parts(base):
    made = points(Sampling(design({**RIVALS, "values": ["hold", "price_war"]}, UNIT, kind="sobol",
                                  points=256), base))  # fmt: skip
    assert (made["rivals"] == "hold").sum() == 128


def test_a_logarithmic_range_is_even_in_the_logarithm(base):
    factor = {**PURCHASES, "low": 0.01, "high": 100, "scale": "log"}
    column = points(Sampling(design(factor, kind="sobol", points=1024), base))["purchases"]
    counts = np.histogram(np.log10(column), bins=8, range=(-2, 2))[0]
    assert counts.tolist() == [128] * 8


def test_what_is_added_to_whole_numbers_is_whole_and_what_multiplies_them_is_not(base):
    plus = {"key": "quarters", "apply": "plus", "low": 0, "high": 8}
    times = {"key": "customers", "apply": "times", "low": 0.5, "high": 2}
    sampling = Sampling(design(plus, times), base)
    assert sampling.columns == {"quarters": pa.int64(), "customers": pa.float64()}


def test_a_setting_of_the_plan_is_that_of_every_plan_that_has_it(base):
    dear = replace(base.plan, name="dear", overhead=4e5)
    cheap = replace(base.plan, name="cheap", overhead=1e5)
    several = replace(base, plan=dear, plans=(dear, cheap))
    factor = {"key": "plan.overhead", "apply": "plus", "values": [-1e5, 0.0]}
    Sampling(design(factor), several)
    factor["values"] = [-2e5, 0.0]  # more than the cheap one has
    with pytest.raises(ConfigError, match=r"-200,000 is out of range; allowed: -100,000 or more"):
        Sampling(design(factor), several)


def test_a_setting_that_nothing_states_yet_can_be_varied(base):
    spend = {"key": "plan.phases.mid.spend.events", "values": [0, 1e5]}
    kind = {"key": "rivals.brands.rival_1.kind", "values": ["hold", "react"]}
    lag = {"key": "rivals.brands.rival_1.lag", "name": "lag", "low": 1, "high": 4}
    sampling = Sampling(design(spend, kind, lag), base)
    assert [*sampling.columns.values()] == [pa.float64(), pa.string(), pa.int64()]
    for batch in sampling.batches():
        assert set(batch["lag"].tolist()) == {1, 2, 3, 4}
    with pytest.raises(ConfigError, match=r"lag\.high: 41 is out of range; allowed: 0 to 40"):
        Sampling(design({**lag, "high": 41}), base)


def test_ones_own_files_can_be_chosen(base, tmp_path):
    (tmp_path / "rivals").mkdir()
    mine = tmp_path / "rivals" / "mine.yaml"
    mine.write_text("name: mine\ntitle: Mine\n")
    factor = {"key": "rivals", "values": ["hold", "mine", str(mine)]}
    sampling = Sampling(design(factor, kind="grid"), base, [tmp_path])
    assert sampling.choices == {"rivals": ("hold", "mine", str(mine))}
    with pytest.raises(ConfigError, match="no such rivals: mine"):
        Sampling(design(factor, kind="grid"), base)


@pytest.mark.parametrize("name", choices("design"))
def test_points_of_a_shipped_design_make_configurations(name):
    shipped = read_design(name)
    base = loaded(shipped.scenario, *(f"{key}={value}" for key, value in shipped.settings.items()))
    sampling = Sampling(shipped, base)
    editor = Editor(base, sampling.factors)
    for batch in sampling.batches(64):
        row = {name: column[-1] for name, column in batch.items()}
        assert editor.edit(row) != base


# --- a file of points ----------------------------------------------------------------------------


def table(tmp_path, text, *factors):
    path = tmp_path / "points.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return design(*factors, kind="csv", file=str(path))


def test_a_table_is_read_by_key_and_by_name(base, tmp_path):
    made = table(tmp_path, "budget,rivals,customers\n0.5,hold,1000\n 2 ,price_war,2e3\n", BUDGET)
    sampling = Sampling(made, base)
    assert sampling.n_points == 2
    assert sampling.choices == {"rivals": ("hold", "price_war")}
    [batch] = sampling.batches()
    assert batch["budget"].tolist() == [0.5, 2.0]
    assert batch["customers"].tolist() == [1000, 2000]
    assert batch["customers"].dtype == np.int64
    assert batch["rivals"] == ["hold", "price_war"]


def test_a_table_of_a_spreadsheet_is_read(base, tmp_path):
    """A byte order mark, Windows line ends, quotes with a line end within, a last empty line."""
    text = b'\xef\xbb\xbf"market.rate.mean",rivals\r\n"0.7","hold"\r\n0.8,"\nhold"\r\n\r\n'
    [batch] = Sampling(table(tmp_path, text), base).batches()
    assert batch["market.rate.mean"].tolist() == [0.7, 0.8]
    assert batch["rivals"] == ["hold", "hold"]


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(100, 10**8)), min_size=1, max_size=30))
def test_what_is_written_to_a_table_is_read_from_it(base, tmp_path_factory, rows):
    text = io.StringIO()
    csv.writer(text).writerows([("finance.gross_margin", "customers"), *rows])
    made = table(tmp_path_factory.mktemp("table"), text.getvalue())
    read = points(Sampling(made, base), size=7)
    assert read["finance.gross_margin"].tolist() == [margin for margin, _ in rows]
    assert read["customers"].tolist() == [customers for _, customers in rows]


BAD_TABLES = {
    "an unknown column": (
        "market.rate.meen\n0.5\n", r"line 1: no such setting.*did you mean 'mean'",
    ),
    "a column near a listed factor": (
        "budgett\n0.5\n", r"budgett: line 1: no such setting.*did you mean 'budget'",
    ),
    "a plan as a column": ("plan\ntoday\n", "plan: line 1: plan is no factor"),
    "a listed factor without a column": (
        "customers\n1000\n", "budget: line 1: this factor has no column",
    ),
    "a column twice": ("budget,budget\n1,2\n", "line 1: two columns are called 'budget'"),
    "a factor twice": (
        "budget,plan.phases.*.spend.*\n1,2\n", "line 1: a factor stands both by its key and by",
    ),
    "a column without a name": ("budget,\n1,2\n", "line 1: a column has no name"),
    "semicolons": ("budget;customers\n1;1000\n", "line 1: its columns are separated by semicolons"),
    "an empty file": ("", "is empty; allowed: a line of factors"),
    "no points": ("budget\n", "has 0 points"),
    "an empty cell": ("budget,customers\n1,1000\n1,\n", "customers: line 3: the cell is empty"),
    "a missing cell": (
        "budget,customers\n1,1000\n1\n", "customers: line 3: the cell is missing",
    ),
    "a cell too many": ("budget\n1\n2,3\n", "line 3 has 2 cells; allowed: one for each of 1 col"),
    "an empty line": ("budget\n1\n\n2\n", "line 3 is empty"),
    "text for a number": ("budget\n1\n1\nmuch\n", "budget: line 4: 'much' is no number"),
    "text for a whole number": ("budget,customers\n1,a\n", "customers: line 2: 'a' is no number"),
    "half a customer": ("budget,customers\n1,1000.5\n", "line 2: 1000.5 is no whole number"),
    "out of range": (
        "budget,customers\n1,1000\n1,3\n", r"line 3: 3 is out of range; allowed: 100 to 100,000,000"
    ),
    "not finite": ("budget\nnan\n", "budget: line 2: nan is not finite"),
    "an unknown name": (
        "budget,rivals\n1,price_wars\n", "no such rivals: price_wars; did you mean 'price_war'",
    ),
    "an unknown word": (
        "budget,market.kind\n1,repertoir\n", "line 2: .*did you mean 'repertoire'",
    ),
    "an open quote": ('budget\n"1\n', "is no CSV"),
    "another encoding": ("budget\n1\u00e4\n".encode("latin-1"), "is not in UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_bad_table_is_one_error_with_its_line(base, tmp_path, case):
    text, message = BAD_TABLES[case]
    with pytest.raises(ConfigError, match=message) as caught:
        Sampling(table(tmp_path, text, BUDGET), base)
    assert str(caught.value).startswith(f"{tmp_path / 'points.csv'}: ")


def test_a_late_line_is_named_though_the_file_is_read_in_pieces(base, tmp_path):
    lines = ["0.25"] * 20_000
    lines[17_000] = "x"
    with pytest.raises(ConfigError, match=r"finance\.gross_margin: line 17002: 'x' is no number"):
        Sampling(table(tmp_path, "finance.gross_margin\n" + "\n".join(lines)), base)


def test_a_table_that_is_not_there_is_one_error(base):
    with pytest.raises(ConfigError, match=r"nowhere\.csv cannot be read: No such file"):
        Sampling(design(kind="csv", file="nowhere.csv"), base)


# --- designs that do not fit the configuration ---------------------------------------------------

BAD = {
    "nothing varied": ((), "factors: nothing is varied"),
    "no such setting": (
        ({**MARGIN, "key": "finance.gross_margim"},),
        r"finance\.gross_margim: no such setting; did you mean 'gross_margin'",
    ),
    "no such group": (({"key": "rival", "values": ["hold"]},), "did you mean 'rivals'"),
    "no such lever": (
        ({**BUDGET, "key": "plan.phases.*.spend.trainign", "values": [1, 2]},),
        "no such setting; did you mean 'training'",
    ),
    "a group of settings": (
        ({"key": "market.rate", "values": [1, 2]},), r"market\.rate: is a group of settings",
    ),
    "no such choice": (
        ({"key": "rivals", "values": ["hold", "prise_war"]},),
        r"factors\.rivals\.values: no such rivals: prise_war; did you mean 'price_war'",
    ),
    "no such file": (
        ({"key": "rivals", "values": ["mine.yaml"]},), r"values: no such file: mine\.yaml",
    ),
    "a choice without names": (({"key": "rivals"},), "values: is empty.*price_war"),
    "a range above the field's": (
        ({**MARGIN, "high": 1.5},),
        r"factors\.margin\.high: 1\.5 is out of range; allowed: 0 to 1 \(share of revenue\)",
    ),
    "a value below the field's": (
        ({"key": "customers", "values": [5, 1000]},),
        r"factors\.customers\.values: 5 is out of range; allowed: 100 to 100,000,000",
    ),
    "a factor that leads out": (
        ({"key": "finance.gross_margin", "apply": "times", "low": 1, "high": 5},),
        r"high: 5 is out of range; allowed: 0 to 4 \(times the setting\)",
    ),
    "a sum that leads out": (
        ({"key": "finance.gross_margin", "apply": "plus", "low": -0.5, "high": 0.5},),
        r"low: -0\.5 is out of range; allowed: -0\.25 to 0\.75 \(added to the setting\)",
    ),
    "a budget below nought": (
        ({**BUDGET, "low": -0.5, "high": 2},),
        r"factors\.budget\.low: -150000 is no budget; allowed: 0 or more",
    ),
    "a share of a new lever's budget": (
        ({"key": "plan.phases.mid.spend.events", "apply": "times", "low": 0.5, "high": 2},),
        r"plan\.phases\.mid\.spend\.events: is not given, and 'times' cannot act on it",
    ),
    "a distribution that leads out": (
        ({"key": MARGIN["key"], "distribution": {"uniform": [0.5, 1.5]}},),
        r"distribution: 1\.5 is out of range",
    ),
    "half a customer": (
        ({"key": "customers", "low": 1000.5, "high": 2000},), r"low: 1000\.5 is no whole number",
    ),
    "a text for a number": (
        ({"key": MARGIN["key"], "values": ["a", "b"]},), "values: 'a' is no number",
    ),
    "a word that is none": (
        ({"key": "market.kind", "values": ["repertoire", "subscribtion"]},),
        "did you mean 'subscription'",
    ),
    "a range of words": (({"key": "market.kind", "low": 0, "high": 1},), "low: .*is no number"),
    "nothing stated": (
        ({"key": MARGIN["key"]},),
        r"values: has no values, and the configuration states no distribution at finance\.gross_m",
    ),
    "several stated": (
        ({"key": "market.weights.*"},), "states no distribution at market.weights.value",
    ),
    "what is stated, times": (
        ({"key": "market.weights.price", "apply": "times"},), "not one to apply as times",
    ),
    "nought times": (
        ({"key": "market.rate.growth", "apply": "times", "low": 1, "high": 2},),
        "is 0, which stays 0",
    ),
    "words times": (
        ({"key": "market.kind", "apply": "times", "low": 1, "high": 2},), "market.kind",
    ),
    "two kinds of settings": (
        ({"key": "market.word_of_mouth.*", "low": 1, "high": 1.5, "apply": "times"},),
        "leads to settings of several kinds: market.word_of_mouth",
    ),
    "two paths to one setting": (
        (MARGIN, {"key": "finance.*", "low": 0.1, "high": 0.3, "apply": "times"}), "same setting",
    ),
    "replications": (({"key": "replications", "values": [2, 4]},), "replications moves nothing in"),
    "threads": (({"key": "engine.threads", "values": [1, 2]},), "engine moves nothing in a sweep"),
    "a column of every sweep": (({**MARGIN, "name": "NPV"},), "'NPV' is a column of every sweep"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_design_that_does_not_fit_is_one_error_with_its_file(base, case):
    factors, message = BAD[case]
    with pytest.raises(ConfigError, match=message) as caught:
        Sampling(design(*factors), base)
    assert str(caught.value).startswith("d.yaml: ")


def test_levels_that_fall_together_are_refused(base):
    narrow = {"key": "customers", "low": 1000, "high": 1003, "levels": 10}
    with pytest.raises(ConfigError, match=r"customers\.levels: 10 levels are not all different"):
        Sampling(design(narrow, kind="grid"), base)
    still = {"key": "rivals", "values": ["hold"]}
    with pytest.raises(ConfigError, match=r"factors\.rivals\.levels: 4 levels are not all diff"):
        Sampling(design(still, MARGIN, kind="morris"), base)


def test_bounds_of_what_multiplies_are_those_of_all_its_settings(base):
    """The dearest of the awarenesses, .55, may grow to 1 and no further."""
    factor = {"key": "market.brands.*.awareness", "apply": "times", "low": 0.5}
    most = 1 / 0.55
    Sampling(design({**factor, "high": math.nextafter(most, 0)}), base)
    with pytest.raises(ConfigError, match=r"high: 1\.82 is out of range"):
        Sampling(design({**factor, "high": 1.82}), base)
