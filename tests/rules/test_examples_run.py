"""What a stranger is told to run does what the documents say: examples and marked commands, against a server."""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from documented import DOCUMENTS, ROOT, Block, blocks, looks_like
from running import running_demo

READY_FILE = ".demo/ready.json"
RUN = {"run": 0, "run, refused": 1}
WITH_COMMANDS = [document for document in DOCUMENTS if any(each.mark in RUN for each in blocks(document))]


@pytest.fixture
def ready_file(tmp_path: Path) -> Iterator[Path]:
    """Return the ready file of a demo that nobody has used yet: the documents count on its first invoice."""
    with running_demo(tmp_path / "demo") as server:
        file = tmp_path / "ready.json"
        file.write_text(json.dumps(dict(server.ready)), encoding="utf-8")
        yield file


def test_the_first_invoice_needs_nothing_but_python(ready_file: Path) -> None:
    # -S: without the packages that are installed beside this Python.
    done = subprocess.run(
        [sys.executable, "-S", str(ROOT / "examples" / "first_invoice.py"), str(ready_file)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    assert "PAID balance 0" in done.stdout


@pytest.mark.parametrize("document", WITH_COMMANDS, ids=lambda document: document.relative_to(ROOT).as_posix())
def test_documented_commands_do_what_the_document_says(document: Path, ready_file: Path) -> None:
    for each, after in pairwise([*blocks(document), None]):
        assert each is not None
        if each.mark in RUN:
            printed = "".join(run(command, ready_file, RUN[each.mark]) for command in each.lines)
            if after is not None and after.mark == "output":
                assert looks_like(printed, after.text), printed


def test_the_readme_and_the_quickstart_are_among_them() -> None:
    assert {ROOT / "README.md", ROOT / "docs" / "quickstart.md"} <= set(WITH_COMMANDS)


@pytest.mark.parametrize(
    "block",
    [block for document in DOCUMENTS for block in blocks(document) if block.mark in RUN],
    ids=lambda block: f"{block.document}: {block.lines[0][:60]}",
)
def test_what_is_marked_as_run_is_an_example(block: Block) -> None:
    for command in block.lines:
        program, script, ready, *_ = shlex.split(command)
        assert (program, ready) == ("python3", READY_FILE)
        assert (ROOT / script).is_relative_to(ROOT / "examples")
        assert (ROOT / script).is_file()


def run(command: str, ready_file: Path, exit_code: int) -> str:
    arguments = shlex.split(command.replace(READY_FILE, str(ready_file)))
    assert arguments[0] == "python3"
    done = subprocess.run(
        [sys.executable, *arguments[1:]], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == exit_code, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr
