"""`fidelio COMMAND [overrides]`: picks conf/COMMAND.yaml and sim/commands/COMMAND.py.

Nothing heavy is imported before a command is known to need it. A command is one line of `COMMANDS`,
a module in `sim.commands` with `main`, and, if it takes a configuration, a file in `conf/`.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import shutil
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryFile
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from sim.errors import ConfigError, FidelioError, Interrupted, StoreError

if TYPE_CHECKING:
    from sim.config.load import Composer
    from sim.config.study import Config


class Command(NamedTuple):
    """A command of `fidelio`."""

    summary: str
    module: str
    composed: bool = True
    """Takes overrides and gets a configuration; else it gets its arguments as they are."""


COMMANDS = {
    "run": Command("one plan against a baseline", "sim.commands.run"),
    "compare": Command("several plans side by side", "sim.commands.compare"),
    "calibrate": Command("a market from purchases, orders, figures or tests",
                         "sim.commands.calibrate", composed=False),
    "validate": Command("a market against published regularities and kept-back data",
                        "sim.commands.validate", composed=False),
    "export": Command("what a firm would observe in a simulated market, with the truth",
                      "sim.commands.export", composed=False),
    "sweep": Command("a design of many points, on this machine or a cluster",
                     "sim.commands.sweep", composed=False),
    "query": Command("a sweep's results, asked in SQL", "sim.commands.query", composed=False),
    "show": Command("what decides in a sweep: effects, surfaces, indices", "sim.commands.show",
                    composed=False),
    "stress": Command("what could go wrong: plans under shocks", "sim.commands.stress",
                      composed=False),
    "explain": Command("which lever, phase, segment and mechanism earns it",
                       "sim.commands.explain", composed=False),
    "sensitivity": Command("which assumption decides, and where the decision flips",
                           "sim.commands.sensitivity", composed=False),
    "discover": Command("where a plan fails: a sweep's bad region, in words",
                        "sim.commands.discover", composed=False),
    "regret": Command("plans against futures: the one least regretted, what knowing is worth",
                      "sim.commands.regret", composed=False),
    "optimise": Command("budgets by lever and phase that reach more", "sim.commands.optimise",
                        composed=False),
    "list": Command("what is shipped: scenarios, markets, plans, levers", "sim.commands.listing",
                    composed=False),
}  # fmt: skip

USAGE = """\
Simulates how customers' loyalty answers a company's plan, and what the plan earns.

usage: fidelio COMMAND [KEY=VALUE ...] [options]

commands:
{commands}

  fidelio COMMAND --help    what a command takes
  fidelio --version         the version
  --debug                   with any command: show the traceback of an error

examples:
  fidelio run scenario=retail_three_phase
  fidelio run scenario=retail_three_phase plan=today customers=2000 replications=4
  fidelio compare scenario=retail_three_phase plans=[today,three_phase]
  fidelio calibrate data=panel.csv kind=panel out=market.yaml
  fidelio validate market=market.yaml
  fidelio sweep design=budget_phases out=outputs/sweeps/phases
  fidelio stress scenario=retail_three_phase plans=[three_phase,service_first]
  fidelio optimise scenario=retail_three_phase objective=[npv] budget=5000000
  fidelio list levers
"""

COMMAND_USAGE = """\
fidelio {name}: {summary}

usage: fidelio {name} [KEY=VALUE ...] [options]

choices, each a name or a path to a YAML file (`baseline` chooses from the plans, too):
{groups}

settings:
{settings}

Any other setting goes by its path: market.rate.mean=0.9, market.brands.focal.price=1.05,
lever.data_platform.carry_over=0.5, finance.gross_margin={{uniform:[0.2,0.3]}}.

options:
  --cfg {{job,hydra,all}}     print the composed configuration and stop
  -m, --multirun            run every combination of values given as a,b,c
  --config-dir FOLDER       a folder with market/, plan/, lever/, scenarios/ ... of your own
  --info {{all,defaults,defaults-tree,config,plugins,searchpath}}
                            print how the configuration came about and stop
  --debug                   show the traceback of an error
  hydra.run.dir=FOLDER      where results go; else outputs/{name}/DATE/TIME

