"""The ratios of each release, in `history.json`: whether we stay ahead.

A list of records, oldest first: version, date, processor, ratios. Ratios of one run survive a
change of machine better than times do, but not wholly: the record names the processor.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TypedDict

from benchmarks.results import cpu_name

PATH = Path(__file__).parent / "history.json"

Ratios = dict[str, float]


class Record(TypedDict):
    """One release."""

    version: str
    date: str
    cpu: str
    ratios: Ratios  # "who / whom, threads": how many times as fast


def read(path: Path = PATH) -> list[Record]:
    """Return all records, oldest first."""
    if not path.exists():
        return []
    records: list[Record] = json.loads(path.read_text(encoding="utf-8"))
    return records


def record_of(ratios: Ratios) -> Record:
    """Return the record of the present version, with three digits of each ratio."""
    return {
        "version": version("fidelio"),
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": cpu_name(),
        "ratios": {name: float(f"{ratio:.3g}") for name, ratio in ratios.items()},
    }


def write(record: Record, path: Path = PATH) -> None:
    """Append a record, or put it in the place of the one of the same version."""
    records = read(path)
    versions = [old["version"] for old in records]
    if record["version"] in versions:
        records[versions.index(record["version"])] = record
    else:
        records.append(record)
    path.write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")


def changes(ratios: Ratios, path: Path = PATH) -> list[str]:
    """Return a line per ratio: how it stands to the last record."""
    records = read(path)
    if not records:
        return ["No release is recorded yet."]
    last = records[-1]
    lines = [f"Against version {last['version']} ({last['date']}, {last['cpu']}):"]
    if last["cpu"] != cpu_name():
        lines.append("  another processor: ratios may differ for that reason alone")
    for name, ratio in ratios.items():
        before = last["ratios"].get(name)
        change = "not recorded" if before is None else f"{ratio / before - 1.0:+.0%}"
        lines.append(f"  {name}: {ratio:,.3g} ({change})")
    lines += [
        f"  {name}: {before:,.3g} recorded, not measured now"
        for name, before in last["ratios"].items()
        if name not in ratios
    ]
    return lines
