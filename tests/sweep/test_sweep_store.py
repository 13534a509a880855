"""A sweep's store: every row once and the same bytes, whatever happened before."""

from __future__ import annotations

import hashlib
import json
import pickle
import random
import shutil
import time
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.config.build import dump
from sim.config.load import load
from sim.errors import StoreError
from sim.sweep.known import find_known
from sim.sweep.layout import Block, Unit, part_name, row_schema, table_name
from sim.sweep.place import Folder, open_place
from sim.sweep.store import Store

COLUMNS = {"outcomes": ["npv", "roi"], "quarters": ["net"], "segments": ["churn"]}
SCHEMA = row_schema(("npv", "roi"), ("net",), ("churn",))


def manifest(*plans: str, version: str = "v1", **other) -> dict:
    config = {"baseline": {"name": "today"}, "plan": {"name": plans[0]},
              "plans": [{"name": plan} for plan in plans] if len(plans) > 1 else []}  # fmt: skip
    return {
        "configurations": [{"configuration": config}],
        "plans": ["today", *plans],
        "columns": COLUMNS,
        "code": {"version": version},
        **other,
    }


def key(*content: object) -> bytes:
    return hashlib.blake2b(repr(content).encode(), digest_size=16).digest()


def points(values: Iterable[float], plans=("a", "b"), choice=0) -> pa.RecordBatch:
    values = list(values)
    keys = [[key(value, plan) for plan in plans] for value in values]
    kinds = {"choice": pa.int32(), "keys": pa.list_(pa.binary(16)), "margin": pa.float64()}
    return pa.record_batch([[choice] * len(values), keys, values], schema=pa.schema(kinds))


def rows(units: Iterable[Unit], plans, failed=(), own=lambda unit: unit) -> pa.Table:
    """Return rows of units; each number says of which unit and plan it is."""
    made = []
    for unit in units:
        for number, plan in enumerate(plans):
            error = "no price" if unit in failed else None
            run, replication = own(unit)
            npv = None if error else 1000.0 * run + 10 * replication + number
            nets = None if error else [npv] * (run % 3)
            whose = {"run": unit.run, "replication": unit.replication, "plan": plan}
            made.append({**whose, "error": error, "npv": npv, "roi": None, "quarter.net": nets,
                         "segments": None if error else ["x", "y"],
                         "segment.churn": None if error else [npv, None]})  # fmt: skip
    return pa.Table.from_pylist(made, SCHEMA)


def new(place, values=range(10), replications=3, units_per_shard=4, plans=("a", "b"), **other):
    draft = Store.draft(open_place(place), None)
    draft.add_points([points(map(float, values), plans)])
    block = Block(0, 0, draft.n_runs, 0, replications, units_per_shard)
    return draft.commit(manifest(*plans, **other), block)


def extend(store, values=(), replications=None, known=(), others=(), units_per_shard=4):
    """Add points to a sweep, or else replications."""
    draft = Store.draft(store.place, store)
    worlds = (0, store.replications) if values else (store.replications, replications)
    if values:
        draft.add_points([points(map(float, values), store.plans[1:])])
    runs = (draft.first_run, draft.n_runs) if values else (0, store.n_runs)
    block = Block(store.blocks[-1].shards.stop, *runs, *worlds, units_per_shard)
    draft.add_known([*known, *find_known(draft, block, others, store.documents)])
    return draft.commit({"configurations": []}, block)


def write(store, shards=None, failed=()):
    for shard in store.shards if shards is None else shards:
        units = store.block_of(shard).units_of(shard)
        store.write_part(shard, rows(units, store.plans, failed))


def all_rows(store) -> pa.Table:
    return pa.concat_tables([SCHEMA.empty_table(), *(
        pq.read_table(store.place.local / name, schema=SCHEMA) for name in store.part_files()
    )])  # fmt: skip


def expected(store, shards=None, failed=()) -> pa.Table:
    chosen = store.shards if shards is None else shards
    units = [unit for shard in chosen for unit in store.block_of(shard).units_of(shard)]
    return rows(units, store.plans, failed)


def contents(folder) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# --- documents and points ------------------------------------------------------------------------


