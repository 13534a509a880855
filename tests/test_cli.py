"""The command line: help at once, exit codes, one message per error, folders, sweeps."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from omegaconf import ListConfig
from rich.console import Console

from sim.cli import COMMANDS, main
from sim.commands import listing
from sim.commands.listing import KINDS
from sim.config.files import choices, folder_of, read
from sim.errors import DataError, Interrupted

REPOSITORY = Path(__file__).parents[1]
SMALL = ["plan=today", "customers=200"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    return tmp_path


@pytest.fixture
def calls(monkeypatch):
    """What `run` and `compare` were called with; they do nothing else."""
    made = []
    for name in ("run", "compare"):
        module = ModuleType(COMMANDS[name].module)
        module.main = lambda *arguments: made.append(arguments)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return made


def fails_with(monkeypatch, error):
    def main(*_):
        raise error

    module = ModuleType("sim.commands.run")
    module.main = main
    monkeypatch.setitem(sys.modules, "sim.commands.run", module)


def python(*arguments, **keywords):
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment, capture_output=True, text=True, check=False, **keywords,
    )  # fmt: skip


# --- help ------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments):
    heavy = (
        "hydra",
        "omegaconf",
        "numba",
        "numpy",
        "scipy",
        "pandas",
        "mesa",
        "matplotlib",
        "rich",
    )
    code = (
        "import sys; from sim.cli import main; "
        f"assert main({arguments}) == 0; "
        f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    done = python("-c", code)
    assert done.returncode == 0
    assert done.stderr.strip() == "[]"
    assert "fidelio" in done.stdout


def test_help_names_every_command(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(re.search(rf"^  {name} +{re.escape(COMMANDS[name].summary)}$", text, re.M)
               for name in COMMANDS)  # fmt: skip


@pytest.mark.parametrize("name", [name for name in COMMANDS if COMMANDS[name].composed])
def test_help_of_a_command(name, capsys):
    assert main([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert "three_phase" in text
    assert "100 to 100,000,000 (simulated customers)" in text
    assert f"outputs/{name}/DATE/TIME" in text
    assert "rivals" in text


def test_as_a_module():
    done = python("-m", "sim", "rn")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "fidelio: no such command: rn; did you mean 'run'?\n"


# --- list ------------------------------------------------------------------------------------


def test_list(capsys):
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    assert re.findall(r"^(scenarios|markets|plans|levers)\b", text, re.M) == [
        "scenarios", "markets", "plans", "levers",
    ]  # fmt: skip
    assert re.search(r"^three_phase +Three-phase programme +6,700,000", text, re.M)
    assert re.search(r"^data_platform .* E016 E218", text, re.M)


@pytest.mark.parametrize("kind", KINDS)
def test_list_of_one_kind(kind, capsys):
    assert main(["list", kind]) == 0
    text = capsys.readouterr().out
    for name in choices(KINDS[kind]):
        title = read(folder_of(KINDS[kind]) / f"{name}.yaml")["title"]
        assert re.search(rf"^{name} +{re.escape(title)}", text, re.M)


@pytest.mark.parametrize("columns", [120, 200])
def test_every_lever_fits_on_a_line_with_its_evidence(columns, capsys, monkeypatch):
    monkeypatch.setattr(listing, "console", lambda: Console(width=columns, highlight=False))
    assert main(["list", "levers"]) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()[2:]]
    shown = [" ".join(line.split()) for line in lines]
    levers = [read(file) for file in listing.files("levers")]
    assert shown == [
        " ".join([lever["name"], lever["title"], *lever["evidence"]]) for lever in levers
    ]


def test_what_can_be_listed(capsys):
    assert main(["list", "--help"]) == 0
    assert "rivals" in capsys.readouterr().out
    assert main(["list", "lever"]) == 2
    assert "did you mean 'levers'?" in capsys.readouterr().err


def test_list_needs_no_hydra():
    code = "import sys; from sim.cli import main; main(['list']); print('hydra' in sys.modules)"
    assert python("-c", code).stdout.endswith("False\n")


def test_a_closed_pipe_is_silent():
    code = (
        "import os, sys; r, w = os.pipe(); os.close(r); os.dup2(w, 1); "
        "from sim.cli import main; sys.exit(main(['list']))"
    )
    assert python("-c", code).stderr == ""


# --- run -------------------------------------------------------------------------------------


def test_run_gets_configuration_folder_and_command_line(calls, here, capsys):
    assert main(["run", *SMALL]) == 0
    [(config, folder)] = calls
    assert (config.plan.name, config.customers) == ("today", 200)
    assert config.command == "fidelio run plan=today customers=200"
    date, time = r"\d{4}-\d\d-\d\d", r"\d\d-\d\d-\d\d"
    assert re.fullmatch(f"outputs/run/{date}/{time}", folder.relative_to(here).as_posix())
    assert not list(folder.iterdir())
    assert capsys.readouterr() == ("", "")


def test_a_folder_of_choice_and_arguments_unchanged(calls, here):
    before = sys.argv
    assert main(["run", "hydra.run.dir=out/here", *SMALL]) == 0
    assert calls[0][1] == here / "out" / "here"
    assert "hydra" not in calls[0][0].command
    assert sys.argv is before


def test_compare(calls):
    assert main(["compare", "plans=[today]", "customers=200"]) == 0
    [(config, folder)] = calls
    assert [plan.name for plan in config.plans] == ["today"]
    assert folder.parts[-3] == "compare"
    assert config.command == "fidelio compare 'plans=[today]' customers=200"


def test_a_run_composes_once(calls, monkeypatch):
    composed = []
    compose = ConfigLoaderImpl._load_configuration_impl

    def counted(self, *arguments, **keywords):
        composed.append(arguments or keywords)
        return compose(self, *arguments, **keywords)

    monkeypatch.setattr(ConfigLoaderImpl, "_load_configuration_impl", counted)
    assert main(["run", *SMALL]) == 0
    assert len(calls) == len(composed) == 1


def test_what_hydra_was_asked_for_it_does(calls, here):
    given = ["hydra.run.dir=out", "hydra.output_subdir=.hydra", "hydra/job_logging=default"]
    assert main(["run", *given, *SMALL]) == 0
    kept = here / "out" / ".hydra"
    assert read(kept / "config.yaml").keys() >= {"customers", "market", "plan", "lever"}
    settings = read(kept / "hydra.yaml")["hydra"]
    assert settings["overrides"]["task"] == ["plan=today", "++customers=200"]
    assert settings["runtime"]["output_dir"] == str(here / "out")
    assert settings["mode"] == "RUN"
    assert (here / "out" / f"{settings['job']['name']}.log").exists()


def test_the_mode_of_hydra_is_as_good_as_the_option(calls):
    assert main(["run", "hydra.mode=MULTIRUN", *SMALL]) == 0
    assert [folder.name for _, folder in calls] == ["0"]


def test_multirun(calls, here, capsys):
    (here / "mine.yaml").write_text("{name: mine, title: My plan}")
    assert main(["run", "-m", "plan=today,mine.yaml", "customers=200"]) == 0
    assert [config.plan.name for config, _ in calls] == ["today", "mine"]
    assert [folder.name for _, folder in calls] == ["0", "1"]
    assert [config.command for config, _ in calls] == [
        "fidelio run plan=today customers=200",
        "fidelio run plan=mine.yaml customers=200",
    ]
    out, err = capsys.readouterr()
    assert out.splitlines()[1] == "[1] fidelio run plan=mine.yaml customers=200"
    assert err == ""


def test_multirun_of_items_by_name(calls):
    assert main(["run", *SMALL, "market.brands.focal.price=1,1.1", "--multirun"]) == 0
    assert [config.market.brands[0].price for config, _ in calls] == [1, 1.1]


def test_a_sweep_ends_with_its_first_bad_point(calls, capsys):
    assert main(["run", *SMALL, "quarters=4,0,5", "-m"]) == 2
    assert len(calls) == 1
    assert capsys.readouterr().err.startswith("fidelio: command line: quarters: 0 is out of range")


def test_cfg_prints_before_it_checks(calls, capsys):
    assert main(["run", "--cfg", "job", "plan=today", "customers=-5"]) == 0
    data = yaml.safe_load(capsys.readouterr().out)
    assert (data["customers"], data["plan"]["name"]) == (-5, "today")
    assert "data_platform" in data["lever"]
    assert "hydra" not in data
    assert main(["run", "--cfg", "hydra", "plan=today"]) == 0
    assert "by_command" in capsys.readouterr().out
    assert not calls


def test_info():
    done = python("-m", "sim", "run", "--info", "defaults", "plan=today")
    assert (done.returncode, done.stderr) == (0, "")
    assert "market/online_retail" in done.stdout


# --- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rn"], "no such command: rn; did you mean 'run'?"),
        (["run", "--mutlirun"], "unrecognized arguments: --mutlirun"),
        (["run", "--cfg", "jobs"], "argument -c/--cfg: invalid choice"),
        (["run", "market=onlin_retail"], "command line: market: no such market: onlin_retail; did"),
        (["run", "plan=today", "customers=-5"], "command line: customers: -5 is out of range; all"),
        (["run", "-m", "plan=today,todya"], "command line: plan: no such plan: todya; did you me"),
        (["run", "plan=today", "seed=1,2"], "Ambiguous value for argument"),
        (["run", "retail_three_phase"], "command line: 'retail_three_phase' sets nothing; allowed"),
        (["compare", "plans=[nope.yaml]"], "command line: plans: no such file: "),
        (["run", "plan=today", "hydra/launcher=rocket"], "no such hydra/launcher: rocket"),
        (["run", "plan=today", "hydra.rnu.dir=x"], "Key 'rnu'"),
        (["run", "plan=today", "--config-dir", "nowhere"], "--config-dir: no such folder: nowhere"),
    ],
)
def test_one_message_and_exit_code_2(arguments, message, calls, here, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert err.startswith("fidelio: ")
    assert message in err
    assert err.count("\n") == 1
    assert not calls
    assert not (here / "outputs").exists()


def test_an_output_folder_that_cannot_be_made(calls, here, capsys):
    (here / "file").write_text("")
    assert main(["run", *SMALL, "hydra.run.dir=file/below"]) == 2
    assert main(["run", *SMALL, "hydra.run.dir=file"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert errors[0].startswith(
        "fidelio: cannot write into the output folder file/below: Not a dir"
    )
    assert not calls


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_an_output_folder_that_is_read_only(calls, here, capsys):
    (here / "out").mkdir(mode=0o500)
    assert main(["run", *SMALL, "hydra.run.dir=out"]) == 2
    assert "cannot write into the output folder" in capsys.readouterr().err
    assert not calls


def test_an_error_of_the_command(monkeypatch, capsys):
    fails_with(monkeypatch, DataError("the data are gone"))
    assert main(["run", *SMALL]) == 2
    assert capsys.readouterr().err == "fidelio: the data are gone\n"
    assert main(["run", "--debug", *SMALL]) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.endswith("fidelio: the data are gone\n")


def test_interrupted(monkeypatch, capsys):
    fails_with(monkeypatch, Interrupted("stopped after 12 of 64 worlds, kept in out/"))
    assert main(["run", *SMALL]) == 130
    assert capsys.readouterr().err == "fidelio: stopped after 12 of 64 worlds, kept in out/\n"
    fails_with(monkeypatch, KeyboardInterrupt())
    assert main(["run", *SMALL]) == 130
    assert capsys.readouterr().err == "fidelio: interrupted\n"


def test_interrupted_while_composing(monkeypatch, calls, here, capsys):
    """OmegaConf, interrupted where it appends to a list, fails at tidying up that list."""

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(ListConfig, "_set_item_impl", interrupted)
    assert main(["run", *SMALL]) == 130
    assert capsys.readouterr() == ("", "fidelio: interrupted\n")
    assert not calls
    assert not (here / "outputs").exists()


def test_a_mistake_of_ours_is_not_hidden(monkeypatch):
    fails_with(monkeypatch, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main(["run", *SMALL])
