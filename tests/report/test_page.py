"""A page is one file, whole, and free of `nan`."""

import json
import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sim.errors import StoreError
from sim.report import write_page
from sim.report.words import ENGLISH

Writer = Callable[..., Path]
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Reader(HTMLParser):
    """Collects what a browser would show and what it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.pictures: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in found:
            self.ids.append(str(found["id"]))
        self.links += [str(found[key]) for key in ("src", "href", "xlink:href") if key in found]
        if tag == "svg" and "aria-hidden" not in found:
            self.pictures.append(found)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)


def read(path: Path) -> tuple[str, Reader]:
    html = path.read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return html, reader


@pytest.fixture(params=["run", "compare", "loss", "today", "one"])
def page(request: pytest.FixtureRequest, run_folder: Writer, compare_folder: Writer) -> Path:
    folder = {
        "run": run_folder,
        "compare": compare_folder,
        "loss": lambda: run_folder("promotion_first", replications=200),
        "today": lambda: run_folder("today", replications=4),
        "one": lambda: run_folder(replications=1),
    }[request.param]()
    return write_page(folder)


def test_a_page_loads_nothing(page: Path) -> None:
    html, reader = read(page)
    assert all(link.startswith("#") for link in reader.links)
    assert not re.search(r"@import|<script|<link|<img|<iframe|@font-face", html)
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", html))


def test_ids_are_unique_and_every_reference_has_its_target(page: Path) -> None:
    html, reader = read(page)
    assert max(Counter(reader.ids).values()) == 1
    targets = {link[1:] for link in reader.links} | set(re.findall(r"url\(#([^)]*)\)", html))
    assert targets <= set(reader.ids)


def test_a_reader_never_meets_nan_or_none(page: Path) -> None:
    _, reader = read(page)
    text = " ".join(reader.words)
    assert not re.search(r"\b(nan|NaN|None|null|inf|NaT)\b", text)
    assert "{" not in text


def test_every_picture_has_its_words(page: Path) -> None:
    _, reader = read(page)
    assert len(reader.pictures) >= 5
    assert all(picture["role"] == "img" and picture["aria-label"] for picture in reader.pictures)


def test_every_outcome_is_on_the_page(page: Path) -> None:
    summary = json.loads((page.parent / "summary.json").read_text(encoding="utf-8"))
    result = next(iter(summary["plans"].values())) if "plans" in summary else summary
    text = " ".join(read(page)[1].words)
    for name in result["outcomes"]:
        assert ENGLISH[f"outcome.{name}"] in text


def test_the_command_and_the_hash_are_on_the_page(page: Path) -> None:
    manifest = json.loads((page.parent / "manifest.json").read_text(encoding="utf-8"))
    text = " ".join(read(page)[1].words)
    assert manifest["command"] in text
    assert manifest["hash"] in text


def test_a_bare_manifest_is_enough(run_folder: Writer) -> None:
    def change(_: dict, about: dict) -> None:
        kept = {"command": "fidelio run", "configuration": {}}
        about.clear()
        about.update(kept)

    text = " ".join(read(write_page(run_folder(replications=4, change=change)))[1].words)
    assert ENGLISH["section.rests"] not in text
    assert ENGLISH["section.notes"] not in text


def test_what_users_wrote_is_text_not_markup(run_folder: Writer) -> None:
    def change(summary: dict, about: dict) -> None:
        summary["title"] = "<script>alert(1)</script>"
        about["configuration"]["plan"]["title"] = '<b>"A & B"</b>'

    html, _ = read(write_page(run_folder(replications=4, change=change)))
    assert "<script" not in html
    assert "<b>&#34;A" not in html


def test_the_same_files_give_the_same_page(run_folder: Writer) -> None:
    folder = run_folder(replications=8)
    assert write_page(folder).read_bytes() == write_page(folder).read_bytes()


def test_a_page_that_cannot_be_written_is_named(run_folder: Writer) -> None:
    folder = run_folder(replications=4)
    (folder / "report.html").mkdir()
    with pytest.raises(StoreError, match=r"report\.html"):
        write_page(folder)


def test_every_text_is_used() -> None:
    root = Path(str(write_page.__globals__["__file__"])).parent
    code = "".join(path.read_text(encoding="utf-8") for path in root.glob("*.*"))
    code = code.replace((root / "words.py").read_text(encoding="utf-8").split("ACRONYMS")[0], "")
    prefixes = ("outcome.", "move.", "figure.", "key.", "group.", "provenance.", "reading.",
                "rollout.", "warning.", "gate.", "when.", "section.decisions.",
                "measure.")  # fmt: skip
    unused = [key for key in ENGLISH if f'"{key}"' not in code and f"'{key}'" not in code]
    assert [key for key in unused if not key.startswith(prefixes)] == []


def test_a_run_that_was_stopped_says_so(run_folder: Writer) -> None:
    def change(_: dict, about: dict) -> None:
        about["interrupted"] = True

    html, _ = read(write_page(run_folder(replications=4, change=change)))
    assert "stopped early" in html
