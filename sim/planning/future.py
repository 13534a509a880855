"""A future: what is otherwise than planned once the plan begins; and a plan that is lived in it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace

from sim.config.plan import Plan
from sim.config.study import Config
from sim.errors import ConfigError

AS_PLANNED = "as_planned"
"""Name of the future in which all is as the study's configuration says."""

_STEADY = ("kind", "currency", "company_customers", "journey", "segments", "bond", "warning")
"""Parts of a market that what a plan has begun rests on: they cannot change for a time only."""
_TURNS = ("market", "finance")
"""Parts of a configuration that can."""
_ASIDE = ("scenario", "title", "story", "command", "replications", "precision", "engine", "report")


@dataclass(frozen=True, slots=True)
class Future:
    """What is otherwise than planned.

    The quarters before the plan are the study's own in every future: a future is a change of what
    comes, not of what was. What is uncertain is drawn by name, so that each world has the same
    draws in every future, as far as both have the number.

    Attributes
    ----------
    name
        By which files and tables call it.
    title
        What a reader is told.
    config
        The study's configuration, edited: what differs holds from the plan's first quarter on.
    quarters
        First and last quarter in which the market and the finance of `config` hold; before and
        afterwards the study's do. None: from the first quarter to the end.
    """

    name: str
    title: str
    config: Config
    quarters: tuple[int, int] | None = None

    def check(self, study: Config) -> None:
        """Raise ConfigError if this cannot be a future of a study.

        Raises
        ------
        ConfigError
            If clock, seed or customers differ, brands or segments do, or something is to change for
            a time only that cannot change back.
        """
        where = f"futures.{self.name}"
        for name in ("seed", "customers", "quarters", "burn_in"):
            own, planned = getattr(self.config, name), getattr(study, name)
            if own != planned:
                raise ConfigError(
                    f"{own} is another {name} than the study's", key=f"{where}.{name}", value=own,
                    allowed=str(planned),
                )  # fmt: skip
        for name in ("brands", "segments"):
            own, planned = ([part.name for part in getattr(config.market, name)]
                            for config in (self.config, study))  # fmt: skip
            if own != planned:
                raise ConfigError(
                    f"{own} are other {name} than the study's", key=f"{where}.market.{name}",
                    value=own, allowed=str(planned),
                )  # fmt: skip
        if self.quarters is not None:
            self._check_window(study, where)

    def _check_window(self, study: Config, where: str) -> None:
        first, last = self.quarters or (1, study.quarters)
        if not 1 <= first <= last <= study.quarters:
            raise ConfigError(
                f"runs from quarter {first} to {last}", key=f"{where}.quarters",
                value=[first, last], allowed=f"[first, last] within 1 to {study.quarters}",
            )  # fmt: skip
        plans = ("plan", "baseline", "plans")
        for name in (field.name for field in dataclasses.fields(study)):
            if name in (*_TURNS, *_ASIDE, *plans):
                continue
            if getattr(self.config, name) != getattr(study, name):
                raise _no_way_back(where, name)
        for name in _STEADY:
            if getattr(self.config.market, name) != getattr(study.market, name):
                raise _no_way_back(where, f"market.{name}")


def _no_way_back(where: str, name: str) -> ConfigError:
    return ConfigError(
        f"changes {name}, which cannot change for a time only", key=f"{where}.quarters",
        allowed="no quarters; rivals' moves and risks have quarters of their own",
    )  # fmt: skip


def as_planned(config: Config) -> Future:
    """Return the future in which all is as a study's configuration says."""
    return Future(AS_PLANNED, "As planned", config)


@dataclass(frozen=True, slots=True)
class Case:
    """A plan, lived in a future. It need not be a plan of the study's configuration."""

    plan: Plan
    future: Future

    @property
    def config(self) -> Config:
        """The future's configuration with this plan as its only one.

        Raises
        ------
        ConfigError
            If the plan does not fit it.
        """
        return replace(self.future.config, plan=self.plan, baseline=self.plan, plans=())
