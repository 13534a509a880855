"""A sweep that is asked: what its tables hold, while it grows, and when a file of it is damaged."""

from __future__ import annotations

import hashlib
import math

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sim.errors import ConfigError, StoreError
from sim.sweep.layout import Block, Unit, part_name, table_name
from sim.sweep.place import open_place
from sim.sweep.reading import Sweep, open_sweep
from sim.sweep.store import Store

PLANS = ("today", "three_phase")
MANIFEST = {
    "configurations": [],
    "plans": [*PLANS],
    "columns": {"outcomes": ["npv", "churn"], "quarters": ["net", "share"], "segments": ["npv"]},
}
PRICES = (1.0, 2.0, 1.0, 3.0)
"""Of four points; the third comes to the same configuration as the first."""
TABLES = ("points", "outcomes", "quarters", "segments", "failures")


def batch(prices, **more) -> pa.RecordBatch:
    keys = [
        [hashlib.blake2b(repr((price, plan)).encode(), digest_size=16).digest() for plan in PLANS]
        for price in prices
    ]
    columns = {
        "choice": pa.array([0] * len(keys), pa.int32()),
        "keys": pa.array(keys, pa.list_(pa.binary(16))),
        "market.price": pa.array(prices, pa.float64()),
        **more,
    }
    return pa.record_batch([*columns.values()], names=[*columns])


def new(place, prices=PRICES, replications=2, units_per_shard=2, **more) -> Store:
    draft = Store.draft(open_place(place), None)
    draft.add_points([batch(prices, **more)])
    return draft.commit(MANIFEST, Block(0, 0, draft.n_runs, 0, replications, units_per_shard))


def npv(unit: Unit, plan: str) -> float:
    return 100.0 * unit.run + 10 * unit.replication + PLANS.index(plan)


def rows(store: Store, units, failed=()) -> pa.Table:
    made = [
        {"run": unit.run, "replication": unit.replication, "plan": plan, "error": "no price"}
        if unit in failed
        else {
            "run": unit.run,
            "replication": unit.replication,
            "plan": plan,
            "npv": npv(unit, plan),
            "quarter.net": [npv(unit, plan) + quarter for quarter in (1, 2, 3)],
            "quarter.share": [0.1, 0.2, 0.3],
            "segments": ["young", "old"],
            "segment.npv": [1.0, None],
        }
        for unit in units
        for plan in PLANS
    ]
    return pa.Table.from_pylist(made, store.schema)


def live(store: Store, shards=None, failed=()) -> None:
    for shard in store.shards if shards is None else shards:
        store.write_part(shard, rows(store, store.block_of(shard).units_of(shard), failed))


@pytest.fixture
def store(tmp_path) -> Store:
    return new(tmp_path / "sweep")


# --- what the tables hold ------------------------------------------------------------------------


def test_a_sweep_without_a_part_has_its_tables(store):
    with open_sweep(store.place.url) as sweep:
        assert [sweep.count(name) for name in TABLES] == [4, 0, 0, 0, 0]
        empty = {name: sweep.columns(name) for name in TABLES}
        assert repr(sweep).endswith("4 points, 3 runs, 0 of 6 units done, 0 failed>")
    live(store)
    with open_sweep(store.place.url) as sweep:
        assert {name: sweep.columns(name) for name in TABLES} == empty
    unit = {"point": "BIGINT", "run": "BIGINT"}
    row = {**unit, "replication": "INTEGER", "plan": "VARCHAR"}
    assert empty == {
        "points": {**unit, "market.price": "DOUBLE"},
        "outcomes": {**row, "error": "VARCHAR", "npv": "DOUBLE", "churn": "DOUBLE"},
        "quarters": {**row, "quarter": "BIGINT", "net": "DOUBLE", "share": "DOUBLE"},
        "segments": {**row, "segment": "VARCHAR", "npv": "DOUBLE"},
        "failures": {**unit, "replication": "INTEGER", "error": "VARCHAR"},
    }


def test_points_that_share_a_run_have_its_rows_each(store):
    live(store)
    with open_sweep(store.place.url) as sweep:
        assert sweep.points["run"].tolist() == [0, 1, 0, 2]
        assert sweep.points["market.price"].tolist() == [*PRICES]
        outcomes = sweep.outcomes
    expected = [
        (point, run, replication, plan, npv(Unit(run, replication), plan))
        for point, run in enumerate((0, 1, 0, 2))
        for replication in (0, 1)
        for plan in PLANS
    ]
    columns = ["point", "run", "replication", "plan", "npv"]
    assert [*outcomes[columns].itertuples(index=False, name=None)] == expected
    assert outcomes["churn"].isna().all()
    assert outcomes["error"].isna().all()


def test_points_that_are_all_runs(tmp_path):
    store = new(tmp_path, prices=(1.0, 2.0, 3.0))
    live(store)
    with open_sweep(tmp_path) as sweep:
        found = sweep.sql("SELECT count(*) AS n, count(DISTINCT point) AS points,"
                          " bool_and(point = run) AS same FROM outcomes")  # fmt: skip
    assert found.iloc[0].tolist() == [12, 3, True]


