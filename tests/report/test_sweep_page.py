"""The page of a sweep: what it says of which figures, what lies beside it, and `fidelio show`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from SALib.sample import morris as morris_sampler
from SALib.sample import sobol as sobol_sampler

from sim.cli import main
from sim.commands.show import default_folder, read_given
from sim.config.show import Show
from sim.errors import ConfigError
from sim.report.sweep import SweepReport, write_sweep_page
from sim.report.sweep_words import short, time_text, told, value_text
from sim.sweep.layout import Block
from sim.sweep.means import Varied, read_means
from sim.sweep.place import open_place
from sim.sweep.reading import open_sweep
from sim.sweep.store import Store

PLANS = ("today", "three_phase")
MINUS = "\N{MINUS SIGN}"
DESCRIBED = {"rivals": {"values": ["hold", "price_war"]}, "budget": {"scale": "log"}}


def store(
    folder: Path,
    factors: Mapping[str, Any],
    npv: np.ndarray,
    kind: str = "random",
    base: int | None = None,
    failed: Sequence[int] = (),
    parts: int | None = None,
) -> Path:
    """Write a sweep as a real store: factors and npv (points, replications) to its files."""
    n, replications = npv.shape
    draft = Store.draft(open_place(folder), None)
    keys = [[hashlib.blake2b(f"{point} {plan}".encode(), digest_size=16).digest() for plan in PLANS]
            for point in range(n)]  # fmt: skip
    columns = {
        "choice": pa.array([0] * n, pa.int32()),
        "keys": pa.array(keys, pa.list_(pa.binary(16))),
        **{name: pa.array(values) for name, values in factors.items()},
    }
    draft.add_points([pa.record_batch([*columns.values()], names=[*columns])])
    design = [
        {"key": f"some.{name}", "name": name, "values": [], "levels": None,
         **DESCRIBED.get(name, {})}
        for name in factors
    ]  # fmt: skip
    document = {
        "configurations": [{"configuration": {"market": {"currency": "CNY"}}}],
        "plans": [*PLANS],
        "seconds_per_unit": 0.5,
        "design": {"kind": kind, "name": "budgets", "title": "Budgets & rivals", "seed": 1,
                   "points": base or n, "factors": design},
        "columns": {"outcomes": ["npv", "churn_annual"], "quarters": [], "segments": []},
    }  # fmt: skip
    made = draft.commit(document, Block(0, 0, n, 0, replications, 500))
    for shard in made.shards[:parts]:
        rows = []
        for unit in made.block_of(shard).units_of(shard):
            for plan in PLANS:
                row: dict[str, Any] = {"run": unit.run, "replication": unit.replication,
                                       "plan": plan}  # fmt: skip
                if unit.run in failed:
                    row["error"] = f"spend: {unit.run} <b>is out of range</b>"
                else:
                    gain = float(npv[unit.run, unit.replication])
                    row |= {"npv": gain if plan != "today" else 0.0, "churn_annual": 0.3}
                rows.append(row)
        made.write_part(shard, pa.Table.from_pylist(rows, made.schema))
    return folder


def factors_of(u: np.ndarray) -> dict[str, Any]:
    rivals = np.where(u[:, 3] < 0.5, "hold", "price_war")
    return {"margin": 0.2 + 0.1 * u[:, 0], "price": u[:, 1], "budget": 10 ** (5 + u[:, 2]),
            "rivals": rivals}  # fmt: skip


def gains(u: np.ndarray, replications: int = 2) -> np.ndarray:
    """Return NPV that the margin decides most, that price and margin decide together."""
    mean = 1e6 * (6 * u[:, 0] - 3 + 2 * u[:, 0] * u[:, 1] - 1.5 * (u[:, 3] >= 0.5))
    luck = np.random.default_rng(2).normal(size=(len(u), replications))
    return mean[:, None] + 1e5 * luck


def uniform(n: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).random((n, 4))


def problem(n: int = 4) -> dict[str, Any]:
    return {"num_vars": n, "names": [f"x{i}" for i in range(n)], "bounds": [[0.0, 1.0]] * n}


def shown(folder: Path, **asked: Any) -> tuple[SweepReport, str]:
    """Return the report of a sweep and its page, all spaces plain."""
    with open_sweep(folder) as sweep:
        report = SweepReport(read_means(sweep, **asked))
    return report, plain_spaces(write_sweep_page(report, folder / "show").read_text("utf-8"))


def plain_spaces(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")


# --- the page ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def random_page(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SweepReport, str]:
    folder = tmp_path_factory.mktemp("random") / "sweep"
    store(folder, factors_of(uniform(400)), gains(uniform(400)), failed=[3, 77])
    return folder, *shown(folder)


def test_the_page_says_what_decides_from_where_to_where(
    random_page: tuple[Path, SweepReport, str],
) -> None:
    _, report, page = random_page
    lead = next(text for text in report.remarks if "decides most" in text)
    assert lead.startswith("“Margin” decides most: from its lowest to its highest tenth the mean "
                           "net present value rises from CNY")  # fmt: skip
    assert f"{MINUS}3." in lead
    assert plain_spaces(lead) in page
    assert "together foretell" in page
    assert "The thick line is where net present value turns from loss to gain." in page


def test_the_page_loads_nothing_and_escapes_what_it_is_told(
    random_page: tuple[Path, SweepReport, str],
) -> None:
    page = random_page[2]
    assert "://" not in page.replace("http://www.w3.org", "")
    assert "<b>is out of range" not in page
    assert "&lt;b&gt;is out of range" in page
    assert "Budgets &amp; rivals" in page


def test_what_is_left_out_is_told(random_page: tuple[Path, SweepReport, str]) -> None:
    _, report, page = random_page
    assert "2 of 400 points are left out because a future of theirs failed." in report.remarks
    assert "4 futures failed, in 2 points." in page
    assert "of the differences between these means" in page


def test_pictures_and_tables_lie_beside_the_page(
    random_page: tuple[Path, SweepReport, str],
) -> None:
    folder, report, page = random_page
    files = {path.name for path in (folder / "show").iterdir()}
    pictures = {"effects", "surfaces", "surfaces_by", "crossed", "parallel"}
    assert {f"{name}.{form}" for name in pictures for form in ("svg", "png")} <= files
    effects = pd.read_csv(folder / "show" / "effects.csv")
    assert effects.columns.tolist() == ["factor", "level", "points", "mean", "low", "high"]
    points = pd.read_csv(folder / "show" / "points.csv")
    assert points["npv"].is_monotonic_decreasing
    assert points["npv"][0] == pytest.approx(report.means.mean.max())
    for name in files - {"sweep.html"} - {f"{p}.svg" for p in pictures}:
        assert name in page


def test_the_same_sweep_gives_the_same_page(
    random_page: tuple[Path, SweepReport, str], tmp_path: Path
) -> None:
    folder, _, page = random_page
    with open_sweep(folder) as sweep:
        again = write_sweep_page(SweepReport(read_means(sweep)), tmp_path)
    assert plain_spaces(again.read_text("utf-8")) == page


def test_a_saltelli_sweep_shows_its_indices_and_says_what_is_left_out(tmp_path: Path) -> None:
    u = sobol_sampler.sample(problem(), 64, calc_second_order=True, seed=3)
    store(tmp_path / "s", factors_of(u), gains(u, 1), "saltelli", 64, failed=[12])
    report, page = shown(tmp_path / "s")
    assert report.sobol is not None
    assert "“Margin” accounts for" in page
    assert "1 base samples are left out whole" in page
    table = pd.read_csv(tmp_path / "s" / "show" / "sobol.csv")
    assert table["index"].value_counts().to_dict() == {"S1": 4, "ST": 4, "S2": 6}
    assert table["value"][0] == pytest.approx(report.sobol.first[0].value)


def test_a_morris_sweep_opens_with_its_screening(tmp_path: Path) -> None:
    u = np.clip(morris_sampler.sample(problem(), 12, num_levels=4, seed=3), 0, 1 - 1e-9)
    store(tmp_path / "m", factors_of(u), gains(u, 1), "morris", 12)
    report, page = shown(tmp_path / "m")
    lead = plain_spaces(report.remarks[0])
    assert lead.startswith("“Margin” moves net present value most: by CNY 7")
    assert page.index("What matters at all") < page.index("What decides")
    assert (tmp_path / "m" / "show" / "morris.csv").is_file()


def test_choices_alone_get_a_table_of_squares(tmp_path: Path) -> None:
    rivals = np.array(["hold", "price_war"] * 6)
    desk = np.repeat(["small", "large", "none"], 4)
    npv = np.where(rivals == "hold", 2e6, -1e6) + np.where(desk == "large", 5e5, 0)
    store(tmp_path / "g", {"rivals": rivals, "desk": desk}, npv[:, None], "grid")
    report, page = shown(tmp_path / "g")
    assert "with hold" in report.remarks[0]
    assert "with price war" in report.remarks[0]
    assert "best, CNY 2.50 million, with “Rivals” hold and “Desk” large" in page


def test_an_unfinished_sweep_is_shown_with_a_note(tmp_path: Path) -> None:
    u = uniform(600)
    store(tmp_path / "u", factors_of(u), gains(u), parts=1)
    report, page = shown(tmp_path / "u")
    assert len(report.means) == 250
    assert any(
        "500 of 1\N{NARROW NO-BREAK SPACE}200 futures are there" in t for t in report.remarks
    )
    assert "This sweep is not finished" in page


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_few_points_make_a_page_too(n: int, tmp_path: Path) -> None:
    u = uniform(n)
    store(tmp_path / "f", factors_of(u), gains(u))
    assert "Best and worst points" in shown(tmp_path / "f")[1]


def test_an_outcome_that_never_moves_makes_a_page(tmp_path: Path) -> None:
    u = uniform(50)
    store(tmp_path / "c", factors_of(u), gains(u))
    report, page = shown(tmp_path / "c", outcome="churn_annual", plan="today")
    assert report.headline == "At all 50 points, annual churn of “Today” is 30.0%."
    assert "No factor can be told from chance" in page


# --- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.05, "0.05"), (1234.0, "1234"), (25_000, "25k"), (2.5e6, "2.5M"), (-3e9, f"{MINUS}3bn"),
     (0, "0"), (9999.99, "10k")],
)  # fmt: skip
def test_values_of_factors_are_short(value: float, text: str) -> None:
    assert short(value) == text


def test_digits_below_a_factors_range_are_not_shown() -> None:
    assert value_text(Varied("x", np.array([0.0, 100.0])), 0.00123) == "0"
    assert value_text(Varied("x", np.array([0.0, 0.01])), 0.00123) == "0.0012"
    assert value_text(Varied("x", np.array([0.0, 1.0]), ("hold", "price_war")), 1) == "price war"


def test_outcomes_are_told_in_their_units_with_the_digits_that_tell_them_apart() -> None:
    assert told("npv", [1.234e6, 2.5e6], "CNY").full(1.234e6) == "CNY 1.23 million".replace(
        " ", "\N{NO-BREAK SPACE}"
    )
    assert told("churn_annual", [0.30, 0.302], "CNY").full(0.3013) == "30.13%"
    assert told("churn_annual", [0.30], "CNY").better == -1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.42, "0.42 s"), (90, "90 s"), (600, "10 minutes"), (86_400, "24 hours"), (1e6, "12 days")],
)
def test_times_are_told_in_the_unit_that_suits_them(seconds: float, text: str) -> None:
    assert time_text(seconds) == text.replace(" ", "\N{NO-BREAK SPACE}")


# --- the command ---------------------------------------------------------------------------------


def test_show_writes_the_page_beside_the_sweep(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    u = uniform(60)
    folder = store(tmp_path / "s", factors_of(u), gains(u))
    assert main(["show", str(folder), "factors=[margin,rivals]"]) == 0
    printed = capsys.readouterr().out
    assert "“Margin” decides most" in printed
    assert "Price" not in printed
    assert (folder / "show" / "sweep.html").is_file()
    with open_sweep(folder) as sweep:  # what lies beside a sweep's data is none of it
        assert len(sweep.points) == 60


def test_settings_come_after_the_sweep() -> None:
    given, settings = read_given(["some/sweep", "outcome=roi", "factors=[plan.phases.*.spend.*]"])
    assert given == "some/sweep"
    assert settings == Show("roi", None, ("plan.phases.*.spend.*",), None)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "the folder of a sweep comes first"),
        (["outcome=npv"], "the folder of a sweep comes first"),
        (["s", "outcom=npv"], "did you mean 'outcome'"),
        (["s", "customers=5"], "is a setting of a study"),
    ],
)
def test_arguments_that_cannot_be_used_are_one_error(arguments: list[str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        read_given(arguments)


def test_names_that_the_sweep_has_not_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    u = uniform(9)
    folder = store(tmp_path / "s", factors_of(u), gains(u))
    told_of: Callable[[], str] = lambda: capsys.readouterr().err  # noqa: E731
    assert main(["show", str(folder), "factors=[margn]"]) == 2
    assert "did you mean 'margin'" in told_of()
    assert main(["show", str(folder), "plan=three_phases"]) == 2
    assert "did you mean 'three_phase'" in told_of()
    assert main(["show", str(tmp_path / "none")]) == 2
    assert str(tmp_path / "none") in told_of()


def test_pages_of_sweeps_elsewhere_go_to_outputs() -> None:
    assert default_folder("outputs/sweeps/a", "show") == Path("outputs/sweeps/a/show")
    assert default_folder("s3://bucket/sweeps/b/", "show") == Path("outputs/show/b")
