"""`fidelio sweep`: a design of points, lived on an engine; resumed, extended."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from sim.commands.arguments import compile_first, split_arguments, status
from sim.commands.common import console
from sim.commands.engines import make_engine
from sim.config.design import Design, read_design
from sim.config.load import load
from sim.config.study import Config
from sim.config.sweep import OtherCode, Sweep
from sim.engines.engine import Engine
from sim.errors import ConfigError, FidelioError, Interrupted, StoreError
from sim.study import check_measures
from sim.sweep import sweep as sweeping
from sim.sweep.layout import MANIFEST
from sim.sweep.place import Place, open_place
from sim.sweep.points import Points
from sim.sweep.store import Store

HELP = """\
fidelio sweep: a design of points, lived on an engine, into a store that can be resumed and asked

usage: fidelio sweep design=DESIGN out=SWEEP [engine=ENGINE] [KEY=VALUE ...]
       fidelio sweep resume=SWEEP [engine=ENGINE]
       fidelio sweep extend=SWEEP replications=+32 | points=+512 | design=MORE

  design          a name in conf/design/, a file, or a sweep's folder: the same once more
  out             folder of the new sweep, or any address that fsspec knows
  engine          local (processes of this machine), slurm, dask, ray: docs/cluster.md
  resume          finishes what was cut; nothing that is kept is lived again
  extend          adds worlds to every point, or points

{settings}

Whatever else is given is of the configuration that the design varies, as with `fidelio run`:
scenario=retail_three_phase customers=1000 market.rate.mean=0.9

examples:
  fidelio sweep design=budget_phases out=outputs/sweeps/phases
  fidelio sweep design=my_design.yaml out=outputs/sweeps/mine plans=[three_phase,service_first]
  fidelio sweep resume=outputs/sweeps/phases engine=slurm workers=100 slurm.partition=main
  fidelio sweep extend=outputs/sweeps/phases replications=+32
  fidelio query outputs/sweeps/phases "select plan, avg(npv) from outcomes group by plan"
  fidelio show outputs/sweeps/phases
