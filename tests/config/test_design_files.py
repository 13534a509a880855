"""Designs as an analyst writes them: what is read, and what is told if it cannot be."""

from __future__ import annotations

import json
import re
import tracemalloc

import pytest
import yaml

from sim.config.build import dump
from sim.config.design import MOST_POINTS, Apply, DesignKind, Scale, make_design, read_design
from sim.config.fields import Uncertain
from sim.config.files import choices, config_root, folder_of, read
from sim.errors import ConfigError

MARGIN = {"key": "finance.gross_margin", "low": 0.2, "high": 0.3}
VALUES = {"key": "finance.gross_margin", "values": [0.2, 0.3]}
OTHER = {"key": "market.rate.mean", "low": 0.5, "high": 1.0}
RIVALS = {"key": "rivals", "values": ["hold", "price_war"]}


def design(*factors, kind="random", points=8, **more):
    data = {"name": "d", "kind": kind, "points": points, "factors": list(factors), **more}
    return make_design({key: value for key, value in data.items() if value is not None}, "d.yaml")


def grid(*factors, **more):
    return design(*factors, kind="grid", points=None, **more)


def test_a_file_is_read_as_it_is_written(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "kind: sobol\npoints: 64\nseed: 7\nscenario: price_war\nplans: [today, three_phase]\n"
        "settings: {customers: 5000, market.rate.mean: {uniform: [0.5, 0.9]}}\n"
        "factors:\n"
        "  - {key: rivals, values: [hold, price_war]}\n"
        "  - {key: plan.phases.*.spend.*, name: budget, apply: times, low: 0.5, high: 2,"
        " scale: log}\n"
        "  - {key: finance.gross_margin, distribution: {triangular: [0.2, 0.25, 0.3]}}\n"
        "  - {key: market.weights.price}\n"
    )
    made = read_design(str(path))
    assert (made.name, made.kind, made.points, made.seed) == ("mine", DesignKind.SOBOL, 64, 7)
    assert (made.scenario, made.plans) == ("price_war", ("today", "three_phase"))
    assert made.settings["market.rate.mean"] == {"uniform": [0.5, 0.9]}
    rivals, budget, margin, price = made.factors
    assert rivals.values == ("hold", "price_war")
    assert rivals.is_choice
    assert (budget.column, budget.apply, budget.scale) == ("budget", Apply.TIMES, Scale.LOG)
    assert isinstance(margin.distribution, Uncertain)
    assert margin.distribution.as_yaml() == {"triangular": [0.2, 0.25, 0.3]}
    assert (price.column, price.values, price.low) == ("market.weights.price", None, None)


@pytest.mark.parametrize("name", choices("design"))
def test_what_is_kept_of_a_design_makes_the_same_one(name):
    made = read_design(name)
    again = make_design(json.loads(json.dumps(dump(made))))
    assert dump(again) == dump(made)
    assert again == made


@pytest.mark.parametrize("name", choices("design"))
def test_a_shipped_design_opens_with_its_story_and_command_line(name):
    text = (folder_of("design") / f"{name}.yaml").read_text()
    story = "".join(line for line in text.splitlines() if line.startswith("#"))
    assert f"fidelio sweep design={name} out=outputs/sweeps/{name}" in story
    assert len(story) > 200
    assert read_design(name).name == name
    assert read_design(name).title


@pytest.mark.parametrize("name", choices("design"))
def test_numbers_of_points_in_a_story_are_those_of_the_design(name):
    text = (folder_of("design") / f"{name}.yaml").read_text()
    story = " ".join(line.removeprefix("# ") for line in text.splitlines() if line[:1] == "#")
    made = read_design(name)
    for told in re.findall(r"= ([\d,]+) points", story):
        assert int(told.replace(",", "")) == made.n_points


def test_a_table_of_points_lies_beside_its_design(tmp_path, monkeypatch):
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "d.yaml").write_text("kind: csv\nfile: points.csv\n")
    monkeypatch.chdir(tmp_path)
    assert read_design("cases/d.yaml").file == "cases/points.csv"


