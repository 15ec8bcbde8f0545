"""The examples with the official clients, run as a newcomer runs them: without TLS, and over TLS."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from documented import ROOT
from running import Server

_EXAMPLES = ROOT / "examples"
_WAYS = ((), ("tls",))

# Trusts the demo's authority the way the guide does, but for one process: certifi's own file stays as it is.
_TRUSTING = """
import certifi, runpy, sys
bundle = sys.argv.pop(1)
certifi.where = lambda: bundle
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture
def ready_file(demo: Server, tmp_path: Path) -> Path:
    file = tmp_path / "ready.json"
    file.write_text(json.dumps(dict(demo.ready)), encoding="utf-8")
    return file


@pytest.mark.parametrize("way", _WAYS, ids=["intermediate host", "TLS"])
def test_the_first_invoice_by_the_python_client(ready_file: Path, way: tuple[str, ...], tmp_path: Path) -> None:
    python = ROOT / ".venv-sdk" / "bin" / "python"
    assert python.exists(), f"there is no {python}: `make test` sets it up"
    where = subprocess.run([python, "-m", "certifi"], capture_output=True, text=True, check=True).stdout.strip()
    authority = json.loads(ready_file.read_text(encoding="utf-8"))["ca_file"]
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(Path(where).read_text() + Path(authority).read_text(), encoding="ascii")

    # -W ignore: what the client warns about is its own affair.
    command = [python, "-W", "ignore", "-c", _TRUSTING, bundle, _EXAMPLES / "first_invoice_sdk.py", ready_file, *way]
    assert_first_invoice(command)


@pytest.mark.parametrize("way", _WAYS, ids=["intermediate host", "TLS"])
def test_the_first_invoice_by_the_node_client(ready_file: Path, way: tuple[str, ...], tmp_path: Path) -> None:
    node = shutil.which("node")
    assert node is not None, "there is no node: `make test` sets it up"
    installed = ROOT / "tests" / "journeys" / "node" / "node_modules"
    assert installed.exists(), "the Node client is not installed: `make test` sets it up"
    # Node looks for packages beside the program.
    (tmp_path / "node_modules").symlink_to(installed)
    program = shutil.copy(_EXAMPLES / "first_invoice.mjs", tmp_path)

    assert_first_invoice([node, program, ready_file, *way])


def assert_first_invoice(command: list[str | Path]) -> None:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    number = re.search(r"^created +(\S+) DRAFT$", done.stdout, re.MULTILINE)
    assert number, done.stdout
    for line in (f"sent     {number[1]} SENT", f"paid     {number[1]} PAID"):
        assert line in done.stdout
    assert re.search(r"^open +http\S+\?version=v2\.1$", done.stdout, re.MULTILINE)
