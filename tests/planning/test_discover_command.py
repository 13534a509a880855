"""`fidelio discover`: which points fail, the page and its files, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from sim.cli import main
from sim.commands.discover import question_of
from sim.config.build import dump
from sim.config.discover import By, Discover
from sim.config.load import load
from sim.config.settings import read_settings
from sim.errors import ConfigError, StoreError
from sim.planning.failing import Question, Threshold, read_failing

LOSS = Threshold(0.0, below=True)
WORLDS = 4
SETTINGS = ["progress=false", "resamples=10", "regions=1"]


@cache
def configuration() -> dict[str, Any]:
    """Return what a sweep keeps of the configuration that its points start from."""
    return dump(load("retail_three_phase", []))


class Made:
    """A sweep whose tables are frames: it answers SQL as an open sweep does."""

    def __init__(self, factors: Mapping[str, Any], outcomes: Mapping[str, Any],
                 done: float = 1.0) -> None:  # fmt: skip
        n = len(next(iter(factors.values())))
        self.points = pd.DataFrame({"point": np.arange(n), "run": np.arange(n), **factors})
        unit = {"point": np.repeat(np.arange(n), WORLDS), "run": np.repeat(np.arange(n), WORLDS),
                "replication": np.tile(np.arange(WORLDS), n), "error": ""}  # fmt: skip
        frames = [pd.DataFrame({**unit, "plan": plan, **{name: own[:, j].ravel()
                                for name, own in outcomes.items()}})
                  for j, plan in enumerate(("today", "new", "other"))]  # fmt: skip
        self.outcomes = pd.concat(frames, ignore_index=True)
        self.outcomes = self.outcomes[self.outcomes["point"] < done * n]
        self.documents = [{
            "points": n, "plans": ["today", "new", "other"],
            "block": {"first_run": 0, "runs": n, "replications": WORLDS},
            "columns": {"outcomes": [*outcomes]},
            "configurations": [{"configuration": configuration()}],
            "design": {"kind": "random", "name": "made", "seed": 1, "points": n, "factors": [
                {"key": "finance.gross_margin", "name": "margin", "apply": "set"},
                {"key": "plan.phases.*.spend.*", "name": "budget", "apply": "times"},
                {"key": "rivals", "values": ["hold", "imitators", "price_war"]},
            ]},
        }]  # fmt: skip
        self._connection = duckdb.connect()
        self._connection.register("points", self.points)
        self._connection.register("outcomes", self.outcomes)

    def __enter__(self) -> Made:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the tables as they are."""

    def sql(self, text: str) -> pd.DataFrame:
        return self._connection.sql(text).df()


def made(n: int = 200, done: float = 1.0, payback: bool = False) -> Made:
    """Return a sweep of a plan that loses money if margins are thin and rivals do not hold."""
    rng = np.random.default_rng(4)
    margin, budget = rng.uniform(0.2, 0.5, n), rng.uniform(0.5, 2, n)
    rivals = np.array(["hold", "imitators", "price_war"], dtype=object)[rng.integers(0, 3, n)]
    bad = (margin < 0.35) & (rivals != "hold")
    npv = np.where(bad, -2e6, 2e6)[:, None, None] + rng.normal(0, 8e5, (n, 3, WORLDS))
    npv[:, 0] = 0.0
    npv[:, 2] += np.where(budget > 1, 1e6, -3e6)[:, None]
    outcomes = {"npv": npv, "churn_annual": rng.uniform(0.1, 0.4, (n, 3, WORLDS))}
    if payback:
        late = np.where(bad[:, None, None] & (rng.random((n, 3, WORLDS)) < 0.8), np.nan, 6.0)
        outcomes["payback_quarter"] = late
    return Made({"margin": margin, "budget": budget, "rivals": rivals}, outcomes, done)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Made:
    """Let the command open a constructed sweep, whatever its folder."""
    sweep = made()
    monkeypatch.setattr("sim.commands.discover.open_sweep", lambda _: sweep)
    return sweep


# --- which points fail ---------------------------------------------------------------------------


def by_hand(sweep: Made, plan: str = "new") -> np.ndarray:
    own = sweep.outcomes[sweep.outcomes["plan"] == plan]
    return own.sort_values(["point", "replication"])["npv"].to_numpy().reshape(-1, WORLDS)


