"""
The vendor's official clients, run unmodified in child processes against a demo server of their own.

Their walks are the same in each language: three ways of signing over TLS, and the two that work without it, through the
clients' own setting for an intermediate host while they still believe to call the vendor.
"""

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from running import Server

WALKS = (
    "HTTP Signature over TLS",
    "token with a shared secret over TLS",
    "token with a P12 file over TLS",
    "HTTP Signature through an intermediate host",
    "token with a shared secret through an intermediate host",
)
VENDOR_HOST = "apitest.cybersource.com"

Outcomes = dict[tuple[str, str], str | None]


def walk_all(
    command: Sequence[str], server: Server, settings: Callable[[str, Any], dict[str, Any]], folder: Path
) -> Outcomes:
    """
    Run the child and return the fault, or None, of each walk and step.

    `settings` makes one walk's client configuration out of its name and the server's ready file.
    """
    order, told = folder / "order.json", folder / "outcomes.json"
    walks = [{"name": walk, "settings": settings(walk, server.ready)} for walk in WALKS]
    ca_file = server.ready["ca_file"]
    order.write_text(
        json.dumps({"ca_file": ca_file, "certificate": Path(ca_file).read_text(), "walks": walks}), encoding="utf-8"
    )
    child = subprocess.run(
        [*command, str(order), str(told)], cwd=folder, capture_output=True, text=True, timeout=180, check=False
    )
    assert told.exists(), f"the child ended with {child.returncode}\n{child.stdout[-3000:]}\n{child.stderr[-3000:]}"
    return {(each["walk"], each["step"]): each["fault"] for each in json.loads(told.read_text(encoding="utf-8"))}


def authority(url: str) -> str:
    """Return the host and port of a URL, the form in which the clients want their environment."""
    return urlsplit(url).netloc
