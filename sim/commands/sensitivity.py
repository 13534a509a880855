"""`fidelio sensitivity`: which assumption decides, and where the better plan changes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sim.commands.arguments import compile_first, split_arguments, status
from sim.commands.common import console
from sim.commands.engines import make_engine
from sim.commands.planning import output_folder, study_of
from sim.commands.sweep import watch
from sim.config.build import configuration_hash, dump
from sim.config.design import Design
from sim.config.sensitivity import Sensitivity as Settings
from sim.engines.engine import Engine
from sim.errors import Interrupted, StoreError
from sim.planning.sensitivity import (
    Question,
    Screening,
    Sensitivity,
    explain,
    indices_design,
    question_of,
    screen,
    screening_design,
)
from sim.report.finding import write_finding
from sim.report.sensitivity import SensitivityReport
from sim.report.sweep_words import time_text
from sim.sweep import sweep as sweeping
from sim.sweep.layout import MANIFEST
from sim.sweep.place import Place, open_place
from sim.sweep.points import Points
from sim.sweep.reading import open_sweep
from sim.sweep.store import Store

HELP = """\
fidelio sensitivity: which assumption decides, and at which value the better plan changes

usage: fidelio sensitivity scenario=SCENARIO [plans=[PLAN, ...]] [KEY=VALUE ...]

  outcome         what is explained: npv, roi, churn_annual, ...
  plans           plans, each against the baseline, and the best two against each other
  out             folder; the same line with the folder of a run that was cut goes on with it
  replications    worlds of each point
  trajectories, share, most
                  the screening (Morris), and which assumptions it keeps
  samples         of the indices (Sobol)

{settings}

Whatever else is given is of the study, as with `fidelio run`: customers=1000 market=my_market.yaml.
It writes sensitivity.html, its pictures and tables; OUT/screening and OUT/indices are sweeps, which
`fidelio query` and `fidelio show` read.

examples:
  fidelio sensitivity scenario=retail_three_phase customers=5000
  fidelio sensitivity scenario=retail_three_phase plans=[three_phase,service_first] customers=5000
  fidelio sensitivity scenario=early_warning outcome=churn_annual samples=512 out=outputs/churn
