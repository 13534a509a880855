"""Names, paths and overrides; what goes before what; which file an error names."""

from __future__ import annotations

import sys

import pytest
import yaml

from sim.config.files import GROUPS, choices, folder_of, read
from sim.config.load import Composer, load
from sim.errors import ConfigError

PLAN = {"name": "mine", "title": "My plan", "phases": []}
TODAY = ["plan=today"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data, sort_keys=False))
    return path


def refused(*overrides, scenario=None, command="run", folders=()):
    with pytest.raises(ConfigError) as caught:
        load(scenario, list(overrides), command, folders)
    return str(caught.value)


# --- names and paths -------------------------------------------------------------------------


def test_every_shipped_file_has_the_name_that_it_states():
    for group in (*GROUPS, "lever"):
        for name in choices(group):
            data = read(folder_of(group) / f"{name}.yaml")
            assert data["scenario" if group == "scenario" else "name"] == name


@pytest.mark.parametrize("name", choices("scenario"))
def test_every_shipped_scenario_composes(name):
    assert load(name).scenario == name


@pytest.mark.parametrize("name", choices("plan"))
def test_every_shipped_plan_composes(name):
    assert load(None, [f"plan={name}"]).plan.name == name


def test_every_lever_is_there():
    assert sorted(load(None, TODAY).lever) == list(choices("lever"))


def test_a_plan_by_path(here):
    write(here / "plans" / "my plan.yaml", PLAN)
    config = load(None, ["plan=plans/my plan.yaml", "plan.overhead=7", "baseline=today"])
    assert (config.plan.name, config.plan.overhead, config.baseline.name) == ("mine", 7, "today")
    config = load(None, ["plan=today", f"baseline={here / 'plans' / 'my plan.yaml'}"])
    assert config.baseline.name == "mine"


def test_a_market_by_path_takes_further_overrides(here):
    data = read(folder_of("market") / "online_retail.yaml")
    write(here / "mine.yaml", data | {"name": "mine", "basket": 99})
    config = load(None, [*TODAY, "market=mine.yaml", "market.rate.mean=0.9"])
    assert (config.market.name, config.market.basket, config.market.rate.mean) == ("mine", 99, 0.9)


def test_a_scenario_by_path_goes_before_the_root_and_after_the_command_line(here):
    write(
        here / "mine.yaml",
        {
            "defaults": [{"override /plan": "today"}, {"override /report": "none"}],
            "scenario": "mine",
            "customers": 300,
            "quarters": 5,
            "market": {"basket": 99},
            "lever": {"data_platform": {"carry_over": 0.25}},
        },
    )
    config = load("mine.yaml", ["customers=400"])
    assert (config.scenario, config.customers, config.quarters) == ("mine", 400, 5)
    assert (config.plan.name, config.market.basket, config.report.page) == ("today", 99, False)
    assert config.lever["data_platform"].carry_over == 0.25
    assert load("mine.yaml", ["report=page", "market.basket=5"]).market.basket == 5
    assert load("mine.yaml", ["report=page"]).report.page


def test_a_folder_of_ones_own(here):
    write(
        here / "own" / "lever" / "magic.yaml", {"name": "magic", "title": "", "half_saturation": 1}
    )
    write(here / "own" / "plan" / "trick.yaml", PLAN | {"name": "trick"})
    write(here / "own" / "scenarios" / "show.yaml", {"scenario": "show", "quarters": 3})
    config = load("show", ["plan=trick"], folders=["own"])
    assert (config.plan.name, config.quarters) == ("trick", 3)
    assert "magic" in config.lever
    assert "own/nowhere" in refused(folders=["own/nowhere"])


def test_inside_another_hydra_application(here):
    from hydra import compose, initialize_config_dir

    write(here / "conf" / "app.yaml", {"a": 1})
    with initialize_config_dir(str(here / "conf"), version_base="1.3"):
        assert load(None, TODAY).plan.name == "today"
        assert compose("app").a == 1


# --- settings --------------------------------------------------------------------------------


def test_settings_go_by_path_name_or_index():
    config = load(
        None,
        [
            *TODAY,
            "customers=50_000",
            "market.brands.focal.price=1.1",
            "market.brands.1.price=1.2",
            "market.survey.product_lines=5",
            "market.segments.vip.weights.price=3",
            "+seed=9",
        ],
    )
    assert config.customers == 50_000
    assert [brand.price for brand in config.market.brands[:2]] == [1.1, 1.2]
    assert config.market.survey.product_lines == 5
    assert config.market.segments[2].weights.price == 3
    assert config.seed == 9


def test_a_distribution_replaces_another():
    config = load(
        None,
        [*TODAY, "market.rate.mean={uniform:[1,2]}", "lever.data_platform.reach={beta:[2,2]}"],
    )
    assert config.market.rate.mean.as_yaml() == {"uniform": [1, 2]}
    assert config.lever["data_platform"].reach.form == "beta"


