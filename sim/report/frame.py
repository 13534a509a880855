"""What all pages have in common: their templates, their look, a picture with its words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


@dataclass(frozen=True)
class Picture:
    """A figure with the words that stand around it."""

    title: str
    unit: str
    svg: Markup
    caption: str = ""


def fill(template: str, **values: Any) -> str:
    """Return a page: a template of this folder, filled in.

    Parameters
    ----------
    template
        Name of the file; it may include others, such as `page.css`.
    **values
        What the template names; one that is missing is an error.
    """
    environment = Environment(
        loader=PackageLoader("sim.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
