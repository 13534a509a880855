"""Plans, levers, risks and markets that cannot be: one message says where, what and what else.

Every message names the file, the setting, what was given, and what is allowed or the known name
that is nearest. None comes as a traceback, and none after a world has been lived.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

import sim.study
from sim.cli import main
from sim.config.files import folder_of, read
from sim.config.load import load
from sim.config.market import Benchmark
from sim.errors import ConfigError
from sim.study import run_study

REPOSITORY = Path(__file__).parents[1]
WHEEL = "own/lever/wheel.yaml"
PLAN = "mine.yaml"
WITH_PLAN = [f"plan={PLAN}"]
TODAY = ["plan=today"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    return tmp_path


def lever(name="wheel", **more):
    return {"name": name, "title": name, "half_saturation": 1.0, **more}


def task(name, team="technology", **more):
    return {"name": name, "team": team, "weeks": 2, **more}


def plan(*levers, **more):
    """Return a plan that pays for levers in its first two quarters."""
    phase = {"name": "one", "quarters": [1, 2], "spend": dict.fromkeys(levers, 900)}
    return {"name": "mine", "title": "Mine", "phases": [phase], **more}


def gate(after=2, **condition):
    return {"after": after, "conditions": [condition]}


def review(source="", **condition):
    return {"rules": [{"name": "move", "source": source, "when": [condition]}]}


def risks(**more):
    storm = {"name": "storm", "title": "Storm", "probability": 0.1, "severity": 1.0, **more}
    return {"name": "bad", "title": "Bad", "register": [storm]}


def rivals(**rival):
    return {"name": "bad", "title": "Bad", "brands": {"rival_1": rival}}


def market(perks=None, **more):
    data = read(folder_of("market") / "online_retail.yaml") | {"name": "bad"} | more
    data["brands"][1]["perks"] = perks or {}
    return data


def waves(*given):
    return {"waves": [{"name": f"wave {n}", **wave} for n, wave in enumerate(given, 1)]}


def tiers(**spends):
    return {"tiers": [{"name": name, "spend": spend} for name, spend in spends.items()]}


CASES = {
    "tasks that wait for each other": (
        {WHEEL: lever(tasks=[task("draw", needs=["cut"]), task("cut", needs=["draw"])])},
        TODAY,
        "own/lever/wheel.yaml: lever.wheel.tasks: tasks wait for each other in a circle: "
        "draw -> cut -> draw; allowed: tasks that can be put in an order",
    ),
    "levers that need each other": (
        {
            WHEEL: lever(needs=["axle"]),
            "own/lever/axle.yaml": lever("axle", needs=["wheel"]),
        },
        TODAY,
        "own/lever/axle.yaml: lever.axle.needs: levers need each other in a circle: "
        "axle -> wheel -> axle; allowed: needs that can be put in an order",
    ),
    "a lever that needs one that is not there": (
        {WHEEL: lever(needs=["core_tem"])},
        TODAY,
        "own/lever/wheel.yaml: lever.wheel.needs: no such lever: core_tem; "
        "did you mean 'core_team'?",
    ),
    "a team of nobody": (
        {
            "own/organisation/bad.yaml": {
                "name": "bad", "title": "Bad", "teams": [{"name": "support", "people": 0}],
            },
        },
        [*TODAY, "organisation=bad"],
        "own/organisation/bad.yaml: organisation.teams.support.people: 0 is out of range; "
        "allowed: 1 to 1,000,000 (people)",
    ),
    "a task for no team": (
        {WHEEL: lever(tasks=[task("draw", "technologie")]), PLAN: plan("wheel")},
        WITH_PLAN,
        "own/lever/wheel.yaml: lever.wheel.tasks.draw.team: 'technologie' is no team of "
        "organisation 'retail'; did you mean 'technology'?",
    ),
    "a task for more people than there are": (
        {WHEEL: lever(tasks=[task("draw", people=11)]), PLAN: plan("wheel")},
        WITH_PLAN,
        "own/lever/wheel.yaml: lever.wheel.tasks.draw.people: 11 people would never be free: "
        "team 'technology' of organisation 'retail' has 10; allowed: 1 to 10 (people)",
    ),
    "tiers out of order": (
        {WHEEL: lever(membership=tiers(gold=500, silver=100))},
        TODAY,
        "own/lever/wheel.yaml: lever.wheel.membership.tiers.silver.spend: begins at 100, not above "
        "'gold' at 500; allowed: tiers in order of rising spend",
    ),
    "a gate after the last quarter": (
        {PLAN: plan(gate=gate(12, measure="share", at_least=0.1))},
        WITH_PLAN,
        "mine.yaml: plan.gate.after: decides after quarter 12, when nothing is left to decide; "
        "allowed: 1 to 11, before the study ends",
    ),
    "a gate's condition without a bound": (
        {PLAN: plan(gate=gate(measure="share"))},
        WITH_PLAN,
        "mine.yaml: plan.gate.conditions.share.at_least: has no bound; "
        "allowed: at_least or at_most",
    ),
    "a rule's condition without a bound": (
        {PLAN: plan(review=review(measure="share"))},
        WITH_PLAN,
        "mine.yaml: plan.review.rules.move.when.share.at_least: has no bound; "
        "allowed: at_least or at_most",
    ),
    "a condition on a segment that is not there": (
        {PLAN: plan(gate=gate(measure="share", segment="vpi", at_least=0.1))},
        WITH_PLAN,
        "mine.yaml: plan.gate.conditions: no such segment: vpi; did you mean 'vip'?",
    ),
    "a rule that moves money of a lever without any": (
        {PLAN: plan("promotion", review=review("promotoin", measure="share", at_least=0.1))},
        WITH_PLAN,
        "mine.yaml: plan.review.rules.move: moves money of a lever that the plan does not pay for: "
        "promotoin; did you mean 'promotion'?",
    ),
    "a probability above 1": (
        {"own/risks/bad.yaml": risks(probability=1.2)},
        [*TODAY, "risks=bad"],
        "own/risks/bad.yaml: risks.register.storm.probability: 1.2 is out of range; "
        "allowed: 0 to 1 (per year)",
    ),
    "a lever both needed and excluded": (
        {WHEEL: lever(needs=["core_team"], excludes=["core_team"])},
        TODAY,
        "own/lever/wheel.yaml: lever.wheel.excludes: lever 'core_team' is both needed and "
        "excluded; allowed: needs and excludes that do not share a lever",
    ),
    "money for two levers that exclude each other": (
        {WHEEL: lever(excludes=["promotion"]), PLAN: plan("wheel", "promotion")},
        WITH_PLAN,
        "mine.yaml: plan.phases: lever 'wheel' excludes lever 'promotion', and the plan pays for "
        "both; allowed: one of the two",
    ),
    "money for two memberships": (
        {
            WHEEL: lever(membership=tiers(gold=0)),
            "own/lever/axle.yaml": lever("axle", membership=tiers(gold=0)),
            PLAN: plan("wheel", "axle"),
        },
        WITH_PLAN,
        "mine.yaml: plan.phases: pays for 2 memberships: wheel, axle; "
        "allowed: one lever with a membership",
    ),
    "waves that reach more than all": (
        {PLAN: plan(rollout=waves({"share": 0.6}, {"share": 0.6}))},
        WITH_PLAN,
        "mine.yaml: plan.rollout.waves: waves bring every segment to 1.2; "
        "allowed: shares that sum to 1 or less over the waves",
    ),
    "a wave for a segment that is not there": (
        {PLAN: plan(rollout=waves({"segments": {"vpi": 0.6}}))},
        WITH_PLAN,
        "mine.yaml: plan.rollout.waves.wave 1.segments.vpi: no such segment in this market; "
        "did you mean 'vip'?",
    ),
    "a rival that copies a lever that is not there": (
        {"own/rivals/bad.yaml": rivals(kind="imitate", levers=["promotoin"])},
        [*TODAY, "rivals=bad"],
        "own/rivals/bad.yaml: rivals.brands.rival_1.levers: no such lever: promotoin; "
        "did you mean 'promotion'?",
    ),
    "perks of a lever that is not there": (
        {"own/market/bad.yaml": market({"promotoin": 0.5})},
        [*TODAY, "market=bad"],
        "own/market/bad.yaml: market.brands.rival_1.perks: no such lever: promotoin; "
        "did you mean 'promotion'?",
    ),
    "yellow above red": (
        {"own/market/bad.yaml": market(warning={"yellow": 0.8, "red": 0.6})},
        [*TODAY, "market=bad"],
        "own/market/bad.yaml: market.warning.yellow: begins at 0.8, above red at 0.6; "
        "allowed: a score below that of red",
    ),
    "a risk made rarer by a lever that is not there": (
        {"own/risks/bad.yaml": risks(mitigation={"privcy": 0.5})},
        [*TODAY, "risks=bad"],
        "own/risks/bad.yaml: risks.register.storm.mitigation: no such lever: privcy; "
        "did you mean 'privacy'?",
    ),
    "a risk that needs a lever that is not there": (
        {"own/risks/bad.yaml": risks(needs="privcy")},
        [*TODAY, "risks=bad"],
        "own/risks/bad.yaml: risks.register.storm.needs: no such lever: privcy; "
        "did you mean 'privacy'?",
    ),
    "a desk that is not there": (
        {},
        [*TODAY, "desk=writen_24h"],
        "command line: desk: no such desk: writen_24h; did you mean 'written_24h'?",
    ),
    "an organisation that is not there": (
        {},
        [*TODAY, "organisation=smal"],
        "command line: organisation: no such organisation: smal; did you mean 'small'?",
    ),
}  # fmt: skip
"""What is wrong, with the files, the overrides and the whole message."""


def write(files):
    for name, data in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_is_refused_in_one_sentence(case):
    files, overrides, message = CASES[case]
    write(files)
    with pytest.raises(ConfigError) as caught:
        load(None, overrides, folders=["own"])
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "case",
    [
        "tasks that wait for each other",
        "a gate after the last quarter",
        "a probability above 1",
        "a desk that is not there",
    ],
)
def test_the_command_line_says_the_same(case, here):
    files, overrides, message = CASES[case]
    write(files)
    done = subprocess.run(
        [sys.executable, "-m", "sim", "run", "--config-dir", "own", *overrides],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"fidelio: {message}\n"
    assert not (here / "outputs").exists()


def test_the_first_of_several_plans_is_named_by_its_own_file():
    write({PLAN: plan(overhead=-1)})
    with pytest.raises(ConfigError) as caught:
        load(None, [f"plans=[{PLAN},today]"], "compare")
    assert str(caught.value).startswith("mine.yaml: plan.overhead: -1 is out of range; allowed: 0")


@pytest.fixture
def no_world(monkeypatch):
    """Let a test fail where a study begins to live a world."""

    def begin(*_, **__):
        raise AssertionError("a world was begun")

    monkeypatch.setattr(sim.study, "LocalEngine", begin)
    monkeypatch.setattr(sim.study, "LoyaltyModel", begin)


MEASURES = {
    "a gate": (
        plan(gate=gate(measure="shar", at_least=0.1)),
        "mine.yaml: plan.gate.conditions: plan 'mine' looks at 'shar', which is no measure; "
        "did you mean 'share'?",
    ),
    "a rule": (
        plan("promotion", review=review(measure="shar", at_least=0.1)),
        "mine.yaml: plan.review.rules.move.when: plan 'mine' looks at 'shar', which is no measure; "
        "did you mean 'share'?",
    ),
}


@pytest.mark.parametrize("by", MEASURES)
def test_a_measure_that_is_not_there(by, here, capsys, no_world):
    data, message = MEASURES[by]
    write({PLAN: data})
    assert main(["run", *WITH_PLAN]) == 2
    assert capsys.readouterr() == ("", f"fidelio: {message}\n")
    assert not (here / "outputs").exists()
    config = load(None, WITH_PLAN)
    with pytest.raises(ConfigError) as caught:
        run_study(config)
    assert f"mine.yaml: {caught.value}" == message


def test_a_benchmark_of_a_measure_that_is_not_there(no_world):
    config = load(None, TODAY)
    wrong = replace(config.market, benchmarks=(Benchmark("chrun", 0.1),))
    with pytest.raises(
        ConfigError, match=r"^market\.benchmarks: the market looks at 'chrun', which is"
    ):
        run_study(replace(config, market=wrong))