def test_ones_own_folder_is_looked_into(tmp_path):
    (tmp_path / "design").mkdir()
    data = read(folder_of("design") / "screening.yaml") | {"name": "mine"}
    (tmp_path / "design" / "mine.yaml").write_text(yaml.safe_dump(data))
    assert read_design("mine", [tmp_path]).name == "mine"
    with pytest.raises(ConfigError, match="no such design: mine"):
        read_design("mine")


@pytest.mark.parametrize(
    ("kind", "points", "n_factors", "expected"),
    [("saltelli", 64, 3, 64 * 8), ("morris", 10, 3, 40), ("sobol", 100, 3, 100)],
)
def test_the_number_of_points_follows_from_the_kind(kind, points, n_factors, expected):
    keys = ["finance.gross_margin", "market.rate.mean", "market.basket"]
    factors = [{"key": key, "low": 0.2, "high": 0.3} for key in keys[:n_factors]]
    assert design(*factors, kind=kind, points=points).n_points == expected


def test_a_grid_multiplies_values_and_levels():
    assert grid(RIVALS, {**MARGIN, "levels": 5}, {**OTHER, "levels": 3}).n_points == 2 * 5 * 3


def test_a_grid_of_a_trillion_is_refused_before_anything_is_built():
    keys = ["finance.gross_margin", "market.rate.mean", "market.basket"]
    factors = [{"key": key, "low": 0.2, "high": 0.3, "levels": 10_000} for key in keys]
    tracemalloc.start()
    with pytest.raises(ConfigError) as caught:
        grid(*factors)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "makes 1,000,000,000,000 points; allowed: 100,000,000 points or fewer" in str(
        caught.value
    )
    assert peak < 1e6


def test_a_saltelli_design_counts_all_that_its_base_points_make():
    with pytest.raises(ConfigError, match=r"points: makes 402,653,184 points"):
        design(MARGIN, OTHER, kind="saltelli", points=2**26)
    assert design(MARGIN, OTHER, kind="saltelli", points=2**23).n_points < MOST_POINTS


