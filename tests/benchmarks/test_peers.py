"""The peers: the same model by all, nobody left out in silence, targets judged as they are told."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from benchmarks import c_code, history, jax_arrays, minimal, numpy_arrays, peers
from benchmarks.minimal import Figure, Peer, Run, Unavailable

N = 40_000


@pytest.fixture
def no_compiler(monkeypatch):
    """Take the C compiler away."""
    monkeypatch.setenv("CC", "/nonexistent/cc")
    c_code.load.cache_clear()
    yield
    c_code.load.cache_clear()


@pytest.fixture
def without(monkeypatch):
    """Return what makes a library uninstalled."""

    def uninstall(library: str, user: str) -> None:
        monkeypatch.setitem(sys.modules, library, None)
        monkeypatch.delitem(sys.modules, f"benchmarks.{user}", raising=False)

    return uninstall


def c_outcome(source: str, threads: int = 1, n: int = N) -> minimal.Outcome:
    try:
        return c_code.run(source, n, threads, seed=5)
    except Unavailable as reason:
        pytest.skip(str(reason))


def peer_of(name: str, outcome: minimal.Outcome) -> Peer:
    return Peer(name, outcome.value.shape[1], 1, [Run.of(outcome)])


def fake(name: str, threads: int, seconds: float) -> Peer:
    """Return a peer that took `seconds` for a purchase by its one customer."""
    figure = Figure(0.0, 1.0, 1)
    return Peer(name, 1, threads, [Run(seconds, np.array([1.0]), figure, figure, None)])


# --- one model -----------------------------------------------------------------------------------


def test_customers_by_rate_are_the_same_customers():
    drawn = minimal.draw_customers(500, np.random.default_rng(1))
    ordered = minimal.by_rate(drawn)
    assert (np.diff(ordered.rate) <= 0.0).all()
    pairs = {(rate, *taste) for rate, taste in zip(drawn.rate, drawn.taste.T, strict=True)}
    assert pairs == {
        (rate, *taste) for rate, taste in zip(ordered.rate, ordered.taste.T, strict=True)
    }


def test_c_and_numpy_describe_the_same_market():
    found = [
        peer_of("scalar", c_outcome("scalar.c")),
        peer_of("vector", c_outcome("vector.c")),
        peer_of("NumPy", numpy_arrays.run(N, seed=6)),
    ]
    assert minimal.disagreements(found) == []


def test_both_c_programs_live_the_same_lives():
    """They share every draw, so that only rounding parts them: rarely a purchase, and then all."""
    scalar, vector = c_outcome("scalar.c"), c_outcome("vector.c")
    same = np.isclose(scalar.value, vector.value, atol=1e-4).all(axis=0)
    same &= np.isclose(scalar.habit, vector.habit, atol=1e-4).all(axis=0)
    assert same.mean() > 0.999


@pytest.mark.parametrize("source", ["scalar.c", "vector.c"])
def test_threads_do_not_change_what_c_computes(source):
    one, two = (c_outcome(source, threads, 3 * c_code.CHUNK + 77) for threads in (1, 2))
    np.testing.assert_array_equal(one.purchases, two.purchases)
    np.testing.assert_array_equal(one.value, two.value)


def test_customers_of_an_incomplete_block_are_all_that_is_returned():
    outcome = c_outcome("vector.c", n=1_001)
    assert outcome.value.shape == outcome.habit.shape == (5, 1_001)
    np.testing.assert_allclose(outcome.habit.sum(axis=0), 1.0, rtol=1e-5)


@pytest.mark.parametrize(
    ("parameter", "figure"),
    [
        ("taste_sd", "share"),
        ("rate_mean", "purchases"),
        ("learning", "perceived value"),
        ("smoothing", "habit concentration"),
    ],
)
def test_another_model_is_told_apart(monkeypatch, parameter, figure):
    right = [peer_of(f"right {seed}", numpy_arrays.run(N, seed)) for seed in (1, 2)]
    changed = getattr(minimal.PARAMETERS, parameter) * 1.2
    other = minimal.Parameters(**{parameter: changed})
    monkeypatch.setattr(minimal, "PARAMETERS", other)
    monkeypatch.setattr(numpy_arrays, "PARAMETERS", other)
    wrong = peer_of("wrong", numpy_arrays.run(N, 3))
    lines = minimal.disagreements([*right, wrong])
    assert any(figure in line for line in lines)
    assert all("wrong" in line for line in lines)


def test_runs_pool_to_the_figure_of_all_customers():
    rng = np.random.default_rng(2)
    first, second = rng.normal(1.0, 2.0, 300), rng.normal(5.0, 1.0, 700)
    both = minimal.pooled([minimal.over_customers(first), minimal.over_customers(second)])
    assert both == pytest.approx(minimal.over_customers(np.concatenate([first, second])))


@pytest.mark.slow
def test_all_peers_describe_the_same_market():
    """At a small scale; a peer that is missing here has a reason."""
    found = peers.measure(peers.entries(0.05), peers.Console(quiet=True))
    assert minimal.disagreements([peer for peer in found if not peer.missing]) == []
    assert all(peer.missing or len(peer.runs) == peers.REPEATS for peer in found)
    ran = {peer.name for peer in found if not peer.missing}
    assert {"Mesa, arrays", "Mesa, lists", "NumPy", peers.ENGINE} <= ran


# --- nobody left out in silence ------------------------------------------------------------------


def entry(name: str) -> peers.Entry:
    return next(entry for entry in peers.entries(0.001) if entry.name == name)


def test_no_compiler_is_a_reason(no_compiler):
    with pytest.raises(Unavailable, match="no C compiler: /nonexistent/cc"):
        peers.warm_up(entry(peers.VECTOR))


def test_a_compiler_that_fails_is_a_reason(monkeypatch):
    monkeypatch.setenv("CC", "false")
    c_code.load.cache_clear()
    with pytest.raises(Unavailable, match=r"false fails on scalar\.c"):
        c_code.load("scalar.c")
    c_code.load.cache_clear()


@pytest.mark.parametrize(
    ("name", "library", "user"),
    [("JAX", "jax", "jax_arrays"), ("AgentPy, lists", "agentpy", "agentpy_objects")],
)
def test_a_library_that_is_not_installed_is_a_reason(without, name, library, user):
    without(library, user)
    with pytest.raises(Unavailable, match=rf"{library} is not installed .*fidelio\[bench\]"):
        peers.warm_up(entry(name))


def test_a_process_that_fails_is_a_reason(monkeypatch):
    monkeypatch.setattr(jax_arrays, "find_spec", lambda name: name)
    monkeypatch.setattr(jax_arrays, "MODULE", "benchmarks.no_such_module")
    with pytest.raises(Unavailable, match=r"jax fails: .*no_such_module"):
        jax_arrays.run(100, 1, 0)


def test_the_command_reports_who_is_missing(no_compiler, without, monkeypatch, tmp_path, capsys):
    without("agentpy", "agentpy_objects")
    names = ("AgentPy, lists", "NumPy", peers.VECTOR)
    small = peers.entries(0.01)
    monkeypatch.setattr(peers, "entries", lambda scale: [e for e in small if e.name in names])
    monkeypatch.setattr(history, "PATH", tmp_path / "history.json")
    monkeypatch.chdir(tmp_path)
    assert peers.main([]) == 0
    shown = capsys.readouterr().out
    assert "Missing: AgentPy, lists, 1 threads: agentpy is not installed" in shown
    assert "Missing: C, vector, 2 threads: no C compiler: /nonexistent/cc" in shown
    written = json.loads((tmp_path / "outputs/benchmarks/peers.json").read_text(encoding="utf-8"))
    missing = {row["peer"]: row["missing"] for row in written["peers"] if "missing" in row}
    assert set(missing) == {"AgentPy, lists", peers.VECTOR}
    assert all(target["met"] is None and target["reason"] for target in written["targets"])


# --- targets and history -------------------------------------------------------------------------


def test_targets_are_judged_on_the_minimal_row_and_on_the_same_threads():
    found = [fake("JAX", 1, 8.0), fake("JAX", 2, 4.0), fake("C, vector", 1, 1.0)]
    found += [fake(peers.MINIMAL, 1, 1.3), fake(peers.MINIMAL, 2, 1.1), fake(peers.ENGINE, 2, 0.1)]
    judged = {(j.target.base, j.target.threads): j for j in peers.judge(found)}
    assert {j.row for j in judged.values()} == {peers.MINIMAL}
    assert judged["JAX", 1].reached == pytest.approx(8.0 / 1.3)
    assert judged["JAX", 1].met is True
    assert judged["JAX", 2].met is False
    assert judged["C, vector", 1].reached == pytest.approx(1.0 / 1.3)
    assert judged["C, vector", 2].met is None
    assert "C, vector is missing" in peers.sentence(judged["C, vector", 2])


def test_the_engine_is_judged_where_there_is_no_minimal_row():
    missing = Peer(peers.MINIMAL, 1, 1, missing="not there")
    found = [fake("C, vector", 1, 1.0), fake(peers.ENGINE, 1, 2.0), missing]
    [judged] = [
        j for j in peers.judge(found) if (j.target.base, j.target.threads) == ("C, vector", 1)
    ]
    assert (judged.row, judged.reached, judged.met) == (peers.ENGINE, 0.5, False)
    assert "not on the same data" in peers.sentence(judged)


def test_history_keeps_one_record_a_version(tmp_path):
    path = tmp_path / "history.json"
    record = history.record_of({"ours / theirs, 1 threads": 12.3456})
    assert record["ratios"] == {"ours / theirs, 1 threads": 12.3}
    old: history.Record = {**record, "version": "0.0.1"}
    for each in (old, record, {**record, "date": "2000-01-01"}):
        history.write(each, path)
    assert [(r["version"], r["date"]) for r in history.read(path)] == [
        ("0.0.1", record["date"]),
        (record["version"], "2000-01-01"),
    ]


def test_history_tells_the_change(tmp_path):
    path = tmp_path / "history.json"
    assert history.changes({"a": 1.0}, path) == ["No release is recorded yet."]
    history.write(history.record_of({"a": 10.0, "gone": 3.0}), path)
    first, *lines = history.changes({"a": 12.0, "new": 1.0}, path)
    assert first.startswith("Against version")
    assert lines == [
        "  a: 12 (+20%)",
        "  new: 1 (not recorded)",
        "  gone: 3 recorded, not measured now",
    ]


def test_the_recorded_history_can_be_read():
    for record in history.read():
        assert set(record) == {"version", "date", "cpu", "ratios"}


def test_a_record_is_of_full_scale(capsys):
    with pytest.raises(SystemExit):
        peers.main(["--record", "--scale", "0.5"])
    assert "full scale" in capsys.readouterr().err
