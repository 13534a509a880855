"""What the engines on clusters share: how much is in them, lost tasks, packages, folders."""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path
from typing import Any

from sim.engines.engine import Done, Work
from sim.errors import ConfigError

TASKS_PER_WORKER = 2
"""Tasks in an engine at a time: one that is done, and one that waits so that no worker does."""


def lost(work: Work, task: int, why: str) -> Done:
    """Return how a task came out whose worker told nothing: its result may be kept all the same."""
    return Done(task) if work.is_done(task) else Done(task, error=why)


def find_package(module: str, extra: str) -> Any:
    """Import a module of an optional package.

    Raises
    ------
    ConfigError
        If it cannot be imported; it names the extra to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise missing_package(module, extra, str(error)) from None


def missing_package(module: str, extra: str, why: str) -> ConfigError:
    """Return the error for a package that cannot be imported."""
    return ConfigError(
        f"needs {module}, which cannot be imported ({why})",
        key=extra, allowed=f"pip install 'fidelio[{extra}]'",
    )  # fmt: skip


def make_folder(parent: str, prefix: str, key: str) -> Path:
    """Make a folder of its own for one use, below one that every machine sees.

    Raises
    ------
    ConfigError
        If it cannot be made; `key` is the setting that says where.
    """
    where = Path(parent).expanduser().absolute()
    try:
        where.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=prefix, dir=where))
    except OSError as error:
        raise ConfigError(
            f"no folder can be made there ({error.strerror})", key=key, value=parent,
            allowed="a folder that this machine and the nodes see alike",
        ) from None  # fmt: skip
