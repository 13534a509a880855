"""What a result depends on, as short keys: of the configuration, and of the code.

Two plans whose keys are the same give the same numbers in a world of the same number, whatever
file, override or edit their configurations came from. So a sweep lives nothing twice.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import struct
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple, cast

import sim
from sim.config.build import Key
from sim.config.desk import Desk
from sim.config.fields import Uncertain
from sim.config.finance import Finance
from sim.config.market import Market
from sim.config.risk import Risks
from sim.config.rivals import Rivals
from sim.config.rollout import Organisation
from sim.config.study import Config
from sim.errors import ConfigError

KEY_SIZE = 16
"""Bytes of a key."""

_WORDS = ("title", "description", "story", "provenance", "evidence")
"""Fields of any part that only tell a reader something."""
_ASIDE: dict[type, tuple[str, ...]] = {
    Config: (
        "scenario", "plans", "plan", "baseline", "lever", "replications", "precision", "command",
        "engine", "report",
    ),
    **dict.fromkeys((Desk, Organisation, Risks, Rivals), ("name",)),
    Finance: ("name", "accounting"),
    Market: ("name", "benchmarks"),
}  # fmt: skip
"""Fields of one kind of part that move nothing that a plan gives in a world, or that
`ContentKeys.keys` adds itself: the plan, the baseline and their levers."""


class _Known(NamedTuple):
    """A part whose digest is known."""

    value: Any
    digest: bytes
    parts: dict[Key, _Known]


_NOTHING = _Known(None, b"", {})


class ContentKeys:
    """Keys of configurations that differ little from one; what they share with it costs nothing.

    Parameters
    ----------
    config
        The configuration that others were edited from.

    Notes
    -----
    A Merkle tree (Merkle 1988): the digest of a part is that of its parts' digests, so of an edited
    configuration only what lies on the way to an edit is digested anew. What is the same object as
    before is taken to be the same content. Numbers go by their value, `1` as `1.0`, and a
    distribution by its form and parameters. The order of a mapping counts: it is the order in which
    levers are added up, which can move the last bit of a sum.
    """

    def __init__(self, config: Config) -> None:
        self._market = _known(config)
        self._plan, self._baseline = _known(config.plan), _known(config.baseline)
        self._plans = tuple(_known(plan) for plan in config.plans)
        self._levers = {name: _known(lever) for name, lever in config.lever.items()}

    def keys(self, config: Config) -> list[bytes]:
        """Return a key of 16 bytes for each plan, in the order of `plans`, or of `plan` alone.

        A plan's key covers the plan, the baseline, the levers that either pays for, and all of the
        configuration beside them that can move a result: the clock, the seed and the number of
        customers are in it, the number of replications, other plans and what is only told are not.
        """
        plans = config.plans or (config.plan,)
        known = self._plans if config.plans else (self._plan,)
        shared = _digest(config, self._market) + _digest(config.baseline, self._baseline)
        found = []
        for index, plan in enumerate(plans):
            funded = sorted({*plan.levers, *config.baseline.levers})
            levers = [_digest(config.lever[n], self._levers.get(n, _NOTHING)) for n in funded]
            own = _digest(plan, known[index] if index < len(known) else _NOTHING)
            found.append(_hashed([shared, own, *levers]))
        return found


def _known(value: Any) -> _Known:
    """Return a part with its digest and those of its parts."""
    parts = {key: _known(item) for key, item in _parts(value) if _has_parts(item)}
    own = _Known(value, b"", parts)
    return own._replace(digest=_anew(value, own))


def _digest(value: Any, known: _Known) -> bytes:
    """Return a part's digest, given what is known of the part that stood in its place."""
    return known.digest if value is known.value else _anew(value, known)


def _anew(value: Any, known: _Known) -> bytes:
    content = [type(value).__name__.encode()]
    for key, item in _parts(value):
        if isinstance(value, Mapping):
            content.append(str(key).encode())
        if _has_parts(item):
            content.append(_digest(item, known.parts.get(key, _NOTHING)))
        else:
            content.append(_written(item))
    return _hashed(content)


def _has_parts(value: Any) -> bool:
    return isinstance(value, tuple | Mapping) or dataclasses.is_dataclass(value)


def _parts(value: Any) -> Iterator[tuple[Key, Any]]:
    """Yield the parts of a value that can move a result, by what they are found by."""
    if isinstance(value, tuple):
        yield from enumerate(value)
    elif isinstance(value, Mapping):
        yield from value.items()
    elif dataclasses.is_dataclass(value):
        for name in _fields(cast(type, type(value))):
            yield name, getattr(value, name)


@functools.cache
def _fields(cls: type) -> tuple[str, ...]:
    """Return the fields of a kind of part that can move a result."""
    aside = (*_WORDS, *_ASIDE.get(cls, ()))
    return tuple(field.name for field in dataclasses.fields(cls) if field.name not in aside)


def _written(value: Any) -> bytes:
    """Return a single value in bytes; values that compute the same are the same."""
    if isinstance(value, Uncertain):
        numbers = value.parameters
        return value.form.encode() + struct.pack(f"<{len(numbers)}d", *numbers)
    if isinstance(value, bool | None):
        return str(value).encode()
    if isinstance(value, int | float):
        return b"number" + struct.pack("<d", value)
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}".encode()
    if isinstance(value, str):
        return b"text" + value.encode()
    raise TypeError(f"a {type(value).__name__} in a configuration has no key")


def _hashed(content: list[bytes]) -> bytes:
    """Return the digest of a list of bytes; no other list has it."""
    lengths = struct.pack(f"<{len(content)}I", *map(len, content))
    return hashlib.blake2b(b"".join([lengths, *content]), digest_size=KEY_SIZE).digest()


# --- code ----------------------------------------------------------------------------------------

UNMOVING = (
    "_data/", "calibration/", "commands/", "engines/", "planning/", "report/", "sweep/",
    "validation/", "finance/accounts.py", "finance/statement.py",
    "__init__.py", "__main__.py", "cli.py", "errors.py", "result.py", "store.py",
    "config/calibration.py", "config/design.py", "config/discover.py", "config/edit.py",
    "config/engine.py", "config/engines.py", "config/explain.py", "config/files.py",
    "config/load.py", "config/matching.py", "config/optimise.py", "config/planning.py",
    "config/regret.py", "config/sensitivity.py", "config/settings.py", "config/shock.py",
    "config/show.py", "config/stress.py", "config/sweep.py",
)  # fmt: skip
"""Sources that move nothing that a given configuration gives in a world. Whatever is not named
here is taken to: to live something again is the smaller harm."""
MOVING = ("planning/life.py", "sweep/life.py")
"""And what among them does move it: what planners and sweeps keep of a world."""


def code_files() -> dict[str, str]:
    """Return a short hash of each source of the package that can move a result, by its path.

    The end of a line may be written in either way.

    Raises
    ------
    ConfigError
        If the sources are not there.
    """
    folder = Path(sim.__file__).parent
    sources = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.py"))}
    found = {
        name: hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()[:KEY_SIZE]
        for name, path in sources.items()
        if name in MOVING or not name.startswith(UNMOVING)
    }
    if not found:
        raise ConfigError("its sources are missing: install Fidelio again", file=str(folder))
    return found


def code_version(files: Mapping[str, str]) -> str:
    """Return one short hash for those of `code_files`."""
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:KEY_SIZE]
