"""The page `docs/validation.md`: two halves that are made one by one, and kept when not made."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from matplotlib.figure import Figure

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
PAGE = ROOT / "docs" / "validation.md"
PICTURES = ROOT / "docs" / "images" / "validation"
HALVES = ("data", "laws")
"""In the order of the page."""
DPI = 110


def write_page(made: Mapping[str, list[str]]) -> None:
    """Write the page; a half that was not made stays as it stands there."""
    halves = {**read_halves(), **{name: "\n".join(lines) for name, lines in made.items()}}
    parts = [text("preface")]
    for name in HALVES:
        if name not in halves:
            raise SystemExit(f"{PAGE} does not have the half on {name}: make it too")
        parts += [mark(name), halves[name].strip()]
    PAGE.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def read_halves() -> dict[str, str]:
    """Return the halves that the page has."""
    rest = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    halves = {}
    for name in reversed(HALVES):
        rest, found, half = rest.partition(mark(name))
        if found:
            halves[name] = half
    return halves


def mark(half: str) -> str:
    """Return the line above a half."""
    return f"<!-- from here on: {half} -->"


def text(name: str) -> str:
    """Return a text that stands in the page."""
    return (HERE / f"{name}.md").read_text(encoding="utf-8").strip()


def save(figure: Figure, name: str) -> None:
    """Write a picture of the page."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURES / f"{name}.png", dpi=DPI, metadata={"Software": None})


def show(name: str, caption: str) -> str:
    """Return the line that shows a picture."""
    return f"![{caption}](images/validation/{name}.png)"


def table(head: list[str], rows: list[list[str]], numbers: Collection[str] = ()) -> list[str]:
    """Return a table in Markdown; columns of `numbers` stand to the right."""
    rule = ["---", *["---:" if column in numbers else "---" for column in head[1:]]]
    return [f"| {' | '.join(row)} |" for row in [head, rule, *rows]]