def test_quarters_count_from_one_and_segments_have_names(store):
    live(store)
    with open_sweep(store.place.url) as sweep:
        quarters, segments = sweep.quarters, sweep.segments
    first = quarters[(quarters["point"] == 1) & (quarters["replication"] == 1)]
    assert first["quarter"].tolist() == [1, 2, 3] * 2
    assert first["plan"].tolist() == ["today"] * 3 + ["three_phase"] * 3
    assert first["net"].tolist() == [111, 112, 113, 112, 113, 114]
    assert first["share"].tolist() == [0.1, 0.2, 0.3] * 2
    assert segments["segment"].tolist() == ["old", "young"] * 16
    assert math.isnan(segments["npv"].tolist()[0])
    assert segments["npv"].tolist()[1] == 1.0


def test_units_that_failed(store):
    live(store, failed=[Unit(0, 1)])
    with open_sweep(store.place.url) as sweep:
        assert sweep.failures.values.tolist() == [[0, 0, 1, "no price"], [2, 0, 1, "no price"]]
        assert "6 of 6 units done, 1 failed" in repr(sweep)
        assert sweep.sql("SELECT count(npv) AS n FROM outcomes")["n"][0] == 12
        assert sweep.count("quarters") == 12 * 3


def test_merged_parts_count_once(store):
    live(store)
    with open_sweep(store.place.url) as sweep:
        before = {name: getattr(sweep, name) for name in TABLES}
    singles = {shard: store.place.read(part_name(shard)) for shard in store.shards}
    assert store.compact() == 1
    for shard, single in singles.items():  # as if the merging had been killed before they went
        store.place.write(part_name(shard), single)
    with open_sweep(store.place.url) as sweep:
        for name in TABLES:
            pd.testing.assert_frame_equal(getattr(sweep, name), before[name])


def test_parts_that_are_merged_while_it_is_open(store):
    live(store)
    with open_sweep(store.place.url) as sweep:
        store.compact()
        assert sweep.count("outcomes") == 16
        assert len(sweep.outcomes) == 16
        assert "6 of 6 units" in repr(sweep)


def test_an_extension_and_what_was_left_of_another(store):
    live(store)
    more = Store.draft(store.place, store)
    more.add_points([batch([2.0, 9.0], tier=pa.array(["gold", "none"]))])
    extended = more.commit({"configurations": []}, Block(3, 3, 1, 0, 2, 2))
    live(extended, shards=[3])
    abandoned = Store.draft(store.place, extended)
    abandoned.add_points([batch([10.0, 11.0])])
    with open_sweep(store.place.url) as sweep:
        points = sweep.points
        assert points["run"].tolist() == [0, 1, 0, 2, 1, 3]
        assert points["tier"].tolist()[4:] == ["gold", "none"]
        assert points["tier"].isna().tolist()[:4] == [True] * 4
        assert sorted(sweep.outcomes["point"].unique()) == [0, 1, 2, 3, 4, 5]
        assert len(sweep.documents) == 2


def test_more_replications(store):
    live(store)
    block = Block(3, 0, 3, 2, 1, 2)
    extended = Store.draft(store.place, store).commit({"configurations": []}, block)
    live(extended, shards=[3, 4])
    with open_sweep(store.place.url) as sweep:
        assert sweep.sql("FROM outcomes WHERE point = 2")["replication"].max() == 2
        assert sweep.progress == (9, 9)


def test_a_sweep_that_fsspec_reaches():
    url = "memory://asked/sweep"
    store = new(url)
    live(store, shards=[0, 1])
    try:
        with open_sweep(url) as sweep:
            assert sweep.progress == (4, 6)
            found = sweep.sql("SELECT sum(npv) AS npv FROM outcomes JOIN points USING (point)"
                              ' WHERE "market.price" = 2')  # fmt: skip
            assert found["npv"].tolist() == [100 + 101 + 110 + 111]
            store.place.write(part_name(1), b"PAR1 and then nothing")
            with pytest.raises(StoreError, match=r"shard-000001.parquet is damaged"):
                sweep.sql("FROM outcomes")
    finally:
        fsspec.filesystem("memory").rm("/asked", recursive=True)


# --- questions -----------------------------------------------------------------------------------


def test_nothing_is_written_into_the_sweep(store):
    live(store)
    files = {path: path.stat().st_mtime_ns for path in store.place.local.rglob("*")}
    with open_sweep(store.place.url) as sweep:
        for name in TABLES:
            assert sweep.sql(f"FROM {name}").shape == getattr(sweep, name).shape
        repr(sweep)
    assert {path: path.stat().st_mtime_ns for path in store.place.local.rglob("*")} == files


