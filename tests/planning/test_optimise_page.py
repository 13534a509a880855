"""`fidelio optimise` from the command line to its page, and the plan file that comes of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sim.cli import main as fidelio
from sim.commands.optimise import main
from sim.config.load import load
from sim.config.plan import Phase, Plan
from sim.errors import ConfigError
from sim.planning.goals import FRESH, GOALS
from sim.planning.plan_file import plan_text

STUDY = ["scenario=retail_three_phase", "customers=300", "quarters=5", "replications=4",
         "plan.phases.long.quarters=[5,5]"]  # fmt: skip
ASKED = ["evaluations=14", "first=1", "race=2", "batch=4", "step=0.1", "workers=1",
         "progress=false"]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small optimisation."""
    out = tmp_path_factory.mktemp("optimise")
    main([*STUDY, *ASKED, "objective=[npv,loyalty_index]", f"out={out}"])
    return out


def test_the_page_and_its_files_are_there(folder: Path) -> None:
    page = (folder / "optimise.html").read_text(encoding="utf-8")
    for text in ("Where the money goes", "Beside your plan", "What more money is worth",
                 "How it was found", "What must be given up"):  # fmt: skip
        assert text in page
    assert "nan" not in page.lower().replace("finance", "")
    for name in ("budget_map", "changes", "beside", "search", "pareto_loyalty_index"):
        assert (folder / f"{name}.svg").exists()
        assert (folder / f"{name}.png").exists()


def test_the_plan_file_is_a_plan_of_the_study(folder: Path) -> None:
    study = load("retail_three_phase", ["customers=300", "replications=4", "quarters=5",
                                        f"plan={folder / 'plan.yaml'}"])  # fmt: skip
    money = pd.read_csv(folder / "money.csv").set_index(["lever", "span"])["best_plan"]
    for phase in study.plan.phases:
        for lever, amount in phase.spend.items():
            assert amount == pytest.approx(money[lever, phase.name])
    assert sum(sum(phase.spend.values()) for phase in study.plan.phases) == pytest.approx(
        money.sum()
    )
    assert study.plan.provenance["phases"].startswith("assumed: found by fidelio optimise")


def test_what_is_told_is_of_fresh_worlds(folder: Path) -> None:
    """The best plan's figures are those of a study in other worlds than the search's."""
    said = json.loads((folder / "optimise.json").read_text(encoding="utf-8"))
    assert said["figures"]["best"]["npv"]["n"] == 4
    trials = pd.read_csv(folder / "trials.csv")
    assert len(trials) == said["evaluations"] <= 14
    searched = trials.loc[trials.worlds == 2, "npv"]
    assert not np.isclose(searched, said["figures"]["best"]["npv"]["mean"]).any()
    assert FRESH >= 1_000_000, "above any number of replications that a study may have"


def test_going_on_gives_the_same_and_lives_nothing_again(folder: Path) -> None:
    before = (folder / "optimise.json").read_text(encoding="utf-8")
    parts = sorted(path.name for path in (folder / "lives").rglob("*") if path.is_file())
    main([*STUDY, *ASKED, "objective=[npv,loyalty_index]", f"out={folder}"])
    assert json.loads((folder / "optimise.json").read_text("utf-8")) == json.loads(before)
    after = sorted(path.name for path in (folder / "lives").rglob("*") if path.is_file())
    assert after == parts


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([*STUDY, *ASKED, "objective=npv"], "another objective"),
        ([*STUDY, *ASKED, "objective=[npv,loyalty_index]", "evaluations=15"], "evaluations"),
        ([*STUDY[:-1], *ASKED, "objective=[npv,loyalty_index]", "seed=2",
          "plan.phases.long.quarters=[5,5]"], "another study"),
    ],
)  # fmt: skip
def test_a_folder_of_another_search_is_refused(folder: Path, arguments, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        main([*arguments, f"out={folder}"])


def test_an_objective_that_does_not_exist_is_told_before_anything_is_lived(tmp_path, capsys):
    assert fidelio(["optimise", *STUDY, "objective=npvv", f"out={tmp_path / 'new'}"]) == 2
    assert "did you mean 'npv'" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_plan_file_reads_back_as_it_was(tmp_path: Path) -> None:
    study = load("vip_programme_2026", ["customers=300", "replications=2"])
    file = tmp_path / "plan.yaml"
    file.write_text(plan_text(study.plan, ["A comment."]), encoding="utf-8")
    again = load("vip_programme_2026", ["customers=300", "replications=2", f"plan={file}"])
    assert again.plan == study.plan
    plain = Plan("plain", "Plain", phases=(Phase("one", (1, 2), {"training": 5.0}),))
    assert plan_text(plain, []).splitlines()[0] == "name: plain"


def test_every_goal_knows_which_way_is_better() -> None:
    worse = {name for name, goal in GOALS.items() if goal.best_is < 0}
    assert worse == {"spend", "payback_quarter", "probability_of_loss", "peak_funding",
                     "churn_annual"}  # fmt: skip
