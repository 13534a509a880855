"""Where a sweep lies: whole files or none, one driver at a time, one message on failure."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import time
import uuid
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import fsspec
import pytest
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from sim.errors import ConfigError, StoreError
from sim.sweep.place import ABANDONED, Folder, Remote, open_place


class Kept(AbstractFileSystem):
    """A store behind an address of its own: a folder that only this class knows as one."""

    protocol = "kept"
    root = ""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.local = LocalFileSystem()

    def _real(self, path):
        return f"{self.root}/{self._strip_protocol(path)}"

    def ls(self, path, detail=True, **kwargs):
        found = self.local.ls(self._real(path), detail=True)
        shown = [{**each, "name": each["name"].removeprefix(f"{self.root}/")} for each in found]
        return shown if detail else [each["name"] for each in shown]

    def info(self, path, **kwargs):
        return {**self.local.info(self._real(path)), "name": self._strip_protocol(path)}

    def makedirs(self, path, exist_ok=False):
        self.local.makedirs(self._real(path), exist_ok=exist_ok)

    def rm_file(self, path):
        self.local.rm_file(self._real(path))

    def _open(self, path, mode="rb", **kwargs):
        return open(self._real(path), mode)


fsspec.register_implementation("kept", Kept, clobber=True)


@pytest.fixture(params=["folder", "memory", "kept"])
def place(request, tmp_path, monkeypatch):
    monkeypatch.setattr(Kept, "root", str(tmp_path))
    address = {
        "folder": str(tmp_path / "sweep"),
        "memory": f"memory://{uuid.uuid4()}/sweep",
        "kept": "kept://sweeps/sweep",
    }[request.param]
    made = open_place(address)
    made.create()
    return made


@contextmanager
def mounted(folder: Path, options: str):
    """Mount a small file system that lies in memory, where that is allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
    if shutil.which("mount") is None or subprocess.run(command, check=False).returncode:
        pytest.skip("needs the right to mount a file system (root)")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def all_files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_place_keeps_what_is_written(place):
    assert place.names() == [] == place.names("parts")
    place.write("manifest.json", b"one")
    place.write("parts/b", b"two")
    place.write("parts/a", b"")
    place.write("manifest.json", b"other")
    assert place.names("parts") == ["a", "b"]
    assert "manifest.json" in place.names()
    assert place.read("manifest.json") == b"other"
    assert place.read("parts/a") == b""
    assert (place.exists("parts/b"), place.exists("parts/c")) == (True, False)
    with place.open("parts/b") as file:
        file.seek(1)
        assert file.read() == b"wo"
    place.remove("parts/b")
    place.remove("parts/b")
    assert place.names("parts") == ["a"]


def _fill_half(place):
    with place.filling("points/0000") as path:
        path.write_bytes(b"half")
        raise ConfigError("is no factor")


def test_a_file_is_filled_bit_by_bit_and_put_whole(place):
    with place.filling("points/0000") as path:
        path.write_bytes(b"a" * 100)
        assert place.names("points") == []
    assert place.read("points/0000") == b"a" * 100
    with pytest.raises(ConfigError, match="is no factor"):
        _fill_half(place)
    assert place.read("points/0000") == b"a" * 100
    assert place.names("points") == ["0000"]


def test_a_missing_file_is_one_clear_error(place):
    with pytest.raises(StoreError, match=r"cannot read .*sweep/nothing"):
        place.read("nothing")
    with pytest.raises(StoreError, match=r"cannot read .*sweep/nothing"):
        place.open("nothing")


def test_the_folders_beside_a_place_are_its_siblings(place):
    for name in ("other", "third"):
        beside = open_place(place.url.rpartition("/")[0] + f"/{name}")
        beside.create()
        beside.write("manifest.json", b"{}")
    found = place.siblings()
    assert [each.url.rpartition("/")[2] for each in found] == ["other", "third"]
    assert all(each.exists("manifest.json") for each in found)
    assert found[0].url.startswith(place.url.rpartition("/")[0])


def test_what_another_process_wrote_is_seen(place):
    if place.local is not None:
        (place.local / "parts").mkdir()
        (place.local / "parts/x").write_bytes(b"x")
    else:
        system, path = fsspec.core.url_to_fs(place.url)
        system.makedirs(f"{path}/parts", exist_ok=True)
        system.pipe_file(f"{path}/parts/x", b"x")
    assert place.names("parts") == ["x"]
    assert place.exists("parts/x")


def _write_from_elsewhere(place, name):
    place.write(name, b"from elsewhere")
    return place.names("parts")


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_a_place_works_in_other_processes(tmp_path, way):
    place = open_place(tmp_path / "sweep")
    place.create()
    with ProcessPoolExecutor(1, mp_context=get_context(way)) as pool:
        assert pool.submit(_write_from_elsewhere, place, "parts/x").result() == ["x"]
    assert place.read("parts/x") == b"from elsewhere"


def test_a_remote_place_can_be_pickled(place):
    again = pickle.loads(pickle.dumps(place))
    again.write("parts/x", b"x")
    assert place.read("parts/x") == b"x"


def test_local_addresses_are_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert isinstance(open_place("sweep"), Folder)
    assert open_place("sweep").local == tmp_path / "sweep"
    assert open_place(f"file://{tmp_path}/sweep").local == tmp_path / "sweep"
    assert open_place(Path("~/sweep")).local == Path.home() / "sweep"
    assert isinstance(open_place("memory://sweep/"), Remote)
    assert open_place("memory://sweep/").url == "memory://sweep"


