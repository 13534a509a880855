"""Every number that ships says where it comes from, and what it cites can be looked up."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
import yaml

import sim
from sim.config.build import parameters
from sim.config.files import choices, config_root

ROOT = Path(__file__).parents[1]
CITED = re.compile(r"\bE\d{3}\b")


def evidence() -> set[str]:
    with (ROOT / "data" / "evidence.csv").open(encoding="utf-8") as file:
        return {row["id"] for row in csv.DictReader(file)}


def test_every_cited_row_of_evidence_is_there() -> None:
    folders = [config_root() / "conf", config_root() / "scenarios"]
    files = [path for folder in folders for path in folder.rglob("*.yaml")]
    cited = {row for path in files for row in CITED.findall(path.read_text("utf-8"))}
    assert cited
    assert cited <= evidence()


def test_cited_data_are_there() -> None:
    rows = parameters(sim.load("retail_three_phase"))
    paths = {match for row in rows for match in re.findall(r"data/[\w/.]+\w", row.source)}
    assert paths
    assert all((ROOT / path).exists() for path in paths), paths


@pytest.mark.parametrize("market", choices("market"))
def test_a_markets_own_numbers_state_their_source(market: str) -> None:
    """What the file states it accounts for; only what it leaves out may come from a default."""
    text = (config_root() / "conf" / "market" / f"{market}.yaml").read_text("utf-8")
    stated = set(yaml.safe_load(text)) - {"benchmarks"}
    silent = [
        row.path
        for row in parameters(sim.load(None, [f"market={market}", "plan=today"]))
        if row.path.startswith("market.") and row.source == "default"
    ]
    assert [path for path in silent if path.split(".")[1] in stated] == []
