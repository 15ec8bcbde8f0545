"""The example of many nodes, for tests that stop, kill and restart its parts."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from documented import ROOT

EXAMPLE = ROOT / "examples" / "many-nodes"
NODES = ("node 1", "node 2")


@contextmanager
def running_cluster(**environment: str) -> Iterator[Any]:
    """Run the example's parts for the length of a `with` block."""
    # Not in pytest's folder, into which PostgreSQL's user may not look.
    folder = Path(tempfile.mkdtemp(prefix="paydue-nodes-"))
    running = _cluster_module().Cluster(folder, {"PAYDUE_RATE_LIMIT": "0"} | environment)
    try:
        running.make()
        yield running
    finally:
        running.stop_all()
        shutil.rmtree(folder, ignore_errors=True)


@cache
def _cluster_module() -> ModuleType:
    spec = spec_from_file_location("many_nodes_cluster", EXAMPLE / "cluster.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