def test_a_point_fails_by_its_mean_or_by_the_share_of_its_worlds() -> None:
    sweep = made()
    npv = by_hand(sweep)
    by_mean = read_failing(sweep, Question("npv", None, LOSS))
    np.testing.assert_array_equal(by_mean.fails, npv.mean(axis=1) < 0)
    assert by_mean.question.plan == "new"
    by_world = read_failing(sweep, Question("npv", "new", LOSS, by=By.WORLD, share=0.5))
    np.testing.assert_allclose(by_world.worth, (npv < 0).mean(axis=1))
    np.testing.assert_array_equal(by_world.fails, (npv < 0).mean(axis=1) >= 0.5)


def test_against_another_plan_the_difference_in_the_same_worlds_counts() -> None:
    sweep = made()
    difference = by_hand(sweep) - by_hand(sweep, "other")
    found = read_failing(sweep, Question("npv", "new", LOSS, against="other"))
    np.testing.assert_allclose(found.worth, difference.mean(axis=1))
    np.testing.assert_array_equal(found.fails, difference.mean(axis=1) < 0)
    error = difference.std(axis=1, ddof=1) / np.sqrt(WORLDS)
    assert found.unsure == (np.abs(difference.mean(axis=1)) < 1.959964 * error).sum()


def test_a_world_in_which_a_plan_never_pays_back_is_a_late_one() -> None:
    sweep = made(payback=True)
    late = Threshold(10.0, below=False)
    own = sweep.outcomes[sweep.outcomes["plan"] == "new"].sort_values(["point", "replication"])
    never = own["payback_quarter"].isna().to_numpy().reshape(-1, WORLDS).mean(axis=1)
    found = read_failing(sweep, Question("payback_quarter", None, late, by=By.WORLD, share=0.5))
    assert never.max() == 1  # such points have no payback at all, and must not be left out
    np.testing.assert_allclose(found.worth, never)
    with pytest.raises(ConfigError, match="by=world"):
        read_failing(sweep, Question("payback_quarter", None, late))
    with pytest.raises(ConfigError, match="against"):
        read_failing(sweep, Question("payback_quarter", None, late, "other", By.WORLD))


def test_points_that_are_not_complete_are_not_judged() -> None:
    found = read_failing(made(done=0.75), Question("npv", None, LOSS))
    assert len(found) == 150
    assert found.means.counts.open == 50


