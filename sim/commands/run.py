"""`fidelio run`: one plan against a baseline."""

from __future__ import annotations

from pathlib import Path

from sim.commands.study import carry_out
from sim.config.study import Config


def main(config: Config, folder: Path) -> None:
    """Live the study, write the run's folder and print what came out."""
    carry_out(config, folder)
