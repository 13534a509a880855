"""`fidelio compare`: several plans side by side, against one baseline and in the same worlds."""

from __future__ import annotations

from pathlib import Path

from sim.commands.study import carry_out
from sim.config.study import Config
from sim.errors import ConfigError


def main(config: Config, folder: Path) -> None:
    """Live the study, write the run's folder and print what came out."""
    if not config.plans:
        raise ConfigError(
            "names no plan", key="plans", value=[], allowed="plans=[NAME or FILE, ...]"
        )
    carry_out(config, folder)