@pytest.mark.parametrize(
    ("sweep", "question", "kind", "said"),
    [
        (made(80), {}, StoreError, "80 points are too few.*at least 100"),
        (made(200, done=0.4), {}, StoreError, "80 points are too few.*resume=SWEEP"),
        (made(), {"threshold": Threshold(-1e9, True)}, ConfigError,
         "fails_below: no point fails.*at least 20.*npv goes from"),
        (made(), {"threshold": Threshold(-1e9, False)}, ConfigError,
         "fails_above: every point fails"),
        (made(), {"threshold": Threshold(-2.6e6, True)}, ConfigError, r"\d+ of 200 fail, and"),
        (made(), {"plan": "nwe"}, ConfigError, "plan: .*did you mean 'new'"),
        (made(), {"outcome": "nvp"}, ConfigError, "outcome: .*did you mean 'npv'"),
        (made(), {"factors": ("margn",)}, ConfigError, "factors: .*did you mean 'margin'"),
        (made(), {"against": "othr"}, ConfigError, "against: .*did you mean 'other'"),
        (made(), {"against": "new"}, ConfigError, "against: is the plan itself"),
        (Made({"margin": np.full(200, 0.3)}, {"npv": np.random.default_rng(0).normal(
            0, 1, (200, 3, WORLDS))}), {}, ConfigError, "factors: none of them varies"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_refused_in_one_sentence(sweep, question, kind, said) -> None:
    with pytest.raises(kind, match=said):
        read_failing(sweep, Question("npv", None, LOSS)._replace(**question))


# --- the command ---------------------------------------------------------------------------------


def test_the_command_tells_the_region_in_words_and_files(
    opened: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["discover", "a/sweep", f"out={tmp_path}", *SETTINGS]) == 0
    said = " ".join(capsys.readouterr().out.split())
    fails = (by_hand(opened).mean(axis=1) < 0).sum()
    assert (
        f"“New” fails at {fails} of 200 points: there the mean net present value is below" in said
    )
    assert "“Rivals” is not hold" in said
    document = json.loads((tmp_path / "discovery.json").read_text("utf-8"))
    [region] = document["regions"]
    limits = {one["factor"]: one for one in region["restrictions"]}
    assert limits["margin"]["limit"] == pytest.approx(0.35, abs=0.02)
    assert limits["rivals"]["levels"] == "imitators price_war"
    assert "budget" not in limits
    points = pd.read_csv(tmp_path / "points.csv")
    assert points["fails"].sum() == fails
    assert (points["region"] == 1).sum() == region["points"]
    assert points.query("region == 1")["fails"].sum() == region["failing"]
    trajectory = pd.read_csv(tmp_path / "trajectory.csv")
    assert trajectory["chosen"].sum() == 1
    assert trajectory.loc[0, ["coverage", "mass"]].tolist() == [1, 1]
    page = (tmp_path / "discover.html").read_text("utf-8")
    for part in ("How sure this is", "points kept back", "A second opinion: a tree"):
        assert part in page
    for name in ("region_1", "trajectory", "pair"):
        assert (tmp_path / f"{name}.png").stat().st_size > 5000
        assert f"{name}.png" in page


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the folder of a sweep comes first"),
        (["outcome=npv"], "the folder of a sweep comes first"),
        (["there", "fails_below=much"], "fails_below"),
        (["there", "fails_below=0", "target=1"], "one of fails_below, fails_above, target"),
        (["there", "outcome=churn_annual"], "target: is missing: 0 says nothing of churn_annual"),
        (["there", "box=1", "density=0.9"], "one of density, box"),
        (["there", "box=1000"], "box: there is no such box; allowed: 1 to"),
        (["there", "density=0.1"], "of all points fail anyway"),
        (["there", "resamples=2"], "resamples"),
        (["there", "customers=100"], "customers: is a setting of a study"),
        (["there", "outcme=npv"], "did you mean 'outcome'"),
    ],
)
@pytest.mark.usefixtures("opened")
def test_settings_that_cannot_be_used_are_named(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = [f"out={tmp_path / 'page'}", "progress=false"] if "there" in arguments else []
    assert main(["discover", *arguments, *more]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "page").exists()


def test_a_target_is_missed_on_the_worse_side() -> None:
    for outcome, below in (("churn_annual", False), ("spend", False), ("npv", True)):
        settings, _ = read_settings(Discover, "discover", [f"outcome={outcome}", "target=0.25"])
        assert question_of(settings).threshold == Threshold(0.25, below)


@pytest.mark.slow
def test_where_failures_gather_nowhere_the_page_says_so(opened: Made, tmp_path: Path) -> None:
    arguments = ["outcome=churn_annual", "target=0.25", "factors=[margin]", *SETTINGS]
    assert main(["discover", "a/sweep", f"out={tmp_path}", *arguments]) == 0
    document = json.loads((tmp_path / "discovery.json").read_text("utf-8"))
    assert document["question"]["fails_above"] == 0.25
    own = opened.outcomes[opened.outcomes["plan"] == "new"]
    assert document["failing"] == (own.groupby("point")["churn_annual"].mean() > 0.25).sum()
    assert not document["proven"]  # churn is luck here
    page = (tmp_path / "discover.html").read_text("utf-8")
    assert "gather nowhere" in page or "cannot be told from luck" in page


@pytest.mark.slow
def test_a_real_sweep_is_read_as_it_was_lived(tmp_path: Path) -> None:
    design = tmp_path / "design.yaml"
    design.write_text(
        "name: real\nkind: sobol\npoints: 128\nscenario: retail_three_phase\n"
        "settings: {customers: 100}\nreplications: 1\nfactors:\n"
        "  - {key: finance.gross_margin, name: margin, low: 0.05, high: 0.6}\n"
        "  - {key: plan.phases.*.spend.*, name: budget, apply: times, low: 0.25, high: 2}\n",
        encoding="utf-8",
    )
    sweep = tmp_path / "real"
    assert main(["sweep", f"design={design}", f"out={sweep}", "progress=false", "reuse=[]"]) == 0
    assert main(["discover", str(sweep), "fails_below=-25e6", *SETTINGS]) == 0
    document = json.loads((sweep / "discover" / "discovery.json").read_text("utf-8"))
    assert document["proven"]  # what costs twice as much loses most
    assert ("budget", "low") in {
        (one["factor"], one["side"]) for one in document["regions"][0]["restrictions"]
    }
