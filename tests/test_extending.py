"""What docs/extending.md says is done: its files load, run and change what they say they change."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import sim
from sim import policies
from sim.config.files import config_root
from sim.model import LoyaltyModel
from sim.risks import RiskRegister
from sim.types import Channel, RivalKind

PAGE = config_root() / "docs" / "extending.md"
SIZE = ["customers=1000", "replications=2", "quarters=12", "engine.progress=false"]

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="docs are not part of a wheel")


def blocks() -> dict[str, str]:
    """Return the page's files by path."""
    text = PAGE.read_text("utf-8")
    found = re.findall(r"```\w+\n# (\S+\.(?:yaml|py))\n(.*?)```", text, re.DOTALL)
    return dict(found)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Write the page's files into a folder and return it."""
    for name, text in blocks().items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return tmp_path / "mine"


def lived(mine: Path, *overrides: str) -> LoyaltyModel:
    config = sim.load("retail_three_phase", [*SIZE, *overrides], folders=[mine])
    model = LoyaltyModel(config, collect=False)
    while model.running:
        model.step()
    return model


def test_the_lever_is_built_brought_out_in_waves_and_felt(mine):
    model = lived(mine, "plan=on_tour")
    ready = np.array([given.ready["popup_store"] for given in model.delivered.values()])
    ordinary, young = ready[:, 0], ready[:, 1]
    assert 0 < young[0] < 1 or young[1] > 0
    assert not ordinary[:2].any()
    assert ordinary[-1] == young[-1] == 1
    vip_alone = model.delivered[2].by_lever["popup_store"][Channel.EMOTIONAL]
    assert vip_alone[2] <= vip_alone[0] or ready[1, 2] == 0


def test_the_risk_strikes_and_only_with_itself_in_the_register(mine):
    def struck(risks: str) -> list[str]:
        asked = [*SIZE, "plan=on_tour", f"risks={risks}"]
        config = sim.load("retail_three_phase", asked, folders=[mine])
        found = []
        for world in range(40):
            register = RiskRegister(config.risks, config.seed, world)
            for quarter in range(1, 13):
                register.advance(quarter, {})
            found += [name for _, name in register.events]
        return found

    assert set(struck("floods")) == {"flood"}
    assert struck("none") == []


def test_the_rivals_act_each_in_its_way(mine):
    model = lived(mine, "rivals=three_ways", "plan=three_phase")
    kinds = {type(brand.policy).__name__ for brand in model.agents}
    assert {"React", "Imitate", "Enter", "FollowPlan", "Hold"} <= kinds
    entrant = np.array([record.flow[-1, 4, 0] for record in model.records])
    before = model.config.burn_in + 4
    assert not entrant[:before].any()
    assert entrant[before:].all()


def test_a_class_of_ones_own_takes_the_place_of_a_kind(mine, monkeypatch):
    monkeypatch.setattr(policies, "RIVALS", dict(policies.RIVALS))
    exec(compile(blocks()["climb.py"], "climb.py", "exec"), {})
    model = lived(mine, "rivals=three_ways", "plan=today")
    [climber] = [brand for brand in model.agents if type(brand.policy).__name__ == "Climb"]
    assert climber.channels[Channel.PRICE, 0] > 0
    assert policies.RIVALS[RivalKind.REACT] is type(climber.policy)
