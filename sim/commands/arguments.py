"""What commands that are no studies share: their own settings, and what they tell meanwhile."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NoReturn, TypeVar

from rich.console import Console

from sim.config.load import load
from sim.config.settings import read_settings, settings_help
from sim.config.study import Config
from sim.errors import ConfigError
from sim.study import COMPILING, compile_kernels

T = TypeVar("T")


@contextmanager
def status(*, wanted: bool) -> Iterator[Callable[[str], None]]:
    """Give a function that tells on standard error what is being done now."""
    if not wanted:
        yield lambda _: None
        return
    with Console(stderr=True).status("") as shown:
        yield lambda text: shown.update(f"{text} ...")


def read_arguments(
    cls: type[T], command: str, arguments: Sequence[str], usage: str
) -> tuple[T, Config] | None:
    """Return a command's own settings and the study that it composes; None if only help was asked.

    Parameters
    ----------
    cls
        The settings, see `sim.config.settings`.
    command
        Its name.
    arguments
        What follows it on the command line.
    usage
        Help, with `{settings}` where the settings are to be listed.

    Raises
    ------
    ConfigError
        If an argument cannot be used.
    """
    given = split_arguments(cls, command, arguments, usage)
    if given is None:
        return None
    settings, study, folders = given
    return settings, load(None, study, folders=folders)


def split_arguments(
    cls: type[T], command: str, arguments: Sequence[str], usage: str
) -> tuple[T, list[str], list[str]] | None:
    """Return a command's own settings, what is of its study, and folders of one's own.

    As `read_arguments`, for a command that composes its study, or several, itself.

    Raises
    ------
    ConfigError
        If an argument cannot be used.
    """
    parser = _Parser(prog=f"fidelio {command}", add_help=False, allow_abbrev=False)
    parser.add_argument("settings", nargs="*")
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("-cd", "--config-dir", action="append", default=[])
    options = parser.parse_intermixed_args(list(arguments))
    if options.help:
        print(usage.format(settings=settings_help(cls, command)), end="")
        return None
    settings, study = read_settings(cls, command, options.settings)
    return settings, study, options.config_dir


def compile_first(config: Config) -> None:
    """Bring the compiled loops in, and say so if that takes long."""
    compile_kernels(config, partial(Console(stderr=True).print, COMPILING, soft_wrap=True))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(message, allowed=f"what {self.prog} --help shows")
