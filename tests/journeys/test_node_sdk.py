"""The official Node client, unmodified, in a process of its own: `node/`."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from journeys.vendor_clients import VENDOR_HOST, WALKS, Outcomes, authority, walk_all
from running import running_demo

_JOURNEY = Path(__file__).with_name("node") / "journey.js"
_STEPS = [
    step
    for stories in ("invoices.js", "webhooks.js")
    for step in re.findall(r"^  async (\w+)\(walk\)", _JOURNEY.with_name(stories).read_text("utf-8"), re.MULTILINE)
]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcomes]:
    node = shutil.which("node")
    assert node is not None, "there is no node: `make test` sets it up"
    assert (_JOURNEY.parent / "node_modules").exists(), "the Node client is not installed: `make test` sets it up"
    with running_demo(tmp_path_factory.mktemp("served") / "demo") as server:
        yield walk_all([node, str(_JOURNEY)], server, _settings, tmp_path_factory.mktemp("node_sdk"))


@pytest.mark.parametrize("step", _STEPS)
@pytest.mark.parametrize("walk", WALKS)
def test_the_node_client_gets_what_it_expects(outcomes: Outcomes, walk: str, step: str) -> None:
    assert (walk, step) in outcomes
    fault = outcomes[walk, step]
    assert fault is None, fault


def test_no_step_of_the_node_client_is_left_out(outcomes: Outcomes) -> None:
    assert len(_STEPS) >= 26
    assert set(outcomes) == {(walk, step) for walk in WALKS for step in _STEPS}


def _settings(walk: str, ready: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "merchantID": ready["merchant_id"],
        "runEnvironment": authority(ready["tls_url"]),
        "sslCaCert": ready["ca_file"],
        "logConfiguration": {"enableLog": False},
    }
    if "intermediate" in walk:
        settings |= {"runEnvironment": VENDOR_HOST, "intermediateHost": ready["api_url"]}
    if "P12" in walk:
        p12 = Path(ready["p12_file"])
        return settings | {
            "authenticationType": "jwt",
            "jwtKeyType": "P12",
            "keysDirectory": str(p12.parent),
            "keyFileName": p12.stem,
            "keyAlias": ready["merchant_id"],
            "keyPass": ready["p12_password"],
        }
    settings |= {"merchantKeyId": ready["key_id"], "merchantsecretKey": ready["shared_secret"]}
    if "token" in walk:
        return settings | {"authenticationType": "jwt", "jwtKeyType": "SHARED_SECRET"}
    return settings | {"authenticationType": "http_signature"}
