"""Settings of `fidelio show`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Show:
    """What `fidelio show` shows of a sweep."""

    outcome: str
    plan: str | None
    """The first one that is not the baseline if None."""
    factors: tuple[str, ...]
    """Columns of the factors to be shown; all if empty."""
    out: str | None
    """Folder of the page; `show` in the sweep's own folder if None."""
