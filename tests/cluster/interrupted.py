"""A process that does endless work on an engine until Ctrl-C: ENGINE FOLDER SETTINGS-AS-JSON."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from counting import Counting

from sim.config import engines as settings
from sim.config.build import build


def make_engine(name: str, given: dict[str, Any]) -> Any:
    title = name.capitalize()
    made = build(getattr(settings, f"{title}Settings"), given)
    engine = getattr(importlib.import_module(f"sim.engines.{name}"), f"{title}Engine")
    return engine(made, 2, 0.5) if name == "slurm" else engine(made, 2)


if __name__ == "__main__":
    engine = make_engine(sys.argv[1], json.loads(sys.argv[3]))
    work = Counting(Path(sys.argv[2]), 0.5)
    try:
        with engine:
            for done in engine.run(work, range(10_000)):
                if done.task == 0:
                    print("begun", flush=True)
    except KeyboardInterrupt:
        print("left", flush=True)