examples:
{examples}
"""
EXAMPLES = {
    "run": (
        "scenario=retail_three_phase",
        "scenario=retail_three_phase plan=my_plan.yaml customers=5000",
        "market=online_retail plan=service_first baseline=today quarters=16",
        "scenario=retail_three_phase replications=16 finance.gross_margin=0.2,0.25,0.3 -m",
        "finance.gross_margin=0.2,0.25 -m hydra/launcher=joblib hydra.launcher.n_jobs=2",
    ),
    "compare": (
        "scenario=retail_three_phase plans=[today,three_phase,service_first,promotion_first]",
        "plans=[three_phase,my_plan.yaml] replications=16",
    ),
}


STDERR = 2
"""What standard error is to the system."""


class _StoppedError(BaseException):
    """Carries an error through Hydra, which prints and rewraps every Exception of a job."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(message, allowed=f"what {self.prog} --help shows")


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code.

    That is 0, 2 for an error of the user (one message on standard error), or 130 after Ctrl-C.
    """
    given = sys.argv[1:] if argv is None else argv
    debug = "--debug" in given
    try:
        _dispatch([argument for argument in given if argument != "--debug"])
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has seen enough; Python's own flush at the end must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt as error:
        return _report(Interrupted("interrupted").with_traceback(error.__traceback__), debug)
    except FidelioError as error:
        return _report(error, debug)
    finally:
        if argv is None:  # the process ends: to look for garbage now would only delay that
            _freeze()
    return 0


def _freeze() -> None:
    """Spare the garbage collector what there is, unless DuckDB is: it complains of what stays."""
    if "duckdb" not in sys.modules:
        gc.freeze()


def _report(error: FidelioError, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    print(f"fidelio: {error}", file=sys.stderr)
    return error.exit_code


def _dispatch(arguments: list[str]) -> None:
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        lines = [f"  {name:<13}{command.summary}" for name, command in COMMANDS.items()]
        print(USAGE.format(commands="\n".join(lines)), end="")
    elif arguments[0] == "--version":
        print(f"fidelio {_version()}")
    elif arguments[0] not in COMMANDS:
        raise ConfigError(f"no such command: {arguments[0]}", value=arguments[0], known=COMMANDS)
    else:
        name, *rest = arguments
        if COMMANDS[name].composed:
            _study(name, rest)
        else:
            _imported(COMMANDS[name].module).main(rest)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("fidelio")
    except PackageNotFoundError:
        return "(not installed)"


# --- commands that take a configuration ----------------------------------------------------------


def _study(name: str, arguments: Sequence[str]) -> None:
    options = _parser(name).parse_intermixed_args(arguments)
    if options.help:
        print(_command_help(name), end="")
        return
    composing = _imported("sim.config.load")
    if not (options.cfg or options.info):
        _imported(COMMANDS[name].module)
        if not gc.get_freeze_count():  # what is imported stays, so no collection need look at it
            _freeze()
    with composing.Composer(name, options.config_dir, _check) as composer:
        overrides = composer.translate(options.overrides)
        if options.cfg == "job":
            from omegaconf import OmegaConf

            print(OmegaConf.to_yaml(OmegaConf.create(composer.data(overrides))), end="")
            return
        flags = [f"--{flag}={getattr(options, flag)}" for flag in ("cfg", "info")
                 if getattr(options, flag)]  # fmt: skip
        several = options.multirun
        if not (flags or several):
            composer.config(overrides)  # before Hydra makes the folder of a run that cannot be
            several = composer.is_sweep(overrides)
        _through_hydra(composer, flags, overrides, several=several)


def _imported(module: str) -> ModuleType:
    """Import what is heavy; collecting garbage meanwhile would find none, and take a sixth more."""
    gc.disable()
    try:
        return importlib.import_module(module)
    finally:
        gc.enable()


def _check(config: Config) -> None:
    """Raise ConfigError for what a configuration cannot know, before a folder is made."""
    from sim.study import check_measures

    check_measures(config)


def _parser(name: str) -> _Parser:
    parser = _Parser(prog=f"fidelio {name}", add_help=False, allow_abbrev=False)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("-m", "--multirun", action="store_true")
    parser.add_argument("-c", "--cfg", choices=("job", "hydra", "all"))
    parser.add_argument("-i", "--info", nargs="?", const="all")
    parser.add_argument("-cd", "--config-dir", action="append", default=[])
    return parser


class _Told(NamedTuple):
    """What came of a point that another process lived."""

    out: str
    err: str
    error: Exception | None


class _Job:
    """What Hydra calls in the folder of a run, or of each point of several."""

    def __init__(self, composer: Composer, *, several: bool = False) -> None:
        self.composer, self.several, self.elsewhere = composer, several, False

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "elsewhere": True}  # only what goes to another process is pickled

    def __call__(self, _: Any) -> _Told | None:
        """Do the command; in another process keep what it says, and its error, for the first."""
        if self.elsewhere:
            return self._told()
        try:
            self._carry_out()
        except Exception as error:
            raise _StoppedError(error) from error
        return None

    def _told(self) -> _Told:
        out, err, stopped = StringIO(), StringIO(), None
        try:
            with redirect_stdout(out), redirect_stderr(err):
                self._carry_out()
        except Exception as error:
            error.add_note("".join(traceback.format_exception(error)))  # which is not pickled
            stopped = error
        return _Told(out.getvalue(), err.getvalue(), stopped)

    def _carry_out(self) -> None:
        from hydra.core.hydra_config import HydraConfig

        from sim.store import check_folder

        job = HydraConfig.get()
        folder, overrides = Path(job.runtime.output_dir), list(job.overrides.task)
        check_folder(folder)
        config = self.composer.config(overrides)
        if self.several:
            print(f"[{job.job.num}] {config.command}", flush=True)
        importlib.import_module(COMMANDS[self.composer.command].module).main(config, folder)


def _through_hydra(
    composer: Composer, flags: Sequence[str], overrides: Sequence[str], *, several: bool
) -> None:
    """Let Hydra print what flags ask for, or call the command in the folders that it makes."""
    from sim.config.load import COMPOSITION_ERRORS

    try:
        if flags:
            _print_by_hydra(composer, flags, overrides)
        elif several:
            _run_points(composer, overrides)
        else:
            composer.run(overrides, _Job(composer))
    except _StoppedError as stopped:
        raise stopped.error from None
    except COMPOSITION_ERRORS as error:
        raise composer.explain(error) from error
    except OSError as error:
        raise _no_folder(error.filename, error) from error


def _print_by_hydra(composer: Composer, flags: Sequence[str], overrides: Sequence[str]) -> None:
    import hydra

    before = sys.argv
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else Hydra prints errors itself and exits with 1
    try:
        sys.argv = ["fidelio", *flags, composer.search_path, *overrides]
        hydra.main(str(composer.conf), composer.command, version_base="1.3")(lambda _: None)()
    finally:
        sys.argv = before


def _run_points(composer: Composer, overrides: Sequence[str]) -> None:
    """Do every combination; tell what other processes said, in order, then their errors."""
    with _errors_held() if composer.launches(overrides) else nullcontext():
        points = composer.run_points(overrides, _Job(composer, several=True))
    elsewhere = [point for point in points if isinstance(point, _Told)]
    for point in elsewhere:
        print(point.out, end="", flush=True)
        print(point.err, end="", file=sys.stderr, flush=True)
    errors = {str(point.error): point.error for point in elsewhere if point.error}
    for message in [*errors][:-1]:
        print(f"fidelio: {message}", file=sys.stderr)
    if errors:
        raise [*errors.values()][-1]


@contextmanager
def _errors_held() -> Iterator[None]:
    """Hold back what other processes write on standard error, for good after Ctrl-C.

    It reaches them, too, and each would print the traceback of its end.
    """
    sys.stderr.flush()
    terminal = os.dup(STDERR)
    try:
        with TemporaryFile() as held:
            os.dup2(held.fileno(), STDERR)
            try:
                yield
            except KeyboardInterrupt:
                held.truncate(0)
                raise
            finally:
                sys.stderr.flush()
                os.dup2(terminal, STDERR)
                held.seek(0)
                with open(terminal, "wb", closefd=False) as target:
                    shutil.copyfileobj(held, target)
    finally:
        os.close(terminal)


def _no_folder(folder: object, error: OSError) -> StoreError:
    return StoreError(f"cannot write into the output folder {folder}: {error.strerror}")


# --- help ----------------------------------------------------------------------------------------


def _command_help(name: str) -> str:
    from sim.config.files import GROUPS, choices

    groups = [f"  {group:<10}{', '.join(choices(group))}" for group in GROUPS]
    examples = [f"  fidelio {name} {line}" for line in EXAMPLES.get(name, ())]
    return COMMAND_USAGE.format(
        name=name,
        summary=COMMANDS[name].summary,
        groups="\n".join(groups),
        settings="\n".join(_settings(name)),
        examples="\n".join(examples),
    )


def _settings(name: str) -> list[str]:
    """Return a line for each number of a study, with its value in conf/ and its range."""
    from dataclasses import fields

    from sim.config.build import Limits
    from sim.config.files import config_root, read
    from sim.config.study import Config

    conf = config_root() / "conf"
    given = read(conf / "run.yaml") | read(conf / f"{name}.yaml")
    lines = [
        f"  {field.name:<13}{given.get(field.name, field.default)!s:<8}"
        f"{Limits(**field.metadata).allowed}"
        for field in fields(Config)
        if field.metadata
    ]
    return [*lines, *([f"  plans        {given['plans']}"] if "plans" in given else [])]
