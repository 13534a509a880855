"""Rivals' answers as futures: each is a file of `conf/rivals/`, or one of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sim.config.build import build
from sim.config.files import choices, folder_of, is_path, read, shown
from sim.config.rivals import Move, Rival, Rivals
from sim.config.study import Config
from sim.errors import ConfigError
from sim.planning.future import Future
from sim.types import RivalKind

KEY = "answers"


def answers_of(
    config: Config, names: Sequence[str], folders: Sequence[str | Path] = ()
) -> list[Future]:
    """Return the futures in which rivals act as some files say.

    Parameters
    ----------
    config
        The study.
    names
        Files of `conf/rivals/` or of the user's folders by name, or paths.
    folders
        The user's own, each with a `rivals/`; a name is looked for there first.

    Raises
    ------
    ConfigError
        If there is no such file, it cannot be used in this market, or two have one name.
    """
    found: list[Future] = []
    for given in names:
        rivals, file = read_rivals(given, folders)
        if rivals.name in {future.name for future in found}:
            raise ConfigError("named twice", key=KEY, value=rivals.name, allowed="each answer once")
        try:
            edited = replace(config, rivals=in_this_market(rivals, config.rivals))
        except ConfigError as error:
            raise error.with_file(file) from None
        again = relaunched(rivals, config.rivals)
        title = rivals.title
        if again:
            title += f" ({' and '.join(again)}, on the market already, launches anew)"
        found.append(Future(rivals.name, title, edited))
    return found


def read_rivals(given: str, folders: Sequence[str | Path] = ()) -> tuple[Rivals, str]:
    """Return what rivals do by a name or a path, and the file that says it.

    Raises
    ------
    ConfigError
        If it does not exist or cannot be used.
    """
    if is_path(given):
        path = Path(given).expanduser()
    else:
        own = [Path(folder).expanduser() / "rivals" for folder in folders]
        places = [folder / f"{given}.yaml" for folder in (*own, folder_of("rivals"))]
        known = {*choices("rivals"), *(file.stem for at in own for file in at.glob("*.yaml"))}
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            raise ConfigError("no such answer of rivals", key=KEY, value=given, known=known)
        path = found
    data = read(path, KEY)
    try:
        return build(Rivals, data, "rivals"), shown(path)
    except ConfigError as error:
        raise error.with_file(shown(path)) from None


def in_this_market(answer: Rivals, today: Rivals) -> Rivals:
    """Return an answer as it can come in a market that exists already.

    A future changes what comes and not what was. A brand that the study has on the market cannot
    enter it: it makes the moves of its launch as an offer that is renewed, and stays on sale until
    then. A brand that the study does not have yet enters when the study says, unless the answer has
    an entry of its own.
    """
    brands = {
        name: _renewed(rival) if name in relaunched(answer, today) else rival
        for name, rival in answer.brands.items()
    }
    kept = {name: rival for name, rival in today.brands.items()
            if _enters(rival) and not _enters(answer.brands.get(name, Rival()))}  # fmt: skip
    return replace(answer, brands=brands | kept)


def relaunched(answer: Rivals, today: Rivals) -> tuple[str, ...]:
    """Return the brands that an answer has enter, but that are on the market already."""
    return tuple(name for name, rival in answer.brands.items()
                 if _enters(rival) and not _enters(today.brands.get(name, Rival())))  # fmt: skip


def _renewed(rival: Rival) -> Rival:
    """Return a rival that makes the moves of its launch from the quarter of its entry on."""
    moves = [_not_before(move, rival.quarter) for move in rival.moves]
    return replace(
        rival, kind=RivalKind.SCHEDULE, moves=tuple(move for move in moves if move is not None)
    )


def _not_before(move: Move, quarter: int) -> Move | None:
    """Return what is left of a move from a quarter on, None if nothing is."""
    first, last = move.quarters
    if move.every:
        # Of moves that come again, the first whole one that begins late enough.
        later = max(-(-(quarter - first) // move.every), 0) * move.every
        return replace(move, quarters=(first + later, last + later))
    return replace(move, quarters=(max(first, quarter), last)) if last >= quarter else None


def _enters(rival: Rival) -> bool:
    return rival.kind is RivalKind.ENTER
