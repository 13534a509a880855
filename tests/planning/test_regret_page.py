"""The page of `fidelio regret`, and the command from its settings to its files."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from sim.commands.regret import main, plans_of
from sim.config.load import load
from sim.config.regret import Regret
from sim.config.settings import read_settings
from sim.config.study import Config
from sim.errors import ConfigError
from sim.planning.future import Future, as_planned
from sim.planning.pilot import PilotLife
from sim.planning.regret import Payoffs
from sim.report.finding import write_finding
from sim.report.regret import Compared, RegretReport

N = 30
TINY = ["scenario=retail_three_phase", "customers=300", "burn_in=4", "replications=4",
        "answers=[price_war]", "progress=false", "workers=1"]  # fmt: skip


@cache
def retailer() -> Config:
    return load("retail_three_phase", ["customers=300"])


def compared(means: list[list[float]], *, noise: float = 1e5, pilots: bool = True) -> Compared:
    """Return choices about some means, (n_plans, 3 futures), with independent noise."""
    config = retailer()
    futures = [as_planned(config), Future("price_war", "War", config), Future("bust", "B", config)]
    rng = np.random.default_rng(1)
    npv = np.array(means)[:, :, None] + noise * rng.standard_normal((len(means), 3, N))
    npv = np.concatenate([npv, np.zeros((1, 3, N))])
    names = (*(f"plan_{i}" for i in range(len(means))), "today")
    payoffs = Payoffs(names, tuple(f.name for f in futures), npv, np.array([0.5, 0.25, 0.25]))
    settings, _ = read_settings(Regret, "regret", ["optimism=0.5"])
    life = PilotLife("plan_0", 4, npv[0], npv[0] - 1e6, npv[0] - 2e6, npv[0] - 1e6,
                     np.ones((3, N), dtype=bool))  # fmt: skip
    return Compared(config, futures, 2, payoffs, {"npv": npv}, settings, [life] if pilots else [])


CLEAR = [[9e6, 9e6, -6e6], [4e6, 4e6, 4e6]]


class TestWords:
    def test_the_least_regretted_choice_is_named(self):
        report = RegretReport(compared(CLEAR))
        assert report.headline.startswith("One would least regret “Plan 1”")
        assert "CNY\N{NO-BREAK SPACE}5" in report.headline
        assert report.tone == "good"

    def test_what_cannot_be_told_apart_is_not_ranked(self):
        report = RegretReport(compared([[1e4, 0, 0], [0, 1e4, 0]], noise=1e6))
        assert "cannot be told apart" in report.headline
        assert report.tone == ""
        assert "cannot be told apart either" in report.remarks[0]
        assert {row.note for row in report.average_table.rows} == {"place 1 to 3"}

    def test_doing_nothing_may_be_best(self):
        report = RegretReport(compared([[-9e6, -9e6, -9e6], [-4e6, -4e6, -4e6]]))
        assert report.headline.startswith("One would never regret doing nothing")
        assert report.tone == "bad"
        assert report.remarks == [
            "Every plan costs more than it brings on average over the futures.",
            "All 6 criteria pick doing nothing.",
            "To know beforehand which future comes is worth nothing: it changes no choice.",
        ]

    def test_knowing_is_worth_what_it_changes(self):
        report = RegretReport(compared(CLEAR))
        whole, *single = report.questions.items()
        # Best on average: plan 0 earns 5.25, plan 1 earns 4; knowing, 0.75 x 9 + 0.25 x 4 = 7.75.
        assert whole[1].value.value == pytest.approx(2.5e6, rel=0.05)
        assert single[0][0] == "Whether it will be “Bust”"
        assert single[0][1].value.value == pytest.approx(2.5e6, rel=0.05)
        assert single[-1][1].value.value <= single[0][1].value.value

    def test_a_pilot_that_costs_more_than_it_saves_is_called_so(self):
        sections = [section for section, _ in RegretReport(compared(CLEAR)).parts()]
        lead = next(section.lead for section in sections if section.title == "A pilot first?")
        assert lead.startswith("For “Plan 0” a pilot costs CNY\N{NO-BREAK SPACE}1.0")

    def test_the_answer_that_hurts_most_is_among_rivals_answers(self):
        report = RegretReport(compared([[9e6, 2e6, -6e6]]))
        assert report.worst_answers[0].future == 1
        assert report.worst[0].future == 2


def test_files(tmp_path):
    report = RegretReport(compared(CLEAR))
    page = write_finding(report.finding(), tmp_path, "regret")
    html = page.read_text()
    assert report.headline in html
    assert "nan" not in html.lower().replace("finance", "")
    for name in ("regret", "strips", "trade_off", "knowing", "pilot_worth", "pilot_decisions"):
        assert (tmp_path / f"{name}.png").stat().st_size > 0
        assert f'id="{name}-' in html
    means = pd.read_csv(tmp_path / "npv_by_future.csv")
    assert len(means) == 9
    assert means.groupby("future").regret.min().eq(0).all()
    worlds = pd.read_csv(tmp_path / "worlds.csv")
    assert len(worlds) == 9 * N
    document = json.loads((tmp_path / "regret.json").read_text())
    assert document["picks"]["max_regret"] == ["plan_1"]


def test_a_page_without_rivals_or_pilots(tmp_path):
    found = compared(CLEAR, pilots=False)
    alone = replace(found, n_answers=1)
    titles = [section.title for section, _ in RegretReport(alone).parts()]
    assert "The answer of rivals that hurts most" not in titles
    assert "A pilot first?" not in titles


class TestCommand:
    def test_a_whole_run(self, tmp_path, capsys):
        main([*TINY, f"out={tmp_path}", "pilot.after=3"])
        told = capsys.readouterr().out
        assert "Doing nothing" in told
        assert f"Page:    {tmp_path / 'regret.html'}" in told
        criteria = pd.read_csv(tmp_path / "criteria.csv")
        idle = criteria[(criteria.choice == "today") & (criteria.criterion == "expected")]
        assert idle.value.tolist() == [0.0]
        worlds = pd.read_csv(tmp_path / "worlds.csv")
        assert worlds.groupby(["choice", "future"]).size().eq(4).all()
        assert set(worlds.future) == {"as_planned", "price_war"}
        pilots = pd.read_csv(tmp_path / "pilots.csv")
        np.testing.assert_allclose(pilots.worth, pilots.waiting + pilots.deciding)

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["plan=today"], "leaves nothing to choose"),
            (["shocks=[price_war]"], "name of two futures"),
            (["weights={price_war: 1}"], "'as_planned' has no weight"),
            (["targets={churn: 0.4}"], "did you mean 'churn_annual'"),
            (["pilot.after=12"], "nothing is left to decide"),
            (["pilot.conditions=[{measure: retentions, at_least: 1}]"], "did you mean 'retention'"),
            (["optimism=2"], "out of range"),
        ],
    )
    def test_bad_input_is_said_before_anything_is_lived(self, tmp_path, arguments, said):
        with pytest.raises(ConfigError, match=said):
            main([*TINY, f"out={tmp_path / 'out'}", *arguments])
        assert not (tmp_path / "out").exists()

    def test_the_baseline_among_the_plans_is_no_second_choice(self):
        config = replace(retailer(), plans=(retailer().baseline, retailer().plan))
        assert [plan.name for plan in plans_of(config)] == ["three_phase"]
