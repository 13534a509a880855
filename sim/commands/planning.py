"""What the planning commands share: a folder, the lives in it, how far they are."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from sim.commands.arguments import compile_first
from sim.commands.common import progress_bar
from sim.commands.engines import make_engine
from sim.config.load import load
from sim.config.planning import Planning
from sim.config.study import Config
from sim.errors import ConfigError, Interrupted
from sim.planning.lives import Lives
from sim.store import check_folder
from sim.study import check_measures
from sim.sweep.place import open_place

LIVES = "lives"
"""Folder, below that of what is found, where lives are kept."""


def output_folder(out: str | None, command: str) -> Path:
    """Return the folder that a command writes into, made and tried.

    Parameters
    ----------
    out
        The one that was asked for; outputs/COMMAND/DATE_TIME if None.
    command
        Name of the command.

    Raises
    ------
    StoreError
        If it cannot be made or written.
    """
    folder = Path(out) if out else Path("outputs", command, time.strftime("%Y-%m-%d_%H-%M-%S"))
    check_folder(folder)
    return folder


def study_of(overrides: Sequence[str], folders: Sequence[str | Path]) -> Config:
    """Return the study: of several plans if any are named, else of one.

    Raises
    ------
    ConfigError
        If it cannot be composed, or looks at a measure that does not exist.
    """
    several = any(text.partition("=")[0].lstrip("+") == "plans" for text in overrides)
    config = load(None, overrides, "compare" if several else "run", folders)
    check_measures(config)
    return config


@contextmanager
def open_lives(settings: Planning, config: Config, folder: Path) -> Iterator[Lives]:
    """Give the lives of a study, kept in a folder, with an engine that lives more of them.

    After Ctrl-C the user is told where what was lived is, and how to go on.

    Raises
    ------
    ConfigError, StoreError, EngineError
        If the study asks for a precision, the folder cannot be used, or the engine not be started.
    Interrupted
        If the user stopped it.
    """
    if config.precision is not None:
        raise ConfigError(
            "is a setting of run and compare; here worlds are told by their number",
            key="precision", value=config.precision, allowed="replications=N",
        )  # fmt: skip
    place = open_place(folder / LIVES)
    try:
        compile_first(config)
        with make_engine(settings) as engine, place.lock():
            lives = Lives(config, place, engine, settings.limit)
            yield lives
            for remark in lives.remarks:
                Console(stderr=True).print(remark, soft_wrap=True)
    except KeyboardInterrupt:
        raise Interrupted(
            f"stopped; what was lived is kept in {folder}. The same command with "
            f"out={shlex.quote(str(folder))} goes on from there"
        ) from None


@contextmanager
def watch(settings: Planning, text: str = "Plans lived") -> Iterator[Callable[[int, int], None]]:
    """Give a function (done, planned) that moves a bar on standard error, if one is wanted."""
    with progress_bar(Console(stderr=True), text, wanted=settings.progress) as advance:
        yield advance or (lambda done, planned: None)