def test_a_scenario_gives_another_distribution(here):
    write(here / "base.yaml", read(folder_of("market") / "online_retail.yaml")
          | {"basket": {"uniform": [1, 2]}})  # fmt: skip
    write(here / "mine.yaml", {"market": {"basket": {"normal": [5, 1]}}})
    config = load("mine.yaml", [*TODAY, "market=base.yaml"])
    assert config.market.basket.as_yaml() == {"normal": [5, 1]}


def test_what_the_command_line_sets_is_assumed_there():
    config = load(
        None, [*TODAY, "market.basket=9", "market.rate={mean:0.9}", "market.brands.0.price=2"]
    )
    assert config.market.provenance["basket"] == "assumed: command line"
    assert config.market.provenance["brands.focal.price"] == "assumed: command line"
    assert config.market.provenance["rate.mean"] == "assumed: command line"
    assert config.market.rate.half_life == 8
    assert "company_customers" in config.market.provenance
    assert load(None, TODAY).market.provenance.get("basket") != "assumed: command line"


# --- compare ---------------------------------------------------------------------------------


def test_compare_takes_plans_by_name_and_path(here):
    write(here / "mine.yaml", PLAN)
    config = load(None, ["plans=[mine.yaml,today]", "plans.today.overhead=4"], "compare")
    assert [plan.name for plan in config.plans] == ["mine", "today"]
    assert config.plan is not config.plans[1]
    assert config.plan == config.plans[0]
    assert config.plans[1].overhead == 4


def test_an_override_of_plan_concerns_every_plan(here):
    write(here / "mine.yaml", PLAN)
    config = load(None, ["plans=[mine.yaml,today]", "plan.overhead=4"], "compare")
    assert [plan.overhead for plan in config.plans] == [4, 4]
    assert config.plans[1].provenance["overhead"] == "assumed: command line"


def test_a_scenario_may_name_plans(here):
    write(here / "mine.yaml", {"plans": ["today"]})
    assert [plan.name for plan in load("mine.yaml", (), "compare").plans] == ["today"]
    assert load("mine.yaml", TODAY).plans == ()
    write(here / "mine.yaml", {"plans": ["yesterday"]})
    assert refused(scenario="mine.yaml", command="compare").startswith(
        "mine.yaml: plans: no such plan: yesterday; did you mean"
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("plans=[todya]", "command line: plans: no such plan: todya; did you mean 'today'?"),
        ("plans=[today,today]", "plans: 'today' stands twice; allowed: each plan once"),
        ("plans=[]", "command line: plans: [] is no list of plans; allowed: [NAME, ...]"),
        ("plans=today", "command line: plans: 'today' is no list of plans"),
        ("plan=today", "command line: plan: compare takes several; allowed: plans=[NAME, ...]"),
    ],
)
def test_plans_that_cannot_be_compared(override, message):
    assert refused(override, command="compare").startswith(message)


# --- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("market=onlin_retail", "market: no such market: onlin_retail; did you mean 'online_ret"),
        ("baseline=todya", "baseline: no such plan: todya; did you mean 'today'?"),
        ("scenario=retail_tree_phase", "scenario: no such scenario: retail_tree_phase; did you m"),
        ("plan=", "plan: no plan is given; known: "),
        ("plan=nope.yaml", "plan: no such file: "),
        ("customers=-5", "customers: -5 is out of range; allowed: 100 to 100,000,000 (simulated"),
        ("customers=many", "customers: 'many' is no number; allowed: 100 to"),
        ("custmers=5", "custmers: no such setting; did you mean 'customers'?"),
        ("market.rate.meen=5", "market.rate.meen: no such setting; did you mean 'mean'?"),
        ("market.brands.fokal.price=5", "market.brands.fokal: no such item; did you mean 'focal'"),
        ("market.brands.focal.price=-1", "market.brands.focal.price: -1 is out of range"),
        ("market.segments.vip.share=0.5", "market.segments: shares sum to 1.42; allowed: a sum of"),
        ("lever.core_tem.reach=1", "lever.core_tem: no such lever; did you mean 'core_team'?"),
        ("lever=core_team", "lever: every lever is there already"),
        ("rivals.brands.rival_9.kind=hold", "rivals.brands.rival_9: no such rival in this market"),
        ("desk=writen_24h", "desk: no such desk: writen_24h; did you mean 'written_24h'?"),
        ("organisation.teams.support.people=0", "organisation.teams.support.people: 0 is out of r"),
        ("market.basket=${nowhere}", "market.basket: Interpolation key 'nowhere' not found"),
        ("customers", "'customers' sets nothing; allowed: KEY=VALUE"),
        ("customers=[1,2", "'customers=[1,2' cannot be read: "),
        ("customers=1,2", ""),
        ("plans=[today]", "plans: is for compare"),
        ("~customers=5", ""),
    ],
)
def test_errors_of_the_command_line(override, message):
    assert (
        refused(*([] if override.startswith("plan=") else TODAY), override)
        .removeprefix("command line: ")
        .startswith(message)
    )