def test_a_sweep_is_what_was_committed(tmp_path):
    new(tmp_path / "s", title="Prämie 会员")
    store = Store.open(open_place(tmp_path / "s"))
    assert store.manifest["title"] == "Prämie 会员"
    assert "会员" in (tmp_path / "s/manifest.json").read_text("utf-8")
    assert (store.n_points, store.n_runs, store.replications) == (10, 10, 3)
    assert store.plans == ("today", "a", "b")
    assert store.factors == {"margin": "double"}
    assert store.schema == SCHEMA
    assert store.shards == list(range(8))
    assert store.missing() == store.shards
    assert store.part_files() == []
    assert sum(store.block_of(s).n_units_of(s) for s in store.shards) == 30
    with pytest.raises(StoreError, match="no shard 8"):
        store.block_of(8)
    assert pickle.loads(pickle.dumps(store)).shards == store.shards


def test_configurations_are_built_once(tmp_path):
    config = load("retail_three_phase", ["customers=1000"])
    draft = Store.draft(open_place(tmp_path), None)
    draft.add_points([points([1.0], ("a",))])
    document = manifest("a") | {"configurations": [{"configuration": dump(config)}]}
    store = draft.commit(document, Block(0, 0, 1, 0, 1, 1))
    assert store.configurations == [config]
    assert store.configurations is store.configurations


def test_points_of_the_same_keys_share_a_run(tmp_path):
    store = new(tmp_path, [5, 7, 5, 9, 7, 11, 5])
    table = pq.read_table(tmp_path / table_name("points", 0))
    assert table["point"].to_pylist() == [0, 1, 2, 3, 4, 5, 6]
    assert table["run"].to_pylist() == [0, 1, 0, 2, 1, 3, 0]
    assert (store.n_points, store.n_runs) == (7, 4)
    more = extend(store, [9, 20, 5, 20, 30])
    table = pq.read_table(tmp_path / table_name("points", 1))
    assert table["point"].to_pylist() == [7, 8, 9, 10, 11]
    assert table["run"].to_pylist() == [2, 4, 0, 4, 5]
    assert (more.n_points, more.n_runs) == (12, 6)
    found = {run: values["margin"] for run, (_, values) in more.points_of_runs(0, 5).items()}
    assert found == {0: 5, 1: 7, 2: 9, 3: 11, 4: 20, 5: 30}


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60),
       st.lists(st.integers(0, 40), max_size=60))  # fmt: skip
def test_runs_are_numbered_as_they_first_occur(tmp_path_factory, first, second):
    folder = tmp_path_factory.mktemp("s")
    store = new(folder, first)
    if second:
        store = extend(store, second)
    order = list(dict.fromkeys([*first, *second]))
    found = [
        run
        for index in range(len(store.documents))
        for run in pq.read_table(folder / table_name("points", index))["run"].to_pylist()
    ]
    assert found == [order.index(value) for value in [*first, *second]]
    assert [v["margin"] for _, v in store.points_of_runs(0, len(order) - 1).values()] == order
    shutil.rmtree(folder)


def test_a_point_that_makes_no_configuration_has_one_key(tmp_path):
    draft = Store.draft(open_place(tmp_path), None)
    schema = points([]).schema
    mixed = [[key(1, "a"), key(1, "b")], [key("bad")], [key(2, "a"), key(2, "b")], [key("bad")]]
    draft.add_points([pa.record_batch([[0] * 4, mixed, [1.0, 2.0, 3.0, 2.0]], schema=schema),
                      pa.record_batch([[0], [[key("bad")]], [2.0]], schema=schema)])  # fmt: skip
    store = draft.commit(manifest("a", "b"), Block(0, 0, 3, 0, 1, 1))
    assert pq.read_table(tmp_path / table_name("points", 0))["run"].to_pylist() == [0, 1, 2, 1, 1]
    assert store.n_runs == 3


