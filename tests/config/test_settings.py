"""Settings of commands that are no studies: their own, those of the study, and mistakes."""

from __future__ import annotations

import pytest

from sim.config.calibration import Calibration, DataKind, Export, Validation
from sim.config.files import config_root, read
from sim.config.settings import read_settings, settings_help
from sim.errors import ConfigError

NEEDED = ["data=panel.csv", "kind=panel"]


def refused(*arguments: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read_settings(Calibration, "calibrate", arguments)
    return str(caught.value)


def test_what_is_not_given_is_as_the_file_says():
    settings, study = read_settings(Calibration, "calibrate", NEEDED)
    file = read(config_root() / "conf" / "calibrate.yaml")
    assert settings.kind is DataKind.PANEL
    plain = {name: value for name, value in file.items() if not isinstance(value, dict)}
    assert {name: getattr(settings, name) for name in plain} == plain
    assert settings.targets.members == file["targets"]["members"]
    assert study == []


def test_settings_of_the_study_are_passed_on():
    arguments = ["market=online_retail", "customers=500", "market.brands.focal.price=1.1"]
    assert read_settings(Calibration, "calibrate", [*NEEDED, *arguments])[1] == arguments


def test_a_text_may_look_like_a_number():
    assert read_settings(Calibration, "calibrate", [*NEEDED, "holdout=0.30"])[0].holdout == "0.30"
    assert read_settings(Calibration, "calibrate", [*NEEDED, "focal=7"])[0].focal == "7"


@pytest.mark.parametrize(
    "argument", ["columns={customer: client_no, date: booked}", "columns.customer=client_no"]
)
def test_columns_are_mapped_at_once_or_one_by_one(argument):
    columns = read_settings(Calibration, "calibrate", [*NEEDED, argument])[0].columns
    assert columns["customer"] == "client_no"


def test_mistakes_name_key_value_and_what_is_allowed():
    assert refused("kind=panel") == "command line: data: is missing; allowed: a text"
    assert refused("data=x.csv", "kind=panels") == (
        "command line: kind: 'panels' is not known; did you mean 'panel'?"
    )
    assert refused(*NEEDED, "min_occasions=1") == (
        "command line: min_occasions: 1 is out of range; allowed: 2 to 1,000 "
        "(occasions of a household)"
    )
    assert "did you mean 'holdout'?" in refused(*NEEDED, "holdouts=0.2")
    assert "sets nothing" in refused("panel.csv")
    assert "cannot be read" in refused("data=my file].csv", "kind=panel")


@pytest.mark.parametrize(
    ("cls", "command"),
    [(Calibration, "calibrate"), (Export, "export"), (Validation, "validate")],
)
def test_help_lists_every_setting_that_has_a_default(cls, command):
    shown = settings_help(cls, command)
    for name in read(config_root() / "conf" / f"{command}.yaml"):
        assert f"\n  {name}" in shown