def test_errors_of_a_file_name_the_file(here):
    write(here / "plans" / "bad.yaml", PLAN | {"overhead": -1})
    assert refused("plan=plans/bad.yaml").startswith(
        "plans/bad.yaml: plan.overhead: -1 is out of range; allowed: 0 or more (currency"
    )
    assert refused(*TODAY, "baseline=plans/bad.yaml").startswith("plans/bad.yaml: baseline.overh")
    assert refused("plans=[today,plans/bad.yaml]", command="compare").startswith(
        "plans/bad.yaml: plans.mine.overhead: -1"
    )
    write(here / "mine.yaml", {"market": {"basket": -1}, "quarters": 0})
    assert refused(*TODAY, scenario="mine.yaml").startswith("mine.yaml: market.basket: -1")
    assert refused(*TODAY, "market.basket=1", scenario="mine.yaml").startswith(
        "mine.yaml: quarters: 0"
    )
    write(here / "other.yaml", {"defaults": [{"override /plan": "yesterday"}]})
    assert "no such plan: yesterday; did you mean" in refused(scenario="other.yaml")


def test_a_plan_outside_the_clock(here):
    phase = {"name": "late", "quarters": [3, 5], "spend": {"core_team": 10}}
    write(here / "late.yaml", PLAN | {"phases": [phase]})
    assert refused("plan=late.yaml", "quarters=4").startswith(
        "late.yaml: plan.phases.late.quarters: spends in quarter 5, but the study ends with quart"
    )


def test_a_lever_that_needs_another(here):
    for name, needs in (("roof", ["wall"]), ("wall", [])):
        lever = {"name": name, "title": name, "half_saturation": 1, "needs": needs}
        write(here / "own" / "lever" / f"{name}.yaml", lever)
    phase = {"name": "one", "quarters": [1, 2], "spend": {"roof": 10}}
    write(here / "own" / "plan" / "mine.yaml", PLAN | {"phases": [phase]})
    assert refused("plan=mine", folders=["own"]).startswith(
        "own/plan/mine.yaml: plan.phases: lever 'roof' needs lever 'wall'"
    )
    phase["spend"]["wall"] = 5
    write(here / "own" / "plan" / "mine.yaml", PLAN | {"phases": [phase]})
    assert load(None, ["plan=mine"], folders=["own"]).plan.levers == ("roof", "wall")
    phase["spend"]["wal"] = 5
    write(here / "own" / "plan" / "mine.yaml", PLAN | {"phases": [phase]})
    assert "did you mean 'wall'?" in refused("plan=mine", folders=["own"])


def test_bad_yaml(here):
    write(here / "bad.yaml", "name: mine\ntitle: [one, two\n")
    assert refused("plan=bad.yaml").startswith("bad.yaml: no YAML in line 3, column 1: ")
    write(here / "bad.yaml", "- one\n")
    assert refused("plan=bad.yaml") == "bad.yaml: holds a list; allowed: keys with values"
    (here / "bad.yaml").write_bytes(b"name: \xff\xfe")
    assert "cannot be read" in refused("plan=bad.yaml")
    write(here / "own" / "plan" / "bad.yaml", "name: [")
    assert refused("plan=bad", folders=["own"]).startswith("own/plan/bad.yaml: no YAML in line 1")


def test_an_unknown_command():
    assert refused(command="rnu").endswith("did you mean 'run'?")


# --- translation -----------------------------------------------------------------------------


def test_overrides_come_back_as_typed(here):
    write(here / "mine.yaml", PLAN)
    typed = [
        "scenario=retail_three_phase",
        "plan=mine.yaml",
        "baseline=today",
        "market.brands.focal.price=1.1",
        "customers=300",
        "finance.gross_margin={uniform:[0.1,0.2]}",
    ]
    with Composer("run") as composer:
        line = composer.command_line(composer.translate(typed))
    assert line == f"fidelio run {' '.join(typed[:-1])} '{typed[-1]}'"


def test_the_temporary_folder_goes():
    with Composer("run") as composer:
        assert composer._staging.is_dir()
    assert not composer._staging.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a path with a quote")
def test_a_path_with_odd_characters(here):
    write(here / "it's, mine" / "plan (1).yaml", PLAN)
    assert load(None, [f"plan={here / 'it'}'s, mine/plan (1).yaml"]).plan.name == "mine"


def test_a_setting_below_a_name_reaches_every_plan_that_is_compared():
    settings = ["plans=[three_phase,service_first]", "plan.phases.mid.spend.training=7"]
    config = load("retail_three_phase", settings, "compare")
    for plan in config.plans:
        [phase] = [phase for phase in plan.phases if phase.name == "mid"]
        assert phase.spend["training"] == 7
