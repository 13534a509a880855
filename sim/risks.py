"""The risk register: which events hit the focal brand, drawn on the same worlds for every plan."""

from __future__ import annotations

import zlib

import numpy as np

from sim.config.risk import Risk, Risks
from sim.kernels import philox
from sim.types import F64, N_CHANNELS, QUARTERS_PER_YEAR


class RiskRegister:
    """The events of one run.

    An event's uniform is addressed by the risk's own name and the quarter, so to remove a risk, or
    to make it rarer, touches no other draw.
    """

    def __init__(self, risks: Risks, seed: int, replication: int) -> None:
        self.register = risks.register
        self.seed, self.replication = seed, replication
        self.until = {risk.name: 0 for risk in risks.register}
        self.events: list[tuple[int, str]] = []

    def advance(self, quarter: int, strength: dict[str, float]) -> F64:
        """Return what the quarter's events do to the channels, shape (N_CHANNELS, 1).

        Parameters
        ----------
        quarter
            Quarter of the plan, from 1.
        strength
            Strength 0..1 of the plan's levers in this quarter: levers mitigate, and some risks
            exist only with them.
        """
        hits = np.zeros((N_CHANNELS, 1))
        for risk in self.register:
            if quarter >= 1 and self._strikes(risk, quarter, strength):
                self.until[risk.name] = quarter + risk.duration - 1
                self.events.append((quarter, risk.name))
            if 1 <= quarter <= self.until[risk.name]:
                severity = risk.severity * _kept(risk.dampening, strength)
                for hit in risk.hits:
                    hits[hit.channel] += severity * hit.size
        return hits

    def _strikes(self, risk: Risk, quarter: int, strength: dict[str, float]) -> bool:
        exposed = not risk.needs or strength.get(risk.needs, 0.0) > 0.0
        kept = _kept(risk.mitigation, strength)
        per_quarter = 1.0 - (1.0 - risk.probability) ** (1.0 / QUARTERS_PER_YEAR)
        if risk.quarter:
            per_quarter = risk.probability if quarter == risk.quarter else 0.0
        entity = zlib.crc32(risk.name.encode())
        u = philox.draw_uniform(entity, quarter, philox.RISK, self.seed, self.replication)
        return exposed and u < per_quarter * kept


def _kept(shares: dict[str, float], strength: dict[str, float]) -> float:
    """Return what levers of these strengths leave, each taking its share of what is left."""
    kept = 1.0
    for lever, share in shares.items():
        kept *= 1.0 - share * strength.get(lever, 0.0)
    return kept
