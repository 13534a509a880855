"""What can go wrong does: afterwards every unit is there once, byte for byte as if nothing had."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from sweeps import begin, children, design, is_root, parts, sweep, wait_for

SLOW = "{customers: 4000}"
"""A unit that takes long enough to be killed in."""
UNITS = ["replications=6"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The parts of a sweep that nothing happened to, and its design."""
    folder = tmp_path_factory.mktemp("undisturbed")
    file = design(folder, settings=SLOW)
    assert sweep(f"design={file}", f"out={folder / 'sweep'}", *UNITS) == 0
    return file, parts(folder / "sweep")


@pytest.fixture
def running(undisturbed, tmp_path):
    """A sweep whose first shard has just been kept, with its process."""
    file, _ = undisturbed
    out = tmp_path / "sweep"
    process = begin(f"design={file}", f"out={out}", *UNITS)
    wait_for(lambda: (out / "parts").is_dir() and any((out / "parts").glob("shard-*")), process)
    yield out, process
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_a_killed_driver_takes_its_workers_along_and_loses_nothing(undisturbed, running):
    out, process = running
    workers = children(process)
    assert workers
    process.kill()
    process.communicate()
    kept = {path.name: path.read_bytes() for path in (out / "parts").glob("shard-*")}
    wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
    assert sweep(f"resume={out}") == 0
    assert parts(out) == undisturbed[1]
    assert kept


def test_a_killed_worker_is_replaced_and_leaves_no_trace(undisturbed, running):
    out, process = running
    for _ in range(3):
        wait_for(lambda: children(process), process)
        os.kill(children(process)[0], signal.SIGKILL)
        time.sleep(0.5)
    _, said = process.communicate(timeout=90)
    assert process.returncode == 0, said
    assert parts(out) == undisturbed[1]


def test_two_drivers_do_not_meet_and_control_c_says_how_to_go_on(undisturbed, running, capsys):
    out, process = running
    assert sweep(f"resume={out}") == 2
    assert f"another process drives this sweep: pid {process.pid}" in capsys.readouterr().err
    workers = children(process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"fidelio sweep resume={out}" in said
    assert "Traceback" not in said
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
    assert not list(out.rglob(".*half"))
    assert sweep(f"resume={out}") == 0
    assert parts(out) == undisturbed[1]


def test_a_corrupt_part_is_named_and_lived_again(undisturbed, tmp_path, capsys):
    file, before = undisturbed
    out = tmp_path / "sweep"
    shutil.copytree(Path(file).parent / "sweep", out)
    [part] = (out / "parts").iterdir()
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 0xFF
    part.write_bytes(data)
    assert sweep(f"resume={out}") == 0
    assert part.name in capsys.readouterr().err
    assert parts(out) == before


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of its own with little room."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "fidelio", str(folder)]
    if not is_root() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounts a small disk, which only root may do, and not in every container")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_told_and_a_larger_one_goes_on(undisturbed, small_disk, capsys):
    file, before = undisturbed
    out = small_disk / "sweep"
    blob = small_disk / "blob"
    process = begin(f"design={file}", f"out={out}", *UNITS)
    wait_for(lambda: (out / "parts").is_dir() and any((out / "parts").glob("shard-*")), process)
    with blob.open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(1024))
        except OSError:
            pass
    _, said = process.communicate(timeout=90)
    assert process.returncode == 2
    assert "No space left on device" in said
    assert f"fidelio sweep resume={out}" in said
    assert "Traceback" not in said
    blob.unlink()
    assert sweep(f"resume={out}") == 0
    assert parts(out) == before


def test_a_read_only_store_is_told(undisturbed, small_disk, capsys):
    file, _ = undisturbed
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert sweep(f"design={file}", f"out={small_disk / 'sweep'}", *UNITS) == 2
    assert "Read-only file system" in capsys.readouterr().err
