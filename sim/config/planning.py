"""Settings that all planning commands share: where lives are kept, and where they are lived."""

from __future__ import annotations

from dataclasses import dataclass, field

from sim.config.engines import DaskSettings, EngineKind, RaySettings, SlurmSettings
from sim.config.fields import number


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    """Where a planning command works; the settings of each command are these and its own."""

    out: str | None
    """Folder of what it finds; outputs/COMMAND/DATE_TIME if None. A folder that is there already
    is gone on with: what was lived is not lived again."""
    engine: EngineKind
    progress: bool
    workers: int = number(unit="worlds lived at once; 0 for one per core", low=0, high=1_000_000)
    limit: float = number(600.0, unit="seconds that one worker's task may take", low=0.1, high=1e6)
    slurm: SlurmSettings = field(default_factory=SlurmSettings)
    dask: DaskSettings = field(default_factory=DaskSettings)
    ray: RaySettings = field(default_factory=RaySettings)