"""
Told = tuple[sweeping.Tell, sweeping.Tell]
"""What is being done now, which the next replaces; and what is to be read later, too."""
WAYS = "design=DESIGN out=SWEEP, resume=SWEEP, or extend=SWEEP"


def main(arguments: Sequence[str]) -> None:
    """Begin, finish or extend a sweep, and say where it is.

    Raises
    ------
    ConfigError, StoreError
        If the settings, the design, the sweep or the engine cannot be used.
    Interrupted
        If the user stopped it; what was finished is kept.
    """
    given = split_arguments(Sweep, "sweep", arguments, HELP)
    if given is None:
        return
    settings, overrides, folders = given
    check_settings(settings, overrides)
    place = open_place(settings.out or settings.resume or settings.extend or "")
    request = Request(settings, overrides, folders, shlex.join(["fidelio", "sweep", *arguments]))
    try:
        with status(wanted=settings.progress) as tell:
            tell("Composing the design")
            new = asked_for(request, place) if settings.out is not None else None
        with make_engine(settings, settings.shard_seconds) as engine, place.lock():
            carry_out(request, place, engine, new)
    except KeyboardInterrupt:
        raise Interrupted("stopped before anything was lived; all is as it was") from None


@dataclass(frozen=True)
class New:
    """A sweep that is to be begun, all of it checked that can be before anything is written."""

    points: Points
    replications: int
    kept: sweeping.Kept


@dataclass(frozen=True)
class Request:
    """What was typed.

    Attributes
    ----------
    overrides, folders
        Of the configuration that is varied.
    command
        The line itself.
    """

    settings: Sweep
    overrides: Sequence[str]
    folders: Sequence[str]
    command: str


def check_settings(settings: Sweep, overrides: Sequence[str]) -> None:
    """Raise ConfigError if the settings say not one thing to do, or too much."""
    asked = [name for name in ("resume", "extend") if getattr(settings, name) is not None]
    if settings.design is not None and settings.extend is None:
        asked.append("design")
    if len(asked) != 1:
        problem = f"{' and '.join(asked)} are given" if asked else "nothing to sweep is given"
        raise ConfigError(problem, key="sweep", allowed=WAYS)
    way = asked[0]
    if (settings.out is None) == (way == "design"):
        problem = "is missing" if way == "design" else f"has no place beside {way}"
        raise ConfigError(problem, key="out", value=settings.out, allowed=WAYS)
    extra = [name for name in ("points", "replications", "plans") if getattr(settings, name)]
    if way == "resume" and (extra or overrides):
        raise ConfigError(
            "a sweep is finished as it was begun", key=(extra or overrides)[0].partition("=")[0],
            allowed="extend=SWEEP replications=+N, or a new sweep",
        )  # fmt: skip
    if way == "extend":
        more = [*extra, *(["design"] if settings.design else [])]
        if len(more) != 1 or "plans" in more:
            raise ConfigError(
                f"{' and '.join(more) or 'nothing'} to add", key="extend",
                allowed="one of replications=+N, points=+N, design=MORE",
            )  # fmt: skip


def carry_out(request: Request, place: Place, engine: Engine, new: New | None) -> None:
    """Do what was asked with an engine that has been entered."""
    settings, errors = request.settings, Console(stderr=True)
    note = partial(errors.print, soft_wrap=True)
    with status(wanted=settings.progress) as tell:
        if new is not None:
            store = begun(request, new, place, engine, (tell, note))
        else:
            store = resumed(request, place, note)
        if settings.extend is not None:
            store = extended(request, store, engine, (tell, note))
    show_plan(store, engine, errors)
    try:
        with watch(errors, wanted=settings.progress) as seen:
            at = sweeping.live(store, engine, settings.limit, seen, note)
    except KeyboardInterrupt:
        done = Store.open(place)
        left = sum(done.block_of(shard).n_units_of(shard) for shard in done.missing())
        raise Interrupted(
            f"stopped; all but {left:,} units are kept. Go on with: "
            f"fidelio sweep resume={shlex.quote(place.url)}"
        ) from None
    except FidelioError as error:
        raise StoreError(
            f"{error}. What is done is kept; go on with: "
            f"fidelio sweep resume={shlex.quote(place.url)}"
        ) from None
    show_end(store, at)


# --- what is to be swept -------------------------------------------------------------------------


def asked_for(request: Request, place: Place) -> New:
    """Return the sweep that is to be begun.

    Raises
    ------
    ConfigError, StoreError
        If it cannot be, or one lies there already.
    """
    settings, where = request.settings, shlex.quote(place.url)
    if place.exists(MANIFEST):
        raise StoreError(
            f"{place.url} holds a sweep already; fidelio sweep resume={where} finishes it, "
            f"extend={where} adds to it"
        )
    kept = sweeping.Kept(settings.quarterly, settings.segmental)
    worlds = _number("replications", settings.replications, 0)
    design, points = swept(request, str(settings.design))
    return New(points, worlds or design.replications or 1, kept)


def begun(request: Request, new: New, place: Place, engine: Engine, told: Told) -> Store:
    """Return a new sweep, its points written and its shards cut."""
    compile_first(next(iter(new.points.configurations.values())))
    return sweeping.begin(
        place, new.points, new.replications, new.kept, session_of(request, place, engine, told)
    )


def extended(request: Request, store: Store, engine: Engine, told: Told) -> Store:
    """Return a sweep with what was asked added to it."""
    settings = request.settings
    session = session_of(request, store.place, engine, told)
    if settings.replications is not None:
        return sweeping.add_replications(
            store, _more("replications", settings.replications), session
        )
    if settings.points is not None:
        points = sweeping.further_points(store, _more("points", settings.points))
    else:
        _, points = swept(request, str(settings.design))
    return sweeping.add_points(store, points, session)


def resumed(request: Request, place: Place, tell: sweeping.Tell) -> Store:
    """Return a sweep as it was left, after a look at all that it holds."""
    settings, store = request.settings, Store.open(place)
    store.check(tell)
    if settings.retry:
        again = store.drop_failures()
        tell(f"{len(again)} shards with failed units are lived again")
    differs = sweeping.check_code(store) if settings.extend or store.missing() else ""
    if differs and settings.code is OtherCode.REFUSE:
        where = shlex.quote(place.url)
        raise StoreError(
            f"{place.url} was begun by another version of the model: {differs}. "
            f"Either go on with the present one, which the sweep will note: "
            f"fidelio sweep {'resume' if settings.resume else 'extend'}={where} code=accept; "
            f"or live all of it anew: fidelio sweep design={where} out=ANOTHER"
        )
    return sweeping.accept_code(store) if differs else store


def swept(request: Request, given: str) -> tuple[Design, Points]:
    """Return a design with its points; of a sweep's folder, that sweep's."""
    folder = Path(given).expanduser()
    if (folder / MANIFEST).is_file():
        return _swept_before(request, Store.open(open_place(given)))
    settings = request.settings
    own = [Path(each) for each in request.folders]
    design = read_design(given, own)
    if settings.points is not None and settings.extend is None:
        design = replace(design, points=_number("points", settings.points, 0))
    overrides = [] if design.scenario is None else [f"scenario={design.scenario}"]
    overrides += [f"{key}={_typed(value)}" for key, value in design.settings.items()]
    plans = settings.plans or design.plans
    if plans:
        overrides.append(f"plans=[{','.join(plans)}]")

    def compose(choices: Mapping[str, str]) -> Config:
        chosen = [f"{group}={name}" for group, name in choices.items()]
        config = load(None, [*overrides, *chosen, *request.overrides],
                      "compare" if plans else "run", request.folders)  # fmt: skip
        check_measures(config)
        return config

    return design, sweeping.points_of(design, compose, own)


def _swept_before(request: Request, store: Store) -> tuple[Design, Points]:
    if request.overrides or request.settings.points or request.settings.plans:
        raise ConfigError("a sweep is done again as it was", key="design", value=store.place.url,
                          allowed="no other settings of what is swept")  # fmt: skip
    points = sweeping.points_again(store)
    return replace(points.design, replications=store.blocks[0].replications), points


def session_of(request: Request, place: Place, engine: Engine, told: Told) -> sweeping.Session:
    """Return how a sweep is to be begun or added to."""
    settings, (tell, note) = request.settings, told
    return sweeping.Session(
        engine, settings.limit, settings.shard_seconds, settings.shard_units,
        known_sweeps(settings, place, note), request.command, tell,
    )  # fmt: skip


def known_sweeps(settings: Sweep, place: Place, note: sweeping.Tell) -> list[Store]:
    """Return the sweeps whose results may be taken over; one beside it that is broken is left."""
    found = []
    for given in settings.reuse:
        if given != "siblings":
            found.append(Store.open(open_place(given)))
            continue
        for sibling in place.siblings():
            try:
                found += [Store.open(sibling)] if sibling.exists(MANIFEST) else []
            except StoreError as error:
                note(f"Nothing is taken over from there: {error}")
    return found


def _number(key: str, text: str | None, default: int) -> int:
    if text is None:
        return default
    if not text.isdigit() or not int(text):
        raise ConfigError(f"'{text}' is no number of {key}", key=key, value=text,
                          allowed="1 or more; with extend=SWEEP: +1 or more")  # fmt: skip
    return int(text)


def _more(key: str, text: str) -> int:
    return _number(key, text.removeprefix("+"), 0)


def _typed(value: Any) -> str:
    """Return a value of a design's settings as it would be typed."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{name}:{_typed(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_typed, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)


