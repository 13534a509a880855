"""Where configuration files lie, and how one is read without Hydra; quick to import."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from sim.errors import ConfigError

GROUPS = (
    "scenario", "market", "rivals", "plan", "risks", "finance", "desk", "organisation", "engine",
    "report",
)  # fmt: skip
"""What is chosen by a name or by a path to a YAML file, in the order in which help shows it."""


def config_root() -> Path:
    """Return the folder that holds `conf/` and `scenarios/`.

    That is `sim/_data` in an installed package, else the repository.

    Raises
    ------
    ConfigError
        If there is no `conf/` in either.
    """
    package = Path(__file__).resolve().parents[1]
    for root in (package / "_data", package.parent):
        if (root / "conf").is_dir():
            return root
    raise ConfigError("its conf/ is missing: install Fidelio again", file=str(package))


def folder_of(group: str) -> Path:
    """Return the folder that holds the shipped files of a group, or of `lever`."""
    root = config_root()
    return root / "scenarios" if group == "scenario" else root / "conf" / group


def choices(group: str) -> tuple[str, ...]:
    """Return the names that are shipped for a group, sorted."""
    return tuple(sorted(file.stem for file in folder_of(group).glob("*.yaml")))


def cache_folder() -> Path:
    """Return the folder of what is kept to save time, beside the compiled kernels.

    A temporary one if it cannot be made.
    """
    given = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    folder = (Path(given) if given else Path.home() / ".cache") / "fidelio"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.gettempdir())
    return folder


def is_path(value: str) -> bool:
    """Return whether a choice is meant as a path rather than as a name."""
    separators = {"/", os.sep}
    return value.endswith((".yaml", ".yml")) or any(sign in value for sign in separators)


def shown(path: Path) -> str:
    """Return a path as messages show it: relative to the working folder where it lies below it."""
    path, here = path.absolute(), Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


# Several times as fast where PyYAML was built with what it has in C.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def read(path: Path, key: str = "") -> dict[str, Any]:
    """Return what a YAML file says, an empty dict for an empty file.

    Raises
    ------
    ConfigError
        If the file is missing, is no YAML, or holds no mapping; `key` is the setting that named it.
    """
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), LOADER)
    except FileNotFoundError:
        raise ConfigError(f"no such file: {path}", key=key, value=path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", key=key, value=path) from None
    except yaml.YAMLError as error:
        raise bad_yaml(error, shown(path)) from None
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        raise ConfigError(
            f"holds a {type(data).__name__}", file=shown(path), allowed="keys with values"
        )
    return dict(data)


def bad_yaml(error: yaml.YAMLError, file: str) -> ConfigError:
    """Return the error that says where and why a file is no YAML."""
    mark = getattr(error, "problem_mark", None)
    where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return ConfigError(f"no YAML{where}: {problem}", file=file)