"""
SHARD_SECONDS = 10.0
"""Seconds of work that are kept at once: so much is lost at a cut, per worker."""
NOTHING_ELSE = sweeping.Kept((), ())
"""Outcomes are all that is kept of a point."""


def main(arguments: Sequence[str]) -> None:
    """Screen the assumptions, live those that matter, explain, and write the page.

    Raises
    ------
    ConfigError, StoreError, EngineError
        If the settings or the study cannot be used, nothing is uncertain, or the folder holds
        another analysis or cannot be written.
    Interrupted
        If the user stopped it; what was finished is kept.
    """
    given = split_arguments(Settings, "sensitivity", arguments, HELP)
    if given is None:
        return
    settings, overrides, folders = given
    chosen = [f"plans=[{','.join(settings.plans)}]"] if settings.plans else []
    question = question_of(study_of([*chosen, *overrides], folders), settings.outcome)
    folder = output_folder(settings.out, "sensitivity")
    command = shlex.join(["fidelio", "sensitivity", *arguments])
    try:
        compile_first(question.config)
        with make_engine(settings, SHARD_SECONDS) as engine, open_place(folder).lock():
            found = found_of(Work(settings, question, folder, engine, command))
    except KeyboardInterrupt:
        raise Interrupted(
            f"stopped; what was lived is kept in {folder}. The same command with "
            f"out={shlex.quote(str(folder))} goes on from there"
        ) from None
    report = SensitivityReport(found)
    page = write_finding(report.finding(), folder, "sensitivity")
    show(report)
    print(f"Figures: {folder}\nPage:    {page}")


@dataclass(frozen=True)
class Work:
    """What is to be done, where, with which engine, and what was typed."""

    settings: Settings
    question: Question
    folder: Path
    engine: Engine
    command: str


def found_of(work: Work) -> Sensitivity:
    """Return what decides, living whatever is missing of both sweeps."""
    settings, question = work.settings, work.question
    design = screening_design(question, settings.trajectories)
    screening_at = lived(work, design, tell_all=True)
    with open_sweep(screening_at.url) as sweep:
        screening: Screening = screen(sweep, question, settings.share, settings.most)
    design = indices_design(question, screening.kept, settings.samples)
    indices_at = lived(work, design, tell_all=False)
    with status(wanted=settings.progress) as say, open_sweep(indices_at.url) as sweep:
        say("Explaining")
        return explain(sweep, question, screening)


def lived(work: Work, design: Design, *, tell_all: bool) -> Place:
    """Return where a sweep lies, after living what was missing of it.

    Parameters
    ----------
    design
        Its name is that of the folder.
    tell_all
        Whether to say what both sweeps will take.

    Raises
    ------
    StoreError
        If another sweep lies there, or one of another version of the model that is not finished.
    """
    settings, errors = work.settings, Console(stderr=True)
    note = partial(errors.print, soft_wrap=True)
    place = open_place(work.folder / design.name)
    config = work.question.config
    points = sweeping.points_of(design, lambda _: config)
    with status(wanted=settings.progress) as tell:
        if place.exists(MANIFEST):
            store = gone_on_with(Store.open(place), points, settings.replications, note)
        else:
            session = sweeping.Session(work.engine, settings.limit, SHARD_SECONDS, None, (),
                                       work.command, tell)  # fmt: skip
            store = sweeping.begin(place, points, settings.replications, NOTHING_ELSE, session)
    if tell_all and store.missing():
        note(cost(work, store))
    with watch(errors, wanted=settings.progress) as seen:
        sweeping.live(store, work.engine, settings.limit, seen, note)
    return place


def gone_on_with(store: Store, points: Points, replications: int, note: sweeping.Tell) -> Store:
    """Return a sweep that is there already, once it is clear that it is the same.

    Raises
    ------
    StoreError
        If it is another one, or what is missing would be lived by another version of the model.
    """
    [config] = points.configurations.values()
    stated = store.manifest
    same = (
        stated["design"] == json.loads(json.dumps(dump(points.design)))
        and stated["configurations"][0]["hash"] == configuration_hash(config)
        and store.replications == replications
    )
    if not same:
        raise StoreError(f"{store.place.url} is of another analysis: it was begun by "
                         f"`{stated['command']}`; give another out=FOLDER")  # fmt: skip
    store.check(note)
    if store.missing() and (differs := sweeping.check_code(store)):
        raise StoreError(f"{store.place.url} was begun by another version of the model: {differs}; "
                         "give another out=FOLDER")  # fmt: skip
    return store


def cost(work: Work, store: Store) -> str:
    """Say how much there is to live, and how long that may take."""
    settings, question = work.settings, work.question
    screening, indices = question.points(settings.trajectories, settings.samples, settings.most)
    each = float(store.documents[0]["seconds_per_unit"])
    worlds = settings.replications
    seconds = each * worlds * (screening + indices) / work.engine.workers
    n = len(question.assumptions)
    n = len(question.assumptions)
    return (
        f"{n} assumptions: {screening:,} points screen them, {indices:,} or fewer weigh the "
        f"{min(settings.most, n)} that matter; each in "
        f"{worlds} {'world' if worlds == 1 else 'worlds'}, {1000 * each:.1f} ms each: about "
        f"{time_text(seconds)} on {work.engine.workers} at once"
    )


def show(report: SensitivityReport) -> None:
    """Print the answer, and for the decision what each assumption does to it."""
    out = console()
    out.print(report.headline, soft_wrap=True)
    for remark in report.remarks:
        out.print(remark, soft_wrap=True)
    view = report.flip_table(report.found.deciding)
    table = Table()
    table.add_column("assumption")
    for name in view.columns[1:]:
        table.add_column(name, justify="left" if name in view.words else "right")
    for row in view.rows:
        table.add_row(row.name, *row.cells)
    out.print(table)
