"""Names, paths and overrides in, a checked configuration out; composed by Hydra.

What is typed is translated before Hydra sees it:

- `scenario=NAME` becomes `scenario@_global_=NAME`, `baseline=NAME` becomes `plan@baseline=NAME`. A
  path in place of a name is copied, as `GROUP/file_N.yaml`, into a temporary folder on the search
  path, so that further overrides work on it as on any other.
- `KEY=VALUE` becomes `++KEY=VALUE`: a setting that no file mentions can be given too, and an
  unknown one is found where all are known, in `sim.config.build`.
- A key that goes through a list by a name (`market.brands.focal.price`), which Hydra cannot follow,
  and a distribution, which is to replace another rather than merge with it, are kept below `_named`
  and put in their place after composition.

The same temporary folder holds `levers.yaml`, which holds every file of `lever/` at `lever.NAME`.
"""

from __future__ import annotations

import re
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml  # type: ignore[import-untyped]
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sim.config.build import assign, build, canonical, draws_without, find, goes_by_name, join
from sim.config.distributions import FORMS
from sim.config.files import (
    DUMPER,
    GROUPS,
    bad_yaml,
    choices,
    config_root,
    folder_of,
    is_path,
    read,
    shown,
)
from sim.config.study import Config
from sim.errors import ConfigError, FidelioError

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra

__all__ = ["COMPOSITION_ERRORS", "Composer", "choices", "config_root", "load", "parse"]

COMPOSITION_ERRORS = (HydraException, OmegaConfBaseException, yaml.YAMLError)
"""What `Composer.explain` explains."""
JOB = "cli"
"""What `hydra.main` calls a job of `sim.cli`."""
COMMAND_LINE = "command line"
NAMED = "_named"
LAUNCHERS = ("joblib", "submitit_local", "submitit_slurm")
"""Launchers of Hydra that are installed apart."""
LAUNCHERS_FROM = "after pip install 'fidelio[launchers]'"
PACKAGES = {"scenario": ("scenario", "_global_"), "baseline": ("plan", "baseline")}
"""Choices that Hydra knows as another group, or at another place, than what is typed."""
WITH_PROVENANCE = {
    **dict.fromkeys(
        ("market", "rivals", "plan", "baseline", "risks", "finance", "desk", "organisation"), 1
    ),
    **dict.fromkeys(("lever", "plans"), 2),
}
"""Parts that state a provenance, with the number of names in their path."""

_OVERRIDE = re.compile(
    r"(?P<sign>\+\+|\+|~)?(?P<key>[^=@]+)(?:@(?P<package>[^=]+))?(?:=(?P<value>.*))?", re.DOTALL
)
_DISTRIBUTION = re.compile(rf"\{{\s*({'|'.join(FORMS)})\s*:")


def load(
    scenario: str | None = None,
    overrides: Sequence[str] = (),
    command: str = "run",
    folders: Sequence[str | Path] = (),
) -> Config:
    """Return the configuration of a command, composed and checked.

    Parameters
    ----------
    scenario
        A shipped scenario's name, or a path to a YAML file.
    overrides
        What would follow on the command line, `["customers=50_000", "plan=mine.yaml"]`.
    command
        Which file of `conf/` to start from.
    folders
        Folders with `market/`, `plan/`, `lever/`, `scenarios/` ... of one's own.

    Raises
    ------
    ConfigError
        If a name, key, value or file cannot be used; it says where it was given.
    """
    chosen = [] if scenario is None else [f"scenario={scenario}"]
    with Composer(command, folders) as composer:
        return composer.config(composer.translate([*chosen, *overrides]))


def parse(text: str) -> tuple[str, Any]:
    """Return key and value of `KEY=VALUE`, the value as Hydra reads it.

    Raises
    ------
    ConfigError
        If it sets nothing, or the value cannot be read.
    """
    override = Override.parse(text)
    try:
        value = OverridesParser.create().parse_override(text).value()
    except HydraException as error:
        raise ConfigError(
            f"'{text}' cannot be read: {_first_line(error)}", key=override.key, file=COMMAND_LINE,
            allowed="KEY=VALUE; a value with spaces or signs in quotes: \"data='my file.csv'\"",
        ) from None  # fmt: skip
    return override.key, value


