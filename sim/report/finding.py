"""A page of findings: a headline, then sections of words, tables and pictures, and their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pandas as pd
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure

from sim.errors import StoreError
from sim.report.calibration import Section
from sim.report.figures import STYLE, new_figure, svg
from sim.report.frame import Picture, fill
from sim.store import check_folder, write_run, write_table, write_text

SHARPNESS: Final = 144
"""Dots per inch of PNGs, and of what is pixels inside an SVG: two for a CSS pixel."""


def sharp_figure(width: float, height: float) -> Figure:
    """Make an empty figure, its size in CSS pixels, that is sharp where it holds pixels."""
    figure = new_figure(width, height)
    figure.set_dpi(SHARPNESS)
    return figure


@dataclass(frozen=True)
class Drawn:
    """A picture with its name and the words around it."""

    name: str
    figure: Figure
    title: str
    unit: str
    caption: str = ""


@dataclass(frozen=True)
class Finding:
    """What a command found, as its page tells it.

    Attributes
    ----------
    kind
        What sort of page it is: "Stress test".
    title, facts
        What was looked at, and figures about it.
    headline, tone, remarks
        The answer in a sentence; "good", "bad" or ""; and what else is to be said first.
    parts
        Each section with its pictures.
    tables
        What goes into CSV files, by name.
    documents
        What goes into JSON files, by name.
    """

    kind: str
    title: str
    facts: Sequence[str]
    headline: str
    tone: str = ""
    remarks: Sequence[str] = ()
    parts: Sequence[tuple[Section, Sequence[Drawn]]] = ()
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    documents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def write_finding(finding: Finding, folder: str | Path, name: str) -> Path:
    """Write NAME.html, its pictures as SVG and PNG, its tables as CSV, its documents as JSON.

    Parameters
    ----------
    finding
        What was found.
    folder
        Where to; it is made if need be.
    name
        Of the page.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    StoreError
        If the folder cannot be written.
    """
    target = Path(folder)
    check_folder(target)
    sections = [write_section(section, drawn, target) for section, drawn in finding.parts]
    for table_name, table in finding.tables.items():
        write_table(target / f"{table_name}.csv", table)
    write_run(target, {}, finding.documents)
    return write_text(target / f"{name}.html", render_finding(finding, sections))


def render_finding(finding: Finding, sections: Sequence[Section]) -> str:
    """Return the page as HTML, of sections whose pictures are drawn."""
    pictures = [f"{drawn.name}.png" for _, each in finding.parts for drawn in each]
    files = [*pictures, *(f"{name}.csv" for name in finding.tables),
             *(f"{name}.json" for name in finding.documents)]  # fmt: skip
    return fill(
        "finding.html.j2",
        kind=finding.kind,
        title=finding.title,
        facts=list(finding.facts),
        tone=finding.tone,
        headline=finding.headline,
        remarks=list(finding.remarks),
        sections=sections,
        footer=f"Made by Fidelio. Beside this page lie {', '.join(files)}. A simulation tells what "
        "follows from its assumptions, and is as good as they are.",
    )


def write_section(section: Section, drawn: Sequence[Drawn], folder: Path) -> Section:
    """Write a section's pictures into a folder and return the section with them in it."""
    for picture in drawn:
        _write_picture(picture, folder)
    return replace(section, pictures=[_picture(one) for one in drawn])


def _picture(drawn: Drawn) -> Picture:
    drawing = Markup(svg(drawn.figure, drawn.name, drawn.title))  # our own drawing
    return Picture(drawn.title, drawn.unit, drawing, drawn.caption)


def _write_picture(drawn: Drawn, folder: Path) -> None:
    formats: Mapping[str, Mapping[str, Any]] = {"svg": {"metadata": {"Date": None}},
                                                "png": {"dpi": SHARPNESS}}  # fmt: skip
    try:
        with rc_context(STYLE):
            for form, options in formats.items():
                drawn.figure.savefig(folder / f"{drawn.name}.{form}", facecolor="white",
                                     **options)  # fmt: skip
    except OSError as error:
        raise StoreError(f"cannot write into {folder}: {error.strerror or error}") from error
