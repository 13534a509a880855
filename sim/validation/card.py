"""Scorecards of markets: what stands on one, and where it is kept.

A card is found by what it depends on: the market, its money, the levers that are tried, the laws
and the code. Cards of the shipped markets lie in `conf/scorecard/`, others in the user's cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import sim
from sim.config.build import dump
from sim.config.files import cache_folder, config_root, folder_of
from sim.config.study import Config
from sim.errors import StoreError
from sim.store import write_text
from sim.validation.published import published

PASS, FAIL, UNTRIED = "pass", "fail", "untried"
ASKING = ("dirichlet", "laws", "observation", "scorecard")
"""Modules beside this one that make a card what it is."""


@dataclass(frozen=True)
class Reading:
    """One figure of a law, over worlds."""

    name: str
    title: str
    observed: float | None
    """Mean over worlds; None where it does not exist."""
    error: float | None
    """Half-width of that mean's 95% interval; None with a single world."""
    low: float | None
    high: float | None

    @property
    def judged(self) -> bool:
        """Whether it has bounds."""
        return self.low is not None or self.high is not None

    @property
    def beyond(self) -> float:
        """How far it lies outside its bounds; 0 inside, infinity if it does not exist."""
        if not self.judged:
            return 0.0
        if self.observed is None:
            return math.inf
        below = 0.0 if self.low is None else self.low - self.observed
        above = 0.0 if self.high is None else self.observed - self.high
        return max(below, above, 0.0)

    @property
    def holds(self) -> bool:
        """Whether it is within its bounds, or its 95% interval reaches them."""
        return self.beyond <= (self.error or 0.0)


@dataclass(frozen=True)
class Line:
    """One law on a scorecard."""

    name: str
    title: str
    says: str
    source: str
    verdict: str
    readings: tuple[Reading, ...]
    note: str = ""
    """Why it does not hold, where the market says so."""


@dataclass(frozen=True)
class Scorecard:
    """What a market shows of the published regularities."""

    market: str
    title: str
    kind: str
    customers: int
    worlds: int
    quick: bool
    key: str
    """Digest of all that the card depends on."""
    lines: tuple[Line, ...]
    series: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Law to what a picture of it shows, mean over worlds."""
    brands: tuple[str, ...] = ()

    @property
    def judged(self) -> tuple[Line, ...]:
        """Laws that were tried."""
        return tuple(line for line in self.lines if line.verdict != UNTRIED)

    @property
    def failed(self) -> tuple[Line, ...]:
        """Laws that do not hold."""
        return tuple(line for line in self.lines if line.verdict == FAIL)


# --- what is kept --------------------------------------------------------------------------------


def card_key(config: Config) -> str:
    """Return the digest of all that a market's card depends on."""
    laws = published()
    parts = {
        "market": dump(config.market),
        "finance": _money(config),
        "lever": {name: dump(config.lever.get(name)) for name in laws.levers},
    }
    text = json.dumps(parts, sort_keys=True).encode()
    return hashlib.sha256(text + _code().encode()).hexdigest()[:16]


def _money(config: Config) -> dict[str, Any]:
    """Return the finance less how its books are kept: no law asks what is left after tax."""
    money: dict[str, Any] = dump(config.finance)
    del money["accounting"]
    sources = money["provenance"].items()
    own = {path: text for path, text in sources if path.partition(".")[0] != "accounting"}
    return {**money, "provenance": own}


@cache
def _code() -> str:
    """Return the digest of the laws, and of the code that asks and answers them."""
    here = Path(sim.__file__).parent
    asking = [here / "validation" / f"{name}.py" for name in ASKING]
    sources = [*sorted(here.glob("kernels/*.py")), *asking, config_root() / "conf" / "laws.yaml"]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def find_card(config: Config) -> Scorecard | None:
    """Return the market's card if there is one: shipped, or in the user's cache."""
    key = card_key(config)
    shipped = folder_of("scorecard") / f"{config.market.name}.json"
    for path in (shipped, _cached(key, quick=False), _cached(key, quick=True)):
        card = read_card(path)
        if card is not None and card.key == key:
            return card
    return None


def keep_card(card: Scorecard) -> None:
    """Keep a card in the user's cache; if nothing can be written, it is made again next time."""
    with contextlib.suppress(StoreError):
        write_card(card, _cached(card.key, quick=card.quick))


def write_card(card: Scorecard, path: Path) -> None:
    """Write a card as JSON.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    write_text(path, json.dumps(asdict(card), indent=1) + "\n")


def read_card(path: Path) -> Scorecard | None:
    """Return a card from JSON, or None if the file is missing or is none."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        lines = [
            Line(**{**line, "readings": tuple(Reading(**r) for r in line["readings"])})
            for line in data["lines"]
        ]
        return Scorecard(**{**data, "lines": tuple(lines), "brands": tuple(data["brands"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _cached(key: str, *, quick: bool) -> Path:
    return cache_folder() / f"scorecard-{'quick-' if quick else ''}{key}.json"


def compact(card: Scorecard) -> dict[str, Any]:
    """Return what a report shows of a card: a row per law."""
    return {
        "market": card.market,
        "title": card.title,
        "kind": card.kind,
        "customers": card.customers,
        "worlds": card.worlds,
        "quick": card.quick,
        "n_laws": len(card.judged),
        "n_failed": len(card.failed),
        "rows": [
            {
                "name": line.name,
                "title": line.title,
                "verdict": line.verdict,
                "says": line.says,
                "source": line.source,
                "note": line.note,
                "readings": [
                    {**asdict(reading), "holds": reading.holds}
                    for reading in line.readings
                    if reading.judged
                ],
            }
            for line in card.lines
        ],
    }