class Override(NamedTuple):
    """One override in parts: `++market.rate.mean=0.9`, `plan@baseline=today`."""

    sign: str
    key: str
    package: str
    value: str | None

    @classmethod
    def parse(cls, text: str) -> Override:
        """Split an override, or raise ConfigError if it is none."""
        match = _OVERRIDE.fullmatch(text)
        if match is None or (match["value"] is None and match["sign"] != "~"):
            raise ConfigError(
                f"'{text}' sets nothing", file=COMMAND_LINE, allowed="KEY=VALUE, customers=5000"
            )
        return cls(match["sign"] or "", match["key"], match["package"] or "", match["value"])

    @property
    def group(self) -> str:
        """The group that it chooses from, or ''."""
        group, _ = PACKAGES.get(self.key, (self.key, ""))
        return group if group in GROUPS and self.sign != "~" else ""

    def __str__(self) -> str:
        at = f"@{self.package}" if self.package else ""
        value = "" if self.value is None else f"={self.value}"
        return f"{self.sign}{self.key}{at}{value}"


class Composer:
    """Composes the configuration of one command; a context manager, for it holds a folder."""

    def __init__(
        self,
        command: str,
        folders: Sequence[str | Path] = (),
        check: Callable[[Config], None] | None = None,
    ) -> None:
        """Prepare the search path, or raise ConfigError if command or folders do not exist.

        `check` raises ConfigError for what only the caller can tell of a built configuration.
        """
        self.command, self.check = command, check
        self.conf = config_root() / "conf"
        known = sorted(file.stem for file in self.conf.glob("*.yaml"))
        if command not in known:
            raise ConfigError("no such command", value=command, known=known)
        self.folders = [Path(folder).expanduser().absolute() for folder in folders]
        for folder in self.folders:
            if not folder.is_dir():
                raise ConfigError(f"no such folder: {shown(folder)}", key="--config-dir")
        self.takes_plans = "plans" in read(self.conf / f"{command}.yaml")
        self._staging = Path(tempfile.mkdtemp(prefix="fidelio-"))
        self._given: dict[str, Path] = {}
        self._configs: dict[tuple[str, ...], Config] = {}
        self._last: dict[tuple[str, ...], DictConfig] = {}
        self._write_levers()

    def __enter__(self) -> Composer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        shutil.rmtree(self._staging, ignore_errors=True)

    def __getstate__(self) -> dict[str, Any]:
        """Give the folder's files too: the process that gets a copy may run on another machine."""
        files = {
            str(path.relative_to(self._staging)): path.read_bytes()
            for path in self._staging.rglob("*.yaml")
        }
        return {**vars(self), "_configs": {}, "_last": {}, "files": files}

    def __setstate__(self, state: dict[str, Any]) -> None:
        files = state.pop("files")
        vars(self).update(state)
        if not self._staging.exists():
            _restore(self._staging, files)

    @property
    def search_path(self) -> str:
        """The override that tells Hydra where else to look."""
        folders = [str(folder).replace("'", r"\'") for folder in (self._staging, *self.folders)]
        return "hydra.searchpath=[" + ",".join(f"'file://{folder}'" for folder in folders) + "]"

    def translate(self, typed: Sequence[str]) -> list[str]:
        """Return overrides as Hydra takes them.

        Raises
        ------
        ConfigError
            If one is no override, or names a choice or file that does not exist.
        """
        return [self._translated(Override.parse(text)) for text in typed]

    def command_line(self, overrides: Sequence[str]) -> str:
        """Return what to type for translated overrides."""
        folders = [part for folder in self.folders for part in ("--config-dir", shown(folder))]
        typed = [self._typed(Override.parse(text)) for text in overrides]
        return shlex.join(["fidelio", self.command, *folders, *typed])

    def data(self, overrides: Sequence[str]) -> dict[str, Any]:
        """Return the composed configuration as plain data, unchecked.

        Raises
        ------
        ConfigError
            If Hydra cannot compose it.
        """
        return self._composed(overrides).data

    def config(self, overrides: Sequence[str]) -> Config:
        """Return the configuration that translated overrides make, checked.

        Raises
        ------
        ConfigError
            If it cannot be composed or a value cannot be used.
        """
        key = tuple(overrides)
        if key not in self._configs:
            composed = self._composed(overrides)
            try:
                made = build(Config, composed.data)
                if self.check is not None:
                    self.check(made)
                self._configs[key] = replace(made, command=self.command_line(overrides))
            except ConfigError as error:
                raise error.with_file(self._file_of(error.key, composed)) from None
        return self._configs[key]

    def is_sweep(self, overrides: Sequence[str]) -> bool:
        """Return whether translated overrides ask for a sweep: `hydra.mode=MULTIRUN` does."""
        return bool(self._composition(overrides).hydra.mode == RunMode.MULTIRUN)

    def launches(self, overrides: Sequence[str]) -> bool:
        """Return whether translated overrides choose a launcher: other processes run the jobs."""
        chosen = [each for each in map(Override.parse, overrides) if each.key == "hydra/launcher"]
        return bool(chosen) and chosen[-1].value != "basic"

    def run(self, overrides: Sequence[str], job: Callable[[Any], object]) -> None:
        """Do a job as `hydra.main` would, in a folder that Hydra makes, without composing again.

        Raises
        ------
        ConfigError
            If Hydra cannot compose, or use, the configuration.
        Exception
            What the job raises.
        """
        composition = self._composition(overrides)
        self._last.clear()  # Hydra changes what it runs
        if composition.hydra.mode is None:
            composition.hydra.overrides.hydra.append("hydra.mode=RUN")  # as `hydra.main` notes it
        made = [composition]
        with self._hydra() as hydra:
            load = hydra.config_loader.load_configuration
            vars(hydra.config_loader)["load_configuration"] = lambda *given, **named: (
                made.pop() if made else load(*given, **named)
            )
            hydra.run(self.command, job, [self.search_path, *overrides])

    def run_points(self, overrides: Sequence[str], job: Callable[[Any], object]) -> list[Any]:
        """Do a job for every combination of values, where Hydra's launcher says.

        Returns
        -------
        list
            What the job gave for each of them, in order.

        Raises
        ------
        ConfigError
            If Hydra cannot compose, or use, the configuration.
        FidelioError
            If the launcher lost a job.
        """
        with self._hydra() as hydra:
            try:
                batches = hydra.multirun(self.command, job, [self.search_path, *overrides])
            except (*COMPOSITION_ERRORS, OSError):
                raise
            except Exception as error:
                why = _first_line(error) or type(error).__name__
                raise FidelioError(f"Hydra's launcher gave up: {why}") from error
        return [done.return_value for batch in batches or () for done in batch]

    def explain(self, error: Exception) -> ConfigError:
        """Return the ConfigError that says what Hydra, OmegaConf or YAML could not do.

        Raises
        ------
        KeyboardInterrupt
            If the user interrupted: OmegaConf then fails at tidying up half-made lists.
        """
        if any(isinstance(each, KeyboardInterrupt) for each in _causes(error)):
            raise KeyboardInterrupt from error
        if isinstance(error, ConfigError):
            return error
        if isinstance(error, yaml.YAMLError):
            mark = getattr(error, "problem_mark", None)
            return bad_yaml(error, self._shown(Path(mark.name)) if mark else "")
        if isinstance(error, OverrideParseException):
            typed = self._typed(Override.parse(error.override))
            problem = f"'{typed}' cannot be read: {_first_line(error)}"
            return ConfigError(problem, file=COMMAND_LINE, allowed="KEY=VALUE, customers=5000")
        if isinstance(error, MissingConfigException):
            group, _, name = (error.missing_cfg_file or "").rpartition("/")
            if group == "hydra/launcher" and name in LAUNCHERS:
                return ConfigError(f"{name} is not installed", key=group, allowed=LAUNCHERS_FROM)
            known = [*self._names(group)] if group else []
            return ConfigError(f"no such {group}: {name}", key=group, value=name, known=known)
        cause = error.__cause__ or error
        key = getattr(cause, "full_key", "") or ""
        return ConfigError(_first_line(cause) or _first_line(error), key=key)

    # --- translation -------------------------------------------------------------------------

    def _translated(self, override: Override) -> str:
        group = override.group
        place = PACKAGES.get(override.key, (override.key, override.package))
        if override.key == "hydra.searchpath":
            raise ConfigError("is taken", key=override.key, allowed="--config-dir FOLDER")
        if override.key == "lever":
            raise ConfigError(
                "every lever is there already; a plan's budget puts it to use",
                key="lever",
                file=COMMAND_LINE,
                allowed="lever.NAME.KEY=VALUE",
            )
        if override.key.startswith("lever."):
            self._check_lever(override.key.split(".")[1])
        if place == ("plan", "") and self.takes_plans:
            raise ConfigError(
                f"{self.command} takes several",
                key="plan",
                file=COMMAND_LINE,
                allowed="plans=[NAME, ...]",
            )
        if group:
            return str(Override("", *place, self._choose(override)))
        if override.sign == "~" or override.key.startswith("hydra") or "/" in override.key:
            return str(override)
        by_name = goes_by_name(override.key) or _DISTRIBUTION.match(override.value or "")
        key = f"{NAMED}.{override.key}" if by_name else override.key
        return str(override._replace(sign="++", key=key))

    def _check_lever(self, name: str) -> None:
        known = self._names("lever")
        if name not in known:
            raise ConfigError(
                "no such lever", key=f"lever.{name}", value=name, file=COMMAND_LINE, known=known
            )

    def _typed(self, override: Override) -> str:
        """Return a translated override as it may have been typed."""
        for typed, translated in PACKAGES.items():
            if (override.key, override.package) == translated:
                override = override._replace(key=typed, package="")
        sign = override.sign if override.sign == "~" else ""
        key, value = override.key.removeprefix(f"{NAMED}."), override.value
        if override.group and value:
            paths = (self._given.get(f"{override.group}/{name}") for name in value.split(","))
            named = zip(value.split(","), paths, strict=True)
            value = ",".join(shown(path) if path else name for name, path in named)
        return str(override._replace(sign=sign, key=key, value=value))

    def _choose(self, override: Override) -> str:
        """Return the names that a choice, or a sweep over choices, has for Hydra."""
        value = override.value or ""
        names = value.split(",")
        if is_path(value) and Path(value).expanduser().is_file():
            names = [value]
        elif value == "null" or any(sign in value for sign in "'\"({["):
            return value
        return ",".join(
            self._name(override.group, name.strip(), override.key, COMMAND_LINE) for name in names
        )

    def _name(self, group: str, given: str, key: str, file: str) -> str:
        """Return the name of a choice, after copying its file if it is a path.

        `key` and `file` say where the choice was made.

        Raises
        ------
        ConfigError
            If there is no such choice, or the file is no mapping in YAML.
        """
        if is_path(given):
            try:
                return self._stage(group, Path(given).expanduser(), key)
            except ConfigError as error:
                raise error.with_file(file) from None
        known = self._names(group)
        if given not in known:
            problem = f"no such {group}: {given}" if given else f"no {group} is given"
            raise ConfigError(problem, key=key, value=given, file=file, known=known)
        if group == "scenario":
            _copy(known[given], self._staging / group / f"{given}.yaml")
        return given

    def _stage(self, group: str, path: Path, key: str) -> str:
        path = path.absolute()
        for name, given in self._given.items():
            if given == path and name.startswith(f"{group}/"):
                return name.removeprefix(f"{group}/")
        read(path, key)
        name = f"file_{len(self._given) + 1}"
        _copy(path, self._staging / group / f"{name}.yaml")
        self._given[f"{group}/{name}"] = path
        return name

    def _names(self, group: str) -> dict[str, Path]:
        """Return the files of a group by name; shipped ones go before one's own.

        Levers are the exception: one's own replaces the shipped one, as tests have updated it.
        """
        below = "scenarios" if group == "scenario" else group
        folders = [folder_of(group), *(folder / below for folder in self.folders)]
        if group != "lever":
            folders.reverse()  # the last of a name counts
        files = [file for folder in folders for file in sorted(folder.glob("*.yaml"))]
        return {file.stem: file for file in files}

    def _write_levers(self) -> None:
        # One file with all of them, not a defaults list: Hydra needs some 10 ms for each file.
        levers = {name: read(file) for name, file in sorted(self._names("lever").items())}
        text = yaml.dump({"lever": levers}, Dumper=DUMPER, sort_keys=False, allow_unicode=True)
        (self._staging / "levers.yaml").write_text(text, encoding="utf-8")

    # --- composition -------------------------------------------------------------------------

    def _compose(self, overrides: Sequence[str]) -> DictConfig:
        """Return what Hydra makes of translated overrides, inside another Hydra run or outside."""
        try:
            with self._hydra():
                return compose(
                    self.command, [self.search_path, *overrides], return_hydra_config=True
                )
        except COMPOSITION_ERRORS as error:
            explained = self.explain(error)
            typed = any(Override.parse(text).key == explained.key for text in overrides)
            raise explained.with_file(COMMAND_LINE if typed else "") from error

    def _composition(self, overrides: Sequence[str]) -> DictConfig:
        """Return the last composition again if it was of these overrides: it takes long."""
        key = tuple(overrides)
        if key not in self._last:
            self._last = {key: self._compose(overrides)}
        return self._last[key]

    @contextmanager
    def _hydra(self) -> Iterator[Hydra]:
        """Give a Hydra of our own, inside another Hydra run or outside."""
        outer, GlobalHydra.instance().hydra = GlobalHydra.instance().hydra, None
        try:
            with initialize_config_dir(str(self.conf), job_name=JOB, version_base="1.3"):
                hydra = GlobalHydra.instance().hydra
                assert hydra is not None
                yield hydra
        finally:
            GlobalHydra.instance().hydra = outer

    def _composed(self, overrides: Sequence[str]) -> _Composed:
        composed = self._plain(overrides, self._composition(overrides))
        data = composed.data
        plans = data.pop("plans", None)
        typed = any(Override.parse(text).key == "plans" for text in overrides)
        if self.takes_plans:
            file = COMMAND_LINE if typed else self._file_of("plans", composed)
            names = self._plan_names(plans, file)
            data["plans"] = [self._plan(name, overrides, composed) for name in names]
        elif typed:
            raise ConfigError("is for compare", key="plans", file=COMMAND_LINE)
        _place_named(data, lambda path: not (self.takes_plans and path.startswith("plan.")))
        composed.keys[:] = [canonical(data, key) for key in composed.keys]
        _mark(data, composed.keys)
        if self.takes_plans:
            data["plan"] = data["plans"][0]
        return composed

    def _plain(self, overrides: Sequence[str], composition: DictConfig) -> _Composed:
        chosen = dict(composition.hydra.runtime.choices)
        ours = OmegaConf.masked_copy(
            composition, [str(key) for key in composition if key != "hydra"]
        )
        composed = _Composed({}, chosen, {}, [*_keys(overrides)])
        try:
            data = _latest_forms(OmegaConf.to_container(ours, resolve=True))
        except OmegaConfBaseException as error:
            explained = self.explain(error)
            raise explained.with_file(self._file_of(explained.key, composed)) from error
        return composed._replace(data=data)

    def _plan_names(self, plans: object, file: str) -> list[str]:
        if not isinstance(plans, list) or not plans or not all(isinstance(p, str) for p in plans):
            raise ConfigError(
                f"{plans!r} is no list of plans", key="plans", file=file, allowed="[NAME, ...]"
            )
        return [self._name("plan", plan, "plans", file) for plan in plans]

    def _plan(self, name: str, overrides: Sequence[str], composed: _Composed) -> Any:
        """Return one plan of several, overridden as `plan` is."""
        chosen = [*overrides, f"plan={name}"]
        data = self._plain(chosen, self._compose(chosen)).data
        _place_named(data, lambda path: path.startswith("plan."))
        _mark(data, [canonical(data, key) for key in _keys(overrides)])
        plan = data["plan"]
        called = str(plan.get("name"))
        if called in composed.plans:
            raise ConfigError(
                f"'{called}' stands twice", key="plans", value=called, allowed="each plan once"
            )
        composed.plans[called] = name
        return plan

    # --- where a value comes from ------------------------------------------------------------

    def _file_of(self, key: str, composed: _Composed) -> str:
        """Return the file that a setting comes from, or "command line"."""
        if any(_overlap(key, overridden) for overridden in composed.keys):
            return COMMAND_LINE
        scenario = composed.chosen.get("scenario@_global_")
        if scenario:
            file = self._file("scenario", scenario)
            if key and not find(read(file), key)[1]:
                return shown(file)
        top, _, rest = key.partition(".")
        name = rest.partition(".")[0]
        if top == "lever" and name in self._names("lever"):
            return shown(self._file("lever", name))
        if top == "plans" and name in composed.plans:
            return shown(self._file("plan", composed.plans[name]))
        if top == "plan" and composed.plans:  # the first of several
            return shown(self._file("plan", next(iter(composed.plans.values()))))
        group, package = PACKAGES.get(top, (top, ""))
        choice = composed.chosen.get(f"{group}@{package}" if package else group)
        return shown(self._file(group, choice) if choice else self.conf / f"{self.command}.yaml")

    def _file(self, group: str, name: str) -> Path:
        given = self._given.get(f"{group}/{name}")
        return given or self._names(group)[name]

    def _shown(self, path: Path) -> str:
        """Return a file as the user knows it: not by its copy in the temporary folder."""
        if path.is_relative_to(self._staging):
            path = self._file(path.parent.name, path.stem)
        return shown(path)