# --- what the reader is told ---------------------------------------------------------------------


def show_plan(store: Store, engine: Engine, errors: Console) -> None:
    """Say what is to be lived, and how long that may take."""
    left = sum(store.block_of(shard).n_units_of(shard) for shard in store.missing())
    cost = [each["seconds_per_unit"] for each in store.documents if "seconds_per_unit" in each]
    same = store.n_points - store.n_runs
    errors.print(
        f"{store.n_points:,} points"
        + (f" ({same:,} of them the same as others)" if same else "")
        + f" x {store.replications:,} replications x {len(store.plans)} plans, baseline included; "
        f"{left:,} units to live",
        soft_wrap=True,
    )
    if cost and left:
        seconds = cost[-1] * left / engine.workers
        errors.print(
            f"{1000 * cost[-1]:.1f} ms a unit on one core: about {_duration(seconds)} on "
            f"{engine.workers} workers. Cut at any time, it goes on with "
            f"fidelio sweep resume={shlex.quote(store.place.url)}",
            soft_wrap=True,
        )


def show_end(store: Store, at: sweeping.Progress) -> None:
    """Say what is done, and what to do with it."""
    where, out = shlex.quote(store.place.url), console()
    failed = len(store.failures())
    if failed:
        out.print(f"{failed:,} of {at.units:,} units failed: fidelio query {where} "
                  '"select * from failures"', soft_wrap=True)  # fmt: skip
    out.print(f"Sweep: {store.place.url}", soft_wrap=True)
    out.print(f'Ask:   fidelio query {where} "select plan, avg(npv) from outcomes group by plan"',
              soft_wrap=True)  # fmt: skip
    out.print(f"Look:  fidelio show {where}", soft_wrap=True)


@contextmanager
def watch(shown_on: Console, *, wanted: bool) -> Iterator[Callable[[sweeping.Progress], None]]:
    """Give a function that shows where a sweep stands: units, rate, time left, failures."""
    if not wanted:
        yield lambda _: None
        return
    columns = (
        TextColumn("Units lived"), BarColumn(), TextColumn("{task.completed:,.0f} of "
        "{task.total:,.0f}"), TextColumn("{task.fields[rate]}"), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(), TextColumn("[red]{task.fields[failed]}"),
    )  # fmt: skip
    with Progress(*columns, console=shown_on, transient=True, speed_estimate_period=600) as bar:
        task = bar.add_task("", total=1, rate="", failed="")
        first: list[int] = []

        def seen(at: sweeping.Progress) -> None:
            first[:] = first or [at.done]
            elapsed = bar.tasks[0].elapsed or 0.0
            rate = (at.done - first[0]) / elapsed if elapsed else 0.0
            bar.update(task, total=at.units, completed=at.done, rate=f"{rate:,.1f}/s",
                       failed=f"{at.failed:,} failed" if at.failed else "")  # fmt: skip

        yield seen


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} seconds"
