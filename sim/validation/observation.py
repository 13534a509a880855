"""What an observer of a category would see: people's purchases, and what follows if a brand moves.

A world is lived from one burnt-in state as often as it is asked: under today's plan, with a rival's
price cut, with a programme. All lives share their draws, so a difference is the move's own effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.config.plan import Phase, Plan
from sim.config.rivals import Move, Rival
from sim.config.study import Config
from sim.measures.history import History
from sim.measures.record import Record
from sim.measures.table import MEASURES
from sim.model import LoyaltyModel
from sim.types import F64, Channel, RivalKind

OCCASIONS = 96
"""Occasions of a customer and quarter that an observer notes; further ones are not counted."""


class Purchases(NamedTuple):
    """Purchases of people over quarters; who comes into the category in between is a new person.

    Attributes
    ----------
    counts
        Shape (n_people, n_brands, n_quarters).
    person
        Shape (n_quarters, n_rows): who holds each place; those of the first quarter are 0, 1, ...
    order
        Shape (n_quarters, OCCASIONS, n_kept): brands in the order of buying, below 0 for none, of
        the rows that are kept.
    kept
        Shape (n_kept,): those rows.
    """

    counts: NDArray[np.int16]
    person: NDArray[np.int64]
    order: NDArray[np.int8]
    kept: NDArray[np.int64]

    def sequences(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return person, quarter and brand of each purchase of the kept rows, each (n_purchases,).

        Purchases of a person are neighbours, in the order of time.
        """
        in_time = self.order.transpose(2, 0, 1)
        place, quarter, slot = np.nonzero(in_time >= 0)
        brand = in_time[place, quarter, slot].astype(np.int64)
        return self.person[quarter, self.kept[place]], quarter, brand

    def window(self, first: int, quarters: int) -> F64:
        """Return purchases in a window, shape (n_people, n_brands); `first` counts from 0.

        The people are those who were in the category at some time in these quarters.
        """
        last = first + quarters
        there = np.unique(self.person[first:last])
        total: F64 = self.counts[there, :, first:last].sum(axis=2, dtype=np.float64)
        return total


class Life(NamedTuple):
    """Quarters of the plan, lived once."""

    history: History
    records: list[Record]
    burn_in: int
    purchases: Purchases
    """Without people if nobody watched."""
    tier: NDArray[np.uint8]
    """(n_rows,) rank in the focal brand's membership at the end."""

    def measure(self, name: str) -> F64:
        """Return a measure of the whole market, shape (n_quarters, n_brands)."""
        return self.of_plan(MEASURES[name](self.history))

    def of_plan(self, values: F64) -> F64:
        """Return the plan's quarters of a measure, of the whole market: (n_quarters, n_brands)."""
        chosen: F64 = values[self.burn_in :, -1, :]
        return chosen


@dataclass(frozen=True)
class Watch:
    """How closely a life is watched."""

    people: bool = False
    """Whether each person's purchases are counted."""
    kept: int = 0
    """Number of places, from all segments, whose purchases are kept in their order."""


class World:
    """One world of a market, lived again for every question.

    Parameters
    ----------
    config
        What is asked. Nothing in it may be uncertain; rivals hold and nothing goes wrong unless it
        says so.
    replication
        Which world.

    Attributes
    ----------
    before
        Purchases of the burn-in.
    """

    def __init__(self, config: Config, replication: int) -> None:
        self.config = config
        self.replication = replication
        self._start = LoyaltyModel(
            config, replication=replication, collect=False, observe=OCCASIONS
        )
        self.before = watch(self._start, config.burn_in, Watch(people=True))
        self._lives: dict[object, Life] = {}

    @property
    def today(self) -> Life:
        """The world as it goes on by itself."""
        return self._lived("today", watched=Watch(people=True))

    def moved(self, *moves: Move, brand: int = 1) -> Life:
        """Return the world in which a rival makes moves."""
        return self._lived(("moved", brand, moves), config=self._with_moves({brand: moves}))

    def priced(self, prices: F64, kept: int) -> Life:
        """Return the world in which rivals change their normal price from quarter to quarter.

        `prices` has shape (n_quarters, n_brands): relative changes; the focal brand's must be 0.
        """
        moves = {
            brand: tuple(
                Move(Channel.PRICE, float(size), (quarter, quarter))
                for quarter, size in enumerate(column, start=1)
            )
            for brand, column in enumerate(prices.T)
            if column.any()
        }
        return self._lived("priced", config=self._with_moves(moves), watched=Watch(kept=kept))

    def spent(self, name: str, spend: Mapping[str, Sequence[float]], *, people: bool) -> Life:
        """Return the world in which the focal brand pays for levers: amounts by quarter."""
        phases = tuple(
            Phase(f"{lever}_{quarter}", (quarter, quarter), {lever: amount})
            for lever, amounts in spend.items()
            for quarter, amount in enumerate(amounts, start=1)
        )
        plan = Plan(name, name, phases=phases)
        return self._lived(name, plan=plan, watched=Watch(people=people))

    def lived_again(self) -> Life:
        """Return the world under today's plan, lived once more."""
        return self._lived("again")

    def _with_moves(self, moves: Mapping[int, tuple[Move, ...]]) -> Config:
        names = [brand.name for brand in self.config.market.brands]
        rivals = {names[b]: Rival(RivalKind.SCHEDULE, made) for b, made in moves.items()}
        return replace(self.config, rivals=replace(self.config.rivals, brands=rivals))

    def _lived(
        self,
        key: object,
        plan: Plan | None = None,
        config: Config | None = None,
        watched: Watch | None = None,
    ) -> Life:
        """Return the world under a plan, from the common start; each is lived once."""
        if key not in self._lives:
            model = self._start.fork(plan or self.config.plan, config)
            purchases = watch(model, self.config.quarters, watched or Watch())
            tier = model.population.columns.tier.copy()
            self._lives[key] = Life(
                model.history(), model.records, self.config.burn_in, purchases, tier
            )
            model.release()
        return self._lives[key]


def watch(model: LoyaltyModel, quarters: int, watched: Watch) -> Purchases:
    """Live some quarters of a model and return what its customers bought."""
    columns = model.population.columns
    n_rows, n_brands = len(model.population), len(model.config.market.brands)
    person, born, n_people = np.arange(n_rows), columns.birth.copy(), n_rows
    persons, counted, order = [], [], []
    kept = np.linspace(0, n_rows - 1, watched.kept).astype(np.int64)
    for _ in range(quarters):
        new = np.flatnonzero(columns.birth != born)
        person, born = person.copy(), columns.birth.copy()
        person[new] = n_people + np.arange(len(new))
        n_people += len(new)
        model.step()
        persons.append(person)
        order.append(columns.bought[:, kept])
        if watched.people:
            counted.append([_times(columns.bought, brand) for brand in range(n_brands)])
    counts = np.zeros((n_people if watched.people else 0, n_brands, quarters), np.int16)
    for quarter, by_brand in enumerate(counted):
        for brand, times in enumerate(by_brand):
            counts[persons[quarter], brand, quarter] = times
    return Purchases(counts, np.stack(persons), np.stack(order), kept)


def _times(bought: NDArray[np.int8], brand: int) -> NDArray[np.int16]:
    times: NDArray[np.int16] = np.count_nonzero(bought == brand, axis=0).astype(np.int16)
    return times
