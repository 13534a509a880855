"""`fidelio query`: what it prints, what it writes, and what it says to what it cannot use."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pandas as pd
import pyarrow as pa
import pytest

from sim.cli import main
from sim.sweep.layout import Block
from sim.sweep.place import open_place
from sim.sweep.store import Store

PLANS = ("today", "three_phase")
N_POINTS = 60


@pytest.fixture(scope="module")
def sweep(tmp_path_factory) -> str:
    """Return the folder of a sweep of one factor in one replication."""
    folder = tmp_path_factory.mktemp("query") / "sweep"
    draft = Store.draft(open_place(folder), None)
    keys = [[bytes([point, plan] * 8) for plan in (1, 2)] for point in range(N_POINTS)]
    columns = {
        "choice": pa.array([0] * N_POINTS, pa.int32()),
        "keys": pa.array(keys, pa.list_(pa.binary(16))),
        "finance.gross_margin": pa.array([point / 100 for point in range(N_POINTS)]),
    }
    draft.add_points([pa.record_batch([*columns.values()], names=[*columns])])
    names = {"outcomes": ["npv", "churn"], "quarters": [], "segments": []}
    document = {"configurations": [], "plans": [*PLANS], "columns": names}
    store = draft.commit(document, Block(0, 0, N_POINTS, 0, 1, 20))
    for shard in store.shards:
        made = [
            {"run": unit.run, "replication": 0, "plan": plan, "npv": 1e6 * unit.run + i / 4}
            for unit in store.block_of(shard).units_of(shard)
            for i, plan in enumerate(PLANS)
        ]
        store.write_part(shard, pa.Table.from_pylist(made, store.schema))
    return str(folder)


def test_a_table(sweep, capsys):
    text = "select plan, count(*) as n, avg(npv) as npv, max(churn) as churn from outcomes"
    assert main(["query", sweep, f"{text} group by plan order by plan desc"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert [line.rstrip() for line in out.splitlines()] == [
        "plan          n         npv  churn",
        "today        60  29,500,000   null",
        "three_phase  60  29,500,000   null",
    ]


def test_numbers_of_a_column_have_the_same_decimals(sweep, capsys):
    text = "select unnest([0.5, 12.25, null]) as x, unnest([1e-9, 2, 3]) as y, 1e20 as z, 0.0 as o"
    assert main(["query", sweep, text]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["0.50", "0", "1.00000e+20", "0"],
        ["12.25", "2", "1.00000e+20", "0"],
        ["null", "3", "1.00000e+20", "0"],
    ]


def test_it_says_how_many_rows_are_not_shown(sweep, capsys):
    assert main(["query", sweep, "from outcomes", "rows=5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert lines[-1] == "The first 5 of 120 rows; rows=N shows more, out=FILE all."
    assert main(["query", sweep, "rows=200", "from outcomes"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 121


def test_what_does_not_fit_on_a_terminal_is_named(sweep, capsys, monkeypatch):
    monkeypatch.setattr("sim.commands.query.width", lambda: 30)
    assert main(["query", sweep, "select point, plan, npv, churn from outcomes", "rows=2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["point", "plan", "npv"]
    assert "Not shown for want of width: churn" in lines


def test_csv_and_json_for_a_pipe(sweep, capsys):
    text = "select point, plan, npv, churn, [1, 2] as l from outcomes where point = 7 order by all"
    assert main(["query", sweep, text, "format=csv"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "point,plan,npv,churn,l",
        '7,three_phase,7000000.25,,"[1, 2]"',
        '7,today,7000000.0,,"[1, 2]"',
    ]
    assert main(["query", sweep, text, "format=json"]) == 0
    row = {"point": 7, "plan": "three_phase", "npv": 7000000.25, "churn": None, "l": [1, 2]}
    assert json.loads(capsys.readouterr().out)[0] == row
    assert main(["query", sweep, f"{text} limit 0", "format=json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["query", sweep, "select sum(point) as s, 'nan'::double as x from points",
                 "format=json"]) == 0  # fmt: skip
    assert json.loads(capsys.readouterr().out) == [{"s": 1770, "x": None}]


@pytest.mark.parametrize(("suffix", "read"), [("csv", pd.read_csv), ("parquet", pd.read_parquet)])
def test_out_writes_all_rows(suffix, read, sweep, tmp_path, capsys):
    path = tmp_path / f"all.{suffix}"
    assert main(["query", sweep, "from outcomes", f"out={path}", "rows=1"]) == 0
    assert capsys.readouterr().out == f"Written: {path}\n"
    assert len(read(path)) == 120


def test_without_a_question_it_says_what_can_be_asked(sweep, capsys):
    assert main(["query", sweep]) == 0
    out = capsys.readouterr().out
    assert "60 points, 60 runs, 60 of 60 units done, 0 failed" in out
    assert re.findall(r"^(\w+): ([\d,]+) rows", out, re.M) == [
        ("points", "60"), ("outcomes", "120"), ("quarters", "0"), ("segments", "0"),
        ("failures", "0"),
    ]  # fmt: skip
    assert re.search(r"^finance\.gross_margin +DOUBLE", out, re.M)
    questions = re.findall(r"^  (select .*)", out, re.M)
    assert len(questions) == 3
    for question in questions:
        assert main(["query", sweep, question]) == 0
        assert len(capsys.readouterr().out.splitlines()) >= 3


def test_help(capsys):
    assert main(["query", "--help"]) == 0
    assert "fidelio query SWEEP" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no sweep is given; allowed: fidelio query SWEEP"),
        (["{sweep}", "from points", "from runs"], "3 arguments are given"),
        (["{sweep}", "from points", "row=3"], "row: no such setting; did you mean 'rows'?"),
        (["{sweep}", "from points", "rows=0"], "command line: rows: 0 is out of range"),
        (["{sweep}", "from points", "format=xml"], "format: 'xml' is not known"),
        (["{sweep}", "from points", "out=x.xls"], "cannot write x.xls: a table ends in .csv"),
        (["{sweep}", "select nvp from outcomes"], "did you mean 'npv'?"),
        (["{sweep}", "drop view points"], "query: a sweep is only read; allowed: one SELECT"),
        (["nowhere", "from points"], "nowhere"),
        (["{sweep}/points"], "is no sweep"),
    ],
)
def test_one_message_and_exit_code_2(arguments, message, sweep, capsys):
    assert main(["query", *(each.format(sweep=sweep) for each in arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("fidelio: ")
    assert message in err
    assert err.count("\n") == 1


def test_what_is_not_needed_is_not_imported(sweep):
    code = (
        "import sys; from sim.cli import main; main(['query', sys.argv[1], 'from points']);"
        "sys.exit(str(sorted({'numba', 'matplotlib', 'pandas', 'mesa', 'hydra'} & {*sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code, sweep], capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.stderr == "[]\n"
