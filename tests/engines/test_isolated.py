"""A call in a process of its own always gets an answer, and takes nobody along."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sim.engines.isolated import Isolated, StoppedError, close_mine, mine, stop_all

LIMIT = 5.0
CALLS = """
import os, signal, sys, time

class Calls:
    '''Does what an item says.'''

    def __init__(self, begins=True):
        self.begins = begins

    def begin(self):
        if not self.begins:
            raise ValueError("no kernels here")

    def __call__(self, item):
        what, _, rest = item.partition(" ")
        if what == "raise":
            raise ValueError(rest)
        if what == "sleep":
            time.sleep(float(rest))
        if what == "exit":
            print("last words", file=sys.stderr)
            os._exit(int(rest))
        if what == "kill":
            os.kill(os.getpid(), int(rest))
        if what == "once":  # ends the process that meets it first
            try:
                os.open(rest, os.O_CREAT | os.O_EXCL)
            except FileExistsError:
                return "came back"
            os.kill(os.getpid(), signal.SIGKILL)
        return os.environ["OMP_NUM_THREADS"] if what == "threads" else (item, os.getpid())
"""


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """What is called, importable by the processes that call it."""
    (tmp_path / "calls.py").write_text(CALLS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    sys.modules.pop("calls", None)
    import calls

    return calls.Calls


@pytest.fixture
def isolated(calls):
    made = Isolated(calls(), LIMIT)
    yield made
    made.close()


def test_answers_come_in_order_from_another_process(isolated):
    answers = list(isolated.map(["a", "b", "c"]))
    assert [answer.value[0] for answer in answers] == ["a", "b", "c"]
    assert os.getpid() not in {answer.value[1] for answer in answers}
    assert len({answer.value[1] for answer in answers}) == 1


def test_the_process_stays_from_one_round_to_the_next(isolated):
    [first], [second] = isolated.map(["a"]), isolated.map(["a"])
    assert first == second


def test_a_call_that_raises_is_answered_in_one_line(isolated):
    answers = list(isolated.map(["a", "raise no   such\nthing", "b"]))
    assert answers[1].error == "ValueError: no such thing"
    assert answers[0].value[1] == answers[2].value[1]


def test_a_process_that_ends_is_answered_with_its_last_words(isolated):
    answers = list(isolated.map(["a", "exit 3", "b"]))
    assert answers[1].error == "its process ended with exit code 3: last words"
    assert answers[2].value[0] == "b"
    assert answers[2].value[1] != answers[0].value[1]


def test_a_process_that_is_always_killed_is_given_up_after_two(isolated):
    answers = list(isolated.map([f"kill {signal.SIGKILL:d}", "b"]))
    assert answers[0].error == "its process ended with signal SIGKILL"
    assert answers[1].value[0] == "b"


def test_a_process_that_was_killed_once_leaves_no_trace(isolated, tmp_path):
    answers = list(isolated.map(["a", f"once {tmp_path / 'mark'}", "b"]))
    assert [bool(answer.error) for answer in answers] == [False] * 3
    assert answers[1].value == "came back"


def test_a_call_that_does_not_end_is_cut(calls):
    isolated = Isolated(calls(), 0.5)
    answers = list(isolated.map(["a", "sleep 60", "b"]))
    isolated.close()
    assert answers[1].error == "was not done within 0.5 seconds"
    assert [answer.value[0] for answer in answers[::2]] == ["a", "b"]


def test_a_call_has_one_thread(isolated):
    [answer] = isolated.map(["threads"])
    assert answer.value == "1"


def test_a_function_that_cannot_begin_is_an_error(calls):
    with pytest.raises(RuntimeError, match="could not begin: ValueError: no kernels here"):
        list(Isolated(calls(begins=False), LIMIT).map(["a"]))


def test_stop_all_ends_what_is_waited_for(isolated):
    timer = threading.Timer(0.5, stop_all)
    answers = isolated.map(["a", "sleep 60"])
    next(answers)
    timer.start()
    with pytest.raises(StoppedError):
        next(answers)
    timer.join()


def test_a_thread_has_one_process_at_a_time(calls):
    [first] = mine("one", lambda: Isolated(calls(), LIMIT)).map(["a"])
    [again] = mine("one", lambda: Isolated(calls(), LIMIT)).map(["a"])
    [other] = mine("two", lambda: Isolated(calls(), LIMIT)).map(["a"])
    close_mine()
    assert first == again
    assert other.value[1] != first.value[1]
    assert not Path(f"/proc/{other.value[1]}").exists()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for the process in /proc")
def test_the_process_dies_with_its_caller_even_in_the_middle_of_a_call(calls, tmp_path):
    script = (
        "from calls import Calls; from sim.engines.isolated import Isolated\n"
        "answers = Isolated(Calls(), 60).map(['a', 'sleep 60'])\n"
        "print(next(answers).value[1], flush=True); next(answers)\n"
    )
    caller = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert caller.stdout is not None
    child = Path(f"/proc/{int(caller.stdout.readline())}")
    assert child.exists()
    caller.kill()
    caller.communicate()
    deadline = time.monotonic() + LIMIT
    while child.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not child.exists()
