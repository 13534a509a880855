"""The page of a stress test: what it says first, what it does not say, and its files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sim
from sim.commands.stress import HELP, NAME, main
from sim.config.plan import Phase, Plan
from sim.config.settings import settings_help
from sim.config.stress import Covenant, Stress
from sim.config.study import Config
from sim.errors import ConfigError
from sim.finance.cash_flow import SPEND
from sim.planning.future import Case
from sim.planning.life import FLOWS
from sim.planning.stress import live_test, make_stress_test
from sim.report.stress import StressReport, write_stress_page
from sim.types import F64

WORLDS, QUARTERS = 16, 5
SMALL = ["customers=300", f"quarters={QUARTERS}", "burn_in=4", "engine.progress=false"]
SHOCKS = ["demand_down", "price_war", "two_quarter_delay", "second_phase_cut"]
LUCK = np.repeat(np.linspace(-1e5, 1e5, WORLDS)[:, None], QUARTERS, axis=1)


class Told:
    """Lives whose net cash is as told, by plan and future."""

    def __init__(self, net: Callable[[str, str], F64]) -> None:
        self.net = net

    def live(self, cases: Sequence[Case], worlds: range, progress: object = None) -> Told:
        flows = np.zeros((len(cases), WORLDS, QUARTERS, len(FLOWS)))
        for flow, case in zip(flows, cases, strict=True):
            if case.plan.name != "today":
                flow[:, :, FLOWS.index("net")] = self.net(case.plan.name, case.future.name)
                flow[:, :, FLOWS.index(SPEND[0])] = -1e5
        self.flows = flows
        rates = [case.future.config.finance.quarterly_rate for case in cases]
        self.rates = np.repeat(np.array(rates)[:, None], WORLDS, axis=1)
        return self


@pytest.fixture(scope="module")
def study() -> Config:
    config = sim.load("do_nothing", SMALL)
    phases = (Phase("first", (1, 2), {"training": 4e5}), Phase("second", (3, 5), {"training": 2e5}))
    two = Plan("two", "Two phases", phases=phases)
    return replace(config, plan=two, plans=(two, Plan("one", "One phase", phases=phases[:1])))


def report_of(
    study: Config, net: Callable[[str, str], F64], *, by_phase: bool = False,
    covenants: Sequence[Covenant] = (), shocks: Sequence[str] = SHOCKS,
) -> StressReport:  # fmt: skip
    test = make_stress_test(study, shocks, by_phase=by_phase)
    return StressReport(live_test(test, Told(net), WORLDS), covenants)  # type: ignore[arg-type]


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def alone(study: Config) -> Config:
    return replace(study, plans=())


# --- what is said first --------------------------------------------------------------------------


def test_a_plan_that_is_surely_better_is_called_the_most_robust(study: Config) -> None:
    levels = {"two": 6e5, "one": 2e5}
    report = report_of(study, lambda plan, shock: LUCK + levels[plan] - 1e5 * (shock == SHOCKS[0]))
    assert plain(report.headline) == (
        "“Two phases” is the most robust: under its worst shock, “Demand falls by a fifth”, it "
        "earns CNY 2.4 million against today's plan"
    )
    assert report.tone == "good"


def test_plans_that_cannot_be_told_apart_are_not_ranked(study: Config) -> None:
    report = report_of(study, lambda plan, shock: LUCK if plan == "one" else -LUCK + 1e3)
    assert report.headline.startswith("No plan is the most robust for sure: “Two phases” cannot be "
                                      "told apart from “One phase”")  # fmt: skip
    assert report.tone == ""
    assert any("cannot be told apart from it under 4" in remark for remark in report.remarks())


def test_a_single_plan_is_told_as_planned_and_at_its_worst(study: Config) -> None:
    report = report_of(alone(study), lambda plan, shock: LUCK + (5e5 if shock != SHOCKS[1]
                                                                 else -5e5))  # fmt: skip
    assert plain(report.headline) == (
        "“Two phases” earns CNY 2.4 million against today's plan as planned; under the worst "
        "shock, “A price war”, it loses CNY 2.4 million against today's plan"
    )
    assert report.tone == "bad"


def test_a_shock_that_moves_nothing_and_money_not_spent_are_remarked(study: Config) -> None:
    report = report_of(alone(study), lambda plan, shock: LUCK + 2e5 * (shock == SHOCKS[1]))
    remarks = [plain(remark) for remark in report.remarks()]
    assert "“Demand falls by a fifth” moves none of these figures." in remarks
    # two of the three quarters of the second phase would come after the last one
    assert any("CNY 133 thousand of “Two phases” would come after" in remark
               for remark in remarks)  # fmt: skip


def test_a_plan_that_does_what_todays_does_is_worth_nothing_and_not_ranked(study: Config) -> None:
    report = report_of(study, lambda plan, shock: LUCK + 4e5 if plan == "two" else 0 * LUCK)
    assert [each.name for each in report.standings] == ["two"]
    assert any("“One phase”: does what today's plan does" in remark for remark in report.remarks())


# --- the page ------------------------------------------------------------------------------------


def test_the_memo_marks_what_is_clear_of_zero_and_what_is_not_touched(study: Config) -> None:
    report = report_of(study, lambda plan, shock: LUCK + 5e5 * (plan == "two"))
    memo = next(report.parts())[0].table
    assert memo is not None
    rows = {row.name: row for row in memo.rows}
    planned = rows["As planned"]
    assert planned.best == {0}
    assert re.fullmatch(r"0\.00 \(−0\.\d+ to 0\.\d+\)", planned.cells[1])
    cut = rows["The second phase loses three tenths of its budget"]
    assert cut.cells[1] == "not touched"


def test_the_page_its_pictures_and_tables_are_written(study: Config, tmp_path: Path) -> None:
    covenants = [Covenant(opening=1e5, cash_at_least=0.0), Covenant(payback_by=5),
                 Covenant(yearly_spend_at_most=1e9)]  # fmt: skip
    report = report_of(
        study, lambda plan, shock: LUCK - 5e4 * (shock == SHOCKS[0]), by_phase=True,
        covenants=covenants, shocks=[*SHOCKS, "demand_down+price_war"],
    )  # fmt: skip
    page = write_stress_page(report, tmp_path)
    text = page.read_text(encoding="utf-8")
    for title in ("The table for the memo", "Plans and shocks at a glance", "Combinations",
                  "Cash under the worst shock", "When it hurts", "How it was done",
                  "Two phases: funding and payback", "Covenant: cash that opens at"):  # fmt: skip
        assert title in text
    assert "Every plan keeps it in every world, under every shock." in text
    assert "cannot strike in a phase alone, for it changes the plan itself" in text
    assert not re.search(r">\s*(nan|inf|None)\b", text)
    for name in ("stress_map", "stress_cash", "stress_phases", "tornado_two", "tornado_one"):
        assert (tmp_path / f"{name}.png").stat().st_size > 5000
        assert (tmp_path / f"{name}.svg").exists()

    memo = pd.read_csv(tmp_path / "memo.csv")
    assert memo["shock"].tolist() == ["as_planned", *report.shocks]
    npv = report.result.outcomes["two", "price_war"].npv
    row = memo.set_index("shock").loc["price_war"]
    assert row[["two_npv", "two_low", "two_high"]].tolist() == pytest.approx(
        [npv.mean, npv.low, npv.high]
    )
    outcomes = pd.read_csv(tmp_path / "outcomes.csv")
    assert len(outcomes) == 2 * (1 + len(report.shocks))
    own = outcomes.set_index(["plan", "shock"])
    assert not own.loc["one", "second_phase_cut"]["touched"]
    broken = pd.read_csv(tmp_path / "covenants.csv")
    assert (broken["share_low"] <= broken["share"]).all()
    assert len(pd.read_csv(tmp_path / "cash.csv")) == len(outcomes) * QUARTERS
    document = json.loads((tmp_path / "stress.json").read_text())
    assert document["headline"] == report.headline
    assert [shock["name"] for shock in document["shocks"]] == list(report.shocks)


# --- the command ---------------------------------------------------------------------------------


def test_the_command_from_line_to_page_and_again_from_what_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["scenario=do_nothing", "plan=service_only", "customers=300", "replications=2",
            "burn_in=4", "shocks=[discount_rate_up,service_collapse]", f"out={tmp_path}",
            "covenants=[{payback_by: 12}]", "progress=false", "workers=1"]  # fmt: skip
    main(line)
    said = capsys.readouterr()
    assert "Service as the weapon" in said.out
    assert "2 worlds are few" in said.out
    assert f"Page:    {tmp_path / 'stress.html'}" in said.out
    first = (tmp_path / "outcomes.csv").read_bytes()
    parts = {path: path.stat().st_mtime_ns for path in (tmp_path / "lives").rglob("*.parquet")}
    assert parts
    main(line)
    again = {path: path.stat().st_mtime_ns for path in (tmp_path / "lives").rglob("*.parquet")}
    assert again == parts  # nothing is lived twice
    assert (tmp_path / "outcomes.csv").read_bytes() == first


def test_bad_settings_end_before_anything_is_lived(tmp_path: Path) -> None:
    wrong = {
        "shocks=[demand_dwn]": "did you mean 'demand_down'",
        "shocks=[]": "shocks: is empty",
        "covenants=[{payback_by: 50}]": "50 lies beyond quarter 16",
        "covenants=[{payback: 5}]": "no such setting.*'payback_by'",
        "by_phase=perhaps": "neither true nor false",
        "shock=[all]": "did you mean 'shocks'",
    }
    for text, message in wrong.items():
        out = tmp_path / "never"
        with pytest.raises(ConfigError, match=message):
            main(["scenario=do_nothing", "plan=service_only", f"out={out}", text])
        assert not out.exists()


def test_help_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    said = capsys.readouterr().out
    assert said == HELP.format(settings=settings_help(Stress, NAME))
    assert all(name in said for name in ("shocks", "by_phase", "covenants", "workers"))
