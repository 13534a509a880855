"""Settings of `fidelio sweep`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sim.config.engines import DaskSettings, EngineKind, RaySettings, SlurmSettings
from sim.config.fields import number


class OtherCode(Enum):
    """What to do with a sweep that another version of the model began."""

    REFUSE = "refuse"
    ACCEPT = "accept"
    """Go on with the present version; the sweep notes from which shard on."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Settings of `fidelio sweep`."""

    design: str | None
    """A name in conf/design/, a file, or the folder of a sweep that is to be done again."""
    engine: EngineKind
    out: str | None
    """Folder of a new sweep: a path, or any address that fsspec knows."""
    resume: str | None
    """Folder of a sweep that is to be finished."""
    extend: str | None
    """Folder of a sweep that gets more replications, or more points."""
    replications: str | None
    """Worlds of each point; with `extend`, how many more, as +32."""
    points: str | None
    """Points of a design that is drawn; with `extend`, how many more, as +512."""
    plans: tuple[str, ...] | None
    """Plans, each against the baseline."""
    reuse: tuple[str, ...]
    """Sweeps whose results are taken over where they are of the same content; `siblings` for those
    that lie beside the new one."""
    quarterly: tuple[str, ...]
    """What is kept by quarter for the focal brand: money or measures."""
    segmental: tuple[str, ...]
    """Which outcomes are kept by segment."""
    retry: bool
    """Whether `resume` lives failed units again."""
    code: OtherCode
    progress: bool
    slurm: SlurmSettings
    dask: DaskSettings
    ray: RaySettings
    workers: int = number(unit="units lived at once; 0 for one per core", low=0, high=1_000_000)
    limit: float = number(unit="seconds that one unit may take", low=0.1, high=1e6)
    shard_seconds: float = number(unit="seconds of work that are kept at once", low=0.1, high=3600)
    shard_units: int | None = number(None, unit="units of a shard", low=1, high=100_000_000)
