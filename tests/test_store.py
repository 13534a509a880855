"""A run's folder: whole files or none, null for what does not exist, one message when it fails."""

from __future__ import annotations

import errno
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sim.errors import StoreError
from sim.store import write_run, write_text

TABLE = pd.DataFrame({"quarter": [1, 2], "net": [-1.5, math.nan], "brand": ["ours", "theirs"]})


class HalfWritten(pd.DataFrame):
    """A table whose writing stops in the middle."""

    reason: BaseException

    def to_parquet(self, path, **kwargs):
        Path(path).write_bytes(b"half a f")
        raise self.reason


def half_written(reason: BaseException) -> HalfWritten:
    table = HalfWritten(TABLE)
    object.__setattr__(table, "reason", reason)
    return table


def files(folder: Path) -> list[str]:
    """Return everything in a folder, what is hidden included."""
    return sorted(path.name for path in folder.iterdir())


def test_tables_and_documents_come_back_as_they_were(tmp_path):
    folder = tmp_path / "made" / "on demand"
    write_run(folder, {"cash_flow": TABLE}, {"summary": {"title": "Prämie 会员", "n": 3}})
    assert files(folder) == ["cash_flow.parquet", "summary.json"]
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "cash_flow.parquet"), TABLE)
    text = (folder / "summary.json").read_text("utf-8")
    assert json.loads(text) == {"title": "Prämie 会员", "n": 3}
    assert "会员" in text


def test_a_value_that_does_not_exist_is_null(tmp_path):
    document = {
        "payback_quarter": math.nan, "irr": np.float64("nan"), "high": math.inf,
        "low": np.float32(-np.inf), "nested": [{"mean": math.nan}, (1, math.inf)],
        "zero": 0.0, "flag": np.bool_(True), "count": np.int64(7), "half": np.float32(0.5), 3: None,
    }  # fmt: skip
    write_run(tmp_path, {}, {"summary": document})
    text = (tmp_path / "summary.json").read_text("utf-8")

    def refuse(word: str):
        raise AssertionError(f"{word} is no JSON")

    assert json.loads(text, parse_constant=refuse) == {
        "payback_quarter": None, "irr": None, "high": None, "low": None,
        "nested": [{"mean": None}, [1, None]],
        "zero": 0.0, "flag": True, "count": 7, "half": 0.5, "3": None,
    }  # fmt: skip


def test_a_second_run_replaces_the_first(tmp_path):
    write_run(tmp_path, {"t": TABLE}, {"d": {"run": 1}})
    write_run(tmp_path, {"t": TABLE.head(1)}, {"d": {"run": 2}})
    assert len(pd.read_parquet(tmp_path / "t.parquet")) == 1
    assert json.loads((tmp_path / "d.json").read_text()) == {"run": 2}
    assert files(tmp_path) == ["d.json", "t.parquet"]


@pytest.mark.parametrize("old", [True, False])
def test_a_full_disk_leaves_no_half_file(tmp_path, old):
    if old:
        write_run(tmp_path, {"t": TABLE}, {})
    full = half_written(OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(StoreError, match="No space left on device"):
        write_run(tmp_path, {"t": full}, {})
    assert files(tmp_path) == (["t.parquet"] if old else [])
    if old:
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), TABLE)


def test_an_interrupt_leaves_no_half_file(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_run(tmp_path, {"t": half_written(KeyboardInterrupt())}, {})
    assert files(tmp_path) == []


def test_a_document_that_is_no_json_leaves_the_old_one(tmp_path):
    write_run(tmp_path, {}, {"d": {"run": 1}})
    with pytest.raises(TypeError):
        write_run(tmp_path, {}, {"d": {"run": object()}})
    assert json.loads((tmp_path / "d.json").read_text()) == {"run": 1}
    assert files(tmp_path) == ["d.json"]


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path):
    file = tmp_path / "file"
    file.write_text("in the way")
    for write in (
        lambda: write_run(file, {"t": TABLE}, {}),
        lambda: write_run(file / "below", {"t": TABLE}, {}),
        lambda: write_text(file / "below" / "report.html", "x"),
    ):
        with pytest.raises(StoreError, match="cannot write") as caught:
            write()
        assert str(file) in str(caught.value)
        assert "None" not in str(caught.value)
    assert file.read_text() == "in the way"


def test_an_error_without_a_number_still_says_why(tmp_path):
    with pytest.raises(StoreError, match="disk quota"):
        write_run(tmp_path, {"t": half_written(OSError("disk quota exceeded"))}, {})


def test_text_is_written_whole_into_a_folder_made_for_it(tmp_path):
    path = tmp_path / "a" / "report.html"
    assert write_text(path, "<p>é</p>") == path
    assert path.read_bytes() == "<p>é</p>".encode()
    assert path.stat().st_mode & 0o777 == 0o644, "others may read a report"
    (tmp_path / "taken.html").mkdir()
    with pytest.raises(StoreError):
        write_text(tmp_path / "taken.html", "x")
    assert files(tmp_path) == ["a", "taken.html"]
