"""Settings of a command that is no study, from conf/COMMAND.yaml and what follows on the line.

Such a command (`calibrate`, `validate`, `export`) has settings of its own. Whatever else is given,
`market=...` or `customers=...`, is of the study that it composes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeVar, cast, get_type_hints

from sim.config.build import Limits, assign, build
from sim.config.files import GROUPS, config_root, read, shown
from sim.config.load import COMMAND_LINE, parse
from sim.config.study import Config
from sim.errors import ConfigError

T = TypeVar("T")


def read_settings(cls: type[T], command: str, arguments: Sequence[str]) -> tuple[T, list[str]]:
    """Return the settings of a command, and the arguments that are of its study.

    Parameters
    ----------
    cls
        A frozen dataclass, as `sim.config.build` takes it.
    command
        Its file in `conf/` has the defaults.
    arguments
        `KEY=VALUE`, in Hydra's grammar; a key may be a path, `columns.customer=client`.

    Raises
    ------
    ConfigError
        If a setting is unknown, missing or cannot be used.
    """
    file = config_root() / "conf" / f"{command}.yaml"
    data, typed, study = read(file), set[str](), list[str]()
    own = [field.name for field in dataclasses.fields(cast(Any, cls))]
    hints = get_type_hints(cls)
    of_study = [*(field.name for field in dataclasses.fields(Config)), *GROUPS, "hydra"]
    for text in arguments:
        key, value = parse(text)
        name = key.partition(".")[0]
        if name in own:
            holds_text = "str" in str(hints[name]).replace("dict[str, float]", "")
            is_text = holds_text and isinstance(value, int | float)
            assign(data, key, text.partition("=")[2] if is_text else value)
            typed.add(key)
        elif name in of_study:
            study.append(text)
        else:
            raise ConfigError("no such setting", key=key, file=COMMAND_LINE,
                              known=[*own, *of_study])  # fmt: skip
    try:
        return build(cls, data), study
    except ConfigError as error:
        given = any(f"{error.key}.".startswith(f"{key}.") for key in typed)
        missing = error.problem == "is missing"
        raise error.with_file(COMMAND_LINE if given or missing else shown(file)) from None


def settings_help(cls: type, command: str) -> str:
    """Return a line for each setting of a command: name, default, and its range if it has one."""
    given = read(config_root() / "conf" / f"{command}.yaml")
    lines = []
    for field in dataclasses.fields(cast(Any, cls)):
        if field.name in given:
            allowed = Limits(**field.metadata).allowed if field.metadata else ""
            default = given[field.name]
            nested = isinstance(default, dict) and default
            default = f"see conf/{command}.yaml" if nested else "" if default is None else default
            lines.append(f"  {field.name:<15} {default!s:<10} {allowed}".rstrip())
    return "\n".join(["settings:", *lines])