def test_an_unknown_address_is_one_clear_error():
    with pytest.raises(StoreError, match=r"cannot open nowhere://x: .*nowhere"):
        open_place("nowhere://x")


# --- one driver ----------------------------------------------------------------------------------

HOLD = """
import sys, time
from sim.sweep.place import open_place
with open_place(sys.argv[1]).lock():
    print("locked", flush=True)
    time.sleep(60)
"""


def test_a_second_driver_is_refused_and_a_killed_one_lets_go(tmp_path):
    place = open_place(tmp_path / "sweep")
    other = subprocess.Popen([sys.executable, "-c", HOLD, place.url], stdout=subprocess.PIPE)
    try:
        assert other.stdout.readline() == b"locked\n"
        said = rf"drives this sweep: pid {other.pid} on \S+$"
        with pytest.raises(StoreError, match=said), place.lock():
            pass
    finally:
        other.kill()
        other.communicate()
    with place.lock():
        assert all_files(place.local) == [".driver"]
    assert all_files(place.local) == []


def test_a_forked_worker_does_not_hold_the_lock_of_a_driver_that_died(tmp_path):
    place = open_place(tmp_path / "sweep")
    script = HOLD.replace("print(", "import os; pid = os.fork(); pid and print(pid, ")
    other = subprocess.Popen([sys.executable, "-c", script, place.url], stdout=subprocess.PIPE)
    worker = int(other.stdout.readline().split()[0])
    try:
        other.kill()
        other.wait()
        os.kill(worker, 0)  # it lives
        with place.lock():
            pass
    finally:
        os.kill(worker, 9)
        other.stdout.close()


def test_a_lock_makes_the_place(place):
    with place.lock():
        place.write("manifest.json", b"{}")
    assert place.names() == ["manifest.json"] or place.local is None


# --- what fails ----------------------------------------------------------------------------------


def test_a_full_disk_leaves_nothing_half_written(tmp_path):
    with mounted(tmp_path / "small", "size=256k"):
        place = open_place(tmp_path / "small/sweep")
        place.create()
        place.write("parts/first", b"a" * 100_000)
        with pytest.raises(StoreError, match=r"cannot write .*parts/second: No space left"):
            place.write("parts/second", b"b" * 300_000)
        with pytest.raises(StoreError, match=r"cannot write .*parts/first: No space left"):
            place.write("parts/first", b"b" * 300_000)
        assert all_files(place.local) == ["parts/first"]
        assert place.read("parts/first") == b"a" * 100_000
        place.write("parts/second", b"b" * 1000)


def test_a_folder_that_is_only_read_is_one_clear_error(tmp_path):
    with mounted(tmp_path / "small", "size=256k"):
        place = open_place(tmp_path / "small/sweep")
        place.create()
        place.write("parts/first", b"a")
        subprocess.run(["mount", "-o", "remount,ro", tmp_path / "small"], check=True)
        with pytest.raises(StoreError, match=r"cannot write .*parts/second: Read-only file system"):
            place.write("parts/second", b"b")
        with pytest.raises(StoreError, match=r"cannot remove .*parts/first: Read-only file system"):
            place.remove("parts/first")
        said = r"cannot lock .*sweep: Read-only file system"
        with pytest.raises(StoreError, match=said), place.lock():
            pass
        with pytest.raises(StoreError, match=r"cannot make .*other: Read-only file system"):
            open_place(tmp_path / "small/other").create()
        assert place.read("parts/first") == b"a"


def test_a_folder_without_permission_is_one_clear_error(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write all")
    place = open_place(tmp_path / "sweep")
    place.create()
    place.local.chmod(0o500)
    with pytest.raises(StoreError, match=r"cannot write .*sweep/x: Permission denied"):
        place.write("x", b"")


def test_a_place_that_vanished_is_not_made_anew(tmp_path):
    place = open_place(tmp_path / "sweep")
    place.create()
    place.write("parts/first", b"a")
    shutil.rmtree(place.local)
    for ask in (lambda: place.write("parts/second", b"b"), lambda: place.names("parts"),
                lambda: place.write("extension-0001.json", b"b")):  # fmt: skip
        with pytest.raises(StoreError, match="No such file or directory"):
            ask()
    assert not place.local.exists()


class Refusing(AbstractFileSystem):
    """A store whose errors are its own, as object stores' are."""

    protocol = "refusing"

    def cat_file(self, *given, **named):
        raise ValueError("403: token has expired")

    pipe_file = ls = exists = makedirs = rm_file = cat_file


fsspec.register_implementation("refusing", Refusing, clobber=True)


@pytest.mark.parametrize(
    "ask",
    [
        lambda place: place.read("x"),
        lambda place: place.write("x", b""),
        lambda place: place.names(),
        lambda place: place.exists("x"),
        lambda place: place.remove("x"),
        lambda place: place.create(),
    ],
)
def test_whatever_a_remote_store_raises_is_one_clear_error(ask):
    with pytest.raises(StoreError, match=r"cannot .* refusing://bucket.*: 403: token has expired"):
        ask(open_place("refusing://bucket/sweep"))


def test_only_what_was_abandoned_is_cleared_away(tmp_path):
    place = open_place(tmp_path)
    place.write("parts/whole", b"a")
    old, new = (tmp_path / "parts" / f".{name}.x.half" for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half")
    long_ago = time.time() - ABANDONED - 60
    os.utime(old, (long_ago, long_ago))
    os.utime(tmp_path / "parts/whole", (long_ago, long_ago))
    assert place.names("parts") == ["whole"]
    assert place.remove_abandoned("parts") == [old.name]
    assert all_files(tmp_path) == ["parts/.new.x.half", "parts/whole"]
