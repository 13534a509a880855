"""What commands that work on an engine share: which one it is."""

from __future__ import annotations

from typing import Protocol

from sim.config.engines import DaskSettings, EngineKind, RaySettings, SlurmSettings
from sim.engines.engine import Engine

TASK_SECONDS = 20.0
"""About what a task takes, where nothing says otherwise."""


class Where(Protocol):
    """Settings that say where work runs."""

    @property
    def engine(self) -> EngineKind:
        """Kind of engine."""

    @property
    def workers(self) -> int:
        """How many; 0 for as many as there are."""

    @property
    def slurm(self) -> SlurmSettings:
        """How Slurm is asked."""

    @property
    def dask(self) -> DaskSettings:
        """Which Dask."""

    @property
    def ray(self) -> RaySettings:
        """Which Ray."""


def make_engine(settings: Where, task_seconds: float = TASK_SECONDS) -> Engine:
    """Return the engine that was asked for; its package is imported now.

    Raises
    ------
    ConfigError
        If a package is missing.
    """
    if settings.engine is EngineKind.SLURM:
        from sim.engines.slurm import SlurmEngine

        return SlurmEngine(settings.slurm, settings.workers, task_seconds)
    if settings.engine is EngineKind.DASK:
        from sim.engines.dask import DaskEngine

        return DaskEngine(settings.dask, settings.workers)
    if settings.engine is EngineKind.RAY:
        from sim.engines.ray import RayEngine

        return RayEngine(settings.ray, settings.workers)
    from sim.engines.processes import ProcessEngine

    return ProcessEngine(settings.workers)