def test_a_shard_finds_its_points_among_many(tmp_path):
    values = [v // 2 if v % 7 == 0 else v for v in range(30_000)]  # some points come again
    store = new(tmp_path, values, replications=2, units_per_shard=37)
    order = list(dict.fromkeys(values))
    for shard in [*range(5), *random.Random(1).sample(store.shards, 100), store.shards[-1]]:
        runs = {unit.run for unit in store.block_of(shard).units_of(shard)}
        assert store.points_of(shard) == {run: (0, {"margin": order[run]}) for run in runs}


def test_a_trial_is_spread_over_the_new_runs(tmp_path):
    draft = Store.draft(open_place(tmp_path), None)
    draft.add_points([points(map(float, range(100)))])
    assert [*draft.sample_runs(4)] == [0, 33, 66, 99]
    assert [*draft.sample_runs(1000)] == [*range(100)]
    store = draft.commit(manifest("a", "b"), Block(0, 0, 100, 0, 1, 10))
    more = Store.draft(store.place, store)
    assert [*more.sample_runs(3)] == [0, 50, 99]  # only worlds are added
    more.add_points([points([1.0, 200.0, 300.0])])
    assert more.sample_runs(3) == {100: (0, {"margin": 200.0}), 101: (0, {"margin": 300.0})}


def test_factors_keep_their_types(tmp_path):
    names = ["choice", "keys", "i", "b", "s"]
    kinds = [pa.int32(), pa.list_(pa.binary(16)), pa.int64(), pa.bool_(), pa.string()]
    schema = pa.schema(zip(names, kinds, strict=True))
    draft = Store.draft(open_place(tmp_path), None)
    draft.add_points([pa.record_batch([[3], [[key(1)]], [7], [True], ["hold"]], schema=schema)])
    store = draft.commit(manifest("a"), Block(0, 0, 1, 0, 1, 1))
    assert store.factors == {"i": "int64", "b": "bool", "s": "string"}
    assert store.points_of(0) == {0: (3, {"i": 7, "b": True, "s": "hold"})}
    other = Store.draft(store.place, store)
    changed = pa.schema([*list(schema)[:4], pa.field("s", pa.float64())])
    with pytest.raises(StoreError, match="factor s: cannot keep"):
        other.add_points([pa.record_batch([[3], [[key(2)]], [7], [True], [1.0]], schema=changed)])


def test_a_draft_counts_for_nothing_until_it_is_committed(tmp_path):
    store = new(tmp_path, [1, 2])
    before = contents(tmp_path)
    draft = Store.draft(store.place, store)
    draft.add_points([points([3.0, 4.0])])
    assert Store.open(store.place).n_points == 2
    again = Store.draft(store.place, store)
    assert contents(tmp_path) == before
    again.add_points([points([5.0])])
    more = again.commit({"configurations": []}, Block(2, 2, 1, 0, 3, 4))
    assert more.points_of_runs(2, 2) == {2: (0, {"margin": 5.0})}


def test_a_block_that_does_not_follow_is_refused(tmp_path):
    store = new(tmp_path, [1, 2])
    for block in (Block(1, 0, 2, 3, 1, 1), Block(2, 0, 3, 3, 1, 1)):
        with pytest.raises(StoreError, match="does not follow"):
            Store.draft(store.place, store).commit({"configurations": []}, block)


def test_an_extension_without_units_changes_no_shard(tmp_path):
    store = new(tmp_path)
    noted = Store.draft(store.place, store).commit(
        {"configurations": [], "code": {"version": "v2"}}, Block(8, 0, 0, 0, 1, 1)
    )
    assert (noted.shards, noted.replications) == (store.shards, 3)
    more = extend(noted, replications=2)
    assert more.shards == list(range(13))
    assert [more.block_of(s).first_replication for s in (7, 8, 12)] == [0, 3, 3]


def test_what_is_no_sweep_is_one_clear_error(tmp_path):
    place = open_place(tmp_path)
    with pytest.raises(StoreError, match=r"is no sweep: it has no manifest\.json"):
        Store.open(place)
    store = new(tmp_path)
    with pytest.raises(StoreError, match="is a sweep already"):
        Store.draft(place, None)
    extend(extend(store, replications=1), replications=1)
    (tmp_path / "extension-0001.json").rename(tmp_path / "elsewhere.json")
    with pytest.raises(StoreError, match=r"extension-0001\.json is missing"):
        Store.open(place)
    (tmp_path / "manifest.json").write_text('{"format": 1')
    (tmp_path / "elsewhere.json").rename(tmp_path / "extension-0001.json")
    with pytest.raises(StoreError, match=r"manifest\.json is damaged"):
        Store.open(place)
    (tmp_path / "manifest.json").write_text(json.dumps({"format": 2}))
    with pytest.raises(StoreError, match=r"manifest\.json is in format 2; .* reads 1"):
        Store.open(place)


# --- parts ---------------------------------------------------------------------------------------


def test_parts_hold_what_was_written(tmp_path):
    store = new(tmp_path)
    write(store, [3, 0])
    assert store.missing() == [1, 2, 4, 5, 6, 7]
    assert [store.is_done(s) for s in (0, 1, 3)] == [True, False, True]
    assert store.part_files() == [part_name(0), part_name(3)]
    assert all_rows(store).equals(expected(store, [0, 3]))
    (tmp_path / "parts/notes.txt").write_text("mine")
    (tmp_path / "parts/shard-000099.parquet").write_text("of no shard")
    assert store.part_files() == [part_name(0), part_name(3)]


def test_rows_of_other_units_are_refused(tmp_path):
    store = new(tmp_path)
    right = expected(store, [2])
    wrong = {
        "rows instead of 12": right.slice(1),
        "other units or plans": expected(store, [3]),
        "other columns": right.drop_columns(["roi"]),
        "units or plans": right.take(list(reversed(range(12)))),
    }
    for message, table in wrong.items():
        with pytest.raises(StoreError, match=f"shard 2: .*{message}"):
            store.write_part(2, table)
    assert store.missing() == store.shards


def test_the_bytes_of_a_part_depend_on_its_rows_only(tmp_path):
    store = new(tmp_path)
    table = expected(store, [2])
    store.write_part(2, table)
    once = (tmp_path / part_name(2)).read_bytes()
    longer = pa.concat_tables([table, table, table])
    chunks = pa.concat_tables([table.slice(first, 1) for first in range(12)])
    for same in (longer.slice(12, 12), chunks, table.take(list(range(12))),
                 table.replace_schema_metadata({"when": "now"})):  # fmt: skip
        store.write_part(2, same)
        assert (tmp_path / part_name(2)).read_bytes() == once


def test_a_merged_sweep_has_the_same_bytes_whatever_happened_before(tmp_path):
    store = new(tmp_path / "straight", range(40))
    write(store)
    assert store.compact(60) == 6
    assert all_rows(store).equals(expected(store))
    assert store.compact(60) == 0
    winding = new(tmp_path / "winding", range(40))
    shards = winding.shards.copy()
    random.Random(5).shuffle(shards)
    failed = {Unit(3, 1), Unit(30, 2)}
    write(winding, shards[:20], failed)
    winding.compact(60)  # nothing is whole yet
    assert len(winding.part_files()) == 20
    write(winding, shards[15:], failed)
    winding.compact(17)
    winding.compact(100)
    assert winding.failures().num_rows == 2
    write(winding, winding.drop_failures())
    winding.compact(1)
    winding.compact(60)
    assert contents(tmp_path / "straight") == contents(tmp_path / "winding")


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("compact"), st.sampled_from([1, 30, 50, 84, 1000])),
        st.tuples(st.just("write"), st.integers(0, 14)),
        st.tuples(st.just("fail"), st.integers(0, 14)),
        st.tuples(st.just("drop"), st.integers(0, 12)),
        st.tuples(st.just("stop"), st.integers(0, 12)),
    ),
    max_size=8,
)


