"""`python -m benchmarks COMMAND`: a line of `COMMANDS`, a module with `main(arguments) -> int`."""

from __future__ import annotations

import importlib
import sys

COMMANDS = {
    "peers": "the same small model in Mesa, AgentPy, NumPy, JAX, C and ours",
    "memory": "bytes per customer and per customer x brand, counted and measured",
    "scale": "time and memory from 1,000 to 10,000,000 customers and 2 to 16 brands",
    "study": "the default paired study end to end, and where its time goes",
    "variance": "what common random numbers are worth: variance of NPV differences",
    "startup": "seconds to the help and to the first replication, new machine and old",
    "threads": "a thread per replication against threads that share one, by size",
    "sweep": "what a sweep costs beside its units, on each engine; a large one",
    "planning": "what stress and explain take, and what sharing burnt-in worlds is worth",
    "processes": "the share of a replication that roll-out and service desk take",
    "optimise": "how near the best allocation a search comes, where brute force knows it",
}


def main(arguments: list[str]) -> int:
    """Run the command that the first argument names."""
    if not arguments or arguments[0] not in COMMANDS:
        lines = "\n".join(f"  {name:10} {summary}" for name, summary in COMMANDS.items())
        print(f"usage: python -m benchmarks COMMAND [options]\n\ncommands:\n{lines}")
        return 0 if arguments in (["--help"], ["-h"]) else 2
    try:
        return int(importlib.import_module(f"benchmarks.{arguments[0]}").main(arguments[1:]))
    except KeyboardInterrupt:
        print("interrupted; nothing is written", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
