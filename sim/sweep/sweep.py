"""A sweep from design to results: begin it, add to it, live what is missing.

What is swept is written before anything is lived: the points, then the rows that are known already,
then the document that makes them count. What is lived is kept shard by shard, so a sweep can be cut
at any time; `live` does whatever is missing, whoever left it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from sim.config.build import configuration_hash, dump
from sim.config.design import Design, make_design
from sim.config.study import Config
from sim.engines.engine import Engine
from sim.errors import ConfigError, StoreError
from sim.study import OUTCOMES
from sim.sweep.content import code_files, code_version
from sim.sweep.design import Sampling, check_goes_on
from sim.sweep.known import find_known
from sim.sweep.layout import Block
from sim.sweep.life import check_columns, plan_names
from sim.sweep.place import Place
from sim.sweep.points import Compose, Points, configurations_of
from sim.sweep.rows import table_of
from sim.sweep.sizing import TRIAL_POINTS, try_units, units_per_shard
from sim.sweep.store import Draft, Store, part_schema
from sim.sweep.work import LiveShard, Report

LIBRARIES = ("fidelio", "numpy", "numba", "llvmlite", "scipy", "mesa", "simpy", "pyarrow")
IDLE_ROUNDS = 3
"""How often in a row the engine may give back all shards undone before that is an error."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Kept:
    """What a sweep keeps of each unit beside its outcomes."""

    quarters: tuple[str, ...]
    segments: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check the names."""
        check_columns(self.quarters, self.segments)


@dataclass(frozen=True, slots=True)
class Session:
    """How a sweep is begun or added to; nothing here moves a result.

    Attributes
    ----------
    engine
        Entered; its workers say into how many shards a small sweep is cut.
    limit
        Seconds that one unit may take.
    shard_seconds
        Seconds that a shard should take.
    shard_units
        Units of a shard, whatever they take.
    others
        Sweeps whose results are taken over where they are of the same content.
    command
        What was typed.
    tell
        Gets what is being done, in words.
    """

    engine: Engine
    limit: float
    shard_seconds: float
    shard_units: int | None
    others: Sequence[Store]
    command: str
    tell: Tell


class Progress(NamedTuple):
    """Where a sweep stands."""

    units: int
    """Planned."""
    done: int
    failed: int
    """Of those that were lived in this session."""


# --- what is swept -------------------------------------------------------------------------------


def begin(
    place: Place,
    points: Points,
    replications: int,
    kept: Kept,
    session: Session,
) -> Store:
    """Write the points of a new sweep, try some, cut the rest into shards.

    Parameters
    ----------
    place
        Where to; there must be no sweep yet.
    points, replications
        What varies, and in how many worlds each point is lived.
    kept
        What is kept of each unit.

    Raises
    ------
    ConfigError, StoreError
        If the design cannot be swept, or the place not be written.
    """
    first = next(iter(points.configurations.values()))
    files = code_files()
    document = {
        "command": session.command,
        "design": dump(points.design),
        "configurations": _described(points),
        "plans": plan_names(first),
        "seed": first.seed,
        "columns": {
            "outcomes": list(OUTCOMES),
            "quarters": list(kept.quarters),
            "segments": list(kept.segments),
        },
        "code": {"version": code_version(files), "files": files},
        "versions": {library: _version(library) for library in LIBRARIES},
    }
    draft = Store.draft(place, None)
    draft.add_points(points.batches())
    return _commit(draft, document, [document], (0, replications), session)


def add_replications(store: Store, more: int, session: Session) -> Store:
    """Give every point of a sweep so many more replications.

    Raises
    ------
    StoreError
        If the sweep cannot be written.
    """
    draft = Store.draft(store.place, store)
    worlds = (store.replications, more)
    document = {"command": session.command, "configurations": []}
    return _commit(draft, document, store.documents, worlds, session)


def add_points(store: Store, points: Points, session: Session) -> Store:
    """Give a sweep more points, each in as many replications as the others have.

    Raises
    ------
    ConfigError
        If the points vary other factors, or plans, than the sweep does.
    StoreError
        If the sweep cannot be written.
    """
    _check_alike(store, points)
    draft = Store.draft(store.place, store)
    draft.add_points(points.batches(first_choice=len(store.configurations)))
    document = {
        "command": session.command,
        "design": dump(points.design),
        "configurations": _described(points),
    }
    documents = [*store.documents, document]
    return _commit(draft, document, documents, (0, store.replications), session)


def points_of(design: Design, compose: Compose, folders: Sequence[Path] = ()) -> Points:
    """Return the points of a design, over all configurations that its choices make.

    `folders` hold files of one's own from which a factor may choose.

    Raises
    ------
    ConfigError
        If the design cannot be sampled, or a configuration not be composed.
    """
    base = compose({})
    sampling = Sampling(design, base, folders)
    if not sampling.choices:
        return Points(design, sampling, {(): base})
    return Points(design, sampling, configurations_of(sampling, compose))


def points_again(store: Store) -> Points:
    """Return the points that a sweep was begun with.

    Raises
    ------
    ConfigError
        If its file of points is gone.
    """
    design, made = make_design(store.manifest["design"]), _made(store)
    return Points(design, Sampling(design, next(iter(made.values()))), made)


def _made(store: Store) -> dict[tuple[str, ...], Config]:
    """Return the configurations that a sweep was begun with, by the choices that make them."""
    stated = store.manifest["configurations"]
    names = [tuple(each["choices"].values()) for each in stated]
    return dict(zip(names, store.configurations, strict=False))  # extensions may have added some


def further_points(store: Store, more: int) -> Points:
    """Return so many points that follow those of a sweep's design.

    Raises
    ------
    ConfigError
        If the design's kind knows no further points.
    """
    design = make_design(store.manifest["design"])
    check_goes_on(design)
    made = _made(store)
    sampling = Sampling(replace(design, points=_drawn(store)), next(iter(made.values())))
    return Points(design, sampling.extended(more), made)


def _drawn(store: Store) -> int:
    """Return how many points of its first design a sweep has: extensions may be of another one."""
    return sum(
        document["points"]
        for document in store.documents
        if document.get("design", {}) == store.manifest["design"]
    )


def check_code(store: Store) -> str:
    """Return how the model differs from the one that began a sweep, in words; empty if it does not.

    The last document that states a version counts: it may have been accepted before.
    """
    stated = [document["code"] for document in store.documents if "code" in document][-1]
    files = code_files()
    if code_version(files) == stated["version"]:
        return ""
    before = stated["files"]
    names = sorted(
        f"sim/{name}" for name in {*files, *before} if files.get(name) != before.get(name)
    )
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""  # noqa: PLR2004  # enough to see
    return f"{', '.join(names[:3])}{more} differ from the version that began it"


def accept_code(store: Store) -> Store:
    """Note in a sweep that the present version of the model goes on with it.

    Raises
    ------
    StoreError
        If the sweep cannot be written.
    """
    files = code_files()
    document = {
        "configurations": [],
        "code": {"version": code_version(files), "files": files},
        "missing_then": len(store.missing()),
    }
    last = store.blocks[-1]
    return Store.draft(store.place, store).commit(document, Block(last.shards.stop, 0, 0, 0, 1, 1))


def _commit(
    draft: Draft,
    document: dict[str, Any],
    documents: Sequence[Mapping[str, Any]],
    worlds: tuple[int, int],
    session: Session,
) -> Store:
    """Try a few units, take over what is known, cut the rest into shards, write the document."""
    store = draft.store
    first_run, runs = (draft.first_run, draft.n_runs) if draft.n_points else (0, draft.first_run)
    block = Block(store.blocks[-1].shards.stop if store else 0, first_run, runs, *worlds,
                  units_per_shard=session.shard_units or 1)  # fmt: skip
    first = documents[0]
    known = []
    if runs:
        session.tell("Trying some points")
        points = draft.sample_runs(TRIAL_POINTS)
        trial = try_units(documents, points, worlds[0], session.limit)
        document = {**document, "seconds_per_unit": round(trial.seconds, 6)}
        if session.shard_units is None:
            workers, wanted = session.engine.workers, session.shard_seconds
            size = units_per_shard(block.units, trial.seconds, workers, wanted)
            block = replace(block, units_per_shard=size)
        known.append(table_of(part_schema(first), first["plans"], trial.units, trial.lived))
    session.tell("Looking for results that are known")
    draft.add_known(chain(known, find_known(draft, block, session.others, documents)))
    return draft.commit(document, block)


def _described(points: Points) -> list[dict[str, Any]]:
    configurations = points.configurations.values()
    return [
        {"choices": choices, "hash": configuration_hash(config), "configuration": dump(config)}
        for choices, config in zip(points.documents(), configurations, strict=True)
    ]


def _check_alike(store: Store, points: Points) -> None:
    """Raise ConfigError if points could not stand in one table with those of a sweep."""
    before = make_design(store.manifest["design"])
    ours = {factor.column: (factor.key, factor.apply) for factor in before.factors}
    theirs = {factor.column: (factor.key, factor.apply) for factor in points.design.factors}
    differing = {*ours.items()} ^ {*theirs.items()}
    if differing:
        name = sorted(column for column, _ in differing)[0]
        raise ConfigError(
            f"varies '{name}' otherwise than the sweep does", key="design", value=name,
            allowed=f"the factors of {store.place.url}: {', '.join(ours)}",
        )  # fmt: skip
    plans = [plan_names(config) for config in points.configurations.values()]
    for names in plans:
        if tuple(names) != tuple(store.plans):
            raise ConfigError(
                f"{names} are other plans than the sweep's", key="plans", value=names,
                allowed=f"the plans of {store.place.url}: {list(store.plans)}",
            )  # fmt: skip


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


# --- living it -----------------------------------------------------------------------------------


def live(
    store: Store, engine: Engine, limit: float, watch: Callable[[Progress], None], tell: Tell
) -> Progress:
    """Have an engine live whatever is missing of a sweep, then merge its parts.

    Parameters
    ----------
    store, engine
        What, and where; the engine is entered.
    limit
        Seconds that one unit may take.
    watch
        Called whenever a shard is done.

    Raises
    ------
    StoreError
        If the sweep cannot be read or written, or the engine loses shards again and again.
    """
    work = LiveShard(store.place.url, limit, len(store.documents))
    units = sum(block.units for block in store.blocks)
    left, idle = store.missing(), 0
    at = Progress(units, units - sum(store.block_of(shard).n_units_of(shard) for shard in left), 0)
    watch(at)
    while left:
        said = ""
        for done in engine.run(work, left):
            if done.fatal:
                raise StoreError(done.error)
            said = said or done.error
            if not done.error:
                size = store.block_of(done.task).n_units_of(done.task)
                failed = done.value.failed if isinstance(done.value, Report) else 0
                at = Progress(units, at.done + size, at.failed + failed)
                watch(at)
        before, left = len(left), store.missing()
        idle = idle + 1 if len(left) == before else 0
        if left and idle == IDLE_ROUNDS:
            raise StoreError(f"{len(left)} shards came back undone {idle} times: {said}")
        if left:
            tell(f"{len(left)} shards are lived again: {said}")
            time.sleep(idle)
    store.compact()
    return at