@given(STEPS)
def test_any_history_ends_in_the_same_bytes(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("s")
    store = new(folder, range(20))
    write(store)
    for step, number in steps:
        if step == "compact":
            store.compact(number)
        elif step == "write":
            write(store, [number])
        elif step == "fail" and store.place.exists(part_name(number)):
            write(store, [number], {store.block_of(number).units_of(number)[-1]})
        elif step in ("drop", "stop"):
            stopped(folder, number, Store.drop_failures if step == "drop" else compact_small)
        write(store, store.missing())
    write(store, store.drop_failures())
    store.compact(50)
    assert all_rows(store).equals(expected(store))
    fresh = new(folder / "fresh", range(20))
    write(fresh)
    fresh.compact(50)
    ours = contents(folder / "parts")
    assert ours == contents(folder / "fresh/parts")
    shutil.rmtree(folder)


def compact_small(store):
    store.compact(45)


# --- what stops in the middle --------------------------------------------------------------------


class CutError(Exception):
    """The power went."""


class Stopping(Folder):
    """A folder that does so many more writes and removals, then none."""

    def __init__(self, path, left):
        super().__init__(path)
        self.left = left

    def _one_more(self):
        if not self.left:
            raise CutError
        self.left -= 1

    def filling(self, name):
        self._one_more()
        return super().filling(name)

    def remove(self, name):
        self._one_more()
        super().remove(name)


def stopped(folder, left, work) -> bool:
    """Do some work on a sweep until so many files were touched; return whether it was cut."""
    try:
        work(Store.open(Stopping(folder, left)))
    except CutError:
        return True
    return False


def test_merging_that_stops_anywhere_loses_nothing(tmp_path):
    for rows_before, rows_after in ((0, 50), (50, 84), (84, 30), (1000, 1)):
        start = tmp_path / f"{rows_before} {rows_after}"
        store = new(start / "s")
        write(store)
        if rows_before:
            store.compact(rows_before)
        done = shutil.copytree(start / "s", start / "done")
        Store.open(open_place(done)).compact(rows_after)
        left = 0
        while True:
            folder = shutil.copytree(start / "s", start / str(left))
            cut = stopped(folder, left, lambda store, n=rows_after: store.compact(n))
            after = Store.open(open_place(folder))
            assert all_rows(after).equals(expected(after))
            assert after.missing() == []
            after.compact(rows_after)
            assert contents(folder) == contents(done)
            if not cut:
                break
            left += 1
        assert left > 5


def test_dropping_failures_that_stops_anywhere_loses_nothing_else(tmp_path):
    failed = {Unit(0, 0), Unit(4, 1), Unit(4, 2), Unit(9, 2)}
    store = new(tmp_path / "s")
    write(store, failed=failed)
    store.compact(40)
    write(store, [1, 2])  # left over by a merging that stopped
    shards = [0, 3, 7]
    left = 0
    while True:
        folder = shutil.copytree(tmp_path / "s", tmp_path / str(left))
        cut = stopped(folder, left, Store.drop_failures)
        after = Store.open(open_place(folder))
        assert {*after.missing()} <= {*shards}
        kept = [shard for shard in after.shards if shard not in after.missing()]
        assert all_rows(after).equals(expected(after, kept, failed))
        after.drop_failures()
        assert after.missing() == shards
        assert all_rows(after).equals(expected(after, [1, 2, 4, 5, 6]))
        assert after.failures().num_rows == 0
        if not cut:
            break
        left += 1
    assert left > 5


def test_a_commit_that_stops_anywhere_can_be_done_again(tmp_path):
    def put_together(store):
        known = rows([Unit(0, 3), Unit(5, 4)], store.plans)
        extend(store, replications=2, known=[known])

    done = new(tmp_path / "s").place.local
    shutil.copytree(done, tmp_path / "done")
    put_together(Store.open(open_place(tmp_path / "done")))
    left = 0
    while True:
        folder = shutil.copytree(tmp_path / "s", tmp_path / str(left))
        cut = stopped(folder, left, put_together)
        store = Store.open(open_place(folder))
        assert len(store.documents) == (1 if cut else 2)
        if not cut:
            break
        put_together(store)
        assert contents(folder) == contents(tmp_path / "done")
        left += 1
    assert left >= 3


# --- failures and damage -------------------------------------------------------------------------


def test_failures_are_told_once_per_unit(tmp_path):
    store = new(tmp_path)
    assert store.failures().to_pylist() == []
    write(store, failed={Unit(2, 1), Unit(7, 0)})
    told = [{"run": 2, "replication": 1, "error": "no price"},
            {"run": 7, "replication": 0, "error": "no price"}]  # fmt: skip
    assert store.failures().to_pylist() == told
    store.compact()
    assert store.failures().to_pylist() == told
    assert store.drop_failures() == [1, 5]
    assert store.missing() == [1, 5]


def damage_by(data: bytes) -> dict[str, bytes]:
    middle = len(data) // 8
    flipped = data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :]
    return {"flipped": flipped, "short": data[: len(data) // 2], "empty": b"", "text": b"x" * 999}


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("damage", ["flipped", "short", "empty", "text"])
def test_a_damaged_part_is_named_and_its_shards_are_missing_again(tmp_path, damage, merged):
    store = new(tmp_path)
    write(store)
    if merged:
        store.compact(36)
    name = store.part_files()[1]
    shards = [3, 4, 5] if merged else [1]
    path = tmp_path / name
    path.write_bytes(damage_by(path.read_bytes())[damage])
    told = []
    store.check(told.append)
    assert len(told) == 1
    assert f"{tmp_path}/{name} is damaged: " in told[0]
    assert store.missing() == shards
    told.clear()
    store.check(told.append)
    assert told == []


def test_no_single_byte_that_flips_goes_unseen(tmp_path):
    store = new(tmp_path, [1, 2], units_per_shard=3)
    write(store)
    path = tmp_path / part_name(0)
    data = path.read_bytes()
    right = pq.read_table(path)
    unseen = []
    for at in range(0, len(data), 3):
        path.write_bytes(data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :])
        told = []
        store.check(told.append)
        if told:
            assert store.missing() == [0]
        elif not pq.read_table(path).equals(right):
            unseen.append(at)
    assert unseen == []


def test_a_part_of_other_rows_or_columns_is_removed(tmp_path):
    store = new(tmp_path)
    write(store)
    wrong = {0: expected(store, [1]), 2: expected(store, [2]).slice(3),
             5: expected(store, [5]).rename_columns({"npv": "net"})}  # fmt: skip
    for shard, table in wrong.items():
        pq.write_table(table, tmp_path / part_name(shard))
    told = []
    store.check(told.append)
    assert [shard for shard in wrong if f"{shard:06}.parquet has" in "".join(told)] == [0, 2, 5]
    assert store.missing() == [0, 2, 5]


def test_a_damaged_merged_part_gives_way_to_singles_that_are_left(tmp_path):
    store = new(tmp_path)
    write(store)
    singles = contents(tmp_path / "parts")
    store.compact()
    merged = store.part_files()[0]
    for name in ("shard-000002.parquet", "shard-000003.parquet"):
        (tmp_path / "parts" / name).write_bytes(singles[name])
    assert store.part_files() == [merged]
    (tmp_path / merged).write_bytes(b"")
    told = []
    store.check(told.append)
    assert len(told) == 1
    assert store.missing() == [0, 1, 4, 5, 6, 7]
    assert all_rows(store).equals(expected(store, [2, 3]))


def test_a_part_that_cannot_be_read_now_is_not_removed(tmp_path):
    store = new(tmp_path)
    write(store)
    path = tmp_path / part_name(1)
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreError, match=r"cannot read .*shard-000001\.parquet: Is a directory"):
        store.check(print)
    assert path.exists()