@pytest.mark.parametrize(
    "text",
    [
        "COPY points TO 'stolen.csv'",
        "WITH x AS (COPY points TO 'stolen.csv') FROM x",
        "FROM (WITH x AS (COPY points TO 'stolen.csv') FROM x)",
        "FROM query('WITH x AS (COPY points TO ''stolen.csv'') FROM x')",
        "EXPLAIN ANALYZE COPY points TO 'stolen.csv'",
        "ATTACH 'stolen.csv'",
        "CREATE TABLE mine AS FROM points",
        "DROP VIEW points",
        "SET threads = 1",
        "EXPORT DATABASE 'stolen.csv'",
        "FROM points; FROM points",
        "",
    ],
)
def test_only_one_select(text, store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open_sweep(store.place.url) as sweep:
        for ask in (sweep.sql, lambda text: [*sweep.batches(text)]):
            with pytest.raises(ConfigError):
                ask(text)
        assert sweep.count("points") == 4
    assert not (tmp_path / "stolen.csv").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("SELECT nvp FROM outcomes", "did you mean 'npv'?"),
        ("SELECT o.chrun FROM outcomes o", "did you mean 'churn'?"),
        ('SELECT "market.prize" FROM points', "did you mean 'market.price'?"),
        ("FROM outcome", "did you mean 'outcomes'?"),
        ("SELEC 1", 'syntax error at or near "SELEC"'),
        ("SELECT plan::INT FROM outcomes", "Could not convert string 'today' to INT32"),
    ],
)
def test_a_question_that_cannot_be_answered(text, told, store):
    live(store)
    with open_sweep(store.place.url) as sweep, pytest.raises(ConfigError) as caught:
        sweep.sql(text)
    assert str(caught.value).startswith("query: ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_variables_of_ours_are_no_tables(store):
    frame = pd.DataFrame({"x": [1]})
    with open_sweep(store.place.url) as sweep, pytest.raises(ConfigError, match="frame"):
        sweep.sql("FROM frame")
    assert len(frame) == 1


def test_batches_come_bit_by_bit_beside_other_questions(store):
    live(store)
    with open_sweep(store.place.url) as sweep:
        batches = sweep.batches("SELECT range AS x FROM range(1_000_000)")
        assert next(batches).schema.names == ["x"]
        assert next(batches).num_rows < 1_000_000
        assert sweep.count("points") == 4
        assert sum(each.num_rows for each in sweep.batches("FROM outcomes")) == 16
        assert [b.schema.names for b in sweep.batches("SELECT 1 AS x WHERE false")] == [["x"]]


@pytest.mark.parametrize("text", ["FROM outcomes;", "FROM outcomes -- all", "FROM outcomes"])
@pytest.mark.parametrize(("suffix", "read"), [(".csv", pd.read_csv), (".parquet", pd.read_parquet)])
def test_an_answer_is_written_whole(text, suffix, read, store, tmp_path):
    live(store)
    path = tmp_path / "new" / f"all{suffix}"
    with open_sweep(store.place.url) as sweep:
        assert sweep.write(text, path) == path
        assert len(read(path)) == 16
        with pytest.raises(ConfigError):
            sweep.write("SELECT nvp FROM outcomes", path)
    assert len(read(path)) == 16
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_form_that_cannot_be_written(store, tmp_path):
    with open_sweep(store.place.url) as sweep, pytest.raises(StoreError, match=r"\.csv or \.par"):
        sweep.write("FROM points", tmp_path / "all.xls")


# --- what can be wrong with the files ------------------------------------------------------------


def test_a_folder_that_is_no_sweep(tmp_path):
    with pytest.raises(StoreError, match="is no sweep"):
        open_sweep(tmp_path)
    with pytest.raises(StoreError, match="nowhere"):
        open_sweep(tmp_path / "nowhere")


@pytest.mark.parametrize("shard", [0, 2])
@pytest.mark.parametrize("damage", ["cut", "empty", "flipped"])
def test_a_damaged_part_is_named(shard, damage, store):
    live(store)
    path = store.place.local / part_name(shard)
    content = path.read_bytes()
    if damage == "flipped":
        middle = range(20, len(content) // 3)
        content = bytes(255 - byte if i in middle else byte for i, byte in enumerate(content))
    path.write_bytes({"cut": content[:-200], "empty": b""}.get(damage, content))
    with pytest.raises(StoreError) as caught, open_sweep(store.place.url) as sweep:
        sweep.sql("SELECT * FROM outcomes")
    assert str(caught.value) == (
        f"{path} is damaged; `fidelio sweep resume={store.place.url}` recomputes it"
    )


def test_damaged_points_cannot_be_recomputed(store):
    (store.place.local / table_name("points", 0)).write_bytes(b"PAR1")
    with pytest.raises(StoreError, match=r"points/0000.parquet is damaged; restore it from a copy"):
        open_sweep(store.place.url)


def test_a_sweep_that_was_closed(store):
    sweep = open_sweep(store.place.url)
    sweep.close()
    with pytest.raises(StoreError, match="is closed"):
        sweep.sql("FROM points")


def test_names_are_quoted(tmp_path):
    folder = tmp_path / "it's a sweep"
    store = new(folder, **{'odd "name"': pa.array(np.arange(4))})
    live(store)
    with open_sweep(folder) as sweep:
        assert isinstance(sweep, Sweep)
        assert sweep.points['odd "name"'].tolist() == [0, 1, 2, 3]
        assert len(sweep.outcomes) == 16
