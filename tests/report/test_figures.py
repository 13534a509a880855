"""Figures are made without global state and stand in one page without clashes."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from sim.report import figures
from sim.report.folder import read_folder
from sim.report.words import Words

Writer = Callable[..., Path]


def test_the_headline_of_both_kinds_has_three_pictures(
    run_folder: Writer, compare_folder: Writer
) -> None:
    for folder in (run_folder(replications=8), compare_folder(replications=8)):
        figure = figures.headline_figure(folder)
        assert isinstance(figure, Figure)
        assert len(figure.axes) == 3


def test_no_figure_touches_pyplot(run_folder: Writer) -> None:
    known = "matplotlib.pyplot" in sys.modules
    figures.headline_figure(run_folder(replications=4))
    assert ("matplotlib.pyplot" in sys.modules) == known


def test_svg_is_bare_and_its_ids_carry_the_prefix(run_folder: Writer) -> None:
    run = read_folder(run_folder(replications=8))
    text = figures.svg(figures.npv_histogram(Words(), run), "npv", 'a "label" & more')
    assert text.startswith("<svg viewBox=")
    assert 'aria-label="a &quot;label&quot; &amp; more"' in text
    assert all(name.startswith("npv-") for name in re.findall(r'\bid="([^"]+)"', text))
    assert "http" not in text
    assert "DejaVu" not in text
    assert "<text" in text


def test_the_same_run_gives_the_same_svg(run_folder: Writer) -> None:
    run = read_folder(run_folder(replications=8))
    first, second = (
        figures.svg(figures.trend(Words(), run, "churn_annual"), "a", "b") for _ in range(2)
    )
    assert first == second


def test_labels_keep_their_distance_and_their_order() -> None:
    places = figures.apart([1.0, 1.05, 5.0, 0.9], 0.5)
    assert np.diff(sorted(places)).min() >= 0.5 - 1e-6
    assert np.argsort(places).tolist() == [3, 0, 1, 2]
    assert figures.apart([], 1.0) == []


@pytest.mark.parametrize("scale", [1.0, 3e6, 4e-3])
def test_no_bar_of_the_histogram_mixes_gain_and_loss(scale: float) -> None:
    values = scale * np.random.default_rng(1).normal(0.3, 1, 64)
    edges = figures.histogram_edges(values)
    assert np.abs(edges).min() == 0
    assert edges[0] <= values.min()
    assert values.max() < edges[-1]


def test_a_density_is_scaled_and_bears_equal_values() -> None:
    grid = np.linspace(-1, 1, 101)
    assert figures.density(np.zeros(5), grid).max() == 1
    assert np.isfinite(figures.density(np.array([0.2]), grid)).all()


def test_layers_and_ranks_are_left_out_where_unknown(run_folder: Writer) -> None:
    def change(summary: dict, about: dict) -> None:
        summary["outcomes"]["npv"]["difference"].update(chance_sd=None, ignorance_sd=None)
        about["uncertain"] = [{"parameter": "a.b", "npv_correlation": None}]

    run = read_folder(run_folder(replications=4, change=change))
    assert figures.layers(Words(), run) is None
    assert figures.ranks(run) is None