def test_damaged_points_are_one_clear_error(tmp_path):
    store = new(tmp_path)
    path = tmp_path / table_name("points", 0)
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"points/0000\.parquet is damaged"):
        [store.points_of(0), *store.run_keys()]


# --- known rows ----------------------------------------------------------------------------------


def test_known_rows_come_by_unit_in_plan_order(tmp_path):
    draft = Store.draft(open_place(tmp_path), None)
    draft.add_points([points(map(float, range(3000)))])
    units = [Unit(run, world) for run in range(0, 3000, 2) for world in (0, 2)]
    plans = ("today", "a", "b")
    table = rows(units, plans)
    shuffled = table.take(np.random.default_rng(1).permutation(table.num_rows))
    failed = rows([Unit(1, 1)], plans, failed=[Unit(1, 1)])
    elsewhere = rows([Unit(0, 7), Unit(5000, 0)], plans)
    again = rows([Unit(4, 2)], plans, own=lambda _: (99, 99))
    draft.add_known([shuffled.slice(0, 4000), failed, elsewhere])
    draft.add_known([shuffled.slice(4000), again])
    store = draft.commit(manifest("a", "b"), Block(0, 0, 3000, 0, 3, 7))
    assert store.manifest["known"] == 9000
    found = {}
    for shard in store.shards:
        known = store.known_of(shard)
        assert {*known} == {*units} & {*store.block_of(shard).units_of(shard)}
        found |= known
    assert pa.concat_tables(found[unit] for unit in units).equals(table)


