"""Keys are the same where results are, and nowhere else."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from sim.config.build import Unknowns, build, dump, join, labels
from sim.config.design import Factor
from sim.config.distributions import FORMS
from sim.config.edit import Editor
from sim.config.fields import Uncertain
from sim.config.load import load
from sim.config.study import Config
from sim.engines.local import LocalEngine
from sim.errors import ConfigError
from sim.study import Groundwork, Task, run_replication
from sim.sweep import content
from sim.sweep.content import ContentKeys, code_files, code_version

SMALL = ["customers=600", "quarters=6", "burn_in=4", "risks=retail", "organisation=retail"]
ASIDE = {"accounting", "engine", "report", "replications", "benchmarks", "provenance", "command"}


def factors(keys):
    return [Factor(key, values=(0.0,)) for key in keys]


def edited(base, **values):
    return Editor(base, factors(values)).edit(values)


def keys(config):
    return ContentKeys(config).keys(config)


@pytest.fixture(scope="module")
def base() -> Config:
    return load("retail_three_phase", [*SMALL, "plan.phases.long.quarters=[5,6]"])


@pytest.fixture(scope="module")
def several() -> Config:
    plans = "plans=[today,three_phase,service_first,promotion_first]"
    return load("retail_three_phase", ["customers=600", "risks=retail", plans], "compare")


def numbers(data, path=""):
    """Yield path and value of every number in plain data; a distribution is one."""
    if isinstance(data, dict) and [*data] not in [[form] for form in FORMS]:
        for name, item in data.items():
            if name not in ASIDE:
                yield from numbers(item, join(path, name))
    elif isinstance(data, list):
        for name, item in zip(labels(data), data, strict=True):
            yield from numbers(item, join(path, name))
    elif not isinstance(data, bool | str) and data is not None:
        yield path, data


@given(data=st.data())
@settings(max_examples=150)
def test_any_changed_number_changes_the_key(base, data):
    funded = {*base.plan.levers, *base.baseline.levers}
    stands = dict(numbers(dump(base)))
    key = data.draw(st.sampled_from(sorted(stands)))
    top, _, rest = key.partition(".")
    steps = [-1, 1] if isinstance(stands[key], int) else [1e-12, -1e-12, 0.01]
    number = float(next(iter(stands[key].values()))[1] if isinstance(stands[key], dict)
                   else stands[key])  # fmt: skip
    try:
        new = edited(base, **{key: number + data.draw(st.sampled_from(steps))})
    except ConfigError:
        return  # out of its range
    after = ContentKeys(base).keys(new)
    counts = top != "lever" or rest.partition(".")[0] in funded
    differs = dump(new) != dump(base)
    assert (after != keys(base)) == (counts and differs)
    assert after == keys(new) == keys(build(Config, dump(new)))


def test_a_distribution_goes_by_its_form_and_parameters(base):
    def having(*given_):
        return keys(replace(base, finance=replace(base.finance, gross_margin=Uncertain(*given_))))

    spread = having("uniform", (0.2, 0.4))
    alike = [("uniform", (0.1, 0.5)), ("triangular", (0.2, 0.3, 0.4)), ("normal", (0.3, 0.1))]
    found = [spread, *(having(*other) for other in alike), keys(base)]
    assert having("uniform", (0.2, 0.4)) == spread
    assert len({key for [key] in found}) == len(found)


def test_what_is_only_told_moves_no_key(base):
    told = replace(
        base, scenario="other", title="Other", story="Once", replications=999, precision=5.0,
        command="fidelio", engine=replace(base.engine, threads=3),
        report=replace(base.report, page=False),
        plan=replace(base.plan, title="T", description="D", provenance={"overhead": "assumed: x"}),
        market=replace(base.market, title="T", name="n", benchmarks=(), provenance={}),
        finance=replace(base.finance, name="n", title="T", provenance={}),
        desk=replace(base.desk, name="n"), organisation=replace(base.organisation, name="n"),
        risks=replace(base.risks, name="n"), rivals=replace(base.rivals, name="n"),
        lever={n: replace(v, title="T", evidence=(), provenance={}) for n, v in base.lever.items()},
    )  # fmt: skip
    assert keys(told) == keys(base) == ContentKeys(base).keys(told)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 2}, {"customers": 601}, {"burn_in": 5}, {"plan.name": "other"},
        {"market.kind": "subscription"}, {"plan.phases.mid.name": "middle"},
        {"baseline.overhead": 1.0}, {"plan.gate.after": 2}, {"plan.phases.mid.spend.events": 9.0},
        {"rivals.brands.rival_1.kind": "react"}, {"market.currency": "EUR"},
        {"lever.training.effects.problem.touchpoint": "use"},
    ],
)  # fmt: skip
def test_what_moves_a_result_moves_the_key(base, change):
    assert ContentKeys(base).keys(edited(base, **change)) != keys(base)


def test_the_order_of_edits_does_not_matter(base):
    change = {"market.basket": 9.0, "plan.phases.mid.spend.training": 5.0, "seed": 3,
              "lever.ai_service.reach": 0.5, "market.brands.focal.price": 1.2}  # fmt: skip
    once = edited(base, **change)
    step = base
    for key in reversed(change):
        step = edited(step, **{key: change[key]})
    assert step == once
    assert ContentKeys(base).keys(step) == ContentKeys(step).keys(once) == keys(once)
    back = edited(once, **{"market.basket": base.market.basket})
    assert ContentKeys(base).keys(back) == keys(back) != keys(once)


def test_one_and_one_point_zero_are_the_same(base):
    assert keys(edited(base, **{"finance.gross_margin": 1})) == keys(
        replace(base, finance=replace(base.finance, gross_margin=1))
    )


def test_a_plan_s_key_is_its_own(several):
    """Beside which plans it is lived does not matter, nor whether it is the only one."""
    all_ = dict(zip([plan.name for plan in several.plans], keys(several), strict=True))
    assert len(set(all_.values())) == len(all_)
    for plan in several.plans:
        alone = replace(several, plan=plan, plans=())
        assert ContentKeys(several).keys(alone) == [all_[plan.name]]
    turned = replace(several, plan=several.plans[-1], plans=several.plans[::-1])
    assert ContentKeys(several).keys(turned) == keys(several)[::-1] == keys(turned)
    new = edited(several, **{"plans.service_first.overhead": 5.0})
    moved = [a != b for a, b in zip(keys(new), keys(several), strict=True)]
    assert moved == [False, False, True, False]


def live(config, number=3):
    engine = LocalEngine(1, config.customers)
    return run_replication(Groundwork(config), Task(number, number), engine).plans


def same(result, other):
    """Return whether two results of a plan are the same, to the bit."""
    assert result.tables.keys() == other.tables.keys()
    tables = all(
        np.array_equal(column, other.tables[name][key], equal_nan=column.dtype.kind == "f")
        for name, table in result.tables.items()
        for key, column in table.items()
    )
    numbers_ = (np.array(list(one.outcomes.values())) for one in (result, other))
    return tables and np.array_equal(*numbers_, equal_nan=True)


def test_plans_with_one_key_have_one_result(several):
    """A plan's result does not depend on which others are lived beside it, or on its part."""
    together = live(several)
    assert Unknowns(several).numbers  # something is drawn, for each plan by its own name
    for plan in several.plans:
        alone = live(replace(several, plan=plan, plans=()))
        assert same(alone[plan.name], together[plan.name])
    assert not same(together["three_phase"], together["today"])


