"""Allocations by simple rules: where a search starts, and what it must beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from sim.config.optimise import Group
from sim.config.plan import Plan
from sim.planning.allocation import Allocation, Space
from sim.types import F64

SIMPLE: Final = ("the plan", "the plan, scaled", "equal split", "the sources' split")
"""Starting points that are judged in all worlds of the race, whatever the first ones say."""
CHUNKS: Final = 8
"""Parts in which the greedy rule gives the budget away."""
LAZY: Final = 4
"""Cells that the greedy rule looks at again at once."""


def equal_split(space: Space) -> Allocation:
    """Return the same money for every lever in every quarter, as near as the limits allow."""
    return space.nearest(_over_time(space, np.ones(len(space.levers))))


def evidence_split(space: Space, groups: Mapping[str, Group]) -> Allocation:
    """Return the sources' split over groups of levers, as near as the limits allow.

    Within a group levers get the same. Weights are scaled to 1 over the groups that have levers
    here; a lever of no group gets nothing.
    """
    parts = np.zeros(len(space.levers))
    for group in groups.values():
        own = [place for place, lever in enumerate(space.levers) if lever in group.levers]
        parts[own] += group.share / max(len(own), 1)
    return space.nearest(_over_time(space, parts))


def scaled_plan(space: Space, plan: Plan) -> Allocation:
    """Return a plan's proportions with the whole budget, as near as the limits allow."""
    wish = space.wish_of(plan)
    total = float(wish.sum())
    return space.nearest(wish * (space.most / total) if total > 0 else wish)


def starting_points(space: Space, plan: Plan, groups: Mapping[str, Group]) -> dict[str, Allocation]:
    """Return simple allocations by name, each once: the plan, splits, single levers, nothing."""
    half = space.nearest(space.wish_of(plan) / 2)
    named = {
        "the plan": space.nearest(space.wish_of(plan)),
        "the plan, scaled": scaled_plan(space, plan),
        "equal split": equal_split(space),
        "the sources' split": evidence_split(space, groups),
        "half of the plan": half,
        "nothing": space.nearest(np.zeros(space.n_cells)),
    }
    for place, lever in enumerate(space.levers):
        alone = np.zeros(len(space.levers))
        alone[place] = 1.0
        wish = _over_time(space, alone)
        named[f"only {lever}"] = space.nearest(wish)
        named[f"a third for {lever} alone"] = space.nearest(wish / 3)
    apart = {allocation.tobytes(): name for name, allocation in reversed(named.items())}
    return {name: named[name] for name in named if apart[named[name].tobytes()] == name}


def greedy(
    space: Space, figure: Callable[[Sequence[Allocation]], F64], evaluations: int
) -> Allocation:
    """Return what comes of giving each part of the budget where it brings most at the moment.

    Parameters
    ----------
    space
        What is allowed.
    figure
        Gives what allocations bring, more is better; -inf for one that is not tried any more.
    evaluations
        How many allocations may be tried. If that is too few for each cell, money goes to levers,
        the same in every quarter.

    Notes
    -----
    Parts are an eighth of the budget. Only the cells that brought most when they were last looked
    at are looked at again: lazy greedy (Minoux 1978).
    """
    gifts = _gifts(space, evaluations)
    best = space.nearest(np.zeros(space.n_cells))
    level = float(figure([best])[0])
    gains = np.full(len(gifts), np.inf)
    used = 1
    while used < evaluations:
        order = np.argsort(-gains, kind="stable")
        fresh = order[: len(gifts) if np.isinf(gains).all() else LAZY]
        offers = [space.nearest(best + gifts[place]) for place in fresh]
        brought = figure(offers)
        used += len(offers)
        gains[fresh] = brought - level
        place = int(np.argmax(gains))
        if place not in fresh:
            continue
        offer = offers[[*fresh].index(place)]
        if not gains[place] > 0:
            return best
        best, level = offer, float(brought[[*fresh].index(place)])
    return best


def _gifts(space: Space, evaluations: int) -> F64:
    """Return the parts that can be given, shape (n_gifts, n_cells)."""
    part = max(round(space.most / CHUNKS), 1)
    if 2 * space.n_cells <= evaluations:
        return part * np.eye(space.n_cells)
    rows = [_over_time(space, own) for own in np.eye(len(space.levers))]
    return np.array(rows) * part / space.most


def _over_time(space: Space, parts: F64) -> F64:
    """Return the budget by parts of levers, the same in every quarter, shape (n_cells,)."""
    whole = parts.sum()
    shares = parts / whole if whole > 0 else parts
    times = space.lengths / space.lengths.sum()
    wish: F64 = (space.most * shares[:, None] * times).ravel()
    return wish