def test_a_unit_that_lacks_a_plan_is_no_known_one(tmp_path):
    draft = Store.draft(open_place(tmp_path), None)
    draft.add_points([points([1.0, 2.0])])
    table = rows([Unit(0, 0), Unit(1, 0)], ("today", "a", "b"))
    draft.add_known([table.take([0, 1, 3, 4, 5])])
    with pytest.raises(StoreError, match="lack some plans"):
        draft.commit(manifest("a", "b"), Block(0, 0, 2, 0, 1, 7))


def test_more_known_rows_than_fit_are_sorted_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("sim.sweep.store.BUCKET_ROWS", 50)
    draft = Store.draft(open_place(tmp_path), None)
    draft.add_points([points(map(float, range(40)))])
    units = [Unit(run, world) for run in range(40) for world in range(5)]
    table = rows(units, ("today", "a", "b"))
    order = np.random.default_rng(2).permutation(table.num_rows)
    draft.add_known(table.take(order[first : first + 70]) for first in range(0, 600, 70))
    draft.commit(manifest("a", "b"), Block(0, 0, 40, 0, 5, 7))
    assert pq.read_table(tmp_path / table_name("known", 0)).equals(table)


def known_units(store) -> set[Unit]:
    return {unit for shard in store.shards for unit in store.known_of(shard)}