BAD = {
    "unknown setting": (lambda: design(MARGIN, sed=3), "sed: no such setting.*did you mean 'seed'"),
    "unknown setting of a factor": (
        lambda: design({**MARGIN, "hgih": 1}),
        r"factors\.finance\.gross_margin\.hgih: no such setting.*did you mean 'high'",
    ),
    "unknown kind": (lambda: design(MARGIN, kind="sobl"), "kind: .*did you mean 'sobol'"),
    "no kind": (lambda: make_design({"name": "d", "factors": []}, "d.yaml"), "kind: is missing"),
    "factors that are no list": (
        lambda: make_design({"name": "d", "kind": "grid", "factors": MARGIN}, "d.yaml"),
        "factors: .* is no list",
    ),
    "a factor that is a text": (lambda: design("rivals"), r"factors\.0: 'rivals' is no factor"),
    "a factor without a key": (lambda: design({"low": 1, "high": 2}), r"factors\.0\.key: is miss"),
    "empty range": (lambda: design({**MARGIN, "high": 0.2}), r"low: 0\.2 to 0\.2 is an empty"),
    "low without high": (lambda: design({"key": "customers", "low": 1}), "high: is missing"),
    "no values": (lambda: design({**VALUES, "values": []}), r"values: is empty; allowed: one"),
    "values that are no list": (lambda: design({**VALUES, "values": 0.2}), r"values: 0\.2 is no l"),
    "values of two kinds": (lambda: design({**VALUES, "values": [1, "a"]}), "not of one kind"),
    "values that are not finite": (
        lambda: design({**VALUES, "values": [1, float("nan")]}), "allowed: finite numbers",
    ),
    "a value twice": (lambda: design({**VALUES, "values": [0.2, 0.2]}), "0.2 stands twice"),
    "values and a range": (lambda: design({**MARGIN, "values": [1]}), "states values and low and"),
    "a number for a distribution": (
        lambda: design({"key": "customers", "distribution": 3}), "distribution: 3 is a number",
    ),
    "an unknown distribution": (
        lambda: design({"key": "customers", "distribution": {"normall": [1, 2]}}),
        "did you mean 'normal'",
    ),
    "log from zero": (
        lambda: design({**MARGIN, "low": 0, "scale": "log"}), "low: 0 has no logarithm",
    ),
    "log without a range": (lambda: design({**VALUES, "scale": "log"}), "scale: is of a range"),
    "range of a choice": (
        lambda: design({"key": "rivals", "low": 1, "high": 2}), "low: a rivals is chosen by name",
    ),
    "distribution of a choice": (
        lambda: design({"key": "rivals", "distribution": {"uniform": [0, 1]}}),
        "distribution: a rivals is chosen by name",
    ),
    "numbers for names": (lambda: design({"key": "rivals", "values": [1, 2]}), "1 is no name"),
    "a choice that is multiplied": (
        lambda: design({**RIVALS, "apply": "times"}), "apply: a rivals is chosen, not counted",
    ),
    "a plan as a factor": (
        lambda: design({"key": "plan", "values": ["today"]}), r"plan is no factor; allowed: plans:",
    ),
    "an engine as a factor": (
        lambda: design({"key": "engine", "values": ["local"]}), "engine is no factor.*rivals",
    ),
    "times of texts": (
        lambda: design({"key": "market.kind", "values": ["a", "b"], "apply": "times"}),
        "times takes numbers",
    ),
    "no points": (lambda: design(MARGIN, points=None), "points: is missing"),
    "no trajectories": (lambda: design(MARGIN, kind="morris", points=0), "points: 0 is out of"),
    "points of a grid": (
        lambda: design(VALUES, kind="grid"), "points: a grid has as many points as it is made of",
    ),
    "a grid without levels": (lambda: grid(MARGIN), "levels: a grid does not know how many"),
    "levels beside values": (lambda: grid({**VALUES, "levels": 3}), "levels: stands beside values"),
    "levels of a random design": (
        lambda: design({**MARGIN, "levels": 3}), "levels: are of a grid or a Morris design",
    ),
    "odd levels": (
        lambda: design({**MARGIN, "levels": 5}, kind="morris"), "levels: 5 is odd; allowed: an even"
    ),
    "two numbers of levels": (
        lambda: design({**MARGIN, "levels": 4}, {**OTHER, "levels": 6}, kind="morris"),
        "levels: 6 levels, and 4 of another factor",
    ),
    "more values than levels": (
        lambda: design({**VALUES, "values": [1, 2, 3, 4, 5]}, kind="morris"),
        "values: 5 values on 4 levels",
    ),
    "base points": (
        lambda: design(MARGIN, kind="saltelli", points=100),
        "points: 100 base points are no power of two.*allowed: 64 or 128",
    ),
    "one column twice": (
        lambda: design({**MARGIN, "name": "x"}, {**OTHER, "name": "X"}), "two factors are called",
    ),
    "one key twice": (
        lambda: design(MARGIN, {**MARGIN, "name": "other"}),
        r"factors\.finance\.gross_margin: two factors vary it",
    ),
    "no file": (lambda: design(kind="csv", points=None), "file: is missing"),
    "points of a file": (
        lambda: design(kind="csv", file="p.csv"), "points: a csv has as many points",
    ),
    "a file of a grid": (lambda: grid(VALUES, file="p.csv"), "file: is of kind csv"),
    "values beside a file": (
        lambda: design(VALUES, kind="csv", points=None, file="p.csv"), "values: stands in the file",
    ),
    "settings in groups": (
        lambda: grid(VALUES, settings={"market": {"basket": 3}}),
        r"settings\.market: holds settings below it; allowed: one path for each: market\.NAME",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_design_is_one_error_with_its_file(case):
    make, message = BAD[case]
    with pytest.raises(ConfigError, match=message) as caught:
        make()
    assert str(caught.value).startswith("d.yaml: ")


def test_an_unknown_design_suggests_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'budget_phases'"):
        read_design("budget_phase")


def test_a_missing_file_is_named():
    with pytest.raises(ConfigError, match=r"no such file: nowhere\.yaml"):
        read_design("nowhere.yaml")


def test_the_designs_that_the_documents_name_are_shipped():
    documents = [config_root() / "README.md", *(config_root() / "docs").glob("*.md")]
    texts = [document.read_text("utf-8") for document in documents]
    named = {name for text in texts for name in re.findall(r"design=([a-z_]+)(?=\s)", text)}
    assert named
    assert named <= {*choices("design")}