def test_levers_that_nobody_pays_for_move_nothing(base):
    """So keys leave them out: rivals copy, and risks look at, what the focal brand pays for."""
    copying = {"rivals.brands.rival_1.kind": "imitate", "rivals.brands.rival_2.kind": "imitate"}
    base = edited(base, **copying)
    funded = {*base.plan.levers, *base.baseline.levers}
    others = {name: replace(lever, half_saturation=0.01, reach=0.1, sameness=1.0, tasks=(),
                            effects=tuple(replace(e, size=5.0) for e in lever.effects))
              for name, lever in base.lever.items() if name not in funded}  # fmt: skip
    assert {"events", "save_offer", "risk_management"} <= others.keys()
    assert others.keys() & {n for risk in base.risks.register for n in risk.mitigation}
    changed = replace(base, lever={**base.lever, **others})
    assert keys(changed) == keys(base)
    before, after = live(base), live(changed)
    assert all(same(before[name], after[name]) for name in before)


def test_every_value_of_a_configuration_has_a_key(several):
    with pytest.raises(TypeError, match="a list in a configuration has no key"):
        keys(replace(several, seed=[]))


def test_the_code_that_moves_results_is_known():
    files = code_files()
    parts = ["model.py", "study.py", "kernels/choice.py", "config/market.py", "finance/returns.py",
             "measures/behaviour.py", "policies.py", "processes/rollout.py", "levers.py",
             "risks.py", "treatment.py", "sweep/life.py"]  # fmt: skip
    assert set(parts) <= files.keys()
    apart = ("commands/", "report/", "engines/", "calibration/", "validation/", "cli.py")
    assert not [name for name in files if name.startswith(apart)]
    folder = Path(sim.__file__).parent
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*.py")}
    assert [name for name in content.UNMOVING if not any(n.startswith(name) for n in there)] in (
        [], ["_data/"])  # fmt: skip
    assert all(re.fullmatch("[0-9a-f]{16}", digest) for digest in files.values())


def test_the_version_of_the_code_is_that_of_its_files(tmp_path, monkeypatch):
    for name, text in {"__init__.py": b"", "model.py": b"a = 1\nb = 2\n", "cli.py": b""}.items():
        (tmp_path / name).write_bytes(text)
    monkeypatch.setattr(sim, "__file__", str(tmp_path / "__init__.py"))
    first = code_files()
    assert first.keys() == {"model.py"}
    (tmp_path / "cli.py").write_bytes(b"c = 3\n")
    (tmp_path / "model.py").write_bytes(b"a = 1\r\nb = 2\r\n")
    assert code_files() == first
    (tmp_path / "model.py").write_bytes(b"a = 1\nb = 3\n")
    assert code_version(code_files()) != code_version(first)
    assert code_version(dict(reversed([*first.items(), ("x.py", "0")]))) == code_version(
        {"x.py": "0", **first}
    )
    (tmp_path / "model.py").unlink()
    with pytest.raises(ConfigError, match="sources are missing"):
        code_files()


def test_every_part_left_aside_is_a_field():
    for kind, names in content._ASIDE.items():
        assert set(names) <= {field.name for field in dataclasses.fields(kind)}