def begin_with(folder, values, others, plans=("a", "b"), replications=3, **other):
    """Begin a sweep that takes over what others know."""
    draft = Store.draft(open_place(folder), None)
    draft.add_points([points(map(float, values), plans)])
    block = Block(0, 0, draft.n_runs, 0, replications, 4)
    document = manifest(*plans, **other)
    draft.add_known(find_known(draft, block, others, [document]))
    return draft.commit(document, block)


def test_what_another_sweep_lived_is_known(tmp_path):
    before = new(tmp_path / "before", [10, 11, 12, 13], replications=2)
    write(before, failed={Unit(1, 0)})
    store = begin_with(tmp_path / "now", [13, 20, 11, 10], [before])
    mine = {0: 3, 2: 1, 3: 0}  # run: the other sweep's run
    expect = {Unit(run, world) for run in mine for world in range(2)} - {Unit(2, 0)}
    assert known_units(store) == expect
    for shard in store.shards:
        for unit, table in store.known_of(shard).items():
            own = rows([unit], store.plans, own=lambda unit: (mine[unit.run], unit.replication))
            assert table.equals(own)


def test_a_merged_sweep_knows_the_same(tmp_path):
    before = new(tmp_path / "before", range(50))
    write(before)
    one = begin_with(tmp_path / "one", range(30, 70), [before])
    before.compact(50)
    begin_with(tmp_path / "two", range(30, 70), [before])
    assert known_units(one) == {Unit(run, world) for run in range(20) for world in range(3)}
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_plans_of_several_sweeps_make_a_unit(tmp_path):
    a = new(tmp_path / "a", [10, 11], plans=("a",))
    b = new(tmp_path / "b", [11, 12, 10], plans=("c", "b"))
    write(a)
    write(b, b.shards[:1])  # units (0, 0), (0, 1), (0, 2), (1, 0)
    store = begin_with(tmp_path / "now", [10, 11], [a, b])
    assert known_units(store) == {Unit(1, 0), Unit(1, 1), Unit(1, 2)}
    table = store.known_of(1)[Unit(1, 1)]
    assert table["npv"].to_pylist() == [1010.0, 1011.0, 12.0]  # today and a of a's run 1, b of b's
    assert table["plan"].to_pylist() == ["today", "a", "b"]


