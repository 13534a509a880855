"""The page of an explanation: what it says of figures that are known, and the whole command."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sim.cli import main
from sim.config.explain import Players
from sim.config.load import load
from sim.planning.attribution import Division, Explanation, Game, shares_of
from sim.planning.coalitions import Player
from sim.planning.ranking import estimate
from sim.planning.shapley import draw_orders
from sim.report.attribution import bound_pairs, explanation_finding, headline, total_sentence
from sim.report.finding import write_finding

SMALL = ["scenario=retail_three_phase", "plan=service_first", "customers=300", "replications=3",
         "workers=1", "progress=false"]  # fmt: skip
WORLDS = 6


@pytest.fixture(scope="module")
def config():
    return load("retail_three_phase", ["customers=300"])


def explained(config, names, worth_of, orders=None, needs=None):
    """Return an explanation of a game with known worths in currency, the same noise in each."""
    noise = np.linspace(-1, 1, WORLDS)
    coalitions = range(1 << len(names))
    members = [[n for i, n in enumerate(names) if c >> i & 1] for c in coalitions]
    worth = np.array([worth_of(set(inside)) + 1e3 * len(inside) * noise for inside in members])
    players = tuple(Player(n, money=5e5, needs=(needs or {}).get(n, ())) for n in names)
    game = Game(Players.LEVERS, players, (), (), {c: c for c in coalitions}, orders)
    outcomes = {"npv": shares_of(game, "npv", worth),
                "churn_annual": shares_of(game, "churn_annual", -worth / 1e9)}  # fmt: skip
    nothing = estimate(np.zeros(WORLDS))
    division = Division(game, outcomes, nothing, nothing, len(worth), {})
    return Explanation(config, (*outcomes,), WORLDS, {Players.LEVERS: division}, None)


def added(prices):
    return lambda inside: sum(prices[name] for name in inside)


def page_of(found, folder):
    """Return the page's text without its markup and drawings."""
    text = write_finding(explanation_finding(found), folder, "explain").read_text()
    text = re.sub(r"<(svg|style).*?</\1>", " ", text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def test_levers_that_do_not_pay_are_named(config, tmp_path):
    prices = {"training": 4e6, "privacy": -3e6, "core_team": 0.0}
    found = explained(config, list(prices), added(prices))
    assert headline(found) == (
        "Training pays; Privacy does not; Core team cannot be told from zero."
    )
    page = page_of(found, tmp_path)
    assert "Privacy −3.00 −3.00 to −3.00" in page.replace("\N{NO-BREAK SPACE}", " ")
    assert "does not pay" in page
    assert "Privacy costs most beyond what it earns" in page
    table = pd.read_csv(tmp_path / "shares.csv").query("outcome == 'npv'").set_index("player")
    assert table["mean"]["training"] == pytest.approx(4e6)
    assert table["mean"]["(everybody)"] == pytest.approx(1e6)


def test_an_unsure_total_is_not_told_as_gain_or_loss(config):
    found = explained(config, ["training"], lambda inside: 0.0)
    assert "cannot be told whether the plan pays" in total_sentence(found)
    assert explanation_finding(found).tone == ""
    sure = explained(config, ["training"], added({"training": 5e6}))
    assert "cannot be told" not in total_sentence(sure)
    assert explanation_finding(sure).tone == "good"


def test_a_pair_is_told_unless_one_needs_the_other(config, tmp_path):
    def worth(inside):
        return 1e6 * len(inside) + 2e6 * ({"a_one", "b_two"} <= inside)

    names = ["a_one", "b_two", "c_three"]
    page = page_of(explained(config, names, worth), tmp_path / "free")
    assert "A one and B two together earn CNY 2.00 million more than apart" in page.replace(
        "\N{NO-BREAK SPACE}", " "
    )
    bound = explained(config, names, worth, needs={"b_two": ("a_one",)})
    assert bound_pairs(bound.divisions[Players.LEVERS]) == {(0, 1)}
    page = page_of(bound, tmp_path / "bound")
    assert "Of no two levers can it be told" in page
    assert "needs A one" in page


def test_less_churn_is_better(config, tmp_path):
    prices = {"training": 4e6, "privacy": -3e6}
    page = page_of(explained(config, list(prices), added(prices)), tmp_path)
    assert "Training does most for annual churn: −0.4" in page


def test_drawn_orders_are_said_to_be_drawn(config, tmp_path):
    prices = {"training": 4e6, "privacy": -3e6, "core_team": 1e6}
    found = explained(config, list(prices), added(prices), draw_orders(3, 4, seed=1))
    page = page_of(found, tmp_path)
    assert "8 orders were drawn" in page
    assert "Which levers belong together" not in page
    assert "Place" not in page.split("How it is reckoned")[0].split("Verdict")[1][:20]


def test_ties_have_a_range_of_places(config, tmp_path):
    noise = np.linspace(-1, 1, WORLDS)
    found = explained(config, ["training", "privacy", "core_team"],
                      added({"training": 2e6, "privacy": 2e6, "core_team": -1e6}))  # fmt: skip
    shares = found.divisions[Players.LEVERS].outcomes["npv"]
    by_world = shares.by_world + np.array([[1e6], [-1e6], [0.0]]) * noise
    division = replace(found.divisions[Players.LEVERS],
                       outcomes={"npv": replace(shares, by_world=by_world)})  # fmt: skip
    found = replace(found, outcomes=("npv",), divisions={Players.LEVERS: division})
    page = page_of(found, tmp_path)
    assert page.count("1–2") == 2


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("explain") / "out"
    assert main(["explain", *SMALL, f"out={made}"]) == 0
    return made


def test_the_command_writes_page_pictures_tables_and_document(folder):
    names = {path.name for path in folder.iterdir()}
    assert {"explain.html", "explain.json", "shares.csv", "pairs.csv", "segments.csv"} <= names
    for stem in ("levers_npv", "levers_money", "lever_pairs", "phases_npv", "mechanisms_npv",
                 "segments_npv"):  # fmt: skip
        assert {f"{stem}.png", f"{stem}.svg"} <= names
    page = (folder / "explain.html").read_text()
    for text in ("Service experience", "Which levers belong together", "Whose cash it is",
                 "Through what it works", "all 16 coalitions"):  # fmt: skip
        assert text in page
    assert not re.search(r"\bnan\b|np\.float|Traceback", page)


def test_figures_in_files_sum_to_the_npv(folder):
    document = json.loads((folder / "explain.json").read_text())
    npv = document["npv"]["mean"]
    for kind in ("levers", "phases"):
        shares = document["players"][kind]["shares"]["npv"]
        assert sum(one["mean"] for one in shares.values()) == pytest.approx(npv, rel=1e-9)
    table = pd.read_csv(folder / "segments.csv").query("outcome == 'cash'")
    assert table["mean"].sum() == pytest.approx(npv, rel=1e-9)


def test_the_same_folder_again_lives_nothing_again(folder, capsys):
    parts = sorted((folder / "lives").rglob("*.parquet"))
    before = (folder / "shares.csv").read_bytes()
    assert main(["explain", *SMALL, f"out={folder}", "players=[levers,segments]"]) == 0
    assert sorted((folder / "lives").rglob("*.parquet")) == parts
    assert "Service experience" in capsys.readouterr().out
    levers = [line for line in before.decode().splitlines() if line.startswith("levers")]
    again = (folder / "shares.csv").read_text().splitlines()
    assert [line for line in again if line.startswith("levers")] == levers


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["plan=today"], "pays for no lever"),
        (["outcomes=[npw]"], "did you mean 'npv'"),
        (["permutations=33"], "an even number"),
        (["replications=1"], "replications"),
        (["outcome=npv"], "did you mean 'outcomes'"),
    ],
)
def test_bad_input_is_one_clear_sentence(given, said, capsys, tmp_path):
    out = tmp_path / "out"
    assert main(["explain", "scenario=retail_three_phase", f"out={out}", *given]) == 2
    errors = capsys.readouterr().err
    assert said in " ".join(errors.split())
    assert "Traceback" not in errors
    assert not out.exists()
