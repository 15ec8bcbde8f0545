"""The page about the configuration tells every setting, its true default, and nothing that is not there."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from paydue.cli import demo
from paydue.config import SETTINGS, Config, variable_of

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\w+)` \| (.*?) ?\| (.+) \|$", re.MULTILINE)
ROWS = {name: (default, meaning) for name, default, meaning in ROW.findall(PAGE)}


def test_every_setting_has_a_row_and_every_row_a_setting():
    assert set(ROWS) == set(SETTINGS)


def test_every_setting_is_a_field_of_the_configuration_and_the_other_way_round():
    assert set(SETTINGS) == set(msgspec.structs.asdict(Config(data=Path("/")))) - {"unknown"}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_default_is_the_one_that_is_documented(name):
    default = getattr(Config(data=Path("/nowhere")), name)
    documented, _ = ROWS[name]

    if default in (None, ()) or name == "data":
        # Where there is no default, words may say what is done instead, but no value may be promised.
        assert not re.match(r"`(true|false|[0-9]+)`$", documented)
    else:
        assert documented.startswith(f"`{default if isinstance(default, str) else json.dumps(default)}`")


@pytest.mark.parametrize("name", demo.DEFAULTS)
def test_what_the_demo_does_otherwise_is_documented(name):
    value = demo.DEFAULTS[name]

    assert f"in the demo `{value if isinstance(value, str) else json.dumps(value)}`" in ROWS[name][0]


def test_variables_that_the_page_names_are_variables_of_settings():
    named = set(re.findall(r"PAYDUE_[A-Z_0-9]*[A-Z0-9]", PAGE))

    assert named - {variable_of(name) for name in SETTINGS} == {"PAYDUE_CONFIG"}
