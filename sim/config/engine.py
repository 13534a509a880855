"""How a study is computed; nothing here moves what a replication finds."""

from __future__ import annotations

from dataclasses import dataclass

from sim.config.fields import number


@dataclass(frozen=True, slots=True)
class Engine:
    """Where and how work runs."""

    name: str = "local"
    title: str = "Threads of this machine"
    threads: int = number(0, unit="threads; 0 for one per core", low=0, high=1024)
    max_replications: int = number(4096, unit="replications at which `precision` gives up",
                                   low=2, high=1_000_000)  # fmt: skip
    progress: bool = True


@dataclass(frozen=True, slots=True)
class Report:
    """What is written beside the tables."""

    name: str = "page"
    title: str = "One self-contained page"
    page: bool = True
    scorecard: bool = True
    """Whether to say which published regularities the market shows; for a market that has no card
    yet this takes seconds, once."""
