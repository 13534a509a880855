"""`fidelio sensitivity` from the command line to the page: one small study, begun, cut, gone on."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sim.cli import main
from sim.config.fields import Uncertain
from sim.planning.flip import Assumption, Flip
from sim.report.sensitivity import (
    assumption_label,
    believed,
    chance_text,
    ends_text,
    flip_text,
)
from sim.sweep.analysis import Interval

PLAN = """\
name: care
title: Care
phases:
  - {name: all, quarters: [1, 4], spend: {training: 400000}}
"""
SMALL = ("scenario=retail_three_phase", "customers=300", "quarters=4", "trajectories=8",
         "samples=16", "most=2", "replications=1", "workers=1", "progress=false")  # fmt: skip


def command(folder: Path, *more: str) -> list[str]:
    plan = folder.parent / "care.yaml"
    plan.write_text(PLAN, encoding="utf-8")
    return ["sensitivity", *SMALL, f"plan={plan}", f"out={folder}", *more]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished analysis."""
    folder = tmp_path_factory.mktemp("sensitivity") / "out"
    assert main(command(folder)) == 0
    return folder


def files(folder: Path) -> dict[str, bytes]:
    """Return the bytes of the page, its pictures and tables."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()
            and not path.name.startswith(".")}  # fmt: skip


def test_the_page_says_what_decides_and_has_all_its_pictures_and_tables(finished: Path) -> None:
    page = (finished / "sensitivity.html").read_text(encoding="utf-8")
    for said in ("“Care” against “Today”: where the decision flips", "Which assumption decides",
                 "Which assumptions matter at all", "How it was found", "on average"):  # fmt: skip
        assert said in page
    assert not re.search(r">\s*-?(nan|inf|None)\b", page)
    assert {"flips_care_today.png", "flips_care_today.svg", "shares_care_today.png", "worth.png",
            "screening.png", "flips.csv", "indices.csv", "screening.csv", "curves.csv",
            "worth.csv"} <= {*files(finished)}  # fmt: skip


def test_the_tables_agree_with_each_other(finished: Path) -> None:
    flips, curves = (pd.read_csv(finished / f"{name}.csv") for name in ("flips", "curves"))
    screening = pd.read_csv(finished / "screening.csv")
    kept = {*flips["assumption"]}
    assert len(kept) == 2
    own = screening[screening["factor"] != "world"].set_index("factor")["mu_star"]
    assert {*own.nlargest(2).index} == kept
    assert {*curves["assumption"]} == kept
    assert (curves["low"] <= curves["high"]).all()
    # All curves have the same mean: the expected outcome over everything.
    means = curves.groupby("assumption")["expected"].mean()
    assert means.iloc[0] == pytest.approx(means.iloc[1])
    assert flips["chance"].between(0, 1).all()
    worth = pd.read_csv(finished / "worth.csv")
    assert (worth["value"] >= 0).all()


@pytest.mark.slow
def test_what_was_cut_goes_on_and_ends_the_same(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    shutil.copytree(finished, folder)
    shutil.rmtree(folder / "indices" / "parts")
    (folder / "sensitivity.html").unlink()
    assert main(command(folder)) == 0
    again = files(folder)
    for name, content in files(finished).items():
        assert again[name] == content, name
    assert "Page:" in capsys.readouterr().out


def test_another_analysis_does_not_mix_with_one_that_is_there(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for more in ("samples=32", "seed=2", "replications=2"):
        assert main(command(finished, more)) == 2
        assert "is of another analysis" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("samples=48", "48 base samples are no power of two"),
        ("trajectories=2", "allowed: 8 to"),
        ("outcome=npw", "did you mean 'npv'"),
        ("tracks=2", "no such setting"),
        ("plan=today", "today is the baseline"),
    ],
)
def test_a_mistake_is_one_error_before_anything_is_lived(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: str, said: str
) -> None:
    assert main(command(tmp_path / "out", more)) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


# --- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("lever.data_platform.effects.match.size", "Data platform: effect on match"),
        ("lever.privacy.tasks.protect_data.weeks", "Privacy: weeks to protect data"),
        ("lever.alliance.membership.tiers.black.pull", "Alliance: black, pull"),
        ("market.weights.price", "Customers' weight on price"),
        ("market.spread.taste", "Customers' spread of taste"),
    ],
)
def test_assumptions_are_named_in_words(path: str, label: str) -> None:
    assert assumption_label(path) == label


def flip(value: float | None, low: float, high: float, possible: float = 1.0) -> Flip:
    assumption = Assumption("a", Uncertain("uniform", (0.0, 1.0)), 0.0, 1.0)
    return Flip(assumption, value, low, high, False, Interval(0.2, 0.1, 0.3), possible)


def test_a_flip_is_told_with_what_is_open_of_it() -> None:
    assert flip_text(flip(0.08, 0.05, 0.11)) == "below 0.08"
    assert ends_text(flip(0.08, 0.05, 0.11)) == "0.05 to 0.11"
    assert ends_text(flip(0.08, -np.inf, 0.11)) == "0.11 or less"
    assert ends_text(flip(0.08, -np.inf, np.inf)) == "anywhere"
    assert flip_text(flip(None, -np.inf, np.inf, 0.0)) == "nowhere"
    assert flip_text(flip(None, -np.inf, np.inf, 0.3)) == "nowhere, perhaps"
    assert believed(flip(0.08, 0.05, 0.11)) == "0.05 to 0.95"


def test_chances_are_told_as_people_count() -> None:
    assert chance_text(0.21) == "about 1 chance in 5"
    assert chance_text(0.7) == "about 7 chances in 10"
    assert chance_text(0.004) == "hardly a chance"
    assert chance_text(0.999) == "almost sure"
