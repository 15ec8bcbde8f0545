"""The official Python client, unmodified, in a virtual environment and process of its own: `python_sdk/`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from journeys.vendor_clients import VENDOR_HOST, WALKS, Outcomes, authority, walk_all
from running import running_demo

_ROOT = Path(__file__).parents[2]
_JOURNEY = Path(__file__).with_name("python_sdk") / "journey.py"
_STEPS = [
    step
    for stories in ("invoices.py", "webhooks.py")
    for step in re.findall(r"^@step\ndef (\w+)", _JOURNEY.with_name(stories).read_text(encoding="utf-8"), re.MULTILINE)
]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcomes]:
    python = _ROOT / ".venv-sdk" / "bin" / "python"
    assert python.exists(), f"there is no {python}: `make test` sets it up"
    with running_demo(tmp_path_factory.mktemp("served") / "demo") as server:
        # -W ignore: what the client warns about is its own affair.
        yield walk_all(
            [str(python), "-W", "ignore", str(_JOURNEY)], server, _settings, tmp_path_factory.mktemp("python_sdk")
        )


@pytest.mark.parametrize("step", _STEPS)
@pytest.mark.parametrize("walk", WALKS)
def test_the_python_client_gets_what_it_expects(outcomes: Outcomes, walk: str, step: str) -> None:
    assert (walk, step) in outcomes
    fault = outcomes[walk, step]
    assert fault is None, fault


def test_no_step_of_the_python_client_is_left_out(outcomes: Outcomes) -> None:
    assert len(_STEPS) >= 28
    assert set(outcomes) == {(walk, step) for walk in WALKS for step in _STEPS}


def _settings(walk: str, ready: Any) -> dict[str, Any]:
    settings = {"merchantid": ready["merchant_id"], "run_environment": authority(ready["tls_url"])}
    if "intermediate" in walk:
        settings |= {"run_environment": VENDOR_HOST, "IntermediateHost": ready["api_url"]}
    if "P12" in walk:
        p12 = Path(ready["p12_file"])
        return settings | {
            "authentication_type": "jwt",
            "jwt_key_type": "P12",
            "keys_directory": str(p12.parent),
            "key_file_name": p12.stem,
            "key_alias": ready["merchant_id"],
            "key_password": ready["p12_password"],
        }
    settings |= {"merchant_keyid": ready["key_id"], "merchant_secretkey": ready["shared_secret"]}
    if "token" in walk:
        return settings | {"authentication_type": "jwt", "jwt_key_type": "SHARED_SECRET"}
    return settings | {"authentication_type": "http_signature"}
