"""`export`, `calibrate` and `validate` as a user calls them: files, and a message per mistake."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from sim.cli import main
from sim.config.load import load

WORLD = ["plan=today", "rivals=price_variation", "customers=2000", "quarters=4"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fails(capsys, *arguments: str) -> str:
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert message.startswith("fidelio: ")
    assert "Traceback" not in message
    return message.removeprefix("fidelio: ").strip()


def export(kind: str, out: str, *more: str) -> None:
    assert main(["export", f"kind={kind}", f"out={out}", *WORLD, *more]) == 0


def test_what_a_market_shows_makes_a_market_that_is_studied(here, capsys):
    export("panel", "seen/panel.csv", "households=150")
    assert main(["calibrate", "data=seen/panel.csv", "kind=panel", "out=made/mine.yaml",
                 "focal=rival_1", "progress=false"]) == 0  # fmt: skip
    told = capsys.readouterr().out
    for made in ("mine.yaml", "mine.fit.json", "mine.html"):
        assert (here / "made" / made).is_file()
        assert f"made/{made}" in told
    fit = json.loads((here / "made" / "mine.fit.json").read_text())
    assert fit["kind"] == "panel"
    assert fit["holdout"] is None
    assert fit["n_train"] + fit["n_test"] == len(pd.read_csv("seen/panel.csv")) - sum(
        fit["left_out"].values()
    )
    assert fit["parameters"]["habit"]["se"] > 0
    assert load(overrides=["market=made/mine.yaml"]).market.focal.name == "rival_1"
    small = ["customers=300", "replications=2", "report=none", "engine.progress=false"]
    assert main(["run", "market=made/mine.yaml", "plan=today", *small]) == 0


def test_an_order_log_in_parquet_makes_a_market(here):
    export("transactions", "log.parquet", "customers=9000", "households=9000", "newcomers=true")
    assert main(["calibrate", "data=log.parquet", "kind=transactions", "out=mine.yaml",
                 "holdout=0.4", "exchange=2", "progress=false"]) == 0  # fmt: skip
    fit = json.loads((here / "mine.fit.json").read_text())
    assert fit["holdout"]["actual"] > 0
    assert fit["closed_loop"] is None
    paid = pd.read_parquet("log.parquet")["amount"].mean()
    assert fit["parameters"]["basket"]["estimate"] == pytest.approx(2 * paid, rel=0.2)


def test_the_truth_lies_beside_what_was_exported(here):
    export("panel", "panel.csv", "households=20")
    truth = json.loads((here / "panel.truth.json").read_text())
    assert truth["market"]["name"] == "online_retail"
    assert set(pd.read_csv("panel.csv")["hid"]) <= set(pd.read_csv("panel.units.csv")["hid"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["calibrate", "kind=panel"], "command line: data: is missing; allowed: a text"),
        (["calibrate", "data=yogurt"], "kind: is missing; allowed: panel, transactions, targets"),
        (["calibrate", "data=yogurtt", "kind=panel"], "near it: yogurt"),
        (["calibrate", "data=yogurt", "kind=pannel"], "did you mean 'panel'?"),
        (["calibrate", "data=yogurt", "kind=panel", "focal=danone"], "did you mean 'dannon'?"),
        (["calibrate", "data=yogurt", "kind=panel", "holdout=soon"], "holdout"),
        (["calibrate", "data=yogurt", "kind=panel", "holdouts=.3"], "did you mean 'holdout'?"),
        (["calibrate", "data=cdnow_sample", "kind=panel"], "cdnow_sample.csv"),
        (["calibrate", "data=yogurt", "kind=transactions"], "yogurt.csv"),
        (["calibrate", "data=yogurt", "kind=panel", "market=nowhere"], "no such market: nowhere"),
        (["validate", "data=yogurt"], "kind: tells what the data are"),
        (["validate", "market=nowhere"], "no such market: nowhere"),
        (["validate", "data=yogurt", "kind=panel"], "online_retail"),
        (["export", "kind=panel", "out=panel.xlsx"], "a table ends in .csv or .parquet"),
        (["export", "kind=panel", "out=p.csv", "households=0"], "households: 0 is out of range"),
        (["export", "kind=panel", "out=p.csv", "customers=100", "households=200"], "200"),
        (["export", "kind=transactions", "out=p.csv", "brand=focel"], "did you mean 'focal'?"),
        (["export", "kind=transactions", "out=p.csv", "start=soon"], "start"),
    ],
)
def test_mistakes_are_one_message(arguments, said, capsys):
    assert said in fails(capsys, *arguments)


@pytest.mark.parametrize("command", ["calibrate", "validate", "export"])
def test_help_says_how_to_call_it(command, capsys):
    assert main([command, "--help"]) == 0
    assert f"usage: fidelio {command}" in capsys.readouterr().out


@pytest.mark.slow
def test_a_calibrated_market_is_validated_on_its_own_data(here, capsys):
    assert main(["calibrate", "data=yogurt", "kind=panel", "out=mine.yaml", "progress=false"]) == 0
    fit = json.loads((here / "mine.fit.json").read_text())
    assert main(["validate", "market=mine.yaml", "data=yogurt", "kind=panel", "out=checked",
                 "worlds=2", "progress=false"]) == 0  # fmt: skip
    predicted = json.loads((here / "checked" / "prediction.json").read_text())
    assert predicted["test_ll"] == pytest.approx(fit["test_ll"], abs=1e-5)
    assert predicted["closed_loop"]["repeat_bias"] == pytest.approx(
        fit["closed_loop"]["repeat_bias"], abs=1e-4
    )
    assert (here / "checked" / "validation.html").is_file()
    assert "published regularities hold" in capsys.readouterr().out