class _Composed(NamedTuple):
    """Plain data with what made them."""

    data: dict[str, Any]
    chosen: dict[str, Any]
    """Group to the name chosen from it, as Hydra has them."""
    plans: dict[str, str]
    """A plan's own name to the name it was chosen by."""
    keys: list[str]
    """Settings given on the command line."""


def _place_named(data: dict[str, Any], wanted: Callable[[str], bool]) -> None:
    """Put settings that were kept aside in their places, those whose path is wanted here."""
    for path, value in _flat(data.pop(NAMED, {})):
        if wanted(path):
            try:
                assign(data, path, value)
            except ConfigError as error:
                raise error.with_file(COMMAND_LINE) from None


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(source, target)


def _restore(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder's files at once: other processes of this machine may be at the same."""
    made = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
    for name, content in files.items():
        (made / name).parent.mkdir(exist_ok=True)
        (made / name).write_bytes(content)
    try:
        made.rename(folder)
    except OSError:  # another process was first
        shutil.rmtree(made)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and the one during whose handling it came up, and so on."""
    while error is not None:
        yield error
        error = error.__context__


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]


def _overlap(key: str, other: str) -> bool:
    return bool(key) and (f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}."))


def _is_distribution(value: object) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(name in FORMS for name in value)


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the settings of a tree with their paths; a distribution is one."""
    if not isinstance(value, Mapping) or _is_distribution(value):
        yield path, value
        return
    for name, item in value.items():
        yield from _flat(item, join(path, name))


def _latest_forms(value: Any) -> Any:
    """Keep the last of several distributions: composition merges one file's with another's."""
    if isinstance(value, list):
        return [_latest_forms(item) for item in value]
    if not isinstance(value, dict):
        return value
    if _is_distribution(value):
        form = list(value)[-1]
        return {form: value[form]}
    return {name: _latest_forms(item) for name, item in value.items()}


def _keys(overrides: Sequence[str]) -> Iterator[str]:
    """Yield the settings that overrides give a value, not the choices that they make."""
    for text in overrides:
        override = Override.parse(text)
        chooses = override.group or override.key == "plans"
        if chooses or override.sign == "~" or override.key.startswith("hydra"):
            continue
        key = override.key.removeprefix(f"{NAMED}.")
        value = OverridesParser.create().parse_override(text).value()
        yield from (path for path, _ in _flat(value, key))


def _mark(data: dict[str, Any], keys: Sequence[str]) -> None:
    """Write into the parts' provenance that these settings come from the command line.

    They also replace what the market's joint draws would say.
    """
    for key in keys:
        names = key.split(".")
        depth = WITH_PROVENANCE.get(names[0], len(names))
        part, missing = find(data, ".".join(names[:depth]))
        below = ".".join(names[depth:])
        if below and not missing and isinstance(part, dict) and names[depth] != "provenance":
            stated = part.get("provenance") or {}
            kept = {name: stated[name] for name in stated if not f"{name}.".startswith(f"{below}.")}
            part["provenance"] = {**kept, below: f"assumed: {COMMAND_LINE}"}
            if names[0] == "market" and names[1] != "joint" and part.get("joint"):
                part["joint"] = [*_joint_without(below, part["joint"])]


def _joint_without(key: str, joint: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield joint draws less those at or below a key, as far as any are left."""
    for one in joint:
        draws = one.get("draws") or {}
        left = draws_without(key, draws)
        if left or not draws:
            yield {**one, "draws": left}