def test_runs_that_share_a_plan_share_its_rows(tmp_path):
    before = new(tmp_path / "before", [1, 2], plans=("a",), replications=1)
    write(before)
    draft = Store.draft(open_place(tmp_path / "now"), None)
    keys = [[key(1.0, "a"), key(n, "b")] for n in range(3)]
    draft.add_points([pa.record_batch([[0] * 3, keys, [0.0, 1.0, 2.0]], schema=points([]).schema)])
    b = new(tmp_path / "b", [0, 1, 2], plans=("b",), replications=1)
    draft_b = Store.draft(open_place(tmp_path / "b2"), None)
    own = [[key(n, "b")] for n in range(3)]
    draft_b.add_points([pa.record_batch([[0] * 3, own, [0.0, 1.0, 2.0]],
                                        schema=points([]).schema)])  # fmt: skip
    b = draft_b.commit(manifest("b"), Block(0, 0, 3, 0, 1, 2))
    write(b)
    document = manifest("a", "b")
    block = Block(0, 0, 3, 0, 1, 3)
    draft.add_known(find_known(draft, block, [before, b], [document]))
    store = draft.commit(document, block)
    known = store.known_of(0)
    found = [known[Unit(run, 0)]["npv"].to_pylist() for run in range(3)]
    assert found == [[0.0, 1.0, 1.0], [0.0, 1.0, 1001.0], [0.0, 1.0, 2001.0]]


def test_rows_of_another_model_or_of_other_columns_are_not_taken(tmp_path):
    before = new(tmp_path / "before", [1, 2])
    write(before)
    fits = begin_with(tmp_path / "a", [1, 2], [before])
    assert len(known_units(fits)) == 6
    newer = begin_with(tmp_path / "b", [1, 2], [before], version="v2")
    assert known_units(newer) == set()
    wider = begin_with(tmp_path / "c", [1, 2], [before],
                       columns={**COLUMNS, "outcomes": ["npv"]})  # fmt: skip
    assert known_units(wider) == set()
    both = Store.draft(before.place, before).commit(
        {"configurations": [], "code": {"version": "v2"}}, Block(2, 0, 0, 0, 1, 1)
    )
    for version in ("v1", "v2"):  # whose rows are of which version is not known
        mixed = begin_with(tmp_path / f"m{version}", [1, 2], [both], version=version)
        assert known_units(mixed) == set()


def test_a_sweep_knows_its_own_earlier_rows(tmp_path):
    store = new(tmp_path, [1, 2], plans=("a", "b"), replications=2)
    write(store)
    draft = Store.draft(store.place, store)
    keys = [[key(2.0, "a"), key(1.0, "b")], [key(9.0, "a"), key(1.0, "b")]]
    draft.add_points([pa.record_batch([[0] * 2, keys, [5.0, 6.0]], schema=points([]).schema)])
    block = Block(store.shards[-1] + 1, 2, 2, 0, 2, 4)
    draft.add_known(find_known(draft, block, [store], store.documents))
    more = draft.commit({"configurations": []}, block)
    assert known_units(more) == {Unit(2, 0), Unit(2, 1)}
    assert more.known_of(1)[Unit(2, 1)]["npv"].to_pylist() == [1010.0, 1011.0, 12.0]


# --- elsewhere, and many -------------------------------------------------------------------------


def test_a_sweep_in_an_object_store_is_the_same(tmp_path):
    here, there = tmp_path / "here", open_place(f"memory://{tmp_path.name}/there")
    stores = [new(here), new(there.url)]
    for store in stores:
        write(store, failed={Unit(4, 1)})
        write(store, store.drop_failures())
        store.compact(36)
        store.check(pytest.fail)
    mine = extend(stores[0], [1, 50])
    theirs = extend(stores[1], [1, 50])
    assert mine.documents == theirs.documents
    assert theirs.points_of(8) == mine.points_of(8) == {10: (0, {"margin": 50.0})}
    for name, data in contents(here).items():
        assert there.read(name) == data
    assert theirs.part_files() == mine.part_files()


def test_many_parts_are_looked_through_at_once(tmp_path):
    n = 30_000
    store = new(tmp_path, range(n), replications=1, units_per_shard=1)
    parts = tmp_path / "parts"
    parts.mkdir()
    for shard in range(0, n, 2):
        (tmp_path / part_name(shard)).touch()
    began = time.perf_counter()
    assert store.missing() == [*range(1, n, 2)]
    assert len(store.part_files()) == n // 2
    assert store.is_done(0)
    assert not store.is_done(1)
    assert time.perf_counter() - began < 3
