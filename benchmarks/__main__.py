"""`python -m benchmarks COMMAND`: a line of `COMMANDS`, a module with `main(arguments) -> int`."""

from __future__ import annotations

import importlib
import sys

COMMANDS = {
    "peers": "the same small model as Mesa objects, as NumPy arrays and as ours",
    "memory": "bytes per customer and per customer x brand, counted and measured",
    "study": "the default paired study end to end: seconds and peak memory",
    "processes": "the share of a replication that roll-out and service desk take",
}


def main(arguments: list[str]) -> int:
    """Run the command that the first argument names."""
    if not arguments or arguments[0] not in COMMANDS:
        lines = "\n".join(f"  {name:10} {summary}" for name, summary in COMMANDS.items())
        print(f"usage: python -m benchmarks COMMAND [options]\n\ncommands:\n{lines}")
        return 0 if arguments in (["--help"], ["-h"]) else 2
    return int(importlib.import_module(f"benchmarks.{arguments[0]}").main(arguments[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
