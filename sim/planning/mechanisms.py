"""The mechanisms through which customers answer a plan, and how each is frozen.

A mechanism that is frozen stays as it was when the plan began, in the plan's life and in the
baseline's alike, for all brands. What the plan still earns over the baseline it earns without it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from enum import Enum
from typing import Final

from sim.config.design import Factor
from sim.config.edit import Editor
from sim.config.lever import Lever
from sim.config.study import Config
from sim.planning.future import Future, as_planned
from sim.types import Channel


class Mechanism(Enum):
    """What of a customer answers."""

    VALUE = "value"
    """Perceived value: nobody learns from what is delivered, nor from talk or buzz."""
    BOND = "bond"
    """The emotional bond: it neither grows nor fades, and nothing courts it."""
    HABIT = "habit"
    """Habit: a purchase leaves it as it was. What a contract binds is no habit, and stays."""
    SELECTION = "selection"
    """Who stays: satisfaction and bond no longer move the chance to leave the category, so that
    each customer leaves by its own level alone. Who comes depends on nothing but who left."""


SETTINGS: Final[Mapping[Mechanism, tuple[str, ...]]] = {
    Mechanism.VALUE: ("learning.rate", "word_of_mouth.value"),
    Mechanism.BOND: ("bond.gain", "bond.decay", "word_of_mouth.bond"),
    Mechanism.HABIT: (),
    Mechanism.SELECTION: ("leaving.satisfaction", "leaving.bond"),
}
"""Settings of the market that are zero where a mechanism is frozen. Habit is kept in full instead,
which the range of its setting leaves out: a market may be slow in its habits but not without."""
PUSHED: Final[Mapping[Mechanism, Channel]] = {
    Mechanism.VALUE: Channel.BUZZ,
    Mechanism.BOND: Channel.STIMULUS,
}
"""Channels that move a mechanism from outside, whatever a purchase teaches."""


def frozen_future(config: Config, frozen: Collection[Mechanism]) -> Future:
    """Return the future in which some mechanisms stay as they are when the plan begins."""
    if not frozen:
        return as_planned(config)
    names = [mechanism.value for mechanism in Mechanism if mechanism in frozen]
    return Future(
        f"without_{'_'.join(names)}", f"Without {', '.join(names)}", freeze(config, frozen)
    )


def freeze(config: Config, frozen: Collection[Mechanism]) -> Config:
    """Return a configuration whose frozen mechanisms do nothing.

    What is frozen is decided, so it is no longer drawn, nor drawn together with other numbers of
    the market. Effects stay in their places with size zero: all other draws are as before.
    """
    paths = [f"market.{path}" for mechanism in frozen for path in SETTINGS[mechanism]]
    if paths:
        factors = [Factor(path, values=(0.0,)) for path in paths]
        config = Editor(config, factors).edit(dict.fromkeys(paths, 0.0))
    if Mechanism.HABIT in frozen:
        config = _keep_habit(config)
    channels = {PUSHED[mechanism] for mechanism in frozen if mechanism in PUSHED}
    return _without_push(config, channels) if channels else config


def _keep_habit(config: Config) -> Config:
    path = "market.learning.habit_smoothing"
    highest = 0.999  # what the setting allows; as it is set, its draws are left out
    config = Editor(config, [Factor(path, values=(highest,))]).edit({path: highest})
    learning = replace(config.market.learning, habit_smoothing=1.0)
    return replace(config, market=replace(config.market, learning=learning))


def _without_push(config: Config, channels: Collection[Channel]) -> Config:
    """Return a configuration in which nothing acts on some channels."""
    levers = {name: _quiet_lever(lever, channels) for name, lever in config.lever.items()}
    rivals = {
        name: replace(
            rival,
            moves=tuple(replace(move, size=0.0) if move.channel in channels else move
                        for move in rival.moves),
        )
        for name, rival in config.rivals.brands.items()
    }  # fmt: skip
    register = tuple(
        replace(
            risk,
            hits=tuple(replace(hit, size=0.0) if hit.channel in channels else hit
                       for hit in risk.hits),
        )
        for risk in config.risks.register
    )  # fmt: skip
    return replace(
        config,
        lever=levers,
        rivals=replace(config.rivals, brands=rivals),
        risks=replace(config.risks, register=register),
    )


def _quiet_lever(lever: Lever, channels: Collection[Channel]) -> Lever:
    effects = tuple(
        replace(effect, size=0.0) if effect.channel in channels else effect
        for effect in lever.effects
    )
    lever = replace(lever, effects=effects)
    if Channel.STIMULUS not in channels:
        return lever
    return _without_courting(lever)


def _without_courting(lever: Lever) -> Lever:
    """Return a lever whose tiers and offers push no bond."""
    club, offer = lever.membership, lever.save_offer
    if club is not None:
        club = replace(club, tiers=tuple(replace(tier, stimulus=0.0) for tier in club.tiers))
    if offer is not None:
        offer = replace(
            offer,
            yellow=replace(offer.yellow, stimulus=0.0),
            red=replace(offer.red, stimulus=0.0),
        )
    return replace(lever, membership=club, save_offer=offer)
