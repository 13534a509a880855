"""How strongly customers feel a lever: what is known of it, how tests move it, and its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import yaml  # type: ignore[import-untyped]

from sim.config.build import BOUNDED, Limits, dump, real_numbers
from sim.config.fields import Uncertain
from sim.config.files import DUMPER
from sim.config.lever import Lever

SIZES = ("size", "pull", "quality", "stimulus")
"""Names of the numbers of a lever that say how strongly customers feel it."""
DIGITS = 6
"""Significant digits of a number in a lever's file."""
N_QUANTILES = 2000


class Size(NamedTuple):
    """How strongly customers feel one effect, as far as it is known."""

    path: str
    stated: float
    """A number or a distribution."""
    mean: float
    sd: float
    limits: Limits


def lever_sizes(lever: Lever, prior_sd: float) -> list[Size]:
    """Return the numbers of a lever that tests may tell."""
    found = []
    for path, (stated, limits) in real_numbers(lever).items():
        if path.rpartition(".")[2] not in SIZES:
            continue
        if isinstance(stated, Uncertain):
            chances = (np.arange(N_QUANTILES) + 0.5) / N_QUANTILES
            values = [stated.quantile(float(u), limits.low, limits.high) for u in chances]
            found.append(Size(path, stated, float(np.mean(values)), float(np.std(values)), limits))
        elif stated != 0.0:
            found.append(Size(path, stated, stated, prior_sd * abs(stated), limits))
    return found


def moved(size: Size, factor: float, narrower: float) -> Any:
    """Return a size as YAML writes it after m -> m factor, x - m -> (x - m) narrower.

    Triangular, uniform and normal keep their form; others become normal with the same moments.
    """
    mean = size.mean * factor

    def move(x: float) -> float:
        return _rounded(min(max(mean + narrower * (x - size.mean), size.limits.low),
                            size.limits.high))  # fmt: skip

    stated = size.stated
    if isinstance(stated, Uncertain) and stated.form in BOUNDED:
        ends = [move(x) for x in stated.parameters]
        return {stated.form: ends} if ends[0] < ends[-1] else ends[0]
    centre, sd = size.mean, size.sd
    if isinstance(stated, Uncertain) and stated.form == "normal":
        centre, sd = stated.parameters
    sd = _rounded(narrower * sd)
    return {"normal": [move(centre), sd]} if sd > 0.0 else move(centre)


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def lever_text(lever: Lever, heading: Sequence[str]) -> str:
    """Return a lever as the text of its YAML file; what is as by default is left out.

    Parameters
    ----------
    lever
        The lever.
    heading
        Lines of comment at its top.
    """
    plain = dump(Lever(lever.name, lever.title, lever.half_saturation))
    data = {
        name: _without_empty(value)
        for name, value in dump(lever).items()
        if name in ("name", "title", "half_saturation") or value != plain[name]
    }
    lines = [f"# {line}".rstrip() for line in heading]
    for name, value in data.items():
        if isinstance(value, list) and isinstance(value[0], dict):
            lines += [f"{name}:", *(f"  - {_on_one_line(item)}" for item in value)]
        elif name == "provenance":
            lines += [f"{name}:", *(f"  {path}: {_on_one_line(at)}" for path, at in value.items())]
        else:
            lines.append(f"{name}: {_on_one_line(value)}")
    return "\n".join(lines) + "\n"


def _on_one_line(value: Any) -> str:
    text = yaml.dump(value, Dumper=DUMPER, default_flow_style=True, sort_keys=False,
                     allow_unicode=True, width=10**6)  # fmt: skip
    return str(text).removesuffix("\n").removesuffix("\n...")


def _without_empty(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {name: _without_empty(item) for name, item in value.items()}
        return {name: item for name, item in kept.items() if item not in (None, [], {}, "")}
    return [_without_empty(item) for item in value] if isinstance(value, list) else value
