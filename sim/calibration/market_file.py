"""The market file of a calibration: what the data give, on a market that gives the rest."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any

import yaml  # type: ignore[import-untyped]

from sim.calibration.fit import Fit
from sim.config.build import assign, build, dump, find
from sim.config.files import DUMPER
from sim.config.market import Brand, Market, Segment

DIGITS = 6
"""Significant digits of a number in the file."""
WIDTH = 100
"""Columns of a comment in it."""


def calibrated_market(fit: Fit, below: Market, name: str, focal: str | None = None) -> Market:
    """Return the market that a fit makes of the market `below`.

    What the data give replaces the setting; all else, with its source, stays as it is there. If the
    data name brands that are not there, those brands make the market: each is as the focal brand
    of the market below in what the data do not tell, service and quality.

    Parameters
    ----------
    fit
        What was found.
    below
        The market that gives what the data cannot.
    name
        Name of the new market.
    focal
        The brand whose plan is to be studied; it comes first.

    Raises
    ------
    ConfigError
        If a number cannot be used in a market.
    """
    data = _rounded(dump(below))
    stated = dict(data["provenance"])
    names = list(dict.fromkeys(path.split(".")[1] for path in fit.market
                               if path.startswith("brands.")))  # fmt: skip
    if set(names) - {brand.name for brand in below.brands}:
        data["brands"] = [{**data["brands"][0], "name": brand} for brand in names]
        stated = {path: text for path, text in stated.items() if not path.startswith("brands")}
        stated["brands"] = (
            f"assumed: in what the data do not tell, as {below.focal.name} of {below.name}"
        )
    for path, value in fit.market.items():
        assign(data, path, _rounded(value))
        stated = {p: text for p, text in stated.items() if not f"{p}.".startswith(f"{path}.")}
    if focal is not None:
        data["brands"].sort(key=lambda brand: brand["name"] != focal)
    kept = [_without(joint, fit.market) for joint in data["joint"]]
    new = {"name": fit.source, "draws": _rounded(dict(fit.joint))}
    made = {
        **data,
        "name": name,
        "title": f"{name}, calibrated from {fit.source}",
        "benchmarks": [],
        "joint": [joint for joint in [*kept, new] if joint["draws"]],
        "provenance": {**fit.provenance, **_still_there(stated, data)},
    }
    return build(Market, made, "market")


def market_text(market: Market, heading: Sequence[str]) -> str:
    """Return a market as the text of its YAML file; what is as by default is left out.

    Parameters
    ----------
    market
        The market.
    heading
        Lines of comment at its top.
    """
    data = _rounded(dump(market))
    usual_market = {f.name: _default(f) for f in fields(Market)}
    for name, kind in (("brands", Brand), ("segments", Segment)):
        usual = {f.name: default for f in fields(kind) if (default := _default(f)) is not None}
        data[name] = [{k: v for k, v in item.items() if v != usual.get(k)} for item in data[name]]
    wrapped = [part for line in heading for part in textwrap.wrap(line, WIDTH - 2) or [""]]
    lines = [f"# {line}".rstrip() for line in wrapped]
    for name, value in data.items():
        if value in ([], {}) or value == usual_market[name]:
            continue
        lines += (
            ["", *_block(name, value)] if isinstance(value, dict | list) else _block(name, value)
        )
    return "\n".join(lines) + "\n"


def _default(setting: Field[Any]) -> Any:
    """Return the default of a setting as a file writes it, None if it has none."""
    if setting.default_factory is not MISSING:
        return _rounded(dump(setting.default_factory()))
    return None if setting.default is MISSING else _rounded(setting.default)


def _block(name: str, value: Any) -> list[str]:
    if isinstance(value, list):
        return [f"{name}:", *(f"  - {_flow(item)}" for item in value)]
    if name == "provenance":
        return [f"{name}:", *(f"  {key}: {_flow(item)}" for key, item in value.items())]
    return [f"{name}: {_flow(value)}"]


def _flow(value: Any) -> str:
    """Return a value on one line."""
    text = yaml.dump(value, Dumper=DUMPER, default_flow_style=True, sort_keys=False,
                     allow_unicode=True, width=10**6)  # fmt: skip
    return str(text).removesuffix("\n").removesuffix("\n...")


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def _without(joint: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return joint draws without those of settings that the data give anew."""
    draws = {path: drawn for path, drawn in joint["draws"].items() if path not in given}
    return {"name": joint["name"], "draws": draws}


def _still_there(stated: Mapping[str, str], data: Mapping[str, Any]) -> dict[str, str]:
    """Return the sources of what there still is."""
    return {path: text for path, text in stated.items() if not find(data, path)[1]}
